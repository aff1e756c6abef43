//! What the certificate's authority says of it, as the server sends it along: the stapled OCSP answer (RFC 6960, RFC 6066 section 8).
//!
//! Few clients look: browsers refuse a certificate whose staple says "revoked", most libraries take it. The answer's signature is not
//! verified: a server that sends a false one about itself harms itself alone.

use rustls::pki_types::CertificateDer;
use serde_json::json;
use x509_parser::der_parser::oid;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::Finding;
use crate::outcome::{Facts, Outcome};

/// What server and authority say of the server's certificate. A revoked one ends the handshake of every client that looks.
pub(super) fn judge(chain: &[CertificateDer<'_>], staple: &[u8], facts: &mut Facts) -> Option<Finding> {
    let (_, leaf) = X509Certificate::from_der(chain.first()?).ok()?;
    let said = status(staple, leaf.raw_serial());
    let is_due = is_due(&leaf);
    if is_due || said.is_some() {
        facts.insert("must_staple".to_owned(), json!(is_due));
        facts.insert("ocsp_staple".to_owned(), json!(said.map_or("none", Status::id)));
    }
    (said == Some(Status::Revoked)).then(|| {
        let text = "certificate is revoked, as its authority says in the OCSP answer that the server staples";
        Finding::new(Outcome::HandshakeFailure, text).because("revoked")
    })
}

/// What is worth knowing of a certificate that is valid: it asks its clients to insist on a staple, and there is none.
pub(super) fn diagnosis(facts: &Facts) -> Option<&'static str> {
    let is = |key: &str, value| facts.get(key) == Some(&value);
    (is("must_staple", json!(true)) && is("ocsp_staple", json!("none"))).then_some("staple_missing")
}

/// The state of one certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Good,
    Revoked,
    Unknown,
}

impl Status {
    /// The id used in facts.
    fn id(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Revoked => "revoked",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether the certificate obliges its server to staple (RFC 7633: TLS feature `status_request`).
fn is_due(certificate: &X509Certificate<'_>) -> bool {
    let features = certificate.extensions().iter().find(|it| it.oid == oid!(1.3.6.1.5.5.7.1.24));
    let listed = features.and_then(|it| Element::read(it.value)).filter(|it| it.tag == SEQUENCE);
    listed.is_some_and(|it| it.inner().any(|feature| feature.tag == INTEGER && feature.body == [5]))
}

/// What the staple says of the certificate with this serial number (the content of its INTEGER); `None` when it says nothing.
fn status(staple: &[u8], serial: &[u8]) -> Option<Status> {
    let response = Element::of(staple, SEQUENCE)?;
    let mut parts = response.inner();
    // Whether the authority's server answered at all.
    parts.next().filter(|it| it.tag == ENUMERATED && it.body == [0])?;
    let bytes = Element::of(parts.next()?.body, SEQUENCE)?;
    let basic = Element::of(bytes.inner().find(|it| it.tag == OCTETS)?.body, SEQUENCE)?;
    let data = basic.inner().next()?;
    // Version, responder and time are tagged otherwise.
    let answers = data.inner().find(|it| it.tag == SEQUENCE)?;
    answers.inner().find_map(|answer| {
        let mut parts = answer.inner();
        let is_ours = parts.next()?.inner().any(|it| it.tag == INTEGER && it.body == serial);
        let state = parts.next()?.tag;
        is_ours.then_some(match state {
            GOOD => Status::Good,
            REVOKED => Status::Revoked,
            _ => Status::Unknown,
        })
    })
}

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const ENUMERATED: u8 = 0x0a;
const SEQUENCE: u8 = 0x30;
/// `[0] IMPLICIT NULL` and `[1] IMPLICIT RevokedInfo` (RFC 6960 section 4.2.1).
const GOOD: u8 = 0x80;
const REVOKED: u8 = 0xa1;

/// One DER element: its tag and its content.
#[derive(Clone, Copy)]
struct Element<'a> {
    tag: u8,
    body: &'a [u8],
}

impl<'a> Element<'a> {
    fn of(bytes: &'a [u8], tag: u8) -> Option<Self> {
        Self::read(bytes).filter(|it| it.tag == tag)
    }

    fn read(bytes: &'a [u8]) -> Option<Self> {
        Some(Self::split(bytes)?.0)
    }

    /// The first element and what stands behind it.
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (tag, length, rest) = match bytes {
            [tag, length @ 0..=0x7f, rest @ ..] | [tag, 0x81, length, rest @ ..] => {
                (*tag, usize::from(*length), rest)
            }
            [tag, 0x82, high, low, rest @ ..] => (*tag, usize::from(u16::from_be_bytes([*high, *low])), rest),
            // Longer than any answer about one certificate.
            _ => return None,
        };
        Some((Self { tag, body: rest.get(..length)? }, &rest[length..]))
    }

    fn inner(self) -> impl Iterator<Item = Element<'a>> {
        let mut rest = self.body;
        std::iter::from_fn(move || {
            let (element, after) = Self::split(rest)?;
            rest = after;
            Some(element)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&[tag, 0x82], &length[..], &body].concat()
    }

    /// An answer about the certificate number 7, as an authority makes it.
    fn staple(state: &[u8]) -> Vec<u8> {
        let names = der(OCTETS, &[&[9; 20]]);
        let id = der(SEQUENCE, &[&der(SEQUENCE, &[]), &names, &names, &[INTEGER, 1, 7]]);
        let answer = der(SEQUENCE, &[&id, state, &[0x18, 0]]);
        let responder = der(0xa2, &[&names]);
        let data = der(SEQUENCE, &[&responder, &[0x18, 0], &der(SEQUENCE, &[&answer])]);
        let basic = der(SEQUENCE, &[&data, &der(SEQUENCE, &[]), &[0x03, 1, 0]]);
        let bytes = der(SEQUENCE, &[&[0x06, 1, 1], &der(OCTETS, &[&basic])]);
        der(SEQUENCE, &[&[ENUMERATED, 1, 0], &der(0xa0, &[&bytes])])
    }

    #[test]
    fn a_staple_says_what_became_of_the_certificate() {
        for (state, expected) in [
            (&[GOOD, 0][..], Status::Good),
            (&[REVOKED, 2, 0x18, 0], Status::Revoked),
            (&[0x82, 0], Status::Unknown),
        ] {
            assert_eq!(status(&staple(state), &[7]), Some(expected));
        }
    }

    #[test]
    fn a_staple_for_another_certificate_or_without_an_answer_says_nothing() {
        assert_eq!(status(&staple(&[REVOKED, 0]), &[8]), None);
        assert_eq!(status(&[SEQUENCE, 3, ENUMERATED, 1, 3], &[7]), None);
        assert_eq!(status(&[], &[7]), None);
    }

    proptest! {
        #[test]
        fn any_staple_is_read_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0_usize..200, byte: u8) {
            let _ = status(&bytes, &[7]);
            let mut broken = staple(&[GOOD, 0]);
            let at = at % broken.len();
            broken[at] = byte;
            prop_assert!(status(&broken, &[7]).is_none_or(|it| !it.id().is_empty()));
        }
    }
}
