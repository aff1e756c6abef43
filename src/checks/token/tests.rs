//! Tokens as callers present them, and the verdict on each; tokens signed with a fresh key are judged in `tests/it`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

use super::*;

const NOW: &str = "2026-11-01T10:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn expecting() -> Expectation {
    Expectation {
        issuer: Some("https://id.example.com".into()),
        audience: Some("orders".into()),
        scopes: vec!["orders:read".into()],
        scheme: "Bearer".into(),
        leeway: LEEWAY,
        now: now(),
        server_date: None,
        wants_claims: true,
    }
}

/// Claims of a good token, changed as told; `null` takes a claim away.
fn claims(changes: &Value) -> Value {
    let at = now().as_second();
    let mut claims = json!({
        "iss": "https://id.example.com", "aud": "orders", "scope": "orders:read orders:write",
        "iat": at - 100, "nbf": at - 100, "exp": at + 3600, "sub": "do-not-show-me",
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

/// A token whose signature nobody made.
fn token_of(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2lnbmF0dXJl", part(header), part(claims))
}

fn token(changes: &Value) -> String {
    token_of(&json!({"alg": "ES256", "typ": "at+jwt", "kid": "key-1"}), &claims(changes))
}

fn judged(input: &str, keys: Keys, expectation: &Expectation) -> Report {
    let report = judge("-", &Observation { input: input.to_owned(), keys }, expectation);
    let shown = serde_json::to_string(&report).unwrap();
    assert!(!shown.contains("do-not-show-me") && !shown.contains("c2lnbmF0dXJl"), "{shown}");
    report
}

#[track_caller]
fn check(input: &str, expected: Outcome, diagnosis: &str) -> Report {
    let report = judged(input, Keys::NotNamed, &expecting());
    let found = report.facts.get("diagnosis").and_then(Value::as_str).unwrap_or_default();
    assert_eq!((report.outcome, found), (expected, diagnosis), "{}", report.summary);
    report
}

#[track_caller]
fn check_claims(changes: &Value, expected: Outcome, diagnosis: &str) -> Report {
    check(&token(changes), expected, diagnosis)
}

#[track_caller]
fn check_also(report: &Report, also: &[&str]) {
    assert_eq!(report.facts.get("also").cloned().unwrap_or(json!([])), json!(also));
}

#[test]
fn a_good_token_is_valid_in_each_form_it_may_come_in() {
    let token = token(&json!({}));
    for input in [
        token.clone(),
        format!("{token}\n"),
        format!("Bearer {token}"),
        format!("bearer   {token}"),
        format!("Authorization: Bearer {token}"),
        format!("authorization:Bearer {token}\r\n"),
        format!("Host: api.example.com\nAuthorization: Bearer {token}\nAccept: */*"),
        format!("X-Access-Token: {token}"),
    ] {
        let report = check(&input, Outcome::Valid, "");
        assert_eq!(report.facts["expires_in_s"], 3600);
        assert_eq!(report.facts["exp"], "2026-11-01T11:00:00Z");
        assert_eq!(report.facts["alg"], "ES256");
        assert_eq!(report.facts["kid"], "key-1");
        assert_eq!(report.facts["scope"], json!(["orders:read", "orders:write"]));
    }
}

#[test]
fn nothing_sent_is_missing() {
    check("", Outcome::Missing, "empty");
    check(" \n", Outcome::Missing, "empty");
    check("Bearer", Outcome::Missing, "empty_header");
    check("Bearer ", Outcome::Missing, "empty_header");
    check("Authorization:", Outcome::Missing, "empty_header");
    check("Authorization: Bearer", Outcome::Missing, "empty_header");
    check("X-Api-Key:", Outcome::Missing, "empty_header");
    check("Host: api.example.com\nAccept: */*", Outcome::Missing, "no_header");
}

#[test]
fn another_scheme_is_told_from_no_scheme() {
    check("Basic dXNlcjpwYXNzd29yZA==", Outcome::WrongScheme, "other_scheme");
    check("Authorization: Basic dXNlcjpwYXNzd29yZA==", Outcome::WrongScheme, "other_scheme");
    check(&format!("Authorization: Token {}", token(&json!({}))), Outcome::WrongScheme, "other_scheme");
    check(&format!("Authorization: JWT {}", token(&json!({}))), Outcome::WrongScheme, "other_scheme");
    check(&format!("Authorization: {}", token(&json!({}))), Outcome::WrongScheme, "no_scheme");
    check(&format!("Bearer: {}", token(&json!({}))), Outcome::WrongScheme, "colon_after_scheme");
    let report = check(&format!("DPoP {}", token(&json!({"exp": 1}))), Outcome::WrongScheme, "other_scheme");
    check_also(&report, &["expired"]);
    let wants_dpop = Expectation { scheme: "DPoP".into(), ..expecting() };
    assert_eq!(
        judged(&format!("dpop {}", token(&json!({}))), Keys::NotNamed, &wants_dpop).outcome,
        Outcome::Valid
    );
}

#[test]
fn a_text_that_is_no_token_is_malformed() {
    let good = token(&json!({}));
    let parts: Vec<&str> = good.split('.').collect();
    let (header, claims) = (parts[0], parts[1]);
    check("abc", Outcome::Malformed, "not_a_jwt");
    check(header, Outcome::Malformed, "not_a_jwt");
    check("a.b", Outcome::Malformed, "wrong_number_of_parts");
    check("a.b.c.d.e", Outcome::Malformed, "wrong_number_of_parts");
    check("not.a.jwt", Outcome::Malformed, "encoding");
    check(&format!("{header}.{claims}="), Outcome::Malformed, "wrong_number_of_parts");
    check(&format!("{header}.{claims}=.c2ln"), Outcome::Malformed, "encoding");
    check(&format!("{header}.{}.c2ln", URL_SAFE_NO_PAD.encode("[1]")), Outcome::Malformed, "no_json");
    check(&format!("{header}.{claims}."), Outcome::BadSignature, "no_signature");
    check(&format!("JWT {good}"), Outcome::WrongScheme, "other_scheme");
    check(&format!("{header}.{claims}.a+b/"), Outcome::Malformed, "signature_encoding");
    check(&format!("\"{good}\""), Outcome::Malformed, "quoted");
    check(&format!("Bearer Bearer {good}"), Outcome::Malformed, "doubled_scheme");
    check(&format!("Bearer {}", good.replacen('.', ".\n", 1)), Outcome::Malformed, "whitespace_inside");
    check(
        &format!("Authorization: Bearer {good}\nAuthorization: Bearer {good}"),
        Outcome::Malformed,
        "several_headers",
    );
    check(&token_of(&json!({"typ": "JWT"}), &json!({})), Outcome::Malformed, "no_alg");
    check_claims(&json!({"exp": "2026-11-01"}), Outcome::Malformed, "time_is_no_number");
    check(&"a".repeat(70_000), Outcome::Malformed, "too_long");
}

#[test]
fn the_token_of_a_failing_request_is_found() {
    let token = token(&json!({}));
    for request in [
        format!("curl https://api.example.com/a -H 'Authorization: Bearer {token}'"),
        format!("GET /a HTTP/1.1\nHost: api.example.com\nAuthorization: Bearer {token}\n"),
        json!({"request": {"method": "GET", "url": "https://api.example.com/a", "headers": [{"name": "authorization", "value": format!("Bearer {token}")}]}}).to_string(),
        format!("curl 'https://api.example.com/a?access_token={token}'"),
    ] {
        check(&request, Outcome::Valid, "");
    }
    check("curl https://api.example.com/a", Outcome::Missing, "no_header");
    check(
        &format!("curl https://api.example.com/a -H 'Authorization: {token}'"),
        Outcome::WrongScheme,
        "no_scheme",
    );
    check("curl -u me:do-not-show-me https://api.example.com/a", Outcome::WrongScheme, "other_scheme");
}

#[test]
fn credentials_without_claims_are_looked_at_as_far_as_they_go() {
    let basic = |input: &str| {
        let wants = Expectation {
            scheme: "Basic".into(),
            wants_claims: false,
            issuer: None,
            audience: None,
            scopes: vec![],
            ..expecting()
        };
        let report = judged(input, Keys::NotNamed, &wants);
        (report.outcome, report.facts.get("diagnosis").and_then(Value::as_str).unwrap_or_default().to_owned())
    };
    let is = |outcome, diagnosis: &str| (outcome, diagnosis.to_owned());
    assert_eq!(basic("Basic dXNlcjpwYXNzd29yZA=="), is(Outcome::Valid, ""));
    assert_eq!(basic("Authorization: basic dXNlcjpwYXNzd29yZA=="), is(Outcome::Valid, ""));
    assert_eq!(basic("Basic user:password"), is(Outcome::Malformed, "encoding"));
    assert_eq!(basic("Basic dXNlcg=="), is(Outcome::Malformed, "no_colon"));
    assert_eq!(basic("Basic"), is(Outcome::Missing, "empty_header"));
    assert_eq!(basic(&format!("Bearer {}", token(&json!({})))), is(Outcome::WrongScheme, "other_scheme"));
}

#[test]
fn an_opaque_token_is_neither_good_nor_bad() {
    let unasked =
        || Expectation { wants_claims: false, issuer: None, audience: None, scopes: vec![], ..expecting() };
    for opaque in [
        "Bearer ghx_16C7e42F292c6912E7710c838347Ae178B4a",
        "4f9a0c1be2d37a5568f0aa11",
        "X-Api-Key: abcdef0123456789",
        "Bearer ya29.a0AfH6SMBx7-q_made-up",
        "Bearer v2.public.4f9a0c1be2d37a55",
    ] {
        assert_eq!(judged(opaque, Keys::NotNamed, &unasked()).outcome, Outcome::Error, "{opaque}");
        assert_eq!(judged(opaque, Keys::NotNamed, &expecting()).outcome, Outcome::Malformed, "{opaque}");
    }
    let whole = token(&json!({}));
    let after_its_start = &whole[3..];
    for broken in [
        "abc",
        "not-a-token-at-all-really",
        "Bearer 4f9a0c1b..e2d37a5568f0aa11",
        &whole[..60],
        after_its_start,
    ] {
        assert_eq!(judged(broken, Keys::NotNamed, &unasked()).outcome, Outcome::Malformed, "{broken}");
    }
}

#[tokio::test]
async fn the_key_set_is_found_through_the_issuers_metadata() {
    use crate::drill::http_server::{HttpServer, Reply};
    let server = HttpServer::plain(move |asked: hyper::Request<hyper::body::Bytes>| async move {
        let host = asked.headers()["host"].to_str().unwrap().to_owned();
        match asked.uri().path() {
            "/.well-known/openid-configuration" => {
                Reply::json(200, &json!({"issuer": "x", "jwks_uri": format!("http://{host}/keys")}))
            }
            "/keys" => Reply::text(200, fixture_keys()),
            _ => Reply::empty(404),
        }
    })
    .await
    .unwrap();
    let secrets = std::collections::BTreeMap::from([("-".to_owned(), fixture_token("rs256"))]);
    let env = Environment::new(crate::egress::Policy::unrestricted()).with_secrets(secrets);
    let request = Request {
        check: CheckKind::Token,
        target: "-".to_owned(),
        with: crate::checks::With::from([("jwks", server.url("/.well-known/openid-configuration"))]),
        timeout: std::time::Duration::from_secs(2),
        now: now(),
    };
    let report = crate::checks::run(&env, &request).await.unwrap();
    assert_eq!(
        (report.outcome, &report.facts["signature"]),
        (Outcome::Valid, &json!("verified")),
        "{report:?}"
    );
}

#[test]
fn an_encrypted_token_cannot_be_judged() {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#);
    let report = check(&format!("{header}.a.b.c.d"), Outcome::Error, "");
    assert!(report.summary.contains("encrypted"), "{}", report.summary);
}

#[test]
fn times_are_judged_with_the_leeway_at_both_ends() {
    let at = now().as_second();
    check_claims(&json!({"exp": at - 59}), Outcome::Valid, "");
    check_claims(&json!({"exp": at - 60}), Outcome::Expired, "expired");
    check_claims(&json!({"exp": null}), Outcome::Valid, "");
    check_claims(&json!({"nbf": at + 60}), Outcome::Valid, "");
    check_claims(&json!({"nbf": at + 61}), Outcome::NotYetValid, "not_yet_valid");
    check_claims(&json!({"nbf": at + 600, "iat": at + 600}), Outcome::NotYetValid, "not_yet_valid");
    check_claims(&json!({"iat": at + 61}), Outcome::Valid, "");
    check_claims(&json!({"nbf": null, "iat": at + 61}), Outcome::ClockSkew, "issued_in_the_future");
    check_claims(&json!({"nbf": null, "iat": at + 60}), Outcome::Valid, "");
    check_claims(&json!({"nbf": null, "iat": at * 1000}), Outcome::ClockSkew, "milliseconds_not_seconds");
    check_claims(&json!({"exp": 1e300}), Outcome::Valid, "");
    let report = check_claims(&json!({"exp": at - 3_542_400}), Outcome::Expired, "expired");
    assert_eq!(report.summary, "The token expired 41 days ago (2026-09-21T10:00:00Z).");
    assert_eq!(report.facts["expires_in_s"], -3_542_400);
}

#[test]
fn margins_tell_where_another_leeway_would_say_otherwise() {
    let at = now().as_second();
    let report = check_claims(&json!({"exp": at + 30}), Outcome::Valid, "");
    assert_eq!((&report.facts["within_60s"], &report.facts["within_300s"]), (&json!(true), &json!(true)));
    let report = check_claims(&json!({"exp": at + 200, "nbf": null}), Outcome::Valid, "");
    assert_eq!((&report.facts["within_60s"], &report.facts["within_300s"]), (&json!(false), &json!(true)));
    let report = check_claims(&json!({"exp": at - 5}), Outcome::Valid, "");
    assert!(report.summary.contains("only by the leeway"), "{}", report.summary);
}

#[test]
fn a_servers_clock_away_from_ours_is_clock_skew() {
    let with_date = |date: &str| {
        let expectation = Expectation { server_date: server_date(Some(date)).unwrap(), ..expecting() };
        judged(&token(&json!({})), Keys::NotNamed, &expectation).outcome
    };
    assert_eq!(with_date("Sun, 01 Nov 2026 10:00:59 GMT"), Outcome::Valid);
    assert_eq!(with_date("Sun, 01 Nov 2026 10:05:00 GMT"), Outcome::ClockSkew);
    assert_eq!(with_date("2026-11-01T09:55:00Z"), Outcome::ClockSkew);
    assert!(server_date(Some("yesterday")).is_err());
}

#[test]
fn issuer_and_audience_are_exact_strings() {
    check_claims(&json!({"aud": ["billing", "orders"]}), Outcome::Valid, "");
    check_claims(&json!({"aud": "billing"}), Outcome::WrongAudience, "audience");
    check_claims(&json!({"aud": "orders/"}), Outcome::WrongAudience, "trailing_slash");
    check_claims(&json!({"aud": null}), Outcome::WrongAudience, "audience_missing");
    check_claims(&json!({"iss": "https://staging.example.com"}), Outcome::WrongIssuer, "issuer");
    check_claims(&json!({"iss": "https://id.example.com/"}), Outcome::WrongIssuer, "trailing_slash");
    check_claims(&json!({"iss": null}), Outcome::WrongIssuer, "issuer_missing");
    let unasked = Expectation { issuer: None, audience: None, ..expecting() };
    let report = judged(&token(&json!({"iss": "x", "aud": "y"})), Keys::NotNamed, &unasked);
    assert_eq!(report.outcome, Outcome::Valid);
}

#[test]
fn every_scope_asked_for_is_needed_wherever_the_token_lists_it() {
    check_claims(&json!({"scope": "orders:write"}), Outcome::InsufficientScope, "scope_missing");
    check_claims(&json!({"scope": null}), Outcome::InsufficientScope, "no_scope_at_all");
    check_claims(&json!({"scope": null, "scp": ["orders:read"]}), Outcome::Valid, "");
    check_claims(&json!({"scope": null, "roles": ["orders:read"]}), Outcome::Valid, "");
    let two = Expectation { scopes: vec!["orders:read".into(), "refunds".into()], ..expecting() };
    let report = judged(&token(&json!({})), Keys::NotNamed, &two);
    assert_eq!(report.facts["missing_scope"], json!(["refunds"]));
}

#[test]
fn of_several_faults_the_first_in_the_table_is_the_outcome() {
    let at = now().as_second();
    let report = check_claims(
        &json!({"scope": "x", "iss": "x", "aud": "x", "exp": at - 100, "nbf": at + 100}),
        Outcome::Expired,
        "expired",
    );
    check_also(&report, &["not_yet_valid", "wrong_audience", "wrong_issuer", "insufficient_scope"]);
    let report = check_claims(
        &json!({"scope": "x", "nbf": null, "iat": at + 100}),
        Outcome::InsufficientScope,
        "scope_missing",
    );
    check_also(&report, &["clock_skew"]);
}

fn fixture_keys() -> String {
    include_str!("fixture_keys.json").to_owned()
}

fn fixture_token(name: &str) -> String {
    let tokens: Value = serde_json::from_str(include_str!("fixture_tokens.json")).unwrap();
    tokens[name].as_str().unwrap().to_owned()
}

#[track_caller]
fn check_signature(token: &str, keys: Keys, expected: Outcome, diagnosis: &str) -> Report {
    let expectation = Expectation { issuer: None, audience: None, scopes: vec![], ..expecting() };
    let report = judge("-", &Observation { input: token.to_owned(), keys }, &expectation);
    let found = report.facts.get("diagnosis").and_then(Value::as_str).unwrap_or_default();
    assert_eq!((report.outcome, found), (expected, diagnosis), "{}", report.summary);
    report
}

#[test]
fn signatures_of_each_family_verify() {
    for name in ["rs256", "ps256", "eddsa"] {
        let report = check_signature(&fixture_token(name), Keys::Text(fixture_keys()), Outcome::Valid, "");
        assert_eq!(report.facts["signature"], "verified");
        assert_eq!(report.facts["key_ids"], json!(["rsa", "ed", "new"]));
    }
}

#[test]
fn es512_and_the_new_name_of_ed25519_verify() {
    let (x, y) = (
        "AKNRcxDEsaVZbX4MHP79zEAZAYHUsfzhKJLNdwjW5WUB62eWhOzuOi8g6bmw2Up1VfgvEmywSXnMobjC9DxR4puG",
        "AATJKhMRamNyv3BtxtBXEx818wXgJozMiHVt8_Cv29MhfcKTMer9ybSqddX1LvUdmCtCKo6xOMj3fg2CL9j_9XM6",
    );
    let key = |x: &str| {
        let key = json!({"kty": "EC", "crv": "P-521", "kid": "p521", "x": x, "y": y});
        Keys::Text(json!({"keys": [key]}).to_string())
    };
    check_signature(&fixture_token("es512"), key(x), Outcome::Valid, "");
    check_signature(&fixture_token("es512"), key(y), Outcome::BadSignature, "signature");
    check_signature(
        &token_of(&json!({"alg": "ES512", "kid": "rsa"}), &json!({"exp": 4_102_444_800_i64})),
        Keys::Text(fixture_keys()),
        Outcome::BadSignature,
        "alg_does_not_fit_key",
    );
    let renamed = token_of(&json!({"alg": "Ed25519", "kid": "ed"}), &json!({"exp": 4_102_444_800_i64}));
    check_signature(&renamed, Keys::Text(fixture_keys()), Outcome::BadSignature, "signature");
}

#[test]
fn a_signature_that_proves_nothing_is_bad() {
    let keys = || Keys::Text(fixture_keys());
    let claims = json!({"exp": 4_102_444_800_i64});
    let signed_as = |header: Value| token_of(&header, &claims);
    check_signature(&signed_as(json!({"alg": "none"})), Keys::NotNamed, Outcome::BadSignature, "alg_none");
    check_signature(&signed_as(json!({"alg": "None"})), keys(), Outcome::BadSignature, "alg_none");
    check_signature(
        &signed_as(json!({"alg": "RS256", "kid": "rsa"})),
        keys(),
        Outcome::BadSignature,
        "signature",
    );
    check_signature(&signed_as(json!({"alg": "RS256"})), keys(), Outcome::BadSignature, "signature");
    check_signature(
        &signed_as(json!({"alg": "RS256", "kid": "old"})),
        keys(),
        Outcome::BadSignature,
        "unknown_kid",
    );
    check_signature(
        &signed_as(json!({"alg": "HS256", "kid": "rsa"})),
        keys(),
        Outcome::BadSignature,
        "alg_does_not_fit_key",
    );
    check_signature(
        &signed_as(json!({"alg": "RS256", "kid": "new"})),
        keys(),
        Outcome::BadSignature,
        "alg_does_not_fit_key",
    );
    check_signature(
        &signed_as(json!({"alg": "XX", "kid": "rsa"})),
        keys(),
        Outcome::BadSignature,
        "unknown_alg",
    );
    let empty = Keys::Text(r#"{"keys": []}"#.to_owned());
    check_signature(&signed_as(json!({"alg": "RS256"})), empty, Outcome::BadSignature, "no_keys");
    // One claim changed, the signature kept.
    let token = fixture_token("rs256");
    let parts: Vec<&str> = token.split('.').collect();
    let forged = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(claims.to_string()), parts[2]);
    check_signature(&forged, keys(), Outcome::BadSignature, "signature");
}

#[test]
fn a_key_set_that_cannot_be_had_is_an_error_unless_something_worse_is_certain() {
    let missing = || Keys::Missing("the key set `keys.json` cannot be read".to_owned());
    let report = check_signature(&token(&json!({})), missing(), Outcome::Error, "");
    assert_eq!(report.facts["reason"], "the key set `keys.json` cannot be read");
    assert_eq!(report.facts["kid"], "key-1");
    let report = check_signature(&token(&json!({"exp": 1})), missing(), Outcome::Expired, "expired");
    assert_eq!(report.facts["key_set"], "the key set `keys.json` cannot be read");
    assert_eq!(report.facts["signature"], "unknown");
    check_signature(&token(&json!({})), Keys::Text("<html>".into()), Outcome::Error, "");
    check_signature(&token(&json!({})), Keys::Text("{}".into()), Outcome::Error, "");
    let es256k = token_of(&json!({"alg": "ES256K", "kid": "rsa"}), &claims(&json!({})));
    check_signature(&es256k, Keys::Text(fixture_keys()), Outcome::Error, "");
}

#[test]
fn a_token_is_never_an_argument_and_never_quoted() {
    let env = Environment::new(crate::egress::Policy::unrestricted());
    let Err(NotRun::Usage(message)) = input(&env, "eyJhbGciOiJub25lIn0.e30.") else {
        panic!("expected wrong usage")
    };
    assert!(!message.contains("eyJ"), "{message}");
    assert!(input(&env, "-").is_err());
    assert!(input(&env, "env:NOT_SET").is_err());
}

proptest! {
    #[test]
    fn any_text_gets_a_verdict_that_does_not_quote_it(text in "[\\PC\n]{0,200}", secret in "[a-z0-9]{24}") {
        let input = format!("{text}{secret}");
        let report = judge("-", &Observation { input, keys: Keys::Text(fixture_keys()) }, &expecting());
        prop_assert!(!serde_json::to_string(&report).unwrap().contains(&secret));
    }
}
