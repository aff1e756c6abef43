//! The bot as a process of its own: how it starts, how it is stopped, and what a kill leaves behind.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;

use super::bot::{Folder, send, within};
use super::webhook;

/// A running `firstcheck serve`; killed with the test.
struct Process {
    child: Child,
    address: SocketAddr,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn command(folder: &Path, config: &str) -> Command {
    let file = folder.join("firstcheck.yaml");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_firstcheck"));
    command.arg("serve").arg("--config").arg(file).stderr(Stdio::piped()).stdout(Stdio::piped());
    command
}

fn start(folder: &Path) -> Process {
    let mut child = command(folder, "listen: 127.0.0.1:0\negress: {allow: [loopback]}\n").spawn().unwrap();
    let mut first = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut first).unwrap();
    let address = first.split("http://").nth(1).and_then(|rest| rest.split(';').next());
    let address =
        address.and_then(|it| it.trim().parse().ok()).unwrap_or_else(|| panic!("its first line: {first}"));
    // What it says later is read, so that it never waits for a reader.
    std::thread::spawn(move || stderr.read_to_end(&mut Vec::new()));
    Process { child, address }
}

fn signal(process: &Process, name: &str) {
    let pid = process.child.id().to_string();
    assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
}

async fn document(process: &Process, id: &str) -> Value {
    send(process.address, "GET", &format!("/api/incidents/{id}"), &[], "").await.json()
}

#[tokio::test]
async fn a_killed_bot_carries_on_and_one_told_to_stop_ends_with_success() {
    let folder = Folder::new("process");
    let process = start(&folder.0);
    let delivery = webhook("shop", "http://127.0.0.1:1/", "firing").to_string();
    let accepted = send(process.address, "POST", "/alerts/alertmanager", &[], &delivery).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text());
    let id = accepted.json()["incidents"][0]["id"].as_str().unwrap().to_owned();
    signal(&process, "KILL");
    drop(process);

    let mut process = start(&folder.0);
    let running = |document: &Value| {
        document["state"] == "triaging" && document["open_questions"].as_array().is_none_or(Vec::is_empty)
    };
    within(Duration::from_mins(1), "the checks go on after the kill", async {
        while running(&document(&process, &id).await) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let document = document(&process, &id).await;
    let checks = document["checks"].as_array().unwrap();
    assert!(!checks.is_empty() && checks.iter().all(|check| check["state"] == "reported"), "{document:#}");

    signal(&process, "TERM");
    let status = tokio::task::spawn_blocking(move || process.child.wait().unwrap());
    assert!(within(Duration::from_secs(30), "it ends", status).await.unwrap().success());
}

#[tokio::test]
async fn open_connections_hold_up_no_stop() {
    let folder = Folder::new("stop");
    let mut process = start(&folder.0);
    let connect = || TcpSocket::new_v4().unwrap().connect(process.address);
    let idle = connect().await.unwrap();
    let mut half = connect().await.unwrap();
    half.write_all(b"POST /alerts/generic HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{").await.unwrap();
    assert_eq!(send(process.address, "GET", "/readyz", &[], "").await.status, 200);
    signal(&process, "TERM");
    let status = tokio::task::spawn_blocking(move || process.child.wait().unwrap());
    assert!(within(Duration::from_secs(30), "it ends", status).await.unwrap().success());
    drop((idle, half));
}

#[track_caller]
fn refused(config: &str, expected: &str) {
    let folder = Folder::new("config");
    let output = command(&folder.0, config).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(expected), "{said}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_broken_configuration_is_told_with_its_place_and_status_2() {
    refused("listen: 127.0.0.1:0\ntrackr: {}\n", "firstcheck.yaml:2:1: unknown field `trackr`");
    refused("tracker:\n  github: {token: abc}\n", "token_env: NAME");
    refused("listen: 0.0.0.0:0\n", "needs a credential");
}

#[test]
fn a_store_in_use_is_named() {
    let folder = Folder::new("in-use");
    let _first = start(&folder.0);
    let output = command(&folder.0, "listen: 127.0.0.1:0\n").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("in use by another firstcheck"));
}
