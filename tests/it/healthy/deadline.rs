//! Limits that nest: the client waits longer than the gateway, the gateway longer than the backend.

use std::time::Duration;

use firstcheck::drill::http_server::{HttpServer, Reply};

use super::{Asked, Table};

type Keys = &'static [(&'static str, &'static str)];

const ROWS: [(&str, Keys); 12] = [
    ("equal limits: none is shorter", &[("client", "30s"), ("gateway", "30s"), ("backend", "30s")]),
    (
        "each waits longer than the one behind it",
        &[("client", "60s"), ("gateway", "30s"), ("backend", "10s")],
    ),
    ("no more than a second between them", &[("client", "32s"), ("gateway", "31s"), ("backend", "30s")]),
    ("in milliseconds", &[("client", "2500ms"), ("gateway", "1500ms"), ("backend", "300ms")]),
    ("in minutes", &[("client", "10m"), ("gateway", "5m"), ("backend", "2m")]),
    ("a default limit that nothing reaches", &[("gateway", "29s"), ("observed", "1.2s")]),
    (
        "observed far below all limits",
        &[("client", "60s"), ("gateway", "30s"), ("backend", "20s"), ("observed", "80ms")],
    ),
    (
        "a round duration far below the limits",
        &[("client", "120s"), ("gateway", "100s"), ("observed", "10s")],
    ),
    ("client and gateway alone", &[("client", "60s"), ("gateway", "30s")]),
    ("gateway and backend alone", &[("gateway", "60s"), ("backend", "30s")]),
    ("units are mixed", &[("client", "1m"), ("gateway", "30s"), ("backend", "2500ms")]),
    (
        "observed just below the gateway's limit, and answered",
        &[("client", "60s"), ("gateway", "30s"), ("backend", "25s"), ("observed", "24s")],
    ),
];

pub(super) fn rows(table: &mut Table) {
    for (name, keys) in ROWS {
        table.row(name, "within", async move {
            keys.iter().fold(Asked::new("-"), |asked, (key, value)| asked.with(key, *value))
        });
    }
    for (name, status, wait) in [
        ("a quick answer", 200, 0),
        ("an answer after a while", 200, 80),
        ("a quick refusal is no question of time", 404, 0),
        ("a quick failure is no question of time", 500, 0),
        ("no body", 204, 0),
    ] {
        table.row(name, "within", async move {
            let server = HttpServer::plain(move |_| {
                std::future::ready(Reply::text(status, "ok").after(Duration::from_millis(wait)))
            })
            .await
            .unwrap();
            Asked::new(server.url("/v1/report")).with("gateway", "30s").with("client", "60s").holding(server)
        });
    }
}
