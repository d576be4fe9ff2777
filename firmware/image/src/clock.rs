//! Microseconds since the start, counted by the processor's cycle counter.
//!
//! The counter wraps after 27 s at 160 MHz, so [`micros`] must be called more often than that; the
//! main loop does.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::board::{self, Board};

static LAST: AtomicU32 = AtomicU32::new(0);
static WRAPS: AtomicU32 = AtomicU32::new(0);

/// Returns the time; never less than before.
pub fn micros() -> u64 {
    let now = board::cycles();
    if now < LAST.load(Relaxed) {
        WRAPS.store(WRAPS.load(Relaxed).wrapping_add(1), Relaxed);
    }
    LAST.store(now, Relaxed);
    let cycles = u64::from(WRAPS.load(Relaxed)) << 32 | u64::from(now);
    cycles / u64::from(Board::find().cycles_per_micro())
}

/// Does nothing for a while.
pub fn wait(duration_micros: u32) {
    let start = board::cycles();
    let cycles = duration_micros.saturating_mul(Board::find().cycles_per_micro());
    while board::cycles().wrapping_sub(start) < cycles {}
}
