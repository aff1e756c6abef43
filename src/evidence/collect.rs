//! Where each part of the pack comes from: the failing request a person pasted, the checks, the alert, the answers; in that order,
//! the closest to the failure first.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::reading::{public_url, report, text_of};
use super::{
    Answered, Check, Classification, Environment, Fact, Impact, Pack, Reclassified, Request, SCHEMA,
    Timeline, Timing, drift, reproduce, response, specific,
};
use crate::incident::{Incident, StepRecord, StepState};
use crate::outcome::{CheckKind, Outcome, Report, Role};
use crate::question::{Answer, QuestionId};
use crate::request::{Body, FailingRequest, Form};

/// Headers in which a server says how long it took.
const SERVER_TIMES: [&str; 5] =
    ["server-timing", "x-runtime", "x-response-time", "x-envoy-upstream-service-time", "x-process-time"];

/// The pack, without its hash.
pub(super) fn pack(incident: &Incident, before: Option<&Incident>) -> Pack {
    let failing = failing_request(incident);
    let request = request(incident, failing.as_ref());
    let response = response::response(incident, failing.as_ref());
    let drift = drift::drifts(incident, failing.as_ref(), before);
    let timing = timing(incident, failing.as_ref());
    let reproduce = request.as_ref().map(|it| reproduce::command(it, failing.as_ref(), incident));
    let environment = environment(incident);
    let journey = label(incident, "journey flow scenario step transaction user_action");
    let impact = impact(incident);
    let specifics = specific::facts(incident, failing.as_ref());
    let conclusion = incident.conclusion.as_ref();
    let mut pack = Pack {
        schema: SCHEMA,
        hash: String::new(),
        incident: incident.id.to_string(),
        title: incident.title().to_owned(),
        service: incident.service().map(str::to_owned),
        endpoint: incident.endpoint().map(str::to_owned),
        severity: incident.severity(),
        stage: incident.stage,
        request,
        reproduce,
        response,
        drift,
        timing,
        environment,
        journey,
        impact,
        specifics: specifics.given,
        checks: incident.steps.iter().map(check).collect(),
        answers: answers(incident),
        classification: classification(incident),
        hypotheses: conclusion.map(|it| it.hypotheses.clone()).unwrap_or_default(),
        runbook: conclusion.and_then(|it| it.runbook.clone()),
        escalate: conclusion.map(|it| it.escalate.clone()).unwrap_or_default(),
        mitigate: conclusion.map(|it| it.mitigate.clone()).unwrap_or_default(),
        next_experiment: conclusion.map(|it| it.next_experiment.clone()).filter(|it| !it.is_empty()),
        ruled_out: conclusion.map(|it| it.ruled_out.clone()).unwrap_or_default(),
        missing: Vec::new(),
        timeline: timeline(incident),
        links: incident.alerts.iter().flat_map(|it| it.links.clone()).collect(),
    };
    pack.missing = missing(&pack, incident, &specifics.missing);
    pack
}

/// The request a person pasted, or the one that is configured.
fn failing_request(incident: &Incident) -> Option<FailingRequest> {
    let answered = incident.answer(QuestionId::FailingRequest).and_then(|answer| match answer {
        Answer::Text(text) => FailingRequest::parse(text).ok(),
        Answer::Unknown | Answer::Picked(_) => None,
    });
    answered.or_else(|| {
        // What is configured is a file's name as a rule, which reads as a line of a log; what the file says comes from the
        // contract check.
        let configured = incident.profile.contract.as_ref()?.request.as_deref()?;
        FailingRequest::parse(configured).ok().filter(|it| it.form != Form::Line)
    })
}

/// The method that stands before the path in an alert's own words: `500 on POST /v1/checkout`.
fn told_method(incident: &Incident, path: &str) -> Option<String> {
    const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let texts = incident.alerts.iter().flat_map(|it| [Some(&it.title), it.summary.as_ref()]).flatten();
    texts.into_iter().find_map(|text| {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let said = words.windows(2).find(|two| {
            METHODS.contains(&two[0]) && two[1].trim_end_matches([',', '.', ':', ';', ')']) == path
        });
        said.map(|two| two[0].to_owned())
    })
}

/// The configured request as the contract check read it.
fn compared_request(incident: &Incident) -> Option<Request> {
    let facts = &report(incident, CheckKind::Contract, Role::Service)?.facts;
    let fact = |name: &str| facts.get(name).and_then(text_of);
    let headers = fact("content_type").map(|value| Fact::new("Content-Type", value));
    Some(Request {
        source: "contract check".to_owned(),
        method: fact("method"),
        host: public_url(incident).and_then(|url| host_of(&url)),
        path: fact("path")?,
        query: Vec::new(),
        headers: headers.into_iter().collect(),
        body: None,
    })
}

fn host_of(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    rest.split(['/', '?']).next().filter(|it| !it.is_empty()).map(str::to_owned)
}

fn request(incident: &Incident, failing: Option<&FailingRequest>) -> Option<Request> {
    let facts =
        |pairs: &[(String, String)]| pairs.iter().map(|(name, value)| Fact::new(name, value)).collect();
    if let Some(failing) = failing {
        let body = match &failing.body {
            Body::Empty => None,
            Body::Text(text) => Some(text.clone()),
            Body::Parts(parts) => {
                Some(parts.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(", "))
            }
            Body::Elsewhere(place) => Some(format!("not in the text: {place}")),
        };
        return Some(Request {
            source: failing.form.words().to_owned(),
            method: Some(failing.method.clone()),
            host: failing.host.clone(),
            path: failing.path.clone(),
            query: facts(&failing.query),
            headers: facts(&failing.headers),
            body,
        });
    }
    if let Some(compared) = compared_request(incident) {
        return Some(compared);
    }
    let endpoint = incident.endpoint()?;
    let (host, path) = match endpoint.split_once("://") {
        Some((_, rest)) => {
            rest.find('/').map_or((Some(rest), "/"), |slash| (Some(&rest[..slash]), &rest[slash..]))
        }
        None if endpoint.starts_with('/') => (None, endpoint),
        None => (Some(endpoint), "/"),
    };
    let path = path.split('?').next().unwrap_or(path);
    Some(Request {
        source: "alert".to_owned(),
        method: label(incident, "method http_method request_method").or_else(|| told_method(incident, path)),
        host: host.map(str::to_owned),
        path: path.to_owned(),
        query: Vec::new(),
        headers: Vec::new(),
        body: None,
    })
}

fn timing(incident: &Incident, failing: Option<&FailingRequest>) -> Timing {
    let http = report(incident, CheckKind::Http, Role::Service).filter(|it| it.outcome != Outcome::Error);
    let deadlines = incident.profile.deadlines.as_ref();
    let mut thresholds: Vec<Fact> = Vec::new();
    if let Some(it) = deadlines {
        let said = [
            ("client gives up after", &it.client),
            ("gateway gives up after", &it.gateway),
            ("backend needs", &it.backend),
        ];
        thresholds
            .extend(said.into_iter().filter_map(|(name, value)| Some(Fact::new(name, value.as_deref()?))));
    }
    if let Some(it) = report(incident, CheckKind::Deadline, Role::Service) {
        let measured = [
            ("observed_ms", "the failing request took"),
            ("gave_up_after_ms", "measured: it gave up after"),
            ("answered_after_ms", "measured: it answered after"),
            ("held_for_ms", "measured: it held on for at least"),
        ];
        thresholds.extend(measured.into_iter().filter_map(|(fact, name)| {
            Some(Fact::new(name, crate::template::millis(Some(it.facts.get(fact)?.as_f64()?))))
        }));
    }
    let said = failing.and_then(|it| it.response.as_ref());
    let server = said.and_then(|it| {
        let header = it
            .headers
            .iter()
            .find(|(name, _)| SERVER_TIMES.iter().any(|known| name.eq_ignore_ascii_case(known)));
        header.map(|(name, value)| format!("{name}: {value}"))
    });
    Timing {
        source: http.map(|it| match it.facts.get("status") {
            Some(status) => format!("the http check, which got {status}"),
            None => format!("the http check, which ended with {}", it.outcome),
        }),
        client_ms: http.map(|it| it.took_ms).filter(|it| *it > 0.0),
        phases_ms: http.map(|it| it.phases_ms.clone()).unwrap_or_default(),
        server: server.or_else(|| http.and_then(|it| it.facts.get("server_timing").and_then(text_of))),
        thresholds,
    }
}

fn environment(incident: &Incident) -> Environment {
    let first =
        |field: fn(&crate::alert::Alert) -> Option<&String>| incident.alerts.iter().find_map(field).cloned();
    let deploys = report(incident, CheckKind::Deploys, Role::Service);
    let http = report(incident, CheckKind::Http, Role::Service);
    let http_fact = |name: &str| http.and_then(|it| it.facts.get(name)).and_then(text_of);
    let by_gateway = http_fact("origin").as_deref() == Some("gateway");
    let changes =
        incident.answer(QuestionId::ChangeAtStart).filter(|it| !it.is_unknown()).map(ToString::to_string);
    Environment {
        name: first(|it| it.environment.as_ref()),
        region: first(|it| it.region.as_ref()),
        release: label(incident, "release version app_version service_version commit sha git_sha build tag")
            .or_else(|| deploys.and_then(|it| deployed(it, incident.service()))),
        flags: label(incident, "flag flags feature_flag feature_flags")
            .or_else(|| deploys.and_then(|it| recorded(it, "flag").next())),
        gateway: http_fact("server")
            .filter(|_| by_gateway)
            .or_else(|| http_fact("maker").filter(|_| by_gateway))
            .or_else(|| http_fact("via")),
        changes: match (changes, deploys) {
            (Some(said), Some(it)) if it.outcome != Outcome::Error => Some(format!("{said}; {}", it.summary)),
            (None, Some(it)) if it.outcome != Outcome::Error => {
                Some(it.summary.clone()).filter(|it| !it.is_empty())
            }
            (said, _) => said,
        },
    }
}

/// The release in force: the newest deploy on record that is the service's own, by its name or by being a bare version. A
/// client's release or a job's is a change near the start and no version of the service.
fn deployed(report: &Report, service: Option<&str>) -> Option<String> {
    let is_version =
        |what: &str| what.split(' ').next().is_some_and(|it| it.contains(|c: char| c.is_ascii_digit()));
    recorded(report, "deploy").find(|what| service.is_some_and(|it| what.starts_with(it)) || is_version(what))
}

/// What the record says of changes of this kind, nearest first.
fn recorded<'a>(report: &'a Report, kind: &'a str) -> impl Iterator<Item = String> + 'a {
    let changes = report.facts.get("changes").and_then(Value::as_array);
    let near = report.facts.get("nearest").into_iter().chain(changes.into_iter().flatten());
    near.chain(report.facts.get("last_before"))
        .filter(move |it| it.get("kind").and_then(Value::as_str) == Some(kind))
        .filter_map(|it| it.get("what").and_then(text_of))
}

fn impact(incident: &Incident) -> Impact {
    let said = |question| incident.answer(question).filter(|it| !it.is_unknown()).map(ToString::to_string);
    let scope = said(QuestionId::EndpointScope);
    let endpoint = incident.endpoint().map(str::to_owned);
    Impact {
        users: said(QuestionId::PrincipalScope)
            .or_else(|| label(incident, "affected_users users_affected user_count users")),
        endpoints: match (endpoint, scope) {
            (Some(endpoint), Some(scope)) => Some(format!("{scope} ({endpoint})")),
            (endpoint, scope) => scope.or(endpoint),
        },
        clients: said(QuestionId::ClientScope),
        since: incident.started_at(),
        onset: said(QuestionId::SpikeStart),
        rate: said(QuestionId::StatusDistribution)
            .or_else(|| label(incident, "error_rate rate value current_value")),
        alerts: incident.alert_count,
    }
}

fn check(record: &StepRecord) -> Check {
    let (report, at) = match &record.state {
        StepState::Reported { report, at } => (Some(report), Some(*at)),
        StepState::Planned | StepState::Running => (None, None),
    };
    Check {
        key: record.step.key(),
        check: record.step.check,
        role: record.step.role,
        name: record.step.name.clone(),
        target: record.step.target.clone(),
        outcome: report.map(|it| it.outcome),
        summary: report.map(|it| it.summary.clone()).unwrap_or_default(),
        telling: report.map(specific::telling).unwrap_or_default(),
        facts: report.map(|it| it.facts.clone()).unwrap_or_default(),
        took_ms: report.map(|it| it.took_ms),
        at,
    }
}

fn answers(incident: &Incident) -> Vec<Answered> {
    let answered = |record: &crate::incident::QuestionRecord| {
        let answer = record.answer.as_ref().map(ToString::to_string);
        Answered {
            question: record.question,
            about: record.question.id().replace('_', " "),
            because: record.because.clone(),
            long: answer.as_deref().is_some_and(|it| it.contains('\n') || it.len() > 80),
            answer,
            by: record.by.clone(),
            at: record.answered_at,
            waited_s: record
                .asked_at
                .zip(record.answered_at)
                .map(|(asked, at)| at.duration_since(asked).as_secs_f64()),
        }
    };
    incident.questions.iter().map(answered).collect()
}

fn classification(incident: &Incident) -> Option<Classification> {
    let it = incident.conclusion.as_ref()?;
    Some(Classification {
        stopped: it.stopped,
        bucket: it.bucket,
        boundary: it.bucket.boundary().to_owned(),
        probability: it.probability,
        runner_up: it.runner_up,
        runner_up_probability: it.buckets.get(&it.runner_up).copied().unwrap_or_default(),
        buckets: it.buckets.clone(),
        reasons: it.reasons.clone(),
        dependency: it.dependency.clone(),
        runbooks: it.runbooks.clone(),
        reclassified: incident.reclassified.clone().map(|(bucket, by)| Reclassified { bucket, by }),
    })
}

fn timeline(incident: &Incident) -> Timeline {
    Timeline {
        started_at: incident.started_at(),
        alerted_at: incident.alerted_at,
        concluded_at: incident.concluded_at,
        resolved_at: incident.resolved_at,
        mttd_s: incident.mttd_s(),
        mttc_s: incident.mttc_s(),
        mttc_unattended_s: incident.mttc_s().map(|it| (it - incident.human_wait_s()).max(0.0)),
        mttr_s: incident.mttr_s(),
        human_wait_s: incident.human_wait_s(),
        entries: incident.timeline.clone(),
    }
}

/// What nobody could give: what triage says, then the empty parts of the pack, then the checks that could not be run.
fn missing(pack: &Pack, incident: &Incident, specifics: &[String]) -> Vec<String> {
    let mut missing: Vec<String> =
        incident.conclusion.as_ref().map(|it| it.missing.clone()).unwrap_or_default();
    let is_said = |said: &[String], start: &str| said.iter().any(|it| it.starts_with(start));
    let has_request = is_said(&missing, QuestionId::FailingRequest.id());
    let mut miss = |is: bool, what: &str| {
        if is {
            missing.push(what.to_owned());
        }
    };
    let pasted = pack.request.as_ref().is_some_and(|it| it.source != "alert");
    miss(
        !pasted && !has_request,
        "one representative failing request (a curl command, a HAR entry, a raw HTTP request or a log line)",
    );
    let response = pack.response.as_ref();
    miss(response.is_none(), "response facts: status, error code, headers");
    miss(
        response.is_some_and(|it| it.headers.is_empty() && it.snippet.is_none()),
        "headers and body of the failing response",
    );
    miss(response.is_some_and(|it| it.error_code.is_none()), "the error code in the response's body");
    let has_body = pack.request.as_ref().is_some_and(|it| it.body.is_some())
        || response.is_some_and(|it| it.snippet.is_some());
    miss(
        has_body && pack.drift.is_empty(),
        "an earlier body or a contract to compare the body's shape with (schema drift)",
    );
    miss(pack.timing.client_ms.is_none(), "client-observed latency by phase");
    miss(pack.timing.server.is_none(), "server processing time");
    miss(pack.timing.thresholds.is_empty(), specific::THRESHOLDS);
    miss(pack.environment.region.is_none(), "region");
    miss(pack.environment.release.is_none(), "service version, commit or release");
    miss(pack.environment.flags.is_none(), "feature flags");
    miss(pack.environment.gateway.is_none(), "gateway version");
    miss(
        pack.journey.is_none(),
        "user journey step: what triggered the request and what happened right before",
    );
    miss(pack.impact.users.is_none(), "affected users");
    miss(pack.impact.rate.is_none(), "current error rate");
    missing.extend_from_slice(specifics);
    for check in &pack.checks {
        if is_said(&missing, &check.key) {
            continue;
        }
        if check.outcome == Some(Outcome::Error) {
            missing.push(format!("the {} check could not be run: {}", check.key, check.summary));
        } else if check.outcome.is_none() {
            missing.push(format!("the {} check has not come back", check.key));
        }
    }
    let mut seen = BTreeSet::new();
    missing.retain(|it| seen.insert(it.clone()));
    missing
}

/// The first label of the first alert with one of these names.
pub(super) fn label(incident: &Incident, names: &str) -> Option<String> {
    let all: Vec<&BTreeMap<String, String>> = incident.alerts.iter().map(|it| &it.labels).collect();
    names
        .split_ascii_whitespace()
        .find_map(|name| all.iter().find_map(|labels| labels.get(name)))
        .filter(|it| !it.is_empty())
        .cloned()
}
