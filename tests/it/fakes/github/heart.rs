//! What is known of GitHub by heart: its routes, its limits, how it refuses.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::http::Method;
use serde_json::Value;

use super::{Answer, Fault};
use crate::fakes::openapi::Operation;

/// The longest body and title, in characters; labels of an issue, characters of a label, assignees.
const BODY: usize = 65_536;
const TITLE: usize = 256;
const LABELS: usize = 100;
const LABEL: usize = 50;
const ASSIGNEES: usize = 10;

const ROUTES: [&str; 19] = [
    "GET /user",
    "GET /app",
    "POST /app/installations/{installation_id}/access_tokens",
    "GET /repos/{owner}/{repo}",
    "GET /repos/{owner}/{repo}/installation",
    "GET /repos/{owner}/{repo}/issues",
    "POST /repos/{owner}/{repo}/issues",
    "GET /repos/{owner}/{repo}/issues/{issue_number}",
    "PATCH /repos/{owner}/{repo}/issues/{issue_number}",
    "GET /repos/{owner}/{repo}/issues/{issue_number}/comments",
    "POST /repos/{owner}/{repo}/issues/{issue_number}/comments",
    "PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}",
    "GET /repos/{owner}/{repo}/labels",
    "POST /repos/{owner}/{repo}/labels",
    "GET /repos/{owner}/{repo}/contents/{path}",
    "GET /repos/{owner}/{repo}/deployments",
    "GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses",
    "GET /repos/{owner}/{repo}/releases",
    "GET /repos/{owner}/{repo}/pulls",
];

const MORE_ROUTES: [&str; 2] =
    ["GET /repos/{owner}/{repo}/commits", "GET /repos/{owner}/{repo}/compare/{basehead}"];

/// The operation of a request, if GitHub has it; a literal segment is preferred to a parameter.
pub(super) fn operation(method: &Method, path: &str) -> Result<Operation, String> {
    let given: Vec<&str> = path.trim_matches('/').split('/').collect();
    let fitting = ROUTES.iter().chain(&MORE_ROUTES).filter_map(|route| {
        let (verb, template) = route.split_once(' ')?;
        let wanted: Vec<&str> = template.trim_matches('/').split('/').collect();
        if verb != method.as_str() || wanted.len() != given.len() {
            return None;
        }
        let mut parameters = std::collections::BTreeMap::new();
        for (want, have) in wanted.iter().zip(&given) {
            match want.strip_prefix('{') {
                Some(name) => parameters.insert(name.trim_end_matches('}').to_owned(), (*have).to_owned()),
                None if want == have => None,
                None => return None,
            };
        }
        Some(Operation { path: template.to_owned(), method: verb.to_ascii_lowercase(), parameters })
    });
    fitting
        .min_by_key(|operation| operation.parameters.len())
        .ok_or_else(|| format!("{method} {path} is no route here"))
}

/// A refusal without any work, for faults that are one.
pub(super) fn refusal(fault: Fault) -> Option<Answer> {
    Some(match fault {
        Fault::TooMany(wait) => Answer::refusal(429, "Too many requests").with("retry-after", &wait),
        Fault::SecondaryLimit => Answer::refusal(
            403,
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
        ),
        Fault::PrimaryLimit(seconds) => {
            let now = firstcheck::clock::now();
            let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            Answer::refusal(403, "API rate limit exceeded for user ID 1.")
                .with("x-ratelimit-limit", &5000)
                .with("x-ratelimit-remaining", &0)
                .with("x-ratelimit-reset", &(now.as_second() + seconds))
                .with("date", &date)
        }
        Fault::BadToken => Answer::refusal(401, "Bad credentials"),
        Fault::Invalid(field, code) => Answer::invalid("Issue", field, code),
        Fault::CutBefore => Answer { cut: true, ..Answer::new(500, Value::Null) },
        Fault::BadGatewayAfter | Fault::CutAfter => return None,
    })
}

/// Whether GitHub would take these fields of an issue or a comment.
pub(super) fn limits(body: &Value) -> Result<(), Answer> {
    let length = |field: &str| body[field].as_str().map_or(0, |text| text.chars().count());
    if length("body") > BODY {
        return Err(Answer::refusal(
            422,
            "Validation Failed: body is too long (maximum is 65536 characters)",
        ));
    }
    if length("title") > TITLE {
        return Err(Answer::invalid("Issue", "title", "too_long"));
    }
    let count = |field: &str| body[field].as_array().map_or(0, Vec::len);
    let labels = body["labels"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if count("labels") > LABELS || labels.into_iter().any(|label| label.chars().count() > LABEL) {
        return Err(Answer::invalid("Label", "name", "too_long"));
    }
    if count("assignees") > ASSIGNEES {
        return Err(Answer::invalid("Issue", "assignees", "too_many"));
    }
    Ok(())
}

/// What a body's ETag is.
pub(super) fn etag(body: Option<&Value>) -> String {
    let mut hasher = DefaultHasher::new();
    body.map(Value::to_string).hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}
