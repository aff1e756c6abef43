//! Where issues go: a GitHub repository, or a folder of Markdown files when there is no account.
//!
//! Both keep the same promise: one issue per incident, whatever is repeated, cut or restarted in between, found again by a
//! hidden marker in its text; only our own marked section is ever rewritten, and what people wrote around it stays. A tracker
//! decides nothing: it is told the whole issue as it should be now, and says what became of it.
//!
//! Its life: created when triage ends; closed (as completed) when the problem is over, once, so that a person may open it
//! again for good; opened again when the same problem comes back within the reopen window. An issue that a person closed as
//! *not planned* is never opened again: the new incident's section becomes a comment on it, and nobody is nagged with another
//! issue. After the window a new issue is created that links the earlier one.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::evidence::render::Issue;
use crate::incident::{Creating, IncidentId, IssueRef, Retry};
use crate::profile::routing::{Route, Subject};

pub mod folder;
pub mod github;
mod section;
pub mod split;

/// Where issues go.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one tracker; boxing its client would only spread")]
pub enum Tracker {
    /// Markdown files in a folder.
    Folder(folder::Folder),
    /// Issues of GitHub repositories.
    GitHub(github::GitHub),
}

/// What is to be filed, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Filing<'a> {
    /// Whose issue it is.
    pub incident: &'a IncidentId,
    /// The issue as it should be now.
    pub issue: &'a Issue,
    /// Where it goes, for trackers that have several places.
    pub route: &'a Route,
    /// The reference an earlier filing gave.
    pub known: Option<&'a IssueRef>,
    /// The last incident with the same key before this one.
    pub earlier: Option<&'a Earlier>,
    /// The creation that was begun and whose end nobody knows.
    pub creating: Option<&'a Creating>,
    /// The time by which it is judged how long ago that was.
    pub now: Timestamp,
}

/// The issue of an earlier incident with the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// That issue.
    pub issue: IssueRef,
    /// The incident it was filed for.
    pub incident: IncidentId,
    /// How long that one had been over when this one began.
    pub over_for: Duration,
}

/// What became of a filing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filed {
    /// The issue is as it should be.
    There(Placed),
    /// There is none, and it may be created: record that, then call [`Tracker::create`].
    Missing {
        /// Where it will be created.
        repository: String,
    },
}

/// An issue that is as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Where it is.
    pub issue: IssueRef,
    /// What the tracker did not take.
    pub left_out: Vec<LeftOut>,
}

/// Something the tracker did not take, while it took the issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// [`Self::LABELLING`] or [`Self::ASSIGNING`].
    pub what: &'static str,
    /// What was not taken, why, and what a person can do about it.
    pub why: String,
}

impl LeftOut {
    /// In a person's words, as in "labelling the issue failed".
    pub const LABELLING: &'static str = "labelling the issue";
    /// See [`Self::LABELLING`].
    pub const ASSIGNING: &'static str = "assigning the issue";

    pub(crate) fn labels(why: String) -> Self {
        Self { what: Self::LABELLING, why }
    }
}

/// The issue could not be filed. Says whose turn it is: ours, later, or a person's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct TrackerError {
    /// What went wrong and what a person can do about it.
    pub reason: String,
    /// Whether and when another try may help.
    pub retry: Retry,
}

impl TrackerError {
    /// Trying again cannot help: a person must change something first.
    pub(crate) fn never(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retry: Retry::Never }
    }

    /// Not before this much time has passed.
    pub(crate) fn after(wait: Duration, reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retry: Retry::After(wait) }
    }
}

/// The issue was not created, or nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct NotCreated {
    /// Why.
    pub error: TrackerError,
    /// Whether it is certain that there is no issue.
    pub is_certain: bool,
}

/// How a part of the tracker looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// It works; what was seen.
    Works(String),
    /// It works, and somebody should know something: what, and what to do about it.
    Note(String, String),
    /// It does not; why, and what to do about it.
    Broken(String),
}

impl Tracker {
    /// Whether issues could be filed now, as far as can be told without filing one. `repositories` are all that are named in the
    /// configuration, for trackers that have several places.
    pub async fn look(&self, repositories: &[&str]) -> Vec<Look> {
        match self {
            Self::Folder(folder) => vec![match folder.look().await {
                Ok(says) => Look::Works(says),
                Err(error) => Look::Broken(error.reason),
            }],
            Self::GitHub(github) => github.look(repositories).await,
        }
    }

    /// Where an incident's issue goes, for trackers that have several places.
    #[must_use]
    pub fn route(&self, subject: &Subject<'_>) -> Route {
        match self {
            Self::Folder(_) => Route::default(),
            Self::GitHub(github) => github.route(subject),
        }
    }

    /// Makes the tracker's issue of this incident be as given: finds it, updates our section of it, and adds the news that are
    /// not in it yet. May be repeated any number of times. Where there is none, a folder creates it, and GitHub says
    /// [`Filed::Missing`].
    ///
    /// # Errors
    /// [`TrackerError`] when the tracker could not be reached or refused; it says whether to try again.
    pub async fn file(&self, filing: &Filing<'_>) -> Result<Filed, TrackerError> {
        match self {
            Self::Folder(folder) => folder.file(filing).await.map(Filed::There),
            Self::GitHub(github) => github.file(filing).await,
        }
    }

    /// Creates the issue that [`Self::file`] did not find. Call it once after each [`Filed::Missing`], and only after it was
    /// recorded durably that it is about to happen; `recorded` is the moment before that record was written.
    ///
    /// # Errors
    /// [`NotCreated`]; it says whether there may be an issue all the same.
    pub async fn create(&self, filing: &Filing<'_>, recorded: Instant) -> Result<Placed, NotCreated> {
        match self {
            Self::Folder(folder) => {
                folder.file(filing).await.map_err(|error| NotCreated { error, is_certain: true })
            }
            Self::GitHub(github) => github.create(filing, recorded).await,
        }
    }
}
