//! The gateway between real callers and really broken upstreams.

use super::*;
use crate::drill::name_server::{NameServer, Zone};
use crate::drill::pki::{Authority, Validity};

fn now() -> jiff::Timestamp {
    crate::clock::now()
}

async fn ask(gateway: &Gateway, headers: &[(&str, &str)]) -> Exchange {
    let env = Environment::new(Policy::unrestricted());
    let url = Url::parse(&gateway.server().url("/v1/orders?page=2")).unwrap();
    let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let ask = Ask { headers, ..Ask::get(url, env.roots.clone()) };
    exchange::exchange(&env, &ask, Instant::now() + Duration::from_secs(5)).await.unwrap()
}

fn header<'a>(exchange: &'a Exchange, name: &str) -> &'a str {
    exchange.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

fn to(server: &HttpServer) -> Setup {
    Setup::to(Url::parse(&server.url("/base")).unwrap())
}

#[tokio::test]
async fn an_answer_is_passed_on_and_signed() {
    let app = HttpServer::plain(|_| async { Reply::text(201, "made").header("x-app", "1") }).await.unwrap();
    let gateway = Gateway::start(to(&app), None).await.unwrap();
    let got = ask(&gateway, &[("authorization", "Bearer x")]).await;
    assert_eq!((got.status, &got.body[..], header(&got, "x-app")), (201, &b"made"[..], "1"));
    assert_eq!(header(&got, "proxy-status"), "edge-gw; received-status=201; next-hop=\"127.0.0.1\"");
    assert_eq!((header(&got, "server"), header(&got, "via")), (NAME, "1.1 edge-gw"));
    let seen = &app.requests()[0];
    assert_eq!(seen.uri.to_string(), "/base/v1/orders?page=2");
    assert_eq!(seen.header("authorization"), Some("Bearer x"));
}

#[tokio::test]
async fn a_stripped_header_never_arrives() {
    let app = HttpServer::plain(|_| async { Reply::empty(204) }).await.unwrap();
    let setup = Setup { strip: vec!["Authorization".to_owned()], ..to(&app) };
    let gateway = Gateway::start(setup, None).await.unwrap();
    ask(&gateway, &[("authorization", "Bearer x"), ("x-kept", "1")]).await;
    let seen = &app.requests()[0];
    assert_eq!((seen.header("authorization"), seen.header("x-kept")), (None, Some("1")));
}

#[track_caller]
fn check_error(got: &Exchange, status: u16, error: &str) {
    assert_eq!(got.status, status);
    assert!(header(got, "proxy-status").contains(&format!("error={error}")), "{:?}", got.headers);
}

#[tokio::test]
async fn a_slow_upstream_is_given_up() {
    let app = HttpServer::plain(|_| async { Reply::Silence }).await.unwrap();
    let setup = Setup { timeout: Duration::from_millis(60), ..to(&app) };
    let gateway = Gateway::start(setup, None).await.unwrap();
    check_error(&ask(&gateway, &[]).await, 504, "http_response_timeout");
}

#[tokio::test]
async fn a_closed_port_and_a_reset_are_told_apart() {
    let app = HttpServer::plain(|_| async { Reply::Reset }).await.unwrap();
    let setup = to(&app);
    let gateway = Gateway::start(setup.clone(), None).await.unwrap();
    check_error(&ask(&gateway, &[]).await, 502, "connection_terminated");

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut closed = setup;
    closed.upstream.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
    drop(listener);
    let gateway = Gateway::start(closed, None).await.unwrap();
    check_error(&ask(&gateway, &[]).await, 502, "connection_refused");
}

#[tokio::test]
async fn an_expired_certificate_upstream_is_a_certificate_error() {
    let authority = Authority::new("Drill Root");
    let names = ["pay.drill.test"];
    let name_server =
        NameServer::start(vec![Zone::new("drill.test").a("pay", [127, 0, 0, 1].into())]).await.unwrap();
    for (validity, status, error) in [
        (Validity::ordinary(now()), 200, "received"),
        (Validity::expired(now()), 502, "tls_certificate_error"),
    ] {
        let identity = authority.issue(&names, validity);
        let vendor = HttpServer::tls(&identity, |_| async { Reply::text(200, "fine") }).await.unwrap();
        let port = vendor.addr().port();
        let setup = Setup {
            ca_pem: Some(authority.pem()),
            resolvers: vec![name_server.addr()],
            ..Setup::to(Url::parse(&format!("https://pay.drill.test:{port}")).unwrap())
        };
        let got = ask(&Gateway::start(setup, None).await.unwrap(), &[]).await;
        if status == 200 { assert_eq!(got.status, 200) } else { check_error(&got, status, error) }
    }
}

#[tokio::test]
async fn a_name_that_is_gone_is_a_dns_error() {
    let name_server = NameServer::start(vec![Zone::new("drill.test")]).await.unwrap();
    let setup = Setup {
        resolvers: vec![name_server.addr()],
        ..Setup::to(Url::parse("http://gone.drill.test:80").unwrap())
    };
    let got = ask(&Gateway::start(setup, None).await.unwrap(), &[]).await;
    check_error(&got, 502, "dns_error");
}

#[tokio::test]
async fn the_limiter_refuses_what_is_over_the_limit() {
    let app = HttpServer::plain(|_| async { Reply::empty(204) }).await.unwrap();
    let limit = Some(Limit { requests: 1, window: Duration::from_mins(1) });
    let gateway = Gateway::start(Setup { limit, ..to(&app) }, None).await.unwrap();
    let first = ask(&gateway, &[]).await;
    assert_eq!((first.status, header(&first, "x-ratelimit-remaining")), (204, "0"));
    let second = ask(&gateway, &[]).await;
    assert_eq!((second.status, header(&second, "retry-after")), (429, "60"));
    assert_eq!(header(&second, "ratelimit"), "\"gateway\";r=0;t=60");
    gateway.limit(None);
    assert_eq!(ask(&gateway, &[]).await.status, 204);
}
