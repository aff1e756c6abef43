//! What operators watch: liveness, readiness, metrics, and the API's own description.

use std::fmt::Write as _;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use crate::app::{Beat, LIMITS_S, Spans};
use crate::server::Shared;
use crate::server::problem::Problem;

/// The process runs; nothing more.
pub(super) async fn alive() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// Alerts can be made durable: a transaction was committed to say so.
pub(super) async fn ready(State(shared): State<Shared>) -> Result<Json<Value>, Problem> {
    shared.app.ready().await?;
    let mut ready = json!({"status": "ready", "runbooks": shared.app.knowledge().hash()});
    // The last good runbooks are in use: that is worth knowing, and no reason to take the bot out of service.
    if let Some(problems) = shared.app.runbooks_broken() {
        ready["runbooks_broken"] = json!(problems_told(&problems));
    }
    let silent = shared.app.silent_sources().await?;
    if !silent.is_empty() {
        ready["silent_sources"] = json!(silent);
    }
    Ok(Json(ready))
}

/// What is wrong with the runbooks, a line each. A path of this machine is for the log; callers learn the file's name and the place.
pub(super) fn problems_told(problems: &str) -> Vec<String> {
    let told = problems.lines().map(|line| {
        line.rsplit_once(".yaml:").map_or(line, |(path, _)| &line[path.rfind('/').map_or(0, |at| at + 1)..])
    });
    told.map(str::to_owned).collect()
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
    let oldest = figures.oldest_due_ms.map_or(0, |due| (now_ms() - due).max(0) / 1000);
    gauge(
        &mut text,
        "firstcheck_oldest_action_seconds",
        "How long the oldest action that is due has been so; 0 when none is.",
        std::iter::once((String::new(), oldest)),
    );
    doors(&mut text, &shared).await?;
    histograms(&mut text, &shared.app.spans());
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

/// How the doors are.
async fn doors(text: &mut String, shared: &Shared) -> Result<(), Problem> {
    let sources = shared.app.sources().await?;
    let labelled = |source: &str| format!("source=\"{source}\"");
    let beats: Vec<_> =
        sources.iter().filter_map(|(source, health)| Some((labelled(source), health.heartbeat?))).collect();
    gauge(
        text,
        "firstcheck_source_silent",
        "1 when a source is silent for longer than its heartbeat allows.",
        beats.iter().map(|(labels, beat)| (labels.clone(), i64::from(beat.state == Beat::Silent))),
    );
    let last = sources
        .iter()
        .filter_map(|(source, health)| Some((labelled(source), health.last_delivery_at?.as_second())));
    gauge(
        text,
        "firstcheck_source_last_delivery_timestamp_seconds",
        "When each source was last heard of.",
        last,
    );
    let active = i64::try_from(shared.app.active_silences()).unwrap_or(i64::MAX);
    gauge(
        text,
        "firstcheck_silences_active",
        "Silences that hold alerts back now.",
        std::iter::once((String::new(), active)),
    );
    Ok(())
}

fn gauge(text: &mut String, name: &str, help: &str, values: impl Iterator<Item = (String, i64)>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
    for (labels, value) in values {
        let _ = match labels.as_str() {
            "" => writeln!(text, "{name} {value}"),
            labels => writeln!(text, "{name}{{{labels}}} {value}"),
        };
    }
}

fn histograms(text: &mut String, all: &[(&'static str, String, Spans)]) {
    let mut last = "";
    for (name, labels, spans) in all {
        if *name != last {
            let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} histogram", about(name));
            last = name;
        }
        let mut below = 0;
        for (limit, count) in LIMITS_S.iter().zip(spans.counts) {
            below += count;
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{limit}\"}} {below}");
        }
        let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", spans.total);
        let _ = writeln!(
            text,
            "{name}_sum{{{labels}}} {}\n{name}_count{{{labels}}} {}",
            spans.sum_s, spans.total
        );
    }
}

fn now_ms() -> i64 {
    crate::clock::now().as_millisecond()
}

fn about(counter: &str) -> &'static str {
    match counter {
        "firstcheck_runbook_reloads_total" => {
            "Times the folder of runbooks had changed and was read again, by what came of it."
        }
        "firstcheck_audit_entries_total" => {
            "Entries of the audit log since the start, by how people came in."
        }
        "firstcheck_alerts_total" => "Alerts understood since the start, by source.",
        "firstcheck_actions_total" => "Tries to perform an action since the start.",
        "firstcheck_checks_total" => "Checks run since the start, by what they found.",
        "firstcheck_deliveries_kept_total" => "Deliveries since the start that became no alert.",
        "firstcheck_deliveries_repeated_total" => {
            "Deliveries since the start that had come before, by the id their sender gave them."
        }
        "firstcheck_deliveries_unauthorized_total" => "Deliveries since the start without valid credentials.",
        "firstcheck_alerts_silenced_total" => "Alerts since the start that a silence held back.",
        "firstcheck_incidents_ended_total" => {
            "Incidents ended by neither a person nor their source, by what ended them."
        }
        "firstcheck_polls_total" => "Times an Alertmanager was asked for what its webhooks missed.",
        "firstcheck_alerts_reconciled_total" => "Alerts that an Alertmanager told of when it was asked.",
        "firstcheck_changes_total" => "Changes told since the start.",
        "firstcheck_conclusions_total" => {
            "Incidents concluded since the start, by bucket and by why triage stopped."
        }
        "firstcheck_reclassified_total" => "Conclusions that a person corrected since the start.",
        "firstcheck_chat_sessions_total" => {
            "Gateway sessions of the chat since the start: begun anew, or gone on with after a loss."
        }
        "firstcheck_chat_unread_events_total" => {
            "Events of the chat since the start that could not be read; each may have been somebody's click."
        }
        "firstcheck_mttd_seconds" => "From the fault's start to the first alert.",
        "firstcheck_mttc_seconds" => "From the first alert to clarity.",
        "firstcheck_mttr_seconds" => "From the fault's start to its end.",
        "firstcheck_check_seconds" => "How long checks took.",
        "firstcheck_action_seconds" => "How long tries of actions took: checks, chat messages, issues.",
        _ => "Since the start.",
    }
}

/// The description of this API (OpenAPI 3.1).
pub(super) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("openapi.json"))
}
