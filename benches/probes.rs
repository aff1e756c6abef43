//! `GET /api/check/{kind}` of a running `serve` against `/probe` of prometheus-blackbox-exporter: `cargo bench --bench probes`.
//!
//! Both ask the same nginx and the same bind9 on loopback, one program after the other in the same run; every probe is a new connection
//! and, for https, a full handshake. The ratios are what counts: processor time per probe (goal: at most 0.5 for http, dns and tcp, 0.6
//! for https), probes a second at 8 and 64 askers (goal: at least 2), resident memory (goal: at most 1). Needs blackbox exporter, nginx
//! and bind9 from Debian, and Linux's `/proc`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

const PROGRAM: &str = env!("CARGO_BIN_EXE_firstcheck");
/// How long each cell is measured, after as long a warm-up as a tenth of it.
const SPAN: Duration = Duration::from_secs(3);
const ASKERS: [usize; 3] = [1, 8, 64];

fn main() {
    let folder = std::env::temp_dir().join(format!("firstcheck-probes-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
    let targets = Targets::start(&folder);
    let blackbox = blackbox(&folder);
    let serve = serve(&folder);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    show(format_args!(
        "{:6} {:>6} {:>14} {:>14} {:>7} {:>12} {:>12} {:>7}",
        "kind", "askers", "blackbox µs", "firstcheck µs", "ratio", "blackbox /s", "firstcheck /s", "ratio"
    ));
    for kind in ["http", "https", "dns", "tcp"] {
        for askers in ASKERS {
            let theirs = runtime.block_on(measure(&blackbox, &targets.blackbox_path(kind), askers));
            let ours = runtime.block_on(measure(&serve, &targets.firstcheck_path(kind), askers));
            show(format_args!(
                "{kind:6} {askers:6} {:14.0} {:14.0} {:7.2} {:12.0} {:12.0} {:7.2}",
                theirs.cpu_us,
                ours.cpu_us,
                ours.cpu_us / theirs.cpu_us,
                theirs.per_second,
                ours.per_second,
                ours.per_second / theirs.per_second
            ));
        }
    }
    let (theirs, ours) = (blackbox.peak_mib(), serve.peak_mib());
    show(format_args!(
        "peak resident memory: blackbox {theirs:.1} MiB, firstcheck {ours:.1} MiB, ratio {:.2}",
        ours / theirs
    ));
    drop((targets, blackbox, serve));
    std::fs::remove_dir_all(&folder).ok();
}

/// What one program did in one cell.
struct Measured {
    cpu_us: f64,
    per_second: f64,
}

async fn measure(program: &Running, path: &str, askers: usize) -> Measured {
    ask_for(program, path, askers, SPAN / 10).await;
    let (begun, before) = (Instant::now(), program.cpu());
    let answers = ask_for(program, path, askers, SPAN).await;
    let (took, spent) = (begun.elapsed(), program.cpu().saturating_sub(before));
    #[expect(clippy::cast_precision_loss, reason = "some thousands of probes")]
    let answers = answers as f64;
    Measured { cpu_us: spent.as_secs_f64() * 1e6 / answers, per_second: answers / took.as_secs_f64() }
}

/// Asks over kept connections until the time is up; every answer must say that the target is healthy.
async fn ask_for(program: &Running, path: &str, askers: usize, span: Duration) -> u64 {
    let until = Instant::now() + span;
    let answers = Arc::new(AtomicU64::new(0));
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..askers {
        let (answers, path, at, healthy) =
            (Arc::clone(&answers), path.to_owned(), program.at, program.healthy);
        all.spawn(async move {
            let stream = TcpStream::connect(at).expect("the program listens");
            stream.set_nonblocking(true).expect("a socket that does not block");
            let stream = tokio::net::TcpStream::from_std(stream).expect("a socket of the runtime");
            let (mut sender, connection) =
                http1::handshake(TokioIo::new(stream)).await.expect("it speaks HTTP");
            let connection = tokio::spawn(connection);
            while Instant::now() < until {
                let request = Request::get(&path).header("host", "localhost").body(Empty::<Bytes>::new());
                let answer = sender.send_request(request.expect("a request")).await.expect("an answer");
                let body = answer.into_body().collect().await.expect("a whole answer").to_bytes();
                let text = String::from_utf8_lossy(&body);
                assert!(healthy.iter().any(|words| text.contains(words)), "{path}: {text}");
                answers.fetch_add(1, Ordering::Relaxed);
            }
            connection.abort();
        });
    }
    while let Some(ended) = all.join_next().await {
        ended.expect("an asker does not fail");
    }
    answers.load(Ordering::Relaxed)
}

/// A program that is measured, and the words of its answer about a healthy target.
struct Running {
    child: Child,
    at: SocketAddr,
    healthy: &'static [&'static str],
}

impl Running {
    /// The processor time it has used, of all its threads. The clock ticks a hundred times a second (`man 5 proc`).
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("/proc");
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks: u64 =
            after_name.split_whitespace().skip(11).take(2).filter_map(|it| it.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 10)
    }

    fn peak_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("/proc");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
        line.split_whitespace().next().and_then(|it| it.parse::<f64>().ok()).expect("KiB") / 1024.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn blackbox(folder: &Path) -> Running {
    let config = format!(
        "modules:\n  http: {{prober: http, timeout: 5s}}\n  https: {{prober: http, timeout: 5s, http: {{tls_config: {{ca_file: {0}/ca.pem}}}}}}\n  \
         dns: {{prober: dns, timeout: 5s, dns: {{query_name: www.example.test, query_type: A}}}}\n  tcp: {{prober: tcp, timeout: 5s}}\n",
        folder.display()
    );
    std::fs::write(folder.join("blackbox.yml"), config).expect("the folder can be written");
    let at = free();
    let mut command = Command::new("prometheus-blackbox-exporter");
    command
        .arg("--config.file=blackbox.yml")
        .arg(format!("--web.listen-address={at}"))
        .arg("--log.level=error");
    let child = start(command.current_dir(folder));
    listens(at);
    Running { child, at, healthy: &["\nprobe_success 1"] }
}

fn serve(folder: &Path) -> Running {
    let home = folder.join("serve");
    std::fs::create_dir_all(&home).expect("the folder can be written");
    let config = "listen: 127.0.0.1:0\negress: {allow: [loopback]}\nchecks: {ca_file: ../ca.pem, per_host: {burst: 1000000000, per_second: 1000000}}\n";
    std::fs::write(home.join("firstcheck.yaml"), config).expect("the folder can be written");
    let mut command = Command::new(PROGRAM);
    command
        .args(["serve", "--config", "firstcheck.yaml"])
        .current_dir(&home)
        .env("RUST_LOG", "warn,firstcheck::commands=info");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut said = BufReader::new(child.stderr.take().expect("standard error is piped"));
    let mut seen = String::new();
    let at = loop {
        let begin = seen.len();
        assert!(said.read_line(&mut seen).expect("it speaks") > 0, "serve ended: {seen}");
        let Some(rest) = seen[begin..].split("http://").nth(1) else { continue };
        let address: String =
            rest.chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':')).collect();
        break address.parse().expect("an address");
    };
    std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    Running {
        child,
        at,
        healthy: &["\"outcome\":\"ok\"", "\"outcome\":\"resolves\"", "\"outcome\":\"connects\""],
    }
}

/// The healthy servers both programs ask.
struct Targets {
    http: SocketAddr,
    https: SocketAddr,
    dns: SocketAddr,
    _servers: Vec<Running>,
}

impl Targets {
    fn start(folder: &Path) -> Self {
        let (http, https, dns) = (free(), free(), free());
        certificates(folder);
        std::fs::write(folder.join("index.html"), "{\"ok\":true}").expect("the folder can be written");
        let nginx = format!(
            "master_process off; daemon off; pid {0}/nginx.pid; error_log stderr error;\nevents {{ worker_connections 4096; }}\nhttp {{ access_log off; root {0}; \
             default_type application/json; types {{}} ssl_session_cache off; ssl_session_tickets off;\n client_body_temp_path {0}/t1; proxy_temp_path {0}/t2; \
             fastcgi_temp_path {0}/t3; uwsgi_temp_path {0}/t4; scgi_temp_path {0}/t5;\n server {{ listen {http}; }}\n server {{ listen {https} ssl; \
             ssl_certificate {0}/chain.pem; ssl_certificate_key {0}/key.pem; }}\n}}\nuser root;\n",
            folder.display()
        );
        std::fs::write(folder.join("nginx.conf"), nginx).expect("the folder can be written");
        let nginx = start(
            Command::new(sbin("nginx")).arg("-e").arg("stderr").arg("-c").arg(folder.join("nginx.conf")),
        );
        let named = format!(
            "options {{ directory \"{0}\"; pid-file \"{0}/named.pid\"; session-keyfile none; listen-on port {1} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; \
             dnssec-validation no; }};\ncontrols {{ }};\nzone \"example.test\" {{ type primary; file \"{0}/zone\"; }};\n",
            folder.display(),
            dns.port()
        );
        std::fs::write(folder.join("named.conf"), named).expect("the folder can be written");
        let zone = "$TTL 300\n@ IN SOA ns hostmaster 1 3600 600 86400 60\n@ IN NS ns\nns IN A 127.0.0.1\nwww IN A 127.0.0.1\n";
        std::fs::write(folder.join("zone"), zone).expect("the folder can be written");
        let bind = start(
            Command::new(sbin("named")).arg("-f").arg("-c").arg(folder.join("named.conf")).args(["-n", "1"]),
        );
        for at in [http, https, dns] {
            listens(at);
        }
        let server = |child, at| Running { child, at, healthy: &[] };
        Self { http, https, dns, _servers: vec![server(nginx, http), server(bind, dns)] }
    }

    fn blackbox_path(&self, kind: &str) -> String {
        let target = match kind {
            "http" => format!("http://{}/index.html", self.http),
            "https" => format!("https://localhost:{}/index.html", self.https.port()),
            "dns" => self.dns.to_string(),
            _ => self.http.to_string(),
        };
        format!("/probe?module={kind}&target={target}")
    }

    fn firstcheck_path(&self, kind: &str) -> String {
        match kind {
            "http" => format!("/api/check/http?target=http://{}/index.html", self.http),
            "https" => format!("/api/check/http?target=https://localhost:{}/index.html", self.https.port()),
            "dns" => format!("/api/check/dns?target=www.example.test&types=A&resolvers={}", self.dns),
            _ => format!("/api/check/tcp?target={}", self.http),
        }
    }
}

/// An authority and a certificate of `localhost` by it, both with P-256 keys.
fn certificates(folder: &Path) {
    let mut authority = CertificateParams::new(Vec::<String>::new()).expect("no names");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(authority, key).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let leaf = leaf.signed_by(&key, &authority).expect("a certificate");
    let write = |name: &str, text: String| {
        std::fs::write(folder.join(name), text).expect("the folder can be written");
    };
    write("ca.pem", authority.pem());
    write("chain.pem", leaf.pem());
    write("key.pem", key.serialize_pem());
}

fn start(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
        .spawn()
        .unwrap_or_else(|why| panic!("{command:?} cannot be started ({why}): see .ci/run for the packages"))
}

/// Debian's servers stand in `/usr/sbin`, which is not on everybody's path.
fn sbin(program: &str) -> PathBuf {
    let full = Path::new("/usr/sbin").join(program);
    if full.exists() { full } else { program.into() }
}

fn free() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr()).expect("a free port")
}

fn listens(at: SocketAddr) {
    let begun = Instant::now();
    while TcpStream::connect(at).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "nobody listens at {at}");
        std::thread::yield_now();
    }
}

fn show(line: std::fmt::Arguments<'_>) {
    writeln!(std::io::stdout(), "{line}").ok();
}
