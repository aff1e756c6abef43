//! `firstcheck evidence INCIDENT`: the evidence pack of an incident of the store, redacted, on standard output.
//!
//! The store is only read, and a running bot need not stop for it.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use super::{WRONG_USAGE, parts, say};
use crate::app;
use crate::config::{self, Settings};
use crate::evidence::{self, redact, render};
use crate::incident::{Incident, IncidentId};
use crate::store::Store;

const MORE: &str = "\
Examples:
  firstcheck evidence inc-4k2m9qx7ab                  Markdown, to read and to paste
  firstcheck evidence inc-4k2m9qx7ab --json           the pack as a program reads it
  firstcheck evidence --schema > evidence.schema.json its JSON Schema (draft 2020-12)

The store is that of firstcheck.yaml, where there is one, else firstcheck.db.

Exit status: 0 printed, 2 wrong usage or configuration, 3 no such incident, or no store.";

/// Print the redacted evidence pack of an incident, or the pack's JSON Schema.
#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub struct Args {
    /// The incident, such as `inc-4k2m9qx7ab`.
    #[arg(value_parser = IncidentId::parse, required_unless_present = "schema")]
    incident: Option<IncidentId>,
    /// Print one JSON document instead of Markdown.
    #[arg(long, conflicts_with = "schema")]
    json: bool,
    /// Print the JSON Schema of the pack.
    #[arg(long, conflicts_with = "incident")]
    schema: bool,
    /// Another configuration file than `firstcheck.yaml`.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When the store cannot be read, and when there is no such incident.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Some(id) = args.incident else {
        return printed(&format!("{:#}\n", evidence::schema()));
    };
    let settings = match parts::settings(args.config.as_deref()) {
        Ok(settings) => settings,
        Err(status) => return Ok(status),
    };
    let templates = match parts::templates(&settings) {
        Ok(templates) => templates,
        Err(broken) => {
            say(format_args!("{broken}"));
            return Ok(ExitCode::from(WRONG_USAGE));
        }
    };
    let store = open(&settings).await?;
    let Some(incident) = redacted(&store, &settings, id.clone()).await? else {
        bail!("no incident {id} in {}", settings.store.place);
    };
    let before = match store.previous(&id).await? {
        Some(before) => redacted(&store, &settings, before).await?,
        None => None,
    };
    let pack = evidence::pack_after(&incident, before.as_ref());
    if args.json {
        return printed(&format!("{}\n", serde_json::to_string_pretty(&pack).context("writing JSON")?));
    }
    printed(&format!("{}\n", render::markdown(&templates, &pack).context("filling the template")?.trim_end()))
}

/// The store, for reading.
pub(super) async fn open(settings: &Settings) -> anyhow::Result<Store> {
    Ok(match &settings.store.place {
        config::Place::File(file) => Store::look(file).await?,
        config::Place::Server(_) => parts::store(settings).await?,
    })
}

/// The redacted copy of an incident; `None` when there is no such incident.
async fn redacted(store: &Store, settings: &Settings, id: IncidentId) -> anyhow::Result<Option<Incident>> {
    let log = store.load(&id).await?;
    if log.is_empty() {
        return Ok(None);
    }
    let gate = app::gate(store.secret(), &id).hiding(settings.addresses);
    Ok(Some(redact::incident(&Incident::fold(id, &log), &gate)))
}

fn printed(text: &str) -> anyhow::Result<ExitCode> {
    std::io::stdout().lock().write_all(text.as_bytes()).context("writing the evidence")?;
    Ok(ExitCode::SUCCESS)
}
