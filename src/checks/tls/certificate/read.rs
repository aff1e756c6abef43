//! What a certificate says, for facts and sentences.

use std::net::IpAddr;
use std::sync::LazyLock;

use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::OidRegistry;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::warning::instant;

/// How many certificates of a chain are told; ordinary chains have two or three.
pub(super) const MOST_TOLD: usize = 8;

/// A certificate of the chain, for the fact `chain`.
pub(super) fn told(certificate: &CertificateDer<'_>) -> Option<Value> {
    let (_, read) = X509Certificate::from_der(certificate).ok()?;
    Some(json!({
        "subject": read.subject().to_string(),
        "issuer": read.issuer().to_string(),
        "not_before": instant(read.validity().not_before.timestamp()).to_string(),
        "not_after": instant(read.validity().not_after.timestamp()).to_string(),
    }))
}

/// `RSA 2048`, `EC 256`: the kind of key and its bits.
pub(super) fn key_name(certificate: &X509Certificate<'_>) -> Option<String> {
    match certificate.public_key().parsed().ok()? {
        PublicKey::RSA(key) => Some(format!("RSA {}", key.key_size())),
        PublicKey::EC(key) => Some(format!("EC {}", key.key_size())),
        _ => None,
    }
}

static OID_REGISTRY: LazyLock<OidRegistry<'static>> = LazyLock::new(|| OidRegistry::default().with_crypto());

pub(super) fn signature_name(certificate: &X509Certificate<'_>) -> String {
    let algorithm = &certificate.signature_algorithm.algorithm;
    OID_REGISTRY.get(algorithm).map_or_else(|| algorithm.to_id_string(), |it| it.sn().to_owned())
}

pub(super) fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(alternative)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|ip| IpAddr::from(ip).to_string()),
            16 => <[u8; 16]>::try_from(*bytes).ok().map(|ip| IpAddr::from(ip).to_string()),
            _ => None,
        },
        _ => None,
    };
    alternative.value.general_names.iter().filter_map(name).collect()
}

/// `*.example.com` stands above `a.b.example.com` without covering it: a wildcard is one label.
pub(super) fn is_wildcard_above(name: &str, wanted: &str) -> bool {
    let Some(parent) = name.strip_prefix('*') else { return false };
    wanted.len() > parent.len() && wanted.to_ascii_lowercase().ends_with(&parent.to_ascii_lowercase())
}

pub(in crate::checks::tls) fn issuer_url(certificate: &X509Certificate<'_>) -> Option<String> {
    /// id-ad-caIssuers (RFC 5280 section 4.2.2.1).
    const CA_ISSUERS: &str = "1.3.6.1.5.5.7.48.2";
    certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityInfoAccess(access) => {
            access.iter().find_map(|it| match &it.access_location {
                GeneralName::URI(url) if it.access_method.to_id_string() == CA_ISSUERS => {
                    Some((*url).to_owned())
                }
                _ => None,
            })
        }
        _ => None,
    })
}
