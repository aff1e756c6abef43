//! The store in one SQLite file: opening it, and everything that reads.
//!
//! Writes go through one task ([`writer`]) that commits them in groups; reads have connections of their own and, in WAL mode,
//! never wait for it.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, SqlSafeStr as _};

use crate::alert::{Alert, IncidentKey};
use crate::bucket::Bucket;
use crate::incident::{IncidentId, Recorded};
use crate::store::{
    ActionId, Commit, CommitError, Figures, Found, Heard, Kept, Note, OpenError, Pending, Piece, Search,
    Settled, Sighting, Unavailable, identity, rows,
};

mod access;
mod group;
mod writer;

pub(super) use access::beside;
use writer::Writer;

/// How long a statement waits for another process's lock (a backup, `sqlite3` on the file) before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections that read. Each has a thread of its own; reads are short.
const READERS: u32 = 2;

/// Incidents and pending actions in one file.
#[derive(Debug, Clone)]
pub(super) struct Sqlite {
    readers: SqlitePool,
    writer: Writer,
    /// Whether something in the file could not be read: it is not ready until the file was found sound.
    damaged: Arc<AtomicBool>,
    secret: [u8; 32],
    /// Released with the last clone.
    #[expect(dead_code, reason = "it is held, not read")]
    lock: Option<Arc<File>>,
}

impl Sqlite {
    pub(super) async fn open(file: &Path) -> Result<Self, OpenError> {
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
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_lazy_with(options.clone().read_only(true));
        let damaged = Arc::default();
        let writer = Writer::start(connection, options.create_if_missing(false), Arc::clone(&damaged));
        Ok(Self { readers, writer, damaged, secret, lock: Some(Arc::new(lock)) })
    }

    /// For reading alone: takes no lock, brings nothing up to date, and has no writer.
    pub(super) async fn look(file: &Path) -> Result<Self, OpenError> {
        let name = file.display().to_string();
        let unusable = |reason: String| OpenError::Unusable { file: name.clone(), reason };
        let options = SqliteConnectOptions::new().filename(file).read_only(true).busy_timeout(BUSY_TIMEOUT);
        let readers = SqlitePoolOptions::new().max_connections(READERS).connect_lazy_with(options);
        let secret = sqlx::query_scalar("SELECT value FROM meta WHERE name = 'secret'");
        let secret = secret.fetch_one(&readers).await.and_then(rows::secret);
        let secret = secret.map_err(|error| unusable(error.to_string()))?;
        Ok(Self { readers, writer: Writer::nobody(), damaged: Arc::default(), secret, lock: None })
    }

    pub(super) fn secret(&self) -> [u8; 32] {
        self.secret
    }

    pub(super) async fn commit(&self, commit: Commit) -> Result<Vec<Pending>, CommitError> {
        self.writer.commit(commit).await
    }

    pub(super) async fn repeat(
        &self,
        heard: Vec<Heard>,
        at: Timestamp,
    ) -> Result<Vec<Option<IncidentId>>, Unavailable> {
        self.writer.repeat(heard, at).await
    }

    pub(super) async fn settle(&self, settled: Settled) -> Result<(), Unavailable> {
        self.writer.settle(settled).await
    }

    pub(super) async fn keep(&self, delivery: Kept, piece: Option<Piece>) -> Result<(), Unavailable> {
        self.writer.keep(delivery, piece).await
    }

    pub(super) async fn take(
        &self,
        pieces: Vec<Piece>,
        incident: Option<IncidentId>,
        at: Timestamp,
    ) -> Result<(), Unavailable> {
        self.writer.take(pieces, incident, at).await
    }

    pub(super) async fn note(&self, note: Note) -> Result<(), Unavailable> {
        self.writer.note(note).await
    }

    pub(super) fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    pub(super) async fn ping(&self) -> Result<(), Unavailable> {
        self.writer.ping().await
    }

    pub(super) async fn forget(&self, before: Timestamp) -> Result<u64, Unavailable> {
        let over: Vec<String> =
            sqlx::query_scalar(rows::OVER).bind(before.as_millisecond()).fetch_all(&self.readers).await?;
        let count = over.len() as u64;
        self.writer.forget(over, before).await?;
        Ok(count)
    }

    pub(super) async fn load(&self, id: &IncidentId) -> Result<Vec<Recorded>, Unavailable> {
        let log = sqlx::query_as(rows::LOAD).bind(id.as_str()).fetch_all(&self.readers).await;
        rows::log(&log.map_err(|error| self.read_failed(&error))?)
    }

    pub(super) async fn open_incident(&self, key: &IncidentKey) -> Result<Option<IncidentId>, Unavailable> {
        let id = sqlx::query_scalar(rows::OPEN_INCIDENT).bind(&key.0).fetch_optional(&self.readers).await;
        let id: Option<String> = id.map_err(|error| self.read_failed(&error))?;
        id.as_deref().map(rows::incident_id).transpose()
    }

    pub(super) async fn previous(&self, id: &IncidentId) -> Result<Option<IncidentId>, Unavailable> {
        let found: Option<String> =
            sqlx::query_scalar(rows::PREVIOUS).bind(id.as_str()).fetch_optional(&self.readers).await?;
        found.as_deref().map(rows::incident_id).transpose()
    }

    pub(super) async fn sighting(&self, alert: &Alert) -> Result<Option<Sighting>, Unavailable> {
        let (source, fingerprint) = identity(alert);
        let row = sqlx::query_as(rows::SIGHTING).bind(source).bind(fingerprint);
        let row = row.fetch_optional(&self.readers).await.map_err(|error| self.read_failed(&error))?;
        row.map(rows::sighting).transpose()
    }

    fn read_failed(&self, error: &sqlx::Error) -> Unavailable {
        let failed = unavailable(error);
        if is_damage(error) {
            self.damaged.store(true, Ordering::Release);
            tracing::error!(error = failed.reason, "the store could not be read");
        }
        failed
    }

    pub(super) async fn pending(&self) -> Result<Vec<Pending>, Unavailable> {
        let waiting = sqlx::query_as(
            "SELECT id, incident_id, lane, action, due_ms, attempts, last_error
             FROM actions WHERE state = 'waiting' ORDER BY id",
        );
        waiting.fetch_all(&self.readers).await?.into_iter().map(rows::pending).collect()
    }

    pub(super) async fn pending_of(&self, id: &IncidentId) -> Result<Vec<(Pending, bool)>, Unavailable> {
        let undone = sqlx::query_as(rows::PENDING_OF).bind(id.as_str()).fetch_all(&self.readers).await?;
        undone.into_iter().map(rows::pending_or_given_up).collect()
    }

    pub(super) async fn search(&self, search: &Search) -> Result<Found, Unavailable> {
        let (is_open, stage) = search.state.parts();
        let limit = search.limit();
        let rows = sqlx::query_as(rows::SEARCH)
            .bind(is_open)
            .bind(stage)
            .bind(search.bucket.map(Bucket::id))
            .bind(search.service.as_deref())
            .bind(search.source.as_deref())
            .bind(search.since.map(jiff::Timestamp::as_millisecond))
            .bind(search.after.as_ref().map(|cursor| cursor.opened_ms))
            .bind(search.after.as_ref().map(|cursor| cursor.id.as_str()))
            .bind(i64::try_from(limit + 1).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await?;
        rows::found(rows, limit)
    }

    pub(super) async fn kept(&self, limit: u32) -> Result<Vec<Kept>, Unavailable> {
        let kept = sqlx::query_as(rows::KEPT).bind(limit).fetch_all(&self.readers).await?;
        kept.into_iter().map(rows::kept).collect()
    }

    pub(super) async fn figures(&self, now: Timestamp) -> Result<Figures, Unavailable> {
        let now = now.as_millisecond();
        Ok(Figures {
            incidents: sqlx::query_as(rows::COUNT_INCIDENTS).fetch_all(&self.readers).await?,
            actions: sqlx::query_as(rows::COUNT_ACTIONS).bind(now).fetch_all(&self.readers).await?,
            oldest_due_ms: sqlx::query_scalar(rows::OLDEST_DUE).bind(now).fetch_one(&self.readers).await?,
            kept: sqlx::query_as(rows::COUNT_KEPT).fetch_all(&self.readers).await?,
        })
    }

    pub(super) async fn incidents_after(
        &self,
        last: Option<&IncidentId>,
    ) -> Result<Vec<IncidentId>, Unavailable> {
        let ids: Vec<String> =
            sqlx::query_scalar("SELECT id FROM incidents WHERE id > $1 ORDER BY id LIMIT 500")
                .bind(last.map_or("", IncidentId::as_str))
                .fetch_all(&self.readers)
                .await?;
        ids.iter().map(|id| rows::incident_id(id)).collect()
    }

    /// SQLite's own copy: one consistent moment, while the writer goes on.
    pub(super) async fn backup(&self, file: &Path) -> Result<(), Unavailable> {
        if file.exists() {
            return Err(Unavailable { reason: format!("{} exists already", file.display()) });
        }
        let name = file.to_str().ok_or_else(|| Unavailable {
            reason: format!("{} is no name that SQLite can open", file.display()),
        })?;
        sqlx::query("VACUUM INTO $1").bind(name).execute(&self.readers).await?;
        // SQLite does not flush what it vacuums into; a backup that a power cut takes back is none.
        let flushed = File::open(file).and_then(|copy| copy.sync_all());
        flushed.map_err(|error| Unavailable { reason: format!("{}: {error}", file.display()) })
    }

    pub(super) async fn integrity(&self) -> Result<Vec<String>, Unavailable> {
        let mut said: Vec<String> =
            sqlx::query_scalar("PRAGMA integrity_check(20)").fetch_all(&self.readers).await?;
        said.retain(|line| line != "ok");
        let strays: Vec<(String, i64)> =
            sqlx::query_as("SELECT \"table\", count(*) FROM pragma_foreign_key_check GROUP BY 1")
                .fetch_all(&self.readers)
                .await?;
        said.extend(
            strays.iter().map(|(table, count)| format!("{count} rows of {table} refer to no incident")),
        );
        Ok(said)
    }

    // One process owns the file: there is nothing to share with anybody.

    /// Always: every action is this process's own.
    #[expect(clippy::unused_async, reason = "the same shape as the server's")]
    pub(super) async fn begin(&self, _: &Pending) -> Result<bool, Unavailable> {
        Ok(true)
    }

    /// None.
    #[expect(clippy::unused_async, reason = "the same shape as the server's")]
    pub(super) async fn adopt(&self, _: &[ActionId]) -> Result<Vec<Pending>, Unavailable> {
        Ok(Vec::new())
    }

    /// None.
    #[expect(clippy::unused_async, reason = "the same shape as the server's")]
    pub(super) async fn next_in(&self, _: &str) -> Result<Option<Pending>, Unavailable> {
        Ok(None)
    }

    /// Nothing.
    #[expect(clippy::unused_async, reason = "the same shape as the server's")]
    pub(super) async fn release(&self) -> Result<(), Unavailable> {
        Ok(())
    }

    /// None.
    #[expect(clippy::unused_async, reason = "the same shape as the server's")]
    pub(super) async fn changed(&self) -> Result<Vec<IncidentId>, Unavailable> {
        Ok(Vec::new())
    }
}

/// Whether SQLite says that the file's contents make no sense (SQLITE_CORRUPT, SQLITE_NOTADB), whatever the finer code.
fn is_damage(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    let code = error.code().and_then(|code| code.parse::<u32>().ok());
    matches!(code.map(|code| code & 0xff), Some(11 | 26))
}

/// What the database said, and what to do about it where nobody else knows.
fn unavailable(error: &sqlx::Error) -> Unavailable {
    if !is_damage(error) {
        return Unavailable { reason: error.to_string() };
    }
    let advice = "`firstcheck store check` says what is damaged, and `firstcheck store restore` puts a backup in its place";
    Unavailable { reason: format!("the database file is damaged ({error}); {advice}") }
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

/// Copies, flushes, and renames: whoever looks sees the old store or the new one.
pub(super) fn restore(from: &Path, to: &Path, replace: bool) -> Result<(), OpenError> {
    let _lock = own(to)?;
    let name = to.display().to_string();
    let unusable =
        |error: std::io::Error| OpenError::Unusable { file: name.clone(), reason: error.to_string() };
    let beside = |ending: &str| {
        let mut path = to.as_os_str().to_owned();
        path.push(ending);
        std::path::PathBuf::from(path)
    };
    if to.exists() && !replace {
        let reason = "it is there already; say --replace to put the copy in its place".to_owned();
        return Err(OpenError::Unusable { file: name, reason });
    }
    let new = beside("-restoring");
    std::fs::copy(from, &new).map_err(unusable)?;
    File::open(&new).and_then(|copy| copy.sync_all()).map_err(unusable)?;
    // What the old store had not yet moved from its log belongs to the old store.
    for ending in ["-wal", "-shm"] {
        match std::fs::remove_file(beside(ending)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unusable(error)),
            Ok(()) | Err(_) => {}
        }
    }
    std::fs::rename(&new, to).map_err(unusable)
}

fn migrator() -> Migrator {
    let numbered = [
        (1, "incidents", include_str!("migrations/0001_incidents.sql").into_sql_str()),
        (2, "pruning", include_str!("migrations/0002_pruning.sql").into_sql_str()),
        (3, "doors", include_str!("migrations/0003_doors.sql").into_sql_str()),
        (4, "access", include_str!("migrations/0004_access.sql").into_sql_str()),
        (5, "earlier", include_str!("migrations/0005_earlier.sql").into_sql_str()),
        (6, "once", include_str!("migrations/0006_once.sql").into_sql_str()),
        (8, "repeats", include_str!("migrations/0008_repeats.sql").into_sql_str()),
        (10, "pieces", include_str!("migrations/0010_pieces.sql").into_sql_str()),
    ];
    let migration = |(number, name, sql): (i64, &'static str, _)| {
        Migration::new(number, name.into(), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations(numbered.map(migration).into())
}

/// The secret of this installation; the first call draws it.
async fn instance_secret(connection: &mut SqliteConnection) -> Result<[u8; 32], sqlx::Error> {
    sqlx::query("INSERT INTO meta (name, value) VALUES ('secret', ?) ON CONFLICT DO NOTHING")
        .bind(rows::drawn_secret())
        .execute(&mut *connection)
        .await?;
    let kept = sqlx::query_scalar("SELECT value FROM meta WHERE name = 'secret'");
    rows::secret(kept.fetch_one(&mut *connection).await?)
}

#[cfg(test)]
mod tests;
