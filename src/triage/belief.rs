//! What is believed: a probability for every cause, and from them for every bucket.
//!
//! Updates are sums in log-odds. Observations of one group mostly say the same thing twice, so the strongest counts in full
//! and the others with a share. No hashing, no parallel sums: the same observations give the same bits.

use std::collections::BTreeMap;

use crate::bucket::Bucket;
use crate::runbook::Knowledge;
use crate::triage::observe::Observation;

/// Ten to one is ten decibans.
const DECIBANS_PER_NAT: f64 = 10.0 / std::f64::consts::LN_10;

/// What is believed after some observations.
#[derive(Debug, Clone)]
pub(crate) struct Belief<'a> {
    knowledge: &'a Knowledge,
    observations: Vec<Observation>,
    /// Natural log-likelihoods per group, per cause.
    groups: Vec<Vec<f64>>,
    /// Probability of each cause, in the order of [`Knowledge::causes`]; they add up to 1.
    causes: Vec<f64>,
}

impl<'a> Belief<'a> {
    pub(crate) fn new(knowledge: &'a Knowledge, observations: Vec<Observation>) -> Self {
        let groups: Vec<Vec<f64>> =
            (0..knowledge.groups).map(|group| combined(knowledge, &observations, group, None)).collect();
        let causes = posterior(knowledge, &groups);
        Self { knowledge, observations, groups, causes }
    }

    pub(crate) fn knowledge(&self) -> &'a Knowledge {
        self.knowledge
    }

    pub(crate) fn observations(&self) -> &[Observation] {
        &self.observations
    }

    pub(crate) fn causes(&self) -> &[f64] {
        &self.causes
    }

    pub(crate) fn buckets(&self) -> BTreeMap<Bucket, f64> {
        buckets_of(self.knowledge, &self.causes)
    }

    /// The best and the next best bucket; of equals, the first of the framework.
    pub(crate) fn ranking(&self) -> [(Bucket, f64); 2] {
        let mut ranked: Vec<(Bucket, f64)> = self.buckets().into_iter().collect();
        ranked.sort_by(|(_, left), (_, right)| right.total_cmp(left));
        [ranked[0], ranked[1]]
    }

    pub(crate) fn is_observed(&self, variable: usize) -> bool {
        self.observations.iter().any(|observation| observation.variable == variable)
    }

    /// The causes' probabilities if this were observed, too.
    pub(crate) fn if_observed(&self, observation: &Observation) -> Vec<f64> {
        let group = self.knowledge.variables[observation.variable].group;
        let mut groups = self.groups.clone();
        groups[group] = combined(self.knowledge, &self.observations, group, Some(observation));
        posterior(self.knowledge, &groups)
    }

    /// The probability of observing a value next.
    pub(crate) fn predicted(&self, variable: usize, value: usize) -> f64 {
        let likelihood = self.knowledge.likelihood(variable, value);
        self.causes.iter().zip(likelihood).map(|(cause, p)| cause * p).sum()
    }

    /// By how much an observation moved a bucket against all others, in decibans: with it against without it.
    pub(crate) fn moved(&self, index: usize, bucket: Bucket) -> f64 {
        let mut others = self.observations.clone();
        let left_out = others.remove(index);
        let group = self.knowledge.variables[left_out.variable].group;
        let mut groups = self.groups.clone();
        groups[group] = combined(self.knowledge, &others, group, None);
        let without = buckets_of(self.knowledge, &posterior(self.knowledge, &groups));
        decibans(self.buckets()[&bucket]) - decibans(without[&bucket])
    }

    /// By how much the least welcome value of an observed variable would have moved a bucket instead, in decibans.
    pub(crate) fn could_have_cost(&self, index: usize, bucket: Bucket) -> f64 {
        let mut others = self.observations.clone();
        let left_out = others.remove(index);
        let without = Belief::new(self.knowledge, others);
        let before = decibans(without.buckets()[&bucket]);
        let values = 0..self.knowledge.variables[left_out.variable].values.len();
        values
            .map(|value| {
                let other = Observation { values: vec![(value, 1.0)], ..left_out.clone() };
                decibans(buckets_of(self.knowledge, &without.if_observed(&other))[&bucket]) - before
            })
            .fold(0.0, f64::min)
    }
}

/// Odds in decibans, kept finite.
fn decibans(probability: f64) -> f64 {
    let probability = probability.clamp(1e-9, 1.0 - 1e-9);
    (probability / (1.0 - probability)).ln() * DECIBANS_PER_NAT
}

/// Natural log-likelihoods of all causes under the observations of one group.
fn combined(
    knowledge: &Knowledge,
    observations: &[Observation],
    group: usize,
    another: Option<&Observation>,
) -> Vec<f64> {
    let mut rows: Vec<Vec<f64>> = observations
        .iter()
        .chain(another)
        .filter(|observation| knowledge.variables[observation.variable].group == group)
        .map(|observation| log_likelihood(knowledge, observation))
        .collect();
    if rows.len() > 1 {
        let strength: Vec<f64> = rows.iter().map(|row| spread(knowledge, row)).collect();
        // The first of equals stays the strongest, whatever the platform's sort does.
        let strongest =
            (0..rows.len()).rev().max_by(|a, b| strength[*a].total_cmp(&strength[*b])).unwrap_or(0);
        rows.swap(0, strongest);
    }
    let mut sum = vec![0.0; knowledge.causes.len()];
    for (place, row) in rows.iter().enumerate() {
        let share = if place == 0 { 1.0 } else { knowledge.belief.again };
        for (total, value) in sum.iter_mut().zip(row) {
            *total += share * value;
        }
    }
    sum
}

fn log_likelihood(knowledge: &Knowledge, observation: &Observation) -> Vec<f64> {
    let trust = knowledge.variables[observation.variable].trust;
    let mut row = vec![0.0; knowledge.causes.len()];
    for (value, weight) in &observation.values {
        for (sum, p) in row.iter_mut().zip(knowledge.likelihood(observation.variable, *value)) {
            *sum += weight * p;
        }
    }
    row.iter().map(|p| p.ln() * trust).collect()
}

/// How much a row tells the causes apart: its variance under the priors.
fn spread(knowledge: &Knowledge, row: &[f64]) -> f64 {
    let priors = || knowledge.causes.iter().map(|cause| cause.prior);
    let mean: f64 = priors().zip(row).map(|(prior, value)| prior * value).sum();
    priors().zip(row).map(|(prior, value)| prior * (value - mean) * (value - mean)).sum()
}

fn posterior(knowledge: &Knowledge, groups: &[Vec<f64>]) -> Vec<f64> {
    let mut logs: Vec<f64> = knowledge.causes.iter().map(|cause| cause.prior.ln()).collect();
    for row in groups {
        for (log, value) in logs.iter_mut().zip(row) {
            *log += value;
        }
    }
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut weights: Vec<f64> = logs.into_iter().map(|log| (log - most).exp()).collect();
    let sum: f64 = weights.iter().sum();
    for weight in &mut weights {
        *weight /= sum;
    }
    weights
}

/// A bucket is the sum of its causes.
pub(crate) fn buckets_of(knowledge: &Knowledge, causes: &[f64]) -> BTreeMap<Bucket, f64> {
    let mut buckets: BTreeMap<Bucket, f64> = Bucket::ALL.into_iter().map(|bucket| (bucket, 0.0)).collect();
    for (cause, p) in knowledge.causes.iter().zip(causes) {
        *buckets.entry(cause.bucket).or_default() += p;
    }
    buckets
}

/// The uncertainty about the bucket, in bits.
pub(crate) fn entropy(buckets: &BTreeMap<Bucket, f64>) -> f64 {
    buckets.values().filter(|p| **p > 0.0).map(|p| -p * p.log2()).sum()
}
