//! The ten worlds of the drill, with the outcomes their real servers give: each must reach clarity with few questions.

use serde_json::json;

use super::Desk;
use crate::bucket::Bucket;
use crate::outcome::Outcome;
use crate::profile::{
    ContractProfile, DeadlineProfile, Dependency, ReleaseProfile, ServiceProfile, TokenProfile,
};
use crate::question::QuestionId::{
    ChangeAtStart, CorrelatedDependency, EndpointScope, ErrorOrigin, LatencyFirst, PrincipalScope,
};

/// A service behind a gateway, with a release record.
fn service() -> ServiceProfile {
    ServiceProfile {
        name: "orders-api".into(),
        url: Some("https://api.drill.test/v1/orders".parse().unwrap()),
        direct_url: Some("https://app.drill.test/v1/orders".parse().unwrap()),
        releases: Some(ReleaseProfile { record: "releases.jsonl".into(), ..ReleaseProfile::default() }),
        ..ServiceProfile::default()
    }
}

/// The same, calling a vendor with a status page.
fn with_dependency(name: &str, status_page: bool) -> ServiceProfile {
    let dependency = Dependency {
        name: name.into(),
        url: Some("https://vendor.drill.test/v2".parse().unwrap()),
        status_page: status_page.then(|| "https://status.drill.test".to_owned()),
        ..Dependency::default()
    };
    ServiceProfile { dependencies: vec![dependency], ..service() }
}

fn with_token() -> ServiceProfile {
    ServiceProfile {
        token: Some(TokenProfile { env: "TOKEN".into(), ..TokenProfile::default() }),
        ..service()
    }
}

/// A desk whose gateway resolves, connects, is trusted and does not limit; nothing was released.
fn healthy_face(profile: ServiceProfile) -> Desk {
    Desk::new(profile)
        .finds("dns service", Outcome::Resolves)
        .finds("tcp service", Outcome::Connects)
        .finds("tls service", Outcome::Valid)
        .finds("tls service direct", Outcome::Valid)
        .finds("rate_limit service", Outcome::NoHeaders)
        .finds("deploys service", Outcome::NoneNear)
}

fn healthy_dependency(desk: Desk, name: &str) -> Desk {
    [("dns", Outcome::Resolves), ("tcp", Outcome::Connects), ("tls", Outcome::Valid), ("http", Outcome::Ok)]
        .into_iter()
        .fold(desk, |desk, (check, outcome)| desk.finds(&format!("{check} dependency {name}"), outcome))
        .finds(&format!("rate_limit dependency {name}"), Outcome::NotLimited)
        .finds(&format!("status_page dependency {name}"), Outcome::Operational)
}

#[test]
fn a_certificate_that_expired_behind_the_gateway_is_upstream() {
    let untrusted = json!({"certificate": "expired", "diagnosis": "expired"});
    healthy_face(service())
        .finds_with("http service", Outcome::GatewayError, json!({"origin": "gateway", "means": "tls"}))
        .finds_with("http service direct", Outcome::Untrusted, untrusted)
        .finds("tls service direct", Outcome::Expired)
        .answers(EndpointScope, "all")
        .answers(ErrorOrigin, "gateway")
        .answers(ChangeAtStart, "none")
        .alert("orders-api returns 502 Bad Gateway for every request", Some(502))
        .is_clear(Bucket::Upstream, "backend_certificate_behind_gateway", 1);
}

#[test]
fn a_500_that_wraps_a_name_that_is_gone_is_upstream() {
    let wraps = json!({"origin": "app", "wraps": "dns", "dependency": "ledger"});
    healthy_face(with_dependency("ledger", false))
        .finds_with("http service", Outcome::ServerError, wraps.clone())
        .finds_with("http service direct", Outcome::ServerError, wraps)
        .finds("dns dependency ledger", Outcome::DanglingCname)
        .finds("tcp dependency ledger", Outcome::Unresolved)
        .finds("tls dependency ledger", Outcome::Unresolved)
        .finds("http dependency ledger", Outcome::Unresolved)
        .answers(CorrelatedDependency, "ledger")
        .alert("orders-api: 500 on /v1/balance", Some(500))
        .is_clear(Bucket::Upstream, "dependency_name_gone", 1);
}

#[test]
fn a_500_that_wraps_a_vendors_429_is_rate_limit() {
    let wraps = json!({"origin": "app", "wraps": "limit", "dependency": "payments", "wrapped_status": 429});
    healthy_dependency(healthy_face(with_dependency("payments", true)), "payments")
        .finds_with("http service", Outcome::ServerError, wraps.clone())
        .finds_with("http service direct", Outcome::ServerError, wraps)
        .finds("http dependency payments", Outcome::Limited)
        .finds("rate_limit dependency payments", Outcome::Limited)
        .alert("orders-api: 500 on POST /v1/checkout", Some(500))
        .is_clear(Bucket::RateLimit, "vendor_limit_wrapped", 1);
}

#[test]
fn a_504_at_the_gateways_limit_while_the_backend_works_is_upstream() {
    let deadlines = DeadlineProfile {
        client: Some("10s".into()),
        gateway: Some("400ms".into()),
        backend: Some("900ms".into()),
    };
    let gave_up = json!({"origin": "gateway", "means": "timeout", "diagnosis": "gateway_gave_up"});
    healthy_face(ServiceProfile { deadlines: Some(deadlines), ..service() })
        .finds_with("http service", Outcome::GatewayError, gave_up)
        .finds("http service direct", Outcome::Ok)
        .finds("deadline service", Outcome::GatewayShorterThanBackend)
        .answers(LatencyFirst, "yes")
        .alert("orders-api: 504 Gateway Timeout on report export", Some(504))
        .is_clear(Bucket::Upstream, "gateway_gives_up_before_backend", 1);
}

#[test]
fn a_401_with_a_token_for_somebody_else_is_auth() {
    healthy_face(with_token())
        .finds_with(
            "http service",
            Outcome::Unauthorized,
            json!({"origin": "app", "challenge_error": "invalid_token"}),
        )
        .finds("http service direct", Outcome::Unauthorized)
        .finds("token service", Outcome::WrongAudience)
        .alert("orders-api: 401 Unauthorized for the billing job", Some(401))
        .is_clear(Bucket::Auth, "audience_mismatch", 0);
}

#[test]
fn a_415_after_a_client_release_is_client() {
    let contract = ContractProfile { spec: "api.yaml".into(), request: Some("failing.curl".into()) };
    healthy_face(ServiceProfile { contract: Some(contract), ..service() })
        .finds("http service", Outcome::Ok)
        .finds("http service direct", Outcome::Ok)
        .finds("contract service", Outcome::WrongContentType)
        .finds("deploys service", Outcome::DeployNear)
        .alert("orders-api: 415 on POST /v1/orders", Some(415))
        .is_clear(Bucket::Client, "content_type_changed", 0);
}

#[test]
fn a_gateway_that_strips_authorization_is_auth() {
    healthy_face(with_token())
        .finds_with(
            "http service",
            Outcome::Unauthorized,
            json!({"origin": "app", "diagnosis": "authorization_not_received"}),
        )
        .finds("http service direct", Outcome::Ok)
        .finds("token service", Outcome::Valid)
        .finds("deploys service", Outcome::ConfigNear)
        .answers(PrincipalScope, "everyone")
        .alert("orders-api: 401 Unauthorized for every caller", Some(401))
        .is_clear(Bucket::Auth, "authorization_stripped", 1);
}

#[test]
fn a_vendor_that_is_down_and_says_so_is_upstream() {
    let wraps = json!({"origin": "app", "wraps": "upstream", "dependency": "payments"});
    healthy_dependency(healthy_face(with_dependency("payments", true)), "payments")
        .finds_with("http service", Outcome::ServerError, wraps.clone())
        .finds_with("http service direct", Outcome::ServerError, wraps)
        .finds("http dependency payments", Outcome::GatewayError)
        .finds("rate_limit dependency payments", Outcome::NoHeaders)
        .finds("status_page dependency payments", Outcome::MajorOutage)
        .alert("orders-api: checkout fails with 503", Some(503))
        .is_clear(Bucket::Upstream, "dependency_down", 1);
}

#[test]
fn five_hundreds_since_a_release_are_server() {
    let body = json!({"origin": "app", "body": {"type": "json", "error": {"code": "INTERNAL", "message": "unexpected error"}}});
    healthy_dependency(healthy_face(with_dependency("payments", true)), "payments")
        .finds_with("http service", Outcome::ServerError, body.clone())
        .finds_with("http service direct", Outcome::ServerError, body)
        .finds("deploys service", Outcome::DeployNear)
        .answers(LatencyFirst, "no")
        .answers(CorrelatedDependency, "none")
        .alert("orders-api: 500 on GET /v1/orders", Some(500))
        .is_clear(Bucket::Server, "release_broke_it", 1);
}

#[test]
fn a_429_from_our_own_gateway_since_a_job_polls_too_often_is_rate_limit() {
    healthy_face(service())
        .finds_with("http service", Outcome::Limited, json!({"origin": "gateway", "means": "limit"}))
        .finds("http service direct", Outcome::Ok)
        .finds("rate_limit service", Outcome::Limited)
        .finds("deploys service", Outcome::DeployNear)
        .alert("orders-api answers 429 Too Many Requests", Some(429))
        .is_clear(Bucket::RateLimit, "our_callers_poll_too_often", 0);
}
