//! The dns check against BIND as authority and unbound as validating resolver, with `dig` as the witness.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::programs::{Program, free_address};
use crate::worlds::Folder;

const HEAD: &str = "$TTL 300\n\
    @ IN SOA ns1.lab.test. admin.lab.test. 7 3600 600 86400 60\n\
    @ NS ns1.lab.test.\n";

const LAB: &str = "ns1 A 127.0.0.1\n\
    api A 127.0.0.1\n\
    api AAAA ::1\n\
    txt TXT x\n\
    *.wild A 127.0.0.5\n\
    pay CNAME gone.lab.test.\n\
    a CNAME b.lab.test.\n\
    b CNAME a.lab.test.\n\
    lame NS ns1.lab.test.\n\
    shop NS ns1.lab.test.\n\
    dead1 CNAME www.dead.test.\n\
    dead2 CNAME dead1.lab.test.\n\
    refusing CNAME www.refusing.test.\n";

/// Zones that unbound has a trust anchor for.
const SIGNED: [&str; 2] = ["signed", "bogus"];

struct Lab {
    _folder: Folder,
    _programs: [Program; 2],
    /// The only server of `dead.test`, which says nothing.
    _dead: UdpSocket,
    authority: SocketAddr,
    resolver: SocketAddr,
}

fn run(folder: &Path, program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A signed zone and its trust anchor.
fn sign(folder: &Path, zone: &str) -> String {
    std::fs::write(folder.join(format!("{zone}.zone")), format!("{HEAD}api A 127.0.0.1\n")).unwrap();
    let origin = format!("{zone}.test");
    let key = run(folder, "dnssec-keygen", &["-q", "-a", "ECDSAP256SHA256", "-f", "KSK", &origin]);
    run(folder, "dnssec-keygen", &["-q", "-a", "ECDSAP256SHA256", &origin]);
    let signed = format!("{zone}.signed");
    run(folder, "dnssec-signzone", &["-q", "-S", "-o", &origin, "-f", &signed, &format!("{zone}.zone")]);
    let text = std::fs::read_to_string(folder.join(format!("{}.key", key.trim()))).unwrap();
    text.lines().find(|line| !line.starts_with(';')).unwrap().to_owned()
}

fn lab() -> Lab {
    let folder = Folder::new("name-servers");
    let at = folder.0.clone();
    let (authority, resolver) = (free_address(), free_address());
    std::fs::write(at.join("lab.zone"), format!("{HEAD}{LAB}")).unwrap();
    std::fs::write(at.join("shop.zone"), format!("{HEAD}api A 127.0.0.1\n")).unwrap();
    let anchors = SIGNED.map(|zone| sign(&at, zone));
    // An address that was changed after the signature.
    let bogus = std::fs::read_to_string(at.join("bogus.signed")).unwrap();
    assert!(bogus.contains("127.0.0.1"));
    std::fs::write(at.join("bogus.signed"), bogus.replace("127.0.0.1", "127.0.0.9")).unwrap();

    let (folder_name, port) = (at.display(), authority.port());
    let mut named = format!(
        "options {{ directory \"{folder_name}\"; pid-file \"{folder_name}/named.pid\"; recursion no; dnssec-validation no;\n\
         listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; }};\ncontrols {{}};\n"
    );
    let files = [
        ("lab", "lab.zone"),
        ("shop.lab", "shop.zone"),
        ("signed", "signed.signed"),
        ("bogus", "bogus.signed"),
    ];
    for (zone, file) in files {
        writeln!(named, "zone \"{zone}.test\" {{ type primary; file \"{file}\"; }};").unwrap();
    }
    std::fs::write(at.join("named.conf"), named).unwrap();

    let mut unbound = format!(
        "server:\n  interface: 127.0.0.1@{}\n  do-daemonize: no\n  username: \"\"\n  chroot: \"\"\n  directory: \"{folder_name}\"\n  \
         pidfile: \"{folder_name}/unbound.pid\"\n  use-syslog: no\n  do-not-query-localhost: no\n  ede: yes\n  val-log-level: 2\n  \
         module-config: \"validator iterator\"\n  local-zone: \"test.\" nodefault\n  domain-insecure: \"lab.test\"\n",
        resolver.port()
    );
    for anchor in anchors {
        writeln!(unbound, "  trust-anchor: \"{anchor}\"").unwrap();
    }
    // The child too: its NS record leads to port 53, where nobody is, once unbound has learnt it.
    for zone in ["lab", "shop.lab", "signed", "bogus"] {
        writeln!(unbound, "stub-zone:\n  name: \"{zone}.test\"\n  stub-addr: 127.0.0.1@{port}").unwrap();
    }
    // A zone whose server is dead, and one whose server has not got it.
    let dead = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    for (zone, port) in [("dead", dead.local_addr().unwrap().port()), ("refusing", port)] {
        writeln!(unbound, "stub-zone:\n  name: \"{zone}.test\"\n  stub-addr: 127.0.0.1@{port}").unwrap();
    }
    std::fs::write(at.join("unbound.conf"), unbound).unwrap();

    let named = Program::start(Command::new("/usr/sbin/named").args(["-g", "-c"]).arg(at.join("named.conf")));
    named.says(" running");
    let unbound =
        Program::start(Command::new("/usr/sbin/unbound").args(["-d", "-c"]).arg(at.join("unbound.conf")));
    unbound.says("start of service");
    Lab { _folder: folder, _programs: [named, unbound], _dead: dead, authority, resolver }
}

/// What the check says of a name at a server: outcome and diagnosis, and the whole report.
fn check(server: SocketAddr, name: &str, more: &[&str]) -> (String, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_firstcheck"))
        .args(["check", "dns", name, "--json", "--with", &format!("resolvers={server}")])
        .args(more)
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let diagnosis = report["facts"]["diagnosis"].as_str().unwrap_or("-");
    (format!("{} {diagnosis}", report["outcome"].as_str().unwrap()), report)
}

/// The status that `dig` reads, and its extended errors.
fn dig(server: SocketAddr, name: &str) -> String {
    let port = server.port().to_string();
    let output = Command::new("dig").args(["@127.0.0.1", "-p", &port, "+tries=1", name]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "needs bind9 and unbound"]
fn bind_and_unbound_are_judged_as_dig_sees_them() {
    let lab = lab();
    let mut wrong = String::new();
    for (server, name, status, expected) in [
        (lab.authority, "api.lab.test", "NOERROR", "resolves -"),
        (lab.resolver, "api.lab.test", "NOERROR", "resolves -"),
        (lab.authority, "x.wild.lab.test", "NOERROR", "resolves -"),
        (lab.resolver, "x.wild.lab.test", "NOERROR", "resolves -"),
        (lab.resolver, "api.shop.lab.test", "NOERROR", "resolves -"),
        (lab.authority, "txt.lab.test", "NOERROR", "no_records -"),
        (lab.resolver, "txt.lab.test", "NOERROR", "no_records -"),
        (lab.authority, "no.lab.test", "NXDOMAIN", "nxdomain -"),
        (lab.resolver, "no.lab.test", "NXDOMAIN", "nxdomain -"),
        (lab.authority, "pay.lab.test", "NXDOMAIN", "dangling_cname alias_target_missing"),
        (lab.resolver, "pay.lab.test", "NXDOMAIN", "dangling_cname alias_target_missing"),
        (lab.authority, "a.lab.test", "SERVFAIL", "dangling_cname alias_loop"),
        (lab.resolver, "a.lab.test", "SERVFAIL", "dangling_cname alias_loop"),
        (lab.authority, "x.lame.lab.test", "NOERROR", "lame_delegation referral_instead_of_answer"),
        (lab.authority, "elsewhere.test", "REFUSED", "refused -"),
        (lab.authority, "api.signed.test", "NOERROR", "resolves -"),
        (lab.resolver, "api.signed.test", "NOERROR", "resolves -"),
        (lab.resolver, "api.bogus.test", "SERVFAIL", "dnssec_bogus dnssec_bogus"),
        (lab.resolver, "www.refusing.test", "SERVFAIL", "servfail -"),
        (lab.resolver, "refusing.lab.test", "SERVFAIL", "dangling_cname alias_target_fails"),
    ] {
        let seen = dig(server, name);
        let is_witnessed = seen.contains(&format!("status: {status}"));
        let (found, report) = check(server, name, &[]);
        if !is_witnessed || found != expected || report["facts"].get("also").is_some() {
            writeln!(wrong, "{name} at {server}: {expected} expected\n{report:#}\n{seen}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");

    let (_, report) = check(lab.resolver, "api.bogus.test", &[]);
    assert_eq!(report["facts"]["extended_errors"][0]["code"], 6);
    assert!(dig(lab.resolver, "api.bogus.test").contains("EDE: 6 (DNSSEC Bogus)"));
    let (_, report) = check(lab.resolver, "no.lab.test", &[]);
    assert!(report["facts"]["negative_ttl"].as_u64().is_some_and(|left| left <= 60), "{report:#}");
}

#[test]
#[ignore = "needs bind9 and unbound"]
fn an_alias_of_a_name_whose_servers_are_dead_is_dangling_behind_unbound() {
    let lab = lab();
    for name in ["dead1.lab.test", "dead2.lab.test"] {
        let (found, report) = check(lab.resolver, name, &[]);
        assert_eq!(found, "dangling_cname alias_target_fails", "{report:#}");
        assert_eq!(report["facts"]["broken_link"], "www.dead.test", "{report:#}");
    }
}

#[test]
#[ignore = "needs bind9 and unbound"]
fn one_resolver_that_is_silent_beside_a_good_one_is_a_disagreement() {
    let lab = lab();
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let both = format!("resolvers={},{}", lab.resolver, silent.local_addr().unwrap());
    let output = Command::new(env!("CARGO_BIN_EXE_firstcheck"))
        .args(["check", "dns", "api.lab.test", "--json", "--timeout", "1s", "--with", &both])
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["outcome"], "resolvers_disagree", "{report:#}");
}
