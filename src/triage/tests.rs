//! The traps of each bucket, the ten worlds of the drill, and the properties that hold for any order of events.

mod filing;
mod people;
mod properties;
mod traps;
mod unalerted;
mod worlds;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::bucket::Bucket;
use crate::incident::IncidentId;
use crate::outcome::{Outcome, Report};
use crate::profile::ServiceProfile;
use crate::question::Answer;

pub(super) static KNOWLEDGE: LazyLock<Knowledge> = LazyLock::new(Knowledge::builtin);

/// An incident under triage, with what its checks will find and its person will answer.
pub(super) struct Desk {
    pub(super) incident: Incident,
    pub(super) log: Vec<Recorded>,
    pub(super) asked: Vec<QuestionId>,
    pub(super) said: Vec<Note>,
    pub(super) filed: usize,
    findings: BTreeMap<String, (Outcome, Value)>,
    answers: BTreeMap<QuestionId, Answer>,
    now: Timestamp,
}

impl Desk {
    pub(super) fn new(profile: ServiceProfile) -> Self {
        let mut desk = Self {
            incident: Incident::new(IncidentId::from_seed(7)),
            log: Vec::new(),
            asked: Vec::new(),
            said: Vec::new(),
            filed: 0,
            findings: BTreeMap::new(),
            answers: BTreeMap::new(),
            now: Timestamp::UNIX_EPOCH,
        };
        desk.take(Event::Opened { key: crate::alert::IncidentKey("k".into()), profile });
        desk
    }

    /// What a check will find.
    pub(super) fn finds(self, step: &str, outcome: Outcome) -> Self {
        self.finds_with(step, outcome, json!({}))
    }

    /// What a check will find, with facts.
    pub(super) fn finds_with(mut self, step: &str, outcome: Outcome, facts: Value) -> Self {
        self.findings.insert(step.to_owned(), (outcome, facts));
        self
    }

    /// What the person will answer.
    pub(super) fn answers(mut self, question: QuestionId, reply: &str) -> Self {
        self.answers.insert(question, Answer::parse(question, reply).unwrap());
        self
    }

    /// The alert arrives, and everything that follows.
    pub(super) fn alert(mut self, title: &str, status: Option<u16>) -> Self {
        let mut alert = Alert::titled("generic", title);
        alert.http_status = status;
        alert.service = Some("orders-api".into());
        self.run(Event::AlertReceived { alert });
        self
    }

    /// Takes one event and everything that follows from it.
    pub(super) fn run(&mut self, event: Event) {
        let mut events = std::collections::VecDeque::from(self.take(event));
        while let Some(event) = events.pop_front() {
            events.extend(self.take(event));
        }
    }

    fn take(&mut self, event: Event) -> Vec<Event> {
        self.now = self.now.checked_add(SignedDuration::from_secs(1)).unwrap();
        let stepped = step(&KNOWLEDGE, self.incident.clone(), event, self.now);
        self.incident = stepped.incident;
        self.log.extend(stepped.recorded);
        stepped.actions.into_iter().filter_map(|action| self.perform(action)).collect()
    }

    fn perform(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::RunCheck { step } => {
                let mut report = Report::error(step.check, &step.target, "not here");
                if let Some((outcome, facts)) = self.findings.get(&step.key()) {
                    report.outcome = *outcome;
                    report.facts = serde_json::from_value(facts.clone()).unwrap();
                }
                Some(Event::CheckReported { step: step.key(), report })
            }
            Action::Ask { question, .. } => {
                self.asked.push(question);
                let answer = self.answers.get(&question).cloned().unwrap_or(Answer::Unknown);
                Some(Event::AnswerGiven { question, answer, by: "test".into() })
            }
            Action::Say { note } => {
                self.said.push(note);
                None
            }
            Action::FileIssue => {
                self.filed += 1;
                None
            }
            Action::OpenThread | Action::StopWaiting { .. } | Action::Settle { .. } | Action::Wake { .. } => {
                None
            }
        }
    }

    /// Clarity in this bucket, with this cause on top and at most this many questions.
    #[track_caller]
    pub(super) fn is_clear(&self, bucket: Bucket, cause: &str, questions: usize) {
        let conclusion = self.incident.conclusion.as_ref().expect("triage ended");
        let told = || format!("asked {:?}\n{conclusion:#?}", self.asked);
        assert_eq!(conclusion.bucket, bucket, "{}", told());
        assert_eq!(conclusion.stopped, Stopped::Clarity, "{}", told());
        assert_eq!(conclusion.hypotheses[0].id, cause, "{}", told());
        assert!(self.asked.len() <= questions, "{}", told());
    }
}
