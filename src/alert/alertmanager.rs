//! Prometheus Alertmanager's webhook, version 4, which Mimir and vmalert send too.
//!
//! One delivery is a group: firing and resolved alerts together, each with its own status, which wins over the group's.
//! `generatorURL` and `externalURL` are links, never endpoints. The surprise: a large group arrives cut short
//! (`truncatedAlerts`), which is said in the notes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::alert::reading::{self, StatusWord};
use crate::alert::{Alert, NotThisSource, Raw, Understood};

const SOURCE: &str = "alertmanager";

/// Reads one delivery.
///
/// # Errors
/// [`NotThisSource`] when the body is no object with `alerts` whose elements have `labels`.
pub fn parse(body: &Arc<Value>) -> Result<Understood, NotThisSource> {
    let elements: Vec<&Value> = match body.get("alerts") {
        Some(Value::Array(elements)) => elements.iter().collect(),
        Some(single @ Value::Object(_)) => vec![single],
        _ => return Err(refuse("a JSON object with an `alerts` list was expected")),
    };
    let has_marks = ["groupKey", "receiver", "version"].iter().any(|mark| body.get(mark).is_some());
    if !has_marks && !elements.iter().all(|element| element.get("labels").is_some_and(Value::is_object)) {
        return Err(refuse("neither `version`, `groupKey` and `receiver` nor `labels` in each alert"));
    }
    let mut understood = Understood::default();
    if elements.is_empty() {
        understood.ignored = Some("the group holds no alert".to_owned());
    }
    let is_list = body["alerts"].is_array();
    for (index, element) in elements.into_iter().enumerate() {
        match alert(element, body) {
            Ok(alert) => {
                let raw = Raw::part(body, Some("alerts"), is_list.then_some(index));
                understood.alerts.push(Alert { raw, ..alert });
            }
            Err(why) => understood.ignored = Some(format!("alert {}: {why}", index + 1)),
        }
    }
    let truncated = body.get("truncatedAlerts").and_then(Value::as_u64).unwrap_or(0);
    if truncated > 0 {
        understood.notes.push(format!("the sender left {truncated} more alerts of this group out"));
    }
    Ok(understood)
}

fn refuse(why: &str) -> NotThisSource {
    NotThisSource { source_name: SOURCE.to_owned(), why: why.to_owned() }
}

fn alert(element: &Value, body: &Value) -> Result<Alert, String> {
    let Some(Value::Object(_)) = element.get("labels") else { return Err("it has no `labels`".to_owned()) };
    let labels = reading::flat(element.get("labels"));
    let annotations = reading::flat(element.get("annotations"));
    let word = element.get("status").or_else(|| body.get("status")).and_then(reading::text);
    let status = match word.as_deref().map(reading::status) {
        Some(StatusWord::Says(status)) => status,
        Some(StatusWord::Neither | StatusWord::Unknown) => {
            return Err(format!("`{}` is neither firing nor resolved", word.unwrap_or_default()));
        }
        None => return Err("it has no `status`".to_owned()),
    };
    let mut alert = Alert::titled(SOURCE, &title(&labels, &annotations));
    alert.status = status;
    alert.fingerprint = element
        .get("fingerprint")
        .and_then(reading::text)
        .unwrap_or_else(|| reading::fingerprint(labels.iter().flat_map(|(k, v)| [k.as_str(), v.as_str()])));
    let severity =
        labels.get("severity").or_else(|| labels.get("priority")).or_else(|| annotations.get("severity"));
    alert.severity = severity.map(|word| reading::severity(word)).unwrap_or_default();
    alert.service = reading::service(&labels);
    alert.environment = reading::environment(&labels);
    alert.region = reading::region(&labels);
    alert.endpoint = reading::endpoint(&labels);
    alert.started_at = element.get("startsAt").and_then(reading::time);
    alert.links = links(element, &annotations);
    alert.summary =
        ["description", "message", "summary"].iter().find_map(|name| annotations.get(*name)).cloned();
    let said = |read: fn(&str) -> Option<u16>| {
        read(&alert.title).or_else(|| alert.summary.as_deref().and_then(read))
    };
    alert.http_status = reading::http_status_of(&labels).or_else(|| said(reading::http_status_in));
    if alert.http_status.is_none() {
        let causes = [labels.get("error"), labels.get("reason"), Some(&alert.title), alert.summary.as_ref()];
        alert.error = causes.into_iter().flatten().find_map(|cause| reading::transport_error(cause));
    }
    alert.labels = labels;
    Ok(alert)
}

/// The summary a person wrote, else the rule's name.
fn title(labels: &BTreeMap<String, String>, annotations: &BTreeMap<String, String>) -> String {
    let written = ["summary", "title"].iter().find_map(|name| annotations.get(*name));
    let named = written.or_else(|| labels.get("alertname")).or_else(|| annotations.get("description"));
    let line = named.and_then(|text| text.lines().find(|line| !line.trim().is_empty()));
    line.map_or_else(|| "alert without a name".to_owned(), |line| line.trim().to_owned())
}

fn links(element: &Value, annotations: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let annotated = |names: &[&str]| names.iter().find_map(|name| annotations.get(*name)).cloned();
    let found = [
        ("source", element.get("generatorURL").and_then(reading::text)),
        ("runbook", annotated(&["runbook_url", "runbook"])),
        ("dashboard", annotated(&["dashboard_url", "dashboard"])),
        ("repository", annotated(&["repository_url", "repository"])),
    ];
    let named = found.into_iter().filter_map(|(name, url)| Some((name.to_owned(), url?)));
    named.filter(|(_, url)| url.starts_with("http")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::alert::{AlertStatus, Severity, TransportError};

    fn parse(body: &Value) -> Result<Understood, NotThisSource> {
        super::parse(&Arc::new(body.clone()))
    }

    fn group(alerts: &Value) -> Value {
        json!({"version": "4", "status": "firing", "receiver": "firstcheck", "groupKey": "{}", "alerts": alerts})
    }

    fn probe() -> Value {
        json!({
            "status": "firing",
            "labels": {
                "alertname": "ProbeFailure", "job": "blackbox-http", "instance": "https://api.shop.test/v1/charge",
                "severity": "page", "service": "payments", "env": "production", "region": "eu-west-1", "status_code": "503"
            },
            "annotations": {"summary": "charge answers 503", "runbook_url": "https://runbooks.shop.test/probe"},
            "startsAt": "2026-10-01T08:14:03.112345Z", "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.shop.test/graph?g0", "fingerprint": "7d2f6c0a9b1e4c55"
        })
    }

    #[test]
    fn a_probe_alert_says_where_and_what() {
        let understood = parse(&group(&json!([probe()]))).unwrap();
        let alert = &understood.alerts[0];
        assert_eq!(alert.title, "charge answers 503");
        assert_eq!(alert.service.as_deref(), Some("payments"));
        assert_eq!(alert.environment.as_deref(), Some("production"));
        assert_eq!(alert.endpoint.as_deref(), Some("https://api.shop.test/v1/charge"));
        assert_eq!((alert.http_status, alert.error), (Some(503), None));
        assert_eq!(alert.severity, Severity::Critical);
        assert_eq!(alert.started_at.unwrap().to_string(), "2026-10-01T08:14:03.112Z");
        assert_eq!(alert.links["runbook"], "https://runbooks.shop.test/probe");
        assert_eq!(alert.fingerprint, "7d2f6c0a9b1e4c55");
        assert_eq!(understood.ignored, None);
    }

    #[test]
    fn firing_and_resolved_of_one_group_keep_their_own_status() {
        let mut over = probe();
        over["status"] = "resolved".into();
        let understood = parse(&group(&json!([probe(), over]))).unwrap();
        let statuses: Vec<_> = understood.alerts.iter().map(|alert| alert.status).collect();
        assert_eq!(statuses, [AlertStatus::Firing, AlertStatus::Resolved]);
    }

    #[test]
    fn a_sender_without_fingerprints_gets_one_from_the_labels() {
        let mut old = probe();
        old.as_object_mut().unwrap().remove("fingerprint");
        let mut later = old.clone();
        later["status"] = "resolved".into();
        let mut other = old.clone();
        other["labels"]["instance"] = "https://api.shop.test/v1/refund".into();
        let prints: Vec<String> = parse(&group(&json!([old, later, other])))
            .unwrap()
            .alerts
            .into_iter()
            .map(|it| it.fingerprint)
            .collect();
        assert_eq!(prints[0], prints[1]);
        assert_ne!(prints[0], prints[2]);
    }

    #[test]
    fn a_word_nobody_knows_is_kept_as_unmapped_and_never_firing() {
        let mut odd = probe();
        odd["status"] = "wobbling".into();
        let understood = parse(&group(&json!([odd, probe()]))).unwrap();
        assert_eq!(understood.alerts.len(), 1);
        assert!(understood.ignored.unwrap().contains("`wobbling`"));
    }

    #[test]
    fn a_group_that_was_cut_short_says_so() {
        let mut body = group(&json!([probe()]));
        body["truncatedAlerts"] = 3.into();
        assert!(parse(&body).unwrap().notes[0].contains("3 more"));
    }

    #[test]
    fn a_cause_without_a_response_is_an_error() {
        let mut cut = probe();
        cut["labels"]["status_code"] = "".into();
        cut["annotations"] =
            json!({"summary": "probe failed", "description": "dial tcp: connection refused"});
        let alert = parse(&group(&json!([cut]))).unwrap().alerts.remove(0);
        assert_eq!((alert.http_status, alert.error), (None, Some(TransportError::Connect)));
    }

    #[test]
    fn other_bodies_are_refused_with_the_reason() {
        for body in [json!([]), json!({"title": "x"}), json!({"alerts": [{"title": "x"}]}), json!("alerts")] {
            assert!(parse(&body).is_err(), "{body}");
        }
    }

    /// `labels` and `links` of an expected file are a subset; every other field is equal; `*` is any fingerprint.
    #[track_caller]
    fn agrees(found: &Value, expected: &Value, file: &str) {
        for (name, wanted) in expected.as_object().unwrap() {
            let is = &found[name];
            match name.as_str() {
                "labels" | "links" => {
                    for (key, value) in wanted.as_object().unwrap() {
                        assert_eq!(&is[key], value, "{file}: {name}.{key}");
                    }
                }
                "fingerprint" if wanted == "*" => assert_ne!(is, "", "{file}: {name}"),
                _ => assert_eq!(is, wanted, "{file}: {name}"),
            }
        }
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn the_collected_payloads_become_what_is_expected_of_them() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/payloads/alertmanager");
        let json = |path: &std::path::Path| -> Value {
            serde_json::from_slice(&std::fs::read(path).expect("a readable payload")).expect("JSON")
        };
        let mut compared = 0;
        for entry in std::fs::read_dir(folder).expect("the folder of payloads") {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            let Some(case) = file.strip_suffix(".json").filter(|case| !case.ends_with(".expected")) else {
                continue;
            };
            let understood = parse(&json(&path)).expect("an Alertmanager delivery");
            let beside = path.with_file_name(format!("{case}.expected.json"));
            if !beside.exists() {
                continue;
            }
            let expected = json(&beside)["alerts"].as_array().unwrap().clone();
            assert_eq!(understood.alerts.len(), expected.len(), "{file}");
            for (found, expected) in understood.alerts.iter().zip(&expected) {
                agrees(&serde_json::to_value(found).unwrap(), expected, &file);
            }
            compared += 1;
        }
        assert!(compared >= 3, "only {compared} expected files were found");
    }
}
