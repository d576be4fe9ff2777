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
use super::blend::{
    READS, Rows, blend, blend_by_lane, columns, rows_of, shared_blend, shared_rows_of,
};
use super::lanes::{F32x4, IS_VECTOR, LANES};
use super::plan::{Plan, ROWS, make_room};
use crate::math::{Numbers, exp};
use alloc::vec::Vec;
use core::ops::Range;

/// Memory that tiles work in.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    /// The queries of a group, `[dim][Q]`.
    q: Vec<F32x4>,
    /// Scores, then weights, `[visits][Q]`, and room for the last tile.
    weights: Vec<F32x4>,
    /// The outputs of a group, `[dim][Q]`.
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
        make_room(&mut self.weights, visits + READS)
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
/// It takes `T` visits at a time that all rows make, or `A` of each row's own (`Q * A <= READS`), for
/// the four lanes `TOGETHER`, which all read the part of the first, or for one after the other.
pub(super) fn attend<
    const TOGETHER: bool,
    const Q: usize,
    const T: usize,
    const A: usize,
    E: Element,
>(
    bank: &Bank<E>,
    plan: &Plan,
    q: &[f32],
    slopes: &[f32],
    scratch: &mut Scratch,
    out: &mut [f32],
) -> bool {
    let (dim, width) = (bank.dim, q.len() / Q);
    let (heads, visits) = (width / dim, plan.reads.len());
    scratch.resize(Q * dim, Q * visits + READS);
    let Scratch { q: queries, weights, means } = scratch;
    let (queries, means) = (queries.as_chunks_mut::<Q>().0, means.as_chunks_mut::<Q>().0);
    let weights = weights.as_chunks_mut::<Q>().0;
    let mut faults = F32x4::splat(0.0);
    for group in 0..heads.div_ceil(LANES) {
        let inverse_sums = weigh_group::<TOGETHER, Q, T, A, E>(
            bank,
            plan,
            group,
            (q, slopes),
            (queries, weights),
            &mut faults,
        );
        let parts = heads_of(group, heads).map(|head| bank.part(head));
        if TOGETHER {
            let values = &bank.values[parts[0]..];
            weights[visits..].fill([F32x4::splat(0.0); Q]);
            means.fill([F32x4::splat(0.0); Q]);
            for (at, visits) in cut::<T, A>(plan).into_iter().enumerate() {
                let blend = if at % 2 == 0 { shared_blend::<Q, T, E> } else { blend::<Q, A, E> };
                let (weights, reads) = (&weights[visits.start..], &plan.reads[visits]);
                blend(weights, values, bank.width, reads, means);
            }
        } else {
            blend_by_lane::<Q, T, E>(&weights[..visits], bank, parts, plan, means);
        }
        for (at, token) in out.chunks_exact_mut(width).enumerate() {
            deinterleave(means, dim, at, inverse_sums[at], group * LANES, token, &mut faults);
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
    scratch.resize(bank.dim, visits + READS);
    let Scratch { q, weights, .. } = scratch;
    let mut faults = F32x4::splat(0.0);
    let [inverse_sum] = weigh_group::<TOGETHER, 1, T, T, E>(
        bank,
        plan,
        group,
        q_and_slopes,
        (q.as_chunks_mut().0, weights.as_chunks_mut().0),
        &mut faults,
    );
    (!faults.not_finite().any()).then_some((&weights[..visits], inverse_sum))
}

/// Fills the first `[visits][Q]` of `weights` for a group of heads and returns `1 / sum` for each
/// row.
#[inline(always)]
fn weigh_group<const TOGETHER: bool, const Q: usize, const T: usize, const A: usize, E: Element>(
    bank: &Bank<E>,
    plan: &Plan,
    group: usize,
    (q, slopes): (&[f32], &[f32]),
    (queries, scores): (&mut [[F32x4; Q]], &mut [[F32x4; Q]]),
    faults: &mut F32x4,
) -> [F32x4; Q] {
    let (dim, width, visits) = (bank.dim, q.len() / Q, plan.reads.len());
    let in_lanes = heads_of(group, width / dim);
    for (at, token) in q.chunks_exact(width).enumerate() {
        interleave(token, dim, in_lanes, at, queries);
    }
    let parts = in_lanes.map(|head| bank.part(head));
    for (at, visits) in cut::<T, A>(plan).into_iter().enumerate() {
        let dots =
            if at % 2 == 0 { shared_dots::<TOGETHER, Q, T, E> } else { dots::<TOGETHER, Q, A, E> };
        let (start, reads) = (visits.start, &plan.reads[visits]);
        dots(queries, bank, parts, reads, &mut scores[start..]);
    }
    let slopes = (!slopes.is_empty())
        .then(|| F32x4::from_array(in_lanes.map(|head| slopes.get(head).copied().unwrap_or(0.0))));
    soften::<Q>(plan, group, slopes, &mut scores[..visits], faults)
}

/// Replaces scaled products by weights and returns `1 / sum` for each row.
#[inline(never)]
fn soften<const Q: usize>(
    plan: &Plan,
    group: usize,
    slopes: Option<F32x4>,
    scores: &mut [[F32x4; Q]],
    faults: &mut F32x4,
) -> [F32x4; Q] {
    if !plan.bias.is_empty() {
        let bias = &plan.bias[group * scores.len()..];
        for (score, bias) in scores.as_flattened_mut().iter_mut().zip(bias) {
            *score = *score + *bias;
        }
    } else if let Some(slopes) = slopes {
        add_bias::<Q>(plan, slopes, scores);
    } else if plan.has_bonus {
        add_bonus::<Q>(plan, scores);
    }
    let max = largest::<Q>(scores, &plan.absent, faults);
    weigh::<Q>(max, scores)
}

/// Cuts visits in four: whole tiles of `T` that all rows read, then tiles of `A` as far as there are
/// visits of single rows, then whole tiles of `T` again, and what is left.
fn cut<const T: usize, const A: usize>(plan: &Plan) -> [Range<usize>; 4] {
    let (visits, Range { start, end }) = (plan.reads.len(), plan.apart.clone());
    let first = start / T * T;
    let second = (first + (end - first).next_multiple_of(A)).min(visits);
    let third = second + (visits - second) / T * T;
    [0..first, first..second, second..third, third..visits]
}

/// Fills `scores` with the products of queries and keys, times `scale`.
#[inline(never)]
fn dots<const TOGETHER: bool, const Q: usize, const T: usize, E: Element>(
    q: &[[F32x4; Q]],
    bank: &Bank<E>,
    parts: [usize; LANES],
    reads: &[[usize; ROWS]],
    scores: &mut [[F32x4; Q]],
) {
    let (keys, dim) = keys_of::<TOGETHER, E>(bank, parts);
    for (reads, scores) in reads.chunks(T).zip(scores.chunks_exact_mut(T)) {
        let keys = rows_of::<Q, T, E>(keys, bank.width, dim, reads);
        dots_of_tile::<TOGETHER, Q, T, E>(q, keys, |t, at| t * Q + at, (parts, bank.scale), scores);
    }
}

/// As [`dots`], for whole tiles of visits that all queries make.
#[inline(never)]
fn shared_dots<const TOGETHER: bool, const Q: usize, const T: usize, E: Element>(
    q: &[[F32x4; Q]],
    bank: &Bank<E>,
    parts: [usize; LANES],
    reads: &[[usize; ROWS]],
    scores: &mut [[F32x4; Q]],
) {
    let (keys, dim) = keys_of::<TOGETHER, E>(bank, parts);
    for (reads, scores) in reads.as_chunks::<T>().0.iter().zip(scores.chunks_exact_mut(T)) {
        let keys = shared_rows_of::<T, E>(keys, bank.width, dim, reads);
        dots_of_tile::<TOGETHER, Q, T, E>(q, keys, |t, _| t, (parts, bank.scale), scores);
    }
}

/// Returns the keys that rows start in, and their length: the part of lanes together, or all parts.
#[inline(always)]
fn keys_of<const TOGETHER: bool, E: Element>(
    bank: &Bank<E>,
    parts: [usize; LANES],
) -> (&[E], usize) {
    if TOGETHER { (&bank.keys[parts[0]..], bank.dim) } else { (&bank.keys, bank.width) }
}

/// Computes a tile of scores, each product's sum left to right.
#[inline(always)]
fn dots_of_tile<const TOGETHER: bool, const Q: usize, const T: usize, E: Element>(
    q: &[[F32x4; Q]],
    keys: Rows<'_, E>,
    place: impl Fn(usize, usize) -> usize,
    (parts, scale): ([usize; LANES], f32),
    scores: &mut [[F32x4; Q]],
) {
    if TOGETHER {
        let sums: [[F32x4; Q]; T] = products(q, keys, place, |q| *q, |key| key.lanes());
        let scale = F32x4::splat(scale);
        for (to, sums) in scores[..T].iter_mut().zip(sums) {
            *to = sums.map(|sum| sum * scale);
        }
    } else {
        let (dim, width) = (q.len(), keys[0].len());
        // All are as long as the first, so that a lane's part is checked once.
        let keys = keys.map(|key| &key[..width]);
        for (lane, part) in parts.into_iter().enumerate() {
            let keys = keys.map(|key| &key[part..part + dim]);
            let sums: [[f32; Q]; T] =
                products(q, keys, &place, |q| q.lane(lane), |key| key.lane(lane));
            for (to, sums) in scores[..T].iter_mut().zip(sums) {
                for (to, sum) in to.iter_mut().zip(sums) {
                    to.set_lane(lane, sum * scale);
                }
            }
        }
    }
}

/// Sums the products of numbers, taken from what they are stored as.
#[inline(always)]
fn products<N: Numbers, const Q: usize, const T: usize, E: Element>(
    q: &[[F32x4; Q]],
    keys: Rows<'_, E>,
    place: impl Fn(usize, usize) -> usize,
    of_query: impl Fn(&F32x4) -> N,
    of_key: impl Fn(&E) -> N,
) -> [[N; Q]; T] {
    let mut sums = [[N::splat(0.0); Q]; T];
    for (q, keys) in q.iter().zip(columns(keys)) {
        for (t, sums) in sums.iter_mut().enumerate() {
            for (at, sum) in sums.iter_mut().enumerate() {
                *sum = *sum + of_query(&q[at]) * of_key(keys[place(t, at)]);
            }
        }
    }
    sums
}

/// Adds logarithms of counts to scores. Slopes of 0 would change no bit.
fn add_bonus<const Q: usize>(plan: &Plan, scores: &mut [[F32x4; Q]]) {
    for (stands, scores) in plan.stands.iter().zip(scores) {
        for (score, stand) in scores.iter_mut().zip(stands) {
            *score = *score + F32x4::splat(stand.bonus);
        }
    }
}

/// Adds slopes and logarithms of counts to scores.
fn add_bias<const Q: usize>(plan: &Plan, slopes: F32x4, scores: &mut [[F32x4; Q]]) {
    for (stands, scores) in plan.stands.iter().zip(scores) {
        for (at, (score, stand)) in scores.iter_mut().zip(stands).enumerate() {
            let distance = F32x4::splat(stand.distance(plan.row + at));
            *score = *score - slopes * distance + F32x4::splat(stand.bonus);
        }
    }
}

/// The score of a visit that a row does not make: so low that it weighs 0 and is the largest of
/// none, and so high that any number of them can be added up.
const ABSENT: f32 = -1e30;

/// Returns the largest score of each row. Where a row does not look, its score becomes [`ABSENT`].
#[inline(never)]
fn largest<const Q: usize>(
    scores: &mut [[F32x4; Q]],
    absent: &[(u32, u32)],
    faults: &mut F32x4,
) -> [F32x4; Q] {
    for &(visit, at) in absent {
        scores[visit as usize][at as usize] = F32x4::splat(ABSENT);
    }
    let (mut max, mut sum) = ([F32x4::splat(ABSENT); Q], *faults);
    for scores in scores.iter() {
        for (score, max) in scores.iter().zip(&mut max) {
            *max = max.max(*score);
        }
        // The rows first, so that the sum waits for itself once a visit.
        let [first, rest @ ..] = scores.as_slice() else { continue };
        sum = sum + rest.iter().fold(*first, |sum, score| sum + *score);
    }
    // No score above that of an absent visit: 0 / 0, the one fault that the sum does not show.
    let zero = F32x4::splat(0.0);
    *faults = max.iter().fold(sum, |sum, max| sum + zero / (*max - F32x4::splat(ABSENT)));
    max
}

/// Replaces scores by `exp(score - max)` and returns `1 / sum` for each row.
#[inline(never)]
fn weigh<const Q: usize>(max: [F32x4; Q], scores: &mut [[F32x4; Q]]) -> [F32x4; Q] {
    let mut sums = [F32x4::splat(0.0); Q];
    for (at, to) in sums.iter_mut().enumerate() {
        if IS_VECTOR {
            let mut sum = F32x4::splat(0.0);
            for scores in scores.iter_mut() {
                scores[at] = exp(scores[at] - max[at]);
                sum = sum + scores[at];
            }
            *to = sum;
        } else {
            // One lane after the other, so that what `exp` needs stays in registers.
            for lane in 0..LANES {
                let (max, mut sum) = (max[at].get(lane), 0.0);
                for scores in scores.iter_mut() {
                    let weight = exp(scores[at].get(lane) - max);
                    scores[at].set_lane(lane, weight);
                    sum += weight;
                }
                to.set_lane(lane, sum);
            }
        }
    }
    sums.map(|sum| F32x4::splat(1.0) / sum)
}
