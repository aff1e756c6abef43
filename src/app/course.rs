//! How an incident came to be as it is: its log as people may see it, one [`Entry`] for each event, and its questions.
//!
//! An event's words are those of the redacted incident's timeline; nothing of the raw log but numbers, times and ids of our own
//! is taken. Pure: the log and the redacted incident in, the course out.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::app::view::Choosable;
use crate::bucket::Bucket;
use crate::incident::{Event, Incident, QuestionRecord, Recorded};
use crate::question::{Answer, Choice, QuestionId};
use crate::runbook::Knowledge;

/// One event, as `GET /api/incidents/{id}/events` tells it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Its place in the log, from 1, without gaps.
    pub seq: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// What kind of event.
    pub event: String,
    /// One sentence; null for what would only be noise on a timeline.
    pub what: Option<String>,
    /// The check it is about, as in `http dependency payments`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The question it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<QuestionId>,
    /// How many checks were planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// What is believed from now on; the probabilities add up to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buckets: Option<BTreeMap<Bucket, f64>>,
}

/// A question of an incident, asked or answered unasked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Question {
    /// The question.
    pub question: QuestionId,
    /// Its wording.
    pub ask: String,
    /// Why it was asked; empty when nobody asked.
    pub because: String,
    /// The closed answers.
    pub answers: Vec<Choosable>,
    /// How many may be picked, and whether words are understood.
    pub choice: Choice,
    /// When it was asked.
    pub asked_at: Option<Timestamp>,
    /// The latest answer, as text: ids with commas, `unknown`, or words.
    pub answer: Option<String>,
    /// The same for a person: labels instead of ids.
    pub says: Option<String>,
    /// Who gave it.
    pub by: Option<String>,
    /// When.
    pub answered_at: Option<Timestamp>,
}

/// The whole course.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Course {
    /// Place of the last event.
    pub seq: u64,
    /// Every event.
    pub entries: Vec<Entry>,
    /// Every question, in order.
    pub questions: Vec<Question>,
}

impl Course {
    /// The course of this log, whose redacted incident this is.
    pub(super) fn of(log: &[Recorded], redacted: &Incident, knowledge: &Knowledge) -> Self {
        let mut raw = Incident::new(redacted.id.clone());
        let mut told = 0;
        // Repeats are a count beside the log: they have no place in it.
        let events = log.iter().filter(|it| !matches!(it.event, Event::AlertRepeated { .. }));
        let entries = events.map(|recorded| {
            raw.apply(recorded);
            // The timelines of the raw and of the redacted incident have the same entries.
            let what = (raw.timeline.len() > told).then(|| redacted.timeline.get(told)).flatten();
            told = raw.timeline.len();
            entry(recorded, what.map(|entry| entry.what.clone()))
        });
        Self {
            entries: entries.collect(),
            seq: redacted.seq,
            questions: redacted.questions.iter().map(|record| question(record, knowledge)).collect(),
        }
    }
}

fn entry(recorded: &Recorded, what: Option<String>) -> Entry {
    let mut entry = Entry {
        seq: recorded.seq,
        at: recorded.at,
        event: name(&recorded.event),
        what,
        step: None,
        question: None,
        steps: None,
        buckets: None,
    };
    match &recorded.event {
        Event::ChecksPlanned { steps } => entry.steps = Some(steps.len()),
        Event::CheckStarted { step } | Event::CheckReported { step, .. } => entry.step = Some(step.clone()),
        Event::QuestionAsked { question, .. } | Event::AnswerGiven { question, .. } => {
            entry.question = Some(*question);
        }
        Event::Believed { buckets } => entry.buckets = Some(buckets.clone()),
        Event::Concluded { conclusion } => entry.buckets = Some(conclusion.buckets.clone()),
        _ => {}
    }
    entry
}

/// The event's tag, as it is stored.
fn name(event: &Event) -> String {
    let tag = serde_json::to_value(event).ok().and_then(|it| Some(it.get("event")?.as_str()?.to_owned()));
    tag.unwrap_or_default()
}

fn question(record: &QuestionRecord, knowledge: &Knowledge) -> Question {
    let wording = knowledge.question(record.question);
    let label = |id: &String| {
        let known = wording.answers.iter().find(|answer| answer.id == *id);
        known.map_or(id.clone(), |answer| answer.label.clone())
    };
    Question {
        question: record.question,
        ask: wording.ask.clone(),
        because: record.because.clone(),
        answers: Choosable::of(wording),
        choice: record.question.choice(),
        asked_at: record.asked_at,
        answer: record.answer.as_ref().map(Answer::to_string),
        says: record.answer.as_ref().map(|answer| match answer {
            Answer::Unknown => "cannot tell".to_owned(),
            Answer::Picked(picked) => picked.iter().map(label).collect::<Vec<_>>().join(", "),
            Answer::Text(text) => text.clone(),
        }),
        by: record.by.clone(),
        answered_at: record.answered_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Alert;
    use crate::incident::IncidentId;

    #[test]
    fn every_event_is_an_entry_and_words_come_from_the_redacted_timeline() {
        let mut incident = Incident::new(IncidentId::from_seed(1));
        let at = Timestamp::UNIX_EPOCH;
        let buckets = BTreeMap::from([(Bucket::Server, 1.0)]);
        let answer = Answer::Picked(vec!["one".into()]);
        let log = [
            Event::AlertReceived { alert: Alert::titled("generic", "500s") },
            Event::QuestionAsked { question: QuestionId::EndpointScope, because: "it tells".into() },
            Event::AnswerGiven { question: QuestionId::EndpointScope, answer, by: "ada".into() },
            Event::Believed { buckets: buckets.clone() },
        ]
        .map(|event| incident.record(event, at));
        for entry in &mut incident.timeline {
            entry.what = entry.what.replace("ada", "(a person)");
        }
        let repeated = Recorded { seq: 5, at, event: Event::AlertRepeated { times: 3 } };
        let course = Course::of(&[&log[..], &[repeated]].concat(), &incident, &Knowledge::builtin());
        let told: Vec<_> =
            course.entries.iter().map(|it| (it.seq, it.event.as_str(), it.what.as_deref())).collect();
        assert_eq!(
            told,
            [
                (1, "alert_received", Some("alert from generic")),
                (2, "question_asked", Some("asked: endpoint_scope")),
                (3, "answer_given", Some("(a person) answered endpoint_scope: one")),
                (4, "believed", None),
            ]
        );
        assert_eq!(course.entries[3].buckets, Some(buckets));
        assert_eq!(course.questions[0].says.as_deref(), Some("one endpoint"), "a label instead of an id");
    }
}
