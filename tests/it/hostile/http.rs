//! Hostile HTTP/1.1.

use std::io::Write as _;

use firstcheck::outcome::CheckKind;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::server::{Server, answer, headed};
use super::trial::{Row, Trial, row};

/// No HTTP answer came that can be read.
const NO_ANSWER: &[&str] = &["bad_body", "reset", "timeout"];

/// The answer itself is a good one.
const GOOD: &[&str] = &["ok"];

/// What came is broken somewhere behind its head.
const BROKEN_BODY: &[&str] = &["bad_body", "reset", "timeout"];

/// Answers these bytes to `GET /`.
fn answers(name: &'static str, bytes: impl Into<Vec<u8>>, expected: &'static [&'static str]) -> Row {
    let bytes = bytes.into();
    row(name, async move {
        let server = Server::answering(bytes).await;
        Trial::new(CheckKind::Http, server.url("/")).ends(expected).await?;
        server.was_left_in_time()
    })
}

/// Answers the first bytes, and then the second again and again.
fn floods(name: &'static str, head: &str, again: impl Into<Vec<u8>>, expected: &'static [&'static str]) -> Row {
    let (head, again) = (head.to_owned(), again.into());
    row(name, async move {
        let server = Server::flooding(head, again).await;
        Trial::new(CheckKind::Http, server.url("/")).ends(expected).await?;
        server.was_left_in_time()
    })
}

/// Drips these bytes, after others at once.
fn drips(name: &'static str, head: &'static str, slowly: &'static str, expected: &'static [&'static str]) -> Row {
    row(name, async move {
        let server = Server::start(move |mut connection| async move {
            if connection.request().await && connection.say(head.as_bytes()).await {
                connection.drip(slowly.as_bytes()).await;
            }
        })
        .await;
        Trial::new(CheckKind::Http, server.url("/")).ends(expected).await.map(drop)
    })
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// 64 MiB of zeros, in some 64 KiB.
pub(super) fn gzip_bomb() -> Vec<u8> {
    let part = vec![0; 1024 * 1024];
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..64 {
        encoder.write_all(&part).unwrap();
    }
    encoder.finish().unwrap()
}

fn deflate_bomb() -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; 8 * 1024 * 1024]).unwrap();
    encoder.finish().unwrap()
}

/// An answer in a content coding.
pub(super) fn coded(coding: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-type: text/plain\r\n\r\n";

pub(super) fn rows() -> Vec<Row> {
    let mut rows = heads();
    rows.extend(bodies());
    rows.extend(codings());
    rows.extend(texts());
    rows.extend(redirects());
    rows
}

fn heads() -> Vec<Row> {
    vec![
        row("a server that never answers", async {
            let server = Server::start(|mut connection| async move { connection.wait().await }).await;
            Trial::new(CheckKind::Http, server.url("/")).ends(&["timeout"]).await.map(drop)
        }),
        row("a server that never takes the connection's first byte and resets", async {
            let server = Server::start(|_| async {}).await;
            Trial::new(CheckKind::Http, server.url("/")).ends(&["reset"]).await.map(drop)
        }),
        drips("a head of a byte per 100 ms", "", "HTTP/1.1 200 OK\r\nx-slow: aaaaaaaaaaaaaaaaaaaaaaaaaaa", &["timeout"]),
        floods("header lines without an end", "HTTP/1.1 200 OK\r\n", "x-more: and more\r\n", NO_ANSWER),
        floods("one header line without an end", "HTTP/1.1 200 OK\r\nx-long: ", "aaaaaaaaaaaaaaaa", NO_ANSWER),
        floods("a reason without an end", "HTTP/1.1 200 ", "very ", NO_ANSWER),
        floods("interim answers without an end", "", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", NO_ANSWER),
        floods("100 Continue without an end", "", "HTTP/1.1 100 Continue\r\n\r\n", NO_ANSWER),
        answers("a header of 1 MB", format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n", "a".repeat(1_000_000)), NO_ANSWER),
        answers("5000 header lines", headed(200, &"x-more: a\r\n".repeat(5000)), NO_ANSWER),
        answers("500 cookies of 200 bytes", headed(200, &format!("set-cookie: {}\r\n", "c".repeat(200)).repeat(500)), &["ok", "bad_body"]),
        answers("HTTP/0.9", "<html>hello</html>", NO_ANSWER),
        answers("a version that is none", "HTTP/9.9 200 OK\r\ncontent-length: 0\r\n\r\n", NO_ANSWER),
        answers("a status that is none", "HTTP/1.1 OK 200\r\ncontent-length: 0\r\n\r\n", NO_ANSWER),
        answers("a status of two digits", "HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n", NO_ANSWER),
        answers("a status below zero", "HTTP/1.1 -200 OK\r\ncontent-length: 0\r\n\r\n", NO_ANSWER),
        answers("status 999", headed(999, ""), &["unexpected"]),
        answers("status 000", "HTTP/1.1 000 None\r\ncontent-length: 0\r\n\r\n", NO_ANSWER),
        answers("101 that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n", &["unexpected", "bad_body", "reset"]),
        answers("binary garbage", (0..=255u8).cycle().take(4096).collect::<Vec<_>>(), NO_ANSWER),
        answers("zero bytes", vec![0; 100_000], NO_ANSWER),
        answers("line feeds alone", "\n".repeat(100_000), NO_ANSWER),
        answers("a header folded over lines", "HTTP/1.1 200 OK\r\nx-a: b\r\n c\r\n\td\r\ncontent-length: 0\r\n\r\n", &["ok", "bad_body"]),
        answers("a header line without a colon", "HTTP/1.1 200 OK\r\nnonsense\r\ncontent-length: 0\r\n\r\n", &["ok", "bad_body"]),
        answers("a space before the colon", "HTTP/1.1 200 OK\r\ncontent-length : 0\r\n\r\n", &["ok", "bad_body"]),
        answers("a TLS alert in plain", b"\x15\x03\x01\x00\x02\x02\x28".to_vec(), NO_ANSWER),
        answers("HTTP/2 to who speaks HTTP/1.1", b"\0\0\0\x04\0\0\0\0\0".to_vec(), NO_ANSWER),
        answers("Via of ten thousand hops", headed(502, &format!("via: {}\r\n", "1.1 a, ".repeat(10_000))), &["gateway_error", "server_error"]),
        answers("Proxy-Status of ten thousand members", headed(502, &format!("proxy-status: {}a\r\n", "a;error=dns_error, ".repeat(5000))), &["gateway_error"]),
        answers("WWW-Authenticate of nonsense", headed(401, &format!("www-authenticate: {}\r\n", "Bearer error=\"\\\"".repeat(3000))), &["unauthorized"]),
    ]
}

fn bodies() -> Vec<Row> {
    vec![
        drips("a body of a byte per 100 ms", "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n", "a", &["timeout"]),
        drips("a chunk of a byte per 100 ms", CHUNKED, "1\r\na\r\n", &["timeout"]),
        floods("chunks without an end", CHUNKED, "400\r\n".to_owned() + "a".repeat(1024).as_str() + "\r\n", GOOD),
        floods("chunks of a byte without an end", CHUNKED, "1\r\na\r\n", &["ok", "timeout"]),
        floods("a body until the connection ends, which it never does", "HTTP/1.1 200 OK\r\n\r\n", "aaaaaaaa", GOOD),
        floods("a body of 2^63 bytes", "HTTP/1.1 200 OK\r\ncontent-length: 9223372036854775807\r\n\r\n", "aaaaaaaa", GOOD),
        floods("a chunk's extension without an end", &format!("{CHUNKED}1"), ";a=b", BROKEN_BODY),
        floods("trailers without an end", &format!("{CHUNKED}0\r\n"), "x-more: a\r\n", BROKEN_BODY),
        floods("a chunk size of zeros without an end", CHUNKED, "0", BROKEN_BODY),
        floods("JSON that opens and never closes", "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n", "[", GOOD),
        answers("a chunk size that overflows", format!("{CHUNKED}FFFFFFFFFFFFFFFFF\r\nabc\r\n"), BROKEN_BODY),
        answers("a chunk of 2^63 bytes that are not there", format!("{CHUNKED}7FFFFFFFFFFFFFFF\r\nabc\r\n"), BROKEN_BODY),
        answers("a chunk size below zero", format!("{CHUNKED}-1\r\nabc\r\n"), BROKEN_BODY),
        answers("a chunk without its end of line", format!("{CHUNKED}3\r\nabcXX0\r\n\r\n"), BROKEN_BODY),
        answers("two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!", &["bad_body", "reset", "ok"]),
        answers("a length and a coding", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", &["ok", "bad_body", "reset"]),
        answers("a length that overflows", "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\nhello", NO_ANSWER),
        answers("a length below zero", "HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello", NO_ANSWER),
        answers("a second answer behind the first", [answer(200, "text/plain", "a"), answer(500, "text/plain", "smuggled")].concat(), GOOD),
        answers("a second answer behind 204", [b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), answer(500, "text/plain", "smuggled")].concat(), GOOD),
        answers("a body behind 304", [b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec(), vec![b'a'; 100_000]].concat(), GOOD),
        answers("JSON 500,000 deep", answer(200, "application/json", "[".repeat(500_000) + "]".repeat(500_000).as_str()), GOOD),
        answers("JSON objects 100,000 deep", answer(200, "application/json", "{\"a\":".repeat(100_000) + "1" + "}".repeat(100_000).as_str()), GOOD),
        answers("a number of a hundred thousand digits", answer(200, "application/json", "9".repeat(100_000)), GOOD),
        answers("1e999999", answer(200, "application/json", "{\"a\": 1e999999}"), GOOD),
        answers("a hundred thousand fields", answer(200, "application/json", format!("{{{}\"z\":1}}", (0..60_000).map(|it| format!("\"k{it}\":{it},")).collect::<String>())), GOOD),
        row("an expectation on a number out of range", async {
            let server = Server::answering(answer(200, "application/json", "{\"a\": 1e999999, \"b\": -1e-999999}")).await;
            let trial = Trial::new(CheckKind::Http, server.url("/")).with("expect_json", ".a > 1");
            trial.ends(&["ok", "bad_body"]).await.map(drop)
        }),
        row("an expectation that costs the square of a large body", async {
            let server = Server::answering(answer(200, "application/json", format!("[{}1]", "1,".repeat(250_000)))).await;
            let trial = Trial::new(CheckKind::Http, server.url("/"))
                .with("expect_json", "[.[] as $a | .[] | select(. == $a)] | length > 0");
            trial.ends(&["ok"]).await.map(drop)
        }),
        row("an expectation that never ends", async {
            let server = Server::answering(answer(200, "application/json", "[1]")).await;
            let trial = Trial::new(CheckKind::Http, server.url("/")).with("expect_json", "[range(1e18)] | length > 0");
            trial.ends(&["ok", "usage"]).await.map(drop)
        }),
    ]
}

fn codings() -> Vec<Row> {
    vec![
        answers("a gzip bomb of 64 MiB", coded("gzip", &gzip_bomb()), GOOD),
        answers("a deflate bomb", coded("deflate", &deflate_bomb()), GOOD),
        answers("a gzip bomb in a gzip", coded("gzip, gzip", &gzip(&gzip_bomb())), GOOD),
        answers("200,000 empty members of gzip", coded("gzip", &gzip(b"").repeat(20_000)), BROKEN_BODY),
        answers("a brotli bomb", coded("br", &[0x5b, 0xff, 0xff, 0x3f, 0x80, 0xe2, 0x9c, 0xff].repeat(64)), GOOD),
        answers("a zstd bomb", coded("zstd", &[0x28, 0xb5, 0x2f, 0xfd, 0xa4, 0xff, 0xff, 0xff, 0x7f, 0x02].repeat(64)), GOOD),
        answers("gzip that is none", coded("gzip", b"hello"), &["bad_body"]),
        answers("gzip cut in the middle", coded("gzip", &gzip(&vec![7; 100_000])[..40]), &["bad_body"]),
        answers("a coding named a thousand times", coded(&"gzip,".repeat(1000), b"hello"), GOOD),
        floods("gzip without an end", "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-type: application/json\r\n\r\n", gzip(&vec![0; 1 << 20]), &["ok", "bad_body"]),
    ]
}

/// What would steer a terminal or turn a line around.
const ESCAPES: &str = "\\u001b[2J\\u001b]0;owned\\u0007\\u202egnp.exe\\u2066\\u009b31m";

fn texts() -> Vec<Row> {
    let marked = "server: nginx\u{202e}\u{9b}31m\r\nx-request-id: \u{2066}a\r\n";
    vec![
        answers("escapes in a reason", "HTTP/1.1 500 \u{1b}[2J\u{9b}31m\u{202e}\r\ncontent-length: 0\r\n\r\n", &["server_error", "bad_body"]),
        answers("escapes in a header", "HTTP/1.1 500 X\r\nserver: \u{1b}[2Jnginx\r\ncontent-length: 0\r\n\r\n", &["server_error", "bad_body"]),
        answers("NUL in a header", "HTTP/1.1 500 X\r\nserver: ng\0inx\r\ncontent-length: 0\r\n\r\n", &["server_error", "bad_body"]),
        answers("what turns text around in headers", headed(502, marked), &["gateway_error"]),
        answers("headers that are no UTF-8", [b"HTTP/1.1 502 X\r\nserver: nginx\xff\xfe\r\nvia: \xc0\x80\r\ncontent-length: 0\r\n\r\n".as_slice()].concat(), &["gateway_error"]),
        answers("escapes in an error's code and message", answer(500, "application/json", format!("{{\"error\": {{\"code\": \"{ESCAPES}\", \"message\": \"{ESCAPES}\"}}}}")), &["server_error"]),
        answers("escapes in the names of fields", answer(200, "application/json", format!("{{\"{ESCAPES}\": {{\"{ESCAPES}\": 1}}}}")), GOOD),
        answers("escapes in a page's title", answer(500, "text/html", "<html><title>\u{1b}[2J\u{202e}\u{9b}a\nb</title></html>"), &["server_error"]),
        answers("a title of 500 KB", answer(500, "text/html", format!("<html><title>{}</title>", "a".repeat(500_000))), &["server_error"]),
        answers("titles that open and never close", answer(500, "text/html", "<html>".to_owned() + "<title>".repeat(100_000).as_str()), &["server_error"]),
        answers("escapes in a content type", headed(500, "content-type: text/\u{202e}html\r\ncontent-encoding: \u{9b}\r\n"), &["server_error"]),
        row("escapes in the target itself", async {
            let trial = Trial::new(CheckKind::Http, "http://\u{1b}[2J\u{202e}/");
            trial.ends(&["usage"]).await.map(drop)
        }),
        row("a target of a megabyte", async {
            let server = Server::answering(answer(200, "text/plain", "a")).await;
            let trial = Trial::new(CheckKind::Http, server.url(&format!("/{}", "a".repeat(1_000_000))));
            trial.ends(&["usage", "ok", "error"]).await.map(drop)
        }),
    ]
}

fn redirects() -> Vec<Row> {
    let to = |name, location: &str, expected| answers(name, headed(302, &format!("location: {location}\r\n")), expected);
    vec![
        to("a redirect to itself", "/", &["redirect_loop"]),
        to("a redirect to a file", "file:///etc/passwd", &["ok"]),
        to("a redirect to gopher", "gopher://127.0.0.1:25/_HELO", &["ok"]),
        to("a redirect to javascript", "javascript:alert(1)", &["ok"]),
        to("a redirect to nowhere", "http://", &["ok"]),
        to("a redirect to 100 KB", &"a".repeat(100_000), &["ok", "redirect_loop", "bad_body"]),
        to("a redirect that turns text around", "/\u{202e}\u{9b}31m", &["ok", "redirect_loop"]),
        to("a redirect with a name and a password", "http://user:pass@127.0.0.1/", &["ok", "redirect_loop", "unreachable"]),
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
            })
            .await;
            Trial::new(CheckKind::Http, server.url("/start")).ends(&["redirect_loop"]).await?;
            let asked = count.load(Ordering::SeqCst);
            if asked <= 6 { Ok(()) } else { Err(format!("{asked} requests")) }
        }),
    ]
}
