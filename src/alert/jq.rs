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
use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::load::{Arena, File, Loader};
use jaq_core::ops::Math;
use jaq_core::path::{Part, Path};
use jaq_core::{Compiler, Ctx, DataT, Lut, Native, Vars, load, native, unwrap_valr};
use jaq_json::{Num, Val};
use serde_json::{Map, Value};

/// The longest filter; the longest shipped one has 2,000 characters.
const MOST_CHARS: usize = 16_000;

/// Brackets and operators inside each other. The parser and the interpreter recurse as deep.
const MOST_DEPTH: usize = 200;

/// Iterations and built values a run may pay for. A thousand alerts of a hundred values each need a tenth of it; all of it
/// is gone in less than a second.
const FUEL: u64 = 2_000_000;

/// Outputs of a run: Alertmanager's largest groups are a few hundred alerts.
const MOST_OUTPUTS: usize = 1000;

/// Functions a filter may call.
const FUNCTIONS: &[&str] = &[
    "add",
    "all",
    "any",
    "arrays",
    "ascii_downcase",
    "ascii_upcase",
    "booleans",
    "capture",
    "contains",
    "empty",
    "endswith",
    "error",
    "false",
    "first",
    "floor",
    "from_entries",
    "fromjson",
    "gsub",
    "has",
    "in",
    "index",
    "inside",
    "isempty",
    "iterables",
    "join",
    "keys",
    "last",
    "length",
    "limit",
    "ltrimstr",
    "map",
    "match",
    "max",
    "min",
    "not",
    "null",
    "nulls",
    "numbers",
    "objects",
    "reverse",
    "round",
    "rtrimstr",
    "scalars",
    "scan",
    "select",
    "sort",
    "sort_by",
    "split",
    "splits",
    "startswith",
    "strings",
    "sub",
    "test",
    "to_entries",
    "tojson",
    "tonumber",
    "tostring",
    "trim",
    "true",
    "type",
    "unique",
    "unique_by",
    "values",
    "with_entries",
    "@base64d",
    "@text",
    "@urid",
];

/// What a filter is for, and so what it may use.
#[derive(Clone, Copy)]
struct Language<'a, 's> {
    text: &'a str,
    /// "a mapping", for messages.
    name: &'static str,
    /// Functions that may be called.
    functions: &'static [&'static [&'static str]],
    /// Whether all that is pure may be used, and every look at a value is paid for: strangers write such a filter.
    is_wide: bool,
    /// Definitions of the filter itself that may be called here.
    scope: Option<&'s Scope<'a, 's>>,
}

/// Names that a filter has defined, the nearest first. A definition is not in its own scope: nothing calls itself.
struct Scope<'a, 's> {
    name: &'a str,
    arity: usize,
    outer: Option<&'s Scope<'a, 's>>,
}

impl<'a> Language<'a, '_> {
    fn takes(&self, function: &str) -> bool {
        self.functions.iter().any(|it| it.contains(&function))
    }

    fn defines(&self, name: &str, arity: usize) -> bool {
        let mut scope = self.scope;
        while let Some(it) = scope {
            if it.name == name && it.arity == arity {
                return true;
            }
            scope = it.outer;
        }
        false
    }

    fn not_taken<T>(&self, part: &'a str, what: &str) -> Result<T, Refused> {
        Err(refused(self.text, part, format!("{what} is not taken in {}", self.name)))
    }
}

/// Functions whose first argument is a regular expression.
const PATTERNS: &[&str] = &["capture", "gsub", "match", "scan", "splits", "sub", "test"];

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

fn refused(text: &str, part: &str, why: String) -> Refused {
    let offset = (part.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
    let before = if offset <= text.len() { &text[..text.floor_char_boundary(offset)] } else { "" };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Refused { line, column, why }
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

/// Refuses what would nest so deep that reading it overflows the stack: brackets, and operators and words that each open a
/// level until their bracket closes. Texts are counted as if they were code, which only makes this stricter.
fn is_flat(text: &str) -> Result<(), Refused> {
    const OPENING: [&str; 9] = ["try", "if", "as", "and", "or", "reduce", "foreach", "def", "label"];
    let mut levels = vec![0_usize];
    let mut depth = 0_usize;
    let mut word = 0;
    for (at, byte) in text.bytes().enumerate() {
        let mut opened =
            usize::from(matches!(byte, b'|' | b',' | b'+' | b'-' | b'/' | b'?' | b'<' | b'>' | b'='));
        if !byte.is_ascii_alphanumeric() {
            opened += usize::from(
                text.is_char_boundary(word)
                    && text.is_char_boundary(at)
                    && OPENING.contains(&&text[word..at]),
            );
            word = at + 1;
        }
        match byte {
            b'(' | b'[' | b'{' => {
                levels.push(0);
                opened += 1;
            }
            b')' | b']' | b'}' if levels.len() > 1 => depth -= levels.pop().unwrap_or_default(),
            _ => {}
        }
        depth += opened;
        if let Some(level) = levels.last_mut() {
            *level += opened;
        }
        if depth > MOST_DEPTH {
            return Err(refused(
                text,
                text,
                "it is nested too deep, or chains too many operators".to_owned(),
            ));
        }
    }
    Ok(())
}

type Tree<'a> = Term<&'a str>;

/// `_step as $_ | term`: pays one unit whenever `term` is asked.
fn charged(term: Tree<'_>) -> Tree<'_> {
    bind(Term::Call("_step", Vec::new()), term)
}

fn bind<'a>(left: Tree<'a>, right: Tree<'a>) -> Tree<'a> {
    Term::BinOp(Box::new(left), BinaryOp::Pipe(Some(Pattern::Var("$_"))), Box::new(right))
}

fn pipe<'a>(left: Tree<'a>, right: Tree<'a>) -> Tree<'a> {
    Term::BinOp(Box::new(left), BinaryOp::Pipe(None), Box::new(right))
}

/// Pays for every output of `term` by what it holds.
fn weighed(term: Tree<'_>) -> Tree<'_> {
    pipe(term, bind(Term::Call("_weigh", Vec::new()), Term::Id))
}

/// The same tree, paying its way; or what of it is not taken.
fn guard<'a>(language: Language<'a, '_>, term: Tree<'a>, depth: usize) -> Result<Tree<'a>, Refused> {
    let text = language.text;
    if depth > MOST_DEPTH {
        return Err(refused(text, text, "it is nested too deep, or chains too many operators".to_owned()));
    }
    let inner = |term: Tree<'a>| guard(language, term, depth + 1);
    let boxed = |term: Box<Tree<'a>>| guard(language, *term, depth + 1).map(Box::new);
    Ok(match term {
        Term::Id | Term::Num(_) | Term::Var(_) | Term::Arr(None) => term,
        Term::Str(format, parts) => {
            if let Some(format) = format
                && !language.takes(format)
            {
                return language.not_taken(format, &format!("`{format}`"));
            }
            let part = |part| match part {
                StrPart::Term(term) => inner(term).map(StrPart::Term),
                plain => Ok(plain),
            };
            weighed(Term::Str(format, parts.into_iter().map(part).collect::<Result<_, _>>()?))
        }
        Term::Arr(Some(items)) => weighed(Term::Arr(Some(boxed(items)?))),
        Term::Obj(fields) => {
            let field = |(key, value): (Tree<'a>, Option<Tree<'a>>)| {
                Ok((plain_key(key, &inner)?, value.map(inner).transpose()?))
            };
            weighed(Term::Obj(fields.into_iter().map(field).collect::<Result<_, Refused>>()?))
        }
        Term::Neg(term) => Term::Neg(boxed(term)?),
        Term::BinOp(left, operator, right) => {
            let (left, right) = (inner(*left)?, inner(*right)?);
            binary(language, left, operator, right)?
        }
        Term::TryCatch(tried, caught) => Term::TryCatch(boxed(tried)?, caught.map(boxed).transpose()?),
        Term::IfThenElse(branches, otherwise) => {
            let branch = |(condition, then)| Ok((inner(condition)?, inner(then)?));
            let branches = branches.into_iter().map(branch).collect::<Result<_, Refused>>()?;
            Term::IfThenElse(branches, otherwise.map(boxed).transpose()?)
        }
        Term::Call(name, arguments) => call(language, name, arguments, &inner)?,
        Term::Path(base, Path(parts)) => {
            let part = |(part, optional)| {
                let part = match part {
                    Part::Index(index) => Part::Index(inner(index)?),
                    Part::Range(from, to) => {
                        Part::Range(from.map(inner).transpose()?, to.map(inner).transpose()?)
                    }
                };
                Ok((part, optional))
            };
            let iterates = parts.iter().any(|(part, _)| matches!(part, Part::Range(None, None)));
            let path =
                Term::Path(boxed(base)?, Path(parts.into_iter().map(part).collect::<Result<_, Refused>>()?));
            if iterates { pipe(path, charged(Term::Id)) } else { path }
        }
        Term::Recurse if language.is_wide => pipe(Term::Recurse, charged(Term::Id)),
        Term::Label(name, body) if language.is_wide => Term::Label(name, boxed(body)?),
        Term::Break(_) if language.is_wide => term,
        Term::Fold(name, over, pattern, arguments) if language.is_wide => {
            let weigh = |term| Ok(weighed(charged(inner(term)?)));
            let arguments = arguments.into_iter().map(weigh).collect::<Result<_, Refused>>()?;
            Term::Fold(name, boxed(over)?, plain_pattern(language, pattern)?, arguments)
        }
        Term::Def(definitions, body) if language.is_wide => {
            return wide::define(language, definitions, *body, depth);
        }
        Term::Recurse => return language.not_taken(text, "`..`"),
        Term::Label(name, _) | Term::Break(name) => return language.not_taken(name, "`label`"),
        Term::Fold(name, ..) => return language.not_taken(name, &format!("`{name}`")),
        Term::Def(definitions, _) => {
            return language.not_taken(definitions.first().map_or(text, |it| it.name), "a definition");
        }
    })
}

fn binary<'a>(
    language: Language<'a, '_>,
    left: Tree<'a>,
    operator: BinaryOp<&'a str>,
    right: Tree<'a>,
) -> Result<Tree<'a>, Refused> {
    let text = language.text;
    let operator = match operator {
        BinaryOp::Pipe(Some(pattern)) => BinaryOp::Pipe(Some(plain_pattern(language, pattern)?)),
        BinaryOp::Cmp(_) if language.is_wide => {
            return Ok(Term::BinOp(Box::new(weighed(left)), operator, Box::new(weighed(right))));
        }
        BinaryOp::Math(math @ (Math::Sub | Math::Mul)) if language.is_wide => {
            let name = if math == Math::Sub { "_minus" } else { "_times" };
            return Ok(weighed(Term::Call(name, vec![left, right])));
        }
        BinaryOp::Pipe(None)
        | BinaryOp::Comma
        | BinaryOp::Alt
        | BinaryOp::Or
        | BinaryOp::And
        | BinaryOp::Cmp(_)
        | BinaryOp::Math(Math::Add | Math::Sub | Math::Div) => operator,
        BinaryOp::Math(Math::Rem)
        | BinaryOp::Assign
        | BinaryOp::Update
        | BinaryOp::UpdateAlt
        | BinaryOp::UpdateMath(Math::Add)
            if language.is_wide =>
        {
            operator
        }
        BinaryOp::Math(math) => return language.not_taken(text, &format!("`{}`", math.as_str())),
        _ => return language.not_taken(text, "an assignment"),
    };
    let builds = !matches!(
        operator,
        BinaryOp::Pipe(_) | BinaryOp::Comma | BinaryOp::Alt | BinaryOp::Or | BinaryOp::And | BinaryOp::Cmp(_)
    );
    let term = Term::BinOp(Box::new(left), operator, Box::new(right));
    Ok(if builds { weighed(term) } else { term })
}

/// A key that is a plain text stays one: it is looked up by its shape.
fn plain_key<'a>(
    key: Tree<'a>,
    inner: &impl Fn(Tree<'a>) -> Result<Tree<'a>, Refused>,
) -> Result<Tree<'a>, Refused> {
    match &key {
        Term::Str(None, parts) if parts.iter().all(|part| !matches!(part, StrPart::Term(_))) => Ok(key),
        _ => inner(key),
    }
}

fn plain_pattern<'a>(
    language: Language<'a, '_>,
    pattern: Pattern<&'a str>,
) -> Result<Pattern<&'a str>, Refused> {
    match pattern {
        Pattern::Obj(_) => language.not_taken(language.text, "an object as a pattern"),
        Pattern::Arr(parts) => {
            let parts = parts.into_iter().map(|it| plain_pattern(language, it));
            Ok(Pattern::Arr(parts.collect::<Result<_, _>>()?))
        }
        Pattern::Var(_) => Ok(pattern),
    }
}

fn call<'a>(
    language: Language<'a, '_>,
    name: &'a str,
    arguments: Vec<Tree<'a>>,
    inner: &impl Fn(Tree<'a>) -> Result<Tree<'a>, Refused>,
) -> Result<Tree<'a>, Refused> {
    if language.defines(name, arguments.len()) {
        let arguments = arguments.into_iter().map(|it| inner(it).map(charged)).collect::<Result<_, _>>()?;
        return Ok(charged(Term::Call(name, arguments)));
    }
    if !language.takes(name) {
        return language.not_taken(name, &format!("`{name}`"));
    }
    let is_pattern = PATTERNS.contains(&name) || name == "split" && arguments.len() == 2;
    let mut guarded = Vec::with_capacity(arguments.len());
    for (index, argument) in arguments.into_iter().enumerate() {
        let is_literal = matches!(&argument, Term::Str(None, parts) if parts.iter().all(|it| !matches!(it, StrPart::Term(_))));
        if is_pattern && index == 0 && !is_literal {
            let why = format!("the pattern of `{name}` must be a text as it stands");
            return Err(refused(language.text, name, why));
        }
        guarded.push(if is_literal { argument } else { charged(inner(argument)?) });
    }
    if language.is_wide {
        return wide::call(language, name, guarded);
    }
    // What these build out of one value is as large as their input, and is paid for as it.
    let builds = matches!(name, "add" | "join" | "sub" | "gsub" | "tojson" | "tostring" | "from_entries");
    let called = charged(Term::Call(name, guarded));
    Ok(if builds { weighed(called) } else { called })
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
mod wide;

#[cfg(test)]
mod tests;
