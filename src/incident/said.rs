//! What a person says of an incident as a whole, from whichever door, and the event it becomes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Event;
use crate::bucket::Bucket;
use crate::question::QuestionId;

/// Somebody an incident, or a question of it, is handed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// As people call them.
    pub name: String,
    /// The chat's own reference to them, by which it can call them; `None` when all that is known is the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mention: Option<String>,
}

impl Person {
    /// Somebody of whom the name is all that is known.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), mention: None }
    }
}

/// What a person says of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It was another boundary.
    Reclassify(Bucket),
    /// The problem is over.
    Resolve,
    /// Nothing more is expected.
    Close,
    /// It is not over after all, or is to be looked at again before its snooze ends.
    Reopen,
    /// Nobody is to be asked before this time.
    Snooze(Timestamp),
    /// This is theirs now.
    Assign(Person),
    /// The issue is to be filed now, as the incident stands.
    File,
    /// Somebody else is to answer this question.
    PassOn(QuestionId, Person),
}

impl Said {
    /// The word for it in the audit log.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Reclassify(_) => "reclassify",
            Self::Resolve => "resolve",
            Self::Close => "close",
            Self::Reopen => "reopen",
            Self::Snooze(_) => "snooze",
            Self::Assign(_) => "assign",
            Self::File => "file",
            Self::PassOn(..) => "pass_on",
        }
    }

    /// The event it becomes. A question that is passed on needs no reason, and takes none.
    #[must_use]
    pub fn event(self, by: String, reason: Option<String>) -> Event {
        match self {
            Self::Reclassify(bucket) => Event::Reclassified { bucket, by, reason },
            Self::Resolve => Event::Resolved { by, reason },
            Self::Close => Event::Closed { by, reason },
            Self::Reopen => Event::Reopened { by, reason },
            Self::Snooze(until) => Event::Snoozed { until, by, reason },
            Self::Assign(to) => Event::Assigned { to, by, reason },
            Self::File => Event::FilingAsked { by, reason },
            Self::PassOn(question, to) => Event::PassedOn { question, to, by },
        }
    }
}
