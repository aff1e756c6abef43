//! The console as browsers meet it over HTTP: pages without a script, streams that are resumed, foreign text that stays inert. What
//! needs a real browser is in `console/browser.rs`.

mod browser;
mod doors;
mod stream;

use firstcheck::server::Doors;
use serde_json::json;

use crate::serve::bot::{Bot, Setup};
use stream::Stream;

/// An incident that a person started by hand.
async fn an_incident(bot: &Bot, service: &str) -> String {
    let started = bot.post("/api/incidents", &json!({"service": service, "by": "ada"})).await;
    assert_eq!(started.status, 201, "{}", started.text());
    started.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_stream_of_events_is_resumed_where_it_broke_off_and_misses_nothing() {
    let bot = Bot::start(Setup::default()).await;
    let id = an_incident(&bot, "mail").await;
    let path = format!("/api/incidents/{id}/events");
    let mut stream = Stream::open(&bot, &path, None).await;
    stream.until("event: question_asked").await;
    let mut ids = stream.ids();
    drop(stream);
    // What happens while nobody listens is there afterwards.
    let question = bot.an_open_question(&id).await;
    bot.post(&format!("/api/incidents/{id}/answers"), &json!({"question": question, "answer": "unknown"}))
        .await;
    let mut stream = Stream::open(&bot, &path, ids.last().map(String::as_str)).await;
    stream.until("event: answer_given").await;
    ids.extend(stream.ids());
    let expected: Vec<String> = (1..=ids.len()).map(|seq| seq.to_string()).collect();
    assert_eq!(ids, expected, "every event once, in order");
    drop(stream);
    bot.finish().await;
}

#[tokio::test]
async fn everybody_who_looks_at_a_page_is_sent_what_changed_and_nothing_else() {
    let bot = Bot::start(Setup::default()).await;
    let id = an_incident(&bot, "mail").await;
    let question = bot.an_open_question(&id).await;
    let page = bot.get(&format!("/incidents/{id}")).await.text();
    let live = page
        .split("data-live=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .replace("&#x3D;", "=")
        .replace("&amp;", "&");
    let mut first = Stream::open(&bot, &live, None).await;
    let mut second = Stream::open(&bot, &live, None).await;
    let answer = format!("question={question}&pick=unknown&by=grace&seen=");
    let taken = bot.send("POST", &format!("/incidents/{id}/answers"), &[], &answer).await;
    assert_eq!(taken.status, 303, "{}", taken.text());
    for stream in [&mut first, &mut second] {
        stream.until("grace</bdi></b>: <bdi>cannot tell").await;
        assert!(stream.text().contains("event: part\ndata: <section id=\"thread\""), "{}", stream.text());
    }
    // The id of the last batch is a place to go on from: nothing of it comes again.
    let seen = first.ids().pop().unwrap();
    let mut third = Stream::open(&bot, &live, Some(&seen)).await;
    bot.send("POST", &format!("/incidents/{id}/say"), &[], "said=close&by=grace").await;
    third.until("closed (grace)").await;
    assert!(third.ids().iter().all(|id| *id != seen), "{:?} after {seen}", third.ids());
    drop(third);
    drop((first, second));
    bot.finish().await;
}

#[tokio::test]
async fn streams_end_when_the_server_stops() {
    let bot = Bot::start(Setup::default()).await;
    let id = an_incident(&bot, "mail").await;
    let mut streams = Vec::new();
    for path in [format!("/api/incidents/{id}/events"), format!("/incidents/{id}/live"), "/live".to_owned()] {
        let mut stream = Stream::open(&bot, &path, None).await;
        stream.until("retry: 1000").await;
        streams.push(stream);
    }
    assert_eq!(bot.get("/api/incidents/inc-0000000000/events").await.status, 404);
    bot.finish().await;
    for stream in &mut streams {
        stream.end().await;
    }
}

#[tokio::test]
async fn a_board_learns_of_a_new_incident() {
    let bot = Bot::start(Setup::default()).await;
    let page = bot.get("/").await.text();
    assert!(page.contains("id=\"open\" class=\"none\"") && page.contains("/alerts/generic"), "{page}");
    let mut stream = Stream::open(&bot, "/live", None).await;
    stream.until("id=\"open\" class=\"none\"").await;
    an_incident(&bot, "mail").await;
    stream.until("mail fails").await;
    drop(stream);
    bot.finish().await;
}

#[tokio::test]
async fn the_second_of_two_answers_is_told_of_the_first_and_keeps_its_words() {
    let bot = Bot::start(Setup::default()).await;
    let id = an_incident(&bot, "mail").await;
    let question = bot.an_open_question(&id).await;
    let path = format!("/incidents/{id}/answers");
    let form = |by: &str, reply: &str| format!("question={question}&seen=&by={by}&words={reply}");
    let (ada, grace) = (form("ada", "unknown"), form("grace", "unknown"));
    let (first, second) =
        tokio::join!(bot.send("POST", &path, &[], &ada), bot.send("POST", &path, &[], &grace));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 409]);
    let told = if first.status == 409 { first } else { second };
    assert!(told.text().contains("has answered this question meanwhile"), "{}", told.text());
    assert!(told.text().contains("You wrote: <bdi>unknown</bdi>"), "{}", told.text());
    // Whoever saw the answer may change it.
    let page = bot.get(&format!("/incidents/{id}")).await.text();
    let seen = page.split("name=\"seen\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let change = format!("question={question}&seen={seen}&by=grace&words=unknown");
    assert_eq!(bot.send("POST", &path, &[], &change).await.status, 303);
    bot.finish().await;
}

#[tokio::test]
async fn hostile_text_is_inert_and_a_word_of_100_kb_is_cut() {
    let bot = Bot::start(Setup::default()).await;
    let alert = json!({
        "title": "<script>alert(1)</script> \u{202e}evil\u{202d} <img src=x onerror=alert(2)>",
        "service": "\"><svg onload=alert(3)>", "endpoint": "javascript:alert(4)",
        "summary": "x".repeat(100_000),
    });
    let accepted = bot.post("/alerts/generic", &alert).await.json();
    let id = accepted["incidents"][0]["id"].as_str().unwrap().to_owned();
    for path in ["/".to_owned(), format!("/incidents/{id}"), format!("/incidents/{id}/evidence")] {
        let page = bot.get(&path).await.text();
        assert!(page.contains("&lt;script&gt;"), "{path}");
        for bad in ["<script>alert", "<img src=x", "<svg onload", "href=\"javascript:"] {
            assert!(!page.contains(bad), "{path} holds {bad}");
        }
        assert!(
            !page.contains(" style=") && !page.contains("<style") && !page.contains(" onclick="),
            "{path}"
        );
    }
    let page = bot.get(&format!("/incidents/{id}")).await.text();
    assert!(page.contains("<bdi>&lt;script&gt;"), "isolated");
    // The reader of alerts and redaction shorten a word first; what `foreign` does with 100 kB is told beside it.
    assert!(page.len() < 60_000);
    assert!(bot.get("/").await.text().len() < 20_000);
    bot.finish().await;
}

#[tokio::test]
async fn the_script_and_the_style_sheet_are_kept_for_good_under_their_hash() {
    let bot = Bot::start(Setup {
        doors: Doors { api_token: Some("s3cret".into()), ..Doors::open() },
        ..Setup::default()
    })
    .await;
    let page = bot.send("GET", "/", &[("authorization", "Bearer s3cret")], "").await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("referrer-policy"), Some("same-origin"), "forms say where they come from");
    let text = page.text();
    let files: Vec<&str> =
        text.split("/assets/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(files.len(), 3, "{files:?}");
    for file in files {
        let path = format!("/assets/{file}");
        let asset = bot.get(&path).await;
        assert_eq!(asset.status, 200, "{path} needs no token");
        assert_eq!(asset.header("cache-control"), Some("public, max-age=31536000, immutable"));
        let tag = asset.header("etag").unwrap();
        assert_eq!(bot.send("GET", &path, &[("if-none-match", tag)], "").await.status, 304);
    }
    assert_eq!(bot.get("/assets/console-0000000000000000.js").await.status, 404);
    bot.finish().await;
}

#[tokio::test]
async fn a_drill_starts_only_where_it_may() {
    let bot = Bot::start(Setup::default()).await;
    assert!(!bot.get("/").await.text().contains("Start the drill"));
    let refused = bot.send("POST", "/drills", &[], "world=bad-deploy").await;
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("firstcheck drill"), "{}", refused.text());
    bot.finish().await;
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let bot = Bot::start(Setup::default()).await;
    let mut ids = Vec::new();
    for service in ["mail", "shop", "search"] {
        ids.push(an_incident(&bot, service).await);
    }
    let mut seen = Vec::new();
    let mut path = "/api/incidents?limit=2".to_owned();
    loop {
        let page = bot.get(&path).await.json();
        seen.extend(
            page["incidents"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/incidents?limit=2&cursor={cursor}");
    }
    seen.sort();
    ids.sort();
    assert_eq!(seen, ids, "every incident once");
    for (query, count) in [
        ("service=shop", 1),
        ("service=nobody", 0),
        ("source=by_hand", 3),
        ("state=over", 0),
        ("since=2020-01-01", 3),
        ("since=2999-01-01T00:00:00Z", 0),
    ] {
        let found = bot.get(&format!("/api/incidents?{query}")).await.json();
        assert_eq!(found["incidents"].as_array().unwrap().len(), count, "{query}");
    }
    assert_eq!(bot.get("/api/incidents?cursor=x").await.status, 400);
    assert_eq!(bot.get("/?bucket=x").await.status, 400);
    let board = bot.get("/?service=shop").await.text();
    assert!(board.contains("shop fails") && !board.contains("mail fails"), "{board}");
    bot.finish().await;
}

#[tokio::test]
async fn what_has_not_changed_is_told_in_a_few_bytes() {
    let bot = Bot::start(Setup::default()).await;
    let id = an_incident(&bot, "mail").await;
    let path = format!("/api/incidents/{id}");
    // Nothing is under way that could change it between two readings.
    bot.answer_everything_with_unknown(&id).await;
    bot.settled(&id).await;
    let first = bot.get(&path).await;
    let tag = first.header("etag").unwrap();
    assert_eq!(first.header("cache-control"), Some("private, no-cache"));
    let again = bot.send("GET", &path, &[("if-none-match", tag)], "").await;
    assert_eq!((again.status, again.text().len()), (304, 0));
    bot.post(&format!("{path}/close"), &json!({"by": "ada"})).await;
    let changed = bot.send("GET", &path, &[("if-none-match", tag)], "").await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), Some(tag));
    // The same place in another dress has another tag.
    let evidence = format!("{path}/evidence");
    let json = bot.get(&evidence).await;
    let markdown = bot.send("GET", &evidence, &[("accept", "text/markdown")], "").await;
    assert_ne!(json.header("etag"), markdown.header("etag"));
    bot.finish().await;
}

#[tokio::test]
async fn clarity_is_counted_and_exported() {
    let bot = Bot::start(Setup::default()).await;
    let id = an_incident(&bot, "=mail").await;
    bot.answer_everything_with_unknown(&id).await;
    bot.post(&format!("/api/incidents/{id}/resolve"), &json!({"by": "ada"})).await;
    let clarity = bot.get("/api/clarity?spans=7").await.json();
    assert_eq!(clarity["all"]["incidents"], 1);
    assert_eq!(clarity["all"]["mttr_s"]["count"], 1);
    assert_eq!(clarity["by_source"][0]["name"], "by_hand");
    let over_time = clarity["over_time"].as_array().unwrap();
    assert_eq!((over_time.len(), &over_time[6]["incidents"]), (7, &json!(1)));
    let csv = bot.get("/api/clarity.csv").await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    let text = csv.text();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() == 2 && lines[1].starts_with(&id) && lines[1].contains("\"'=mail\""), "{text}");
    let page = bot.get("/clarity").await;
    assert!(
        page.text().contains("By boundary") && page.text().contains("Time to recover"),
        "{}",
        page.text()
    );
    assert_eq!(bot.get("/api/clarity?since=x").await.status, 400);
    let runbooks = bot.get("/runbooks").await.text();
    assert!(runbooks.contains("lint: good") && runbooks.contains("quota"), "{runbooks}");
    bot.finish().await;
}
