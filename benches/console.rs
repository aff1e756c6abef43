//! The figures of the console, printed: `cargo bench --bench console`. It starts the real program and looks at it as browsers do.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a script that prints figures")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Live viewers of one incident.
const VIEWERS: usize = 200;

/// Open incidents on the board.
const OPEN: usize = 1000;

struct Bot {
    child: Child,
    at: String,
    folder: std::path::PathBuf,
}

impl Drop for Bot {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

impl Bot {
    fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("firstcheck-console-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("firstcheck.yaml"), "listen: 127.0.0.1:0\n").unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_firstcheck"))
            .arg("serve")
            .current_dir(&folder)
            .env("RUST_LOG", "error")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let at = line.split("http://").nth(1).unwrap().split(';').next().unwrap().to_owned();
        Self { child, at, folder }
    }

    fn send(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.at).unwrap();
        let length = body.len();
        write!(stream, "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}", self.at)
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Resident memory in kilobytes.
    fn memory(&self) -> i64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

fn median(mut spans: Vec<Duration>) -> Duration {
    spans.sort_unstable();
    spans[spans.len() / 2]
}

/// Reads a stream until these words have come.
fn until(stream: &mut TcpStream, words: &str) {
    let mut seen = String::new();
    let mut bytes = vec![0; 64 * 1024];
    while !seen.contains(words) {
        let read = stream.read(&mut bytes).unwrap();
        assert!(read > 0, "the stream ended");
        seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
}

fn main() {
    let bot = Bot::start();
    let begun = Instant::now();
    let page = bot.send("GET", "/", "");
    let mut size = page.len();
    for file in page.split("/assets/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        size += bot.send("GET", &format!("/assets/{file}"), "").len();
    }
    println!(
        "first page of a cold server, with its style, script and icon: {:.1?}, {} kB",
        begun.elapsed(),
        size / 1000
    );

    let mut id = String::new();
    for number in 0..OPEN {
        let alert = format!(
            "{{\"title\": \"503s on service {number}\", \"service\": \"service-{number}\", \"severity\": \"critical\"}}"
        );
        let answer = bot.send("POST", "/alerts/generic", &alert);
        answer.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap().clone_into(&mut id);
    }
    let spans = (0..20).map(|_| {
        let begun = Instant::now();
        assert!(bot.send("GET", "/", "").contains("service 999"));
        begun.elapsed()
    });
    println!("board with {OPEN} open incidents: {:.1?} (median of 20)", median(spans.collect()));

    let page = bot.send("GET", &format!("/incidents/{id}"), "");
    println!("page of an incident: {} kB", page.len() / 1000);
    let before = bot.memory();
    let look = |_| {
        let mut stream = TcpStream::connect(&bot.at).unwrap();
        write!(stream, "GET /incidents/{id}/live HTTP/1.1\r\nhost: {}\r\n\r\n", bot.at).unwrap();
        until(&mut stream, "\nid: ");
        stream
    };
    let mut viewers: Vec<TcpStream> = (0..VIEWERS).map(look).collect();
    println!("{VIEWERS} live viewers of one incident: {} kB more", bot.memory() - before);

    let said = Instant::now();
    bot.send("POST", &format!("/api/incidents/{id}/close"), "{\"by\": \"bench\"}");
    let stored = said.elapsed();
    let spans: Vec<Duration> = viewers
        .iter_mut()
        .map(|viewer| {
            until(viewer, "closed (bench)");
            said.elapsed()
        })
        .collect();
    println!(
        "a word is stored and answered after {stored:.1?}; it is with the first viewer after {:.1?}, with the last after {:.1?}",
        spans[0],
        spans[VIEWERS - 1]
    );
}
