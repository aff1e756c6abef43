//! A small OpenID provider: description, keys, code and token, with PKCE, a client secret and ES256 (OpenID Connect Core 1.0).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::Request;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use firstcheck::drill::http_server::{HttpServer, Reply};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

type Pairs = BTreeMap<String, String>;

/// Codes that were given out, with what they were asked for.
type Codes = Arc<Mutex<BTreeMap<String, Pairs>>>;

pub(crate) struct Provider {
    server: HttpServer,
    codes: Codes,
}

impl Provider {
    /// A provider whose tokens say this, besides (and instead of) what they have to.
    pub(crate) async fn start(claims: Value) -> Self {
        let key = Arc::new(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap());
        let codes = Codes::default();
        let given = Arc::clone(&codes);
        let server = HttpServer::plain(move |seen: Request<Bytes>| {
            let reply = answer(&seen, &key, &given, &claims);
            async move { reply }
        });
        Self { server: server.await.unwrap(), codes }
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://{}", self.server.addr())
    }

    /// What the person's browser does at the provider: the path on the bot that it is sent back to.
    #[track_caller]
    pub(crate) fn authorize(&self, url: &str) -> String {
        let url: Url = url.parse().unwrap();
        let asked: Pairs = url.query_pairs().into_owned().collect();
        assert_eq!(url.path(), "/authorize");
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["client_id"], "firstcheck");
        assert_eq!(asked["code_challenge_method"], "S256");
        assert_eq!(asked["scope"], "openid email groups");
        assert_eq!(asked["redirect_uri"], "http://bot.example:8080/login/oidc/callback");
        let mut codes = self.codes.lock().unwrap();
        let code = format!("code-{}", codes.len());
        let back = format!("/login/oidc/callback?code={code}&state={}", asked["state"]);
        codes.insert(code, asked);
        back
    }
}

fn header<'a>(seen: &'a Request<Bytes>, name: &str) -> Option<&'a str> {
    seen.headers().get(name)?.to_str().ok()
}

fn answer(seen: &Request<Bytes>, key: &KeyPair, codes: &Codes, claims: &Value) -> Reply {
    let issuer = format!("http://{}", header(seen, "host").unwrap());
    match seen.uri().path() {
        "/.well-known/openid-configuration" => Reply::json(
            200,
            &json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}/authorize"),
                "token_endpoint": format!("{issuer}/token"),
                "jwks_uri": format!("{issuer}/keys"),
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
            }),
        ),
        "/keys" => {
            // Uncompressed: 0x04, x, y (SEC 1, section 2.3.3).
            let point = key.der_bytes();
            let part = |range| BASE64_URL_SAFE_NO_PAD.encode(&point[range]);
            let jwk = json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": "1", "alg": "ES256", "x": part(1..33), "y": part(33..65)});
            Reply::json(200, &json!({ "keys": [jwk] }))
        }
        "/token" => token(seen, &issuer, key, codes, claims),
        path => Reply::text(404, path.to_owned()),
    }
}

fn token(seen: &Request<Bytes>, issuer: &str, key: &KeyPair, codes: &Codes, claims: &Value) -> Reply {
    let form: Pairs = url::form_urlencoded::parse(seen.body()).into_owned().collect();
    let refuse = |why: &str| Reply::json(400, &json!({"error": "invalid_grant", "error_description": why}));
    let basic = format!("Basic {}", BASE64_STANDARD.encode("firstcheck:hush"));
    if header(seen, "authorization") != Some(basic.as_str()) {
        return Reply::json(401, &json!({"error": "invalid_client"}));
    }
    // A code counts once.
    let Some(asked) = codes.lock().unwrap().remove(&form["code"]) else { return refuse("no such code") };
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
    if challenge != asked["code_challenge"] || form["redirect_uri"] != asked["redirect_uri"] {
        return refuse("not the one that asked");
    }
    let now = jsonwebtoken::get_current_timestamp();
    let mut said = json!({
        "iss": issuer, "aud": "firstcheck", "sub": "42", "iat": now, "exp": now + 300, "nonce": asked["nonce"],
        "email": "ada@example.com", "email_verified": true,
    });
    for (name, value) in claims.as_object().unwrap() {
        said[name] = value.clone();
    }
    let header = Header { kid: Some("1".to_owned()), ..Header::new(Algorithm::ES256) };
    let signed = encode(&header, &said, &EncodingKey::from_ec_der(&key.serialize_der())).unwrap();
    Reply::json(
        200,
        &json!({"access_token": "a", "token_type": "bearer", "expires_in": 300, "id_token": signed}),
    )
}
