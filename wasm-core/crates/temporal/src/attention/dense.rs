//! Dense attention: every row looks at every token, or at every token up to itself.
//!
//! The reference that sparse attention is measured against, by the same arithmetic.

use super::plan::Over;
use super::{AttentionError, Qkv, kernel};
use crate::tensor::Tensor3;

/// Computes dense attention, `[seq, q_heads, dim]`.
///
/// # Errors
///
/// What [`Qkv::validate`] refuses; [`AttentionError::Overflow`].
pub fn forward(input: &Qkv<'_>, causal: bool) -> Result<Tensor3, AttentionError> {
    input.validate()?;
    kernel::forward(input, Over::Dense { causal })
}
