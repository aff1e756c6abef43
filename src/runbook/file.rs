//! The shapes of the files under `runbooks/`, as people write them. Meaning is checked in `compile`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::bucket::Bucket;
use crate::incident::FlappingNumbers;
use crate::outcome::{CheckKind, Role};
use crate::runbook::Question;
use crate::runbook::own::OwnFile;

/// How likely a cause makes a value. What a word is worth stands in `likelihoods.yaml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// Nearly without exception.
    Always,
    /// More often than not.
    Likely,
    /// Now and then.
    Possible,
    /// Seldom.
    Unlikely,
    /// Practically not.
    Never,
}

/// How often a cause is met, relative to the others of its bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Prior {
    /// Every on-call person has met it.
    Common,
    /// Met now and then.
    Occasional,
    /// Met seldom.
    Rare,
}

/// Variable, value, word.
pub(super) type Expect = BTreeMap<String, BTreeMap<String, Word>>;

/// `questions.yaml`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QuestionsFile {
    pub(super) questions: Vec<Question>,
}

/// One bucket's runbook: `client.yaml`, `auth.yaml`, …
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BucketFile {
    pub(super) bucket: Bucket,
    pub(super) boundary: String,
    pub(super) checks: Vec<CheckOf>,
    #[serde(default)]
    pub(super) expect: Expect,
    pub(super) causes: Vec<CauseEntry>,
}

/// A check and whose endpoint it looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckOf {
    /// The kind of check.
    pub check: CheckKind,
    /// Ours or an upstream.
    pub role: Role,
}

/// One cause as written.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CauseEntry {
    pub(super) id: String,
    pub(super) prior: Prior,
    #[serde(default)]
    pub(super) in_dependency: bool,
    pub(super) says: String,
    pub(super) next_experiment: String,
    pub(super) mitigation: String,
    pub(super) confirm: Option<CheckOf>,
    #[serde(default)]
    pub(super) expect: Expect,
}

/// `likelihoods.yaml`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LikelihoodsFile {
    pub(super) words: BTreeMap<Word, f64>,
    pub(super) priors: BTreeMap<Prior, f64>,
    pub(super) buckets: BTreeMap<Bucket, f64>,
    pub(super) belief: BeliefNumbers,
    pub(super) stop: StopNumbers,
    pub(super) checks: CheckNumbers,
    pub(super) variables: Vec<VariableEntry>,
}

/// How observations add up. Explained where they are set, in `likelihoods.yaml`.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BeliefNumbers {
    /// Share with which a further observation of one group counts, 0 to 1.
    pub again: f64,
    /// Probability kept for the values a cause does not name, 0 to 1.
    pub rest: f64,
    /// No cause makes a healthy outcome of a probe rarer than this, 0 to 1.
    pub passing: f64,
}

/// When triage stops. Explained where they are set, in `likelihoods.yaml`.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StopNumbers {
    /// At this bar nothing more is asked or checked.
    pub sure: Bar,
    /// At this bar it is clarity once nothing left is worth its cost.
    pub enough: Bar,
    /// How much a passed test could have cost the best boundary, in decibans.
    pub refutation: f64,
    /// Expected information per cost below which nothing is asked, in bits.
    pub gain: f64,
    /// Questions put to people in one incident, at most.
    pub questions: usize,
    /// Questions open at one time, at most.
    pub at_once: usize,
    /// How long a question waits for a person, in seconds.
    pub patience_s: u32,
    /// When the alerts go on and off too often to believe their latest word.
    pub flapping: FlappingNumbers,
}

/// How far the best boundary must stand out.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bar {
    /// Its probability, 0 to 1.
    pub probability: f64,
    /// Its lead over the next one, 0 to 1.
    pub margin: f64,
}

/// What checks cost, in glances at a dashboard.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckNumbers {
    /// Checks up to this cost are run at once.
    pub first_wave: f64,
    /// The cost of each kind.
    pub costs: BTreeMap<CheckKind, f64>,
}

/// A variable as written.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VariableEntry {
    pub(super) id: String,
    pub(super) group: String,
    pub(super) trust: f64,
    pub(super) says: String,
    pub(super) background: BTreeMap<String, f64>,
    #[serde(default)]
    pub(super) passing: Vec<String>,
    #[serde(default)]
    pub(super) codes: BTreeMap<String, Vec<u16>>,
    #[serde(default)]
    pub(super) answers: BTreeMap<String, Vec<String>>,
}

/// `signals.yaml`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignalsFile {
    pub(super) signals: Vec<SignalEntry>,
    pub(super) facts: Vec<FactEntry>,
    pub(super) bodies: Vec<String>,
    pub(super) statuses: Vec<String>,
}

/// A place where free text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The alert's title and summary.
    Alert,
    /// The answer to `failing_request`.
    Request,
    /// Error bodies and reasons in the facts of checks.
    Body,
}

/// A signal as written.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignalEntry {
    pub(super) id: String,
    pub(super) sets: BTreeMap<String, String>,
    #[serde(default, rename = "in")]
    pub(super) places: Vec<Place>,
    pub(super) any: Vec<String>,
}

/// A rule about a fact of a check, as written.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FactEntry {
    pub(super) fact: String,
    #[serde(default)]
    pub(super) is: Vec<String>,
    pub(super) sets: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) check: Option<CheckKind>,
}

/// A file that was read, with the text that problems are placed in.
pub(super) struct Read<'a, T> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    pub(super) file: T,
}

/// All files that were read.
pub(super) struct Files<'a> {
    pub(super) questions: Read<'a, QuestionsFile>,
    pub(super) likelihoods: Read<'a, LikelihoodsFile>,
    pub(super) signals: Read<'a, SignalsFile>,
    pub(super) buckets: Vec<Read<'a, BucketFile>>,
    pub(super) own: Vec<Read<'a, OwnFile>>,
}

/// The bucket a runbook's file name stands for.
pub(super) fn bucket_of(name: &str) -> Option<Bucket> {
    name.trim_end_matches(".yaml").replace('-', "_").parse().ok()
}
