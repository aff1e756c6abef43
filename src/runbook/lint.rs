//! Problems of meaning in runbooks, all at once: names nobody has, ids twice, causes nobody could confirm.

use std::collections::{BTreeMap, BTreeSet};

use crate::bucket::Bucket;
use crate::question::QuestionId;
use crate::runbook::file::{
    BucketFile, Expect, Files, LikelihoodsFile, QuestionsFile, Read, SignalsFile, bucket_of,
};
use crate::runbook::{Source, Variable, Word};
use crate::yaml::{self, Problem};

pub(super) fn problems(files: &Files<'_>, variables: &[Variable]) -> Vec<Problem> {
    let mut found = questions(&files.questions);
    found.extend(numbers(&files.likelihoods, variables));
    found.extend(signals(&files.signals, variables));
    let mut ids = BTreeSet::new();
    for bucket in &files.buckets {
        found.extend(runbook(bucket, variables, &mut ids));
    }
    found
}

fn questions(read: &Read<'_, QuestionsFile>) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for question in &read.file.questions {
        let anchor = format!("id: {}", question.id);
        let mut say = |message: String| {
            found.push(Problem::at(read.name, yaml::place(read.text, "", &anchor), message));
        };
        if !seen.insert(question.id) {
            say(format!("question `{}` stands here twice", question.id));
        }
        let labels: Vec<&str> = question.answers.iter().map(|answer| answer.id.as_str()).collect();
        if labels != question.id.answers() {
            say(format!("the answers of `{}` are {}", question.id, question.id.answers().join(", ")));
        }
        if !(question.cost > 0.0 && (0.0..=1.0).contains(&question.known)) {
            say(format!("`{}`: cost is above 0, known is 0 to 1", question.id));
        }
    }
    for id in QuestionId::ALL {
        if !seen.contains(&id) {
            found.push(Problem::of_file(read.name, format!("question `{id}` is missing")));
        }
    }
    found
}

fn numbers(read: &Read<'_, LikelihoodsFile>, variables: &[Variable]) -> Vec<Problem> {
    let mut found = Vec::new();
    let word_count = read.file.words.len();
    if word_count != 5 || read.file.words.values().any(|p| !(*p > 0.0 && *p < 1.0)) {
        let place = yaml::place(read.text, "", "words:");
        found.push(Problem::at(read.name, place, "all five words are needed, each between 0 and 1"));
    }
    for bucket in Bucket::ALL {
        if !read.file.buckets.get(&bucket).is_some_and(|share| *share > 0.0) {
            let place = yaml::place(read.text, "", "buckets:");
            found.push(Problem::at(read.name, place, format!("bucket `{bucket}` needs a share above 0")));
        }
    }
    for (entry, variable) in read.file.variables.iter().zip(variables) {
        let anchor = format!("id: {}", entry.id);
        let mut say = |wanted: &str, message: String| {
            found.push(Problem::at(read.name, yaml::place(read.text, &anchor, wanted), message));
        };
        if entry.background.values().any(|weight| *weight <= 0.0) {
            say(&anchor, format!("`{}`: every background weight is above 0", entry.id));
        }
        if !(entry.trust > 0.0 && entry.trust <= 1.0) {
            say("trust", format!("`{}`: trust is above 0 and at most 1", entry.id));
        }
        let expected = expected_values(variable.source);
        for value in entry.background.keys() {
            if expected.as_ref().is_some_and(|expected| !expected.contains(&value.as_str())) {
                say(value, format!("`{value}` is no value of `{}`", entry.id));
            }
        }
        for value in expected.iter().flatten() {
            if !entry.background.contains_key(*value) {
                say(&anchor, format!("`{}` needs a background for `{value}`", entry.id));
            }
        }
        let mentioned =
            entry.passing.iter().chain(entry.codes.keys()).chain(entry.answers.values().flatten());
        for value in mentioned {
            if variable.value(value).is_none() {
                say(value, format!("`{value}` is no value of `{}`", entry.id));
            }
        }
    }
    found
}

/// The values a variable must have, where its source fixes them.
fn expected_values(source: Source) -> Option<Vec<&'static str>> {
    match source {
        Source::Check(kind, _) | Source::Behind(kind) => {
            Some(kind.outcomes().iter().map(|outcome| outcome.id()).collect())
        }
        Source::Question(QuestionId::SpikeStart) => Some(vec!["instant", "gradual", "intermittent"]),
        Source::Question(QuestionId::CorrelatedDependency) => Some(vec!["none", "named"]),
        Source::Question(question) => Some(question.answers().to_vec()),
        Source::Status | Source::Text | Source::Direct => None,
    }
}

fn signals(read: &Read<'_, SignalsFile>, variables: &[Variable]) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for signal in &read.file.signals {
        let anchor = format!("id: {}", signal.id);
        if !seen.insert(&signal.id) {
            let place = yaml::place(read.text, "", &anchor);
            found.push(Problem::at(read.name, place, format!("signal `{}` stands here twice", signal.id)));
        }
        found.extend(known_sets(&signal.sets, &anchor, read, variables));
    }
    for rule in &read.file.facts {
        found.extend(known_sets(&rule.sets, &format!("fact: {}", rule.fact), read, variables));
    }
    found
}

fn known_sets(
    sets: &BTreeMap<String, String>,
    anchor: &str,
    read: &Read<'_, SignalsFile>,
    variables: &[Variable],
) -> Vec<Problem> {
    let unknown = sets.iter().filter_map(|(id, value)| unknown(id, value, variables));
    unknown
        .map(|(word, message, known)| {
            let place = yaml::place(read.text, anchor, &word);
            Problem::at(read.name, place, message).did_you_mean(&word, known.iter().map(String::as_str))
        })
        .collect()
}

/// What is unknown about "variable: value": the word, what to say, and the words that are known.
pub(super) fn unknown(
    id: &str,
    value: &str,
    variables: &[Variable],
) -> Option<(String, String, Vec<String>)> {
    let Some(variable) = variables.iter().find(|variable| variable.id == id) else {
        let known = variables.iter().map(|variable| variable.id.clone()).collect();
        return Some((id.to_owned(), format!("unknown observation `{id}`"), known));
    };
    if variable.value(value).is_some() {
        return None;
    }
    let what = match variable.source {
        Source::Check(..) | Source::Behind(_) => "outcome",
        Source::Question(_) => "answer",
        Source::Status | Source::Text | Source::Direct => "value",
    };
    Some((value.to_owned(), format!("unknown {what} `{value}` of `{id}`"), variable.values.clone()))
}

fn runbook(read: &Read<'_, BucketFile>, variables: &[Variable], ids: &mut BTreeSet<String>) -> Vec<Problem> {
    let mut found = Vec::new();
    if bucket_of(read.name) != Some(read.file.bucket) {
        let place = yaml::place(read.text, "", "bucket:");
        found.push(Problem::at(read.name, place, format!("this file is not for `{}`", read.file.bucket)));
    }
    found.extend(known_expectations(&read.file.expect, "expect:", read, variables));
    for cause in &read.file.causes {
        let anchor = format!("id: {}", cause.id);
        let place = yaml::place(read.text, "causes:", &anchor);
        let mut say = |message: String| found.push(Problem::at(read.name, place, message));
        if !ids.insert(cause.id.clone()) {
            say(format!("cause `{}` is defined twice", cause.id));
        }
        if cause.confirm.is_none() {
            say(format!("cause `{}` has no confirming check (`confirm:`)", cause.id));
        }
        if cause.expect.is_empty() {
            say(format!("cause `{}` expects nothing, so nothing could speak for or against it", cause.id));
        }
        for text in [&cause.says, &cause.next_experiment, &cause.mitigation] {
            if let Some(unknown) = unknown_placeholder(text) {
                say(format!("`{{{{{unknown}}}}}` is not known here; there are `service` and `dependency`"));
            }
        }
        found.extend(known_expectations(&cause.expect, &anchor, read, variables));
    }
    found
}

fn known_expectations(
    expect: &Expect,
    anchor: &str,
    read: &Read<'_, BucketFile>,
    variables: &[Variable],
) -> Vec<Problem> {
    let pairs = expect.iter().flat_map(|(id, values): (&String, &BTreeMap<String, Word>)| {
        values.keys().filter_map(|value| unknown(id, value, variables))
    });
    pairs
        .map(|(word, message, known)| {
            let place = yaml::place(read.text, anchor, &word);
            Problem::at(read.name, place, message).did_you_mean(&word, known.iter().map(String::as_str))
        })
        .collect()
}

/// The first `{{word}}` of a sentence that nobody fills in.
pub(super) fn unknown_placeholder(text: &str) -> Option<&str> {
    let words = text.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
    words.map(str::trim).find(|word| !matches!(*word, "service" | "dependency"))
}

#[cfg(test)]
mod tests {
    use crate::runbook::{BUILTIN, Knowledge};

    /// The shipped runbook of this name with one piece of text replaced, and the problems that gives.
    #[track_caller]
    fn check(file: &str, old: &str, new: &str, expected: &str) {
        let (_, text) = BUILTIN.iter().find(|(name, _)| *name == file).unwrap();
        assert!(text.contains(old), "{file} no longer contains {old}");
        let changed = text.replacen(old, new, 1);
        let problems = Knowledge::with_overrides(&[(file.to_owned(), changed.clone())]).unwrap_err();
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|problem| problem.contains(expected)), "{told:#?}");
        assert!(problems.iter().all(|problem| problem.line > 0), "{told:#?}");
    }

    #[test]
    fn an_unknown_outcome_is_told_with_its_place_and_a_hint() {
        check("auth.yaml", "{expired: always}", "{expird: always}", "unknown outcome `expird` of `token.");
        check("auth.yaml", "{expired: always}", "{expird: always}", "did you mean `expired`?");
    }

    #[test]
    fn an_unknown_observation_is_told() {
        check(
            "auth.yaml",
            "token_state: {valid",
            "tokn_state: {valid",
            "unknown observation `tokn_state`; did you mean `token_state`?",
        );
    }

    #[test]
    fn an_unknown_word_check_or_role_is_told() {
        check("auth.yaml", "{expired: always}", "{expired: allways}", "unknown variant `allways`");
        check("auth.yaml", "confirm: {check: token", "confirm: {check: tokn", "unknown variant `tokn`");
    }

    #[test]
    fn an_unknown_answer_is_told() {
        check(
            "questions.yaml",
            "{id: gradual,",
            "{id: gradualy,",
            "the answers of `spike_start` are gradual, intermittent",
        );
    }

    #[test]
    fn a_cause_must_be_confirmable_and_have_an_id_of_its_own() {
        check(
            "auth.yaml",
            "    confirm: {check: token, role: service}\n",
            "",
            "`token_expired` has no confirming check",
        );
        check("auth.yaml", "id: clock_skew", "id: token_expired", "cause `token_expired` is defined twice");
    }

    #[test]
    fn a_placeholder_nobody_fills_in_is_told() {
        check("auth.yaml", "{{service}}", "{{servce}}", "`{{servce}}` is not known here");
    }

    #[test]
    fn a_signal_with_a_broken_pattern_or_an_unknown_value_is_told() {
        check("signals.yaml", "'nxdomain',", "'nx(domain',", "no regular expression");
        check("signals.yaml", "{text: nxdomain}", "{text: nxdomian}", "did you mean `nxdomain`?");
    }
}
