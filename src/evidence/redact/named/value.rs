//! Where a value ends: quotes in every language, calls, lists, lines that go on.

use super::{is_evidence, is_secret_value, kind_of};
use crate::evidence::redact::detect::{MASK, Span};

/// The longest value that is followed, in bytes: a private key in one line fits.
pub(super) const LONGEST: usize = 16 * 1024;

/// The longest line that is read as one, in bytes.
pub(super) const LINE: usize = 1024;

/// A list or an object under a name of many secrets: every text in it, but no key.
pub(in crate::evidence::redact) fn container(
    text: &str,
    last: &str,
    value: usize,
    spans: &mut Vec<Span>,
) -> Option<usize> {
    let bytes = text.as_bytes();
    let open = *bytes.get(value)?;
    let many = matches!(
        last,
        "secrets"
            | "credentials"
            | "credential"
            | "passwords"
            | "tokens"
            | "auth"
            | "apikeys"
            | "cookies"
            | "creds"
    ) || text[value..].starts_with("{\"value\"");
    let texts = open == b'[' && bytes.get(value + 1) == Some(&b'"');
    if !(many || texts)
        || !matches!(open, b'{' | b'[')
        || bytes.get(value + 1) == Some(&MASK)
        || !bytes[value..].iter().take(64).any(|b| *b == b'"')
    {
        return None;
    }
    let (mut at, mut depth, mut label) = (value, 0_usize, "");
    while at < bytes.len() && at - value < 4 * LINE {
        match bytes[at] {
            b'{' | b'[' if bytes.get(at + 1) != Some(&MASK) => depth += 1,
            b'}' | b']' if bytes[at - 1] != MASK => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    break;
                }
            }
            b'"' => {
                let (start, end) = quoted(text, at)?;
                let after = bytes.get(end + 1..).unwrap_or_default();
                let key = after.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b':');
                if key {
                    label = &text[start..end];
                }
                let shown = matches!(label, "name" | "domain" | "path" | "expires" | "type" | "status");
                if !key
                    && !shown
                    && start < end
                    && !is_evidence(&text[start..end])
                    && is_secret_value(last, &text[start..end])
                {
                    spans.push(Span { start, end, kind: kind_of(last) });
                }
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    Some(at)
}

/// The rest of the line from here, at most [`LINE`] of it: for rules that look whether there is anything.
pub(in crate::evidence::redact) fn line_at(text: &str, at: usize) -> &str {
    line_within(text, at, LINE)
}

/// The rest of the line from here, at most [`LONGEST`] of it: for rules that hide, since a token may be long.
pub(in crate::evidence::redact) fn long_line_at(text: &str, at: usize) -> &str {
    line_within(text, at, LONGEST)
}

fn line_within(text: &str, at: usize, most: usize) -> &str {
    let rest = &text[at.min(text.len())..];
    let rest = &rest[..floor(rest, most.min(rest.len()))];
    let line = rest.split('\n').next().unwrap_or_default();
    line.strip_suffix('\r').unwrap_or(line)
}

/// The next place at or before this one where a character begins.
pub(in crate::evidence::redact) fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Whether the value is a shape, and nothing clings to it.
pub(in crate::evidence::redact) fn is_shape_alone(text: &str, start: usize, end: usize) -> bool {
    let value = text[start..end].trim_matches(['\\', '"', '\'', ' ', ',']);
    value.starts_with("[~")
        && value.find(']').is_some_and(|close| {
            let after = &value[close + 1..];
            after.is_empty()
                || after.starts_with([' ', ',', ';', '&', ')', '"', '\'', ']', '}', '\\', '\n', '\r'])
        })
}

pub(in crate::evidence::redact) fn triple(text: &str, at: usize) -> Option<(usize, usize)> {
    let rest = &text[at..];
    let quote = ["\"\"\"", "'''"].into_iter().find(|it| rest.starts_with(it))?;
    let start = at + 3;
    let end = text[start..].find(quote).filter(|end| *end < LONGEST).map_or(text.len(), |end| start + end);
    Some((start, end))
}

/// Between quotes, with the letter that many languages put before them: `u'…'`, `b"…"`.
pub(in crate::evidence::redact) fn quoted(text: &str, at: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut at = at;
    // `['x']` and `(\"x\")`: the first of a list.
    while at < bytes.len() && b"[(".contains(&bytes[at]) && bytes.get(at + 1) != Some(&MASK) {
        at += 1;
    }
    if at + 1 < bytes.len() && b"ubrfUBRFLNE@$".contains(&bytes[at]) && b"\"'".contains(&bytes[at + 1]) {
        at += 1;
    }
    let slashes = bytes[at..].iter().take(8).take_while(|b| **b == b'\\').count();
    let quote = *bytes.get(at + slashes)?;
    if !matches!(quote, b'"' | b'\'' | b'`') {
        return None;
    }
    let start = at + slashes + 1;
    let mut end = start;
    let mut line = None;
    // The closing quote has as many back-slashes before it as the opening one.
    while end < bytes.len() && end - start < LONGEST {
        if bytes[end] == quote {
            let before = bytes[start..end].iter().rev().take_while(|b| **b == b'\\').count();
            let doubled = quote == b'\'' && bytes.get(end + 1) == Some(&quote) && end > start;
            if doubled {
                end += 1;
            } else if before == slashes || (slashes == 0 && before % 2 == 0) {
                return Some((start, end - before.min(slashes)));
            }
        } else if bytes[end] == b'\n' && line.is_none() {
            line = Some(end);
        }
        end += 1;
    }
    // No closing quote: an apostrophe, or a line that was cut.
    Some((start, line.unwrap_or_else(|| floor(text, end))))
}

/// In a call or a type: `Some("…")`, `Secret(…)`, `string(8) "…"`, `ENC(…)`.
pub(in crate::evidence::redact) fn wrapped(text: &str, at: usize) -> Option<(usize, usize)> {
    let rest = &text[at..];
    let word = rest.len()
        - rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.').len();
    if word == 0 || word > 32 || !rest[word..].starts_with('(') {
        return None;
    }
    let inside = at + word + 1;
    if let Some(found) = quoted(text, inside) {
        return Some(found);
    }
    let close = line_at(text, inside).find(')')?;
    let after = inside + close + 1;
    let blanks = text[after..].len() - text[after..].trim_start_matches(' ').len();
    if blanks == 1 && text[after + blanks..].starts_with(['"', '\'']) {
        return quoted(text, after + blanks);
    }
    Some((at, after))
}

/// Up to what ends a value in a line of many.
pub(in crate::evidence::redact) fn token(text: &str, at: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut at = at;
    if bytes.get(at) == Some(&b'[') && bytes.get(at + 1) != Some(&MASK) {
        at += 1;
    }
    let rest = &text[at..];
    let rest = &rest[..floor(rest, LONGEST.min(rest.len()))];
    let mut length = rest.len();
    for (place, c) in rest.char_indices() {
        let after = &rest[place + c.len_utf8()..];
        let ends = match c {
            '"' | '\'' | '<' | '>' | '`' => true,
            '&' if after.starts_with("amp;") || after.starts_with("quot;") || after.starts_with('#') => {
                after.starts_with("quot;") || after.starts_with("#34;") || after.starts_with("#39;")
            }
            '&' | ';' | ',' | '|' => {
                after.is_empty() || after.starts_with(char::is_whitespace) || begins_pair(after)
            }
            // An escaped quote or line end, in a string within a string.
            '\\' => {
                after.starts_with(['"', '\'', '\\', 'n', 'r', 't'])
                    && place > 0
                    && !after[1..].starts_with(char::is_alphanumeric)
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

/// A value that goes on in the next line: behind `\`, and behind the `=` of quoted-printable.
pub(in crate::evidence::redact) fn continued(text: &str, mut end: usize, soft: bool) -> usize {
    let bytes = text.as_bytes();
    for _ in 0..64 {
        let mark = end.checked_sub(1).map(|it| bytes[it]);
        let after = if bytes.get(end) == Some(&b'\\') { end + 1 } else { end };
        let folds = matches!(mark, Some(b'\\')) || after > end || (soft && mark == Some(b'='));
        let line = match (bytes.get(after), bytes.get(after + 1)) {
            (Some(b'\n'), _) => after + 1,
            (Some(b'\r'), Some(b'\n')) => after + 2,
            _ => return end,
        };
        let next = long_line_at(text, line);
        let word = next.split_whitespace().next().unwrap_or_default();
        if !folds || word.is_empty() || word.contains([':', '\u{0}']) {
            return end;
        }
        end = line + (next.len() - next.trim_start().len()) + word.trim_end_matches(['"', '\'', ',']).len();
    }
    end
}

/// Whether `name=` or `name:` follows.
pub(in crate::evidence::redact) fn begins_pair(text: &str) -> bool {
    let text = text.trim_start_matches(['"', '\'', ' ']);
    let name =
        text.bytes().take(64).position(|b| !(b.is_ascii_alphanumeric() || b"_-. ".contains(&b))).unwrap_or(0);
    name > 0 && text[name..].trim_start_matches(['"', '\'', ' ']).starts_with(['=', ':'])
}

/// Whether `name=` or `name: ` follows, the name one word.
pub(in crate::evidence::redact) fn begins_tight_pair(text: &str) -> bool {
    let text = text.trim_start_matches(['"', '\'']);
    let name =
        text.bytes().take(64).position(|b| !(b.is_ascii_alphanumeric() || b"_-.".contains(&b))).unwrap_or(0);
    let rest = text[name..].trim_start_matches(['"', '\'']);
    name > 1
        && (rest.starts_with('=')
            || rest.starts_with(": ")
            || rest.starts_with(":\"")
            || rest.starts_with("=>"))
}
