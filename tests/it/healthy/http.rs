//! Sound answers: what RFC 9110, 9112, 8297 and 9113 allow a server to say, in forms that few servers use.

use std::time::Duration;

use firstcheck::drill::http_server::{HttpServer, Reply};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::servers::{Server, read_head};
use super::{Asked, Table};

/// An answer as it is on the wire.
pub(super) async fn raw(answer: impl AsRef<[u8]>) -> Asked {
    pieces(vec![answer.as_ref().to_vec()]).await
}

async fn pieces(answer: Vec<Vec<u8>>) -> Asked {
    let server = Server::raw(answer).await;
    Asked::new(server.url("/")).holding(server)
}

/// A server that answers every request alike.
pub(super) async fn replying(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Asked {
    let server = HttpServer::plain(move |_| std::future::ready(reply())).await.unwrap();
    Asked::new(server.url("/v1/orders")).holding(server)
}

pub(super) fn rows(table: &mut Table) {
    statuses(table);
    framing(table);
    heads(table);
    bodies(table);
}

fn statuses(table: &mut Table) {
    table.row("204 without a body", "ok", raw("HTTP/1.1 204 No Content\r\n\r\n"));
    table.row("200 with an empty body", "ok", raw("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
    table.row(
        "201 with a location",
        "ok",
        raw("HTTP/1.1 201 Created\r\nlocation: /v1/orders/7\r\ncontent-length: 0\r\n\r\n"),
    );
    table.row("202: accepted, not done", "ok", replying(|| Reply::json(202, &json!({"status": "pending"}))));
    table.row("203, from a transforming proxy", "ok", replying(|| Reply::json(203, &json!({}))));
    table.row("205: reset the form", "ok", raw("HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n"));
    table.row("206 to a request for a range", "ok", async {
        raw("HTTP/1.1 206 Partial Content\r\ncontent-type: text/plain\r\ncontent-range: bytes 0-3/100\r\ncontent-length: 4\r\n\r\nabcd")
            .await
            .with("header.range", "bytes=0-3")
    });
    table.row(
        "207 of WebDAV",
        "ok",
        replying(|| {
            Reply::body(207, "application/xml", "<?xml version=\"1.0\"?><multistatus xmlns=\"DAV:\"/>")
        }),
    );
    table.row("226", "ok", replying(|| Reply::text(226, "delta")));
    table.row("a 2xx nobody registered", "ok", replying(|| Reply::json(299, &json!({"ok": true}))));
    table.row("304 to a conditional request", "ok|unexpected", async {
        raw("HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\n\r\n")
            .await
            .with("header.if-none-match", "\"a\"")
            .with("expect_status", "304")
    });
    table.row("a status without a reason phrase", "ok", raw("HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\nok"));
    table.row(
        "a status without a reason phrase or a space",
        "ok",
        raw("HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok"),
    );
    table.row(
        "a reason phrase in the server's own words",
        "ok",
        raw("HTTP/1.1 200 Tout va bien\r\ncontent-length: 2\r\n\r\nok"),
    );
    table.row(
        "a reason phrase in Latin-1",
        "ok",
        raw(b"HTTP/1.1 200 D\xe9j\xe0 vu\r\ncontent-length: 2\r\n\r\nok"),
    );
    table.row(
        "a reason phrase that sounds like an error",
        "ok",
        raw("HTTP/1.1 200 502 Bad Gateway\r\ncontent-length: 2\r\n\r\nok"),
    );
}

fn framing(table: &mut Table) {
    table.row("chunks", "ok", raw("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"));
    table.row("chunks with trailers", "ok", raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-checksum\r\n\r\n5\r\nhello\r\n0\r\nx-checksum: 7\r\n\r\n"));
    table.row(
        "chunks with extensions",
        "ok",
        raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;sig=\"x;y\"\r\nhello\r\n0;last\r\n\r\n"),
    );
    table.row(
        "chunk sizes with capitals and leading zeros",
        "ok",
        raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n000A\r\n0123456789\r\n000\r\n\r\n"),
    );
    table.row("chunks of one byte, in packets of their own", "ok", async {
        let mut answer = vec![b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec()];
        answer.extend(b"hello".iter().map(|byte| [b"1\r\n", &[*byte][..], b"\r\n"].concat()));
        answer.push(b"0\r\n\r\n".to_vec());
        pieces(answer).await
    });
    table.row(
        "a body that ends with the connection",
        "ok",
        raw("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\nall of it"),
    );
    table.row("HTTP/1.0", "ok", raw("HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\nall of it"));
    table.row(
        "HTTP/1.0 with a length and keep-alive",
        "ok",
        raw("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok"),
    );
    table.row("a connection that stays open after the declared end", "ok", async {
        let server = Server::tcp(|mut stream| async move {
            read_head(&mut stream).await?;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await?;
            std::future::pending().await
        })
        .await;
        Asked::new(server.url("/")).holding(server)
    });
    table.row(
        "the same length twice, as one list (RFC 9110 section 8.6)",
        "ok",
        raw("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok"),
    );
    table.row("the head comes byte by byte", "ok", async {
        pieces(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".iter().map(|byte| vec![*byte]).collect())
            .await
    });
    table.row(
        "100 Continue before the answer",
        "ok",
        raw("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
    );
    table.row("102 Processing before the answer", "ok", raw("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"));
    table.row("103 Early Hints before the answer", "ok", raw(
        "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ));
    table.row("HEAD: a length and no body", "ok", async {
        raw("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4096\r\n\r\n")
            .await
            .with("method", "HEAD")
    });
    table.row("HEAD of a chunked resource", "ok", async {
        raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.with("method", "HEAD")
    });
    table.row("OPTIONS without a body", "ok", async {
        raw("HTTP/1.1 204 No Content\r\nallow: GET, HEAD, OPTIONS\r\n\r\n").await.with("method", "OPTIONS")
    });
    table.row(
        "lines that end in LF alone (RFC 9112 section 2.2)",
        "ok",
        raw("HTTP/1.1 200 OK\ncontent-length: 2\n\nok"),
    );
}

fn heads(table: &mut Table) {
    table.row("no header at all", "ok", raw("HTTP/1.1 200 OK\r\n\r\nbody"));
    table.row(
        "capitals in the names",
        "ok",
        raw("HTTP/1.1 200 OK\r\nCONTENT-TYPE: application/json\r\nCONTENT-LENGTH: 2\r\n\r\n{}"),
    );
    table.row(
        "spaces and tabs around the values",
        "ok",
        raw("HTTP/1.1 200 OK\r\ncontent-type: \t application/json \t\r\ncontent-length:2\r\n\r\n{}"),
    );
    table.row(
        "a header without a value",
        "ok",
        raw("HTTP/1.1 200 OK\r\nx-empty:\r\nserver: \r\ncontent-length: 2\r\n\r\nok"),
    );
    table.row(
        "bytes above ASCII in a value",
        "ok",
        raw(b"HTTP/1.1 200 OK\r\nx-city: Besan\xe7on \xc3\xa9\r\ncontent-length: 2\r\n\r\nok"),
    );
    table.row(
        "a folded header, as old servers send",
        "ok",
        raw("HTTP/1.1 200 OK\r\nx-long: one\r\n two\r\ncontent-length: 2\r\n\r\nok"),
    );
    table.row("ninety headers", "ok", async {
        let many = (0..90).map(|n| format!("x-trace-{n}: {n}\r\n")).collect::<Vec<_>>().concat();
        raw(format!("HTTP/1.1 200 OK\r\n{many}content-length: 2\r\n\r\nok")).await
    });
    table.row("twelve cookies of a kilobyte", "ok", async {
        let many = (0..12)
            .map(|n| format!("set-cookie: c{n}={}; Path=/\r\n", "x".repeat(1024)))
            .collect::<Vec<_>>()
            .concat();
        raw(format!("HTTP/1.1 200 OK\r\n{many}content-length: 2\r\n\r\nok")).await
    });
    table.row("a policy of eight kilobytes in one header", "ok", async {
        raw(format!(
            "HTTP/1.1 200 OK\r\ncontent-security-policy: {}\r\ncontent-length: 2\r\n\r\nok",
            "default-src 'self'; ".repeat(400)
        ))
        .await
    });
    table.row(
        "a date far from ours",
        "ok",
        raw("HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\ncontent-length: 2\r\n\r\nok"),
    );
    table.row(
        "an Upgrade that nobody asked for",
        "ok",
        raw("HTTP/1.1 200 OK\r\nupgrade: h2c\r\nconnection: upgrade\r\ncontent-length: 2\r\n\r\nok"),
    );
    table.row(
        "Retry-After on a good answer",
        "ok",
        raw("HTTP/1.1 200 OK\r\nretry-after: 120\r\ncontent-length: 2\r\n\r\nok"),
    );
    table.row("a quota at zero on a good answer", "ok", raw("HTTP/1.1 200 OK\r\nx-ratelimit-remaining: 0\r\nx-ratelimit-limit: 10\r\ncontent-length: 2\r\n\r\nok"));
    table.row("deprecation and sunset", "ok", raw("HTTP/1.1 200 OK\r\ndeprecation: @1688169599\r\nsunset: Sun, 30 Jun 2030 23:59:59 GMT\r\ncontent-length: 2\r\n\r\nok"));
    table.row("a warning of a stale cache", "ok", raw("HTTP/1.1 200 OK\r\nage: 7200\r\nwarning: 110 - \"Response is Stale\"\r\ncontent-length: 2\r\n\r\nok"));
}

fn bodies(table: &mut Table) {
    table.row(
        "five mebibytes",
        "ok",
        replying(|| Reply::bytes(200, "application/octet-stream", vec![7; 5 << 20])),
    );
    table.row(
        "five mebibytes of JSON",
        "ok",
        replying(|| Reply::body(200, "application/json", format!("[\"{}\"]", "x".repeat(5 << 20)))),
    );
    table.row(
        "JSON after a byte order mark",
        "ok",
        replying(|| Reply::bytes(200, "application/json", b"\xef\xbb\xbf{\"ok\":true}".to_vec())),
    );
    table.row("JSON that is a number", "ok", replying(|| Reply::body(200, "application/json", "7")));
    table.row("JSON that is null", "ok", replying(|| Reply::body(200, "application/json", "null")));
    table.row(
        "JSON with space around it",
        "ok",
        replying(|| Reply::body(200, "application/json", "\r\n\t {\"ok\": true}\n\n")),
    );
    table.row(
        "JSON with a number beyond 64 bits",
        "ok",
        replying(|| {
            Reply::body(200, "application/json", "{\"id\": 123456789012345678901234567890, \"e\": 1e400}")
        }),
    );
    table.row(
        "JSON with a key twice",
        "ok",
        replying(|| Reply::body(200, "application/json", "{\"a\": 1, \"a\": 2}")),
    );
    table.row(
        "JSON nested a hundred deep",
        "ok",
        replying(|| Reply::body(200, "application/json", format!("{}{}", "[".repeat(100), "]".repeat(100)))),
    );
    table.row(
        "JSON with the word error in it",
        "ok",
        replying(|| {
            Reply::json(200, &json!({"error": null, "errors": [], "message": "502 Bad Gateway was repaired"}))
        }),
    );
    table.row(
        "JSON of an own type",
        "ok",
        replying(|| Reply::body(200, "application/vnd.lab.order+json; version=2", "{}")),
    );
    table.row(
        "JSON with a charset",
        "ok",
        replying(|| Reply::body(200, "Application/JSON; Charset=\"UTF-8\"", "{\"name\": \"é\"}")),
    );
    table.row(
        "JSON lines",
        "ok",
        replying(|| Reply::body(200, "application/x-ndjson", "{\"a\":1}\n{\"a\":2}\n")),
    );
    table.row(
        "JSON text sequences (RFC 7464)",
        "ok",
        replying(|| Reply::body(200, "application/json-seq", "\u{1e}{\"a\":1}\n")),
    );
    table.row("JSON under a text type", "ok", replying(|| Reply::text(200, "{\"ok\":true}")));
    table.row("text under no type", "ok", raw("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"));
    table.row(
        "a page in Latin-1",
        "ok",
        replying(|| Reply::bytes(200, "text/html; charset=iso-8859-1", b"<p>caf\xe9</p>".to_vec())),
    );
    table.row("a page about gateway errors", "ok", replying(|| {
        Reply::html(200, "<html><head><title>What 502 Bad Gateway and 504 Gateway Time-out mean</title></head><body><h1>502 Bad Gateway</h1></body></html>")
    }));
    table.row("XML", "ok", replying(|| Reply::body(200, "application/xml", "<?xml version=\"1.0\"?><ok/>")));
    table.row("CSV with one column", "ok", replying(|| Reply::body(200, "text/csv", "a\n1\n")));
    table.row("an event stream that does not end within the time", "ok|slow", async {
        let server = Server::tcp(|mut stream| async move {
            read_head(&mut stream).await?;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n\r\ndata: hello\n\n").await?;
            std::future::pending().await
        })
        .await;
        let mut asked = Asked::new(server.url("/events")).holding(server);
        asked.timeout = Duration::from_secs(2);
        asked
    });
    table.row(
        "gRPC with its status in the header",
        "ok",
        replying(|| Reply::bytes(200, "application/grpc", Vec::new()).header("grpc-status", "0")),
    );
    table.row(
        "problem details with status 200 nowhere: an empty problem",
        "ok",
        replying(|| Reply::body(200, "application/problem+json", "{\"type\":\"about:blank\"}")),
    );
}
