//! `deploys`: what changed shortly before the start?
//!
//! Reads a local [release record](crate::profile::changes). The nearest change before the start is the outcome; all others
//! of the window stand in the facts, because a near change is a suspect and not a proof. A change *after* the start cannot
//! have caused it and never counts (it may be the repair); it is listed apart.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Environment, NotRun, Request, document};
use crate::outcome::{CheckKind, Facts, Outcome, Report};
use crate::profile::changes::{self, Change, ChangeKind};

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

pub(super) async fn run(env: &Environment, request: &Request, deadline: Instant) -> Result<Report, NotRun> {
    let with = &request.with;
    let at = with.parsed("at", "an instant such as `2026-11-01T10:02:00Z`")?.unwrap_or(request.now);
    let window = with.duration("window")?.unwrap_or(WINDOW);
    let window = SignedDuration::try_from(window).unwrap_or(SignedDuration::MAX);
    let expectation = Expectation { at, window, service: with.get("service") };
    match probe(env, &request.target, deadline).await? {
        Ok(record) => Ok(judge(&request.target, &record, &expectation)),
        Err(why) => Ok(Report::error(CheckKind::Deploys, &request.target, why.to_string())),
    }
}

/// The record's text.
async fn probe(
    env: &Environment,
    target: &str,
    deadline: Instant,
) -> Result<Result<String, document::Unreadable>, NotRun> {
    let record = document::read(env, "the release record", target, RECORD_MAX_BYTES, deadline).await;
    if record.is_err() && is_repository(target) {
        return Err(NotRun::Usage(format!(
            "`{target}` is a repository, and this version does not read deployments from GitHub yet; name a release record: a file with one JSON object a line, `{{\"at\": \"2026-11-01T09:58:00Z\", \"kind\": \"deploy\", \"what\": \"2.14.0\"}}` (kind: deploy, config or flag)"
        )));
    }
    Ok(record)
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

fn judge(target: &str, record: &str, expectation: &Expectation<'_>) -> Report {
    let (mut changes, problems) = changes::read(record);
    if changes.is_empty() && !problems.is_empty() {
        let why = format!("no line of the release record can be read; {}", problems[0]);
        return Report::error(CheckKind::Deploys, target, why);
    }
    changes.retain(|change| match (expectation.service, &change.service) {
        (Some(wanted), Some(service)) => service.eq_ignore_ascii_case(wanted),
        _ => true,
    });
    // The nearest to the start first; of two at one instant the kind that stands first in the table of outcomes.
    changes.sort_by_key(|change| (change.at.duration_since(expectation.at).abs(), change.kind));
    let before: Vec<&Change> = changes.iter().filter(|change| change.at <= expectation.at).collect();
    let near: Vec<&Change> = before
        .iter()
        .copied()
        .filter(|it| expectation.at.duration_since(it.at) <= expectation.window)
        .collect();
    let after: Vec<&Change> = changes
        .iter()
        .filter(|change| change.at > expectation.at && change.at.duration_since(expectation.at) <= AFTER)
        .collect();

    let mut facts = Facts::from([
        ("at".to_owned(), json!(expectation.at)),
        ("window_minutes".to_owned(), json!(minutes(expectation.window))),
        ("changes".to_owned(), list(&near, expectation.at)),
    ]);
    if near.len() > LISTED {
        facts.insert("changes_in_window".to_owned(), json!(near.len()));
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
            (outcome(nearest.kind), nearest_summary(nearest, near.len(), expectation.at))
        }
        (None, last) => {
            let last = last.map_or_else(String::new, |last| {
                facts.insert("last_before".to_owned(), describe(last, expectation.at));
                let ago = expectation.at.duration_since(last.at).unsigned_abs();
                format!("; the last one was {} earlier", super::with::show_duration(ago))
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

fn list(changes: &[&Change], at: Timestamp) -> Value {
    changes.iter().take(LISTED).map(|change| describe(change, at)).collect()
}

fn describe(change: &Change, at: Timestamp) -> Value {
    let mut described = serde_json::to_value(change).unwrap_or_default();
    described["minutes_before"] = json!(minutes_before(change, at));
    described
}

/// Minutes from a change to the start, to a tenth; negative when it came after.
fn minutes_before(change: &Change, at: Timestamp) -> f64 {
    minutes(at.duration_since(change.at))
}

fn minutes(span: SignedDuration) -> f64 {
    (span.as_secs_f64() / 6.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "2026-11-01T10:00:00Z";

    fn line(kind: &str, at: &str, what: &str) -> String {
        format!(
            r#"{{"at": "{at}", "kind": "{kind}", "what": "{what}", "by": "mira", "service": "orders-api"}}"#
        )
    }

    fn judged(record: &[String], window: &str, service: Option<&str>) -> Report {
        let window = super::super::with::parse_duration(window).unwrap();
        let expectation = Expectation {
            at: START.parse().unwrap(),
            window: SignedDuration::try_from(window).unwrap(),
            service,
        };
        judge("releases.jsonl", &record.join("\n"), &expectation)
    }

    #[track_caller]
    fn check(record: &[String], window: &str, expected: Outcome) -> Report {
        let report = judged(record, window, None);
        assert_eq!(report.outcome, expected, "{record:?}: {:?}", report.facts);
        report
    }

    #[test]
    fn the_nearest_change_before_the_start_is_the_outcome() {
        let deploy = line("deploy", "2026-11-01T09:45:00Z", "2.14.0");
        let config = line("config", "2026-11-01T09:50:30Z", "pool size 5");
        let flag = line("flag", "2026-11-01T09:58:00Z", "new-pricing on");
        check(std::slice::from_ref(&deploy), "30m", Outcome::DeployNear);
        check(&[config.clone(), deploy.clone()], "30m", Outcome::ConfigNear);
        let report = check(&[deploy, flag, config], "30m", Outcome::FlagNear);
        assert_eq!(report.facts["nearest"]["minutes_before"], json!(2.0));
        assert_eq!(report.facts["changes"].as_array().unwrap().len(), 3);
        assert_eq!(report.facts["changes"][1]["minutes_before"], json!(9.5));
        assert_eq!(
            report.summary,
            "A flag change (`new-pricing on`) came 2 min before the start. 2 more changes are in the window."
        );
    }

    #[test]
    fn the_window_decides_what_is_near() {
        let record = [line("deploy", "2026-11-01T09:29:59Z", "2.14.0")];
        let report = check(&record, "30m", Outcome::NoneNear);
        assert_eq!(report.facts["last_before"]["what"], "2.14.0");
        assert_eq!(
            report.summary,
            "No change within 30 min before the start; the last one was 30 min earlier."
        );
        check(&record, "31m", Outcome::DeployNear);
        check(&[line("deploy", "2026-11-01T09:30:00Z", "x")], "30m", Outcome::DeployNear);
        check(&[line("deploy", START, "x")], "30m", Outcome::DeployNear);
        assert_eq!(check(&[], "30m", Outcome::NoneNear).summary, "No change within 30 min before the start.");
    }

    #[test]
    fn a_change_after_the_start_is_no_cause() {
        let record = [line("deploy", "2026-11-01T10:05:00Z", "rollback")];
        let report = check(&record, "30m", Outcome::NoneNear);
        assert_eq!(report.facts["changes_after_start"][0]["minutes_before"], json!(-5.0));
    }

    #[test]
    fn of_two_at_one_instant_the_first_in_the_table_wins() {
        let at = "2026-11-01T09:58:00Z";
        check(
            &[line("flag", at, "a"), line("config", at, "b"), line("deploy", at, "c")],
            "30m",
            Outcome::DeployNear,
        );
    }

    #[test]
    fn changes_of_other_services_are_left_out_and_unnamed_ones_count() {
        let other = line("deploy", "2026-11-01T09:58:00Z", "x");
        assert_eq!(judged(std::slice::from_ref(&other), "30m", Some("billing")).outcome, Outcome::NoneNear);
        assert_eq!(judged(&[other], "30m", Some("Orders-API")).outcome, Outcome::DeployNear);
        let unnamed = r#"{"at": "2026-11-01T09:58:00Z", "kind": "config", "what": "dns"}"#.to_owned();
        assert_eq!(judged(&[unnamed], "30m", Some("billing")).outcome, Outcome::ConfigNear);
    }

    #[test]
    fn bad_lines_are_named_and_a_record_of_bad_lines_alone_is_an_error() {
        let good = line("deploy", "2026-11-01T09:58:00Z", "x");
        let report = check(&["nope".to_owned(), good], "30m", Outcome::DeployNear);
        assert_eq!(report.facts["unreadable_lines"], json!([1]));
        let report = check(&["nope".to_owned()], "30m", Outcome::Error);
        assert!(report.summary.contains("line 1"), "{}", report.summary);
    }

    #[test]
    fn a_long_list_is_cut_and_its_length_told() {
        let record: Vec<String> = (0..50).map(|_| line("deploy", "2026-11-01T09:58:00Z", "x")).collect();
        let report = check(&record, "30m", Outcome::DeployNear);
        assert_eq!(report.facts["changes"].as_array().unwrap().len(), LISTED);
        assert_eq!(report.facts["changes_in_window"], json!(50));
    }

    #[tokio::test]
    async fn a_repository_says_what_works_now_and_a_missing_file_is_an_error() {
        let env = Environment::new(crate::egress::Policy::unrestricted());
        let run = async |target: &str| {
            let request = Request {
                check: CheckKind::Deploys,
                target: target.to_owned(),
                with: super::super::With::default(),
                timeout: Duration::from_secs(5),
                now: START.parse().unwrap(),
            };
            super::super::run(&env, &request).await
        };
        let Err(NotRun::Usage(message)) = run("acme/orders-api").await else {
            panic!("expected wrong usage")
        };
        assert!(message.contains("GitHub") && message.contains("release record"), "{message}");
        assert_eq!(run("gone/releases.jsonl").await.unwrap().outcome, Outcome::Error);
    }
}
