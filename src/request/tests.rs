//! Texts as people paste them, and the request in each; what no person would paste is left to proptest.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, method: &str, url: &str) -> FailingRequest {
    let request = FailingRequest::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
    assert_eq!((request.method.as_str(), request.url().as_str()), (method, url), "{text}");
    request
}

#[track_caller]
fn check_body(text: &str, content_type: Option<&str>, body: &Body) {
    let request = FailingRequest::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
    assert_eq!(request.media_type().as_deref(), content_type, "{text}");
    assert_eq!(&request.body, body, "{text}");
}

#[track_caller]
fn check_status(text: &str, status: Option<u16>) {
    assert_eq!(FailingRequest::parse(text).unwrap().status(), status, "{text}");
}

#[track_caller]
fn refuse(text: &str, says: &str) {
    let problem = FailingRequest::parse(text).unwrap_err().to_string();
    assert!(problem.contains(says), "{text}: {problem}");
}

fn text(body: &str) -> Body {
    Body::Text(body.to_owned())
}

#[test]
fn a_curl_command_that_a_browser_copied_for_cmd_is_read_as_cmd_reads_it() {
    let copied = "curl ^\"https://a.test/v1/orders?q=a^%^20b^&n=1^\" ^\r\n  -H ^\"content-type: application/json^\" ^\r\n  \
                  --data-raw ^\"^{^\\^\"sku^\\^\":^\\^\"A^^1^\\^\"^}^\"";
    let request = check(copied, "POST", "https://a.test/v1/orders?q=a+b&n=1");
    assert_eq!(request.body, text(r#"{"sku":"A^1"}"#));
    check_body(
        "curl ^\"https://a.test/x^\" --data-raw ^\"a^\n\nb^\"",
        Some("application/x-www-form-urlencoded"),
        &text("a\nb"),
    );
    // A caret in a shell's own quotes is a caret.
    check_body(
        r#"curl https://a.test/x -H 'content-type: text/plain' -d 'say ^"x^"'"#,
        Some("text/plain"),
        &text(r#"say ^"x^""#),
    );
}

#[test]
fn a_curl_command_is_read_as_a_shell_reads_it() {
    check("curl https://api.example.com/v1/orders", "GET", "https://api.example.com/v1/orders");
    check("$ curl -s 'https://a.test/x?b=1&c=2' | jq .", "GET", "https://a.test/x?b=1&c=2");
    check("/usr/bin/curl \"https://a.test/x\"", "GET", "https://a.test/x");
    check("curl -XDELETE https://a.test/x", "DELETE", "https://a.test/x");
    check("curl -sSLX put https://a.test/x", "PUT", "https://a.test/x");
    check("curl -I https://a.test/x", "HEAD", "https://a.test/x");
    check("curl --url https://a.test/x -o /dev/null -m 5", "GET", "https://a.test/x");
    check("curl -o out.json --max-time 3 --retry 2 https://a.test/x", "GET", "https://a.test/x");
    check("curl a.test:8080/x", "GET", "http://a.test:8080/x");
    check("curl -- https://a.test/x", "GET", "https://a.test/x");
    check("curl https://a.test", "GET", "https://a.test/");
    check("curl https://a.test//v1/../x/#part", "GET", "https://a.test//v1/../x/");
}

#[test]
fn lines_go_on_with_every_shells_mark_and_without_one() {
    let expected = ("POST", "https://a.test/x");
    for mark in [" \\\n", " \\\r\n", " ^\r\n", " `\n", " \\  \n", "\n"] {
        let command = format!("curl -X POST https://a.test/x{mark}  -H 'A: b'{mark}  -H 'C: d'");
        let request = check(&command, expected.0, expected.1);
        assert_eq!(request.headers.len(), 2, "{command:?}");
    }
}

#[test]
fn quotes_are_taken_off_and_escapes_are_read() {
    let body = r#"{"name":"O'Neil \"x\"\n"}"#;
    check_body(
        r#"curl https://a.test -H 'Content-Type: application/json' -d '{"name":"O'\''Neil \"x\"\n"}'"#,
        Some("application/json"),
        &text(body),
    );
    check_body(
        r#"curl https://a.test -H "Content-Type: application/json" -d "{\"name\":\"O'Neil \\\"x\\\"\n\"}""#,
        Some("application/json"),
        &text(body),
    );
    check_body(
        r"curl https://a.test --json $'{\x22name\x22:\u0022\'\\n\'\n\u0022}'",
        Some("application/json"),
        &text("{\"name\":\"'\\n'\n\"}"),
    );
    refuse("curl 'https://a.test", "single quote is not closed");
    refuse("curl \"https://a.test\\", "double quote is not closed");
    refuse("curl -H", "last option has no value");
    refuse("curl -s -S", "names no URL");
}

#[test]
fn data_options_make_the_body_and_its_type() {
    let form = Some("application/x-www-form-urlencoded");
    check_body("curl a.test -d a=1 -d b=2", form, &text("a=1&b=2"));
    check_body("curl a.test --data-urlencode 'q=a b&c' --data-raw @x", form, &text("q=a+b%26c&@x"));
    check_body("curl a.test --json '{}'", Some("application/json"), &text("{}"));
    check_body("curl a.test -d @order.json", form, &Body::Elsewhere("order.json".into()));
    check_body("curl a.test -d @-", form, &Body::Elsewhere("standard input".into()));
    check_body("curl a.test -T report.csv", None, &Body::Elsewhere("report.csv".into()));
    check_body(
        "curl a.test -H 'Content-Type: text/plain; charset=utf-8' -d x",
        Some("text/plain"),
        &text("x"),
    );
    check_body(
        "curl a.test -F name=x -F file=@a.png",
        Some("multipart/form-data"),
        &Body::Parts(vec![
            Part { name: "name".into(), value: Some("x".into()) },
            Part { name: "file".into(), value: None },
        ]),
    );
    let part = |value: &str| Body::Parts(vec![Part { name: "a".into(), value: Some(value.into()) }]);
    for (written, value) in [
        ("-F 'a={\"x\": 1};type=application/json'", "{\"x\": 1}"),
        ("-F 'a=x; y;filename=z'", "x; y"),
        ("-F 'a=\"x;type=y\\\" z\";type=text/plain'", "x;type=y\" z"),
        ("-F 'a=\"open'", "\"open"),
        ("--form-string 'a=x;type=y'", "x;type=y"),
    ] {
        check_body(&format!("curl a.test {written}"), Some("multipart/form-data"), &part(value));
    }
    check("curl -G a.test/s -d q=1", "GET", "http://a.test/s?q=1");
    check("curl a.test/s --url-query q=1", "GET", "http://a.test/s?q=1");
    check("curl a.test/s -d q=1", "POST", "http://a.test/s");
    check("curl a.test/s -F q=1", "POST", "http://a.test/s");
}

#[test]
fn credentials_become_the_header_curl_sends() {
    let header = |text: &str| FailingRequest::parse(text).unwrap().header("authorization").map(str::to_owned);
    assert_eq!(header("curl -u a:b a.test"), Some("Basic YTpi".to_owned()));
    assert_eq!(header("curl https://a:b@a.test/x"), Some("Basic YTpi".to_owned()));
    assert_eq!(header("curl --oauth2-bearer abc a.test"), Some("Bearer abc".to_owned()));
    assert_eq!(header("curl -H 'Authorization: Bearer abc' -u a:b a.test"), Some("Bearer abc".to_owned()));
    assert_eq!(header("curl -H 'Authorization:' a.test"), None);
    assert_eq!(header("curl -H 'Authorization;' a.test"), Some(String::new()));
    let request = check("curl https://a:b@a.test/x", "GET", "https://a.test/x");
    assert_eq!(request.host.as_deref(), Some("a.test"));
}

#[test]
fn what_came_back_is_read_behind_the_command() {
    check_status("curl a.test/x -> 401 {\"error\": \"expired\"}", Some(401));
    check_status("curl a.test/x\n-> 401 {\"error\": \"expired\"}", Some(401));
    check_status("curl -d '{\"a\": \"-> 500 no\"}' a.test/x\n# -> 422", Some(422));
    check_status("curl -i a.test/x\nHTTP/1.1 404 Not Found\nServer: nginx\n\n<html>", Some(404));
    check_status("curl a.test/x\n-> 4010", None);
    check_status("curl a.test/x", None);
    let request = FailingRequest::parse("curl a.test/x\n-> 401 {\"error\": \"expired\"}").unwrap();
    assert_eq!(request.response.unwrap().body.as_deref(), Some("{\"error\": \"expired\"}"));
}

#[test]
fn a_chats_code_fence_is_no_part_of_the_request() {
    check("```sh\ncurl https://a.test/x\n```", "GET", "https://a.test/x");
    check("This one fails:\n```\ncurl -X POST https://a.test/x\n```", "POST", "https://a.test/x");
}

#[test]
fn of_a_har_the_first_that_failed_is_taken_else_the_first() {
    let entry = |url: &str, status: i64| {
        format!(
            r#"{{"request": {{"method": "get", "url": "{url}", "headers": [{{"name": ":authority", "value": "a"}}, {{"name": "X", "value": "y"}}]}}, "response": {{"status": {status}}}}}"#
        )
    };
    let log = |entries: &[String]| format!(r#"{{"log": {{"entries": [{}]}}}}"#, entries.join(","));
    let (good, bad, cut) =
        (entry("https://a.test/1", 200), entry("https://a.test/2", 422), entry("https://a.test/3", 0));
    let request = check(&log(&[good.clone(), bad.clone(), cut.clone()]), "GET", "https://a.test/2");
    assert_eq!(request.headers, [("X".to_owned(), "y".to_owned())]);
    assert_eq!(request.status(), Some(422));
    check(&log(&[good.clone(), cut, bad.clone()]), "GET", "https://a.test/3");
    check(&log(std::slice::from_ref(&good)), "GET", "https://a.test/1");
    check(&bad, "GET", "https://a.test/2");
    check(&format!("[{good},{bad}]"), "GET", "https://a.test/2");
    refuse(r#"{"log": {"entries": []}}"#, "list of entries is empty");
    refuse(r#"{"log": {"entries": 5}}"#, "no list");
    refuse(r#"{"a": 1}"#, "no `request`");
    refuse("{", "not well-formed");
}

#[test]
fn a_har_body_is_text_or_parts() {
    let with = |posted: &str| {
        format!(r#"{{"request": {{"method": "POST", "url": "https://a.test/x", "postData": {posted}}}}}"#)
    };
    check_body(
        &with(r#"{"mimeType": "application/json", "text": "{\"a\": 1}"}"#),
        Some("application/json"),
        &text("{\"a\": 1}"),
    );
    check_body(
        &with(
            r#"{"mimeType": "application/x-www-form-urlencoded", "params": [{"name": "a", "value": "b c"}]}"#,
        ),
        Some("application/x-www-form-urlencoded"),
        &text("a=b+c"),
    );
    check_body(
        &with(
            r#"{"mimeType": "multipart/form-data; boundary=x", "params": [{"name": "f", "fileName": "a.png"}]}"#,
        ),
        Some("multipart/form-data"),
        &Body::Parts(vec![Part { name: "f".into(), value: None }]),
    );
}

#[test]
fn a_raw_message_is_read_with_either_line_end_and_either_target() {
    for end in ["\n", "\r\n"] {
        let message = [
            "POST /v1/orders?a=1 HTTP/1.1",
            "Host: a.test:8080",
            "Content-Type: application/json",
            "",
            "{\"a\": 1}",
        ]
        .join(end);
        let request = check(&message, "POST", "http://a.test:8080/v1/orders?a=1");
        assert_eq!(request.form, Form::Http);
        assert_eq!(request.body, text("{\"a\": 1}"));
        let noted = format!("{message}{end}{end}-> 422 {{\"error\": \"no\"}}{end}");
        check_status(&noted, Some(422));
        check_body(&noted, Some("application/json"), &text("{\"a\": 1}"));
    }
    check("GET https://a.test/x HTTP/1.1\nHost: a.test\n\n", "GET", "https://a.test/x");
    check("### list\nGET /x HTTP/2\nHost: a.test", "GET", "http://a.test/x");
    check("OPTIONS * HTTP/1.1\nHost: a.test", "OPTIONS", "http://a.test");
    check_status("GET /x HTTP/1.1\nHost: a\n\nHTTP/1.1 503 Busy\nServer: x\n\noops", Some(503));
}

#[test]
fn the_output_of_curl_v_holds_both_sides() {
    let output = "* Connected to a.test\n> GET /x HTTP/1.1\n> Host: a.test\n> \n< HTTP/1.1 502 Bad Gateway\n< Server: nginx\n<\n<html>";
    let request = check(output, "GET", "http://a.test/x");
    assert_eq!(request.status(), Some(502));
    assert_eq!(request.response.unwrap().headers, [("Server".to_owned(), "nginx".to_owned())]);
}

#[test]
fn a_chunked_body_is_put_together() {
    check_body(
        "POST /x HTTP/1.1\nTransfer-Encoding: chunked\n\n4\n{\"a\"\n4\n: 1}\n0\n",
        None,
        &text("{\"a\": 1}"),
    );
    check_body("POST /x HTTP/1.1\nTransfer-Encoding: chunked\n\n{\"a\": 1}", None, &text("{\"a\": 1}"));
}

#[test]
fn log_lines_are_read_in_the_common_shapes() {
    let line = |text: &str, method: &str, url: &str, status: Option<u16>| {
        let request = check(text, method, url);
        assert_eq!(request.form, Form::Line, "{text}");
        assert_eq!(request.status(), status, "{text}");
    };
    line("GET /v1/x 500", "GET", "/v1/x", Some(500));
    line("2026-11-01T10:00:00Z ERROR POST /v1/x?a=b 250 ms 504", "POST", "/v1/x?a=b", Some(504));
    line(
        r#"10.0.0.1 - - [01/Nov/2026:10:00:00 +0000] "GET /v1/x HTTP/1.1" 404 153 "-" "curl/8""#,
        "GET",
        "/v1/x",
        Some(404),
    );
    line("level=error method=PUT path=/v1/x status=409 took=120", "PUT", "/v1/x", Some(409));
    line(r#"{"method": "GET", "path": "/v1/x", "status": 500}"#, "GET", "/v1/x", Some(500));
    line("[2026-11-01 10:00] GET /v1/x: 500", "GET", "/v1/x", Some(500));
    line("GET https://a.test/v1/x -> 401 {\"error\": 1}", "GET", "https://a.test/v1/x", Some(401));
    line("https://a.test/v1/x", "GET", "https://a.test/v1/x", None);
    line("/v1/x 404", "GET", "/v1/x", Some(404));
}

#[test]
fn prose_is_no_request() {
    refuse("it is slow", "no request found");
    refuse("  \n ", "empty");
    refuse("```\n```", "empty");
    refuse("users get an error / a blank page", "no request found");
    refuse(&"x".repeat(MAX_BYTES + 1), "keep the failing entry alone");
}

#[test]
fn headers_are_bounded() {
    let headers = "A: b\n".repeat(MAX_HEADERS + 10);
    let request = FailingRequest::parse(&format!("GET /x HTTP/1.1\n{headers}")).unwrap();
    assert_eq!(request.headers.len(), MAX_HEADERS);
}

fn request() -> impl Strategy<Value = FailingRequest> {
    let token = "[A-Za-z][A-Za-z0-9-]{0,10}";
    let value = "[!-~]([ -~]{0,20}[!-~])?";
    let body = prop_oneof![
        Just(Body::Empty),
        // NUL cannot stand on a command line.
        "[^\0]{0,60}".prop_map(Body::Text),
        prop::collection::vec(("[a-z]{1,5}", "\\PC{0,10}"), 1..3).prop_map(|parts| Body::Parts(
            parts.into_iter().map(|(name, value)| Part { name, value: Some(value) }).collect()
        )),
    ];
    let response = prop::option::of(
        (100_u16..600).prop_map(|status| Response { status: Some(status), ..Response::default() }),
    );
    (
        prop::sample::select(METHODS.to_vec()),
        prop::option::of("[a-z]{1,8}(\\.[a-z]{1,8})?(:[0-9]{1,4})?"),
        "/[!-\"$->@-~]{0,20}",
        prop::collection::vec(("\\PC{1,8}", "\\PC{0,8}"), 0..3),
        prop::collection::vec((token, prop_oneof![Just(String::new()), value.boxed()]), 0..4),
        body,
        response,
    )
        .prop_map(|(method, host, path, query, mut headers, body, response)| {
            // curl adds a content type to a body; one that is there already stays.
            headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
            FailingRequest {
                form: Form::Curl,
                method: method.to_owned(),
                scheme: host.as_ref().map(|_| "https".to_owned()),
                host,
                path,
                query,
                headers,
                body,
                response,
            }
        })
}

proptest! {
    #[test]
    fn any_text_is_a_request_or_a_reason(text in "\\PC{0,200}") {
        let _ = FailingRequest::parse(&text);
    }

    #[test]
    fn any_text_behind_a_familiar_start_is_a_request_or_a_reason(
        start in prop::sample::select(vec!["curl ", "curl -H '", "GET /", "{\"request\":", "POST /x HTTP/1.1\n", "GET /x -> ", "> GET / HTTP/1.1\n< ", "curl $'\\u"]),
        text in "[\\PC\n\r\t]{0,200}",
    ) {
        let _ = FailingRequest::parse(&format!("{start}{text}"));
    }

    #[test]
    fn a_request_written_as_curl_is_read_back(request in request()) {
        let read = FailingRequest::parse(&request.to_curl());
        prop_assert_eq!(read, Ok(request.clone()), "{}", request.to_curl());
    }
}

#[test]
fn a_request_without_a_place_is_still_written_as_a_command() {
    for text in ["curl '*'", "OPTIONS * HTTP/1.1", "curl 'https://a.test?x=1'"] {
        let request = FailingRequest::parse(text).unwrap();
        let read = FailingRequest::parse(&request.to_curl()).unwrap();
        assert_eq!(
            (read.method, read.path, read.query),
            (request.method, request.path, request.query),
            "{text}"
        );
    }
}
