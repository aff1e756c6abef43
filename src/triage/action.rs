//! What triage wants done, and what it wants said.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bucket::Bucket;
use crate::incident::{Person, Step};
use crate::question::QuestionId;

/// Something the shell must do, and report back as an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Open the incident's thread; comes back as [`Event::ThreadOpened`](crate::incident::Event::ThreadOpened).
    OpenThread,
    /// Run a check; comes back as [`Event::CheckReported`](crate::incident::Event::CheckReported).
    RunCheck {
        /// Everything the probe needs.
        step: Step,
    },
    /// Ask a person; comes back as [`Event::AnswerGiven`](crate::incident::Event::AnswerGiven).
    Ask {
        /// The question; its wording is [`Knowledge::question`](crate::runbook::Knowledge::question).
        question: QuestionId,
        /// Why it is asked, as it goes on after "asked because".
        because: String,
    },
    /// Stop waiting for an answer, at this time; comes back as [`Event::AnswerGiven`](crate::incident::Event::AnswerGiven) by [`NOBODY`](crate::incident::NOBODY) when there is none then.
    StopWaiting {
        /// The question.
        question: QuestionId,
        /// When; a shell must keep it over a restart.
        at: Timestamp,
    },
    /// Say something in the thread.
    Say {
        /// What.
        note: Note,
    },
    /// Create the issue, or bring it up to date; comes back as [`Event::IssueFiled`](crate::incident::Event::IssueFiled).
    FileIssue,
    /// Believe the end of alerts that went on and off, at this time; comes back as
    /// [`Event::Resolved`](crate::incident::Event::Resolved) when they stayed over.
    Settle {
        /// When; a shell must keep it over a restart.
        at: Timestamp,
    },
    /// End a snooze, at this time; comes back as [`Event::Woke`](crate::incident::Event::Woke).
    Wake {
        /// When; a shell must keep it over a restart.
        at: Timestamp,
    },
}

/// Something worth a message in the thread. The details are in the incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum Note {
    /// Triage stopped: [`Incident::conclusion`](crate::incident::Incident::conclusion) says at what.
    Concluded,
    /// A late observation changed the conclusion's bucket; [`Incident::conclusion`](crate::incident::Incident::conclusion) is the new one.
    Changed {
        /// What was said before.
        from: Bucket,
    },
    /// The issue is filed: [`Incident::issue`](crate::incident::Incident::issue) says where.
    Filed,
    /// A person says it was something else.
    Reclassified {
        /// What it really was.
        bucket: Bucket,
        /// Who says so.
        by: String,
        /// Why, in their words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The problem is over.
    Resolved {
        /// Who or what said so.
        by: String,
        /// Why, in their words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Nothing more is expected.
    Closed {
        /// Who closed it.
        by: String,
        /// Why, in their words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A person looks at it again.
    Reopened {
        /// Who.
        by: String,
        /// Why, in their words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Nobody is asked before this time.
    Snoozed {
        /// When it ends.
        until: Timestamp,
        /// Who wants quiet.
        by: String,
        /// Why, in their words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A snooze is over, and the incident is not.
    Woke,
    /// It is somebody's now.
    Assigned {
        /// Whose.
        to: Person,
        /// Who says so.
        by: String,
        /// Why, in their words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A question is handed to somebody else.
    PassedOn {
        /// The question.
        question: QuestionId,
        /// To whom.
        to: Person,
        /// By whom.
        by: String,
    },
    /// Something arrived that the stage does not allow.
    Refused {
        /// What and why.
        reason: String,
    },
}
