//! The partition table of the flash: where the weights lie.
//!
//! | bytes    | field  | type     | meaning                                 |
//! |----------|--------|----------|-----------------------------------------|
//! | `0..2`   | magic  | u16      | `0x50AA`; another value ends the table  |
//! | `2..4`   | kind   | 2 x u8   | type and subtype                        |
//! | `4..8`   | offset | u32      | bytes from the start of the flash       |
//! | `8..12`  | size   | u32      | bytes                                   |
//! | `12..28` | label  | 16 bytes | text, filled up with zeros              |
//! | `28..32` | flags  | u32      | not used here                           |
//!
//! Integers are little-endian. The table is written by espflash, from `partitions.csv`, and its
//! MD5 is checked by the bootloader, not here. Source: ESP-IDF, "Partition Tables".

const ENTRY_LEN: usize = 32;
const MAGIC: [u8; 2] = [0xAA, 0x50];

/// Where the table lies in flash.
pub const TABLE_OFFSET: usize = 0x8000;
/// Its longest length.
pub const TABLE_LEN: usize = 0xC00;

/// A stretch of the flash, both in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// From the start of the flash.
    pub offset: u32,
    /// Its length.
    pub size: u32,
}

/// Returns the first partition with a label of at most 16 bytes. No table makes it panic.
pub fn find(table: &[u8], label: &str) -> Option<Partition> {
    let mut entries = table.chunks_exact(ENTRY_LEN).take_while(|entry| entry.starts_with(&MAGIC));
    let entry = entries.find(|entry| {
        let name = &entry[12..28];
        let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        &name[..end] == label.as_bytes()
    })?;
    let word =
        |at: usize| u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]);
    Some(Partition { offset: word(4), size: word(8) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two entries, byte by byte, and the end.
    const TABLE: [u8; 96] = *b"\
        \xAA\x50\x00\x00\x00\x00\x01\x00\x00\x00\x10\x00factory\0\0\0\0\0\0\0\0\0\0\0\0\0\
        \xAA\x50\x01\x06\x00\x00\x11\x00\x00\x00\x04\x00rvne\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
        \xEB\xEB\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\
        \x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B\x0C\x0D\x0E\x0F\x10";

    #[test]
    fn partitions_are_found_by_label() {
        let rvne = Partition { offset: 0x110000, size: 0x40000 };
        assert_eq!(find(&TABLE, "rvne"), Some(rvne));
        assert_eq!(find(&TABLE, "factory"), Some(Partition { offset: 0x10000, size: 0x100000 }));
        assert_eq!(find(&TABLE, "rvn"), None);
        assert_eq!(find(&TABLE, ""), None);
    }

    #[test]
    fn what_is_no_table_has_no_partition() {
        for len in 0..TABLE.len() {
            let found = find(&TABLE[..len], "rvne");
            assert_eq!(found.is_some(), len >= 64, "{len}");
        }
        assert_eq!(find(&[0xFF; 0xC00], "rvne"), None);
    }
}
