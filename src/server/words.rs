//! What a person says of an incident as a whole: corrected, over, closed, looked at again, quiet, somebody's, filed.
//!
//! Every door of these takes one JSON object with what it needs; `by` and `reason` are always understood, and a key that
//! means nothing to the door is refused rather than ignored. What the stage does not allow is 422 with the reason.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts as _, Path, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::access::Principal;
use crate::app::view::Document;
use crate::bucket::{Bucket, UnknownBucket};
use crate::clock;
use crate::incident::{Person, Said};
use crate::server::problem::Problem;
use crate::server::sender::Who;
use crate::server::{Shared, form, incidents};

/// Who says so when the caller does not say.
const API: &str = "api";

type Answer = Result<Json<Document>, Problem>;

pub(super) async fn reclassify(mut word: Word) -> Answer {
    let bucket = word.text("bucket")?.unwrap_or_default();
    let bucket: Bucket = bucket.parse().map_err(|error: UnknownBucket| unprocessable(error.to_string()))?;
    word.say(Said::Reclassify(bucket)).await
}

pub(super) async fn resolve(word: Word) -> Answer {
    word.say(Said::Resolve).await
}

pub(super) async fn close(word: Word) -> Answer {
    word.say(Said::Close).await
}

pub(super) async fn reopen(word: Word) -> Answer {
    word.say(Said::Reopen).await
}

pub(super) async fn file(word: Word) -> Answer {
    word.say(Said::File).await
}

pub(super) async fn assign(mut word: Word) -> Answer {
    let to = word.text("to")?.ok_or_else(|| unprocessable("`to` says whose the incident is now"))?;
    word.say(Said::Assign(Person::named(to))).await
}

pub(super) async fn snooze(mut word: Word) -> Answer {
    let until = match (word.text("until")?, word.text("for")?) {
        (Some(until), None) => until.parse().map_err(|_| {
            unprocessable(format!("`until` `{until}` is no time such as `2026-01-02T15:04:05Z`"))
        }),
        (None, Some(span)) => snoozed_for(&span),
        (None, None) => {
            Err(unprocessable("`until` (a time) or `for` (a span such as `2h`) says when the snooze ends"))
        }
        (Some(_), Some(_)) => Err(unprocessable("either `until` or `for`, not both")),
    }?;
    word.say(Said::Snooze(until)).await
}

/// When a snooze of this span ends.
pub(super) fn snoozed_for(span: &str) -> Result<Timestamp, Problem> {
    let until = span.parse::<SignedDuration>().ok().and_then(|span| clock::now().checked_add(span).ok());
    until.ok_or_else(|| unprocessable(format!("`for` `{span}` is no span of time such as `30m` or `2h`")))
}

/// A word about one incident: a body's keys, of which each is taken once.
pub(super) struct Word {
    shared: Shared,
    /// The incident, as the path names it.
    name: String,
    keys: Map<String, Value>,
    /// Who sends it.
    who: Principal,
}

impl FromRequest<Shared> for Word {
    type Rejection = Response;

    /// Reads a body; none at all says nothing.
    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Who(who) =
            Who::from_request_parts(&mut parts, shared).await.map_err(IntoResponse::into_response)?;
        let Path(name) =
            Path::from_request_parts(&mut parts, shared).await.map_err(IntoResponse::into_response)?;
        let bytes = form::whole(body).await.map_err(IntoResponse::into_response)?;
        let keys = if bytes.trim_ascii().is_empty() {
            Map::new()
        } else {
            form::json_of(&bytes).map_err(IntoResponse::into_response)?
        };
        Ok(Self { shared: shared.clone(), name, keys, who })
    }
}

impl Word {
    /// Takes a text; a number stands for itself, null for nothing.
    fn text(&mut self, key: &str) -> Result<Option<String>, Problem> {
        match self.keys.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(Problem::bad_request(format!("`{key}` is a text"))),
        }
    }

    async fn say(mut self, said: Said) -> Answer {
        let id = incidents::id(&self.name)?;
        let (by, reason) = (self.text("by")?, self.text("reason")?);
        if let Some(key) = self.keys.keys().next() {
            return Err(Problem::bad_request(format!("`{key}` means nothing here")));
        }
        let app = &self.shared.app;
        app.say(&id, said, self.who.by(by.as_deref(), API), reason.as_deref()).await?;
        Ok(Json(app.document(&id).await?))
    }
}

fn unprocessable(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
}
