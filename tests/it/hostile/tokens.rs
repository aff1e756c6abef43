//! Hostile tokens and key sets.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use firstcheck::drill::identity::Issuer;
use firstcheck::outcome::CheckKind;
use jiff::SignedDuration;

use super::server::{Server, answer};
use super::trial::{Row, Trial, row};

fn encoded(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A token of these claims that nobody signed.
fn unsigned(header: &str, claims: &str) -> String {
    format!("{}.{}.{}", encoded(header), encoded(claims), encoded("signature"))
}

/// A token whose times can be read, or not.
const READ: &[&str] = &["valid", "malformed", "expired", "not_yet_valid", "clock_skew"];

const RS256: &str = "{\"alg\": \"RS256\", \"kid\": \"a\"}";

/// Judged without a key set.
fn presents(name: &'static str, token: String, expected: &'static [&'static str]) -> Row {
    row(name, async move { Trial::new(CheckKind::Token, "-").given(token).ends(expected).await.map(drop) })
}

/// An honest token against this key set.
fn with_keys(name: &'static str, keys: impl Into<String>, expected: &'static [&'static str]) -> Row {
    let keys = keys.into();
    row(name, async move {
        let now = firstcheck::clock::now();
        let issuer = Issuer::new("https://id.hostile.test");
        let token = issuer.sign(&issuer.claims("orders", "", now, SignedDuration::from_mins(10)));
        let server = Server::answering(answer(200, "application/json", keys));
        Trial::new(CheckKind::Token, "-")
            .given(token)
            .with("jwks", server.url("/keys"))
            .ends(expected)
            .await?;
        server.was_left_in_time()
    })
}

pub(super) fn rows() -> Vec<Row> {
    const ESCAPES: &str = "\\u001b[2J\\u202eevil\\u009b31m\\n";
    let rsa = |bits: usize| {
        let modulus = URL_SAFE_NO_PAD.encode(vec![0xff; bits / 8]);
        format!(
            "{{\"keys\": [{{\"kty\": \"RSA\", \"alg\": \"RS256\", \"n\": \"{modulus}\", \"e\": \"AQAB\"}}, {{\"kty\": \"RSA\", \"n\": \"\", \"e\": \"\"}}]}}"
        )
    };
    let seconds = |exp: &str| unsigned(RS256, &format!("{{\"exp\": {exp}, \"nbf\": {exp}, \"iat\": {exp}}}"));
    vec![
        presents(
            "a token of 1 MB",
            unsigned(RS256, &format!("{{\"a\": \"{}\"}}", "a".repeat(1_000_000))),
            &["malformed", "valid"],
        ),
        presents("a million dots", ".".repeat(1_000_000), &["malformed"]),
        presents(
            "claims 20,000 deep",
            unsigned(RS256, &("{\"a\":".repeat(7000) + "1" + "}".repeat(7000).as_str())),
            &["malformed", "valid"],
        ),
        presents("a token that ends in 1e400 seconds", seconds("1e400"), READ),
        presents("a token that ends in 1e308 seconds", seconds("1e308"), READ),
        presents("a token that ended -1e308 seconds ago", seconds("-1e308"), READ),
        presents("a token that ends in 2^64 seconds", seconds("18446744073709551616"), READ),
        presents("a token that ends in words", seconds("\"tomorrow\""), READ),
        presents("a token that ends in a list", seconds("[1, 2, 3]"), READ),
        presents("claims that are a list", unsigned(RS256, "[1, 2, 3]"), &["malformed"]),
        presents("claims given twice", unsigned(RS256, "{\"exp\": 1, \"exp\": 9999999999}"), READ),
        presents(
            "escapes in every claim",
            unsigned(
                &format!("{{\"alg\": \"{ESCAPES}\", \"kid\": \"{ESCAPES}\", \"typ\": \"{ESCAPES}\"}}"),
                &format!(
                    "{{\"iss\": \"{ESCAPES}\", \"aud\": [\"{ESCAPES}\"], \"scope\": \"{ESCAPES}\", \"sub\": \"{ESCAPES}\"}}"
                ),
            ),
            &["valid", "malformed", "bad_signature"],
        ),
        presents(
            "an audience of ten thousand",
            unsigned(RS256, &format!("{{\"aud\": [{}]}}", vec!["\"a\""; 10_000].join(","))),
            &["valid", "malformed"],
        ),
        presents("a token of zero bytes", "Bearer \0\0\0.\0.\0".to_owned(), &["malformed"]),
        presents("a token of escapes", "Bearer \u{1b}[2J\u{202e}.a.b".to_owned(), &["malformed"]),
        presents("a scheme of escapes", "\u{1b}[2J\u{202e} abc".to_owned(), &["malformed", "wrong_scheme"]),
        presents(
            "critical extensions that nobody knows",
            unsigned("{\"alg\": \"RS256\", \"crit\": [\"exp\", \"b64\"], \"b64\": false}", "{}"),
            &["valid", "malformed", "bad_signature"],
        ),
        presents(
            "a key that comes with the token",
            unsigned(
                "{\"alg\": \"HS256\", \"jwk\": {\"kty\": \"oct\", \"k\": \"YQ\"}, \"jku\": \"http://127.0.0.1:1/\", \"x5u\": \"file:///etc/passwd\"}",
                "{}",
            ),
            &["valid", "malformed", "bad_signature"],
        ),
        presents(
            "a kid that is a path",
            unsigned("{\"alg\": \"RS256\", \"kid\": \"../../../../etc/passwd\"}", "{}"),
            &["valid", "malformed"],
        ),
        with_keys(
            "a key set of 100,000 keys",
            format!(
                "{{\"keys\": [{}]}}",
                vec!["{\"kty\": \"RSA\", \"n\": \"AQAB\", \"e\": \"AQAB\"}"; 100_000].join(",")
            ),
            &["error"],
        ),
        with_keys(
            "a key set of 4000 bad keys",
            format!(
                "{{\"keys\": [{}]}}",
                vec!["{\"kty\": \"EC\", \"crv\": \"P-256\", \"x\": \"AQAB\", \"y\": \"AQAB\"}"; 4000]
                    .join(",")
            ),
            &["bad_signature", "error"],
        ),
        with_keys("a key set 100,000 deep", "{\"keys\":".repeat(100_000), &["error"]),
        with_keys(
            "keys that are no keys",
            "{\"keys\": [1, null, \"a\", [], {}, {\"kty\": 7}, {\"kty\": \"RSA\", \"n\": 7}]}",
            &["bad_signature", "error"],
        ),
        with_keys("an RSA key of 16,384 bits", rsa(16_384), &["bad_signature", "error"]),
        with_keys("an RSA key of 64 bits", rsa(64), &["bad_signature", "error"]),
        with_keys("a key set that names another, that is itself", "{\"jwks_uri\": \"/keys\"}", &["error"]),
        with_keys("metadata that names a file", "{\"jwks_uri\": \"file:///etc/passwd\"}", &["error"]),
        with_keys(
            "escapes in a key set",
            format!("{{\"keys\": [{{\"kty\": \"{ESCAPES}\", \"kid\": \"{ESCAPES}\"}}]}}"),
            &["bad_signature", "error"],
        ),
        with_keys("no key set", "<html>", &["error"]),
        row("a key set without an end", async {
            let server = Server::flooding("HTTP/1.1 200 OK\r\n\r\n", "[[[[");
            let trial = Trial::new(CheckKind::Token, "-")
                .given(unsigned(RS256, "{}"))
                .with("jwks", server.url("/keys"));
            trial.ends(&["error"]).await?;
            server.was_left_in_time()
        }),
        row("a key set of a byte per 100 ms", async {
            let server = Server::start(|mut connection| async move {
                if connection.request().await && connection.say(b"HTTP/1.1 200 OK\r\n\r\n").await {
                    connection.drip(b"[").await;
                }
            });
            let trial = Trial::new(CheckKind::Token, "-")
                .given(unsigned(RS256, "{}"))
                .with("jwks", server.url("/keys"));
            trial.ends(&["error"]).await.map(drop)
        }),
        row("a key set that is a device", async {
            let trial =
                Trial::new(CheckKind::Token, "-").given(unsigned(RS256, "{}")).with("jwks", "/dev/zero");
            trial.ends(&["error"]).await.map(drop)
        }),
    ]
}
