//! What an Alertmanager's webhooks may have missed: it is asked, now and then, for the alerts it has.
//!
//! An alert it has and we do not is taken as if its webhook had come; one we have open and it has lacked for a while is over. A silenced or
//! inhibited alert still fires: it is not over, and it is nobody's news. The surprise: it is reached without the egress policy, because
//! the operator named it, as the tracker.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::alert::{Alert, AlertStatus, alertmanager};
use crate::app::once::Arrival;
use crate::app::{App, AppError, Poll};
use crate::checks::fetch;
use crate::clock;
use crate::egress::Policy;
use crate::incident::Incident;

/// Time for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of one answer: ten thousand alerts.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// Since when an Alertmanager lacks an alert that we have open.
type Absent = BTreeMap<String, Timestamp>;

/// Between two looks at the rules while none asks for a poll.
const IDLE: Duration = Duration::from_secs(5);

/// Asks until the app stops.
pub(super) fn poll(app: &Arc<App>, turn: watch::Receiver<bool>) {
    let app = Arc::downgrade(app);
    tokio::spawn(async move {
        let mut absent: BTreeMap<String, Absent> = BTreeMap::new();
        while let Some(app) = Weak::upgrade(&app) {
            let rules = app.rules();
            if *turn.borrow() {
                for poll in &rules.polls {
                    let outcome =
                        match app.reconcile(poll, absent.entry(poll.source.clone()).or_default()).await {
                            Ok(()) => "ok",
                            Err(why) => {
                                tracing::warn!(
                                    source = poll.source,
                                    why,
                                    "an Alertmanager could not be asked for what was missed"
                                );
                                "failed"
                            }
                        };
                    let labels = format!("source=\"{}\",outcome=\"{outcome}\"", poll.source);
                    app.counters.add("firstcheck_polls_total", &labels, 1);
                }
            }
            let pause = rules.polls.iter().map(|poll| poll.every).min().unwrap_or(IDLE);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = app.lanes.stopped() => return,
            }
        }
    });
}

/// The alerts of one answer of `/api/v2/alerts`, in the shape of its webhook: those that fire openly, and the fingerprints of all.
fn read(answer: &Value) -> Option<(Vec<Alert>, BTreeSet<String>)> {
    let mut all = BTreeSet::new();
    let mut elements = Vec::new();
    for element in answer.as_array()? {
        let fingerprint = element.get("fingerprint")?.as_str()?;
        all.insert(fingerprint.to_owned());
        if element.pointer("/status/state").and_then(Value::as_str) == Some("active") {
            let mut element = element.clone();
            element["status"] = "firing".into();
            elements.push(element);
        }
    }
    let group = json!({"version": "4", "receiver": "firstcheck", "status": "firing", "groupKey": "reconciled", "alerts": elements});
    let alerts =
        alertmanager::parse(&Arc::new(group)).map(|understood| understood.alerts).unwrap_or_default();
    Some((alerts, all))
}

impl App {
    /// Asks once and takes what was missed.
    async fn reconcile(self: &Arc<Self>, poll: &Poll, absent: &mut Absent) -> Result<(), String> {
        let asked_at = clock::now();
        let base = poll.url.as_str().trim_end_matches('/');
        let url = format!("{base}/api/v2/alerts").parse().map_err(|_| "its URL is none".to_owned())?;
        let mut environment = self.environment.clone();
        environment.policy = Arc::new(Policy::unrestricted());
        let fetched =
            fetch::without_redirects(&environment, &url, MOST_BYTES, Instant::now() + PATIENCE).await;
        let document = fetched.map_err(|error| error.to_string())?;
        if document.status != 200 {
            return Err(format!("status {}", document.status));
        }
        let answer: Value = serde_json::from_slice(&document.bytes).map_err(|error| error.to_string())?;
        let (firing, all) = read(&answer).ok_or("its answer is no list of alerts")?;
        let open = self.store.open_alerts(&poll.source).await.map_err(|error| error.to_string())?;
        let known: BTreeSet<&str> = open.iter().map(|(fingerprint, _)| fingerprint.as_str()).collect();
        let mut missed: Vec<Alert> =
            firing.into_iter().filter(|alert| !known.contains(alert.fingerprint.as_str())).collect();
        absent.retain(|fingerprint, _| known.contains(fingerprint.as_str()) && !all.contains(fingerprint));
        for (fingerprint, id) in open.iter().filter(|(fingerprint, _)| !all.contains(fingerprint)) {
            let since = *absent.entry(fingerprint.clone()).or_insert(asked_at);
            if Duration::try_from(asked_at.duration_since(since)).unwrap_or_default() < poll.gone_after {
                continue;
            }
            let log = self.store.load(id).await.map_err(|error| error.to_string())?;
            let incident = Incident::fold(id.clone(), &log);
            let same = |it: &&Alert| it.source == poll.source && it.fingerprint == *fingerprint;
            let known = incident.alerts.iter().find(same).filter(|it| it.status == AlertStatus::Firing);
            missed.extend(known.map(|it| Alert { status: AlertStatus::Resolved, ..it.clone() }));
        }
        for alert in &mut missed {
            alert.source.clone_from(&poll.source);
        }
        if missed.is_empty() {
            return Ok(());
        }
        tracing::info!(
            source = poll.source,
            alerts = missed.len(),
            "an Alertmanager tells of what its webhooks missed"
        );
        self.counters.add(
            "firstcheck_alerts_reconciled_total",
            &format!("source=\"{}\"", poll.source),
            missed.len() as u64,
        );
        let missed = missed.into_iter().map(Arrival::from).collect();
        let missed = self.unsilenced(missed).await.map_err(|error| error.to_string())?;
        self.sort_out(missed).await.map(drop).map_err(|error| AppError::from(error).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silenced_alerts_are_known_and_no_news() {
        let alert = |fingerprint: &str, state: &str| {
            json!({"fingerprint": fingerprint, "status": {"state": state, "silencedBy": [], "inhibitedBy": []},
                "labels": {"alertname": "Down", "service": "shop"}, "annotations": {}, "startsAt": "2026-10-01T08:00:00.000Z",
                "endsAt": "2026-10-01T08:05:00.000Z", "updatedAt": "2026-10-01T08:00:00.000Z", "receivers": [{"name": "bot"}]})
        };
        let (firing, all) =
            read(&json!([alert("a", "active"), alert("b", "suppressed"), alert("c", "unprocessed")]))
                .unwrap();
        assert_eq!(firing.len(), 1);
        assert_eq!((firing[0].fingerprint.as_str(), firing[0].status), ("a", AlertStatus::Firing));
        assert_eq!(firing[0].started_at.unwrap().to_string(), "2026-10-01T08:00:00Z");
        assert_eq!(all.len(), 3);
        assert_eq!(read(&json!({"error": "x"})), None);
    }
}
