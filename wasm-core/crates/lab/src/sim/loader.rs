//! The loader in the chip's ROM, and the stub that tools put in its place.
//!
//! A request is `00`, op u8, length u16 of the data, checksum u32, data; a reply `01`, op, length
//! of all that follows the value, value u32, data, status. Integers are little-endian. The ROM's
//! status has four bytes, 0 or 1, a reason, and two zeros; a stub's has the first two.
//!
//! | op | name         | data                                          | reply                     |
//! |----|--------------|-----------------------------------------------|---------------------------|
//! | 02 | begin        | bytes to erase, blocks, bytes a block, offset | erases here               |
//! | 03 | data         | length, sequence, 0, 0, bytes                 | when it is programmed     |
//! | 04 | end          | 0 starts again, 1 runs what was written       | leaves the loader; a stub stays at 1 |
//! | 05 | memory begin | length, blocks, bytes a block, address        |                           |
//! | 06 | memory end   | 1 stays, 0 runs; address                      | then `OHAI` of the stub   |
//! | 07 | memory data  | as 03                                         |                           |
//! | 08 | sync         | `07 07 12 20`, 32 x `55`                      | eight times               |
//! | 09 | write        | address, value, mask, microseconds; many      |                           |
//! | 0A | read         | address                                       | value                     |
//! | 0B | parameters   | id, bytes of flash, block, sector, page, mask |                           |
//! | 0D | attach       | pins, and whether they are old ones           |                           |
//! | 0E | read flash   | offset, length, at most 64                    | ROM only: 64 bytes        |
//! | 0F | speed        | new, old                                      | at the old speed          |
//! | 10, 11, 12 |      | as 02, 03, 04, the bytes being a zlib stream  |                           |
//! | 13 | MD5          | offset, length, 0, 0                          | 32 hex digits; a stub 16 bytes |
//! | 14 | security     | none                                          | 20 bytes                  |
//! | D0, D1 |          | all, or offset and length                     | stub only: erases         |
//! | D2 | read flash   | offset, length, block, most under way         | stub only: blocks, then MD5 |
//!
//! An unknown op is answered eight times by reason 5. Source: this project's own observation of
//! esptool 5.6.0 and esptool-js 0.7.0, and Espressif's "Serial Protocol" page. It proves
//! conformance to these tools, not to silicon.

use super::faults::What;
use super::flash::{self, Flash, SECTOR};
use super::registers::Registers;
use super::slip::{Unslip, slip};
use super::writing::{Memory, Reading, Writing};

/// Reasons of an error.
pub(crate) mod reason {
    pub const MESSAGE: u8 = 5;
    pub const FAILED: u8 = 6;
    pub const CHECKSUM: u8 = 7;
    pub const FLASH_WRITE: u8 = 8;
    pub const INFLATE: u8 = 0x0B;
}

/// What the ROM takes the flash for until it is told.
const DEFAULT_FLASH: u32 = 4 << 20;
/// Nanoseconds to hash a byte of flash; an assumption.
const HASH_NANOS: u64 = 250;
/// Nanoseconds for anything that has no time of its own; an assumption.
const COMMAND_NANOS: u64 = 100_000;

/// What follows an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum After {
    /// Nothing.
    #[default]
    Nothing,
    /// Another speed.
    Speed(u32),
    /// The chip starts again, with pins as they were seen last: into the loader once more.
    Restart,
    /// The loader ends, and what is in flash is started.
    Run,
}

/// The answer to a command.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// For the line, framed.
    pub bytes: Vec<u8>,
    /// How long it takes.
    pub nanos: u64,
    /// What follows.
    pub after: After,
}

/// A whole request.
#[derive(Clone, Copy)]
struct Request<'a> {
    op: u8,
    checksum: u32,
    data: &'a [u8],
    /// Whether there is as much data as it says.
    is_whole: bool,
}

impl Request<'_> {
    /// Returns a word of its data; 0 where there is none.
    fn word(&self, index: usize) -> u32 {
        let bytes = self.data.get(4 * index..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }

    /// Returns what 03, 07 and 11 carry, once length and checksum are right.
    fn payload(&self) -> Result<&[u8], u8> {
        let payload = self.data.get(16..).ok_or(reason::MESSAGE)?;
        if self.word(0) as usize != payload.len() {
            return Err(reason::MESSAGE);
        }
        let sum = payload.iter().fold(0xEF, |sum, byte| sum ^ byte);
        if u32::from(sum) == self.checksum & 0xFF { Ok(payload) } else { Err(reason::CHECKSUM) }
    }
}

/// What a command gives: value and data, or a reason.
type Outcome = Result<(u32, Vec<u8>), u8>;

/// The chip that the loader works on.
pub(crate) struct Chip<'a> {
    pub flash: &'a mut Flash,
    pub registers: &'a mut Registers,
    pub erase_factor: u32,
    /// Whether the next MD5 shall be wrong.
    pub spoils_md5: &'a mut dyn FnMut() -> bool,
}

/// A loader at work.
#[derive(Debug)]
pub(crate) struct Loader {
    reader: Unslip,
    is_stub: bool,
    is_attached: bool,
    flash_bytes: u32,
    writing: Option<Writing>,
    memory: Option<Memory>,
    reading: Option<Reading>,
}

impl Loader {
    /// Returns the ROM's, as it is after a start.
    pub fn new() -> Self {
        Self {
            reader: Unslip::default(),
            is_stub: false,
            is_attached: false,
            flash_bytes: DEFAULT_FLASH,
            writing: None,
            memory: None,
            reading: None,
        }
    }

    /// Takes a byte; returns the packet that it ends.
    pub fn push(&mut self, byte: u8) -> Option<Vec<u8>> {
        self.reader.push(byte)
    }

    /// Returns the op of a packet that is a request, for the count of commands.
    pub fn op_of(&self, packet: &[u8]) -> Option<u8> {
        if self.reading.is_some() {
            return None;
        }
        request(packet).map(|request| request.op)
    }

    /// Carries a packet out. `fault` is what goes wrong.
    pub fn answer(&mut self, packet: &[u8], fault: Option<What>, chip: &mut Chip<'_>) -> Answer {
        let mut answer = Answer { nanos: COMMAND_NANOS, ..Answer::default() };
        if let Some(reading) = &mut self.reading {
            if reading.acknowledge(packet, chip.flash, &mut answer.bytes) {
                self.reading = None;
            }
            return answer;
        }
        let Some(request) = request(packet) else { return answer };
        let was_stub = self.is_stub;
        let outcome = match fault {
            Some(What::Refuse(reason)) => Err(reason),
            _ if !request.is_whole => Err(reason::MESSAGE),
            _ => self.carry_out(request, chip, &mut answer),
        };
        let times = match (request.op, outcome.as_ref().err()) {
            (8, None) => 8,
            (op, Some(&reason::MESSAGE)) if !self.knows(op) => 8,
            _ => 1,
        };
        let mut reply = Vec::new();
        put_reply(request.op, outcome, was_stub, &mut reply);
        // What follows the reply, such as `OHAI`, is in `answer` already.
        answer.bytes = [reply.repeat(times), std::mem::take(&mut answer.bytes)].concat();
        if matches!(fault, Some(What::Mute | What::Unplug(_))) {
            answer.bytes.clear();
        }
        answer
    }

    fn knows(&self, op: u8) -> bool {
        matches!(op, 2..=0x0B | 0x0D | 0x0F..=0x14)
            || (op == 0x0E) != self.is_stub && op == 0x0E
            || self.is_stub && matches!(op, 0xD0..=0xD2)
    }

    fn carry_out(
        &mut self,
        request: Request<'_>,
        chip: &mut Chip<'_>,
        answer: &mut Answer,
    ) -> Outcome {
        let done = Ok((0, Vec::new()));
        match request.op {
            0x02 | 0x10 => self.begin(request, chip, answer),
            0x03 | 0x11 => self.write(request, chip, answer),
            0x04 | 0x12 => {
                self.writing.take().map_or(Ok(()), Writing::end)?;
                answer.after = match (request.word(0), self.is_stub) {
                    (0, _) => After::Restart,
                    (_, false) => After::Run,
                    (_, true) => After::Nothing,
                };
                done
            }
            0x05 => {
                self.memory = Some(Memory::new(request.word(0), request.word(1), request.word(2))?);
                done
            }
            0x06 => {
                if !self.memory.take().is_none_or(|memory| memory.is_whole()) {
                    return Err(reason::FAILED);
                }
                if request.word(0) == 0 {
                    (self.is_stub, self.is_attached) = (true, true);
                    slip(b"OHAI", &mut answer.bytes);
                }
                done
            }
            0x07 => {
                let payload = request.payload()?;
                let memory = self.memory.as_mut().ok_or(reason::FAILED)?;
                memory.take(payload.len())?;
                done
            }
            0x08 => {
                let pattern = [&[0x07, 0x07, 0x12, 0x20][..], &[0x55; 32]].concat();
                if request.data != pattern {
                    return Err(reason::MESSAGE);
                }
                // A stub says 0, and tools know it by that.
                Ok((if self.is_stub { 0 } else { 0x2012_0707 }, Vec::new()))
            }
            0x09 => self.write_registers(request, chip),
            0x0A if request.data.len() == 4 => {
                Ok((chip.registers.get(request.word(0)), Vec::new()))
            }
            0x0B if request.data.len() == 24 => {
                self.flash_bytes = request.word(1);
                done
            }
            0x0D if matches!(request.data.len(), 4 | 8) => {
                self.is_attached = true;
                done
            }
            0x0E if !self.is_stub => {
                self.check_range(chip.flash, request.word(0), request.word(1))?;
                if request.word(1) > 64 {
                    return Err(reason::FAILED);
                }
                let mut bytes = chip.flash.read(request.word(0), request.word(1));
                bytes.resize(64, 0);
                Ok((0, bytes))
            }
            0x0F if request.data.len() == 8 => {
                if !(300..=5_000_000).contains(&request.word(0)) {
                    return Err(reason::FAILED);
                }
                answer.after = After::Speed(request.word(0));
                done
            }
            0x13 if request.data.len() == 16 => self.md5(request, chip, answer),
            0x14 => {
                // No flags, no keys, chip 9, API 0.
                let mut info = vec![0; 20];
                info[12] = 9;
                Ok((0, info))
            }
            0xD0 if self.is_stub => {
                let bytes = chip.flash.size().bytes();
                answer.nanos += erase(chip, 0, bytes);
                done
            }
            0xD1 if self.is_stub => {
                self.check_range(chip.flash, request.word(0), request.word(1))?;
                if !(request.word(0) | request.word(1)).is_multiple_of(SECTOR) {
                    return Err(reason::FAILED);
                }
                answer.nanos += erase(chip, request.word(0), request.word(1));
                done
            }
            0xD2 if self.is_stub => {
                self.check_range(chip.flash, request.word(0), request.word(1))?;
                let [offset, len, block, most] = [0, 1, 2, 3].map(|index| request.word(index));
                let mut reading = Reading::new(offset, len, block, most).ok_or(reason::FAILED)?;
                reading.send(chip.flash, &mut answer.bytes);
                self.reading = Some(reading);
                done
            }
            _ => Err(reason::MESSAGE),
        }
    }

    fn check_range(&self, flash: &Flash, offset: u32, len: u32) -> Result<(), u8> {
        let is_known = offset.checked_add(len).is_some_and(|end| end <= self.flash_bytes);
        let is_known = is_known || self.is_stub;
        if self.is_attached && is_known && flash.holds(offset, len) {
            Ok(())
        } else {
            Err(reason::FAILED)
        }
    }

    fn begin(&mut self, request: Request<'_>, chip: &mut Chip<'_>, answer: &mut Answer) -> Outcome {
        // A stub may be sent four words, without the fifth that says "encrypted".
        if !matches!(request.data.len(), 16 | 20) || request.word(4) != 0 {
            return Err(reason::MESSAGE);
        }
        let [bytes, blocks, block, offset] = [0, 1, 2, 3].map(|index| request.word(index));
        // With length 0 nothing follows but the end.
        if bytes > 0 {
            self.check_range(chip.flash, offset, bytes)?;
        }
        let most = if self.is_stub { 0x4000 } else { 0x400 };
        if block > most {
            return Err(reason::FAILED);
        }
        if !self.is_stub {
            answer.nanos += erase(chip, offset, bytes);
        }
        let is_packed = request.op == 0x10;
        self.writing = Some(Writing::new(offset, bytes, blocks, block, is_packed, self.is_stub));
        Ok((0, Vec::new()))
    }

    fn write(&mut self, request: Request<'_>, chip: &mut Chip<'_>, answer: &mut Answer) -> Outcome {
        let payload = request.payload()?;
        let writing = self.writing.as_mut().ok_or(reason::FAILED)?;
        if writing.is_packed() != (request.op == 0x11) {
            return Err(reason::FAILED);
        }
        let written = writing.take(payload)?;
        let offset = written.offset;
        if !chip.flash.holds(offset, written.bytes.len() as u32) {
            return Err(reason::FAILED);
        }
        for (start, len) in written.erases {
            answer.nanos += erase(chip, start, len);
        }
        chip.flash.program(offset, &written.bytes);
        answer.nanos += flash::program_micros(written.bytes.len() as u32) * 1000;
        // The ROM reads back what it wrote.
        let is_same = chip.flash.read(offset, written.bytes.len() as u32) == written.bytes;
        if is_same { Ok((0, Vec::new())) } else { Err(reason::FLASH_WRITE) }
    }

    fn write_registers(&mut self, request: Request<'_>, chip: &mut Chip<'_>) -> Outcome {
        if request.data.is_empty() || !request.data.len().is_multiple_of(16) {
            return Err(reason::MESSAGE);
        }
        for index in (0..request.data.len() / 4).step_by(4) {
            let [address, value, mask] = [0, 1, 2].map(|word| request.word(index + word));
            chip.registers.set(address, value, mask);
        }
        Ok((0, Vec::new()))
    }

    fn md5(&mut self, request: Request<'_>, chip: &mut Chip<'_>, answer: &mut Answer) -> Outcome {
        self.check_range(chip.flash, request.word(0), request.word(1))?;
        let mut hash = chip.flash.md5(request.word(0), request.word(1));
        answer.nanos += u64::from(request.word(1)) * HASH_NANOS;
        if (chip.spoils_md5)() {
            hash[0] ^= 1;
        }
        if self.is_stub {
            return Ok((0, hash.to_vec()));
        }
        Ok((0, hash.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()))
    }
}

/// Erases and tells how many nanoseconds it takes.
fn erase(chip: &mut Chip<'_>, offset: u32, len: u32) -> u64 {
    chip.flash.erase(offset, len);
    flash::erase_micros(offset, len) * 1000 * u64::from(chip.erase_factor.max(1))
}

fn request(packet: &[u8]) -> Option<Request<'_>> {
    let (head, data) = packet.split_first_chunk::<8>()?;
    let [0, op, low, high, checksum @ ..] = *head else { return None };
    let is_whole = usize::from(u16::from_le_bytes([low, high])) == data.len();
    Some(Request { op, checksum: u32::from_le_bytes(checksum), data, is_whole })
}

/// Appends a reply; a stub's has a shorter status.
fn put_reply(op: u8, outcome: Outcome, is_stub: bool, out: &mut Vec<u8>) {
    let (status, reason, value, mut data) = match outcome {
        Ok((value, data)) => (0, 0, value, data),
        Err(reason) => (1, reason, 0, Vec::new()),
    };
    data.extend([status, reason]);
    data.resize(data.len() + if is_stub { 0 } else { 2 }, 0);
    let mut reply = vec![1, op];
    reply.extend((data.len() as u16).to_le_bytes());
    reply.extend(value.to_le_bytes());
    reply.extend(data);
    slip(&reply, out);
}
