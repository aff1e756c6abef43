//! The API of the doors: how each source is, what was kept of its deliveries, maintenance silences, and changes.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alert::silence::Wanted as WantedSilence;
use crate::app::{
    AppError, ChangeFilter, Health, KeptFilter, RecordedChange, Replayed, ShownDelivery, ShownSilence, Tally,
    Verdict,
};
use crate::server::Shared;
use crate::server::form::json_body;
use crate::server::problem::Problem;
use crate::server::sender::Who;

/// Rows of a list when the caller does not say.
const LIST_DEFAULT: u32 = 100;

#[derive(Debug, Serialize)]
pub(super) struct Sources {
    sources: Vec<SourceShown>,
}

/// A source as the list shows it.
#[derive(Debug, Serialize)]
pub(super) struct SourceShown {
    source: String,
    title: String,
    path: String,
    methods: Vec<&'static str>,
    /// What a sender must show; empty when nothing.
    authentication: Vec<&'static str>,
    #[serde(flatten)]
    health: Health,
}

impl SourceShown {
    /// Whether it was heard of, in whatever way, or should have been.
    pub(super) fn is_known(&self) -> bool {
        let Health { last_delivery_at, counts, heartbeat } = &self.health;
        last_delivery_at.is_some() || heartbeat.is_some() || *counts != Tally::default()
    }
}

pub(super) async fn sources(State(shared): State<Shared>) -> Result<Json<Sources>, Problem> {
    Ok(Json(Sources { sources: shown(&shared).await? }))
}

/// Every source whose deliveries are taken.
pub(super) async fn shown(shared: &Shared) -> Result<Vec<SourceShown>, Problem> {
    let mut known = shared.app.sources().await?;
    let unheard = || Health { last_delivery_at: None, counts: Tally::default(), heartbeat: None };
    let sources = shared.doors.sources.all();
    let shown = sources.iter().map(|(source, credentials)| SourceShown {
        source: source.id().to_owned(),
        title: source.title(),
        path: format!("/alerts/{}", source.id()),
        methods: source.door().method_names(),
        authentication: credentials.kinds(),
        health: known.remove(source.id()).unwrap_or_else(unheard),
    });
    Ok(shown.collect())
}

/// Which kept deliveries are listed.
#[derive(Debug, Default, Deserialize)]
pub(super) struct WantedDeliveries {
    pub(super) state: Option<String>,
    pub(super) source: Option<String>,
    pub(super) before: Option<i64>,
    pub(super) limit: Option<u32>,
}

#[derive(Debug, Serialize)]
pub(super) struct Seen {
    pub(super) deliveries: Vec<ShownDelivery>,
    /// `before=` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_before: Option<i64>,
}

pub(super) async fn deliveries(
    State(shared): State<Shared>,
    wanted: Result<Query<WantedDeliveries>, QueryRejection>,
) -> Result<Json<Seen>, Problem> {
    let Query(wanted) = wanted.map_err(|error| Problem::bad_request(error.body_text()))?;
    Ok(Json(seen(&shared, wanted).await?))
}

/// A page of the kept deliveries.
pub(super) async fn seen(shared: &Shared, wanted: WantedDeliveries) -> Result<Seen, Problem> {
    let verdict = match wanted.state.as_deref() {
        None | Some("all") => None,
        Some("refused") => Some(Verdict::Bad),
        Some("unmapped") => Some(Verdict::Unmapped),
        Some("silenced") => Some(Verdict::Silenced),
        Some(other) => {
            return Err(Problem::bad_request(format!(
                "`{other}` is no state of a delivery; the states are refused, unmapped, silenced, and all"
            )));
        }
    };
    let limit = wanted.limit.unwrap_or(LIST_DEFAULT).clamp(1, 1000);
    let filter = KeptFilter { verdict, source: wanted.source, before: wanted.before, limit };
    let deliveries = shared.app.deliveries(&filter).await?;
    let is_full = deliveries.len() == limit as usize;
    let next_before = deliveries.last().filter(|_| is_full).map(|it| it.id);
    Ok(Seen { deliveries, next_before })
}

pub(super) async fn replay(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Replayed>, Problem> {
    Ok(Json(replayed(&shared, &id).await??))
}

/// Takes a kept delivery again; the inner error is what became of it.
pub(super) async fn replayed(shared: &Shared, id: &str) -> Result<Result<Replayed, AppError>, Problem> {
    let id =
        id.parse().map_err(|_| Problem::new(StatusCode::NOT_FOUND, format!("`{id}` names no delivery")))?;
    let doors = &shared.doors;
    // Most often a mapping was mended for it, a moment ago.
    if let Some(disk) = &doors.reread
        && let Err(problems) = disk.reread().await
    {
        let why = format!("what is on disk cannot be used, so nothing was taken again: {problems}");
        return Ok(Err(AppError::Refused(why)));
    }
    Ok(shared.app.replay(id, |name| doors.sources.named(name).map(|(source, _)| source)).await)
}

#[derive(Debug, Serialize)]
pub(super) struct Silences {
    silences: Vec<ShownSilence>,
}

pub(super) async fn silences(State(shared): State<Shared>) -> Result<Json<Silences>, Problem> {
    Ok(Json(Silences { silences: shared.app.silences().await? }))
}

pub(super) async fn silence(
    State(shared): State<Shared>,
    Who(who): Who,
    body: Body,
) -> Result<Response, Problem> {
    let mut wanted: WantedSilence = json_body(body).await?;
    wanted.by = who.by(Some(&wanted.by), "api").to_owned();
    let shown = shared.app.silence(wanted).await?;
    let place = HeaderValue::from_str(&format!("/api/silences/{}", shown.silence.id));
    let place = place.map_err(|_| Problem::bad_request("the silence has no name"))?;
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(shown)).into_response())
}

pub(super) async fn end_silence(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<ShownSilence>, Problem> {
    Ok(Json(shared.app.end_silence(&id).await?))
}

/// Which changes are listed.
#[derive(Debug, Deserialize)]
pub(super) struct WantedChanges {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    service: Option<String>,
    repository: Option<String>,
    limit: Option<u32>,
}

#[derive(Debug, Serialize)]
pub(super) struct Changes {
    changes: Vec<RecordedChange>,
}

pub(super) async fn changes(
    State(shared): State<Shared>,
    wanted: Result<Query<WantedChanges>, QueryRejection>,
) -> Result<Json<Changes>, Problem> {
    let Query(WantedChanges { from, to, service, repository, limit }) =
        wanted.map_err(|error| Problem::bad_request(error.body_text()))?;
    let filter = ChangeFilter { from, to, service, repository, limit: limit.unwrap_or(LIST_DEFAULT) };
    Ok(Json(Changes { changes: shared.app.changes(&filter).await? }))
}
