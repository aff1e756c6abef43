//! From what was seen to an outcome and its facts. Pure: no clock, no socket.
//!
//! Outcomes are ranked as in `triage.md`: of two that are true the first in the row is the outcome, the others stand in `also`.
//! `slow` alone gives way to any fault: a late error is an error.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::body;
use super::coding::Decoded;
use super::filter::{self, Filter};
use super::origin::{self, Origin};
use super::{Observed, Stopped, told_redirects, wire};
use crate::checks::catalogue::{Answer, Catalogues};
use crate::checks::dial::{DialError, Failure};
use crate::checks::exchange::{Ended, Exchange, ExchangeError, Failed};
use crate::checks::with::With;
use crate::checks::{NotRun, millis};
use crate::checks::{rate_limit, tls};
use crate::duration;
use crate::outcome::{CheckKind, Facts, Outcome};

mod diagnosis;
mod signs;

use diagnosis::diagnosis;
use signs::{bad_body, grpc_status, is_cached, is_unasked, leads_nowhere, never_ends};

/// Clocks further apart than this break tokens, signatures and dates (checks.md T23).
const MOST_SKEW_SECONDS: i64 = 60;

/// What the user expects of a good answer.
#[derive(Debug, Clone, Default)]
pub(in crate::checks) struct Expected {
    statuses: Vec<Statuses>,
    slow_after: Option<Duration>,
    filter: Option<Filter>,
}

/// One status, or all of a hundred (`2xx`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Statuses {
    One(u16),
    Class(u16),
}

impl Expected {
    /// Reads `expect_status` (`200`, `200,204`, `2xx`), `expect_json` and `slow_after`.
    pub(in crate::checks) fn read(with: &With) -> Result<Self, NotRun> {
        let statuses = with.list("expect_status").into_iter().map(status).collect::<Result<_, _>>()?;
        let filter = with.get("expect_json").map(Filter::read).transpose();
        let filter = filter.map_err(|why| NotRun::Usage(format!("`expect_json` cannot be used: {why}")))?;
        Ok(Self { statuses, slow_after: with.duration("slow_after")?, filter })
    }

    /// Whether the body is not what `expect_json` wants. A body that is too large for the filter is not judged.
    fn fails(&self, body: &[u8]) -> bool {
        self.filter.as_ref().is_some_and(|filter| filter.judge(body) == filter::Verdict::Fails)
    }

    /// Whether this status is asked for by number.
    pub(super) fn wants(&self, status: u16) -> bool {
        self.statuses.iter().any(|it| match it {
            Statuses::One(wanted) => *wanted == status,
            Statuses::Class(class) => status / 100 == *class,
        })
    }
}

fn status(text: &str) -> Result<Statuses, NotRun> {
    let bad = || NotRun::Usage(format!("`expect_status` is `{text}`; write a status such as `200` or `2xx`"));
    let is_class = text.len() == 3 && text.to_ascii_lowercase().ends_with("xx");
    let number: u16 = if is_class { &text[..1] } else { text }.parse().map_err(|_| bad())?;
    match (is_class, number) {
        (true, 1..=5) => Ok(Statuses::Class(number)),
        (false, 100..=599) => Ok(Statuses::One(number)),
        _ => Err(bad()),
    }
}

/// The judgement.
#[derive(Debug, Clone)]
pub(super) struct Verdict {
    pub(super) outcome: Outcome,
    pub(super) facts: Facts,
    pub(super) summary: String,
}

/// Judges what was seen.
pub(super) fn judge(
    catalogues: &Catalogues,
    observed: &Observed,
    expected: &Expected,
    now: Timestamp,
) -> Verdict {
    let mut verdict = match &observed.answer {
        Ok(exchange) => judge_answer(catalogues, observed, exchange, expected, now),
        Err(failed) => judge_failure(failed),
    };
    let mut put = |name: &str, value: Value| verdict.facts.insert(name.to_owned(), value);
    if !observed.redirects.is_empty() {
        put("redirects", told_redirects(observed));
    }
    if let Some(trace_id) = wire::trace_id(&observed.last) {
        put("trace_id", trace_id.into());
    }
    if let Some(status) = observed.http1_status {
        put("http1_status", status.into());
        put("diagnosis", "http2_fails_http1_answers".into());
    }
    if observed.remembered {
        put("remembered", true.into());
    }
    verdict
}

fn judge_failure(failed: &Failed) -> Verdict {
    let (outcome, diagnosis) = match &failed.error {
        ExchangeError::Dial(DialError::Unresolved { .. }) => (Outcome::Unresolved, "unresolved"),
        ExchangeError::Dial(DialError::Connection { kind, .. }) => match kind {
            Failure::Refused => (Outcome::Unreachable, "connection_refused"),
            Failure::Unreachable => (Outcome::Unreachable, "no_route"),
            Failure::Timeout => (Outcome::Timeout, "connect_timeout"),
            Failure::Reset => (Outcome::Reset, "connect_reset"),
        },
        ExchangeError::Dial(DialError::Silent { .. }) => (Outcome::Timeout, "silent_to_all"),
        ExchangeError::Dial(_) => (Outcome::Timeout, "no_time_left"),
        ExchangeError::Untrusted(untrusted) => (Outcome::Untrusted, untrusted.kind.id()),
        ExchangeError::BeyondUs { .. } => (Outcome::Error, "cipher_not_spoken_here"),
        ExchangeError::NotTls => (Outcome::Unreachable, "plaintext_on_port"),
        ExchangeError::Alert(116) => (Outcome::Unreachable, "client_certificate_required"),
        ExchangeError::Alert(112) => (Outcome::Unreachable, "name_not_configured"),
        ExchangeError::Handshake(_) | ExchangeError::Alert(_) => (Outcome::Unreachable, "handshake_failure"),
        ExchangeError::Http2 { how: "GOAWAY", .. } => (Outcome::Reset, "http2_goaway"),
        ExchangeError::Http2 { how: "RST_STREAM", .. } => (Outcome::Reset, "http2_stream_reset"),
        ExchangeError::Http2 { .. } => (Outcome::Reset, "http2_broken"),
        ExchangeError::Timeout(crate::checks::exchange::Phase::Tls) => {
            (Outcome::Timeout, "handshake_timeout")
        }
        ExchangeError::Timeout(_) => (Outcome::Timeout, "no_first_byte"),
        ExchangeError::Reset(crate::checks::exchange::Phase::Tls) => (Outcome::Reset, "handshake_reset"),
        ExchangeError::Reset(_) => (Outcome::Reset, "empty_reply"),
        ExchangeError::NotHttp(_) | ExchangeError::Unsendable(_) => (Outcome::BadBody, "not_http"),
    };
    let mut facts = Facts::from([
        ("diagnosis".to_owned(), diagnosis.into()),
        ("reason".to_owned(), failed.error.to_string().into()),
    ]);
    if let ExchangeError::Untrusted(untrusted) = &failed.error {
        facts.insert("certificate".to_owned(), untrusted.kind.id().into());
        if !untrusted.also.is_empty() {
            facts.insert("certificate_also".to_owned(), untrusted.also.iter().map(|it| it.id()).collect());
        }
        facts.extend(untrusted.facts.clone());
        facts.extend(untrusted.diagnosis.map(|it| ("certificate_diagnosis".to_owned(), it.into())));
    }
    if let ExchangeError::Alert(number) = &failed.error {
        facts.insert("alert".to_owned(), json!(number));
        facts.insert("alert_name".to_owned(), json!(tls::alert_name(*number)));
    }
    if let ExchangeError::Http2 { reason, .. } = &failed.error {
        facts.insert("http2_error".to_owned(), json!(reason));
    }
    if let Some(addr) = failed.addr {
        facts.insert("address".to_owned(), addr.to_string().into());
    }
    Verdict { outcome, facts, summary: failed.error.to_string() }
}

fn judge_answer(
    catalogues: &Catalogues,
    observed: &Observed,
    exchange: &Exchange,
    expected: &Expected,
    now: Timestamp,
) -> Verdict {
    let ask = &observed.last;
    let answer = Answer::new(exchange.status, ask.host(), &exchange.headers, &exchange.body);
    let origin = origin::attribute(catalogues, &answer);
    let mut found = outcomes(observed, exchange, &answer, &origin, expected);
    let diagnosis = diagnosis(observed, exchange, &answer, &origin);
    let rank = |outcome: &Outcome| CheckKind::Http.outcomes().iter().position(|it| it == outcome);
    found.sort_by_key(|it| (*it == Outcome::Slow, rank(it)));
    let outcome = found.first().copied().unwrap_or(Outcome::Ok);

    let mut facts = facts(exchange, &answer, &origin);
    if !observed.remembered {
        facts.extend(clock_skew(&answer, now).map(|it| ("clock_skew_s".to_owned(), it.into())));
    }
    facts.extend(grpc_status(&answer).map(|it| ("grpc_status".to_owned(), it.into())));
    if observed.coding == Decoded::Unknown {
        facts.insert("body_unread".to_owned(), "content coding".into());
    } else if observed.coding != Decoded::Plain {
        let coding = answer.header("content-encoding");
        facts.extend(coding.map(|it| ("content_encoding".to_owned(), it.into())));
    }
    if found.len() > 1 {
        facts.insert("also".to_owned(), found[1..].iter().map(|it| it.id()).collect());
    }
    facts.extend(diagnosis.map(|it| ("diagnosis".to_owned(), it.into())));
    facts.insert("total_ms".to_owned(), json!(observed.total_ms));
    let limits = rate_limit::judge(catalogues, &answer, now);
    if matches!(limits.outcome, Outcome::Limited | Outcome::NearLimit) {
        for name in ["limiter", "hop", "policy", "limit", "remaining", "resets_in", "scope"] {
            facts.extend(limits.facts.get(name).map(|it| (name.to_owned(), it.clone())));
        }
    }
    let summary = summary(outcome, observed, exchange, &origin, diagnosis, expected);
    Verdict { outcome, facts, summary }
}

/// Everything that is wrong with an answer, in no order.
fn outcomes(
    observed: &Observed,
    exchange: &Exchange,
    answer: &Answer<'_>,
    origin: &Origin,
    expected: &Expected,
) -> Vec<Outcome> {
    let mut found = Vec::new();
    let wanted = expected.wants(exchange.status);
    if matches!(observed.stopped, Some(Stopped::Loop | Stopped::TooMany)) {
        found.push(Outcome::RedirectLoop);
    } else if !wanted {
        let is_surprise = exchange.status < 400 && !expected.statuses.is_empty()
            || leads_nowhere(exchange)
            || is_unasked(observed, exchange);
        found.extend(by_status(exchange.status, origin).or(is_surprise.then_some(Outcome::Unexpected)));
    }
    match exchange.ended {
        Ended::Cut => found.push(Outcome::Reset),
        Ended::Broken => found.push(Outcome::BadBody),
        Ended::Late if never_ends(answer) => {}
        Ended::Late => found.push(Outcome::Timeout),
        Ended::Whole if observed.coding == Decoded::Broken => found.push(Outcome::BadBody),
        // What cannot be read cannot be judged.
        Ended::Whole if observed.coding == Decoded::Unknown => {}
        Ended::Whole if bad_body(observed, exchange, answer) => found.push(Outcome::BadBody),
        Ended::Whole if found.is_empty() && expected.fails(&exchange.body) => found.push(Outcome::BadBody),
        Ended::Whole | Ended::Long => {}
    }
    if expected.slow_after.is_some_and(|limit| observed.total_ms > millis(limit)) {
        found.push(Outcome::Slow);
    }
    found
}

/// The outcome of a status by itself; `None` for the good ones.
fn by_status(status: u16, origin: &Origin) -> Option<Outcome> {
    Some(match status {
        401 => Outcome::Unauthorized,
        403 => Outcome::Forbidden,
        429 => Outcome::Limited,
        400..=499 => Outcome::ClientError,
        502 | 504 => Outcome::GatewayError,
        503 if origin.who != "app" => Outcome::GatewayError,
        500..=599 => Outcome::ServerError,
        // Not asked for, or no status at all (RFC 9110 section 15).
        ..200 | 600.. => Outcome::Unexpected,
        _ => return None,
    })
}

/// How far the server's clock is from ours, in seconds, when it matters; an answer from a cache has an old `Date`.
fn clock_skew(answer: &Answer<'_>, now: Timestamp) -> Option<i64> {
    let date = rate_limit::moment::http_date(answer.header("date")?)?;
    let skew = now.as_second() - date.as_second();
    (!is_cached(answer) && skew.abs() > MOST_SKEW_SECONDS).then_some(skew)
}

fn facts(exchange: &Exchange, answer: &Answer<'_>, origin: &Origin) -> Facts {
    let mut facts = Facts::from([
        ("status".to_owned(), exchange.status.into()),
        ("origin".to_owned(), origin.who.into()),
        ("http_version".to_owned(), exchange.version.into()),
        ("address".to_owned(), exchange.addr.to_string().into()),
    ]);
    let mut put = |name: &str, value: Option<Value>| {
        facts.extend(value.map(|it| (name.to_owned(), it)));
    };
    let header = |name: &str| answer.joined(name).map(|it| Value::from(body::line(&it, 300)));
    put("marks", (!origin.marks.is_empty()).then(|| json!(origin.marks)));
    put("maker", origin.maker.clone().map(Value::from));
    put("strength", origin.strength.map(Value::from));
    put("means", origin.means.map(|it| json!(it)));
    put("trap", origin.trap.clone().map(Value::from).filter(|_| exchange.status >= 400));
    put("next_hop", origin.next_hop.clone().map(Value::from));
    if let Some(wrap) = &origin.wraps {
        put("wraps", Some(json!(wrap.means)));
        put("wrapped_status", wrap.status.map(Value::from));
        put("dependency", wrap.dependency.clone().map(Value::from));
    }
    for (name, of) in [
        ("proxy_status", "proxy-status"),
        ("server", "server"),
        ("via", "via"),
        ("challenge", "www-authenticate"),
        ("content_type", "content-type"),
        ("retry_after", "retry-after"),
        ("allow", "allow"),
        ("server_timing", "server-timing"),
        ("deprecation", "deprecation"),
        ("sunset", "sunset"),
    ] {
        put(name, header(of));
    }
    put("challenge_error", answer.header("www-authenticate").and_then(challenge_error).map(Value::from));
    put("cached", is_cached(answer).then_some(Value::Bool(true)));
    put("body", (!exchange.body.is_empty()).then(|| body::describe(&exchange.body)));
    put("body_truncated", (exchange.ended == Ended::Long).then_some(Value::Bool(true)));
    put("certificate_not_after", exchange.certificate.get("not_after").cloned());
    facts
}

/// The error code of a challenge: `invalid_token`, `insufficient_scope`, `invalid_request` (RFC 6750 §3.1).
fn challenge_error(challenge: &str) -> Option<String> {
    let (_, after) = challenge.split_once("error=")?;
    let code: String = after
        .trim_start_matches('"')
        .chars()
        .take_while(|it| it.is_ascii_alphanumeric() || *it == '_')
        .collect();
    if code.is_empty() { None } else { Some(code) }
}

fn summary(
    outcome: Outcome,
    observed: &Observed,
    exchange: &Exchange,
    origin: &Origin,
    diagnosis: Option<&str>,
    expected: &Expected,
) -> String {
    let took = duration::show(Duration::from_secs_f64(observed.total_ms / 1000.0));
    let status = exchange.status;
    let maker = origin.maker.as_ref().map(|it| format!(" (`{it}`)")).unwrap_or_default();
    let by = match origin.who {
        "unknown" => String::new(),
        "app" => format!(" by the application{maker}"),
        "cdn" => format!(" by the network's edge{maker}"),
        who => format!(" by the {who}{maker}"),
    };
    let why = diagnosis.map(|it| format!(": {}", it.replace('_', " "))).unwrap_or_default();
    match outcome {
        Outcome::Ok if diagnosis == Some("redirects_elsewhere") => {
            format!("answered {status}, which leads to another host and was not followed")
        }
        Outcome::Ok if diagnosis == Some("redirects_to_login") => {
            format!("answered {status} in {took}; it redirects to a page for signing in")
        }
        Outcome::Ok => format!("answered {status} in {took}"),
        Outcome::Slow => {
            let limit = expected.slow_after.map(duration::show).unwrap_or_default();
            format!("answered {status}, but took {took}, more than {limit}")
        }
        Outcome::Reset => format!("answered {status}, but the connection ended before the body did"),
        Outcome::Timeout => format!("answered {status}, but the body did not end in time"),
        Outcome::BadBody => format!("answered {status} with a body that is not what it promises"),
        Outcome::RedirectLoop => format!("redirects without end, {} times so far", observed.redirects.len()),
        Outcome::Unexpected => format!("answered {status}, which is not what was expected"),
        _ => format!("answered {status} in {took}{by}{why}"),
    }
}
