//! Files to [`Knowledge`]: words become numbers, names become indices, and every name is checked on the way.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::outcome::{CheckKind, Role};
use crate::question::QuestionId;
use crate::runbook::file::{
    BucketFile, Expect, FactEntry, Files, LikelihoodsFile, Read, SignalEntry, SignalsFile, VariableEntry,
};
use crate::runbook::{
    BUILTIN, Cause, FactRule, Knowledge, Own, Runbook, Signal, Source, Table, Variable, Words, lint, own,
    winnable,
};
use crate::yaml::{self, Problem};

pub(super) fn compile(files: &[(String, String)]) -> Result<Knowledge, Vec<Problem>> {
    let mut read = read(files)?;
    let variables = variables(&read.likelihoods)?;
    let mut problems = lint::problems(&read, &variables);
    problems.extend(own::problems(&read.own, &variables, &cause_ids(&read)));
    if problems.is_empty() {
        merge(&mut read);
        problems.extend(winnable::problems(&read, &likelihoods(&read, &variables), &variables));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let likelihoods = likelihoods(&read, &variables);
    let signals = read.signals.file.signals.iter().map(|entry| signal(entry, &variables, &read.signals));
    let signals = signals.collect::<Result<Vec<_>, _>>().map_err(|problem| vec![problem])?;
    let statuses = read.signals.file.statuses.iter().map(|text| pattern(text, &read.signals));
    let statuses = statuses.collect::<Result<Vec<_>, _>>().map_err(|problem| vec![problem])?;
    let mut own: Vec<Own> = read.own.iter().map(|it| Own::of(it.name, &it.file)).collect();
    own.sort_by(|a, b| b.matches.conditions().cmp(&a.matches.conditions()).then_with(|| a.name.cmp(&b.name)));
    let numbers = read.likelihoods.file;
    Ok(Knowledge {
        runbooks: runbooks(&read.buckets),
        own,
        causes: causes(&read.buckets, &numbers),
        groups: variables.iter().map(|variable| variable.group + 1).max().unwrap_or(0),
        signals,
        facts: read.signals.file.facts.iter().map(|entry| fact_rule(entry, &variables)).collect(),
        bodies: read.signals.file.bodies,
        statuses,
        questions: read.questions.file.questions.into_iter().map(|it| (it.id, it)).collect(),
        tables: variables
            .iter()
            .zip(&likelihoods)
            .map(|(variable, rows)| Table::new(rows, variable.trust))
            .collect(),
        variables,
        likelihoods,
        belief: numbers.belief,
        stop: numbers.stop,
        checks: numbers.checks,
        hash: hash(files),
    })
}

/// The files in a fixed order, however they were handed in: the same knowledge always has the same hash.
fn hash(files: &[(String, String)]) -> String {
    let sorted: BTreeMap<&String, &String> = files.iter().map(|(name, text)| (name, text)).collect();
    let mut hasher = Sha256::new();
    for part in sorted.into_iter().flat_map(|(name, text)| [name, text]) {
        hasher.update(part.len().to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let digest = hasher.finalize();
    let first: [u8; 8] = digest[..8].try_into().expect("SHA-256 has 32 bytes");
    format!("{:016x}", u64::from_be_bytes(first))
}

fn read(files: &[(String, String)]) -> Result<Files<'_>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut own = Vec::new();
    for (name, text) in files.iter().filter(|(name, _)| !BUILTIN.iter().any(|(known, _)| known == name)) {
        let known = BUILTIN.iter().map(|(known, _)| *known);
        match yaml::read(name, text) {
            Ok(file) => own.push(Read { name, text, file }),
            // A shipped file's name, misspelt?
            Err(problem) if problem.hint.is_none() => problems.push(problem.did_you_mean(name, known)),
            Err(problem) => problems.push(problem),
        }
    }
    let questions = one(files, "questions.yaml", &mut problems);
    let likelihoods = one(files, "likelihoods.yaml", &mut problems);
    let signals = one(files, "signals.yaml", &mut problems);
    let names = ["client.yaml", "auth.yaml", "rate-limit.yaml", "upstream.yaml", "server.yaml"];
    let buckets: Vec<_> = names.into_iter().filter_map(|name| one(files, name, &mut problems)).collect();
    match (questions, likelihoods, signals) {
        (Some(questions), Some(likelihoods), Some(signals)) if problems.is_empty() => {
            Ok(Files { questions, likelihoods, signals, buckets, own })
        }
        _ => Err(problems),
    }
}

fn cause_ids(read: &Files<'_>) -> Vec<String> {
    let shipped = read.buckets.iter().flat_map(|it| &it.file.causes).map(|cause| cause.id.clone());
    let brought = read.own.iter().flat_map(|it| &it.file.causes).map(|cause| cause.entry.id.clone());
    shipped.chain(brought).collect()
}

/// The causes of the user's runbooks go to their buckets; one with a known id replaces that one.
fn merge(read: &mut Files<'_>) {
    for cause in read.own.iter_mut().flat_map(|it| std::mem::take(&mut it.file.causes)) {
        for bucket in &mut read.buckets {
            bucket.file.causes.retain(|known| known.id != cause.entry.id);
            if bucket.file.bucket == cause.bucket {
                bucket.file.causes.push(cause.entry.clone());
            }
        }
    }
}

fn one<'a, T: serde::de::DeserializeOwned>(
    files: &'a [(String, String)],
    wanted: &str,
    problems: &mut Vec<Problem>,
) -> Option<Read<'a, T>> {
    let Some((name, text)) = files.iter().find(|(name, _)| name == wanted) else {
        problems.push(Problem::of_file(wanted, "this runbook is missing"));
        return None;
    };
    match yaml::read(name, text) {
        Ok(file) => Some(Read { name, text, file }),
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}

fn variables(read: &Read<'_, LikelihoodsFile>) -> Result<Vec<Variable>, Vec<Problem>> {
    let mut groups: Vec<&str> = Vec::new();
    let mut compiled = Vec::new();
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for entry in &read.file.variables {
        let place = || yaml::place(read.text, "variables:", &format!("id: {}", entry.id));
        let Some(source) = source(&entry.id) else {
            let known = known_sources();
            let message = format!("`{}` is no variable: neither a question nor CHECK.ROLE", entry.id);
            let problem = Problem::at(read.name, place(), message);
            problems.push(problem.did_you_mean(&entry.id, known.iter().map(String::as_str)));
            continue;
        };
        if !seen.insert(source) {
            problems.push(Problem::at(read.name, place(), format!("`{}` is defined twice", entry.id)));
        }
        let group = groups.iter().position(|group| *group == entry.group).unwrap_or_else(|| {
            groups.push(&entry.group);
            groups.len() - 1
        });
        compiled.push(variable(entry, source, group));
    }
    if problems.is_empty() { Ok(compiled) } else { Err(problems) }
}

fn variable(entry: &VariableEntry, source: Source, group: usize) -> Variable {
    let values: Vec<String> = entry.background.keys().cloned().collect();
    let index = |id: &String| values.iter().position(|value| value == id);
    let mut codes: BTreeMap<u16, usize> = BTreeMap::new();
    for (place, value) in values.iter().enumerate() {
        if let Ok(code) = value.parse() {
            codes.insert(code, place);
        }
    }
    for (value, others) in &entry.codes {
        codes.extend(others.iter().filter_map(|code| Some((*code, index(value)?))));
    }
    let answers = entry
        .answers
        .iter()
        .map(|(answer, stands_for)| (answer.clone(), stands_for.iter().filter_map(index).collect()))
        .collect();
    Variable {
        id: entry.id.clone(),
        group,
        trust: entry.trust,
        says: entry.says.clone(),
        values,
        source,
        codes,
        answers,
    }
}

/// What a variable's name means.
fn source(id: &str) -> Option<Source> {
    match id {
        "status" => return Some(Source::Status),
        "text" => return Some(Source::Text),
        "direct" => return Some(Source::Direct),
        _ => {}
    }
    if let Ok(question) = id.parse::<QuestionId>() {
        return Some(Source::Question(question));
    }
    let (kind, role) = id.split_once('.')?;
    let kind: CheckKind = kind.parse().ok()?;
    match role {
        "service" => Some(Source::Check(kind, Role::Service)),
        "dependency" => Some(Source::Check(kind, Role::Dependency)),
        "direct" => Some(Source::Behind(kind)),
        _ => None,
    }
}

fn known_sources() -> Vec<String> {
    let questions = QuestionId::ALL.into_iter().map(|id| id.id().to_owned());
    let checks = CheckKind::ALL
        .iter()
        .flat_map(|kind| ["service", "dependency", "direct"].map(|role| format!("{kind}.{role}")));
    ["status", "text", "direct"].into_iter().map(str::to_owned).chain(questions).chain(checks).collect()
}

fn runbooks(buckets: &[Read<'_, BucketFile>]) -> Vec<Runbook> {
    let runbook = |read: &Read<'_, BucketFile>| Runbook {
        file: read.name.to_owned(),
        bucket: read.file.bucket,
        boundary: read.file.boundary.clone(),
        checks: read.file.checks.clone(),
    };
    buckets.iter().map(runbook).collect()
}

/// A bucket's share is divided among its causes, so a bucket does not gain by having more of them.
fn causes(buckets: &[Read<'_, BucketFile>], numbers: &LikelihoodsFile) -> Vec<Cause> {
    let all: f64 = numbers.buckets.values().sum();
    let mut compiled = Vec::new();
    for read in buckets {
        let weight = |prior| numbers.priors.get(prior).copied().unwrap_or(1.0);
        let sum: f64 = read.file.causes.iter().map(|cause| weight(&cause.prior)).sum();
        let share = numbers.buckets.get(&read.file.bucket).copied().unwrap_or(0.0) / all;
        compiled.extend(read.file.causes.iter().filter_map(|entry| {
            Some(Cause {
                id: entry.id.clone(),
                bucket: read.file.bucket,
                prior: share * weight(&entry.prior) / sum,
                in_dependency: entry.in_dependency,
                says: entry.says.clone(),
                next_experiment: entry.next_experiment.clone(),
                mitigation: entry.mitigation.clone(),
                confirm: entry.confirm?,
            })
        }));
    }
    compiled
}

fn likelihoods(read: &Files<'_>, variables: &[Variable]) -> Vec<Vec<Vec<f64>>> {
    let rows: Vec<(&Expect, &Expect)> = read
        .buckets
        .iter()
        .flat_map(|bucket| bucket.file.causes.iter().map(|cause| (&cause.expect, &bucket.file.expect)))
        .collect();
    let numbers = &read.likelihoods.file;
    let table = |(variable, entry): (&Variable, &VariableEntry)| {
        let columns: Vec<Vec<f64>> = rows
            .iter()
            .map(|(own, shared)| {
                let said = own.get(&variable.id).or_else(|| shared.get(&variable.id));
                distribution(entry, said, numbers)
            })
            .collect();
        (0..variable.values.len()).map(|value| columns.iter().map(|column| column[value]).collect()).collect()
    };
    variables.iter().zip(&numbers.variables).map(table).collect()
}

/// What a cause says about one variable, as a distribution over its values (sorted, as in [`Variable::values`]).
fn distribution(
    entry: &VariableEntry,
    said: Option<&BTreeMap<String, crate::runbook::Word>>,
    numbers: &LikelihoodsFile,
) -> Vec<f64> {
    let ordinary: f64 = entry.background.values().sum();
    let Some(said) = said else {
        return entry.background.values().map(|weight| weight / ordinary).collect();
    };
    let word = |value: &str| said.get(value).and_then(|word| numbers.words.get(word)).copied();
    let named: f64 = entry.background.keys().filter_map(|value| word(value)).sum();
    let unnamed: f64 =
        entry.background.iter().filter(|(value, _)| word(value).is_none()).map(|(_, weight)| weight).sum();
    let rest = (1.0 - named).max(numbers.belief.rest);
    let mut row: Vec<f64> = entry
        .background
        .iter()
        .map(|(value, weight)| word(value).unwrap_or_else(|| rest * weight / unnamed))
        .collect();
    scale(&mut row);
    let passing: Vec<bool> = entry.background.keys().map(|value| entry.passing.contains(value)).collect();
    let healthy: f64 = row.iter().zip(&passing).filter(|(_, passing)| **passing).map(|(p, _)| p).sum();
    if passing.contains(&true) && healthy < numbers.belief.passing {
        let weights: f64 = healthy_weight(entry);
        let missing = numbers.belief.passing - healthy;
        for (place, (_, weight)) in entry.background.iter().enumerate() {
            if passing[place] {
                row[place] += missing * weight / weights;
            }
        }
        scale(&mut row);
    }
    row
}

fn healthy_weight(entry: &VariableEntry) -> f64 {
    entry.background.iter().filter(|(value, _)| entry.passing.contains(value)).map(|(_, weight)| weight).sum()
}

fn scale(row: &mut [f64]) {
    let sum: f64 = row.iter().sum();
    for value in row {
        *value /= sum;
    }
}

fn signal(
    entry: &SignalEntry,
    variables: &[Variable],
    read: &Read<'_, SignalsFile>,
) -> Result<Signal, Problem> {
    let any = Words::new(&entry.any);
    // The shipped patterns are compiled when the first text is read, which keeps 80 ms out of every start; a test compiles
    // them all. Somebody's own are compiled now, so that a mistake is told with its place.
    let is_shipped = BUILTIN.iter().any(|(_, text)| *text == read.text);
    if !is_shipped && let Err(error) = any.compile() {
        for text in &entry.any {
            pattern(text, read)?;
        }
        return Err(Problem::of_file(read.name, format!("signal {}: {error}", entry.id)));
    }
    Ok(Signal { id: entry.id.clone(), sets: sets(&entry.sets, variables), places: entry.places.clone(), any })
}

fn pattern(text: &str, read: &Read<'_, SignalsFile>) -> Result<regex::Regex, Problem> {
    regex::RegexBuilder::new(text).case_insensitive(true).multi_line(true).build().map_err(|error| {
        let why = error.to_string().lines().last().unwrap_or_default().to_owned();
        Problem::at(read.name, yaml::place(read.text, "", text), format!("no regular expression: {why}"))
    })
}

fn fact_rule(entry: &FactEntry, variables: &[Variable]) -> FactRule {
    FactRule {
        fact: entry.fact.clone(),
        is: entry.is.clone(),
        check: entry.check,
        sets: sets(&entry.sets, variables),
    }
}

fn sets(wanted: &BTreeMap<String, String>, variables: &[Variable]) -> Vec<(usize, usize)> {
    wanted
        .iter()
        .filter_map(|(id, value)| {
            let index = variables.iter().position(|variable| variable.id == *id)?;
            Some((index, variables[index].value(value)?))
        })
        .collect()
}
