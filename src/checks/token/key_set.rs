//! Key sets (RFC 7517) and what they say about a signature.
//!
//! The algorithm must be one that the key is for: an HMAC made with an RSA key's public text, and `alg: none`, never verify
//! (RFC 8725 §3.1). A key this build cannot use is passed over, as RFC 7517 §5 asks.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

use super::presented::Jwt;
use crate::checks::provider::is_es512;

/// What the keys say about a signature.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Signature {
    /// A key of the set made it.
    Good,
    /// No key of the set made it.
    Bad {
        /// The finer finding.
        diagnosis: &'static str,
        /// One sentence for a person.
        says: String,
    },
    /// Nobody named a key set.
    NotChecked,
    /// It could not be told, and why.
    Unknown(String),
}

fn bad(diagnosis: &'static str, says: impl Into<String>) -> Signature {
    Signature::Bad { diagnosis, says: says.into() }
}

/// Registered signature algorithms (RFC 7518, 8812, 9864) that this build cannot verify.
const NOT_VERIFIED_HERE: [&str; 2] = ["ES256K", "Ed448"];

/// An issuer's public keys.
pub(super) struct KeySet(Vec<Value>);

/// Where the key set is, when a document is an issuer's metadata: its `jwks_uri`.
pub(super) fn location(text: &str) -> Option<String> {
    let value: Value = serde_json::from_str(text).ok()?;
    let has_keys = value.get("keys").is_some() || value.get("kty").is_some();
    let named = value.get("jwks_uri").and_then(Value::as_str);
    // A stranger's document must not name a file of ours.
    let named = named.filter(|it| it.starts_with("https://") || it.starts_with("http://"));
    named.filter(|_| !has_keys).map(str::to_owned)
}

impl KeySet {
    /// Reads a key set, or a single key.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim_start_matches('\u{feff}');
        let value: Value =
            serde_json::from_str(text).map_err(|_| "the key set is no JSON (RFC 7517)".to_owned())?;
        match value.get("keys") {
            Some(Value::Array(keys)) => Ok(Self(keys.clone())),
            None if value.get("kty").is_some() => Ok(Self(vec![value])),
            _ => Err("the key set has no list `keys` (RFC 7517 §5)".to_owned()),
        }
    }

    /// The ids of its keys.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|key| key.get("kid")?.as_str())
    }

    /// Whether a key of the set made the token's signature.
    pub(super) fn verify(&self, jwt: &Jwt) -> Signature {
        if NOT_VERIFIED_HERE.contains(&jwt.alg.as_str()) {
            return Signature::Unknown(format!("signatures of `{}` cannot be verified here", jwt.alg));
        }
        if !is_known(&jwt.alg) {
            return bad("unknown_alg", "The token names an `alg` that is no signature algorithm.");
        }
        let candidates: Vec<&Value> = match jwt.key_id() {
            Some(id) => {
                self.0.iter().filter(|key| key.get("kid").and_then(Value::as_str) == Some(id)).collect()
            }
            None => self.0.iter().collect(),
        };
        if candidates.is_empty() {
            return match jwt.key_id() {
                Some(_) => bad(
                    "unknown_kid",
                    "The key that signed the token (`kid`) is not in the key set: rotated away, or another issuer's.",
                ),
                None => bad("no_keys", "The key set has no keys."),
            };
        }
        let signed: Vec<bool> = candidates.into_iter().filter_map(|key| is_signed_by(key, jwt)).collect();
        if signed.is_empty() {
            return bad(
                "alg_does_not_fit_key",
                format!("The key is not for `{}`, the algorithm the token names.", jwt.alg),
            );
        }
        if signed.contains(&true) {
            Signature::Good
        } else {
            bad(
                "signature",
                "The token's signature does not verify: it was changed, or another key signed it.",
            )
        }
    }
}

/// An algorithm by the name that the libraries know it by: RFC 9864 gave EdDSA's one curve in use a name of its own.
fn algorithm(name: &str) -> Option<Algorithm> {
    if name == "Ed25519" { Some(Algorithm::EdDSA) } else { name.parse().ok() }
}

fn is_known(name: &str) -> bool {
    name == "ES512" || algorithm(name).is_some()
}

/// Whether this key made the signature; `None` when the key is not for the token's algorithm.
fn is_signed_by(key: &Value, jwt: &Jwt) -> Option<bool> {
    let said = |name: &str| key.get(name).and_then(Value::as_str);
    let for_signatures = said("use").is_none_or(|it| it == "sig");
    let for_algorithm = said("alg").is_none_or(|it| {
        it == jwt.alg || !is_known(it) || algorithm(it).is_some_and(|it| algorithm(&jwt.alg) == Some(it))
    });
    if !for_signatures || !for_algorithm {
        return None;
    }
    if jwt.alg == "ES512" {
        let number = |name: &str| URL_SAFE_NO_PAD.decode(said(name)?).ok();
        let (x, y) = (number("x")?, number("y")?);
        return (said("crv") == Some("P-521"))
            .then(|| is_es512(&x, &y, jwt.signed.as_bytes(), &raw(&jwt.signature)));
    }
    let algorithm = algorithm(&jwt.alg)?;
    let key = fitting(key, algorithm)?;
    let verified = jsonwebtoken::crypto::verify(&jwt.signature, jwt.signed.as_bytes(), &key, algorithm);
    Some(verified.unwrap_or(false))
}

fn raw(signature: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(signature).unwrap_or_default()
}

/// The key, when it is of the kind that this algorithm needs.
fn fitting(key: &Value, algorithm: Algorithm) -> Option<DecodingKey> {
    let key: Jwk = serde_json::from_value(key.clone()).ok()?;
    let fits = match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
            matches!(key.algorithm, AlgorithmParameters::OctetKey(_))
        }
        Algorithm::ES256 | Algorithm::ES384 => matches!(key.algorithm, AlgorithmParameters::EllipticCurve(_)),
        Algorithm::EdDSA => matches!(key.algorithm, AlgorithmParameters::OctetKeyPair(_)),
        Algorithm::RS256
        | Algorithm::RS384
        | Algorithm::RS512
        | Algorithm::PS256
        | Algorithm::PS384
        | Algorithm::PS512 => matches!(key.algorithm, AlgorithmParameters::RSA(_)),
    };
    if fits { DecodingKey::from_jwk(&key).ok() } else { None }
}
