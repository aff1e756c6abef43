//! What both databases share: the questions they are asked alike, and rows made into what the app knows.
//!
//! Parameters are written `$1`, which SQLite and PostgreSQL both take. Rows are tuples, so that reading them needs no word of
//! either database.

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use crate::incident::{Event, Incident, IncidentId, Recorded};
use crate::store::{
    ActionId, CommitError, Cursor, Found, Kept, Pending, Sighting, Summary, Unavailable, Verdict,
};

pub(super) const LOAD: &str =
    "SELECT recorded, times, last_ms FROM events
     LEFT JOIN (SELECT CAST(sum(times) AS BIGINT) AS times, max(last_ms) AS last_ms FROM repeats WHERE incident_id = $1) AS counted ON true
     WHERE incident_id = $1 ORDER BY seq";

pub(super) const OPEN_INCIDENT: &str =
    "SELECT id FROM incidents WHERE key = $1 AND stage NOT IN ('resolved', 'closed')";

/// Both conditions on the stage are said, so that the partial index is used.
pub(super) const PREVIOUS: &str = "SELECT b.id FROM incidents a JOIN incidents b ON b.key = a.key
     WHERE a.id = $1 AND b.id <> a.id AND b.opened_ms <= a.opened_ms AND b.stage IN ('resolved', 'closed')
     ORDER BY b.opened_ms DESC, b.id LIMIT 1";

pub(super) const SIGHTING: &str = "SELECT incident_id, stage NOT IN ('resolved', 'closed'), started_ms
     FROM sightings JOIN incidents ON incidents.id = incident_id WHERE source = $1 AND fingerprint = $2";

pub(super) const PENDING_OF: &str =
    "SELECT id, incident_id, lane, action, due_ms, attempts, last_error, state = 'given_up'
     FROM actions WHERE incident_id = $1 ORDER BY state DESC, id";

/// One page of a list and one row more, which tells whether there is another page. The databases name a field of a JSON text
/// differently.
macro_rules! search {
    ($bucket:literal, $service:literal, $source:literal) => {
        concat!(
            "SELECT opened_ms, summary, (SELECT CAST(sum(times) AS BIGINT) FROM repeats WHERE incident_id = id)
             FROM incidents WHERE ($1 IS NULL OR (stage NOT IN ('resolved', 'closed')) = $1) AND ($2 IS NULL OR stage = $2)
               AND ($3 IS NULL OR ", $bucket, " = $3) AND ($4 IS NULL OR ", $service, " = $4)
               AND ($5 IS NULL OR ", $source, " = $5) AND ($6 IS NULL OR opened_ms >= $6)
               AND ($7 IS NULL OR opened_ms < $7 OR (opened_ms = $7 AND id > $8))
             ORDER BY opened_ms DESC, id LIMIT $9"
        )
    };
}

pub(super) const SEARCH: &str =
    search!("summary ->> '$.bucket'", "summary ->> '$.service'", "summary ->> '$.source'");

/// A foreign word with U+0000 in it is no text to PostgreSQL: a summary that holds one cannot be taken apart, and must not break the
/// search of others. Its boundary is found all the same, as our own words are: no foreign word holds an unescaped quote.
pub(super) const SEARCH_POSTGRES: &str = search!(
    "CASE WHEN strpos(summary, '\"bucket\":\"' || $3 || '\"') > 0 THEN $3 END",
    "CASE WHEN strpos(summary, '\\u0000') = 0 THEN summary::json ->> 'service' END",
    "CASE WHEN strpos(summary, '\\u0000') = 0 THEN summary::json ->> 'source' END"
);

pub(super) const KEPT: &str =
    "SELECT at_ms, source, verdict, reason, size, body FROM deliveries ORDER BY id DESC LIMIT $1";

pub(super) const COUNT_INCIDENTS: &str =
    "SELECT stage, count(*) FROM incidents GROUP BY stage ORDER BY stage";

pub(super) const COUNT_ACTIONS: &str = "SELECT
       CASE WHEN state = 'waiting' AND attempts = 0 AND due_ms > $1 THEN 'scheduled' ELSE state END, count(*)
     FROM actions GROUP BY 1 ORDER BY 1";

pub(super) const OLDEST_DUE: &str =
    "SELECT min(due_ms) FROM actions WHERE state = 'waiting' AND due_ms <= $1";

pub(super) const COUNT_KEPT: &str =
    "SELECT source, verdict, count(*) FROM deliveries GROUP BY source, verdict ORDER BY 1, 2";

pub(super) const MOVE_INCIDENT: &str = "UPDATE incidents SET key = $1, seq = $2, stage = $3, updated_ms = $4, summary = $5 WHERE id = $6 AND seq = $7";

/// A filing says everything that an earlier one, which was given up, would have.
pub(super) const DELETE_COVERED: &str =
    "DELETE FROM actions WHERE incident_id = $1 AND lane = $2 AND state = 'given_up'";

/// Whether later actions of this lane say what earlier ones would have.
pub(super) fn is_covering(lane: &str) -> bool {
    lane.starts_with("issue ")
}

pub(super) const POSTPONE_ACTION: &str =
    "UPDATE actions SET due_ms = $1, attempts = $2, last_error = $3 WHERE id = $4";

pub(super) const GIVE_UP_ACTION: &str =
    "UPDATE actions SET state = 'given_up', attempts = attempts + 1, last_error = $1 WHERE id = $2";

pub(super) const KEEP: &str = "INSERT INTO deliveries (at_ms, source, verdict, reason, size, body, headers) VALUES ($1, $2, $3, $4, $5, $6, $7)";

/// The oldest of one source go: a sender gone wild pushes out its own alone.
pub(super) const MAKE_ROOM: &str = "DELETE FROM deliveries WHERE source = $1 AND id <=
     (SELECT id FROM deliveries WHERE source = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)";

/// What is over for longer than it is kept, oldest first; a batch, so that nobody waits long for it.
pub(super) const OVER: &str = "SELECT id FROM incidents
     WHERE stage IN ('resolved', 'closed') AND updated_ms < $1 ORDER BY updated_ms LIMIT 200";

/// Everything of one incident, what refers to it first.
pub(super) const FORGET: [&str; 5] = [
    "DELETE FROM repeats WHERE incident_id = $1",
    "DELETE FROM sightings WHERE incident_id = $1",
    "DELETE FROM actions WHERE incident_id = $1",
    "DELETE FROM events WHERE incident_id = $1",
    "DELETE FROM incidents WHERE id = $1",
];

pub(super) const FORGET_ONCE: &str = "DELETE FROM once WHERE at_ms < $1";

pub(super) const ONCE: &str = "INSERT INTO once (key, at_ms) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING";

/// The time before which keys are forgotten.
pub(super) fn once_before(now_ms: i64) -> i64 {
    now_ms.saturating_sub(i64::try_from(super::ONCE.as_millis()).unwrap_or(i64::MAX))
}

pub(super) const FORGET_DELIVERIES: &str = "DELETE FROM deliveries WHERE at_ms < $1";

/// Rows of [`LOAD`] as the log; what was only counted comes last.
pub(super) fn log(rows: &[(String, Option<i64>, Option<i64>)]) -> Result<Vec<Recorded>, Unavailable> {
    let counted = rows.first().and_then(|(_, times, last_ms)| times.zip(*last_ms));
    let mut log: Vec<Recorded> =
        rows.iter().map(|(text, ..)| json("event", text)).collect::<Result<_, _>>()?;
    if let Some((times, last_ms)) = counted {
        let seq = log.last().map_or(0, |last| last.seq) + 1;
        let event = Event::AlertRepeated { times: times.unsigned_abs() };
        log.push(Recorded { seq, at: moment(last_ms)?, event });
    }
    Ok(log)
}

/// What the list shows of an incident, with what was counted beside it.
fn summary(summary: &str, times: Option<i64>) -> Result<Summary, Unavailable> {
    let mut summary: Summary = json("summary", summary)?;
    summary.alert_count += times.unwrap_or_default().unsigned_abs();
    Ok(summary)
}

/// What the list shows of an incident, as it is kept: without what is counted beside it.
pub(super) fn summary_text(incident: &Incident) -> Result<String, Unavailable> {
    let mut summary = Summary::of(incident);
    summary.alert_count -= incident.repeats.min(summary.alert_count);
    text(&summary)
}

/// `id, incident_id, lane, action, due_ms, attempts, last_error`.
pub(super) type PendingRow = (i64, String, String, String, i64, i64, Option<String>);

pub(super) fn pending(row: PendingRow) -> Result<Pending, Unavailable> {
    let (id, incident, lane, action, due_ms, attempts, last_error) = row;
    Ok(Pending {
        id: ActionId(id),
        incident: incident_id(&incident)?,
        lane,
        action: json("action", &action)?,
        due_at: moment(due_ms)?,
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        last_error,
    })
}

/// [`PENDING_OF`]: the action, and whether it was given up.
pub(super) fn pending_or_given_up(
    row: (i64, String, String, String, i64, i64, Option<String>, bool),
) -> Result<(Pending, bool), Unavailable> {
    let (id, incident, lane, action, due_ms, attempts, last_error, given_up) = row;
    Ok((pending((id, incident, lane, action, due_ms, attempts, last_error))?, given_up))
}

pub(super) fn kept(row: (i64, String, String, String, i64, String)) -> Result<Kept, Unavailable> {
    let (at_ms, source, verdict, reason, size, body) = row;
    let known = [Verdict::Bad, Verdict::Unmapped, Verdict::Silenced];
    let verdict = known.into_iter().find(|it| it.id() == verdict).unwrap_or(Verdict::Unmapped);
    let headers = std::collections::BTreeMap::new();
    Ok(Kept { at: moment(at_ms)?, source, verdict, reason, size_bytes: size.unsigned_abs(), body, headers })
}

/// The rows of a search: a page, and the cursor of the next where there is one.
pub(super) fn found(mut rows: Vec<(i64, String, Option<i64>)>, limit: usize) -> Result<Found, Unavailable> {
    let more = rows.len() > limit;
    rows.truncate(limit);
    let incidents: Vec<Summary> =
        rows.iter().map(|(_, text, times)| summary(text, *times)).collect::<Result<_, _>>()?;
    let last = rows.last().zip(incidents.last()).filter(|_| more);
    let next =
        last.map(|((opened_ms, ..), summary)| Cursor { opened_ms: *opened_ms, id: summary.id.clone() });
    Ok(Found { incidents, next })
}

pub(super) fn sighting(row: (String, bool, Option<i64>)) -> Result<Sighting, Unavailable> {
    let (incident, is_open, started_ms) = row;
    let started_at = started_ms.map(moment).transpose()?;
    Ok(Sighting { incident: incident_id(&incident)?, is_open, started_at })
}

pub(super) fn json<T: DeserializeOwned>(column: &str, text: &str) -> Result<T, Unavailable> {
    serde_json::from_str(text)
        .map_err(|error| Unavailable { reason: format!("unreadable {column}: {error}") })
}

pub(super) fn incident_id(text: &str) -> Result<IncidentId, Unavailable> {
    IncidentId::parse(text).map_err(|error| Unavailable { reason: error.to_string() })
}

pub(super) fn moment(millis: i64) -> Result<Timestamp, Unavailable> {
    Timestamp::from_millisecond(millis).map_err(|error| Unavailable { reason: error.to_string() })
}

pub(super) fn text(value: &impl serde::Serialize) -> Result<String, Unavailable> {
    serde_json::to_string(value)
        .map_err(|error| Unavailable { reason: format!("cannot be written as JSON: {error}") })
}

/// Databases count to 2^63; no log comes near.
pub(super) fn place(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The secret of a new installation.
pub(super) fn drawn_secret() -> Vec<u8> {
    uuid::Uuid::new_v4().into_bytes().into_iter().chain(uuid::Uuid::new_v4().into_bytes()).collect()
}

pub(super) fn secret(kept: Vec<u8>) -> Result<[u8; 32], sqlx::Error> {
    kept.try_into().map_err(|_| sqlx::Error::Decode("the secret in the store is not 32 bytes long".into()))
}

/// Why a commit was not written.
pub(super) enum TryError {
    /// It was decided on what is not so any more, or is no JSON; nothing of it was written.
    Refused(CommitError),
    /// The database failed, and with it everything in the transaction.
    Database(sqlx::Error),
}

impl From<sqlx::Error> for TryError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<CommitError> for TryError {
    fn from(refused: CommitError) -> Self {
        Self::Refused(refused)
    }
}

impl From<Unavailable> for TryError {
    fn from(error: Unavailable) -> Self {
        Self::Refused(error.into())
    }
}

impl From<sqlx::Error> for Unavailable {
    fn from(error: sqlx::Error) -> Self {
        Self { reason: error.to_string() }
    }
}

impl From<sqlx::Error> for CommitError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(error.into())
    }
}
