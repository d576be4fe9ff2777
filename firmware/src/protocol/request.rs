//! What a node is asked.

use super::fields::{Fields, Numbers, put, put_numbers};
use super::frame::put_frame;
use super::{ProtocolError, kind};
use alloc::vec::Vec;

/// Settings that can change while a node runs.
///
/// | bytes  | field | type | meaning |
/// |--------|-------|------|---------|
/// | `0`    | node  | u8   | number in the packets |
/// | `1`    | flags | u8   | bit 0: send logits; 1: acknowledge rows; 2: rows as they come, not resampled; 3: hold while the input is slow |
/// | `2..4` | period | u16 | rows from one classification to the next; 0 = the node's own choice |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The node's number in its packets.
    pub node: u8,
    /// Whether every classification is followed by all its logits.
    pub send_logits: bool,
    /// Whether every row and every CSI frame is answered once it is taken.
    pub acknowledge: bool,
    /// Whether rows enter the window as they come, instead of resampled to the blob's rate.
    pub rows_as_they_come: bool,
    /// Whether nothing is classified while the input is slower than half the blob's rate.
    pub hold_when_slow: bool,
    /// Rows from one classification to the next; 0 leaves it to the node: a second of rows where
    /// the blob states its rate, else half a window.
    pub period_rows: u16,
}

/// What a node is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Request<'a> {
    /// Asks for a greeting. No payload.
    Hello,
    /// Changes settings: [`Settings`].
    Configure(Settings),
    /// A feature row: sequence u32, time i64, then the numbers.
    Row {
        /// Counts the sender's rows, from 0. The node counts gaps as lost.
        sequence: u32,
        /// The row's time in microseconds of any fixed clock.
        time_micros: i64,
        /// The features.
        values: Numbers<'a>,
    },
    /// A wire packet with CSI or a feature state: time i64, then the packet.
    Csi {
        /// When it was received, in microseconds of any fixed clock.
        time_micros: i64,
        /// Packet `0xC511_0001` or `0xC511_0006`.
        packet: &'a [u8],
    },
    /// Asks for a classification now. No payload.
    Classify,
    /// Announces weights: len u32, CRC u32.
    WeightsBegin {
        /// Bytes of the blob.
        len: u32,
        /// CRC-32 of all of them.
        crc: u32,
    },
    /// A piece of the weights: offset u32, then the bytes.
    WeightsChunk {
        /// Where it belongs.
        offset: u32,
        /// The piece.
        bytes: &'a [u8],
    },
    /// The weights are complete and are to be used. No payload.
    WeightsEnd,
    /// Asks for the counters. No payload.
    Stats,
    /// Asks for the self-test's table. No payload.
    SelfTest,
    /// u8: 0 forgets the rows, 1 restarts the node.
    Reset {
        /// Whether the node restarts.
        restart: bool,
    },
}

impl<'a> Request<'a> {
    /// Returns the kind of its frame.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Hello => kind::HELLO,
            Self::Configure(_) => kind::CONFIGURE,
            Self::Row { .. } => kind::ROW,
            Self::Csi { .. } => kind::CSI,
            Self::Classify => kind::CLASSIFY,
            Self::WeightsBegin { .. } => kind::WEIGHTS_BEGIN,
            Self::WeightsChunk { .. } => kind::WEIGHTS_CHUNK,
            Self::WeightsEnd => kind::WEIGHTS_END,
            Self::Stats => kind::STATS,
            Self::SelfTest => kind::SELF_TEST,
            Self::Reset { .. } => kind::RESET,
        }
    }

    /// Reads a frame.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::Kind`] for a kind that is no request; [`ProtocolError::Payload`].
    pub fn read(kind: u8, payload: &'a [u8]) -> Result<Self, ProtocolError> {
        let mut fields = Fields::new(kind, payload);
        let request = match kind {
            kind::HELLO => Self::Hello,
            kind::CONFIGURE => Self::Configure(Settings::read(&mut fields)?),
            kind::ROW => Self::Row {
                sequence: fields.u32()?,
                time_micros: fields.u64()?.cast_signed(),
                values: fields.floats()?,
            },
            kind::CSI => {
                Self::Csi { time_micros: fields.u64()?.cast_signed(), packet: fields.rest() }
            }
            kind::CLASSIFY => Self::Classify,
            kind::WEIGHTS_BEGIN => Self::WeightsBegin { len: fields.u32()?, crc: fields.u32()? },
            kind::WEIGHTS_CHUNK => {
                Self::WeightsChunk { offset: fields.u32()?, bytes: fields.rest() }
            }
            kind::WEIGHTS_END => Self::WeightsEnd,
            kind::STATS => Self::Stats,
            kind::SELF_TEST => Self::SelfTest,
            kind::RESET => match fields.u8()? {
                0 => Self::Reset { restart: false },
                1 => Self::Reset { restart: true },
                _ => return Err(fields.misfit()),
            },
            kind => return Err(ProtocolError::Kind { kind }),
        };
        fields.end().map(|()| request)
    }

    /// Appends its frame.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::TooLong`]; `out` is unchanged.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        put_frame(out, self.kind(), &mut |out| match *self {
            Self::Configure(settings) => settings.write(out),
            Self::Row { sequence, time_micros, values } => {
                put!(out, sequence, time_micros);
                put_numbers(out, values);
            }
            Self::Csi { time_micros, packet } => {
                put!(out, time_micros);
                out.extend_from_slice(packet);
            }
            Self::WeightsBegin { len, crc } => put!(out, len, crc),
            Self::WeightsChunk { offset, bytes } => {
                put!(out, offset);
                out.extend_from_slice(bytes);
            }
            Self::Reset { restart } => out.push(u8::from(restart)),
            Self::Hello | Self::Classify | Self::WeightsEnd | Self::Stats | Self::SelfTest => {}
        })
    }
}

impl Settings {
    fn read(fields: &mut Fields<'_>) -> Result<Self, ProtocolError> {
        let (node, flags, period_rows) = (fields.u8()?, fields.u8()?, fields.u16()?);
        if flags & !0x0F != 0 {
            return Err(fields.misfit());
        }
        let on = |bit: u8| flags >> bit & 1 == 1;
        Ok(Self {
            node,
            send_logits: on(0),
            acknowledge: on(1),
            rows_as_they_come: on(2),
            hold_when_slow: on(3),
            period_rows,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let flags =
            [self.send_logits, self.acknowledge, self.rows_as_they_come, self.hold_when_slow];
        let flags = flags.iter().rev().fold(0_u8, |byte, &flag| byte << 1 | u8::from(flag));
        put!(out, self.node, flags, self.period_rows);
    }
}
