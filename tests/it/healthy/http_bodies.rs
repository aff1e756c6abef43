//! Sound bodies of types and forms that probes misread: guarded, streamed and nested JSON, XML, text, and what trails behind an answer.

use firstcheck::drill::http_server::{HttpServer, Reply};
use firstcheck::drill::name_server::{NameServer, Zone};
use serde_json::json;

use super::http::{raw, replying};
use super::tls::{Ca, NAME};
use super::{Asked, Table};

const BODIES: [(&str, &str, &[u8]); 33] = [
    (
        "JSON behind a guard, as Gerrit and Angular have it",
        "application/json; charset=UTF-8",
        b")]}'\n{\"ok\":true}",
    ),
    ("JSON whose text holds half of a pair", "application/json", b"{\"name\": \"\\ud83d\"}"),
    (
        "JSON with every escape",
        "application/json",
        b"{\"a\": \"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00\"}",
    ),
    ("JSON with an empty key and a null byte in a text", "application/json", b"{\"\": \"\\u0000\"}"),
    ("JSON that is a text", "application/json", b"\"ok\""),
    ("JSON that is false", "application/json", b"false"),
    ("JSON that is an empty list", "application/json", b"[]"),
    ("JSON with negative zero and exponents", "application/json", b"[-0, 1E+2, 1e-400, 0.1]"),
    ("HAL", "application/hal+json", b"{\"_links\": {}}"),
    ("JSON:API", "application/vnd.api+json", b"{\"data\": null}"),
    ("JSON-LD", "application/ld+json", b"{\"@context\": \"https://schema.org\"}"),
    ("GeoJSON", "application/geo+json", b"{\"type\": \"FeatureCollection\", \"features\": []}"),
    ("AWS JSON", "application/x-amz-json-1.1", b"{}"),
    ("JSON lines under another name", "application/jsonl", b"{\"a\":1}\n{\"a\":2}\n"),
    ("a stream of JSON as Spring sends it", "application/stream+json", b"{\"a\":1}\n{\"a\":2}\n"),
    ("JSON lines without an end", "application/x-ndjson", b"{\"a\":1}\r\n\r\n{\"a\":2}"),
    ("a script with JSON in it", "application/javascript", b"callback({\"ok\":true});"),
    ("JSON with comments, whose type says so", "application/json5", b"{ok: true, /* yes */}"),
    (
        "XML with a byte order mark",
        "application/xml",
        b"\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><a/>",
    ),
    (
        "XML in Latin-1",
        "text/xml; charset=iso-8859-1",
        b"<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><a>caf\xe9</a>",
    ),
    (
        "SOAP",
        "application/soap+xml; charset=utf-8",
        b"<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Body/></s:Envelope>",
    ),
    ("XML after a comment", "application/xml", b"<!-- made by hand -->\n<a><b/></a>\n"),
    ("XML with a doctype and CDATA", "application/xml", b"<!DOCTYPE a><a><![CDATA[ <not> & xml ]]></a>"),
    ("a picture", "image/svg+xml", b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>"),
    ("a page without a body element", "text/html", b"<!doctype html><title>ok</title>"),
    ("a page that is a word", "text/html", b"OK"),
    ("an empty page", "text/html", b""),
    ("an empty text", "text/plain", b""),
    ("bytes under text", "text/plain", b"\x00\x01\xff"),
    ("YAML", "application/yaml", b"ok: true\n"),
    ("metrics", "text/plain; version=0.0.4", b"# TYPE up gauge\nup 1\n"),
    ("a type with odd parameters", "application/json ; charset = utf-8 ; q=1", b"{}"),
    ("protocol buffers", "application/x-protobuf", b"\x08\x96\x01"),
];

pub(super) fn rows(table: &mut Table) {
    for (name, kind, body) in BODIES {
        table.row(name, "ok", replying(move || Reply::bytes(200, kind, body)));
    }
    table.row(
        "JSON nested five hundred deep",
        "ok",
        replying(|| Reply::body(200, "application/json", format!("{}{}", "[".repeat(500), "]".repeat(500)))),
    );
    behind(table);
    urls(table);
    elsewhere(table);
}

/// What follows an answer on its connection, and head lines few servers send.
fn behind(table: &mut Table) {
    table.row(
        "an empty line behind the body",
        "ok",
        raw("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok\r\n"),
    );
    table.row("408 for the next request that never came", "ok", raw(
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    ));
    table.row(
        "a space before the colon",
        "ok",
        raw("HTTP/1.1 200 OK\r\nx-powered-by : hand\r\ncontent-length: 2\r\n\r\nok"),
    );
    table.row(
        "a header twice folded, with a tab",
        "ok",
        raw("HTTP/1.1 200 OK\r\nx-long: a\r\n\tb\r\n c\r\ncontent-length: 2\r\n\r\nok"),
    );
    table.row("two hundred headers", "ok", async {
        let many = (0..200).map(|n| format!("x-trace-{n}: {n}\r\n")).collect::<Vec<_>>().concat();
        raw(format!("HTTP/1.1 200 OK\r\n{many}content-length: 2\r\n\r\nok")).await
    });
    table.row("a cookie of sixty kilobytes", "ok", async {
        raw(format!("HTTP/1.1 200 OK\r\nset-cookie: a={}\r\ncontent-length: 2\r\n\r\nok", "x".repeat(60_000)))
            .await
    });
    table.row(
        "a header with every token sign in its name",
        "ok",
        raw("HTTP/1.1 200 OK\r\nx!#$%&'*+-.^_`|~: 1\r\ncontent-length: 2\r\n\r\nok"),
    );
    table.row(
        "an empty chunked body",
        "ok",
        raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    );
    table.row("gzip in chunks", "ok", async {
        use std::io::Write as _;
        let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        coder.write_all(b"{\"ok\":true}").unwrap();
        let body = coder.finish().unwrap();
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n";
        raw([&head[..], format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n0\r\n\r\n"].concat()).await
    });
    table.row("gzip of nothing, with no byte at all", "ok", raw("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-encoding: gzip\r\ncontent-length: 0\r\n\r\n"));
    table.row("426 that is expected", "ok", async {
        raw("HTTP/1.1 426 Upgrade Required\r\nupgrade: websocket\r\nconnection: upgrade\r\ncontent-length: 0\r\n\r\n").await.with("expect_status", "426")
    });
}

/// Writes the URL of an address.
type Form = fn(&str) -> String;

/// The same answer under URLs as people write them.
fn urls(table: &mut Table) {
    let forms: [(&str, Form); 6] = [
        ("the scheme in capitals", |at| format!("HTTP://{at}/health")),
        ("no path", |at| format!("http://{at}")),
        ("a query without a path", |at| format!("http://{at}?a=1")),
        ("a fragment", |at| format!("http://{at}/health#top")),
        ("dots in the path", |at| format!("http://{at}/a/../health")),
        ("spaces around", |at| format!(" http://{at}/health ")),
    ];
    for (name, form) in forms {
        table.row(name, "ok", async move {
            let server = HttpServer::plain(|_| std::future::ready(Reply::text(200, "ok"))).await.unwrap();
            Asked::new(form(&server.addr().to_string())).holding(server)
        });
    }
    table.row("an international name", "ok", async {
        let server = HttpServer::plain(|_| std::future::ready(Reply::text(200, "ok"))).await.unwrap();
        let port = server.addr().port();
        let resolver =
            NameServer::start(vec![Zone::new("lab.test").a("xn--bcher-kva", [127, 0, 0, 1].into())])
                .await
                .unwrap();
        Asked::new(format!("http://bücher.lab.test:{port}/"))
            .resolving(resolver.addr())
            .holding(server)
            .holding(resolver)
    });
    for (name, label) in [
        ("an underscore in the name", "my_host"),
        ("a label of digits", "4711"),
        ("a name with a dash at its end", "edge-"),
    ] {
        table.row(name, "ok", async move {
            let server = HttpServer::plain(|_| std::future::ready(Reply::text(200, "ok"))).await.unwrap();
            let port = server.addr().port();
            let resolver =
                NameServer::start(vec![Zone::new("lab.test").a(label, [127, 0, 0, 1].into())]).await.unwrap();
            Asked::new(format!("http://{label}.lab.test:{port}/"))
                .resolving(resolver.addr())
                .holding(server)
                .holding(resolver)
        });
    }
    table.row("a single label", "ok", async {
        let server = HttpServer::plain(|_| std::future::ready(Reply::text(200, "ok"))).await.unwrap();
        let port = server.addr().port();
        let resolver =
            NameServer::start(vec![Zone::new("intranet").a("@", [127, 0, 0, 1].into())]).await.unwrap();
        Asked::new(format!("http://intranet:{port}/"))
            .resolving(resolver.addr())
            .holding(server)
            .holding(resolver)
    });
    table.row("the user's own headers", "ok", async {
        let server = HttpServer::plain(|request| {
            let seen = request.headers().get("x-tenant").is_some_and(|it| it == "acme: north");
            std::future::ready(Reply::json(if seen { 200 } else { 400 }, &json!({})))
        })
        .await
        .unwrap();
        Asked::new(server.url("/"))
            .with("header.X-Tenant", "acme: north")
            .with("header.Accept", "*/*")
            .holding(server)
    });
}

/// Redirects to a secure server of the same host, and odd locations.
fn elsewhere(table: &mut Table) {
    table.row("a redirect from http to https of the same host", "ok", async {
        let root = Ca::root("Lab Root");
        let handler =
            |_: hyper::Request<hyper::body::Bytes>| Box::pin(std::future::ready(Reply::text(200, "ok"))) as _;
        let config = root.leaf(|_| {}).config();
        let secure =
            HttpServer::start(([127, 0, 0, 1], 0).into(), Some(config), std::sync::Arc::new(handler))
                .await
                .unwrap();
        let location = format!("https://{NAME}:{}/", secure.addr().port());
        let plain =
            HttpServer::plain(move |_| std::future::ready(Reply::empty(301).header("location", &location)))
                .await
                .unwrap();
        let resolver =
            NameServer::start(vec![Zone::new("lab.test").a("api", [127, 0, 0, 1].into())]).await.unwrap();
        Asked::new(format!("http://{NAME}:{}/", plain.addr().port()))
            .resolving(resolver.addr())
            .trusting(root.certificate.pem())
            .holding(plain)
            .holding(secure)
            .holding(resolver)
    });
    for (name, location) in [
        ("a location with a space in it", "/here it is"),
        ("a location in UTF-8", "/café"),
        ("a location without a scheme", "//127.0.0.1:PORT/here"),
        ("a location that is a query", "?to=here"),
        ("an absolute location of the same host", "http://127.0.0.1:PORT/here"),
        ("dots in the location", "./here/../there"),
    ] {
        table.row(name, "ok", async move {
            let server = HttpServer::plain(move |request| {
                let is_first = request.uri().path() == "/first" && request.uri().query().is_none();
                let port = request.headers()["host"].to_str().unwrap().rsplit(':').next().unwrap().to_owned();
                let location = location.replace("PORT", &port);
                std::future::ready(if is_first {
                    Reply::empty(302).header("location", &location)
                } else {
                    Reply::text(200, "ok")
                })
            })
            .await
            .unwrap();
            Asked::new(server.url("/first")).holding(server)
        });
    }
}
