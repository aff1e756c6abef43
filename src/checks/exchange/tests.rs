//! Exchanges against servers that really break.

use std::time::Duration;

use super::*;
use crate::drill::http_server::{HttpServer, Reply};
use crate::egress::Policy;

fn env() -> Environment {
    Environment::new(Policy::unrestricted())
}

async fn ask(server: &HttpServer, time: Duration) -> Result<Exchange, Failed> {
    let env = env();
    let url = Url::parse(&server.url("/v1/things?page=2")).unwrap();
    let ask = Ask {
        headers: vec![("x-test".to_owned(), "yes".to_owned())],
        max_body: 16,
        ..Ask::get(url, env.roots.clone())
    };
    exchange(&env, &ask, Instant::now() + time).await
}

async fn answered(make: fn() -> Reply) -> Result<Exchange, Failed> {
    let server = HttpServer::plain(move |_| async move { make() }).await.unwrap();
    ask(&server, Duration::from_secs(5)).await
}

#[tokio::test]
async fn an_answer_comes_with_the_time_of_each_phase() {
    let server = HttpServer::plain(|_| async { Reply::text(200, "hello").header("x-a", "1") }).await.unwrap();
    let got = ask(&server, Duration::from_secs(5)).await.unwrap();
    assert_eq!((got.status, got.version, got.ended), (200, "HTTP/1.1", Ended::Whole));
    assert_eq!(&got.body[..], b"hello");
    assert!(got.headers.contains(&("x-a".to_owned(), "1".to_owned())));
    let phases: Vec<_> = got.phases_ms.keys().map(String::as_str).collect();
    assert_eq!(phases, ["connect", "dns", "first_byte", "send", "transfer"]);
    let seen = &server.requests()[0];
    assert_eq!(seen.uri.to_string(), "/v1/things?page=2");
    assert_eq!(seen.header("host"), Some(server.addr().to_string().as_str()));
    assert_eq!(seen.header("x-test"), Some("yes"));
}

#[tokio::test]
async fn a_long_body_is_read_only_in_part() {
    let got = answered(|| Reply::text(200, "0123456789abcdefghij")).await.unwrap();
    assert_eq!((got.ended, &got.body[..]), (Ended::Long, &b"0123456789abcdef"[..]));
}

#[tokio::test]
async fn a_body_that_breaks_off_keeps_its_head() {
    let got = answered(|| Reply::text(200, "0123456789").cut_after(4)).await.unwrap();
    assert_eq!((got.status, got.ended, &got.body[..]), (200, Ended::Cut, &b"0123"[..]));
}

#[tokio::test]
async fn a_reset_is_told_from_silence() {
    let failed = answered(|| Reply::Reset).await.unwrap_err();
    assert!(matches!(failed.error, ExchangeError::Reset(Phase::FirstByte)), "{failed}");
    assert!(failed.addr.is_some() && failed.phases_ms.contains_key("connect"));

    let server = HttpServer::plain(|_| async { Reply::Silence }).await.unwrap();
    let failed = ask(&server, Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(failed.error, ExchangeError::Timeout(Phase::FirstByte)), "{failed}");
}

#[tokio::test]
async fn a_late_answer_takes_its_time_to_the_first_byte() {
    let server =
        HttpServer::plain(|_| async { Reply::empty(200).after(Duration::from_millis(60)) }).await.unwrap();
    let got = ask(&server, Duration::from_secs(5)).await.unwrap();
    assert!(got.phases_ms["first_byte"] >= 55.0, "{:?}", got.phases_ms);
}

/// As `curl --cacert` with OpenSSL, which calls it "certificate has expired" at the depth of the root.
#[tokio::test]
async fn a_chain_to_an_authority_that_has_expired_is_untrusted_until_its_renewal_is_known() {
    use crate::drill::pki::{Authority, Validity};
    use crate::outcome::Outcome;
    let now = crate::clock::now();
    let old = Authority::valid("Drill Root", Validity::expired(now));
    let identity = old.issue(&["127.0.0.1"], Validity::ordinary(now));
    let server = HttpServer::tls(&identity, |_| async { Reply::empty(204) }).await.unwrap();
    let asked = async |env: Environment| {
        let ask = Ask::get(Url::parse(&server.url("/")).unwrap(), env.roots.clone());
        exchange(&env, &ask, Instant::now() + Duration::from_secs(5)).await
    };
    let env = env().with_ca_file(&old.pem()).unwrap();
    let failed = asked(env.clone()).await.unwrap_err();
    let ExchangeError::Untrusted(untrusted) = failed.error else { panic!("{failed:?}") };
    assert_eq!((untrusted.kind, untrusted.diagnosis), (Outcome::Expired, Some("authority_expired")));
    assert_eq!(untrusted.facts["authority"]["subject"], "CN=Drill Root");
    let renewed = old.renewed("Drill Root", Validity::ordinary(now)).pem();
    assert_eq!(asked(env.with_ca_file(&renewed).unwrap()).await.unwrap().status, 204);
}
