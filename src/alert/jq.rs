//! jq, restricted: what a mapping may compute, and what that may cost.
//!
//! Mappings come from the operator and bodies from strangers, so a filter is read into its syntax tree and only what is
//! listed here is taken: no definitions, no recursion, no reduction, no assignment, no `*` (it repeats strings), nothing
//! that sees the clock, the environment or another input. What is left ends, but could still multiply; so the tree is
//! rewritten to pay for each iteration and for each value it builds, and a run whose fuel is used up is refused. The surprise:
//! `fromjson` is ours, because jaq's reader overflows the stack on deep nesting; patterns of regular expressions must be
//! literals, so that no body can bring one.

use std::cell::Cell;
use std::fmt;

use jaq_core::data::HasLut;
use jaq_core::load::parse::Def;
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, DataT, Lut, Native, Vars, load, native, unwrap_valr};
use jaq_json::{Num, Val};
use serde_json::{Map, Value};

use guard::{FUNCTIONS, Language, guard, is_flat, refused};

/// The longest filter; the longest shipped one has 2,000 characters.
const MOST_CHARS: usize = 16_000;

/// Iterations and built values a run may pay for. A thousand alerts of a hundred values each need a tenth of it; all of it
/// is gone in less than a second.
const FUEL: u64 = 2_000_000;

/// Outputs of a run: Alertmanager's largest groups are a few hundred alerts.
const MOST_OUTPUTS: usize = 1000;

/// What of a filter is not taken, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Line in the filter, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong, one line.
    pub why: String,
}

/// Why a run gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// It would have cost too much.
    #[error("the mapping costs too much on this body; nothing of it was used")]
    TooCostly,
    /// It does not fit the body.
    #[error("{0}")]
    Misfit(String),
}

/// A filter that was read and is ready to run.
pub struct Filter(jaq_core::Filter<Fuelled>);

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Filter")
    }
}

/// What native functions see: the program and the fuel that is left.
#[derive(Clone, Copy)]
struct Tank<'a> {
    lut: &'a Lut<Fuelled>,
    left: &'a Cell<u64>,
}

impl<'a> HasLut<'a, Fuelled> for Tank<'a> {
    fn lut(&self) -> &'a Lut<Fuelled> {
        self.lut
    }
}

struct Fuelled;

impl DataT for Fuelled {
    type V<'a> = Val;
    type Data<'a> = Tank<'a>;
}

impl Filter {
    /// Reads and compiles a filter. It may use `$headers`.
    ///
    /// # Errors
    /// What of it is not taken, with its place.
    pub fn read(text: &str) -> Result<Self, Refused> {
        let functions = &[FUNCTIONS];
        let mapping = Language { text, name: "a mapping", functions, is_wide: false, scope: None };
        Self::read_as(mapping, &["$headers"])
    }

    fn read_as(language: Language<'_, '_>, globals: &[&str]) -> Result<Self, Refused> {
        let text = language.text;
        if text.len() > MOST_CHARS {
            return Err(refused(text, text, format!("it is longer than {MOST_CHARS} characters")));
        }
        is_flat(text)?;
        let term = load::parse(text, |parser| parser.term()).ok_or_else(|| syntax(text))?;
        let body = guard(language, term, 0)?;
        let given = given::called_by(&body);
        let definitions = given.chain([Def { name: "mapping", args: Vec::new(), body }]);
        let arena = Arena::default();
        let modules = Loader::new(definitions)
            .load(&arena, File { code: "mapping", path: () })
            .map_err(|_| syntax(text))?;
        let compiled = Compiler::default()
            .with_funs(functions())
            .with_global_vars(globals.iter().copied())
            .compile(modules);
        let filter = compiled.map_err(|errors| {
            let unknown = errors.iter().flat_map(|(_, undefined)| undefined).next();
            let name = unknown.map_or("", |(name, _)| *name);
            refused(text, name, format!("nothing is called `{name}` with these arguments"))
        })?;
        Ok(Self(filter))
    }

    /// Runs on a body and the headers it came with.
    ///
    /// # Errors
    /// [`Failed`] when it costs too much or does not fit the body.
    pub fn run(&self, body: &Value, headers: &Value) -> Result<Vec<Value>, Failed> {
        let mut outputs = Vec::new();
        self.each_of(FUEL, body, [to_val(headers)], |output| {
            outputs.push(from_val(output));
            outputs.len() <= MOST_OUTPUTS
        })?;
        if outputs.len() > MOST_OUTPUTS { Err(Failed::TooCostly) } else { Ok(outputs) }
    }

    /// Hands out each output of a filter without variables until `wants_more` says no.
    fn each(&self, body: &Value, wants_more: impl FnMut(&Val) -> bool) -> Result<(), Failed> {
        self.each_of(FUEL, body, [], wants_more)
    }

    fn each_of(
        &self,
        fuel: u64,
        body: &Value,
        variables: impl IntoIterator<Item = Val>,
        mut wants_more: impl FnMut(&Val) -> bool,
    ) -> Result<(), Failed> {
        let left = Cell::new(fuel);
        let context = Ctx::<Fuelled>::new(Tank { lut: &self.0.lut, left: &left }, Vars::new(variables));
        for output in self.0.id.run((context, to_val(body))).map(unwrap_valr) {
            let output = match output {
                _ if left.get() == 0 => return Err(Failed::TooCostly),
                Ok(output) => output,
                Err(error) => return Err(Failed::Misfit(brief(&error.to_string()))),
            };
            if !pay(&left, weight(&output, left.get())) {
                return Err(Failed::TooCostly);
            }
            if !wants_more(&output) {
                return Ok(());
            }
        }
        if left.get() == 0 { Err(Failed::TooCostly) } else { Ok(()) }
    }
}

/// An error's text may quote the body: its beginning is enough.
fn brief(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line[..line.floor_char_boundary(200)].to_owned()
}

fn functions() -> impl Iterator<Item = native::Fun<Fuelled>> {
    let given = jaq_core::funs().chain(jaq_std::funs::<Fuelled>()).chain(jaq_json::funs());
    let ours: [native::Filter<jaq_core::RunPtr<Fuelled>>; 3] = [
        ("_step", native::v(0), |(context, value)| {
            let result = if pay(context.data().left, 1) { Ok(value) } else { Err(spent()) };
            native::bome(result)
        }),
        ("_weigh", native::v(0), |(context, value)| {
            let left = context.data().left;
            let result = if pay(left, weight(&value, left.get())) { Ok(Val::Null) } else { Err(spent()) };
            native::bome(result)
        }),
        ("fromjson", native::v(0), |(context, value)| {
            let Val::TStr(text) = &value else {
                return native::bome(Err(jaq_core::Error::str("only a text can be read as JSON")));
            };
            let read = serde_json::from_slice::<Value>(text).map(|json| to_val(&json));
            let paid = pay(context.data().left, text.len() as u64 / 8);
            native::bome(if paid {
                read.map_err(|_| jaq_core::Error::str("a text is no JSON"))
            } else {
                Err(spent())
            })
        }),
    ];
    given.filter(|(name, ..)| *name != "fromjson").chain(
        ours.into_iter()
            .chain(wide::functions())
            .map(|(name, arity, run)| (name, arity, Native::<Fuelled>::new(run))),
    )
}

fn spent() -> jaq_core::Error<Val> {
    jaq_core::Error::str("the fuel is used up")
}

/// Takes fuel; once it is used up it stays used up, so that a `try` in the filter gains nothing.
fn pay(left: &Cell<u64>, units: u64) -> bool {
    left.set(left.get().saturating_sub(units));
    left.get() > 0
}

/// Values inside each other. Whatever walks, compares or drops a value recurses as deep; documents have at most 128.
const MOST_VALUE_DEPTH: u32 = 400;

/// How much a value holds: one for each value in it and one for each 64 bytes of text. Stops counting above `most`; a value that is
/// too deep weighs more than anybody has.
fn weight(value: &Val, most: u64) -> u64 {
    let mut sum = 0_u64;
    let mut waiting = vec![(value, 0)];
    while let Some((value, depth)) = waiting.pop() {
        let below = depth + 1;
        sum += match value {
            Val::TStr(text) | Val::BStr(text) => 1 + text.len() as u64 / 64,
            Val::Arr(items) => {
                waiting.extend(items.iter().map(|it| (it, below)));
                1
            }
            Val::Obj(fields) => {
                waiting.extend(fields.iter().flat_map(|(key, value)| [(key, below), (value, below)]));
                1
            }
            _ => 1,
        };
        if depth > MOST_VALUE_DEPTH || sum > most || waiting.len() as u64 > most {
            return most.saturating_add(1);
        }
    }
    sum
}

fn syntax(text: &str) -> Refused {
    let lexed = load::Lexer::new(text).lex();
    let part = match &lexed {
        Err(errors) => errors.first().map(|(_, at)| *at),
        Ok(tokens) => load::Parser::new(tokens)
            .parse(jaq_core::load::Parser::term)
            .err()
            .and_then(|errors| errors.into_iter().next())
            .map(|(_, at)| at.map_or(&text[text.len()..], |token| token.0)),
    };
    refused(text, part.unwrap_or(text), "here it is no jq".to_owned())
}

fn to_val(value: &Value) -> Val {
    match value {
        Value::Null => Val::Null,
        Value::Bool(flag) => Val::Bool(*flag),
        Value::Number(number) => match number.as_i64().and_then(|it| isize::try_from(it).ok()) {
            Some(number) => Val::Num(Num::Int(number)),
            None => Val::Num(Num::from_dec_str(&number.to_string())),
        },
        Value::String(text) => Val::utf8_str(text.clone()),
        Value::Array(items) => Val::Arr(items.iter().map(to_val).collect::<Vec<_>>().into()),
        Value::Object(fields) => {
            Val::obj(fields.iter().map(|(key, value)| (Val::utf8_str(key.clone()), to_val(value))).collect())
        }
    }
}

fn from_val(value: &Val) -> Value {
    match value {
        Val::Null => Value::Null,
        Val::Bool(flag) => Value::Bool(*flag),
        Val::Num(number) => serde_json::from_str(&number.to_string()).unwrap_or(Value::Null),
        Val::TStr(text) | Val::BStr(text) => Value::String(String::from_utf8_lossy(text).into_owned()),
        Val::Arr(items) => Value::Array(items.iter().map(from_val).collect()),
        Val::Obj(fields) => {
            let key = |key: &Val| match from_val(key) {
                Value::String(text) => text,
                other => other.to_string(),
            };
            Value::Object(
                fields.iter().map(|(name, value)| (key(name), from_val(value))).collect::<Map<_, _>>(),
            )
        }
    }
}

mod given;
mod guard;
mod wide;

#[cfg(test)]
mod tests;
