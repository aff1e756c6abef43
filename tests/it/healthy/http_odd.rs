//! Sound answers in unusual forms: codings, what the user expects, redirects, gateways, TLS, names.

use std::io::Write as _;
use std::time::Duration;

use firstcheck::drill::http_server::{HttpServer, Reply};
use firstcheck::drill::name_server::{NameServer, Zone};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::http::{raw, replying};
use super::servers::Server;
use super::tls::{Ca, NAME};
use super::{Asked, NO_FAULT, Table};

const OK: &str = "{\"ok\":true}";

fn gzip(text: &str) -> Vec<u8> {
    let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    coder.write_all(text.as_bytes()).unwrap();
    coder.finish().unwrap()
}

fn zlib(text: &str) -> Vec<u8> {
    let mut coder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    coder.write_all(text.as_bytes()).unwrap();
    coder.finish().unwrap()
}

/// A JSON answer in a content coding.
async fn coded(coding: &'static str, body: Vec<u8>) -> Asked {
    replying(move || Reply::bytes(200, "application/json", body.clone()).header("content-encoding", coding))
        .await
}

/// A secure server with this protocol alone.
async fn secure_with(protocols: &[&[u8]]) -> Asked {
    let root = Ca::root("Lab Root");
    let mut config = root.leaf(|_| {}).config();
    config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
    let handler = |_| Box::pin(std::future::ready(Reply::json(200, &json!({"ok": true})))) as _;
    let server = HttpServer::start(
        (std::net::Ipv4Addr::LOCALHOST, 0).into(),
        Some(config),
        std::sync::Arc::new(handler),
    )
    .await
    .unwrap();
    Asked::new(format!("https://{NAME}/v1/orders"))
        .with("connect_to", server.addr().to_string())
        .with("expect_json", ".ok")
        .trusting(root.certificate.pem())
        .holding(server)
}

pub(super) fn rows(table: &mut Table) {
    codings(table);
    expectations(table);
    redirects(table);
    gateways(table);
    secure(table);
    names(table);
}

fn codings(table: &mut Table) {
    table.row("gzip", "ok", coded("gzip", gzip(OK)));
    table.row("gzip under its old name", "ok", coded("x-gzip", gzip(OK)));
    table.row("gzip in capitals", "ok", coded("GZIP", gzip(OK)));
    table.row("gzip of two members", "ok", async {
        coded("gzip", [gzip("{\"ok\":"), gzip("true}")].concat()).await
    });
    table.row("deflate", "ok", coded("deflate", zlib(OK)));
    table.row("deflate without the zlib wrapper, as old servers send it", "ok", async {
        let mut coder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        coder.write_all(OK.as_bytes()).unwrap();
        coded("deflate", coder.finish().unwrap()).await
    });
    table.row("identity, said aloud", "ok", coded("identity", OK.as_bytes().to_vec()));
    table.row("gzip twice", "ok", async {
        let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        coder.write_all(&gzip(OK)).unwrap();
        coded("gzip, gzip", coder.finish().unwrap()).await
    });
    table.row("brotli, which the user asked for", "ok", async {
        // RFC 7932: window of 16 bits, one uncompressed block of 11 bytes, an empty last block.
        let body = [&[0xa0, 0x00, 0x10][..], OK.as_bytes(), &[0x03]].concat();
        coded("br", body).await.with("header.accept-encoding", "br")
    });
    table.row("zstd, which the user asked for", "ok", async {
        // RFC 8878: a frame of a single segment, one raw block, the last.
        let body = [&[0x28, 0xb5, 0x2f, 0xfd, 0x20, 11, 0x59, 0, 0][..], OK.as_bytes()].concat();
        coded("zstd", body).await.with("header.accept-encoding", "zstd")
    });
    table.row("gzip of a large text", "ok", async {
        coded("gzip", gzip(&format!("[\"{}\"]", "x".repeat(3 << 20)))).await
    });
    table.row("HEAD of a gzipped resource", "ok", async {
        raw("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: 31\r\n\r\n").await.with("method", "HEAD")
    });
    table.row(
        "204 that names a coding",
        "ok",
        raw("HTTP/1.1 204 No Content\r\ncontent-encoding: gzip\r\ncontent-type: application/json\r\n\r\n"),
    );
}

fn expectations(table: &mut Table) {
    for (name, status, expected) in [
        ("404 that is expected", 404, "404"),
        ("401 that is expected, from a guarded health path", 401, "401"),
        ("403 in a list that is expected", 403, "200,403"),
        ("a whole class that is expected", 409, "4xx"),
        ("503 of a service that is off on purpose", 503, "503"),
        ("a redirect that is expected", 302, "302"),
        ("any success", 206, "2xx"),
        ("a class and a status", 418, "2xx,418"),
    ] {
        table.row(name, "ok", async move {
            replying(move || Reply::text(status, "as told").header("location", "/elsewhere"))
                .await
                .with("expect_status", expected)
        });
    }
    for (name, filter) in [
        ("a filter on a member", ".status == \"ok\""),
        ("a filter on a number", ".count > 3"),
        ("a filter over a list", "[.items[].id] | length == 2"),
        ("a filter with a default", "(.missing // \"none\") == \"none\""),
        ("a filter with any", "any(.items[]; .id == 2)"),
        ("a filter that selects", ".items | map(select(.id > 1)) | length == 1"),
        ("a filter with a regular expression", ".status | test(\"^o\")"),
        ("a filter that is true for whatever is there", "type == \"object\""),
    ] {
        table.row(name, "ok", async move {
            let body = json!({"status": "ok", "count": 4, "items": [{"id": 1}, {"id": 2}]});
            replying(move || Reply::json(200, &body)).await.with("expect_json", filter)
        });
    }
    table.row("a filter on JSON after a byte order mark", "ok", async {
        replying(|| Reply::bytes(200, "application/json", b"\xef\xbb\xbf{\"ok\":true}".to_vec()))
            .await
            .with("expect_json", ".ok")
    });
    table.row("a filter on gzipped JSON", "ok", async {
        coded("gzip", gzip(OK)).await.with("expect_json", ".ok")
    });
    table.row("a filter on JSON that has a text type", "ok", async {
        replying(|| Reply::text(200, OK)).await.with("expect_json", ".ok")
    });
    table.row("an answer within the limit set", "ok", async {
        replying(|| Reply::text(200, "ok").after(Duration::from_millis(60))).await.with("slow_after", "5s")
    });
    table.row("a body sent with a request that only reads", "ok", async {
        replying(|| Reply::json(200, &json!([]))).await.with("body", "{\"q\": 1}")
    });
}

fn redirects(table: &mut Table) {
    for (name, status, location) in [
        ("a redirect to another path of the host", 302, "/v2/orders"),
        ("a permanent redirect to the slash", 301, "/v1/orders/"),
        ("a redirect relative to the path", 303, "orders/latest"),
        ("308 with a query", 308, "/v2/orders?from=v1"),
        ("307 to a path with a fragment", 307, "/v2/orders#top"),
    ] {
        table.row(name, "ok", async move {
            let server = HttpServer::plain(move |request| {
                std::future::ready(if request.uri().path() == "/v1/orders" {
                    Reply::empty(status).header("location", location)
                } else {
                    Reply::json(200, &json!([]))
                })
            })
            .await
            .unwrap();
            Asked::new(server.url("/v1/orders")).holding(server)
        });
    }
    table.row("five redirects, one after the other", "ok", async {
        let server = HttpServer::plain(|request| {
            let step: u32 = request.uri().path()[1..].parse().unwrap();
            std::future::ready(if step < 5 {
                Reply::empty(302).header("location", &format!("/{}", step + 1))
            } else {
                Reply::text(200, "here")
            })
        })
        .await
        .unwrap();
        Asked::new(server.url("/0")).holding(server)
    });
    table.row("a redirect that sets a cookie and comes back with another query", "ok", async {
        let server = HttpServer::plain(|request| {
            std::future::ready(if request.uri().query().is_none() {
                Reply::empty(302).header("location", "/v1/orders?session=1").header("set-cookie", "s=1")
            } else {
                Reply::text(200, "here")
            })
        })
        .await
        .unwrap();
        Asked::new(server.url("/v1/orders")).holding(server)
    });
    table.row("a redirect to a login on another host, which is expected", "ok", async {
        replying(|| Reply::empty(302).header("location", "https://login.lab.test/?return=1"))
            .await
            .with("expect_status", "302")
    });
    table.row(
        "a redirect to another host is recorded, and no fault of this one",
        "ok|unexpected",
        replying(|| Reply::empty(301).header("location", "https://www.lab.test/")),
    );
}

fn gateways(table: &mut Table) {
    for (name, headers) in [
        ("through nginx", "server: nginx/1.27.0\r\n"),
        ("through Envoy", "server: envoy\r\nx-envoy-upstream-service-time: 12\r\n"),
        ("through Kong", "server: kong/3.7\r\nvia: 1.1 kong/3.7\r\nx-kong-upstream-latency: 3\r\n"),
        (
            "through CloudFront, missed",
            "x-cache: Miss from cloudfront\r\nvia: 1.1 abc.cloudfront.net (CloudFront)\r\n",
        ),
        ("through CloudFront, hit", "x-cache: Hit from cloudfront\r\nage: 30\r\n"),
        (
            "through Cloudflare",
            "server: cloudflare\r\ncf-ray: 7d0000000000-FRA\r\ncf-cache-status: DYNAMIC\r\n",
        ),
        ("through Fastly", "x-served-by: cache-fra-1\r\nx-cache: HIT\r\nx-timer: S1.0,VS0,VE1\r\n"),
        ("through an AWS load balancer", "server: awselb/2.0\r\n"),
        ("through a Google front end", "server: gws\r\nvia: 1.1 google\r\n"),
        ("through Azure Front Door", "x-azure-ref: 0abc\r\nx-cache: CONFIG_NOCACHE\r\n"),
        (
            "with a Proxy-Status that names no error",
            "proxy-status: edge; received-status=200; next-hop=\"app:8080\"\r\n",
        ),
        (
            "with a Proxy-Status of an earlier try",
            "proxy-status: edge; error=connection_timeout; details=\"first try\", app; received-status=200\r\n",
        ),
        ("after a retry in the mesh", "server: istio-envoy\r\nx-envoy-attempt-count: 2\r\n"),
        ("through Vercel", "server: Vercel\r\nx-vercel-id: fra1::abc\r\n"),
        ("with a long Via", "via: 1.0 fred, 1.1 p.example.net (Apache/1.1), HTTP/2 edge\r\n"),
    ] {
        table.row(name, "ok", async move {
            raw(format!(
                "HTTP/1.1 200 OK\r\n{headers}content-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"
            ))
            .await
        });
    }
}

fn secure(table: &mut Table) {
    table.row("HTTP/2 only", "ok", secure_with(&[b"h2"]));
    table.row("HTTP/1.1 over TLS", "ok", secure_with(&[b"http/1.1"]));
    table.row("no ALPN over TLS", "ok", secure_with(&[]));
    table.row("an unknown protocol beside HTTP/2", "ok", secure_with(&[b"acme-tls/1", b"h2"]));
    table.row("a connection that ends without close_notify after the declared end", "ok", async {
        let root = Ca::root("Lab Root");
        let mut config = root.leaf(|_| {}).config();
        config.alpn_protocols.clear();
        let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
        let server = Server::tcp(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let mut stream = acceptor.accept(stream).await?;
                tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 4096]).await?;
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await?;
                stream.flush().await?;
                let (mut stream, _) = stream.into_inner();
                stream.shutdown().await
            }
        })
        .await;
        Asked::new(format!("https://{NAME}/"))
            .with("connect_to", server.addr.to_string())
            .trusting(root.certificate.pem())
            .holding(server)
    });
}

fn names(table: &mut Table) {
    for (name, path) in [
        ("a path with percent signs", "/v1/caf%C3%A9%2Forders"),
        ("a path with two slashes", "//v1//orders"),
        ("a query with brackets", "/v1/orders?filter[state]=open&sort=-at"),
        ("a semicolon and a colon in the path", "/v1/orders:batch;v=2"),
    ] {
        table.row(name, "ok", async move {
            let server =
                HttpServer::plain(|_| std::future::ready(Reply::json(200, &json!([])))).await.unwrap();
            Asked::new(server.url(path)).holding(server)
        });
    }
    table.row("a name with two addresses, both well", "ok", async {
        let reply =
            |_: hyper::Request<hyper::body::Bytes>| Box::pin(std::future::ready(Reply::text(200, "ok"))) as _;
        let first =
            HttpServer::start(([127, 0, 0, 1], 0).into(), None, std::sync::Arc::new(reply)).await.unwrap();
        let port = first.addr().port();
        let second =
            HttpServer::start(([127, 0, 0, 2], port).into(), None, std::sync::Arc::new(reply)).await.unwrap();
        let zone = Zone::new("lab.test").a("api", [127, 0, 0, 1].into()).a("api", [127, 0, 0, 2].into());
        let resolver = NameServer::start(vec![zone]).await.unwrap();
        Asked::new(format!("http://api.lab.test:{port}/"))
            .resolving(resolver.addr())
            .holding(first)
            .holding(second)
            .holding(resolver)
    });
    table.row("a server on IPv6", "ok", async {
        let reply =
            |_: hyper::Request<hyper::body::Bytes>| Box::pin(std::future::ready(Reply::text(200, "ok"))) as _;
        let server =
            HttpServer::start((std::net::Ipv6Addr::LOCALHOST, 0).into(), None, std::sync::Arc::new(reply))
                .await
                .unwrap();
        Asked::new(server.url("/")).holding(server)
    });
    table.row(
        "a body that is text in a content coding nobody knows",
        NO_FAULT,
        coded("exi", b"\x80\x01".to_vec()),
    );
}
