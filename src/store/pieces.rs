//! What came of a delivery that its sender named, piece by piece: each alert in it, and the delivery itself where it is kept or holds none.
//!
//! A piece is written down in the transaction that takes it, under its delivery's name and its place: whoever takes it again, after a crash
//! or on another replica at the same moment, finds it taken. A delivery has come before when all of its pieces were taken.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use sqlx::PgConnection;

use crate::incident::IncidentId;
use crate::store::postgres::clean;
use crate::store::{Unavailable, rows};

/// One piece of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Piece {
    /// The source.
    pub source: Arc<str>,
    /// What the sender calls the delivery.
    pub delivery: Arc<str>,
    /// Its place: 0 for the delivery itself, its alerts from 1.
    pub place: i32,
    /// How many pieces the delivery has.
    pub of: i32,
}

/// The pieces of a delivery that were taken: their incidents, by place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// The incident each went to; none for what was kept, held back or told nothing new.
    pub pieces: BTreeMap<i32, Option<IncidentId>>,
    of: usize,
}

impl Taken {
    /// Whether this is all of the delivery.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.of > 0 && self.pieces.len() >= self.of
    }

    pub(super) fn read(rows: Vec<(i32, i32, Option<String>)>) -> Result<Self, Unavailable> {
        let mut taken = Self::default();
        for (place, of, incident) in rows {
            // A mapping that was mended in between may find more in it.
            taken.of = taken.of.max(usize::try_from(of).unwrap_or_default());
            taken.pieces.insert(place, incident.as_deref().map(rows::incident_id).transpose()?);
        }
        Ok(taken)
    }
}

/// Writes down that these pieces of one delivery are taken; false when one of them was before, and then nothing may be kept of
/// what the transaction has done. Whoever takes one at the same time waits here for the other's commit.
pub(super) async fn take(
    connection: &mut PgConnection,
    pieces: &[Piece],
    incident: Option<&IncidentId>,
    at: Timestamp,
) -> Result<bool, sqlx::Error> {
    let Some(first) = pieces.first() else { return Ok(true) };
    let places: Vec<i32> = pieces.iter().map(|piece| piece.place).collect();
    let taken = sqlx::query(
        "INSERT INTO delivery_ids (source, id, piece, pieces, at_ms, incident_id)
         SELECT $1, $2, place, $4, $5, $6 FROM unnest($3::int[]) AS p (place) ORDER BY place
         ON CONFLICT DO NOTHING",
    )
    .bind(clean(&first.source))
    .bind(clean(&first.delivery))
    .bind(places)
    .bind(first.of)
    .bind(at.as_millisecond())
    .bind(incident.map(IncidentId::as_str))
    .execute(connection)
    .await?;
    Ok(taken.rows_affected() == pieces.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_has_come_before_when_all_of_it_was_taken() {
        assert!(!Taken::read(Vec::new()).unwrap().is_whole());
        assert!(!Taken::read(vec![(1, 2, None)]).unwrap().is_whole());
        let id = IncidentId::from_seed(1);
        let whole = Taken::read(vec![(2, 2, Some(id.to_string())), (1, 2, None)]).unwrap();
        assert!(whole.is_whole());
        assert_eq!(whole.pieces.into_iter().collect::<Vec<_>>(), [(1, None), (2, Some(id))]);
        // More was found in it the second time.
        assert!(!Taken::read(vec![(1, 1, None), (2, 3, None)]).unwrap().is_whole());
    }
}
