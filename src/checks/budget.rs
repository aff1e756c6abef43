//! How many connections one host may get from us, so that a check never joins the storm it looks into.
//!
//! A token bucket per host name. A check that finds it empty waits; one that would wait beyond its own deadline does not
//! run. How many are open at the same time is a matter of [`turns`](super::turns). A host that said when to come back (`Retry-After`) is the business of [`Manners`](super::Manners).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::turns::{NoTurn, Turn, Turns};

/// Connections a host that was left alone may get at once: two incidents' worth of checks (a check dials each address of
/// a host, and up to six kinds look at one host).
const BURST: u32 = 60;

/// Connections a second after that; far below what any limiter counts as abuse, far above what one incident needs.
const PER_SECOND: u32 = 10;

/// Connections to one address and port at the same time (checks.md §0).
const AT_ONCE: u32 = 2;

/// Hosts that are remembered; beyond it, full buckets are forgotten, which changes nothing for them.
const MAX_HOSTS: usize = 4096;

/// The buckets of all hosts.
#[derive(Debug)]
pub struct Budget {
    rate: Rate,
    buckets: Mutex<BTreeMap<String, Bucket>>,
    turns: Option<Turns>,
}

/// Connections a host may get at once, and a second after that.
#[derive(Debug, Clone, Copy)]
struct Rate {
    burst: f64,
    per_second: f64,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    counted_at: Instant,
}

impl Rate {
    fn full(self, now: Instant) -> Bucket {
        Bucket { tokens: self.burst, counted_at: now }
    }

    fn refill(self, bucket: &mut Bucket, now: Instant) {
        let gained = now.saturating_duration_since(bucket.counted_at).as_secs_f64() * self.per_second;
        bucket.tokens = (bucket.tokens + gained).min(self.burst);
        bucket.counted_at = now;
    }

    /// Takes a token; says how long to wait before using it.
    fn take(self, bucket: &mut Bucket, now: Instant, patience: Duration) -> Result<Duration, Duration> {
        self.refill(bucket, now);
        let wait = Duration::from_secs_f64((1.0 - bucket.tokens).max(0.0) / self.per_second);
        if wait > patience {
            return Err(wait);
        }
        bucket.tokens -= 1.0;
        Ok(wait)
    }
}

impl Default for Budget {
    /// 60 connections in a burst, 10 a second after that, two at the same time.
    fn default() -> Self {
        Self::new(None, None, None)
    }
}

impl Budget {
    /// A budget of so many connections to a host in a burst, so many a second after that, and so many at the same time (at least
    /// one each); `None` is the default. Who raises the burst above its default has no bound at the same time, unless he says one.
    #[must_use]
    pub fn new(burst: Option<u32>, per_second: Option<u32>, at_once: Option<u32>) -> Self {
        let is_lifted = burst.is_some_and(|it| it > BURST);
        let turns = at_once.or((!is_lifted).then_some(AT_ONCE)).map(|it| Turns::of(it.max(1)));
        let (burst, per_second) = (burst.unwrap_or(BURST), per_second.unwrap_or(PER_SECOND));
        let rate = Rate { burst: f64::from(burst.max(1)), per_second: f64::from(per_second.max(1)) };
        Self { rate, buckets: Mutex::default(), turns }
    }

    /// Waits until the host may get another connection.
    ///
    /// # Errors
    /// How long it would have taken, when that is beyond the deadline; nothing is spent then.
    pub async fn take(&self, host: &str, deadline: Instant) -> Result<(), Duration> {
        let now = Instant::now();
        let wait = self.spend(host, now, deadline.saturating_duration_since(now))?;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    /// Waits for a turn to connect to this address.
    ///
    /// # Errors
    /// When none came until the deadline.
    pub(super) async fn turn(&self, addr: SocketAddr, deadline: Instant) -> Result<Option<Turn>, NoTurn> {
        match &self.turns {
            Some(turns) => turns.take(addr, deadline).await.map(Some),
            None => Ok(None),
        }
    }

    fn spend(&self, host: &str, now: Instant, patience: Duration) -> Result<Duration, Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if buckets.len() >= MAX_HOSTS {
            buckets.retain(|_, bucket| {
                self.rate.refill(bucket, now);
                bucket.tokens < self.rate.burst
            });
        }
        let bucket = buckets.entry(host.to_ascii_lowercase()).or_insert_with(|| self.rate.full(now));
        self.rate.take(bucket, now, patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_left_alone_gets_a_burst_and_then_a_trickle() {
        let now = Instant::now();
        let budget = Budget::default();
        let take = |now, patience| budget.spend("API.example.com", now, patience);
        for _ in 0..60 {
            assert_eq!(take(now, Duration::ZERO), Ok(Duration::ZERO));
        }
        assert_eq!(take(now, Duration::ZERO), Err(Duration::from_millis(100)));
        assert_eq!(take(now, Duration::from_secs(1)), Ok(Duration::from_millis(100)));
        assert_eq!(take(now, Duration::from_secs(1)), Ok(Duration::from_millis(200)));
        assert_eq!(take(now + Duration::from_secs(2), Duration::ZERO), Ok(Duration::ZERO));
        assert_eq!(budget.spend("other.example.com", now, Duration::ZERO), Ok(Duration::ZERO));
    }

    #[test]
    fn a_budget_can_be_set() {
        let now = Instant::now();
        let budget = Budget::new(Some(1), Some(100), None);
        assert_eq!(budget.spend("a", now, Duration::ZERO), Ok(Duration::ZERO));
        assert_eq!(budget.spend("a", now, Duration::ZERO), Err(Duration::from_millis(10)));
        assert!(budget.turns.is_some());
        assert!(Budget::new(Some(1000), None, None).turns.is_none(), "who lifts the budget lifts all of it");
        assert!(Budget::new(Some(1000), None, Some(4)).turns.is_some());
    }
}
