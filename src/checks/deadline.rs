//! Does somebody give up before the work is done? Time limits compared along the way: client, gateway, backend.
//!
//! The limits are given, or the gateway is measured at its face: how long it holds a request, and whether it then gives up. The
//! surprise: a request that took just as long as a limit allows is evidence that this limit ended it, even when nobody knows how
//! long the work would have taken.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::catalogue::{Answer, Catalogues, KnownTimeout, Means};
use super::exchange::{ExchangeError, Phase};
use super::http::{origin, wire};
use super::{Environment, NotRun, Request, manners, millis};
use crate::duration;
use crate::outcome::{CheckKind, Facts, Outcome, Report};

/// How near to a limit a request must have ended for that limit to have ended it: timers and networks add this much.
const NEAR: Duration = Duration::from_secs(1);

/// Of short limits only this share: a second is all of a one-second limit.
const NEAR_SHARE: f64 = 0.1;

/// The limits, as far as they are known.
#[derive(Debug, Clone, Default)]
struct Limits {
    client: Option<Duration>,
    gateway: Option<Duration>,
    backend: Option<Duration>,
    /// How long the failing request took.
    observed: Option<Duration>,
}

/// What the gateway did when it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Face {
    /// It answered after this long.
    Answered { took: Duration, status: u16 },
    /// It gave up waiting for what is behind it.
    GaveUp { took: Duration, status: u16 },
    /// It still held the request when the check's time was up.
    Holds { at_least: Duration },
}

/// Probes, where there is a URL, and judges.
pub(super) async fn run(env: &Environment, request: &Request, deadline: Instant) -> Result<Report, NotRun> {
    let limits = Limits {
        client: request.with.duration("client")?,
        gateway: request.with.duration("gateway")?,
        backend: request.with.duration("backend")?,
        observed: request.with.duration("observed")?,
    };
    let face = if request.target.trim() == "-" {
        limits.are_enough()?;
        None
    } else {
        match probe(env, request, deadline).await? {
            Ok(face) => Some(face),
            Err(why) => return Ok(Report::error(CheckKind::Deadline, &request.target, why)),
        }
    };
    Ok(judge(&env.catalogues, &request.target, &limits, face))
}

impl Limits {
    /// Two numbers can be compared, one cannot.
    fn are_enough(&self) -> Result<(), NotRun> {
        let known = [self.client, self.gateway, self.backend, self.observed].iter().flatten().count();
        if known >= 2 {
            return Ok(());
        }
        let hint = "give at least two of `client`, `gateway`, `backend` and `observed`, or a URL to measure";
        Err(NotRun::Usage(hint.to_owned()))
    }
}

async fn probe(
    env: &Environment,
    request: &Request,
    deadline: Instant,
) -> Result<Result<Face, String>, NotRun> {
    let ask = wire::ask(env, request).await?;
    let started = Instant::now();
    let heard = manners::ask(env, &ask, false, deadline).await;
    let took = started.elapsed();
    let exchange = match heard {
        Ok(heard) if heard.remembered.is_none() => heard.exchange,
        Ok(_) => return Ok(Err("a limiter answered before; the time of its answer says nothing".to_owned())),
        Err(failed) => {
            wire::refused(&failed)?;
            return Ok(match failed.error {
                ExchangeError::Timeout(Phase::FirstByte) => Ok(Face::Holds { at_least: took }),
                error if error.is_ours() => Err(error.to_string()),
                error => Err(format!("the gateway cannot be measured: {error}")),
            });
        }
    };
    let answer = Answer::new(exchange.status, ask.host(), &exchange.headers, &exchange.body);
    let origin = origin::attribute(&env.catalogues, &answer);
    let status = exchange.status;
    let gave_up = matches!(status, 504 | 524) || (status >= 500 && origin.means == Some(Means::Timeout));
    Ok(Ok(if gave_up { Face::GaveUp { took, status } } else { Face::Answered { took, status } }))
}

/// One thing that is wrong: its outcome, its diagnosis, and a sentence.
type Fault = (Outcome, &'static str, String);

fn judge(catalogues: &Catalogues, target: &str, limits: &Limits, face: Option<Face>) -> Report {
    let mut limits = limits.clone();
    let mut facts = Facts::new();
    match face {
        Some(Face::GaveUp { took, status }) => {
            limits.gateway = limits.gateway.or(Some(took));
            facts.insert("status".to_owned(), status.into());
            facts.insert("gave_up_after_ms".to_owned(), json!(millis(took)));
        }
        Some(Face::Answered { took, status }) => {
            facts.insert("status".to_owned(), status.into());
            facts.insert("answered_after_ms".to_owned(), json!(millis(took)));
        }
        Some(Face::Holds { at_least }) => {
            facts.insert("held_for_ms".to_owned(), json!(millis(at_least)));
        }
        None => {}
    }
    for (name, limit) in [
        ("client_ms", limits.client),
        ("gateway_ms", limits.gateway),
        ("backend_ms", limits.backend),
        ("observed_ms", limits.observed),
    ] {
        facts.extend(limit.map(|it| (name.to_owned(), json!(millis(it)))));
    }
    let ended = limits.observed.or(match face {
        Some(Face::GaveUp { took, .. }) => Some(took),
        _ => None,
    });
    let known: Vec<_> = ended.map(|it| known_limits(catalogues, it)).unwrap_or_default();
    if !known.is_empty() {
        facts.insert("known_limits".to_owned(), known.iter().map(|it| it.who.as_str()).collect());
    }
    let mut faults: Vec<Fault> = gateway_fault(&limits, face, &known).into_iter().collect();
    faults.extend(client_fault(&limits, face));
    let also: Vec<_> = faults.iter().skip(1).map(|it| it.0.id()).collect();
    if !also.is_empty() {
        facts.insert("also".to_owned(), json!(also));
    }
    let fault = faults.into_iter().next();
    facts.extend(fault.as_ref().map(|it| ("diagnosis".to_owned(), it.1.into())));
    let (outcome, summary) = match (fault, face) {
        (Some((outcome, _, summary)), _) => (outcome, summary),
        (None, Some(Face::Holds { at_least })) => {
            let why = format!("no answer within {}; allow the check more time", duration::show(at_least));
            return Report { facts, ..Report::error(CheckKind::Deadline, target, why) };
        }
        (None, _) => (Outcome::Within, "nobody gives up before the work is done".to_owned()),
    };
    Report {
        check: CheckKind::Deadline,
        target: target.to_owned(),
        outcome,
        facts,
        summary,
        took_ms: 0.0,
        phases_ms: std::collections::BTreeMap::new(),
    }
}

/// The gateway gives up before the backend is done.
fn gateway_fault(limits: &Limits, face: Option<Face>, known: &[&KnownTimeout]) -> Option<Fault> {
    let fault = |diagnosis, summary| Some((Outcome::GatewayShorterThanBackend, diagnosis, summary));
    if let (Some(gateway), Some(backend)) = (limits.gateway, limits.backend)
        && gateway < backend
    {
        let (gateway, backend) = (duration::show(gateway), duration::show(backend));
        return fault(
            "limits_in_wrong_order",
            format!("the gateway gives up after {gateway}, the backend needs {backend}"),
        );
    }
    if let Some(Face::GaveUp { took, .. }) = face {
        let took = duration::show(took);
        return fault(
            "gateway_gave_up",
            format!("the gateway gave up after {took}, before the backend was done"),
        );
    }
    let observed = limits.observed?;
    let Some(gateway) = limits.gateway else {
        let who = ended_by_a_default(limits, observed, known)?;
        let observed = duration::show(observed);
        return fault(
            "ended_at_a_known_limit",
            format!("the request ended after {observed}, which is the default limit of {who}"),
        );
    };
    let client_was_first = limits.client.is_some_and(|it| it < gateway);
    if limits.backend.is_none() && is_near(observed, gateway) && !client_was_first {
        let (observed, gateway) = (duration::show(observed), duration::show(gateway));
        return fault(
            "ended_at_the_gateways_limit",
            format!("the request ended after {observed}, where the gateway's {gateway} are up"),
        );
    }
    None
}

/// Whose default limit ended the request, where nobody told the gateway's: the backend was not done, or the client was patient.
fn ended_by_a_default(limits: &Limits, observed: Duration, known: &[&KnownTimeout]) -> Option<String> {
    let shortest = Duration::from_secs(10);
    let goes_on = |limit: Duration| limit > observed && !is_near(observed, limit);
    let was_the_clients = limits.client.is_some_and(|it| it <= observed || is_near(observed, it));
    let is_early = limits.backend.map_or_else(|| limits.client.is_some_and(goes_on), goes_on);
    if observed < shortest || was_the_clients || !is_early || known.is_empty() {
        return None;
    }
    Some(known.iter().map(|it| it.who.as_str()).collect::<Vec<_>>().join(", "))
}

/// The client gives up before the gateway does.
fn client_fault(limits: &Limits, face: Option<Face>) -> Option<Fault> {
    let client = limits.client?;
    let shown = duration::show(client);
    let fault = |diagnosis, summary| Some((Outcome::ClientShorterThanGateway, diagnosis, summary));
    if let Some(gateway) = limits.gateway {
        if client >= gateway {
            return None;
        }
        let gateway = duration::show(gateway);
        return fault(
            "limits_in_wrong_order",
            format!("the client gives up after {shown}, the gateway only after {gateway}"),
        );
    }
    if let Some(backend) = limits.backend.filter(|it| client < *it) {
        let backend = duration::show(backend);
        return fault(
            "client_shorter_than_backend",
            format!("the client gives up after {shown}, the backend needs {backend}"),
        );
    }
    if face.is_none() && limits.observed.is_some_and(|it| is_near(it, client)) {
        return fault(
            "ended_at_the_clients_limit",
            format!("the request ended where the client's {shown} are up"),
        );
    }
    let held = match face? {
        Face::Answered { took, .. } => took,
        Face::Holds { at_least } => at_least,
        Face::GaveUp { .. } => return None,
    };
    if client < held {
        let held = duration::show(held);
        return fault(
            "answer_after_the_clients_limit",
            format!("the client gives up after {shown}, the gateway held the request for {held}"),
        );
    }
    None
}

fn is_near(observed: Duration, limit: Duration) -> bool {
    observed.abs_diff(limit) <= NEAR.min(limit.mul_f64(NEAR_SHARE))
}

/// Products whose default limit this is.
fn known_limits(catalogues: &Catalogues, ended: Duration) -> Vec<&KnownTimeout> {
    let near = |it: &&KnownTimeout| is_near(ended, Duration::from_secs(it.seconds));
    catalogues.gateways.timeouts.iter().filter(near).collect()
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::checks::{self, With};
    use crate::drill::gateway::{Gateway, Setup};
    use crate::drill::http_server::{HttpServer, Reply};
    use crate::egress::Policy;

    async fn check(target: &str, with: &[(&str, &str)]) -> Result<Report, NotRun> {
        let request = Request {
            check: CheckKind::Deadline,
            target: target.to_owned(),
            with: With(with.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()),
            timeout: Duration::from_millis(400),
            now: crate::clock::now(),
        };
        checks::run(&Environment::new(Policy::unrestricted()), &request).await
    }

    async fn is(with: &[(&str, &str)], outcome: Outcome, diagnosis: &str) {
        let report = check("-", with).await.unwrap();
        let told = report.facts.get("diagnosis").and_then(|it| it.as_str()).unwrap_or_default();
        assert_eq!((report.outcome, told), (outcome, diagnosis), "{with:?}: {report:?}");
    }

    #[tokio::test]
    async fn given_limits_are_compared() {
        let wrong = "limits_in_wrong_order";
        is(&[("gateway", "30s"), ("backend", "31s")], Outcome::GatewayShorterThanBackend, wrong).await;
        is(&[("gateway", "30s"), ("backend", "30s")], Outcome::Within, "").await;
        is(&[("gateway", "30s"), ("client", "10s")], Outcome::ClientShorterThanGateway, wrong).await;
        is(&[("client", "60s"), ("gateway", "30s"), ("backend", "20s")], Outcome::Within, "").await;
    }

    #[tokio::test]
    async fn of_two_faults_the_gateways_comes_first() {
        let report = check("-", &[("client", "10s"), ("gateway", "30s"), ("backend", "40s")]).await.unwrap();
        assert_eq!(report.outcome, Outcome::GatewayShorterThanBackend);
        assert_eq!(report.facts["also"], json!(["client_shorter_than_gateway"]));
    }

    #[tokio::test]
    async fn a_request_that_ended_at_a_limit_was_ended_by_it() {
        let near = "ended_at_the_gateways_limit";
        is(&[("gateway", "30s"), ("observed", "30.2s")], Outcome::GatewayShorterThanBackend, near).await;
        is(&[("gateway", "30s"), ("observed", "12s")], Outcome::Within, "").await;
        is(&[("gateway", "1s"), ("observed", "1900ms")], Outcome::Within, "").await;
        is(&[("gateway", "30s"), ("backend", "5s"), ("observed", "30s")], Outcome::Within, "").await;
    }

    #[tokio::test]
    async fn well_known_limits_are_named() {
        let report = check("-", &[("gateway", "30s"), ("observed", "30.1s")]).await.unwrap();
        assert!(report.facts["known_limits"].to_string().contains("Heroku"), "{report:?}");
    }

    #[tokio::test]
    async fn a_gateway_nobody_told_of_is_known_by_its_default() {
        let known = "ended_at_a_known_limit";
        for observed in ["29.1s", "30s", "60.2s", "100s"] {
            is(&[("observed", observed), ("backend", "140s")], Outcome::GatewayShorterThanBackend, known)
                .await;
        }
        is(&[("observed", "30s"), ("client", "60s")], Outcome::GatewayShorterThanBackend, known).await;
        is(&[("observed", "30s"), ("backend", "20s")], Outcome::Within, "").await;
        is(&[("observed", "41s"), ("backend", "60s")], Outcome::Within, "").await;
        is(&[("observed", "2s"), ("client", "60s")], Outcome::Within, "").await;
        is(
            &[("observed", "10s"), ("client", "10s")],
            Outcome::ClientShorterThanGateway,
            "ended_at_the_clients_limit",
        )
        .await;
        is(
            &[("client", "10s"), ("backend", "31s")],
            Outcome::ClientShorterThanGateway,
            "client_shorter_than_backend",
        )
        .await;
        is(&[("client", "40s"), ("backend", "31s")], Outcome::Within, "").await;
    }

    #[tokio::test]
    async fn one_number_alone_is_wrong_usage() {
        assert!(matches!(check("-", &[("gateway", "30s")]).await, Err(NotRun::Usage(_))));
        assert!(matches!(check("-", &[("gateway", "soon"), ("backend", "1s")]).await, Err(NotRun::Usage(_))));
    }

    #[tokio::test]
    async fn a_gateway_is_measured_at_its_face() {
        let app = HttpServer::plain(|_| async { Reply::Silence }).await.unwrap();
        let setup =
            Setup { timeout: Duration::from_millis(60), ..Setup::to(Url::parse(&app.url("")).unwrap()) };
        let gateway = Gateway::start(setup, None).await.unwrap();
        let url = gateway.server().url("/");
        let report = check(&url, &[("backend", "31s")]).await.unwrap();
        assert_eq!(report.outcome, Outcome::GatewayShorterThanBackend, "{report:?}");
        let report = check(&url, &[]).await.unwrap();
        assert_eq!(
            (report.outcome, &report.facts["diagnosis"]),
            (Outcome::GatewayShorterThanBackend, &json!("gateway_gave_up"))
        );
        assert!(report.facts["gave_up_after_ms"].as_f64().is_some_and(|it| (55.0..300.0).contains(&it)));
    }

    #[tokio::test]
    async fn a_clients_limit_is_compared_with_how_long_an_answer_takes() {
        let app = HttpServer::plain(|_| async { Reply::empty(200).after(Duration::from_millis(60)) })
            .await
            .unwrap();
        let report = check(&app.url("/"), &[("client", "20ms")]).await.unwrap();
        assert_eq!(report.outcome, Outcome::ClientShorterThanGateway);
        let report = check(&app.url("/"), &[("client", "390ms")]).await.unwrap();
        assert_eq!(report.outcome, Outcome::Within);
    }

    #[tokio::test]
    async fn a_gateway_that_outlasts_the_check_is_no_finding_by_itself() {
        let app = HttpServer::plain(|_| async { Reply::Silence }).await.unwrap();
        let report = check(&app.url("/"), &[]).await.unwrap();
        assert_eq!(report.outcome, Outcome::Error);
        let report = check(&app.url("/"), &[("client", "100ms")]).await.unwrap();
        assert_eq!(report.outcome, Outcome::ClientShorterThanGateway);
    }
}
