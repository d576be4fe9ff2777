//! The arithmetic of `row` for four heads, in lanes, and `Q` rows at once.
//!
//! Rows that look at the same keys and values load them once. An edge that a row of the tile does
//! not have gets a weight of 0 there; as a sum that started from 0 is never -0, adding 0 times a
//! finite number changes no bit of it. So neither the number of rows nor the size of a tile is to
//! be seen in the result, which is that of `row` to the bit.
//!
//! A tile whose numbers are not all finite says so and leaves its output undefined.

use super::bank::{Bank, Element, heads_of, interleave};
use super::lanes::{F32x4, LANES};
use super::plan::{Plan, Visit};
use crate::math::{Numbers, exp};
use alloc::vec::Vec;

/// The most keys that a tile of scores takes at once.
const TILE: usize = 8;

/// Memory that tiles work in.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    /// The queries of a group, `[Q][dim]`.
    q: Vec<F32x4>,
    /// Scores, then weights, `[visits][Q]`.
    weights: Vec<F32x4>,
}

impl Scratch {
    /// Takes memory for one row of `visits` visits, so that a tile takes none.
    pub fn reserve(&mut self, dim: usize, visits: usize) {
        self.q.clear();
        self.q.reserve(dim);
        self.weights.clear();
        self.weights.reserve(visits.next_multiple_of(TILE));
    }

    /// Returns the bytes of memory that it holds.
    pub fn memory_bytes(&self) -> usize {
        (self.q.capacity() + self.weights.capacity()) * size_of::<F32x4>()
    }
}

/// Computes the `Q` rows of a plan: every query head of `q` (`[Q][q_heads * dim]`) into `out`.
/// `false` when a number left the range of `f32`.
///
/// It takes `T` keys, and `T` numbers of the values, at a time; `Q * T = 8` sums fill the registers
/// without spilling. `T` is a multiple of 4.
pub(super) fn attend<const Q: usize, const T: usize, E: Element>(
    bank: &Bank<E>,
    plan: &Plan,
    q: &[f32],
    slopes: &[f32],
    scratch: &mut Scratch,
    out: &mut [f32],
) -> bool {
    let heads = q.len() / Q / bank.dim;
    let scale = F32x4::splat(bank.scale);
    for group in 0..heads.div_ceil(LANES) {
        let in_lanes = heads_of(group, heads);
        load_queries::<Q>(q, bank.dim, in_lanes, &mut scratch.q);
        score::<Q, T, E>(bank, group, &plan.visits, scratch);
        let slopes = (!slopes.is_empty()).then(|| in_lanes.map(|head| slopes[head]));
        let slopes = slopes.map(F32x4::from_array);
        if slopes.is_some() || plan.has_bonus {
            add_bias::<Q>(plan, scale, slopes, &mut scratch.weights);
        } else {
            scratch.weights.iter_mut().for_each(|score| *score = *score * scale);
        }
        let Some(max) = largest::<Q>(&plan.visits, &mut scratch.weights) else {
            return false;
        };
        let inverse_sums = weigh::<Q>(max, &mut scratch.weights);
        let store = Store { dim: bank.dim, heads, group };
        if !blend::<Q, T, E>(bank, &plan.visits, &scratch.weights, inverse_sums, store, out) {
            return false;
        }
    }
    true
}

/// Puts the queries of four heads into lanes, `[Q][dim]`.
fn load_queries<const Q: usize>(
    tokens: &[f32],
    dim: usize,
    heads: [usize; LANES],
    q: &mut Vec<F32x4>,
) {
    q.resize(dim * Q, F32x4::splat(0.0));
    let tokens = tokens.chunks_exact(tokens.len() / Q);
    for (token, q) in tokens.zip(q.chunks_exact_mut(dim)) {
        interleave(token, dim, heads, q);
    }
}

/// Fills `weights` with the products of queries and keys.
fn score<const Q: usize, const T: usize, E: Element>(
    bank: &Bank<E>,
    group: usize,
    visits: &[Visit],
    scratch: &mut Scratch,
) {
    let Scratch { q, weights } = scratch;
    weights.clear();
    for visits in visits.chunks(T) {
        // A last tile that is not full repeats its last key.
        let key = |at: usize| {
            let row = visits[at.min(visits.len() - 1)].row;
            &bank.keys[bank.start(row, group)..][..bank.dim]
        };
        let scores = dots::<Q, T, E>(q, core::array::from_fn(key));
        weights.extend_from_slice(scores.as_flattened());
    }
    weights.truncate(visits.len() * Q);
}

/// Sums the products of `Q` queries and `T` keys, each left to right.
#[inline(never)]
fn dots<const Q: usize, const T: usize, E: Element>(
    q: &[F32x4],
    keys: [&[E]; T],
) -> [[F32x4; Q]; T] {
    let mut sums = [[F32x4::splat(0.0); Q]; T];
    let dim = q.len() / Q;
    let keys: [&[E]; T] = core::array::from_fn(|at| &keys[at][..dim]);
    let queries: [&[F32x4]; Q] = core::array::from_fn(|at| &q[at * dim..][..dim]);
    for d in 0..dim {
        for (sums, key) in sums.iter_mut().zip(keys) {
            let key = key[d].lanes();
            for (sum, q) in sums.iter_mut().zip(queries) {
                *sum = *sum + q[d] * key;
            }
        }
    }
    sums
}

/// Makes scores of products: scale, slopes, logarithms of counts.
fn add_bias<const Q: usize>(
    plan: &Plan,
    scale: F32x4,
    slopes: Option<F32x4>,
    scores: &mut [F32x4],
) {
    let slopes = slopes.unwrap_or(F32x4::splat(0.0));
    for (visit, scores) in plan.visits.iter().zip(scores.chunks_exact_mut(Q)) {
        for (at, score) in scores.iter_mut().enumerate() {
            let distance = F32x4::splat(visit.distance(plan.row + at));
            *score = *score * scale - slopes * distance + F32x4::splat(visit.bonus);
        }
    }
}

/// Returns the largest score of each row, or `None` when a score is not finite. Where a row does
/// not look, its score becomes minus infinity.
fn largest<const Q: usize>(visits: &[Visit], scores: &mut [F32x4]) -> Option<[F32x4; Q]> {
    let mut max = [F32x4::splat(f32::NEG_INFINITY); Q];
    let mut faults = F32x4::splat(0.0);
    for (visit, scores) in visits.iter().zip(scores.chunks_exact_mut(Q)) {
        for (at, (score, max)) in scores.iter_mut().zip(&mut max).enumerate() {
            faults = faults.or(score.not_finite());
            if !visit.is_for(at) {
                *score = F32x4::splat(f32::NEG_INFINITY);
            }
            *max = max.max(*score);
        }
    }
    (!faults.any()).then_some(max)
}

/// Replaces scores by `exp(score - max)` and returns `1 / sum` for each row.
#[inline(never)]
fn weigh<const Q: usize>(max: [F32x4; Q], scores: &mut [F32x4]) -> [F32x4; Q] {
    let mut sums = [F32x4::splat(0.0); Q];
    for scores in scores.chunks_exact_mut(Q) {
        for ((score, max), sum) in scores.iter_mut().zip(max).zip(&mut sums) {
            *score = exp(*score - max);
            *sum = *sum + *score;
        }
    }
    for sum in &mut sums {
        *sum = F32x4::splat(1.0) / *sum;
    }
    sums
}

/// Where the outputs of a group belong.
#[derive(Clone, Copy)]
struct Store {
    dim: usize,
    heads: usize,
    group: usize,
}

/// Writes the weighted means of the values. `false` when one is not finite.
fn blend<const Q: usize, const T: usize, E: Element>(
    bank: &Bank<E>,
    visits: &[Visit],
    weights: &[F32x4],
    inverse_sums: [F32x4; Q],
    store: Store,
    out: &mut [f32],
) -> bool {
    let mut faults = F32x4::splat(0.0);
    let Store { dim, heads, group } = store;
    let values = &bank.values[bank.part(group)..];
    let in_lanes = (heads - group * LANES).min(LANES);
    let out_rows = out.chunks_exact_mut(heads * dim);
    let mut out_rows = out_rows.map(|row| &mut row[group * LANES * dim..][..in_lanes * dim]);
    let mut out: [&mut [f32]; Q] =
        core::array::from_fn(|_| out_rows.next().expect("a token of output for each row"));
    let whole = dim - dim % T;
    for d in (0..whole).step_by(T) {
        let mut tile = sums::<Q, T, E>(&values[d..], bank.width, visits, weights);
        for ((sums, inverse_sum), out) in tile.iter_mut().zip(inverse_sums).zip(&mut out) {
            for sum in sums.iter_mut() {
                *sum = *sum * inverse_sum;
                faults = faults.or(sum.not_finite());
            }
            for (sums, d) in sums.chunks_exact(LANES).zip((d..).step_by(LANES)) {
                let by_head = F32x4::transpose([sums[0], sums[1], sums[2], sums[3]]);
                for (out, means) in out.chunks_exact_mut(dim).zip(by_head) {
                    out[d..d + LANES].copy_from_slice(&means.to_array());
                }
            }
        }
    }
    for d in whole..dim {
        let sums = sums::<Q, 1, E>(&values[d..], bank.width, visits, weights);
        for (([sum], inverse_sum), out) in sums.into_iter().zip(inverse_sums).zip(&mut out) {
            let mean = sum * inverse_sum;
            faults = faults.or(mean.not_finite());
            for (out, mean) in out.chunks_exact_mut(dim).zip(mean.to_array()) {
                out[d] = mean;
            }
        }
    }
    !faults.any()
}

/// Sums `T` numbers of the values times their weights, in the order of the visits.
#[inline(never)]
fn sums<const Q: usize, const T: usize, E: Element>(
    values: &[E],
    width: usize,
    visits: &[Visit],
    weights: &[F32x4],
) -> [[F32x4; T]; Q] {
    let mut sums = [[F32x4::splat(0.0); T]; Q];
    for (visit, weights) in visits.iter().zip(weights.chunks_exact(Q)) {
        let values = &values[visit.row * width..][..T];
        for (at, value) in values.iter().enumerate() {
            let value = value.lanes();
            for (sums, weight) in sums.iter_mut().zip(weights) {
                sums[at] = sums[at] + *weight * value;
            }
        }
    }
    sums
}
