//! Four `f32` side by side: SSE2 on x86-64, simd128 on WebAssembly, plain numbers elsewhere.
//!
//! Every operation rounds each lane by itself and nothing is fused, so the three give the same
//! bits. A lane holds a query head; no operation sums across lanes.

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "SSE2 intrinsics; x86-64 always has SSE2")]
mod sse2;
#[cfg(target_arch = "x86_64")]
pub use sse2::F32x4;

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub use simd128::F32x4;

#[cfg(any(
    test,
    not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128")))
))]
mod scalar;
#[cfg(not(any(
    target_arch = "x86_64",
    all(target_arch = "wasm32", target_feature = "simd128")
)))]
pub use scalar::F32x4;

/// Tells whether four lanes are one register, and not four numbers that take one each.
pub const IS_VECTOR: bool =
    cfg!(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128")));

/// `2^112`: what the bits of a binary16 number without its sign, read as those of an `f32` after a
/// shift to its fraction, are too small by.
#[cfg(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128")))]
const HALF_SCALE: f32 = f32::from_bits((127 + 112) << 23);

/// Sign, exponent and fraction of a binary16 number whose bits were shifted so: the upper half of 32
/// by 3 to the right, with its sign.
#[cfg(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128")))]
const HALF_MASK: i32 = 0x8FFF_E000_u32 as i32;

/// How many lanes there are.
pub const LANES: usize = 4;

impl F32x4 {
    /// Writes the numbers to the first four places of `to`.
    #[inline(always)]
    pub fn store(self, to: &mut [f32]) {
        to[..LANES].copy_from_slice(&self.to_array());
    }
}

#[cfg(test)]
mod tests {
    use super::{F32x4, scalar};
    use crate::math::{Numbers, exp};

    /// Any bits: NaN, infinities and denormals among them, and pairs of equal numbers.
    fn random_bits() -> impl FnMut() -> [f32; 4] {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        move || {
            [(); 4].map(|()| {
                state ^= state >> 12;
                state ^= state << 25;
                state ^= state >> 27;
                let bits = (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as u32;
                match state % 5 {
                    0 => (bits % 7) as f32 - 3.0,
                    1 => -(bits as f32 / 4e7),
                    _ => f32::from_bits(bits),
                }
            })
        }
    }

    /// Equal bits, but one NaN is as good as another.
    fn assert_same(name: &str, simd: [f32; 4], plain: [f32; 4]) {
        let canonical = |n: f32| if n.is_nan() { f32::NAN.to_bits() } else { n.to_bits() };
        assert_eq!(simd.map(canonical), plain.map(canonical), "{name}: {simd:?} {plain:?}");
    }

    #[test]
    fn every_operation_equals_its_scalar_twin() {
        type Plain = scalar::F32x4;
        type Operation = (&'static str, fn(F32x4, F32x4) -> F32x4, fn(Plain, Plain) -> Plain);
        let operations: [Operation; 8] = [
            ("+", |a, b| a + b, |a, b| a + b),
            ("-", |a, b| a - b, |a, b| a - b),
            ("*", |a, b| a * b, |a, b| a * b),
            ("/", |a, b| a / b, |a, b| a / b),
            ("max", F32x4::max, Plain::max),
            ("power", F32x4::scale_by_power, Plain::scale_by_power),
            ("zero", |a, b| a.zero_unless_at_least(b, a), |a, b| a.zero_unless_at_least(b, a)),
            ("exp", |a, _| exp(a), |a, _| exp(a)),
        ];
        let mut random = random_bits();
        for _ in 0..20_000 {
            let (a, b) = (random(), random());
            for (name, simd, plain) in operations {
                let got = simd(F32x4::from_array(a), F32x4::from_array(b)).to_array();
                let expected = plain(Plain::from_array(a), Plain::from_array(b)).to_array();
                assert_same(name, got, expected);
            }
            assert_same("exp of one", a.map(exp), exp(F32x4::from_array(a)).to_array());
            let is_faulty = a.iter().any(|number| !number.is_finite());
            assert_eq!(F32x4::from_array(a).not_finite().any(), is_faulty);
            assert_eq!(Plain::from_array(a).not_finite().any(), is_faulty);
        }
    }

    /// Every number that is not NaN or infinite, in every lane.
    #[test]
    fn halves_are_widened_as_by_their_definition() {
        for number in (0..=u16::MAX).filter(|bits| bits & 0x7C00 != 0x7C00) {
            let others = number.wrapping_mul(7) & 0x3FFF;
            let bits = [number, others, number ^ 0x8000, number];
            let packed = bits.iter().rev().fold(0, |packed, bits| packed << 16 | u64::from(*bits));
            let expected = bits.map(crate::half::f16_to_f32).map(f32::to_bits);
            assert_eq!(F32x4::from_halves(packed).to_array().map(f32::to_bits), expected);
            let plain = scalar::F32x4::from_halves(packed).to_array();
            assert_eq!(plain.map(f32::to_bits), expected);
        }
    }

    #[test]
    fn loads_and_transposes_move_numbers_only() {
        let mut random = random_bits();
        let rows = [random(), random(), random(), random()];
        let columns = F32x4::transpose(rows.map(F32x4::from_array)).map(F32x4::to_array);
        let plain = scalar::F32x4::transpose(rows.map(scalar::F32x4::from_array));
        for (at, column) in columns.into_iter().enumerate() {
            assert_same("transpose", column, rows.map(|row| row[at]));
            assert_same("transpose", column, plain[at].to_array());
        }
        let mut stored = [0.0; 4];
        F32x4::from_array(rows[0]).store(&mut stored);
        assert_same("store", stored, rows[0]);
        for lane in 0..4 {
            let (mut simd, mut plain) =
                (F32x4::from_array(rows[1]), scalar::F32x4::from_array(rows[1]));
            simd.set_lane(lane, rows[0][lane]);
            plain.set_lane(lane, rows[0][lane]);
            assert_same("lanes", simd.to_array(), plain.to_array());
            assert_same("lane", [simd.get(lane); 4], [rows[0][lane]; 4]);
            assert_same("lane", [plain.get(lane); 4], [rows[0][lane]; 4]);
        }
        assert_same("splat", F32x4::splat(2.5).to_array(), [2.5; 4]);
    }
}
