//! The response facts: of the response a person pasted, else of the http check that met the failure the alert tells of.
//!
//! What surprises: a probe may succeed while callers fail. Then its headers and body are those of another response, and they
//! stay out; a note says what the probe got instead.

use serde_json::{Map, Value};

use super::reading::{clipped, text_of};
use super::{Fact, Response};
use crate::incident::{Incident, StepRecord};
use crate::outcome::{CheckKind, Facts, Outcome, Report, Role};
use crate::request::FailingRequest;

/// How much of a response's body is evidence; more is a page of HTML. In characters.
const SNIPPET_CHARS: usize = 500;

/// Facts of the http check that are a header's value, and the header's name.
const HEADERS: [(&str, &str); 10] = [
    ("challenge", "www-authenticate"),
    ("proxy_status", "proxy-status"),
    ("retry_after", "retry-after"),
    ("server", "server"),
    ("via", "via"),
    ("server_timing", "server-timing"),
    ("content_type", "content-type"),
    ("allow", "allow"),
    ("deprecation", "deprecation"),
    ("sunset", "sunset"),
];

/// What came back.
pub(super) fn response(incident: &Incident, failing: Option<&FailingRequest>) -> Option<Response> {
    let said = failing.and_then(|it| it.response.as_ref());
    let alerted = incident.alerts.iter().find_map(|it| it.http_status);
    let alerted_error = incident.alerts.iter().find_map(|it| it.error).map(|it| it.id().to_owned());
    let failed_with = said.and_then(|it| it.status).or(alerted);
    let (same, note) = probes(incident, failed_with);
    let facts = same.map(|it| &it.facts);
    let fact = |name: &str| facts.and_then(|it| it.get(name)).and_then(text_of);
    let headers = match said {
        Some(said) if !said.headers.is_empty() => {
            said.headers.iter().map(|(name, value)| Fact::new(name, value)).collect()
        }
        _ => facts.map(header_facts).unwrap_or_default(),
    };
    let said_body = said.and_then(|it| it.body.clone());
    let described = facts.and_then(|it| it.get("body").or_else(|| it.get("snippet")));
    let error_code = match &said_body {
        Some(body) => error_code(body),
        None => described.and_then(described_code).or_else(|| fact("error_code")),
    };
    let sources = [
        (said.is_some(), "failing request"),
        (same.is_some(), "http check"),
        (alerted.is_some() || alerted_error.is_some(), "alert"),
    ];
    let source: Vec<&str> = sources.into_iter().filter_map(|(is, name)| is.then_some(name)).collect();
    if source.is_empty() {
        return None;
    }
    let without_answer = same.filter(|it| status(it).is_none() && it.exit_status() == 1);
    let snippet = said_body.or_else(|| described.and_then(snippet));
    Some(Response {
        source: source.join(", "),
        status: failed_with.or_else(|| same.and_then(status)),
        transport_error: alerted_error.or_else(|| without_answer.map(|it| it.outcome.to_string())),
        error_code,
        origin: fact("origin").filter(|it| it != "unknown"),
        headers,
        snippet: snippet.map(|it| clipped(&it, SNIPPET_CHARS)).filter(|it| !it.trim().is_empty()),
        trace_id: fact("trace_id"),
        note,
    })
}

/// The http check that met the failure, and what the others got when none did.
fn probes(incident: &Incident, failed_with: Option<u16>) -> (Option<&Report>, Option<String>) {
    let is_probe = |it: &&StepRecord| it.step.check == CheckKind::Http && it.step.role == Role::Service;
    let probes: Vec<&Report> = incident
        .steps
        .iter()
        .filter(is_probe)
        .filter_map(StepRecord::report)
        .filter(|it| it.outcome != Outcome::Error)
        .collect();
    let Some(first) = probes.first().copied() else { return (None, None) };
    let Some(wanted) = failed_with else { return (Some(first), None) };
    if let Some(same) = probes.iter().copied().find(|it| status(it) == Some(wanted)) {
        return (Some(same), None);
    }
    let got = status(first).map_or_else(|| first.outcome.to_string(), |status| status.to_string());
    let note = if first.exit_status() == 0 {
        format!("The http check got {got}: a plain probe does not meet the failure.")
    } else {
        format!("The http check got {got}, another failure than the one reported.")
    };
    (None, Some(note))
}

fn status(report: &Report) -> Option<u16> {
    report.facts.get("status").and_then(Value::as_u64).and_then(|it| u16::try_from(it).ok())
}

/// The headers among a check's facts: facts of their own first, since they are whole, then marks and lists.
fn header_facts(facts: &Facts) -> Vec<Fact> {
    let mut out: Vec<Fact> = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|_| !out.iter().any(|it| it.name.eq_ignore_ascii_case(name))) {
            out.push(Fact::new(name, value));
        }
    };
    if let Some(Value::Object(fields)) = facts.get("headers") {
        fields.iter().for_each(|(name, value)| add(name, text_of(value)));
    }
    for (fact, header) in HEADERS {
        add(header, facts.get(fact).and_then(text_of));
    }
    for mark in facts.get("marks").and_then(Value::as_array).into_iter().flatten() {
        if let Some((name, value)) = mark.as_str().and_then(|it| it.split_once(": "))
            && !matches!(name, "body" | "title" | "address")
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        {
            add(name, Some(value.to_owned()));
        }
    }
    out
}

/// `code`, `error_code` or `error.code` of a JSON body, or the `type` of an RFC 9457 problem.
fn error_code(body: &str) -> Option<String> {
    let value: Value = serde_json::from_str(body.trim()).ok()?;
    let places = [
        "/error_code",
        "/errorCode",
        "/error/code",
        "/code",
        "/error/type",
        "/errors/0/code",
        "/type",
        "/error",
    ];
    places.iter().find_map(|place| value.pointer(place).and_then(text_of)).filter(|it| it != "about:blank")
}

/// The code of a body that the http check described (`{type, size_bytes, shape, error: {code, message}}`).
fn described_code(body: &Value) -> Option<String> {
    match body {
        Value::String(text) => error_code(text),
        described => described.pointer("/error/code").and_then(text_of),
    }
}

/// A described body as a person reads it: the shape with the error's code and message in their places.
fn snippet(body: &Value) -> Option<String> {
    let described = match body {
        Value::String(text) => return Some(text.clone()),
        other => other.as_object()?,
    };
    if let Some(shape) = described.get("shape") {
        let mut shape = shape.clone();
        if let Some(error) = described.get("error").and_then(Value::as_object) {
            fill(&mut shape, error);
        }
        return Some(shape.to_string());
    }
    let kind = described.get("type").and_then(text_of).unwrap_or_else(|| "body".to_owned());
    let size = described.get("size_bytes").and_then(text_of).map(|it| format!(", {it} bytes"));
    let title = described.get("title").and_then(text_of).map(|it| format!(", title \"{it}\""));
    Some(format!("{kind}{}{}", size.unwrap_or_default(), title.unwrap_or_default()))
        .filter(|_| kind != "empty")
}

/// Puts the error's code and message where the shape has fields of those names, at the top, under `error` or in `errors`.
fn fill(shape: &mut Value, error: &Map<String, Value>) {
    let places = ["/error", "/errors/0", ""];
    let Some(place) = places.iter().find(|it| shape.pointer(it).is_some_and(Value::is_object)) else {
        return;
    };
    let Some(fields) = shape.pointer_mut(place).and_then(Value::as_object_mut) else { return };
    for (name, value) in error {
        if let Some(field) = fields.get_mut(name) {
            *field = value.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(body: &Value, code: Option<&str>, shown: Option<&str>) {
        assert_eq!(described_code(body).as_deref(), code, "{body}");
        assert_eq!(snippet(body).as_deref(), shown, "{body}");
    }

    #[test]
    fn a_described_body_is_shown_as_a_body() {
        check(
            &json!({"type": "json", "size_bytes": 57, "shape": {"code": "string", "n": "number"}, "error": {"code": "UNAUTHORIZED"}}),
            Some("UNAUTHORIZED"),
            Some(r#"{"code":"UNAUTHORIZED","n":"number"}"#),
        );
        check(
            &json!({"type": "json", "size_bytes": 57, "shape": {"error": {"code": "string"}}, "error": {"code": "too_many"}}),
            Some("too_many"),
            Some(r#"{"error":{"code":"too_many"}}"#),
        );
        check(
            &json!({"type": "json", "size_bytes": 50, "shape": {"message": "string"}, "error": {"message": "no certificate"}}),
            None,
            Some(r#"{"message":"no certificate"}"#),
        );
        check(
            &json!({"type": "html", "size_bytes": 157, "title": "502 Bad Gateway"}),
            None,
            Some("html, 157 bytes, title \"502 Bad Gateway\""),
        );
        check(&json!({"type": "empty", "size_bytes": 0}), None, None);
        check(&json!("{\"code\":\"E1\"}"), Some("E1"), Some("{\"code\":\"E1\"}"));
    }

    #[test]
    fn a_whole_header_goes_before_its_mark() {
        let facts: Facts = serde_json::from_value(json!({
            "challenge": "Bearer error=\"invalid_token\"", "proxy_status": "edge; error=tls_certificate_error; details=\"expired\"",
            "marks": ["proxy-status: edge; error=tls_certificate_error", "x-powered-by: Express", "body: upstream error"],
        }))
        .unwrap();
        let headers: Vec<String> =
            header_facts(&facts).iter().map(|it| format!("{}: {}", it.name, it.value)).collect();
        assert_eq!(
            headers,
            [
                "www-authenticate: Bearer error=\"invalid_token\"",
                "proxy-status: edge; error=tls_certificate_error; details=\"expired\"",
                "x-powered-by: Express",
            ]
        );
    }
}
