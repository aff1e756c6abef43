//! What the terminal says, as people see it.

use std::collections::BTreeMap;

use super::*;
use crate::alert::IncidentKey;
use crate::bucket::Bucket;
use crate::chat::terminal::Style;
use crate::incident::{Event, IncidentId};
use crate::outcome::CheckKind;
use crate::profile::ServiceProfile;
use crate::question::QuestionId;
use crate::runbook::Knowledge;

/// A shipped question.
pub(crate) fn question(id: QuestionId) -> Question {
    Knowledge::builtin().question(id).clone()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

/// An incident as the gateway of an expired certificate raises it.
pub(crate) fn incident() -> Incident {
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
pub(crate) fn step(check: CheckKind) -> Step {
    let target = "orders.example.com:443".to_owned();
    Step { check, role: Role::Service, name: None, target, with: BTreeMap::new() }
}

/// A report of [`step`].
pub(crate) fn report(check: CheckKind, outcome: Outcome, summary: &str) -> Report {
    let mut report = Report::error(check, "orders.example.com:443", summary);
    report.outcome = outcome;
    report.took_ms = 12.4;
    report
}

/// The end of [`incident`].
pub(crate) fn conclude(incident: &mut Incident) {
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
    };
    incident.record(Event::Concluded { conclusion }, at(3));
}

fn plain() -> Ink {
    Ink::new(Style::plain())
}

#[test]
fn an_opened_incident_shows_what_the_alert_says() {
    insta::assert_snapshot!(opened(plain(), &incident()).join("\n"));
}

#[test]
fn a_conclusion_is_read_in_one_look() {
    let mut incident = incident();
    conclude(&mut incident);
    insta::assert_snapshot!(note(plain(), &incident, &Note::Concluded).join("\n"));
}

#[test]
fn a_narrow_terminal_without_unicode_gets_the_same() {
    let mut incident = incident();
    conclude(&mut incident);
    let ink = Ink::new(Style { unicode: false, width: 60, ..Style::plain() });
    let lines = note(ink, &incident, &Note::Concluded);
    assert!(lines.iter().all(|line| line.is_ascii()), "{lines:?}");
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn checks_stand_below_one_another() {
    let mut payments = step(CheckKind::Http);
    payments.role = Role::Dependency;
    payments.name = Some("payments".into());
    let lines = [
        check(plain(), &step(CheckKind::Dns), &report(CheckKind::Dns, Outcome::Resolves, "2 addresses")),
        check(
            plain(),
            &step(CheckKind::Tls),
            &report(CheckKind::Tls, Outcome::Expired, "certificate expired 41 days ago"),
        ),
        check(plain(), &step(CheckKind::Http), &report(CheckKind::Http, Outcome::Slow, "200 after 3.2 s")),
        check(
            plain(),
            &payments,
            &report(CheckKind::Http, Outcome::Error, "refused by the egress policy: loopback"),
        ),
    ]
    .concat();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_question_over_a_pipe_shows_its_answers() {
    let asked = question(QuestionId::EndpointScope);
    insta::assert_snapshot!(
        question_with_answers(plain(), &asked, "a fault of one endpoint points to its code").join("\n")
    );
}

#[test]
fn a_long_reply_is_shown_by_its_first_line() {
    let asked = question(QuestionId::FailingRequest);
    assert_eq!(
        shown_reply(&asked, "curl https://api.example.com \\\n -v"),
        "curl https://api.example.com \\ …"
    );
}

#[test]
fn odds_are_factors() {
    assert_eq!(odds(plain(), 13.0), "×20");
    assert_eq!(odds(plain(), -6.0), "÷4.0");
    assert_eq!(odds(plain(), 90.0), "×999+");
}
