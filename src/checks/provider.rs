//! The cryptography that checks shake hands with: ring, and ECDSA and ECDH over P-521, which ring lacks.
//!
//! OpenSSL, Go and Java speak P-521, so a server with such a certificate is healthy; without it here a good server would look
//! like a fault. The curve is only computed when a server insists on it: it is offered last, and its key share is not sent first.

use std::sync::{Arc, LazyLock};

use p521::ecdsa::signature::hazmat::PrehashVerifier as _;
use p521::ecdsa::{DerSignature, VerifyingKey};
use p521::{PublicKey, SecretKey};
use rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, SharedSecret, SupportedKxGroup, WebPkiSupportedAlgorithms, ring,
};
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};
use rustls::{Error, NamedGroup, PeerMisbehaved, SignatureScheme};
use sha2::{Digest, Sha256, Sha384, Sha512};

/// One provider for all: it is made of tables only.
pub(in crate::checks) static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
    let mut provider = ring::default_provider();
    provider.kx_groups.push(&P521);
    provider.signature_verification_algorithms = with_p521(provider.signature_verification_algorithms);
    Arc::new(provider)
});

type Algorithms = &'static [&'static dyn SignatureVerificationAlgorithm];

fn with_p521(ring: WebPkiSupportedAlgorithms) -> WebPkiSupportedAlgorithms {
    /// RFC 8446 section 4.2.3: this scheme is the curve with this digest.
    const SCHEME: (SignatureScheme, Algorithms) = (SignatureScheme::ECDSA_NISTP521_SHA512, &[&SHA512]);
    let mut all = ring.all.to_vec();
    all.extend([&SHA256 as &dyn SignatureVerificationAlgorithm, &SHA384, &SHA512]);
    // In TLS 1.2 a scheme names the digest alone, and a key may be on any curve (RFC 8446 section 4.2.3).
    let also = |(scheme, known): &(SignatureScheme, Algorithms)| {
        let ours: &'static dyn SignatureVerificationAlgorithm = match scheme {
            SignatureScheme::ECDSA_NISTP256_SHA256 => &SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384 => &SHA384,
            _ => return (*scheme, *known),
        };
        (*scheme, &*Vec::leak([*known, &[ours]].concat()))
    };
    let mut mapping: Vec<_> = ring.mapping.iter().map(also).collect();
    // Before those of RSA, after the other curves: a server with several certificates picks another first.
    let after_curves =
        mapping.iter().take_while(|(scheme, _)| format!("{scheme:?}").starts_with("ECDSA")).count();
    mapping.insert(after_curves, SCHEME);
    // Once in the life of the program.
    WebPkiSupportedAlgorithms { all: Vec::leak(all), mapping: Vec::leak(mapping) }
}

/// ECDSA over P-521 with one of the digests that certificates are signed with (RFC 5480).
#[derive(Debug)]
struct Ecdsa {
    signature: AlgorithmIdentifier,
    digest: fn(&[u8]) -> Vec<u8>,
}

static SHA256: Ecdsa =
    Ecdsa { signature: alg_id::ECDSA_SHA256, digest: |message| Sha256::digest(message).to_vec() };
static SHA384: Ecdsa =
    Ecdsa { signature: alg_id::ECDSA_SHA384, digest: |message| Sha384::digest(message).to_vec() };
static SHA512: Ecdsa =
    Ecdsa { signature: alg_id::ECDSA_SHA512, digest: |message| Sha512::digest(message).to_vec() };

impl SignatureVerificationAlgorithm for Ecdsa {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let key = VerifyingKey::from_sec1_bytes(key).map_err(|_| InvalidSignature)?;
        let signature = DerSignature::try_from(signature).map_err(|_| InvalidSignature)?;
        let signature = signature.try_into().map_err(|_| InvalidSignature)?;
        key.verify_prehash(&padded((self.digest)(message)), &signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P521
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

/// A digest as the number it stands for, in the half length of the curve's field at least (which the curve's library asks for).
fn padded(digest: Vec<u8>) -> Vec<u8> {
    const SHORTEST: usize = 33;
    let missing = SHORTEST.saturating_sub(digest.len());
    [vec![0; missing], digest].concat()
}

/// Verifies an ES512 signature of a token (RFC 7518 section 3.4): two numbers of 66 bytes, with SHA-512.
pub(in crate::checks) fn is_es512(x: &[u8], y: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let point = [&[4], x, y].concat();
    let key = VerifyingKey::from_sec1_bytes(&point);
    let signature = p521::ecdsa::Signature::from_slice(signature);
    matches!((key, signature), (Ok(key), Ok(signature))
        if key.verify_prehash(&Sha512::digest(message), &signature).is_ok())
}

/// ECDHE over secp521r1 (RFC 8446 section 4.2.8.2).
#[derive(Debug)]
struct Ecdh;

static P521: Ecdh = Ecdh;

impl SupportedKxGroup for Ecdh {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let random = ring::default_provider().secure_random;
        loop {
            let mut bytes = [0; 66];
            random.fill(&mut bytes)?;
            // The field has 521 bits; what is still too large is drawn again.
            bytes[0] &= 1;
            if let Ok(secret) = SecretKey::from_slice(&bytes) {
                let public = secret.public_key().to_sec1_bytes().to_vec();
                return Ok(Box::new(Started { secret, public }));
            }
        }
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

struct Started {
    secret: SecretKey,
    public: Vec<u8>,
}

impl ActiveKeyExchange for Started {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let peer = PublicKey::from_sec1_bytes(peer).map_err(|_| PeerMisbehaved::InvalidKeyShare)?;
        let shared = p521::ecdh::diffie_hellman(self.secret.to_nonzero_scalar(), peer.as_affine());
        Ok(SharedSecret::from(&shared.raw_secret_bytes()[..]))
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_agree_on_a_secret() {
        let (one, other) = (P521.start().unwrap(), P521.start().unwrap());
        let (to_one, to_other) = (other.pub_key().to_vec(), one.pub_key().to_vec());
        assert_eq!(to_one.len(), 133);
        let (one, other) = (one.complete(&to_one).unwrap(), other.complete(&to_other).unwrap());
        assert_eq!((one.secret_bytes().len(), one.secret_bytes()), (66, other.secret_bytes()));
        assert!(P521.start().unwrap().complete(&[4; 133]).is_err());
    }

    #[test]
    fn the_curve_is_the_last_that_is_offered() {
        assert_eq!(PROVIDER.kx_groups.last().map(|it| it.name()), Some(NamedGroup::secp521r1));
        assert_ne!(PROVIDER.kx_groups[0].name(), NamedGroup::secp521r1);
        let schemes = PROVIDER.signature_verification_algorithms.supported_schemes();
        assert!(schemes.contains(&SignatureScheme::ECDSA_NISTP521_SHA512));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(key in proptest::collection::vec(0u8.., 0..140), signature in proptest::collection::vec(0u8.., 0..150)) {
            for algorithm in [&SHA256, &SHA384, &SHA512] {
                assert!(algorithm.verify_signature(&key, b"message", &signature).is_err());
            }
            assert!(!is_es512(&key, &key, b"message", &signature));
            let _ = P521.start().unwrap().complete(&key);
        }
    }
}
