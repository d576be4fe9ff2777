//! The two boards: what differs between them, and nothing else.

mod esp32s3;
mod qemu;

unsafe extern "C" {
    fn cpu_id() -> u32;
    fn cpu_cycles() -> u32;
}

/// Where flash pages are mapped to read them as memory; 64 KB each, out of the image's own way.
pub const FLASH_WINDOW: usize = 0x3C10_0000;
pub const FLASH_PAGE: usize = 0x1_0000;
/// How many there are.
pub const FLASH_PAGES: usize = 16;

/// What the image runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Board {
    Esp32S3,
    Qemu,
}

/// A serial line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    Uart,
    /// USB-Serial-JTAG; only the ESP32-S3 has it.
    Usb,
}

/// Both lines.
pub const PORTS: [Port; 2] = [Port::Uart, Port::Usb];

impl Board {
    /// Asks the processor: QEMU's has the number 0, the two cores of the ESP32-S3 have others.
    pub fn find() -> Self {
        match processor() {
            0 => Self::Qemu,
            _ => Self::Esp32S3,
        }
    }

    /// Switches watchdogs off, sets clock and serial line.
    pub fn start(self) {
        match self {
            Self::Esp32S3 => esp32s3::start(),
            Self::Qemu => qemu::start(),
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Esp32S3 => "ESP32-S3",
            Self::Qemu => "QEMU",
        }
    }

    /// As `csi_node::Platform` numbers them.
    pub const fn number(self) -> u8 {
        match self {
            Self::Esp32S3 => 1,
            Self::Qemu => 2,
        }
    }

    pub const fn cycles_per_micro(self) -> u32 {
        match self {
            Self::Esp32S3 => esp32s3::CYCLES_PER_MICRO,
            Self::Qemu => qemu::CYCLES_PER_MICRO,
        }
    }

    /// Why the board started, in its own numbers; 0 = not known.
    pub fn reset_cause(self) -> u8 {
        match self {
            Self::Esp32S3 => esp32s3::reset_cause(),
            Self::Qemu => 0,
        }
    }

    /// Takes what has arrived, at most as much as fits; returns the number of bytes.
    pub fn read(self, port: Port, into: &mut [u8]) -> usize {
        let byte = || match (self, port) {
            (Self::Esp32S3, Port::Uart) => esp32s3::uart_byte(),
            (Self::Esp32S3, Port::Usb) => esp32s3::usb_byte(),
            (Self::Qemu, Port::Uart) => qemu::uart_byte(),
            (Self::Qemu, Port::Usb) => None,
        };
        let mut count = 0;
        for place in into {
            let Some(byte) = byte() else { break };
            *place = byte;
            count += 1;
        }
        count
    }

    /// Sends bytes. Waits for a slow line; gives up on one that nobody reads.
    pub fn write(self, port: Port, bytes: &[u8]) {
        match (self, port) {
            (Self::Esp32S3, Port::Uart) => esp32s3::uart_write(bytes),
            (Self::Esp32S3, Port::Usb) => esp32s3::usb_write(bytes),
            (Self::Qemu, Port::Uart) => qemu::uart_write(bytes),
            (Self::Qemu, Port::Usb) => {}
        }
    }

    /// Maps pages of flash, from page `first` on, to [`FLASH_WINDOW`] and returns them. What an
    /// earlier call returned shows the new pages then, so it must not be in use any more.
    pub fn map_flash(self, first: usize, count: usize) -> &'static [u8] {
        let count = count.min(FLASH_PAGES);
        match self {
            Self::Esp32S3 => esp32s3::map_flash(first, count),
            Self::Qemu => return qemu::flash(first, count),
        }
        // SAFETY: the addresses were mapped just now and are mapped for good.
        unsafe { core::slice::from_raw_parts(FLASH_WINDOW as *const u8, count * FLASH_PAGE) }
    }

    /// Starts again.
    pub fn restart(self) -> ! {
        match self {
            Self::Esp32S3 => esp32s3::restart(),
            Self::Qemu => qemu::restart(),
        }
        loop {
            core::hint::spin_loop();
        }
    }
}

/// The processor's identity.
pub fn processor() -> u32 {
    // SAFETY: reads a register.
    unsafe { cpu_id() }
}

/// Clock cycles, modulo 2^32.
pub fn cycles() -> u32 {
    // SAFETY: reads a register.
    unsafe { cpu_cycles() }
}
