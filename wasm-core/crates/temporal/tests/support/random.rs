//! Seeded randomness (xorshift64*): a failing case is named by its seed.

use super::Inputs;
use csi_temporal::attention::SparsePattern;
use csi_temporal::tensor::Tensor3;

/// How many random cases a test runs: 200, or what CSI_LAB_CASES says.
pub fn cases() -> u64 {
    std::env::var("CSI_LAB_CASES").map_or(200, |count| count.parse().expect("a number of cases"))
}

pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Uniform in `low ..= high`.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + (self.next() >> 33) as usize % (high - low + 1)
    }

    pub fn flip(&mut self) -> bool {
        self.next() >> 63 == 1
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.between(0, from.len() - 1)]
    }

    /// Uniform in `-scale .. scale`.
    pub fn number(&mut self, scale: f32) -> f32 {
        ((self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * scale
    }

    pub fn numbers(&mut self, len: usize, scale: f32) -> Vec<f32> {
        (0..len).map(|_| self.number(scale)).collect()
    }

    pub fn tensor(&mut self, seq: usize, heads: usize, dim: usize, scale: f32) -> Tensor3 {
        Tensor3::from_vec(self.numbers(seq * heads * dim, scale), seq, heads, dim).unwrap()
    }

    pub fn inputs(
        &mut self,
        seq: usize,
        q_heads: usize,
        kv_heads: usize,
        dim: usize,
        scale: f32,
    ) -> Inputs {
        Inputs {
            q: self.tensor(seq, q_heads, dim, scale),
            k: self.tensor(seq, kv_heads, dim, scale),
            v: self.tensor(seq, kv_heads, dim, scale),
            slopes: Vec::new(),
        }
    }

    /// Any small shape: MHA, GQA and MQA, every dim from 1 to 40, magnitudes from 0.1 to 4.
    pub fn any_inputs(&mut self, max_seq: usize) -> Inputs {
        let (kv_heads, group) = (self.between(1, 3), self.between(1, 4));
        let (seq, dim) = (self.between(1, max_seq), self.between(1, 40));
        let scale = self.pick(&[0.1, 1.0, 4.0]);
        self.inputs(seq, kv_heads * group, kv_heads, dim, scale)
    }

    /// Any pattern, the edges of its parameters among them.
    pub fn any_pattern(&mut self) -> SparsePattern {
        SparsePattern {
            window: self.pick(&[0, 1, 2, 3, 7, 16, 33, 500]),
            block_size: self.pick(&[1, 2, 3, 5, 8, 16, 31, 500]),
            log_stride: self.flip(),
            landmarks: self.flip(),
            global_token: self.flip(),
            causal: self.flip(),
        }
    }
}
