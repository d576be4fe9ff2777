//! Sparse attention over exactly upstream's edges, optionally with `+ ln(count)`.
//!
//! With landmarks this is not dense attention even when the window covers everything: a block's
//! tokens are also seen through their mean, so causal rows at a block's end count them twice
//! (`saturated_pattern_equals_dense` in the tests shows how much).

use super::plan::Over;
use super::{AttentionError, Qkv, SparsePattern, Weighting, Workspace, kernel};
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
    input.validate_shape()?;
    kernel::forward(input, Over::Sparse { pattern, weighting })
}

/// As [`forward`], into the caller's `out`, `[seq * q_heads * dim]`, by the memory of `workspace`.
///
/// # Errors
///
/// As [`forward`]; [`AttentionError::RowLength`] for another length of `out`. What `out` holds then
/// is undefined.
pub fn forward_into(
    input: &Qkv<'_>,
    pattern: &SparsePattern,
    weighting: Weighting,
    workspace: &mut Workspace,
    out: &mut [f32],
) -> Result<(), AttentionError> {
    pattern.validate()?;
    input.validate_shape()?;
    kernel::forward_into(input, Over::Sparse { pattern, weighting }, workspace, out)
}
