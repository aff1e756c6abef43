//! Colours, marks and line breaking: how words become lines of a terminal.
//!
//! Foreign text may hold escape sequences that move the cursor or retitle the window; [`plain`] takes them out, and every
//! word passes it on its way to a line. Widths are columns, not characters: a wide character takes two.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::Style;

/// How a word is meant; the colour follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Strong,
    Dim,
    Good,
    Bad,
    Warn,
    Accent,
}

impl Tone {
    /// The SGR parameters (ECMA-48 8.3.117).
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Strong => Some("1"),
            Self::Dim => Some("2"),
            Self::Good => Some("32"),
            Self::Bad => Some("31"),
            Self::Warn => Some("33"),
            Self::Accent => Some("36"),
        }
    }
}

/// A piece of text with its tone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span(pub(super) Tone, pub(super) String);

/// A span, from anything that reads as text.
pub(super) fn span(tone: Tone, text: impl AsRef<str>) -> Span {
    Span(tone, plain(text.as_ref()))
}

/// The text without control characters and without the characters that reverse reading order.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// The marks in front of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Healthy.
    Good,
    /// A fault was found.
    Bad,
    /// Not a fault yet.
    Warn,
    /// Could not be run.
    Unknown,
    /// A question.
    Question,
    /// An answer.
    Answer,
    /// The row the arrow keys are on.
    Cursor,
    /// News without a verdict.
    News,
}

/// Turns spans into lines, with or without colour and marks beyond ASCII.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ink {
    style: Style,
}

impl Ink {
    pub(super) fn new(style: Style) -> Self {
        Self { style }
    }

    /// Columns that may be used.
    pub(super) fn width(self) -> usize {
        self.style.width.clamp(40, 100)
    }

    pub(super) fn resize(&mut self, width: usize) {
        self.style.width = width;
    }

    /// One or the other, as the terminal can show it.
    pub(super) fn pick(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.style.unicode { unicode } else { ascii }
    }

    /// Whether the terminal shows more than ASCII.
    pub(super) fn is_rich(self) -> bool {
        self.style.unicode
    }

    pub(super) fn mark(self, mark: Mark) -> Span {
        let (tone, unicode, ascii) = match mark {
            Mark::Good => (Tone::Good, "✓", "+"),
            Mark::Bad => (Tone::Bad, "✗", "x"),
            Mark::Warn => (Tone::Warn, "!", "!"),
            Mark::Unknown => (Tone::Dim, "–", "-"),
            Mark::Question => (Tone::Accent, "?", "?"),
            Mark::Answer => (Tone::Accent, "›", ">"),
            Mark::Cursor => (Tone::Accent, "❯", ">"),
            Mark::News => (Tone::Dim, "·", "*"),
        };
        Span(tone, self.pick(unicode, ascii).to_owned())
    }

    /// A frame of the spinner, one per 80 ms.
    pub(super) fn spinner(self, tick: usize) -> Span {
        const UNICODE: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
        const ASCII: [&str; 4] = ["|", "/", "-", "\\"];
        let frame = if self.style.unicode { UNICODE[tick % 10] } else { ASCII[tick % 4] };
        Span(Tone::Accent, frame.to_owned())
    }

    /// A rule across the page with a title in it, and words at its right end.
    pub(super) fn rule(self, tone: Tone, title: &str, right: &str) -> Vec<String> {
        let stroke = self.pick("─", "-");
        let told = plain(right);
        let right = if told.is_empty() { String::new() } else { format!(" {told} {stroke}{stroke}") };
        let room = self.width().saturating_sub(right.width() + 6);
        let lead = [Span(Tone::Dim, stroke.repeat(2)), Span(Tone::Plain, " ".to_owned())];
        let mut lines = self.wrap(&lead, &[span(tone, title)], room);
        if let [only] = lines.as_mut_slice() {
            let used = 3 + plain(title).split_whitespace().collect::<Vec<_>>().join(" ").width() + 1;
            let fill = self.width().saturating_sub(used + right.width());
            only.push(' ');
            only.push_str(&self.paint(&Span(Tone::Dim, format!("{}{right}", stroke.repeat(fill)))));
        } else if !right.is_empty() {
            lines.push(self.paint(&Span(Tone::Dim, format!("   {told}"))));
        }
        lines
    }

    /// A share of `cells` columns, to an eighth of a cell where the terminal can show it.
    pub(super) fn bar(self, share: f64, cells: usize) -> String {
        const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
        let eighths = usize::try_from(eighths(share, cells)).unwrap_or(0);
        if self.style.unicode {
            format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
        } else {
            "#".repeat((eighths + 4) / 8)
        }
    }

    pub(super) fn paint(self, Span(tone, text): &Span) -> String {
        match tone.code().filter(|_| self.style.colour && !text.is_empty()) {
            Some(code) => format!("\x1b[{code}m{text}\x1b[0m"),
            None => text.clone(),
        }
    }

    pub(super) fn line(self, spans: &[Span]) -> String {
        spans.iter().map(|span| self.paint(span)).collect()
    }

    /// A paragraph: `lead` as it is, then `body` broken at spaces before column `width`, later lines indented by the
    /// width of the lead. A word that is longer than a line is broken where the line ends.
    pub(super) fn wrap(self, lead: &[Span], body: &[Span], width: usize) -> Vec<String> {
        let indent = columns(lead);
        let room = width.saturating_sub(indent).max(16);
        let mut lines = vec![self.line(lead)];
        let mut used = 0;
        for word in words(body, room) {
            let needed = columns(&word);
            if used > 0 && used + 1 + needed > room {
                lines.push(" ".repeat(indent));
                used = 0;
            }
            let line = lines.last_mut().expect("the lead is a line");
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(&self.line(&word));
            used += needed;
        }
        for line in &mut lines {
            line.truncate(line.trim_end_matches(' ').len());
        }
        lines
    }

    /// [`Self::wrap`] across the whole page.
    pub(super) fn block(self, lead: &[Span], body: &[Span]) -> Vec<String> {
        self.wrap(lead, body, self.width())
    }
}

/// The share of `cells` cells in eighths of a cell; what is not nothing shows at least one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "at most a few hundred cells"
)]
fn eighths(share: f64, cells: usize) -> i64 {
    let exact = share.clamp(0.0, 1.0) * cells as f64 * 8.0;
    if share >= 0.005 { (exact.round() as i64).max(1) } else { 0 }
}

/// The width of spans in columns.
pub(super) fn columns(spans: &[Span]) -> usize {
    spans.iter().map(|Span(_, text)| text.width()).sum()
}

/// The words of a paragraph; a word may change its tone in the middle, and none is wider than `room`.
fn words(body: &[Span], room: usize) -> Vec<Vec<Span>> {
    let mut words: Vec<Vec<Span>> = vec![Vec::new()];
    let mut used = 0;
    for Span(tone, text) in body {
        for c in text.chars() {
            let wide = c.width().unwrap_or(0);
            if c == ' ' || used + wide > room {
                words.push(Vec::new());
                used = 0;
                if c == ' ' {
                    continue;
                }
            }
            let word = words.last_mut().expect("never empty");
            match word.last_mut().filter(|last| last.0 == *tone) {
                Some(Span(_, part)) => part.push(c),
                None => word.push(Span(*tone, c.to_string())),
            }
            used += wide;
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style { colour: false, live: false, unicode: true, width: 40 };

    #[test]
    fn escape_sequences_of_foreign_text_do_not_reach_the_terminal() {
        assert_eq!(plain("a\x1b[2Jb\u{9b}c\u{202e}d\ne"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d e");
    }

    #[test]
    fn lines_break_at_spaces_and_hang() {
        let ink = Ink::new(PLAIN);
        let lead = [Span(Tone::Plain, "  why  ".into())];
        let lines = ink.block(&lead, &[span(Tone::Plain, "the certificate of the application has expired")]);
        assert_eq!(lines, ["  why  the certificate of the", "       application has expired"]);
    }

    #[test]
    fn a_word_longer_than_a_line_is_broken_and_loses_nothing() {
        let ink = Ink::new(PLAIN);
        let url = "https://example.com/".to_owned() + &"x".repeat(60);
        let lines = ink.block(&[], &[span(Tone::Plain, &url)]);
        assert!(lines.iter().all(|line| line.width() <= 40), "{lines:?}");
        assert_eq!(lines.concat(), url);
    }

    #[test]
    fn a_wide_character_takes_two_columns() {
        let ink = Ink::new(PLAIN);
        let lines = ink.block(&[], &[span(Tone::Plain, "障".repeat(21))]);
        assert_eq!(lines, ["障".repeat(20), "障".to_owned()]);
    }

    #[test]
    fn a_tone_may_change_inside_a_word() {
        let ink = Ink::new(Style { colour: true, ..PLAIN });
        let lines = ink.block(&[], &[span(Tone::Plain, "a "), span(Tone::Bad, "b"), span(Tone::Plain, ":")]);
        assert_eq!(lines, ["a \x1b[31mb\x1b[0m:"]);
    }

    #[test]
    fn a_bar_shows_a_small_share_and_not_a_nothing() {
        let ink = Ink::new(PLAIN);
        assert_eq!(ink.bar(1.0, 4), "████");
        assert_eq!(ink.bar(0.01, 4), "▏");
        assert_eq!(ink.bar(0.001, 4), "");
        let ascii = Ink::new(Style { unicode: false, ..PLAIN });
        assert_eq!(ascii.bar(0.5, 4), "##");
    }
}
