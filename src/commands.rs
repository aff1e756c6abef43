//! One file per subcommand; wires settings, app and output together.
//!
//! `--json` prints exactly one document on standard output; people's text, progress and logs go to standard error.
//! Exit status: 0 healthy or done; 1 a fault was found, a scenario missed, a lint error; 2 wrong usage or configuration;
//! 3 the thing asked for could not be run.

pub mod audit;
pub mod check;
mod desk;
pub mod doctor;
pub mod drill;
pub mod evidence;
pub mod explain;
mod parts;
pub mod record;
pub mod replay;
pub mod redact;
pub mod runbook;
pub mod serve;
pub mod source;
pub mod store;
pub mod token;
pub mod triage;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Exit status of wrong usage or configuration.
pub const WRONG_USAGE: u8 = 2;
/// Exit status of something that could not be run.
pub const NOT_RUN: u8 = 3;

const FIRST_STEPS: &str = "\
First steps:
  firstcheck drill                                    the whole job on this machine, no account needed
  firstcheck triage https://api.example.com/v1/orders the same for an endpoint of yours
  firstcheck serve                                    the bot: alert webhooks in, issues out

Exit status: 0 healthy or done; 1 a fault was found, a scenario missed, a lint error;
2 wrong usage or configuration; 3 the thing asked for could not be run.";

/// Which boundary failed first, the best hypotheses, and the next experiment.
#[derive(Debug, Parser)]
#[command(name = "firstcheck", version, arg_required_else_help = true, max_term_width = 100, after_help = FIRST_STEPS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Drill(drill::Args),
    Triage(triage::Args),
    Check(check::Args),
    Replay(replay::Args),
    Explain(explain::Args),
    Evidence(evidence::Args),
    Record(record::Args),
    Redact(redact::Args),
    Runbook(runbook::Args),
    Serve(serve::Args),
    Source(source::Args),
    Store(store::Args),
    Token(token::Args),
    Audit(audit::Args),
    Doctor(doctor::Args),
}

/// Reads the arguments, runs the command and gives its exit status.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error).context("starting the runtime")),
    };
    let ended = runtime.block_on(run(cli.command));
    // The C library's resolver may still sit in a lookup whose deadline passed; nobody waits for it.
    runtime.shutdown_background();
    match ended {
        Ok(status) => status,
        Err(error) => fail(&error),
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Drill(args) => drill::run(args).await,
        Command::Triage(args) => Box::pin(triage::run(args)).await,
        Command::Check(args) => check::run(args).await,
        Command::Replay(args) => replay::run(args).await,
        Command::Explain(args) => explain::run(args).await,
        Command::Evidence(args) => evidence::run(args).await,
        Command::Record(args) => record::run(args).await,
        Command::Redact(args) => redact::run(args).await,
        Command::Runbook(args) => runbook::run(args).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Source(args) => source::run(args).await,
        Command::Store(args) => store::run(args).await,
        Command::Token(args) => token::run(args).await,
        Command::Audit(args) => audit::run(args).await,
        Command::Doctor(args) => Box::pin(doctor::run(args)).await,
    }
}

/// The log goes to standard error: warnings and worse, or what `RUST_LOG` asks for.
fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

fn fail(error: &anyhow::Error) -> ExitCode {
    say(format_args!("firstcheck: {error:#}"));
    ExitCode::from(NOT_RUN)
}

/// One JSON document on standard output.
fn print_json(document: &impl serde::Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(document)?;
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

/// A line on standard output.
fn print_line(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

/// A line for the person, beside the thread and never on standard output.
fn say(line: std::fmt::Arguments<'_>) {
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "{line}");
}
