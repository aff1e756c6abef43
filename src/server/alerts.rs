//! `POST /alerts/{source}`: an alert webhook, answered once its alerts are on disk.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::alert::body;
use crate::app::Accepted;
use crate::server::problem::Problem;
use crate::server::{BODY_BYTES, Shared, guard};
use axum::Json;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};

/// Time for a body to arrive, and again for its alerts to be stored: the most patient sender waits 15 s for both.
const PATIENCE: Duration = Duration::from_secs(7);

pub(super) async fn receive(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    headers: HeaderMap,
    uri: Uri,
    bytes: Body,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let (source, token) = shared.doors.source(&name).ok_or_else(|| unknown_source(&shared, &name))?;
    if token.as_ref().is_some_and(|token| !guard::shows(token, &headers, &uri)) {
        tracing::warn!(source = source.id(), "a delivery without a valid token was refused");
        return Err(guard::unauthorized());
    }
    let _turn = shared.deliveries.try_acquire().map_err(|_| Problem::overloaded())?;
    let bytes = read(bytes).await?;
    let json = match body::read(&bytes) {
        Ok(json) => json,
        Err(reason) => {
            shared.app.keep_unreadable(source.id(), &reason, &bytes).await?;
            return Err(Problem::bad_request(reason));
        }
    };
    match tokio::time::timeout(PATIENCE, shared.app.receive(source, json, named(&headers))).await {
        Ok(accepted) => Ok((StatusCode::ACCEPTED, Json(accepted?))),
        Err(_) => Err(Problem::unavailable("storing a delivery took too long")),
    }
}

fn unknown_source(shared: &Shared, name: &str) -> Problem {
    let known: Vec<&str> = shared.doors.sources.keys().map(super::super::alert::source::Source::id).collect();
    Problem::new(
        StatusCode::NOT_FOUND,
        format!("no source is called `{name}`; there are {}", known.join(", ")),
    )
}

/// The whole body, if it comes in time and is not too large.
pub(super) async fn read(body: Body) -> Result<Bytes, Problem> {
    match tokio::time::timeout(PATIENCE, to_bytes(body, BODY_BYTES)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if is_too_large(&error) => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is larger than {BODY_BYTES} bytes"),
        )),
        Ok(Err(_)) => Err(Problem::bad_request("the body ended before its declared end")),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    std::error::Error::source(error)
        .is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>)
}

/// The headers mappings and signatures look at, their names in lower case; credentials are not among them.
fn named(headers: &HeaderMap) -> BTreeMap<String, String> {
    let known = [
        "sentry-hook-resource",
        "x-github-event",
        "x-amz-sns-message-type",
        "x-honeycomb-webhook-type",
        "content-type",
        "user-agent",
    ];
    let value = |name: &&str| Some(((*name).to_owned(), headers.get(*name)?.to_str().ok()?.to_owned()));
    known.iter().filter_map(value).collect()
}
