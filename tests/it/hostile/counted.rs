//! Counted at the server: how many connections at a time, how many requests, which methods, and when.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use firstcheck::checks::{self, Budget, Environment, Request, With};
use firstcheck::clock;
use firstcheck::egress::Policy;
use firstcheck::outcome::{CheckKind, Outcome};
use futures_util::future::join_all;

use super::server::{Connection, Server, answer, headed};
use super::trial::{AUTHORITY, IDENTITY, environment};

/// What a server saw.
#[derive(Default)]
struct Seen {
    /// The heads of its requests, and when they came.
    heads: Mutex<Vec<(String, Instant)>>,
    /// The most connections that were open at one time, as its own kernel counts them.
    most: AtomicUsize,
}

/// The clients whose connections to this port are established at both ends: one that has closed its socket is not among them.
fn established(port: u16) -> BTreeSet<String> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!(":{port:04X}");
    let lines = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.filter(|it| it[1].ends_with(&local) && it[3] == "01").map(|it| it[2].to_owned()).collect()
}

impl Seen {
    fn count(&self, port: u16) {
        // The table changes while it is read: who stands in it twice was there at the moment between.
        let at_once = established(port).intersection(&established(port)).count();
        self.most.fetch_max(at_once, Ordering::SeqCst);
    }

    fn heads(&self) -> Vec<(String, Instant)> {
        self.heads.lock().unwrap().clone()
    }

    /// Reads a request, and answers it after everybody else has had a turn.
    async fn serve<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
        &self,
        mut connection: Connection<S>,
        port: u16,
        said: &[u8],
    ) {
        self.count(port);
        let mut head = Vec::new();
        while !head.windows(4).any(|it| it == b"\r\n\r\n") {
            if !connection.hears(&mut head).await {
                return;
            }
        }
        self.heads.lock().unwrap().push((String::from_utf8_lossy(&head).into_owned(), Instant::now()));
        // Whoever else may come has come by then.
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        self.count(port);
        connection.say(said).await;
        connection.leave().await;
    }
}

/// A server that answers this, over TLS or plain, and what it sees.
fn counting(is_tls: bool, said: Vec<u8>) -> (Server, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let watching = Arc::clone(&seen);
    let port = Arc::new(std::sync::OnceLock::new());
    let known = Arc::clone(&port);
    let server = if is_tls {
        Server::behind_tls(&IDENTITY, &["http/1.1"], move |connection| {
            let (seen, said, port) = (Arc::clone(&watching), said.clone(), Arc::clone(&known));
            async move { seen.serve(connection, *port.get().unwrap(), &said).await }
        })
    } else {
        Server::start(move |connection| {
            let (seen, said, port) = (Arc::clone(&watching), said.clone(), Arc::clone(&known));
            async move { seen.serve(connection, *port.get().unwrap(), &said).await }
        })
    };
    port.set(server.addr().port()).unwrap();
    (server, seen)
}

/// The checks of a runbook at one host, as an incident asks them.
fn runbook(server: &Server, scheme: &str) -> Vec<Request> {
    let (place, url) = (server.addr().to_string(), format!("{scheme}://{}", server.addr()));
    let check = |check, target: String, with: &[(&str, &str)]| Request {
        check,
        target,
        with: With(with.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()),
        timeout: Duration::from_secs(20),
        now: clock::now(),
    };
    let mut all = vec![
        check(CheckKind::Tcp, place.clone(), &[]),
        check(CheckKind::Http, format!("{url}/v1/orders"), &[]),
        check(CheckKind::RateLimit, format!("{url}/v1/orders"), &[]),
        check(
            CheckKind::Cors,
            format!("{url}/v1/orders"),
            &[("origin", "https://app.example"), ("headers", "authorization")],
        ),
        check(CheckKind::Deadline, format!("{url}/v1/reports"), &[("client", "30s")]),
        check(CheckKind::StatusPage, format!("{url}/summary.json"), &[]),
        check(CheckKind::Metrics, url.clone(), &[("query", "up")]),
        check(
            CheckKind::Contract,
            "GET /v1/orders 500".to_owned(),
            &[("spec", &format!("{url}/openapi.json"))],
        ),
    ];
    if scheme == "https" {
        all.push(check(CheckKind::Tls, place, &[]));
    }
    all
}

/// Three incidents look at the same host at once; each runs its runbook.
async fn three_incidents(env: &Environment, server: &Server, scheme: &str) -> usize {
    let requests: Vec<Request> = (0..3).flat_map(|_| runbook(server, scheme)).collect();
    let count = requests.len();
    let running = requests.into_iter().map(|request| {
        let env = env.clone();
        tokio::spawn(async move { checks::run(&env, &request).await.unwrap() })
    });
    for report in join_all(running).await {
        let report = report.unwrap();
        assert_ne!(report.outcome, Outcome::Timeout, "{report:?}");
    }
    count
}

fn free() -> Environment {
    environment(Policy::unrestricted()).with_ca_file(&AUTHORITY.pem()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_incidents_at_one_host_open_two_connections_at_a_time_and_say_who_they_are() {
    for scheme in ["http", "https"] {
        let (server, seen) = counting(scheme == "https", answer(200, "application/json", "{}"));
        let checks = three_incidents(&free(), &server, scheme).await;
        let most = seen.most.load(Ordering::SeqCst);
        assert!((1..=2).contains(&most), "{scheme}: {most} connections at a time");
        let heads = seen.heads();
        assert!(
            heads.len() >= checks / 2 && heads.len() <= 60,
            "{scheme}: {} requests of {checks} checks",
            heads.len()
        );
        for (head, _) in heads {
            let method = head.split(' ').next().unwrap();
            assert!(matches!(method, "GET" | "HEAD" | "OPTIONS"), "{head}");
            let lower = head.to_ascii_lowercase();
            assert!(lower.contains("user-agent: firstcheck/"), "{head}");
            assert!(lower.contains("traceparent: 00-"), "{head}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_lifts_the_budget_gets_more_connections_so_the_count_can_count() {
    let (server, seen) = counting(false, answer(200, "application/json", "{}"));
    let env = free().with_budget(Budget::new(Some(1000), Some(1000), None));
    three_incidents(&env, &server, "http").await;
    let most = seen.most.load(Ordering::SeqCst);
    assert!(most > 2, "{most} connections at a time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_gets_no_more_connections_than_its_budget() {
    let (server, seen) = counting(false, answer(200, "application/json", "{}"));
    // Nothing comes back into the bucket within the checks' time.
    let env = free().with_budget(Budget::new(Some(5), Some(1), None));
    let requests: Vec<Request> = runbook(&server, "http")
        .into_iter()
        .cycle()
        .take(24)
        .map(|request| Request { timeout: Duration::from_millis(500), ..request })
        .collect();
    let started = Instant::now();
    let reports = join_all(requests.iter().map(|request| checks::run(&env, request))).await;
    let earned = usize::try_from(started.elapsed().as_secs()).unwrap() + 1;
    let heads = seen.heads().len();
    assert!(heads <= 5 + earned, "{heads} requests");
    let not_run = reports.iter().filter(|it| it.as_ref().unwrap().outcome == Outcome::Error).count();
    assert!(not_run > 0, "who comes too late is told so and not answered for");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_asks_again_before_the_time_that_a_limiter_named_has_passed() {
    let (server, seen) = counting(false, headed(429, "retry-after: 1\r\n"));
    let env = free();
    let ask = |request: Request| {
        let env = env.clone();
        async move { checks::run(&env, &request).await.unwrap() }
    };
    // The first is answered; all others, of whatever kind, come after it and within its second.
    let first = Request { check: CheckKind::Http, ..runbook(&server, "http").swap_remove(1) };
    assert_eq!(ask(first.clone()).await.outcome, Outcome::Limited);
    let answered = seen.heads();
    assert_eq!(answered.len(), 1);
    loop {
        for request in runbook(&server, "http").into_iter().filter(|it| it.check != CheckKind::Tcp) {
            ask(request).await;
        }
        let heads = seen.heads();
        if let [(_, first), (again, next), ..] = heads.as_slice() {
            assert!(next.duration_since(*first) >= Duration::from_secs(1), "{again}");
            break;
        }
    }
}
