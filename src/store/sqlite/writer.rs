//! The one task that writes. It takes whatever has queued up while the last group was being flushed and commits it
//! together: under a storm of alerts a hundred commits share one `fsync`, and alone a commit waits for nobody.
//!
//! Each write has a savepoint: one that is refused (a conflict, a taken key) leaves the rest of its group as it is. Nobody is
//! answered before the group is on disk.

use jiff::Timestamp;
use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{Acquire as _, Connection as _, Transaction};
use tokio::sync::{mpsc, oneshot};

use crate::incident::{Event, Incident, IncidentId, Recorded};
use crate::store::{
    ActionId, Commit, CommitError, KEPT_BODY_BYTES, KEPT_DELIVERIES, Kept, Pending, Settled, Summary,
    Unavailable, identity,
};

/// Writes that may queue up before callers wait: far more than a group, so that waiting means the disk is slow.
const QUEUE: usize = 1024;

/// Writes in one transaction: enough to share the flush, few enough to answer within a second on a slow disk.
const GROUP: usize = 256;

#[derive(Debug, Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<(Write, oneshot::Sender<Done>)>,
}

#[derive(Debug)]
enum Write {
    Commit(Box<Commit>),
    Settle(Box<Settled>),
    Keep(Kept),
    Nothing,
}

type Done = Result<Vec<Pending>, CommitError>;

impl Writer {
    pub(super) fn start(connection: SqliteConnection) -> Self {
        let (queue, requests) = mpsc::channel(QUEUE);
        tokio::spawn(write_all(connection, requests));
        Self { queue }
    }

    pub(super) async fn commit(&self, commit: Commit) -> Done {
        self.send(Write::Commit(Box::new(commit))).await
    }

    pub(super) async fn settle(&self, settled: Settled) -> Result<(), Unavailable> {
        self.simple(Write::Settle(Box::new(settled))).await
    }

    pub(super) async fn keep(&self, delivery: Kept) -> Result<(), Unavailable> {
        self.simple(Write::Keep(delivery)).await
    }

    pub(super) async fn ping(&self) -> Result<(), Unavailable> {
        self.simple(Write::Nothing).await
    }

    async fn simple(&self, write: Write) -> Result<(), Unavailable> {
        match self.send(write).await {
            Ok(_) => Ok(()),
            Err(CommitError::Unavailable(error)) => Err(error),
            Err(error) => Err(Unavailable { reason: error.to_string() }),
        }
    }

    async fn send(&self, write: Write) -> Done {
        let gone = || Unavailable { reason: "it was closed".to_owned() };
        let (reply, answer) = oneshot::channel();
        self.queue.send((write, reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

async fn write_all(
    mut connection: SqliteConnection,
    mut requests: mpsc::Receiver<(Write, oneshot::Sender<Done>)>,
) {
    let mut group = Vec::with_capacity(GROUP);
    while requests.recv_many(&mut group, GROUP).await > 0 {
        let (writes, replies): (Vec<Write>, Vec<_>) = group.drain(..).unzip();
        let count = writes.len();
        let answers = write_group(&mut connection, writes).await.unwrap_or_else(|error| {
            tracing::error!(%error, count, "the store could not be written");
            (0..count).map(|_| Err(Unavailable { reason: error.to_string() }.into())).collect()
        });
        for (reply, answer) in replies.into_iter().zip(answers) {
            // Somebody who no longer waits has gone away; what was written stays written.
            let _ = reply.send(answer);
        }
    }
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "the store did not close cleanly");
    }
}

async fn write_group(
    connection: &mut SqliteConnection,
    writes: Vec<Write>,
) -> Result<Vec<Done>, sqlx::Error> {
    let mut group = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut answers = Vec::with_capacity(writes.len());
    for write in writes {
        let mut savepoint = group.begin().await?;
        match perform(&mut savepoint, write).await {
            Ok(done) => {
                savepoint.commit().await?;
                answers.push(Ok(done));
            }
            Err(error) => {
                savepoint.rollback().await?;
                answers.push(Err(error));
            }
        }
    }
    group.commit().await?;
    Ok(answers)
}

async fn perform(tx: &mut Transaction<'_, Sqlite>, write: Write) -> Done {
    match write {
        Write::Commit(commit) => return commit_one(tx, *commit).await,
        Write::Settle(settled) => settle(tx, *settled).await?,
        Write::Keep(delivery) => keep(tx, &delivery).await?,
        Write::Nothing => {}
    }
    Ok(Vec::new())
}

impl From<sqlx::Error> for CommitError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(error.into())
    }
}

async fn commit_one(tx: &mut Transaction<'_, Sqlite>, commit: Commit) -> Done {
    if let Some(settled) = commit.settles {
        settle(tx, settled).await?;
    }
    if commit.events.is_empty() && commit.actions.is_empty() {
        return Ok(Vec::new());
    }
    write_incident(tx, &commit.incident, commit.expected_seq, &commit.events).await?;
    for recorded in &commit.events {
        write_event(tx, &commit.incident.id, recorded).await?;
    }
    let mut pending = Vec::with_capacity(commit.actions.len());
    for planned in commit.actions {
        let place =
            sqlx::query("INSERT INTO actions (incident_id, lane, action, due_ms) VALUES (?, ?, ?, ?)")
                .bind(commit.incident.id.as_str())
                .bind(&planned.lane)
                .bind(text(&planned.action)?)
                .bind(planned.due_at.as_millisecond())
                .execute(&mut **tx)
                .await?
                .last_insert_rowid();
        pending.push(Pending {
            id: ActionId(place),
            incident: commit.incident.id.clone(),
            lane: planned.lane,
            action: planned.action,
            due_at: planned.due_at,
            attempts: 0,
            last_error: None,
        });
    }
    Ok(pending)
}

/// Creates the incident's row, or moves it on from the state the commit was decided on.
async fn write_incident(
    tx: &mut Transaction<'_, Sqlite>,
    incident: &Incident,
    expected_seq: u64,
    events: &[Recorded],
) -> Result<(), CommitError> {
    let now = events.last().map_or(Timestamp::UNIX_EPOCH, |recorded| recorded.at).as_millisecond();
    let summary = text(&Summary::of(incident))?;
    let seq = place(incident.seq);
    if expected_seq > 0 {
        let moved = sqlx::query(
            "UPDATE incidents SET key = ?, seq = ?, stage = ?, updated_ms = ?, summary = ? WHERE id = ? AND seq = ?",
        )
        .bind(&incident.key.0)
        .bind(seq)
        .bind(incident.stage.id())
        .bind(now)
        .bind(summary)
        .bind(incident.id.as_str())
        .bind(place(expected_seq))
        .execute(&mut **tx)
        .await?;
        return if moved.rows_affected() == 1 { Ok(()) } else { Err(CommitError::Conflict) };
    }
    let created = sqlx::query(
        "INSERT INTO incidents (id, key, seq, stage, opened_ms, updated_ms, summary) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)",
    )
    .bind(incident.id.as_str())
    .bind(&incident.key.0)
    .bind(seq)
    .bind(incident.stage.id())
    .bind(now)
    .bind(summary)
    .execute(&mut **tx)
    .await;
    match created {
        Ok(_) => Ok(()),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            Err(who_holds(tx, &incident.key.0).await?)
        }
        Err(error) => Err(error.into()),
    }
}

/// The open incident with this key; a conflict when it is the id that is taken.
async fn who_holds(tx: &mut Transaction<'_, Sqlite>, key: &str) -> Result<CommitError, sqlx::Error> {
    let holder: Option<String> =
        sqlx::query_scalar("SELECT id FROM incidents WHERE key = ? AND stage NOT IN ('resolved', 'closed')")
            .bind(key)
            .fetch_optional(&mut **tx)
            .await?;
    let holder = holder.and_then(|id| IncidentId::parse(&id).ok());
    Ok(holder.map_or(CommitError::Conflict, CommitError::KeyTaken))
}

async fn write_event(
    tx: &mut Transaction<'_, Sqlite>,
    id: &IncidentId,
    recorded: &Recorded,
) -> Result<(), CommitError> {
    sqlx::query("INSERT INTO events (incident_id, seq, recorded) VALUES (?, ?, ?)")
        .bind(id.as_str())
        .bind(place(recorded.seq))
        .bind(text(recorded)?)
        .execute(&mut **tx)
        .await?;
    let Event::AlertReceived { alert } = &recorded.event else { return Ok(()) };
    let (source, fingerprint) = identity(alert);
    sqlx::query(
        "INSERT INTO sightings (source, fingerprint, incident_id, started_ms) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET
           started_ms = CASE WHEN incident_id = ?3 THEN coalesce(?4, started_ms) ELSE ?4 END, incident_id = ?3",
    )
    .bind(source)
    .bind(fingerprint)
    .bind(id.as_str())
    .bind(alert.started_at.map(Timestamp::as_millisecond))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn settle(tx: &mut Transaction<'_, Sqlite>, settled: Settled) -> Result<(), sqlx::Error> {
    let query = match settled {
        Settled::Done(id) => sqlx::query("DELETE FROM actions WHERE id = ?").bind(id.0),
        Settled::Postponed(action) => {
            sqlx::query("UPDATE actions SET due_ms = ?, attempts = ?, last_error = ? WHERE id = ?")
                .bind(action.due_at.as_millisecond())
                .bind(action.attempts)
                .bind(action.last_error)
                .bind(action.id.0)
        }
        Settled::GivenUp(id, reason) => sqlx::query(
            "UPDATE actions SET state = 'given_up', attempts = attempts + 1, last_error = ? WHERE id = ?",
        )
        .bind(reason)
        .bind(id.0),
    };
    query.execute(&mut **tx).await?;
    Ok(())
}

async fn keep(tx: &mut Transaction<'_, Sqlite>, delivery: &Kept) -> Result<(), sqlx::Error> {
    let end = delivery.body.floor_char_boundary(KEPT_BODY_BYTES);
    sqlx::query(
        "INSERT INTO deliveries (at_ms, source, verdict, reason, size, body) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(delivery.at.as_millisecond())
    .bind(&delivery.source)
    .bind(delivery.verdict.id())
    .bind(&delivery.reason)
    .bind(place(delivery.size_bytes))
    .bind(&delivery.body[..end])
    .execute(&mut **tx)
    .await?;
    sqlx::query("DELETE FROM deliveries WHERE id <= (SELECT max(id) FROM deliveries) - ?")
        .bind(KEPT_DELIVERIES)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn text(value: &impl serde::Serialize) -> Result<String, Unavailable> {
    serde_json::to_string(value)
        .map_err(|error| Unavailable { reason: format!("cannot be written as JSON: {error}") })
}

/// SQLite counts to 2^63; no log comes near.
fn place(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
