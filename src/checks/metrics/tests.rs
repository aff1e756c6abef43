//! The judge over synthetic curves: two hours at 15 s, the fault at 3600 s.

use super::*;

const START: f64 = 3600.0;
const GRID: Grid = Grid { at: START + 120.0, step: 15.0, smear: 60.0 };

/// A value as a function of time.
type Shape = fn(f64) -> f64;

/// Curves as functions of time, in requests per second, seconds and shares.
#[derive(Default)]
struct World {
    good: Option<Shape>,
    by_status: Vec<(&'static str, Shape)>,
    latency: Option<Shape>,
    others: Vec<(&'static str, Shape)>,
}

fn points(value: Shape) -> Vec<curve::Point> {
    // A little noise that is the same in every run.
    let noise = |at: f64| 1.0 + 0.05 * (at * 0.7).sin();
    (0..480).map(|it| f64::from(it) * 15.0).map(|at| (at, value(at) * noise(at))).collect()
}

fn judged(world: &World) -> Verdict {
    let catalogue = super::super::Catalogues::builtin().metrics;
    let status = |status: &str, value| Series {
        labels: [("code".to_owned(), status.to_owned())].into(),
        points: points(value),
    };
    let mut series: Vec<Series> = world.good.iter().map(|value| status("200", *value)).collect();
    series.extend(world.by_status.iter().map(|(code, value)| status(code, *value)));
    let others = world.others.iter().map(|(id, value)| Measured {
        measure: catalogue.measures.iter().find(|it| it.id == *id).expect("an id of the catalogue"),
        curve: Curve::new(points(*value)),
    });
    let observation = Observation {
        traffic: traffic(&series),
        latency: world.latency.map(|value| Curve::new(points(value))),
        others: others.collect(),
    };
    judge::judge(&observation, GRID)
}

#[track_caller]
fn check(world: &World, expected: Outcome, diagnosis: &str) -> Verdict {
    let verdict = judged(world);
    assert_eq!(verdict.outcome, Some(expected), "{verdict:#?}");
    assert_eq!(verdict.diagnosis.unwrap_or_default(), diagnosis, "{verdict:#?}");
    verdict
}

fn from(start: f64, at: f64, before: f64, after: f64) -> f64 {
    if at < start { before } else { after }
}

#[test]
fn a_larger_share_of_the_same_errors_is_no_step() {
    let world = World {
        good: Some(|at| from(START, at, 20.0, 2.0)),
        by_status: vec![("500", |_| 0.05)],
        ..World::default()
    };
    check(&world, Outcome::Normal, "traffic_fell");
}

#[test]
fn errors_that_begin_at_once_are_a_step() {
    let world = World {
        good: Some(|at| from(START, at, 20.0, 15.0)),
        by_status: vec![("500", |at| from(START, at, 0.01, 5.0))],
        latency: Some(|_| 0.12),
        ..World::default()
    };
    let verdict = check(&world, Outcome::ErrorStep, "errors_at_once");
    assert_eq!(verdict.says, "Server errors rose from 0.0 % to 25 %.");
    assert_eq!(verdict.changes.first().map(|it| it.shift.onset), Some(START));
}

#[test]
fn latency_that_rises_before_the_errors_leads() {
    let world = World {
        good: Some(|at| from(START, at, 20.0, 17.0)),
        by_status: vec![("504", |at| from(START, at, 0.0, 3.0))],
        latency: Some(|at| from(START - 300.0, at, 0.1, 2.5)),
        ..World::default()
    };
    let verdict = check(&world, Outcome::LatencyLed, "latency_before_errors");
    assert_eq!(verdict.also, [Outcome::ErrorStep]);
    assert!(verdict.says.contains("5 min before server errors"), "{}", verdict.says);
}

#[test]
fn latency_with_the_errors_does_not_lead() {
    let world = World {
        good: Some(|at| from(START, at, 20.0, 17.0)),
        by_status: vec![("500", |at| from(START, at, 0.0, 3.0))],
        latency: Some(|at| from(START, at, 0.1, 2.5)),
        ..World::default()
    };
    check(&world, Outcome::ErrorStep, "errors_at_once");
}

#[test]
fn latency_alone_leads_too() {
    let world =
        World { good: Some(|_| 20.0), latency: Some(|at| from(START, at, 0.1, 2.5)), ..World::default() };
    check(&world, Outcome::LatencyLed, "latency_without_errors");
}

#[test]
fn a_resource_that_is_full_before_the_errors_is_the_cause() {
    for id in ["container_memory", "hikari_in_use", "go_process_cpu", "node_cpu", "open_files"] {
        let world = World {
            good: Some(|at| from(START, at, 20.0, 17.0)),
            by_status: vec![("503", |at| from(START, at, 0.0, 3.0))],
            latency: Some(|at| from(START - 30.0, at, 0.1, 2.5)),
            others: vec![(id, |at| from(START - 60.0, at, 0.4, 1.05))],
        };
        let verdict = check(&world, Outcome::Saturated, "full_at_usual_traffic");
        assert!(verdict.also.contains(&Outcome::ErrorStep), "{verdict:?}");
    }
}

#[test]
fn work_that_waits_is_saturation() {
    let world = World {
        good: Some(|_| 20.0),
        latency: Some(|at| from(START, at, 0.1, 1.0)),
        others: vec![("hikari_pending", |at| from(START, at, 0.0, 12.0))],
        ..World::default()
    };
    check(&world, Outcome::Saturated, "full_at_usual_traffic");
}

#[test]
fn a_resource_that_is_full_long_after_the_errors_is_a_symptom() {
    let world = World {
        good: Some(|at| from(START, at, 20.0, 15.0)),
        by_status: vec![("500", |at| from(START, at, 0.0, 5.0))],
        latency: Some(|_| 0.1),
        others: vec![("hikari_in_use", |at| from(START + 600.0, at, 0.4, 1.05))],
    };
    check(&world, Outcome::ErrorStep, "errors_at_once");
}

#[test]
fn a_slow_dependency_that_fills_the_pool_later_is_latency() {
    let world = World {
        good: Some(|at| from(START, at, 20.0, 15.0)),
        by_status: vec![("504", |at| from(START, at, 0.0, 5.0))],
        latency: Some(|at| from(START - 400.0, at, 0.1, 5.0)),
        others: vec![("hikari_in_use", |at| from(START - 100.0, at, 0.4, 1.05))],
    };
    check(&world, Outcome::LatencyLed, "latency_before_errors");
}

#[test]
fn a_busy_processor_without_a_symptom_is_normal() {
    let world = World {
        good: Some(|_| 20.0),
        latency: Some(|_| 0.1),
        others: vec![("node_cpu", |at| from(START, at, 0.3, 0.97)), ("jvm_heap", |_| 0.97)],
        ..World::default()
    };
    check(&world, Outcome::Normal, "");
}

#[test]
fn a_heap_that_always_is_nearly_full_is_normal() {
    check(&World { others: vec![("jvm_heap", |_| 0.97)], ..World::default() }, Outcome::Normal, "");
}

#[test]
fn traffic_that_multiplies_before_the_errors_is_a_spike() {
    let world = World {
        good: Some(|at| from(START, at, 20.0, 60.0)),
        by_status: vec![("429", |at| from(START + 60.0, at, 0.0, 50.0))],
        latency: Some(|_| 0.1),
        ..World::default()
    };
    let verdict = check(&world, Outcome::TrafficSpike, "more_traffic");
    assert!(verdict.says.contains("429"), "{}", verdict.says);
    let at_once = World { by_status: vec![("503", |at| from(START, at, 0.0, 60.0))], ..world };
    check(&at_once, Outcome::TrafficSpike, "more_traffic");
}

#[test]
fn traffic_that_multiplies_while_errors_persist_is_a_storm() {
    let world = World {
        good: Some(|at| from(START, at, 20.0, 14.0)),
        by_status: vec![("503", |at| {
            if at < START {
                0.0
            } else if at < START + 240.0 {
                6.0
            } else {
                60.0
            }
        })],
        latency: Some(|_| 0.1),
        ..World::default()
    };
    let verdict = check(&world, Outcome::RetryStorm, "retries_multiply_traffic");
    assert!(verdict.attempts.is_some_and(|it| it > 2.0), "{verdict:?}");
}

#[test]
fn retries_that_are_counted_make_a_storm() {
    let world = World {
        good: Some(|at| from(START, at, 20.0, 20.0)),
        by_status: vec![("503", |at| from(START, at, 0.0, 20.0))],
        others: vec![("envoy_retries", |at| from(START, at, 0.1, 30.0))],
        ..World::default()
    };
    check(&world, Outcome::RetryStorm, "retries_multiply_traffic");
    let few = World { others: vec![("envoy_retries", |at| from(START, at, 0.1, 2.0))], ..world };
    assert_ne!(judged(&few).outcome, Some(Outcome::RetryStorm));
}

#[test]
fn a_mornings_rise_a_single_burst_and_a_quiet_service_are_normal() {
    let normal = |world: World| check(&world, Outcome::Normal, "");
    normal(World { good: Some(|at| 10.0 + at / 600.0), latency: Some(|_| 0.1), ..World::default() });
    normal(World {
        good: Some(|_| 20.0),
        by_status: vec![("500", |at| if (START..START + 60.0).contains(&at) { 4.0 } else { 0.0 })],
        latency: Some(|at| if (START..START + 60.0).contains(&at) { 3.0 } else { 0.1 }),
        ..World::default()
    });
    // Two failures in an hour of very little traffic.
    normal(World {
        good: Some(|_| 0.005),
        by_status: vec![("500", |at| if (START..START + 300.0).contains(&at) { 0.004 } else { 0.0 })],
        ..World::default()
    });
    normal(World {
        good: Some(|_| 20.0),
        by_status: vec![("404", |_| 2.0), ("500", |_| 0.05)],
        ..World::default()
    });
}

#[test]
fn errors_from_the_first_point_on_have_no_start_and_are_no_finding() {
    let world = World { good: Some(|_| 20.0), by_status: vec![("500", |_| 10.0)], ..World::default() };
    let verdict = judged(&world);
    assert_eq!((verdict.outcome, verdict.diagnosis), (None, Some("errors_throughout")), "{verdict:?}");
    assert!(verdict.says.contains("window"), "{}", verdict.says);
}

#[test]
fn traffic_that_falls_away_is_said() {
    let world = World { good: Some(|at| from(START, at, 20.0, 1.0)), ..World::default() };
    let verdict = check(&world, Outcome::Normal, "traffic_fell");
    assert!(verdict.says.contains("traffic fell"), "{}", verdict.says);
}

#[test]
fn nothing_to_judge_is_no_finding() {
    assert_eq!(judged(&World::default()).outcome, None);
}

#[test]
fn an_entry_is_asked_when_all_its_names_exist_and_few_are_asked() {
    let catalogue = super::super::Catalogues::builtin().metrics;
    let names: Vec<String> =
        ["http_requests_total", "hikaricp_connections_active", "traefik_service_requests_total"]
            .map(str::to_owned)
            .to_vec();
    let ids: Vec<&str> = choose(&catalogue.measures, &names).iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["http_requests_total", "traefik_service_requests"]);
    let all: Vec<String> = catalogue.measures.iter().flat_map(|it| it.needs.clone()).collect();
    assert!(choose(&catalogue.measures, &all).len() <= 3 * TRIED + RESOURCES);
}

#[test]
fn a_target_is_a_plain_base_url() {
    assert_eq!(base("http://p:9090/prom/?x=1").unwrap().as_str(), "http://p:9090/prom/");
    for bad in ["p:9090", "ftp://p/", "", "http://user:secret@p:9090"] {
        let Err(NotRun::Usage(message)) = base(bad) else { panic!("{bad} was taken") };
        assert!(!message.contains("secret"), "{message}");
    }
}

/// A row of `fixtures.yaml`; what its query makes of the series is asked of a real Prometheus in `tests/it/prometheus.rs`.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    id: String,
    #[serde(rename = "value")]
    _value: f64,
    #[serde(default)]
    labels: std::collections::BTreeMap<String, String>,
    series: Vec<String>,
}

#[test]
fn every_measure_of_the_catalogue_has_a_fixture_with_the_series_it_needs() {
    let fixtures: Vec<Fixture> = crate::yaml::read("fixtures.yaml", include_str!("fixtures.yaml")).unwrap();
    let metrics = crate::checks::Catalogues::builtin().metrics;
    for measure in &metrics.measures {
        let fixture = fixtures.iter().find(|it| it.id == measure.id);
        let fixture = fixture.unwrap_or_else(|| panic!("{} has no row in fixtures.yaml", measure.id));
        for needed in &measure.needs {
            let is_it = |series: &String| series.split(['{', ' ']).next() == Some(needed);
            assert!(fixture.series.iter().any(is_it), "{}: no series of {needed}", measure.id);
        }
        let by_status = measure.query.contains("$status");
        let is_known = |label: &String| metrics.status_labels.contains(label);
        assert!(!by_status || fixture.labels.keys().any(is_known), "{}: no status", measure.id);
    }
    for fixture in &fixtures {
        assert!(
            metrics.measures.iter().any(|it| it.id == fixture.id),
            "{} is no measure any more",
            fixture.id
        );
    }
}
