//! The arithmetic of `row` for four heads, in lanes, and `Q` rows at once.
//!
//! Rows that look at the same keys and values load them once. Where a row has nothing to look at,
//! its weight is 0; as a sum that started from 0 is never -0, adding 0 times a finite number
//! changes no bit of it. So neither the number of rows nor the size of a tile is to be seen in the
//! result, which is that of `row` to the bit.
//!
//! A tile whose numbers are not all finite says so and leaves its output undefined. To tell, it
//! adds up what it computes: a sum with NaN or an infinity in it is not finite. (Nor is the sum of
//! numbers near the end of the range; it is no fault to say so then.)

use super::AttentionError;
use super::bank::{Bank, Element, deinterleave, heads_of, interleave};
use super::lanes::{F32x4, LANES};
use super::plan::{Plan, ROWS, make_room};
use crate::math::{Numbers, exp};
use alloc::vec::Vec;

/// The most keys that a tile of scores takes at once.
const TILE: usize = 8;

/// Memory that tiles work in.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    /// The queries of a group, `[Q][dim]`.
    q: Vec<F32x4>,
    /// Scores, then weights, `[visits][Q]`, up to a whole number of tiles.
    weights: Vec<F32x4>,
    /// The outputs of a group, `[Q][dim]`.
    means: Vec<F32x4>,
}

impl Scratch {
    /// Takes memory for one row of `visits` visits, so that a tile takes none.
    ///
    /// # Errors
    ///
    /// [`AttentionError::CacheTooLarge`].
    pub fn reserve(&mut self, dim: usize, visits: usize) -> Result<(), AttentionError> {
        make_room(&mut self.q, dim)?;
        make_room(&mut self.means, dim)?;
        make_room(&mut self.weights, visits.next_multiple_of(TILE))
    }

    fn resize(&mut self, numbers: usize, weights: usize) {
        self.q.resize(numbers, F32x4::splat(0.0));
        self.means.resize(numbers, F32x4::splat(0.0));
        self.weights.resize(weights, F32x4::splat(0.0));
    }

    /// Returns the bytes of memory that it holds.
    pub fn memory_bytes(&self) -> usize {
        (self.q.capacity() + self.weights.capacity() + self.means.capacity()) * size_of::<F32x4>()
    }
}

/// Computes the `Q` rows of a plan: every query head of `q` (`[Q][q_heads * dim]`) into `out`.
/// `false` when a number left the range of `f32`.
///
/// It takes `T` keys, and `T` numbers of the values, at a time, for the four lanes `TOGETHER` or for
/// one after the other.
pub(super) fn attend<const TOGETHER: bool, const Q: usize, const T: usize, E: Element>(
    bank: &Bank<E>,
    plan: &Plan,
    q: &[f32],
    slopes: &[f32],
    scratch: &mut Scratch,
    out: &mut [f32],
) -> bool {
    let (dim, width) = (bank.dim, q.len() / Q);
    let heads = width / dim;
    let visits = plan.reads.len();
    scratch.resize(Q * dim, Q * visits.next_multiple_of(T));
    let Scratch { q: queries, weights, means } = scratch;
    let mut faults = F32x4::splat(0.0);
    for group in 0..heads.div_ceil(LANES) {
        let inverse_sums = weigh_group::<TOGETHER, Q, T, E>(
            bank,
            plan,
            group,
            (q, slopes),
            (&mut *queries, &mut *weights),
            &mut faults,
        );
        let weights = weights[..Q * visits].as_chunks().0;
        let weights = Weights { plan, weights, inverse_sums: &inverse_sums };
        blend::<TOGETHER, Q, T, E>(bank, group, weights, means);
        for (token, means) in out.chunks_exact_mut(width).zip(means.chunks_exact(dim)) {
            deinterleave(means, dim, group * LANES, token, &mut faults);
        }
    }
    !faults.not_finite().any()
}

/// Computes the weights of the one row of a plan for a group of heads, `[visits]`, and what they are
/// to be multiplied by; `None` when a number left the range of `f32`. `q` is `[q_heads * dim]`.
pub(super) fn weights<'s, const TOGETHER: bool, const T: usize, E: Element>(
    bank: &Bank<E>,
    plan: &Plan,
    group: usize,
    q_and_slopes: (&[f32], &[f32]),
    scratch: &'s mut Scratch,
) -> Option<(&'s [F32x4], F32x4)> {
    let visits = plan.reads.len();
    scratch.resize(bank.dim, visits.next_multiple_of(T));
    let Scratch { q, weights, .. } = scratch;
    let mut faults = F32x4::splat(0.0);
    let [inverse_sum] = weigh_group::<TOGETHER, 1, T, E>(
        bank,
        plan,
        group,
        q_and_slopes,
        (q, &mut *weights),
        &mut faults,
    );
    (!faults.not_finite().any()).then_some((&weights[..visits], inverse_sum))
}

/// Fills the first `[visits][Q]` of `weights` for a group of heads and returns `1 / sum` for each
/// row.
#[inline(always)]
fn weigh_group<const TOGETHER: bool, const Q: usize, const T: usize, E: Element>(
    bank: &Bank<E>,
    plan: &Plan,
    group: usize,
    (q, slopes): (&[f32], &[f32]),
    (queries, weights): (&mut [F32x4], &mut [F32x4]),
    faults: &mut F32x4,
) -> [F32x4; Q] {
    let (dim, width, visits) = (bank.dim, q.len() / Q, plan.reads.len());
    let in_lanes = heads_of(group, width / dim);
    for (token, queries) in q.chunks_exact(width).zip(queries.chunks_exact_mut(dim)) {
        interleave(token, dim, in_lanes, queries);
    }
    score::<TOGETHER, Q, T, E>(bank, group, &plan.reads, queries, weights);
    let weights = &mut weights[..Q * visits];
    let mut scale = F32x4::splat(bank.scale);
    if !plan.bias.is_empty() {
        for (score, bias) in weights.iter_mut().zip(&plan.bias[group * visits..]) {
            *score = *score * scale + *bias;
        }
        scale = F32x4::splat(1.0);
    } else if slopes.is_empty() && plan.has_bonus {
        add_bonus::<Q>(plan, scale, weights);
        scale = F32x4::splat(1.0);
    } else if !slopes.is_empty() {
        let slopes = in_lanes.map(|head| slopes.get(head).copied().unwrap_or(0.0));
        add_bias::<Q>(plan, scale, F32x4::from_array(slopes), weights);
        scale = F32x4::splat(1.0);
    }
    let max = largest::<Q>(weights, scale, &plan.absent, faults);
    weigh::<TOGETHER, Q>(max, weights)
}

/// Fills `scores` with the products of queries and keys.
fn score<const TOGETHER: bool, const Q: usize, const T: usize, E: Element>(
    bank: &Bank<E>,
    group: usize,
    reads: &[[usize; ROWS]],
    q: &[F32x4],
    scores: &mut [F32x4],
) {
    let (keys, width) = (&bank.keys[bank.part(group)..], bank.width);
    for (reads, scores) in reads.chunks(T).zip(scores.chunks_exact_mut(Q * T)) {
        // A last tile that is not full repeats its last key.
        let starts: [[&[E]; ROWS]; T] = core::array::from_fn(|at| {
            reads[at.min(reads.len() - 1)].map(|row| &keys[row * width..][..bank.dim])
        });
        let reads: [[usize; ROWS]; T] = core::array::from_fn(|at| reads[at.min(reads.len() - 1)]);
        if reads.iter().all(|[first, second]| first == second) {
            dots::<TOGETHER, Q, T, E>(q, starts.map(|[first, _]| first), scores);
        } else {
            dots_apart::<TOGETHER, Q, T, E>(q, starts, scores);
        }
    }
}

/// Sums the products of `Q` queries and `T` keys, each left to right.
#[inline(never)]
fn dots<const TOGETHER: bool, const Q: usize, const T: usize, E: Element>(
    q: &[F32x4],
    keys: [&[E]; T],
    scores: &mut [F32x4],
) {
    let dim = q.len() / Q;
    let queries: [&[F32x4]; Q] = core::array::from_fn(|at| &q[at * dim..][..dim]);
    let keys: [&[E]; T] = keys.map(|key| &key[..dim]);
    if TOGETHER {
        let sums = products(dim, |at, d| queries[at][d], |t, _, d| keys[t][d].lanes());
        store::<Q, T>(sums, scores);
    } else {
        for lane in 0..LANES {
            let q = |at: usize, d: usize| queries[at][d].lane(lane);
            let sums = products(dim, q, |t, _, d| keys[t][d].lane(lane));
            store_lane::<Q, T>(sums, lane, scores);
        }
    }
}

/// As [`dots`], each query with keys of its own.
#[inline(never)]
fn dots_apart<const TOGETHER: bool, const Q: usize, const T: usize, E: Element>(
    q: &[F32x4],
    keys: [[&[E]; ROWS]; T],
    scores: &mut [F32x4],
) {
    let dim = q.len() / Q;
    let queries: [&[F32x4]; Q] = core::array::from_fn(|at| &q[at * dim..][..dim]);
    let keys: [[&[E]; Q]; T] = keys.map(|keys| core::array::from_fn(|at| &keys[at][..dim]));
    if TOGETHER {
        let sums = products(dim, |at, d| queries[at][d], |t, at, d| keys[t][at][d].lanes());
        store::<Q, T>(sums, scores);
    } else {
        for lane in 0..LANES {
            let q = |at: usize, d: usize| queries[at][d].lane(lane);
            let sums = products(dim, q, |t, at, d| keys[t][at][d].lane(lane));
            store_lane::<Q, T>(sums, lane, scores);
        }
    }
}

/// Sums `q(row, d) * key(visit, row, d)` over all `d`.
#[inline(always)]
fn products<N: Numbers, const Q: usize, const T: usize>(
    dim: usize,
    q: impl Fn(usize, usize) -> N,
    key: impl Fn(usize, usize, usize) -> N,
) -> [[N; Q]; T] {
    let mut sums = [[N::splat(0.0); Q]; T];
    for d in 0..dim {
        let q: [N; Q] = core::array::from_fn(|at| q(at, d));
        for (t, sums) in sums.iter_mut().enumerate() {
            let keys: [N; Q] = core::array::from_fn(|at| key(t, at, d));
            for ((sum, q), key) in sums.iter_mut().zip(q).zip(keys) {
                *sum = *sum + q * key;
            }
        }
    }
    sums
}

#[inline(always)]
fn store<const Q: usize, const T: usize>(sums: [[F32x4; Q]; T], to: &mut [F32x4]) {
    to[..Q * T].copy_from_slice(sums.as_flattened());
}

#[inline(always)]
fn store_lane<const Q: usize, const T: usize>(sums: [[f32; Q]; T], lane: usize, to: &mut [F32x4]) {
    for (to, sum) in to.iter_mut().zip(sums.as_flattened()) {
        to.set_lane(lane, *sum);
    }
}

/// Makes scores of products: scale, logarithms of counts. Slopes of 0 would change no bit.
fn add_bonus<const Q: usize>(plan: &Plan, scale: F32x4, scores: &mut [F32x4]) {
    for (stands, scores) in plan.stands.iter().zip(scores.chunks_exact_mut(Q)) {
        for (score, stand) in scores.iter_mut().zip(stands) {
            *score = *score * scale + F32x4::splat(stand.bonus);
        }
    }
}

/// Makes scores of products: scale, slopes, logarithms of counts.
fn add_bias<const Q: usize>(plan: &Plan, scale: F32x4, slopes: F32x4, scores: &mut [F32x4]) {
    for (stands, scores) in plan.stands.iter().zip(scores.chunks_exact_mut(Q)) {
        for (at, (score, stand)) in scores.iter_mut().zip(stands).enumerate() {
            let distance = F32x4::splat(stand.distance(plan.row + at));
            *score = *score * scale - slopes * distance + F32x4::splat(stand.bonus);
        }
    }
}

/// Multiplies scores by `scale` and returns the largest of each row. Where a row does not look, its
/// score becomes minus infinity.
#[inline(never)]
fn largest<const Q: usize>(
    scores: &mut [F32x4],
    scale: F32x4,
    absent: &[(u32, u32)],
    faults: &mut F32x4,
) -> [F32x4; Q] {
    let (mut max, mut sum) = ([F32x4::splat(f32::MIN); Q], *faults);
    for scores in scores.chunks_exact_mut(Q) {
        for score in scores {
            *score = *score * scale;
            sum = sum + *score;
        }
    }
    *faults = sum;
    for &(visit, at) in absent {
        scores[visit as usize * Q + at as usize] = F32x4::splat(f32::NEG_INFINITY);
    }
    for scores in scores.chunks_exact(Q) {
        for (score, max) in scores.iter().zip(&mut max) {
            *max = max.max(*score);
        }
    }
    max
}

/// Replaces scores by `exp(score - max)` and returns `1 / sum` for each row.
#[inline(never)]
fn weigh<const TOGETHER: bool, const Q: usize>(
    max: [F32x4; Q],
    scores: &mut [F32x4],
) -> [F32x4; Q] {
    let mut sums = [F32x4::splat(0.0); Q];
    for ((at, max), to) in max.into_iter().enumerate().zip(&mut sums) {
        let mut sum = F32x4::splat(0.0);
        for score in scores[at..].iter_mut().step_by(Q) {
            let shifted = *score - max;
            *score = if TOGETHER {
                exp(shifted)
            } else {
                F32x4::from_array(shifted.to_array().map(exp))
            };
            sum = sum + *score;
        }
        *to = sum;
    }
    sums.map(|sum| F32x4::splat(1.0) / sum)
}

/// What the values are weighed with.
#[derive(Clone, Copy)]
struct Weights<'a, const Q: usize> {
    plan: &'a Plan,
    weights: &'a [[F32x4; Q]],
    inverse_sums: &'a [F32x4; Q],
}

/// Fills `means`, `[Q][dim]`, with the weighted means of the values.
fn blend<const TOGETHER: bool, const Q: usize, const T: usize, E: Element>(
    bank: &Bank<E>,
    group: usize,
    weights: Weights<'_, Q>,
    means: &mut [F32x4],
) {
    let dim = bank.dim;
    let values = &bank.values[bank.part(group)..];
    let whole = dim - dim % T;
    for d in (0..whole).step_by(T) {
        blend_tile::<TOGETHER, Q, T, E>(&values[d..], bank.width, weights, dim, &mut means[d..]);
    }
    for d in whole..dim {
        blend_tile::<TOGETHER, Q, 1, E>(&values[d..], bank.width, weights, dim, &mut means[d..]);
    }
}

/// Blends `T` numbers of the values, in the order of the visits, into the first `T` numbers of each
/// row of `means`, which start `stride` apart.
#[inline(never)]
fn blend_tile<const TOGETHER: bool, const Q: usize, const T: usize, E: Element>(
    values: &[E],
    width: usize,
    weights: Weights<'_, Q>,
    stride: usize,
    means: &mut [F32x4],
) {
    let scales = weights.inverse_sums;
    if TOGETHER {
        let sums = weighted::<F32x4, Q, T, E>(values, width, weights, |w| *w, |v| v.lanes());
        for (at, (sums, scale)) in sums.iter().zip(scales).enumerate() {
            for (sum, mean) in sums.iter().zip(&mut means[at * stride..][..T]) {
                *mean = *sum * *scale;
            }
        }
    } else {
        for lane in 0..LANES {
            let (weight, value) = (|w: &F32x4| w.lane(lane), |v: &E| v.lane(lane));
            let sums = weighted::<f32, Q, T, E>(values, width, weights, weight, value);
            for (at, (sums, scale)) in sums.iter().zip(scales).enumerate() {
                for (sum, mean) in sums.iter().zip(&mut means[at * stride..][..T]) {
                    mean.set_lane(lane, *sum * scale.lane(lane));
                }
            }
        }
    }
}

/// Sums the first `T` numbers of the values times their weights.
#[inline(always)]
fn weighted<N: Numbers, const Q: usize, const T: usize, E: Element>(
    values: &[E],
    width: usize,
    Weights { plan, weights, .. }: Weights<'_, Q>,
    weight: impl Fn(&F32x4) -> N + Copy,
    value: impl Fn(&E) -> N + Copy,
) -> [[N; T]; Q] {
    let mut sums = [[N::splat(0.0); T]; Q];
    let (start, end) = (plan.apart.start, plan.apart.end);
    add_shared(&mut sums, values, width, &plan.reads[..start], &weights[..start], weight, value);
    for (rows, weights) in plan.reads[start..end].iter().zip(&weights[start..end]) {
        for ((sums, weights), row) in sums.iter_mut().zip(weights).zip(rows) {
            let (weight, values) = (weight(weights), &values[row * width..][..T]);
            for (sum, number) in sums.iter_mut().zip(values) {
                *sum = *sum + weight * value(number);
            }
        }
    }
    add_shared(&mut sums, values, width, &plan.reads[end..], &weights[end..], weight, value);
    sums
}

/// Adds values that all rows read.
#[inline(always)]
fn add_shared<N: Numbers, const Q: usize, const T: usize, E: Element>(
    sums: &mut [[N; T]; Q],
    values: &[E],
    width: usize,
    reads: &[[usize; ROWS]],
    weights: &[[F32x4; Q]],
    weight: impl Fn(&F32x4) -> N,
    value: impl Fn(&E) -> N,
) {
    for ([row, _], weights) in reads.iter().zip(weights) {
        for (at, number) in values[row * width..][..T].iter().enumerate() {
            let number = value(number);
            for (sums, weights) in sums.iter_mut().zip(weights) {
                sums[at] = sums[at] + weight(weights) * number;
            }
        }
    }
}
