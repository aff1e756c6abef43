//! What belongs to a person: e-mail addresses, telephone numbers, cards, bank accounts, social security numbers.

use std::net::IpAddr;

use super::detect::Span;
use super::encoded::context;

/// Adds the spans. A word before one of these `@` belongs to a URL.
pub(super) fn find(text: &str, hosts: &[usize], spans: &mut Vec<Span>) {
    emails(text, hosts, spans);
    numbers(text, spans);
    ibans(text, spans);
    addresses(text, spans);
}

fn emails(text: &str, hosts: &[usize], spans: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let local = |b: u8| b.is_ascii_alphanumeric() || b"._%+'-".contains(&b) || b >= 0x80;
    for (at, _) in text.match_indices('@') {
        if hosts.binary_search(&at).is_ok() {
            continue;
        }
        let least = at.saturating_sub(64);
        let mut start = at;
        if at > 1 && bytes[at - 1] == b'"' {
            // `"odd name"@example.com` (RFC 5321, 4.1.2).
            start = bytes[least..at - 1].iter().rposition(|b| *b == b'"').map_or(at, |it| least + it);
            if start > 0 && text[start..at].contains(['\n', ':', ',', '{']) {
                start = at;
            }
        } else {
            while start > least && local(bytes[start - 1]) {
                start -= 1;
            }
            while start < at && (b"._%+'-".contains(&bytes[start]) || !text.is_char_boundary(start)) {
                start += 1;
            }
        }
        let end = at
            + 1
            + bytes[at + 1..]
                .iter()
                .take(253)
                .position(|b| !(b.is_ascii_alphanumeric() || b".-".contains(b) || *b >= 0x80))
                .unwrap_or_else(|| bytes.len().min(at + 254) - at - 1);
        let end = super::named::floor(text, end);
        let host = text[at + 1..end].trim_end_matches(['.', '-']);
        let top = host.rsplit_once('.').map(|(_, top)| top);
        let told = top.is_some_and(|top| top.len() >= 2 && top.chars().all(char::is_alphabetic));
        // `git@host:owner/repo` names no person.
        let git = &text[start..at] == "git" && bytes.get(at + 1 + host.len()) == Some(&b':');
        if start < at && told && !git {
            spans.push(Span { start, end: at + 1 + host.len(), kind: "email" });
        }
    }
}

/// Telephones, cards, social security numbers: digits with what people put between them.
fn numbers(text: &str, spans: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(next) = bytes[at..].iter().position(|b| b.is_ascii_digit() || matches!(b, b'+' | b'(')) {
        at += next;
        let start = at;
        let mut end = at;
        let mut gap = 0;
        while at < bytes.len() && at - start < 40 {
            let byte = bytes[at];
            if byte.is_ascii_digit() {
                end = at + 1;
                gap = 0;
            } else if b" -().+/".contains(&byte) && gap < 3 && (byte != b'+' || at == start) {
                gap += 1;
            } else {
                break;
            }
            at += 1;
        }
        if end == start {
            at = start + 1;
            continue;
        }
        at = end.max(start + 1);
        if end - start >= 9 {
            number(text, start, end, spans);
        }
        while at < bytes.len() && bytes[at].is_ascii_digit() {
            at += 1;
        }
    }
}

/// Judges a group of digits, from all of it to its parts.
fn number(text: &str, start: usize, end: usize, spans: &mut Vec<Span>) {
    let group = &text[start..end];
    let tight = |from: usize, to: usize| !is_within_number(text, from, to);
    let digits = group.bytes().filter(u8::is_ascii_digit).count();
    // A card may stand beside other numbers: every stretch that begins a word.
    if digits >= 12 && !group.contains(['.', '/', '+', '(']) {
        let starts = group
            .char_indices()
            .filter(|(at, c)| c.is_ascii_digit() && (*at == 0 || !group.as_bytes()[at - 1].is_ascii_digit()));
        for (from, _) in starts.take(8) {
            for (to, _) in group.char_indices().skip(from + 11).filter(|(at, c)| {
                c.is_ascii_digit() && !group.as_bytes().get(at + 1).is_some_and(u8::is_ascii_digit)
            }) {
                let count = group[from..=to].bytes().filter(u8::is_ascii_digit).count();
                if (12..=19).contains(&count)
                    && is_card(&group[from..=to])
                    && tight(start + from, start + to + 1)
                {
                    spans.push(Span { start: start + from, end: start + to + 1, kind: "card" });
                    return;
                }
            }
        }
    }
    let parts: Vec<&str> = group.split(|c: char| !c.is_ascii_digit()).filter(|it| !it.is_empty()).collect();
    let lengths: Vec<usize> = parts.iter().map(|it| it.len()).collect();
    if lengths == [3, 2, 4] && group.matches('-').count() == 2 && group.len() == 11 && tight(start, end) {
        spans.push(Span { start, end, kind: "ssn" });
        return;
    }
    let international = group.starts_with('+') && (8..=15).contains(&digits) && !group.contains('/');
    let american = (lengths == [3, 3, 4] || lengths == [1, 3, 3, 4])
        && group.contains([' ', '-', '.', '('])
        && !group.contains('/')
        && !parts[lengths.len() - 3].starts_with(['0', '1']);
    let german = group.starts_with('0')
        && lengths.len() == 2
        && (3..=5).contains(&lengths[0])
        && (6..=8).contains(&lengths[1])
        && group.contains(['/', ' ']);
    let before = text[..start].chars().next_back();
    let clean =
        !before.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-' | '/'));
    if (international || american || german) && tight(start, end) && (clean || international) {
        spans.push(Span { start, end, kind: "phone" });
        return;
    }
    // `orders-mobile 4.2.0 2026-11-27T09:46:21Z` is a version and a day.
    let dated = lengths.windows(3).any(|it| it == [4, 2, 2]);
    let _ = digits >= 7
        && !dated
        && says(
            text,
            start,
            &[
                "tel",
                "phone",
                "telephone",
                "telefon",
                "mobile",
                "mobil",
                "fax",
                "handy",
                "call",
                "msisdn",
                "whatsapp",
            ],
        )
        && {
            spans.push(Span { start, end, kind: "phone" });
            true
        };
}

/// Whether the words before this place say what follows.
fn says(text: &str, start: usize, wanted: &[&str]) -> bool {
    context(text, start).iter().rev().take(2).any(|word| wanted.contains(&word.as_str()))
}

fn ibans(text: &str, spans: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let mut at = 2;
    while at + 2 < bytes.len() {
        let begins = bytes[at].is_ascii_digit()
            && bytes[at + 1].is_ascii_digit()
            && bytes[at - 1].is_ascii_alphabetic()
            && bytes[at - 2].is_ascii_alphabetic()
            && !(at >= 3 && bytes[at - 3].is_ascii_alphanumeric());
        if begins {
            let start = at - 2;
            let mut count = 0;
            let mut last = None;
            for (place, byte) in bytes[start..].iter().take(44).enumerate() {
                if byte.is_ascii_alphanumeric() {
                    count += 1;
                    let ends = !bytes.get(start + place + 1).is_some_and(u8::is_ascii_alphanumeric);
                    if ends && (15..=34).contains(&count) && is_iban(&text[start..=start + place]) {
                        last = Some(start + place + 1);
                    }
                } else if !matches!(byte, b' ' | b'-') {
                    break;
                }
            }
            if let Some(end) = last {
                spans.push(Span { start, end, kind: "iban" });
                at = end;
            }
        }
        at += 1;
    }
}

/// Every IP address, whosever it is.
pub(super) fn every_address(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    each_address(text, |start, end, _| spans.push(Span { start, end, kind: "ip" }));
    spans
}

/// Addresses of a person's machine: public ones behind a word that says whose they are. The addresses of servers stay, since
/// they are what an incident is about; private ones say nothing of a person.
fn addresses(text: &str, spans: &mut Vec<Span>) {
    const WHOSE: [&str; 16] = [
        "client",
        "user",
        "visitor",
        "customer",
        "remote",
        "forwarded",
        "for",
        "caller",
        "peer",
        "cip",
        "clientip",
        "xff",
        "src",
        "real",
        "viewer",
        "connecting",
    ];
    each_address(text, |start, end, ip| {
        if !is_public(ip) {
            return;
        }
        let words = context(text, start);
        let near: Vec<&str> = words.iter().rev().take(3).map(String::as_str).collect();
        let ip = near.first().is_some_and(|it| {
            matches!(
                *it,
                "ip" | "addr" | "address" | "host" | "for" | "from" | "client" | "clientip" | "xff" | "cip"
            )
        });
        let whose = near.iter().any(|it| WHOSE.contains(it))
            && !near.contains(&"waiting")
            && !near.contains(&"timeout");
        let forwarded = near.contains(&"forwarded")
            || near.contains(&"client")
            || near.contains(&"visitor")
            || near.contains(&"user");
        if whose && (forwarded || ip && !near.contains(&"for") || near.contains(&"remote") && ip) {
            spans.push(Span { start, end, kind: "ip" });
        }
    });
}

/// Whether an address is one of the public network.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_broadcast())
        }
        IpAddr::V6(ip) => {
            !(ip.is_loopback()
                || ip.is_unspecified()
                || matches!(ip.segments()[0], 0xfc00..=0xfdff | 0xfe80..=0xfebf))
        }
    }
}

/// Tells of each address where it begins and ends.
fn each_address(text: &str, mut tell: impl FnMut(usize, usize, IpAddr)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        let begins = byte.is_ascii_hexdigit()
            && !(at > 0
                && (bytes[at - 1].is_ascii_alphanumeric()
                    || matches!(bytes[at - 1], b'.' | b':' | b'_' | b'-')));
        if !begins {
            // The rest of a word cannot begin an address.
            at += 1 + bytes[at + 1..]
                .iter()
                .position(|b| !b.is_ascii_alphanumeric())
                .unwrap_or(bytes.len() - at - 1)
                * usize::from(byte.is_ascii_alphanumeric());
            continue;
        }
        let length = bytes[at..]
            .iter()
            .take(46)
            .position(|b| !(b.is_ascii_hexdigit() || matches!(b, b'.' | b':')))
            .unwrap_or(bytes.len() - at);
        let shown = text.get(at..at + length).unwrap_or_default().trim_end_matches(['.', ':']);
        let dots = shown.bytes().filter(|b| matches!(b, b'.' | b':')).count();
        if dots >= 3 && shown.len() >= 7 {
            let bare = if shown.contains('.') { shown.split(':').next().unwrap_or(shown) } else { shown };
            if let Ok(ip) = bare.parse() {
                tell(at, at + bare.len(), ip);
            }
        }
        at += length.max(1);
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
        find(text, &[], &mut spans);
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
            "orders-mobile 4.2.0 2026-11-27T09:46:21Z",
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
