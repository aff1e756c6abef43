//! The bot before the local Discord, all in one process: `cargo bench --bench chat`.
//!
//! With 200 incidents open: (a) from the webhook accepted to the first message sent to Discord (goal: under 50 ms), and to its thread
//! opened; (b) the memory that each open incident takes (goal: under 64 KiB), this Discord's own memory of its messages
//! included, Linux only.

use std::path::Path;
use std::time::{Duration, Instant};

use firstcheck::tracker::Tracker;
use firstcheck::tracker::folder::Folder;

#[path = "chat/bot.rs"]
mod bot;
#[expect(dead_code, reason = "a measurement needs less of the local Discord than the stories do")]
#[path = "../tests/it/fakes/discord.rs"]
mod discord;
#[expect(dead_code, clippy::unwrap_used, reason = "the local Discord judges by it, in the stories alone")]
#[path = "../tests/it/fakes/openapi.rs"]
mod openapi;

use bot::{bot, open, show};
use discord::{CHANNEL, Discord};

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
    let tracker = Tracker::Folder(Folder::new(folder.join("issues")));
    let (app, chat, address) = bot(folder, &discord, tracker).await;
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
