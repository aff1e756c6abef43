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

#[test]
fn a_vendors_name_leads_to_its_document() {
    let catalogues = Catalogues::builtin();
    let urls = |name: &str| {
        let places = Places::of(&catalogues, name).unwrap();
        places.urls.iter().map(Url::to_string).collect::<Vec<_>>()
    };
    assert_eq!(urls("GitHub"), ["https://www.githubstatus.com/api/v2/summary.json"]);
    assert_eq!(urls("https://www.githubstatus.com/"), ["https://www.githubstatus.com/api/v2/summary.json"]);
    assert_eq!(urls("gitlab"), ["https://api.status.io/1.0/status/5b36dc6502d06804c08349f7"]);
    assert_eq!(urls("openai")[0], "https://status.openai.com/proxy/status.openai.com");
    assert_eq!(urls("https://status.example.com/a.json"), ["https://status.example.com/a.json"]);
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
                components: Vec::new(),
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
