//! The registry crate `ruvllm_sparse_attention` as a backend, and as the oracle of our own.
//!
//! Equal head counts go to its `forward`, others to its `forward_gqa`. Its dense and its gated
//! attention know only equal head counts, so keys and values are repeated for them, each key head
//! for the query heads of its group. All input is copied into its tensors.
//!
//! It knows no recency slopes and no `+ ln(count)`: both are refused, not ignored. Output that is
//! not finite is refused as in our kernels.

use super::{AttentionError, Qkv, SparsePattern};
use crate::tensor::Tensor3;
use alloc::vec;
use alloc::vec::Vec;
use ruvllm_sparse_attention as registry;
use ruvllm_sparse_attention::AttentionBackend as _;

/// Width of the gate's hidden state, the upstream crate's own default.
pub const GATE_HIDDEN_DIM: usize = registry::FASTGRNN_DEFAULT_HIDDEN_DIM;

/// The upstream crate's FastGRNN gate with its built-in weights.
///
/// It scores tokens by their keys, oldest first, over the whole window, and lets the `top_k`
/// highest be seen at log-stride distances. Window, token 0 and block means stay. The choice
/// among past tokens depends on future ones, so a gated pass is not causal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// How many tokens pass.
    pub top_k: usize,
}

/// Computes sparse attention by the upstream crate, `[seq, q_heads, dim]`.
///
/// # Errors
///
/// [`AttentionError::UpstreamSlopes`], and those of [`super::sparse::forward`].
pub fn forward(input: &Qkv<'_>, pattern: &SparsePattern) -> Result<Tensor3, AttentionError> {
    let kernel = checked(input, Some(pattern))?;
    let (q, k, v) = (copy(input.q), copy(input.k), copy(input.v));
    finish(if input.group() == 1 {
        kernel.forward(&q, &k, &v)
    } else {
        kernel.forward_gqa(&q, &k, &v)
    })
}

/// Computes dense attention by the upstream crate, `[seq, q_heads, dim]`.
///
/// # Errors
///
/// [`AttentionError::UpstreamSlopes`], and those of [`super::dense::forward`].
pub fn dense(input: &Qkv<'_>, causal: bool) -> Result<Tensor3, AttentionError> {
    checked(input, None)?;
    let (k, v) = (repeat(input.k, input.group()), repeat(input.v, input.group()));
    finish(registry::dense_attention(&copy(input.q), &k, &v, causal))
}

/// Computes gated sparse attention by the upstream crate, `[seq, q_heads, dim]`.
///
/// # Errors
///
/// As [`forward`].
pub fn forward_gated(
    input: &Qkv<'_>,
    pattern: &SparsePattern,
    gate: &Gate,
) -> Result<Tensor3, AttentionError> {
    let kernel = checked(input, Some(pattern))?;
    let fastgrnn = registry::FastGrnnGate::new(input.k.dim(), GATE_HIDDEN_DIM);
    let (k, v) = (repeat(input.k, input.group()), repeat(input.v, input.group()));
    finish(kernel.forward_gated_with_fastgrnn(&copy(input.q), &k, &v, &fastgrnn, gate.top_k))
}

/// Counts the edges of a pass over `seq` tokens as the upstream crate does.
pub fn edge_count(pattern: &SparsePattern, seq: usize) -> Result<usize, AttentionError> {
    pattern.validate()?;
    Ok(kernel(pattern, seq)?.estimate_sparse_edges(seq))
}

fn checked(
    input: &Qkv<'_>,
    pattern: Option<&SparsePattern>,
) -> Result<registry::SubquadraticSparseAttention, AttentionError> {
    let pattern = pattern.copied().unwrap_or_default();
    pattern.validate()?;
    input.validate()?;
    if !input.slopes.is_empty() {
        return Err(AttentionError::UpstreamSlopes);
    }
    kernel(&pattern, input.q.seq())
}

/// Builds the crate's kernel. Sizes beyond the sequence are cut, because its sums would overflow;
/// the edges stay the same.
fn kernel(
    pattern: &SparsePattern,
    seq: usize,
) -> Result<registry::SubquadraticSparseAttention, AttentionError> {
    let beyond = seq.saturating_add(1);
    registry::SubquadraticSparseAttention::new(registry::SparseAttentionConfig {
        window: pattern.window.min(beyond),
        block_size: pattern.block_size.min(beyond),
        global_tokens: if pattern.global_token { vec![0] } else { Vec::new() },
        causal: pattern.causal,
        use_log_stride: pattern.log_stride,
        use_landmarks: pattern.landmarks,
        sort_candidates: false,
    })
    .map_err(|_| AttentionError::UpstreamRefused)
}

fn copy(tensor: &Tensor3) -> registry::Tensor3 {
    let [seq, heads, dim] = tensor.shape();
    registry::Tensor3 { data: tensor.data().to_vec(), seq, heads, dim }
}

/// Copies with every head repeated `group` times, side by side.
fn repeat(tensor: &Tensor3, group: usize) -> registry::Tensor3 {
    let [seq, heads, dim] = tensor.shape();
    let mut data = Vec::with_capacity(tensor.data().len() * group);
    for row in tensor.data().chunks_exact(dim) {
        for _ in 0..group {
            data.extend_from_slice(row);
        }
    }
    registry::Tensor3 { data, seq, heads: heads * group, dim }
}

fn finish(
    result: Result<registry::Tensor3, registry::AttentionError>,
) -> Result<Tensor3, AttentionError> {
    let registry::Tensor3 { data, seq, heads, dim } =
        result.map_err(|_| AttentionError::UpstreamRefused)?;
    if let Some(at) = data.iter().position(|number| !number.is_finite()) {
        let row = at / dim;
        return Err(AttentionError::Overflow { token: row / heads, head: row % heads });
    }
    Tensor3::from_vec(data, seq, heads, dim).map_err(|_| AttentionError::UpstreamRefused)
}
