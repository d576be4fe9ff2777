//! What several tests share: seeded inputs, the f64 twin, and how far numbers may differ.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod blob;
pub mod naive;
pub mod random;
pub mod tolerance;

use csi_temporal::attention::Qkv;
use csi_temporal::tensor::Tensor3;

/// Owned inputs of attention.
#[derive(Clone, Debug)]
pub struct Inputs {
    pub q: Tensor3,
    pub k: Tensor3,
    pub v: Tensor3,
    pub slopes: Vec<f32>,
}

impl Inputs {
    pub fn view(&self) -> Qkv<'_> {
        Qkv { q: &self.q, k: &self.k, v: &self.v, slopes: &self.slopes }
    }

    /// The first `seq` tokens.
    pub fn prefix(&self, seq: usize) -> Self {
        let cut = |tensor: &Tensor3| {
            let [_, heads, dim] = tensor.shape();
            let numbers = tensor.data()[..seq * heads * dim].to_vec();
            Tensor3::from_vec(numbers, seq, heads, dim).unwrap()
        };
        let [q, k, v] = [&self.q, &self.k, &self.v].map(cut);
        Self { q, k, v, slopes: self.slopes.clone() }
    }
}

/// The largest difference between two slices of one length.
pub fn max_abs_diff(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// The largest difference to the f64 twin.
pub fn max_abs_error(a: &[f32], exact: &[f64]) -> f64 {
    assert_eq!(a.len(), exact.len());
    a.iter().zip(exact).map(|(a, e)| (f64::from(*a) - e).abs()).fold(0.0, f64::max)
}

/// The largest magnitude, at least 1.
pub fn magnitude(numbers: &[f32]) -> f32 {
    numbers.iter().fold(1.0, |max, number| max.max(number.abs()))
}

/// The bits, because `==` on floats holds 0.0 and -0.0 for equal and NaN for unequal.
pub fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}
