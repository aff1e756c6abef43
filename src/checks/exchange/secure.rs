//! The TLS half of an exchange: keeps what it was shown, judges it before anything is sent, and says what is wrong in the words of the
//! `tls` check.
//!
//! The chain is judged once: a second verification inside the handshake would double its price. Only where the judge finds a fault is
//! the ordinary verifier of an API client asked as well, so that no fault is told of a chain that clients take.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Ask, ExchangeError, Phase};
use crate::checks::provider::PROVIDER;
use crate::checks::socket::Connection;
use crate::checks::tls::{self, BeyondUs, ChainFault};
use crate::checks::{Authorities, Environment};
use crate::outcome::{Facts, Outcome};

/// A certificate that does not verify.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the certificate does not verify: {why}")]
pub struct Untrusted {
    /// Its kind, an outcome of the `tls` check.
    pub kind: Outcome,
    /// What else is wrong with it.
    pub also: Vec<Outcome>,
    /// The finer finding of the `tls` check: `intermediate_expired`, `wildcard_one_label_only`, …
    pub diagnosis: Option<&'static str>,
    /// What is wrong, for a person.
    pub why: String,
    /// What the certificate says: `subject`, `issuer`, `not_after`, `names`, …
    pub facts: Facts,
}

/// Shakes hands. `Ok` holds the stream and the certificate's facts.
pub(super) async fn handshake(
    env: &Environment,
    ask: &Ask,
    stream: Connection,
    host: &str,
    deadline: Instant,
) -> Result<(TlsStream<Connection>, Facts), ExchangeError> {
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(bare).map_err(|why| ExchangeError::Unsendable(why.to_string()))?;
    let verifier = Arc::new(Recording::default());
    let connector = TlsConnector::from(Arc::new(config(Arc::clone(&verifier), ask.only_http1)?));
    let addr = stream.peer_addr().ok();
    let shaken = connector.connect(name.clone(), stream).await.map_err(|error| unshaken(&error));
    let mut chain = verifier.shown();
    let beyond = match (&shaken, addr) {
        (Err(error), Some(addr)) if chain.is_empty() && may_be_beyond_us(error) => {
            tls::beyond_us(env, (host, addr), &name, deadline).await
        }
        _ => None,
    };
    if let Some(beyond) = &beyond {
        chain.clone_from(&beyond.chain);
    }
    let now = crate::clock::now();
    let (faults, facts) = tls::faults(env, &chain, &name, &ask.roots, now, deadline).await;
    match untrusted(faults, &facts) {
        Some(untrusted) if !is_taken_by_clients(&chain, &name, &ask.roots, now) => {
            Err(ExchangeError::Untrusted(untrusted))
        }
        _ => match beyond {
            Some(BeyondUs { version, cipher, .. }) => Err(ExchangeError::BeyondUs { version, cipher }),
            None => Ok((shaken?, facts)),
        },
    }
}

/// Alerts with which servers say that they have nothing in common with us (RFC 8446 section 6), or say nothing.
fn may_be_beyond_us(error: &ExchangeError) -> bool {
    matches!(
        error,
        ExchangeError::Alert(40 | 47 | 71 | 80) | ExchangeError::Handshake(_) | ExchangeError::Reset(_)
    )
}

fn untrusted(faults: Vec<ChainFault>, facts: &Facts) -> Option<Untrusted> {
    let mut faults = faults.into_iter().filter(|it| it.outcome != Outcome::ExpiresSoon);
    let ChainFault { outcome, text, diagnosis } = faults.next()?;
    let also = faults.map(|it| it.outcome).collect();
    Some(Untrusted { kind: outcome, also, diagnosis, why: text, facts: facts.clone() })
}

/// What the verifier of an ordinary client says of the chain: one that, as most, looks at the dates of authorities too.
fn is_taken_by_clients(
    chain: &[CertificateDer<'_>],
    name: &ServerName<'_>,
    roots: &Authorities,
    now: Timestamp,
) -> bool {
    let roots = roots.at(now);
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let provider = Arc::clone(&PROVIDER);
    chain.split_first().is_some_and(|(leaf, rest)| {
        WebPkiServerVerifier::builder_with_provider(roots, provider)
            .build()
            .is_ok_and(|usual| usual.verify_server_cert(leaf, rest, name, &[], now).is_ok())
    })
}

fn unshaken(error: &std::io::Error) -> ExchangeError {
    if let Some(refusal) = refusal(error) {
        return ExchangeError::Alert(refusal);
    }
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof
        | std::io::ErrorKind::ConnectionReset
        | std::io::ErrorKind::BrokenPipe => ExchangeError::Reset(Phase::Tls),
        _ => match rustls_error(error) {
            Some(rustls::Error::InvalidMessage(_)) => ExchangeError::NotTls,
            _ => ExchangeError::Handshake(error.to_string()),
        },
    }
}

fn rustls_error(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>())
}

/// The number of a fatal alert, when the server ended the connection with one (RFC 8446 section 6).
pub(super) fn refusal(error: &std::io::Error) -> Option<u8> {
    match rustls_error(error)? {
        rustls::Error::AlertReceived(alert) => Some(u8::from(*alert)),
        _ => None,
    }
}

fn config(verifier: Arc<Recording>, only_http1: bool) -> Result<ClientConfig, ExchangeError> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_safe_default_protocol_versions()
        .map_err(|why| ExchangeError::Handshake(why.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let offered: &[&[u8]] = if only_http1 { &[b"http/1.1"] } else { &[b"h2", b"http/1.1"] };
    config.alpn_protocols = offered.iter().map(|it| it.to_vec()).collect();
    Ok(config)
}

/// Keeps what it was shown, and lets the handshake go on: the chain is judged before anything is sent.
#[derive(Debug, Default)]
struct Recording(Mutex<Vec<CertificateDer<'static>>>);

impl Recording {
    fn shown(&self) -> Vec<CertificateDer<'static>> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ServerCertVerifier for Recording {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _stapled: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let certificates = std::iter::once(leaf).chain(chain).map(|it| it.clone().into_owned());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = certificates.collect();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &PROVIDER.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &PROVIDER.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        PROVIDER.signature_verification_algorithms.supported_schemes()
    }
}
