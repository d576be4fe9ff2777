//! What a node says.

use super::fields::{Fields, Numbers, put, put_numbers, put_text};
use super::frame::put_frame;
use super::{ProtocolError, kind};
use crate::Stats;
use alloc::vec::Vec;

/// Who is there, and what it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Greeting<'a> {
    /// The protocol's version, [`super::VERSION`].
    pub protocol: u16,
    /// The node's number in its packets.
    pub node: u8,
    /// Why it started, in the board's own numbers; 0 = not known.
    pub reset_cause: u8,
    /// Which board: 0 not known, 1 ESP32-S3, 2 QEMU, 3 simulated.
    pub board: u8,
    /// Whether it has weights.
    pub has_weights: bool,
    /// Whether they classify row by row instead of window by window.
    pub is_streaming: bool,
    /// Whether they tell how CSI becomes features, so that the node takes CSI.
    pub takes_csi: bool,
    /// Numbers in a row; 0 without weights, as all that follows up to `blob_crc`.
    pub feature_dim: u16,
    /// Classes.
    pub classes: u16,
    /// Rows that a classification looks at.
    pub window_rows: u16,
    /// Rows from one classification to the next.
    pub period_rows: u16,
    /// Rows there are.
    pub rows: u16,
    /// Rows a second that the weights were trained at; 0 = not stated.
    pub rate_hz: f32,
    /// The CRC that closes the blob.
    pub blob_crc: u32,
    /// The first eight bytes of the image's SHA-256; zeros = not known.
    pub image_hash: [u8; 8],
    /// The node's version.
    pub version: &'a str,
    /// The model's name; of a longer one the first 255 bytes.
    pub model: &'a str,
}

/// All logits of a classification.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Logits<'a> {
    /// The sequence of the packet that came with it.
    pub sequence: u32,
    /// Time of the newest row, in the sender's clock.
    pub time_micros: i64,
    /// Rows that were looked at; 0 = all since the stream began.
    pub rows: u16,
    /// How many of them were interpolated across a gap of more than two periods of the trained
    /// rate.
    pub held: u16,
    /// One number a class.
    pub logits: Numbers<'a>,
}

/// A part of the self-test's table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bits<'a> {
    /// Which row comes first here.
    pub first: u16,
    /// Rows in the whole table.
    pub total: u16,
    rows: &'a [u8],
}

/// What a node says.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reply<'a> {
    /// Who is there.
    Greeting(Greeting<'a>),
    /// A wire packet, `0xC511_0007`.
    Packet(&'a [u8]),
    /// All logits of the classification before.
    Logits(Logits<'a>),
    /// A request was done: its kind u8, value u32.
    Done {
        /// The request's kind.
        request: u8,
        /// For `ROW` its sequence, for `WEIGHTS_BEGIN` and `WEIGHTS_CHUNK` the offset that is
        /// wanted next, for `WEIGHTS_END` the blob's CRC, else 0.
        value: u32,
    },
    /// A request was refused: its kind u8 (0 = a damaged frame), then the error's code as a text.
    Error {
        /// The request's kind.
        request: u8,
        /// The code.
        code: &'a str,
    },
    /// The counters.
    Counters(Stats),
    /// A part of the self-test's table.
    Bits(Bits<'a>),
}

impl<'a> Reply<'a> {
    /// Returns the kind of its frame.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Greeting(_) => kind::GREETING,
            Self::Packet(_) => kind::PACKET,
            Self::Logits(_) => kind::LOGITS,
            Self::Done { .. } => kind::DONE,
            Self::Error { .. } => kind::ERROR,
            Self::Counters(_) => kind::COUNTERS,
            Self::Bits(_) => kind::BITS,
        }
    }

    /// Reads a frame.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::Kind`] for a kind that is no reply; [`ProtocolError::Payload`].
    pub fn read(kind: u8, payload: &'a [u8]) -> Result<Self, ProtocolError> {
        let mut fields = Fields::new(kind, payload);
        let reply = match kind {
            kind::GREETING => Self::Greeting(Greeting::read(&mut fields)?),
            kind::PACKET => Self::Packet(fields.rest()),
            kind::LOGITS => Self::Logits(Logits {
                sequence: fields.u32()?,
                time_micros: fields.u64()?.cast_signed(),
                rows: fields.u16()?,
                held: fields.u16()?,
                logits: fields.floats()?,
            }),
            kind::DONE => Self::Done { request: fields.u8()?, value: fields.u32()? },
            kind::ERROR => Self::Error { request: fields.u8()?, code: fields.text()? },
            kind::COUNTERS => Self::Counters(Stats::from_bytes(fields.rest())),
            kind::BITS => {
                let (first, total) = (fields.u16()?, fields.u16()?);
                let rows = fields.rest();
                let misfit = fields.misfit();
                let mut rest = Fields::new(kind, rows);
                while rest.end().is_err() {
                    bits_row(&mut rest).map_err(|_| misfit)?;
                }
                Self::Bits(Bits { first, total, rows })
            }
            kind => return Err(ProtocolError::Kind { kind }),
        };
        fields.end().map(|()| reply)
    }

    /// Appends its frame.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::TooLong`]; `out` is unchanged.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        put_frame(out, self.kind(), &mut |out| match self {
            Self::Greeting(greeting) => greeting.write(out),
            Self::Packet(packet) => out.extend_from_slice(packet),
            Self::Logits(Logits { sequence, time_micros, rows, held, logits }) => {
                put!(out, sequence, time_micros, rows, held);
                put_numbers(out, *logits);
            }
            Self::Done { request, value } => put!(out, request, value),
            Self::Error { request, code } => {
                put!(out, request);
                put_text(out, code);
            }
            Self::Counters(stats) => stats.write(out),
            Self::Bits(bits) => {
                put!(out, bits.first, bits.total);
                out.extend_from_slice(bits.rows);
            }
        })
    }
}

impl<'a> Greeting<'a> {
    fn read(fields: &mut Fields<'a>) -> Result<Self, ProtocolError> {
        let mut greeting = Self {
            protocol: fields.u16()?,
            node: fields.u8()?,
            reset_cause: fields.u8()?,
            board: fields.u8()?,
            ..Self::default()
        };
        let flags = fields.u8()?;
        greeting.has_weights = flags & 1 != 0;
        greeting.is_streaming = flags & 2 != 0;
        greeting.takes_csi = flags & 4 != 0;
        greeting.feature_dim = fields.u16()?;
        greeting.classes = fields.u16()?;
        greeting.window_rows = fields.u16()?;
        greeting.period_rows = fields.u16()?;
        greeting.rows = fields.u16()?;
        greeting.rate_hz = f32::from_bits(fields.u32()?);
        greeting.blob_crc = fields.u32()?;
        greeting.image_hash = fields.array()?;
        greeting.version = fields.text()?;
        greeting.model = fields.text()?;
        Ok(greeting)
    }

    fn write(&self, out: &mut Vec<u8>) {
        let flags = u8::from(self.has_weights)
            | u8::from(self.is_streaming) << 1
            | u8::from(self.takes_csi) << 2;
        put!(out, self.protocol, self.node, self.reset_cause, self.board, flags);
        put!(out, self.feature_dim, self.classes, self.window_rows, self.period_rows, self.rows);
        put!(out, self.rate_hz, self.blob_crc);
        out.extend_from_slice(&self.image_hash);
        put_text(out, self.version);
        put_text(out, self.model);
    }
}

impl<'a> Bits<'a> {
    /// Walks over the rows: names and hashes.
    pub fn rows(&self) -> impl Iterator<Item = (&'a str, u64)> {
        let mut fields = Fields::new(kind::BITS, self.rows);
        core::iter::from_fn(move || bits_row(&mut fields).ok())
    }
}

/// A row: name as a text, hash u64.
fn bits_row<'a>(fields: &mut Fields<'a>) -> Result<(&'a str, u64), ProtocolError> {
    Ok((fields.text()?, fields.u64()?))
}

/// Bytes of rows that one frame takes, so that a node needs no room for a whole table.
const BITS_BYTES: usize = 1024;

/// Hands a table to `send`, in as many replies as it takes.
pub fn write_bits(table: &[(&str, u64)], send: &mut dyn FnMut(Reply<'_>)) {
    let total = table.len() as u16;
    let mut rows = Vec::with_capacity(BITS_BYTES);
    let mut first = 0;
    for (index, (name, hash)) in table.iter().enumerate() {
        put_text(&mut rows, name);
        put!(rows, hash);
        let is_last = index + 1 == table.len();
        // Room for one more row with the longest name is not needed: names are short.
        if is_last || rows.len() + 64 > BITS_BYTES {
            send(Reply::Bits(Bits { first, total, rows: &rows }));
            rows.clear();
            first = index as u16 + 1;
        }
    }
}
