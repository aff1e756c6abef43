//! Hostile bodies of HTTP/1.1: framing, codings, and texts that steer a terminal.

use std::io::Write as _;

use firstcheck::outcome::CheckKind;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::http::{GOOD, NO_ANSWER, answers, drips, floods};
use super::server::{Server, answer, headed};
use super::trial::{Row, Trial, row};

/// What came is broken somewhere behind its head.
const BROKEN_BODY: &[&str] = &["bad_body", "reset", "timeout"];

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
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-type: text/plain\r\n\r\n";

pub(super) fn rows() -> Vec<Row> {
    let mut rows = framing();
    rows.extend(codings());
    rows.extend(texts());
    rows
}

fn framing() -> Vec<Row> {
    vec![
        drips(
            "a body of a byte per 100 ms",
            "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n",
            "a",
            &["timeout"],
        ),
        drips("a chunk of a byte per 100 ms", CHUNKED, "1\r\na\r\n", &["timeout"]),
        floods(
            "chunks without an end",
            CHUNKED,
            "400\r\n".to_owned() + "a".repeat(1024).as_str() + "\r\n",
            GOOD,
        ),
        floods("chunks of a byte without an end", CHUNKED, "1\r\na\r\n", &["ok", "timeout"]),
        floods(
            "a body until the connection ends, which it never does",
            "HTTP/1.1 200 OK\r\n\r\n",
            "aaaaaaaa",
            GOOD,
        ),
        floods(
            "a body of 2^63 bytes",
            "HTTP/1.1 200 OK\r\ncontent-length: 9223372036854775807\r\n\r\n",
            "aaaaaaaa",
            GOOD,
        ),
        floods("a chunk's extension without an end", &format!("{CHUNKED}1"), ";a=b", BROKEN_BODY),
        floods("trailers without an end", &format!("{CHUNKED}0\r\n"), "x-more: a\r\n", BROKEN_BODY),
        floods("a chunk size of zeros without an end", CHUNKED, "0", BROKEN_BODY),
        floods(
            "JSON that opens and never closes",
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n",
            "[",
            GOOD,
        ),
        answers("a chunk size that overflows", format!("{CHUNKED}FFFFFFFFFFFFFFFFF\r\nabc\r\n"), BROKEN_BODY),
        answers(
            "a chunk of 2^63 bytes that are not there",
            format!("{CHUNKED}7FFFFFFFFFFFFFFF\r\nabc\r\n"),
            BROKEN_BODY,
        ),
        answers("a chunk size below zero", format!("{CHUNKED}-1\r\nabc\r\n"), BROKEN_BODY),
        answers("a chunk without its end of line", format!("{CHUNKED}3\r\nabcXX0\r\n\r\n"), BROKEN_BODY),
        answers(
            "two lengths",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
            &["bad_body", "reset", "ok"],
        ),
        answers(
            "a length and a coding",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            &["ok", "bad_body", "reset"],
        ),
        answers(
            "a length that overflows",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\nhello",
            NO_ANSWER,
        ),
        answers("a length below zero", "HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello", NO_ANSWER),
        answers(
            "a second answer behind the first",
            [answer(200, "text/plain", "a"), answer(500, "text/plain", "smuggled")].concat(),
            GOOD,
        ),
        answers(
            "a second answer behind 204",
            [b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), answer(500, "text/plain", "smuggled")].concat(),
            GOOD,
        ),
        answers(
            "a body behind 304",
            [b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec(), vec![b'a'; 100_000]].concat(),
            &["ok", "unexpected"],
        ),
        answers(
            "JSON 500,000 deep",
            answer(200, "application/json", "[".repeat(500_000) + "]".repeat(500_000).as_str()),
            GOOD,
        ),
        answers(
            "JSON objects 100,000 deep",
            answer(200, "application/json", "{\"a\":".repeat(100_000) + "1" + "}".repeat(100_000).as_str()),
            GOOD,
        ),
        answers(
            "a number of a hundred thousand digits",
            answer(200, "application/json", "9".repeat(100_000)),
            GOOD,
        ),
        answers("1e999999", answer(200, "application/json", "{\"a\": 1e999999}"), GOOD),
        answers(
            "a hundred thousand fields",
            answer(
                200,
                "application/json",
                format!(
                    "{{{}\"z\":1}}",
                    (0..60_000).map(|it| format!("\"k{it}\":{it},")).collect::<Vec<_>>().concat()
                ),
            ),
            GOOD,
        ),
        row("an expectation on a number out of range", async {
            let server =
                Server::answering(answer(200, "application/json", "{\"a\": 1e999999, \"b\": -1e-999999}"));
            let trial = Trial::new(CheckKind::Http, server.url("/")).with("expect_json", ".a > 1");
            trial.ends(&["ok", "bad_body"]).await.map(drop)
        }),
        row("an expectation that costs the square of a large body", async {
            let server =
                Server::answering(answer(200, "application/json", format!("[{}1]", "1,".repeat(250_000))));
            let trial = Trial::new(CheckKind::Http, server.url("/"))
                .with("expect_json", "[.[] as $a | .[] | select(. == $a)] | length > 0");
            trial.ends(&["ok"]).await.map(drop)
        }),
        row("an expectation that never ends", async {
            let server = Server::answering(answer(200, "application/json", "[1]"));
            let trial = Trial::new(CheckKind::Http, server.url("/"))
                .with("expect_json", "[range(1e18)] | length > 0");
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
        answers(
            "a brotli bomb",
            coded("br", &[0x5b, 0xff, 0xff, 0x3f, 0x80, 0xe2, 0x9c, 0xff].repeat(64)),
            GOOD,
        ),
        answers(
            "a zstd bomb",
            coded("zstd", &[0x28, 0xb5, 0x2f, 0xfd, 0xa4, 0xff, 0xff, 0xff, 0x7f, 0x02].repeat(64)),
            GOOD,
        ),
        answers("gzip that is none", coded("gzip", b"hello"), &["bad_body"]),
        answers("gzip cut in the middle", coded("gzip", &gzip(&vec![7; 100_000])[..40]), &["bad_body"]),
        answers("a coding named a thousand times", coded(&"gzip,".repeat(1000), b"hello"), GOOD),
        floods(
            "gzip without an end",
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-type: application/json\r\n\r\n",
            gzip(&vec![0; 1 << 20]),
            &["ok", "bad_body"],
        ),
    ]
}

/// What would steer a terminal or turn a line around.
const ESCAPES: &str = "\\u001b[2J\\u001b]0;owned\\u0007\\u202egnp.exe\\u2066\\u009b31m";

fn texts() -> Vec<Row> {
    let marked = "server: nginx\u{202e}\u{9b}31m\r\nx-request-id: \u{2066}a\r\n";
    vec![
        answers(
            "escapes in a reason",
            "HTTP/1.1 500 \u{1b}[2J\u{9b}31m\u{202e}\r\ncontent-length: 0\r\n\r\n",
            &["server_error", "bad_body"],
        ),
        answers(
            "escapes in a header",
            "HTTP/1.1 500 X\r\nserver: \u{1b}[2Jnginx\r\ncontent-length: 0\r\n\r\n",
            &["server_error", "bad_body"],
        ),
        answers(
            "NUL in a header",
            "HTTP/1.1 500 X\r\nserver: ng\0inx\r\ncontent-length: 0\r\n\r\n",
            &["server_error", "bad_body"],
        ),
        answers("what turns text around in headers", headed(502, marked), &["gateway_error"]),
        answers(
            "headers that are no UTF-8",
            [b"HTTP/1.1 502 X\r\nserver: nginx\xff\xfe\r\nvia: \xc0\x80\r\ncontent-length: 0\r\n\r\n"
                .as_slice()]
            .concat(),
            &["gateway_error"],
        ),
        answers(
            "escapes in an error's code and message",
            answer(
                500,
                "application/json",
                format!("{{\"error\": {{\"code\": \"{ESCAPES}\", \"message\": \"{ESCAPES}\"}}}}"),
            ),
            &["server_error"],
        ),
        answers(
            "escapes in the names of fields",
            answer(200, "application/json", format!("{{\"{ESCAPES}\": {{\"{ESCAPES}\": 1}}}}")),
            GOOD,
        ),
        answers(
            "escapes in a page's title",
            answer(500, "text/html", "<html><title>\u{1b}[2J\u{202e}\u{9b}a\nb</title></html>"),
            &["server_error"],
        ),
        answers(
            "a title of 500 KB",
            answer(500, "text/html", format!("<html><title>{}</title>", "a".repeat(500_000))),
            &["server_error"],
        ),
        answers(
            "titles that open and never close",
            answer(500, "text/html", "<html>".to_owned() + "<title>".repeat(100_000).as_str()),
            &["server_error"],
        ),
        answers(
            "escapes in a content type",
            headed(500, "content-type: text/\u{202e}html\r\ncontent-encoding: \u{9b}\r\n"),
            &["server_error"],
        ),
        row("escapes in the target itself", async {
            let trial = Trial::new(CheckKind::Http, "http://\u{1b}[2J\u{202e}/");
            trial.ends(&["usage"]).await.map(drop)
        }),
        row("a target of a megabyte", async {
            let server = Server::answering(answer(200, "text/plain", "a"));
            let trial = Trial::new(CheckKind::Http, server.url(&format!("/{}", "a".repeat(1_000_000))));
            trial.ends(&["usage", "ok", "error"]).await.map(drop)
        }),
    ]
}
