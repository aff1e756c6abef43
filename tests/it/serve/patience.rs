//! What is waited for, and for how long: people, slow senders, and a store that cannot be written.

use std::time::Duration;

use firstcheck::runbook::{BUILTIN, Knowledge};
use serde_json::json;
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use super::bot::{Bot, Folder, Setup, within};

/// The built-in knowledge, with so many seconds of patience for people.
fn patient_for(seconds: u32) -> Knowledge {
    let (name, text) = BUILTIN.iter().find(|(name, _)| *name == "likelihoods.yaml").unwrap();
    let changed = text.replace("patience_s: 900", &format!("patience_s: {seconds}"));
    assert_ne!(changed, *text);
    Knowledge::with_overrides(&[((*name).to_owned(), changed)]).unwrap()
}

async fn started(bot: &Bot) -> String {
    let started = bot.post("/api/incidents", &json!({"service": "mail", "by": "ada"})).await;
    assert_eq!(started.status, 201, "{}", started.text());
    started.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_question_nobody_answers_holds_no_incident_for_ever_and_a_late_answer_counts() {
    let bot = Bot::start(Setup { knowledge: Some(patient_for(0)), ..Setup::default() }).await;
    let id = started(&bot).await;
    let document = bot.until(&id, "triage goes on without people", |it| it["state"] != "triaging").await;
    assert_eq!(document["state"], "unclear");
    let answers = document["answers"].as_array().unwrap();
    assert!(!answers.is_empty() && answers.iter().all(|it| it["by"] == "nobody, in time"), "{answers:#?}");
    assert!(document["timeline"].to_string().contains("in time"), "{document:#}");

    let late = json!({"question": "status_distribution", "answer": "429", "by": "ada"});
    let answer = bot.post(&format!("/api/incidents/{id}/answers"), &late).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let document = bot.settled(&id).await;
    assert_eq!(document["bucket"], "rate_limit", "{document:#}");
    let known = document["answers"].as_array().unwrap();
    assert!(
        known.iter().any(|it| it["question"] == "status_distribution" && it["by"] == "ada"),
        "{known:#?}"
    );
    bot.finish().await;
}

#[tokio::test]
async fn a_questions_deadline_survives_a_restart() {
    let folder = Folder::new("deadline");
    let setup = |knowledge| Setup { folder: Some(folder.0.clone()), knowledge, ..Setup::default() };
    let bot = Bot::start(setup(Some(patient_for(1)))).await;
    let id = started(&bot).await;
    let question = bot.an_open_question(&id).await;
    bot.stop_at_once().await;

    // This one would wait for a quarter of an hour; the deadline is the one that was promised.
    let bot = Bot::start(setup(None)).await;
    let by_nobody = |it: &serde_json::Value| {
        it["answers"]
            .as_array()
            .unwrap()
            .iter()
            .any(|it| it["question"] == question.as_str() && it["by"] == "nobody, in time")
    };
    bot.until(&id, "the deadline passes", by_nobody).await;
    bot.finish().await;
}

#[tokio::test]
async fn an_answered_question_has_no_deadline_left_to_wait_for() {
    let bot = Bot::start(Setup::default()).await;
    let id = started(&bot).await;
    bot.answer_everything_with_unknown(&id).await;
    let document = bot.settled(&id).await;
    assert!(document["issue"].is_string(), "{document:#}");
    bot.finish().await;
}

#[tokio::test]
async fn a_store_that_cannot_be_written_is_503_until_it_can() {
    let folder = Folder::new("locked");
    let bot = Bot::start(Setup { folder: Some(folder.0.clone()), ..Setup::default() }).await;
    // Another program writes: to the bot that looks like a disk that does not answer.
    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.0.join("firstcheck.db"));
    let mut other = file.connect().await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let alert = json!({"title": "504s on /v1/reports", "service": "reports"});
    let refused = bot.post("/alerts/generic", &alert).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.header("retry-after").is_some_and(|it| it.parse::<u32>().is_ok()));
    assert!(!refused.text().contains("locked"), "internals stay inside: {}", refused.text());
    assert_eq!(bot.get("/healthz").await.status, 200);
    assert_eq!(bot.get("/api/incidents").await.json()["incidents"], json!([]), "reading goes on");

    other.execute("ROLLBACK").await.unwrap();
    other.close().await.unwrap();
    let taken = bot.post("/alerts/generic", &alert).await;
    assert_eq!(taken.status, 202, "{}", taken.text());
    assert_eq!(bot.get("/readyz").await.status, 200);
    bot.finish().await;
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up_and_holds_up_no_stop() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let bot = Bot::start(Setup::default()).await;
    let mut slow = bot.connection().await;
    slow.write_all(b"POST /alerts/generic HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{\"title\": ")
        .await
        .unwrap();
    let mut answer = Vec::new();
    within(Duration::from_secs(30), "it is answered", slow.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    bot.finish().await;
}
