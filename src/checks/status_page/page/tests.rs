//! Documents in the shapes that providers publish.

use serde_json::json;

use super::*;

fn now() -> Timestamp {
    "2026-11-27T12:00:00Z".parse().unwrap()
}

#[track_caller]
fn page(value: &Value) -> Page {
    read(value.to_string().as_bytes(), now()).unwrap_or_else(|| panic!("no shape: {value}"))
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
        {"external_desc": "x", "begin": "2026", "end": null, "status_impact": "SERVICE_OUTAGE", "affected_products": [{"title": "Cloud Run", "id": "9D7d2iNBQWN24zc1VamE"}], "currently_affected_locations": [{"title": "Belgium", "id": "europe-west1"}]},
        {"external_desc": "old", "begin": "2025", "end": "2025", "status_impact": "SERVICE_OUTAGE"},
    ]));
    assert_eq!((google.provider, google.incidents.len()), ("google_cloud", 1));
    assert_eq!(google.incidents[0].components, ["Cloud Run", "Belgium", "europe-west1"]);
    let aws = json!([{"arn": "a", "region_name": "Ireland", "service": "s3-eu-west-1", "status": "3", "summary": "s"}]);
    let mut utf16 = vec![0xfe, 0xff];
    utf16.extend(aws.to_string().encode_utf16().flat_map(u16::to_be_bytes));
    assert_eq!(read(&utf16, now()).unwrap().incidents[0].impact, Some(State::PartialOutage));
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
        assert_eq!(read(strange.to_string().as_bytes(), now()), None, "{strange}");
    }
    assert_eq!(read(b"<html></html>", now()), None);
    assert_eq!(read(&[0xfe, 0xff], now()), None);
}

/// A calm document and a troubled one of each shape, and how bad the trouble is.
fn fixtures() -> Vec<(&'static str, Value, Value, State)> {
    use State::{Degraded, Maintenance, MajorOutage, PartialOutage};
    let summary = |indicator: &str| json!({"page": {"id": "a"}, "status": {"indicator": indicator}, "components": [], "incidents": [], "scheduled_maintenances": []});
    let unresolved = |status: &str| json!({"page": {"id": "a"}, "incidents": [{"name": "x", "status": status, "impact": "major"}]});
    let native = |affected: Value| json!({"summary": {"components": [{"id": "1", "name": "API"}, {"id": "2", "name": "Site"}], "affected_components": affected, "ongoing_incidents": []}});
    let widget = |incidents: Value| json!({"page_title": "x", "ongoing_incidents": incidents, "in_progress_maintenances": [], "scheduled_maintenances": [{"name": "later"}]});
    let instatus = |status: &str, work: &str| json!({"page": {"name": "x", "status": status}, "activeMaintenances": [{"name": "m", "start": "2026-11-27T11:00:00.000Z", "status": work}]});
    let better = |state: &str| json!({"data": {"attributes": {"aggregate_state": state}}, "included": [{"type": "status_report", "attributes": {"title": "later", "report_type": "maintenance", "starts_at": "2026-12-01T00:00:00Z", "ends_at": "2026-12-01T01:00:00Z"}}]});
    let status_io = |code: u16, start: &str| json!({"result": {"status_overall": {"status": "x", "status_code": code}, "status": [], "incidents": [], "maintenance": {"active": [{"name": "m", "datetime_planned_start": start}]}}});
    let google = |now: &str| json!([{"external_desc": "x", "begin": "2026-11-27T10:00:00Z", "end": null, "status_impact": "SERVICE_OUTAGE", "most_recent_update": {"status": now}}]);
    let aws = |status: &str| json!([{"arn": "a", "region_name": "N. Virginia", "service": "ec2-us-east-1", "status": status, "summary": "s"}]);
    let slack = |status: &str, kind: Option<&str>| json!({"status": status, "active_incidents": kind.map(|it| json!({"title": "t", "type": it, "status": "active"})).into_iter().collect::<Vec<_>>()});
    let heroku = |colour: &str| json!({"status": [{"system": "Apps", "status": colour}, {"system": "Data", "status": "green"}], "incidents": [{"title": "old", "state": "resolved"}]});
    let stripe = |word: &str| json!({"largestatus": word, "statuses": {"api": word, "dashboard": "up"}});
    let cachet = |status: u8| json!({"data": [{"id": 1, "name": "API", "status": status, "status_name": "x"}, {"id": 2, "name": "Site", "status": 1, "status_name": "x"}]});
    let cachet_word = |word: &str| json!({"data": {"status": word, "message": "m"}});
    let kuma = |work: &str| json!({"config": {"slug": "a"}, "publicGroupList": [], "maintenanceList": [{"title": "m", "status": work}]});
    let robot = |class: &str| json!({"status": "ok", "data": [{"name": "API", "statusClass": class}, {"name": "Site", "statusClass": "success"}]});
    vec![
        ("statuspage", summary("none"), summary("critical"), MajorOutage),
        ("statuspage", unresolved("resolved"), unresolved("identified"), PartialOutage),
        (
            "incident_io",
            native(json!([])),
            native(json!([{"component_id": "1", "status": "full_outage"}])),
            PartialOutage,
        ),
        (
            "incident_io",
            widget(json!([])),
            widget(
                json!([{"name": "x", "status": "investigating", "current_worst_impact": "degraded_performance"}]),
            ),
            Degraded,
        ),
        ("instatus", instatus("UP", "NOTSTARTEDYET"), instatus("UP", "INPROGRESS"), Maintenance),
        ("instatus", instatus("UP", "COMPLETED"), instatus("HASISSUES", "COMPLETED"), Degraded),
        ("better_stack", better("operational"), better("degraded"), Degraded),
        (
            "status_io",
            status_io(100, "2026-12-01T00:00:00Z"),
            status_io(100, "2026-11-27T11:00:00Z"),
            Maintenance,
        ),
        (
            "status_io",
            status_io(100, "2026-12-01T00:00:00Z"),
            status_io(500, "2026-12-01T00:00:00Z"),
            MajorOutage,
        ),
        ("google_cloud", google("AVAILABLE"), google("SERVICE_DISRUPTION"), Degraded),
        ("aws", aws("0"), aws("3"), PartialOutage),
        ("slack", slack("ok", None), slack("active", Some("incident")), Degraded),
        ("heroku", heroku("green"), heroku("red"), PartialOutage),
        (
            "salesforce",
            json!([]),
            json!([{"IncidentImpacts": [{"severity": "minor"}], "serviceKeys": ["core"]}]),
            Degraded,
        ),
        ("stripe", stripe("up"), stripe("degraded"), Degraded),
        (
            "sorry",
            json!({"page": {"state": "operational"}}),
            json!({"page": {"state": "degraded"}}),
            Degraded,
        ),
        ("cachet", cachet(1), cachet(4), PartialOutage),
        ("cachet", cachet_word("operational"), cachet_word("partial_outage"), PartialOutage),
        ("uptime_kuma", kuma("scheduled"), kuma("under-maintenance"), Maintenance),
        ("uptime_robot", robot("success"), robot("danger"), PartialOutage),
        ("plain", json!({"status": "ok"}), json!({"status": "down"}), MajorOutage),
    ]
}

#[test]
fn every_shape_is_calm_when_its_page_is_and_troubled_when_it_is_not() {
    for (provider, calm, troubled, state) in fixtures() {
        assert_eq!(super::super::of_page(&page(&calm)), State::Operational, "{provider}: {calm}");
        let found = page(&troubled);
        assert_eq!((found.provider, super::super::of_page(&found)), (provider, state), "{troubled}");
    }
}

#[test]
fn every_vendor_has_a_shape_that_a_fixture_shows() {
    let shown: std::collections::BTreeSet<String> = fixtures().iter().map(|it| it.0.to_owned()).collect();
    let vendors = crate::checks::Catalogues::builtin().vendors;
    assert!(vendors.len() >= 60, "{}", vendors.len());
    for vendor in vendors {
        let provider = serde_json::to_value(vendor.provider).unwrap().as_str().unwrap().to_owned();
        // `feed` has tests of its own; `auto` is whatever is found; `none` is not read.
        assert!(
            shown.contains(&provider) || ["feed", "auto", "none"].contains(&provider.as_str()),
            "{}: no fixture shows {provider}",
            vendor.id
        );
        let by = |name: &str| crate::checks::Catalogues::builtin().vendor(name).map(|it| it.id.clone());
        for name in vendor.aliases.iter().chain([&vendor.id, &vendor.name]) {
            assert_eq!(by(name).as_deref(), Some(vendor.id.as_str()), "{name} names another vendor first");
        }
    }
}

proptest::proptest! {
    #[test]
    fn any_document_ends(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        let _ = read(&bytes, now());
    }

    #[test]
    fn a_shape_with_one_value_changed_is_read_or_not_and_never_panics(which in 0usize..42, name in 0usize..30, word in "[a-z0-9]{0,8}") {
        let all = fixtures();
        let (_, calm, troubled, _) = &all[which / 2 % all.len()];
        let text = if which % 2 == 0 { calm } else { troubled }.to_string();
        let strings: Vec<_> = text.match_indices('"').map(|it| it.0).collect();
        let at = strings.get(name).copied().unwrap_or(0);
        let changed = format!("{}{word}{}", &text[..at], &text[at..]);
        let _ = read(changed.as_bytes(), now());
    }
}
