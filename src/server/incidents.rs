//! The API of incidents: list, show, start, answer, correct, end, and the evidence.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::alert::generic;
use crate::app::course::Entry;
use crate::app::view::Document;
use crate::app::{AppError, Cursor, Search, Summary};
use crate::bucket::Bucket;
use crate::incident::IncidentId;
use crate::question::QuestionId;
use crate::server::Shared;
use crate::server::filter::{since, state};
use crate::server::form::json_body;
use crate::server::live::{self, Piece, Topic};
use crate::server::problem::Problem;
use crate::server::sender::Who;

/// Incidents in a list when the caller does not say.
const LIST_DEFAULT: u32 = 100;

/// Which are listed, how many, and from where on.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    state: Option<String>,
    bucket: Option<String>,
    service: Option<String>,
    source: Option<String>,
    since: Option<String>,
    cursor: Option<String>,
    limit: Option<u32>,
}

#[derive(Debug, Serialize)]
pub(super) struct Listed {
    incidents: Vec<Summary>,
    /// What to ask for the next page with; null on the last.
    next_cursor: Option<String>,
}

pub(super) async fn list(
    State(shared): State<Shared>,
    wanted: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Listed>, Problem> {
    let Query(wanted) = wanted.map_err(|error| Problem::bad_request(error.body_text()))?;
    let found = shared.app.search(&search(wanted).map_err(Problem::bad_request)?).await?;
    Ok(Json(Listed { incidents: found.incidents, next_cursor: found.next.map(|cursor| cursor.to_string()) }))
}

fn search(wanted: Wanted) -> Result<Search, String> {
    let said = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(Search {
        state: state(wanted.state.as_deref())?,
        bucket: said(wanted.bucket)
            .map(|it| it.parse::<Bucket>())
            .transpose()
            .map_err(|it| it.to_string())?,
        service: said(wanted.service),
        source: said(wanted.source),
        since: said(wanted.since).map(|it| since(&it)).transpose()?,
        after: said(wanted.cursor).map(|it| it.parse::<Cursor>()).transpose().map_err(|it| it.to_string())?,
        limit: wanted.limit.unwrap_or(LIST_DEFAULT),
    })
}

/// The incident a path names, if there is one.
pub(super) async fn known(shared: &Shared, name: &str) -> Result<IncidentId, Problem> {
    let id = id(name)?;
    match shared.app.incident(&id).await? {
        Some(_) => Ok(id),
        None => Err(AppError::NoSuchIncident(id).into()),
    }
}

/// The events of an incident from the one after `Last-Event-ID` (or `?after=`) on, as they happen.
pub(super) async fn events(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = known(&shared, &name).await?;
    live::watch(&shared, &Topic::Events(id), live::seen(&headers, query.as_deref()))
}

/// Each event as a piece of its stream. What was sent once is not taken back, though a later redaction may word it anew.
pub(super) async fn pieces(shared: &Shared, id: &IncidentId) -> Result<Vec<Piece>, Problem> {
    let (_, course) = shared.app.story(id).await?;
    let piece = |entry: &Entry| Piece {
        order: live::at_event(entry.seq),
        name: format!("{} {}", entry.event, entry.seq),
        text: json!(entry).to_string(),
    };
    Ok(course.entries.iter().map(piece).collect())
}

/// The incident a path names; a word that cannot name one names none.
pub(super) fn id(text: &str) -> Result<IncidentId, Problem> {
    IncidentId::parse(text).map_err(|error| Problem::new(StatusCode::NOT_FOUND, error.to_string()))
}

pub(super) async fn show(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<Document>, Problem> {
    Ok(Json(shared.app.document(&id(&name)?).await?))
}

pub(super) async fn start(
    State(shared): State<Shared>,
    Who(who): Who,
    body: Body,
) -> Result<Response, Problem> {
    let mut body: Value = json_body(body).await?;
    let Some(object) = body.as_object_mut() else {
        return Err(Problem::bad_request("a JSON object with a `title` was expected"));
    };
    let named = object.remove("by");
    let by = who.by(named.as_ref().and_then(Value::as_str), "api").to_owned();
    let place =
        ["endpoint", "service"].iter().find_map(|name| object.get(*name)?.as_str().map(str::to_owned));
    if let (None, Some(place)) = (object.get("title"), place) {
        object.insert("title".to_owned(), format!("{place} fails").into());
    }
    let understood = generic::parse(&Arc::new(body)).map_err(|error| Problem::bad_request(error.why))?;
    let Some(mut alert) = understood.alerts.into_iter().next() else {
        return Err(Problem::bad_request(understood.ignored.unwrap_or_default()));
    };
    "by_hand".clone_into(&mut alert.source);
    let id = shared.app.start_by_hand(alert, &by).await?;
    let document = shared.app.document(&id).await?;
    let place =
        HeaderValue::from_str(&format!("/api/incidents/{id}")).map_err(|_| Problem::bad_request(""))?;
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(document)).into_response())
}

/// An answer to a question.
#[derive(Debug, Deserialize)]
pub(super) struct Reply {
    question: String,
    answer: Value,
    by: Option<String>,
}

pub(super) async fn answer(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Who(who): Who,
    body: Body,
) -> Result<Json<Document>, Problem> {
    let id = id(&name)?;
    let reply: Reply = json_body(body).await?;
    let question: QuestionId = reply.question.parse().map_err(|_| {
        let known = QuestionId::ALL.map(QuestionId::id).join(", ");
        let detail = format!("unknown question `{}`; the questions are {known}", reply.question);
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    })?;
    let words = words(&reply.answer).ok_or_else(|| {
        Problem::bad_request("`answer` is a text, a number, true or false, or a list of texts")
    })?;
    shared.app.answer(&id, question, &words, who.by(reply.by.as_deref(), "api")).await?;
    Ok(Json(shared.app.document(&id).await?))
}

/// What people send for an answer: `"one"`, `["deploy", "config"]`, 429, and `true` where they mean `yes`.
fn words(answer: &Value) -> Option<String> {
    match answer {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(true) => Some("yes".to_owned()),
        Value::Bool(false) => Some("no".to_owned()),
        Value::Null => Some("unknown".to_owned()),
        Value::Array(items) => {
            items.iter().map(words).collect::<Option<Vec<_>>>().map(|items| items.join(","))
        }
        Value::Object(_) => None,
    }
}

pub(super) async fn evidence(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = id(&name)?;
    if !wants_markdown(&headers) {
        return Ok(Json(json!(shared.app.evidence(&id).await?)).into_response());
    }
    let markdown = shared.app.evidence_markdown(&id).await?;
    Ok(([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], markdown).into_response())
}

/// Whether the caller would rather have Markdown than JSON.
fn wants_markdown(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let weight = |wanted: &str| {
        let range = accept.split(',').find(|range| range.split(';').next().map(str::trim) == Some(wanted))?;
        let weight = range.split(';').find_map(|part| part.trim().strip_prefix("q=")?.parse::<f32>().ok());
        Some(weight.unwrap_or(1.0))
    };
    match (weight("text/markdown"), weight("application/json")) {
        (Some(markdown), Some(json)) => markdown > json,
        (Some(markdown), None) => markdown > 0.0,
        (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn markdown(accept: &str, expected: bool) {
        let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
        assert_eq!(wants_markdown(&headers), expected, "{accept}");
    }

    #[test]
    fn markdown_is_given_to_those_who_ask_for_it() {
        markdown("text/markdown", true);
        markdown("text/markdown;q=0.9, application/json;q=0.1", true);
        markdown("application/json, text/markdown;q=0.5", false);
        markdown("*/*", false);
    }

    #[test]
    fn answers_come_in_every_json_dress() {
        assert_eq!(words(&json!("one")).as_deref(), Some("one"));
        assert_eq!(words(&json!(["deploy", "config"])).as_deref(), Some("deploy,config"));
        assert_eq!(words(&json!(429)).as_deref(), Some("429"));
        assert_eq!(words(&json!(true)).as_deref(), Some("yes"));
        assert_eq!(words(&json!(null)).as_deref(), Some("unknown"));
        assert_eq!(words(&json!({"a": 1})), None);
    }
}
