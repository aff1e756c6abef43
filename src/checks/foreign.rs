//! What strangers send, read without any I/O: the doors by which tests try to break the readers.
//!
//! A check reads bytes that a network, a vendor or a user wrote. Each function here takes such bytes through the same reader and
//! judge as the check does, and gives back little: it is enough that it comes back. `fuzz/` calls them with bytes that nobody would
//! write, the tests below with those that people do.

use hickory_proto::op::Message;
use jiff::{SignedDuration, Timestamp};

use super::{Catalogues, rate_limit, resolve, status_page, tls, token};
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
mod tests {
    use super::*;

    #[test]
    fn what_people_send_is_read() {
        let catalogues = Catalogues::builtin();
        let now = a_time();
        assert_eq!(
            rate_limit(&catalogues, "HTTP/1.1 429 Too Many Requests\nRetry-After: 3\n", now),
            Some(Outcome::Limited)
        );
        assert_eq!(rate_limit(&catalogues, "nothing", now), None);
        assert_eq!(token("Bearer a.b.c", None, now), Outcome::Malformed);
        assert_eq!(status_page(br#"{"status": "ok"}"#, now), Some(Outcome::Operational));
        assert_eq!(status_page(b"<html>", now), None);
        let identity = crate::drill::pki::Authority::new("Root");
        assert!(
            certificate(identity.certificate().as_ref(), now) > 0,
            "an authority's own certificate is nobody's server"
        );
        assert_eq!(certificate(b"no certificate", now), 1);
        let mut query = Message::query();
        query.add_query(hickory_proto::op::Query::query(
            "a.test.".parse().unwrap(),
            hickory_proto::rr::RecordType::A,
        ));
        assert_eq!(dns_message(&query.to_vec().unwrap()), Some(0));
        assert_eq!(dns_message(b"no message"), None);
    }
}
