//! The console: a board of incidents and a page for each, rendered here, without scripts.
//!
//! It shows the same document as the API and sends people's answers the same way; a form is answered with a redirect, so
//! that reloading never answers twice.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Serialize;

use crate::app::view::Document;
use crate::app::{AppError, Filter, Kept, Summary};
use crate::bucket::Bucket;
use crate::incident::{IncidentId, Said};
use crate::question::QuestionId;
use crate::server::guard::Who;
use crate::server::problem::Problem;
use crate::server::{Shared, alerts, incidents};

/// Incidents on the board, and kept deliveries below it: what fits a screen or two.
const ON_BOARD: u32 = 100;
const KEPT_ON_BOARD: u32 = 10;

#[derive(Serialize)]
struct Board {
    incidents: Vec<Summary>,
    kept: Vec<Kept>,
    /// Where the reader reached us.
    base: String,
    /// The sources whose deliveries are taken.
    sources: Vec<String>,
}

pub(super) async fn board(State(shared): State<Shared>, headers: HeaderMap) -> Result<Html<String>, Problem> {
    let incidents = shared.app.incidents(Filter::All, ON_BOARD).await?;
    let kept = shared.app.kept(KEPT_ON_BOARD).await?;
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1:8080");
    let base = format!("http://{host}");
    let sources = shared.doors.sources.keys().map(|source| source.id().to_owned()).collect();
    Ok(Html(shared.app.render("console/board", &Board { incidents, kept, base, sources })?))
}

#[derive(Serialize)]
struct Page {
    /// Why the last reply was not taken.
    refused: Option<String>,
    /// Whether something moves by itself, so that the page looks again.
    moves: bool,
    /// Whether people may still say something.
    open: bool,
    buckets: [&'static str; 5],
    incident: Document,
}

async fn page(shared: &Shared, id: &IncidentId, refused: Option<String>) -> Result<Response, Problem> {
    let incident = shared.app.document(id).await?;
    let running = incident.checks.iter().any(|check| check.state != "reported");
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = Page {
        moves: refused.is_none() && running,
        refused,
        open: incident.state.id() != "closed",
        buckets: Bucket::ALL.map(Bucket::id),
        incident,
    };
    Ok((status, Html(shared.app.render("console/incident", &page)?)).into_response())
}

pub(super) async fn incident(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    page(&shared, &incidents::id(&name)?, None).await
}

pub(super) async fn answer(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Who(who): Who,
    body: Body,
) -> Result<Response, Problem> {
    let id = incidents::id(&name)?;
    let form = form(body).await?;
    let question: QuestionId = field(&form, "question")
        .unwrap_or_default()
        .parse()
        .map_err(|_| Problem::bad_request("the form names no question"))?;
    let by = who.by(field(&form, "by"), "console");
    let taken = shared.app.answer(&id, question, &reply(&form), by).await;
    after(&shared, &id, taken).await
}

/// The words, when there are any, else what was picked.
fn reply(form: &[(String, String)]) -> String {
    if let Some(words) = field(form, "words") {
        return words.to_owned();
    }
    let picked: Vec<&str> =
        form.iter().filter(|(name, _)| name == "answer").map(|(_, value)| value.as_str()).collect();
    picked.join(",")
}

pub(super) async fn say(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Who(who): Who,
    body: Body,
) -> Result<Response, Problem> {
    let id = incidents::id(&name)?;
    let form = form(body).await?;
    let said = match field(&form, "said").unwrap_or_default() {
        "resolve" => Said::Resolve,
        "close" => Said::Close,
        "reclassify" => {
            let bucket: Result<Bucket, _> = field(&form, "bucket").unwrap_or_default().parse();
            Said::Reclassify(bucket.map_err(|error| Problem::bad_request(error.to_string()))?)
        }
        _ => return Err(Problem::bad_request("the form says nothing")),
    };
    let taken =
        shared.app.say(&id, said, who.by(field(&form, "by"), "console"), field(&form, "reason")).await;
    after(&shared, &id, taken).await
}

async fn after(shared: &Shared, id: &IncidentId, taken: Result<(), AppError>) -> Result<Response, Problem> {
    match taken {
        Ok(()) => Ok(Redirect::to(&format!("/incidents/{id}")).into_response()),
        Err(AppError::Refused(reason)) => page(shared, id, Some(reason)).await,
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn form(body: Body) -> Result<Vec<(String, String)>, Problem> {
    let bytes = alerts::read(body).await?;
    Ok(url::form_urlencoded::parse(&bytes).into_owned().collect())
}

/// A field with something in it.
fn field<'a>(form: &'a [(String, String)], wanted: &str) -> Option<&'a str> {
    form.iter()
        .find(|(name, _)| name == wanted)
        .map(|(_, value)| value.trim())
        .filter(|value| !value.is_empty())
}
