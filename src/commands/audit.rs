//! `firstcheck audit list|verify`: who asked for which change, and whether the log of it is whole.
//!
//! The surprise: a log whose end was cut off is whole in itself. `verify` prints the newest hash; noted elsewhere and given back with
//! `--head`, it proves that nothing was cut.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{NOT_RUN, parts, print_json, say};
use crate::access::audit::{Chain, verify};
use crate::config::Place;

const MORE: &str = "\
Examples:
  firstcheck audit list --json | jq '.entries[] | select(.who == \"ada\")'
  firstcheck audit verify
  firstcheck audit verify --head 8c1f…                the log still holds the entry with this hash

Exit status: 0 whole; 1 the chain is broken, or the hash is not in it; 2 wrong usage or configuration; 3 the store cannot be read.";

/// Read or verify the audit log.
#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub struct Args {
    /// The configuration; without it `firstcheck.yaml`, if there is one, else defaults.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    job: Job,
}

#[derive(Debug, clap::Subcommand)]
enum Job {
    /// Print the entries, oldest first.
    List {
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Follow the chain of hashes from the first entry to the last.
    Verify {
        /// A hash that was printed earlier.
        #[arg(long, value_name = "HASH")]
        head: Option<String>,
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
}

/// Does the job.
///
/// # Errors
/// When standard output cannot be written.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let settings = match parts::settings(args.config.as_deref()) {
        Ok(settings) => settings,
        Err(status) => return Ok(status),
    };
    let done = match args.job {
        Job::List { json } => list(&settings.store.place, json).await,
        Job::Verify { head, json } => check(&settings.store.place, head.as_deref(), json).await,
    };
    done.or_else(|error| {
        say(format_args!("firstcheck: {error:#}"));
        Ok(ExitCode::from(NOT_RUN))
    })
}

async fn list(place: &Place, json: bool) -> anyhow::Result<ExitCode> {
    let store = parts::look(place).await?;
    let (mut after, mut all) = (0, Vec::new());
    loop {
        let page = store.audited(after).await?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        for entry in page {
            let read: Value = serde_json::from_str(&entry.text).unwrap_or_else(|_| json!({"seq": entry.seq}));
            if json {
                all.push(read);
                continue;
            }
            let word = |key: &str| read[key].as_str().unwrap_or_default();
            let from = read["from"].as_str().map(|from| format!(" from {from}")).unwrap_or_default();
            super::print_line(&format!(
                "{}  {} ({}{from})  {}",
                word("at"),
                word("who"),
                word("via"),
                word("action")
            ))?;
        }
    }
    if json {
        print_json(&json!({ "entries": all }))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn check(place: &Place, head: Option<&str>, json: bool) -> anyhow::Result<ExitCode> {
    let store = parts::look(place).await?;
    let mut chain = Chain::default();
    let mut is_in_it = head.is_none();
    let broken = loop {
        let page = store.audited(chain.entries).await?;
        if page.is_empty() {
            break None;
        }
        if let Err(broken) = verify(&mut chain, &page) {
            break Some(broken);
        }
        is_in_it |= page.iter().any(|entry| Some(entry.hash.as_str()) == head);
    };
    let cut =
        format!("no entry has the hash {}: the log was cut, or is another one", head.unwrap_or_default());
    let broken = broken.or_else(|| (!is_in_it).then_some(cut));
    if json {
        print_json(&json!({"entries": chain.entries, "head": chain.head, "broken": broken}))?;
    }
    match &broken {
        Some(broken) => say(format_args!("broken: {broken}")),
        None => say(format_args!("whole: {} entries, the newest hash is {}", chain.entries, chain.head)),
    }
    Ok(ExitCode::from(u8::from(broken.is_some())))
}
