//! Certificate authorities of the small world: real certificates with any fault in them.
//!
//! Nothing here is trusted by anybody until a check is given the authority's PEM. The surprise: an authority is always
//! valid, so that an expired leaf is expired for one reason only.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Why key generation and signing are not fallible to callers.
const RING_SIGNS: &str = "ring makes P-256 keys and signs with them, and the drill's own names are valid";

/// A certificate authority: a root, or an intermediate below one.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
    /// The certificates between this one and its root, this one first; empty for a root.
    intermediates: Vec<CertificateDer<'static>>,
}

/// From when until when a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Its first second.
    pub not_before: Timestamp,
    /// Its last second.
    pub not_after: Timestamp,
}

impl Validity {
    /// Valid from so many days after `now` until so many days after `now`; negative days are in the past.
    #[must_use]
    pub fn days(now: Timestamp, from: i64, until: i64) -> Self {
        let day = |count: i64| now + SignedDuration::from_hours(count * 24);
        Self { not_before: day(from), not_after: day(until) }
    }

    /// An ordinary certificate: 30 days old, 60 to go.
    #[must_use]
    pub fn ordinary(now: Timestamp) -> Self {
        Self::days(now, -30, 60)
    }

    /// A certificate whose renewal was missed 41 days ago.
    #[must_use]
    pub fn expired(now: Timestamp) -> Self {
        Self::days(now, -131, -41)
    }

    /// A certificate put into service two days early.
    #[must_use]
    pub fn not_yet(now: Timestamp) -> Self {
        Self::days(now, 2, 92)
    }
}

/// A server's certificates, its own first, and its key.
#[derive(Debug)]
pub struct Identity {
    /// What the server presents.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key of the first certificate.
    pub key: PrivateKeyDer<'static>,
}

impl Authority {
    /// A root.
    ///
    /// # Panics
    /// When the name is no ASCII text.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::root(authority_params(name))
    }

    /// A root whose own certificate is good from then until then.
    ///
    /// # Panics
    /// When the name is no ASCII text.
    #[must_use]
    pub fn valid(name: &str, validity: Validity) -> Self {
        let mut params = authority_params(name);
        set_validity(&mut params, validity);
        Self::root(params)
    }

    fn root(params: CertificateParams) -> Self {
        let key = KeyPair::generate().expect(RING_SIGNS);
        let certificate = params.self_signed(&key).expect(RING_SIGNS);
        Self { issuer: Issuer::new(params, key), certificate, intermediates: Vec::new() }
    }

    /// An authority below this one.
    ///
    /// # Panics
    /// When the name is no ASCII text.
    #[must_use]
    pub fn intermediate(&self, name: &str) -> Self {
        self.below(authority_params(name))
    }

    /// An authority below this one, whose own certificate is good from then until then.
    ///
    /// # Panics
    /// When the name is no ASCII text.
    #[must_use]
    pub fn valid_intermediate(&self, name: &str, validity: Validity) -> Self {
        let mut params = authority_params(name);
        set_validity(&mut params, validity);
        self.below(params)
    }

    fn below(&self, mut params: CertificateParams) -> Self {
        let key = KeyPair::generate().expect(RING_SIGNS);
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).expect(RING_SIGNS);
        let mut intermediates = vec![certificate.der().clone()];
        intermediates.extend(self.intermediates.iter().cloned());
        Self { issuer: Issuer::new(params, key), certificate, intermediates }
    }

    /// A root's certificate with the key of this one and dates of its own, as roots are renewed under their name.
    ///
    /// # Panics
    /// When the name is no ASCII text.
    #[must_use]
    pub fn renewed(&self, name: &str, validity: Validity) -> rcgen::Certificate {
        let mut params = authority_params(name);
        set_validity(&mut params, validity);
        params.self_signed(self.issuer.key()).expect(RING_SIGNS)
    }

    /// Its certificate, for `ca_file`.
    #[must_use]
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A server certificate for these names and addresses. The chain holds the intermediates and not the root, as a
    /// well-kept server sends it.
    ///
    /// # Panics
    /// When a name is no ASCII text.
    #[must_use]
    pub fn issue(&self, names: &[&str], validity: Validity) -> Identity {
        self.issue_with_issuer_url(names, validity, "http://ca.drill.test/issuer.der")
    }

    /// The same, with this URL of the issuer in a certificate below an intermediate.
    ///
    /// # Panics
    /// When a name is no ASCII text.
    #[must_use]
    pub fn issue_with_issuer_url(&self, names: &[&str], validity: Validity, url: &str) -> Identity {
        let key = KeyPair::generate().expect(RING_SIGNS);
        let mut params = leaf_params(names, validity);
        params.use_authority_key_identifier_extension = true;
        if !self.intermediates.is_empty() {
            params.custom_extensions.push(issuer_url(url));
        }
        let leaf = params.signed_by(&key, &self.issuer).expect(RING_SIGNS);
        let mut chain = vec![leaf.der().clone()];
        chain.extend(self.intermediates.iter().cloned());
        Identity { chain, key: private_key(&key) }
    }

    /// Its root store entry, for a server that asks its clients for certificates.
    #[must_use]
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }
}

impl Identity {
    /// A certificate that vouches for itself.
    ///
    /// # Panics
    /// When a name is no ASCII text.
    #[must_use]
    pub fn self_signed(names: &[&str], validity: Validity) -> Self {
        let key = KeyPair::generate().expect(RING_SIGNS);
        let leaf = leaf_params(names, validity).self_signed(&key).expect(RING_SIGNS);
        Self { chain: vec![leaf.der().clone()], key: private_key(&key) }
    }

    /// The same without its intermediates: the half chain that browsers forgive and API clients do not.
    #[must_use]
    pub fn without_intermediates(mut self) -> Self {
        self.chain.truncate(1);
        self
    }

    /// The same with the root at the end, which clients ignore.
    #[must_use]
    pub fn with_root(mut self, root: &Authority) -> Self {
        self.chain.push(root.certificate());
        self
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

fn private_key(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(2100, 1, 1);
    params
}

fn leaf_params(names: &[&str], validity: Validity) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let common_name = names.first().cloned().unwrap_or_default();
    let mut params = CertificateParams::new(names).expect(RING_SIGNS);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    set_validity(&mut params, validity);
    params
}

fn set_validity(params: &mut CertificateParams, validity: Validity) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since_epoch(validity.not_before);
    params.not_after = epoch + since_epoch(validity.not_after);
}

/// Whole seconds, as certificates count; instants before 1970 become 1970.
fn since_epoch(at: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(at.as_second()).unwrap_or_default())
}

/// Authority Information Access with one `caIssuers` URL (RFC 5280 section 4.2.2.1), which public authorities put into
/// every leaf: it tells a half chain from an unknown authority.
fn issuer_url(url: &str) -> CustomExtension {
    let tagged = |tag: u8, content: &[u8]| {
        let length = u8::try_from(content.len()).expect("the drill's URL is short");
        [&[tag, length], content].concat()
    };
    let ca_issuers = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02];
    let location = tagged(0x86, url.as_bytes());
    let description = tagged(0x30, &[ca_issuers.as_slice(), &location].concat());
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], tagged(0x30, &description))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intermediates_leaf_comes_with_its_chain() {
        let now: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
        let root = Authority::new("Drill Root");
        let identity =
            root.intermediate("Drill Intermediate").issue(&["api.drill.test"], Validity::ordinary(now));
        assert_eq!(identity.chain.len(), 2);
        assert_eq!(identity.clone().with_root(&root).chain.len(), 3);
        assert_eq!(identity.without_intermediates().chain.len(), 1);
        assert!(root.pem().starts_with("-----BEGIN CERTIFICATE-----"));
    }
}
