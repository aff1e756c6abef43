//! `firstcheck doctor` at the local Discord: what is missing is named, with what to do about it.

use std::process::Output;

use firstcheck::chat::discord::Discord as Chatting;
use firstcheck::template::Templates;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::mpsc;

use super::stories;
use crate::fakes::discord::people::PUBLIC_KEY;
use crate::fakes::discord::{CHANNEL, Discord, FORUM, Fault, GUILD, OTHER, ROLE, TOKEN, VOICE, shapes};
use crate::worlds::Folder;

stories! {
    a_bot_that_is_set_up_is_told_so
    each_missing_right_intent_and_command_is_named
    every_channel_and_role_that_a_route_leads_to_is_looked_at
    a_day_without_more_commands_is_told_as_one
    a_door_with_another_key_is_told
    commands_are_registered_everywhere_when_no_server_is_named
}

/// What the doctor finds of the chat: state and words of each finding, and its exit status.
async fn examined(discord: &Discord, more: &str) -> (Vec<(String, String)>, Option<i32>) {
    let folder = Folder::new("doctor");
    let file = folder.0.join("firstcheck.yaml");
    let api = discord.config().api_url.unwrap();
    let text = format!(
        "store: {{path: firstcheck.db}}\nchat:\n  discord:\n    {{channel: {CHANNEL}, guild: {GUILD}, token_env: DISCORD_TOKEN, \
         api_url: '{api}'{more}}}\n"
    );
    std::fs::write(&file, text).unwrap();
    let mut doctor = std::process::Command::new(env!("CARGO_BIN_EXE_firstcheck"));
    doctor.args(["doctor", "--json", "--config"]).arg(&file);
    doctor.env("DISCORD_TOKEN", TOKEN).current_dir(&folder.0);
    // Beside the task that plays Discord.
    let output: Output = tokio::task::spawn_blocking(move || doctor.output()).await.unwrap().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let findings = told["findings"].as_array().unwrap().iter().filter(|it| it["part"] == "chat");
    let said = |it: &Value| {
        let words = format!("{} {}", it["says"].as_str().unwrap(), it["remedy"].as_str().unwrap_or_default());
        (it["state"].as_str().unwrap().to_owned(), words)
    };
    (findings.map(said).collect(), output.status.code())
}

async fn a_bot_that_is_set_up_is_told_so(discord: Discord) {
    let (findings, status) = examined(&discord, &format!(", public_key: '{PUBLIC_KEY}'")).await;
    assert!(findings.iter().all(|(state, _)| state == "works"), "{findings:#?}");
    assert_eq!((findings.len(), status), (5, Some(0)));
    discord.finish();
}

async fn each_missing_right_intent_and_command_is_named(discord: Discord) {
    discord.fault("PUT /applications/", Fault::Refusal { status: 403, code: 50001 });
    {
        let mut world = discord.world();
        world.bot_rights = shapes::ENOUGH & !(1 << 38) & !(1 << 15);
        world.flags = 0;
        world.endpoint = Some("https://bot.example/discord/interactions".to_owned());
    }
    let (findings, status) = examined(&discord, "").await;
    let has = |state: &str, words: &str| findings.iter().any(|it| it.0 == state && it.1.contains(words));
    assert!(has("broken", "lacks Send Messages in Threads, Attach Files"), "{findings:#?}");
    assert!(
        has("broken", "not registered in the server") && has("broken", "scope=bot%20applications.commands")
    );
    assert!(has("note", "Message Content Intent"), "{findings:#?}");
    assert!(has("broken", "not over the gateway"), "{findings:#?}");
    assert_eq!(status, Some(1));
    discord.finish();
}

async fn every_channel_and_role_that_a_route_leads_to_is_looked_at(discord: Discord) {
    discord.world().forbidden_in = Some((OTHER, 1 << 38));
    let gone = 900_000_000_000_000_077_u64;
    let routes = format!(
        ", tags: [incident], routes: [{{service: orders, channel: {OTHER}, on_call_role: {ROLE}}}, \
         {{service: mail, channel: {FORUM}, tags: [payments, weather], on_call_role: {gone}}}, \
         {{service: web, channel: {VOICE}}}]"
    );
    let (findings, status) = examined(&discord, &routes).await;
    let has = |state: &str, words: &str| findings.iter().any(|it| it.0 == state && it.1.contains(words));
    assert!(has("works", &format!("needs in #channel-{CHANNEL}")), "{findings:#?}");
    assert!(
        has("broken", &format!("in #channel-{OTHER} the bot lacks Send Messages in Threads")),
        "{findings:#?}"
    );
    assert!(has("note", "calling the role on call"), "it cannot be mentioned: {findings:#?}");
    assert!(has("broken", &format!("the role {gone}")), "{findings:#?}");
    assert!(has("note", &format!("#channel-{FORUM} has no tag weather")), "{findings:#?}");
    assert!(has("broken", &format!("threads cannot be opened in #channel-{VOICE}")), "{findings:#?}");
    assert_eq!(status, Some(1));
    discord.finish();
}

async fn a_day_without_more_commands_is_told_as_one(discord: Discord) {
    discord.world().created = 200;
    let (findings, _) = examined(&discord, "").await;
    let told = findings.iter().find(|it| it.1.contains("not registered")).unwrap();
    assert!(told.1.contains("200 a day") && told.1.contains("tries again by itself"), "{told:?}");
    discord.finish();
}

async fn a_door_with_another_key_is_told(discord: Discord) {
    let (findings, _) = examined(&discord, &format!(", public_key: '{}'", "ab".repeat(32))).await;
    assert!(findings.iter().any(|it| it.1.contains(&format!("public_key: {PUBLIC_KEY}"))), "{findings:#?}");
    discord.finish();
}

async fn commands_are_registered_everywhere_when_no_server_is_named(discord: Discord) {
    let config = firstcheck::chat::discord::Config { guild: None, ..discord.config() };
    for _ in 0..2 {
        let (sender, _inbound) = mpsc::channel(1);
        let chat = Chatting::connect(config.clone(), Arc::new(Templates::builtin()), sender).await.unwrap();
        chat.close().await;
    }
    let puts: Vec<String> =
        discord.world().requests.iter().filter(|line| line.starts_with("PUT ")).cloned().collect();
    assert_eq!(puts.len(), 1, "registered once: {puts:?}");
    assert!(puts[0].ends_with("/commands") && !puts[0].contains("guilds"), "{puts:?}");
    discord.finish();
}
