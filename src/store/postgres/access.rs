//! Tokens, sessions and the audit log on the server.

use super::Postgres;
use crate::access::Token;
use crate::access::audit::Entry;
use crate::store::Unavailable;
use crate::store::access::{self as it, AccessChange};

/// Entries follow each other: two replicas that add one wait for each other.
const LOCK: &str = "SELECT pg_advisory_xact_lock($1)";

it::reads!(Postgres, pool);

impl Postgres {
    pub(in crate::store) async fn change_access(&self, change: AccessChange) -> Result<bool, Unavailable> {
        self.change_all(&[change]).await
    }

    /// All of them, or none when one changes nothing.
    pub(in crate::store) async fn change_all(&self, changes: &[AccessChange]) -> Result<bool, Unavailable> {
        let mut tx = self.pool.begin().await?;
        for change in changes {
            let connection: &mut sqlx::PgConnection = &mut tx;
            if !it::carry_out!(connection, change, Some(LOCK)) {
                return Ok(false);
            }
        }
        tx.commit().await?;
        Ok(true)
    }
}
