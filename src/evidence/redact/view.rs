//! Text within text: percent-encoding, HTML entities, `\u0070`, `\x70`, `\"`, quoted-printable. Lines that hold such are read once
//! more as what they say, and what is found there is hidden where it stands.

use super::detect::{Span, find_at};
use super::named::floor;

/// The longest stretch that is read at once, in bytes.
const LONGEST: usize = 8 * 1024;

/// What each byte of the view was: where its writing begins, and the view's end.
struct View {
    text: Vec<u8>,
    from: Vec<usize>,
}

/// Adds the spans.
pub(super) fn find(text: &str, depth: u8, spans: &mut Vec<Span>) {
    let mut start = 0;
    while start < text.len() {
        let limit = floor(text, (start + LONGEST).min(text.len()));
        let end = line_end(text, start, limit);
        let line = &text[start..end];
        if is_written(line.as_bytes())
            && let Some(view) = view(line)
            && let Ok(inside) = std::str::from_utf8(&view.text)
        {
            for span in find_at(inside, depth - 1) {
                let (from, to) = (view.from[span.start], view.from[span.end]);
                // What is found as it stands needs no second span.
                if line[from..to] != inside[span.start..span.end] || !covers(spans, start + from, start + to)
                {
                    let from = floor(line, from);
                    spans.push(Span { start: start + from, end: start + to, kind: span.kind });
                }
            }
        }
        start = end;
    }
}

fn covers(spans: &[Span], start: usize, end: usize) -> bool {
    spans.iter().rev().take(32).any(|span| span.start <= start && span.end >= end)
}

/// Where the line ends that begins here; one that ends in `\\`, or in the `=` of quoted-printable, goes on.
fn line_end(text: &str, start: usize, limit: usize) -> usize {
    let mut at = start;
    while let Some(found) = text[at..limit].find('\n').map(|it| at + it) {
        let line = text[start..found].trim_end_matches('\r');
        let goes_on =
            line.ends_with('\\') || line.ends_with('=') && (line.contains("=3D") || line.contains("=20"));
        if !goes_on {
            return found + 1;
        }
        at = found + 1;
    }
    limit
}

/// Whether anything here is written in another way.
fn is_written(bytes: &[u8]) -> bool {
    bytes.iter().enumerate().filter(|(_, byte)| matches!(byte, b'%' | b'&' | b'\\' | b'=')).any(
        |(at, byte)| match byte {
            b'%' => hex(bytes, at + 1, 2).is_some(),
            b'&' => {
                bytes.get(at + 1) == Some(&b'#')
                    || bytes[at..].starts_with(b"&quot;")
                    || bytes[at..].starts_with(b"&amp;")
            }
            b'\\' => matches!(
                bytes.get(at + 1),
                Some(b'u' | b'x' | b'"' | b'\\' | b'n' | b't' | b'r' | b'\n' | b'\r')
            ),
            b'=' => bytes[at..].starts_with(b"=3D") || bytes[at..].starts_with(b"=20"),
            _ => false,
        },
    )
}

fn hex(bytes: &[u8], at: usize, length: usize) -> Option<u32> {
    let digits = std::str::from_utf8(bytes.get(at..at + length)?).ok()?;
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

/// The line as it reads; `None` when nothing changes.
fn view(line: &str) -> Option<View> {
    let bytes = line.as_bytes();
    let mut out = View { text: Vec::with_capacity(bytes.len()), from: Vec::with_capacity(bytes.len() + 1) };
    let (mut at, mut changed) = (0, false);
    while at < bytes.len() {
        // A line that goes on: what folds it, and the blanks of the next one, are not there.
        if matches!(bytes[at], b'\\' | b'=') && matches!(bytes.get(at + 1), Some(b'\n' | b'\r')) {
            at += 1 + bytes[at + 1..].iter().take_while(|b| b.is_ascii_whitespace()).count();
            changed = true;
            continue;
        }
        let (c, length) = match bytes[at] {
            b'%' => hex(bytes, at + 1, 2).map_or((None, 1), |byte| (Some(byte), 3)),
            b'&' => entity(&line[at..]),
            b'\\' => match bytes.get(at + 1) {
                Some(b'u') => hex(bytes, at + 2, 4).map_or((None, 1), |c| (Some(c), 6)),
                Some(b'x') => hex(bytes, at + 2, 2).map_or((None, 1), |c| (Some(c), 4)),
                Some(b'n' | b'r') => (Some(10), 2),
                Some(b't') => (Some(9), 2),
                Some(b'"') => (Some(34), 2),
                Some(b'\\') => (Some(92), 2),
                Some(b'/') => (Some(47), 2),
                _ => (None, 1),
            },
            b'=' if bytes[at..].starts_with(b"=3D") => (Some(61), 3),
            b'=' if bytes[at..].starts_with(b"=20") => (Some(32), 3),
            _ => (None, 1),
        };
        match c {
            // Bytes of UTF-8 that are written one by one stay bytes; a mask is not made here.
            Some(value) if bytes[at] == b'%' && value >= 0x80 => {
                out.text.push(b'?');
                out.from.push(at);
            }
            Some(value) => {
                let c = char::from_u32(value).unwrap_or('?');
                let mut buffer = [0; 4];
                for byte in c.encode_utf8(&mut buffer).bytes() {
                    out.text.push(byte);
                    out.from.push(at);
                }
            }
            None => {
                out.text.push(bytes[at]);
                out.from.push(at);
            }
        }
        changed |= c.is_some();
        at += length;
    }
    out.from.push(bytes.len());
    changed.then_some(out)
}

/// An entity of HTML at the beginning: its character, and how long its writing is.
fn entity(text: &str) -> (Option<u32>, usize) {
    for (name, c) in
        [("&quot;", 34), ("&amp;", 38), ("&lt;", 60), ("&gt;", 62), ("&apos;", 39), ("&nbsp;", 32)]
    {
        if text.starts_with(name) {
            return (Some(c), name.len());
        }
    }
    let Some(rest) = text.strip_prefix("&#") else { return (None, 1) };
    let (digits, radix) = match rest.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16),
        None => (rest, 10),
    };
    let length = digits.bytes().take(6).take_while(u8::is_ascii_hexdigit).count();
    let value = u32::from_str_radix(&digits[..length], radix).ok();
    let skip = text.len() - digits.len() + length;
    match value {
        Some(value) if text[skip..].starts_with(';') => (Some(value), skip + 1),
        _ => (None, 1),
    }
}
