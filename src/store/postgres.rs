//! The store on a PostgreSQL server, shared by any number of replicas.
//!
//! Two commits that race meet at the unique index on open keys, or at the row of the incident, whose lock also puts the actions of one
//! incident in order. Commits run side by side and share the server's flushes (its own group commit). Who performs an action
//! is in [`leases`]; who holds the chat's gateway in [`leader`]. The surprise: text that PostgreSQL cannot keep (U+0000) is stored with
//! U+FFFD in its place; inside JSON it is escaped already.

use std::collections::BTreeMap;
use std::str::FromStr as _;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection as _, SqlSafeStr as _};

use crate::alert::{Alert, IncidentKey};
use crate::bucket::Bucket;
use crate::incident::{IncidentId, Recorded};
use crate::store::{Figures, Found, Kept, OpenError, Pending, Search, Sighting, Unavailable, identity, rows};

mod access;
mod commit;
mod leader;
mod leases;
mod repeats;

pub(super) use leader::Leader;
use repeats::Counter;

/// Connections of one replica. A commit holds one for some milliseconds; a server allows 100 by default.
const CONNECTIONS: u32 = 12;

/// How long a caller waits for a connection: less than a sender of webhooks waits for its answer.
const ACQUIRE: Duration = Duration::from_secs(5);

/// Rows in which an incident's repeats are counted at most: more than replicas, few to add up.
const PARTS: u8 = 32;

/// Server-side ends of what hangs, so that a lost replica holds no lock for long.
const LIMITS: [(&str, &str); 3] =
    [("statement_timeout", "8s"), ("lock_timeout", "5s"), ("idle_in_transaction_session_timeout", "8s")];

#[derive(Debug, Clone)]
pub(super) struct Postgres {
    pool: PgPool,
    secret: [u8; 32],
    /// The name of this replica in its leases.
    replica: Arc<str>,
    /// Places of incidents that were seen changing lately.
    seen: Arc<Mutex<BTreeMap<String, i64>>>,
    /// Whether the server may have leased us something without our hearing of it.
    in_doubt: Arc<AtomicBool>,
    counter: Counter,
}

impl Postgres {
    pub(super) async fn connect(url: &str) -> Result<Self, OpenError> {
        let options = PgConnectOptions::from_str(url).map_err(|error| OpenError::Unusable {
            file: "the PostgreSQL URL".to_owned(),
            reason: error.to_string(),
        })?;
        let name = format!(
            "the database {} at {}:{}",
            options.get_database().unwrap_or(options.get_username()),
            options.get_host(),
            options.get_port()
        );
        let unusable =
            |error: sqlx::Error| OpenError::Unusable { file: name.clone(), reason: error.to_string() };
        let options = options.application_name("firstcheck").options(LIMITS);
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE)
            .connect_with(options.clone())
            .await
            .map_err(unusable)?;
        // Two replicas that start at once wait for each other at sqlx's own lock: on a connection without time-outs.
        let mut patient = sqlx::PgConnection::connect_with(
            &options.options([("statement_timeout", "0"), ("lock_timeout", "0")]),
        )
        .await
        .map_err(unusable)?;
        migrator().run(&mut patient).await.map_err(|error| unusable(error.into()))?;
        patient.close().await.map_err(unusable)?;
        let secret = instance_secret(&pool).await.map_err(unusable)?;
        let replica = uuid::Uuid::new_v4();
        let counter = Counter::start(pool.clone(), i16::from(replica.as_bytes()[0] % PARTS));
        let replica = replica.to_string().into();
        Ok(Self { pool, secret, replica, seen: Arc::default(), in_doubt: Arc::default(), counter })
    }

    pub(super) fn secret(&self) -> [u8; 32] {
        self.secret
    }

    pub(super) async fn ping(&self) -> Result<(), Unavailable> {
        sqlx::query(
            "INSERT INTO meta (name, value) VALUES ('probe', $1) ON CONFLICT (name) DO UPDATE SET value = $1",
        )
        .bind(Timestamp::UNIX_EPOCH.to_string().into_bytes())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    pub(super) async fn load(&self, id: &IncidentId) -> Result<Vec<Recorded>, Unavailable> {
        rows::log(&sqlx::query_as(rows::LOAD).bind(id.as_str()).fetch_all(&self.pool).await?)
    }

    pub(super) async fn open_incident(&self, key: &IncidentKey) -> Result<Option<IncidentId>, Unavailable> {
        let id: Option<String> =
            sqlx::query_scalar(rows::OPEN_INCIDENT).bind(clean(&key.0)).fetch_optional(&self.pool).await?;
        id.as_deref().map(rows::incident_id).transpose()
    }

    pub(super) async fn previous(&self, id: &IncidentId) -> Result<Option<IncidentId>, Unavailable> {
        let found: Option<String> =
            sqlx::query_scalar(rows::PREVIOUS).bind(id.as_str()).fetch_optional(&self.pool).await?;
        found.as_deref().map(rows::incident_id).transpose()
    }

    pub(super) async fn sighting(&self, alert: &Alert) -> Result<Option<Sighting>, Unavailable> {
        let (source, fingerprint) = identity(alert);
        let row = sqlx::query_as(rows::SIGHTING).bind(clean(source)).bind(clean(fingerprint));
        row.fetch_optional(&self.pool).await?.map(rows::sighting).transpose()
    }

    /// Nothing: what is pending is leased from [`Self::adopt`].
    #[expect(clippy::unused_async, reason = "the same shape as the file's")]
    pub(super) async fn pending(&self) -> Result<Vec<Pending>, Unavailable> {
        Ok(Vec::new())
    }

    pub(super) async fn pending_of(&self, id: &IncidentId) -> Result<Vec<(Pending, bool)>, Unavailable> {
        let undone = sqlx::query_as(rows::PENDING_OF).bind(id.as_str()).fetch_all(&self.pool).await?;
        undone.into_iter().map(rows::pending_or_given_up).collect()
    }

    pub(super) async fn search(&self, search: &Search) -> Result<Found, Unavailable> {
        let (is_open, stage) = search.state.parts();
        let limit = search.limit();
        let rows = sqlx::query_as(rows::SEARCH_POSTGRES)
            .bind(is_open)
            .bind(stage)
            .bind(search.bucket.map(Bucket::id))
            .bind(search.service.as_deref())
            .bind(search.source.as_deref())
            .bind(search.since.map(jiff::Timestamp::as_millisecond))
            .bind(search.after.as_ref().map(|cursor| cursor.opened_ms))
            .bind(search.after.as_ref().map(|cursor| cursor.id.as_str()))
            .bind(i64::try_from(limit + 1).unwrap_or(i64::MAX))
            .fetch_all(&self.pool)
            .await?;
        rows::found(rows, limit)
    }

    pub(super) async fn kept(&self, limit: u32) -> Result<Vec<Kept>, Unavailable> {
        let kept = sqlx::query_as(rows::KEPT).bind(i64::from(limit)).fetch_all(&self.pool).await?;
        kept.into_iter().map(rows::kept).collect()
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(super) async fn figures(&self, now: Timestamp) -> Result<Figures, Unavailable> {
        let now = now.as_millisecond();
        Ok(Figures {
            incidents: sqlx::query_as(rows::COUNT_INCIDENTS).fetch_all(&self.pool).await?,
            actions: sqlx::query_as(rows::COUNT_ACTIONS).bind(now).fetch_all(&self.pool).await?,
            oldest_due_ms: sqlx::query_scalar(rows::OLDEST_DUE).bind(now).fetch_one(&self.pool).await?,
            kept: sqlx::query_as(rows::COUNT_KEPT).fetch_all(&self.pool).await?,
        })
    }

    pub(super) async fn changed(&self) -> Result<Vec<IncidentId>, Unavailable> {
        // A commit becomes visible after its `now()`: look back further than any may take, and leave out what was seen.
        let recent: Vec<(String, i64)> = sqlx::query_as(
            "SELECT id, seq FROM incidents WHERE changed_at > now() - interval '12 seconds' ORDER BY changed_at",
        )
        .fetch_all(&self.pool)
        .await?;
        let recent: BTreeMap<String, i64> = recent.into_iter().collect();
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let new = recent.iter().filter(|(id, seq)| seen.get(*id) != Some(seq));
        let new = new.map(|(id, _)| rows::incident_id(id)).collect();
        *seen = recent;
        new
    }

    /// The server checks its pages itself (`initdb --data-checksums`, `pg_amcheck`); here it is asked whether it can read the tables.
    pub(super) async fn integrity(&self) -> Result<Vec<String>, Unavailable> {
        let orphans: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM incidents i WHERE i.seq <> (SELECT count(*) FROM events e WHERE e.incident_id = i.id)",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(if orphans == 0 { Vec::new() } else { vec![format!("{orphans} incidents lack events")] })
    }

    pub(super) async fn incidents_after(
        &self,
        last: Option<&IncidentId>,
    ) -> Result<Vec<IncidentId>, Unavailable> {
        let ids: Vec<String> =
            sqlx::query_scalar("SELECT id FROM incidents WHERE id > $1 ORDER BY id LIMIT 500")
                .bind(last.map_or("", IncidentId::as_str))
                .fetch_all(&self.pool)
                .await?;
        ids.iter().map(|id| rows::incident_id(id)).collect()
    }
}

fn migrator() -> Migrator {
    let numbered = [
        (1, "incidents", include_str!("migrations/postgres/0001_incidents.sql").into_sql_str()),
        (3, "doors", include_str!("migrations/postgres/0003_doors.sql").into_sql_str()),
        (4, "access", include_str!("migrations/postgres/0004_access.sql").into_sql_str()),
        (5, "earlier", include_str!("migrations/postgres/0005_earlier.sql").into_sql_str()),
        (6, "once", include_str!("migrations/postgres/0006_once.sql").into_sql_str()),
        (8, "repeats", include_str!("migrations/postgres/0008_repeats.sql").into_sql_str()),
        (9, "parts", include_str!("migrations/postgres/0009_parts.sql").into_sql_str()),
        (10, "pieces", include_str!("migrations/postgres/0010_pieces.sql").into_sql_str()),
    ];
    let migration = |(number, name, sql): (i64, &'static str, _)| {
        Migration::new(number, name.into(), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations(numbered.map(migration).into())
}

async fn instance_secret(pool: &PgPool) -> Result<[u8; 32], sqlx::Error> {
    sqlx::query("INSERT INTO meta (name, value) VALUES ('secret', $1) ON CONFLICT DO NOTHING")
        .bind(rows::drawn_secret())
        .execute(pool)
        .await?;
    rows::secret(sqlx::query_scalar("SELECT value FROM meta WHERE name = 'secret'").fetch_one(pool).await?)
}

/// Text as PostgreSQL can keep it.
pub(super) fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
