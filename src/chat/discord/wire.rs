//! Requests to Discord's REST API: serenity's routes and bodies over a sender of our own.
//!
//! # Why not serenity's own sender
//! With its limiter on it ignores a proxy, waits a 429 out for as long as it takes and holds no other route back on a global
//! one; with its limiter off it drops `Retry-After`, because a 429's body has no error code (serenity 0.12.5,
//! `http::error`). Here a limit that is longer than a moment becomes [`Retry::After`] and the queue's business, and the same
//! code runs against Discord, a proxy and the local Discord of the tests.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serenity::http::{LightMethod, RatelimitingBucket, Request, Route};
use serenity_reqwest::{Client, Response, StatusCode};
use url::Url;

use crate::chat::ChatError;
use crate::incident::Retry;

/// A request that takes longer has failed; Discord answers in well under a second.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A limit shorter than this is waited out here; a longer one is the queue's business.
const PATIENCE: Duration = Duration::from_millis(1500);
/// After a failure without a word about when to come back.
const PAUSE: Duration = Duration::from_secs(2);
/// A rate limit that says no time: the longest window of Discord's ordinary routes.
const UNSAID: Duration = Duration::from_secs(5);

/// The ways to Discord.
pub(super) struct Wire {
    client: Client,
    token: String,
    proxy: Option<String>,
    closed_until: Mutex<HashMap<Option<RatelimitingBucket>, Instant>>,
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
        Ok(Self { client, token, proxy, closed_until: Mutex::default(), refused: AtomicBool::new(false) })
    }

    /// Asks for a JSON document.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        route: Route<'_>,
        params: &[(&'static str, String)],
    ) -> Result<T, Failure> {
        let params = Some(params.to_vec()).filter(|params| !params.is_empty());
        let response = self.send(route, Request::new(route, LightMethod::Get).params(params)).await?;
        read(response).await
    }

    /// Sends a JSON document and reads the answer.
    pub(super) async fn send_json<T: DeserializeOwned>(
        &self,
        method: LightMethod,
        route: Route<'_>,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        read(self.send(route, Request::new(route, method).body(Some(json(body)?))).await?).await
    }

    /// Sends a JSON document whose answer is empty or does not matter.
    pub(super) async fn tell(
        &self,
        method: LightMethod,
        route: Route<'_>,
        body: &impl Serialize,
    ) -> Result<(), Failure> {
        self.send(route, Request::new(route, method).body(Some(json(body)?))).await.map(drop)
    }

    async fn send(&self, route: Route<'_>, request: Request<'_>) -> Result<Response, Failure> {
        // Ten thousand refused requests in ten minutes ban the address: after the first 401 nothing is sent any more.
        if self.refused.load(Ordering::Relaxed) {
            return Err(failure(
                None,
                ChatError::never("Discord refused the bot's token; nothing is sent until it is changed"),
            ));
        }
        let bucket = route.ratelimiting_bucket();
        self.wait_for(bucket).await?;
        let request = request.build(&self.client, &self.token, self.proxy.as_deref()).map_err(|error| {
            failure(None, ChatError::never(format!("a request Discord cannot be sent: {error}")))
        })?;
        let response = request.send().await.map_err(|error| {
            // The URL of an interaction holds its token.
            let reason = format!("Discord cannot be reached: {}", chain(&error.without_url()));
            failure(None, ChatError::again(reason, PAUSE))
        })?;
        self.learn_limits(bucket, &response);
        if response.status().is_success() { Ok(response) } else { Err(self.refusal(bucket, response).await) }
    }

    /// Waits for a limit that ends in a moment; a longer one is told.
    async fn wait_for(&self, bucket: RatelimitingBucket) -> Result<(), Failure> {
        // Interaction callbacks are outside every limit and must be quick.
        if bucket.is_none() {
            return Ok(());
        }
        let now = Instant::now();
        let opens = {
            let closed = self.closed_until.lock().unwrap_or_else(PoisonError::into_inner);
            [Some(bucket), None].into_iter().filter_map(|key| closed.get(&key)).max().copied()
        };
        match opens.map(|at| at.saturating_duration_since(now)) {
            Some(wait) if wait > PATIENCE => {
                Err(failure(None, ChatError::again("Discord's rate limit is used up", wait)))
            }
            Some(wait) => {
                tokio::time::sleep(wait).await;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The last request of a window closes its bucket until the window's end.
    fn learn_limits(&self, bucket: RatelimitingBucket, response: &Response) {
        let number = |name: &str| response.headers().get(name)?.to_str().ok()?.parse::<f64>().ok();
        if number("x-ratelimit-remaining") == Some(0.0)
            && let Some(reset_after) = number("x-ratelimit-reset-after")
        {
            self.close(Some(bucket), seconds(reset_after));
        }
    }

    fn close(&self, bucket: Option<RatelimitingBucket>, time: Duration) {
        let mut closed = self.closed_until.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        closed.retain(|_, until| *until > now);
        closed.insert(bucket, now + time);
    }

    async fn refusal(&self, bucket: RatelimitingBucket, response: Response) -> Failure {
        let status = response.status();
        let header =
            response.headers().get("retry-after").and_then(|it| it.to_str().ok()?.parse::<f64>().ok());
        let global_header = response.headers().contains_key("x-ratelimit-global");
        let body: Value = response.json().await.unwrap_or_default();
        let code = body["code"].as_u64().and_then(|code| u32::try_from(code).ok()).filter(|code| *code != 0);
        if status == StatusCode::UNAUTHORIZED && !bucket.is_none() {
            self.refused.store(true, Ordering::Relaxed);
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            // The body's figure has fractions; the header is whole seconds.
            let wait = body["retry_after"].as_f64().or(header).map_or(UNSAID, seconds);
            let global = global_header || body["global"] == true;
            self.close(if global { None } else { Some(bucket) }, wait);
            return failure(code, ChatError::again("Discord's rate limit is used up", wait));
        }
        let message = body["message"].as_str().unwrap_or_default();
        let (reason, retry) = explain(status, code, message, &body["errors"]);
        failure(code, ChatError { reason, retry })
    }
}

/// A refusal in a person's words, and whether trying again may help.
fn explain(status: StatusCode, code: Option<u32>, message: &str, errors: &Value) -> (String, Retry) {
    if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
        return (format!("Discord answered {}", status.as_u16()), Retry::After(PAUSE));
    }
    let words = match code {
        Some(10003) => "the channel or thread does not exist any more",
        Some(10008) => "the message does not exist any more",
        Some(10062) => "the interaction is older than Discord waits for an answer",
        Some(30033) => "the thread has 1000 members, and Discord allows no more",
        Some(30046) => {
            return ("the message was edited too often for its age".to_owned(), Retry::After(UNSAID));
        }
        Some(40060) => "the interaction was acknowledged already",
        Some(50001) => "the bot cannot see the channel; give it View Channel there",
        Some(50013) => {
            "the bot lacks a permission in the channel; it needs View Channel, Send Messages, Create Public Threads, \
             Send Messages in Threads and Read Message History"
        }
        Some(50083) => "the thread is archived",
        Some(160_004) => "the thread exists already",
        Some(160_005) => "the thread is locked; unlock it, or give the bot Manage Threads",
        Some(160_006) => {
            return (
                "the server has too many active threads".to_owned(),
                Retry::After(Duration::from_mins(1)),
            );
        }
        _ if status == StatusCode::UNAUTHORIZED => {
            "Discord refused the bot's token; nothing is sent until it is changed"
        }
        _ => {
            let details = if errors.is_null() { String::new() } else { format!(" {errors}") };
            let code = code.map_or_else(String::new, |code| format!(", code {code}"));
            return (
                format!("Discord refused it ({}{code}): {message}{details}", status.as_u16()),
                Retry::Never,
            );
        }
    };
    (words.to_owned(), Retry::Never)
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

    #[track_caller]
    fn check(status: u16, code: Option<u32>, words: &str, again: bool) {
        let status = StatusCode::from_u16(status).unwrap();
        let (reason, retry) = explain(status, code, "said", &Value::Null);
        assert!(reason.contains(words), "{reason}");
        assert_eq!(retry != Retry::Never, again, "{reason}");
    }

    #[test]
    fn a_refusal_is_told_by_its_code_and_whether_it_may_pass() {
        check(404, Some(10003), "thread does not exist", false);
        check(403, Some(50013), "Send Messages in Threads", false);
        check(403, Some(50001), "View Channel", false);
        check(400, Some(160_006), "too many active threads", true);
        check(401, None, "token", false);
        check(502, None, "502", true);
        check(400, Some(50035), "code 50035): said", false);
    }

    #[test]
    fn strange_waiting_times_are_bounded() {
        assert_eq!(seconds(-1.0), Duration::ZERO);
        assert_eq!(seconds(f64::NAN), UNSAID);
        assert_eq!(seconds(1e300), Duration::from_hours(24));
    }
}
