//! Silences: alerts that are held back are counted and kept, and open no thread.
//!
//! The silences live in memory too, so that an alert costs no question to the store; other replicas learn of a change within
//! seconds.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use serde::Serialize;

use crate::alert::silence::{Armed, Silence, State, Wanted};
use crate::app::deliveries::Unread;
use crate::app::once::Arrival;
use crate::app::{App, AppError, Unavailable};
use crate::clock;
use crate::store::{Note, Tally, Verdict};

/// Silenced alerts of which it is remembered that they are kept; beyond it they are kept once more.
const MOST_KEPT: usize = 10_000;

/// A silence as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownSilence {
    /// The silence.
    #[serde(flatten)]
    pub silence: Silence,
    /// `pending`, `active` or `expired`.
    pub state: State,
    /// Alert deliveries it held back.
    pub alerts: u64,
}

impl App {
    /// All silences of the last month, those that end last first.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot be read.
    pub async fn silences(&self) -> Result<Vec<ShownSilence>, Unavailable> {
        let now = clock::now();
        let stored = self.store.silences().await?;
        let since = self.doors.held_back.lock().unwrap_or_else(PoisonError::into_inner).counts.clone();
        let shown = |(silence, alerts): (Silence, u64)| {
            let alerts = alerts + since.get(&silence.id).copied().unwrap_or_default();
            ShownSilence { state: silence.state(now), silence, alerts }
        };
        Ok(stored.into_iter().map(shown).collect())
    }

    /// Begins a silence.
    ///
    /// # Errors
    /// [`AppError::Refused`] when it makes no sense, with what to write instead, and [`AppError::Unavailable`].
    pub async fn silence(&self, wanted: Wanted) -> Result<ShownSilence, AppError> {
        let now = clock::now();
        let id = uuid::Uuid::new_v4().simple().to_string();
        let silence = wanted.silence(id, now).map_err(|bad| AppError::Refused(bad.to_string()))?;
        self.store.note(Note::Silence(silence.clone())).await?;
        tracing::info!(silence.id, reason = silence.reason, by = silence.by, ends_at = %silence.ends_at, "a silence was set");
        self.read_silences().await?;
        Ok(ShownSilence { state: silence.state(now), silence, alerts: 0 })
    }

    /// Ends a silence now; one that is over stays over.
    ///
    /// # Errors
    /// [`AppError::NoSuchSilence`] and [`AppError::Unavailable`].
    pub async fn end_silence(&self, id: &str) -> Result<ShownSilence, AppError> {
        let now = clock::now();
        let found = self.silences().await?.into_iter().find(|it| it.silence.id == id);
        let mut shown = found.ok_or_else(|| AppError::NoSuchSilence(id.to_owned()))?;
        if shown.state != State::Expired {
            shown.silence.ends_at = now;
            shown.silence.starts_at = shown.silence.starts_at.min(now);
            self.store.note(Note::Silence(shown.silence.clone())).await?;
            tracing::info!(silence.id = id, "a silence was ended");
            self.read_silences().await?;
        }
        shown.state = State::Expired;
        Ok(shown)
    }

    /// Reads the silences that are not over into memory.
    pub(super) async fn read_silences(&self) -> Result<(), Unavailable> {
        let now = clock::now();
        let stored = self.store.silences().await?.into_iter().map(|(silence, _)| silence);
        let armed = stored.filter(|it| it.state(now) != State::Expired).map(Armed::from).collect();
        *self.doors.silences.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(armed);
        Ok(())
    }

    /// How many silences hold alerts back now.
    #[must_use]
    pub fn active_silences(&self) -> usize {
        let now = clock::now();
        let silences = Arc::clone(&self.doors.silences.read().unwrap_or_else(PoisonError::into_inner));
        silences.iter().filter(|it| it.silence().state(now) == State::Active).count()
    }

    /// The alerts that no silence holds back; the others are kept and counted.
    pub(super) async fn unsilenced(&self, mut alerts: Vec<Arrival>) -> Result<Vec<Arrival>, Unavailable> {
        let silences = Arc::clone(&self.doors.silences.read().unwrap_or_else(PoisonError::into_inner));
        if silences.is_empty() {
            return Ok(alerts);
        }
        let now = clock::now();
        let mut held_back = Vec::new();
        alerts.retain(|it| match silences.iter().find(|silence| silence.holds_back(&it.alert, now)) {
            Some(armed) => {
                held_back.push((armed.silence().clone(), it.clone()));
                false
            }
            None => true,
        });
        for (silence, Arrival { alert, piece }) in held_back {
            let is_new = {
                let mut held = self.doors.held_back.lock().unwrap_or_else(PoisonError::into_inner);
                *held.counts.entry(silence.id.clone()).or_default() += 1;
                if held.kept.len() >= MOST_KEPT {
                    held.kept.clear();
                }
                held.kept.insert((silence.id.clone(), format!("{}#{}", alert.source, alert.fingerprint)))
            };
            self.doors.tally(&alert.source, Tally { silenced: 1, ..Tally::default() });
            self.counters.add("firstcheck_alerts_silenced_total", &format!("source=\"{}\"", alert.source), 1);
            if is_new {
                let reason = format!("silenced by {} ({}): {}", silence.id, silence.by, silence.reason);
                self.keep(
                    &alert.source,
                    Verdict::Silenced,
                    &reason,
                    Unread::Json(&alert.raw),
                    BTreeMap::new(),
                    piece,
                )
                .await?;
            } else {
                self.store.take(piece.into_iter().collect(), None, now).await?;
            }
        }
        Ok(alerts)
    }
}
