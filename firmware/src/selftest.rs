//! Does this machine compute what every other one does?

use crate::NodeError;
use crate::model::probe;
use csi_temporal::selftest::window_bits;

/// The table that every target is held to.
const GOLDEN: &[u8] = include_bytes!("../../fixtures/golden/bits.txt");

/// What [`window_bits`] must give.
const EXPECTED: [(&str, u64); 5] = [
    ("head-stream", golden(GOLDEN, b"\nhead-stream ")),
    ("head-stream-mean", golden(GOLDEN, b"\nhead-stream-mean ")),
    ("head-stream-f16", golden(GOLDEN, b"\nhead-stream-f16 ")),
    ("window-f32", golden(GOLDEN, b"\nwindow-f32 ")),
    ("window-f16", golden(GOLDEN, b"\nwindow-f16 ")),
];

/// More than the test takes.
const MEMORY: usize = 96 * 1024;

/// Runs a small head with every part there is as a stream and over a moving window, and compares
/// its logits, bit by bit, with those of all other targets.
///
/// # Errors
///
/// [`NodeError::Memory`] when there are less than 96 KiB in one piece.
pub fn kernel_works() -> Result<bool, NodeError> {
    probe(&[MEMORY])?;
    Ok(window_bits() == EXPECTED)
}

/// The hash after `name`: 16 hexadecimal digits.
const fn golden(table: &[u8], name: &[u8]) -> u64 {
    let mut start = 0;
    while !starts_with(table, start, name) {
        start += 1;
    }
    let (mut hash, mut at) = (0, start + name.len());
    while at < table.len() && table[at] != b'\n' {
        let digit = match table[at] {
            digit @ b'0'..=b'9' => digit - b'0',
            digit @ b'a'..=b'f' => digit - b'a' + 10,
            _ => panic!("the golden table holds hexadecimal digits"),
        };
        hash = hash << 4 | digit as u64;
        at += 1;
    }
    hash
}

const fn starts_with(table: &[u8], start: usize, name: &[u8]) -> bool {
    assert!(start + name.len() <= table.len(), "the golden table has the row");
    let mut index = 0;
    while index < name.len() {
        if table[start + index] != name[index] {
            return false;
        }
        index += 1;
    }
    true
}
