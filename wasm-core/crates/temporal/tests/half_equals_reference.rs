//! Our binary16 conversions against the `half` crate.

use csi_temporal::half::{f16_to_f32, f32_to_f16};

#[test]
fn every_f16_widens_as_the_reference() {
    for bits in 0..=u16::MAX {
        let ours = f16_to_f32(bits).to_bits();
        let reference = half::f16::from_bits(bits).to_f32().to_bits();
        assert_eq!(ours, reference, "f16 bits {bits:#06x}");
    }
}

#[test]
fn every_f16_that_is_a_number_survives_the_way_there_and_back() {
    for bits in 0..=u16::MAX {
        let wide = f16_to_f32(bits);
        match wide.is_nan() {
            true => assert_eq!(f32_to_f16(wide), bits | 0x0200, "a NaN turns quiet"),
            false => assert_eq!(f32_to_f16(wide), bits),
        }
    }
}

/// Around every f16 and around the middle between two, where rounding turns.
#[test]
fn f32_rounds_as_the_reference_next_to_every_f16() {
    for bits in 0..0x7C00_u16 {
        let (low, high) = (f16_to_f32(bits), f16_to_f32(bits + 1));
        let middle = if high.is_finite() { (low + high) / 2.0 } else { 65520.0 };
        for centre in [low.to_bits(), middle.to_bits()] {
            for near in centre.saturating_sub(2)..=centre + 2 {
                for sign in [0, 0x8000_0000] {
                    check(near | sign);
                }
            }
        }
    }
}

#[test]
fn f32_rounds_as_the_reference_on_random_bits() {
    let mut state = 0x1234_5678_9ABC_DEF1_u64;
    for _ in 0..4_000_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        check((state >> 32) as u32);
        // Most random f32 are far out of range: once more with an exponent that is not.
        check((state as u32 & 0x8FFF_FFFF) | 0x3000_0000);
    }
}

fn check(bits: u32) {
    let value = f32::from_bits(bits);
    let (ours, reference) = (f32_to_f16(value), half::f16::from_f32(value).to_bits());
    assert_eq!(ours, reference, "f32 bits {bits:#010x} = {value:e}");
}
