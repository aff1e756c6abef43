//! Alerts that repeat themselves, counted together: one statement for all that arrived while the one before was being flushed.
//!
//! One at a time they would wait for each other at the rows of the incidents that a storm is about, a flush each. For the same reason each replica
//! counts in rows of its own (its part; those that draw the same one meet, in the same order, so that none waits for another crosswise); whoever reads adds
//! them up.

use jiff::Timestamp;
use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres as Db};
use tokio::sync::{mpsc, oneshot};

use super::{Postgres, clean};
use crate::incident::IncidentId;
use crate::store::{Heard, Piece, Unavailable, rows};

/// Deliveries in one statement.
const GROUP: usize = 256;

/// Alerts whose deliveries have no name: nearly all of a storm's, and planned in half the time.
const COUNT: &str = "WITH known AS (
       SELECT h.place, h.at_ms, s.incident_id
         FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
           WITH ORDINALITY AS h (source, fingerprint, digest, at_ms, place)
         JOIN sightings s ON s.source = h.source AND s.fingerprint = h.fingerprint AND s.digest = h.digest
         JOIN incidents i ON i.id = s.incident_id AND i.stage NOT IN ('resolved', 'closed')
     ), counted AS (
       INSERT INTO repeats AS r (incident_id, part, times, last_ms)
         SELECT incident_id, $5::smallint, count(*), max(at_ms) FROM known GROUP BY incident_id ORDER BY incident_id
         ON CONFLICT (incident_id, part) DO UPDATE SET
           times = r.times + excluded.times, last_ms = greatest(r.last_ms, excluded.last_ms)
     )
     SELECT place, incident_id FROM known";

/// Also those of which some are pieces of deliveries with a name: a piece that was taken before is known and not counted again.
const COUNT_PIECES: &str = "WITH known AS (
       SELECT h.*, s.incident_id
         FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $6::text[], $7::int[], $8::int[])
           WITH ORDINALITY AS h (source, fingerprint, digest, at_ms, delivery, piece, pieces, place)
         JOIN sightings s ON s.source = h.source AND s.fingerprint = h.fingerprint AND s.digest = h.digest
         JOIN incidents i ON i.id = s.incident_id AND i.stage NOT IN ('resolved', 'closed')
     ), taken AS (
       INSERT INTO delivery_ids (source, id, piece, pieces, at_ms, incident_id)
         SELECT source, delivery, piece, pieces, at_ms, incident_id FROM known WHERE delivery IS NOT NULL
         ORDER BY source, delivery, piece
         ON CONFLICT DO NOTHING RETURNING incident_id, at_ms
     ), news AS (
       SELECT incident_id, at_ms FROM known WHERE delivery IS NULL UNION ALL SELECT incident_id, at_ms FROM taken
     ), counted AS (
       INSERT INTO repeats AS r (incident_id, part, times, last_ms)
         SELECT incident_id, $5::smallint, count(*), max(at_ms) FROM news GROUP BY incident_id ORDER BY incident_id
         ON CONFLICT (incident_id, part) DO UPDATE SET
           times = r.times + excluded.times, last_ms = greatest(r.last_ms, excluded.last_ms)
     )
     SELECT place, incident_id FROM known";

type Counted = Result<Vec<Option<IncidentId>>, Unavailable>;

/// The task that counts.
#[derive(Debug, Clone)]
pub(super) struct Counter {
    queue: mpsc::Sender<(Vec<Heard>, Timestamp, oneshot::Sender<Counted>)>,
}

impl Counter {
    pub(super) fn start(pool: PgPool, part: i16) -> Self {
        let (queue, mut deliveries) =
            mpsc::channel::<(Vec<Heard>, Timestamp, oneshot::Sender<Counted>)>(GROUP);
        tokio::spawn(async move {
            let mut group = Vec::with_capacity(GROUP);
            let mut kept = None;
            while deliveries.recv_many(&mut group, GROUP).await > 0 {
                let (mut all, mut replies) = (Vec::new(), Vec::with_capacity(group.len()));
                for (heard, at, reply) in group.drain(..) {
                    replies.push((heard.len(), reply));
                    all.extend(heard.into_iter().map(|heard| (heard, at.as_millisecond())));
                }
                let mut counted = count(&pool, &mut kept, part, all).await.map(Vec::into_iter);
                // A connection that lay idle is tried before it is used again; in a storm that would be a trip for each group.
                if deliveries.is_empty() {
                    kept = None;
                }
                for (many, reply) in replies {
                    // Somebody who no longer waits has gone away; what was counted stays counted.
                    let _ = reply.send(match &mut counted {
                        Ok(incidents) => Ok(incidents.by_ref().take(many).collect()),
                        Err(error) => Err(Unavailable { reason: error.reason.clone() }),
                    });
                }
            }
        });
        Self { queue }
    }
}

impl Postgres {
    pub(in crate::store) async fn repeat(&self, heard: Vec<Heard>, at: Timestamp) -> Counted {
        let gone = || Unavailable { reason: "it was closed".to_owned() };
        let (reply, answer) = oneshot::channel();
        self.counter.queue.send((heard, at, reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

async fn count(
    pool: &PgPool,
    kept: &mut Option<PoolConnection<Db>>,
    part: i16,
    heard: Vec<(Heard, i64)>,
) -> Counted {
    let mut incidents = vec![None; heard.len()];
    let (mut sources, mut fingerprints, mut digests, mut times) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut pieces = Vec::new();
    for (heard, at) in heard {
        sources.push(clean(&heard.source));
        fingerprints.push(clean(&heard.fingerprint));
        digests.push(heard.digest);
        times.push(at);
        pieces.push(heard.piece);
    }
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => pool.acquire().await?,
    };
    let has_pieces = pieces.iter().any(Option::is_some);
    let statement = sqlx::query_as(if has_pieces { COUNT_PIECES } else { COUNT })
        .bind(sources)
        .bind(fingerprints)
        .bind(digests)
        .bind(times)
        .bind(part);
    let statement = if has_pieces {
        let of_each = |of: fn(&Piece) -> i32| pieces.iter().map(|it| it.as_ref().map(of)).collect::<Vec<_>>();
        let deliveries: Vec<Option<String>> =
            pieces.iter().map(|it| it.as_ref().map(|piece| clean(&piece.delivery))).collect();
        statement.bind(deliveries).bind(of_each(|piece| piece.place)).bind(of_each(|piece| piece.of))
    } else {
        statement
    };
    let known: Vec<(i64, String)> = statement.fetch_all(&mut *connection).await?;
    // One that failed goes back to the pool, which looks what is left of it.
    *kept = Some(connection);
    for (place, id) in known {
        // Places count from one.
        if let Some(incident) = usize::try_from(place - 1).ok().and_then(|place| incidents.get_mut(place)) {
            *incident = Some(rows::incident_id(&id)?);
        }
    }
    Ok(incidents)
}
