//! The inputs of every measurement: 4 query heads of 32 numbers, uniform in [-1, 1), and the
//! pattern that the project's figures are quoted for.

use csi_temporal::attention::pyramid::Pyramid;
use csi_temporal::attention::salient::Salient;
use csi_temporal::attention::{Qkv, SparsePattern};
use csi_temporal::tensor::Tensor3;
use ruvllm_sparse_attention as registry;

/// Query heads.
pub const HEADS: usize = 4;
/// Numbers per head.
pub const DIM: usize = 32;
/// Recency slopes, one per query head.
pub const SLOPES: [f32; HEADS] = [0.0, 0.0625, 0.25, 1.0];
/// Causal, window 16, blocks of 32, token 0, log stride, landmarks.
pub const PATTERN: SparsePattern = SparsePattern {
    window: 16,
    block_size: 32,
    global_token: true,
    log_stride: true,
    landmarks: true,
    causal: true,
};

/// About as many edges a row as [`PATTERN`] has.
pub const PYRAMID: Pyramid = Pyramid { window: 8, per_level: 3 };
/// About as many edges a row as [`PATTERN`] has.
pub const SALIENT: Salient = Salient { window: 8, groups: 18 };

/// Queries, keys and values, in our tensors and in the upstream crate's.
pub struct Inputs {
    /// `[seq, HEADS, DIM]`, then twice `[seq, kv_heads, DIM]`.
    pub ours: [Tensor3; 3],
    /// The same numbers.
    pub theirs: [registry::Tensor3; 3],
}

impl Inputs {
    /// Makes the same numbers on every target.
    pub fn new(seq: usize, kv_heads: usize) -> Self {
        let mut state = 1_u64;
        let ours = [HEADS, kv_heads, kv_heads].map(|heads| {
            let mut tensor = Tensor3::zeros(seq, heads, DIM);
            for number in tensor.data_mut() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *number = (state >> 40) as f32 / 8_388_608.0 - 1.0;
            }
            tensor
        });
        let theirs = [0, 1, 2].map(|which: usize| {
            let [seq, heads, dim] = ours[which].shape();
            registry::Tensor3 { data: ours[which].data().to_vec(), seq, heads, dim }
        });
        Self { ours, theirs }
    }

    /// Returns the view that our kernels take.
    pub fn view<'a>(&'a self, slopes: &'a [f32]) -> Qkv<'a> {
        let [q, k, v] = &self.ours;
        Qkv { q, k, v, slopes }
    }
}

/// Returns the upstream crate's kernel for [`PATTERN`].
pub fn upstream() -> registry::SubquadraticSparseAttention {
    registry::SubquadraticSparseAttention::new(registry::SparseAttentionConfig {
        window: PATTERN.window,
        block_size: PATTERN.block_size,
        ..registry::SparseAttentionConfig::default()
    })
    .expect("the pattern is valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kernels_are_given_the_same_pattern() {
        assert_eq!(upstream().estimate_sparse_edges(1000), PATTERN.edge_count(1000));
    }

    #[test]
    fn our_own_patterns_have_about_as_many_edges_as_upstreams() {
        let upstream = PATTERN.edge_count(1024) as f64;
        for edges in [PYRAMID.edge_count(1024), SALIENT.edge_count(1024)] {
            assert!((0.9..1.02).contains(&(edges as f64 / upstream)), "{edges} of {upstream}");
        }
    }

    #[test]
    fn inputs_fill_their_range_evenly() {
        let inputs = Inputs::new(500, HEADS);
        let numbers = inputs.ours[0].data();
        let mean = numbers.iter().sum::<f32>() / numbers.len() as f32;
        let of = |end: fn(f32, f32) -> f32| numbers.iter().copied().fold(0.0, end);
        assert!(mean.abs() < 0.01 && of(f32::min) < -0.99 && of(f32::max) > 0.99, "{mean}");
        assert!(of(f32::min) >= -1.0 && of(f32::max) < 1.0);
    }
}
