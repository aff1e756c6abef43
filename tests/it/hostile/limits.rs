//! Hostile answers to `rate_limit`, `cors` and `deadline`.

use firstcheck::outcome::CheckKind;

use super::server::{Server, answer, headed};
use super::trial::{Row, Trial, row};

/// What a limiter that makes no sense amounts to.
const ABSENT: &[&str] = &["no_headers", "not_limited"];

/// A 200 with these header lines, asked for and recorded.
fn limits(name: &'static str, headers: impl Into<String>, expected: &'static [&'static str]) -> Row {
    let headers = headers.into();
    row(name, async move {
        let server = Server::answering(headed(200, &headers));
        Trial::new(CheckKind::RateLimit, server.url("/")).ends(expected).await?;
        Trial::new(CheckKind::Http, server.url("/")).ends(&["ok", "bad_body"]).await?;
        let recorded = format!("HTTP/1.1 200 OK\r\n{headers}\r\n");
        Trial::new(CheckKind::RateLimit, recorded).ends(expected).await.map(drop)
    })
}

/// A 429 that says when to come back.
fn refuses(name: &'static str, retry_after: &'static str) -> Row {
    row(name, async move {
        let server = Server::answering(headed(429, &format!("retry-after: {retry_after}\r\n")));
        Trial::new(CheckKind::RateLimit, server.url("/")).ends(&["limited"]).await?;
        Trial::new(CheckKind::Http, server.url("/")).ends(&["limited"]).await.map(drop)
    })
}

/// What no browser lets through.
const REJECTED: &[&str] = &["preflight_rejected", "origin_not_allowed", "authorization_not_allowed"];

/// A preflight that is answered like this.
fn preflight(name: &'static str, bytes: impl Into<Vec<u8>>, expected: &'static [&'static str]) -> Row {
    let bytes = bytes.into();
    row(name, async move {
        let server = Server::answering(bytes);
        let trial = Trial::new(CheckKind::Cors, server.url("/"))
            .with("origin", "https://app.example")
            .with("method", "PUT")
            .with("headers", "authorization,x-a");
        trial.ends(expected).await?;
        server.was_left_in_time()
    })
}

/// How long this server is held to take.
fn held(name: &'static str, bytes: impl Into<Vec<u8>>, expected: &'static [&'static str]) -> Row {
    let bytes = bytes.into();
    row(name, async move {
        let server = Server::answering(bytes);
        Trial::new(CheckKind::Deadline, server.url("/")).with("client", "1s").ends(expected).await?;
        server.was_left_in_time()
    })
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = limiters();
    rows.extend(others());
    rows
}

fn limiters() -> Vec<Row> {
    let draft = "ratelimit-policy: \"a\";q=100;w=60\r\nratelimit: ";
    vec![
        limits(
            "a remainder below zero",
            "x-ratelimit-limit: 100\r\nx-ratelimit-remaining: -5\r\nx-ratelimit-reset: -1\r\n",
            &["no_headers", "not_limited", "near_limit"],
        ),
        limits(
            "limits that are no numbers",
            "x-ratelimit-limit: NaN\r\nx-ratelimit-remaining: NaN\r\nx-ratelimit-reset: NaN\r\n",
            ABSENT,
        ),
        limits(
            "limits without an end",
            "x-ratelimit-limit: inf\r\nx-ratelimit-remaining: Infinity\r\nx-ratelimit-reset: 1e999\r\n",
            ABSENT,
        ),
        limits(
            "limits at the edge of numbers",
            "x-ratelimit-limit: 1e308\r\nx-ratelimit-remaining: 1e308\r\nx-ratelimit-reset: 1e308\r\n",
            ABSENT,
        ),
        limits(
            "limits beyond 64 bits",
            "x-ratelimit-limit: 99999999999999999999999\r\nx-ratelimit-remaining: 99999999999999999999998\r\nx-ratelimit-reset: 99999999999999999999999\r\n",
            ABSENT,
        ),
        limits(
            "a reset in the year 10^17",
            "x-ratelimit-limit: 100\r\nx-ratelimit-remaining: 50\r\nx-ratelimit-reset: 9223372036854775807\r\n",
            ABSENT,
        ),
        limits(
            "a reset of words",
            "x-ratelimit-limit: 100\r\nx-ratelimit-remaining: 50\r\nx-ratelimit-reset: tomorrow\r\n",
            ABSENT,
        ),
        limits(
            "a reset of 100,000 hours",
            format!(
                "x-ratelimit-limit-requests: 10\r\nx-ratelimit-remaining-requests: 5\r\nx-ratelimit-reset-requests: {}\r\n",
                "9h".repeat(50_000)
            ),
            &["no_headers", "not_limited", "error"],
        ),
        limits(
            "limits given a hundred times",
            "x-ratelimit-limit: 100\r\nx-ratelimit-remaining: 0\r\nx-ratelimit-remaining: 100\r\n"
                .repeat(100),
            &["no_headers", "not_limited", "near_limit"],
        ),
        limits(
            "a limit of zero",
            "x-ratelimit-limit: 0\r\nx-ratelimit-remaining: 0\r\nx-ratelimit-reset: 0\r\n",
            &["no_headers", "not_limited", "near_limit"],
        ),
        limits(
            "a draft field of numbers out of range",
            format!("{draft}\"a\";r=999999999999999;t=999999999999999\r\n"),
            ABSENT,
        ),
        limits("a draft field that is malformed", format!("{draft}\"a;r=0;t\r\n"), ABSENT),
        limits(
            "a draft field of ten thousand policies",
            format!("ratelimit: {}\"z\";r=5;t=1\r\n", "\"a\";r=50;t=5, ".repeat(3000)),
            ABSENT,
        ),
        limits("a draft field of inner lists", format!("ratelimit: {}\r\n", "(".repeat(10_000)), ABSENT),
        limits(
            "what turns text around in a policy",
            "ratelimit-policy: \"\u{202e}\u{9b}\";q=1;w=1\r\nx-ratelimit-limit: 10\r\nx-ratelimit-remaining: 9\r\nx-ratelimit-scope: \u{202e}evil\u{9b}31m\r\nx-ratelimit-bucket: \u{202e}\r\n",
            ABSENT,
        ),
        limits(
            "a date that cannot be",
            "date: Fri, 99 Nov 99999 99:99:99 GMT\r\nx-ratelimit-limit: 100\r\nx-ratelimit-remaining: 50\r\nx-ratelimit-reset: 1793527200\r\n",
            ABSENT,
        ),
        limits(
            "a date at the edge of time",
            "date: Fri, 31 Dec 9999 23:59:59 GMT\r\nx-ratelimit-limit: 100\r\nx-ratelimit-remaining: 50\r\nx-ratelimit-reset: 1\r\n",
            ABSENT,
        ),
        refuses("come back in 1e308 seconds", "1e308"),
        refuses("come back in 2^64 seconds", "18446744073709551616"),
        refuses("come back in less than nothing", "-5"),
        refuses("come back in no number", "NaN"),
        refuses("come back in words", "\u{202e}soon\u{9b}"),
        refuses("come back in the year 9999", "Fri, 31 Dec 9999 23:59:59 GMT"),
        refuses("come back before time began", "Mon, 01 Jan 0001 00:00:00 GMT"),
        row("a recorded answer of escapes", async {
            let trial = Trial::new(
                CheckKind::RateLimit,
                "HTTP/1.1 429 \u{1b}[2J\u{202e}\nserver: \u{1b}[2J\u{202e}\nx-ratelimit-limit: \u{1b}\n\n",
            );
            trial.ends(&["limited", "error", "usage"]).await.map(drop)
        }),
        row("a recorded answer 100,000 deep", async {
            let trial = Trial::new(CheckKind::RateLimit, "{\"response\":".repeat(100_000));
            trial.ends(&["error", "usage"]).await.map(drop)
        }),
    ]
}

fn others() -> Vec<Row> {
    let lists = |value: &str| {
        headed(
            204,
            &format!(
                "access-control-allow-origin: {value}\r\naccess-control-allow-methods: {value}\r\naccess-control-allow-headers: {value}\r\n"
            ),
        )
    };
    vec![
        preflight("lists of commas", lists(&",".repeat(20_000)), REJECTED),
        preflight("lists of ten thousand names", lists(&"a, ".repeat(10_000)), REJECTED),
        preflight("lists that turn text around", lists("\u{202e}*\u{9b}31m"), REJECTED),
        preflight("lists that are no UTF-8", [b"HTTP/1.1 204 X\r\naccess-control-allow-origin: \xff\xfe\r\naccess-control-allow-headers: \xff\r\n\r\n".as_slice()].concat(), REJECTED),
        preflight("a list that injects a header", headed(204, "access-control-allow-origin: https://app.example\raccess-control-allow-headers: *\r\n"), REJECTED),
        preflight("an age without an end", headed(204, "access-control-allow-origin: https://app.example\r\naccess-control-allow-methods: PUT\r\naccess-control-allow-headers: authorization, x-a\r\naccess-control-max-age: 1e999\r\n"), &["ok"]),
        preflight("four hundred origins", headed(204, &"access-control-allow-origin: https://app.example\r\n".repeat(400)), REJECTED),
        preflight("garbage to a preflight", vec![0xaa; 10_000], &["preflight_rejected"]),
        row("a preflight without an end", async {
            let server = Server::flooding("HTTP/1.1 204 No Content\r\n", "access-control-allow-headers: *\r\n");
            let trial = Trial::new(CheckKind::Cors, server.url("/")).with("origin", "https://app.example");
            trial.ends(&["preflight_rejected", "error"]).await?;
            server.was_left_in_time()
        }),
        row("an origin of escapes", async {
            let server = Server::answering(headed(204, ""));
            let trial = Trial::new(CheckKind::Cors, server.url("/")).with("origin", "https://\u{1b}[2J\u{202e}");
            trial.ends(&["usage", "origin_not_allowed", "preflight_rejected"]).await.map(drop)
        }),
        held("garbage to a measurement", vec![0xaa; 10_000], &["error", "within"]),
        held("a measured gateway that leads around", headed(302, "location: /\r\n"), &["error", "within"]),
        held("a measured gateway's page of escapes", answer(504, "text/html", "<html><title>\u{1b}[2J\u{202e}</title></html>"), &["error", "within", "gateway_shorter_than_backend"]),
        row("time limits out of range", async {
            let trial = Trial::new(CheckKind::Deadline, "-").with("client", "99999999999999999999h").with("gateway", "1s");
            trial.ends(&["usage"]).await?;
            let trial = Trial::new(CheckKind::Deadline, "-").with("client", "584542046090y").with("gateway", "1s");
            trial.ends(&["usage", "within"]).await.map(drop)
        }),
    ]
}
