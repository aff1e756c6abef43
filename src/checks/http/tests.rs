//! The whole check against servers and gateways that really break.

use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::checks::{self, With};
use crate::drill::gateway::{Gateway, Limit, Setup};
use crate::drill::http_server::{HttpServer, Reply};
use crate::drill::pki::{Authority, Validity};
use crate::egress::Policy;
use crate::outcome::Outcome;

async fn check_url(url: &str, with: &[(&str, &str)]) -> Report {
    try_url(url, with).await.unwrap()
}

async fn try_url(url: &str, with: &[(&str, &str)]) -> Result<Report, NotRun> {
    let request = Request {
        check: CheckKind::Http,
        target: url.to_owned(),
        with: With(with.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()),
        timeout: Duration::from_secs(2),
        now: crate::clock::now(),
    };
    checks::run(&Environment::new(Policy::unrestricted()), &request).await
}

async fn answered(reply: fn() -> Reply, with: &[(&str, &str)]) -> Report {
    let server = HttpServer::plain(move |_| async move { reply() }).await.unwrap();
    check_url(&server.url("/v1/orders"), with).await
}

#[track_caller]
fn is(report: &Report, outcome: Outcome, facts: &[(&str, &str)]) {
    assert_eq!(report.outcome, outcome, "{report:?}");
    for (name, value) in facts {
        let got = report.facts.get(*name).map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned));
        assert_eq!(got.as_deref(), Some(*value), "{name} in {report:?}");
    }
}

#[tokio::test]
async fn a_healthy_answer_is_ok_and_the_probe_can_be_found_in_the_logs() {
    let server = HttpServer::plain(|_| async { Reply::json(200, &json!({"id": 7})) }).await.unwrap();
    let report = check_url(&server.url("/"), &[("header.X-Probe", "yes")]).await;
    is(&report, Outcome::Ok, &[("status", "200"), ("content_type", "application/json")]);
    let seen = &server.requests()[0];
    assert_eq!(seen.header("user-agent"), Some(concat!("firstcheck/", env!("CARGO_PKG_VERSION"))));
    assert_eq!(seen.header("x-probe"), Some("yes"));
    let trace = seen.header("traceparent").unwrap();
    assert_eq!(report.facts["trace_id"], trace.split('-').nth(1).unwrap());
    assert_eq!(trace.len(), 55);
}

#[tokio::test]
async fn statuses_are_read_as_the_rules_say() {
    is(&answered(|| Reply::empty(404), &[]).await, Outcome::ClientError, &[]);
    is(&answered(|| Reply::empty(401), &[]).await, Outcome::Unauthorized, &[]);
    is(&answered(|| Reply::empty(403), &[]).await, Outcome::Forbidden, &[]);
    is(&answered(|| Reply::empty(429), &[]).await, Outcome::Limited, &[("limiter", "unknown")]);
    is(&answered(|| Reply::empty(500), &[]).await, Outcome::ServerError, &[]);
    is(&answered(|| Reply::empty(505), &[]).await, Outcome::ServerError, &[]);
    is(&answered(|| Reply::empty(502), &[]).await, Outcome::GatewayError, &[("origin", "unknown")]);
    is(&answered(|| Reply::empty(504), &[]).await, Outcome::GatewayError, &[]);
}

#[tokio::test]
async fn a_503_is_the_applications_only_when_it_made_it() {
    let app = || Reply::json(503, &json!({"error": "maintenance"})).header("server", "gunicorn");
    is(&answered(app, &[]).await, Outcome::ServerError, &[("origin", "app")]);
    let mesh = || Reply::text(503, "no healthy upstream").header("server", "envoy");
    let report = answered(mesh, &[]).await;
    is(&report, Outcome::GatewayError, &[("origin", "gateway"), ("diagnosis", "gateway_has_no_backend")]);
    is(&answered(|| Reply::text(503, "?"), &[]).await, Outcome::GatewayError, &[("origin", "unknown")]);
}

#[tokio::test]
async fn broken_transfers_are_told_apart() {
    let cut = || Reply::json(200, &json!({"items": [1, 2, 3]})).cut_after(5);
    is(&answered(cut, &[]).await, Outcome::Reset, &[("diagnosis", "body_cut"), ("status", "200")]);
    is(&answered(|| Reply::Reset, &[]).await, Outcome::Reset, &[("diagnosis", "empty_reply")]);
    is(&answered(|| Reply::Silence, &[]).await, Outcome::Timeout, &[("diagnosis", "no_first_byte")]);
    is(
        &check_url("http://127.0.0.1:1/", &[]).await,
        Outcome::Unreachable,
        &[("diagnosis", "connection_refused")],
    );
    let cut_error = || Reply::text(500, "a long error page").cut_after(5);
    is(&answered(cut_error, &[]).await, Outcome::ServerError, &[("also", "[\"reset\"]")]);
}

#[tokio::test]
async fn a_200_can_carry_a_broken_body() {
    let half = || Reply::body(200, "application/json", "{\"items\": [1, 2");
    is(&answered(half, &[]).await, Outcome::BadBody, &[]);
    let page = || Reply::body(200, "application/json", "<html><title>Login</title></html>");
    is(&answered(page, &[]).await, Outcome::BadBody, &[]);
    is(&answered(|| Reply::text(200, "{\"half"), &[]).await, Outcome::Ok, &[]);
    is(&answered(|| Reply::body(500, "application/json", "{"), &[]).await, Outcome::ServerError, &[]);
    let page = || Reply::html(200, "<html><title>Login</title></html>");
    let report = answered(page, &[("header.accept", "application/json")]).await;
    is(&report, Outcome::Ok, &[("diagnosis", "html_instead_of_json")]);
}

/// A server that answers any request with these bytes, and closes.
async fn raw(answer: impl Into<Vec<u8>>) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let answer = answer.into();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            if stream.read(&mut request).await.is_ok() {
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
                // Until the client has closed: a close with unread bytes would be a reset.
                while matches!(stream.read(&mut request).await, Ok(size) if size > 0) {}
            }
        }
    });
    url
}

async fn answered_raw(answer: &str, with: &[(&str, &str)]) -> Report {
    check_url(&raw(answer).await, with).await
}

#[tokio::test]
async fn framing_faults_are_told_from_connections_that_end() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let bad = answered_raw(&format!("{chunked}5\r\nhello\r\nzz\r\nworld\r\n"), &[]).await;
    is(&bad, Outcome::BadBody, &[("diagnosis", "broken_chunks")]);
    let cut = answered_raw(&format!("{chunked}5\r\nhello\r\n"), &[]).await;
    is(&cut, Outcome::Reset, &[("diagnosis", "body_cut")]);
    let short = answered_raw("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", &[]).await;
    is(&short, Outcome::Reset, &[("diagnosis", "body_cut")]);
    let until_the_end = answered_raw("HTTP/1.0 200 OK\r\n\r\nhello", &[]).await;
    is(&until_the_end, Outcome::Ok, &[]);
    is(&answered_raw("nonsense\r\n\r\n", &[]).await, Outcome::BadBody, &[("diagnosis", "not_http")]);
}

#[tokio::test]
async fn an_answer_that_comes_before_the_question_is_an_answer() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    for (greeting, expected) in [
        ("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", Outcome::GatewayError),
        ("SSH-2.0-OpenSSH_9.2\r\n", Outcome::BadBody),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.write_all(greeting.as_bytes()).await;
            while matches!(stream.read(&mut [0; 4096]).await, Ok(size) if size > 0) {}
        });
        is(&check_url(&url, &[]).await, expected, &[]);
    }
}

#[tokio::test]
async fn a_status_that_is_none_is_unexpected() {
    for status in ["101 Switching Protocols", "600 What"] {
        let report = answered_raw(&format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n"), &[]).await;
        is(&report, Outcome::Unexpected, &[]);
    }
}

/// A server that takes no hello of ours and answers an old one with an old cipher and this certificate.
async fn old_server(cipher: [u8; 2], certificate: Vec<u8>) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let length = |it: &[u8]| u32::try_from(it.len()).unwrap().to_be_bytes()[1..].to_vec();
    let message = |kind: u8, body: Vec<u8>| [&[kind][..], &length(&body), &body].concat();
    let hello = [&[3, 3][..], &[9; 32], &[0], &cipher, &[0]].concat();
    let entry = [length(&certificate), certificate].concat();
    let flight =
        [message(2, hello), message(11, [length(&entry), entry].concat()), message(14, Vec::new())].concat();
    let size = u16::try_from(flight.len()).unwrap().to_be_bytes();
    let flight = [&[22, 3, 3][..], &size, &flight].concat();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut count = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let answer = if count == 0 { &[21, 3, 3, 0, 2, 2, 40][..] } else { &flight };
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
            while matches!(stream.read(&mut request).await, Ok(size) if size > 0) {}
            count += 1;
        }
    });
    url
}

#[tokio::test]
async fn a_server_whose_ciphers_only_other_clients_speak_is_no_finding() {
    let root = Authority::new("Drill Root");
    let certificate = |validity| root.issue(&["127.0.0.1"], validity).chain[0].to_vec();
    let env = Environment::new(Policy::unrestricted()).with_ca_file(&root.pem()).unwrap();
    let now = crate::clock::now();
    let (good, expired) = (certificate(Validity::ordinary(now)), certificate(Validity::expired(now)));
    for (cipher, certificate, expected) in [
        ([0xc0, 0x13], good.clone(), Outcome::Error),
        ([0xc0, 0x13], expired, Outcome::Untrusted),
        // RC4, which nobody speaks any more.
        ([0, 5], good, Outcome::Unreachable),
    ] {
        let request = Request {
            check: CheckKind::Http,
            target: old_server(cipher, certificate).await,
            with: With::default(),
            timeout: Duration::from_secs(5),
            now,
        };
        let report = checks::run(&env, &request).await.unwrap();
        is(&report, expected, &[]);
    }
}

#[tokio::test]
async fn many_headers_are_no_fault_and_endless_ones_are_not_read() {
    let many = "x-a: 1\r\n".repeat(300);
    let report = answered_raw(&format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{many}\r\n"), &[]).await;
    is(&report, Outcome::Ok, &[]);
    let endless = format!("HTTP/1.1 200 OK\r\n{}", "x-a: 1\r\n".repeat(100_000));
    is(&answered_raw(&endless, &[]).await, Outcome::BadBody, &[("diagnosis", "not_http")]);
}

fn gzip(body: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn compressed_bodies_are_judged_as_what_they_stand_for() {
    let coded =
        |body: Vec<u8>| Reply::bytes(200, "application/json", body).header("content-encoding", "gzip");
    let expect = [("expect_json", ".id == 7")];
    let server = HttpServer::plain(move |request| async move {
        coded(match request.uri().path() {
            "/good" => gzip(b"{\"id\": 7}"),
            "/invalid" => gzip(b"{\"id\": "),
            "/bomb" => gzip(&vec![b' '; 32 * 1024 * 1024]),
            _ => b"{\"id\": 7}".to_vec(),
        })
    })
    .await
    .unwrap();
    let check = async |path: &str| check_url(&server.url(path), &expect).await;
    is(&check("/good").await, Outcome::Ok, &[("content_encoding", "gzip")]);
    is(&check("/invalid").await, Outcome::BadBody, &[("diagnosis", "invalid_json")]);
    is(&check("/plain").await, Outcome::BadBody, &[("diagnosis", "broken_content_coding")]);
    is(&check("/bomb").await, Outcome::Ok, &[("body_truncated", "true")]);
    let unread = || Reply::bytes(200, "application/json", vec![1, 2]).header("content-encoding", "br");
    is(&answered(unread, &expect).await, Outcome::Ok, &[("body_unread", "content coding")]);
}

#[tokio::test]
async fn a_large_body_is_read_to_its_end() {
    let long = || {
        let items: Vec<_> = (0..40_000).map(|it| json!({"id": it})).collect();
        Reply::json(200, &json!(items))
    };
    is(&answered(long, &[("expect_json", "length == 40000")]).await, Outcome::Ok, &[]);
}

#[tokio::test]
async fn bad_bodies_have_their_names() {
    for (body, diagnosis) in
        [("", "empty_body"), ("<html></html>", "html_instead_of_json"), ("{\"a\": 1", "invalid_json")]
    {
        let server =
            HttpServer::plain(move |_| async move { Reply::body(200, "application/json", body) }).await;
        let report = check_url(&server.unwrap().url("/"), &[]).await;
        is(&report, Outcome::BadBody, &[("diagnosis", diagnosis)]);
    }
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    let server = HttpServer::plain(move |_| {
        let deep = deep.clone();
        async move { Reply::body(200, "application/json", deep) }
    });
    is(&check_url(&server.await.unwrap().url("/"), &[]).await, Outcome::Ok, &[]);
}

#[tokio::test]
async fn the_servers_clock_is_compared_with_ours() {
    let late = || Reply::empty(200).header("date", "Thu, 01 Jan 2026 00:00:00 GMT");
    let report = answered(late, &[]).await;
    is(&report, Outcome::Ok, &[]);
    assert!(report.facts["clock_skew_s"].as_i64().unwrap() > 60, "{report:?}");
    assert!(!answered(|| Reply::empty(200), &[]).await.facts.contains_key("clock_skew_s"));
}

#[tokio::test]
async fn plain_http_on_an_https_url_is_named() {
    let url = raw("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    let report = check_url(&url.replace("http://", "https://"), &[]).await;
    is(&report, Outcome::Unreachable, &[("diagnosis", "plaintext_on_port")]);
}

#[tokio::test]
async fn servers_that_never_end_are_left_at_the_deadline() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    for (head, flood, expected) in [
        ("HTTP/1.1 200 OK\r\nx", "", Outcome::Timeout),
        ("HTTP/1.1 200 OK\r\n\r\nx", "", Outcome::Timeout),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n", "", Outcome::Timeout),
        ("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", Outcome::Timeout),
        // A stream of events is meant to go on.
        ("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: x\n\n", "", Outcome::Ok),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(head.as_bytes()).await;
            // As fast as it is read.
            while !flood.is_empty() && stream.write_all(flood.as_bytes()).await.is_ok() {}
            std::future::pending::<()>().await;
        });
        let request = Request {
            check: CheckKind::Http,
            target: url,
            with: With::default(),
            timeout: Duration::from_millis(300),
            now: crate::clock::now(),
        };
        let report = checks::run(&Environment::new(Policy::unrestricted()), &request).await.unwrap();
        assert_eq!(report.outcome, expected, "{head:?}: {report:?}");
    }
}

#[tokio::test]
async fn a_body_must_be_what_expect_json_says() {
    let healthy = || Reply::json(200, &json!({"status": "degraded", "items": []}));
    is(&answered(healthy, &[("expect_json", ".status == \"ok\"")]).await, Outcome::BadBody, &[]);
    is(&answered(healthy, &[("expect_json", ".items | length == 0")]).await, Outcome::Ok, &[]);
    is(&answered(|| Reply::text(200, "up"), &[("expect_json", ".status")]).await, Outcome::BadBody, &[]);
    let failing = || Reply::json(500, &json!({}));
    is(&answered(failing, &[("expect_json", ".status")]).await, Outcome::ServerError, &[]);
    let error = try_url("http://127.0.0.1:1/", &[("expect_json", "env")]).await.unwrap_err();
    assert!(error.to_string().contains("`env` is not taken"), "{error}");
}

#[tokio::test]
async fn slow_is_a_warning_and_an_error_is_an_error() {
    let late = || Reply::empty(200).after(Duration::from_millis(40));
    is(&answered(late, &[("slow_after", "10ms")]).await, Outcome::Slow, &[]);
    is(&answered(late, &[("slow_after", "1900ms")]).await, Outcome::Ok, &[]);
    let error = || Reply::empty(500).after(Duration::from_millis(40));
    is(&answered(error, &[("slow_after", "10ms")]).await, Outcome::ServerError, &[("also", "[\"slow\"]")]);
}

#[tokio::test]
async fn an_expected_status_is_good_and_another_good_one_is_not() {
    is(&answered(|| Reply::empty(401), &[("expect_status", "401")]).await, Outcome::Ok, &[]);
    is(&answered(|| Reply::empty(204), &[("expect_status", "200")]).await, Outcome::Unexpected, &[]);
    is(&answered(|| Reply::empty(204), &[("expect_status", "200,2xx")]).await, Outcome::Ok, &[]);
    is(&answered(|| Reply::empty(404), &[("expect_status", "200")]).await, Outcome::ClientError, &[]);
    let moved = || Reply::empty(302).header("location", "/elsewhere");
    is(&answered(moved, &[("expect_status", "302")]).await, Outcome::Ok, &[]);
    let error = try_url("http://127.0.0.1:1/", &[("expect_status", "2000")]).await.unwrap_err();
    assert!(matches!(error, NotRun::Usage(_)), "{error}");
}

fn redirecting(request: &hyper::Request<hyper::body::Bytes>) -> Reply {
    match request.uri().path() {
        "/once" => Reply::empty(308).header("location", "/here?x=1#part"),
        "/loop" => Reply::empty(302).header("location", "/pool"),
        "/pool" => Reply::empty(302).header("location", "/loop"),
        "/away" => Reply::empty(301).header("location", "http://elsewhere.example/"),
        path if path.starts_with("/far/") => {
            let next: u32 = path.trim_start_matches("/far/").parse().unwrap_or(0) + 1;
            Reply::empty(302).header("location", &format!("/far/{next}"))
        }
        "/nowhere" => Reply::empty(302),
        "/login-first" => Reply::empty(302).header("location", "/users/sign_in?return=%2F"),
        "/sso" => {
            Reply::empty(302).header("location", "https://u:p@login.example.com/authorize?state=secret")
        }
        "/unasked" => Reply::empty(304),
        _ => Reply::empty(200),
    }
}

#[tokio::test]
async fn a_redirect_to_a_login_or_to_nowhere_is_told() {
    let server = HttpServer::plain(|request| async move { redirecting(&request) }).await.unwrap();
    let report = check_url(&server.url("/sso"), &[]).await;
    is(&report, Outcome::Ok, &[("diagnosis", "redirects_to_login"), ("status", "302")]);
    assert_eq!(report.facts["redirects"][0]["location"], "https://login.example.com/authorize");
    assert!(!format!("{report:?}").contains("secret"), "{report:#?}");
    let wanted = [("expect_status", "200")];
    is(
        &check_url(&server.url("/sso"), &wanted).await,
        Outcome::Unexpected,
        &[("diagnosis", "redirects_to_login")],
    );
    let report = check_url(&server.url("/login-first"), &[]).await;
    is(&report, Outcome::Ok, &[("diagnosis", "redirects_to_login"), ("status", "200")]);
    let report = check_url(&server.url("/nowhere"), &[]).await;
    is(&report, Outcome::Unexpected, &[("diagnosis", "redirect_without_location")]);
    let report = check_url(&server.url("/unasked"), &[]).await;
    is(&report, Outcome::Unexpected, &[("diagnosis", "not_modified_unasked")]);
    let asked = [("header.if-none-match", "\"a\"")];
    is(&check_url(&server.url("/unasked"), &asked).await, Outcome::Ok, &[("status", "304")]);
}

#[tokio::test]
async fn the_bare_words_of_a_gateway_status_are_a_proxys() {
    let report = answered(|| Reply::text(502, "Bad Gateway"), &[]).await;
    is(&report, Outcome::GatewayError, &[("origin", "gateway"), ("strength", "weak")]);
    let report = answered(|| Reply::text(502, "Bad Gateway: the order service is away"), &[]).await;
    is(&report, Outcome::GatewayError, &[("origin", "unknown")]);
}

#[tokio::test]
async fn redirects_are_followed_on_the_same_host_and_five_times_at_most() {
    let server = HttpServer::plain(|request| async move { redirecting(&request) }).await.unwrap();
    let report = check_url(&server.url("/once"), &[("bearer", "abc")]).await;
    is(&report, Outcome::Ok, &[("status", "200")]);
    assert_eq!(
        report.facts["redirects"],
        json!([{"url": server.url("/once"), "status": 308, "location": server.url("/here")}])
    );
    assert_eq!(server.requests()[1].header("authorization"), Some("Bearer abc"));
    assert_eq!(server.requests()[1].uri, "/here?x=1");

    let report = check_url(&server.url("/loop"), &[]).await;
    is(&report, Outcome::RedirectLoop, &[("diagnosis", "redirect_repeats")]);
    let before = server.requests().len();
    let report = check_url(&server.url("/far/0"), &[]).await;
    is(&report, Outcome::RedirectLoop, &[("diagnosis", "too_many_redirects")]);
    assert_eq!(server.requests().len() - before, 6);
    let report = check_url(&server.url("/away"), &[]).await;
    is(&report, Outcome::Ok, &[("diagnosis", "redirects_elsewhere"), ("status", "301")]);
    let before = server.requests().len();
    check_url(&server.url("/once"), &[("method", "post"), ("body", "{}")]).await;
    assert_eq!(server.requests().len() - before, 1);
}

#[tokio::test]
async fn a_token_that_a_hop_took_away_is_told_from_a_bad_one() {
    let bare = || Reply::empty(401).header("www-authenticate", "Bearer realm=\"api\"");
    let token = [("bearer", "abc")];
    is(&answered(bare, &token).await, Outcome::Unauthorized, &[("diagnosis", "authorization_not_received")]);
    assert!(!answered(bare, &[]).await.facts.contains_key("diagnosis"));
    let bad = || Reply::empty(401).header("www-authenticate", "Bearer error=\"invalid_token\"");
    let report = answered(bad, &token).await;
    is(&report, Outcome::Unauthorized, &[("challenge_error", "invalid_token")]);
    assert!(!report.facts.contains_key("diagnosis"));
}

#[tokio::test]
async fn a_wrapped_failure_names_the_dependency() {
    let wrapping = || {
        let body = json!({"error": "upstream_error", "dependency": "payments", "upstream_status": 429});
        Reply::json(500, &body)
    };
    let report = answered(wrapping, &[]).await;
    let facts =
        [("origin", "app"), ("wraps", "limit"), ("dependency", "payments"), ("wrapped_status", "429")];
    is(&report, Outcome::ServerError, &facts);
}

#[tokio::test]
async fn a_bodys_values_stay_in_the_house() {
    let report = answered(|| Reply::json(500, &json!({"token": "s3cret", "message": "boom"})), &[]).await;
    let told = serde_json::to_string(&report).unwrap();
    assert!(!told.contains("s3cret") && told.contains("boom"), "{told}");
}

#[tokio::test]
async fn a_certificate_that_does_not_verify_is_told_by_its_kind() {
    let authority = Authority::new("Drill Root");
    let dir = std::env::temp_dir().join(format!("firstcheck-http-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let ca_file = dir.join("ca.pem");
    std::fs::write(&ca_file, authority.pem()).unwrap();
    let now: Timestamp = crate::clock::now();
    for (names, validity, trusted, expected) in [
        (["api.drill.test"], Validity::ordinary(now), true, None),
        (["api.drill.test"], Validity::expired(now), true, Some("expired")),
        (["api.drill.test"], Validity::not_yet(now), true, Some("not_yet_valid")),
        (["other.drill.test"], Validity::ordinary(now), true, Some("name_mismatch")),
        (["api.drill.test"], Validity::ordinary(now), false, Some("unknown_issuer")),
    ] {
        let identity = authority.issue(&names, validity);
        let server = HttpServer::tls(&identity, |_| async { Reply::empty(200) }).await.unwrap();
        let address = server.addr().to_string();
        let with = [("connect_to", address.as_str()), ("ca_file", ca_file.to_str().unwrap())];
        let with = if trusted { &with[..] } else { &with[..1] };
        let report = check_url("https://api.drill.test/", with).await;
        match expected {
            None => is(&report, Outcome::Ok, &[("http_version", "HTTP/2.0")]),
            Some(kind) => is(&report, Outcome::Untrusted, &[("certificate", kind)]),
        }
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[tokio::test]
async fn a_gateway_that_gives_up_is_the_maker_and_its_upstream_the_suspect() {
    let app = HttpServer::plain(|_| async { Reply::Silence }).await.unwrap();
    let setup = Setup { timeout: Duration::from_millis(50), ..Setup::to(Url::parse(&app.url("")).unwrap()) };
    let gateway = Gateway::start(setup, None).await.unwrap();
    let report = check_url(&gateway.server().url("/"), &[]).await;
    let facts =
        [("origin", "gateway"), ("maker", "edge-gw"), ("diagnosis", "gateway_gave_up"), ("means", "timeout")];
    is(&report, Outcome::GatewayError, &facts);
}

#[tokio::test]
async fn a_gateways_limiter_is_named_and_then_left_alone() {
    let app = HttpServer::plain(|_| async { Reply::empty(200) }).await.unwrap();
    let limit = Some(Limit { requests: 0, window: Duration::from_mins(1) });
    let setup = Setup { limit, ..Setup::to(Url::parse(&app.url("")).unwrap()) };
    let gateway = Gateway::start(setup, None).await.unwrap();
    let env = Environment::new(Policy::unrestricted());
    let mut request = Request {
        check: CheckKind::Http,
        target: gateway.server().url("/v1/orders"),
        with: With::default(),
        timeout: Duration::from_secs(2),
        now: crate::clock::now(),
    };
    let report = checks::run(&env, &request).await.unwrap();
    let facts = [
        ("origin", "gateway"),
        ("limiter", "ietf"),
        ("hop", "gateway"),
        ("remaining", "0"),
        ("resets_in", "60"),
    ];
    is(&report, Outcome::Limited, &facts);
    request.check = CheckKind::RateLimit;
    let report = checks::run(&env, &request).await.unwrap();
    is(&report, Outcome::Limited, &[("limiter", "ietf"), ("policy", "gateway"), ("hop", "gateway")]);
    assert_eq!(gateway.server().requests().len(), 1);
}

#[tokio::test]
async fn a_refused_address_is_no_finding_but_a_refusal() {
    let request = Request {
        check: CheckKind::Http,
        target: "http://127.0.0.1:1/".to_owned(),
        with: With::default(),
        timeout: Duration::from_secs(2),
        now: crate::clock::now(),
    };
    let refused = checks::run(&Environment::new(Policy::public_only()), &request).await.unwrap_err();
    assert!(matches!(refused, NotRun::Refused(_)), "{refused}");
}

#[tokio::test]
async fn a_target_that_is_no_url_is_wrong_usage() {
    for bad in ["api.example.com", "ftp://api.example.com", "https://", "https://user:pw@api.example.com/"] {
        assert!(matches!(try_url(bad, &[]).await, Err(NotRun::Usage(_))), "{bad}");
    }
}
