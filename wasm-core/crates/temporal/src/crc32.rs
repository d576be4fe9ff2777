//! CRC-32 as in IEEE 802.3: what closes a `.rvne` blob and three of the wire packets.
//!
//! Polynomial `0xEDB8_8320` (reflected), initial value and final XOR all ones. The 256-entry
//! table is computed by the compiler. It finds damage; it does not protect against a forger.

const POLYNOMIAL: u32 = 0xEDB8_8320;
const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            let carry = remainder & 1;
            remainder = (remainder >> 1) ^ (POLYNOMIAL * carry);
            bit += 1;
        }
        table[byte] = remainder;
        byte += 1;
    }
    table
}

/// Returns the CRC-32 of `bytes`.
///
/// The CRC of no bytes is 0, that of `123456789` is `0xCBF4_3926`.
pub const fn crc32(bytes: &[u8]) -> u32 {
    let mut remainder = u32::MAX;
    let mut index = 0;
    while index < bytes.len() {
        let slot = (remainder ^ bytes[index] as u32) & 0xFF;
        remainder = (remainder >> 8) ^ TABLE[slot as usize];
        index += 1;
    }
    remainder ^ u32::MAX
}
