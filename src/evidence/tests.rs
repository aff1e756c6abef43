//! A whole incident, packed and rendered; and the limits.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::redact::Gate;
use super::*;
use crate::alert::{Alert, AlertStatus, IncidentKey, TransportError};
use crate::incident::{Conclusion, Event, IncidentId, Step};
use crate::outcome::Report;
use crate::profile::{DeadlineProfile, ServiceProfile};
use crate::question::Answer;
use crate::template::Templates;

mod hostile;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_772_359_320 + second).unwrap()
}

fn step(check: CheckKind, role: Role, name: Option<&str>, target: &str) -> Step {
    Step { check, role, name: name.map(str::to_owned), target: target.to_owned(), with: BTreeMap::new() }
}

fn report(step: &Step, outcome: Outcome, summary: &str, facts: serde_json::Value) -> Report {
    let facts = serde_json::from_value(facts).unwrap();
    let phases_ms = if step.check == CheckKind::Http {
        BTreeMap::from([("connect".to_owned(), 0.8), ("first_byte".to_owned(), 30_001.2)])
    } else {
        BTreeMap::new()
    };
    Report {
        check: step.check,
        target: step.target.clone(),
        outcome,
        facts,
        summary: summary.to_owned(),
        took_ms: 30_012.4,
        phases_ms,
    }
}

const CURL: &str = "curl -X POST 'https://api.example.com/v1/users/4711/reports?format=pdf&email=jane@example.com' \\\n  -H 'Authorization: Bearer abcdef123456' -H 'Content-Type: application/json' \\\n  -d '{\"customer\":\"Jane Doe\",\"months\":12}'\n-> 504 {\"error\":{\"code\":\"UPSTREAM_TIMEOUT\"}}";

/// 504s: the backend needs 31 s, the gateway gives up at 30 s.
#[expect(clippy::too_many_lines, reason = "one incident with something of everything")]
fn incident() -> Incident {
    let mut incident = Incident::new(IncidentId::from_seed(7));
    let profile = ServiceProfile {
        name: "reports-api".into(),
        deadlines: Some(DeadlineProfile {
            client: None,
            gateway: Some("30s".into()),
            backend: Some("31s".into()),
        }),
        ..ServiceProfile::default()
    };
    incident.record(
        Event::Opened { key: IncidentKey("reports-api|production|/v1/reports".into()), profile },
        at(0),
    );
    let mut alert = Alert::titled("alertmanager", "High 504 rate on /v1/reports, ask @payments or see #12");
    alert.severity = Severity::Critical;
    alert.environment = Some("production".into());
    alert.region = Some("eu-west-1".into());
    alert.endpoint = Some("https://api.example.com/v1/reports".into());
    alert.http_status = Some(504);
    alert.started_at = Some(at(-90));
    alert.labels = BTreeMap::from([
        ("release".to_owned(), "2026.03.1".to_owned()),
        ("error_rate".to_owned(), "0.34".to_owned()),
    ]);
    alert.links = BTreeMap::from([
        ("dashboard".to_owned(), "https://grafana.example.com/d/4711/api".to_owned()),
        ("source".to_owned(), "https://github.com/o/r/issues/1".to_owned()),
    ]);
    incident.record(Event::AlertReceived { alert }, at(0));
    let steps = vec![
        step(CheckKind::Dns, Role::Service, None, "api.example.com"),
        step(CheckKind::Http, Role::Service, None, "https://api.example.com/v1/reports"),
        step(CheckKind::Deadline, Role::Service, None, "-"),
        step(CheckKind::StatusPage, Role::Dependency, Some("payments"), "https://status.payments.example"),
        step(CheckKind::Tls, Role::Service, Some("direct"), "10.1.2.3:8443"),
    ];
    incident.record(Event::ChecksPlanned { steps: steps.clone() }, at(1));
    let reports = [
        report(
            &steps[0],
            Outcome::Resolves,
            "`api.example.com` resolves to 203.0.113.7",
            json!({"addresses": ["203.0.113.7"]}),
        ),
        report(
            &steps[1],
            Outcome::GatewayError,
            "`504` after 30.0 s, answered by the gateway",
            json!({"status": 504, "origin": "gateway", "headers": {"server": "envoy", "via": "1.1 gw-7", "set-cookie": "sid=s3cr3tvalue; Path=/"}, "server": "envoy"}),
        ),
        report(
            &steps[2],
            Outcome::GatewayShorterThanBackend,
            "the gateway gives up at 30 s, the backend needs 31 s",
            json!({"observed": "31s"}),
        ),
        Report::error(
            CheckKind::StatusPage,
            "https://status.payments.example",
            "the page did not answer in 5 s",
        ),
    ];
    for (step, report) in steps.iter().zip(reports) {
        incident.record(Event::CheckReported { step: step.key(), report }, at(31));
    }
    let asked = |question, because: &str| Event::QuestionAsked { question, because: because.to_owned() };
    incident.record(
        asked(QuestionId::LatencyFirst, "asked because a timeout and a crash look alike in the status"),
        at(32),
    );
    incident
        .record(asked(QuestionId::FailingRequest, "asked because one request says more than a rate"), at(32));
    let answered = |question, answer| Event::AnswerGiven { question, answer, by: "jane".into() };
    incident.record(answered(QuestionId::LatencyFirst, Answer::Picked(vec!["yes".into()])), at(50));
    incident.record(answered(QuestionId::FailingRequest, Answer::Text(CURL.into())), at(80));
    let buckets = BTreeMap::from([(Bucket::Upstream, 0.93), (Bucket::Server, 0.05), (Bucket::Client, 0.02)]);
    let hypothesis = |id: &str, probability, says: &str| Hypothesis {
        id: id.into(),
        bucket: Bucket::Upstream,
        probability,
        says: says.into(),
        next_experiment: "Call the backend directly with a limit of 60 s and compare.".into(),
        mitigation: "Raise the gateway's limit to 45 s for `/v1/reports`.".into(),
    };
    let conclusion = Conclusion {
        stopped: Stopped::Clarity,
        bucket: Bucket::Upstream,
        probability: 0.93,
        runner_up: Bucket::Server,
        buckets,
        hypotheses: vec![
            hypothesis(
                "gateway_gives_up_before_backend",
                0.81,
                "The gateway gives up at 30 s while the backend needs 31 s.",
            ),
            hypothesis("dependency_slow", 0.11, "A dependency got slow."),
        ],
        next_experiment: "Call the backend directly with a limit of 60 s and compare.".into(),
        reasons: vec![
            Reason { observation: "deadline: `gateway_shorter_than_backend`".into(), decibans: 13.2 },
            Reason { observation: "latency rose before errors".into(), decibans: 4.1 },
            Reason { observation: "dns: `resolves`".into(), decibans: -1.0 },
        ],
        ruled_out: vec!["name resolution: `api.example.com` resolves".into()],
        missing: vec!["who retries".into()],
        dependency: None,
        runbooks: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
        runbook: None,
        escalate: Vec::new(),
        mitigate: Vec::new(),
    };
    incident.record(Event::Concluded { conclusion }, at(81));
    incident
}

fn redacted(incident: &Incident) -> Incident {
    redact::incident(incident, &Gate::new([7; 32]))
}

#[test]
fn an_issue_says_the_verdict_first_and_leaks_nothing() {
    let issue = render::issue(&Templates::builtin(), &pack(&redacted(&incident()))).unwrap();
    insta::assert_snapshot!("issue", format!("{}\n{:?}\n\n{}", issue.title, issue.labels, issue.body));
    for secret in ["Jane", "abcdef123456", "jane@example.com", "4711/reports", "s3cr3tvalue"] {
        assert!(!issue.body.contains(secret), "{secret}");
    }
    assert!(!issue.body.contains("(withheld)"));
    assert_eq!(issue.opened_on, "2026-03-01");
    assert!(issue.news.is_empty() && !issue.closed);
}

#[test]
fn the_pack_as_markdown_has_the_sections_of_the_framework() {
    let text = render::markdown(&Templates::builtin(), &pack(&redacted(&incident()))).unwrap();
    insta::assert_snapshot!("evidence", text);
}

#[test]
fn the_schema_of_a_version_stays_what_it_is() {
    insta::assert_json_snapshot!("schema", schema());
}

#[test]
fn every_pack_is_what_its_schema_says() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let nothing = Incident::new(IncidentId::from_seed(1));
    for incident in [incident(), nothing] {
        let pack = serde_json::to_value(pack(&redacted(&incident))).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&pack).map(|it| format!("{}: {it}", it.instance_path())).collect();
        assert_eq!(errors, Vec::<String>::new());
        let described = schema();
        let names = described["properties"].as_object().unwrap();
        assert!(pack.as_object().unwrap().keys().all(|name| names.contains_key(name)));
    }
    assert!(!validator.is_valid(&json!({"schema": 2})));
}

#[test]
fn a_body_is_compared_with_the_contract_and_with_the_request_when_it_succeeded() {
    let entry = |status: u16, body: &str| {
        json!({"request": {"method": "POST", "url": "https://api.example.com/v1/orders", "headers": [],
            "postData": {"mimeType": "application/json", "text": body}}, "response": {"status": status, "headers": []}})
    };
    let har = json!({"log": {"entries": [
        entry(201, r#"{"customer":"Jane Doe","months":12,"vip":true}"#),
        entry(422, r#"{"customer":"John Doe","months":"twelve","coupon":"X1"}"#),
    ]}});
    let mut incident = incident();
    let step = step(CheckKind::Contract, Role::Service, None, "request.har");
    incident.record(Event::ChecksPlanned { steps: vec![step.clone()] }, at(2));
    let facts = json!({"spec_title": "Orders", "spec_version": "2.1.0", "violations": [
        {"in": "body", "pointer": "/months", "keyword": "type", "expected": "integer", "found": "string"},
        {"in": "query", "pointer": "/page", "keyword": "type", "expected": "integer", "found": "string"},
    ]});
    let report = report(&step, Outcome::SchemaViolation, "`/months` must be integer and is string", facts);
    incident.record(Event::CheckReported { step: step.key(), report }, at(3));
    let answer = Answer::Text(har.to_string());
    incident.record(
        Event::AnswerGiven { question: QuestionId::FailingRequest, answer, by: "jane".into() },
        at(90),
    );
    let pack = pack(&redacted(&incident));
    let told: Vec<String> = pack
        .drift
        .iter()
        .flat_map(|drift| {
            drift.changes.iter().map(|it| format!("{}: {} {:?}", drift.against, it.field, it.change))
        })
        .collect();
    assert_eq!(
        told,
        [
            "the contract Orders 2.1.0: /months Changed",
            "the same request when it succeeded (201): /months Changed",
            "the same request when it succeeded (201): /vip Missing",
            "the same request when it succeeded (201): /coupon New",
        ]
    );
    let issue = render::issue(&Templates::builtin(), &pack).unwrap();
    assert!(issue.body.contains("| `/months` | changed | `number` | `string` |"), "{}", issue.body);
    assert!(!issue.body.contains("Doe") && !issue.body.contains("twelve"), "{}", issue.body);
}

#[test]
fn a_response_is_compared_with_the_earlier_incident_s_of_the_same_status() {
    let with_body = |seed, shape: serde_json::Value| {
        let mut incident = Incident::new(IncidentId::from_seed(seed));
        let step = step(CheckKind::Http, Role::Service, None, "https://api.example.com/v1/orders");
        incident.record(Event::ChecksPlanned { steps: vec![step.clone()] }, at(1));
        let facts = json!({"status": 200, "body": {"type": "json", "size_bytes": 9, "shape": shape}});
        let report = report(&step, Outcome::BadBody, "the body is not what `expect_json` wants", facts);
        incident.record(Event::CheckReported { step: step.key(), report }, at(2));
        redacted(&incident)
    };
    let before = with_body(1, json!({"orders": [{"id": "number", "total": "number"}]}));
    let now = with_body(2, json!({"orders": [{"id": "string"}]}));
    let pack = pack_after(&now, Some(&before));
    let drift = &pack.drift[0];
    assert_eq!((drift.body, drift.changes.len()), (Side::Response, 2));
    assert!(drift.against.contains(before.id.as_str()), "{}", drift.against);
    assert!(pack_after(&now, Some(&now)).drift[0].changes.is_empty());
    assert!(super::pack(&now).drift.is_empty());
}

#[test]
fn the_time_to_clarity_is_told_with_and_without_people() {
    let pack = pack(&redacted(&incident()));
    let timeline = &pack.timeline;
    assert_eq!(
        (timeline.mttc_s, timeline.human_wait_s, timeline.mttc_unattended_s),
        (Some(81.0), 48.0, Some(33.0))
    );
    let text = render::markdown(&Templates::builtin(), &pack).unwrap();
    assert!(text.contains("MTTC 1 min 21 s (of it 48.0 s waiting for people, 33.0 s without)"), "{text}");
}

#[test]
fn the_pack_is_stable_and_reads_back() {
    let pack_1 = pack(&redacted(&incident()));
    let text = serde_json::to_string(&pack_1).unwrap();
    let pack_2: Pack = serde_json::from_str(&text).unwrap();
    assert_eq!(pack_1, pack_2);
    assert_eq!(pack_1.hash, hash(&pack_2));
    assert_eq!(pack_1.response.as_ref().unwrap().status, Some(504));
    assert_eq!(pack_1.response.as_ref().unwrap().error_code.as_deref(), Some("UPSTREAM_TIMEOUT"));
    assert_eq!(pack_1.request.as_ref().unwrap().path, "/v1/users/{id}/reports");
    let missing = pack_1.missing.join("\n");
    for named in [
        "who retries",
        "feature flags",
        "user journey step",
        "status_page dependency payments check could not be run",
        "tls service direct check has not come back",
    ] {
        assert!(missing.contains(named), "{named}: {missing}");
    }
}

#[test]
fn an_incident_of_which_nothing_is_known_names_everything_as_missing() {
    for error in [Some(TransportError::Dns), None] {
        let mut incident = Incident::new(IncidentId::from_seed(1));
        let mut alert = Alert::titled("generic", "it is broken");
        alert.error = error;
        incident.record(Event::AlertReceived { alert }, at(0));
        let pack = pack(&incident);
        assert!(pack.missing.len() > 8, "{:?}", pack.missing);
        assert!(pack.classification.is_none() && pack.request.is_none());
        assert_eq!(pack.response.is_some(), error.is_some());
        let issue = render::issue(&Templates::builtin(), &pack).unwrap();
        assert!(issue.body.contains("Triage is still going on"), "{}", issue.body);
        assert_eq!(issue.title, "it is broken");
    }
}

#[test]
fn news_are_what_happened_after_the_conclusion() {
    let mut incident = incident();
    incident
        .record(Event::Reclassified { bucket: Bucket::Server, by: "jane @x".into(), reason: None }, at(100));
    let mut resolved = Alert::titled("alertmanager", "over");
    resolved.status = AlertStatus::Resolved;
    incident.record(Event::Resolved { by: "alertmanager".into(), reason: None }, at(400));
    incident.record(Event::Closed { by: "jane".into(), reason: None }, at(500));
    let issue = render::issue(&Templates::builtin(), &pack(&redacted(&incident))).unwrap();
    let news: Vec<(&str, &str)> = issue.news.iter().map(|it| (it.key.as_str(), it.text.as_str())).collect();
    assert_eq!(
        news,
        [
            (
                "reclassified-server",
                "jane @\u{200b}x says that it was **server** (our own application); triage had said upstream."
            ),
            ("resolved", "Resolved at `2026-03-01T10:08:40Z`, 8 min 10 s after the fault began."),
        ]
    );
    assert!(issue.closed);
    assert!(issue.labels.contains(&"bucket:server".to_owned()));
    assert!(issue.title.ends_with("(server)"));
}

#[test]
fn only_our_section_of_a_body_is_replaced() {
    let old = "People's words.\n\n<!-- firstcheck:inc-1 -->\nold\n<!-- /firstcheck:inc-1 -->\n\nMore words.";
    let new = "<!-- firstcheck:inc-1 -->\nnew\n<!-- /firstcheck:inc-1 -->";
    assert_eq!(
        render::spliced("inc-1", old, new),
        "People's words.\n\n<!-- firstcheck:inc-1 -->\nnew\n<!-- /firstcheck:inc-1 -->\n\nMore words."
    );
    assert_eq!(render::spliced("inc-1", "People's words.", new), format!("{new}\n\nPeople's words."));
    assert_eq!(render::spliced("inc-1", "", new), new);
}

#[test]
fn what_is_left_out_is_said() {
    let mut incident = incident();
    for place in 0..6000 {
        incident
            .record(Event::Refused { reason: format!("answer {place} came after the end") }, at(200 + place));
    }
    let issue = render::issue(&Templates::builtin(), &pack(&redacted(&incident))).unwrap();
    assert!(issue.body.chars().count() <= render::SECTION_LIMIT + 200);
    assert!(
        issue.body.contains("Left out to stay within the tracker's limit: the middle of the timeline."),
        "{}",
        issue.body
    );
    assert!(issue.body.contains("answer 5999"), "the end of the timeline stays");
}

#[test]
fn a_title_stays_within_the_limit_though_what_stands_for_a_secret_is_longer_than_the_secret() {
    let mut incident = incident();
    let long = "@.ꜗ(ﹰ".repeat(22);
    let mut alert = Alert::titled("generic", &long);
    alert.service = Some(long);
    incident.record(Event::AlertReceived { alert: alert.clone() }, at(1));
    incident.alerts.insert(0, alert);
    let title = render::issue(&Templates::builtin(), &pack(&incident)).unwrap().title;
    assert!(title.chars().count() <= render::TITLE_LIMIT, "{title}");
    assert!(title.ends_with('…'), "{title}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_issue_stays_within_the_limits_and_keeps_its_markers(text in "\\PC{0,200}", times in 1_usize..60, checks in 0_usize..120) {
        let long = text.repeat(times);
        let mut incident = incident();
        let mut alert = Alert::titled("generic", &long);
        alert.service = Some(long.clone());
        alert.summary = Some(long.clone());
        incident.record(Event::AlertReceived { alert: alert.clone() }, at(1));
        incident.alerts.insert(0, alert);
        incident.record(Event::AnswerGiven { question: QuestionId::FailingRequest, answer: Answer::Text(long.clone()), by: long.clone() }, at(2));
        for place in 0..checks {
            let step = step(CheckKind::Http, Role::Dependency, Some(&format!("d{place}")), &long.chars().take(400).collect::<String>());
            incident.record(Event::ChecksPlanned { steps: vec![step.clone()] }, at(3));
            let report = report(&step, Outcome::Timeout, &long.chars().take(400).collect::<String>(), json!({"reason": "no answer"}));
            incident.record(Event::CheckReported { step: step.key(), report }, at(4));
        }
        // Not redacted: the limits must hold for any pack.
        let issue = render::issue(&Templates::builtin(), &pack(&incident)).unwrap();
        prop_assert!(issue.body.chars().count() <= render::SECTION_LIMIT + 200);
        prop_assert!(issue.title.chars().count() <= render::TITLE_LIMIT);
        prop_assert!(issue.labels.iter().all(|label| label.chars().count() <= 50));
        let id = incident.id.as_str();
        prop_assert!(issue.body.starts_with(&render::marker(id)) && issue.body.ends_with(&render::end_marker(id)));
        prop_assert_eq!(issue.body.matches("<!--").count(), 2);
    }
}

/// A secret of some kind, and the words around it that make it one.
fn planted() -> impl Strategy<Value = (String, String)> {
    prop_oneof![
        "[A-Z2-7]{16}".prop_map(|it| (format!("AKIA{it}"), it)),
        "[A-Za-z0-9]{36}".prop_map(|it| (format!("ghp_{it}"), it)),
        "[a-z]{4,10}[.][a-z]{4,10}".prop_map(|it| (format!("{it}@example.com"), it)),
        "[A-Za-z0-9_-]{20,40}".prop_map(|it| (format!("eyJhbGciOiJub25lIn0.{it}.{it}"), it)),
        "[a-z0-9]{5,12}[0-9][a-z0-9]{2,8}".prop_map(|it| (format!("password={it}"), it)),
        "[A-Za-z0-9]{12,40}[0-9]".prop_map(|it| (format!("Authorization: Bearer {it}"), it)),
        "[a-z]{4,9}[0-9]{2}[A-Z]{2}".prop_map(|it| (format!("ApiKey('{it}')"), it)),
        "[a-z]{4,9}[0-9]{2}[A-Z]{2}".prop_map(|it| (format!("getenv('DB_PASSWORD', '{it}')"), it)),
        "[a-z]{4,9}[0-9]{2}[A-Z]{2}"
            .prop_map(|it| (format!("echo {it} | docker login --password-stdin"), it)),
    ]
}

/// The incident with this text in every place that somebody else writes.
fn incident_with(text: &str) -> Incident {
    let mut incident = incident();
    let mut alert = Alert::titled("generic", &format!("it fails with {text} again"));
    alert.summary = Some(format!("first line\n{text}\nlast line"));
    alert.service = Some(format!("api {text}"));
    alert.region = Some(text.to_owned());
    alert.endpoint = Some("https://api.example.com/v1/reports?token=".to_owned() + &text.replace(' ', "%20"));
    alert.labels =
        BTreeMap::from([("note".to_owned(), text.to_owned()), ("pod".to_owned(), format!("a {text}"))]);
    alert.links =
        BTreeMap::from([("run".to_owned(), format!("https://x.example/?q={}", text.replace(' ', "+")))]);
    alert.raw =
        json!({"annotations": {"description": text, "deep": [{"message": format!("x {text} y")}]}}).into();
    incident.record(Event::AlertReceived { alert }, at(2));
    let steps = [
        step(CheckKind::Http, Role::Dependency, Some("vendor"), "https://vendor.example/x"),
        step(CheckKind::Tcp, Role::Dependency, Some("vendor"), "vendor.example:443"),
    ];
    incident.record(Event::ChecksPlanned { steps: steps.to_vec() }, at(3));
    let facts = json!({
        "challenge": format!("Bearer realm=\"x\", error_description=\"{text}\""), "reason": text, "violations": [format!("/a: {text}")],
        "body": {"type": "json", "shape": {"message": "string"}, "error": {"message": text}}, "incidents": [{"title": text}],
    });
    let report = report(&steps[0], Outcome::ServerError, &format!("answered 500: {text}"), facts);
    incident.record(Event::CheckReported { step: steps[0].key(), report }, at(4));
    let error = Report::error(CheckKind::Tcp, "vendor.example:443", format!("cannot read {text}"));
    incident.record(Event::CheckReported { step: steps[1].key(), report: error }, at(4));
    let answered = |question, answer| Event::AnswerGiven { question, answer, by: "jane".into() };
    let curl = format!(
        "curl 'https://api.example.com/v1/x?q=1' -H 'X-Note: {text}' -d '{{\"note\":\"{text}\"}}'\n-> 500 {{\"message\":\"{text}\"}}"
    );
    incident.record(answered(QuestionId::FailingRequest, Answer::Text(curl)), at(90));
    incident.record(answered(QuestionId::SpikeStart, Answer::Text(format!("since {text} came"))), at(91));
    incident.record(Event::Refused { reason: format!("no place for {text} here") }, at(92));
    incident
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_planted_secret_survives_nowhere((text, secret) in planted()) {
        let incident = redacted(&incident_with(&text));
        let pack = pack(&incident);
        let templates = Templates::builtin();
        let issue = render::issue(&templates, &pack).unwrap();
        let news: String = issue.news.iter().map(|it| it.text.as_str()).collect();
        for (place, told) in [
            ("incident", serde_json::to_string(&incident).unwrap()),
            ("pack", serde_json::to_string(&pack).unwrap()),
            ("issue", format!("{} {} {:?} {news}", issue.title, issue.body, issue.labels)),
            ("Markdown", render::markdown(&templates, &pack).unwrap()),
        ] {
            prop_assert!(!told.contains(&secret), "{}: {}", place, told);
        }
        prop_assert!(!issue.body.contains("(withheld)"), "the gate before has done it: {}", issue.body);
    }
}

#[test]
fn a_probe_that_succeeds_lends_no_facts_to_the_failure() {
    let mut incident = Incident::new(IncidentId::from_seed(3));
    let mut alert = Alert::titled("generic", "415 on POST /v1/orders");
    alert.http_status = Some(415);
    alert.endpoint = Some("https://api.example.com/v1/orders".into());
    incident.record(Event::AlertReceived { alert }, at(0));
    let step = step(CheckKind::Http, Role::Service, None, "https://api.example.com/v1/orders");
    incident.record(Event::ChecksPlanned { steps: vec![step.clone()] }, at(1));
    let facts = json!({"status": 200, "origin": "app", "server": "edge", "body": {"type": "json", "shape": {"orders": []}}});
    let report = report(&step, Outcome::Ok, "answered 200 in 3 ms", facts);
    incident.record(Event::CheckReported { step: step.key(), report }, at(2));
    let pack = pack(&incident);
    assert_eq!(
        pack.reproduce.as_deref(),
        Some(
            "curl --globoff --include --max-time 60 -X 'POST' 'https://api.example.com/v1/orders' \\\n  --data-raw '<body>'"
        )
    );
    let response = pack.response.unwrap();
    assert_eq!((response.status, response.source.as_str()), (Some(415), "alert"));
    assert!(response.headers.is_empty() && response.snippet.is_none() && response.error_code.is_none());
    assert_eq!(
        response.note.as_deref(),
        Some("The http check got 200: a plain probe does not meet the failure.")
    );
    assert!(pack.missing.contains(&"headers and body of the failing response".to_owned()));
}

#[test]
fn a_client_s_release_is_a_change_and_no_version_of_the_service() {
    #[track_caller]
    fn check(kind: &str, what: &str, release: Option<&str>) {
        let mut incident = Incident::new(IncidentId::from_seed(4));
        let mut alert = Alert::titled("generic", "500s");
        alert.service = Some("orders-api".into());
        incident.record(Event::AlertReceived { alert }, at(0));
        let step = step(CheckKind::Deploys, Role::Service, None, "releases.jsonl");
        incident.record(Event::ChecksPlanned { steps: vec![step.clone()] }, at(1));
        let facts = json!({"nearest": {"kind": kind, "what": what, "minutes_before": 3.0}});
        let report = report(&step, Outcome::DeployNear, "A deploy came 3 min before the start.", facts);
        incident.record(Event::CheckReported { step: step.key(), report }, at(2));
        let environment = pack(&incident).environment;
        assert_eq!(environment.release.as_deref(), release, "{kind} {what}");
        assert_eq!(environment.changes.as_deref(), Some("A deploy came 3 min before the start."));
    }
    check("deploy", "orders-api 2.14.0", Some("orders-api 2.14.0"));
    check("deploy", "v2.14.0", Some("v2.14.0"));
    check("deploy", "orders-mobile 4.2.0", None);
    check("config", "gateway: header allow-list", None);
}
