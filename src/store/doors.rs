//! What the doors remember beside incidents: deliveries kept and seen, silences, changes, and how each source is.
//!
//! The statements are the same words for both databases; a macro writes the functions out for each.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::alert::silence::Silence;
use crate::profile::changes::Change;
use crate::store::postgres::clean;
use crate::store::{Kept, Taken, Unavailable, Verdict, rows};

/// A kept delivery and its place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KeptDelivery {
    /// Its place; newer ones have larger ones.
    pub id: i64,
    /// The delivery.
    pub kept: Kept,
    /// When it was taken again.
    pub replayed_at: Option<Timestamp>,
}

/// Which kept deliveries are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptFilter {
    /// Only with this verdict.
    pub verdict: Option<Verdict>,
    /// Only of this source.
    pub source: Option<String>,
    /// Only older than this place.
    pub before: Option<i64>,
    /// At most so many, 1 to 1,000.
    pub limit: u32,
}

/// A change that somebody told us of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordedChange {
    /// The change.
    #[serde(flatten)]
    pub change: Change,
    /// The source it came from, as in `POST /changes/{source}`.
    pub source: String,
    /// `owner/name`, when the sender said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Where a person can read more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// Which changes are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeFilter {
    /// Not before.
    pub from: Option<Timestamp>,
    /// Not after.
    pub to: Option<Timestamp>,
    /// Of this service, or of none in particular.
    pub service: Option<String>,
    /// Of this repository.
    pub repository: Option<String>,
    /// At most so many, 1 to 1,000; the newest.
    pub limit: u32,
}

/// What came of a source's deliveries, since its first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// When it was last heard of, in milliseconds of the epoch.
    #[serde(skip)]
    pub last_ms: Option<i64>,
    /// Deliveries taken.
    pub accepted: u64,
    /// Alerts in them.
    pub alerts: u64,
    /// Deliveries that had come before.
    pub repeated: u64,
    /// Deliveries, or parts of them, that became no alert.
    pub unmapped: u64,
    /// Alerts that a silence held back.
    pub silenced: u64,
    /// Deliveries that were not this source's.
    pub refused: u64,
    /// Deliveries without valid credentials.
    pub unauthorized: u64,
}

impl Tally {
    /// Adds another count of the same source.
    pub fn add(&mut self, other: &Self) {
        self.last_ms = self.last_ms.max(other.last_ms);
        self.accepted += other.accepted;
        self.alerts += other.alerts;
        self.repeated += other.repeated;
        self.unmapped += other.unmapped;
        self.silenced += other.silenced;
        self.refused += other.refused;
        self.unauthorized += other.unauthorized;
    }
}

/// Something to be remembered.
#[derive(Debug, Clone)]
pub enum Note {
    /// A silence begins, or ends at another time.
    Silence(Silence),
    /// A silence held so many alerts back.
    HeldBack(BTreeMap<String, u64>),
    /// Something changed; told again under the same key it is the same change.
    Change {
        /// What tells it from every other.
        key: String,
        /// The change.
        change: Box<RecordedChange>,
    },
    /// What came of deliveries since the last time.
    Tallies(BTreeMap<String, Tally>),
    /// A kept delivery was taken again and became alerts.
    Replayed {
        /// Its place.
        id: i64,
        /// When.
        at: Timestamp,
    },
    /// Forget what is older than its time.
    Prune {
        /// Pieces of deliveries taken before this.
        seen: Timestamp,
        /// Silences that ended before this.
        silences: Timestamp,
        /// Changes before this.
        changes: Timestamp,
    },
}

type KeptRow = (i64, i64, String, String, String, i64, String, String, Option<i64>);
type TallyRow = (String, Option<i64>, i64, i64, i64, i64, i64, i64, i64);

fn kept(row: KeptRow) -> Result<KeptDelivery, Unavailable> {
    let (id, at_ms, source, verdict, reason, size, body, headers, replayed_ms) = row;
    let mut kept = rows::kept((at_ms, source, verdict, reason, size, body))?;
    kept.headers = rows::json("headers", &headers)?;
    Ok(KeptDelivery { id, kept, replayed_at: replayed_ms.map(rows::moment).transpose()? })
}

fn tally(row: TallyRow) -> (String, Tally) {
    let (source, last_ms, accepted, alerts, repeated, unmapped, silenced, refused, unauthorized) = row;
    let [accepted, alerts, repeated, unmapped, silenced, refused, unauthorized] =
        [accepted, alerts, repeated, unmapped, silenced, refused, unauthorized].map(i64::unsigned_abs);
    (source, Tally { last_ms, accepted, alerts, repeated, unmapped, silenced, refused, unauthorized })
}

#[derive(serde::Serialize, serde::Deserialize)]
struct StoredChange {
    #[serde(flatten)]
    change: Change,
    source: String,
    repository: Option<String>,
    url: Option<String>,
}

fn recorded_change(text: &str) -> Result<RecordedChange, Unavailable> {
    let StoredChange { change, source, repository, url } = rows::json("change", text)?;
    Ok(RecordedChange { change, source, repository, url })
}

macro_rules! doors_of {
    ($name:ident, $database:ty) => {
        pub(super) mod $name {
            use super::*;

            type Db = $database;
            type Connection = <Db as sqlx::Database>::Connection;
            type Pool = sqlx::Pool<Db>;

            pub(in crate::store) async fn write(
                connection: &mut Connection,
                note: &Note,
            ) -> Result<(), rows::TryError> {
                match note {
                    Note::Silence(silence) => {
                        sqlx::query(
                            "INSERT INTO silences (id, silence, ends_ms) VALUES ($1, $2, $3)
                             ON CONFLICT (id) DO UPDATE SET silence = excluded.silence, ends_ms = excluded.ends_ms",
                        )
                        .bind(clean(&silence.id))
                        .bind(rows::text(silence)?)
                        .bind(silence.ends_at.as_millisecond())
                        .execute(connection)
                        .await?;
                    }
                    Note::HeldBack(counts) => {
                        for (id, count) in counts {
                            sqlx::query("UPDATE silences SET alerts = alerts + $1 WHERE id = $2")
                                .bind(rows::place(*count))
                                .bind(clean(id))
                                .execute(&mut *connection)
                                .await?;
                        }
                    }
                    Note::Change { key, change } => {
                        let RecordedChange { change, source, repository, url } = (**change).clone();
                        let (at_ms, service) = (change.at.as_millisecond(), change.service.clone());
                        let stored = StoredChange { change, source, repository: repository.clone(), url };
                        sqlx::query(
                            "INSERT INTO changes (key, at_ms, service, repository, change) VALUES ($1, $2, $3, $4, $5)
                             ON CONFLICT (key) DO UPDATE SET at_ms = excluded.at_ms, service = excluded.service,
                               repository = excluded.repository, change = excluded.change",
                        )
                        .bind(clean(key))
                        .bind(at_ms)
                        .bind(service.as_deref().map(clean))
                        .bind(repository.as_deref().map(clean))
                        .bind(rows::text(&stored)?)
                        .execute(connection)
                        .await?;
                    }
                    Note::Tallies(tallies) => {
                        for (source, it) in tallies {
                            let Tally { accepted, alerts, repeated, unmapped, silenced, refused, unauthorized, last_ms } =
                                *it;
                            sqlx::query(
                                "INSERT INTO source_health AS h
                                   (source, last_ms, accepted, alerts, repeated, unmapped, silenced, refused, unauthorized)
                                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
                                 ON CONFLICT (source) DO UPDATE SET
                                   last_ms = CASE WHEN excluded.last_ms IS NULL OR h.last_ms > excluded.last_ms
                                             THEN h.last_ms ELSE excluded.last_ms END,
                                   accepted = h.accepted + excluded.accepted, alerts = h.alerts + excluded.alerts,
                                   repeated = h.repeated + excluded.repeated, unmapped = h.unmapped + excluded.unmapped,
                                   silenced = h.silenced + excluded.silenced, refused = h.refused + excluded.refused,
                                   unauthorized = h.unauthorized + excluded.unauthorized",
                            )
                            .bind(clean(source))
                            .bind(last_ms)
                            .bind(rows::place(accepted))
                            .bind(rows::place(alerts))
                            .bind(rows::place(repeated))
                            .bind(rows::place(unmapped))
                            .bind(rows::place(silenced))
                            .bind(rows::place(refused))
                            .bind(rows::place(unauthorized))
                            .execute(&mut *connection)
                            .await?;
                        }
                    }
                    Note::Replayed { id, at } => {
                        sqlx::query("UPDATE deliveries SET replayed_ms = $1 WHERE id = $2")
                            .bind(at.as_millisecond())
                            .bind(*id)
                            .execute(connection)
                            .await?;
                    }
                    Note::Prune { seen, silences, changes } => {
                        for (statement, before) in [
                            ("DELETE FROM delivery_ids WHERE at_ms < $1", seen),
                            ("DELETE FROM silences WHERE ends_ms < $1", silences),
                            ("DELETE FROM changes WHERE at_ms < $1", changes),
                        ] {
                            sqlx::query(statement).bind(before.as_millisecond()).execute(&mut *connection).await?;
                        }
                    }
                }
                Ok(())
            }

            pub(in crate::store) async fn taken(
                pool: &Pool,
                source: &str,
                id: &str,
            ) -> Result<Taken, Unavailable> {
                let found = "SELECT piece, pieces, incident_id FROM delivery_ids WHERE source = $1 AND id = $2";
                let found = sqlx::query_as(found).bind(clean(source)).bind(clean(id));
                Taken::read(found.fetch_all(pool).await?)
            }

            pub(in crate::store) async fn silences(pool: &Pool) -> Result<Vec<(Silence, u64)>, Unavailable> {
                let found: Vec<(String, i64)> =
                    sqlx::query_as("SELECT silence, alerts FROM silences ORDER BY ends_ms DESC, id LIMIT 1000")
                        .fetch_all(pool)
                        .await?;
                let read = |(text, alerts): (String, i64)| Ok((rows::json("silence", &text)?, alerts.unsigned_abs()));
                found.into_iter().map(read).collect()
            }

            pub(in crate::store) async fn changes(
                pool: &Pool,
                filter: &ChangeFilter,
            ) -> Result<Vec<RecordedChange>, Unavailable> {
                let found: Vec<String> = sqlx::query_scalar(
                    "SELECT change FROM changes
                     WHERE at_ms >= $1 AND at_ms <= $2 AND ($3 IS NULL OR service IS NULL OR lower(service) = lower($3))
                       AND ($4 IS NULL OR lower(repository) = lower($4))
                     ORDER BY at_ms DESC, id DESC LIMIT $5",
                )
                .bind(filter.from.map_or(i64::MIN, Timestamp::as_millisecond))
                .bind(filter.to.map_or(i64::MAX, Timestamp::as_millisecond))
                .bind(filter.service.as_deref().map(clean))
                .bind(filter.repository.as_deref().map(clean))
                .bind(i64::from(filter.limit.clamp(1, 1000)))
                .fetch_all(pool)
                .await?;
                found.iter().map(|text| recorded_change(text)).collect()
            }

            pub(in crate::store) async fn tallies(pool: &Pool) -> Result<BTreeMap<String, Tally>, Unavailable> {
                let found: Vec<TallyRow> = sqlx::query_as(
                    "SELECT source, last_ms, accepted, alerts, repeated, unmapped, silenced, refused, unauthorized
                     FROM source_health",
                )
                .fetch_all(pool)
                .await?;
                Ok(found.into_iter().map(tally).collect())
            }

            pub(in crate::store) async fn deliveries(
                pool: &Pool,
                filter: &KeptFilter,
            ) -> Result<Vec<KeptDelivery>, Unavailable> {
                let found: Vec<KeptRow> = sqlx::query_as(
                    "SELECT id, at_ms, source, verdict, reason, size, body, headers, replayed_ms FROM deliveries
                     WHERE ($1 IS NULL OR verdict = $1) AND ($2 IS NULL OR source = $2) AND id < $3
                     ORDER BY id DESC LIMIT $4",
                )
                .bind(filter.verdict.map(Verdict::id))
                .bind(filter.source.as_deref().map(clean))
                .bind(filter.before.unwrap_or(i64::MAX))
                .bind(i64::from(filter.limit.clamp(1, 1000)))
                .fetch_all(pool)
                .await?;
                found.into_iter().map(kept).collect()
            }

            /// Identities of open incidents' alerts of one source: fingerprint and incident.
            pub(in crate::store) async fn open_alerts(
                pool: &Pool,
                source: &str,
            ) -> Result<Vec<(String, String)>, Unavailable> {
                let found = sqlx::query_as(
                    "SELECT fingerprint, incident_id FROM sightings JOIN incidents ON incidents.id = incident_id
                     WHERE source = $1 AND stage NOT IN ('resolved', 'closed') ORDER BY fingerprint",
                );
                Ok(found.bind(clean(source)).fetch_all(pool).await?)
            }
        }
    };
}

doors_of!(sqlite, sqlx::Sqlite);
doors_of!(postgres, sqlx::Postgres);
