//! Secrets that nobody named: long random strings, and secrets wrapped in base64 or percent-encoding.
//!
//! A random string is told from a word by how often its characters change class. Hashes, trace ids and request ids are
//! random too and must stay: they do, behind a word that says what they are (`trace`, `sha256:`, `commit`, `x-request-id`).

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::detect::{Span, find_at};
use super::looks::run;
use super::{names, prose, view};

/// Words that say what the random string behind them is, and that it is no secret.
const SAYS: &str = "\
    trace traceparent tracestate traceid span spanid request requestid requestid correlation correlationid transaction txn sha sha1 sha2 sha256 \
    sha384 sha512 md5 commit rev revision release digest checksum hash fingerprint thumbprint serial etag ray build version image tag \
    uuid guid kid x5t ski aki runbooks deploy deployment deployed b3 sampled root parent self blob tree diff id ids event run job \
    crc32 integrity containerd docker cid reqid rid ulid cursor branch merge merged head ref refs git xid bucket container pod snapshot none-match requestid \
    invocation activity operation execution eventid errorid pageid ed25519 rsa ecdsa nistp256 fingerprints key-fingerprint spki pin-sha256 pubkey publickey md5sum sha256sum";
/// Words between such a word and its string.
const BETWEEN: &str = "is was of at to the a header hex number 00 01 w value sha sha1 sha256 hash context no new old from full long short 1 in for";
/// `user_id` and the like are somebody's and do not count as saying what follows.
const SOMEBODYS: &str =
    "session sess client customer account user secret access key private tax token device";

/// How far back a word may stand that says what a string is, in bytes.
const REACH: usize = 64;

fn lists(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|it| it == word)
}

/// The characters of a word: those of base64 in both its alphabets.
static WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'_' | b'-');
        byte += 1;
    }
    table
};

/// Adds the spans.
pub(super) fn find(text: &str, depth: u8, spans: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    // What other rules found is cut out first: a path is not random because of the token in it.
    let mut found: Vec<(usize, usize)> = spans.iter().map(|it| (it.start, it.end)).collect();
    found.sort_unstable();
    let mut found = found.into_iter().peekable();
    let mut at = 0;
    while at < bytes.len() {
        let length = run(&bytes[at..], |b| WORD[usize::from(b)]);
        // A short word is nothing to judge, nor what follows it.
        if length < 12 {
            at += length + 1;
            continue;
        }
        while found.next_if(|(_, end)| *end <= at).is_some() {}
        let mut end = at + length;
        match found.peek() {
            Some((start, covered)) if *start <= at => {
                at = *covered;
                continue;
            }
            Some((start, _)) => end = end.min(*start),
            None => {}
        }
        let length = end - at;
        let equals = run(&bytes[end..], |b| b == b'=').min(6);
        if length >= 12 {
            word(text, at, end, if length >= 16 { equals } else { 0 }, depth, spans);
        }
        at = end;
    }
    if depth > 0 {
        view::find(text, depth, spans);
    }
}

/// Judges one word of at least twelve characters.
fn word(text: &str, start: usize, end: usize, equals: usize, depth: u8, spans: &mut Vec<Span>) {
    let shown = &text[start..end];
    match unwrapped(shown) {
        Some(inside) if depth > 0 => {
            // Readable text in an encoding: secret when it holds a secret, or a user and a password.
            let pair = inside.split_once(':').is_some_and(|(user, password)| {
                !user.is_empty()
                    && user.len() < 64
                    && !user.contains(' ')
                    && !password.starts_with(['/', ' ', ':'])
                    && prose::is_odd(password.trim())
            });
            if pair
                || prose::is_odd(&inside) && !inside.contains(' ') && inside.len() < 40
                || !find_at(&inside, depth - 1).is_empty()
            {
                spans.push(Span { start, end: end + equals, kind: "base64" });
            }
            return;
        }
        _ => {}
    }
    let address = shown.starts_with("0x") && shown.len() <= 18;
    if shown.len() < 16 || address || !is_drawn(shown) || is_said(text, start, shown) {
        return;
    }
    let before = spans.len();
    random_parts(text, start, end + equals, spans);
    // A token has parts: what hangs on a random string by a dot is random as well.
    if spans.len() > before {
        let (from, to) = (spans[before].start, spans[spans.len() - 1].end);
        let wide = |range: &str| {
            range.len() >= 6
                && range.bytes().any(|b| b.is_ascii_digit())
                && range.bytes().any(|b| b.is_ascii_uppercase())
        };
        let bytes = text.as_bytes();
        if from == start && start > 1 && matches!(bytes[start - 1], b'.' | b':' | b'$') {
            let piece = bytes[..start - 1]
                .iter()
                .rev()
                .take(80)
                .take_while(|b| b.is_ascii_alphanumeric() || b"_-.".contains(b))
                .count();
            let piece = start - 1 - piece;
            if wide(&text[piece..start - 1]) && !text[piece..start - 1].contains("//") {
                spans.push(Span { start: piece, end: start, kind: "random" });
            }
        }
        if to == end + equals && bytes.get(to).is_some_and(|b| matches!(b, b'.' | b':' | b'$')) {
            let piece = run(&bytes[to + 1..], |b| b.is_ascii_alphanumeric() || b"_-.=".contains(&b)).min(200);
            if wide(&text[to + 1..to + 1 + piece]) {
                spans.push(Span { start: to, end: to + 1 + piece, kind: "random" });
            }
        }
    }
}

/// Whether some part of the word was drawn at random.
pub(super) fn is_drawn(word: &str) -> bool {
    is_random_whole(word) || word.split(['/', '-', '_', '=', '+']).any(|part| looks_random(part, 16))
}

/// The words before this place on its line, in lower case.
pub(super) fn context(text: &str, start: usize) -> Vec<String> {
    let from = super::named::floor(text, start.saturating_sub(REACH));
    let line = text[from..start].rsplit('\n').next().unwrap_or_default();
    names::words(line)
}

/// Whether the words before say that this is no secret.
fn is_said(text: &str, start: usize, shown: &str) -> bool {
    // The line between the parts of a message, and a name that a compiler made.
    if shown.starts_with("----") || shown.contains("FormBoundary") || shown.starts_with("_ZN") {
        return true;
    }
    let words = context(text, start);
    let mut place = words.len();
    for _ in 0..3 {
        let Some(last) = place.checked_sub(1).map(|it| words[it].as_str()) else { break };
        let before = place.checked_sub(2).map_or("", |it| words[it].as_str());
        if matches!(last, "id" | "ids") {
            return !lists(SOMEBODYS, before);
        }
        if lists(SAYS, last) {
            let somebodys = last == "hash" && lists("password passwd pw user", before);
            return !(somebodys || last == "ref" && before == "secret");
        }
        let hex = last.len() >= 8 && last.bytes().all(|b| b.is_ascii_hexdigit());
        if !lists(BETWEEN, last) && !hex {
            break;
        }
        place -= 1;
    }
    let digest =
        matches!(shown.len(), 32 | 40 | 56 | 64 | 96 | 128) && shown.bytes().all(|b| b.is_ascii_hexdigit());
    let sums =
        words.iter().any(|it| lists("sha sha1 sha256 sha512 md5 checksum digest sum sha256sum md5sum", it));
    if digest && sums && !words.iter().any(|it| names::is_secret(it)) {
        return true;
    }
    // `commit 2f6d… (HEAD -> main)`, `deployed to blue, now at …`: a full hash of Git in a line about Git.
    let git = shown.len() == 40 && shown.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let trace = ["Root=", "Self=", "Parent="].iter().any(|it| text[..start].ends_with(it));
    trace
        || is_ulid(shown)
        || git && words.iter().any(|it| lists("commit git deploy deployed deploys release released rev revision branch merge merged head refs tag build image checkout checked rollback rolled main master", it))
        || git && text[start + 40..].starts_with(" refs/")
        || is_public(text, start, shown)
}

/// A public key or a certificate says so before it, and PEM's label stands on a line of its own.
fn is_public(text: &str, start: usize, shown: &str) -> bool {
    if shown.starts_with("AAAAC3NzaC1")
        || shown.starts_with("AAAAB3NzaC1")
        || shown.starts_with("AAAAE2VjZHNh")
        || shown.starts_with("iVBORw0KGgo")
    {
        return true;
    }
    let from = super::named::floor(text, start.saturating_sub(8 * 1024));
    let before = &text[from..start];
    if text[..start].ends_with('\n') || text[..start].ends_with("\\n") || shown.starts_with("MII") {
        return before.rfind("-----BEGIN ").is_some_and(|at| {
            let label = &before[at..];
            (label.contains("BEGIN CERTIFICATE") || label.contains("BEGIN PUBLIC KEY"))
                && !label.contains("-----END ")
        });
    }
    let words = context(text, start);
    words.len() >= 2 && words[words.len() - 2..] == ["public", "key"]
}

/// A ULID: 26 characters of Crockford's alphabet, the first at most 7, no letter small.
fn is_ulid(word: &str) -> bool {
    word.len() >= 26
        && matches!(word.as_bytes()[0], b'0'..=b'7')
        && word[..26].bytes().all(|b| b.is_ascii_digit() || (b.is_ascii_uppercase() && !b"ILOU".contains(&b)))
        && (word.len() == 26 || word.as_bytes()[26] == b'-')
}

/// The readable text that this is base64, hexadecimal or base32 of. Twelve random bytes are all printable once in ten million times.
fn unwrapped(word: &str) -> Option<String> {
    const LOOSE: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let bytes = word.as_bytes();
    if bytes.iter().all(u8::is_ascii_hexdigit) && bytes.len().is_multiple_of(2) && bytes.len() >= 16 {
        let decoded = bytes
            .chunks(2)
            .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        if let Some(text) = readable(decoded, 8) {
            return Some(text);
        }
    }
    if bytes.len() >= 24
        && bytes.iter().all(|b| b.is_ascii_uppercase() || matches!(b, b'2'..=b'7'))
        && let Some(text) = readable(base32(bytes), 14)
    {
        return Some(text);
    }
    // Base64 of text has both cases or digits; a word of small letters is a word.
    if !bytes.iter().any(u8::is_ascii_uppercase) || !bytes.iter().any(u8::is_ascii_lowercase) {
        return None;
    }
    // Three bytes that are no text end the question early.
    let alphabet = if word.contains(['+', '/']) { STANDARD } else { URL_SAFE };
    let engine = GeneralPurpose::new(&alphabet, LOOSE);
    let head = engine.decode(&bytes[..12.min(bytes.len())]).ok()?;
    if !head.iter().all(|b| (0x20..0x7f).contains(b) || matches!(b, b'\n' | b'\r' | b'\t')) {
        return None;
    }
    let whole = bytes.len() - bytes.len() % 4;
    let whole = if bytes.len() % 4 == 1 { whole } else { bytes.len() };
    readable(engine.decode(&bytes[..whole]).ok()?, 9)
}

fn readable(bytes: Vec<u8>, least: usize) -> Option<String> {
    let text = bytes.len() >= least
        && bytes.iter().all(|b| (0x20..0x7f).contains(b) || matches!(b, b'\n' | b'\r' | b'\t'));
    text.then(|| String::from_utf8(bytes).ok()).flatten()
}

fn base32(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() * 5 / 8);
    let (mut held, mut bits) = (0_u32, 0);
    for byte in bytes {
        let value = if byte.is_ascii_uppercase() { byte - b'A' } else { byte - b'2' + 26 };
        held = (held << 5 | u32::from(value)) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            out.push((held >> bits & 0xff) as u8);
        }
    }
    out
}

/// Words of a path or a name are joined by `/`, `-` and `_`, which are letters of base64 as well: a string is judged whole
/// when it looks random whole, else by its parts.
fn random_parts(text: &str, offset: usize, end: usize, spans: &mut Vec<Span>) {
    let run = &text[offset..end];
    if is_random_whole(run) {
        spans.push(Span { start: offset, end: offset + run.len(), kind: kind_of(run) });
        return;
    }
    let dull = run
        .split(['/', '-', '_', '=', '+'])
        .filter(|part| !part.is_empty())
        .all(|part| !looks_random(part, 16));
    if dull {
        return;
    }
    if !run.contains('/') || run.contains(['+', '=']) {
        spans.push(Span { start: offset, end: offset + run.len(), kind: kind_of(run) });
        return;
    }
    // A path keeps its other segments.
    let mut at = offset;
    for part in run.split('/') {
        if part.split(['-', '_']).any(|word| looks_random(word, 16)) && !is_said(text, at, part) {
            spans.push(Span { start: at, end: at + part.len(), kind: kind_of(part) });
        }
        at += part.len() + 1;
    }
}

fn kind_of(run: &str) -> &'static str {
    if run.bytes().all(|b| b.is_ascii_hexdigit()) { "hex" } else { "random" }
}

/// Whether a string without separators is more likely drawn than written.
fn looks_random(part: &str, shortest: usize) -> bool {
    let bytes = part.as_bytes();
    if bytes.len() < shortest {
        return false;
    }
    let hex = bytes.iter().all(u8::is_ascii_hexdigit);
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    if digits == bytes.len() {
        return false;
    }
    if hex {
        // A word of sixteen letters a to f does not exist; shorter hexadecimal names things.
        return bytes.len() >= 24 && digits > 0;
    }
    // A capital that begins a word is no change.
    let changes = bytes
        .windows(2)
        .filter(|pair| class(pair[0]) != class(pair[1]) && !(class(pair[0]) == 1 && class(pair[1]) == 2))
        .count();
    let long = bytes.len() >= 32 && no_vowels_for_long(bytes);
    (changes * 5 >= bytes.len() && bytes.len() >= 20) || (changes * 4 >= bytes.len()) || long
}

fn class(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => 0,
        b'A'..=b'Z' => 1,
        _ => 2,
    }
}

/// Whether a long string is random across its separators, as base64 with `/` in it is. A path begins with one, and its words
/// are longer.
fn is_random_whole(run: &str) -> bool {
    let letters: Vec<u8> = run.bytes().filter(u8::is_ascii_alphanumeric).collect();
    let has = |wanted| letters.iter().any(|b| class(*b) == wanted);
    let changes = letters
        .windows(3)
        .filter(|three| {
            let [before, from, to] = [class(three[0]), class(three[1]), class(three[2])];
            from != to && !(from == 1 && to == 2 && before != 1)
        })
        .count();
    !run.starts_with('/')
        && letters.len() >= 32
        && has(0)
        && has(1)
        && has(2)
        && changes * 9 >= letters.len() * 2
}

/// A word in any language has a vowel at least every six letters or so.
fn no_vowels_for_long(bytes: &[u8]) -> bool {
    let vowels = bytes.iter().filter(|b| b"aeiouyAEIOUY".contains(b)).count();
    vowels * 5 < bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let mut spans = Vec::new();
        find(text, 2, &mut spans);
        let found: Vec<&str> = spans.iter().map(|span| &text[span.start..span.end]).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn random_strings_are_found() {
        check("x 9f8A7sd6Fg5hJ4kL3zX2 y", &["9f8A7sd6Fg5hJ4kL3zX2"]);
        check("k wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", &["wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"]);
        check("value 0123456789abcdef0123456789abcdef here", &["0123456789abcdef0123456789abcdef"]);
        check("b x7k2m9qp4w8z1n5v3c6b", &["x7k2m9qp4w8z1n5v3c6b"]);
    }

    #[test]
    fn names_and_paths_are_not() {
        for text in [
            "gateway-gives-up-before-backend",
            "HttpServerRequestTimeoutException",
            "api.eu-west-1.elasticbeanstalk.example.com",
            "/v1/reports/export/monthly/statements",
            "reports-api-7d9f8b6c5d-x2x4z",
            "gateway_shorter_than_backend",
            "2026-03-01T10:02:00Z",
            "pool_exhausted_after_release_2026_03",
            "payments-production-blue-2",
            "INTERNAL_SERVER_ERROR",
            "0b1c7a5e-9c5d-4a52-8d4e-0a1b2c3d4e5f",
            "--------------------------------",
            "upstream_connect_error_or_disconnect",
        ] {
            check(text, &[]);
        }
    }

    #[test]
    fn what_is_named_as_a_hash_or_a_trace_stays() {
        for text in [
            "trace 4bf92f3577b34da6a3ce929d0e0e4736",
            "trace_id=4bf92f3577b34da6a3ce929d0e0e4736",
            "\"traceId\": \"4bf92f3577b34da6a3ce929d0e0e4736\"",
            "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "commit 2f6dfe5a9c0b1d2e3f4a5b6c7d8e9f0a1b2c3d4e",
            "image reports@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "X-Amz-Cf-Id: 3dK9qLm0PzXs7vB2nYt8RwQe5uHgJc1a",
            "fingerprint_sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "serial 03a1b2c3d4e5f60718293a4b5c6d7e8f9001",
            "Root=1-67891233-abcdef012345678912345678",
        ] {
            check(text, &[]);
        }
        check("session_id abcdef0123456789abcdef0123", &["abcdef0123456789abcdef0123"]);
    }

    #[test]
    fn wrapped_secrets_are_found() {
        check("b64 cGFzc3dvcmQ9aHVudGVyMg==", &["cGFzc3dvcmQ9aHVudGVyMg=="]);
        check("next=https%3A%2F%2Fa.example%2F%3Ftoken%3Dhunter2x9", &["hunter2x9"]);
        check("q=caf%C3%A9%20au%20lait", &[]);
    }
}
