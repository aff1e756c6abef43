//! Every shipped mapping against its samples, and the collected payloads against what they must become.

use serde_json::json;

use super::*;
use crate::alert::source::{SHIPPED, Source, failures};
use crate::alert::{AlertStatus, body};

#[test]
fn every_shipped_mapping_has_samples_and_meets_them() {
    let mut problems = Vec::new();
    for (name, text) in SHIPPED {
        let file = format!("sources/{name}.yaml");
        match Mapping::read(&file, text) {
            Ok((mapping, written)) => {
                assert_eq!(written.source, *name, "{file}");
                assert!(
                    written.samples.iter().any(|sample| !sample.alerts.is_empty()),
                    "{file} maps nothing"
                );
                problems.extend(failures(&mapping, &written, &file));
            }
            Err(found) => problems.extend(found),
        }
    }
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "\n{}", lines.join("\n"));
}

#[test]
fn every_mapping_beside_the_shipped_ones_is_shipped() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks/sources");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let stem = name.strip_suffix(".yaml").expect("a YAML file");
        assert!(SHIPPED.iter().any(|(shipped, _)| *shipped == stem), "{name} is not in SHIPPED");
    }
    assert!(Source::all().len() >= 40, "{:?}", Source::all());
}

#[test]
fn no_shipped_mapping_takes_a_strange_body_for_an_alert() {
    let strange =
        [json!({}), json!([]), json!("x"), json!(7), json!(null), json!({"hello": "world"}), json!([[]])];
    for source in Source::all() {
        for body in &strange {
            let alerts = source.read(body).map_or(0, |it| it.alerts.len());
            assert_eq!(alerts, 0, "{source:?} {body}");
        }
    }
}

/// Every sample with one value after the other replaced by something else: never a panic, never a hang.
#[test]
fn bent_bodies_end_in_an_answer() {
    for (name, text) in SHIPPED {
        let (mapping, written) = Mapping::read(name, text).unwrap();
        for sample in &written.samples {
            let Ok(body) = body::read(sample.body.as_bytes()) else { continue };
            let Value::Object(fields) = &body else { continue };
            for key in fields.keys() {
                for other in [json!(null), json!([]), json!({}), json!(""), json!(-1), json!([{"a": [null]}])]
                {
                    let mut bent = body.clone();
                    bent[key] = other;
                    let _ = mapping.understand(&bent, &sample.headers);
                }
            }
        }
    }
}

fn mapping(alerts: &str) -> String {
    format!(
        "source: own\ntitle: own\nis: .id != null\nalerts: |\n  {alerts}\nsamples:\n- shows: one\n  body: '{{\"id\": 1}}'\n  alerts: [{{status: firing}}]\n"
    )
}

fn read(text: &str) -> Result<Vec<Source>, Vec<Problem>> {
    Source::read_files(&[("sources/own.yaml".to_owned(), text.to_owned())])
}

#[test]
fn an_operator_adds_a_source_with_a_file() {
    let sources = read(&mapping("{status: \"firing\", title: .name, tags: .tags}")).unwrap();
    let body = json!({"id": 1, "name": "<https://x.test|cart> is [down](https://y.test)", "tags": "env:prod,service=shop,bare"});
    let alert = sources[0].read(&body).unwrap().alerts.remove(0);
    assert_eq!(alert.title, "cart is down");
    assert_eq!((alert.environment.as_deref(), alert.service.as_deref()), (Some("prod"), Some("shop")));
    assert_eq!(alert.status, AlertStatus::Firing);
    assert!(sources[0].read(&json!({})).unwrap_err().to_string().contains("none of its marks"));
}

#[track_caller]
fn wrong(text: &str, expected: &str) {
    let problems = read(text).unwrap_err();
    assert_eq!(problems[0].to_string(), expected);
}

#[test]
fn a_mapping_that_is_wrong_is_refused_with_its_place() {
    wrong(&mapping(".a\n  | env"), "sources/own.yaml:6:5: `env` is not taken in a mapping");
    wrong(
        &mapping("{status: \"resolved\"}"),
        "sources/own.yaml: sample \"one\": `status` is \"resolved\", not \"firing\"",
    );
    wrong(
        &mapping("{status: \"firing\", colour: 1}"),
        "sources/own.yaml: sample \"one\": 0 alerts, not 1 (the mapping fills `colour`, which no alert has)",
    );
    let none = mapping("{}").split("samples:").next().unwrap().to_owned() + "samples: []\n";
    wrong(&none, "sources/own.yaml:6:1: a mapping needs at least one sample");
}

#[test]
fn credentials_by_name_are_not_stored() {
    let raw = json!({"token": "t", "a": [{"Shared_Secret": "s", "b": 1}]});
    assert_eq!(without_secrets(&raw), json!({"a": [{"b": 1}]}));
}

/// `labels` and `links` of an expected file are a subset; every other field is equal; `*` is any fingerprint.
#[test]
#[ignore = "needs ../shared"]
fn the_collected_payloads_become_what_is_expected_of_them() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/payloads");
    let mut problems = Vec::new();
    let mut compared = 0;
    for folder in
        std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let source = Source::named(&name).unwrap_or_else(|| panic!("no source {name}"));
        for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            let Some(case) = file.strip_suffix(".expected.json") else { continue };
            let body = ["json", "form"]
                .iter()
                .find_map(|ending| std::fs::read(folder.join(format!("{case}.{ending}"))).ok());
            let body = body::read(&body.expect("a body beside the expected file")).unwrap();
            let expected: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let mut alerts: Vec<Map<String, Value>> = expected["alerts"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it.as_object().unwrap().clone())
                .collect();
            for alert in &mut alerts {
                alert.retain(|_, wanted| *wanted != "*");
            }
            alerts.iter_mut().filter_map(|alert| alert.get_mut("started_at")).for_each(|moment| {
                *moment = serde_json::to_value(reading::time(moment)).unwrap();
            });
            let sample = Sample {
                shows: file.clone(),
                body: String::new(),
                headers: BTreeMap::new(),
                alerts,
                ignored: None,
            };
            match source.read(&body) {
                Ok(understood) => {
                    problems.extend(sample.differs(&understood).map(|why| format!("{name}/{case}: {why}")));
                    assert!(understood.alerts.iter().all(|alert| !alert.fingerprint.is_empty()));
                    assert!(!understood.alerts.is_empty() || understood.ignored.is_some());
                }
                Err(refused) => problems.push(format!("{name}/{case}: {refused}")),
            }
            compared += 1;
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    assert!(compared >= 37, "only {compared} cases were found");
}

#[test]
fn a_body_that_would_be_kept_with_each_of_its_alerts_is_left_out_when_it_is_large() {
    let text = mapping("range_is_refused")
        .replace("range_is_refused", ".list[] | {status: \"firing\", title: \"x\", fingerprint: .}");
    let text = text.replace("body: '{\"id\": 1}'", "body: '{\"id\": 1, \"list\": [1]}'");
    let source = read(&text).unwrap().remove(0);
    let body = |count: usize| json!({"id": 1, "list": (0..count).collect::<Vec<_>>(), "padding": "x".repeat(20_000)});
    let few = source.read(&body(10)).unwrap();
    assert!(few.alerts.iter().all(|alert| alert.raw["id"] == 1));
    let many = source.read(&body(100)).unwrap();
    assert_eq!(many.alerts.len(), 100);
    assert!(
        many.alerts.iter().all(|alert| alert.raw.as_str().is_some_and(|raw| raw.starts_with("left out")))
    );
}
