//! TLS servers of the small world: a sound one with any certificate, one that wants client certificates, and raw faults
//! that no TLS library would commit.
//!
//! A sound server completes the handshake, answers one HTTP request with 204 and closes: enough for a check that looks at
//! certificates. For HTTP with a body see the HTTP server of the drill.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::drill::pki::{Authority, Identity};

/// A fault in place of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Accepts the connection and never says a word.
    Silent,
    /// Closes the connection after the client's hello.
    CloseAfterHello,
    /// Resets the connection after the client's hello.
    ResetAfterHello,
    /// Speaks plain HTTP on the port.
    Plaintext,
    /// Answers the hello with this fatal alert.
    Alert(u8),
    /// Speaks nothing newer than TLS 1.0: alert 70 to a modern hello, a TLS 1.0 hello to an old one.
    OldProtocol,
}

/// A running server; it stops when dropped.
#[derive(Debug)]
pub struct TlsServer {
    addr: SocketAddr,
    task: AbortHandle,
}

impl TlsServer {
    /// A sound server with this identity.
    ///
    /// # Errors
    /// When no port can be had, or the key does not fit the certificate.
    pub async fn serving(identity: &Identity) -> io::Result<Self> {
        Self::with_config(server_config(identity, rustls::DEFAULT_VERSIONS, None)?).await
    }

    /// A server that takes only clients with a certificate of this authority.
    ///
    /// # Errors
    /// When no port can be had, or the key does not fit the certificate.
    pub async fn requiring_client_certificate(
        identity: &Identity,
        authority: &Authority,
        versions: &[&'static SupportedProtocolVersion],
    ) -> io::Result<Self> {
        Self::with_config(server_config(identity, versions, Some(authority))?).await
    }

    /// A server with a configuration of its own.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn with_config(config: ServerConfig) -> io::Result<Self> {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::start(move |stream| greet(acceptor.clone(), stream)).await
    }

    /// A server with a raw fault.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn broken(fault: Fault) -> io::Result<Self> {
        Self::start(move |stream| misbehave(fault, stream)).await
    }

    async fn start<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> io::Result<Self>
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    Ok((stream, _)) = listener.accept() => { connections.spawn(serve(stream)); }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Ok(Self { addr, task: task.abort_handle() })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A rustls configuration for an identity, with ring, and with the authority whose clients alone are taken.
///
/// # Errors
/// When the key does not fit the certificate.
pub fn server_config(
    identity: &Identity,
    versions: &[&'static SupportedProtocolVersion],
    clients: Option<&Authority>,
) -> io::Result<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(io::Error::other)?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.certificate()).map_err(io::Error::other)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().map_err(io::Error::other)?)
        }
    };
    let mut config = builder
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())
        .map_err(io::Error::other)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

async fn greet(acceptor: TlsAcceptor, stream: TcpStream) -> io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut request = [0; 4096];
    if stream.read(&mut request).await? > 0 {
        stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await?;
    }
    stream.shutdown().await
}

async fn misbehave(fault: Fault, mut stream: TcpStream) -> io::Result<()> {
    if fault == Fault::Silent {
        return std::future::pending().await;
    }
    let mut hello = [0; 4096];
    let size = stream.read(&mut hello).await?;
    match fault {
        Fault::Silent | Fault::CloseAfterHello => {}
        Fault::ResetAfterHello => stream.set_zero_linger()?,
        Fault::Plaintext => {
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                .await?;
        }
        Fault::Alert(number) => stream.write_all(&alert(number)).await?,
        Fault::OldProtocol if is_old_hello(&hello[..size]) => stream.write_all(&old_server_hello()).await?,
        Fault::OldProtocol => stream.write_all(&alert(70)).await?,
    }
    Ok(())
}

/// A fatal alert in a record (RFC 8446 section 6).
fn alert(number: u8) -> [u8; 7] {
    [21, 3, 3, 0, 2, 2, number]
}

/// A hello whose highest version is TLS 1.1 or older: bytes 9 and 10, after the record and handshake headers.
fn is_old_hello(hello: &[u8]) -> bool {
    matches!(hello.get(9..11), Some([3, 0..=2]))
}

/// A TLS 1.0 ServerHello: version, 32 random bytes, no session, TLS_RSA_WITH_AES_128_CBC_SHA, no compression.
fn old_server_hello() -> Vec<u8> {
    let body = [&[3, 1][..], &[7; 32], &[0], &[0x00, 0x2f], &[0]].concat();
    let length = u8::try_from(body.len()).expect("38 bytes");
    [&[22, 3, 1, 0, length + 4, 2, 0, 0, length][..], &body].concat()
}
