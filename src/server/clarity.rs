//! How fast the house sees clearly: as a page, as JSON, and as one CSV line for each incident.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::app::Summary;
use crate::app::clarity::{Clarity, Group, Spread};
use crate::clock;
use crate::server::Shared;
use crate::server::console::{render, tenth};
use crate::server::filter::since;
use crate::server::problem::Problem;

/// Days that are looked back when nobody says.
const DAYS: i64 = 28;

/// Spans of time when nobody says: a bar for each day of four weeks.
const SPANS: u32 = 28;

/// How far back, and in how many spans.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    since: Option<String>,
    spans: Option<u32>,
}

type Asked = Result<Query<Wanted>, axum::extract::rejection::QueryRejection>;

async fn counted(shared: &Shared, asked: Asked) -> Result<(Clarity, Vec<Summary>), Problem> {
    let Query(wanted) = asked.map_err(|error| Problem::bad_request(error.body_text()))?;
    let now = clock::now();
    let since = match wanted.since.as_deref().filter(|it| !it.is_empty()) {
        Some(said) => since(said).map_err(Problem::bad_request)?,
        None => now.checked_sub(SignedDuration::from_hours(24 * DAYS)).unwrap_or(Timestamp::UNIX_EPOCH),
    };
    let (incidents, truncated) = shared.app.since(since).await?;
    let spans = wanted.spans.unwrap_or(SPANS).clamp(1, 400);
    Ok((Clarity::of(&incidents, since, now, spans, truncated), incidents))
}

pub(super) async fn json(State(shared): State<Shared>, asked: Asked) -> Result<Json<Clarity>, Problem> {
    Ok(Json(counted(&shared, asked).await?.0))
}

pub(super) async fn csv(State(shared): State<Shared>, asked: Asked) -> Result<Response, Problem> {
    let (_, incidents) = counted(&shared, asked).await?;
    let mut text = String::from(
        "id,alerted_at,service,source,bucket,probability,state,mttd_s,mttc_s,human_wait_s,mttr_s,corrected_from\r\n",
    );
    for it in &incidents {
        text.push_str(&line(it));
    }
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"clarity.csv\"")),
    ];
    Ok((headers, text).into_response())
}

/// A line of RFC 4180.
fn line(it: &Summary) -> String {
    let number = |number: Option<f64>| number.map(|number| number.to_string()).unwrap_or_default();
    let bucket =
        |bucket: Option<crate::bucket::Bucket>| bucket.map(|it| it.id().to_owned()).unwrap_or_default();
    let fields = [
        it.id.to_string(),
        it.alerted_at.map(|at| at.to_string()).unwrap_or_default(),
        cell(it.service.as_deref().unwrap_or_default()),
        cell(it.source.as_deref().unwrap_or_default()),
        bucket(it.bucket),
        number(it.probability),
        it.stage.id().to_owned(),
        number(it.mttd_s),
        number(it.mttc_s),
        number(it.mttc_s.map(|_| it.human_wait_s)),
        number(it.mttr_s),
        bucket(it.corrected_from),
    ];
    fields.join(",") + "\r\n"
}

/// Foreign text as a field: quoted, and never a formula of whoever opens it in a spreadsheet.
fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// The page's values.
#[derive(Serialize)]
struct Page {
    clarity: Clarity,
    day: String,
    chart: Chart,
    tables: Vec<Table>,
}

#[derive(Serialize)]
struct Table {
    title: &'static str,
    groups: Vec<Group>,
}

/// Time to clarity over time: p50 and p90 of each span, on a scale of tens, from a second to a day.
#[derive(Serialize)]
struct Chart {
    columns: Vec<Column>,
    lines: Vec<Line>,
}

#[derive(Serialize)]
struct Column {
    from: String,
    x: f64,
    width: f64,
    incidents: usize,
    mttc_s: Option<Spread>,
    /// Where half and nine tenths lie, from above.
    p50_y: f64,
    p90_y: f64,
    height: f64,
}

#[derive(Serialize)]
struct Line {
    y: f64,
    label: &'static str,
}

const HEIGHT: f64 = 200.0;
const WIDTH: f64 = 760.0;

/// A second is at the bottom, a day at the top.
fn height(seconds: f64) -> f64 {
    let share = seconds.max(1.0).log10() / 86_400_f64.log10();
    tenth(HEIGHT * (1.0 - share.min(1.0)))
}

fn chart(over_time: &[Group]) -> Chart {
    #[expect(clippy::cast_precision_loss, reason = "at most 400 columns")]
    let slot = WIDTH / over_time.len().max(1) as f64;
    let mut x = 0.0;
    let column = |group: &Group| {
        let begins = x;
        x += slot;
        let (p50_y, p90_y) =
            group.figures.mttc_s.map_or((HEIGHT, HEIGHT), |spread| (height(spread.p50), height(spread.p90)));
        Column {
            from: group.name.clone(),
            x: tenth(begins + slot * 0.15),
            width: tenth(slot * 0.7),
            incidents: group.figures.incidents,
            mttc_s: group.figures.mttc_s,
            p50_y,
            p90_y,
            height: tenth((p50_y - p90_y).max(1.5)),
        }
    };
    let lines = [(10.0, "10 s"), (60.0, "1 min"), (600.0, "10 min"), (3600.0, "1 h")];
    Chart {
        columns: over_time.iter().map(column).collect(),
        lines: lines.map(|(seconds, label)| Line { y: height(seconds), label }).into(),
    }
}

pub(super) async fn page(State(shared): State<Shared>, asked: Asked) -> Result<Html<String>, Problem> {
    let (clarity, _) = counted(&shared, asked).await?;
    let table = |title, groups: &Vec<Group>| Table { title, groups: groups.clone() };
    let page = Page {
        day: clarity.since.strftime("%Y-%m-%d").to_string(),
        chart: chart(&clarity.over_time),
        tables: vec![
            table("By boundary", &clarity.by_bucket),
            table("By service", &clarity.by_service),
            table("By source", &clarity.by_source),
        ],
        clarity,
    };
    render(&shared, "console/clarity", "clarity", None, page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_no_formula_and_holds_its_quotes() {
        assert_eq!(cell("a \"b\", c"), "\"a \"\"b\"\", c\"");
        assert_eq!(cell("=HYPERLINK(1)"), "\"'=HYPERLINK(1)\"");
    }

    #[test]
    fn a_second_is_at_the_bottom_and_a_day_at_the_top() {
        assert!((height(0.2) - HEIGHT).abs() < 0.1 && height(86_400.0) < 0.1 && height(1e9) < 0.1);
        assert!(height(60.0) < height(10.0));
    }
}
