//! What is wrong with a chain of certificates, as its clients see it. Pure: the time and the trusted authorities are given.
//!
//! Path, name and dates are judged apart. A verifier stops at the first fault, and its order is an accident: an expired
//! certificate for the wrong name would be only one of the two. So the path is verified at a moment when the leaf was
//! valid, and the dates are read on their own.

use jiff::Timestamp;
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use self::leaf::Leaf;
use self::read::{MOST_TOLD, is_wildcard_above, key_name, names, signature_name, told};
use super::Finding;
use crate::checks::Authorities;
use crate::outcome::{Facts, Outcome};

mod dates;
mod leaf;
mod path;
mod read;
mod trust;
mod warning;

pub(super) use self::leaf::Expectation;
pub(super) use self::read::issuer_url;
pub(super) use self::warning::Warning;

/// RSA keys below this are refused by every current client (CA/B Forum Baseline Requirements 6.1.5).
const SHORTEST_RSA_BITS: usize = 2048;

/// What was found out about a chain.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) findings: Vec<Finding>,
    pub(super) facts: Facts,
}

/// Judges a chain as the server presented it, its own certificate first.
pub(super) fn judge(chain: &[CertificateDer<'_>], expected: Expectation<'_>) -> Verdict {
    let Some(leaf) = chain.first() else { return Verdict::default() };
    let Ok((_, read)) = X509Certificate::from_der(leaf) else {
        let finding = Finding::new(Outcome::HandshakeFailure, "the server's certificate cannot be read");
        return Verdict { findings: vec![finding.because("bad_certificate")], facts: Facts::new() };
    };
    let leaf = Leaf { chain, read: &read, expected };
    let path = leaf.path();
    let findings = [leaf.dates(), leaf.name(), leaf.key(), path].into_iter().flatten().collect();
    Verdict { findings, facts: leaf.facts() }
}

/// How many findings a server's only certificate has, for a name and authorities that nobody has.
pub(in crate::checks) fn findings_of(der: &[u8], now: Timestamp) -> usize {
    let server_name = ServerName::try_from("api.example.com").expect("a constant that is a name");
    let roots = Authorities::default();
    let expected = Expectation {
        server_name: &server_name,
        roots: &roots,
        now,
        warn: Warning::at_days(1),
        fetched: &[],
    };
    judge(&[CertificateDer::from(der)], expected).findings.len()
}

/// How many findings a chain has, for `api.drill.test` and these authorities.
pub(in crate::checks) fn findings_of_chain(
    chain: &[Vec<u8>],
    authorities: &[Vec<u8>],
    now: Timestamp,
) -> usize {
    let server_name = ServerName::try_from("api.drill.test").expect("a constant that is a name");
    let roots = Authorities::default().and(authorities.iter().map(|it| CertificateDer::from(it.clone())));
    let expected =
        Expectation { server_name: &server_name, roots: &roots, now, warn: Warning::Never, fetched: &[] };
    let chain: Vec<_> = chain.iter().map(|it| CertificateDer::from(it.as_slice())).collect();
    // Who shows nothing is not good either; the handshake fails before anybody judges it.
    if chain.is_empty() { 1 } else { judge(&chain, expected).findings.len() }
}

/// Whether the certificate is for this name, dates and trust aside.
pub(super) fn is_for(certificate: &CertificateDer<'_>, server_name: &ServerName<'_>) -> bool {
    match ParsedCertificate::try_from(certificate) {
        Ok(parsed) => verify_server_name(&parsed, server_name).is_ok(),
        Err(_) => X509Certificate::from_der(certificate).is_ok_and(|(_, read)| {
            names(&read).iter().any(|it| it.eq_ignore_ascii_case(&server_name.to_str()))
        }),
    }
}

/// The names a certificate is for, for a fact.
pub(super) fn names_of(certificate: &CertificateDer<'_>) -> Vec<String> {
    X509Certificate::from_der(certificate).map(|(_, read)| names(&read)).unwrap_or_default()
}

pub(super) fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let bytes: Vec<String> = Sha256::digest(certificate).iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.concat()
}

impl Leaf<'_> {
    /// Only subjectAltName counts (RFC 9525); the common name is looked at for the diagnosis alone.
    fn name(&self) -> Option<Finding> {
        if is_for(&self.chain[0], self.expected.server_name) {
            return None;
        }
        let wanted = self.expected.server_name.to_str();
        let names = names(self.read);
        let common_name = self.read.subject().iter_common_name().find_map(|it| it.as_str().ok());
        let diagnosis = if names.is_empty() && common_name == Some(&*wanted) {
            "common_name_only"
        } else if names.iter().any(|name| is_wildcard_above(name, &wanted)) {
            "wildcard_one_label_only"
        } else {
            "other_name"
        };
        let presented = match names.as_slice() {
            [] => "no name".to_owned(),
            names if names.len() <= 3 => names.join(", "),
            names => format!("{} and {} more", names[..3].join(", "), names.len() - 3),
        };
        let finding =
            Finding::new(Outcome::NameMismatch, format!("certificate is for {presented}, not for {wanted}"));
        Some(finding.because(diagnosis))
    }

    /// A key that current clients refuse, which ends the handshake before anybody looks at the chain.
    fn key(&self) -> Option<Finding> {
        let PublicKey::RSA(key) = self.read.public_key().parsed().ok()? else { return None };
        // The reader counts whole bytes and takes the first for padding; zero is a key it cannot read.
        let bits = key.key_size();
        (bits > 0 && bits + 16 <= SHORTEST_RSA_BITS).then(|| {
            let text = format!("server's key has only {bits} bits (RSA), which clients refuse");
            Finding::new(Outcome::HandshakeFailure, text).because("weak_key")
        })
    }

    /// Every certificate follows the one that it issued (RFC 5246 section 7.4.2); most clients sort them, some do not.
    fn is_in_order(&self) -> bool {
        let read: Vec<_> =
            self.chain.iter().filter_map(|it| X509Certificate::from_der(it).ok()).map(|(_, it)| it).collect();
        read.iter().enumerate().all(|(at, it)| {
            let is_issuer = |other: &X509Certificate<'_>| other.subject().as_raw() == it.issuer().as_raw();
            let is_root = it.subject().as_raw() == it.issuer().as_raw();
            is_root
                || read.get(at + 1).is_none_or(is_issuer) && !read[..at].iter().any(is_issuer)
                || !read.iter().any(is_issuer)
        })
    }

    fn facts(&self) -> Facts {
        let days_left = (self.not_after().as_second() - self.expected.now.as_second()) / 86_400;
        let mut facts = Facts::from([
            ("not_before".to_owned(), json!(self.not_before().to_string())),
            ("not_after".to_owned(), json!(self.not_after().to_string())),
            ("days_left".to_owned(), json!(days_left)),
            ("issuer".to_owned(), json!(self.read.issuer().to_string())),
            ("subject".to_owned(), json!(self.read.subject().to_string())),
            ("names".to_owned(), json!(names(self.read))),
            ("chain_length".to_owned(), json!(self.chain.len())),
            ("fingerprint_sha256".to_owned(), json!(fingerprint(&self.chain[0]))),
            ("lifetime_days".to_owned(), json!(self.lifetime_seconds() / 86_400)),
            ("lifetime_left".to_owned(), json!(self.lifetime_left())),
            ("signature".to_owned(), json!(signature_name(self.read))),
        ]);
        facts.extend(key_name(self.read).map(|it| ("key".to_owned(), json!(it))));
        if self.chain.len() > 1 {
            if !self.is_in_order() {
                facts.insert("chain_in_order".to_owned(), json!(false));
            }
            facts.insert("chain".to_owned(), self.chain.iter().take(MOST_TOLD).filter_map(told).collect());
        }
        facts.extend(self.told_authority().map(|it| ("authority".to_owned(), it)));
        if !self.expected.fetched.is_empty() {
            facts.insert("issuers_fetched".to_owned(), json!(self.expected.fetched.len()));
        }
        if let Some(url) = issuer_url(self.read) {
            facts.insert("issuer_url".to_owned(), Value::from(url));
        }
        facts
    }
}

#[cfg(test)]
mod tests;
