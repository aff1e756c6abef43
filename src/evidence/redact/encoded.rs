//! Secrets that nobody named: long random strings, and secrets wrapped in base64 or percent-encoding.
//!
//! A random string is told from a word by how often its characters change class. Hashes, trace ids and request ids are
//! random too and must stay: they do, behind a word that says what they are (`trace`, `sha256:`, `commit`, `x-request-id`).

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use regex::Regex;

use super::detect::{Span, find_at};

static RUN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[A-Za-z0-9+/_-]{16,}={0,2}").expect("a constant pattern"));
static PERCENT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[A-Za-z0-9%._~+-]*%[0-9A-Fa-f]{2}[A-Za-z0-9%._~+-]*").expect("a constant pattern")
});
/// A word that says what the random string behind it is, and that it is no secret.
static SAYS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?ix) (?: \b(?: trace | traceparent | tracestate | span | request | correlation | transaction | sha-?\d* | md5 | commit | rev | revision | release
            | digest | checksum | hash | fingerprint\w* | thumbprint | serial(?:[ _-]?number)? | etag | ray | build | version | image | tag | uuid | guid | kid
            | x5t | ski | aki | nonce | runbooks | deploy(?:ment)? | b3 | sampled | root | parent | self | revision | blob | tree | diff )
          | (?: [_-] | \b ) id | (?: trace | span | request | correlation | event | span | parent | incident | run | build | deployment ) -? id | x-amz-id-2 | azure-ref | [a-z]Id )
          (?: [\\_\s-]* (?: id | sha\d* | hash | header | hex ) )? ["'\\\s:=@\#`*(\[<,_.-]* (?: is \s+ )? (?: (?:sha\d+|00|root|w/|1) [-:="'/]* )? $"#,
    )
    .expect("a constant pattern")
});
/// `user_id` and the like are somebody's and do not count as saying what follows.
static SOMEBODY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)(?:session|sess|client|customer|account|user|secret|access[_-]?key|api[_-]?key|private)[\s_-]*id\W*$").expect("a constant pattern")
});

/// How far back a word may stand that says what a string is, in bytes.
const REACH: usize = 48;

/// Adds the spans.
pub(super) fn find(text: &str, depth: u8, spans: &mut Vec<Span>) {
    for run in RUN.find_iter(text) {
        let (start, end) = (run.start(), run.end());
        if depth > 0 && wraps_text(run.as_str()) {
            spans.push(Span { start, end, kind: "base64" });
        } else if !is_said(text, start) {
            random_parts(run.as_str(), start, spans);
        }
    }
    if depth == 0 || !text.contains('%') {
        return;
    }
    for run in PERCENT.find_iter(text) {
        let decoded = percent_decoded(run.as_str());
        if decoded.as_deref().is_some_and(|decoded| !find_at(decoded, depth - 1).is_empty()) {
            spans.push(Span { start: run.start(), end: run.end(), kind: "encoded" });
        }
    }
}

fn is_said(text: &str, start: usize) -> bool {
    let mut from = start.saturating_sub(REACH);
    while !text.is_char_boundary(from) {
        from -= 1;
    }
    let line = text[from..start].rsplit('\n').next().unwrap_or_default();
    SAYS.is_match(line) && !SOMEBODY.is_match(line)
}

/// Whether this is base64 of readable text. Twelve random bytes are all printable once in ten million times.
fn wraps_text(run: &str) -> bool {
    let bare = run.trim_end_matches('=');
    let decoded =
        if bare.contains(['+', '/']) { STANDARD_NO_PAD.decode(bare) } else { URL_SAFE_NO_PAD.decode(bare) };
    decoded.is_ok_and(|bytes| {
        bytes.len() >= 12
            && bytes.iter().all(|b| (0x20..0x7f).contains(b) || matches!(b, b'\n' | b'\r' | b'\t'))
    })
}

/// Words of a path or a name are joined by `/`, `-` and `_`, which are letters of base64 as well: a string is judged whole
/// when it looks random whole, else by its parts.
fn random_parts(run: &str, offset: usize, spans: &mut Vec<Span>) {
    if is_random_whole(run) {
        spans.push(Span { start: offset, end: offset + run.len(), kind: kind_of(run) });
        return;
    }
    let dull = run
        .split(['/', '-', '_', '=', '+'])
        .filter(|part| !part.is_empty())
        .all(|part| !looks_random(part, 16));
    if dull {
        return;
    }
    if !run.contains('/') || run.contains(['+', '=']) {
        spans.push(Span { start: offset, end: offset + run.len(), kind: kind_of(run) });
        return;
    }
    // A path keeps its other segments.
    let mut at = offset;
    for part in run.split('/') {
        if part.split(['-', '_']).any(|word| looks_random(word, 16)) {
            spans.push(Span { start: at, end: at + part.len(), kind: kind_of(part) });
        }
        at += part.len() + 1;
    }
}

fn kind_of(run: &str) -> &'static str {
    if run.bytes().all(|b| b.is_ascii_hexdigit()) { "hex" } else { "random" }
}

/// Whether a string without separators is more likely drawn than written.
fn looks_random(part: &str, shortest: usize) -> bool {
    let bytes = part.as_bytes();
    if bytes.len() < shortest {
        return false;
    }
    let hex = bytes.iter().all(u8::is_ascii_hexdigit);
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    if digits == bytes.len() {
        return false;
    }
    if hex {
        // A word of sixteen letters a to f does not exist; shorter hexadecimal names things.
        return bytes.len() >= 24 && digits > 0;
    }
    // A capital that begins a word is no change.
    let changes = bytes
        .windows(2)
        .filter(|pair| class(pair[0]) != class(pair[1]) && !(class(pair[0]) == 1 && class(pair[1]) == 2))
        .count();
    let long = bytes.len() >= 32 && no_vowels_for_long(bytes);
    (changes * 5 >= bytes.len() && bytes.len() >= 20) || (changes * 4 >= bytes.len()) || long
}

fn class(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => 0,
        b'A'..=b'Z' => 1,
        _ => 2,
    }
}

/// Whether a long string is random across its separators, as base64 with `/` in it is. A path begins with one, and its words
/// are longer.
fn is_random_whole(run: &str) -> bool {
    let letters: Vec<u8> = run.bytes().filter(u8::is_ascii_alphanumeric).collect();
    let has = |wanted| letters.iter().any(|b| class(*b) == wanted);
    let changes = letters
        .windows(3)
        .filter(|three| {
            let [before, from, to] = [class(three[0]), class(three[1]), class(three[2])];
            from != to && !(from == 1 && to == 2 && before != 1)
        })
        .count();
    !run.starts_with('/')
        && letters.len() >= 32
        && has(0)
        && has(1)
        && has(2)
        && changes * 9 >= letters.len() * 2
}

/// A word in any language has a vowel at least every six letters or so.
fn no_vowels_for_long(bytes: &[u8]) -> bool {
    let vowels = bytes.iter().filter(|b| b"aeiouyAEIOUY".contains(b)).count();
    vowels * 5 < bytes.len()
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail
            .get(..2)
            .and_then(|pair| std::str::from_utf8(pair).ok())
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        if let (b'%', Some(byte)) = (first, digits) {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let mut spans = Vec::new();
        find(text, 2, &mut spans);
        let found: Vec<&str> = spans.iter().map(|span| &text[span.start..span.end]).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn random_strings_are_found() {
        check("x 9f8A7sd6Fg5hJ4kL3zX2 y", &["9f8A7sd6Fg5hJ4kL3zX2"]);
        check("k wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", &["wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"]);
        check("value 0123456789abcdef0123456789abcdef here", &["0123456789abcdef0123456789abcdef"]);
        check("b x7k2m9qp4w8z1n5v3c6b", &["x7k2m9qp4w8z1n5v3c6b"]);
    }

    #[test]
    fn names_and_paths_are_not() {
        for text in [
            "gateway-gives-up-before-backend",
            "HttpServerRequestTimeoutException",
            "api.eu-west-1.elasticbeanstalk.example.com",
            "/v1/reports/export/monthly/statements",
            "reports-api-7d9f8b6c5d-x2x4z",
            "gateway_shorter_than_backend",
            "2026-03-01T10:02:00Z",
            "pool_exhausted_after_release_2026_03",
            "payments-production-blue-2",
            "INTERNAL_SERVER_ERROR",
            "0b1c7a5e-9c5d-4a52-8d4e-0a1b2c3d4e5f",
            "--------------------------------",
            "upstream_connect_error_or_disconnect",
        ] {
            check(text, &[]);
        }
    }

    #[test]
    fn what_is_named_as_a_hash_or_a_trace_stays() {
        for text in [
            "trace 4bf92f3577b34da6a3ce929d0e0e4736",
            "trace_id=4bf92f3577b34da6a3ce929d0e0e4736",
            "\"traceId\": \"4bf92f3577b34da6a3ce929d0e0e4736\"",
            "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "commit 2f6dfe5a9c0b1d2e3f4a5b6c7d8e9f0a1b2c3d4e",
            "image reports@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "X-Amz-Cf-Id: 3dK9qLm0PzXs7vB2nYt8RwQe5uHgJc1a",
            "fingerprint_sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "serial 03a1b2c3d4e5f60718293a4b5c6d7e8f9001",
            "Root=1-67891233-abcdef012345678912345678",
        ] {
            check(text, &[]);
        }
        check("session_id abcdef0123456789abcdef0123", &["abcdef0123456789abcdef0123"]);
    }

    #[test]
    fn wrapped_secrets_are_found() {
        check("b64 cGFzc3dvcmQ9aHVudGVyMg==", &["cGFzc3dvcmQ9aHVudGVyMg=="]);
        check(
            "next=https%3A%2F%2Fa.example%2F%3Ftoken%3Dhunter2x9",
            &["https%3A%2F%2Fa.example%2F%3Ftoken%3Dhunter2x9"],
        );
        check("q=caf%C3%A9%20au%20lait", &[]);
    }
}
