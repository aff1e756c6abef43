//! How long the gate takes for what an incident usually holds: a sentence, an alert's payload, a HAR entry.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use firstcheck::evidence::redact::{Gate, scan};
use serde_json::json;

fn redact(criterion: &mut Criterion) {
    let sentence = "High 504 rate on https://api.example.com/v1/reports since 2026-03-01T10:02:00Z, trace_id=4bf92f3577b34da6a3ce929d0e0e4736";
    let secret = "Authorization: Bearer abcdef123456, password=hunter2, mail jane@example.com";
    let log = format!("{sentence}\n{secret}\n").repeat(50);
    let payload = json!({
        "alerts": (0..20).map(|place| json!({
            "status": "firing", "startsAt": "2026-03-01T10:02:00Z", "fingerprint": "c1f6b9a3e2d4f5a6",
            "labels": {"alertname": "HighErrorRate", "service": "reports-api", "region": "eu-west-1", "instance": format!("10.0.0.{place}:8443")},
            "annotations": {"summary": sentence, "runbook_url": "https://runbooks.example.com/504"},
        })).collect::<Vec<_>>(),
    });
    let gate = Gate::new([7; 32]);
    criterion
        .bench_function("redact a clean sentence", |bench| bench.iter(|| gate.text(black_box(sentence))));
    criterion.bench_function("redact a sentence with three secrets", |bench| {
        bench.iter(|| gate.text(black_box(secret)));
    });
    criterion.bench_function("redact a log of 100 lines", |bench| bench.iter(|| gate.text(black_box(&log))));
    criterion.bench_function("redact a payload of 20 alerts", |bench| {
        bench.iter(|| gate.json(black_box(&payload)));
    });
    criterion.bench_function("scan a log of 100 lines", |bench| bench.iter(|| scan(black_box(&log))));
}

criterion_group!(benches, redact);
criterion_main!(benches);
