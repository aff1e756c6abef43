//! Who knocks: credentials, and the two lies a browser can be told.
//!
//! A page of another site can make a browser send requests here (they carry its `Origin`), and a name of another site can
//! be pointed at this machine (its `Host` is that name). Both are refused. Senders of alerts are no browsers and send neither.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::access::{Principal, Scope, Via};
use crate::server::problem::Problem;
use crate::server::sender::{From, owner, shown, unauthorized};
use crate::server::{Access, Shared, form, login};

/// Who sends this request; `None` when nobody is known by it. What is shown counts before what a cookie says.
async fn sender(
    shared: &Shared,
    from: From,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<Option<Principal>, Problem> {
    let access = &shared.doors.access;
    if shared.doors.is_open() {
        if shared.is_loopback && !is_this_machine(host(headers)) {
            let detail = "without authentication the API answers only to `localhost` and loopback addresses";
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        }
        return Ok(Some(Principal::of_this_machine()));
    }
    if let Some(token) = shown(headers, uri) {
        return Ok(owner(shared, &token).await?);
    }
    if let Some(cookie) = login::session_cookie(shared, headers)
        && let Some(principal) = shared.app.session(&cookie, shared.doors.api_token.as_deref()).await?
    {
        return Ok(Some(principal));
    }
    let proxy = access.proxy.as_ref().filter(|_| from.is_proxy);
    let named = proxy.and_then(|proxy| headers.get(&proxy.header)?.to_str().ok().zip(Some(proxy.scope)));
    let named = named.filter(|(name, _)| !name.trim().is_empty());
    Ok(named.map(|(name, scope)| Principal { name: name.trim().to_owned(), via: Via::Proxy, scope }))
}

/// The API and the console: for those who may, and no change without an entry in the audit log. Who it is, handlers find
/// among the request's extensions.
pub(super) async fn private(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let from = From::of(&shared, &parts.extensions, &parts.headers);
    let principal = match sender(&shared, from, &parts.headers, &parts.uri).await {
        Ok(Some(principal)) => principal,
        Ok(None) => return nobody(&shared, &parts, body).await,
        Err(problem) => return problem.into_response(),
    };
    let path = parts.uri.path();
    let needed = Scope::needed(parts.method.as_str(), path);
    if principal.scope < needed {
        let detail =
            format!("this needs the scope `{needed}`, and {} has `{}`", principal.name, principal.scope);
        return Problem::new(StatusCode::FORBIDDEN, detail).into_response();
    }
    if !parts.method.is_safe() {
        let is_by_cookie = matches!(principal.via, Via::TokenSession | Via::Oidc | Via::Proxy);
        if is_by_cookie && !is_from_our_page(&shared, &parts.headers) {
            let detail = "a browser's request must come from a page of this server (its `Origin`)";
            return Problem::new(StatusCode::FORBIDDEN, detail).into_response();
        }
        let action = format!("{} {path}", parts.method);
        if let Err(error) = shared.app.audit(&principal, from.told(), action).await {
            return Problem::from(error).into_response();
        }
    }
    parts.extensions.insert(principal);
    next.run(Request::from_parts(parts, body)).await
}

/// The answer to somebody who is not known: people are asked who they are, programs are told what is missing.
async fn nobody(shared: &Shared, parts: &Parts, body: Body) -> Response {
    let text = |name: HeaderName| parts.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let is_person =
        text(header::ACCEPT).contains("text/html") && !parts.headers.contains_key(header::AUTHORIZATION);
    if !is_person {
        return unauthorized().into_response();
    }
    let to = parts.uri.path_and_query().map_or("/", |it| it.as_str());
    if parts.method.is_safe() {
        return login::ask(shared, to, Vec::new());
    }
    match form::form(body).await {
        Ok(typed) => login::ask(shared, to, typed),
        Err(problem) => problem.into_response(),
    }
}

/// Refuses what a page of another site made a browser send.
pub(super) async fn same_origin(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    if is_cross_site(&shared.doors.access, request.headers(), request.method().is_safe()) {
        return Problem::new(StatusCode::FORBIDDEN, "a page of another site may not do this").into_response();
    }
    next.run(request).await
}

/// Whether a browser itself says that one of our pages sent this: what it says, no page can make it say.
fn is_from_our_page(shared: &Shared, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    text("sec-fetch-site") == Some("same-origin")
        || text("origin").is_some_and(|origin| is_ours(&shared.doors.access, origin, headers))
}

/// Whether an origin is this server, as the request names it or as the configuration does.
fn is_ours(access: &Access, origin: &str, headers: &HeaderMap) -> bool {
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    let public = access.url.as_ref().is_some_and(|url| url.origin().ascii_serialization() == origin);
    public || (authority.is_some() && authority == host(headers))
}

fn is_cross_site(access: &Access, headers: &HeaderMap, is_safe: bool) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    // No page can forge this one, and it is true also where a page hides its `Origin` (`null`).
    if text("sec-fetch-site") == Some("same-origin") {
        return false;
    }
    if let Some(origin) = text("origin") {
        return !is_ours(access, origin, headers);
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
    fn cross_site(pairs: &[(&'static str, &str)], is_safe: bool, expected: bool) {
        assert_eq!(is_cross_site(&Access::default(), &headers(pairs), is_safe), expected, "{pairs:?}");
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
        cross_site(&[("origin", "null"), ("sec-fetch-site", "same-origin")], false, false);
        cross_site(&[("origin", "null"), ("sec-fetch-site", "cross-site")], false, true);
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
