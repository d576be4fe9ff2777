//! One recording as training sees it: feature rows, and which of them have which label.

use core::ops::Range;

use csi_temporal::feature::{Extractor, FeatureError, PipelineConfig};
use csi_temporal::frame::CsiFrame;

use super::pipeline;
use super::prints::{self, Print};
use crate::labels::LabelledFrames;
use crate::recording::{Stream, StreamKind};

/// Neighbouring feature rows with the same label, without a break of the clock between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The rows.
    pub rows: Range<usize>,
    /// The label.
    pub label: String,
}

/// Feature rows of one recording, and the stretches of them that have a label.
///
/// Rows are made from the first frame to the last by the extractor that page and node run, so a
/// window's first differences look back at rows before it, as they do on the node.
#[derive(Clone, Debug)]
pub struct Tape {
    /// The recording's name: a split never parts what has the same one.
    pub name: String,
    /// What made the rows.
    pub config: PipelineConfig,
    /// The rows, shape `[rows, feature_dim]`, window means not yet removed.
    pub values: Vec<f32>,
    /// What has a label, in time order.
    pub spans: Vec<Span>,
    /// Frames of the stream.
    pub frames: usize,
    /// Frames that the pipeline refused: too short, or not finite.
    pub refused: usize,
    /// Rows that were interpolated across a gap.
    pub held: u64,
    /// Mean rate of the frames in hertz; `None` without a clock.
    pub rate_hz: Option<f64>,
    /// Kind, pairs and order of the frames; `None` if no stream was read.
    pub(super) layout: Option<(StreamKind, usize, &'static str)>,
    /// What near-duplicates are found by.
    pub(super) prints: Vec<Print>,
    /// Which of these have a label.
    pub(super) labelled_frames: Vec<Range<usize>>,
}

/// Returns the label that a file's name gives a recording without any other: its letters up to the
/// first digit (`mov_01.csv` is `mov`). `None` when the name starts with a digit.
pub fn label_of_name(name: &str) -> Option<&str> {
    let stem = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let stem = stem.split('.').next().unwrap_or(stem);
    let letters = stem.split(|c: char| c.is_ascii_digit()).next().unwrap_or(stem);
    let letters = letters.trim_matches(|c: char| !c.is_alphanumeric());
    (!letters.is_empty()).then_some(letters)
}

impl Tape {
    /// Reads a stream. Labelled frames beyond its end are left out; where two stretches overlap,
    /// the later one in the list counts.
    ///
    /// # Errors
    ///
    /// [`FeatureError`] for a pipeline out of range. Frames that it refuses are counted.
    pub fn read(
        name: &str,
        stream: &Stream,
        config: &PipelineConfig,
        intervals: &[LabelledFrames],
    ) -> Result<Self, FeatureError> {
        let mut tape = Self::of_frames(name, stream.frames(), stream.len(), config, intervals)?;
        tape.rate_hz = stream.rate_hz();
        tape.layout = Some(pipeline::layout(stream));
        Ok(tape)
    }

    /// The same of any `count` frames, in time order.
    ///
    /// # Errors
    ///
    /// As [`Tape::read`].
    pub fn of_frames<'a>(
        name: &str,
        frames: impl Iterator<Item = CsiFrame<'a>>,
        count: usize,
        config: &PipelineConfig,
        intervals: &[LabelledFrames],
    ) -> Result<Self, FeatureError> {
        let mut extractor = Extractor::new(config.clone())?;
        let label_of = labels_by_frame(count, intervals);
        let mut tape = Self {
            name: name.to_owned(),
            config: config.clone(),
            values: Vec::new(),
            spans: Vec::new(),
            frames: count,
            refused: 0,
            held: 0,
            rate_hz: None,
            layout: None,
            prints: Vec::with_capacity(count),
            labelled_frames: intervals_by_frame(&label_of),
        };
        let (mut rows, mut last) = (Vec::new(), (None, i64::MIN));
        for (index, frame) in frames.enumerate().take(count) {
            tape.prints.push(prints::of(&frame, &config.useful));
            let label = label_of[index];
            let values = &mut tape.values;
            let pushed = extractor.push(&frame, &mut |row| {
                // A row between two frames has a label only if both have the same.
                let on_frame = row.time_micros >= frame.time_micros || config.rate_hz == 0.0;
                let between = if last.0 == label { label } else { None };
                rows.push((if on_frame { label } else { between }, row.starts));
                values.extend_from_slice(row.values);
            });
            match pushed {
                Ok(()) => last = (label, frame.time_micros),
                Err(_) => tape.refused += 1,
            }
        }
        tape.held = extractor.counts().held;
        tape.spans = spans(&rows, intervals);
        Ok(tape)
    }

    /// Returns the numbers in a row.
    pub fn dim(&self) -> usize {
        self.config.feature_dim()
    }

    /// Returns how many rows there are.
    pub fn len(&self) -> usize {
        self.values.len() / self.dim().max(1)
    }

    /// Returns whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Gives labels other names; what gets `None` loses its label.
    pub fn rename(&mut self, name: impl Fn(&str) -> Option<String>) {
        let mut spans: Vec<Span> = Vec::new();
        for span in self.spans.drain(..) {
            let Some(label) = name(&span.label) else { continue };
            match spans.last_mut() {
                // Two that have become one, such as both sides of a room.
                Some(last) if last.label == label && last.rows.end == span.rows.start => {
                    last.rows.end = span.rows.end;
                }
                _ => spans.push(Span { label, ..span }),
            }
        }
        self.spans = spans;
    }
}

/// The number of the interval that each frame lies in.
fn labels_by_frame(count: usize, intervals: &[LabelledFrames]) -> Vec<Option<usize>> {
    let mut labels = vec![None; count];
    for (number, interval) in intervals.iter().enumerate() {
        let end = interval.end_frame.min(count);
        let start = interval.first_frame.min(end);
        labels[start..end].fill(Some(number));
    }
    labels
}

fn intervals_by_frame(labels: &[Option<usize>]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (index, _) in labels.iter().enumerate().filter(|(_, label)| label.is_some()) {
        match ranges.last_mut() {
            Some(last) if last.end == index => last.end += 1,
            _ => ranges.push(index..index + 1),
        }
    }
    ranges
}

fn spans(rows: &[(Option<usize>, bool)], intervals: &[LabelledFrames]) -> Vec<Span> {
    let mut spans: Vec<(usize, Range<usize>)> = Vec::new();
    for (row, (label, starts)) in rows.iter().enumerate() {
        let Some(label) = *label else { continue };
        match spans.last_mut() {
            Some((last, range)) if *last == label && range.end == row && !starts => range.end += 1,
            _ => spans.push((label, row..row + 1)),
        }
    }
    let span = |(label, rows): (usize, _)| Span { rows, label: intervals[label].label.clone() };
    spans.into_iter().map(span).collect()
}
