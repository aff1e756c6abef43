//! JSON and headers, by name.

use serde_json::{Map, Value};

use super::names::{self, Showing};
use super::{Gate, is_mark};
use crate::evidence::shape;

/// Fields that hold a whole body: what is in them is shaped, not shown.
const BODIES: &str = "body payload data content form params post_data raw_body request_body response_body text variables cookies";
/// Fields that hold headers.
const HEADERS: &str = "headers request_headers response_headers header http_headers limit_headers trailers";
/// Fields that hold names and values that operators chose, or sentences they wrote.
const LABELS: &str = "labels common_labels group_labels annotations common_annotations tags dimensions attributes facts phases_ms";

fn lists(list: &str, name: &str) -> bool {
    let name = names::words(name).join("_");
    list.split_ascii_whitespace().any(|it| it == name)
}

/// A document whose fields decide.
pub(super) fn document(gate: &Gate, value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(gate.document(text)),
        other => inside(gate, "", other),
    }
}

/// A value under a field of this name.
fn inside(gate: &Gate, name: &str, value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(object(gate, name, fields)),
        Value::Array(items) if lists(HEADERS, name) => header_list(gate, items),
        Value::Array(items) => Value::Array(items.iter().map(|item| inside(gate, name, item)).collect()),
        Value::Null | Value::Bool(_) => value.clone(),
        Value::String(_) | Value::Number(_) => leaf(gate, name, value),
    }
}

fn object(gate: &Gate, name: &str, fields: &Map<String, Value>) -> Map<String, Value> {
    if let Some(pair) = name_and_value(gate, name, fields) {
        return pair;
    }
    fields
        .iter()
        .map(|(key, value)| {
            let key = gate.text(key);
            let redacted = if lists(HEADERS, name) {
                header_value(gate, &key, value)
            } else if names::is_secret(&key) || names::is_personal(&key) {
                secret(gate, value)
            } else if lists(LABELS, name) {
                label(gate, &key, value)
            } else if lists(BODIES, &key) {
                body(gate, value)
            } else {
                inside(gate, &key, value)
            };
            (key, redacted)
        })
        .collect()
}

/// What is secret by its name; a list of named values (HAR's cookies) keeps the names.
fn secret(gate: &Gate, value: &Value) -> Value {
    let item = |item: &Value| match item {
        Value::Object(fields) if fields.contains_key("name") && fields.contains_key("value") => {
            name_and_value(gate, "cookies", fields).map_or_else(|| shape_of(gate, item), Value::Object)
        }
        other => shape_of(gate, other),
    };
    match value {
        Value::Array(items) => Value::Array(items.iter().map(item).collect()),
        other => shape_of(gate, other),
    }
}

/// `{"name": "Authorization", "value": "…"}`: the value goes by the name in it (HAR, many alert payloads).
fn name_and_value(gate: &Gate, list: &str, fields: &Map<String, Value>) -> Option<Map<String, Value>> {
    let named = fields.get("name").or_else(|| fields.get("key"))?.as_str()?;
    let value = fields.get("value")?;
    let redacted = match value {
        Value::String(text) if lists(HEADERS, list) => Value::String(header(gate, named, text)),
        Value::String(text) if lists("query_string", list) => {
            Value::String(if names::query(named) { gate.text(text) } else { gate.shape(text) })
        }
        _ if lists(BODIES, list) || names::is_secret(named) => shape_of(gate, value),
        _ => leaf_or_inside(gate, named, value),
    };
    let others = fields.iter().filter(|(key, _)| !matches!(key.as_str(), "value"));
    let mut out: Map<String, Value> = others
        .map(|(key, value)| match key.as_str() {
            "name" | "key" => (key.clone(), Value::String(gate.text(named))),
            _ => (key.clone(), inside(gate, key, value)),
        })
        .collect();
    out.insert("value".to_owned(), redacted);
    Some(out)
}

fn leaf_or_inside(gate: &Gate, name: &str, value: &Value) -> Value {
    match value {
        Value::String(_) | Value::Number(_) => leaf(gate, name, value),
        _ => inside(gate, name, value),
    }
}

fn leaf(gate: &Gate, name: &str, value: &Value) -> Value {
    match (names::field(name), value) {
        (_, Value::String(text)) if is_harmless(name, text) => value.clone(),
        (Showing::Value, Value::String(text)) => Value::String(in_context(gate, name, text)),
        (Showing::Value, other) => other.clone(),
        (Showing::Url, Value::String(text)) => Value::String(gate.url(text)),
        (Showing::Url | Showing::Shape, _) => shape_of(gate, value),
    }
}

/// A time, or a word of our own vocabulary, under a name that is nobody's.
fn is_harmless(name: &str, text: &str) -> bool {
    let time = text.len() >= 10
        && (text.parse::<jiff::Timestamp>().is_ok() || text.parse::<jiff::civil::Date>().is_ok());
    let birth =
        names::words(name).iter().any(|word| word.starts_with("birth") || word == "dob" || word == "born");
    !names::is_secret(name) && !birth && (time || names::is_plain_word(text) || is_mark(text))
}

/// A label or an annotation: operators write them, so a short plain word is shown whatever its name, and sentences are
/// scanned.
fn label(gate: &Gate, name: &str, value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(label_text(gate, name, text)),
        Value::Object(_) | Value::Array(_) => inside(gate, name, value),
        _ => value.clone(),
    }
}

/// As [`label`], of text.
pub(super) fn label_text(gate: &Gate, name: &str, text: &str) -> String {
    if names::is_secret(name) || names::is_personal(name) {
        return gate.shape(text);
    }
    match names::field(name) {
        Showing::Url => gate.link(text),
        Showing::Value | Showing::Shape => in_context(gate, name, text),
    }
}

/// The text as it stands behind its name, so that the scanner knows what it is (`trace_id: 4bf9…`).
pub(super) fn in_context(gate: &Gate, name: &str, text: &str) -> String {
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')) {
        return gate.text(text);
    }
    let prefix = format!("{name}: ");
    let whole = gate.text(&format!("{prefix}{text}"));
    whole.strip_prefix(&prefix).map_or_else(|| gate.text(text), str::to_owned)
}

/// The value of a header.
pub(super) fn header(gate: &Gate, name: &str, value: &str) -> String {
    match names::header(name) {
        Showing::Value => in_context(gate, name, value),
        Showing::Url => gate.url(value),
        Showing::Shape => {
            let scanned = in_context(gate, name, value);
            let is_shaped = shape::MARK.is_match(&scanned) && (scanned != value || is_shape_alone(value));
            let credentials =
                name.eq_ignore_ascii_case("authorization") || name.to_ascii_lowercase().ends_with("cookie");
            // Credentials and cookies keep their scheme and names: whether they are there at all is evidence.
            if is_shaped && credentials { scanned } else { gate.shape(value) }
        }
    }
}

/// `Bearer [authorization:…]`: redacted before.
fn is_shape_alone(value: &str) -> bool {
    shape::MARK.is_match(value)
}

fn header_value(gate: &Gate, name: &str, value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(header(gate, name, text)),
        Value::Array(values) => {
            Value::Array(values.iter().map(|value| header_value(gate, name, value)).collect())
        }
        Value::Number(_) if names::header(name) == Showing::Value => value.clone(),
        other => shape_of(gate, other),
    }
}

/// `[["Server", "nginx"], …]`, `["Server: nginx", …]`, or objects with name and value.
fn header_list(gate: &Gate, items: &[Value]) -> Value {
    let item = |item: &Value| match item {
        Value::Array(pair) => match pair.as_slice() {
            [Value::String(name), value] => {
                Value::Array(vec![Value::String(gate.text(name)), header_value(gate, name, value)])
            }
            _ => shape_of(gate, item),
        },
        Value::String(line) => match line.split_once(':') {
            Some((name, value)) => Value::String(format!("{name}: {}", header(gate, name, value.trim()))),
            None => shape_of(gate, item),
        },
        Value::Object(fields) => Value::Object(object(gate, "headers", fields)),
        other => shape_of(gate, other),
    };
    Value::Array(items.iter().map(item).collect())
}

/// A body: text that is JSON or a form is shaped field by field, other text is a document of its own.
fn body(gate: &Gate, value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(body_text(gate, text)),
        // HAR wraps the body and says its type beside it.
        Value::Object(fields) if fields.contains_key("mimeType") => Value::Object(object(gate, "", fields)),
        other => shape_of(gate, other),
    }
}

/// As [`body`], of text: the shape of JSON or of a form, else one shape for the whole.
pub(super) fn body_text(gate: &Gate, text: &str) -> String {
    let trimmed = text.trim();
    if trimmed.is_empty() || is_mark(trimmed) {
        return text.to_owned();
    }
    if let Ok(value @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str::<Value>(trimmed) {
        return shape_of(gate, &value).to_string();
    }
    if let Some(parts) = super::multipart::redact(gate, trimmed) {
        return parts;
    }
    if is_form(trimmed) {
        let pairs = trimmed.split('&').map(|pair| match pair.split_once('=') {
            Some((name, value)) => format!("{name}={}", gate.shape(value)),
            None => gate.shape(pair),
        });
        return pairs.collect::<Vec<_>>().join("&");
    }
    gate.shape(trimmed)
}

/// `a=b&c=d`, as a browser sends a form.
fn is_form(text: &str) -> bool {
    let name = |name: &str| {
        !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.%[]+".contains(&b))
    };
    text.contains('=')
        && !text.contains(char::is_whitespace)
        && text.split('&').all(|pair| name(pair.split('=').next().unwrap_or_default()))
}

/// Names, types and structure, no values.
pub(super) fn shape_of(gate: &Gate, value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Bool(_) => Value::String("[boolean]".to_owned()),
        Value::Number(number) => {
            let kind = if number.is_f64() { "number" } else { "integer" };
            Value::String(gate.mark(kind, &number.to_string()))
        }
        Value::String(text) if text == "[boolean]" => value.clone(),
        Value::String(text) => Value::String(gate.shape(text)),
        Value::Array(items) => Value::Array(items.iter().map(|item| shape_of(gate, item)).collect()),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(key, value)| (gate.text(key), shape_of(gate, value))).collect())
        }
    }
}
