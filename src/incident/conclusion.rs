//! What triage says at its end, and why.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bucket::Bucket;

/// Why triage stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// The three things can be stated.
    Clarity,
    /// Nothing left is worth its cost.
    Unclear,
}

/// What triage says at its end. Every number in it can be explained by its `reasons`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conclusion {
    /// Clarity, or an honest "unclear".
    pub stopped: Stopped,
    /// The most likely failing boundary; the best guess when unclear.
    pub bucket: Bucket,
    /// Its probability, 0 to 1.
    pub probability: f64,
    /// The next likely boundary.
    pub runner_up: Bucket,
    /// All boundaries; they add up to 1.
    pub buckets: BTreeMap<Bucket, f64>,
    /// The one or two best hypotheses, best first.
    pub hypotheses: Vec<Hypothesis>,
    /// The experiment that settles it, one sentence.
    pub next_experiment: String,
    /// The observations that moved the belief, strongest first.
    pub reasons: Vec<Reason>,
    /// What was ruled out, and by what.
    pub ruled_out: Vec<String>,
    /// What nobody could tell.
    pub missing: Vec<String>,
    /// The failing dependency's name, when the best hypothesis lies in one.
    pub dependency: Option<String>,
    /// Content hash of the runbooks that were used.
    pub runbooks: String,
    /// The runbook that was chosen for the alert, when one of the user's own fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
    /// Whom or what that runbook calls in now, in its words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub escalate: Vec<String>,
    /// What that runbook does first against the pain, in its words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mitigate: Vec<String>,
}

/// A named cause that may be the one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Hypothesis {
    /// The cause's id in the runbook.
    pub id: String,
    /// Its boundary.
    pub bucket: Bucket,
    /// Its probability, 0 to 1.
    pub probability: f64,
    /// One sentence.
    pub says: String,
    /// What would settle it.
    pub next_experiment: String,
    /// What eases the pain first.
    pub mitigation: String,
}

/// An observation that moved the belief.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Reason {
    /// The observation in a person's words.
    pub observation: String,
    /// By how much it moved the best bucket against the others, in decibans (10 is ten to one); negative is against it.
    pub decibans: f64,
}
