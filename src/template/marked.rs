//! How a terminal's template says what it means: tones, marks and rules, as text with control characters in it.
//!
//! Foreign text cannot say any of it: what a template fills in passes [`neutral::plain`], which leaves no control character.
//! A line is a paragraph; a tab in it separates what stands at its left from what is broken at spaces.

use super::neutral;

const TONE: char = '\u{1}';
const MARK: char = '\u{2}';
const PICK: char = '\u{3}';
const RULE: char = '\u{4}';
const NEXT: char = '\u{5}';
const END: char = '\u{6}';

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Words, and how they are meant (`plain`, `strong`, `dim`, `good`, `bad`, `warn`, `accent`).
    Words {
        /// How they are meant.
        tone: String,
        /// The words.
        text: String,
    },
    /// A mark (`good`, `bad`, `warn`, `unknown`, `question`, `answer`, `news`).
    Mark(String),
    /// One of two, as the terminal can show it.
    Pick {
        /// Beyond ASCII.
        rich: String,
        /// In ASCII.
        plain: String,
        /// How it is meant.
        tone: String,
    },
    /// A line across the page.
    Rule {
        /// How its title is meant.
        tone: String,
        /// Words at its right end.
        right: String,
        /// Its title.
        title: String,
    },
}

/// Foreign text on one line, without control characters.
pub(super) fn words(text: &str) -> String {
    neutral::plain(text).replace(['\n', '\t'], " ")
}

pub(super) fn tone(tone: &str, text: &str) -> String {
    format!("{TONE}{}{NEXT}{}{END}", words(tone), words(text))
}

pub(super) fn mark(name: &str) -> String {
    format!("{MARK}{}{END}", words(name))
}

pub(super) fn pick(rich: &str, plain: &str, tone: &str) -> String {
    format!("{PICK}{}{NEXT}{}{NEXT}{}{END}", words(rich), words(plain), words(tone))
}

pub(super) fn rule(tone: &str, right: &str, title: &str) -> String {
    format!("{RULE}{}{NEXT}{}{NEXT}{}{END}", words(tone), words(right), words(title))
}

/// The pieces of a line of a filled template.
#[must_use]
pub fn pieces(line: &str) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find([TONE, MARK, PICK, RULE]) {
        found.extend(plain_words(&rest[..at]));
        let kind = rest[at..].chars().next();
        let (inner, later) = rest[at + 1..].split_once(END).unwrap_or((&rest[at + 1..], ""));
        let mut parts = inner.split(NEXT).map(str::to_owned);
        let mut part = || parts.next().unwrap_or_default();
        found.push(match kind {
            Some(MARK) => Piece::Mark(part()),
            Some(PICK) => Piece::Pick { rich: part(), plain: part(), tone: part() },
            Some(RULE) => Piece::Rule { tone: part(), right: part(), title: part() },
            _ => Piece::Words { tone: part(), text: part() },
        });
        rest = later;
    }
    found.extend(plain_words(rest));
    found
}

fn plain_words(text: &str) -> Option<Piece> {
    (!text.is_empty()).then(|| Piece::Words { tone: "plain".to_owned(), text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(tone: &str, text: &str) -> Piece {
        Piece::Words { tone: tone.into(), text: text.into() }
    }

    #[test]
    fn a_line_comes_apart_as_it_was_put_together() {
        let line = format!("a {}{}{}b", tone("dim", "x y"), mark("good"), pick("→", "->", "dim"));
        let pick = Piece::Pick { rich: "→".into(), plain: "->".into(), tone: "dim".into() };
        let expected = vec![
            said("plain", "a "),
            said("dim", "x y"),
            Piece::Mark("good".into()),
            pick,
            said("plain", "b"),
        ];
        assert_eq!(pieces(&line), expected);
        let ruled = Piece::Rule { tone: "good".into(), right: String::new(), title: "t".into() };
        assert_eq!(pieces(&rule("good", "", "t")), [ruled]);
        assert_eq!(pieces(""), []);
    }

    #[test]
    fn foreign_text_cannot_say_more_than_words() {
        let forged = mark("bad");
        assert_eq!(pieces(&tone("dim", &forged)), [said("dim", "bad")]);
        assert_eq!(words("a\tb\nc\u{1}"), "a b c");
        assert_eq!(pieces("\u{1}dim"), [said("dim", "")], "an operator's own mistake ends in no panic");
    }
}
