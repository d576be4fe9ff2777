//! Labelled recordings as training and evaluation read them.
//!
//! ```text
//! Stream + labels ──> Tape (feature rows, spans) ─> Windows ─┬─> train
//!                                                  └─ check   └─> evaluate
//! ```
//!
//! A set is parted by recording, never by window: two [`Windows`] are made, of different tapes.
//! [`check`] says before training what is wrong with the two, near-duplicates across them among it.
//! Nothing here looks at the numbers of a test recording to change those of a training recording.

mod check;
mod pipeline;
mod prints;
pub mod split;
mod tape;
mod windows;

pub use check::{Finding, Severity, check};
pub use pipeline::{common_pairs, training_pipeline};
pub use tape::{Span, Tape, label_of_name};
pub use windows::{Cut, WindowSpec, Windows};
