//! Codes that are typed to prove who somebody is, in the sentences in which they are sent: `Use 550-218 to log in`, `731904 is
//! your Google code`, `backup codes: 8f3k-22ld, p0x9-77qa`.

use std::sync::LazyLock;

use regex::Regex;

use super::detect::Span;
use super::looks::any_of;
use super::named::{floor, line_at};
use super::prose::is_odd;

/// What stands behind a code, and what must follow soon.
const BEHIND: &[(&str, &[&str])] = &[
    (" to log in", &[]),
    (" to login", &[]),
    (" to sign in", &[]),
    (" to verify your", &[]),
    (" to confirm your", &[]),
    (" is your ", &["code", "otp"]),
];
/// What stands before several, without its first letter.
const BEFORE: &[&str] = &["ackup codes", "ecovery codes", "cratch codes"];

static LEADS: LazyLock<Regex> =
    LazyLock::new(|| any_of(BEHIND.iter().map(|(lead, _)| *lead).chain(BEFORE.iter().copied())));

/// Adds the spans.
pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    for found in LEADS.find_iter(text) {
        let Some((_, wants)) = BEHIND.iter().find(|(lead, _)| *lead == found.as_str()) else {
            listed(text, found.end(), spans);
            continue;
        };
        let behind = line_at(text, found.end());
        let near = behind[..floor(behind, behind.len().min(48))].to_ascii_lowercase();
        if wants.is_empty() || wants.iter().any(|it| near.contains(it)) {
            spans.extend(code_before(text, found.start()));
        }
    }
}

/// The code that ends here: four to eight digits, with a dash or a vendor's letter.
fn code_before(text: &str, end: usize) -> Option<Span> {
    let from = floor(text, end.saturating_sub(24));
    let word = text[from..end].rsplit([' ', '"', '\'', ':', '\n', '>']).next()?;
    let bare = word.strip_prefix("G-").unwrap_or(word);
    let digits = bare.bytes().filter(u8::is_ascii_digit).count();
    let fits = (4..=8).contains(&digits) && bare.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    fits.then(|| Span { start: end - word.len(), end, kind: "otp" })
}

/// Codes one after the other, as long as they look like codes.
fn listed(text: &str, at: usize, spans: &mut Vec<Span>) {
    let line = line_at(text, at);
    let mut place = at;
    for part in line.split_inclusive([',', ' ', ':', ';']).take(40) {
        let bare = part.trim_end_matches([',', ' ', ':', ';', '.']);
        let digits = bare.bytes().filter(u8::is_ascii_digit).count();
        let is_code = bare.len() >= 4 && (is_odd(bare) || digits >= 4);
        if is_code && !bare.contains("[~") {
            spans.push(Span { start: place, end: place + bare.len(), kind: "otp" });
        } else if !matches!(bare, "" | "are" | "is" | "and") {
            break;
        }
        place += part.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let mut spans = Vec::new();
        find(text, &mut spans);
        let found: Vec<&str> = spans.iter().map(|it| &text[it.start..it.end]).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_code_that_is_sent_is_seen() {
        check("Use 550-218 to log in to Acme", &["550-218"]);
        check("G-731904 is your Google verification code.", &["G-731904"]);
        check("backup codes: 8f3k-22ld, p0x9-77qa", &["8f3k-22ld", "p0x9-77qa"]);
    }

    #[test]
    fn a_number_in_a_sentence_is_none() {
        check("it took 320 to log in", &[]);
        check("2026 is your year", &[]);
        check("backup codes are shown once", &[]);
    }
}
