//! The doors of the sources: what they take, what they keep, what they remember.

use std::io::Write as _;
use std::time::Duration;

use firstcheck::app::{Filter, Rules};
use serde_json::{Value, json};

use super::bot::{Bot, Folder, Setup};

async fn count(bot: &Bot) -> usize {
    bot.app.incidents(Filter::All, 100).await.unwrap().len()
}

/// How this source is.
async fn source(bot: &Bot, name: &str) -> Value {
    let listed = bot.get("/api/sources").await.json();
    let found = listed["sources"].as_array().unwrap().iter().find(|it| it["source"] == name);
    found.unwrap_or_else(|| panic!("no {name}: {listed}")).clone()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(text).unwrap();
    packed.finish().unwrap()
}

#[tokio::test]
async fn senders_that_cannot_post_json_are_taken_as_they_come() {
    let bot = Bot::start(Setup::default()).await;
    let query = "/alerts/uptimerobot?monitorID=1&monitorURL=https%3A%2F%2Fshop.test%2F&monitorFriendlyName=shop&alertType=1&alertTypeFriendlyName=Down&alertDetails=503";
    let taken = bot.get(query).await;
    assert_eq!(
        (taken.status, taken.json()["incidents"][0]["alerts"].as_i64()),
        (202, Some(1)),
        "{}",
        taken.text()
    );
    let put = bot.send("PUT", "/alerts/generic/", &[], "{\"title\": \"x\"}").await;
    assert_eq!(put.status, 202, "{}", put.text());
    let text =
        bot.send("POST", "/alerts/generic", &[("content-type", "text/plain")], "{\"title\": \"y\"}").await;
    assert_eq!(text.status, 202);
    let wrong = bot.send("PUT", "/alerts/pagerduty", &[], "{}").await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("POST, OPTIONS")));
    let browser = bot.send("GET", query, &[("sec-fetch-mode", "navigate")], "").await;
    assert_eq!(browser.status, 403, "a link that somebody opens is no alert");
    bot.finish().await;
}

#[tokio::test]
async fn handshakes_are_answered_and_open_nothing() {
    let bot = Bot::start(Setup::default()).await;
    let asks = [("webhook-request-origin", "eventemitter.example.com")];
    let may = bot.send("OPTIONS", "/alerts/cloudevents", &asks, "").await;
    assert_eq!((may.status, may.header("webhook-allowed-origin")), (200, Some("eventemitter.example.com")));
    let grid = json!([{"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "512d"}}]);
    let answer = bot.post("/alerts/azure_monitor", &grid).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"validationResponse": "512d"})));
    let challenge =
        bot.post("/alerts/generic", &json!({"type": "url_verification", "challenge": "3eZ"})).await;
    assert_eq!((challenge.status, challenge.json()), (200, json!({"challenge": "3eZ"})));
    assert_eq!(count(&bot).await, 0);
    bot.finish().await;
}

#[tokio::test]
async fn a_cloud_event_is_the_same_alert_in_every_mode() {
    let bot = Bot::start(Setup::default()).await;
    let data = json!({"title": "cart fails", "service": "shop"});
    let event = json!({"specversion": "1.0", "type": "test.alert.firing", "source": "/s", "subject": "cart", "id": "1", "data": data});
    let binary = [
        ("ce-specversion", "1.0"),
        ("ce-type", "test.alert.firing"),
        ("ce-source", "/s"),
        ("ce-subject", "cart"),
        ("ce-id", "2"),
        ("content-type", "application/json"),
    ];
    let first = bot.send("POST", "/alerts/cloudevents", &binary, &data.to_string()).await.json();
    let structured = bot.post("/alerts/cloudevents", &event).await.json();
    let mut third = event.clone();
    third["id"] = "3".into();
    let batch = bot.post("/alerts/cloudevents", &json!([third])).await.json();
    assert_eq!(first["incidents"].as_array().unwrap().len(), 1, "{first}");
    assert_eq!((&first, &first), (&structured, &batch));
    // The same event again, by its own id.
    bot.post("/alerts/cloudevents", &event).await;
    let cloudevents = source(&bot, "cloudevents").await;
    assert_eq!(
        (&cloudevents["counts"]["accepted"], &cloudevents["counts"]["repeated"]),
        (&json!(3), &json!(1))
    );
    bot.finish().await;
}

#[tokio::test]
async fn packed_bodies_are_unpacked_within_the_same_limit() {
    let bot = Bot::start(Setup::default()).await;
    let packed = gzip(b"{\"title\": \"x\"}");
    let headers = [("content-encoding", "gzip")];
    assert_eq!(bot.send_bytes("POST", "/alerts/generic", &headers, &packed).await.status, 202);
    let bomb = gzip(&vec![b' '; 64 * 1024 * 1024]);
    assert!(bomb.len() < 100_000);
    assert_eq!(bot.send_bytes("POST", "/alerts/generic", &headers, &bomb).await.status, 413);
    assert_eq!(bot.send_bytes("POST", "/alerts/generic", &headers, b"{}").await.status, 400);
    let other = bot.send_bytes("POST", "/alerts/generic", &[("content-encoding", "br")], b"x").await;
    assert_eq!(other.status, 415);
    assert_eq!(count(&bot).await, 1);
    bot.finish().await;
}

#[tokio::test]
async fn github_may_send_much_and_others_may_not() {
    let bot = Bot::start(Setup::default()).await;
    let large =
        json!({"zen": "x".repeat(3 * 1024 * 1024), "repository": {"full_name": "acme/shop"}}).to_string();
    let push = bot.send("POST", "/alerts/github", &[("x-github-event", "ping")], &large).await;
    assert_eq!(push.status, 202, "{}", push.text());
    let kept = bot.get("/api/deliveries?source=github").await.json();
    assert_eq!(
        (&kept["deliveries"][0]["truncated"], &kept["deliveries"][0]["replayable"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(bot.send("POST", "/alerts/pagerduty", &[], &large).await.status, 413);
    let declared = [("content-length", "26214401"), ("host", "localhost")];
    assert_eq!(bot.send("POST", "/alerts/github", &declared, "").await.status, 413, "told before it is sent");
    bot.finish().await;
}

#[tokio::test]
async fn nesting_bombs_broken_text_and_strange_json_are_refused_and_kept() {
    let bot = Bot::start(Setup::default()).await;
    let deep = "[".repeat(300_000);
    let bombs: [&[u8]; 4] = [deep.as_bytes(), b"{\"a\":", b"\xff\xfe\xfd", b"[[[[1]]]]"];
    for body in bombs {
        let answer = bot.send_bytes("POST", "/alerts/pagerduty", &[], body).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
    }
    let kept = bot.get("/api/deliveries?state=refused").await.json();
    assert_eq!(kept["deliveries"].as_array().unwrap().len(), 4);
    assert!(
        kept["deliveries"]
            .as_array()
            .unwrap()
            .iter()
            .all(|it| it["body"].as_str().unwrap().len() <= 64 * 1024 + 64)
    );
    assert_eq!(source(&bot, "pagerduty").await["counts"]["refused"], 4);
    bot.finish().await;
}

#[tokio::test]
async fn an_event_nobody_maps_is_kept_shown_without_its_secrets_and_taken_again() {
    let bot = Bot::start(Setup::default()).await;
    let strange = json!({"title": "x", "status": "wobbling", "token": "tok-123", "labels": {"note": "password=hunter2-hunter2"}});
    let answer = bot.post("/alerts/generic", &strange).await;
    assert_eq!((answer.status, answer.json()), (202, json!({"incidents": []})));
    let listed = bot.get("/api/deliveries?state=unmapped").await.json();
    let shown = &listed["deliveries"][0];
    bot.is_described(shown, "Delivery").await;
    assert!(shown["reason"].as_str().unwrap().contains("`wobbling`"), "{shown}");
    let text = shown.to_string();
    assert!(!text.contains("tok-123") && !text.contains("hunter2"), "{text}");
    let id = shown["id"].as_i64().unwrap();
    let again = bot.post(&format!("/api/deliveries/{id}/replay"), &json!({})).await;
    assert_eq!(again.status, 200);
    assert!(again.json()["ignored"].as_str().unwrap().contains("wobbling"), "its mapping is as it was");
    assert_eq!(bot.post("/api/deliveries/999/replay", &json!({})).await.status, 404);
    assert_eq!(bot.get("/api/deliveries?state=purple").await.status, 400);
    bot.finish().await;
}

#[tokio::test]
async fn a_delivery_that_comes_again_has_no_second_effect_also_after_a_restart() {
    let folder = Folder::new("again");
    let setup = || Setup { folder: Some(folder.0.clone()), ..Setup::default() };
    let event = |kind: &str| {
        json!({"event": {"id": kind, "event_type": format!("incident.{kind}"), "occurred_at": "2026-10-01T08:00:00Z",
            "data": {"id": "Q1", "type": "incident", "title": "orders fails", "service": {"summary": "orders-api"}, "urgency": "high"}}})
    };
    let bot = Bot::start(setup()).await;
    let path = "/alerts/pagerduty";
    let first = bot.send("POST", path, &[("x-webhook-id", "w1")], &event("triggered").to_string()).await;
    assert_eq!(first.status, 202, "{}", first.text());
    let first = first.json();
    let over = bot.send("POST", path, &[("x-webhook-id", "w2")], &event("resolved").to_string()).await.json();
    assert_eq!(first, over);
    let id = first["incidents"][0]["id"].as_str().unwrap().to_owned();
    let before = bot.settled(&id).await;
    assert_eq!(before["state"], "resolved", "{before:#}");
    bot.finish().await;

    let bot = Bot::start(setup()).await;
    let again = bot.send("POST", path, &[("x-webhook-id", "w1")], &event("triggered").to_string()).await;
    assert_eq!((again.status, again.json()), (202, first));
    assert_eq!(count(&bot).await, 1);
    let after = bot.get(&format!("/api/incidents/{id}")).await.json();
    assert_eq!((&after["alert_count"], &after["timeline"]), (&before["alert_count"], &before["timeline"]));
    assert_eq!(source(&bot, "pagerduty").await["counts"]["repeated"], 1);
    assert!(
        bot.get("/metrics")
            .await
            .text()
            .contains("firstcheck_deliveries_repeated_total{source=\"pagerduty\"} 1")
    );
    bot.finish().await;
}

#[tokio::test]
async fn a_silenced_alert_is_kept_and_counted_and_opens_nothing_and_its_end_passes() {
    let bot = Bot::start(Setup::default()).await;
    let alert = |status: &str, fingerprint: &str| json!({"title": "x", "service": "shop", "status": status, "fingerprint": fingerprint});
    let before = bot.post("/alerts/generic", &alert("firing", "before")).await.json();
    let wanted = json!({"matchers": [{"name": "service", "value": "shop"}], "duration": "2h", "reason": "moving house", "by": "ada"});
    let set = bot.post("/api/silences", &wanted).await;
    assert_eq!(set.status, 201, "{}", set.text());
    let silence = set.json();
    bot.is_described(&silence, "Silence").await;
    for _ in 0..3 {
        let held = bot.post("/alerts/generic", &alert("firing", "during")).await;
        assert_eq!((held.status, held.json()), (202, json!({"incidents": []})));
    }
    assert_eq!(bot.post("/alerts/generic", &alert("resolved", "before")).await.json(), before);
    let id = before["incidents"][0]["id"].as_str().unwrap();
    assert_eq!(bot.get(&format!("/api/incidents/{id}")).await.json()["state"], "resolved");
    assert_eq!(count(&bot).await, 1);
    let kept = bot.get("/api/deliveries?state=silenced").await.json();
    assert_eq!(kept["deliveries"].as_array().unwrap().len(), 1, "kept once, counted three times: {kept}");
    assert!(kept["deliveries"][0]["reason"].as_str().unwrap().contains("moving house"));
    let listed = bot.get("/api/silences").await.json();
    assert_eq!(
        (&listed["silences"][0]["alerts"], &listed["silences"][0]["state"]),
        (&json!(3), &json!("active"))
    );
    assert_eq!(source(&bot, "generic").await["counts"]["silenced"], 3);
    let path = format!("/api/silences/{}", silence["id"].as_str().unwrap());
    assert_eq!(bot.send("DELETE", &path, &[], "").await.json()["state"], "expired");
    assert_eq!(
        bot.post("/alerts/generic", &alert("firing", "during")).await.json()["incidents"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(bot.send("DELETE", "/api/silences/none", &[], "").await.status, 404);
    let off = json!({"matchers": [], "duration": "2h", "reason": "r", "by": "b"});
    assert_eq!(bot.post("/api/silences", &off).await.status, 422);
    assert_eq!(bot.post("/api/silences", &json!({"matcher": 1})).await.status, 400);
    bot.finish().await;
}

#[tokio::test]
async fn a_source_that_goes_silent_is_reported() {
    let bot = Bot::start(Setup::default()).await;
    bot.post("/alerts/generic", &json!({"title": "x"})).await;
    let listed = source(&bot, "generic").await;
    bot.is_described(&listed, "Source").await;
    assert_eq!((&listed["heartbeat"], &listed["counts"]["alerts"]), (&Value::Null, &json!(1)));
    let heartbeats = |seconds| [("generic".to_owned(), Duration::from_secs(seconds))].into();
    bot.app.follow(Rules { heartbeats: heartbeats(3600), ..Rules::default() });
    assert_eq!(source(&bot, "generic").await["heartbeat"]["state"], "alive");
    bot.app.follow(Rules { heartbeats: heartbeats(0), ..Rules::default() });
    let silent = source(&bot, "generic").await;
    assert_eq!(silent["heartbeat"]["state"], "silent", "{silent}");
    assert!(bot.get("/metrics").await.text().contains("firstcheck_source_silent{source=\"generic\"} 1"));
    let ready = bot.get("/readyz").await;
    assert_eq!((ready.status, &ready.json()["silent_sources"]), (200, &json!(["generic"])));
    bot.finish().await;
}

#[tokio::test]
async fn a_change_is_recorded_once_and_listed() {
    let bot = Bot::start(Setup::default()).await;
    let told = json!({"what": "orders-api 2.14.0", "service": "orders-api", "at": "2026-10-01T08:00:00Z", "id": "7"});
    let taken = bot.post("/changes", &told).await;
    assert_eq!(taken.status, 202, "{}", taken.text());
    assert_eq!(bot.post("/changes/", &told).await.status, 202);
    let event = json!({"action": "published", "repository": {"full_name": "acme/orders"},
        "release": {"id": 1, "tag_name": "v2", "published_at": "2026-10-01T09:00:00Z"}});
    let github = bot.send("POST", "/changes", &[("x-github-event", "release")], &event.to_string()).await;
    assert_eq!(github.status, 202, "{}", github.text());
    let listed = bot.get("/api/changes").await.json();
    let changes = listed["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 2, "{listed}");
    assert_eq!(
        (&changes[0]["repository"], &changes[1]["what"]),
        (&json!("acme/orders"), &json!("orders-api 2.14.0"))
    );
    bot.is_described(&changes[0], "Change").await;
    let one = bot.get("/api/changes?repository=ACME/orders&from=2026-10-01T08:30:00Z").await.json();
    assert_eq!(one["changes"].as_array().unwrap().len(), 1);
    let refused = bot.post("/changes", &json!({"kind": "party", "what": "x"})).await;
    assert_eq!(refused.status, 400);
    let nothing = bot.send("POST", "/changes/github", &[("x-github-event", "push")], "{}").await;
    assert_eq!(nothing.status, 202);
    assert!(nothing.json()["ignored"].as_str().unwrap().contains("`push`"));
    assert_eq!(bot.post("/changes/pagerduty", &told).await.status, 404);
    bot.finish().await;
}

#[tokio::test]
async fn a_told_change_is_found_by_the_deploys_check_of_its_service_alone() {
    let bot = Bot::start(Setup::default()).await;
    let minutes_ago = |minutes: i64| {
        let span = jiff::SignedDuration::from_mins(minutes);
        firstcheck::clock::now().checked_sub(span).unwrap().to_string()
    };
    let told = json!([
        {"what": "orders-api 2.14.0", "service": "orders-api", "at": minutes_ago(5)},
        {"what": "billing 1.0.0", "service": "billing", "at": minutes_ago(2)},
    ]);
    assert_eq!(bot.post("/changes", &told).await.status, 202);
    let alert = |service: &str| json!({"title": "502s", "service": service, "http_status": 502});
    let deploys = async |service: &str| {
        let opened = bot.post("/alerts/generic", &alert(service)).await.json();
        let id = opened["incidents"][0]["id"].as_str().unwrap().to_owned();
        let document = bot.answer_everything_with_unknown(&id).await;
        document["checks"].as_array().unwrap().iter().find(|it| it["check"] == "deploys").cloned()
    };
    let found = deploys("orders-api").await.expect("it is planned");
    assert_eq!(found["outcome"], "deploy_near", "{found:#}");
    assert!(found.to_string().contains("2.14.0") && !found.to_string().contains("billing"), "{found:#}");
    // Of a service nobody tells of, nothing is claimed.
    assert_eq!(deploys("search-api").await, None);
    bot.finish().await;
}
