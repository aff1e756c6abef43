//! One incident for the tests of every chat: a gateway answers 502 because the application's certificate has expired.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::alert::{Alert, IncidentKey, Severity};
use crate::bucket::Bucket;
use crate::incident::{Conclusion, Event, Hypothesis, Incident, IncidentId, Reason, Step, Stopped};
use crate::outcome::{CheckKind, Outcome, Report, Role};
use crate::profile::ServiceProfile;
use crate::question::QuestionId;
use crate::runbook::{Knowledge, Question};

/// A shipped question.
pub(super) fn question(id: QuestionId) -> Question {
    Knowledge::builtin().question(id).clone()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

/// An incident as the gateway of an expired certificate raises it.
pub(super) fn incident() -> Incident {
    let mut incident = Incident::new(IncidentId::from_seed(0x1_2345_6789_abcd));
    let profile = ServiceProfile { name: "orders-api".into(), ..ServiceProfile::default() };
    incident.record(Event::Opened { key: IncidentKey("k".into()), profile }, at(0));
    let mut alert = Alert::titled("alertmanager", "High 502 rate on /v1/orders");
    alert.severity = Severity::Critical;
    alert.environment = Some("production".into());
    alert.region = Some("eu-west-1".into());
    alert.endpoint = Some("https://orders.example.com/v1/orders".into());
    alert.http_status = Some(502);
    alert.started_at = Some(at(-40));
    alert.summary =
        Some("More than 5 % of the requests to /v1/orders have failed with 502 for two minutes.".into());
    incident.record(Event::AlertReceived { alert }, at(0));
    incident
}

/// A step of the service.
pub(super) fn step(check: CheckKind) -> Step {
    let target = "orders.example.com:443".to_owned();
    Step { check, role: Role::Service, name: None, target, with: BTreeMap::new() }
}

/// A report of [`step`].
pub(super) fn report(check: CheckKind, outcome: Outcome, summary: &str) -> Report {
    let mut report = Report::error(check, "orders.example.com:443", summary);
    report.outcome = outcome;
    report.took_ms = 12.4;
    report
}

/// The end of [`incident`].
pub(super) fn conclude(incident: &mut Incident) {
    let buckets = BTreeMap::from([
        (Bucket::Client, 0.01),
        (Bucket::Auth, 0.002),
        (Bucket::RateLimit, 0.004),
        (Bucket::Upstream, 0.934),
        (Bucket::Server, 0.05),
    ]);
    let hypothesis = |id: &str, probability, says: &str| Hypothesis {
        id: id.into(),
        bucket: Bucket::Upstream,
        probability,
        says: says.into(),
        next_experiment: String::new(),
        mitigation: "Install the previous certificate's successor by hand and reload the server.".into(),
    };
    let conclusion = Conclusion {
        stopped: Stopped::Clarity,
        bucket: Bucket::Upstream,
        probability: 0.934,
        runner_up: Bucket::Server,
        buckets,
        hypotheses: vec![
            hypothesis(
                "expired_certificate",
                0.91,
                "The application's certificate has expired, so the gateway refuses it.",
            ),
            hypothesis("handshake_refused", 0.02, "The application refuses the gateway's handshake."),
        ],
        next_experiment: "Renew the certificate of `orders.example.com` and ask the gateway once more."
            .into(),
        reasons: vec![
            Reason { observation: "tls service: expired, 41 days ago".into(), decibans: 21.0 },
            Reason {
                observation: "http service: gateway_error, answered by the gateway".into(),
                decibans: 6.2,
            },
            Reason { observation: "one endpoint fails, not all".into(), decibans: -1.4 },
        ],
        ruled_out: vec!["dns: the name resolves".into(), "a deploy: none near the start".into()],
        missing: vec!["latency_first: nobody could tell".into()],
        dependency: None,
        runbooks: "0123456789abcdef".into(),
        runbook: None,
        escalate: Vec::new(),
        mitigate: Vec::new(),
    };
    incident.record(Event::Concluded { conclusion }, at(3));
}
