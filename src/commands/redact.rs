//! `firstcheck redact [FILE]`: what would leave the house of a text, a HAR, a curl command, an HTTP message or a JSON document.
//!
//! Without FILE it reads standard input. The redacted form goes to standard output, what was found to standard error; with
//! `--json` both are one document. The key of the tokens is drawn anew for each run: two runs cannot be compared, which is
//! the point. Nothing is sent anywhere.

use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use serde::Serialize;

use super::{NOT_RUN, parts, say};
use crate::evidence::redact::{Gate, scan};

/// The most that is read, in bytes: a HAR of a long session fits, an endless pipe does not.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Show what would leave the house: the redacted form, and how much of what kind was hidden.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A file with text, a HAR, a curl command, an HTTP message or JSON; standard input without it, or as `-`.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print one JSON document: the redacted form and the count by kind.
    #[arg(long)]
    json: bool,
    /// Another configuration file than `firstcheck.yaml`: `redact.addresses` says which IP addresses leave.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  firstcheck redact incident.har --json
  pbpaste | firstcheck redact

A shape such as [jwt:256~3fa9c1d2] says: a JWT of at most 256 characters; equal digits, equal value.
Exit status: 0 done, 2 wrong usage or configuration, 3 the file could not be read.";

/// The document of `--json`.
#[derive(Debug, Serialize)]
struct Redaction {
    /// The redacted form: JSON stays JSON, everything else is text.
    redacted: serde_json::Value,
    /// How many of each kind were hidden.
    counts: std::collections::BTreeMap<String, u64>,
    /// All of them.
    total: u64,
}

/// Reads, redacts, prints.
///
/// # Errors
/// When standard output cannot be written.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let settings = match parts::settings(args.config.as_deref()) {
        Ok(settings) => settings,
        Err(status) => return Ok(status),
    };
    let text = match tokio::task::spawn_blocking(move || read(args.file)).await? {
        Ok(text) => text,
        Err(error) => {
            say(format_args!("firstcheck: {error:#}"));
            return Ok(ExitCode::from(NOT_RUN));
        }
    };
    let gate = Gate::new(key()).hiding(settings.addresses);
    let redacted = gate.document(&text);
    let counts = gate.report();
    let total = counts.values().sum();
    let mut out = io::stdout().lock();
    let written = if args.json {
        let redacted = serde_json::from_str(&redacted)
            .ok()
            .filter(|value: &serde_json::Value| value.is_object() || value.is_array())
            .unwrap_or_else(|| serde_json::Value::String(redacted.clone()));
        let document = Redaction { redacted, counts, total };
        serde_json::to_writer_pretty(&mut out, &document)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
    } else {
        let kinds: Vec<String> = counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let kinds = if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(", ") };
        say(format_args!("hidden: {kinds}"));
        let end = if redacted.ends_with('\n') { "" } else { "\n" };
        write!(out, "{redacted}{end}")
    };
    match written.and_then(|()| out.flush()) {
        // The reader left (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written.context("writing the redacted form")?,
    }
    debug_assert!(scan(&redacted).is_empty(), "the last gate finds nothing");
    Ok(ExitCode::SUCCESS)
}

/// The whole input, as text; bytes that are no UTF-8 become replacement characters.
fn read(file: Option<PathBuf>) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    match file.filter(|path| path.as_os_str() != "-") {
        Some(path) => {
            let file = std::fs::File::open(&path).with_context(|| format!("opening {}", path.display()))?;
            file.take(MAX_BYTES)
                .read_to_end(&mut bytes)
                .with_context(|| format!("reading {}", path.display()))?;
        }
        None => {
            io::stdin().lock().take(MAX_BYTES).read_to_end(&mut bytes).context("reading standard input")?;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A key for this run alone.
pub(super) fn key() -> [u8; 32] {
    let mut key = [0; 32];
    key[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    key[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    key
}
