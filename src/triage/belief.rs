//! What is believed: a probability for every cause, and from them for every bucket.
//!
//! Updates are sums in log-odds. Observations of one group mostly say the same thing twice, so the strongest counts in full
//! and the others with a share. No hashing, no parallel sums: the same observations give the same bits.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::bucket::Bucket;
use crate::runbook::Knowledge;
use crate::triage::observe::{Observation, Teller};

/// Ten to one is ten decibans.
const DECIBANS_PER_NAT: f64 = 10.0 / std::f64::consts::LN_10;

/// What is believed after some observations.
#[derive(Debug, Clone)]
pub(crate) struct Belief<'a> {
    knowledge: &'a Knowledge,
    observations: Vec<Observation>,
    /// Natural log-likelihoods per group, per cause; none for a group nobody observed.
    groups: Vec<Option<Vec<f64>>>,
    /// Probability of each cause, in the order of [`Knowledge::causes`]; they add up to 1.
    causes: Vec<f64>,
}

impl<'a> Belief<'a> {
    pub(crate) fn new(knowledge: &'a Knowledge, observations: Vec<Observation>) -> Self {
        let groups: Vec<Option<Vec<f64>>> =
            (0..knowledge.groups).map(|group| combined(knowledge, observations.iter(), group)).collect();
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

    /// The buckets' shares, unscaled, if each value of a variable were observed, too; in the order of the values.
    fn if_observed(&self, variable: usize) -> Vec<Shares> {
        let knowledge = self.knowledge;
        let group = knowledge.variables[variable].group;
        let values = 0..knowledge.variables[variable].values.len();
        // Nothing else of the group is known: what is believed is multiplied by the likelihoods, and that is all.
        let Some(known) = &self.groups[group] else {
            return values.map(|value| self.shares(knowledge.power(variable, value))).collect();
        };
        let others: Vec<&Observation> = self.of_group(group).collect();
        values
            .map(|value| {
                let another = Observation { variable, values: vec![(value, 1.0)], teller: Teller::Person };
                let with = combined(knowledge, others.iter().copied().chain([&another]), group);
                let with = with.as_ref().expect("there is at least the other observation");
                self.shares_of(with.iter().zip(known).map(|(with, known)| (with - known).exp()))
            })
            .collect()
    }

    fn of_group(&self, group: usize) -> impl Iterator<Item = &Observation> {
        self.observations.iter().filter(move |it| self.knowledge.variables[it.variable].group == group)
    }

    /// By how many bits knowing a variable is expected to reduce the uncertainty about the bucket.
    pub(crate) fn expected_gain(&self, variable: usize) -> f64 {
        let before = entropy(self.buckets().values().copied());
        let after: f64 = self
            .if_observed(variable)
            .into_iter()
            .enumerate()
            .map(|(value, shares)| {
                let sum: f64 = shares.iter().sum();
                self.predicted(variable, value) * entropy(shares.into_iter().map(|share| share / sum))
            })
            .sum();
        (before - after).max(0.0)
    }

    fn shares(&self, factors: &[f64]) -> Shares {
        self.shares_of(factors.iter().copied())
    }

    /// What the buckets' shares become when the causes' are multiplied by these.
    fn shares_of(&self, factors: impl Iterator<Item = f64>) -> Shares {
        let mut shares = Shares::default();
        for ((cause, p), factor) in self.knowledge.causes.iter().zip(&self.causes).zip(factors) {
            shares[cause.bucket as usize] += p * factor;
        }
        shares
    }

    /// The probability of observing a value next.
    fn predicted(&self, variable: usize, value: usize) -> f64 {
        let likelihood = self.knowledge.likelihood(variable, value);
        self.causes.iter().zip(likelihood).map(|(cause, p)| cause * p).sum()
    }

    /// By how much an observation moved a bucket against all others, in decibans: with it against without it.
    pub(crate) fn moved(&self, index: usize, bucket: Bucket) -> f64 {
        let without = self.shares_of(self.factors_without(index).into_iter());
        decibans(self.shares_of(std::iter::repeat(1.0))[bucket as usize]) - decibans(scaled(without, bucket))
    }

    /// What each cause's probability is multiplied with, unscaled, when one observation is left out.
    fn factors_without(&self, index: usize) -> Vec<f64> {
        let group = self.knowledge.variables[self.observations[index].variable].group;
        let left = self.observations[index].variable;
        let known = self.groups[group].as_ref().expect("an observation of the group is known");
        match combined(self.knowledge, self.of_group(group).filter(|it| it.variable != left), group) {
            Some(without) => {
                without.iter().zip(known).map(|(without, known)| (without - known).exp()).collect()
            }
            None => known.iter().map(|known| (-known).exp()).collect(),
        }
    }

    /// By how much the least welcome value of an observed variable would have moved a bucket instead, in decibans.
    pub(crate) fn could_have_cost(&self, index: usize, bucket: Bucket) -> f64 {
        let mut others = self.observations.clone();
        let variable = others.remove(index).variable;
        let without = Belief::new(self.knowledge, others);
        let before = decibans(without.buckets()[&bucket]);
        let after = without.if_observed(variable).into_iter();
        after.map(|shares| decibans(scaled(shares, bucket)) - before).fold(0.0, f64::min)
    }
}

/// A number for each bucket, in the order of [`Bucket::ALL`].
type Shares = [f64; Bucket::ALL.len()];

/// A bucket's share of all.
fn scaled(shares: Shares, bucket: Bucket) -> f64 {
    shares[bucket as usize] / shares.iter().sum::<f64>()
}

/// Odds in decibans, kept finite.
fn decibans(probability: f64) -> f64 {
    let probability = probability.clamp(1e-9, 1.0 - 1e-9);
    (probability / (1.0 - probability)).ln() * DECIBANS_PER_NAT
}

/// Natural log-likelihoods of all causes under the observations of one group; none without any.
fn combined<'a>(
    knowledge: &Knowledge,
    observations: impl Iterator<Item = &'a Observation>,
    group: usize,
) -> Option<Vec<f64>> {
    let mut rows: Vec<Cow<'_, [f64]>> = observations
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
    let mut rows = rows.into_iter();
    let mut sum = rows.next()?.into_owned();
    for row in rows {
        for (total, value) in sum.iter_mut().zip(row.iter()) {
            *total += knowledge.belief.again * value;
        }
    }
    Some(sum)
}

fn log_likelihood<'a>(knowledge: &'a Knowledge, observation: &Observation) -> Cow<'a, [f64]> {
    if let [(value, _)] = observation.values[..] {
        return Cow::Borrowed(knowledge.log_likelihood(observation.variable, value));
    }
    let trust = knowledge.variables[observation.variable].trust;
    let mut row = vec![0.0; knowledge.causes.len()];
    for (value, weight) in &observation.values {
        for (sum, p) in row.iter_mut().zip(knowledge.likelihood(observation.variable, *value)) {
            *sum += weight * p;
        }
    }
    Cow::Owned(row.iter().map(|p| p.ln() * trust).collect())
}

/// How much a row tells the causes apart: its variance under the priors.
fn spread(knowledge: &Knowledge, row: &[f64]) -> f64 {
    let priors = || knowledge.causes.iter().map(|cause| cause.prior);
    let mean: f64 = priors().zip(row).map(|(prior, value)| prior * value).sum();
    priors().zip(row).map(|(prior, value)| prior * (value - mean) * (value - mean)).sum()
}

fn posterior(knowledge: &Knowledge, groups: &[Option<Vec<f64>>]) -> Vec<f64> {
    let mut logs: Vec<f64> = knowledge.causes.iter().map(|cause| cause.prior.ln()).collect();
    for row in groups.iter().flatten() {
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
fn buckets_of(knowledge: &Knowledge, causes: &[f64]) -> BTreeMap<Bucket, f64> {
    let mut buckets: BTreeMap<Bucket, f64> = Bucket::ALL.into_iter().map(|bucket| (bucket, 0.0)).collect();
    for (cause, p) in knowledge.causes.iter().zip(causes) {
        *buckets.entry(cause.bucket).or_default() += p;
    }
    buckets
}

/// The uncertainty of these probabilities, in bits.
fn entropy(buckets: impl Iterator<Item = f64>) -> f64 {
    buckets.filter(|p| *p > 0.0).map(|p| -p * p.log2()).sum()
}
