//! Does the port accept connections? Every address of the name, both families, at the same time.
//!
//! Refused, timeout, reset and unreachable are told apart, because each is another fault: nothing listens, something drops
//! packets, something tears connections down, there is no way. Some middleboxes accept first and reset then, so an open connection
//! is watched for a moment. The surprise: we say at once that we have nothing to send (FIN). A sound server ends its side too, and
//! nobody waits; a reset may be its answer to that, and only counts when a second connection, left alone, is reset as well.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::{FutureExt as _, join_all};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};

use super::dial::{self, Addresses, DialError, Dialed, Failure};
use super::socket;
use super::{Environment, NotRun, Request, millis};
use crate::duration;
use crate::outcome::{CheckKind, Facts, Outcome, Report};

/// How long an open connection is watched for a reset: longer than a round trip within a continent, short enough that
/// nobody waits for it.
const WATCH: Duration = Duration::from_millis(250);

/// How much of a greeting is kept: enough to know a protocol by it.
const GREETING_BYTES: usize = 80;

/// Addresses that are tried; more than any sound name has, and a bound for an unsound one.
pub(super) const MAX_ADDRESSES: usize = 16;

/// What one address did.
#[derive(Debug, Clone, PartialEq)]
struct Tried {
    addr: SocketAddr,
    end: End,
}

#[derive(Debug, Clone, PartialEq)]
enum End {
    /// It took the connection, and said this much of its own accord.
    Connected { took: Duration, greeting: Option<String>, is_closed: bool },
    /// It keeps as many of our connections as it may have, until the time was up: other checks' own.
    Taken,
    /// It did not, or took it back.
    Failed(Failure),
    /// This machine has no route for the family: says nothing about the target.
    NoRouteHere,
    /// The policy does not let us go there.
    NotAllowed,
}

pub(super) async fn run(env: &Environment, request: &Request, deadline: Instant) -> Result<Report, NotRun> {
    let (host, port) =
        dial::split_host_port(&request.target).ok_or_else(|| usage(CheckKind::Tcp, &request.target))?;
    let connect_to = request.with.connect_to(port)?;
    let addresses = match dial::addresses(env, host, connect_to, port, deadline).await {
        Ok(addresses) => addresses,
        Err(error) => return not_dialed(CheckKind::Tcp, &request.target, error),
    };
    let tried = match probe(env, host, &addresses, deadline).await {
        Ok(tried) => tried,
        Err(error) => return not_dialed(CheckKind::Tcp, &request.target, error),
    };
    let mut report = judge(&request.target, &tried);
    report.phases_ms.insert("dns".to_owned(), millis(addresses.took));
    let fastest = tried.iter().filter_map(|it| match it.end {
        End::Connected { took, .. } => Some(took),
        _ => None,
    });
    if let Some(took) = fastest.min() {
        report.phases_ms.insert("connect".to_owned(), millis(took));
    }
    Ok(report)
}

/// What `host:port` looks like, for the two kinds that want one.
pub(super) fn usage(check: CheckKind, target: &str) -> NotRun {
    NotRun::Usage(format!(
        "`{target}` is no target for {check}; write `host:port`, such as `api.example.com:443`"
    ))
}

/// A check that ended before any connection was tried.
pub(super) fn not_dialed(check: CheckKind, target: &str, error: DialError) -> Result<Report, NotRun> {
    let summary = error.to_string();
    let (outcome, facts) = match error {
        DialError::Refused(refusal) => return Err(refusal.into()),
        DialError::Busy { .. } | DialError::Full { .. } => return Ok(Report::error(check, target, summary)),
        DialError::Unresolved { why, .. } => (Outcome::Unresolved, fact("reason", why.to_string())),
        DialError::Connection { addr, kind } => {
            (failure_outcome(check, kind), fact("address", addr.to_string()))
        }
        DialError::Silent { addr } => (Outcome::Timeout, fact("address", addr.to_string())),
        DialError::Deadline => (Outcome::Timeout, Facts::new()),
    };
    Ok(finding(check, target, outcome, facts, summary))
}

fn fact(key: &str, value: String) -> Facts {
    Facts::from([(key.to_owned(), Value::from(value))])
}

pub(super) fn finding(
    check: CheckKind,
    target: &str,
    outcome: Outcome,
    facts: Facts,
    summary: String,
) -> Report {
    let target = target.to_owned();
    Report {
        check,
        target,
        outcome,
        facts,
        summary,
        took_ms: 0.0,
        phases_ms: std::collections::BTreeMap::default(),
    }
}

/// Only `tcp` tells a port that refuses from a host without a route (triage.md, "Reading rules").
pub(super) fn failure_outcome(check: CheckKind, failure: Failure) -> Outcome {
    match failure {
        Failure::Timeout => Outcome::Timeout,
        Failure::Refused if check == CheckKind::Tcp => Outcome::Refused,
        Failure::Reset if check == CheckKind::Tcp => Outcome::Reset,
        Failure::Refused | Failure::Reset | Failure::Unreachable => Outcome::Unreachable,
    }
}

async fn probe(
    env: &Environment,
    host: &str,
    addresses: &Addresses,
    deadline: Instant,
) -> Result<Vec<Tried>, DialError> {
    let addrs = addresses.addrs.iter().take(MAX_ADDRESSES);
    let ends = join_all(addrs.map(|addr| dial::connect(env, host, *addr, deadline))).await;
    let mut refusal = None;
    let mut tried = Vec::new();
    let mut watched = Vec::new();
    for (addr, end) in addresses.addrs.iter().copied().zip(ends) {
        match end {
            Ok(dialed) => watched.push(watch(env, host, dialed, deadline)),
            Err(DialError::Refused(why)) => {
                refusal = Some(why);
                tried.push(Tried { addr, end: End::NotAllowed });
            }
            Err(DialError::Full { .. } | DialError::Silent { .. }) => {
                tried.push(Tried { addr, end: End::Taken });
            }
            Err(error) if error.is_ours() => return Err(error),
            Err(error) => tried.push(Tried { addr, end: failed(addr, &error) }),
        }
    }
    tried.extend(join_all(watched).await);
    if let Some(refusal) = refusal
        && tried.iter().all(|it| it.end == End::NotAllowed)
    {
        return Err(refusal.into());
    }
    tried.sort_by_key(|it| addresses.addrs.iter().position(|addr| *addr == it.addr));
    Ok(tried)
}

fn failed(addr: SocketAddr, error: &DialError) -> End {
    match error {
        DialError::Connection { kind: Failure::Unreachable, .. } if !socket::has_route_to_family_of(addr) => {
            End::NoRouteHere
        }
        DialError::Connection { kind, .. } => End::Failed(*kind),
        _ => End::Failed(Failure::Timeout),
    }
}

/// Watches an open connection until the server spoke, ended or reset it, or kept it long enough.
async fn watch(env: &Environment, host: &str, mut dialed: Dialed, deadline: Instant) -> Tried {
    let (addr, took) = (dialed.addr, dialed.took);
    let until = deadline.min(Instant::now() + WATCH);
    // Not a wait of zero, which the runtime's clock rounds up to a millisecond.
    let mut seen = hear(&mut dialed, until).now_or_never().unwrap_or(Heard::Nothing);
    if matches!(seen, Heard::Nothing) && dialed.stream.shutdown().await.is_ok() {
        seen = match hear(&mut dialed, until).await {
            // Whose end it is cannot be told now.
            Heard::Closed => Heard::Nothing,
            Heard::Failed(failure) => {
                // A broken connection must not keep the second look waiting.
                drop(dialed);
                match dial::connect(env, host, addr, deadline).await {
                    Ok(mut again) => hear(&mut again, deadline.min(Instant::now() + WATCH)).await,
                    Err(error) if error.is_ours() || matches!(error, DialError::Silent { .. }) => {
                        Heard::Failed(failure)
                    }
                    Err(error) => return Tried { addr, end: failed(addr, &error) },
                }
            }
            said => said,
        };
    }
    let end = match seen {
        Heard::Nothing => End::Connected { took, greeting: None, is_closed: false },
        Heard::Closed => End::Connected { took, greeting: None, is_closed: true },
        Heard::Said(greeting) => End::Connected { took, greeting: Some(greeting), is_closed: false },
        Heard::Failed(failure) => End::Failed(failure),
    };
    Tried { addr, end }
}

/// What an open connection brought.
enum Heard {
    Nothing,
    Closed,
    Said(String),
    Failed(Failure),
}

async fn hear(dialed: &mut Dialed, until: Instant) -> Heard {
    let mut greeting = [0; GREETING_BYTES];
    match timeout_at(until, dialed.stream.read(&mut greeting)).await {
        Err(_) => Heard::Nothing,
        Ok(Ok(0)) => Heard::Closed,
        Ok(Ok(size)) => Heard::Said(printable(&greeting[..size])),
        Ok(Err(error)) => Heard::Failed(Failure::from(&error)),
    }
}

/// The first line of what a server said, without what a terminal would obey.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().next().unwrap_or_default().chars().filter(|it| !it.is_control()).collect()
}

fn judge(target: &str, tried: &[Tried]) -> Report {
    let counted: Vec<&Tried> =
        tried.iter().filter(|it| !matches!(it.end, End::NoRouteHere | End::NotAllowed)).collect();
    let bad: Vec<(SocketAddr, Failure)> = counted
        .iter()
        .filter_map(|it| match it.end {
            End::Failed(failure) => Some((it.addr, failure)),
            _ => None,
        })
        .collect();
    let good: Vec<SocketAddr> =
        counted.iter().filter(|it| !matches!(it.end, End::Failed(_))).map(|it| it.addr).collect();
    let worst = bad.iter().map(|(_, failure)| *failure).min();

    let mut facts = Facts::from([("addresses".to_owned(), tried.iter().map(describe).collect())]);
    let (outcome, summary) = match worst {
        None if good.is_empty() => {
            facts.insert("diagnosis".to_owned(), Value::from("no_route_here"));
            (Outcome::Unreachable, "this machine has no route to any of its addresses".to_owned())
        }
        None => (Outcome::Connects, all_good(&counted)),
        Some(worst) if follows_family(&good, &bad) => {
            facts.insert("also".to_owned(), json!([worst.id()]));
            let (family, other) = if bad[0].0.is_ipv4() { ("IPv4", "IPv6") } else { ("IPv6", "IPv4") };
            facts.insert("diagnosis".to_owned(), Value::from(format!("{}_fails", family.to_lowercase())));
            let summary = format!("{family} fails ({} {worst}) and {other} works", bad[0].0);
            (Outcome::OneFamilyFails, summary)
        }
        Some(worst) => {
            let others: Vec<&str> =
                bad.iter().map(|(_, failure)| failure.id()).filter(|id| *id != worst.id()).collect();
            if !others.is_empty() {
                facts.insert("also".to_owned(), json!(others));
            }
            if !good.is_empty() {
                facts.insert("diagnosis".to_owned(), Value::from("some_addresses_fail"));
            }
            (failure_outcome(CheckKind::Tcp, worst), some_bad(&bad, worst, counted.len()))
        }
    };
    finding(CheckKind::Tcp, target, outcome, facts, summary)
}

/// Every address of one family works and every address of the other fails.
pub(super) fn follows_family<T>(good: &[SocketAddr], bad: &[(SocketAddr, T)]) -> bool {
    let family = |is_v4: bool| {
        good.iter().all(|it| it.is_ipv4() == is_v4) && bad.iter().all(|(it, _)| it.is_ipv4() != is_v4)
    };
    !good.is_empty() && !bad.is_empty() && (family(true) || family(false))
}

fn all_good(counted: &[&Tried]) -> String {
    let slowest = counted.iter().filter_map(|it| match it.end {
        End::Connected { took, .. } => Some(took),
        _ => None,
    });
    let Some(slowest) = slowest.max().map(duration::show) else {
        return "other checks' connections are open there".to_owned();
    };
    match counted {
        [one] => format!("{} accepts connections (in {slowest})", one.addr),
        _ => format!("all {} addresses accept connections (in at most {slowest})", counted.len()),
    }
}

fn some_bad(bad: &[(SocketAddr, Failure)], worst: Failure, count: usize) -> String {
    let (addr, _) = bad.iter().find(|(_, failure)| *failure == worst).expect("the worst is one of them");
    match (bad.len(), count) {
        (_, 1) => format!("{addr} {worst}"),
        (failed, count) => format!("{failed} of {count} addresses fail: {addr} {worst}"),
    }
}

fn describe(tried: &Tried) -> Value {
    let address = tried.addr.to_string();
    match &tried.end {
        End::Connected { took, greeting, is_closed } => {
            let mut facts = json!({"address": address, "result": "connects", "connect_ms": millis(*took)});
            if let Some(greeting) = greeting {
                facts["greeting"] = Value::from(greeting.as_str());
            }
            if *is_closed {
                facts["closed_at_once"] = Value::from(true);
            }
            facts
        }
        End::Taken => json!({"address": address, "result": "connects", "seen_by": "other checks"}),
        End::Failed(failure) => json!({"address": address, "result": failure.id()}),
        End::NoRouteHere => json!({"address": address, "result": "no_route_here"}),
        End::NotAllowed => json!({"address": address, "result": "not_allowed"}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::With;
    use crate::egress::Policy;
    use tokio::net::TcpListener;

    const V4: &str = "192.0.2.1:443";
    const OTHER_V4: &str = "192.0.2.2:443";
    const V6: &str = "[2001:db8::1]:443";

    fn good() -> End {
        End::Connected { took: Duration::from_millis(3), greeting: None, is_closed: false }
    }

    #[track_caller]
    fn check(ends: &[(&str, End)], outcome: Outcome, summary: &str) -> Report {
        let tried: Vec<Tried> =
            ends.iter().map(|(addr, end)| Tried { addr: addr.parse().unwrap(), end: end.clone() }).collect();
        let report = judge("api.example.com:443", &tried);
        assert_eq!((report.outcome, report.summary.as_str()), (outcome, summary));
        report
    }

    #[test]
    fn every_address_must_accept() {
        check(&[(V4, good())], Outcome::Connects, "192.0.2.1:443 accepts connections (in 3 ms)");
        check(
            &[(V4, good()), (V6, good())],
            Outcome::Connects,
            "all 2 addresses accept connections (in at most 3 ms)",
        );
    }

    #[test]
    fn each_failure_keeps_its_name() {
        for (failure, outcome) in [
            (Failure::Refused, Outcome::Refused),
            (Failure::Timeout, Outcome::Timeout),
            (Failure::Reset, Outcome::Reset),
            (Failure::Unreachable, Outcome::Unreachable),
        ] {
            check(&[(V4, End::Failed(failure))], outcome, &format!("192.0.2.1:443 {failure}"));
        }
    }

    #[test]
    fn a_failure_that_follows_the_family_is_told() {
        let report = check(
            &[(V4, good()), (V6, End::Failed(Failure::Timeout))],
            Outcome::OneFamilyFails,
            "IPv6 fails ([2001:db8::1]:443 did not answer in time) and IPv4 works",
        );
        assert_eq!(report.facts["also"], json!(["timeout"]));
    }

    #[test]
    fn one_dead_front_end_of_two_is_its_own_failure() {
        check(
            &[(V4, good()), (OTHER_V4, End::Failed(Failure::Refused))],
            Outcome::Refused,
            "1 of 2 addresses fail: 192.0.2.2:443 refused the connection",
        );
    }

    #[test]
    fn a_family_this_machine_cannot_reach_says_nothing() {
        let report = check(
            &[(V4, good()), (V6, End::NoRouteHere)],
            Outcome::Connects,
            "192.0.2.1:443 accepts connections (in 3 ms)",
        );
        assert_eq!(report.facts["addresses"][1]["result"], "no_route_here");
        let report = check(
            &[(V6, End::NoRouteHere)],
            Outcome::Unreachable,
            "this machine has no route to any of its addresses",
        );
        assert_eq!(report.facts["diagnosis"], "no_route_here");
    }

    async fn checked(target: &str, with: With) -> Result<Report, NotRun> {
        checked_within(&Environment::new(Policy::unrestricted()), target, with, Duration::from_secs(5)).await
    }

    async fn checked_within(
        env: &Environment,
        target: &str,
        with: With,
        timeout: Duration,
    ) -> Result<Report, NotRun> {
        let now = "2026-03-01T10:00:00Z".parse().unwrap();
        crate::checks::run(
            env,
            &Request { check: CheckKind::Tcp, target: target.to_owned(), with, timeout, now },
        )
        .await
    }

    #[tokio::test]
    async fn a_listening_port_connects_and_a_closed_one_refuses() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap().to_string();
        assert_eq!(checked(&target, With::default()).await.unwrap().outcome, Outcome::Connects);
        drop(listener);
        assert_eq!(checked(&target, With::default()).await.unwrap().outcome, Outcome::Refused);
    }

    #[tokio::test]
    async fn a_port_that_holds_all_connections_it_may_have_from_us_connects() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let env = Environment::new(Policy::unrestricted());
        let soon = Instant::now() + Duration::from_mins(1);
        let open = || dial::connect(&env, "127.0.0.1", addr, soon);
        let _held = (open().await.unwrap(), open().await.unwrap());
        let patience = Duration::from_millis(20);
        let report = checked_within(&env, &addr.to_string(), With::default(), patience).await.unwrap();
        assert_eq!(report.outcome, Outcome::Connects, "{}", report.summary);
        assert_eq!(report.facts["addresses"][0]["seen_by"], "other checks");
    }

    #[tokio::test]
    async fn a_connection_that_is_taken_back_is_reset() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap().to_string();
        let resets = async {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_zero_linger().unwrap();
            }
        };
        tokio::select! {
            report = checked(&target, With::default()) => assert_eq!(report.unwrap().outcome, Outcome::Reset),
            () = resets => unreachable!(),
        }
    }

    #[tokio::test]
    async fn a_reset_in_answer_to_our_end_is_no_fault() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap().to_string();
        let (report, _kept) = tokio::join!(checked(&target, With::default()), async {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
            stream.set_zero_linger().unwrap();
            drop(stream);
            listener.accept().await.unwrap()
        });
        assert_eq!(report.unwrap().outcome, Outcome::Connects);
    }

    #[tokio::test]
    async fn a_greeting_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap().to_string();
        let (report, ()) = tokio::join!(checked(&target, With::default()), async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await.unwrap();
        });
        assert_eq!(report.unwrap().facts["addresses"][0]["greeting"], "SSH-2.0-OpenSSH_9.2");
    }

    #[tokio::test]
    async fn connect_to_is_used_instead_of_resolving() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let with = With::from([("connect_to", address)]);
        let report = checked("no-such-name.invalid:443", with).await.unwrap();
        assert_eq!(report.outcome, Outcome::Connects);
    }

    #[tokio::test]
    async fn a_target_without_a_port_is_wrong_usage() {
        let error = checked("api.example.com", With::default()).await.unwrap_err();
        assert!(error.to_string().contains("write `host:port`"), "{error}");
    }
}
