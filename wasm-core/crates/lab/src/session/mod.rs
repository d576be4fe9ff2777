//! A session: one recording, one model, one pipeline, and every question the rooms ask of them.
//!
//! ```text
//!  open ─> Selected (stream, useful pairs, times) ─┬─> views     rasters and series
//!                                                  └─> features ─┐
//!  model (blob, head) ───────────────────────────────────────────┴─> attention
//! ```
//!
//! A failed request changes nothing: a file that is refused leaves the old recording, a bad blob
//! the old model. It owns no clock (kernel times come from the caller's) and draws nothing but
//! rasters. What JavaScript sees of it is `wasm-core`'s business.

mod attention;
mod board;
mod error;
mod features;
mod live;
mod model;
mod views;

use serde::Serialize;

use crate::labels::LabelSet;
use crate::recording::{
    Decoder, DoctorReport, Field, Limits, Order, Progress, Recording, Role, Stream, StreamKind,
    SubcarrierMap,
};

pub use attention::{
    AttentionAsk, AttentionView, Classification, Logits, MAGNITUDES, RowEdge, RowView,
};
pub use error::LabError;
pub use features::{FeatureWindow, PipelineAsk, PipelineView, Removal, Window};
pub use live::{LiveView, MarkView};
pub use model::{Conversion, ModelAsk, NodeChoices};
pub use views::{Quantity, SpectrumView, WaterfallAsk, WaterfallKind};

use attention::Ongoing;
use features::FeatureRows;
use live::Running;
use model::Model;
use views::Scales;

/// What every method returns.
pub type Result<T> = core::result::Result<T, LabError>;

/// One recording, one model, one pipeline.
#[derive(Default)]
pub struct Session {
    opening: Option<Decoder>,
    open: Option<Open>,
    running: Option<Running>,
    /// The user's labels on the open recording.
    marks: LabelSet,
    pipeline: Option<PipelineAsk>,
    model: Option<Model>,
    ongoing: Ongoing,
}

/// An open recording and what was chosen of it.
struct Open {
    recording: Recording,
    selected: usize,
    /// Whether the user chose the stream.
    chosen: bool,
    order: Option<Order>,
    mask: Option<Vec<u16>>,
    map: SubcarrierMap,
    /// Pair positions, ascending in frequency.
    useful: Vec<u16>,
    times_s: Vec<f64>,
    median_period_s: f64,
    /// The mean rate when all frames were looked at: it does not drift while a recording grows.
    rate_hz: f64,
    scales: Scales,
    features: Option<FeatureRows>,
    /// Rows as a board gets them, by the pipeline that its model states.
    for_board: Option<FeatureRows>,
}

/// What the page shows of an open recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordingView {
    /// The file's name.
    pub name: String,
    /// `RECORDED`; `LIVE` while it grows; `SIMULATED BOARD`; `SYNTHETIC` where the file says that
    /// frames were made up.
    pub source: &'static str,
    /// The device that a live recording comes from.
    pub device: Option<String>,
    /// Frames of the selected stream.
    pub frames: usize,
    /// From its first frame to its last, in seconds.
    pub span_s: f64,
    /// Its mean rate in hertz; `None` without a clock.
    pub rate_hz: Option<f64>,
    /// All streams.
    pub streams: Vec<StreamView>,
    /// Which of them is selected.
    pub selected: usize,
    /// Pairs (or amplitudes) in a frame.
    pub pairs: usize,
    /// Order of the subcarriers.
    pub order: &'static str,
    /// What decided the order.
    pub order_decided_by: &'static str,
    /// Whether the stream has a phase.
    pub has_phase: bool,
    /// Whether at least one frame has an RSSI.
    pub has_rssi: bool,
    /// Stretches of equal labels.
    pub labels: Vec<LabelView>,
    /// Where the times come from.
    pub clock: String,
}

/// One stream in the list.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamView {
    /// Its name.
    pub name: String,
    /// Its frames.
    pub frames: usize,
    /// Its mean rate in hertz.
    pub rate_hz: Option<f64>,
    /// Numbers in a frame.
    pub values: usize,
    /// What the numbers are.
    pub kind: StreamKind,
}

/// A stretch of frames with the same label.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelView {
    /// Time of its first frame in seconds.
    pub start_s: f64,
    /// Time of its last frame in seconds.
    pub end_s: f64,
    /// The label.
    pub name: String,
}

/// One pair in the subcarrier map.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubcarrierView {
    /// Its position in a frame.
    pub pair: usize,
    /// Its subcarrier index.
    pub k: Option<i16>,
    /// What it is good for.
    pub role: Role,
    /// The training field it was measured on.
    pub field: Field,
    /// Whether features are made from it.
    pub useful: bool,
}

impl Session {
    /// Starts with nothing open.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a file. The open recording stays until [`Session::open_finish`] succeeds.
    pub fn open_begin(&mut self, name: &str) {
        self.opening = Some(Decoder::new(name, Limits::default()));
    }

    /// Takes the next bytes of the file.
    ///
    /// # Errors
    ///
    /// [`LabError::NotOpening`]; [`LabError::Refusal`] as soon as it is certain, which ends the
    /// opening.
    pub fn open_push(&mut self, bytes: &[u8]) -> Result<Progress> {
        let decoder = self.opening.as_mut().ok_or(LabError::NotOpening)?;
        match decoder.push(bytes) {
            Ok(()) => Ok(decoder.progress()),
            Err(refusal) => {
                self.opening = None;
                Err(refusal.into())
            }
        }
    }

    /// Ends the file and makes it the open recording. A live recording under way ends with it.
    ///
    /// # Errors
    ///
    /// [`LabError::NotOpening`]; [`LabError::Refusal`], which ends the opening.
    pub fn open_finish(&mut self) -> Result<RecordingView> {
        let recording = self.opening.take().ok_or(LabError::NotOpening)?.finish()?;
        self.open = Some(Open::new(recording)?);
        (self.running, self.marks) = (None, LabelSet::default());
        self.ongoing = Ongoing::default();
        self.adopt_models_pairs();
        self.recording()
    }

    /// Drops the file that is being opened.
    pub fn open_cancel(&mut self) {
        self.opening = None;
    }

    /// Describes the open recording.
    ///
    /// # Errors
    ///
    /// [`LabError::NoRecording`].
    pub fn recording(&self) -> Result<RecordingView> {
        let mut view = self.opened()?.view();
        view.device = self.live_device().map(str::to_owned);
        Ok(view)
    }

    /// Selects a stream. Order and mask go back to automatic.
    ///
    /// # Errors
    ///
    /// [`LabError::NoRecording`]; [`LabError::Stream`].
    pub fn select_stream(&mut self, index: usize) -> Result<RecordingView> {
        let open = self.opened_mut()?;
        let count = open.recording.streams.len();
        if index >= count {
            return Err(LabError::Stream { index, count });
        }
        (open.selected, open.order, open.mask) = (index, None, None);
        open.chosen = true;
        open.refresh();
        self.ongoing = Ongoing::default();
        self.recording()
    }

    /// Says in which order the subcarriers are stored; `None` goes back to what the file tells.
    /// The mask goes back to automatic, because positions mean other subcarriers now.
    ///
    /// # Errors
    ///
    /// [`LabError::NoRecording`].
    pub fn set_order(&mut self, order: Option<Order>) -> Result<RecordingView> {
        let open = self.opened_mut()?;
        (open.order, open.mask) = (order, None);
        open.refresh();
        self.ongoing = Ongoing::default();
        self.recording()
    }

    /// Chooses which pairs features are made from; `None` goes back to automatic.
    ///
    /// # Errors
    ///
    /// [`LabError::NoRecording`]; [`LabError::EmptyMask`]; [`LabError::Pair`].
    pub fn set_mask(&mut self, pairs: Option<&[u16]>) -> Result<RecordingView> {
        let open = self.opened_mut()?;
        let count = open.map.subcarriers.len();
        if let Some(pairs) = pairs {
            if pairs.is_empty() {
                return Err(LabError::EmptyMask);
            }
            if let Some(pair) = pairs.iter().copied().find(|pair| usize::from(*pair) >= count) {
                return Err(LabError::Pair { index: usize::from(pair), count });
            }
        }
        open.mask = pairs.map(<[u16]>::to_vec);
        open.refresh();
        self.ongoing = Ongoing::default();
        self.recording()
    }

    /// The doctor's report.
    ///
    /// # Errors
    ///
    /// [`LabError::NoRecording`].
    pub fn doctor(&self) -> Result<&DoctorReport> {
        Ok(&self.opened()?.recording.report)
    }

    /// The times of the selected stream's frames from `first` on, in microseconds after its first.
    ///
    /// # Errors
    ///
    /// [`LabError::NoRecording`].
    pub fn times_micros(&self, first: usize) -> Result<Vec<f64>> {
        let stream = self.opened()?.stream();
        Ok((first..stream.len()).map(|frame| stream.time_micros(frame) as f64).collect())
    }

    /// The subcarrier map, in the order of the frame.
    ///
    /// # Errors
    ///
    /// [`LabError::NoRecording`].
    pub fn subcarriers(&self) -> Result<Vec<SubcarrierView>> {
        let open = self.opened()?;
        let view = |(pair, subcarrier): (usize, &crate::recording::Subcarrier)| SubcarrierView {
            pair,
            k: subcarrier.index,
            role: subcarrier.role,
            field: subcarrier.field,
            useful: open.useful.iter().any(|useful| usize::from(*useful) == pair),
        };
        Ok(open.map.subcarriers.iter().enumerate().map(view).collect())
    }

    fn opened(&self) -> Result<&Open> {
        self.open.as_ref().ok_or(LabError::NoRecording)
    }

    fn opened_mut(&mut self) -> Result<&mut Open> {
        self.open.as_mut().ok_or(LabError::NoRecording)
    }
}

impl Open {
    fn new(recording: Recording) -> Result<Self> {
        let selected = recording.default_stream;
        let count = recording.streams.len();
        let map = recording
            .streams
            .get(selected)
            .ok_or(LabError::Stream { index: selected, count })?
            .map
            .clone();
        let mut open = Self {
            recording,
            selected,
            chosen: false,
            order: None,
            mask: None,
            map,
            useful: Vec::new(),
            times_s: Vec::new(),
            median_period_s: 0.0,
            rate_hz: 0.0,
            scales: Scales::default(),
            features: None,
            for_board: None,
        };
        open.refresh();
        Ok(open)
    }

    fn stream(&self) -> &Stream {
        &self.recording.streams[self.selected]
    }

    /// Computes everything that follows from stream, order and mask.
    fn refresh(&mut self) {
        let stream = &self.recording.streams[self.selected];
        self.map =
            self.order.map_or_else(|| stream.map.clone(), |order| stream.map.with_order(order));
        self.useful = match &self.mask {
            None => self.map.useful(),
            Some(mask) => {
                let mut pairs = mask.clone();
                pairs.sort_by_key(|pair| {
                    (self.map.subcarriers.get(usize::from(*pair)).and_then(|s| s.index), *pair)
                });
                pairs.dedup();
                pairs
            }
        };
        self.times_s =
            (0..stream.len()).map(|frame| stream.time_micros(frame) as f64 / 1e6).collect();
        let mut periods: Vec<f64> = self.times_s.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let middle = periods.len() / 2;
        self.median_period_s = if periods.is_empty() {
            0.0
        } else {
            *periods.select_nth_unstable_by(middle, f64::total_cmp).1
        };
        self.rate_hz = stream.rate_hz().unwrap_or(0.0);
        self.scales = Scales::default();
        (self.features, self.for_board) = (None, None);
    }

    fn view(&self) -> RecordingView {
        let stream = self.stream();
        let streams = self.recording.streams.iter().map(|stream| StreamView {
            name: stream.name.clone(),
            frames: stream.len(),
            rate_hz: stream.rate_hz(),
            values: stream.values_per_frame,
            kind: stream.kind,
        });
        let labels = stream.label_spans().into_iter().map(|span| LabelView {
            start_s: span.start_micros as f64 / 1e6,
            end_s: span.end_micros as f64 / 1e6,
            name: span.label,
        });
        RecordingView {
            name: self.recording.name.clone(),
            source: self.recording.report.source,
            device: None,
            frames: stream.len(),
            span_s: self.times_s.last().copied().unwrap_or(0.0),
            rate_hz: stream.rate_hz(),
            streams: streams.collect(),
            selected: self.selected,
            pairs: self.map.subcarriers.len(),
            order: self.map.order.name(),
            order_decided_by: self.map.decided_by.sentence(),
            has_phase: stream.kind == StreamKind::Iq,
            has_rssi: (0..stream.len()).any(|frame| stream.rssi_dbm(frame).is_some()),
            labels: labels.collect(),
            clock: if stream.by_arrival() {
                "times of arrival here: the lines have no clock that runs".to_string()
            } else if stream.has_clock {
                "times from the recording's clock".to_string()
            } else {
                format!(
                    "no clock in the file: times assume {} frames a second",
                    stream.assumed_rate_hz
                )
            },
        }
    }
}
