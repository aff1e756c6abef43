//! Every foreign string of an incident, through the gate. What is ours (ids, times, outcomes, probabilities, the wording of
//! runbooks) stays; the match is exhaustive where it can be, so that a new field is noticed here.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Gate, structure};
use crate::alert::Alert;
use crate::incident::{
    Conclusion, Hypothesis, Incident, Person, QuestionRecord, Reason, Step, StepRecord, StepState,
    TimelineEntry, Trouble,
};
use crate::outcome::{CheckKind, Report};
use crate::profile::{Dependency, MetricsProfile, ServiceProfile};
use crate::question::Answer;

/// The redacted copy.
pub(super) fn incident(from: &Incident, gate: &Gate) -> Incident {
    Incident {
        id: from.id.clone(),
        // The key holds the endpoint as it was: it is for finding incidents, inside.
        key: crate::alert::IncidentKey(
            from.key.0.split('|').map(|part| gate.url(part)).collect::<Vec<_>>().join("|"),
        ),
        seq: from.seq,
        stage: from.stage,
        profile: profile(&from.profile, gate),
        alerts: from.alerts.iter().map(|it| alert(it, gate)).collect(),
        alert_count: from.alert_count,
        repeats: from.repeats,
        // For triage, inside: a shown incident shows its timeline.
        earlier: Vec::new(),
        turns: from.turns.clone(),
        questions: from.questions.iter().map(|it| question(it, gate)).collect(),
        steps: from.steps.iter().map(|it| step_record(it, gate)).collect(),
        buckets: from.buckets.clone(),
        conclusion: from.conclusion.as_ref().map(|it| conclusion(it, gate)),
        reclassified: from.reclassified.as_ref().map(|(bucket, by)| (*bucket, gate.text(by))),
        assignee: from.assignee.as_ref().map(|it| person(it, gate)),
        snoozed_until: from.snoozed_until,
        thread: from.thread.clone(),
        issue: from.issue.clone(),
        creating: from.creating.clone(),
        troubles: from
            .troubles
            .iter()
            .map(|it| Trouble { what: it.what.clone(), reason: gate.text(&it.reason), retry_at: it.retry_at })
            .collect(),
        timeline: from
            .timeline
            .iter()
            .map(|it| TimelineEntry { at: it.at, what: gate.text(&it.what) })
            .collect(),
        alerted_at: from.alerted_at,
        last_alert_at: from.last_alert_at,
        concluded_at: from.concluded_at,
        resolved_at: from.resolved_at,
    }
}

fn alert(from: &Alert, gate: &Gate) -> Alert {
    let text = |text: &Option<String>| text.as_deref().map(|text| gate.text(text));
    Alert {
        source: from.source.clone(),
        fingerprint: structure::in_context(gate, "fingerprint", &from.fingerprint),
        status: from.status,
        title: gate.text(&from.title),
        severity: from.severity,
        service: text(&from.service),
        environment: text(&from.environment),
        region: text(&from.region),
        endpoint: from.endpoint.as_deref().map(|it| gate.url(it)),
        http_status: from.http_status,
        error: from.error,
        started_at: from.started_at,
        labels: labels(&from.labels, gate),
        links: from.links.iter().map(|(name, url)| (gate.text(name), gate.link(url))).collect(),
        summary: from.summary.as_deref().map(|it| gate.document(it)),
        raw: gate.json(&from.raw).into(),
    }
}

fn labels(from: &BTreeMap<String, String>, gate: &Gate) -> BTreeMap<String, String> {
    from.iter().map(|(name, value)| (gate.text(name), structure::label_text(gate, name, value))).collect()
}

fn profile(from: &ServiceProfile, gate: &Gate) -> ServiceProfile {
    // URLs of the configuration may carry credentials; what does not parse afterwards is left out rather than shown.
    let url = |it: &Option<url::Url>| it.as_ref().and_then(|it| gate.link(it.as_str()).parse().ok());
    ServiceProfile {
        name: gate.text(&from.name),
        url: url(&from.url),
        direct_url: url(&from.direct_url),
        dependencies: from
            .dependencies
            .iter()
            .map(|it| Dependency {
                name: gate.text(&it.name),
                url: url(&it.url),
                status_page: it.status_page.as_deref().map(|it| gate.link(it)),
                component: it.component.as_deref().map(|it| gate.text(it)),
                http: with(&it.http, gate),
            })
            .collect(),
        token: from.token.clone().map(|mut it| {
            it.jwks = it.jwks.as_deref().map(|it| gate.link(it));
            it.issuer = it.issuer.as_deref().map(|it| gate.link(it));
            it
        }),
        contract: from.contract.clone().map(|mut it| {
            it.spec = gate.link(&it.spec);
            it.request = it.request.as_deref().map(|it| gate.document(it));
            it
        }),
        releases: from.releases.clone(),
        deadlines: from.deadlines.clone(),
        metrics: from.metrics.clone().and_then(|it| {
            Some(MetricsProfile {
                url: url(&Some(it.url))?,
                matchers: it.matchers.as_deref().map(|it| gate.text(it)),
                query: it.query.as_deref().map(|it| gate.text(it)),
                window: it.window,
            })
        }),
        http: with(&from.http, gate),
        repository: from.repository.clone(),
        source: from.source.clone(),
    }
}

fn question(from: &QuestionRecord, gate: &Gate) -> QuestionRecord {
    QuestionRecord {
        question: from.question,
        because: gate.text(&from.because),
        asked_at: from.asked_at,
        answer: from.answer.as_ref().map(|it| match it {
            Answer::Text(text) => Answer::Text(gate.document(text)),
            Answer::Unknown | Answer::Picked(_) => it.clone(),
        }),
        by: from.by.as_deref().map(|it| gate.text(it)),
        answered_at: from.answered_at,
        passed_to: from.passed_to.as_ref().map(|it| person(it, gate)),
    }
}

fn person(from: &Person, gate: &Gate) -> Person {
    Person { name: gate.text(&from.name), mention: from.mention.clone() }
}

fn step_record(from: &StepRecord, gate: &Gate) -> StepRecord {
    let state = match &from.state {
        StepState::Planned => StepState::Planned,
        StepState::Running => StepState::Running,
        StepState::Reported { report: it, at } => StepState::Reported { report: report(it, gate), at: *at },
    };
    StepRecord { step: step(&from.step, gate), state }
}

fn step(from: &Step, gate: &Gate) -> Step {
    Step {
        check: from.check,
        role: from.role,
        name: from.name.as_deref().map(|it| gate.text(it)),
        target: target(from.check, &from.target, gate),
        with: with(&from.with, gate),
    }
}

fn target(check: CheckKind, target: &str, gate: &Gate) -> String {
    match check {
        CheckKind::Contract if target.contains(char::is_whitespace) => gate.document(target),
        CheckKind::Token if !target.starts_with("env:") && target != "-" => gate.shape(target),
        _ => gate.url(target),
    }
}

/// The `with:` keys of a check, as on the command line.
fn with(from: &BTreeMap<String, String>, gate: &Gate) -> BTreeMap<String, String> {
    let redact = |key: &str, value: &str| {
        if value.starts_with("env:") {
            value.to_owned()
        } else if let Some(name) = key.strip_prefix("header.") {
            gate.header(name, value)
        } else if key == "body" {
            structure::body_text(gate, value)
        } else if key == "ca_file" || key == "spec" || key == "jwks" {
            gate.link(value)
        } else if key == "request" {
            gate.document(value)
        } else {
            structure::label_text(gate, key, value)
        }
    };
    from.iter().map(|(key, value)| (gate.text(key), redact(key, value))).collect()
}

/// A check's report, wherever it goes.
pub(super) fn report(from: &Report, gate: &Gate) -> Report {
    Report {
        check: from.check,
        target: target(from.check, &from.target, gate),
        outcome: from.outcome,
        facts: from.facts.iter().map(|(name, value)| (gate.text(name), fact(name, value, gate))).collect(),
        summary: gate.text(&from.summary),
        took_ms: from.took_ms,
        phases_ms: from.phases_ms.clone(),
    }
}

/// A fact of a check. Its name is ours, so that it is shown unless it is known to hold something foreign.
fn fact(name: &str, value: &Value, gate: &Gate) -> Value {
    match (name, value) {
        ("sub" | "subject_claim" | "email" | "preferred_username", Value::String(text)) => {
            Value::String(gate.shape(text))
        }
        (_, Value::String(text))
            if name.ends_with("body") || name.ends_with("snippet") || name.ends_with("request") =>
        {
            Value::String(gate.document(text))
        }
        (_, Value::String(text)) if name.ends_with("url") || name == "location" => {
            Value::String(gate.url(text))
        }
        (_, Value::String(text)) => Value::String(structure::in_context(gate, name, text)),
        (_, Value::Array(items)) if !name.ends_with("headers") => {
            Value::Array(items.iter().map(|item| fact(name, item, gate)).collect())
        }
        (_, Value::Object(fields)) if !name.ends_with("headers") => Value::Object(
            fields.iter().map(|(key, value)| (gate.text(key), fact(key, value, gate))).collect(),
        ),
        (_, Value::Object(_) | Value::Array(_)) => {
            gate.json(&serde_json::json!({"headers": value}))["headers"].clone()
        }
        (_, Value::Null | Value::Bool(_) | Value::Number(_)) => value.clone(),
    }
}

fn conclusion(from: &Conclusion, gate: &Gate) -> Conclusion {
    let texts = |texts: &[String]| texts.iter().map(|text| gate.text(text)).collect();
    Conclusion {
        stopped: from.stopped,
        bucket: from.bucket,
        probability: from.probability,
        runner_up: from.runner_up,
        buckets: from.buckets.clone(),
        hypotheses: from
            .hypotheses
            .iter()
            .map(|it| Hypothesis {
                id: it.id.clone(),
                bucket: it.bucket,
                probability: it.probability,
                says: gate.text(&it.says),
                next_experiment: gate.text(&it.next_experiment),
                mitigation: gate.text(&it.mitigation),
            })
            .collect(),
        next_experiment: gate.text(&from.next_experiment),
        reasons: from
            .reasons
            .iter()
            .map(|it| Reason { observation: gate.text(&it.observation), decibans: it.decibans })
            .collect(),
        ruled_out: texts(&from.ruled_out),
        missing: texts(&from.missing),
        dependency: from.dependency.as_deref().map(|it| gate.text(it)),
        runbooks: from.runbooks.clone(),
        runbook: from.runbook.clone(),
        escalate: texts(&from.escalate),
        mitigate: texts(&from.mitigate),
    }
}
