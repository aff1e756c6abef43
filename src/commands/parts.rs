//! From checked settings to the parts of a running bot: what `serve`, `triage` and `doctor` build alike.

use std::collections::BTreeMap;

use anyhow::Context as _;

use crate::checks::Environment;
use crate::config::{self, Settings};
use crate::egress::Policy;
use crate::runbook::Knowledge;
use crate::template::{TemplateError, Templates};
use crate::tracker::{Tracker, folder, github};
use crate::yaml::Problem;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// Runbooks that do not read: every problem, with its place.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Runbooks(Vec<Problem>),
    /// A template that does not compile, or that replaces nothing.
    #[error(transparent)]
    Template(#[from] TemplateError),
}

/// What triage knows: the shipped runbooks with the user's own.
///
/// # Errors
/// [`Broken::Runbooks`].
pub(super) fn knowledge(settings: &Settings) -> Result<Knowledge, Broken> {
    Knowledge::with_overrides(&settings.runbooks).map_err(Broken::Runbooks)
}

/// The wording: the shipped templates with the user's own.
///
/// # Errors
/// [`Broken::Template`].
pub(super) fn templates(settings: &Settings) -> Result<Templates, Broken> {
    let own = settings.templates.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    Ok(Templates::builtin().with_overrides(own)?)
}

/// What checks run with, under this egress policy.
///
/// # Errors
/// When the file of extra authorities holds none.
pub(super) fn environment(settings: &Settings, policy: Policy) -> anyhow::Result<Environment> {
    let secrets: BTreeMap<String, String> =
        settings.secrets.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect();
    let environment =
        Environment::new(policy).with_resolvers(settings.checks.resolvers.clone()).with_secrets(secrets);
    match &settings.checks.authorities {
        Some((file, pem)) => {
            environment.with_ca_file(pem).with_context(|| format!("reading {}", file.display()))
        }
        None => Ok(environment),
    }
}

/// Where issues go. Call it inside a Tokio runtime.
///
/// # Errors
/// When the client of the tracker cannot be built.
pub(super) fn tracker(settings: &Settings) -> anyhow::Result<Tracker> {
    Ok(match &settings.tracker {
        config::Tracker::Folder(folder) => Tracker::Folder(folder::Folder::new(folder)),
        config::Tracker::GitHub(github) => Tracker::GitHub(
            github::GitHub::new(github::Settings {
                api_url: github.api_url.clone(),
                token: github.token.expose().to_owned(),
                repository: github.repository.clone(),
                timeout: github.timeout,
            })
            .context("setting up GitHub")?,
        ),
    })
}
