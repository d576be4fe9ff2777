//! The flash chip: what it holds, how it changes, and how long that takes.
//!
//! Erasing sets whole sectors to ones, programming only clears bits, as in every NOR flash.
//! Sectors take memory once they hold something. It wears out never and keeps what it holds when
//! the power fails, but for the sector that was being changed, which is the board's affair.

use std::collections::BTreeMap;

use md5::{Digest, Md5};

/// Bytes that are erased at once, at the least.
pub const SECTOR: u32 = 4096;
/// Bytes that are erased at once where a whole one is to be erased.
const BLOCK: u32 = 65_536;
/// Bytes that are programmed at once.
const PAGE: u32 = 256;

/// Microseconds to erase a sector. Typical value of the Winbond W25Q64JV's data sheet (tSE).
const SECTOR_MICROS: u64 = 45_000;
/// Microseconds to erase a block (tBE2, typical).
const BLOCK_MICROS: u64 = 150_000;
/// Microseconds to program a page (tPP, typical).
const PAGE_MICROS: u64 = 400;

/// How large a flash chip is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashSize {
    /// 4 MB, the least that the node's partition table needs.
    Mb4,
    /// 8 MB.
    Mb8,
    /// 16 MB.
    Mb16,
}

impl FlashSize {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mb4, Self::Mb8, Self::Mb16];

    /// Reads `4MB`, `8MB` or `16MB`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|size| size.name().eq_ignore_ascii_case(name))
    }

    /// Returns the name that flashing tools use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mb4 => "4MB",
            Self::Mb8 => "8MB",
            Self::Mb16 => "16MB",
        }
    }

    /// Returns the number of bytes.
    pub const fn bytes(self) -> u32 {
        match self {
            Self::Mb4 => 4 << 20,
            Self::Mb8 => 8 << 20,
            Self::Mb16 => 16 << 20,
        }
    }

    /// Returns what the chip answers to 9F: manufacturer (Winbond), type, log2 of its bytes.
    pub const fn jedec_id(self) -> [u8; 3] {
        [0xEF, 0x40, self.bytes().trailing_zeros() as u8]
    }
}

/// A flash chip.
#[derive(Clone, Debug)]
pub struct Flash {
    size: FlashSize,
    sectors: BTreeMap<u32, Box<[u8; SECTOR as usize]>>,
}

impl Flash {
    /// Returns an erased chip.
    pub fn new(size: FlashSize) -> Self {
        Self { size, sectors: BTreeMap::new() }
    }

    /// Returns its size.
    pub const fn size(&self) -> FlashSize {
        self.size
    }

    /// Tells whether all of a range is in the chip.
    pub fn holds(&self, offset: u32, len: u32) -> bool {
        offset.checked_add(len).is_some_and(|end| end <= self.size.bytes())
    }

    /// Returns a range; what lies beyond the end is left out.
    pub fn read(&self, offset: u32, len: u32) -> Vec<u8> {
        let end = offset.saturating_add(len).min(self.size.bytes());
        let mut bytes = Vec::with_capacity(end.saturating_sub(offset) as usize);
        self.pieces(offset, end, |piece| bytes.extend_from_slice(piece));
        bytes
    }

    /// Returns the MD5 of a range, as [`Flash::read`] returns it.
    pub fn md5(&self, offset: u32, len: u32) -> [u8; 16] {
        let mut hash = Md5::new();
        let end = offset.saturating_add(len).min(self.size.bytes());
        self.pieces(offset, end, |piece| hash.update(piece));
        hash.finalize().into()
    }

    /// Writes bytes as a programmer in a factory does: what was there is gone. What lies beyond
    /// the end is left out.
    pub fn store(&mut self, offset: u32, bytes: &[u8]) {
        self.change(offset, bytes, |_, new| new);
    }

    /// Programs bytes: bits that are 0 stay 0. What lies beyond the end is left out.
    pub fn program(&mut self, offset: u32, bytes: &[u8]) {
        self.change(offset, bytes, |old, new| old & new);
    }

    /// Erases every sector that a range touches.
    pub fn erase(&mut self, offset: u32, len: u32) {
        let end = offset.saturating_add(len).div_ceil(SECTOR);
        let keys: Vec<u32> =
            self.sectors.range(offset / SECTOR..end).map(|(key, _)| *key).collect();
        keys.iter().for_each(|key| drop(self.sectors.remove(key)));
    }

    fn pieces(&self, mut offset: u32, end: u32, mut take: impl FnMut(&[u8])) {
        const ERASED: [u8; SECTOR as usize] = [0xFF; SECTOR as usize];
        while offset < end {
            let (key, start) = (offset / SECTOR, offset % SECTOR);
            let stop = (end - key * SECTOR).min(SECTOR);
            let sector = self.sectors.get(&key).map_or(&ERASED, |sector| sector);
            take(&sector[start as usize..stop as usize]);
            offset = key * SECTOR + stop;
        }
    }

    fn change(&mut self, offset: u32, bytes: &[u8], rule: impl Fn(u8, u8) -> u8) {
        for (at, &byte) in (offset..self.size.bytes()).zip(bytes) {
            if byte == 0xFF && !self.sectors.contains_key(&(at / SECTOR)) {
                continue;
            }
            let erased = || Box::new([0xFF; SECTOR as usize]);
            let sector = self.sectors.entry(at / SECTOR).or_insert_with(erased);
            let place = &mut sector[(at % SECTOR) as usize];
            *place = rule(*place, byte);
        }
    }
}

/// Returns how long erasing the sectors that a range touches takes, whole blocks at once.
pub fn erase_micros(offset: u32, len: u32) -> u64 {
    let (mut at, end) = (offset / SECTOR * SECTOR, offset.saturating_add(len));
    let mut micros = 0;
    while at < end {
        let is_block = at.is_multiple_of(BLOCK) && end - at >= BLOCK;
        micros += if is_block { BLOCK_MICROS } else { SECTOR_MICROS };
        at = at.saturating_add(if is_block { BLOCK } else { SECTOR });
    }
    micros
}

/// Returns how long programming a range takes.
pub fn program_micros(len: u32) -> u64 {
    u64::from(len.div_ceil(PAGE)) * PAGE_MICROS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programming_clears_bits_and_erasing_sets_sectors() {
        let mut flash = Flash::new(FlashSize::Mb4);
        assert_eq!(flash.read(0x1_0000, 4), [0xFF; 4]);
        flash.program(0xFFE, &[0xF0, 0x0F, 0x55]);
        flash.program(0xFFE, &[0x3C]);
        assert_eq!(flash.read(0xFFD, 5), [0xFF, 0x30, 0x0F, 0x55, 0xFF]);
        flash.erase(0xFFF, 1);
        assert_eq!(flash.read(0xFFD, 5), [0xFF, 0xFF, 0xFF, 0x55, 0xFF], "one sector only");
        flash.store(0x1000, &[0xAA]);
        assert_eq!(flash.read(0x1000, 1), [0xAA]);
    }

    #[test]
    fn an_erased_chip_takes_no_memory_and_nothing_lies_beyond_its_end() {
        let mut flash = Flash::new(FlashSize::Mb16);
        flash.store(0, &[0xFF; 10_000]);
        assert!(flash.sectors.is_empty());
        flash.program((16 << 20) - 1, &[1, 2]);
        assert_eq!(flash.read((16 << 20) - 2, u32::MAX), [0xFF, 1]);
        assert_eq!(flash.sectors.len(), 1);
        assert!(flash.holds((16 << 20) - 1, 1) && !flash.holds(u32::MAX, 2));
        assert!(flash.read(u32::MAX, 4).is_empty());
    }

    /// By `python3 -c "import hashlib; print(hashlib.md5(b'\xff'*8190+b'abc').hexdigest())"`.
    #[test]
    fn md5_is_that_of_the_bytes() {
        let mut flash = Flash::new(FlashSize::Mb4);
        flash.program(8190, b"abc");
        let hex: String = flash.md5(0, 8193).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "cf72240a721bea51a641103e9119c5ec");
    }

    #[test]
    fn whole_blocks_are_erased_at_once() {
        assert_eq!(erase_micros(0x11_0000, 41_244), 11 * 45_000);
        assert_eq!(erase_micros(0x1_0000, 0x1_0000), 150_000);
        assert_eq!(erase_micros(0xF000, 0x1_1001), 45_000 + 150_000 + 45_000);
        assert_eq!(erase_micros(0x10_0001, 0), 45_000, "its sector is touched");
        assert_eq!(erase_micros(0x10_0000, 0), 0);
    }
}
