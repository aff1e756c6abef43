//! The built program on the worst bombs: its exit status, its output, and its peak of resident memory.

use std::process::{Command, Stdio};

use super::bodies::{coded, gzip_bomb};
use super::documents::feed;
use super::server::{Server, answer};
use super::trial::is_plain;
use crate::worlds::Folder;

/// The most resident memory a check may need, in KiB, of a debug build. An idle check has some 40 MiB.
const MOST_KIB: u64 = 192 * 1024;

/// Runs `firstcheck check …`, and returns its status, its output and its peak of resident memory in KiB.
fn peak(arguments: &[&str], folder: &Folder) -> (i32, String, u64) {
    let output = folder.0.join("out");
    let file = std::fs::File::create(&output).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_firstcheck"))
        .arg("check")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .spawn()
        .unwrap();
    // While a child has ended and nobody asked how, its memory is gone but its own high-water mark can be read until then.
    let path = format!("/proc/{}/status", child.id());
    let mut highest = 0;
    loop {
        let status = std::fs::read_to_string(&path).unwrap_or_default();
        let mark = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
        let kib = mark.and_then(|it| it.split_whitespace().next()?.parse().ok());
        highest = highest.max(kib.unwrap_or(0));
        if let Some(ended) = child.try_wait().unwrap() {
            return (ended.code().unwrap_or(-1), std::fs::read_to_string(&output).unwrap(), highest);
        }
        std::thread::yield_now();
    }
}

async fn check(kind: &'static str, server: &Server, path: &str, more: &'static [&'static str]) {
    look(kind, server.url(path), more.iter().map(|it| (*it).to_owned()).collect()).await;
}

async fn look(kind: &'static str, target: String, more: Vec<String>) {
    let shown: String = target.chars().take(40).collect();
    let (status, said, highest) = tokio::task::spawn_blocking(move || {
        let folder = Folder::new("hostile-memory");
        let more = more.iter().map(String::as_str);
        let arguments: Vec<&str> = [kind, &target, "--timeout", "4s"].into_iter().chain(more).collect();
        peak(&arguments, &folder)
    })
    .await
    .unwrap();
    assert!(matches!(status, 0 | 1 | 3), "{kind}: exit status {status}: {said}");
    for line in said.lines() {
        is_plain(line).unwrap();
    }
    assert!(highest > 1024, "{kind}: no peak was seen");
    assert!(highest < MOST_KIB, "{kind}: {highest} KiB at the peak");
    println!("{kind} {shown}: {highest} KiB at the peak");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_bomb_takes_more_memory_than_a_check_may_have() {
    let gzip = Server::answering(coded("gzip", &gzip_bomb()));
    check("http", &gzip, "/", &["--with", "expect_json=length > 0"]).await;
    let endless = Server::flooding("HTTP/1.1 200 OK\r\n\r\n", "aaaaaaaa");
    check("http", &endless, "/", &[]).await;
    let page = format!("{{\"a\": [{}1]}}", "1,".repeat(25_000_000));
    let page = Server::answering(answer(200, "application/json", page));
    check("status_page", &page, "/status.json", &[]).await;
    // As many small values as fit into what is read.
    let dense = Server::answering(answer(200, "application/json", format!("[{}1]", "1,".repeat(900_000))));
    check("status_page", &dense, "/status.json", &[]).await;
    let items = Server::answering(answer(200, "application/rss+xml", feed(60_000)));
    check("status_page", &items, "/feed.rss", &[]).await;
    let samples = format!(
        "{{\"status\": \"success\", \"data\": {{\"resultType\": \"matrix\", \"result\": [{{\"metric\": {{}}, \"values\": [{}[1,\"1\"]]}}]}}}}",
        "[1,\"1\"],".repeat(500_000)
    );
    let samples = Server::answering(answer(200, "application/json", samples));
    check("metrics", &samples, "/", &["--with", "query=up"]).await;
    // A million values and thirty megabytes; fifteen million values in the same thirty.
    for values in ["1".repeat(25) + ",", "1,".to_owned()] {
        let spec = values.repeat(30_000_000 / values.len());
        let spec = format!(
            "{{\"openapi\": \"3.1.0\", \"x\": [{spec}1], \"paths\": {{\"/orders\": {{\"get\": {{}}}}}}}}"
        );
        let spec = Server::answering(answer(200, "application/json", spec));
        let with = vec!["--with".to_owned(), format!("spec={}", spec.url("/openapi.json"))];
        look("contract", "GET /orders 500".to_owned(), with).await;
    }
}
