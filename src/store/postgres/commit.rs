//! What is written on PostgreSQL: one transaction per commit, a statement per table.

use jiff::Timestamp;
use sqlx::postgres::Postgres as Db;
use sqlx::{Connection as _, PgConnection, Transaction};

use super::leases::Doubt;
use super::{Postgres, clean};
use crate::incident::{Event, IncidentId};
use crate::store::rows::{self, TryError};
use crate::store::{
    ActionId, Commit, CommitError, KEPT_BODY_BYTES, KEPT_DELIVERIES, Kept, Note, Pending, Piece, Planned,
    Settled, Unavailable, doors, identity, pieces,
};

/// SQLSTATE of two transactions that waited for each other; the server has ended this one.
const DEADLOCK: &str = "40P01";

impl Postgres {
    pub(in crate::store) async fn commit(&self, commit: Commit) -> Result<Vec<Pending>, CommitError> {
        let doubt = Doubt::begin(self);
        let (id, key) = (commit.incident.id.clone(), commit.incident.key.clone());
        match self.try_commit(commit).await {
            Ok(pending) => {
                doubt.end();
                Ok(pending)
            }
            Err(TryError::Refused(refused)) => {
                doubt.end();
                Err(refused)
            }
            Err(TryError::Database(sqlx::Error::Database(error)))
                if error.code().as_deref() == Some(DEADLOCK) =>
            {
                doubt.end();
                Err(CommitError::Conflict)
            }
            // An incident that was over and is opened again meets the open one with its key.
            Err(TryError::Database(sqlx::Error::Database(error))) if error.is_unique_violation() => {
                doubt.end();
                let holder = self.open_incident(&key).await?.filter(|holder| *holder != id);
                Err(holder.map_or(CommitError::Conflict, CommitError::KeyTaken))
            }
            Err(TryError::Database(error)) => {
                tracing::error!(%error, "the store could not be written");
                Err(error.into())
            }
        }
    }

    async fn try_commit(&self, commit: Commit) -> Result<Vec<Pending>, TryError> {
        let mut tx = self.pool.begin().await?;
        let nothing_else = commit.events.is_empty() && commit.actions.is_empty();
        if !nothing_else {
            // First the incident's row: its lock puts everything that follows in order.
            write_incident(&mut tx, &commit).await?;
            if let Some(key) = &commit.once {
                happens_once(&mut tx, key, &commit).await?;
            }
            let at = commit.events.last().map_or(Timestamp::UNIX_EPOCH, |recorded| recorded.at);
            if !pieces::take(&mut tx, &commit.pieces, Some(&commit.incident.id), at).await? {
                return Err(TryError::Refused(CommitError::Repeated));
            }
            write_events(&mut tx, &commit).await?;
        }
        if let Some(settled) = commit.settles {
            // A replica that was taken for gone has lost its say: nothing is told twice.
            if !settle(&mut tx, settled, &self.replica).await? {
                return Err(TryError::Refused(CommitError::TakenOver));
            }
        }
        let pending = if commit.actions.is_empty() {
            Vec::new()
        } else {
            self.write_actions(&mut tx, &commit.incident.id, commit.actions).await?
        };
        tx.commit().await?;
        Ok(pending)
    }

    /// Writes the actions, leased to this replica unless another has something to do in their lane before them.
    async fn write_actions(
        &self,
        tx: &mut Transaction<'_, Db>,
        id: &IncidentId,
        actions: Vec<Planned>,
    ) -> Result<Vec<Pending>, TryError> {
        let lanes: Vec<&str> = actions.iter().map(|planned| planned.lane.as_str()).collect();
        let texts: Vec<String> =
            actions.iter().map(|planned| rows::text(&planned.action)).collect::<Result<_, _>>()?;
        let due: Vec<i64> = actions.iter().map(|planned| planned.due_at.as_millisecond()).collect();
        let mut places: Vec<(i64, bool)> = sqlx::query_as(
            "INSERT INTO actions (incident_id, lane, action, due_ms, leased_by)
             SELECT $1, p.lane, p.action, p.due_ms,
                    CASE WHEN EXISTS (SELECT 1 FROM actions e WHERE e.lane = p.lane AND e.state = 'waiting'
                                      AND e.leased_by IS DISTINCT FROM $5) THEN NULL ELSE $5 END
             FROM unnest($2::text[], $3::text[], $4::bigint[]) WITH ORDINALITY AS p (lane, action, due_ms, place)
             ORDER BY p.place
             RETURNING id, leased_by IS NOT NULL",
        )
        .bind(id.as_str())
        .bind(lanes)
        .bind(texts)
        .bind(due)
        .bind(&*self.replica)
        .fetch_all(&mut **tx)
        .await?;
        places.sort_unstable();
        let leased = actions.into_iter().zip(places).filter(|(_, (_, ours))| *ours);
        let pending = leased.map(|(planned, (place, _))| Pending {
            id: ActionId(place),
            incident: id.clone(),
            lane: planned.lane,
            action: planned.action,
            due_at: planned.due_at,
            attempts: 0,
            last_error: None,
        });
        Ok(pending.collect())
    }

    pub(in crate::store) async fn settle(&self, settled: Settled) -> Result<(), Unavailable> {
        let mut connection = self.pool.acquire().await?;
        settle(&mut connection, settled, &self.replica).await?;
        Ok(())
    }

    pub(in crate::store) async fn take(
        &self,
        pieces: Vec<Piece>,
        incident: Option<IncidentId>,
        at: Timestamp,
    ) -> Result<(), Unavailable> {
        let mut connection = self.pool.acquire().await?;
        pieces::take(&mut connection, &pieces, incident.as_ref(), at).await?;
        Ok(())
    }

    pub(in crate::store) async fn keep(
        &self,
        delivery: Kept,
        piece: Option<Piece>,
    ) -> Result<(), Unavailable> {
        let end = delivery.body.floor_char_boundary(KEPT_BODY_BYTES);
        let mut tx = self.pool.begin().await?;
        if !pieces::take(&mut tx, piece.as_slice(), None, delivery.at).await? {
            return Ok(());
        }
        sqlx::query(rows::KEEP)
            .bind(delivery.at.as_millisecond())
            .bind(clean(&delivery.source))
            .bind(delivery.verdict.id())
            .bind(clean(&delivery.reason))
            .bind(rows::place(delivery.size_bytes))
            .bind(clean(&delivery.body[..end]))
            .bind(rows::text(&delivery.headers)?)
            .execute(&mut *tx)
            .await?;
        let room = sqlx::query(rows::MAKE_ROOM).bind(clean(&delivery.source)).bind(KEPT_DELIVERIES);
        room.execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }

    pub(in crate::store) async fn note(&self, note: Note) -> Result<(), Unavailable> {
        let mut tx = self.pool.begin().await?;
        doors::postgres::write(&mut tx, &note).await.map_err(|error| match error {
            TryError::Database(error) => error.into(),
            TryError::Refused(refused) => Unavailable { reason: refused.to_string() },
        })?;
        Ok(tx.commit().await?)
    }

    pub(in crate::store) async fn forget(&self, before: Timestamp) -> Result<u64, Unavailable> {
        let mut connection = self.pool.acquire().await?;
        let mut tx = connection.begin().await?;
        let before = before.as_millisecond();
        let over: Vec<String> = sqlx::query_scalar(rows::OVER).bind(before).fetch_all(&mut *tx).await?;
        for id in &over {
            for statement in rows::FORGET {
                sqlx::query(statement).bind(id).execute(&mut *tx).await?;
            }
        }
        sqlx::query(rows::FORGET_DELIVERIES).bind(before).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(over.len() as u64)
    }
}

async fn happens_once(tx: &mut Transaction<'_, Db>, key: &str, commit: &Commit) -> Result<(), TryError> {
    let now = commit.events.last().map_or(0, |recorded| recorded.at.as_millisecond());
    sqlx::query(rows::FORGET_ONCE).bind(rows::once_before(now)).execute(&mut **tx).await?;
    let first = sqlx::query(rows::ONCE).bind(clean(key)).bind(now).execute(&mut **tx).await?;
    if first.rows_affected() == 0 { Err(TryError::Refused(CommitError::Repeated)) } else { Ok(()) }
}

async fn write_incident(tx: &mut Transaction<'_, Db>, commit: &Commit) -> Result<(), TryError> {
    let incident = &commit.incident;
    let now = commit.events.last().map_or(Timestamp::UNIX_EPOCH, |recorded| recorded.at).as_millisecond();
    let summary = rows::summary_text(incident)?;
    if commit.expected_seq > 0 {
        let moved = sqlx::query(
            "UPDATE incidents SET key = $1, seq = $2, stage = $3, updated_ms = $4, summary = $5, changed_at = now()
             WHERE id = $6 AND seq = $7",
        )
        .bind(clean(&incident.key.0))
        .bind(rows::place(incident.seq))
        .bind(incident.stage.id())
        .bind(now)
        .bind(summary)
        .bind(incident.id.as_str())
        .bind(rows::place(commit.expected_seq))
        .execute(&mut **tx)
        .await?;
        return if moved.rows_affected() == 1 {
            Ok(())
        } else {
            Err(TryError::Refused(CommitError::Conflict))
        };
    }
    // An insertion that loses waits for the winner's commit, and then finds it.
    let created = sqlx::query(
        "INSERT INTO incidents (id, key, seq, stage, opened_ms, updated_ms, summary) VALUES ($1, $2, $3, $4, $5, $5, $6)
         ON CONFLICT DO NOTHING",
    )
    .bind(incident.id.as_str())
    .bind(clean(&incident.key.0))
    .bind(rows::place(incident.seq))
    .bind(incident.stage.id())
    .bind(now)
    .bind(summary)
    .execute(&mut **tx)
    .await?;
    if created.rows_affected() == 1 {
        return Ok(());
    }
    let holder: Option<String> = sqlx::query_scalar(rows::OPEN_INCIDENT)
        .bind(clean(&incident.key.0))
        .fetch_optional(&mut **tx)
        .await?;
    let holder = holder.and_then(|id| IncidentId::parse(&id).ok());
    Err(TryError::Refused(holder.map_or(CommitError::Conflict, CommitError::KeyTaken)))
}

async fn write_events(tx: &mut Transaction<'_, Db>, commit: &Commit) -> Result<(), TryError> {
    let id = commit.incident.id.as_str();
    let places: Vec<i64> = commit.events.iter().map(|recorded| rows::place(recorded.seq)).collect();
    let texts: Vec<String> = commit.events.iter().map(rows::text).collect::<Result<_, _>>()?;
    sqlx::query(
        "INSERT INTO events (incident_id, seq, recorded) SELECT $1, e.seq, e.recorded FROM unnest($2::bigint[], $3::text[]) AS e (seq, recorded)",
    )
    .bind(id)
    .bind(places)
    .bind(texts)
    .execute(&mut **tx)
    .await?;
    let mut sighted: Vec<(String, String, Option<i64>, String)> = Vec::new();
    for recorded in &commit.events {
        let Event::AlertReceived { alert } = &recorded.event else { continue };
        let (source, fingerprint) = identity(alert);
        let started = alert.started_at.map(Timestamp::as_millisecond);
        sighted.push((clean(source), clean(fingerprint), started, alert.digest()));
    }
    // In one order everywhere: two commits never wait for each other crosswise.
    sighted.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    for (source, fingerprint, started, digest) in sighted {
        sqlx::query(
            "INSERT INTO sightings AS s (source, fingerprint, incident_id, started_ms, digest) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (source, fingerprint) DO UPDATE SET
               started_ms = CASE WHEN s.incident_id = $3 THEN coalesce($4, s.started_ms) ELSE $4 END, incident_id = $3, digest = $5",
        )
        .bind(source)
        .bind(fingerprint)
        .bind(id)
        .bind(started)
        .bind(digest)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// Whether the action was still this replica's.
async fn settle(connection: &mut PgConnection, settled: Settled, replica: &str) -> Result<bool, sqlx::Error> {
    let query = match settled {
        Settled::Done(id) => {
            let delete = "DELETE FROM actions WHERE id = $1 AND leased_by = $2 RETURNING incident_id, lane";
            let done: Option<(String, String)> =
                sqlx::query_as(delete).bind(id.0).bind(replica).fetch_optional(&mut *connection).await?;
            if let Some((incident, lane)) = done.as_ref().filter(|(_, lane)| rows::is_covering(lane)) {
                sqlx::query(rows::DELETE_COVERED).bind(incident).bind(lane).execute(connection).await?;
            }
            return Ok(done.is_some());
        }
        Settled::Postponed(action) => sqlx::query(
            "UPDATE actions SET due_ms = $3, attempts = $4, last_error = $5 WHERE id = $1 AND leased_by = $2",
        )
        .bind(action.id.0)
        .bind(replica.to_owned())
        .bind(action.due_at.as_millisecond())
        .bind(i64::from(action.attempts))
        .bind(action.last_error.as_deref().map(clean)),
        Settled::GivenUp(id, reason) => sqlx::query(
            "UPDATE actions SET state = 'given_up', attempts = attempts + 1, last_error = $3 WHERE id = $1 AND leased_by = $2",
        )
        .bind(id.0)
        .bind(replica.to_owned())
        .bind(clean(&reason)),
    };
    Ok(query.execute(connection).await?.rows_affected() == 1)
}
