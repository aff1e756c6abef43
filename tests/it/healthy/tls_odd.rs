//! Sound TLS servers of unusual make: versions, groups, suites, tickets, names by SNI, protocols other than HTTP.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use firstcheck::drill::name_server::{NameServer, Zone};
use jiff::SignedDuration;
use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion, version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::servers::Server;
use super::tls::{Ca, Identity, NAME, asked, changed, days, serving, valid};
use super::{Asked, Table};

type Versions = &'static [&'static SupportedProtocolVersion];

const BOTH: Versions = &[&version::TLS12, &version::TLS13];
const OLD: Versions = &[&version::TLS12];
const NEW: Versions = &[&version::TLS13];

/// A configuration of these parts.
fn built(identity: Identity, versions: Versions, provider: CryptoProvider) -> ServerConfig {
    let builder =
        ServerConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(versions).unwrap();
    let mut config = builder.with_no_client_auth().with_single_cert(identity.chain, identity.key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

/// A server for these versions, with a change to its configuration.
async fn speaking(versions: Versions, change: impl FnOnce(&mut ServerConfig)) -> Asked {
    let root = Ca::root("Lab Root");
    let mut config = built(root.leaf(|_| {}), versions, ring::default_provider());
    change(&mut config);
    asked(NAME, &root, config).await
}

/// A server with one suite or one group only.
async fn only(
    versions: Versions,
    suite: Option<SupportedCipherSuite>,
    group: Option<&'static dyn SupportedKxGroup>,
) -> Asked {
    let root = Ca::root("Lab Root");
    let mut provider = ring::default_provider();
    if let Some(suite) = suite {
        provider.cipher_suites = vec![suite];
    }
    if let Some(group) = group {
        provider.kx_groups = vec![group];
    }
    let config = built(root.leaf(|_| {}), versions, provider);
    asked(NAME, &root, config).await
}

/// A server that asks for client certificates and takes whoever has none.
async fn asks_for_a_certificate(versions: Versions) -> Asked {
    let root = Ca::root("Lab Root");
    let mut clients = RootCertStore::empty();
    clients.add(root.der()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(clients), Arc::clone(&provider));
    let identity = root.leaf(|_| {});
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
        .with_single_cert(identity.chain, identity.key)
        .unwrap();
    asked(NAME, &root, config).await
}

/// Chooses by the name the client sends; without one, or with another, what `default` says.
#[derive(Debug)]
struct ByName {
    right: Arc<CertifiedKey>,
    default: Option<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if hello.server_name() == Some(NAME) { Some(Arc::clone(&self.right)) } else { self.default.clone() }
    }
}

async fn by_name(has_default: bool) -> Asked {
    let root = Ca::root("Lab Root");
    let certified = |identity: Identity| {
        let key = ring::sign::any_supported_type(&identity.key).unwrap();
        Arc::new(CertifiedKey::new(identity.chain, key))
    };
    let other = Ca::root("Default Root").leaf(|params| params.subject_alt_names = Vec::new());
    let resolver =
        ByName { right: certified(root.leaf(|_| {})), default: has_default.then(|| certified(other)) };
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    asked(NAME, &root, config).await
}

/// A server that does this after a good handshake.
async fn then<F>(serve: impl Fn(TlsStream<TcpStream>) -> F + Clone + Send + Sync + 'static) -> Asked
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let root = Ca::root("Lab Root");
    let mut config = root.leaf(|_| {}).config();
    config.alpn_protocols.clear();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let server = Server::tcp(move |stream| {
        let (acceptor, serve) = (acceptor.clone(), serve.clone());
        async move { serve(acceptor.accept(stream).await?).await }
    })
    .await;
    Asked::new(format!("{NAME}:443"))
        .with("connect_to", server.addr.to_string())
        .trusting(root.certificate.pem())
        .holding(server)
}

/// Waits for the client's first words.
async fn heard(stream: &mut TlsStream<TcpStream>) -> io::Result<()> {
    match stream.read(&mut [0; 4096]).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

async fn answering(answer: &'static str) -> Asked {
    then(move |mut stream| async move {
        heard(&mut stream).await?;
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    })
    .await
}

pub(super) fn rows(table: &mut Table) {
    versions(table);
    names_and_addresses(table);
    after_the_handshake(table);
    dates(table);
}

fn versions(table: &mut Table) {
    use ring::cipher_suite as suite;
    use ring::kx_group as group;
    table.row("TLS 1.2 only", "valid", speaking(OLD, |_| {}));
    table.row("TLS 1.3 only", "valid", speaking(NEW, |_| {}));
    table.row("no ALPN", "valid", speaking(BOTH, |config| config.alpn_protocols.clear()));
    table.row("no ALPN, and one was asked for by the user", "valid", async {
        speaking(BOTH, |config| config.alpn_protocols = vec![b"http/1.1".to_vec()])
            .await
            .with("alpn", "http/1.1")
    });
    table.row("HTTP/2 only", "valid", speaking(BOTH, |config| config.alpn_protocols = vec![b"h2".to_vec()]));
    table.row(
        "HTTP/1.1 only",
        "valid",
        speaking(BOTH, |config| config.alpn_protocols = vec![b"http/1.1".to_vec()]),
    );
    table.row("HTTP/2 asked for and given", "valid", async {
        speaking(BOTH, |_| {}).await.with("alpn", "h2")
    });
    table.row("sixteen session tickets", "valid", speaking(NEW, |config| config.send_tls13_tickets = 16));
    table.row("no session tickets", "valid", speaking(NEW, |config| config.send_tls13_tickets = 0));
    table.row("small records", "valid", speaking(BOTH, |config| config.max_fragment_size = Some(64)));
    table.row(
        "half a round trip of data early",
        "valid",
        speaking(NEW, |config| config.send_half_rtt_data = true),
    );
    table.row(
        "a group of which the client sent no share: HelloRetryRequest",
        "valid",
        only(NEW, None, Some(group::SECP384R1)),
    );
    table.row("P-256 as the only group", "valid", only(BOTH, None, Some(group::SECP256R1)));
    table.row("X25519 as the only group", "valid", only(BOTH, None, Some(group::X25519)));
    table.row(
        "ChaCha20 only, TLS 1.3",
        "valid",
        only(NEW, Some(suite::TLS13_CHACHA20_POLY1305_SHA256), None),
    );
    table.row("AES-256 only, TLS 1.3", "valid", only(NEW, Some(suite::TLS13_AES_256_GCM_SHA384), None));
    table.row(
        "ChaCha20 only, TLS 1.2",
        "valid",
        only(OLD, Some(suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256), None),
    );
    table.row(
        "AES-128 only, TLS 1.2",
        "valid",
        only(OLD, Some(suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256), None),
    );
    table.row("a client certificate is welcome, not needed, TLS 1.3", "valid", asks_for_a_certificate(NEW));
    table.row("a client certificate is welcome, not needed, TLS 1.2", "valid", asks_for_a_certificate(OLD));
}

fn names_and_addresses(table: &mut Table) {
    table.row("the right certificate by name, another one without", "valid", by_name(true));
    table.row("no handshake without the right name", "valid", by_name(false));
    table.row("two addresses with two sound certificates, in the middle of a rotation", "valid", async {
        let root = Ca::root("Lab Root");
        let first = serving((Ipv4Addr::LOCALHOST, 0).into(), root.leaf(|_| {}).config()).await;
        let port = first.addr.port();
        let second = serving(SocketAddr::from(([127, 0, 0, 2], port)), root.leaf(|_| {}).config()).await;
        let zone = Zone::new("lab.test").a("api", Ipv4Addr::LOCALHOST).a("api", Ipv4Addr::new(127, 0, 0, 2));
        let resolver = NameServer::start(vec![zone]).await.unwrap();
        Asked::new(format!("{NAME}:{port}"))
            .resolving(resolver.addr())
            .trusting(root.certificate.pem())
            .holding(first)
            .holding(second)
            .holding(resolver)
    });
    table.row("two addresses, one with TLS 1.2 and one with 1.3", "valid", async {
        let root = Ca::root("Lab Root");
        let config = |versions| built(root.leaf(|_| {}), versions, ring::default_provider());
        let first = serving((Ipv4Addr::LOCALHOST, 0).into(), config(OLD)).await;
        let port = first.addr.port();
        let second = serving(SocketAddr::from(([127, 0, 0, 2], port)), config(NEW)).await;
        let zone = Zone::new("lab.test").a("api", Ipv4Addr::LOCALHOST).a("api", Ipv4Addr::new(127, 0, 0, 2));
        let resolver = NameServer::start(vec![zone]).await.unwrap();
        Asked::new(format!("{NAME}:{port}"))
            .resolving(resolver.addr())
            .trusting(root.certificate.pem())
            .holding(first)
            .holding(second)
            .holding(resolver)
    });
}

fn after_the_handshake(table: &mut Table) {
    table.row(
        "the server closes right after the handshake",
        "valid",
        then(|mut stream| async move { stream.shutdown().await }),
    );
    table.row(
        "the server goes without a close_notify",
        "valid",
        then(|stream| async move {
            let (mut stream, _) = stream.into_inner();
            stream.shutdown().await
        }),
    );
    table.row(
        "the server waits for its client to speak",
        "valid",
        then(|mut stream| async move { stream.read_to_end(&mut Vec::new()).await.map(drop) }),
    );
    table.row(
        "mail: the server speaks first",
        "valid",
        then(|mut stream| async move {
            stream.write_all(b"* OK IMAP4rev1 ready\r\n").await?;
            heard(&mut stream).await?;
            stream.write_all(b"* BAD what is that\r\n").await?;
            stream.shutdown().await
        }),
    );
    table.row(
        "a server that answers binary to whatever comes",
        "valid",
        then(|mut stream| async move {
            heard(&mut stream).await?;
            stream.write_all(&[0x15, 0x03, 0x00, 0xff, 0x80]).await?;
            stream.shutdown().await
        }),
    );
    table.row(
        "HTTP that takes no HEAD",
        "valid",
        answering("HTTP/1.1 405 Method Not Allowed\r\nallow: GET\r\ncontent-length: 0\r\n\r\n"),
    );
    table.row(
        "HTTP that wants to be asked for a path",
        "valid",
        answering("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
    );
    table.row(
        "HTTP that wants credentials",
        "valid",
        answering("HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer\r\ncontent-length: 0\r\n\r\n"),
    );
    table.row("an answer that speaks of certificates and is none about TLS", "valid", answering(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<h1>Buy a certificate</h1>",
    ));
    table.row(
        "the server's clock is half a minute off",
        "valid",
        answering(
            "HTTP/1.1 204 No Content\r\ndate: Sun, 01 Nov 2026 10:00:30 GMT\r\nconnection: close\r\n\r\n",
        ),
    );
    table.row(
        "a date nobody can read",
        "valid",
        answering("HTTP/1.1 204 No Content\r\ndate: today\r\nconnection: close\r\n\r\n"),
    );
}

/// Without `warn_days` the warning comes at 14 days (interface.md), and for lives of less than seven at a third of them (checks.md §2).
fn dates(table: &mut Table) {
    table.row(
        "valid since a minute ago",
        "valid",
        changed(NAME, |params| {
            valid(params, SignedDuration::from_mins(1), SignedDuration::from_hours(90 * 24));
        }),
    );
    table.row(
        "a fresh certificate of six days (short-lived profile)",
        "valid",
        changed(NAME, |params| {
            valid(params, SignedDuration::from_hours(10), SignedDuration::from_hours(150));
        }),
    );
    table.row("half of six days is left", "valid", changed(NAME, days(3, 3)));
    table.row(
        "a tenth of six days is left",
        "expires_soon",
        changed(NAME, |params| {
            valid(params, SignedDuration::from_hours(130), SignedDuration::from_hours(14));
        }),
    );
    table.row("a fresh certificate of one day", "valid", changed(NAME, days(0, 1)));
    table.row("half of 45 days", "valid", changed(NAME, days(22, 23)));
    table.row("half of 47 days", "valid", changed(NAME, days(23, 24)));
    table.row("60 of 200 days are left", "valid", changed(NAME, days(140, 60)));
    table.row("half of 100 days", "valid", changed(NAME, days(50, 50)));
    table.row("ten years, of a private authority", "valid", changed(NAME, days(700, 2950)));
    table.row(
        "no well-defined end: 9999-12-31 (RFC 5280 section 4.1.2.5)",
        "valid",
        changed(NAME, |params| {
            params.not_after = rcgen::date_time_ymd(9999, 12, 31) + Duration::from_secs(86_399);
        }),
    );
    table.row("three days left, and the user warns at one", "valid", async {
        changed(NAME, days(27, 3)).await.with("warn_days", "1")
    });
    table.row("a fresh certificate of six days, and the user warns at one", "valid", async {
        changed(NAME, days(0, 6)).await.with("warn_days", "1")
    });
}
