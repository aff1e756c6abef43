//! `expect_json`: a jq filter that must be true of a body.
//!
//! Strangers may write the filter (it is a key of the API) and strangers write the body, so only a part of jq is taken: paths,
//! comparisons, `and`, `or`, `not`, `if`, and the functions below. Nothing in it can loop, grow without bound, or see
//! the environment, and what a filter can cost on a body is bounded before it runs.

use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, data, unwrap_valr};
use jaq_json::Val;

/// The longest filter: an expectation, not a program.
const MOST_CHARS: usize = 400;

/// Values a filter may look at, at worst: the body's to the power of the filter's iterations.
const MOST_STEPS: u64 = 1_000_000;

/// Sums and commas may double what they hold, each; this many are a few kilobytes of growth.
const MOST_GROWTH: usize = 6;

/// Functions that look at one value.
const PLAIN: &[&str] = &[
    "and",
    "or",
    "not",
    "if",
    "then",
    "elif",
    "else",
    "end",
    "true",
    "false",
    "null",
    "empty",
    "length",
    "type",
    "has",
    "contains",
    "inside",
    "in",
    "startswith",
    "endswith",
    "tonumber",
    "tostring",
    "select",
    "first",
    "last",
    "keys",
    "ascii_downcase",
    "ascii_upcase",
    "abs",
    "floor",
    "ceil",
    "round",
    "error",
];

/// Functions that look at every element.
const ITERATING: &[&str] =
    &["any", "all", "map", "add", "min", "max", "unique", "values", "to_entries", "isempty", "sort"];

/// A filter that was read.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    text: String,
    iterations: u32,
}

/// What a filter says of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Every output is true, and there is one.
    Holds,
    /// An output is false or null, or there is none, or it does not fit the body.
    Fails,
    /// The body is too large for this filter; nothing was run.
    TooLarge,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// What of it is not taken, or where it is no jq.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let iterations = cost(text)?;
        compiled(text, |_| ()).ok_or_else(|| "it is no jq filter".to_owned())?;
        Ok(Self { text: text.to_owned(), iterations })
    }

    /// Judges a body that is one JSON document.
    pub(super) fn judge(&self, body: &[u8]) -> Verdict {
        let Ok(value) = serde_json::from_slice(body) else { return Verdict::Fails };
        if nodes(&value).checked_pow(self.iterations).is_none_or(|steps| steps > MOST_STEPS) {
            return Verdict::TooLarge;
        }
        let Ok(input) = jaq_json::read::parse_single(body) else { return Verdict::Fails };
        let holds = compiled(&self.text, |filter| {
            let context = Ctx::<data::JustLut<Val>>::new(&filter.lut, Vars::new([]));
            let mut outputs = filter.id.run((context, input)).map(unwrap_valr).peekable();
            outputs.peek().is_some()
                && outputs.all(|it| !matches!(it, Err(_) | Ok(Val::Null | Val::Bool(false))))
        });
        if holds == Some(true) { Verdict::Holds } else { Verdict::Fails }
    }
}

/// Compiles a filter and lets `use_it` have it: the compiled form borrows from its source.
fn compiled<T>(
    text: &str,
    use_it: impl FnOnce(&jaq_core::compile::Filter<jaq_core::Native<data::JustLut<Val>>>) -> T,
) -> Option<T> {
    let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let arena = Arena::default();
    let modules = Loader::new(definitions).load(&arena, File { code: text, path: () }).ok()?;
    let filter = Compiler::default().with_funs(functions).compile(modules).ok()?;
    Some(use_it(&filter))
}

/// How many values a document holds.
fn nodes(value: &serde_json::Value) -> u64 {
    1 + match value {
        serde_json::Value::Array(items) => items.iter().map(nodes).sum(),
        serde_json::Value::Object(fields) => fields.values().map(nodes).sum(),
        _ => 0,
    }
}

/// How many iterations a filter nests at most, or what of it is not taken.
fn cost(text: &str) -> Result<u32, String> {
    if text.chars().count() > MOST_CHARS {
        return Err(format!("it is longer than {MOST_CHARS} characters"));
    }
    let code = without_strings(text)?;
    for refused in ["*", "$", "@", "..", "|=", "?//", "#", "+=", "-=", "//="] {
        if code.contains(refused) {
            return Err(format!("`{refused}` is not taken in an expectation"));
        }
    }
    let growth = code.matches(['+', ',']).count();
    if growth > MOST_GROWTH {
        return Err(format!("more than {MOST_GROWTH} sums and commas are not taken in an expectation"));
    }
    let squeezed: String = code.chars().filter(|it| !it.is_whitespace()).collect();
    let brackets = squeezed.matches("[]").count();
    let mut iterations = u32::try_from(brackets).unwrap_or(u32::MAX);
    for word in words(&code) {
        if ITERATING.contains(&word) {
            iterations += 1;
        } else if !PLAIN.contains(&word) {
            return Err(format!("`{word}` is not taken in an expectation"));
        }
    }
    Ok(iterations)
}

/// The filter with empty strings; a string with code in it is refused.
fn without_strings(text: &str) -> Result<String, String> {
    let mut code = String::new();
    let mut chars = text.chars();
    while let Some(it) = chars.next() {
        code.push(it);
        if it != '"' {
            continue;
        }
        loop {
            match chars.next() {
                Some('"') => break,
                Some('\\') if chars.next() == Some('(') => {
                    return Err("code inside a string is not taken".to_owned());
                }
                Some(_) => {}
                None => return Err("a string in it has no end".to_owned()),
            }
        }
        code.push('"');
    }
    Ok(code)
}

/// The words that are functions: not those after a dot, which are fields, nor those before a colon, which are keys.
fn words(code: &str) -> impl Iterator<Item = &str> {
    let is_word = |it: char| it.is_ascii_alphanumeric() || it == '_';
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + code[at..].find(is_word)?;
        let end = start + code[start..].find(|it| !is_word(it)).unwrap_or(code.len() - start);
        at = end;
        let is_field = code[..start].ends_with('.');
        let is_number = code.as_bytes()[start].is_ascii_digit();
        Some((!is_field && !is_number).then_some(&code[start..end]))
    })
    .flatten()
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

    #[track_caller]
    fn check_refused(filter: &str, expected: &str) {
        let why = Filter::read(filter).unwrap_err();
        assert!(why.contains(expected), "{filter}: {why}");
    }

    #[test]
    fn what_could_loop_grow_or_look_around_is_refused() {
        check_refused("def f: f; f", "`def`");
        check_refused("[range(1000000000)]", "`range`");
        check_refused("env", "`env`");
        check_refused("$ENV.HOME", "`$`");
        check_refused("\"a\" * 1000000000", "`*`");
        check_refused("repeat(.)", "`repeat`");
        check_refused("input", "`input`");
        check_refused(&format!(".{}", "+.|.".repeat(40)), "sums and commas");
        check_refused("\"\\(env)\"", "code inside a string");
        check_refused(".a ==", "no jq");
        check_refused(&".a".repeat(300), "longer than");
    }

    #[test]
    fn a_filter_that_is_too_costly_for_a_body_is_not_run() {
        let body = format!("[{}1]", "1,".repeat(2_000));
        check("[.[] + .[]] | length > 0", &body, Verdict::TooLarge);
        check("length == 2001", &body, Verdict::Holds);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            let _ = Filter::read(&text);
        }
    }
}
