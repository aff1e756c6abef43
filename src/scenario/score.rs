//! How good the conclusions were: accuracy, questions asked, and whether a said probability means what it says.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::bucket::Bucket;
use crate::incident::{Conclusion, Stopped};
use crate::scenario::Truth;

/// Bins of equal width for the calibration error: with some dozens to hundreds of cases, ten is customary.
const BINS: usize = 10;

/// One conclusion and what it really was.
#[derive(Debug, Clone, Copy)]
pub struct Scored<'a> {
    /// What triage said.
    pub conclusion: &'a Conclusion,
    /// How many questions were put to people.
    pub asked: usize,
    /// What it was; `None` counts for the questions only.
    pub truth: Option<&'a Truth>,
}

/// All of them together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Scenarios replayed.
    pub count: usize,
    /// Best boundary right, or acceptable.
    pub correct: usize,
    /// Of those with a truth, the share that is correct; absent when none has one.
    pub accuracy: Option<f64>,
    /// Questions per scenario.
    pub mean_asked: f64,
    /// Nine of ten scenarios need at most this many questions.
    pub p90_asked: usize,
    /// Brier score over the five boundaries: mean of the summed squared errors, 0 (perfect) to 2.
    pub brier: Option<f64>,
    /// Expected calibration error of the best boundary's probability, 0 to 1.
    pub calibration_error: Option<f64>,
    /// Scenarios that ended unclear.
    pub unclear: usize,
    /// Conclusions with a probability above 0.9 that were wrong: what does most harm.
    pub confident_and_wrong: usize,
    /// How often a true boundary (first) was called which (second).
    pub confusion: BTreeMap<Bucket, BTreeMap<Bucket, usize>>,
}

/// A conclusion above this probability is a confident one.
const CONFIDENT: f64 = 0.9;

/// Whether the best boundary is the true one, or one the engineers would have accepted.
#[must_use]
pub fn is_correct(conclusion: &Conclusion, truth: &Truth) -> bool {
    conclusion.bucket == truth.bucket || truth.also_acceptable.contains(&conclusion.bucket)
}

/// The figures over all replayed scenarios.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of scenarios are far below 2^52")]
pub fn summary(all: &[Scored<'_>]) -> Summary {
    let labelled: Vec<(&Conclusion, &Truth)> =
        all.iter().filter_map(|scored| Some((scored.conclusion, scored.truth?))).collect();
    let correct = labelled.iter().filter(|(conclusion, truth)| is_correct(conclusion, truth)).count();
    let of_labelled = |sum: f64| (!labelled.is_empty()).then(|| sum / labelled.len() as f64);
    let mut asked: Vec<usize> = all.iter().map(|scored| scored.asked).collect();
    asked.sort_unstable();
    Summary {
        count: all.len(),
        correct,
        accuracy: of_labelled(correct as f64),
        mean_asked: asked.iter().sum::<usize>() as f64 / (all.len().max(1)) as f64,
        p90_asked: asked.get((asked.len() * 9).div_ceil(10).saturating_sub(1)).copied().unwrap_or(0),
        brier: of_labelled(labelled.iter().map(|(conclusion, truth)| brier(conclusion, truth)).sum()),
        calibration_error: (!labelled.is_empty()).then(|| calibration_error(&labelled)),
        unclear: all.iter().filter(|scored| scored.conclusion.stopped == Stopped::Unclear).count(),
        confident_and_wrong: labelled
            .iter()
            .filter(|(conclusion, truth)| {
                conclusion.probability > CONFIDENT && !is_correct(conclusion, truth)
            })
            .count(),
        confusion: confusion(&labelled),
    }
}

fn confusion(labelled: &[(&Conclusion, &Truth)]) -> BTreeMap<Bucket, BTreeMap<Bucket, usize>> {
    let mut counted: BTreeMap<Bucket, BTreeMap<Bucket, usize>> = BTreeMap::new();
    for (conclusion, truth) in labelled {
        *counted.entry(truth.bucket).or_default().entry(conclusion.bucket).or_default() += 1;
    }
    counted
}

/// Squared errors over the boundaries. Where a second boundary is acceptable and was said, it counts as the true one.
fn brier(conclusion: &Conclusion, truth: &Truth) -> f64 {
    let true_bucket = if is_correct(conclusion, truth) { conclusion.bucket } else { truth.bucket };
    Bucket::ALL
        .into_iter()
        .map(|bucket| {
            let said = conclusion.buckets.get(&bucket).copied().unwrap_or(0.0);
            let was = if bucket == true_bucket { 1.0 } else { 0.0 };
            (said - was) * (said - was)
        })
        .sum()
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a probability times ten, and counts far below 2^52"
)]
fn calibration_error(labelled: &[(&Conclusion, &Truth)]) -> f64 {
    let mut bins = vec![(0_usize, 0.0, 0.0); BINS];
    for (conclusion, truth) in labelled {
        let bin = ((conclusion.probability * BINS as f64) as usize).min(BINS - 1);
        bins[bin].0 += 1;
        bins[bin].1 += conclusion.probability;
        bins[bin].2 += if is_correct(conclusion, truth) { 1.0 } else { 0.0 };
    }
    let errors = bins.iter().filter(|(count, ..)| *count > 0).map(|(_, said, was)| (said - was).abs());
    errors.sum::<f64>() / labelled.len() as f64
}
