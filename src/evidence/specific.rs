//! What each bucket needs most ("capture first" in the framework's table), and which facts of a check tell most.

use serde_json::Value;

use super::Fact;
use super::reading::{clipped, report, text_of};
use crate::bucket::Bucket;
use crate::incident::Incident;
use crate::outcome::{CheckKind, Outcome, Report, Role};
use crate::question::QuestionId;
use crate::request::{Body, FailingRequest};

/// How many facts of a check stand in a table, and how long each may be, in characters.
const TELLING: usize = 5;
const TELLING_CHARS: usize = 200;
/// How many facts of a check that found nothing wrong: it needs no defence.
const TELLING_GOOD: usize = 3;

/// What is missing when nobody's time limit is known.
pub(super) const THRESHOLDS: &str = "timeout thresholds of client, gateway and backend";

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
    let contract = fact_of(incident, CheckKind::Contract);
    out.add(
        "content type",
        failing.and_then(FailingRequest::media_type).or_else(|| contract("content_type")),
    );
    if let Some(expected) = contract("expected_content_types") {
        out.add("content type of the contract", Some(expected));
    }
    out.add("payload shape", failing.and_then(payload));
    out.add(
        "what the contract says",
        summary(incident, &[(CheckKind::Contract, Role::Service), (CheckKind::Cors, Role::Service)]),
    );
    for name in ["violations", "unknown_query", "did_you_mean"] {
        if let Some(value) = contract(name) {
            out.add(&name.replace('_', " "), Some(value));
        }
    }
    changes(incident, out);
}

fn auth(incident: &Incident, failing: Option<&FailingRequest>, out: &mut Specifics) {
    let pasted = failing.map(|it| match it.header("authorization") {
        Some(value) => format!("sent, scheme {}", value.split_ascii_whitespace().next().unwrap_or("unknown")),
        None => "not in the failing request".to_owned(),
    });
    let http = fact_of(incident, CheckKind::Http);
    let probed = incident.steps.iter().find(|it| {
        it.step.check == CheckKind::Http
            && it.step.role == Role::Service
            && (it.step.with.contains_key("bearer") || it.step.with.contains_key("header.Authorization"))
    });
    let probed = probed.map(|_| match http("diagnosis").as_deref() {
        Some("authorization_not_received") => {
            "sent by the http check, not received by the application".to_owned()
        }
        _ => "sent by the http check".to_owned(),
    });
    out.add("authorization header", pasted.or(probed).or_else(|| answer(incident, QuestionId::TokenState)));
    let token = fact_of(incident, CheckKind::Token);
    out.add("token issuer", token("iss"));
    out.add("token audience", token("aud"));
    out.add("token expiry", token("exp"));
    for (fact, name) in [
        ("scheme", "token scheme"),
        ("scope", "token scope"),
        ("missing_scope", "missing scope"),
        ("signature", "token signature"),
        ("alg", "token algorithm"),
        ("kid", "key id"),
    ] {
        if let Some(value) = token(fact) {
            out.add(name, Some(value));
        }
    }
    if let Some(challenge) = http("challenge") {
        out.add("challenge", Some(challenge));
    }
    changes(incident, out);
}

fn rate_limit(incident: &Incident, out: &mut Specifics) {
    let reports = || {
        let of_limits = incident.steps.iter().filter(|it| it.step.check == CheckKind::RateLimit);
        of_limits.filter_map(|it| Some((it, it.report()?)))
    };
    let limited = reports().find(|(_, it)| matches!(it.outcome, Outcome::Limited | Outcome::NearLimit));
    let any = limited.or_else(|| reports().find(|(_, it)| it.facts.contains_key("limiter")));
    let fact = |name: &str| any.and_then(|(_, it)| it.facts.get(name)).and_then(text_of);
    let who = fact("limiter").map(|id| {
        let name = fact("limiter_name").map(|it| format!("{it} ({id})")).unwrap_or(id);
        let hop = fact("hop").map(|it| format!(", at: {it}")).unwrap_or_default();
        let whose =
            any.and_then(|(it, _)| it.step.name.as_deref().filter(|_| it.step.role == Role::Dependency));
        format!("{name}{hop}{}", whose.map(|it| format!(", of the dependency {it}")).unwrap_or_default())
    });
    out.add("limiter", who);
    let headers: Vec<String> = [
        ("policy", ""),
        ("limit", ""),
        ("remaining", ""),
        ("resets_in", " s"),
        ("retry_after", " s"),
        ("window", " s"),
    ]
    .iter()
    .filter_map(|(name, unit)| Some(format!("{} {}{unit}", name.replace('_', " "), fact(name)?)))
    .collect();
    let headers = if headers.is_empty() {
        answer(incident, QuestionId::LimitHeaders)
    } else {
        Some(headers.join(", "))
    };
    out.add("limit headers", headers);
    out.add(
        "identity key (what is counted: API key, user, address)",
        fact("scope").or_else(|| answer(incident, QuestionId::PrincipalScope)),
    );
    out.add("retry pattern", answer(incident, QuestionId::RetryLayer));
    changes(incident, out);
}

fn upstream(incident: &Incident, out: &mut Specifics) {
    let named = incident.conclusion.as_ref().and_then(|it| it.dependency.clone());
    let named =
        named.or_else(|| answer(incident, QuestionId::CorrelatedDependency)).filter(|it| it != "none");
    let next_hop = fact_of(incident, CheckKind::Http)("next_hop")
        .filter(|_| fact_of(incident, CheckKind::Http)("origin").as_deref() == Some("gateway"));
    out.add(
        "dependency",
        named.clone().or_else(|| next_hop.map(|it| format!("{it} (the gateway's next hop)"))),
    );
    // Of a named dependency its own checks alone: how its failure looks from outside is the response.
    let is_its = |it: &&crate::incident::StepRecord| {
        named.is_none() || it.step.role == Role::Dependency && it.step.name == named
    };
    let durations = incident.steps.iter().filter(is_its).filter(|it| it.step.check == CheckKind::Http);
    let durations: Vec<String> = durations
        .filter_map(|it| Some((it, it.report().filter(|it| it.outcome != Outcome::Error)?)))
        .map(|(it, report)| format!("{} ({})", crate::template::millis(Some(report.took_ms)), it.step.key()))
        .collect();
    out.add("call duration", Some(durations.join(", ")).filter(|it| !it.is_empty()));
    let network = [CheckKind::Dns, CheckKind::Tcp, CheckKind::Tls, CheckKind::Http];
    let errors = incident.steps.iter().filter(is_its).filter(|it| network.contains(&it.step.check));
    let errors: Vec<String> = errors
        .filter_map(|it| Some((it, it.report().filter(|it| it.exit_status() == 1)?)))
        .map(|(it, report)| format!("{} ({})", report.outcome, it.step.key()))
        .collect();
    let alerted = incident.alerts.iter().find_map(|it| it.error).map(|it| it.id().to_owned());
    out.add("error type", Some(errors.join(", ")).filter(|it| !it.is_empty()).or(alerted));
    let deadlines = incident.profile.deadlines.as_ref();
    let threshold = deadlines.and_then(|it| it.gateway.clone().or_else(|| it.client.clone()));
    match threshold {
        Some(threshold) => out.add("timeout threshold", Some(threshold)),
        None => out.missing.push(THRESHOLDS.to_owned()),
    }
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

/// What changed near the start, where the record of changes knows.
fn changes(incident: &Incident, out: &mut Specifics) {
    let near = report(incident, CheckKind::Deploys, Role::Service).filter(|it| it.exit_status() == 1);
    if let Some(near) = near {
        out.add("change near the start", Some(near.summary.replace('`', "")));
    }
}

/// The facts of the service's first check of this kind, by name.
fn fact_of(incident: &Incident, check: CheckKind) -> impl Fn(&str) -> Option<String> {
    let report = report(incident, check, Role::Service).filter(|it| it.outcome != Outcome::Error);
    move |name| report.and_then(|it| it.facts.get(name)).and_then(text_of)
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
        .map(|it| if it.summary.is_empty() { it.outcome.to_string() } else { it.summary.replace('`', "") })
        .collect();
    if said.is_empty() { None } else { Some(said.join("; ")) }
}

fn answer(incident: &Incident, question: QuestionId) -> Option<String> {
    incident.answer(question).filter(|it| !it.is_unknown()).map(ToString::to_string)
}

/// The facts that tell most, most telling first: the finer diagnosis and who answered, then what fits on a line. What the
/// summary says already is not said again.
pub(super) fn telling(report: &Report) -> Vec<Fact> {
    const FIRST: &str = "diagnosis also origin status error_code limiter policy remaining resets_in retry_after not_after issuer names \
        subject protocol proxy_status challenge dependency server via rcode cname_chain addresses iss aud exp scope missing_scope signature \
        alg kid method path content_type expected_content_types violations did_you_mean expected incidents components_affected \
        gave_up_after_ms answered_after_ms nearest last_before location reason";
    const NEVER: &str = "headers request_headers response_headers body snippet probe attempts phases chain changes resolvers ttl \
        negative_ttl window_minutes at marks strength means trace_id fingerprint_sha256 cipher alpn chain_length remembered \
        left_alone_for spec_hash request_form path_template maintenances provider within_60s within_300s typ age_s \
        valid_since_s expires_in_s http_version maker not_before limiter_name hop key_ids server_name address certificate_not_after \
        connect dns challenge_error total_ms spec_title spec_version spec_hash next_hop";
    let is_good = report.exit_status() == 0;
    let show = |name: &str| {
        // An exchange's content type stands in the response; which addresses answer is told where one does not.
        let is_dull =
            name == "content_type" && report.check == CheckKind::Http || name == "addresses" && is_good;
        if is_dull {
            return None;
        }
        let fact = report.facts.get(name)?;
        if let (Some(bare), Some(millis)) = (name.strip_suffix("_ms"), fact.as_f64()) {
            return Some(Fact::new(bare.replace('_', " "), crate::template::millis(Some(millis))));
        }
        let value = clipped(&brief(fact)?.replace('\n', " "), TELLING_CHARS);
        Some(Fact::new(name.replace('_', " "), value))
    };
    let first = FIRST.split_ascii_whitespace();
    let lists = |list: &str, name: &str| list.split_ascii_whitespace().any(|it| it == name);
    let rest = report.facts.iter().filter(|(name, _)| !lists(FIRST, name) && !lists(NEVER, name));
    let most = if is_good { TELLING_GOOD } else { TELLING };
    first
        .filter_map(show)
        .chain(rest.filter(|(_, value)| !value.is_object()).filter_map(|(name, _)| show(name)))
        .filter(|it| !says(&report.summary, &it.value))
        .take(most)
        .collect()
}

/// Whether a summary holds this value, as it is or in words.
fn says(summary: &str, value: &str) -> bool {
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let holds = |value: &str| {
        summary.match_indices(value).any(|(at, found)| {
            !is_word(summary[..at].chars().next_back())
                && !is_word(summary[at + found.len()..].chars().next())
        })
    };
    holds(value) || holds(&value.replace('_', " ")) || value == "app" && holds("application")
}

/// A fact on a line: of an object what names it, never its JSON; lists of such, joined.
fn brief(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().filter_map(brief).collect();
            Some(items.join(", ")).filter(|it| !it.is_empty())
        }
        Value::Object(fields) => {
            const NAMING: [&str; 10] =
                ["what", "title", "name", "address", "at", "where", "message", "state", "result", "impact"];
            let part = |name: &&str| {
                let text = fields.get(*name).and_then(text_of)?;
                // A time to the second: nobody reads nanoseconds.
                let time = text.parse::<jiff::Timestamp>().ok().filter(|_| *name == "at");
                Some(time.map_or(text, |it| it.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()))
            };
            let parts: Vec<String> = NAMING.iter().filter_map(part).take(3).collect();
            Some(parts.join(" ")).filter(|it| !it.is_empty())
        }
        other => text_of(other),
    }
}
