//! What the app counts for the metrics page. Counters begin at zero with the process, as Prometheus expects.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Counters by name and the value of their one label.
#[derive(Debug, Default)]
pub(super) struct Counters {
    counts: Mutex<BTreeMap<(&'static str, String), u64>>,
    spans: Mutex<BTreeMap<(&'static str, String), Spans>>,
}

/// How long something took, as a Prometheus histogram.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spans {
    /// How many took at most so many seconds: as many as [`LIMITS_S`] has, not cumulated.
    pub counts: [u64; LIMITS_S.len()],
    /// All of them.
    pub total: u64,
    /// Together, in seconds.
    pub sum_s: f64,
}

/// Upper limits of a histogram's buckets, in seconds: a check takes milliseconds, a repair takes hours.
pub const LIMITS_S: [f64; 15] =
    [0.005, 0.02, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 180.0, 300.0, 900.0, 1800.0, 3600.0, 14_400.0, 86_400.0];

impl Counters {
    /// Adds to a counter.
    pub(super) fn add(&self, name: &'static str, label: &str, count: u64) {
        let mut counters = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counters.entry((name, label.to_owned())).or_default() += count;
    }

    /// Adds to a histogram.
    pub(super) fn took(&self, name: &'static str, label: &str, seconds: f64) {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let spans = spans.entry((name, label.to_owned())).or_default();
        if let Some(place) = LIMITS_S.iter().position(|limit| seconds <= *limit) {
            spans.counts[place] += 1;
        }
        spans.total += 1;
        spans.sum_s += seconds;
    }

    /// All histograms: name, label, spans, in order.
    pub(super) fn all_spans(&self) -> Vec<(&'static str, String, Spans)> {
        let spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        spans.iter().map(|((name, label), spans)| (*name, label.clone(), spans.clone())).collect()
    }

    /// All of them: name, label, count, in order.
    pub(super) fn all(&self) -> Vec<(&'static str, String, u64)> {
        let counters = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counters.iter().map(|((name, label), count)| (*name, label.clone(), *count)).collect()
    }
}
