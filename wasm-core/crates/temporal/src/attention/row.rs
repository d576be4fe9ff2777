//! One query row and one head against its edges: the arithmetic that every kernel follows.
//!
//! With the edges in the order of the pattern (window ascending, then the far ones), for one head:
//!
//! 1. `score = (q[0]*k[0] + q[1]*k[1] + ...) * (1 / sqrt(dim))`, left to right, products and sums
//!    rounded each. Then `- slope * distance`, if there are slopes; then `+ ln(tokens)`, if asked.
//! 2. `max` of the scores; `weight = exp(score - max)`; `sum` of the weights left to right.
//! 3. `out[d] = (weight[0]*v[0][d] + weight[1]*v[1][d] + ...) * (1 / sum)`, left to right.
//!
//! This order is part of the contract: it makes every target give the same bits. It is the
//! upstream crate's own, but for its `exp` and the rescaling of its one-pass softmax.
//!
//! `tile` does the same for four heads and two rows at once. This form serves where single weights
//! are wanted, or where a tile's numbers left the range of `f32` and the first bad head is to be
//! named. The unit tests hold the two to the same bits.
//!
//! Source of step 2: the "safe softmax" of Milakov and Gimelshein 2018, arXiv:1805.02867.

use super::AttentionError;
use super::bank::{Bank, Element};
use super::lanes::LANES;
use super::plan::Plan;
use crate::math::exp;
use alloc::vec::Vec;

/// A row of a plan, and a head.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowOf<'a, E: Element> {
    pub bank: &'a Bank<E>,
    pub plan: &'a Plan,
    /// The row's number within the plan.
    pub at: usize,
    pub head: usize,
    pub slope: f32,
}

impl<E: Element> RowOf<'_, E> {
    /// Fills `weights` with `exp(score - max)`, one per visit of this row (steps 1 and 2), and
    /// returns `1 / sum`. `None` when a score is not finite, or there is no edge.
    pub fn weigh(&self, q: &[f32], weights: &mut Vec<f32>) -> Option<f32> {
        let row = self.plan.row + self.at;
        weights.clear();
        for (number, visit) in self.plan.visits_of(self.at).enumerate() {
            let mut score = self.dot(q, visit.row) * self.bank.scale;
            score -= self.slope * visit.stand.distance(row);
            score += visit.stand.bonus;
            if !self.plan.bias.is_empty() {
                let of_group = self.head / LANES * self.plan.reads.len();
                score += self.plan.bias[of_group + number].lane(self.head % LANES);
            }
            weights.push(score);
        }
        let mut max = f32::NEG_INFINITY;
        for &score in weights.iter() {
            if !score.is_finite() {
                return None;
            }
            max = max.max(score);
        }
        let mut sum = 0.0;
        for weight in weights.iter_mut() {
            *weight = exp(*weight - max);
            sum += *weight;
        }
        // The largest weight is 1, so the sum is 0 only without edges.
        (sum > 0.0).then(|| 1.0 / sum)
    }

    /// Writes the weighted mean of the values into `out` (step 3). `false` when it overflowed.
    fn blend(&self, weights: &[f32], inverse_sum: f32, out: &mut [f32]) -> bool {
        out.fill(0.0);
        for (visit, weight) in self.plan.visits_of(self.at).zip(weights) {
            for (out, value) in out.iter_mut().zip(self.part(&self.bank.values, visit.row)) {
                *out += weight * value.lane(self.head % LANES);
            }
        }
        let mut finite = true;
        for out in out {
            *out *= inverse_sum;
            finite &= out.is_finite();
        }
        finite
    }

    /// Sums the products left to right.
    fn dot(&self, q: &[f32], row: usize) -> f32 {
        let mut sum = 0.0;
        for (q, key) in q.iter().zip(self.part(&self.bank.keys, row)) {
            sum += q * key.lane(self.head % LANES);
        }
        sum
    }

    fn part<'n>(&self, numbers: &'n [E], row: usize) -> &'n [E] {
        &numbers[self.bank.start(row, self.head)..][..self.bank.dim]
    }
}

/// Computes row number `at` of a plan: every query head of `q` (`[q_heads * dim]`) into `out`.
pub(super) fn attend<E: Element>(
    bank: &Bank<E>,
    plan: &Plan,
    at: usize,
    q: &[f32],
    slopes: &[f32],
    weights: &mut Vec<f32>,
    out: &mut [f32],
) -> Result<(), AttentionError> {
    let heads = q.chunks_exact(bank.dim).zip(out.chunks_exact_mut(bank.dim)).enumerate();
    for (head, (q, out)) in heads {
        let overflow = AttentionError::Overflow { token: plan.row + at, head };
        let slope = slopes.get(head).copied().unwrap_or(0.0);
        let row = RowOf { bank, plan, at, head, slope };
        let inverse_sum = row.weigh(q, weights).ok_or(overflow)?;
        if !row.blend(weights, inverse_sum, out) {
            return Err(overflow);
        }
    }
    Ok(())
}
