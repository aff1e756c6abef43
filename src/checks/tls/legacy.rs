//! What a server speaks that will not speak modern TLS: an old version, or no TLS at all.
//!
//! rustls has no TLS 1.0 and 1.1, so the old hello is written by hand. Nothing is negotiated: the first record that comes
//! back says which version the server would take.

use std::net::SocketAddr;

use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use crate::checks::identity;
use crate::checks::socket::Connection;
use crate::checks::{Environment, dial};

/// What an old hello was answered with. Until TLS 1.2 the whole first flight is readable by anybody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OldAnswer {
    pub(super) version: &'static str,
    pub(super) cipher: u16,
    /// What the server presented; empty when its certificates did not come.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// The server asked for a client certificate.
    pub(super) wants_certificate: bool,
}

/// How much of a server's first flight is read: certificates are a few kilobytes.
const MAX_FLIGHT: usize = 128 * 1024;

/// Offers TLS 1.2 with the ciphers of its time, and TLS 1.1 to servers that take offence at the newer one.
pub(super) async fn answer(
    env: &Environment,
    (host, addr): (&str, SocketAddr),
    server_name: Option<&str>,
    deadline: Instant,
) -> Option<OldAnswer> {
    for minor in [3, 2] {
        let exchange = async {
            let mut stream = dial::connect(env, host, addr, deadline).await.ok()?.stream;
            stream.write_all(&old_hello(minor, server_name)).await.ok()?;
            first_flight(&mut stream, deadline).await
        };
        let until = if minor == 3 {
            Instant::now() + deadline.saturating_duration_since(Instant::now()) / 2
        } else {
            deadline
        };
        if let Some(answer) = timeout_at(until, exchange).await.ok().flatten() {
            return Some(answer);
        }
    }
    None
}

/// Reads records until the server has said all; a flight that breaks off still tells the version.
async fn first_flight(stream: &mut Connection, deadline: Instant) -> Option<OldAnswer> {
    let mut flight = Flight::default();
    while !flight.is_done && flight.size < MAX_FLIGHT {
        let mut head = [0; 5];
        let Ok(Ok(_)) = timeout_at(deadline, stream.read_exact(&mut head)).await else { break };
        if head[0] != 22 || head[1] != 3 {
            break;
        }
        let mut record = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
        let Ok(Ok(_)) = timeout_at(deadline, stream.read_exact(&mut record)).await else { break };
        flight.take(&record);
    }
    flight.answer
}

/// Handshake messages, as they come out of records.
#[derive(Debug, Default)]
struct Flight {
    pending: Vec<u8>,
    answer: Option<OldAnswer>,
    is_done: bool,
    size: usize,
}

impl Flight {
    fn take(&mut self, record: &[u8]) {
        self.size += record.len() + 5;
        self.pending.extend_from_slice(record);
        while let [kind, a, b, c, rest @ ..] = self.pending.as_slice() {
            let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
            let Some(message) = rest.get(..length) else { return };
            match (*kind, &mut self.answer) {
                (2, answer) => *answer = server_hello(message),
                (11, Some(answer)) => answer.chain = certificates(message),
                (13, Some(answer)) => answer.wants_certificate = true,
                (14, _) => self.is_done = true,
                _ => {}
            }
            if self.answer.is_none() {
                self.is_done = true;
                return;
            }
            self.pending.drain(..length + 4);
        }
    }
}

/// Version and cipher of a ServerHello (RFC 5246 section 7.4.1.3).
fn server_hello(message: &[u8]) -> Option<OldAnswer> {
    let version = match message.get(..2)? {
        [3, 0] => "SSLv3",
        [3, 1] => "TLSv1.0",
        [3, 2] => "TLSv1.1",
        [3, 3] => "TLSv1.2",
        _ => return None,
    };
    let session = usize::from(*message.get(34)?);
    let cipher = message.get(35 + session..37 + session)?;
    Some(OldAnswer { version, cipher: u16::from_be_bytes([cipher[0], cipher[1]]), ..OldAnswer::default() })
}

/// The list of a Certificate message (RFC 5246 section 7.4.2): three bytes of length before all and before each.
fn certificates(message: &[u8]) -> Vec<CertificateDer<'static>> {
    /// A hostile server may send thousands.
    const MOST: usize = 32;
    let mut rest = message.get(3..).unwrap_or_default();
    let mut chain = Vec::new();
    while let [a, b, c, after @ ..] = rest {
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let Some(certificate) = after.get(..length).filter(|_| chain.len() < MOST) else { break };
        chain.push(CertificateDer::from(certificate.to_vec()));
        rest = &after[length..];
    }
    chain
}

/// What old servers take, best first. No export, NULL or anonymous cipher: no client offers those.
const CIPHERS: [(u16, &str); 39] = [
    (0xc02c, "ECDHE-ECDSA-AES256-GCM-SHA384"),
    (0xc030, "ECDHE-RSA-AES256-GCM-SHA384"),
    (0xc02b, "ECDHE-ECDSA-AES128-GCM-SHA256"),
    (0xc02f, "ECDHE-RSA-AES128-GCM-SHA256"),
    (0x009f, "DHE-RSA-AES256-GCM-SHA384"),
    (0x009e, "DHE-RSA-AES128-GCM-SHA256"),
    (0xc0ac, "ECDHE-ECDSA-AES128-CCM"),
    (0xc0ad, "ECDHE-ECDSA-AES256-CCM"),
    (0xc09e, "DHE-RSA-AES128-CCM"),
    (0xc09f, "DHE-RSA-AES256-CCM"),
    (0xc024, "ECDHE-ECDSA-AES256-SHA384"),
    (0xc028, "ECDHE-RSA-AES256-SHA384"),
    (0xc023, "ECDHE-ECDSA-AES128-SHA256"),
    (0xc027, "ECDHE-RSA-AES128-SHA256"),
    (0xc073, "ECDHE-ECDSA-CAMELLIA256-SHA384"),
    (0xc077, "ECDHE-RSA-CAMELLIA256-SHA384"),
    (0xccaa, "DHE-RSA-CHACHA20-POLY1305"),
    (0x006b, "DHE-RSA-AES256-SHA256"),
    (0x0067, "DHE-RSA-AES128-SHA256"),
    (0xc00a, "ECDHE-ECDSA-AES256-SHA"),
    (0xc014, "ECDHE-RSA-AES256-SHA"),
    (0xc009, "ECDHE-ECDSA-AES128-SHA"),
    (0xc013, "ECDHE-RSA-AES128-SHA"),
    (0x0039, "DHE-RSA-AES256-SHA"),
    (0x0033, "DHE-RSA-AES128-SHA"),
    (0x009d, "AES256-GCM-SHA384"),
    (0x009c, "AES128-GCM-SHA256"),
    (0xc09d, "AES256-CCM"),
    (0xc09c, "AES128-CCM"),
    (0x003d, "AES256-SHA256"),
    (0x003c, "AES128-SHA256"),
    (0x00c0, "CAMELLIA256-SHA256"),
    (0x0035, "AES256-SHA"),
    (0x002f, "AES128-SHA"),
    (0x0041, "CAMELLIA128-SHA"),
    (0x0084, "CAMELLIA256-SHA"),
    (0xc012, "ECDHE-RSA-DES-CBC3-SHA"),
    (0x000a, "DES-CBC3-SHA"),
    (0x0005, "RC4-SHA"),
];

/// The name that OpenSSL gives a cipher suite.
pub(super) fn cipher_name(number: u16) -> String {
    let known = CIPHERS.iter().find(|(known, _)| *known == number);
    known.map_or_else(|| format!("0x{number:04x}"), |(_, name)| (*name).to_owned())
}

/// Ciphers that current clients refuse: 3DES and RC4 (RFC 7465, RFC 8996 and the ciphers' own age).
pub(super) fn is_weak(number: u16) -> bool {
    matches!(number, 0xc012 | 0x000a | 0x0005)
}

/// A ClientHello of TLS 1.2 (minor 3) or 1.1 (minor 2).
fn old_hello(minor: u8, server_name: Option<&str>) -> Vec<u8> {
    /// ECDSA, RSA-PSS and RSA with SHA-2, P-521 among them, then SHA-1 (RFC 8446 section 4.2.3).
    const SIGNATURES: [u16; 12] =
        [0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201, 0x0807];
    let ciphers: Vec<u8> = CIPHERS.iter().flat_map(|(number, _)| number.to_be_bytes()).collect();
    // x25519, secp256r1, secp384r1 and secp521r1; uncompressed points.
    let groups = with_length_2(&[0, 29, 0, 23, 0, 24, 0, 25]);
    let mut extensions = [extension(10, &groups), extension(11, &[1, 0])].concat();
    if minor >= 3 {
        let signatures: Vec<u8> = SIGNATURES.iter().flat_map(|it| it.to_be_bytes()).collect();
        extensions.extend(extension(13, &with_length_2(&signatures)));
    }
    if let Some(name) = server_name {
        let entry = [&[0], with_length_2(name.as_bytes()).as_slice()].concat();
        extensions.extend(extension(0, &with_length_2(&entry)));
    }
    // No secret is agreed, so the random need not be random.
    let body =
        [&[3, minor][..], &[0x5a; 32], &[0], &with_length_2(&ciphers), &[1, 0], &with_length_2(&extensions)]
            .concat();
    let handshake = [&[1, 0], with_length_2(&body).as_slice()].concat();
    [&[22, 3, 1], with_length_2(&handshake).as_slice()].concat()
}

pub(super) fn extension(number: u16, data: &[u8]) -> Vec<u8> {
    [number.to_be_bytes().as_slice(), &with_length_2(data)].concat()
}

/// Two bytes of length, then the data; names longer than DNS allows never get here.
pub(super) fn with_length_2(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
    [length.to_be_bytes().as_slice(), data].concat()
}

/// The first line a server answers to plain HTTP.
pub(super) async fn plain_http(mut stream: Connection, host: &str, deadline: Instant) -> Option<Vec<u8>> {
    let exchange = async {
        stream.write_all(&identity::bare_request("HEAD", host)).await.ok()?;
        let mut answer = vec![0; 64];
        let size = stream.read(&mut answer).await.ok()?;
        answer.truncate(size);
        answer.starts_with(b"HTTP/").then_some(answer)
    };
    timeout_at(deadline, exchange).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_add_up() {
        for minor in [2, 3] {
            let hello = old_hello(minor, Some("api.drill.test"));
            assert_eq!(usize::from(u16::from_be_bytes([hello[3], hello[4]])), hello.len() - 5);
            assert_eq!(usize::from(u16::from_be_bytes([hello[7], hello[8]])), hello.len() - 9);
            assert_eq!(hello[9..11], [3, minor]);
        }
    }

    /// A ServerHello, a Certificate of two, a request for a client's, and the end.
    fn flight() -> Vec<u8> {
        let hello = [&[3, 3][..], &[9; 32], &[0], &[0xc0, 0x14], &[0]].concat();
        let mut all = Vec::new();
        for (kind, body) in
            [(2, hello), (11, vec![0, 0, 9, 0, 0, 2, 1, 2, 0, 0, 1, 3]), (13, vec![1]), (14, vec![])]
        {
            all.extend([kind, 0, 0, u8::try_from(body.len()).unwrap()]);
            all.extend(body);
        }
        all
    }

    #[test]
    fn a_flight_is_read_however_it_is_cut() {
        for size in [1, 7, 1000] {
            let mut read = Flight::default();
            for part in flight().chunks(size) {
                read.take(part);
            }
            assert!(read.is_done);
            let answer = read.answer.unwrap();
            assert_eq!(
                (answer.version, cipher_name(answer.cipher).as_str()),
                ("TLSv1.2", "ECDHE-RSA-AES256-SHA")
            );
            assert_eq!(answer.chain, [CertificateDer::from(vec![1, 2]), CertificateDer::from(vec![3])]);
            assert!(answer.wants_certificate);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_flight_makes_it_panic(records in proptest::collection::vec(proptest::collection::vec(0u8.., 0..80), 0..6)) {
            let mut read = Flight::default();
            for it in &records {
                read.take(it);
            }
        }

        #[test]
        fn no_mutated_flight_makes_it_panic(at in 0usize..80, byte in 0u8..) {
            let mut all = flight();
            let at = at % all.len();
            all[at] = byte;
            Flight::default().take(&all);
        }
    }
}
