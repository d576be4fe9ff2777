//! Replies that wait for the line.

use crate::protocol::{MAX_FRAME, Reply};
use alloc::vec::Vec;

/// Bytes that may wait; what would come on top is dropped whole.
const CAPACITY: usize = 4096;

/// A queue of framed replies. It allocates once.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    bytes: Vec<u8>,
    /// Bytes that were handed out.
    taken: usize,
}

impl Output {
    pub fn new() -> Self {
        Self { bytes: Vec::with_capacity(CAPACITY + MAX_FRAME), taken: 0 }
    }

    /// Appends a reply; `false` when it is too long or does not fit. An empty queue takes any.
    pub fn send(&mut self, reply: &Reply<'_>) -> bool {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        let before = self.bytes.len();
        let is_written = reply.write(&mut self.bytes).is_ok();
        let fits = is_written && (before == 0 || self.bytes.len() <= CAPACITY);
        if !fits {
            self.bytes.truncate(before);
        }
        fits
    }

    /// Hands out up to `most` bytes, which count as sent.
    pub fn take(&mut self, most: usize) -> Option<&[u8]> {
        let rest = &self.bytes[self.taken..];
        let piece = &rest[..most.min(rest.len())];
        self.taken += piece.len();
        (!piece.is_empty()).then_some(piece)
    }
}
