//! `POST /alerts/{source}`: an alert webhook, answered once its alerts are on disk.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::Value;

use crate::alert::Source;
use crate::app::Accepted;
use crate::server::problem::Problem;
use crate::server::{BODY_BYTES, Shared, guard};

/// Time for a body to arrive, and again for its alerts to be stored: the most patient sender waits 15 s for both.
const PATIENCE: Duration = Duration::from_secs(7);

pub(super) async fn receive(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    headers: HeaderMap,
    uri: Uri,
    body: Body,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let (source, token) = Source::named(&name)
        .and_then(|source| Some((source, shared.doors.sources.get(&source)?)))
        .ok_or_else(|| unknown_source(&shared, &name))?;
    if token.as_ref().is_some_and(|token| !guard::shows(token, &headers, &uri)) {
        tracing::warn!(source = source.id(), "a delivery without a valid token was refused");
        return Err(guard::unauthorized());
    }
    let _turn = shared.deliveries.try_acquire().map_err(|_| Problem::overloaded())?;
    let body = read(body).await?;
    let json = match parse(&body) {
        Ok(json) => json,
        Err(reason) => {
            shared.app.keep_unreadable(source.id(), &reason, &body).await?;
            return Err(Problem::bad_request(reason));
        }
    };
    match tokio::time::timeout(PATIENCE, shared.app.receive(source, &json)).await {
        Ok(accepted) => Ok((StatusCode::ACCEPTED, Json(accepted?))),
        Err(_) => Err(Problem::unavailable("storing a delivery took too long")),
    }
}

fn unknown_source(shared: &Shared, name: &str) -> Problem {
    let known: Vec<&str> = shared.doors.sources.keys().map(|source| source.id()).collect();
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

/// JSON, whatever the content type says; a byte-order mark and broken UTF-8 are borne.
fn parse(body: &[u8]) -> Result<Value, String> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.trim_ascii().is_empty() {
        return Err("the body is empty; JSON was expected".to_owned());
    }
    serde_json::from_str(&String::from_utf8_lossy(body))
        .map_err(|error| format!("the body is not JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_read_liberally_and_refused_with_the_reason() {
        assert!(parse(b"\xef\xbb\xbf{\"title\": \"caf\xe9\"}").is_ok());
        assert!(parse(b" \n").unwrap_err().contains("empty"));
        assert!(parse(b"{\"title\": ").unwrap_err().contains("line 1"));
        let deep = "[".repeat(100_000);
        assert!(parse(deep.as_bytes()).unwrap_err().contains("recursion"));
    }
}
