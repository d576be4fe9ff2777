//! `math::exp` against `exp` in f64, for every `f32` from 0 down to the cut-off and beyond.
//!
//! Debug builds check every 997th number. Release builds, and `CSI_LAB_EXHAUSTIVE=1`, check all
//! 1.1 billion, which takes some seconds:
//! `cargo test --release -p csi-temporal --test math_exp`.

use csi_temporal::math::{EXP_CUTOFF, exp};

/// Below this, `exp(-x)` is nearer to 1 than half a unit in the last place.
const TINY: f32 = 1.0 / (1 << 26) as f32;

fn step() -> usize {
    let all = !cfg!(debug_assertions)
        || std::env::var_os("CSI_LAB_EXHAUSTIVE").is_some_and(|value| value == "1");
    if all { 1 } else { 997 }
}

/// Every number of size `from..=to`, or every so manieth, negated.
fn numbers(from: f32, to: f32) -> impl Iterator<Item = f32> {
    (from.to_bits()..=to.to_bits()).step_by(step()).map(|bits| -f32::from_bits(bits))
}

#[test]
fn the_error_is_below_one_unit_in_the_last_place() {
    let (mut worst_units, mut worst_relative) = (0.0_f64, 0.0_f64);
    for x in numbers(TINY, -EXP_CUTOFF) {
        let exact = libm::exp(f64::from(x));
        let got = exp(x);
        let error = (f64::from(got) - exact).abs();
        // The unit of the exact result's binade.
        let exponent = (exact.to_bits() >> 52) - 23;
        let unit = f64::from_bits(exponent << 52);
        if error > worst_units * unit {
            worst_units = error / unit;
        }
        if error > worst_relative * exact {
            worst_relative = error / exact;
        }
        assert!(error <= unit && error <= 1e-7 * exact, "exp({x:e}) = {got:e}, not {exact:e}");
    }
    println!("worst: {worst_units:.4} units in the last place, relative {worst_relative:.3e}");
}

#[test]
fn next_to_zero_it_is_one() {
    assert_eq!((exp(0.0_f32), exp(-0.0_f32)), (1.0, 1.0));
    assert!(numbers(0.0, TINY).all(|x| exp(x) == 1.0));
}

#[test]
fn below_the_cutoff_it_is_zero() {
    assert!(exp(EXP_CUTOFF) > f32::MIN_POSITIVE);
    let below = f32::from_bits(EXP_CUTOFF.to_bits() + 1);
    assert!(numbers(-below, f32::INFINITY).all(|x| exp(x).to_bits() == 0));
    assert_eq!(exp(f32::NAN), 0.0);
}
