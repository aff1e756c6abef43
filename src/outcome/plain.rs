//! What strangers sent, as text that may stand anywhere: in a terminal, a chat, an issue, a database. Pure.
//!
//! Servers, certificates, name servers and pasted requests put their own words into facts. A control character steers the terminal
//! that shows it, a directional one turns a line around (CVE-2021-42574), a list of thousands fills a chat. Here all three are
//! written out or cut, once for every check, so that none of them has to think of it.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Facts, Report};

/// The longest text of a report, in characters: a gateway's message or a certificate's name has some hundred.
const LONGEST_TEXT: usize = 2000;

/// The most elements of a list, and fields of an object.
const MOST_ELEMENTS: usize = 200;

impl Report {
    /// The same report, in text that may stand anywhere and of a bounded size.
    #[must_use]
    pub fn in_plain_text(mut self) -> Self {
        self.target = visible(&self.target).into_owned();
        self.summary = text(std::mem::take(&mut self.summary));
        self.facts = std::mem::take(&mut self.facts)
            .into_iter()
            .map(|(name, it)| (text(name), value(it)))
            .collect::<Facts>();
        self
    }
}

/// A text in which whatever steers a terminal, ends a line or turns it around is written out, as `\u{202e}`.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(steers) {
        return text.into();
    }
    let written = |it: char| {
        let (raw, escaped) = if steers(it) { (None, Some(it.escape_default())) } else { (Some(it), None) };
        raw.into_iter().chain(escaped.into_iter().flatten())
    };
    text.chars().flat_map(written).collect::<String>().into()
}

/// Controls (C0, DEL, C1), the ends of lines and paragraphs, and the marks that set a direction (Unicode TR 9).
fn steers(it: char) -> bool {
    it.is_control()
        || matches!(it, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn text(text: String) -> String {
    let cut = text.char_indices().nth(LONGEST_TEXT).map(|(end, _)| format!("{}…", &text[..end]));
    let text = cut.unwrap_or(text);
    match visible(&text) {
        Cow::Owned(written) => written,
        Cow::Borrowed(_) => text,
    }
}

fn value(it: Value) -> Value {
    match it {
        Value::String(it) => Value::String(text(it)),
        Value::Array(items) => {
            let more = items.len().saturating_sub(MOST_ELEMENTS);
            let told = items.into_iter().take(MOST_ELEMENTS).map(value);
            told.chain((more > 0).then(|| format!("… and {more} more").into())).collect()
        }
        Value::Object(fields) => {
            let more = fields.len().saturating_sub(MOST_ELEMENTS);
            let told = fields.into_iter().take(MOST_ELEMENTS).map(|(name, it)| (text(name), value(it)));
            Value::Object(
                told.chain((more > 0).then(|| ("…".to_owned(), more.into()))).collect::<Map<_, _>>(),
            )
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::CheckKind;
    use serde_json::json;

    #[test]
    fn what_steers_a_terminal_or_turns_a_line_is_written_out() {
        assert_eq!(visible("nginx/1.25 – Zürich 東京"), "nginx/1.25 – Zürich 東京");
        assert_eq!(visible("a\u{1b}[2J\n\u{9b}\u{202e}b"), "a\\u{1b}[2J\\n\\u{9b}\\u{202e}b");
        let mut report = Report::error(CheckKind::Http, "http://a/\u{202e}", "bad\nline");
        report.facts.insert("\u{1b}".to_owned(), json!({"\u{2066}": ["\0", 1, null]}));
        let report = report.in_plain_text();
        assert_eq!((report.target.as_str(), report.summary.as_str()), ("http://a/\\u{202e}", "bad\\nline"));
        assert_eq!(report.facts["\\u{1b}"], json!({"\\u{2066}": ["\\u{0}", 1, null]}));
        assert_eq!(report.facts["reason"], "bad\\nline");
    }

    #[test]
    fn what_is_long_is_cut() {
        let mut report = Report::error(CheckKind::Dns, "a.test", "é".repeat(5000));
        report.facts.insert("addresses".to_owned(), vec![json!("192.0.2.1"); 3000].into());
        let report = report.in_plain_text();
        assert_eq!(report.summary, "é".repeat(2000) + "…");
        let addresses = report.facts["addresses"].as_array().unwrap();
        assert_eq!((addresses.len(), &addresses[200]), (201, &json!("… and 2800 more")));
    }
}
