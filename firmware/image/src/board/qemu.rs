//! QEMU's `kc705`: a 16550 and a reset register. Its flash is memory that the run has filled.

use super::FLASH_PAGE;

/// CCOUNT runs at 40 MHz of virtual time, whatever the emulator's speed.
pub const CYCLES_PER_MICRO: u32 = 40;

const UART: usize = 0xFD05_0020;
const DATA: usize = UART;
const FIFO_CONTROL: usize = UART + 2 * 4;
const LINE_CONTROL: usize = UART + 3 * 4;
const LINE_STATUS: usize = UART + 5 * 4;
const HAS_BYTE: u32 = 0x01;
const HAS_ROOM: u32 = 0x20;

/// Resets the board when this word is written.
const RESET: usize = 0xFD02_0010;
const RESET_WORD: u32 = 0xDEAD;

fn get(register: usize) -> u32 {
    // SAFETY: an address of this board's register map.
    unsafe { (register as *const u32).read_volatile() }
}

fn set(register: usize, value: u32) {
    // SAFETY: as in `get`.
    unsafe { (register as *mut u32).write_volatile(value) }
}

/// 115,200 baud, which QEMU keeps to, and queues of 16 bytes.
pub fn start() {
    const EIGHT_BITS: u32 = 0x03;
    const DIVISOR: u32 = 0x80;
    set(LINE_CONTROL, EIGHT_BITS | DIVISOR);
    set(DATA, 1);
    set(LINE_CONTROL, EIGHT_BITS);
    set(FIFO_CONTROL, 1);
}

pub fn uart_byte() -> Option<u8> {
    (get(LINE_STATUS) & HAS_BYTE != 0).then(|| get(DATA) as u8)
}

pub fn uart_write(bytes: &[u8]) {
    for &byte in bytes {
        while get(LINE_STATUS) & HAS_ROOM == 0 {}
        set(DATA, u32::from(byte));
    }
}

/// Where the run puts all 4 MB of flash.
const FLASH: usize = 0x3C20_0000;

/// Returns pages of the flash.
pub fn flash(first: usize, count: usize) -> &'static [u8] {
    let start = FLASH + first * FLASH_PAGE;
    // SAFETY: QEMU is started with memory from 0 to beyond all of these.
    unsafe { core::slice::from_raw_parts(start as *const u8, count * FLASH_PAGE) }
}

pub fn restart() {
    set(RESET, RESET_WORD);
}
