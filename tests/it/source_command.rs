//! `firstcheck source` as its users run it.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn run(arguments: &[&str], input: &str) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_firstcheck"))
        .arg("source")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that refuses its arguments may be gone before it reads.
    let _ = program.stdin.take().unwrap().write_all(input.as_bytes());
    program.wait_with_output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

#[test]
fn the_list_names_every_source_and_its_path() {
    let listed = json(&run(&["list", "--json"], ""));
    let sources = listed["sources"].as_array().unwrap();
    assert!(sources.len() >= 40, "{listed}");
    assert!(sources.iter().any(|it| it["name"] == "pagerduty" && it["path"] == "/alerts/pagerduty"));
    assert!(String::from_utf8(run(&["list"], "").stdout).unwrap().contains("/alerts/zabbix"));
}

#[test]
fn a_payload_becomes_alerts() {
    let body = r#"{"check_id":5,"check_name":"shop","check_params":{"full_url":"https://shop.test/"},"current_state":"DOWN","state_changed_timestamp":1777889472,"long_description":"HTTP Error 502"}"#;
    let document = json(&run(&["test", "pingdom", "-", "--json"], body));
    let alert = &document["alerts"][0];
    assert_eq!(alert["http_status"], 502);
    assert_eq!(alert["started_at"], "2026-05-04T10:11:12Z");
    assert_eq!(document.get("ignored"), None);
}

#[test]
fn a_delivery_that_is_no_alert_says_why() {
    let document =
        json(&run(&["test", "uptime-kuma", "-", "--json"], r#"{"heartbeat":null,"monitor":null,"msg":"x"}"#));
    assert_eq!(document["alerts"], serde_json::json!([]));
    assert_eq!(document["ignored"], "test_notification");
    let words = run(&["test", "uptime-kuma", "-"], r#"{"heartbeat":null,"monitor":null,"msg":"x"}"#);
    let words = String::from_utf8(words.stdout).unwrap();
    assert!(words.contains("no alert: test_notification") && words.contains("answers 202"), "{words}");
}

#[test]
fn a_wrong_name_a_wrong_body_and_a_missing_file_are_told_apart() {
    let unknown = run(&["test", "nagios", "-"], "{}");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no source is called `nagios`"));
    let strange = run(&["test", "pingdom", "-"], "{}");
    assert_eq!(strange.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&strange.stderr).contains("this is no pingdom delivery"));
    assert!(String::from_utf8_lossy(&strange.stderr).contains("answers 400"));
    assert_eq!(run(&["test", "pingdom", "/nowhere/x.json"], "").status.code(), Some(3));
}
