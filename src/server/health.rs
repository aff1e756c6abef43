//! What operators watch: liveness, readiness, metrics, and the API's own description.

use std::fmt::Write as _;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use crate::server::Shared;
use crate::server::problem::Problem;

/// The process runs; nothing more.
pub(super) async fn alive() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// Alerts can be made durable: a transaction was committed to say so.
pub(super) async fn ready(State(shared): State<Shared>) -> Result<Json<Value>, Problem> {
    shared.app.ready().await?;
    Ok(Json(json!({"status": "ready"})))
}

/// Prometheus text, format 0.0.4.
pub(super) async fn metrics(State(shared): State<Shared>) -> Result<impl IntoResponse, Problem> {
    let figures = shared.app.figures().await?;
    let mut text = String::new();
    let labelled = |label: &str, value: &str| format!("{label}=\"{value}\"");
    let incidents = figures.incidents.iter().map(|(state, count)| (labelled("state", state), *count));
    gauge(&mut text, "firstcheck_incidents", "Incidents in the store, by state.", incidents);
    let actions = figures.actions.iter().map(|(state, count)| (labelled("state", state), *count));
    gauge(
        &mut text,
        "firstcheck_actions_undone",
        "Actions scheduled for later, waiting (due, or tried and failed) or given up.",
        actions,
    );
    let kept = figures.kept.iter();
    let kept =
        kept.map(|(source, verdict, count)| (format!("source=\"{source}\",verdict=\"{verdict}\""), *count));
    gauge(&mut text, "firstcheck_deliveries_kept", "Kept deliveries that became no alert.", kept);
    let mut last = "";
    for (name, labels, count) in shared.app.counters() {
        if name != last {
            let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} counter", about(name));
            last = name;
        }
        let _ = writeln!(text, "{name}{{{labels}}} {count}");
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text))
}

fn gauge(text: &mut String, name: &str, help: &str, values: impl Iterator<Item = (String, i64)>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
    for (labels, value) in values {
        let _ = writeln!(text, "{name}{{{labels}}} {value}");
    }
}

fn about(counter: &str) -> &'static str {
    match counter {
        "firstcheck_alerts_total" => "Alerts understood since the start, by source.",
        "firstcheck_actions_total" => "Tries to perform an action since the start.",
        "firstcheck_checks_total" => "Checks run since the start, by what they found.",
        "firstcheck_deliveries_kept_total" => "Deliveries since the start that became no alert.",
        _ => "Since the start.",
    }
}

/// The description of this API (OpenAPI 3.1).
pub(super) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("openapi.json"))
}
