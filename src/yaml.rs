//! Text to typed value, or the problem with its place. The only file that names the YAML crate.
//!
//! It refuses nothing by itself: what a file may say is the target type's business (`deny_unknown_fields`, closed enums).
//! The surprise: the parser stops at its first problem, so a file with two mistakes is told about them one after another;
//! readers that check meaning (runbooks) report all of theirs at once and place them with [`place`].

use std::fmt;

use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed as _};

mod seek;

/// What is wrong with a file that people write, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file as the user named it.
    pub file: String,
    /// Line, from 1; 0 when the problem is the file as a whole.
    pub line: usize,
    /// Column, from 1; 0 when the problem is the file as a whole.
    pub column: usize,
    /// What is wrong, one line.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem of a file as a whole.
    #[must_use]
    pub fn of_file(file: &str, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: 0, column: 0, message: message.into(), hint: None }
    }

    /// A problem at a place.
    #[must_use]
    pub fn at(file: &str, (line, column): (usize, usize), message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, column, message: message.into(), hint: None }
    }

    /// The same problem with "did you mean", when one of the known words is close to the unknown one.
    #[must_use]
    pub fn did_you_mean<'a>(mut self, unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        self.hint = closest(unknown, known).map(|word| format!("did you mean `{word}`?"));
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => write!(f, "{}: {}", self.file, self.message)?,
            (line, column) => write!(f, "{}:{line}:{column}: {}", self.file, self.message)?,
        }
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

/// Reads one YAML document.
///
/// # Errors
/// The parser's or the type's first problem, with its place.
pub fn read<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Problem> {
    serde_yaml::from_str(text).map_err(|error| {
        let place = error.location().map_or((0, 0), |location| (location.line(), location.column()));
        let whole = error.to_string();
        // The crate appends the place to its message; ours stands in front.
        let message = whole.rfind(" at line ").map_or(whole.as_str(), |end| &whole[..end]);
        let problem = Problem::at(file, place, message);
        let Some((unknown, known)) = unknown_word(message) else { return problem };
        let problem = problem.did_you_mean(unknown, known);
        // With the right word at hand, the list of all words only hides it.
        match (&problem.hint, message.split_once(", expected ")) {
            (Some(_), Some((short, _))) => Problem { message: short.to_owned(), ..problem },
            _ => problem,
        }
    })
}

/// Writes one YAML document.
///
/// # Errors
/// When the value has no form in YAML, such as a map with keys that are no scalars.
pub fn write<T: Serialize>(value: &T) -> Result<String, Problem> {
    serde_yaml::to_string(value).map_err(|error| Problem::of_file("the document", error.to_string()))
}

/// Where a piece of text stands for the first time after another one (both as written in the file), from 1; the whole
/// file when it is not found. Good enough to point an editor at a problem of meaning.
#[must_use]
pub fn place(text: &str, after: &str, wanted: &str) -> (usize, usize) {
    let start = text.find(after).unwrap_or(0);
    let Some(offset) = text[start..].find(wanted).map(|found| start + found) else { return (0, 0) };
    let before = &text[..offset];
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    (line, column)
}

/// The place of a node, by its path of keys and indices, from 1: its key's, or its value's. Where the path ends in nothing,
/// the place of the nearest node above.
#[must_use]
pub fn locate(text: &str, path: &[&str], what: Node) -> (usize, usize) {
    let seek = |path: &[&str], what| {
        let seeker = seek::Seeker { path, at_key: what == Node::Key };
        let error = seeker.deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
        error.location().map(|place| (place.line(), place.column()))
    };
    if let Some(place) = seek(path, what) {
        return place;
    }
    let above = (0..path.len()).rev().find_map(|length| seek(&path[..length], Node::Key));
    above.unwrap_or((1, 1))
}

/// What of a node [`locate`] points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    /// Its key in a mapping; of an item, itself.
    Key,
    /// What stands behind the key.
    Value,
}

/// The unknown word of serde's "unknown field `x`, expected one of `a`, `b`", and the words it knows.
fn unknown_word(message: &str) -> Option<(&str, impl Iterator<Item = &str>)> {
    let (head, tail) = message.split_once(", expected ")?;
    if !head.contains("unknown ") {
        return None;
    }
    let unknown = head.split('`').nth(1)?;
    Some((unknown, tail.split('`').skip(1).step_by(2)))
}

/// The known word with the fewest edits, when at most a third of its letters differ.
pub(crate) fn closest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|word| (edits(unknown, word), word))
        .filter(|(edits, word)| *edits <= (word.chars().count().max(3)) / 3)
        .min()
        .map(|(_, word)| word)
}

/// Insertions, deletions and substitutions between two words (Levenshtein, one row at a time).
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the error is looked at")]
    struct Pair {
        outcome: crate::outcome::Outcome,
        #[serde(default)]
        target: String,
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(read::<Pair>("a.yaml", text).unwrap_err().to_string(), expected);
    }

    #[test]
    fn a_problem_has_its_place_and_a_hint() {
        let error = read::<Pair>("a.yaml", "target: x\noutcome: expird\n").unwrap_err();
        assert_eq!((error.line, error.column), (2, 10));
        assert_eq!(error.hint.as_deref(), Some("did you mean `expired`?"));
        check("outcome: valid\ntarge: x\n", "a.yaml:2:1: unknown field `targe`; did you mean `target`?");
    }

    #[test]
    fn without_a_near_word_all_words_are_listed() {
        check("outcome: valid\nzzz: x\n", "a.yaml:2:1: unknown field `zzz`, expected `outcome` or `target`");
    }

    #[test]
    fn a_broken_document_has_a_place_too() {
        let error = read::<Pair>("a.yaml", "outcome: [\n").unwrap_err();
        assert!(error.line > 0, "{error}");
    }

    #[test]
    fn far_words_get_no_hint() {
        assert_eq!(closest("banana", ["nxdomain", "valid"]), None);
        assert_eq!(closest("nxdomian", ["nxdomain", "valid"]), Some("nxdomain"));
    }

    #[test]
    fn places_count_from_one() {
        assert_eq!(place("a: 1\nb:\n  c: 2\n", "b:", "c"), (3, 3));
        assert_eq!(place("a: 1\n", "", "z"), (0, 0));
    }

    #[test]
    fn a_path_leads_to_the_key_the_value_the_item_or_the_nearest_above() {
        let text = "a:\n  - b: 1\n    429: {c: [x, y]}\nd: &e\n  f: 2\ng: *e\n";
        for (path, what, expected) in [
            (&["a", "0", "b"][..], Node::Key, (2, 5)),
            (&["a", "0", "b"], Node::Value, (2, 8)),
            (&["a", "0", "429", "c", "1"], Node::Value, (3, 18)),
            (&["a", "0", "429", "c"], Node::Key, (3, 11)),
            (&["a", "0"], Node::Value, (2, 5)),
            (&["d", "f", "nothing"], Node::Key, (5, 3)),
            (&["nothing"], Node::Key, (1, 1)),
        ] {
            assert_eq!(locate(text, path, what), expected, "{path:?}");
        }
    }
}
