//! Writes the flash of an ESP32-S3 through the loader in its ROM, and brings the chip in and out
//! of that loader.
//!
//! ```text
//! bytes, "opened", "lost", times ─> Loader ─> Write, SetLines, SetBaud, Reopen
//!                     Job, Plan ──────┘  └──> events
//! ```
//!
//! [`Plan`] says which bytes go where and what becomes of the rest; [`Loader`] carries it out:
//! it finds a way into the loader, identifies the chip, erases, sends, and asks the chip for the
//! MD5 of every piece. [`image`] and [`partition`] read what is flashed, so that a damaged file is
//! refused before a byte is erased.
//!
//! It does no I/O and owns no clock: bytes and microseconds are handed in. It uploads no stub
//! program. To it a file is bytes at an offset. What it knows of the ROM is what the official
//! tools send and expect; none of it was tried on silicon by this project.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod chip;
pub mod command;
mod error;
pub mod image;
pub mod line;
mod loader;
pub mod partition;
pub mod plan;
pub mod reset;
pub mod slip;

pub use chip::Chip;
pub use error::FlashError;
pub use line::{Action, Cable, Lines};
pub use loader::{Event, Job, Loader, LoaderConfig};
pub use plan::Plan;
pub use reset::Strategy;
