//! The half of a tile that weighs values, and how tiles read rows of a bank.
//!
//! In lanes, a tile is a few visits over all numbers of a head: weights in registers, sums in memory,
//! rows read in order. One lane at a time, it is a few numbers over all visits: sums in registers.
//! Either adds the visits in the order of the plan.

use super::bank::{Bank, Element};
use super::lanes::{F32x4, LANES};
use super::plan::{Plan, ROWS};

/// The most rows of a bank that a tile reads.
pub(super) const READS: usize = 8;

/// The numbers of a head in the rows that a tile reads: visit `t`, row `at` of the plan has place
/// `t * Q + at`, or `t` where all rows of the plan read the same. The places left repeat the first.
pub(super) type Rows<'a, E> = [&'a [E]; READS];

/// Returns what the visits of `reads` read, the last one again where there are fewer than `T`: what
/// that adds is 0.
#[inline(always)]
pub(super) fn rows_of<'a, const Q: usize, const T: usize, E>(
    numbers: &'a [E],
    width: usize,
    dim: usize,
    reads: &[[usize; ROWS]],
) -> Rows<'a, E> {
    let mut rows = [&numbers[reads[0][0] * width..][..dim]; READS];
    for (t, rows) in rows.as_chunks_mut::<Q>().0[..T].iter_mut().enumerate() {
        let reads = reads[t.min(reads.len() - 1)];
        for (row, read) in rows.iter_mut().zip(reads) {
            *row = &numbers[read * width..][..dim];
        }
    }
    rows
}

/// As [`rows_of`], for `T` visits of rows that all rows of the plan read.
#[inline(always)]
pub(super) fn shared_rows_of<'a, const T: usize, E>(
    numbers: &'a [E],
    width: usize,
    dim: usize,
    reads: &[[usize; ROWS]; T],
) -> Rows<'a, E> {
    let mut rows = [&numbers[reads[0][0] * width..][..dim]; READS];
    for (row, [read, _]) in rows.iter_mut().zip(reads) {
        *row = &numbers[read * width..][..dim];
    }
    rows
}

/// Goes through rows of equal length side by side: by zipped iterators, as a loop that looks at
/// several lengths keeps V8 from computing addresses outside of it.
#[inline(always)]
pub(super) fn columns<E>(
    [a, b, c, d, e, f, g, h]: Rows<'_, E>,
) -> impl Iterator<Item = [&E; READS]> {
    let rows = a.iter().zip(b).zip(c.iter().zip(d)).zip(e.iter().zip(f).zip(g.iter().zip(h)));
    rows.map(|(((a, b), (c, d)), ((e, f), (g, h)))| [a, b, c, d, e, f, g, h])
}

/// Adds values, times their weights, to `sums`, in the order of the visits.
#[inline(never)]
pub(super) fn blend<const Q: usize, const T: usize, E: Element>(
    weights: &[[F32x4; Q]],
    values: &[E],
    width: usize,
    reads: &[[usize; ROWS]],
    sums: &mut [[F32x4; Q]],
) {
    for (reads, weights) in reads.chunks(T).zip(weights.as_chunks::<T>().0) {
        let values = rows_of::<Q, T, E>(values, width, sums.len(), reads);
        blend_tile::<Q, T, E>(*weights, values, |t, at| t * Q + at, sums);
    }
}

/// As [`blend`], for whole tiles of visits that all rows make.
#[inline(never)]
pub(super) fn shared_blend<const Q: usize, const T: usize, E: Element>(
    weights: &[[F32x4; Q]],
    values: &[E],
    width: usize,
    reads: &[[usize; ROWS]],
    sums: &mut [[F32x4; Q]],
) {
    for (reads, weights) in reads.as_chunks::<T>().0.iter().zip(weights.as_chunks::<T>().0) {
        let values = shared_rows_of::<T, E>(values, width, sums.len(), reads);
        blend_tile::<Q, T, E>(*weights, values, |t, _| t, sums);
    }
}

/// Adds the values of a tile, one number of them after the other.
#[inline(always)]
fn blend_tile<const Q: usize, const T: usize, E: Element>(
    weights: [[F32x4; Q]; T],
    values: Rows<'_, E>,
    place: impl Fn(usize, usize) -> usize,
    sums: &mut [[F32x4; Q]],
) {
    for (sums, values) in sums.iter_mut().zip(columns(values)) {
        for (t, weights) in weights.iter().enumerate() {
            for (at, (sum, weight)) in sums.iter_mut().zip(weights).enumerate() {
                *sum = *sum + *weight * values[place(t, at)].lanes();
            }
        }
    }
}

/// Makes `sums` those of all values, times their weights, `T` numbers of one lane after the other: where
/// lanes are no register, sums in memory cost more than reading the weights anew.
pub(super) fn blend_by_lane<const Q: usize, const T: usize, E: Element>(
    weights: &[[F32x4; Q]],
    bank: &Bank<E>,
    parts: [usize; LANES],
    plan: &Plan,
    sums: &mut [[F32x4; Q]],
) {
    for (tile, sums) in sums.chunks_mut(T).enumerate() {
        let parts = parts.map(|part| part + tile * T);
        if let Some(sums) = sums.as_mut_array() {
            blend_numbers::<Q, T, E>(weights, bank, parts, plan, sums);
        } else {
            for (d, sums) in sums.iter_mut().enumerate() {
                let (parts, sums) = (parts.map(|part| part + d), core::array::from_mut(sums));
                blend_numbers::<Q, 1, E>(weights, bank, parts, plan, sums);
            }
        }
    }
}

/// Adds the `T` numbers of the values from those of `parts` on, times their weights.
#[inline(never)]
fn blend_numbers<const Q: usize, const T: usize, E: Element>(
    weights: &[[F32x4; Q]],
    bank: &Bank<E>,
    parts: [usize; LANES],
    plan: &Plan,
    to: &mut [[F32x4; Q]; T],
) {
    let (start, end) = (plan.apart.start, plan.apart.end);
    let (before, rest) = plan.reads.split_at(start);
    let (apart, after) = rest.split_at(end - start);
    let (weights_before, rest) = weights.split_at(start);
    let (weights_apart, weights_after) = rest.split_at(end - start);
    let width = bank.width;
    for (lane, part) in parts.into_iter().enumerate() {
        let values = &bank.values[part..];
        let mut sums = [[0.0; T]; Q];
        add_shared(&mut sums, lane, values, width, before, weights_before);
        for (rows, weights) in apart.iter().zip(weights_apart) {
            for ((sums, weight), row) in sums.iter_mut().zip(weights).zip(rows) {
                let weight = weight.lane(lane);
                for (sum, value) in sums.iter_mut().zip(&values[row * width..][..T]) {
                    *sum += weight * value.lane(lane);
                }
            }
        }
        add_shared(&mut sums, lane, values, width, after, weights_after);
        for (at, sums) in sums.into_iter().enumerate() {
            for (to, sum) in to.iter_mut().zip(sums) {
                to[at].set_lane(lane, sum);
            }
        }
    }
}

/// Adds one lane of values that all rows read.
#[inline(always)]
fn add_shared<const Q: usize, const T: usize, E: Element>(
    sums: &mut [[f32; T]; Q],
    lane: usize,
    values: &[E],
    width: usize,
    reads: &[[usize; ROWS]],
    weights: &[[F32x4; Q]],
) {
    for ([row, _], weights) in reads.iter().zip(weights) {
        for (d, value) in values[row * width..][..T].iter().enumerate() {
            let value = value.lane(lane);
            for (sums, weight) in sums.iter_mut().zip(weights) {
                sums[d] += weight.lane(lane) * value;
            }
        }
    }
}
