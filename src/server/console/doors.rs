//! The doors as pages: how each source is, and the deliveries that became no alert, each with a button that takes it again.

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use serde::Serialize;

use super::{base, render};
use crate::app::{AppError, Replayed, ShownDelivery};
use crate::server::Shared;
use crate::server::doors::{self, Seen, SourceShown, WantedDeliveries};
use crate::server::problem::Problem;

/// Deliveries of a page.
const ROWS: u32 = 50;

/// The states a delivery can be kept in, as a menu.
const STATES: [&str; 4] = ["all", "refused", "unmapped", "silenced"];

#[derive(Serialize)]
struct Sources {
    /// Those that were heard of, or should have been.
    heard: Vec<SourceShown>,
    /// Those whose deliveries would be taken.
    unheard: Vec<SourceShown>,
    /// Where the reader reached us.
    base: String,
}

pub(in crate::server) async fn sources(
    State(shared): State<Shared>,
    headers: HeaderMap,
) -> Result<Html<String>, Problem> {
    let all = doors::shown(&shared).await?;
    let (heard, unheard) = all.into_iter().partition(SourceShown::is_known);
    render(
        &shared,
        "console/sources",
        "sources",
        None,
        Sources { heard, unheard, base: base(&shared, &headers) },
    )
}

#[derive(Serialize)]
struct Deliveries {
    notice: Option<Notice>,
    states: [&'static str; 4],
    state: String,
    source: String,
    rows: Vec<ShownDelivery>,
    /// The address of the next page.
    next: Option<String>,
}

/// What came of a delivery that was taken again, where that is no incident.
#[derive(Serialize)]
struct Notice {
    says: String,
}

/// The page of this query, which is read as the API reads it.
async fn listed(
    shared: &Shared,
    query: Option<&str>,
    notice: Option<String>,
) -> Result<Html<String>, Problem> {
    let mut wanted = WantedDeliveries::default();
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        match &*name {
            "state" => wanted.state = value,
            "source" => wanted.source = value,
            "before" => wanted.before = value.and_then(|value| value.parse().ok()),
            _ => {}
        }
    }
    let (state, source) =
        (wanted.state.clone().unwrap_or_else(|| "all".to_owned()), wanted.source.clone().unwrap_or_default());
    wanted.limit = Some(ROWS);
    let Seen { deliveries, next_before } = doors::seen(shared, wanted).await?;
    let next = next_before.map(|before| {
        let mut query = url::form_urlencoded::Serializer::new(String::from("/deliveries?"));
        query.append_pair("state", &state).append_pair("source", &source);
        query.append_pair("before", &before.to_string()).finish()
    });
    let notice = notice.map(|says| Notice { says });
    let page = Deliveries { notice, states: STATES, state, source, rows: deliveries, next };
    render(shared, "console/deliveries", "deliveries", None, page)
}

pub(in crate::server) async fn deliveries(
    State(shared): State<Shared>,
    RawQuery(query): RawQuery,
) -> Result<Html<String>, Problem> {
    listed(&shared, query.as_deref(), None).await
}

pub(in crate::server) async fn replay(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let (status, says) = match doors::replayed(&shared, &id).await? {
        Ok(Replayed { accepted, ignored }) => match (accepted.incidents.first(), ignored) {
            (Some(joined), _) => {
                return Ok(Redirect::to(&format!("/incidents/{}", joined.id)).into_response());
            }
            (None, Some(reason)) => {
                (StatusCode::OK, format!("It was taken again and is still no alert: {reason}"))
            }
            (None, None) => {
                (StatusCode::OK, "It was taken again; nothing in it concerns an incident.".to_owned())
            }
        },
        Err(AppError::Refused(reason)) => {
            (StatusCode::UNPROCESSABLE_ENTITY, format!("It cannot be taken again: {reason}"))
        }
        Err(AppError::NotThisSource(refused)) => {
            (StatusCode::UNPROCESSABLE_ENTITY, format!("It was refused again: {refused}"))
        }
        Err(error) => return Err(error.into()),
    };
    Ok((status, listed(&shared, None, Some(says)).await?).into_response())
}
