//! Who knocks: credentials, and the two lies a browser can be told.
//!
//! A page of another site can make a browser send requests here (they carry its `Origin`), and a name of another site can
//! be pointed at this machine (its `Host` is that name). Both are refused. Senders of alerts are no browsers and send neither.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

use crate::server::Shared;
use crate::server::problem::Problem;

/// Whether the request shows this token: as a bearer, as the password of basic authentication, or as `?token=`.
pub(super) fn shows(token: &str, headers: &HeaderMap, uri: &Uri) -> bool {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, value) = authorization.and_then(|it| it.split_once(' ')).unwrap_or_default();
    let value = value.trim();
    let shown = if scheme.eq_ignore_ascii_case("bearer") {
        Some(value.to_owned())
    } else if scheme.eq_ignore_ascii_case("basic") {
        let decoded = BASE64_STANDARD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        decoded.and_then(|pair| pair.split_once(':').map(|(_, password)| password.to_owned()))
    } else {
        let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        pairs.into_iter().find(|(name, _)| name == "token").map(|(_, value)| value.into_owned())
    };
    shown.is_some_and(|shown| is_same(&shown, token))
}

/// Compares without telling by its duration where two values differ.
pub(super) fn is_same(shown: &str, wanted: &str) -> bool {
    let (shown, wanted) = (Sha256::digest(shown), Sha256::digest(wanted));
    shown.iter().zip(wanted.iter()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// The answer to a missing and to a wrong credential: the same.
pub(super) fn unauthorized() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "a valid token is needed")
}

/// The API and the console: with a token, where one is configured; without one, only for this machine's own names.
pub(super) async fn private(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let (headers, uri) = (request.headers(), request.uri());
    let refused = match &shared.doors.api_token {
        Some(token) if !shows(token, headers, uri) => Some(unauthorized()),
        None if shared.is_loopback && !is_this_machine(host(headers)) => Some(Problem::new(
            StatusCode::FORBIDDEN,
            "without a token the API answers only to `localhost` and loopback addresses",
        )),
        _ => None,
    };
    match refused {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    }
}

/// Refuses what a page of another site made a browser send.
pub(super) async fn same_origin(request: Request, next: Next) -> Response {
    if is_cross_site(request.headers(), request.method().is_safe()) {
        return Problem::new(StatusCode::FORBIDDEN, "a page of another site may not do this").into_response();
    }
    next.run(request).await
}

fn is_cross_site(headers: &HeaderMap, is_safe: bool) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(origin) = text("origin") {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        return authority.is_none() || authority != host(headers);
    }
    // A link on another page may lead here (a navigation); a page may not load or post from here.
    match text("sec-fetch-site") {
        Some("cross-site" | "same-site") => !is_safe || text("sec-fetch-mode") != Some("navigate"),
        _ => false,
    }
}

fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST).and_then(|value| value.to_str().ok())
}

fn is_this_machine(host: Option<&str>) -> bool {
    let Some(host) = host else { return false };
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let is_loopback = name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    is_loopback || name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[track_caller]
    fn shown(authorization: Option<&str>, path: &str, expected: bool) {
        let headers = authorization.map(|value| headers(&[("authorization", value)])).unwrap_or_default();
        assert_eq!(shows("s3cret", &headers, &path.parse().unwrap()), expected, "{authorization:?} {path}");
    }

    #[test]
    fn a_token_may_be_shown_in_three_ways() {
        shown(Some("Bearer s3cret"), "/", true);
        shown(Some("bearer  s3cret"), "/", true);
        shown(Some("Basic dXNlcjpzM2NyZXQ="), "/", true);
        shown(None, "/alerts/generic?token=s3cret", true);
        shown(None, "/", false);
        shown(Some("Bearer s3cre"), "/", false);
        shown(Some("Basic !!"), "/", false);
        shown(None, "/?token=", false);
    }

    #[track_caller]
    fn cross_site(pairs: &[(&'static str, &str)], is_safe: bool, expected: bool) {
        assert_eq!(is_cross_site(&headers(pairs), is_safe), expected, "{pairs:?}");
    }

    #[test]
    fn another_sites_page_is_refused_and_a_sender_is_not() {
        cross_site(&[("host", "127.0.0.1:8080")], false, false);
        cross_site(&[("host", "127.0.0.1:8080"), ("origin", "http://127.0.0.1:8080")], false, false);
        cross_site(&[("host", "127.0.0.1:8080"), ("origin", "http://evil.test")], false, true);
        cross_site(&[("host", "127.0.0.1:8080"), ("origin", "http://127.0.0.1:9999")], false, true);
        cross_site(&[("host", "127.0.0.1:8080"), ("origin", "null")], false, true);
        cross_site(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")], true, true);
        cross_site(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")], true, false);
        cross_site(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")], false, true);
        cross_site(&[("sec-fetch-site", "same-origin")], false, false);
    }

    #[test]
    fn only_names_of_this_machine_are_this_machine() {
        for good in ["localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "bot.localhost"] {
            assert!(is_this_machine(Some(good)), "{good}");
        }
        for bad in ["evil.test", "evil.test:8080", "localhost.evil.test", "10.0.0.1", ""] {
            assert!(!is_this_machine(Some(bad)), "{bad}");
        }
        assert!(!is_this_machine(None));
    }
}
