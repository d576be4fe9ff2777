//! CSI as the driver gave it, and its compressed form.

use alloc::vec::Vec;

use super::wire::{Fields, put};
use super::{Field, PacketError, magic};
use crate::frame::{CsiFrame, CsiValues};

/// The most antennas that raw CSI may claim.
pub const MAX_ANTENNAS: u8 = 4;
/// The most pairs an antenna that raw CSI may claim.
pub const MAX_PAIRS: u16 = 512;
const MAX_BUFFER_LEN: u16 = 2 * MAX_ANTENNAS as u16 * MAX_PAIRS;

/// `0xC511_0001`, 20 + 2·A·N bytes: one frame of CSI.
///
/// `04` node, `05` antennas A, `06` pairs N u16, `08` frequency u32, `0C` sequence u32, `10` RSSI
/// i8, `11` noise floor i8, `12` reserved u16, `14` pairs i8. It has no time: the receiver's
/// clock stands in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawCsi {
    /// Sender.
    pub node: u8,
    /// Antennas, 1 to [`MAX_ANTENNAS`]; nodes send 1.
    pub antennas: u8,
    /// Centre frequency in MHz, 0 = unknown.
    pub frequency_mhz: u32,
    /// Counts a node's frames, from 0.
    pub sequence: u32,
    /// Signal strength in dBm.
    pub rssi_dbm: i8,
    /// Noise floor in dBm.
    pub noise_floor_dbm: i8,
    /// Pairs `imag, real`, of every antenna and training field one after another.
    pub values: Vec<i8>,
}

impl RawCsi {
    const HEADER_LEN: usize = 20;

    /// Returns the frame, stamped with the time of its arrival.
    pub fn frame(&self, time_micros: i64) -> CsiFrame<'_> {
        let values = CsiValues::Iq8(&self.values);
        CsiFrame { time_micros, values, rssi_dbm: Some(self.rssi_dbm) }
    }

    /// Returns the pairs that each antenna has.
    pub fn pairs_per_antenna(&self) -> usize {
        (self.values.len() / 2).checked_div(usize::from(self.antennas)).unwrap_or(0)
    }

    /// Reads a datagram that is such a packet, in place of what this one held, and in its memory.
    ///
    /// # Errors
    ///
    /// [`PacketError::Magic`], [`PacketError::Incomplete`], [`PacketError::Field`],
    /// [`PacketError::Length`]; the packet is then unchanged.
    pub fn decode_into(&mut self, bytes: &[u8]) -> Result<(), PacketError> {
        let Some(head) = bytes.first_chunk::<4>() else {
            return Err(PacketError::Incomplete { needed: 4, got: bytes.len() });
        };
        let got = u32::from_le_bytes(*head);
        if got != magic::RAW_CSI {
            return Err(PacketError::Magic { got });
        }
        let expected = Self::len_of(bytes)?;
        if expected != bytes.len() {
            return Err(PacketError::Length { expected, got: bytes.len() });
        }
        self.replace(bytes, expected)
    }

    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), PacketError> {
        let len = Self::len_of(bytes)?;
        let mut packet = Self::default();
        packet.replace(bytes, len)?;
        Ok((packet, len))
    }

    /// Bytes of the packet at the start of `bytes`, all of which are there.
    fn len_of(bytes: &[u8]) -> Result<usize, PacketError> {
        let mut fields = Fields::of_packet(bytes, Self::HEADER_LEN)?;
        let (_, antennas, pairs) = (fields.u8(), fields.u8(), fields.u16());
        check(Field::Antennas, u32::from(antennas), 1..=u32::from(MAX_ANTENNAS))?;
        check(Field::Pairs, u32::from(pairs), 1..=u32::from(MAX_PAIRS))?;
        let len = Self::HEADER_LEN + 2 * usize::from(antennas) * usize::from(pairs);
        Fields::of_packet(bytes, len).map(|_| len)
    }

    fn replace(&mut self, bytes: &[u8], len: usize) -> Result<(), PacketError> {
        let mut fields = Fields::of_packet(bytes, len)?;
        (self.node, self.antennas) = (fields.u8(), fields.u8());
        fields.skip::<2>();
        (self.frequency_mhz, self.sequence) = (fields.u32(), fields.u32());
        (self.rssi_dbm, self.noise_floor_dbm) = (fields.i8(), fields.i8());
        fields.skip::<2>();
        let values = fields.bytes(len - Self::HEADER_LEN);
        self.values.clear();
        self.values.extend(values.iter().map(|byte| byte.cast_signed()));
        Ok(())
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), PacketError> {
        check(Field::Antennas, u32::from(self.antennas), 1..=u32::from(MAX_ANTENNAS))?;
        let pairs = self.pairs_per_antenna();
        let wrong = PacketError::Field { field: Field::Pairs, value: pairs as u32 };
        if pairs * 2 * usize::from(self.antennas) != self.values.len() {
            return Err(wrong);
        }
        let pairs =
            u16::try_from(pairs).ok().filter(|n| (1..=MAX_PAIRS).contains(n)).ok_or(wrong)?;
        put!(out, self.node, self.antennas, pairs, self.frequency_mhz, self.sequence);
        put!(out, self.rssi_dbm, self.noise_floor_dbm, 0_u16);
        out.extend(self.values.iter().map(|value| value.cast_unsigned()));
        Ok(())
    }
}

/// `0xC511_0005`, 10 + C bytes: a buffer as its difference from the one before.
///
/// `04` node, `05` channel, `06` original length L u16, `08` C u16, `0A` C bytes of `value, run`
/// with runs of 1 to 255. The runs expand to L bytes; XORed with the buffer that this node's
/// signal processing saw before, usually its last raw frame, they give the buffer.
///
/// There is no sequence number, so one lost datagram makes the result wrong without a trace. Who
/// expands it should do so only after a raw frame of the same node and length, mark the result
/// as unverified, and not build further ones on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompressedCsi {
    /// Sender.
    pub node: u8,
    /// Wi-Fi channel.
    pub channel: u8,
    /// Bytes before compression, L.
    pub original_len: u16,
    /// Pairs of value and run length.
    pub runs: Vec<u8>,
}

impl CompressedCsi {
    const HEADER_LEN: usize = 10;

    /// Compresses `current` against `previous`; `None` if their lengths differ or exceed
    /// 4096, or if the result would not be shorter, in which case nodes send nothing.
    pub fn compress(node: u8, channel: u8, previous: &[u8], current: &[u8]) -> Option<Self> {
        let original_len =
            u16::try_from(current.len()).ok().filter(|&len| len <= MAX_BUFFER_LEN)?;
        if previous.len() != current.len() {
            return None;
        }
        let mut runs: Vec<u8> = Vec::new();
        for difference in current.iter().zip(previous).map(|(now, then)| now ^ then) {
            match runs.last_chunk_mut::<2>() {
                Some([value, run]) if *value == difference && *run < u8::MAX => *run += 1,
                _ => runs.extend_from_slice(&[difference, 1]),
            }
        }
        (runs.len() < current.len()).then_some(Self { node, channel, original_len, runs })
    }

    /// Gives back the buffer, bytes as from the driver, out of the one before.
    ///
    /// # Errors
    ///
    /// [`PacketError::PreviousLength`]; [`PacketError::Runs`] if a packet made by hand does not
    /// add up.
    pub fn expand(&self, previous: &[u8]) -> Result<Vec<u8>, PacketError> {
        let expected = usize::from(self.original_len);
        if previous.len() != expected {
            return Err(PacketError::PreviousLength { expected, got: previous.len() });
        }
        self.check_runs()?;
        let run = |pair: &[u8]| core::iter::repeat_n(pair[0], usize::from(pair[1]));
        let differences = self.runs.chunks_exact(2).flat_map(run);
        Ok(previous.iter().zip(differences).map(|(then, difference)| then ^ difference).collect())
    }

    fn check_runs(&self) -> Result<(), PacketError> {
        let expected = usize::from(self.original_len);
        let got = self.runs.chunks_exact(2).map(|pair| usize::from(pair[1])).sum();
        let is_sound =
            self.runs.len().is_multiple_of(2) && self.runs.chunks_exact(2).all(|pair| pair[1] > 0);
        match is_sound && got == expected {
            true => Ok(()),
            false => Err(PacketError::Runs { expected, got }),
        }
    }

    fn check_lengths(original_len: u16, runs_len: u32) -> Result<(), PacketError> {
        let original = u32::from(original_len);
        check(Field::OriginalLength, original, 1..=u32::from(MAX_BUFFER_LEN))?;
        let field = Field::CompressedLength;
        match runs_len > 0 && runs_len.is_multiple_of(2) && runs_len < original {
            true => Ok(()),
            false => Err(PacketError::Field { field, value: runs_len }),
        }
    }

    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), PacketError> {
        let mut fields = Fields::of_packet(bytes, Self::HEADER_LEN)?;
        let (node, channel) = (fields.u8(), fields.u8());
        let (original_len, runs_len) = (fields.u16(), fields.u16());
        Self::check_lengths(original_len, u32::from(runs_len))?;
        let len = Self::HEADER_LEN + usize::from(runs_len);
        let mut fields = Fields::of_packet(bytes, len)?;
        fields.skip::<6>();
        let runs = fields.bytes(usize::from(runs_len)).to_vec();
        let packet = Self { node, channel, original_len, runs };
        packet.check_runs()?;
        Ok((packet, len))
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), PacketError> {
        Self::check_lengths(self.original_len, self.runs.len() as u32)?;
        self.check_runs()?;
        put!(out, self.node, self.channel, self.original_len, self.runs.len() as u16);
        out.extend_from_slice(&self.runs);
        Ok(())
    }
}

fn check(
    field: Field,
    value: u32,
    range: core::ops::RangeInclusive<u32>,
) -> Result<(), PacketError> {
    match range.contains(&value) {
        true => Ok(()),
        false => Err(PacketError::Field { field, value }),
    }
}
