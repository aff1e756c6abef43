//! Real programs for the ignored tests: Debian's servers and firstcheck itself, each on free ports in a folder of its own, ended with the test.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a line or a port may be waited for: the slowest program here is ready within a second or two.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program of this test, killed when it is dropped.
pub(crate) struct Program {
    child: Child,
    lines: Receiver<String>,
}

impl Program {
    /// Starts the program; what it writes to standard error can be waited for with [`Program::says`].
    pub(crate) fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
        let said = BufReader::new(child.stderr.take().unwrap());
        let (line, lines) = channel();
        std::thread::spawn(move || said.lines().map_while(Result::ok).try_for_each(|it| line.send(it)));
        Self { child, lines }
    }

    /// `firstcheck serve` in this folder; gives the address it listens on.
    pub(crate) fn serve(folder: &std::path::Path) -> (Self, SocketAddr) {
        let bot = Self::start(
            Command::new(env!("CARGO_BIN_EXE_firstcheck"))
                .arg("serve")
                .current_dir(folder)
                .env("RUST_LOG", "firstcheck=info"),
        );
        let at = address(&bot.says("http://"));
        (bot, at)
    }

    /// Waits for a line with these words; a failure prints what did arrive.
    pub(crate) fn says(&self, words: &str) -> String {
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

    /// Waits until somebody accepts connections at this address; a failure prints what the program said.
    pub(crate) fn listens(&self, at: SocketAddr) {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(at).is_err() {
            // A refused connection costs microseconds: yield the processor, and look again.
            std::thread::yield_now();
            if Instant::now() > deadline {
                let said: Vec<_> = self.lines.try_iter().collect();
                panic!("nobody listens at {at}; the program said:\n{}", said.join("\n"));
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// An address on loopback that nobody listens on now.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// The address in a line such as `firstcheck listens on http://127.0.0.1:8080; …`.
pub(crate) fn address(line: &str) -> SocketAddr {
    let rest = line.split("http://").nth(1).unwrap();
    let address: String = rest.chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':')).collect();
    address.parse().unwrap()
}

/// One request, one JSON answer with status 200 or 202.
pub(crate) fn ask(at: SocketAddr, method: &str, path: &str, body: &str) -> Value {
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
