//! Recordings: bytes of a file in, streams of CSI frames and a doctor's report out.
//!
//! ```text
//! bytes ─> Decoder ─ detect ─> Reader ─> Sink ─> Recording { streams, report }
//! ```
//!
//! The format is recognised by content, from the first 64 KiB. Every [`Reader`] is incremental
//! and total: it takes bytes in pieces of any size, never panics, and never keeps more than one
//! line or record. What cannot be used is skipped with its reason and place; what can be used is
//! shown. A file is refused only when nothing in it is usable.
//!
//! Frames are split into streams by sender, antenna pair and layout. Where one sender mixes
//! layouts that share the legacy training field, a further stream holds that part of every frame
//! (see [`Stream::combined`]); it copies nothing. The stream with most frames is the default.
//!
//! Nothing here opens a file, asks for the time or guesses a value that the file does not hold.

mod adr018;
mod assemble;
mod atheros;
mod binary;
mod blocks;
mod capture;
mod carry;
mod clock;
mod detect;
mod doctor;
mod esp32_csi_tool;
mod espectre;
mod espressif;
mod foreign;
mod generic;
mod intel5300;
mod jsonl;
mod line;
mod live;
mod nexmon;
mod node_clock;
mod pcap;
mod refusal;
mod serial;
mod sink;
mod store;
mod subcarrier;
mod time_text;

pub use detect::Format;
pub use doctor::{DoctorReport, Gap, LengthUnit, StreamSummary};
pub use live::{Grown, Live, LiveSource};
pub use refusal::{Refusal, SkipReason};
pub use sink::Sink;
pub use store::{LabelSpan, Stream, StreamKind};
pub use subcarrier::{
    DecidedBy, Field, Layout, Order, Role, Secondary, Subcarrier, SubcarrierMap, SubcarrierRule,
};

use csi_temporal::frame::CsiValues;
use detect::HEAD_BYTES;

/// How much a [`Decoder`] may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of frames kept; beyond it reading stops and what was read is shown.
    pub store_bytes: usize,
    /// Bytes of one text line; a longer line is skipped without being kept.
    pub line_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { store_bytes: 256 << 20, line_bytes: 1 << 20 }
    }
}

/// How far a [`Decoder`] has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes pushed.
    pub bytes: u64,
    /// CSI frames kept.
    pub frames: u64,
    /// Lines or packets left out.
    pub skipped: u64,
    /// `true` once the store is full: further bytes change nothing.
    pub full: bool,
}

/// When a frame was received, as its source tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrameTime {
    /// The source has no clock.
    #[default]
    None,
    /// Microseconds of a device's clock that does not wrap.
    Micros(i64),
    /// Microseconds of a 32-bit clock, which wraps every 71.6 minutes.
    WrappingMicros32(u32),
    /// Microseconds since 1970.
    EpochMicros(i64),
}

/// Who sent a frame, as far as the source tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sender {
    /// The source does not tell.
    #[default]
    Unknown,
    /// A node of a RuView set-up, by its number.
    Node(u8),
    /// A transmitter, by its MAC address.
    Mac([u8; 6]),
}

impl core::fmt::Display for Sender {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Unknown => Ok(()),
            Self::Node(node) => write!(f, "node {node}"),
            Self::Mac([a, b, c, d, e, g]) => {
                write!(f, "{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{g:02X}")
            }
        }
    }
}

/// An antenna pair, for sources with several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Chain {
    /// Receiving antenna, from 0.
    pub rx: u8,
    /// Transmitting antenna or spatial stream, from 0.
    pub tx: u8,
}

/// What a reader knows about a frame besides its values.
#[derive(Clone, Copy, Debug, Default)]
pub struct FrameMeta<'a> {
    /// When it was received.
    pub time: FrameTime,
    /// Who sent it.
    pub sender: Sender,
    /// The antenna pair, where there are several.
    pub chain: Option<Chain>,
    /// What is known about which value stands for which subcarrier.
    pub layout: Layout,
    /// `true` if the first four bytes of the driver's buffer are garbage.
    pub first_word_invalid: bool,
    /// Received signal strength in dBm.
    pub rssi_dbm: Option<i8>,
    /// The sender's or receiver's running number; gaps are lost frames.
    pub sequence: Option<u32>,
    /// What happened while the frame was received, as the file says it.
    pub label: Option<&'a str>,
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// A line, from 1.
    Line(u64),
    /// A byte, from 0.
    Byte(u64),
}

impl core::fmt::Display for Position {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Byte(byte) => write!(f, "byte {byte}"),
        }
    }
}

/// What each format implements.
///
/// A reader is total: any bytes in pieces of any size, no panic, memory bounded by one line or
/// record. The pieces never change what is read.
pub trait Reader {
    /// Takes the next bytes of the file.
    fn push(&mut self, bytes: &[u8], sink: &mut Sink);
    /// Takes the end of the file: an unfinished line or record is used or reported.
    fn finish(&mut self, sink: &mut Sink);
}

/// Turns the bytes of one file into a [`Recording`].
pub struct Decoder {
    name: String,
    line_bytes: usize,
    sink: Sink,
    state: State,
    bytes: u64,
}

enum State {
    /// Not enough bytes yet to recognise the format.
    Detecting(Vec<u8>),
    Reading(Box<dyn Reader>),
    Refused(Refusal),
}

impl Decoder {
    /// Starts a file. `file_name` names the recording and decides nothing.
    pub fn new(file_name: &str, limits: Limits) -> Self {
        Self {
            name: file_name.to_owned(),
            line_bytes: limits.line_bytes,
            sink: Sink::new(limits.store_bytes),
            state: State::Detecting(Vec::new()),
            bytes: 0,
        }
    }

    /// Takes the next bytes of the file, in pieces of any size.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] as soon as it is certain that nothing can be read; it stays.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        self.bytes += bytes.len() as u64;
        if let State::Detecting(head) = &mut self.state {
            let (first, rest) = bytes.split_at(bytes.len().min(HEAD_BYTES - head.len()));
            head.extend_from_slice(first);
            bytes = rest;
            if head.len() == HEAD_BYTES {
                self.detect();
            }
        }
        match &mut self.state {
            State::Refused(refusal) => Err(*refusal),
            State::Reading(reader) if !bytes.is_empty() && !self.sink.is_full() => {
                reader.push(bytes, &mut self.sink);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Says how far reading has come.
    pub fn progress(&self) -> Progress {
        Progress {
            bytes: self.bytes,
            frames: self.sink.frames(),
            skipped: self.sink.skipped_total(),
            full: self.sink.is_full(),
        }
    }

    /// Ends the file and examines it.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] if not a single frame could be read.
    pub fn finish(mut self) -> Result<Recording, Refusal> {
        self.detect();
        match self.state {
            State::Reading(mut reader) => {
                if !self.sink.is_full() {
                    reader.finish(&mut self.sink);
                }
                self.sink.recording(&self.name, self.bytes, false)
            }
            State::Refused(refusal) => Err(refusal),
            State::Detecting(_) => Err(Refusal::Empty),
        }
    }

    /// Chooses the reader by the bytes held so far, if that has not happened.
    fn detect(&mut self) {
        let State::Detecting(head) = &mut self.state else {
            return;
        };
        let head = core::mem::take(head);
        self.state = match detect::detect(&head, self.line_bytes) {
            Ok(mut found) => {
                self.sink.set_format(found.format, found.reason);
                found.reader.push(&head, &mut self.sink);
                State::Reading(found.reader)
            }
            Err(refusal) => State::Refused(refusal),
        };
    }
}

/// A file that was read: its streams and the doctor's report.
#[derive(Debug)]
pub struct Recording {
    /// The file's name.
    pub name: String,
    /// What the doctor found.
    pub report: DoctorReport,
    /// The streams, most frames first; never empty.
    pub streams: Vec<Stream>,
    /// Position of the stream to show first.
    pub default_stream: usize,
}

/// `1 frame`, `2 frames`: a count with its noun, which takes an s for all but one.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{s}")
}

/// The number of numbers in a frame as its source stores it: two a pair.
pub(crate) fn numbers(values: &CsiValues<'_>) -> usize {
    match values {
        CsiValues::Iq8(v) => v.len(),
        CsiValues::Iq16(v) => v.len(),
        CsiValues::IqF32(v) | CsiValues::Amplitude(v) | CsiValues::FeatureState(v) => v.len(),
    }
}
