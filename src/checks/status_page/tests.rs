//! Pages judged, and real pages on loopback read.

use std::time::Duration;

use super::*;
use crate::checks::{self, With};
use crate::drill::http_server::{HttpServer, Reply};
use crate::drill::vendor::{Posted, StatusPage};
use crate::egress::Policy;

async fn check(target: &str, component: Option<&str>) -> Result<Report, NotRun> {
    let with = component.map(|it| With::from([("component", it)])).unwrap_or_default();
    let request = Request {
        check: CheckKind::StatusPage,
        target: target.to_owned(),
        with,
        timeout: Duration::from_secs(2),
        now: crate::clock::now(),
    };
    checks::run(&Environment::new(Policy::unrestricted()), &request).await
}

#[tokio::test]
async fn a_page_is_found_below_its_address_and_judged() {
    let green = Posted::green(&["API", "Webhooks"]);
    let vendor = StatusPage::start("Payments", green, None).await.unwrap();
    for target in [vendor.server().url("/"), vendor.server().url("/api/v2/summary.json")] {
        let report = check(&target, None).await.unwrap();
        assert_eq!(report.outcome, Outcome::Operational, "{report:?}");
        assert_eq!(report.facts["provider"], "statuspage");
    }
    vendor.post(Posted::incident("Elevated errors", "critical", &["API"], "major_outage"));
    let report = check(&vendor.server().url("/"), None).await.unwrap();
    assert_eq!(report.outcome, Outcome::MajorOutage);
    assert_eq!(report.summary, "the page says major outage; open: Elevated errors");
    assert_eq!(report.facts["incidents"][0]["title"], "Elevated errors");
}

#[tokio::test]
async fn a_component_has_a_state_of_its_own() {
    let mut posted = Posted::incident("x", "minor", &["API"], "partial_outage");
    posted.components.push(("Webhooks".to_owned(), "operational".to_owned()));
    let vendor = StatusPage::start("Payments", posted, None).await.unwrap();
    let url = vendor.server().url("/");
    for (component, expected) in [
        ("api", Outcome::PartialOutage),
        ("Webhooks", Outcome::Operational),
        ("hook", Outcome::Operational),
        ("Mail", Outcome::Error),
    ] {
        let report = check(&url, Some(component)).await.unwrap();
        assert_eq!(report.outcome, expected, "{component}: {report:?}");
    }
    let report = check(&url, Some("Mail")).await.unwrap();
    assert_eq!(report.summary, "the page has no component `Mail`; it has API, Webhooks");
}

#[tokio::test]
async fn a_page_that_cannot_be_read_is_neither_up_nor_down() {
    let blocked = HttpServer::plain(|_| async { Reply::empty(403) }).await.unwrap();
    let report = check(&blocked.url("/"), None).await.unwrap();
    assert_eq!((report.outcome, report.exit_status()), (Outcome::Unreachable, 3));
    assert_eq!(report.summary, "the status page cannot be read: it answers 403");
    let strange = HttpServer::plain(|_| async { Reply::json(200, &json!([])) }).await.unwrap();
    assert_eq!(check(&strange.url("/"), None).await.unwrap().outcome, Outcome::Unreachable);
    let report = check("http://127.0.0.1:1/", None).await.unwrap();
    assert_eq!(report.outcome, Outcome::Unreachable);
    assert_eq!(check("fastly", None).await.unwrap().outcome, Outcome::Unreachable);
}

#[tokio::test]
async fn a_target_that_is_neither_a_page_nor_a_vendor_is_wrong_usage() {
    let error = check("acme-payments", None).await.unwrap_err();
    assert!(matches!(&error, NotRun::Usage(text) if text.contains("is no vendor")), "{error}");
}

fn page_of(indicator: Option<State>, parts: &[State], impacts: &[State]) -> Page {
    Page {
        indicator: indicator.map(|state| ("word".to_owned(), state)),
        components: parts
            .iter()
            .map(|state| Component {
                id: String::new(),
                name: "c".to_owned(),
                state: *state,
                is_group: false,
            })
            .collect(),
        incidents: impacts
            .iter()
            .map(|impact| page::Incident {
                title: String::new(),
                impact: Some(*impact),
                status: None,
                started_at: None,
                ended_at: None,
                components: Vec::new(),
                text: String::new(),
            })
            .collect(),
        ..Page::default()
    }
}

#[test]
fn an_open_incident_raises_a_green_page_and_components_decide_without_an_indicator() {
    use State::{Degraded, MajorOutage, Operational, PartialOutage};
    assert_eq!(of_page(&page_of(Some(Operational), &[MajorOutage], &[])), Operational);
    assert_eq!(of_page(&page_of(Some(Operational), &[], &[PartialOutage])), PartialOutage);
    assert_eq!(of_page(&page_of(Some(MajorOutage), &[], &[Degraded])), MajorOutage);
    assert_eq!(of_page(&page_of(None, &[MajorOutage, MajorOutage], &[])), MajorOutage);
    assert_eq!(of_page(&page_of(None, &[MajorOutage, Operational], &[])), PartialOutage);
    assert_eq!(of_page(&page_of(None, &[Degraded, Operational], &[])), Degraded);
    assert_eq!(of_page(&page_of(None, &[], &[])), Operational);
}

/// A server that answers these paths with these documents, and anything else with 404.
async fn publishing(documents: &[(&'static str, &'static str, String)]) -> HttpServer {
    let documents = documents.to_vec();
    HttpServer::plain(move |request: hyper::Request<hyper::body::Bytes>| {
        let found = documents.iter().find(|(path, ..)| *path == request.uri().path()).cloned();
        async move {
            match found {
                Some((_, kind, text)) => Reply::body(200, kind, text),
                None => Reply::html(404, "<h1>Not found</h1>"),
            }
        }
    })
    .await
    .unwrap()
}

const JSON: &str = "application/json";

#[tokio::test]
async fn uptime_kumas_page_is_read_together_with_its_heartbeats() {
    let page = json!({"config": {"slug": "main", "title": "x"}, "incident": null, "maintenanceList": [],
        "publicGroupList": [{"id": 1, "name": "g", "monitorList": [{"id": 7, "name": "API"}, {"id": 8, "name": "Site"}]}]});
    let beats = |api: u8| {
        json!({"heartbeatList": {"7": [{"status": 0}, {"status": api}], "8": [{"status": 1}]}, "uptimeList": {}}).to_string()
    };
    for (api, whole, part) in
        [(1, Outcome::Operational, Outcome::Operational), (0, Outcome::PartialOutage, Outcome::MajorOutage)]
    {
        let server = publishing(&[
            ("/status/main", "text/html", "<html></html>".to_owned()),
            ("/api/status-page/main", JSON, page.to_string()),
            ("/api/status-page/heartbeat/main", JSON, beats(api)),
        ])
        .await;
        let url = server.url("/status/main");
        assert_eq!(check(&url, None).await.unwrap().outcome, whole);
        assert_eq!(check(&url, Some("API")).await.unwrap().outcome, part);
    }
    let silent = publishing(&[("/api/status-page/main", JSON, page.to_string())]).await;
    assert_eq!(check(&silent.url("/status/main"), None).await.unwrap().outcome, Outcome::Unreachable);
}

#[tokio::test]
async fn cachets_incidents_and_schedules_are_read_beside_its_components() {
    let component = |id: u8, status: u8| json!({"id": id.to_string(), "type": "components", "attributes": {"name": format!("c{id}"), "status": {"human": "x", "value": status}}});
    let schedules =
        json!({"data": [{"attributes": {"name": "Move", "scheduled_at": {}, "status": {"value": 1}}}]});
    let server = publishing(&[
        (
            "/api/components",
            JSON,
            json!({"data": [component(1, 1), component(2, 1), component(3, 5)]}).to_string(),
        ),
        (
            "/api/incidents",
            JSON,
            json!({"data": [{"attributes": {"name": "Old", "status": {"value": 4}}}]}).to_string(),
        ),
        ("/api/schedules", JSON, schedules.to_string()),
    ])
    .await;
    let report = check(&server.url("/"), None).await.unwrap();
    assert_eq!((report.outcome, &report.facts["maintenances"]), (Outcome::Maintenance, &json!(["Move"])));
    assert_eq!(report.facts["open_incidents"], 0);
    let old = json!({"data": [{"id": 1, "name": "API", "status": 4, "status_name": "Major"}, {"id": 2, "name": "Site", "status": 1, "status_name": "Ok"}]});
    let server = publishing(&[("/api/v1/components", JSON, old.to_string())]).await;
    assert_eq!(check(&server.url("/"), None).await.unwrap().outcome, Outcome::PartialOutage);
    assert_eq!(check(&server.url("/"), Some("API")).await.unwrap().outcome, Outcome::MajorOutage);
}

#[tokio::test]
async fn a_feed_is_found_at_its_usual_place_or_by_the_pages_link() {
    let feed = |label: &str| {
        let now = crate::clock::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        format!(
            "<?xml version=\"1.0\"?><rss><channel><title>Acme Status</title><item><title>Search outage</title><pubDate>{now}</pubDate><description>&lt;strong&gt;{label}&lt;/strong&gt;</description></item></channel></rss>"
        )
    };
    let server = publishing(&[("/history.rss", "application/rss+xml", feed("Investigating"))]).await;
    let report = check(&server.url("/"), None).await.unwrap();
    assert_eq!((report.outcome, &report.facts["provider"]), (Outcome::PartialOutage, &json!("feed")));
    assert_eq!(check(&server.url("/"), Some("search")).await.unwrap().outcome, Outcome::PartialOutage);
    assert_eq!(check(&server.url("/"), Some("Mail")).await.unwrap().outcome, Outcome::Operational);
    let html = "<html><head><link rel=\"alternate\" type=\"application/rss+xml\" href=\"/x/updates.xml\"></head></html>";
    let server =
        publishing(&[("/", "text/html", html.to_owned()), ("/x/updates.xml", "text/xml", feed("Resolved"))])
            .await;
    assert_eq!(check(&server.url("/"), None).await.unwrap().outcome, Outcome::Operational);
}

#[tokio::test]
async fn an_incident_is_compared_with_the_time_of_the_failure() {
    let incident = |status: &str, from: &str, to: Option<&str>| json!({"name": "x", "status": status, "impact": "minor", "started_at": from, "resolved_at": to});
    let page = json!({"page": {"id": "a"}, "status": {"indicator": "minor"}, "components": [], "scheduled_maintenances": [],
        "incidents": [incident("investigating", "2026-03-01T12:00:00Z", None), incident("resolved", "2026-03-01T08:00:00Z", Some("2026-03-01T10:10:00Z"))]});
    let at = |at: &str| {
        let with = With::from([("at", at)]);
        let request = Request {
            check: CheckKind::StatusPage,
            target: "-".into(),
            with,
            timeout: Duration::from_secs(1),
            now: crate::clock::now(),
        };
        let page = page::read(page.to_string().as_bytes(), request.now).unwrap();
        judge("-", &page, None, &Around::read(&request).unwrap()).facts
    };
    let early = at("2026-03-01T10:00:00Z");
    assert_eq!(
        (&early["incidents"][0]["in_window"], early["past_incidents"].as_array().map(Vec::len)),
        (&json!(false), Some(1))
    );
    assert_eq!(at("2026-03-01T11:00:00Z")["diagnosis"], "incident_started_later");
    assert_eq!(at("2026-03-01T12:00:00Z")["incidents"][0]["in_window"], true);
}

#[test]
fn a_component_is_found_by_all_its_words() {
    let page = Page {
        incidents: vec![page::Incident {
            title: "x".into(),
            impact: Some(State::Degraded),
            status: None,
            started_at: None,
            ended_at: None,
            components: vec!["s3-us-east-1".into()],
            text: String::new(),
        }],
        lists_only_trouble: true,
        ..Page::default()
    };
    assert_eq!(of_component(&page, "S3 us-east-1").unwrap().0, State::Degraded);
    assert_eq!(of_component(&page, "ec2 us-east-1").unwrap().0, State::Operational);
}

#[test]
fn of_components_with_one_name_the_worst_is_told() {
    let part = |state| Component { id: String::new(), name: "API".into(), state, is_group: false };
    let page = Page {
        components: vec![part(State::Operational), part(State::MajorOutage), part(State::Operational)],
        ..Page::default()
    };
    assert_eq!(of_component(&page, "api").unwrap().0, State::MajorOutage);
}
