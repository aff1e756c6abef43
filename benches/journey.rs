//! The whole program, measured from outside: `cargo bench --bench journey`.
//!
//! For every drill world: from the alert received to the issue written, against the slowest single check of the same run. The ratio
//! tells whether checks really run at once (goal: under 1.5); it does not depend on the machine. Then `serve`: from the start of the
//! process to a ready answer (goal: under 50 ms), and its resident memory when idle (goal: under 30 MB, Linux only).

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_firstcheck");
/// Starts that are measured; the median is printed.
const STARTS: usize = 11;

fn main() {
    let folder = std::env::temp_dir().join(format!("firstcheck-journey-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
    drills(&folder);
    serve(&folder);
    std::fs::remove_dir_all(&folder).ok();
}

fn drills(folder: &Path) {
    show(format_args!(
        "{:24} {:>14} {:>16}  {:16} {:>6}",
        "world", "alert to issue", "slowest check", "", "ratio"
    ));
    let list = run(Command::new(PROGRAM).args(["drill", "--list", "--json"]));
    for world in list.as_array().expect("a list of worlds") {
        let name = world["name"].as_str().expect("a world has a name");
        let drill = ["drill", name, "--no-input", "--json"];
        let document = run(Command::new(PROGRAM).args(drill).env("TMPDIR", folder));
        let whole = journey_ms(&document);
        let (slowest, check) = slowest(&document);
        show(format_args!("{name:24} {whole:11.0} ms {slowest:13.0} ms  {check:16} {:6.2}", whole / slowest));
    }
}

/// From the first alert to the issue, in milliseconds.
fn journey_ms(document: &Value) -> f64 {
    let time = |value: &Value| value.as_str().and_then(|it| it.parse::<Timestamp>().ok());
    let alerted = time(&document["alerted_at"]).expect("the incident says when it was alerted");
    let filed = document["timeline"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|entry| entry["what"].as_str().is_some_and(|what| what.starts_with("issue filed")))
        .and_then(|entry| time(&entry["at"]))
        .expect("the timeline says when the issue was filed");
    filed.duration_since(alerted).as_secs_f64() * 1000.0
}

fn slowest(document: &Value) -> (f64, String) {
    let took = |check: &Value| {
        (check["took_ms"].as_f64().unwrap_or(0.0), check["check"].as_str().unwrap_or("?").to_owned())
    };
    let checks = document["checks"].as_array().expect("the incident lists its checks");
    checks.iter().map(took).max_by(|a, b| a.0.total_cmp(&b.0)).expect("at least one check ran")
}

fn serve(folder: &Path) {
    let measured: Vec<_> = (0..STARTS).map(|_| start(folder)).collect();
    let mut starts: Vec<f64> = measured.iter().map(|(ready_ms, _)| *ready_ms).collect();
    starts.sort_by(f64::total_cmp);
    show(format_args!("\nserve, start to ready: {:.0} ms (median of {STARTS})", starts[STARTS / 2]));
    match measured.iter().filter_map(|(_, resident_kib)| *resident_kib).max() {
        Some(kib) => show(format_args!("serve, resident when idle: {:.1} MB", f64::from(kib) * 1024.0 / 1e6)),
        None => show(format_args!("serve, resident when idle: this system does not tell")),
    }
}

/// Starts `serve` on a fresh store: milliseconds to a ready answer, and its resident memory in KiB.
fn start(folder: &Path) -> (f64, Option<u32>) {
    let home = folder.join("serve");
    // A fresh store each time: the start includes its migrations.
    std::fs::remove_dir_all(&home).ok();
    std::fs::create_dir_all(&home).expect("the temporary folder can be written");
    std::fs::write(home.join("firstcheck.yaml"), "listen: 127.0.0.1:0\n").expect("the file can be written");
    let mut command = Command::new(PROGRAM);
    command.arg("serve").current_dir(&home).env("NO_COLOR", "1");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let begun = Instant::now();
    let mut serving = Serving(command.spawn().expect("the program starts"));
    let mut said = BufReader::new(serving.0.stderr.take().expect("standard error is piped"));
    let address = address(&mut said);
    while !is_ready(&address) {}
    (begun.elapsed().as_secs_f64() * 1000.0, resident_kib(serving.0.id()))
}

struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The address in the first line that has one.
fn address(said: &mut impl std::io::BufRead) -> String {
    let mut lines = said.lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains("http://")).expect("serve says where it listens");
    let rest = line.split("http://").nth(1).unwrap_or_default();
    rest.chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':')).collect()
}

fn is_ready(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok();
    let asked = write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
}

fn resident_kib(process: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
}

fn run(command: &mut Command) -> Value {
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn show(line: std::fmt::Arguments<'_>) {
    writeln!(std::io::stdout(), "{line}").ok();
}
