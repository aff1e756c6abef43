//! What can be said of an answer by itself.

use crate::checks::catalogue::Answer;
use crate::checks::exchange::Exchange;
use crate::checks::http::Observed;
use crate::checks::http::body::{self, Kind};

/// A redirect that does not say where to (RFC 9110 §15.4): no client can go on.
pub(super) fn leads_nowhere(exchange: &Exchange) -> bool {
    matches!(exchange.status, 301 | 302 | 303 | 307 | 308)
        && exchange.headers.iter().all(|(name, _)| name != "location")
}

/// "Not modified" to a request that set no condition (RFC 9110 §15.4.5): there is nothing that it could refer to.
pub(super) fn is_unasked(observed: &Observed, exchange: &Exchange) -> bool {
    let is_condition = |name: &str| name.starts_with("if-");
    exchange.status == 304 && !observed.last.headers.iter().any(|(name, _)| is_condition(name.as_str()))
}

/// A stream of events goes on for as long as somebody listens.
pub(super) fn never_ends(answer: &Answer<'_>) -> bool {
    let essence = answer.header("content-type").and_then(|it| it.split(';').next()).unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    answer.status == 200 && matches!(essence.as_str(), "text/event-stream" | "multipart/x-mixed-replace")
}

/// A good status with a body that is not what its type promises.
pub(super) fn bad_body(observed: &Observed, exchange: &Exchange, answer: &Answer<'_>) -> bool {
    let has_body = observed.last.method != hyper::Method::HEAD && !matches!(exchange.status, 204 | 205);
    (200..300).contains(&exchange.status)
        && exchange.status != 206
        && has_body
        && answer.header("content-type").is_some_and(body::promises_json)
        && Kind::of(&exchange.body) != Kind::Json
}

/// The status of a gRPC call, which HTTP calls 200 whatever it is; here when it came without a body.
pub(super) fn grpc_status(answer: &Answer<'_>) -> Option<u8> {
    answer.header("grpc-status")?.trim().parse().ok()
}

pub(super) fn is_cached(answer: &Answer<'_>) -> bool {
    let age = answer.header("age").and_then(|it| it.trim().parse::<u64>().ok()).unwrap_or(0);
    let hit = |name: &str| answer.header(name).is_some_and(|it| it.to_ascii_lowercase().contains("hit"));
    age > 0 || hit("x-cache") || hit("cf-cache-status") || hit("cache-status")
}
