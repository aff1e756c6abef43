//! The one task that writes. It takes whatever has queued up while the last group was being flushed and commits it
//! together: under a storm of alerts a hundred commits share one `fsync`, and alone a commit waits for nobody.
//!
//! Each write has a savepoint: one that is refused (a conflict, a taken key) leaves the rest of its group as it is. Nobody is
//! answered before the group is on disk.

use jiff::Timestamp;
use sqlx::sqlite::{Sqlite, SqliteConnectOptions, SqliteConnection};
use sqlx::{Acquire as _, ConnectOptions as _, Connection as _, Transaction};
use tokio::sync::{mpsc, oneshot};

use super::access::carry_out;
use crate::incident::{Event, Incident, IncidentId, Recorded};
use crate::store::access::AccessChange;
use crate::store::{
    ActionId, Commit, CommitError, KEPT_BODY_BYTES, KEPT_DELIVERIES, Kept, Note, Pending, Settled, Summary,
    Unavailable, doors, identity, rows,
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
    Forget(Vec<String>, Timestamp),
    Note(Box<Note>),
    Access(AccessChange),
    Probe,
}

type Done = Result<Vec<Pending>, CommitError>;

impl Writer {
    /// Starts the task; `options` open the file again after a group that failed.
    pub(super) fn start(connection: SqliteConnection, options: SqliteConnectOptions) -> Self {
        let (queue, requests) = mpsc::channel(QUEUE);
        tokio::spawn(write_all(connection, options, requests));
        Self { queue }
    }

    /// A writer that refuses: for a store that is only looked at.
    pub(super) fn nobody() -> Self {
        let (queue, _) = mpsc::channel(1);
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

    pub(super) async fn note(&self, note: Note) -> Result<(), Unavailable> {
        self.simple(Write::Note(Box::new(note))).await
    }

    pub(super) async fn ping(&self) -> Result<(), Unavailable> {
        self.simple(Write::Probe).await
    }

    /// Forgets these incidents, and deliveries kept before this moment.
    pub(super) async fn forget(&self, over: Vec<String>, before: Timestamp) -> Result<(), Unavailable> {
        self.simple(Write::Forget(over, before)).await
    }

    /// Whether it changed anything.
    pub(super) async fn change_access(&self, change: AccessChange) -> Result<bool, Unavailable> {
        match self.send(Write::Access(change)).await {
            Ok(_) => Ok(true),
            Err(CommitError::Unavailable(error)) => Err(error),
            Err(_) => Ok(false),
        }
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
    connection: SqliteConnection,
    options: SqliteConnectOptions,
    mut requests: mpsc::Receiver<(Write, oneshot::Sender<Done>)>,
) {
    let mut connection = Some(connection);
    let mut group = Vec::with_capacity(GROUP);
    while requests.recv_many(&mut group, GROUP).await > 0 {
        let (writes, replies): (Vec<Write>, Vec<_>) = group.drain(..).unzip();
        let count = writes.len();
        let written = write_or_reopen(&mut connection, &options, writes).await;
        let answers = written.unwrap_or_else(|error| {
            tracing::error!(%error, count, "the store could not be written");
            (0..count).map(|_| Err(Unavailable { reason: error.to_string() }.into())).collect()
        });
        for (reply, answer) in replies.into_iter().zip(answers) {
            // Somebody who no longer waits has gone away; what was written stays written.
            let _ = reply.send(answer);
        }
    }
    if let Some(connection) = connection
        && let Err(error) = connection.close().await
    {
        tracing::warn!(%error, "the store did not close cleanly");
    }
}

/// Writes a group. After one that failed (a full disk, a lock) the connection is in a state nobody should guess at: it is closed, which
/// rolls back, and the next group has a new one. So the store recovers as soon as the disk does.
async fn write_or_reopen(
    connection: &mut Option<SqliteConnection>,
    options: &SqliteConnectOptions,
    writes: Vec<Write>,
) -> Result<Vec<Done>, sqlx::Error> {
    let mut open = match connection.take() {
        Some(open) => open,
        None => options.connect().await?,
    };
    let written = write_group(&mut open, writes).await;
    match &written {
        Ok(_) => *connection = Some(open),
        // What closing says is what the group has said already.
        Err(_) => drop(open.close().await),
    }
    written
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
        Write::Forget(over, before) => forget(tx, &over, before).await?,
        Write::Note(note) => doors::sqlite::write(tx, &note).await?,
        Write::Access(change) => {
            if !carry_out(tx, &change).await? {
                return Err(CommitError::Conflict);
            }
        }
        Write::Probe => probe(tx).await?,
    }
    Ok(Vec::new())
}

async fn commit_one(tx: &mut Transaction<'_, Sqlite>, commit: Commit) -> Done {
    if let Some(settled) = commit.settles {
        settle(tx, settled).await?;
    }
    if commit.events.is_empty() && commit.actions.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(key) = &commit.once {
        let now = commit.events.last().map_or(0, |recorded| recorded.at.as_millisecond());
        sqlx::query(rows::FORGET_ONCE).bind(rows::once_before(now)).execute(&mut **tx).await?;
        if sqlx::query(rows::ONCE).bind(key).bind(now).execute(&mut **tx).await?.rows_affected() == 0 {
            return Err(CommitError::Repeated);
        }
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
                .bind(rows::text(&planned.action)?)
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
    let summary = rows::text(&Summary::of(incident))?;
    let seq = rows::place(incident.seq);
    if expected_seq > 0 {
        let moved = sqlx::query(rows::MOVE_INCIDENT)
            .bind(&incident.key.0)
            .bind(seq)
            .bind(incident.stage.id())
            .bind(now)
            .bind(summary)
            .bind(incident.id.as_str())
            .bind(rows::place(expected_seq))
            .execute(&mut **tx)
            .await;
        return match moved {
            Ok(moved) if moved.rows_affected() == 1 => Ok(()),
            Ok(_) => Err(CommitError::Conflict),
            // It was over, and is opened again.
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                Err(who_holds(tx, &incident.key.0).await?)
            }
            Err(error) => Err(error.into()),
        };
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
        sqlx::query_scalar(rows::OPEN_INCIDENT).bind(key).fetch_optional(&mut **tx).await?;
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
        .bind(rows::place(recorded.seq))
        .bind(rows::text(recorded)?)
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
        Settled::Done(id) => {
            let done: Option<(String, String)> =
                sqlx::query_as(rows::DELETE_ACTION).bind(id.0).fetch_optional(&mut **tx).await?;
            let Some((incident, lane)) = done.filter(|(_, lane)| rows::is_covering(lane)) else {
                return Ok(());
            };
            sqlx::query(rows::DELETE_COVERED).bind(incident).bind(lane)
        }
        Settled::Postponed(action) => sqlx::query(rows::POSTPONE_ACTION)
            .bind(action.due_at.as_millisecond())
            .bind(action.attempts)
            .bind(action.last_error)
            .bind(action.id.0),
        Settled::GivenUp(id, reason) => sqlx::query(rows::GIVE_UP_ACTION).bind(reason).bind(id.0),
    };
    query.execute(&mut **tx).await?;
    Ok(())
}

async fn keep(tx: &mut Transaction<'_, Sqlite>, delivery: &Kept) -> Result<(), CommitError> {
    let end = delivery.body.floor_char_boundary(KEPT_BODY_BYTES);
    sqlx::query(rows::KEEP)
        .bind(delivery.at.as_millisecond())
        .bind(&delivery.source)
        .bind(delivery.verdict.id())
        .bind(&delivery.reason)
        .bind(rows::place(delivery.size_bytes))
        .bind(&delivery.body[..end])
        .bind(rows::text(&delivery.headers)?)
        .execute(&mut **tx)
        .await?;
    sqlx::query(rows::MAKE_ROOM).bind(&delivery.source).bind(KEPT_DELIVERIES).execute(&mut **tx).await?;
    Ok(())
}

/// Forgets incidents and everything that refers to them.
async fn forget(
    tx: &mut Transaction<'_, Sqlite>,
    over: &[String],
    before: Timestamp,
) -> Result<(), sqlx::Error> {
    for id in over {
        for statement in rows::FORGET {
            sqlx::query(statement).bind(id).execute(&mut **tx).await?;
        }
    }
    sqlx::query(rows::FORGET_DELIVERIES).bind(before.as_millisecond()).execute(&mut **tx).await?;
    Ok(())
}

/// Writes as many pages as an alert with a large body does: on a full disk an empty transaction still succeeds.
async fn probe(tx: &mut Transaction<'_, Sqlite>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO meta (name, value) VALUES ('probe', zeroblob(32768)) ON CONFLICT DO UPDATE SET value = excluded.value",
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
