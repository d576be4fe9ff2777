//! What a cable can do: carry bytes, move two lines, change its speed, go away and come back.

use alloc::vec::Vec;

/// The two output lines of a serial port, as the host sets them; `true` is asserted (low on the
/// wire). A pair is set at once: what lies between two pairs must never be seen by the chip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Data terminal ready. On boards with the usual two transistors it pulls IO0.
    pub dtr: bool,
    /// Request to send. On boards with the usual two transistors it pulls EN.
    pub rts: bool,
}

/// What whoever holds the port does next, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Sends these bytes.
    Write(Vec<u8>),
    /// Sets both lines.
    SetLines(Lines),
    /// Changes the speed, in bits a second, with 8 data bits, no parity and one stop bit. Where
    /// that means to close and to reopen the port, so be it. Answered by `handle_opened`.
    SetBaud(u32),
    /// The port is gone: waits for the same device to come back, opens it at [`BAUD`], sets
    /// neither line, and answers by `handle_opened`.
    Reopen,
}

/// What is known of the cable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cable {
    /// The chip's own USB-Serial-JTAG: a speed means nothing to it, and a reset may take it away.
    SerialJtag,
    /// A USB-to-serial bridge, or a plain UART.
    Bridge,
    /// Nothing is known.
    #[default]
    Unknown,
}

impl Cable {
    /// Says what a USB device's vendor and product numbers tell: `303A:1001` is the chip's own
    /// USB-Serial-JTAG, other vendors make bridges. Without numbers nothing is known, nor is it of
    /// Espressif's other products.
    pub const fn of_usb(ids: Option<(u16, u16)>) -> Self {
        match ids {
            Some((0x303A, 0x1001)) => Self::SerialJtag,
            Some((0x303A, _)) | None => Self::Unknown,
            Some(_) => Self::Bridge,
        }
    }
}

/// The speed at which a ROM loader is first spoken to, in bits a second.
pub const BAUD: u32 = 115_200;
