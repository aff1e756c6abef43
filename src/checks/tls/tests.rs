//! The tls check against real servers on loopback.

use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::checks::{Environment, With};
use crate::drill::pki::{Authority, Identity, Validity};
use crate::drill::tls_server::{self, TlsServer, server_config};
use crate::egress::Policy;

const NAME: &str = "api.drill.test";

/// The servers here verify nothing by date, and the check is told the time.
fn now() -> Timestamp {
    "2026-03-01T10:00:00Z".parse().unwrap()
}

struct World {
    root: Authority,
}

impl World {
    fn new() -> Self {
        Self { root: Authority::new("Drill Root") }
    }

    fn identity(&self) -> Identity {
        self.root.issue(&[NAME], Validity::ordinary(now()))
    }

    async fn check(&self, addr: SocketAddr) -> Report {
        self.check_with(addr, With::default(), Duration::from_secs(5)).await
    }

    async fn check_with(&self, addr: SocketAddr, mut with: With, timeout: Duration) -> Report {
        with.0.insert("connect_to".to_owned(), addr.to_string());
        // Nobody answers names here: what a certificate claims must not reach beyond loopback.
        let env = Environment::new(Policy::unrestricted())
            .with_resolvers(vec!["127.0.0.1:9".parse().unwrap()])
            .with_ca_file(&self.root.pem())
            .unwrap();
        let target = format!("{NAME}:443");
        let request = Request { check: CheckKind::Tls, target, with, timeout, now: now() };
        crate::checks::run(&env, &request).await.unwrap()
    }
}

#[track_caller]
fn expect(report: &Report, outcome: Outcome, diagnosis: Option<&str>) {
    let found = report.facts.get("diagnosis").and_then(|it| it.as_str());
    assert_eq!((report.outcome, found), (outcome, diagnosis), "{report:#?}");
}

#[tokio::test]
async fn a_sound_server_is_valid_with_its_facts() {
    let world = World::new();
    let server = TlsServer::serving(&world.identity()).await.unwrap();
    let report = world.check(server.addr()).await;
    expect(&report, Outcome::Valid, None);
    assert_eq!(report.summary, "certificate is valid for another 60 days (TLSv1.3)");
    assert_eq!(report.facts["alpn"], "http/1.1");
    assert_eq!(report.facts["protocol"], "TLSv1.3");
    assert_eq!(report.facts["server_name"], NAME);
    assert!(report.phases_ms.contains_key("tls"));
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_told_of_a_sound_server() {
    use crate::drill::http_server::{HttpServer, Reply};
    let world = World::new();
    let late = |_| async { Reply::empty(200).header("date", "Sun, 01 Mar 2026 09:50:00 GMT") };
    let server = HttpServer::tls(&world.identity(), late).await.unwrap();
    let report = world.check(server.addr()).await;
    expect(&report, Outcome::Valid, None);
    assert_eq!(report.facts["clock_skew_s"], 600);
}

#[tokio::test]
async fn an_expired_certificate_for_another_name_is_both() {
    let world = World::new();
    let identity = world.root.issue(&["old.drill.test"], Validity::expired(now()));
    let server = TlsServer::serving(&identity).await.unwrap();
    let report = world.check(server.addr()).await;
    expect(&report, Outcome::Expired, None);
    assert_eq!(report.summary, "certificate expired 41 days ago");
    assert_eq!(report.facts["also"], serde_json::json!(["name_mismatch"]));
    assert_eq!(report.facts["days_left"], -41);
}

#[tokio::test]
async fn each_certificate_fault_has_its_outcome() {
    let world = World::new();
    let other = Authority::new("Other Root");
    let half = world.root.intermediate("Drill Intermediate").issue(&[NAME], Validity::ordinary(now()));
    for (identity, outcome) in [
        (world.root.issue(&[NAME], Validity::not_yet(now())), Outcome::NotYetValid),
        (world.root.issue(&["other.test"], Validity::ordinary(now())), Outcome::NameMismatch),
        (other.issue(&[NAME], Validity::ordinary(now())), Outcome::UnknownIssuer),
        (Identity::self_signed(&[NAME], Validity::ordinary(now())), Outcome::SelfSigned),
        (half.without_intermediates(), Outcome::IncompleteChain),
        (world.root.issue(&[NAME], Validity::days(now(), -80, 3)), Outcome::ExpiresSoon),
    ] {
        let server = TlsServer::serving(&identity).await.unwrap();
        assert_eq!(world.check(server.addr()).await.outcome, outcome);
    }
}

/// A chain whose intermediate is not sent, and says that it can be had at this URL.
fn half_chain(root: &Authority, url: &str) -> (Identity, rustls::pki_types::CertificateDer<'static>) {
    // Nothing in its name gives the intermediate away.
    let middle = root.intermediate("Drill Services");
    let der = middle.certificate();
    (middle.issue_with_issuer_url(&[NAME], Validity::ordinary(now()), url).without_intermediates(), der)
}

#[tokio::test]
async fn a_missing_intermediate_is_proved_by_fetching_it() {
    use crate::drill::http_server::{HttpServer, Reply};
    let world = World::new();
    let (stranger, strangers_middle) = half_chain(&Authority::new("Stranger Root"), "http://127.0.0.1:1/");
    drop(stranger);
    let shelf = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let kept = std::sync::Arc::clone(&shelf);
    let server = HttpServer::plain(move |_| {
        let kept = kept.lock().unwrap().clone();
        async move { Reply::bytes(200, "application/pkix-cert", kept) }
    })
    .await
    .unwrap();
    let (identity, middle) = half_chain(&world.root, &server.url("/issuer.der"));
    let tls = TlsServer::serving(&identity).await.unwrap();

    *shelf.lock().unwrap() = middle.to_vec();
    let report = world.check(tls.addr()).await;
    expect(&report, Outcome::IncompleteChain, Some("missing_intermediate"));
    assert_eq!(report.facts["issuers_fetched"], 1);

    // What is fetched and leads nowhere proves the opposite: the guess from the URL alone is dropped.
    *shelf.lock().unwrap() = strangers_middle.to_vec();
    let report = world.check(tls.addr()).await;
    expect(&report, Outcome::UnknownIssuer, Some("untrusted_authority"));

    // Nothing to be had: the URL itself says that there is an issuer below a root.
    *shelf.lock().unwrap() = b"not a certificate".to_vec();
    let report = world.check(tls.addr()).await;
    expect(&report, Outcome::IncompleteChain, Some("missing_intermediate"));
}

#[tokio::test]
async fn a_certificate_for_another_name_is_compared_with_the_one_for_no_name() {
    let world = World::new();
    let server =
        TlsServer::serving(&world.root.issue(&["other.test"], Validity::ordinary(now()))).await.unwrap();
    let report = world.check(server.addr()).await;
    expect(&report, Outcome::NameMismatch, Some("other_name"));
    assert_eq!(report.facts["without_server_name"]["same_certificate"], true);
}

#[tokio::test]
async fn lifetimes_are_told_as_a_fraction() {
    let world = World::new();
    let server = TlsServer::serving(&world.identity()).await.unwrap();
    let facts = world.check(server.addr()).await.facts;
    assert_eq!((&facts["lifetime_days"], &facts["lifetime_left"]), (&90.into(), &0.67.into()));
}

#[tokio::test]
async fn a_fresh_certificate_of_six_days_is_sound_and_its_last_days_are_not() {
    let world = World::new();
    let fresh = world.root.issue(&[NAME], Validity::days(now(), -1, 5));
    let server = TlsServer::serving(&fresh).await.unwrap();
    expect(&world.check(server.addr()).await, Outcome::Valid, None);
    let warned = With::from([("warn_days", "14")]);
    let report = world.check_with(server.addr(), warned, Duration::from_secs(5)).await;
    expect(&report, Outcome::ExpiresSoon, Some("short_lived_certificate"));
    let old = world.root.issue(&[NAME], Validity::days(now(), -5, 1));
    let server = TlsServer::serving(&old).await.unwrap();
    expect(&world.check(server.addr()).await, Outcome::ExpiresSoon, None);
}

#[tokio::test]
async fn what_is_left_of_a_certificate_of_a_day_is_told_in_hours() {
    let world = World::new();
    let server = TlsServer::serving(&world.root.issue(&[NAME], Validity::days(now(), 0, 1))).await.unwrap();
    let report = world.check(server.addr()).await;
    assert_eq!(report.summary, "certificate is valid for another 24 h (TLSv1.3)");
}

#[tokio::test]
async fn warn_days_and_server_name_are_obeyed() {
    let world = World::new();
    let server = TlsServer::serving(&world.identity()).await.unwrap();
    let limit = Duration::from_secs(5);
    let report = world.check_with(server.addr(), With::from([("warn_days", "90")]), limit).await;
    expect(&report, Outcome::ExpiresSoon, None);
    let report = world.check_with(server.addr(), With::from([("server_name", "b.drill.test")]), limit).await;
    expect(&report, Outcome::NameMismatch, Some("other_name"));
}

#[tokio::test]
async fn a_missing_client_certificate_shows_in_both_versions() {
    let world = World::new();
    for versions in [&[&rustls::version::TLS13], &[&rustls::version::TLS12]] {
        let server =
            TlsServer::requiring_client_certificate(&world.identity(), &world.root, versions).await.unwrap();
        let report = world.check(server.addr()).await;
        expect(&report, Outcome::ClientCertRequired, Some("client_certificate_required"));
        assert_eq!(report.facts["client_certificate"], "required");
        assert!(report.facts.contains_key("alert"), "{report:#?}");
    }
}

#[tokio::test]
async fn tls_1_2_is_not_weak() {
    let world = World::new();
    let config = server_config(&world.identity(), &[&rustls::version::TLS12], None).unwrap();
    let server = TlsServer::with_config(config).await.unwrap();
    let report = world.check(server.addr()).await;
    expect(&report, Outcome::Valid, None);
    assert_eq!(report.facts["protocol"], "TLSv1.2");
}

#[tokio::test]
async fn a_server_of_another_protocol_is_checked_without_alpn() {
    let world = World::new();
    let mut config = server_config(&world.identity(), rustls::DEFAULT_VERSIONS, None).unwrap();
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    let server = TlsServer::with_config(config).await.unwrap();
    let report = world.check(server.addr()).await;
    expect(&report, Outcome::Valid, None);
    assert_eq!(report.facts["alpn_refused"], true);
    let with = With::from([("alpn", "h2")]);
    let report = world.check_with(server.addr(), with, Duration::from_secs(5)).await;
    expect(&report, Outcome::HandshakeFailure, Some("no_shared_alpn"));
    assert_eq!(report.facts["alert"], 120);
}

#[tokio::test]
async fn raw_faults_are_told_apart() {
    let world = World::new();
    for (fault, outcome, diagnosis) in [
        (tls_server::Fault::CloseAfterHello, Outcome::HandshakeFailure, "closed_during_handshake"),
        (tls_server::Fault::ResetAfterHello, Outcome::HandshakeFailure, "reset_during_handshake"),
        (tls_server::Fault::Plaintext, Outcome::HandshakeFailure, "plaintext_on_port"),
        (tls_server::Fault::Alert(40), Outcome::HandshakeFailure, "nothing_in_common"),
        (tls_server::Fault::Alert(112), Outcome::HandshakeFailure, "name_not_configured"),
        (tls_server::Fault::Alert(80), Outcome::HandshakeFailure, "alert"),
        (tls_server::Fault::OldProtocol, Outcome::WeakProtocol, "old_version_only"),
    ] {
        let server = TlsServer::broken(fault).await.unwrap();
        let report = world.check(server.addr()).await;
        expect(&report, outcome, Some(diagnosis));
    }
}

#[tokio::test]
async fn an_old_server_is_named_with_its_version() {
    let world = World::new();
    let server = TlsServer::broken(tls_server::Fault::OldProtocol).await.unwrap();
    let report = world.check(server.addr()).await;
    assert_eq!(report.summary, "server speaks nothing newer than TLSv1.0");
    assert_eq!(report.facts["alert_name"], "protocol_version");
}

#[tokio::test]
async fn a_silent_server_is_a_timeout_within_the_deadline() {
    let world = World::new();
    let server = TlsServer::broken(tls_server::Fault::Silent).await.unwrap();
    let report = world.check_with(server.addr(), With::default(), Duration::from_millis(300)).await;
    expect(&report, Outcome::Timeout, Some("silent_after_hello"));
    assert!(report.took_ms < 2000.0);
}

#[tokio::test]
async fn a_closed_port_is_unreachable_and_a_name_without_address_unresolved() {
    let world = World::new();
    let server = TlsServer::broken(tls_server::Fault::Silent).await.unwrap();
    let addr = server.addr();
    drop(server);
    let mut report = world.check_with(addr, With::default(), Duration::from_millis(300)).await;
    while report.outcome == Outcome::Timeout {
        report = world.check_with(addr, With::default(), Duration::from_millis(300)).await;
    }
    expect(&report, Outcome::Unreachable, None);

    let names = crate::drill::name_server::NameServer::start(vec![]).await.unwrap();
    let env = Environment::new(Policy::unrestricted()).with_resolvers(vec![names.addr()]);
    let target = "gone.drill.test:443".to_owned();
    let request = Request {
        check: CheckKind::Tls,
        target,
        with: With::default(),
        timeout: Duration::from_secs(5),
        now: now(),
    };
    let report = crate::checks::run(&env, &request).await.unwrap();
    expect(&report, Outcome::Unresolved, None);
}
