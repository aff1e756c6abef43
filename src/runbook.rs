//! What triage knows: questions and their wording, causes and what they make likely, signals, thresholds. All of it is
//! data in `runbooks/*.yaml`, shipped inside the program.
//!
//! It refuses files that name a check, outcome, question, answer or value nobody has, and a cause nobody could confirm.
//! The surprise: a cause's words are a *distribution*. What it does not name shares the rest in the proportions of an
//! ordinary incident (`background`), so the worth of a question not yet asked can be computed.

mod compile;
mod file;
mod lint;
mod own;
mod page;
mod schema;
mod winnable;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::bucket::Bucket;
use crate::incident::Incident;
use crate::outcome::{CheckKind, Outcome, Role};
use crate::question::QuestionId;
use crate::yaml::Problem;

pub use file::{Bar, BeliefNumbers, CheckNumbers, CheckOf, Place, Prior, StopNumbers, Word};
pub use own::{Many, Match, Moment, Own, OwnStep, VARIABLES, When, keys};
pub use schema::{SCHEMAS, schema};

/// The built-in files: name and text.
pub const BUILTIN: &[(&str, &str)] = &[
    ("questions.yaml", include_str!("../runbooks/questions.yaml")),
    ("likelihoods.yaml", include_str!("../runbooks/likelihoods.yaml")),
    ("signals.yaml", include_str!("../runbooks/signals.yaml")),
    ("client.yaml", include_str!("../runbooks/client.yaml")),
    ("auth.yaml", include_str!("../runbooks/auth.yaml")),
    ("rate-limit.yaml", include_str!("../runbooks/rate-limit.yaml")),
    ("upstream.yaml", include_str!("../runbooks/upstream.yaml")),
    ("server.yaml", include_str!("../runbooks/server.yaml")),
];

/// How a question is put to a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The question.
    pub id: QuestionId,
    /// The wording for chat.
    pub ask: String,
    /// The closed answers with their labels, in the order of [`QuestionId::answers`].
    pub answers: Vec<AnswerLabel>,
    /// Who can usually answer.
    pub who: String,
    /// What it costs in a person's attention; a glance at a dashboard is 1.
    pub cost: f64,
    /// The share of incidents in which somebody can tell, 0 to 1.
    pub known: f64,
}

/// A closed answer in a person's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerLabel {
    /// The answer's id.
    pub id: String,
    /// What the person reads.
    pub label: String,
}

/// Where a variable's observations come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The failing status or transport error: the alert, an answer, a failing request.
    Status,
    /// What error texts speak of.
    Text,
    /// What the application says behind a failing gateway.
    Direct,
    /// A person's answer (or a fact that tells the same).
    Question(QuestionId),
    /// A check's outcome.
    Check(CheckKind, Role),
    /// The outcome of a check of the application behind the gateway.
    Behind(CheckKind),
}

/// Something that can be observed, with the values it can have.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Its id in the files.
    pub id: String,
    /// Index of its group; observations of one group are counted once.
    pub group: usize,
    /// How far it is evidence of its own, as an exponent, 0 to 1.
    pub trust: f64,
    /// The observation in a person's words, with `{{value}}`.
    pub says: String,
    /// Its values, sorted.
    pub values: Vec<String>,
    /// Where it comes from.
    pub source: Source,
    /// HTTP statuses that are counted as a value.
    pub codes: BTreeMap<u16, usize>,
    /// Answers that stand for several values.
    pub answers: BTreeMap<String, Vec<usize>>,
}

impl Variable {
    /// The index of a value.
    #[must_use]
    pub fn value(&self, id: &str) -> Option<usize> {
        self.values.iter().position(|value| value == id)
    }
}

/// A named reason for which requests fail.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cause {
    /// Its id.
    pub id: String,
    /// Its boundary.
    pub bucket: Bucket,
    /// Its probability before anything is known, 0 to 1.
    pub prior: f64,
    /// Whether the fault sits in a dependency, which is then named.
    pub in_dependency: bool,
    /// One sentence, with `{{service}}` and `{{dependency}}`.
    pub says: String,
    /// What would settle it.
    pub next_experiment: String,
    /// What eases the pain first.
    pub mitigation: String,
    /// The check that confirms it.
    #[serde(skip)]
    pub confirm: CheckOf,
}

/// One bucket's runbook.
#[derive(Debug, Clone)]
pub struct Runbook {
    /// The file it came from.
    pub file: String,
    /// Its boundary.
    pub bucket: Bucket,
    /// The boundary's fault in a person's words.
    pub boundary: String,
    /// Its confirming checks, in the order of the framework.
    pub checks: Vec<CheckOf>,
}

/// Patterns that are compiled when they are first used.
#[derive(Debug, Clone)]
pub struct Words {
    patterns: Vec<String>,
    set: OnceLock<regex::RegexSet>,
}

impl Words {
    pub(crate) fn new(patterns: &[String]) -> Self {
        Self { patterns: patterns.to_vec(), set: OnceLock::new() }
    }

    /// Whether any of them stands in the text; case does not matter.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.set
            .get_or_init(|| self.compile().expect("checked when it was read, or by a test"))
            .is_match(text)
    }

    /// Compiles them.
    pub(crate) fn compile(&self) -> Result<regex::RegexSet, regex::Error> {
        regex::RegexSetBuilder::new(&self.patterns).case_insensitive(true).build()
    }
}

/// A compiled signal: which value of which variable a text sets.
#[derive(Debug, Clone)]
pub struct Signal {
    /// Its id.
    pub id: String,
    /// Variable and value.
    pub sets: Vec<(usize, usize)>,
    /// Where it is read.
    pub places: Vec<Place>,
    /// What it looks for.
    pub any: Words,
}

/// A compiled rule about a fact.
#[derive(Debug, Clone)]
pub struct FactRule {
    /// The fact's key.
    pub fact: String,
    /// The values it must have one of; any value when empty.
    pub is: Vec<String>,
    /// Only of this kind of check.
    pub check: Option<CheckKind>,
    /// Variable and value.
    pub sets: Vec<(usize, usize)>,
}

/// What the values of one variable do to a belief: `[value][cause]`.
#[derive(Debug, Clone)]
struct Table {
    logs: Vec<Vec<f64>>,
    powers: Vec<Vec<f64>>,
}

impl Table {
    fn new(likelihoods: &[Vec<f64>], trust: f64) -> Self {
        let logs: Vec<Vec<f64>> =
            likelihoods.iter().map(|row| row.iter().map(|p| p.ln() * trust).collect()).collect();
        let powers = logs.iter().map(|row| row.iter().map(|log| log.exp()).collect()).collect();
        Self { logs, powers }
    }
}

/// Everything triage knows, checked and ready.
#[derive(Debug, Clone)]
pub struct Knowledge {
    questions: BTreeMap<QuestionId, Question>,
    /// The five runbooks, in the order of [`Bucket::ALL`].
    pub runbooks: Vec<Runbook>,
    /// The user's own runbooks, in the order in which they are looked at.
    pub own: Vec<Own>,
    /// All causes, by bucket, then in the order of the file.
    pub causes: Vec<Cause>,
    /// All variables, in the order of the file.
    pub variables: Vec<Variable>,
    /// How many groups the variables form.
    pub groups: usize,
    /// Free-text signals.
    pub signals: Vec<Signal>,
    /// Rules about facts.
    pub facts: Vec<FactRule>,
    /// Fact keys that hold error texts.
    pub bodies: Vec<String>,
    /// How a status is written in words; the first group is the status.
    pub statuses: Vec<regex::Regex>,
    /// How observations add up.
    pub belief: BeliefNumbers,
    /// When triage stops.
    pub stop: StopNumbers,
    /// What checks cost.
    pub checks: CheckNumbers,
    /// `[variable][value][cause]`: P(value | cause).
    likelihoods: Vec<Vec<Vec<f64>>>,
    /// The same, made ready for belief.
    tables: Vec<Table>,
    hash: String,
}

impl Knowledge {
    /// The knowledge shipped inside the program.
    ///
    /// # Panics
    /// Never in a tested build: the shipped files are read by the tests.
    #[must_use]
    pub fn builtin() -> Self {
        Self::with_overrides(&[]).expect("the shipped runbooks are read by the tests")
    }

    /// The shipped files, with those of the same name replaced.
    ///
    /// # Errors
    /// Every problem found, with its place.
    pub fn with_overrides(overrides: &[(String, String)]) -> Result<Self, Vec<Problem>> {
        let mut files: BTreeMap<String, String> =
            BUILTIN.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        files.extend(overrides.iter().cloned());
        Self::parse(&files.into_iter().collect::<Vec<_>>())
    }

    /// Reads a full set of files: name and text. What a file is, its name says: names
    /// outside [`BUILTIN`] are runbooks of the user's own.
    ///
    /// # Errors
    /// Every problem found, with its place.
    pub fn parse(files: &[(String, String)]) -> Result<Self, Vec<Problem>> {
        compile::compile(files)
    }

    /// Content hash of the files, 16 hexadecimal digits: two conclusions with the same hash used the same knowledge.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// How a question is put to a person.
    #[must_use]
    pub fn question(&self, id: QuestionId) -> &Question {
        &self.questions[&id]
    }

    /// The index of the variable with this source.
    #[must_use]
    pub fn variable(&self, source: Source) -> Option<usize> {
        self.variables.iter().position(|variable| variable.source == source)
    }

    /// P(value | cause) for every cause, in the order of [`Knowledge::causes`].
    #[must_use]
    pub fn likelihood(&self, variable: usize, value: usize) -> &[f64] {
        &self.likelihoods[variable][value]
    }

    /// The natural logarithm of [`Knowledge::likelihood`], times the variable's trust.
    #[must_use]
    pub(crate) fn log_likelihood(&self, variable: usize, value: usize) -> &[f64] {
        &self.tables[variable].logs[value]
    }

    /// [`Knowledge::likelihood`] to the power of the variable's trust: what an observation multiplies a probability with.
    #[must_use]
    pub(crate) fn power(&self, variable: usize, value: usize) -> &[f64] {
        &self.tables[variable].powers[value]
    }

    /// What a check costs, in glances at a dashboard.
    #[must_use]
    pub fn cost(&self, kind: CheckKind) -> f64 {
        self.checks.costs.get(&kind).copied().unwrap_or(1.0)
    }

    /// The user's runbook for an incident: of those that fit, the one with the most conditions, of equals the first by name.
    #[must_use]
    pub fn chosen(&self, incident: &Incident) -> Option<&Own> {
        self.own.iter().find(|own| own.refuses(incident).is_none())
    }

    /// The runbook of a bucket.
    #[must_use]
    pub fn runbook(&self, bucket: Bucket) -> Option<&Runbook> {
        self.runbooks.iter().find(|runbook| runbook.bucket == bucket)
    }
}

/// Whether an outcome says that nothing is wrong with what was looked at.
#[must_use]
pub fn is_healthy(kind: CheckKind, outcome: Outcome) -> bool {
    match kind {
        CheckKind::StatusPage => outcome == Outcome::Operational,
        CheckKind::Tls => matches!(outcome, Outcome::Valid | Outcome::ExpiresSoon),
        CheckKind::Http => matches!(outcome, Outcome::Ok | Outcome::Slow),
        CheckKind::RateLimit => matches!(outcome, Outcome::NotLimited | Outcome::NoHeaders),
        _ => kind.outcomes().first() == Some(&outcome),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_signal_compiles() {
        for signal in Knowledge::builtin().signals {
            assert!(signal.any.compile().is_ok(), "{}", signal.id);
        }
    }

    #[test]
    fn every_question_has_its_wording_and_a_label_for_every_answer() {
        let knowledge = Knowledge::builtin();
        for id in QuestionId::ALL {
            let labels: Vec<&str> = knowledge.question(id).answers.iter().map(|it| it.id.as_str()).collect();
            assert_eq!(labels, id.answers(), "{id}");
        }
        assert_eq!(knowledge.hash().len(), 16);
    }

    #[test]
    fn every_line_of_every_runbook_is_a_probability_distribution() {
        let knowledge = Knowledge::builtin();
        for (index, variable) in knowledge.variables.iter().enumerate() {
            for (place, cause) in knowledge.causes.iter().enumerate() {
                let sum: f64 =
                    (0..variable.values.len()).map(|value| knowledge.likelihood(index, value)[place]).sum();
                assert!((sum - 1.0).abs() < 1e-9, "{} given {}: {sum}", variable.id, cause.id);
            }
        }
        let priors: f64 = knowledge.causes.iter().map(|cause| cause.prior).sum();
        assert!((priors - 1.0).abs() < 1e-9);
    }

    #[test]
    fn every_bucket_has_its_runbook_and_several_causes() {
        let knowledge = Knowledge::builtin();
        for bucket in Bucket::ALL {
            assert!(knowledge.runbook(bucket).is_some(), "{bucket}");
            assert!(knowledge.causes.iter().filter(|cause| cause.bucket == bucket).count() >= 8, "{bucket}");
        }
    }

    #[test]
    fn a_changed_file_changes_the_hash() {
        let (name, text) = BUILTIN[0];
        let changed = [(name.to_owned(), format!("{text}\n# changed\n"))];
        let other = Knowledge::with_overrides(&changed).unwrap();
        assert_ne!(other.hash(), Knowledge::builtin().hash());
    }

    #[test]
    fn healthy_is_healthy_and_nothing_else() {
        assert!(is_healthy(CheckKind::Tls, Outcome::ExpiresSoon));
        assert!(is_healthy(CheckKind::RateLimit, Outcome::NoHeaders));
        assert!(!is_healthy(CheckKind::Http, Outcome::ClientError));
        assert!(is_healthy(CheckKind::Deploys, Outcome::NoneNear));
    }
}
