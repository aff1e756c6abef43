//! What may happen once: under a key of a chat's, or as a piece of a delivery that its sender named.

use std::sync::Arc;

use crate::alert::Alert;
use crate::app::{Accepted, AppError, Joined, Unavailable};
use crate::store::{Heard, Piece, Taken};

/// Whether something may happen again.
#[derive(Debug, Clone, Copy)]
pub(super) enum Once<'a> {
    /// As often as it comes.
    No,
    /// Once under this key.
    Key(&'a str),
    /// Once for these pieces of a delivery.
    Pieces(&'a [Piece]),
}

impl<'a> Once<'a> {
    pub(super) fn under(key: Option<&'a str>) -> Self {
        key.map_or(Self::No, Self::Key)
    }

    pub(super) fn key(self) -> Option<String> {
        if let Self::Key(key) = self { Some(key.to_owned()) } else { None }
    }

    pub(super) fn pieces(self) -> Vec<Piece> {
        if let Self::Pieces(pieces) = self { pieces.to_vec() } else { Vec::new() }
    }
}

/// An alert on its way to its incident.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    pub(super) alert: Alert,
    /// The piece of a delivery that it is, when its sender named that.
    pub(super) piece: Option<Piece>,
}

impl From<Alert> for Arrival {
    fn from(alert: Alert) -> Self {
        Self { alert, piece: None }
    }
}

impl Arrival {
    pub(super) fn heard(&self) -> Heard {
        Heard { piece: self.piece.clone(), ..Heard::from(&self.alert) }
    }
}

pub(super) fn pieces(alerts: &[Arrival]) -> Vec<Piece> {
    alerts.iter().filter_map(|it| it.piece.clone()).collect()
}

/// A delivery with a name, and what was taken of it before.
pub(super) struct Begun<'t> {
    source: Arc<str>,
    delivery: Arc<str>,
    taken: &'t Taken,
}

impl<'t> Begun<'t> {
    pub(super) fn new(source: &str, delivery: &str, taken: &'t Taken) -> Self {
        Self { source: source.into(), delivery: delivery.into(), taken }
    }

    /// Its pieces, by place: itself and its alerts; `None` for those there is nothing left to do about. One that holds no alert, and
    /// one that is kept, is a piece itself.
    pub(super) fn pieces(&self, alerts: usize, is_kept: bool) -> Vec<Option<Piece>> {
        let is_piece = is_kept || alerts == 0;
        let of = i32::try_from(alerts + usize::from(is_piece)).unwrap_or(i32::MAX);
        let piece = |place: i32| {
            let (source, delivery) = (Arc::clone(&self.source), Arc::clone(&self.delivery));
            let is_left = !self.taken.pieces.contains_key(&place) && (place > 0 || is_piece);
            is_left.then_some(Piece { source, delivery, place, of })
        };
        (0..=i32::try_from(alerts).unwrap_or(i32::MAX)).map(piece).collect()
    }
}

/// Why alerts were not taken.
#[derive(Debug)]
pub(super) enum Untaken {
    /// It happened before, or a piece of it was taken before.
    Repeated,
    /// It failed.
    Failed(AppError),
}

impl From<AppError> for Untaken {
    fn from(error: AppError) -> Self {
        Self::Failed(error)
    }
}

impl From<Unavailable> for Untaken {
    fn from(error: Unavailable) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Untaken> for AppError {
    fn from(untaken: Untaken) -> Self {
        match untaken {
            Untaken::Repeated => Self::Refused("it was done before".to_owned()),
            Untaken::Failed(error) => error,
        }
    }
}

impl Accepted {
    pub(super) fn of(taken: Taken) -> Self {
        let mut accepted = Self::default();
        for id in taken.pieces.into_values().flatten() {
            accepted.add(Joined { id, alerts: 1 });
        }
        accepted
    }

    /// Adds what an incident took.
    pub(super) fn add(&mut self, joined: Joined) {
        match self.incidents.iter_mut().find(|known| known.id == joined.id) {
            Some(known) => known.alerts += joined.alerts,
            None => self.incidents.push(joined),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_goes_on_where_it_was_cut() {
        let taken = Taken::default();
        let begun = Begun::new("github", "d", &taken);
        let places = |pieces: Vec<Option<Piece>>| -> Vec<Option<(i32, i32)>> {
            pieces.into_iter().map(|piece| piece.map(|it| (it.place, it.of))).collect()
        };
        assert_eq!(places(begun.pieces(2, false)), [None, Some((1, 2)), Some((2, 2))]);
        assert_eq!(places(begun.pieces(1, true)), [Some((0, 2)), Some((1, 2))]);
        assert_eq!(places(begun.pieces(0, false)), [Some((0, 1))], "one without an alert is remembered too");
        let mut taken = Taken::default();
        taken.pieces.insert(1, None);
        assert_eq!(places(Begun::new("github", "d", &taken).pieces(2, false)), [None, None, Some((2, 2))]);
    }
}
