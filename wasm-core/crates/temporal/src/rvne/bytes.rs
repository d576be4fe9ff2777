//! Little-endian fields at known offsets, and floats in either dtype.

use alloc::vec::Vec;

use super::Dtype;
use crate::half;

/// The u16 at `at`, which the caller has checked to be there.
pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// The u32 at `at`, which the caller has checked to be there.
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Widens all of `bytes`; what does not fill a number at the end is left out.
pub fn read_floats(bytes: &[u8], dtype: Dtype) -> Vec<f32> {
    match dtype {
        Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_bits(u32_at(b, 0))).collect(),
        Dtype::F16 => bytes.chunks_exact(2).map(|b| half::f16_to_f32(u16_at(b, 0))).collect(),
    }
}

/// Appends `values`, rounded to the nearest where the dtype is shorter.
pub fn write_floats(out: &mut Vec<u8>, values: &[f32], dtype: Dtype) {
    for &value in values {
        match dtype {
            Dtype::F32 => out.extend_from_slice(&value.to_le_bytes()),
            Dtype::F16 => out.extend_from_slice(&half::f32_to_f16(value).to_le_bytes()),
        }
    }
}

/// Appends zero bytes up to a multiple of 4.
pub fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}
