//! `firstcheck record` and `runbook test`: a real incident of a real store becomes a scenario that ends where it ended.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::serve::bot::{self, Bot, Setup};
use crate::worlds::Folder;

fn firstcheck(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_firstcheck"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("RUST_LOG")
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn an_incident_of_a_running_bot_is_recorded_without_its_secrets_and_replays_to_its_bucket() {
    let folder = Folder::new("record");
    let service = bot::broken_service().await;
    let bot = Bot::start(Setup { folder: Some(folder.0.clone()), ..Setup::default() }).await;
    let url = service.url("/v1/cart");
    let alert = json!({"title": "500s on cart, password=hunter2secret", "service": "shop", "endpoint": url, "status": 500});
    let accepted = bot.post("/alerts/generic", &alert).await.json();
    let id = accepted["incidents"][0]["id"].as_str().unwrap().to_owned();

    let early = firstcheck(&folder.0, &["record", "inc-0000000000"]);
    assert_eq!((early.status.code(), said(&early).lines().count()), (Some(3), 1), "{}", said(&early));
    assert!(said(&early).contains("no incident inc-0000000000"), "{}", said(&early));

    let document = bot.answer_everything_with_unknown(&id).await;
    // The bot still holds its store.
    let recorded = firstcheck(&folder.0, &["record", &id]);
    assert_eq!(recorded.status.code(), Some(0), "{}", said(&recorded));
    let text = String::from_utf8(recorded.stdout).unwrap();
    assert!(!text.contains("hunter2secret"), "{text}");

    let runbooks = folder.0.join("own");
    std::fs::create_dir_all(runbooks.join("scenarios")).unwrap();
    std::fs::write(runbooks.join("scenarios/cart.yaml"), &text).unwrap();
    let replayed = firstcheck(&folder.0, &["replay", "own/scenarios/cart.yaml", "--json"]);
    let replayed: Value = serde_json::from_slice(&replayed.stdout).unwrap();
    assert_eq!(replayed["scenarios"][0]["bucket"], document["bucket"], "{text}");

    let tested = firstcheck(&folder.0, &["runbook", "test", "own"]);
    assert_eq!(tested.status.code(), Some(0), "{}", said(&tested));
    assert!(String::from_utf8_lossy(&tested.stdout).contains("1 passed, 0 missed"));
    bot.finish().await;
}

#[test]
fn an_incident_whose_id_or_store_is_wrong_is_one_line() {
    let folder = Folder::new("record");
    let no_store = firstcheck(&folder.0, &["record", "inc-0000000000"]);
    assert_eq!(
        (no_store.status.code(), said(&no_store).lines().count()),
        (Some(3), 1),
        "{}",
        said(&no_store)
    );
    assert!(!folder.0.join("firstcheck.db").exists(), "nothing is created by reading");
    assert_eq!(firstcheck(&folder.0, &["record", "17"]).status.code(), Some(2));
}

const LIMITED: &str = "alert: {title: 429s, http_status: 429, service: orders}\n\
    checks: [{check: rate_limit, target: service, outcome: limited}]\n";

#[test]
fn a_missed_scenario_fails_the_test_with_what_was_expected_and_why() {
    let folder = Folder::new("suite");
    let scenarios = folder.0.join("scenarios");
    std::fs::create_dir_all(&scenarios).unwrap();
    std::fs::write(scenarios.join("a.yaml"), format!("{LIMITED}truth: {{bucket: rate_limit}}\n")).unwrap();
    std::fs::write(scenarios.join("b.yaml"), format!("{LIMITED}truth: {{bucket: auth}}\n")).unwrap();

    let told = firstcheck(&folder.0, &["runbook", "test", "."]);
    let text = String::from_utf8(told.stdout).unwrap();
    assert_eq!(told.status.code(), Some(1), "{text}");
    assert!(text.contains("ok   ./scenarios/a.yaml: rate_limit"), "{text}");
    assert!(text.contains("MISS ./scenarios/b.yaml: rate_limit") && text.contains("expected auth"), "{text}");
    assert!(text.contains("1 passed, 1 missed"), "{text}");

    let one = firstcheck(&folder.0, &["runbook", "test", "scenarios/a.yaml", "--json"]);
    let document: Value = serde_json::from_slice(&one.stdout).unwrap();
    assert_eq!(
        (one.status.code(), &document["passed"], &document["missed"]),
        (Some(0), &json!(1), &json!(0))
    );
}

#[test]
fn the_runbooks_of_the_directory_decide() {
    let folder = Folder::new("suite");
    std::fs::create_dir_all(folder.0.join("scenarios")).unwrap();
    std::fs::write(folder.0.join("scenarios/a.yaml"), format!("{LIMITED}truth: {{bucket: rate_limit}}\n"))
        .unwrap();
    std::fs::write(folder.0.join("auth.yaml"), "bucket: auth\nbondary: x\n").unwrap();
    let output = firstcheck(&folder.0, &["runbook", "test", "."]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("auth.yaml:2:1: unknown field `bondary`; did you mean `boundary`?"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_scenario_without_a_truth_tests_nothing_and_says_so() {
    let folder = Folder::new("suite");
    std::fs::write(folder.0.join("a.yaml"), LIMITED).unwrap();
    let output = firstcheck(&folder.0, &["runbook", "test", "a.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("a.yaml: says no `truth`"), "{}", said(&output));
}
