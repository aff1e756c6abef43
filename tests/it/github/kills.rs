//! `kill -9` of the real `serve` at random moments between decision and record, against a GitHub that lags, drops connections after
//! the work and answers 502 for what it did: one issue for each incident, whatever was killed when.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::*;
use crate::fakes::github::Chaos;
use crate::programs::{Program, ask, send};
use crate::worlds::Folder;

/// Bots that are killed side by side, each with a GitHub and a store of its own.
const BOTS: u64 = 4;
/// How often each is killed.
const KILLS: u64 = 52;
/// How long the list of issues lags.
const LAG: Duration = Duration::from_millis(150);

/// Kills a process at the n-th moment of its writes from now.
#[derive(Default)]
struct Executioner {
    pid: AtomicU32,
    countdown: AtomicU64,
    killed: AtomicU64,
}

impl Executioner {
    fn moment(&self) {
        // Down to zero, and no further.
        let left =
            self.countdown.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left == Ok(1) {
            let pid = self.pid.load(Ordering::SeqCst).to_string();
            assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
            self.killed.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Opens an incident and ends it, so that its issue is due; nothing when the bot is gone.
fn happens(at: SocketAddr, service: &str) -> Option<String> {
    let alert = json!({"title": "503s", "service": service, "fingerprint": service}).to_string();
    let (head, body) = send(at, "POST", "/alerts/generic", &alert)?;
    if !head.contains(" 202 ") {
        return None;
    }
    let body: Value = serde_json::from_str(&body).ok()?;
    let id = body["incidents"][0]["id"].as_str()?.to_owned();
    send(at, "POST", &format!("/api/incidents/{id}/resolve"), "{\"by\": \"test\"}");
    Some(id)
}

/// One bot, killed again and again; gives how many issues there are for each incident that was accepted.
fn killed_again_and_again(fake: &github::GitHub, seed: u64) -> u64 {
    let folder = Folder::new("kills");
    std::fs::write(folder.0.join("token"), github::TOKEN).unwrap();
    let config = format!(
        "listen: 127.0.0.1:0\ntracker: {{github: {{repository: {REPOSITORY}, token_file: token, api_url: '{}', list_lag: 600ms, per_minute: 100000, per_hour: 100000}}}}\n",
        fake.url()
    );
    std::fs::write(folder.0.join("firstcheck.yaml"), config).unwrap();
    fake.chaos(seed, LAG);
    let executioner = Arc::new(Executioner::default());
    let watching = Arc::clone(&executioner);
    fake.watch(move || watching.moment());
    let mut chaos = Chaos(seed);
    let mut accepted: BTreeMap<String, String> = BTreeMap::new();
    for round in 0..KILLS {
        let (bot, at) = Program::serve(&folder.0);
        executioner.pid.store(bot.pid(), Ordering::SeqCst);
        executioner.countdown.store(1 + chaos.draw(6), Ordering::SeqCst);
        for number in 0..4 {
            let service = format!("service-{round}-{number}");
            let Some(id) = happens(at, &service) else { break };
            accepted.insert(service, id);
        }
        // It files until it is killed.
        bot.ends();
    }
    executioner.countdown.store(0, Ordering::SeqCst);
    fake.calm();
    let (bot, at) = Program::serve(&folder.0);
    for (service, id) in &accepted {
        // Whoever was killed before the end was said says it now.
        send(at, "POST", &format!("/api/incidents/{id}/resolve"), "{\"by\": \"test\"}");
        let begun = Instant::now();
        loop {
            let document = ask(at, "GET", &format!("/api/incidents/{id}"), "");
            if document["issue"].is_string() && document["troubles"].as_array().unwrap().is_empty() {
                break;
            }
            assert!(begun.elapsed() < Duration::from_mins(2), "{service}: {document:#}");
            std::thread::yield_now();
        }
    }
    assert!(bot.end("TERM"));
    let issues = fake.issues();
    for (service, id) in &accepted {
        let marker = marker(id);
        let own: Vec<&Value> =
            issues.iter().filter(|it| it["body"].as_str().unwrap().contains(&marker)).collect();
        assert_eq!(own.len(), 1, "{service} ({id}) has {} issues", own.len());
        assert_eq!(own[0]["state"], "closed", "{service}");
        let told = fake.comments(own[0]["number"].as_u64().unwrap());
        let distinct: BTreeSet<&String> = told.iter().collect();
        assert_eq!(told.len(), distinct.len(), "{service} is told something twice: {told:#?}");
    }
    assert_eq!(issues.len(), accepted.len(), "an issue for each incident, and no other");
    fake.finish();
    executioner.killed.load(Ordering::SeqCst)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a minute"]
async fn kills_between_decision_and_record_leave_one_issue_each() {
    let mut bots = Vec::new();
    for seed in 0..BOTS {
        let fake = github::GitHub::start().await;
        bots.push(tokio::task::spawn_blocking(move || killed_again_and_again(&fake, 20_261_127 + seed)));
    }
    let mut killed = 0;
    for bot in bots {
        killed += bot.await.unwrap();
    }
    assert!(killed >= 200, "only {killed} kills");
}
