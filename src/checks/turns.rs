//! At most two connections to one address and port at the same time, whichever checks and incidents want them.
//!
//! A check that finds both taken waits for one to close, until its deadline. Then it knows all the same what it would have seen, when none of
//! them was even taken by then: that nobody answers there. The surprise: a turn ends with the socket and not with the check that opened it,
//! because the HTTP library closes a connection a little after it was let go.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Addresses that are remembered; beyond it those without a connection are forgotten, which changes nothing for them.
const MAX_ADDRESSES: usize = 4096;

/// Who may connect where.
#[derive(Debug)]
pub(super) struct Turns {
    at_once: usize,
    taken: Mutex<BTreeMap<SocketAddr, Arc<Place>>>,
}

/// The turns at one address.
#[derive(Debug)]
struct Place {
    free: Arc<Semaphore>,
    /// Connections that are open, not only tried.
    open: AtomicUsize,
}

/// One connection's turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
    place: Arc<Place>,
    is_open: bool,
}

impl Turn {
    /// The target has taken the connection.
    pub(super) fn opened(&mut self) {
        if !std::mem::replace(&mut self.is_open, true) {
            self.place.open.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.is_open {
            self.place.open.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// All connections that an address may have were taken until the deadline.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoTurn {
    /// Whether all of them were still being tried: the target answers nobody.
    pub(super) is_silent: bool,
}

impl Turns {
    pub(super) fn of(at_once: u32) -> Self {
        Self {
            at_once: usize::try_from(at_once).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS),
            taken: Mutex::default(),
        }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// When none came until the deadline.
    pub(super) async fn take(&self, addr: SocketAddr, deadline: Instant) -> Result<Turn, NoTurn> {
        let place = self.place(addr);
        // Nobody closes the semaphore.
        match timeout_at(deadline, Arc::clone(&place.free).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Turn { _permit: permit, place, is_open: false }),
            _ => Err(NoTurn { is_silent: place.open.load(Ordering::Acquire) == 0 }),
        }
    }

    fn place(&self, addr: SocketAddr) -> Arc<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.len() >= MAX_ADDRESSES {
            taken.retain(|_, place| Arc::strong_count(place) > 1);
        }
        let unused =
            || Arc::new(Place { free: Arc::new(Semaphore::new(self.at_once)), open: AtomicUsize::new(0) });
        Arc::clone(taken.entry(addr).or_insert_with(unused))
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
        assert!(turns.take(here, Instant::now()).await.is_err());
        assert!(turns.take(there, Instant::now()).await.is_ok(), "another port is others' business");
        let waiting = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.take(here, soon).await.is_ok() }
        });
        drop(first);
        assert!(waiting.await.unwrap());
    }

    #[tokio::test]
    async fn who_waited_in_vain_behind_connections_that_nobody_took_has_seen_that_nobody_answers() {
        let turns = Turns::of(2);
        let here = SocketAddr::from(([127, 0, 0, 1], 1));
        let (mut first, _second) = (
            turns.take(here, Instant::now()).await.unwrap(),
            turns.take(here, Instant::now()).await.unwrap(),
        );
        assert_eq!(turns.take(here, Instant::now()).await.unwrap_err(), NoTurn { is_silent: true });
        first.opened();
        assert_eq!(turns.take(here, Instant::now()).await.unwrap_err(), NoTurn { is_silent: false });
    }
}
