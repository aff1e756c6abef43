//! The pages of the doors: how each source is, and deliveries that became no alert, read and taken again.

use std::collections::BTreeMap;
use std::time::Duration;

use firstcheck::alert::Source;
use firstcheck::app::Rules;
use firstcheck::server::{Credentials, Doors};
use serde_json::json;

use crate::serve::bot::{Bot, Folder, Setup};

/// A bot that takes deliveries of one source, whose alerts have this status.
async fn a_bot(folder: &Folder, status: &str) -> Bot {
    let mapping = format!(
        "source: own\ntitle: Our own\nis: .id != null\nalerts: |\n  {{status: {status}, title: .name}}\nsamples:\n- shows: one\n  body: '{{\"id\": 1}}'\n  alerts: [{{status: firing}}]\n"
    );
    let own = Source::read_files(&[("sources/own.yaml".to_owned(), mapping)]).unwrap().remove(0);
    let doors = Doors { sources: [(own, Credentials::default())].into_iter().collect(), ..Doors::open() };
    Bot::start(Setup { folder: Some(folder.0.clone()), doors, ..Setup::default() }).await
}

#[tokio::test]
async fn a_delivery_that_became_no_alert_is_read_and_taken_again_once_its_mapping_is_mended() {
    let folder = Folder::new("again-by-hand");
    let bot = a_bot(&folder, "(.kind // \"firing\")").await;
    let strange = json!({"id": 2, "kind": "<b>wobbling</b>", "name": "cart fails", "token": "tok-123"});
    assert_eq!(bot.post("/alerts/own", &strange).await.status, 202);
    let page = bot.get("/deliveries").await.text();
    assert!(page.contains("unmapped") && page.contains("&lt;b&gt;wobbling"), "{page}");
    assert!(!page.contains("tok-123") && !page.contains("<b>wobbling"), "{page}");
    let path =
        page.split("action=\"").find(|rest| rest.contains("/replay")).unwrap().split('"').next().unwrap();
    let path = path.to_owned();
    let again = bot.send("POST", &path, &[], "").await;
    assert_eq!(again.status, 200);
    assert!(again.text().contains("is still no alert"), "{}", again.text());
    assert!(!bot.get("/deliveries?state=refused").await.text().contains("wobbling"));
    let sources = bot.get("/sources").await.text();
    assert!(sources.contains("Our own") && sources.contains(">1 unmapped</a>"), "{sources}");
    bot.finish().await;

    let bot = a_bot(&folder, "\"firing\"").await;
    let taken = bot.send("POST", &path, &[], "").await;
    assert_eq!(taken.status, 303, "{}", taken.text());
    let incident = bot.get(taken.header("location").unwrap()).await.text();
    assert!(incident.contains("cart fails"), "{incident}");
    let twice = bot.send("POST", &path, &[], "").await;
    assert_eq!(twice.status, 422);
    assert!(twice.text().contains("taken again already") && !twice.text().contains("/replay\""));
    assert_eq!(bot.send("POST", "/deliveries/999/replay", &[], "").await.status, 404);
    assert_eq!(bot.send("POST", "/deliveries/x/replay", &[], "").await.status, 404);
    bot.finish().await;
}

#[tokio::test]
async fn a_page_of_another_site_and_a_reader_cannot_take_a_delivery_again() {
    let bot = Bot::start(Setup {
        doors: Doors { api_token: Some("s3cret".into()), ..Doors::open() },
        ..Setup::default()
    })
    .await;
    let shown = [("authorization", "Bearer s3cret")];
    bot.send("POST", "/alerts/generic", &[], "{\"title\": \"x\", \"status\": \"wobbling\"}").await;
    let listed = bot.send("GET", "/api/deliveries", &shown, "").await.json();
    let path = format!("/deliveries/{}/replay", listed["deliveries"][0]["id"]);
    let forged = [shown[0], ("origin", "http://evil.test")];
    assert_eq!(bot.send("POST", &path, &forged, "").await.status, 403);
    assert_eq!(bot.send("POST", &path, &[], "").await.status, 401);
    assert_eq!(bot.send("POST", &path, &shown, "").await.status, 200);
    bot.finish().await;
}

#[tokio::test]
async fn the_page_of_the_sources_tells_who_is_silent_and_where_others_may_send() {
    let bot = Bot::start(Setup::default()).await;
    let heartbeats = BTreeMap::from([("grafana".to_owned(), Duration::ZERO)]);
    bot.app.follow(Rules { heartbeats, ..Rules::default() });
    let page = bot.get("/sources").await.text();
    let heard = page.split("id=\"s-grafana\"").nth(1).unwrap().split("</li>").next().unwrap();
    assert!(heard.contains("silent") && heard.contains("never heard of"), "{heard}");
    assert!(!page.contains("id=\"s-pagerduty\"") && page.contains("/alerts/pagerduty</code>"), "{page}");
    bot.post("/alerts/pagerduty", &json!({"no": "alert"})).await;
    let page = bot.get("/sources").await.text();
    let heard = page.split("id=\"s-pagerduty\"").nth(1).unwrap().split("</li>").next().unwrap();
    assert!(heard.contains("1 refused</a>") && heard.contains("data-show=\"age\""), "{heard}");
    bot.finish().await;
}
