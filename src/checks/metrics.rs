//! `metrics`: what do the curves around the start say?
//!
//! Asks a Prometheus which of the metric names in `runbooks/metrics.yaml` it knows, fetches those around `at`, and tells an error
//! step, latency that rose before the errors, a resource at its limit, a traffic spike and a retry storm apart. With `query`, that
//! expression alone is judged by what it measures. What surprises: the span of `rate()` follows the scrape interval that the samples
//! themselves show, and the window shrinks to the time for which there are samples, so that a young Prometheus is judged as finely as an old one.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

use super::catalogue::{Measure, Measures, Metrics};
use super::fetch::FetchError;
use super::{Environment, NotRun, Request, document};
use crate::outcome::{CheckKind, Facts, Outcome, Report};

mod curve;
mod expression;
mod judge;
mod prometheus;

use curve::{Curve, Grid, Shift};
use judge::{Class, Measured, Observation, Traffic, Verdict};
use prometheus::{AskError, Prometheus, Range, Series};

/// Long enough for a usual course before the start, short enough not to hold yesterday's incident (checks.md §12: onset ± 1 h).
const WINDOW: std::time::Duration = std::time::Duration::from_hours(1);

/// The longest window.
const WINDOW_MAX: std::time::Duration = std::time::Duration::from_hours(24 * 31);

/// Points over the range: a step of half a minute in two hours, as fine as most scrape intervals.
const POINTS: f64 = 240.0;

/// `rate()` needs two samples in its span; four survive a lost scrape (checks.md §12, pitfalls).
const SAMPLES_IN_RATE: f64 = 4.0;

/// A scrape interval to assume when the samples do not show theirs: Prometheus' default is 60 s, most set 15 or 30.
const INTERVAL: f64 = 30.0;

/// Entries tried for requests and for latency each, and resources looked at in all: with the four questions before, some
/// 20 requests a run (checks.md §0).
const TRIED: usize = 2;
const RESOURCES: usize = 12;

/// Requests under way at once (checks.md §0).
const AT_ONCE: usize = 2;

pub(super) async fn run(env: &Environment, request: &Request, deadline: Instant) -> Result<Report, NotRun> {
    let with = &request.with;
    let base = base(&request.target)?;
    let at: Timestamp =
        with.parsed("at", "an instant such as `2026-11-01T10:02:00Z`")?.unwrap_or(request.now);
    let window = with.duration("window")?.unwrap_or(WINDOW);
    if window.is_zero() || window > WINDOW_MAX {
        return Err(NotRun::Usage("`window` must be more than nothing and at most 31 days".to_owned()));
    }
    let window = SignedDuration::try_from(window).unwrap_or(SignedDuration::MAX);
    let end = at.saturating_add(window).unwrap_or(at).min(request.now.max(at.min(request.now)));
    let start = at.saturating_sub(window).unwrap_or(at);
    if start >= end {
        return Err(NotRun::Usage(format!("`at` is {at}, and its window begins only after now")));
    }
    let env = &document::trusting(env, with).await?;
    let prometheus = Prometheus::new(env, base, deadline);
    let (from, to) = (unix(start), unix(end));
    let asked =
        Asked { at: unix(at), range: Range { start: from, end: to, step: ((to - from) / POINTS).max(1.0) } };
    let found = match with.get("query") {
        Some(query) => expression::probe(&prometheus, query, asked).await,
        None => {
            probe(&prometheus, &env.catalogues.metrics, with.get("match").unwrap_or_default(), asked).await
        }
    };
    let mut report = match found {
        Ok(found) => report(&request.target, found),
        Err(AskError::Fetch(FetchError::Refused(refusal))) => return Err(NotRun::Refused(refusal)),
        Err(why) => {
            Report::error(CheckKind::Metrics, &request.target, format!("the metrics cannot be had: {why}"))
        }
    };
    report.facts.insert("at".to_owned(), json!(at));
    report.facts.insert("window_minutes".to_owned(), json!(round(window.as_secs_f64() / 60.0)));
    for key in ["query", "match"] {
        if let Some(value) = with.get(key) {
            report.facts.insert(key.to_owned(), json!(value));
        }
    }
    Ok(report)
}

/// The outcome for an answer to a query, around a start half an hour after an hour; `None` when it is
/// none of a Prometheus or holds too little.
pub(super) fn judge_bytes(expression: &str, answer: &[u8]) -> Option<Outcome> {
    let series = prometheus::series(answer).ok()?;
    let grid = Grid { at: 5400.0, step: 15.0, smear: 60.0 };
    expression::judge(expression, &series, grid).outcome
}

/// The base URL of a Prometheus; a secret does not belong into it.
fn base(target: &str) -> Result<Url, NotRun> {
    let wrong = |why: &str| {
        NotRun::Usage(format!("{why}; write a Prometheus base URL such as `http://prometheus:9090`"))
    };
    let mut url = Url::parse(target.trim()).map_err(|_| wrong(&format!("`{target}` is no URL")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong(&format!("`{target}` is no http or https URL")));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("the URL holds a name or a password, which would stand in reports"));
    }
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
struct Asked {
    at: f64,
    range: Range,
}

/// What was found out, for the report.
struct Found {
    verdict: Verdict,
    grid: Grid,
    /// The names of what was measured.
    measured: Vec<String>,
    facts: Facts,
}

/// Asks for what the catalogue knows.
async fn probe(
    prometheus: &Prometheus<'_>,
    catalogue: &Metrics,
    matchers: &str,
    asked: Asked,
) -> Result<Found, AskError> {
    let names = prometheus.names(asked.range, matchers).await?;
    let chosen = choose(&catalogue.measures, &names);
    let Some(anchor) = chosen.first().and_then(|it| it.needs.first()) else {
        return Err(AskError::Nothing(names.len()));
    };
    let (range, interval) = span(prometheus, anchor, matchers, asked.range).await?;
    let smear = (SAMPLES_IN_RATE * interval).max(range.step).ceil();
    let grid = Grid { at: asked.at, step: range.step, smear };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a span of seconds, above zero and below a month"
    )]
    let rate_seconds = smear as u64;
    let mut answers = Vec::new();
    for some in chosen.chunks(AT_ONCE) {
        let mut under_way = Vec::new();
        for measure in some {
            let expression = measure.expression(matchers, rate_seconds, &catalogue.status_labels);
            under_way.push(ask(prometheus, measure, expression, range));
        }
        answers.extend(futures_util::future::join_all(under_way).await);
    }

    let mut observation = Observation::default();
    let mut measured = Vec::new();
    let mut unanswered = Vec::new();
    let mut last_error = None;
    for (measure, answer) in answers {
        let series = match answer {
            Ok(series) => series,
            Err(why) => {
                // What was learned until then is kept.
                unanswered.push(json!(measure.id));
                last_error = Some(why);
                continue;
            }
        };
        let is_used = match measure.measures {
            Measures::Requests if observation.traffic.is_none() => {
                observation.traffic = traffic(&series);
                observation.traffic.is_some()
            }
            Measures::Latency if observation.latency.is_none() => {
                let seconds = sum(&series).scaled(measure.scale.unwrap_or(1.0));
                observation.latency = Some(seconds).filter(Curve::is_enough);
                observation.latency.is_some()
            }
            Measures::Requests | Measures::Latency => false,
            Measures::Share | Measures::Waiting | Measures::Retries => {
                let curve = sum(&series);
                let is_enough = curve.is_enough();
                if is_enough {
                    observation.others.push(Measured { measure, curve });
                }
                is_enough
            }
        };
        if is_used {
            measured.push(measure.id.clone());
        }
    }
    if let Some(why) = last_error.filter(|_| measured.is_empty()) {
        return Err(why);
    }
    let mut facts = Facts::from([("scrape_interval_s".to_owned(), json!(round(interval)))]);
    if !unanswered.is_empty() {
        facts.insert("unanswered".to_owned(), Value::Array(unanswered));
    }
    describe(&observation, &mut facts);
    Ok(Found { verdict: judge::judge(&observation, grid), grid, measured, facts })
}

/// One measure's series.
async fn ask<'m>(
    prometheus: &Prometheus<'_>,
    measure: &'m Measure,
    expression: String,
    range: Range,
) -> (&'m Measure, Result<Vec<Series>, AskError>) {
    (measure, prometheus.range(&expression, range).await)
}

/// What to ask: the first entries for requests and latency, and the resources, whose names all exist.
fn choose<'a>(measures: &'a [Measure], names: &[String]) -> Vec<&'a Measure> {
    let names: std::collections::BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let exists = |measure: &&Measure| measure.needs.iter().all(|it| names.contains(it.as_str()));
    let of = |wanted: &[Measures], most: usize| -> Vec<&'a Measure> {
        measures.iter().filter(exists).filter(|it| wanted.contains(&it.measures)).take(most).collect()
    };
    let mut chosen = of(&[Measures::Requests], TRIED);
    chosen.extend(of(&[Measures::Latency], TRIED));
    chosen.extend(of(&[Measures::Retries], TRIED));
    chosen.extend(of(&[Measures::Share, Measures::Waiting], RESOURCES));
    chosen
}

/// The part of the range for which there are samples, and the seconds between two samples of one series.
async fn span(
    prometheus: &Prometheus<'_>,
    anchor: &str,
    matchers: &str,
    range: Range,
) -> Result<(Range, f64), AskError> {
    let selector = format!("{anchor}{{{matchers}}}");
    let present = sum(&prometheus.range(&format!("count({selector})"), range).await?);
    let mut range = range;
    if let (Some((first, _)), Some((last, _))) = (present.points.first(), present.points.last())
        && last - first < (range.end - range.start) / 2.0
    {
        range.start = first - range.step;
        range.end = (last + range.step).min(range.end);
    }
    // One series' raw samples show the interval; at most half an hour of them, from the busiest series.
    let raw = (range.end - range.start).clamp(1.0, 1800.0).ceil();
    let busiest =
        prometheus.instant(&format!("topk(1, count_over_time({selector}[{raw:.0}s]))"), range.end).await?;
    let mut interval = INTERVAL;
    if let Some(series) = busiest.first() {
        let labels: Vec<String> = series
            .labels
            .iter()
            .filter(|(name, _)| *name != "__name__")
            .map(|(name, value)| format!("{name}={}", json!(value)))
            .collect();
        let exactly = format!("{anchor}{{{}}}[{raw:.0}s]", labels.join(","));
        let samples = prometheus.instant(&exactly, range.end).await.unwrap_or_default();
        let gaps: Vec<f64> =
            samples.iter().flat_map(|it| it.points.windows(2).map(|pair| pair[1].0 - pair[0].0)).collect();
        interval = curve::quantile(&gaps, 0.5).unwrap_or(INTERVAL).clamp(0.1, 3600.0);
    }
    range.step = ((range.end - range.start) / POINTS).max(interval).max(1.0);
    Ok((range, interval))
}

/// All series added up, instant by instant.
fn sum(series: &[Series]) -> Curve {
    add(series.iter().flat_map(|it| it.points.iter().copied()))
}

fn add(points: impl IntoIterator<Item = curve::Point>) -> Curve {
    let mut all: Vec<curve::Point> = points.into_iter().collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut added: Vec<curve::Point> = Vec::new();
    for (at, value) in all {
        match added.last_mut() {
            Some((last, total)) if (*last - at).abs() < 1e-6 => *total += value,
            _ => added.push((at, value)),
        }
    }
    Curve::new(added)
}

/// Requests by class of status; `None` with too few points.
fn traffic(series: &[Series]) -> Option<Traffic> {
    let all = Some(sum(series)).filter(Curve::is_enough)?;
    let class = |it: &Series| it.labels.values().filter_map(|value| Class::of(value)).min();
    let has_status = series.iter().any(|it| class(it).is_some());
    let of = |wanted: Class| {
        let points =
            series.iter().filter(|it| class(it) == Some(wanted)).flat_map(|it| it.points.iter().copied());
        // An instant with requests and none of this class is a nought, not a gap.
        let noughts = all.points.iter().map(|(at, _)| (*at, 0.0));
        (wanted, add(points.chain(noughts)))
    };
    let wanted = [Class::Failed, Class::Limited, Class::Denied, Class::Rejected];
    let classes = if has_status { wanted.map(of).to_vec() } else { Vec::new() };
    Some(Traffic { all, classes })
}

/// What was usual, and where samples are missing.
fn describe(observation: &Observation<'_>, facts: &mut Facts) {
    if let Some(traffic) = &observation.traffic {
        facts.insert("points".to_owned(), json!(traffic.all.points.len()));
        if let Some(rate) = traffic.all.median() {
            facts.insert("requests_per_second".to_owned(), json!(round(rate)));
        }
        if traffic.classes.is_empty() {
            facts.insert("errors_measured".to_owned(), json!(false));
        }
    }
    if let Some(median) = observation.latency.as_ref().and_then(Curve::median) {
        facts.insert("latency_s".to_owned(), json!(round(median)));
    }
}

fn report(target: &str, found: Found) -> Report {
    let Found { verdict, grid, measured, mut facts } = found;
    facts.insert("measured".to_owned(), json!(measured));
    facts.insert("step_s".to_owned(), json!(round(grid.step)));
    let Some(outcome) = verdict.outcome else {
        let mut report = Report::error(CheckKind::Metrics, target, verdict.says);
        report.facts.append(&mut facts);
        report.facts.extend(verdict.diagnosis.map(|it| ("diagnosis".to_owned(), json!(it))));
        return report;
    };
    if let Some(first) = verdict.changes.first().filter(|_| outcome != Outcome::Normal) {
        facts.insert("onset".to_owned(), instant(first.shift.onset));
    }
    let changes: Vec<Value> = verdict.changes.iter().map(|it| change(&it.signal, &it.shift)).collect();
    if !changes.is_empty() {
        facts.insert("changes".to_owned(), Value::Array(changes));
    }
    let onset = |signal: &str| verdict.changes.iter().find(|it| it.signal == signal).map(|it| it.shift.onset);
    if let (Some(latency), Some(errors)) = (onset("latency"), onset("errors")) {
        facts.insert("latency_lead_s".to_owned(), json!(round(errors - latency)));
    }
    facts.extend(verdict.diagnosis.map(|it| ("diagnosis".to_owned(), json!(it))));
    facts.extend(verdict.class.map(|it| ("statuses".to_owned(), json!(it.id()))));
    facts.extend(verdict.resource.map(|it| ("resource".to_owned(), json!(it))));
    facts.extend(verdict.attempts.map(|it| ("attempts_per_request".to_owned(), json!(round(it)))));
    if !verdict.also.is_empty() {
        facts.insert("also".to_owned(), json!(verdict.also));
    }
    Report {
        check: CheckKind::Metrics,
        target: target.to_owned(),
        outcome,
        facts,
        summary: verdict.says,
        took_ms: 0.0,
        phases_ms: std::collections::BTreeMap::new(),
    }
}

fn change(signal: &str, shift: &Shift) -> Value {
    let mut value = json!({
        "signal": signal,
        "at": instant(shift.onset),
        "before": round(shift.before),
        "during": round(shift.during),
    });
    if let Some(times) = shift.times() {
        value["times"] = json!(round(times));
    }
    if let Some(ended) = shift.ended {
        value["ended"] = instant(ended);
    }
    value
}

fn unix(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

fn instant(at: f64) -> Value {
    let at = SignedDuration::try_from_secs_f64(at).ok().and_then(|it| Timestamp::from_duration(it).ok());
    at.map_or(Value::Null, |it| json!(it.round(jiff::Unit::Second).unwrap_or(it)))
}

/// Four digits are more than a curve is worth.
fn round(value: f64) -> f64 {
    if !value.is_finite() || value == 0.0 {
        return 0.0;
    }
    let scale = 10f64.powf(3.0 - value.abs().log10().floor());
    let rounded = (value * scale).round() / scale;
    if rounded.is_finite() { rounded } else { value }
}

#[cfg(test)]
mod tests;
