//! Compact columns of frames, and streams as views of them.
//!
//! Values stay in the type they were recorded in (one byte a number for Espressif's I/Q). A
//! column grows by chunks of at most 1 MiB, so that storing 200 MB never copies 200 MB.

use std::collections::BTreeMap;
use std::sync::Arc;

use csi_temporal::frame::{CsiFrame, CsiValues};

use super::assemble::{Family, Who};
use super::blocks::Evidence;
use super::doctor::median_period_micros;
use super::numbers;
use super::subcarrier::{LayoutKey, SubcarrierMap};

/// Bytes in a chunk of a column.
const CHUNK_BYTES: usize = 1 << 20;
/// Stands for an unknown RSSI; no receiver reports +127 dBm.
const NO_RSSI: i8 = i8::MAX;
/// Stands for "no label".
pub(super) const NO_LABEL: u16 = u16::MAX;

/// Rows of `width` numbers each, in chunks that never move once full.
#[derive(Debug)]
pub(super) struct Column<T> {
    chunks: Vec<Vec<T>>,
    width: usize,
    rows_a_chunk: usize,
    rows: usize,
}

impl<T: Copy> Column<T> {
    pub(super) fn new(width: usize) -> Self {
        let row_bytes = width.max(1) * size_of::<T>();
        Self { chunks: Vec::new(), width, rows_a_chunk: (CHUNK_BYTES / row_bytes).max(1), rows: 0 }
    }

    /// Appends a row of `width` numbers.
    pub(super) fn push(&mut self, row: &[T]) {
        debug_assert_eq!(row.len(), self.width);
        if self.rows == self.chunks.len() * self.rows_a_chunk {
            // The first chunk grows as needed, so that many tiny streams stay tiny.
            let full = if self.chunks.is_empty() { 0 } else { self.rows_a_chunk * self.width };
            self.chunks.push(Vec::with_capacity(full));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.extend_from_slice(row);
            self.rows += 1;
        }
    }

    /// Row `index`; empty beyond the end.
    pub(super) fn row(&self, index: usize) -> &[T] {
        let start = index % self.rows_a_chunk * self.width;
        let chunk = self.chunks.get(index / self.rows_a_chunk);
        chunk.and_then(|chunk| chunk.get(start..start + self.width)).unwrap_or(&[])
    }

    pub(super) fn len(&self) -> usize {
        self.rows
    }

    fn one(&self, index: usize) -> Option<T> {
        self.row(index).first().copied()
    }
}

/// Values of the frames of one part, in their own type.
#[derive(Debug)]
enum Values {
    Iq8(Column<i8>),
    Iq16(Column<i16>),
    IqF32(Column<f32>),
    Amplitude(Column<f32>),
    FeatureState(Column<f32>),
}

/// What the values of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StreamKind {
    /// Pairs of imaginary and real part.
    Iq,
    /// One amplitude a subcarrier; there is no phase.
    Amplitude,
    /// Nine features made on the node, no CSI.
    FeatureState,
}

/// The type that values are stored in: frames of different types are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ValueType {
    Iq8,
    Iq16,
    IqF32,
    Amplitude,
    FeatureState,
}

impl ValueType {
    pub(super) fn of(values: &CsiValues<'_>) -> Self {
        match values {
            CsiValues::Iq8(_) => Self::Iq8,
            CsiValues::Iq16(_) => Self::Iq16,
            CsiValues::IqF32(_) => Self::IqF32,
            CsiValues::Amplitude(_) => Self::Amplitude,
            CsiValues::FeatureState(_) => Self::FeatureState,
        }
    }

    pub(super) fn kind(self) -> StreamKind {
        match self {
            Self::Iq8 | Self::Iq16 | Self::IqF32 => StreamKind::Iq,
            Self::Amplitude => StreamKind::Amplitude,
            Self::FeatureState => StreamKind::FeatureState,
        }
    }
}

/// The frames of one sender, layout and type.
#[derive(Debug)]
pub(super) struct Part {
    values: Values,
    times: Column<i64>,
    /// When each frame arrived, for recordings that grow; empty otherwise.
    arrivals: Column<i64>,
    rssi: Column<i8>,
    sequence: Column<u32>,
    has_sequence: bool,
    /// Label numbers; empty as long as no frame has one.
    labels: Column<u16>,
    pub(super) width: usize,
    pub(super) evidence: Evidence,
    pub(super) duplicates: u64,
}

impl Part {
    pub(super) fn new(values: &CsiValues<'_>) -> Self {
        let width = numbers(values);
        let column = match ValueType::of(values) {
            ValueType::Iq8 => Values::Iq8(Column::new(width)),
            ValueType::Iq16 => Values::Iq16(Column::new(width)),
            ValueType::IqF32 => Values::IqF32(Column::new(width)),
            ValueType::Amplitude => Values::Amplitude(Column::new(width)),
            ValueType::FeatureState => Values::FeatureState(Column::new(width)),
        };
        Self {
            values: column,
            times: Column::new(1),
            arrivals: Column::new(1),
            rssi: Column::new(1),
            sequence: Column::new(1),
            has_sequence: false,
            labels: Column::new(1),
            width,
            evidence: Evidence { alive: vec![0; values.pairs()], ..Evidence::default() },
            duplicates: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    /// Appends a frame; `time` and `arrived` must not be less than the last ones. Returns the
    /// bytes it takes, or 0 if the values are of another type or width than the part's.
    pub(super) fn push(
        &mut self,
        values: CsiValues<'_>,
        time: i64,
        arrived: Option<i64>,
        rssi: Option<i8>,
        sequence: Option<u32>,
        label: u16,
    ) -> usize {
        if numbers(&values) != self.width {
            return 0;
        }
        let last = self.len().checked_sub(1);
        let same_time = last.is_some_and(|last| self.times.one(last) == Some(time));
        let same = |equal: bool| same_time && equal;
        let last = last.unwrap_or(0);
        let (duplicate, bytes) = match (&mut self.values, values) {
            (Values::Iq8(c), CsiValues::Iq8(v)) => push(c, v, last, same),
            (Values::Iq16(c), CsiValues::Iq16(v)) => push(c, v, last, same),
            (Values::IqF32(c), CsiValues::IqF32(v)) => push(c, v, last, same),
            (Values::Amplitude(c), CsiValues::Amplitude(v)) => push(c, v, last, same),
            (Values::FeatureState(c), CsiValues::FeatureState(v)) => push(c, v, last, same),
            _ => return 0,
        };
        self.duplicates += u64::from(duplicate);
        self.count_alive(&values);
        if label != NO_LABEL || self.labels.len() > 0 {
            while self.labels.len() < self.times.len() {
                self.labels.push(&[NO_LABEL]);
            }
            self.labels.push(&[label]);
        }
        self.times.push(&[time]);
        let bytes = match arrived {
            Some(arrived) => {
                self.arrivals.push(&[arrived]);
                bytes + size_of::<i64>()
            }
            None => bytes,
        };
        self.rssi.push(&[rssi.unwrap_or(NO_RSSI)]);
        self.has_sequence |= sequence.is_some();
        self.sequence.push(&[sequence.unwrap_or(u32::MAX)]);
        bytes + size_of::<i64>() + size_of::<i8>() + size_of::<u32>() + size_of::<u16>()
    }

    fn count_alive(&mut self, values: &CsiValues<'_>) {
        fn count<T: Copy + PartialEq>(alive: &mut [u32], values: &[T], zero: T, step: usize) {
            for (alive, numbers) in alive.iter_mut().zip(values.chunks_exact(step)) {
                *alive += u32::from(numbers.iter().any(|&n| n != zero));
            }
        }
        self.evidence.frames += 1;
        let alive = &mut self.evidence.alive;
        match values {
            CsiValues::Iq8(v) => count(alive, v, 0, 2),
            CsiValues::Iq16(v) => count(alive, v, 0, 2),
            CsiValues::IqF32(v) => count(alive, v, 0.0, 2),
            CsiValues::Amplitude(v) | CsiValues::FeatureState(v) => count(alive, v, 0.0, 1),
        }
    }

    fn values(&self, index: usize, keep: usize) -> CsiValues<'_> {
        fn cut<T>(row: &[T], keep: usize) -> &[T] {
            &row[..keep.min(row.len())]
        }
        match &self.values {
            Values::Iq8(c) => CsiValues::Iq8(cut(c.row(index), keep)),
            Values::Iq16(c) => CsiValues::Iq16(cut(c.row(index), keep)),
            Values::IqF32(c) => CsiValues::IqF32(cut(c.row(index), keep)),
            Values::Amplitude(c) => CsiValues::Amplitude(cut(c.row(index), keep)),
            Values::FeatureState(c) => CsiValues::FeatureState(cut(c.row(index), keep)),
        }
    }
}

/// Appends a row; returns whether it repeats the last one, and its bytes.
fn push<T: Copy + PartialEq>(
    column: &mut Column<T>,
    row: &[T],
    last: usize,
    same: impl Fn(bool) -> bool,
) -> (bool, usize) {
    let repeats = same(column.row(last) == row);
    column.push(row);
    (repeats, size_of_val(row))
}

/// A stretch of frames with the same label.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LabelSpan {
    /// The label.
    pub label: String,
    /// First frame of the stretch.
    pub first_frame: usize,
    /// One beyond its last frame.
    pub end_frame: usize,
    /// Time of its first frame in microseconds.
    pub start_micros: i64,
    /// Time of its last frame in microseconds.
    pub end_micros: i64,
}

/// Frames of one sender that can be compared with each other, in time order.
#[derive(Debug)]
pub struct Stream {
    /// What the page shows in its list: "node 1, 64 subcarriers".
    pub name: String,
    /// What the values are.
    pub kind: StreamKind,
    /// Which value stands for which subcarrier.
    pub map: SubcarrierMap,
    /// `true` if the stream is the legacy training field of frames of several layouts, which are
    /// also streams of their own.
    pub combined: bool,
    /// When the stream starts, in microseconds after the first frame of the same clock.
    pub start_micros: i64,
    /// Times of day: false if the source has no clock and times are frame number by
    /// [`Self::assumed_rate_hz`].
    pub has_clock: bool,
    /// The rate that times are made from if there is no clock.
    pub assumed_rate_hz: f32,
    /// Numbers a frame: two a pair, one an amplitude or feature.
    pub values_per_frame: usize,
    pub(super) parts: Vec<Arc<Part>>,
    /// Part and row of each frame; `None` if there is one part, in order.
    pub(super) order: Option<Vec<(u16, u32)>>,
    pub(super) label_names: Arc<Vec<String>>,
    pub(super) origin: Origin,
    /// Times are those of arrival, because the source's own clock is missing or stands still.
    pub(super) by_arrival: bool,
}

/// What a stream was made of: enough to know it again, and to go on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) who: Who,
    pub(super) layout: LayoutKey,
    /// The numbers of its parts, in the order of [`Stream::parts`].
    pub(super) parts: Vec<u16>,
    /// How many of its family's arrivals its order covers.
    pub(super) arrivals: usize,
    /// Rows of each part that its order covers.
    pub(super) rows: Vec<u32>,
}

impl Stream {
    /// Whether this is the other stream at another time: the same sender, layout and kind.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let key = |s: &Self| (s.origin.who, s.origin.layout, s.kind, s.combined);
        key(self) == key(other)
    }

    /// Whether times are those of arrival; only in a recording that grows.
    pub fn by_arrival(&self) -> bool {
        self.by_arrival
    }

    /// Takes the times of arrival for the frames' times.
    pub(super) fn time_by_arrival(&mut self) {
        (self.has_clock, self.by_arrival, self.start_micros) = (true, true, 0);
        self.start_micros = self.time_micros(0);
    }

    /// Puts the frames that arrived since in order.
    pub(super) fn extend(&mut self, family: &Family) {
        let Some(order) = &mut self.order else {
            return;
        };
        let Origin { parts, arrivals, rows, .. } = &mut self.origin;
        for number in family.since(*arrivals) {
            *arrivals += 1;
            if let Some(slot) = parts.iter().position(|part| *part == number) {
                order.push((slot as u16, rows[slot]));
                rows[slot] += 1;
            }
        }
    }

    /// Frames in the stream.
    pub fn len(&self) -> usize {
        self.order.as_ref().map_or_else(|| self.parts.first().map_or(0, |p| p.len()), Vec::len)
    }

    /// Whether there is no frame; never so in a finished recording.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn place(&self, index: usize) -> Option<(&Part, usize)> {
        let (part, row) = match &self.order {
            Some(order) => {
                order.get(index).map(|&(part, row)| (usize::from(part), row as usize))?
            }
            None => (0, index),
        };
        self.parts.get(part).map(|part| (&**part, row)).filter(|(part, row)| *row < part.len())
    }

    /// Frame `index`, its time counted from the stream's first frame. Beyond the end: an empty
    /// frame.
    pub fn frame(&self, index: usize) -> CsiFrame<'_> {
        let values = self.place(index).map(|(part, row)| part.values(row, self.values_per_frame));
        CsiFrame {
            time_micros: self.time_micros(index),
            values: values.unwrap_or(CsiValues::Iq8(&[])),
            rssi_dbm: self.rssi_dbm(index),
        }
    }

    /// All frames in time order.
    pub fn frames(&self) -> impl Iterator<Item = CsiFrame<'_>> {
        (0..self.len()).map(|index| self.frame(index))
    }

    /// Time of frame `index` in microseconds after the stream's first frame; never decreasing,
    /// clock wraps repaired. Without a clock: the frame number at [`Self::assumed_rate_hz`].
    pub fn time_micros(&self, index: usize) -> i64 {
        if !self.has_clock {
            return (index as f64 * 1e6 / f64::from(self.assumed_rate_hz.max(0.001))) as i64;
        }
        let column = |part: &'_ Part, row| {
            if self.by_arrival { part.arrivals.one(row) } else { part.times.one(row) }
        };
        let time = self.place(index).and_then(|(part, row)| column(part, row));
        time.map_or(0, |time| time - self.start_micros)
    }

    /// Received signal strength of frame `index` in dBm, if known.
    pub fn rssi_dbm(&self, index: usize) -> Option<i8> {
        let (part, row) = self.place(index)?;
        part.rssi.one(row).filter(|&rssi| rssi != NO_RSSI)
    }

    /// Running number of frame `index` as its source counts, if it does.
    pub fn sequence(&self, index: usize) -> Option<u32> {
        let (part, row) = self.place(index).filter(|(part, _)| part.has_sequence)?;
        part.sequence.one(row)
    }

    /// Label of frame `index`, if it has one.
    pub fn label(&self, index: usize) -> Option<&str> {
        self.label_names.get(usize::from(self.label_number(index))).map(String::as_str)
    }

    fn label_number(&self, index: usize) -> u16 {
        self.place(index).and_then(|(part, row)| part.labels.one(row)).unwrap_or(NO_LABEL)
    }

    /// The stretches of equal labels, in time order.
    pub fn label_spans(&self) -> Vec<LabelSpan> {
        let mut spans: Vec<LabelSpan> = Vec::new();
        let mut open = NO_LABEL;
        if self.label_names.is_empty() {
            return spans;
        }
        for index in 0..self.len() {
            let number = self.label_number(index);
            let time = self.time_micros(index);
            if number == open && number != NO_LABEL {
                if let Some(span) = spans.last_mut() {
                    (span.end_frame, span.end_micros) = (index + 1, time);
                }
            } else if let Some(label) = self.label_names.get(usize::from(number)) {
                spans.push(LabelSpan {
                    label: label.clone(),
                    first_frame: index,
                    end_frame: index + 1,
                    start_micros: time,
                    end_micros: time,
                });
            }
            open = number;
        }
        spans
    }

    /// Frames with each label.
    pub fn label_counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for span in self.label_spans() {
            *counts.entry(span.label).or_default() += (span.end_frame - span.first_frame) as u64;
        }
        counts
    }

    /// Time from the first to the last frame in seconds; `None` without a clock.
    pub fn span_s(&self) -> Option<f64> {
        let last = self.len().checked_sub(1)?;
        self.has_clock.then(|| self.time_micros(last) as f64 / 1e6)
    }

    /// Mean rate in frames per second: frames after the first one, by the span. `None` without a
    /// clock or for fewer than two frames.
    pub fn rate_hz(&self) -> Option<f64> {
        let periods = self.len().checked_sub(1)?;
        self.span_s().filter(|&span| span > 0.0).map(|span| periods as f64 / span)
    }

    /// One by the median time between frames, in hertz. With bursts it lies far above
    /// [`Self::rate_hz`]. `None` without a clock or if half of the frames share their times.
    pub fn median_rate_hz(&self) -> Option<f64> {
        self.has_clock.then(|| median_period_micros(self)).flatten().map(|period| 1e6 / period)
    }

    /// The rate that times run at: measured, or assumed without a clock.
    pub fn playback_rate_hz(&self) -> f64 {
        self.rate_hz().unwrap_or(f64::from(self.assumed_rate_hz))
    }
}
