//! Problems of meaning in a runbook of one's own, all at once, each at its exact place.

use std::collections::BTreeMap;

use crate::alert::Source as AlertSource;
use crate::outcome::CheckKind;
use crate::runbook::Variable;
use crate::runbook::file::Read;
use crate::runbook::lint::{unknown, unknown_placeholder};
use crate::runbook::own::file::{Many, Match, OwnFile, OwnStep, When};
use crate::runbook::own::{fill, keys};
use crate::yaml::{self, Node, Problem};

/// Everything wrong with these runbooks; `causes` are the ids of all causes there are.
pub(in crate::runbook) fn problems(
    files: &[Read<'_, OwnFile>],
    variables: &[Variable],
    causes: &[String],
) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut brought: BTreeMap<&str, &str> = BTreeMap::new();
    for (place, read) in files.iter().enumerate() {
        let mut lint = Lint { read, found: Vec::new() };
        lint.matches(&read.file.matches);
        if let Some(earlier) = files[..place].iter().find(|it| it.file.matches == read.file.matches) {
            let message = format!("this runbook can never be chosen: {} has the same `match`", earlier.name);
            lint.say(&["match"], Node::Key, message);
        }
        if read.file.steps.is_empty() && read.file.causes.is_empty() {
            lint.say(
                &["title"],
                Node::Key,
                "this runbook has neither `steps` nor `causes`, so it changes nothing".into(),
            );
        }
        for (index, step) in read.file.steps.iter().enumerate() {
            lint.step(&index.to_string(), step, variables, causes);
        }
        for (index, cause) in read.file.causes.iter().enumerate() {
            lint.cause(&index.to_string(), &cause.entry, variables);
            if let Some(other) = brought.insert(&cause.entry.id, read.name) {
                let path = ["causes", &index.to_string(), "id"];
                lint.say(
                    &path,
                    Node::Value,
                    format!("cause `{}` is defined twice; {other} has it too", cause.entry.id),
                );
            }
        }
        found.extend(lint.found);
    }
    found
}

struct Lint<'a> {
    read: &'a Read<'a, OwnFile>,
    found: Vec<Problem>,
}

impl Lint<'_> {
    fn say(&mut self, path: &[&str], node: Node, message: String) {
        let place = yaml::locate(self.read.text, path, node);
        self.found.push(Problem::at(self.read.name, place, message));
    }

    fn hint<'b>(&mut self, unknown: &str, known: impl IntoIterator<Item = &'b str>) {
        if let Some(problem) = self.found.pop() {
            self.found.push(problem.did_you_mean(unknown, known));
        }
    }

    fn matches(&mut self, it: &Match) {
        let all = AlertSource::all();
        let known: Vec<&str> = all.iter().map(AlertSource::id).collect();
        let statuses = it.status.as_ref();
        self.statuses(&["match", "status"], statuses);
        if it.status.is_some() && it.error.is_some() {
            let message =
                "this can never match: an alert with an `error` had no response and so has no `status`";
            self.say(&["match", "error"], Node::Key, message.to_owned());
        }
        for (index, source) in it.source.iter().flat_map(|it| it.0.iter()).enumerate() {
            if !source.contains('*') && !known.contains(&source.as_str()) {
                let message = format!("this can never match: there is no source `{source}`");
                self.item(
                    &["match", "source"],
                    index,
                    it.source.as_ref().is_some_and(|it| it.0.len() > 1),
                    message,
                );
                self.hint(source, known.iter().copied());
            }
        }
        let words = [
            ("service", &it.service),
            ("endpoint", &it.endpoint),
            ("source", &it.source),
            ("environment", &it.environment),
            ("region", &it.region),
            ("title", &it.title),
        ];
        for (field, wanted) in words {
            self.some(&["match", field], wanted.as_ref().map(|it| it.0.as_slice()));
        }
        for (label, wanted) in &it.labels {
            self.some(&["match", "labels", label], Some(&wanted.0));
        }
        self.any(&["match", "severity"], it.severity.as_ref().map(|it| it.0.len()));
        self.any(&["match", "error"], it.error.as_ref().map(|it| it.0.len()));
    }

    /// A problem with one of several values, or the only one.
    fn item(&mut self, path: &[&str], index: usize, is_list: bool, message: String) {
        let index = index.to_string();
        let mut path = path.to_vec();
        if is_list {
            path.push(&index);
        }
        self.say(&path, Node::Value, message);
    }

    fn any(&mut self, path: &[&str], count: Option<usize>) {
        if count == Some(0) {
            self.say(path, Node::Key, "this can never match: the list is empty".to_owned());
        }
    }

    fn some(&mut self, path: &[&str], wanted: Option<&[String]>) {
        self.any(path, wanted.map(<[String]>::len));
        if wanted.is_some_and(|it| it.iter().any(|text| text.trim().is_empty())) {
            self.say(
                path,
                Node::Value,
                "this can never match: an alert has a value here or none, never an empty one".to_owned(),
            );
        }
    }

    fn statuses(&mut self, path: &[&str], wanted: Option<&Many<u16>>) {
        self.any(path, wanted.map(|it| it.0.len()));
        for (index, code) in wanted.iter().flat_map(|it| it.0.iter()).enumerate() {
            if !(100..600).contains(code) {
                let message = format!("this can never match: `{code}` is no HTTP status (100 to 599)");
                self.item(path, index, wanted.is_some_and(|it| it.0.len() > 1), message);
            }
        }
    }

    fn step(&mut self, index: &str, step: &OwnStep, variables: &[Variable], causes: &[String]) {
        let at = ["steps", index];
        let kinds =
            [step.check.is_some(), step.ask.is_some(), step.escalate.is_some(), step.mitigate.is_some()];
        if kinds.into_iter().filter(|it| *it).count() != 1 {
            self.say(
                &at,
                Node::Value,
                "a step has exactly one of `check`, `ask`, `escalate` and `mitigate`".to_owned(),
            );
        }
        let parts = [
            ("role", step.role.is_some()),
            ("name", step.name.is_some()),
            ("target", step.target.is_some()),
            ("with", !step.with.is_empty()),
        ];
        for (key, _) in parts.into_iter().filter(|(_, is_there)| *is_there && step.check.is_none()) {
            self.say(&["steps", index, key], Node::Key, format!("`{key}` belongs to a `check`"));
        }
        if step.ask == Some(crate::question::QuestionId::EvidenceComplete) {
            self.say(
                &["steps", index, "ask"],
                Node::Value,
                "`evidence_complete` is answered by the bot itself".to_owned(),
            );
        }
        for (key, text) in
            [("escalate", &step.escalate), ("mitigate", &step.mitigate), ("target", &step.target)]
        {
            if let Some(text) = text {
                self.template(&["steps", index, key], text);
            }
        }
        if let Some(kind) = step.check {
            self.check(index, kind, step);
        }
        self.when(index, &step.when, variables, causes);
    }

    fn template(&mut self, path: &[&str], text: &str) {
        let Some((word, message)) = fill::fault(text) else { return };
        let (line, column) = yaml::locate(self.read.text, path, Node::Value);
        // The word itself, where it stands on the value's first line as written.
        let written = self.read.text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        let start: usize = written.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
        let inside = written[start..].find(&word).filter(|_| !word.is_empty());
        let column = column + inside.map_or(0, |found| written[start..start + found].chars().count());
        self.found.push(Problem::at(self.read.name, (line, column), message));
        self.hint(&word, fill::VARIABLES.iter().copied());
    }

    fn check(&mut self, index: &str, kind: CheckKind, step: &OwnStep) {
        for (key, value) in &step.with {
            let path = ["steps", index, "with", key.as_str()];
            if !keys::takes(kind, key) {
                self.say(
                    &path,
                    Node::Key,
                    format!(
                        "the {kind} check has no key `{key}`; its keys are {}",
                        keys::keys(kind).join(", ")
                    ),
                );
                self.hint(key, keys::keys(kind).iter().copied());
                continue;
            }
            self.template(&path, &value.0);
            let is_filled = value.0.contains("{{");
            if is_filled && matches!(key.as_str(), "ca_file" | "spec" | "jwks") {
                self.say(
                    &path,
                    Node::Value,
                    format!("`{key}` may name a file, so an alert has no say in it: write it out"),
                );
            }
            if !is_filled && let Some(what) = keys::unlike(key, &value.0) {
                self.say(&path, Node::Value, format!("`{key}` is `{}`; write {what}", value.0));
            }
        }
        let Some(target) = step.target.as_ref().filter(|it| it.contains("{{")) else { return };
        let path = ["steps", index, "target"];
        if matches!(kind, CheckKind::Token | CheckKind::Contract | CheckKind::Deploys) {
            self.say(&path, Node::Value, format!("the target of a {kind} check may name a file or a secret, so an alert has no say in it: write it out"));
        }
        let fixed = target.split("{{").next().unwrap_or_default();
        let is_house_fixed = fixed.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
        if step.with.values().any(|value| value.0.contains("env:")) && !is_house_fixed {
            self.say(
                &path,
                Node::Value,
                "a secret would be sent to a host that the alert names: write the host out".to_owned(),
            );
        }
    }

    fn when(&mut self, index: &str, when: &When, variables: &[Variable], causes: &[String]) {
        self.statuses(&["steps", index, "when", "status"], when.status.as_ref());
        for (question, wanted) in &when.answers {
            let known = question.answers();
            for (place, answer) in wanted.0.iter().enumerate() {
                if answer != "unknown" && !known.is_empty() && !known.contains(&answer.as_str()) {
                    let path = ["steps", index, "when", "answers", question.id()];
                    self.item(
                        &path,
                        place,
                        wanted.0.len() > 1,
                        format!("`{answer}` is no answer of `{question}`, so this never holds"),
                    );
                    self.hint(answer, known.iter().copied());
                }
            }
        }
        for (check, wanted) in &when.outcomes {
            let path = ["steps", index, "when", "outcomes", check.as_str()];
            let kind = check.split_once('.').filter(|(_, role)| matches!(*role, "service" | "dependency"));
            let Some(kind) = kind.and_then(|(kind, _)| kind.parse::<CheckKind>().ok()) else {
                self.say(&path, Node::Key, format!("`{check}` is no check and role, such as `http.service`"));
                self.hint(check, variables.iter().map(|it| it.id.as_str()));
                continue;
            };
            for (place, outcome) in wanted.0.iter().enumerate() {
                if *outcome != crate::outcome::Outcome::Error && !kind.outcomes().contains(outcome) {
                    self.item(
                        &path,
                        place,
                        wanted.0.len() > 1,
                        format!("`{outcome}` is no outcome of {kind}, so this never holds"),
                    );
                    self.hint(outcome.id(), kind.outcomes().iter().map(|it| it.id()));
                }
            }
        }
        for (place, cause) in when.cause.iter().flat_map(|it| it.0.iter()).enumerate() {
            if !causes.contains(cause) {
                let is_list = when.cause.as_ref().is_some_and(|it| it.0.len() > 1);
                self.item(
                    &["steps", index, "when", "cause"],
                    place,
                    is_list,
                    format!("there is no cause `{cause}`, so this never holds"),
                );
                self.hint(cause, causes.iter().map(String::as_str));
            }
        }
        if when.probability.is_some_and(|it| !(0.0..=1.0).contains(&it)) {
            self.say(
                &["steps", index, "when", "probability"],
                Node::Value,
                "a probability is 0 to 1".to_owned(),
            );
        }
    }

    fn cause(&mut self, index: &str, cause: &crate::runbook::file::CauseEntry, variables: &[Variable]) {
        let at = ["causes", index];
        if cause.confirm.is_none() {
            self.say(&at, Node::Value, format!("cause `{}` has no confirming check (`confirm:`)", cause.id));
        }
        if cause.expect.is_empty() {
            self.say(
                &at,
                Node::Value,
                format!("cause `{}` expects nothing, so nothing could speak for or against it", cause.id),
            );
        }
        let texts = [
            ("says", &cause.says),
            ("next_experiment", &cause.next_experiment),
            ("mitigation", &cause.mitigation),
        ];
        for (key, text) in texts {
            if let Some(unknown) = unknown_placeholder(text) {
                let message =
                    format!("`{{{{{unknown}}}}}` is not known here; there are `service` and `dependency`");
                self.say(&["causes", index, key], Node::Value, message);
            }
        }
        for (id, values) in &cause.expect {
            for value in values.keys() {
                let Some((word, message, known)) = unknown(id, value, variables) else { continue };
                let path = ["causes", index, "expect", id, value];
                let path = if word == *value { &path[..] } else { &path[..4] };
                self.say(path, Node::Key, message);
                self.hint(&word, known.iter().map(String::as_str));
            }
        }
    }
}
