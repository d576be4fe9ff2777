//! One query row against its edges: the arithmetic that all of our kernels share.
//!
//! With the edges in the order of the pattern (window ascending, then the far ones), for one head:
//!
//! 1. `score = (q[0]*k[0] + q[1]*k[1] + ...) * (1 / sqrt(dim))`, left to right, products and sums
//!    rounded each. Then `- slope * distance`, if there are slopes; then `+ ln(tokens)`, if asked.
//! 2. `max` of the scores; `weight = expf(score - max)`; `sum` of the weights left to right.
//! 3. `out[d] = (weight[0]*v[0][d] + weight[1]*v[1][d] + ...) * (1 / sum)`, left to right.
//!
//! A block's mean key and value are the tokens' sum, left to right, divided by their number.
//! This order is part of the contract: host, wasm and Xtensa agree bit for bit. It is the
//! upstream crate's own, but for the rescaling of its one-pass softmax.
//!
//! Source of step 2: the "safe softmax" of Milakov and Gimelshein 2018, arXiv:1805.02867.

use super::pattern::{Edge, SparsePattern};
use super::{AttentionError, Qkv, Weighting};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// What one row looks at: a run of tokens, then single edges. Reused from row to row.
#[derive(Clone, Debug, Default)]
pub(super) struct RowPlan {
    pub row: usize,
    pub window: Range<usize>,
    pub far: Vec<Edge>,
}

impl RowPlan {
    /// Plans a row of the sparse pattern.
    pub fn sparse(&mut self, pattern: &SparsePattern, row: usize, seq: usize) {
        self.row = row;
        self.window = pattern.window_range(row, seq);
        self.far.clear();
        pattern.for_each_far_edge(row, seq, |edge| self.far.push(edge));
    }

    /// Plans a dense row: all tokens, or all up to itself.
    pub fn dense(&mut self, row: usize, seq: usize, causal: bool) {
        self.row = row;
        self.window = 0..if causal { row + 1 } else { seq };
        self.far.clear();
    }
}

/// Means of the keys and values of blocks, `[blocks, kv_heads, dim]` each.
#[derive(Clone, Debug, Default)]
pub(super) struct Landmarks {
    pub keys: Vec<f32>,
    pub values: Vec<f32>,
}

impl Landmarks {
    /// Averages every block of `block_size` tokens, the last one over the tokens it has.
    /// `keys` and `values` hold tokens of `width` numbers.
    pub fn of(keys: &[f32], values: &[f32], width: usize, block_size: usize) -> Self {
        Self {
            keys: block_means(keys, width, block_size),
            values: block_means(values, width, block_size),
        }
    }
}

fn block_means(tokens: &[f32], width: usize, block_size: usize) -> Vec<f32> {
    let block_len = block_size.saturating_mul(width).max(1);
    let mut means = vec![0.0; tokens.len().div_ceil(block_len) * width];
    for (mean, block) in means.chunks_exact_mut(width).zip(tokens.chunks(block_len)) {
        for token in block.chunks_exact(width) {
            add(mean, token);
        }
        divide(mean, block.len() / width);
    }
    means
}

/// Adds `token` to `sum`, number by number.
pub(super) fn add(sum: &mut [f32], token: &[f32]) {
    for (sum, number) in sum.iter_mut().zip(token) {
        *sum += number;
    }
}

/// Divides a sum over `count` tokens by `count`.
pub(super) fn divide(sum: &mut [f32], count: usize) {
    let count = count as f32;
    for sum in sum {
        *sum /= count;
    }
}

/// The keys and values that rows look at, wherever they are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory<'a> {
    /// `[seq, kv_heads, dim]`
    pub keys: &'a [f32],
    /// `[seq, kv_heads, dim]`
    pub values: &'a [f32],
    /// Means of at least the blocks that the plans name.
    pub landmarks: &'a Landmarks,
    pub kv_heads: usize,
    pub dim: usize,
}

/// How scores become weights, for one head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scoring {
    pub weighting: Weighting,
    pub slope: f32,
}

impl<'a> Memory<'a> {
    /// Views checked input.
    pub fn of(input: &Qkv<'a>, landmarks: &'a Landmarks) -> Self {
        let (keys, values) = (input.k.data(), input.v.data());
        Self { keys, values, landmarks, kv_heads: input.k.heads(), dim: input.k.dim() }
    }

    /// Returns the `dim` numbers of token or block `index` in `numbers`.
    fn part<'n>(&self, numbers: &'n [f32], index: usize, kv_head: usize) -> &'n [f32] {
        &numbers[(index * self.kv_heads + kv_head) * self.dim..][..self.dim]
    }

    /// Fills `weights` with `exp(score - max)` for the edges of `plan` (steps 1 and 2) and returns
    /// `1 / sum`. `None` when a score is not finite, or there is no edge.
    pub fn weigh(
        &self,
        q: &[f32],
        kv_head: usize,
        plan: &RowPlan,
        scoring: Scoring,
        weights: &mut Vec<f32>,
    ) -> Option<f32> {
        let scale = 1.0 / libm::sqrtf(self.dim as f32);
        weights.clear();
        for token in plan.window.clone() {
            let mut score = dot(q, self.part(self.keys, token, kv_head)) * scale;
            score -= scoring.slope * token.abs_diff(plan.row) as f32;
            weights.push(score);
        }
        for edge in &plan.far {
            let tokens = edge.tokens();
            let key = match *edge {
                Edge::Token { index, .. } => self.part(self.keys, index, kv_head),
                Edge::Block { index, .. } => self.part(&self.landmarks.keys, index, kv_head),
            };
            let mean_position = tokens.start as f32 + (tokens.len() - 1) as f32 / 2.0;
            let distance = mean_position - plan.row as f32;
            let mut score = dot(q, key) * scale - scoring.slope * distance.abs();
            if scoring.weighting == Weighting::LnCount && tokens.len() > 1 {
                score += libm::logf(tokens.len() as f32);
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
            *weight = libm::expf(*weight - max);
            sum += *weight;
        }
        // The largest weight is 1, so the sum is 0 only without edges.
        (sum > 0.0).then(|| 1.0 / sum)
    }

    /// Writes the weighted mean of the values into `out` (step 3). `false` when it overflowed.
    pub fn blend(
        &self,
        kv_head: usize,
        plan: &RowPlan,
        weights: &[f32],
        inverse_sum: f32,
        out: &mut [f32],
    ) -> bool {
        out.fill(0.0);
        let (near, far) = weights.split_at(plan.window.len());
        for (token, &weight) in plan.window.clone().zip(near) {
            add_scaled(out, weight, self.part(self.values, token, kv_head));
        }
        for (edge, &weight) in plan.far.iter().zip(far) {
            let value = match *edge {
                Edge::Token { index, .. } => self.part(self.values, index, kv_head),
                Edge::Block { index, .. } => self.part(&self.landmarks.values, index, kv_head),
            };
            add_scaled(out, weight, value);
        }
        let mut finite = true;
        for out in out {
            *out *= inverse_sum;
            finite &= out.is_finite();
        }
        finite
    }

    /// Computes a whole token: every query head of `q` (`[q_heads * dim]`) into `out`.
    pub fn attend(
        &self,
        q: &[f32],
        plan: &RowPlan,
        weighting: Weighting,
        slopes: &[f32],
        weights: &mut Vec<f32>,
        out: &mut [f32],
    ) -> Result<(), AttentionError> {
        let group = q.len() / self.dim / self.kv_heads;
        let heads = q.chunks_exact(self.dim).zip(out.chunks_exact_mut(self.dim)).enumerate();
        for (head, (q, out)) in heads {
            let overflow = AttentionError::Overflow { token: plan.row, head };
            let scoring = Scoring { weighting, slope: slopes.get(head).copied().unwrap_or(0.0) };
            let kv_head = head / group;
            let inverse_sum = self.weigh(q, kv_head, plan, scoring, weights).ok_or(overflow)?;
            if !self.blend(kv_head, plan, weights, inverse_sum, out) {
                return Err(overflow);
            }
        }
        Ok(())
    }
}

/// Sums the products left to right.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sum = 0.0;
    for (a, b) in a.iter().zip(b) {
        sum += a * b;
    }
    sum
}

fn add_scaled(sum: &mut [f32], scale: f32, numbers: &[f32]) {
    for (sum, number) in sum.iter_mut().zip(numbers) {
        *sum += scale * number;
    }
}
