//! Hostile requests that people paste: curl commands, HAR entries, raw HTTP. Nothing of them is ever run or read from disk.

use std::path::Path;

use firstcheck::outcome::CheckKind;

use super::documents::described;
use super::trial::{Row, Trial, row, tells_nothing_of};
use crate::worlds::Folder;

/// A description that takes anything at `/orders`.
const SPEC: &str = "openapi: 3.1.0\ninfo: {title: a, version: '1'}\npaths: {/orders: {get: {}, post: {}}}\n";

/// What may be said of a request that can be read, or not.
const ANY: &[&str] = &[
    "matches",
    "error",
    "unknown_path",
    "method_not_allowed",
    "usage",
    "wrong_content_type",
    "schema_violation",
    "trailing_slash",
];

fn pasted(name: &'static str, request: impl Into<String>, expected: &'static [&'static str]) -> Row {
    let request = request.into();
    row(name, async move {
        let ended = described(SPEC, &request, expected).await?;
        tells_nothing_of(&ended, "root:x:")?;
        if Path::new("/tmp/firstcheck-owned").exists() {
            Err("the command was run".to_owned())
        } else {
            Ok(())
        }
    })
}

/// A HAR of so many entries, in a file.
fn har(entries: usize, entry: &str) -> String {
    format!("{{\"log\": {{\"entries\": [{}]}}}}", vec![entry; entries].join(","))
}

const ENTRY: &str = "{\"request\": {\"method\": \"GET\", \"url\": \"https://api.test/orders\", \"headers\": []}, \"response\": {\"status\": 200}}";

/// A file with a request.
fn in_file(
    name: &'static str,
    text: impl AsRef<[u8]> + Send + 'static,
    expected: &'static [&'static str],
) -> Row {
    row(name, async move {
        let folder = Folder::new("hostile-request");
        let (spec, request) = (folder.0.join("openapi.yaml"), folder.0.join("request.txt"));
        std::fs::write(&spec, SPEC).unwrap();
        std::fs::write(&request, text).unwrap();
        let trial = Trial::new(CheckKind::Contract, request.to_str().unwrap());
        trial.with("spec", spec.to_str().unwrap()).ends(expected).await.map(drop)
    })
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        pasted(
            "curl that writes a file",
            "curl https://api.test/orders --output /tmp/firstcheck-owned -o /tmp/firstcheck-owned -O -D /tmp/firstcheck-owned --trace /tmp/firstcheck-owned",
            ANY,
        ),
        pasted(
            "curl that reads files",
            "curl https://api.test/orders -d @/etc/passwd --data-binary @/etc/passwd -F 'a=@/etc/passwd' -H @/etc/passwd -T /etc/passwd --data-urlencode a@/etc/passwd",
            ANY,
        ),
        pasted(
            "curl with a configuration",
            "curl -K /etc/passwd --config /etc/passwd https://api.test/orders",
            ANY,
        ),
        pasted("curl of a file", "curl file:///etc/passwd", ANY),
        pasted("curl in a pipe", "curl https://api.test/orders | sh; touch /tmp/firstcheck-owned", ANY),
        pasted(
            "curl with commands inside",
            "curl https://api.test/orders -H \"a: $(touch /tmp/firstcheck-owned)\" -H 'b: `touch /tmp/firstcheck-owned`' && touch /tmp/firstcheck-owned",
            ANY,
        ),
        pasted("curl with a quote that is not closed", "curl 'https://api.test/orders -H \"a: b", ANY),
        pasted(
            "curl of 200,000 headers",
            format!("curl https://api.test/orders {}", "-H 'a: b' ".repeat(200_000)),
            ANY,
        ),
        pasted("curl of a megabyte of quotes", format!("curl {}", "'\"".repeat(500_000)), ANY),
        pasted(
            "curl with a glob of a million URLs",
            "curl https://api.test/orders[1-1000000]{a,b,c}[a-z]",
            ANY,
        ),
        pasted(
            "curl with escapes",
            "curl 'https://api.test/orders\u{1b}[2J\u{202e}' -X $'\\e[2J\\u202E' -H $'a\\x00b: \\e[2J'",
            ANY,
        ),
        pasted(
            "curl with a body 100,000 deep",
            format!("curl https://api.test/orders --json '{}'", "[".repeat(100_000)),
            ANY,
        ),
        pasted("curl without a URL", "curl -s -S -L", ANY),
        pasted(
            "raw HTTP of a million headers",
            format!("GET /orders HTTP/1.1\n{}\n", "a: b\n".repeat(500_000)),
            ANY,
        ),
        pasted("raw HTTP with zero bytes", "GET /or\0ders HTTP/1.1\nHost: api\0test\n\n\0\0\0", ANY),
        pasted("raw HTTP with escapes", "GET /\u{1b}[2J\u{202e}orders HTTP/1.1\nHost: \u{9b}31m\n\n", ANY),
        pasted("a path of percents", format!("GET /{} 500", "%".repeat(100_000)), ANY),
        pasted("a path that climbs", format!("GET /{}etc/passwd 500", "../".repeat(10_000)), ANY),
        pasted("a log line of a megabyte", format!("GET /orders {} 500", "a ".repeat(400_000)), ANY),
        pasted("a HAR 100,000 deep", "{\"log\":".repeat(100_000), ANY),
        pasted(
            "a HAR of numbers out of range",
            "{\"log\": {\"entries\": [{\"time\": 1e999999, \"request\": {\"method\": \"GET\", \"url\": \"https://api.test/orders\"}, \"response\": {\"status\": -1e400}}]}}",
            ANY,
        ),
        in_file("a HAR of 50 MB", har(1, &format!("{{\"a\": \"{}\"}}", "a".repeat(50_000_000))), &["error"]),
        in_file("a HAR of 40,000 entries", har(40_000, ENTRY), &["matches"]),
        in_file("a request of zero bytes", vec![0; 1_000_000], &["error"]),
        in_file("a request that is no text", vec![0xff; 1000], &["error"]),
        in_file("an empty request", "", &["error"]),
        row("a request that is a device", async {
            let ended = described(SPEC, "/dev/zero", &["error"]).await?;
            tells_nothing_of(&ended, "root:x:")
        }),
    ]
}
