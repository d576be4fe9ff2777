//! A recording that grows: lines of a board's serial output as they arrive.
//!
//! ```text
//! bytes ─> Gate ─> LineReader<SerialText> ─> Sink ─┬─ grows ─> the streams that are shown
//!          until the first line with CSI           └─ finish ─> the recording, as if opened
//! ```
//!
//! Frames are stored once. The streams that are shown share their parts with the sink, let go of
//! them while bytes are read, and take them up again: constant work for each frame. What needs a
//! look at all frames (layout by zeros, order of the streams, gaps, jitter) is done anew when there
//! are twice as many, and when frames of a new kind come.
//!
//! A saved live recording is the bytes from [`Live::begins_at`] on as they came. What comes before
//! the first line with CSI (a boot log, noise at another speed) is left out, so that the file
//! begins with what tells its format; reopened it gives the same frames.
//!
//! **Times** are those of the lines: `local_timestamp`, a 32-bit microsecond clock whose wraps and
//! restarts are repaired. Where that clock stands still, times are those of arrival, as the caller's
//! clock tells them; they are not in the bytes, so that a reopened file assumes a rate instead.
//!
//! Nothing here knows a port, a clock or a device's name. Binary packets of our own node are not
//! read: whoever holds the line takes them out first.

use super::line::LineReader;
use super::serial::{self, SerialText};
use super::{Limits, Progress, Reader, Recording, Refusal, Sink};

/// What can stand between the start of a mark and the byte that makes it one, with room.
const GATE_BYTES: usize = 64;

/// What the last bytes changed.
#[derive(Debug)]
pub enum Grown {
    /// No frame came.
    Nothing,
    /// The streams of the recording that was handed in are longer.
    Frames,
    /// The first frames, a stream more, or twice the frames: here is the recording anew.
    Anew(Box<Recording>),
}

/// What is at the other end of the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LiveSource {
    /// A board.
    #[default]
    Board,
    /// The simulated board.
    Simulated,
}

impl LiveSource {
    /// What plots of the recording carry while it grows.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Board => "LIVE",
            Self::Simulated => "SIMULATED BOARD",
        }
    }
}

/// Reads a recording that grows.
pub struct Live {
    name: String,
    source: LiveSource,
    gate: Gate,
    lines: LineReader<SerialText>,
    sink: Sink,
    /// When the first bytes came, by the caller's clock.
    began_micros: Option<u64>,
    /// Bytes pushed, and of these the bytes before the gate opened.
    bytes: u64,
    before: u64,
    /// Line ends before the gate opened.
    lines_before: u64,
    /// Frames and parts when all of them were looked at.
    looked_at: (u64, usize),
}

/// Holds back what comes before the first line with CSI.
enum Gate {
    Shut(Vec<u8>),
    Open,
}

impl Live {
    /// Starts without a frame. `name` names the recording and decides nothing.
    pub fn new(name: &str, source: LiveSource, limits: Limits) -> Self {
        Self {
            name: name.to_owned(),
            source,
            gate: Gate::Shut(Vec::new()),
            lines: LineReader::new(SerialText::default(), limits.line_bytes),
            sink: Sink::new(limits.store_bytes),
            began_micros: None,
            bytes: 0,
            before: 0,
            lines_before: 0,
            looked_at: (0, 0),
        }
    }

    /// Takes the next bytes of the line, in pieces of any size; never fails.
    ///
    /// `now_micros` is the caller's monotonic clock. `shown` is what the last [`Grown::Anew`] held;
    /// handing in another recording, or none, gets it anew with the next frame.
    pub fn push(
        &mut self,
        bytes: &[u8],
        now_micros: u64,
        mut shown: Option<&mut Recording>,
    ) -> Grown {
        let began = *self.began_micros.get_or_insert(now_micros);
        self.sink.arrive_at(now_micros.saturating_sub(began) as i64);
        self.bytes += bytes.len() as u64;
        let before = self.sink.frames();
        if let Some(recording) = &mut shown {
            recording.streams.iter_mut().for_each(|stream| stream.parts.clear());
        }
        self.read(bytes);
        let (frames, parts) = (self.sink.frames(), self.sink.part_count());
        let doubled = frames >= self.looked_at.0.saturating_mul(2) || parts != self.looked_at.1;
        if frames > 0 && (doubled || (shown.is_none() && frames > before)) {
            self.looked_at = (frames, parts);
            if let Ok(recording) = self.examined() {
                return Grown::Anew(Box::new(recording));
            }
        }
        if let Some(recording) = shown {
            self.sink.extend(&mut recording.streams);
            recording.report.count(self.sink.tally(), &recording.streams, self.kept_bytes());
            recording.report.source = self.source.word();
        }
        if frames > before { Grown::Frames } else { Grown::Nothing }
    }

    /// Says how far it has come; `bytes` are all bytes, those before the first line included.
    pub fn progress(&self) -> Progress {
        Progress {
            bytes: self.bytes,
            frames: self.sink.frames(),
            skipped: self.sink.skipped_total(),
            full: self.sink.is_full(),
        }
    }

    /// Lines left out so far, by the code of the reason.
    pub fn skipped(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.sink.skipped()
    }

    /// How many bytes came before those that belong to the recording; `None` until these come.
    pub fn begins_at(&self) -> Option<u64> {
        matches!(self.gate, Gate::Open).then_some(self.before)
    }

    /// Ends it: the recording is what opening the saved bytes gives; one of the simulated board goes
    /// on saying so.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] if not a single frame came.
    pub fn finish(mut self) -> Result<Recording, Refusal> {
        if self.begins_at().is_none() && self.bytes > 0 {
            return Err(Refusal::NoCsi { lines: self.lines_before });
        }
        if !self.sink.is_full() {
            self.lines.finish(&mut self.sink);
        }
        let mut recording = self.sink.recording(&self.name, self.kept_bytes(), false)?;
        if self.source == LiveSource::Simulated {
            recording.report.source = self.source.word();
        }
        Ok(recording)
    }

    fn examined(&self) -> Result<Recording, Refusal> {
        let mut recording = self.sink.recording(&self.name, self.kept_bytes(), true)?;
        recording.report.source = self.source.word();
        Ok(recording)
    }

    fn kept_bytes(&self) -> u64 {
        self.bytes - self.before
    }

    fn read(&mut self, bytes: &[u8]) {
        let Gate::Shut(held) = &mut self.gate else {
            if !self.sink.is_full() {
                self.lines.push(bytes, &mut self.sink);
            }
            return;
        };
        self.lines_before += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        held.extend_from_slice(bytes);
        match serial::begin(held) {
            Some(at) => {
                let text = held.split_off(at);
                self.before = self.bytes - text.len() as u64;
                self.gate = Gate::Open;
                if let Some((format, reason)) = serial::recognise(&text) {
                    self.sink.set_format(format, reason.to_owned());
                }
                self.lines.push(&text, &mut self.sink);
            }
            None => {
                held.drain(..held.len().saturating_sub(GATE_BYTES));
                self.before = self.bytes;
            }
        }
    }
}
