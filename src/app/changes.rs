//! Changes that deploy tools tell us of: kept for the `deploys` check and for people.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use serde::Serialize;
use serde_json::Value;

use crate::app::{App, AppError, ChangeFilter, RecordedChange, Unavailable};
use crate::checks::told::{self, Answer, ToldChanges};
use crate::clock;
use crate::profile::changes::webhook;
use crate::profile::{ReleaseProfile, ServiceProfile};
use crate::store::{Note, Store};

/// What came of a delivery of changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recorded {
    /// The changes, in the order of the body.
    pub changes: Vec<RecordedChange>,
    /// Why (some of) it is no change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignored: Option<String>,
}

/// What the store remembers of told changes, for the `deploys` check.
pub(super) struct Told(pub(super) Store);

impl ToldChanges for Told {
    fn told<'a>(&'a self, service: &'a str, repository: Option<&'a str>) -> Answer<'a> {
        Box::pin(async move {
            let filter = ChangeFilter { service: named(service), limit: 1000, ..ChangeFilter::default() };
            let found = self.0.changes(&filter).await.map_err(|error| error.to_string())?;
            Ok(found.into_iter().filter(|it| is_of(it, repository)).map(|it| it.change).collect())
        })
    }
}

fn named(service: &str) -> Option<String> {
    Some(service.to_owned()).filter(|name| !name.is_empty())
}

/// Whether a change may be one of this repository's. One that names its service was found by that.
fn is_of(told: &RecordedChange, repository: Option<&str>) -> bool {
    match (&told.change.service, &told.repository, repository) {
        (Some(_), ..) | (None, None, _) => true,
        (None, Some(theirs), Some(ours)) => theirs.eq_ignore_ascii_case(ours),
        // Of a repository that may be anybody's: it would be a suspect in every incident.
        (None, Some(_), None) => false,
    }
}

impl App {
    /// What is known of a service, with what we were told of its changes when nothing else tells of them. A service of whose changes
    /// nobody ever told has none to be asked for: silence would look like calm.
    pub(super) async fn with_told(&self, mut profile: ServiceProfile) -> ServiceProfile {
        let service = profile.name.clone();
        if profile.releases.is_some() || service.is_empty() || !self.doors.is_told.load(Ordering::Relaxed) {
            return profile;
        }
        let repository = profile.repository.clone();
        match Told(self.store.clone()).told(&service, repository.as_deref()).await {
            Ok(told) if !told.is_empty() => {
                let record = told::target(&service, repository.as_deref());
                profile.releases =
                    Some(ReleaseProfile { record, repository: None, environment: None, window: None });
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(error, "what was told of changes cannot be looked up"),
        }
        profile
    }

    /// Learns whether anybody tells us of changes.
    pub(super) async fn learn_of_changes(&self) -> Result<(), Unavailable> {
        if !self.doors.is_told.load(Ordering::Relaxed) {
            let any =
                !self.store.changes(&ChangeFilter { limit: 1, ..ChangeFilter::default() }).await?.is_empty();
            self.doors.is_told.store(any, Ordering::Relaxed);
        }
        Ok(())
    }

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
        for webhook::Told { key, change, repository, url } in understood.changes {
            let change = RecordedChange { change, source: source.to_owned(), repository, url };
            let key = format!("{source}|{key}");
            self.store.note(Note::Change { key, change: Box::new(change.clone()) }).await?;
            tracing::info!(source, service = change.change.service, at = %change.change.at, "a change was recorded");
            let labels = format!("source=\"{source}\",kind=\"{}\"", change.change.kind);
            self.counters.add("firstcheck_changes_total", &labels, 1);
            self.doors.is_told.store(true, Ordering::Relaxed);
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
}
