//! Bodies of deliveries: bounded in size, in time, and in what they unpack to.
//!
//! Nearly all are small. The few that may be large (GitHub's 25 MB) take turns, so that memory stays bounded however many come.

use std::io::Read as _;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http_body_util::BodyExt as _;
use tokio::sync::OwnedSemaphorePermit;

use crate::server::problem::Problem;
use crate::server::{BODY_BYTES, Shared};

/// Large bodies that are taken at once. One of 25 MB may need ten times its size once it is JSON.
pub(super) const LARGE_AT_ONCE: usize = 1;

/// A body, and the turn a large one holds.
pub(super) struct Sent {
    pub(super) bytes: Bytes,
    _turn: Option<OwnedSemaphorePermit>,
}

pub(super) fn too_large(most: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {most} bytes"))
}

/// The whole body as it was sent, if it comes in time and is not too large.
pub(super) async fn read(
    shared: &Shared,
    headers: &HeaderMap,
    body: Body,
    most: usize,
    patience: Duration,
) -> Result<Sent, Problem> {
    let declared =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|declared| declared > most) {
        return Err(too_large(most));
    }
    match tokio::time::timeout(patience, gather(shared, body, most)).await {
        Ok(gathered) => gathered,
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
    }
}

async fn gather(shared: &Shared, mut body: Body, most: usize) -> Result<Sent, Problem> {
    let mut turn = None;
    let mut first: Option<Bytes> = None;
    let mut rest: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::bad_request("the body ended before its declared end"))?;
        let Ok(data) = frame.into_data() else { continue };
        let length = first.as_ref().map_or(0, Bytes::len).max(rest.len()) + data.len();
        if length > most {
            return Err(too_large(most));
        }
        if length > BODY_BYTES && turn.is_none() {
            let taken = std::sync::Arc::clone(&shared.large).try_acquire_owned();
            turn = Some(taken.map_err(|_| Problem::overloaded())?);
        }
        match first.take() {
            // Most bodies are one frame: it is not copied.
            None if rest.is_empty() => first = Some(data),
            None => rest.extend_from_slice(&data),
            Some(before) => {
                rest.extend_from_slice(&before);
                rest.extend_from_slice(&data);
            }
        }
    }
    Ok(Sent { bytes: first.unwrap_or_else(|| rest.into()), _turn: turn })
}

/// The body as its sender wrote it, unpacked when it says that it is packed.
pub(super) fn decoded(headers: &HeaderMap, sent: Bytes, most: usize) -> Result<Bytes, Problem> {
    let coding =
        headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let unpacked = match coding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => return Ok(sent),
        "gzip" | "x-gzip" => unpack(MultiGzDecoder::new(&sent[..]), most),
        "deflate" => unpack(ZlibDecoder::new(&sent[..]), most),
        other => {
            let detail =
                format!("the content coding `{other}` is not understood; send gzip, deflate or none");
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
    };
    match unpacked {
        Ok(bytes) if bytes.len() > most => Err(too_large(most)),
        Ok(bytes) => Ok(bytes.into()),
        Err(_) => {
            Err(Problem::bad_request(format!("the body is not what its content coding `{coding}` says")))
        }
    }
}

/// One byte more than may be, so that too much is seen as such.
fn unpack(packed: impl std::io::Read, most: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    packed.take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
