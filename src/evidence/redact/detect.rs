//! The scanner: where in a free text the secrets are.
//!
//! Every rule walks the bytes once and gives spans; spans that overlap become one, so that no end of a secret sticks out. What
//! is already a shape ([`shape::MARK`]) is never found again. The scanner errs towards hiding; what it must not hide (hosts,
//! statuses, times, trace ids, hashes behind a word that says what they hash) is in its tests.
//!
//! # Why by hand
//! Some twenty regular expressions over everything read 0.2 MB/s of a log full of secrets. These rules look only where a byte
//! gives them reason to (`=`, `:`, `@`, `<`, a word's beginning), never further than a bound, and never twice over one span:
//! their cost grows with the length of the text and with nothing else (`benches/redact.rs`).

use std::borrow::Cow;

use super::{calls, codes, commands, encoded, looks, markup, named, personal, prose, tables, urls};
use crate::evidence::shape;

/// A secret in a text: byte offsets and kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: &'static str,
}

/// What a shape is blotted out with before the rules look: no letter, no digit, no quote.
pub(super) const MASK: u8 = b'~';

/// What stands where the last gate has cut something out.
pub(super) const WITHHELD: &str = "(withheld)";

/// How deep encodings are unpacked: a token in a URL in a form in base64.
const DEPTH: u8 = 3;

/// The secrets of a text: sorted, without overlap, none of them a shape already.
pub(super) fn find(text: &str) -> Vec<Span> {
    find_at(text, DEPTH)
}

/// As [`find`], unpacking encodings this much deeper.
pub(super) fn find_at(text: &str, depth: u8) -> Vec<Span> {
    let text = masked(text);
    let mut spans = Vec::new();
    looks::find(&text, &mut spans);
    let hosts = urls::find(&text, &mut spans);
    named::find(&text, &mut spans);
    prose::find(&text, &mut spans);
    markup::find(&text, &mut spans);
    markup::escaped(&text, &mut spans);
    commands::find(&text, &mut spans);
    calls::find(&text, &mut spans);
    tables::find(&text, &mut spans);
    codes::find(&text, &mut spans);
    personal::find(&text, &hosts, &mut spans);
    encoded::find(&text, depth, &mut spans);
    // What our own layout puts between shapes is no secret: `[..]:[..]`, `a=[..]; b=[..]`.
    spans.retain(|span| {
        let found = &text[span.start..span.end];
        found.contains(char::is_alphanumeric) && !is_placeholder(found) && found != WITHHELD
    });
    merged(spans, &text)
}

/// `<token>`: what our own commands say instead of a secret, and every manual.
fn is_placeholder(found: &str) -> bool {
    let name = found.trim().strip_prefix('<').and_then(|it| it.strip_suffix('>'));
    name.is_some_and(|name| {
        (2..=30).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'-' | b'_'))
    })
}

/// The text with each shape blotted out, at its length: nothing in a shape is looked at again.
fn masked(text: &str) -> Cow<'_, str> {
    let mut out: Option<String> = None;
    let mut at = 0;
    for (open, _) in text.match_indices('[') {
        if open < at {
            continue;
        }
        let Some(length) = shape::mark_length(&text[open..]) else { continue };
        // Markdown's back-slash before the bracket belongs to the shape.
        let start = open - usize::from(open > at && text.as_bytes()[open - 1] == b'\\');
        let out = out.get_or_insert_with(|| String::with_capacity(text.len()));
        out.push_str(&text[at..start]);
        out.push('[');
        out.extend(std::iter::repeat_n(char::from(MASK), open + length - start - 2));
        out.push(']');
        at = open + length;
    }
    match out {
        None => Cow::Borrowed(text),
        Some(mut out) => {
            out.push_str(&text[at..]);
            Cow::Owned(out)
        }
    }
}

/// Overlapping spans as one, each widened to the whole of a shape that it cuts.
fn merged(mut spans: Vec<Span>, masked: &str) -> Vec<Span> {
    let bytes = masked.as_bytes();
    for span in &mut spans {
        // Inside a blot on either side, or between its bracket and its first stroke.
        let cut = |at: usize| {
            at > 0
                && at < bytes.len()
                && (bytes[at] == MASK && matches!(bytes[at - 1], MASK | b'[')
                    || bytes[at] == b']' && bytes[at - 1] == MASK)
        };
        while cut(span.start) {
            span.start -= 1;
        }
        while cut(span.end) {
            span.end += 1;
        }
    }
    spans.sort_unstable_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
    let mut out: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match out.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => out.push(span),
        }
    }
    out
}
