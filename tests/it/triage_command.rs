//! `firstcheck triage` as its users run it: the built program against endpoints that really fail, with and without an alert.
//!
//! Without an alert, what is met at the address is all there is; it must lead triage as far as it honestly can.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use firstcheck::clock;
use firstcheck::drill::gateway::{Gateway, Setup};
use firstcheck::drill::http_server::{HttpServer, Reply};
use firstcheck::drill::name_server::{NameServer, Zone};
use firstcheck::drill::pki::{Authority, Validity};
use serde_json::{Value, json};

use crate::worlds::Folder;

/// Runs `firstcheck triage … --no-input` in this folder.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_firstcheck"))
        .arg("triage")
        .args(arguments)
        .arg("--no-input")
        .current_dir(folder)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The one document on standard output of a run that ended with success and filed its issue into the folder.
fn document(folder: &Folder, arguments: &[&str]) -> Value {
    let output = run(&folder.0, &[arguments, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", said(&output));
    let document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("one document: {error}: {}", said(&output)));
    let issue = folder.0.join(document["issue"].as_str().unwrap());
    let issue = std::fs::read_to_string(issue).unwrap();
    assert!(issue.contains(document["id"].as_str().unwrap()), "{issue}");
    document
}

/// Runs triage off the runtime that serves the endpoint, and compares the bucket.
async fn ends(folder: Folder, arguments: &[&str], bucket: &str) -> Value {
    let arguments: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
    let document = tokio::task::spawn_blocking(move || {
        document(&folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    })
    .await
    .unwrap();
    assert_eq!(document["bucket"], bucket, "{document:#}");
    document
}

fn outcome<'a>(document: &'a Value, kind: &str) -> &'a Value {
    let checks = document["checks"].as_array().unwrap();
    &checks.iter().find(|check| check["check"] == kind).unwrap_or_else(|| panic!("{checks:#?}"))["outcome"]
}

async fn answering(status: u16) -> HttpServer {
    HttpServer::plain(move |_| async move { Reply::json(status, &json!({"error": "no"})) }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_endpoint_answers_now_leads_where_no_alert_does() {
    for (status, bucket) in [(401, "auth"), (404, "client"), (429, "rate_limit"), (500, "server")] {
        let server = answering(status).await;
        let document = ends(Folder::new("triage"), &[&server.url("/v1/orders")], bucket).await;
        let asked = document["asked"].as_array().unwrap();
        assert!(!asked.contains(&"status_distribution".into()), "{status}: it was just seen: {asked:?}");
        let because = document["reasons"].to_string();
        assert!(because.contains(&format!("the failing status is {status}")), "{because}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_cannot_reach_its_backend_is_upstream() {
    // Nobody listens on port 1.
    let gateway = Gateway::start(Setup::to("http://127.0.0.1:1/".parse().unwrap()), None).await.unwrap();
    let document = ends(Folder::new("triage"), &[&gateway.server().url("/v1/orders")], "upstream").await;
    assert_eq!(outcome(&document, "http"), "gateway_error");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_port_and_a_name_that_is_not_there_are_upstream() {
    let refused = ends(Folder::new("triage"), &["http://127.0.0.1:1/v1/orders"], "upstream").await;
    assert_eq!(outcome(&refused, "tcp"), "refused");

    let names = NameServer::start(vec![Zone::new("drill.test")]).await.unwrap();
    let folder = Folder::new("triage");
    let config = format!("checks: {{resolvers: [\"{}\"]}}\ntracker: {{folder: filed}}\n", names.addr());
    std::fs::write(folder.0.join("firstcheck.yaml"), config).unwrap();
    let gone = ends(folder, &["https://gone.drill.test/v1"], "upstream").await;
    assert_eq!(outcome(&gone, "dns"), "nxdomain");
    assert!(gone["issue"].as_str().unwrap().contains("filed"), "{gone:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_is_found_with_the_configured_authority() {
    let authority = Authority::new("Drill Root");
    let identity = authority.issue(&["127.0.0.1"], Validity::expired(clock::now()));
    let server = HttpServer::tls(&identity, |_| async { Reply::empty(204) }).await.unwrap();
    let folder = Folder::new("triage");
    std::fs::write(folder.0.join("root.pem"), authority.pem()).unwrap();
    std::fs::write(folder.0.join("firstcheck.yaml"), "checks: {ca_file: root.pem}\n").unwrap();
    let document = ends(folder, &[&server.url("/")], "upstream").await;
    assert_eq!(
        (outcome(&document, "tls"), outcome(&document, "http")),
        (&"expired".into(), &"untrusted".into())
    );
    assert_eq!(document["state"], "clarity", "{document:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_says_what_fails_and_answers_are_taken() {
    let server = answering(500).await;
    let folder = Folder::new("triage");
    let alert = json!({"title": "500s since the release", "service": "orders", "http_status": 500});
    std::fs::write(folder.0.join("alert.json"), alert.to_string()).unwrap();
    let url = server.url("/v1/orders");
    let arguments = [
        &url,
        "--alert",
        "alert.json",
        "--source",
        "generic",
        "--answer",
        "change_at_start=deploy",
        "--answer",
        "error_origin=app",
    ];
    let document = ends(folder, &arguments, "server").await;
    assert_eq!(document["service"], "orders");
    assert_eq!(document["state"], "clarity", "{document:#}");
    assert_eq!(document["answers"][0]["answer"], "deploy");
    assert!(!document["asked"].to_string().contains("change_at_start"), "{document:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_json_the_issues_path_is_all_that_standard_output_says() {
    let server = answering(429).await;
    let folder = Folder::new("triage");
    let (output, folder) =
        tokio::task::spawn_blocking(move || (run(&folder.0, &[&server.url("/")]), folder)).await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let path = String::from_utf8(output.stdout).unwrap();
    assert_eq!(path.lines().count(), 1, "{path}");
    assert!(folder.0.join(path.trim()).is_file(), "{path}");
}

#[track_caller]
fn refused(arguments: &[&str], files: &[(&str, &str)], says: &str) {
    let folder = Folder::new("triage");
    for (name, text) in files {
        let path = folder.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let output = run(&folder.0, arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
    assert!(output.stdout.is_empty(), "{arguments:?}");
    assert!(said(&output).contains(says), "{arguments:?}: {}", said(&output));
}

#[test]
fn wrong_usage_is_told_with_what_to_write() {
    refused(&[], &[], "give a URL");
    refused(&["api.example.com/v1"], &[], "https://api.example.com/v1");
    refused(&["localhost:8080/v1"], &[], "http://localhost:8080/v1");
    refused(&["ftp://api.example.com/"], &[], "http");
    refused(&["http://127.0.0.1:1/", "--answer", "endpoint_scope"], &[], "QUESTION=ANSWER");
    refused(&["http://127.0.0.1:1/", "--answer", "endpoint_scop=one"], &[], "endpoint_scop");
    refused(&["http://127.0.0.1:1/", "--answer", "endpoint_scope=purple"], &[], "pick one of");
    refused(&["--alert", "nowhere.json"], &[], "nowhere.json");
    refused(&["--alert", "a.json"], &[("a.json", "{\"alerts\": ")], "a.json is not JSON");
    refused(&["--alert", "a.json"], &[("a.json", "{\"title\": \"x\"}")], "`alerts`");
    refused(&["--alert", "a.json", "--source", "nagios"], &[("a.json", "{}")], "no source `nagios`");
}

#[test]
fn what_people_wrote_wrong_is_told_with_its_place() {
    const URL: &str = "http://127.0.0.1:1/";
    refused(&[URL], &[("firstcheck.yaml", "tracker: {foldr: x}\n")], "firstcheck.yaml:1:11: ");
    refused(&[URL, "--config", "other.yaml"], &[], "other.yaml");
    let own = ("firstcheck.yaml", "runbooks: books\n");
    for name in ["vendors.yaml", "gateways.yaml", "limiters.yaml", "questions.yaml", "server.yaml"] {
        let file = format!("books/{name}");
        refused(&[URL], &[own, (&file, "# mine\nnonsense: 1\n")], &format!("{file}:2:1: "));
    }
}
