//! The confirming checks: one question each, answered from the world within one deadline.
//!
//! Every kind is *observation* then *judgement*: `probe` does the I/O and gathers everything raw, `judge` is a pure table.
//! A fault that was found is a [`Report`], never an error; [`NotRun`] is for a question that cannot be asked at all. Only
//! [`dial`] opens a socket to a target, and it asks the [egress policy](crate::egress) about each address.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use url::Url;

use crate::egress::{self, Refusal};
use crate::outcome::{CheckKind, Report, visible};
use crate::runbook;

mod authorities;
mod budget;
mod contract;
mod control;
mod cors;
mod deadline;
mod deploys;
mod dns;
mod document;
mod fields;
mod http;
mod identity;
mod judging;
mod manners;
mod metrics;
mod provider;
mod rate_limit;
mod socket;
mod status_page;
mod tcp;
mod tls;
mod token;
mod turns;

pub mod catalogue;
pub mod dial;
pub mod exchange;
pub mod fetch;
pub mod foreign;
pub mod resolve;
pub mod told;
pub mod with;

pub use authorities::{Authorities, BadAuthorities};
pub use budget::Budget;
pub use catalogue::Catalogues;
pub use manners::Manners;
pub use with::With;

/// What checks run with: whom they may reach, whom they ask for addresses, whom they trust.
#[derive(Clone)]
pub struct Environment {
    /// Which addresses may be probed.
    pub policy: Arc<egress::Policy>,
    /// Name servers to ask for addresses; empty means the way of the operating system.
    pub resolvers: Vec<SocketAddr>,
    /// Certificate authorities that are trusted.
    pub roots: Authorities,
    /// What is known of gateways, limiters and vendors.
    pub catalogues: Arc<Catalogues>,
    /// Values for `env:NAME`, by name. Never shown.
    pub secrets: Arc<BTreeMap<String, String>>,
    /// `host:port` of a host that is known to be good: when it fails too, our own network is at fault.
    pub control: Option<Arc<str>>,
    /// How many connections a host may get from us.
    pub budget: Arc<Budget>,
    /// Who asked to be left alone.
    pub manners: Arc<Manners>,
    /// The GitHub whose repositories can be read, and as whom.
    pub github: Option<Arc<GitHubAccess>>,
    /// Whoever remembers the changes that were told.
    pub told: Option<Arc<dyn told::ToldChanges>>,
    /// How an issuer is fetched that a server forgot to send.
    issuers: FetchIssuer,
    /// What the name servers of zones said a moment ago.
    zones: Arc<dns::Recent>,
}

impl Environment {
    /// An environment with the system's resolvers and authorities and the built-in catalogues.
    #[must_use]
    pub fn new(policy: egress::Policy) -> Self {
        Self::knowing(policy, Catalogues::builtin())
    }

    /// As [`Self::new`], with these catalogues instead of the built-in ones.
    #[must_use]
    pub fn knowing(policy: egress::Policy, catalogues: Catalogues) -> Self {
        Self { roots: Authorities::system(), catalogues: Arc::new(catalogues), ..Self::bare(policy) }
    }

    /// An environment that trusts nobody and knows no product, for the kinds that need neither (`dns`, `tcp`): reading the
    /// authorities and catalogues takes longer than such a check.
    #[must_use]
    pub fn bare(policy: egress::Policy) -> Self {
        Self {
            policy: Arc::new(policy),
            resolvers: Vec::new(),
            roots: Authorities::default(),
            catalogues: Arc::default(),
            secrets: Arc::default(),
            control: None,
            budget: Arc::default(),
            manners: Arc::default(),
            github: None,
            told: None,
            issuers: fetch::issuer,
            zones: Arc::default(),
        }
    }

    /// Knows of the changes that were told.
    #[must_use]
    pub fn with_told(mut self, told: Arc<dyn told::ToldChanges>) -> Self {
        self.told = Some(told);
        self
    }

    /// Asks these name servers instead of the system's.
    #[must_use]
    pub fn with_resolvers(mut self, resolvers: Vec<SocketAddr>) -> Self {
        self.resolvers = resolvers;
        self
    }

    /// Trusts the authorities of this PEM text too.
    ///
    /// # Errors
    /// [`BadAuthorities`] when the text holds no certificate that can be an authority.
    pub fn with_ca_file(mut self, pem: &str) -> Result<Self, BadAuthorities> {
        self.roots = self.roots.and_pem(pem)?;
        Ok(self)
    }

    /// Compares a failure with a host that is known to be good (`host:port`).
    #[must_use]
    pub fn with_control(mut self, control: Option<&str>) -> Self {
        self.control = control.map(Arc::from);
        self
    }

    /// Gives a host this many connections instead of the default.
    #[must_use]
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = Arc::new(budget);
        self
    }

    /// Knows these values for `env:NAME`.
    #[must_use]
    pub fn with_secrets(mut self, secrets: BTreeMap<String, String>) -> Self {
        self.secrets = Arc::new(secrets);
        self
    }

    /// Reads repositories there.
    #[must_use]
    pub fn with_github(mut self, github: Option<GitHubAccess>) -> Self {
        self.github = github.map(Arc::new);
        self
    }

    /// The trusted authorities, with those of the file that the key `ca_file` names.
    pub(crate) async fn roots_with(&self, with: &With) -> Result<Authorities, NotRun> {
        let Some(path) = with.get("ca_file") else { return Ok(self.roots.clone()) };
        let pem =
            read_small_file(path).await.map_err(|why| NotRun::Usage(format!("`ca_file` `{path}`: {why}")))?;
        self.roots.and_pem(&pem).map_err(|why| NotRun::Usage(format!("`ca_file` `{path}`: {why}")))
    }
}

/// Fetches at most so many bytes from a URL; `None` when they cannot be had. The handshake's judge is handed it: a fetch is an exchange, and an
/// exchange judges handshakes.
type FetchIssuer = for<'a> fn(
    &'a Environment,
    &'a Url,
    usize,
    Instant,
) -> futures_util::future::BoxFuture<'a, Option<Vec<u8>>>;

/// A GitHub, and as whom it is read.
#[derive(Clone)]
pub struct GitHubAccess {
    /// The API's base: `https://api.github.com`, or a GitHub Enterprise Server's `https://HOST/api/v3`.
    pub api_url: Url,
    /// Who reads.
    pub credential: GitHubCredential,
}

/// Who reads at GitHub. Never shown.
#[derive(Clone)]
pub enum GitHubCredential {
    /// Anybody: public repositories, sixty requests an hour.
    None,
    /// A token.
    Token(String),
    /// An app, by its id and its private key in PEM form; without an installation each repository's is looked up.
    App {
        /// Its id.
        id: u64,
        /// Its private key.
        key: String,
        /// Its one installation.
        installation: Option<u64>,
    },
}

/// A file that a `with:` key names, at most this large: a bundle of all public authorities is about 0.2 MiB.
const SMALL_FILE_MAX_BYTES: u64 = 1024 * 1024;

/// Reads a file a person named; refuses devices and pipes, which never end.
async fn read_small_file(path: &str) -> Result<String, String> {
    let about = tokio::fs::metadata(path).await.map_err(|why| why.to_string())?;
    if !about.is_file() || about.len() > SMALL_FILE_MAX_BYTES {
        return Err("is not a file of at most 1 MiB".to_owned());
    }
    tokio::fs::read_to_string(path).await.map_err(|why| why.to_string())
}

/// One check to run.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its kind.
    pub check: CheckKind,
    /// What to look at, in the form the kind wants.
    pub target: String,
    /// Its keys.
    pub with: With,
    /// The whole check's time.
    pub timeout: Duration,
    /// The time by which dates (certificates, tokens, deploys) are judged.
    pub now: Timestamp,
}

/// Why a check was not run at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRun {
    /// The question makes no sense as asked (exit status 2, HTTP 400).
    #[error("{0}")]
    Usage(String),
    /// The policy does not let us reach the target (HTTP 403; in an incident a [`Report::error`]).
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl NotRun {
    /// A message quotes what a person or a server wrote: see [`Report::in_plain_text`].
    fn in_plain_text(self) -> Self {
        match self {
            Self::Usage(message) => Self::Usage(visible(&message).into_owned()),
            Self::Refused(refusal) => {
                Self::Refused(Refusal { host: visible(&refusal.host).into_owned(), ..refusal })
            }
        }
    }
}

/// Runs one check. The whole check has one deadline, and what was learned until then is in the report.
///
/// # Errors
/// [`NotRun`] when the target or a key makes no sense, or the policy refuses the target. What is wrong *with* the
/// target is never an error.
pub async fn run(env: &Environment, request: &Request) -> Result<Report, NotRun> {
    let started = Instant::now();
    let ran = asked(env, request, started + request.timeout).await;
    let mut report = ran.map_err(NotRun::in_plain_text)?.in_plain_text();
    report.took_ms = millis(started.elapsed());
    Ok(report)
}

async fn asked(env: &Environment, request: &Request, deadline: Instant) -> Result<Report, NotRun> {
    request.with.allows_only(request.check, keys(request.check))?;
    control::watch(env, request, deadline, Box::pin(ask(env, request, deadline))).await
}

/// The check alone, as its kind does it.
async fn ask(env: &Environment, request: &Request, deadline: Instant) -> Result<Report, NotRun> {
    match request.check {
        CheckKind::Dns => dns::run(env, request, deadline).await,
        CheckKind::Tcp => tcp::run(env, request, deadline).await,
        CheckKind::Tls => tls::run(env, request, deadline).await,
        CheckKind::Http => http::run(env, request, deadline).await,
        CheckKind::StatusPage => status_page::run(env, request, deadline).await,
        CheckKind::RateLimit => rate_limit::run(env, request, deadline).await,
        CheckKind::Token => token::run(env, request, deadline).await,
        CheckKind::Cors => cors::run(env, request, deadline).await,
        CheckKind::Contract => contract::run(env, request, deadline).await,
        CheckKind::Deadline => deadline::run(env, request, deadline).await,
        CheckKind::Deploys => deploys::run(env, request, deadline).await,
        CheckKind::Metrics => metrics::run(env, request, deadline).await,
    }
}

/// The `with:` keys a kind knows; `header.NAME` stands for every key that begins with `header.`.
#[must_use]
pub fn keys(check: CheckKind) -> &'static [&'static str] {
    runbook::keys(check)
}

/// A duration for a report: milliseconds, to the microsecond.
pub(crate) fn millis(took: Duration) -> f64 {
    (took.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}
