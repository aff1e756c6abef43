//! `firstcheck runbook`: what triage knows, and whether files of one's own are good.
//!
//! Exit status: 0 good, 1 a problem in a runbook, 2 a name or path that does not exist. `--json` where a program may want it.

mod suite;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;

use super::WRONG_USAGE;
use crate::bucket::Bucket;
use crate::checks::Catalogues;
use crate::runbook::{BUILTIN, Knowledge, SCHEMAS, schema};
use crate::yaml::Problem;

/// Lint, test, list and show runbooks, and print their JSON Schemas.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

mod report;

/// How problems are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Sarif,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell every problem with file, line and column.
    Lint {
        /// Runbook files, or directories of them: runbooks of your own, and files that replace the shipped ones of the
        /// same name. Without any, the shipped ones are linted.
        #[arg(value_name = "FILE-or-DIR")]
        paths: Vec<PathBuf>,
        /// `text` for people, on standard error; `json` and `sarif` (2.1.0, for code scanning) on standard output.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Replay the scenarios beside a runbook: do they still end where they should?
    Test(suite::Args),
    /// List the runbooks and their causes.
    List {
        /// Print one JSON document on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Show a runbook as it was written (`client`, `questions`, …), or one cause by its id.
    Show {
        /// A runbook's name or a cause's id.
        name: String,
    },
    /// Print the JSON Schema of a kind of file, for editors.
    Schema {
        /// The kind of file.
        #[arg(value_parser = SCHEMAS.to_vec(), default_value = "runbook")]
        kind: String,
    },
}

/// Runs one of the subcommands.
///
/// # Errors
/// When a file cannot be read or the result cannot be written.
#[expect(clippy::unused_async, reason = "all commands are run the same way")]
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Lint { paths, format } => lint(&paths, format),
        Command::Test(args) => suite::run(&args),
        Command::List { json } => {
            let knowledge = Knowledge::builtin();
            say(&if json { list_json(&knowledge)? } else { list(&knowledge) })
        }
        Command::Show { name } => show(&name),
        Command::Schema { kind } => {
            let schema = schema(&kind).with_context(|| format!("no schema for {kind}"))?;
            say(&format!("{}\n", serde_json::to_string_pretty(&schema).context("writing JSON")?))
        }
    }
}

fn say(text: &str) -> anyhow::Result<ExitCode> {
    std::io::stdout().lock().write_all(text.as_bytes()).context("writing the result")?;
    Ok(ExitCode::SUCCESS)
}

fn complain(text: &str, status: u8) -> anyhow::Result<ExitCode> {
    std::io::stderr().lock().write_all(text.as_bytes()).context("writing the problem")?;
    Ok(ExitCode::from(status))
}

fn lint(paths: &[PathBuf], format: Format) -> anyhow::Result<ExitCode> {
    let (problems, figures) = match read(paths) {
        Ok((knowledge, _)) => {
            let figures = format!(
                "{} runbooks, {} causes, {} signals: no problem\n",
                knowledge.runbooks.len() + knowledge.own.len(),
                knowledge.causes.len(),
                knowledge.signals.len()
            );
            (Vec::new(), figures)
        }
        Err(problems) => (problems, String::new()),
    };
    let status = u8::from(!problems.is_empty());
    match format {
        Format::Text if problems.is_empty() => return say(&figures),
        Format::Text => {
            let told: Vec<String> =
                problems.iter().map(|problem| report::text(problem, &source(problem))).collect();
            return complain(&told.concat(), status);
        }
        Format::Json => say(&report::json(&problems)?)?,
        Format::Sarif => say(&report::sarif(&problems)?)?,
    };
    Ok(ExitCode::from(status))
}

/// The text a problem is about: the file's on disk, or the shipped one's.
fn source(problem: &Problem) -> String {
    let shipped =
        || BUILTIN.iter().find(|(name, _)| *name == problem.file).map(|(_, text)| (*text).to_owned());
    std::fs::read_to_string(&problem.file).ok().or_else(shipped).unwrap_or_default()
}

/// The shipped runbooks with those of these files and directories.
///
/// # Errors
/// Every problem, with the file as the user named it.
pub(super) fn knowledge(paths: &[PathBuf]) -> Result<Knowledge, Vec<String>> {
    read(paths)
        .map(|(knowledge, _)| knowledge)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// The same, with the catalogues that live beside the runbooks.
fn read(paths: &[PathBuf]) -> Result<(Knowledge, Catalogues), Vec<Problem>> {
    let mut overrides = Vec::new();
    let mut shown = Vec::new();
    for path in paths {
        let unreadable = |path: &Path, error: std::io::Error| {
            vec![Problem::of_file(&path.display().to_string(), error.to_string())]
        };
        let files = runbook_files(path).map_err(|error| unreadable(path, error))?;
        if files.is_empty() {
            return Err(vec![Problem::of_file(&path.display().to_string(), "no runbook here")]);
        }
        for file in files {
            let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let text = std::fs::read_to_string(&file).map_err(|error| unreadable(&file, error))?;
            shown.push((name.clone(), file.display().to_string()));
            overrides.push((name, text));
        }
    }
    let as_named = |problem: Problem| {
        let path = shown.iter().find(|(name, _)| *name == problem.file);
        Problem { file: path.map_or(problem.file.clone(), |(_, path)| path.clone()), ..problem }
    };
    let (catalogues, runbooks): (Vec<_>, Vec<_>) =
        overrides.into_iter().partition(|(name, _)| Catalogues::is_one(name));
    let mut problems = Vec::new();
    // One at a time: a broken catalogue hides no other.
    for catalogue in &catalogues {
        problems.extend(Catalogues::with_overrides(std::slice::from_ref(catalogue)).err());
    }
    let read = Knowledge::with_overrides(&runbooks);
    problems.extend(read.as_ref().err().into_iter().flatten().cloned());
    match (read, Catalogues::with_overrides(&catalogues)) {
        (Ok(knowledge), Ok(catalogues)) if problems.is_empty() => Ok((knowledge, catalogues)),
        _ => Err(problems.into_iter().map(as_named).collect()),
    }
}

/// The file itself, or the `*.yaml` of the directory. Its subfolders are not read: they hold scenarios and alert sources.
fn runbook_files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let file = entry?.path();
        let is_yaml = file.extension().is_some_and(|it| it == "yaml");
        if is_yaml && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn list(knowledge: &Knowledge) -> String {
    let mut text = String::new();
    for runbook in &knowledge.runbooks {
        let _ = writeln!(text, "{} ({}): {}", name(runbook.bucket), runbook.bucket, runbook.boundary);
        for cause in knowledge.causes.iter().filter(|cause| cause.bucket == runbook.bucket) {
            let _ =
                writeln!(text, "  {:<42} {} of the {}", cause.id, cause.confirm.check, cause.confirm.role);
        }
    }
    let _ = writeln!(text, "knowledge {}", knowledge.hash());
    text
}

fn list_json(knowledge: &Knowledge) -> anyhow::Result<String> {
    let runbooks = knowledge.runbooks.iter().map(|runbook| {
        let causes = knowledge.causes.iter().filter(|cause| cause.bucket == runbook.bucket);
        json!({
            "name": name(runbook.bucket),
            "bucket": runbook.bucket,
            "boundary": runbook.boundary,
            "causes": causes.collect::<Vec<_>>(),
        })
    });
    let document = json!({ "hash": knowledge.hash(), "runbooks": runbooks.collect::<Vec<_>>() });
    Ok(format!("{}\n", serde_json::to_string_pretty(&document).context("writing JSON")?))
}

/// A runbook's name is its file's, without the ending.
pub(super) fn name(bucket: Bucket) -> String {
    bucket.id().replace('_', "-")
}

fn show(wanted: &str) -> anyhow::Result<ExitCode> {
    let stem = wanted.trim_end_matches(".yaml").replace('_', "-");
    if let Some((_, text)) = BUILTIN.iter().find(|(name, _)| name.trim_end_matches(".yaml") == stem) {
        return say(text);
    }
    let knowledge = Knowledge::builtin();
    if let Some(cause) = knowledge.causes.iter().find(|cause| cause.id == wanted) {
        return say(&format!(
            "{} ({})\n{}\nconfirm: {} of the {}\nnext experiment: {}\nmitigation: {}\n",
            cause.id,
            cause.bucket,
            cause.says,
            cause.confirm.check,
            cause.confirm.role,
            cause.next_experiment,
            cause.mitigation
        ));
    }
    let runbooks = BUILTIN.iter().map(|(name, _)| name.trim_end_matches(".yaml"));
    let known: Vec<&str> = runbooks.chain(knowledge.causes.iter().map(|cause| cause.id.as_str())).collect();
    let problem = Problem::of_file("runbook show", format!("no runbook or cause is named `{wanted}`"));
    complain(&format!("{}\n", problem.did_you_mean(wanted, known)), WRONG_USAGE)
}
