//! Hostile HTTP/1.1: heads and redirects.

use firstcheck::outcome::CheckKind;

use super::server::{Server, headed};
use super::trial::{Row, Trial, row};

/// No HTTP answer came that can be read.
pub(super) const NO_ANSWER: &[&str] = &["bad_body", "reset", "timeout"];

/// The answer itself is a good one.
pub(super) const GOOD: &[&str] = &["ok"];

/// Answers these bytes to `GET /`.
pub(super) fn answers(
    name: &'static str,
    bytes: impl Into<Vec<u8>>,
    expected: &'static [&'static str],
) -> Row {
    let bytes = bytes.into();
    row(name, async move {
        let server = Server::answering(bytes);
        Trial::new(CheckKind::Http, server.url("/")).ends(expected).await?;
        server.was_left_in_time()
    })
}

/// Answers the first bytes, and then the second again and again.
pub(super) fn floods(
    name: &'static str,
    head: &str,
    again: impl Into<Vec<u8>>,
    expected: &'static [&'static str],
) -> Row {
    let (head, again) = (head.to_owned(), again.into());
    row(name, async move {
        let server = Server::flooding(head, again);
        Trial::new(CheckKind::Http, server.url("/")).ends(expected).await?;
        server.was_left_in_time()
    })
}

/// Drips these bytes, after others at once.
pub(super) fn drips(
    name: &'static str,
    head: &'static str,
    slowly: &'static str,
    expected: &'static [&'static str],
) -> Row {
    row(name, async move {
        let server = Server::start(move |mut connection| async move {
            if connection.request().await && connection.say(head.as_bytes()).await {
                connection.drip(slowly.as_bytes()).await;
            }
        });
        Trial::new(CheckKind::Http, server.url("/")).ends(expected).await.map(drop)
    })
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = heads();
    rows.extend(redirects());
    rows
}

fn heads() -> Vec<Row> {
    vec![
        row("a server that never answers", async {
            let server = Server::start(|mut connection| async move { connection.wait().await });
            Trial::new(CheckKind::Http, server.url("/")).ends(&["timeout"]).await.map(drop)
        }),
        row("a server that never takes the connection's first byte and resets", async {
            let server = Server::start(|_| async {});
            Trial::new(CheckKind::Http, server.url("/")).ends(&["reset"]).await.map(drop)
        }),
        drips(
            "a head of a byte per 100 ms",
            "",
            "HTTP/1.1 200 OK\r\nx-slow: aaaaaaaaaaaaaaaaaaaaaaaaaaa",
            &["timeout"],
        ),
        floods("header lines without an end", "HTTP/1.1 200 OK\r\n", "x-more: and more\r\n", NO_ANSWER),
        floods(
            "one header line without an end",
            "HTTP/1.1 200 OK\r\nx-long: ",
            "aaaaaaaaaaaaaaaa",
            NO_ANSWER,
        ),
        floods("a reason without an end", "HTTP/1.1 200 ", "very ", NO_ANSWER),
        floods(
            "interim answers without an end",
            "",
            "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n",
            NO_ANSWER,
        ),
        floods("100 Continue without an end", "", "HTTP/1.1 100 Continue\r\n\r\n", NO_ANSWER),
        answers(
            "a header of 1 MB",
            format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n", "a".repeat(1_000_000)),
            NO_ANSWER,
        ),
        answers("5000 header lines", headed(200, &"x-more: a\r\n".repeat(5000)), NO_ANSWER),
        answers(
            "500 cookies of 200 bytes",
            headed(200, &format!("set-cookie: {}\r\n", "c".repeat(200)).repeat(500)),
            &["ok", "bad_body"],
        ),
        answers("HTTP/0.9", "<html>hello</html>", NO_ANSWER),
        answers("a version that is none", "HTTP/9.9 200 OK\r\ncontent-length: 0\r\n\r\n", NO_ANSWER),
        answers("a status that is none", "HTTP/1.1 OK 200\r\ncontent-length: 0\r\n\r\n", NO_ANSWER),
        answers("a status of two digits", "HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n", NO_ANSWER),
        answers("a status below zero", "HTTP/1.1 -200 OK\r\ncontent-length: 0\r\n\r\n", NO_ANSWER),
        answers("status 999", headed(999, ""), &["unexpected"]),
        answers("status 000", "HTTP/1.1 000 None\r\ncontent-length: 0\r\n\r\n", NO_ANSWER),
        answers(
            "101 that nobody asked for",
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
            &["unexpected", "bad_body", "reset"],
        ),
        answers("binary garbage", (0..=255u8).cycle().take(4096).collect::<Vec<_>>(), NO_ANSWER),
        answers("zero bytes", vec![0; 100_000], NO_ANSWER),
        answers("line feeds alone", "\n".repeat(100_000), NO_ANSWER),
        answers(
            "a header folded over lines",
            "HTTP/1.1 200 OK\r\nx-a: b\r\n c\r\n\td\r\ncontent-length: 0\r\n\r\n",
            &["ok", "bad_body"],
        ),
        answers(
            "a header line without a colon",
            "HTTP/1.1 200 OK\r\nnonsense\r\ncontent-length: 0\r\n\r\n",
            &["ok", "bad_body"],
        ),
        answers(
            "a space before the colon",
            "HTTP/1.1 200 OK\r\ncontent-length : 0\r\n\r\n",
            &["ok", "bad_body"],
        ),
        answers("a TLS alert in plain", b"\x15\x03\x01\x00\x02\x02\x28".to_vec(), NO_ANSWER),
        answers("HTTP/2 to who speaks HTTP/1.1", b"\0\0\0\x04\0\0\0\0\0".to_vec(), NO_ANSWER),
        answers(
            "Via of ten thousand hops",
            headed(502, &format!("via: {}\r\n", "1.1 a, ".repeat(10_000))),
            &["gateway_error", "server_error"],
        ),
        answers(
            "Proxy-Status of ten thousand members",
            headed(502, &format!("proxy-status: {}a\r\n", "a;error=dns_error, ".repeat(5000))),
            &["gateway_error"],
        ),
        answers(
            "WWW-Authenticate of nonsense",
            headed(401, &format!("www-authenticate: {}\r\n", "Bearer error=\"\\\"".repeat(3000))),
            &["unauthorized"],
        ),
    ]
}

fn redirects() -> Vec<Row> {
    let to = |name, location: &str, expected| {
        answers(name, headed(302, &format!("location: {location}\r\n")), expected)
    };
    vec![
        to("a redirect to itself", "/", &["redirect_loop"]),
        to("a redirect to a file", "file:///etc/passwd", &["ok"]),
        to("a redirect to gopher", "gopher://127.0.0.1:25/_HELO", &["ok"]),
        to("a redirect to javascript", "javascript:alert(1)", &["ok"]),
        to("a redirect to nowhere", "http://", &["ok"]),
        to("a redirect to 100 KB", &"a".repeat(100_000), &["ok", "redirect_loop", "bad_body"]),
        to("a redirect that turns text around", "/\u{202e}\u{9b}31m", &["ok", "redirect_loop"]),
        to(
            "a redirect with a name and a password",
            "http://user:pass@127.0.0.1/",
            &["ok", "redirect_loop", "unreachable"],
        ),
        row("redirects that never come back", async {
            use std::sync::Arc;
            use std::sync::atomic::{AtomicUsize, Ordering};
            let count = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&count);
            let server = Server::start(move |mut connection| {
                let next = counted.fetch_add(1, Ordering::SeqCst);
                async move {
                    if connection.request().await {
                        connection.say(&headed(302, &format!("location: /{next}\r\n"))).await;
                        connection.leave().await;
                    }
                }
            });
            Trial::new(CheckKind::Http, server.url("/start")).ends(&["redirect_loop"]).await?;
            let asked = count.load(Ordering::SeqCst);
            if asked <= 6 { Ok(()) } else { Err(format!("{asked} requests")) }
        }),
    ]
}
