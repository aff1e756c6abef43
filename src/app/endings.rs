//! Incidents that nobody ends: by our own checks, and by time.
//!
//! Some senders tell the beginning alone, and some ends are lost. A check that found the fault is run again now and then; when all that
//! found one are healthy twice in a row and no alert came in between, the incident is over. What nothing was heard of for days is over
//! too. Neither is believed against the source: an alert that goes on firing opens the incident again. One replica does this.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::app::{App, Unavailable};
use crate::checks::{self, With};
use crate::clock;
use crate::incident::{Event, Incident, IncidentId, Stage, Step};
use crate::outcome::{CheckKind, Role};

/// Between two looks when no rule asks for a shorter one.
const ROUND: Duration = Duration::from_secs(30);

/// Healthy rounds in a row that end an incident.
const ROUNDS: u8 = 2;

/// Who ends an incident by a check.
const OUR_CHECKS: &str = "firstcheck's own checks";

/// Who ends an incident by time.
const TIME: &str = "time";

/// Incidents that were healthy lately: when they were looked at, how often in a row, and how many alerts they had then.
type Healthy = BTreeMap<IncidentId, (Timestamp, u8, u64)>;

impl App {
    /// Ends what nobody ends, and asks the Alertmanagers of the rules for what was missed, while `turn` says that this replica does so,
    /// until the app stops.
    pub fn watch_over(self: &Arc<Self>, turn: watch::Receiver<bool>) {
        super::reconcile::poll(self, turn.clone());
        let app = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut healthy = Healthy::new();
            while let Some(app) = Weak::upgrade(&app) {
                if *turn.borrow()
                    && let Err(error) = app.end_what_is_over(&mut healthy).await
                {
                    tracing::debug!(%error, "what may be over is looked at again in a while");
                }
                let pause = app.rules().recheck.map_or(ROUND, |every| every.min(ROUND));
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = app.lanes.stopped() => return,
                }
            }
        });
    }

    /// One look at everything that is open.
    async fn end_what_is_over(self: &Arc<Self>, healthy: &mut Healthy) -> Result<(), Unavailable> {
        let (rules, now) = (self.rules(), clock::now());
        let span =
            |it: Option<Duration>| it.map(|it| SignedDuration::try_from(it).unwrap_or(SignedDuration::MAX));
        let (after, every) = (span(rules.resolve_after), span(rules.recheck));
        if after.is_none() && every.is_none() {
            return Ok(());
        }
        let open = self.store.list(crate::app::Filter::Open, 1000).await?;
        healthy.retain(|id, _| open.iter().any(|it| it.id == *id));
        for summary in open {
            let id = summary.id;
            let is_young =
                |span: SignedDuration| summary.alerted_at.is_some_and(|at| now.duration_since(at) < span);
            let recheck_due = every.is_some_and(|every| {
                let looked = healthy.get(&id).map(|it| it.0).or(summary.alerted_at);
                matches!(summary.stage, Stage::Clarity | Stage::Unclear)
                    && looked.is_none_or(|at| now.duration_since(at) >= every)
            });
            if !recheck_due && after.is_none_or(is_young) {
                continue;
            }
            let incident = Incident::fold(id.clone(), &self.store.load(&id).await?);
            let quiet = incident.last_alert_at.map(|last| now.duration_since(last));
            if after.is_some_and(|after| quiet.is_some_and(|quiet| quiet > after)) {
                self.end_by_time(&id, "nothing was heard of it for long").await?;
            } else if recheck_due {
                self.look_again(&incident, healthy, now).await?;
            }
        }
        Ok(())
    }

    /// Ends an incident because time has passed.
    pub(super) async fn end_by_time(self: &Arc<Self>, id: &IncidentId, why: &str) -> Result<(), Unavailable> {
        let event = Event::Resolved { by: TIME.to_owned(), reason: Some(why.to_owned()) };
        self.advance(id, &[event], None).await?;
        self.counters.add("firstcheck_incidents_ended_total", "by=\"time\"", 1);
        Ok(())
    }

    /// Runs what found the fault once more.
    async fn look_again(
        self: &Arc<Self>,
        incident: &Incident,
        healthy: &mut Healthy,
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let found = faults(incident);
        let (before, alerts) = healthy.get(&incident.id).map_or((0, incident.alert_count), |it| (it.1, it.2));
        let mut rounds = 0;
        if !found.is_empty() && alerts == incident.alert_count && self.are_healthy(&found).await {
            rounds = before + 1;
        }
        if rounds < ROUNDS {
            healthy.insert(incident.id.clone(), (now, rounds, incident.alert_count));
            return Ok(());
        }
        healthy.remove(&incident.id);
        let keys: Vec<String> = found.iter().map(Step::key).collect();
        let reason = Some(format!("healthy {ROUNDS} times in a row now: {}", keys.join(", ")));
        self.advance(&incident.id, &[Event::Resolved { by: OUR_CHECKS.to_owned(), reason }], None).await?;
        self.counters.add("firstcheck_incidents_ended_total", "by=\"check\"", 1);
        Ok(())
    }

    async fn are_healthy(&self, steps: &[Step]) -> bool {
        for step in steps {
            // The semaphore is never closed.
            let _turn = self.probes.acquire().await;
            let request = checks::Request {
                check: step.check,
                target: step.target.clone(),
                with: With(step.with.clone()),
                timeout: self.check_timeout,
                now: clock::now(),
            };
            match checks::run(&self.environment, &request).await {
                Ok(report) if report.exit_status() == 0 => {}
                Ok(_) | Err(_) => return false,
            }
        }
        true
    }
}

/// The probes of the service itself that found a fault. Without one there is nothing whose health would say that it is over.
fn faults(incident: &Incident) -> Vec<Step> {
    let is_probe = |step: &Step| {
        step.role == Role::Service
            && matches!(step.check, CheckKind::Dns | CheckKind::Tcp | CheckKind::Tls | CheckKind::Http)
    };
    let reported = incident.steps.iter().filter(|record| is_probe(&record.step));
    let failed = reported.filter(|record| record.report().is_some_and(|report| report.exit_status() == 1));
    failed.map(|record| record.step.clone()).collect()
}
