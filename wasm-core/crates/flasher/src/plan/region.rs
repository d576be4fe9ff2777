//! One region: its bytes cut into pieces, hashed and packed.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use md5::Md5;
use sha2::{Digest, Sha256};

use super::{PIECE, SECTOR};
use crate::command::BLOCK;

/// From so many sectors on, the last block of a partition's file is erased as a whole.
const FILLED_SECTORS: u32 = 8;
/// How hard to pack: 6 of 10, beyond which little is gained.
const LEVEL: u8 = 6;

/// One range of flash and what it shall hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    pub(super) name: String,
    pub(super) offset: u32,
    pub(super) content: Content,
    /// Where the last erased sector ends.
    pub(super) erased_end: u32,
    sha256: [u8; 32],
    md5: [u8; 16],
    /// Of what will lie up to the last erased sector's end, where that is filled.
    proof: [u8; 16],
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Bytes(Vec<u8>),
    /// So many bytes `FF`.
    Blank(u32),
}

/// What is erased, sent and proved at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub offset: u32,
    /// Without padding.
    pub len: u32,
    pub md5: [u8; 16],
    /// The zlib stream of the padded bytes. Empty when that is no shorter than the bytes.
    pub packed: Vec<u8>,
}

impl Piece {
    /// Bytes that will be in flash: whole blocks, as the ROM wants them.
    pub fn padded(&self) -> u32 {
        self.len.next_multiple_of(BLOCK as u32)
    }

    /// Bytes of payload that go over the line.
    pub fn payload(&self) -> u32 {
        if self.packed.is_empty() { self.padded() } else { self.packed.len() as u32 }
    }

    pub fn blocks(&self) -> u32 {
        self.payload().div_ceil(BLOCK as u32)
    }
}

impl Region {
    /// Makes a region that may fill up its last block to `room_end`.
    pub(super) fn new(name: &str, offset: u32, content: Content, room_end: u32) -> Self {
        let mut region = Self {
            name: name.to_owned(),
            offset,
            content,
            erased_end: 0,
            sha256: [0; 32],
            md5: [0; 16],
            proof: [0; 16],
            pieces: Vec::new(),
        };
        let end = region.end();
        region.erased_end = end.next_multiple_of(SECTOR);
        let block = (end / PIECE * PIECE).max(offset);
        let sectors = (region.erased_end - block) / SECTOR;
        if block.is_multiple_of(PIECE) && sectors >= FILLED_SECTORS && block + PIECE <= room_end {
            region.erased_end = block + PIECE;
        }
        let proved_end = if region.is_filled() { region.erased_end } else { end };
        let (mut sha256, mut md5, mut proof) = (Sha256::new(), Md5::new(), Md5::new());
        let mut at = offset;
        while at < proved_end {
            let next = proved_end.min((at / PIECE + 1) * PIECE);
            let bytes = region.bytes(at, next - at);
            let own = &bytes[..(next.min(end) - at) as usize];
            sha256.update(own);
            md5.update(own);
            proof.update(&bytes[..(next - at) as usize]);
            region.pieces.push(piece(at, next - at, &bytes));
            at = next;
        }
        region.sha256 = sha256.finalize().into();
        (region.md5, region.proof) = (md5.finalize().into(), proof.finalize().into());
        region
    }

    /// Whether more is written than the sectors that it needs.
    fn is_filled(&self) -> bool {
        self.erased_end > self.end().next_multiple_of(SECTOR)
    }

    /// Returns what it is called: a partition's name, or what the caller said.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns where it starts, in bytes.
    pub const fn offset(&self) -> u32 {
        self.offset
    }

    /// Returns how many bytes it has.
    pub fn len(&self) -> u32 {
        match &self.content {
            Content::Bytes(bytes) => bytes.len() as u32,
            Content::Blank(len) => *len,
        }
    }

    /// Whether it has no bytes, which no plan takes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it only erases.
    pub const fn is_erased(&self) -> bool {
        matches!(self.content, Content::Blank(_))
    }

    /// Returns the SHA-256 of its bytes; `FF` where it erases.
    pub const fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// Returns the MD5 of its bytes, which the chip will be asked for.
    pub const fn md5(&self) -> [u8; 16] {
        self.md5
    }

    pub(super) fn end(&self) -> u32 {
        self.offset + self.len()
    }

    /// The bytes that the chip proves, and their MD5: its own, and what fills its last block.
    pub(crate) fn proof(&self) -> (u32, [u8; 16]) {
        (self.pieces.iter().map(|piece| piece.len).sum(), self.proof)
    }

    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The bytes at this offset of flash, padded with `FF` to whole blocks.
    pub(crate) fn bytes(&self, offset: u32, len: u32) -> Vec<u8> {
        let start = (offset - self.offset) as usize;
        let mut bytes = match &self.content {
            Content::Bytes(bytes) => bytes[start..bytes.len().min(start + len as usize)].to_vec(),
            Content::Blank(_) => Vec::new(),
        };
        bytes.resize((len as usize).next_multiple_of(BLOCK), 0xFF);
        bytes
    }
}

pub(crate) fn md5(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}

fn piece(offset: u32, len: u32, padded: &[u8]) -> Piece {
    let mut packed = miniz_oxide::deflate::compress_to_vec_zlib(padded, LEVEL);
    if packed.len().div_ceil(BLOCK) >= padded.len() / BLOCK {
        packed = Vec::new();
    }
    Piece { offset, len, md5: md5(&padded[..len as usize]), packed }
}
