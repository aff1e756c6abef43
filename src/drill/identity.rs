//! An issuer of tokens with a real key: JSON Web Tokens (RFC 7519) signed with ES256, and the key set that verifies them.
//!
//! Its faults are the caller's: any claims can be signed, old keys stay usable after [`Issuer::rotate`], and [`unsigned`] makes
//! what no verifier may accept.

use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::KeyPair;
use serde_json::{Value, json};

/// Who signs tokens.
pub struct Issuer {
    name: String,
    keys: Vec<Key>,
}

/// A P-256 key pair with its id.
struct Key {
    id: String,
    signing: EncodingKey,
    x: String,
    y: String,
}

impl Issuer {
    /// An issuer with this `iss` and one fresh key, `key-1`.
    ///
    /// # Panics
    /// When the system gives no randomness.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), keys: vec![Key::generate("key-1")] }
    }

    /// Its `iss`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Signs with a new key from now on, and forgets the old one: tokens signed before name a key that the
    /// [key set](Self::key_set) no longer has.
    ///
    /// # Panics
    /// When the system gives no randomness.
    pub fn rotate(&mut self) {
        let id = format!("key-{}", self.keys.len() + 1);
        self.keys.push(Key::generate(&id));
    }

    /// Claims of a good token: this issuer, that audience, issued now and good for `lifetime`.
    #[must_use]
    pub fn claims(&self, audience: &str, scope: &str, now: Timestamp, lifetime: SignedDuration) -> Value {
        let issued = now.as_second();
        json!({
            "iss": self.name,
            "aud": audience,
            "sub": "drill-client",
            "scope": scope,
            "iat": issued,
            "nbf": issued,
            "exp": issued + lifetime.as_secs(),
        })
    }

    /// Signs these claims, whatever they are, with the current key.
    ///
    /// # Panics
    /// When the claims are no JSON object.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        let key = self.current();
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(key.id.clone());
        assert!(claims.is_object(), "claims are a JSON object (RFC 7519 §4)");
        jsonwebtoken::encode(&header, claims, &key.signing).expect("an ES256 key signs any JSON object")
    }

    /// The key set (RFC 7517) of the current key.
    #[must_use]
    pub fn key_set(&self) -> Value {
        let Key { id, x, y, .. } = self.current();
        json!({"keys": [{"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": id, "x": x, "y": y}]})
    }

    /// Writes the key set to a file, for the key `jwks`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_key_set(&self, path: impl AsRef<Path>) -> io::Result<()> {
        std::fs::write(path, self.key_set().to_string())
    }

    fn current(&self) -> &Key {
        self.keys.last().expect("an issuer begins with one key and never loses the last")
    }
}

impl Key {
    fn generate(id: &str) -> Self {
        let pair = KeyPair::generate().expect("the system gives randomness");
        // SEC 1 §2.3.3: 4, then both coordinates of 32 bytes each.
        let (x, y) = pair.public_key_raw()[1..].split_at(32);
        Self {
            id: id.to_owned(),
            signing: EncodingKey::from_ec_der(pair.serialized_der()),
            x: URL_SAFE_NO_PAD.encode(x),
            y: URL_SAFE_NO_PAD.encode(y),
        }
    }
}

/// A token with `alg: none` and an empty signature (RFC 7519 §6), which RFC 8725 §3.2 forbids to accept.
#[must_use]
pub fn unsigned(claims: &Value) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    format!("{header}.{}.", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// The token with another signature of the right length: what a cut-and-paste error or a forger makes.
#[must_use]
pub fn with_broken_signature(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap_or((token, ""));
    // `A` and `Q` end in four zero bits: the last character stays one that base64url allows there (RFC 4648 §3.5).
    let other: String = signature.chars().map(|it| if it == 'A' { 'Q' } else { 'A' }).collect();
    format!("{signed}.{other}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{DecodingKey, Validation, decode};

    fn verifies(token: &str, issuer: &Issuer) -> bool {
        let keys: JwkSet = serde_json::from_value(issuer.key_set()).unwrap();
        let Some(key) = keys.find(&jsonwebtoken::decode_header(token).unwrap().kid.unwrap()) else {
            return false;
        };
        let mut validation = Validation::new(Algorithm::ES256);
        validation.validate_aud = false;
        decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation).is_ok()
    }

    #[test]
    fn the_key_set_verifies_what_was_signed_and_nothing_else() {
        let mut issuer = Issuer::new("https://id.drill.test");
        let token = issuer.sign(&json!({"exp": 4_102_444_800_i64}));
        assert!(verifies(&token, &issuer));
        assert!(!verifies(&with_broken_signature(&token), &issuer));
        issuer.rotate();
        assert!(!verifies(&token, &issuer));
        assert!(verifies(&issuer.sign(&json!({"exp": 4_102_444_800_i64})), &issuer));
    }
}
