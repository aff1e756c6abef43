//! Who performs an action: leases of replicas, not of actions.
//!
//! An action is leased to the replica that committed it (so it starts at once, without a poll), and a replica renews one row
//! of its own. When that row expires, what it had leased is taken over by whoever looks first, the head of each lane only
//! (`FOR UPDATE SKIP LOCKED`): so a lane keeps its order whoever works on it. All times are the server's.

use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::AssertSqlSafe;

use super::Postgres;
use crate::store::{ActionId, Pending, Unavailable, rows};

/// How long a replica's leases outlive its last heartbeat.
const LEASE: &str = "interval '8 seconds'";

/// Lanes taken over at once: enough for a storm, few enough to be shared among replicas.
const BATCH: i64 = 256;

/// An action nobody performs: not leased, or leased to a replica that is gone. When the server itself was away every lease has expired;
/// nobody takes over from the others before they had the time to renew.
const FREE: &str = "(a.leased_by IS NULL OR (a.leased_by <> $1
      AND NOT EXISTS (SELECT 1 FROM replicas r WHERE r.id = a.leased_by AND r.expires_at > now())
      AND EXISTS (SELECT 1 FROM replicas r WHERE r.id = $1 AND r.since < now() - interval '8 seconds')))";

/// The first of its lane.
const HEAD: &str = "a.state = 'waiting' AND NOT EXISTS (SELECT 1 FROM actions e WHERE e.lane = a.lane AND e.state = 'waiting' AND e.id < a.id)";

const COLUMNS: &str = "a.id, a.incident_id, a.lane, a.action, a.due_ms, a.attempts, a.last_error";

/// A statement that leases is under way. Unless its answer arrives, it may have leased something to us that nobody performs.
pub(super) struct Doubt<'a>(Option<&'a AtomicBool>);

impl<'a> Doubt<'a> {
    pub(super) fn begin(store: &'a Postgres) -> Self {
        Self(Some(&store.in_doubt))
    }

    /// The answer is here.
    pub(super) fn end(mut self) {
        self.0 = None;
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if let Some(flag) = self.0 {
            flag.store(true, Ordering::Release);
        }
    }
}

impl Postgres {
    pub(in crate::store) async fn adopt(&self, known: &[ActionId]) -> Result<Vec<Pending>, Unavailable> {
        let doubt = Doubt::begin(self);
        let mut taken = self.take_over().await?;
        if self.in_doubt.swap(false, Ordering::AcqRel) {
            let known: Vec<i64> = known.iter().map(|id| id.0).chain(taken.iter().map(|row| row.0)).collect();
            let ours: Vec<rows::PendingRow> = sqlx::query_as(AssertSqlSafe(format!(
                "SELECT {COLUMNS} FROM actions a
                 WHERE a.leased_by = $1 AND a.state = 'waiting' AND NOT (a.id = ANY ($2)) ORDER BY a.id"
            )))
            .bind(&*self.replica)
            .bind(known)
            .fetch_all(&self.pool)
            .await?;
            taken.extend(ours);
        }
        doubt.end();
        taken.sort_by_key(|row| row.0);
        taken.into_iter().map(rows::pending).collect()
    }

    async fn take_over(&self) -> Result<Vec<rows::PendingRow>, sqlx::Error> {
        sqlx::query(AssertSqlSafe(format!(
            "INSERT INTO replicas AS r (id, since, expires_at) VALUES ($1, now(), now() + {LEASE})
             ON CONFLICT (id) DO UPDATE SET
               since = CASE WHEN r.expires_at < now() THEN now() ELSE r.since END, expires_at = now() + {LEASE}"
        )))
        .bind(&*self.replica)
        .execute(&self.pool)
        .await?;
        let taken: Vec<rows::PendingRow> = sqlx::query_as(AssertSqlSafe(format!(
            "UPDATE actions a SET leased_by = $1 WHERE a.id IN (
               SELECT a.id FROM actions a WHERE {HEAD} AND {FREE} ORDER BY a.id LIMIT $2 FOR UPDATE SKIP LOCKED)
             RETURNING {COLUMNS}"
        )))
        .bind(&*self.replica)
        .bind(BATCH)
        .fetch_all(&self.pool)
        .await?;
        // Long gone, and nothing is leased to it any more.
        sqlx::query("DELETE FROM replicas r WHERE r.expires_at < now() - interval '1 hour' AND NOT EXISTS (SELECT 1 FROM actions a WHERE a.leased_by = r.id)")
            .execute(&self.pool)
            .await?;
        Ok(taken)
    }

    pub(in crate::store) async fn begin(&self, action: &Pending) -> Result<bool, Unavailable> {
        let ours: Option<bool> = sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT {HEAD} FROM actions a WHERE a.id = $2 AND a.leased_by = $1 AND a.state = 'waiting'"
        )))
        .bind(&*self.replica)
        .bind(action.id.0)
        .fetch_optional(&self.pool)
        .await?;
        if ours == Some(false) {
            // Another replica took over what comes before it: it is that one's turn, and then anybody's.
            sqlx::query("UPDATE actions SET leased_by = NULL WHERE id = $2 AND leased_by = $1")
                .bind(&*self.replica)
                .bind(action.id.0)
                .execute(&self.pool)
                .await?;
        }
        Ok(ours == Some(true))
    }

    pub(in crate::store) async fn next_in(&self, lane: &str) -> Result<Option<Pending>, Unavailable> {
        let doubt = Doubt::begin(self);
        let next: Option<rows::PendingRow> = sqlx::query_as(AssertSqlSafe(format!(
            "UPDATE actions a SET leased_by = $1 WHERE a.id = (
               SELECT a.id FROM actions a WHERE a.lane = $2 AND {HEAD} AND a.leased_by IS NULL FOR UPDATE SKIP LOCKED)
             RETURNING {COLUMNS}"
        )))
        .bind(&*self.replica)
        .bind(lane)
        .fetch_optional(&self.pool)
        .await?;
        doubt.end();
        next.map(rows::pending).transpose()
    }

    pub(in crate::store) async fn release(&self) -> Result<(), Unavailable> {
        let mut tx = self.pool.begin().await?;
        sqlx::query("UPDATE actions SET leased_by = NULL WHERE leased_by = $1")
            .bind(&*self.replica)
            .execute(&mut *tx)
            .await?;
        sqlx::query("DELETE FROM replicas WHERE id = $1").bind(&*self.replica).execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }
}
