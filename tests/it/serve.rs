//! The bot as its callers meet it: real webhooks over HTTP, answers over the API, an issue in a folder; and what happens when
//! the sender, the tracker or the process itself breaks.

pub(crate) mod bot;
mod credentials;
mod doors;
mod endings;
mod patience;
mod process;
mod sns;
mod words;

use std::collections::BTreeSet;
use std::time::Duration;

use firstcheck::app::Filter;
use firstcheck::incident::{IncidentId, Stage};
use firstcheck::server::Doors;
use firstcheck::tracker::{Tracker, folder};
use serde_json::{Value, json};

use bot::{Bot, Setup, within};

/// A delivery in Alertmanager's shape: one firing alert of this service.
fn webhook(service: &str, endpoint: &str, status: &str) -> Value {
    json!({
        "version": "4", "groupKey": "{}", "receiver": "firstcheck", "status": status,
        "alerts": [{
            "status": status,
            "labels": {"alertname": "HighErrorRate", "service": service, "instance": endpoint, "severity": "critical", "status_code": "503"},
            "annotations": {"summary": format!("{service} answers 503")},
            "startsAt": "2026-10-01T08:14:03.112Z",
            "fingerprint": format!("{service:0>16}"),
        }],
    })
}

#[tokio::test]
async fn an_alert_becomes_an_incident_its_questions_are_answered_and_the_issue_is_filed() {
    let service = bot::broken_service().await;
    let bot = Bot::start(Setup::default()).await;
    let answer = bot.post("/alerts/alertmanager", &webhook("shop", &service.url("/v1/cart"), "firing")).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let accepted = answer.json();
    assert_eq!(accepted["incidents"][0]["alerts"], 1);
    let id = accepted["incidents"][0]["id"].as_str().unwrap().to_owned();

    let document = bot.answer_everything_with_unknown(&id).await;
    assert!(
        service.requests().iter().any(|seen| seen.uri.path() == "/v1/cart"),
        "the endpoint itself was asked"
    );
    let document = if document["issue"].is_null() { bot.settled(&id).await } else { document };
    assert!(["clarity", "unclear"].contains(&document["state"].as_str().unwrap()), "{document:#}");
    assert!(document["bucket"].is_string() && document["runner_up"].is_string());
    assert!(document["next_experiment"].as_str().is_some_and(|it| !it.is_empty()));
    assert_eq!(document["asked"].as_array().unwrap().len(), document["answers"].as_array().unwrap().len());
    let issue =
        std::fs::read_to_string(document["issue"].as_str().unwrap().trim_start_matches("file://")).unwrap();
    assert!(issue.contains(&format!("<!-- firstcheck:{id}")), "{issue}");
    bot.is_described(&document, "Incident").await;
    bot.finish().await;
}

#[tokio::test]
async fn the_same_delivery_again_names_the_same_incident_and_its_end_resolves_it() {
    let bot = Bot::start(Setup::default()).await;
    let firing = webhook("shop", "https://shop.invalid/", "firing");
    let first = bot.post("/alerts/alertmanager", &firing).await.json();
    let again = bot.post("/alerts/alertmanager/", &firing).await.json();
    assert_eq!(first, again);
    let over =
        bot.post("/alerts/alertmanager", &webhook("shop", "https://shop.invalid/", "resolved")).await.json();
    assert_eq!(first, over);
    let id = first["incidents"][0]["id"].as_str().unwrap();
    let document = bot.get(&format!("/api/incidents/{id}")).await.json();
    assert_eq!(document["state"], "resolved");
    assert!(document["mttr_s"].is_number());
    // A firing that comes late does not open it again, and opens no other.
    assert_eq!(bot.post("/alerts/alertmanager", &firing).await.json(), first);
    assert_eq!(bot.app.incidents(Filter::All, 10).await.unwrap().len(), 1);
    bot.finish().await;
}

#[tokio::test]
async fn alerts_that_race_each_other_meet_in_one_incident() {
    let bot = Bot::start(Setup::default()).await;
    let deliveries: Vec<Value> = (0..16)
        .map(|number| {
            let mut delivery = webhook("shop", "https://shop.invalid/", "firing");
            delivery["alerts"][0]["fingerprint"] = format!("{number:016}").into();
            delivery
        })
        .collect();
    let posts = deliveries.iter().map(|delivery| bot.post("/alerts/alertmanager", delivery));
    let answers = futures_util::future::join_all(posts).await;
    let mut ids: Vec<String> = answers
        .iter()
        .map(|answer| answer.json()["incidents"][0]["id"].as_str().unwrap().to_owned())
        .collect();
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let document = bot.get(&format!("/api/incidents/{}", ids[0])).await.json();
    assert_eq!(document["alerts"].as_array().unwrap().len(), 16);
    assert_eq!(document["alert_count"], 16);
    bot.finish().await;
}

#[tokio::test]
async fn of_one_alert_that_comes_many_times_at_once_all_but_the_first_are_counted() {
    let bot = Bot::start(Setup::default()).await;
    let delivery = webhook("shop", "https://shop.invalid/", "firing");
    let posts = (0..16).map(|_| bot.post("/alerts/alertmanager", &delivery));
    let answers = futures_util::future::join_all(posts).await;
    let ids: BTreeSet<String> =
        answers.iter().map(|answer| answer.json()["incidents"][0]["id"].to_string()).collect();
    let [id] = &ids.into_iter().collect::<Vec<_>>()[..] else { panic!("one incident") };
    let document = bot.get(&format!("/api/incidents/{}", id.trim_matches('"'))).await.json();
    assert_eq!(document["alerts"].as_array().unwrap().len(), 1);
    assert_eq!(document["alert_count"], 16);
    bot.finish().await;
}

#[tokio::test]
async fn a_malformed_delivery_is_refused_with_the_reason_and_kept() {
    let bot = Bot::start(Setup::default()).await;
    for (path, body, reason) in [
        ("/alerts/generic", "{\"title\": ", "not JSON"),
        ("/alerts/generic", "", "empty"),
        ("/alerts/generic", "{\"message\": \"no title\"}", "`title` is missing"),
        ("/alerts/alertmanager", "{\"title\": \"x\"}", "`alerts`"),
    ] {
        let answer = bot.send("POST", path, &[], body).await;
        assert_eq!(answer.status, 400, "{path} {body}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert!(answer.json()["detail"].as_str().unwrap().contains(reason), "{}", answer.text());
    }
    assert_eq!(bot.app.kept(10).await.unwrap().len(), 4);
    let unknown_word = json!({"title": "x", "status": "wobbling"});
    let unmapped = bot.post("/alerts/generic", &unknown_word).await;
    assert_eq!((unmapped.status, unmapped.json()), (202, json!({"incidents": []})));
    assert_eq!(bot.app.incidents(Filter::All, 10).await.unwrap().len(), 0);
    let metrics = bot.get("/metrics").await.text();
    assert!(
        metrics.contains("firstcheck_deliveries_kept{source=\"generic\",verdict=\"bad\"} 3"),
        "{metrics}"
    );
    assert!(
        bot.get("/").await.text().contains("is missing; it is the one field"),
        "the console shows what was kept"
    );
    bot.finish().await;
}

#[tokio::test]
async fn wrong_doors_are_refused_as_the_interface_says() {
    let bot = Bot::start(Setup::default()).await;
    let large = format!("{{\"title\": \"{}\"}}", "x".repeat(firstcheck::server::BODY_BYTES));
    assert_eq!(bot.send("POST", "/alerts/generic", &[], &large).await.status, 413);
    assert_eq!(bot.send("POST", "/alerts/nagios", &[], "{}").await.status, 404);
    let wrong_method = bot.get("/alerts/generic").await;
    assert_eq!((wrong_method.status, wrong_method.header("allow")), (405, Some("POST, PUT, OPTIONS")));
    assert_eq!(bot.get("/api/incidents/inc-0000000000").await.status, 404);
    assert_eq!(bot.get("/nowhere").await.status, 404);
    assert_eq!(bot.get("/api/check/dns").await.status, 400);
    assert_eq!(bot.get("/api/check/nose?target=x").await.status, 400);
    assert_eq!(bot.get("/api/check/tcp?target=127.0.0.1:1").await.status, 200);
    let elsewhere = [("origin", "http://evil.test")];
    assert_eq!(bot.send("POST", "/alerts/generic", &elsewhere, "{\"title\": \"x\"}").await.status, 403);
    assert_eq!(bot.send("GET", "/api/incidents", &[("host", "evil.test")], "").await.status, 403);
    assert_eq!(bot.get("/healthz").await.status, 200);
    assert_eq!(bot.get("/readyz").await.status, 200);
    bot.finish().await;
}

#[tokio::test]
async fn a_refused_target_is_refused_over_the_api_and_an_error_inside_an_incident() {
    let bot =
        Bot::start(Setup { policy: firstcheck::egress::Policy::public_only(), ..Setup::default() }).await;
    let refused = bot.get("/api/check/tcp?target=127.0.0.1:1").await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    let accepted =
        bot.post("/alerts/alertmanager", &webhook("shop", "http://127.0.0.1:1/", "firing")).await.json();
    let id = accepted["incidents"][0]["id"].as_str().unwrap().to_owned();
    let document = bot.answer_everything_with_unknown(&id).await;
    let outcomes: Vec<&Value> =
        document["checks"].as_array().unwrap().iter().map(|it| &it["outcome"]).collect();
    assert!(!outcomes.is_empty() && outcomes.iter().all(|outcome| *outcome == "error"), "{outcomes:?}");
    bot.finish().await;
}

#[tokio::test]
async fn a_door_with_a_token_opens_to_it_alone() {
    let mut doors = Doors::open();
    doors
        .sources
        .insert(firstcheck::alert::Source::named("generic").unwrap(), Some("s3cret".to_owned()).into());
    doors.api_token = Some("api".to_owned());
    let bot = Bot::start(Setup { doors, ..Setup::default() }).await;
    let body = "{\"title\": \"x\"}";
    let missing = bot.send("POST", "/alerts/generic", &[], body).await;
    let wrong = bot.send("POST", "/alerts/generic", &[("authorization", "Bearer nope")], body).await;
    assert_eq!((missing.status, wrong.status), (401, 401));
    assert_eq!(missing.text(), wrong.text());
    assert_eq!(
        bot.send("POST", "/alerts/generic", &[("authorization", "Bearer s3cret")], body).await.status,
        202
    );
    assert_eq!(bot.send("POST", "/alerts/generic?token=s3cret", &[], body).await.status, 202);
    assert_eq!(bot.get("/api/incidents").await.status, 401);
    assert_eq!(bot.get("/").await.status, 401);
    let listed = bot.send("GET", "/api/incidents", &[("authorization", "Bearer api")], "").await.json();
    assert_eq!(listed["incidents"].as_array().unwrap().len(), 1);
    bot.finish().await;
}

#[tokio::test]
async fn a_person_answers_on_the_console_and_is_told_when_it_was_no_answer() {
    let bot = Bot::start(Setup::default()).await;
    let started = bot.post("/api/incidents", &json!({"service": "mail", "by": "ada"})).await;
    assert_eq!(started.status, 201, "{}", started.text());
    let id = started.json()["id"].as_str().unwrap().to_owned();
    let question = bot.an_open_question(&id).await;
    let page = bot.get(&format!("/incidents/{id}")).await.text();
    assert!(page.contains(&format!("value=\"{question}\"")), "{page}");
    let form = |words: &str| format!("question={question}&words={words}&by=ada");
    let path = format!("/incidents/{id}/answers");
    let nonsense = bot.send("POST", &path, &[], "question=endpoint_scope&words=purple").await;
    assert_eq!(nonsense.status, 422);
    assert!(nonsense.text().contains("That was not taken"), "{}", nonsense.text());
    let taken = bot.send("POST", &path, &[], &form("unknown")).await;
    assert_eq!((taken.status, taken.header("location")), (303, Some(format!("/incidents/{id}").as_str())));
    let document = bot.get(&format!("/api/incidents/{id}")).await.json();
    assert_eq!(document["answers"][0]["by"], "ada");
    let wrong = bot
        .post(
            &format!("/api/incidents/{id}/answers"),
            &json!({"question": "endpoint_scope", "answer": "purple"}),
        )
        .await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.json()["detail"].as_str().unwrap().contains("pick one of"));
    bot.finish().await;
}

#[tokio::test]
async fn a_tracker_that_is_down_holds_up_nothing_and_the_user_is_told() {
    let folder = bot::Folder::new("tracker");
    let in_the_way = folder.0.join("issues");
    std::fs::write(&in_the_way, "a file where a folder should be").unwrap();
    let tracker = Tracker::Folder(folder::Folder::new(&in_the_way));
    let bot = Bot::start(Setup { tracker: Some(tracker), ..Setup::default() }).await;
    let accepted =
        bot.post("/alerts/alertmanager", &webhook("shop", "https://shop.invalid/", "firing")).await.json();
    let id = accepted["incidents"][0]["id"].as_str().unwrap().to_owned();
    let document = bot.answer_everything_with_unknown(&id).await;
    assert_ne!(document["state"], "triaging");
    let document =
        bot.until(&id, "the failure is shown", |it| it["troubles"][0]["what"] == "filing the issue").await;
    assert!(document["timeline"].to_string().contains("filing the issue failed"), "{document:#}");
    assert!(bot.get(&format!("/incidents/{id}")).await.text().contains("filing the issue"));
    // Once the obstacle is gone, the next try files it.
    std::fs::remove_file(&in_the_way).unwrap();
    let document = within(Duration::from_secs(30), "the issue is filed", bot.settled(&id)).await;
    assert!(document["issue"].is_string(), "{document:#}");
    assert_eq!(document["troubles"], json!([]));
    bot.finish().await;
}

#[tokio::test]
async fn a_restart_in_the_middle_carries_on_where_it_was() {
    let folder = bot::Folder::new("restart");
    let service = bot::silent_service().await;
    let bot = Bot::start(Setup { folder: Some(folder.0.clone()), ..Setup::default() }).await;
    let accepted =
        bot.post("/alerts/alertmanager", &webhook("shop", &service.url("/"), "firing")).await.json();
    let id = accepted["incidents"][0]["id"].as_str().unwrap().to_owned();
    // The probe hangs in the silent service; the process goes away under it.
    service.received(1).await;
    bot.stop_at_once().await;
    drop(service);

    let bot = Bot::start(Setup { folder: Some(folder.0.clone()), ..Setup::default() }).await;
    let incident = bot.app.incident(&IncidentId::parse(&id).unwrap()).await.unwrap().unwrap();
    assert_eq!(incident.stage, Stage::Triaging);
    bot.answer_everything_with_unknown(&id).await;
    let document = bot.settled(&id).await;
    assert!(document["issue"].is_string(), "{document:#}");
    bot.finish().await;
}

#[tokio::test]
async fn a_reply_in_a_chat_that_nobody_can_read_is_sent_back_once_and_then_counts_as_unknown() {
    let (people, inbound) = tokio::sync::mpsc::channel(1);
    let bot = Bot::start(Setup { inbound: Some(inbound), ..Setup::default() }).await;
    let started = bot.post("/api/incidents", &json!({"service": "mail", "by": "ada"})).await;
    let id = started.json()["id"].as_str().unwrap().to_owned();
    let question = loop {
        // Some questions take any text; this story wants one that does not.
        let question = bot.an_open_question(&id).await;
        let parsed: firstcheck::question::QuestionId = question.parse().unwrap();
        if firstcheck::question::Answer::parse(parsed, "purple").is_err() {
            break parsed;
        }
        let unknown = json!({"question": question, "answer": "unknown", "by": "ada"});
        bot.post(&format!("/api/incidents/{id}/answers"), &unknown).await;
    };
    let reply = async |words: &str| {
        let (respond, verdict) = tokio::sync::oneshot::channel();
        let incident = serde_json::from_value(json!(id)).unwrap();
        let reply = words.to_owned();
        let said = firstcheck::chat::Inbound::Answer {
            incident,
            question,
            reply,
            by: "ben".into(),
            once: None,
            respond,
        };
        people.send(said).await.unwrap();
        verdict.await.unwrap()
    };
    let sent_back = reply("purple").await.unwrap_err();
    assert!(sent_back.contains("`purple` is no answer"), "{sent_back}");
    assert_eq!(reply("violet").await, Ok(()));
    let document = bot.get(&format!("/api/incidents/{id}")).await.json();
    let answers = document["answers"].as_array().unwrap();
    let taken = answers.iter().find(|it| it["question"] == question.id()).unwrap();
    assert_eq!((&taken["answer"], &taken["by"]), (&json!("unknown"), &json!("ben")), "{document:#}");
    // What changed something stands in the audit log, and nothing of the words.
    let noted: Vec<serde_json::Value> =
        bot.app.audited(0).await.unwrap().iter().map(|it| serde_json::from_str(&it.text).unwrap()).collect();
    let by_chat: Vec<_> = noted.iter().filter(|it| it["via"] == "chat").collect();
    assert_eq!(by_chat.len(), 1, "{noted:?}");
    assert_eq!(
        (&by_chat[0]["who"], &by_chat[0]["action"]),
        (&json!("ben"), &json!(format!("answer {} {id}", question.id())))
    );
    bot.finish().await;
}
