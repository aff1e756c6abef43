//! The response that came back against the operation's description: notes beside the verdict on the request. Pure.
//!
//! A response that breaks its description is a fault of the server or of a gateway in front of it, not of the request's form, so
//! it never changes the outcome (checks.md §8, C6).

use serde_json::{Map, Value, json};

use super::description::Description;
use super::schema::{Violation, violations};
use crate::request::Response;

/// The most violations noted.
const LISTED: usize = 10;

/// Notes what does not fit.
pub(super) fn compare(
    description: &Description,
    operation: &Map<String, Value>,
    response: &Response,
    fact: &mut impl FnMut(&str, Value),
) {
    let Some(status) = response.status else { return };
    let Some(described) = described(description, operation, status) else { return };
    let Some(content) = described.get("content").and_then(Value::as_object).filter(|it| !it.is_empty())
    else {
        return;
    };
    let kind = response.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let kind = kind.map(|(_, value)| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    if let Some(kind) = &kind
        && super::parts::accepted(content, kind).is_none()
    {
        fact("response_content_type", json!(kind));
        fact("response_content_types", json!(content.keys().collect::<Vec<_>>()));
        return;
    }
    let is_json = kind.as_deref().is_some_and(|it| it == "application/json" || it.ends_with("+json"));
    let media = super::parts::accepted(content, kind.as_deref().unwrap_or_default());
    let (Some(schema), Some(body), true) = (media.and_then(|it| it.get("schema")), &response.body, is_json)
    else {
        return;
    };
    // A log keeps the start of a long body; what is cut off is not held against anybody.
    let Ok(value) = serde_json::from_str::<Value>(body) else { return };
    if let Ok(found) = violations(description, "response", "", schema, &value)
        && !found.is_empty()
    {
        fact("response_violations", found.iter().take(LISTED).map(Violation::fact).collect());
    }
}

/// The description of a status: itself, its class, the default.
fn described<'a>(
    description: &'a Description,
    operation: &'a Map<String, Value>,
    status: u16,
) -> Option<&'a Value> {
    let responses = operation.get("responses")?.as_object()?;
    let class = format!("{}XX", status / 100);
    let by = |wanted: &str| responses.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted)).map(|it| it.1);
    let found = by(&status.to_string()).or_else(|| by(&class)).or_else(|| by("default"))?;
    description.resolve(found)
}
