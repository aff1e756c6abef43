//! Who asked to be left alone, and what they said: a probe never joins the storm it looks into.
//!
//! One answer of a limiter (429 or 503 with `Retry-After`; 403 with it is GitHub's for its secondary limits) ends the requests to that host and port for the stated time. Until
//! then its last words stand in for a new answer, so that two checks of one incident see the same evidence instead of
//! taking two places in a queue that is already too long. Other ports of the same host are others' business.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use super::Environment;
use super::dial::DialError;
use super::exchange::{self, Ask, Exchange, ExchangeError, Failed, MAX_BODY_BYTES};

/// The longest a host keeps us away with one answer: an incident is over or somebody else's by then.
const LONGEST: Duration = Duration::from_hours(1);

/// Hosts that are remembered at once; beyond it the one that ends first is forgotten.
const MAX_HOSTS: usize = 1024;

/// The last words of those who asked to be left alone, by host and port.
#[derive(Debug, Default)]
pub struct Manners(Mutex<BTreeMap<String, Said>>);

#[derive(Debug, Clone)]
struct Said {
    url: Url,
    until: Instant,
    answer: Exchange,
}

/// An answer, fresh or remembered.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) exchange: Exchange,
    /// How much longer the host wants to be left alone, when this is what it said before.
    pub(super) remembered: Option<Duration>,
}

/// Asks, unless the host wants to be left alone: then its last answer is given again, if it was to this very URL or `any` answer
/// of the host will do.
///
/// # Errors
/// As [`exchange::exchange`]; `Busy` for a host that wants to be left alone and said so about something else.
pub(super) async fn ask(env: &Environment, ask: &Ask, any: bool, deadline: Instant) -> Result<Heard, Failed> {
    let key = key(ask);
    let now = Instant::now();
    if let Some(said) = env.manners.said(&key, now) {
        let left = said.until - now;
        if any || said.url == ask.url {
            return Ok(Heard { exchange: said.answer, remembered: Some(left) });
        }
        let busy = DialError::Busy { host: ask.host().to_owned(), wait: left };
        return Err(Failed { error: ExchangeError::Dial(busy), addr: None, phases_ms: BTreeMap::new() });
    }
    let exchange = exchange::exchange(env, ask, deadline).await?;
    if let Some(wait) = asks_to_wait(&exchange) {
        env.manners.remember(key, ask.url.clone(), &exchange, Instant::now(), wait);
    }
    Ok(Heard { exchange, remembered: None })
}

/// The place that is left alone: the authority, or the address that stands in for it.
fn key(ask: &Ask) -> String {
    let authority = &ask.url[url::Position::BeforeHost..url::Position::AfterPort];
    match ask.connect_to {
        Some(addr) => format!("{authority} at {addr}"),
        None => authority.to_owned(),
    }
}

fn asks_to_wait(exchange: &Exchange) -> Option<Duration> {
    if !matches!(exchange.status, 403 | 429 | 503) {
        return None;
    }
    let (_, value) = exchange.headers.iter().find(|(name, _)| name == "retry-after")?;
    let date = exchange.headers.iter().find(|(name, _)| name == "date").map(|(_, value)| value.as_str());
    let seconds = super::rate_limit::moment::retry_after(value, date)?;
    Duration::try_from_secs_f64(seconds).ok().filter(|wait| !wait.is_zero())
}

impl Manners {
    fn said(&self, key: &str, now: Instant) -> Option<Said> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, said| said.until > now);
        all.get(key).cloned()
    }

    fn remember(&self, key: String, url: Url, exchange: &Exchange, now: Instant, wait: Duration) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_HOSTS {
            let first = all.iter().min_by_key(|(_, said)| said.until).map(|(key, _)| key.clone());
            first.and_then(|key| all.remove(&key));
        }
        let mut answer = exchange.clone();
        // A copy: a part of the body would keep all of it in memory.
        answer.body = answer.body[..answer.body.len().min(MAX_BODY_BYTES)].to_vec().into();
        all.insert(key, Said { url, until: now + wait.min(LONGEST), answer });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::http_server::{HttpServer, Reply};
    use crate::egress::Policy;

    async fn heard(env: &Environment, server: &HttpServer, path: &str, any: bool) -> Result<Heard, Failed> {
        let url = Url::parse(&server.url(path)).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        super::ask(env, &Ask::get(url, env.roots.clone()), any, deadline).await
    }

    #[tokio::test]
    async fn one_answer_of_a_limiter_ends_the_requests_to_that_host() {
        let server =
            HttpServer::plain(|_| async { Reply::empty(429).header("retry-after", "30") }).await.unwrap();
        let other = HttpServer::plain(|_| async { Reply::empty(200) }).await.unwrap();
        let env = Environment::new(Policy::unrestricted());
        assert!(heard(&env, &server, "/a", false).await.unwrap().remembered.is_none());
        let again = heard(&env, &server, "/a", false).await.unwrap();
        assert_eq!(again.exchange.status, 429);
        assert!(again.remembered.is_some_and(|left| left <= Duration::from_secs(30)));
        assert!(heard(&env, &server, "/b", false).await.is_err());
        assert!(heard(&env, &server, "/b", true).await.is_ok());
        assert_eq!(server.requests().len(), 1);
        assert!(heard(&env, &other, "/a", false).await.unwrap().remembered.is_none());
    }

    #[tokio::test]
    async fn a_limiter_that_does_not_say_how_long_is_asked_again() {
        let server = HttpServer::plain(|_| async { Reply::empty(429) }).await.unwrap();
        let env = Environment::new(Policy::unrestricted());
        for _ in 0..2 {
            assert!(heard(&env, &server, "/", false).await.unwrap().remembered.is_none());
        }
        assert_eq!(server.requests().len(), 2);
    }
}
