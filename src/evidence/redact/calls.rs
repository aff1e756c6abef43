//! Secrets in calls and in what languages print of a value: `ApiKey("…")`, `Secret { value: "…" }`, `getenv('DB_PASSWORD', '…')`,
//! `new PDO('mysql:…', 'app', '…')`.

use super::detect::Span;
use super::named::{floor, is_secret_value, kind_of, quoted};
use super::names;

/// How far into a printed value its field is looked for, in bytes.
const REACH: usize = 120;

/// Calls that take a user and a password: which of their texts is the password, from 1.
const LOGINS: &[(&str, usize)] = &[
    ("PDO", 3),
    ("PDO::__construct", 3),
    ("mysqli", 3),
    ("mysqli::__construct", 3),
    ("mysqli_connect", 3),
    ("mysql_connect", 3),
    ("getConnection", 3),
    ("login", 2),
    ("authenticate", 2),
    ("HTTPBasicAuth", 2),
    ("BasicAuth", 2),
    ("SetBasicAuth", 2),
    ("basicAuth", 2),
    ("basic_auth", 2),
    ("setBasicAuth", 2),
    ("UsernamePasswordCredentials", 2),
    ("UsernamePasswordAuthenticationToken", 2),
    ("PlainAuth", 3),
    ("sign_in", 2),
    ("signIn", 2),
];

/// Adds the spans.
pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let mut covered = 0;
    for (open, byte) in bytes.iter().enumerate() {
        if !matches!(byte, b'(' | b'{') || open < covered {
            continue;
        }
        let next = bytes.get(open + 1).copied().unwrap_or_default();
        let begins = matches!(next, b'"' | b'\'' | b'`' | b'\\' | b' ' | b'\n' | b'u' | b'b')
            || next.is_ascii_alphabetic();
        if !begins {
            continue;
        }
        let name = name_before(text, open);
        let found = if name.starts_with(|c: char| c.is_ascii_uppercase()) && ends_secret(name) {
            printed(text, open, name)
        } else {
            None
        };
        let found = found
            .or_else(|| (*byte == b'(').then(|| login(text, open, name)).flatten())
            .or_else(|| (*byte == b'(').then(|| named(text, open)).flatten());
        if let Some(span) = found {
            covered = span.end;
            spans.push(span);
        }
    }
}

/// The word before a bracket, one blank between at most; of a path (`a::B::new`) all of it.
fn name_before(text: &str, open: usize) -> &str {
    let bytes = text.as_bytes();
    let end = open - usize::from(open > 0 && bytes[open - 1] == b' ' && bytes[open] == b'{');
    let from = end.saturating_sub(48);
    let start = bytes[from..end]
        .iter()
        .rposition(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b':')))
        .map_or(from, |at| from + at + 1);
    text.get(start..end).unwrap_or_default().trim_start_matches(':')
}

/// Whether a type's own name, its last word or two, is that of a secret: `ApiKey`, `SecretStr`, no `TokenExpired`.
fn ends_secret(name: &str) -> bool {
    let bare = name.rsplit("::").next().unwrap_or(name);
    let bare = bare.strip_suffix("Str").or_else(|| bare.strip_suffix("String")).unwrap_or(bare);
    let words = names::words(bare);
    let Some(last) = words.last() else { return false };
    let two = words.len().checked_sub(2).map(|from| words[from..].join("_"));
    names::is_secret(last) || two.is_some_and(|two| names::is_secret(&two))
}

/// `ApiKey("…")`, `Secret { value: "…" }`, `AuthToken(value: "…")`.
fn printed(text: &str, open: usize, name: &str) -> Option<Span> {
    let inside = open + 1;
    let direct = quoted(text, inside);
    let (start, end) = direct.or_else(|| {
        let limit = floor(text, (inside + REACH).min(text.len()));
        let rest = &text[inside..limit];
        let rest = &rest[..rest.find([')', '}']).unwrap_or(rest.len())];
        let (at, skip) = ["value", "inner", "0", "expose", "raw"].into_iter().find_map(|field| {
            let at = rest.find(field)?;
            let before = rest[..at].chars().next_back();
            let after = rest[at + field.len()..].trim_start_matches('"');
            let separates = after.starts_with([':', '=']);
            (before.is_none_or(|c| !c.is_alphanumeric()) && separates).then_some((at, field.len()))
        })?;
        let value = rest[at + skip..].find(|c: char| !matches!(c, '"' | ':' | '=' | ' '))?;
        // Back to the quote that opens the value.
        let value = inside + at + skip + value;
        let quote = value.checked_sub(1).filter(|it| matches!(text.as_bytes()[*it], b'"' | b'\''))?;
        quoted(text, quote)
    })?;
    let value = &text[start..end];
    // `Secret("orders-db")` names one.
    let names_one =
        value.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'-' | b'_' | b' ' | b'/' | b'.'));
    (start < end && is_secret_value(name, value) && !value.contains("[~") && !(direct.is_some() && names_one))
        .then_some(Span { start, end, kind: kind_of(name) })
}

/// `getenv('DB_PASSWORD', 'fallback')`, `setProperty("db.password", "…")`: a secret's name, and the secret beside it.
fn named(text: &str, open: usize) -> Option<Span> {
    let (start, end) = argument(text, open + 1)?;
    let name = &text[start..end];
    if name.len() > 64 || name.contains(' ') || !names::is_secret(name) {
        return None;
    }
    let (start, end) = argument(text, after_comma(text, end)?)?;
    let value = &text[start..end];
    (start < end && is_secret_value(name, value) && !value.contains("[~")).then_some(Span {
        start,
        end,
        kind: kind_of(name),
    })
}

/// The password among the texts of a call that logs in.
fn login(text: &str, open: usize, name: &str) -> Option<Span> {
    let bare = name.rsplit("::").next().unwrap_or(name);
    let (_, place) = LOGINS.iter().find(|(known, _)| *known == name || *known == bare)?;
    let mut at = open + 1;
    for nth in 1..=*place {
        let (start, end) = argument(text, at)?;
        if nth == *place {
            let value = &text[start..end];
            return (start < end && is_secret_value("password", value) && !value.contains("[~"))
                .then_some(Span { start, end, kind: "password" });
        }
        at = after_comma(text, end)?;
    }
    None
}

/// The quoted text that is the argument here.
fn argument(text: &str, at: usize) -> Option<(usize, usize)> {
    let rest = text.get(at..)?;
    let at = at + rest.bytes().take_while(|b| matches!(b, b' ' | b'\n' | b'\t')).take(40).count();
    let first = *text.as_bytes().get(at)?;
    // `quoted` looks into brackets: an argument begins with its quote.
    if !matches!(first, b'"' | b'\'' | b'`' | b'\\' | b'u' | b'b') {
        return None;
    }
    quoted(text, at).filter(|(start, end)| *end - *start < 512)
}

/// Behind the closing quote and the comma.
fn after_comma(text: &str, end: usize) -> Option<usize> {
    let rest = &text.as_bytes()[end..];
    let quotes = rest.iter().take(4).take_while(|b| matches!(b, b'"' | b'\'' | b'`' | b'\\')).count();
    (rest.get(quotes) == Some(&b',')).then_some(end + quotes + 1)
}
