//! Packets out of a stream of bytes that is cut anywhere and may hold other things.

use alloc::vec::Vec;

use super::wire::u32_at;
use super::{Packet, PacketError, decode_prefix, is_magic};

/// What the stream held, in its order.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamEvent {
    /// A packet.
    Packet {
        /// Where it started, in bytes from the start of the stream.
        position: u64,
        /// Bytes it took.
        len: usize,
        /// The packet.
        packet: Packet,
    },
    /// Bytes that belong to no packet, as many as lie together.
    Skipped {
        /// Where they started.
        position: u64,
        /// How many.
        len: u64,
        /// Why the first of them started no packet.
        reason: PacketError,
    },
}

/// Finds packets in a stream; after damage it goes on at the next magic.
///
/// How the stream is cut into pushes does not change the events. It keeps the bytes that are not
/// yet decided: what was pushed last, and before that less than one packet.
#[derive(Clone, Debug, Default)]
pub struct StreamDecoder {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that are done with.
    used: usize,
    /// Where `buffer` starts in the stream.
    base: u64,
    skipping: Option<(u64, PacketError)>,
    /// A packet that waits behind the skipped bytes before it.
    behind: Option<StreamEvent>,
    is_finished: bool,
}

impl StreamDecoder {
    /// Starts at position 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes. After [`StreamDecoder::finish`] they are ignored.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.is_finished {
            return;
        }
        self.base += self.used as u64;
        self.buffer.drain(..self.used);
        self.used = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Says that the stream has ended: what waits for more bytes is decided without them.
    pub fn finish(&mut self) {
        self.is_finished = true;
    }

    /// Returns the next event; `None` until more bytes are pushed.
    ///
    /// Skipped bytes are reported once it is known where they end.
    pub fn next_event(&mut self) -> Option<StreamEvent> {
        if let Some(event) = self.behind.take() {
            return Some(event);
        }
        loop {
            let rest = &self.buffer[self.used..];
            let position = self.base + self.used as u64;
            if rest.is_empty() {
                return if self.is_finished { self.take_skipped(position) } else { None };
            }
            match decode_prefix(rest, self.is_finished) {
                Ok((packet, len)) => {
                    self.used += len;
                    let event = StreamEvent::Packet { position, len, packet };
                    return match self.take_skipped(position) {
                        None => Some(event),
                        skipped => {
                            self.behind = Some(event);
                            skipped
                        }
                    };
                }
                Err(PacketError::Incomplete { .. }) if !self.is_finished => return None,
                Err(reason) => {
                    self.skipping.get_or_insert((position, reason));
                    self.used += 1 + bytes_before_magic(&rest[1..]);
                }
            }
        }
    }

    fn take_skipped(&mut self, end: u64) -> Option<StreamEvent> {
        let (position, reason) = self.skipping.take()?;
        Some(StreamEvent::Skipped { position, len: end - position, reason })
    }
}

/// How many bytes come before a magic, or before what may become one with the next bytes.
fn bytes_before_magic(bytes: &[u8]) -> usize {
    bytes
        .windows(4)
        .position(|window| is_magic(u32_at(window, 0)))
        .unwrap_or(bytes.len().saturating_sub(3))
}
