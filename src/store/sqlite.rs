//! The store in one SQLite file: opening it, and everything that reads.
//!
//! Writes go through one task ([`writer`]) that commits them in groups; reads have connections of their own and, in WAL mode,
//! never wait for it.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Row as _, SqlSafeStr as _};

use crate::alert::{Alert, IncidentKey};
use crate::incident::{IncidentId, Recorded};
use crate::store::{
    ActionId, Commit, CommitError, Figures, Filter, Kept, OpenError, Pending, Settled, Sighting, Summary,
    Unavailable, Verdict, identity,
};

mod writer;

use writer::Writer;

/// How long a statement waits for another process's lock (a backup, `sqlite3` on the file) before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections that read. Each has a thread of its own; reads are short.
const READERS: u32 = 2;

/// Incidents and pending actions. Cheap to clone; the file is released when the last clone is gone.
#[derive(Debug, Clone)]
pub struct Store {
    readers: SqlitePool,
    writer: Writer,
    secret: [u8; 32],
    _lock: Arc<File>,
}

impl Store {
    /// Opens the file, creates it when there is none, and brings its tables up to date.
    ///
    /// # Errors
    /// [`OpenError`] when another process owns it, or when it cannot be opened.
    pub async fn open(file: &Path) -> Result<Self, OpenError> {
        let name = file.display().to_string();
        let unusable = |reason: String| OpenError::Unusable { file: name.clone(), reason };
        let lock = own(file)?;
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let mut connection = options.connect().await.map_err(|error| unusable(error.to_string()))?;
        migrator().run(&mut connection).await.map_err(|error| unusable(error.to_string()))?;
        let secret = instance_secret(&mut connection).await.map_err(|error| unusable(error.to_string()))?;
        let readers =
            SqlitePoolOptions::new().max_connections(READERS).connect_lazy_with(options.read_only(true));
        Ok(Self { readers, writer: Writer::start(connection), secret, _lock: Arc::new(lock) })
    }

    /// The key of this installation, drawn when the file was created: redaction derives its tokens from it.
    #[must_use]
    pub fn secret(&self) -> [u8; 32] {
        self.secret
    }

    /// Makes events and the actions they cause durable, together; gives the actions back with their places.
    ///
    /// # Errors
    /// [`CommitError`]: look again and decide again, or the store is not available.
    pub async fn commit(&self, commit: Commit) -> Result<Vec<Pending>, CommitError> {
        self.writer.commit(commit).await
    }

    /// Notes what became of an action of which there is nothing else to say.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn settle(&self, settled: Settled) -> Result<(), Unavailable> {
        self.writer.settle(settled).await
    }

    /// Keeps a delivery that became no alert.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn keep(&self, delivery: Kept) -> Result<(), Unavailable> {
        self.writer.keep(delivery).await
    }

    /// Whether something can be written now: commits an empty transaction.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn ping(&self) -> Result<(), Unavailable> {
        self.writer.ping().await
    }

    /// The log of an incident, in order; empty when there is no such incident.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn load(&self, id: &IncidentId) -> Result<Vec<Recorded>, Unavailable> {
        let rows = sqlx::query("SELECT recorded FROM events WHERE incident_id = ? ORDER BY seq")
            .bind(id.as_str())
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(|row| json(row, "recorded")).collect()
    }

    /// The open incident with this key.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn open_incident(&self, key: &IncidentKey) -> Result<Option<IncidentId>, Unavailable> {
        let row =
            sqlx::query("SELECT id FROM incidents WHERE key = ? AND stage NOT IN ('resolved', 'closed')")
                .bind(&key.0)
                .fetch_optional(&self.readers)
                .await?;
        row.map(|row| incident_id(&row, "id")).transpose()
    }

    /// The last incident this alert's identity was part of.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn sighting(&self, alert: &Alert) -> Result<Option<Sighting>, Unavailable> {
        let (source, fingerprint) = identity(alert);
        let row = sqlx::query(
            "SELECT incident_id, started_ms, stage NOT IN ('resolved', 'closed') AS is_open
             FROM sightings JOIN incidents ON incidents.id = incident_id WHERE source = ? AND fingerprint = ?",
        )
        .bind(source)
        .bind(fingerprint)
        .fetch_optional(&self.readers)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let started: Option<i64> = row.try_get("started_ms")?;
        Ok(Some(Sighting {
            incident: incident_id(&row, "incident_id")?,
            is_open: row.try_get("is_open")?,
            started_at: started.map(moment).transpose()?,
        }))
    }

    /// Every action that waits to be performed, in order.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn pending(&self) -> Result<Vec<Pending>, Unavailable> {
        let rows = sqlx::query("SELECT * FROM actions WHERE state = 'waiting' ORDER BY id")
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(pending).collect()
    }

    /// The actions of one incident that are not done: waiting first, then given up (`attempts` tells which were tried).
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn pending_of(&self, id: &IncidentId) -> Result<Vec<(Pending, bool)>, Unavailable> {
        let rows = sqlx::query("SELECT *, state = 'given_up' AS given_up FROM actions WHERE incident_id = ? ORDER BY state DESC, id")
            .bind(id.as_str())
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(|row| Ok((pending(row)?, row.try_get("given_up")?))).collect()
    }

    /// The newest incidents, at most `limit` (1 to 1,000).
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn list(&self, filter: Filter, limit: u32) -> Result<Vec<Summary>, Unavailable> {
        let (open_only, stage) = match filter {
            Filter::All => (false, None),
            Filter::Open => (true, None),
            Filter::In(stage) => (false, Some(stage.id())),
        };
        let rows = sqlx::query(
            "SELECT summary FROM incidents
             WHERE (NOT ?1 OR stage NOT IN ('resolved', 'closed')) AND (?2 IS NULL OR stage = ?2)
             ORDER BY opened_ms DESC, id LIMIT ?3",
        )
        .bind(open_only)
        .bind(stage)
        .bind(limit.clamp(1, 1000))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| json(row, "summary")).collect()
    }

    /// The newest kept deliveries.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn kept(&self, limit: u32) -> Result<Vec<Kept>, Unavailable> {
        let rows = sqlx::query("SELECT * FROM deliveries ORDER BY id DESC LIMIT ?")
            .bind(limit)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(kept).collect()
    }

    /// Figures for the metrics page.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn figures(&self, now: Timestamp) -> Result<Figures, Unavailable> {
        let incidents = sqlx::query_as("SELECT stage, count(*) FROM incidents GROUP BY stage ORDER BY stage");
        let actions = sqlx::query_as(
            "SELECT iif(state = 'waiting' AND attempts = 0 AND due_ms > ?, 'scheduled', state), count(*)
             FROM actions GROUP BY 1 ORDER BY 1",
        )
        .bind(now.as_millisecond());
        let kept = sqlx::query_as(
            "SELECT source, verdict, count(*) FROM deliveries GROUP BY source, verdict ORDER BY 1, 2",
        );
        Ok(Figures {
            incidents: incidents.fetch_all(&self.readers).await?,
            actions: actions.fetch_all(&self.readers).await?,
            kept: kept.fetch_all(&self.readers).await?,
        })
    }
}

/// Takes the lock that makes this process the file's only bot. The lock goes with the process, however it ends.
fn own(file: &Path) -> Result<File, OpenError> {
    let name = file.display().to_string();
    let mut beside = file.as_os_str().to_owned();
    beside.push("-lock");
    let unusable =
        |error: std::io::Error| OpenError::Unusable { file: name.clone(), reason: error.to_string() };
    let lock = File::options().create(true).truncate(false).write(true).open(beside).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => Err(OpenError::InUse { file: name }),
        Err(std::fs::TryLockError::Error(error)) => Err(unusable(error)),
    }
}

fn migrator() -> Migrator {
    let first = include_str!("migrations/0001_incidents.sql").into_sql_str();
    Migrator::with_migrations(vec![Migration::new(
        1,
        "incidents".into(),
        MigrationType::Simple,
        first,
        false,
    )])
}

/// The secret of this installation; the first call draws it.
async fn instance_secret(connection: &mut SqliteConnection) -> Result<[u8; 32], sqlx::Error> {
    let drawn: Vec<u8> =
        uuid::Uuid::new_v4().into_bytes().into_iter().chain(uuid::Uuid::new_v4().into_bytes()).collect();
    sqlx::query("INSERT INTO meta (name, value) VALUES ('secret', ?) ON CONFLICT DO NOTHING")
        .bind(drawn)
        .execute(&mut *connection)
        .await?;
    let kept: Vec<u8> = sqlx::query_scalar("SELECT value FROM meta WHERE name = 'secret'")
        .fetch_one(&mut *connection)
        .await?;
    kept.try_into().map_err(|_| sqlx::Error::Decode("the secret in the store is not 32 bytes long".into()))
}

impl From<sqlx::Error> for Unavailable {
    fn from(error: sqlx::Error) -> Self {
        Self { reason: error.to_string() }
    }
}

fn json<T: serde::de::DeserializeOwned>(row: &SqliteRow, column: &str) -> Result<T, Unavailable> {
    let text: &str = row.try_get(column)?;
    serde_json::from_str(text)
        .map_err(|error| Unavailable { reason: format!("unreadable {column}: {error}") })
}

fn incident_id(row: &SqliteRow, column: &str) -> Result<IncidentId, Unavailable> {
    let text: &str = row.try_get(column)?;
    IncidentId::parse(text).map_err(|error| Unavailable { reason: error.to_string() })
}

fn moment(millis: i64) -> Result<Timestamp, Unavailable> {
    Timestamp::from_millisecond(millis).map_err(|error| Unavailable { reason: error.to_string() })
}

fn pending(row: &SqliteRow) -> Result<Pending, Unavailable> {
    Ok(Pending {
        id: ActionId(row.try_get("id")?),
        incident: incident_id(row, "incident_id")?,
        lane: row.try_get("lane")?,
        action: json(row, "action")?,
        due_at: moment(row.try_get("due_ms")?)?,
        attempts: row.try_get("attempts")?,
        last_error: row.try_get("last_error")?,
    })
}

fn kept(row: &SqliteRow) -> Result<Kept, Unavailable> {
    let verdict: &str = row.try_get("verdict")?;
    let size: i64 = row.try_get("size")?;
    Ok(Kept {
        at: moment(row.try_get("at_ms")?)?,
        source: row.try_get("source")?,
        verdict: if verdict == "bad" { Verdict::Bad } else { Verdict::Unmapped },
        reason: row.try_get("reason")?,
        size_bytes: size.unsigned_abs(),
        body: row.try_get("body")?,
    })
}

#[cfg(test)]
mod tests;
