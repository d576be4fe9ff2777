//! `exp`, written here, so that it is the same in one number, in four lanes and on every target.
//!
//! The only function of attention that runs once per edge. It takes `+ - *` and integer bit work,
//! no division, no table and no branch, so that four lanes cost as much as one number.

use core::ops::{Add, Mul, Sub};

/// One `f32`, or several side by side: what [`exp`] is written over.
pub trait Numbers: Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> {
    /// Puts `number` everywhere.
    fn splat(number: f32) -> Self;

    /// Adds the low nine bits of the pattern of `steps` to sign and exponent, wrapping: multiplies
    /// by `2^n` where `steps = 1.5 * 2^23 + n` and the product is a normal number.
    fn scale_by_power(self, steps: Self) -> Self;

    /// Keeps the numbers where `x >= limit` and puts `+0.0` elsewhere, also where `x` is NaN.
    fn zero_unless_at_least(self, x: Self, limit: Self) -> Self;
}

impl Numbers for f32 {
    #[inline(always)]
    fn splat(number: f32) -> Self {
        number
    }

    #[inline(always)]
    fn scale_by_power(self, steps: Self) -> Self {
        Self::from_bits(self.to_bits().wrapping_add(steps.to_bits() << 23))
    }

    #[inline(always)]
    fn zero_unless_at_least(self, x: Self, limit: Self) -> Self {
        if x >= limit { self } else { 0.0 }
    }
}

/// Below this, [`exp`] is 0. `exp(-87)` is 1.6e-38, the last whole number whose `exp` is normal.
pub const EXP_CUTOFF: f32 = -87.0;

/// Adding this rounds a small number to an integer, which then stands in the low bits.
const ROUND: f32 = 12_582_912.0;

/// `ln 2` in two parts: the first has nine bits, so that its multiples up to 126 are exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -0.000_212_194_44;

/// `exp(r) = 1 + r + r^2 (C[0] + C[1] r + ... + C[4] r^4)` for `|r| <= ln(2) / 2`, relative error
/// 3.1e-9 before rounding: minimax, found by exchange.
const C: [f32; 5] = [0.499_999_94, 0.166_665_21, 0.041_668_39, 0.008_368_745, 0.001_381_453_8];

/// Computes `exp(x)` for `x <= 0`, within 1 unit in the last place and a relative 1e-7.
///
/// `exp(0)` is 1. Below [`EXP_CUTOFF`], and for NaN, it is 0. Positive numbers are outside of its
/// domain. Checked for every `f32` down to the cut-off by the test `math_exp`.
#[inline(always)]
pub fn exp<N: Numbers>(x: N) -> N {
    let [round, c] = [N::splat(ROUND), N::splat(core::f32::consts::LOG2_E)];
    let steps = x * c + round;
    let n = steps - round;
    let r = x - n * N::splat(LN_2_HIGH) - n * N::splat(LN_2_LOW);
    let mut q = N::splat(C[4]);
    for c in [C[3], C[2], C[1], C[0]] {
        q = q * r + N::splat(c);
    }
    let power = N::splat(1.0) + (r + r * r * q);
    power.scale_by_power(steps).zero_unless_at_least(x, N::splat(EXP_CUTOFF))
}
