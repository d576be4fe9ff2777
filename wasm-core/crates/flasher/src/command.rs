//! The ROM loader's commands and replies.
//!
//! Integers are little-endian. A request is `00`, op u8, length of the data u16, checksum u32,
//! data. The checksum is that of the payload of a data block, zero for all others. A reply is
//! `01`, op u8, length u16, value u32, payload, status: 4 bytes, of which the first says whether
//! the command failed and the second why.
//!
//! | op | request's data | reply |
//! |---|---|---|
//! | 02 begin, 10 begin packed | erased bytes, blocks, block size, offset, 0 (encrypted) | status |
//! | 03 data, 11 packed data | length, number of the block, 0, 0, payload | status |
//! | 08 sync | `07 07 12 20`, 32 x `55` | eight replies, value not 0 |
//! | 09 write register | address, value, mask, delay in microseconds | status |
//! | 0A read register | address | value |
//! | 0B flash parameters | 0, size, 64 K block, 4 K sector, 256 page, `FFFF` | status |
//! | 0D attach flash | 0, 0 | status |
//! | 0E read flash | offset, length up to 64 | 64 bytes |
//! | 0F change baud | new, 0 | status, at the old speed |
//! | 13 MD5 of flash | offset, length, 0, 0 | 32 hexadecimal digits |
//! | 14 security info | none | flags u32, crypt count u8, 7 key purposes, chip u32, api u32 |
//!
//! Requests of other ops than data carry no checksum that the ROM looks at, and replies none at
//! all: what a bit error does there must be noticed by asking twice.

use alloc::vec::Vec;

/// Bytes of a data block, packed or not. The ROM takes no others.
pub const BLOCK: usize = 0x400;

/// The most bytes that one [`Command::ReadFlash`] may ask for.
pub const READ_CHUNK: u32 = 64;

/// What the checksum of data starts from.
const CHECKSUM_SEED: u8 = 0xEF;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Asks for a sign of life, at the speed that the ROM learns from it.
    Sync,
    /// Asks what is fused.
    SecurityInfo,
    /// Reads 32 bits at this address.
    ReadReg(u32),
    /// Writes 32 bits.
    WriteReg {
        /// Where.
        address: u32,
        /// What.
        value: u32,
        /// Which bits of it; the others stay.
        mask: u32,
    },
    /// Connects the flash to its controller, with the pins that the fuses name.
    SpiAttach,
    /// Says how large the flash is, in bytes.
    SpiSetParams(u32),
    /// Erases a range and expects data.
    Begin {
        /// Whether the data will be a zlib stream.
        packed: bool,
        /// Bytes that will be in flash, a multiple of [`BLOCK`].
        size: u32,
        /// Blocks that will be sent.
        blocks: u32,
        /// Where in flash.
        offset: u32,
    },
    /// One block.
    Data {
        /// Whether it is a piece of a zlib stream.
        packed: bool,
        /// Which block of this range, from 0.
        sequence: u32,
        /// At most [`BLOCK`] bytes; exactly so many when not packed.
        payload: &'a [u8],
    },
    /// Reads flash, slowly.
    ReadFlash {
        /// Where.
        offset: u32,
        /// Bytes, at most [`READ_CHUNK`].
        len: u32,
    },
    /// Asks for the MD5 of a range of flash.
    Md5 {
        /// Where.
        offset: u32,
        /// Bytes.
        len: u32,
    },
    /// Changes the speed after the reply, in bits a second.
    ChangeBaud(u32),
}

impl Command<'_> {
    /// Returns the op.
    pub const fn op(&self) -> u8 {
        match self {
            Self::Begin { packed: false, .. } => 0x02,
            Self::Data { packed: false, .. } => 0x03,
            Self::Sync => 0x08,
            Self::WriteReg { .. } => 0x09,
            Self::ReadReg(_) => 0x0A,
            Self::SpiSetParams(_) => 0x0B,
            Self::SpiAttach => 0x0D,
            Self::ReadFlash { .. } => 0x0E,
            Self::ChangeBaud(_) => 0x0F,
            Self::Begin { packed: true, .. } => 0x10,
            Self::Data { packed: true, .. } => 0x11,
            Self::Md5 { .. } => 0x13,
            Self::SecurityInfo => 0x14,
        }
    }

    /// Returns the request, not yet framed.
    pub fn encode(&self) -> Vec<u8> {
        let (checksum, words, tail): (u32, &[u32], &[u8]) = match self {
            Self::Sync => (0, &[0x2012_0707], &[0x55; 32]),
            Self::SecurityInfo => (0, &[], &[]),
            Self::ReadReg(address) => (0, &[*address], &[]),
            Self::WriteReg { address, value, mask } => (0, &[*address, *value, *mask, 0], &[]),
            Self::SpiAttach => (0, &[0, 0], &[]),
            Self::SpiSetParams(size) => (0, &[0, *size, 0x1_0000, 0x1000, 0x100, 0xFFFF], &[]),
            Self::Begin { size, blocks, offset, .. } => {
                (0, &[*size, *blocks, BLOCK as u32, *offset, 0], &[])
            }
            Self::Data { sequence, payload, .. } => {
                let sum = checksum(payload);
                (u32::from(sum), &[payload.len() as u32, *sequence, 0, 0], payload)
            }
            Self::ReadFlash { offset, len } => (0, &[*offset, *len], &[]),
            Self::Md5 { offset, len } => (0, &[*offset, *len, 0, 0], &[]),
            Self::ChangeBaud(baud) => (0, &[*baud, 0], &[]),
        };
        let len = 4 * words.len() + tail.len();
        let mut request = Vec::with_capacity(8 + len);
        request.extend([0x00, self.op()]);
        request.extend((len as u16).to_le_bytes());
        request.extend(checksum.to_le_bytes());
        words.iter().for_each(|word| request.extend(word.to_le_bytes()));
        request.extend(tail);
        request
    }
}

/// Returns the checksum of a block: every byte exclusive-ored, from `EF`.
pub fn checksum(payload: &[u8]) -> u8 {
    payload.iter().fold(CHECKSUM_SEED, |sum, byte| sum ^ byte)
}

/// One reply, borrowed from its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// The op that it answers.
    pub op: u8,
    /// The value, of register reads.
    pub value: u32,
    /// What lies before the status.
    pub payload: &'a [u8],
    /// Why the command failed, if it did: `05` bad message, `06` failed, `07` wrong checksum,
    /// `08` cannot write, `09` cannot read, `0A` cannot read so much, `0B` bad zlib stream.
    pub refused: Option<u8>,
}

impl<'a> Reply<'a> {
    /// Reads a frame. `None` when it is no reply of a ROM: another direction, a length that does
    /// not fit, or no status. Frames of other length than their own say are noise.
    pub fn parse(frame: &'a [u8]) -> Option<Self> {
        let (&[direction, op, len_low, len_high, v0, v1, v2, v3], data) =
            frame.split_first_chunk::<8>()?;
        let fits = usize::from(u16::from_le_bytes([len_low, len_high])) == data.len();
        if direction != 1 || !fits {
            return None;
        }
        let (payload, status) = data.split_last_chunk::<4>()?;
        let value = u32::from_le_bytes([v0, v1, v2, v3]);
        let refused = (status[0] != 0).then_some(status[1]);
        Some(Self { op, value, payload, refused })
    }

    /// Reads the MD5 that 32 hexadecimal digits spell.
    pub fn md5(&self) -> Option<[u8; 16]> {
        let digits: &[u8; 32] = self.payload.try_into().ok()?;
        let mut digest = [0; 16];
        for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |c: u8| char::from(c).to_digit(16);
            *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
        }
        Some(digest)
    }
}
