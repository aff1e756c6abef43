//! What does the endpoint answer, and who answers?
//!
//! One request (and at most five redirects on the same host), judged by status, body and the marks of who made the answer. It
//! never repeats a request that changes something, and never tells a body's values. The surprise: the status alone decides
//! little. A 503 is the application's or the gateway's by its marks, a 200 can carry a broken body, and a 401 can mean that a
//! hop on the way took the token away.

use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

use coding::Decoded;

use super::exchange::{self, Ask, Ended, Exchange, ExchangeError, Failed};
use super::{Environment, NotRun, Request, millis};
use crate::outcome::{CheckKind, Report};

mod body;
mod coding;
mod filter;
mod judge;
pub(super) mod origin;
pub(super) mod wire;

pub(super) use judge::Expected;

/// Redirects that are followed: browsers allow twenty, an API has no use for more than one or two.
const MOST_REDIRECTS: usize = 5;

/// How much of a body is read: enough to know whether it ends as declared and is what it says. Of it, facts tell a shape alone.
const MAX_READ_BYTES: usize = 1024 * 1024;

/// Everything seen of the endpoint, before anybody judged it.
#[derive(Debug)]
struct Observed {
    /// The URLs that answered with a redirect, in order, with what they answered.
    redirects: Vec<Redirect>,
    /// Why the last redirect was not followed.
    stopped: Option<Stopped>,
    /// The URL that was asked last.
    last: Ask,
    /// What it said.
    answer: Result<Exchange, Failed>,
    /// What the body's content coding came to; the answer holds the body without it.
    coding: Decoded,
    /// The endpoint broke off HTTP/2 and answers HTTP/1.1 with this status.
    http1_status: Option<u16>,
    /// Whether the answer is what the host said before, when it asked to be left alone.
    remembered: bool,
    /// The whole time, in milliseconds.
    total_ms: f64,
}

/// An answer that points elsewhere.
#[derive(Debug, Clone)]
struct Redirect {
    from: Url,
    status: u16,
    /// `None` when `Location` is no URL.
    to: Option<Url>,
}

impl Redirect {
    /// Whether it leads to where people sign in: the call itself got no answer.
    fn is_to_login(&self) -> bool {
        const WORDS: [&str; 9] =
            ["login", "signin", "sign-in", "sign_in", "sso", "oauth", "oauth2", "authorize", "saml"];
        let Some(to) = &self.to else { return false };
        let parts = to.host_str().into_iter().flat_map(|it| it.split('.'));
        parts.chain(to.path().split('/')).any(|part| {
            let part = part.split(['.', ';']).next().unwrap_or_default();
            WORDS.iter().any(|word| part.eq_ignore_ascii_case(word))
        })
    }
}

/// Why a redirect was not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    /// It leads to a URL that was asked already.
    Loop,
    /// It would be the sixth.
    TooMany,
    /// It leads to another host, or nowhere that can be asked.
    Elsewhere,
    /// The method is not safe to repeat.
    Unsafe,
}

/// Probes and judges.
pub(super) async fn run(env: &Environment, request: &Request, deadline: Instant) -> Result<Report, NotRun> {
    let expected = Expected::read(&request.with)?;
    let mut ask = Ask { max_body: MAX_READ_BYTES, ..wire::ask(env, request).await? };
    if !ask.headers.iter().any(|(name, _)| name == "accept-encoding") {
        // What API clients say: a compressor that breaks is a fault they meet.
        ask.headers.push(("accept-encoding".to_owned(), "gzip, deflate".to_owned()));
    }
    let observed = probe(env, ask, &expected, deadline).await?;
    if let Err(Failed { error, .. }) = &observed.answer
        && error.is_ours()
    {
        return Ok(Report::error(CheckKind::Http, &request.target, error.to_string()));
    }
    let verdict = judge::judge(&env.catalogues, &observed, &expected, request.now);
    let phases_ms = match observed.answer {
        Ok(exchange) => exchange.phases_ms,
        Err(failed) => failed.phases_ms,
    };
    Ok(Report {
        check: CheckKind::Http,
        target: request.target.clone(),
        outcome: verdict.outcome,
        facts: verdict.facts,
        summary: verdict.summary,
        took_ms: 0.0,
        phases_ms,
    })
}

async fn probe(
    env: &Environment,
    ask: Ask,
    expected: &Expected,
    deadline: Instant,
) -> Result<Observed, NotRun> {
    let started = Instant::now();
    let mut redirects: Vec<Redirect> = Vec::new();
    let mut stopped = None;
    let mut last = ask;
    let (answer, remembered) = loop {
        let heard = super::manners::ask(env, &last, false, deadline).await;
        let heard = match heard {
            Ok(heard) => heard,
            Err(failed) => {
                wire::refused(&failed)?;
                break (Err(failed), false);
            }
        };
        let (exchange, remembered) = (heard.exchange, heard.remembered.is_some());
        let Some(location) = location(&exchange).filter(|_| !expected.wants(exchange.status)) else {
            break (Ok(exchange), remembered);
        };
        let is_known = |next: &Url| *next == last.url || redirects.iter().any(|it| it.from == *next);
        let to = last.url.join(location).ok();
        let next = match to.clone().filter(|next| may_follow(&last.url, next)) {
            None => Err(Stopped::Elsewhere),
            Some(_) if !last.method.is_safe() => Err(Stopped::Unsafe),
            Some(next) if is_known(&next) => Err(Stopped::Loop),
            Some(_) if redirects.len() >= MOST_REDIRECTS => Err(Stopped::TooMany),
            Some(next) => Ok(next),
        };
        redirects.push(Redirect { from: last.url.clone(), status: exchange.status, to });
        match next {
            Ok(next) => last = follow(last, next),
            Err(why) => {
                stopped = Some(why);
                break (Ok(exchange), remembered);
            }
        }
    };
    let total_ms = millis(started.elapsed());
    let (answer, coding) = match answer {
        Ok(exchange) => decoded(exchange),
        Err(failed) => (Err(failed), Decoded::Plain),
    };
    let http1_status = match &answer {
        Err(Failed { error: ExchangeError::Http2 { .. }, .. }) if last.method.is_safe() => {
            let again = Ask { only_http1: true, ..last.clone() };
            exchange::exchange(env, &again, deadline).await.ok().map(|it| it.status)
        }
        _ => None,
    };
    Ok(Observed { redirects, stopped, last, answer, coding, http1_status, remembered, total_ms })
}

/// The answer with its content coding undone. A body that broke off cannot be.
fn decoded(mut exchange: Exchange) -> (Result<Exchange, Failed>, Decoded) {
    let codings: Vec<_> = exchange
        .headers
        .iter()
        .filter(|(name, _)| name == "content-encoding")
        .map(|(_, value)| value.as_str())
        .collect();
    if exchange.ended != Ended::Whole {
        return (Ok(exchange), Decoded::Plain);
    }
    let mut coding = coding::decode(&codings.join(","), &exchange.body, MAX_READ_BYTES);
    match &mut coding {
        Decoded::Undone(body) => exchange.body = std::mem::take(body).into(),
        Decoded::Long(body) => {
            exchange.body = std::mem::take(body).into();
            exchange.ended = Ended::Long;
        }
        Decoded::Plain | Decoded::Broken | Decoded::Unknown => {}
    }
    (Ok(exchange), coding)
}

fn location(exchange: &Exchange) -> Option<&str> {
    if !matches!(exchange.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    exchange.headers.iter().find(|(name, _)| name == "location").map(|(_, value)| value.as_str())
}

/// The longest URL that a redirect may lead to: clients and servers refuse longer ones.
const LONGEST_URL: usize = 32 * 1024;

/// A redirect is followed on the same host alone: credentials never go anywhere else.
fn may_follow(from: &Url, to: &Url) -> bool {
    let can_be_asked = matches!(to.scheme(), "http" | "https") && to.as_str().len() <= LONGEST_URL;
    can_be_asked && from.host_str() == to.host_str()
}

/// The same request to the next URL: a pinned address keeps its IP and takes the new port, and no credential follows a step down
/// from `https` to `http`.
fn follow(mut ask: Ask, mut next: Url) -> Ask {
    next.set_fragment(None);
    let (old_port, new_port) = (ask.url.port_or_known_default(), next.port_or_known_default());
    if let (Some(addr), Some(port)) = (ask.connect_to.as_mut(), new_port.filter(|_| old_port != new_port)) {
        addr.set_port(port);
    }
    if ask.url.scheme() == "https" && next.scheme() == "http" {
        ask.headers.retain(|(name, _)| name != "authorization" && name != "cookie");
    }
    Ask { url: next, ..ask }
}

/// The size of what a body in this coding stands for, read as a check reads it; `None` when it cannot be told.
pub(super) fn size_of_body(coding: &str, body: &[u8]) -> Option<usize> {
    let undone = match coding::decode(coding, body, MAX_READ_BYTES) {
        Decoded::Plain => body.to_vec(),
        Decoded::Undone(undone) | Decoded::Long(undone) => undone,
        Decoded::Broken | Decoded::Unknown => return None,
    };
    let _ = body::describe(&undone);
    Some(undone.len())
}

/// The redirects for a fact: where each led, without names, passwords and queries, which may hold secrets.
fn told_redirects(observed: &Observed) -> Value {
    let shown = |url: &Url| {
        let origin = &url[..url::Position::BeforeUsername];
        format!("{origin}{}", &url[url::Position::BeforeHost..url::Position::AfterPath])
    };
    let told = |it: &Redirect| {
        let mut told = json!({"url": shown(&it.from), "status": it.status});
        if let Some(to) = &it.to {
            told["location"] = shown(to).into();
        }
        told
    };
    observed.redirects.iter().map(told).collect()
}

#[cfg(test)]
mod tests;
