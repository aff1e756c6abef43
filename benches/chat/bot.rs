//! A bot before the local Discord, and those who send to it.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use firstcheck::app::{App, Parts};
use firstcheck::chat::Chat;
use firstcheck::chat::discord::Discord as Chatting;
use firstcheck::checks::Environment;
use firstcheck::egress::Policy;
use firstcheck::runbook::Knowledge;
use firstcheck::server::{self, Doors};
use firstcheck::store::Store;
use firstcheck::template::Templates;
use firstcheck::tracker::Tracker;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::discord::{BOT, CHANNEL, Discord, World, people};

/// A bot with a store in this folder, before this Discord.
pub(crate) async fn bot(
    folder: &Path,
    discord: &Discord,
    tracker: Tracker,
) -> (Arc<App>, Chatting, SocketAddr) {
    let templates = Arc::new(Templates::builtin());
    let (sender, inbound) = mpsc::channel(16);
    let chat =
        Chatting::connect(discord.config(), Arc::clone(&templates), sender).await.expect("Discord answers");
    chat.connected().await;
    let app = App::start(Parts {
        addresses: firstcheck::evidence::redact::Addresses::Clients,
        store: Store::open(&folder.join("firstcheck.db")).await.expect("the store opens"),
        knowledge: Arc::new(Knowledge::builtin()),
        environment: Environment::new(Policy::public_only()),
        chat: Ok(Chat::Discord(chat.clone())),
        inbound: Some(inbound),
        tracker,
        templates,
        services: Vec::new(),
        check_timeout: Duration::from_secs(5),
    })
    .await
    .expect("the bot starts");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let key = people::bytes(people::PUBLIC_KEY).try_into().expect("a key has 32 bytes");
    let doors = Doors { interactions: Some(key), ..Doors::open() };
    tokio::spawn(server::serve(listener, Arc::clone(&app), doors, std::future::pending()));
    (app, chat, address)
}

/// One webhook, until its question is out; milliseconds from the moment it was accepted to the first message.
pub(crate) async fn open(discord: &Discord, address: SocketAddr, place: usize) -> f64 {
    let service = format!("service-{place:04}");
    let title = format!("High 502 rate on {service}");
    let body = json!({"title": title, "service": service, "status": 502}).to_string();
    let answer = post(address, "/alerts/generic", "", &body).await;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let accepted = Instant::now();
    let head = discord.message_with(CHANNEL, &title).await;
    let took = accepted.elapsed().as_secs_f64() * 1000.0;
    let asked = |world: &World| {
        world.messages.values().any(|it| it.channel == head.id && it.author == BOT).then_some(())
    };
    discord.until("a question", asked).await;
    took
}

#[expect(clippy::disallowed_methods, reason = "the benchmark stands in for those who send to the bot")]
/// Sends a JSON document with further header lines; gives the whole answer.
pub(crate) async fn post(address: SocketAddr, path: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("the bot listens");
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("the bot reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("the bot answers");
    answer
}

pub(crate) fn show(line: std::fmt::Arguments<'_>) {
    writeln!(std::io::stdout(), "{line}").ok();
}
