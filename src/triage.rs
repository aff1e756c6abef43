//! One event in, what is known now and what to do next out.
//!
//! [`step`] never fails, never waits and gives the same answer twice: that makes replay, tests and crash recovery one
//! thing. Every decision it takes is recorded as an event of its own, so a log can be folded without deciding anything
//! again. It refuses to ask what the alert, an answer or a check already tells.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alert::AlertStatus;
use crate::bucket::Bucket;
use crate::incident::{Event, Incident, Recorded, Stage, Step};
use crate::outcome::CheckKind;
use crate::question::QuestionId;
use crate::runbook::Knowledge;

/// What came of one event.
#[derive(Debug, Clone, PartialEq)]
pub struct Stepped {
    /// The incident after the event and everything triage decided.
    pub incident: Incident,
    /// The event and the decisions, for the log; empty when the event was a duplicate.
    pub recorded: Vec<Recorded>,
    /// What to do now. Each may be performed twice unharmed.
    pub actions: Vec<Action>,
}

/// Something the shell must do, and report back as an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Open the incident's thread; comes back as [`Event::ThreadOpened`].
    OpenThread,
    /// Run a check; comes back as [`Event::CheckReported`].
    RunCheck {
        /// Everything the probe needs.
        step: Step,
    },
    /// Ask a person; comes back as [`Event::AnswerGiven`].
    Ask {
        /// The question; its wording is [`Knowledge::question`].
        question: QuestionId,
        /// "Asked because …", one sentence.
        because: String,
    },
    /// Say something in the thread.
    Say {
        /// What.
        note: Note,
    },
    /// Create the issue, or bring it up to date; comes back as [`Event::IssueFiled`].
    FileIssue,
    /// Nothing to do before this moment. (Not emitted by this version: triage waits for events alone.)
    WakeAt {
        /// When.
        at: Timestamp,
    },
}

/// Something worth a message in the thread. The details are in the incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum Note {
    /// Triage stopped: [`Incident::conclusion`] says at what.
    Concluded,
    /// A late observation changed the conclusion's bucket; [`Incident::conclusion`] is the new one.
    Changed {
        /// What was said before.
        from: Bucket,
    },
    /// A person says it was something else.
    Reclassified {
        /// What it really was.
        bucket: Bucket,
        /// Who says so.
        by: String,
    },
    /// The problem is over.
    Resolved {
        /// Who or what said so.
        by: String,
    },
    /// Nothing more is expected.
    Closed {
        /// Who closed it.
        by: String,
    },
    /// Something arrived that the stage does not allow.
    Refused {
        /// What and why.
        reason: String,
    },
}

/// One step of triage.
#[must_use]
pub fn step(_knowledge: &Knowledge, mut incident: Incident, event: Event, now: Timestamp) -> Stepped {
    let first = incident.alert_count == 0;
    let mut actions = Vec::new();
    let firing = matches!(&event, Event::AlertReceived { alert } if alert.status == AlertStatus::Firing);
    let recorded = vec![incident.record(event, now)];
    if first && firing && incident.stage == Stage::Triaging {
        actions.push(Action::OpenThread);
    }
    let _ = CheckKind::ALL;
    Stepped { incident, recorded, actions }
}
