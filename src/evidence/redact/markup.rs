//! Secrets in XML and HTML: the text of an element, and the values of its attributes, whose names are secret.

use super::detect::Span;
use super::named::{floor, is_secret_value, kind_of};
use super::names;

/// The longest tag that is read, in bytes.
const TAG: usize = 1024;
/// The longest text of an element, in bytes.
const TEXT: usize = 8 * 1024;

/// Adds the spans.
pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let mut covered = 0;
    for (open, _) in text.match_indices('<') {
        if open < covered || !bytes.get(open + 1).is_some_and(u8::is_ascii_alphabetic) {
            continue;
        }
        let limit = floor(text, (open + TAG).min(text.len()));
        let Some(close) = text[open..limit].find('>').map(|at| open + at) else { continue };
        let inside = &text[open + 1..close];
        let element = inside.split([' ', '\t', '\n', '\r', '/']).next().unwrap_or_default();
        let element = element.rsplit(':').next().unwrap_or(element);
        let mut secret = names::is_secret(element).then_some(element);
        let attributes = attributes(text, open + 1, close);
        for (name, value) in &attributes {
            let value = &text[value.0..value.1];
            if matches!(
                *name,
                "name" | "key" | "id" | "property" | "type" | "Name" | "Key" | "autocomplete" | "http-equiv"
            ) && value.len() <= 64
                && names::is_secret(value)
            {
                secret = Some(value);
            }
        }
        let Some(secret) = secret else { continue };
        for (name, (start, end)) in &attributes {
            if matches!(*name, "value" | "content" | "default" | "Value" | "data-value")
                && is_secret_value(secret, &text[*start..*end])
            {
                spans.push(Span { start: *start, end: *end, kind: kind_of(secret) });
            }
        }
        covered = close;
        if inside.ends_with('/') {
            continue;
        }
        if let Some((start, end)) = content(text, close + 1)
            && is_secret_value(secret, &text[start..end])
            && !(element.eq_ignore_ascii_case("token") && text[start..end].contains("</"))
        {
            spans.push(Span { start, end, kind: kind_of(secret) });
            covered = end;
        }
    }
}

/// The text of an element in an escaped document: `&lt;password&gt;…&lt;/password&gt;`.
pub(super) fn escaped(text: &str, spans: &mut Vec<Span>) {
    for (open, _) in text.match_indices('&') {
        if !text[open..].starts_with("&lt;") {
            continue;
        }
        let limit = floor(text, (open + 100).min(text.len()));
        let Some(close) = text[open..limit].find("&gt;") else { continue };
        let element = text[open + 4..open + close].split(' ').next().unwrap_or_default();
        let element = element.rsplit(':').next().unwrap_or(element);
        if !names::is_secret(element) {
            continue;
        }
        let start = open + close + 4;
        let limit = floor(text, (start + TEXT).min(text.len()));
        let end = text[start..limit].find("&lt;").map_or(start, |at| start + at);
        if is_secret_value(element, &text[start..end]) && !text[start..end].contains("[~") {
            spans.push(Span { start, end, kind: kind_of(element) });
        }
    }
}

/// An attribute: its name, and where its value begins and ends.
type Attribute<'a> = (&'a str, (usize, usize));

/// The attributes of the tag between these places: names, and where their values stand.
fn attributes(text: &str, from: usize, to: usize) -> Vec<Attribute<'_>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = from;
    while let Some(equals) = text[at..to].find('=').map(|it| at + it) {
        let start = bytes[from..equals]
            .iter()
            .rposition(|b| b.is_ascii_whitespace() || matches!(b, b'"' | b'\''))
            .map_or(from, |it| from + it + 1);
        let name = text[start..equals].trim();
        let quote = bytes.get(equals + 1).copied().filter(|b| matches!(b, b'"' | b'\''));
        let Some(quote) = quote else {
            at = equals + 1;
            continue;
        };
        let begin = equals + 2;
        if begin > to {
            break;
        }
        let end = bytes[begin..to].iter().position(|b| *b == quote).map_or(to, |it| begin + it);
        found.push((name, (begin, end)));
        at = (end + 1).min(to);
        if found.len() >= 32 {
            break;
        }
    }
    found
}

/// The text that begins here and ends with the next tag.
fn content(text: &str, start: usize) -> Option<(usize, usize)> {
    let rest = &text[start..floor(text, (start + TEXT).min(text.len()))];
    // `<credential name="password"><value>…</value>`: the value's own element.
    for inner in ["<value>", "<Value>", "<string>", "<val>"] {
        if let Some(inside) = rest.trim_start().strip_prefix(inner) {
            let begin = start + rest.len() - inside.len();
            let shown = &inside[..inside.find("</")?];
            return (!shown.trim().is_empty()).then_some((begin, begin + shown.len()));
        }
    }
    let (skip, end) = match rest.strip_prefix("<![CDATA[") {
        Some(inside) => (9, inside.find("]]>")? + 9),
        None => (0, rest.find('<').filter(|at| rest[*at..].starts_with("</"))?),
    };
    let shown = rest[skip..end].trim();
    let lead = rest[skip..end].len() - rest[skip..end].trim_start().len();
    (!shown.is_empty()).then_some((start + skip + lead, start + skip + lead + shown.len()))
}
