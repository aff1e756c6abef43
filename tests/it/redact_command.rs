//! `firstcheck redact` as its users run it: every form of input, from a file and from a pipe, as text and as JSON.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::worlds::Folder;

const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.c2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJl";

fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_firstcheck"))
        .arg("redact")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads no input may be gone before it is written.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Through a pipe, from a file and as JSON: the secrets are gone, the rest is there.
#[track_caller]
fn check(input: &str, gone: &[&str], kept: &[&str]) {
    let folder = Folder::new("redact");
    let file = folder.0.join("input.txt");
    std::fs::write(&file, input).unwrap();
    let file = file.to_str().unwrap();
    for (arguments, input) in
        [(vec![], input), (vec![file], ""), (vec!["-", "--json"], input), (vec![file, "--json"], "")]
    {
        let output = run(&arguments, input);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {err}");
        for secret in gone {
            assert!(
                !out.contains(secret) && !err.contains(secret),
                "{arguments:?} shows {secret}: {out}{err}"
            );
        }
        for word in kept {
            assert!(out.contains(word), "{arguments:?} hides {word}: {out}");
        }
        if arguments.contains(&"--json") {
            let document: Value = serde_json::from_str(&out).unwrap();
            let counts = document["counts"].as_object().unwrap();
            let total: u64 = counts.values().filter_map(Value::as_u64).sum();
            assert_eq!(document["total"], total, "{out}");
            assert_eq!(total == 0, gone.is_empty(), "{out}");
            assert!(err.is_empty(), "{err}");
        } else {
            assert!(err.starts_with("hidden: "), "{err}");
        }
    }
}

#[test]
fn a_curl_command() {
    check(
        &format!(
            "curl -X POST 'https://api.example.com/v1/orders?token=s3cr3tvalue9&format=pdf' -H 'Authorization: Bearer {JWT}' -d '{{\"email\":\"jane@example.com\"}}'"
        ),
        &["s3cr3tvalue9", "eyJ", "c2lnbmF0dXJl", "jane@"],
        &["https://api.example.com/v1/orders", "format=pdf", "Bearer [jwt:"],
    );
}

#[test]
fn a_har() {
    let entry = json!({
        "startedDateTime": "2026-03-01T10:00:00Z", "time": 12,
        "request": {
            "method": "GET", "url": "https://api.example.com/v1/orders?key=AKIAIOSFODNN7EXAMPLE",
            "headers": [{"name": "Authorization", "value": format!("Bearer {JWT}")}, {"name": "Accept", "value": "*/*"}],
            "queryString": [{"name": "key", "value": "AKIAIOSFODNN7EXAMPLE"}], "cookies": [{"name": "sid", "value": "s3cr3tsid"}],
        },
        "response": {"status": 401, "headers": [], "content": {"mimeType": "application/json", "text": "{\"email\":\"jane@example.com\"}"}},
    });
    check(
        &json!({"log": {"version": "1.2", "entries": [entry]}}).to_string(),
        &["AKIA", "eyJ", "s3cr3tsid", "jane@"],
        &["api.example.com/v1/orders", "401", "2026-03-01T10:00:00Z", "*/*"],
    );
}

#[test]
fn a_json_document() {
    check(
        &json!({"status": 504, "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "customer": "Jane Doe", "password": "hunter22x"}).to_string(),
        &["Jane", "hunter22x"],
        &["504", "4bf92f3577b34da6a3ce929d0e0e4736"],
    );
}

#[test]
fn a_raw_http_message() {
    check(
        "POST /v1/orders?api_key=abcdef1234567890 HTTP/1.1\r\nHost: api.example.com\r\nCookie: sid=s3cr3tsid\r\nContent-Type: application/json\r\n\r\n{\"password\":\"hunter22x\"}",
        &["abcdef1234567890", "s3cr3tsid", "hunter22x"],
        &["POST /v1/orders", "api.example.com", "application/json"],
    );
}

#[test]
fn free_text() {
    check(
        &format!(
            "2026-03-01T10:00:00Z api-7 GET /v1/orders 503 upstream pay.internal timed out, token {JWT}, user jane@example.com\n"
        ),
        &["eyJ", "jane@"],
        &["2026-03-01T10:00:00Z", "api-7", "/v1/orders 503", "pay.internal"],
    );
    check("nothing to hide in /v1/orders\n", &[], &["nothing to hide in /v1/orders"]);
}

#[test]
fn a_file_that_is_not_there_is_said_and_nothing_is_printed() {
    let output = run(&["/no/such/file.har", "--json"], "");
    assert_eq!(output.status.code(), Some(3));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("/no/such/file.har"));
}

#[test]
fn the_configuration_says_which_addresses_leave() {
    let folder = Folder::new("redact");
    let config = folder.0.join("own.yaml");
    std::fs::write(&config, "redact: {addresses: all}\n").unwrap();
    let text = "upstream 192.0.2.7 refused the connection";
    let shown = |arguments: &[&str]| String::from_utf8(run(arguments, text).stdout).unwrap();
    assert!(shown(&[]).contains("192.0.2.7"));
    let hidden = shown(&["--config", config.to_str().unwrap()]);
    assert!(hidden.contains("refused the connection") && !hidden.contains("192.0.2.7"), "{hidden}");
    let nowhere = run(&["--config", "nowhere.yaml"], text);
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(nowhere.stdout.is_empty());
}
