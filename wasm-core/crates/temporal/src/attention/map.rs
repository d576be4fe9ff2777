//! Effective weights per token: what the attention room draws.
//!
//! Entry `[i, j]` is the `A[i][j]` of `out[i] = sum over j of A[i][j] * v[j]`. A block of weight
//! `w` over `n` tokens adds `w / n` to each of them, on top of what they get as tokens. Every row
//! sums to 1 up to rounding. Weights come from the same arithmetic as the output.

use super::bank::Bank;
use super::lanes::F32x4;
use super::plan::{Over, Plan};
use super::row::RowOf;
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
    fn row(
        &self,
        row: usize,
        plan: &mut Plan,
        weights: &mut Vec<f32>,
        out: &mut [f32],
    ) -> Result<(), AttentionError> {
        plan.fill(self.over, row, 1, self.input.q.seq(), self.bank.first_block);
        let share = 1.0 / self.heads.len() as f32;
        for head in self.heads.clone() {
            let slope = self.input.slopes.get(head).copied().unwrap_or(0.0);
            let one = RowOf { bank: &self.bank, plan, at: 0, head, slope };
            let inverse_sum = one
                .weigh(self.input.q.row(row, head), weights)
                .ok_or(AttentionError::Overflow { token: row, head })?;
            for (visit, weight) in plan.visits_of(0).zip(weights.iter()) {
                let tokens = visit.stand.tokens;
                let per_token = weight * inverse_sum * share / tokens.len() as f32;
                out[tokens].iter_mut().for_each(|out| *out += per_token);
            }
        }
        Ok(())
    }
}

fn one_row(mapper: &Mapper<'_>, row: usize) -> Result<Vec<f32>, AttentionError> {
    let seq = mapper.input.q.seq();
    if row >= seq {
        return Err(AttentionError::RowOutOfRange { row, seq });
    }
    let mut out = vec![0.0; seq];
    mapper.row(row, &mut Plan::default(), &mut Vec::new(), &mut out)?;
    Ok(out)
}

fn all_rows(mapper: &Mapper<'_>) -> Result<Vec<f32>, AttentionError> {
    let seq = mapper.input.q.seq();
    check_seq(seq)?;
    let (mut plan, mut weights) = (Plan::default(), Vec::new());
    let mut out = vec![0.0; seq * seq];
    for (row, out) in out.chunks_exact_mut(seq.max(1)).enumerate() {
        mapper.row(row, &mut plan, &mut weights, out)?;
    }
    Ok(out)
}
