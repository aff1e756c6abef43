//! How soon somebody who does something in Discord sees that it was taken, while everything else is slow: `cargo bench --bench
//! interactions`.
//!
//! With 200 incidents open, a store whose writers wait 80 of every 100 ms for somebody else's transaction, and a GitHub that takes
//! requests and never answers: clicks, forms, commands and half-typed options, over the gateway and over HTTP, until the first answer
//! is with Discord (goal: p99 under 500 ms; Discord gives up after 3 s). `FIRSTCHECK_INCIDENTS` opens another number of incidents.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use firstcheck::profile::routing::Routing;
use firstcheck::tracker::Tracker;
use firstcheck::tracker::github::{Credential, GitHub, Settings};
use serde_json::{Value, json};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::net::TcpListener;

#[path = "chat/bot.rs"]
mod bot;
#[expect(dead_code, reason = "a measurement needs less of the local Discord than the stories do")]
#[path = "../tests/it/fakes/discord.rs"]
mod discord;
#[expect(dead_code, clippy::unwrap_used, reason = "the local Discord judges by it, in the stories alone")]
#[path = "../tests/it/fakes/openapi.rs"]
mod openapi;

use bot::{bot, open, post, show};
use discord::people::{ada, command, signed, typing, under};
use discord::{BOT, CHANNEL, Discord, Posted, shapes};

/// Interactions of each way in.
const MEASURED: usize = 400;
/// Between two of them: people click, they do not flood.
const PAUSE: Duration = Duration::from_millis(10);
/// How long somebody else holds the store, and how long they leave it alone.
const HELD: Duration = Duration::from_millis(80);
const FREE: Duration = Duration::from_millis(20);

fn main() {
    let folder = std::env::temp_dir().join(format!("firstcheck-interactions-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure(&folder));
    std::fs::remove_dir_all(&folder).ok();
}

/// How many incidents are open.
#[expect(clippy::disallowed_methods, reason = "a measurement reads no configuration")]
fn incidents() -> usize {
    std::env::var("FIRSTCHECK_INCIDENTS").ok().and_then(|it| it.parse().ok()).unwrap_or(200)
}

async fn measure(folder: &Path) {
    let count = incidents();
    let discord = Discord::start().await;
    let (app, chat, address) = bot(folder, &discord, silent_github().await).await;
    for place in 0..count {
        open(&discord, address, place).await;
    }
    let asked: Vec<Posted> = {
        let world = discord.world();
        let has_rows =
            |it: &&Posted| it.author == BOT && it.components.as_array().is_some_and(|it| !it.is_empty());
        world.messages.values().filter(has_rows).cloned().collect()
    };
    let holder = tokio::spawn(hold_the_store(folder.join("firstcheck.db")));
    let (mut gateway, mut http) = (Vec::new(), Vec::new());
    for place in 0..MEASURED {
        let asked = &asked[place % asked.len()];
        gateway.push(tokio::spawn(over_the_gateway(discord.clone(), asked.clone(), place)));
        http.push(tokio::spawn(over_http(discord.clone(), address, asked.clone(), place)));
        tokio::time::sleep(PAUSE).await;
    }
    for (way, taken) in [("gateway", gateway), ("HTTP", http)] {
        let mut took: Vec<f64> = futures_util::future::join_all(taken)
            .await
            .into_iter()
            .map(|took| took.expect("an interaction is measured"))
            .collect();
        took.sort_by(f64::total_cmp);
        let at = |share: usize| took[(took.len() - 1) * share / 100];
        show(format_args!(
            "interaction acknowledged over {way}, {count} open, slow store, silent GitHub: median {:.1} ms, p99 {:.1} ms, worst {:.1} \
             ms (goal: p99 under 500)",
            at(50),
            at(99),
            at(100)
        ));
    }
    holder.abort();
    chat.close().await;
    app.stop(Duration::from_secs(1)).await;
}

/// A GitHub that takes every connection and says nothing.
async fn silent_github() -> Tracker {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let routing = Routing { repository: Some("shop/incidents".to_owned()), ..Routing::default() };
    let credential = Credential::Token("token".to_owned());
    let settings = Settings::new(url.parse().expect("an address"), credential, routing);
    Tracker::GitHub(GitHub::new(settings).expect("a client"))
}

/// Somebody else writes into the store most of the time.
async fn hold_the_store(file: std::path::PathBuf) {
    let options = SqliteConnectOptions::new().filename(file).busy_timeout(Duration::from_secs(5));
    let mut store = options.connect().await.expect("the store opens twice");
    loop {
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut store).await.expect("a turn");
        tokio::time::sleep(HELD).await;
        sqlx::raw_sql("ROLLBACK").execute(&mut store).await.expect("the turn ends");
        tokio::time::sleep(FREE).await;
    }
}

/// What somebody does, each kind in turn: its kind in Discord's numbering, its data, and the message it is done to.
fn done(asked: &Posted, place: usize) -> (u8, u64, Value, Option<Value>) {
    let id = asked.components[0]["components"][0]["custom_id"].as_str().expect("a control").to_owned();
    let of = |end: &str| format!("{}|{end}", id.rsplit_once('|').expect("an id of ours").0);
    let message = Some(shapes::message(asked));
    match place % 5 {
        0 => (3, asked.channel, json!({"custom_id": of("unknown"), "component_type": 2}), message),
        1 => {
            let field = json!({"type": 4, "custom_id": "words", "value": "GET /v1/orders -> 502"});
            let row = json!({"type": 1, "components": [field]});
            (5, asked.channel, json!({"custom_id": of("…"), "components": [row]}), None)
        }
        2 => (2, asked.channel, command("triage", &under("status", &json!([]))), None),
        3 => (2, asked.channel, command("incident", &under("file", &json!([]))), None),
        _ => (4, CHANNEL, command("incident", &under("close", &json!([typing("incident", "high")]))), None),
    }
}

async fn over_the_gateway(discord: Discord, asked: Posted, place: usize) -> f64 {
    let (kind, channel, data, message) = done(&asked, place);
    let (id, interaction) = discord.begin(&ada(), kind, channel, &data, message);
    let begun = Instant::now();
    discord.dispatch("INTERACTION_CREATE", &interaction);
    let took = discord
        .until("a first answer", |world| {
            let interaction = &world.interactions[&id];
            interaction.callback.as_ref().map(|_| interaction.took)
        })
        .await;
    took.unwrap_or_else(|| begun.elapsed()).as_secs_f64() * 1000.0
}

async fn over_http(discord: Discord, address: SocketAddr, asked: Posted, place: usize) -> f64 {
    let (kind, channel, data, message) = done(&asked, place);
    let (id, interaction) = discord.begin(&ada(), kind, channel, &data, message);
    let signed = signed(&interaction, 0);
    let headers = format!(
        "X-Signature-Ed25519: {}\r\nX-Signature-Timestamp: {}\r\n",
        signed.signature, signed.timestamp
    );
    let begun = Instant::now();
    let answer = post(address, "/discord/interactions", &headers, &signed.body).await;
    let took = begun.elapsed().as_secs_f64() * 1000.0;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    discord.takes(id, &serde_json::from_str(body).expect("JSON"));
    took
}
