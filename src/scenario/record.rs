//! A finished incident as a scenario file: the regression test for next time.
//!
//! Takes the *redacted* incident only ([`crate::evidence::redact::incident`]). What a replay cannot see is left out: raw
//! payloads, links, targets, names of people. The surprise: the truth is what a person said it was, else what triage
//! concluded; the file says which, since a conclusion nobody confirmed is no proof.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::alert::{Alert, AlertStatus};
use crate::bucket::Bucket;
use crate::incident::Incident;
use crate::outcome::{CheckKind, Facts, Outcome, Role};
use crate::question::QuestionId;
use crate::triage;
use crate::yaml::{self, Problem};

#[derive(Serialize)]
struct File<'a> {
    id: &'a str,
    title: &'a str,
    based_on: String,
    alert: Alert,
    answers: BTreeMap<QuestionId, String>,
    checks: Vec<Found>,
    truth: Truth,
}

#[derive(Serialize)]
struct Found {
    check: CheckKind,
    target: Role,
    outcome: Outcome,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    facts: Facts,
}

#[derive(Serialize)]
struct Truth {
    bucket: Bucket,
    cause: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    dependency: Option<String>,
}

/// The scenario file of a redacted incident; `None` while triage goes on, or when no alert is known.
///
/// # Errors
/// When it cannot be written as YAML.
pub fn record(incident: &Incident) -> Option<Result<String, Problem>> {
    let conclusion = incident.conclusion.as_ref()?;
    let alert = incident.alerts.first()?;
    let (bucket, confirmed) = match &incident.reclassified {
        Some((bucket, _)) => (*bucket, "what a person said it was"),
        None => (conclusion.bucket, "what triage concluded; correct it when you know better"),
    };
    let best = conclusion.hypotheses.iter().find(|it| it.bucket == bucket);
    let file = File {
        id: incident.id.as_str(),
        title: incident.title(),
        based_on: format!("incident {}, redacted", incident.id),
        alert: Alert {
            // It may be over meanwhile; a replay begins where triage began.
            status: AlertStatus::Firing,
            links: BTreeMap::new(),
            raw: crate::alert::Raw::default(),
            ..alert.clone()
        },
        answers: answers(incident),
        checks: checks(incident),
        truth: Truth {
            bucket,
            cause: best.map_or_else(|| bucket.boundary().to_owned(), |it| it.says.clone()),
            dependency: conclusion.dependency.clone(),
        },
    };
    let header = format!("# Recorded by firstcheck from incident {}. `truth` is {confirmed}.\n", incident.id);
    Some(yaml::write(&file).map(|text| format!("{header}{text}")))
}

fn answers(incident: &Incident) -> BTreeMap<QuestionId, String> {
    let given = |(question, answer): (QuestionId, &crate::question::Answer)| (question, answer.to_string());
    let answered = incident.questions.iter().filter_map(|it| Some((it.question, it.answer.as_ref()?)));
    answered.map(given).collect()
}

/// One finding per kind and role, the one that spoke for it.
fn checks(incident: &Incident) -> Vec<Found> {
    let kinds = CheckKind::ALL.iter();
    let pairs = kinds.flat_map(|kind| [Role::Service, Role::Dependency].map(|role| (*kind, role)));
    let found = |(check, target): (CheckKind, Role)| {
        let report = triage::speaks(incident, check, target)?;
        Some(Found { check, target, outcome: report.outcome, facts: report.facts.clone() })
    };
    pairs.filter_map(found).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::{Event, IncidentId};
    use crate::question::Answer;
    use crate::runbook::Knowledge;
    use crate::scenario::{Scenario, replay};

    /// A shipped-like scenario, replayed, and the incident its log tells.
    fn replayed() -> (Incident, Bucket) {
        let text = "alert: {title: 504s, http_status: 504, service: orders}\n\
                    answers: {endpoint_scope: one, status_distribution: '504 70%, 502 30%'}\n\
                    checks:\n  - {check: deadline, target: service, outcome: gateway_shorter_than_backend}\n\
                    \x20 - {check: http, target: service, outcome: gateway_error, facts: {status: 504}}\n";
        let run = replay(&Knowledge::builtin(), &Scenario::parse("a.yaml", text).unwrap());
        (Incident::fold(IncidentId::from_seed(7), &run.log), run.conclusion.bucket)
    }

    #[test]
    fn a_recorded_incident_replays_to_the_same_bucket() {
        let (mut incident, bucket) = replayed();
        incident.record(Event::Resolved { by: "generic".into(), reason: None }, jiff::Timestamp::UNIX_EPOCH);
        let text = record(&incident).unwrap().unwrap();
        let scenario = Scenario::parse("b.yaml", &text).unwrap();
        assert_eq!(scenario.truth.as_ref().unwrap().bucket, bucket);
        assert_eq!(replay(&Knowledge::builtin(), &scenario).conclusion.bucket, bucket);
        assert!(text.contains("what triage concluded"), "{text}");
    }

    #[test]
    fn what_a_person_said_it_was_is_the_truth() {
        let (mut incident, _) = replayed();
        let event = Event::Reclassified { bucket: Bucket::Client, by: "ada".into(), reason: None };
        incident.record(event, jiff::Timestamp::UNIX_EPOCH);
        let text = record(&incident).unwrap().unwrap();
        assert_eq!(Scenario::parse("b.yaml", &text).unwrap().truth.unwrap().bucket, Bucket::Client);
        assert!(text.contains("what a person said") && !text.contains("ada"), "{text}");
    }

    #[test]
    fn answers_of_every_form_read_back() {
        let (mut incident, _) = replayed();
        for (question, answer) in [
            (QuestionId::ChangeAtStart, Answer::Picked(vec!["deploy".into(), "config".into()])),
            (QuestionId::FailingRequest, Answer::Text("curl https://x.test/a\n-H 'a: b'".into())),
            (QuestionId::TokenState, Answer::Unknown),
        ] {
            let event = Event::AnswerGiven { question, answer: answer.clone(), by: "ada".into() };
            incident.record(event, jiff::Timestamp::UNIX_EPOCH);
            let text = record(&incident).unwrap().unwrap();
            assert_eq!(Scenario::parse("b.yaml", &text).unwrap().answers[&question], answer);
        }
    }

    #[test]
    fn an_unfinished_incident_is_none() {
        assert!(record(&Incident::new(IncidentId::from_seed(1))).is_none());
    }
}
