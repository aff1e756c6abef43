//! Who vouches for a certificate: the path to a trusted authority, and what is missing where there is none.

use std::time::Duration;

use jiff::Timestamp;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};
use serde_json::{Value, json};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::leaf::Leaf;
use super::path;
use super::read::issuer_url;
use super::warning::{between, instant};
use crate::checks::authorities::Dates;
use crate::checks::provider::PROVIDER;
use crate::checks::tls::Finding;
use crate::duration;
use crate::outcome::Outcome;

impl Leaf<'_> {
    pub(super) fn path(&self) -> Option<Finding> {
        let now = self.path_time();
        let roots = self.expected.roots.at(now);
        let Err(mut error) = self.verify_path(&self.chain[1..], &roots, now) else {
            return self.path_later(&roots, now);
        };
        if self.is_trusted_itself() {
            return None;
        }
        if is_strictness(&error) && path::is_found(self.chain, &roots, now) {
            return None;
        }
        if roots.len() < self.expected.roots.all().len() {
            match self.outdated_authority() {
                Ok((anchor, dates)) => return Some(outdated(anchor, dates, self.expected.now)),
                Err(of_all) => error = of_all,
            }
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
            if self.verify_path(&whole, self.expected.roots.all(), now).is_ok() {
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
    fn path_later(&self, roots: &RootCertStore, now: Timestamp) -> Option<Finding> {
        let above = self.chain[1..].iter().filter_map(|it| X509Certificate::from_der(it).ok());
        // One that has ended already is not what the path goes through.
        let before_the_leaf = now.as_second()..self.not_after().as_second();
        let mut ending = above.map(|(_, it)| it).filter(|it| {
            before_the_leaf.contains(&it.validity().not_after.timestamp())
                && self.expected.warn.comes(it, now)
        });
        ending.find_map(|it| {
            let after = instant(it.validity().not_after.timestamp().saturating_add(1));
            self.verify_path(&self.chain[1..], roots, after).is_err().then(|| {
                let text = "a certificate between the server's and its authority expires soon";
                Finding::new(Outcome::ExpiresSoon, text).because("intermediate_expires_soon")
            })
        })
    }

    /// The moment at which the path is judged: now, or the nearest at which the leaf itself was good.
    fn path_time(&self) -> Timestamp {
        self.expected.now.clamp(self.not_before(), self.not_after().max(self.not_before()))
    }

    /// The authority that the path leads to and whose own certificate is out of date; no other authority that is trusted leads to a good one.
    ///
    /// RFC 5280 section 6.1 leaves a trust anchor's dates out of path validation. OpenSSL and Go, and so most API clients, look at them all the
    /// same ("certificate has expired", at the depth of the root); Java and rustls do not.
    fn outdated_authority(&self) -> Result<(&TrustAnchor<'static>, Dates), Error> {
        let at = self.path_time();
        let all = self.expected.roots.all();
        match self.verify_path(&self.chain[1..], all, at) {
            Err(error) if !(is_strictness(&error) && path::is_found(self.chain, all, at)) => Err(error),
            _ => {
                let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
                self.outdated_above(at).ok_or(unknown)
            }
        }
    }

    /// An authority that is out of date and that a certificate of the chain names as its issuer.
    fn outdated_above(&self, at: Timestamp) -> Option<(&TrustAnchor<'static>, Dates)> {
        let read: Vec<_> = self.chain.iter().filter_map(|it| X509Certificate::from_der(it).ok()).collect();
        self.expected.roots.outdated(at).find(|(anchor, _)| {
            read.iter().any(|(_, it)| path::is_sequence_of(it.issuer().as_raw(), &anchor.subject))
        })
    }

    /// The authority behind [`Self::outdated_authority`], for a fact.
    pub(super) fn told_authority(&self) -> Option<Value> {
        let at = self.path_time();
        // Nearly always nobody: then nothing is verified a second time.
        let is_outdated = self.outdated_above(at).is_some()
            && self.verify_path(&self.chain[1..], &self.expected.roots.at(at), at).is_err();
        let (anchor, dates) = is_outdated.then(|| self.outdated_authority().ok()).flatten()?;
        Some(json!({
            "subject": path::name_of(anchor),
            "not_before": instant(dates.not_before).to_string(),
            "not_after": instant(dates.not_after).to_string(),
        }))
    }

    fn verify_path(
        &self,
        others: &[CertificateDer<'_>],
        roots: &RootCertStore,
        at: Timestamp,
    ) -> Result<(), Error> {
        let seconds = u64::try_from(at.as_second()).unwrap_or_default();
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(&self.chain[0])?,
            roots,
            &path::candidates(others),
            UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
            PROVIDER.signature_verification_algorithms.all,
        )
    }

    /// The server's own certificate was given as an authority: other TLS libraries take that, and so does whoever
    /// put it into `ca_file`. Anchors are kept without their outer tags, hence `ends_with`.
    fn is_trusted_itself(&self) -> bool {
        let (subject, key) = (self.read.subject().as_raw(), self.read.public_key().raw);
        self.expected.roots.all().roots.iter().any(|anchor| {
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
                        .all()
                        .roots
                        .iter()
                        .any(|anchor| path::is_sequence_of(name.as_raw(), &anchor.subject))
            }
            _ => false,
        })
    }
}

/// A trusted authority whose own certificate is not good at this time.
fn outdated(anchor: &TrustAnchor<'_>, dates: Dates, now: Timestamp) -> Finding {
    let name = path::name_of(anchor);
    let end = instant(dates.not_after);
    if now > end {
        let ago = duration::show(between(end, now));
        let text =
            format!("certificate goes back to `{name}`, which is trusted and itself expired {ago} ago");
        Finding::new(Outcome::Expired, text).because("authority_expired")
    } else {
        let begin = instant(dates.not_before);
        let text =
            format!("certificate goes back to `{name}`, which is trusted and not valid before {begin}");
        Finding::new(Outcome::NotYetValid, text).because("authority_not_yet_valid")
    }
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

/// Authorities below a root mostly say so, in one of these words.
pub(super) fn is_intermediate(issuer: &str) -> bool {
    const WORDS: [&str; 8] =
        ["intermediate", "inter", "int", "issuing", "subordinate", "sub", "subca", "ica"];
    let mut words = issuer.split(|it: char| !it.is_ascii_alphanumeric());
    words.any(|word| WORDS.iter().any(|known| word.eq_ignore_ascii_case(known)))
}
