//! What is left of a value that may not be shown: what it is, how long about, and a token by which two of them are known to be equal.
//!
//! `[jwt:256~3fa9c1d2]`: a JWT of at most 256 characters. The eight digits are a keyed hash (HMAC-SHA256 under the incident's
//! key, truncated): equal values look equal inside one incident and nowhere else, and without the key nobody can try candidates.

use std::sync::LazyLock;

use hmac::{Hmac, Mac as _};
use regex::Regex;
use sha2::Sha256;

/// The longest class of length; what is longer is longer.
const LONGEST: usize = 65_536;

/// A shape, as it stands in a text; also with the back-slashes that Markdown puts before its brackets.
pub(super) static MARK: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\\?\[[a-z][a-z0-9-]{1,23}:[0-9]{1,5}\\?~[0-9a-f]{8}\\?\]").expect("a constant pattern")
});

/// How long the shape is that begins with this text's first byte, a `[`; Markdown's back-slashes count.
pub(super) fn mark_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let run = |from: usize, most: usize, test: fn(&u8) -> bool| {
        bytes.get(from..)?.iter().take(most).position(|b| !test(b)).or(Some(most)).map(|length| from + length)
    };
    let slash = |at: usize| at + usize::from(bytes.get(at) == Some(&b'\\'));
    let is = |at: usize, byte: u8| bytes.get(at) == Some(&byte);
    if !is(0, b'[') || !bytes.get(1)?.is_ascii_lowercase() {
        return None;
    }
    let kind = run(1, 24, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')?;
    if kind < 3 || !is(kind, b':') {
        return None;
    }
    let class = run(kind + 1, 5, u8::is_ascii_digit)?;
    let tilde = slash(class);
    if class == kind + 1 || !is(tilde, b'~') {
        return None;
    }
    let token = run(tilde + 1, 8, |b| b.is_ascii_digit() || (b'a'..=b'f').contains(b))?;
    let close = slash(token);
    (token == tilde + 9 && is(close, b']')).then_some(close + 1)
}

/// The mark of this value.
pub(super) fn mark(key: &[u8; 32], kind: &str, value: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(value.as_bytes());
    let hash = mac.finalize().into_bytes();
    format!(
        "[{kind}:{}~{:02x}{:02x}{:02x}{:02x}]",
        length_class(value.chars().count()),
        hash[0],
        hash[1],
        hash[2],
        hash[3]
    )
}

/// The next power of two, from 4: the exact length of a short secret is half of it.
fn length_class(length: usize) -> usize {
    length.next_power_of_two().clamp(4, LONGEST)
}

/// Which characters a value is made of, when nothing better is known of it.
pub(super) fn character_class(value: &str) -> &'static str {
    let all = |test: fn(char) -> bool| !value.is_empty() && value.chars().all(test);
    if value.is_empty() {
        "empty"
    } else if all(|c| c.is_ascii_digit()) {
        "digits"
    } else if is_uuid(value) {
        "uuid"
    } else if value.len() >= 8 && all(|c| c.is_ascii_hexdigit()) {
        "hex"
    } else if all(char::is_alphabetic) {
        "letters"
    } else if all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')) {
        "word"
    } else if all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '_' | '-')) {
        "base64"
    } else {
        "text"
    }
}

/// `8-4-4-4-12` hexadecimal digits.
pub(super) fn is_uuid(value: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let parts: Vec<&str> = value.split('-').collect();
    parts.len() == lengths.len()
        && parts
            .iter()
            .zip(lengths)
            .all(|(part, length)| part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_look_equal_under_one_key_only() {
        let (a, b) = ([1; 32], [2; 32]);
        assert_eq!(mark(&a, "jwt", "x"), mark(&a, "jwt", "x"));
        assert_ne!(mark(&a, "jwt", "x"), mark(&a, "jwt", "y"));
        assert_ne!(mark(&a, "jwt", "x"), mark(&b, "jwt", "x"));
        assert!(MARK.is_match(&mark(&a, "jwt", &"x".repeat(100_000))));
    }

    #[test]
    fn a_value_is_told_by_its_characters() {
        for (value, class) in [
            ("", "empty"),
            ("4711", "digits"),
            ("4bf92f3577b34da6", "hex"),
            ("0b1c7a5e-9c5d-4a52-8d4e-0a1b2c3d4e5f", "uuid"),
            ("Jane", "letters"),
            ("jane_9", "word"),
            ("aGk/dGhlcmU=", "base64"),
            ("Jane Doe", "text"),
        ] {
            assert_eq!(character_class(value), class, "{value}");
        }
    }
}
