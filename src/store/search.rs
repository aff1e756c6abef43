//! Which incidents a list shows, and from where on.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use crate::bucket::Bucket;
use crate::incident::{IncidentId, Stage};
use crate::store::Summary;

/// In which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Filter {
    /// All of them.
    #[default]
    All,
    /// Neither resolved nor closed.
    Open,
    /// Resolved or closed.
    Over,
    /// In this stage.
    In(Stage),
}

impl Filter {
    /// The word for it in an address: `all`, `open`, `over`, or a stage's id.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Open => "open",
            Self::Over => "over",
            Self::In(stage) => stage.id(),
        }
    }

    /// Whether open ones or those that are over alone, and in which stage alone.
    pub(super) fn parts(self) -> (Option<bool>, Option<&'static str>) {
        match self {
            Self::All => (None, None),
            Self::Open => (Some(true), None),
            Self::Over => (Some(false), None),
            Self::In(stage) => (None, Some(stage.id())),
        }
    }
}

/// What is looked for. The newest come first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Search {
    /// In which state.
    pub state: Filter,
    /// Of this boundary, as far as is known.
    pub bucket: Option<Bucket>,
    /// Of the service with exactly this name.
    pub service: Option<String>,
    /// Whose first alert came from this source.
    pub source: Option<String>,
    /// Opened at this moment or later.
    pub since: Option<Timestamp>,
    /// The page after the one that ended here.
    pub after: Option<Cursor>,
    /// How many, 1 to 1,000.
    pub limit: u32,
}

impl Search {
    /// The newest in this state.
    #[must_use]
    pub fn newest(state: Filter, limit: u32) -> Self {
        Self { state, limit, ..Self::default() }
    }

    /// One page.
    pub(super) fn limit(&self) -> usize {
        usize::try_from(self.limit.clamp(1, 1000)).unwrap_or(1000)
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Newest first.
    pub incidents: Vec<Summary>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Cursor>,
}

/// The place of an incident in the list of all: what comes and goes above it does not move it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor {
    pub(super) opened_ms: i64,
    pub(super) id: IncidentId,
}

/// A word that is no cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no cursor; take the one of the page before as it is")]
pub struct NotACursor(pub String);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.opened_ms, self.id)
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (opened_ms, id) = text.split_once('_')?;
            Some(Self { opened_ms: opened_ms.parse().ok()?, id: IncidentId::parse(id).ok()? })
        };
        read().ok_or_else(|| NotACursor(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is() {
        let cursor = Cursor { opened_ms: 1_700_000_000_123, id: IncidentId::from_seed(7) };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for bad in ["", "_", "1_2", "x_inc-0000000000", "1_inc-0000000000_"] {
            assert_eq!(bad.parse::<Cursor>(), Err(NotACursor(bad.to_owned())));
        }
    }
}
