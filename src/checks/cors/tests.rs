//! Preflights and answers, judged as a browser does.

use std::time::Duration;

use super::*;
use crate::checks::{self, With};
use crate::drill::http_server::{HttpServer, Reply};
use crate::egress::Policy;

const ORIGIN: (&str, &str) = ("access-control-allow-origin", "https://app.example.com");

#[track_caller]
fn check(status: u16, headers: &[(&str, &str)], outcome: Outcome, diagnosis: &str) {
    let call = Call {
        origin: "https://app.example.com".to_owned(),
        method: "PUT".to_owned(),
        headers: vec!["authorization".to_owned(), "content-type".to_owned()],
        with_credentials: false,
    };
    let headers: Vec<_> = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let got = judge(&call, &Answer::new(status, "api.example.com", &headers, b""));
    let told = got.facts.get("diagnosis").and_then(Value::as_str).unwrap_or_default();
    assert_eq!((got.outcome, told), (outcome, diagnosis), "{got:?}");
}

#[test]
fn a_preflight_that_allows_everything_is_ok() {
    let headers = [
        ORIGIN,
        ("access-control-allow-methods", "GET, PUT"),
        ("access-control-allow-headers", "Content-Type,Authorization"),
    ];
    check(204, &headers, Outcome::Ok, "");
    check(200, &[("access-control-allow-origin", "*"), headers[1], headers[2]], Outcome::Ok, "");
}

#[test]
fn a_preflight_outside_2xx_is_rejected_for_what_answers_it() {
    check(401, &[ORIGIN], Outcome::PreflightRejected, "auth_answers_preflight");
    check(405, &[], Outcome::PreflightRejected, "no_options_route");
    check(307, &[], Outcome::PreflightRejected, "preflight_redirects");
    check(500, &[], Outcome::PreflightRejected, "preflight_fails");
}

#[test]
fn a_star_does_not_cover_authorization() {
    let methods = ("access-control-allow-methods", "*");
    let star = ("access-control-allow-headers", "*");
    check(
        204,
        &[ORIGIN, methods, star],
        Outcome::AuthorizationNotAllowed,
        "wildcard_does_not_cover_authorization",
    );
    let some = ("access-control-allow-headers", "content-type");
    check(204, &[ORIGIN, methods, some], Outcome::AuthorizationNotAllowed, "authorization_not_listed");
    let other = ("access-control-allow-headers", "authorization");
    check(204, &[ORIGIN, methods, other], Outcome::PreflightRejected, "header_not_allowed");
    check(204, &[ORIGIN, methods], Outcome::AuthorizationNotAllowed, "authorization_not_listed");
}

#[test]
fn an_origin_must_be_echoed_exactly_and_once() {
    let rest = [
        ("access-control-allow-methods", "PUT"),
        ("access-control-allow-headers", "authorization, content-type"),
    ];
    let with = |origin| [("access-control-allow-origin", origin), rest[0], rest[1]];
    check(204, &rest, Outcome::OriginNotAllowed, "origin_missing");
    check(204, &with("https://app.example.com/"), Outcome::OriginNotAllowed, "other_origin");
    check(204, &with("null"), Outcome::OriginNotAllowed, "other_origin");
    check(204, &with("https://a.example, https://b.example"), Outcome::OriginNotAllowed, "several_origins");
    check(204, &[ORIGIN, ORIGIN, rest[0], rest[1]], Outcome::OriginNotAllowed, "several_origins");
}

#[test]
fn a_method_must_be_listed_unless_it_is_simple() {
    let headers = [ORIGIN, ("access-control-allow-headers", "authorization, content-type")];
    check(204, &headers, Outcome::PreflightRejected, "method_not_allowed");
}

#[test]
fn with_credentials_no_star_counts_and_the_answer_must_say_true() {
    let call = Call {
        origin: "https://app.example.com".to_owned(),
        method: "PUT".to_owned(),
        headers: vec!["x-a".to_owned()],
        with_credentials: true,
    };
    let told = |headers: &[(&str, &str)]| {
        let headers: Vec<_> = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let got = judge(&call, &Answer::new(204, "api.example.com", &headers, b""));
        (got.outcome, got.facts.get("diagnosis").map(|it| it.as_str().unwrap().to_owned()))
    };
    let methods = |it| ("access-control-allow-methods", it);
    let names = |it| ("access-control-allow-headers", it);
    let credentials = |it| ("access-control-allow-credentials", it);
    let is = |outcome, diagnosis: &str| (outcome, Some(diagnosis.to_owned()));
    let good = [ORIGIN, methods("PUT"), names("x-a"), credentials("true")];
    assert_eq!(told(&good), (Outcome::Ok, None));
    assert_eq!(
        told(&[ORIGIN, methods("PUT"), names("x-a")]),
        is(Outcome::OriginNotAllowed, "credentials_not_allowed")
    );
    assert_eq!(
        told(&[good[0], good[1], good[2], credentials("True")]),
        is(Outcome::OriginNotAllowed, "credentials_not_allowed")
    );
    assert_eq!(
        told(&[("access-control-allow-origin", "*"), good[1], good[2], good[3]]),
        is(Outcome::OriginNotAllowed, "wildcard_with_credentials")
    );
    assert_eq!(
        told(&[ORIGIN, methods("*"), good[2], good[3]]),
        is(Outcome::PreflightRejected, "wildcard_with_credentials")
    );
    assert_eq!(
        told(&[ORIGIN, good[1], names("*"), good[3]]),
        is(Outcome::PreflightRejected, "wildcard_with_credentials")
    );
}

#[test]
fn methods_are_case_sensitive_and_a_list_must_be_one() {
    let names = ("access-control-allow-headers", "authorization, content-type");
    check(
        204,
        &[ORIGIN, names, ("access-control-allow-methods", "put")],
        Outcome::PreflightRejected,
        "method_in_another_case",
    );
    let bad = ("access-control-allow-headers", "authorization; content-type");
    check(
        204,
        &[ORIGIN, ("access-control-allow-methods", "PUT"), bad],
        Outcome::PreflightRejected,
        "malformed_list",
    );
}

async fn page_wants(
    headers: &str,
    reply: impl Fn(&Method) -> Reply + Send + Sync + 'static,
) -> (Report, Vec<String>) {
    let server = HttpServer::plain(move |asked: hyper::Request<Bytes>| {
        let reply = reply(asked.method());
        async move { reply }
    })
    .await
    .unwrap();
    let request = Request {
        check: CheckKind::Cors,
        target: server.url("/v1/orders"),
        with: With::from([("origin", "https://app.example.com"), ("headers", headers)]),
        timeout: Duration::from_secs(2),
        now: crate::clock::now(),
    };
    let report = checks::run(&Environment::new(Policy::unrestricted()), &request).await.unwrap();
    (report, server.requests().iter().map(|it| it.method.to_string()).collect())
}

#[tokio::test]
async fn the_answer_itself_must_pass_too_unless_it_is_an_error() {
    let allowing = |reply: Reply| {
        reply
            .header("access-control-allow-origin", "https://app.example.com")
            .header("access-control-allow-headers", "authorization")
    };
    let (report, asked) = page_wants("authorization", move |_| allowing(Reply::empty(204))).await;
    assert_eq!((report.outcome, asked), (Outcome::Ok, vec!["OPTIONS".to_owned(), "GET".to_owned()]));
    assert_eq!(report.facts["vary_lacks_origin"], true);
    let only = move |status: u16| {
        move |method: &Method| {
            if method == Method::OPTIONS { allowing(Reply::empty(204)) } else { Reply::empty(status) }
        }
    };
    // Without the page's token the answer may be another one.
    let (report, _) = page_wants("authorization", only(200)).await;
    assert_eq!(
        (report.outcome, &report.facts["answer_without_credentials"]),
        (Outcome::Ok, &json!("origin_missing"))
    );
    let (report, _) = page_wants("accept", only(200)).await;
    assert_eq!(
        (report.outcome, &report.facts["diagnosis"]),
        (Outcome::OriginNotAllowed, &json!("answer_origin_missing"))
    );
    let (report, _) = page_wants("accept", only(401)).await;
    assert_eq!((report.outcome, &report.facts["hidden_from_the_page"]), (Outcome::Ok, &json!(true)));
}

#[tokio::test]
async fn the_preflight_is_a_browsers() {
    let server = HttpServer::plain(|_| async {
        Reply::empty(204)
            .header("access-control-allow-origin", "https://app.example.com")
            .header("access-control-allow-headers", "x-b,content-type,authorization")
    })
    .await
    .unwrap();
    let with = With::from([
        ("origin", "https://app.example.com/page"),
        ("method", "post"),
        ("headers", "X-B, Content-Type,Authorization,accept"),
    ]);
    let mut request = Request {
        check: CheckKind::Cors,
        target: server.url("/v1/orders"),
        with,
        timeout: Duration::from_secs(2),
        now: crate::clock::now(),
    };
    let env = Environment::new(Policy::unrestricted());
    let report = checks::run(&env, &request).await.unwrap();
    assert_eq!(report.outcome, Outcome::Ok, "{report:?}");
    let seen = &server.requests()[0];
    assert_eq!(seen.method, "OPTIONS");
    assert_eq!(seen.header("origin"), Some("https://app.example.com"));
    assert_eq!(seen.header("access-control-request-method"), Some("POST"));
    assert_eq!(seen.header("access-control-request-headers"), Some("authorization,content-type,x-b"));
    assert_eq!((seen.header("authorization"), seen.header("cookie")), (None, None));

    request.target = "http://127.0.0.1:1/".to_owned();
    let report = checks::run(&env, &request).await.unwrap();
    assert_eq!(
        (report.outcome, &report.facts["diagnosis"]),
        (Outcome::PreflightRejected, &json!("no_answer"))
    );
    request.with = With::default();
    assert!(matches!(checks::run(&env, &request).await, Err(NotRun::Usage(_))));
}

#[tokio::test]
async fn a_route_without_options_is_told_together_with_whether_a_browser_would_have_asked() {
    let open = |method: &Method| match method.as_str() {
        "OPTIONS" => Reply::empty(405),
        _ => Reply::empty(200).header("access-control-allow-origin", "*"),
    };
    for (headers, needed) in [("accept", false), ("authorization", true)] {
        let (report, asked) = page_wants(headers, open).await;
        assert_eq!(report.outcome, Outcome::PreflightRejected);
        assert_eq!(report.facts["preflight_needed"], json!(needed));
        assert_eq!(asked, ["OPTIONS"]);
    }
}
