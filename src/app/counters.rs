//! What the app counts for the metrics page. Counters begin at zero with the process, as Prometheus expects.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Counters by name and the value of their one label.
#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<BTreeMap<(&'static str, String), u64>>);

impl Counters {
    /// Adds to a counter.
    pub(super) fn add(&self, name: &'static str, label: &str, count: u64) {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counters.entry((name, label.to_owned())).or_default() += count;
    }

    /// All of them: name, label, count, in order.
    pub(super) fn all(&self) -> Vec<(&'static str, String, u64)> {
        let counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counters.iter().map(|((name, label), count)| (*name, label.clone(), *count)).collect()
    }
}
