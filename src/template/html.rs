//! What the console's templates need besides escaping: foreign text that stays in its place, and times.
//!
//! Foreign text may be long, may be one word, and may hold marks that turn the direction of what follows. It is isolated (`bdi`),
//! cut with "show all" behind the cut, and escaped, here and nowhere else.

use handlebars::html_escape;

/// Characters of foreign text that are shown before "show all".
const SHOWN: usize = 400;

/// Characters of foreign text where there is one line for it.
const ONE_LINE: usize = 140;

/// Foreign text: all of it, the most behind a click when it is long.
#[must_use]
pub fn foreign(text: &str) -> String {
    match cut(text, SHOWN) {
        None => format!("<bdi>{}</bdi>", html_escape(text)),
        Some(beginning) => format!(
            "<details class=\"long\"><summary><bdi>{}…</bdi> <span class=\"more\">show all ({})</span></summary><bdi>{}</bdi></details>",
            html_escape(beginning),
            size(text.len()),
            html_escape(text)
        ),
    }
}

/// Foreign text on one line: its beginning.
#[must_use]
pub fn brief(text: &str) -> String {
    let text = text.trim();
    match cut(text, ONE_LINE) {
        None => format!("<bdi>{}</bdi>", html_escape(text)),
        Some(beginning) => format!("<bdi>{}…</bdi>", html_escape(beginning)),
    }
}

/// Our own sentence: what stands between backticks is code.
#[must_use]
pub fn spoken(text: &str) -> String {
    let mut parts = text.split('`').map(html_escape);
    let mut shown = parts.next().unwrap_or_default();
    while let (Some(code), after) = (parts.next(), parts.next()) {
        let Some(after) = after else { return shown + "`" + &code };
        shown.extend(["<code>", &code, "</code>", &after]);
    }
    shown
}

/// A time: in UTC as it stands; the script puts it into the reader's zone.
#[must_use]
pub fn when(time: &str, words: &str) -> String {
    let Ok(at) = time.parse::<jiff::Timestamp>() else { return html_escape(time) };
    let shown = at.strftime("%H:%M:%S");
    let full = at.strftime("%Y-%m-%d %H:%M:%S UTC");
    let kind = html_escape(words);
    format!("<time datetime=\"{at}\" title=\"{full}\" data-show=\"{kind}\">{shown}&#8239;UTC</time>")
}

/// The beginning of a text that is longer than this.
fn cut(text: &str, characters: usize) -> Option<&str> {
    text.char_indices().nth(characters).map(|(at, _)| &text[..at])
}

fn size(bytes: usize) -> String {
    if bytes < 1000 { format!("{bytes} bytes") } else { format!("{} kB", bytes / 1000) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_isolated_escaped_and_cut() {
        assert_eq!(foreign("<script>&\u{202e}"), "<bdi>&lt;script&gt;&amp;\u{202e}</bdi>");
        let long = foreign(&"ä".repeat(50_000));
        assert!(long.contains("show all (100 kB)") && long.contains(&"ä".repeat(50_000)), "{}", &long[..900]);
        assert_eq!(brief(&"x".repeat(200)).len(), 140 + "<bdi>…</bdi>".len());
    }

    #[test]
    fn what_stands_between_backticks_is_code() {
        assert_eq!(spoken("Its name, or `none`."), "Its name, or <code>none</code>.");
        assert_eq!(spoken("`<b>` and `c`"), "<code>&lt;b&gt;</code> and <code>c</code>");
        assert_eq!(spoken("a ` alone"), "a ` alone");
    }

    #[test]
    fn a_time_says_its_zone_and_other_text_is_inert() {
        assert_eq!(
            when("2026-03-01T10:02:00.5Z", ""),
            "<time datetime=\"2026-03-01T10:02:00.5Z\" title=\"2026-03-01 10:02:00 UTC\" data-show=\"\">10:02:00&#8239;UTC</time>"
        );
        assert_eq!(when("<b>", ""), "&lt;b&gt;");
    }
}
