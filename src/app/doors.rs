//! What the doors remember between deliveries, and what is done about it every few seconds: counts are written down, silences
//! of other replicas are read, old ids are forgotten, and a source that went silent is reported.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::alert::silence::Armed;
use crate::app::sns::Certificates;
use crate::app::{App, Rules, Unavailable};
use crate::clock;
use crate::store::{Note, Tally};

/// How often counts are written down: what a kill may lose of them.
const ROUND: Duration = Duration::from_secs(5);

/// How often old ids, silences and changes are forgotten.
const PRUNING: SignedDuration = SignedDuration::from_hours(1);

/// How long a delivery's id is remembered: GitHub redelivers by hand for three days (alert sources, section 2.3).
const SEEN_FOR: SignedDuration = SignedDuration::from_hours(72);

/// How long a silence is remembered after its end.
const SILENCES_FOR: SignedDuration = SignedDuration::from_hours(24 * 30);

/// How long a change is remembered: what changed last quarter is no cause of today's incident.
const CHANGES_FOR: SignedDuration = SignedDuration::from_hours(24 * 90);

/// Deliveries with ids that are taken at once wait for each other in so many lines.
const TURNS: usize = 32;

/// What silences held back.
#[derive(Default)]
pub(super) struct HeldBack {
    /// Alerts since the last round, by silence.
    pub(super) counts: BTreeMap<String, u64>,
    /// Silence and alert of those that are kept already.
    pub(super) kept: BTreeSet<(String, String)>,
}

/// What the doors remember between deliveries.
pub(super) struct State {
    tallies: Mutex<BTreeMap<String, Tally>>,
    pub(super) silences: RwLock<Arc<Vec<Armed>>>,
    pub(super) held_back: Mutex<HeldBack>,
    rules: RwLock<Arc<Rules>>,
    /// Sources that are silent now, and since when.
    silent: Mutex<BTreeMap<String, Timestamp>>,
    pub(super) certificates: Certificates,
    /// Whether anybody ever told us of a change.
    pub(super) is_told: AtomicBool,
    turns: [tokio::sync::Mutex<()>; TURNS],
    started_at: Timestamp,
}

impl Default for State {
    fn default() -> Self {
        Self {
            tallies: Mutex::default(),
            silences: RwLock::default(),
            held_back: Mutex::default(),
            rules: RwLock::default(),
            silent: Mutex::default(),
            certificates: Certificates::default(),
            is_told: AtomicBool::new(false),
            turns: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            started_at: clock::now(),
        }
    }
}

impl State {
    /// Counts what came of a delivery; whoever was let in is alive.
    pub(super) fn tally(&self, source: &str, mut tally: Tally) {
        if tally.unauthorized == 0 {
            tally.last_ms = Some(clock::now().as_millisecond());
        }
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        match tallies.get_mut(source) {
            Some(known) => known.add(&tally),
            None => {
                tallies.insert(source.to_owned(), tally);
            }
        }
    }

    pub(super) fn turn(&self, hash: u64) -> &tokio::sync::Mutex<()> {
        let index = usize::try_from(hash % (TURNS as u64)).unwrap_or_default();
        &self.turns[index]
    }
}

/// How regularly a source is heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Heartbeat {
    /// At least one delivery is expected in so many seconds.
    pub every_s: u64,
    /// `alive`, `silent`, or `waiting` for the first delivery within the first interval.
    pub state: Beat,
    /// Since when it is silent: the last delivery, or the bot's start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent_since: Option<Timestamp>,
}

/// Whether a source is heard of as expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Beat {
    /// It was heard of within its interval.
    Alive,
    /// It was not.
    Silent,
    /// It was never heard of, and its first interval is not over.
    Waiting,
}

/// Whether a source that was last heard of then is silent now.
fn beat(every: Duration, last: Option<Timestamp>, started: Timestamp, now: Timestamp) -> Heartbeat {
    let since = last.unwrap_or(started);
    let quiet = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    let state = match (quiet > every, last) {
        (true, _) => Beat::Silent,
        (false, Some(_)) => Beat::Alive,
        (false, None) => Beat::Waiting,
    };
    let silent_since = (state == Beat::Silent).then_some(since);
    Heartbeat { every_s: every.as_secs(), state, silent_since }
}

/// How a source is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Health {
    /// When it was last heard of; a delivery without valid credentials does not count.
    pub last_delivery_at: Option<Timestamp>,
    /// What came of its deliveries since the first.
    pub counts: Tally,
    /// How regularly it is heard of, when the configuration says what to expect.
    pub heartbeat: Option<Heartbeat>,
}

impl App {
    /// The rules by which alerts are sorted and ended, from now on.
    pub fn follow(&self, rules: Rules) {
        *self.doors.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    /// The rules by which alerts are sorted and ended.
    #[must_use]
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.doors.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How each source is that was ever heard of, or that a heartbeat is expected of.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot be read.
    pub async fn sources(&self) -> Result<BTreeMap<String, Health>, Unavailable> {
        let mut tallies = self.store.tallies().await?;
        for (source, tally) in self.doors.tallies.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            tallies.entry(source.clone()).or_default().add(tally);
        }
        let (rules, now) = (self.rules(), clock::now());
        for source in rules.heartbeats.keys() {
            tallies.entry(source.clone()).or_default();
        }
        let health = |(source, counts): (String, Tally)| {
            let last = counts.last_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
            let expected = rules.heartbeats.get(&source);
            let heartbeat = expected.map(|every| beat(*every, last, self.doors.started_at, now));
            (source, Health { last_delivery_at: last, counts, heartbeat })
        };
        Ok(tallies.into_iter().map(health).collect())
    }

    /// Sources that are silent for longer than their heartbeat allows.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot be read.
    pub async fn silent_sources(&self) -> Result<Vec<String>, Unavailable> {
        if self.rules().heartbeats.is_empty() {
            return Ok(Vec::new());
        }
        let silent = self.sources().await?.into_iter();
        Ok(silent
            .filter(|(_, it)| it.heartbeat.is_some_and(|it| it.state == Beat::Silent))
            .map(|it| it.0)
            .collect())
    }

    /// Writes down what was counted since the last time. What cannot be written now is written later.
    pub(super) async fn write_tallies(&self) -> Result<(), Unavailable> {
        let counted = std::mem::take(&mut *self.doors.tallies.lock().unwrap_or_else(PoisonError::into_inner));
        if !counted.is_empty()
            && let Err(error) = self.store.note(Note::Tallies(counted.clone())).await
        {
            let mut tallies = self.doors.tallies.lock().unwrap_or_else(PoisonError::into_inner);
            for (source, tally) in counted {
                tallies.entry(source).or_default().add(&tally);
            }
            return Err(error);
        }
        let held_back =
            std::mem::take(&mut self.doors.held_back.lock().unwrap_or_else(PoisonError::into_inner).counts);
        if held_back.is_empty() { Ok(()) } else { self.store.note(Note::HeldBack(held_back)).await }
    }

    /// Tells of sources that went silent, and of those that are back.
    async fn watch_sources(&self) -> Result<(), Unavailable> {
        if self.rules().heartbeats.is_empty() {
            return Ok(());
        }
        let now_silent: BTreeMap<String, Timestamp> = self
            .sources()
            .await?
            .into_iter()
            .filter_map(|(source, health)| Some((source, health.heartbeat?.silent_since?)))
            .collect();
        let mut silent = self.doors.silent.lock().unwrap_or_else(PoisonError::into_inner);
        for (source, since) in now_silent.iter().filter(|(source, _)| !silent.contains_key(*source)) {
            tracing::warn!(source, %since, "a source is silent for longer than its heartbeat allows");
        }
        for source in silent.keys().filter(|source| !now_silent.contains_key(*source)) {
            tracing::info!(source, "a source that was silent is heard of again");
        }
        *silent = now_silent;
        Ok(())
    }
}

/// Does what is to be done every few seconds until the app stops.
pub(super) fn tend(app: &Arc<App>) {
    let app = Arc::downgrade(app);
    tokio::spawn(async move {
        let mut pruned_at = Timestamp::UNIX_EPOCH;
        let mut was_well = true;
        while let Some(app) = Weak::upgrade(&app) {
            let done = round(&app, &mut pruned_at).await;
            if let Err(error) = &done
                && was_well
            {
                tracing::warn!(%error, "what the doors counted waits for the store");
            }
            was_well = done.is_ok();
            tokio::select! {
                () = tokio::time::sleep(ROUND) => {}
                () = app.lanes.stopped() => return,
            }
        }
    });
}

async fn round(app: &App, pruned_at: &mut Timestamp) -> Result<(), Unavailable> {
    app.write_tallies().await?;
    if app.store.is_shared() {
        app.read_silences().await?;
    }
    app.learn_of_changes().await?;
    app.watch_sources().await?;
    let now = clock::now();
    if now.duration_since(*pruned_at) >= PRUNING {
        let before = |age: SignedDuration| now.checked_sub(age).unwrap_or(Timestamp::UNIX_EPOCH);
        let (seen, silences, changes) = (before(SEEN_FOR), before(SILENCES_FOR), before(CHANGES_FOR));
        app.store.note(Note::Prune { seen, silences, changes }).await?;
        *pruned_at = now;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_silent_when_its_interval_is_over_and_waits_before_its_first() {
        let at = |second: i64| Timestamp::from_second(1_790_000_000 + second).unwrap();
        let every = Duration::from_mins(1);
        let says = |last: Option<i64>, now: i64| {
            let it = beat(every, last.map(at), at(0), at(now));
            (it.state, it.silent_since)
        };
        assert_eq!(says(None, 60), (Beat::Waiting, None));
        assert_eq!(says(None, 61), (Beat::Silent, Some(at(0))));
        assert_eq!(says(Some(50), 110), (Beat::Alive, None));
        assert_eq!(says(Some(50), 111), (Beat::Silent, Some(at(50))));
        // A clock that jumped back makes nobody silent.
        assert_eq!(says(Some(50), 10), (Beat::Alive, None));
    }
}
