//! Curves without an incident: noise, daily cycles, restarts, gaps, quiet services; and a Prometheus that knows little.

use std::collections::BTreeMap;

use firstcheck::drill::http_server::{HttpServer, Reply};
use serde_json::{Value, json};

use super::{Asked, NO_FAULT, Table};

/// Half an hour before the laboratory's now.
const AT: &str = "2026-11-01T09:30:00Z";

/// 08:30, in seconds since 1970.
const BEGIN: f64 = 1_793_521_800.0;

/// A value as a function of seconds since 08:30, an hour before the start; nothing where there is no sample.
type Shape = fn(f64) -> Option<f64>;

/// A rate or a gauge with its labels.
type Curve = (&'static str, &'static [(&'static str, &'static str)], Shape);

/// Noise of a few per cent that is the same in every run.
fn noise(at: f64) -> f64 {
    0.04f64.mul_add((at * 0.71).sin(), 0.03 * (at * 0.13).cos()) + 1.0
}

/// A Prometheus whose queries give the curves whose names stand in them; all are known by name.
async fn prometheus(curves: &'static [Curve]) -> Asked {
    let server = HttpServer::plain(move |request| {
        let url = url::Url::parse(&format!("http://lab.test{}", request.uri())).unwrap();
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        std::future::ready(answer(url.path(), &query, curves))
    })
    .await
    .unwrap();
    Asked::new(server.url("")).with("at", AT).holding(server)
}

fn answer(path: &str, query: &BTreeMap<String, String>, curves: &[Curve]) -> Reply {
    let number = |key: &str| query.get(key).and_then(|it| it.parse::<f64>().ok());
    let expression = query.get("query").map_or("", String::as_str);
    let asked = curves.iter().filter(|(name, ..)| expression.contains(name) || expression == "the curve");
    let data = match path {
        "/api/v1/label/__name__/values" => json!(curves.iter().map(|(name, ..)| name).collect::<Vec<_>>()),
        "/api/v1/query_range" => {
            let (start, end, step) =
                (number("start").unwrap(), number("end").unwrap(), number("step").unwrap());
            let result: Vec<Value> = asked
                .map(|(_, labels, shape)| {
                    let times = (0..).map(|n| f64::from(n).mul_add(step, start)).take_while(|at| *at <= end);
                    let values: Vec<Value> =
                        times.filter_map(|at| Some(json!([at, shape(at - BEGIN)?.to_string()]))).collect();
                    json!({"metric": labels.iter().copied().collect::<BTreeMap<_, _>>(), "values": values})
                })
                .collect();
            json!({"resultType": "matrix", "result": result})
        }
        // Raw samples, every 15 s: how Prometheus answers a range selector.
        "/api/v1/query" if expression.contains('[') => {
            let time = number("time").unwrap();
            let result: Vec<Value> = asked
                .map(|(name, labels, shape)| {
                    let mut labels: BTreeMap<_, _> = labels.iter().copied().collect();
                    labels.insert("__name__", name);
                    let times = (0..40).map(|n| f64::from(n).mul_add(15.0, time - 600.0));
                    let values: Vec<Value> =
                        times.filter_map(|at| Some(json!([at, shape(at - BEGIN)?.to_string()]))).collect();
                    json!({"metric": labels, "values": values})
                })
                .collect();
            json!({"resultType": "matrix", "result": result})
        }
        "/api/v1/query" => {
            let time = number("time").unwrap();
            let result: Vec<Value> = asked
                .filter_map(|(_, labels, shape)| {
                    Some(json!({"metric": labels.iter().copied().collect::<BTreeMap<_, _>>(), "value": [time, shape(time - BEGIN)?.to_string()]}))
                })
                .collect();
            json!({"resultType": "vector", "result": result})
        }
        _ => {
            return Reply::json(
                404,
                &json!({"status": "error", "errorType": "not_found", "error": "no such path"}),
            );
        }
    };
    Reply::json(200, &json!({"status": "success", "data": data}))
}

const OK: &[(&str, &str)] = &[("code", "200")];
const FAILED: &[(&str, &str)] = &[("code", "500")];
const ABSENT: &[(&str, &str)] = &[("code", "404")];

/// Requests by status: 20 a second with noise, and few errors.
const GOOD: Curve = ("http_requests_total", OK, |at| Some(20.0 * noise(at)));
const FEW: Curve = ("http_requests_total", FAILED, |at| Some(0.02 * noise(at)));

type Rows = &'static [(&'static str, &'static [Curve])];

/// With the catalogue: curves by name.
const KNOWN: Rows = &[
    ("a steady service", &[GOOD, FEW]),
    ("no error ever", &[GOOD]),
    (
        "an error now and then, all through",
        &[GOOD, ("http_requests_total", FAILED, |at| Some(if at % 420.0 < 15.0 { 0.07 } else { 0.0 }))],
    ),
    (
        "a daily cycle: traffic grows by half over the window",
        &[("http_requests_total", OK, |at| Some((20.0 + at / 540.0) * noise(at))), FEW],
    ),
    (
        "traffic falls towards the night",
        &[("http_requests_total", OK, |at| Some((40.0 - at / 270.0) * noise(at))), FEW],
    ),
    (
        "errors in step with the traffic",
        &[
            ("http_requests_total", OK, |at| Some((20.0 + at / 540.0) * noise(at))),
            ("http_requests_total", FAILED, |at| Some((0.02 + at / 540_000.0) * noise(at))),
        ],
    ),
    ("missing pages, always some", &[GOOD, ("http_requests_total", ABSENT, |at| Some(1.5 * noise(at)))]),
    (
        "five minutes without samples: a Prometheus that was restarted",
        &[("http_requests_total", OK, |at| (!(2000.0..2300.0).contains(&at)).then(|| 20.0 * noise(at))), FEW],
    ),
    (
        "a rate that dips to nothing for one step: a counter reset",
        &[
            ("http_requests_total", OK, |at| {
                Some(if (1800.0..1830.0).contains(&at) { 0.0 } else { 20.0 * noise(at) })
            }),
            FEW,
        ],
    ),
    (
        "latency with noise",
        &[GOOD, FEW, ("http_request_duration_seconds_bucket", &[], |at| Some(0.12 * noise(at)))],
    ),
    (
        "latency that falls",
        &[
            GOOD,
            FEW,
            ("http_request_duration_seconds_bucket", &[], |at| {
                Some(if at < 3600.0 { 0.3 } else { 0.1 } * noise(at))
            }),
        ],
    ),
    ("a processor half in use", &[GOOD, FEW, ("process_cpu_seconds_total", &[], |at| Some(0.4 * noise(at)))]),
    (
        "a pool with room",
        &[
            GOOD,
            FEW,
            ("hikaricp_connections_active", &[], |at| Some(0.3 * noise(at))),
            ("hikaricp_connections_max", &[], |at| Some(0.3 * noise(at))),
        ],
    ),
    (
        "a quiet service: one request a minute",
        &[
            ("http_requests_total", OK, |at| Some(0.016 * noise(at))),
            ("http_requests_total", FAILED, |_| Some(0.0)),
        ],
    ),
    (
        "a batch of requests each quarter of an hour",
        &[
            ("http_requests_total", OK, |at| Some(if at % 900.0 < 60.0 { 40.0 } else { 20.0 } * noise(at))),
            FEW,
        ],
    ),
];

/// What the window begins with and is over by the start.
const EARLIER: &[Curve] =
    &[GOOD, ("http_requests_total", FAILED, |at| Some(if at < 600.0 { 4.0 } else { 0.01 }))];

/// One expression; whatever it measures.
const EXPRESSIONS: Rows = &[
    ("an expression that is flat", &[("x", &[], |_| Some(1.0))]),
    ("an expression with noise", &[("x", &[], |at| Some(10.0 * noise(at)))]),
    ("an expression that is nothing all through", &[("x", &[], |_| Some(0.0))]),
    ("an expression below zero", &[("x", &[], |at| Some(-5.0 * noise(at)))]),
    ("an expression that grows slowly", &[("x", &[], |at| Some((100.0 + at / 1000.0) * noise(at)))]),
    ("a very large expression", &[("x", &[], |at| Some(1e18 * noise(at)))]),
    ("an expression with a cycle of ten minutes", &[("x", &[], |at| Some(10.0 + 3.0 * (at / 95.5).sin()))]),
];

/// Where there is too little to say anything.
const UNKNOWN: Rows = &[
    ("an expression without a series", &[("x", &[], |_| None)]),
    ("an expression with one sample", &[("x", &[], |at| (at < 20.0).then_some(1.0))]),
    (
        "an expression that stopped before the start: stale",
        &[("x", &[], |at| (at < 1200.0).then(|| 5.0 * noise(at)))],
    ),
];

pub(super) fn rows(table: &mut Table) {
    for (name, curves) in KNOWN {
        table.row(*name, "normal", prometheus(curves));
    }
    for (name, curves) in EXPRESSIONS {
        table.row(*name, "normal", async { prometheus(curves).await.with("query", "the curve") });
    }
    for (name, curves) in UNKNOWN {
        table.row(*name, NO_FAULT, async { prometheus(curves).await.with("query", "the curve") });
    }
    table.row("errors that ended long before the start", "normal|error", prometheus(EARLIER));
    table.row("a Prometheus that knows nothing", NO_FAULT, prometheus(&[]));
    table.row(
        "a Prometheus that knows only itself",
        NO_FAULT,
        prometheus(&[("prometheus_build_info", &[], |_| Some(1.0))]),
    );
    table.row(
        "requests are known by name and have no samples here",
        NO_FAULT,
        prometheus(&[("http_requests_total", OK, |_| None)]),
    );
    table.row("a Prometheus that is overloaded", NO_FAULT, async {
        let server = HttpServer::plain(|_| {
            std::future::ready(Reply::json(
                503,
                &json!({"status": "error", "errorType": "timeout", "error": "query timed out"}),
            ))
        })
        .await
        .unwrap();
        Asked::new(server.url("")).with("at", AT).holding(server)
    });
    table.row("something that is no Prometheus", NO_FAULT, async {
        let server =
            HttpServer::plain(|_| std::future::ready(Reply::html(200, "<html>hello</html>"))).await.unwrap();
        Asked::new(server.url("")).with("at", AT).holding(server)
    });
}
