//! The division of targets without one is IEEE 754's, bit for bit: this host's own.

use csi_temporal::division::divide;

fn agree(a: f32, b: f32) {
    let (ours, host) = (divide(a, b), a / b);
    let same = ours.to_bits() == host.to_bits() || ours.is_nan() && host.is_nan();
    assert!(same, "{a:e} / {b:e}: {ours:e}, not {host:e}");
}

#[test]
fn numbers_at_every_edge_divide_as_on_the_host() {
    let magnitudes = [
        0,
        1,
        2,
        3,
        0x3F_FFFF,
        0x40_0000,
        0x40_0001,
        0x7F_FFFE,
        0x7F_FFFF,
        0x80_0000,
        0x80_0001,
        0xFF_FFFF,
        0x100_0000,
        0x3F00_0000,
        0x3F7F_FFFF,
        0x3F80_0000,
        0x3F80_0001,
        0x3FFF_FFFF,
        0x4000_0000,
        0x4040_0000,
        0x7E80_0000,
        0x7EFF_FFFF,
        0x7F00_0000,
        0x7F7F_FFFE,
        0x7F7F_FFFF,
        0x7F80_0000,
        0x7F80_0001,
        0x7FC0_0000,
    ];
    let numbers: Vec<f32> =
        magnitudes.iter().flat_map(|&bits| [bits, bits | 1 << 31]).map(f32::from_bits).collect();
    for &a in &numbers {
        for &b in &numbers {
            agree(a, b);
        }
    }
}

#[test]
fn numbers_of_every_size_divide_as_on_the_host() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..500_000 {
        let bits = next();
        let (a, b) = (bits as u32, (bits >> 32) as u32);
        agree(f32::from_bits(a), f32::from_bits(b));
        // Of like size, and with a quotient below the normal numbers.
        let b = f32::from_bits(b & 0x81FF_FFFF | 0x3F00_0000);
        agree(f32::from_bits(a & 0x81FF_FFFF | 0x3F00_0000), b);
        agree(f32::from_bits(a & 0x81FF_FFFF), f32::from_bits(b.to_bits() & 0x3FFF_FFFF | 1 << 29));
        agree(1.0, f32::from_bits(a));
        // Products of few bits: exact quotients, and ties among the subnormal ones.
        let short = f32::from_bits(a & 0x807F_F000 | 0x0080_0000);
        agree(short, 2.0 + (bits >> 60) as f32);
    }
}
