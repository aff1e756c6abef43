//! The only place that opens a socket to a target, and so the only place that must ask the egress policy.
//!
//! A name is resolved once, each of its addresses is asked about, and the connection goes to that very address. Per host
//! there is a [budget](super::Budget): a check waits its turn. What goes wrong is told apart (refused, timeout, reset,
//! unreachable, unresolved), because each says something else about the fault.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::checks::Environment;
use crate::checks::resolve::{self, Unresolved};
use crate::checks::socket::{self, Connection};
use crate::duration;
use crate::egress::Refusal;

/// Where a host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// Every address, each once, in the order they came; never empty.
    pub addrs: Vec<SocketAddr>,
    /// How long it took to find out; zero for a literal address or `connect_to`.
    pub took: Duration,
}

/// An open connection.
#[derive(Debug)]
pub struct Dialed {
    /// The connection.
    pub stream: Connection,
    /// The address it goes to.
    pub addr: SocketAddr,
    /// How long the connection took to open.
    pub took: Duration,
}

/// How a connection failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// The machine answered that nothing listens.
    Refused,
    /// Nothing came back in time.
    Timeout,
    /// The connection was torn down while it opened.
    Reset,
    /// There is no way to the machine.
    Unreachable,
}

impl Failure {
    /// The id used in facts; an outcome of the `tcp` check has the same.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Unreachable => "unreachable",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "refused the connection",
            Self::Timeout => "did not answer in time",
            Self::Reset => "reset the connection",
            Self::Unreachable => "cannot be reached",
        })
    }
}

impl From<&io::Error> for Failure {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Self::Reset,
            io::ErrorKind::TimedOut => Self::Timeout,
            _ => Self::Unreachable,
        }
    }
}

/// Why there is no connection. All but [`DialError::Refused`] and those that are [ours](DialError::is_ours) are findings about the
/// target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The name has no address.
    #[error("`{host}` does not resolve: {why}")]
    Unresolved {
        /// The name.
        host: String,
        /// Why.
        why: Unresolved,
    },
    /// The policy does not let us go there.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The connection did not open.
    #[error("{addr} {kind}")]
    Connection {
        /// The address that was tried.
        addr: SocketAddr,
        /// How it failed.
        kind: Failure,
    },
    /// The host has had enough of us for now; the check is an `error`, not a finding.
    #[error("`{host}` is left alone for another {}, because it was probed too often or asked for it", duration::show(*.wait))]
    Busy {
        /// The host.
        host: String,
        /// When to try again.
        wait: Duration,
    },
    /// As many connections as an address may have from us were open until the check's time was up, and it talked on them; an `error` too, but to
    /// whoever asked for no more than that.
    #[error("{addr} had as many connections from us as it may have until the time was up")]
    Full {
        /// The address.
        addr: SocketAddr,
    },
    /// The same, and the address said nothing on any of them for all that time: this check would have heard nothing either.
    #[error(
        "{addr} took as many connections from us as it may have, and said nothing on any of them until the time was up"
    )]
    Silent {
        /// The address.
        addr: SocketAddr,
    },
    /// The check's time was up before the connection was tried.
    #[error("the check's time was up before a connection was tried")]
    Deadline,
}

impl DialError {
    /// Whether it is we who kept away: that says nothing about the target.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Full { .. })
    }
}

/// The addresses of a host: of a literal address, itself; with `connect_to`, that one; else what DNS says.
///
/// # Errors
/// [`DialError::Unresolved`]; the policy is asked when connecting, about each address.
pub async fn addresses(
    env: &Environment,
    host: &str,
    connect_to: Option<SocketAddr>,
    port: u16,
    deadline: Instant,
) -> Result<Addresses, DialError> {
    if let Some(addr) = connect_to {
        return Ok(Addresses { addrs: vec![addr], took: Duration::ZERO });
    }
    if let Some(ip) = literal(host) {
        return Ok(Addresses { addrs: vec![SocketAddr::new(ip, port)], took: Duration::ZERO });
    }
    let started = Instant::now();
    let found = if env.resolvers.is_empty() {
        system_lookup(host, deadline).await
    } else {
        resolve::lookup(&env.resolvers, host, deadline).await
    };
    let found = found.map_err(|why| DialError::Unresolved { host: host.to_owned(), why })?;
    let mut seen = BTreeSet::new();
    let addrs = found.into_iter().filter(|ip| seen.insert(*ip)).map(|ip| SocketAddr::new(ip, port)).collect();
    Ok(Addresses { addrs, took: started.elapsed() })
}

/// A host that is an address already, with or without the brackets of a URL.
#[must_use]
pub fn literal(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host).parse().ok()
}

/// What the operating system finds: its hosts file, search list and resolvers.
async fn system_lookup(host: &str, deadline: Instant) -> Result<Vec<IpAddr>, Unresolved> {
    if resolve::parse_name(host).is_none() {
        return Err(Unresolved::NotAName);
    }
    match timeout_at(deadline, tokio::net::lookup_host((&*as_in_dns(host), 0))).await {
        Err(_) => Err(Unresolved::Timeout),
        Ok(Err(error)) => Err(system_reason(&error)),
        Ok(Ok(found)) => {
            let found: Vec<IpAddr> = found.map(|addr| addr.ip()).collect();
            if found.is_empty() { Err(Unresolved::NoRecords) } else { Ok(found) }
        }
    }
}

/// The C library takes names as they stand in DNS: `xn--…` for what people write with umlauts.
fn as_in_dns(host: &str) -> Cow<'_, str> {
    match url::Host::parse(host) {
        Ok(url::Host::Domain(name)) if !host.is_ascii() => Cow::Owned(name),
        _ => Cow::Borrowed(host),
    }
}

/// The C library tells its reasons only in words.
fn system_reason(error: &io::Error) -> Unresolved {
    let text = error.to_string();
    let why = text.rsplit(": ").next().unwrap_or(&text).to_owned();
    if text.contains("not known") || text.contains("No such host") {
        Unresolved::Nxdomain
    } else if text.contains("No address associated") {
        Unresolved::NoRecords
    } else {
        Unresolved::System(why)
    }
}

/// Opens a connection to one address of a host.
///
/// # Errors
/// The policy's refusal, an empty budget, or how the connection failed.
pub async fn connect(
    env: &Environment,
    host: &str,
    addr: SocketAddr,
    deadline: Instant,
) -> Result<Dialed, DialError> {
    env.policy.check(host, addr.ip())?;
    env.budget.take(host, deadline).await.map_err(|wait| DialError::Busy { host: host.to_owned(), wait })?;
    let failed = |kind| DialError::Connection { addr, kind };
    let mut turn =
        env.budget.turn(addr, deadline).await.map_err(|none| match (none.is_open, none.is_silent) {
            (false, _) => failed(Failure::Timeout),
            (true, true) => DialError::Silent { addr },
            (true, false) => DialError::Full { addr },
        })?;
    let started = Instant::now();
    if started >= deadline {
        return Err(DialError::Deadline);
    }
    let stream = match timeout_at(deadline, socket::open(addr)).await {
        Err(_) => return Err(failed(Failure::Timeout)),
        Ok(Err(error)) => return Err(failed(Failure::from(&error))),
        Ok(Ok(stream)) => stream,
    };
    if let Some(turn) = &mut turn {
        turn.opened();
    }
    // Small requests must not wait for an acknowledgement; a socket that died meanwhile shows on its first use.
    let _ = stream.set_nodelay(true);
    Ok(Dialed { stream: Connection::new(stream, turn), addr, took: started.elapsed() })
}

/// Opens a connection to the first address that takes it; also returns how long the name took to resolve.
///
/// # Errors
/// What the last address did that was tried; a refusal by policy only when every address was refused.
pub async fn connect_any(
    env: &Environment,
    host: &str,
    port: u16,
    connect_to: Option<SocketAddr>,
    deadline: Instant,
) -> Result<(Dialed, Duration), DialError> {
    let Addresses { addrs, took } = addresses(env, host, connect_to, port, deadline).await?;
    let mut failed = DialError::Deadline;
    for (index, addr) in addrs.iter().enumerate() {
        // A silent address may only use its share of the time, or the good one behind it is never tried.
        let left = u32::try_from(addrs.len() - index).unwrap_or(u32::MAX);
        let until = Instant::now() + deadline.saturating_duration_since(Instant::now()) / left;
        match connect(env, host, *addr, until).await {
            Ok(dialed) => return Ok((dialed, took)),
            Err(DialError::Refused(_)) if matches!(failed, DialError::Connection { .. }) => {}
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Splits `host:port`; the host may be a name, an IPv4 address or a bracketed IPv6 one.
#[must_use]
pub fn split_host_port(target: &str) -> Option<(&str, u16)> {
    let (host, port) = target.trim().rsplit_once(':')?;
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').filter(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok())?,
        None if host.contains(':') => return None,
        None => host,
    };
    let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
    if bare.is_empty() || bare.contains(|it: char| it == '/' || it.is_whitespace()) {
        None
    } else {
        Some((bare, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::Policy;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[test]
    fn a_name_with_umlauts_is_looked_up_as_it_stands_in_dns() {
        assert_eq!(as_in_dns("bücher.example"), "xn--bcher-kva.example");
        for as_it_is in ["api.example.com", "API.example.com.", "_dmarc.example.com", "127.1"] {
            assert_eq!(as_in_dns(as_it_is), as_it_is);
        }
    }

    #[test]
    fn a_target_is_split_at_its_port() {
        assert_eq!(split_host_port("api.example.com:443"), Some(("api.example.com", 443)));
        assert_eq!(split_host_port("[::1]:443"), Some(("::1", 443)));
        for bad in ["api.example.com", "::1:443", ":443", "a:0", "a:70000", "https://a:443", "[a]:1", "a b:1"]
        {
            assert_eq!(split_host_port(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn the_policy_is_asked_about_the_address_not_the_name() {
        let env = Environment::new(Policy::public_only());
        let pinned = "127.0.0.1:9".parse().ok();
        let error = connect_any(&env, "api.example.com", 443, pinned, soon()).await.unwrap_err();
        let DialError::Refused(refusal) = error else { panic!("{error:?}") };
        assert_eq!((refusal.host.as_str(), refusal.class), ("api.example.com", "loopback"));
    }

    #[tokio::test]
    async fn a_closed_port_is_told_from_silence() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        drop(listener);
        let env = Environment::new(Policy::unrestricted());
        let error = connect(&env, "127.0.0.1", addr, soon()).await.unwrap_err();
        assert_eq!(error, DialError::Connection { addr, kind: Failure::Refused });
    }

    #[tokio::test]
    async fn a_name_that_is_none_is_a_finding() {
        let env = Environment::new(Policy::unrestricted());
        let error = addresses(&env, "no name", None, 443, soon()).await.unwrap_err();
        assert_eq!(error.to_string(), "`no name` does not resolve: it is no name");
    }
}
