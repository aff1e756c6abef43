//! Tokens, sessions and the audit log in the file.

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::{BUSY_TIMEOUT, Sqlite, migrator};
use crate::access::Token;
use crate::access::audit::Entry;
use crate::store::access::{self as it, AccessChange};
use crate::store::{OpenError, Unavailable};

it::reads!(Sqlite, readers);

impl Sqlite {
    pub(in crate::store) async fn change_access(&self, change: AccessChange) -> Result<bool, Unavailable> {
        self.writer.change_access(change).await
    }
}

/// Carries a change out; gives whether it changed anything.
pub(super) async fn carry_out(
    connection: &mut SqliteConnection,
    change: &AccessChange,
) -> Result<bool, sqlx::Error> {
    // SQLite's one write lock is held already.
    Ok(it::carry_out!(connection, change, None::<&'static str>))
}

/// Carries changes out in a file that a bot may be using: SQLite lets one write after the other.
pub(in crate::store) async fn beside(
    file: &std::path::Path,
    changes: &[AccessChange],
) -> Result<bool, OpenError> {
    let unusable = |error: sqlx::Error| OpenError::Unusable {
        file: file.display().to_string(),
        reason: error.to_string(),
    };
    let options =
        SqliteConnectOptions::new().filename(file).create_if_missing(true).busy_timeout(BUSY_TIMEOUT);
    let mut connection = options.connect().await.map_err(unusable)?;
    // A bot that uses the file has brought it up to date, and would be in the way of doing it again.
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = 'audit'")
        .fetch_one(&mut connection)
        .await
        .map_err(unusable)?;
    if tables == 0 {
        migrator().run(&mut connection).await.map_err(|error| unusable(error.into()))?;
    }
    let carried = async {
        let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
        for change in changes {
            if !carry_out(&mut tx, change).await? {
                tx.rollback().await?;
                return Ok(false);
            }
        }
        tx.commit().await?;
        Ok(true)
    };
    let done = carried.await.map_err(unusable)?;
    // What was done is done: a bot that holds the file may keep its log from being tidied up.
    drop(connection.close().await);
    Ok(done)
}
