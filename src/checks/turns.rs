//! At most two connections to one address and port at the same time, whichever checks and incidents want them.
//!
//! A check that finds both taken waits for one to close, until its deadline. Then it knows all the same what it would have seen, when the
//! address said nothing to any of us for all that time: that nobody answers there. When it talks with others of us, nothing is known. The surprise: a turn ends with the socket and not with the check that opened it,
//! because the HTTP library closes a connection a little after it was let go.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Addresses that are remembered; beyond it those without a connection are forgotten, which changes nothing for them.
const MAX_ADDRESSES: usize = 4096;

/// How long a check must have waited to know that the address is silent: longer than any of ours keeps a connection without asking anything.
const SILENCE: Duration = Duration::from_secs(1);

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
    /// When the address last said something on one of them, or ended one.
    heard: Mutex<Option<Instant>>,
}

impl Place {
    fn heard(&self) -> Option<Instant> {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

    /// The target has said something, or ended the connection.
    pub(super) fn heard(&self) {
        *self.place.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
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
    /// Whether one of them was open, and not only tried.
    pub(super) is_open: bool,
    /// Whether the target said nothing on any of them for as long as this check waited.
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
        let began = Instant::now();
        // Nobody closes the semaphore.
        match timeout_at(deadline, Arc::clone(&place.free).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Turn { _permit: permit, place, is_open: false }),
            _ => Err(NoTurn {
                is_open: place.open.load(Ordering::Acquire) > 0,
                is_silent: is_silent(place.heard(), began, Instant::now()),
            }),
        }
    }

    fn place(&self, addr: SocketAddr) -> Arc<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.len() >= MAX_ADDRESSES {
            taken.retain(|_, place| Arc::strong_count(place) > 1);
        }
        let unused = || {
            Arc::new(Place {
                free: Arc::new(Semaphore::new(self.at_once)),
                open: AtomicUsize::new(0),
                heard: Mutex::default(),
            })
        };
        Arc::clone(taken.entry(addr).or_insert_with(unused))
    }
}

/// Whether an address that was last heard then is silent to who waited from `began` on.
fn is_silent(heard: Option<Instant>, began: Instant, now: Instant) -> bool {
    now.saturating_duration_since(began) >= SILENCE && heard.is_none_or(|last| last < began)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_third_connection_waits_for_one_of_two_to_end() {
        let turns = Arc::new(Turns::of(2));
        let (here, there) = (SocketAddr::from(([127, 0, 0, 1], 1)), SocketAddr::from(([127, 0, 0, 1], 2)));
        let soon = Instant::now() + Duration::from_mins(1);
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
    async fn who_waited_in_vain_knows_whether_a_connection_was_taken() {
        let turns = Turns::of(2);
        let here = SocketAddr::from(([127, 0, 0, 1], 1));
        let (mut first, _second) = (
            turns.take(here, Instant::now()).await.unwrap(),
            turns.take(here, Instant::now()).await.unwrap(),
        );
        assert!(!turns.take(here, Instant::now()).await.unwrap_err().is_open);
        first.opened();
        assert!(turns.take(here, Instant::now()).await.unwrap_err().is_open);
    }

    #[test]
    fn an_address_is_silent_when_nobody_heard_anything_for_as_long_as_we_waited() {
        let began = Instant::now();
        let after = |seconds: u64| began + Duration::from_secs(seconds);
        assert!(is_silent(None, began, after(5)));
        assert!(is_silent(Some(began), after(1), after(5)));
        assert!(!is_silent(Some(after(3)), after(1), after(5)), "it answers, if slowly");
        assert!(!is_silent(None, began, began), "a moment is no evidence");
    }

    /// Two checks wait for the server as long as they may; what comes behind them sees what they see.
    #[tokio::test]
    async fn a_check_behind_our_own_connections_to_a_silent_server_times_out_as_they_do() {
        use crate::checks::{Environment, Request, With, dial};
        use crate::outcome::{CheckKind, Outcome};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let env = Environment::new(crate::egress::Policy::unrestricted());
        let later = Instant::now() + Duration::from_mins(1);
        let open = || dial::connect(&env, "127.0.0.1", addr, later);
        let _held = (open().await.unwrap(), open().await.unwrap());
        let check = async |check, target: String| {
            let (with, now) = (With::default(), "2026-03-01T10:00:00Z".parse().unwrap());
            let request = Request { check, target, with, timeout: SILENCE * 5 / 4, now };
            crate::checks::run(&env, &request).await.unwrap()
        };
        let (http, https, tls, tcp) = tokio::join!(
            check(CheckKind::Http, format!("http://{addr}/")),
            check(CheckKind::Http, format!("https://{addr}/")),
            check(CheckKind::Tls, addr.to_string()),
            check(CheckKind::Tcp, addr.to_string()),
        );
        for report in [http, https, tls] {
            assert_eq!(report.outcome, Outcome::Timeout, "{report:#?}");
            assert_eq!(report.facts["diagnosis"], "silent_to_all");
        }
        assert_eq!(tcp.outcome, Outcome::Connects, "{}", tcp.summary);
    }
}
