//! The ESP32-S3, by its registers. Nothing here has run on silicon yet: see `docs/firmware.md`.
//!
//! Source: ESP32-S3 Technical Reference Manual; register names are those of the PAC.

use esp32s3::{MMU_TABLE, RTC_CNTL, SYSTEM, TIMG0, TIMG1, UART0, USB_DEVICE};

use super::{FLASH_PAGE, FLASH_WINDOW};

/// 160 MHz: the fastest clock at the core voltage that the bootloader leaves; 240 MHz would need
/// it raised over the analog I2C first.
pub const CYCLES_PER_MICRO: u32 = 160;

/// What unlocks watchdog registers.
const WDT_KEY: u32 = 0x50D8_3AA1;
const SWD_KEY: u32 = 0x8F1D_312A;

/// Polls after which a console counts as read by nobody: about 20 ms.
const PATIENCE: u32 = 200_000;

const UART_FIFO: u16 = 128;

/// One register block of the PAC.
macro_rules! block {
    ($name:ident) => {
        // SAFETY: the address is that of the block, and the image is all that runs.
        unsafe { &*$name::ptr() }
    };
}

pub fn start() {
    watchdogs_off();
    // The PLL runs since the bootloader, at 480 MHz; a third of it.
    block!(SYSTEM).cpu_per_conf().modify(|_, w| {
        // SAFETY: 1 is 160 MHz.
        unsafe { w.pll_freq_sel().set_bit().cpuperiod_sel().bits(1) }
    });
    // SAFETY: 1 selects the PLL.
    block!(SYSTEM).sysclk_conf().modify(|_, w| unsafe { w.soc_clk_sel().bits(1) });
    // 115,200 baud from the 40 MHz crystal: 40 MHz / 115,200 = 347 + 4/16.
    let uart = block!(UART0);
    // SAFETY: 3 selects the crystal, 0 divides it by 1.
    uart.clk_conf().modify(|_, w| unsafe { w.sclk_sel().bits(3).sclk_div_num().bits(0) });
    // SAFETY: any divider is valid.
    uart.clkdiv().write(|w| unsafe { w.clkdiv().bits(347).frag().bits(4) });
}

fn watchdogs_off() {
    let (rtc, timers) = (block!(RTC_CNTL), [block!(TIMG0), block!(TIMG1)]);
    // SAFETY: the keys, and 0 for "off" and "locked", are given by the manual.
    unsafe {
        rtc.wdtwprotect().write(|w| w.bits(WDT_KEY));
        rtc.wdtconfig0().write(|w| w.bits(0));
        rtc.wdtwprotect().write(|w| w.bits(0));
        rtc.swd_wprotect().write(|w| w.bits(SWD_KEY));
        rtc.swd_conf().modify(|_, w| w.swd_auto_feed_en().set_bit());
        rtc.swd_wprotect().write(|w| w.bits(0));
        for timer in timers {
            timer.wdtwprotect().write(|w| w.bits(WDT_KEY));
            timer.wdtconfig0().write(|w| w.bits(0));
            timer.wdtwprotect().write(|w| w.bits(0));
        }
    }
}

pub fn reset_cause() -> u8 {
    block!(RTC_CNTL).reset_state().read().reset_cause_procpu().bits()
}

pub fn uart_byte() -> Option<u8> {
    let uart = block!(UART0);
    let waiting = uart.status().read().rxfifo_cnt().bits() > 0;
    waiting.then(|| uart.fifo().read().rxfifo_rd_byte().bits())
}

pub fn uart_write(bytes: &[u8]) {
    let uart = block!(UART0);
    for &byte in bytes {
        while u16::from(uart.status().read().txfifo_cnt().bits()) >= UART_FIFO - 1 {}
        // SAFETY: any byte is valid.
        uart.fifo().write(|w| unsafe { w.rxfifo_rd_byte().bits(byte) });
    }
}

pub fn usb_byte() -> Option<u8> {
    let usb = block!(USB_DEVICE);
    let waiting = usb.ep1_conf().read().serial_out_ep_data_avail().bit();
    waiting.then(|| usb.ep1().read().rdwr_byte().bits())
}

/// Gives up when the host takes nothing for a while: no cable, or no program that listens.
pub fn usb_write(bytes: &[u8]) {
    let usb = block!(USB_DEVICE);
    let has_room = || usb.ep1_conf().read().serial_in_ep_data_free().bit();
    for &byte in bytes {
        if !has_room() {
            // A full buffer goes out by itself; one that is not full has to be sent.
            usb.ep1_conf().write(|w| w.wr_done().set_bit());
            if !(0..PATIENCE).any(|_| has_room()) {
                return;
            }
        }
        // SAFETY: any byte is valid.
        usb.ep1().write(|w| unsafe { w.rdwr_byte().bits(byte) });
    }
    usb.ep1_conf().write(|w| w.wr_done().set_bit());
}

/// The ROM's cache functions; addresses from the ROM's symbol table (revision 0, the only one).
mod rom {
    pub const SUSPEND_DCACHE: usize = 0x4000_18B4;
    pub const RESUME_DCACHE: usize = 0x4000_18C0;
    pub const INVALIDATE_ADDR: usize = 0x4000_16B0;
}

/// Runs from SRAM and touches no constant in flash while the cache stands still.
#[inline(never)]
pub fn map_flash(first: usize, count: usize) {
    // SAFETY: the functions are at these addresses of every ESP32-S3, with these signatures. The
    // entries belong to addresses that nothing else uses.
    unsafe {
        let suspend: extern "C" fn() -> u32 = core::mem::transmute(rom::SUSPEND_DCACHE);
        let resume: extern "C" fn(u32) = core::mem::transmute(rom::RESUME_DCACHE);
        let invalidate: extern "C" fn(u32, u32) -> i32 = core::mem::transmute(rom::INVALIDATE_ADDR);
        let autoload = suspend();
        let table = MMU_TABLE::ptr() as *mut u32;
        for page in 0..count {
            let entry = ((FLASH_WINDOW / FLASH_PAGE) & 511) + page;
            table.add(entry).write_volatile((first + page) as u32);
        }
        invalidate(FLASH_WINDOW as u32, (count * FLASH_PAGE) as u32);
        resume(autoload);
    }
}

pub fn restart() {
    block!(RTC_CNTL).options0().modify(|_, w| w.sw_sys_rst().set_bit());
}
