//! The scanner: where in a free text the secrets are.
//!
//! Every rule gives spans; spans that overlap become one, so that no end of a secret sticks out. What is already a shape
//! ([`shape::MARK`]) is never found again. The scanner errs towards hiding; what it must not hide (hosts, statuses, times, trace
//! ids, hashes behind a word that says what they hash) is in its tests.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::{encoded, named, personal};
use crate::evidence::shape;

/// A secret in a text: byte offsets and kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: &'static str,
}

/// Secrets that are known by their own look. Kind, pattern; group 1 is the secret where there is one.
const LOOKS: &[(&str, &str)] = &[
    (
        "private-key",
        r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)",
    ),
    ("private-key", r"AGE-SECRET-KEY-1[0-9A-Z]{20,}|PuTTY-User-Key-File-[0-9][^\n]*"),
    ("jwt", r"eyJ[A-Za-z0-9_=-]{6,}\.[A-Za-z0-9_=-]{2,}(?:\.[A-Za-z0-9_=-]*){0,3}"),
    ("url-credentials", r"(?i)[a-z][a-z0-9+.-]{1,20}://([^\s/?#\x22'<>@\[\]]*(?:@[^\s/?#\x22'<>@\[\]]*)*)@"),
    (
        "url-credentials",
        r"(?i)(?:postgres(?:ql)?|mysql|mariadb|mongodb(?:\+srv)?|rediss?|amqps?|sqlserver|clickhouse|nats|ldaps?|smtps?|ftps?|sftp)://([^\s\x22'<>@]+(?:@[^\s\x22'<>@]+)?)@[A-Za-z0-9\[]",
    ),
    (
        "basic-credentials",
        r"(?:^|\s)(?:-u|-U|--user|--proxy-user)(?:\s+|=)?['\x22]?([^\s'\x22:=-][^\s'\x22:]*:[^\s'\x22]+)",
    ),
    ("aws-key", r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA|AROA|AIDA|AGPA|ANPA)[A-Z2-7]{16}"),
    ("github-token", r"gh[pousr]_[A-Za-z0-9_.-]{16,}|github_pat_[A-Za-z0-9_]{20,}"),
    ("gitlab-token", r"gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat)-[A-Za-z0-9_.-]{16,}"),
    ("slack-token", r"xox[abeoprs]-[A-Za-z0-9-]{8,}|xapp-[0-9]-[A-Za-z0-9-]{8,}|xoxe\.[A-Za-z0-9.-]{8,}"),
    ("webhook", r"(?i)hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9/_-]{8,})"),
    ("webhook", r"(?i)discord(?:app)?\.com/api/(?:v[0-9]+/)?webhooks/([0-9]+/[A-Za-z0-9_-]{8,})"),
    ("webhook", r"(?i)webhook\.office\.com/webhookb2/([^\s\x22'<>]{8,})"),
    ("discord-token", r"[MNO][A-Za-z0-9_-]{22,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}"),
    ("stripe-key", r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{8,}|whsec_[A-Za-z0-9+/=_-]{12,}"),
    (
        "google-key",
        r"AIza[0-9A-Za-z_-]{30,}|ya29\.[0-9A-Za-z_.-]{10,}|GOCSPX-[0-9A-Za-z_-]{16,}|1//0[0-9A-Za-z_-]{20,}",
    ),
    (
        "ai-key",
        r"sk-(?:ant-|proj-|svcacct-|or-v1-)?[A-Za-z0-9_-]{16,}|gsk_[A-Za-z0-9]{20,}|hf_[A-Za-z0-9]{20,}|r8_[A-Za-z0-9]{20,}|pplx-[A-Za-z0-9]{20,}",
    ),
    ("sendgrid-key", r"SG\.[A-Za-z0-9_-]{12,}\.[A-Za-z0-9_-]{12,}"),
    ("twilio-key", r"\b(?:SK|AC)[0-9a-f]{32}\b"),
    (
        "package-token",
        r"npm_[A-Za-z0-9]{20,}|pypi-[A-Za-z0-9_-]{16,}|\bcio[A-Za-z0-9]{32}\b|dckr_pat_[A-Za-z0-9_-]{16,}|rubygems_[0-9a-f]{32,}|oy2[a-z0-9]{43}",
    ),
    (
        "cloud-token",
        r"do[opr]_v1_[a-f0-9]{32,}|hv[sbr]\.[A-Za-z0-9_-]{16,}|dapi[0-9a-f]{32}|\bsbp_[0-9a-f]{32,}|FlyV1 [A-Za-z0-9_,=/+-]{16,}|\bfo1_[A-Za-z0-9_-]{20,}|\brnd_[A-Za-z0-9]{20,}|\bpat[A-Za-z0-9]{14}\.[a-f0-9]{64}|v1\.0-[a-f0-9]{24}-[a-f0-9]{64,}",
    ),
    (
        "saas-token",
        r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{16,}|sq0[a-z]{3}-[A-Za-z0-9_-]{16,}|EAAA[A-Za-z0-9_-]{40,}|PMAK-[A-Za-z0-9-]{16,}|lin_api_[A-Za-z0-9]{16,}|ATATT3[A-Za-z0-9_=-]{16,}|ATCTT3[A-Za-z0-9_=-]{16,}|glsa_[A-Za-z0-9_]{16,}|glc_[A-Za-z0-9+/=]{16,}|NRAK-[A-Z0-9]{16,}|NRII-[A-Za-z0-9_-]{16,}|NRJS-[a-f0-9]{16,}|key-[0-9a-f]{32}|dp\.(?:pt|st|ct|sa)\.[A-Za-z0-9_.-]{16,}|secret_[A-Za-z0-9]{32,}|ntn_[A-Za-z0-9]{32,}|figd_[A-Za-z0-9_-]{16,}|phc_[A-Za-z0-9]{32,}|sntrys_[A-Za-z0-9+/=_]{16,}|sntryu_[a-f0-9]{32,}|xkeysib-[a-f0-9-]{32,}|tfp_[A-Za-z0-9_-]{20,}|bkua_[a-f0-9]{32,}",
    ),
    ("telegram-token", r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{30,}"),
];

static LOOK_PATTERNS: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    LOOKS.iter().map(|(kind, pattern)| (*kind, Regex::new(pattern).expect("a constant pattern"))).collect()
});

/// A cheap question first: most texts hold nothing of all this.
static ANY_LOOK: LazyLock<regex::RegexSet> = LazyLock::new(|| {
    regex::RegexSet::new(LOOKS.iter().map(|(_, pattern)| pattern)).expect("constant patterns")
});

/// What a shape is blotted out with before the rules look: no letter, no digit, no quote.
pub(super) const MASK: u8 = b'~';

/// How deep encodings are unpacked: a JWT in a URL in a URL.
const DEPTH: u8 = 2;

/// The secrets of a text: sorted, without overlap, none of them a shape already.
pub(super) fn find(text: &str) -> Vec<Span> {
    find_at(text, DEPTH)
}

/// As [`find`], unpacking encodings this much deeper.
pub(super) fn find_at(text: &str, depth: u8) -> Vec<Span> {
    let text = masked(text);
    let mut spans = Vec::new();
    for index in ANY_LOOK.matches(&text) {
        let (kind, pattern) = &LOOK_PATTERNS[index];
        for captures in pattern.captures_iter(&text) {
            if let Some(secret) = captures.get(1).or_else(|| captures.get(0)) {
                spans.push(Span { start: secret.start(), end: secret.end(), kind });
            }
        }
    }
    named::find(&text, &mut spans);
    personal::find(&text, &mut spans);
    encoded::find(&text, depth, &mut spans);
    // What our own layout puts between shapes is no secret: `[..]:[..]`, `a=[..]; b=[..]`.
    spans.retain(|span| {
        let found = &text[span.start..span.end];
        found.contains(char::is_alphanumeric) && !is_placeholder(found)
    });
    merged(spans, &text)
}

/// `<token>`: what our own commands say instead of a secret, and every manual.
fn is_placeholder(found: &str) -> bool {
    let name = found.trim().strip_prefix('<').and_then(|it| it.strip_suffix('>'));
    name.is_some_and(|name| {
        (2..=30).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'-' | b'_'))
    })
}

/// The text with each shape blotted out, at its length: nothing in a shape is looked at again.
fn masked(text: &str) -> Cow<'_, str> {
    let blot = |captures: &regex::Captures<'_>| {
        let inside = captures[0].len() - 2;
        format!("[{}]", char::from(MASK).to_string().repeat(inside))
    };
    shape::MARK.replace_all(text, blot)
}

/// Overlapping spans as one, each widened to the whole of a shape that it cuts.
fn merged(mut spans: Vec<Span>, masked: &str) -> Vec<Span> {
    let bytes = masked.as_bytes();
    for span in &mut spans {
        // Inside a blot on either side, or between its bracket and its first stroke.
        let cut = |at: usize| {
            at > 0
                && at < bytes.len()
                && (bytes[at] == MASK && matches!(bytes[at - 1], MASK | b'[')
                    || bytes[at] == b']' && bytes[at - 1] == MASK)
        };
        while cut(span.start) {
            span.start -= 1;
        }
        while cut(span.end) {
            span.end += 1;
        }
    }
    spans.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
    let mut out: Vec<Span> = Vec::new();
    for span in spans {
        match out.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => out.push(span),
        }
    }
    out
}
