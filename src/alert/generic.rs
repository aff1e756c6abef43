//! Our own field names, for scripts, `curl`, and every system whose user writes the body.
//!
//! One object, a list of them, or `{"alerts": […]}`. Only `title` is required. The surprise: `status` is firing or resolved
//! when it is a word, and the HTTP status when it is a number from 100 to 599, because people write both.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::alert::reading::{self, StatusWord};
use crate::alert::{Alert, NotThisSource, Raw, TransportError, Understood};

const SOURCE: &str = "generic";

/// Fields with a meaning; whatever else is sent becomes a label.
const FIELDS: [&str; 15] = [
    "source",
    "fingerprint",
    "status",
    "title",
    "severity",
    "service",
    "environment",
    "region",
    "endpoint",
    "http_status",
    "error",
    "started_at",
    "labels",
    "links",
    "summary",
];

/// Reads one delivery.
///
/// # Errors
/// [`NotThisSource`] when the body is no object with a `title`, and no list of them.
pub fn parse(body: &Arc<Value>) -> Result<Understood, NotThisSource> {
    let (elements, member): (Vec<&Value>, _) = match &**body {
        Value::Array(elements) => (elements.iter().collect(), None),
        Value::Object(object) => match object.get("alerts") {
            Some(Value::Array(elements)) => (elements.iter().collect(), Some("alerts")),
            Some(single @ Value::Object(_)) => (vec![single], Some("alerts")),
            _ => (vec![body], None),
        },
        _ => return Err(refuse("a JSON object with a `title` was expected".to_owned())),
    };
    let is_list = member.map_or(&**body, |member| &body[member]).is_array();
    let mut understood = Understood::default();
    if elements.is_empty() {
        understood.ignored = Some("the list holds no alert".to_owned());
    }
    for (index, element) in elements.into_iter().enumerate() {
        let Some(object) = element.as_object() else {
            return Err(refuse(format!("element {} is no JSON object", index + 1)));
        };
        let Some(title) = object.get("title").and_then(reading::text) else {
            return Err(refuse("`title` is missing; it is the one field that is required".to_owned()));
        };
        match alert(object, &title) {
            Ok(alert) => {
                let raw = Raw::part(body, member, is_list.then_some(index));
                understood.alerts.push(Alert { raw, ..alert });
            }
            Err(why) => understood.ignored = Some(why),
        }
    }
    Ok(understood)
}

fn refuse(why: String) -> NotThisSource {
    NotThisSource { source_name: SOURCE.to_owned(), why }
}

fn alert(object: &Map<String, Value>, title: &str) -> Result<Alert, String> {
    let field = |name: &str| object.get(name).and_then(reading::text);
    let mut labels = reading::flat(object.get("labels"));
    for (name, value) in object.iter().filter(|(name, _)| !FIELDS.contains(&name.as_str())) {
        if let Some(value) = reading::text(value) {
            labels.entry(name.clone()).or_insert(value);
        }
    }
    let mut alert = Alert::titled(SOURCE, title.lines().next().unwrap_or(title));
    let mut status_code = field("http_status").and_then(|value| reading::http_status(&value));
    if let Some(word) = field("status") {
        match (reading::status(&word), reading::http_status(&word)) {
            (StatusWord::Says(status), _) => alert.status = status,
            (_, Some(code)) => status_code = status_code.or(Some(code)),
            _ => return Err(format!("`{word}` is neither firing nor resolved, nor an HTTP status")),
        }
    }
    alert.severity = field("severity").map(|word| reading::severity(&word)).unwrap_or_default();
    alert.service = field("service").or_else(|| reading::service(&labels));
    alert.environment = field("environment").or_else(|| reading::environment(&labels));
    alert.region = field("region").or_else(|| reading::region(&labels));
    alert.endpoint = field("endpoint").or_else(|| reading::endpoint(&labels));
    alert.summary = field("summary");
    let texts = || [Some(title), alert.summary.as_deref()].into_iter().flatten();
    alert.http_status = status_code
        .or_else(|| reading::http_status_of(&labels))
        .or_else(|| texts().find_map(reading::http_status_in));
    alert.error = field("error").and_then(|word| error(&word));
    if alert.error.is_none() && alert.http_status.is_none() {
        alert.error = texts().find_map(reading::transport_error);
    }
    alert.started_at = object.get("started_at").and_then(reading::time);
    alert.fingerprint = field("fingerprint").unwrap_or_else(|| {
        let place = [&alert.service, &alert.environment, &alert.endpoint];
        let place = place.into_iter().map(|it| it.as_deref().unwrap_or_default());
        reading::fingerprint(place.chain([title]))
    });
    alert.links = reading::flat(object.get("links"));
    alert.labels = labels;
    Ok(alert)
}

/// The error's own id, else what its text says.
fn error(word: &str) -> Option<TransportError> {
    let ids = [
        TransportError::Timeout,
        TransportError::Dns,
        TransportError::Tls,
        TransportError::Connect,
        TransportError::Reset,
    ];
    ids.into_iter().find(|id| id.id() == word.to_ascii_lowercase()).or_else(|| reading::transport_error(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::alert::AlertStatus;

    fn parse(body: &Value) -> Result<Understood, NotThisSource> {
        super::parse(&Arc::new(body.clone()))
    }

    #[test]
    fn a_title_is_enough() {
        let alert = parse(&json!({"title": "checkout is down"})).unwrap().alerts.remove(0);
        assert_eq!(alert.title, "checkout is down");
        assert_eq!(alert.status, AlertStatus::Firing);
        assert!(!alert.fingerprint.is_empty());
    }

    #[test]
    fn every_field_of_the_normalised_alert_is_read() {
        let body = json!({"alerts": [{
            "title": "504s on /v1/reports", "status": "firing", "severity": "critical", "service": "reports",
            "environment": "production", "endpoint": "/v1/reports", "http_status": 504,
            "started_at": "2026-03-01T10:02:00Z", "labels": {"region": "eu"}, "links": {"runbook": "https://r.test"},
            "summary": "since the release", "team": "payments", "fingerprint": "abc"
        }]});
        let alert = parse(&body).unwrap().alerts.remove(0);
        assert_eq!(alert.http_status, Some(504));
        assert_eq!(alert.region.as_deref(), Some("eu"));
        assert_eq!(alert.labels["team"], "payments");
        assert_eq!(alert.fingerprint, "abc");
        assert_eq!(alert.incident_key().to_string(), "reports|production|/v1/reports");
    }

    #[test]
    fn a_status_may_be_a_word_or_a_number() {
        let read = |status: Value| parse(&json!({"title": "x", "status": status})).unwrap();
        assert_eq!(read(json!("resolved")).alerts[0].status, AlertStatus::Resolved);
        assert_eq!(read(json!(504)).alerts[0].http_status, Some(504));
        assert_eq!(read(json!("504")).alerts[0].http_status, Some(504));
        assert!(read(json!("wobbling")).ignored.is_some());
    }

    #[test]
    fn firing_and_resolved_of_one_problem_have_one_fingerprint() {
        let read = |status: &str| {
            parse(&json!({"title": "x", "status": status})).unwrap().alerts.remove(0).fingerprint
        };
        assert_eq!(read("firing"), read("resolved"));
    }

    #[test]
    fn other_bodies_are_refused_with_the_reason() {
        for body in [json!({}), json!("x"), json!([1]), json!({"title": ""})] {
            assert!(parse(&body).is_err(), "{body}");
        }
    }
}
