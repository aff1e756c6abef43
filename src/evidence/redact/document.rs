//! Pasted documents: what they are decides how they are read. A mixture is cut into pieces (JSON, curl commands, HTTP
//! messages, free text) and each piece is redacted as what it is.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::{Gate, structure};
use crate::request::{Body, FailingRequest};

static ENCODED_MARK: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("%5B([a-z][a-z0-9-]{1,23})%3A([0-9]{1,5})%7E([0-9a-f]{8})%5D").expect("a constant pattern")
});

/// Redacts a document.
pub(super) fn redact(gate: &Gate, text: &str) -> String {
    let trimmed = text.trim();
    if let Some(json) = json(gate, trimmed) {
        return json;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((start, end)) = curl_command(rest) {
        out.push_str(&lines(gate, &rest[..start]));
        match FailingRequest::parse(&rest[start..end]) {
            Ok(request) => out.push_str(&curl(gate, request)),
            Err(_) => out.push_str(&gate.text(&rest[start..end])),
        }
        rest = &rest[end..];
    }
    out.push_str(&lines(gate, rest));
    out
}

/// A whole text that is one JSON document, laid out as it was.
fn json(gate: &Gate, text: &str) -> Option<String> {
    if !text.starts_with(['{', '[']) {
        return None;
    }
    let value: Value = serde_json::from_str(text).ok()?;
    if !value.is_object() && !value.is_array() {
        return None;
    }
    let redacted = gate.json(&value);
    let pretty = text.contains('\n');
    if pretty { serde_json::to_string_pretty(&redacted).ok() } else { Some(redacted.to_string()) }
}

/// Where the first curl command of the text begins and ends: at the first line end that is neither quoted nor escaped.
fn curl_command(text: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    let start = loop {
        let at = from + text[from..].find("curl ")?;
        let line = text[..at].rsplit('\n').next().unwrap_or_default().trim_start();
        let alone = line.is_empty()
            || line.ends_with("$ ")
            || line.ends_with("> ")
            || line.ends_with(": ")
            || line.ends_with('`');
        if alone {
            break at;
        }
        from = at + 5;
    };
    let mut quote = None;
    let mut escaped = false;
    for (place, c) in text[start..].char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some('\''), '\'') => quote = None,
            (Some('\''), _) => {}
            (_, '\\') => escaped = true,
            (Some(open), _) if open == c => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '\n' | '`') => return Some((start, start + place)),
            _ => {}
        }
    }
    // A quote that never closes: the command ends with its line, and is scanned as text.
    if quote.is_some() {
        let end = text[start..].find('\n').map_or(text.len(), |line| start + line);
        return Some((start, end));
    }
    Some((start, text.len()))
}

fn curl(gate: &Gate, mut request: FailingRequest) -> String {
    shape_request(gate, &mut request);
    // A shape in a query would be percent-encoded, and no longer be seen to be one.
    gate.text(&ENCODED_MARK.replace_all(&request.to_curl(), "[$1:$2~$3]"))
}

/// Everything of a request that may hold a secret, as shapes.
pub(super) fn shape_request(gate: &Gate, request: &mut FailingRequest) {
    request.path = gate.url(&request.path);
    for (name, value) in &mut request.query {
        let pair = gate.url(&format!("/?{name}={value}"));
        *value = pair.split_once('=').map_or_else(String::new, |(_, value)| value.to_owned());
    }
    for (name, value) in &mut request.headers {
        *value = gate.header(name, value);
    }
    match &mut request.body {
        Body::Text(text) => *text = structure::body_text(gate, text),
        Body::Parts(parts) => {
            for part in parts {
                part.value = part.value.as_deref().map(|value| gate.shape(value));
            }
        }
        Body::Empty | Body::Elsewhere(_) => {}
    }
    if let Some(response) = &mut request.response {
        for (name, value) in &mut response.headers {
            *value = gate.header(name, value);
        }
        response.body = response.body.as_deref().map(|body| answer(gate, body));
    }
}

/// The body of an answer: an error's own words are evidence, so JSON goes by its fields and text is scanned.
fn answer(gate: &Gate, body: &str) -> String {
    match serde_json::from_str::<Value>(body.trim()) {
        Ok(value) if value.is_object() || value.is_array() => gate.json(&value).to_string(),
        _ => gate.text(body),
    }
}

/// What part of an HTTP message a line belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// No message.
    Text,
    /// Headers of a request or an answer.
    Head { request: bool },
    /// The body of a request or an answer.
    Body { request: bool },
}

/// Text line by line: HTTP messages in it by their parts, JSON lines as JSON, the rest as text.
fn lines(gate: &Gate, text: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut free: Vec<&str> = Vec::new();
    let mut part = Part::Text;
    // Text is scanned in one piece, since a key or a sentence may go over lines.
    let flush = |free: &mut Vec<&str>, part: Part, out: &mut Vec<String>| {
        if free.is_empty() {
            return;
        }
        let piece = free.join("\n");
        free.clear();
        out.push(match part {
            Part::Body { request: true } if !piece.trim().is_empty() => {
                around(&piece, |body| structure::body_text(gate, body))
            }
            Part::Body { request: false } => around(&piece, |body| answer(gate, body)),
            _ => gate.text(&piece),
        });
    };
    for line in text.split('\n') {
        let (mark, bare) = verbose_mark(line);
        if let Some(request) = start_line(bare) {
            flush(&mut free, part, &mut out);
            part = Part::Head { request };
            out.push(format!("{mark}{}", start(gate, bare)));
            continue;
        }
        match (part, bare.split_once(':')) {
            (Part::Head { request }, _) if bare.trim().is_empty() => {
                out.push(line.to_owned());
                part = Part::Body { request };
            }
            (Part::Head { .. }, Some((name, value))) if is_token(name) => {
                let ending = if value.ends_with('\r') { "\r" } else { "" };
                out.push(format!("{mark}{name}: {}{ending}", gate.header(name, value.trim())));
            }
            (Part::Head { .. }, _) => {
                part = Part::Text;
                free.push(line);
            }
            (Part::Text, _) if bare.trim().starts_with('{') => {
                flush(&mut free, part, &mut out);
                out.push(json(gate, line.trim()).unwrap_or_else(|| gate.text(line)));
            }
            _ => free.push(line),
        }
    }
    flush(&mut free, part, &mut out);
    out.join("\n")
}

/// Keeps the white space around a body: it is layout.
fn around(piece: &str, redact: impl Fn(&str) -> String) -> String {
    let body = piece.trim();
    let start = piece.len() - piece.trim_start().len();
    if body.is_empty() {
        piece.to_owned()
    } else {
        format!("{}{}{}", &piece[..start], redact(body), &piece[start + body.len()..])
    }
}

/// The `> ` and `< ` of `curl -v`.
fn verbose_mark(line: &str) -> (&str, &str) {
    if line.starts_with("> ") || line.starts_with("< ") { line.split_at(2) } else { ("", line) }
}

/// Whether this begins an HTTP message: `Some(true)` for a request, `Some(false)` for an answer.
fn start_line(line: &str) -> Option<bool> {
    let mut words = line.split_ascii_whitespace();
    let (first, second) = (words.next()?, words.next()?);
    if first.starts_with("HTTP/") && second.len() == 3 && second.bytes().all(|b| b.is_ascii_digit()) {
        return Some(false);
    }
    let method = first.len() <= 20 && first.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    let version = words.next()?.starts_with("HTTP/") && words.next().is_none();
    (method && version).then_some(true)
}

fn start(gate: &Gate, line: &str) -> String {
    match line.split_ascii_whitespace().collect::<Vec<_>>().as_slice() {
        [method, target, version] if version.starts_with("HTTP/") => {
            format!("{method} {} {version}", gate.url(target))
        }
        _ => gate.text(line),
    }
}

fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}
