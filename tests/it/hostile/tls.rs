//! Hostile TLS: records by hand, and certificates that nobody should have to read.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use firstcheck::clock;
use firstcheck::drill::pki::{Authority, Identity, Validity};
use firstcheck::outcome::CheckKind;
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::server::{Connection, Server, answer, headed};
use super::trial::{AUTHORITY, IDENTITY, Row, Trial, row};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A handshake that came to nothing.
const NO_HANDSHAKE: &[&str] = &["handshake_failure", "timeout", "unreachable"];

/// The same, to a client that wanted HTTP.
const NO_ANSWER: &[&str] = &["unreachable", "timeout", "reset", "bad_body"];

fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[kind, 3, 3], length.as_slice(), payload].concat()
}

/// A handshake message that says it has this many bytes.
fn message(kind: u8, length: u32, payload: &[u8]) -> Vec<u8> {
    [&[kind], &length.to_be_bytes()[1..], payload].concat()
}

fn whole_message(kind: u8, payload: &[u8]) -> Vec<u8> {
    message(kind, u32::try_from(payload.len()).unwrap(), payload)
}

/// A ServerHello of TLS 1.2 with ECDHE-RSA-AES128-GCM-SHA256 (RFC 5246 section 7.4.1.3).
fn server_hello() -> Vec<u8> {
    whole_message(2, &[&[3, 3], [7; 32].as_slice(), &[0, 0xc0, 0x2f, 0, 0, 0]].concat())
}

/// The request for another hello, with the session that this one named (RFC 8446 section 4.1.4).
fn hello_retry_request(session: &[u8]) -> Vec<u8> {
    const RANDOM: [u8; 32] = [
        0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
        0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
    ];
    let extensions: &[u8] = &[0, 12, 0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 24];
    let session_length = u8::try_from(session.len()).unwrap();
    whole_message(
        2,
        &[&[3, 3], RANDOM.as_slice(), &[session_length], session, &[0x13, 0x01, 0], extensions].concat(),
    )
}

/// Says these records whoever comes, to the checks `tls` and `http`.
fn says(name: &'static str, first: Vec<u8>, again: Vec<u8>) -> Row {
    row(name, async move {
        let server = Server::bursting(first, again);
        Trial::new(CheckKind::Tls, server.addr().to_string()).ends(NO_HANDSHAKE).await?;
        Trial::new(CheckKind::Http, server.secure_url("/")).ends(NO_ANSWER).await?;
        server.was_left_in_time()
    })
}

fn drips(name: &'static str, bytes: Vec<u8>) -> Row {
    row(name, async move {
        let server = Server::start(move |mut connection: Connection<_>| {
            let bytes = bytes.clone();
            async move { connection.drip(&bytes).await }
        });
        Trial::new(CheckKind::Tls, server.addr().to_string()).ends(&["timeout", "handshake_failure"]).await?;
        Trial::new(CheckKind::Http, server.secure_url("/"))
            .ends(&["timeout", "unreachable", "reset"])
            .await
            .map(drop)
    })
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = records();
    rows.extend(certificates());
    rows.extend(issuers());
    rows.extend(afterwards());
    rows
}

fn records() -> Vec<Row> {
    let endless = message(2, 0x00ff_ffff, &[]);
    let big_certificate = [
        record(22, &server_hello()),
        record(
            22,
            &message(
                11,
                10_000_003,
                &[&10_000_000_u32.to_be_bytes()[1..], &9_999_997_u32.to_be_bytes()[1..]].concat(),
            ),
        ),
    ]
    .concat();
    vec![
        says(
            "garbage instead of a handshake",
            (0..=255).rev().cycle().take(5000).collect(),
            vec![0xaa; 16_000],
        ),
        says("zero bytes instead of a handshake", vec![0; 5000], vec![0; 16_000]),
        says("half a record and silence", vec![22, 3, 3, 0x40, 0, 2, 0, 0x20], Vec::new()),
        says("a record longer than records are", vec![22, 3, 3, 0xff, 0xff], vec![0; 16_000]),
        says("empty handshake records without an end", Vec::new(), record(22, &[])),
        says("empty application records without an end", Vec::new(), record(23, &[])),
        says("warnings without an end", Vec::new(), record(21, &[1, 0])),
        says("half an alert", record(21, &[2]), Vec::new()),
        says("alerts that are none", Vec::new(), record(21, &[9, 255])),
        says("a hello of 16 MB", record(22, &endless), record(22, &[0; 16_000])),
        says("HelloRequest without an end", Vec::new(), record(22, &whole_message(0, &[]))),
        says("ChangeCipherSpec without an end", Vec::new(), record(20, &[1])),
        says("ServerHello without an end", Vec::new(), record(22, &server_hello())),
        says(
            "a hello with extensions that lie about their length",
            record(
                22,
                &whole_message(
                    2,
                    &[&[3, 3], [7; 32].as_slice(), &[0, 0xc0, 0x2f, 0, 0xff, 0xff, 0, 0]].concat(),
                ),
            ),
            Vec::new(),
        ),
        says(
            "a hello of a version that will be",
            record(22, &whole_message(2, &[&[9, 9], [7; 32].as_slice(), &[0, 0xc0, 0x2f, 0, 0, 0]].concat())),
            Vec::new(),
        ),
        says("a certificate of 10 MB", big_certificate, record(22, &[0x30; 16_000])),
        says(
            "a chain of ten thousand empty certificates",
            [
                record(22, &server_hello()),
                record(22, &message(11, 30_003, &[&[0, 0x75, 0x30], vec![0; 16_000].as_slice()].concat())),
                record(22, &[0; 14_000]),
            ]
            .concat(),
            Vec::new(),
        ),
        drips("a hello of a byte per 100 ms", record(22, &server_hello())),
        drips("an alert of a byte per 100 ms", record(21, &[1, 0])),
        row("requests for another hello without an end", async {
            let server = Server::start(|mut connection| async move {
                let mut hello = Vec::new();
                while hello.len() < 76 {
                    if !connection.hears(&mut hello).await {
                        return;
                    }
                }
                let again = record(22, &hello_retry_request(&hello[44..44 + usize::from(hello[43])]));
                connection.flood(&again).await;
            });
            Trial::new(CheckKind::Tls, server.addr().to_string()).ends(NO_HANDSHAKE).await?;
            server.was_left_in_time()
        }),
    ]
}

/// Presents these certificates, whatever they are.
#[derive(Debug)]
struct Presents(Arc<CertifiedKey>);

impl ResolvesServerCert for Presents {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// A server that presents this chain, and answers 200 behind it.
pub(super) fn presenting(ip: IpAddr, chain: Vec<CertificateDer<'static>>, key: &Identity) -> Server {
    let provider = rustls::crypto::ring::default_provider();
    let key = provider.key_provider.load_private_key(key.key.clone_key()).unwrap();
    let presents = Arc::new(Presents(Arc::new(CertifiedKey::new(chain, key))));
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(rustls::DEFAULT_VERSIONS)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(presents);
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    Server::at(ip, move |connection| {
        let acceptor = acceptor.clone();
        async move { connection.shakes(&acceptor).await }
    })
}

/// What `tls` says of a server that presents this chain.
fn presents(
    name: &'static str,
    chain: impl FnOnce() -> (Vec<CertificateDer<'static>>, Identity) + Send + 'static,
    expected: &'static [&'static str],
) -> Row {
    row(name, async move {
        let (chain, identity) = chain();
        let server = presenting(LOCALHOST, chain, &identity);
        Trial::new(CheckKind::Tls, server.addr().to_string()).ends(expected).await?;
        let https = Trial::new(CheckKind::Http, server.secure_url("/"));
        https
            .ends(&["untrusted", "unreachable", "reset", "bad_body", "timeout", "ok", "error"])
            .await
            .map(drop)
    })
}

/// A certificate for 127.0.0.1 by the trusted authority, with so many names.
fn of_many_names(count: usize) -> Identity {
    let names: Vec<String> = (0..count).map(|it| format!("n{it}.hostile.test")).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.push("127.0.0.1");
    AUTHORITY.issue(&names, Validity::ordinary(clock::now()))
}

/// A self-signed certificate with this common name and organisation.
fn named(name: &str) -> Identity {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.distinguished_name.push(DnType::OrganizationName, name);
    let leaf = params.self_signed(&key).unwrap();
    Identity { chain: vec![leaf.der().clone()], key: PrivatePkcs8KeyDer::from(key.serialize_der()).into() }
}

/// A root's certificates, one above the other, all of the same name: each could be above each.
fn of_one_name(count: usize) -> Identity {
    let mut authority = Authority::new("Loop");
    for _ in 0..count {
        authority = authority.intermediate("Loop");
    }
    authority.issue(&["127.0.0.1"], Validity::ordinary(clock::now()))
}

fn certificates() -> Vec<Row> {
    const UNTRUSTED: &[&str] = &["unknown_issuer", "self_signed", "incomplete_chain"];
    let bytes = |bytes: Vec<u8>| (vec![CertificateDer::from(bytes)], IDENTITY.clone());
    vec![
        presents(
            "a certificate that is none",
            move || bytes(vec![0x30, 0x82, 0xff, 0xff, 1, 2, 3]),
            NO_HANDSHAKE,
        ),
        presents("a certificate of no bytes", move || bytes(Vec::new()), NO_HANDSHAKE),
        presents(
            "a certificate of 60 KB of sequences that open",
            move || bytes([0x30, 0x80].repeat(30_000)),
            NO_HANDSHAKE,
        ),
        presents("no certificate at all", || (Vec::new(), IDENTITY.clone()), NO_HANDSHAKE),
        presents(
            "a certificate of 2000 names",
            || {
                let it = of_many_names(2000);
                (it.chain.clone(), it)
            },
            &["valid", "handshake_failure"],
        ),
        presents(
            "a certificate of 20,000 names",
            || {
                let it = of_many_names(20_000);
                (it.chain.clone(), it)
            },
            NO_HANDSHAKE,
        ),
        presents(
            "a chain of 1000 certificates",
            || {
                let mut it = IDENTITY.clone();
                it.chain.extend(vec![AUTHORITY.certificate(); 1000]);
                (it.chain.clone(), it)
            },
            &["valid", "handshake_failure"],
        ),
        presents(
            "a chain of 100 copies of the same certificate",
            || {
                let mut it = IDENTITY.clone();
                it.chain = vec![it.chain[0].clone(); 100];
                (it.chain.clone(), it)
            },
            &["valid"],
        ),
        presents(
            "forty authorities of one name",
            || {
                let it = of_one_name(40);
                (it.chain.clone(), it)
            },
            UNTRUSTED,
        ),
        presents(
            "a hundred authorities of one name, upside down",
            || {
                let mut it = of_one_name(100);
                it.chain[1..].reverse();
                (it.chain.clone(), it)
            },
            UNTRUSTED,
        ),
        presents(
            "garbage above a good certificate",
            || {
                let mut it = IDENTITY.clone();
                it.chain.push(CertificateDer::from(vec![0x30, 0x03, 1, 2, 3]));
                (it.chain.clone(), it)
            },
            &["valid", "handshake_failure"],
        ),
        presents(
            "escapes in a certificate's names",
            || {
                let it = named("\u{1b}[2J\u{202e}evil\u{9b}31m\nsecond line\0");
                (it.chain.clone(), it)
            },
            UNTRUSTED,
        ),
        presents(
            "a name of 8 KB in a certificate",
            || {
                let it = named(&"a".repeat(8_000));
                (it.chain.clone(), it)
            },
            UNTRUSTED,
        ),
    ]
}

/// A certificate whose issuer is not sent but said to be at this URL.
fn half_chain(url: &str) -> Identity {
    let authority = Authority::new("Nobody's Root").intermediate("Nobody's Issuing");
    authority
        .issue_with_issuer_url(&["127.0.0.1"], Validity::ordinary(clock::now()), url)
        .without_intermediates()
}

/// A half chain whose issuer is at that server.
async fn with_issuer_at(issuers: Server, url: String) -> Result<(), String> {
    let identity = half_chain(&url);
    let server = presenting(LOCALHOST, identity.chain.clone(), &identity);
    let trial = Trial::new(CheckKind::Tls, server.addr().to_string());
    trial.ends(&["unknown_issuer", "incomplete_chain"]).await?;
    issuers.saw_somebody()?;
    issuers.was_left_in_time()
}

fn issuers() -> Vec<Row> {
    let at = |name, bytes: Vec<u8>| {
        row(name, async move {
            let issuers = Server::answering(bytes);
            let url = issuers.url("/issuer.der");
            with_issuer_at(issuers, url).await
        })
    };
    vec![
        at("an issuer that is its own issuer's URL", {
            // Each issuer that is fetched says that its own is at the same place.
            let authority = Authority::new("Again").intermediate("Again");
            answer(200, "application/pkix-cert", authority.certificate())
        }),
        at("an issuer that is garbage", answer(200, "application/pkix-cert", vec![0x30; 5000])),
        at("an issuer of 50 MB", answer(200, "application/pkix-cert", vec![0x30; 50_000_000])),
        at("an issuer that leads around", headed(302, "location: /issuer.der\r\n")),
        row("an issuer without an end", async {
            let issuers = Server::flooding("HTTP/1.1 200 OK\r\n\r\n", vec![0x30; 1000]);
            let url = issuers.url("/issuer.der");
            with_issuer_at(issuers, url).await
        }),
        row("an issuer of a byte per 100 ms", async {
            let issuers = Server::start(|mut connection| async move {
                if connection.request().await && connection.say(b"HTTP/1.1 200 OK\r\n\r\n").await {
                    connection.drip(&[0x30]).await;
                }
            });
            let url = issuers.url("/issuer.der");
            with_issuer_at(issuers, url).await
        }),
        row("an issuer in a file", async {
            let identity = half_chain("file:///etc/passwd");
            let server = presenting(LOCALHOST, identity.chain.clone(), &identity);
            let trial = Trial::new(CheckKind::Tls, server.addr().to_string());
            let ended = trial.ends(&["unknown_issuer", "incomplete_chain"]).await?;
            super::trial::tells_nothing_of(&ended, "root:")
        }),
    ]
}

fn afterwards() -> Vec<Row> {
    vec![
        row("a good handshake and then garbage", async {
            let server = Server::behind_tls(&IDENTITY, &["http/1.1"], |mut connection| async move {
                connection.flood(&[0xaa; 1000]).await;
            });
            Trial::new(CheckKind::Tls, server.addr().to_string()).ends(&["valid"]).await?;
            Trial::new(CheckKind::Http, server.secure_url("/")).ends(NO_ANSWER).await?;
            server.was_left_in_time()
        }),
        row("a good handshake and then silence", async {
            let server = Server::behind_tls(&IDENTITY, &["http/1.1"], |mut connection| async move {
                connection.wait().await;
            });
            Trial::new(CheckKind::Tls, server.addr().to_string()).ends(&["valid"]).await?;
            Trial::new(CheckKind::Http, server.secure_url("/")).ends(&["timeout"]).await.map(drop)
        }),
        row("a port that greets and goes on greeting", async {
            let server = Server::bursting("220 \u{1b}[2J\u{202e}mail ready\r\n", "220 again\r\n");
            Trial::new(CheckKind::Tcp, server.addr().to_string()).ends(&["connects"]).await?;
            Trial::new(CheckKind::Tls, server.addr().to_string()).ends(NO_HANDSHAKE).await?;
            server.was_left_in_time()
        }),
    ]
}
