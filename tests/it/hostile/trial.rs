//! One check against something hostile, and what must hold of its end, whatever it is.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use firstcheck::checks::{self, Budget, Environment, NotRun, Request, With};
use firstcheck::clock;
use firstcheck::drill::pki::{Authority, Identity, Validity};
use firstcheck::egress::Policy;
use firstcheck::outcome::{CheckKind, Report};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::Value;

/// A row of the table.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) run: BoxFuture<'static, Result<(), String>>,
}

/// A row.
pub(super) fn row(name: &'static str, run: impl Future<Output = Result<(), String>> + Send + 'static) -> Row {
    Row { name, run: run.boxed() }
}

/// What a check gets whose server may cost it all of its time.
const SHORT: Duration = Duration::from_secs(1);

/// What a check gets that has its answer soon, on a busy machine too.
const LONG: Duration = Duration::from_secs(10);

/// After this long a check hangs.
const HUNG: Duration = Duration::from_secs(30);

/// Reading the catalogues takes longer than a check.
static ENVIRONMENT: LazyLock<Environment> = LazyLock::new(|| Environment::new(Policy::unrestricted()));

/// An environment of its own under a policy: whom others asked how often is none of its business.
pub(super) fn environment(policy: Policy) -> Environment {
    let mut env = ENVIRONMENT.clone().with_budget(Budget::default());
    env.policy = Arc::new(policy);
    env.manners = Arc::default();
    env
}

/// The one authority that is trusted, and a good certificate for 127.0.0.1 and `api.hostile.test`.
pub(super) static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::new("Hostile Root"));
pub(super) static IDENTITY: LazyLock<Identity> =
    LazyLock::new(|| AUTHORITY.issue(&["127.0.0.1", "api.hostile.test"], Validity::ordinary(clock::now())));

/// One check to try.
pub(super) struct Trial {
    kind: CheckKind,
    target: String,
    with: BTreeMap<String, String>,
    timeout: Option<Duration>,
    env: Environment,
}

/// How it ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// The outcome's id, `usage` or `refused`.
    pub(super) outcome: String,
    /// Everything that is told, as JSON or as a message.
    pub(super) told: String,
}

impl Trial {
    pub(super) fn new(kind: CheckKind, target: impl Into<String>) -> Self {
        let env = environment(Policy::unrestricted()).with_ca_file(&AUTHORITY.pem()).unwrap();
        Self { kind, target: target.into(), with: BTreeMap::new(), timeout: None, env }
    }

    pub(super) fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.with.insert(key.to_owned(), value.into());
        self
    }

    pub(super) fn within(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    pub(super) fn under(mut self, policy: Policy) -> Self {
        self.env.policy = Arc::new(policy);
        self
    }

    pub(super) fn resolved_by(mut self, resolver: SocketAddr) -> Self {
        self.env = self.env.with_resolvers(vec![resolver]);
        self
    }

    pub(super) fn controlled_by(mut self, control: &str) -> Self {
        self.env = self.env.with_control(Some(control));
        self
    }

    /// What stands on standard input.
    pub(super) fn given(mut self, input: impl Into<String>) -> Self {
        self.env = self.env.with_secrets(BTreeMap::from([("-".to_owned(), input.into())]));
        self
    }

    /// Runs it. It must end in time without a panic, as one of these outcomes, and tell it in clean text.
    pub(super) async fn ends(self, expected: &[&str]) -> Result<Ended, String> {
        let Self { kind, target, with, timeout, env } = self;
        let takes_all = expected.iter().any(|it| matches!(*it, "timeout" | "unreachable" | "error"));
        let timeout = timeout.unwrap_or(if takes_all { SHORT } else { LONG });
        let request = Request { check: kind, target, with: With(with), timeout, now: clock::now() };
        let running = tokio::spawn(async move { checks::run(&env, &request).await });
        let ran = tokio::time::timeout(HUNG, running).await.map_err(|_| "it hangs".to_owned())?;
        let ended = ended(ran.map_err(|panic| format!("it panics: {panic}"))?)?;
        if !expected.contains(&ended.outcome.as_str()) {
            let told: String = ended.told.chars().take(1500).collect();
            return Err(format!("`{}` instead of {expected:?}: {told}", ended.outcome));
        }
        Ok(ended)
    }
}

fn ended(ran: Result<Report, NotRun>) -> Result<Ended, String> {
    match ran {
        Ok(report) => {
            let value = serde_json::to_value(&report).map_err(|why| format!("it is no JSON: {why}"))?;
            is_clean(&value)?;
            let told = value.to_string();
            if told.len() > MOST_TOLD {
                return Err(format!("{} bytes are told", told.len()));
            }
            Ok(Ended { outcome: report.outcome.id().to_owned(), told })
        }
        Err(not_run) => {
            let told = not_run.to_string();
            is_plain(&told)?;
            let outcome = if matches!(not_run, NotRun::Usage(_)) { "usage" } else { "refused" };
            Ok(Ended { outcome: outcome.to_owned(), told })
        }
    }
}

/// What a report may have: it goes into a chat, an issue and a database.
const MOST_TOLD: usize = 64 * 1024;

/// Every text of a report, names of fields too.
fn is_clean(value: &Value) -> Result<(), String> {
    match value {
        Value::String(text) => is_plain(text),
        Value::Array(items) => items.iter().try_for_each(is_clean),
        Value::Object(fields) => {
            fields.iter().try_for_each(|(name, value)| is_plain(name).and_then(|()| is_clean(value)))
        }
        _ => Ok(()),
    }
}

/// Nothing that steers a terminal, breaks a line or turns the direction of text.
pub(super) fn is_plain(text: &str) -> Result<(), String> {
    let steers = |it: char| {
        it.is_control()
            || matches!(it, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    match text.chars().find(|it| steers(*it)) {
        Some(raw) => Err(format!("{raw:?} stands raw in {text:?}")),
        None => Ok(()),
    }
}

/// That what is told holds nothing of this.
pub(super) fn tells_nothing_of(ended: &Ended, secret: &str) -> Result<(), String> {
    if ended.told.contains(secret) { Err(format!("`{secret}` is told: {}", ended.told)) } else { Ok(()) }
}
