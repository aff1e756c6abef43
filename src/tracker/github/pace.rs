//! How fast we write: less than GitHub allows everybody who shares the account, and not at all while it asks us to wait.
//!
//! GitHub allows some 80 content-creating requests a minute and 500 an hour, people's own included, may change that at any time
//! and cannot be asked for what is left (<https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api>). Going on
//! after its "wait" can get an account banned: so one refusal holds up every write of this process.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// How many writes are left.
#[derive(Debug)]
pub(super) struct Pace {
    per_minute: usize,
    per_hour: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the writes of the last hour were sent.
    sent: VecDeque<Instant>,
    held_until: Option<Instant>,
}

impl Pace {
    pub(super) fn new(per_minute: u32, per_hour: u32) -> Self {
        let count = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
        Self { per_minute: count(per_minute), per_hour: count(per_hour), state: Mutex::default() }
    }

    /// Counts one write.
    ///
    /// # Errors
    /// How long to wait before it.
    pub(super) fn take(&self, now: Instant) -> Result<(), Duration> {
        self.room(now)?;
        self.state().sent.push_back(now);
        Ok(())
    }

    /// Whether a write could be sent now.
    ///
    /// # Errors
    /// How long to wait before it.
    pub(super) fn room(&self, now: Instant) -> Result<(), Duration> {
        let mut state = self.state();
        if let Some(until) = state.held_until.filter(|until| *until > now) {
            return Err(until - now);
        }
        while state.sent.front().is_some_and(|sent| now.saturating_duration_since(*sent) >= HOUR) {
            state.sent.pop_front();
        }
        for (limit, span) in [(self.per_minute, MINUTE), (self.per_hour, HOUR)] {
            // The write that must leave the window before another fits in.
            let place = state.sent.len().checked_sub(limit);
            let leaving = place.and_then(|place| state.sent.get(place));
            let wait = leaving.map(|sent| span.saturating_sub(now.saturating_duration_since(*sent)));
            if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
                return Err(wait);
            }
        }
        Ok(())
    }

    /// GitHub asks us to wait.
    pub(super) fn hold(&self, until: Instant) {
        let mut state = self.state();
        state.held_until = state.held_until.max(Some(until));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_and_an_hour_have_their_limits() {
        let (pace, begun) = (Pace::new(2, 3), Instant::now());
        let at = |seconds| begun + Duration::from_secs(seconds);
        assert_eq!((pace.take(at(0)), pace.take(at(10))), (Ok(()), Ok(())));
        assert_eq!(pace.take(at(20)), Err(Duration::from_secs(40)));
        assert_eq!(pace.take(at(60)), Ok(()));
        assert_eq!(pace.take(at(120)), Err(Duration::from_mins(58)));
        assert_eq!(pace.take(at(3600)), Ok(()));
    }

    #[test]
    fn one_refusal_holds_up_everything() {
        let (pace, now) = (Pace::new(80, 500), Instant::now());
        pace.hold(now + Duration::from_secs(30));
        pace.hold(now + Duration::from_secs(10));
        assert_eq!(pace.take(now), Err(Duration::from_secs(30)));
        assert_eq!(pace.take(now + Duration::from_secs(30)), Ok(()));
    }
}
