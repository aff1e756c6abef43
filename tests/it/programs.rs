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

    /// Sends it a signal, such as `TERM`, and waits until it has ended; gives whether it ended with success.
    pub(crate) fn end(mut self, signal: &str) -> bool {
        self.signal(signal);
        self.child.wait().unwrap().success()
    }

    /// Sends it a signal, such as `HUP`.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    /// Ends it at once, in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The id of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has ended, whoever ends it; a failure prints what it said.
    pub(crate) fn ends(mut self) {
        let deadline = Instant::now() + PATIENCE;
        let mut said = Vec::new();
        // Its standard error closes with it.
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            said.push(line);
        }
        assert!(Instant::now() < deadline, "it goes on; it said:\n{}", said.join("\n"));
        self.child.wait().unwrap();
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

/// One request; its status line and headers, and its body. Nothing when the other side went away before it answered.
pub(crate) fn send(at: SocketAddr, method: &str, path: &str, body: &str) -> Option<(String, String)> {
    send_with(at, method, path, &[], body)
}

/// As [`send`], with more headers.
pub(crate) fn send_with(
    at: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<(String, String)> {
    let mut stream = TcpStream::connect(at).ok()?;
    let length = body.len();
    let more: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let more = more.concat();
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {at}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{more}\r\n{body}"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.to_owned(), body.to_owned()))
}

/// One request, one JSON answer with status 200 or 202.
pub(crate) fn ask(at: SocketAddr, method: &str, path: &str, body: &str) -> Value {
    let (head, body) = send(at, method, path, body).unwrap();
    assert!(head.contains(" 200 ") || head.contains(" 202 "), "{method} {path}: {head}\n{body}");
    serde_json::from_str(&body).unwrap_or(Value::Null)
}

/// A PostgreSQL server in a folder of its own, without passwords, gone with the test.
pub(crate) struct PostgresServer {
    program: Option<Program>,
    folder: std::path::PathBuf,
    at: SocketAddr,
}

impl PostgresServer {
    /// Creates the cluster and starts it.
    pub(crate) fn start() -> Self {
        let at = free_address();
        let folder = std::env::temp_dir().join(format!("firstcheck-postgres-{}", at.port()));
        std::fs::create_dir(&folder).unwrap();
        // The server refuses to run as root.
        let owned = Command::new("chown").arg("postgres:").arg(&folder).status().unwrap();
        assert!(owned.success());
        let made = as_postgres("initdb")
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale", "-D"])
            .arg(folder.join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut server = Self { program: None, folder, at };
        server.carry_on();
        server
    }

    /// Starts the server again after [`Self::crash`].
    pub(crate) fn carry_on(&mut self) {
        let port = self.at.port().to_string();
        let program = Program::start(
            as_postgres("postgres")
                .args(["-p", &port, "-c", "listen_addresses=127.0.0.1", "-k"])
                .arg(&self.folder)
                .arg("-D")
                .arg(self.folder.join("data")),
        );
        program.says("database system is ready to accept connections");
        self.program = Some(program);
    }

    /// Ends the server at once, in the middle of whatever it does.
    pub(crate) fn crash(&mut self) {
        let program = self.program.take().unwrap();
        let pid = program.child.id().to_string();
        // "Immediate shutdown": every backend quits without finishing its transaction; the start after it recovers.
        assert!(Command::new("kill").args(["-QUIT", &pid]).status().unwrap().success());
        let mut program = program;
        program.child.wait().unwrap();
    }

    /// A new database on this server, as a URL.
    pub(crate) fn database(&self, name: &str) -> String {
        let port = self.at.port().to_string();
        let made = as_postgres("createdb")
            .args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres", name])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        format!("postgres://postgres@127.0.0.1:{port}/{name}")
    }

    /// What one query gives, as unaligned text.
    pub(crate) fn query(&self, database: &str, sql: &str) -> String {
        let port = self.at.port().to_string();
        let asked = Command::new("psql")
            .args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-At", "-c", sql, database])
            .output()
            .unwrap();
        assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
        String::from_utf8(asked.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if self.program.is_some() {
            self.crash();
        }
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// One of the server's programs, as the user `postgres` when we are root. `setpriv` becomes the program, so that signals reach it.
fn as_postgres(name: &str) -> Command {
    let mut versions: Vec<_> = std::fs::read_dir("/usr/lib/postgresql").unwrap().flatten().collect();
    versions.sort_by_key(std::fs::DirEntry::file_name);
    let path = versions.pop().unwrap().path().join("bin").join(name);
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(path).current_dir("/");
    command
}
