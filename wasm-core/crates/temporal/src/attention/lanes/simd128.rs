//! Four lanes by WebAssembly's simd128.

use super::{HALF_MASK, HALF_SCALE};
use crate::math::Numbers;
use core::arch::wasm32::{
    f32x4, f32x4_add, f32x4_div, f32x4_extract_lane, f32x4_ge, f32x4_mul, f32x4_pmax, f32x4_splat,
    f32x4_sub, i16x8_shuffle, i32x4_add, i32x4_shl, i32x4_shr, i32x4_shuffle, i32x4_splat, u64x2,
    v128, v128_and, v128_any_true,
};
use core::ops::{Add, Div, Mul, Sub};

/// Four `f32`.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct F32x4(v128);

impl F32x4 {
    /// Takes four numbers, lane 0 first.
    #[inline(always)]
    pub fn from_array(lanes: [f32; 4]) -> Self {
        let [a, b, c, d] = lanes;
        Self(f32x4(a, b, c, d))
    }

    /// Widens four finite binary16 numbers, lane 0 in the low bits. Exact.
    #[inline(always)]
    pub fn from_halves(bits: u64) -> Self {
        // Each number in the upper half of its lane, then sign and magnitude apart.
        let zero = i32x4_splat(0);
        let high = i16x8_shuffle::<8, 0, 8, 1, 8, 2, 8, 3>(u64x2(bits, 0), zero);
        let apart = v128_and(i32x4_shr(high, 3), i32x4_splat(HALF_MASK));
        Self(f32x4_mul(apart, f32x4_splat(HALF_SCALE)))
    }

    /// Returns the numbers, lane 0 first.
    #[inline(always)]
    pub fn to_array(self) -> [f32; 4] {
        [
            f32x4_extract_lane::<0>(self.0),
            f32x4_extract_lane::<1>(self.0),
            f32x4_extract_lane::<2>(self.0),
            f32x4_extract_lane::<3>(self.0),
        ]
    }

    /// Returns the number in `lane`.
    #[inline(always)]
    pub fn get(&self, lane: usize) -> f32 {
        self.to_array()[lane]
    }

    /// Puts a number in `lane`.
    #[inline(always)]
    pub fn set_lane(&mut self, lane: usize, number: f32) {
        let mut lanes = self.to_array();
        lanes[lane] = number;
        *self = Self::from_array(lanes);
    }

    /// Returns `self` where it is larger than `other`, and `other` elsewhere.
    #[inline(always)]
    pub fn max(self, other: Self) -> Self {
        // pmax(x, y) is y where x < y, else x.
        Self(f32x4_pmax(other.0, self.0))
    }

    /// Has a bit set in each lane that is NaN or infinite, and none in the others.
    #[inline(always)]
    #[allow(clippy::eq_op, reason = "the difference is NaN for these numbers and 0 for others")]
    pub fn not_finite(self) -> Self {
        self - self
    }

    /// Tells whether any bit is set.
    #[inline(always)]
    pub fn any(self) -> bool {
        v128_any_true(self.0)
    }

    /// Makes lane `i` of row `j` lane `j` of row `i`.
    #[inline(always)]
    pub fn transpose(rows: [Self; 4]) -> [Self; 4] {
        let [Self(a), Self(b), Self(c), Self(d)] = rows;
        let (ab_low, ab_high) =
            (i32x4_shuffle::<0, 4, 1, 5>(a, b), i32x4_shuffle::<2, 6, 3, 7>(a, b));
        let (cd_low, cd_high) =
            (i32x4_shuffle::<0, 4, 1, 5>(c, d), i32x4_shuffle::<2, 6, 3, 7>(c, d));
        [
            Self(i32x4_shuffle::<0, 1, 4, 5>(ab_low, cd_low)),
            Self(i32x4_shuffle::<2, 3, 6, 7>(ab_low, cd_low)),
            Self(i32x4_shuffle::<0, 1, 4, 5>(ab_high, cd_high)),
            Self(i32x4_shuffle::<2, 3, 6, 7>(ab_high, cd_high)),
        ]
    }
}

impl Add for F32x4 {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(f32x4_add(self.0, other.0))
    }
}

impl Sub for F32x4 {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(f32x4_sub(self.0, other.0))
    }
}

impl Mul for F32x4 {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(f32x4_mul(self.0, other.0))
    }
}

impl Div for F32x4 {
    type Output = Self;

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        Self(f32x4_div(self.0, other.0))
    }
}

impl Numbers for F32x4 {
    #[inline(always)]
    fn splat(number: f32) -> Self {
        Self(f32x4_splat(number))
    }

    #[inline(always)]
    fn scale_by_power(self, steps: Self) -> Self {
        Self(i32x4_add(self.0, i32x4_shl(steps.0, 23)))
    }

    #[inline(always)]
    fn zero_unless_at_least(self, x: Self, limit: Self) -> Self {
        Self(v128_and(self.0, f32x4_ge(x.0, limit.0)))
    }
}
