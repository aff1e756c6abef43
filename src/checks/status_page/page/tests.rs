//! Documents in the shapes that providers publish.

use serde_json::json;

use super::*;

#[track_caller]
fn page(value: &Value) -> Page {
    read(value.to_string().as_bytes()).unwrap_or_else(|| panic!("no shape: {value}"))
}

#[test]
fn statuspage_is_read_with_its_open_incidents_alone() {
    let page = page(&json!({
        "page": {"name": "GitHub"},
        "status": {"indicator": "minor", "description": "Partial"},
        "components": [
            {"id": "a", "name": "API", "status": "degraded_performance", "group": false},
            {"id": "b", "name": "Group", "status": "operational", "group": true},
        ],
        "incidents": [
            {"name": "Slow", "status": "investigating", "impact": "minor", "started_at": "2026-03-01T10:00:00Z", "components": [{"name": "API"}]},
            {"name": "Old", "status": "resolved", "impact": "critical"},
        ],
        "scheduled_maintenances": [{"name": "Now", "status": "in_progress"}, {"name": "Later", "status": "scheduled"}],
    }));
    assert_eq!((page.provider, page.indicator), ("statuspage", Some(("minor".to_owned(), State::Degraded))));
    assert_eq!(page.components[0].state, State::Degraded);
    assert!(page.components[1].is_group);
    assert_eq!(page.incidents.len(), 1);
    assert_eq!(page.incidents[0].components, ["API"]);
    assert_eq!(page.maintenances, ["Now"]);
}

#[test]
fn incident_io_lists_only_what_is_affected() {
    let page = page(&json!({"summary": {
        "name": "OpenAI",
        "components": [{"id": "1", "name": "API"}, {"id": "2", "name": "Chat"}],
        "affected_components": [{"component_id": "2", "status": "full_outage"}],
        "ongoing_incidents": [{"name": "Down", "status": "identified", "affected_components": [{"component_id": "2", "current_status": "full_outage"}]}],
    }}));
    assert_eq!(page.components[0].state, State::Operational);
    assert_eq!(page.components[1].state, State::MajorOutage);
    assert_eq!(page.incidents[0].impact, Some(State::MajorOutage));
}

#[test]
fn instatus_and_better_stack_are_read() {
    let instatus = page(&json!({
        "page": {"name": "x", "url": "https://x", "status": "HASISSUES"},
        "activeIncidents": [{"name": "Bad", "started": "2026", "status": "INVESTIGATING", "impact": "MAJOROUTAGE"}],
    }));
    assert_eq!((instatus.provider, instatus.incidents[0].impact), ("instatus", Some(State::MajorOutage)));
    let better = page(&json!({
        "data": {"attributes": {"aggregate_state": "downtime"}},
        "included": [
            {"type": "status_page_resource", "attributes": {"public_name": "API", "status": "downtime"}},
            {"type": "status_page_resource", "attributes": {"public_name": "Site", "status": "operational"}},
            {"type": "status_report", "attributes": {"title": "Down", "aggregate_state": "downtime", "ends_at": null}},
        ],
    }));
    assert_eq!(better.indicator.map(|it| it.1), Some(State::PartialOutage));
    assert_eq!(better.incidents[0].impact, Some(State::PartialOutage));
}

#[test]
fn the_clouds_list_only_trouble() {
    let google = page(&json!([
        {"external_desc": "x", "begin": "2026", "end": null, "status_impact": "SERVICE_OUTAGE", "affected_products": [{"title": "Cloud Run"}]},
        {"external_desc": "old", "begin": "2025", "end": "2025", "status_impact": "SERVICE_OUTAGE"},
    ]));
    assert_eq!((google.provider, google.incidents.len()), ("google_cloud", 1));
    assert_eq!(google.incidents[0].components, ["Cloud Run"]);
    let aws = json!([{"arn": "a", "region_name": "Ireland", "service": "s3-eu-west-1", "status": "3", "summary": "s"}]);
    let mut utf16 = vec![0xfe, 0xff];
    utf16.extend(aws.to_string().encode_utf16().flat_map(u16::to_be_bytes));
    assert_eq!(read(&utf16).unwrap().incidents[0].impact, Some(State::PartialOutage));
}

#[test]
fn slack_heroku_status_io_and_salesforce_are_read() {
    let slack = page(
        &json!({"status": "active", "active_incidents": [{"title": "t", "type": "outage", "status": "active", "services": ["Messaging"]}]}),
    );
    assert_eq!((slack.provider, slack.incidents[0].impact), ("slack", Some(State::PartialOutage)));
    let heroku = page(
        &json!({"status": [{"system": "Apps", "status": "red"}, {"system": "Data", "status": "green"}], "incidents": []}),
    );
    assert_eq!((heroku.provider, heroku.components[0].state), ("heroku", State::MajorOutage));
    let status_io = page(
        &json!({"result": {"status_overall": {"status": "Degraded", "status_code": 300}, "status": [{"id": "1", "name": "API", "status_code": 500}]}}),
    );
    assert_eq!(status_io.indicator, Some(("Degraded".to_owned(), State::Degraded)));
    assert_eq!(status_io.components[0].state, State::MajorOutage);
    let salesforce = page(
        &json!([{"IncidentImpacts": [{"severity": "major"}], "serviceKeys": ["core"], "instanceKeys": ["EU1"]}]),
    );
    assert_eq!(
        (salesforce.provider, salesforce.incidents[0].impact),
        ("salesforce", Some(State::PartialOutage))
    );
}

#[test]
fn a_plain_page_needs_a_word_that_means_something() {
    assert_eq!(page(&json!({"status": "UP"})).indicator.map(|it| it.1), Some(State::Operational));
    let parts = page(&json!({"components": {"db": {"status": "DOWN"}, "cache": {"status": "UP"}}}));
    assert_eq!((parts.indicator, parts.components.len()), (None, 2));
    for strange in [
        json!({"status": "purple"}),
        json!({"message": "hello"}),
        json!("ok"),
        json!(7),
        json!({"status": 200}),
    ] {
        assert_eq!(read(strange.to_string().as_bytes()), None, "{strange}");
    }
    assert_eq!(read(b"<html></html>"), None);
    assert_eq!(read(&[0xfe, 0xff]), None);
}
