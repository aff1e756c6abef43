//! The gateway of a chat is held by one replica: it is killed, and another holds it within seconds.

use firstcheck::store::HEARTBEAT;
use serde_json::{Value, json};

use crate::fakes::discord::{BOT, CHANNEL, Discord, GUILD, Posted, TOKEN};
use crate::programs::{PostgresServer, Program, ask};
use crate::worlds::Folder;

/// The custom id of "cannot tell" on this message, if it asks something.
fn cannot_tell(posted: &Posted) -> Option<String> {
    fn find(value: &Value) -> Option<String> {
        match value {
            Value::Object(map) => {
                let id = map.get("custom_id").and_then(Value::as_str).filter(|id| id.ends_with("|unknown"));
                id.map(str::to_owned).or_else(|| map.values().find_map(find))
            }
            Value::Array(all) => all.iter().find_map(find),
            _ => None,
        }
    }
    find(&posted.components)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs postgresql"]
async fn the_gateway_is_held_by_one_replica_and_by_another_when_that_is_killed() {
    let server = PostgresServer::start();
    let discord = Discord::start().await;
    let folder = Folder::new("holder");
    std::fs::write(folder.0.join("token"), TOKEN).unwrap();
    let api = discord.config().api_url.unwrap();
    let config = format!(
        "listen: 127.0.0.1:0\nstore: {{url: '{}'}}\nchat:\n  discord: {{token_file: token, guild: '{GUILD}', channel: '{CHANNEL}', api_url: '{api}'}}\n",
        server.database("held")
    );
    std::fs::write(folder.0.join("firstcheck.yaml"), config).unwrap();
    let serve = || tokio::task::block_in_place(|| Program::serve(&folder.0));

    let (mut holder, _) = serve();
    discord.until("a session", |world| (world.desk.present == 1).then_some(())).await;
    let others = [serve(), serve()];
    let at = others[0].1;
    let alert = json!({"title": "mail fails", "service": "mail", "fingerprint": "mail"}).to_string();
    let accepted = tokio::task::block_in_place(|| ask(at, "POST", "/alerts/generic", &alert));
    let id = accepted["incidents"][0]["id"].as_str().unwrap().to_owned();
    let asked = discord
        .until("two questions", |world| {
            let asked = world.messages.values().filter(|it| it.author == BOT && it.channel != CHANNEL);
            let asked: Vec<Posted> = asked.filter(|it| cannot_tell(it).is_some()).cloned().collect();
            (asked.len() >= 2).then_some(asked)
        })
        .await;
    let clicked = discord.click(&asked[0], &cannot_tell(&asked[0]).unwrap(), &[]);
    discord.until("an answer", |world| world.interactions[&clicked].callback.clone()).await;
    // It is acknowledged within Discord's three seconds and written down after that: it is sure when the message shows it.
    let is_shown = |place: usize| {
        let id = asked[place].id;
        discord.until("the answer shown", move |world| {
            world.messages[&id].content.contains("unknown · Ada").then_some(())
        })
    };
    is_shown(0).await;
    assert_eq!(discord.world().desk.identified, 1, "one replica holds the gateway, of three");

    let began = std::time::Instant::now();
    holder.kill();
    discord
        .until("nobody", |world| (world.desk.present == 0 || world.desk.identified > 1).then_some(()))
        .await;
    discord
        .until("another", |world| (world.desk.present == 1 && world.desk.identified == 2).then_some(()))
        .await;
    eprintln!(
        "another replica held the gateway after {:?} (a lease's beat is {HEARTBEAT:?})",
        began.elapsed()
    );
    let clicked = discord.click(&asked[1], &cannot_tell(&asked[1]).unwrap(), &[]);
    discord.until("an answer", |world| world.interactions[&clicked].callback.clone()).await;

    is_shown(1).await;
    // Each click is an answer, and none is two.
    let given =
        format!("SELECT count(*) FROM events WHERE incident_id = '{id}' AND recorded LIKE '%answer_given%'");
    assert_eq!(tokio::task::block_in_place(|| server.query("held", &given)), "2");
    assert_eq!(discord.world().desk.most_present, 1, "never two at once");
    for (bot, _) in others {
        assert!(tokio::task::block_in_place(|| bot.end("TERM")));
    }
    discord.finish();
}
