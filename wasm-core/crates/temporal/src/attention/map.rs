//! Effective weights per token: what the attention room draws.
//!
//! Entry `[i, j]` is the `A[i][j]` of `out[i] = sum over j of A[i][j] * v[j]`. A block of weight
//! `w` over `n` tokens adds `w / n` to each of them, on top of what they get as tokens. Every row
//! sums to 1 up to rounding. Weights come from the same arithmetic as the output.
//!
//! A whole map has `seq * seq` numbers; for a long window, `*_rows` hands out some rows, one at a
//! time.

use super::bank::Bank;
use super::lanes::{F32x4, LANES};
use super::plan::{Over, Plan};
use super::row::RowOf;
use super::tile::Scratch;
use super::{AttentionError, Pyramid, Qkv, SparsePattern, Weighting, kernel};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// Most tokens that a map is made for; its weights take 16 MiB.
pub const MAX_MAP_SEQ: usize = 2048;

/// Which query heads a map shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heads {
    /// One of them.
    One(usize),
    /// The mean over all of them.
    Mean,
}

impl Heads {
    /// Returns the query heads, of `count`.
    pub(super) fn of(self, count: usize) -> Result<Range<usize>, AttentionError> {
        match self {
            Self::One(head) if head >= count => {
                Err(AttentionError::HeadOutOfRange { head, heads: count })
            }
            Self::One(head) => Ok(head..head + 1),
            Self::Mean => Ok(0..count),
        }
    }
}

/// Refuses a map that would be too large.
pub(super) fn check_seq(seq: usize) -> Result<(), AttentionError> {
    if seq > MAX_MAP_SEQ {
        Err(AttentionError::MapTooLarge { seq, max: MAX_MAP_SEQ })
    } else {
        Ok(())
    }
}

/// Computes one row of the dense map, `[seq]`.
///
/// # Errors
///
/// What [`Qkv::validate`] refuses; [`AttentionError::RowOutOfRange`];
/// [`AttentionError::HeadOutOfRange`]; [`AttentionError::Overflow`].
pub fn dense_row(
    input: &Qkv<'_>,
    causal: bool,
    row: usize,
    heads: Heads,
) -> Result<Vec<f32>, AttentionError> {
    one_row(&Mapper::new(input, Over::Dense { causal }, heads)?, row)
}

/// Computes one row of the sparse map, `[seq]`.
///
/// # Errors
///
/// As [`dense_row`], and what [`SparsePattern::validate`] refuses.
pub fn sparse_row(
    input: &Qkv<'_>,
    pattern: &SparsePattern,
    weighting: Weighting,
    row: usize,
    heads: Heads,
) -> Result<Vec<f32>, AttentionError> {
    one_row(&Mapper::new(input, Over::Sparse { pattern, weighting }, heads)?, row)
}

/// Computes one row of the pyramid's map, `[seq]`.
///
/// # Errors
///
/// As [`dense_row`], and what [`Pyramid::validate`] refuses.
pub fn pyramid_row(
    input: &Qkv<'_>,
    pyramid: &Pyramid,
    row: usize,
    heads: Heads,
) -> Result<Vec<f32>, AttentionError> {
    one_row(&Mapper::new(input, Over::Pyramid(*pyramid), heads)?, row)
}

/// Computes the dense map, `[seq * seq]`, one row after the other.
///
/// # Errors
///
/// As [`dense_row`]; [`AttentionError::MapTooLarge`].
pub fn dense_map(input: &Qkv<'_>, causal: bool, heads: Heads) -> Result<Vec<f32>, AttentionError> {
    all_rows(&Mapper::new(input, Over::Dense { causal }, heads)?)
}

/// Computes the sparse map, `[seq * seq]`, one row after the other.
///
/// # Errors
///
/// As [`sparse_row`]; [`AttentionError::MapTooLarge`].
pub fn sparse_map(
    input: &Qkv<'_>,
    pattern: &SparsePattern,
    weighting: Weighting,
    heads: Heads,
) -> Result<Vec<f32>, AttentionError> {
    all_rows(&Mapper::new(input, Over::Sparse { pattern, weighting }, heads)?)
}

/// Computes the pyramid's map, `[seq * seq]`, one row after the other.
///
/// # Errors
///
/// As [`pyramid_row`]; [`AttentionError::MapTooLarge`].
pub fn pyramid_map(
    input: &Qkv<'_>,
    pyramid: &Pyramid,
    heads: Heads,
) -> Result<Vec<f32>, AttentionError> {
    all_rows(&Mapper::new(input, Over::Pyramid(*pyramid), heads)?)
}

/// Computes some rows of the dense map and hands each to `take`, with its number.
///
/// # Errors
///
/// As [`dense_row`]; `take` then has had the rows before.
pub fn dense_rows(
    input: &Qkv<'_>,
    causal: bool,
    heads: Heads,
    rows: impl IntoIterator<Item = usize>,
    take: impl FnMut(usize, &[f32]),
) -> Result<(), AttentionError> {
    some_rows(&Mapper::new(input, Over::Dense { causal }, heads)?, rows, take)
}

/// As [`dense_rows`], of the sparse map.
///
/// # Errors
///
/// As [`sparse_row`].
pub fn sparse_rows(
    input: &Qkv<'_>,
    pattern: &SparsePattern,
    weighting: Weighting,
    heads: Heads,
    rows: impl IntoIterator<Item = usize>,
    take: impl FnMut(usize, &[f32]),
) -> Result<(), AttentionError> {
    some_rows(&Mapper::new(input, Over::Sparse { pattern, weighting }, heads)?, rows, take)
}

/// As [`dense_rows`], of the pyramid's map.
///
/// # Errors
///
/// As [`pyramid_row`].
pub fn pyramid_rows(
    input: &Qkv<'_>,
    pyramid: &Pyramid,
    heads: Heads,
    rows: impl IntoIterator<Item = usize>,
    take: impl FnMut(usize, &[f32]),
) -> Result<(), AttentionError> {
    some_rows(&Mapper::new(input, Over::Pyramid(*pyramid), heads)?, rows, take)
}

struct Mapper<'a> {
    input: &'a Qkv<'a>,
    over: Over<'a>,
    bank: Bank<F32x4>,
    heads: Range<usize>,
}

impl<'a> Mapper<'a> {
    fn new(input: &'a Qkv<'a>, over: Over<'a>, heads: Heads) -> Result<Self, AttentionError> {
        match over {
            Over::Sparse { pattern, .. } => pattern.validate()?,
            Over::Pyramid(pyramid) => pyramid.validate()?,
            Over::Dense { .. } => {}
        }
        input.validate()?;
        let heads = heads.of(input.q.heads())?;
        let mut bank = Bank::<F32x4>::new();
        bank.fill(input, over.blocks(input.q.seq()));
        kernel::push_means(&mut bank, over);
        Ok(Self { input, over, bank, heads })
    }

    /// Adds the weights of a row to `out`, which holds zeros.
    fn row(&self, row: usize, work: &mut Work, out: &mut [f32]) -> Result<(), AttentionError> {
        let Work { plan, scratch } = work;
        let ([seq, count, dim], slopes) = (self.input.q.shape(), self.input.slopes);
        plan.fill(self.over, row, 1, seq, self.bank.first_block);
        let q = &self.input.q.data()[row * count * dim..][..count * dim];
        let share = 1.0 / self.heads.len() as f32;
        for group in self.heads.start / LANES..self.heads.end.div_ceil(LANES) {
            let weighed = kernel::weights(&self.bank, plan, group, q, slopes, scratch);
            let Some((weights, inverse_sum)) = weighed else {
                return Err(self.overflow(row, plan));
            };
            let first = self.heads.start.max(group * LANES);
            for head in first..self.heads.end.min((group + 1) * LANES) {
                let inverse_sum = inverse_sum.to_array()[head % LANES];
                // A plan of one row has no visit that the row does not make.
                for (stands, weight) in plan.stands.iter().zip(weights) {
                    let tokens = stands[0].tokens.clone();
                    let weight = weight.to_array()[head % LANES];
                    let per_token = weight * inverse_sum * share / tokens.len() as f32;
                    out[tokens].iter_mut().for_each(|out| *out += per_token);
                }
            }
        }
        Ok(())
    }

    /// Names the first head whose scores left the range of `f32`.
    #[cold]
    fn overflow(&self, row: usize, plan: &Plan) -> AttentionError {
        let overflows = |head: &usize| {
            let slope = self.input.slopes.get(*head).copied().unwrap_or(0.0);
            let one = RowOf { bank: &self.bank, plan, at: 0, head: *head, slope };
            one.weigh(self.input.q.row(row, *head), &mut Vec::new()).is_none()
        };
        let head = (0..self.input.q.heads()).find(overflows).unwrap_or(0);
        AttentionError::Overflow { token: row, head }
    }
}

/// What rows are computed in.
#[derive(Default)]
struct Work {
    plan: Plan,
    scratch: Scratch,
}

fn some_rows(
    mapper: &Mapper<'_>,
    rows: impl IntoIterator<Item = usize>,
    mut take: impl FnMut(usize, &[f32]),
) -> Result<(), AttentionError> {
    let seq = mapper.input.q.seq();
    let (mut work, mut out) = (Work::default(), vec![0.0; seq]);
    for row in rows {
        if row >= seq {
            return Err(AttentionError::RowOutOfRange { row, seq });
        }
        out.fill(0.0);
        mapper.row(row, &mut work, &mut out)?;
        take(row, &out);
    }
    Ok(())
}

fn one_row(mapper: &Mapper<'_>, row: usize) -> Result<Vec<f32>, AttentionError> {
    let mut weights = Vec::new();
    some_rows(mapper, [row], |_, row| weights.extend_from_slice(row))?;
    Ok(weights)
}

fn all_rows(mapper: &Mapper<'_>) -> Result<Vec<f32>, AttentionError> {
    let seq = mapper.input.q.seq();
    check_seq(seq)?;
    let mut out = Vec::with_capacity(seq * seq);
    some_rows(mapper, 0..seq, |_, row| out.extend_from_slice(row))?;
    Ok(out)
}
