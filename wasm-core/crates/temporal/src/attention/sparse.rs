//! Sparse attention over exactly upstream's edges, optionally with `+ ln(count)`.
//!
//! With landmarks this is not dense attention even when the window covers everything: a block's
//! tokens are also seen through their mean, so causal rows at a block's end count them twice
//! (`saturated_pattern_equals_dense` in the tests shows how much).

use super::dense::forward_rows;
use super::row::Landmarks;
use super::{AttentionError, Qkv, SparsePattern, Weighting};
use crate::tensor::Tensor3;

/// Computes sparse attention, `[seq, q_heads, dim]`.
///
/// # Errors
///
/// What [`SparsePattern::validate`] and [`Qkv::validate`] refuse; [`AttentionError::Overflow`].
pub fn forward(
    input: &Qkv<'_>,
    pattern: &SparsePattern,
    weighting: Weighting,
) -> Result<Tensor3, AttentionError> {
    pattern.validate()?;
    input.validate()?;
    let seq = input.q.seq();
    let landmarks = landmarks_of(input, pattern);
    forward_rows(input, &landmarks, weighting, |plan, row| plan.sparse(pattern, row, seq))
}

/// Averages the blocks, if the pattern looks at any.
pub(super) fn landmarks_of(input: &Qkv<'_>, pattern: &SparsePattern) -> Landmarks {
    if !pattern.landmarks {
        return Landmarks::default();
    }
    let width = input.k.heads() * input.k.dim();
    Landmarks::of(input.k.data(), input.v.data(), width, pattern.block_size)
}
