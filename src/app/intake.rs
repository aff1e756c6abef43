//! From a delivery to the incidents it is about.
//!
//! An alert that says what it said before, to an incident that is open, is counted and changes nothing else: a storm costs as much as its
//! incidents. Any other joins the open incident its own identity belongs to, else the open incident with its key, else it opens one. An
//! end without a known beginning opens nothing, and a firing that comes late, after its end, does not open the incident
//! again. Two deliveries that race to open the same incident meet in the database; the second joins.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use crate::alert::{Alert, AlertStatus, IncidentKey, NotThisSource, Source, Understood};
use crate::app::deliveries::{UNKNOWN_END, Unread};
use crate::app::once::{self, Arrival, Begun, Once, Untaken};
use crate::app::{App, AppError};
use crate::clock;
use crate::incident::arrival::{self, Again};
use crate::incident::{Event, Incident, IncidentId};
use crate::profile::ServiceProfile;
use crate::store::{CommitError, Tally, Unavailable, Verdict};

/// How far ahead of us a sender's clock may be before its start time is taken for a wrong clock.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// A delivery that is durable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// The incidents its alerts belong to, in the order of the body.
    pub incidents: Vec<Joined>,
}

/// An incident and how many alerts of a delivery it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Joined {
    /// The incident.
    pub id: IncidentId,
    /// Alerts of this delivery.
    pub alerts: usize,
}

/// Where an alert belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// This incident takes it.
    Join(IncidentId),
    /// This incident has counted it: it says nothing new.
    Counted(IncidentId),
    /// This incident had it, and is over: a repeat that comes late.
    Known(IncidentId),
    /// This incident is over, and begins again.
    Reopen(IncidentId, IncidentKey),
    /// The open incident with this key, or a new one.
    Open(IncidentKey),
    /// Nowhere; kept, with the reason.
    Nowhere(&'static str),
}

impl App {
    /// Takes a delivery, or what is left of one that was begun: everything in it is durable when this returns.
    ///
    /// # Errors
    /// [`AppError::NotThisSource`] when the body has none of the source's marks (it was kept for inspection),
    /// [`AppError::Unavailable`] when it could not be made durable (the sender should try again), and [`Untaken::Repeated`] when
    /// somebody takes the same delivery at the same time.
    pub(super) async fn receive(
        self: &Arc<Self>,
        source: &Source,
        body: &Arc<Value>,
        headers: BTreeMap<String, String>,
        begun: Option<&Begun<'_>>,
    ) -> Result<Accepted, Untaken> {
        let understood = match understand(source, body, &headers).await {
            Ok(understood) => understood,
            Err(refused) => {
                let raw = Unread::Json(body);
                self.keep(source.id(), Verdict::Bad, &refused.why, raw, headers, None).await?;
                return Err(AppError::from(refused).into());
            }
        };
        let Understood { alerts, ignored, notes } = understood;
        for note in notes {
            tracing::info!(source = source.id(), note, "a delivery says more than its alerts");
        }
        let pieces = begun.map(|begun| begun.pieces(alerts.len(), ignored.is_some()));
        let (whole, alerts) = match pieces {
            Some(mut pieces) => {
                // The first is the delivery itself.
                let whole = pieces.remove(0);
                let left = alerts.into_iter().zip(pieces).filter(|(_, piece)| piece.is_some());
                (whole, left.map(|(alert, piece)| Arrival { alert, piece }).collect())
            }
            None => (None, alerts.into_iter().map(Arrival::from).collect::<Vec<_>>()),
        };
        self.counters.add(
            "firstcheck_alerts_total",
            &format!("source=\"{}\"", source.id()),
            alerts.len() as u64,
        );
        self.doors.tally(source.id(), Tally { alerts: alerts.len() as u64, ..Tally::default() });
        match ignored {
            Some(reason) if begun.is_none() || whole.is_some() => {
                let raw = Unread::Json(body);
                self.keep(source.id(), Verdict::Unmapped, &reason, raw, headers, whole).await?;
            }
            _ => self.store.take(whole.into_iter().collect(), None, clock::now()).await?,
        }
        self.sort_out(self.unsilenced(alerts).await?).await
    }

    /// What a kept delivery says today.
    pub(super) async fn read_again(
        &self,
        source: &Source,
        body: Value,
        headers: BTreeMap<String, String>,
    ) -> Result<Understood, NotThisSource> {
        understand(source, &Arc::new(body), &headers).await
    }

    /// A person says that something fails; gives the incident it opened or joined.
    ///
    /// # Errors
    /// [`AppError::Unavailable`] when it could not be made durable.
    pub async fn start_by_hand(self: &Arc<Self>, alert: Alert, by: &str) -> Result<IncidentId, AppError> {
        self.start_once(alert, by, None).await
    }

    /// As [`Self::start_by_hand`]; under this key it is started once at most.
    pub(super) async fn start_once(
        self: &Arc<Self>,
        mut alert: Alert,
        by: &str,
        once: Option<&str>,
    ) -> Result<IncidentId, AppError> {
        alert.status = AlertStatus::Firing;
        alert.labels.insert("reported_by".to_owned(), by.to_owned());
        if alert.fingerprint.is_empty() {
            alert.fingerprint = crate::alert::reading::fingerprint([alert.title.as_str()]);
        }
        let key = alert.incident_key_by(&self.rules().group_by);
        self.counters.add("firstcheck_alerts_total", "source=\"by_hand\"", 1);
        match Box::pin(self.open_or_join(&key, vec![alert.into()], once)).await {
            Ok(id) => Ok(id),
            Err(Untaken::Repeated) => {
                Err(AppError::Refused("this was started before, and is over".to_owned()))
            }
            Err(Untaken::Failed(error)) => Err(error),
        }
    }

    /// Sorts the alerts by where they belong and lets each incident take its own, side by side.
    pub(super) async fn sort_out(self: &Arc<Self>, alerts: Vec<Arrival>) -> Result<Accepted, Untaken> {
        let now = clock::now();
        let mut alerts = alerts;
        for it in &mut alerts {
            cap_start(&mut it.alert, now);
        }
        let counted = self.store.repeat(alerts.iter().map(Arrival::heard).collect(), now).await?;
        let mut groups: Vec<(Place, Vec<Arrival>)> = Vec::new();
        for (alert, counted) in alerts.into_iter().zip(counted) {
            let place = match counted {
                Some(id) => Place::Counted(id),
                None => self.place(&alert.alert).await?,
            };
            match groups.iter_mut().find(|(known, _)| *known == place) {
                Some((_, alerts)) => alerts.push(alert),
                None => groups.push((place, vec![alert])),
            }
        }
        let taken = groups.into_iter().map(|(place, alerts)| self.take(place, alerts));
        let mut accepted = Accepted::default();
        // None is left in the middle of what it does because of another.
        for joined in futures_util::future::join_all(taken).await {
            if let Some(joined) = joined? {
                accepted.add(joined);
            }
        }
        Ok(accepted)
    }

    async fn place(&self, alert: &Alert) -> Result<Place, Unavailable> {
        let sighting = self.store.sighting(alert).await?;
        Ok(match (alert.status, sighting) {
            (_, Some(seen)) if seen.is_open => Place::Join(seen.incident),
            (AlertStatus::Resolved, Some(seen)) => Place::Known(seen.incident),
            (AlertStatus::Resolved, None) => Place::Nowhere(UNKNOWN_END),
            (AlertStatus::Firing, Some(seen)) => self.again(alert, seen.incident).await?,
            (AlertStatus::Firing, None) => Place::Open(alert.incident_key_by(&self.rules().group_by)),
        })
    }

    /// Where an alert belongs that was part of an incident that is over.
    async fn again(&self, alert: &Alert, id: IncidentId) -> Result<Place, Unavailable> {
        let rules = self.rules();
        let incident = Incident::fold(id.clone(), &self.store.load(&id).await?);
        let key = alert.incident_key_by(&rules.group_by);
        Ok(match arrival::again(&incident, alert, rules.reopen_within, clock::now()) {
            Again::Late => Place::Known(id),
            Again::Reopens => Place::Reopen(id, key),
            Again::IsNew => Place::Open(key),
        })
    }

    async fn take(self: &Arc<Self>, place: Place, alerts: Vec<Arrival>) -> Result<Option<Joined>, Untaken> {
        let count = alerts.len();
        let id = match place {
            Place::Join(id) => {
                self.join(&id, alerts).await?;
                id
            }
            Place::Reopen(id, key) => {
                if self.reopen(&id, &alerts).await? {
                    id
                } else {
                    self.open_or_join(&key, alerts, None).await?
                }
            }
            Place::Open(key) => self.open_or_join(&key, alerts, None).await?,
            Place::Counted(id) => {
                self.show_soon(&id);
                id
            }
            Place::Known(id) => {
                let pieces = once::pieces(&alerts);
                self.store.take(pieces, Some(id.clone()), clock::now()).await?;
                id
            }
            Place::Nowhere(reason) => {
                for Arrival { alert, piece } in alerts {
                    let raw = Unread::Json(&alert.raw);
                    self.keep(&alert.source, Verdict::Unmapped, reason, raw, BTreeMap::new(), piece).await?;
                }
                return Ok(None);
            }
        };
        Ok(Some(Joined { id, alerts: count }))
    }

    /// Lets the open incident with this key take the alerts, or opens one. Whoever loses the race joins: with what is new, as often all replicas hear
    /// of the same alert at once.
    async fn open_or_join(
        self: &Arc<Self>,
        key: &IncidentKey,
        mut alerts: Vec<Arrival>,
        by_key: Option<&str>,
    ) -> Result<IncidentId, Untaken> {
        loop {
            if let Some(id) = self.store.open_incident(key).await?
                && !self.is_too_old(&id).await?
            {
                if by_key.is_none() {
                    let heard = alerts.iter().map(Arrival::heard).collect();
                    let counted = self.store.repeat(heard, clock::now()).await?;
                    let mut places = counted.iter();
                    alerts.retain(|_| places.next().is_none_or(Option::is_none));
                    if alerts.is_empty() {
                        return Ok(counted.into_iter().flatten().next().unwrap_or(id));
                    }
                }
                if by_key.is_some() {
                    let events = self.received(&id, &alerts);
                    self.advance_once(&id, &events, None, Once::under(by_key)).await?;
                } else {
                    self.join(&id, alerts).await?;
                }
                return Ok(id);
            }
            let id = IncidentId::from_seed(uuid::Uuid::new_v4().as_u64_pair().1);
            let profile =
                alerts.first().map(|it| ServiceProfile::of(&self.services, &it.alert)).unwrap_or_default();
            let profile = self.with_told(profile).await;
            let pieces = once::pieces(&alerts);
            let once = if pieces.is_empty() { Once::under(by_key) } else { Once::Pieces(&pieces) };
            if Box::pin(self.open(&id, key, profile, &alerts, once)).await? {
                return Ok(id);
            }
        }
    }

    /// Lets an open incident take alerts.
    async fn join(self: &Arc<Self>, id: &IncidentId, alerts: Vec<Arrival>) -> Result<(), Untaken> {
        let pieces = once::pieces(&alerts);
        match self.advance_once(id, &self.received(id, &alerts), None, Once::Pieces(&pieces)).await? {
            Some(recorded) if recorded.is_empty() && !pieces.is_empty() => Err(Untaken::Repeated),
            _ => Ok(()),
        }
    }

    /// Opens an incident with these alerts, unless another with its key is faster.
    pub(super) async fn open(
        self: &Arc<Self>,
        id: &IncidentId,
        key: &IncidentKey,
        profile: ServiceProfile,
        alerts: &[Arrival],
        once: Once<'_>,
    ) -> Result<bool, Untaken> {
        let mut events = vec![Event::Opened { key: key.clone(), profile }];
        events.extend(self.received(id, alerts));
        let _in_order = self.stripe(id).lock().await;
        match self.decide_and_commit(Incident::new(id.clone()), &events, None, once).await {
            Ok(_) => Ok(true),
            Err(CommitError::Repeated) => Err(Untaken::Repeated),
            // An alert reports on no action: nothing of it can be taken over.
            Err(CommitError::Conflict | CommitError::KeyTaken(_) | CommitError::TakenOver) => Ok(false),
            Err(CommitError::Unavailable(error)) => Err(error.into()),
        }
    }

    /// Lets an incident that is over take the alerts and begin again; false when another has taken its place.
    async fn reopen(self: &Arc<Self>, id: &IncidentId, alerts: &[Arrival]) -> Result<bool, Untaken> {
        let events = self.received(id, alerts);
        let pieces = once::pieces(alerts);
        let _in_order = self.stripe(id).lock().await;
        loop {
            let before = Incident::fold(id.clone(), &self.store.load(id).await?);
            match self.decide_and_commit(before, &events, None, Once::Pieces(&pieces)).await {
                Ok(_) => return Ok(true),
                Err(CommitError::Repeated) => return Err(Untaken::Repeated),
                Err(CommitError::KeyTaken(_)) => return Ok(false),
                Err(CommitError::Conflict | CommitError::TakenOver) => {}
                Err(CommitError::Unavailable(error)) => return Err(error.into()),
            }
        }
    }

    /// Whether an open incident was not heard of for longer than the window in which it takes other alerts in. Then it is ended by
    /// time, so that a new one can have its key.
    async fn is_too_old(self: &Arc<Self>, id: &IncidentId) -> Result<bool, Unavailable> {
        let Some(window) = self.rules().window else { return Ok(false) };
        let incident = Incident::fold(id.clone(), &self.store.load(id).await?);
        let quiet = incident.last_alert_at.map(|last| clock::now().duration_since(last));
        let window = SignedDuration::try_from(window).unwrap_or(SignedDuration::MAX);
        if quiet.is_none_or(|quiet| quiet <= window) {
            return Ok(false);
        }
        self.end_by_time(id, "other alerts come after its window").await?;
        Ok(true)
    }

    /// The alerts as events of this incident, their raw elements redacted before they are stored.
    fn received(&self, id: &IncidentId, alerts: &[Arrival]) -> Vec<Event> {
        let gate = self.gate(id);
        let redacted = |it: &Arrival| {
            let alert = Alert { raw: gate.json(&it.alert.raw).into(), ..it.alert.clone() };
            Event::AlertReceived { alert }
        };
        alerts.iter().map(redacted).collect()
    }
}

/// Reads a delivery. A mapping may take a while, and does so beside the threads that answer.
async fn understand(
    source: &Source,
    body: &Arc<Value>,
    headers: &BTreeMap<String, String>,
) -> Result<Understood, NotThisSource> {
    if source.is_quick() {
        return source.read_with(body, headers);
    }
    let (reader, body, headers) = (source.clone(), Arc::clone(body), headers.clone());
    let name = source.id().to_owned();
    let read = tokio::task::spawn_blocking(move || reader.read_with(&body, &headers)).await;
    read.unwrap_or_else(|_| {
        Err(NotThisSource { source_name: name, why: "its mapping broke down".to_owned() })
    })
}

/// A start that lies ahead of us is a wrong clock: the problem began when we heard of it.
fn cap_start(alert: &mut Alert, now: Timestamp) {
    let latest = now.checked_add(CLOCK_SKEW).unwrap_or(now);
    if alert.started_at.is_some_and(|started| started > latest) {
        tracing::info!(source = alert.source, "an alert begins in the future; its start is taken as now");
        alert.started_at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_ahead_of_us_is_taken_as_now() {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let mut alert = Alert::titled("generic", "x");
        alert.started_at = now.checked_add(SignedDuration::from_mins(6)).ok();
        cap_start(&mut alert, now);
        assert_eq!(alert.started_at, Some(now));
        let soon = now.checked_add(SignedDuration::from_mins(4)).ok();
        alert.started_at = soon;
        cap_start(&mut alert, now);
        assert_eq!(alert.started_at, soon);
    }
}
