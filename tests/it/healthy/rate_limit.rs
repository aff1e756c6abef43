//! Quotas that are left: the fields of many limiters as their documentation shows them, with room to go on.

use firstcheck::drill::http_server::{HttpServer, Reply};

use super::{Asked, Table};

/// A good answer with these fields.
async fn fields(fields: &'static [(&'static str, &'static str)]) -> Asked {
    answered(200, fields, "{\"data\": []}").await
}

async fn answered(status: u16, fields: &'static [(&'static str, &'static str)], body: &'static str) -> Asked {
    let server = HttpServer::plain(move |_| {
        let reply = Reply::body(status, "application/json", body);
        std::future::ready(fields.iter().fold(reply, |reply, (name, value)| reply.header(name, value)))
    })
    .await
    .unwrap();
    Asked::new(server.url("/v1/orders")).holding(server)
}

/// Fields of a recorded answer, without a request.
fn recorded(text: &'static str) -> impl Future<Output = Asked> + Send {
    std::future::ready(Asked::new("-").input(text))
}

type Dialect = (&'static str, &'static [(&'static str, &'static str)]);

/// Dialects with most of the quota left; epoch times are in the hour after the laboratory's now.
const DIALECTS: &[Dialect] = &[
    (
        "a quota of one, which is whole",
        &[("x-ratelimit-limit", "1"), ("x-ratelimit-remaining", "1"), ("x-ratelimit-reset", "1")],
    ),
    (
        "four of five left in the second",
        &[
            ("ratelimit-policy", "5;w=1"),
            ("ratelimit-limit", "5"),
            ("ratelimit-remaining", "4"),
            ("ratelimit-reset", "1"),
        ],
    ),
    (
        "GitHub's search",
        &[
            ("x-ratelimit-limit", "30"),
            ("x-ratelimit-remaining", "29"),
            ("x-ratelimit-used", "1"),
            ("x-ratelimit-reset", "1793527260"),
            ("x-ratelimit-resource", "search"),
        ],
    ),
    ("Shopify at four fifths", &[("x-shopify-shop-api-call-limit", "32/40")]),
    (
        "two limiters in one row, both with room",
        &[
            ("x-ratelimit-limit", "100"),
            ("x-ratelimit-remaining", "90"),
            ("ratelimit", "\"app\";r=9;t=1"),
            ("ratelimit-policy", "\"app\";q=10;w=1"),
        ],
    ),
    ("a limit with a unit behind it", &[("x-ratelimit-limit", "100;w=60"), ("x-ratelimit-remaining", "99")]),
    ("values with spaces around", &[("x-ratelimit-limit", " 100 "), ("x-ratelimit-remaining", " 99 ")]),
    (
        "the IETF fields of draft 10",
        &[("ratelimit-policy", "\"default\";q=100;w=60"), ("ratelimit", "\"default\";r=70;t=30")],
    ),
    (
        "two IETF policies, both with room",
        &[
            ("ratelimit-policy", "\"burst\";q=100;w=60, \"daily\";q=1000;w=86400"),
            ("ratelimit", "\"burst\";r=50;t=30, \"daily\";r=900;t=80000"),
        ],
    ),
    (
        "an IETF quota in bytes",
        &[
            ("ratelimit-policy", "\"bytes\";q=65535;qu=\"content-bytes\";w=10"),
            ("ratelimit", "\"bytes\";r=40000;t=4"),
        ],
    ),
    (
        "the IETF fields of draft 6",
        &[("ratelimit-limit", "100, 100;w=60"), ("ratelimit-remaining", "70"), ("ratelimit-reset", "30")],
    ),
    (
        "the IETF policy of draft 7 with its one field",
        &[("ratelimit-policy", "100;w=60"), ("ratelimit", "limit=100, remaining=70, reset=30")],
    ),
    (
        "GitHub",
        &[
            ("x-ratelimit-limit", "5000"),
            ("x-ratelimit-remaining", "4999"),
            ("x-ratelimit-used", "1"),
            ("x-ratelimit-reset", "1793530000"),
            ("x-ratelimit-resource", "core"),
        ],
    ),
    (
        "GitLab",
        &[
            ("ratelimit-limit", "500"),
            ("ratelimit-name", "throttle_authenticated_api"),
            ("ratelimit-observed", "4"),
            ("ratelimit-remaining", "496"),
            ("ratelimit-reset", "1793527260"),
            ("ratelimit-resettime", "Sun, 01 Nov 2026 10:01:00 GMT"),
        ],
    ),
    ("Shopify", &[("x-shopify-shop-api-call-limit", "4/40")]),
    (
        "Discord",
        &[
            ("x-ratelimit-limit", "5"),
            ("x-ratelimit-remaining", "4"),
            ("x-ratelimit-reset", "1793527201.5"),
            ("x-ratelimit-reset-after", "1.5"),
            ("x-ratelimit-bucket", "abcd1234"),
        ],
    ),
    (
        "X",
        &[
            ("x-rate-limit-limit", "900"),
            ("x-rate-limit-remaining", "899"),
            ("x-rate-limit-reset", "1793528000"),
        ],
    ),
    (
        "OpenAI",
        &[
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-limit-tokens", "150000"),
            ("x-ratelimit-remaining-requests", "59"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-ratelimit-reset-requests", "1s"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ],
    ),
    (
        "OpenAI in milliseconds",
        &[
            ("x-ratelimit-limit-requests", "10000"),
            ("x-ratelimit-remaining-requests", "9999"),
            ("x-ratelimit-reset-requests", "6ms"),
        ],
    ),
    (
        "Azure OpenAI that does not report",
        &[
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", "59"),
            ("x-ratelimit-remaining-tokens", "-1"),
            ("x-ratelimit-reset-requests", "10"),
        ],
    ),
    (
        "Anthropic",
        &[
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "49"),
            ("anthropic-ratelimit-requests-reset", "2026-11-01T10:00:01Z"),
            ("anthropic-ratelimit-tokens-limit", "80000"),
            ("anthropic-ratelimit-tokens-remaining", "79000"),
            ("anthropic-ratelimit-tokens-reset", "2026-11-01T10:00:01Z"),
        ],
    ),
    (
        "Okta",
        &[
            ("x-rate-limit-limit", "600"),
            ("x-rate-limit-remaining", "598"),
            ("x-rate-limit-reset", "1793527260"),
        ],
    ),
    (
        "Auth0",
        &[("x-ratelimit-limit", "10"), ("x-ratelimit-remaining", "9"), ("x-ratelimit-reset", "1793527201")],
    ),
    ("Auth0 with a client's quota", &[("auth0-client-quota-limit", "b=per_hour;q=1000;r=900;t=1800")]),
    (
        "Atlassian",
        &[
            ("x-ratelimit-limit", "350"),
            ("x-ratelimit-remaining", "300"),
            ("x-ratelimit-reset", "2026-11-01T10:30:00Z"),
            ("x-ratelimit-nearlimit", "false"),
        ],
    ),
    (
        "HubSpot",
        &[
            ("x-hubspot-ratelimit-daily", "250000"),
            ("x-hubspot-ratelimit-daily-remaining", "249999"),
            ("x-hubspot-ratelimit-interval-milliseconds", "10000"),
            ("x-hubspot-ratelimit-max", "100"),
            ("x-hubspot-ratelimit-remaining", "99"),
        ],
    ),
    (
        "Zendesk",
        &[
            ("x-rate-limit", "700"),
            ("x-rate-limit-remaining", "699"),
            ("ratelimit-limit", "700"),
            ("ratelimit-remaining", "699"),
            ("ratelimit-reset", "41"),
        ],
    ),
    ("Zendesk by endpoint", &[("zendesk-ratelimit-tickets-index", "total=100; remaining=99; resets=15")]),
    (
        "Reddit with decimals",
        &[("x-ratelimit-used", "2"), ("x-ratelimit-remaining", "598.0"), ("x-ratelimit-reset", "300")],
    ),
    ("Azure Resource Manager", &[("x-ms-ratelimit-remaining-subscription-reads", "11999")]),
    (
        "Azure compute by resource",
        &[(
            "x-ms-ratelimit-remaining-resource",
            "Microsoft.Compute/HighCostGet3Min;197,Microsoft.Compute/HighCostGet30Min;950",
        )],
    ),
    (
        "Linear in epoch milliseconds",
        &[
            ("x-ratelimit-requests-limit", "1500"),
            ("x-ratelimit-requests-remaining", "1499"),
            ("x-ratelimit-requests-reset", "1793530800000"),
        ],
    ),
    (
        "Kong by minute and hour",
        &[
            ("x-ratelimit-limit-minute", "60"),
            ("x-ratelimit-remaining-minute", "58"),
            ("x-ratelimit-limit-hour", "1000"),
            ("x-ratelimit-remaining-hour", "990"),
            ("ratelimit-limit", "60"),
            ("ratelimit-remaining", "58"),
            ("ratelimit-reset", "30"),
        ],
    ),
    (
        "Envoy",
        &[
            ("x-ratelimit-limit", "10, 10;w=60;name=\"per-ip\""),
            ("x-ratelimit-remaining", "8"),
            ("x-ratelimit-reset", "40"),
        ],
    ),
    (
        "Spring Cloud Gateway",
        &[
            ("x-ratelimit-remaining", "19"),
            ("x-ratelimit-replenish-rate", "10"),
            ("x-ratelimit-burst-capacity", "20"),
            ("x-ratelimit-requested-tokens", "1"),
        ],
    ),
    (
        "Datadog",
        &[
            ("x-ratelimit-limit", "100"),
            ("x-ratelimit-period", "60"),
            ("x-ratelimit-remaining", "98"),
            ("x-ratelimit-reset", "12"),
            ("x-ratelimit-name", "logs_public"),
        ],
    ),
    ("Heroku with its count alone", &[("ratelimit-remaining", "4499")]),
    (
        "SendGrid",
        &[
            ("x-ratelimit-limit", "600"),
            ("x-ratelimit-remaining", "599"),
            ("x-ratelimit-reset", "1793527260"),
        ],
    ),
    (
        "Cloudflare's API",
        &[("ratelimit", "\"default\";r=1199;t=300"), ("ratelimit-policy", "\"default\";q=1200;w=300")],
    ),
    (
        "just above a tenth",
        &[("x-ratelimit-limit", "100"), ("x-ratelimit-remaining", "11"), ("x-ratelimit-reset", "30")],
    ),
    (
        "two dimensions just above a tenth",
        &[
            ("x-ratelimit-limit-requests", "1000"),
            ("x-ratelimit-remaining-requests", "101"),
            ("x-ratelimit-limit-tokens", "1000"),
            ("x-ratelimit-remaining-tokens", "999"),
        ],
    ),
    ("more left than the limit", &[("x-ratelimit-limit", "100"), ("x-ratelimit-remaining", "150")]),
    (
        "a reset in the past and a full quota",
        &[
            ("x-ratelimit-limit", "100"),
            ("x-ratelimit-remaining", "100"),
            ("x-ratelimit-reset", "1600000000"),
        ],
    ),
    (
        "a reset of zero and a full quota",
        &[("x-ratelimit-limit", "100"), ("x-ratelimit-remaining", "100"), ("x-ratelimit-reset", "0")],
    ),
    ("capitals in the names", &[("X-RateLimit-Limit", "100"), ("X-RATELIMIT-REMAINING", "99")]),
];

/// Fields that say how it is regulated and nothing about what is left.
const NOTHING_LEFT_TO_SAY: &[Dialect] = &[
    (
        "a limit that is minus one: none",
        &[("x-ratelimit-limit", "-1"), ("x-ratelimit-remaining", "-1"), ("x-ratelimit-reset", "0")],
    ),
    ("no limit, in words", &[("x-ratelimit-limit", "unlimited"), ("x-ratelimit-remaining", "unlimited")]),
    (
        "a limit of zero that is not kept: nothing is counted",
        &[("x-ratelimit-limit", "0"), ("x-ratelimit-remaining", "0")],
    ),
    ("a small count alone, of nobody knows how many", &[("x-ratelimit-remaining", "3")]),
    ("an empty IETF list", &[("ratelimit", ""), ("ratelimit-policy", "")]),
    ("no field of any limiter", &[]),
    ("Twilio: how many at once", &[("twilio-concurrent-requests", "1")]),
    ("an IETF policy alone", &[("ratelimit-policy", "\"default\";q=100;w=60")]),
    ("a limit alone", &[("x-ratelimit-limit", "100")]),
    ("fields that are empty", &[("x-ratelimit-limit", ""), ("x-ratelimit-remaining", "")]),
    ("malformed fields count as absent", &[("ratelimit", "???"), ("x-ratelimit-remaining", "lots")]),
    (
        "a remaining that is negative: not reported",
        &[("x-ratelimit-limit-tokens", "-1"), ("x-ratelimit-remaining-tokens", "-1")],
    ),
    ("Retry-After on a good answer says when to poll", &[("retry-after", "5")]),
];

pub(super) fn rows(table: &mut Table) {
    for (name, headers) in DIALECTS {
        table.row(*name, "not_limited", fields(headers));
    }
    for (name, headers) in NOTHING_LEFT_TO_SAY {
        table.row(*name, "no_headers|not_limited", fields(headers));
    }
    statuses(table);
    records(table);
}

fn statuses(table: &mut Table) {
    table.row(
        "404 with a quota that is nearly full",
        "not_limited",
        answered(404, &[("x-ratelimit-limit", "100"), ("x-ratelimit-remaining", "99")], "{}"),
    );
    table.row(
        "500 with a quota that is nearly full",
        "not_limited",
        answered(
            500,
            &[("x-ratelimit-limit", "100"), ("x-ratelimit-remaining", "99")],
            "{\"error\": \"boom\"}",
        ),
    );
    table.row(
        "403 that is about rights, with quota left",
        "not_limited",
        answered(
            403,
            &[("x-ratelimit-limit", "5000"), ("x-ratelimit-remaining", "4990")],
            "{\"message\": \"Resource not accessible by integration\"}",
        ),
    );
    table.row(
        "403 without a word about limits",
        "no_headers|not_limited",
        answered(403, &[], "{\"message\": \"forbidden\"}"),
    );
    table.row("401", "no_headers|not_limited", answered(401, &[], "{\"message\": \"who are you\"}"));
    table.row(
        "400 that is about the request",
        "no_headers|not_limited",
        answered(400, &[], "{\"code\": \"ValidationError\"}"),
    );
    table.row(
        "503 of a service that is down: no mark of a limiter",
        "no_headers",
        answered(503, &[], "{\"message\": \"down\"}"),
    );
    table.row(
        "503 with Retry-After of a planned maintenance",
        "no_headers|not_limited",
        answered(503, &[("retry-after", "3600")], "{\"message\": \"maintenance until noon\"}"),
    );
    table.row("a good answer whose text speaks of rate limits", "no_headers|not_limited", answered(200, &[], "{\"help\": \"429 Too Many Requests means rate limit exceeded\", \"code\": \"ThrottlingException\"}"));
    table.row("a GraphQL answer with cost to spare", "not_limited|no_headers", answered(200, &[], "{\"data\": {}, \"extensions\": {\"cost\": {\"requestedQueryCost\": 3, \"throttleStatus\": {\"maximumAvailable\": 1000.0, \"currentlyAvailable\": 990, \"restoreRate\": 50.0}}}}"));
    table.row(
        "a redirect with a quota",
        "not_limited",
        answered(
            302,
            &[
                ("location", "https://www.lab.test/"),
                ("x-ratelimit-limit", "100"),
                ("x-ratelimit-remaining", "99"),
            ],
            "",
        ),
    );
}

fn records(table: &mut Table) {
    table.row("recorded headers of a good answer", "not_limited", recorded("HTTP/1.1 200 OK\r\nX-RateLimit-Limit: 5000\r\nX-RateLimit-Remaining: 4321\r\nX-RateLimit-Reset: 1793530000\r\n\r\n{}"));
    table.row(
        "recorded headers of HTTP/2",
        "not_limited",
        recorded("HTTP/2 200\nx-ratelimit-limit: 5000\nx-ratelimit-remaining: 4321\n\n"),
    );
    table.row(
        "recorded headers without a status line",
        "not_limited",
        recorded("x-ratelimit-limit: 5000\nx-ratelimit-remaining: 4321\n"),
    );
    table.row(
        "recorded headers of nobody's limiter",
        "no_headers",
        recorded("HTTP/1.1 200 OK\ncontent-type: text/plain\n\nhello"),
    );
}
