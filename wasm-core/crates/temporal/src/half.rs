//! IEEE 754 binary16 ("f16"), the short weights and rows of a `.rvne` blob, to and from `f32`.
//!
//! Both directions are integer arithmetic on the bits, so every target gives the same result.
//! There is no arithmetic in binary16 here: numbers are kept in it and widened to be read.

/// The largest finite binary16 number.
pub const MAX: f32 = 65504.0;

/// The least number that rounds to an infinity.
pub const LIMIT: f32 = 65520.0;

/// How numbers are kept that live longer than one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// As they are.
    #[default]
    F32,
    /// Rounded to the nearest binary16 number: half the memory, 11 significant bits.
    F16,
}

/// Widens the binary16 number with these bits. Exact for every number; a NaN becomes a quiet
/// NaN with the same sign and payload.
pub const fn f16_to_f32(bits: u16) -> f32 {
    let sign = ((bits & 0x8000) as u32) << 16;
    let exponent = ((bits >> 10) & 0x1F) as u32;
    let fraction = (bits & 0x03FF) as u32;
    let magnitude = match (exponent, fraction) {
        (0, 0) => 0,
        // Subnormal: fraction * 2^-24. Its leading one moves to the implicit place.
        (0, _) => {
            let shift = fraction.leading_zeros() - 21;
            ((113 - shift) << 23) | (((fraction << shift) & 0x03FF) << 13)
        }
        (0x1F, 0) => 0x7F80_0000,
        (0x1F, _) => 0x7FC0_0000 | (fraction << 13),
        _ => ((exponent + 112) << 23) | (fraction << 13),
    };
    f32::from_bits(sign | magnitude)
}

/// Rounds to the nearest binary16 number, ties to even, and returns its bits.
///
/// From 65520 up the result is infinite; below 2^-25 it is a zero of the same sign. A NaN stays
/// a quiet NaN and keeps the upper ten bits of its payload.
pub const fn f32_to_f16(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let magnitude = bits & 0x7FFF_FFFF;
    if magnitude > 0x7F80_0000 {
        return sign | 0x7E00 | ((magnitude >> 13) & 0x03FF) as u16;
    }
    let exponent = magnitude >> 23;
    if exponent >= 143 {
        return sign | 0x7C00;
    }
    if exponent >= 113 {
        // A carry out of the fraction raises the exponent, up to infinity: as it should be.
        let rebiased = magnitude - (112 << 23);
        return sign | round_shift(rebiased, 13) as u16;
    }
    if exponent < 102 {
        return sign;
    }
    let significand = (magnitude & 0x007F_FFFF) | 0x0080_0000;
    sign | round_shift(significand, 126 - exponent) as u16
}

/// [`f16_to_f32`] for numbers that are not NaN or infinite, without a branch for most.
#[inline(always)]
pub(crate) fn widen(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7FFF);
    let widened = if magnitude < 0x0400 {
        // Subnormal: so many times 2^-24.
        (magnitude as f32 * (1.0 / 16_777_216.0)).to_bits()
    } else {
        (magnitude << 13) + (112 << 23)
    };
    f32::from_bits(widened | sign)
}

/// [`f32_to_f16`] for numbers that are not NaN, with [`MAX`] in place of what lies beyond it.
#[inline(always)]
pub(crate) fn narrow(value: f32) -> u16 {
    let bits = value.to_bits();
    let magnitude = (bits & 0x7FFF_FFFF).min(MAX.to_bits());
    let narrowed = if magnitude < 113 << 23 {
        // Beside 0.5, what is below 2^-24 is rounded off.
        (f32::from_bits(magnitude) + 0.5).to_bits() - 0.5_f32.to_bits()
    } else {
        (magnitude - (112 << 23) + 0x0FFF + (magnitude >> 13 & 1)) >> 13
    };
    (narrowed | bits >> 16 & 0x8000) as u16
}

/// `value / 2^shift`, rounded to the nearest integer, ties to even. `1 <= shift <= 24`.
const fn round_shift(value: u32, shift: u32) -> u32 {
    let kept = value >> shift;
    let dropped = value & ((1 << shift) - 1);
    let half = 1 << (shift - 1);
    let up = dropped > half || (dropped == half && kept & 1 == 1);
    kept + up as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_conversions_equal_the_careful_ones() {
        for bits in (0..=u16::MAX).filter(|bits| bits & 0x7C00 != 0x7C00) {
            assert_eq!(widen(bits).to_bits(), f16_to_f32(bits).to_bits(), "{bits:04x}");
        }
        // Every pattern of the upper bits, with what decides a rounding below them.
        for upper in 0..=u16::MAX {
            for lower in [0, 1, 0x0FFF, 0x1000, 0x1001, 0x2000, 0x3000, 0x7FFF, 0x8000, 0xFFFF] {
                let value = f32::from_bits(u32::from(upper) << 16 | lower);
                if !value.is_nan() {
                    let expected = f32_to_f16(value.clamp(-MAX, MAX));
                    assert_eq!(narrow(value), expected, "{value:e}");
                }
            }
        }
    }
}
