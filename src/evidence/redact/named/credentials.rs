//! Headers that carry credentials: `Authorization` in its many schemes, and cookies. What says which scheme and which cookie stays.

use super::value::{continued, is_shape_alone, long_line_at};
use crate::evidence::redact::detect::{MASK, Span};
use crate::evidence::redact::names;

/// The schemes of an `Authorization` header (IANA's list, and what vendors made up).
pub(in crate::evidence::redact) fn is_scheme(word: &str) -> bool {
    const SCHEMES: [&str; 22] = [
        "bearer",
        "basic",
        "digest",
        "token",
        "apikey",
        "negotiate",
        "aws4-hmac-sha256",
        "ntlm",
        "dpop",
        "hawk",
        "ssws",
        "geniekey",
        "key",
        "bot",
        "oauth",
        "mac",
        "hmac",
        "snowflake",
        "splunk",
        "sharedaccesssignature",
        "sharedkey",
        "flyv1",
    ];
    word.len() <= 22 && SCHEMES.contains(&word.to_ascii_lowercase().as_str())
}

/// Parameters of a credential that are no secret.
const PARAMETERS: [&str; 13] = [
    "realm",
    "uri",
    "qop",
    "algorithm",
    "nc",
    "signedheaders",
    "scope",
    "error",
    "error_description",
    "charset",
    "version",
    "ts",
    "signature_method",
];

/// What follows the name of a credential: its scheme stays, and parameters that are no secret.
pub(in crate::evidence::redact) fn authorization(
    text: &str,
    value: usize,
    spans: &mut Vec<Span>,
) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut start = value;
    while start < bytes.len() && b"[(\"'`\\".contains(&bytes[start]) && bytes.get(start + 1) != Some(&MASK) {
        start += 1;
    }
    let line = long_line_at(text, start);
    let opened = start > value;
    // What was opened ends: a list at its bracket, a string at its quote.
    let list = bytes.get(value) == Some(&b'[');
    let ends: &[char] = if list { &['"', '\'', '`', ']'] } else { &['"', '\'', '`'] };
    let mut length = if opened { line.find(ends).unwrap_or(line.len()) } else { line.len() };
    let scheme = line[..length].split_whitespace().next()?;
    let begin = scheme.len() + (line[scheme.len()..].len() - line[scheme.len()..].trim_start().len());
    if !is_scheme(scheme.trim_end_matches(':')) || begin >= length {
        return None;
    }
    // In a Digest's parameters there are quotes; in JSON the first one ends it.
    let first = line[begin..length].split(',').next().unwrap_or_default();
    let parameters = line[begin..].contains(", ")
        && first.split_once('=').is_some_and(|(name, value)| {
            name.len() <= 24
                && name.bytes().all(|b| b.is_ascii_alphabetic() || b"_-".contains(&b))
                && !value.is_empty()
                && !value.starts_with('=')
        });
    if opened && parameters && matches!(scheme, "Digest" | "digest") {
        length = line.len();
    }
    if parameters {
        let mut at = start + begin;
        for part in line[begin..length].split(',') {
            let (name, inside) = part.split_once('=').unwrap_or(("", part));
            let first = at + (part.len() - inside.len());
            let trimmed = inside.trim_end();
            if !PARAMETERS.contains(&name.trim().to_ascii_lowercase().as_str())
                && !trimmed.is_empty()
                && !trimmed.trim_matches('"').starts_with("[~")
            {
                let quote = usize::from(trimmed.starts_with('"'));
                let end = first + trimmed.trim_end_matches('"').len();
                if first + quote < end {
                    spans.push(Span { start: first + quote, end, kind: "authorization" });
                }
            }
            at += part.len() + 1;
        }
        return Some(start + length);
    }
    let cut = line[begin..length].find(['"', '\'', '`', '<', '}']).map_or(length, |at| begin + at);
    let secret = line[begin..cut].trim_end_matches([']', ')', ',', ' ', '\\']);
    if names::is_plain_word(secret) || secret.starts_with("realm=") || secret.starts_with("error=") {
        return None;
    }
    let (from, mut to) = (start + begin, start + begin + secret.len());
    if secret.starts_with("[~") && is_shape_alone(text, from, to) {
        return Some(to);
    }
    if secret.starts_with('<') || secret.is_empty() {
        return None;
    }
    to = continued(text, to, false);
    // A folded header line (RFC 9112, 5.2).
    let next = long_line_at(text, to).len() + to + 1;
    if !opened && next < text.len() {
        let folded = long_line_at(text, next);
        let word = folded.trim();
        if folded.starts_with([' ', '\t']) && word.len() >= 8 && !word.contains([' ', ':']) {
            to = next + folded.trim_end().len();
        }
    }
    spans.push(Span { start: from, end: to, kind: "authorization" });
    Some(to)
}

/// The values of cookies; their names and a `Set-Cookie`'s attributes stay.
pub(in crate::evidence::redact) fn cookies(text: &str, value: usize, spans: &mut Vec<Span>) -> Option<usize> {
    const ATTRIBUTES: [&str; 9] =
        ["path", "domain", "expires", "max-age", "samesite", "secure", "httponly", "partitioned", "priority"];
    let bytes = text.as_bytes();
    let mut start = value;
    while start < bytes.len() && b"[\"'`\\".contains(&bytes[start]) && bytes.get(start + 1) != Some(&MASK) {
        start += 1;
    }
    let line = long_line_at(text, start);
    let list = &line[..line.find(['"', '\'', '`', '\\']).unwrap_or(line.len())];
    if !list.contains('=') {
        return None;
    }
    let mut at = start;
    for part in list.split(';') {
        if let Some((name, value)) = part.split_once('=') {
            let from = at + name.len() + 1;
            let trimmed = value.trim_end();
            if !ATTRIBUTES.contains(&name.trim().to_ascii_lowercase().as_str())
                && !trimmed.trim().is_empty()
                && !is_shape_alone(text, from, from + trimmed.len())
            {
                spans.push(Span { start: from, end: from + trimmed.len(), kind: "cookie" });
            }
        }
        at += part.len() + 1;
    }
    Some(start + list.len())
}
