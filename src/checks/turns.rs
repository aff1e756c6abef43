//! At most two connections to one address and port at the same time, whichever checks and incidents want them.
//!
//! A check that finds both taken waits for one to close, until its deadline; then it does not run. The surprise: a turn ends with the
//! socket and not with the check that opened it, because the HTTP library closes a connection a little after it was let go.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Addresses that are remembered; beyond it those without a connection are forgotten, which changes nothing for them.
const MAX_ADDRESSES: usize = 4096;

/// Who may connect where.
#[derive(Debug)]
pub(super) struct Turns {
    at_once: usize,
    taken: Mutex<BTreeMap<SocketAddr, Arc<Semaphore>>>,
}

/// One connection's turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl Turns {
    pub(super) fn of(at_once: u32) -> Self {
        Self { at_once: usize::try_from(at_once).unwrap_or(usize::MAX), taken: Mutex::default() }
    }

    /// Waits for a turn; `None` when none came until the deadline.
    pub(super) async fn take(&self, addr: SocketAddr, deadline: Instant) -> Option<Turn> {
        let place = self.place(addr);
        // Nobody closes the semaphore.
        let permit = timeout_at(deadline, place.acquire_owned()).await.ok()?.ok()?;
        Some(Turn { _permit: permit })
    }

    fn place(&self, addr: SocketAddr) -> Arc<Semaphore> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.len() >= MAX_ADDRESSES {
            taken.retain(|_, place| Arc::strong_count(place) > 1);
        }
        Arc::clone(taken.entry(addr).or_insert_with(|| Arc::new(Semaphore::new(self.at_once))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_third_connection_waits_for_one_of_two_to_end() {
        let turns = Arc::new(Turns::of(2));
        let (here, there) = (SocketAddr::from(([127, 0, 0, 1], 1)), SocketAddr::from(([127, 0, 0, 1], 2)));
        let soon = Instant::now() + std::time::Duration::from_mins(1);
        let (first, _second) = (turns.take(here, soon).await, turns.take(here, soon).await);
        assert!(turns.take(here, Instant::now()).await.is_none());
        assert!(turns.take(there, Instant::now()).await.is_some(), "another port is others' business");
        let waiting = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.take(here, soon).await.is_some() }
        });
        drop(first);
        assert!(waiting.await.unwrap());
    }
}
