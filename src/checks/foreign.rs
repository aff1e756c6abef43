//! What strangers send, read without any I/O: the doors by which tests try to break the readers.
//!
//! A check reads bytes that a network, a vendor or a user wrote. Each function here takes such bytes through the same reader and
//! judge as the check does, and gives back little: it is enough that it comes back. `fuzz/` calls them with bytes that nobody would
//! write, the tests below with those that people do.

use hickory_proto::op::Message;
use jiff::{SignedDuration, Timestamp};

use super::{Catalogues, contract, deploys, http, metrics, rate_limit, resolve, status_page, tls, token};
use crate::outcome::Outcome;

/// A recorded answer as the `rate_limit` check judges it; `None` when the text holds none.
#[must_use]
pub fn rate_limit(catalogues: &Catalogues, text: &str, now: Timestamp) -> Option<Outcome> {
    rate_limit::judge_text(catalogues, text, now)
}

/// A presented token as the `token` check judges it, against this key set when there is one.
#[must_use]
pub fn token(text: &str, key_set: Option<&str>, now: Timestamp) -> Outcome {
    token::judge_text(text, key_set, now)
}

/// A status page's document as the `status_page` check judges it; `None` when it has no known shape.
#[must_use]
pub fn status_page(bytes: &[u8], now: Timestamp) -> Option<Outcome> {
    status_page::judge_bytes(bytes, now)
}

/// A server's certificate as the `tls` check judges it: how many findings it has.
#[must_use]
pub fn certificate(der: &[u8], now: Timestamp) -> usize {
    tls::certificate::findings_of(der, now)
}

/// A server's chain as the `tls` check judges it, for `api.drill.test` and these authorities: how many findings it has.
#[must_use]
pub fn chain(chain: &[Vec<u8>], authorities: &[Vec<u8>], now: Timestamp) -> usize {
    tls::certificate::findings_of_chain(chain, authorities, now)
}

/// An answer's body in this content coding, as the `http` check reads it: the size of what it stands for; `None` when that cannot be told.
#[must_use]
pub fn http_body(coding: &str, body: &[u8]) -> Option<usize> {
    http::size_of_body(coding, body)
}

/// A Prometheus' answer to a query as the `metrics` check judges it; `None` when it is none or holds too little.
#[must_use]
pub fn metrics(expression: &str, answer: &[u8]) -> Option<Outcome> {
    metrics::judge_bytes(expression, answer)
}

/// A request compared with an OpenAPI description as the `contract` check does.
#[must_use]
pub fn contract(description: &str, request: &str) -> Outcome {
    contract::judge_texts(description, request)
}

/// A release record as the `deploys` check judges it; `None` when no line of it can be read.
#[must_use]
pub fn release_record(record: &str, at: Timestamp) -> Option<Outcome> {
    deploys::judge_text(record, at)
}

/// A name server's message as the `dns` check reads it: the length of its chain of aliases; `None` when it is no message.
#[must_use]
pub fn dns_message(bytes: &[u8]) -> Option<usize> {
    let message = Message::from_vec(bytes).ok()?;
    let name = message.queries.first().map(|it| it.name().clone())?;
    Some(resolve::aliases(&message.answers, &name).links.len())
}

/// A time for tests: any will do, as long as it is the same.
#[must_use]
pub fn a_time() -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365 * 56)
}

#[cfg(test)]
mod tests;
