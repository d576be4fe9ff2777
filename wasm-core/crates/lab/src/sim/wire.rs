//! Bytes on their way, each with the moment when it arrives.

use std::collections::VecDeque;

/// One direction of the line. Times are nanoseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire {
    bytes: VecDeque<OnTheWay>,
    /// When the line is free again.
    free_at: u64,
}

/// A byte that is under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnTheWay {
    /// When it arrives.
    pub at: u64,
    /// At which speed it was sent.
    pub baud: u32,
    /// What it is.
    pub byte: u8,
}

impl Wire {
    /// Sends bytes, from `now` on or when the line is free, each of which takes `byte_nanos`.
    pub fn send(&mut self, now: u64, bytes: &[u8], baud: u32, byte_nanos: u64) {
        let mut at = self.free_at.max(now);
        for &byte in bytes {
            at = at.saturating_add(byte_nanos);
            self.bytes.push_back(OnTheWay { at, baud, byte });
        }
        self.free_at = at;
    }

    /// Returns when the next byte arrives.
    pub fn next_at(&self) -> Option<u64> {
        self.bytes.front().map(|next| next.at)
    }

    /// Returns the next byte, if it has arrived.
    pub fn take(&mut self, now: u64) -> Option<OnTheWay> {
        self.bytes.pop_front_if(|next| next.at <= now)
    }

    /// Returns when the line is free again.
    pub const fn free_at(&self) -> u64 {
        self.free_at
    }

    /// Loses everything that has not arrived.
    pub fn cut(&mut self, now: u64) {
        self.bytes.retain(|byte| byte.at <= now);
        self.free_at = self.free_at.min(now);
    }
}
