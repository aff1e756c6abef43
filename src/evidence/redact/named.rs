//! Secrets that are known by the name before them: headers, `key=value` in every quoting, XML elements, flags, sentences.

use std::sync::LazyLock;

use regex::{Match, Regex};

use super::detect::{MASK, Span};
use super::names;

static PAIR: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"([A-Za-z][A-Za-z0-9_.\-]{0,63})[\\"'`\]]{0,4}[ \t]{0,3}(=>|:=|==|=|:|\s--?>\s)[ \t]{0,3}"#)
        .expect("a constant pattern")
});
static COOKIE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i)\b(set-cookie2?|cookies?)[\\"'`]{0,4}\s{0,3}[:=]\s{0,3}[\["'`\\]{0,4}([^\r\n"'`]+)"#)
        .expect("a constant pattern")
});
static AUTHORIZATION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i)\b(?:proxy-|x-)?auth(?:orization|entication)?[\\"'`\]]{0,4}\s{0,3}(?:=>|[:=])\s{0,3}[\["'`\\]{0,4}([A-Za-z][A-Za-z0-9_-]{0,31})[ \t]+([^\r\n"'`\]}]+)"#)
        .expect("a constant pattern")
});
static SCHEME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\b(bearer|basic|digest|token|apikey|negotiate|ntlm|dpop)[ \t]+([A-Za-z0-9._~+/=|:-]{4,})",
    )
    .expect("a constant pattern")
});
static NAME_VALUE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#""(?:name|key)\\?"\s*:\s*\\?"([^"\\]{1,64})\\?"\s*,\s*\\?"value\\?"\s*:\s*\\?"((?:[^"\\]|\\.)*)"#,
    )
    .expect("a constant pattern")
});
static ELEMENT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"<([A-Za-z][\w:.-]{0,63})(?:\s[^<>]*)?>([^<]+)</").expect("a constant pattern")
});
static FLAG: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"--?([A-Za-z][A-Za-z0-9_-]{1,63})[ \t]+["']?([^\s"'-][^\s"']*)"#)
        .expect("a constant pattern")
});
static SENTENCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i)\b(password|passphrase|passcode|passwd|pwd|pin|secret|credentials?|api[ _-]?key|access[ _-]?key|secret[ _-]?key|token)[ \t]+(?:is|was|of|to|be|=|->)[ \t]+["'`]?([^\s"'`]+)"#)
        .expect("a constant pattern")
});

/// Adds the spans.
pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    authorization(text, spans);
    cookies(text, spans);
    pairs(text, spans);
    for captures in NAME_VALUE.captures_iter(text) {
        let hides = names::is_secret(&captures[1])
            || names::header(&captures[1]) == names::Showing::Shape && looks_like_header(&captures[1]);
        if hides && !is_blotted_credential(&captures[2]) {
            push(spans, captures.get(2), "secret");
        }
    }
    for captures in ELEMENT.captures_iter(text).chain(FLAG.captures_iter(text)) {
        if names::is_secret(&captures[1]) && is_secret_value(&captures[1], &captures[2]) {
            push(spans, captures.get(2), kind_of(&captures[1]));
        }
    }
    for captures in SENTENCE.captures_iter(text) {
        let value = captures[2].trim_end_matches(['.', ',', ';', ')']);
        let speaks = value.len() >= 4 && !names::is_plain_word(value);
        let random = value.bytes().any(|b| b.is_ascii_digit()) || value.len() >= 16;
        if speaks && (random || names::is_strong(&captures[1])) && !value.ends_with(':') {
            push(spans, captures.get(2), kind_of(&captures[1]));
        }
    }
}

/// `Bearer [~~~~]`: a credential that is a shape already; its scheme is no secret.
fn is_blotted_credential(value: &str) -> bool {
    const SCHEMES: [&str; 7] = ["bearer", "basic", "digest", "token", "apikey", "negotiate", "dpop"];
    let blot = char::from(MASK);
    value.split_once(' ').is_some_and(|(scheme, rest)| {
        let inside = rest.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        SCHEMES.contains(&scheme.to_ascii_lowercase().as_str())
            && inside.is_some_and(|it| !it.is_empty() && it.chars().all(|c| c == blot))
    })
}

fn push(spans: &mut Vec<Span>, secret: Option<Match<'_>>, kind: &'static str) {
    if let Some(secret) = secret {
        spans.push(Span { start: secret.start(), end: secret.end(), kind });
    }
}

fn authorization(text: &str, spans: &mut Vec<Span>) {
    for captures in AUTHORIZATION.captures_iter(text) {
        let scheme = captures[1].to_ascii_lowercase();
        // `WWW-Authenticate: Bearer realm="x"` tells what is wanted and is no credential; its name does not match. A sentence
        // ("authentication: the token expired") has a plain word where the scheme stands.
        if !names::is_plain_word(&scheme) || matches!(scheme.as_str(), "bearer" | "basic") {
            push(spans, captures.get(2), "authorization");
        }
    }
    for captures in SCHEME.captures_iter(text) {
        let scheme = captures[1].to_ascii_lowercase();
        let value = captures[2].trim_end_matches(['.', ',', ':']);
        let is_word = value.bytes().all(|b| b.is_ascii_lowercase() || b == b'-' || b == b'_');
        // `realm=`, `scope=`: the parameters of a challenge.
        let challenge = value.split_once('=').is_some_and(|(name, _)| {
            ["realm", "scope", "error", "charset", "error_description", "algorithm", "qop"].contains(&name)
        });
        let prose = ["token", "apikey", "basic", "digest"].contains(&scheme.as_str()) && value.len() < 40;
        let looks =
            value.bytes().any(|b| b.is_ascii_digit()) || value.bytes().any(|b| b.is_ascii_uppercase());
        let plain = names::is_plain_word(value)
            || ["token", "tokens", "auth", "authentication", "authorization", "scheme"].contains(&value);
        let random = looks && value.len() >= 8;
        if !challenge
            && !plain
            && (if prose { random } else { random || (is_word && value.len() >= 6) || looks })
        {
            push(spans, captures.get(2), "authorization");
        }
    }
}

/// The values of cookies; their names and a `Set-Cookie`'s attributes stay.
fn cookies(text: &str, spans: &mut Vec<Span>) {
    const ATTRIBUTES: [&str; 9] =
        ["path", "domain", "expires", "max-age", "samesite", "secure", "httponly", "partitioned", "priority"];
    for captures in COOKIE.captures_iter(text) {
        let Some(list) = captures.get(2) else { continue };
        let mut at = list.start();
        for part in list.as_str().split(';') {
            if let Some((name, value)) = part.split_once('=') {
                let start = at + name.len() + 1;
                if !ATTRIBUTES.contains(&name.trim().to_ascii_lowercase().as_str())
                    && !value.trim().is_empty()
                {
                    spans.push(Span { start, end: start + value.trim_end().len(), kind: "cookie" });
                }
            }
            at += part.len() + 1;
        }
    }
}

fn pairs(text: &str, spans: &mut Vec<Span>) {
    for captures in PAIR.captures_iter(text) {
        let (Some(whole), name) = (captures.get(0), &captures[1]) else { continue };
        if !names::is_secret(name) {
            continue;
        }
        // A URL's `token://`, a Rust path `token::x` and a time are no values.
        if text[whole.end()..].starts_with("//") || text[whole.end()..].starts_with(':') {
            continue;
        }
        let Some((mut start, end)) = value_at(text, whole.end()) else { continue };
        // Schemes and the names of cookies are evidence and stay; their values have rules of their own.
        if let Some((scheme, _)) = text[start..end].split_once(' ')
            && is_scheme_alone(scheme)
        {
            start += scheme.len() + 1;
        }
        let value = &text[start..end];
        if names::words(name).last().is_some_and(|word| word.starts_with("cookie")) && value.contains('=') {
            continue;
        }
        if is_secret_value(name, value) && !is_prose(name, &captures[2], text, end, value) {
            spans.push(Span { start, end, kind: kind_of(name) });
        }
    }
}

/// Where the value that begins here begins and ends, without its quotes; `None` when there is none on this line.
fn value_at(text: &str, mut at: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    if bytes.get(at) == Some(&b'[') && bytes.get(at + 1) != Some(&MASK) {
        at += 1;
    }
    let slashes = bytes[at..].iter().take_while(|b| **b == b'\\').count();
    let quote = *bytes.get(at + slashes)?;
    if matches!(quote, b'"' | b'\'' | b'`') {
        let start = at + slashes + 1;
        let mut end = start;
        // The closing quote has as many back-slashes before it as the opening one.
        while end < bytes.len() {
            if bytes[end] == quote {
                let before = bytes[start..end].iter().rev().take_while(|b| **b == b'\\').count();
                if before == slashes || (slashes == 0 && before % 2 == 0) {
                    return Some((start, end - before.min(slashes)));
                }
            }
            end += 1;
        }
        return Some((start, bytes.len()));
    }
    let rest = &text[at..];
    let mut length = rest.len();
    for (place, c) in rest.char_indices() {
        let after = &rest[place + c.len_utf8()..];
        let ends = match c {
            '"' | '\'' | '<' | '>' | '`' => true,
            '&' | ';' | ',' | '|' => {
                after.is_empty() || after.starts_with(char::is_whitespace) || begins_pair(after)
            }
            _ => c.is_whitespace(),
        };
        if ends {
            length = place;
            break;
        }
    }
    let value = rest[..length].trim_end_matches([')', '}', ',', ';', '.']);
    let value = if value.contains('[') { value } else { value.trim_end_matches(']') };
    if value.is_empty() { None } else { Some((at, at + value.len())) }
}

/// Whether `name=` or `name:` follows.
fn begins_pair(text: &str) -> bool {
    let text = text.trim_start_matches(['"', '\'', ' ']);
    let name =
        text.len() - text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "_-. ".contains(c)).len();
    name > 0 && text[name..].trim_start_matches(['"', '\'', ' ']).starts_with(['=', ':'])
}

/// Whether this may be a secret: not a word for "none", not a reference to where the secret is kept, not masked already.
fn is_secret_value(name: &str, value: &str) -> bool {
    let value = value.trim();
    let reference = value.starts_with("env:")
        || value.starts_with("${")
        || value.starts_with("$(")
        || value.starts_with("{{")
        || (value.starts_with('$') && value[1..].bytes().all(|b| b.is_ascii_uppercase() || b == b'_'));
    let masked = value.chars().all(|c| {
        matches!(
            c,
            '*' | '~'
                | '.'
                | '•'
                | 'x'
                | 'X'
                | '…'
                | '-'
                | '<'
                | '>'
                | '['
                | ']'
                | '{'
                | '}'
                | '('
                | ')'
                | '/'
                | '\\'
        )
    });
    // `auth: 401`, `pass: 3`.
    let count = value.len() <= 3 && value.bytes().all(|b| b.is_ascii_digit()) && !names::is_strong(name);
    !(value.is_empty()
        || reference
        || masked
        || count
        || names::is_plain_word(value)
        || is_scheme_alone(value))
}

fn is_scheme_alone(value: &str) -> bool {
    ["bearer", "basic", "digest", "token", "apikey", "negotiate", "aws4-hmac-sha256"]
        .contains(&value.to_ascii_lowercase().as_str())
}

/// `token: the issuer is wrong`: a colon in a sentence, behind a name that is also an ordinary word.
fn is_prose(name: &str, separator: &str, text: &str, end: usize, value: &str) -> bool {
    let word = value.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'-');
    let goes_on = text[end..]
        .strip_prefix([' ', ',', ';'])
        .is_some_and(|after| after.trim_start().starts_with(|c: char| c.is_ascii_lowercase() || c == '('));
    separator == ":" && word && goes_on && !names::is_strong(name)
}

fn looks_like_header(name: &str) -> bool {
    name.contains('-')
}

fn kind_of(name: &str) -> &'static str {
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
