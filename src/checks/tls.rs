//! Is the certificate what clients need, and does the server speak a TLS that they speak? Every address, at the same time.
//!
//! The verifier *records*: it accepts whatever is presented, and the chain is judged afterwards, so that an expired
//! certificate does not hide a wrong name. Only after a failure are variants tried (no ALPN, an old hello, plain HTTP), to
//! say why. No credential is ever sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::time::Instant;

use super::dial::{self, DialError, Failure};
use super::socket;
use super::tcp::{self, MAX_ADDRESSES};
use super::{Environment, NotRun, Request, millis};
use crate::outcome::{CheckKind, Facts, Outcome, Report};

pub(super) mod certificate;
mod handshake;
mod judge;
mod legacy;

use handshake::{Fault, Handshake, Hello};

/// The keys of `with:`.
pub(super) const KEYS: &[&str] = &["connect_to", "server_name", "ca_file", "warn_days", "alpn"];

/// Days before its end at which a certificate "expires soon" (interface.md).
const WARN_DAYS: u32 = 14;

/// The share of the time left that the first handshake may use; the rest is for finding out why it failed.
const FIRST_SHARE: f64 = 0.7;

/// One thing that is wrong, or nearly.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    outcome: Outcome,
    text: String,
    diagnosis: Option<&'static str>,
}

impl Finding {
    fn new(outcome: Outcome, text: impl Into<String>) -> Self {
        Self { outcome, text: text.into(), diagnosis: None }
    }

    fn because(mut self, diagnosis: &'static str) -> Self {
        self.diagnosis = Some(diagnosis);
        self
    }
}

/// What one address showed.
#[derive(Debug, Clone)]
struct Observation {
    addr: SocketAddr,
    reached: Reached,
}

#[derive(Debug, Clone)]
enum Reached {
    Shaken { connect: Duration, handshake: Box<Handshake>, variants: Variants },
    Failed(Failure),
    NoRouteHere,
    NotAllowed,
}

/// What was found out after a failed handshake.
#[derive(Debug, Clone, Default)]
struct Variants {
    /// The version an old hello was answered with.
    old_version: Option<&'static str>,
    /// What plain HTTP was answered with.
    plain_http: Option<Vec<u8>>,
    /// The handshake succeeded once no application protocol was asked for.
    needs_no_alpn: bool,
}

/// A request, read.
struct Plan<'a> {
    host: &'a str,
    port: u16,
    connect_to: Option<SocketAddr>,
    hello: Hello,
    is_alpn_asked_for: bool,
    roots: Arc<RootCertStore>,
    warn: Duration,
}

impl<'a> Plan<'a> {
    async fn read(env: &Environment, request: &'a Request) -> Result<Self, NotRun> {
        let with = &request.with;
        let (host, port) = dial::split_host_port(&request.target)
            .ok_or_else(|| tcp::usage(CheckKind::Tls, &request.target))?;
        let name = with.get("server_name").unwrap_or(host).trim_end_matches('.').to_owned();
        let server_name = ServerName::try_from(name.clone()).map_err(|_| {
            NotRun::Usage(format!("`{name}` is no name a certificate can have; set `server_name`"))
        })?;
        let mut alpn: Vec<String> = with.list("alpn").into_iter().map(str::to_owned).collect();
        if alpn.iter().any(|it| it.len() > 255) {
            return Err(NotRun::Usage(
                "`alpn` is a comma list of protocols such as `h2,http/1.1`".to_owned(),
            ));
        }
        let is_alpn_asked_for = !alpn.is_empty();
        if !is_alpn_asked_for {
            alpn = vec!["h2".to_owned(), "http/1.1".to_owned()];
        }
        let warn_days = with.parsed("warn_days", "a number of days such as `14`")?.unwrap_or(WARN_DAYS);
        Ok(Self {
            host,
            port,
            connect_to: with.connect_to(port)?,
            hello: Hello { server_name, alpn },
            is_alpn_asked_for,
            roots: env.roots_with(with).await?,
            warn: Duration::from_secs(u64::from(warn_days) * 86_400),
        })
    }
}

pub(super) async fn run(env: &Environment, request: &Request, deadline: Instant) -> Result<Report, NotRun> {
    let plan = Plan::read(env, request).await?;
    let target = &request.target;
    let addresses = match dial::addresses(env, plan.host, plan.connect_to, plan.port, deadline).await {
        Ok(addresses) => addresses,
        Err(error) => return tcp::not_dialed(CheckKind::Tls, target, error),
    };
    let addrs = addresses.addrs.iter().take(MAX_ADDRESSES);
    let probed = join_all(addrs.map(|addr| probe(env, &plan, *addr, deadline))).await;
    let mut observations = Vec::new();
    let mut refused = None;
    for (addr, reached) in addresses.addrs.iter().copied().zip(probed) {
        let reached = match reached {
            Ok(reached) => reached,
            Err(error @ DialError::Refused(_)) => {
                refused = Some(error);
                Reached::NotAllowed
            }
            Err(error @ DialError::Busy { .. }) => return tcp::not_dialed(CheckKind::Tls, target, error),
            Err(_) => Reached::Failed(Failure::Timeout),
        };
        observations.push(Observation { addr, reached });
    }
    if let Some(refused) = refused
        && observations.iter().all(|it| matches!(it.reached, Reached::NotAllowed))
    {
        return tcp::not_dialed(CheckKind::Tls, target, refused);
    }
    let expected = certificate::Expectation {
        server_name: &plan.hello.server_name,
        roots: &plan.roots,
        now: request.now,
        warn: plan.warn,
    };
    let mut report = judge::report(target, &observations, expected);
    report.phases_ms.insert("dns".to_owned(), millis(addresses.took));
    Ok(report)
}

async fn probe(
    env: &Environment,
    plan: &Plan<'_>,
    addr: SocketAddr,
    deadline: Instant,
) -> Result<Reached, DialError> {
    let dialed = match dial::connect(env, plan.host, addr, deadline).await {
        Ok(dialed) => dialed,
        Err(DialError::Connection { kind: Failure::Unreachable, .. })
            if !socket::has_route_to_family_of(addr) =>
        {
            return Ok(Reached::NoRouteHere);
        }
        Err(DialError::Connection { kind, .. }) => return Ok(Reached::Failed(kind)),
        Err(error) => return Err(error),
    };
    let connect = dialed.took;
    let first_deadline =
        Instant::now() + deadline.saturating_duration_since(Instant::now()).mul_f64(FIRST_SHARE);
    let mut handshake = handshake::shake(dialed.stream, &plan.hello, first_deadline).await;
    let mut variants = Variants::default();
    if let Err(fault) = handshake.end.clone() {
        let again = || dial::connect(env, plan.host, addr, deadline);
        let sni = match &plan.hello.server_name {
            ServerName::DnsName(name) => Some(name.as_ref()),
            _ => None,
        };
        let try_old = async || legacy::old_version(again().await.ok()?.stream, sni, deadline).await;
        let try_plain = async || {
            let host = plan.hello.server_name.to_str();
            legacy::plain_http(again().await.ok()?.stream, &host, deadline).await
        };
        match fault {
            Fault::Alert(120) if !plan.is_alpn_asked_for => {
                let hello = Hello { alpn: Vec::new(), ..plan.hello.clone() };
                let second = handshake::shake(again().await?.stream, &hello, deadline).await;
                if second.end.is_ok() {
                    handshake = second;
                    variants.needs_no_alpn = true;
                }
            }
            Fault::Alert(40 | 70 | 71) | Fault::OldVersion => variants.old_version = try_old().await,
            Fault::Closed | Fault::Reset | Fault::Timeout if handshake.chain.is_empty() => {
                (variants.old_version, variants.plain_http) = tokio::join!(try_old(), try_plain());
            }
            _ => {}
        }
    }
    Ok(Reached::Shaken { connect, handshake: Box::new(handshake), variants })
}

/// What is wrong with a chain, worst first and with a sentence each, and its facts: for checks that meet TLS on their way to
/// something else, so that both kinds use the same words.
pub(super) fn faults(
    chain: &[CertificateDer<'_>],
    server_name: &ServerName<'static>,
    roots: &RootCertStore,
    now: Timestamp,
) -> (Vec<(Outcome, String)>, Facts) {
    let expected = certificate::Expectation { server_name, roots, now, warn: Duration::ZERO };
    let verdict = certificate::judge(chain, expected);
    let mut faults: Vec<_> = verdict.findings.into_iter().map(|it| (it.outcome, it.text)).collect();
    faults.sort_by_key(|(outcome, _)| judge::rank(*outcome));
    (faults, verdict.facts)
}

#[cfg(test)]
mod tests;
