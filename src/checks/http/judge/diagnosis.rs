//! The finer finding of an answer: one word for what a person would look at next.

use super::signs::{bad_body, grpc_status, is_cached, is_unasked, leads_nowhere};
use crate::checks::catalogue::{Answer, Means};
use crate::checks::exchange::{Ask, Ended, Exchange};
use crate::checks::http::body::Kind;
use crate::checks::http::coding::Decoded;
use crate::checks::http::origin::Origin;
use crate::checks::http::{Observed, Redirect, Stopped};

/// The finer finding.
pub(super) fn diagnosis(
    observed: &Observed,
    exchange: &Exchange,
    answer: &Answer<'_>,
    origin: &Origin,
) -> Option<&'static str> {
    let is_to_login = observed.redirects.iter().any(Redirect::is_to_login);
    match observed.stopped {
        Some(Stopped::Elsewhere) | None if is_to_login && exchange.status < 400 => {
            return Some("redirects_to_login");
        }
        Some(Stopped::Loop) => return Some("redirect_repeats"),
        Some(Stopped::TooMany) => return Some("too_many_redirects"),
        Some(Stopped::Elsewhere) => return Some("redirects_elsewhere"),
        Some(Stopped::Unsafe) => return Some("redirect_of_an_unsafe_method"),
        None => {}
    }
    if exchange.ended == Ended::Cut {
        return Some("body_cut");
    }
    if exchange.ended == Ended::Broken {
        return Some("broken_chunks");
    }
    if observed.coding == Decoded::Broken && exchange.ended == Ended::Whole {
        return Some("broken_content_coding");
    }
    if leads_nowhere(exchange) {
        return Some("redirect_without_location");
    }
    if is_unasked(observed, exchange) {
        return Some("not_modified_unasked");
    }
    if exchange.status == 401 && token_never_arrived(&observed.last, answer) {
        return Some("authorization_not_received");
    }
    if exchange.status >= 400 && is_cached(answer) {
        return Some("cached_error");
    }
    if origin.wraps.is_some() {
        return Some("wraps_an_upstream_failure");
    }
    if let Some(means) = origin.means.filter(|_| exchange.status >= 400) {
        return Some(of_means(means));
    }
    if observed.redirects.iter().any(|it| it.from.scheme() == "https") && observed.last.url.scheme() == "http"
    {
        return Some("redirects_down_to_http");
    }
    if bad_body(observed, exchange, answer) && exchange.ended == Ended::Whole {
        return Some(match Kind::of(&exchange.body) {
            Kind::Empty => "empty_body",
            Kind::Html => "html_instead_of_json",
            _ => "invalid_json",
        });
    }
    if grpc_status(answer).is_some_and(|status| status != 0) {
        return Some("grpc_error");
    }
    let wants_json =
        observed.last.headers.iter().any(|(name, value)| name == "accept" && value.contains("json"));
    let is_page = Kind::of(&exchange.body) == Kind::Html;
    ((200..300).contains(&exchange.status) && wants_json && is_page).then_some("html_instead_of_json")
}

fn of_means(means: Means) -> &'static str {
    match means {
        Means::Dns => "gateway_cannot_resolve_upstream",
        Means::Config => "gateway_misconfigured",
        Means::NoRoute => "gateway_has_no_route",
        Means::NoBackend => "gateway_has_no_backend",
        Means::Connect => "gateway_cannot_connect_upstream",
        Means::Tls => "gateway_distrusts_upstream",
        Means::Timeout => "gateway_gave_up",
        Means::Reset => "upstream_closed_the_connection",
        Means::BadResponse => "upstream_answered_badly",
        Means::Overload => "gateway_overloaded",
        Means::Limit => "limiter_refused",
        Means::Denied => "rule_denied",
        Means::Auth => "gateway_refused_credentials",
        Means::ClientRequest => "gateway_refused_request",
        Means::Upstream => "upstream_failed",
    }
}

/// The request carried a token, and the challenge is the bare one for a request without any (RFC 6750 §3.1: an error code
/// is only left out when no authentication information came): a hop on the way took the header.
fn token_never_arrived(ask: &Ask, answer: &Answer<'_>) -> bool {
    let sent = ask.headers.iter().any(|(name, value)| name == "authorization" && !value.trim().is_empty());
    let challenge = answer.header("www-authenticate").unwrap_or_default().to_ascii_lowercase();
    let scheme = challenge.split_whitespace().next().unwrap_or_default().trim_end_matches(',');
    sent && matches!(scheme, "bearer" | "dpop")
        && !challenge.contains("error=")
        && !challenge.contains("error =")
}
