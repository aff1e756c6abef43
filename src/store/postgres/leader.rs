//! One replica does what only one may do: it holds an advisory lock of the database, which goes with its connection.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use tokio::sync::watch;

use super::Postgres;

/// "firstche" as a number: the lock's name, shared by all replicas on one database.
const LOCK: i64 = 0x6669_7273_7463_6865;

/// How often a replica asks for the lock, and whether it still has it.
const PAUSE: Duration = Duration::from_secs(1);

/// The lock is lost when the server does not answer for this long: the server has let go of it then, or will.
const ANSWER: Duration = Duration::from_secs(3);

/// The race for the lock.
pub(in crate::store) struct Leader;

impl Leader {
    /// Runs for the lock until nobody listens any more.
    pub(in crate::store) fn run_for(store: &Postgres) -> watch::Receiver<bool> {
        let (leads, listener) = watch::channel(false);
        let options = store.pool.connect_options();
        tokio::spawn(async move {
            while !leads.is_closed() {
                if let Ok(Ok(connection)) =
                    tokio::time::timeout(ANSWER, PgConnection::connect_with(&options)).await
                {
                    hold(connection, &leads).await;
                }
                if leads.send_replace(false) {
                    tracing::warn!("this replica does not lead any more");
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        listener
    }
}

/// Asks for the lock and keeps it, until the connection fails or nobody listens.
async fn hold(mut connection: PgConnection, leads: &watch::Sender<bool>) {
    loop {
        let asked = if *leads.borrow() {
            tokio::time::timeout(ANSWER, connection.ping()).await.map(|pinged| pinged.map(|()| true))
        } else {
            let question = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(LOCK);
            tokio::time::timeout(ANSWER, question.fetch_one(&mut connection)).await
        };
        let Ok(Ok(ours)) = asked else { return };
        if ours && !leads.send_replace(true) {
            tracing::info!("this replica leads");
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = leads.closed() => {
                // The lock goes with the connection.
                drop(connection.close().await);
                return;
            }
        }
    }
}
