//! Where issues go: a GitHub repository, or a folder of Markdown files when there is no account.
//!
//! Both keep the same promise: one issue per incident, whatever is repeated, cut or restarted in between, found again by a
//! hidden marker in its text; only our own marked section is ever rewritten, and what people wrote around it stays. A tracker
//! decides nothing: it is told the whole issue as it should be now, and says what became of it.

use crate::evidence::render::Issue;
use crate::incident::{IncidentId, IssueRef, Retry};

pub mod folder;
pub mod github;

/// Where issues go.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one tracker; boxing its client would only spread")]
pub enum Tracker {
    /// Markdown files in a folder.
    Folder(folder::Folder),
    /// Issues of GitHub repositories.
    GitHub(github::GitHub),
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
    pub(crate) fn after(wait: std::time::Duration, reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retry: Retry::After(wait) }
    }
}

impl Tracker {
    /// Whether issues could be filed now, as far as can be told without filing one; gives what was seen.
    ///
    /// # Errors
    /// [`TrackerError`] as for [`Self::file`].
    pub async fn look(&self) -> Result<String, TrackerError> {
        match self {
            Self::Folder(folder) => folder.look().await,
            Self::GitHub(github) => github.look().await,
        }
    }

    /// Makes the tracker's issue of this incident be as given: creates it, or updates our section of it, and adds the news
    /// that are not in it yet. May be repeated any number of times. `repository` (`owner/name`) is for trackers that have
    /// several; `known` is the reference an earlier call gave.
    ///
    /// # Errors
    /// [`TrackerError`] when the tracker could not be reached or refused; it says whether to try again.
    pub async fn file(
        &self,
        incident: &IncidentId,
        repository: Option<&str>,
        issue: &Issue,
        known: Option<&IssueRef>,
    ) -> Result<IssueRef, TrackerError> {
        match self {
            Self::Folder(folder) => folder.file(incident, issue, known).await,
            Self::GitHub(github) => github.file(incident, repository, issue, known).await,
        }
    }
}
