//! Is the certificate what clients need, and does the server speak a TLS that they speak? Every address, at the same time.
//!
//! The verifier *records*: it accepts whatever is presented, and the chain is judged afterwards, so that an expired
//! certificate does not hide a wrong name. Only after a failure are variants tried (no ALPN, an old hello, plain HTTP), to
//! say why. No credential is ever sent.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::time::Instant;

use super::dial::{self, DialError, Failure};
use super::socket;
use super::tcp::{self, MAX_ADDRESSES};
use super::{Authorities, Environment, NotRun, Request, millis};
use crate::outcome::{CheckKind, Facts, Outcome, Report};

pub(super) mod certificate;
mod groups;
mod handshake;
mod issuer;
mod judge;
mod legacy;
mod staple;

use certificate::Warning;
use handshake::{Fault, Handshake, Hello};

/// The share of the time left that the first handshake may use; the rest is for finding out why it failed.
const FIRST_SHARE: f64 = 0.7;

/// How long a server may take to tell the time: not every TLS server speaks HTTP, and those say nothing.
const DATE_WAIT: Duration = Duration::from_millis(300);

/// The same for a slow one.
const MOST_DATE_WAIT: Duration = Duration::from_secs(1);

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
    Shaken {
        connect: Duration,
        handshake: Box<Handshake>,
        variants: Variants,
    },
    Failed(Failure),
    /// It took other checks' connections and answered none of them.
    Silent,
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
    /// The certificate a client is shown that does not say the name.
    without_name: Option<Vec<CertificateDer<'static>>>,
    /// The cipher suite that an old hello was answered with.
    old_cipher: Option<u16>,
    /// The key exchange that the server insists on, of those that other clients offer and we do not.
    beyond_group: Option<&'static str>,
    /// The server's `Date`, asked for when the certificate's dates do not fit our clock.
    server_date: Option<Timestamp>,
    /// Issuers that the server does not send, fetched from where its certificate says.
    fetched: Vec<CertificateDer<'static>>,
}

/// A request, read.
struct Plan<'a> {
    host: &'a str,
    port: u16,
    connect_to: Option<SocketAddr>,
    hello: Hello,
    is_alpn_asked_for: bool,
    roots: Authorities,
    warn: Warning,
}

impl<'a> Plan<'a> {
    async fn read(env: &Environment, request: &'a Request) -> Result<Self, NotRun> {
        let with = &request.with;
        let (host, port) = dial::split_host_port(&request.target)
            .ok_or_else(|| tcp::usage(CheckKind::Tls, &request.target))?;
        let name = with.get("server_name").unwrap_or(host).trim_end_matches('.');
        // Certificates hold names as DNS does: `xn--…` for what people write with umlauts.
        let name = match url::Host::parse(name) {
            Ok(url::Host::Domain(name)) => name,
            _ => name.to_owned(),
        };
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
        let asked: Option<u32> = with.parsed("warn_days", "a number of days such as `14`")?;
        Ok(Self {
            host,
            port,
            connect_to: with.connect_to(port)?,
            hello: Hello { server_name, alpn, sends_name: true },
            is_alpn_asked_for,
            roots: env.roots_with(with).await?,
            warn: asked.map_or(Warning::Usual, Warning::at_days),
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
    let probed = join_all(addrs.map(|addr| probe(env, &plan, *addr, request.now, deadline))).await;
    let mut observations = Vec::new();
    let mut refused = None;
    for (addr, reached) in addresses.addrs.iter().copied().zip(probed) {
        let reached = match reached {
            Ok(reached) => reached,
            Err(error @ DialError::Refused(_)) => {
                refused = Some(error);
                Reached::NotAllowed
            }
            Err(error) if error.is_ours() => return tcp::not_dialed(CheckKind::Tls, target, error),
            Err(DialError::Silent { .. }) => Reached::Silent,
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
        fetched: &[],
    };
    let mut report = judge::report(target, &observations, expected);
    report.phases_ms.insert("dns".to_owned(), millis(addresses.took));
    Ok(report)
}

async fn probe(
    env: &Environment,
    plan: &Plan<'_>,
    addr: SocketAddr,
    now: Timestamp,
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
    match handshake.end.clone() {
        Err(fault) => explore_failure(env, plan, addr, fault, &mut handshake, &mut variants, deadline).await,
        Ok(agreed) => {
            if handshake.wants_certificate && agreed.alpn.as_deref() == Some("h2") {
                refused_over_http1(env, plan, addr, &mut handshake, deadline).await;
            }
        }
    }
    explore_certificate(env, plan, addr, now, &handshake, &mut variants, deadline).await;
    Ok(Reached::Shaken { connect, handshake: Box::new(handshake), variants })
}

/// Why a handshake failed: the same again with something left out, an older hello, plain HTTP.
async fn explore_failure(
    env: &Environment,
    plan: &Plan<'_>,
    addr: SocketAddr,
    fault: Fault,
    handshake: &mut Handshake,
    variants: &mut Variants,
    deadline: Instant,
) {
    let sni = match &plan.hello.server_name {
        ServerName::DnsName(name) => Some(name.as_ref()),
        _ => None,
    };
    if matches!(fault, Fault::Alert(120)) && !plan.is_alpn_asked_for {
        let hello = Hello { alpn: Vec::new(), ..plan.hello.clone() };
        let Ok(dialed) = dial::connect(env, plan.host, addr, deadline).await else { return };
        let second = handshake::shake(dialed.stream, &hello, deadline).await;
        if second.end.is_ok() {
            *handshake = second;
            variants.needs_no_alpn = true;
        }
        return;
    }
    let is_silent =
        matches!(fault, Fault::Closed | Fault::Reset | Fault::Timeout) && handshake.chain.is_empty();
    let may_be_old = is_silent || matches!(fault, Fault::Alert(40 | 47 | 70 | 71 | 80) | Fault::OldVersion);
    if may_be_old {
        let try_old = legacy::answer(env, (plan.host, addr), sni, deadline);
        let try_plain = async {
            if !is_silent {
                return None;
            }
            let host = plan.hello.server_name.to_str();
            let stream = dial::connect(env, plan.host, addr, deadline).await.ok()?.stream;
            legacy::plain_http(stream, &host, deadline).await
        };
        let (old, first_line) = tokio::join!(try_old, try_plain);
        variants.plain_http = first_line;
        if let Some(old) = old {
            variants.old_version = Some(old.version);
            variants.old_cipher = Some(old.cipher);
            if !old.chain.is_empty() {
                handshake.chain = old.chain;
            }
            handshake.wants_certificate |= old.wants_certificate;
            return;
        }
    }
    if matches!(fault, Fault::Alert(40 | 47 | 71)) && handshake.chain.is_empty() {
        variants.beyond_group = groups::insisted_on(env, (plan.host, addr), sni, deadline).await;
        if variants.beyond_group.is_some() {
            return;
        }
    }
    let may_be_name = matches!(fault, Fault::Alert(112 | 40 | 80 | 49) | Fault::Closed | Fault::Reset);
    if may_be_name && handshake.chain.is_empty() && sni.is_some() && variants.plain_http.is_none() {
        variants.without_name = without_name(env, plan, addr, deadline).await;
    }
}

/// The chain that a client is shown that does not say the name; `None` when there is none either.
async fn without_name(
    env: &Environment,
    plan: &Plan<'_>,
    addr: SocketAddr,
    deadline: Instant,
) -> Option<Vec<CertificateDer<'static>>> {
    let hello = Hello { sends_name: false, ..plan.hello.clone() };
    let stream = dial::connect(env, plan.host, addr, deadline).await.ok()?.stream;
    let shaken = handshake::shake(stream, &hello, deadline).await;
    Some(shaken.chain).filter(|it| !it.is_empty())
}

/// HTTP/2 says nothing before the first request; a server that refuses inside HTTP is asked in HTTP/1.1.
async fn refused_over_http1(
    env: &Environment,
    plan: &Plan<'_>,
    addr: SocketAddr,
    handshake: &mut Handshake,
    deadline: Instant,
) {
    let hello = Hello { alpn: vec!["http/1.1".to_owned()], ..plan.hello.clone() };
    let Ok(dialed) = dial::connect(env, plan.host, addr, deadline).await else { return };
    let second = handshake::shake(dialed.stream, &hello, deadline).await;
    if let (Ok(first), Ok(second)) = (&mut handshake.end, second.end)
        && first.refused_after.is_none()
    {
        first.refused_after = second.refused_after;
    }
}

/// What helps to understand a certificate that is not good: the one for no name, the server's clock, the missing issuers.
async fn explore_certificate(
    env: &Environment,
    plan: &Plan<'_>,
    addr: SocketAddr,
    now: Timestamp,
    handshake: &Handshake,
    variants: &mut Variants,
    deadline: Instant,
) {
    let Some(leaf) = handshake.chain.first() else { return };
    let expected = certificate::Expectation {
        server_name: &plan.hello.server_name,
        roots: &plan.roots,
        now,
        warn: Warning::Never,
        fetched: &[],
    };
    let findings = certificate::judge(&handshake.chain, expected).findings;
    let has = |of: &[Outcome]| findings.iter().any(|it| of.contains(&it.outcome));
    let is_named = matches!(plan.hello.server_name, ServerName::DnsName(_));
    if is_named && !certificate::is_for(leaf, &plan.hello.server_name) && handshake.end.is_ok() {
        variants.without_name = without_name(env, plan, addr, deadline).await;
    }
    let left = deadline.saturating_duration_since(Instant::now()).mul_f64(FIRST_SHARE);
    // Dates that do not fit are worth waiting for the server's clock; a clock that is wrong by itself is worth a moment.
    let is_dated = has(&[Outcome::Expired, Outcome::NotYetValid]);
    let wait = if is_dated { left } else { left.min(DATE_WAIT.max(handshake.took * 4).min(MOST_DATE_WAIT)) };
    if handshake.end.is_ok()
        && let Ok(dialed) = dial::connect(env, plan.host, addr, deadline).await
    {
        let until = Instant::now() + wait;
        let date = handshake::server_date(dialed.stream, &plan.hello.server_name, until).await;
        variants.server_date = date.and_then(|it| super::rate_limit::moment::http_date(&it));
    }
    if has(&[Outcome::UnknownIssuer, Outcome::IncompleteChain]) {
        variants.fetched = issuer::fetch(env, &handshake.chain, deadline).await;
    }
}

/// What a server speaks that other clients speak and we do not: nothing is wrong with it.
#[derive(Debug, Clone)]
pub(super) struct BeyondUs {
    /// `TLSv1.2`.
    pub(super) version: &'static str,
    pub(super) cipher: String,
    pub(super) chain: Vec<CertificateDer<'static>>,
}

/// Whether a server that took no handshake of ours takes one of those that other clients offer (CBC, RSA key exchange).
pub(super) async fn beyond_us(
    env: &Environment,
    (host, addr): (&str, SocketAddr),
    server_name: &ServerName<'static>,
    deadline: Instant,
) -> Option<BeyondUs> {
    let sni = match server_name {
        ServerName::DnsName(name) => Some(name.as_ref()),
        _ => None,
    };
    let Some(old) = legacy::answer(env, (host, addr), sni, deadline).await else {
        let group = groups::insisted_on(env, (host, addr), sni, deadline).await?;
        return Some(BeyondUs { version: "TLSv1.3", cipher: group.to_owned(), chain: Vec::new() });
    };
    (old.version == "TLSv1.2" && !legacy::is_weak(old.cipher) && !old.wants_certificate).then(|| BeyondUs {
        version: old.version,
        cipher: legacy::cipher_name(old.cipher),
        chain: old.chain,
    })
}

/// One thing that is wrong with a chain, for checks that meet TLS on their way to something else.
#[derive(Debug, Clone)]
pub(super) struct ChainFault {
    pub(super) outcome: Outcome,
    pub(super) text: String,
    pub(super) diagnosis: Option<&'static str>,
}

/// What is wrong with a chain, worst first, and its facts: one table for all checks, so that they use the same words.
pub(super) async fn faults(
    env: &Environment,
    chain: &[CertificateDer<'static>],
    server_name: &ServerName<'static>,
    roots: &Authorities,
    now: Timestamp,
    deadline: Instant,
) -> (Vec<ChainFault>, Facts) {
    let expected = certificate::Expectation { server_name, roots, now, warn: Warning::Never, fetched: &[] };
    let mut verdict = certificate::judge(chain, expected);
    let is_open = |it: &Finding| matches!(it.outcome, Outcome::UnknownIssuer | Outcome::IncompleteChain);
    if verdict.findings.iter().any(is_open) {
        let fetched = issuer::fetch(env, chain, deadline).await;
        verdict = certificate::judge(chain, certificate::Expectation { fetched: &fetched, ..expected });
    }
    let fault = |it: Finding| ChainFault { outcome: it.outcome, text: it.text, diagnosis: it.diagnosis };
    let mut faults: Vec<_> = verdict.findings.into_iter().map(fault).collect();
    faults.sort_by_key(|it| judge::rank(it.outcome));
    (faults, verdict.facts)
}

pub(super) use handshake::alert_name;

#[cfg(test)]
mod tests;
