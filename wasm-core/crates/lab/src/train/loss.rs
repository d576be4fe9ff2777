//! Cross-entropy of eight windows, and what each of them weighs.

use csi_temporal::math::exp;

use super::lanes::{LANES, Lanes, ZERO};

/// One weight a class: 1, or such that classes weigh alike and windows 1 on average.
pub fn class_weights(counts: &[usize], balance: bool) -> Vec<f32> {
    let all: usize = counts.iter().sum();
    let present = counts.iter().filter(|count| **count > 0).count();
    let weight = |count: &usize| match balance {
        true => all as f32 / (present * (*count).max(1)) as f32,
        false => 1.0,
    };
    counts.iter().map(weight).collect()
}

/// What eight windows came to.
pub struct Outcome {
    /// The weighted loss of each.
    pub losses: Lanes,
    /// Sum of the weights of windows that were classified right.
    pub right: f32,
    /// Sum of weights.
    pub weight: f32,
    /// By class.
    pub dlogits: Vec<Lanes>,
}

/// Softmax cross-entropy with smoothed targets; the gradient is that of the weighted sum.
pub fn cross_entropy(
    logits: &[Lanes],
    classes: &[usize; LANES],
    weights: &Lanes,
    smoothing: f32,
) -> Outcome {
    let count = logits.len() as f32;
    let mut outcome =
        Outcome { losses: ZERO, right: 0.0, weight: 0.0, dlogits: vec![ZERO; logits.len()] };
    for lane in 0..LANES {
        let weight = weights[lane];
        if weight == 0.0 {
            continue;
        }
        let of = |class: usize| logits[class][lane];
        let best = (1..logits.len())
            .fold(0, |best, class| if of(class) > of(best) { class } else { best });
        let sum: f32 = (0..logits.len()).map(|class| exp(of(class) - of(best))).sum();
        let ln_sum = libm::logf(sum);
        for class in 0..logits.len() {
            let score = of(class) - of(best);
            let target =
                smoothing / count + if class == classes[lane] { 1.0 - smoothing } else { 0.0 };
            outcome.losses[lane] += weight * target * (ln_sum - score);
            outcome.dlogits[class][lane] = weight * (exp(score) / sum - target);
        }
        outcome.weight += weight;
        outcome.right += if best == classes[lane] { weight } else { 0.0 };
    }
    outcome
}

/// Softmax of logits divided by a temperature, and its logarithm.
pub fn softmax(logits: &[f32], temperature: f32) -> (Vec<f32>, Vec<f32>) {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let scores: Vec<f32> = logits.iter().map(|logit| (logit - most) / temperature).collect();
    let sum: f32 = scores.iter().map(|score| exp(*score)).sum();
    let ln_sum = libm::logf(sum);
    let shares = scores.iter().map(|score| exp(*score) / sum).collect();
    (shares, scores.iter().map(|score| score - ln_sum).collect())
}
