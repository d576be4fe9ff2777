//! Four lanes by SSE2.

use super::{HALF_MASK, HALF_SCALE};
use crate::math::Numbers;
use core::arch::x86_64::{
    __m128, _mm_add_epi32, _mm_add_ps, _mm_and_ps, _mm_and_si128, _mm_castps_si128,
    _mm_castsi128_ps, _mm_cmpeq_epi32, _mm_cmpge_ps, _mm_cvtsi64_si128, _mm_div_ps, _mm_max_ps,
    _mm_movehl_ps, _mm_movelh_ps, _mm_movemask_epi8, _mm_mul_ps, _mm_set1_epi32, _mm_set1_ps,
    _mm_setr_ps, _mm_setzero_si128, _mm_slli_epi32, _mm_srai_epi32, _mm_sub_ps, _mm_unpackhi_ps,
    _mm_unpacklo_epi16, _mm_unpacklo_ps,
};
use core::ops::{Add, Div, Mul, Sub};

/// Four `f32`.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct F32x4(__m128);

impl F32x4 {
    /// Takes four numbers, lane 0 first.
    #[inline(always)]
    pub fn from_array(lanes: [f32; 4]) -> Self {
        let [a, b, c, d] = lanes;
        // SAFETY: the intrinsics need SSE2 and nothing else, and x86-64 has it.
        unsafe { Self(_mm_setr_ps(a, b, c, d)) }
    }

    /// Widens four finite binary16 numbers, lane 0 in the low bits. Exact.
    #[inline(always)]
    pub fn from_halves(bits: u64) -> Self {
        // SAFETY: the intrinsics need SSE2 and nothing else, and x86-64 has it.
        unsafe {
            // Each number in the upper half of its lane, then sign and magnitude apart.
            let high = _mm_unpacklo_epi16(_mm_setzero_si128(), _mm_cvtsi64_si128(bits as i64));
            let apart = _mm_and_si128(_mm_srai_epi32::<3>(high), _mm_set1_epi32(HALF_MASK));
            Self(_mm_mul_ps(_mm_castsi128_ps(apart), _mm_set1_ps(HALF_SCALE)))
        }
    }

    /// Returns the numbers, lane 0 first.
    #[inline(always)]
    pub fn to_array(self) -> [f32; 4] {
        // SAFETY: both are 16 bytes, and all bits are numbers.
        unsafe { core::mem::transmute(self.0) }
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
        // SAFETY: the intrinsics need SSE2 and nothing else, and x86-64 has it.
        unsafe { Self(_mm_max_ps(self.0, other.0)) }
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
        // SAFETY: the intrinsics need SSE2 and nothing else, and x86-64 has it.
        unsafe {
            let zero = _mm_cmpeq_epi32(_mm_castps_si128(self.0), _mm_setzero_si128());
            _mm_movemask_epi8(zero) != 0xFFFF
        }
    }

    /// Makes lane `i` of row `j` lane `j` of row `i`.
    #[inline(always)]
    pub fn transpose(rows: [Self; 4]) -> [Self; 4] {
        let [Self(a), Self(b), Self(c), Self(d)] = rows;
        // SAFETY: the intrinsics need SSE2 and nothing else, and x86-64 has it.
        unsafe {
            let (ab_low, ab_high) = (_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
            let (cd_low, cd_high) = (_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));
            [
                Self(_mm_movelh_ps(ab_low, cd_low)),
                Self(_mm_movehl_ps(cd_low, ab_low)),
                Self(_mm_movelh_ps(ab_high, cd_high)),
                Self(_mm_movehl_ps(cd_high, ab_high)),
            ]
        }
    }
}

impl Add for F32x4 {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: the intrinsics need SSE2 and nothing else, and x86-64 has it.
        unsafe { Self(_mm_add_ps(self.0, other.0)) }
    }
}

impl Sub for F32x4 {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: the intrinsics need SSE2 and nothing else, and x86-64 has it.
        unsafe { Self(_mm_sub_ps(self.0, other.0)) }
    }
}

impl Mul for F32x4 {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: the intrinsics need SSE2 and nothing else, and x86-64 has it.
        unsafe { Self(_mm_mul_ps(self.0, other.0)) }
    }
}

impl Div for F32x4 {
    type Output = Self;

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        // SAFETY: the intrinsics need SSE2 and nothing else, and x86-64 has it.
        unsafe { Self(_mm_div_ps(self.0, other.0)) }
    }
}

impl Numbers for F32x4 {
    #[inline(always)]
    fn splat(number: f32) -> Self {
        // SAFETY: the intrinsics need SSE2 and nothing else, and x86-64 has it.
        unsafe { Self(_mm_set1_ps(number)) }
    }

    #[inline(always)]
    fn scale_by_power(self, steps: Self) -> Self {
        // SAFETY: the intrinsics need SSE2 and nothing else, and x86-64 has it.
        unsafe {
            let bits = _mm_slli_epi32::<23>(_mm_castps_si128(steps.0));
            Self(_mm_castsi128_ps(_mm_add_epi32(_mm_castps_si128(self.0), bits)))
        }
    }

    #[inline(always)]
    fn zero_unless_at_least(self, x: Self, limit: Self) -> Self {
        // SAFETY: the intrinsics need SSE2 and nothing else, and x86-64 has it.
        unsafe { Self(_mm_and_ps(self.0, _mm_cmpge_ps(x.0, limit.0))) }
    }
}
