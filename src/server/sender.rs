//! Who sends a request: where it comes from, the token it shows, and whose that is.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, StatusCode, Uri, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::access::{Principal, Scope, TOKEN_PREFIX, Via, is_same};
use crate::app::Unavailable;
use crate::server::Shared;
use crate::server::connections::Peer;
use crate::server::problem::Problem;

/// Whether the request shows this token: as a bearer, as the password of basic authentication, or as `?token=`.
pub(super) fn shows(token: &str, headers: &HeaderMap, uri: &Uri) -> bool {
    shown(headers, uri).is_some_and(|shown| is_same(&shown, token))
}

/// The token that a request shows.
pub(super) fn shown(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, value) = authorization.and_then(|it| it.split_once(' ')).unwrap_or_default();
    let value = value.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        Some(value.to_owned())
    } else if scheme.eq_ignore_ascii_case("basic") {
        let decoded = BASE64_STANDARD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        decoded.and_then(|pair| pair.split_once(':').map(|(_, password)| password.to_owned()))
    } else {
        let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        pairs.into_iter().find(|(name, _)| name == "token").map(|(_, value)| value.into_owned())
    }
}

/// The answer to a missing and to a wrong credential: the same.
pub(super) fn unauthorized() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "a valid token is needed")
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct From {
    /// The client's address; behind a trusted proxy the one that the proxy names.
    pub(super) address: IpAddr,
    /// Whether the connection itself is a trusted proxy's.
    pub(super) is_proxy: bool,
}

impl From {
    pub(super) fn of(shared: &Shared, extensions: &Extensions, headers: &HeaderMap) -> Self {
        let peer = extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |it| it.0.ip());
        let trusted = shared.doors.access.proxy.as_ref().map(|proxy| &proxy.from);
        let is_proxy = trusted.is_some_and(|from| from.holds(peer));
        let named = headers.get("x-forwarded-for").filter(|_| is_proxy).and_then(|it| it.to_str().ok());
        // Only the last entry is the proxy's own word; what stands before it, anybody may have sent.
        let named = named.and_then(|all| all.rsplit(',').next()?.trim().parse().ok());
        Self { address: named.unwrap_or(peer), is_proxy }
    }

    /// For the audit log.
    pub(super) fn told(&self) -> Option<String> {
        (!self.address.is_unspecified()).then(|| self.address.to_string())
    }
}

impl FromRequestParts<Shared> for From {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Infallible> {
        Ok(Self::of(shared, &parts.extensions, &parts.headers))
    }
}

/// Who sends a request that [`super::guard::private`] has let in.
#[derive(Debug, Clone)]
pub(super) struct Who(pub(super) Principal);

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Principal>().cloned().map(Self).ok_or_else(unauthorized)
    }
}

/// Whose token this is: the configuration's, or one of the store.
pub(super) async fn owner(shared: &Shared, shown: &str) -> Result<Option<Principal>, Unavailable> {
    if shown.is_empty() {
        return Ok(None);
    }
    if shared.doors.api_token.as_deref().is_some_and(|token| is_same(shown, token)) {
        let name = "api token".to_owned();
        return Ok(Some(Principal { name, via: Via::Token, scope: Scope::Admin }));
    }
    if !shown.starts_with(TOKEN_PREFIX) || !shared.doors.access.tokens {
        return Ok(None);
    }
    shared.app.owner_of_token(shown).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn shown(authorization: Option<&str>, path: &str, expected: bool) {
        let header = |value: &str| (header::AUTHORIZATION, value.parse().unwrap());
        let headers = HeaderMap::from_iter(authorization.map(header));
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
}
