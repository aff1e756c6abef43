//! The course of an incident: checks and questions as bars over time, its beginning, alert and end as lines.

use jiff::Timestamp;
use serde::Serialize;

use super::{ALT, Axis, BAR, Bar, LEFT, LINE, ROW, Tick, WIDTH, rounded, shortened};
use crate::incident::{Incident, Stopped};
use crate::template::{percent, seconds};

/// Rows at most: a card stays a card.
const ROWS: usize = 16;

const GOOD: &str = "#4c9a52";
const BAD: &str = "#c8453b";
const UNTOLD: &str = "#8b95a3";
const PERSON: &str = "#3d7cc9";
const ALERT: &str = "#b3261e";
const CLEAR: &str = "#2e6b33";
const BEGAN: &str = "#5b6776";

#[derive(Serialize)]
pub(super) struct Timeline {
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
    moments_y: f64,
    pub(super) bars: Vec<Bar>,
    ticks: Vec<Tick>,
    pub(super) moments: Vec<Moment>,
    pub(super) more: Option<usize>,
    more_y: f64,
}

/// A line across all rows.
#[derive(Debug, Serialize)]
pub(super) struct Moment {
    pub(super) label: String,
    x: f64,
    anchor: &'static str,
    colour: &'static str,
}

/// Something that took time.
struct Span {
    label: String,
    from: Timestamp,
    to: Timestamp,
    colour: &'static str,
}

/// What the template draws of an incident.
pub(super) fn values(incident: &Incident) -> Option<Timeline> {
    let alerted = incident.alerted_at?;
    let spans = spans(incident);
    // A fault that began long before its alert would leave no room for what the bot did: then the alert is the beginning.
    let ends = spans.iter().map(|span| span.to).chain(incident.concluded_at).chain([alerted]);
    let end = ends.max().unwrap_or(alerted);
    let began = incident.started_at().unwrap_or(alerted);
    let worked = millis_between(alerted, end);
    let shows_began = millis_between(began, alerted) <= (worked * 3.0).max(60e3);
    let origin = if shows_began { began.min(alerted) } else { alerted };
    let axis = Axis { longest_ms: millis_between(origin, end).max(1.0) };
    let top = 84.0;
    let more = spans.len().checked_sub(ROWS).filter(|more| *more > 0);
    let mut bars = Vec::new();
    for (place, span) in spans.iter().take(ROWS).enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "a handful of rows")]
        let row_top = top + 6.0 + place as f64 * ROW;
        let times = (millis_between(origin, span.from), millis_between(origin, span.to));
        bars.push(axis.bar(&span.label, row_top, times, span.colour));
    }
    #[expect(clippy::cast_precision_loss, reason = "a handful of rows")]
    let rows = (bars.len() + usize::from(more.is_some())) as f64;
    let bottom = top + rows * ROW + 6.0;
    let height = bottom + 34.0;
    let moment = |label: &str, at: Timestamp, colour, anchor| Moment {
        label: label.to_owned(),
        x: axis.x(millis_between(origin, at)),
        anchor,
        colour,
    };
    let mut moments = Vec::new();
    if shows_began && millis_between(began, alerted) > axis.longest_ms / 8.0 {
        moments.push(moment("fault began", began, BEGAN, "start"));
    }
    let late = millis_between(origin, alerted) > axis.longest_ms / 2.0;
    moments.push(moment("alert", alerted, ALERT, if late { "end" } else { "start" }));
    if let Some((at, conclusion)) = incident.concluded_at.zip(incident.conclusion.as_ref()) {
        let label = if conclusion.stopped == Stopped::Clarity { "clear" } else { "unclear" };
        moments.push(moment(label, at, CLEAR, "start"));
    }
    Some(Timeline {
        width: WIDTH,
        height,
        inner_width: WIDTH - 1.0,
        inner_height: height - 1.0,
        title: shortened(&format!("{} · {}", incident.id, incident.title()), LINE - 14),
        subtitle: shortened(&subtitle(incident, origin), LINE + 10),
        alt: shortened(&alt(incident, &spans), ALT),
        top,
        bottom,
        axis: rounded(bottom + 18.0),
        label_x: LEFT - 10.0,
        bar: BAR,
        moments_y: top - 6.0,
        bars,
        ticks: axis.ticks(),
        moments,
        more,
        more_y: rounded(bottom - 12.0),
    })
}

fn spans(incident: &Incident) -> Vec<Span> {
    let checks = incident.steps.iter().filter_map(|record| {
        let crate::incident::StepState::Reported { report, at } = &record.state else { return None };
        let took = jiff::SignedDuration::try_from_secs_f64(report.took_ms / 1000.0).ok()?;
        let colour = match report.exit_status() {
            0 => GOOD,
            1 => BAD,
            _ => UNTOLD,
        };
        let label = format!("{}: {}", record.step.key(), report.outcome);
        Some(Span { label, from: at.checked_sub(took).unwrap_or(*at), to: *at, colour })
    });
    let questions = incident.questions.iter().filter_map(|record| {
        let (from, to) = (record.asked_at?, record.answered_at?);
        Some(Span { label: format!("asked: {}", record.question), from, to, colour: PERSON })
    });
    let mut all: Vec<Span> = checks.chain(questions).collect();
    all.sort_by_key(|span| (span.from, span.to));
    all
}

fn subtitle(incident: &Incident, origin: Timestamp) -> String {
    let mut parts = vec![format!("from {}", origin.strftime("%Y-%m-%d %H:%M:%S UTC"))];
    parts.extend(incident.mttd_s().map(|took| format!("detected after {}", seconds(Some(took)))));
    parts.extend(incident.mttc_s().map(|took| format!("clear after {}", seconds(Some(took)))));
    parts.extend(verdict(incident));
    parts.join(", ")
}

fn verdict(incident: &Incident) -> Option<String> {
    let conclusion = incident.conclusion.as_ref()?;
    Some(format!("{} {}", conclusion.bucket, percent(Some(conclusion.probability))))
}

fn alt(incident: &Incident, spans: &[Span]) -> String {
    let told: Vec<String> = spans
        .iter()
        .map(|span| {
            format!("{} ({})", span.label, seconds(Some(millis_between(span.from, span.to) / 1000.0)))
        })
        .collect();
    let began = incident.alerted_at.unwrap_or_default();
    format!("Timeline of {}: {}. {}", incident.id, subtitle(incident, began), told.join("; "))
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of days fit")]
fn millis_between(from: Timestamp, to: Timestamp) -> f64 {
    (to.duration_since(from).as_micros() as f64 / 1000.0).max(0.0)
}
