//! Dense attention: every row looks at every token, or at every token up to itself.
//!
//! The reference that sparse attention is measured against, by the same arithmetic.

use super::plan::Over;
use super::{AttentionError, Qkv, Workspace, kernel};
use crate::tensor::Tensor3;
use core::ops::Range;

/// Computes dense attention, `[seq, q_heads, dim]`.
///
/// # Errors
///
/// What [`Qkv::validate`] refuses; [`AttentionError::Overflow`].
pub fn forward(input: &Qkv<'_>, causal: bool) -> Result<Tensor3, AttentionError> {
    input.validate_shape()?;
    kernel::forward(input, Over::Dense { causal })
}

/// As [`forward`], into the caller's `out`, `[seq * q_heads * dim]`, by the memory of `workspace`.
///
/// # Errors
///
/// As [`forward`]; [`AttentionError::RowLength`] for another length of `out`. What `out` holds then
/// is undefined.
pub fn forward_into(
    input: &Qkv<'_>,
    causal: bool,
    workspace: &mut Workspace,
    out: &mut [f32],
) -> Result<(), AttentionError> {
    input.validate_shape()?;
    kernel::forward_into(input, Over::Dense { causal }, workspace, out)
}

/// As [`forward_into`], for the rows `rows` of the window alone, so that a long pass can be made
/// piece by piece: `out` is `[rows.len() * q_heads * dim]`, with the bits of the whole pass.
///
/// Each piece lays out keys and values anew, which some hundred rows outweigh. A number that is not
/// finite is found where these rows look at it.
///
/// # Errors
///
/// As [`forward_into`]; [`AttentionError::RowOutOfRange`].
pub fn rows_into(
    input: &Qkv<'_>,
    causal: bool,
    rows: Range<usize>,
    workspace: &mut Workspace,
    out: &mut [f32],
) -> Result<(), AttentionError> {
    input.validate_shape()?;
    kernel::rows_into(input, Over::Dense { causal }, rows, workspace, out)
}
