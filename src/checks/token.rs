//! `token`: is the token what the API wants?
//!
//! The token comes by standard input (`-`) or from the environment (`env:NAME`), never as the target itself, and is in no
//! fact, summary or error: only what its issuer made public (`alg`, `kid`, `typ`, `iss`, `aud`, times, scope names) and margins
//! in seconds. Verifiers differ in their leeway, so the margins matter more than the verdict. Nothing here calls a token
//! endpoint, and an opaque token is not looked up anywhere.

mod key_set;
mod presented;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::Instant;

use self::key_set::{KeySet, Signature};
use self::presented::{Jwt, Presented};
use super::{Environment, NotRun, Request, document};
use crate::duration;
use crate::outcome::{CheckKind, Facts, Outcome, Report};

/// How far clocks may differ by default, in seconds: what most verifiers allow (the jsonwebtoken crate: 60 s).
const LEEWAY: SignedDuration = SignedDuration::from_secs(60);

/// The longest key set that is read. Large providers publish some ten keys, a few KiB.
const KEY_SET_MAX_BYTES: usize = 256 * 1024;

/// The longest text shown of a name out of a token: what a stranger wrote may be of any length.
const SHOWN_CHARS: usize = 200;

/// What the API wants.
struct Expectation {
    issuer: Option<String>,
    audience: Option<String>,
    scopes: Vec<String>,
    scheme: String,
    leeway: SignedDuration,
    now: Timestamp,
    server_date: Option<Timestamp>,
    /// Whether anything is expected of claims or signature.
    wants_claims: bool,
}

impl Expectation {
    fn presented(&self, input: &str) -> Presented {
        Presented::read(input, &self.scheme, self.wants_claims)
    }
}

/// What was gathered: the text that holds the token, and the key set.
struct Observation {
    input: String,
    keys: Keys,
}

/// The issuer's key set.
enum Keys {
    /// Nobody named one.
    NotNamed,
    /// It could not be had, and why.
    Missing(String),
    /// Its text.
    Text(String),
}

/// One thing that is wrong with the token.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    outcome: Outcome,
    /// The finer finding, in `snake_case`.
    diagnosis: &'static str,
    /// One sentence for a person.
    says: String,
}

impl Finding {
    fn new(outcome: Outcome, diagnosis: &'static str, says: impl Into<String>) -> Self {
        Self { outcome, diagnosis, says: says.into() }
    }
}

pub(super) async fn run(env: &Environment, request: &Request, deadline: Instant) -> Result<Report, NotRun> {
    let expectation = expectation(request)?;
    let observation = probe(env, request, &expectation, deadline).await?;
    Ok(judge(&request.target, &observation, &expectation))
}

fn expectation(request: &Request) -> Result<Expectation, NotRun> {
    let with = &request.with;
    let leeway = with.duration("leeway")?.map_or(LEEWAY, |it| SignedDuration::try_from(it).unwrap_or(LEEWAY));
    let instant = "an instant such as `2026-11-01T10:02:00Z`";
    let scopes = with.get("scope").unwrap_or_default();
    Ok(Expectation {
        issuer: with.get("issuer").map(str::to_owned),
        audience: with.get("audience").map(str::to_owned),
        scopes: scopes.split([' ', ',']).filter(|it| !it.is_empty()).map(str::to_owned).collect(),
        scheme: with.get("scheme").unwrap_or("Bearer").to_owned(),
        leeway,
        now: with.parsed("now", instant)?.unwrap_or(request.now),
        server_date: server_date(with.get("server_date"))?,
        wants_claims: ["issuer", "audience", "scope", "jwks"].iter().any(|key| with.get(key).is_some()),
    })
}

/// RFC 3339, or as HTTP writes dates (RFC 9110 §5.6.7).
fn server_date(text: Option<&str>) -> Result<Option<Timestamp>, NotRun> {
    let Some(text) = text else { return Ok(None) };
    let read = text.parse().or_else(|_| jiff::fmt::rfc2822::parse(text).map(|it| it.timestamp()));
    read.map(Some).map_err(|_| {
        NotRun::Usage(format!(
            "`server_date` is `{text}`; write a date such as `Sun, 01 Nov 2026 10:02:00 GMT`"
        ))
    })
}

async fn probe(
    env: &Environment,
    request: &Request,
    expectation: &Expectation,
    deadline: Instant,
) -> Result<Observation, NotRun> {
    let input = input(env, &request.target)?;
    let keys = match request.with.get("jwks") {
        None => Keys::NotNamed,
        // Without a token that can be read there is nothing to verify, and no reason to ask the issuer.
        Some(_) if expectation.presented(&input).jwt.is_none() => Keys::NotNamed,
        Some(place) => {
            let env = document::trusting(env, &request.with).await?;
            keys(&env, place, deadline).await?
        }
    };
    Ok(Observation { input, keys })
}

/// The key set at this place, or the one that the issuer's metadata (RFC 8414, OpenID Connect Discovery) at this place names.
async fn keys(env: &Environment, place: &str, deadline: Instant) -> Result<Keys, NotRun> {
    let mut place = place.to_owned();
    for _ in 0..2 {
        match document::read(env, "the key set", &place, KEY_SET_MAX_BYTES, deadline).await {
            Ok(text) => match key_set::location(&text) {
                Some(next) => place = next,
                None => return Ok(Keys::Text(text)),
            },
            Err(document::Unreadable::Refused(refusal)) => return Err(refusal.into()),
            Err(unreadable) => return Ok(Keys::Missing(unreadable.to_string())),
        }
    }
    Ok(Keys::Missing("the issuer's metadata names other metadata instead of a key set".to_owned()))
}

/// The text that holds the token; the command layer put it among the secrets.
fn input(env: &Environment, target: &str) -> Result<String, NotRun> {
    if let Some(name) = target.strip_prefix("env:") {
        return env.secrets.get(name).cloned().ok_or_else(|| {
            NotRun::Usage(format!(
                "the environment variable `{name}` is not set, so there is no token to look at"
            ))
        });
    }
    if target == "-" {
        return env.secrets.get("-").cloned().ok_or_else(|| {
            NotRun::Usage("there is no standard input here; name a variable with `env:NAME`".to_owned())
        });
    }
    Err(NotRun::Usage(
        "the token comes by standard input (`-`) or from the environment (`env:NAME`); as an argument it would stay in histories and process lists"
            .to_owned(),
    ))
}

/// The outcome for a presented token, with nothing expected of its claims.
pub(super) fn judge_text(text: &str, key_set: Option<&str>, now: Timestamp) -> Outcome {
    let expectation = Expectation {
        issuer: None,
        audience: None,
        scopes: Vec::new(),
        scheme: "Bearer".to_owned(),
        leeway: LEEWAY,
        now,
        server_date: None,
        wants_claims: key_set.is_some(),
    };
    let keys = key_set.map_or(Keys::NotNamed, |it| Keys::Text(it.to_owned()));
    judge("-", &Observation { input: text.to_owned(), keys }, &expectation).outcome
}

/// The verdict: of several findings the first in the table of outcomes is the outcome.
fn judge(target: &str, observation: &Observation, expectation: &Expectation) -> Report {
    let presented = expectation.presented(&observation.input);
    let mut facts = Facts::new();
    let mut fact = |name: &str, value: Value| {
        facts.insert(name.to_owned(), value);
    };
    if let Some(scheme) = &presented.scheme {
        fact("scheme", json!(shown(scheme)));
    }
    let mut findings = presented.findings;
    let mut unknown = None;
    if let Some(jwt) = &presented.jwt {
        describe(jwt, expectation, &mut fact);
        findings.extend(times(jwt, expectation));
        findings.extend(audience(jwt, expectation));
        findings.extend(issuer(jwt, expectation));
        findings.extend(scopes(jwt, expectation, &mut fact));
        match signature(jwt, &observation.keys, &mut fact) {
            Signature::Bad { diagnosis, says } => {
                findings.push(Finding::new(Outcome::BadSignature, diagnosis, says));
            }
            Signature::Unknown(why) => {
                fact("signature", json!("unknown"));
                unknown = Some(why);
            }
            Signature::Good => fact("signature", json!("verified")),
            Signature::NotChecked => fact("signature", json!("not checked: no key set named")),
        }
    } else if let Some(why) = presented.unreadable {
        unknown = Some(why);
    } else if presented.is_opaque {
        fact("opaque", json!(true));
        if expectation.wants_claims {
            unknown =
                Some("These credentials carry no claims and no signature that could be compared.".to_owned());
        }
    }
    conclude(target, facts, findings, unknown)
}

/// Row order decides between findings; what could not be told outranks a finding that stands behind it in the row.
fn conclude(target: &str, mut facts: Facts, mut findings: Vec<Finding>, unknown: Option<String>) -> Report {
    let place = |outcome: Outcome| CheckKind::Token.outcomes().iter().position(|it| *it == outcome);
    findings.sort_by_key(|finding| place(finding.outcome));
    if let Some(why) = unknown {
        let decided =
            findings.first().is_some_and(|first| place(first.outcome) < place(Outcome::BadSignature));
        if !decided {
            let mut report = Report::error(CheckKind::Token, target, why);
            report.facts.append(&mut facts);
            return report;
        }
        facts.insert("key_set".to_owned(), json!(why));
    }
    let (outcome, summary) = match findings.first() {
        None => (Outcome::Valid, valid_summary(&facts)),
        Some(first) => {
            facts.insert("diagnosis".to_owned(), json!(first.diagnosis));
            (first.outcome, first.says.clone())
        }
    };
    let mut also: Vec<&str> =
        findings.iter().map(|it| it.outcome.id()).filter(|id| *id != outcome.id()).collect();
    also.dedup();
    if !also.is_empty() {
        facts.insert("also".to_owned(), json!(also));
    }
    Report {
        check: CheckKind::Token,
        target: target.to_owned(),
        outcome,
        facts,
        summary,
        took_ms: 0.0,
        phases_ms: std::collections::BTreeMap::new(),
    }
}

fn valid_summary(facts: &Facts) -> String {
    if facts.contains_key("opaque") {
        return "The credentials are well formed; what they are good for only the server can tell."
            .to_owned();
    }
    let good_for = match facts.get("expires_in_s").and_then(Value::as_i64) {
        Some(seconds) if seconds <= 0 => {
            ", though only by the leeway: it has expired for a verifier without one".to_owned()
        }
        Some(seconds) => {
            format!(" for another {}", duration::show(std::time::Duration::from_secs(seconds.unsigned_abs())))
        }
        None => ", and never expires".to_owned(),
    };
    let signature = match facts.get("signature").and_then(Value::as_str) {
        Some("verified") => "its signature verifies",
        _ => "its signature was not checked (name the key set with `jwks`)",
    };
    format!("The token is good{good_for}; {signature}.")
}

/// What may be shown of a token.
fn describe(jwt: &Jwt, expectation: &Expectation, fact: &mut impl FnMut(&str, Value)) {
    fact("alg", json!(shown(&jwt.alg)));
    for name in ["kid", "typ"] {
        if let Some(Value::String(text)) = jwt.header.get(name) {
            fact(name, json!(shown(text)));
        }
    }
    if let Some(issuer) = jwt.text("iss") {
        fact("iss", json!(shown(issuer)));
    }
    let audiences = jwt.audiences();
    if !audiences.is_empty() {
        fact("aud", json!(audiences.iter().map(|it| shown(it)).collect::<Vec<_>>()));
    }
    for name in ["exp", "nbf", "iat"] {
        if let Some(seconds) = jwt.time(name) {
            fact(name, instant(seconds));
        }
    }
    let now = seconds(expectation.now);
    let whole = |seconds: f64| json!(rounded(seconds));
    let mut margins = Vec::new();
    if let Some(exp) = jwt.time("exp") {
        fact("expires_in_s", whole(exp - now));
        margins.push(exp - now);
    }
    if let Some(nbf) = jwt.time("nbf") {
        fact("valid_since_s", whole(now - nbf));
        margins.push(now - nbf);
    }
    if let Some(iat) = jwt.time("iat") {
        fact("age_s", whole(now - iat));
    }
    // Verifiers allow 0, 60 or 300 s (checks.md §7 step 4): nearer than that, another verifier may see it otherwise.
    if let Some(nearest) = margins.into_iter().map(f64::abs).min_by(f64::total_cmp) {
        fact("within_60s", json!(nearest <= 60.0));
        fact("within_300s", json!(nearest <= 300.0));
    }
    if jwt.claims.contains_key("cnf") {
        // RFC 7800: bound to its sender's key; sent as a plain bearer token it is refused.
        fact("sender_constrained", json!(true));
    }
}

fn times(jwt: &Jwt, expectation: &Expectation) -> Vec<Finding> {
    let (now, leeway) = (seconds(expectation.now), expectation.leeway.as_secs_f64());
    let mut findings = Vec::new();
    // RFC 7519 §4.1.4: "on or after" the instant it is no longer accepted.
    if let Some(exp) = jwt.time("exp").filter(|exp| now - leeway >= *exp) {
        findings.push(Finding::new(
            Outcome::Expired,
            "expired",
            format!("The token expired {} ago ({}).", span(now - exp), plain(&instant(exp))),
        ));
    }
    let nbf = jwt.time("nbf");
    if let Some(nbf) = nbf.filter(|nbf| now + leeway < *nbf) {
        findings.push(Finding::new(
            Outcome::NotYetValid,
            unit_diagnosis(nbf).unwrap_or("not_yet_valid"),
            format!("The token is valid only in {} ({}).", span(nbf - now), plain(&instant(nbf))),
        ));
    }
    if let Some(iat) = jwt.time("iat").filter(|iat| nbf.is_none() && now + leeway < *iat) {
        findings.push(Finding::new(
            Outcome::ClockSkew,
            unit_diagnosis(iat).unwrap_or("issued_in_the_future"),
            format!(
                "The token says it was issued {} from now: the issuer's clock is ahead of ours.",
                span(iat - now)
            ),
        ));
    }
    if let Some(date) = expectation.server_date {
        let ahead = seconds(date) - now;
        if ahead.abs() > leeway {
            let way = if ahead > 0.0 { "ahead of" } else { "behind" };
            findings.push(Finding::new(
                Outcome::ClockSkew,
                "server_clock",
                format!("The server's clock is {} {way} ours; it judges the token by its own.", span(ahead)),
            ));
        }
    }
    findings
}

/// Claims in milliseconds are a common mistake; RFC 7519 §2 counts seconds. 10^11 s is the year 5138.
fn unit_diagnosis(seconds: f64) -> Option<&'static str> {
    if seconds > 1e11 { Some("milliseconds_not_seconds") } else { None }
}

fn audience(jwt: &Jwt, expectation: &Expectation) -> Option<Finding> {
    let wanted = expectation.audience.as_deref()?;
    let audiences = jwt.audiences();
    if audiences.contains(&wanted) {
        return None;
    }
    if audiences.is_empty() {
        let says = format!("The token names no audience; the API wants `{wanted}`.");
        return Some(Finding::new(Outcome::WrongAudience, "audience_missing", says));
    }
    let named: Vec<String> = audiences.iter().map(|it| format!("`{}`", shown(it))).collect();
    let diagnosis =
        if audiences.iter().any(|it| differ_by_slash(it, wanted)) { "trailing_slash" } else { "audience" };
    let says = format!("The token is for {}; the API wants `{wanted}`.", named.join(", "));
    Some(Finding::new(Outcome::WrongAudience, diagnosis, says))
}

fn issuer(jwt: &Jwt, expectation: &Expectation) -> Option<Finding> {
    let wanted = expectation.issuer.as_deref()?;
    match jwt.text("iss") {
        Some(issuer) if issuer == wanted => None,
        Some(issuer) => {
            let diagnosis = if differ_by_slash(issuer, wanted) { "trailing_slash" } else { "issuer" };
            let says = format!("The token is from `{}`; the API trusts `{wanted}`.", shown(issuer));
            Some(Finding::new(Outcome::WrongIssuer, diagnosis, says))
        }
        None => {
            let says = format!("The token names no issuer; the API trusts `{wanted}`.");
            Some(Finding::new(Outcome::WrongIssuer, "issuer_missing", says))
        }
    }
}

/// Both are compared as exact strings (RFC 7519 §4.1.1); a slash too many is the classic.
fn differ_by_slash(one: &str, other: &str) -> bool {
    one != other && one.trim_end_matches('/') == other.trim_end_matches('/')
}

fn scopes(jwt: &Jwt, expectation: &Expectation, fact: &mut impl FnMut(&str, Value)) -> Option<Finding> {
    let granted: BTreeSet<String> = jwt.scopes().into_iter().collect();
    if !granted.is_empty() {
        fact("scope", json!(granted.iter().map(|it| shown(it)).collect::<Vec<_>>()));
    }
    let missing: Vec<&str> =
        expectation.scopes.iter().filter(|it| !granted.contains(*it)).map(String::as_str).collect();
    if missing.is_empty() {
        return None;
    }
    fact("missing_scope", json!(missing));
    let diagnosis = if granted.is_empty() { "no_scope_at_all" } else { "scope_missing" };
    let says = format!("The token lacks the scope `{}`.", missing.join(" "));
    Some(Finding::new(Outcome::InsufficientScope, diagnosis, says))
}

fn signature(jwt: &Jwt, keys: &Keys, fact: &mut impl FnMut(&str, Value)) -> Signature {
    if jwt.alg.eq_ignore_ascii_case("none") {
        return Signature::Bad {
            diagnosis: "alg_none",
            says: "The token is not signed (`alg` is `none`); no API may accept that.".to_owned(),
        };
    }
    if jwt.signature.is_empty() {
        let says = "The token's signature is missing: cut off, or taken away on the way.".to_owned();
        return Signature::Bad { diagnosis: "no_signature", says };
    }
    match keys {
        Keys::NotNamed => Signature::NotChecked,
        Keys::Missing(why) => Signature::Unknown(why.clone()),
        Keys::Text(text) => match KeySet::parse(text) {
            Ok(keys) => {
                fact("key_ids", json!(keys.ids().map(shown).collect::<Vec<_>>()));
                keys.verify(jwt)
            }
            Err(why) => Signature::Unknown(why),
        },
    }
}

/// A name out of a token, bounded.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

#[expect(clippy::cast_possible_truncation, reason = "saturates; a claim may hold any number")]
fn rounded(seconds: f64) -> i64 {
    seconds.round() as i64
}

/// An instant for a report; the bare number where no calendar reaches.
fn instant(seconds: f64) -> Value {
    match Timestamp::from_second(rounded(seconds)) {
        Ok(at) => json!(at),
        Err(_) => json!(rounded(seconds)),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A span of seconds for a person, whatever its sign.
fn span(seconds: f64) -> String {
    std::time::Duration::try_from_secs_f64(seconds.abs()).map_or_else(|_| "ages".to_owned(), duration::show)
}

#[cfg(test)]
mod tests;
