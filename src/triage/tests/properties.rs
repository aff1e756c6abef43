//! What holds for any order of events: triage ends, asks nothing twice, and decides the same again.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{Desk, KNOWLEDGE};
use crate::alert::{Alert, AlertStatus, IncidentKey};
use crate::bucket::Bucket;
use crate::incident::{Event, Incident, IncidentId, Recorded, Stage, Stopped};
use crate::outcome::{CheckKind, Outcome, Report};
use crate::profile::ServiceProfile;
use crate::question::{Answer, QuestionId};
use crate::triage::{Action, Note, step};

fn profile() -> ServiceProfile {
    let text = r#"
name: orders-api
url: https://api.example.com/v1
direct_url: https://app.example.com/v1
dependencies: [{name: pay, url: "https://pay.example.com", status_page: pay}]
token: {env: TOKEN}
releases: {record: releases.jsonl}
"#;
    crate::yaml::read("profile", text).unwrap()
}

/// Runs an incident whose pending results arrive in any order, with any content, some of them twice.
fn run(choices: &[(Index, Index)]) -> (Incident, Vec<Recorded>, Vec<QuestionId>) {
    let mut incident = Incident::new(IncidentId::from_seed(1));
    let (mut log, mut asked) = (Vec::new(), Vec::new());
    let mut choices = choices.iter().cycle();
    let mut pending: VecDeque<Event> = VecDeque::from([
        Event::Opened { key: IncidentKey("k".into()), profile: profile() },
        Event::AlertReceived { alert: Alert::titled("generic", "errors") },
    ]);
    let mut place = 0;
    while !pending.is_empty() {
        let (which, what) = choices.next().unwrap();
        // The first two come in order; whatever follows does not.
        let next = if place < 2 { 0 } else { which.index(pending.len()) };
        let event = pending.remove(next).unwrap();
        place += 1;
        assert!(place < 500, "triage does not end");
        let now = Timestamp::from_second(place).unwrap();
        let stepped = step(&KNOWLEDGE, incident, event.clone(), now);
        incident = stepped.incident;
        log.extend(stepped.recorded);
        for action in stepped.actions {
            match action {
                Action::RunCheck { step } => {
                    let outcomes = step.check.outcomes();
                    let mut report = Report::error(step.check, &step.target, "not here");
                    report.outcome = *outcomes.get(what.index(outcomes.len() + 1)).unwrap_or(&Outcome::Error);
                    pending.push_back(Event::CheckReported { step: step.key(), report: report.clone() });
                    pending.push_back(Event::CheckStarted { step: step.key() });
                    pending.push_back(Event::CheckReported { step: step.key(), report });
                }
                Action::Ask { question, .. } => {
                    asked.push(question);
                    let answers = question.answers();
                    let reply = answers.get(what.index(answers.len() + 1)).map_or("unknown", |it| it);
                    let answer = Answer::parse(question, reply).unwrap();
                    pending.push_back(Event::AnswerGiven { question, answer, by: "test".into() });
                }
                _ => {}
            }
        }
    }
    (incident, log, asked)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_order_of_events_ends_and_asks_nothing_twice(choices in prop::collection::vec(any::<(Index, Index)>(), 40)) {
        let (incident, log, asked) = run(&choices);
        prop_assert!(matches!(incident.stage, Stage::Clarity | Stage::Unclear));
        prop_assert_eq!(asked.iter().collect::<BTreeSet<_>>().len(), asked.len());
        let sum: f64 = incident.buckets.values().sum();
        prop_assert!((sum - 1.0).abs() < 1e-9);
        let places: Vec<u64> = log.iter().map(|it| it.seq).collect();
        prop_assert_eq!(places, (1..=log.len() as u64).collect::<Vec<_>>());
        prop_assert_eq!(&Incident::fold(incident.id.clone(), &log), &incident);
        let (again, ..) = run(&choices);
        prop_assert_eq!(serde_json::to_string(&again).unwrap(), serde_json::to_string(&incident).unwrap());
    }

    #[test]
    fn free_text_never_panics(text in ".{0,200}") {
        let mut desk = Desk::new(ServiceProfile::default()).alert(&text, None);
        desk.run(Event::AnswerGiven { question: QuestionId::FailingRequest, answer: Answer::Text(text.clone()), by: "test".into() });
        desk.run(Event::AnswerGiven { question: QuestionId::StatusDistribution, answer: Answer::Text(text), by: "test".into() });
        prop_assert!(desk.incident.conclusion.is_some());
    }
}

fn resolved(title: &str) -> Event {
    let mut alert = Alert::titled("generic", title);
    alert.status = AlertStatus::Resolved;
    alert.service = Some("orders-api".into());
    Event::AlertReceived { alert }
}

#[test]
fn a_duplicate_changes_nothing() {
    let desk = Desk::new(profile()).alert("500s", Some(500));
    for record in &desk.log {
        let is_input = matches!(
            record.event,
            Event::Opened { .. }
                | Event::CheckReported { .. }
                | Event::AnswerGiven { .. }
                | Event::CheckStarted { .. }
        );
        if is_input {
            let stepped = step(&KNOWLEDGE, desk.incident.clone(), record.event.clone(), record.at);
            assert_eq!((stepped.recorded.len(), stepped.actions.len()), (0, 0), "{record:?}");
        }
    }
}

#[test]
fn a_repeated_alert_is_counted_and_does_nothing_more() {
    let mut desk = Desk::new(profile()).alert("500s", Some(500));
    let (filed, said) = (desk.filed, desk.said.len());
    let alert = desk.incident.alerts[0].clone();
    desk.run(Event::AlertReceived { alert });
    assert_eq!((desk.incident.alert_count, desk.filed, desk.said.len()), (2, filed, said));
}

#[test]
fn a_resolved_alert_ends_the_incident_and_updates_the_issue() {
    let mut desk = Desk::new(profile()).alert("500s", Some(500));
    let filed = desk.filed;
    desk.run(resolved("500s"));
    assert_eq!(desk.incident.stage, Stage::Resolved);
    assert_eq!(desk.said.last(), Some(&Note::Resolved { by: "generic".into(), reason: None }));
    assert_eq!(desk.filed, filed + 1);
}

#[test]
fn an_incident_that_ends_before_triage_does_still_gets_its_issue() {
    let mut desk = Desk::new(ServiceProfile::default());
    let alert = Alert::titled("generic", "500s");
    let stepped =
        step(&KNOWLEDGE, desk.incident.clone(), Event::AlertReceived { alert }, Timestamp::UNIX_EPOCH);
    desk.incident = stepped.incident;
    desk.run(Event::Resolved { by: "ann".into(), reason: None });
    assert!(desk.incident.conclusion.is_some());
    assert_eq!(desk.filed, 1);
}

#[test]
fn a_late_answer_that_changes_the_boundary_is_said() {
    let mut desk = Desk::new(ServiceProfile::default()).alert("errors", Some(401));
    let before = desk.incident.conclusion.clone().unwrap();
    assert_eq!((before.bucket, before.stopped), (Bucket::Auth, Stopped::Unclear));
    let told = [
        (QuestionId::LimitHeaders, "yes"),
        (QuestionId::FailingRequest, "GET /x -> 429 too many requests, Retry-After: 30"),
        (QuestionId::RetryLayer, "amplifying"),
        (QuestionId::TokenState, "valid"),
    ];
    for (question, reply) in told {
        let answer = Answer::parse(question, reply).unwrap();
        desk.run(Event::AnswerGiven { question, answer, by: "ann".into() });
    }
    assert_eq!(desk.incident.conclusion.as_ref().unwrap().bucket, Bucket::RateLimit);
    assert!(desk.said.contains(&Note::Changed { from: Bucket::Auth }), "{:?}", desk.said);
}

#[test]
fn an_answer_after_the_end_is_refused_and_says_so() {
    let mut desk = Desk::new(profile()).alert("500s", Some(500));
    desk.run(Event::Closed { by: "ann".into(), reason: None });
    let answer = Answer::parse(QuestionId::ClientScope, "one_sdk").unwrap();
    desk.run(Event::AnswerGiven { question: QuestionId::ClientScope, answer, by: "ann".into() });
    assert!(matches!(desk.said.last(), Some(Note::Refused { .. })), "{:?}", desk.said);
}

#[test]
fn a_correction_by_a_person_reaches_the_issue() {
    let mut desk = Desk::new(profile()).alert("500s", Some(500));
    let filed = desk.filed;
    desk.run(Event::Reclassified { bucket: Bucket::Auth, by: "ann".into(), reason: None });
    assert_eq!(desk.filed, filed + 1);
    desk.run(Event::Reclassified { bucket: Bucket::Auth, by: "ann".into(), reason: None });
    assert_eq!(desk.filed, filed + 1);
}

#[test]
fn a_check_nobody_planned_is_nobodys() {
    let mut desk = Desk::new(profile()).alert("500s", Some(500));
    let seq = desk.incident.seq;
    let report = Report::error(CheckKind::Metrics, "x", "x");
    desk.run(Event::CheckReported { step: "metrics service".into(), report });
    assert_eq!(desk.incident.seq, seq);
}
