//! `POST /changes` and `POST /changes/{source}`: what was deployed, configured or switched, told by whoever did it.
//!
//! The doors of `generic`, `github` and `cloudevents` are asked for the sender's credentials. Without a name in the path the shape
//! of the delivery tells which.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};

use crate::app::RecordedChanges;
use crate::profile::changes::webhook;
use crate::server::problem::Problem;
use crate::server::{Shared, alerts, form};

/// The sources whose changes are understood.
const SOURCES: [&str; 3] = ["cloudevents", "generic", "github"];

pub(super) async fn receive(
    State(shared): State<Shared>,
    headers: HeaderMap,
    uri: Uri,
    bytes: Body,
) -> Result<(StatusCode, Json<RecordedChanges>), Problem> {
    take(&shared, None, &headers, &uri, bytes).await
}

pub(super) async fn receive_of(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    headers: HeaderMap,
    uri: Uri,
    bytes: Body,
) -> Result<(StatusCode, Json<RecordedChanges>), Problem> {
    take(&shared, Some(&name), &headers, &uri, bytes).await
}

async fn take(
    shared: &Shared,
    name: Option<&str>,
    headers: &HeaderMap,
    uri: &Uri,
    bytes: Body,
) -> Result<(StatusCode, Json<RecordedChanges>), Problem> {
    let named = alerts::named(headers);
    let name = name.unwrap_or_else(|| webhook::source(&named)).to_ascii_lowercase();
    let source =
        SOURCES.iter().find(|known| **known == name).and_then(|name| shared.doors.sources.named(name));
    let (source, credentials) = source.ok_or_else(|| {
        let detail = format!("changes of `{name}` are not taken; the sources are {}", SOURCES.join(", "));
        Problem::new(StatusCode::NOT_FOUND, detail)
    })?;
    let knock = alerts::Knock { source: &source, credentials: &credentials, headers };
    let opened = knock.body(shared, uri, None, bytes).await?;
    let body = opened.body.map_err(Problem::bad_request)?;
    let recorded = shared.app.record_changes(source.id(), &body, &named);
    match tokio::time::timeout(form::PATIENCE, recorded).await {
        Ok(recorded) => Ok((StatusCode::ACCEPTED, Json(recorded?))),
        Err(_) => Err(Problem::unavailable("storing a change took too long")),
    }
}
