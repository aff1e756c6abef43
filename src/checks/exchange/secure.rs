//! The TLS half of an exchange: verifies as an API client would, and remembers what it was shown when that fails.
//!
//! What exactly is wrong with a chain is the `tls` check's business; this tells the kinds apart as far as the presented
//! certificates alone can.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{ExchangeError, Phase};
use crate::outcome::Facts;

/// A certificate that does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the certificate does not verify: {kind}")]
pub struct Untrusted {
    /// The kind, as an outcome of the `tls` check: `expired`, `name_mismatch`, `unknown_issuer`, …
    pub kind: &'static str,
    /// `subject`, `issuer`, `not_before` and `not_after` of the certificate that was shown.
    pub facts: Facts,
}

/// Shakes hands. `Ok` holds the stream and the certificate's facts.
pub(super) async fn handshake(
    stream: TcpStream,
    host: &str,
    roots: Arc<RootCertStore>,
) -> Result<(TlsStream<TcpStream>, Facts), ExchangeError> {
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(bare).map_err(|why| ExchangeError::Unsendable(why.to_string()))?;
    let verifier = Arc::new(Recording::new(roots)?);
    let connector = TlsConnector::from(Arc::new(config(Arc::clone(&verifier))?));
    match connector.connect(name, stream).await {
        Ok(stream) => Ok((stream, verifier.facts())),
        Err(error) => Err(verifier.refusal().map_or_else(|| unshaken(&error), ExchangeError::Untrusted)),
    }
}

fn unshaken(error: &std::io::Error) -> ExchangeError {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof
        | std::io::ErrorKind::ConnectionReset
        | std::io::ErrorKind::BrokenPipe => ExchangeError::Reset(Phase::Tls),
        _ => ExchangeError::Handshake(error.to_string()),
    }
}

fn config(verifier: Arc<Recording>) -> Result<ClientConfig, ExchangeError> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|why| ExchangeError::Handshake(why.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Verifies as usual and keeps the leaf and the refusal.
#[derive(Debug)]
struct Recording {
    usual: Arc<WebPkiServerVerifier>,
    shown: Mutex<Shown>,
}

#[derive(Debug, Default)]
struct Shown {
    facts: Facts,
    refused: Option<&'static str>,
}

impl Recording {
    fn new(roots: Arc<RootCertStore>) -> Result<Self, ExchangeError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let usual = WebPkiServerVerifier::builder_with_provider(roots, provider)
            .build()
            .map_err(|why| ExchangeError::Handshake(why.to_string()))?;
        Ok(Self { usual, shown: Mutex::default() })
    }

    fn facts(&self) -> Facts {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).facts.clone()
    }

    fn refusal(&self) -> Option<Untrusted> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.refused.map(|kind| Untrusted { kind, facts: shown.facts.clone() })
    }
}

impl ServerCertVerifier for Recording {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = self.usual.verify_server_cert(leaf, chain, name, stapled, now);
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let (facts, is_own_issuer) = describe(leaf);
        *shown = Shown {
            facts,
            refused: verdict.as_ref().err().map(|error| kind(error, is_own_issuer, chain.is_empty())),
        };
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

/// What stands in a certificate, and whether it names itself as its issuer.
fn describe(leaf: &CertificateDer<'_>) -> (Facts, bool) {
    let Ok((_, certificate)) = X509Certificate::from_der(leaf) else { return (Facts::new(), false) };
    let date = |at: i64| jiff::Timestamp::from_second(at).map(|at| at.to_string()).unwrap_or_default();
    let validity = certificate.validity();
    let facts = Facts::from([
        ("subject".to_owned(), certificate.subject().to_string().into()),
        ("issuer".to_owned(), certificate.issuer().to_string().into()),
        ("not_before".to_owned(), date(validity.not_before.timestamp()).into()),
        ("not_after".to_owned(), date(validity.not_after.timestamp()).into()),
    ]);
    (facts, certificate.subject() == certificate.issuer())
}

fn kind(error: &rustls::Error, is_own_issuer: bool, stands_alone: bool) -> &'static str {
    let rustls::Error::InvalidCertificate(why) = error else { return "handshake_failure" };
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "not_yet_valid",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "name_mismatch"
        }
        CertificateError::UnknownIssuer if is_own_issuer => "self_signed",
        // A leaf that is sent without anybody above it, from an issuer we do not know: most often the intermediate is missing.
        CertificateError::UnknownIssuer if stands_alone => "incomplete_chain",
        CertificateError::Revoked => "revoked",
        _ => "unknown_issuer",
    }
}
