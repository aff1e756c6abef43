//! What each bucket needs most ("capture first" in the framework's table), and which facts of a check tell most.

use super::Fact;
use super::collect::{clipped, report, text_of};
use crate::bucket::Bucket;
use crate::incident::Incident;
use crate::outcome::{CheckKind, Outcome, Report, Role};
use crate::question::QuestionId;
use crate::request::{Body, FailingRequest};

/// How many facts of a check stand in a table, and how long each may be, in characters.
const TELLING: usize = 5;
const TELLING_CHARS: usize = 120;

/// What the bucket needs: what was found, and what nobody could give.
#[derive(Debug, Default)]
pub(super) struct Specifics {
    pub(super) given: Vec<Fact>,
    pub(super) missing: Vec<String>,
}

impl Specifics {
    fn add(&mut self, name: &str, value: Option<String>) {
        match value {
            Some(value) => self.given.push(Fact::new(name, value)),
            None => self.missing.push(name.to_owned()),
        }
    }
}

/// What the incident's bucket needs; nothing while there is none.
pub(super) fn facts(incident: &Incident, failing: Option<&FailingRequest>) -> Specifics {
    let mut specifics = Specifics::default();
    let bucket = incident.reclassified.as_ref().map(|(bucket, _)| *bucket);
    let Some(bucket) = bucket.or_else(|| incident.conclusion.as_ref().map(|it| it.bucket)) else {
        return specifics;
    };
    match bucket {
        Bucket::Client => client(incident, failing, &mut specifics),
        Bucket::Auth => auth(incident, failing, &mut specifics),
        Bucket::RateLimit => rate_limit(incident, &mut specifics),
        Bucket::Upstream => upstream(incident, &mut specifics),
        Bucket::Server => server(incident, failing, &mut specifics),
    }
    specifics
}

fn client(incident: &Incident, failing: Option<&FailingRequest>, out: &mut Specifics) {
    out.add("content type", failing.and_then(FailingRequest::media_type));
    out.add("payload shape", failing.and_then(payload));
    out.add(
        "what the contract says",
        summary(incident, &[(CheckKind::Contract, Role::Service), (CheckKind::Cors, Role::Service)]),
    );
}

fn auth(incident: &Incident, failing: Option<&FailingRequest>, out: &mut Specifics) {
    let sent = failing.map(|it| match it.header("authorization") {
        Some(value) => format!("sent, scheme {}", value.split_ascii_whitespace().next().unwrap_or("unknown")),
        None => "not in the failing request".to_owned(),
    });
    out.add("authorization header", sent.or_else(|| answer(incident, QuestionId::TokenState)));
    let token = report(incident, CheckKind::Token, Role::Service).filter(|it| it.outcome != Outcome::Error);
    let fact = |names: &[&str]| {
        token.and_then(|it| names.iter().find_map(|name| it.facts.get(*name).and_then(text_of)))
    };
    out.add("token issuer", fact(&["iss", "issuer"]));
    out.add("token audience", fact(&["aud", "audience"]));
    out.add("token expiry", fact(&["exp", "expires_at", "expires_in_s"]));
    if let Some(scope) = fact(&["scope", "missing_scope"]) {
        out.add("token scope", Some(scope));
    }
    let challenge = report(incident, CheckKind::Http, Role::Service)
        .and_then(|it| it.facts.get("www_authenticate"))
        .and_then(text_of);
    if challenge.is_some() {
        out.add("challenge", challenge);
    }
}

fn rate_limit(incident: &Incident, out: &mut Specifics) {
    let reports = [Role::Service, Role::Dependency].map(|role| report(incident, CheckKind::RateLimit, role));
    let limited =
        reports.into_iter().flatten().find(|it| matches!(it.outcome, Outcome::Limited | Outcome::NearLimit));
    let any = limited.or_else(|| reports.into_iter().flatten().next());
    let fact = |name: &str| any.and_then(|it| it.facts.get(name)).and_then(text_of);
    out.add("limiter", fact("limiter"));
    let headers = ["policy", "limit", "remaining", "resets_in", "retry_after"];
    let headers: Vec<String> =
        headers.iter().filter_map(|name| Some(format!("{name} {}", fact(name)?))).collect();
    let headers = if headers.is_empty() {
        answer(incident, QuestionId::LimitHeaders)
    } else {
        Some(headers.join(", "))
    };
    out.add("limit headers", headers);
    out.add(
        "identity key",
        fact("identity")
            .or_else(|| fact("partition"))
            .or_else(|| answer(incident, QuestionId::PrincipalScope)),
    );
    out.add("retry pattern", answer(incident, QuestionId::RetryLayer));
}

fn upstream(incident: &Incident, out: &mut Specifics) {
    let named = incident.conclusion.as_ref().and_then(|it| it.dependency.clone());
    out.add("dependency", named.or_else(|| answer(incident, QuestionId::CorrelatedDependency)));
    let http = [Role::Dependency, Role::Service]
        .into_iter()
        .find_map(|role| report(incident, CheckKind::Http, role));
    let http = http.filter(|it| it.outcome != Outcome::Error);
    out.add("call duration", http.map(|it| crate::template::millis(Some(it.took_ms))));
    let network = [CheckKind::Dns, CheckKind::Tcp, CheckKind::Tls, CheckKind::Http];
    let failing = incident.steps.iter().filter(|it| network.contains(&it.step.check)).filter_map(|it| {
        let report = it.report().filter(|it| it.exit_status() == 1)?;
        Some(format!("{} {}", it.step.key(), report.outcome))
    });
    let failing: Vec<String> = failing.collect();
    let alerted = incident.alerts.iter().find_map(|it| it.error).map(|it| it.id().to_owned());
    out.add("error type", if failing.is_empty() { alerted } else { Some(failing.join(", ")) });
    let deadlines = incident.profile.deadlines.as_ref();
    let threshold = deadlines.and_then(|it| it.gateway.clone().or_else(|| it.client.clone()));
    out.add("timeout threshold", threshold);
}

fn server(incident: &Incident, failing: Option<&FailingRequest>, out: &mut Specifics) {
    out.add(
        "release and changes near the start",
        summary(incident, &[(CheckKind::Deploys, Role::Service)])
            .or_else(|| answer(incident, QuestionId::ChangeAtStart)),
    );
    out.add("endpoint", incident.endpoint().map(str::to_owned));
    out.add("triggering input", failing.and_then(payload));
    out.add(
        "saturation signals",
        summary(incident, &[(CheckKind::Metrics, Role::Service)]).or_else(|| {
            answer(incident, QuestionId::LatencyFirst).map(|it| format!("latency rose first: {it}"))
        }),
    );
}

fn payload(failing: &FailingRequest) -> Option<String> {
    match &failing.body {
        Body::Text(text) => Some(clipped(text, 400)),
        Body::Parts(parts) => Some(parts.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(", ")),
        Body::Empty | Body::Elsewhere(_) => None,
    }
}

fn summary(incident: &Incident, checks: &[(CheckKind, Role)]) -> Option<String> {
    let reports = checks.iter().filter_map(|(check, role)| report(incident, *check, *role));
    let said: Vec<String> = reports
        .filter(|it| it.outcome != Outcome::Error)
        .map(|it| {
            if it.summary.is_empty() {
                it.outcome.to_string()
            } else {
                format!("{}: {}", it.outcome, it.summary)
            }
        })
        .collect();
    if said.is_empty() { None } else { Some(said.join("; ")) }
}

fn answer(incident: &Incident, question: QuestionId) -> Option<String> {
    incident.answer(question).filter(|it| !it.is_unknown()).map(ToString::to_string)
}

/// The facts that tell most, most telling first: the finer diagnosis and who answered, then what fits on a line.
pub(super) fn telling(report: &Report) -> Vec<Fact> {
    const FIRST: &str = "diagnosis also origin status error_code limiter policy remaining resets_in retry_after not_after not_before issuer \
        names expected_name server via address addresses rcode cname iss aud expected_audience expected_issuer exp expires_in_s alg kid \
        missing_scope path method violations expected found component incidents gateway backend client observed nearest location reason";
    const NEVER: &str = "headers request_headers response_headers body snippet probe attempts phases chain";
    let show = |name: &str| {
        let value = clipped(&text_of(report.facts.get(name)?)?.replace('\n', " "), TELLING_CHARS);
        Some(Fact::new(name, value))
    };
    let first = FIRST.split_ascii_whitespace();
    let lists = |list: &str, name: &str| list.split_ascii_whitespace().any(|it| it == name);
    let rest = report
        .facts
        .iter()
        .filter(|(name, value)| !lists(FIRST, name) && !lists(NEVER, name) && !value.is_object());
    first
        .filter_map(show)
        .chain(rest.filter_map(|(name, _)| show(name)))
        .filter(|it| it.value != report.summary)
        .take(TELLING)
        .collect()
}
