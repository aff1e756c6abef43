//! `contract`: is the request what the API description asks for?
//!
//! TARGET is a file with one failing request, `-` for standard input, or the request itself as a person pasted it.
//! Compares it with an OpenAPI 3.x description: server and path, method, content type, parameters and
//! body, and nothing is sent anywhere but for the description itself. Security requirements are left to the `token` check.
//! A description drifts from its API, so the report says which version and text of it was used; and what the text of the
//! request does not show is noted as not evaluated instead of being held against it.

mod bundle;
mod description;
mod response;
mod security;
mod parts;
mod routing;
mod schema;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use self::description::{Description, Route};
use self::parts::Compared;
use self::schema::Violation;
use super::judging::{self, Until};
use super::{Environment, NotRun, Request, document};
use crate::outcome::{CheckKind, Facts, Outcome, Report};
use crate::request::FailingRequest;

/// What stands in the report for a target that is the request itself: a pasted request holds credentials.
const PASTED: &str = "the pasted request";

/// The longest description that is read, with all documents that it refers to. GitHub's, among the largest, has 12 MiB.
const SPEC_MAX_BYTES: usize = 32 * 1024 * 1024;

/// The most values in it, by the marks that stand between them: as a tree each takes some hundred bytes. GitHub's has about a million.
const SPEC_MAX_MARKS: usize = 3_000_000;

/// The most violations in the facts; one mistake often breaks many places.
const LISTED: usize = 20;

/// The texts of both sides.
struct Observation {
    request: String,
    spec: Arc<str>,
    /// Places and texts of the documents that the description refers to, as far as they could be had.
    others: Vec<(String, Arc<str>)>,
}

pub(super) async fn run(env: &Environment, request: &Request, deadline: Instant) -> Result<Report, NotRun> {
    let spec = request.with.get("spec").ok_or_else(|| {
        NotRun::Usage("name the API description: `spec` is an OpenAPI 3.x file or URL".to_owned())
    })?;
    let target = if is_pasted(&request.target) { PASTED } else { &request.target };
    match probe(env, request, spec, deadline).await? {
        Ok(observation) => {
            let (place, named) = (spec.to_owned(), target.to_owned());
            let judged =
                judging::within(deadline, move |until| judge(&named, &place, &observation, until)).await;
            Ok(judged.unwrap_or_else(|| {
                let why = format!(
                    "comparing the request with the description `{spec}` takes longer than there is time"
                );
                Report::error(CheckKind::Contract, target, why)
            }))
        }
        Err(unreadable) => Ok(Report::error(CheckKind::Contract, target, unreadable.to_string())),
    }
}

/// Whether the target is a request as a person pasted it and not the name of a file that holds one.
fn is_pasted(target: &str) -> bool {
    let text = target.trim();
    let begins_like_one = ["curl ", "$ curl ", "{", "[", "```"].iter().any(|start| text.starts_with(start));
    let is_line = text.contains(' ') && !text.starts_with('/') && FailingRequest::parse(text).is_ok();
    begins_like_one || text.contains('\n') || is_line
}

async fn probe(
    env: &Environment,
    request: &Request,
    spec: &str,
    deadline: Instant,
) -> Result<Result<Observation, document::Unreadable>, NotRun> {
    let text = match request.target.as_str() {
        "-" => env.secrets.get("-").cloned().ok_or_else(|| {
            NotRun::Usage("there is no standard input here; name a file with the failing request".to_owned())
        })?,
        pasted if is_pasted(pasted) => pasted.to_owned(),
        file => match document::read(env, "the request", file, crate::request::MAX_BYTES, deadline).await {
            Ok(text) => text,
            Err(unreadable) => return Ok(Err(unreadable)),
        },
    };
    let env = document::trusting(env, &request.with).await?;
    match document::read(&env, "the description", spec, SPEC_MAX_BYTES, deadline).await {
        Err(document::Unreadable::Refused(refusal)) => Err(refusal.into()),
        Err(unreadable) => Ok(Err(unreadable)),
        Ok(text_of_spec) if marks(&text_of_spec) > SPEC_MAX_MARKS => {
            let why = format!("it has more than {SPEC_MAX_MARKS} values");
            Ok(Err(document::Unreadable::Missing { what: "the description", place: spec.to_owned(), why }))
        }
        Ok(text_of_spec) => {
            let (text_of_spec, references) = references(spec, text_of_spec, deadline).await;
            let others = others(&env, spec, &text_of_spec, references, deadline).await;
            Ok(Ok(Observation { request: text, spec: text_of_spec, others }))
        }
    }
}

/// How many values a text of JSON or YAML can have at most.
fn marks(text: &str) -> usize {
    text.bytes().filter(|it| matches!(it, b',' | b':' | b'[' | b'{' | b'\n')).count()
}

/// The documents that a description refers to, and those that these refer to. One that cannot be had is left out: what it
/// describes is then not evaluated.
async fn others(
    env: &Environment,
    place: &str,
    text: &str,
    references_of_it: Vec<String>,
    deadline: Instant,
) -> Vec<(String, Arc<str>)> {
    let mut wanted = references_of_it;
    let mut bytes_left = SPEC_MAX_BYTES.saturating_sub(text.len());
    let mut marks_left = SPEC_MAX_MARKS.saturating_sub(marks(text));
    let mut seen = std::collections::BTreeSet::from([place.to_owned()]);
    let mut found = Vec::new();
    while let Some(next) = wanted.pop() {
        if !seen.insert(next.clone()) || seen.len() > bundle::MOST_DOCUMENTS {
            continue;
        }
        if let Ok(text) = document::read(env, "a part of the description", &next, bytes_left, deadline).await
            && let Some(left) = marks_left.checked_sub(marks(&text))
        {
            marks_left = left;
            bytes_left -= text.len();
            let (text, more) = references(&next, text, deadline).await;
            wanted.extend(more);
            found.push((next, text));
        }
    }
    found
}

/// The documents that a text refers to, as far as there is time to look; and the text.
async fn references(place: &str, text: String, deadline: Instant) -> (Arc<str>, Vec<String>) {
    let text: Arc<str> = text.into();
    // A description without a `$ref` beyond itself need not be read twice.
    if !text.contains("$ref") {
        return (text, Vec::new());
    }
    let (kept, place) = (Arc::clone(&text), place.to_owned());
    let found = judging::within(deadline, move |until| {
        description::value_of(&place, &kept).map(|it| bundle::foreign(&place, &it, until)).unwrap_or_default()
    });
    (text, found.await.unwrap_or_default())
}

/// The outcome for these texts of a description and of a request.
pub(super) fn judge_texts(description: &str, request: &str) -> Outcome {
    let (request, spec) = (request.to_owned(), description.into());
    judge(PASTED, "openapi.yaml", &Observation { request, spec, others: Vec::new() }, Until::DONE).outcome
}

/// The verdict.
fn judge(target: &str, spec: &str, observation: &Observation, until: Until) -> Report {
    let error = |why: String| Report::error(CheckKind::Contract, target, why);
    let request = match FailingRequest::parse(&observation.request) {
        Ok(request) => request,
        Err(problem) => return error(problem.to_string()),
    };
    let description = match Description::parse(spec, &observation.spec, &observation.others, until) {
        Ok(description) => description,
        Err(why) => return error(why),
    };
    let mut facts = Facts::new();
    let mut fact = |name: &str, value: Value| {
        facts.insert(name.to_owned(), value);
    };
    fact("spec_title", json!(description.title));
    fact("spec_version", json!(description.version));
    fact("spec_hash", json!(description.hash));
    fact("method", json!(request.method));
    fact("path", json!(request.path));
    fact("request_form", json!(request.form));
    if let Some(status) = request.status() {
        fact("response_status", json!(status));
    }
    if let Some(host) = &request.host
        && let Some(known) = description.knows_host(host)
    {
        fact("host_in_servers", json!(known));
    }
    let (outcome, summary) = verdict(&description, &request, &mut fact);
    Report {
        check: CheckKind::Contract,
        target: target.to_owned(),
        outcome,
        facts,
        summary,
        took_ms: 0.0,
        phases_ms: BTreeMap::new(),
    }
}

fn verdict(
    description: &Description,
    request: &FailingRequest,
    fact: &mut impl FnMut(&str, Value),
) -> (Outcome, String) {
    let host = request.host.as_deref();
    let routes = description.routes(host, &request.path);
    let Some(route) = best(&routes, &request.method) else {
        return elsewhere(description, request, fact);
    };
    fact("path_template", json!(route.template));
    if !route.base.is_empty() {
        fact("base_path", json!(route.base));
    }
    if routes.len() > 1 {
        fact("candidates", json!(routes.iter().map(Route::full).collect::<Vec<_>>()));
    }
    let Some(operation) = route.operation(&request.method) else {
        let allowed = route.methods();
        let says = format!(
            "`{}` takes {}; the request is a {}.",
            route.full(),
            if allowed.is_empty() { "no method".to_owned() } else { allowed.join(", ") },
            request.method
        );
        fact("allowed_methods", json!(allowed));
        return (Outcome::MethodNotAllowed, says);
    };
    let name = operation.get("operationId").and_then(Value::as_str);
    let place = format!("{} {}", request.method, route.full());
    fact("operation", json!(name.unwrap_or(&place)));
    if let Some(status) = request.status() {
        fact("response_documented", json!(is_documented(operation, status)));
    }
    let unmet = security::unmet(description, operation, request);
    if !unmet.is_empty() {
        fact("security_missing", json!(unmet));
    }
    if let Some(response) = &request.response {
        response::compare(description, operation, response, fact);
    }
    if operation.get("deprecated").and_then(Value::as_bool) == Some(true) {
        fact("deprecated", json!(true));
    }
    let compared = parts::compare(description, route, operation, request);
    of_parts(description, request, &place, &compared, fact)
}

/// The route that the request means: the most concrete one; of equally concrete ones the one that has the method.
fn best<'r, 'a>(routes: &'r [Route<'a>], method: &str) -> Option<&'r Route<'a>> {
    let first = routes.first()?;
    let shape = |route: &Route<'_>| route.template.split('/').map(|it| it.contains('{')).collect::<Vec<_>>();
    let equals = routes.iter().take_while(|route| shape(route) == shape(first));
    equals.into_iter().find(|route| route.operation(method).is_some()).or(Some(first))
}

/// The path is not in the description.
fn elsewhere(
    description: &Description,
    request: &FailingRequest,
    fact: &mut impl FnMut(&str, Value),
) -> (Outcome, String) {
    let host = request.host.as_deref();
    let bases: Vec<String> = description.bases(host).into_iter().filter(|base| !base.is_empty()).collect();
    if !bases.is_empty() {
        fact("base_paths", json!(bases));
    }
    let detour = routing::detour_of(description, host, &request.path);
    fact("diagnosis", json!(detour.diagnosis));
    let meant = detour.did_you_mean.as_deref();
    if let Some(meant) = meant {
        fact("did_you_mean", json!(meant));
    }
    let path = &request.path;
    let what = match detour.outcome {
        Outcome::TrailingSlash => "differs from the description's by its slash at the end",
        Outcome::VersionPath => "is of a version that the description does not have",
        Outcome::BasePath => "is not under the description's base path",
        _ => "is not in the description",
    };
    let meant = meant.map_or_else(String::new, |meant| format!("; `{meant}` is"));
    (detour.outcome, format!("`{path}` {what}{meant}."))
}

fn of_parts(
    description: &Description,
    request: &FailingRequest,
    place: &str,
    compared: &Compared,
    fact: &mut impl FnMut(&str, Value),
) -> (Outcome, String) {
    if !compared.not_evaluated.is_empty() {
        fact("not_evaluated", json!(compared.not_evaluated));
    }
    if !compared.unknown_query.is_empty() {
        fact("unknown_query", json!(compared.unknown_query));
    }
    let sent = request.media_type();
    if let Some(sent) = &sent {
        fact("content_type", json!(sent));
    }
    if !compared.content_types.is_empty() {
        fact("expected_content_types", json!(compared.content_types));
    }
    if !compared.violations.is_empty() {
        fact("violations", compared.violations.iter().take(LISTED).map(Violation::fact).collect());
        fact("violation_count", json!(compared.violations.len()));
    }
    if compared.wrong_content_type {
        if !compared.violations.is_empty() {
            fact("also", json!([Outcome::SchemaViolation.id()]));
        }
        let wanted = compared.content_types.join(" or ");
        let says = match sent {
            Some(sent) => format!("`{place}` takes `{wanted}`; the request sends `{sent}`."),
            None => format!("`{place}` takes `{wanted}`; the request has a body and no content type."),
        };
        return (Outcome::WrongContentType, says);
    }
    if let Some(first) = compared.violations.first() {
        let more = match compared.violations.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        return (Outcome::SchemaViolation, format!("`{place}`: {}{more}.", words(first)));
    }
    let judged = if compared.not_evaluated.is_empty() { "" } else { ", as far as its text shows" };
    let version = format!("{} {}", description.title, description.version);
    (Outcome::Matches, format!("The request matches `{place}` of {}{judged}.", version.trim()))
}

/// A violation in a person's words.
fn words(violation: &Violation) -> String {
    let part = match (violation.part, violation.pointer.as_str()) {
        ("body", "") => "the body".to_owned(),
        ("body", pointer) => format!("`{pointer}` of the body"),
        (part, pointer) => format!("the {part} parameter `{}`", pointer.trim_start_matches('/')),
    };
    match (violation.keyword.as_str(), &violation.expected, violation.found) {
        ("required", _, _) => format!("{part} is missing"),
        ("json", _, _) => format!("{part} is no well-formed JSON"),
        ("type", Some(expected), Some(found)) => format!("{part} must be {expected} and is {found}"),
        (keyword, Some(expected), _) => format!("{part} breaks `{keyword}` ({expected})"),
        (keyword, None, _) => format!("{part} breaks `{keyword}`"),
    }
}

/// Whether an operation's responses name a status: itself, its class (`4XX`), or the default.
fn is_documented(operation: &Map<String, Value>, status: u16) -> bool {
    let class = format!("{}XX", status / 100);
    let responses = operation.get("responses").and_then(Value::as_object);
    responses.is_some_and(|it| {
        it.keys()
            .any(|key| *key == status.to_string() || key.eq_ignore_ascii_case(&class) || key == "default")
    })
}

#[cfg(test)]
mod tests;
