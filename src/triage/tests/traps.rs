//! The status is a symptom: statuses that mislead, and what must be concluded all the same.

use crate::bucket::Bucket;
use crate::incident::Event;
use crate::profile::ServiceProfile;
use crate::question::{Answer, QuestionId};
use crate::runbook::Knowledge;
use crate::scenario::{Scenario, replay};

use super::{Desk, KNOWLEDGE};

#[track_caller]
fn check(expected: Bucket, cause: &str, scenario: &str) {
    let knowledge: &Knowledge = &KNOWLEDGE;
    let scenario = Scenario::parse("trap", scenario).unwrap();
    let replay = replay(knowledge, &scenario);
    assert_eq!(replay.conclusion.bucket, expected, "{:?}\n{:#?}", replay.asked, replay.conclusion);
    assert_eq!(replay.conclusion.hypotheses[0].id, cause, "{:#?}", replay.conclusion);
}

#[test]
fn a_500_that_wraps_a_slow_dependency_is_upstream_even_after_a_release() {
    check(
        Bucket::Upstream,
        "dependency_slow",
        r#"
alert: {title: 500 on checkout, http_status: 500}
answers: {error_origin: app, latency_first: "yes", correlated_dependency: acquirer, change_at_start: [none]}
checks:
  - {check: http, target: service, outcome: server_error}
  - {check: http, target: dependency, outcome: timeout}
  - {check: metrics, target: service, outcome: latency_led}
  - {check: deploys, target: service, outcome: deploy_near}
"#,
    );
}

#[test]
fn a_403_from_a_limiter_is_rate_limit() {
    check(
        Bucket::RateLimit,
        "limit_answered_as_forbidden",
        r"
alert: {title: 403 from the search API, http_status: 403}
answers: {error_origin: dependency, correlated_dependency: search, change_at_start: [traffic_change]}
checks:
  - {check: http, target: dependency, outcome: forbidden}
  - {check: rate_limit, target: dependency, outcome: limited}
  - {check: token, target: dependency, outcome: valid}
  - {check: deploys, target: service, outcome: none_near}
",
    );
}

#[test]
fn a_404_from_a_gateway_without_the_route_is_not_the_clients() {
    check(
        Bucket::Upstream,
        "edge_or_cdn_fault",
        r#"
alert: {title: 404 on every path, http_status: 404, endpoint: "/*"}
answers: {error_origin: cdn, client_scope: all_clients, principal_scope: [everyone], change_at_start: [none]}
checks:
  - {check: http, target: service, outcome: client_error}
  - {check: contract, target: service, outcome: matches}
  - {check: deploys, target: service, outcome: none_near}
  - {check: status_page, target: dependency, outcome: partial_outage}
"#,
    );
}

#[test]
fn a_401_from_an_overloaded_lookup_is_server() {
    check(
        Bucket::Server,
        "auth_backend_overloaded",
        r#"
alert: {title: 401 for a fifth of all calls, http_status: 401}
answers: {token_state: valid, principal_scope: [everyone], latency_first: "yes", change_at_start: [none]}
checks:
  - {check: http, target: service, outcome: ok}
  - {check: token, target: service, outcome: valid}
  - {check: metrics, target: service, outcome: saturated}
  - {check: deploys, target: service, outcome: none_near}
"#,
    );
}

#[test]
fn a_503_from_retries_of_our_own_is_rate_limit() {
    check(
        Bucket::RateLimit,
        "retry_storm",
        r"
alert: {title: 503 from the mesh, http_status: 503}
answers: {retry_layer: amplifying, error_origin: gateway}
checks:
  - {check: http, target: service, outcome: gateway_error}
  - {check: rate_limit, target: service, outcome: limited}
  - {check: metrics, target: service, outcome: retry_storm}
  - {check: deploys, target: service, outcome: none_near}
",
    );
}

#[test]
fn a_200_with_a_broken_body_from_a_dependency_is_upstream() {
    check(
        Bucket::Upstream,
        "dependency_answers_garbage",
        r"
alert: {title: Prices missing on product pages}
answers: {status_distribution: [bad_200], error_origin: dependency, correlated_dependency: pricing, change_at_start: [none]}
checks:
  - {check: http, target: service, outcome: ok}
  - {check: http, target: dependency, outcome: bad_body}
  - {check: contract, target: dependency, outcome: matches}
  - {check: status_page, target: dependency, outcome: operational}
  - {check: deploys, target: service, outcome: none_near}
",
    );
}

#[test]
fn a_200_with_parts_missing_since_a_release_is_server() {
    check(
        Bucket::Server,
        "partial_answer_from_a_bug",
        r"
alert: {title: Order totals missing in responses}
answers: {status_distribution: [bad_200], error_origin: app, change_at_start: [deploy], correlated_dependency: none}
checks:
  - {check: http, target: service, outcome: bad_body}
  - {check: http, target: dependency, outcome: ok}
  - {check: contract, target: service, outcome: matches}
  - {check: deploys, target: service, outcome: deploy_near}
",
    );
}

#[test]
fn a_status_alone_never_makes_clarity() {
    for status in [400, 401, 429, 503, 500] {
        let text = format!("alert: {{title: broken, http_status: {status}}}");
        let replay = replay(&KNOWLEDGE, &Scenario::parse("trap", &text).unwrap());
        assert_eq!(replay.conclusion.stopped, crate::incident::Stopped::Unclear, "{status}");
        assert!(!replay.conclusion.missing.is_empty());
    }
}

#[test]
fn an_answer_that_the_evidence_contradicts_is_named_and_lowers_confidence() {
    let mut desk = Desk::new(ServiceProfile::default())
        .answers(QuestionId::ChangeAtStart, "credential_rotation")
        .answers(QuestionId::TokenState, "wrong_issuer")
        .alert("401 on orders", Some(401));
    let before = desk.incident.conclusion.clone().unwrap();
    let names_it = |missing: &[String]| missing.iter().any(|it| it.contains("contradicts the rest"));
    assert!(before.bucket == Bucket::Auth && !names_it(&before.missing), "{before:#?}");
    let question = QuestionId::LatencyFirst;
    let answer = Answer::parse(question, "yes").unwrap();
    desk.run(Event::AnswerGiven { question, answer, by: "ben".to_owned() });
    let after = desk.incident.conclusion.unwrap();
    assert!(after.bucket == Bucket::Auth && names_it(&after.missing), "{after:#?}");
    assert!(after.probability < before.probability);
}
