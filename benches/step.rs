//! How long one step of triage takes: it runs for every alert, answer and report, in the transaction's path.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use firstcheck::alert::{Alert, IncidentKey};
use firstcheck::incident::{Event, Incident, IncidentId};
use firstcheck::outcome::{Outcome, Report};
use firstcheck::profile::{Dependency, ServiceProfile};
use firstcheck::runbook::Knowledge;
use firstcheck::triage::{Action, step};
use jiff::Timestamp;

/// A service with one dependency, both reachable over HTTPS.
fn profile() -> ServiceProfile {
    let url = |text: &str| Some(text.parse().expect("a URL"));
    ServiceProfile {
        name: "orders-api".to_owned(),
        url: url("https://api.example.com/v1/orders"),
        dependencies: vec![Dependency {
            name: "payments".to_owned(),
            url: url("https://payments.example.com/v2"),
            ..Dependency::default()
        }],
        ..ServiceProfile::default()
    }
}

fn benches(criterion: &mut Criterion) {
    let knowledge = Knowledge::builtin();
    let now = Timestamp::UNIX_EPOCH;
    let opened = Event::Opened { key: IncidentKey("k".to_owned()), profile: profile() };
    let incident = step(&knowledge, Incident::new(IncidentId::from_seed(1)), opened, now).incident;
    let mut alert = Alert::titled("generic", "500 on checkout");
    alert.http_status = Some(500);
    let alert = Event::AlertReceived { alert };
    criterion.bench_function("step: the first alert", |bencher| {
        bencher.iter(|| step(&knowledge, black_box(incident.clone()), alert.clone(), now));
    });

    // The last report of the first wave is the dearest step: it believes, weighs every question and asks.
    let first = step(&knowledge, incident.clone(), alert.clone(), now);
    let mut reports: Vec<Event> = first
        .actions
        .into_iter()
        .filter_map(|action| match action {
            Action::RunCheck { step } => {
                let mut report = Report::error(step.check, &step.target, "bench");
                report.outcome = step.check.outcomes().first().copied().unwrap_or(Outcome::Error);
                Some(Event::CheckReported { step: step.key(), report })
            }
            _ => None,
        })
        .collect();
    let last = reports.pop().expect("checks are planned");
    let waiting = reports
        .into_iter()
        .fold(first.incident, |incident, report| step(&knowledge, incident, report, now).incident);
    criterion.bench_function("step: the report after which a person is asked", |bencher| {
        bencher.iter(|| step(&knowledge, black_box(waiting.clone()), last.clone(), now));
    });
    criterion.bench_function("knowledge: read the shipped runbooks", |bencher| {
        bencher.iter(Knowledge::builtin);
    });
}

criterion_group!(step_benches, benches);
criterion_main!(step_benches);
