//! `/alerts/{source}`: alert webhooks, answered once their alerts are on disk.
//!
//! The order is that of cost: the source's name, the method, a token, the size, then the body, its signature, and only then what it
//! says. A delivery that ends early has no effect and costs other senders nothing. The surprise: GET and PUT are taken where a
//! source is known to use them; GET carries its values in the query.

use std::collections::BTreeMap;

use crate::alert::door::{self, DoorRule};
use crate::alert::{Source, body};
use crate::app::{AppError, Delivery, SnsRefused};
use crate::server::credentials::Credentials;
use crate::server::form::PATIENCE;
use crate::server::problem::Problem;
use crate::server::sender::unauthorized;
use crate::server::{Shared, intake_body};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

/// Bytes of a body that is read beside the threads that answer.
const LONG_BODY: usize = 256 * 1024;

/// Headers mappings look at and delivery ids come from, in order; credentials are not among them.
const NAMED: [&str; 18] = [
    "aeg-event-type",
    "ce-id",
    "ce-source",
    "ce-specversion",
    "ce-type",
    "content-type",
    "request-id",
    "sentry-hook-resource",
    "user-agent",
    "webhook-id",
    "x-amz-sns-message-id",
    "x-amz-sns-message-type",
    "x-github-delivery",
    "x-github-event",
    "x-honeycomb-webhook-delivery-id",
    "x-honeycomb-webhook-type",
    "x-webhook-id",
    "x-webhook-subscription",
];

pub(super) async fn receive(
    State(shared): State<Shared>,
    Path(path): Path<BTreeMap<String, String>>,
    request: Request,
) -> Result<Response, Problem> {
    // Taken apart, not copied: under a storm this is the whole of the bot's work.
    let (Parts { method, headers, uri, .. }, bytes) = request.into_parts();
    let name = path.get("source").map(String::as_str).unwrap_or_default();
    let (source, credentials) =
        shared.doors.sources.named(name).ok_or_else(|| unknown_source(&shared, name))?;
    let rule = source.door();
    if method == Method::OPTIONS {
        return Ok(permission(rule, &headers));
    }
    if !rule.takes(method.as_str()) {
        return Ok(not_this_method(rule, &method, &uri));
    }
    let knock = Knock { source: &source, credentials: &credentials, headers: &headers };
    let token = path.get("token").map(String::as_str);
    let opened = if method == Method::GET {
        knock.query(&shared, &uri, token)?
    } else {
        knock.body(&shared, &uri, token, bytes).await?
    };
    let Opened { body, raw } = opened;
    let body = match body {
        Ok(body) => body,
        Err(reason) => {
            shared.app.keep_unreadable(source.id(), &reason, &raw).await?;
            return Err(Problem::bad_request(reason));
        }
    };
    if !credentials.topics.is_empty() {
        match shared.app.take_sns(&body, &credentials.topics).await {
            Ok(None) => {}
            // A handshake: SNS wants 200.
            Ok(Some(said)) => return Ok(Json(json!({ "message": said })).into_response()),
            Err(SnsRefused::Forged(why)) => return Err(knock.refuse(&shared, &why)),
            Err(SnsRefused::NotNow(why)) => return Err(Problem::unavailable(&why)),
        }
    }
    if let Some(answer) = door::handshake(&body) {
        tracing::info!(source = source.id(), "a handshake was answered");
        return Ok(Json(answer).into_response());
    }
    let _turn = shared.deliveries.try_acquire().map_err(|_| Problem::overloaded())?;
    let named = named(&headers);
    let id = rule.delivery_name(&named, &body);
    if source.id() == "github" {
        // One webhook at GitHub is enough: its deployments are alerts when they fail, and changes in any case.
        match shared.app.record_changes(source.id(), &body, &named).await {
            Ok(_) | Err(AppError::Malformed(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let delivery = Delivery { body, headers: named, id };
    match tokio::time::timeout(PATIENCE, shared.app.deliver(&source, delivery)).await {
        Ok(accepted) => Ok((StatusCode::ACCEPTED, Json(accepted?)).into_response()),
        Err(_) => Err(Problem::unavailable("storing a delivery took too long")),
    }
}

/// A sender at a door.
pub(super) struct Knock<'a> {
    pub(super) source: &'a Source,
    pub(super) credentials: &'a Credentials,
    pub(super) headers: &'a HeaderMap,
}

/// A delivery whose sender is known: its body, or why it cannot be read, and its bytes then.
pub(super) struct Opened {
    pub(super) body: Result<Value, String>,
    pub(super) raw: Bytes,
}

impl Knock<'_> {
    /// The answer to every lack of credentials; what was lacking is for the log.
    pub(super) fn refuse(&self, shared: &Shared, why: &str) -> Problem {
        tracing::info!(source = self.source.id(), why, "credentials were not accepted");
        shared.app.unauthorized(self.source.id());
        unauthorized()
    }

    fn token(&self, shared: &Shared, uri: &Uri, in_path: Option<&str>) -> Result<(), Problem> {
        if self.credentials.token_is_shown(self.headers, uri, in_path) {
            return Ok(());
        }
        Err(self.refuse(shared, "no valid token"))
    }

    /// Reads the body, and whether one of the secrets signed it.
    pub(super) async fn body(
        &self,
        shared: &Shared,
        uri: &Uri,
        in_path: Option<&str>,
        bytes: Body,
    ) -> Result<Opened, Problem> {
        self.token(shared, uri, in_path)?;
        let most = self.source.door().largest_bytes();
        let sent = intake_body::read(shared, self.headers, bytes, most, PATIENCE).await?;
        let plain = intake_body::decoded(self.headers, sent.bytes.clone(), most)?;
        let event = || {
            let pairs =
                self.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
            let is_binary = self.source.id() == "cloudevents" && self.headers.contains_key("ce-specversion");
            is_binary.then(|| door::structured(pairs, body::read(&plain).ok())).flatten()
        };
        let body = match event() {
            Some(event) => Ok(event),
            None if plain.len() > LONG_BODY => {
                let plain = plain.clone();
                let read = tokio::task::spawn_blocking(move || body::read(&plain)).await;
                read.unwrap_or_else(|_| Err("the body cannot be read".to_owned()))
            }
            None => body::read(&plain),
        };
        // Some sign what they compressed, some what they sent.
        let signed: &[&[u8]] = &[&sent.bytes, &plain];
        let signed = if sent.bytes == plain { &signed[..1] } else { signed };
        self.credentials
            .is_signed(self.source.door(), self.headers, signed, body.as_ref().ok())
            .map_err(|why| self.refuse(shared, &why))?;
        Ok(Opened { body, raw: plain })
    }

    /// The values of the query, without our own token. A browser that was led here is no monitoring system.
    fn query(&self, shared: &Shared, uri: &Uri, in_path: Option<&str>) -> Result<Opened, Problem> {
        if self.headers.contains_key("sec-fetch-mode") {
            return Err(Problem::new(StatusCode::FORBIDDEN, "a browser may not do this"));
        }
        self.token(shared, uri, in_path)?;
        let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(pairs.filter(|(name, _)| name != "token"));
        let raw = Bytes::from(query.finish());
        let body = body::form(&String::from_utf8_lossy(&raw));
        self.credentials
            .is_signed(self.source.door(), self.headers, &[&raw], Some(&body))
            .map_err(|why| self.refuse(shared, &why))?;
        Ok(Opened { body: Ok(body), raw })
    }
}

/// The answer to OPTIONS: what the door takes, and for CloudEvents that events may come (its *HTTP 1.1 Web Hooks*, section 4).
fn permission(rule: &DoorRule, headers: &HeaderMap) -> Response {
    let mut response = StatusCode::OK.into_response();
    let answer = response.headers_mut();
    if let Some(origin) = headers.get("webhook-request-origin") {
        answer.insert("webhook-allowed-origin", origin.clone());
        answer.insert("webhook-allowed-rate", HeaderValue::from_static("*"));
    }
    if let Ok(allowed) = HeaderValue::from_str(&allowed(rule)) {
        answer.insert(header::ALLOW, allowed);
    }
    response
}

fn allowed(rule: &DoorRule) -> String {
    rule.method_names().into_iter().chain(["OPTIONS"]).collect::<Vec<_>>().join(", ")
}

fn not_this_method(rule: &DoorRule, method: &Method, uri: &Uri) -> Response {
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not for {}", uri.path()));
    let mut response = problem.into_response();
    if let Ok(allowed) = HeaderValue::from_str(&allowed(rule)) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

pub(super) fn unknown_source(shared: &Shared, name: &str) -> Problem {
    let all = shared.doors.sources.all();
    let known: Vec<&str> = all.keys().map(Source::id).collect();
    Problem::new(
        StatusCode::NOT_FOUND,
        format!("no source is called `{name}`; there are {}", known.join(", ")),
    )
}

/// The headers mappings look at, their names in lower case.
pub(super) fn named(headers: &HeaderMap) -> BTreeMap<String, String> {
    let named = headers.keys().filter(|name| NAMED.binary_search(&name.as_str()).is_ok());
    named.filter_map(|name| Some((name.to_string(), headers.get(name)?.to_str().ok()?.to_owned()))).collect()
}
