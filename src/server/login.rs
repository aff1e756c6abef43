//! Logging in and out: a form for a token, and the way to the OpenID provider and back.
//!
//! A session is a cookie that scripts cannot read; what it stands for is in the store, so any replica knows it. The surprise: a form that was
//! sent after its session had ended comes here with everything that was typed, and goes on from here once the person has logged in.

use std::net::IpAddr;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};

use crate::access::{LOGIN, Principal, SESSION, Via};
use crate::clock;
use crate::server::problem::Problem;
use crate::server::sender::{From, owner};
use crate::server::{Shared, console, form, oidc};

/// The cookie of a session, and of a log-in that is at the provider.
const SESSION_COOKIE: &str = "firstcheck_session";
const LOGIN_COOKIE: &str = "firstcheck_login";

/// What typed fields are called while they wait for the log-in.
const KEPT: &str = "kept.";

/// Kept fields: what a form of ours has, and some.
const MAX_KEPT: usize = 20;

#[derive(Debug, Default, Serialize)]
struct Page {
    /// Why nobody was let in.
    refused: Option<String>,
    /// Where the person wanted to go.
    to: String,
    /// Whether a token lets one in.
    tokens: bool,
    /// The provider's host, and the link that leads there.
    provider: Option<String>,
    oidc_link: String,
    /// What was typed into a form whose session had ended.
    kept: Vec<(String, String)>,
    /// Whether the person is in and only has to send what was kept.
    send: bool,
}

impl Page {
    fn of(shared: &Shared, to: &str) -> Self {
        let access = &shared.doors.access;
        let to = local(to);
        Self {
            oidc_link: with_to("/login/oidc", &to),
            to,
            tokens: access.tokens || shared.doors.api_token.is_some(),
            provider: access.oidc.as_ref().and_then(|it| it.issuer.host_str()).map(str::to_owned),
            ..Self::default()
        }
    }

    fn answer(&self, shared: &Shared, status: StatusCode) -> Response {
        match console::render(shared, "console/login", "login", None, self) {
            Ok(page) => (status, page).into_response(),
            Err(problem) => problem.into_response(),
        }
    }
}

/// A path on this server, whatever was asked for: a log-in never leads to another site.
fn local(to: &str) -> String {
    let is_local = to.starts_with('/')
        && !to.starts_with("//")
        && !to.contains(['\\', '\r', '\n', '\t'])
        && !to.starts_with("/login");
    if is_local { to.to_owned() } else { "/".to_owned() }
}

fn with_to(path: &str, to: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("to", to).finish();
    format!("{path}?{query}")
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    to: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    code: String,
    error: Option<String>,
}

/// The page that asks who it is.
pub(super) async fn page(State(shared): State<Shared>, Query(asked): Query<Asked>) -> Response {
    Page::of(&shared, &asked.to).answer(&shared, StatusCode::OK)
}

/// The answer to a browser that may not see the page it asked for; what it typed is kept in the answer.
pub(super) fn ask(shared: &Shared, to: &str, typed: Vec<(String, String)>) -> Response {
    let mut page = Page::of(shared, to);
    if typed.is_empty() {
        return Redirect::to(&with_to("/login", &page.to)).into_response();
    }
    page.refused = Some("Your session has ended. What you typed is kept: log in to send it.".to_owned());
    page.kept = typed;
    page.answer(shared, StatusCode::UNAUTHORIZED)
}

/// Takes a token and begins a session.
pub(super) async fn log_in(
    State(shared): State<Shared>,
    from: From,
    body: Body,
) -> Result<Response, Problem> {
    let form = form::form(body).await?;
    let field = |wanted: &str| form.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.trim());
    let mut page = Page::of(&shared, field("to").unwrap_or_default());
    let kept =
        form.iter().filter_map(|(name, value)| Some((name.strip_prefix(KEPT)?.to_owned(), value.clone())));
    page.kept = kept.take(MAX_KEPT).collect();
    if let Some(seconds) = shared.wait_s(from.address) {
        page.refused = Some(format!("Too many attempts failed. Please wait {seconds} seconds."));
        let mut answer = page.answer(&shared, StatusCode::TOO_MANY_REQUESTS);
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        return Ok(answer);
    }
    let token = field("token").unwrap_or_default();
    let Some(principal) = owner(&shared, token).await? else {
        shared.failed(from.address);
        let nobody =
            Principal { name: "nobody".to_owned(), via: Via::Token, scope: crate::access::Scope::Read };
        shared.app.audit(&nobody, from.told(), "log_in_failed".to_owned()).await?;
        page.refused = Some("This token is not known, or is over.".to_owned());
        return Ok(page.answer(&shared, StatusCode::UNAUTHORIZED));
    };
    shared.succeeded(from.address);
    let principal = Principal { via: Via::TokenSession, ..principal };
    let mut answer = if page.kept.is_empty() {
        Redirect::to(&page.to).into_response()
    } else {
        page.send = true;
        page.answer(&shared, StatusCode::OK)
    };
    begin(&shared, &principal, Some(token), &from, &mut answer).await?;
    Ok(answer)
}

/// Sends the browser to the provider.
pub(super) async fn to_provider(
    State(shared): State<Shared>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let Some((settings, base)) = shared.doors.access.provider() else { return Err(no_provider()) };
    match oidc::begin(settings, base, local(&asked.to)).await {
        Ok((url, begun)) => {
            let text = shared.app.begin_login(&begun).await?;
            let mut answer = Redirect::to(&url).into_response();
            set_cookie(&shared, &mut answer, LOGIN_COOKIE, &text, LOGIN.as_secs());
            Ok(answer)
        }
        Err(error) => Ok(refused(&shared, &asked.to, &error)),
    }
}

/// The browser comes back from the provider.
pub(super) async fn from_provider(
    State(shared): State<Shared>,
    from: From,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Some((settings, base)) = shared.doors.access.provider() else { return Err(no_provider()) };
    let text = cookie(&headers, &name(&shared, LOGIN_COOKIE));
    let begun = match text {
        Some(text) => shared.app.end_login::<oidc::Begun>(&text).await?,
        None => None,
    };
    let Some(begun) = begun else { return Ok(refused(&shared, "/", &oidc::LoginError::NotOurs)) };
    if let Some(error) = asked.error {
        let error = oidc::LoginError::NotValid(error.chars().take(100).collect());
        return Ok(refused(&shared, &begun.to, &error));
    }
    match oidc::end(settings, base, &begun, &asked.state, &asked.code).await {
        Ok(principal) => {
            let mut answer = Redirect::to(&begun.to).into_response();
            begin(&shared, &principal, None, &from, &mut answer).await?;
            set_cookie(&shared, &mut answer, LOGIN_COOKIE, "", 0);
            Ok(answer)
        }
        Err(error) => Ok(refused(&shared, &begun.to, &error)),
    }
}

/// Ends the session.
pub(super) async fn log_out(
    State(shared): State<Shared>,
    from: From,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(text) = session_cookie(&shared, &headers)
        && let Some(principal) = shared.app.session(&text, shared.doors.api_token.as_deref()).await?
    {
        shared.app.audit(&principal, from.told(), "log_out".to_owned()).await?;
        shared.app.end_session(&text).await?;
    }
    let mut answer = Redirect::to("/login").into_response();
    set_cookie(&shared, &mut answer, SESSION_COOKIE, "", 0);
    Ok(answer)
}

fn no_provider() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no OpenID provider is configured: `api: {oidc: {…}}`")
}

fn refused(shared: &Shared, to: &str, error: &oidc::LoginError) -> Response {
    if let oidc::LoginError::Provider(reason) = error {
        tracing::error!(reason, "a log-in through the OpenID provider failed");
    } else {
        tracing::warn!(reason = %error, "a log-in was refused");
    }
    let page = Page { refused: Some(error.to_string()), ..Page::of(shared, to) };
    page.answer(shared, StatusCode::FORBIDDEN)
}

async fn begin(
    shared: &Shared,
    principal: &Principal,
    token: Option<&str>,
    from: &From,
    answer: &mut Response,
) -> Result<(), Problem> {
    shared.app.audit(principal, from.told(), "log_in".to_owned()).await?;
    let text = shared.app.open_session(principal, token).await?;
    set_cookie(shared, answer, SESSION_COOKIE, &text, SESSION.as_secs());
    Ok(())
}

/// A cookie's whole name: bound to this host and to https, where there is https (RFC 6265bis, section 4.1.3.2).
fn name(shared: &Shared, cookie: &str) -> String {
    if shared.doors.access.is_https() { format!("__Host-{cookie}") } else { cookie.to_owned() }
}

/// What the request's session cookie holds.
pub(super) fn session_cookie(shared: &Shared, headers: &HeaderMap) -> Option<String> {
    cookie(headers, &name(shared, SESSION_COOKIE))
}

fn set_cookie(shared: &Shared, answer: &mut Response, cookie: &str, value: &str, lasts_s: i64) {
    let secure = if shared.doors.access.is_https() { "; Secure" } else { "" };
    let name = name(shared, cookie);
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={lasts_s}{secure}");
    // Base64 and our own words: always a header's text.
    if let Ok(text) = HeaderValue::from_str(&text) {
        answer.headers_mut().append(header::SET_COOKIE, text);
    }
}

fn cookie(headers: &HeaderMap, wanted: &str) -> Option<String> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, value)| *name == wanted && !value.is_empty()).map(|(_, value)| value.to_owned())
}

impl Shared {
    /// Seconds before another log-in from this address is looked at.
    fn wait_s(&self, from: IpAddr) -> Option<i64> {
        self.attempts.lock().unwrap_or_else(std::sync::PoisonError::into_inner).wait_s(from, clock::now())
    }

    fn failed(&self, from: IpAddr) {
        self.attempts.lock().unwrap_or_else(std::sync::PoisonError::into_inner).failed(from, clock::now());
    }

    fn succeeded(&self, from: IpAddr) {
        self.attempts.lock().unwrap_or_else(std::sync::PoisonError::into_inner).succeeded(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_in_leads_to_no_other_site() {
        for (asked, led) in [
            ("/incidents/abc?x=1", "/incidents/abc?x=1"),
            ("", "/"),
            ("https://evil.test/", "/"),
            ("//evil.test/", "/"),
            ("/\\evil.test", "/"),
            ("/a\r\nset-cookie: x", "/"),
            ("/login?to=/login", "/"),
        ] {
            assert_eq!(local(asked), led, "{asked:?}");
        }
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "a=b; firstcheck_session=xyz".parse().unwrap());
        headers.append(header::COOKIE, "xfirstcheck_session=no".parse().unwrap());
        assert_eq!(cookie(&headers, "firstcheck_session").as_deref(), Some("xyz"));
        assert_eq!(cookie(&headers, "session"), None);
    }
}
