//! What DTR and RTS do to the chip, by either kind of cable.
//!
//! A bridge has two transistors between its lines and the chip's pins EN and IO0:
//!
//! | DTR | RTS | EN   | IO0  |
//! |-----|-----|------|------|
//! | 0   | 0   | high | high |
//! | 1   | 1   | high | high |
//! | 0   | 1   | low  | high |
//! | 1   | 0   | high | low  |
//!
//! While EN is low the chip stands still. EN rises slowly, by a capacitor, and the chip looks at
//! IO0 once it is high: low means the loader. Source: schematics of Espressif's development kits.
//!
//! The chip's own USB-Serial-JTAG has no pins; it takes the lines as orders:
//!
//! | RTS | DTR | order                        |
//! |-----|-----|------------------------------|
//! | 0   | 0   | forget the wish for the loader |
//! | 0   | 1   | next start is the loader     |
//! | 1   | 0   | start again                  |
//! | 1   | 1   | nothing                      |
//!
//! Source: ESP32-S3 Technical Reference Manual, "USB Serial/JTAG Controller", reset by CDC-ACM.

use esp_flasher::line::{Cable, Lines};

/// What the chip has to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Stand still.
    Hold,
    /// Start, after EN had time to rise; then look at [`Wiring::is_boot_low`].
    Release,
    /// Start at once, and into the loader if told so.
    Restart {
        /// Whether the loader was wished for.
        into_loader: bool,
    },
}

/// Lines, and what they are connected to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wiring {
    cable: Cable,
    lines: Lines,
    /// What USB-Serial-JTAG keeps in mind.
    wants_loader: bool,
}

impl Wiring {
    pub fn new(cable: Cable) -> Self {
        Self { cable, lines: Lines { dtr: false, rts: false }, wants_loader: false }
    }

    /// Takes lines as they are now.
    pub fn set(&mut self, lines: Lines) -> Option<Order> {
        let before = std::mem::replace(&mut self.lines, lines);
        match self.cable {
            Cable::Unknown => None,
            Cable::Bridge => match (is_enable_low(before), is_enable_low(lines)) {
                (false, true) => Some(Order::Hold),
                (true, false) => Some(Order::Release),
                _ => None,
            },
            Cable::SerialJtag => match (lines.rts, lines.dtr) {
                (false, dtr) => {
                    self.wants_loader = dtr;
                    None
                }
                (true, false) if before != lines => {
                    Some(Order::Restart { into_loader: self.wants_loader })
                }
                _ => None,
            },
        }
    }

    /// Tells whether the bridge pulls IO0 down.
    pub fn is_boot_low(&self) -> bool {
        self.cable == Cable::Bridge && self.lines.dtr && !self.lines.rts
    }
}

fn is_enable_low(lines: Lines) -> bool {
    lines.rts && !lines.dtr
}
