//! How long an incident takes from its fold to the issue's body: redact, pack, render. Of an incident of 200 events, to pack and to
//! render is to be below 5 ms.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use firstcheck::alert::Alert;
use firstcheck::evidence::redact::{self, Gate};
use firstcheck::evidence::{pack, render};
use firstcheck::incident::{Event, Incident, IncidentId, Step};
use firstcheck::outcome::{CheckKind, Facts, Outcome, Report, Role};
use firstcheck::question::{Answer, QuestionId};
use firstcheck::template::Templates;
use jiff::Timestamp;

fn incident() -> Incident {
    let mut incident = Incident::new(IncidentId::from_seed(7));
    let mut alert = Alert::titled("alertmanager", "High 504 rate on /v1/reports");
    alert.endpoint = Some("https://api.example.com/v1/reports".to_owned());
    incident.record(Event::AlertReceived { alert }, Timestamp::UNIX_EPOCH);
    for check in [CheckKind::Dns, CheckKind::Tcp, CheckKind::Tls, CheckKind::Http] {
        let step = Step {
            check,
            role: Role::Service,
            name: None,
            target: "api.example.com:443".to_owned(),
            with: std::collections::BTreeMap::new(),
        };
        incident.record(Event::ChecksPlanned { steps: vec![step.clone()] }, Timestamp::UNIX_EPOCH);
        let report = Report {
            check,
            target: step.target.clone(),
            outcome: Outcome::Timeout,
            facts: Facts::from([("address".to_owned(), "203.0.113.7:443".into())]),
            summary: "`api.example.com:443` did not answer within 5 s".to_owned(),
            took_ms: 5000.0,
            phases_ms: std::collections::BTreeMap::new(),
        };
        incident.record(Event::CheckReported { step: step.key(), report }, Timestamp::UNIX_EPOCH);
    }
    let answer = Answer::Text(
        "curl https://api.example.com/v1/reports -H 'Authorization: Bearer abcdef123456'".to_owned(),
    );
    incident.record(
        Event::AnswerGiven { question: QuestionId::FailingRequest, answer, by: "jane".to_owned() },
        Timestamp::UNIX_EPOCH,
    );
    incident
}

/// The incident with as many checks and people's words as make 200 events.
fn long_incident() -> Incident {
    let mut incident = incident();
    let mut second = 1;
    let mut at = || {
        second += 1;
        Timestamp::from_second(second).expect("a time of 1970")
    };
    while incident.seq < 200 {
        let place = incident.seq;
        let step = Step {
            check: CheckKind::Http,
            role: Role::Dependency,
            name: Some(format!("vendor-{place}")),
            target: format!("https://vendor-{place}.example/v1/health"),
            with: std::collections::BTreeMap::new(),
        };
        incident.record(Event::ChecksPlanned { steps: vec![step.clone()] }, at());
        let report = Report {
            check: step.check,
            target: step.target.clone(),
            outcome: Outcome::GatewayError,
            facts: Facts::from([("status".to_owned(), 502.into()), ("server".to_owned(), "envoy".into())]),
            summary: "answered 502 in 30 ms by the gateway (`envoy`)".to_owned(),
            took_ms: 30.0,
            phases_ms: std::collections::BTreeMap::new(),
        };
        incident.record(Event::CheckReported { step: step.key(), report }, at());
        let reason = format!("the answer {place} came from somebody who may not answer here");
        incident.record(Event::Refused { reason }, at());
    }
    incident
}

fn long_issue(criterion: &mut Criterion) {
    let redacted = redact::incident(&long_incident(), &Gate::new([7; 32]));
    let templates = Templates::builtin();
    criterion.bench_function("pack and render an incident of 200 events", |bench| {
        bench.iter(|| render::issue(&templates, &pack(black_box(&redacted))));
    });
}

fn issue(criterion: &mut Criterion) {
    let incident = incident();
    let gate = Gate::new([7; 32]);
    let templates = Templates::builtin();
    let redacted = redact::incident(&incident, &gate);
    let packed = pack(&redacted);
    criterion.bench_function("redact an incident", |bench| {
        bench.iter(|| redact::incident(black_box(&incident), &gate));
    });
    criterion.bench_function("pack an incident", |bench| bench.iter(|| pack(black_box(&redacted))));
    criterion.bench_function("render an issue", |bench| {
        bench.iter(|| render::issue(&templates, black_box(&packed)));
    });
}

criterion_group!(benches, issue, long_issue);
criterion_main!(benches);
