//! Is it our own network? Asked only when a check ended in a way that our own network could have caused.
//!
//! Two controls. The name servers that we use by default are asked for the root's name servers, which every resolver has in
//! memory: when none of them says a word, they are ours to repair. A host that is known to be good (`checks.control` in the
//! configuration, `control` on the command line) is connected to; without one nobody else's host is bothered. When a
//! control fails, the check is an `error` with the place `observer`: a broken network of ours is never blamed on the target.
//!
//! A check that is still waiting shortly before its deadline is not cut short: the controls run beside it.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::join_all;
use hickory_proto::rr::{Name, RecordType};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::dial::{self, DialError};
use super::resolve::{self, Question};
use super::{Environment, NotRun, Request, dns};
use crate::outcome::{CheckKind, Outcome, Report};

/// The last part of a check's time, in which a check without an answer gets company: a control answers in a fraction of it.
const LAST_PART: Duration = Duration::from_secs(1);

/// Runs a check, and the controls when its outcome could be our own network's doing.
pub(super) async fn watch<F>(
    env: &Environment,
    request: &Request,
    deadline: Instant,
    check: F,
) -> Result<Report, NotRun>
where
    F: Future<Output = Result<Report, NotRun>>,
{
    let Some(control) = Control::of(env, request)? else { return check.await };
    let mut check = pin!(check);
    let late = deadline - LAST_PART.min(request.timeout / 4);
    let (report, seen) = match timeout_at(late, &mut check).await {
        Ok(Ok(report)) if !may_be_ours(&report) => return Ok(report),
        Ok(report) => (report?, Box::pin(control.probe(env, deadline)).await),
        Err(_) => {
            let (report, seen) = tokio::join!(check, Box::pin(control.probe(env, deadline)));
            (report?, seen)
        }
    };
    Ok(judge(request, report, &seen))
}

/// What can be asked about our own network.
struct Control {
    /// The default resolvers stood between us and the target.
    asks_resolvers: bool,
    host: Option<(String, u16)>,
}

/// What the controls showed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    /// Whether a default resolver said anything; `None` when none was asked.
    resolvers_speak: Option<bool>,
    /// The good host, and why it could not be reached.
    host: Option<(String, Result<(), String>)>,
}

impl Control {
    /// `None` when nothing can be asked, or the kind has no network of its own.
    fn of(env: &Environment, request: &Request) -> Result<Option<Self>, NotRun> {
        use CheckKind::{Cors, Dns, Http, RateLimit, Tcp, Tls};
        if !matches!(request.check, Dns | Tcp | Tls | Http | RateLimit | Cors) {
            return Ok(None);
        }
        let given = request.with.get("control");
        let host = given.or(env.control.as_deref()).map(|text| {
            let split = dial::split_host_port(text).map(|(host, port)| (host.to_owned(), port));
            split.ok_or_else(|| {
                NotRun::Usage(format!(
                    "`control` is `{text}`; write `host:port` of a host that is known to be good"
                ))
            })
        });
        let host = host.transpose()?;
        let asks_resolvers = match request.check {
            Dns => request.with.list("resolvers").is_empty(),
            _ => request.with.get("connect_to").is_none() && !is_literal(&request.target),
        };
        Ok((asks_resolvers || host.is_some()).then_some(Self { asks_resolvers, host }))
    }

    async fn probe(&self, env: &Environment, deadline: Instant) -> Seen {
        let resolvers =
            async { if self.asks_resolvers { Some(any_speaks(env, deadline).await) } else { None } };
        let host = async {
            let (host, port) = self.host.as_ref()?;
            let reached = match dial::connect_any(env, host, *port, None, deadline).await {
                Ok(_) => Ok(()),
                // What we may not do or did too often says nothing about the network.
                Err(error)
                    if error.is_ours()
                        || matches!(error, DialError::Refused(_) | DialError::Silent { .. }) =>
                {
                    return None;
                }
                Err(error) => Err(error.to_string()),
            };
            Some((format!("{host}:{port}"), reached))
        };
        let (resolvers_speak, host) = tokio::join!(resolvers, host);
        Seen { resolvers_speak, host }
    }
}

/// `host:port` or a URL whose host is an address.
fn is_literal(target: &str) -> bool {
    let url = url::Url::parse(target).ok();
    let host = url.as_ref().and_then(|url| url.host_str()).or(dial::split_host_port(target).map(|it| it.0));
    host.is_some_and(|host| dial::literal(host).is_some())
}

/// Whether one of the default resolvers says anything at all about the root, which needs nobody else.
async fn any_speaks(env: &Environment, deadline: Instant) -> bool {
    let question = Question::new(Name::root(), RecordType::NS);
    let servers = dns::default_resolvers(env);
    let asked = servers.iter().map(|server| resolve::ask(*server, &question, deadline));
    join_all(asked).await.iter().any(|asked| asked.reply.is_ok())
}

/// Outcomes that a dead network of ours would bring about too.
fn may_be_ours(report: &Report) -> bool {
    let outcome = report.outcome;
    match report.check {
        CheckKind::Dns => matches!(outcome, Outcome::Timeout | Outcome::Servfail),
        _ if outcome == Outcome::Unresolved => is_silence(report),
        _ => matches!(outcome, Outcome::Timeout | Outcome::Unreachable),
    }
}

/// The name did not resolve because nobody answered, not because somebody said that it does not exist.
fn is_silence(report: &Report) -> bool {
    let reason = report.facts.get("reason").and_then(Value::as_str).unwrap_or_default();
    let silences = [resolve::Unresolved::Timeout.to_string(), "emporary failure".to_owned()];
    silences.iter().any(|it| reason.contains(it.as_str()))
}

fn judge(request: &Request, mut report: Report, seen: &Seen) -> Report {
    if !may_be_ours(&report) {
        return report;
    }
    let depends_on_resolvers = report.check == CheckKind::Dns || report.outcome == Outcome::Unresolved;
    let is_deaf =
        depends_on_resolvers && seen.resolvers_speak == Some(false) && report.outcome != Outcome::Servfail;
    if report.check == CheckKind::Dns && seen.resolvers_speak == Some(true) {
        // It is this name that they are silent about.
        let diagnosis = report.facts.get_mut("diagnosis").filter(|it| **it == "resolver_silent");
        if let Some(diagnosis) = diagnosis {
            *diagnosis = Value::from("name_silent");
        }
    }
    let mut facts = Vec::new();
    if let Some(speak) = seen.resolvers_speak.filter(|_| depends_on_resolvers) {
        facts.push(json!({"target": "default resolvers", "result": if speak { "answer" } else { "silent" }}));
    }
    if let Some((host, reached)) = &seen.host {
        let result = reached.as_ref().map_or_else(String::as_str, |()| "connects");
        facts.push(json!({"target": host, "result": result}));
    }
    let lost = seen.host.as_ref().and_then(|(host, reached)| Some((host, reached.as_ref().err()?)));
    let why = match lost {
        Some((host, why)) => format!("the control `{host}` fails too ({why})"),
        None if is_deaf => "the name servers that we use answer nothing at all".to_owned(),
        None => {
            if !facts.is_empty() {
                report.facts.insert("control".to_owned(), Value::from(facts));
            }
            return report;
        }
    };
    let reason = format!("our own network is at fault: {why}; nothing can be said about the target");
    let mut error = Report::error(report.check, &request.target, reason);
    error.facts.insert("diagnosis".to_owned(), Value::from("observer"));
    error.facts.insert("control".to_owned(), Value::from(facts));
    error.facts.insert("seen".to_owned(), json!({"outcome": report.outcome.id(), "facts": report.facts}));
    error.phases_ms = report.phases_ms;
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::With;
    use crate::drill::name_server::{NameServer, Zone};
    use crate::egress::Policy;

    async fn checked(env: &Environment, check: CheckKind, target: &str, with: With) -> Report {
        let now = "2026-03-01T10:00:00Z".parse().unwrap();
        let timeout = Duration::from_millis(800);
        crate::checks::run(env, &Request { check, target: target.to_owned(), with, timeout, now })
            .await
            .unwrap()
    }

    async fn env(zone: Zone) -> (Environment, NameServer) {
        let server = NameServer::start(vec![zone]).await.unwrap();
        (Environment::new(Policy::unrestricted()).with_resolvers(vec![server.addr()]), server)
    }

    async fn silent() -> (Environment, tokio::net::UdpSocket) {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let resolvers = vec![socket.local_addr().unwrap()];
        (Environment::new(Policy::unrestricted()).with_resolvers(resolvers), socket)
    }

    #[track_caller]
    fn expect(report: &Report, outcome: Outcome, diagnosis: Option<&str>) {
        let found = report.facts.get("diagnosis").and_then(Value::as_str);
        assert_eq!((report.outcome, found), (outcome, diagnosis), "{report:#?}");
    }

    #[tokio::test]
    async fn resolvers_that_say_nothing_at_all_are_our_own_fault() {
        let (env, _socket) = silent().await;
        for (check, target) in [(CheckKind::Dns, "api.drill.test"), (CheckKind::Tcp, "api.drill.test:443")] {
            let report = checked(&env, check, target, With::default()).await;
            expect(&report, Outcome::Error, Some("observer"));
            assert_eq!(report.facts["control"][0]["result"], "silent");
        }
    }

    #[tokio::test]
    async fn a_resolver_the_request_names_is_the_target_itself() {
        let (env, socket) = silent().await;
        let with = With::from([("resolvers", socket.local_addr().unwrap().to_string())]);
        let report = checked(&env, CheckKind::Dns, "api.drill.test", with).await;
        expect(&report, Outcome::Timeout, Some("resolver_silent"));
    }

    #[tokio::test]
    async fn a_resolver_that_is_silent_about_one_name_has_a_fault_in_that_name() {
        let (env, _server) = env(Zone::new("drill.test").silent("api")).await;
        let report = checked(&env, CheckKind::Dns, "api.drill.test", With::default()).await;
        expect(&report, Outcome::Timeout, Some("name_silent"));
        assert_eq!(report.facts["control"][0]["result"], "answer");
        let report = checked(&env, CheckKind::Tcp, "api.drill.test:443", With::default()).await;
        expect(&report, Outcome::Unresolved, None);
    }

    #[tokio::test]
    async fn a_dead_control_host_takes_the_blame_and_a_good_one_leaves_it() {
        let (env, server) = env(Zone::new("drill.test").silent("api")).await;
        let good = server.addr().to_string();
        let with = |control: &str| With::from([("control", control)]);
        let report = checked(&env, CheckKind::Dns, "api.drill.test", with(&good)).await;
        assert_eq!(
            (report.outcome, &report.facts["control"][1]["result"]),
            (Outcome::Timeout, &json!("connects"))
        );
        let report = checked(&env, CheckKind::Dns, "api.drill.test", with("127.0.0.1:1")).await;
        expect(&report, Outcome::Error, Some("observer"));
        assert_eq!(report.facts["seen"]["outcome"], "timeout");
    }

    #[tokio::test]
    async fn a_healthy_target_needs_no_control() {
        let (env, server) = env(Zone::new("drill.test").a("api", [127, 0, 0, 1].into())).await;
        let with = With::from([("control", "127.0.0.1:1")]);
        expect(&checked(&env, CheckKind::Dns, "api.drill.test", with).await, Outcome::Resolves, None);
        assert!(server.queries().iter().all(|it| !it.name.is_empty()), "{:?}", server.queries());
    }

    #[test]
    fn an_address_needs_no_name_server() {
        for (target, expected) in [
            ("127.0.0.1:443", true),
            ("[::1]:443", true),
            ("https://[::1]/v1", true),
            ("api.drill.test:443", false),
            ("https://api.drill.test/v1", false),
            ("nonsense", false),
        ] {
            assert_eq!(is_literal(target), expected, "{target}");
        }
    }
}
