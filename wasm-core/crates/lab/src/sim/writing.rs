//! What a loader has in hand between two commands: a write, a program for memory, a read.
//!
//! The sequence number of a block is not looked at: a block that is sent twice is written twice,
//! one behind the other. Whether the ROM looks at it is not known; this way a host that relies on
//! it is found out by the MD5.

use md5::{Digest, Md5};
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

use super::flash::{Flash, SECTOR};
use super::loader::reason;
use super::slip::slip;

/// A stub erases so much at once where it can.
const BLOCK: u32 = 65_536;

/// A write under way.
pub(crate) struct Writing {
    /// Where the next byte goes, and where the last one ends.
    at: u32,
    end: u32,
    /// Where erasing was left; `u32::MAX` for the ROM, which erases at the beginning.
    erased: u32,
    blocks: u32,
    block: u32,
    stream: Option<Box<InflateState>>,
}

impl std::fmt::Debug for Writing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Writing({:#x}..{:#x}, {} blocks)", self.at, self.end, self.blocks)
    }
}

/// What a block comes to.
#[derive(Debug)]
pub(crate) struct Written {
    /// What to erase before, as offsets and lengths.
    pub erases: Vec<(u32, u32)>,
    /// Where to program.
    pub offset: u32,
    /// What to program.
    pub bytes: Vec<u8>,
}

impl Writing {
    /// Begins. `len` are bytes of flash; `block` bytes of a block on the line. `erases` says that
    /// erasing is done on the way.
    pub fn new(at: u32, len: u32, blocks: u32, block: u32, is_packed: bool, erases: bool) -> Self {
        let end = at.saturating_add(len);
        let stream = is_packed.then(|| InflateState::new_boxed(DataFormat::Zlib));
        let erased = if erases { at / SECTOR * SECTOR } else { u32::MAX };
        Self { at, end, erased, blocks, block, stream }
    }

    /// Tells whether blocks are pieces of a zlib stream.
    pub const fn is_packed(&self) -> bool {
        self.stream.is_some()
    }

    /// Takes a block.
    ///
    /// # Errors
    ///
    /// The loader's reason: one block too many, too long, or one that does not unpack.
    pub fn take(&mut self, block: &[u8]) -> Result<Written, u8> {
        if block.len() > self.block as usize {
            return Err(reason::MESSAGE);
        }
        self.blocks = self.blocks.checked_sub(1).ok_or(reason::FAILED)?;
        let room = self.end.saturating_sub(self.at) as usize;
        let bytes = match &mut self.stream {
            // The last block is filled up. A stub knows how much of it counts, the ROM does not.
            None if self.erased == u32::MAX => block.to_vec(),
            None => block[..block.len().min(room)].to_vec(),
            Some(stream) => unpack(stream, block, room)?,
        };
        let offset = self.at;
        self.at = offset.checked_add(bytes.len() as u32).ok_or(reason::FAILED)?;
        let mut erases = Vec::new();
        while self.erased < self.at {
            let is_block = self.erased.is_multiple_of(BLOCK) && self.end - self.erased >= BLOCK;
            let len = if is_block { BLOCK } else { SECTOR };
            erases.push((self.erased, len));
            self.erased += len;
        }
        Ok(Written { erases, offset, bytes })
    }

    /// Ends.
    ///
    /// # Errors
    ///
    /// The loader's reason, when blocks are missing.
    pub fn end(self) -> Result<(), u8> {
        if self.blocks == 0 { Ok(()) } else { Err(reason::FAILED) }
    }
}

/// Unpacks a piece of a stream; at most `room` bytes may come out of it.
fn unpack(stream: &mut InflateState, mut block: &[u8], room: usize) -> Result<Vec<u8>, u8> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let step = inflate(stream, block, &mut piece, MZFlush::None);
        bytes.extend_from_slice(&piece[..step.bytes_written]);
        block = &block[step.bytes_consumed..];
        if bytes.len() > room {
            return Err(reason::INFLATE);
        }
        match step.status {
            Ok(MZStatus::Ok) if step.bytes_consumed + step.bytes_written > 0 => {}
            // What follows the stream fills its last block up.
            Ok(_) | Err(MZError::Buf) => return Ok(bytes),
            Err(_) => return Err(reason::INFLATE),
        }
    }
}

/// A program on its way to memory. Its bytes are counted, not kept: nothing here could run them.
#[derive(Debug)]
pub(crate) struct Memory {
    bytes: u32,
    blocks: u32,
    block: u32,
}

impl Memory {
    /// Begins.
    ///
    /// # Errors
    ///
    /// The loader's reason, when it is more than there is memory, or blocks too large to take.
    pub fn new(bytes: u32, blocks: u32, block: u32) -> Result<Self, u8> {
        let fits = bytes <= 512 * 1024 && block <= 0x1800 && bytes <= blocks.saturating_mul(block);
        if fits { Ok(Self { bytes, blocks, block }) } else { Err(reason::FAILED) }
    }

    /// Takes a block.
    ///
    /// # Errors
    ///
    /// The loader's reason.
    pub fn take(&mut self, len: usize) -> Result<(), u8> {
        if len > self.block as usize {
            return Err(reason::MESSAGE);
        }
        self.blocks = self.blocks.checked_sub(1).ok_or(reason::FAILED)?;
        self.bytes = self.bytes.saturating_sub(len as u32);
        Ok(())
    }

    /// Tells whether all of it came.
    pub const fn is_whole(&self) -> bool {
        self.bytes == 0
    }
}

/// A stub that reads flash out loud.
#[derive(Debug)]
pub(crate) struct Reading {
    start: u32,
    len: u32,
    block: u32,
    most: u32,
    sent: u32,
    hash: Md5,
}

impl Reading {
    /// Begins; `None` for blocks that are none.
    pub fn new(start: u32, len: u32, block: u32, most: u32) -> Option<Self> {
        let is_sound = (1..=0x4000).contains(&block) && most > 0;
        is_sound.then(|| Self { start, len, block, most, sent: 0, hash: Md5::new() })
    }

    /// Sends as many blocks as may be under way at the beginning.
    pub fn send(&mut self, flash: &Flash, out: &mut Vec<u8>) {
        self.send_up_to(self.most.saturating_mul(self.block), flash, out);
    }

    /// Takes what the host says it has, and goes on. Returns whether that was all.
    pub fn acknowledge(&mut self, packet: &[u8], flash: &Flash, out: &mut Vec<u8>) -> bool {
        let Some(got) = packet.try_into().ok().map(u32::from_le_bytes) else {
            return true; // not what a host says here: a stub gives up
        };
        if got >= self.len {
            slip(&self.hash.clone().finalize(), out);
            return true;
        }
        self.send_up_to(got.saturating_add(self.most.saturating_mul(self.block)), flash, out);
        false
    }

    fn send_up_to(&mut self, end: u32, flash: &Flash, out: &mut Vec<u8>) {
        while self.sent < self.len && self.sent < end {
            let len = self.block.min(self.len - self.sent);
            let bytes = flash.read(self.start + self.sent, len);
            self.hash.update(&bytes);
            slip(&bytes, out);
            self.sent += len;
        }
    }
}
