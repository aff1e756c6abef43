//! The bot before the local Discord, all in one process: `cargo bench --bench chat`.
//!
//! With 200 incidents open: (a) from the webhook accepted to the first message sent to Discord (goal: under 50 ms), and to its thread
//! opened; (b) the memory that each open incident takes (goal: under 64 KiB), this Discord's own memory of its messages
//! included, Linux only.

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
use firstcheck::tracker::folder::Folder;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

#[expect(dead_code, reason = "a measurement needs less of the local Discord than the stories do")]
#[path = "../tests/it/fakes/discord.rs"]
mod discord;
#[expect(dead_code, clippy::unwrap_used, reason = "the local Discord judges by it, in the stories alone")]
#[path = "../tests/it/fakes/openapi.rs"]
mod openapi;

use discord::{BOT, CHANNEL, Discord};

/// Incidents that are open.
const OPEN: usize = 200;
/// Webhooks that are measured.
const MEASURED: usize = 40;

fn main() {
    let folder = std::env::temp_dir().join(format!("firstcheck-chat-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure(&folder));
    std::fs::remove_dir_all(&folder).ok();
}

async fn measure(folder: &Path) {
    let discord = Discord::start().await;
    let (app, chat, address) = bot(folder, &discord).await;
    // The first incident pays for what is made once.
    open(&discord, address, 0).await;
    let before = resident_kib();
    let begun = Instant::now();
    for place in 1..=OPEN {
        open(&discord, address, place).await;
    }
    let took = begun.elapsed();
    settled(&discord, OPEN + 1).await;
    show(format_args!(
        "{OPEN} incidents opened in {:.1} s ({} requests to Discord)",
        took.as_secs_f64(),
        discord.world().requests.len()
    ));
    match before.zip(resident_kib()) {
        Some((before, after)) => {
            let each = f64::from(after.saturating_sub(before)) / f64::from(u32::try_from(OPEN).unwrap_or(1));
            show(format_args!("memory per open incident: {each:.1} KiB (goal: under 64)"));
        }
        None => show(format_args!("memory per open incident: this system does not tell")),
    }
    let mut first = Vec::new();
    for place in OPEN + 1..=OPEN + MEASURED {
        // Each opens with some five requests; more than fifty a second are held back, as Discord wants it.
        tokio::time::sleep(Duration::from_millis(150)).await;
        first.push(open(&discord, address, place).await);
    }
    first.sort_by(f64::total_cmp);
    let at = |share: usize| first[(first.len() - 1) * share / 100];
    show(format_args!(
        "webhook accepted to first message, {OPEN} open: median {:.1} ms, p95 {:.1} ms, worst {:.1} ms (goal: under 50)",
        at(50),
        at(95),
        at(100)
    ));
    app.stop(Duration::from_secs(5)).await;
    chat.close().await;
}

async fn bot(folder: &Path, discord: &Discord) -> (Arc<App>, Chatting, SocketAddr) {
    let templates = Arc::new(Templates::builtin());
    let (sender, inbound) = mpsc::channel(16);
    let chat =
        Chatting::connect(discord.config(), Arc::clone(&templates), sender).await.expect("Discord answers");
    chat.connected().await;
    let app = App::start(Parts {
        store: Store::open(&folder.join("firstcheck.db")).await.expect("the store opens"),
        knowledge: Arc::new(Knowledge::builtin()),
        environment: Environment::new(Policy::public_only()),
        chat: Ok(Chat::Discord(chat.clone())),
        inbound: Some(inbound),
        tracker: Tracker::Folder(Folder::new(folder.join("issues"))),
        templates,
        services: Vec::new(),
        check_timeout: Duration::from_secs(5),
    })
    .await
    .expect("the bot starts");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(server::serve(listener, Arc::clone(&app), Doors::open(), std::future::pending()));
    (app, chat, address)
}

#[expect(clippy::disallowed_methods, reason = "the benchmark stands in for an alerting system")]
/// One webhook, until its question is out; milliseconds from the moment it was accepted to the first message.
async fn open(discord: &Discord, address: SocketAddr, place: usize) -> f64 {
    let service = format!("service-{place:04}");
    let title = format!("High 502 rate on {service}");
    let body = json!({"title": title, "service": service, "status": 502}).to_string();
    let mut stream = TcpStream::connect(address).await.expect("the bot listens");
    let request = format!(
        "POST /alerts/generic HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("the bot reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("the bot answers");
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let accepted = Instant::now();
    let head = discord.message_with(CHANNEL, &title).await;
    let took = accepted.elapsed().as_secs_f64() * 1000.0;
    let asked = |world: &discord::World| {
        world.messages.values().any(|it| it.channel == head.id && it.author == BOT).then_some(())
    };
    discord.until("a question", asked).await;
    took
}

/// Waits until as many heads show what is asked.
async fn settled(discord: &Discord, heads: usize) {
    let shown = |world: &discord::World| {
        let asking =
            world.messages.values().filter(|it| it.channel == CHANNEL && it.content.contains("waiting for"));
        (asking.count() >= heads).then_some(())
    };
    discord.until("heads that show their questions", shown).await;
}

fn resident_kib() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
}

fn show(line: std::fmt::Arguments<'_>) {
    writeln!(std::io::stdout(), "{line}").ok();
}
