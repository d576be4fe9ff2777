//! What `cargo xtask bench kernel` times: our kernels and the upstream crate on the same inputs.
//!
//! ```text
//! inputs ─> window, decode, peak ─> group ─┬─> native    timed here, by the program csi-bench
//!                                          └─> exports   timed by kernel.mjs, in node and Chromium
//! ```
//!
//! A [`Subject`] is one piece of work with everything it needs already made; a [`group`] holds those
//! that run against each other, in turns, in one process. Nothing here is part of the lab, and the
//! lab depends on nothing here.

mod decode;
mod exports;
pub mod group;
mod inputs;
pub mod native;
mod peak;
mod window;

/// A piece of work to be timed.
pub trait Subject {
    /// Prepares a sample of several runs, outside the time taken. Most need nothing.
    fn rewind(&mut self) {}

    /// Does the work once.
    fn run(&mut self);

    /// Returns what the last run computed; empty before the first one and where there is nothing
    /// to compare.
    fn output(&self) -> &[f32];

    /// Returns the additions and multiplications of one run, exps not counted; 0 where they are
    /// not counted.
    fn flops(&self) -> u64 {
        0
    }

    /// Returns the memory that a stream keeps, in bytes; 0 for what keeps nothing.
    fn memory_bytes(&self) -> usize {
        0
    }
}
