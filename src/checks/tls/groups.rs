//! Whether a TLS 1.3 server insists on a key exchange that other clients offer and this program lacks (X448, FFDHE).
//!
//! Such a server is as healthy as any: OpenSSL shakes hands with it. Its certificate stays unseen, because TLS 1.3 encrypts it. The
//! hello offers those groups alone and no key share, which a server that takes one of them answers with a HelloRetryRequest.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::legacy::{extension, with_length_2};
use crate::checks::{Environment, dial};

/// Groups of RFC 7748 and RFC 7919 with their names in IANA's registry.
const GROUPS: [(u16, &str); 6] = [
    (0x001e, "x448"),
    (0x0100, "ffdhe2048"),
    (0x0101, "ffdhe3072"),
    (0x0102, "ffdhe4096"),
    (0x0103, "ffdhe6144"),
    (0x0104, "ffdhe8192"),
];

/// The groups that this program offers: a server that takes one of these refused it for another reason.
const OURS: [u16; 4] = [0x001d, 0x0017, 0x0018, 0x0019];

/// The random that makes a ServerHello a HelloRetryRequest: SHA-256 of "HelloRetryRequest" (RFC 8446 section 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// A HelloRetryRequest takes about a hundred bytes.
const MAX_RECORD: usize = 1024;

/// The name of the group that the server asks for; `None` when it takes none of these.
pub(super) async fn insisted_on(
    env: &Environment,
    (host, addr): (&str, SocketAddr),
    server_name: Option<&str>,
    deadline: Instant,
) -> Option<&'static str> {
    let retry = async |groups: &[u16]| {
        let hello = hello(server_name, groups);
        let asked = asked_for(env, (host, addr), &hello, deadline);
        timeout_at(deadline, asked).await.ok().flatten()
    };
    if retry(&OURS).await.is_some() {
        return None;
    }
    let group = retry(&GROUPS.map(|(number, _)| number)).await?;
    GROUPS.iter().find(|(known, _)| *known == group).map(|(_, name)| *name)
}

/// The group of a server's HelloRetryRequest.
async fn asked_for(
    env: &Environment,
    (host, addr): (&str, SocketAddr),
    hello: &[u8],
    deadline: Instant,
) -> Option<u16> {
    let mut stream = dial::connect(env, host, addr, deadline).await.ok()?.stream;
    stream.write_all(hello).await.ok()?;
    let mut head = [0; 5];
    stream.read_exact(&mut head).await.ok()?;
    let size = usize::from(u16::from_be_bytes([head[3], head[4]]));
    if head[0] != 22 || size > MAX_RECORD {
        return None;
    }
    let mut record = vec![0; size];
    stream.read_exact(&mut record).await.ok()?;
    retried(&record)
}

/// The group that a HelloRetryRequest names in its `key_share` (RFC 8446 section 4.2.8).
fn retried(message: &[u8]) -> Option<u16> {
    let body = message.strip_prefix(&[2])?.get(3..)?;
    let (random, rest) = body.get(2..)?.split_at_checked(32)?;
    if random != RETRY {
        return None;
    }
    let session = usize::from(*rest.first()?);
    // Session id, cipher suite, compression, and the length of the extensions.
    let mut extensions = rest.get(1 + session + 2 + 1 + 2..)?;
    while let [a, b, c, d, after @ ..] = extensions {
        let size = usize::from(u16::from_be_bytes([*c, *d]));
        let data = after.get(..size)?;
        if [*a, *b] == [0, 51] {
            return Some(u16::from_be_bytes(data.try_into().ok()?));
        }
        extensions = &after[size..];
    }
    None
}

/// A ClientHello of TLS 1.3 with these groups and no key share.
fn hello(server_name: Option<&str>, groups: &[u16]) -> Vec<u8> {
    /// The signatures that every server's certificate can make one of (RFC 8446 section 4.2.3).
    const SIGNATURES: [u16; 9] = [0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0401];
    let bytes = |numbers: &[u16]| -> Vec<u8> { numbers.iter().flat_map(|it| it.to_be_bytes()).collect() };
    let mut extensions = [
        extension(10, &with_length_2(&bytes(groups))),
        extension(13, &with_length_2(&bytes(&SIGNATURES))),
        extension(43, &[2, 3, 4]),
        extension(51, &[0, 0]),
    ]
    .concat();
    if let Some(name) = server_name {
        let entry = [&[0], with_length_2(name.as_bytes()).as_slice()].concat();
        extensions.extend(extension(0, &with_length_2(&entry)));
    }
    let ciphers = bytes(&[0x1301, 0x1302, 0x1303]);
    // No secret is agreed, so the random need not be random.
    let body =
        [&[3, 3][..], &[0x5a; 32], &[0], &with_length_2(&ciphers), &[1, 0], &with_length_2(&extensions)]
            .concat();
    let handshake = [&[1, 0], with_length_2(&body).as_slice()].concat();
    [&[22, 3, 1], with_length_2(&handshake).as_slice()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A HelloRetryRequest for this group, as OpenSSL 3 sends it.
    fn retry(group: u16) -> Vec<u8> {
        let share = [&[0, 51, 0, 2][..], &group.to_be_bytes()].concat();
        let extensions = [&[0, 43, 0, 2, 3, 4][..], &share].concat();
        let body = [&[3, 3][..], &RETRY, &[0, 0x13, 0x02, 0], &with_length_2(&extensions)].concat();
        [&[2, 0], with_length_2(&body).as_slice()].concat()
    }

    #[test]
    fn a_retry_names_the_group_that_the_server_insists_on() {
        assert_eq!(retried(&retry(0x001e)), Some(0x001e));
        assert_eq!(retried(&retry(0x0100)), Some(0x0100));
        let mut hello = retry(0x001e);
        hello[10] ^= 1;
        assert_eq!(retried(&hello), None, "an ordinary ServerHello");
    }

    #[test]
    fn lengths_add_up() {
        let hello = hello(Some("api.drill.test"), &OURS);
        assert_eq!(usize::from(u16::from_be_bytes([hello[3], hello[4]])), hello.len() - 5);
        assert_eq!(usize::from(u16::from_be_bytes([hello[7], hello[8]])), hello.len() - 9);
    }

    /// A server that takes no hello but one that offers this group, as bytes.
    async fn insisting(group: u16) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut hello = vec![0; 2048];
                let size = stream.read(&mut hello).await.unwrap_or(0);
                let offered = extension(10, &with_length_2(&GROUPS.map(|(it, _)| it.to_be_bytes()).concat()));
                let is_offered = hello[..size].windows(offered.len()).any(|it| it == offered);
                let answer = if is_offered {
                    [&[22, 3, 3], with_length_2(&retry(group)).as_slice()].concat()
                } else {
                    vec![21, 3, 3, 0, 2, 2, 40]
                };
                stream.write_all(&answer).await.ok();
            }
        });
        addr
    }

    #[tokio::test]
    async fn a_server_that_insists_on_a_group_we_lack_is_no_fault() {
        use crate::checks::{Request, With};
        use crate::outcome::{CheckKind, Outcome};
        let addr = insisting(0x001e).await;
        let env = Environment::new(crate::egress::Policy::unrestricted());
        for (check, target) in
            [(CheckKind::Tls, "api.drill.test:443"), (CheckKind::Http, "https://api.drill.test/")]
        {
            let with = With::from([("connect_to", addr.to_string())]);
            let timeout = std::time::Duration::from_secs(5);
            let now = crate::clock::now();
            let request = Request { check, target: target.to_owned(), with, timeout, now };
            let report = crate::checks::run(&env, &request).await.unwrap();
            assert_eq!(report.outcome, Outcome::Error, "{report:#?}");
            assert!(report.summary.contains("x448"), "{}", report.summary);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_answer_makes_it_panic(at in 0usize..80, byte in 0u8.., keep in 0usize..90) {
            let mut answer = retry(0x001e);
            let at = at % answer.len();
            answer[at] = byte;
            retried(&answer);
            retried(&answer[..keep.min(answer.len())]);
        }
    }
}
