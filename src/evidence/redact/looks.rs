//! Secrets that are known by their own look: the vendors' prefixes, private keys, JWTs, hashes of passwords.

use std::sync::LazyLock;

use regex::Regex;

use super::detect::Span;

/// What a secret is written in behind its prefix.
#[derive(Clone, Copy)]
enum Set {
    /// Capitals and digits.
    Upper,
    /// Hexadecimal digits.
    Hex,
    /// Letters, digits and `_`.
    Word,
    /// Letters, digits, `_`, `-` and `.`.
    Token,
    /// Letters, digits, and what any base64 and any token uses besides.
    Wide,
}

impl Set {
    fn has(self, byte: u8) -> bool {
        match self {
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Hex => byte.is_ascii_hexdigit(),
            Self::Word => byte.is_ascii_alphanumeric() || byte == b'_',
            Self::Token => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
            Self::Wide => {
                byte.is_ascii_alphanumeric()
                    || matches!(byte, b'_' | b'-' | b'.' | b'+' | b'/' | b'=' | b':' | b'$' | b',')
            }
        }
    }
}

/// Kind, prefix, how many at least of which characters follow. From the vendors' own pages on the formats of their keys.
const LOOKS: &[(&str, &str, usize, Set)] = {
    use Set::{Hex, Token, Upper, Wide, Word};
    &[
        ("aws-key", "AKIA", 12, Upper),
        ("aws-key", "ASIA", 12, Upper),
        ("aws-key", "ABIA", 12, Upper),
        ("aws-key", "ACCA", 12, Upper),
        ("aws-key", "AROA", 12, Upper),
        ("aws-key", "AIDA", 12, Upper),
        ("aws-key", "AGPA", 12, Upper),
        ("aws-key", "ANPA", 12, Upper),
        ("aws-key", "A3T", 17, Upper),
        ("aws-key", "ABSK", 40, Wide),
        ("github-token", "ghp_", 16, Token),
        ("github-token", "gho_", 16, Token),
        ("github-token", "ghu_", 16, Token),
        ("github-token", "ghs_", 16, Token),
        ("github-token", "ghr_", 16, Token),
        ("github-token", "github_pat_", 20, Word),
        ("gitlab-token", "gl", 20, Token),
        ("slack-token", "xox", 12, Token),
        ("slack-token", "xapp-", 12, Token),
        ("stripe-key", "sk_live_", 8, Word),
        ("stripe-key", "sk_test_", 8, Word),
        ("stripe-key", "rk_live_", 8, Word),
        ("stripe-key", "rk_test_", 8, Word),
        ("stripe-key", "pk_live_", 8, Word),
        ("stripe-key", "pk_test_", 8, Word),
        ("stripe-key", "whsec_", 12, Wide),
        ("google-key", "AIza", 30, Token),
        ("google-key", "ya29.", 10, Token),
        ("google-key", "GOCSPX-", 16, Token),
        ("google-key", "1//0", 20, Token),
        ("google-key", "AAAA", 60, Wide),
        ("ai-key", "sk-", 16, Token),
        ("ai-key", "gsk_", 20, Word),
        ("ai-key", "hf_", 20, Word),
        ("ai-key", "r8_", 20, Word),
        ("ai-key", "pplx-", 20, Word),
        ("ai-key", "xai-", 20, Token),
        ("sendgrid-key", "SG.", 24, Token),
        ("twilio-key", "SK", 32, Hex),
        ("twilio-key", "AC", 32, Hex),
        ("package-token", "npm_", 20, Word),
        ("package-token", "pypi-", 16, Token),
        ("package-token", "cio", 32, Word),
        ("package-token", "dckr_", 16, Token),
        ("package-token", "rubygems_", 32, Hex),
        ("package-token", "oy2", 43, Word),
        ("cloud-token", "dop_v1_", 32, Hex),
        ("cloud-token", "doo_v1_", 32, Hex),
        ("cloud-token", "dor_v1_", 32, Hex),
        ("cloud-token", "hvs.", 16, Token),
        ("cloud-token", "hvb.", 16, Token),
        ("cloud-token", "hvr.", 16, Token),
        ("cloud-token", "dapi", 32, Hex),
        ("cloud-token", "sbp_", 32, Hex),
        ("cloud-token", "fm1", 16, Wide),
        ("cloud-token", "fm2", 16, Wide),
        ("cloud-token", "fo1_", 20, Token),
        ("cloud-token", "rnd_", 20, Word),
        ("cloud-token", "AVNS_", 10, Token),
        ("cloud-token", "tskey-", 12, Token),
        ("cloud-token", "pscale_", 16, Token),
        ("cloud-token", "dp.", 30, Token),
        ("saas-token", "shp", 30, Word),
        ("saas-token", "sq0", 20, Token),
        ("saas-token", "EAAA", 30, Token),
        ("saas-token", "EAAC", 30, Token),
        ("saas-token", "PMAK-", 16, Token),
        ("saas-token", "pat-", 30, Token),
        ("saas-token", "lin_", 16, Word),
        ("saas-token", "ATATT3", 16, Wide),
        ("saas-token", "ATCTT3", 16, Wide),
        ("saas-token", "ATBB", 20, Word),
        ("saas-token", "glsa_", 16, Word),
        ("saas-token", "glc_", 16, Wide),
        ("saas-token", "NRAK-", 16, Token),
        ("saas-token", "NRII-", 16, Token),
        ("saas-token", "NRJS-", 16, Token),
        ("saas-token", "NRAL", 16, Token),
        ("saas-token", "key-", 32, Hex),
        ("saas-token", "secret_", 20, Word),
        ("saas-token", "ntn_", 20, Word),
        ("saas-token", "figd_", 16, Token),
        ("saas-token", "phc_", 32, Word),
        ("saas-token", "phx_", 32, Word),
        ("saas-token", "sntr", 24, Wide),
        ("saas-token", "xkeysib-", 32, Token),
        ("saas-token", "tfp_", 20, Token),
        ("saas-token", "bkua_", 32, Hex),
        ("saas-token", "access_token$", 16, Wide),
        ("saas-token", "APA91b", 30, Token),
        ("saas-token", "0/", 32, Hex),
        ("private-key", "AGE-SECRET-KEY-", 20, Upper),
        ("paseto", "v1.local.", 16, Token),
        ("paseto", "v2.local.", 16, Token),
        ("paseto", "v3.local.", 16, Token),
        ("paseto", "v4.local.", 16, Token),
        ("paseto", "v1.public.", 16, Token),
        ("paseto", "v2.public.", 16, Token),
        ("paseto", "v3.public.", 16, Token),
        ("paseto", "v4.public.", 16, Token),
        ("compressed", "H4sIA", 12, Wide),
        ("aws-token", "IQoJb3JpZ2lu", 20, Wide),
        ("aws-token", "FwoGZXIvYXdz", 20, Wide),
        ("password-hash", "$1$", 16, Wide),
        ("password-hash", "$2a$", 20, Wide),
        ("password-hash", "$2b$", 20, Wide),
        ("password-hash", "$2y$", 20, Wide),
        ("password-hash", "$5$", 16, Wide),
        ("password-hash", "$6$", 16, Wide),
        ("password-hash", "$7$", 16, Wide),
        ("password-hash", "$y$", 16, Wide),
        ("password-hash", "$apr1$", 16, Wide),
        ("password-hash", "$argon2", 16, Wide),
        ("password-hash", "$pbkdf2", 16, Wide),
        ("password-hash", "$scrypt$", 16, Wide),
        ("password-hash", "pbkdf2_sha", 16, Wide),
        ("password-hash", "SSHA}", 16, Wide),
        ("password-hash", "SHA}", 16, Wide),
    ]
};

/// Where a token of this kind stands in a URL. Kind, what comes before it, how many characters at least.
const ADDRESSES: &[(&str, &str, usize)] = &[
    ("webhook", "hooks.slack.com/services/", 8),
    ("webhook", "hooks.slack.com/workflows/", 8),
    ("webhook", "hooks.slack.com/triggers/", 8),
    ("webhook", "webhook.office.com/webhookb2/", 8),
    ("webhook", "/webhooks/", 16),
    ("webhook", "/interactions/", 30),
    ("webhook", "hooks.zapier.com/hooks/catch/", 8),
    ("telegram-token", "api.telegram.org/bot", 20),
];

/// All that stands before them, in one search.
static PLACES: LazyLock<Regex> = LazyLock::new(|| any_of(ADDRESSES.iter().map(|(_, before, _)| *before)));

/// A search for any of these texts, which the engine looks for all at once.
pub(super) fn any_of<'a>(texts: impl Iterator<Item = &'a str>) -> Regex {
    let alternatives: Vec<String> = texts.map(regex::escape).collect();
    Regex::new(&alternatives.join("|")).expect("escaped texts are a pattern")
}

/// For each first byte, the prefixes that begin with it.
static FIRST: LazyLock<Vec<Vec<usize>>> = LazyLock::new(|| {
    let mut table = vec![Vec::new(); 256];
    for (place, (_, prefix, _, _)) in LOOKS.iter().enumerate() {
        table[usize::from(prefix.as_bytes()[0])].push(place);
    }
    table
});

/// A set of pairs of bytes: asked at every place of a text, it says no nearly always.
pub(super) struct Pairs([u64; 1024]);

impl Pairs {
    pub(super) const fn none() -> Self {
        Self([0; 1024])
    }

    pub(super) const fn add(&mut self, first: u8, second: u8) {
        let pair = (first as usize) << 8 | second as usize;
        self.0[pair >> 6] |= 1 << (pair & 63);
    }

    pub(super) const fn has(&self, first: u8, second: u8) -> bool {
        let pair = (first as usize) << 8 | second as usize;
        self.0[pair >> 6] >> (pair & 63) & 1 == 1
    }
}

/// Which two bytes begin something that [`look_at`] knows.
static BEGINS: Pairs = {
    let mut pairs = Pairs::none();
    let mut at = 0;
    while at < LOOKS.len() {
        let prefix = LOOKS[at].1.as_bytes();
        pairs.add(prefix[0], prefix[1]);
        at += 1;
    }
    pairs.add(b'e', b'y');
    let mut second = 0;
    while second < 128_u8 {
        if second.is_ascii_alphanumeric() {
            pairs.add(b'M', second);
            pairs.add(b'N', second);
            pairs.add(b'O', second);
        }
        if second.is_ascii_digit() {
            let mut first = b'0';
            while first <= b'9' {
                pairs.add(first, second);
                first += 1;
            }
        }
        second += 1;
    }
    pairs
};

/// Adds the spans.
pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let first = &*FIRST;
    let mut at = 0;
    while let Some(next) = bytes[at..].windows(2).position(|two| BEGINS.has(two[0], two[1])) {
        at += next;
        if begins(bytes, at) {
            let end = look_at(bytes, at, &first[usize::from(bytes[at])], spans);
            at = end.max(at + 1);
        } else {
            at += 1;
        }
    }
    private_keys(text, spans);
    for found in PLACES.find_iter(text) {
        let Some((kind, _, least)) = ADDRESSES.iter().find(|(_, before, _)| *before == found.as_str()) else {
            continue;
        };
        let start = found.end();
        let mut end = start + run(&bytes[start..], |b| Set::Token.has(b) || b":/".contains(&b));
        // `…/bot<token>/sendMessage`, `…/<id>/<token>/callback`: the last word is the method's.
        if let Some((head, last)) = text[start..end].rsplit_once('/')
            && last.len() < 20
            && last.starts_with(|c: char| c.is_ascii_lowercase())
            && last.bytes().all(|b| b.is_ascii_alphabetic())
        {
            end = start + head.len();
        }
        // The number of a channel says where; the rest is the secret.
        let number = run(&bytes[start..end], |b| b.is_ascii_digit());
        let number = if number >= 15 { number } else { 0 };
        let from =
            if number > 0 && bytes.get(start + number) == Some(&b'/') { start + number + 1 } else { start };
        if end - start >= *least {
            spans.push(Span { start: from, end, kind });
        }
    }
}

/// Whether a word may begin here: also behind `\n` and `%3D`.
fn begins(bytes: &[u8], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).map(|it| bytes[it]) else { return true };
    if !before.is_ascii_alphanumeric() {
        return true;
    }
    (matches!(before, b'n' | b'r' | b't') && at >= 2 && bytes[at - 2] == b'\\')
        || (at >= 3
            && bytes[at - 3] == b'%'
            && before.is_ascii_hexdigit()
            && bytes[at - 2].is_ascii_hexdigit())
}

/// Tries the prefixes; gives where the secret ends, or 0.
fn look_at(bytes: &[u8], at: usize, prefixes: &[usize], spans: &mut Vec<Span>) -> usize {
    for place in prefixes {
        let (kind, prefix, least, set) = LOOKS[*place];
        if !bytes[at..].starts_with(prefix.as_bytes()) {
            continue;
        }
        let start = at + prefix.len();
        let mut end = start + run(&bytes[start..], |b| set.has(b));
        while end > start && matches!(bytes[end - 1], b'.' | b',' | b':' | b'-') {
            end -= 1;
        }
        let body = &bytes[start..end];
        let told = match prefix {
            "gl" => [
                &b"pat-"[..],
                b"rt-",
                b"cbt-",
                b"dt-",
                b"ptt-",
                b"ft-",
                b"imt-",
                b"agent-",
                b"soat-",
                b"ffct-",
                b"oas-",
            ]
            .iter()
            .any(|it| body.starts_with(it)),
            "shp" => body.get(2) == Some(&b'_') || body.get(3) == Some(&b'_'),
            "AAAA" => body.contains(&b':'),
            // `sk-`, `AC` and the like begin words as well.
            "sk-" | "pat-" | "SK" | "AC" | "cio" | "oy2" | "secret_" | "A3T" => {
                body.iter().any(u8::is_ascii_digit)
            }
            _ => true,
        };
        if told && body.len() >= least {
            spans.push(Span { start: at, end, kind });
            return end;
        }
    }
    if bytes[at] == b'e' && bytes[at..].starts_with(b"eyJ") {
        let end = at + run(&bytes[at..], |b| Set::Token.has(b) || b == b'=');
        let dotted = bytes[at..end].contains(&b'.');
        if dotted && end - at >= 14 || end - at >= 24 {
            spans.push(Span { start: at, end, kind: "jwt" });
            return end;
        }
    }
    if matches!(bytes[at], b'M' | b'N' | b'O') || bytes[at].is_ascii_digit() {
        return shaped(bytes, at, spans);
    }
    0
}

/// Discord's and Telegram's tokens, which have no prefix but a form.
fn shaped(bytes: &[u8], at: usize, spans: &mut Vec<Span>) -> usize {
    let word = |from: usize| {
        run(&bytes[from.min(bytes.len())..], |b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
    };
    let id = word(at);
    if (22..=32).contains(&id) && bytes.get(at + id) == Some(&b'.') {
        let time = word(at + id + 1);
        let mac = word(at + id + time + 2);
        if (5..=8).contains(&time) && bytes.get(at + id + 1 + time) == Some(&b'.') && mac >= 25 {
            let end = at + id + time + mac + 2;
            spans.push(Span { start: at, end, kind: "discord-token" });
            return end;
        }
    }
    let digits = run(&bytes[at..], |b| b.is_ascii_digit());
    if (8..=11).contains(&digits) && bytes[at + digits..].starts_with(b":AA") {
        let end = at + digits + 1 + word(at + digits + 1);
        if end - at >= 35 {
            spans.push(Span { start: at, end, kind: "telegram-token" });
            return end;
        }
    }
    0
}

/// PEM, OpenSSH, PGP and PuTTY keys, with an end or without.
fn private_keys(text: &str, spans: &mut Vec<Span>) {
    let mut covered = 0;
    for (start, _) in text.match_indices("-----BEGIN ") {
        if start < covered {
            continue;
        }
        let label = &text[start + 11..];
        let Some(close) = label.find("-----").filter(|at| *at < 60) else { continue };
        if !label[..close].contains("PRIVATE KEY") {
            continue;
        }
        let body = start + 11 + close + 5;
        // Nothing in a key is five dashes: what they begin is its end, or something else.
        let limit = super::named::floor(text, (body + KEY).min(text.len()));
        let dashes = text[body..limit].find("-----").map(|at| body + at);
        let end = match dashes.filter(|at| text[*at..].starts_with("-----END ")) {
            Some(at) => {
                let end = at + 9;
                text[end..].find("-----").filter(|at| *at < 60).map_or(end, |at| end + at + 5)
            }
            None => cut_key(text, body),
        };
        spans.push(Span { start, end, kind: "private-key" });
        covered = end;
    }
    for (start, _) in text.match_indices("Private-Lines:") {
        if start < covered {
            continue;
        }
        let end = text[start..].find("Private-MAC:").map_or(text.len(), |at| {
            text[start + at..].find('\n').map_or(text.len(), |line| start + at + line)
        });
        spans.push(Span { start, end, kind: "private-key" });
        covered = end;
    }
}

/// The longest private key in PEM, in bytes: RSA of 16,384 bits has 13 KiB.
const KEY: usize = 32 * 1024;

/// Where a key without its end was cut off: it goes on for as long as its lines look like one, with what a log puts before them.
fn cut_key(text: &str, body: usize) -> usize {
    let mut end = body;
    let mut full = true;
    let mut at = body;
    while at < text.len() && at - body < KEY {
        let line = text[at..].split('\n').next().unwrap_or_default();
        let line = &line[..super::named::floor(line, line.len().min(KEY))];
        // Line ends of a text in a text.
        for piece in line.split_inclusive("\\n") {
            let bare = piece.trim_end_matches("\\n").trim_end_matches("\\r").trim_end();
            let bare = bare.trim_end_matches(['"', '\'', ',', '\\']);
            let word = bare.rsplit([' ', '\t', '"', '\'']).next().unwrap_or_default();
            let is_key = word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='));
            let is_head = ["Proc-Type:", "DEK-Info:", "Comment:", "Version:", "Hash:"]
                .iter()
                .any(|it| bare.contains(it));
            let alone = bare.trim_start().len() == word.len();
            // The last line of a key is short, and stands alone.
            let fits = bare.trim().is_empty() || is_head || is_key && (word.len() >= 40 || alone && full);
            if !fits {
                return end;
            }
            full = word.len() >= 40 || is_head || bare.trim().is_empty();
            if !bare.trim().is_empty() {
                end = at + bare.len();
            }
            at += piece.len();
        }
        at += 1;
    }
    end
}

/// How many bytes at the beginning are of this kind.
pub(super) fn run(bytes: &[u8], test: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|b| !test(*b)).unwrap_or(bytes.len())
}
