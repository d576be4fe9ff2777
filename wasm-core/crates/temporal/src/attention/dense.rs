//! Dense attention: every row looks at every token, or at every token up to itself.
//!
//! The reference that sparse attention is measured against, by the same arithmetic.

use super::row::{Landmarks, Memory, RowPlan};
use super::{AttentionError, Qkv, Weighting};
use crate::tensor::Tensor3;
use alloc::vec::Vec;

/// Computes dense attention, `[seq, q_heads, dim]`.
///
/// # Errors
///
/// What [`Qkv::validate`] refuses; [`AttentionError::Overflow`].
pub fn forward(input: &Qkv<'_>, causal: bool) -> Result<Tensor3, AttentionError> {
    input.validate()?;
    let seq = input.q.seq();
    let landmarks = Landmarks::default();
    forward_rows(input, &landmarks, Weighting::Plain, |plan, row| plan.dense(row, seq, causal))
}

/// Runs `plan_row` and then the row, for every row of checked input.
pub(super) fn forward_rows(
    input: &Qkv<'_>,
    landmarks: &Landmarks,
    weighting: Weighting,
    plan_row: impl Fn(&mut RowPlan, usize),
) -> Result<Tensor3, AttentionError> {
    let [seq, q_heads, dim] = input.q.shape();
    let memory = Memory::of(input, landmarks);
    let mut out = Tensor3::zeros(seq, q_heads, dim);
    let (mut plan, mut weights) = (RowPlan::default(), Vec::new());
    let width = q_heads * dim;
    let rows = input.q.data().chunks_exact(width).zip(out.data_mut().chunks_exact_mut(width));
    for (row, (q, out)) in rows.enumerate() {
        plan_row(&mut plan, row);
        memory.attend(q, &plan, weighting, input.slopes, &mut weights, out)?;
    }
    Ok(out)
}
