//! Live pages and streams: server-sent events (HTML standard, section 9.2), whose ids can be resumed from.
//!
//! Everybody who looks at the same thing shares one [source](Live): a task that reads the store once for each change, renders
//! once, and keeps the present state in pieces. A viewer is sent the pieces that are newer than what it has seen. So a viewer
//! that is slow, or comes back after a break with `Last-Event-ID`, misses nothing and costs nothing: the state is sent, not the way to
//! it. The surprise: a batch's id comes with its last piece, so that a batch that broke off in the middle is sent again.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::future::BoxFuture;
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};

use crate::app::{Search, Update};
use crate::incident::IncidentId;
use crate::server::Shared;
use crate::server::problem::Problem;

/// Viewers at once. Each holds one of the server's connections, of which senders of alerts need some too.
const VIEWERS: usize = 320;

/// A comment this often keeps proxies from closing a stream on which nothing happens (their usual patience is 60 s).
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The board shows many incidents: a storm redraws it this often and not at each event.
const BOARD_PAUSE: Duration = Duration::from_millis(200);

/// The pause after a store that could not be read.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Topic {
    /// An incident's events, as JSON.
    Events(IncidentId),
    /// An incident's page, in parts.
    Page(IncidentId),
    /// The board with these filters, in parts.
    Board(Search),
}

/// A piece of the state.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    /// Newer pieces have higher numbers: the event's place in the log, in 1/1024.
    pub(super) order: u64,
    /// It tells a piece from the others of its topic.
    pub(super) name: String,
    /// What is sent.
    pub(super) text: String,
}

/// A piece as it goes over the wire.
#[derive(Debug, Clone)]
struct Encoded {
    piece: Piece,
    bytes: Bytes,
}

type State = Arc<Vec<Encoded>>;

/// The present state of a topic.
pub(super) type Look = fn(Shared, Topic) -> BoxFuture<'static, Result<Vec<Piece>, Problem>>;

/// The sources there are, and room for those who look.
pub(super) struct Live {
    look: Look,
    sources: Mutex<HashMap<Topic, watch::Sender<State>>>,
    room: Arc<Semaphore>,
    closing: watch::Receiver<bool>,
}

impl Topic {
    fn concerns(&self, incident: &IncidentId) -> bool {
        match self {
            Self::Events(id) | Self::Page(id) => id == incident,
            Self::Board(_) => true,
        }
    }
}

/// The id that says how far a viewer has seen: `17`, or `17.2` for what changed after event 17 without an event.
fn id(order: u64) -> String {
    match order % 1024 {
        0 => (order / 1024).to_string(),
        rest => format!("{}.{rest}", order / 1024),
    }
}

/// The order of an id; what is none has seen nothing.
fn order(id: &str) -> u64 {
    let (seq, rest) = id.trim().split_once('.').unwrap_or((id.trim(), "0"));
    let read =
        || seq.parse::<u64>().ok()?.checked_mul(1024)?.checked_add(rest.parse::<u64>().ok()?.min(1023));
    read().unwrap_or(0)
}

/// The order of an event.
pub(super) fn at_event(seq: u64) -> u64 {
    seq.saturating_mul(1024)
}

impl Live {
    pub(super) fn new(look: Look, closing: watch::Receiver<bool>) -> Self {
        Self { look, sources: Mutex::default(), room: Arc::new(Semaphore::new(VIEWERS)), closing }
    }

    fn sources(&self) -> MutexGuard<'_, HashMap<Topic, watch::Sender<State>>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state of this topic, from its source, which begins with its first viewer.
    fn join(&self, shared: &Shared, topic: &Topic) -> watch::Receiver<State> {
        let mut sources = self.sources();
        if let Some(source) = sources.get(topic) {
            return source.subscribe();
        }
        let (source, state) = watch::channel(State::default());
        sources.insert(topic.clone(), source.clone());
        tokio::spawn(run(shared.clone(), topic.clone(), source));
        state
    }

    /// Ends a source that nobody looks at.
    fn leave(&self, topic: &Topic, source: &watch::Sender<State>) -> bool {
        let mut sources = self.sources();
        // Nobody can join while the sources are locked.
        let alone = source.receiver_count() == 0;
        if alone {
            sources.remove(topic);
        }
        alone
    }
}

/// A source: looks again whenever something happened that concerns its topic.
async fn run(shared: Shared, topic: Topic, source: watch::Sender<State>) {
    let mut updates = shared.app.updates();
    let mut closing = shared.live.closing.clone();
    loop {
        let looked = (shared.live.look)(shared.clone(), topic.clone()).await;
        let failed = looked.is_err();
        if let Ok(pieces) = looked {
            source.send_if_modified(|state| take(state, pieces));
        }
        tokio::select! {
            () = news(&mut updates, &topic) => {}
            () = tokio::time::sleep(STORE_PAUSE), if failed => {}
            () = source.closed() => if shared.live.leave(&topic, &source) { return },
            _ = closing.wait_for(|closing| *closing) => return,
        }
    }
}

/// Waits until something has happened that concerns the topic. Updates are read away: the store is asked after that.
async fn news(updates: &mut broadcast::Receiver<Update>, topic: &Topic) {
    use broadcast::error::RecvError::{Closed, Lagged};
    loop {
        match updates.recv().await {
            Ok(update) if !topic.concerns(&update.incident.id) => {}
            Ok(_) | Err(Lagged(_)) => break,
            Err(Closed) => std::future::pending().await,
        }
    }
    if matches!(topic, Topic::Board(_)) {
        tokio::time::sleep(BOARD_PAUSE).await;
    }
    while matches!(updates.try_recv(), Ok(_) | Err(broadcast::error::TryRecvError::Lagged(_))) {}
}

/// Takes the pieces that differ from those there are; gives whether any does.
fn take(state: &mut State, pieces: Vec<Piece>) -> bool {
    let newest = state.iter().map(|it| it.piece.order).max().unwrap_or(0);
    let mut changed = false;
    let mut next = Vec::with_capacity(pieces.len());
    for mut piece in pieces {
        let known = state.iter().find(|it| it.piece.name == piece.name);
        if let Some(known) = known.filter(|it| it.piece.text == piece.text) {
            next.push(known.clone());
            continue;
        }
        changed = true;
        // A change without an event comes after everything that was sent.
        if known.is_some() && piece.order <= newest {
            piece.order = newest + 1;
        }
        let bytes = encode(&piece);
        next.push(Encoded { piece, bytes });
    }
    *state = Arc::new(next);
    changed
}

/// A line break of any kind would end the line of an event.
fn encode(piece: &Piece) -> Bytes {
    let mut text = String::with_capacity(piece.text.len() + 64);
    text.push_str("event: ");
    text.push_str(piece.name.split(' ').next().unwrap_or_default());
    for line in piece.text.split(['\r', '\n']) {
        text.push_str("\ndata: ");
        text.push_str(line);
    }
    text.push('\n');
    text.into()
}

/// Somebody who looks.
struct Viewer {
    state: watch::Receiver<State>,
    closing: watch::Receiver<bool>,
    seen: u64,
    waiting: std::collections::VecDeque<Bytes>,
    _room: OwnedSemaphorePermit,
}

impl Viewer {
    /// Puts what this viewer has not seen into the queue, oldest first. The last piece of one order carries the id.
    fn catch_up(&mut self) {
        let state = self.state.borrow_and_update().clone();
        let mut new: Vec<&Encoded> = state.iter().filter(|it| it.piece.order > self.seen).collect();
        new.sort_by_key(|it| it.piece.order);
        for (index, it) in new.iter().enumerate() {
            self.waiting.push_back(it.bytes.clone());
            let is_last = new.get(index + 1).is_none_or(|next| next.piece.order > it.piece.order);
            let end = if is_last { format!("id: {}\n\n", id(it.piece.order)) } else { "\n".to_owned() };
            self.waiting.push_back(end.into());
            self.seen = it.piece.order;
        }
    }

    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        loop {
            if self.waiting.is_empty() {
                self.catch_up();
            }
            if let Some(bytes) = self.waiting.pop_front() {
                return Some((Ok(bytes), self));
            }
            let quiet = tokio::select! {
                changed = self.state.changed() => changed.map(|()| false).ok()?,
                _ = self.closing.wait_for(|closing| *closing) => return None,
                () = tokio::time::sleep(HEARTBEAT) => true,
            };
            if quiet {
                self.waiting.push_back(Bytes::from_static(b":\n\n"));
            }
        }
    }
}

/// Streams what is newer than what this viewer has seen, and goes on until it leaves or the server stops.
///
/// # Errors
/// When there are too many viewers already.
pub(super) fn watch(shared: &Shared, topic: &Topic, seen: u64) -> Result<Response, Problem> {
    let room = Arc::clone(&shared.live.room).try_acquire_owned().map_err(|_| Problem::overloaded())?;
    let viewer = Viewer {
        state: shared.live.join(shared, topic),
        closing: shared.live.closing.clone(),
        seen,
        // The browser learns at once that the stream is open, and how soon to come back.
        waiting: [Bytes::from_static(b"retry: 1000\n\n")].into(),
        _room: room,
    };
    let body = Body::from_stream(stream::unfold(viewer, Viewer::next));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, body).into_response())
}

/// How far a viewer has seen: what its browser says when it comes back, else `?after=` of its page.
pub(super) fn seen(headers: &HeaderMap, query: Option<&str>) -> u64 {
    if let Some(said) = headers.get("last-event-id").and_then(|value| value.to_str().ok()) {
        return order(said);
    }
    let mut pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.find(|(name, _)| name == "after").map_or(0, |(_, after)| order(&after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(order: u64, name: &str, text: &str) -> Piece {
        Piece { order, name: name.to_owned(), text: text.to_owned() }
    }

    fn orders(state: &State) -> Vec<u64> {
        state.iter().map(|it| it.piece.order).collect()
    }

    #[test]
    fn an_id_is_read_back_and_nonsense_has_seen_nothing() {
        for it in [0, 1024, 17 * 1024, 17 * 1024 + 2] {
            assert_eq!(order(&id(it)), it);
        }
        for nonsense in ["", "x", "-1", "1.x", "99999999999999999999"] {
            assert_eq!(order(nonsense), 0, "{nonsense}");
        }
    }

    #[test]
    fn what_did_not_change_keeps_its_order_and_a_change_without_an_event_comes_last() {
        let mut state = State::default();
        assert!(take(&mut state, vec![piece(1024, "part head", "a"), piece(1024, "part body", "b")]));
        assert!(!take(&mut state, vec![piece(2048, "part head", "a"), piece(2048, "part body", "b")]));
        assert!(take(&mut state, vec![piece(2048, "part head", "a"), piece(2048, "part body", "c")]));
        assert_eq!(orders(&state), [1024, 2048]);
        assert!(take(&mut state, vec![piece(2048, "part head", "a"), piece(2048, "part body", "d")]));
        assert_eq!(orders(&state), [1024, 2049]);
    }

    #[test]
    fn no_line_break_of_foreign_text_ends_a_line_of_the_stream() {
        let bytes = encode(&piece(1024, "part head", "a\rid: 9\r\n\ndata: x"));
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(text.lines().all(|line| line.starts_with("event: ") || line.starts_with("data: ")), "{text}");
        assert!(!text.contains("\n\n") && !text.contains('\r'), "{text}");
    }
}
