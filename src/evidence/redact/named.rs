//! Secrets that are known by the name before them: `key=value`, `key: value` and `"key": "value"` in every quoting, headers,
//! cookies, connection strings, whole lines of configuration, blocks below a key.

use super::detect::Span;
use super::names;

mod credentials;
mod value;

use self::credentials::authorization;
pub(super) use self::credentials::{cookies, is_scheme};
use self::value::{
    LINE, LONGEST, begins_pair, begins_tight_pair, container, continued, is_shape_alone, token, triple,
    wrapped,
};
pub(super) use self::value::{floor, line_at, long_line_at, quoted};

/// Adds the spans.
pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    // `token:secret@host` is a user and a password, and not a name and its value.
    let mut users: Vec<(usize, usize)> =
        spans.iter().filter(|it| it.kind == "url-credentials").map(|it| (it.start, it.end)).collect();
    users.sort_unstable();
    let mut users = users.into_iter().peekable();
    let mut covered = 0;
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|b| matches!(b, b'=' | b':')) {
        let separator = at + found;
        at = separator + 1;
        while users.next_if(|(_, end)| *end <= separator).is_some() {}
        if separator < covered || users.peek().is_some_and(|(start, _)| *start <= separator) {
            continue;
        }
        // PHP says who may read a member between its name and its value.
        if ["protected]", "private]"].iter().any(|it| text[at..].starts_with(it)) {
            continue;
        }
        let Some((start, end)) = name_before(text, separator) else { continue };
        let (start, end) = member(text, start, end).unwrap_or((start, end));
        let Some(value) = value_start(bytes, separator) else { continue };
        let name = &text[start..end];
        // `arn:aws:secretsmanager:…:secret:orders` names a thing.
        if start > 0 && bytes[start - 1] == b':' && in_arn(&text[..start]) {
            continue;
        }
        if names::is_secret(name) || matches!(name, "tokens" | "ExternalId") {
            let pair = Pair { text, name, start, colon: bytes[separator] == b':' };
            covered = pair.secret(value, spans).max(covered);
        } else if matches!(name, "name" | "key" | "header" | "field" | "Name" | "Key" | "param") {
            covered = named_value(text, value, spans).max(covered);
        }
    }
}

/// PHP's `["secret":protected]=>`, `["secret":"Acme\\Key":private]=>`: the name before the word for who may read it.
fn member(text: &str, start: usize, end: usize) -> Option<(usize, usize)> {
    if !matches!(&text[start..end], "protected" | "private") || !text[..start].ends_with(':') {
        return None;
    }
    let from = floor(text, start.saturating_sub(120));
    let open = from + text[from..start].rfind("[\"")? + 2;
    let close = open + text[open..start].find('"')?;
    Some((open, close))
}

/// Whether the word that ends here began as the name of an AWS resource.
fn in_arn(before: &str) -> bool {
    let word = before
        .bytes()
        .rev()
        .take(100)
        .take_while(|b| !b.is_ascii_whitespace() && !b"\"'".contains(b))
        .count();
    before.as_bytes()[before.len() - word..].starts_with(b"arn:")
}

/// The name that ends here, behind quotes, brackets and blanks.
fn name_before(text: &str, separator: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut end = separator;
    let back = |end: &mut usize, most: usize, test: fn(u8) -> bool| {
        let least = end.saturating_sub(most);
        while *end > least && test(bytes[*end - 1]) {
            *end -= 1;
        }
    };
    back(&mut end, 3, |b| b == b' ' || b == b'\t');
    back(&mut end, 5, |b| b"\\\"'`])".contains(&b));
    let mut start = end;
    let least = end.saturating_sub(64);
    while start > least
        && (bytes[start - 1].is_ascii_alphanumeric()
            || b"_-.".contains(&bytes[start - 1])
            || bytes[start - 1] >= 0x80)
    {
        start -= 1;
    }
    while !text.is_char_boundary(start) {
        start += 1;
    }
    (start < end).then_some((start, end))
}

/// Where the value behind this separator begins; `None` when this separates nothing.
fn value_start(bytes: &[u8], separator: usize) -> Option<usize> {
    let next = bytes.get(separator + 1).copied();
    let mut at = separator + 1;
    match (bytes[separator], next) {
        // `https://`, the second colon of `a::b`, and `a::b` itself; LDIF's `name:: base64` has a blank behind.
        (b':', Some(b'/')) if bytes.get(separator + 2) == Some(&b'/') => return None,
        (b':', _) if separator > 0 && bytes[separator - 1] == b':' => return None,
        (b':', Some(b':')) if bytes.get(separator + 2) != Some(&b' ') => return None,
        (b'=', _) if separator > 0 && matches!(bytes[separator - 1], b'=' | b'!' | b'<' | b'>' | b':') => {
            return None;
        }
        (_, Some(b'=' | b':')) | (b'=', Some(b'>')) => at += 1,
        _ => {}
    }
    while at < bytes.len() && at < separator + 24 && matches!(bytes[at], b' ' | b'\t') {
        at += 1;
    }
    Some(at)
}

/// `"name": "X-Api-Key", "value": "…"`, and the same in YAML: the value goes by the name in it.
fn named_value(text: &str, value: usize, spans: &mut Vec<Span>) -> usize {
    let Some((start, end)) = quoted(text, value).or_else(|| token(text, value)) else { return 0 };
    let name = &text[start..end];
    if name.len() > 64 || !(names::is_secret(name) || is_hidden_header(name)) {
        return 0;
    }
    let mut limit = (end + 60).min(text.len());
    while !text.is_char_boundary(limit) {
        limit -= 1;
    }
    let Some(at) = text[end..limit].find("value").or_else(|| text[end..limit].find("Value")) else {
        return part(text, name, end, spans);
    };
    let bytes = text.as_bytes();
    let mut at = end + at + 5;
    while at < bytes.len() && b"\\\"' \t".contains(&bytes[at]) {
        at += 1;
    }
    if !matches!(bytes.get(at), Some(b':' | b'=')) {
        return 0;
    }
    let Some(at) = value_start(bytes, at) else { return 0 };
    match quoted(text, at).or_else(|| token(text, at)) {
        Some((start, end))
            if start < end && is_secret_value(name, &text[start..end]) && !is_evidence(&text[start..end]) =>
        {
            spans.push(Span { start, end, kind: "secret" });
            end
        }
        _ => 0,
    }
}

/// A part of a form that is sent in parts: behind its headers and an empty line stands its value.
fn part(text: &str, name: &str, end: usize, spans: &mut Vec<Span>) -> usize {
    let from = floor(text, end.saturating_sub(160));
    if !text[from..end].rsplit('\n').next().is_some_and(|line| line.contains("form-data")) {
        return 0;
    }
    let limit = floor(text, (end + 300).min(text.len()));
    let Some((at, length)) =
        ["\r\n\r\n", "\n\n"].iter().filter_map(|it| Some((text[end..limit].find(it)?, it.len()))).min()
    else {
        return 0;
    };
    let start = end + at + length;
    let value = long_line_at(text, start);
    if value.is_empty() || value.starts_with("--") || !is_secret_value(name, value) || is_evidence(value) {
        return 0;
    }
    spans.push(Span { start, end: start + value.len(), kind: kind_of(name) });
    start + value.len()
}

fn is_hidden_header(name: &str) -> bool {
    name.contains('-') && names::header(name) == names::Showing::Shape
}

/// `Bearer [~~~~]`, `sid=[~~~~]; Path=/`: a credential whose secret is a shape already.
fn is_evidence(value: &str) -> bool {
    value.contains("[~")
}

/// A secret name, and where its value begins.
struct Pair<'a> {
    text: &'a str,
    name: &'a str,
    /// Where the name begins.
    start: usize,
    /// Whether `:` stands between, and not `=`.
    colon: bool,
}

impl Pair<'_> {
    /// Hides the value; gives how far it was read.
    fn secret(&self, value: usize, spans: &mut Vec<Span>) -> usize {
        let text = self.text;
        let last = names::last_word(self.name);
        if matches!(last.as_str(), "authorization" | "authentication" | "auth")
            && let Some(end) = authorization(text, value, spans)
        {
            return end;
        }
        if matches!(last.as_str(), "cookie" | "cookies" | "cookie2")
            && let Some(end) = cookies(text, value, spans)
        {
            return end;
        }
        if let Some(end) = self.below(value, spans) {
            return end;
        }
        if let Some(end) = container(text, &last, value, spans) {
            return end;
        }
        let found = triple(text, value)
            .or_else(|| quoted(text, value))
            .or_else(|| wrapped(text, value))
            .or_else(|| self.listed(value))
            .or_else(|| self.line(value))
            .or_else(|| token(text, value));
        let Some((mut start, mut end)) = found else { return 0 };
        if let Some((scheme, _)) = text[start..end].split_once(' ')
            && is_scheme(scheme)
        {
            start += scheme.len() + 1;
        }
        if is_shape_alone(text, start, end) {
            return end;
        }
        end = continued(text, end, text[start..end].starts_with("3D"));
        let shown = &text[start..end];
        // A connection string has pairs and a host of its own: its rules hide what is secret in it.
        if matches!(last.as_str(), "dsn" | "string" | "connectionstring")
            && (shown.contains("://") || shown.contains([';', ' ']) && shown.contains('='))
        {
            return 0;
        }
        if is_secret_value(self.name, shown) && !self.is_prose(end, shown) {
            spans.push(Span { start, end, kind: kind_of(self.name) });
            return end;
        }
        0
    }

    /// The lines below a key that has no value beside it: YAML's blocks, a value on the next line.
    fn below(&self, value: usize, spans: &mut Vec<Span>) -> Option<usize> {
        let text = self.text;
        let rest = line_at(text, value);
        let bare = rest.trim();
        let folded = bare == "\\";
        let block = bare.starts_with(['|', '>']) && bare.len() <= 3;
        if !(bare.is_empty() || folded || block) {
            return None;
        }
        let key = &text[text[..self.start].rfind('\n').map_or(0, |at| at + 1)..self.start];
        let depth = key.len() - key.trim_start_matches([' ', '-']).len();
        let mut at = value + rest.len() + 1;
        let mut read = None;
        while at < text.len() && at - value < LONGEST {
            let line = long_line_at(text, at);
            let inside = line.trim();
            let indent = line.len() - line.trim_start().len();
            let pair = inside.split_once([':', '=']).is_some_and(|(name, rest)| {
                !name.contains(' ') && (rest.is_empty() || rest.starts_with(' '))
            });
            // Multipart: the name's line, an empty line, the value.
            if inside.is_empty() && block {
                at += line.len() + 1;
                continue;
            }
            let deeper = indent > depth || folded;
            if inside.is_empty()
                || !deeper
                || (pair && !block && !folded)
                || inside.starts_with(['{', '-', '}']) && !block
            {
                break;
            }
            let start = at + indent;
            let end = start + inside.trim_end_matches(['\\', ',']).trim_end_matches('"').len();
            let start = start + usize::from(inside.starts_with('"'));
            if start < end
                && !is_shape_alone(text, start, end)
                && is_secret_value(self.name, &text[start..end])
            {
                spans.push(Span { start, end, kind: kind_of(self.name) });
            }
            at += line.len() + 1;
            read = Some(end.max(start));
            if !block && !inside.ends_with('\\') {
                break;
            }
        }
        read
    }

    /// The value in a list of pairs with `;` between them, blanks and braces and all: `Password=ado net; pw;Pooling=true`.
    fn listed(&self, value: usize) -> Option<(usize, usize)> {
        let text = self.text;
        let from = floor(text, self.start.saturating_sub(256));
        let before = text[from..self.start].rsplit('\n').next().unwrap_or_default();
        let line = line_at(text, value);
        let after = line.match_indices(';').find(|(at, _)| begins_pair(&line[at + 1..]));
        if self.colon
            || line.len() + 4 > LINE && after.is_none()
            || !(before.trim_end().ends_with(';') || after.is_some())
        {
            return None;
        }
        let line = &line[..line.find(['"', '<', '\'']).unwrap_or(line.len())];
        let end = line
            .match_indices(';')
            .find(|(at, _)| begins_pair(&line[at + 1..]) || line[at + 1..].trim().is_empty())
            .map_or(line.len(), |(at, _)| at);
        let end = line[..end].trim_end().len();
        // A list in a sentence ends with its first word.
        let end = if line[..end].contains(". ") { return None } else { end };
        (end > 0).then_some((value, value + end))
    }

    /// The whole line, when it is nothing but this name and its value: `DB_PASSWORD=correct horse`.
    fn line(&self, value: usize) -> Option<(usize, usize)> {
        let text = self.text;
        let from = floor(text, self.start.saturating_sub(48));
        let before = text[from..self.start].rsplit('\n').next().unwrap_or_default().trim_start();
        let begins =
            matches!(before, "" | "export " | "set " | "- " | "* " | "ENV " | "\"" | "'" | "#" | "# " | "; ");
        if !begins {
            return None;
        }
        let line = line_at(text, value);
        if line.len() + 4 > LINE {
            return None;
        }
        let mut line = line.split(" #").next().unwrap_or_default().trim_end();
        let another = line.char_indices().any(|(at, c)| {
            matches!(c, ' ' | ',' | '&' | ';' | '\t')
                && at + 1 < line.len()
                && begins_tight_pair(line[at + 1..].trim_start())
        });
        let words = line.split_whitespace().count();
        // `password=hunter2 was refused`: a sentence goes on behind it, where an environment's variable has its line alone.
        let tight =
            !self.colon && text[..value].ends_with('=') && self.name.bytes().any(|b| b.is_ascii_lowercase());
        if words > 1 && tight && super::prose::is_odd(line.split_whitespace().next().unwrap_or_default()) {
            return None;
        }
        if another || words > 12 || line.contains(['"', '<']) && words > 1 {
            return None;
        }
        // In a sentence behind a colon the first word says that it is one.
        let first = line.split_whitespace().next().unwrap_or_default();
        let speaks = self.colon && names::is_plain_word(first.trim_end_matches([',', '.', ';']));
        if words > 1 && (speaks || !names::is_strong(self.name)) {
            return None;
        }
        line = line.trim_end_matches([',', ';']);
        (!line.is_empty()).then_some((value, value + line.len()))
    }

    /// `token: the issuer is wrong`: a colon in a sentence, behind a name that is also an ordinary word.
    fn is_prose(&self, end: usize, value: &str) -> bool {
        let word = value.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'-');
        let goes_on = self.text[end..].strip_prefix([' ', ',', ';']).is_some_and(|after| {
            after.trim_start().starts_with(|c: char| c.is_ascii_lowercase() || c == '(')
        });
        self.colon && word && goes_on && !names::is_strong(self.name)
    }
}

/// Whether this may be a secret: not a word for "none", not a reference to where the secret is kept, not masked already.
pub(super) fn is_secret_value(name: &str, value: &str) -> bool {
    let value = value.trim();
    let reference = value.starts_with("env:")
        || value.starts_with("${")
        || value.starts_with("$(")
        || value.starts_with("{{")
        || value.starts_with("<set to")
        || value.starts_with("<unset>")
        || (value.starts_with('$')
            && value[1..].bytes().all(|b| b.is_ascii_uppercase() || b == b'_' || b.is_ascii_digit())
            && value[1..].starts_with(|c: char| c.is_ascii_uppercase()));
    let masked = value.chars().all(|c| "*~.•xX…-<>[]{}()/\\ ,".contains(c));
    // `auth: 401`, `pass: 3`.
    let count = value.len() <= 3 && value.bytes().all(|b| b.is_ascii_digit()) && !names::is_strong(name);
    !(value.is_empty() || reference || masked || count || names::is_plain_word(value) || is_scheme(value))
}

/// What kind of secret a name names.
pub(super) fn kind_of(name: &str) -> &'static str {
    let words = names::words(name);
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(&word.as_str()));
    if has(&["password", "passwd", "pwd", "pass", "passphrase", "passcode", "pin", "pw"]) {
        "password"
    } else if has(&["session", "sid", "sessionid", "cookie", "jsessionid", "phpsessid"]) {
        "session"
    } else if has(&["signature", "sig", "hmac"]) {
        "signature"
    } else if has(&["token", "jwt", "bearer", "csrf", "xsrf"]) {
        "token"
    } else if has(&["key", "apikey"]) {
        "key"
    } else {
        "secret"
    }
}
