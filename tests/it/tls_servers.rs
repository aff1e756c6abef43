//! The tls check against OpenSSL's own server, as a user runs it: what OpenSSL shakes hands with is no fault, and what it refuses is.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::programs::{Program, free_address};
use crate::worlds::Folder;

/// A certificate for `localhost`, its own authority, with its key in files of this folder.
fn certificate(folder: &Path) {
    let key = rcgen::KeyPair::generate().unwrap();
    let made = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(folder.join("cert.pem"), made.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    // Servers of old take their clients' secrets with an RSA key, which our own library does not make.
    let mut request = Command::new("openssl");
    request.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "90"]);
    request.args(["-addext", "subjectAltName=DNS:localhost", "-keyout", "rsa.key", "-out", "rsa.pem"]);
    assert!(request.current_dir(folder).output().unwrap().status.success());
    let rsa = std::fs::read_to_string(folder.join("rsa.pem")).unwrap();
    std::fs::write(folder.join("roots.pem"), format!("{}{rsa}", made.pem())).unwrap();
}

/// `openssl s_server` with these options.
fn serve(folder: &Path, options: &[&str]) -> (Program, SocketAddr) {
    let addr = free_address();
    let program = Program::start(
        Command::new("openssl")
            .args(["s_server", "-www", "-accept", &addr.to_string()])
            .args(["-cert", "cert.pem", "-key", "key.pem"])
            .args(options)
            .current_dir(folder),
    );
    program.listens(addr);
    (program, addr)
}

/// Whether `openssl s_client` with its usual settings gets through a handshake.
fn shakes_hands(addr: SocketAddr) -> bool {
    let mut client = Command::new("openssl");
    client.args(["s_client", "-connect", &addr.to_string()]).stdin(std::process::Stdio::null());
    client.output().unwrap().status.success()
}

fn check(folder: &Path, addr: SocketAddr) -> Value {
    let ca_file = format!("ca_file={}", folder.join("roots.pem").display());
    let output = Command::new(env!("CARGO_BIN_EXE_firstcheck"))
        .args(["check", "tls", "localhost:443", "--json", "--timeout", "10s", "--with", &ca_file])
        .args(["--with", &format!("connect_to={addr}")])
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
#[ignore = "needs openssl"]
fn openssls_servers_are_judged_as_its_client_sees_them() {
    let folder = Folder::new("tls-servers");
    certificate(&folder.0);
    let mut wrong = Vec::new();
    for (options, is_shaken, expected) in [
        ("", true, "valid -"),
        ("-tls1_2", true, "valid -"),
        ("-verify 1", true, "valid -"),
        ("-tls1_3 -groups P-521", true, "valid -"),
        ("-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA", true, "valid -"),
        ("-tls1_2 -cipher DHE-RSA-AES256-SHA256 -cert rsa.pem -key rsa.key", true, "valid -"),
        ("-tls1_2 -cipher AES256-SHA256 -cert rsa.pem -key rsa.key", true, "valid -"),
        // Sound, and beyond what this program can see.
        ("-tls1_3 -groups X448", true, "error group_not_spoken_here"),
        ("-tls1_3 -groups ffdhe2048", true, "error group_not_spoken_here"),
        // OpenSSL's client does not offer these.
        ("-tls1_3 -ciphersuites TLS_AES_128_CCM_SHA256", false, "handshake_failure nothing_in_common"),
        ("-tls1_2 -cipher AECDH-AES128-SHA:@SECLEVEL=0", false, "handshake_failure nothing_in_common"),
        ("-tls1_1 -cipher ALL:@SECLEVEL=0", false, "weak_protocol old_version_only"),
        ("-tls1 -cipher ALL:@SECLEVEL=0", false, "weak_protocol old_version_only"),
        ("-tls1_2 -Verify 1", false, "client_cert_required client_certificate_required"),
    ] {
        let (_server, addr) = serve(&folder.0, &options.split_whitespace().collect::<Vec<_>>());
        let is_witnessed = shakes_hands(addr) == is_shaken;
        let report = check(&folder.0, addr);
        let diagnosis = report["facts"]["diagnosis"].as_str().unwrap_or("-");
        let found = format!("{} {diagnosis}", report["outcome"].as_str().unwrap());
        if !is_witnessed || found != expected {
            wrong.push(format!("`{options}`: {expected} expected (witnessed: {is_witnessed})\n{report:#}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
