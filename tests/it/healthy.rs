//! The healthy laboratory: targets that are unusual and sound. None of them may yield a fault; a false confirmation is the worst defect.
//!
//! One table per kind of check. A row is a sentence, the outcomes that `triage.md` allows, and how its server is made. The tables
//! were written from RFCs and vendors' pages, not from the checks: what a row calls sound is sound there. Another fault in the
//! fact `also` of a sound target is a false confirmation too.

#![expect(clippy::too_many_lines, reason = "a table is as long as it has rows")]
#![expect(clippy::unused_async, reason = "a row is a future, whether or not its server has to be waited for")]

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use firstcheck::checks::{self, Budget, Environment, GitHubAccess, GitHubCredential, Request, With};
use firstcheck::egress::Policy;
use firstcheck::outcome::CheckKind;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;

mod contract;
mod contract_odd;
mod combined;
mod contract_styles;
mod contract_words;
mod cors;
mod deadline;
mod debian;
mod debian_dns;
mod debian_metrics;
mod deploys;
mod deploys_github;
mod dns;
mod dns_odd;
mod dns_resolvers;
mod http;
mod http_bodies;
mod http_odd;
mod metrics;
mod rate_limit;
mod servers;
mod small_servers;
mod status_feeds;
mod status_page;
mod tcp;
mod tls;
mod tls_chains;
mod tls_odd;
mod token;

/// Rows under way at once: enough to hide the waiting of the slow ones.
const AT_ONCE: usize = 16;

/// Allows everything but a fault: what the contract leaves open may be `error`, never a finding.
const NO_FAULT: &str = "no fault";

/// The time by which certificates, tokens and changes are judged.
const NOW: &str = "2026-11-01T10:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// What each row's environment begins as: the catalogues are read once.
static ENVIRONMENT: LazyLock<Environment> = LazyLock::new(|| Environment::new(Policy::unrestricted()));

/// One check to ask, with whatever must stay alive until it is answered.
struct Asked {
    target: String,
    with: BTreeMap<String, String>,
    secrets: BTreeMap<String, String>,
    authority: Option<String>,
    github: Option<String>,
    resolvers: Vec<SocketAddr>,
    timeout: Duration,
    now: Timestamp,
    holds: Vec<Box<dyn Any + Send>>,
}

impl Asked {
    fn new(target: impl Into<String>) -> Self {
        Self {
            target: target.into(),
            with: BTreeMap::new(),
            secrets: BTreeMap::new(),
            authority: None,
            github: None,
            resolvers: Vec::new(),
            timeout: Duration::from_secs(5),
            now: now(),
            holds: Vec::new(),
        }
    }

    fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.with.insert(key.to_owned(), value.into());
        self
    }

    /// Keeps a server or a folder until the row is done.
    fn holding(mut self, held: impl Any + Send) -> Self {
        self.holds.push(Box::new(held));
        self
    }

    /// Trusts this authority.
    fn trusting(mut self, pem: String) -> Self {
        self.authority = Some(pem);
        self
    }

    /// Resolves names there.
    fn resolving(mut self, server: SocketAddr) -> Self {
        self.resolvers.push(server);
        self
    }

    /// Standard input.
    fn input(mut self, text: impl Into<String>) -> Self {
        self.secrets.insert("-".to_owned(), text.into());
        self
    }
}

/// A row of a table.
struct Row {
    name: Cow<'static, str>,
    allowed: &'static str,
    ask: BoxFuture<'static, Asked>,
}

/// The table of one kind.
struct Table {
    kind: CheckKind,
    rows: Vec<Row>,
}

impl Table {
    fn new(kind: CheckKind) -> Self {
        Self { kind, rows: Vec::new() }
    }

    /// A sound target; `allowed` is the outcome, several with `|` between them, or [`NO_FAULT`].
    fn row(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        allowed: &'static str,
        ask: impl Future<Output = Asked> + Send + 'static,
    ) {
        self.rows.push(Row { name: name.into(), allowed, ask: ask.boxed() });
    }

    /// Asks about every row, and fails with all that went wrong.
    fn run(self) {
        let (kind, count) = (self.kind, self.rows.len());
        let names: std::collections::BTreeSet<_> = self.rows.iter().map(|row| row.name.clone()).collect();
        assert_eq!(names.len(), count, "two rows of {kind} have one name");
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let wrong: Vec<String> = runtime.block_on(async {
            let rows = self.rows.into_iter().map(|row| tokio::spawn(judge(kind, row)));
            let found = futures_util::stream::iter(rows).buffered(AT_ONCE);
            found.filter_map(async |it| it.unwrap()).collect().await
        });
        let mut told = String::new();
        for line in &wrong {
            write!(told, "\n{line}").unwrap();
        }
        eprintln!("{kind}: {} of {count} rows are right", count - wrong.len());
        assert!(
            wrong.is_empty(),
            "{kind}: {} of {count} rows are right; not these:{told}",
            count - wrong.len()
        );
    }
}

/// What was wrong with a row, if anything.
async fn judge(kind: CheckKind, row: Row) -> Option<String> {
    let asked = row.ask.await;
    let mut environment = ENVIRONMENT.clone().with_budget(Budget::default()).with_secrets(asked.secrets);
    environment.manners = Arc::default();
    environment.resolvers = asked.resolvers;
    if let Some(pem) = &asked.authority {
        environment = environment.with_ca_file(pem).unwrap();
    }
    if let Some(url) = &asked.github {
        let account = GitHubAccess { api_url: url.parse().unwrap(), credential: GitHubCredential::None };
        environment = environment.with_github(Some(account));
    }
    let request = Request {
        check: kind,
        target: asked.target,
        with: With(asked.with),
        timeout: asked.timeout,
        now: asked.now,
    };
    let report = match checks::run(&environment, &request).await {
        Ok(report) => report,
        Err(not_run) => return Some(format!("{}: not run: {not_run}", row.name)),
    };
    drop(asked.holds);
    let outcome = report.outcome.id();
    let is_allowed = if row.allowed == NO_FAULT {
        report.exit_status() != 1
    } else {
        row.allowed.split('|').any(|it| it == outcome)
    };
    (!is_allowed || report.facts.contains_key("also")).then(|| {
        format!(
            "{}: {} allowed, found {outcome}: {} {}",
            row.name,
            row.allowed,
            report.summary,
            serde_json::to_string(&report.facts).unwrap()
        )
    })
}

macro_rules! tables {
    ($($test:ident: $kind:ident in $($($module:ident)::+),+;)*) => {
        $(#[test]
        fn $test() {
            let mut table = Table::new(CheckKind::$kind);
            $($($module)::+::rows(&mut table);)+
            table.run();
        })*
    };
}

tables! {
    sound_names_resolve: Dns in dns, dns_odd, dns_resolvers, small_servers::names;
    sound_ports_connect: Tcp in tcp, small_servers::ports;
    sound_certificates_are_valid: Tls in tls, tls_chains, tls_odd, small_servers::secure;
    sound_answers_are_ok: Http in http, http_bodies, http_odd, small_servers::answers;
    green_pages_are_operational: StatusPage in status_page, status_feeds;
    quotas_that_are_left_limit_nobody: RateLimit in rate_limit, small_servers::quotas;
    sound_tokens_are_valid: Token in token;
    browsers_that_are_let_in_are_ok: Cors in cors, small_servers::preflights;
    requests_as_described_match: Contract in contract, contract_odd, contract_words, contract_styles;
    limits_that_nest_are_within: Deadline in deadline;
    changes_that_are_far_away_are_not_near: Deploys in deploys, deploys_github;
    every_combination_of_names_resolves: Dns in combined::names;
    every_combination_of_chains_is_valid: Tls in combined::chains;
    every_combination_of_answers_is_ok: Http in combined::answers;
    curves_without_an_incident_are_normal: Metrics in metrics;
}
