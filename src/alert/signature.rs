//! How senders sign their deliveries, as data, and whether a delivery is signed.
//!
//! A signature is an HMAC over the *raw bytes*, sometimes together with an id and a time. Any of the live secrets may have made it,
//! so that a secret can be changed without a gap. Comparison takes the same time wherever two values differ. The surprise: a sender
//! that changes its secret sends several signatures at once, and one that fits is enough (alert sources, section 5).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac as _};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use sha2::{Sha224, Sha256, Sha384, Sha512};

/// How far the time in a signature may be off (Standard Webhooks; Grafana).
pub const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// Signatures in one header that are tried, at most: a rotation sends two or three.
const MOST_SIGNATURES: usize = 16;

/// How a source signs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignatureRule {
    /// The header with the signature, lower-case.
    pub header: String,
    /// The hash; `named` when the signature itself names it (`sha512=…`).
    #[serde(default)]
    pub hash: HashName,
    /// How the bytes of the signature are written.
    #[serde(default)]
    pub encoding: Encoding,
    /// What stands before the signature (`sha256=`, `v1=`, `v1,`); what begins otherwise is of another version and ignored.
    #[serde(default)]
    pub prefix: String,
    /// What stands between several signatures.
    #[serde(default)]
    pub separator: Option<String>,
    /// What is signed: `{body}`, or the same with `{id}` and `{timestamp}`.
    #[serde(default = "body_alone")]
    pub signs: String,
    /// The header with the id, lower-case.
    #[serde(default)]
    pub id_header: Option<String>,
    /// The header with the time in Unix seconds, lower-case.
    #[serde(default)]
    pub timestamp_header: Option<String>,
    /// Whether the sender may leave the time out, and then signs the body alone.
    #[serde(default)]
    pub timestamp_is_optional: bool,
    /// What stands before a secret that is Base64 (`whsec_`); other secrets are taken as they are.
    #[serde(default)]
    pub base64_secret_after: Option<String>,
}

fn body_alone() -> String {
    "{body}".to_owned()
}

/// A hash of the SHA-2 family. SHA-1 signatures are not taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HashName {
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-512.
    Sha512,
    /// `sha224=`, `sha256=`, `sha384=` or `sha512=` before the signature tells.
    Named,
}

/// How bytes are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Hexadecimal, of either case.
    #[default]
    Hex,
    /// Base64.
    Base64,
}

/// Why a delivery does not count as signed. For the log: the sender learns none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A header is missing or unreadable.
    #[error("the signature, its id or its time is missing")]
    Missing,
    /// No signature fits any secret.
    #[error("no signature fits")]
    Wrong,
    /// Its time is too far off: it may be an old delivery sent again.
    #[error("its time is more than five minutes off")]
    Stale,
}

impl SignatureRule {
    /// Whether one of these secrets signed this body.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn verify<'h>(
        &self,
        secrets: &[String],
        header: &dyn Fn(&str) -> Option<&'h str>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), Refused> {
        let shown = header(&self.header).ok_or(Refused::Missing)?;
        let id = self.id_header.as_deref().map(|name| header(name).ok_or(Refused::Missing)).transpose()?;
        let timestamp = match self.timestamp_header.as_deref().map(header) {
            Some(Some(timestamp)) => Some(timestamp),
            Some(None) if !self.timestamp_is_optional => return Err(Refused::Missing),
            Some(None) | None => None,
        };
        let signed = self.signed(id, timestamp, body);
        let shown: Vec<&str> = match self.separator.as_deref().filter(|it| !it.is_empty()) {
            Some(separator) => shown.split(separator).map(str::trim).take(MOST_SIGNATURES).collect(),
            None => vec![shown.trim()],
        };
        let fits = shown.iter().filter_map(|shown| self.decoded(shown)).any(|(hash, signature)| {
            secrets.iter().any(|secret| is_signed(hash, &self.key(secret), &signed, &signature))
        });
        if !fits {
            return Err(Refused::Wrong);
        }
        let Some(timestamp) = timestamp else { return Ok(()) };
        let at = timestamp.trim().parse().ok().and_then(|second| Timestamp::from_second(second).ok());
        let off = at.map(|at| now.duration_since(at).abs());
        if off.is_some_and(|off| off <= TOLERANCE) { Ok(()) } else { Err(Refused::Stale) }
    }

    /// The bytes that are signed.
    fn signed(&self, id: Option<&str>, timestamp: Option<&str>, body: &[u8]) -> Vec<u8> {
        let left_out = self.timestamp_header.is_some() && timestamp.is_none();
        let pattern = if left_out { "{body}" } else { self.signs.as_str() };
        let (before, after) = pattern.split_once("{body}").unwrap_or((pattern, ""));
        let filled = |text: &str| {
            text.replace("{id}", id.unwrap_or_default()).replace("{timestamp}", timestamp.unwrap_or_default())
        };
        [filled(before).as_bytes(), body, filled(after).as_bytes()].concat()
    }

    /// The bytes of one signature, and its hash; `None` for another version's.
    fn decoded(&self, shown: &str) -> Option<(Hash, Vec<u8>)> {
        let (hash, written) = match self.hash {
            HashName::Sha256 => (Hash::Sha256, shown.strip_prefix(self.prefix.as_str())?),
            HashName::Sha512 => (Hash::Sha512, shown.strip_prefix(self.prefix.as_str())?),
            HashName::Named => {
                let (name, written) = shown.split_once('=')?;
                let hash = match name {
                    "sha224" => Hash::Sha224,
                    "sha256" => Hash::Sha256,
                    "sha384" => Hash::Sha384,
                    "sha512" => Hash::Sha512,
                    _ => return None,
                };
                (hash, written)
            }
        };
        let bytes = match self.encoding {
            Encoding::Hex => hex(written)?,
            Encoding::Base64 => BASE64_STANDARD.decode(written).ok()?,
        };
        Some((hash, bytes))
    }

    fn key(&self, secret: &str) -> Vec<u8> {
        let coded = self.base64_secret_after.as_deref().and_then(|before| secret.strip_prefix(before));
        coded
            .and_then(|coded| BASE64_STANDARD.decode(coded).ok())
            .unwrap_or_else(|| secret.as_bytes().to_vec())
    }
}

/// The hash of one signature.
#[derive(Debug, Clone, Copy)]
enum Hash {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

fn is_signed(hash: Hash, key: &[u8], signed: &[u8], signature: &[u8]) -> bool {
    macro_rules! with {
        ($hash:ty) => {{
            // HMAC takes keys of any length.
            Hmac::<$hash>::new_from_slice(key)
                .is_ok_and(|mac| mac.chain_update(signed).verify_slice(signature).is_ok())
        }};
    }
    match hash {
        Hash::Sha224 => with!(Sha224),
        Hash::Sha256 => with!(Sha256),
        Hash::Sha384 => with!(Sha384),
        Hash::Sha512 => with!(Sha512),
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8]| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok();
    text.chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_790_842_470).unwrap()
    }

    fn rule(yaml: &str) -> SignatureRule {
        crate::yaml::read("rule.yaml", yaml).unwrap()
    }

    fn verify(
        rule: &SignatureRule,
        secrets: &[&str],
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<(), Refused> {
        let secrets: Vec<String> = secrets.iter().map(|it| (*it).to_owned()).collect();
        let header = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        rule.verify(&secrets, &header, body.as_bytes(), now())
    }

    /// RFC 4231, test case 2.
    const RFC: &str = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    const DATA: &str = "what do ya want for nothing?";

    #[test]
    fn either_of_two_live_secrets_fits_and_no_other() {
        let plain = rule("{header: x-signature}");
        assert_eq!(verify(&plain, &["Jefe"], &[("x-signature", RFC)], DATA), Ok(()));
        assert_eq!(verify(&plain, &["new", "Jefe"], &[("x-signature", &RFC.to_uppercase())], DATA), Ok(()));
        assert_eq!(verify(&plain, &["new"], &[("x-signature", RFC)], DATA), Err(Refused::Wrong));
        assert_eq!(verify(&plain, &["Jefe"], &[("x-signature", RFC)], "other"), Err(Refused::Wrong));
        assert_eq!(verify(&plain, &["Jefe"], &[], DATA), Err(Refused::Missing));
        assert_eq!(verify(&plain, &[], &[("x-signature", RFC)], DATA), Err(Refused::Wrong));
        for broken in ["", "zz", "5bd", "é€"] {
            assert_eq!(
                verify(&plain, &["Jefe"], &[("x-signature", broken)], DATA),
                Err(Refused::Wrong),
                "{broken}"
            );
        }
    }

    #[test]
    fn of_several_signatures_one_that_fits_is_enough_and_other_versions_are_ignored() {
        let listed = rule("{header: x-s, prefix: 'v1=', separator: ','}");
        let both = format!("v1=00, v1={RFC}");
        assert_eq!(verify(&listed, &["Jefe"], &[("x-s", &both)], DATA), Ok(()));
        assert_eq!(verify(&listed, &["Jefe"], &[("x-s", &format!("v2={RFC}"))], DATA), Err(Refused::Wrong));
    }

    #[test]
    fn a_signed_time_may_not_be_far_off() {
        let timed = rule(
            "{header: x-s, signs: '{timestamp}:{body}', timestamp_header: x-t, timestamp_is_optional: true}",
        );
        let signature = |timestamp: &str| {
            let mac = Hmac::<Sha256>::new_from_slice(b"k").unwrap().chain_update(format!("{timestamp}:b"));
            format!("{:x}", mac.finalize().into_bytes())
        };
        let shown = |timestamp: &str, signed: &str| {
            verify(&timed, &["k"], &[("x-s", &signature(signed)), ("x-t", timestamp)], "b")
        };
        assert_eq!(shown("1790842470", "1790842470"), Ok(()));
        assert_eq!(shown("1790842170", "1790842170"), Ok(()));
        assert_eq!(shown("1790842169", "1790842169"), Err(Refused::Stale));
        assert_eq!(shown("1790842771", "1790842771"), Err(Refused::Stale));
        assert_eq!(shown("1790842470", "1790842169"), Err(Refused::Wrong));
        assert_eq!(shown("soon", "soon"), Err(Refused::Stale));
        // Leaving the time out does not make an old delivery new.
        assert_eq!(verify(&timed, &["k"], &[("x-s", &signature("1790842470"))], "b"), Err(Refused::Wrong));
    }

    /// The vectors of every scheme, against the rules of the shipped mappings.
    #[test]
    #[ignore = "needs ../shared"]
    fn the_collected_signatures_are_told_from_forged_ones() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/payloads");
        let text = std::fs::read_to_string(root.join("signatures.json")).unwrap();
        let vectors: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut tried = 0;
        for vector in vectors["hmac"].as_array().unwrap() {
            let name = vector["name"].as_str().unwrap();
            let source = match name.split('-').next().unwrap() {
                "signalfx" => "splunk_observability",
                "standard" => "standard_webhooks",
                other => other,
            };
            let source = crate::alert::Source::named(source).unwrap_or_else(|| panic!("no source {source}"));
            let body = match vector["body_file"].as_str() {
                Some(file) => std::fs::read(root.join(file)).unwrap(),
                None => vector["body"].as_str().unwrap().as_bytes().to_vec(),
            };
            let headers: Vec<(String, &str)> = vector["headers"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), value.as_str().unwrap()))
                .collect();
            let header =
                |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
            let secret = vector["secret"].as_str().unwrap().to_owned();
            let at = vector["now"].as_str().map_or_else(now, |text| text.parse().unwrap());
            let door = source.door();
            let is_valid = match (&door.signature, &door.secret_header) {
                (Some(rule), _) => rule.verify(&[secret], &header, &body, at).is_ok(),
                (None, Some(name)) => header(name) == Some(secret.as_str()),
                (None, None) => panic!("{name}: its source says no way to sign"),
            };
            assert_eq!(is_valid, vector["valid"].as_bool().unwrap(), "{name}");
            tried += 1;
        }
        assert!(tried >= 15, "{tried}");
    }
}
