//! One TLS handshake that records everything and judges nothing.
//!
//! The verifier accepts any certificate, so that the handshake goes on and shows what a strict client never gets to see:
//! the protocol, and whether a client certificate is wanted, which with TLS 1.3 comes only with the first read.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{
    AlertDescription, ClientConfig, DigitallySignedStruct, Error, PeerIncompatible, SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::checks::identity;
use crate::checks::provider::PROVIDER;
use crate::checks::socket::Connection;

/// How long a server that asked for a client certificate may take to refuse us for having none.
const REFUSAL_WAIT: Duration = Duration::from_secs(2);

/// How much of the first bytes is kept: enough to know a protocol by its greeting.
const FIRST_BYTES: usize = 64;

/// What the client says in its hello.
#[derive(Debug, Clone)]
pub(super) struct Hello {
    pub(super) server_name: ServerName<'static>,
    pub(super) alpn: Vec<String>,
    /// Whether the server is told the name (RFC 6066 section 3).
    pub(super) sends_name: bool,
}

/// What became of a handshake.
#[derive(Debug, Clone)]
pub(super) struct Handshake {
    /// What the server presented, even when the handshake failed later.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// The OCSP answer that came with it; empty when none did.
    pub(super) staple: Vec<u8>,
    /// The server asked for a client certificate.
    pub(super) wants_certificate: bool,
    /// What was agreed, or why nothing was.
    pub(super) end: Result<Agreed, Fault>,
    /// From the hello to the end.
    pub(super) took: Duration,
}

/// What client and server agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) protocol: &'static str,
    pub(super) cipher: String,
    pub(super) alpn: Option<String>,
    /// The server refused us after the handshake, for want of a client certificate.
    pub(super) refused_after: Option<Fault>,
}

/// How a handshake failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// No answer in time.
    Timeout,
    /// The server closed the connection.
    Closed,
    /// The server reset the connection.
    Reset,
    /// The server sent a fatal alert (RFC 8446 section 6).
    Alert(u8),
    /// What came is no TLS; these are its first bytes.
    NotTls(Vec<u8>),
    /// The server chose a version older than TLS 1.2.
    OldVersion,
    /// Nothing in common, or a breach of the protocol, in the library's words.
    Broken(String),
    /// The server answered plain HTTP 400 for want of a client certificate, inside TLS.
    HttpRefusal,
}

/// The `Date` that a server gives with any answer over HTTP/1.1 inside TLS: its clock, by its own word.
pub(super) async fn server_date(
    stream: Connection,
    server_name: &ServerName<'static>,
    deadline: Instant,
) -> Option<String> {
    let exchange = async {
        let config = client_config(&Arc::new(Recorder::default()), &["http/1.1".to_owned()], true).ok()?;
        let connecting = TlsConnector::from(Arc::new(config)).connect(server_name.clone(), stream);
        let mut tls = connecting.await.ok()?;
        tls.write_all(&greeting(Some("http/1.1"), server_name)).await.ok()?;
        let head =
            read_up_to(&mut tls, MOST_OF_AN_ANSWER, |read| read.windows(4).any(|it| it == b"\r\n\r\n")).await;
        let head = String::from_utf8_lossy(&head).into_owned();
        let line = head
            .lines()
            .find(|it| it.len() > 5 && it.is_char_boundary(5) && it[..5].eq_ignore_ascii_case("date:"))?;
        Some(line[5..].trim().to_owned())
    };
    timeout_at(deadline, exchange).await.ok().flatten()
}

/// How much of an answer is read: enough for the head, or a gateway's error page.
const MOST_OF_AN_ANSWER: usize = 4096;

/// Reads until there is enough, the end, or an error.
async fn read_up_to(
    stream: &mut (impl AsyncRead + Unpin),
    most: usize,
    is_enough: impl Fn(&[u8]) -> bool,
) -> Vec<u8> {
    let mut read = Vec::new();
    let mut part = [0; 1024];
    while read.len() < most && !is_enough(&read) {
        match stream.read(&mut part).await {
            Ok(size) if size > 0 => read.extend_from_slice(&part[..size]),
            _ => break,
        }
    }
    read
}

/// Shakes hands on a fresh connection.
pub(super) async fn shake(stream: Connection, hello: &Hello, deadline: Instant) -> Handshake {
    let started = Instant::now();
    let recorder = Arc::new(Recorder::default());
    let mut tap = Tap { stream, first: Vec::new() };
    let end = async {
        let config = client_config(&recorder, &hello.alpn, hello.sends_name)
            .map_err(|why| Fault::Broken(why.to_string()))?;
        let connecting = TlsConnector::from(Arc::new(config)).connect(hello.server_name.clone(), &mut tap);
        let mut tls = match timeout_at(deadline, connecting).await {
            Err(_) => return Err(Fault::Timeout),
            Ok(Err(error)) => return Err(fault(&error)),
            Ok(Ok(tls)) => tls,
        };
        let took = started.elapsed();
        let connection = tls.get_ref().1;
        let mut agreed = Agreed {
            protocol: connection.protocol_version().map_or("unknown", protocol_name),
            cipher: connection
                .negotiated_cipher_suite()
                .map_or_else(String::new, |it| format!("{:?}", it.suite())),
            alpn: connection.alpn_protocol().map(|it| String::from_utf8_lossy(it).into_owned()),
            refused_after: None,
        };
        if recorder.seen().wants_certificate {
            let until = deadline.min(Instant::now() + REFUSAL_WAIT);
            let greeting = greeting(agreed.alpn.as_deref(), &hello.server_name);
            agreed.refused_after = timeout_at(until, refusal(&mut tls, &greeting)).await.unwrap_or_default();
        }
        Ok((agreed, took))
    }
    .await;
    let (end, took) = match end {
        Ok((agreed, took)) => (Ok(agreed), took),
        Err(Fault::OldVersion) if !chose_old_version(&tap.first) => (
            Err(Fault::Broken("the server chose a version of TLS that there is none of".to_owned())),
            started.elapsed(),
        ),
        Err(Fault::Broken(_)) if !tap.first.is_empty() && !is_tls(&tap.first) => {
            (Err(Fault::NotTls(tap.first)), started.elapsed())
        }
        Err(fault) => (Err(fault), started.elapsed()),
    };
    let Seen { chain, staple, wants_certificate } = recorder.seen();
    Handshake { chain, staple, wants_certificate, end, took }
}

/// TLS records begin with one of five content types (RFC 8446 section 5.1).
fn is_tls(first: &[u8]) -> bool {
    matches!(first, [20..=24, 3, ..] | [20..=24])
}

/// Whether a ServerHello, behind the heads of its record and its message, names SSL 3, TLS 1.0 or TLS 1.1 (RFC 5246 section 7.4.1.3).
/// A warning may stand before it (`unrecognized_name`).
fn chose_old_version(mut first: &[u8]) -> bool {
    while let [21, _, _, 0, 2, _, _, rest @ ..] = first {
        first = rest;
    }
    matches!(first, [22, _, _, _, _, 2, _, _, _, 3, 0..=2, ..])
}

fn protocol_name(version: rustls::ProtocolVersion) -> &'static str {
    match version {
        rustls::ProtocolVersion::TLSv1_3 => "TLSv1.3",
        rustls::ProtocolVersion::TLSv1_2 => "TLSv1.2",
        _ => "unknown",
    }
}

/// What makes a server speak after the handshake: the start of HTTP/2, or a request for nothing.
fn greeting(alpn: Option<&str>, server_name: &ServerName<'_>) -> Vec<u8> {
    match alpn {
        Some("h2") => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(),
        _ => identity::bare_request("GET", &server_name.to_str()),
    }
}

/// Whether the server refuses us after a handshake that looked good.
async fn refusal(tls: &mut tokio_rustls::client::TlsStream<&mut Tap>, greeting: &[u8]) -> Option<Fault> {
    if let Err(error) = tls.write_all(greeting).await {
        return Some(fault(&error));
    }
    let mut first = [0; 64];
    match tls.read(&mut first).await {
        Ok(0) => Some(Fault::Closed),
        Ok(size) => {
            let first = &first[..size];
            if !is_refusing_status(first) {
                return None;
            }
            let rest = read_up_to(tls, MOST_OF_AN_ANSWER, wants_certificate).await;
            wants_certificate(&[first, &rest].concat()).then_some(Fault::HttpRefusal)
        }
        Err(error) => Some(fault(&error)),
    }
}

/// Servers that complete the handshake refuse inside HTTP: nginx with 400 (495 and 496 inside), Apache and IIS with 403.
fn is_refusing_status(answer: &[u8]) -> bool {
    let is_http = answer.starts_with(b"HTTP/1.1 ") || answer.starts_with(b"HTTP/1.0 ");
    is_http
        && answer
            .get(9..12)
            .is_some_and(|status| matches!(status, b"400" | b"401" | b"403" | b"495" | b"496"))
}

/// "No required SSL certificate was sent", "client certificate required": a status alone may be about anything.
fn wants_certificate(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
    ["ssl certificate", "client certificate", "certificate required", "certificate was required"]
        .iter()
        .any(|it| text.contains(it))
}

fn fault(error: &io::Error) -> Fault {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => Fault::Closed,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
                Fault::Reset
            }
            io::ErrorKind::TimedOut => Fault::Timeout,
            _ => Fault::Broken(error.to_string()),
        };
    };
    match error {
        Error::AlertReceived(alert) => Fault::Alert(u8::from(*alert)),
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => Fault::OldVersion,
        error => Fault::Broken(error.to_string()),
    }
}

fn client_config(recorder: &Arc<Recorder>, alpn: &[String], sends_name: bool) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&recorder.provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(recorder) as Arc<dyn ServerCertVerifier>)
        .with_client_cert_resolver(Arc::clone(recorder) as Arc<dyn ResolvesClientCert>);
    config.enable_sni = sends_name;
    config.alpn_protocols = alpn.iter().map(|it| it.as_bytes().to_vec()).collect();
    Ok(config)
}

/// The name the standards give an alert (RFC 8446 section 6).
pub(in crate::checks) fn alert_name(number: u8) -> String {
    let name = match AlertDescription::from(number) {
        // The two whose names in rustls do not spell out the standard's.
        AlertDescription::UnknownCA => return "unknown_ca".to_owned(),
        AlertDescription::UnrecognisedName => return "unrecognized_name".to_owned(),
        known => format!("{known:?}"),
    };
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    if snake.contains('(') { "unknown".to_owned() } else { snake }
}

/// Accepts every certificate, has none of its own, and remembers both.
#[derive(Debug)]
struct Recorder {
    provider: Arc<CryptoProvider>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Clone, Default)]
struct Seen {
    chain: Vec<CertificateDer<'static>>,
    staple: Vec<u8>,
    wants_certificate: bool,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { provider: Arc::clone(&PROVIDER), seen: Mutex::default() }
    }
}

impl Recorder {
    fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(leaf).chain(intermediates).map(|it| it.clone().into_owned());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.chain = chain.collect();
        seen.staple = ocsp_response.to_vec();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl ResolvesClientCert for Recorder {
    fn resolve(&self, _authorities: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).wants_certificate = true;
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// A stream that keeps the first bytes it read: what a server speaks that does not speak TLS.
#[derive(Debug)]
struct Tap {
    stream: Connection,
    first: Vec<u8>,
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let room = FIRST_BYTES.saturating_sub(self.first.len());
        let fresh = &buffer.filled()[before..];
        let kept = &fresh[..fresh.len().min(room)];
        self.first.extend_from_slice(kept);
        polled
    }
}

impl AsyncWrite for Tap {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
