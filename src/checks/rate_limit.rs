//! Is a limiter at work, which one, and when does it let us through again? One request, and every dialect of `limiters.yaml`.
//!
//! A recorded answer (`-`, a file, or the pasted text) is judged without any request. It never tries a limit out: one answer must do, and the answer of a host that asked to be left alone is remembered instead of
//! asked for again. The surprise: limiters do not always say 429. GitHub says 403, nginx and Amazon 503, Slack and GraphQL 200.

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::catalogue::{Answer, Catalogues, Hop, Limiter, Means};
use super::http::{origin, wire};
use super::{Environment, NotRun, Request};
use crate::outcome::{CheckKind, Facts, Outcome, Report};

pub(super) mod moment;
mod quota;
mod recorded;

use recorded::Recorded;

/// At most this share left is near the limit.
const NEAR_SHARE: f64 = 0.1;

/// What stands in the report for a target that is the answer itself.
const PASTED: &str = "the recorded answer";

/// Probes, where there is a URL, and judges.
pub(super) async fn run(env: &Environment, request: &Request, deadline: Instant) -> Result<Report, NotRun> {
    let target = request.target.trim();
    if !target.starts_with("http://") && !target.starts_with("https://") {
        return recorded(env, request, deadline).await;
    }
    let ask = wire::ask(env, request).await?;
    let heard = match super::manners::ask(env, &ask, true, deadline).await {
        Ok(heard) => heard,
        Err(failed) => {
            wire::refused(&failed)?;
            let mut report = Report::error(CheckKind::RateLimit, &request.target, failed.error.to_string());
            report.phases_ms = failed.phases_ms;
            return Ok(report);
        }
    };
    let exchange = heard.exchange;
    let answer = Answer::new(exchange.status, ask.host(), &exchange.headers, &exchange.body);
    let verdict = judge(&env.catalogues, &answer, request.now);
    let mut facts = verdict.facts;
    if let Some(left) = heard.remembered {
        facts.insert("remembered".to_owned(), true.into());
        facts.insert("left_alone_for".to_owned(), json!(left.as_secs()));
    }
    Ok(Report {
        check: CheckKind::RateLimit,
        target: request.target.clone(),
        outcome: verdict.outcome,
        facts,
        summary: verdict.summary,
        took_ms: 0.0,
        phases_ms: exchange.phases_ms,
    })
}

/// Judges an answer that somebody recorded.
async fn recorded(env: &Environment, request: &Request, deadline: Instant) -> Result<Report, NotRun> {
    let target = request.target.as_str();
    let is_pasted = target.contains('\n') || target.starts_with("HTTP/") || target.starts_with('{');
    let text = if target == "-" {
        let missing = "there is no standard input here; name a file with the recorded answer, or a URL";
        env.secrets.get("-").cloned().ok_or_else(|| NotRun::Usage(missing.to_owned()))?
    } else if is_pasted {
        target.to_owned()
    } else if tokio::fs::metadata(target).await.is_ok() {
        let limit = crate::request::MAX_BYTES;
        match super::document::read(env, "the recorded answer", target, limit, deadline).await {
            Ok(text) => text,
            Err(unreadable) => {
                return Ok(Report::error(CheckKind::RateLimit, target, unreadable.to_string()));
            }
        }
    } else {
        let hint = "is no URL and no file; write a URL such as https://api.example.com/v1/orders, a file with a recorded answer, or `-`";
        return Err(NotRun::Usage(format!("`{target}` {hint}")));
    };
    let shown = if is_pasted { PASTED } else { target };
    let Some(recorded) = Recorded::read(&text) else {
        let why = "no answer found in the text; header lines, an HTTP message as `curl -i` shows it, or a HAR entry is understood";
        return Ok(Report::error(CheckKind::RateLimit, shown, why));
    };
    let mut verdict = judge(&env.catalogues, &recorded.answer(), request.now);
    verdict.facts.insert("recorded".to_owned(), true.into());
    if !recorded.has_status {
        verdict.facts.remove("status");
    }
    Ok(Report {
        check: CheckKind::RateLimit,
        target: shown.to_owned(),
        outcome: verdict.outcome,
        facts: verdict.facts,
        summary: verdict.summary,
        took_ms: 0.0,
        phases_ms: std::collections::BTreeMap::new(),
    })
}

/// The outcome for a recorded answer; `None` when the text holds none.
pub(super) fn judge_text(catalogues: &Catalogues, text: &str, now: Timestamp) -> Option<Outcome> {
    Some(judge(catalogues, &Recorded::read(text)?.answer(), now).outcome)
}

/// What an answer says of limiters.
#[derive(Debug, Clone)]
pub(super) struct Verdict {
    pub(super) outcome: Outcome,
    pub(super) facts: Facts,
    pub(super) summary: String,
}

/// Judges one answer. `now` only matters where the answer has no `Date`.
pub(super) fn judge(catalogues: &Catalogues, answer: &Answer<'_>, now: Timestamp) -> Verdict {
    let now = moment::answered_at(answer.header("date"), now);
    let limiter = catalogues.limiters.iter().find(|it| it.when.iter().any(|mark| mark.holds(answer)));
    let quotas = quotas(catalogues, limiter, answer, now);
    let violated = quota::violated(answer);
    let tightest = quota::longest_violated(&quotas, &violated).or_else(|| quota::most_exhausted(&quotas));
    let refusal = limiter.and_then(|it| it.limited.iter().find(|refused| refused.mark.holds(answer)));
    let other = limiter.and_then(|it| it.no_limit.iter().find(|other| other.mark.holds(answer)));
    let origin = origin::attribute(catalogues, answer);
    let wrapped = origin.wraps.as_ref().filter(|wrap| wrap.means == Means::Limit);
    let nothing_left = tightest.is_some_and(|it| it.remaining.is_some_and(|left| left <= 0.0));
    let is_limited = other.is_none()
        && (answer.status == 429
            || refusal.is_some()
            || wrapped.is_some()
            || origin.means == Some(Means::Limit)
            || (matches!(answer.status, 403 | 503) && nothing_left));

    let mut facts = Facts::from([("status".to_owned(), answer.status.into())]);
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            facts.insert(name.to_owned(), value);
        }
    };
    let retry_after = retry_after(limiter, answer, now);
    // A refusal while a quota has something left is another limiter's, and only its own word counts (checks.md §6, L4).
    let is_another = is_limited && tightest.is_some_and(|it| it.remaining.is_some_and(|left| left > 0.0));
    let own_word = retry_after.filter(|_| is_another);
    let resets_in = own_word.or_else(|| tightest.and_then(|it| it.resets_in)).or(retry_after);
    let resets_in = resets_in.or_else(|| tightest.filter(|_| is_limited).and_then(|it| it.window));
    put("limiter", limiter.map(|it| it.id.clone().into()).or_else(|| is_limited.then(|| "unknown".into())));
    put("limiter_name", limiter.map(|it| it.name.clone().into()));
    if is_limited || limiter.is_some() {
        put("hop", Some(json!(hop(limiter, &origin))));
    }
    let of_quota =
        tightest.and_then(|it| it.policy.clone()).filter(|_| refusal.is_none_or(|it| it.policy.is_none()));
    let named = tightest.and_then(|it| it.policy.clone()).filter(|it| violated.contains(it));
    let policy = named.or_else(|| violated.first().cloned()).or(of_quota);
    put("violated_policies", (!violated.is_empty()).then(|| json!(violated)));
    put("policy", policy.or_else(|| refusal.and_then(|it| it.policy.clone())).map(Value::from));
    put("limit", tightest.and_then(|it| it.limit).map(number));
    put("remaining", tightest.and_then(|it| it.remaining).map(number));
    put("resets_in", resets_in.map(|it| number(it.max(0.0))));
    put("retry_after", retry_after.map(number));
    put("window", tightest.and_then(|it| it.window).map(number));
    put("scope", scope(limiter, tightest, answer).map(Value::from));
    put("reason", reason(limiter, answer).map(Value::from));
    put("origin", (origin.who != "unknown").then(|| origin.who.into()));
    put("dependency", wrapped.and_then(|it| it.dependency.clone()).map(Value::from));
    let row = || diagnosis(is_limited, answer, tightest, retry_after, wrapped.is_some()).map(Value::from);
    put("diagnosis", other.and_then(|it| it.policy.clone()).map(Value::from).or_else(row));
    put("quotas", (quotas.len() > 1).then(|| quotas.iter().map(shown).collect()));

    let outcome = if is_limited {
        Outcome::Limited
    } else if other.is_some() {
        Outcome::NotLimited
    } else if quotas.is_empty() {
        Outcome::NoHeaders
    } else if tightest.and_then(quota::Told::share_left).is_some_and(|share| share <= NEAR_SHARE) {
        Outcome::NearLimit
    } else {
        Outcome::NotLimited
    };
    let summary = match other.and_then(|it| it.policy.as_deref()) {
        Some(what) => format!("not limited: this {} is about another thing ({what})", answer.status),
        None => summary(outcome, limiter, tightest, resets_in, answer.status),
    };
    Verdict { outcome, facts, summary }
}

/// What the limiter's own dialect finds, else what any general one does.
fn quotas(
    catalogues: &Catalogues,
    limiter: Option<&Limiter>,
    answer: &Answer<'_>,
    now: Timestamp,
) -> Vec<quota::Told> {
    let own = limiter.map(|it| quota::read(it, answer, now)).unwrap_or_default();
    if !own.is_empty() {
        return own;
    }
    let general = catalogues.limiters.iter().filter(|it| it.hop == Hop::App);
    general.map(|it| quota::read(it, answer, now)).find(|found| !found.is_empty()).unwrap_or_default()
}

/// Where the limiter runs: at the vendor when it is one, else where the answer was made.
fn hop(limiter: Option<&Limiter>, origin: &origin::Origin) -> Hop {
    match (limiter.map(|it| it.hop), origin.who) {
        (Some(hop @ (Hop::Vendor | Hop::Edge | Hop::Gateway)), _) => hop,
        (_, "gateway") => Hop::Gateway,
        (_, "cdn") => Hop::Edge,
        (_, "dependency") => Hop::Vendor,
        _ if origin.wraps.is_some() => Hop::Vendor,
        _ => Hop::App,
    }
}

/// How long to wait: `Retry-After` (RFC 9110 §10.2.3), then the vendor's own ways.
fn retry_after(limiter: Option<&Limiter>, answer: &Answer<'_>, now: Timestamp) -> Option<f64> {
    let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let standard = answer.header("retry-after").and_then(|text| moment::retry_after(text, Some(&date)));
    let body = answer.json();
    let own = |limiter: &Limiter| {
        limiter.wait.iter().find_map(|wait| {
            let header = wait.header.as_deref().and_then(|name| answer.header(name)).map(str::to_owned);
            let pointed = || pointed(body.as_ref()?, wait.json.as_deref()?).map(|it| text_of(&it));
            moment::seconds_until(&header.or_else(pointed)?, wait.unit, now)
        })
    };
    standard.or_else(|| limiter.and_then(own))
}

/// The value a pointer names; `*` in it stands for any element of a list.
fn pointed(body: &Value, pointer: &str) -> Option<Value> {
    let Some((before, after)) = pointer.split_once("/*") else { return body.pointer(pointer).cloned() };
    body.pointer(before)?.as_array()?.iter().find_map(|element| pointed(element, after))
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn scope(limiter: Option<&Limiter>, tightest: Option<&quota::Told>, answer: &Answer<'_>) -> Option<String> {
    let header =
        limiter.and_then(|it| it.scope.as_deref()).and_then(|name| answer.header(name)).map(str::to_owned);
    let of_quota = || tightest.and_then(|it| it.scope.clone());
    header.or_else(of_quota).or_else(|| limiter.and_then(|it| it.scope_is.clone()))
}

fn reason(limiter: Option<&Limiter>, answer: &Answer<'_>) -> Option<String> {
    let limiter = limiter?;
    let header = limiter.reason.as_deref().and_then(|name| answer.header(name)).map(str::to_owned);
    let body = || pointed(&answer.json()?, limiter.reason_json.as_deref()?).map(|it| text_of(&it));
    header.or_else(body).map(|it| it.chars().take(120).collect())
}

/// The row of `checks.md` §6 that fits.
fn diagnosis(
    limited: bool,
    answer: &Answer<'_>,
    tightest: Option<&quota::Told>,
    retry_after: Option<f64>,
    wrapped: bool,
) -> Option<&'static str> {
    if !limited {
        return match (answer.status, tightest, retry_after) {
            (503, None, None) => Some("bare_503"),
            // RFC 9110 §10.2.3: how long the service is expected to be unavailable, for whatever reason.
            (503, None, Some(_)) => Some("unavailable_for_a_while"),
            _ => None,
        };
    }
    let remaining = tightest.and_then(|it| it.remaining);
    Some(match (remaining, tightest.and_then(|it| it.resets_in)) {
        _ if wrapped => "vendor_limit_wrapped",
        (Some(left), _) if left > 0.0 => "another_limiter",
        (Some(_), Some(reset)) if reset < 0.0 => "reset_has_passed",
        (Some(_), _) => "quota_exhausted",
        (None, _) if retry_after.is_some() => "retry_after_only",
        (None, _) => "limiter_without_numbers",
    })
}

fn shown(told: &quota::Told) -> Value {
    let mut quota = serde_json::Map::new();
    let mut put = |name: &str, value: Option<Value>| value.map(|it| quota.insert(name.to_owned(), it));
    put("policy", told.policy.clone().map(Value::from));
    put("limit", told.limit.map(number));
    put("remaining", told.remaining.map(number));
    put("resets_in", told.resets_in.map(|it| number(it.max(0.0))));
    Value::Object(quota)
}

/// A whole number as one, anything else with three decimals.
#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and below 2^53")]
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        json!(value as i64)
    } else {
        json!((value * 1000.0).round() / 1000.0)
    }
}

fn summary(
    outcome: Outcome,
    limiter: Option<&Limiter>,
    tightest: Option<&quota::Told>,
    resets_in: Option<f64>,
    status: u16,
) -> String {
    let left = tightest.and_then(|it| match (it.remaining, it.limit) {
        (Some(left), Some(limit)) => Some(format!("{} of {} left", number(left), number(limit))),
        (Some(left), None) => Some(format!("{} left", number(left))),
        _ => None,
    });
    let policy =
        tightest.and_then(|it| it.policy.as_ref()).map(|it| format!(" in `{it}`")).unwrap_or_default();
    let wait =
        resets_in.map(|it| format!(", whole again in {} s", number(it.max(0.0).ceil()))).unwrap_or_default();
    let who = limiter.map_or("an unnamed limiter", |it| it.name.as_str());
    match (outcome, left) {
        (Outcome::Limited, Some(left)) => format!("limited by {who}: {left}{policy}{wait}"),
        (Outcome::Limited, None) => format!("limited by {who} (status {status}){wait}"),
        (Outcome::NearLimit, Some(left)) => format!("near the limit of {who}: {left}{policy}{wait}"),
        (Outcome::NotLimited, Some(left)) => format!("not limited by {who}: {left}{policy}"),
        (Outcome::NotLimited, None) => format!("not limited; {who} states a policy without a count"),
        _ => format!("no limiter showed itself (status {status})"),
    }
}

#[cfg(test)]
mod tests;
