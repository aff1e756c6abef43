//! Credentials before the host of a URL. The path and the query are for the other rules.

use super::detect::Span;

/// How far a user and a password may go, in bytes.
const LONGEST: usize = 512;

/// Schemes whose passwords are pasted as they are, slashes and all.
const RAW: [&str; 22] = [
    "postgres",
    "postgresql",
    "mysql",
    "mariadb",
    "mongodb",
    "srv",
    "redis",
    "rediss",
    "amqp",
    "amqps",
    "sqlserver",
    "clickhouse",
    "nats",
    "ldap",
    "ldaps",
    "smtp",
    "smtps",
    "ftp",
    "ftps",
    "sftp",
    "mqtt",
    "kafka",
];

/// Adds the spans; gives where the `@` before a host stands: the word before such a one is no e-mail's.
pub(super) fn find(text: &str, spans: &mut Vec<Span>) -> Vec<usize> {
    let bytes = text.as_bytes();
    let mut hosts = Vec::new();
    for (place, _) in text.match_indices("//") {
        let start = place + 2;
        let scheme_end = if place > 0 && bytes[place - 1] == b':' { place - 1 } else { place };
        let mut scheme_start = scheme_end;
        while scheme_start > 0
            && bytes[scheme_start - 1].is_ascii_alphanumeric()
            && scheme_end - scheme_start < 20
        {
            scheme_start -= 1;
        }
        let scheme = text[scheme_start..scheme_end].to_ascii_lowercase();
        if scheme.is_empty()
            && place > 0
            && !bytes[place - 1].is_ascii_whitespace()
            && bytes[place - 1] != b'"'
        {
            continue;
        }
        let raw = RAW.contains(&scheme.as_str());
        let mut at = None;
        for (length, byte) in bytes[start..].iter().take(LONGEST).enumerate() {
            match byte {
                b'@' => at = Some(start + length),
                b'"' | b'\'' | b'<' | b'>' | b'`' | b' ' | b'\n' | b'\r' | b'\t' | b'?' | b'#' => break,
                b'/' if !raw => break,
                _ => {}
            }
        }
        let Some(at) = at else { continue };
        if raw && !is_host(&bytes[at + 1..bytes.len().min(at + 256)]) {
            continue;
        }
        hosts.push(at);
        if at > start && bytes.get(at + 1).is_some_and(|b| b.is_ascii_alphanumeric() || b"[(/".contains(b)) {
            spans.push(Span { start, end: at, kind: "url-credentials" });
        }
    }
    // `thin:scott/tiger@//host`: Oracle puts them before the slashes.
    for (place, _) in text.match_indices("@//") {
        let least = place.saturating_sub(LONGEST);
        let from = bytes[least..place]
            .iter()
            .rposition(|b| b.is_ascii_whitespace() || b"\"':=".contains(b))
            .map_or(least, |it| least + it + 1);
        if text.is_char_boundary(from) && text[from..place].contains('/') {
            spans.push(Span { start: from, end: place, kind: "url-credentials" });
        }
    }
    hosts.sort_unstable();
    hosts
}

/// Whether a host begins here.
fn is_host(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|b| b.is_ascii_alphanumeric() || b"[(/".contains(b))
}
