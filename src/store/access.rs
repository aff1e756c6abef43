//! Tokens, sessions and the audit log: small tables that every replica shares, read by each request that shows a credential.
//!
//! What is written goes the way of everything that is written (with a file: through its one writer, so that a storm of alerts lets it
//! in). The statements are the same for both databases. The surprise: a session's content is text here; who
//! it belongs to is for others to read.

use jiff::Timestamp;

use crate::access::audit::{Entry, Note};
use crate::access::{Scope, Token};
use crate::store::Unavailable;

/// A change to these tables.
#[derive(Debug, Clone)]
pub enum AccessChange {
    /// Keeps a token; refused when there is one of this name.
    AddToken(Token),
    /// Forgets the token of this name; refused when there is none.
    RevokeToken(String),
    /// Keeps a session, and forgets those that are over at `now`.
    OpenSession {
        /// SHA-256 of what the cookie holds.
        hash: String,
        /// From when on it counts for nothing.
        expires_at: Timestamp,
        /// Whatever it means.
        content: String,
        /// The present moment.
        now: Timestamp,
    },
    /// Forgets a session; refused when there is none: of two that end one, one is told so.
    EndSession(String),
    /// Adds an entry to the audit log.
    Audit(Note),
}

/// Entries of the audit log that are read at once.
pub const AUDIT_PAGE: u32 = 500;

/// The last of the audit log: "audit" and the table's number, as a name for PostgreSQL's lock.
pub(super) const AUDIT_LOCK: i64 = 0x6175_6469_7400_0001;

pub(super) const ADD_TOKEN: &str = "INSERT INTO tokens (name, scope, hash, created_ms, expires_ms)
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
pub(super) const REVOKE_TOKEN: &str = "DELETE FROM tokens WHERE name = $1";
pub(super) const TOKENS: &str = "SELECT name, scope, hash, created_ms, expires_ms FROM tokens ORDER BY name";
pub(super) const TOKEN: &str = "SELECT name, scope, hash, created_ms, expires_ms FROM tokens WHERE hash = $1";
pub(super) const FORGET_SESSIONS: &str = "DELETE FROM sessions WHERE expires_ms <= $1";
pub(super) const OPEN_SESSION: &str =
    "INSERT INTO sessions (hash, expires_ms, content) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
pub(super) const END_SESSION: &str = "DELETE FROM sessions WHERE hash = $1";
pub(super) const SESSION: &str = "SELECT content FROM sessions WHERE hash = $1 AND expires_ms > $2";
pub(super) const LAST_ENTRY: &str = "SELECT seq, text, hash FROM audit ORDER BY seq DESC LIMIT 1";
pub(super) const ADD_ENTRY: &str = "INSERT INTO audit (seq, text, hash) VALUES ($1, $2, $3)";
pub(super) const ENTRIES: &str = "SELECT seq, text, hash FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2";

/// `name, scope, hash, created_ms, expires_ms`.
pub(super) type TokenRow = (String, String, String, i64, Option<i64>);

pub(super) fn token(row: TokenRow) -> Result<Token, Unavailable> {
    let (name, scope, hash, created_ms, expires_ms) = row;
    let unreadable = |reason: String| Unavailable { reason };
    let moment = |ms| Timestamp::from_millisecond(ms).map_err(|error| unreadable(error.to_string()));
    Ok(Token {
        name,
        scope: scope.parse::<Scope>().map_err(unreadable)?,
        hash,
        created_at: moment(created_ms)?,
        expires_at: expires_ms.map(moment).transpose()?,
    })
}

/// `seq, text, hash`.
pub(super) type EntryRow = (i64, String, String);

pub(super) fn entry((seq, text, hash): EntryRow) -> Entry {
    Entry { seq: seq.unsigned_abs(), text, hash }
}

/// The entry after the last.
pub(super) fn next_entry(last: Option<EntryRow>, note: &Note) -> Result<Entry, sqlx::Error> {
    let last = last.map(entry);
    let place = last.as_ref().map(|last| (last.seq, last.hash.as_str()));
    Entry::after(place, note).map_err(|error| sqlx::Error::Encode(error.into()))
}

/// Carries a change out inside a transaction; gives whether it changed anything. For a file nobody else writes meanwhile; a server is
/// told to let nobody (`lock`).
macro_rules! carry_out {
    ($connection:expr, $change:expr, $lock:expr) => {{
        use crate::store::access as it;
        use crate::store::access::AccessChange;
        let connection = $connection;
        let changed = match $change {
            AccessChange::AddToken(token) => {
                sqlx::query(it::ADD_TOKEN)
                    .bind(&token.name)
                    .bind(token.scope.id())
                    .bind(&token.hash)
                    .bind(token.created_at.as_millisecond())
                    .bind(token.expires_at.map(jiff::Timestamp::as_millisecond))
                    .execute(&mut *connection)
                    .await?
            }
            AccessChange::RevokeToken(name) => {
                sqlx::query(it::REVOKE_TOKEN).bind(name).execute(&mut *connection).await?
            }
            AccessChange::OpenSession { hash, expires_at, content, now } => {
                sqlx::query(it::FORGET_SESSIONS).bind(now.as_millisecond()).execute(&mut *connection).await?;
                sqlx::query(it::OPEN_SESSION)
                    .bind(hash)
                    .bind(expires_at.as_millisecond())
                    .bind(content)
                    .execute(&mut *connection)
                    .await?
            }
            AccessChange::EndSession(hash) => {
                sqlx::query(it::END_SESSION).bind(hash).execute(&mut *connection).await?
            }
            AccessChange::Audit(note) => {
                if let Some(lock) = $lock {
                    sqlx::query(lock).bind(it::AUDIT_LOCK).execute(&mut *connection).await?;
                }
                let last = sqlx::query_as(it::LAST_ENTRY).fetch_optional(&mut *connection).await?;
                let entry = it::next_entry(last, note)?;
                sqlx::query(it::ADD_ENTRY)
                    .bind(crate::store::rows::place(entry.seq))
                    .bind(&entry.text)
                    .bind(&entry.hash)
                    .execute(&mut *connection)
                    .await?
            }
        };
        changed.rows_affected() > 0
    }};
}
pub(super) use carry_out;

/// What is read, alike from both databases.
macro_rules! reads {
    ($store:ty, $pool:ident) => {
        impl $store {
            pub(in crate::store) async fn token(
                &self,
                hash: &str,
            ) -> Result<Option<Token>, crate::store::Unavailable> {
                let row = sqlx::query_as(it::TOKEN).bind(hash).fetch_optional(&self.$pool).await?;
                row.map(it::token).transpose()
            }

            pub(in crate::store) async fn tokens(&self) -> Result<Vec<Token>, crate::store::Unavailable> {
                let rows = sqlx::query_as(it::TOKENS).fetch_all(&self.$pool).await?;
                rows.into_iter().map(it::token).collect()
            }

            pub(in crate::store) async fn session(
                &self,
                hash: &str,
                now: jiff::Timestamp,
            ) -> Result<Option<String>, crate::store::Unavailable> {
                let content = sqlx::query_scalar(it::SESSION).bind(hash).bind(now.as_millisecond());
                Ok(content.fetch_optional(&self.$pool).await?)
            }

            pub(in crate::store) async fn audited(
                &self,
                after: u64,
            ) -> Result<Vec<Entry>, crate::store::Unavailable> {
                let page = sqlx::query_as(it::ENTRIES)
                    .bind(crate::store::rows::place(after))
                    .bind(i64::from(it::AUDIT_PAGE));
                Ok(page.fetch_all(&self.$pool).await?.into_iter().map(it::entry).collect())
            }
        }
    };
}
pub(super) use reads;
