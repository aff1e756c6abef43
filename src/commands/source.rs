//! `firstcheck source list` and `firstcheck source test NAME FILE`: which alert sources are known, and what a payload becomes.
//!
//! `test` reads what the door would read: JSON, a form or multipart, with no header. NAME may be the path of a mapping file; its
//! own samples are then tried first. Nothing is sent or stored, and what a body holds of secrets is redacted in `raw`.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::json;

use super::{NOT_RUN, WRONG_USAGE, say};
use crate::alert::{Source, body};
use crate::evidence::redact::Gate;

/// The most that is read of a payload, in bytes: GitHub's limit.
const MAX_BYTES: u64 = 25 * 1024 * 1024;

/// Which alert sources are known; what a payload becomes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

const EXAMPLES: &str = "\
Examples:
  firstcheck source list
  firstcheck source test pagerduty payload.json --json
  firstcheck source test ./runbooks/sources/own.yaml payload.json

Exit status: 0 done; 1 a mapping file is wrong; 2 an unknown source, or a body that is not its; 3 the file could not be read.";

#[derive(Debug, clap::Subcommand)]
enum What {
    /// The sources that are known.
    List {
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// The normalised alerts of a payload.
    Test {
        /// A source's name, or a mapping file.
        name: String,
        /// The body as the monitoring system sent it; `-` is standard input.
        file: PathBuf,
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Serialize)]
struct Listed {
    name: String,
    path: String,
}

/// Lists the sources or reads a payload.
///
/// # Errors
/// When standard output cannot be written.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    tokio::task::spawn_blocking(move || match args.what {
        What::List { json } => list(json),
        What::Test { name, file, json } => test(&name, &file, json),
    })
    .await?
}

fn list(as_json: bool) -> anyhow::Result<ExitCode> {
    let named =
        |source: &Source| Listed { name: source.id().to_owned(), path: format!("/alerts/{}", source.id()) };
    let sources: Vec<Listed> = Source::all().iter().map(named).collect();
    let mut out = io::stdout().lock();
    if as_json {
        serde_json::to_writer_pretty(&mut out, &json!({ "sources": sources }))?;
        writeln!(out)?;
    } else {
        for source in &sources {
            writeln!(out, "{:<16} {}", source.name, source.path)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn test(name: &str, file: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let source = match find(name) {
        Ok(source) => source,
        Err((status, lines)) => {
            for line in lines {
                say(format_args!("{line}"));
            }
            return Ok(ExitCode::from(status));
        }
    };
    let bytes = match read(file) {
        Ok(bytes) => bytes,
        Err(error) => {
            say(format_args!("firstcheck: {error:#}"));
            return Ok(ExitCode::from(NOT_RUN));
        }
    };
    let understood =
        body::read(&bytes).and_then(|body| source.read(&body).map_err(|refused| refused.to_string()));
    let mut understood = match understood {
        Ok(understood) => understood,
        Err(why) => {
            say(format_args!("firstcheck: {}: {why}", file.display()));
            say(format_args!(
                "The door answers 400 and keeps its beginning; GET /api/deliveries?state=refused shows it."
            ));
            return Ok(ExitCode::from(WRONG_USAGE));
        }
    };
    let gate = Gate::new(super::redact::key());
    for alert in &mut understood.alerts {
        alert.raw = gate.json(&alert.raw).into();
    }
    for note in &understood.notes {
        say(format_args!("{note}"));
    }
    let mut out = io::stdout().lock();
    if as_json {
        serde_json::to_writer_pretty(&mut out, &understood)?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(why) = &understood.ignored {
        writeln!(out, "no alert: {why}")?;
        writeln!(out, "  The door answers 202 and keeps it; GET /api/deliveries?state=unmapped shows it.")?;
    }
    for alert in &understood.alerts {
        let status = serde_json::to_value(alert.status)?;
        writeln!(out, "{} {} ({})", status.as_str().unwrap_or_default(), alert.title, alert.severity.id())?;
        let code = alert.http_status.map(|code| code.to_string());
        let fields = [
            ("fingerprint", Some(&alert.fingerprint)),
            ("service", alert.service.as_ref()),
            ("environment", alert.environment.as_ref()),
            ("region", alert.region.as_ref()),
            ("endpoint", alert.endpoint.as_ref()),
            ("status", code.as_ref()),
        ];
        for (field, value) in fields.iter().filter_map(|(field, value)| Some((field, (*value)?))) {
            writeln!(out, "  {field:<12} {value}")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The shipped source of this name, or the one a mapping file describes.
fn find(name: &str) -> Result<Source, (u8, Vec<String>)> {
    if let Some(source) = Source::named(name) {
        return Ok(source);
    }
    if Path::new(name).extension().is_none_or(|ending| ending != "yaml") {
        let known = Source::all().iter().map(Source::id).collect::<Vec<_>>().join(", ");
        return Err((
            WRONG_USAGE,
            vec![format!("firstcheck: no source is called `{name}`; there are {known}")],
        ));
    }
    let text = std::fs::read_to_string(name)
        .map_err(|error| (NOT_RUN, vec![format!("firstcheck: {name}: {error}")]))?;
    match Source::read_files(&[(name.to_owned(), text)]) {
        Ok(mut sources) => sources.pop().ok_or((NOT_RUN, vec![format!("{name} holds no source")])),
        Err(problems) => Err((1, problems.iter().map(ToString::to_string).collect())),
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        io::stdin().take(MAX_BYTES).read_to_end(&mut bytes).context("reading standard input")?;
    } else {
        let opened = std::fs::File::open(file).with_context(|| format!("reading {}", file.display()))?;
        opened
            .take(MAX_BYTES)
            .read_to_end(&mut bytes)
            .with_context(|| format!("reading {}", file.display()))?;
    }
    Ok(bytes)
}
