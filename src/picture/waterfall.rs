//! The phases of a request, one below the other in the order they happen.

use serde::Serialize;

use super::{ALT, Axis, BAR, Bar, LEFT, LINE, ROW, Tick, WIDTH, rounded, shortened};
use crate::incident::Incident;
use crate::outcome::{CheckKind, Outcome, Report, Role};
use crate::template::millis;

/// Phases in the order they happen, as `checks` names them, as people do, and their colours.
const PHASES: &[(&str, &str, &str)] = &[
    ("dns", "name lookup", "#2f7f86"),
    ("connect", "connection", "#c77d1e"),
    ("tls", "TLS handshake", "#8a5fb0"),
    ("send", "request sent", "#3d7cc9"),
    ("first_byte", "waiting for first byte", "#4c9a52"),
    ("transfer", "body", "#5b7fbf"),
];
/// What never ended.
const UNFINISHED: &str = "#c8453b";
/// Less than this is the time between phases, and no phase that was not finished.
const GAP_MS: f64 = 1.0;

#[derive(Serialize)]
pub(super) struct Waterfall {
    width: f64,
    height: f64,
    inner_width: f64,
    inner_height: f64,
    title: String,
    subtitle: String,
    pub(super) alt: String,
    top: f64,
    bottom: f64,
    axis: f64,
    label_x: f64,
    bar: f64,
    pub(super) bars: Vec<Bar>,
    ticks: Vec<Tick>,
}

/// The report whose phases tell most: a failing request to the service, else any request to it, else a handshake, else the
/// same of a dependency.
pub(super) fn shown(incident: &Incident) -> Option<&Report> {
    let rank = |report: &Report, role: Role| {
        let kind = match report.check {
            CheckKind::Http => 0,
            CheckKind::Tls => 1,
            _ => return None,
        };
        Some((report.exit_status() != 1, role, kind))
    };
    let measured = incident.steps.iter().filter_map(|record| {
        let report = record.report().filter(|report| !report.phases_ms.is_empty())?;
        Some((rank(report, record.step.role)?, report))
    });
    measured.min_by_key(|(rank, _)| *rank).map(|(_, report)| report)
}

/// What the template draws of a report.
pub(super) fn values(report: &Report) -> Waterfall {
    let mut spans: Vec<(&str, f64, &'static str)> = PHASES
        .iter()
        .filter_map(|(id, name, colour)| Some((*name, report.phases_ms.get(*id)?.max(0.0), *colour)))
        .collect();
    let finished: f64 = spans.iter().map(|(_, took, _)| took).sum();
    let rest = report.took_ms - finished;
    if rest > GAP_MS && report.exit_status() != 0 && lacks_an_end(report) {
        spans.push((unfinished(report), rest, UNFINISHED));
    }
    let total = spans.iter().map(|(_, took, _)| took).sum::<f64>().max(0.001);
    let axis = Axis { longest_ms: total };
    let top = 66.0;
    let mut at = 0.0;
    let mut bars = Vec::new();
    for (place, (name, took, colour)) in spans.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "a handful of rows")]
        let row_top = top + 6.0 + place as f64 * ROW;
        bars.push(axis.bar(name, row_top, (at, at + took), colour));
        at += took;
    }
    #[expect(clippy::cast_precision_loss, reason = "a handful of rows")]
    let bottom = top + spans.len() as f64 * ROW + 6.0;
    let height = bottom + 34.0;
    let words: Vec<String> =
        spans.iter().map(|(name, took, _)| format!("{name} {}", millis(Some(*took)))).collect();
    let found = format!("{} {}: {}", report.check, report.target, report.outcome);
    let alt = format!("Waterfall of {found}, {} in all: {}.", millis(Some(total)), words.join(", "));
    Waterfall {
        width: WIDTH,
        height,
        inner_width: WIDTH - 1.0,
        inner_height: height - 1.0,
        title: shortened(&found, LINE - 14),
        subtitle: shortened(&report.summary, LINE + 10),
        alt: shortened(&alt, ALT),
        top,
        bottom,
        axis: rounded(bottom + 18.0),
        label_x: LEFT - 10.0,
        bar: BAR,
        bars,
        ticks: axis.ticks(),
    }
}

/// Whether the request ended before its last phase did.
fn lacks_an_end(report: &Report) -> bool {
    match report.check {
        CheckKind::Http => !report.phases_ms.contains_key("transfer"),
        _ => !report.phases_ms.contains_key("tls"),
    }
}

fn unfinished(report: &Report) -> &'static str {
    match report.outcome {
        Outcome::Timeout => "no answer in time",
        Outcome::Reset => "cut off",
        _ => "not finished",
    }
}
