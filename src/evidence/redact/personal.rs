//! What belongs to a person: e-mail addresses, telephone numbers, cards, bank accounts, social security numbers.

use std::sync::LazyLock;

use regex::Regex;

use super::detect::Span;

static EMAIL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)[a-z0-9][a-z0-9._%+'-]{0,63}@[a-z0-9](?:[a-z0-9-]{0,62}\.)+[a-z]{2,24}")
        .expect("a constant pattern")
});
static PHONE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\+[1-9][0-9]{0,2}[ ().-]{0,2}(?:[0-9][ ().-]{0,2}){6,13}[0-9]|\(?\b[2-9][0-9]{2}\)?[ .-][2-9][0-9]{2}[ .-][0-9]{4}\b").expect("a constant pattern")
});
static DIGITS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b[0-9](?:[ -]?[0-9]){12,18}\b").expect("a constant pattern"));
static IBAN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\b[a-z]{2}[0-9]{2}(?: ?[a-z0-9]{4}){2,7}(?: ?[a-z0-9]{1,3})?\b")
        .expect("a constant pattern")
});
static SOCIAL_SECURITY: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b[0-8][0-9]{2}-[0-9]{2}-[0-9]{4}\b").expect("a constant pattern"));

/// Adds the spans.
pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let mut push = |start, end, kind| spans.push(Span { start, end, kind });
    if text.contains('@') {
        for found in EMAIL.find_iter(text) {
            push(found.start(), found.end(), "email");
        }
    }
    for found in PHONE.find_iter(text) {
        if !is_within_number(text, found.start(), found.end()) {
            push(found.start(), found.end(), "phone");
        }
    }
    for found in DIGITS.find_iter(text) {
        if is_card(found.as_str()) && !is_within_number(text, found.start(), found.end()) {
            push(found.start(), found.end(), "card");
        }
    }
    for found in IBAN.find_iter(text) {
        if is_iban(found.as_str()) {
            push(found.start(), found.end(), "iban");
        }
    }
    for found in SOCIAL_SECURITY.find_iter(text) {
        if !is_within_number(text, found.start(), found.end()) {
            push(found.start(), found.end(), "ssn");
        }
    }
}

/// Whether the digits go on around the match: part of a time, a version, an address, an id.
fn is_within_number(text: &str, start: usize, end: usize) -> bool {
    let goes_on = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':');
    let before = text[..start]
        .chars()
        .next_back()
        .is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    let mut after = text[end..].chars();
    let after = after.next().is_some_and(|c| {
        goes_on(c) && (!matches!(c, '.' | ':' | '-') || after.next().is_some_and(|c| c.is_ascii_digit()))
    });
    before || after
}

/// A number that card issuers give out (ISO/IEC 7812 prefix and length) and whose check digit is right (Luhn). The prefixes
/// keep times in milliseconds (`17…`) out.
fn is_card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let prefix = digits.iter().take(2).fold(0, |sum, digit| sum * 10 + digit);
    let issued = matches!(
        (prefix, digits.len()),
        (40..=49, 13 | 16 | 19)
            | (34 | 37, 15)
            | (51..=55 | 22..=27, 16)
            | (30 | 36 | 38 | 39, 14)
            | (35 | 50 | 56..=69, 12..=19)
            | (81, 16..=19)
    );
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| if place % 2 == 0 { *digit } else { digit * 2 / 10 + digit * 2 % 10 })
        .sum();
    issued && sum.is_multiple_of(10)
}

/// ISO 13616: the country's letters, and the whole modulo 97.
fn is_iban(text: &str) -> bool {
    let letters: Vec<char> = text.chars().filter(char::is_ascii_alphanumeric).collect();
    if !(15..=34).contains(&letters.len()) {
        return false;
    }
    let rest = letters[4..].iter().chain(&letters[..4]).fold(0_u32, |rest, c| match c.to_digit(36) {
        Some(value) if value < 10 => (rest * 10 + value) % 97,
        Some(value) => (rest * 100 + value) % 97,
        None => rest,
    });
    rest == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let mut spans = Vec::new();
        find(text, &mut spans);
        let found: Vec<(&str, &str)> =
            spans.iter().map(|span| (span.kind, &text[span.start..span.end])).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn what_belongs_to_a_person_is_found() {
        check("mail jane.doe+x@example.co.uk now", &[("email", "jane.doe+x@example.co.uk")]);
        check(
            "call +49 (30) 1234-5678 or 415-555-2671",
            &[("phone", "+49 (30) 1234-5678"), ("phone", "415-555-2671")],
        );
        check("card 4111 1111 1111 1111.", &[("card", "4111 1111 1111 1111")]);
        check("amex 378282246310005", &[("card", "378282246310005")]);
        check("to DE89 3704 0044 0532 0130 00", &[("iban", "DE89 3704 0044 0532 0130 00")]);
        check("ssn 536-90-4399", &[("ssn", "536-90-4399")]);
    }

    #[test]
    fn numbers_of_machines_are_not() {
        for text in [
            "2026-03-01T10:02:00.123456789Z",
            "2026-03-01 10:02:00 +01:00",
            "192.168.100.200",
            "1772359320000",
            "1772359320123456789",
            "10.20.30.40:8443",
            "v1.22.333.4444",
            "4111111111111112",
            "GB82 WEST 1234 5698 7654 31",
            "0b1c7a5e-9c5d-4a52-8d4e-415552267100",
            "sha256:12345678901234567890",
            "image@sha256:abc",
            "took 1234.5678 ms",
        ] {
            check(text, &[]);
        }
    }
}
