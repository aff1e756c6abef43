//! Replays of our own scenario files, and of the shared ones where they are at hand.

use std::path::Path;

use super::*;

/// Every scenario of a folder, in the order of their names.
fn folder(path: &Path) -> Vec<(String, Scenario)> {
    let mut files: Vec<_> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
        .into_iter()
        .filter(|path| path.extension().is_some_and(|it| it == "yaml"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let scenario = Scenario::parse(&name, &std::fs::read_to_string(&path).unwrap()).unwrap();
            (name, scenario)
        })
        .collect()
}

#[test]
#[ignore = "needs ../shared"]
fn the_shared_scenarios_are_classified() {
    let knowledge = Knowledge::builtin();
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|it| it.join("shared/scenarios").is_dir());
    let scenarios = folder(&root.unwrap().join("shared/scenarios"));
    let replays: Vec<Replay> = scenarios.iter().map(|(_, scenario)| replay(&knowledge, scenario)).collect();
    let scored: Vec<Scored<'_>> = replays
        .iter()
        .zip(&scenarios)
        .map(|(replay, (_, scenario))| Scored {
            conclusion: &replay.conclusion,
            asked: replay.asked.len(),
            truth: scenario.truth.as_ref(),
        })
        .collect();
    let figures = summary(&scored);
    assert!(figures.accuracy.unwrap() >= 0.85, "{figures:#?}");
    assert!(figures.mean_asked <= 3.0, "{figures:#?}");
}
