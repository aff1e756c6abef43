//! Interactions over HTTP: who is let in, the same answers as over the gateway, and nothing twice.

use std::sync::Arc;

use firstcheck::chat::Chat;
use firstcheck::chat::discord::Discord as Chatting;
use firstcheck::template::Templates;
use serde_json::json;
use tokio::sync::mpsc;

use super::desk::{Desk, id_ending};
use super::stories;
use crate::fakes::discord::people::{self, Signed, ada, command, signed, text, typing, under};
use crate::fakes::discord::{CHANNEL, Discord, Fault};

stories! {
    only_what_discord_has_signed_a_moment_ago_is_let_in
    a_command_and_a_click_over_http_do_what_they_do_over_the_gateway
    what_is_delivered_again_happens_once
    an_interaction_that_somebody_else_has_answered_is_left_to_them
    everything_is_acknowledged_while_nobody_in_the_bot_listens
}

async fn only_what_discord_has_signed_a_moment_ago_is_let_in(discord: Discord) {
    let desk = Desk::at(discord).await;
    let ping = json!({"type": 1, "id": "1", "application_id": "2", "token": "t", "version": 1});
    let good = signed(&ping, 0);
    let answer = desk.post(&good).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"type": 1})));
    let wrong = |change: fn(&mut Signed)| {
        let mut wrong = good.clone();
        change(&mut wrong);
        wrong
    };
    for refused in [
        wrong(|it| it.signature = it.signature.replace(['0', '1', '2'], "7")),
        wrong(|it| it.signature.clear()),
        wrong(|it| it.timestamp.push('0')),
        wrong(|it| it.timestamp.clear()),
        wrong(|it| it.body.push(' ')),
        signed(&ping, -400),
        signed(&ping, 400),
    ] {
        assert_eq!(desk.post(&refused).await.status, 401, "{refused:?}");
    }
    for strange in [json!({"type": 99}), json!([1]), json!({"type": 2, "id": "1"})] {
        assert_eq!(desk.post(&signed(&strange, 0)).await.status, 400, "{strange}");
    }
    let large = json!({"type": 1, "pad": "x".repeat(2 * 1024 * 1024)});
    assert_eq!(desk.post(&signed(&large, 0)).await.status, 413);
    desk.finish().await;
}

async fn a_command_and_a_click_over_http_do_what_they_do_over_the_gateway(discord: Discord) {
    let desk = Desk::at(discord).await;
    let (id, thread, asked) = desk.incident().await;
    let data = json!({"custom_id": id_ending(&asked, "|unknown"), "component_type": 2});
    let message = crate::fakes::discord::shapes::message(&asked);
    let (click, body) = desk.discord.begin(&ada(), 3, thread, &data, Some(message));
    let answer = desk.post(&signed(&body, 0)).await;
    assert_eq!((answer.status, &answer.json()["type"]), (200, &json!(6)), "{}", answer.text());
    desk.discord.takes(click, &answer.json());
    desk.until(&id, "the answer", |it| it["answers"].to_string().contains("Ada")).await;
    let data = command("triage", &under("list", &json!([])));
    let (list, body) = desk.discord.begin(&ada(), 2, CHANNEL, &data, None);
    let answer = desk.post(&signed(&body, 0)).await.json();
    assert_eq!((&answer["type"], &answer["data"]["flags"]), (&json!(5), &json!(64)));
    // Discord takes our answer in a moment later than we go on; until then there is nothing to follow up on.
    desk.discord
        .until("a follow-up that came too early", |world| {
            let early = format!(
                "PATCH /webhooks/{}/interaction-token-{list}/messages/@original",
                crate::fakes::discord::APPLICATION
            );
            world.requests.contains(&early).then_some(())
        })
        .await;
    desk.discord.takes(list, &answer);
    assert!(desk.discord.told(list).await.contains(id.as_str()));
    let data = command("runbook", &under("show", &json!([typing("name", "rate")])));
    let (typed, body) = desk.discord.begin(&ada(), 4, CHANNEL, &data, None);
    let answer = desk.post(&signed(&body, 0)).await.json();
    assert_eq!((&answer["type"], &answer["data"]["choices"][0]["value"]), (&json!(8), &json!("rate_limit")));
    desk.discord.takes(typed, &answer);
    desk.finish().await;
}

async fn what_is_delivered_again_happens_once(discord: Discord) {
    let desk = Desk::at(discord).await;
    let (id, thread, _) = desk.incident().await;
    let data = command("incident", &under("close", &json!([text("reason", "twice")])));
    let (close, body) = desk.discord.begin(&ada(), 2, thread, &data, None);
    let request = signed(&body, 0);
    let first = desk.post(&request).await.json();
    desk.discord.takes(close, &first);
    desk.until(&id, "the end", |it| it["state"] == "closed").await;
    assert!(desk.discord.told(close).await.contains("is closed"));
    let reopened = desk.command(&ada(), thread, "incident", &under("reopen", &json!([]))).await;
    assert!(reopened.contains("open again"), "{reopened}");
    // The same request once more, as whoever saw it could send it.
    let edits = || {
        let world = desk.discord.world();
        world.requests.iter().filter(|line| line.contains(&format!("token-{close}/messages"))).count()
    };
    let before = edits();
    assert_eq!(desk.post(&request).await.status, 200);
    desk.discord
        .until("the second is told what the first was", |_| None::<()>.or((before > 0).then_some(())))
        .await;
    desk.until(&id, "what the second did", |it| it["state"] == "triaging").await;
    let start = command("triage", &under("start", &json!([text("service", "payments")])));
    let (begun, body) = desk.discord.begin(&ada(), 2, CHANNEL, &start, None);
    let request = signed(&body, 0);
    desk.discord.takes(begun, &desk.post(&request).await.json());
    let told = desk.discord.told(begun).await;
    let second = firstcheck::incident::IncidentId::parse(told.split('`').nth(1).unwrap()).unwrap();
    desk.post(&request).await;
    desk.discord
        .until("both are told", |world| {
            let told = format!("token-{begun}/messages/@original");
            (world.requests.iter().filter(|line| line.contains(&told)).count() >= 2).then_some(())
        })
        .await;
    let document = desk.until(&second, "one alert", |_| true).await;
    assert_eq!(document["alert_count"], 1, "{document:#}");
    let document = desk.until(&id, "the first incident", |_| true).await;
    assert_eq!(document["timeline"].to_string().matches("closed (Ada)").count(), 1, "{document:#}");
    desk.finish().await;
}

async fn an_interaction_that_somebody_else_has_answered_is_left_to_them(discord: Discord) {
    let desk = Desk::at(discord).await;
    let (id, thread, _) = desk.incident().await;
    desk.discord.fault("/callback", Fault::Refusal { status: 400, code: 40060 });
    let typed = desk.discord.types(&ada(), thread, "incident", &under("close", &json!([])));
    desk.discord
        .until("the callback", |world| {
            world.requests.iter().any(|line| line.contains(&format!("/interactions/{typed}/"))).then_some(())
        })
        .await;
    // 10062: Discord has given up on it, and the person's word counts all the same.
    desk.discord.fault("/callback", Fault::Refusal { status: 404, code: 10062 });
    let late = desk.discord.types(
        &ada(),
        thread,
        "incident",
        &under("reclassify", &json!([text("bucket", "auth")])),
    );
    let document = desk.until(&id, "the late word", |it| it["bucket"] == "auth").await;
    assert_ne!(document["state"], "closed", "{document:#}");
    for interaction in [typed, late] {
        desk.discord.world().interactions.get_mut(&interaction).unwrap().callback = Some(json!({"type": 5}));
    }
    desk.finish().await;
}

async fn everything_is_acknowledged_while_nobody_in_the_bot_listens(discord: Discord) {
    // The app is as slow as can be: it reads nothing.
    let (sender, inbound) = mpsc::channel(1);
    let chat = Chatting::connect(discord.config(), Arc::new(Templates::builtin()), sender).await.unwrap();
    chat.connected().await;
    let http = Chat::Discord(chat.clone());
    for round in 0..20 {
        let data = command("triage", &under("list", &json!([])));
        let (id, body) = discord.begin(&ada(), 2, CHANNEL, &data, None);
        let answer: serde_json::Value =
            serde_json::from_slice(&http.interact(body.to_string().as_bytes()).await.unwrap()).unwrap();
        assert_eq!(answer["type"], 5, "{round}");
        discord.takes(id, &answer);
    }
    let suggested =
        discord.is_typing(&ada(), CHANNEL, "triage", &under("start", &json!([typing("service", "o")]))).await;
    assert_eq!(suggested, [""; 0], "nobody knows, and Discord is told so in time");
    let (id, body) = discord.begin(&people::guest(), 1, CHANNEL, &json!({}), None);
    discord.takes(id, &json!({"type": 1}));
    assert!(http.interact(&body.to_string().as_bytes()[..20]).await.is_err());
    drop(inbound);
    chat.close().await;
    discord.finish();
}
