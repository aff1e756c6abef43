//! `GET /api/check/{kind}`: one check, as on the command line, under the server's egress policy.
//!
//! Refused are keys that would read a file of the server when others than this machine's users can ask.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;

use crate::app::{CheckRefused, reads_files_of_ours};
use crate::outcome::{CheckKind, Report};
use crate::server::Shared;
use crate::server::problem::Problem;

/// The longest a caller may let a check take: what a person still waits for.
const LONGEST: Duration = Duration::from_mins(1);

pub(super) async fn run(
    State(shared): State<Shared>,
    Path(kind): Path<String>,
    Query(mut query): Query<BTreeMap<String, String>>,
) -> Result<Json<Report>, Problem> {
    let kind: CheckKind = kind
        .parse()
        .map_err(|error: crate::outcome::UnknownCheck| Problem::bad_request(error.to_string()))?;
    query.remove("token");
    let target = query.remove("target").ok_or_else(|| Problem::bad_request("`target` is missing"))?;
    let timeout = query.remove("timeout").map(|text| timeout(&text)).transpose()?;
    if !shared.is_loopback
        && let Some(why) = reads_files_of_ours(kind, &target, &query)
    {
        return Err(Problem::bad_request(why));
    }
    match shared.app.check(kind, &target, query, timeout).await {
        Ok(report) => Ok(Json(report)),
        Err(CheckRefused::Usage(reason)) => Err(Problem::bad_request(reason)),
        Err(CheckRefused::Egress(reason)) => Err(Problem::new(StatusCode::FORBIDDEN, reason)),
    }
}

fn timeout(text: &str) -> Result<Duration, Problem> {
    let span = text.parse::<jiff::SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    span.filter(|span| !span.is_zero() && *span <= LONGEST).ok_or_else(|| {
        Problem::bad_request(format!(
            "`timeout` `{text}` is no span of time such as `5s`, at most one minute"
        ))
    })
}
