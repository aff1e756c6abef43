//! How much the bot takes, measured from outside in one run of a few minutes: `cargo bench --bench load`, or with the letters of some of its parts
//! (`cargo bench --bench load -- a e`).
//!
//! (a) durable webhooks per second at 64 connections, against this disk's one-row `synchronous=FULL` transactions (goal: 3 ×) and a bare axum
//! handler that parses the same JSON (goal: 0.4 ×), the 99th percentile at half of that rate, and an Alertmanager's worst burst; (b) a storm of
//! 100,000 alerts over 1,000 services; (c) 1, 2 and 4 replicas on a PostgreSQL server that is started for it (where Debian's is installed);
//! (d) listing and opening with many incidents in the store; (e) start to ready, and memory and processor time when idle. Ratios, because
//! absolute figures are the machine's. No part of it sends for longer than [`LONGEST`].

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[path = "../tests/it/programs.rs"]
#[expect(dead_code, clippy::unwrap_used, reason = "the tests' programs; the bench needs the server alone")]
mod programs;

const PROGRAM: &str = env!("CARGO_BIN_EXE_firstcheck");
const CONNECTIONS: usize = 64;
/// Webhooks of measurement (a); all of them for 100 services whose incidents are open, as an Alertmanager repeats them.
const WEBHOOKS: usize = 20_000;
/// Webhooks of which each opens an incident.
const NEWS: usize = 2_000;
const STORM: usize = 100_000;
const STORM_SERVICES: usize = 1_000;
/// A burst, and the connections it comes over: an Alertmanager sends each of its groups side by side.
const BURST: usize = 5_000;
const BURST_CONNECTIONS: usize = 200;
/// Webhooks that repeat what is known for each number of replicas, over so many services.
const SHARED: usize = 20_000;
const SHARED_SERVICES: usize = 200;
/// The most time one run of webhooks may take; a run that is cut says how many it sent.
const LONGEST: Duration = Duration::from_secs(40);
/// Incidents of measurement (d).
const MANY: usize = 10_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    if std::env::args().any(|argument| argument == "bare") {
        return runtime.block_on(bare());
    }
    let folder = std::env::temp_dir().join(format!("firstcheck-load-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
    let parts: Vec<String> = std::env::args().filter(|argument| argument.len() == 1).collect();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|it| it == part);
    runtime.block_on(async {
        if wanted("a") {
            webhooks(&folder).await;
        }
        if wanted("b") {
            storm(&folder).await;
        }
        if wanted("c") {
            replicas(&folder).await;
        }
        if wanted("d") {
            many(&folder).await;
        }
    });
    if wanted("e") {
        idle(&folder);
    }
    std::fs::remove_dir_all(&folder).ok();
}

/// A handler that parses the same JSON and forgets it.
async fn bare() {
    let take = |axum::Json(body): axum::Json<Value>| async move {
        let count = body["alerts"].as_array().map_or(0, Vec::len);
        (axum::http::StatusCode::ACCEPTED, axum::Json(json!({"alerts": count})))
    };
    let router = axum::Router::new().route("/alerts/alertmanager", axum::routing::post(take));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    writeln!(std::io::stderr(), "listens on http://{address}").expect("standard error is open");
    axum::serve(listener, router).await.expect("it serves");
}

async fn webhooks(folder: &Path) {
    let rows = transactions_per_second(folder).await;
    let handler = Process::start(Command::new(std::env::current_exe().expect("our own path")).arg("bare"));
    let bodies = |number: usize| body(number % 100, number);
    let parsing = post(handler.at, WEBHOOKS, CONNECTIONS, None, &bodies).await;
    drop(handler);
    let bot = serve(folder, "webhooks", "");
    // Opening their incidents is measured below; here they are known.
    post(bot.at, WEBHOOKS / 4, CONNECTIONS, None, &bodies).await;
    let taken = post(bot.at, WEBHOOKS, CONNECTIONS, None, &bodies).await;
    let paced = post(bot.at, WEBHOOKS / 4, CONNECTIONS, Some(taken.per_second() / 2.0), &bodies).await;
    show(format_args!(
        "(a) durable webhooks: {:.0}/s at {CONNECTIONS} connections, {} refused",
        taken.per_second(),
        taken.refused
    ));
    show(format_args!(
        "    against one-row FULL transactions ({rows:.0}/s): {:.2} x (goal 3)",
        taken.per_second() / rows
    ));
    show(format_args!(
        "    against a bare axum handler that parses ({:.0}/s): {:.2} x (goal 0.4)",
        parsing.per_second(),
        taken.per_second() / parsing.per_second()
    ));
    show(format_args!(
        "    at half of that rate, 99 of 100 within {:.1} ms (goal 25)",
        paced.percentile_ms(0.99)
    ));
    let pace = f64::from(u32::try_from(BURST).unwrap_or(u32::MAX));
    let burst = post(bot.at, BURST, BURST_CONNECTIONS, Some(pace), &bodies).await;
    show(format_args!(
        "    a burst of {BURST} in a second over {BURST_CONNECTIONS} connections: {} refused (goal 0), taken in {:.1} s, 99 of 100 within {:.0} ms",
        burst.refused,
        burst.took.as_secs_f64(),
        burst.percentile_ms(0.99)
    ));
    let news = post(bot.at, NEWS, CONNECTIONS, None, &|number| body(1000 + number, number)).await;
    show(format_args!(
        "    each about another service, so that it opens an incident: {:.0}/s, {} refused",
        news.per_second(),
        news.refused
    ));
}

/// Transactions of one row each, one after the other, on this disk.
async fn transactions_per_second(folder: &Path) -> f64 {
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(folder.join("rows.db"))
        .create_if_missing(true)
        .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
        .synchronous(sqlx::sqlite::SqliteSynchronous::Full);
    let mut connection = options.connect().await.expect("a database");
    sqlx::query("CREATE TABLE rows (body TEXT)").execute(&mut connection).await.expect("a table");
    let text = body(0, 0);
    let begun = Instant::now();
    let mut count = 0_u32;
    while begun.elapsed() < Duration::from_secs(2) {
        sqlx::query("INSERT INTO rows VALUES (?)").bind(&text).execute(&mut connection).await.expect("a row");
        count += 1;
    }
    let rate = f64::from(count) / begun.elapsed().as_secs_f64();
    connection.close().await.ok();
    rate
}

async fn storm(folder: &Path) {
    let bot = serve(folder, "storm", "");
    let bodies = |number: usize| body(number % STORM_SERVICES, number);
    let mut sent = 0;
    let mut refused = 0;
    for until in [STORM_SERVICES, STORM / 10, STORM] {
        let from = sent;
        let run = post(bot.at, until - from, CONNECTIONS, None, &|number| bodies(from + number)).await;
        sent += run.times.len();
        refused += run.refused;
        show(format_args!(
            "(b) alerts {from:>6} to {sent:>6}: {:.3} ms each",
            1000.0 * run.took.as_secs_f64() / run.sent_f64()
        ));
    }
    show(format_args!(
        "    {} incidents (goal {STORM_SERVICES}) that counted {} of {sent} alerts, {refused} refused, {:.0} MB resident (goal 200)",
        incidents(bot.at),
        counted(bot.at),
        bot.resident_mb()
    ));
}

async fn replicas(folder: &Path) {
    if !Path::new("/usr/lib/postgresql").exists() {
        return show(format_args!("(c) replicas: not measured; PostgreSQL is not installed"));
    }
    let server = programs::PostgresServer::start();
    let mut alone = [0.0; 2];
    for count in [1, 2, 4] {
        let url = server.database(&format!("load{count}"));
        let store = format!("store: {{url: '{url}'}}\n");
        let bots: Vec<Process> =
            (0..count).map(|number| serve(folder, &format!("replica-{count}-{number}"), &store)).collect();
        // All replicas hear of all services at once, and race for each; then of what they know.
        let (mut sent, mut refused, mut rates) = (0, 0, [0.0; 2]);
        for (rate, each) in rates.iter_mut().zip([SHARED_SERVICES, SHARED / count]) {
            let begun = Instant::now();
            let runs = bots.iter().map(|bot| {
                let bodies = |at: usize| body(at % SHARED_SERVICES, at);
                async move { post(bot.at, each, CONNECTIONS / count, None, &bodies).await }
            });
            let runs = futures_util::future::join_all(runs).await;
            let all: usize = runs.iter().map(|run| run.times.len()).sum();
            refused += runs.iter().map(|run| run.refused).sum::<usize>();
            sent += all;
            *rate = f64::from(u32::try_from(all).unwrap_or(u32::MAX)) / begun.elapsed().as_secs_f64();
        }
        if count == 1 {
            alone = rates;
        }
        let [first, again] = rates;
        let step = r#"substring(recorded from '"step":"([^"]+)"')"#;
        let twice = format!(
            "SELECT count(*) FROM (SELECT 1 FROM events WHERE recorded LIKE '%check_reported%' GROUP BY incident_id, {step} HAVING count(*) > 1) AS t"
        );
        show(format_args!(
            "(c) {count} replicas: {again:.0} webhooks/s, {:.2} x of one (goal 1); while they race for {SHARED_SERVICES} new incidents {first:.0}/s, {:.2} x",
            again / alone[1],
            first / alone[0],
        ));
        show(format_args!(
            "    {} incidents (goal {SHARED_SERVICES}) that counted {} of {sent} alerts, {refused} refused, {} checks reported twice (goal 0)",
            incidents(bots[0].at),
            counted(bots[0].at),
            server.query(&format!("load{count}"), &twice)
        ));
    }
}

async fn many(folder: &Path) {
    let bot = serve(folder, "many", "");
    let run = post(bot.at, MANY, CONNECTIONS, None, &|number| body(number, number)).await;
    let list = median_ms(|| get(bot.at, "/api/incidents").len());
    let listed: Value = serde_json::from_str(&get(bot.at, "/api/incidents")).expect("a list");
    let id = listed["incidents"][0]["id"].as_str().expect("an incident").to_owned();
    let open = median_ms(|| get(bot.at, &format!("/api/incidents/{id}")).len());
    show(format_args!(
        "(d) {} incidents ({:.1} ms each), {} refused: list {list:.1} ms, open {open:.1} ms (goal 20 each)",
        incidents(bot.at),
        1000.0 * run.took.as_secs_f64() / run.sent_f64(),
        run.refused
    ));
}

fn idle(folder: &Path) {
    let start = |name: &str| {
        let begun = Instant::now();
        let bot = serve(folder, name, "");
        while !get(bot.at, "/readyz").contains("ready") {}
        begun.elapsed().as_secs_f64() * 1000.0
    };
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let firsts = median((0..11).map(|number| start(&format!("start-{number}"))).collect());
    let starts = median((0..11).map(|number| start(&format!("start-{number}"))).collect());
    let bot = serve(folder, "idle", "");
    let before = bot.cpu_ticks();
    std::thread::sleep(Duration::from_secs(10));
    show(format_args!(
        "(e) start to ready {starts:.0} ms (goal 30; the first time, with a store to be made, {firsts:.0} ms), idle {:.1} MB resident (goal 31.5), {} ticks of processor in 10 s (goal 0)",
        bot.resident_mb(),
        bot.cpu_ticks() - before
    ));
}

/// An Alertmanager webhook of about two kilobytes with one alert.
fn body(service: usize, number: usize) -> String {
    json!({
        "version": "4", "groupKey": format!("{{}}:{{service=\"s{service}\"}}"), "receiver": "firstcheck", "status": "firing",
        "externalURL": "http://alertmanager.test:9093", "truncatedAlerts": 0,
        "groupLabels": {"alertname": "HighErrorRate"}, "commonLabels": {}, "commonAnnotations": {},
        "alerts": [{
            "status": "firing",
            "labels": {"alertname": "HighErrorRate", "service": format!("s{service}"), "severity": "critical", "status_code": "503"},
            "annotations": {"summary": format!("s{service} answers 503"), "description": "x".repeat(1300), "delivery": number.to_string()},
            "startsAt": "2026-10-01T08:14:03.112Z", "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.test:9090/graph",
            "fingerprint": format!("{service:016}"),
        }],
    })
    .to_string()
}

/// What a run came to.
struct Run {
    times: Vec<Duration>,
    refused: usize,
    took: Duration,
}

impl Run {
    fn sent_f64(&self) -> f64 {
        f64::from(u32::try_from(self.times.len()).unwrap_or(u32::MAX))
    }

    fn per_second(&self) -> f64 {
        self.sent_f64() / self.took.as_secs_f64()
    }

    fn percentile_ms(&self, part: f64) -> f64 {
        let mut times: Vec<f64> = self.times.iter().map(|it| it.as_secs_f64() * 1000.0).collect();
        times.sort_by(f64::total_cmp);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index within the list"
        )]
        let place = (self.sent_f64() * part) as usize;
        times.get(place.min(times.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

/// Posts so many bodies over so many kept connections; `rate` paces them, and then waiting for one's turn counts as waiting.
async fn post<F>(at: SocketAddr, count: usize, connections: usize, rate: Option<f64>, body: &F) -> Run
where
    F: Fn(usize) -> String,
{
    let next = std::sync::atomic::AtomicUsize::new(0);
    let begun = Instant::now();
    let senders = (0..connections).map(|_| async {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        let mut stream = socket.connect(at).await.expect("it accepts connections");
        stream.set_nodelay(true).ok();
        let (mut times, mut refused) = (Vec::new(), 0);
        let mut answer = vec![0; 64 * 1024];
        loop {
            let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if number >= count || begun.elapsed() > LONGEST {
                return (times, refused);
            }
            let body = body(number);
            let due = rate.map(|rate| begun + Duration::from_secs_f64(f64::from(u32::try_from(number).unwrap_or(0)) / rate));
            if let Some(due) = due {
                tokio::time::sleep_until(due.into()).await;
            }
            let since = due.unwrap_or_else(Instant::now);
            let request = format!(
                "POST /alerts/alertmanager HTTP/1.1\r\nHost: {at}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(request.as_bytes()).await.expect("it reads");
            if !read_answer(&mut stream, &mut answer).await {
                refused += 1;
            }
            times.push(since.elapsed());
        }
    });
    let done = futures_util::future::join_all(senders).await;
    let took = begun.elapsed();
    let refused = done.iter().map(|(_, refused)| refused).sum();
    Run { times: done.into_iter().flat_map(|(times, _)| times).collect(), refused, took }
}

/// Reads one answer; whether it was 202.
async fn read_answer(stream: &mut tokio::net::TcpStream, buffer: &mut [u8]) -> bool {
    let mut filled = 0;
    loop {
        filled += stream.read(&mut buffer[filled..]).await.expect("it answers");
        let text = String::from_utf8_lossy(&buffer[..filled]);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|it| it.split("\r\n").next());
        if body.len() >= length.and_then(|it| it.parse().ok()).unwrap_or(0) {
            return head.contains(" 202 ");
        }
    }
}

/// A process that says where it listens; killed when dropped.
struct Process {
    child: Child,
    at: SocketAddr,
}

impl Process {
    fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut said = BufReader::new(child.stderr.take().expect("standard error is piped"));
        let mut line = String::new();
        said.read_line(&mut line).expect("it says where it listens");
        let rest = line.split("http://").nth(1).expect("an address");
        let address: String =
            rest.chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':')).collect();
        std::thread::spawn(move || said.read_to_end(&mut Vec::new()));
        Self { child, at: address.parse().expect("an address") }
    }

    fn resident_mb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: Option<u32> = line.and_then(|it| it.split_whitespace().next()?.parse().ok());
        f64::from(kib.unwrap_or(0)) * 1024.0 / 1e6
    }

    fn cpu_ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        // User and system time are fields 14 and 15 of proc(5), 12 and 13 after the name.
        after_name.split_whitespace().skip(11).take(2).filter_map(|it| it.parse::<u64>().ok()).sum()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A bot in a folder of its own.
fn serve(folder: &Path, name: &str, more: &str) -> Process {
    let home: PathBuf = folder.join(name);
    std::fs::create_dir_all(&home).expect("the temporary folder can be written");
    let config = format!("listen: 127.0.0.1:0\n{more}");
    std::fs::write(home.join("firstcheck.yaml"), config).expect("the file can be written");
    Process::start(Command::new(PROGRAM).arg("serve").current_dir(&home).env("RUST_LOG", "error"))
}

fn get(at: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(at).expect("it accepts connections");
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {at}\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}

/// Incidents in the store, as the metrics page counts them.
fn incidents(at: SocketAddr) -> u64 {
    let metrics = get(at, "/metrics");
    let lines = metrics.lines().filter(|line| line.starts_with("firstcheck_incidents{"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// Deliveries that the incidents have counted, as the list shows them.
fn counted(at: SocketAddr) -> u64 {
    let listed: Value = serde_json::from_str(&get(at, "/api/incidents?limit=1000")).expect("a list");
    let incidents = listed["incidents"].as_array().map(Vec::as_slice).unwrap_or_default();
    incidents.iter().filter_map(|incident| incident["alert_count"].as_u64()).sum()
}

fn median_ms(mut ask: impl FnMut() -> usize) -> f64 {
    let mut times: Vec<f64> = (0..21)
        .map(|_| {
            let begun = Instant::now();
            assert!(ask() > 0, "an empty answer");
            begun.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn show(line: std::fmt::Arguments<'_>) {
    writeln!(std::io::stdout(), "{line}").ok();
}
