//! `firstcheck store backup|restore|check`: a copy while the bot runs, a copy back while it does not, and whether everything in it can be
//! read.
//!
//! The store is the one of the configuration. A PostgreSQL store is checked here too, but copied with its own tools (`pg_dump`). The
//! surprise: `check` reads every event of every incident and folds it, because a database whose pages are sound may still hold what
//! nobody can read.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::{NOT_RUN, WRONG_USAGE, parts, print_json, say};
use crate::config::{self, Place};
use crate::incident::{Incident, IncidentId};
use crate::store::{OpenError, Store, Unavailable};

const MORE: &str = "\
Examples:
  firstcheck store backup /var/backups/firstcheck-monday.db
  firstcheck store check --json
  firstcheck store restore /var/backups/firstcheck-monday.db --replace

Exit status: 0 done, or everything is sound; 1 the check found damage; 2 wrong usage or configuration;
3 it could not be run: no such store, in use, disk full.";

/// Back up, restore or check the store.
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
    /// Write a complete copy of the SQLite store into a new file, while the bot runs.
    Backup {
        /// The copy; it must not exist yet.
        #[arg(value_name = "FILE")]
        to: PathBuf,
    },
    /// Put a copy in the store's place; the bot must not run.
    Restore {
        /// A copy that `store backup` wrote; it is checked first.
        #[arg(value_name = "FILE")]
        from: PathBuf,
        /// Replace the store that is there.
        #[arg(long)]
        replace: bool,
    },
    /// Check the pages of the database, and that every incident can be read.
    Check {
        /// A SQLite file instead of the configured store, such as a backup.
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
}

/// What a check found.
#[derive(Debug, Default, Serialize)]
struct Checked {
    /// What was checked.
    store: String,
    /// Incidents that were read.
    incidents: u64,
    /// Events that were read.
    events: u64,
    /// What is wrong; empty when everything is sound.
    damage: Vec<String>,
}

/// Does the job.
///
/// # Errors
/// When standard output cannot be written.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let place = match config::Store::load(args.config.as_deref()) {
        Ok(store) => store.place,
        Err(problem) => {
            say(format_args!("{problem}"));
            return Ok(ExitCode::from(WRONG_USAGE));
        }
    };
    let done = match args.job {
        Job::Backup { to } => backup(&place, &to).await,
        Job::Restore { from, replace } => restore(&place, &from, replace).await,
        Job::Check { file, json } => {
            if let Some(file) = file {
                check(Place::File(file), json).await
            } else {
                check(place, json).await
            }
        }
    };
    done.or_else(|error| {
        say(format_args!("firstcheck: {error:#}"));
        Ok(ExitCode::from(NOT_RUN))
    })
}

async fn backup(place: &Place, to: &std::path::Path) -> anyhow::Result<ExitCode> {
    let store = parts::look(place).await?;
    store.backup(to).await?;
    let checked = read_all(&Store::look(to).await?, &Place::File(to.to_owned())).await?;
    say(format_args!(
        "{} incidents with {} events are in {}",
        checked.incidents,
        checked.events,
        to.display()
    ));
    Ok(ExitCode::SUCCESS)
}

async fn restore(place: &Place, from: &std::path::Path, replace: bool) -> anyhow::Result<ExitCode> {
    let Place::File(to) = place else {
        anyhow::bail!("{place} is restored with pg_restore or psql");
    };
    let checked = read_all(&Store::look(from).await?, &Place::File(from.to_owned())).await?;
    if let Some(damage) = checked.damage.first() {
        anyhow::bail!("{} is damaged and was not restored: {damage}", from.display());
    }
    Store::restore(from, to, replace)?;
    say(format_args!("{} incidents are back in {}", checked.incidents, to.display()));
    Ok(ExitCode::SUCCESS)
}

async fn check(place: Place, json: bool) -> anyhow::Result<ExitCode> {
    let checked = match parts::look(&place).await {
        Ok(store) => read_all(&store, &place).await?,
        // It is there and is a database, and its first pages cannot be read: that is what was asked.
        Err(OpenError::Unusable { reason, .. }) if reason.contains("malformed") => {
            Checked { store: place.to_string(), damage: vec![reason], ..Checked::default() }
        }
        Err(error) => return Err(error.into()),
    };
    if json {
        print_json(&checked)?;
    }
    for damage in &checked.damage {
        say(format_args!("damaged: {damage}"));
    }
    let verdict = if checked.damage.is_empty() { "sound" } else { "damaged" };
    say(format_args!(
        "{} is {verdict}: {} incidents with {} events were read",
        checked.store, checked.incidents, checked.events
    ));
    Ok(ExitCode::from(u8::from(!checked.damage.is_empty())))
}

/// Reads everything there is. A page that cannot be read is damage, not an end.
async fn read_all(store: &Store, place: &Place) -> anyhow::Result<Checked> {
    let mut checked = Checked { store: place.to_string(), ..Checked::default() };
    match store.integrity().await {
        Ok(said) => checked.damage = said,
        Err(error) => checked.damage.push(error.reason),
    }
    let mut last: Option<IncidentId> = None;
    loop {
        let ids = match store.incidents_after(last.as_ref()).await {
            Ok(ids) => ids,
            Err(error) => {
                checked.damage.push(error.reason);
                break;
            }
        };
        let Some(end) = ids.last() else { break };
        last = Some(end.clone());
        for id in ids {
            checked.incidents += 1;
            match read_one(store, &id).await {
                Ok(events) => checked.events += events,
                Err(error) => checked.damage.push(format!("incident {id}: {}", error.reason)),
            }
        }
    }
    Ok(checked)
}

/// The number of an incident's events, all of which read, follow each other and fold.
async fn read_one(store: &Store, id: &IncidentId) -> Result<u64, Unavailable> {
    let log = store.load(id).await?;
    let gap = log.iter().zip(1..).find(|(recorded, place)| recorded.seq != *place);
    if log.is_empty() || gap.is_some() {
        let place = gap.map_or(1, |(_, place)| place);
        return Err(Unavailable { reason: format!("its event {place} is missing") });
    }
    let folded = Incident::fold(id.clone(), &log);
    Ok(folded.seq)
}
