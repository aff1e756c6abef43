//! What may be told of a body: its type, its size, its shape, and the code and message of an error. Never its values. Pure.

use serde_json::{Map, Value, json};

/// How deep a shape goes, and how many fields of an object it names.
const DEEPEST: usize = 3;
const MOST_FIELDS: usize = 20;

/// How much of an error's own message is told.
const LONGEST_MESSAGE: usize = 200;

/// Fields in which APIs give an error's code, and its message.
const CODES: [&str; 6] = ["code", "error", "type", "errorcode", "error_code", "status"];
const MESSAGES: [&str; 6] = ["message", "detail", "error_description", "title", "msg", "reason"];

/// What kind of text a body is, by what it holds rather than by what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Empty,
    Json,
    Html,
    Xml,
    Text,
    Binary,
}

impl Kind {
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Json => "json",
            Self::Html => "html",
            Self::Xml => "xml",
            Self::Text => "text",
            Self::Binary => "binary",
        }
    }

    pub(super) fn of(body: &[u8]) -> Self {
        let Some(text) = text(body) else { return Self::Binary };
        let text = text.trim();
        let start: String = text.chars().take(64).collect::<String>().to_ascii_lowercase();
        if text.is_empty() {
            Self::Empty
        // Ignoring what is read has no limit of depth or of numbers, which would call good documents bad.
        } else if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
            Self::Json
        } else if start.starts_with("<!doctype html") || start.starts_with("<html") {
            Self::Html
        } else if start.starts_with("<?xml") || start.starts_with('<') && text.ends_with('>') {
            if text.to_ascii_lowercase().contains("<html") { Self::Html } else { Self::Xml }
        } else {
            Self::Text
        }
    }
}

/// What keeps a page of another origin from running a JSON answer as a script: Gerrit's and Angular's, Google's, Facebook's.
const GUARDS: [&str; 5] = [")]}',", ")]}'", "while(1);", "for (;;);", "for(;;);"];

/// A body's text, without a byte order mark and without a guard before its JSON; `None` when it is none.
pub(super) fn text(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?.trim_start_matches('\u{feff}');
    Some(GUARDS.iter().find_map(|guard| text.strip_prefix(guard)).unwrap_or(text))
}

/// Whether a content type promises one JSON document; Spring's `application/stream+json` is lines of them.
pub(super) fn promises_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json"
        || essence == "text/json"
        || essence.ends_with("+json") && essence != "application/stream+json"
}

/// The fact `body`: type, size, and for JSON the shape and the error.
pub(super) fn describe(body: &[u8]) -> Value {
    let kind = Kind::of(body);
    let mut told =
        Map::from_iter([("type".to_owned(), json!(kind.id())), ("size_bytes".to_owned(), json!(body.len()))]);
    let document = text(body).filter(|_| kind == Kind::Json);
    if let Some(value) = document.and_then(|it| serde_json::from_str::<Value>(it).ok()) {
        told.insert("shape".to_owned(), shape(&value, 0));
        if let Some(error) = error(&value) {
            told.insert("error".to_owned(), error);
        }
    }
    if kind == Kind::Html
        && let Some(title) = title(&String::from_utf8_lossy(body))
    {
        told.insert("title".to_owned(), title.into());
    }
    Value::Object(told)
}

fn shape(value: &Value, depth: usize) -> Value {
    match value {
        Value::Null => json!("null"),
        Value::Bool(_) => json!("boolean"),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("string"),
        Value::Array(_) | Value::Object(_) if depth >= DEEPEST => json!("…"),
        Value::Array(items) => {
            items.first().map_or_else(|| json!([]), |first| json!([shape(first, depth + 1)]))
        }
        Value::Object(fields) => {
            let told = fields.iter().take(MOST_FIELDS);
            let mut shape: Map<_, _> =
                told.map(|(name, value)| (line(name, 60), self::shape(value, depth + 1))).collect();
            if fields.len() > MOST_FIELDS {
                shape.insert("…".to_owned(), json!(fields.len() - MOST_FIELDS));
            }
            Value::Object(shape)
        }
    }
}

/// The code and the message of a JSON error, whether they stand at the top, under `error` or in the first of `errors`.
fn error(body: &Value) -> Option<Value> {
    let inner = body.get("error").filter(|it| it.is_object());
    let first = || body.get("errors").and_then(|it| it.get(0)).filter(|it| it.is_object());
    let holder = inner.or_else(first).unwrap_or(body).as_object()?;
    let find = |names: &[&str]| {
        let found =
            names.iter().find_map(|name| holder.get(*name).filter(|it| it.is_string() || it.is_number()))?;
        let text = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
        Some(line(&text, LONGEST_MESSAGE))
    };
    let (code, message) = (find(&CODES), find(&MESSAGES));
    if code.is_none() && message.is_none() {
        return None;
    }
    let mut told = Map::new();
    code.map(|it| told.insert("code".to_owned(), it.into()));
    message.map(|it| told.insert("message".to_owned(), it.into()));
    Some(Value::Object(told))
}

fn title(page: &str) -> Option<String> {
    let lower = page.to_ascii_lowercase();
    let start = lower.find("<title>")? + "<title>".len();
    let end = start + lower[start..].find("</title>")?;
    Some(line(page.get(start..end)?.trim(), 100)).filter(|it| !it.is_empty())
}

/// One line of at most this many characters.
pub(super) fn line(text: &str, most: usize) -> String {
    let plain: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).take(most).collect();
    if text.chars().nth(most).is_some() { format!("{plain}…") } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_kind(body: &str, expected: Kind) {
        assert_eq!(Kind::of(body.as_bytes()), expected, "{body}");
    }

    #[test]
    fn a_body_is_what_it_holds() {
        check_kind("", Kind::Empty);
        check_kind("  \n", Kind::Empty);
        check_kind("{\"a\":1}", Kind::Json);
        check_kind("{\"a\":1", Kind::Text);
        check_kind("\u{feff})]}'\n{\"a\":1}", Kind::Json);
        check_kind("for (;;);{\"a\":1}", Kind::Json);
        check_kind(")]}'", Kind::Empty);
        check_kind("<!DOCTYPE html><html>", Kind::Html);
        check_kind("<?xml version=\"1.0\"?><a/>", Kind::Xml);
        check_kind("<Error><Code>x</Code></Error>", Kind::Xml);
        check_kind("busy", Kind::Text);
        assert_eq!(Kind::of(&[0xff, 0xfe]), Kind::Binary);
    }

    #[test]
    fn a_shape_has_no_values() {
        let body = json!({"token": "s3cret", "items": [{"id": 7}], "deep": {"a": {"b": {"c": 1}}}});
        let told = describe(body.to_string().as_bytes());
        assert_eq!(
            told["shape"],
            json!({"token": "string", "items": [{"id": "number"}], "deep": {"a": {"b": "…"}}})
        );
        assert!(!told.to_string().contains("s3cret"));
    }

    #[test]
    fn an_errors_code_and_message_are_told() {
        let told = |body: &Value| describe(body.to_string().as_bytes())["error"].clone();
        assert_eq!(
            told(&json!({"error": "invalid_token", "error_description": "expired"})),
            json!({"code": "invalid_token", "message": "expired"})
        );
        assert_eq!(
            told(&json!({"error": {"code": 7, "message": "no\nway"}})),
            json!({"code": "7", "message": "no way"})
        );
        assert_eq!(told(&json!({"errors": [{"message": "x"}]})), json!({"message": "x"}));
        assert_eq!(told(&json!({"id": 7})), Value::Null);
        let long = "a".repeat(300);
        assert_eq!(
            told(&json!({"message": long}))["message"].as_str().map(|it| it.chars().count()),
            Some(201)
        );
    }

    #[test]
    fn only_one_json_document_is_promised_by_json_types() {
        for yes in ["application/json", "application/json; charset=utf-8", "application/problem+json"] {
            assert!(promises_json(yes), "{yes}");
        }
        let streams =
            ["application/x-ndjson", "application/jsonl", "application/json-seq", "application/stream+json"];
        for no in streams.into_iter().chain(["text/html", ""]) {
            assert!(!promises_json(no), "{no}");
        }
    }

    #[test]
    fn a_page_is_told_by_its_title() {
        assert_eq!(describe(b"<html><TITLE>502 Bad Gateway</TITLE></html>")["title"], "502 Bad Gateway");
    }
}
