//! `firstcheck check` as its users run it: the built program, real servers with real faults, exit status and both outputs.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use firstcheck::drill::http_server::{HttpServer, Reply};
use firstcheck::drill::identity::{self, Issuer};
use firstcheck::drill::pki::{Authority, Validity};
use firstcheck::drill::release_record::ReleaseRecord;
use firstcheck::drill::tls_server::TlsServer;
use firstcheck::profile::changes::ChangeKind;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::worlds::Folder;

const NOW: &str = "2026-11-01T10:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// Runs `firstcheck check …` with this standard input and environment.
fn run(arguments: &[&str], input: &str, environment: &[(&str, &str)]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_firstcheck"))
        .arg("check")
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads no input may be gone before it is written.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[track_caller]
fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

#[track_caller]
fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// The one document on standard output, and the exit status.
#[track_caller]
fn report(arguments: &[&str], input: &str) -> (i32, Value) {
    let arguments = [arguments, &["--json"]].concat();
    let output = run(&arguments, input, &[]);
    let report: Value = serde_json::from_str(stdout(&output))
        .unwrap_or_else(|error| panic!("{error}: {:?} {:?}", stdout(&output), stderr(&output)));
    (output.status.code().unwrap(), report)
}

#[track_caller]
fn check(arguments: &[&str], input: &str, status: i32, outcome: &str) -> Value {
    let (found, report) = report(arguments, input);
    assert_eq!((found, report["outcome"].as_str()), (status, Some(outcome)), "{arguments:?}: {report:#}");
    assert_eq!(report["check"], arguments[0]);
    assert_eq!(report["target"], arguments[1]);
    assert!(report["took_ms"].as_f64().is_some() && report["summary"].as_str().is_some(), "{report:#}");
    report
}

#[track_caller]
fn refuse(arguments: &[&str], says: &str) {
    let output = run(arguments, "", &[]);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stdout(&output));
    assert_eq!(stdout(&output), "", "{arguments:?}");
    assert!(stderr(&output).contains(says), "{arguments:?}: {}", stderr(&output));
}

fn with<'a>(arguments: &[&'a str], keys: &[&'a str]) -> Vec<&'a str> {
    arguments.iter().copied().chain(keys.iter().flat_map(|key| ["--with", *key])).collect()
}

fn file(folder: &Folder, name: &str, text: &str) -> String {
    let path = folder.0.join(name);
    std::fs::write(&path, text).unwrap();
    shown(&path)
}

fn shown(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_token_is_judged_by_its_issuers_key_set_and_never_shown() {
    let folder = Folder::new("check-token");
    let mut issuer = Issuer::new("https://id.drill.test");
    let claims = issuer.claims("orders", "orders:read", now(), SignedDuration::from_mins(10));
    let token = issuer.sign(&claims);
    let keys = folder.0.join("keys.json");
    issuer.write_key_set(&keys).unwrap();
    let jwks = format!("jwks={}", shown(&keys));
    let now = format!("now={NOW}");
    let arguments = with(&["token", "-"], &[&jwks, &now, "issuer=https://id.drill.test", "audience=orders"]);

    let good = check(&arguments, &format!("Authorization: Bearer {token}\n"), 0, "valid");
    assert_eq!(good["facts"]["signature"], "verified");
    assert_eq!(good["facts"]["expires_in_s"], 600);
    let forged = identity::with_broken_signature(&token);
    check(&arguments, &forged, 1, "bad_signature");
    check(&arguments, &identity::unsigned(&claims), 1, "bad_signature");
    check(&arguments, "", 1, "missing");
    check(&with(&["token", "-"], &[&jwks, &now, "audience=billing"]), &token, 1, "wrong_audience");
    check(&with(&["token", "-"], &[&jwks, "now=2026-11-01T10:12:00Z"]), &token, 1, "expired");
    check(&with(&["token", "-"], &[&now, "jwks=/nowhere/keys.json"]), &token, 3, "error");
    issuer.rotate();
    issuer.write_key_set(&keys).unwrap();
    let rotated = check(&arguments, &token, 1, "bad_signature");
    assert_eq!(rotated["facts"]["diagnosis"], "unknown_kid");

    for output in [run(&arguments, &token, &[]), run(&arguments, &forged, &[])] {
        let signature = token.rsplit('.').next().unwrap();
        let said = format!("{}{}", stdout(&output), stderr(&output));
        assert!(!said.contains(signature) && !said.contains(&token), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_set_and_a_description_may_come_by_url() {
    let issuer = Issuer::new("https://id.drill.test");
    let token = issuer.sign(&issuer.claims("orders", "", now(), SignedDuration::from_mins(10)));
    let authority = Authority::new("Drill Root");
    let identity = authority.issue(&["127.0.0.1"], Validity::ordinary(firstcheck::clock::now()));
    let keys = issuer.key_set();
    let spec = json!({"openapi": "3.1.0", "paths": {"/orders": {"get": {}}}});
    let server = HttpServer::tls(&identity, move |asked| {
        let reply = match asked.uri().path() {
            "/keys" => Reply::json(200, &keys),
            "/openapi.json" => Reply::json(200, &spec),
            _ => Reply::json(503, &json!({"error": "busy"})),
        };
        async move { reply }
    })
    .await
    .unwrap();
    let folder = Folder::new("check-urls");
    let ca = format!("ca_file={}", file(&folder, "root.pem", &authority.pem()));
    let at = |name: &str, path: &str| format!("{name}={}", server.url(path));
    let (jwks, gone, spec) = (at("jwks", "/keys"), at("jwks", "/gone"), at("spec", "/openapi.json"));
    tokio::task::spawn_blocking(move || {
        let now = format!("now={NOW}");
        let verified = check(&with(&["token", "-"], &[&jwks, &now, &ca]), &token, 0, "valid");
        assert_eq!(verified["facts"]["signature"], "verified");
        let untrusted = check(&with(&["token", "-"], &[&jwks, &now]), &token, 3, "error");
        assert!(untrusted["summary"].as_str().unwrap().contains("not trusted here"), "{untrusted:#}");
        check(&with(&["token", "-"], &[&gone, &now, &ca]), &token, 3, "error");
        check(&with(&["contract", "-"], &[&spec, &ca]), "GET /orders 500", 0, "matches");
    })
    .await
    .unwrap();
}

#[test]
fn a_token_may_come_from_the_environment() {
    let issuer = Issuer::new("https://id.drill.test");
    let token = issuer.sign(&issuer.claims("orders", "", now(), SignedDuration::from_mins(10)));
    let arguments = ["token", "env:CALLERS_TOKEN", "--with", "now=2026-11-01T10:00:00Z", "--json"];
    let output = run(&arguments, "", &[("CALLERS_TOKEN", &token)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let output = run(&arguments, "", &[("CALLERS_TOKEN", "")]);
    assert!(stdout(&output).contains("\"missing\""), "{}", stdout(&output));
    refuse(&["token", "env:NOT_SET_ANYWHERE"], "`NOT_SET_ANYWHERE` is not set");
}

#[test]
fn wrong_usage_is_a_message_and_nothing_else() {
    refuse(&["tea", "pot"], "unknown check `tea`");
    refuse(&["dns"], "TARGET");
    refuse(&["dns", "a.test", "--with", "types"], "KEY=VALUE");
    refuse(&["dns", "a.test", "--with", "types=A", "--with", "types=AAAA"], "given twice");
    refuse(&["tls", "a.test:443", "--with", "wran_days=3"], "its keys are");
    refuse(&["dns", "a.test", "--timeout", "soon"], "duration");
    refuse(&["metrics", "prometheus.test"], "write a Prometheus base URL");
    refuse(&["contract", "request.txt"], "`spec`");
    refuse(&["token", "eyJhbGciOiJub25lIn0.e30."], "standard input");
    refuse(&["token", "-", "--with", "now=yesterday"], "`now` is `yesterday`");
}

#[test]
fn a_request_is_compared_with_its_description() {
    let folder = Folder::new("check-contract");
    let spec = json!({
        "openapi": "3.1.0", "info": {"title": "Orders", "version": "2"}, "servers": [{"url": "https://api.drill.test/v1"}],
        "paths": {"/orders": {"post": {"requestBody": {"content": {"application/json": {
            "schema": {"type": "object", "required": ["sku"]}}}}}}},
    });
    let spec = format!("spec={}", file(&folder, "openapi.json", &spec.to_string()));
    let good = file(&folder, "good.txt", "curl https://api.drill.test/v1/orders --json '{\"sku\": \"a\"}'\n");
    let bad = file(
        &folder,
        "bad.http",
        "POST /v1/orders HTTP/1.1\r\nHost: api.drill.test\r\nContent-Type: application/json\r\n\r\n{}",
    );
    check(&with(&["contract", &good], &[&spec]), "", 0, "matches");
    let violated = check(&with(&["contract", &bad], &[&spec]), "", 1, "schema_violation");
    assert_eq!(violated["facts"]["violations"][0]["pointer"], "/sku");
    check(
        &with(&["contract", "-"], &[&spec]),
        "curl -X PUT https://api.drill.test/v1/orders",
        1,
        "method_not_allowed",
    );
    check(&with(&["contract", "/nowhere/request.txt"], &[&spec]), "", 3, "error");
    check(&with(&["contract", &good], &["spec=/nowhere/openapi.json"]), "", 3, "error");
}

#[test]
fn the_release_record_tells_what_changed_before_the_start() {
    let folder = Folder::new("check-deploys");
    let record = ReleaseRecord::create(folder.0.join("releases.jsonl")).unwrap();
    let at = format!("at={NOW}");
    let target = shown(record.path());
    check(&with(&["deploys", &target], &[&at]), "", 0, "none_near");
    record.changed("orders-api", ChangeKind::Deploy, "2.14.0", 40, now()).unwrap();
    check(&with(&["deploys", &target], &[&at]), "", 0, "none_near");
    let near = check(&with(&["deploys", &target], &[&at, "window=1h"]), "", 1, "deploy_near");
    assert_eq!(near["facts"]["nearest"]["minutes_before"], 40.0);
    check(&["deploys", "/nowhere/releases.jsonl"], "", 3, "error");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_is_a_finding_with_its_facts() {
    let authority = Authority::new("Drill Root");
    let identity = authority.issue(&["localhost", "127.0.0.1"], Validity::expired(firstcheck::clock::now()));
    let server = TlsServer::serving(&identity).await.unwrap();
    let folder = Folder::new("check-tls");
    let ca = format!("ca_file={}", file(&folder, "root.pem", &authority.pem()));
    let target = server.addr().to_string();
    tokio::task::spawn_blocking(move || {
        let report = check(&with(&["tls", &target], &[&ca]), "", 1, "expired");
        assert!(report["facts"]["not_after"].is_string(), "{report:#}");
        check(&["tcp", &target], "", 0, "connects");
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_server_is_a_finding_and_text_is_for_people() {
    let server =
        HttpServer::plain(|_| async { Reply::json(500, &json!({"error": "broken"})) }).await.unwrap();
    let url = server.url("/v1/orders");
    tokio::task::spawn_blocking(move || {
        let output = run(&["http", &url], "", &[]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        let text = stdout(&output);
        assert!(text.contains(&format!("  http {url}\n")) && text.contains("Took "), "{text}");
        assert!(!text.contains('\u{1b}'), "no colour on a pipe: {text}");
        check(&["http", &url, "--timeout", "5s"], "", 1, "server_error");
    })
    .await
    .unwrap();
}
