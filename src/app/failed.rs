//! Why an action could not be done, and whether it is worth another try.

use std::time::Duration;

use crate::chat::ChatError;
use crate::incident::{Event, Retry};
use crate::store::Unavailable;
use crate::tracker::TrackerError;

/// The wait while the store itself cannot be written, and nothing can be noted.
pub(super) const STORE_WAIT: Duration = Duration::from_secs(1);

/// Why a try failed.
pub(super) struct Failed {
    /// What went wrong, for people.
    pub(super) reason: String,
    /// Whether and when it is tried again.
    pub(super) retry: Retry,
    /// What is to be recorded all the same.
    pub(super) events: Vec<Event>,
}

impl Failed {
    pub(super) fn new(reason: String, retry: Retry) -> Self {
        Self { reason, retry, events: Vec::new() }
    }

    /// Trying again cannot help.
    pub(super) fn never(reason: String) -> Self {
        Self::new(reason, Retry::Never)
    }

    /// The same, with something to record.
    pub(super) fn and(mut self, event: Event) -> Self {
        self.events.push(event);
        self
    }
}

impl From<ChatError> for Failed {
    fn from(error: ChatError) -> Self {
        Self::new(error.reason, error.retry)
    }
}

impl From<TrackerError> for Failed {
    fn from(error: TrackerError) -> Self {
        Self::new(error.reason, error.retry)
    }
}

impl From<Unavailable> for Failed {
    fn from(error: Unavailable) -> Self {
        Self::new(error.to_string(), Retry::After(STORE_WAIT))
    }
}
