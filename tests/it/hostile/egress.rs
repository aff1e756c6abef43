//! The addresses that the policy forbids, by every road that leads there. Each row has a server that nobody may reach.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};

use firstcheck::clock;
use firstcheck::drill::pki::{Authority, Validity};
use firstcheck::egress::Policy;
use firstcheck::outcome::CheckKind;
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record};
use tokio::net::UdpSocket;

use super::name_server::{Names, OverTcp};
use super::names;
use super::server::{Server, answer, headed};
use super::tls::presenting;
use super::trial::{Row, Trial, row};

/// The one address that the policy allows; the forbidden one is its neighbour.
const ALLOWED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

fn policy() -> Policy {
    Policy::allowing(&["127.0.0.2"]).unwrap()
}

/// Where nobody may go.
fn forbidden() -> Server {
    Server::start(|mut connection| async move {
        if connection.request().await {
            connection.say(&answer(200, "application/json", "{\"status\": \"ok\", \"keys\": []}")).await;
        }
    })
}

fn allowed(bytes: Vec<u8>) -> Server {
    Server::at(ALLOWED.into(), move |mut connection| {
        let bytes = bytes.clone();
        async move {
            if connection.request().await {
                connection.say(&bytes).await;
                connection.leave().await;
            }
        }
    })
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = spellings();
    rows.extend(redirects());
    rows.extend(documents());
    rows.extend(names());
    rows
}

/// A host that stands for this machine.
fn spelt(name: &'static str, host: &'static str) -> Row {
    use CheckKind::{Cors, Deadline, Http, Metrics, RateLimit, StatusPage, Tcp, Tls};
    row(name, async move {
        let forbidden = forbidden();
        let port = forbidden.addr().port();
        for kind in [Http, RateLimit, Cors, StatusPage, Metrics, Deadline] {
            let trial = Trial::new(kind, format!("http://{host}:{port}/")).under(Policy::public_only());
            let trial = if kind == Cors { trial.with("origin", "https://app.example") } else { trial };
            // `localhost.` is a name that some resolvers do not know.
            let expected: &[&str] = if host == "localhost." {
                &["refused", "unresolved", "error", "unreachable", "preflight_rejected"]
            } else {
                &["refused"]
            };
            trial.ends(expected).await.map_err(|why| format!("{kind}: {why}"))?;
        }
        for kind in [Tcp, Tls] {
            let trial = Trial::new(kind, format!("{host}:{port}")).under(Policy::public_only());
            // What is no name to a resolver reaches nobody either.
            trial.ends(&["refused", "unresolved", "usage"]).await.map_err(|why| format!("{kind}: {why}"))?;
        }
        forbidden.saw_nobody()
    })
}

fn spellings() -> Vec<Row> {
    vec![
        spelt("an address in decimal", "2130706433"),
        spelt("an address in hexadecimal", "0x7f000001"),
        spelt("an address in octal", "017700000001"),
        spelt("an address of two parts", "127.1"),
        spelt("an address of mixed parts", "0x7f.0.0.1"),
        spelt("the address of any machine", "0.0.0.0"),
        spelt("zero", "0"),
        spelt("localhost", "localhost"),
        spelt("localhost with a dot", "localhost."),
        spelt("an IPv4 address in IPv6 clothes", "[::ffff:127.0.0.1]"),
        spelt("an old IPv4 address in IPv6 clothes", "[::127.0.0.1]"),
        spelt("the address of any machine in IPv6", "[::]"),
        spelt("an address in full-width digits", "１２７.０.０.１"),
        row("the loopback address of IPv6", async {
            let forbidden = Server::at(Ipv6Addr::LOCALHOST.into(), |_| async {});
            let target = format!("http://{}/", forbidden.addr());
            Trial::new(CheckKind::Http, target).under(policy()).ends(&["refused"]).await?;
            forbidden.saw_nobody()
        }),
        row("an address given as `connect_to`", async {
            let forbidden = forbidden();
            let at = forbidden.addr().to_string();
            for kind in [CheckKind::Http, CheckKind::RateLimit, CheckKind::Cors] {
                let trial =
                    Trial::new(kind, "http://api.example.com/").with("connect_to", &at).under(policy());
                let trial =
                    if kind == CheckKind::Cors { trial.with("origin", "https://app.example") } else { trial };
                trial.ends(&["refused"]).await?;
            }
            for kind in [CheckKind::Tcp, CheckKind::Tls] {
                let trial = Trial::new(kind, "api.example.com:443").with("connect_to", &at).under(policy());
                trial.ends(&["refused"]).await?;
            }
            forbidden.saw_nobody()
        }),
        row("an address that is to be the control", async {
            let forbidden = forbidden();
            let silent = Server::at(ALLOWED.into(), |mut connection| async move { connection.wait().await });
            let trial = Trial::new(CheckKind::Http, silent.url("/")).under(policy());
            trial.controlled_by(&forbidden.addr().to_string()).ends(&["timeout"]).await?;
            forbidden.saw_nobody()
        }),
        row("an address given as `resolvers`", async {
            let names = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let at = names.local_addr().unwrap().to_string();
            Trial::new(CheckKind::Dns, "api.example.com")
                .with("resolvers", at)
                .under(policy())
                .ends(&["refused"])
                .await?;
            match names.try_recv(&mut [0; 512]) {
                Err(_) => Ok(()),
                Ok(size) => Err(format!("the forbidden name server was sent {size} bytes")),
            }
        }),
    ]
}

/// A page that leads to this place: `PORT` stands for the forbidden server's.
fn led(name: &'static str, to: &'static str) -> Row {
    row(name, async move {
        let forbidden = forbidden();
        let to = to.replace("PORT", &forbidden.addr().port().to_string());
        let server = allowed(headed(302, &format!("location: {to}\r\n")));
        for (kind, expected) in [
            (CheckKind::Http, &["ok", "refused"][..]),
            (CheckKind::RateLimit, &["no_headers", "refused", "error"][..]),
            (CheckKind::StatusPage, &["unreachable", "refused"][..]),
            (CheckKind::Metrics, &["error", "refused"][..]),
            (CheckKind::Deadline, &["within", "error", "refused", "usage"][..]),
        ] {
            let trial = Trial::new(kind, server.url("/start")).under(policy());
            trial.ends(expected).await.map_err(|why| format!("{kind}: {why}"))?;
        }
        forbidden.saw_nobody()?;
        server.saw_somebody()
    })
}

fn redirects() -> Vec<Row> {
    vec![
        led("a redirect to a neighbour", "http://127.0.0.1:PORT/"),
        led("a redirect to localhost with a dot", "http://localhost.:PORT/"),
        led("a redirect to an address in decimal", "http://2130706433:PORT/"),
        led("a redirect to an address in hexadecimal", "http://0x7f000001:PORT/"),
        led("a redirect to any machine", "http://0.0.0.0:PORT/"),
        led("a redirect to IPv6's loopback", "http://[::1]:PORT/"),
        led("a redirect to a mapped address", "http://[::ffff:127.0.0.1]:PORT/"),
        led("a redirect without a scheme", "//127.0.0.1:PORT/"),
        led("a redirect with a name in front", "http://127.0.0.2@127.0.0.1:PORT/"),
        led("a redirect with a backslash", "http:\\\\127.0.0.1:PORT\\"),
        led("a redirect to a cloud's metadata", "http://169.254.169.254/latest/meta-data/"),
        led("a redirect to a cloud's metadata in decimal", "http://2852039166/latest/meta-data/"),
        led("a redirect to a file", "file:///etc/passwd"),
        led("a redirect to gopher", "gopher://127.0.0.1:PORT/_GET"),
    ]
}

fn documents() -> Vec<Row> {
    vec![
        row("a key set at a forbidden address", async {
            let forbidden = forbidden();
            let trial =
                Trial::new(CheckKind::Token, "-").given("eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.e30.AAAA");
            trial.with("jwks", forbidden.url("/keys")).under(policy()).ends(&["refused", "error"]).await?;
            forbidden.saw_nobody()
        }),
        row("an issuer whose metadata names a key set at a forbidden address", async {
            let forbidden = forbidden();
            let metadata = format!("{{\"jwks_uri\": \"{}\"}}", forbidden.url("/keys"));
            let server = allowed(answer(200, "application/json", metadata));
            let trial =
                Trial::new(CheckKind::Token, "-").given("eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.e30.AAAA");
            trial.with("jwks", server.url("/")).under(policy()).ends(&["refused", "error"]).await?;
            server.saw_somebody()?;
            forbidden.saw_nobody()
        }),
        row("a description at a forbidden address", async {
            let forbidden = forbidden();
            let trial = Trial::new(CheckKind::Contract, "GET /orders 500")
                .with("spec", forbidden.url("/openapi.json"));
            trial.under(policy()).ends(&["refused"]).await?;
            forbidden.saw_nobody()
        }),
        row("a description that refers to a forbidden address", async {
            let forbidden = forbidden();
            let spec = format!(
                "{{\"openapi\": \"3.1.0\", \"paths\": {{\"/orders\": {{\"$ref\": \"{}\"}}}}}}",
                forbidden.url("/a.json")
            );
            let server = allowed(answer(200, "application/json", spec));
            let trial =
                Trial::new(CheckKind::Contract, "GET /orders 500").with("spec", server.url("/openapi.json"));
            trial
                .under(policy())
                .ends(&["matches", "method_not_allowed", "unknown_path", "error", "refused"])
                .await?;
            server.saw_somebody()?;
            forbidden.saw_nobody()
        }),
        row("a page that links to a forbidden address", async {
            let forbidden = forbidden();
            let link = format!(
                "<html><link rel=\"alternate\" type=\"application/json\" href=\"{}\">",
                forbidden.url("/summary.json")
            );
            let server = allowed(answer(200, "text/html", link));
            let trial = Trial::new(CheckKind::StatusPage, server.url("/")).under(policy());
            trial.ends(&["refused", "unreachable"]).await?;
            forbidden.saw_nobody()
        }),
        row("a certificate whose issuer is at a forbidden address", async {
            let forbidden = forbidden();
            let authority = Authority::new("Nobody's Root").intermediate("Nobody's Issuing");
            let validity = Validity::ordinary(clock::now());
            let identity = authority
                .issue_with_issuer_url(&["127.0.0.2"], validity, &forbidden.url("/issuer.der"))
                .without_intermediates();
            let server = presenting(ALLOWED.into(), identity.chain.clone(), &identity);
            let trial = Trial::new(CheckKind::Tls, server.addr().to_string()).under(policy());
            trial.ends(&["unknown_issuer", "incomplete_chain"]).await?;
            let trial = Trial::new(CheckKind::Http, server.secure_url("/")).under(policy());
            trial.ends(&["untrusted"]).await?;
            forbidden.saw_nobody()
        }),
    ]
}

/// A name whose address is this one at first and the forbidden one ever after.
async fn rebinding(first: usize) -> Names {
    let count = AtomicUsize::new(0);
    let packets = move |query: &hickory_proto::op::Message, _: &[u8]| {
        let mut reply = names::reply(query);
        if names::asks_for_addresses(query) {
            let is_first = count.fetch_add(1, Ordering::SeqCst) < first;
            let ip = if is_first { ALLOWED } else { Ipv4Addr::LOCALHOST };
            let asked = query.queries[0].name().clone();
            reply.add_answer(Record::from_rdata(asked, 0, RData::A(A(ip))));
        }
        vec![names::bytes(&reply)]
    };
    Names::start(packets, OverTcp::Same).await
}

/// A forbidden and an allowed server on one port; the allowed one leads to itself again and again.
fn neighbours() -> (Server, Server) {
    let forbidden = forbidden();
    let at = SocketAddr::new(ALLOWED.into(), forbidden.addr().port());
    let count = AtomicUsize::new(0);
    let server = Server::on(at, move |mut connection| {
        let next = count.fetch_add(1, Ordering::SeqCst);
        async move {
            if connection.request().await {
                connection.say(&headed(302, &format!("location: /{next}\r\n"))).await;
                connection.leave().await;
            }
        }
    });
    (forbidden, server)
}

fn names() -> Vec<Row> {
    let rebinds = |name, kind, expected: &'static [&'static str]| {
        row(name, async move {
            let (forbidden, server) = neighbours();
            let names = rebinding(1).await;
            let target = format!("http://api.hostile.test:{}/", forbidden.addr().port());
            Trial::new(kind, target).under(policy()).resolved_by(names.addr).ends(expected).await?;
            server.saw_somebody()?;
            forbidden.saw_nobody()
        })
    };
    vec![
        rebinds("a name that moves between two redirects of http", CheckKind::Http, &["refused"]),
        rebinds(
            "a name that moves between two requests of a status page",
            CheckKind::StatusPage,
            &["refused", "unreachable"],
        ),
        rebinds(
            "a name that moves between two requests of metrics",
            CheckKind::Metrics,
            &["refused", "error"],
        ),
        row("a name that moves while TLS is looked into", async {
            let forbidden = forbidden();
            // Silence makes the check try variants, each on a connection of its own.
            let at = SocketAddr::new(ALLOWED.into(), forbidden.addr().port());
            let server = Server::on(at, |mut connection| async move {
                let mut read = Vec::new();
                connection.hears(&mut read).await;
            });
            let names = rebinding(1).await;
            let target = format!("api.hostile.test:{}", at.port());
            let trial = Trial::new(CheckKind::Tls, target).under(policy()).resolved_by(names.addr);
            trial.ends(&["handshake_failure", "timeout", "unreachable", "error", "unresolved"]).await?;
            server.saw_somebody()?;
            forbidden.saw_nobody()
        }),
        row("a name that is at both addresses", async {
            let (forbidden, server) = neighbours();
            let names = Names::start(
                |query, _| {
                    let mut reply = names::reply(query);
                    if names::asks_for_addresses(query) {
                        for ip in [Ipv4Addr::LOCALHOST, ALLOWED] {
                            let asked = query.queries[0].name().clone();
                            reply.add_answer(Record::from_rdata(asked, 0, RData::A(A(ip))));
                        }
                    }
                    vec![names::bytes(&reply)]
                },
                OverTcp::Same,
            )
            .await;
            let port = forbidden.addr().port();
            for (kind, target) in [
                (CheckKind::Tcp, format!("api.hostile.test:{port}")),
                (CheckKind::Tls, format!("api.hostile.test:{port}")),
                (CheckKind::Http, format!("http://api.hostile.test:{port}/")),
                (CheckKind::StatusPage, format!("http://api.hostile.test:{port}/")),
            ] {
                let trial = Trial::new(kind, target).under(policy()).resolved_by(names.addr);
                trial
                    .ends(&[
                        "connects",
                        "handshake_failure",
                        "redirect_loop",
                        "unreachable",
                        "refused",
                        "timeout",
                        "error",
                    ])
                    .await
                    .map_err(|why| format!("{kind}: {why}"))?;
            }
            server.saw_somebody()?;
            forbidden.saw_nobody()
        }),
    ]
}
