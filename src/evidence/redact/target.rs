//! URLs, hosts and paths. They are cut by hand: a parser would normalise, and a doubled slash may be the fault.

use super::{Gate, is_mark, names};
use crate::evidence::shape;

/// What becomes of id-like segments of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ids {
    /// `{id}`: one endpoint is one endpoint, whoever calls it.
    Template,
    /// They stay: the link must lead somewhere.
    Keep,
}

/// Redacts a URL (`scheme://…`), a path (`/…`) or an authority (`host:port`); other text is free text.
pub(super) fn url(gate: &Gate, text: &str, ids: Ids) -> String {
    let trimmed = text.trim();
    if trimmed.contains(char::is_whitespace) || trimmed.starts_with("env:") {
        return gate.text(text);
    }
    let (before, fragment) = split(trimmed, '#');
    let (before, query) = split(before, '?');
    let (scheme, rest) = match before.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => (Some(scheme), rest),
        _ => (None, before),
    };
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let mut out = String::with_capacity(text.len());
    if let Some(scheme) = scheme {
        out.push_str(scheme);
        out.push_str("://");
    }
    match authority.rsplit_once('@') {
        Some((user, host)) if !user.is_empty() => {
            out.push_str(&if is_mark(user) { user.to_owned() } else { gate.mark("url-credentials", user) });
            out.push('@');
            out.push_str(host);
        }
        _ => out.push_str(authority),
    }
    out.push_str(&segments(path, ids));
    if let Some(query) = query {
        out.push('?');
        out.push_str(&query_of(gate, query, ids));
    }
    if let Some(fragment) = fragment {
        out.push('#');
        // `#access_token=…`: the implicit flow of OAuth puts its secrets here.
        out.push_str(&if fragment.contains('=') {
            query_of(gate, fragment, ids)
        } else {
            fragment.to_owned()
        });
    }
    gate.text(&out)
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

/// A path with `{id}` for what is somebody's or something's number.
fn segments(path: &str, ids: Ids) -> String {
    if ids == Ids::Keep {
        return path.to_owned();
    }
    path.split('/').map(|segment| if is_id(segment) { "{id}" } else { segment }).collect::<Vec<_>>().join("/")
}

fn is_id(segment: &str) -> bool {
    let bytes = segment.as_bytes();
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    let hex = bytes.iter().all(u8::is_ascii_hexdigit);
    let word = bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    // A year is not an id; `v2`, `oauth2`, `s3` are words.
    let year = bytes.len() == 4 && (segment.starts_with("19") || segment.starts_with("20"));
    (digits == bytes.len() && digits > 0 && !year)
        || shape::is_uuid(segment)
        || (hex && bytes.len() >= 12 && digits > 1)
        || (word && bytes.len() >= 12 && digits >= 4 && !segment.contains('-') && digits * 6 >= bytes.len())
        || (word && segment.split_once(['_', '-']).is_some_and(|(_, tail)| is_drawn(tail)))
        || segment.contains("%40")
        || segment.contains('@')
}

/// `cus_NffrFeUfNV2Hib`: what follows a prefix was drawn, not written.
fn is_drawn(tail: &str) -> bool {
    let count = |test: fn(&u8) -> bool| tail.bytes().filter(test).count();
    let digits = count(u8::is_ascii_digit);
    let mixed = digits > 0 && count(u8::is_ascii_uppercase) > 0 && count(u8::is_ascii_lowercase) > 0;
    tail.len() >= 8 && !tail.contains(['-', '_']) && (mixed || digits >= 3)
}

/// Whether a value of a form, where `+` is a space, says something secret that it does not say as it stands.
fn has_secret(gate: &Gate, value: &str) -> bool {
    let spaced = value.replace('+', " ");
    spaced != value && gate.text(&spaced) != spaced
}

fn query_of(gate: &Gate, query: &str, ids: Ids) -> String {
    let pairs = query.split('&').map(|pair| {
        let Some((name, value)) = pair.split_once('=') else { return pair.to_owned() };
        let secret = names::is_secret(name)
            || matches!(name, "code" | "state" | "key" | "se" | "sp" | "sv" | "nonce") && value.len() > 8;
        let shown = match ids {
            Ids::Template => names::query(name) && !secret,
            Ids::Keep => !secret,
        };
        if is_mark(value) || value.is_empty() || shown && !has_secret(gate, value) {
            pair.to_owned()
        } else {
            format!("{name}={}", gate.shape(value))
        }
    });
    pairs.collect::<Vec<_>>().join("&")
}
