//! Incidents as they were after their last commit, so that the next one need not read and fold the whole log again.
//!
//! Only where no other replica moves incidents on. Whatever is decided on a remembered incident meets the store's check of its place
//! in the log all the same; the number of its alerts may be behind for a moment. Bounded: what was not used for long is forgotten.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::incident::{Incident, IncidentId};

/// Incidents of one generation, of which there are two; an incident takes some 20 KB.
const GENERATION: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Folds {
    generations: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<IncidentId, Incident>,
    old: HashMap<IncidentId, Incident>,
}

impl Folds {
    /// The incident as it was kept last, if it is remembered; then it is not any more.
    pub(super) fn take(&self, id: &IncidentId) -> Option<Incident> {
        let mut all = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        all.young.remove(id).or_else(|| all.old.remove(id))
    }

    /// The number of the incident's alerts as the store has it now.
    pub(super) fn recount(&self, now: &Incident) {
        let mut all = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let Generations { young, old } = &mut *all;
        let known = young.get_mut(&now.id).or_else(|| old.get_mut(&now.id));
        if let Some(known) = known.filter(|known| known.seq == now.seq) {
            (known.alert_count, known.repeats) = (now.alert_count, now.repeats);
            known.last_alert_at = now.last_alert_at;
        }
    }

    /// Remembers an incident as it was committed.
    pub(super) fn keep(&self, incident: Incident) {
        let mut all = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if all.young.len() >= GENERATION {
            all.old = std::mem::take(&mut all.young);
        }
        all.old.remove(&incident.id);
        all.young.insert(incident.id.clone(), incident);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_lately_is_remembered_and_what_was_not_is_forgotten() {
        let folds = Folds::default();
        let id = IncidentId::from_seed;
        for seed in 0..=2 * GENERATION as u64 {
            folds.keep(Incident::new(id(seed)));
        }
        assert!(folds.take(&id(0)).is_none());
        assert_eq!(folds.take(&id(2 * GENERATION as u64)).map(|it| it.id), Some(id(2 * GENERATION as u64)));
        assert!(folds.take(&id(2 * GENERATION as u64)).is_none());
        let known = folds.generations.lock().unwrap();
        assert!(known.young.len() + known.old.len() <= 2 * GENERATION);
    }
}
