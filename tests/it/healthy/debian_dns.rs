//! Sound names at BIND and behind a validating unbound: signed zones with all that a chain of trust may lead to, and servers' own ways.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use firstcheck::outcome::CheckKind;

use super::debian::run;
use super::{Asked, Table};
use crate::programs::{Program, free_address};
use crate::worlds::Folder;

const HEAD: &str =
    "$TTL 300\n@ IN SOA ns1 admin 2026110101 3600 600 86400 60\n@ NS ns1\nns1 A 127.0.0.1\napi A 127.0.0.1\n";

/// The signed zone: aliases within it and out of it, wildcards, large sets, a signed child and one that is not.
const LAB: &str = "six AAAA ::1\nboth A 127.0.0.1\nboth AAAA ::1\n*.wild A 127.0.0.5\n*.any CNAME api\nshort 0 A 127.0.0.1\n\
    h0 CNAME h1\nh1 CNAME h2\nh2 CNAME h3\nh3 CNAME h4\nh4 CNAME api\nout CNAME api.plain.test.\nold DNAME lab.test.\nx.y.z A 127.0.0.1\n\
    xn--bcher-kva A 127.0.0.1\n_sip._tcp SRV 10 5 5060 api\n@ MX 10 api\n@ TXT \"v=spf1 -all\"\n@ CAA 0 issue \"lab.test\"\n\
    svc HTTPS 1 . alpn=h2\nsvc A 127.0.0.1\nchild NS ns1\nsafe NS ns1\n";

struct Lab {
    _folder: Folder,
    _programs: Vec<Program>,
    /// BIND, an unbound that validates, and one that goes its own ways.
    servers: [SocketAddr; 3],
}

/// Signs a zone file in place; gives the trust anchor. `more` are options of `dnssec-signzone`.
fn sign(folder: &Path, origin: &str, more: &str) -> String {
    let key = run(folder, "dnssec-keygen", &format!("-q -a ECDSAP256SHA256 -f KSK {origin}"));
    run(folder, "dnssec-keygen", &format!("-q -a ECDSAP256SHA256 {origin}"));
    run(folder, "dnssec-signzone", &format!("-q -S {more} -o {origin} -f {origin}.signed {origin}.zone"));
    let text = std::fs::read_to_string(folder.join(format!("{}.key", key.trim()))).unwrap();
    text.lines().find(|line| !line.starts_with(';')).unwrap().to_owned()
}

fn zones(folder: &Path) -> Vec<String> {
    let write = |origin: &str, text: &str| {
        std::fs::write(folder.join(format!("{origin}.zone")), format!("{HEAD}{text}")).unwrap();
    };
    let many: String = (0..60).fold(String::new(), |mut text, n| {
        writeln!(text, "many A 198.51.100.{n}").unwrap();
        text
    });
    write("safe.lab.test", "");
    write("child.lab.test", "deep A 127.0.0.1\n");
    write("plain.test", "api2 CNAME api.lab.test.\n");
    write("optout.test", "open NS ns1\n");
    write("open.optout.test", "");
    let mut anchors = vec![];
    sign(folder, "safe.lab.test", "");
    let ds = std::fs::read_to_string(folder.join("dsset-safe.lab.test.")).unwrap();
    write("lab.test", &format!("{LAB}{many}$ORIGIN .\n{ds}"));
    anchors.push(sign(folder, "lab.test", ""));
    anchors.push(sign(folder, "optout.test", "-3 - -A"));
    anchors
}

fn lab() -> Lab {
    let folder = Folder::new("healthy-dns");
    let at = folder.0.clone();
    let anchors = zones(&at);
    let (authority, validating, odd) = (free_address(), free_address(), free_address());
    let mut named = format!(
        "options {{ directory \"{0}\"; pid-file \"{0}/named.pid\"; recursion no; dnssec-validation no; minimal-responses yes; minimal-any yes;\n\
         max-udp-size 1232; rate-limit {{ responses-per-second 200; slip 1; }}; require-server-cookie yes;\n\
         listen-on port {1} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; }};\ncontrols {{}};\n",
        at.display(),
        authority.port()
    );
    let served = [
        ("lab.test", "signed"),
        ("safe.lab.test", "signed"),
        ("child.lab.test", "zone"),
        ("plain.test", "zone"),
        ("optout.test", "signed"),
        ("open.optout.test", "zone"),
    ];
    for (origin, kind) in served {
        writeln!(named, "zone \"{origin}\" {{ type primary; file \"{origin}.{kind}\"; }};").unwrap();
    }
    std::fs::write(at.join("named.conf"), named).unwrap();
    let unbound = |name: &str, listens: SocketAddr, more: &str| {
        let mut text = format!(
            "server:\n  interface: 127.0.0.1@{}\n  do-daemonize: no\n  username: \"\"\n  chroot: \"\"\n  directory: \"{1}\"\n  pidfile: \"{1}/{name}.pid\"\n  \
             use-syslog: no\n  do-not-query-localhost: no\n  ede: yes\n  module-config: \"validator iterator\"\n  local-zone: \"test.\" nodefault\n  {more}\n",
            listens.port(),
            at.display()
        );
        for anchor in &anchors {
            writeln!(text, "  trust-anchor: \"{anchor}\"").unwrap();
        }
        for (origin, _) in served {
            writeln!(text, "stub-zone:\n  name: \"{origin}\"\n  stub-addr: 127.0.0.1@{}", authority.port())
                .unwrap();
        }
        let path = at.join(format!("{name}.conf"));
        std::fs::write(&path, text).unwrap();
        let program = Program::start(Command::new("/usr/sbin/unbound").args(["-d", "-c"]).arg(path));
        program.says("start of service");
        program
    };
    let named = Program::start(Command::new("/usr/sbin/named").args(["-g", "-c"]).arg(at.join("named.conf")));
    named.says(" running");
    let ways = "use-caps-for-id: yes\n  minimal-responses: no\n  rrset-roundrobin: yes\n  deny-any: yes\n  cache-min-ttl: 5\n  serve-expired: yes\n  \
        local-data: \"intranet. A 10.0.0.7\"\n  max-udp-size: 512\n  val-permissive-mode: yes";
    let programs = vec![named, unbound("validating", validating, ""), unbound("odd", odd, ways)];
    Lab { _folder: folder, _programs: programs, servers: [authority, validating, odd] }
}

const BIND: &[usize] = &[0];
const UNBOUND: &[usize] = &[1];
const ODD: &[usize] = &[2];
const BOTH: &[usize] = &[1, 2];

#[test]
#[ignore = "needs bind9 and unbound"]
fn sound_names_at_bind_and_unbound_resolve() {
    let lab = lab();
    let mut table = Table::new(CheckKind::Dns);
    for (name, target, types, servers) in [
        ("signed, at its authority", "api.lab.test", "", BIND),
        ("signed and validated", "api.lab.test", "", UNBOUND),
        ("signed, at two resolvers", "api.lab.test", "", BOTH),
        ("IPv6 only", "six.lab.test", "", UNBOUND),
        ("both families", "both.lab.test", "", BOTH),
        ("a signed wildcard", "a.b.wild.lab.test", "", UNBOUND),
        ("a signed wildcard, at its authority", "a.b.wild.lab.test", "", BIND),
        ("a wildcard that is an alias", "z.any.lab.test", "", UNBOUND),
        ("a TTL of zero", "short.lab.test", "", UNBOUND),
        ("five aliases, signed", "h0.lab.test", "", UNBOUND),
        ("five aliases, at their authority", "h0.lab.test", "", BIND),
        ("from a signed zone to one that is not", "out.lab.test", "", UNBOUND),
        ("from an unsigned zone to a signed one", "api2.plain.test", "", UNBOUND),
        ("a DNAME", "api.old.lab.test", "", UNBOUND),
        ("a DNAME, at its authority", "api.old.lab.test", "", BIND),
        ("an unsigned child of a signed zone", "api.child.lab.test", "", UNBOUND),
        ("an unsigned child, at its authority", "deep.child.lab.test", "", BIND),
        ("a signed child", "api.safe.lab.test", "", UNBOUND),
        ("NSEC3 with opt-out", "api.optout.test", "", UNBOUND),
        ("an unsigned child below an opt-out", "api.open.optout.test", "", UNBOUND),
        ("a zone without a signature", "api.plain.test", "", BOTH),
        ("sixty signed addresses", "many.lab.test", "", UNBOUND),
        ("sixty signed addresses, at their authority", "many.lab.test", "", BIND),
        ("sixty signed addresses at a resolver that sends 512 bytes", "many.lab.test", "", ODD),
        ("names below empty ones", "x.y.z.lab.test", "", BOTH),
        ("an international name", "bücher.lab.test", "", UNBOUND),
        ("capitals", "API.Lab.TEST.", "", BOTH),
        ("a resolver with its own data", "intranet", "", ODD),
        ("mail", "lab.test", "MX", BOTH),
        ("text", "lab.test", "TXT", BOTH),
        ("who may issue", "lab.test", "CAA", UNBOUND),
        ("a service", "_sip._tcp.lab.test", "SRV", UNBOUND),
        ("an HTTPS record", "svc.lab.test", "A,HTTPS", UNBOUND),
        ("no HTTPS record", "api.lab.test", "A,HTTPS", BOTH),
        ("the servers themselves", "lab.test", "NS,SOA", UNBOUND),
        ("keys", "lab.test", "DNSKEY", UNBOUND),
        ("at a permissive resolver", "api.child.lab.test", "", ODD),
        ("an alias that is asked for as such", "out.lab.test", "CNAME", BOTH),
    ] {
        let at = lab.servers;
        table.row(name, "resolves", async move {
            let asked: Vec<String> = servers.iter().map(|it| at[*it].to_string()).collect();
            let asked = Asked::new(target).with("resolvers", asked.join(","));
            if types.is_empty() { asked } else { asked.with("types", types) }
        });
    }
    table.run();
}
