//! A second way from a certificate to an authority, for certificates that the strict verifier will not even look at.
//!
//! rustls refuses a server's certificate that may itself sign others, and one of X.509 version 1. OpenSSL, and with it most
//! API clients, take both: to call them a fault would be a false alarm. Everything that matters is still demanded: names that
//! chain, dates, signatures with SHA-2, authorities that are authorities, and a purpose that fits.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, TrustAnchor};
use x509_parser::prelude::{FromDer, X509Certificate, X509Version};
use x509_parser::x509::{SubjectPublicKeyInfo, X509Name};

/// How long a path may be; public ones have three certificates.
const LONGEST: usize = 6;

/// How many signatures may be verified: hostile servers send many certificates of one name.
const MOST_SIGNATURES: usize = 32;

/// How many certificates of one name are tried on the way up: an authority and its cross-signed twins are two or three.
const MOST_OF_A_NAME: usize = 4;

/// The certificates that can lead up, at most so many of a name. The number of paths through them is a power of that: a hostile server
/// would keep the strict verifier busy for seconds, with forty authorities that all have the same name.
pub(super) fn candidates<'a>(others: &'a [CertificateDer<'a>]) -> Cow<'a, [CertificateDer<'a>]> {
    if others.len() <= MOST_OF_A_NAME {
        return others.into();
    }
    let mut seen: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    let mut is_candidate = |it: &&CertificateDer<'_>| {
        let Ok((_, read)) = X509Certificate::from_der(it) else { return false };
        let count = seen.entry(read.subject().as_raw().to_vec()).or_default();
        *count += 1;
        *count <= MOST_OF_A_NAME
    };
    others.iter().filter(|it| is_candidate(it)).cloned().collect()
}

/// Whether a path leads from the first certificate to an authority, all of it valid at this time.
pub(super) fn is_found(chain: &[CertificateDer<'_>], roots: &RootCertStore, at: Timestamp) -> bool {
    let read: Vec<_> =
        chain.iter().filter_map(|it| X509Certificate::from_der(it).ok()).map(|(_, it)| it).collect();
    let Some((leaf, others)) = read.split_first() else { return false };
    may_serve(leaf) && Search { others, roots, at, signatures: 0 }.leads_up(leaf, 0)
}

struct Search<'a> {
    others: &'a [X509Certificate<'a>],
    roots: &'a RootCertStore,
    at: Timestamp,
    signatures: usize,
}

impl Search<'_> {
    fn leads_up(&mut self, from: &X509Certificate<'_>, depth: usize) -> bool {
        if depth >= LONGEST || !is_dated(from, self.at) || is_weakly_signed(from) {
            return false;
        }
        let issuer = from.issuer().as_raw();
        for anchor in self.roots.roots.iter().filter(|it| is_sequence_of(issuer, &it.subject)) {
            let key = sequence(&anchor.subject_public_key_info);
            if let Ok((_, key)) = SubjectPublicKeyInfo::from_der(&key)
                && self.is_signed_by(from, &key)
            {
                return true;
            }
        }
        let others = self.others;
        others.iter().any(|above| {
            above.subject().as_raw() == issuer
                && above.is_ca()
                && above.signature_value != from.signature_value
                && self.is_signed_by(from, above.public_key())
                && self.leads_up(above, depth + 1)
        })
    }

    fn is_signed_by(&mut self, certificate: &X509Certificate<'_>, key: &SubjectPublicKeyInfo<'_>) -> bool {
        self.signatures += 1;
        self.signatures <= MOST_SIGNATURES && certificate.verify_signature(Some(key)).is_ok()
    }
}

fn is_dated(certificate: &X509Certificate<'_>, at: Timestamp) -> bool {
    let validity = certificate.validity();
    (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&at.as_second())
}

/// A certificate without extended usages is for any; version 1 has none.
fn may_serve(certificate: &X509Certificate<'_>) -> bool {
    certificate.version() == X509Version::V1
        || match certificate.extended_key_usage() {
            Ok(Some(usage)) => usage.value.server_auth || usage.value.any,
            Ok(None) => true,
            Err(_) => false,
        }
}

/// Signed with a digest that no client has taken for years: MD2, MD5 and SHA-1 (RFC 9155; CA/B Forum since 2016).
pub(super) fn is_weakly_signed(certificate: &X509Certificate<'_>) -> bool {
    const WEAK: [&str; 6] = [
        "1.2.840.113549.1.1.2",
        "1.2.840.113549.1.1.4",
        "1.2.840.113549.1.1.5",
        "1.3.14.3.2.29",
        "1.2.840.10045.4.1",
        "1.2.840.10040.4.3",
    ];
    WEAK.contains(&certificate.signature_algorithm.algorithm.to_id_string().as_str())
}

/// Authorities are kept without the outer tag and length of their name and key: whether `whole` is this content with them.
pub(super) fn is_sequence_of(whole: &[u8], content: &[u8]) -> bool {
    whole == sequence(content)
}

/// An authority's name, for a person.
pub(super) fn name_of(anchor: &TrustAnchor<'_>) -> String {
    X509Name::from_der(&sequence(&anchor.subject)).map(|(_, it)| it.to_string()).unwrap_or_default()
}

/// A DER sequence with this content (X.690 section 8.1).
fn sequence(content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant = &length[length.iter().position(|it| *it > 0).unwrap_or(length.len() - 1)..];
    let mut whole = vec![0x30];
    if let ([short], true) = (significant, content.len() < 128) {
        whole.push(*short);
    } else {
        whole.push(0x80 | u8::try_from(significant.len()).unwrap_or_default());
        whole.extend_from_slice(significant);
    }
    whole.extend_from_slice(content);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_has_its_length_in_front() {
        assert_eq!(sequence(&[7]), [0x30, 1, 7]);
        assert_eq!(sequence(&[0; 200])[..3], [0x30, 0x81, 200]);
        assert_eq!(sequence(&[0; 300])[..4], [0x30, 0x82, 1, 44]);
        assert_eq!(sequence(&[]), [0x30, 0]);
    }
}
