//! Incidents and the actions still to be performed, on disk.
//!
//! [`Store::commit`] is the heart: what happened and what is to be done about it become durable together, or not at all. It
//! refuses a commit that was decided on an older state ([`CommitError::Conflict`]) and a second open incident with the same
//! key ([`CommitError::KeyTaken`]); the caller looks again and decides again. The surprise: with a SQLite file nothing is
//! claimed on disk. One process owns the file (it holds a lock on it), so an action that was running when the process died is
//! simply still there. An alert that repeats itself is a number in a row of its own ([`Store::repeat`]): a storm costs one update each,
//! however long it lasts. On PostgreSQL, which replicas share, an action is leased to the replica that performs it.
//!
//! # Why
//! The outbox is a table of ours and not apalis (design, section 3), for three reasons of its design as it is
//! documented (nothing was measured): its workers find tasks by
//! polling, so an idle job starts after up to a poll's pause (or one NOTIFY per task) instead of at once, from the
//! committer's hands; it has no order among the tasks of one destination, let alone across replicas, and a thread's messages need one; and its tables
//! hold a task's state beside ours, where a result and the event that reports it must be one row's deletion in one transaction.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alert::{Alert, Severity};
use crate::bucket::Bucket;
use crate::incident::{Incident, IncidentId, Recorded};
use crate::question::QuestionId;
use crate::triage::Action;

mod access;
mod backend;
mod doors;
mod pieces;
mod postgres;
mod rows;
mod search;
mod sqlite;

pub use access::{AUDIT_PAGE, AccessChange};
pub use backend::{Beside, Store};
pub use doors::{ChangeFilter, KeptDelivery, KeptFilter, Note, RecordedChange, Tally};
pub use pieces::{Piece, Taken};
pub use search::{Cursor, Filter, Found, NotACursor, Search};

/// How often a replica of a shared store renews its lease and looks for work that nobody does.
pub const HEARTBEAT: Duration = Duration::from_secs(1);

/// How long a key under which something happens once is remembered: a chat delivers again within minutes.
pub const ONCE: Duration = Duration::from_hours(24);

/// Bytes of a kept body: the largest alerts seen are 256 KiB, and the first 64 KiB tell what is wrong with a bad one.
pub const KEPT_BODY_BYTES: usize = 64 * 1024;

/// Kept deliveries of one source; older ones make room. At 64 KiB each this bounds a source to 6 MiB.
pub const KEPT_DELIVERIES: i64 = 100;

/// The store cannot be read or written now: disk full, locked, gone. Not the caller's fault; trying again may help.
#[derive(Debug, thiserror::Error)]
#[error("the store is not available: {reason}")]
pub struct Unavailable {
    /// What the database said.
    pub reason: String,
}

/// Why a commit was refused.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The incident has moved on since it was loaded; load it again and decide again.
    #[error("the incident has moved on")]
    Conflict,
    /// There is an open incident with this key already.
    #[error("incident {0} is open under the same key")]
    KeyTaken(IncidentId),
    /// Something was committed under its key, or a piece of its delivery was taken, before.
    #[error("it was done before")]
    Repeated,
    /// The action these events report on is not this replica's any more: another has done it, or is about to.
    #[error("another replica took the action over")]
    TakenOver,
    /// The store cannot be written now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the file.
    #[error("{file} is in use by another firstcheck; stop that one, or give this one a store of its own")]
    InUse {
        /// The file.
        file: String,
    },
    /// It cannot be created, read or brought up to date.
    #[error("{file} cannot be opened: {reason}")]
    Unusable {
        /// The file.
        file: String,
        /// What the system or the database said.
        reason: String,
    },
}

/// An action's place in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActionId(pub i64);

impl ActionId {
    /// What marks this action's message in a chat, so that posting it twice is once: unique among all bots, and within
    /// Discord's 25 characters.
    #[must_use]
    pub fn nonce(self, incident: &IncidentId) -> String {
        format!("{incident}-{}", self.0 % 10_000_000_000)
    }
}

/// An action that is to be written with its event.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Actions of one lane are performed one after the other, in order.
    pub lane: String,
    /// What to do.
    pub action: Action,
    /// Not before.
    pub due_at: Timestamp,
}

/// An action in the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// Its place.
    pub id: ActionId,
    /// The incident it belongs to.
    pub incident: IncidentId,
    /// Its lane.
    pub lane: String,
    /// What to do.
    pub action: Action,
    /// Not before.
    pub due_at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last try failed.
    pub last_error: Option<String>,
}

/// What happened to an incident and what is to be done about it.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The incident after the events.
    pub incident: Incident,
    /// Place of the last event before them; 0 for a new incident.
    pub expected_seq: u64,
    /// The events.
    pub events: Vec<Recorded>,
    /// The actions they cause.
    pub actions: Vec<Planned>,
    /// What becomes of the action these events report on.
    pub settles: Option<Settled>,
    /// Under this key the events happen once at most: a second commit with it, within [`ONCE`], is [`CommitError::Repeated`].
    pub once: Option<String>,
    /// The pieces of one delivery that this takes: when one of them was taken before, this is [`CommitError::Repeated`].
    pub pieces: Vec<Piece>,
}

/// What became of an action that was tried.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// It is done and leaves the outbox.
    Done(ActionId),
    /// It failed and waits for its next try, as given here.
    Postponed(Pending),
    /// It failed and is not tried again; it stays to be seen.
    GivenUp(ActionId, String),
}

/// An alert that may say nothing new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The alert's source.
    pub source: String,
    /// Its fingerprint.
    pub fingerprint: String,
    /// [`Alert::digest`].
    pub digest: String,
    /// The piece of a delivery that it is: it counts once.
    pub piece: Option<Piece>,
}

impl From<&Alert> for Heard {
    fn from(alert: &Alert) -> Self {
        let (source, fingerprint) = (alert.source.clone(), alert.fingerprint.clone());
        Self { source, fingerprint, digest: alert.digest(), piece: None }
    }
}

/// The last incident an alert identity (source, fingerprint) was part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The incident.
    pub incident: IncidentId,
    /// Whether it is still open.
    pub is_open: bool,
    /// When the problem began, as that alert said.
    pub started_at: Option<Timestamp>,
}

/// Why a delivery is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Not this source's at all; the sender was told 400.
    Bad,
    /// This source's, but a word or an event nobody maps; the sender was told 202.
    Unmapped,
    /// An alert that a silence held back; the sender was told 202.
    Silenced,
}

impl Verdict {
    /// The id used in the store and in metrics.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Unmapped => "unmapped",
            Self::Silenced => "silenced",
        }
    }
}

/// A delivery that became no alert.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Kept {
    /// When it came.
    pub at: Timestamp,
    /// The source in the URL path.
    pub source: String,
    /// Bad or unmapped.
    pub verdict: Verdict,
    /// Why, in one sentence.
    pub reason: String,
    /// Its whole size.
    pub size_bytes: u64,
    /// Its beginning, at most [`KEPT_BODY_BYTES`].
    pub body: String,
    /// The headers its mapping looks at; empty in lists that do not show them.
    #[serde(skip)]
    pub headers: std::collections::BTreeMap<String, String>,
}

/// What a list shows of an incident. Not redacted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Its name.
    pub id: IncidentId,
    /// Where it stands.
    #[serde(rename = "state")]
    pub stage: crate::incident::Stage,
    /// One line.
    pub title: String,
    /// The service.
    pub service: Option<String>,
    /// The endpoint.
    pub endpoint: Option<String>,
    /// How bad the senders say it is.
    pub severity: Severity,
    /// The most likely boundary so far.
    pub bucket: Option<Bucket>,
    /// Its probability.
    pub probability: Option<f64>,
    /// Deliveries folded in.
    pub alert_count: u64,
    /// Questions that wait for a person.
    pub open_questions: usize,
    /// When its first alert arrived.
    pub alerted_at: Option<Timestamp>,
    /// Time to clarity.
    pub mttc_s: Option<f64>,
    /// Where its issue can be read.
    pub issue_url: Option<String>,
    /// Whose it is.
    #[serde(default)]
    pub assignee: Option<String>,
    /// Until when nobody is asked.
    #[serde(default)]
    pub snoozed_until: Option<Timestamp>,
    /// The chat's thread.
    #[serde(default)]
    pub thread: Option<String>,
    /// All boundaries and what is believed of each; empty before the first belief.
    #[serde(default)]
    pub buckets: BTreeMap<Bucket, f64>,
    /// The source of its first alert.
    #[serde(default)]
    pub source: Option<String>,
    /// The questions that wait for a person.
    #[serde(default)]
    pub waiting_for: Vec<QuestionId>,
    /// Checks that have not reported yet.
    #[serde(default)]
    pub open_checks: usize,
    /// When triage stopped.
    #[serde(default)]
    pub concluded_at: Option<Timestamp>,
    /// When the problem ended.
    #[serde(default)]
    pub resolved_at: Option<Timestamp>,
    /// Seconds from the fault's start to the first alert.
    #[serde(default)]
    pub mttd_s: Option<f64>,
    /// Seconds from the fault's start to its end.
    #[serde(default)]
    pub mttr_s: Option<f64>,
    /// Seconds that triage waited for people.
    #[serde(default)]
    pub human_wait_s: f64,
    /// What triage had said, where a person says that it was another boundary.
    #[serde(default)]
    pub corrected_from: Option<Bucket>,
}

impl Summary {
    /// What a list shows of this incident.
    #[must_use]
    pub fn of(incident: &Incident) -> Self {
        let best = incident.buckets.iter().max_by(|a, b| a.1.total_cmp(b.1));
        let concluded = incident.conclusion.as_ref().map(|it| (it.bucket, it.probability));
        let (bucket, probability) = concluded.or_else(|| best.map(|(bucket, p)| (*bucket, *p))).unzip();
        Self {
            id: incident.id.clone(),
            stage: incident.stage,
            title: incident.title().to_owned(),
            service: incident.service().map(str::to_owned),
            endpoint: incident.endpoint().map(str::to_owned),
            severity: incident.severity(),
            bucket: incident.reclassified.as_ref().map(|(bucket, _)| *bucket).or(bucket),
            probability,
            alert_count: incident.alert_count,
            open_questions: incident.open_questions().count(),
            alerted_at: incident.alerted_at,
            mttc_s: incident.mttc_s(),
            issue_url: incident.issue.as_ref().map(|issue| issue.url.clone()),
            assignee: incident.assignee.as_ref().map(|it| it.name.clone()),
            snoozed_until: incident.snoozed_until,
            thread: incident.thread.clone(),
            buckets: incident.buckets.clone(),
            source: incident.alerts.first().map(|alert| alert.source.clone()),
            waiting_for: incident.open_questions().map(|record| record.question).collect(),
            open_checks: incident.pending_steps().count(),
            concluded_at: incident.concluded_at,
            resolved_at: incident.resolved_at,
            mttd_s: incident.mttd_s(),
            mttr_s: incident.mttr_s(),
            human_wait_s: incident.human_wait_s(),
            corrected_from: match (&incident.reclassified, &incident.conclusion) {
                (Some((said, _)), Some(concluded)) if *said != concluded.bucket => Some(concluded.bucket),
                _ => None,
            },
        }
    }
}

/// Figures for the metrics page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Incidents by stage.
    pub incidents: Vec<(String, i64)>,
    /// Actions by state (`scheduled` for later, `waiting`, `given_up`).
    pub actions: Vec<(String, i64)>,
    /// Since when the oldest action that is due has been so, in milliseconds of the epoch.
    pub oldest_due_ms: Option<i64>,
    /// Kept deliveries by source and verdict.
    pub kept: Vec<(String, String, i64)>,
}

/// The identity of an alert whose incident is to be found again.
fn identity(alert: &Alert) -> (&str, &str) {
    (&alert.source, &alert.fingerprint)
}
