//! jaq's own definitions (`map`, `select`, `first` …), read once, and of each filter only those that it calls.
//!
//! There are two hundred of them. Compiled into every filter they cost it two milliseconds and as many kilobytes as all mappings together.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::path::Part;

use super::guard::Tree;

static GIVEN: LazyLock<Vec<(Def, BTreeSet<&'static str>)>> = LazyLock::new(|| {
    let all = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let with_calls = |definition: Def| {
        let mut calls = BTreeSet::new();
        walk(&definition.body, &mut calls);
        (definition, calls)
    };
    all.map(with_calls).collect()
});

/// The definitions that this filter calls, and those that they call, in jaq's order.
pub(super) fn called_by<'a>(filter: &Tree<'a>) -> impl Iterator<Item = Def<&'a str>> + use<'a> {
    let mut names = BTreeSet::new();
    walk(filter, &mut names);
    let mut is_needed = vec![false; GIVEN.len()];
    // A definition calls what stands before it, or itself.
    for (place, (definition, calls)) in GIVEN.iter().enumerate().rev() {
        if names.contains(definition.name) {
            is_needed[place] = true;
            names.extend(calls);
        }
    }
    let given = GIVEN.iter().zip(is_needed).filter(|(_, is_needed)| *is_needed);
    given.map(|((definition, _), _)| shorter(definition.clone()))
}

/// A definition that lives longer than it must.
fn shorter<'a>(definition: Def<&'static str>) -> Def<&'a str> {
    definition
}

/// Notes every name that the term may call.
fn walk<'a>(term: &Tree<'a>, names: &mut BTreeSet<&'a str>) {
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Arr(None) | Term::Break(_) | Term::Var(_) => {}
        Term::Str(format, parts) => {
            names.extend(format);
            for part in parts {
                if let StrPart::Term(term) = part {
                    walk(term, names);
                }
            }
        }
        Term::Arr(Some(term)) | Term::Neg(term) | Term::Label(_, term) => walk(term, names),
        Term::Obj(fields) => {
            for (key, value) in fields {
                walk_all(std::iter::once(key).chain(value), names);
            }
        }
        Term::BinOp(left, operator, right) => {
            walk(left, names);
            walk(right, names);
            if let BinaryOp::Pipe(Some(pattern)) = operator {
                walk_pattern(pattern, names);
            }
        }
        Term::Fold(name, source, pattern, terms) => {
            names.insert(name);
            walk(source, names);
            walk_pattern(pattern, names);
            walk_all(terms, names);
        }
        Term::TryCatch(tried, caught) => {
            walk(tried, names);
            walk_all(caught.as_deref(), names);
        }
        Term::IfThenElse(branches, otherwise) => {
            walk_all(branches.iter().flat_map(|(condition, then)| [condition, then]), names);
            walk_all(otherwise.as_deref(), names);
        }
        Term::Def(definitions, term) => {
            walk_all(definitions.iter().map(|it| &it.body), names);
            walk(term, names);
        }
        Term::Call(name, arguments) => {
            names.insert(name);
            walk_all(arguments, names);
        }
        Term::Path(term, path) => {
            walk(term, names);
            for (part, _) in &path.0 {
                match part {
                    Part::Index(index) => walk(index, names),
                    Part::Range(from, until) => walk_all(from.iter().chain(until), names),
                }
            }
        }
    }
}

fn walk_all<'t, 'a: 't>(terms: impl IntoIterator<Item = &'t Tree<'a>>, names: &mut BTreeSet<&'a str>) {
    for term in terms {
        walk(term, names);
    }
}

fn walk_pattern<'a>(pattern: &Pattern<&'a str>, names: &mut BTreeSet<&'a str>) {
    match pattern {
        Pattern::Var(_) => {}
        Pattern::Arr(parts) => {
            for part in parts {
                walk_pattern(part, names);
            }
        }
        Pattern::Obj(fields) => {
            for (key, part) in fields {
                walk(key, names);
                walk_pattern(part, names);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jaq_core::load;

    use super::*;

    #[track_caller]
    fn takes(filter: &'static str, expected: &[&str]) {
        let term = load::parse(filter, |parser| parser.term()).expect("it is jq");
        let names: Vec<&str> = called_by(&term).map(|it| it.name).collect();
        for name in expected {
            assert!(names.contains(name), "{filter} needs {name} and takes {names:?}");
        }
        assert_eq!(names.is_empty(), expected.is_empty(), "{filter} takes {names:?}");
    }

    #[test]
    fn a_filter_takes_what_it_calls_wherever_it_does() {
        takes(".a.b[0] // 1", &[]);
        takes("map(.a)", &["map"]);
        takes(
            "[.[] | select(.a)] as [$x] | {a: $x, (\"\\(.b | todate)\"): [1, -(.c | map(.))]}",
            &["select", "todate", "map"],
        );
        takes(
            "if . then .[(.d | first)] else try error(.) catch (.x | to_entries) end",
            &["first", "to_entries"],
        );
    }

    /// Each of jaq's definitions compiles with those alone that it is said to need.
    #[test]
    fn nothing_that_is_given_lacks_anything() {
        for (definition, _) in GIVEN.iter() {
            let arguments = definition.args.iter().map(|_| Term::Num("1")).collect();
            let call: Tree<'_> = Term::Call(definition.name, arguments);
            let ours = Def { name: "mapping", args: Vec::new(), body: call.clone() };
            let arena = load::Arena::default();
            let file = load::File { code: "mapping", path: () };
            let modules = load::Loader::new(called_by(&call).chain([ours])).load(&arena, file);
            let modules = modules.map_err(|_| ()).expect("it loads");
            let compiler = jaq_core::Compiler::default().with_funs(super::super::functions());
            let lacks = compiler.with_global_vars(["$ENV", "$__prog_args"]).compile(modules).map(drop);
            assert!(lacks.is_ok(), "{} lacks {lacks:?}", definition.name);
        }
    }
}
