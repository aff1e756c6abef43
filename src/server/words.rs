//! What a person says of an incident as a whole: corrected, over, closed, looked at again, quiet, somebody's, filed.
//!
//! Every door of these takes one JSON object with what it needs; `by` and `reason` are always understood, and a key that
//! means nothing to the door is refused rather than ignored. What the stage does not allow is 422 with the reason.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::access::Principal;
use crate::app::view::Document;
use crate::bucket::{Bucket, UnknownBucket};
use crate::clock;
use crate::incident::{Person, Said};
use crate::server::guard::Who;
use crate::server::problem::Problem;
use crate::server::{Shared, alerts, incidents};

/// Who says so when the caller does not say.
const API: &str = "api";

type Answer = Result<Json<Document>, Problem>;

pub(super) async fn reclassify(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Who(who): Who,
    body: Body,
) -> Answer {
    let mut word = Word::read(who, body).await?;
    let bucket = word.text("bucket")?.unwrap_or_default();
    let bucket: Bucket = bucket.parse().map_err(|error: UnknownBucket| unprocessable(error.to_string()))?;
    word.say(&shared, &name, Said::Reclassify(bucket)).await
}

pub(super) async fn resolve(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Who(who): Who,
    body: Body,
) -> Answer {
    Word::read(who, body).await?.say(&shared, &name, Said::Resolve).await
}

pub(super) async fn close(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Who(who): Who,
    body: Body,
) -> Answer {
    Word::read(who, body).await?.say(&shared, &name, Said::Close).await
}

pub(super) async fn reopen(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Who(who): Who,
    body: Body,
) -> Answer {
    Word::read(who, body).await?.say(&shared, &name, Said::Reopen).await
}

pub(super) async fn file(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Who(who): Who,
    body: Body,
) -> Answer {
    Word::read(who, body).await?.say(&shared, &name, Said::File).await
}

pub(super) async fn assign(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Who(who): Who,
    body: Body,
) -> Answer {
    let mut word = Word::read(who, body).await?;
    let to = word.text("to")?.ok_or_else(|| unprocessable("`to` says whose the incident is now"))?;
    word.say(&shared, &name, Said::Assign(Person::named(to))).await
}

pub(super) async fn snooze(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Who(who): Who,
    body: Body,
) -> Answer {
    let mut word = Word::read(who, body).await?;
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
    word.say(&shared, &name, Said::Snooze(until)).await
}

/// When a snooze of this span ends.
pub(super) fn snoozed_for(span: &str) -> Result<Timestamp, Problem> {
    let until = span.parse::<SignedDuration>().ok().and_then(|span| clock::now().checked_add(span).ok());
    until.ok_or_else(|| unprocessable(format!("`for` `{span}` is no span of time such as `30m` or `2h`")))
}

/// A body's keys, of which each is taken once.
struct Word {
    keys: Map<String, Value>,
    /// Who sends it.
    who: Principal,
}

impl Word {
    /// Reads a body; none at all says nothing.
    async fn read(who: Principal, body: Body) -> Result<Self, Problem> {
        let bytes = alerts::read(body).await?;
        if bytes.trim_ascii().is_empty() {
            return Ok(Self { keys: Map::new(), who });
        }
        incidents::json_of(&bytes).map(|keys| Self { keys, who })
    }

    /// Takes a text; a number stands for itself, null for nothing.
    fn text(&mut self, key: &str) -> Result<Option<String>, Problem> {
        match self.keys.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(Problem::bad_request(format!("`{key}` is a text"))),
        }
    }

    async fn say(mut self, shared: &Shared, name: &str, said: Said) -> Answer {
        let id = incidents::id(name)?;
        let (by, reason) = (self.text("by")?, self.text("reason")?);
        if let Some(key) = self.keys.keys().next() {
            return Err(Problem::bad_request(format!("`{key}` means nothing here")));
        }
        shared.app.say(&id, said, self.who.by(by.as_deref(), API), reason.as_deref()).await?;
        Ok(Json(shared.app.document(&id).await?))
    }
}

fn unprocessable(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
}
