//! Four lanes without vector instructions; the definition of the other two.

use crate::half::widen;
use crate::math::Numbers;
use core::ops::{Add, Div, Mul, Sub};

/// Four `f32`.
#[derive(Clone, Copy, Debug)]
#[repr(align(16))]
pub struct F32x4([f32; 4]);

impl F32x4 {
    /// Takes four numbers, lane 0 first.
    #[inline(always)]
    pub fn from_array(lanes: [f32; 4]) -> Self {
        Self(lanes)
    }

    /// Widens four finite binary16 numbers, lane 0 in the low bits. Exact.
    #[inline(always)]
    pub fn from_halves(bits: u64) -> Self {
        Self([0, 16, 32, 48].map(|shift| widen((bits >> shift) as u16)))
    }

    /// Returns the numbers, lane 0 first.
    #[inline(always)]
    pub fn to_array(self) -> [f32; 4] {
        self.0
    }

    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let (Self([a, b, c, d]), Self([e, g, h, i])) = (self, other);
        Self([f(a, e), f(b, g), f(c, h), f(d, i)])
    }

    /// Returns the number in `lane`.
    #[inline(always)]
    pub fn get(&self, lane: usize) -> f32 {
        self.0[lane]
    }

    /// Puts a number in `lane`.
    #[inline(always)]
    pub fn set_lane(&mut self, lane: usize, number: f32) {
        self.0[lane] = number;
    }

    /// Returns `self` where it is larger than `other`, and `other` elsewhere.
    #[inline(always)]
    pub fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
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
        self.0.iter().any(|number| number.to_bits() != 0)
    }

    /// Makes lane `i` of row `j` lane `j` of row `i`.
    #[inline(always)]
    pub fn transpose(rows: [Self; 4]) -> [Self; 4] {
        let [Self(a), Self(b), Self(c), Self(d)] = rows;
        [0, 1, 2, 3].map(|at| Self([a[at], b[at], c[at], d[at]]))
    }
}

impl Add for F32x4 {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
}

impl Sub for F32x4 {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
}

impl Mul for F32x4 {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
}

impl Div for F32x4 {
    type Output = Self;

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }
}

impl Numbers for F32x4 {
    #[inline(always)]
    fn splat(number: f32) -> Self {
        Self([number; 4])
    }

    #[inline(always)]
    fn scale_by_power(self, steps: Self) -> Self {
        self.zip(steps, f32::scale_by_power)
    }

    #[inline(always)]
    fn zero_unless_at_least(self, x: Self, limit: Self) -> Self {
        let Self([a, b, c, d]) = self;
        let (Self(x), Self(limit)) = (x, limit);
        let keep = |number: f32, at: usize| number.zero_unless_at_least(x[at], limit[at]);
        Self([keep(a, 0), keep(b, 1), keep(c, 2), keep(d, 3)])
    }
}
