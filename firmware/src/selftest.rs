//! Does this machine compute what every other one does?

use crate::NodeError;
use crate::model::probe;
use csi_temporal::selftest::head_window;

/// The row that [`head_window`] must give, out of the table that every target is held to.
const EXPECTED: u64 = golden(include_bytes!("../../fixtures/golden/bits.txt"), b"\nhead-window ");

/// More than the test takes.
const MEMORY: usize = 48 * 1024;

/// Runs a small head with every part there is over a moving window and compares its logits, bit by
/// bit, with those of all other targets.
///
/// # Errors
///
/// [`NodeError::Memory`] when there are less than 48 KiB in one piece.
pub fn kernel_works() -> Result<bool, NodeError> {
    probe(&[MEMORY])?;
    Ok(head_window().1 == EXPECTED)
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
