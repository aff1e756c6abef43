//! `firstcheck replay`: scenario files through triage without a network, scored against their truth.
//!
//! Exit status: 0 when every labelled scenario was right, 1 when one was missed, 2 when a file cannot be read.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::WRONG_USAGE;
use crate::bucket::Bucket;
use crate::incident::Stopped;
use crate::scenario::{Replay, Scenario, Scored, Summary, is_correct, replay, summary};

/// Replay scenario files without a network, and score them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 all are right, 1 a scenario is missed, 2 a file cannot be read.")]
pub struct Args {
    /// Scenario files, or directories of them.
    #[arg(required = true, value_name = "FILE-or-DIR")]
    paths: Vec<PathBuf>,
    /// Runbooks that replace the shipped ones of the same name: a file, or a directory of them.
    #[arg(long, value_name = "FILE-or-DIR")]
    runbooks: Option<PathBuf>,
    /// Print one JSON document on standard output.
    #[arg(long)]
    json: bool,
}

/// A scenario, replayed.
struct Case {
    file: String,
    scenario: Scenario,
    replay: Replay,
}

impl Case {
    /// Right or wrong; `None` without a truth.
    fn correct(&self) -> Option<bool> {
        self.scenario.truth.as_ref().map(|truth| is_correct(&self.replay.conclusion, truth))
    }
}

/// Replays the files.
///
/// # Errors
/// When the result cannot be written.
#[expect(clippy::unused_async, reason = "all commands are run the same way")]
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut problems = Vec::new();
    let paths: Vec<PathBuf> = args.runbooks.iter().cloned().collect();
    let knowledge = match super::runbook::knowledge(&paths) {
        Ok(knowledge) => knowledge,
        Err(found) => return complain(&found),
    };
    let mut cases = Vec::new();
    for path in files(&args.paths, &mut problems) {
        let file = path.display().to_string();
        let read = std::fs::read_to_string(&path).map_err(|error| format!("{file}: {error}"));
        match read.and_then(|text| Scenario::parse(&file, &text).map_err(|problem| problem.to_string())) {
            Ok(scenario) => cases.push(Case { file, replay: replay(&knowledge, &scenario), scenario }),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return complain(&problems);
    }
    let scored: Vec<Scored<'_>> = cases
        .iter()
        .map(|case| Scored {
            conclusion: &case.replay.conclusion,
            asked: case.replay.asked.len(),
            truth: case.scenario.truth.as_ref(),
        })
        .collect();
    let figures = summary(&scored);
    let text = if args.json { document(&cases, &figures)? } else { told(&cases, &figures) };
    std::io::stdout().lock().write_all(text.as_bytes()).context("writing the result")?;
    let missed = cases.iter().any(|case| case.correct() == Some(false));
    Ok(if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn complain(problems: &[String]) -> anyhow::Result<ExitCode> {
    let mut err = std::io::stderr().lock();
    for problem in problems {
        writeln!(err, "{problem}").context("writing the problems")?;
    }
    Ok(ExitCode::from(WRONG_USAGE))
}

/// The files named, and those of the directories named, in the order of their names; each once.
fn files(paths: &[PathBuf], problems: &mut Vec<String>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in paths {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        match yaml_files(path) {
            Ok(files) if files.is_empty() => {
                problems.push(format!("{}: no scenario file (*.yaml) in this directory", path.display()));
            }
            Ok(files) => found.extend(files),
            Err(error) => problems.push(format!("{}: {error}", path.display())),
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|path| seen.insert(path.clone()));
    found
}

fn yaml_files(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "yaml" || it == "yml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn document(cases: &[Case], figures: &Summary) -> anyhow::Result<String> {
    let scenarios: Vec<Value> = cases.iter().map(case_json).collect();
    let document = json!({ "scenarios": scenarios, "summary": figures });
    Ok(format!("{}\n", serde_json::to_string_pretty(&document).context("writing JSON")?))
}

fn case_json(case: &Case) -> Value {
    let conclusion = &case.replay.conclusion;
    let causes = conclusion.hypotheses.iter().map(|it| json!({ "id": it.id, "probability": it.probability }));
    let checked = case.replay.checked.iter().map(|(check, role)| json!({ "check": check, "target": role }));
    let mut value = json!({
        "file": case.file,
        "bucket": conclusion.bucket,
        "probability": conclusion.probability,
        "runner_up": conclusion.runner_up,
        "buckets": conclusion.buckets,
        "causes": causes.collect::<Vec<_>>(),
        "next_experiment": conclusion.next_experiment,
        "asked": case.replay.asked,
        "checked": checked.collect::<Vec<_>>(),
        "stopped": conclusion.stopped,
        "reasons": conclusion.reasons,
        "missing": conclusion.missing,
    });
    if let Some(correct) = case.correct() {
        value["correct"] = json!(correct);
    }
    value
}

/// One line per miss, then the figures; without a truth, one line per conclusion.
fn told(cases: &[Case], figures: &Summary) -> String {
    let mut text = String::new();
    for case in cases {
        let conclusion = &case.replay.conclusion;
        let said = format!("{} ({:.0} %)", conclusion.bucket, conclusion.probability * 100.0);
        let cause = conclusion.hypotheses.first().map_or("no cause", |it| it.id.as_str());
        let unclear = if conclusion.stopped == Stopped::Unclear { ", unclear" } else { "" };
        match (&case.scenario.truth, case.correct()) {
            (Some(truth), Some(false)) => {
                let _ = writeln!(
                    text,
                    "{}: {said}, {cause}{unclear}; it was {}{}",
                    case.file,
                    truth.bucket,
                    because(case)
                );
            }
            (None, _) => {
                let _ = writeln!(text, "{}: {said}, {cause}{unclear}", case.file);
            }
            _ => {}
        }
    }
    let _ = write!(text, "{} scenarios", figures.count);
    if let Some(accuracy) = figures.accuracy {
        let _ = write!(text, ", {} correct ({:.1} %)", figures.correct, accuracy * 100.0);
    }
    let _ = write!(text, ", {} unclear", figures.unclear);
    let asked = figures.mean_asked;
    let _ = write!(text, "; {asked:.1} questions each, at most {} in nine of ten", figures.p90_asked);
    if let (Some(brier), Some(error)) = (figures.brier, figures.calibration_error) {
        let _ = write!(text, "; Brier {brier:.3}, calibration error {error:.3}");
    }
    if figures.confident_and_wrong > 0 {
        let _ = write!(text, "; {} confident and wrong", figures.confident_and_wrong);
    }
    text.push('\n');
    if figures.accuracy.is_some_and(|accuracy| accuracy < 1.0) {
        text.push_str(&matrix(figures));
    }
    text
}

/// What moved the belief most in a missed scenario.
fn because(case: &Case) -> String {
    let reasons = case.replay.conclusion.reasons.iter().take(3);
    let reasons: Vec<String> =
        reasons.map(|it| format!("{} ({:+.1} dB)", it.observation, it.decibans)).collect();
    if reasons.is_empty() { String::new() } else { format!("; moved by: {}", reasons.join(", ")) }
}

/// The true boundaries line by line, and what they were called.
fn matrix(figures: &Summary) -> String {
    let mut text = format!("{:12}", "it was");
    for said in Bucket::ALL {
        let _ = write!(text, "{:>12}", said.id());
    }
    text.push('\n');
    for (truth, called) in &figures.confusion {
        let _ = write!(text, "{:12}", truth.id());
        for said in Bucket::ALL {
            let _ = write!(text, "{:>12}", called.get(&said).copied().unwrap_or(0));
        }
        text.push('\n');
    }
    text
}
