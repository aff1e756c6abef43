//! Calm services in a real Prometheus: what restarts, rollouts, gaps and scaling do to counters, and no incident anywhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use firstcheck::outcome::CheckKind;

use super::{Asked, NO_FAULT, Table};
use crate::prometheus::remembering;
use crate::worlds::Folder;

/// 2026-11-01T08:30:00Z; the start is an hour later, now half an hour after that.
const BEGIN: u32 = 1_793_521_800;
const AT: &str = "2026-11-01T09:30:00Z";
const SPAN: u32 = 5400;

/// What a series shows at so many seconds since the beginning: a counter its sum, a gauge its value; nothing where nobody scraped.
type Shape = fn(f64) -> Option<f64>;

type Series = (&'static str, &'static str, Shape);

/// OpenMetrics text of these series, scraped every so many seconds.
fn past(series: &[Series], every: u32) -> String {
    let mut families: BTreeMap<&str, String> = BTreeMap::new();
    for (name, labels, shape) in series {
        let text = families.entry(name).or_default();
        for at in (0..SPAN).step_by(every as usize) {
            if let Some(value) = shape(f64::from(at)) {
                writeln!(text, "{name}{labels} {value} {}", BEGIN + at).unwrap();
            }
        }
    }
    let mut text = String::new();
    for (name, samples) in families {
        let kind = if name.ends_with("_total") { "counter" } else { "unknown" };
        write!(text, "# TYPE {} {kind}\n{samples}", name.trim_end_matches("_total")).unwrap();
    }
    text + "# EOF\n"
}

async fn calm(series: &'static [Series], every: u32) -> Asked {
    let made = move || {
        let folder = Folder::new("healthy-prometheus");
        let (program, url) = remembering(&folder.0, &past(series, every));
        Asked::new(url).with("at", AT).holding(program).holding(folder)
    };
    tokio::task::spawn_blocking(made).await.unwrap()
}

const OK: &str = "{job=\"orders\",code=\"200\"}";
const FAILED: &str = "{job=\"orders\",code=\"500\"}";
const POD_A: &str = "{job=\"orders\",pod=\"a\",code=\"200\"}";
const POD_B: &str = "{job=\"orders\",pod=\"b\",code=\"200\"}";
const REQUESTS: &str = "http_requests_total";

/// A counter of twenty a second whose rate swings by a few per cent.
fn steady(at: f64) -> f64 {
    20.0f64.mul_add(at, 8.0 * (at * 0.03).sin()).floor()
}

const GOOD: Series = (REQUESTS, OK, |at| Some(steady(at)));
const FEW: Series = (REQUESTS, FAILED, |at| Some((at / 50.0).floor()));

type Calm = (&'static str, &'static str, &'static [Series], u32);

const ROWS: &[Calm] = &[
    ("a steady service", "normal", &[GOOD, FEW], 15),
    ("scraped every minute", "normal", &[GOOD, FEW], 60),
    ("scraped every five seconds", "normal", &[GOOD, FEW], 5),
    (
        "a restart: the counter begins anew",
        "normal",
        &[(REQUESTS, OK, |at| Some(if at < 3000.0 { steady(at) } else { steady(at - 3000.0) })), FEW],
        15,
    ),
    (
        "a rollout: one pod's series ends, another's begins",
        "normal",
        &[
            (REQUESTS, POD_A, |at| (at < 3500.0).then(|| steady(at))),
            (REQUESTS, POD_B, |at| (at >= 3500.0).then(|| steady(at - 3500.0))),
            FEW,
        ],
        15,
    ),
    (
        "two pods share what one did",
        "normal",
        &[
            (REQUESTS, POD_A, |at| {
                Some(if at < 3300.0 { steady(at) } else { steady(3300.0) + steady(at - 3300.0) / 2.0 })
            }),
            (REQUESTS, POD_B, |at| (at >= 3300.0).then(|| steady(at - 3300.0) / 2.0)),
            FEW,
        ],
        15,
    ),
    (
        "a counter that is born with its first error",
        "normal",
        &[GOOD, (REQUESTS, FAILED, |at| (at > 3650.0).then_some(1.0))],
        15,
    ),
    (
        "three minutes without a scrape",
        "normal",
        &[
            (REQUESTS, OK, |at| (!(2700.0..2880.0).contains(&at)).then(|| steady(at))),
            (REQUESTS, FAILED, |at| (!(2700.0..2880.0).contains(&at)).then(|| (at / 50.0).floor())),
        ],
        15,
    ),
    (
        "scrapes that fail now and then",
        "normal",
        &[(REQUESTS, OK, |at| (at % 105.0 != 0.0).then(|| steady(at))), FEW],
        15,
    ),
    (
        "traffic that rises through the morning",
        "normal",
        &[(REQUESTS, OK, |at| Some((at / 360.0).mul_add(at, steady(at)).floor())), FEW],
        15,
    ),
    (
        "a quiet service: a request a minute",
        "normal",
        &[(REQUESTS, OK, |at| Some((at / 60.0).floor())), (REQUESTS, FAILED, |_| Some(0.0))],
        15,
    ),
    (
        "latency that stays",
        "normal",
        &[
            GOOD,
            FEW,
            ("http_request_duration_seconds_bucket", "{job=\"orders\",le=\"0.1\"}", |at| {
                Some((steady(at) * 0.9).floor())
            }),
            ("http_request_duration_seconds_bucket", "{job=\"orders\",le=\"1\"}", |at| {
                Some((steady(at) * 0.99).floor())
            }),
            ("http_request_duration_seconds_bucket", "{job=\"orders\",le=\"+Inf\"}", |at| Some(steady(at))),
        ],
        15,
    ),
    (
        "a pool that is used by half",
        "normal",
        &[
            GOOD,
            FEW,
            ("hikaricp_connections_active", "{job=\"orders\"}", |at| {
                Some((at * 0.05).sin().mul_add(2.0, 5.0).round())
            }),
            ("hikaricp_connections_max", "{job=\"orders\"}", |_| Some(10.0)),
        ],
        15,
    ),
    (
        "a pool that is full for one scrape in a while",
        "normal",
        &[
            GOOD,
            FEW,
            ("hikaricp_connections_active", "{job=\"orders\"}", |at| {
                Some(if at % 900.0 == 0.0 { 10.0 } else { 4.0 })
            }),
            ("hikaricp_connections_max", "{job=\"orders\"}", |_| Some(10.0)),
        ],
        15,
    ),
    (
        "one error of a service that is asked once a minute",
        NO_FAULT,
        &[
            (REQUESTS, OK, |at| Some((at / 60.0).floor())),
            (REQUESTS, FAILED, |at| Some(if at < 3000.0 { 0.0 } else { 1.0 })),
        ],
        15,
    ),
    (
        "a service that was switched off half an hour before",
        NO_FAULT,
        &[(REQUESTS, OK, |at| (at < 1800.0).then(|| steady(at)))],
        15,
    ),
    (
        "a service that was switched on a minute ago",
        NO_FAULT,
        &[(REQUESTS, OK, |at| (at > 5340.0).then(|| steady(at - 5340.0)))],
        15,
    ),
    (
        "a service that nobody asks",
        NO_FAULT,
        &[(REQUESTS, OK, |_| Some(7.0)), (REQUESTS, FAILED, |_| Some(0.0))],
        15,
    ),
];

#[test]
#[ignore = "needs prometheus"]
fn calm_services_in_prometheus_are_normal() {
    let mut table = Table::new(CheckKind::Metrics);
    for (name, allowed, series, every) in ROWS {
        table.row(*name, allowed, calm(series, *every));
    }
    table.run();
}
