//! A simulated board: the far end of the cable, for people without one and for tests.
//!
//! ```text
//! bytes, lines, speed ─> Wiring, Wire ─> Loader (ROM or stub) ─> Flash, Registers
//!                                └─────> App (csi_node::Node on the weights of that flash)
//! ```
//!
//! [`Board`] is the whole of it: the loader of the chip's ROM with flash memory behind it, what
//! DTR and RTS do by either kind of cable, the texts of a start, and after it the node's
//! application. It takes bytes, lines, speeds and microseconds; it asks nobody for the time.
//! [`Faults`] go wrong on demand, [`drive::Link`] runs a host against a board on virtual time.
//!
//! The loader is a reading of its own: it shares no code with the flasher, so that either finds
//! what the other got wrong. Espressif's own tools accept it. That proves conformance to these tools, not
//! to silicon; [`NOT_SIMULATED`] says what is missing, and whatever shows a board shows
//! [`NAME`] with it.

mod app;
mod board;
mod boot;
mod cable;
pub mod drive;
mod faults;
mod flash;
mod loader;
mod registers;
mod slip;
mod wire;
mod writing;

pub use app::BOARD as BOARD_NUMBER;
pub use board::{Board, BoardConfig, Note, Pace};
pub use boot::Cause;
pub use faults::{EXAMPLES as FAULT_EXAMPLES, FaultError, Faults, Way, What, When};
pub use flash::{Flash, FlashSize};

/// What a simulated board is called wherever one is shown.
pub const NAME: &str = "SIMULATED BOARD";

/// What it does not simulate, a sentence each.
pub const NOT_SIMULATED: &[&str] = &[
    "Xtensa code is not run: after a start the lab's own build of the node runs, on the weights in the simulated flash.",
    "An image that is not the node's is checked and named, and does nothing.",
    "Wi-Fi: frames come over the line only.",
    "How long a classification takes: it takes no time.",
    "Memory: the node has as much as the computer.",
    "What the ROM does with a wrong or repeated command beyond what Espressif's tools look at.",
    "How fast the ROM works: erasing and programming follow a data sheet's typical values, the rest is assumed.",
    "Updates over the air: the factory application is started, whatever the other slots hold.",
    "Secure boot, flash encryption, and eFuses other than MAC and revision.",
    "A stub's code: any program that is sent to memory and started counts as Espressif's stub.",
];
