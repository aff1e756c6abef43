//! `firstcheck explain` as its users run it: an alert in, what it would do out, and nothing done.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::worlds::Folder;

fn explain(folder: &Path, arguments: &[&str], alert: &Value) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_firstcheck"))
        .arg("explain")
        .args(arguments)
        .arg("-")
        .current_dir(folder)
        .env_remove("RUST_LOG")
        .env("GITHUB_TOKEN", "not-a-real-one")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(alert.to_string().as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn orders() -> Value {
    json!({"title": "504s on orders", "service": "orders", "status": 504, "severity": "critical"})
}

fn configured() -> Folder {
    let folder = Folder::new("explain");
    // Nobody listens there: a dry run that probed it, or reached for GitHub, would say so.
    let config = "services: {orders: {url: 'http://127.0.0.1:9/v1/orders', repository: acme/orders}}\n\
                  tracker: {github: {repository: acme/all, token_env: GITHUB_TOKEN, api_url: 'http://127.0.0.1:9/'}}\n";
    std::fs::write(folder.0.join("firstcheck.yaml"), config).unwrap();
    folder
}

#[test]
fn an_alert_is_explained_as_one_document_and_nothing_is_written() {
    let folder = configured();
    let output = explain(&folder.0, &["--source", "generic", "--json"], &orders());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let incident = &document["incidents"][0];
    assert_eq!(incident["key"], "orders|-|-");
    assert_eq!(incident["runbook"], incident["runbooks"][0]["bucket"]);
    assert_eq!(incident["runbooks"].as_array().unwrap().len(), 5);
    assert_eq!(incident["checks"][0]["check"], "tcp");
    assert_eq!(incident["checks"][0]["when"], "at_once");
    assert!(incident["questions"][0]["bits_per_cost"].as_f64().unwrap() > 0.0);
    assert_eq!(incident["issue"]["repository"], "acme/orders");
    let labels = json!(["firstcheck", "severity:critical", "service:orders"]);
    assert_eq!(incident["issue"]["labels"], labels);
    assert_eq!(incident["chat"]["kind"], "console");
    let left: Vec<_> = std::fs::read_dir(&folder.0).unwrap().collect();
    assert_eq!(left.len(), 1, "only the configuration is there: {left:?}");
}

#[test]
fn a_person_reads_which_runbook_leads_and_why_not_the_others() {
    let output = explain(&configured().0, &[], &orders());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("upstream") && text.contains("leads, since"), "{text}");
    assert!(text.contains("not first:"), "{text}");
    assert!(text.contains("GitHub repository acme/orders"), "{text}");
    assert!(text.contains("not asked, since it is known: status_distribution"), "{text}");
}

#[test]
fn secrets_of_the_alert_are_not_shown() {
    let alert = json!({"title": "401 for Bearer abcdef0123456789abcdef0123456789", "service": "orders",
        "endpoint": "https://ada:hunter2secret@api.example.com/v1?access_token=s3cr3tvalue12345"});
    for form in [&["--source", "generic"][..], &["--source", "generic", "--json"]] {
        let output = explain(&Folder::new("explain").0, form, &alert);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0));
        for secret in ["abcdef0123456789abcdef", "hunter2secret", "s3cr3tvalue12345"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
}

#[test]
fn the_configuration_says_which_addresses_are_shown() {
    let alert = json!({"title": "upstream 192.0.2.7 refused", "service": "orders"});
    for (config, is_shown) in [("", true), ("redact: {addresses: all}\n", false)] {
        let folder = Folder::new("explain");
        std::fs::write(folder.0.join("firstcheck.yaml"), config).unwrap();
        let text = String::from_utf8(explain(&folder.0, &["--source", "generic"], &alert).stdout).unwrap();
        assert!(text.contains("refused") && text.contains("192.0.2.7") == is_shown, "{text}");
    }
}

#[test]
fn what_is_no_alert_is_one_line_and_wrong_usage() {
    for (arguments, alert) in [
        (&["--source", "nagios"][..], orders()),
        (&["--source", "alertmanager"], json!({"a": 1})),
        (&[], json!([1, 2])),
    ] {
        let output = explain(&Folder::new("explain").0, arguments, &alert);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_source_of_the_operators_own_is_known_too() {
    let folder = Folder::new("explain-own-source");
    std::fs::create_dir_all(folder.0.join("runbooks/sources")).unwrap();
    std::fs::write(folder.0.join("firstcheck.yaml"), "runbooks: runbooks\n").unwrap();
    let mapping = "\
source: house
title: Our own monitor
docs: https://monitor.example/format
is: .trouble != null
alerts: '{fingerprint: .id, status: \"firing\", title: .trouble, service: .place}'
samples:
- shows: a trouble
  body: '{\"id\": \"1\", \"trouble\": \"no answer\", \"place\": \"shop\"}'
  alerts:
  - {fingerprint: \"1\", status: firing, title: no answer, service: shop}
";
    std::fs::write(folder.0.join("runbooks/sources/house.yaml"), mapping).unwrap();
    let alert = json!({"id": "7", "trouble": "no answer", "place": "orders"});
    for arguments in [&["--json"][..], &["--json", "--source", "house"]] {
        let output = explain(&folder.0, arguments, &alert);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["source"], "house", "{document:#}");
        assert_eq!(document["incidents"][0]["service"], "orders", "{document:#}");
    }
}

#[test]
fn the_channel_of_the_first_route_that_fits_is_shown() {
    let folder = Folder::new("explain-routes");
    let config = "chat:\n  discord:\n    token_env: GITHUB_TOKEN\n    channel: 1\n    on_call_role: 9\n    routes:\n      \
                  - {service: search, channel: 2}\n      - {severity: critical, channel: 3, tags: [p1], on_call_role: 8}\n";
    std::fs::write(folder.0.join("firstcheck.yaml"), config).unwrap();
    let chat = |alert: &Value| {
        let output = explain(&folder.0, &["--json"], alert);
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        document["incidents"][0]["chat"].clone()
    };
    let critical =
        json!({"kind": "discord", "channel": "3", "tags": ["p1"], "on_call_role": "8", "route": 2});
    assert_eq!(chat(&orders()), critical);
    let usual = json!({"kind": "discord", "channel": "1", "tags": [], "on_call_role": "9", "route": null});
    assert_eq!(chat(&json!({"title": "slow", "service": "orders", "severity": "info"})), usual);
    let text = explain(&folder.0, &[], &orders());
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("Discord channel 3, by route 2; tags p1; calls role 8"), "{text}");
}
