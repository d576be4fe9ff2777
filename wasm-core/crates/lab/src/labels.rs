//! Labels that a person put on stretches of a recording, and the small JSON file that keeps them.
//!
//! A [`LabelSet`] is a lane of named intervals that never overlap: a new one takes the place of
//! what it covers. Times are microseconds of the recording's own clock: after its first frame, and
//! not after that of a stream, so that they hold for every stream. An interval is half open,
//! `[start, end)`; a recording's last frame belongs to one that ends with it.
//!
//! The file `RECORDING.labels.json` stands beside the recording, which stays as it is:
//!
//! ```json
//! {"format": "csi-lab.labels", "version": 1, "recording": "walk.csv", "frames": 2400,
//!  "intervals": [{"start_micros": 1250000, "end_micros": 3500000, "label": "walking"}]}
//! ```
//!
//! `frames` counts the CSI frames of the recording and tells when labels belong to another one.
//! Nothing here knows which labels make sense, or what is made of them.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::recording::{Recording, Stream};

/// Bytes that a label file may have.
pub const MAX_FILE_BYTES: usize = 4 << 20;
/// Intervals that a set may have.
pub const MAX_INTERVALS: usize = 10_000;
/// Bytes that a label's name may have, as in recordings.
pub const MAX_NAME_BYTES: usize = 64;
/// The file name of labels is the recording's with this behind it.
pub const FILE_ENDING: &str = ".labels.json";
const FORMAT: &str = "csi-lab.labels";
const VERSION: u32 = 1;

/// A stretch of a recording with a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// When it starts, in microseconds after the recording's first frame.
    pub start_micros: i64,
    /// When it ends, itself outside.
    pub end_micros: i64,
    /// Its name: 1 to 64 bytes, no space at its ends, no control character.
    pub label: String,
}

/// Frames of one stream with the same label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledFrames {
    /// The first frame.
    pub first_frame: usize,
    /// One beyond the last frame.
    pub end_frame: usize,
    /// The label.
    pub label: String,
}

/// Intervals in order of time, none over another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSet {
    intervals: Vec<Interval>,
}

/// A label file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelFile {
    /// The name of the recording that it was made for.
    pub recording: String,
    /// CSI frames of that recording.
    pub frames: u64,
    /// The labels.
    pub labels: LabelSet,
}

/// Why labels were refused. `index` counts from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LabelsError {
    /// The file is longer than any of ours.
    TooLarge {
        /// Its bytes.
        bytes: usize,
    },
    /// It is no JSON, or of another shape.
    Json {
        /// Where, from 1.
        line: usize,
        /// Where in the line, from 1.
        column: usize,
    },
    /// It is JSON of something else.
    Format,
    /// It was written by a later version.
    Version {
        /// The version that it states.
        got: u32,
    },
    /// There are too many intervals.
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// A name is empty, too long, or not printable.
    Name {
        /// Whose.
        index: usize,
    },
    /// An interval that starts before the recording, or does not end after its start.
    Range {
        /// Which one.
        index: usize,
    },
    /// An interval that starts before the one before it ends.
    Overlap {
        /// Which one.
        index: usize,
    },
    /// There is no such interval.
    Index {
        /// Which one.
        index: usize,
        /// How many there are.
        count: usize,
    },
}

impl LabelsError {
    /// Returns the stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "labels/too-large",
            Self::Json { .. } => "labels/json",
            Self::Format => "labels/format",
            Self::Version { .. } => "labels/version",
            Self::TooMany { .. } => "labels/too-many",
            Self::Name { .. } => "labels/name",
            Self::Range { .. } => "labels/range",
            Self::Overlap { .. } => "labels/overlap",
            Self::Index { .. } => "labels/index",
        }
    }
}

impl fmt::Display for LabelsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => {
                write!(f, "a label file has at most {MAX_FILE_BYTES} bytes, not {bytes}")
            }
            Self::Json { line, column } => {
                write!(f, "line {line}, column {column} is not what a label file has there")
            }
            Self::Format => write!(f, "the file does not say \"format\": \"{FORMAT}\""),
            Self::Version { got } => {
                write!(f, "the label file has version {got}, and {VERSION} is read here")
            }
            Self::TooMany { count } => {
                write!(f, "there are {count} labels, at most {MAX_INTERVALS} are kept")
            }
            Self::Name { index } => write!(
                f,
                "label {} has no name of 1 to {MAX_NAME_BYTES} printable bytes",
                index + 1
            ),
            Self::Range { index } => {
                write!(f, "label {} does not end after its start", index + 1)
            }
            Self::Overlap { index } => {
                write!(f, "label {} starts before the one before it ends", index + 1)
            }
            Self::Index { index, count } => {
                write!(f, "there are {count} labels, not a label {}", index + 1)
            }
        }
    }
}

impl core::error::Error for LabelsError {}

/// The file as it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    format: String,
    version: u32,
    recording: String,
    frames: u64,
    intervals: Vec<Interval>,
}

/// What a file must say before the rest of it is read.
#[derive(Deserialize)]
struct Kind {
    #[serde(default)]
    format: String,
    #[serde(default)]
    version: u32,
}

impl LabelSet {
    /// The intervals, in order of time.
    pub fn intervals(&self) -> &[Interval] {
        &self.intervals
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.intervals.is_empty()
    }

    /// Adds a label; what it covers of others is taken from them. Returns its place.
    ///
    /// # Errors
    ///
    /// [`LabelsError::Name`], [`LabelsError::Range`], [`LabelsError::TooMany`]; the set stays.
    pub fn add(&mut self, interval: Interval) -> Result<usize, LabelsError> {
        let interval = Interval { label: interval.label.trim().to_owned(), ..interval };
        check(&interval, self.intervals.len())?;
        let mut kept = Vec::with_capacity(self.intervals.len() + 2);
        for old in &self.intervals {
            let before = old.end_micros.min(interval.start_micros);
            let after = old.start_micros.max(interval.end_micros);
            if old.start_micros < before {
                kept.push(Interval { end_micros: before, ..old.clone() });
            }
            if after < old.end_micros {
                kept.push(Interval { start_micros: after, ..old.clone() });
            }
        }
        let place = kept.partition_point(|old| old.start_micros < interval.start_micros);
        kept.insert(place, interval);
        if kept.len() > MAX_INTERVALS {
            return Err(LabelsError::TooMany { count: kept.len() });
        }
        self.intervals = kept;
        Ok(place)
    }

    /// Puts another label in the place of one. Returns its place.
    ///
    /// # Errors
    ///
    /// [`LabelsError::Index`], and as [`LabelSet::add`]; the set stays.
    pub fn replace(&mut self, index: usize, interval: Interval) -> Result<usize, LabelsError> {
        let mut others = self.clone();
        others.remove(index)?;
        let place = others.add(interval)?;
        *self = others;
        Ok(place)
    }

    /// Takes a label away.
    ///
    /// # Errors
    ///
    /// [`LabelsError::Index`].
    pub fn remove(&mut self, index: usize) -> Result<Interval, LabelsError> {
        let count = self.intervals.len();
        if index >= count {
            return Err(LabelsError::Index { index, count });
        }
        Ok(self.intervals.remove(index))
    }

    /// The frames of a stream that lie in the intervals, in order; intervals without one are left
    /// out. The stream's last frame also belongs to an interval that ends with it.
    pub fn frames(&self, stream: &Stream) -> Vec<LabelledFrames> {
        let time = |frame: usize| stream.start_micros.saturating_add(stream.time_micros(frame));
        let last = stream.len().checked_sub(1).map(time);
        let from = |micros: i64| first_at(stream.len(), |frame| time(frame) < micros);
        let span = |interval: &Interval| {
            let ends_all = last == Some(interval.end_micros);
            let end = if ends_all { stream.len() } else { from(interval.end_micros) };
            LabelledFrames {
                first_frame: from(interval.start_micros),
                end_frame: end,
                label: interval.label.clone(),
            }
        };
        let spans = self.intervals.iter().map(span);
        spans.filter(|span| span.first_frame < span.end_frame).collect()
    }

    /// Writes the label file of a recording with this name and number of CSI frames.
    pub fn to_json(&self, recording: &str, frames: u64) -> String {
        let written = Written {
            format: FORMAT.to_owned(),
            version: VERSION,
            recording: recording.to_owned(),
            frames,
            intervals: self.intervals.clone(),
        };
        // Text, numbers and lists always become JSON.
        serde_json::to_string_pretty(&written).unwrap_or_default() + "\n"
    }
}

impl LabelFile {
    /// Reads a label file; a byte order mark may stand before it.
    ///
    /// # Errors
    ///
    /// Every [`LabelsError`] but [`LabelsError::Index`].
    pub fn parse(bytes: &[u8]) -> Result<Self, LabelsError> {
        if bytes.len() > MAX_FILE_BYTES {
            return Err(LabelsError::TooLarge { bytes: bytes.len() });
        }
        let json = |error: serde_json::Error| LabelsError::Json {
            line: error.line(),
            column: error.column(),
        };
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let kind: Kind = serde_json::from_slice(bytes).map_err(json)?;
        if kind.format != FORMAT {
            return Err(LabelsError::Format);
        }
        if kind.version != VERSION {
            return Err(LabelsError::Version { got: kind.version });
        }
        let Written { recording, frames, mut intervals, .. } =
            serde_json::from_slice(bytes).map_err(json)?;
        if intervals.len() > MAX_INTERVALS {
            return Err(LabelsError::TooMany { count: intervals.len() });
        }
        let mut end = 0;
        for (index, interval) in intervals.iter_mut().enumerate() {
            interval.label = interval.label.trim().to_owned();
            check(interval, index)?;
            if interval.start_micros < end {
                return Err(LabelsError::Overlap { index });
            }
            end = interval.end_micros;
        }
        Ok(Self { recording, frames, labels: LabelSet { intervals } })
    }

    /// Whether the labels were made for a recording like this one: as many CSI frames.
    pub fn fits(&self, recording: &Recording) -> bool {
        self.frames == recording.report.frames
    }
}

/// The labelled frames of a stream: those of a label file where there is one with labels, else
/// those that the recording itself states.
pub fn of_stream(stream: &Stream, file: Option<&LabelSet>) -> Vec<LabelledFrames> {
    match file {
        Some(set) if !set.is_empty() => set.frames(stream),
        _ => {
            let own = stream.label_spans().into_iter();
            own.map(|span| LabelledFrames {
                first_frame: span.first_frame,
                end_frame: span.end_frame,
                label: span.label,
            })
            .collect()
        }
    }
}

fn check(interval: &Interval, index: usize) -> Result<(), LabelsError> {
    let name = &interval.label;
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains(char::is_control) {
        return Err(LabelsError::Name { index });
    }
    if interval.start_micros < 0 || interval.end_micros <= interval.start_micros {
        return Err(LabelsError::Range { index });
    }
    Ok(())
}

/// The first number below `count` for which `before` does not hold; `before` holds up to some one.
fn first_at(count: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}
