//! What a board is made of, and what it tells.

use esp_flasher::line::Cable;

use super::super::boot::Cause;
use super::super::faults::{Faults, What};
use super::super::flash::Flash;

/// How fast things go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// Bytes take the time that the speed of the line says, erasing and programming what a data
    /// sheet says, starts what boards take.
    #[default]
    Real,
    /// All of this takes no time. Waiting that a fault or a retry asks for still takes its time.
    Instant,
}

/// What a board is made of.
#[derive(Clone, Debug)]
pub struct BoardConfig {
    /// What is between host and board; `Unknown` ignores both lines.
    pub cable: Cable,
    /// The eFuse's MAC.
    pub mac: [u8; 6],
    /// The flash with what is in it.
    pub flash: Flash,
    /// What goes wrong.
    pub faults: Faults,
    /// How fast things go.
    pub pace: Pace,
    /// Whether every start that power causes ends in the loader, as if BOOT were held then.
    pub boots_into_loader: bool,
    /// How long a bridge's EN takes to rise, in microseconds: typically 1,000 to 10,000.
    pub enable_rise_micros: u64,
}

impl BoardConfig {
    /// Returns a board without faults on a bridge, its MAC a local one that no chip has.
    pub fn new(flash: Flash) -> Self {
        Self {
            cable: Cable::Bridge,
            mac: [0x02, 0x5A, 0x1B, 0x00, 0x00, 0x01],
            flash,
            faults: Faults::default(),
            pace: Pace::Real,
            boots_into_loader: false,
            enable_rise_micros: 2_000,
        }
    }
}

/// What happened on the board, for whoever wants to show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// It started.
    Started {
        /// Why.
        cause: Cause,
        /// Whether into the loader.
        into_loader: bool,
    },
    /// The loader understood a command.
    Command {
        /// Which one, from 1 on; faults count the same.
        number: u64,
        /// Its op.
        op: u8,
    },
    /// A command went wrong as asked for.
    Struck(What),
    /// The loader was at work, and bytes were lost because the UART had no room.
    Overrun,
    /// The cable came off, or is back.
    Plugged(bool),
    /// An application runs.
    Runs {
        /// Whether it is the node's.
        is_ours: bool,
    },
}
