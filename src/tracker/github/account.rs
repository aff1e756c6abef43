//! Who we are at GitHub: a token, or an app with an installation for each owner.
//!
//! An app signs a JWT (RS256, at most ten minutes) with its private key and gets a token for an installation, which lives an
//! hour; octocrab mints it half a minute before it expires, and anew, once, after a 401
//! (<https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app>). Nothing here looks into a token: it may be of
//! any length and form. Reads have a client of their own, which remembers ETags: a conditional write is not what GitHub takes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use octocrab::Octocrab;
use octocrab::models::{AppId, InstallationId};
use serde::Deserialize;
use tokio::sync::OnceCell;

use super::failure::Failure;
use super::shapes::{Repository, User};
use super::{Credential, Settings, cache::Cache};
use crate::tracker::TrackerError;

/// The clients of one account.
#[derive(Debug)]
pub(super) struct Account {
    kind: Kind,
    timeout: Duration,
    /// The login under which our issues and comments stand; `None` inside when the token does not tell.
    login: OnceCell<Option<String>>,
}

#[derive(Debug)]
enum Kind {
    Token(Arc<Clients>),
    App {
        /// Signs with the app's key.
        app: Arc<Clients>,
        /// The one installation there is, as configured.
        installation: Option<u64>,
        /// Installations by repository, as they were looked up.
        found: Mutex<BTreeMap<String, u64>>,
        /// Clients by installation: each keeps its token.
        clients: Mutex<BTreeMap<u64, Arc<Clients>>>,
    },
}

/// One for reads and one for writes. Never cloned: a clone of octocrab's would mint a token of its own.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) reads: Octocrab,
    pub(super) writes: Octocrab,
}

#[derive(Debug, Deserialize)]
struct App {
    slug: Option<String>,
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Installation {
    id: u64,
    #[serde(default)]
    permissions: Permissions,
}

#[derive(Debug, Default, Deserialize)]
struct Permissions {
    issues: Option<String>,
}

impl Account {
    pub(super) fn new(settings: &Settings) -> Result<Self, TrackerError> {
        let clients = Arc::new(Clients {
            reads: client(settings, Some(Cache::default()))?,
            writes: client(settings, None)?,
        });
        let kind = match &settings.credential {
            Credential::Token(_) => Kind::Token(clients),
            Credential::App { installation, .. } => Kind::App {
                app: clients,
                installation: *installation,
                found: Mutex::default(),
                clients: Mutex::default(),
            },
        };
        Ok(Self { kind, timeout: settings.timeout, login: OnceCell::new() })
    }

    /// The clients that may work on this repository.
    pub(super) async fn clients(&self, repository: &Repository) -> Result<Arc<Clients>, TrackerError> {
        let (app, installation, found, clients) = match &self.kind {
            Kind::Token(clients) => return Ok(Arc::clone(clients)),
            Kind::App { app, installation, found, clients } => (app, installation, found, clients),
        };
        let name = repository.to_string();
        let known = found.lock().unwrap_or_else(PoisonError::into_inner).get(&name).copied();
        let id = if let Some(id) = installation.or(known) {
            id
        } else {
            let route = repository.route("/installation");
            let asked = self.call(app.writes.get::<Installation, _, ()>(route, None)).await;
            let installation = asked.map_err(|failure| match failure.status {
                    Some(404) => TrackerError::never(format!(
                        "the GitHub app is not installed for {repository} (404); install it there, with the permission `issues: write`"
                    )),
                    Some(401) => TrackerError::never(
                        "GitHub does not accept the app's signature (401): `app_id` and the private key do not belong together, the key was removed, or this machine's clock is wrong",
                    ),
                    _ => failure.into(),
                })?;
            found.lock().unwrap_or_else(PoisonError::into_inner).insert(name, installation.id);
            installation.id
        };
        let mut clients = clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = clients.get(&id) {
            return Ok(Arc::clone(known));
        }
        let as_installation = |client: &Octocrab| {
            client.installation(InstallationId(id)).map_err(|error| {
                TrackerError::never(format!("the GitHub client cannot act as installation {id}: {error}"))
            })
        };
        let made = Clients { reads: as_installation(&app.reads)?, writes: as_installation(&app.writes)? };
        let made = Arc::new(made);
        clients.insert(id, Arc::clone(&made));
        Ok(made)
    }

    /// The login our issues stand under: a user's, or an app's (`slug[bot]`). `None` when an installation's token was
    /// configured as a plain token: it has no user.
    pub(super) async fn login(&self) -> Result<Option<String>, TrackerError> {
        self.login.get_or_try_init(|| self.ask_login()).await.cloned()
    }

    async fn ask_login(&self) -> Result<Option<String>, TrackerError> {
        match &self.kind {
            Kind::Token(clients) => match self.call(clients.reads.get::<User, _, ()>("/user", None)).await {
                Ok(user) => Ok(Some(user.login)),
                Err(failure) if matches!(failure.status, Some(403 | 404)) && !failure.is_limit => Ok(None),
                Err(failure) => Err(failure.into()),
            },
            Kind::App { app, .. } => {
                let about = self.call(app.writes.get::<App, _, ()>("/app", None)).await;
                let about = about.map_err(|failure| match failure.status {
                    Some(401) => TrackerError::never(
                        "GitHub does not accept the app's signature (401): `app_id` and the private key do not belong together, the key was removed, or this machine's clock is wrong",
                    ),
                    _ => failure.into(),
                })?;
                Ok(about.slug.or(about.name).map(|slug| format!("{slug}[bot]")))
            }
        }
    }

    /// What an app's installation may do with issues in this repository (`write`, `read`); `None` for a token, which does not say.
    pub(super) async fn issues_permission(
        &self,
        repository: &Repository,
    ) -> Result<Option<String>, TrackerError> {
        let Kind::App { app, .. } = &self.kind else { return Ok(None) };
        let route = repository.route("/installation");
        let about: Installation = self.call(app.writes.get(route, None::<&()>)).await?;
        Ok(Some(about.permissions.issues.unwrap_or_else(|| "none".to_owned())))
    }

    /// What the account is, for people.
    pub(super) fn kind(&self) -> &'static str {
        match self.kind {
            Kind::Token(_) => "the token",
            Kind::App { .. } => "the app",
        }
    }

    /// One request, within its time.
    pub(super) async fn call<T>(
        &self,
        request: impl Future<Output = octocrab::Result<T>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(self.timeout, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Failure::of(&error)),
            Err(_) => Err(Failure::timed_out(self.timeout)),
        }
    }
}

fn client(settings: &Settings, cache: Option<Cache>) -> Result<Octocrab, TrackerError> {
    let refused = |why: String| TrackerError::never(format!("the GitHub client cannot be built: {why}"));
    let base = settings.api_url.as_str().trim_end_matches('/').to_owned();
    let builder = Octocrab::builder()
        .base_uri(base)
        .map_err(|error| refused(error.to_string()))?
        .set_connect_timeout(Some(settings.timeout))
        .set_read_timeout(Some(settings.timeout))
        .set_write_timeout(Some(settings.timeout));
    let builder = match &settings.credential {
        Credential::Token(token) => builder.personal_token(token.clone()),
        Credential::App { id, key, .. } => builder.app_from_rsa_pem(AppId(*id), key).map_err(|_| {
            refused("the app's private key is no RSA key in PEM form, as GitHub gives it".to_owned())
        })?,
    };
    let builder = match cache {
        Some(cache) => builder.cache(cache),
        None => builder,
    };
    builder.build().map_err(|error| refused(error.to_string()))
}
