//! A user's own expression: what it measures is read from its words, and its curve judged as that.
//!
//! An expression by status is judged as traffic with its errors, a raw counter as its rate. Of several series the one that rose
//! most is told.

use serde_json::json;

use super::curve::{Change, Curve, Grid, Rise};
use super::judge::{self, Class, Observation, Point, Verdict};
use super::prometheus::{AskError, Prometheus, Series};
use super::{Asked, Found, traffic};
use crate::outcome::{Facts, Outcome};

/// What an expression measures, by its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Errors,
    Latency,
    Retries,
    Resource,
    Requests,
    /// Nothing the words tell.
    Value,
}

impl Meaning {
    /// Errors before all else: `rate(http_requests_total{code=~"5.."}[5m])` counts errors, not requests. Latency before resources:
    /// `http_request_duration_seconds` of a queue is a duration.
    pub(super) fn of(expression: &str) -> Self {
        let text = expression.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|it| text.contains(it));
        if has(&["retr", "attempt"]) {
            Self::Retries
        } else if has(&["\"5", "'5", "error", "fail", "exception", "\"429", "\"40", "\"4."]) {
            Self::Errors
        } else if has(&[
            "histogram_quantile",
            "duration",
            "latency",
            "response_time",
            "request_time",
            "rq_time",
        ]) {
            Self::Latency
        } else if has(&[
            "cpu",
            "memory",
            "heap",
            "pool",
            "in_use",
            "usage",
            "utili",
            "saturat",
            "pending",
            "waiting",
            "queue",
            "throttl",
            "thread",
            "_fds",
            "connections",
            "lag",
            "disk",
            "load1",
            "overflow",
        ]) {
            Self::Resource
        } else if has(&["request", "_rq_", "responses", "traffic", "hits"]) {
            Self::Requests
        } else {
            Self::Value
        }
    }

    fn id(self) -> &'static str {
        match self {
            Self::Errors => "errors",
            Self::Latency => "latency",
            Self::Retries => "retries",
            Self::Resource => "resource",
            Self::Requests => "traffic",
            Self::Value => "value",
        }
    }

    /// How far the curve must rise, by what its values are: parts of a whole (0 to 1) or anything else.
    fn rise(self, expression: &str, highest: f64) -> Rise {
        let is_share = highest <= 1.0 + 1e-9;
        let milliseconds = ["milliseconds", "_ms"].iter().any(|it| expression.contains(it));
        match self {
            Self::Errors => Rise { least: if is_share { 0.01 } else { 0.05 }, factor: 3.0, beyond: 0.0 },
            Self::Latency => Rise { least: if milliseconds { 50.0 } else { 0.05 }, factor: 2.0, beyond: 0.0 },
            Self::Retries | Self::Requests => Rise { least: 0.1, factor: 2.0, beyond: 0.0 },
            Self::Resource if is_share => Rise { least: 0.05, factor: 1.0, beyond: 0.9 },
            Self::Resource => Rise { least: 1.0, factor: 3.0, beyond: 0.0 },
            Self::Value => Rise { least: 1e-9, factor: 3.0, beyond: 0.0 },
        }
    }

    fn outcome(self) -> Outcome {
        match self {
            Self::Errors | Self::Value => Outcome::ErrorStep,
            Self::Latency => Outcome::LatencyLed,
            Self::Retries => Outcome::RetryStorm,
            Self::Resource => Outcome::Saturated,
            Self::Requests => Outcome::TrafficSpike,
        }
    }
}

pub(super) async fn probe(
    prometheus: &Prometheus<'_>,
    expression: &str,
    asked: Asked,
) -> Result<Found, AskError> {
    let series = prometheus.range(expression, asked.range).await?;
    let smear = longest_span(expression).unwrap_or(0.0).min((asked.range.end - asked.range.start) / 4.0);
    let grid = Grid { at: asked.at, step: asked.range.step, smear: smear.max(asked.range.step) };
    let facts = Facts::from([("series".to_owned(), json!(series.len()))]);
    let verdict = judge(expression, &series, grid);
    Ok(Found { verdict, grid, measured: vec!["query".to_owned()], facts })
}

/// Judges the series of an expression.
pub(super) fn judge(expression: &str, series: &[Series], grid: Grid) -> Verdict {
    let series: Vec<Series> = series.iter().map(as_rate).collect();
    let by_status = series.iter().any(|it| it.labels.values().any(|value| Class::of(value).is_some()));
    let meaning = Meaning::of(expression);
    if by_status && meaning == Meaning::Requests {
        let observation = Observation { traffic: traffic(&series), ..Observation::default() };
        return judge::judge(&observation, grid);
    }
    let curves: Vec<Curve> = series.iter().map(|it| Curve::new(it.points.iter().copied())).collect();
    let enough: Vec<&Curve> = curves.iter().filter(|it| it.is_enough()).collect();
    let none = Verdict {
        outcome: None,
        also: Vec::new(),
        diagnosis: None,
        changes: Vec::new(),
        class: None,
        resource: None,
        attempts: None,
        says: String::new(),
    };
    if enough.is_empty() {
        let says = if series.is_empty() {
            "the query gives no series in the window"
        } else {
            "too few points to judge: fewer than 8 in the window"
        };
        return Verdict { says: says.to_owned(), diagnosis: Some("too_few_points"), ..none };
    }
    let all = || enough.iter().flat_map(|it| it.points.iter().map(|(_, value)| *value));
    let rise = meaning.rise(expression, all().fold(f64::NEG_INFINITY, f64::max));
    let changes = enough.iter().map(|it| it.change(rise, grid));
    let shift = changes
        .filter_map(Change::shift)
        .max_by(|a, b| (a.during - a.before).total_cmp(&(b.during - b.before)));
    let Some(shift) = shift else {
        let says = "No change stands out in the query's curve.".to_owned();
        return Verdict { outcome: Some(Outcome::Normal), says, ..none };
    };
    let says = format!(
        "The query's curve ({}) rose from {} to {}.",
        meaning.id(),
        super::round(shift.before),
        super::round(shift.during)
    );
    Verdict {
        outcome: Some(meaning.outcome()),
        diagnosis: Some("query_rose"),
        changes: vec![Point { signal: meaning.id().to_owned(), shift }],
        says,
        ..none
    }
}

/// A raw counter (`…_total`, `…_count`, `…_sum`) as its increase per second; a value below the last one is a restart from nought.
fn as_rate(series: &Series) -> Series {
    let is_counter = series
        .labels
        .get("__name__")
        .is_some_and(|name| ["_total", "_count", "_sum", "_bucket"].iter().any(|end| name.ends_with(end)));
    if !is_counter {
        return series.clone();
    }
    let per_second = |pair: &[super::curve::Point]| {
        let (span, from, to) = (pair[1].0 - pair[0].0, pair[0].1, pair[1].1);
        (pair[1].0, (if to >= from { to - from } else { to }) / span.max(1e-9))
    };
    Series { labels: series.labels.clone(), points: series.points.windows(2).map(per_second).collect() }
}

/// The longest `[5m]` of an expression, in seconds.
fn longest_span(expression: &str) -> Option<f64> {
    let spans = expression.split('[').skip(1).filter_map(|it| it.split([']', ':']).next());
    spans.filter_map(crate::duration::parse).map(|it| it.as_secs_f64()).max_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: Grid = Grid { at: 1800.0, step: 15.0, smear: 60.0 };

    fn series(labels: &[(&str, &str)], value: impl Fn(f64) -> f64) -> Series {
        Series {
            labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            points: (0..240).map(|it| f64::from(it) * 15.0).map(|at| (at, value(at))).collect(),
        }
    }

    #[track_caller]
    fn check(expression: &str, expected: Outcome) {
        let step = |at: f64| if at < 1500.0 { 0.02 } else { 0.97 };
        let verdict = judge(expression, &[series(&[], step)], GRID);
        assert_eq!(verdict.outcome, Some(expected), "{verdict:?}");
        assert_eq!(verdict.changes.first().map(|it| it.shift.onset), Some(1500.0));
        let flat = judge(expression, &[series(&[], |_| 0.02)], GRID);
        assert_eq!(flat.outcome, Some(Outcome::Normal), "{flat:?}");
    }

    #[test]
    fn an_expression_is_judged_as_what_it_measures() {
        check(
            r#"sum(rate(http_requests_total{code=~"5.."}[5m])) / sum(rate(http_requests_total[5m]))"#,
            Outcome::ErrorStep,
        );
        check(
            "histogram_quantile(0.99, rate(http_request_duration_seconds_bucket[1m]))",
            Outcome::LatencyLed,
        );
        check("max(process_cpu_usage)", Outcome::Saturated);
        check("hikaricp_connections_active / hikaricp_connections_max", Outcome::Saturated);
        check("rate(client_retries_total[1m])", Outcome::RetryStorm);
        check("sum(rate(http_requests_total[1m]))", Outcome::TrafficSpike);
        check("shop:orders_refused:ratio", Outcome::ErrorStep);
    }

    #[test]
    fn a_raw_counter_that_restarts_is_no_step() {
        let counter = series(&[("__name__", "http_requests_total")], |at| (at % 1200.0) * 5.0);
        assert_eq!(judge("http_requests_total", &[counter], GRID).outcome, Some(Outcome::Normal));
    }

    #[test]
    fn an_expression_by_status_is_traffic_with_its_errors() {
        let good = series(&[("code", "200")], |at| if at < 1500.0 { 10.0 } else { 8.0 });
        let bad = series(&[("code", "500")], |at| if at < 1500.0 { 0.0 } else { 2.0 });
        let verdict = judge("sum by (code) (rate(http_requests_total[1m]))", &[good, bad], GRID);
        assert_eq!(verdict.outcome, Some(Outcome::ErrorStep), "{verdict:?}");
    }

    #[test]
    fn nothing_and_too_little_are_not_judged() {
        assert_eq!(judge("up", &[], GRID).outcome, None);
        let short = Series { points: vec![(0.0, 1.0); 3], ..series(&[], |_| 0.0) };
        assert_eq!(judge("up", &[short], GRID).outcome, None);
    }

    #[test]
    fn the_longest_span_is_the_smear() {
        assert_eq!(longest_span("rate(a[5m]) / rate(b[30s])"), Some(300.0));
        assert_eq!(longest_span("max_over_time(rate(a[1m])[10m:30s])"), Some(600.0));
        assert_eq!(longest_span("up"), None);
    }
}
