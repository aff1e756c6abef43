//! What a server speaks that will not speak modern TLS: an old version, or no TLS at all.
//!
//! rustls has no TLS 1.0 and 1.1, so the old hello is written by hand. Nothing is negotiated: the first record that comes
//! back says which version the server would take.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// Sends a hello of at most TLS 1.1 with the ciphers of its time; the version of the server's hello, if it sends one.
pub(super) async fn old_version(
    mut stream: TcpStream,
    server_name: Option<&str>,
    deadline: Instant,
) -> Option<&'static str> {
    let exchange = async {
        stream.write_all(&old_hello(server_name)).await.ok()?;
        // Record header (5), handshake header (4), version (2).
        let mut answer = [0; 11];
        stream.read_exact(&mut answer).await.ok()?;
        server_version(&answer)
    };
    timeout_at(deadline, exchange).await.ok().flatten()
}

/// The version in a ServerHello, when it is older than TLS 1.2.
fn server_version(answer: &[u8; 11]) -> Option<&'static str> {
    match answer {
        [22, 3, _, _, _, 2, _, _, _, 3, 0] => Some("SSLv3"),
        [22, 3, _, _, _, 2, _, _, _, 3, 1] => Some("TLSv1.0"),
        [22, 3, _, _, _, 2, _, _, _, 3, 2] => Some("TLSv1.1"),
        _ => None,
    }
}

/// A ClientHello of TLS 1.1 (RFC 4346 section 7.4.1.2).
fn old_hello(server_name: Option<&str>) -> Vec<u8> {
    /// ECDHE and RSA with AES-CBC and 3DES: what servers of that time took.
    const CIPHERS: [u16; 8] = [0xc014, 0xc013, 0xc00a, 0xc009, 0x0035, 0x002f, 0xc012, 0x000a];
    let ciphers: Vec<u8> = CIPHERS.iter().flat_map(|it| it.to_be_bytes()).collect();
    // secp256r1 and secp384r1; uncompressed points.
    let mut extensions = [extension(10, &with_length_2(&[0, 23, 0, 24])), extension(11, &[1, 0])].concat();
    if let Some(name) = server_name {
        let entry = [&[0], with_length_2(name.as_bytes()).as_slice()].concat();
        extensions.extend(extension(0, &with_length_2(&entry)));
    }
    // No secret is agreed, so the random need not be random.
    let body =
        [&[3, 2][..], &[0x5a; 32], &[0], &with_length_2(&ciphers), &[1, 0], &with_length_2(&extensions)]
            .concat();
    let handshake = [&[1, 0], with_length_2(&body).as_slice()].concat();
    [&[22, 3, 1], with_length_2(&handshake).as_slice()].concat()
}

fn extension(number: u16, data: &[u8]) -> Vec<u8> {
    [number.to_be_bytes().as_slice(), &with_length_2(data)].concat()
}

/// Two bytes of length, then the data; names longer than DNS allows never get here.
fn with_length_2(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
    [length.to_be_bytes().as_slice(), data].concat()
}

/// The first line a server answers to plain HTTP.
pub(super) async fn plain_http(mut stream: TcpStream, host: &str, deadline: Instant) -> Option<Vec<u8>> {
    let exchange = async {
        let request = format!("HEAD / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
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
        let hello = old_hello(Some("api.drill.test"));
        assert_eq!(usize::from(u16::from_be_bytes([hello[3], hello[4]])), hello.len() - 5);
        assert_eq!(usize::from(u16::from_be_bytes([hello[7], hello[8]])), hello.len() - 9);
        assert_eq!(hello[9..11], [3, 2]);
    }

    #[test]
    fn only_old_versions_are_told() {
        assert_eq!(server_version(&[22, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1]), Some("TLSv1.0"));
        assert_eq!(server_version(&[22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3]), None);
        assert_eq!(server_version(&[21, 3, 1, 0, 2, 2, 70, 0, 0, 0, 0]), None);
    }
}
