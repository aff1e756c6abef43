//! `firstcheck record INCIDENT`: a finished incident of the store as a redacted scenario file on standard output.
//!
//! The store is only read, and a running bot need not stop for it. What was recorded is replayed at once; when a replay does
//! not come to the same boundary (it sees one alert, and one finding per kind of check), that is said on standard error.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use super::{WRONG_USAGE, parts, say};
use crate::app;
use crate::config::Settings;
use crate::evidence::redact::{self, scan};
use crate::incident::{Incident, IncidentId, Recorded};
use crate::runbook::Knowledge;
use crate::scenario::{Scenario, record, replay};

const MORE: &str = "\
Example:
  firstcheck record inc-4k2m9qx7ab > scenarios/gateway-gives-up.yaml
  firstcheck replay scenarios/gateway-gives-up.yaml

The store is that of firstcheck.yaml, where there is one, else firstcheck.db.

Exit status: 0 recorded, 2 wrong usage or configuration, 3 no such incident, one whose triage goes on, or no store.";

/// Record a finished incident as a redacted scenario file, the regression test for next time.
#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub struct Args {
    /// The incident, such as `inc-4k2m9qx7ab`.
    #[arg(value_parser = IncidentId::parse)]
    incident: IncidentId,
    /// Another configuration file than `firstcheck.yaml`.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When the store cannot be read, and when there is no such incident or its triage goes on.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let settings = match parts::settings(args.config.as_deref()) {
        Ok(settings) => settings,
        Err(status) => return Ok(status),
    };
    let knowledge = match parts::knowledge(&settings) {
        Ok(knowledge) => knowledge,
        Err(broken) => {
            say(format_args!("{broken}"));
            return Ok(ExitCode::from(WRONG_USAGE));
        }
    };
    let id = args.incident;
    let (log, secret) = read(&settings, &id).await?;
    if log.is_empty() {
        bail!("no incident {id} in {}", settings.store.place);
    }
    let incident = redact::incident(
        &Incident::fold(id.clone(), &log),
        &app::gate(secret, &id).hiding(settings.addresses),
    );
    let Some(written) = record::record(&incident) else {
        bail!("incident {id} cannot be recorded yet: its triage goes on");
    };
    let text = written?;
    if let Some(leak) = scan(&text).first() {
        bail!("incident {id} is not recorded: what would leave still looks like a secret ({})", leak.kind);
    }
    compare(&knowledge, &incident, &text)?;
    std::io::stdout().lock().write_all(text.as_bytes()).context("writing the scenario")?;
    Ok(ExitCode::SUCCESS)
}

/// The incident's log and the installation's key.
async fn read(settings: &Settings, id: &IncidentId) -> anyhow::Result<(Vec<Recorded>, [u8; 32])> {
    let store = super::evidence::open(settings).await?;
    Ok((store.load(id).await?, store.secret()))
}

fn compare(knowledge: &Knowledge, incident: &Incident, text: &str) -> anyhow::Result<()> {
    let scenario = Scenario::parse("the recorded scenario", text)?;
    let again = replay(knowledge, &scenario).conclusion;
    let said = incident.conclusion.as_ref().map(|conclusion| conclusion.bucket);
    if said.is_some_and(|said| said != again.bucket) {
        say(format_args!(
            "replayed, it ends at {}, where the incident ended at {}: a replay sees less than the bot saw",
            again.bucket,
            said.map_or("nothing", |it| it.id())
        ));
    }
    Ok(())
}
