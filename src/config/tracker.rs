//! `tracker:`, as it is written and as it is used: where issues go, and as whom.
//!
//! A folder needs nothing. GitHub needs a token, or an app with its private key, each by reference; anything else is refused
//! with what to write instead.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::{Reader, Secret, file};
use crate::profile::routing::Routing;
use crate::yaml::Problem;

/// Where issues go.
#[derive(Debug, Clone)]
pub enum Tracker {
    /// A folder of Markdown files.
    Folder {
        /// The folder.
        dir: PathBuf,
        /// How long after its end an issue is opened again when the same problem comes back; `None` is the default.
        reopen_within: Option<Duration>,
    },
    /// GitHub repositories.
    GitHub(Box<GitHub>),
}

/// How to reach GitHub.
#[derive(Debug, Clone)]
pub struct GitHub {
    /// Who we are.
    pub credential: GitHubCredential,
    /// The API's base.
    pub api_url: Url,
    /// Where issues go, who is assigned, and which labels they get.
    pub routing: Routing,
    /// How long one request may take; `None` is the default, here and below.
    pub timeout: Option<Duration>,
    /// How long the list of issues may lag behind a creation whose outcome is unknown.
    pub list_lag: Option<Duration>,
    /// How long after its end an issue is opened again when the same problem comes back.
    pub reopen_within: Option<Duration>,
    /// Content created in a minute, at most.
    pub per_minute: Option<u32>,
    /// Content created in an hour, at most.
    pub per_hour: Option<u32>,
}

/// Who we are at GitHub.
#[derive(Debug, Clone)]
pub enum GitHubCredential {
    /// A token that may write issues.
    Token(Secret),
    /// An app.
    App {
        /// Its id.
        id: u64,
        /// Its private key, in PEM form.
        key: Secret,
        /// Its one installation; without it each repository's is looked up.
        installation: Option<u64>,
    },
}

/// Where GitHub's API is, unless the configuration says otherwise.
pub const GITHUB_API: &str = "https://api.github.com";

impl Reader<'_> {
    pub(super) fn tracker(&self, written: file::TrackerSection) -> Result<Tracker, Problem> {
        match (written.github, written.folder) {
            (Some(_), Some(_)) => Err(self.problem(
                "tracker",
                "folder",
                "either `tracker.github` or `tracker.folder`, not both",
            )),
            (None, folder) => Ok(Tracker::Folder {
                dir: self.folder.join(folder.unwrap_or_else(|| "issues".into())),
                reopen_within: written.reopen_within.map(|window| window.0),
            }),
            (Some(github), None) => Ok(Tracker::GitHub(Box::new(GitHub {
                credential: self.github_credential(&github)?,
                routing: Routing {
                    repository: github.repository,
                    rules: github.routes,
                    owners: github.owners,
                    codeowners: github.codeowners,
                },
                api_url: github.api_url.unwrap_or_else(|| Url::parse(GITHUB_API).expect("a constant URL")),
                timeout: github.timeout.map(|span| span.0),
                list_lag: github.list_lag.map(|span| span.0),
                reopen_within: written.reopen_within.map(|window| window.0),
                per_minute: github.per_minute.map(NonZeroU32::get),
                per_hour: github.per_hour.map(NonZeroU32::get),
            }))),
        }
    }

    fn github_credential(&self, github: &file::GitHubSection) -> Result<GitHubCredential, Problem> {
        let key = file::SecretRef {
            token_env: github.private_key_env.clone(),
            token_file: github.private_key_file.clone(),
        };
        let key = self.secret_named("github", &key, ["private_key_env", "private_key_file"])?;
        let token = self.secret("github", &github.secret())?;
        match (github.app_id, key, token) {
            (Some(id), Some(key), None) => {
                Ok(GitHubCredential::App { id, key, installation: github.installation_id })
            }
            (None, None, Some(token)) => Ok(GitHubCredential::Token(token)),
            (None, None, None) => Err(self.problem(
                "github",
                "github",
                "github needs a token (`token_env: NAME` or `token_file: PATH`), or an app (`app_id: ID` with `private_key_env: NAME` or `private_key_file: PATH`)",
            )),
            (Some(_), None, _) => Err(self.problem(
                "github",
                "app_id",
                "an app needs its private key: `private_key_env: NAME` or `private_key_file: PATH`",
            )),
            (None, Some(_), _) => {
                Err(self.problem("github", "private_key", "a private key is an app's: name it with `app_id: ID`"))
            }
            (Some(_), Some(_), Some(_)) => {
                Err(self.problem("github", "app_id", "either an app or a token, not both"))
            }
        }
    }
}
