//! How the parts of the pack read an incident: the report of a check, the service's address, a value as text a person reads.

use serde_json::Value;

use crate::incident::{Incident, StepRecord};
use crate::outcome::{CheckKind, Report, Role};

/// The report of the first check of this kind and role.
pub(super) fn report(incident: &Incident, check: CheckKind, role: Role) -> Option<&Report> {
    let mut records = incident.steps.iter().filter(|it| it.step.check == check && it.step.role == role);
    records.find_map(StepRecord::report)
}

/// A value as text on one line; `None` for what is empty.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) if items.iter().all(|it| !it.is_array() && !it.is_object()) => {
            Some(items.iter().filter_map(text_of).collect::<Vec<_>>().join(", ")).filter(|it| !it.is_empty())
        }
        Value::Object(fields) if fields.is_empty() => None,
        Value::Number(number) => Some(number.to_string().trim_end_matches(".0").to_owned()),
        other => Some(other.to_string()),
    }
}

/// At most so many characters; what was cut is said.
pub(super) fn clipped(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}… ({} more characters)", &text[..end], text[end..].chars().count()),
        None => text.to_owned(),
    }
}

/// Where the service answers: the alert's endpoint where it is a URL, else what is configured.
pub(super) fn public_url(incident: &Incident) -> Option<String> {
    let alerted = incident.endpoint().filter(|it| it.contains("://")).map(str::to_owned);
    alerted.or_else(|| incident.profile.url.as_ref().map(ToString::to_string))
}
