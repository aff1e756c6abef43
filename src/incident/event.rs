//! What can happen to an incident: the events of its log, and the checks that triage decides on.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::conclusion::{Conclusion, Stopped};
use super::said::Person;
use crate::alert::{Alert, AlertStatus, IncidentKey};
use crate::bucket::Bucket;
use crate::outcome::{CheckKind, Report, Role};
use crate::profile::ServiceProfile;
use crate::question::{Answer, QuestionId};

/// Who gives the answer `unknown` to a question that waited long enough, as [`Event::AnswerGiven`] says it.
pub const NOBODY: &str = "nobody, in time";

/// A check that triage decided to run: the kind, whose endpoint, and everything the probe needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The kind of check.
    pub check: CheckKind,
    /// Ours or an upstream.
    pub role: Role,
    /// The dependency's name, or what tells two steps of one kind and role apart (`direct`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What to check, as on the command line.
    pub target: String,
    /// Its `with:` keys, as on the command line. Secrets by reference only (`env:NAME`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, String>,
}

impl Step {
    /// What tells this step from every other step of the incident, e.g. `dns service` or `http dependency payments`.
    #[must_use]
    pub fn key(&self) -> String {
        match &self.name {
            Some(name) => format!("{} {} {name}", self.check, self.role),
            None => format!("{} {}", self.check, self.role),
        }
    }
}

/// Something that happened, or that triage decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "events are built once, stored and folded; boxing would only spread"
)]
pub enum Event {
    /// The incident begins, with what is known of its service.
    Opened {
        /// Two alerts with this key are the same incident.
        key: IncidentKey,
        /// What is known of the service.
        profile: ServiceProfile,
    },
    /// A monitoring system, or a person, reported the problem (again), or its end.
    AlertReceived {
        /// The alert.
        alert: Alert,
    },
    /// Alerts that said nothing new. Not in the log: a counter beside it, which the store puts at the log's end. It has no place of its
    /// own and moves the incident nowhere.
    AlertRepeated {
        /// How many deliveries.
        times: u64,
    },
    /// The chat opened a thread.
    ThreadOpened {
        /// The chat's own reference to the thread.
        thread: String,
    },
    /// Triage decided to run checks.
    ChecksPlanned {
        /// The checks.
        steps: Vec<Step>,
    },
    /// A probe was started.
    CheckStarted {
        /// [`Step::key`].
        step: String,
    },
    /// A probe came back.
    CheckReported {
        /// [`Step::key`].
        step: String,
        /// What it found.
        report: Report,
    },
    /// Triage decided to ask a person.
    QuestionAsked {
        /// The question.
        question: QuestionId,
        /// Why it is asked, as it goes on after "asked because".
        because: String,
    },
    /// A person answered.
    AnswerGiven {
        /// The question.
        question: QuestionId,
        /// The answer.
        answer: Answer,
        /// Who, in the words of the channel (`terminal`, a chat user's name, an API client's name).
        by: String,
    },
    /// What is believed now: after each new observation, until the end of triage.
    Believed {
        /// The probability of each bucket; they add up to 1.
        buckets: BTreeMap<Bucket, f64>,
    },
    /// Triage stopped.
    Concluded {
        /// What it says.
        conclusion: Conclusion,
    },
    /// The tracker is about to be asked to create the issue: recorded first, so that whoever comes after a crash, or performs the same
    /// filing elsewhere, knows that there may be one.
    IssueBegun {
        /// Where (`owner/name`).
        repository: String,
        /// The earlier beginning that came to nothing as far as anybody can see; another one is somebody else's, and then this
        /// event has no effect.
        instead_of: Option<Timestamp>,
    },
    /// The tracker certainly did not create the issue.
    IssueNotCreated {
        /// The beginning this is the end of.
        begun: Timestamp,
    },
    /// The tracker has the issue.
    IssueFiled {
        /// The tracker's own reference (`owner/repo#12`, a path).
        reference: String,
        /// Where a person can read it.
        url: String,
    },
    /// An action failed and waits for its next try, or was given up.
    ActionFailed {
        /// What was tried, in a person's words.
        what: String,
        /// Why it failed.
        reason: String,
        /// When it is tried again; `None` when it is not.
        retry_at: Option<Timestamp>,
    },
    /// An action that had failed was done, or is needed no more.
    ActionRecovered {
        /// What was tried, as in [`Event::ActionFailed`].
        what: String,
    },
    /// A person says that triage was wrong.
    Reclassified {
        /// The bucket it really was.
        bucket: Bucket,
        /// Who says so.
        by: String,
        /// Why, in their words, redacted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The problem is over.
    Resolved {
        /// Who or what said so.
        by: String,
        /// Why, in their words, redacted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Nothing more is expected.
    Closed {
        /// Who closed it.
        by: String,
        /// Why, in their words, redacted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A person looks at it again: it was not over, or its snooze ends early.
    Reopened {
        /// Who.
        by: String,
        /// Why, in their words, redacted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Nobody is asked before this time.
    Snoozed {
        /// When it ends.
        until: Timestamp,
        /// Who wants quiet.
        by: String,
        /// Why, in their words, redacted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A snooze is over.
    Woke {
        /// When it was to end: another snooze has another time.
        until: Timestamp,
    },
    /// It is somebody's now.
    Assigned {
        /// Whose.
        to: Person,
        /// Who says so.
        by: String,
        /// Why, in their words, redacted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A person wants the issue now, as the incident stands.
    FilingAsked {
        /// Who.
        by: String,
        /// Why, in their words, redacted.
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
    /// Something arrived that the stage does not allow; noted, without effect.
    Refused {
        /// What and why.
        reason: String,
    },
}

/// An event with its place and its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Its place in the incident's log, from 1, without gaps.
    pub seq: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// One sentence for the timeline; `None` for events that would only be noise there.
pub(super) fn describe(event: &Event) -> Option<String> {
    Some(match event {
        Event::Opened { .. } => "incident opened".to_owned(),
        Event::AlertReceived { alert } => match alert.status {
            AlertStatus::Firing => format!("alert from {}", alert.source),
            AlertStatus::Resolved => format!("{} says it is resolved", alert.source),
        },
        Event::ThreadOpened { .. } => "thread opened".to_owned(),
        Event::ChecksPlanned { steps } => {
            let keys: Vec<String> = steps.iter().map(Step::key).collect();
            format!("checks planned: {}", keys.join(", "))
        }
        Event::CheckReported { step, report } => format!("{step}: {}", report.outcome),
        Event::QuestionAsked { question, .. } => format!("asked: {question}"),
        Event::AnswerGiven { question, by, .. } if by == NOBODY => {
            format!("nobody answered {question} in time")
        }
        Event::AnswerGiven { question, answer, by } => match answer {
            Answer::Text(_) => format!("{by} answered {question} in words"),
            Answer::Unknown | Answer::Picked(_) => format!("{by} answered {question}: {answer}"),
        },
        Event::Concluded { conclusion } => match conclusion.stopped {
            Stopped::Clarity => {
                format!(
                    "clarity: {} ({:.0} %)",
                    conclusion.bucket,
                    (conclusion.probability * 100.0).min(99.0)
                )
            }
            Stopped::Unclear => format!("unclear; best guess {}", conclusion.bucket),
        },
        Event::IssueFiled { reference, .. } => format!("issue filed: {reference}"),
        Event::ActionFailed { what, retry_at: Some(at), .. } => format!("{what} failed; next try at {at}"),
        Event::ActionFailed { what, retry_at: None, .. } => format!("{what} failed and was given up"),
        Event::ActionRecovered { what } => format!("{what} waits no more"),
        Event::Reclassified { bucket, by, reason } => {
            because(format!("{by} says it was {bucket}"), reason.as_deref())
        }
        Event::Resolved { by, reason } => because(format!("resolved ({by})"), reason.as_deref()),
        Event::Closed { by, reason } => because(format!("closed ({by})"), reason.as_deref()),
        Event::Reopened { by, reason } => because(format!("reopened ({by})"), reason.as_deref()),
        Event::Snoozed { until, by, reason } => {
            because(format!("snoozed until {until} ({by})"), reason.as_deref())
        }
        Event::Woke { .. } => "the snooze is over".to_owned(),
        Event::Assigned { to, by, reason } => {
            because(format!("assigned to {} ({by})", to.name), reason.as_deref())
        }
        Event::FilingAsked { by, reason } => {
            because(format!("{by} wants the issue filed now"), reason.as_deref())
        }
        Event::PassedOn { question, to, by } => format!("{by} passed {question} on to {}", to.name),
        Event::Refused { reason } => reason.clone(),
        Event::AlertRepeated { .. }
        | Event::CheckStarted { .. }
        | Event::Believed { .. }
        | Event::IssueBegun { .. }
        | Event::IssueNotCreated { .. } => return None,
    })
}

/// A sentence with the reason somebody gave for it.
fn because(sentence: String, reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!("{sentence}: {reason}"),
        None => sentence,
    }
}
