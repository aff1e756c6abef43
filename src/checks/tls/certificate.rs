//! What is wrong with a chain of certificates, as its clients see it. Pure: the time and the trusted authorities are given.
//!
//! Path, name and dates are judged apart. A verifier stops at the first fault, and its order is an accident: an expired
//! certificate for the wrong name would be only one of the two. So the path is verified at a moment when the leaf was
//! valid, and the dates are read on their own.

use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;

use jiff::Timestamp;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::OidRegistry;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::Finding;
use crate::checks::provider::PROVIDER;
use crate::duration;
use crate::outcome::{Facts, Outcome};

mod path;

/// RSA keys below this are refused by every current client (CA/B Forum Baseline Requirements 6.1.5).
const SHORTEST_RSA_BITS: usize = 2048;

/// Certificates of at most this lifetime are renewed by machines every few days (Let's Encrypt's live for six).
const SHORT_LIFETIME: Duration = Duration::from_hours(14 * 24);

/// Against what a chain is judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expectation<'a> {
    pub(super) server_name: &'a ServerName<'static>,
    pub(super) roots: &'a RootCertStore,
    pub(super) now: Timestamp,
    /// A certificate with less than this left "expires soon".
    pub(super) warn: Duration,
    /// Issuers that the server did not send and that were had from elsewhere.
    pub(super) fetched: &'a [CertificateDer<'static>],
}

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
    let roots = RootCertStore::empty();
    let expected = Expectation {
        server_name: &server_name,
        roots: &roots,
        now,
        warn: Duration::from_hours(24),
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
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities.iter().map(|it| CertificateDer::from(it.as_slice())));
    let expected =
        Expectation { server_name: &server_name, roots: &roots, now, warn: Duration::ZERO, fetched: &[] };
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

struct Leaf<'a> {
    chain: &'a [CertificateDer<'a>],
    read: &'a X509Certificate<'a>,
    expected: Expectation<'a>,
}

impl Leaf<'_> {
    fn not_before(&self) -> Timestamp {
        instant(self.read.validity().not_before.timestamp())
    }

    fn not_after(&self) -> Timestamp {
        instant(self.read.validity().not_after.timestamp())
    }

    fn dates(&self) -> Option<Finding> {
        let now = self.expected.now;
        let (not_before, not_after) = (self.not_before(), self.not_after());
        if now > not_after {
            let text = format!("certificate expired {} ago", duration::show(between(not_after, now)));
            return Some(Finding::new(Outcome::Expired, text));
        }
        if now < not_before {
            let wait = duration::show(between(now, not_before));
            let text = format!("certificate is not valid before {not_before}, in {wait}");
            return Some(Finding::new(Outcome::NotYetValid, text));
        }
        let left = between(now, not_after);
        (left < self.expected.warn).then(|| {
            let text = format!("certificate expires in {}", duration::show(left));
            let finding = Finding::new(Outcome::ExpiresSoon, text);
            // Authorities issue certificates for six days: less than the warning from the first day on.
            let lifetime = between(not_before, not_after);
            let is_fresh = lifetime <= SHORT_LIFETIME && left > lifetime / 3;
            if is_fresh { finding.because("short_lived_certificate") } else { finding }
        })
    }

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

    fn path(&self) -> Option<Finding> {
        let now = self.expected.now.clamp(self.not_before(), self.not_after().max(self.not_before()));
        let Err(error) = self.verify_path(&self.chain[1..], now) else { return self.path_later(now) };
        if self.is_trusted_itself() {
            return None;
        }
        if is_strictness(&error) && path::is_found(self.chain, self.expected.roots, now) {
            return None;
        }
        if self.read.issuer().as_raw() == self.read.subject().as_raw() {
            let finding = Finding::new(Outcome::SelfSigned, "certificate is self-signed and not trusted");
            return Some(finding.because("self_signed"));
        }
        Some(match error {
            Error::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            ) => Finding::new(
                Outcome::Expired,
                "a certificate between the server's and its authority has expired",
            )
            .because("intermediate_expired"),
            Error::InvalidCertificate(
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
            ) => Finding::new(
                Outcome::NotYetValid,
                "a certificate between the server's and its authority is not valid yet",
            )
            .because("intermediate_not_yet_valid"),
            Error::InvalidCertificate(
                CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. },
            ) => Finding::new(Outcome::HandshakeFailure, "certificate is not meant for servers")
                .because("wrong_purpose"),
            _ if self.has_weak_signature() => {
                let text = "a certificate of the chain is signed with SHA-1 or MD5, which clients refuse";
                Finding::new(Outcome::HandshakeFailure, text).because("weak_signature")
            }
            // An algorithm that this program lacks says nothing about the server.
            _ if is_beyond_us(&error) => return None,
            _ => self.unknown_issuer(&error, now),
        })
    }

    /// Nobody trusted vouches for it: because part of the chain was not sent, or because its authority is not trusted.
    fn unknown_issuer(&self, error: &Error, now: Timestamp) -> Finding {
        let issuer = self.read.issuer();
        let fetched = self.expected.fetched;
        let half = |how: &str| {
            let text = format!("server does not send `{issuer}`, which issued its certificate{how}");
            Finding::new(Outcome::IncompleteChain, text).because("missing_intermediate")
        };
        if !fetched.is_empty() {
            let whole: Vec<_> = self.chain[1..].iter().chain(fetched).cloned().collect();
            if self.verify_path(&whole, now).is_ok() {
                return half("; fetched from where the certificate says, it completes the chain");
            }
        }
        let is_unknown = matches!(error, Error::InvalidCertificate(CertificateError::UnknownIssuer));
        if !is_unknown {
            return Finding::new(Outcome::UnknownIssuer, format!("certificate does not verify: {error}"))
                .because("path_fails");
        }
        // What was fetched and leads nowhere refutes the guess.
        if fetched.is_empty() && self.is_half_a_chain() {
            return half("");
        }
        let top = self.top();
        if fetched.is_empty()
            && top.issuer().as_raw() != issuer.as_raw()
            && is_intermediate(&top.issuer().to_string())
        {
            let text = format!("server does not send `{}`, which issued `{}`", top.issuer(), top.subject());
            return Finding::new(Outcome::IncompleteChain, text).because("missing_intermediate");
        }
        let all = self.chain.iter().chain(fetched).rev();
        let mut top =
            all.filter_map(|it| X509Certificate::from_der(it).ok()).map(|(_, it)| it.issuer().to_string());
        let top = top.next().unwrap_or_else(|| issuer.to_string());
        let text = format!("certificate goes back to `{top}`, which is not trusted here");
        Finding::new(Outcome::UnknownIssuer, text).because("untrusted_authority")
    }

    fn has_weak_signature(&self) -> bool {
        let read = self.chain.iter().filter_map(|it| X509Certificate::from_der(it).ok());
        // An authority's signature on itself is never looked at.
        let mut signed = read.map(|(_, it)| it).filter(|it| it.subject().as_raw() != it.issuer().as_raw());
        signed.any(|it| path::is_weakly_signed(&it))
    }

    /// The path holds now; an intermediate may still expire before the leaf does.
    fn path_later(&self, now: Timestamp) -> Option<Finding> {
        if self.expected.warn.is_zero() {
            return None;
        }
        let later = now.checked_add(self.expected.warn).ok()?;
        if later > self.not_after() || self.verify_path(&self.chain[1..], later).is_ok() {
            return None;
        }
        let text = "a certificate between the server's and its authority expires soon";
        Some(Finding::new(Outcome::ExpiresSoon, text).because("intermediate_expires_soon"))
    }

    fn verify_path(&self, others: &[CertificateDer<'_>], at: Timestamp) -> Result<(), Error> {
        let seconds = u64::try_from(at.as_second()).unwrap_or_default();
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(&self.chain[0])?,
            self.expected.roots,
            &path::candidates(others),
            UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
            PROVIDER.signature_verification_algorithms.all,
        )
    }

    /// The server's own certificate was given as an authority: other TLS libraries take that, and so does whoever
    /// put it into `ca_file`. Anchors are kept without their outer tags, hence `ends_with`.
    fn is_trusted_itself(&self) -> bool {
        let (subject, key) = (self.read.subject().as_raw(), self.read.public_key().raw);
        self.expected.roots.roots.iter().any(|anchor| {
            path::is_sequence_of(subject, &anchor.subject)
                && path::is_sequence_of(key, &anchor.subject_public_key_info)
        })
    }

    /// Whether the issuer is missing rather than unknown. The wire alone cannot tell: a root is never sent. What tells is
    /// that the issuer was not sent and is an intermediate: public authorities say where to fetch it (RFC 5280 section
    /// 4.2.2.1), some name their own issuer (section 4.2.1.1), most say it in their name.
    fn is_half_a_chain(&self) -> bool {
        let issuer = self.read.issuer();
        let is_sent = self.chain[1..].iter().any(|it| {
            X509Certificate::from_der(it).is_ok_and(|(_, it)| it.subject().as_raw() == issuer.as_raw())
        });
        !is_sent
            && (issuer_url(self.read).is_some()
                || self.issuer_is_below_a_root()
                || is_intermediate(&issuer.to_string()))
    }

    /// The certificate at which the sent chain ends, from the server's own upwards.
    fn top(&self) -> X509Certificate<'_> {
        let mut top = self.read.clone();
        // At most one step for each certificate that was sent: hostile chains go in circles.
        for _ in 1..self.chain.len() {
            let above = self.chain[1..].iter().find_map(|it| {
                let (_, read) = X509Certificate::from_der(it).ok()?;
                let is_above = read.subject().as_raw() == top.issuer().as_raw()
                    && read.subject().as_raw() != top.subject().as_raw();
                is_above.then_some(read)
            });
            let Some(above) = above else { break };
            top = above;
        }
        top
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

    fn issuer_is_below_a_root(&self) -> bool {
        let named = self.read.iter_extensions().find_map(|it| match it.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(key) => key.authority_cert_issuer.as_ref(),
            _ => None,
        });
        named.into_iter().flatten().any(|name| match name {
            GeneralName::DirectoryName(name) => {
                name.as_raw() != self.read.issuer().as_raw()
                    && self
                        .expected
                        .roots
                        .roots
                        .iter()
                        .any(|anchor| path::is_sequence_of(name.as_raw(), &anchor.subject))
            }
            _ => false,
        })
    }

    fn lifetime_seconds(&self) -> i64 {
        (self.not_after().as_second() - self.not_before().as_second()).max(0)
    }

    /// The part of the certificate's own lifetime that is left, from 0 to 1, in hundredths: with lifetimes of 47 days and six, a
    /// number of days says little (CA/B Forum SC-081v3).
    #[expect(clippy::cast_precision_loss, reason = "hundredths of a lifetime need no 53 bits")]
    fn lifetime_left(&self) -> f64 {
        let left = (self.not_after().as_second() - self.expected.now.as_second()).max(0) as f64;
        let share = left / (self.lifetime_seconds().max(1) as f64);
        (share.min(1.0) * 100.0).round() / 100.0
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
        if !self.expected.fetched.is_empty() {
            facts.insert("issuers_fetched".to_owned(), json!(self.expected.fetched.len()));
        }
        if let Some(url) = issuer_url(self.read) {
            facts.insert("issuer_url".to_owned(), Value::from(url));
        }
        facts
    }
}

/// How many certificates of a chain are told; ordinary chains have two or three.
const MOST_TOLD: usize = 8;

/// A certificate of the chain, for the fact `chain`.
fn told(certificate: &CertificateDer<'_>) -> Option<Value> {
    let (_, read) = X509Certificate::from_der(certificate).ok()?;
    Some(json!({
        "subject": read.subject().to_string(),
        "issuer": read.issuer().to_string(),
        "not_before": instant(read.validity().not_before.timestamp()).to_string(),
        "not_after": instant(read.validity().not_after.timestamp()).to_string(),
    }))
}

/// `RSA 2048`, `EC 256`: the kind of key and its bits.
fn key_name(certificate: &X509Certificate<'_>) -> Option<String> {
    match certificate.public_key().parsed().ok()? {
        PublicKey::RSA(key) => Some(format!("RSA {}", key.key_size())),
        PublicKey::EC(key) => Some(format!("EC {}", key.key_size())),
        _ => None,
    }
}

static OID_REGISTRY: LazyLock<OidRegistry<'static>> = LazyLock::new(|| OidRegistry::default().with_crypto());

fn signature_name(certificate: &X509Certificate<'_>) -> String {
    let algorithm = &certificate.signature_algorithm.algorithm;
    OID_REGISTRY.get(algorithm).map_or_else(|| algorithm.to_id_string(), |it| it.sn().to_owned())
}

/// What the strict verifier refuses and other clients take: see [`path`].
fn is_strictness(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::BadEncoding) => true,
        Error::InvalidCertificate(CertificateError::Other(why)) => {
            let why = format!("{why:?}");
            ["CaUsedAsEndEntity", "UnsupportedCertVersion"].iter().any(|it| why.contains(it))
        }
        _ => false,
    }
}

/// An algorithm that is not verified here, such as Ed448.
fn is_beyond_us(error: &Error) -> bool {
    let why = format!("{error:?}");
    why.contains("UnsupportedSignatureAlgorithm")
}

/// Certificates may carry dates beyond what a timestamp holds; those are "for ever".
fn instant(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(if second < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(to.as_second() - from.as_second()).unwrap_or_default())
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
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
fn is_wildcard_above(name: &str, wanted: &str) -> bool {
    let Some(parent) = name.strip_prefix('*') else { return false };
    wanted.len() > parent.len() && wanted.to_ascii_lowercase().ends_with(&parent.to_ascii_lowercase())
}

pub(super) fn issuer_url(certificate: &X509Certificate<'_>) -> Option<String> {
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

/// Authorities below a root mostly say so, in one of these words.
fn is_intermediate(issuer: &str) -> bool {
    const WORDS: [&str; 8] =
        ["intermediate", "inter", "int", "issuing", "subordinate", "sub", "subca", "ica"];
    let mut words = issuer.split(|it: char| !it.is_ascii_alphanumeric());
    words.any(|word| WORDS.iter().any(|known| word.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests;
