//! A recording that grows in the session, and the marks that a person puts on any recording.
//!
//! ```text
//! live_begin ─> waiting ── first frame ─> the open recording, growing ── live_end ─> recorded
//! ```
//!
//! The recording that was open stays until the first frame has come. While it grows, everything
//! that can be asked of a recording can be asked of it. Opening a file ends a live recording.

use serde::Serialize;
use std::collections::BTreeMap;

use super::attention::Ongoing;
use super::{LabError, Open, RecordingView, Result, Session};
use crate::labels::{Interval, LabelFile, LabelSet, LabelsError};
use crate::recording::{Grown, Limits, Live, LiveSource, Recording, Stream};

/// A live recording under way.
pub(super) struct Running {
    live: Live,
    device: String,
    /// Whether its first frame came, so that it is the open recording.
    shown: bool,
    /// Grows whenever more changed than the number of frames.
    revision: u64,
}

/// How a live recording comes on.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveView {
    /// Changes when the recording must be looked at anew: stream, order, subcarriers, times. 0
    /// until the first frame: what is open is still another recording.
    pub revision: u64,
    /// Frames of the selected stream.
    pub frames: usize,
    /// CSI frames of all streams.
    pub all_frames: u64,
    /// From the first to the last frame of the selected stream, in seconds.
    pub span_s: f64,
    /// Its mean rate in hertz.
    pub rate_hz: Option<f64>,
    /// Bytes that came.
    pub bytes: u64,
    /// How many of these came before the recording's first byte; `None` until that came.
    pub begins_at: Option<u64>,
    /// Lines left out, by the code of the reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// `true` once the memory for frames is full: it grows no more.
    pub full: bool,
}

/// A mark on the selected stream's time axis.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MarkView {
    /// When it starts, in seconds after the stream's first frame.
    pub start_s: f64,
    /// When it ends.
    pub end_s: f64,
    /// Its name.
    pub name: String,
}

impl Session {
    /// Begins a live recording; `device` is what the badge names. One under way is dropped.
    pub fn live_begin(&mut self, name: &str, device: &str, source: LiveSource, limits: Limits) {
        let live = Live::new(name, source, limits);
        self.running = Some(Running { live, device: device.to_owned(), shown: false, revision: 0 });
    }

    /// Takes the next bytes of a board's serial output. `now_micros` is the caller's monotonic
    /// clock.
    ///
    /// # Errors
    ///
    /// [`LabError::NotLive`]. Damaged lines are counted, never an error.
    pub fn live_push(&mut self, bytes: &[u8], now_micros: u64) -> Result<LiveView> {
        let running = self.running.as_mut().ok_or(LabError::NotLive)?;
        let shown = self.open.as_mut().filter(|_| running.shown);
        let grown = running.live.push(bytes, now_micros, shown.map(|open| &mut open.recording));
        match grown {
            Grown::Nothing => {}
            Grown::Frames => {
                if let Some(open) = &mut self.open {
                    open.lengthen();
                }
            }
            Grown::Anew(recording) => {
                running.revision += 1;
                let first = !core::mem::replace(&mut running.shown, true);
                if first {
                    self.open = Some(Open::new(*recording)?);
                    self.marks = LabelSet::default();
                } else if let Some(open) = &mut self.open {
                    open.renew(*recording);
                }
                self.ongoing = Ongoing::default();
            }
        }
        self.live()
    }

    /// Says how the live recording comes on.
    ///
    /// # Errors
    ///
    /// [`LabError::NotLive`].
    pub fn live(&self) -> Result<LiveView> {
        let running = self.running.as_ref().ok_or(LabError::NotLive)?;
        let progress = running.live.progress();
        let stream = self.open.as_ref().filter(|_| running.shown).map(Open::stream);
        Ok(LiveView {
            revision: running.revision,
            frames: stream.map_or(0, Stream::len),
            all_frames: progress.frames,
            span_s: stream.and_then(Stream::span_s).unwrap_or(0.0),
            rate_hz: stream.and_then(Stream::rate_hz),
            bytes: progress.bytes,
            begins_at: running.live.begins_at(),
            skipped: running.live.skipped().collect(),
            full: progress.full,
        })
    }

    /// Ends the live recording, which stays open as a recording. Marks stay on their frames.
    ///
    /// # Errors
    ///
    /// [`LabError::NotLive`]; [`LabError::Refusal`] if no frame came: what was open stays.
    pub fn live_end(&mut self) -> Result<RecordingView> {
        let running = self.running.take().ok_or(LabError::NotLive)?;
        let recording = running.live.finish()?;
        match &mut self.open {
            Some(open) if running.shown => {
                self.marks = moved(&self.marks, open.stream(), &recording);
                open.renew(recording);
            }
            // An unfinished last line can hold the only frame.
            open => {
                *open = Some(Open::new(recording)?);
                self.marks = LabelSet::default();
            }
        }
        self.ongoing = Ongoing::default();
        self.recording()
    }

    /// The device that the open recording comes from, while it grows.
    pub(super) fn live_device(&self) -> Option<&str> {
        self.running.as_ref().filter(|running| running.shown).map(|running| &*running.device)
    }

    /// The marks on the open recording, on the selected stream's axis.
    ///
    /// # Errors
    ///
    /// [`LabError::NoRecording`].
    pub fn marks(&self) -> Result<Vec<MarkView>> {
        let start = self.opened()?.stream().start_micros;
        let seconds = |micros: i64| (micros - start) as f64 / 1e6;
        let marks = self.marks.intervals().iter().map(|interval| MarkView {
            start_s: seconds(interval.start_micros),
            end_s: seconds(interval.end_micros),
            name: interval.label.clone(),
        });
        Ok(marks.collect())
    }

    /// The same on the recording's own axis: what a trainer reads.
    pub fn label_set(&self) -> &LabelSet {
        &self.marks
    }

    /// Adds a mark, or puts it in the place of mark `index`; what it covers of others is taken from
    /// them.
    ///
    /// # Errors
    ///
    /// [`LabError::NoRecording`]; [`LabError::Labels`].
    pub fn mark(
        &mut self,
        index: Option<usize>,
        (start_s, end_s): (f64, f64),
        name: &str,
    ) -> Result<Vec<MarkView>> {
        let start = self.opened()?.stream().start_micros;
        let micros = |seconds: f64| ((seconds * 1e6).round() as i64).saturating_add(start);
        let interval = Interval {
            start_micros: micros(start_s),
            end_micros: micros(end_s),
            label: name.to_owned(),
        };
        match index {
            None => self.marks.add(interval)?,
            Some(index) => self.marks.replace(index, interval)?,
        };
        self.marks()
    }

    /// Takes a mark away.
    ///
    /// # Errors
    ///
    /// [`LabError::NoRecording`]; [`LabError::Labels`].
    pub fn unmark(&mut self, index: usize) -> Result<Vec<MarkView>> {
        self.opened()?;
        self.marks.remove(index)?;
        self.marks()
    }

    /// Opens a label file for the open recording, in place of its marks. The second value is
    /// `false` if it was made for a recording with another number of frames.
    ///
    /// # Errors
    ///
    /// [`LabError::NoRecording`]; [`LabError::Labels`]: the marks stay.
    pub fn labels_open(&mut self, bytes: &[u8]) -> Result<(Vec<MarkView>, bool)> {
        let open = self.opened()?;
        let file = LabelFile::parse(bytes)?;
        let fits = file.fits(&open.recording);
        self.marks = file.labels;
        Ok((self.marks()?, fits))
    }

    /// Writes the marks as the label file of the open recording.
    ///
    /// # Errors
    ///
    /// [`LabError::NoRecording`].
    pub fn labels_json(&self) -> Result<String> {
        let recording = &self.opened()?.recording;
        Ok(self.marks.to_json(&recording.name, recording.report.frames))
    }
}

/// Marks of a recording that grew, for the one that it became. Times of arrival are gone with its
/// end: such marks go where their frames went.
fn moved(marks: &LabelSet, from: &Stream, to: &Recording) -> LabelSet {
    let Some(to) = to.streams.iter().find(|stream| from.by_arrival() && stream.is(from)) else {
        return marks.clone();
    };
    let mut set = LabelSet::default();
    for span in marks.frames(from) {
        let micros = |frame: usize| {
            let frame = frame.min(to.len().saturating_sub(1));
            to.start_micros.saturating_add(to.time_micros(frame))
        };
        let (start_micros, end_micros) = (micros(span.first_frame), micros(span.end_frame));
        // A mark of one frame at the very end has no length left.
        let _: core::result::Result<usize, LabelsError> =
            set.add(Interval { start_micros, end_micros, label: span.label });
    }
    set
}

impl Open {
    /// Takes up the frames that the selected stream has more than before.
    fn lengthen(&mut self) {
        let stream = &self.recording.streams[self.selected];
        let new = self.times_s.len()..stream.len();
        self.times_s.extend(new.map(|frame| stream.time_micros(frame) as f64 / 1e6));
    }

    /// Goes on with the same recording looked at anew. A stream that was chosen stays chosen, with
    /// order and mask as long as its frames have the same pairs.
    fn renew(&mut self, recording: Recording) {
        let known = recording.streams.iter().position(|stream| stream.is(self.stream()));
        let selected = known.filter(|_| self.chosen).unwrap_or(recording.default_stream);
        if known != Some(selected) {
            (self.order, self.mask) = (None, None);
        }
        self.selected = selected.min(recording.streams.len().saturating_sub(1));
        self.recording = recording;
        self.refresh();
    }
}
