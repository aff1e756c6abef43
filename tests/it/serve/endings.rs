//! How alerts are sorted over time: what comes late, what comes back, what goes on and off, and what nobody ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use firstcheck::alert::KeyPart;
use firstcheck::app::{Filter, Rules};
use firstcheck::drill::http_server::{HttpServer, Reply};
use firstcheck::runbook::{BUILTIN, Knowledge};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::bot::{Bot, Setup};

/// One alert of the shop: what it says, and when the problem began.
fn alert(status: &str, began: &str) -> Value {
    json!({"title": "cart fails", "service": "shop", "fingerprint": "cart", "status": status, "started_at": format!("2026-10-01T{began}Z")})
}

async fn send(bot: &Bot, alert: &Value) -> String {
    let answer = bot.post("/alerts/generic", alert).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.json()["incidents"][0]["id"].as_str().unwrap_or_default().to_owned()
}

async fn state(bot: &Bot, id: &str) -> String {
    bot.get(&format!("/api/incidents/{id}")).await.json()["state"].as_str().unwrap().to_owned()
}

async fn count(bot: &Bot) -> usize {
    bot.app.incidents(Filter::All, 100).await.unwrap().len()
}

/// This replica is the one that watches.
fn watching(bot: &Bot, rules: Rules) {
    bot.app.follow(rules);
    bot.app.watch_over(watch::Sender::new(true).subscribe());
}

#[tokio::test]
async fn an_old_end_does_not_end_a_newer_problem_and_an_old_beginning_opens_nothing() {
    let bot = Bot::start(Setup::default()).await;
    let id = send(&bot, &alert("firing", "08:00:00")).await;
    send(&bot, &alert("resolved", "08:00:00")).await;
    assert_eq!(state(&bot, &id).await, "resolved");
    // It comes back within minutes: the same incident, the same thread.
    assert_eq!(send(&bot, &alert("firing", "08:30:00")).await, id);
    let document = bot.get(&format!("/api/incidents/{id}")).await.json();
    assert_ne!(document["state"], "resolved", "{document:#}");
    assert!(document["timeline"].to_string().contains("it fires again"), "{document:#}");
    for late in [alert("resolved", "08:00:00"), alert("firing", "08:00:00")] {
        assert_eq!(send(&bot, &late).await, id);
        assert_ne!(state(&bot, &id).await, "resolved", "{late}");
    }
    send(&bot, &alert("resolved", "08:30:00")).await;
    assert_eq!(state(&bot, &id).await, "resolved");
    assert_eq!(send(&bot, &alert("firing", "08:30:00")).await, id);
    assert_eq!((state(&bot, &id).await.as_str(), count(&bot).await), ("resolved", 1));
    bot.finish().await;
}

#[tokio::test]
async fn alerts_that_go_on_and_off_are_one_incident_that_ends_when_they_are_calm() {
    let (name, text) = BUILTIN.iter().find(|(name, _)| *name == "likelihoods.yaml").unwrap();
    let usual = "flapping: {returns: 3, within_s: 3600, calm_s: 900}";
    let quick = text.replace(usual, "flapping: {returns: 2, within_s: 3600, calm_s: 1}");
    assert_ne!(quick, *text);
    let knowledge = Knowledge::with_overrides(&[((*name).to_owned(), quick)]).unwrap();
    let bot = Bot::start(Setup { knowledge: Some(knowledge), ..Setup::default() }).await;
    let id = send(&bot, &alert("firing", "08:00:00")).await;
    for minute in 1..=3 {
        send(&bot, &alert("resolved", &format!("08:0{}:00", minute - 1))).await;
        assert_eq!(send(&bot, &alert("firing", &format!("08:0{minute}:00"))).await, id);
    }
    send(&bot, &alert("resolved", "08:03:00")).await;
    let document = bot.until(&id, "it ends by itself once it is calm", |it| it["state"] == "resolved").await;
    let timeline = document["timeline"].to_string();
    assert!(timeline.contains("stayed quiet after going on and off"), "{document:#}");
    // Before it flapped its end was believed at once, once.
    assert_eq!(timeline.matches("resolved (").count(), 3, "{document:#}");
    assert_eq!(count(&bot).await, 1);
    bot.finish().await;
}

#[tokio::test]
async fn a_check_that_found_the_fault_tells_its_end() {
    let broken = Arc::new(AtomicBool::new(true));
    let answers = Arc::clone(&broken);
    let service = HttpServer::plain(move |_| {
        let status = if answers.load(Ordering::SeqCst) { 503 } else { 200 };
        async move { Reply::json(status, &json!({})) }
    })
    .await
    .unwrap();
    let bot = Bot::start(Setup::default()).await;
    let problem = json!({"title": "cart fails", "service": "shop", "endpoint": service.url("/v1/cart"), "http_status": 503});
    let id = send(&bot, &problem).await;
    bot.answer_everything_with_unknown(&id).await;
    let document = bot.until(&id, "triage stops", |it| it["state"] != "triaging").await;
    assert_ne!(document["state"], "resolved");
    broken.store(false, Ordering::SeqCst);
    watching(&bot, Rules { recheck: Some(Duration::from_millis(20)), ..Rules::default() });
    let document = bot.until(&id, "the end is seen", |it| it["state"] == "resolved").await;
    assert!(document["timeline"].to_string().contains("firstcheck's own checks"), "{document:#}");
    assert!(bot.get("/metrics").await.text().contains("firstcheck_incidents_ended_total{by=\"check\"} 1"));
    bot.finish().await;
}

#[tokio::test]
async fn what_nothing_is_heard_of_ends_by_time() {
    let bot = Bot::start(Setup::default()).await;
    let id = send(&bot, &json!({"title": "x", "service": "shop"})).await;
    let never = Rules { recheck: None, resolve_after: None, ..Rules::default() };
    watching(
        &bot,
        Rules { resolve_after: Some(Duration::ZERO), recheck: Some(Duration::from_millis(20)), ..never },
    );
    let document = bot.until(&id, "time ends it", |it| it["state"] == "resolved").await;
    assert!(document["timeline"].to_string().contains("resolved (time)"), "{document:#}");
    bot.finish().await;
}

#[tokio::test]
async fn the_configuration_says_what_makes_one_incident() {
    let bot = Bot::start(Setup::default()).await;
    let at = |endpoint: &str| json!({"title": "x", "service": "shop", "endpoint": endpoint, "fingerprint": endpoint});
    assert_ne!(send(&bot, &at("/a")).await, send(&bot, &at("/b")).await);
    let by_service = || Rules { group_by: vec![KeyPart::Service], ..Rules::default() };
    bot.app.follow(by_service());
    let together = send(&bot, &at("/c")).await;
    assert_eq!(together, send(&bot, &at("/d")).await);
    // After its window it takes no other alert in, and its key is free for the next.
    bot.app.follow(Rules { window: Some(Duration::ZERO), ..by_service() });
    let next = send(&bot, &at("/e")).await;
    assert_ne!(next, together);
    assert_eq!(state(&bot, &together).await, "resolved");
    bot.finish().await;
}
