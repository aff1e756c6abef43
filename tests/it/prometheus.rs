//! The metrics check against a real Prometheus whose past `promtool` wrote: each fault in a service's counters, seen through the whole program.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::programs::{Program, free_address};

/// 2026-11-01T10:00:00Z, and the fault an hour later.
const BEGIN: i64 = 1_793_527_200;
const START: i64 = BEGIN + 3600;
const AT: &str = "2026-11-01T11:02:00Z";

/// One counter or gauge as a function of the seconds since its last sample: (name with labels, kind, increase or value).
type Metric = (&'static str, fn(i64) -> f64);

/// Two hours at 15 s as OpenMetrics text; what ends in `_total` or `_bucket` adds up.
fn written(metrics: &[Metric]) -> String {
    let mut text = String::new();
    let mut by_name: Vec<&Metric> = metrics.iter().collect();
    by_name.sort_by_key(|(name, _)| family(name));
    let mut last = "";
    for (name, value) in by_name {
        if family(name) != last {
            last = family(name);
            let kind = if is_counter(name) { "counter" } else { "unknown" };
            writeln!(text, "# TYPE {} {kind}", last.trim_end_matches("_total")).unwrap();
        }
        let mut sum = 0.0;
        for at in (BEGIN..BEGIN + 7200).step_by(15) {
            let now = value(at);
            sum = if is_counter(name) || family(name).ends_with("_bucket") { sum + now * 15.0 } else { now };
            writeln!(text, "{name} {sum} {at}").unwrap();
        }
    }
    text + "# EOF\n"
}

fn family(name: &str) -> &str {
    name.split('{').next().unwrap()
}

fn is_counter(name: &str) -> bool {
    family(name).ends_with("_total")
}

/// A Prometheus that holds these metrics.
fn prometheus(folder: &Path, metrics: &[Metric]) -> (Program, String) {
    remembering(folder, &written(metrics))
}

/// A Prometheus whose past is this OpenMetrics text.
pub(crate) fn remembering(folder: &Path, past: &str) -> (Program, String) {
    std::fs::write(folder.join("past.txt"), past).unwrap();
    std::fs::write(folder.join("prometheus.yml"), "scrape_configs: []\n").unwrap();
    let made = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics", "past.txt", "data"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let at = free_address();
    let program = Program::start(
        Command::new("prometheus")
            .current_dir(folder)
            .args([
                "--config.file=prometheus.yml",
                "--storage.tsdb.path=data",
                "--storage.tsdb.retention.time=100y",
            ])
            .arg(format!("--web.listen-address={at}")),
    );
    program.says("Server is ready");
    (program, format!("http://{at}"))
}

fn report(url: &str, with: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firstcheck"));
    command.args(["check", "metrics", url, "--json", "--timeout", "30s", "--with", &format!("at={AT}")]);
    for with in with {
        command.args(["--with", with]);
    }
    let out = command.output().unwrap();
    serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|_| panic!("no report: {}", String::from_utf8_lossy(&out.stderr)))
}

#[track_caller]
fn check(metrics: &[Metric], with: &[&str], expected: &str) -> Value {
    let folder = tempfile();
    let (_program, url) = prometheus(&folder, metrics);
    let report = report(&url, with);
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(report["outcome"], expected, "{report:#}");
    report
}

fn tempfile() -> std::path::PathBuf {
    let unique = free_address().port();
    let folder = std::env::temp_dir().join(format!("firstcheck-prometheus-{}-{unique}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn step(at: i64, start: i64, before: f64, after: f64) -> f64 {
    if at < start { before } else { after }
}

const GOOD: Metric = (r#"http_requests_total{job="orders",code="200"}"#, |_| 20.0);
const NO_ERRORS: Metric = (r#"http_requests_total{job="orders",code="500"}"#, |_| 0.01);
const ERRORS: Metric = (r#"http_requests_total{job="orders",code="500"}"#, |at| step(at, START, 0.01, 6.0));

#[test]
#[ignore = "needs prometheus"]
fn a_healthy_service_is_normal() {
    let report = check(&[GOOD, NO_ERRORS], &[], "normal");
    assert_eq!(report["facts"]["scrape_interval_s"], 15.0, "{report:#}");
    assert_eq!(report["facts"]["measured"][0], "http_requests_total");
}

#[test]
#[ignore = "needs prometheus"]
fn an_error_step_is_found_where_it_began() {
    let report = check(&[GOOD, ERRORS], &["match=job=\"orders\""], "error_step");
    let onset: jiff::Timestamp = report["facts"]["onset"].as_str().unwrap().parse().unwrap();
    assert!((onset.as_second() - START).abs() <= 60, "{report:#}");
}

#[test]
#[ignore = "needs prometheus"]
fn a_pool_that_is_full_before_the_errors_saturates() {
    let pool: [Metric; 2] = [
        (r#"hikaricp_connections_active{job="orders"}"#, |at| step(at, START - 60, 3.0, 10.0)),
        (r#"hikaricp_connections_max{job="orders"}"#, |_| 10.0),
    ];
    let report = check(&[GOOD, ERRORS, pool[0], pool[1]], &[], "saturated");
    assert_eq!(report["facts"]["resource"], "database connections in use");
}

#[test]
#[ignore = "needs prometheus"]
fn latency_that_led_the_errors_is_told() {
    // Of 20 requests a second, nearly all below 0.1 s; from five minutes before the errors on, between 1 and 5 s.
    let buckets: [Metric; 3] = [
        (r#"http_request_duration_seconds_bucket{job="orders",le="0.1"}"#, |at| {
            step(at, START - 300, 19.5, 2.0)
        }),
        (r#"http_request_duration_seconds_bucket{job="orders",le="1"}"#, |at| {
            step(at, START - 300, 20.0, 4.0)
        }),
        (r#"http_request_duration_seconds_bucket{job="orders",le="+Inf"}"#, |_| 20.0),
    ];
    check(&[GOOD, ERRORS, buckets[0], buckets[1], buckets[2]], &[], "latency_led");
}

#[test]
#[ignore = "needs prometheus"]
fn a_spike_and_a_storm_are_told_apart() {
    let more: Metric = (GOOD.0, |at| step(at, START, 20.0, 100.0));
    check(&[more, NO_ERRORS], &[], "traffic_spike");
    let storm: Metric = (ERRORS.0, |at| if at < START + 300 { step(at, START, 0.01, 6.0) } else { 60.0 });
    check(&[GOOD, storm], &[], "retry_storm");
}

#[test]
#[ignore = "needs prometheus"]
fn a_query_is_judged_and_a_bad_one_is_no_finding() {
    let ratio = "query=sum(rate(http_requests_total{code=\"500\"}[1m])) / sum(rate(http_requests_total[1m]))";
    check(&[GOOD, ERRORS], &[ratio], "error_step");
    check(&[GOOD, NO_ERRORS], &[ratio], "normal");
    let report = check(&[GOOD], &["query=sum("], "error");
    assert!(report["summary"].as_str().unwrap().contains("Prometheus refuses the query"), "{report:#}");
    check(&[("something_else", |_| 1.0)], &[], "error");
}

/// A row of `src/checks/metrics/fixtures.yaml`.
#[derive(Debug, serde::Deserialize)]
struct Fixture {
    id: String,
    value: f64,
    #[serde(default)]
    labels: std::collections::BTreeMap<String, String>,
    series: Vec<String>,
}

/// A row's series over half an hour, each with a label for the row.
fn lines(fixture: &Fixture) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for series in &fixture.series {
        let (name, told) = series.rsplit_once(' ').unwrap();
        let (family, labels) = name.split_once('{').map_or((name, ""), |(a, b)| (a, b.trim_end_matches('}')));
        let separator = if labels.is_empty() { "" } else { "," };
        let name = format!("{family}{{{labels}{separator}row=\"{}\"}}", fixture.id);
        let number: f64 = told.trim_start_matches('+').parse().unwrap();
        for second in (0..1800).step_by(15) {
            let value = if told.starts_with('+') { number * f64::from(second) } else { number };
            lines.push((family.to_owned(), format!("{name} {value} {}", BEGIN + i64::from(second))));
        }
    }
    lines
}

#[test]
#[ignore = "needs prometheus"]
fn every_measure_makes_of_its_series_what_its_fixture_says() {
    let fixtures: Vec<Fixture> =
        serde_yaml::from_str(include_str!("../../src/checks/metrics/fixtures.yaml")).unwrap();
    let folder = tempfile();
    let mut all: Vec<_> = fixtures.iter().flat_map(lines).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let mut text = String::new();
    let mut last = String::new();
    for (family, line) in all {
        if family != last {
            writeln!(text, "# TYPE {family} unknown").unwrap();
            last = family;
        }
        writeln!(text, "{line}").unwrap();
    }
    let (_program, url) = remembering(&folder, &(text + "# EOF\n"));
    let metrics = firstcheck::checks::Catalogues::builtin().metrics;
    let mut wrong = Vec::new();
    for fixture in &fixtures {
        let measure = metrics.measures.iter().find(|it| it.id == fixture.id).unwrap();
        let query = measure.expression(&format!("row=\"{}\"", fixture.id), 300, &metrics.status_labels);
        let asked = Command::new("promtool")
            .args(["query", "instant", "-o", "json", "--time", &(BEGIN + 1500).to_string(), &url, &query])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&asked.stdout).into_owned();
        let result: Value = serde_json::from_str(&said).unwrap_or_default();
        let value = result[0]["value"][1].as_str().and_then(|it| it.parse::<f64>().ok());
        let is_value = value.is_some_and(|it| (it - fixture.value).abs() <= 0.02 * fixture.value);
        let is_labelled =
            fixture.labels.iter().all(|(name, value)| result[0]["metric"][name] == value.as_str());
        if !is_value || !is_labelled || result.as_array().is_none_or(|it| it.len() != 1) {
            wrong.push(format!(
                "{}: {} expected of {query}\n    {said}{}",
                fixture.id,
                fixture.value,
                String::from_utf8_lossy(&asked.stderr)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
