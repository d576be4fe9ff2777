//! The registers that flashing tools read and write, and the SPI controller among them.
//!
//! | address      | what it is                                                        |
//! |--------------|-------------------------------------------------------------------|
//! | `6000_7044`  | eFuse: lower 32 bits of the MAC; `6000_7048` the upper 16          |
//! | `6000_7050`  | eFuse: revision (bits 18..21), package (21..24)                    |
//! | `6000_8098`  | RTC watchdog: bit 31 on; `..9C` its time, `..B0` unlocks both      |
//! | `6000_80B4`  | super watchdog: bit 31 feeds it by itself; `..B8` unlocks it       |
//! | `6000_812C`  | bit 0: the next start is the loader                               |
//! | `6000_4038`  | what the pins were at the start: bit 3 = IO0 was high             |
//! | `6000_2000`  | SPI1: bit 18 starts a command, 0 when done; `..04` address, `..18` parts, `..20` command byte, `..24`/`..28` bits out and in, `..58` data |
//! | `4000_1000`  | ROM: 9, by which older tools know an ESP32-S3                     |
//!
//! Everything else is memory: it holds what was written, 0 at first. Source: ESP32-S3 Technical
//! Reference Manual; what tools read, as observed on the line.

use std::collections::BTreeMap;

use super::flash::FlashSize;

/// What the next start looks at.
const OPTION1: u32 = 0x6000_812C;
const STRAP: u32 = 0x6000_4038;
const WDT_CONFIG0: u32 = 0x6000_8098;
const WDT_CONFIG1: u32 = 0x6000_809C;
const WDT_PROTECT: u32 = 0x6000_80B0;
const SWD_CONFIG: u32 = 0x6000_80B4;
const SWD_PROTECT: u32 = 0x6000_80B8;
const WDT_KEY: u32 = 0x50D8_3AA1;
const SWD_KEY: u32 = 0x8F1D_312A;
const EFUSE: u32 = 0x6000_7000;
const MAGIC: u32 = 0x4000_1000;
const SPI: u32 = 0x6000_2000;
const SPI_START: u32 = 1 << 18;
/// The slow clock that counts the RTC watchdog, in Hz; nominal.
const SLOW_HZ: u64 = 136_000;
/// Registers that somebody wrote; more are not kept.
const MOST: usize = 4096;

/// The registers of a chip.
#[derive(Clone, Debug)]
pub(crate) struct Registers {
    written: BTreeMap<u32, u32>,
    mac: [u8; 6],
    flash_size: FlashSize,
}

impl Registers {
    pub fn new(mac: [u8; 6], flash_size: FlashSize) -> Self {
        Self { written: BTreeMap::new(), mac, flash_size }
    }

    /// Forgets what a restart forgets: all but what the RTC keeps. Without power it is all.
    pub fn reset(&mut self, keeps_rtc: bool, is_boot_low: bool) {
        let kept = self.written.get(&OPTION1).copied().filter(|_| keeps_rtc);
        self.written.clear();
        self.written.extend(kept.map(|value| (OPTION1, value)));
        self.written.insert(STRAP, if is_boot_low { 0 } else { 8 });
    }

    /// Tells whether the next start is the loader, whatever the pins say.
    pub fn forces_loader(&self) -> bool {
        self.get(OPTION1) & 1 != 0
    }

    /// Has the next start be the loader, as the chip's USB does.
    pub fn force_loader(&mut self) {
        self.written.insert(OPTION1, 1);
    }

    /// Tells whether both watchdogs keep still.
    pub fn are_watchdogs_off(&self) -> bool {
        let is_fed = self.get(SWD_CONFIG) >> 31 != 0;
        self.written.get(&WDT_CONFIG0).is_some_and(|config| config >> 31 == 0) && is_fed
    }

    /// Returns after how many microseconds the RTC watchdog restarts the chip, once it is on.
    pub fn watchdog_micros(&self) -> Option<u64> {
        let is_on = self.get(WDT_CONFIG0) >> 31 != 0;
        is_on.then(|| u64::from(self.get(WDT_CONFIG1)) * 1_000_000 / SLOW_HZ)
    }

    pub fn get(&self, address: u32) -> u32 {
        let [a, b, c, d, e, f] = self.mac;
        match address {
            MAGIC => 9,
            // Revision 0.2, package 0: no flash and no RAM in the package.
            _ if address == EFUSE + 0x44 => u32::from_be_bytes([c, d, e, f]),
            _ if address == EFUSE + 0x48 => u32::from_be_bytes([0, 0, a, b]),
            _ if address == EFUSE + 0x50 => 2 << 18,
            _ => self.written.get(&address).copied().unwrap_or(0),
        }
    }

    /// Writes the bits of `mask`.
    pub fn set(&mut self, address: u32, value: u32, mask: u32) {
        let is_locked = match address {
            WDT_CONFIG0 | WDT_CONFIG1 => self.get(WDT_PROTECT) != WDT_KEY,
            SWD_CONFIG => self.get(SWD_PROTECT) != SWD_KEY,
            STRAP => true,
            _ => (EFUSE..EFUSE + 0x200).contains(&address),
        };
        if is_locked || (self.written.len() >= MOST && !self.written.contains_key(&address)) {
            return;
        }
        let value = self.get(address) & !mask | value & mask;
        self.written.insert(address, value);
        if address == SPI && value & SPI_START != 0 {
            self.written.insert(SPI, value & !SPI_START);
            self.spi();
        }
    }

    /// Runs what the SPI controller was set up for.
    fn spi(&mut self) {
        let parts = self.get(SPI + 0x18);
        let (has_command, has_address, reads) =
            (parts >> 31 & 1 != 0, parts >> 30 & 1 != 0, parts >> 28 & 1 != 0);
        if !has_command || !reads {
            return;
        }
        let bytes = (self.get(SPI + 0x28) as usize + 1).div_ceil(8).min(64);
        let address = if has_address { self.get(SPI + 0x04) & 0x00FF_FFFF } else { 0 };
        let command = self.get(SPI + 0x20) as u8;
        let size = self.flash_size;
        let byte = |index: usize| match command {
            0x9F => size.jedec_id().get(index).copied().unwrap_or(0),
            0x5A => sfdp(size, address as usize + index),
            0x05 | 0x15 | 0x35 => 0,
            _ => 0xFF,
        };
        for word in 0..bytes.div_ceil(4) {
            let value = std::array::from_fn(|at| {
                let index = word * 4 + at;
                if index < bytes { byte(index) } else { 0 }
            });
            self.written.insert(SPI + 0x58 + 4 * word as u32, u32::from_le_bytes(value));
        }
    }
}

/// A byte of the table by which a flash chip describes itself: the header, and of the parameters
/// the second word, its size in bits less one. Source: JEDEC JESD216.
fn sfdp(size: FlashSize, at: usize) -> u8 {
    const HEADER: [u8; 16] = *b"SFDP\x00\x01\x00\xFF\x00\x00\x01\x09\x80\x00\x00\xFF";
    let bits = (size.bytes() * 8 - 1).to_le_bytes();
    match at {
        0..16 => HEADER[at],
        0x84..0x88 => bits[at - 0x84],
        _ => 0xFF,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registers() -> Registers {
        Registers::new([0x10, 0x20, 0x30, 0x40, 0x50, 0x60], FlashSize::Mb8)
    }

    /// The writes that esptool makes for `flash-id`, as observed.
    fn spi(registers: &mut Registers, command: u32, bits: u32, address: Option<u32>) -> u32 {
        let parts = 1 << 31 | 1 << 28 | u32::from(address.is_some()) << 30;
        for (at, value) in [(0x28, bits - 1), (0x18, parts), (0x20, 7 << 28 | command)] {
            registers.set(SPI + at, value, u32::MAX);
        }
        registers.set(SPI + 0x04, address.unwrap_or(0), u32::MAX);
        registers.set(SPI + 0x58, 0, u32::MAX);
        registers.set(SPI, SPI_START, u32::MAX);
        assert_eq!(registers.get(SPI) & SPI_START, 0, "done");
        registers.get(SPI + 0x58)
    }

    #[test]
    fn the_flash_chip_says_who_it_is() {
        let mut registers = registers();
        assert_eq!(spi(&mut registers, 0x9F, 24, None), 0x17_40EF);
        assert_eq!(&spi(&mut registers, 0x5A, 32, Some(0)).to_le_bytes(), b"SFDP");
        assert_eq!(spi(&mut registers, 0x5A, 32, Some(0x84)), 8 * 8 * 1024 * 1024 - 1);
    }

    #[test]
    fn the_mac_lies_in_two_words() {
        let registers = registers();
        assert_eq!(registers.get(0x6000_7044), 0x3040_5060);
        assert_eq!(registers.get(0x6000_7048), 0x1020);
    }

    #[test]
    fn watchdogs_need_their_keys() {
        let mut registers = registers();
        assert!(!registers.are_watchdogs_off());
        registers.set(WDT_CONFIG0, 0, u32::MAX);
        registers.set(SWD_CONFIG, 1 << 31, u32::MAX);
        assert!(!registers.are_watchdogs_off());
        registers.set(WDT_PROTECT, WDT_KEY, u32::MAX);
        registers.set(WDT_CONFIG0, 0, u32::MAX);
        assert!(!registers.are_watchdogs_off());
        registers.set(SWD_PROTECT, SWD_KEY, u32::MAX);
        registers.set(SWD_CONFIG, 1 << 31, 1 << 31);
        assert!(registers.are_watchdogs_off());
        registers.set(WDT_CONFIG1, 13_600, u32::MAX);
        registers.set(WDT_CONFIG0, 1 << 31, u32::MAX);
        assert_eq!(registers.watchdog_micros(), Some(100_000));
    }

    #[test]
    fn a_restart_keeps_the_wish_for_the_loader_and_nothing_else() {
        let mut registers = registers();
        registers.set(OPTION1, 3, 1);
        registers.set(0x3FC8_0000, 5, u32::MAX);
        registers.reset(true, true);
        assert!(registers.forces_loader());
        assert_eq!((registers.get(0x3FC8_0000), registers.get(STRAP)), (0, 0));
        registers.reset(false, false);
        assert!(!registers.forces_loader());
        assert_eq!(registers.get(STRAP), 8);
    }
}
