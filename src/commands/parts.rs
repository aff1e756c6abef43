//! From checked settings to the parts of a running bot: what `serve`, `triage` and `doctor` build alike.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use super::{WRONG_USAGE, say};
use crate::checks::{self, BadAuthorities, Budget, Catalogues, Environment, GitHubAccess};
use crate::config::{self, GitHubCredential, Settings};
use crate::egress::Policy;
use crate::runbook::Knowledge;
use crate::store::{OpenError, Store};
use crate::template::{TemplateError, Templates};
use crate::tracker::{Tracker, folder, github};
use crate::yaml::Problem;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// Runbooks that do not read: every problem, with its place.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Runbooks(Vec<Problem>),
    /// A file of authorities without any.
    #[error("{}: {}", .0.display(), .1)]
    Authorities(PathBuf, BadAuthorities),
    /// A template that does not compile, or that replaces nothing.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Templates that name what there is not: every problem, with its place.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Templates(Vec<TemplateError>),
}

/// The settings; what is wrong with them is said, and the status to end with given.
///
/// # Errors
/// The status of wrong configuration.
pub(super) fn settings(file: Option<&Path>) -> Result<Settings, ExitCode> {
    Settings::load(file).map_err(|problem| {
        say(format_args!("{problem}"));
        ExitCode::from(WRONG_USAGE)
    })
}

/// What triage knows: the shipped runbooks with the user's own.
///
/// # Errors
/// [`Broken::Runbooks`].
pub(super) fn knowledge(settings: &Settings) -> Result<Knowledge, Broken> {
    let (_, runbooks): (Vec<_>, Vec<_>) =
        settings.runbooks.iter().cloned().partition(|(name, _)| Catalogues::is_one(name));
    let placed = |problem| in_folder(settings, problem);
    Knowledge::with_overrides(&runbooks)
        .map_err(|problems| Broken::Runbooks(problems.into_iter().map(placed).collect()))
}

/// What is known of gateways, limiters and vendors: the shipped catalogues with the user's own, which live beside the
/// runbooks.
///
/// # Errors
/// [`Broken::Runbooks`].
pub(super) fn catalogues(settings: &Settings) -> Result<Catalogues, Broken> {
    Catalogues::with_overrides(&settings.runbooks)
        .map_err(|problem| Broken::Runbooks(vec![in_folder(settings, problem)]))
}

/// A problem of the user's own file is told with the path that an editor opens.
fn in_folder(settings: &Settings, problem: Problem) -> Problem {
    let is_own = settings.runbooks.iter().any(|(name, _)| *name == problem.file);
    match settings.runbooks_folder.as_ref().filter(|_| is_own) {
        Some(folder) => Problem { file: folder.join(&problem.file).display().to_string(), ..problem },
        None => problem,
    }
}

/// The wording: the shipped templates with the user's own.
///
/// # Errors
/// [`Broken::Template`] and [`Broken::Templates`].
pub(super) fn templates(settings: &Settings) -> Result<Templates, Broken> {
    let own = settings.templates.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let templates = Templates::builtin().with_overrides(own)?;
    if settings.templates.is_empty() {
        return Ok(templates);
    }
    let described = crate::evidence::schema();
    let problems = settings.templates.iter().filter_map(|(name, _)| templates.lint(name, &described).err());
    let problems: Vec<TemplateError> = problems.flatten().collect();
    if problems.is_empty() { Ok(templates) } else { Err(Broken::Templates(problems)) }
}

/// What checks run with, under this egress policy.
///
/// # Errors
/// [`Broken`] when the user's own catalogues do not read, or the file of extra authorities holds none.
pub(super) fn environment(settings: &Settings, policy: Policy) -> Result<Environment, Broken> {
    let secrets: BTreeMap<String, String> =
        settings.secrets.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect();
    let environment = Environment::knowing(policy, catalogues(settings)?)
        .with_resolvers(settings.checks.resolvers.clone())
        .with_control(settings.checks.control.as_deref())
        .with_budget(budget(&settings.checks))
        .with_secrets(secrets)
        .with_github(github_access(settings));
    match &settings.checks.authorities {
        Some((file, pem)) => {
            environment.with_ca_file(pem).map_err(|error| Broken::Authorities(file.clone(), error))
        }
        None => Ok(environment),
    }
}

fn budget(checks: &config::Checks) -> Budget {
    Budget::new(checks.burst_per_host, checks.per_second_per_host, checks.at_once_per_host)
}

/// Where incidents are kept.
///
/// # Errors
/// [`OpenError`] when it cannot be opened or reached.
pub(super) async fn store(settings: &Settings) -> Result<Store, OpenError> {
    place(&settings.store.place).await
}

/// The store at this place.
///
/// # Errors
/// As [`store`].
pub(super) async fn place(place: &config::Place) -> Result<Store, OpenError> {
    match place {
        config::Place::File(file) => Store::open(file).await,
        config::Place::Server(url) => Store::connect(url.expose()).await,
    }
}

/// The store for reading, beside a bot that may be using it.
///
/// # Errors
/// As [`store`].
pub(super) async fn look(place: &config::Place) -> Result<Store, OpenError> {
    match place {
        config::Place::File(file) => Store::look(file).await,
        config::Place::Server(url) => Store::connect(url.expose()).await,
    }
}

/// Where issues go. Call it inside a Tokio runtime.
///
/// # Errors
/// When the client of the tracker cannot be built.
pub(super) fn tracker(settings: &Settings) -> anyhow::Result<Tracker> {
    Ok(match &settings.tracker {
        config::Tracker::Folder { dir, reopen_within } => Tracker::Folder(
            folder::Folder::new(dir).with_reopen_within(reopen_within.unwrap_or(folder::REOPEN_WITHIN)),
        ),
        config::Tracker::GitHub(github) => {
            Tracker::GitHub(github::GitHub::new(github_settings(github)).context("setting up GitHub")?)
        }
    })
}

/// The tracker's GitHub, for checks that read repositories.
fn github_access(settings: &Settings) -> Option<GitHubAccess> {
    let config::Tracker::GitHub(github) = &settings.tracker else { return None };
    let credential = match &github.credential {
        GitHubCredential::Token(token) => checks::GitHubCredential::Token(token.expose().to_owned()),
        GitHubCredential::App { id, key, installation } => checks::GitHubCredential::App {
            id: *id,
            key: key.expose().to_owned(),
            installation: *installation,
        },
    };
    Some(GitHubAccess { api_url: github.api_url.clone(), credential })
}

fn github_settings(from: &config::GitHub) -> github::Settings {
    let credential = match &from.credential {
        GitHubCredential::Token(token) => github::Credential::Token(token.expose().to_owned()),
        GitHubCredential::App { id, key, installation } => {
            github::Credential::App { id: *id, key: key.expose().to_owned(), installation: *installation }
        }
    };
    let usual = github::Settings::new(from.api_url.clone(), credential, from.routing.clone());
    github::Settings {
        timeout: from.timeout.unwrap_or(usual.timeout),
        list_lag: from.list_lag.unwrap_or(usual.list_lag),
        reopen_within: from.reopen_within.unwrap_or(usual.reopen_within),
        per_minute: from.per_minute.unwrap_or(usual.per_minute),
        per_hour: from.per_hour.unwrap_or(usual.per_hour),
        ..usual
    }
}
