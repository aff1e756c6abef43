//! How many connections one host may get from us, so that a check never joins the storm it looks into.
//!
//! A token bucket per host name. A check that finds it empty waits; one that would wait beyond its own deadline does not
//! run. [`Budget::pause`] is for a host that said when to come back (`Retry-After`).

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// Connections a host that was left alone may get at once: two incidents' worth of checks (a check dials each address of
/// a host, and up to six kinds look at one host).
const BURST: f64 = 60.0;

/// Connections a second after that; far below what any limiter counts as abuse, far above what one incident needs.
const PER_SECOND: f64 = 10.0;

/// Hosts that are remembered; beyond it, full buckets are forgotten, which changes nothing for them.
const MAX_HOSTS: usize = 4096;

/// The buckets of all hosts.
#[derive(Debug, Default)]
pub struct Budget {
    buckets: Mutex<BTreeMap<String, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    counted_at: Instant,
    paused_until: Option<Instant>,
}

impl Bucket {
    fn full(now: Instant) -> Self {
        Self { tokens: BURST, counted_at: now, paused_until: None }
    }

    fn refill(&mut self, now: Instant) {
        let gained = now.saturating_duration_since(self.counted_at).as_secs_f64() * PER_SECOND;
        self.tokens = (self.tokens + gained).min(BURST);
        self.counted_at = now;
        self.paused_until = self.paused_until.filter(|until| *until > now);
    }

    /// Takes a token; says how long to wait before using it.
    fn take(&mut self, now: Instant, patience: Duration) -> Result<Duration, Duration> {
        self.refill(now);
        let owed = Duration::from_secs_f64((1.0 - self.tokens).max(0.0) / PER_SECOND);
        let pause = self.paused_until.map_or(Duration::ZERO, |until| until - now);
        let wait = owed.max(pause);
        if wait > patience {
            return Err(wait);
        }
        self.tokens -= 1.0;
        Ok(wait)
    }
}

impl Budget {
    /// Waits until the host may get another connection.
    ///
    /// # Errors
    /// How long it would have taken, when that is beyond the deadline; nothing is spent then.
    pub async fn take(&self, host: &str, deadline: Instant) -> Result<(), Duration> {
        let now = Instant::now();
        let wait =
            self.with(host, now, |bucket| bucket.take(now, deadline.saturating_duration_since(now)))?;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    /// Leaves the host alone for this long, because it asked for it.
    pub fn pause(&self, host: &str, wait: Duration) {
        let now = Instant::now();
        self.with(host, now, |bucket| {
            let until = now + wait;
            bucket.paused_until = Some(bucket.paused_until.map_or(until, |known| known.max(until)));
        });
    }

    fn with<T>(&self, host: &str, now: Instant, change: impl FnOnce(&mut Bucket) -> T) -> T {
        let mut buckets = self.buckets.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if buckets.len() >= MAX_HOSTS {
            buckets.retain(|_, bucket| {
                bucket.refill(now);
                bucket.tokens < BURST || bucket.paused_until.is_some()
            });
        }
        change(buckets.entry(host.to_ascii_lowercase()).or_insert_with(|| Bucket::full(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_left_alone_gets_a_burst_and_then_a_trickle() {
        let now = Instant::now();
        let mut bucket = Bucket::full(now);
        for _ in 0..60 {
            assert_eq!(bucket.take(now, Duration::ZERO), Ok(Duration::ZERO));
        }
        assert_eq!(bucket.take(now, Duration::ZERO), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take(now, Duration::from_secs(1)), Ok(Duration::from_millis(100)));
        assert_eq!(bucket.take(now, Duration::from_secs(1)), Ok(Duration::from_millis(200)));
        assert_eq!(bucket.take(now + Duration::from_secs(2), Duration::ZERO), Ok(Duration::ZERO));
    }

    #[tokio::test]
    async fn a_host_that_asked_to_be_left_alone_is() {
        let budget = Budget::default();
        budget.pause("API.example.com", Duration::from_secs(30));
        let soon = Instant::now() + Duration::from_secs(1);
        assert!(budget.take("api.example.com", soon).await.is_err());
        assert!(budget.take("other.example.com", soon).await.is_ok());
    }
}
