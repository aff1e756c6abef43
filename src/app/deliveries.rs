//! Deliveries: taken once however often they come, kept when they become no alert, and taken again when somebody asks.
//!
//! A delivery with an id of its sender's is remembered for 72 hours: the same again gets the same answer and has no effect. The id is
//! written down with each of its alerts, in the alert's own transaction: one that was cut short by a crash is taken from where it was cut,
//! and one that another replica takes at the same moment is found taken.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::alert::mapping::without_secrets;
use crate::alert::{Source, Understood};
use crate::app::once::{Arrival, Begun, Untaken};
use crate::app::{Accepted, App, AppError, Kept, KeptFilter, Unavailable};
use crate::clock;
use crate::incident::IncidentId;
use crate::store::{KEPT_BODY_BYTES, KeptDelivery, Note, Piece, Tally, Verdict};

/// Bytes of a delivery id that are compared as they are; longer ones are hashed.
const ID_BYTES: usize = 200;

/// A delivery as a door hands it over: read, and its sender known.
#[derive(Debug, Clone, Default)]
pub struct Delivery {
    /// The body.
    pub body: Value,
    /// The headers mappings look at, their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// What its sender calls it; the same again is the same delivery.
    pub id: Option<String>,
}

/// A kept delivery as `GET /api/deliveries` shows it. Redacted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    /// Its place; newer ones have larger ones.
    pub id: i64,
    /// When it came.
    pub at: Timestamp,
    /// The source in the URL path.
    pub source: String,
    /// `refused` (not this source's; answered 400), `unmapped` or `silenced` (both answered 202).
    pub state: &'static str,
    /// Why, in one sentence.
    pub reason: String,
    /// Its whole size.
    pub size_bytes: u64,
    /// Its beginning.
    pub body: String,
    /// Whether `body` is only the beginning.
    pub truncated: bool,
    /// The headers its mapping looked at.
    pub headers: BTreeMap<String, String>,
    /// Whether it can be taken again.
    pub replayable: bool,
    /// When it was taken again and became alerts.
    pub replayed_at: Option<Timestamp>,
}

/// What came of a delivery that was taken again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// The incidents its alerts belong to.
    #[serde(flatten)]
    pub accepted: Accepted,
    /// Why (some of) it is no alert, still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignored: Option<String>,
}

/// Why an end is kept that ends nothing.
pub(super) const UNKNOWN_END: &str = "an end without a known beginning";

/// A body that is to be kept.
pub(super) enum Unread<'a> {
    /// It was read.
    Json(&'a Value),
    /// It could not be.
    Bytes(&'a [u8]),
}

/// The word of the API for a verdict.
fn state(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Bad => "refused",
        Verdict::Unmapped => "unmapped",
        Verdict::Silenced => "silenced",
    }
}

impl App {
    /// Takes a delivery: everything in it is durable when this returns.
    ///
    /// # Errors
    /// [`AppError::NotThisSource`] when the body has none of the source's marks (it was kept for inspection), and
    /// [`AppError::Unavailable`] when it could not be made durable: the sender should try again.
    pub async fn deliver(
        self: &Arc<Self>,
        source: &Source,
        delivery: Delivery,
    ) -> Result<Accepted, AppError> {
        let Delivery { body, headers, id } = delivery;
        let body = Arc::new(body);
        let Some(id) = id.filter(|id| !id.trim().is_empty()).map(bounded) else {
            let accepted = self.receive(source, &body, headers, None).await?;
            self.doors.tally(source.id(), Tally { accepted: 1, ..Tally::default() });
            return Ok(accepted);
        };
        // The same delivery twice at once: the second waits, and finds what the first was answered.
        let turn = BuildHasherDefault::<DefaultHasher>::default().hash_one((source.id(), &id));
        let _turn = self.doors.turn(turn).lock().await;
        loop {
            let taken = self.store.taken(source.id(), &id).await?;
            if taken.is_whole() {
                self.doors.tally(source.id(), Tally { repeated: 1, ..Tally::default() });
                self.counters.add("firstcheck_deliveries_repeated_total", &labelled(source.id()), 1);
                return Ok(Accepted::of(taken));
            }
            let begun = Begun::new(source.id(), &id, &taken);
            let received = self.receive(source, &body, headers.clone(), Some(&begun)).await;
            let accepted = match received {
                // Another replica has taken some of it meanwhile; what is left is ours.
                Err(Untaken::Repeated) => continue,
                Err(Untaken::Failed(error)) => return Err(error),
                Ok(accepted) => accepted,
            };
            self.doors.tally(source.id(), Tally { accepted: 1, ..Tally::default() });
            let is_all = taken.pieces.is_empty();
            return Ok(if is_all {
                accepted
            } else {
                Accepted::of(self.store.taken(source.id(), &id).await?)
            });
        }
    }

    /// Somebody knocked without valid credentials.
    pub fn unauthorized(&self, source: &str) {
        self.doors.tally(source, Tally { unauthorized: 1, ..Tally::default() });
        self.counters.add("firstcheck_deliveries_unauthorized_total", &labelled(source), 1);
        tracing::warn!(source, "a delivery without valid credentials was refused");
    }

    /// Keeps a body that could not even be read.
    ///
    /// # Errors
    /// [`Unavailable`] when it could not be kept.
    pub async fn keep_unreadable(&self, source: &str, reason: &str, body: &[u8]) -> Result<(), Unavailable> {
        self.keep(source, Verdict::Bad, reason, Unread::Bytes(body), BTreeMap::new(), None).await
    }

    pub(super) async fn keep(
        &self,
        source: &str,
        verdict: Verdict,
        reason: &str,
        body: Unread<'_>,
        headers: BTreeMap<String, String>,
        piece: Option<Piece>,
    ) -> Result<(), Unavailable> {
        let tally = match verdict {
            Verdict::Bad => {
                tracing::warn!(source, reason, "a delivery is not this source's; it was refused and kept");
                Tally { refused: 1, ..Tally::default() }
            }
            // An end whose beginning nobody saw is everyday life after a restart of the monitoring system.
            Verdict::Unmapped => {
                tracing::info!(source, reason, "a delivery became no alert; it was kept");
                Tally { unmapped: 1, ..Tally::default() }
            }
            // Counted where the silence is known.
            Verdict::Silenced => Tally::default(),
        };
        self.doors.tally(source, tally);
        self.counters.add(
            "firstcheck_deliveries_kept_total",
            &format!("{},verdict=\"{}\"", labelled(source), verdict.id()),
            1,
        );
        let (size_bytes, body) = match body {
            // Credentials are not stored; the rest is, as it came, so that it can be taken again.
            Unread::Json(body) => {
                let size = body.to_string().len();
                (size, without_secrets(body).to_string())
            }
            Unread::Bytes(bytes) => {
                let beginning = &bytes[..bytes.len().min(KEPT_BODY_BYTES)];
                (bytes.len(), self.shown_text(&String::from_utf8_lossy(beginning)))
            }
        };
        let kept = Kept {
            at: clock::now(),
            source: source.to_owned(),
            verdict,
            reason: self.shown_text(reason),
            size_bytes: size_bytes as u64,
            body,
            headers,
        };
        self.store.keep(kept, piece).await
    }

    /// Foreign text as it may be shown.
    fn shown_text(&self, text: &str) -> String {
        self.gate(&IncidentId::from_seed(0)).text(text)
    }

    /// Kept deliveries, newest first, redacted.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot be read.
    pub async fn deliveries(&self, filter: &KeptFilter) -> Result<Vec<Shown>, Unavailable> {
        let found = self.store.deliveries(filter).await?;
        Ok(found.into_iter().map(|delivery| self.shown(delivery)).collect())
    }

    fn shown(&self, delivery: KeptDelivery) -> Shown {
        let truncated = is_cut(&delivery);
        let replayable = parsed(&delivery).is_ok();
        let KeptDelivery { id, kept, replayed_at } = delivery;
        Shown {
            id,
            at: kept.at,
            source: kept.source,
            state: state(kept.verdict),
            reason: kept.reason,
            size_bytes: kept.size_bytes,
            body: self.shown_text(&kept.body),
            truncated,
            headers: kept.headers.into_iter().map(|(name, value)| (name, self.shown_text(&value))).collect(),
            replayable,
            replayed_at,
        }
    }

    /// Takes a kept delivery again: for a mapping that was mended, or a silence that was wrong. `source` finds the source by its
    /// name, if its deliveries are still taken.
    ///
    /// # Errors
    /// [`AppError::NoSuchDelivery`], [`AppError::Refused`] when it cannot be taken again, and those of [`App::deliver`].
    pub async fn replay(
        self: &Arc<Self>,
        id: i64,
        source: impl Fn(&str) -> Option<Source>,
    ) -> Result<Replayed, AppError> {
        let filter = KeptFilter { before: id.checked_add(1), limit: 1, ..KeptFilter::default() };
        let found = self.store.deliveries(&filter).await?.into_iter().find(|it| it.id == id);
        let delivery = found.ok_or(AppError::NoSuchDelivery(id))?;
        if delivery.replayed_at.is_some() {
            return Err(AppError::Refused("it was taken again already, and became alerts".to_owned()));
        }
        let body = parsed(&delivery).map_err(AppError::Refused)?;
        let name = &delivery.kept.source;
        let source = source(name)
            .ok_or_else(|| AppError::Refused(format!("deliveries of `{name}` are not taken any more")))?;
        let Understood { alerts, ignored, .. } =
            self.read_again(&source, body, delivery.kept.headers.clone()).await?;
        let had_alerts = !alerts.is_empty();
        let accepted = self.sort_out(alerts.into_iter().map(Arrival::from).collect()).await?;
        if had_alerts {
            self.store.note(Note::Replayed { id, at: clock::now() }).await?;
            tracing::info!(source = name, delivery = id, "a kept delivery was taken again");
        }
        Ok(Replayed { accepted, ignored })
    }
}

/// The one label of a counter.
fn labelled(source: &str) -> String {
    format!("source=\"{source}\"")
}

fn is_cut(delivery: &KeptDelivery) -> bool {
    delivery.kept.body.len() + 3 >= KEPT_BODY_BYTES
        && delivery.kept.size_bytes > delivery.kept.body.len() as u64
}

/// The body of a delivery that can be taken again, else why it cannot.
fn parsed(delivery: &KeptDelivery) -> Result<Value, String> {
    if delivery.kept.verdict == Verdict::Silenced || delivery.kept.reason == UNKNOWN_END {
        return Err("only the alert itself was kept, not the delivery it came in".to_owned());
    }
    if is_cut(delivery) {
        return Err(format!("only the first {} KiB were kept", KEPT_BODY_BYTES / 1024));
    }
    serde_json::from_str(&delivery.kept.body)
        .map_err(|_| "its body could not be read, then as now".to_owned())
}

fn bounded(id: String) -> String {
    if id.len() <= ID_BYTES { id } else { crate::alert::reading::fingerprint([id.as_str()]) }
}
