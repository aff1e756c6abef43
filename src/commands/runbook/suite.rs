//! `firstcheck runbook test`: the scenarios beside a runbook, each replayed with the knowledge of that directory.
//!
//! A directory of runbooks keeps its scenarios in `scenarios/`. A scenario file given by name is tested with the runbooks of
//! the directory above its own `scenarios/`, and with the shipped ones when it lies elsewhere.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::bucket::Bucket;
use crate::commands::{WRONG_USAGE, say};
use crate::config::Settings;
use crate::runbook::Knowledge;
use crate::scenario::{Replay, Scenario, Truth, is_correct, replay};

/// Where scenarios stand in a directory of runbooks.
const SCENARIOS: &str = "scenarios";

const MORE: &str = "\
Examples:
  firstcheck runbook test runbooks                    the scenarios in runbooks/scenarios
  firstcheck runbook test runbooks/scenarios/a.yaml   this one, with the runbooks in runbooks
  firstcheck record inc-4k2m9qx7ab > runbooks/scenarios/a.yaml

Exit status: 0 all pass, 1 one is missed, 2 a file cannot be read or says no `truth`.";

/// What `runbook test` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub(super) struct Args {
    /// Directories of runbooks with a folder `scenarios`, or scenario files. Without any, the `runbooks` of firstcheck.yaml.
    #[arg(value_name = "DIR-or-FILE")]
    paths: Vec<PathBuf>,
    /// Print one JSON document on standard output.
    #[arg(long)]
    json: bool,
}

/// A scenario that was tested.
struct Tested {
    file: String,
    truth: Truth,
    replay: Replay,
}

impl Tested {
    fn passed(&self) -> bool {
        is_correct(&self.replay.conclusion, &self.truth)
    }

    /// The buckets that would have passed.
    fn expected(&self) -> Vec<Bucket> {
        [self.truth.bucket].into_iter().chain(self.truth.also_acceptable.iter().copied()).collect()
    }
}

/// Runs the tests.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let tested = match scenario_files(&args.paths).and_then(|files| test(&files)) {
        Ok(tested) => tested,
        Err(problems) => {
            for problem in problems {
                say(format_args!("{problem}"));
            }
            return Ok(ExitCode::from(WRONG_USAGE));
        }
    };
    let missed = tested.iter().filter(|it| !it.passed()).count();
    let text = if args.json {
        format!("{}\n", serde_json::to_string_pretty(&document(&tested, missed)).context("writing JSON")?)
    } else {
        told(&tested, missed)
    };
    std::io::stdout().lock().write_all(text.as_bytes()).context("writing the result")?;
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every scenario file, with the directory of its runbooks; `None` means the shipped ones.
fn scenario_files(paths: &[PathBuf]) -> Result<Vec<(PathBuf, Option<PathBuf>)>, Vec<String>> {
    let mut paths = paths.to_vec();
    if paths.is_empty() {
        let settings = Settings::load(None).map_err(|problem| vec![problem.to_string()])?;
        let folder = settings.runbooks_folder.ok_or_else(|| {
            vec!["no runbooks to test: name a directory, or set `runbooks:` in firstcheck.yaml".to_owned()]
        })?;
        paths.push(folder);
    }
    let mut found = Vec::new();
    let mut problems = Vec::new();
    for path in &paths {
        if !path.is_dir() {
            found.push((path.clone(), runbooks_of(path)));
            continue;
        }
        let folder = path.join(SCENARIOS);
        match yaml_files(&folder) {
            Ok(files) if files.is_empty() => problems.push(format!("{}: no scenario here", folder.display())),
            Ok(files) => found.extend(files.into_iter().map(|file| (file, Some(path.clone())))),
            Err(error) => problems.push(format!("{}: {error}", folder.display())),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

/// The directory above the `scenarios` folder that this file lies in.
fn runbooks_of(file: &Path) -> Option<PathBuf> {
    let folder = file.parent().filter(|folder| folder.ends_with(SCENARIOS))?;
    let above = folder.parent()?;
    Some(if above.as_os_str().is_empty() { PathBuf::from(".") } else { above.to_owned() })
}

fn yaml_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() && path.extension().is_some_and(|it| it == "yaml" || it == "yml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Tests each file; every file that cannot be tested is a problem, and nothing is told of the others then.
fn test(files: &[(PathBuf, Option<PathBuf>)]) -> Result<Vec<Tested>, Vec<String>> {
    let mut known: BTreeMap<Option<&PathBuf>, Knowledge> = BTreeMap::new();
    let mut tested = Vec::new();
    let mut problems = Vec::new();
    for (file, runbooks) in files {
        let runbooks = runbooks.as_ref();
        let knowledge = match known.entry(runbooks) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(knowledge(runbooks)?),
        };
        match one(knowledge, file) {
            Ok(it) => tested.push(it),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(tested) } else { Err(problems) }
}

/// The knowledge of a directory; a directory without runbooks of its own (scenarios alone) has the shipped ones.
fn knowledge(runbooks: Option<&PathBuf>) -> Result<Knowledge, Vec<String>> {
    let own = match runbooks {
        Some(folder) => yaml_files(folder).map_err(|error| vec![format!("{}: {error}", folder.display())])?,
        None => Vec::new(),
    };
    match runbooks {
        Some(folder) if !own.is_empty() => super::knowledge(std::slice::from_ref(folder)),
        _ => super::knowledge(&[]),
    }
}

fn one(knowledge: &Knowledge, path: &Path) -> Result<Tested, String> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{file}: {error}"))?;
    let scenario = Scenario::parse(&file, &text).map_err(|problem| problem.to_string())?;
    let replay = replay(knowledge, &scenario);
    match scenario.truth {
        Some(truth) => Ok(Tested { file, truth, replay }),
        None => {
            Err(format!("{file}: says no `truth`, so there is nothing to test; add `truth: {{bucket: …}}`"))
        }
    }
}

/// One line per scenario, with the reasons of a miss, and the count.
fn told(tested: &[Tested], missed: usize) -> String {
    let mut text = String::new();
    for it in tested {
        let conclusion = &it.replay.conclusion;
        let word = if it.passed() { "ok  " } else { "MISS" };
        let said = format!("{} ({:.0} %)", conclusion.bucket, conclusion.probability * 100.0);
        // Writing to a String cannot fail.
        let _ = write!(text, "{word} {}: {said}", it.file);
        if it.passed() {
            text.push('\n');
            continue;
        }
        let expected: Vec<&str> = it.expected().into_iter().map(Bucket::id).collect();
        let _ = writeln!(text, ", expected {}", expected.join(" or "));
        for reason in conclusion.reasons.iter().take(3) {
            let _ = writeln!(
                text,
                "       {:+.1} dB for {}: {}",
                reason.decibans, conclusion.bucket, reason.observation
            );
        }
    }
    let _ = writeln!(text, "{} passed, {missed} missed", tested.len() - missed);
    text
}

fn document(tested: &[Tested], missed: usize) -> Value {
    let tests = tested.iter().map(|it| {
        let conclusion = &it.replay.conclusion;
        json!({
            "file": it.file,
            "passed": it.passed(),
            "expected": it.expected(),
            "bucket": conclusion.bucket,
            "probability": conclusion.probability,
            "cause": conclusion.hypotheses.first().map(|best| &best.id),
            "asked": it.replay.asked,
            "stopped": conclusion.stopped,
            "reasons": conclusion.reasons,
            "knowledge": conclusion.runbooks,
        })
    });
    let tests: Vec<Value> = tests.collect();
    json!({"tests": tests, "passed": tested.len() - missed, "missed": missed})
}
