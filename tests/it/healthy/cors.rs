//! Browsers that are let in: preflights as the Fetch standard judges them.

use firstcheck::drill::http_server::{HttpServer, Reply};

use super::{Asked, Table};

const ORIGIN: &str = "https://app.lab.test";

/// A server whose preflight is answered with this status and these fields, and everything else with the same fields.
async fn allowing(status: u16, fields: &'static [(&'static str, &'static str)]) -> Asked {
    let server = HttpServer::plain(move |request| {
        let reply = if request.method() == "OPTIONS" { Reply::empty(status) } else { Reply::text(200, "ok") };
        std::future::ready(fields.iter().fold(reply, |reply, (name, value)| reply.header(name, value)))
    })
    .await
    .unwrap();
    Asked::new(server.url("/v1/orders")).with("origin", ORIGIN).holding(server)
}

type Keys = &'static [(&'static str, &'static str)];

pub(super) fn rows(table: &mut Table) {
    let rows: [(&'static str, u16, Keys, Keys); 22] = [
        ("the exact origin", 204, &[("access-control-allow-origin", ORIGIN), ("vary", "Origin")], &[]),
        ("every origin", 204, &[("access-control-allow-origin", "*")], &[]),
        ("200 with a body of nothing", 200, &[("access-control-allow-origin", ORIGIN)], &[]),
        ("202", 202, &[("access-control-allow-origin", ORIGIN)], &[]),
        ("GET needs no allowed method", 204, &[("access-control-allow-origin", "*")], &[("method", "GET")]),
        (
            "POST needs none either: it is a simple method",
            204,
            &[("access-control-allow-origin", "*")],
            &[("method", "POST")],
        ),
        ("HEAD is simple too", 204, &[("access-control-allow-origin", "*")], &[("method", "HEAD")]),
        (
            "PUT in a list with spaces",
            204,
            &[("access-control-allow-origin", "*"), ("access-control-allow-methods", "GET,  PUT ,DELETE")],
            &[("method", "PUT")],
        ),
        (
            "PATCH by wildcard",
            204,
            &[("access-control-allow-origin", "*"), ("access-control-allow-methods", "*")],
            &[("method", "PATCH")],
        ),
        (
            "delete in small letters, which browsers raise",
            204,
            &[("access-control-allow-origin", "*"), ("access-control-allow-methods", "DELETE")],
            &[("method", "delete")],
        ),
        (
            "methods in two fields",
            204,
            &[
                ("access-control-allow-origin", "*"),
                ("access-control-allow-methods", "GET"),
                ("access-control-allow-methods", "PUT"),
            ],
            &[("method", "PUT")],
        ),
        (
            "headers in other letters",
            204,
            &[
                ("access-control-allow-origin", "*"),
                ("access-control-allow-headers", "X-Request-ID, Content-Type"),
            ],
            &[("headers", "x-request-id,content-type")],
        ),
        (
            "any header by wildcard",
            204,
            &[("access-control-allow-origin", "*"), ("access-control-allow-headers", "*")],
            &[("headers", "x-request-id")],
        ),
        (
            "Authorization by its name beside a wildcard",
            204,
            &[("access-control-allow-origin", "*"), ("access-control-allow-headers", "*, Authorization")],
            &[("headers", "authorization")],
        ),
        (
            "Authorization in the list",
            204,
            &[
                ("access-control-allow-origin", ORIGIN),
                ("access-control-allow-headers", "content-type, authorization"),
            ],
            &[("headers", "Authorization, Content-Type")],
        ),
        (
            "headers in two fields",
            204,
            &[
                ("access-control-allow-origin", "*"),
                ("access-control-allow-headers", "x-a"),
                ("access-control-allow-headers", "x-b"),
            ],
            &[("headers", "x-a,x-b")],
        ),
        (
            "safelisted headers need no permission",
            204,
            &[("access-control-allow-origin", "*")],
            &[("headers", "accept,accept-language")],
        ),
        (
            "credentials with the exact origin",
            204,
            &[("access-control-allow-origin", ORIGIN), ("access-control-allow-credentials", "true")],
            &[("credentials", "include")],
        ),
        (
            "credentials allowed and none sent",
            204,
            &[("access-control-allow-origin", ORIGIN), ("access-control-allow-credentials", "true")],
            &[],
        ),
        (
            "credentials, a method and a header by their names",
            204,
            &[
                ("access-control-allow-origin", ORIGIN),
                ("access-control-allow-credentials", "true"),
                ("access-control-allow-methods", "PUT"),
                ("access-control-allow-headers", "authorization"),
            ],
            &[("credentials", "include"), ("method", "PUT"), ("headers", "authorization")],
        ),
        (
            "a long max-age and exposed headers",
            204,
            &[
                ("access-control-allow-origin", "*"),
                ("access-control-max-age", "86400"),
                ("access-control-expose-headers", "*"),
                ("access-control-allow-private-network", "true"),
            ],
            &[],
        ),
        (
            "more is allowed than is asked for",
            204,
            &[
                ("access-control-allow-origin", "*"),
                ("access-control-allow-methods", "GET, HEAD, PUT, PATCH, POST, DELETE, OPTIONS"),
                ("access-control-allow-headers", "x-a, x-b, x-c"),
            ],
            &[("method", "PUT"), ("headers", "x-b")],
        ),
    ];
    for (name, status, fields, keys) in rows {
        table.row(name, "ok", async move {
            let asked = allowing(status, fields).await;
            keys.iter().fold(asked, |asked, (key, value)| asked.with(key, *value))
        });
    }
    let spelled: [(&'static str, Keys, Keys); 5] = [
        (
            "lists with commas too many",
            &[("access-control-allow-origin", "*"), ("access-control-allow-headers", ",x-a,, x-b ,")],
            &[("headers", "x-a,x-b")],
        ),
        (
            "a list between tabs",
            &[("access-control-allow-origin", "*"), ("access-control-allow-methods", "GET,\tPUT")],
            &[("method", "PUT")],
        ),
        (
            "empty lists where nothing is needed",
            &[
                ("access-control-allow-origin", "*"),
                ("access-control-allow-methods", ""),
                ("access-control-allow-headers", ""),
            ],
            &[("method", "GET")],
        ),
        (
            "a max-age below zero",
            &[("access-control-allow-origin", "*"), ("access-control-max-age", "-1")],
            &[],
        ),
        ("an origin between spaces", &[("access-control-allow-origin", " https://app.lab.test ")], &[]),
    ];
    for (name, fields, keys) in spelled {
        table.row(name, "ok", async move {
            let asked = allowing(204, fields).await;
            keys.iter().fold(asked, |asked, (key, value)| asked.with(key, *value))
        });
    }
    table.row("an origin with a port", "ok", async {
        allowing(204, &[("access-control-allow-origin", "http://localhost:5173")])
            .await
            .with("origin", "http://localhost:5173")
    });
    table.row("an opaque origin that is let in as such", "ok", async {
        allowing(204, &[("access-control-allow-origin", "null")]).await.with("origin", "null")
    });
    table.row("the answer itself fails, and browsers may read it", "ok", async {
        let server = HttpServer::plain(|request| {
            let reply =
                if request.method() == "OPTIONS" { Reply::empty(204) } else { Reply::text(500, "boom") };
            std::future::ready(reply.header("access-control-allow-origin", "*"))
        })
        .await
        .unwrap();
        Asked::new(server.url("/v1/orders")).with("origin", ORIGIN).holding(server)
    });
}
