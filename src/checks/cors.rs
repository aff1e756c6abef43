//! Would a browser at this origin be allowed to make the call? The preflight, sent exactly as a browser sends it.
//!
//! One `OPTIONS` without any credential, judged by the rules of the WHATWG Fetch standard; where a page wants to GET, the answer
//! itself is asked for too, because it must pass the same check. The surprise: `Authorization` is never
//! covered by `Access-Control-Allow-Headers: *`, and an authentication layer that answers the preflight with 401 breaks every
//! browser while every other client works.

use hyper::Method;
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

use super::catalogue::Answer;
use super::exchange::{Ask, Exchange, Failed};
use super::http::{origin, wire};
use super::{Environment, NotRun, Request, identity, manners};
use crate::outcome::{CheckKind, Facts, Outcome, Report};

/// Request headers that need no permission (Fetch, CORS-safelisted request-headers). `content-type` is not among them here: who
/// lists it means one that is not a form's.
const SAFELISTED: [&str; 3] = ["accept", "accept-language", "content-language"];

/// Methods that need no permission (Fetch, CORS-safelisted methods).
const SAFE_METHODS: [&str; 3] = ["GET", "HEAD", "POST"];

/// The call that the page at the origin wants to make.
#[derive(Debug, Clone)]
struct Call {
    origin: String,
    method: String,
    /// Lower case, sorted, each once, as a browser writes them.
    headers: Vec<String>,
    /// Whether cookies are to be sent (Fetch, credentials mode "include").
    with_credentials: bool,
}

/// Probes and judges.
pub(super) async fn run(env: &Environment, request: &Request, deadline: Instant) -> Result<Report, NotRun> {
    let call = Call::read(request)?;
    let url = wire::target(&request.target)?;
    let port = url.port_or_known_default().unwrap_or(443);
    let ask = Ask {
        method: Method::OPTIONS,
        headers: preflight(&call),
        body: Bytes::new(),
        connect_to: request.with.connect_to(port)?,
        ..Ask::get(url, env.roots_with(&request.with).await?)
    };
    let needs_preflight = !call.headers.is_empty() || !SAFE_METHODS.contains(&call.method.as_str());
    let reads = matches!(call.method.as_str(), "GET" | "HEAD");
    let (verdict, phases_ms) = match manners::ask(env, &ask, false, deadline).await {
        Ok(heard) => {
            let answer = answer_of(&heard.exchange, ask.host());
            let mut verdict = judge(&call, &answer);
            if verdict.outcome == Outcome::Ok && reads {
                actual(env, &ask, &call, deadline, &mut verdict).await?;
            }
            let made = origin::attribute(&env.catalogues, &answer);
            verdict.facts.insert("made_by".to_owned(), made.who.into());
            verdict.facts.extend(made.maker.map(|it| ("maker".to_owned(), it.into())));
            (verdict, heard.exchange.phases_ms.clone())
        }
        Err(failed) => {
            wire::refused(&failed)?;
            if failed.error.is_ours() {
                return Ok(Report::error(CheckKind::Cors, &request.target, failed.error.to_string()));
            }
            (unanswered(&failed), failed.phases_ms.clone())
        }
    };
    let mut facts = verdict.facts;
    facts.insert("requested_method".to_owned(), call.method.into());
    facts.insert("requested_headers".to_owned(), json!(call.headers));
    facts.insert("requested_origin".to_owned(), call.origin.into());
    facts.insert("preflight_needed".to_owned(), needs_preflight.into());
    Ok(Report {
        check: CheckKind::Cors,
        target: request.target.clone(),
        outcome: verdict.outcome,
        facts,
        summary: verdict.summary,
        took_ms: 0.0,
        phases_ms,
    })
}

impl Call {
    fn read(request: &Request) -> Result<Self, NotRun> {
        let hint = "write the page's origin, such as `origin=https://app.example.com`";
        let text =
            request.with.get("origin").ok_or_else(|| NotRun::Usage(format!("`origin` is needed; {hint}")))?;
        let origin = match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => url.origin().ascii_serialization(),
            _ if text == "null" => text.to_owned(),
            _ => return Err(NotRun::Usage(format!("`origin` is `{text}`; {hint}"))),
        };
        let method = request.with.get("method").unwrap_or("GET").to_ascii_uppercase();
        let mut headers: Vec<_> =
            request.with.list("headers").iter().map(|it| it.to_ascii_lowercase()).collect();
        headers.retain(|it| !SAFELISTED.contains(&it.as_str()));
        headers.sort();
        headers.dedup();
        // A page cannot set this header itself; who lists it means that the browser sends its cookies.
        let has_cookie = headers.iter().any(|it| it == "cookie");
        headers.retain(|it| it != "cookie");
        let with_credentials = match request.with.get("credentials") {
            None => has_cookie,
            Some("include") => true,
            Some("omit" | "same-origin") => false,
            Some(other) => {
                let hint = "write `include`, `same-origin` or `omit`";
                return Err(NotRun::Usage(format!("`credentials` is `{other}`; {hint}")));
            }
        };
        Ok(Self { origin, method, headers, with_credentials })
    }
}

/// The headers of the preflight (Fetch, CORS-preflight fetch): no credential, names joined by a bare comma.
fn preflight(call: &Call) -> Vec<(String, String)> {
    let mut headers = vec![
        ("accept".to_owned(), "*/*".to_owned()),
        ("origin".to_owned(), call.origin.clone()),
        ("access-control-request-method".to_owned(), call.method.clone()),
    ];
    if !call.headers.is_empty() {
        headers.push(("access-control-request-headers".to_owned(), call.headers.join(",")));
    }
    headers.extend(identity::headers());
    headers
}

/// Asks for what the page wants to read, and what it gets must pass the CORS check too (Fetch §4.9). An answer that cannot be had,
/// and an error's answer, leave the verdict as it is: what hides behind a missing header there is a server's fault and no CORS rule
/// (checks.md §10, X8). So does the answer to another request than the page's: no credential is ever sent from here.
async fn actual(
    env: &Environment,
    preflight: &Ask,
    call: &Call,
    deadline: Instant,
    verdict: &mut Verdict,
) -> Result<(), NotRun> {
    let mut headers =
        vec![("accept".to_owned(), "*/*".to_owned()), ("origin".to_owned(), call.origin.clone())];
    headers.extend(identity::headers());
    let method = Method::from_bytes(call.method.as_bytes()).unwrap_or(Method::GET);
    let ask = Ask { method, headers, ..preflight.clone() };
    let exchange = match manners::ask(env, &ask, false, deadline).await {
        Ok(heard) => heard.exchange,
        Err(failed) => return wire::refused(&failed),
    };
    let answer = answer_of(&exchange, preflight.host());
    verdict.facts.insert("answer_status".to_owned(), answer.status.into());
    let fault = origin_fault(call, &answer);
    if answer.status >= 300 {
        if fault.is_some() {
            verdict.facts.insert("hidden_from_the_page".to_owned(), true.into());
        }
        return Ok(());
    }
    let echoes = answer.header("access-control-allow-origin").is_some_and(|it| it == call.origin);
    let varies = answer.joined("vary").unwrap_or_default().to_ascii_lowercase();
    if echoes && !list(&varies).any(|it| it == "origin" || it == "*") {
        verdict.facts.insert("vary_lacks_origin".to_owned(), true.into());
    }
    if let Some((outcome, diagnosis, summary)) = fault {
        // Without the page's own credentials and headers this may be another answer than the page's.
        if call.with_credentials || !call.headers.is_empty() {
            verdict.facts.insert("answer_without_credentials".to_owned(), diagnosis.into());
            return Ok(());
        }
        verdict.outcome = outcome;
        verdict.facts.insert("diagnosis".to_owned(), format!("answer_{diagnosis}").into());
        verdict.summary = format!("the preflight is fine, but of the answer itself {summary}");
    }
    Ok(())
}

fn answer_of<'a>(exchange: &'a Exchange, host: &'a str) -> Answer<'a> {
    Answer::new(exchange.status, host, &exchange.headers, &exchange.body)
}

#[derive(Debug)]
struct Verdict {
    outcome: Outcome,
    facts: Facts,
    summary: String,
}

/// No answer to the preflight is a rejection: the browser gives up the call.
fn unanswered(failed: &Failed) -> Verdict {
    let facts = Facts::from([
        ("diagnosis".to_owned(), "no_answer".into()),
        ("reason".to_owned(), failed.error.to_string().into()),
    ]);
    let summary = format!("the preflight got no answer: {}", failed.error);
    Verdict { outcome: Outcome::PreflightRejected, facts, summary }
}

/// One thing that is wrong: its outcome, its diagnosis, and a sentence.
type Fault = (Outcome, &'static str, String);

fn judge(call: &Call, answer: &Answer<'_>) -> Verdict {
    let mut faults: Vec<Fault> = Vec::new();
    if (200..300).contains(&answer.status) {
        faults.extend(malformed_fault(answer));
        faults.extend(method_fault(call, answer));
        faults.extend(header_faults(call, answer));
        faults.extend(origin_fault(call, answer));
    } else {
        faults.push(status_fault(answer.status));
    }
    // Of headers that are not allowed, `Authorization` is the more specific finding.
    let without_authorization = faults.iter().any(|it| it.0 == Outcome::AuthorizationNotAllowed);
    let rank = |it: &Fault| {
        let is_lesser = without_authorization && it.1 == "header_not_allowed";
        (is_lesser, CheckKind::Cors.outcomes().iter().position(|known| *known == it.0))
    };
    faults.sort_by_key(rank);

    let mut facts = Facts::from([("status".to_owned(), answer.status.into())]);
    for name in [
        "access-control-allow-origin",
        "access-control-allow-methods",
        "access-control-allow-headers",
        "access-control-allow-credentials",
        "access-control-max-age",
    ] {
        let key = name.trim_start_matches("access-control-").replace('-', "_");
        facts.extend(
            answer.joined(name).map(|it| (key, Value::from(it.chars().take(300).collect::<String>()))),
        );
    }
    if faults.len() > 1 {
        let also = faults[1..].iter().filter(|it| it.0 != faults[0].0).map(|it| it.0.id());
        facts.insert("also".to_owned(), also.collect());
    }
    let Some((outcome, diagnosis, summary)) = faults.into_iter().next() else {
        let summary = format!("a page at {} may send this {} request", call.origin, call.method);
        return Verdict { outcome: Outcome::Ok, facts, summary };
    };
    facts.insert("diagnosis".to_owned(), diagnosis.into());
    Verdict { outcome, facts, summary }
}

fn status_fault(status: u16) -> Fault {
    let (diagnosis, why) = match status {
        401 | 403 => ("auth_answers_preflight", "an authentication layer stands in front of CORS"),
        404 | 405 => ("no_options_route", "there is no route for OPTIONS"),
        300..=399 => ("preflight_redirects", "browsers follow no redirect here"),
        429 => ("limiter_answers_preflight", "a limiter stands in front of CORS"),
        _ => ("preflight_fails", "a preflight must answer 2xx"),
    };
    (Outcome::PreflightRejected, diagnosis, format!("the preflight answers {status}: {why}"))
}

/// A list of names that holds something else makes the whole answer a network error (Fetch, extract header list values).
fn malformed_fault(answer: &Answer<'_>) -> Option<Fault> {
    let is_token =
        |name: &str| name.bytes().all(|it| it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&it));
    let bad = ["access-control-allow-methods", "access-control-allow-headers"]
        .into_iter()
        .find(|name| answer.joined(name).is_some_and(|text| !list(&text).all(is_token)))?;
    let summary = format!("`{bad}` is no comma list of names, so browsers reject the whole answer");
    Some((Outcome::PreflightRejected, "malformed_list", summary))
}

fn method_fault(call: &Call, answer: &Answer<'_>) -> Option<Fault> {
    let allowed = answer.joined("access-control-allow-methods").unwrap_or_default();
    let is_listed = list(&allowed).any(|it| it == call.method);
    let is_open = !call.with_credentials && list(&allowed).any(|it| it == "*");
    if is_listed || is_open || SAFE_METHODS.contains(&call.method.as_str()) {
        return None;
    }
    let diagnosis = if list(&allowed).any(|it| it.eq_ignore_ascii_case(&call.method)) {
        "method_in_another_case"
    } else if list(&allowed).any(|it| it == "*") {
        "wildcard_with_credentials"
    } else {
        "method_not_allowed"
    };
    let summary = format!("`Access-Control-Allow-Methods` does not allow {}", call.method);
    Some((Outcome::PreflightRejected, diagnosis, summary))
}

fn header_faults(call: &Call, answer: &Answer<'_>) -> Vec<Fault> {
    let allowed = answer.joined("access-control-allow-headers").unwrap_or_default().to_ascii_lowercase();
    let is_listed = |name: &str| list(&allowed).any(|it| it == name);
    let has_star = is_listed("*");
    let is_open = has_star && !call.with_credentials;
    let missing = call.headers.iter().filter(|name| !is_listed(name));
    missing
        .filter(|name| *name == "authorization" || !is_open)
        .map(|name| match name.as_str() {
            "authorization" if has_star => (
                Outcome::AuthorizationNotAllowed,
                "wildcard_does_not_cover_authorization",
                "`Access-Control-Allow-Headers: *` does not cover `Authorization`".to_owned(),
            ),
            "authorization" => (
                Outcome::AuthorizationNotAllowed,
                "authorization_not_listed",
                "`Access-Control-Allow-Headers` does not list `Authorization`".to_owned(),
            ),
            _ => (
                Outcome::PreflightRejected,
                if has_star { "wildcard_with_credentials" } else { "header_not_allowed" },
                format!("`Access-Control-Allow-Headers` does not allow `{name}`"),
            ),
        })
        .collect()
}

/// The CORS check (Fetch §4.9): the same for the preflight's answer and for the answer itself.
fn origin_fault(call: &Call, answer: &Answer<'_>) -> Option<Fault> {
    let lines = answer.fitting("access-control-allow-origin").count();
    let allowed = answer.joined("access-control-allow-origin");
    let fault = |diagnosis, summary| Some((Outcome::OriginNotAllowed, diagnosis, summary));
    match allowed.as_deref().map(str::trim) {
        Some("*") if call.with_credentials => fault(
            "wildcard_with_credentials",
            "`Access-Control-Allow-Origin: *` does not hold for a request with credentials".to_owned(),
        ),
        Some("*") => None,
        Some(it) if it == call.origin && lines == 1 => {
            let credentials = answer.joined("access-control-allow-credentials");
            if !call.with_credentials || credentials.as_deref() == Some("true") {
                return None;
            }
            fault(
                "credentials_not_allowed",
                "`Access-Control-Allow-Credentials` is not `true`, and the page sends credentials".to_owned(),
            )
        }
        None => fault("origin_missing", "the answer has no `Access-Control-Allow-Origin`".to_owned()),
        Some(it) if lines > 1 || it.contains(',') => {
            fault("several_origins", format!("`Access-Control-Allow-Origin` holds several values: {it}"))
        }
        Some(it) => {
            fault("other_origin", format!("`Access-Control-Allow-Origin` is {it}, not {}", call.origin))
        }
    }
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|it| !it.is_empty())
}

#[cfg(test)]
mod tests;
