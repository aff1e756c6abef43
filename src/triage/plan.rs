//! Which checks a service's profile allows, with everything each probe needs.
//!
//! A check that lacks its input is not planned: no contract without a description and a request, no token without a
//! reference to one. Secrets go by reference (`env:NAME`), and a bearer token only over TLS or to this machine.

use std::collections::BTreeMap;

use url::{Host, Url};

use crate::incident::{Incident, Step};
use crate::outcome::{CheckKind, Role};
use crate::profile::{Dependency, ServiceProfile};
use crate::question::{Answer, QuestionId};

/// Every check this incident allows, in the framework's order.
pub(crate) fn steps(incident: &Incident) -> Vec<Step> {
    let profile = &incident.profile;
    let mut steps = Vec::new();
    if let Some(url) = face(incident) {
        steps.extend(endpoint(Role::Service, None, &url, &with_bearer(profile, &url)));
    }
    if let Some(url) = &profile.direct_url {
        steps.extend(behind_the_gateway(profile, url));
    }
    steps.extend(documents(incident));
    for dependency in &profile.dependencies {
        steps.extend(upstream(dependency));
    }
    steps
}

/// The endpoint as callers reach it: the profile's, else the URL the alert names.
fn face(incident: &Incident) -> Option<Url> {
    let named = || {
        let endpoints = incident.alerts.iter().filter_map(|alert| alert.endpoint.as_deref());
        endpoints
            .filter_map(|text| Url::parse(text).ok())
            .find(|url| matches!(url.scheme(), "http" | "https"))
    };
    incident.profile.url.clone().or_else(named)
}

/// The network checks and the requests to one endpoint.
fn endpoint(role: Role, name: Option<&str>, url: &Url, http: &BTreeMap<String, String>) -> Vec<Step> {
    let step = |check: CheckKind, target: String, with: BTreeMap<String, String>| Step {
        check,
        role,
        name: name.map(str::to_owned),
        target,
        with,
    };
    let mut steps = Vec::new();
    let Some(host) = url.host() else { return steps };
    let pinned = http.contains_key("connect_to");
    if let (Host::Domain(name), false) = (&host, pinned) {
        steps.push(step(CheckKind::Dns, (*name).to_owned(), BTreeMap::new()));
    }
    if let Some(port) = url.port_or_known_default() {
        let target = format!("{host}:{port}");
        steps.push(step(CheckKind::Tcp, target.clone(), only(http, &["connect_to"])));
        if url.scheme() == "https" {
            steps.push(step(CheckKind::Tls, target, only(http, &["connect_to", "ca_file"])));
        }
    }
    steps.push(step(CheckKind::Http, url.to_string(), http.clone()));
    let asking = ["method", "connect_to", "ca_file", "bearer"];
    steps.push(step(CheckKind::RateLimit, url.to_string(), only_and_headers(http, &asking)));
    steps
}

/// The application itself: its answer, and its certificate where it has one.
fn behind_the_gateway(profile: &ServiceProfile, url: &Url) -> Vec<Step> {
    let mut http = with_bearer(profile, url);
    // That address is the gateway's.
    http.remove("connect_to");
    let steps = endpoint(Role::Service, Some("direct"), url, &http);
    steps.into_iter().filter(|step| matches!(step.check, CheckKind::Tls | CheckKind::Http)).collect()
}

/// The checks that read what is written down: the contract, the token, the releases, the time limits, the CORS rule.
fn documents(incident: &Incident) -> Vec<Step> {
    let profile = &incident.profile;
    let step = |check: CheckKind, target: &str, with: Vec<(&str, Option<&str>)>| Step {
        check,
        role: Role::Service,
        name: None,
        target: target.to_owned(),
        with: with.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned()))).collect(),
    };
    let mut steps = Vec::new();
    if let Some(contract) = &profile.contract {
        let pasted = match incident.answer(QuestionId::FailingRequest) {
            Some(Answer::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        if let Some(request) = contract.request.as_deref().or(pasted) {
            steps.push(step(CheckKind::Contract, request, vec![("spec", Some(&contract.spec))]));
        }
    }
    if let Some(token) = &profile.token {
        let expected = vec![
            ("issuer", token.issuer.as_deref()),
            ("audience", token.audience.as_deref()),
            ("scope", token.scope.as_deref()),
            ("jwks", token.jwks.as_deref()),
        ];
        steps.push(step(CheckKind::Token, &format!("env:{}", token.env), expected));
    }
    if let Some(releases) = &profile.releases {
        let at = incident.started_at().map(|at| at.to_string());
        let record = Some(releases.record.as_str()).filter(|record| !record.is_empty());
        let (target, beside) = match (&releases.repository, record) {
            (Some(repository), record) => (Some(repository.as_str()), record),
            (None, record) => (record, None),
        };
        let with = vec![
            ("at", at.as_deref()),
            ("window", releases.window.as_deref()),
            ("environment", releases.environment.as_deref()),
            ("record", beside),
        ];
        if let Some(target) = target {
            steps.push(step(CheckKind::Deploys, target, with));
        }
    }
    if let Some(metrics) = &profile.metrics {
        let at = incident.started_at().map(|at| at.to_string());
        let with = vec![
            ("at", at.as_deref()),
            ("window", metrics.window.as_deref()),
            ("query", metrics.query.as_deref()),
            ("match", metrics.matchers.as_deref().filter(|_| metrics.query.is_none())),
        ];
        steps.push(step(CheckKind::Metrics, metrics.url.as_str(), with));
    }
    let face = face(incident);
    if let Some(limits) = &profile.deadlines {
        let with = vec![
            ("client", limits.client.as_deref()),
            ("gateway", limits.gateway.as_deref()),
            ("backend", limits.backend.as_deref()),
        ];
        let target = face.as_ref().map_or("-", Url::as_str);
        steps.push(step(CheckKind::Deadline, target, with));
    }
    let origin = profile.http.iter().find(|(key, _)| key.eq_ignore_ascii_case("header.origin"));
    if let (Some((_, origin)), Some(face)) = (origin, &face) {
        let mut with = only(&profile.http, &["method", "connect_to", "ca_file"]);
        with.insert("origin".to_owned(), origin.clone());
        if profile.token.is_some() {
            with.insert("headers".to_owned(), "authorization".to_owned());
        }
        steps.push(Step { with, ..step(CheckKind::Cors, face.as_str(), vec![]) });
    }
    steps
}

fn upstream(dependency: &Dependency) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(url) = &dependency.url {
        steps.extend(endpoint(Role::Dependency, Some(&dependency.name), url, &dependency.http));
    }
    if let Some(page) = &dependency.status_page {
        let component = dependency.component.iter().map(|it| ("component".to_owned(), it.clone()));
        steps.push(Step {
            check: CheckKind::StatusPage,
            role: Role::Dependency,
            name: Some(dependency.name.clone()),
            target: page.clone(),
            with: component.collect(),
        });
    }
    steps
}

/// The profile's own keys, and the failing caller's token where it cannot be overheard.
fn with_bearer(profile: &ServiceProfile, url: &Url) -> BTreeMap<String, String> {
    let mut http = profile.http.clone();
    if let Some(token) = profile.token.as_ref().filter(|_| url.scheme() == "https" || is_this_machine(url)) {
        http.entry("bearer".to_owned()).or_insert_with(|| format!("env:{}", token.env));
    }
    http
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn only(http: &BTreeMap<String, String>, keys: &[&str]) -> BTreeMap<String, String> {
    http.iter().filter(|(key, _)| keys.contains(&key.as_str())).map(owned).collect()
}

fn only_and_headers(http: &BTreeMap<String, String>, keys: &[&str]) -> BTreeMap<String, String> {
    let wanted = |key: &String| keys.contains(&key.as_str()) || key.starts_with("header.");
    http.iter().filter(|(key, _)| wanted(key)).map(owned).collect()
}

fn owned((key, value): (&String, &String)) -> (String, String) {
    (key.clone(), value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::IncidentId;
    use crate::profile::{ContractProfile, TokenProfile};

    fn incident(profile: ServiceProfile) -> Incident {
        Incident { profile, ..Incident::new(IncidentId::from_seed(1)) }
    }

    #[track_caller]
    fn check(profile: ServiceProfile, expected: &[&str]) {
        let keys: Vec<String> = steps(&incident(profile)).iter().map(Step::key).collect();
        assert_eq!(keys, expected);
    }

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn a_plain_address_is_not_resolved_and_has_no_certificate() {
        let profile =
            ServiceProfile { url: Some(url("http://127.0.0.1:8080/x")), ..ServiceProfile::default() };
        check(profile, &["tcp service", "http service", "rate_limit service"]);
    }

    #[test]
    fn each_dependency_has_its_own_steps_and_the_gateway_is_told_from_the_application() {
        let profile = ServiceProfile {
            url: Some(url("https://api.example.com/x")),
            direct_url: Some(url("https://10.0.0.7:8443/x")),
            dependencies: vec![Dependency {
                name: "pay".into(),
                status_page: Some("stripe".into()),
                ..Dependency::default()
            }],
            ..ServiceProfile::default()
        };
        let expected = [
            "dns service",
            "tcp service",
            "tls service",
            "http service",
            "rate_limit service",
            "tls service direct",
            "http service direct",
            "status_page dependency pay",
        ];
        check(profile, &expected);
    }

    #[test]
    fn a_contract_waits_for_a_request_and_takes_the_pasted_one() {
        let contract = ContractProfile { spec: "api.yaml".into(), request: None };
        let mut incident = incident(ServiceProfile { contract: Some(contract), ..ServiceProfile::default() });
        assert_eq!(steps(&incident), []);
        let answer = Answer::Text("curl https://api.example.com/x".into());
        let event = crate::incident::Event::AnswerGiven {
            question: QuestionId::FailingRequest,
            answer,
            by: "test".into(),
        };
        incident.record(event, jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(steps(&incident)[0].target, "curl https://api.example.com/x");
    }

    #[test]
    fn a_service_with_curves_has_them_looked_at_around_the_start() {
        let metrics = crate::profile::MetricsProfile {
            url: url("http://prometheus:9090"),
            matchers: Some("job=\"orders\"".into()),
            query: None,
            window: None,
        };
        let mut incident = incident(ServiceProfile { metrics: Some(metrics), ..ServiceProfile::default() });
        let mut alert = crate::alert::Alert::titled("generic", "500s");
        alert.started_at = "2026-11-01T10:02:00Z".parse().ok();
        incident.alerts.push(alert);
        let steps = steps(&incident);
        let step = steps.iter().find(|step| step.check == CheckKind::Metrics).unwrap();
        assert_eq!(step.target, "http://prometheus:9090/");
        let expected = [("at", "2026-11-01T10:02:00Z"), ("match", "job=\"orders\"")];
        assert_eq!(step.with, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn a_token_is_never_sent_where_it_can_be_overheard() {
        let token = TokenProfile { env: "TOKEN".into(), ..TokenProfile::default() };
        for (address, sent) in [
            ("http://api.example.com/", false),
            ("https://api.example.com/", true),
            ("http://127.0.0.1:1/", true),
        ] {
            let profile = ServiceProfile {
                url: Some(url(address)),
                token: Some(token.clone()),
                ..ServiceProfile::default()
            };
            let steps = steps(&incident(profile));
            let http = steps.iter().find(|step| step.check == CheckKind::Http).unwrap();
            assert_eq!(http.with.get("bearer").is_some_and(|it| it == "env:TOKEN"), sent, "{address}");
        }
    }

    #[test]
    fn without_a_profile_the_alert_names_the_endpoint() {
        let mut incident = incident(ServiceProfile::default());
        let mut alert = crate::alert::Alert::titled("generic", "504s");
        alert.endpoint = Some("https://api.example.com/v1".into());
        incident.alerts.push(alert);
        assert_eq!(steps(&incident).len(), 5);
    }
}
