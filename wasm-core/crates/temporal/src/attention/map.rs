//! Effective weights per token: what the attention room draws.
//!
//! Entry `[i, j]` is the `A[i][j]` of `out[i] = sum over j of A[i][j] * v[j]`. A landmark of weight
//! `w` over `n` tokens adds `w / n` to each of them, on top of what they get as tokens. Every row
//! sums to 1 up to rounding. Weights come from the same arithmetic as the output.

use super::row::{Landmarks, Memory, RowPlan, Scoring};
use super::sparse::landmarks_of;
use super::{AttentionError, Qkv, SparsePattern, Weighting};
use alloc::vec;
use alloc::vec::Vec;

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
    one_row(&Mapper::new(input, None, Weighting::Plain, heads)?, Plan::Dense { causal }, row)
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
    one_row(&Mapper::new(input, Some(pattern), weighting, heads)?, Plan::Sparse(pattern), row)
}

/// Computes the dense map, `[seq * seq]`, one row after the other.
///
/// # Errors
///
/// As [`dense_row`]; [`AttentionError::MapTooLarge`].
pub fn dense_map(input: &Qkv<'_>, causal: bool, heads: Heads) -> Result<Vec<f32>, AttentionError> {
    all_rows(&Mapper::new(input, None, Weighting::Plain, heads)?, Plan::Dense { causal })
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
    all_rows(&Mapper::new(input, Some(pattern), weighting, heads)?, Plan::Sparse(pattern))
}

#[derive(Clone, Copy)]
enum Plan<'a> {
    Dense { causal: bool },
    Sparse(&'a SparsePattern),
}

struct Mapper<'a> {
    input: &'a Qkv<'a>,
    landmarks: Landmarks,
    weighting: Weighting,
    heads: Heads,
}

impl<'a> Mapper<'a> {
    fn new(
        input: &'a Qkv<'a>,
        pattern: Option<&SparsePattern>,
        weighting: Weighting,
        heads: Heads,
    ) -> Result<Self, AttentionError> {
        if let Some(pattern) = pattern {
            pattern.validate()?;
        }
        input.validate()?;
        let count = input.q.heads();
        match heads {
            Heads::One(head) if head >= count => {
                return Err(AttentionError::HeadOutOfRange { head, heads: count });
            }
            _ => {}
        }
        let landmarks = pattern.map(|pattern| landmarks_of(input, pattern)).unwrap_or_default();
        Ok(Self { input, landmarks, weighting, heads })
    }

    /// Adds the weights of a planned row to `out`, which holds zeros.
    fn row(
        &self,
        plan: &RowPlan,
        weights: &mut Vec<f32>,
        out: &mut [f32],
    ) -> Result<(), AttentionError> {
        let memory = Memory::of(self.input, &self.landmarks);
        let heads = match self.heads {
            Heads::One(head) => head..head + 1,
            Heads::Mean => 0..self.input.q.heads(),
        };
        let share = 1.0 / heads.len() as f32;
        for head in heads {
            let slope = self.input.slopes.get(head).copied().unwrap_or(0.0);
            let scoring = Scoring { weighting: self.weighting, slope };
            let q = self.input.q.row(plan.row, head);
            let inverse_sum = memory
                .weigh(q, head / self.input.group(), plan, scoring, weights)
                .ok_or(AttentionError::Overflow { token: plan.row, head })?;
            let (near, far) = weights.split_at(plan.window.len());
            for (out, weight) in out[plan.window.clone()].iter_mut().zip(near) {
                *out += weight * inverse_sum * share;
            }
            for (edge, weight) in plan.far.iter().zip(far) {
                let tokens = edge.tokens();
                let per_token = weight * inverse_sum * share / tokens.len() as f32;
                out[tokens].iter_mut().for_each(|out| *out += per_token);
            }
        }
        Ok(())
    }
}

impl Plan<'_> {
    fn fill(self, plan: &mut RowPlan, row: usize, seq: usize) {
        match self {
            Self::Dense { causal } => plan.dense(row, seq, causal),
            Self::Sparse(pattern) => plan.sparse(pattern, row, seq),
        }
    }
}

fn one_row(mapper: &Mapper<'_>, plan: Plan<'_>, row: usize) -> Result<Vec<f32>, AttentionError> {
    let seq = mapper.input.q.seq();
    if row >= seq {
        return Err(AttentionError::RowOutOfRange { row, seq });
    }
    let (mut buffer, mut weights, mut out) = (RowPlan::default(), Vec::new(), vec![0.0; seq]);
    plan.fill(&mut buffer, row, seq);
    mapper.row(&buffer, &mut weights, &mut out)?;
    Ok(out)
}

fn all_rows(mapper: &Mapper<'_>, plan: Plan<'_>) -> Result<Vec<f32>, AttentionError> {
    let seq = mapper.input.q.seq();
    if seq > MAX_MAP_SEQ {
        return Err(AttentionError::MapTooLarge { seq, max: MAX_MAP_SEQ });
    }
    let (mut buffer, mut weights) = (RowPlan::default(), Vec::new());
    let mut out = vec![0.0; seq * seq];
    for (row, out) in out.chunks_exact_mut(seq.max(1)).enumerate() {
        plan.fill(&mut buffer, row, seq);
        mapper.row(&buffer, &mut weights, out)?;
    }
    Ok(out)
}
