//! The console: a board of incidents and a page for each, rendered here; a script makes them move and is not needed.
//!
//! It shows the same documents as the API and sends people's answers the same way; a form is answered with a redirect, so
//! that reloading never answers twice. What moves by itself is rendered in parts, each a template of its own: the page is made of
//! them, and a stream ([`super::live`]) sends the ones that changed.

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Serialize;
use serde_json::Value;

use crate::app::{AppError, Filter, Search};
use crate::bucket::Bucket;
use crate::clock;
use crate::incident::{IncidentId, Person, Said};
use crate::question::QuestionId;
use crate::server::form::{field, form};
use crate::server::live::{self, Piece, Topic};
use crate::server::problem::Problem;
use crate::server::sender::Who;
use crate::server::{Shared, assets, incidents, words};

pub(in crate::server) mod board;
mod chart;
pub(in crate::server) mod doors;
mod page;
pub(in crate::server) mod runbooks;

use board::{Board, Wanted};
pub(super) use chart::tenth;
use page::Page;

/// Kept deliveries below the board.
const KEPT_ON_BOARD: u32 = 5;

/// The parts of the board that move by themselves.
const BOARD_PARTS: [&str; 2] = ["open", "recent"];

/// A page: what all of them show, and its own values.
#[derive(Serialize)]
struct Framed<'a, T> {
    assets: assets::Names,
    /// The page's place in the menu.
    place: &'a str,
    /// Whether people log in here, and so out.
    session: bool,
    /// Where the page's stream is.
    live: Option<String>,
    #[serde(flatten)]
    page: T,
}

pub(super) fn render(
    shared: &Shared,
    template: &str,
    place: &str,
    live: Option<String>,
    page: impl Serialize,
) -> Result<Html<String>, Problem> {
    let session = !shared.doors.is_open() && place != "login";
    Ok(Html(shared.app.render(template, &Framed { assets: assets::names(), place, session, live, page })?))
}

/// The pieces of a page: each part under its name.
fn pieces(
    shared: &Shared,
    folder: &str,
    parts: &[&str],
    order: u64,
    page: &impl Serialize,
) -> Result<Vec<Piece>, Problem> {
    // Once for all parts.
    let values = serde_json::to_value(page).map_err(|error| Problem::unavailable(&error.to_string()))?;
    let piece = |part: &&str| -> Result<Piece, Problem> {
        let text = shared.app.render(&format!("console/{folder}/{part}"), &values)?;
        Ok(Piece { order, name: format!("part {part}"), text })
    };
    parts.iter().map(piece).collect()
}

/// What only the first screen of a newcomer shows.
#[derive(Serialize)]
struct Hall {
    #[serde(flatten)]
    board: Board,
    /// Where the reader reached us.
    base: String,
    /// The sources whose deliveries are taken.
    sources: Vec<String>,
    drills: Vec<Value>,
}

async fn board_of(shared: &Shared, wanted: Wanted, search: &Search) -> Result<Board, Problem> {
    let found = shared.app.search(search).await?;
    let plain = wanted.is_plain();
    let recent = if plain { shared.app.incidents(Filter::Over, board::RECENT).await? } else { Vec::new() };
    let kept = if plain { shared.app.kept(KEPT_ON_BOARD).await? } else { Vec::new() };
    let over = |(stage, _): &&(String, i64)| !matches!(stage.as_str(), "resolved" | "closed");
    let open = shared.app.figures().await?.incidents.iter().filter(over).map(|(_, count)| count).sum();
    Ok(Board::of(wanted, found, recent, kept, open))
}

pub(super) async fn board(
    State(shared): State<Shared>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Html<String>, Problem> {
    let wanted = Wanted::read(query.as_deref());
    let search = wanted.search().map_err(Problem::bad_request)?;
    // Before the store is read: what happens from here on is sent.
    let after = moment();
    let board = board_of(&shared, wanted, &search).await?;
    let hall = Hall {
        board,
        base: base(&shared, &headers),
        sources: shared.doors.sources.all().keys().map(|source| source.id().to_owned()).collect(),
        drills: shared.doors.drills.as_ref().map(|drills| drills.worlds()).unwrap_or_default(),
    };
    let query = query.filter(|it| !it.is_empty()).map(|it| format!("&{it}")).unwrap_or_default();
    render(&shared, "console/board", "board", Some(format!("/live?after={after}{query}")), hall)
}

/// Where the reader reached us: as configured, or as their request says.
fn base(shared: &Shared, headers: &HeaderMap) -> String {
    if let Some(url) = &shared.doors.access.url {
        return url.as_str().trim_end_matches('/').to_owned();
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1:8080");
    format!("http://{host}")
}

/// The parts of the board, as its stream sends them.
pub(super) async fn board_pieces(shared: &Shared, search: &Search) -> Result<Vec<Piece>, Problem> {
    let wanted = Wanted::of(search);
    let board = board_of(shared, wanted, search).await?;
    // After the store was read: a page that saw less was rendered before.
    pieces(shared, "board", &BOARD_PARTS, live::at_event(moment()), &board)
}

fn moment() -> u64 {
    u64::try_from(clock::now().as_millisecond()).unwrap_or_default()
}

pub(super) async fn board_live(
    State(shared): State<Shared>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let search = Wanted::read(query.as_deref()).search().map_err(Problem::bad_request)?;
    live::watch(&shared, &Topic::Board(search), live::seen(&headers, query.as_deref()))
}

async fn page_of(shared: &Shared, id: &IncidentId) -> Result<Page, Problem> {
    let (document, course) = shared.app.story(id).await?;
    let known = shared.doors.drills.as_ref().and_then(|drills| drills.known(id));
    Ok(Page::of(document, &course, known.as_ref()))
}

fn shown(shared: &Shared, page: Page) -> Result<Response, Problem> {
    let stream = format!("/incidents/{}/live?after={}", page.incident.id, page.seq);
    Ok(render(shared, "console/incident", "incident", Some(stream), page)?.into_response())
}

pub(super) async fn incident(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let page = page_of(&shared, &incidents::id(&name)?).await?;
    shown(&shared, page)
}

/// The parts of an incident's page, as its stream sends them.
pub(super) async fn incident_pieces(shared: &Shared, id: &IncidentId) -> Result<Vec<Piece>, Problem> {
    let page = page_of(shared, id).await?;
    pieces(shared, "incident", &page::PARTS, live::at_event(page.seq), &page)
}

pub(super) async fn incident_live(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = incidents::known(&shared, &name).await?;
    live::watch(&shared, &Topic::Page(id), live::seen(&headers, query.as_deref()))
}

/// A document to read and to copy.
#[derive(Serialize)]
struct Text {
    id: IncidentId,
    title: String,
    heading: String,
    markdown: String,
    place_of_issue: Option<String>,
}

pub(super) async fn evidence(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Html<String>, Problem> {
    let id = incidents::id(&name)?;
    let markdown = shared.app.evidence_markdown(&id).await?;
    let title = shared.app.document(&id).await?.title;
    let text = Text { id, title, heading: "Evidence".to_owned(), markdown, place_of_issue: None };
    render(&shared, "console/evidence", "incident", None, text)
}

/// The issue as it would be filed now, for those whose tracker is a folder that a browser cannot open.
pub(super) async fn issue(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Html<String>, Problem> {
    let id = incidents::id(&name)?;
    let issue = shared.app.issue(&id).await?;
    let document = shared.app.document(&id).await?;
    let text = Text {
        id,
        title: document.title,
        heading: issue.title,
        markdown: issue.body,
        place_of_issue: document.issue,
    };
    render(&shared, "console/evidence", "incident", None, text)
}

pub(super) async fn drill(State(shared): State<Shared>, body: Body) -> Result<Redirect, Problem> {
    let form = form(body).await?;
    let here = "drills start where nobody but this machine is concerned: on loopback, with the console as chat and a folder for issues; elsewhere run `firstcheck drill`";
    let Some(drills) = &shared.doors.drills else {
        return Err(Problem::new(StatusCode::FORBIDDEN, here));
    };
    let started = drills.start(field(&form, "world").unwrap_or_default()).await;
    let id = started.map_err(|reason| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, reason))?;
    Ok(Redirect::to(&format!("/incidents/{id}")))
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
    let reply = reply(&form);
    // A form that says nothing of what its reader saw (one of before, or a program's) is taken as it comes.
    let taken = if form.iter().any(|(name, _)| name == "seen") {
        let seen = field(&form, "seen").and_then(|seen| seen.parse().ok());
        shared.app.answer_after(&id, question, &reply, by, seen).await
    } else {
        shared.app.answer(&id, question, &reply, by).await.map(|()| None)
    };
    match taken {
        Ok(None) => Ok(Redirect::to(&format!("/incidents/{id}")).into_response()),
        Ok(Some(known)) => {
            let other = known.by.as_deref().unwrap_or("somebody");
            let said = known.answer.map(|answer| answer.to_string()).unwrap_or_default();
            let says = format!(
                "{other} has answered this question meanwhile: {said}. Your reply was not taken; change the answer if it is wrong."
            );
            let page = page_of(&shared, &id).await?.with_notice(says, Some(reply));
            Ok((StatusCode::CONFLICT, shown(&shared, page)?).into_response())
        }
        Err(error) => refused(&shared, &id, error, Some(reply)).await,
    }
}

/// The button that was pressed, else the words, else what was picked.
fn reply(form: &[(String, String)]) -> String {
    if let Some(pick) = field(form, "pick") {
        return pick.to_owned();
    }
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
    let wanted = |name: &str| field(&form, name).unwrap_or_default();
    let said = match wanted("said") {
        "resolve" => Said::Resolve,
        "close" => Said::Close,
        "reopen" => Said::Reopen,
        "file" => Said::File,
        "assign" => Said::Assign(Person::named(wanted("to"))),
        "snooze" => Said::Snooze(words::snoozed_for(wanted("for"))?),
        "reclassify" => {
            let bucket: Result<Bucket, _> = wanted("bucket").parse();
            Said::Reclassify(bucket.map_err(|error| Problem::bad_request(error.to_string()))?)
        }
        _ => return Err(Problem::bad_request("the form says nothing")),
    };
    match shared.app.say(&id, said, who.by(field(&form, "by"), "console"), field(&form, "reason")).await {
        Ok(()) => Ok(Redirect::to(&format!("/incidents/{id}")).into_response()),
        Err(error) => refused(&shared, &id, error, None).await,
    }
}

/// The page again, with the reason on top and the words that were not taken; what is no refusal is a problem.
async fn refused(
    shared: &Shared,
    id: &IncidentId,
    error: AppError,
    words: Option<String>,
) -> Result<Response, Problem> {
    let AppError::Refused(reason) = error else { return Err(error.into()) };
    let page = page_of(shared, id).await?.with_notice(format!("That was not taken: {reason}"), words);
    Ok((StatusCode::UNPROCESSABLE_ENTITY, shown(shared, page)?).into_response())
}
