//! Foreign text made harmless for Markdown (GitHub's and Discord's), for code spans and for fenced blocks.
//!
//! A title from a monitoring system must not notify a team (`@org/team`), leave a "mentioned this" event on somebody's
//! issue (`#12`, an issue URL), forge our hidden marker (`<!--`), or break out of a fence. Back-slashes alone do not do: GitHub
//! links mentions after it has rendered the Markdown, so `@`, `#` and `://` are broken up by a zero-width space. The words
//! stay readable; nothing is thrown away but control and direction-changing characters.

/// A space of no width: breaks up what a renderer would link, and does not show.
pub const BREAK: char = '\u{200b}';

/// One line of foreign text for running Markdown: no mention, reference, link, image, HTML or emphasis comes out of it.
#[must_use]
pub fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut chars = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        let next = chars.peek().copied().unwrap_or(' ');
        match c {
            '\r' | '\n' | '\t' => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            _ if is_unseen(c) => {}
            '@' => {
                out.push('@');
                out.push(BREAK);
            }
            '#' if next.is_ascii_digit() || out.is_empty() => {
                out.push_str("\\#");
                out.push(BREAK);
            }
            ':' if next == '/' => {
                out.push(':');
                out.push(BREAK);
            }
            '-' if next.is_ascii_digit() && ends_with_gh(&out) => {
                out.push(BREAK);
                out.push('-');
            }
            '!' if before == '<' || next == '[' => out.push_str("\\!"),
            '\\' | '`' | '*' | '_' | '~' | '|' | '[' | ']' | '<' | '>' => {
                out.push('\\');
                out.push(c);
            }
            '&' if next == '#' || next.is_ascii_alphabetic() => out.push_str("\\&"),
            '.' if out.ends_with("www") => {
                out.push(BREAK);
                out.push('.');
            }
            _ => out.push(c),
        }
        before = c;
    }
    let out = out.trim();
    // What would open a list, a heading or a rule at the start of a line.
    match out.chars().next() {
        Some('-' | '+' | '=') => format!("\\{out}"),
        _ => out.to_owned(),
    }
}

/// `GH-12` in any case is an issue's.
fn ends_with_gh(text: &str) -> bool {
    let end = text.len().checked_sub(2).and_then(|from| text.as_bytes().get(from..));
    end.is_some_and(|end| end.eq_ignore_ascii_case(b"gh"))
}

/// Foreign text as a code span on one line, with a fence longer than any run of back-ticks in it.
#[must_use]
pub fn code(text: &str) -> String {
    let text = one_line(text);
    let text = text.trim();
    if text.is_empty() {
        return "` `".to_owned();
    }
    let ticks = "`".repeat(longest_run(text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

/// As [`code`], for a cell of a table: there even a code span must not hold a bare `|`.
#[must_use]
pub fn cell(text: &str) -> String {
    code(text).replace('|', "\\|")
}

/// A sentence of ours with foreign words in it: code spans stay code spans, everything else is neutral.
#[must_use]
pub fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('`') {
        let Some((span, tail)) = after.split_once('`') else { break };
        push_words(&mut out, before);
        out.push_str(&cell(span));
        rest = tail;
    }
    push_words(&mut out, rest);
    out.trim().to_owned()
}

/// Neutral words with the spaces around them kept: a code span stands beside them.
fn push_words(out: &mut String, words: &str) {
    if words.starts_with(char::is_whitespace) && !out.is_empty() {
        out.push(' ');
    }
    let neutral = inline(words);
    out.push_str(&neutral);
    if words.ends_with(char::is_whitespace) && !neutral.is_empty() {
        out.push(' ');
    }
}

/// Foreign text as a fenced block whose fence is longer than any run of back-ticks in it.
#[must_use]
pub fn fence(text: &str, language: &str) -> String {
    let body: String = text.chars().filter(|&c| c == '\n' || c == '\t' || !is_unseen(c)).collect();
    let body = no_comment(&body);
    let body = body.trim_end();
    let language: String = language.chars().filter(char::is_ascii_alphanumeric).collect();
    let ticks = "`".repeat(longest_run(body).max(2) + 1);
    format!("{ticks}{language}\n{body}\n{ticks}")
}

/// Foreign text for a terminal: no escape sequences, no direction changes, line ends kept.
#[must_use]
pub fn plain(text: &str) -> String {
    text.chars().filter(|&c| c == '\n' || c == '\t' || !is_unseen(c)).collect()
}

/// A comment cannot be opened inside a code span or fence either: a marker is looked up in the raw body.
fn no_comment(text: &str) -> String {
    text.replace("<!--", "<! --")
}

fn one_line(text: &str) -> String {
    let spaced: String = text
        .chars()
        .map(|c| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c })
        .filter(|&c| !is_unseen(c))
        .collect();
    no_comment(&spaced)
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// Control characters, and characters that change the direction of the text around them.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(inline(text).replace(BREAK, "·"), expected);
    }

    #[test]
    fn ordinary_words_stay_as_they_are() {
        check("High 504 rate on /v1/reports (70 %)", "High 504 rate on /v1/reports (70 %)");
        check("api.example.com:443 at 2026-03-01T10:02:00Z", "api.example.com:443 at 2026-03-01T10:02:00Z");
        check("one - two", "one - two");
    }

    #[test]
    fn nobody_is_notified_and_nothing_is_linked() {
        check("@everyone see #12 and GH-7, Gh-8", "@·everyone see \\#·12 and GH·-7, Gh·-8");
        check("https://github.com/o/r/issues/1", "https:·//github.com/o/r/issues/1");
        check("www.example.com o/r#4", "www·.example.com o/r\\#·4");
        check("![x](y)", "\\!\\[x\\](y)");
    }

    #[test]
    fn a_marker_cannot_be_forged() {
        for text in ["<!-- firstcheck:inc-0000000000 -->", "`<!-- firstcheck:inc-0000000000 -->"] {
            assert!(!inline(text).contains("<!--"), "{}", inline(text));
            assert!(!code(text).contains("<!--"), "{}", code(text));
            assert!(!fence(text, "").contains("<!--"), "{}", fence(text, ""));
        }
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        assert_eq!(fence("a\n````\nb", "http"), "`````http\na\n````\nb\n`````");
        assert_eq!(code("a `b` c"), "``a `b` c``");
        assert_eq!(code("`b`"), "`` `b` ``");
        assert_eq!(cell("a|b"), "`a\\|b`");
    }

    #[test]
    fn a_sentence_keeps_its_code_and_nothing_else() {
        let text = "`api` answers *504* for @team, `a|b` too; one ` alone";
        assert_eq!(
            prose(text).replace(BREAK, "·"),
            "`api` answers \\*504\\* for @·team, `a\\|b` too; one \\` alone"
        );
    }

    #[test]
    fn a_line_cannot_become_two_and_controls_go() {
        check("# a\n# b\r\nc\u{1b}[31m", "\\#· a # b c\\[31m");
        check("- item", "\\- item");
        assert_eq!(plain("a\u{1b}[31mb\n"), "a[31mb\n");
    }
}
