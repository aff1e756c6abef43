//! `deploys`: what changed shortly before the start?
//!
//! Reads a local [release record](crate::profile::changes), or a repository at GitHub (deployments, releases, merged pull requests,
//! commits, and what the last deployment brought) with a record merged in. The nearest change before the start is the outcome; all others
//! of the window stand in the facts, nearest first, because a near change is a suspect and not a proof. A change *after* the start cannot
//! have caused it and never counts (it may be the repair); it is listed apart.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Environment, NotRun, Request, document, told};
use crate::outcome::{CheckKind, Facts, Outcome, Report};
use crate::profile::changes::{self, Change, ChangeKind};

mod github;
mod past;
#[cfg(test)]
mod tests;

/// How long before the start a change is near by default. Most incidents that follow a change begin within minutes of it;
/// half an hour leaves room for a slow rollout and for the alert's own delay.
const WINDOW: Duration = Duration::from_mins(30);

/// How long after the start changes are listed: long enough to see a repair, short enough not to list the next day.
const AFTER: SignedDuration = SignedDuration::from_mins(10);

/// The longest record that is read: some 50,000 changes.
const RECORD_MAX_BYTES: usize = 8 * 1024 * 1024;

/// The most changes listed in the facts; the nearest ones.
const LISTED: usize = 20;

/// What decides whether a change is near.
struct Expectation<'a> {
    at: Timestamp,
    window: SignedDuration,
    service: Option<&'a str>,
}

/// A change and where it was read.
#[derive(Debug, Clone)]
struct Seen {
    change: Change,
    origin: Origin,
    /// Whether it changed what runs, as far as can be known; else it is a suspect and no more.
    counts: bool,
}

/// Where a change was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
enum Origin {
    Record,
    Deployment,
    Release,
    PullRequest,
    Commit,
}

pub(super) async fn run(env: &Environment, request: &Request, deadline: Instant) -> Result<Report, NotRun> {
    let with = &request.with;
    let at = with.parsed("at", "an instant such as `2026-11-01T10:02:00Z`")?.unwrap_or(request.now);
    let window = with.duration("window")?.unwrap_or(WINDOW);
    let window = SignedDuration::try_from(window).unwrap_or(SignedDuration::MAX);
    let expectation = Expectation { at, window, service: with.get("service") };
    let error = |why: String| Ok(Report::error(CheckKind::Deploys, &request.target, why));
    if !is_repository(&request.target) || is_file(&request.target).await {
        return match probe(env, &request.target, deadline).await {
            Ok(record) => judge_record(&request.target, &record, &expectation).or_else(error),
            Err(why) => error(why.to_string()),
        };
    }
    let local = match with.get("record") {
        Some(record) => match probe(env, record, deadline).await {
            Ok(record) => match read_record(&record) {
                Ok(read) => Some(read),
                Err(why) => return error(why),
            },
            Err(why) => return error(why.to_string()),
        },
        None => None,
    };
    let environment = with.get("environment");
    match Box::pin(github::read(env, &request.target, environment, at, window, deadline)).await? {
        Ok(found) => Ok(judge_repository(&request.target, &found, local, &expectation)),
        Err(why) => error(why),
    }
}

/// The record's text.
async fn probe(env: &Environment, target: &str, deadline: Instant) -> Result<String, document::Unreadable> {
    if let Some(record) = told::record(env, target).await {
        return record;
    }
    document::read(env, "the release record", target, RECORD_MAX_BYTES, deadline).await
}

/// A file of this name is meant, even if a repository could be called so.
async fn is_file(target: &str) -> bool {
    tokio::fs::metadata(target).await.is_ok_and(|about| about.is_file())
}

/// The changes of a record, and the lines that could not be read.
fn read_record(record: &str) -> Result<(Vec<Seen>, Vec<changes::Problem>), String> {
    let (changes, problems) = changes::read(record);
    if changes.is_empty() && !problems.is_empty() {
        return Err(format!("no line of the release record can be read; {}", problems[0]));
    }
    let seen = |change| Seen { change, origin: Origin::Record, counts: true };
    Ok((changes.into_iter().map(seen).collect(), problems))
}

fn judge_record(target: &str, record: &str, expectation: &Expectation<'_>) -> Result<Report, String> {
    let (changes, problems) = read_record(record)?;
    Ok(judge(target, changes, &problems, expectation))
}

/// The outcome for the text of a record; `None` when no line of it can be read.
pub(super) fn judge_text(record: &str, at: Timestamp) -> Option<Outcome> {
    let window = SignedDuration::try_from(WINDOW).unwrap_or(SignedDuration::MAX);
    let expectation = Expectation { at, window, service: None };
    judge_record("the record", record, &expectation).ok().map(|it| it.outcome)
}

fn judge_repository(
    target: &str,
    found: &github::Found,
    local: Option<(Vec<Seen>, Vec<changes::Problem>)>,
    expectation: &Expectation<'_>,
) -> Report {
    let (mut changes, problems) = local.unwrap_or_default();
    changes.extend(found.past.changes(expectation.at));
    let mut report = judge(target, changes, &problems, expectation);
    report.facts.insert("repository".to_owned(), json!(target));
    match &found.comparison {
        Some((between, Ok(compared))) => {
            let commits: Vec<String> =
                compared.commits.iter().rev().take(LISTED).map(past::Commit::shown).collect();
            let compared = json!({"between": between, "commits": compared.total_commits, "newest": commits});
            report.facts.insert("compared".to_owned(), compared);
        }
        Some((between, Err(why))) => {
            report.facts.insert("compared".to_owned(), json!({"between": between, "unknown": why}));
        }
        None => {}
    }
    report
}

/// `owner/name` as GitHub spells it.
fn is_repository(target: &str) -> bool {
    let good = |part: &str| {
        !part.is_empty()
            && !matches!(part, "." | "..")
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    let parts: Vec<&str> = target.split('/').collect();
    let is_file_name = [".json", ".jsonl", ".ndjson", ".log", ".txt"].iter().any(|end| target.ends_with(end));
    parts.len() == 2 && parts.iter().all(|part| good(part)) && !is_file_name
}

fn judge(
    target: &str,
    mut seen: Vec<Seen>,
    problems: &[changes::Problem],
    expectation: &Expectation<'_>,
) -> Report {
    seen.retain(|it| match (expectation.service, &it.change.service) {
        (Some(wanted), Some(service)) => service.eq_ignore_ascii_case(wanted),
        _ => true,
    });
    // The nearest to the start first; of two at one instant the kind that stands first in the table of outcomes.
    seen.sort_by_key(|it| (it.change.at.duration_since(expectation.at).abs(), it.change.kind, it.origin));
    let is_near = |it: &&Seen| {
        it.change.at <= expectation.at && expectation.at.duration_since(it.change.at) <= expectation.window
    };
    let before: Vec<&Seen> = seen.iter().filter(|it| it.counts && it.change.at <= expectation.at).collect();
    let near: Vec<&Seen> = before.iter().copied().filter(is_near).collect();
    let suspects: Vec<&Seen> = seen.iter().filter(is_near).collect();
    let after: Vec<&Seen> = seen
        .iter()
        .filter(|it| {
            it.counts && it.change.at > expectation.at && it.change.at.duration_since(expectation.at) <= AFTER
        })
        .collect();

    let mut facts = Facts::from([
        ("at".to_owned(), json!(expectation.at)),
        ("window_minutes".to_owned(), json!(minutes(expectation.window))),
        ("changes".to_owned(), list(&near, expectation.at)),
    ]);
    if near.len() > LISTED {
        facts.insert("changes_in_window".to_owned(), json!(near.len()));
    }
    // Beside what changed what runs: what was merely written near the start.
    if suspects.len() > near.len() {
        facts.insert("suspects".to_owned(), list(&suspects, expectation.at));
    }
    if !after.is_empty() {
        facts.insert("changes_after_start".to_owned(), list(&after, expectation.at));
    }
    if !problems.is_empty() {
        facts.insert(
            "unreadable_lines".to_owned(),
            json!(problems.iter().map(|it| it.line).collect::<Vec<_>>()),
        );
    }
    let (outcome, summary) = match (near.first(), before.first()) {
        (Some(nearest), _) => {
            facts.insert("nearest".to_owned(), describe(nearest, expectation.at));
            (outcome(nearest.change.kind), nearest_summary(&nearest.change, near.len(), expectation.at))
        }
        (None, last) => {
            let last = last.map_or_else(String::new, |last| {
                facts.insert("last_before".to_owned(), describe(last, expectation.at));
                let ago = expectation.at.duration_since(last.change.at).unsigned_abs();
                format!("; the last one was {} earlier", crate::duration::show(ago))
            });
            let window = minutes(expectation.window);
            (Outcome::NoneNear, format!("No change within {window} min before the start{last}."))
        }
    };
    Report {
        check: CheckKind::Deploys,
        target: target.to_owned(),
        outcome,
        facts,
        summary,
        took_ms: 0.0,
        phases_ms: std::collections::BTreeMap::new(),
    }
}

fn outcome(kind: ChangeKind) -> Outcome {
    match kind {
        ChangeKind::Deploy => Outcome::DeployNear,
        ChangeKind::Config => Outcome::ConfigNear,
        ChangeKind::Flag => Outcome::FlagNear,
    }
}

fn nearest_summary(nearest: &Change, count: usize, at: Timestamp) -> String {
    let kind = match nearest.kind {
        ChangeKind::Deploy => "A deploy",
        ChangeKind::Config => "A configuration change",
        ChangeKind::Flag => "A flag change",
    };
    let others = match count {
        0 | 1 => String::new(),
        2 => " One more change is in the window.".to_owned(),
        more => format!(" {} more changes are in the window.", more - 1),
    };
    format!("{kind} (`{}`) came {} min before the start.{others}", nearest.what, minutes_before(nearest, at))
}

fn list(seen: &[&Seen], at: Timestamp) -> Value {
    seen.iter().take(LISTED).map(|change| describe(change, at)).collect()
}

fn describe(seen: &Seen, at: Timestamp) -> Value {
    let mut described = serde_json::to_value(&seen.change).unwrap_or_default();
    described["minutes_before"] = json!(minutes_before(&seen.change, at));
    if seen.origin != Origin::Record {
        described["from"] = json!(seen.origin);
    }
    described
}

/// Minutes from a change to the start, to a tenth; negative when it came after.
fn minutes_before(change: &Change, at: Timestamp) -> f64 {
    minutes(at.duration_since(change.at))
}

fn minutes(span: SignedDuration) -> f64 {
    (span.as_secs_f64() / 6.0).round() / 10.0
}
