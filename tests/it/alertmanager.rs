//! `firstcheck serve` behind the real Alertmanager of Debian: it fires, it resolves.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::worlds::Folder;

/// How long a line may be waited for: Alertmanager itself flushes within a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program of this test, ended with it.
struct Program {
    child: Child,
    lines: Receiver<String>,
}

impl Program {
    fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = BufReader::new(child.stderr.take().unwrap());
        let (line, lines) = channel();
        std::thread::spawn(move || said.lines().map_while(Result::ok).try_for_each(|it| line.send(it)));
        Self { child, lines }
    }

    /// Waits for a line with these words; a failure prints what did arrive.
    fn says(&self, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if line.contains(words) {
                return line;
            }
            seen.push(line);
        }
        panic!("no line with `{words}`; there were:\n{}", seen.join("\n"));
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// The address in a line such as `firstcheck listens on http://127.0.0.1:8080; …`.
fn address(line: &str) -> SocketAddr {
    let rest = line.split("http://").nth(1).unwrap();
    let address: String = rest.chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':')).collect();
    address.parse().unwrap()
}

/// One request, one JSON answer.
fn ask(at: SocketAddr, method: &str, path: &str, body: &str) -> Value {
    let mut stream = TcpStream::connect(at).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {at}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 ") || head.contains(" 202 "), "{method} {path}: {answer}");
    serde_json::from_str(body).unwrap_or(Value::Null)
}

#[test]
#[ignore = "needs alertmanager"]
fn the_real_alertmanager_opens_an_incident_and_resolves_it() {
    let folder = Folder::new("alertmanager");
    std::fs::write(folder.0.join("firstcheck.yaml"), "listen: 127.0.0.1:0\n").unwrap();
    let bot = Program::start(
        Command::new(env!("CARGO_BIN_EXE_firstcheck"))
            .arg("serve")
            .current_dir(&folder.0)
            .env("RUST_LOG", "firstcheck=info"),
    );
    let bot_at = address(&bot.says("http://"));

    let config = format!(
        "route: {{receiver: bot, group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}\n\
         receivers: [{{name: bot, webhook_configs: [{{url: 'http://{bot_at}/alerts/alertmanager', send_resolved: true}}]}}]\n"
    );
    std::fs::write(folder.0.join("alertmanager.yml"), config).unwrap();
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let alertmanager = Program::start(
        Command::new("prometheus-alertmanager")
            .args(["--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address="])
            .arg(format!("--web.listen-address={at}"))
            .current_dir(&folder.0),
    );
    alertmanager.says("Listening on");

    let mut alert = json!({
        "labels": {"alertname": "OrdersDown", "service": "orders-api", "severity": "critical"},
        "annotations": {"summary": "orders-api returns 502 Bad Gateway"},
    });
    ask(at, "POST", "/api/v2/alerts", &json!([alert]).to_string());
    bot.says("alert from alertmanager");
    let listed = ask(bot_at, "GET", "/api/incidents", "");
    let incident = &listed["incidents"][0];
    assert_eq!(incident["service"], "orders-api", "{listed}");

    alert["endsAt"] = json!("2026-01-01T00:00:00Z");
    ask(at, "POST", "/api/v2/alerts", &json!([alert]).to_string());
    bot.says("resolved (alertmanager)");
    let document = ask(bot_at, "GET", &format!("/api/incidents/{}", incident["id"].as_str().unwrap()), "");
    assert_eq!(document["state"], "resolved", "{document:#}");
}
