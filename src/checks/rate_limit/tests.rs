//! Answers of the limiters that people meet, and what is read from each.

use super::*;

const NOW: &str = "2026-03-01T10:00:00Z";

fn verdict(status: u16, headers: &[(&str, &str)], body: &str) -> Verdict {
    let headers: Vec<_> = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let answer = Answer::new(status, "api.example.com", &headers, body.as_bytes());
    judge(&Catalogues::builtin(), &answer, NOW.parse().unwrap())
}

/// The outcome, and the facts that are named in `expected`.
#[track_caller]
fn check(status: u16, headers: &[(&str, &str)], body: &str, outcome: Outcome, expected: &Value) {
    let got = verdict(status, headers, body);
    assert_eq!(got.outcome, outcome, "{got:?}");
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(got.facts.get(name).unwrap_or(&Value::Null), value, "{name} in {got:?}");
    }
}

#[test]
fn an_answer_without_a_mark_tells_nothing() {
    check(200, &[], "{}", Outcome::NoHeaders, &json!({"limiter": null}));
    check(503, &[], "busy", Outcome::NoHeaders, &json!({"diagnosis": "bare_503"}));
    check(500, &[("content-type", "text/plain")], "boom", Outcome::NoHeaders, &json!({}));
}

#[test]
fn a_429_is_a_limiter_even_when_it_gives_no_number() {
    check(
        429,
        &[],
        "",
        Outcome::Limited,
        &json!({"limiter": "unknown", "diagnosis": "limiter_without_numbers"}),
    );
    check(
        429,
        &[("retry-after", "30")],
        "",
        Outcome::Limited,
        &json!({"limiter": "retry_after", "resets_in": 30}),
    );
}

#[test]
fn near_is_at_most_a_tenth() {
    let left =
        |left| [("x-ratelimit-limit", "100"), ("x-ratelimit-remaining", left), ("x-ratelimit-reset", "7")];
    check(200, &left("11"), "", Outcome::NotLimited, &json!({"limiter": "x_ratelimit", "remaining": 11}));
    check(200, &left("10"), "", Outcome::NearLimit, &json!({"remaining": 10, "limit": 100, "resets_in": 7}));
    check(200, &left("0"), "", Outcome::NearLimit, &json!({"remaining": 0}));
    check(429, &left("0"), "", Outcome::Limited, &json!({"diagnosis": "quota_exhausted"}));
    check(429, &left("40"), "", Outcome::Limited, &json!({"diagnosis": "another_limiter"}));
}

#[test]
fn the_ietf_fields_are_read_and_the_most_exhausted_policy_counts() {
    let headers = [
        ("ratelimit-policy", "\"burst\";q=100;w=60,\"daily\";q=1000;w=86400"),
        ("ratelimit", "\"burst\";r=50;t=30,\"daily\";r=20;t=3600"),
    ];
    check(
        200,
        &headers,
        "",
        Outcome::NearLimit,
        &json!({"limiter": "ietf", "policy": "daily", "limit": 1000, "remaining": 20, "resets_in": 3600, "window": 86400}),
    );
    check(200, &[("ratelimit", "\"burst\";r")], "", Outcome::NoHeaders, &json!({}));
    check(
        200,
        &[("ratelimit", "limit=100, remaining=5, reset=9")],
        "",
        Outcome::NearLimit,
        &json!({"resets_in": 9}),
    );
    let old = [("ratelimit-limit", "10, 10;w=60"), ("ratelimit-remaining", "9"), ("ratelimit-reset", "50")];
    check(200, &old, "", Outcome::NotLimited, &json!({"limiter": "ietf_06", "limit": 10, "resets_in": 50}));
}

#[test]
fn a_cached_answers_numbers_are_old() {
    check(200, &[("ratelimit", "\"a\";r=0;t=3"), ("age", "12")], "", Outcome::NoHeaders, &json!({}));
}

#[test]
fn the_answers_own_date_is_the_clock() {
    let headers = [
        ("date", "Sun, 01 Mar 2026 11:00:00 GMT"),
        ("x-ratelimit-limit", "60"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "1772362860"),
    ];
    check(429, &headers, "", Outcome::Limited, &json!({"resets_in": 60}));
}

#[test]
fn github_says_403() {
    let headers = [
        ("x-github-request-id", "A:B"),
        ("x-ratelimit-limit", "5000"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "1772359260"),
        ("x-ratelimit-resource", "core"),
    ];
    check(
        403,
        &headers,
        "",
        Outcome::Limited,
        &json!({"limiter": "github", "hop": "vendor", "remaining": 0, "resets_in": 60, "policy": "primary"}),
    );
    let secondary = [("x-github-request-id", "A:B"), ("retry-after", "60")];
    let body = r#"{"message":"You have exceeded a secondary rate limit."}"#;
    check(403, &secondary, body, Outcome::Limited, &json!({"policy": "secondary", "resets_in": 60}));
    check(403, &[("x-github-request-id", "A:B")], "{}", Outcome::NoHeaders, &json!({"limiter": "github"}));
}

#[test]
fn gitlab_writes_an_epoch_where_others_write_seconds() {
    let headers = [
        ("ratelimit-limit", "600"),
        ("ratelimit-observed", "590"),
        ("ratelimit-remaining", "10"),
        ("ratelimit-name", "throttle_authenticated_api"),
        ("ratelimit-reset", "1772359230"),
    ];
    check(
        200,
        &headers,
        "",
        Outcome::NearLimit,
        &json!({"limiter": "gitlab", "policy": "throttle_authenticated_api", "resets_in": 30}),
    );
}

#[test]
fn openai_writes_go_durations_in_two_dimensions() {
    let headers = [
        ("openai-processing-ms", "12"),
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-remaining-requests", "59"),
        ("x-ratelimit-reset-requests", "1s"),
        ("x-ratelimit-limit-tokens", "150000"),
        ("x-ratelimit-remaining-tokens", "0"),
        ("x-ratelimit-reset-tokens", "6m0s"),
    ];
    check(
        429,
        &headers,
        "",
        Outcome::Limited,
        &json!({"limiter": "openai", "policy": "tokens", "resets_in": 360}),
    );
}

#[test]
fn azure_openai_counts_in_milliseconds_and_minus_one_is_nothing() {
    let headers = [
        ("apim-request-id", "x"),
        ("x-ratelimit-remaining-requests", "-1"),
        ("x-ratelimit-remaining-tokens", "-1"),
        ("retry-after-ms", "1500"),
    ];
    check(
        429,
        &headers,
        "",
        Outcome::Limited,
        &json!({"limiter": "azure_openai", "remaining": null, "resets_in": 1.5}),
    );
}

#[test]
fn anthropic_writes_rfc_3339() {
    let headers = [
        ("anthropic-ratelimit-requests-limit", "50"),
        ("anthropic-ratelimit-requests-remaining", "49"),
        ("anthropic-ratelimit-requests-reset", "2026-03-01T10:00:01Z"),
        ("anthropic-ratelimit-input-tokens-limit", "40000"),
        ("anthropic-ratelimit-input-tokens-remaining", "0"),
        ("anthropic-ratelimit-input-tokens-reset", "2026-03-01T10:00:45Z"),
    ];
    check(
        429,
        &headers,
        "",
        Outcome::Limited,
        &json!({"limiter": "anthropic", "policy": "input-tokens", "resets_in": 45}),
    );
}

#[test]
fn shopify_writes_a_fraction_or_a_cost() {
    let rest = [("x-shopify-shop-api-call-limit", "40/40"), ("retry-after", "2.0")];
    check(
        429,
        &rest,
        "",
        Outcome::Limited,
        &json!({"limiter": "shopify", "remaining": 0, "limit": 40, "resets_in": 2}),
    );
    let body = r#"{"errors":[{"extensions":{"code":"THROTTLED"}}],"extensions":{"cost":{"throttleStatus":{"maximumAvailable":1000.0,"currentlyAvailable":10.0,"restoreRate":50.0}}}}"#;
    check(200, &[], body, Outcome::Limited, &json!({"limiter": "shopify", "remaining": 10, "limit": 1000}));
}

#[test]
fn discord_tells_the_scope() {
    let headers = [
        ("x-ratelimit-limit", "5"),
        ("x-ratelimit-remaining", "4"),
        ("x-ratelimit-reset", "1772359200.5"),
        ("x-ratelimit-reset-after", "0.75"),
        ("x-ratelimit-scope", "shared"),
    ];
    check(
        429,
        &headers,
        "",
        Outcome::Limited,
        &json!({"limiter": "discord", "scope": "shared", "resets_in": 0.75, "diagnosis": "another_limiter"}),
    );
}

#[test]
fn hubspot_zendesk_auth0_linear_and_azure_have_words_of_their_own() {
    let hubspot = [
        ("x-hubspot-ratelimit-daily", "250000"),
        ("x-hubspot-ratelimit-daily-remaining", "249000"),
        ("x-hubspot-ratelimit-interval-milliseconds", "10000"),
        ("x-hubspot-ratelimit-max", "100"),
        ("x-hubspot-ratelimit-remaining", "0"),
    ];
    check(
        429,
        &hubspot,
        "",
        Outcome::Limited,
        &json!({"limiter": "hubspot", "policy": "interval", "resets_in": 10}),
    );
    let zendesk = [("zendesk-ratelimit-tickets-index", "total=100; remaining=0; resets=41")];
    check(
        429,
        &zendesk,
        "",
        Outcome::Limited,
        &json!({"limiter": "zendesk", "policy": "tickets-index", "resets_in": 41}),
    );
    let auth0 = [("auth0-client-quota-limit", "b=per_hour;q=100;r=0;t=1200")];
    check(
        429,
        &auth0,
        "",
        Outcome::Limited,
        &json!({"limiter": "auth0", "policy": "per_hour", "scope": "client"}),
    );
    let linear = [
        ("x-ratelimit-requests-limit", "1500"),
        ("x-ratelimit-requests-remaining", "0"),
        ("x-ratelimit-requests-reset", "1772359260000"),
    ];
    check(
        429,
        &linear,
        "",
        Outcome::Limited,
        &json!({"limiter": "linear", "policy": "requests", "resets_in": 60}),
    );
    let arm = [(
        "x-ms-ratelimit-remaining-resource",
        "Microsoft.Compute/HighCostGet3Min;0,Microsoft.Compute/X30;657",
    )];
    check(
        429,
        &arm,
        "",
        Outcome::Limited,
        &json!({"limiter": "azure_arm", "policy": "Microsoft.Compute/HighCostGet3Min"}),
    );
}

#[test]
fn aws_and_google_say_it_in_the_body() {
    check(
        400,
        &[],
        r#"{"__type":"ThrottlingException"}"#,
        Outcome::Limited,
        &json!({"limiter": "aws", "hop": "vendor"}),
    );
    check(503, &[], "<Error><Code>SlowDown</Code></Error>", Outcome::Limited, &json!({"limiter": "aws"}));
    let google = r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo"},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"3.5s"}]}}"#;
    check(429, &[], google, Outcome::Limited, &json!({"limiter": "google", "resets_in": 3.5}));
}

#[test]
fn gateways_are_named_and_say_where_they_stand() {
    let kong = [
        ("server", "kong/3.8.0"),
        ("x-ratelimit-limit-minute", "5"),
        ("x-ratelimit-remaining-minute", "0"),
        ("ratelimit-limit", "5"),
        ("ratelimit-remaining", "0"),
        ("ratelimit-reset", "47"),
        ("retry-after", "47"),
    ];
    let body = r#"{"message":"API rate limit exceeded"}"#;
    check(429, &kong, body, Outcome::Limited, &json!({"limiter": "kong", "hop": "gateway", "resets_in": 47}));
    check(
        429,
        &[("x-envoy-ratelimited", "true")],
        "",
        Outcome::Limited,
        &json!({"limiter": "envoy", "hop": "gateway"}),
    );
    check(
        429,
        &[("x-retry-in", "1.5s"), ("retry-after", "2")],
        "",
        Outcome::Limited,
        &json!({"limiter": "traefik"}),
    );
    let page = "<html><h1>429 Too Many Requests</h1><hr><center>nginx</center></html>";
    check(429, &[], page, Outcome::Limited, &json!({"limiter": "nginx", "hop": "gateway"}));
    let edge = [("server", "cloudflare"), ("cf-ray", "1")];
    check(429, &edge, "error code: 1015", Outcome::Limited, &json!({"limiter": "cloudflare", "hop": "edge"}));
}

#[test]
fn a_vendors_limit_that_our_application_wraps_is_told() {
    let body = r#"{"error":"upstream_error","dependency":"payments","upstream_status":429}"#;
    let json_type = ("content-type", "application/json");
    check(
        500,
        &[json_type],
        body,
        Outcome::Limited,
        &json!({"diagnosis": "vendor_limit_wrapped", "dependency": "payments", "hop": "vendor", "limiter": "unknown"}),
    );
}

#[test]
fn a_503_with_retry_after_is_a_limiters_only_with_a_word_about_limits() {
    check(
        503,
        &[("retry-after", "120")],
        "Too many requests, slow down",
        Outcome::Limited,
        &json!({"limiter": "retry_after", "policy": "retry_after_only"}),
    );
    // Maintenance says the same (RFC 9110 §10.2.3).
    check(
        503,
        &[("retry-after", "3600")],
        "down for maintenance",
        Outcome::NoHeaders,
        &json!({"limiter": null, "diagnosis": "unavailable_for_a_while", "retry_after": 3600}),
    );
}

#[test]
fn a_lock_that_times_out_at_stripe_is_no_limit() {
    let body = r#"{"error": {"code": "lock_timeout"}}"#;
    let expected = json!({"limiter": "stripe", "diagnosis": "object_lock"});
    check(429, &[("stripe-version", "2025-01-01")], body, Outcome::NotLimited, &expected);
    let limited = [("stripe-version", "2025-01-01"), ("stripe-rate-limited-reason", "resource-specific")];
    check(429, &limited, body, Outcome::Limited, &json!({"reason": "resource-specific"}));
}

#[test]
fn a_429_that_a_proxy_received_and_passed_on_as_a_failure_is_a_vendors_limit() {
    let status = [("proxy-status", "gw.example; received-status=429")];
    check(502, &status, "", Outcome::Limited, &json!({"diagnosis": "vendor_limit_wrapped", "hop": "vendor"}));
    check(502, &[("proxy-status", "gw.example; received-status=500")], "", Outcome::NoHeaders, &json!({}));
}

#[test]
fn the_summary_reads_alone() {
    let headers = [("x-ratelimit-limit", "100"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "7")];
    let got = verdict(429, &headers, "");
    assert_eq!(
        got.summary,
        "limited by X-RateLimit headers of no known vendor: 0 of 100 left, whole again in 7 s"
    );
}

/// A row of `fixtures.yaml`.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    limiter: String,
    status: u16,
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, Value>,
    #[serde(default)]
    body: String,
    outcome: String,
    facts: serde_json::Map<String, Value>,
}

impl Fixture {
    fn headers(&self) -> Vec<(String, String)> {
        self.headers.iter().map(|(name, value)| (name.clone(), text_of(value))).collect()
    }
}

fn fixtures() -> Vec<Fixture> {
    crate::yaml::read("fixtures.yaml", include_str!("fixtures.yaml")).unwrap()
}

#[test]
fn every_limiters_answer_is_read_as_its_vendor_writes_it() {
    let catalogues = Catalogues::builtin();
    for fixture in fixtures() {
        let headers = fixture.headers();
        let host = fixture.host.as_deref().unwrap_or("api.example.com");
        let answer = Answer::new(fixture.status, host, &headers, fixture.body.as_bytes());
        let got = judge(&catalogues, &answer, NOW.parse().unwrap());
        assert_eq!(got.outcome.id(), fixture.outcome, "{fixture:?}: {got:?}");
        assert_eq!(got.facts["limiter"], fixture.limiter.as_str(), "{fixture:?}");
        for (name, value) in &fixture.facts {
            assert_eq!(got.facts.get(name), Some(value), "{name} of {fixture:?}: {got:?}");
        }
    }
}

#[test]
fn every_row_of_the_catalogue_has_a_fixture() {
    let fixtures = fixtures();
    for limiter in Catalogues::builtin().limiters {
        let of_limiter: Vec<_> = fixtures.iter().filter(|it| it.limiter == limiter.id).collect();
        assert!(!of_limiter.is_empty(), "no answer of {} in fixtures.yaml", limiter.id);
        for refused in &limiter.limited {
            let holds = |fixture: &&&Fixture| {
                let headers = fixture.headers();
                let host = fixture.host.as_deref().unwrap_or("api.example.com");
                refused.mark.holds(&Answer::new(fixture.status, host, &headers, fixture.body.as_bytes()))
            };
            assert!(
                of_limiter.iter().any(|it| holds(&it)),
                "no refusal {:?} of {} in fixtures.yaml",
                refused.mark,
                limiter.id
            );
        }
    }
}

#[test]
fn no_mark_of_a_limiter_is_in_the_shade_of_another() {
    let catalogues = Catalogues::builtin();
    for limiter in &catalogues.limiters {
        for mark in &limiter.when {
            let (status, host, headers, body) = mark.example();
            let answer = Answer::new(status, &host, &headers, body.as_bytes());
            assert!(mark.holds(&answer), "{}: {mark:?}", limiter.id);
            let got = judge(&catalogues, &answer, NOW.parse().unwrap());
            assert_eq!(got.facts["limiter"], limiter.id.as_str(), "{mark:?}");
        }
    }
}

async fn recorded_check(target: &str, stdin: Option<&str>) -> Result<Report, NotRun> {
    let secrets = stdin.map(|it| ("-".to_owned(), it.to_owned())).into_iter().collect();
    let env = Environment::new(crate::egress::Policy::public_only()).with_secrets(secrets);
    let request = Request {
        check: CheckKind::RateLimit,
        target: target.to_owned(),
        with: crate::checks::With::default(),
        timeout: std::time::Duration::from_secs(2),
        now: NOW.parse().unwrap(),
    };
    crate::checks::run(&env, &request).await
}

#[tokio::test]
async fn a_recorded_answer_is_judged_without_a_request() {
    let text = "HTTP/1.1 429 Too Many Requests\nX-RateLimit-Limit: 60\nX-RateLimit-Remaining: 0\nX-RateLimit-Reset: 1772359260\n\n";
    let report = recorded_check("-", Some(text)).await.unwrap();
    assert_eq!(
        (report.outcome, &report.facts["resets_in"], &report.facts["recorded"]),
        (Outcome::Limited, &json!(60), &json!(true))
    );
    let report = recorded_check(text, None).await.unwrap();
    assert_eq!((report.outcome, report.target.as_str()), (Outcome::Limited, "the recorded answer"));
    let path = std::env::temp_dir().join(format!("firstcheck-recorded-{}", std::process::id()));
    std::fs::write(&path, "RateLimit: \"default\";r=50;t=30\nRateLimit-Policy: \"default\";q=100;w=60\n")
        .unwrap();
    let report = recorded_check(path.to_str().unwrap(), None).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(
        (report.outcome, &report.facts["limit"], report.facts.get("status")),
        (Outcome::NotLimited, &json!(100), None)
    );
    assert_eq!(recorded_check("-", Some("it was slow")).await.unwrap().outcome, Outcome::Error);
    assert!(matches!(recorded_check("-", None).await, Err(NotRun::Usage(_))));
    assert!(matches!(recorded_check("api.example.com", None).await, Err(NotRun::Usage(_))));
}

proptest::proptest! {
    #[test]
    fn any_answer_gets_a_verdict(
        status in 100u16..600,
        headers in proptest::collection::vec(("(x-ratelimit-(limit|remaining|reset)|ratelimit(-policy)?|retry-after|x-shopify-shop-api-call-limit|date|age)", "[ -~]{0,30}"), 0..6),
        body in "[ -~]{0,60}",
    ) {
        let answer = Answer::new(status, "api.example.com", &headers, body.as_bytes());
        let got = judge(&Catalogues::builtin(), &answer, NOW.parse().unwrap());
        let resets_in = got.facts.get("resets_in").and_then(Value::as_f64);
        proptest::prop_assert!(resets_in.is_none_or(|it| (0.0..=31.0 * 86_400.0).contains(&it)), "{got:?}");
    }
}
