//! What people say of an incident over the API: corrected, closed, looked at again, quiet, somebody's, filed.

use serde_json::{Value, json};

use super::bot::{Bot, Setup};

async fn started(bot: &Bot) -> String {
    let started = bot.post("/api/incidents", &json!({"service": "mail", "by": "ada"})).await;
    assert_eq!(started.status, 201, "{}", started.text());
    started.json()["id"].as_str().unwrap().to_owned()
}

/// Says this and gives the incident after it.
async fn said(bot: &Bot, id: &str, word: &str, body: &Value) -> Value {
    let answer = bot.post(&format!("/api/incidents/{id}/{word}"), body).await;
    assert_eq!(answer.status, 200, "{word}: {}", answer.text());
    answer.json()
}

async fn refused(bot: &Bot, id: &str, word: &str, body: &Value, status: u16) -> String {
    let answer = bot.post(&format!("/api/incidents/{id}/{word}"), body).await;
    assert_eq!(answer.status, status, "{word}: {}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    answer.json()["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_incident_is_closed_reopened_assigned_corrected_and_filed_over_the_api() {
    let bot = Bot::start(Setup::default()).await;
    let id = started(&bot).await;
    let closed = said(&bot, &id, "close", &json!({"by": "ada", "reason": "a duplicate of PROJ-12"})).await;
    assert_eq!(closed["state"], "closed");
    assert!(closed["timeline"].to_string().contains("closed (ada): a duplicate of PROJ-12"), "{closed:#}");
    let reopened = said(&bot, &id, "reopen", &json!({"by": "ada"})).await;
    assert_eq!((&reopened["state"], &reopened["resolved_at"]), (&json!("triaging"), &Value::Null));
    let assigned = said(&bot, &id, "assign", &json!({"by": "ada", "to": "Grace"})).await;
    assert_eq!(assigned["assignee"], "Grace");
    bot.is_described(&assigned, "Incident").await;
    let corrected = said(&bot, &id, "reclassify", &json!({"by": "ada", "bucket": "auth"})).await;
    assert_eq!(corrected["bucket"], "auth");
    said(&bot, &id, "file", &json!({"by": "ada", "reason": null})).await;
    bot.until(&id, "the issue is filed", |it| it["issue"].is_string()).await;
    let listed = bot.get("/api/incidents").await.json();
    assert_eq!(listed["incidents"][0]["assignee"], "Grace", "{listed:#}");
    said(&bot, &id, "resolve", &json!({"by": "ada"})).await;
    bot.settled(&id).await;
    bot.finish().await;
}

#[tokio::test]
async fn a_snooze_holds_questions_back_until_it_is_over() {
    let bot = Bot::start(Setup::default()).await;
    let id = started(&bot).await;
    bot.an_open_question(&id).await;
    let snoozed = said(&bot, &id, "snooze", &json!({"by": "ada", "for": "1s"})).await;
    assert!(snoozed["snoozed_until"].is_string(), "{snoozed:#}");
    let woken = bot.until(&id, "the snooze is over", |it| it["snoozed_until"].is_null()).await;
    assert!(woken["timeline"].to_string().contains("the snooze is over"), "{woken:#}");
    bot.answer_everything_with_unknown(&id).await;
    bot.settled(&id).await;
    bot.finish().await;
}

#[tokio::test]
async fn a_reopened_incident_gives_way_to_the_one_that_took_its_place() {
    let bot = Bot::start(Setup::default()).await;
    let first = started(&bot).await;
    said(&bot, &first, "close", &json!({})).await;
    let second = started(&bot).await;
    assert_ne!(first, second);
    let why = refused(&bot, &first, "reopen", &json!({}), 422).await;
    assert!(why.contains(&second), "{why}");
    let document = bot.get(&format!("/api/incidents/{first}")).await.json();
    assert_eq!(document["state"], "closed", "{document:#}");
    said(&bot, &second, "close", &json!({})).await;
    said(&bot, &first, "reopen", &json!({})).await;
    said(&bot, &first, "close", &json!({})).await;
    bot.settled(&first).await;
    bot.settled(&second).await;
    bot.finish().await;
}

#[tokio::test]
async fn a_word_that_makes_no_sense_is_refused_with_the_reason_and_a_secret_in_one_is_taken_out() {
    let bot = Bot::start(Setup::default()).await;
    let id = started(&bot).await;
    for (word, body, status, why) in [
        ("reopen", json!({}), 422, "nothing to reopen"),
        ("assign", json!({}), 422, "`to`"),
        ("assign", json!({"to": "x".repeat(101)}), 422, "1 to 100 characters"),
        ("assign", json!({"to": ["Grace"]}), 400, "`to` is a text"),
        ("snooze", json!({}), 422, "`for`"),
        ("snooze", json!({"for": "a while"}), 422, "no span of time"),
        ("snooze", json!({"for": "-2h"}), 422, "in the future"),
        ("snooze", json!({"for": "9999999h"}), 422, "30 days"),
        ("snooze", json!({"until": "tomorrow"}), 422, "no time"),
        ("snooze", json!({"until": "2031-01-01T00:00:00Z", "for": "2h"}), 422, "not both"),
        ("reclassify", json!({"bucket": "weather"}), 422, "weather"),
        ("close", json!({"reason": "x".repeat(501)}), 422, "1 to 500 characters"),
        ("close", json!({"because": "done"}), 400, "`because` means nothing here"),
        ("close", json!(["done"]), 400, "not as expected"),
    ] {
        let told = refused(&bot, &id, word, &body, status).await;
        assert!(told.contains(why), "{word} {body}: {told}");
    }
    let token = format!("ghp_{}", "a1B2c3D4e5F6".repeat(3));
    let closed = said(&bot, &id, "close", &json!({"reason": format!("the token was {token}")})).await;
    assert!(closed.to_string().contains("the token was") && !closed.to_string().contains(&token));
    bot.settled(&id).await;
    bot.finish().await;
}
