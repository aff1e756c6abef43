//! How long the gate takes for what an incident usually holds: a sentence, an alert's payload, a HAR entry; and for a lot of mixed
//! text, from 64 KiB to 16 MiB: logs, configuration, requests and stack traces, a secret in every tenth line or so. The time of
//! one MiB is to be below 40 ms on one core, and to grow with the length and nothing else.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
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

/// This much of mixed text: the look-alikes of the corpus in which nothing is secret, and between them the planted secrets.
fn mixed(size: usize) -> String {
    let bare = |text: &str| text.replace(['«', '»', '‹', '›'], "");
    let harmless = bare(include_str!("../src/evidence/redact/corpus/harmless.txt"));
    let planted = bare(include_str!("../src/evidence/redact/corpus/planted.txt"));
    let mut planted = planted.lines().cycle();
    let mut text = String::with_capacity(size + 64 * 1024);
    for (place, line) in harmless.lines().cycle().enumerate() {
        if text.len() >= size {
            break;
        }
        text.push_str(line);
        text.push('\n');
        // A private key that is cut in two would hide all that follows.
        if place % 9 == 8
            && let Some(line) = planted.find(|line| !line.contains("PRIVATE KEY"))
        {
            text.push_str(line);
            text.push('\n');
        }
    }
    text.truncate(text.floor_char_boundary(size));
    text
}

fn grows(criterion: &mut Criterion) {
    let gate = Gate::new([7; 32]);
    let mut group = criterion.benchmark_group("redact mixed text");
    group.sample_size(10);
    for (name, size) in [("64 KiB", 64 << 10), ("1 MiB", 1 << 20), ("16 MiB", 16 << 20)] {
        let text = mixed(size);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bench| bench.iter(|| gate.text(black_box(&text))));
    }
    group.finish();
}

criterion_group!(benches, redact, grows);
criterion_main!(benches);
