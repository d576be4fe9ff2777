//! The file doctor: what is in a recording, what was left out, and why.
//!
//! | figure           | meaning                                                              |
//! |------------------|----------------------------------------------------------------------|
//! | `span_s`         | time from the first to the last frame                                |
//! | `rate_hz`        | frames after the first, by the span: the mean rate                   |
//! | `median_rate_hz` | one by the median time between frames; bursts push it far above      |
//! | `jitter_s`       | median absolute deviation of the time between frames from its median |
//! | gap              | a time between frames above five medians and above 0.25 s            |
//!
//! All of them are about the default stream and are absent where the source has no clock. Lost
//! frames, wraps and restarts are counted over the whole file.

use std::collections::BTreeMap;

use serde::Serialize;

use super::store::{Stream, StreamKind};
use super::{Format, Position, SkipReason, counted};

/// Gaps listed; the others are only counted.
const MAX_GAPS: usize = 100;
/// A gap is longer than this many median periods...
const GAP_PERIODS: f64 = 5.0;
/// ... and than this many microseconds.
const GAP_MICROS: f64 = 250_000.0;

/// What a reader counted on the way.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) format: Option<Format>,
    pub(super) format_reason: String,
    pub(super) frames: u64,
    pub(super) lengths: BTreeMap<usize, u64>,
    pub(super) length_unit: LengthUnit,
    pub(super) skipped: BTreeMap<&'static str, u64>,
    pub(super) skipped_first: BTreeMap<&'static str, (SkipReason, Vec<Position>)>,
    pub(super) first_skip: Option<(SkipReason, Position)>,
    pub(super) packets: BTreeMap<&'static str, u64>,
    pub(super) notes: Vec<String>,
    pub(super) synthetic: bool,
    pub(super) lost_frames: Option<u64>,
    pub(super) clock_wraps: u64,
    pub(super) clock_restarts: u64,
    pub(super) clock_reordered: u64,
}

/// What [`DoctorReport::frame_lengths`] counts in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LengthUnit {
    /// Numbers as stored: two a pair, one an amplitude.
    #[default]
    Numbers,
    /// Subcarriers (pairs), as RuView counts.
    Subcarriers,
}

/// A stretch without frames.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Gap {
    /// When it starts, in seconds after the first frame.
    pub start_s: f64,
    /// How long it lasts, in seconds.
    pub length_s: f64,
}

/// What the doctor says about one stream.
#[derive(Clone, Debug, Serialize)]
pub struct StreamSummary {
    /// The stream's name.
    pub name: String,
    /// What its values are.
    pub kind: StreamKind,
    /// Frames.
    pub frames: u64,
    /// Numbers a frame: two a pair, one an amplitude or feature.
    pub values: usize,
    /// Mean rate in hertz; `None` without a clock.
    pub rate_hz: Option<f64>,
    /// One by the median time between frames, in hertz.
    pub median_rate_hz: Option<f64>,
    /// Time from the first to the last frame in seconds; `None` without a clock.
    pub span_s: Option<f64>,
    /// The order of its subcarriers.
    pub subcarrier_order: &'static str,
    /// Whether it is a part of frames that are also in other streams.
    pub combined: bool,
}

/// What is in a file.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DoctorReport {
    /// The format's stable name.
    pub format: &'static str,
    /// Why it was taken for that format.
    pub format_reason: String,
    /// `RECORDED`, or `SYNTHETIC` where the file itself says that frames were made up.
    pub source: &'static str,
    /// Bytes of the file.
    pub bytes: u64,
    /// CSI frames read, over all streams; combined streams do not count twice.
    pub frames: u64,
    /// Lines or packets left out, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// The first places for each reason: "line 19".
    pub skipped_at: BTreeMap<&'static str, Vec<String>>,
    /// Packets or lines by type, CSI or not, where a file has several types.
    pub packets: BTreeMap<&'static str, u64>,
    /// Frames by length, as the source counts it.
    pub frame_lengths: BTreeMap<usize, u64>,
    /// What the lengths count.
    pub frame_length_unit: LengthUnit,
    /// The streams, in the recording's order.
    pub streams: Vec<StreamSummary>,
    /// Span of the default stream in seconds.
    pub span_s: Option<f64>,
    /// Mean rate of the default stream in hertz.
    pub rate_hz: Option<f64>,
    /// One by the median time between frames of the default stream, in hertz.
    pub median_rate_hz: Option<f64>,
    /// The rate that times are made from if there is no clock.
    pub assumed_rate_hz: Option<f32>,
    /// Median absolute deviation of the time between frames, in seconds.
    pub jitter_s: Option<f64>,
    /// The first hundred gaps.
    pub gaps: Vec<Gap>,
    /// All gaps.
    pub gap_count: u64,
    /// Frames that the running numbers say were lost, over all senders; `None` without running
    /// numbers.
    pub lost_frames: Option<u64>,
    /// Wraps of a 32-bit clock that were repaired.
    pub clock_wraps: u64,
    /// Jumps backwards that are no wraps: the device restarted.
    pub clock_restarts: u64,
    /// Frames slightly older than the one before them.
    pub clock_reordered: u64,
    /// Frames that repeat the one before, time and values.
    pub duplicates: u64,
    /// The order of the default stream's subcarriers.
    pub subcarrier_order: &'static str,
    /// How it was decided.
    pub subcarrier_order_reason: &'static str,
    /// Frames of the default stream by label.
    pub labels: BTreeMap<String, u64>,
    /// What else the user should know.
    pub notes: Vec<String>,
    #[serde(skip)]
    reasons: Vec<SkipReason>,
}

/// The median time between frames in microseconds; `None` below two frames or if it is 0.
pub(super) fn median_period_micros(stream: &Stream) -> Option<f64> {
    let mut periods = periods(stream);
    median(&mut periods).filter(|&period| period > 0.0)
}

fn periods(stream: &Stream) -> Vec<i64> {
    let pairs = 1..stream.len();
    pairs.map(|i| stream.time_micros(i) - stream.time_micros(i - 1)).collect()
}

/// The median, the mean of the two middle ones for an even number.
fn median(numbers: &mut [i64]) -> Option<f64> {
    let middle = numbers.len() / 2;
    let odd = numbers.len() % 2 == 1;
    if numbers.is_empty() {
        return None;
    }
    let (below, upper, _) = numbers.select_nth_unstable(middle);
    let lower = if odd { *upper } else { below.iter().copied().max().unwrap_or(*upper) };
    Some((lower as f64 + *upper as f64) / 2.0)
}

/// Makes the report; `main` is the default stream.
pub(super) fn examine(
    mut tally: Tally,
    main: &Stream,
    streams: &[Stream],
    bytes: u64,
) -> DoctorReport {
    let mut steps = if main.has_clock { periods(main) } else { Vec::new() };
    let mut gaps = Vec::new();
    let mut gap_count = 0;
    let mut jitter_s = None;
    if let Some(period) = median(&mut steps.clone()) {
        let limit = (GAP_PERIODS * period).max(GAP_MICROS);
        for (i, &step) in steps.iter().enumerate().filter(|(_, step)| **step as f64 > limit) {
            gap_count += 1;
            if gaps.len() < MAX_GAPS {
                let start_s = main.time_micros(i) as f64 / 1e6;
                gaps.push(Gap { start_s, length_s: step as f64 / 1e6 });
            }
        }
        steps.iter_mut().for_each(|step| *step = (*step as f64 - period).abs() as i64);
        jitter_s = median(&mut steps).map(|micros| micros / 1e6);
    }
    if !main.has_clock {
        tally.notes.push(format!(
            "The file has no usable clock: times are the frame number at an assumed {} frames per \
             second, and rates are not given.",
            main.assumed_rate_hz
        ));
    }
    let mut report = DoctorReport {
        streams: streams.iter().map(summary).collect(),
        median_rate_hz: main.median_rate_hz(),
        assumed_rate_hz: (!main.has_clock).then_some(main.assumed_rate_hz),
        jitter_s,
        gaps,
        gap_count,
        subcarrier_order: main.map.order.name(),
        subcarrier_order_reason: main.map.decided_by.sentence(),
        labels: main.label_counts(),
        ..DoctorReport::default()
    };
    report.count(tally, streams, bytes);
    report
}

fn summary(stream: &Stream) -> StreamSummary {
    StreamSummary {
        name: stream.name.clone(),
        kind: stream.kind,
        frames: stream.len() as u64,
        values: stream.values_per_frame,
        rate_hz: stream.rate_hz(),
        median_rate_hz: stream.median_rate_hz(),
        span_s: stream.span_s(),
        subcarrier_order: stream.map.order.name(),
        combined: stream.combined,
    }
}

impl DoctorReport {
    /// Takes over what is known without a look at every frame; `streams` are those examined, longer
    /// perhaps. Jitter, gaps, medians and labels stay as they were.
    pub(super) fn count(&mut self, tally: Tally, streams: &[Stream], bytes: u64) {
        let Some(main) = streams.first() else {
            return;
        };
        let per_length = |(&numbers, &count): (&usize, &u64)| match tally.length_unit {
            LengthUnit::Numbers => (numbers, count),
            LengthUnit::Subcarriers => (numbers / 2, count),
        };
        let at = |positions: &[Position]| positions.iter().map(ToString::to_string).collect();
        self.format = tally.format.map_or("unknown", Format::id);
        self.format_reason = tally.format_reason;
        self.source = if tally.synthetic { "SYNTHETIC" } else { "RECORDED" };
        self.bytes = bytes;
        self.frames = tally.frames;
        self.skipped_at = tally.skipped_first.iter().map(|(code, (_, p))| (*code, at(p))).collect();
        self.reasons = tally.skipped_first.values().map(|(reason, _)| *reason).collect();
        self.skipped = tally.skipped;
        self.packets = tally.packets;
        self.frame_lengths = if main.kind == StreamKind::Amplitude {
            tally.lengths
        } else {
            tally.lengths.iter().map(per_length).collect()
        };
        self.frame_length_unit = tally.length_unit;
        for (summary, stream) in self.streams.iter_mut().zip(streams) {
            (summary.frames, summary.span_s) = (stream.len() as u64, stream.span_s());
            summary.rate_hz = stream.rate_hz();
        }
        (self.span_s, self.rate_hz) = (main.span_s(), main.rate_hz());
        self.lost_frames = tally.lost_frames;
        self.clock_wraps = tally.clock_wraps;
        self.clock_restarts = tally.clock_restarts;
        self.clock_reordered = tally.clock_reordered;
        self.duplicates = main.parts.iter().map(|part| part.duplicates).sum();
        let new = tally.notes.into_iter().filter(|note| !self.notes.contains(note));
        let new: Vec<String> = new.collect();
        self.notes.extend(new);
    }

    /// Returns the report as sentences for people, the most important first.
    pub fn sentences(&self) -> Vec<String> {
        let mut out = vec![format!("Format: {} ({}).", self.format, self.format_reason)];
        let span = self.span_s.map_or_else(String::new, |s| format!(" over {s:.1} s"));
        let rate = match (self.rate_hz, self.median_rate_hz) {
            (Some(mean), Some(median)) => {
                format!(
                    ": {mean:.1} frames per second on average, {median:.1} by the median period"
                )
            }
            (Some(mean), None) => format!(": {mean:.1} frames per second on average"),
            _ => String::new(),
        };
        let (frames, bytes) = (counted(self.frames, "frame"), counted(self.bytes, "byte"));
        out.push(format!("{frames} in {bytes}."));
        if let Some(main) = self.streams.first() {
            let frames = counted(main.frames, "frame");
            out.push(format!("Shown first: {}, {frames}{span}{rate}.", main.name));
        }
        for stream in self.streams.iter().skip(1) {
            let frames = counted(stream.frames, "frame");
            out.push(format!("Also there: {}, {frames}.", stream.name));
        }
        for reason in &self.reasons {
            let code = reason.code();
            let count = self.skipped.get(code).copied().unwrap_or(0);
            let at = self.skipped_at.get(code).map(|at| at.join(", ")).unwrap_or_default();
            let more = if count > 5 { ", ..." } else { "" };
            out.push(format!("Left out because they {reason}: {count} ({at}{more})."));
        }
        if self.packets.len() > 1 {
            let kinds: Vec<String> = self.packets.iter().map(|(k, n)| format!("{n} {k}")).collect();
            out.push(format!("Counted by type: {}.", kinds.join(", ")));
        }
        if self.frame_lengths.len() > 1 {
            let unit = match self.frame_length_unit {
                LengthUnit::Numbers => "numbers",
                LengthUnit::Subcarriers => "subcarriers",
            };
            let lengths = self.frame_lengths.iter().map(|(l, n)| format!("{n} of {l}"));
            let lengths: Vec<String> = lengths.collect();
            out.push(format!("Frames by length: {} {unit}.", lengths.join(", ")));
        }
        if let Some(jitter) = self.jitter_s {
            out.push(format!("Jitter of the time between frames: {:.2} ms.", jitter * 1e3));
        }
        if let Some(longest) = self.gaps.iter().max_by(|a, b| a.length_s.total_cmp(&b.length_s)) {
            out.push(format!(
                "Gaps: {}; the longest listed lasts {:.2} s and starts at {:.1} s.",
                self.gap_count, longest.length_s, longest.start_s
            ));
        }
        let oddities = [
            ("Lost, by the running numbers", self.lost_frames.unwrap_or(0), "frame"),
            ("Repeat the frame before them", self.duplicates, "frame"),
            ("Repaired wraps of the 32-bit clock", self.clock_wraps, "wrap"),
            ("Restarts of the clock, bridged by one median period", self.clock_restarts, "restart"),
            ("Slightly older than the frame before them", self.clock_reordered, "frame"),
        ];
        let oddities = oddities.iter().filter(|(_, count, _)| *count > 0);
        out.extend(
            oddities.map(|(what, count, noun)| format!("{what}: {}.", counted(*count, noun))),
        );
        let (order, why) = (self.subcarrier_order, self.subcarrier_order_reason);
        out.push(format!("Subcarrier order: {order}, {why}."));
        if !self.labels.is_empty() {
            let labels: Vec<String> = self.labels.iter().map(|(l, n)| format!("{l} {n}")).collect();
            out.push(format!("Labels: {}.", labels.join(", ")));
        }
        out.extend(self.notes.iter().cloned());
        out
    }
}

impl core::fmt::Display for DoctorReport {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.sentences().iter().try_for_each(|sentence| writeln!(f, "{sentence}"))
    }
}
