//! Sound tokens: every algorithm, claim shapes of RFC 7519, 8693 and 9068, key sets with more in them than is needed, clocks a little apart.

use std::collections::BTreeMap;

use firstcheck::drill::http_server::{HttpServer, Reply};
use firstcheck::drill::identity::Issuer;
use serde_json::{Value, json};

use super::{Asked, NO_FAULT, NOW, Table, now};
use crate::worlds::Folder;

const ISSUER: &str = "https://id.lab.test";

/// Tokens of one issuer with every algorithm, and its key set with keys of foreign types among its own; the private keys are gone.
const TOKENS: &str = include_str!("tokens.json");

#[derive(serde::Deserialize)]
struct Signed {
    keys: Value,
    tokens: BTreeMap<String, String>,
}

/// A token of these claims, ordinary but for the change.
fn claims(change: impl FnOnce(&mut Value)) -> Value {
    let at = now().as_second();
    let mut claims = json!({"iss": ISSUER, "aud": "orders", "sub": "client-7", "scope": "orders:read orders:write", "iat": at - 60, "nbf": at - 60, "exp": at + 540});
    change(&mut claims);
    claims
}

/// A presented text, judged by a key set.
fn presented(text: &str, keys: &Value) -> Asked {
    let folder = Folder::new("healthy-token");
    let path = folder.0.join("keys.json");
    std::fs::write(&path, keys.to_string()).unwrap();
    Asked::new("-").input(text).with("jwks", path.to_str().unwrap()).with("now", NOW).holding(folder)
}

/// A token of an issuer with one key, with all that it should say asked for.
async fn signed(change: impl FnOnce(&mut Value)) -> Asked {
    let issuer = Issuer::new(ISSUER);
    presented(&issuer.sign(&claims(change)), &issuer.key_set())
        .with("issuer", ISSUER)
        .with("audience", "orders")
}

/// The ordinary token, written as `form` does.
async fn written(form: impl FnOnce(&str) -> String) -> Asked {
    let issuer = Issuer::new(ISSUER);
    presented(&form(&issuer.sign(&claims(|_| {}))), &issuer.key_set())
}

/// The ordinary token by a key set that was changed.
async fn by_keys(change: impl FnOnce(&mut Value)) -> Asked {
    let issuer = Issuer::new(ISSUER);
    let mut keys = issuer.key_set();
    change(&mut keys);
    presented(&issuer.sign(&claims(|_| {})), &keys)
}

pub(super) fn rows(table: &mut Table) {
    algorithms(table);
    shapes(table);
    times(table);
    forms(table);
    key_sets(table);
    heads(table);
    opaque(table);
}

fn algorithms(table: &mut Table) {
    for (name, algorithm) in [
        ("RS256", "RS256"),
        ("RS384", "RS384"),
        ("RS512", "RS512"),
        ("PS256", "PS256"),
        ("PS384", "PS384"),
        ("PS512", "PS512"),
        ("RS256 of a longer key", "RS256 of 3072 bits"),
        ("ES256", "ES256"),
        ("ES384", "ES384"),
        ("ES512", "ES512"),
        ("EdDSA", "EdDSA"),
    ] {
        table.row(name, "valid", async move {
            let Signed { keys, tokens } = serde_json::from_str(TOKENS).unwrap();
            presented(&tokens[algorithm], &keys)
                .with("issuer", ISSUER)
                .with("audience", "orders")
                .with("scope", "orders:read")
        });
    }
}

fn shapes(table: &mut Table) {
    table.row("an ordinary token", "valid", signed(|_| {}));
    table.row("an audience that is a list", "valid", signed(|it| it["aud"] = json!(["billing", "orders"])));
    table.row("an audience that is a list of one", "valid", signed(|it| it["aud"] = json!(["orders"])));
    table.row("no audience asked for", "valid", async {
        let issuer = Issuer::new(ISSUER);
        presented(&issuer.sign(&claims(|it| it["aud"] = json!("somebody-else"))), &issuer.key_set())
    });
    table.row(
        "no nbf and no iat",
        "valid",
        signed(|it| {
            it.as_object_mut().unwrap().remove("nbf");
            it.as_object_mut().unwrap().remove("iat");
        }),
    );
    table.row(
        "no end: exp is optional (RFC 7519 section 4.1.4)",
        "valid",
        signed(|it| {
            it.as_object_mut().unwrap().remove("exp");
        }),
    );
    table.row("times with decimals", "valid", signed(|it| it["exp"] = json!(1_793_527_740.25)));
    table.row("an end in the year 9999", "valid", signed(|it| it["exp"] = json!(253_402_300_799_i64)));
    table.row("scope needed and there", "valid", async { signed(|_| {}).await.with("scope", "orders:read") });
    table.row("two scopes needed, in another order", "valid", async {
        signed(|_| {}).await.with("scope", "orders:write orders:read")
    });
    table.row("scopes as a list", "valid", async {
        signed(|it| it["scope"] = json!(["orders:read"])).await.with("scope", "orders:read")
    });
    table.row("scp as Microsoft writes it", "valid", async {
        signed(|it| {
            it.as_object_mut().unwrap().remove("scope");
            it["scp"] = json!("orders:read user.read");
        })
        .await
        .with("scope", "orders:read")
    });
    table.row("scp as Okta writes it", "valid", async {
        signed(|it| {
            it.as_object_mut().unwrap().remove("scope");
            it["scp"] = json!(["orders:read"]);
        })
        .await
        .with("scope", "orders:read")
    });
    table.row(
        "claims in many languages, nested and large",
        "valid",
        signed(|it| {
            it["name"] = json!("Zoë Ångström 日本");
            it["groups"] = json!((0..200).map(|n| format!("group-{n}")).collect::<Vec<_>>());
            it["act"] = json!({"sub": "service-9", "act": {"sub": "service-1"}});
        }),
    );
    table.row(
        "bound to a certificate (RFC 8705)",
        "valid",
        signed(|it| it["cnf"] = json!({"x5t#S256": "abc"})),
    );
    table.row(
        "no subject",
        "valid",
        signed(|it| {
            it.as_object_mut().unwrap().remove("sub");
        }),
    );
}

fn times(table: &mut Table) {
    let at = now().as_second();
    table.row("one second left", "valid", signed(move |it| it["exp"] = json!(at + 1)));
    table.row(
        "over for half a minute: within the leeway",
        "valid",
        signed(move |it| it["exp"] = json!(at - 30)),
    );
    table.row(
        "valid in half a minute: within the leeway",
        "valid",
        signed(move |it| {
            it["nbf"] = json!(at + 30);
            it["iat"] = json!(at + 30);
        }),
    );
    table.row(
        "issued half a minute ahead of us, without nbf",
        "valid",
        signed(move |it| {
            it.as_object_mut().unwrap().remove("nbf");
            it["iat"] = json!(at + 30);
        }),
    );
    table.row("over for four minutes, and the leeway is five", "valid", async move {
        signed(move |it| it["exp"] = json!(at - 240)).await.with("leeway", "5m")
    });
    table.row(
        "issued years ago, with a long life",
        "valid",
        signed(move |it| {
            it["iat"] = json!(at - 100_000_000);
            it["nbf"] = json!(at - 100_000_000);
        }),
    );
    table.row("the server's date is half a minute off", "valid", async {
        signed(|_| {}).await.with("server_date", "Sun, 01 Nov 2026 10:00:30 GMT")
    });
    table.row(
        "issued and valid and over within a minute",
        "valid",
        signed(move |it| {
            it["iat"] = json!(at);
            it["nbf"] = json!(at);
            it["exp"] = json!(at + 60);
        }),
    );
}

fn forms(table: &mut Table) {
    table.row("Bearer", "valid", written(|token| format!("Bearer {token}")));
    table.row(
        "bearer: schemes have no case (RFC 9110 section 11.1)",
        "valid",
        written(|token| format!("bearer {token}")),
    );
    table.row("a header line", "valid", written(|token| format!("Authorization: Bearer {token}")));
    table.row(
        "a header line in small letters, with the line's end",
        "valid",
        written(|token| format!("authorization:   Bearer   {token}\r\n")),
    );
    table.row("a token and a line's end", "valid", written(|token| format!("{token}\n")));
    table.row("from the environment", "valid", async {
        let issuer = Issuer::new(ISSUER);
        let token = issuer.sign(&claims(|_| {}));
        let mut asked = presented("", &issuer.key_set());
        "env:LAB_TOKEN".clone_into(&mut asked.target);
        asked.secrets = BTreeMap::from([("LAB_TOKEN".to_owned(), token)]);
        asked
    });
    table.row("without a key set: the claims alone", "valid", async {
        Asked::new("-")
            .input(Issuer::new(ISSUER).sign(&claims(|_| {})))
            .with("now", NOW)
            .with("issuer", ISSUER)
    });
}

fn key_sets(table: &mut Table) {
    table.row(
        "a key without use, alg or kid",
        "valid",
        by_keys(|keys| {
            for member in ["use", "alg"] {
                keys["keys"][0].as_object_mut().unwrap().remove(member);
            }
        }),
    );
    table.row(
        "a key with key_ops instead of use",
        "valid",
        by_keys(|keys| {
            keys["keys"][0].as_object_mut().unwrap().remove("use");
            keys["keys"][0]["key_ops"] = json!(["verify"]);
        }),
    );
    table.row(
        "certificates and thumbprints beside the key",
        "valid",
        by_keys(|keys| {
            keys["keys"][0]["x5c"] = json!(["MIIB"]);
            keys["keys"][0]["x5t"] = json!("abc");
            keys["keys"][0]["issuer"] = json!(ISSUER);
        }),
    );
    table.row(
        "the right key is the last of six",
        "valid",
        by_keys(|keys| {
            let mut all: Vec<Value> = (0..5)
                .map(|_| {
                    let mut it = Issuer::new(ISSUER).key_set()["keys"][0].clone();
                    it["kid"] = json!(uuid::Uuid::new_v4().to_string());
                    it
                })
                .collect();
            all.push(keys["keys"][0].take());
            keys["keys"] = json!(all);
        }),
    );
    table.row("keys of types nobody knows before the right one", "valid", by_keys(|keys| {
        let right = keys["keys"][0].take();
        keys["keys"] = json!([{"kty": "AKP", "alg": "ML-DSA-65", "kid": "pq", "pub": "AA"}, {"kty": "oct", "kid": "o"}, {"kty": "EC", "crv": "P-257", "kid": "x"}, {"kty": 7}, right]);
    }));
    table.row("a token without kid, and one key", "valid", async {
        let Signed { tokens, keys } = serde_json::from_str(TOKENS).unwrap();
        let one = keys["keys"].as_array().unwrap().iter().find(|it| it["kid"] == "ES384").cloned();
        presented(&tokens["without kid"], &json!({"keys": [one.unwrap()]})).with("issuer", ISSUER)
    });
    table.row("a token without kid, and several keys of which one fits", "valid", async {
        let Signed { tokens, keys } = serde_json::from_str(TOKENS).unwrap();
        presented(&tokens["without kid"], &keys).with("issuer", ISSUER)
    });
    table.row("a key set from a URL, of a general type", "valid", async {
        let issuer = Issuer::new(ISSUER);
        let keys = issuer.key_set();
        let server = HttpServer::plain(move |_| {
            std::future::ready(Reply::text(200, keys.to_string()).header("cache-control", "max-age=300"))
        })
        .await
        .unwrap();
        Asked::new("-")
            .input(issuer.sign(&claims(|_| {})))
            .with("jwks", server.url("/keys"))
            .with("now", NOW)
            .holding(server)
    });
    table.row("a key set behind a redirect of the same host", "valid|error", async {
        let issuer = Issuer::new(ISSUER);
        let keys = issuer.key_set();
        let server = HttpServer::plain(move |request| {
            std::future::ready(if request.uri().path() == "/keys" {
                Reply::json(200, &keys)
            } else {
                Reply::empty(302).header("location", "/keys")
            })
        })
        .await
        .unwrap();
        Asked::new("-")
            .input(issuer.sign(&claims(|_| {})))
            .with("jwks", server.url("/old"))
            .with("now", NOW)
            .holding(server)
    });
    table.row("a key set after a byte order mark", "valid", async {
        let issuer = Issuer::new(ISSUER);
        let folder = Folder::new("healthy-token");
        let path = folder.0.join("keys.json");
        std::fs::write(&path, format!("\u{feff}{}", issuer.key_set())).unwrap();
        Asked::new("-")
            .input(issuer.sign(&claims(|_| {})))
            .with("jwks", path.to_str().unwrap())
            .with("now", NOW)
            .holding(folder)
    });
}

/// Heads and sets in which one word means several things.
fn heads(table: &mut Table) {
    table.row(
        "two keys of one name, of which one fits",
        "valid",
        by_keys(|keys| {
            let right = keys["keys"][0].take();
            let mut other = Issuer::new(ISSUER).key_set()["keys"][0].take();
            other["kid"] = right["kid"].clone();
            keys["keys"] = json!([other, right]);
        }),
    );
    table.row("two keys of one name and of two types", "valid", async {
        let Signed { keys, tokens } = serde_json::from_str(TOKENS).unwrap();
        let all: Vec<Value> = keys["keys"]
            .as_array()
            .unwrap()
            .iter()
            .cloned()
            .map(|mut it| {
                it["kid"] = json!("ES384");
                it
            })
            .collect();
        presented(&tokens["ES384"], &json!({"keys": all}))
    });
    table.row("an issuer with a slash at its end, on both sides", "valid", async {
        signed(|it| it["iss"] = json!("https://id.lab.test/")).await.with("issuer", "https://id.lab.test/")
    });
    table.row("no leeway, and a second left", "valid", async {
        let at = now().as_second();
        signed(move |it| {
            it["exp"] = json!(at + 1);
            it["nbf"] = json!(at);
            it["iat"] = json!(at);
        })
        .await
        .with("leeway", "0s")
    });
    table.row("another scheme, as sender-constrained tokens have", "valid", async {
        written(|token| format!("DPoP {token}")).await.with("scheme", "DPoP")
    });
    table.row("one audience of several asked for", "valid", async {
        signed(|it| it["aud"] = json!(["a", "b", "orders"])).await
    });
    table.row("a scope that begins like another one", "valid", async {
        signed(|it| it["scope"] = json!("orders:read:all orders:read")).await.with("scope", "orders:read")
    });
    table.row("neither issuer nor audience, and neither is asked for", "valid", async {
        let issuer = Issuer::new(ISSUER);
        presented(&issuer.sign(&json!({"sub": "x", "exp": now().as_second() + 60})), &issuer.key_set())
    });
    table.row("a shared key, and nobody gave it to us", "valid", async {
        let key = jsonwebtoken::EncodingKey::from_secret(b"a secret of thirty-two bytes here");
        let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims(|_| {}), &key).unwrap();
        Asked::new("-").input(token).with("now", NOW).with("issuer", ISSUER)
    });
    table.row("a shared key that stands in the key set", "valid", async {
        use base64::Engine as _;
        let secret = b"a secret of thirty-two bytes here";
        let key = jsonwebtoken::EncodingKey::from_secret(secret);
        let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims(|_| {}), &key).unwrap();
        let k = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(secret);
        presented(&token, &json!({"keys": [{"kty": "oct", "k": k, "alg": "HS256"}]}))
    });
    table.row("roles beside the scope", "valid", signed(|it| it["roles"] = json!(["admin"])));
}

fn opaque(table: &mut Table) {
    for (name, text) in [
        ("an opaque token says nothing about itself", "Bearer SlAV32hkKG_8xLOxqN1zX"),
        ("a key with a prefix", "Bearer lab_live_4eC39HqLyjWDarjtT1zdp7dc"),
        ("a reference token", "2YotnFZFEjr1zCsicMWpAA"),
        (
            "an encrypted token of five parts",
            "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.b2s.aXY.Y2lwaGVy.dGFn",
        ),
    ] {
        table.row(name, NO_FAULT, std::future::ready(Asked::new("-").input(text).with("now", NOW)));
    }
    table.row(
        "Basic credentials where Basic is the scheme",
        NO_FAULT,
        std::future::ready(
            Asked::new("-")
                .input("Authorization: Basic dXNlcjpwYXNz")
                .with("scheme", "Basic")
                .with("now", NOW),
        ),
    );
}
