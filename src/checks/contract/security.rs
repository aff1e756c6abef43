//! What an operation wants to see of credentials, as far as a request's text shows it: presence, never worth. Pure.

use serde_json::{Map, Value};

use super::description::Description;
use crate::request::{FailingRequest, Form};

/// The names of the schemes of which none is met; empty when one alternative is, or when the text shows no headers.
pub(super) fn unmet(
    description: &Description,
    operation: &Map<String, Value>,
    request: &FailingRequest,
) -> Vec<String> {
    if request.form == Form::Line {
        return Vec::new();
    }
    let wanted =
        operation.get("security").or_else(|| description.root().get("security")).and_then(Value::as_array);
    let alternatives: Vec<&Map<String, Value>> =
        wanted.into_iter().flatten().filter_map(Value::as_object).collect();
    let is_met = |alternative: &Map<String, Value>| {
        alternative.keys().all(|name| is_present(description, name, request))
    };
    if alternatives.is_empty() || alternatives.iter().any(|it| is_met(it)) {
        return Vec::new();
    }
    let mut names: Vec<String> = alternatives.iter().flat_map(|it| it.keys().cloned()).collect();
    names.sort();
    names.dedup();
    names
}

/// Whether a scheme's place holds something; what is not known here (mutual TLS) counts as met.
fn is_present(description: &Description, scheme: &str, request: &FailingRequest) -> bool {
    let schemes = description.root().pointer("/components/securitySchemes");
    let Some(scheme) = schemes.and_then(|it| it.get(scheme)).and_then(|it| description.resolve(it)) else {
        return true;
    };
    let text = |name: &str| scheme.get(name).and_then(Value::as_str).unwrap_or_default();
    let name = text("name");
    match (text("type"), text("in")) {
        ("http" | "oauth2" | "openIdConnect", _) => {
            request.header("authorization").is_some() || request.query.iter().any(|it| it.0 == "access_token")
        }
        ("apiKey", "header") => request.header(name).is_some(),
        ("apiKey", "query") => request.query.iter().any(|it| it.0 == name),
        ("apiKey", "cookie") => {
            let cookies = request.header("cookie").unwrap_or_default();
            cookies.split(';').any(|it| it.trim().split_once('=').is_some_and(|it| it.0 == name))
        }
        _ => true,
    }
}
