//! `firstcheck doctor`: which parts of the configuration work, by trying each of them.
//!
//! One line per part, and under a broken one what to do. Nothing is changed that a running bot would not change: the store is
//! opened for reading when a bot has it, no message is posted and no issue filed. The surprise: a door without a credential is
//! told though it works, because everybody who reaches it may use it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{mpsc, watch};

use super::serve::discord_config;
use super::{parts, print_json, say};
use crate::chat::discord::{Discord, Seen};
use crate::checks::{self, Environment, With};
use crate::clock;
use crate::config::{self, Place, Settings};
use crate::egress::Policy;
use crate::outcome::{CheckKind, Outcome};
use crate::store::{OpenError, Store};
use crate::tracker::Look;

const MORE: &str = "\
Examples:
  firstcheck doctor
  firstcheck doctor --config /etc/firstcheck.yaml --json

Exit status: 0 everything works, 1 something does not, 2 the configuration cannot be read.";

/// The time one trial may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tell which parts of the configuration work, by trying them: store, chat, tracker, sources, resolvers.
#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub struct Args {
    /// The configuration; without it `firstcheck.yaml`, if there is one, else defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// How a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// It works.
    Works,
    /// It works, and somebody should know something about it.
    Note,
    /// It does not work.
    Broken,
}

/// What was found of one part.
#[derive(Debug, Clone, Serialize)]
struct Finding {
    part: &'static str,
    state: State,
    /// What was tried and seen.
    says: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Finding {
    fn works(part: &'static str, says: impl Into<String>) -> Self {
        Self { part, state: State::Works, says: says.into(), remedy: None }
    }

    fn note(part: &'static str, says: impl Into<String>, remedy: &str) -> Self {
        Self { part, state: State::Note, says: says.into(), remedy: Some(remedy.to_owned()) }
    }

    fn broken(part: &'static str, says: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { part, state: State::Broken, says: says.into(), remedy: Some(remedy.into()) }
    }
}

/// Tries everything.
///
/// # Errors
/// When standard output cannot be written.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let settings = match parts::settings(args.config.as_deref()) {
        Ok(settings) => settings,
        Err(status) => return Ok(status),
    };
    let mut findings = vec![knowledge(&settings)];
    let (store, chat, tracker, resolvers) = futures_util::future::join4(
        store(&settings.store.place),
        chat(&settings),
        tracker(&settings),
        resolvers(&settings),
    )
    .await;
    findings.push(store);
    findings.extend(chat);
    findings.extend(tracker);
    findings.extend(sources(&settings));
    findings.extend(resolvers);
    if args.json {
        print_json(&serde_json::json!({ "findings": findings }))?;
    }
    for finding in &findings {
        let mark = match finding.state {
            State::Works => "works ",
            State::Note => "note  ",
            State::Broken => "BROKEN",
        };
        say(format_args!("{mark} {:9} {}", finding.part, finding.says));
        if let Some(remedy) = &finding.remedy {
            say(format_args!("                 {remedy}"));
        }
    }
    let broken = findings.iter().any(|finding| finding.state == State::Broken);
    Ok(ExitCode::from(u8::from(broken)))
}

fn knowledge(settings: &Settings) -> Finding {
    let part = "runbooks";
    let read = parts::knowledge(settings)
        .and(parts::templates(settings).map(|_| ()))
        .and(parts::environment(settings, settings.egress.clone()).map(|_| ()));
    match read {
        Ok(()) => Finding::works(part, "runbooks, catalogues and templates are read"),
        Err(broken) => {
            Finding::broken(part, broken.to_string(), "mend the file; `firstcheck runbook lint` tells more")
        }
    }
}

async fn store(place: &Place) -> Finding {
    let part = "store";
    match parts::place(place).await {
        Ok(store) => match store.ping().await {
            Ok(()) => Finding::works(part, format!("{place} takes a transaction")),
            Err(error) => {
                Finding::broken(part, format!("{place}: {error}"), "make room, or make it writable")
            }
        },
        Err(OpenError::InUse { file }) => match Store::look(file.as_ref()).await {
            Ok(_) => Finding::works(part, format!("{place} is in use by a running bot and can be read")),
            Err(error) => Finding::broken(part, error.to_string(), "ask the running bot: GET /readyz"),
        },
        Err(error) => {
            let remedy = match place {
                Place::File(_) => {
                    "check the folder, its owner and its free space; `firstcheck store check` reads what is there"
                }
                Place::Server(_) => {
                    "check that the server runs, the name of the database, the user and the password"
                }
            };
            Finding::broken(part, error.to_string(), remedy)
        }
    }
}

async fn chat(settings: &Settings) -> Vec<Finding> {
    let part = "chat";
    let config::Chat::Discord(discord) = &settings.chat else {
        return vec![Finding::works(part, "the console, which is the bot's own page")];
    };
    let templates = match parts::templates(settings) {
        Ok(templates) => Arc::new(templates),
        Err(broken) => return vec![Finding::broken(part, broken.to_string(), "mend the template")],
    };
    let (inbound, _unread) = mpsc::channel(1);
    // Never our turn: the gateway is left to the bot.
    let config = discord_config(discord, watch::Sender::new(false).subscribe());
    let look = async {
        let chat = Discord::connect(config, templates, inbound).await?;
        let seen = chat.examine(discord.public_key.as_ref()).await;
        chat.close().await;
        Ok::<_, crate::chat::ChatError>(seen)
    };
    match tokio::time::timeout(PATIENCE, look).await {
        Ok(Ok(seen)) => {
            let first = Finding::works(part, "Discord takes the token, and the channel can be seen");
            std::iter::once(first).chain(seen.into_iter().map(|seen| found(part, seen))).collect()
        }
        Ok(Err(error)) => vec![Finding::broken(
            part,
            format!("Discord: {error}"),
            "check the token, the channel's id, and that the bot was invited",
        )],
        Err(_) => vec![Finding::broken(
            part,
            "Discord did not answer within 10 s",
            "check the way out to discord.com:443",
        )],
    }
}

fn found(part: &'static str, seen: Seen) -> Finding {
    match seen {
        Seen::Works(says) => Finding::works(part, says),
        Seen::Lacks(says, remedy) => Finding::note(part, says, &remedy),
        Seen::Broken(says, remedy) => Finding::broken(part, says, remedy),
    }
}

async fn tracker(settings: &Settings) -> Vec<Finding> {
    let part = "tracker";
    let tracker = match parts::tracker(settings) {
        Ok(tracker) => tracker,
        Err(error) => return vec![Finding::broken(part, format!("{error:#}"), "mend the section `tracker`")],
    };
    let repositories = match &settings.tracker {
        config::Tracker::GitHub(github) => github.routing.repositories(&settings.services),
        config::Tracker::Folder { .. } => Vec::new(),
    };
    let Ok(looks) = tokio::time::timeout(PATIENCE, Box::pin(tracker.look(&repositories))).await else {
        return vec![Finding::broken(
            part,
            "the tracker did not answer within 10 s",
            "check the way out to it",
        )];
    };
    let finding = |look| match look {
        Look::Works(says) => Finding::works(part, says),
        Look::Note(says, remedy) => Finding::note(part, says, &remedy),
        Look::Broken(says) => {
            Finding::broken(part, says, "issues wait until this is mended; nothing is lost")
        }
    };
    looks.into_iter().map(finding).collect()
}

/// Doors with a key, and doors without.
fn sources(settings: &Settings) -> Vec<Finding> {
    let part = "sources";
    let (guarded, open): (Vec<_>, Vec<_>) = settings.sources.iter().partition(|(_, it)| !it.is_open());
    let names = |doors: &[(&crate::alert::Source, &config::SourceSettings)]| {
        doors.iter().map(|(source, _)| source.id()).collect::<Vec<_>>().join(", ")
    };
    let mut findings = Vec::new();
    if !guarded.is_empty() {
        findings.push(Finding::works(part, format!("a key is needed for {}", names(&guarded))));
    }
    if !open.is_empty() {
        let says = format!("{} take deliveries without a key at {}", names(&open), settings.listen);
        findings.push(if settings.listen.ip().is_loopback() {
            Finding::works(part, says)
        } else {
            Finding::note(part, says, "give each a `token_env`, or name only those you use under `sources`")
        });
    }
    findings
}

/// Every resolver is asked, with a question each of them can answer.
async fn resolvers(settings: &Settings) -> Vec<Finding> {
    let part = "resolvers";
    if settings.checks.resolvers.is_empty() {
        return vec![Finding::works(part, "checks ask as the system does")];
    }
    let asked = settings.checks.resolvers.iter().map(|resolver| async move {
        match answers(*resolver).await {
            Ok(says) => Finding::works(part, format!("{resolver} {says}")),
            Err(why) => Finding::broken(
                part,
                format!("{resolver}: {why}"),
                "checks would take its silence for the target's; name another",
            ),
        }
    });
    futures_util::future::join_all(asked).await
}

async fn answers(resolver: SocketAddr) -> Result<&'static str, String> {
    let environment = Environment::new(Policy::unrestricted()).with_resolvers(vec![resolver]);
    let request = checks::Request {
        check: CheckKind::Dns,
        // Never exists (RFC 6761, section 6.4): a resolver that works says so.
        target: "firstcheck.invalid".to_owned(),
        with: With::default(),
        timeout: PATIENCE / 2,
        now: clock::now(),
    };
    let report = checks::run(&environment, &request).await.map_err(|error| error.to_string())?;
    match report.outcome {
        Outcome::Timeout | Outcome::Error => Err(report.summary),
        _ => Ok("answers"),
    }
}
