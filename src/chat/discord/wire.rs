//! Requests to Discord's REST API: serenity's routes and bodies over a sender of our own.
//!
//! # Why not serenity's own sender
//! With its limiter on it ignores a proxy, waits a 429 out for as long as it takes and holds no other route back on a global
//! one; with its limiter off it drops `Retry-After`, because a 429's body has no error code (serenity 0.12.5,
//! `http::error`). Here a limit that is longer than a moment becomes [`Retry::After`] and the queue's business, and the same
//! code runs against Discord, a proxy and the local Discord of the tests.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serenity::http::{LightMethod, Request, Route};
use serenity_reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serenity_reqwest::{Client, Response, StatusCode};
use url::Url;

use crate::chat::ChatError;

mod form;
mod gate;
mod refusal;

pub(super) use form::{FILE, File};

/// A request that takes longer has failed; Discord answers in well under a second.
const TIMEOUT: Duration = Duration::from_secs(10);
/// After a failure without a word about when to come back.
const PAUSE: Duration = Duration::from_secs(2);
/// A rate limit that says no time: the longest window of Discord's ordinary routes.
const UNSAID: Duration = Duration::from_secs(5);
/// What is said of a rate limit.
const USED_UP: &str = "Discord's rate limit is used up";
/// What is said once the token was refused.
const TOKEN_REFUSED: &str = "Discord refused the bot's token; nothing is sent until it is changed";

/// The ways to Discord.
pub(super) struct Wire {
    client: Client,
    token: String,
    proxy: Option<String>,
    gate: gate::Gate,
    refused: AtomicBool,
}

/// A request that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// Discord's error code, where it said one.
    pub(super) code: Option<u32>,
    /// For whoever asked.
    pub(super) error: ChatError,
}

impl From<Failure> for ChatError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

impl From<ChatError> for Failure {
    fn from(error: ChatError) -> Self {
        failure(None, error)
    }
}

impl Wire {
    pub(super) fn new(token: &str, api_url: Option<&Url>) -> Result<Self, ChatError> {
        let client = Client::builder()
            .use_rustls_tls()
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| ChatError::never(format!("no HTTPS client for Discord: {error}")))?;
        let token = token.trim();
        let token = if token.starts_with("Bot ") { token.to_owned() } else { format!("Bot {token}") };
        let proxy = api_url.map(|url| url.as_str().trim_end_matches('/').to_owned());
        Ok(Self { client, token, proxy, gate: gate::Gate::default(), refused: AtomicBool::new(false) })
    }

    /// Asks for a JSON document.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        route: Route<'_>,
        params: &[(&'static str, String)],
    ) -> Result<T, Failure> {
        let params = Some(params.to_vec()).filter(|params| !params.is_empty());
        read(self.send(route, LightMethod::Get, params, None).await?).await
    }

    /// Sends a JSON document and reads the answer.
    pub(super) async fn send_json<T: DeserializeOwned>(
        &self,
        method: LightMethod,
        route: Route<'_>,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.send_with_files(method, route, body, &[]).await
    }

    /// As [`Self::send_json`], with files; the document names them under `attachments`, by their place.
    pub(super) async fn send_with_files<T: DeserializeOwned>(
        &self,
        method: LightMethod,
        route: Route<'_>,
        body: &impl Serialize,
        files: &[File],
    ) -> Result<T, Failure> {
        let body = form::body(json(body)?, files);
        read(self.send(route, method, None, Some(body)).await?).await
    }

    /// Sends a JSON document whose answer is empty or does not matter.
    pub(super) async fn tell(
        &self,
        method: LightMethod,
        route: Route<'_>,
        body: &impl Serialize,
    ) -> Result<(), Failure> {
        self.tell_with_files(method, route, body, &[]).await
    }

    /// As [`Self::tell`], with files as in [`Self::send_with_files`].
    pub(super) async fn tell_with_files(
        &self,
        method: LightMethod,
        route: Route<'_>,
        body: &impl Serialize,
        files: &[File],
    ) -> Result<(), Failure> {
        let body = form::body(json(body)?, files);
        self.send(route, method, None, Some(body)).await.map(drop)
    }

    /// Sends a request that takes no document and whose answer is empty.
    pub(super) async fn knock(&self, method: LightMethod, route: Route<'_>) -> Result<(), Failure> {
        self.send(route, method, None, None).await.map(drop)
    }

    /// A message with files was forbidden here; one without may not be.
    pub(super) fn believe_in(&self, method: LightMethod, route: Route<'_>) {
        self.gate.forgive(method, route);
    }

    async fn send(
        &self,
        route: Route<'_>,
        method: LightMethod,
        params: Option<Vec<(&'static str, String)>>,
        body: Option<(HeaderValue, Vec<u8>)>,
    ) -> Result<Response, Failure> {
        let pass = self.gate.enter(method, route).await?;
        // Ten thousand refused requests in ten minutes ban the address: after the first 401 nothing is sent any more.
        if self.refused.load(Ordering::Relaxed) {
            return Err(failure(None, ChatError::never(TOKEN_REFUSED)));
        }
        let (kind, bytes) = body.unzip();
        let request = Request::new(route, method).params(params).body(bytes);
        let request = request.build(&self.client, &self.token, self.proxy.as_deref()).map_err(|error| {
            failure(None, ChatError::never(format!("a request Discord cannot be sent: {error}")))
        })?;
        let kind = kind.map(|kind| HeaderMap::from_iter([(CONTENT_TYPE, kind)])).unwrap_or_default();
        let response = request.headers(kind).send().await.map_err(|error| {
            // The URL of an interaction holds its token.
            let reason = format!("Discord cannot be reached: {}", chain(&error.without_url()));
            failure(None, ChatError::again(reason, PAUSE))
        })?;
        pass.learn(response.headers());
        if response.status().is_success() { Ok(response) } else { Err(self.refusal(&pass, response).await) }
    }

    async fn refusal(&self, pass: &gate::Pass<'_>, response: Response) -> Failure {
        let status = response.status();
        let header =
            response.headers().get("retry-after").and_then(|it| it.to_str().ok()?.parse::<f64>().ok());
        let is_global = response.headers().contains_key("x-ratelimit-global")
            || response.headers().get("x-ratelimit-scope").is_some_and(|scope| scope == "global");
        let body: Value = response.json().await.unwrap_or_default();
        let code = body["code"].as_u64().and_then(|code| u32::try_from(code).ok()).filter(|code| *code != 0);
        if status == StatusCode::UNAUTHORIZED && pass.is_counted() {
            self.refused.store(true, Ordering::Relaxed);
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            // The body's figure has fractions; the header is whole seconds.
            let wait = body["retry_after"].as_f64().or(header).map_or(UNSAID, seconds);
            // One old message holds up no new one.
            if code != Some(refusal::EDITED_TOO_OFTEN) {
                pass.close(wait, is_global || body["global"] == true);
            }
            return failure(code, ChatError::again(refusal::limit(code), wait));
        }
        let message = body["message"].as_str().unwrap_or_default();
        let (reason, retry) = refusal::explain(status, code, message, &body["errors"]);
        let failure = failure(code, ChatError { reason, retry });
        if status == StatusCode::FORBIDDEN {
            pass.forbid(&failure);
        }
        failure
    }
}

fn failure(code: Option<u32>, error: ChatError) -> Failure {
    Failure { code, error }
}

fn json(body: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(body)
        .map_err(|error| failure(None, ChatError::never(format!("a message that is no JSON: {error}"))))
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T, Failure> {
    // The request was done: sending it again would do it twice, and would read no better.
    response.json().await.map_err(|error| {
        let reason = format!("an answer of Discord that cannot be read: {}", chain(&error.without_url()));
        failure(None, ChatError::never(reason))
    })
}

/// Seconds as they come from outside: never negative, never a day.
fn seconds(said: f64) -> Duration {
    Duration::try_from_secs_f64(said.clamp(0.0, 86_400.0)).unwrap_or(UNSAID)
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strange_waiting_times_are_bounded() {
        assert_eq!(seconds(-1.0), Duration::ZERO);
        assert_eq!(seconds(f64::NAN), UNSAID);
        assert_eq!(seconds(1e300), Duration::from_hours(24));
    }
}
