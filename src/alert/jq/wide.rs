//! The wider language, for a filter that must be true of a body: all of jq that is pure and ends.
//!
//! Strangers write such a filter as well as the body, so that every look at a value is paid for by what it holds, not only what
//! is built. Absent on purpose: the clock, the environment and other inputs; `while`, `until`, `repeat` and definitions that
//! call themselves, which need not end; what multiplies before it can be weighed (`join`, `gsub`, `transpose`, `*` on texts).

use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::{RunPtr, native};
use jaq_json::Val;
use serde_json::Value;

use super::guard::{FUNCTIONS, Language, Scope, Tree, bind, charged, guard, pipe, refused, weighed};
use super::{Failed, Filter, Fuelled, Refused, pay, spent, weight};

/// The longest expectation.
const MOST_CHARS: usize = 2000;

/// What an expectation may call beside [`FUNCTIONS`].
const MORE: &[&str] = &[
    "@base64",
    "@html",
    "@json",
    "@uri",
    "IN",
    "abs",
    "ceil",
    "del",
    "exp",
    "explode",
    "fabs",
    "finites",
    "flatten",
    "fromdate",
    "fromdateiso8601",
    "getpath",
    "group_by",
    "implode",
    "indices",
    "infinite",
    "isarray",
    "isboolean",
    "isfinite",
    "isinfinite",
    "isnan",
    "isnormal",
    "isnumber",
    "isobject",
    "isstring",
    "keys_unsorted",
    "log",
    "log10",
    "log2",
    "ltrim",
    "map_values",
    "max_by",
    "min_by",
    "mktime",
    "nan",
    "normals",
    "nth",
    "path",
    "paths",
    "pick",
    "pow",
    "range",
    "recurse",
    "rindex",
    "rtrim",
    "setpath",
    "skip",
    "sqrt",
    "todate",
    "todateiso8601",
    "trunc",
    "utf8bytelength",
    "walk",
];

/// Functions of mappings that multiply what they are given.
const NOT_HERE: &[&str] = &["gsub", "join", "match", "scan", "splits"];

/// Functions that do not look at their input, or pay by the element.
const CHEAP: &[&str] = &[
    "IN",
    "all",
    "any",
    "arrays",
    "booleans",
    "empty",
    "error",
    "false",
    "first",
    "floor",
    "has",
    "in",
    "infinite",
    "isempty",
    "iterables",
    "last",
    "limit",
    "map",
    "nan",
    "not",
    "nth",
    "null",
    "nulls",
    "numbers",
    "objects",
    "path",
    "range",
    "round",
    "scalars",
    "select",
    "skip",
    "strings",
    "true",
    "type",
    "values",
];

impl Filter {
    /// Reads a filter that is to be true of a body. It knows no `$headers`.
    ///
    /// # Errors
    /// What of it is not taken, with its place.
    pub fn read_expectation(text: &str) -> Result<Self, Refused> {
        if text.len() > MOST_CHARS {
            return Err(refused(text, text, format!("it is longer than {MOST_CHARS} characters")));
        }
        let functions = &[FUNCTIONS, MORE];
        let expectation = Language { text, name: "an expectation", functions, is_wide: true, scope: None };
        Self::read_as(expectation, &[])
    }

    /// Whether every output is true (neither `false` nor `null`), and there is one.
    ///
    /// # Errors
    /// [`Failed`] when it costs too much, or an error comes out of it.
    pub fn holds(&self, body: &Value) -> Result<bool, Failed> {
        let mut is_any = false;
        let mut is_all = true;
        self.each(body, |output| {
            is_any = true;
            is_all &= !matches!(output, Val::Null | Val::Bool(false));
            is_all
        })?;
        Ok(is_any && is_all)
    }
}

/// The filter's own definitions, then what uses them.
pub(super) fn define<'a>(
    language: Language<'a, '_>,
    definitions: Vec<Def<&'a str>>,
    body: Tree<'a>,
    depth: usize,
) -> Result<Tree<'a>, Refused> {
    define_next(language, definitions.into_iter(), Vec::new(), body, depth)
}

fn define_next<'a>(
    language: Language<'a, '_>,
    mut rest: std::vec::IntoIter<Def<&'a str>>,
    mut ready: Vec<Def<&'a str>>,
    body: Tree<'a>,
    depth: usize,
) -> Result<Tree<'a>, Refused> {
    let Some(Def { name, args, body: does }) = rest.next() else {
        return Ok(Term::Def(ready, Box::new(guard(language, body, depth + 1)?)));
    };
    if language.takes(name) || args.iter().any(|it| language.takes(it)) || name.starts_with('_') {
        return language.not_taken(name, "a definition of a name that has a meaning already");
    }
    let does = with_arguments(language, &args, does, depth)?;
    let scope = Scope { name, arity: args.len(), outer: language.scope };
    ready.push(Def { name, args, body: does });
    define_next(Language { scope: Some(&scope), ..language }, rest, ready, body, depth + 1)
}

/// The body of a definition, in which its arguments may be called, and itself may not.
fn with_arguments<'a>(
    language: Language<'a, '_>,
    arguments: &[&'a str],
    body: Tree<'a>,
    depth: usize,
) -> Result<Tree<'a>, Refused> {
    match arguments.split_first() {
        None => guard(language, body, depth + 1),
        Some((name, rest)) => {
            let scope = Scope { name: name.trim_start_matches('$'), arity: 0, outer: language.scope };
            with_arguments(Language { scope: Some(&scope), ..language }, rest, body, depth)
        }
    }
}

/// A call of a function that is taken, with arguments that pay their way.
pub(super) fn call<'a>(
    language: Language<'a, '_>,
    name: &'a str,
    mut arguments: Vec<Tree<'a>>,
) -> Result<Tree<'a>, Refused> {
    let is_unbounded = name == "recurse" && !arguments.is_empty() || name == "sub" && arguments.len() > 2;
    if NOT_HERE.contains(&name) || is_unbounded {
        return language.not_taken(name, &format!("`{name}`"));
    }
    if matches!(name, "contains" | "inside" | "index" | "rindex" | "indices")
        && let Some(argument) = arguments.pop()
    {
        // These compare each with each.
        let called = Term::Call(name, vec![Term::Var("$_other")]);
        let paid = pipe(Term::Call("_each_with_each", vec![Term::Var("$_other")]), called);
        let bound = BinaryOp::Pipe(Some(Pattern::Var("$_other")));
        return Ok(weighed(Term::BinOp(Box::new(argument), bound, Box::new(paid))));
    }
    let called = charged(Term::Call(name, arguments));
    let many = matches!(name, "range" | "recurse" | "paths");
    let called = if many { pipe(called, charged(Term::Id)) } else { called };
    Ok(if CHEAP.contains(&name) { called } else { weighed(bind(Term::Call("_weigh", Vec::new()), called)) })
}

/// Natives that ask for the price before they work.
pub(super) fn functions() -> [native::Filter<RunPtr<Fuelled>>; 3] {
    [
        ("_minus", native::v(2), |(mut context, _)| {
            let (right, left) = (context.pop_var(), context.pop_var());
            native::bome(if each_with_each(&context, &left, &right) { left - right } else { Err(spent()) })
        }),
        ("_times", native::v(2), |(mut context, _)| {
            let (right, left) = (context.pop_var(), context.pop_var());
            let is_text = |it: &Val| matches!(it, Val::TStr(_) | Val::BStr(_));
            native::bome(if is_text(&left) || is_text(&right) {
                Err(jaq_core::Error::str("`*` on a text is not taken in an expectation"))
            } else {
                left * right
            })
        }),
        ("_each_with_each", native::v(1), |(mut context, value)| {
            let other = context.pop_var();
            native::bome(if each_with_each(&context, &value, &other) { Ok(value) } else { Err(spent()) })
        }),
    ]
}

/// Pays for comparing everything in one value with everything in another.
fn each_with_each(context: &jaq_core::Ctx<'_, Fuelled>, one: &Val, other: &Val) -> bool {
    let left = context.data().left;
    let most = left.get();
    pay(left, weight(one, most).saturating_mul(weight(other, most)))
}

#[cfg(test)]
mod tests {
    use super::super::FUEL;
    use super::*;

    #[track_caller]
    fn check(filter: &str, body: &str, expected: &Result<bool, Failed>) {
        let read = Filter::read_expectation(filter).unwrap_or_else(|why| panic!("{filter}: {why:?}"));
        let found = read.holds(&serde_json::from_str(body).unwrap());
        let found =
            found.map_err(|it| if it == Failed::TooCostly { it } else { Failed::Misfit(String::new()) });
        assert_eq!(&found, expected, "{filter} on {body:.80}");
    }

    #[test]
    fn what_is_pure_and_ends_is_taken() {
        for (filter, body) in [
            (r#".version | split(".")[0] | tonumber >= 2"#, r#"{"version":"2.1"}"#),
            (r#".a | test("^x")"#, r#"{"a":"xyz"}"#),
            (".a as $x | $x * 2 - 1 == 1", r#"{"a":1}"#),
            (". as [$a, $b] | $a < $b", "[1,2]"),
            ("reduce .[] as $i (0; . + $i) == 3", "[1,2]"),
            ("[foreach .[] as $i (0; . + $i)] == [1,3]", "[1,2]"),
            ("[.. | numbers] | length == 2", r#"{"a":[1,{"b":2}]}"#),
            ("[paths] | length == 4", r#"{"a":[1,{"b":2}]}"#),
            ("try error(\"x\") catch . == \"x\"", "{}"),
            ("def f: .a; def g($x): f + $x; g(1) == 2", r#"{"a":1}"#),
            ("def twice(f): f | f; 1 | twice(. + 1) == 3", "{}"),
            (r".t | fromdateiso8601 > 1767225599", r#"{"t":"2026-01-01T00:00:00Z"}"#),
            (r#".a | @base64d == "hi""#, r#"{"a":"aGk="}"#),
            (r#""\(.a)" == "1""#, r#"{"a":1}"#),
            ("min_by(.n).n == 1 and (group_by(.n) | length == 2)", r#"[{"n":1},{"n":2}]"#),
            ("(.a |= . + 1) | .a == 2", r#"{"a":1}"#),
            ("del(.a) == {}", r#"{"a":1}"#),
            ("[limit(2; .[])] == [1,2]", "[1,2,3]"),
            ("label $f | .[] | if . == 2 then true, break $f else empty end", "[1,2,3]"),
            ("[range(3)] == [0,1,2]", "null"),
            ("walk(if type == \"number\" then . + 1 else . end) == [2]", "[1]"),
            ("(. - [1]) == [2]", "[1,2]"),
            (r#"contains({"a":1}) and (.b | index("y") == 1)"#, r#"{"a":1,"b":"xy"}"#),
            ("length % 2 == 0", "[1,2]"),
            ("(.a // 7) == 7", r#"{"a":null}"#),
        ] {
            check(filter, body, &Ok(true));
        }
        check(".[] | .ok", r#"[{"ok":true},{"ok":false}]"#, &Ok(false));
        check("empty", "{}", &Ok(false));
        check(".a.b", r#"{"a":1}"#, &Err(Failed::Misfit(String::new())));
    }

    #[test]
    fn what_need_not_end_or_looks_around_is_refused() {
        for filter in [
            "def f: f; f",
            "def f(g): g; def h: f(h); h",
            "def map: 1; map",
            "repeat(1)",
            "while(true; .)",
            "recurse(. + 1)",
            "input",
            "inputs",
            "env",
            "$ENV",
            "$headers",
            "now",
            "debug",
            "halt",
            "localtime",
            "gsub(\"\"; \"x\")",
            "join(\"x\")",
            "test(.a)",
            "include \"x\"; .",
        ] {
            assert!(Filter::read_expectation(filter).is_err(), "{filter}");
        }
    }

    #[test]
    fn what_costs_too_much_is_given_up() {
        let many = format!("[{}1]", "1,".repeat(20_000));
        let body: Value = serde_json::from_str(&many).unwrap();
        for filter in [
            "[range(1000000000000)] | length > 0",
            "[limit(100000000; range(1000000000))] | length > 0",
            "last(range(100000000000))",
            "reduce range(100000) as $i (.; [.]) | length > 0",
            "[.[] + .[]] | length > 0",
            ". as $b | all(.[]; $b == $b)",
            ". as $b | contains($b)",
            "(. - .) | length == 0",
            ". as $b | [.[] | $b] | length > 0",
            "def a: ., .; def b: a | a | a | a; def c: b | b | b | b; [c | c | c] | length > 0",
        ] {
            // With a tenth of the fuel, so that unoptimised code gives up in no time.
            let ended = Filter::read_expectation(filter).unwrap().each_of(FUEL / 10, &body, [], |_| true);
            assert_eq!(ended, Err(Failed::TooCostly), "{filter}");
        }
        check("\"x\" * 1000000000 | length > 0", "{}", &Err(Failed::Misfit(String::new())));
        check("length == 20001", &many, &Ok(true));
        check("all(.[]; . == 1)", &many, &Ok(true));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            let _ = Filter::read_expectation(&text);
        }
    }
}
