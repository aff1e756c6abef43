//! Targets that only real programs make: openssl's server with keys and suites that rustls does not serve, nginx and HAProxy as they are set
//! up in the field, BIND with signed and unsigned zones behind a validating unbound. Each row has the program's own client as its witness
//! in the command that makes it: what cannot be served at all fails there.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use firstcheck::outcome::CheckKind;

use super::{Asked, Table};
use crate::programs::{Program, free_address};
use crate::worlds::Folder;

/// Runs a program in a folder; it must succeed.
pub(super) fn run(folder: &Path, program: &str, arguments: &str) -> String {
    let output = Command::new(program).args(arguments.split_whitespace()).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Keys are made and programs awaited beside the checks of other rows.
async fn blocking(make: impl FnOnce() -> Asked + Send + 'static) -> Asked {
    tokio::task::spawn_blocking(make).await.unwrap()
}

/// What `openssl req` and `openssl genpkey` need for a kind of key.
struct Keys {
    root: &'static str,
    leaf: &'static str,
    signing: &'static str,
}

const EC: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
const RSA: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";
const PLAIN: Keys = Keys { root: RSA, leaf: RSA, signing: "-sha256" };

/// A root, a leaf for `api.lab.test` below it, and their keys, in files: root.pem, leaf.pem, leaf.key.
fn certify(folder: &Path, keys: &Keys) {
    std::fs::write(
        folder.join("leaf.ext"),
        "subjectAltName=DNS:api.lab.test,DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\nkeyUsage=digitalSignature,keyEncipherment\n\
         authorityKeyIdentifier=keyid\n",
    )
    .unwrap();
    let Keys { root, leaf, signing } = keys;
    run(folder, "openssl", &format!("genpkey {root} -out root.key"));
    run(folder, "openssl", &format!("genpkey {leaf} -out leaf.key"));
    run(
        folder,
        "openssl",
        &format!("req -x509 -new -key root.key {signing} -days 3650 -subj /CN=Lab -out root.pem"),
    );
    run(folder, "openssl", "req -new -key leaf.key -subj /CN=api.lab.test -out leaf.csr");
    run(
        folder,
        "openssl",
        &format!(
            "x509 -req -in leaf.csr -CA root.pem -CAkey root.key {signing} -days 90 -extfile leaf.ext -out leaf.pem"
        ),
    );
}

/// `openssl s_server` with these keys and options.
async fn s_server(keys: Keys, options: &'static str) -> Asked {
    blocking(move || served_by_openssl(&keys, options)).await
}

fn served_by_openssl(keys: &Keys, options: &str) -> Asked {
    let folder = Folder::new("healthy-openssl");
    certify(&folder.0, keys);
    let at = free_address();
    let mut command = Command::new("openssl");
    command.args(["s_server", "-quiet", "-www", "-cert", "leaf.pem", "-key", "leaf.key", "-accept"]);
    command.arg(at.to_string()).args(options.split_whitespace()).current_dir(&folder.0);
    let program = Program::start(&mut command);
    program.listens(at);
    asked("api.lab.test:443", at, &folder.0, program).holding(folder)
}

/// A target that stands at an address, trusting the folder's root; certificates made by `openssl` begin now, so now is when they are judged.
fn asked(target: &str, at: SocketAddr, folder: &Path, program: Program) -> Asked {
    let root = std::fs::read_to_string(folder.join("root.pem")).unwrap();
    let mut asked = Asked::new(target).with("connect_to", at.to_string()).trusting(root).holding(program);
    asked.now = firstcheck::clock::now();
    asked
}

#[test]
#[ignore = "needs openssl"]
fn servers_of_openssl_are_valid() {
    let mut table = Table::new(CheckKind::Tls);
    let rsa = |bits: &'static str| Keys { root: RSA, leaf: bits, signing: "-sha256" };
    table.row("RSA of 2048 bits", "valid", s_server(PLAIN, ""));
    table.row("RSA of 3072 bits", "valid", s_server(rsa("-algorithm RSA -pkeyopt rsa_keygen_bits:3072"), ""));
    table.row("RSA of 4096 bits", "valid", s_server(rsa("-algorithm RSA -pkeyopt rsa_keygen_bits:4096"), ""));
    table.row("RSA with SHA-384", "valid", s_server(Keys { signing: "-sha384", ..PLAIN }, ""));
    table.row("RSA with SHA-512", "valid", s_server(Keys { signing: "-sha512", ..PLAIN }, ""));
    table.row(
        "RSA signed with PSS",
        "valid",
        s_server(
            Keys { signing: "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest", ..PLAIN },
            "",
        ),
    );
    table.row("P-256 below RSA", "valid", s_server(Keys { leaf: EC, ..PLAIN }, ""));
    table.row("RSA below P-256", "valid", s_server(Keys { root: EC, leaf: RSA, signing: "-sha256" }, ""));
    table.row(
        "P-521",
        "valid",
        s_server(
            Keys { root: EC, leaf: "-algorithm EC -pkeyopt ec_paramgen_curve:P-521", signing: "-sha256" },
            "",
        ),
    );
    table.row(
        "P-521 throughout, with SHA-512",
        "valid",
        s_server(
            Keys {
                root: "-algorithm EC -pkeyopt ec_paramgen_curve:P-521",
                leaf: "-algorithm EC -pkeyopt ec_paramgen_curve:P-521",
                signing: "-sha512",
            },
            "",
        ),
    );
    table.row(
        "P-256 below P-256 with SHA-384",
        "valid",
        s_server(Keys { root: EC, leaf: EC, signing: "-sha384" }, ""),
    );
    table.row(
        "P-384 below P-384 with SHA-256",
        "valid",
        s_server(
            Keys {
                root: "-algorithm EC -pkeyopt ec_paramgen_curve:P-384",
                leaf: "-algorithm EC -pkeyopt ec_paramgen_curve:P-384",
                signing: "-sha256",
            },
            "",
        ),
    );
    table.row(
        "Ed25519",
        "valid",
        s_server(Keys { root: "-algorithm ED25519", leaf: "-algorithm ED25519", signing: "" }, ""),
    );
    table.row("TLS 1.2 with RSA", "valid", s_server(PLAIN, "-tls1_2"));
    table.row("TLS 1.3 with RSA", "valid", s_server(PLAIN, "-tls1_3"));
    table.row(
        "TLS 1.2, ChaCha20 only",
        "valid",
        s_server(PLAIN, "-tls1_2 -cipher ECDHE-RSA-CHACHA20-POLY1305"),
    );
    table.row(
        "TLS 1.2, AES-256-GCM only",
        "valid",
        s_server(PLAIN, "-tls1_2 -cipher ECDHE-RSA-AES256-GCM-SHA384"),
    );
    table.row("TLS 1.3, P-521 as the only group", "valid", s_server(PLAIN, "-tls1_3 -groups P-521"));
    table.row("TLS 1.3, P-384 as the only group", "valid", s_server(PLAIN, "-tls1_3 -groups P-384"));
    table.row("no tickets", "valid", s_server(PLAIN, "-no_ticket"));
    table.row("no tickets of TLS 1.3", "valid", s_server(PLAIN, "-num_tickets 0"));
    table.row("records are padded", "valid", s_server(PLAIN, "-tls1_3 -record_padding 512"));
    table.row("small fragments", "valid", s_server(PLAIN, "-max_send_frag 512"));
    table.row("a client certificate is asked for, not needed", "valid", s_server(PLAIN, "-verify 1"));
    table.row("the server's own choice of suites", "valid", s_server(PLAIN, "-serverpref"));
    table.row(
        "TLS 1.2, elliptic curves with CBC",
        "valid",
        s_server(PLAIN, "-tls1_2 -cipher ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA384"),
    );
    table.row(
        "TLS 1.2, Diffie-Hellman over integers",
        "valid",
        s_server(PLAIN, "-tls1_2 -cipher DHE-RSA-AES128-GCM-SHA256"),
    );
    table.row("TLS 1.2, keys sent under RSA", "valid", s_server(PLAIN, "-tls1_2 -cipher AES128-GCM-SHA256"));
    table.row("HTTP/1.1 only", "valid", s_server(PLAIN, "-alpn http/1.1"));
    table.row(
        "another certificate for another name",
        "valid",
        s_server(PLAIN, "-servername other.lab.test -cert2 root.pem -key2 root.key"),
    );
    table.row("the root is sent", "valid", s_server(PLAIN, "-cert_chain root.pem"));
    table.run();
}

/// nginx with this `http` block's inside and a certificate; `PORT`, `SECURE` and `APP` are addresses.
async fn nginx(target: &'static str, servers: &'static str) -> Asked {
    blocking(move || served_by_nginx(target, servers)).await
}

fn served_by_nginx(target: &str, servers: &str) -> Asked {
    let folder = Folder::new("healthy-nginx");
    certify(&folder.0, &Keys { root: EC, leaf: EC, signing: "-sha256" });
    let (plain, secure) = (free_address(), free_address());
    std::fs::write(folder.0.join("big.txt"), "x".repeat(200_000)).unwrap();
    std::fs::write(folder.0.join("data.json"), format!("{{\"items\": [{}0]}}", "1, ".repeat(5_000))).unwrap();
    let fill = |text: &str| text.replace("SECURE", &secure.to_string()).replace("PLAIN", &plain.to_string());
    let mut conf = String::from(
        "daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log stderr;\nevents {}\nhttp {\n",
    );
    for path in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        writeln!(conf, "{path}_temp_path {path};").unwrap();
    }
    write!(
        conf,
        "access_log off; types {{ application/json json; text/plain txt; }} ssl_certificate leaf.pem; ssl_certificate_key leaf.key;\n\
         root {};\n{}\n}}\n",
        folder.0.display(),
        fill(servers)
    )
    .unwrap();
    std::fs::write(folder.0.join("nginx.conf"), conf).unwrap();
    let program = Program::start(
        Command::new("/usr/sbin/nginx").args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(&folder.0),
    );
    let at = if target.starts_with("https") { secure } else { plain };
    program.listens(at);
    asked(target, at, &folder.0, program).holding(folder)
}

const URL: &str = "https://api.lab.test/data.json";

#[test]
#[ignore = "needs nginx and openssl"]
fn answers_of_nginx_are_ok() {
    let mut table = Table::new(CheckKind::Http);
    for (name, target, servers) in [
        ("a file", "http://api.lab.test/data.json", "server { listen PLAIN; }"),
        ("a large file", "http://api.lab.test/big.txt", "server { listen PLAIN; }"),
        (
            "gzip on the fly: chunks",
            "http://api.lab.test/data.json",
            "gzip on; gzip_types application/json; server { listen PLAIN; }",
        ),
        (
            "HTTP/2 with gzip",
            URL,
            "gzip on; gzip_types application/json; server { listen SECURE ssl http2; }",
        ),
        ("HTTP/1.1 over TLS", URL, "server { listen SECURE ssl; }"),
        (
            "a client certificate is optional",
            URL,
            "server { listen SECURE ssl http2; ssl_verify_client optional_no_ca; }",
        ),
        ("TLS 1.3 only", URL, "server { listen SECURE ssl http2; ssl_protocols TLSv1.3; }"),
        (
            "TLS 1.2 only, without tickets",
            URL,
            "server { listen SECURE ssl; ssl_protocols TLSv1.2; ssl_session_tickets off; }",
        ),
        ("a curve few have", URL, "server { listen SECURE ssl http2; ssl_ecdh_curve secp521r1; }"),
        (
            "no handshake for other names",
            URL,
            "server { listen SECURE ssl default_server; ssl_reject_handshake on; } server { listen SECURE ssl; server_name api.lab.test; }",
        ),
        ("204 made by the gateway", "http://api.lab.test/", "server { listen PLAIN; return 204; }"),
        ("a text made by the gateway", "http://api.lab.test/", "server { listen PLAIN; return 200 'ok'; }"),
        (
            "JSON made by the gateway",
            "http://api.lab.test/",
            "server { listen PLAIN; default_type application/json; return 200 '{\"ok\":true}'; }",
        ),
        (
            "keep-alive is off",
            "http://api.lab.test/data.json",
            "server { listen PLAIN; keepalive_timeout 0; }",
        ),
        (
            "a redirect to a slash",
            "http://api.lab.test/a",
            "server { listen PLAIN; absolute_redirect off; location = /a { return 301 /a/; } location = /a/ { return 200 'ok'; } }",
        ),
        (
            "slow, byte by byte, within the time",
            "http://api.lab.test/data.json",
            "server { listen PLAIN; limit_rate 200k; }",
        ),
        (
            "behind two proxies",
            "http://api.lab.test/data.json",
            "server { listen PLAIN; location / { proxy_pass http://SECURE; proxy_http_version 1.1; add_header Via '1.1 edge'; } } server { listen SECURE; }",
        ),
        (
            "a limiter with room",
            "http://api.lab.test/data.json",
            "limit_req_zone $binary_remote_addr zone=a:1m rate=100r/s; server { listen PLAIN; limit_req zone=a burst=50 nodelay; }",
        ),
        (
            "an error page of the gateway that is served as 200",
            "http://api.lab.test/none",
            "server { listen PLAIN; error_page 404 =200 /data.json; }",
        ),
        (
            "many headers",
            "http://api.lab.test/data.json",
            "server { listen PLAIN; add_header X-A 1 always; add_header Strict-Transport-Security 'max-age=1'; add_header Content-Security-Policy \"default-src 'self'\"; }",
        ),
    ] {
        table.row(name, "ok", nginx(target, servers));
    }
    table.row("a range", "ok", async {
        nginx("http://api.lab.test/big.txt", "server { listen PLAIN; }")
            .await
            .with("header.range", "bytes=0-9")
    });
    table.row("not modified, which is expected", "ok", async {
        nginx("http://api.lab.test/data.json", "server { listen PLAIN; if_modified_since before; }")
            .await
            .with("header.if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT")
            .with("expect_status", "304")
    });
    table.row("HEAD over HTTP/2", "ok", async {
        nginx(URL, "server { listen SECURE ssl http2; }").await.with("method", "HEAD")
    });
    table.row("401 that is expected", "ok", async {
        nginx("http://api.lab.test/", "server { listen PLAIN; return 401; }")
            .await
            .with("expect_status", "401")
    });
    table.run();
}

/// HAProxy with these sections, as for nginx; `PEM` is a file with certificate and key.
async fn haproxy(target: &'static str, sections: String) -> Asked {
    blocking(move || served_by_haproxy(target, &sections)).await
}

fn served_by_haproxy(target: &str, sections: &str) -> Asked {
    let folder = Folder::new("healthy-haproxy");
    certify(&folder.0, &Keys { root: EC, leaf: EC, signing: "-sha256" });
    let read = |name: &str| std::fs::read_to_string(folder.0.join(name)).unwrap();
    std::fs::write(folder.0.join("both.pem"), [read("leaf.pem"), read("leaf.key")].concat()).unwrap();
    let (plain, secure) = (free_address(), free_address());
    let pem = folder.0.join("both.pem").display().to_string();
    let sections = sections
        .replace("SECURE", &secure.to_string())
        .replace("PLAIN", &plain.to_string())
        .replace("PEM", &pem);
    let conf = format!(
        "global\n  maxconn 100\ndefaults\n  mode http\n  timeout connect 2s\n  timeout client 5s\n  timeout server 5s\n{sections}\n"
    );
    std::fs::write(folder.0.join("haproxy.cfg"), conf).unwrap();
    let program = Program::start(
        Command::new("/usr/sbin/haproxy").args(["-db", "-f"]).arg(folder.0.join("haproxy.cfg")),
    );
    let at = if target.starts_with("https") { secure } else { plain };
    program.listens(at);
    asked(target, at, &folder.0, program).holding(folder)
}

#[test]
#[ignore = "needs haproxy and openssl"]
fn answers_of_haproxy_are_ok() {
    const OK: &str = "http-request return status 200 content-type application/json string '{\"ok\":true}'";
    let mut table = Table::new(CheckKind::Http);
    let secure = "https://api.lab.test/";
    for (name, target, sections) in [
        ("HTTP/2", secure, "frontend a\n  bind SECURE ssl crt PEM alpn h2,http/1.1\n  RETURN"),
        ("HTTP/1.1", secure, "frontend a\n  bind SECURE ssl crt PEM\n  RETURN"),
        (
            "only names that are known",
            secure,
            "frontend a\n  bind SECURE ssl crt PEM strict-sni alpn h2\n  RETURN",
        ),
        (
            "a client certificate is optional",
            secure,
            "frontend a\n  bind SECURE ssl crt PEM ca-file PEM verify optional\n  RETURN",
        ),
        ("TLS 1.3 only", secure, "frontend a\n  bind SECURE ssl crt PEM ssl-min-ver TLSv1.3\n  RETURN"),
        (
            "through a backend",
            "http://api.lab.test/",
            "frontend a\n  bind PLAIN\n  default_backend b\nbackend b\n  server s SECURE\nfrontend c\n  bind SECURE\n  RETURN",
        ),
        (
            "through a backend over TLS",
            "http://api.lab.test/",
            "frontend a\n  bind PLAIN\n  default_backend b\nbackend b\n  server s SECURE ssl verify none sni str(api.lab.test)\nfrontend c\n  bind SECURE ssl crt PEM\n  RETURN",
        ),
        (
            "connections are closed",
            "http://api.lab.test/",
            "frontend a\n  bind PLAIN\n  option httpclose\n  RETURN",
        ),
        (
            "a redirect within the host",
            "http://api.lab.test/old",
            "frontend a\n  bind PLAIN\n  http-request redirect location /new code 301 if { path /old }\n  RETURN",
        ),
    ] {
        table.row(name, "ok", haproxy(target, sections.replace("RETURN", OK)));
    }
    table.run();
}
