//! Changes that deploy tools tell us of: kept for the `deploys` check and for people.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::app::{App, AppError, ChangeFilter, RecordedChange, Unavailable};
use crate::clock;
use crate::profile::changes::webhook::{self, Told};
use crate::store::Note;

/// What came of a delivery of changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recorded {
    /// The changes, in the order of the body.
    pub changes: Vec<RecordedChange>,
    /// Why (some of) it is no change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignored: Option<String>,
}

impl App {
    /// Takes a delivery of changes: everything in it is durable when this returns. The same change told again is one change.
    ///
    /// # Errors
    /// [`AppError::Malformed`] when it tells of no change, and [`AppError::Unavailable`].
    pub async fn record_changes(
        &self,
        source: &str,
        body: &Value,
        headers: &BTreeMap<String, String>,
    ) -> Result<Recorded, AppError> {
        let understood = webhook::read(source, body, headers, clock::now())
            .map_err(|error| AppError::Malformed(error.0))?;
        let mut changes = Vec::new();
        for Told { key, change, repository, url } in understood.changes {
            let change = RecordedChange { change, source: source.to_owned(), repository, url };
            let key = format!("{source}|{key}");
            self.store.note(Note::Change { key, change: Box::new(change.clone()) }).await?;
            tracing::info!(source, service = change.change.service, at = %change.change.at, "a change was recorded");
            let labels = format!("source=\"{source}\",kind=\"{}\"", change.change.kind);
            self.counters.add("firstcheck_changes_total", &labels, 1);
            changes.push(change);
        }
        Ok(Recorded { changes, ignored: understood.ignored })
    }

    /// The newest changes of those that are wanted.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot be read.
    pub async fn changes(&self, filter: &ChangeFilter) -> Result<Vec<RecordedChange>, Unavailable> {
        self.store.changes(filter).await
    }

    /// Changes between two moments, oldest last.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot be read.
    pub async fn changes_between(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<RecordedChange>, Unavailable> {
        self.store
            .changes(&ChangeFilter { from: Some(from), to: Some(to), limit: 1000, ..ChangeFilter::default() })
            .await
    }
}
