//! The configuration file and the environment, made into checked [`Settings`]. Nobody else reads the environment.
//!
//! Without a file everything has a default that works on this machine: loopback, a SQLite file, a folder of issues, the
//! console as chat. It refuses secrets in the file (`token_env:` or `token_file:` name them) and a bot that listens beyond
//! loopback without a credential for every door. The surprise: paths in the file are relative to the file.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use crate::alert::Source;
use crate::egress;
use crate::evidence::redact::Addresses;
use crate::permission::Permissions;
use crate::profile::ServiceProfile;
use crate::routing::Routing;
use crate::yaml::{self, Problem};

mod api;
mod chat;
mod file;
mod route;
mod scalar;
mod sources;
mod store;
mod tracker;

pub use api::{Access, Oidc, Proxy};
pub use sources::{Incidents, Poll, SourceSettings};
pub use store::{Place, Store};
pub use tracker::{GITHUB_API, GitHub, GitHubCredential, Tracker};

/// The file that is read when none is named.
pub const DEFAULT_FILE: &str = "firstcheck.yaml";

/// Time for one check: twice the usual connect time-out of a client, so that a slow answer is told from none.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);

/// A value that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value itself, for the one place that sends or compares it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What `firstcheck serve` runs with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the HTTP server listens.
    pub listen: SocketAddr,
    /// Where incidents and actions are kept.
    pub store: Store,
    /// Sources whose deliveries are taken, each with what its sender must show.
    pub sources: BTreeMap<Source, SourceSettings>,
    /// How alerts are sorted into incidents, and what ends them.
    pub incidents: Incidents,
    /// The credential of the API and the console.
    pub api_token: Option<Secret>,
    /// Who else may use the API and the console.
    pub access: Access,
    /// Where people read and answer.
    pub chat: Chat,
    /// Where issues go.
    pub tracker: Tracker,
    /// Which addresses may be probed.
    pub egress: egress::Policy,
    /// Which IP addresses are hidden in what leaves.
    pub addresses: Addresses,
    /// How checks are run.
    pub checks: Checks,
    /// What is known of our services.
    pub services: Vec<ServiceProfile>,
    /// Values for `env:NAME` in the services, by name.
    pub secrets: BTreeMap<String, Secret>,
    /// The folder of the user's own runbooks.
    pub runbooks_folder: Option<PathBuf>,
    /// Runbooks and catalogues that replace built-in ones: name and text.
    pub runbooks: Vec<(String, String)>,
    /// Templates that replace built-in ones: name and text.
    pub templates: Vec<(String, String)>,
}

/// Where people read and answer.
#[derive(Debug, Clone)]
pub enum Chat {
    /// The browser console and the API.
    Console,
    /// A Discord channel.
    Discord(Box<Discord>),
}

/// How to reach Discord.
#[derive(Debug, Clone)]
pub struct Discord {
    /// The bot's token.
    pub token: Secret,
    /// In which channels threads are opened, and who is called.
    pub routing: Routing,
    /// Where people reach the console, for links to it.
    pub console: Option<Url>,
    /// The server whose slash command is registered; without it the command is global.
    pub guild: Option<u64>,
    /// The application's public key: with it interactions are taken over HTTP too.
    pub public_key: Option<[u8; 32]>,
    /// Who may do what.
    pub permissions: Permissions,
    /// Another place that speaks Discord's API.
    pub api_url: Option<Url>,
    /// Another gateway.
    pub gateway_url: Option<Url>,
}

/// How checks are run.
#[derive(Debug, Clone)]
pub struct Checks {
    /// Name servers to ask; empty means the system's way.
    pub resolvers: Vec<SocketAddr>,
    /// Authorities trusted besides the system's, as PEM text, and the file it is from.
    pub authorities: Option<(PathBuf, String)>,
    /// The time one check may take.
    pub timeout: Duration,
    /// `host:port` of a host that is known to be good.
    pub control: Option<String>,
    /// Connections one host may get at once; `None` is the default.
    pub burst_per_host: Option<u32>,
    /// Connections one host may get a second after that; `None` is the default.
    pub per_second_per_host: Option<u32>,
    /// Connections one address and port may have at the same time; `None` is the default.
    pub at_once_per_host: Option<u32>,
}

/// Reads an environment variable; blank counts as absent.
#[must_use]
pub fn secret(name: &str) -> Option<String> {
    variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// An environment variable as it is set, blank too: an empty token is a finding, an unset one is not. The only place
/// that reads the environment.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whether the user wants no colour (<https://no-color.org>: the variable is there and not empty).
#[must_use]
pub fn no_color() -> bool {
    secret("NO_COLOR").is_some()
}

impl Settings {
    /// The settings of this file; without one, of [`DEFAULT_FILE`] if it is there, else the defaults.
    ///
    /// # Errors
    /// The first [`Problem`], with its place.
    pub fn load(named: Option<&Path>) -> Result<Self, Problem> {
        let (file, text) = text_of(named)?;
        Self::read(file, &text, &|name| secret(name))
    }

    /// The settings this text says; `environment` gives the value of a variable.
    ///
    /// # Errors
    /// The first [`Problem`], with its place.
    pub fn read(
        file: &Path,
        text: &str,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Problem> {
        let reader = Reader::of(file, text, environment);
        reader.settings(reader.written()?)
    }
}

impl Store {
    /// The store that the file of [`Settings::load`] names. The secrets of other sections are not asked for: a store is looked after also where
    /// the bot does not run.
    ///
    /// # Errors
    /// As [`Settings::load`], of the file's shape and its section `store`.
    pub fn load(named: Option<&Path>) -> Result<Self, Problem> {
        let (file, text) = text_of(named)?;
        let reader = Reader::of(file, &text, &|name| secret(name));
        reader.store(reader.written()?.store)
    }
}

/// The file that is read, and its text; the usual one may be missing.
fn text_of(named: Option<&Path>) -> Result<(&Path, String), Problem> {
    let file = named.unwrap_or(Path::new(DEFAULT_FILE));
    match std::fs::read_to_string(file) {
        Ok(text) => Ok((file, text)),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            Ok((file, String::new()))
        }
        Err(error) => Err(Problem::of_file(&file.display().to_string(), error.to_string())),
    }
}

/// What reading needs beside the file's own words.
struct Reader<'a> {
    name: String,
    text: &'a str,
    folder: PathBuf,
    environment: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Reader<'a> {
    fn of(file: &Path, text: &'a str, environment: &'a dyn Fn(&str) -> Option<String>) -> Self {
        let folder = file.parent().map(Path::to_owned).unwrap_or_default();
        Self { name: file.display().to_string(), text, folder, environment }
    }

    /// The file's own words.
    fn written(&self) -> Result<file::File, Problem> {
        let is_blank =
            self.text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
        if is_blank { Ok(file::File::default()) } else { yaml::read(&self.name, self.text) }
    }
}

impl Reader<'_> {
    fn settings(&self, written: file::File) -> Result<Settings, Problem> {
        let services = services(written.services);
        let runbooks = self.runbooks(written.runbooks.as_deref())?;
        let (mapped, runbooks): (Vec<_>, Vec<_>) =
            runbooks.into_iter().partition(|(name, _)| name.starts_with("sources/"));
        let settings = Settings {
            listen: written.listen.unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080)),
            store: self.store(written.store)?,
            sources: self.sources(written.sources, &mapped)?,
            incidents: written.incidents.into(),
            api_token: self.secret("api", &written.api.secret())?,
            access: self.access(written.api)?,
            chat: self.chat(written.chat, self.public_url(written.public_url)?)?,
            tracker: self.tracker(written.tracker)?,
            egress: egress::Policy::allowing(&written.egress.allow)
                .map_err(|error| self.problem("allow", &error.0, error.to_string()))?,
            addresses: written.redact.addresses,
            checks: self.checks(written.checks)?,
            secrets: self.named_secrets(&services, &runbooks),
            services,
            runbooks_folder: written.runbooks.as_deref().map(|folder| self.folder.join(folder)),
            runbooks,
            templates: self.folder_of("templates", written.templates.as_deref(), "hbs")?,
        };
        self.guard_doors(&settings)?;
        Ok(settings)
    }

    fn problem(&self, after: &str, at: &str, message: impl Into<String>) -> Problem {
        Problem::at(&self.name, yaml::place(self.text, after, at), message)
    }

    /// The secret a section refers to.
    fn secret(&self, section: &str, named: &file::SecretRef) -> Result<Option<Secret>, Problem> {
        self.secret_named(section, named, ["token_env", "token_file"])
    }

    /// As [`Self::secret`], under keys of other names.
    fn secret_named(
        &self,
        section: &str,
        named: &file::SecretRef,
        [in_env, in_file]: [&str; 2],
    ) -> Result<Option<Secret>, Problem> {
        match (&named.token_env, &named.token_file) {
            (Some(_), Some(_)) => {
                Err(self.problem(section, in_file, format!("either `{in_env}` or `{in_file}`, not both")))
            }
            (Some(variable), None) => match (self.environment)(variable) {
                Some(value) => Ok(Some(Secret(value))),
                None => Err(self.problem(
                    section,
                    in_env,
                    format!("the environment variable `{variable}` is not set"),
                )),
            },
            (None, Some(path)) => {
                let path = self.folder.join(path);
                let value = std::fs::read_to_string(&path).map_err(|error| {
                    self.problem(section, in_file, format!("{}: {error}", path.display()))
                })?;
                let value = value.trim().to_owned();
                if value.is_empty() {
                    return Err(self.problem(section, in_file, format!("{} is empty", path.display())));
                }
                Ok(Some(Secret(value)))
            }
            (None, None) => Ok(None),
        }
    }

    fn needed_secret(&self, section: &str, named: &file::SecretRef) -> Result<Secret, Problem> {
        self.secret(section, named)?.ok_or_else(|| {
            let message = format!("{section} needs a token: `token_env: NAME` or `token_file: PATH`");
            self.problem(section, section, message)
        })
    }

    fn checks(&self, written: file::ChecksSection) -> Result<Checks, Problem> {
        let resolver = |text: &String| {
            let with_port = text.parse::<SocketAddr>();
            with_port.or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53))).map_err(|_| {
                let message = format!("`{text}` is no name server; write `IP` or `IP:PORT`");
                self.problem("resolvers", text, message)
            })
        };
        let control = |text: String| {
            let port = text.rsplit_once(':').and_then(|(_, port)| port.parse::<std::num::NonZeroU16>().ok());
            if port.is_some() {
                return Ok(text);
            }
            let message =
                format!("`{text}` is no control; write `host:port` of a host that is known to be good");
            Err(self.problem("control", &text, message))
        };
        let authorities = written.ca_file.map(|path| {
            let path = self.folder.join(path);
            let pem = std::fs::read_to_string(&path)
                .map_err(|error| self.problem("checks", "ca_file", format!("{}: {error}", path.display())))?;
            Ok((path, pem))
        });
        Ok(Checks {
            resolvers: written.resolvers.iter().map(resolver).collect::<Result<_, _>>()?,
            authorities: authorities.transpose()?,
            timeout: written.timeout.map_or(CHECK_TIMEOUT, |timeout| timeout.0),
            control: written.control.map(control).transpose()?,
            burst_per_host: written.per_host.burst.map(NonZeroU32::get),
            per_second_per_host: written.per_host.per_second.map(NonZeroU32::get),
            at_once_per_host: written.per_host.at_once.map(NonZeroU32::get),
        })
    }

    /// The values of every `env:NAME` in the services and the runbooks. One that is not set is left out: the check that needs it says so.
    fn named_secrets(
        &self,
        services: &[ServiceProfile],
        runbooks: &[(String, String)],
    ) -> BTreeMap<String, Secret> {
        let in_runbooks = runbooks.iter().flat_map(|(_, text)| text.split("env:").skip(1)).map(|rest| {
            rest.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
                .next()
                .unwrap_or_default()
        });
        let with = services.iter().flat_map(|service| {
            let own = service.http.values();
            own.chain(service.dependencies.iter().flat_map(|dependency| dependency.http.values()))
        });
        let in_values = with.filter_map(|value| value.split("env:").nth(1)).map(|name| {
            name.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
                .next()
                .unwrap_or_default()
        });
        let of_tokens = services.iter().filter_map(|service| Some(service.token.as_ref()?.env.as_str()));
        let named = in_values.chain(of_tokens).chain(in_runbooks.filter(|name| !name.is_empty()));
        named.filter_map(|name| Some((name.to_owned(), Secret((self.environment)(name)?)))).collect()
    }

    /// The user's own runbooks and catalogues; the scenarios that test them, in `scenarios`, are none of them.
    fn runbooks(&self, folder: Option<&Path>) -> Result<Vec<(String, String)>, Problem> {
        let mut found = self.folder_of("runbooks", folder, "yaml")?;
        // Folders within hold something else: `sources/` alert mappings, `scenarios/` what `runbook test` replays.
        found.retain(|(name, _)| !name.contains('/') || name.starts_with("sources/"));
        Ok(found)
    }

    /// Name and text of every file with this ending in a folder, subfolders too; names without the ending for templates.
    fn folder_of(
        &self,
        section: &str,
        folder: Option<&Path>,
        ending: &str,
    ) -> Result<Vec<(String, String)>, Problem> {
        let Some(folder) = folder else { return Ok(Vec::new()) };
        let root = self.folder.join(folder);
        let mut found = Vec::new();
        file::collect(&root, &root, ending, &mut found).map_err(|(path, error)| {
            self.problem(section, section, format!("{}: {error}", path.display()))
        })?;
        found.sort();
        Ok(found)
    }

    /// Beyond loopback every door needs a key: an alert starts probes, and the console shows what was found.
    fn guard_doors(&self, settings: &Settings) -> Result<(), Problem> {
        if settings.listen.ip().is_loopback() {
            return Ok(());
        }
        let refuse = |what: String| {
            let problem = format!("listening on {} needs a credential for {what}", settings.listen);
            Err(self.problem("listen", "listen", problem))
        };
        if let Some((source, _)) = settings.sources.iter().find(|(_, it)| it.is_open()) {
            let name = source.id();
            let way = if source.door().signature.is_some() { "secret_env" } else { "token_env" };
            return refuse(format!("the source `{name}`: `sources: {{{name}: {{{way}: NAME}}}}`"));
        }
        let Access { tokens, oidc, proxy, .. } = &settings.access;
        if settings.api_token.is_none() && !tokens && oidc.is_none() && proxy.is_none() {
            let ways =
                "`api: {token_env: NAME}`, `api: {tokens: true}`, `api: {oidc: {…}}` or `api: {proxy: {…}}`";
            return refuse(format!("the API and the console: {ways}"));
        }
        Ok(())
    }
}

/// Without a section those with the on-call role may probe and manage.
fn services(written: BTreeMap<String, ServiceProfile>) -> Vec<ServiceProfile> {
    let named = |(name, service): (String, ServiceProfile)| ServiceProfile {
        name: if service.name.is_empty() { name } else { service.name.clone() },
        ..service
    };
    written.into_iter().map(named).collect()
}

#[cfg(test)]
mod tests;
