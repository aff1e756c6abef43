//! Bodies of what people and programs send to the API and the console: whole, as a form, as JSON.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;

use crate::server::problem::Problem;
use crate::server::{BODY_BYTES, intake_body};

/// Time for a body to arrive, and again for its alerts to be stored: the most patient sender waits 15 s for both.
pub(super) const PATIENCE: Duration = Duration::from_secs(7);

/// The whole body, if it comes in time and is not too large.
pub(super) async fn whole(body: Body) -> Result<Bytes, Problem> {
    match tokio::time::timeout(PATIENCE, to_bytes(body, BODY_BYTES)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if is_too_large(&error) => Err(intake_body::too_large(BODY_BYTES)),
        Ok(Err(_)) => Err(Problem::bad_request("the body ended before its declared end")),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    std::error::Error::source(error)
        .is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>)
}

/// A form's fields, in order.
pub(super) async fn form(body: Body) -> Result<Vec<(String, String)>, Problem> {
    let bytes = whole(body).await?;
    Ok(url::form_urlencoded::parse(&bytes).into_owned().collect())
}

/// A field with something in it.
pub(super) fn field<'a>(form: &'a [(String, String)], wanted: &str) -> Option<&'a str> {
    form.iter()
        .find(|(name, _)| name == wanted)
        .map(|(_, value)| value.trim())
        .filter(|value| !value.is_empty())
}

/// A JSON body of this shape; says what is wrong with another.
pub(super) async fn json_body<T: DeserializeOwned>(body: Body) -> Result<T, Problem> {
    json_of(&whole(body).await?)
}

/// Bytes of this shape; says what is wrong with others.
pub(super) fn json_of<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes)
        .map_err(|error| Problem::bad_request(format!("the body is not as expected: {error}")))
}
