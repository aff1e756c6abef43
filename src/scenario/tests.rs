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

#[test]
fn our_own_scenarios_are_classified_with_few_questions() {
    let knowledge = Knowledge::builtin();
    for (name, scenario) in folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")) {
        let replay = replay(&knowledge, &scenario);
        let truth = scenario.truth.as_ref().unwrap();
        assert!(is_correct(&replay.conclusion, truth), "{name}: {:#?}", replay.conclusion);
        assert!(replay.asked.len() <= 6, "{name}: {:?}", replay.asked);
    }
}

const TEXT: &str = r#"
id: an-id
title: a title
alert: {title: "500s", http_status: 500}
answers: {error_origin: app, change_at_start: [deploy, config], failing_request: "a, b"}
checks: [{check: deploys, target: service, outcome: deploy_near}]
truth: {bucket: server, difficulty: status_tells}
"#;

#[test]
fn a_replay_is_the_same_again_to_the_byte() {
    let knowledge = Knowledge::builtin();
    let scenario = Scenario::parse("a.yaml", TEXT).unwrap();
    let once = serde_json::to_string(&replay(&knowledge, &scenario).log).unwrap();
    assert_eq!(once, serde_json::to_string(&replay(&Knowledge::builtin(), &scenario).log).unwrap());
}

#[test]
fn triage_never_sees_the_truth_the_id_or_the_file() {
    let knowledge = Knowledge::builtin();
    let plain = Scenario::parse("a.yaml", TEXT).unwrap();
    let other = TEXT.replace("an-id", "rate-limit").replace("bucket: server", "bucket: auth");
    let other = Scenario::parse("rate-limit.yaml", &other).unwrap();
    assert_eq!(replay(&knowledge, &plain), replay(&knowledge, &other));
}

#[test]
fn answers_are_read_as_a_person_would_give_them() {
    let scenario = Scenario::parse("a.yaml", TEXT).unwrap();
    let answer = |question| scenario.answers.get(&question).unwrap();
    assert!(answer(QuestionId::ChangeAtStart).has("config"));
    assert_eq!(answer(QuestionId::FailingRequest), &Answer::Text("a, b".into()));
}

#[track_caller]
fn is_refused(old: &str, new: &str, expected: &str) {
    assert!(TEXT.contains(old));
    let problem = Scenario::parse("a.yaml", &TEXT.replace(old, new)).unwrap_err();
    assert_eq!(problem.to_string(), expected);
}

#[test]
fn a_broken_file_is_told_with_its_place() {
    is_refused(
        "outcome: deploy_near",
        "outcome: deploy_neer",
        "a.yaml:6:53: checks[0].outcome: unknown variant `deploy_neer`; did you mean `deploy_near`?",
    );
    is_refused("outcome: deploy_near", "outcome: expired", "a.yaml:6:53: `expired` is no outcome of deploys");
    is_refused(
        "error_origin: app",
        "error_origin: moon",
        "a.yaml:5:11: `moon` is no answer to error_origin; pick one of: gateway, app, dependency, cdn, unknown",
    );
}

#[test]
fn figures_count_acceptable_boundaries_as_right() {
    let knowledge = Knowledge::builtin();
    let scenario = Scenario::parse("a.yaml", TEXT).unwrap();
    let replay = replay(&knowledge, &scenario);
    let said = replay.conclusion.bucket;
    let wrong = Bucket::ALL.into_iter().find(|bucket| *bucket != said).unwrap();
    let truth =
        |bucket, also_acceptable| Truth { bucket, cause: String::new(), dependency: None, also_acceptable };
    let truths = [truth(said, vec![]), truth(wrong, vec![said]), truth(wrong, vec![])];
    let scored: Vec<Scored<'_>> = truths
        .iter()
        .map(|truth| Scored { conclusion: &replay.conclusion, asked: 2, truth: Some(truth) })
        .chain([Scored { conclusion: &replay.conclusion, asked: 5, truth: None }])
        .collect();
    let figures = summary(&scored);
    assert_eq!((figures.count, figures.correct, figures.p90_asked), (4, 2, 5));
    assert!((figures.accuracy.unwrap() - 2.0 / 3.0).abs() < 1e-9);
    assert!((figures.mean_asked - 2.75).abs() < 1e-9);
    assert_eq!(figures.confusion[&said][&said], 1);
    assert_eq!(figures.confusion[&wrong][&said], 2);
    let is_confident = replay.conclusion.probability > 0.9;
    assert_eq!(figures.confident_and_wrong, usize::from(is_confident));
}
