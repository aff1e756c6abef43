//! What may leave the house: an allow-list for fields and headers, a scanner for free text, and a last look that fails closed.
//!
//! Names decide first (`names`): known-safe headers and fields keep their values, everything else becomes its shape
//! (`[jwt:256~3fa9c1d2]`, see `evidence::shape`). Values that are kept, and all free text, are scanned once more. Redacting
//! twice is redacting once. What surprises: a host name, a path, a status, a time, a trace id must survive, since an evidence
//! pack that is all stars helps nobody; the tests hold both directions.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::evidence::shape;
use crate::incident::Incident;

mod calls;
mod codes;
mod commands;
mod detect;
mod document;
mod encoded;
mod looks;
mod markup;
mod named;
mod names;
mod personal;
mod prose;
mod multipart;
mod structure;
mod tables;
mod target;
mod urls;
mod view;
mod walk;

/// Passes of the scanner until nothing more is found. Two do nearly always: the second sees what the first one's shapes laid
/// bare. What four cannot settle is withheld by [`withhold`].
const PASSES: usize = 4;

/// Which IP addresses are hidden.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Addresses {
    /// Public addresses behind a word that says that they are somebody's (`client`, `X-Forwarded-For`). The addresses of servers
    /// stay: they are what an incident is about.
    #[default]
    Clients,
    /// Every address, of servers and of private networks too.
    All,
}

/// The gate of one incident: equal secrets look equal inside it and nowhere else.
#[derive(Debug)]
pub struct Gate {
    key: [u8; 32],
    addresses: Addresses,
    counts: Mutex<BTreeMap<String, u64>>,
}

/// A secret that the scanner sees in a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leak {
    /// What kind: `jwt`, `password`, `email`, …
    pub kind: String,
    /// Where it begins, in bytes.
    pub start: usize,
    /// Where it ends, in bytes.
    pub end: usize,
}

impl Gate {
    /// A gate with this key, which should be drawn at random for each incident and kept with it.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self { key, addresses: Addresses::default(), counts: Mutex::default() }
    }

    /// The same, with these addresses hidden.
    #[must_use]
    pub fn hiding(mut self, addresses: Addresses) -> Self {
        self.addresses = addresses;
        self
    }

    /// Free text, without the secrets in it.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        self.without_addresses(self.without_secrets(text))
    }

    /// The text without any address, where that is the policy.
    fn without_addresses(&self, text: String) -> String {
        match self.addresses {
            Addresses::Clients => text,
            Addresses::All => self.replace(&text, &personal::every_address(&text)).0,
        }
    }

    fn without_secrets(&self, text: &str) -> String {
        let mut spans = detect::find(text);
        let mut text = Cow::Borrowed(text);
        for _ in 1..PASSES {
            if spans.is_empty() {
                return text.into_owned();
            }
            let (redacted, marks) = self.replace(&text, &spans);
            spans = again(&redacted, &marks);
            text = Cow::Owned(redacted);
        }
        if spans.is_empty() { text.into_owned() } else { withhold(&text).0 }
    }

    /// The text with a shape for each span, and where the shapes stand.
    fn replace(&self, text: &str, spans: &[detect::Span]) -> (String, Vec<(usize, usize)>) {
        let mut out = String::with_capacity(text.len() + spans.len() * 8);
        let mut marks = Vec::with_capacity(spans.len());
        let mut at = 0;
        for span in spans {
            out.push_str(&text[at..span.start]);
            let start = out.len();
            out.push_str(&self.mark(span.kind, &text[span.start..span.end]));
            marks.push((start, out.len()));
            at = span.end;
        }
        out.push_str(&text[at..]);
        (out, marks)
    }

    /// A JSON document: known-safe fields keep their values, everything else becomes its shape.
    #[must_use]
    pub fn json(&self, value: &Value) -> Value {
        structure::document(self, value)
    }

    /// A JSON body as its shape: names of fields, types and structure, no values.
    #[must_use]
    pub fn body(&self, value: &Value) -> Value {
        structure::shape_of(self, value)
    }

    /// A URL, host or path: no credentials, id-like path segments as `{id}`, query values as shapes.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        self.without_addresses(target::url(self, url, target::Ids::Template))
    }

    /// A link that people are to follow: no credentials and no secrets in its query, the rest as it is.
    #[must_use]
    pub fn link(&self, url: &str) -> String {
        self.without_addresses(target::url(self, url, target::Ids::Keep))
    }

    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str, value: &str) -> String {
        structure::header(self, name, value)
    }

    /// A pasted document: JSON, HAR, curl commands, HTTP messages, forms, or else free text; in any mixture.
    #[must_use]
    pub fn document(&self, text: &str) -> String {
        document::redact(self, text)
    }

    /// How many of each kind were redacted so far.
    #[must_use]
    pub fn report(&self) -> BTreeMap<String, u64> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The shape of this value, counted.
    fn mark(&self, kind: &str, value: &str) -> String {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(kind.to_owned()).or_default() += 1;
        shape::mark(&self.key, kind, value)
    }

    /// The shape of a value of which only its characters are known; a shape stays as it is.
    fn shape(&self, value: &str) -> String {
        if is_mark(value) || value.is_empty() {
            return value.to_owned();
        }
        self.mark(shape::character_class(value), value)
    }
}

/// What is seen now around the shapes that were just set: in their lines and the ones beside. The rest is as it was.
fn again(text: &str, marks: &[(usize, usize)]) -> Vec<detect::Span> {
    let mut spans = Vec::new();
    let mut window: Option<(usize, usize)> = None;
    for (start, end) in marks {
        let (start, end) = (line_start(text, *start), line_end(text, *end));
        window = match window {
            Some((first, last)) if start <= last => Some((first, end.max(last))),
            before => {
                spans.extend(before.into_iter().flat_map(|it| seen(text, it)));
                Some((start, end))
            }
        };
    }
    spans.extend(window.into_iter().flat_map(|it| seen(text, it)));
    spans
}

fn seen(text: &str, (start, end): (usize, usize)) -> Vec<detect::Span> {
    let mut spans = detect::find(&text[start..end]);
    for span in &mut spans {
        span.start += start;
        span.end += start;
    }
    spans
}

/// How far a shape may change what stands beside it, in bytes.
const REACH: usize = 2048;

fn line_start(text: &str, at: usize) -> usize {
    let from = text.floor_char_boundary(at.saturating_sub(REACH));
    let mut lines = text[from..at].rmatch_indices('\n');
    lines.nth(1).map_or(from, |(line, _)| from + line + 1)
}

fn line_end(text: &str, at: usize) -> usize {
    let to = text.ceil_char_boundary(at.saturating_add(REACH).min(text.len()));
    text[at..to].match_indices('\n').nth(1).map_or(to, |(line, _)| at + line)
}

/// Whether the whole text is one shape.
fn is_mark(text: &str) -> bool {
    shape::MARK.find(text).is_some_and(|mark| mark.start() == 0 && mark.end() == text.len())
}

/// The last look before a text leaves: what still looks like a secret.
#[must_use]
pub fn scan(text: &str) -> Vec<Leak> {
    let leak = |span: detect::Span| Leak { kind: span.kind.to_owned(), start: span.start, end: span.end };
    detect::find(text).into_iter().map(leak).collect()
}

/// The last gate: whatever [`scan`] still sees is cut out, and said to be. It fails closed on the secret and not on the
/// message, since an issue that never arrives helps nobody either.
#[must_use]
pub fn withhold(text: &str) -> (String, Vec<Leak>) {
    let leaks = scan(text);
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for leak in &leaks {
        out.push_str(&text[at..leak.start]);
        out.push_str(detect::WITHHELD);
        at = leak.end;
    }
    out.push_str(&text[at..]);
    (out, leaks)
}

/// The redacted copy of an incident: the only thing that leaves.
#[must_use]
pub fn incident(incident: &Incident, gate: &Gate) -> Incident {
    walk::incident(incident, gate)
}

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;
