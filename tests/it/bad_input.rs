//! What people and networks get wrong, kind by kind: a target that is none, a name that is not there, a port nobody
//! listens on, a server that says nothing. Each ends in time, with the outcome of its row or a message that says what to
//! write, and none in a panic.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use firstcheck::checks::{self, Environment, NotRun, Request, With};
use firstcheck::clock;
use firstcheck::drill::name_server::{NameServer, Zone};
use firstcheck::drill::tls_server::{Fault, TlsServer};
use firstcheck::egress::Policy;
use firstcheck::outcome::{CheckKind, Outcome, Report};

async fn run(
    env: &Environment,
    check: CheckKind,
    target: &str,
    with: &[(&str, &str)],
    timeout: Duration,
) -> Result<Report, NotRun> {
    let with = with.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let request = Request { check, target: target.to_owned(), with: With(with), timeout, now: clock::now() };
    checks::run(env, &request).await
}

fn free() -> Environment {
    Environment::new(Policy::unrestricted())
}

async fn refuse(check: CheckKind, target: &str, with: &[(&str, &str)]) {
    let ran = run(&free(), check, target, with, Duration::from_secs(5)).await;
    let Err(NotRun::Usage(message)) = ran else { panic!("{check} `{target}` {with:?}: {ran:?}") };
    assert!(message.len() > 10, "{check} `{target}`: a message says what to write: {message}");
}

#[tokio::test]
async fn a_target_that_is_none_is_wrong_usage() {
    for target in
        ["", " ", "api.example.com", "api.example.com:", "api.example.com:99999", ":443", "https://"]
    {
        refuse(CheckKind::Tcp, target, &[]).await;
        refuse(CheckKind::Tls, target, &[]).await;
    }
    for target in ["", "not a url", "ftp://example.com/", "http://", "//example.com", "https://exa mple.com/"]
    {
        refuse(CheckKind::Http, target, &[]).await;
        refuse(CheckKind::RateLimit, target, &[]).await;
    }
    refuse(CheckKind::Token, "", &[]).await;
    refuse(CheckKind::Token, "env:", &[]).await;
    refuse(CheckKind::Contract, "request.txt", &[]).await;
    refuse(CheckKind::Deploys, "acme/orders", &[]).await;
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_wrong_usage() {
    refuse(CheckKind::Dns, "api.drill.test", &[("types", "NONSENSE")]).await;
    refuse(CheckKind::Dns, "api.drill.test", &[("resolvers", "somewhere")]).await;
    refuse(CheckKind::Tcp, "127.0.0.1:1", &[("connect_to", "somewhere")]).await;
    refuse(CheckKind::Tls, "127.0.0.1:1", &[("warn_days", "soon")]).await;
    refuse(CheckKind::Tls, "127.0.0.1:1", &[("ca_file", "/nowhere.pem")]).await;
    refuse(CheckKind::Http, "http://127.0.0.1:1/", &[("slow_after", "a while")]).await;
    refuse(CheckKind::Http, "http://127.0.0.1:1/", &[("header.x y", "z")]).await;
    refuse(CheckKind::Http, "http://127.0.0.1:1/", &[("bearer", "env:NOT_SET")]).await;
    refuse(CheckKind::Deploys, "releases.jsonl", &[("at", "yesterday")]).await;
    refuse(CheckKind::Deploys, "releases.jsonl", &[("window", "-5m")]).await;
    refuse(CheckKind::Token, "-", &[("leeway", "x")]).await;
    for kind in CheckKind::ALL {
        refuse(*kind, "127.0.0.1:1", &[("no_such_key", "x")]).await;
    }
}

/// The outcome, within the timeout and a little.
#[track_caller]
fn outcome(ran: Result<Report, NotRun>, what: &str) -> Outcome {
    ran.unwrap_or_else(|error| panic!("{what}: {error}")).outcome
}

#[tokio::test]
async fn a_name_that_is_not_there_is_unresolved() {
    let names =
        NameServer::start(vec![Zone::new("drill.test").a("api", [127, 0, 0, 1].into())]).await.unwrap();
    let env = free().with_resolvers(vec![names.addr()]);
    let five = Duration::from_secs(5);
    for (kind, target) in [
        (CheckKind::Tcp, "gone.drill.test:443"),
        (CheckKind::Tls, "gone.drill.test:443"),
        (CheckKind::Http, "http://gone.drill.test/"),
    ] {
        assert_eq!(outcome(run(&env, kind, target, &[], five).await, target), Outcome::Unresolved, "{kind}");
    }
    let resolver = names.addr().to_string();
    let ran = run(&free(), CheckKind::Dns, "gone.drill.test", &[("resolvers", &resolver)], five).await;
    assert_eq!(outcome(ran, "dns"), Outcome::Nxdomain);
}

async fn closed_port() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn a_port_nobody_listens_on_is_refused_or_unreachable() {
    let addr = closed_port().await;
    let (target, url) = (addr.to_string(), format!("http://{addr}/"));
    let five = Duration::from_secs(5);
    for (kind, target, expected) in [
        (CheckKind::Tcp, &target, Outcome::Refused),
        (CheckKind::Tls, &target, Outcome::Unreachable),
        (CheckKind::Http, &url, Outcome::Unreachable),
    ] {
        assert_eq!(outcome(run(&free(), kind, target, &[], five).await, target), expected, "{kind}");
    }
    // A limiter that cannot be asked has not said anything.
    assert_eq!(outcome(run(&free(), CheckKind::RateLimit, &url, &[], five).await, &url), Outcome::Error);
}

#[tokio::test]
async fn a_server_that_says_nothing_costs_the_timeout_and_no_more() {
    let silent = TlsServer::broken(Fault::Silent).await.unwrap();
    let (target, url) = (silent.addr().to_string(), format!("https://{}/", silent.addr()));
    let timeout = Duration::from_millis(300);
    for (kind, target) in [(CheckKind::Tls, &target), (CheckKind::Http, &url)] {
        let started = Instant::now();
        let found = outcome(run(&free(), kind, target, &[], timeout).await, target);
        assert_eq!(found, Outcome::Timeout, "{kind}");
        assert!(started.elapsed() < timeout * 10, "{kind} took {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn an_address_the_policy_keeps_us_from_is_refused_before_a_packet() {
    let env = Environment::new(Policy::public_only());
    let five = Duration::from_secs(5);
    for (kind, target) in [
        (CheckKind::Tcp, "127.0.0.1:1"),
        (CheckKind::Tls, "169.254.169.254:443"),
        (CheckKind::Http, "http://[::1]:1/"),
        (CheckKind::Http, "http://10.0.0.1/"),
        (CheckKind::RateLimit, "http://192.168.0.1/"),
    ] {
        let ran = run(&env, kind, target, &[], five).await;
        assert!(matches!(ran, Err(NotRun::Refused(_))), "{kind} {target}: {ran:?}");
    }
}
