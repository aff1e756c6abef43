//! Hostile answers of a Prometheus.

use std::fmt::Write as _;

use firstcheck::outcome::CheckKind;

use super::server::{Server, answer};
use super::trial::{Row, Trial, row};

/// What says nothing about curves.
const NO_VERDICT: &[&str] = &["error", "normal"];

/// Gives this to every question; the check asks for `up`.
fn says(name: &'static str, body: impl Into<String>, expected: &'static [&'static str]) -> Row {
    let body = body.into();
    row(name, async move {
        let server = Server::answering(answer(200, "application/json", body));
        let at = |trial: Trial| trial.with("at", "2026-11-01T10:00:00Z");
        at(Trial::new(CheckKind::Metrics, server.url("/")).with("query", "up")).ends(expected).await?;
        at(Trial::new(CheckKind::Metrics, server.url("/"))).ends(NO_VERDICT).await.map(drop)
    })
}

/// A matrix of so many series of these values.
fn matrix(series: usize, values: &str) -> String {
    let one = format!("{{\"metric\": {{\"__name__\": \"up\"}}, \"values\": [{values}]}}");
    format!(
        "{{\"status\": \"success\", \"data\": {{\"resultType\": \"matrix\", \"result\": [{}]}}}}",
        vec![one; series].join(",")
    )
}

/// So many values from this function of their place, a quarter of a minute apart around 2026-11-01T10:00Z.
fn values(count: usize, value: impl Fn(usize) -> String) -> String {
    let start = 1_793_523_600;
    let mut text = String::new();
    for at in 0..count {
        let comma = if at == 0 { "" } else { "," };
        write!(text, "{comma}[{}, \"{}\"]", start + at * 15, value(at)).unwrap();
    }
    text
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        says("a million samples", matrix(1, &values(200_000, |_| "1".to_owned())), NO_VERDICT),
        says("fifty thousand series", matrix(50_000, &values(1, |_| "1".to_owned())), NO_VERDICT),
        says(
            "samples that are no numbers",
            matrix(2, &values(480, |at| ["NaN", "+Inf", "-Inf"][at % 3].to_owned())),
            NO_VERDICT,
        ),
        says(
            "samples of which every other is none",
            matrix(2, &values(480, |at| if at % 2 == 0 { "NaN".to_owned() } else { "5".to_owned() })),
            NO_VERDICT,
        ),
        says(
            "samples at the edge of numbers",
            matrix(
                2,
                &values(480, |at| if at % 2 == 0 { "1.7e308".to_owned() } else { "-1.7e308".to_owned() }),
            ),
            &["error", "normal"],
        ),
        says("samples out of range", matrix(2, &values(480, |_| "1e999999".to_owned())), NO_VERDICT),
        says("samples all at one time", matrix(1, &vec!["[1793527200, \"1\"]"; 480].join(",")), NO_VERDICT),
        says(
            "samples back to front",
            matrix(
                1,
                &(0..480)
                    .rev()
                    .map(|at| format!("[{}, \"1\"]", 1_793_523_600 + at * 15))
                    .collect::<Vec<_>>()
                    .join(","),
            ),
            NO_VERDICT,
        ),
        says(
            "times out of range",
            matrix(
                1,
                "[1e308, \"1\"],[-1e308, \"2\"],[0, \"3\"],[1e308, \"4\"],[1, \"1\"],[2, \"1\"],[3, \"1\"],[4, \"1\"],[5, \"1\"],[6, \"1\"]",
            ),
            NO_VERDICT,
        ),
        says("a time that is no number", matrix(1, "[\"now\", \"1\"]"), NO_VERDICT),
        says("a time of 1e999", matrix(1, "[1e999, \"1\"]"), NO_VERDICT),
        says("no data", "{\"status\": \"success\", \"data\": null}", NO_VERDICT),
        says("a list where a matrix should be", "{\"status\": \"success\", \"data\": [[[[]]]]}", NO_VERDICT),
        says(
            "a string",
            "{\"status\": \"success\", \"data\": {\"resultType\": \"string\", \"result\": [1, \"a\"]}}",
            NO_VERDICT,
        ),
        says(
            "escapes in an error",
            "{\"status\": \"error\", \"errorType\": \"\\u001b[2J\", \"error\": \"\\u001b[2J\\u202eevil\\u009b31m\\n\"}",
            NO_VERDICT,
        ),
        says(
            "escapes in labels",
            matrix(1, &values(480, |_| "1".to_owned())).replace(
                "\"__name__\": \"up\"",
                "\"__name__\": \"\\u001b[2J\\u202eevil\", \"\\u202e\": \"\\u009b31m\"",
            ),
            NO_VERDICT,
        ),
        says(
            "fifty thousand names",
            format!(
                "{{\"status\": \"success\", \"data\": [{}]}}",
                vec!["\"http_requests_total\""; 100_000].join(",")
            ),
            NO_VERDICT,
        ),
        says("metrics 100,000 deep", "{\"status\":".repeat(100_000), NO_VERDICT),
        says("metrics that are none", "<html>", NO_VERDICT),
        row("samples without an end", async {
            let server =
                Server::flooding("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n", "[1,\"1\"],");
            Trial::new(CheckKind::Metrics, server.url("/")).with("query", "up").ends(&["error"]).await?;
            // As many names as a big Prometheus has, and no more.
            server.was_left_in_time()
        }),
        row("a query of escapes", async {
            let server = Server::answering(answer(
                400,
                "application/json",
                "{\"status\": \"error\", \"error\": \"bad\"}",
            ));
            let trial = Trial::new(CheckKind::Metrics, server.url("/")).with("query", "\u{1b}[2J\u{202e}");
            trial.ends(&["error"]).await.map(drop)
        }),
    ]
}
