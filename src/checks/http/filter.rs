//! `expect_json`: a jq filter that must be true of a body.
//!
//! The language is [`crate::alert::jq`]'s wider one: all of jq that is pure and ends, on a budget. A body on which a filter costs
//! more than that is not judged, because a guess would be a false alarm.

use std::sync::Arc;

use crate::alert::jq::{self, Failed};

/// A filter that was read.
#[derive(Debug, Clone)]
pub(super) struct Filter(Arc<str>);

/// What a filter says of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Every output is true, and there is one.
    Holds,
    /// An output is false or null, or there is none, or it does not fit the body.
    Fails,
    /// The body is too large or too deep for this filter.
    NotJudged,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// What of it is not taken, or where it is no jq.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let read = jq::Filter::read_expectation(text);
        read.map(|_| Self(text.into()))
            .map_err(|refused| format!("column {}: {}", refused.column, refused.why))
    }

    /// Judges a body that is one JSON document.
    pub(super) fn judge(&self, body: &[u8]) -> Verdict {
        let text = super::body::text(body).unwrap_or_default();
        let Ok(value) = serde_json::from_str(text) else {
            let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
            return if is_json { Verdict::NotJudged } else { Verdict::Fails };
        };
        // The compiled filter cannot leave its thread, and a check may: it is compiled where it is used.
        match jq::Filter::read_expectation(&self.0).map(|filter| filter.holds(&value)) {
            Ok(Ok(true)) => Verdict::Holds,
            Ok(Ok(false) | Err(Failed::Misfit(_))) => Verdict::Fails,
            Ok(Err(Failed::TooCostly)) | Err(_) => Verdict::NotJudged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(filter: &str, body: &str, expected: Verdict) {
        let filter = Filter::read(filter).unwrap_or_else(|why| panic!("{filter}: {why}"));
        assert_eq!(filter.judge(body.as_bytes()), expected, "{filter:?} on {body}");
    }

    #[test]
    fn ordinary_expectations_are_judged() {
        check(r#".status == "ok""#, r#"{"status":"ok"}"#, Verdict::Holds);
        check(r#".status == "ok""#, r#"{"status":"down"}"#, Verdict::Fails);
        check(".items | length > 0", r#"{"items":[1]}"#, Verdict::Holds);
        check(".items | length > 0", r#"{"items":[]}"#, Verdict::Fails);
        check(".ok and (.errors | not)", r#"{"ok":true}"#, Verdict::Holds);
        check("all(.[]; .)", "[true]", Verdict::Holds);
        check(".items[].id", r#"{"items":[{"id":7},{"id":null}]}"#, Verdict::Fails);
        check(r#"has("id") and (.id | type == "number")"#, r#"{"id":7}"#, Verdict::Holds);
        check(".items | map(.price) | add < 10.5", r#"{"items":[{"price":3},{"price":7}]}"#, Verdict::Holds);
        check(r#".note | contains("*; def $")"#, r#"{"note":"a *; def $ b"}"#, Verdict::Holds);
    }

    #[test]
    fn what_does_not_fit_the_body_fails() {
        check(".a.b", r#"{"a":7}"#, Verdict::Fails);
        check("empty", "{}", Verdict::Fails);
        check(".a", "{", Verdict::Fails);
    }

    #[test]
    fn what_is_not_taken_is_said_with_its_place() {
        let why = Filter::read(".a | env").unwrap_err();
        assert_eq!(why, "column 6: `env` is not taken in an expectation");
        assert!(Filter::read(".a ==").unwrap_err().contains("no jq"));
    }

    #[test]
    fn a_body_that_costs_too_much_is_not_judged() {
        let body = format!("[{}1]", "1,".repeat(2_000));
        check("[.[] + .[]] | length > 0", &body, Verdict::NotJudged);
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        check("length == 1", &deep, Verdict::NotJudged);
        check("length == 2001", &body, Verdict::Holds);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            let _ = Filter::read(&text);
        }
    }
}
