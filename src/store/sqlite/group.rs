//! A group of writes in one transaction, and a statement per table rather than per row: each statement costs a trip to the database's
//! thread and back, which under load is most of what a commit costs.
//!
//! Rows travel as one JSON array (`json_each`). The surprise: an incident's row is written by a statement of its own, because whether it was
//! still as the commit saw it decides over the rest of that commit; nothing of a refused one is written.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use serde::Serialize;
use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{Connection as _, Transaction};

use super::access::carry_out;
use super::writer::{Done, Write, Written};
use crate::incident::{Event, Incident, IncidentId};
use crate::store::postgres::clean;
use crate::store::rows::{self, TryError};
use crate::store::{
    ActionId, Commit, CommitError, KEPT_BODY_BYTES, KEPT_DELIVERIES, Kept, Pending, Piece, Settled, doors,
    identity,
};

const EVENTS: &str = "INSERT INTO events (incident_id, seq, recorded)
     SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?)";

const SIGHTINGS: &str = "INSERT INTO sightings (source, fingerprint, incident_id, started_ms, digest)
     SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?) WHERE true
     ON CONFLICT DO UPDATE SET
       started_ms = CASE WHEN incident_id = excluded.incident_id THEN coalesce(excluded.started_ms, started_ms)
                    ELSE excluded.started_ms END,
       incident_id = excluded.incident_id, digest = excluded.digest";

const ACTIONS: &str = "INSERT INTO actions (id, incident_id, lane, action, due_ms)
     SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?)";

const LAST_ACTION: &str = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'actions'";

const DONE: &str =
    "DELETE FROM actions WHERE id IN (SELECT value FROM json_each(?)) RETURNING incident_id, lane";

const IS_DONE: &str = "SELECT count(*) FROM once WHERE key = $1";

/// Which of the alerts say what they said before, to an incident that is open.
const KNOWN: &str = "SELECT heard.key, s.incident_id FROM json_each(?) AS heard
     CROSS JOIN sightings AS s ON s.source = heard.value ->> 0 AND s.fingerprint = heard.value ->> 1
     CROSS JOIN incidents AS i ON i.id = s.incident_id
     WHERE s.digest = heard.value ->> 2 AND i.stage NOT IN ('resolved', 'closed')";

const COUNT: &str = "INSERT INTO repeats (incident_id, times, last_ms)
     SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?) WHERE true
     ON CONFLICT DO UPDATE SET times = times + excluded.times, last_ms = max(last_ms, excluded.last_ms)";

const TAKEN: &str = "SELECT wanted.key FROM json_each(?) AS wanted
     CROSS JOIN delivery_ids AS d ON d.source = wanted.value ->> 0 AND d.id = wanted.value ->> 1 AND d.piece = wanted.value ->> 2";

const PIECES: &str = "INSERT INTO delivery_ids (source, id, piece, pieces, at_ms, incident_id)
     SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(?)";

/// Writes a group; an error means that nothing of it was written.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    writes: &[Write],
) -> Result<Vec<Done>, sqlx::Error> {
    let tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut group = Group { tx, rows: Rows::default(), taken: HashSet::new(), pieces: Vec::new() };
    group.look_up(writes).await?;
    let mut answers = Vec::with_capacity(writes.len());
    for write in writes {
        answers.push(match group.take(write).await {
            Ok(written) => Ok(written),
            Err(TryError::Refused(refused)) => Err(refused),
            Err(TryError::Database(error)) => return Err(error),
        });
    }
    group.flush().await?;
    group.count(writes, &mut answers).await?;
    let pieces = std::mem::take(&mut group.pieces);
    group.write_rows(PIECES, pieces).await?;
    group.tx.commit().await?;
    Ok(answers)
}

struct Group<'c> {
    tx: Transaction<'c, Sqlite>,
    rows: Rows,
    /// Pieces of deliveries that were taken, of those the group is about.
    taken: HashSet<Piece>,
    /// Those that it takes, as JSON: written last.
    pieces: Vec<String>,
}

/// Rows that wait for their table's statement, as JSON.
#[derive(Default)]
struct Rows {
    events: Vec<String>,
    sightings: Vec<String>,
    actions: Vec<String>,
    done: Vec<String>,
    /// The place of the last action, once somebody asked for it.
    last_action: Option<i64>,
}

impl Group<'_> {
    async fn take(&mut self, write: &Write) -> Result<Written, TryError> {
        match write {
            Write::Commit(commit) => return self.commit(commit).await,
            Write::Settle(settled) => self.settle(settled).await?,
            Write::Keep(delivery, piece) => {
                if self.take_piece(piece.as_ref(), None, delivery.at.as_millisecond())? {
                    self.keep(delivery).await?;
                }
            }
            Write::Take(pieces, incident, at) => {
                for piece in pieces {
                    self.take_piece(Some(piece), incident.as_ref(), at.as_millisecond())?;
                }
            }
            Write::Forget(over, before) => self.forget(over, *before).await?,
            Write::Note(note) => doors::sqlite::write(&mut self.tx, note).await?,
            Write::Access(change) => {
                // What changes nothing has written nothing.
                let changed = carry_out(&mut self.tx, change).await?;
                return if changed { Ok(Written::default()) } else { Err(CommitError::Conflict.into()) };
            }
            Write::Probe => self.probe().await?,
            // Counted when everything else is written.
            Write::Repeat(..) => {}
        }
        Ok(Written::default())
    }

    async fn commit(&mut self, commit: &Commit) -> Result<Written, TryError> {
        let mut pending = Vec::with_capacity(commit.actions.len());
        if !(commit.events.is_empty() && commit.actions.is_empty()) {
            // What cannot be written as JSON is refused before anything of it is written.
            let events = commit.events.iter().map(rows::text).collect::<Result<Vec<_>, _>>()?;
            let actions = commit.actions.iter().map(|planned| rows::text(&planned.action));
            let actions = actions.collect::<Result<Vec<_>, _>>()?;
            let now = commit.events.last().map_or(0, |recorded| recorded.at.as_millisecond());
            if let Some(key) = &commit.once
                && self.is_done(key, now).await?
            {
                return Err(CommitError::Repeated.into());
            }
            if commit.pieces.iter().any(|piece| self.taken.contains(piece)) {
                return Err(CommitError::Repeated.into());
            }
            self.incident(commit, now).await?;
            for piece in &commit.pieces {
                self.take_piece(Some(piece), Some(&commit.incident.id), now)?;
            }
            if let Some(key) = &commit.once {
                sqlx::query(rows::ONCE).bind(key).bind(now).execute(&mut *self.tx).await?;
            }
            let id = &commit.incident.id;
            for (recorded, text) in commit.events.iter().zip(events) {
                self.rows.events.push(json_text(&(id, recorded.seq, text))?);
                if let Event::AlertReceived { alert } = &recorded.event {
                    let (source, fingerprint) = identity(alert);
                    let started = alert.started_at.map(Timestamp::as_millisecond);
                    let row = json_text(&(source, fingerprint, id, started, alert.digest()))?;
                    self.rows.sightings.push(row);
                }
            }
            for (planned, text) in commit.actions.iter().zip(actions) {
                let place = self.next_action().await?;
                let due_ms = planned.due_at.as_millisecond();
                self.rows.actions.push(json_text(&(place, id, &planned.lane, text, due_ms))?);
                pending.push(Pending {
                    id: ActionId(place),
                    incident: id.clone(),
                    lane: planned.lane.clone(),
                    action: planned.action.clone(),
                    due_at: planned.due_at,
                    attempts: 0,
                    last_error: None,
                });
            }
        }
        if let Some(settled) = &commit.settles {
            self.settle(settled).await?;
        }
        Ok(Written { pending, ..Written::default() })
    }

    /// Finds out which pieces of deliveries were taken before.
    async fn look_up(&mut self, writes: &[Write]) -> Result<(), sqlx::Error> {
        let mut wanted: Vec<&Piece> = Vec::new();
        for write in writes {
            match write {
                Write::Commit(commit) => wanted.extend(&commit.pieces),
                Write::Repeat(heard, _) => wanted.extend(heard.iter().filter_map(|it| it.piece.as_ref())),
                Write::Keep(_, piece) => wanted.extend(piece),
                Write::Take(pieces, ..) => wanted.extend(pieces),
                _ => {}
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let names: Vec<_> =
            wanted.iter().map(|it| (clean(&it.source), clean(&it.delivery), it.place)).collect();
        let taken: Vec<i64> =
            sqlx::query_scalar(TAKEN).bind(json_text(&names)?).fetch_all(&mut *self.tx).await?;
        let taken = taken.into_iter().filter_map(|key| wanted.get(usize::try_from(key).ok()?));
        self.taken = taken.map(|piece| (*piece).clone()).collect();
        Ok(())
    }

    /// Takes a piece of a delivery; false when it was taken before. What is none is always taken.
    fn take_piece(
        &mut self,
        piece: Option<&Piece>,
        incident: Option<&IncidentId>,
        at_ms: i64,
    ) -> Result<bool, sqlx::Error> {
        let Some(piece) = piece else { return Ok(true) };
        if !self.taken.insert(piece.clone()) {
            return Ok(false);
        }
        let Piece { source, delivery, place, of } = piece;
        self.pieces.push(json_text(&(clean(source), clean(delivery), place, of, at_ms, incident))?);
        Ok(true)
    }

    /// Whether something happened under this key; what is too old to matter is forgotten.
    async fn is_done(&mut self, key: &str, now: i64) -> Result<bool, sqlx::Error> {
        sqlx::query(rows::FORGET_ONCE).bind(rows::once_before(now)).execute(&mut *self.tx).await?;
        let known: i64 = sqlx::query_scalar(IS_DONE).bind(key).fetch_one(&mut *self.tx).await?;
        Ok(known > 0)
    }

    /// Creates the incident's row, or moves it on from the state the commit was decided on.
    async fn incident(&mut self, commit: &Commit, now: i64) -> Result<(), TryError> {
        let incident = &commit.incident;
        let summary = rows::summary_text(incident)?;
        let seq = rows::place(incident.seq);
        if commit.expected_seq > 0 {
            let moved = sqlx::query(rows::MOVE_INCIDENT)
                .bind(&incident.key.0)
                .bind(seq)
                .bind(incident.stage.id())
                .bind(now)
                .bind(summary)
                .bind(incident.id.as_str())
                .bind(rows::place(commit.expected_seq))
                .execute(&mut *self.tx)
                .await;
            return match moved {
                Ok(moved) if moved.rows_affected() == 1 => Ok(()),
                Ok(_) => Err(CommitError::Conflict.into()),
                // It was over, and is opened again.
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                    self.taken(incident).await
                }
                Err(error) => Err(error.into()),
            };
        }
        let created = sqlx::query(
            "INSERT INTO incidents (id, key, seq, stage, opened_ms, updated_ms, summary)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6) ON CONFLICT DO NOTHING",
        )
        .bind(incident.id.as_str())
        .bind(&incident.key.0)
        .bind(seq)
        .bind(incident.stage.id())
        .bind(now)
        .bind(summary)
        .execute(&mut *self.tx)
        .await?;
        if created.rows_affected() == 1 {
            return Ok(());
        }
        self.taken(incident).await
    }

    /// The open incident with this key; a conflict when it is the id that is taken.
    async fn taken(&mut self, incident: &Incident) -> Result<(), TryError> {
        let holder: Option<String> = sqlx::query_scalar(rows::OPEN_INCIDENT)
            .bind(&incident.key.0)
            .fetch_optional(&mut *self.tx)
            .await?;
        let holder = holder.and_then(|id| IncidentId::parse(&id).ok());
        Err(TryError::Refused(holder.map_or(CommitError::Conflict, CommitError::KeyTaken)))
    }

    /// A place for one more action: nobody else gives places out while the file is locked for writing.
    async fn next_action(&mut self) -> Result<i64, sqlx::Error> {
        let last = match self.rows.last_action {
            Some(last) => last,
            None => sqlx::query_scalar(LAST_ACTION).fetch_one(&mut *self.tx).await?,
        };
        self.rows.last_action = Some(last + 1);
        Ok(last + 1)
    }

    async fn settle(&mut self, settled: &Settled) -> Result<(), sqlx::Error> {
        let query = match settled {
            Settled::Done(id) => {
                self.rows.done.push(id.0.to_string());
                return Ok(());
            }
            Settled::Postponed(action) => sqlx::query(rows::POSTPONE_ACTION)
                .bind(action.due_at.as_millisecond())
                .bind(action.attempts)
                .bind(&action.last_error)
                .bind(action.id.0),
            Settled::GivenUp(id, reason) => sqlx::query(rows::GIVE_UP_ACTION).bind(reason).bind(id.0),
        };
        query.execute(&mut *self.tx).await?;
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), sqlx::Error> {
        let Rows { events, sightings, actions, done, .. } = std::mem::take(&mut self.rows);
        for (statement, rows) in [(EVENTS, events), (SIGHTINGS, sightings), (ACTIONS, actions)] {
            self.write_rows(statement, rows).await?;
        }
        if done.is_empty() {
            return Ok(());
        }
        let done: Vec<(String, String)> =
            sqlx::query_as(DONE).bind(list(&done)).fetch_all(&mut *self.tx).await?;
        for (incident, lane) in done.into_iter().filter(|(_, lane)| rows::is_covering(lane)) {
            sqlx::query(rows::DELETE_COVERED).bind(incident).bind(lane).execute(&mut *self.tx).await?;
        }
        Ok(())
    }

    async fn write_rows(&mut self, statement: &'static str, rows: Vec<String>) -> Result<(), sqlx::Error> {
        if !rows.is_empty() {
            sqlx::query(statement).bind(list(&rows)).execute(&mut *self.tx).await?;
        }
        Ok(())
    }

    /// Counts the repeats among the writes, all together, and notes the incident of each.
    async fn count(&mut self, writes: &[Write], answers: &mut [Done]) -> Result<(), sqlx::Error> {
        let mut heard = Vec::new();
        let mut places = Vec::new();
        for (place, write) in writes.iter().enumerate() {
            let Write::Repeat(all, at) = write else { continue };
            heard.extend(all.iter().map(|it| [&it.source, &it.fingerprint, &it.digest]));
            places.extend(all.iter().map(|it| (place, at.as_millisecond(), it.piece.as_ref())));
            answers[place] = Ok(Written { counted: Vec::with_capacity(all.len()), ..Written::default() });
        }
        if heard.is_empty() {
            return Ok(());
        }
        let known: Vec<(i64, String)> =
            sqlx::query_as(KNOWN).bind(json_text(&heard)?).fetch_all(&mut *self.tx).await?;
        let mut incidents: BTreeMap<usize, String> =
            known.into_iter().filter_map(|(key, id)| Some((usize::try_from(key).ok()?, id))).collect();
        let mut counts: BTreeMap<String, (u64, i64)> = BTreeMap::new();
        for (key, (place, at, piece)) in places.into_iter().enumerate() {
            let known = incidents.remove(&key);
            let incident = known.as_deref().and_then(|id| IncidentId::parse(id).ok());
            let is_new = incident.is_some() && self.take_piece(piece, incident.as_ref(), at)?;
            if let Ok(written) = &mut answers[place] {
                written.counted.push(incident);
            }
            if let Some(id) = known.filter(|_| is_new) {
                let count = counts.entry(id).or_insert((0, at));
                *count = (count.0 + 1, count.1.max(at));
            }
        }
        let counts = counts.into_iter().map(|(id, (times, at))| json_text(&(id, times, at)));
        let counts = counts.collect::<Result<_, _>>()?;
        self.write_rows(COUNT, counts).await
    }

    async fn keep(&mut self, delivery: &Kept) -> Result<(), TryError> {
        let headers = rows::text(&delivery.headers)?;
        let end = delivery.body.floor_char_boundary(KEPT_BODY_BYTES);
        sqlx::query(rows::KEEP)
            .bind(delivery.at.as_millisecond())
            .bind(&delivery.source)
            .bind(delivery.verdict.id())
            .bind(&delivery.reason)
            .bind(rows::place(delivery.size_bytes))
            .bind(&delivery.body[..end])
            .bind(headers)
            .execute(&mut *self.tx)
            .await?;
        let room = sqlx::query(rows::MAKE_ROOM).bind(&delivery.source).bind(KEPT_DELIVERIES);
        room.execute(&mut *self.tx).await?;
        Ok(())
    }

    /// Forgets incidents and everything that refers to them.
    async fn forget(&mut self, over: &[String], before: Timestamp) -> Result<(), sqlx::Error> {
        // Nothing is written of them afterwards.
        self.flush().await?;
        for id in over {
            for statement in rows::FORGET {
                sqlx::query(statement).bind(id).execute(&mut *self.tx).await?;
            }
        }
        sqlx::query(rows::FORGET_DELIVERIES).bind(before.as_millisecond()).execute(&mut *self.tx).await?;
        Ok(())
    }

    /// Writes as many pages as an alert with a large body does: on a full disk an empty transaction still succeeds.
    async fn probe(&mut self) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO meta (name, value) VALUES ('probe', zeroblob(32768))
             ON CONFLICT DO UPDATE SET value = excluded.value",
        )
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }
}

fn json_text(value: &impl Serialize) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))
}

/// These JSON values as one list.
fn list(values: &[String]) -> String {
    format!("[{}]", values.join(","))
}
