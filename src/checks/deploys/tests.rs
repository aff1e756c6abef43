//! The table of changes and outcomes.

use super::*;

const START: &str = "2026-11-01T10:00:00Z";

fn line(kind: &str, at: &str, what: &str) -> String {
    format!(r#"{{"at": "{at}", "kind": "{kind}", "what": "{what}", "by": "mira", "service": "orders-api"}}"#)
}

fn judged(record: &[String], window: &str, service: Option<&str>) -> Report {
    let window = crate::duration::parse(window).unwrap();
    let expectation = Expectation {
        at: START.parse().unwrap(),
        window: SignedDuration::try_from(window).unwrap(),
        service,
    };
    judge_record("releases.jsonl", &record.join("\n"), &expectation)
        .unwrap_or_else(|why| Report::error(CheckKind::Deploys, "releases.jsonl", why))
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
    assert_eq!(report.summary, "No change within 30 min before the start; the last one was 30 min earlier.");
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
async fn a_repository_without_a_github_says_what_to_set_and_a_missing_file_is_an_error() {
    let env = Environment::new(crate::egress::Policy::unrestricted());
    let run = async |target: &str| {
        let request = Request {
            check: CheckKind::Deploys,
            target: target.to_owned(),
            with: crate::checks::With::default(),
            timeout: Duration::from_secs(5),
            now: START.parse().unwrap(),
        };
        crate::checks::run(&env, &request).await
    };
    let Err(NotRun::Usage(message)) = run("acme/orders-api").await else { panic!("expected wrong usage") };
    assert!(message.contains("GITHUB_TOKEN") && message.contains("release record"), "{message}");
    assert_eq!(run("gone/releases.jsonl").await.unwrap().outcome, Outcome::Error);
}

async fn read_at(env: &Environment, timeout: Duration) -> Report {
    let request = Request {
        check: CheckKind::Deploys,
        target: "acme/orders".to_owned(),
        with: crate::checks::With::from([("at", START)]),
        timeout,
        now: START.parse().unwrap(),
    };
    crate::checks::run(env, &request).await.unwrap()
}

fn reading(server: &crate::drill::http_server::HttpServer) -> Environment {
    let api_url = url::Url::parse(&server.url("/")).unwrap();
    let credential = crate::checks::GitHubCredential::None;
    Environment::new(crate::egress::Policy::unrestricted())
        .with_github(Some(crate::checks::GitHubAccess { api_url, credential }))
}

#[tokio::test]
async fn a_github_that_asks_to_be_left_alone_is() {
    use crate::drill::http_server::{HttpServer, Reply};
    let said = json!({"message": "You have exceeded a secondary rate limit."});
    let limiting = move |_| std::future::ready(Reply::json(403, &said).header("retry-after", "60"));
    let server = HttpServer::plain(limiting).await.unwrap();
    let env = reading(&server);
    let report = read_at(&env, Duration::from_secs(5)).await;
    assert_eq!(report.outcome, Outcome::Error, "{}", report.summary);
    let asked = server.requests();
    // The two chains begin at once.
    assert!(matches!(asked.len(), 1 | 2), "{asked:?}");
    for request in &asked {
        assert!(request.header("user-agent").is_some_and(|it| it.starts_with("firstcheck/")), "{request:?}");
        assert!(request.header("traceparent").is_some(), "{request:?}");
    }
    assert_eq!(read_at(&env, Duration::from_secs(5)).await.outcome, Outcome::Error);
    assert_eq!(server.requests().len(), asked.len(), "it was asked again");
}

#[tokio::test]
async fn every_request_to_github_is_one_of_the_hosts_budget() {
    use crate::drill::http_server::{HttpServer, Reply};
    let server = HttpServer::plain(|_| async { Reply::json(200, &json!([])) }).await.unwrap();
    let report = read_at(&reading(&server), Duration::from_secs(5)).await;
    assert_eq!(report.outcome, Outcome::NoneNear, "{}", report.summary);
    let few = reading(&server).with_budget(crate::checks::Budget::new(Some(1), Some(1), None));
    let before = server.requests().len();
    let report = read_at(&few, Duration::from_millis(900)).await;
    assert_eq!(report.outcome, Outcome::Error, "{}", report.summary);
    assert!(report.summary.contains("left alone"), "{}", report.summary);
    assert!(server.requests().len() <= before + 1);
}
