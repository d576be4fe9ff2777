//! Division of `f32` by integers, for targets that have no instruction for it.
//!
//! The ESP32-S3 divides integers in one instruction and floats in a routine. That of Rust's own
//! library takes about 280 instructions, as it multiplies 64-bit numbers; this one takes 40. Images
//! for Xtensa define `__divsf3` by it. It is IEEE 754's division, so it changes no bit.

const SIGN: u32 = 1 << 31;
const HIDDEN: u32 = 1 << 23;
const FRACTION: u32 = HIDDEN - 1;
const INFINITY: u32 = 0xFF << 23;
const NAN: u32 = 0x7FC0_0000;

/// Returns `a / b`, rounded to nearest, ties to even, as every other target has it. What is not a
/// number is always the same one.
#[inline]
pub fn divide(a: f32, b: f32) -> f32 {
    let (a, b) = (a.to_bits(), b.to_bits());
    let (exponent_a, exponent_b) = (a >> 23 & 0xFF, b >> 23 & 0xFF);
    let is_normal = |exponent: u32| exponent.wrapping_sub(1) < 254;
    if is_normal(exponent_a) && is_normal(exponent_b) {
        let (quotient, exponent) = quotient(a & FRACTION | HIDDEN, b & FRACTION | HIDDEN);
        let exponent = exponent + exponent_a as i32 - exponent_b as i32;
        if (1..255).contains(&exponent) {
            // No quotient of two such numbers lies half way between two others. A carry out of the
            // fraction is a step of the exponent, to infinity at last.
            let rounded = (quotient.bits + 1) >> 1;
            let magnitude = ((exponent as u32 - 1) << 23) + rounded;
            return f32::from_bits((a ^ b) & SIGN | magnitude);
        }
    }
    f32::from_bits(divide_any(a, b))
}

/// `1 <= a / b < 2` after a shift: 25 bits of it, and whether that is all of it.
struct Quotient {
    bits: u32,
    is_exact: bool,
}

/// Divides numbers of 24 bits by long division, eight bits at a time. Returns the biased exponent
/// beside it.
#[inline(always)]
fn quotient(a: u32, b: u32) -> (Quotient, i32) {
    let (a, exponent) = if a < b { (a << 1, 126) } else { (a, 127) };
    let (mut rest, mut bits) = (a - b, 1);
    for _ in 0..3 {
        rest <<= 8;
        let digit = rest / b;
        rest -= digit * b;
        bits = bits << 8 | digit;
    }
    (Quotient { bits, is_exact: rest == 0 }, exponent)
}

/// As [`divide`] for everything, zeros, infinities and subnormal numbers included.
#[cold]
#[inline(never)]
fn divide_any(a: u32, b: u32) -> u32 {
    let sign = (a ^ b) & SIGN;
    let (a, b) = (a & !SIGN, b & !SIGN);
    match (a, b) {
        _ if a > INFINITY || b > INFINITY => return NAN,
        (0, 0) | (INFINITY, INFINITY) => return NAN,
        (INFINITY, _) | (_, 0) => return sign | INFINITY,
        (0, _) | (_, INFINITY) => return sign,
        _ => {}
    }
    let ((a, exponent_a), (b, exponent_b)) = (unpack(a), unpack(b));
    let (quotient, exponent) = quotient(a, b);
    let exponent = exponent + exponent_a - exponent_b;
    if exponent >= 255 {
        return sign | INFINITY;
    }
    // One bit goes by rounding, and below the normal numbers more of them. 26 leave nothing.
    let drop = if exponent >= 1 { 1 } else { (2 - exponent).min(26) as u32 };
    let kept = quotient.bits >> drop;
    let (dropped, half) = (quotient.bits & ((1 << drop) - 1), 1 << (drop - 1));
    let is_tie = dropped == half && quotient.is_exact;
    let up = if is_tie { kept & 1 == 1 } else { dropped >= half };
    let whole = if exponent >= 1 { (exponent as u32 - 1) << 23 } else { 0 };
    sign | (whole + kept + u32::from(up))
}

/// Returns the 24 bits of a positive number and its biased exponent, below 1 for a subnormal one.
fn unpack(bits: u32) -> (u32, i32) {
    if bits >= HIDDEN {
        return (bits & FRACTION | HIDDEN, (bits >> 23) as i32);
    }
    let shift = bits.leading_zeros() - 8;
    (bits << shift, 1 - shift as i32)
}
