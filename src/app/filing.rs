//! Filing the issue: what the tracker is told, and what is recorded before and after.
//!
//! A creation is recorded before the tracker is asked for it ([`Event::IssueBegun`]), on the state that was looked at: of two
//! replicas that file the same incident only one can record it, and after a crash whoever comes next knows that there may be an
//! issue. The surprise: an incident over lately may lend its issue to the next one with the same key, which is why the store is
//! asked for it here.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::failed::Failed;
use crate::app::App;
use crate::clock;
use crate::evidence;
use crate::incident::{Event, Incident, Retry, Stage};
use crate::profile::routing::{Route, Subject};
use crate::tracker::{Earlier, Filed, Filing, LeftOut, NotCreated, Placed};

/// How soon a filing that another replica is at is looked at again.
const ANOTHER: Duration = Duration::from_secs(2);

/// Files the issue as the incident stands now; gives what is to be recorded.
pub(super) async fn file(app: &Arc<App>, incident: &Incident) -> Result<Vec<Event>, Failed> {
    let redacted = app.redacted(incident);
    let mut issue = evidence::render::issue(&app.templates, &app.packed(&redacted).await?)
        .map_err(|error| Failed::never(error.to_string()))?;
    issue.closed = matches!(incident.stage, Stage::Resolved | Stage::Closed);
    let route = route(app, incident);
    let earlier = earlier(app, incident).await?;
    let turn = {
        let mut repositories = app.repositories.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(repositories.entry(route.repository.clone().unwrap_or_default()).or_default())
    };
    let _turn = turn.lock().await;
    let filing = Filing {
        incident: &incident.id,
        issue: &issue,
        route: &route,
        known: incident.issue.as_ref(),
        earlier: earlier.as_ref(),
        creating: incident.creating.as_ref(),
        now: clock::now(),
    };
    let placed = match app.tracker.file(&filing).await? {
        Filed::There(placed) => placed,
        Filed::Missing { repository } => create(app, incident, &filing, repository).await?,
    };
    Ok(events(incident, placed))
}

/// Records that the issue is about to be created, and creates it.
async fn create(
    app: &Arc<App>,
    incident: &Incident,
    filing: &Filing<'_>,
    repository: String,
) -> Result<Placed, Failed> {
    let recorded = Instant::now();
    let instead_of = incident.creating.as_ref().map(|it| it.since);
    let log = app.advance(&incident.id, &[Event::IssueBegun { repository, instead_of }], None).await?;
    let begun = log.iter().flatten().find(|it| matches!(it.event, Event::IssueBegun { .. })).map(|it| it.at);
    let Some(begun) = begun else {
        let retry = Retry::After(ANOTHER);
        return Err(Failed::new("another replica is about to create the issue".to_owned(), retry));
    };
    app.tracker.create(filing, recorded).await.map_err(|NotCreated { error, is_certain }| {
        let failed = Failed::new(error.reason, error.retry);
        if is_certain { failed.and(Event::IssueNotCreated { begun }) } else { failed }
    })
}

/// What is to be recorded of an issue that is as it should be: where it is, and what the tracker did not take.
fn events(incident: &Incident, placed: Placed) -> Vec<Event> {
    let Placed { issue, left_out } = placed;
    let mut events = Vec::new();
    if incident.issue.as_ref() != Some(&issue) {
        events.push(Event::IssueFiled { reference: issue.reference, url: issue.url });
    }
    let mut reasons: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for LeftOut { what, why } in left_out {
        reasons.entry(what).or_default().push(why);
    }
    let told = |what: &str| incident.troubles.iter().find(|trouble| trouble.what == what);
    for (what, reasons) in &reasons {
        let reason = reasons.join("; ");
        if told(what).is_none_or(|trouble| trouble.reason != reason) {
            events.push(Event::ActionFailed { what: (*what).to_owned(), reason, retry_at: None });
        }
    }
    if !reasons.contains_key(LeftOut::LABELLING) && told(LeftOut::LABELLING).is_some() {
        events.push(Event::ActionRecovered { what: LeftOut::LABELLING.to_owned() });
    }
    events
}

/// Where the issue goes.
fn route(app: &App, incident: &Incident) -> Route {
    let labels: BTreeMap<String, String> =
        incident.alerts.iter().rev().flat_map(|alert| alert.labels.clone()).collect();
    app.tracker.route(&Subject {
        profile: &incident.profile,
        service: incident.service(),
        endpoint: incident.endpoint(),
        severity: incident.severity(),
        bucket: incident.boundary(),
        labels: &labels,
    })
}

/// The last incident with the same key before this one, if it has an issue.
async fn earlier(app: &App, incident: &Incident) -> Result<Option<Earlier>, Failed> {
    let Some(id) = app.store.previous(&incident.id).await? else { return Ok(None) };
    let log = app.store.load(&id).await?;
    let before = Incident::fold(id, &log);
    let (Some(issue), Some(over)) = (before.issue, before.resolved_at.or(log.last().map(|it| it.at))) else {
        return Ok(None);
    };
    let began = incident.alerted_at.unwrap_or(over);
    let over_for = Duration::try_from(began.duration_since(over)).unwrap_or_default();
    Ok(Some(Earlier { issue, incident: before.id, over_for }))
}
