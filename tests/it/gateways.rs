//! Real gateways in front of an application that is dead, slow or picky: nginx and HAProxy from Debian, judged by `check http` and
//! `check rate_limit` as a user runs them. What they say themselves must not be taken for the application's word.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::programs::{Program, free_address};
use crate::worlds::Folder;

/// An application behind the gateways: answers at once, says 503 itself, is silent, or speaks no HTTP.
fn application(says: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        // Silent connections are held until the test ends.
        let mut silent = Vec::new();
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = stream;
            let mut head = [0; 4096];
            let read = stream.read(&mut head).unwrap_or(0);
            if read > 0 && !says.is_empty() {
                stream.write_all(says.as_bytes()).ok();
            } else {
                silent.push(stream);
            }
        }
    });
    at
}

const FINE: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\nConnection: close\r\n\r\n{\"ok\":true}";
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 16\r\nConnection: close\r\n\r\n{\"error\":\"busy\"}";
const NO_HTTP: &str = "this is not HTTP at all\r\n\r\n";

/// A server certificate for `localhost`, its own authority, in files of this folder.
fn certificate(folder: &Path) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let made = params.self_signed(&key).unwrap();
    std::fs::write(folder.join("cert.pem"), made.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    std::fs::write(folder.join("both.pem"), made.pem() + key.serialize_pem().as_str()).unwrap();
}

/// The report of `firstcheck check KIND TARGET`.
fn check(kind: &str, target: &str, more: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_firstcheck"))
        .args(["check", kind, target, "--json", "--timeout", "10s"])
        .args(more)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{kind} {target}: {error}\n{text}"))
}

/// Compares outcome, origin, maker and diagnosis of each case; `-` stands for none.
fn judged(cases: &[(&str, String, &[&str], &str)]) {
    let mut wrong = Vec::new();
    for (kind, target, more, expected) in cases {
        let report = check(kind, target, more);
        let fact = |name: &str| report["facts"][name].as_str().unwrap_or("-").to_owned();
        let maker = if *kind == "http" { fact("maker") } else { fact("limiter") };
        let found = format!("{} {} {maker}", report["outcome"].as_str().unwrap(), fact("origin"));
        if found != *expected {
            wrong.push(format!("{kind} {target}: {expected} expected, {found} found\n{report:#}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// nginx with a route to each application.
fn nginx(folder: &Path) -> (Program, SocketAddr, SocketAddr) {
    certificate(folder);
    let (plain, tls, dead) = (free_address(), free_address(), free_address());
    let (fine, busy, silent, odd) =
        (application(FINE), application(BUSY), application(""), application(NO_HTTP));
    let at = folder.display();
    let config = format!(
        "worker_processes 1; daemon off; master_process off; pid {at}/nginx.pid; error_log stderr notice;
events {{ worker_connections 256; }}
http {{
  access_log off; root {at};
  client_body_temp_path {at}/body; proxy_temp_path {at}/proxy; fastcgi_temp_path {at}/fastcgi; uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;
  limit_req_zone $server_name zone=all:1m rate=1r/m;
  server {{
    listen {plain}; server_name localhost; proxy_read_timeout 1s; proxy_connect_timeout 1s; proxy_next_upstream off;
    location /fine {{ proxy_pass http://{fine}; }}
    location /busy {{ proxy_pass http://{busy}; }}
    location /dead {{ proxy_pass http://{dead}; }}
    location /slow {{ proxy_pass http://{silent}; }}
    location /odd {{ proxy_http_version 1.1; proxy_pass http://{odd}; }}
    location /large {{ client_max_body_size 4; proxy_pass http://{fine}; }}
    location /limited {{ limit_req zone=all; limit_req_status 429; proxy_pass http://{fine}; }}
    location /maintenance {{ return 503; }}
    location /private {{ deny all; }}
    location /signin {{ auth_basic lab; auth_basic_user_file {at}/nobody; proxy_pass http://{fine}; }}
  }}
  server {{
    listen {tls} ssl; server_name localhost;
    ssl_certificate {at}/cert.pem; ssl_certificate_key {at}/key.pem;
    ssl_client_certificate {at}/cert.pem; ssl_verify_client on;
    location / {{ proxy_pass http://{fine}; }}
  }}
}}
"
    );
    std::fs::write(folder.join("nginx.conf"), config).unwrap();
    let program = Program::start(
        Command::new("/usr/sbin/nginx").args(["-e", "stderr", "-c"]).arg(folder.join("nginx.conf")),
    );
    program.listens(plain);
    program.listens(tls);
    (program, plain, tls)
}

#[test]
#[ignore = "needs nginx"]
fn what_nginx_says_itself_is_told_from_what_it_passes_on() {
    let folder = Folder::new("gateways");
    let (_program, plain, tls) = nginx(&folder.0);
    let to = |path: &str| format!("http://{plain}{path}");
    let ca = format!("ca_file={}", folder.0.join("cert.pem").display());
    let by_name = format!("connect_to={tls}");
    let post: &[&str] = &["--with", "method=POST", "--with", "body=more than four bytes"];
    let trusting: &[&str] = &["--with", &ca, "--with", &by_name];
    judged(&[
        ("http", to("/fine"), &[], "ok app -"),
        ("http", to("/busy"), &[], "server_error app -"),
        ("http", to("/dead"), &[], "gateway_error gateway nginx"),
        ("http", to("/slow"), &[], "gateway_error gateway nginx"),
        // nginx takes what is no HTTP for HTTP/0.9 and passes it on as it came.
        ("http", to("/odd"), &[], "bad_body - -"),
        ("http", to("/maintenance"), &[], "gateway_error gateway nginx"),
        ("http", to("/large"), post, "client_error gateway nginx"),
        ("http", to("/private"), &[], "forbidden gateway nginx"),
        ("http", to("/signin"), &[], "unauthorized gateway nginx"),
        ("rate_limit", to("/limited"), &[], "no_headers app -"),
        ("rate_limit", to("/limited"), &[], "limited gateway nginx"),
        ("http", to("/limited"), &[], "limited gateway nginx"),
        ("rate_limit", to("/maintenance"), &[], "no_headers gateway -"),
        // Plain text to the TLS port, and no client certificate.
        ("http", format!("http://{tls}/"), &[], "client_error gateway nginx"),
        ("http", "https://localhost/".to_owned(), trusting, "client_error gateway nginx"),
    ]);
    let dead = check("http", &to("/dead"), &[]);
    assert_eq!(
        (&dead["facts"]["status"], &dead["facts"]["means"]),
        (&502.into(), &"connect".into()),
        "{dead:#}"
    );
    let slow = check("http", &to("/slow"), &[]);
    assert_eq!(
        (&slow["facts"]["status"], &slow["facts"]["means"]),
        (&504.into(), &"timeout".into()),
        "{slow:#}"
    );
    let held = check("deadline", &to("/slow"), &["--with", "backend=5s"]);
    assert_eq!(held["outcome"], "gateway_shorter_than_backend", "{held:#}");
}

/// HAProxy with a front for each application.
fn haproxy(folder: &Path) -> (Program, SocketAddr, SocketAddr) {
    certificate(folder);
    let (plain, proxied, dead) = (free_address(), free_address(), free_address());
    let (fine, busy, silent, odd) =
        (application(FINE), application(BUSY), application(""), application(NO_HTTP));
    let config = format!(
        "global
  maxconn 200
defaults
  mode http
  timeout connect 1s
  timeout client 1s
  timeout server 1s
  timeout queue 1s
  retries 0
frontend plain
  bind {plain}
  stick-table type string len 32 size 10 expire 1m store http_req_rate(60s)
  http-request track-sc0 path if {{ path /limited }}
  http-request deny deny_status 429 if {{ path /limited }} {{ sc_http_req_rate(0) gt 1 }}
  http-request deny if {{ path /private }}
  http-request deny deny_status 404 if {{ path /missing }}
  http-request deny deny_status 413 if {{ path /large }}
  http-request deny deny_status 500 if {{ path /broken }}
  http-request auth realm lab if {{ path /signin }}
  use_backend fine if {{ path /fine }} || {{ path /limited }}
  use_backend busy if {{ path /busy }}
  use_backend dead if {{ path /dead }}
  use_backend slow if {{ path /slow }}
  use_backend odd if {{ path /odd }}
  default_backend none
frontend proxied
  bind {proxied} accept-proxy
  default_backend fine
backend fine
  server one {fine}
backend busy
  server one {busy}
backend dead
  server one {dead}
backend slow
  server one {silent}
backend odd
  server one {odd}
backend none
"
    );
    std::fs::write(folder.join("haproxy.cfg"), config).unwrap();
    let program = Program::start(
        Command::new("/usr/sbin/haproxy").arg("-db").arg("-f").arg(folder.join("haproxy.cfg")),
    );
    program.listens(plain);
    program.listens(proxied);
    (program, plain, proxied)
}

#[test]
#[ignore = "needs haproxy"]
fn what_haproxy_says_itself_is_told_from_what_it_passes_on() {
    let folder = Folder::new("gateways");
    let (_program, plain, proxied) = haproxy(&folder.0);
    let to = |path: &str| format!("http://{plain}{path}");
    judged(&[
        ("http", to("/fine"), &[], "ok app -"),
        ("http", to("/busy"), &[], "server_error app -"),
        ("http", to("/dead"), &[], "gateway_error gateway haproxy"),
        ("http", to("/none"), &[], "gateway_error gateway haproxy"),
        ("http", to("/slow"), &[], "gateway_error gateway haproxy"),
        ("http", to("/odd"), &[], "gateway_error gateway haproxy"),
        ("http", to("/private"), &[], "forbidden gateway haproxy"),
        ("http", to("/signin"), &[], "unauthorized gateway haproxy"),
        ("http", to("/missing"), &[], "client_error gateway haproxy"),
        ("http", to("/large"), &[], "client_error gateway haproxy"),
        ("http", to("/broken"), &[], "server_error gateway haproxy"),
        ("rate_limit", to("/limited"), &[], "no_headers app -"),
        ("rate_limit", to("/limited"), &[], "limited gateway haproxy"),
        // A listener that wants the PROXY protocol hangs up on a client that speaks HTTP at once.
        ("http", format!("http://{proxied}/fine"), &[], "reset - -"),
    ]);
    let slow = check("http", &to("/slow"), &[]);
    assert_eq!(
        (&slow["facts"]["status"], &slow["facts"]["means"]),
        (&504.into(), &"timeout".into()),
        "{slow:#}"
    );
}
