//! The TLS half of an exchange: verifies as an API client would, and remembers what it was shown when that fails.
//!
//! What is wrong with a chain is said in the words of the `tls` check, which judges it.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{ExchangeError, Phase};
use crate::checks::tls;
use crate::outcome::{Facts, Outcome};

/// A certificate that does not verify.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the certificate does not verify: {why}")]
pub struct Untrusted {
    /// Its kind, an outcome of the `tls` check.
    pub kind: Outcome,
    /// What else is wrong with it.
    pub also: Vec<Outcome>,
    /// What is wrong, for a person.
    pub why: String,
    /// What the certificate says: `subject`, `issuer`, `not_after`, `names`, …
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
    let verifier = Arc::new(Recording::new(Arc::clone(&roots))?);
    let connector = TlsConnector::from(Arc::new(config(Arc::clone(&verifier))?));
    let shaken = connector.connect(name.clone(), stream).await;
    let shown = verifier.shown();
    let (faults, facts) = tls::faults(&shown.chain, &name, &roots, crate::clock::now());
    match shaken {
        Ok(stream) => Ok((stream, facts)),
        Err(_) if shown.refused => Err(ExchangeError::Untrusted(untrusted(faults, facts))),
        Err(error) => Err(unshaken(&error)),
    }
}

fn untrusted(faults: Vec<(Outcome, String)>, facts: Facts) -> Untrusted {
    let mut faults = faults.into_iter().filter(|(outcome, _)| *outcome != Outcome::ExpiresSoon);
    // The two verifiers cannot disagree; should they, the path is what nobody vouched for.
    let (kind, why) = faults.next().unwrap_or((Outcome::UnknownIssuer, "nobody vouches for it".to_owned()));
    Untrusted { kind, also: faults.map(|(outcome, _)| outcome).collect(), why, facts }
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

/// Verifies as usual, and keeps what it was shown.
#[derive(Debug)]
struct Recording {
    usual: Arc<WebPkiServerVerifier>,
    shown: Mutex<Shown>,
}

#[derive(Debug, Clone, Default)]
struct Shown {
    chain: Vec<CertificateDer<'static>>,
    refused: bool,
}

impl Recording {
    fn new(roots: Arc<RootCertStore>) -> Result<Self, ExchangeError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let usual = WebPkiServerVerifier::builder_with_provider(roots, provider)
            .build()
            .map_err(|why| ExchangeError::Handshake(why.to_string()))?;
        Ok(Self { usual, shown: Mutex::default() })
    }

    fn shown(&self) -> Shown {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
        let certificates = std::iter::once(leaf).chain(chain).map(|it| it.clone().into_owned());
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) =
            Shown { chain: certificates.collect(), refused: verdict.is_err() };
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
