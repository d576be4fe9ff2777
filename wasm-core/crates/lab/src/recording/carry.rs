//! The bytes between two pushes: what the readers of binary records share.
//!
//! A record may end in a later push than the one it starts in. [`Carry`] keeps only that
//! unfinished tail and knows how far into the file it lies; [`RecordReader`] is the reader that
//! every format of records shares. Neither knows a format.

use super::{Position, Reader, Sink, SkipReason};

/// What a format made of the bytes it was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The first `n` bytes are dealt with, `n > 0`.
    Take(usize),
    /// The record goes on beyond the bytes at hand.
    More,
    /// No record starts here.
    Damage,
}

/// What a format does with the record at the front of the bytes at hand.
pub(super) trait RecordFormat {
    /// Takes it. `position` is the file offset of the first byte; `lost` says that the byte before
    /// was damage.
    fn record(&mut self, position: u64, bytes: &[u8], lost: bool, sink: &mut Sink) -> Step;
}

/// Reads a format of records in pieces; a tail that no record claimed is reported, and so is each
/// stretch of damage, once.
#[derive(Debug, Default)]
pub(super) struct RecordReader<F> {
    carry: Carry,
    format: F,
    /// Inside a stretch of damage, already reported.
    lost: bool,
}

impl<F: RecordFormat> Reader for RecordReader<F> {
    fn push(&mut self, bytes: &[u8], sink: &mut Sink) {
        let Self { carry, format, lost } = self;
        carry.push(bytes, |position, bytes| {
            let step = format.record(position, bytes, *lost, sink);
            match step {
                Step::Damage if !*lost => {
                    sink.skip(SkipReason::Garbage, Position::Byte(position));
                    *lost = true;
                }
                Step::Take(_) => *lost = false,
                Step::Damage | Step::More => {}
            }
            step
        });
    }

    fn finish(&mut self, sink: &mut Sink) {
        if let (position, [_, ..]) = self.carry.rest() {
            sink.skip(SkipReason::CutShort, Position::Byte(position));
        }
    }
}

/// The unfinished tail of a byte stream, and its place in the file.
#[derive(Debug, Default)]
struct Carry {
    held: Vec<u8>,
    position: u64,
}

impl Carry {
    /// Shows `record` the bytes at hand until it asks for more, and keeps what is left.
    ///
    /// `record` gets the file offset of the first byte and every byte from there on. Whole
    /// records inside one push are never copied; the tail kept is at most one record long.
    fn push(&mut self, bytes: &[u8], record: impl FnMut(u64, &[u8]) -> Step) {
        if self.held.is_empty() {
            let used = self.walk(bytes, record);
            self.held.extend_from_slice(&bytes[used..]);
        } else {
            let mut held = core::mem::take(&mut self.held);
            held.extend_from_slice(bytes);
            let used = self.walk(&held, record);
            held.drain(..used);
            self.held = held;
        }
    }

    /// The tail that no record claimed, with its offset in the file.
    fn rest(&self) -> (u64, &[u8]) {
        (self.position, &self.held)
    }

    /// Calls `record` at each record start; returns how many of `bytes` it dealt with.
    fn walk(&mut self, bytes: &[u8], mut record: impl FnMut(u64, &[u8]) -> Step) -> usize {
        let mut used = 0;
        while used < bytes.len() {
            let n = match record(self.position, &bytes[used..]) {
                Step::Take(n) => n.clamp(1, bytes.len() - used),
                Step::Damage => 1,
                Step::More => break,
            };
            used += n;
            self.position += n as u64;
        }
        used
    }
}

/// A little-endian `u16` at `at`, if the bytes reach that far.
pub(super) fn u16_le(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*pair))
}

/// A big-endian `u16` at `at`, if the bytes reach that far.
pub(super) fn u16_be(bytes: &[u8], at: usize) -> Option<u16> {
    u16_le(bytes, at).map(u16::swap_bytes)
}

/// A little-endian `u32` at `at`, if the bytes reach that far.
pub(super) fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*word))
}

/// `bits` bits (at most 9 + 7 of them fit) from bit `offset` on, least significant first, as
/// two's complement; zero beyond the end.
pub(super) fn signed_bits(bytes: &[u8], offset: usize, bits: u32) -> i16 {
    let low = bytes.get(offset / 8).copied().unwrap_or(0);
    let high = bytes.get(offset / 8 + 1).copied().unwrap_or(0);
    let word = u16::from_le_bytes([low, high]) >> (offset % 8);
    let unused = 16 - bits;
    ((word << unused) as i16) >> unused
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records of one length byte and that many bytes, whatever the pushes.
    #[test]
    fn records_survive_any_chunking() {
        let stream = [1u8, 7, 3, 1, 2, 3, 2, 9, 9, 5, 1];
        for size in 1..=stream.len() {
            let mut carry = Carry::default();
            let mut seen = Vec::new();
            for part in stream.chunks(size) {
                carry.push(part, |position, bytes| {
                    let n = 1 + bytes[0] as usize;
                    if bytes.len() < n {
                        return Step::More;
                    }
                    seen.push((position, bytes[1..n].to_vec()));
                    Step::Take(n)
                });
            }
            assert_eq!(seen, [(0, vec![7]), (2, vec![1, 2, 3]), (6, vec![9, 9])]);
            assert_eq!(carry.rest(), (9, &[5u8, 1][..]), "pushes of {size}");
        }
    }

    #[test]
    fn signed_bits_cross_a_byte_boundary() {
        // 10-bit values 1, -1, -512, 511 packed least significant bit first.
        let packed: u64 = 1 | 0x3ff << 10 | 0x200 << 20 | 0x1ff << 30;
        let bytes = packed.to_le_bytes();
        let got: Vec<i16> = (0..4).map(|k| signed_bits(&bytes, 10 * k, 10)).collect();
        assert_eq!(got, [1, -1, -512, 511]);
        assert_eq!(signed_bits(&bytes, 1000, 8), 0);
    }
}
