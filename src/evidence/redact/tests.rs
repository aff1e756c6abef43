//! Both directions: what must not leave, and what must.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn gate() -> Gate {
    Gate::new([7; 32])
}

/// The text loses the secret and keeps the rest.
#[track_caller]
fn hides(text: &str, secret: &str) {
    let redacted = gate().text(text);
    assert!(!redacted.contains(secret), "{redacted}");
    assert_eq!(gate().text(&redacted), redacted, "not idempotent");
    assert!(scan(&redacted).is_empty());
    assert!(!scan(text).is_empty());
}

#[track_caller]
fn keeps(text: &str) {
    assert_eq!(gate().text(text), text);
    assert_eq!(scan(text), []);
}

const JWT: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImExIn0.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUuY29tIiwic3ViIjoiNDIifQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg";

#[test]
fn secrets_of_every_kind_are_hidden_in_free_text() {
    for (text, secret) in [
        (format!("Authorization: Bearer {JWT}"), JWT),
        (format!("got {JWT} from the login"), JWT),
        ("authorization: Basic dXNlcjpodW50ZXIy".into(), "dXNlcjpodW50ZXIy"),
        ("{Authorization=[Bearer abcdef123456]}".into(), "abcdef123456"),
        ("sent bearer hunter2x to it".into(), "hunter2x"),
        ("Cookie: theme=dark; sid=s3cr3tvalue".into(), "s3cr3tvalue"),
        ("Set-Cookie: sid=s3cr3tvalue; Path=/; HttpOnly".into(), "s3cr3tvalue"),
        ("password=hunter2".into(), "hunter2"),
        ("\"password\": \"correct horse\"".into(), "correct horse"),
        (r#"{\"password\":\"hun\\\"ter2\",\"a\":1}"#.into(), "ter2"),
        ("DB_PASSWORD='p@ss, w0rd'".into(), "w0rd"),
        ("db_password: hunter2".into(), "hunter2"),
        ("the password is swordfish.".into(), "swordfish"),
        ("deploy --api-key k33p0ut now".into(), "k33p0ut"),
        ("curl -u admin:swordfish https://api.example.com".into(), "swordfish"),
        ("<ns:password>swordfish</ns:password>".into(), "swordfish"),
        (r#"{"name": "X-Api-Key", "value": "k33p0ut"}"#.into(), "k33p0ut"),
        ("https://bob:swordfish@db.example.com/x".into(), "swordfish"),
        ("postgres://app:s3/cr@et@db.internal:5432/main".into(), "cr@et"),
        ("Server=db;User Id=sa;Password=Sw0rd;Encrypt=true".into(), "Sw0rd"),
        (
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=bm90IGEga2V5;EndpointSuffix=x".into(),
            "bm90IGEga2V5",
        ),
        ("https://api.example.com/cb?access_token=abc123xyz&page=2".into(), "abc123xyz"),
        ("https://b.blob.example.net/c?sv=2024&sig=ab%2Fcd%3D".into(), "ab%2Fcd%3D"),
        ("key AKIAIOSFODNN7EXAMPLE in the log".into(), "AKIAIOSFODNN7EXAMPLE"),
        ("ghp_16C7e42F292c6912E7710c838347Ae178B4a".into(), "16C7e42F292c6912E7710c838347Ae178B4a"),
        ("xoxb-123456789012-abcdefABCDEF".into(), "abcdefABCDEF"),
        (format!("{}_live_4eC39HqLyjWDarjtT1zdp7dc", "sk"), "4eC39HqLyjWDarjtT1zdp7dc"),
        ("AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY".into(), "9tSrke72PouQMnMX"),
        ("https://hooks.slack.com/services/T0000/B0000/XXXXabcdXXXX".into(), "XXXXabcdXXXX"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----".into(), "MIIE"),
        ("mail jane.doe@example.com".into(), "jane.doe"),
        ("call +1 415 555 2671".into(), "2671"),
        ("card 4111-1111-1111-1111".into(), "1111"),
        ("IBAN GB82WEST12345698765432".into(), "12345698765432"),
        ("value 9f8A7sd6Fg5hJ4kL3zX2 unnamed".into(), "9f8A7sd6Fg5hJ4kL3zX2"),
        ("b64 eyJwYXNzd29yZCI6Imh1bnRlcjIifQ==".into(), "eyJwYXNzd29yZCI6Imh1bnRlcjIifQ"),
        ("next=%2Fcb%3Fpassword%3Dhunter2".into(), "hunter2"),
    ] {
        hides(&text, secret);
    }
}

#[test]
fn what_an_engineer_needs_survives_in_free_text() {
    for text in [
        "High 504 rate on https://api.example.com/v1/reports since 2026-03-01T10:02:00Z (70 %)",
        "upstream payments.internal:8443 refused; peer 10.20.30.40; via 1.1 gateway-7.eu-west-1",
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7",
        "release 2026.03.1 commit 2f6dfe5a9c0b1d2e3f4a5b6c7d8e9f0a1b2c3d4e by deploy-bot",
        "certificate of *.example.com by CN=R3,O=Let's Encrypt expired 2026-01-01T00:00:00Z, serial 03a1b2c3d4e5f60718293a4b5c6d7e8f9001",
        "token service: expired; auth: 401; token_state: wrong_audience; password: missing",
        "WWW-Authenticate: Bearer realm=\"api\", error=\"invalid_token\", error_description=\"The token expired\"",
        "Retry-After: 30, X-RateLimit-Remaining: 0, RateLimit-Policy: 100;w=60",
        "GET /v1/reports/export 504 30001 ms; the gateway gives up at 30 s",
        "reports-api-7d9f8b6c5d-x2x4z restarted; HttpServerRequestTimeoutException",
        "the bearer token expired, basic authentication is off",
        "jwks_url: https://id.example.com/.well-known/jwks.json, token_endpoint=https://id.example.com/token",
        "password from env:DB_PASSWORD, token=$API_TOKEN, key=${KEY}",
        "x-request-id: 0b1c7a5e-9c5d-4a52-8d4e-0a1b2c3d4e5f cf-ray: 8f1a2b3c4d5e6f70-AMS",
        "session_count=4711, tokens: 512, max_tokens=4096",
    ] {
        keeps(text);
    }
}

#[test]
fn equal_secrets_look_equal_in_one_incident_only() {
    let a = gate().text("password=hunter2 and password=hunter2");
    let marks: Vec<&str> = shape::MARK.find_iter(&a).map(|mark| mark.as_str()).collect();
    assert_eq!(marks.len(), 2);
    assert_eq!(marks[0], marks[1]);
    assert_ne!(gate().text("password=hunter2"), Gate::new([8; 32]).text("password=hunter2"));
}

#[test]
fn a_url_keeps_its_host_and_its_route() {
    #[track_caller]
    fn check(url: &str, expected: &str) {
        let redacted = gate().url(url);
        let without = shape::MARK.replace_all(&redacted, "~").into_owned();
        assert_eq!(without, expected);
        assert_eq!(gate().url(&redacted), redacted);
    }
    check("https://api.example.com/v1/users/4711/orders", "https://api.example.com/v1/users/{id}/orders");
    check("/v1/orders/0b1c7a5e-9c5d-4a52-8d4e-0a1b2c3d4e5f", "/v1/orders/{id}");
    check("/v2/reports/2026/export", "/v2/reports/2026/export");
    check("/users/cus_NffrFeUfNV2Hib/cards", "/users/{id}/cards");
    check("/users/jane@example.com", "/users/{id}");
    check(
        "https://u:p@h.example/x?page=2&name=Jane&token=abc",
        "https://~@h.example/x?page=2&name=~&token=~",
    );
    check("api.example.com:443", "api.example.com:443");
    check("https://oauth2.example.com//v1/s3/", "https://oauth2.example.com//v1/s3/");
    check("https://app.example.com/cb#access_token=abc123", "https://app.example.com/cb#access_token=~");
    assert_eq!(
        gate().link("https://grafana.example.com/d/4711/api?orgId=1&var-x=2"),
        "https://grafana.example.com/d/4711/api?orgId=1&var-x=2"
    );
}

#[test]
fn json_shows_known_fields_and_shapes_the_rest() {
    let value = json!({
        "method": "POST", "url": "https://api.example.com/v1/users/42?email=a@b.example", "status": 504,
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "started_at": "2026-03-01T10:02:00Z",
        "headers": {"Server": "nginx", "Authorization": "Bearer abcdef123456", "X-Customer": "ACME", "Via": "1.1 gw"},
        "body": {"amount": 42, "name": "Jane", "items": [{"sku": "A-1"}], "vip": true, "note": null},
        "user": {"name": "Jane Doe"}, "password": "hunter2", "favourite": "blue", "latency_ms": 30001.5,
        "labels": {"region": "eu-west-1", "squad": "payments", "token": "abc"},
        "error": {"code": "UPSTREAM_TIMEOUT", "message": "card 4111111111111111 declined"},
    });
    let out = gate().json(&value);
    assert_eq!(out["method"], "POST");
    assert_eq!(out["status"], 504);
    assert_eq!(out["trace_id"], value["trace_id"]);
    assert_eq!(out["started_at"], value["started_at"]);
    assert_eq!(out["headers"]["Server"], "nginx");
    assert_eq!(out["headers"]["Via"], "1.1 gw");
    assert!(out["headers"]["Authorization"].as_str().unwrap().starts_with("Bearer [authorization:"));
    assert_eq!(out["latency_ms"], 30001.5);
    assert_eq!(out["labels"]["squad"], "payments");
    assert_eq!(out["error"]["code"], "UPSTREAM_TIMEOUT");
    let text = out.to_string();
    for secret in ["abcdef123456", "ACME", "42?", "a@b", "Jane", "hunter2", "blue", "4111", "A-1", "\"abc\""]
    {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert_eq!(out["body"]["vip"], "[boolean]");
    assert!(out["body"]["items"][0]["sku"].as_str().unwrap().starts_with("[word:4~"));
    assert_eq!(gate().json(&out), out);
}

#[test]
fn a_har_entry_goes_by_the_names_in_it() {
    let har = json!({"log": {"entries": [{
        "startedDateTime": "2026-03-01T10:02:00Z", "time": 30012,
        "request": {"method": "POST", "url": "https://api.example.com/v1/cards?token=abc123xyz", "httpVersion": "HTTP/2",
            "headers": [{"name": "Content-Type", "value": "application/json"}, {"name": "Cookie", "value": "sid=s3cr3tvalue"}],
            "cookies": [{"name": "sid", "value": "s3cr3tvalue"}],
            "queryString": [{"name": "token", "value": "abc123xyz"}],
            "postData": {"mimeType": "application/json", "text": "{\"pan\":\"4111111111111111\",\"holder\":\"Jane Doe\"}"}},
        "response": {"status": 502, "headers": [{"name": "Server", "value": "envoy"}], "content": {"mimeType": "text/plain", "text": "upstream connect error"}}}]}});
    let out: Value = serde_json::from_str(&gate().document(&har.to_string())).unwrap();
    let entry = &out["log"]["entries"][0];
    assert_eq!(entry["request"]["headers"][0]["value"], "application/json");
    assert_eq!(entry["response"]["headers"][0]["value"], "envoy");
    assert_eq!(entry["response"]["status"], 502);
    assert_eq!(entry["time"], 30012);
    let text = out.to_string();
    for secret in ["s3cr3tvalue", "abc123xyz", "4111", "Jane"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert!(text.contains("holder"), "{text}");
}

#[test]
fn nothing_is_seen_any_more_in_a_redacted_document() {
    let har = json!({"log": {"version": "1.2", "entries": [{
        "request": {"method": "GET", "url": "https://api.example.com/v1/a?key=AKIAIOSFODNN7EXAMPLE",
            "headers": [{"name": "Authorization", "value": "Bearer tok-secret-1"}, {"name": "Accept", "value": "*/*"}],
            "queryString": [{"name": "key", "value": "AKIAIOSFODNN7EXAMPLE"}],
            "cookies": [{"name": "sid", "value": "s3cr3t"}]},
        "response": {"status": 401, "headers": [], "content": {"text": "{\"email\":\"jane@example.com\"}"}}}]}});
    let out = gate().document(&har.to_string());
    let seen: Vec<_> =
        scan(&out).into_iter().map(|it| (it.kind.clone(), out[it.start..it.end].to_owned())).collect();
    assert!(seen.is_empty(), "{seen:?} in {out}");
}

#[test]
fn a_curl_command_in_a_thread_keeps_its_shape() {
    let text = "this one fails:\n$ curl -X POST https://api.example.com/v1/users/4711/cards \\\n  -H 'Authorization: Bearer abcdef123456' -H 'Content-Type: application/json' \\\n  -d '{\"holder\":\"Jane Doe\",\"amount\":12}'\nsince 10:02, region eu-west-1";
    let out = gate().document(text);
    for kept in [
        "this one fails:",
        "https://api.example.com/v1/users/{id}/cards",
        "Content-Type: application/json",
        "\"holder\":\"[",
        "since 10:02, region eu-west-1",
        "Bearer [",
    ] {
        assert!(out.contains(kept), "{kept}: {out}");
    }
    for secret in ["abcdef123456", "Jane", "4711"] {
        assert!(!out.contains(secret), "{secret}: {out}");
    }
    assert_eq!(gate().document(&out), out);
}

#[test]
fn an_http_message_goes_by_its_parts() {
    let text = "POST /v1/users/4711/cards?name=Jane HTTP/1.1\r\nHost: api.example.com\r\nX-Api-Key: k33p0ut\r\nContent-Type: application/json\r\n\r\n{\"holder\":\"Jane\"}\r\n\r\nHTTP/1.1 422 Unprocessable Content\r\nServer: nginx\r\nSet-Cookie: sid=s3cr3tvalue; Path=/\r\n\r\n{\"error\":{\"code\":\"E_HOLDER\",\"message\":\"holder too short\"},\"holder\":\"Jane\"}";
    let out = gate().document(text);
    for kept in [
        "POST /v1/users/{id}/cards?name=[",
        "Host: api.example.com",
        "HTTP/1.1 422 Unprocessable Content",
        "Server: nginx",
        "E_HOLDER",
        "holder too short",
        "Path=/",
    ] {
        assert!(out.contains(kept), "{kept}: {out}");
    }
    for secret in ["k33p0ut", "Jane", "s3cr3tvalue", "4711"] {
        assert!(!out.contains(secret), "{secret}: {out}");
    }
    assert_eq!(gate().document(&out), out);
}

#[test]
fn every_address_is_hidden_where_that_is_the_policy() {
    let text = "upstream 10.20.30.40:8443 refused, peer 203.0.113.7, ::1 and 2001:db8::1:2:3, at 10:02:11.482, v1.2.3.4-rc";
    assert!(gate().text(text).contains("10.20.30.40:8443"));
    let strict = gate().hiding(Addresses::All);
    let out = strict.text(text);
    for gone in ["10.20.30.40", "203.0.113.7", "2001:db8"] {
        assert!(!out.contains(gone), "{gone}: {out}");
    }
    assert!(out.contains(":8443 refused") && out.contains("at 10:02:11.482"), "{out}");
    assert_eq!(strict.text(&out), out);
    let url = strict.url("https://10.20.30.40:8443/v1/orders");
    assert!(!url.contains("10.20") && url.ends_with(":8443/v1/orders"), "{url}");
    let body =
        strict.json(&json!({"peer": "10.20.30.40", "host": "10.20.30.41", "message": "from 10.20.30.42"}));
    assert!(!body.to_string().contains("10.20"), "{body}");
}

#[test]
fn what_was_redacted_is_counted_by_kind() {
    let gate = gate();
    let _ = gate.text("password=hunter2 mail jane@example.com and bob@example.com");
    assert_eq!(gate.report(), BTreeMap::from([("email".to_owned(), 2), ("password".to_owned(), 1)]));
}

/// A secret of some kind and the words around it that make it one.
fn planted() -> impl Strategy<Value = (String, String)> {
    let word = "[a-z0-9]{5,12}[0-9][a-z0-9]{2,8}";
    prop_oneof![
        word.prop_map(|it| (format!("password={it}"), it)),
        word.prop_map(|it| (format!("\"client_secret\": \"{it}\""), it)),
        "[A-Za-z0-9]{12,40}[0-9]".prop_map(|it| (format!("Authorization: Bearer {it}"), it)),
        word.prop_map(|it| (format!("Cookie: a={it}; theme=dark"), it)),
        word.prop_map(|it| (format!("https://bob:{it}@host.example/x"), it)),
        word.prop_map(|it| (format!("https://host.example/x?api_key={it}"), it)),
        "[A-Z2-7]{16}".prop_map(|it| (format!("AKIA{it}"), it)),
        "[A-Za-z0-9]{36}".prop_map(|it| (format!("ghp_{it}"), it)),
        "[a-z]{4,10}\\.[a-z]{4,10}".prop_map(|it| (format!("{it}@example.com"), it)),
        "[A-Za-z0-9_-]{20,40}".prop_map(|it| (format!("eyJhbGciOiJub25lIn0.{it}.{it}"), it)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_planted_secret_never_survives_text((text, secret) in planted(), before in "[ -~\n]{0,40}[ \n]", after in "[ \n][ -~\n]{0,40}") {
        let redacted = gate().text(&format!("{before}{text}{after}"));
        prop_assert!(!redacted.contains(&secret), "{redacted}");
    }

    #[test]
    fn a_planted_secret_never_survives_json((text, secret) in planted(), key in "[a-z_]{1,12}") {
        let value = json!({key.clone(): {"message": text.clone(), "x": [text.clone()]}, "description": text});
        let redacted = gate().json(&value).to_string();
        prop_assert!(!redacted.contains(&secret), "{redacted}");
    }

    #[test]
    fn redacting_twice_is_redacting_once((text, _) in planted(), before in "\\PC{0,40}", after in "\\PC{0,40}") {
        let once = gate().text(&format!("{before}{text}{after}"));
        prop_assert_eq!(gate().text(&once), once.clone());
        prop_assert!(scan(&once).is_empty(), "{}", once);
    }

    #[test]
    fn any_text_is_redacted_without_panic(text in "\\PC{0,200}") {
        let once = gate().document(&text);
        let _ = gate().url(&text);
        prop_assert!(scan(&gate().text(&once)).is_empty());
    }
}

#[test]
fn text_made_to_be_slow_is_read_in_full() {
    // A careless rule reads from each of these to the end of the text: this test would not end in a day.
    let beginnings = [
        "password=\"",
        "secret:\n",
        "token=\\\n",
        "a@//",
        "//a:",
        "-----BEGIN ",
        "Private-Lines:",
        "<a name=\"password\" ",
        "{\"secrets\":{",
        "-u ",
        "%25",
        "\\\"",
        "1 ",
        "a:",
        "cookie=a;",
        "MII",
    ];
    for beginning in beginnings {
        let text = beginning.repeat((256 << 10) / beginning.len());
        let redacted = gate().text(&text);
        assert!(scan(&redacted).is_empty(), "{beginning}: {:?}", scan(&redacted).first());
    }
}

#[test]
fn no_end_of_a_long_secret_sticks_out() {
    // Words that no rule would find alone, so that only the length of the secret is asked for.
    let long = "lorem-ipsum.".repeat(400);
    for text in [
        format!("Cookie: a={long}; b={long}"),
        format!("Authorization: Bearer {long}"),
        format!("password={long}"),
        format!("\"client_secret\": \"{long}\""),
        format!("secret: |\n  {long}\n"),
        format!("curl --oauth2-bearer {long} https://api.example.com"),
        format!("curl -u admin:{long} https://api.example.com"),
    ] {
        let redacted = gate().text(&text);
        assert!(!redacted.contains("lorem"), "{}", &redacted[..200]);
    }
}
