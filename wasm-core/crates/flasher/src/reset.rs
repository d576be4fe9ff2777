//! Ways into the loader and out of it, as data: pairs of lines and pauses.
//!
//! On most boards two transistors turn the lines into the chip's pins: EN is pulled by RTS alone,
//! IO0 by DTR alone, and neither by both. The chip's own USB-Serial-JTAG reads the lines itself
//! and must never see `(1,1)` go to `(0,0)`. Source: the line changes that esptool 5.6.0 and
//! espflash 4.7.0 make. None of these has been tried on silicon by this project.

use crate::line::{Cable, Lines};

/// A way to bring a chip into its loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// The chip's own USB-Serial-JTAG.
    UsbJtag,
    /// Two transistors, with both lines changed at once.
    ClassicTight,
    /// Two transistors, with the lines changed one after the other, for ports that cannot do
    /// both, and a longer wait, for boards with a large capacitor at EN.
    ClassicLoose,
    /// The lines are left alone: the loader runs already, or a person holds BOOT and presses RESET.
    None,
}

/// One step: set the lines, then wait so many microseconds.
pub type Step = (Lines, u64);

const fn step(dtr: u8, rts: u8, millis: u64) -> Step {
    (Lines { dtr: dtr == 1, rts: rts == 1 }, millis * 1_000)
}

const USB_JTAG: [Step; 5] =
    [step(0, 0, 100), step(1, 0, 100), step(1, 1, 0), step(0, 1, 100), step(0, 0, 0)];
const CLASSIC_TIGHT: [Step; 5] =
    [step(0, 0, 0), step(1, 1, 0), step(0, 1, 100), step(1, 0, 50), step(0, 0, 0)];
const CLASSIC_LOOSE: [Step; 5] =
    [step(0, 0, 0), step(0, 1, 100), step(1, 1, 0), step(1, 0, 550), step(0, 0, 0)];

/// A restart out of the loader: EN, and nothing else, for 100 ms.
pub const RESTART: [Step; 3] = [step(0, 0, 100), step(0, 1, 100), step(0, 0, 0)];

impl Strategy {
    /// Returns what to do with the lines, in order.
    pub const fn steps(self) -> &'static [Step] {
        match self {
            Self::UsbJtag => &USB_JTAG,
            Self::ClassicTight => &CLASSIC_TIGHT,
            Self::ClassicLoose => &CLASSIC_LOOSE,
            Self::None => &[],
        }
    }

    /// Returns the ways to try with this cable, the likeliest first.
    pub const fn order(cable: Cable) -> &'static [Self] {
        match cable {
            Cable::SerialJtag => &[Self::UsbJtag, Self::None, Self::UsbJtag, Self::ClassicTight],
            Cable::Bridge => &[
                Self::ClassicTight,
                Self::ClassicLoose,
                Self::None,
                Self::ClassicTight,
                Self::ClassicLoose,
            ],
            Cable::Unknown => &[
                Self::ClassicTight,
                Self::UsbJtag,
                Self::ClassicLoose,
                Self::None,
                Self::ClassicTight,
                Self::UsbJtag,
            ],
        }
    }
}
