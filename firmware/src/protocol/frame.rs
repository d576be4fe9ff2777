//! Frames out of a stream of bytes that is cut anywhere and may hold other things.

use super::ProtocolError;
use alloc::vec::Vec;
use csi_temporal::crc32::crc32;

/// What every frame starts with.
pub const SYNC: [u8; 2] = [0x55, 0xAA];
/// The most bytes of payload: a frame of CSI with four antennas of 512 pairs fits.
pub const MAX_PAYLOAD: usize = 4608;
/// Bytes of a frame around its payload.
pub const OVERHEAD: usize = HEADER_LEN + CRC_LEN;
/// The most bytes of a frame.
pub const MAX_FRAME: usize = MAX_PAYLOAD + OVERHEAD;

const HEADER_LEN: usize = 5;
const CRC_LEN: usize = 4;

/// Appends a frame whose payload `write` appends.
///
/// # Errors
///
/// [`ProtocolError::TooLong`]; `out` is unchanged.
pub(super) fn put_frame(
    out: &mut Vec<u8>,
    kind: u8,
    write: &mut dyn FnMut(&mut Vec<u8>),
) -> Result<(), ProtocolError> {
    let start = out.len();
    out.extend_from_slice(&SYNC);
    out.extend_from_slice(&[kind, 0, 0]);
    write(out);
    let len = out.len() - start - HEADER_LEN;
    if len > MAX_PAYLOAD {
        out.truncate(start);
        return Err(ProtocolError::TooLong { len });
    }
    out[start + 3..start + 5].copy_from_slice(&(len as u16).to_le_bytes());
    let crc = crc32(&out[start + SYNC.len()..]);
    out.extend_from_slice(&crc.to_le_bytes());
    Ok(())
}

/// What the stream held, in its order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// A whole frame with a right CRC.
    Frame {
        /// Its kind.
        kind: u8,
        /// Its payload.
        payload: &'a [u8],
    },
    /// Bytes that belong to no frame, such as a boot log. How they are cut into events depends on
    /// how the stream was.
    Skipped(&'a [u8]),
    /// What looked like a frame is none. Its bytes follow, as skipped ones or as frames within.
    Damaged(ProtocolError),
}

/// Finds frames in a stream.
///
/// How the stream is cut into pushes changes neither frames nor damage, nor the skipped bytes
/// taken together. It allocates [`MAX_FRAME`] bytes once.
///
/// A frame whose length was damaged makes it wait for bytes that never come; whoever has a clock
/// ends that by [`Decoder::expire`].
#[derive(Clone, Debug)]
pub struct Decoder {
    /// Never longer than its capacity, [`MAX_FRAME`].
    buffer: Vec<u8>,
    /// Bytes of `buffer` that are done with.
    used: usize,
    /// Whether the first byte that is left is known to start no frame.
    is_refused: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// Starts at the beginning of a stream.
    pub fn new() -> Self {
        Self { buffer: Vec::with_capacity(MAX_FRAME), used: 0, is_refused: false }
    }

    /// Takes as many bytes as have room and returns the others. Once
    /// [`Decoder::next_event`] has returned `None`, at least one has room.
    pub fn push<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        if self.used > 0 {
            self.buffer.drain(..self.used);
            self.used = 0;
        }
        let room = MAX_FRAME - self.buffer.len();
        let (now, later) = bytes.split_at(room.min(bytes.len()));
        self.buffer.extend_from_slice(now);
        later
    }

    /// Returns the next event; `None` until more bytes are pushed.
    pub fn next_event(&mut self) -> Option<Event<'_>> {
        let rest = &self.buffer[self.used..];
        let refused = usize::from(self.is_refused && !rest.is_empty());
        let skipped = refused + bytes_before_sync(&rest[refused..]);
        if skipped > 0 {
            self.is_refused = false;
            self.used += skipped;
            return Some(Event::Skipped(&self.buffer[self.used - skipped..self.used]));
        }
        let header = rest.first_chunk::<HEADER_LEN>()?;
        let len = usize::from(u16::from_le_bytes([header[3], header[4]]));
        if len > MAX_PAYLOAD {
            self.is_refused = true;
            return Some(Event::Damaged(ProtocolError::TooLong { len }));
        }
        let crc_at = HEADER_LEN + len;
        let stored = u32::from_le_bytes(*rest.get(crc_at..)?.first_chunk::<CRC_LEN>()?);
        let computed = crc32(&rest[SYNC.len()..crc_at]);
        if stored != computed {
            self.is_refused = true;
            return Some(Event::Damaged(ProtocolError::Crc { stored, computed }));
        }
        let kind = header[2];
        let start = self.used + HEADER_LEN;
        self.used += crc_at + CRC_LEN;
        Some(Event::Frame { kind, payload: &self.buffer[start..start + len] })
    }

    /// Tells whether it waits for the rest of a frame.
    pub fn is_waiting(&self) -> bool {
        self.used < self.buffer.len()
    }

    /// Gives the frame up that it waits for: its bytes come out as skipped, or as frames within.
    pub fn expire(&mut self) {
        self.is_refused = self.is_waiting();
    }
}

/// How many bytes come before a sync, or before what may become one with the next byte.
fn bytes_before_sync(bytes: &[u8]) -> usize {
    let found = bytes.windows(SYNC.len()).position(|window| window == SYNC);
    found.unwrap_or(match bytes.last() {
        Some(&last) if last == SYNC[0] => bytes.len() - 1,
        _ => bytes.len(),
    })
}
