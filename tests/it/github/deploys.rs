//! The `deploys` check against a repository's past, through the real octocrab and under the egress policy.

use firstcheck::checks::{self, Environment, GitHubAccess, GitHubCredential, NotRun, Request, With};
use firstcheck::egress::Policy;
use firstcheck::outcome::{CheckKind, Outcome, Report};

use super::*;
use crate::fakes::github::History;
use crate::worlds::Folder;

stories! {
    a_deployment_before_the_start_is_near_and_compared_with_the_one_before
    a_merge_counts_only_where_nothing_is_deployed_on_record
    a_change_log_is_merged_in_and_the_nearest_of_all_wins
    a_list_that_fails_is_an_error_and_never_nothing_changed
    a_quiet_past_is_none_near
    an_app_reads_with_its_installation
    the_command_line_reads_with_the_users_own_token
    the_egress_policy_is_asked
}

const AT: &str = "2026-11-01T10:00:00Z";

fn past() -> History {
    History {
        deployments: vec![
            ("2026-11-01T09:48:00Z", 12, "v2.14.0", &["success", "in_progress"]),
            ("2026-10-30T12:00:00Z", 11, "v2.13.4", &["success"]),
        ],
        releases: vec![("2026-11-01T09:40:00Z", "v2.14.0"), ("2026-10-30T11:00:00Z", "v2.13.4")],
        pulls: vec![(Some("2026-11-01T09:55:00Z"), 41, "smaller pool"), (None, 42, "never merged")],
        commits: vec![
            ("2026-11-01T09:55:00Z", "aaaaaaaaaa", "smaller pool (#41)"),
            ("2026-11-01T09:31:00Z", "bbbbbbbbbb", "typo"),
        ],
        failing: None,
    }
}

fn access(fake: &github::GitHub, credential: GitHubCredential) -> GitHubAccess {
    GitHubAccess { api_url: fake.url(), credential }
}

async fn run(access: GitHubAccess, policy: Policy, with: &[(&str, &str)]) -> Result<Report, NotRun> {
    let env = Environment::new(policy).with_github(Some(access));
    let with = with.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let mut with = With(with.collect());
    with.0.insert("at".to_owned(), AT.to_owned());
    let request = Request {
        check: CheckKind::Deploys,
        target: REPOSITORY.to_owned(),
        with,
        timeout: Duration::from_secs(30),
        now: AT.parse().unwrap(),
    };
    checks::run(&env, &request).await
}

async fn read(fake: &github::GitHub, with: &[(&str, &str)]) -> Report {
    let token = GitHubCredential::Token(github::TOKEN.to_owned());
    run(access(fake, token), Policy::unrestricted(), with).await.unwrap()
}

async fn a_deployment_before_the_start_is_near_and_compared_with_the_one_before(fake: github::GitHub) {
    fake.history(past());
    let report = read(&fake, &[]).await;
    assert_eq!(report.outcome, Outcome::DeployNear, "{}", report.summary);
    assert_eq!(
        report.summary,
        "A deploy (`v2.14.0 deployed to production (success)`) came 12 min before the start."
    );
    assert_eq!(report.facts["nearest"]["from"], "deployment");
    assert_eq!(report.facts["nearest"]["by"], "mira");
    let suspects: Vec<&str> =
        report.facts["suspects"].as_array().unwrap().iter().map(|it| it["what"].as_str().unwrap()).collect();
    assert_eq!(
        suspects,
        ["merged #41: smaller pool", "v2.14.0 deployed to production (success)", "commit bbbbbbb: typo"]
    );
    assert_eq!(report.facts["compared"]["between"], "v2.13.4...v2.14.0");
    assert_eq!(report.facts["compared"]["commits"], 2);
    assert_eq!(report.facts["compared"]["newest"][0], "aaaaaaa: smaller pool (#41)");
    fake.finish();
}

async fn a_merge_counts_only_where_nothing_is_deployed_on_record(fake: github::GitHub) {
    fake.history(History { deployments: Vec::new(), releases: Vec::new(), ..past() });
    let report = read(&fake, &[]).await;
    assert_eq!(report.outcome, Outcome::DeployNear);
    assert_eq!(report.facts["nearest"]["what"], "merged #41: smaller pool");
    let deployments = vec![past().deployments.remove(1)];
    fake.history(History { deployments, releases: Vec::new(), ..past() });
    let report = read(&fake, &[]).await;
    assert_eq!(report.outcome, Outcome::NoneNear, "what is merged is not deployed here: {}", report.summary);
    assert_eq!(report.facts["suspects"].as_array().unwrap().len(), 2);
    fake.finish();
}

async fn a_change_log_is_merged_in_and_the_nearest_of_all_wins(fake: github::GitHub) {
    fake.history(past());
    let folder = Folder::new("record");
    let record = folder.0.join("changes.jsonl");
    std::fs::write(&record, r#"{"at": "2026-11-01T09:58:00Z", "kind": "flag", "what": "new-pricing on"}"#)
        .unwrap();
    let report = read(&fake, &[("record", record.to_str().unwrap())]).await;
    assert_eq!(report.outcome, Outcome::FlagNear, "{}", report.summary);
    assert_eq!(report.facts["changes"].as_array().unwrap().len(), 2);
    let report = read(&fake, &[("record", "gone.jsonl")]).await;
    assert_eq!(report.outcome, Outcome::Error, "a record that is named is wanted");
    fake.finish();
}

async fn a_list_that_fails_is_an_error_and_never_nothing_changed(fake: github::GitHub) {
    for (list, status) in [("releases", 404), ("commits", 500), ("deployments", 502), ("pulls", 503)] {
        fake.history(History { failing: Some((list, status)), ..History::default() });
        let report = read(&fake, &[]).await;
        assert_eq!(report.outcome, Outcome::Error, "{list}");
        assert!(
            report.summary.contains(list) && report.summary.contains(&status.to_string()),
            "{}",
            report.summary
        );
    }
    // What the deployment brought is no list of changes: it is said to be unknown, and the deployment stays near.
    fake.history(History { failing: Some(("compare", 500)), ..past() });
    let report = read(&fake, &[]).await;
    assert_eq!(report.outcome, Outcome::DeployNear);
    assert!(report.facts["compared"]["unknown"].as_str().unwrap().contains("500"), "{:?}", report.facts);
    let nobody =
        run(access(&fake, GitHubCredential::Token("wrong".into())), Policy::unrestricted(), &[]).await;
    let nobody = nobody.unwrap();
    assert!(
        nobody.outcome == Outcome::Error && nobody.summary.contains("the token is wrong"),
        "{}",
        nobody.summary
    );
    assert!(!nobody.summary.contains("fake-token"));
    fake.finish();
}

async fn a_quiet_past_is_none_near(fake: github::GitHub) {
    let quiet = History { deployments: vec![past().deployments.remove(1)], ..History::default() };
    fake.history(quiet);
    let report = read(&fake, &[]).await;
    assert_eq!(report.outcome, Outcome::NoneNear);
    assert_eq!(report.facts["last_before"]["what"], "v2.13.4 deployed to production");
    fake.finish();
}

async fn an_app_reads_with_its_installation(fake: github::GitHub) {
    fake.history(past());
    let credential =
        GitHubCredential::App { id: github::APP_ID, key: github::APP_KEY.to_owned(), installation: None };
    let report = run(access(&fake, credential), Policy::unrestricted(), &[]).await.unwrap();
    assert_eq!(report.outcome, Outcome::DeployNear, "{}", report.summary);
    fake.finish();
}

/// `firstcheck check deploys …` with this token; gives its exit status and its document.
async fn command(fake: &github::GitHub, token: &str) -> (Option<i32>, Value) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_firstcheck"));
    command.args(["check", "deploys", REPOSITORY, "--json", "--with", &format!("at={AT}")]);
    command.env("GITHUB_API_URL", fake.url().as_str()).env("GITHUB_TOKEN", token);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (
        output.status.code(),
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}")),
    )
}

async fn the_command_line_reads_with_the_users_own_token(fake: github::GitHub) {
    fake.history(past());
    let (status, report) = command(&fake, github::TOKEN).await;
    assert_eq!((status, &report["outcome"]), (Some(1), &json!("deploy_near")), "{report:#}");
    fake.history(History::default());
    let (status, report) = command(&fake, github::TOKEN).await;
    assert_eq!((status, &report["outcome"]), (Some(0), &json!("none_near")), "{report:#}");
    let (status, report) = command(&fake, "another").await;
    assert_eq!((status, &report["outcome"]), (Some(3), &json!("error")), "{report:#}");
    assert!(!report.to_string().contains("another"));
    fake.finish();
}

async fn the_egress_policy_is_asked(fake: github::GitHub) {
    fake.history(past());
    let token = GitHubCredential::Token(github::TOKEN.to_owned());
    let refused = run(access(&fake, token), Policy::public_only(), &[]).await;
    assert!(matches!(refused, Err(NotRun::Refused(_))), "{refused:?}");
    assert_eq!(fake.count("GET /repos/shop/incidents/deployments"), 0);
    fake.finish();
}
