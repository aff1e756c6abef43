//! What a caller presents: a bare token, a scheme and a token, or header lines; and the JSON Web Token in it.
//!
//! Decodes without trusting: nothing here verifies. What it says about a text never quotes the text.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::Finding;
use crate::outcome::Outcome;
use crate::request::{FailingRequest, Form};

/// The longest token that is looked at, in bytes. Servers refuse headers beyond 8 to 64 KiB.
const MAX_BYTES: usize = 64 * 1024;

/// Schemes by which a word before the token is recognised (IANA's registry, and two that APIs use beside it).
const SCHEMES: [&str; 9] =
    ["bearer", "basic", "digest", "dpop", "hoba", "mutual", "negotiate", "token", "apikey"];

/// What was presented, and what is wrong with how.
#[derive(Debug, Default)]
pub(super) struct Presented {
    /// The scheme before the token.
    pub(super) scheme: Option<String>,
    /// The token, when it is a JSON Web Token that can be decoded.
    pub(super) jwt: Option<Jwt>,
    /// Why a well-formed token cannot be looked into.
    pub(super) unreadable: Option<String>,
    /// Whether what was presented is well formed and says nothing by itself: user and password, an API key.
    pub(super) is_opaque: bool,
    /// What is wrong with the form.
    pub(super) findings: Vec<Finding>,
}

impl Presented {
    /// Takes apart what a caller presents to an API that wants this scheme.
    ///
    /// `expects_claims` tells whether anything was said of the token's claims or key, so that it must be one that has them.
    pub(super) fn read(input: &str, wanted: &str, expects_claims: bool) -> Self {
        let mut presented = Self::default();
        let from_request = authorization_of_request(input);
        let value = match &from_request {
            Carried::Lines(lines) => presented.header_value(lines.trim()),
            Carried::Nothing => {
                presented.found(Outcome::Missing, "no_header", "The request has no Authorization header.");
                None
            }
            Carried::NoRequest => presented.header_value(input.trim()),
        };
        let Some((value, in_header)) = value else { return presented };
        let Some(token) = presented.without_scheme(value, wanted, in_header) else { return presented };
        let has_scheme = presented.scheme.is_some();
        if has_scheme && wanted.eq_ignore_ascii_case("basic") {
            presented.basic(token);
        } else if has_scheme && !carries_jwt(wanted) && token.split('.').count() != 3 {
            presented.is_opaque = true;
        } else if !expects_claims && is_opaque(token) {
            presented.unreadable = Some(
                "The token is opaque (no JSON Web Token): only its issuer can tell what it is good for."
                    .to_owned(),
            );
        } else {
            presented.decode(token);
        }
        presented
    }

    /// User and password (RFC 7617 §2): base64 of both with a colon between them.
    fn basic(&mut self, token: &str) {
        use base64::engine::general_purpose::STANDARD;
        let bare = token.trim_matches(['"', '\'', '`', '<', '>']);
        if bare.len() != token.len() {
            self.found(Outcome::Malformed, "quoted", "There are quotes or brackets around the credentials.");
        }
        match STANDARD.decode(bare) {
            Err(_) => {
                self.found(Outcome::Malformed, "encoding", "The credentials are no base64 (RFC 7617 §2).");
            }
            Ok(bytes) if !bytes.contains(&b':') => {
                self.found(
                    Outcome::Malformed,
                    "no_colon",
                    "The credentials hold no colon between user and password.",
                );
            }
            Ok(bytes) if bytes.starts_with(b":") => {
                self.found(Outcome::Malformed, "no_user", "The credentials have no user before the colon.");
            }
            Ok(_) => self.is_opaque = true,
        }
    }

    fn found(&mut self, outcome: Outcome, diagnosis: &'static str, says: impl Into<String>) {
        self.findings.push(Finding::new(outcome, diagnosis, says));
    }

    /// The value of the authorisation header, and whether there was a header around it.
    fn header_value<'a>(&mut self, text: &'a str) -> Option<(&'a str, bool)> {
        if text.is_empty() {
            self.found(Outcome::Missing, "empty", "There is no token: nothing was sent.");
            return None;
        }
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let fields: Vec<Option<(&str, &str)>> = lines.iter().map(|line| header_line(line)).collect();
        let authorizations: Vec<&str> = fields
            .iter()
            .flatten()
            .filter(|(name, _)| is_authorization(name))
            .map(|(_, value)| *value)
            .collect();
        match (authorizations.as_slice(), fields.as_slice()) {
            ([value], _) => Some((value, true)),
            ([first, ..], _) => {
                self.found(
                    Outcome::Malformed,
                    "several_headers",
                    "There is more than one Authorization header.",
                );
                Some((first, true))
            }
            ([], [Some((_, value))]) => {
                // Another header (`X-Api-Key: …`) carries the bare token.
                if value.is_empty() {
                    self.found(Outcome::Missing, "empty_header", "The header is there and has no value.");
                    return None;
                }
                Some((value, false))
            }
            ([], fields) if fields.iter().all(Option::is_some) => {
                let says = format!("There is no Authorization header among the {} headers.", fields.len());
                self.found(Outcome::Missing, "no_header", says);
                None
            }
            ([], _) => Some((text, false)),
        }
    }

    /// The token behind its scheme.
    fn without_scheme<'a>(&mut self, value: &'a str, wanted: &str, in_header: bool) -> Option<&'a str> {
        let known = |word: &str| {
            word.eq_ignore_ascii_case(wanted) || SCHEMES.iter().any(|it| word.eq_ignore_ascii_case(it))
        };
        let Some((word, rest)) = value.split_once(char::is_whitespace) else {
            let word = value.trim_end_matches(':');
            if word.is_empty() || known(word) {
                self.scheme = Some(word.to_owned()).filter(|it| !it.is_empty());
                self.found(Outcome::Missing, "empty_header", "There is a scheme and no token behind it.");
                return None;
            }
            if in_header {
                let says = format!("The Authorization header has no scheme; the API wants `{wanted}`.");
                self.found(Outcome::WrongScheme, "no_scheme", says);
            }
            return Some(value);
        };
        let rest = rest.trim_start();
        let (bare, colon) = (word.trim_end_matches(':'), word.ends_with(':'));
        // A short word before something of three parts (`JWT eyJ….….…`) is a scheme too, also without a header around it.
        let stands_before = in_header || rest.starts_with("eyJ") && rest.split('.').count() == 3;
        let is_scheme = known(bare)
            || stands_before && bare.len() <= 20 && bare.bytes().all(|b| b.is_ascii_alphanumeric());
        if !is_scheme {
            return Some(value);
        }
        // A word nobody knows may be the secret itself.
        let may_be_shown = known(bare) || bare.len() <= 10 && bare.bytes().all(|b| b.is_ascii_alphabetic());
        self.scheme = may_be_shown.then(|| bare.to_owned());
        if !bare.eq_ignore_ascii_case(wanted) {
            let named = if may_be_shown { format!("is `{bare}`") } else { "is unknown".to_owned() };
            let says = format!("The scheme {named}; the API wants `{wanted}`.");
            self.found(Outcome::WrongScheme, "other_scheme", says);
            // What follows another scheme need not be a JSON Web Token.
            return (rest.split('.').count() == 3).then_some(rest);
        }
        if colon {
            self.found(
                Outcome::WrongScheme,
                "colon_after_scheme",
                format!("There is a colon behind `{bare}`."),
            );
        }
        match rest.split_once(char::is_whitespace) {
            Some((again, token)) if again.eq_ignore_ascii_case(wanted) => {
                self.found(Outcome::Malformed, "doubled_scheme", format!("`{bare}` stands there twice."));
                Some(token.trim_start())
            }
            _ => Some(rest),
        }
    }

    fn decode(&mut self, token: &str) {
        let bare = token.trim_matches(['"', '\'', '`', '<', '>']);
        if bare.len() != token.len() {
            self.found(Outcome::Malformed, "quoted", "There are quotes or brackets around the token.");
        }
        match Jwt::decode(bare) {
            Ok(jwt) => self.jwt = Some(jwt),
            Err(Undecoded::Encrypted) => {
                self.unreadable = Some(
                    "The token is encrypted (RFC 7516); only its recipient can look into it.".to_owned(),
                );
            }
            Err(Undecoded::Malformed { diagnosis, says }) => self.found(Outcome::Malformed, diagnosis, says),
        }
    }
}

/// The authorisation that a whole request carries.
enum Carried {
    /// As header lines, or the bare token.
    Lines(String),
    /// It carries none.
    Nothing,
    /// The text is no request.
    NoRequest,
}

fn authorization_of_request(input: &str) -> Carried {
    let text = input.trim();
    let first = text.lines().next().unwrap_or_default();
    let is_request =
        text.starts_with("curl ") || text.starts_with('{') || first.trim_end().contains(" HTTP/");
    let request = FailingRequest::parse(text).ok().filter(|it| is_request && it.form != Form::Line);
    let Some(request) = request else { return Carried::NoRequest };
    let lines: Vec<String> = request
        .headers
        .iter()
        .filter(|(name, _)| is_authorization(name))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    if !lines.is_empty() {
        return Carried::Lines(lines.join("\n"));
    }
    // RFC 6750 §2.3: discouraged, and still met.
    let in_query = request.query.iter().find(|(name, _)| name == "access_token");
    in_query.map_or(Carried::Nothing, |(_, value)| Carried::Lines(value.clone()))
}

/// Whether tokens of this scheme are usually JSON Web Tokens.
fn carries_jwt(scheme: &str) -> bool {
    ["bearer", "dpop", "jwt"].iter().any(|it| scheme.eq_ignore_ascii_case(it))
}

/// A random string of letters and digits, as issuers of opaque tokens make them (`gho_…`, Google's `ya29.…` with dots in
/// it); a piece of a JSON Web Token (`eyJ…`) is none.
fn is_opaque(token: &str) -> bool {
    let is_token = token.bytes().all(|it| it.is_ascii_alphanumeric() || b"-._~+/=".contains(&it));
    let has = |kind: fn(&u8) -> bool| token.bytes().any(|it| kind(&it));
    is_token
        && token.len() >= 16
        && !token.split('.').any(|part| part.is_empty() || part.starts_with("eyJ"))
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
}

fn is_authorization(name: &str) -> bool {
    name.eq_ignore_ascii_case("authorization") || name.eq_ignore_ascii_case("proxy-authorization")
}

/// `Name: value`. A scheme with a colon behind it is none.
fn header_line(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let is_name =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let is_scheme =
        SCHEMES.iter().any(|it| name.eq_ignore_ascii_case(it)) && !name.eq_ignore_ascii_case("apikey");
    let good =
        is_name && !is_scheme && (is_authorization(name) || value.is_empty() || value.starts_with(' '));
    if good { Some((name, value.trim())) } else { None }
}

/// A decoded and untrusted JSON Web Token (RFC 7519) in its compact form.
#[derive(Debug)]
pub(super) struct Jwt {
    /// Its header.
    pub(super) header: Map<String, Value>,
    /// Its claims.
    pub(super) claims: Map<String, Value>,
    /// The header's `alg`.
    pub(super) alg: String,
    /// What is signed: header and claims as written.
    pub(super) signed: String,
    /// The signature as written.
    pub(super) signature: String,
}

/// Why a token could not be decoded.
enum Undecoded {
    Encrypted,
    Malformed { diagnosis: &'static str, says: String },
}

fn malformed(diagnosis: &'static str, says: impl Into<String>) -> Undecoded {
    Undecoded::Malformed { diagnosis, says: says.into() }
}

impl Jwt {
    fn decode(token: &str) -> Result<Self, Undecoded> {
        if token.len() > MAX_BYTES {
            return Err(malformed(
                "too_long",
                format!("The token has {} bytes; servers refuse such headers.", token.len()),
            ));
        }
        if token.contains(char::is_whitespace) {
            return Err(malformed("whitespace_inside", "There are blanks or line ends inside the token."));
        }
        let parts: Vec<&str> = token.split('.').collect();
        let (header, claims, signature) = match parts.as_slice() {
            [header, claims, signature] => (*header, *claims, *signature),
            // Five parts are an encrypted token (RFC 7516 §7.1).
            [header, ..]
                if parts.len() == 5 && object(header, "header").is_ok_and(|it| it.contains_key("enc")) =>
            {
                return Err(Undecoded::Encrypted);
            }
            [_] => {
                return Err(malformed(
                    "not_a_jwt",
                    "The token is no JSON Web Token: it has one part instead of three (cut off, or opaque).",
                ));
            }
            parts => {
                let says =
                    format!("The token is no JSON Web Token: it has {} parts instead of three.", parts.len());
                return Err(malformed("wrong_number_of_parts", says));
            }
        };
        let signed = format!("{header}.{claims}");
        let (header, claims) = (object(header, "header")?, object(claims, "claims")?);
        let Some(alg) = header.get("alg").and_then(Value::as_str).map(str::to_owned) else {
            return Err(malformed("no_alg", "The token's header names no `alg`."));
        };
        for name in ["exp", "nbf", "iat"] {
            if claims.get(name).is_some_and(|value| !value.is_number()) {
                return Err(malformed(
                    "time_is_no_number",
                    format!("The claim `{name}` is no number of seconds."),
                ));
            }
        }
        if URL_SAFE_NO_PAD.decode(signature).is_err() {
            return Err(malformed(
                "signature_encoding",
                "The token's signature is no base64url: cut off or changed.",
            ));
        }
        Ok(Self { header, claims, alg, signed, signature: signature.to_owned() })
    }

    /// The header's `kid`.
    pub(super) fn key_id(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    /// A claim that is text.
    pub(super) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim).and_then(Value::as_str)
    }

    /// A claim that is an instant, in seconds since 1970.
    pub(super) fn time(&self, claim: &str) -> Option<f64> {
        self.claims.get(claim).and_then(Value::as_f64)
    }

    /// `aud`, a string or a list of them (RFC 7519 §4.1.3).
    pub(super) fn audiences(&self) -> Vec<&str> {
        match self.claims.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Granted scopes: `scope` (RFC 8693 §4.2), and `scp`, `roles` and `permissions` as large providers name them.
    pub(super) fn scopes(&self) -> Vec<String> {
        ["scope", "scp", "roles", "permissions"]
            .iter()
            .filter_map(|name| self.claims.get(*name))
            .flat_map(|value| match value {
                Value::String(text) => text.split_whitespace().map(str::to_owned).collect(),
                Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
                _ => Vec::new(),
            })
            .collect()
    }
}

/// A part of a token as the JSON object it encodes.
fn object(part: &str, name: &str) -> Result<Map<String, Value>, Undecoded> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| {
        malformed(
            "encoding",
            format!("The token's {name} is no base64url without padding: cut off, changed or encoded twice."),
        )
    })?;
    serde_json::from_slice(&bytes)
        .map_err(|_| malformed("no_json", format!("The token's {name} holds no JSON object.")))
}
