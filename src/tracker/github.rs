//! Issues of GitHub repositories, through octocrab.

use std::time::Duration;

use url::Url;

use crate::evidence::render::Issue;
use crate::incident::{IncidentId, IssueRef};
use crate::tracker::TrackerError;

/// How to reach GitHub.
#[derive(Clone)]
pub struct Settings {
    /// The API's base: `https://api.github.com`, a GitHub Enterprise Server's `https://HOST/api/v3`, or a test's.
    pub api_url: Url,
    /// A personal access token or an app's installation token.
    pub token: String,
    /// The repository (`owner/name`) for services that name none.
    pub repository: Option<String>,
    /// How long one request may take. GitHub itself cuts at 10 s.
    pub timeout: Duration,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("api_url", &self.api_url.as_str())
            .field("repository", &self.repository)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// GitHub, as one account.
#[derive(Debug, Clone)]
pub struct GitHub {
    settings: Settings,
}

impl GitHub {
    /// A client with these settings. Nothing is sent yet; call it inside a Tokio runtime.
    ///
    /// # Errors
    /// [`TrackerError`] when the client cannot be built from the settings.
    pub fn new(settings: Settings) -> Result<Self, TrackerError> {
        Ok(Self { settings })
    }

    #[expect(clippy::unused_async, reason = "the requests come with the next commit")]
    pub(super) async fn file(
        &self,
        incident: &IncidentId,
        repository: Option<&str>,
        issue: &Issue,
        known: Option<&IssueRef>,
    ) -> Result<IssueRef, TrackerError> {
        let _ = (incident, issue, known);
        let repository = repository.or(self.settings.repository.as_deref());
        Err(TrackerError::never(format!("filing into {} is not built yet", repository.unwrap_or("GitHub"))))
    }
}
