//! Hostile documents: status pages, feeds, API descriptions, change logs.

use std::fmt::Write as _;

use firstcheck::outcome::CheckKind;

use super::server::{Server, answer, headed};
use super::trial::{Ended, Row, Trial, row, tells_nothing_of};
use crate::worlds::Folder;

/// A page that nothing can be said of.
const UNREADABLE: &[&str] = &["unreachable", "error"];

/// A status page with this document, wherever one looks.
fn page(
    name: &'static str,
    content_type: &'static str,
    body: impl Into<Vec<u8>>,
    expected: &'static [&'static str],
) -> Row {
    let body = body.into();
    row(name, async move {
        let server = Server::answering(answer(200, content_type, body));
        let ended = Trial::new(CheckKind::StatusPage, server.url("/status.json")).ends(expected).await?;
        server.was_left_in_time()?;
        tells_nothing_of(&ended, "root:x:")
    })
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = pages();
    rows.extend(descriptions());
    rows.extend(change_logs());
    rows
}

const ESCAPES: &str = "\\u001b[2J\\u202eevil\\u009b31m\\nsecond";

/// Statuspage's summary with so many components of this name.
fn summary(components: usize, name: &str, indicator: &str) -> String {
    let component =
        format!("{{\"id\": \"a\", \"name\": \"{name}\", \"status\": \"operational\", \"group\": false}}");
    format!(
        "{{\"page\": {{\"id\": \"a\", \"name\": \"{name}\", \"url\": \"https://a.test\"}}, \"status\": {{\"indicator\": \"{indicator}\", \
         \"description\": \"{name}\"}}, \"components\": [{}], \"incidents\": [{{\"name\": \"{name}\", \"status\": \"investigating\", \
         \"impact\": \"none\", \"started_at\": \"{name}\"}}], \"scheduled_maintenances\": []}}",
        vec![component; components].join(",")
    )
}

/// An RSS feed of so many items.
pub(super) fn feed(items: usize) -> String {
    let mut feed = "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>Status</title>".to_owned();
    for _ in 0..items {
        feed.push_str("<item><title>a</title></item>");
    }
    feed + "</channel></rss>"
}

/// Ten entities, each ten of the one before: a billion words.
fn entity_bomb() -> String {
    let mut bomb = "<?xml version=\"1.0\"?><!DOCTYPE rss [<!ENTITY a0 \"lol\">".to_owned();
    for at in 1..10 {
        write!(bomb, "<!ENTITY a{at} \"{}\">", format!("&a{};", at - 1).repeat(10)).unwrap();
    }
    bomb + "]><rss version=\"2.0\"><channel><title>&a9;</title><item><title>&a9;</title></item></channel></rss>"
}

fn pages() -> Vec<Row> {
    const XXE: &str = "<?xml version=\"1.0\"?><!DOCTYPE rss [<!ENTITY x SYSTEM \"file:///etc/passwd\"><!ENTITY y SYSTEM \
         \"http://127.0.0.1:1/\">]><rss version=\"2.0\"><channel><title>&x;</title><item><title>&x;&y;</title>\
         <pubDate>Fri, 27 Nov 2026 12:00:00 GMT</pubDate></item></channel></rss>";
    vec![
        page(
            "a page of 50 MB of JSON",
            "application/json",
            format!("{{\"a\": \"{}\"}}", "a".repeat(50_000_000)),
            UNREADABLE,
        ),
        page("a page 500,000 deep", "application/json", "[".repeat(500_000), UNREADABLE),
        page(
            "a page that closes what it opens, 100,000 deep",
            "application/json",
            "{\"status\":".repeat(100_000) + "1" + "}".repeat(100_000).as_str(),
            UNREADABLE,
        ),
        page(
            "a page of numbers out of range",
            "application/json",
            "{\"status\": 1e999999, \"components\": [-1e999999]}",
            UNREADABLE,
        ),
        page(
            "a page of ten thousand components",
            "application/json",
            summary(10_000, "API", "none"),
            &["operational"],
        ),
        page(
            "escapes in every text of a page",
            "application/json",
            summary(3, ESCAPES, "none"),
            &["operational", "degraded"],
        ),
        page(
            "an indicator that nobody knows",
            "application/json",
            summary(1, "API", "\\u202epurple"),
            &["unreachable", "error", "operational"],
        ),
        page(
            "names of 200 KB",
            "application/json",
            summary(2, &"a".repeat(200_000), "none"),
            &["operational"],
        ),
        page(
            "entities of a billion words",
            "application/rss+xml",
            entity_bomb(),
            &["operational", "unreachable"],
        ),
        page(
            "entities that read a file",
            "application/rss+xml",
            XXE,
            &["operational", "degraded", "unreachable"],
        ),
        page("a feed of 60,000 items", "application/rss+xml", feed(60_000), &["operational", "unreachable"]),
        page("a feed of a million items", "application/rss+xml", feed(1_000_000), UNREADABLE),
        page(
            "elements 100,000 deep",
            "application/rss+xml",
            "<rss><channel>".to_owned() + "<item>".repeat(100_000).as_str(),
            UNREADABLE,
        ),
        page(
            "elements that close, 100,000 deep",
            "application/rss+xml",
            "<rss version=\"2.0\"><channel>".to_owned()
                + "<a>".repeat(100_000).as_str()
                + "</a>".repeat(100_000).as_str()
                + "</channel></rss>",
            &["operational", "unreachable"],
        ),
        page(
            "a tag with 100,000 attributes",
            "application/rss+xml",
            format!("<rss {}>", (0..100_000).map(|it| format!("a{it}=\"b\" ")).collect::<Vec<_>>().concat()),
            UNREADABLE,
        ),
        page(
            "CDATA that never ends",
            "application/rss+xml",
            "<rss version=\"2.0\"><channel><item><title><![CDATA[".to_owned() + "a".repeat(100_000).as_str(),
            &["operational", "unreachable"],
        ),
        page("half a UTF-16 page", "application/json", [0xfe, 0xff, 0].to_vec(), UNREADABLE),
        page(
            "UTF-16 of halves of pairs",
            "application/json",
            [vec![0xfe, 0xff], [0xd8, 0].repeat(1000)].concat(),
            UNREADABLE,
        ),
        page(
            "a page of 100,000 links",
            "text/html",
            "<html>".to_owned()
                + "<link rel=alternate type=application/json href=/a.json>".repeat(20_000).as_str(),
            UNREADABLE,
        ),
        page(
            "a page that opens links and never closes them",
            "text/html",
            "<html>".to_owned() + "<link ".repeat(100_000).as_str(),
            UNREADABLE,
        ),
        page("zero bytes", "application/json", vec![0; 100_000], UNREADABLE),
        row("a page that leads around", async {
            let server = Server::answering(headed(302, "location: /again\r\n"));
            Trial::new(CheckKind::StatusPage, server.url("/")).ends(UNREADABLE).await.map(drop)
        }),
        row("a page without an end", async {
            let server =
                Server::flooding("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n", "[[[[[[[[");
            Trial::new(CheckKind::StatusPage, server.url("/status.json")).ends(UNREADABLE).await?;
            server.was_left_in_time()
        }),
        row("a page of a byte per 100 ms", async {
            let server = Server::start(|mut connection| async move {
                if connection.request().await && connection.say(b"HTTP/1.1 200 OK\r\n\r\n").await {
                    connection.drip(b"[").await;
                }
            });
            Trial::new(CheckKind::StatusPage, server.url("/status.json")).ends(UNREADABLE).await.map(drop)
        }),
        row("a vendor's name of escapes", async {
            Trial::new(CheckKind::StatusPage, "\u{1b}[2J\u{202e}").ends(&["usage"]).await.map(drop)
        }),
    ]
}

/// Compares `POST /orders` with a body with this description, in a file.
pub(super) async fn described(spec: &str, request: &str, expected: &[&str]) -> Result<Ended, String> {
    let folder = Folder::new("hostile-spec");
    let path = folder.0.join("openapi.yaml");
    std::fs::write(&path, spec).unwrap();
    Trial::new(CheckKind::Contract, request).with("spec", path.to_str().unwrap()).ends(expected).await
}

const REQUEST: &str = "curl https://api.test/orders --json '{\"a\": \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\", \"b\": [[[[1]]]]}'";

/// Nothing may be held against a request because of such a description.
const NO_VERDICT: &[&str] = &["matches", "error"];

fn description(name: &'static str, spec: impl Into<String>, expected: &'static [&'static str]) -> Row {
    let spec = spec.into();
    row(name, async move {
        let ended = described(&spec, REQUEST, expected).await?;
        tells_nothing_of(&ended, "root:x:")
    })
}

/// A description whose body has this schema, in JSON.
fn with_schema(schema: &str, components: &str) -> String {
    format!(
        "{{\"openapi\": \"3.1.0\", \"info\": {{\"title\": \"a\", \"version\": \"1\"}}, \"paths\": {{\"/orders\": {{\"post\": {{\"requestBody\": \
         {{\"content\": {{\"application/json\": {{\"schema\": {schema}}}}}}}}}}}}}, \"components\": {{\"schemas\": {components}}}}}"
    )
}

fn descriptions() -> Vec<Row> {
    let mut aliases = "a0: &a0 [x]\n".to_owned();
    for at in 1..30 {
        let reference = format!("*a{},", at - 1).repeat(9);
        writeln!(aliases, "a{at}: &a{at} [{reference}]").unwrap();
    }
    let merged = (1..60).fold("b0: &b0 {k0: 1}\n".to_owned(), |mut text, at| {
        writeln!(text, "b{at}: &b{at} {{<<: *b{}, k{at}: 1}}", at - 1).unwrap();
        text
    });
    let wide = format!("{{\"allOf\": [{}]}}", ["{\"$ref\": \"#/components/schemas/A\"}"; 10].join(","));
    let doubling = (0..40)
        .map(|at| format!("\"S{at}\": {{\"anyOf\": [{{\"$ref\": \"#/components/schemas/S{0}\"}}, {{\"allOf\": [{{\"$ref\": \"#/components/schemas/S{0}\"}}, {{\"$ref\": \"#/components/schemas/S{0}\"}}]}}]}}", at + 1))
        .collect::<Vec<_>>()
        .join(",");
    vec![
        description("aliases of a billion words in YAML", aliases, NO_VERDICT),
        description("keys that are merged sixty deep", merged, NO_VERDICT),
        description("YAML 100,000 deep", "[".repeat(100_000), NO_VERDICT),
        description(
            "YAML blocks 20,000 deep",
            (0..2000).map(|it| " ".repeat(it) + "a:\n").collect::<Vec<_>>().concat(),
            NO_VERDICT,
        ),
        description("JSON 100,000 deep", "{\"a\":".repeat(100_000), NO_VERDICT),
        description(
            "a YAML tag that makes things",
            "!!python/object/apply:os.system [\"touch /tmp/owned\"]",
            NO_VERDICT,
        ),
        description(
            "a schema that refers to itself",
            with_schema(
                "{\"$ref\": \"#/components/schemas/A\"}",
                "{\"A\": {\"$ref\": \"#/components/schemas/A\"}}",
            ),
            NO_VERDICT,
        ),
        description(
            "schemas that refer to each other",
            with_schema(
                "{\"$ref\": \"#/components/schemas/A\"}",
                "{\"A\": {\"$ref\": \"#/components/schemas/B\"}, \"B\": {\"$ref\": \"#/components/schemas/A\"}}",
            ),
            NO_VERDICT,
        ),
        description(
            "a schema of itself ten times",
            with_schema(&wide, &format!("{{\"A\": {wide}}}")),
            NO_VERDICT,
        ),
        description(
            "schemas that double forty times",
            with_schema("{\"$ref\": \"#/components/schemas/S0\"}", &format!("{{{doubling}, \"S40\": {{}}}}")),
            NO_VERDICT,
        ),
        description(
            "a schema that recurses through its properties",
            with_schema(
                "{\"$ref\": \"#/components/schemas/A\"}",
                "{\"A\": {\"properties\": {\"a\": {\"$ref\": \"#/components/schemas/A\"}, \"b\": {\"items\": {\"$ref\": \"#/components/schemas/A\"}}}}}",
            ),
            NO_VERDICT,
        ),
        description(
            "a pattern that backtracks for ever",
            with_schema("{\"properties\": {\"a\": {\"pattern\": \"^(a+)+$\"}}}", "{}"),
            &["matches", "error", "schema_violation"],
        ),
        description(
            "a pattern with a look behind that backtracks for ever",
            with_schema("{\"properties\": {\"a\": {\"pattern\": \"^(?=(a+)+$)(a|aa)+(?<!b)$\"}}}", "{}"),
            &["matches", "error", "schema_violation"],
        ),
        description(
            "a pattern of a billion states",
            with_schema(
                "{\"properties\": {\"a\": {\"pattern\": \"(((a{1000}){1000}){1000}){1000}\"}}}",
                "{}",
            ),
            &["matches", "error", "schema_violation"],
        ),
        description(
            "a `multipleOf` of nearly nothing",
            with_schema(
                "{\"properties\": {\"b\": {\"multipleOf\": 1e-320}, \"a\": {\"maxLength\": 1e999}}}",
                "{}",
            ),
            NO_VERDICT,
        ),
        description(
            "a reference into a file",
            with_schema("{\"$ref\": \"file:///etc/passwd\"}", "{}"),
            NO_VERDICT,
        ),
        description(
            "a reference to /etc/passwd",
            with_schema("{\"$ref\": \"/etc/passwd#/a\"}", "{}"),
            NO_VERDICT,
        ),
        description(
            "a reference to a device without an end",
            with_schema("{\"$ref\": \"/dev/zero\"}", "{}"),
            NO_VERDICT,
        ),
        description(
            "a pointer of 100 KB",
            with_schema(&format!("{{\"$ref\": \"#{}\"}}", "/a".repeat(50_000)), "{}"),
            NO_VERDICT,
        ),
        description(
            "escapes in a description",
            "openapi: 3.1.0\ninfo: {title: \"\\e[2J\\u202Eevil\\x9b31m\\n\", version: \"\\e[2J\\u202E\"}\npaths: {/orders: {post: {operationId: \"\\e[2J\\u202Eevil\"}}}",
            NO_VERDICT,
        ),
        description(
            "a path of ten thousand parameters",
            format!("{{\"openapi\": \"3.1.0\", \"paths\": {{\"{}\": {{}}}}}}", "/{a}".repeat(10_000)),
            &["unknown_path", "error"],
        ),
        description(
            "ten thousand paths of parameters",
            format!(
                "{{\"openapi\": \"3.1.0\", \"paths\": {{{}}}}}",
                (0..10_000)
                    .map(|it| format!("\"/{{a}}{it}{{b}}/{{c}}\": {{}}"))
                    .collect::<Vec<_>>()
                    .join(",")
            ),
            &["unknown_path", "error", "trailing_slash"],
        ),
        description(
            "servers with a thousand variables",
            format!(
                "{{\"openapi\": \"3.1.0\", \"servers\": [{{\"url\": \"https://{}.test\", \"variables\": {{{}}}}}], \"paths\": {{\"/orders\": {{\"post\": {{}}}}}}}}",
                "{v}".repeat(1000),
                "\"v\": {\"default\": \"a\", \"enum\": [\"a\", \"b\"]}"
            ),
            &["matches", "error", "unknown_path"],
        ),
        row("a description of 50 MB", async {
            let server = Server::answering(answer(
                200,
                "application/json",
                format!("{{\"a\": \"{}\"}}", "a".repeat(50_000_000)),
            ));
            let trial = Trial::new(CheckKind::Contract, REQUEST).with("spec", server.url("/openapi.json"));
            trial.ends(&["error"]).await.map(drop)
        }),
        row("a description whose parts refer to ever more parts", async {
            use std::sync::atomic::{AtomicUsize, Ordering};
            let count = AtomicUsize::new(0);
            let server = Server::start(move |mut connection| {
                let at = count.fetch_add(1, Ordering::SeqCst);
                async move {
                    if connection.request().await {
                        let parts: Vec<String> =
                            (0..20).map(|it| format!("{{\"$ref\": \"/{at}-{it}.json\"}}")).collect();
                        let spec = format!(
                            "{{\"openapi\": \"3.1.0\", \"paths\": {{\"/orders\": {{\"post\": {{}}}}}}, \"x\": [{}]}}",
                            parts.join(",")
                        );
                        connection.say(&answer(200, "application/json", spec)).await;
                        connection.leave().await;
                    }
                }
            });
            let trial = Trial::new(CheckKind::Contract, REQUEST).with("spec", server.url("/openapi.json"));
            trial.ends(NO_VERDICT).await.map(drop)
        }),
    ]
}

/// A change log in a file.
async fn logged(log: impl AsRef<[u8]>, expected: &[&str]) -> Result<(), String> {
    let folder = Folder::new("hostile-log");
    let path = folder.0.join("changes.jsonl");
    std::fs::write(&path, log).unwrap();
    let trial = Trial::new(CheckKind::Deploys, path.to_str().unwrap());
    trial.with("at", "2026-11-01T10:00:00Z").ends(expected).await.map(drop)
}

fn change_logs() -> Vec<Row> {
    let change = |summary: &str| {
        format!(
            "{{\"at\": \"2026-11-01T09:59:00Z\", \"kind\": \"deploy\", \"service\": \"a\", \"version\": \"1\", \"what\": \"{summary}\", \"summary\": \"{summary}\"}}\n"
        )
    };
    let log = |name, log: Vec<u8>, expected: &'static [&'static str]| {
        row(name, async move { logged(log, expected).await })
    };
    vec![
        log("a change log of 100 MB", vec![b'a'; 100_000_000], &["error"]),
        log("a line of 7 MB without an end", vec![b'{'; 7_000_000], &["error"]),
        log("a hundred thousand lines that are none", b"{}\n".repeat(100_000), &["error"]),
        log("lines 50,000 deep", ["[".repeat(50_000), "]".repeat(50_000), "\n".to_owned()].concat().repeat(5).into_bytes(), &["error"]),
        log("escapes in a change", change("\\u001b[2J\\u202eevil\\u009b31m\\n").into_bytes(), &["deploy_near", "error"]),
        log("thirty thousand changes", change("a").repeat(30_000).into_bytes(), &["deploy_near", "error"]),
        log("times that cannot be", b"{\"at\": \"9999-12-31T23:59:60Z\", \"kind\": \"deploy\"}\n{\"at\": \"-9999-01-01T00:00:00Z\", \"kind\": \"deploy\"}\n{\"at\": 1e999, \"kind\": \"deploy\"}\n".to_vec(), &["error", "none_near"]),
        log("bytes that are no text", vec![0xff; 1000], &["error"]),
        log("zero bytes", vec![0; 1000], &["error"]),
        row("a change log that is a device", async {
            let trial = Trial::new(CheckKind::Deploys, "/dev/zero");
            trial.ends(&["error", "usage"]).await.map(drop)
        }),
    ]
}
