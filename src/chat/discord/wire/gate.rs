//! When a request may be sent: Discord's limits per route, its limit for the whole bot, and what it forbade.
//!
//! Requests of one route go one after the other, so the answer to each tells whether the next may be sent; routes never wait
//! for each other. A limit that ends in a moment is waited out here, a longer one is told to the caller with a time of its
//! own: those who are told do not come back all at once. What Discord forbids is remembered for a while, because ten thousand
//! refused requests in ten minutes ban the address.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serenity::http::{LightMethod, RatelimitingBucket, Route};
use serenity_reqwest::header::HeaderMap;
use tokio::sync::OwnedMutexGuard;

use super::{Failure, failure};
use crate::chat::ChatError;

/// A limit shorter than this is waited out here; a longer one is the queue's business.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How long a request waits for those before it on its route: as long as one of them may take.
const TURN: Duration = super::TIMEOUT;
/// Requests of a window where Discord has not said how many: most of its routes for messages allow five.
const USUAL: u32 = 5;
/// Requests a second that Discord takes from one bot, interactions apart (its documentation, `topics/rate-limits`).
const PER_SECOND: usize = 50;
/// How long something forbidden is believed to be so.
const FORBIDDEN: Duration = Duration::from_secs(30);
/// Routes that are remembered; beyond it those at rest are forgotten. Each open incident has about four.
const ROUTES: usize = 4096;

/// Which limit counts a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Route(LightMethod, RatelimitingBucket),
    /// Webhooks are counted by their token, which serenity's buckets leave out.
    Path(String),
}

/// All limits.
#[derive(Default)]
pub(super) struct Gate {
    doors: Mutex<HashMap<Key, Arc<Door>>>,
    whole: Mutex<Whole>,
}

/// The limit of the whole bot.
#[derive(Default)]
struct Whole {
    opens: Option<Instant>,
    /// When the latest requests were sent or will be, oldest first.
    sent: VecDeque<Instant>,
}

/// The limit of one route.
#[derive(Default)]
struct Door {
    turn: Arc<tokio::sync::Mutex<()>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    opens: Option<Instant>,
    /// How long a window is, and how many requests it takes, where Discord said so.
    window: Duration,
    limit: Option<u32>,
    /// Requests that were told to come back, since the window closed.
    told: u32,
    forbidden: Option<(Instant, Failure)>,
}

/// The right to send one request, and the way to note what came of it.
pub(super) struct Pass<'a> {
    gate: &'a Gate,
    door: Option<Arc<Door>>,
    _turn: Option<OwnedMutexGuard<()>>,
}

impl Gate {
    /// Waits for a limit that ends in a moment; a longer one is told. Interactions are outside every limit: a person waits
    /// for the answer, three seconds at most.
    pub(super) async fn enter(&self, method: LightMethod, route: Route<'_>) -> Result<Pass<'_>, Failure> {
        if matches!(route, Route::InteractionResponse { .. }) {
            return Ok(Pass { gate: self, door: None, _turn: None });
        }
        let door = self.door(key(method, route));
        let Ok(turn) = tokio::time::timeout(TURN, Arc::clone(&door.turn).lock_owned()).await else {
            return Err(failure(
                None,
                ChatError::again("Discord is slow; other messages go first", super::PAUSE),
            ));
        };
        let now = Instant::now();
        let opens = {
            let mut state = locked(&door.state);
            if let Some((_, forbidden)) = state.forbidden.as_ref().filter(|(until, _)| *until > now) {
                return Err(forbidden.clone());
            }
            let opens = state.opens.max(locked(&self.whole).opens);
            let wait = opens.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
            if wait > PATIENCE {
                let windows = state.told / state.limit.unwrap_or(USUAL).max(1);
                state.told += 1;
                let later = state.window.min(super::UNSAID).saturating_mul(windows);
                return Err(failure(None, ChatError::again(super::USED_UP, wait + later)));
            }
            state.told = 0;
            opens
        };
        let paced = locked(&self.whole).slot(now);
        if let Some(at) = opens.max(paced) {
            tokio::time::sleep_until(at.into()).await;
        }
        Ok(Pass { gate: self, door: Some(door), _turn: Some(turn) })
    }

    /// What was forbidden on this route may be allowed for another kind of message.
    pub(super) fn forgive(&self, method: LightMethod, route: Route<'_>) {
        locked(&self.door(key(method, route)).state).forbidden = None;
    }

    fn door(&self, key: Key) -> Arc<Door> {
        let mut doors = locked(&self.doors);
        if doors.len() >= ROUTES {
            let now = Instant::now();
            doors.retain(|_, door| {
                Arc::strong_count(door) > 1 || locked(&door.state).opens.is_some_and(|at| at > now)
            });
        }
        Arc::clone(doors.entry(key).or_default())
    }
}

impl Whole {
    /// When the next request may be sent, where that is not now.
    fn slot(&mut self, now: Instant) -> Option<Instant> {
        if self.sent.len() == PER_SECOND {
            self.sent.pop_front();
        }
        let full = self.sent.len() == PER_SECOND - 1;
        let at = self
            .sent
            .front()
            .filter(|_| full)
            .map_or(now, |first| (*first + Duration::from_secs(1)).max(now));
        self.sent.push_back(at);
        (at > now).then_some(at)
    }
}

impl Pass<'_> {
    /// Whether the request is counted against the bot at all.
    pub(super) fn is_counted(&self) -> bool {
        self.door.is_some()
    }

    /// The last request of a window closes the route until the window's end.
    pub(super) fn learn(&self, headers: &HeaderMap) {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.parse::<f64>().ok();
        let (Some(door), Some(reset_after)) = (&self.door, number("x-ratelimit-reset-after")) else { return };
        let mut state = locked(&door.state);
        state.window = state.window.max(super::seconds(reset_after));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
        let limit = number("x-ratelimit-limit").map(|limit| limit.clamp(1.0, 10_000.0) as u32);
        state.limit = limit.or(state.limit);
        if number("x-ratelimit-remaining") == Some(0.0) {
            state.opens = Some(Instant::now() + super::seconds(reset_after));
        }
    }

    /// Nothing more goes this way, or any way, for a time.
    pub(super) fn close(&self, time: Duration, is_global: bool) {
        let opens = Some(Instant::now() + time);
        if is_global {
            locked(&self.gate.whole).opens = opens;
        } else if let Some(door) = &self.door {
            let mut state = locked(&door.state);
            state.opens = opens;
            state.window = state.window.max(time.min(super::UNSAID));
        }
    }

    /// Discord forbids this way: it is not tried again for a while.
    pub(super) fn forbid(&self, failure: &Failure) {
        if let Some(door) = &self.door {
            locked(&door.state).forbidden = Some((Instant::now() + FORBIDDEN, failure.clone()));
        }
    }
}

fn key(method: LightMethod, route: Route<'_>) -> Key {
    let path = route.path();
    if path.contains("/webhooks/") {
        return Key::Path(path.into_owned());
    }
    Key::Route(method, route.ratelimiting_bucket())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use serenity::all::{ApplicationId, ChannelId};

    use super::*;
    use crate::incident::Retry;

    fn messages(channel: u64) -> Route<'static> {
        Route::ChannelMessages { channel_id: ChannelId::new(channel) }
    }

    async fn wait(gate: &Gate, route: Route<'_>) -> Duration {
        match gate.enter(LightMethod::Post, route).await {
            Ok(_) => Duration::ZERO,
            Err(Failure { error: ChatError { retry: Retry::After(wait), .. }, .. }) => wait,
            Err(other) => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_used_up_route_is_told_its_time_and_others_go_on() {
        let gate = Gate::default();
        let pass = gate.enter(LightMethod::Post, messages(1)).await.unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in [("limit", "2"), ("remaining", "0"), ("reset-after", "5")] {
            headers.insert(
                format!("x-ratelimit-{name}").parse::<serenity_reqwest::header::HeaderName>().unwrap(),
                value.parse().unwrap(),
            );
        }
        pass.learn(&headers);
        drop(pass);
        let mut waits = Vec::new();
        for _ in 0..5 {
            waits.push(wait(&gate, messages(1)).await.as_secs_f64().ceil());
        }
        assert_eq!(waits, [5.0, 5.0, 10.0, 10.0, 15.0], "two a window");
        assert_eq!(wait(&gate, messages(2)).await, Duration::ZERO);
    }

    #[tokio::test]
    async fn a_global_limit_holds_every_route_but_interactions() {
        let gate = Gate::default();
        gate.enter(LightMethod::Post, messages(1)).await.unwrap().close(Duration::from_secs(9), true);
        assert!(wait(&gate, messages(2)).await > Duration::from_secs(8));
        let callback = Route::InteractionResponse { interaction_id: 5.into(), token: "t" };
        assert_eq!(wait(&gate, callback).await, Duration::ZERO);
    }

    #[tokio::test]
    async fn follow_ups_of_different_interactions_do_not_share_a_limit() {
        let gate = Gate::default();
        let follow_up =
            |token| Route::WebhookFollowupMessages { application_id: ApplicationId::new(1), token };
        gate.enter(LightMethod::Post, follow_up("a")).await.unwrap().close(Duration::from_secs(9), false);
        assert!(wait(&gate, follow_up("a")).await > Duration::from_secs(8));
        assert_eq!(wait(&gate, follow_up("b")).await, Duration::ZERO);
    }

    #[tokio::test]
    async fn what_is_forbidden_is_not_tried_again() {
        let gate = Gate::default();
        let refusal = failure(Some(50013), ChatError::never("the bot lacks a permission"));
        gate.enter(LightMethod::Post, messages(1)).await.unwrap().forbid(&refusal);
        assert_eq!(gate.enter(LightMethod::Post, messages(1)).await.err(), Some(refusal));
        assert!(gate.enter(LightMethod::Get, messages(1)).await.is_ok());
    }

    #[test]
    fn no_more_than_fifty_requests_go_in_any_second() {
        let (mut whole, now) = (Whole::default(), Instant::now());
        let slots: Vec<Instant> = (0..150).map(|_| whole.slot(now).unwrap_or(now)).collect();
        for pair in slots.windows(PER_SECOND + 1) {
            assert!(pair[PER_SECOND] - pair[0] >= Duration::from_secs(1));
        }
        assert_eq!(slots[48], now);
    }
}
