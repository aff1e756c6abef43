//! What of a filter is taken: its tree is read part by part, refused at the place of what could loop, grow or look around, and
//! rewritten so that the rest pays its way.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Pattern, Term};
use jaq_core::ops::Math;
use jaq_core::path::{Part, Path};

use super::{Refused, wide};

/// Brackets and operators inside each other. The parser and the interpreter recurse as deep.
const MOST_DEPTH: usize = 200;

/// Functions a filter may call.
pub(super) const FUNCTIONS: &[&str] = &[
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
pub(super) struct Language<'a, 's> {
    pub(super) text: &'a str,
    /// "a mapping", for messages.
    pub(super) name: &'static str,
    /// Functions that may be called.
    pub(super) functions: &'static [&'static [&'static str]],
    /// Whether all that is pure may be used, and every look at a value is paid for: strangers write such a filter.
    pub(super) is_wide: bool,
    /// Definitions of the filter itself that may be called here.
    pub(super) scope: Option<&'s Scope<'a, 's>>,
}

/// Names that a filter has defined, the nearest first. A definition is not in its own scope: nothing calls itself.
pub(super) struct Scope<'a, 's> {
    pub(super) name: &'a str,
    pub(super) arity: usize,
    pub(super) outer: Option<&'s Scope<'a, 's>>,
}

impl<'a> Language<'a, '_> {
    pub(super) fn takes(&self, function: &str) -> bool {
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

    pub(super) fn not_taken<T>(&self, part: &'a str, what: &str) -> Result<T, Refused> {
        Err(refused(self.text, part, format!("{what} is not taken in {}", self.name)))
    }
}

/// Functions whose first argument is a regular expression.
const PATTERNS: &[&str] = &["capture", "gsub", "match", "scan", "splits", "sub", "test"];

pub(super) fn refused(text: &str, part: &str, why: String) -> Refused {
    let offset = (part.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
    let before = if offset <= text.len() { &text[..text.floor_char_boundary(offset)] } else { "" };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Refused { line, column, why }
}

/// Refuses what would nest so deep that reading it overflows the stack: brackets, and operators and words that each open a
/// level until their bracket closes. Texts are counted as if they were code, which only makes this stricter.
pub(super) fn is_flat(text: &str) -> Result<(), Refused> {
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

pub(super) type Tree<'a> = Term<&'a str>;

/// `_step as $_ | term`: pays one unit whenever `term` is asked.
pub(super) fn charged(term: Tree<'_>) -> Tree<'_> {
    bind(Term::Call("_step", Vec::new()), term)
}

pub(super) fn bind<'a>(left: Tree<'a>, right: Tree<'a>) -> Tree<'a> {
    Term::BinOp(Box::new(left), BinaryOp::Pipe(Some(Pattern::Var("$_"))), Box::new(right))
}

pub(super) fn pipe<'a>(left: Tree<'a>, right: Tree<'a>) -> Tree<'a> {
    Term::BinOp(Box::new(left), BinaryOp::Pipe(None), Box::new(right))
}

/// Pays for every output of `term` by what it holds.
pub(super) fn weighed(term: Tree<'_>) -> Tree<'_> {
    pipe(term, bind(Term::Call("_weigh", Vec::new()), Term::Id))
}

/// The same tree, paying its way; or what of it is not taken.
pub(super) fn guard<'a>(
    language: Language<'a, '_>,
    term: Tree<'a>,
    depth: usize,
) -> Result<Tree<'a>, Refused> {
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
