//! A model at work: what brings rows into its window, and what answers come out.

use crate::model::Weights;
use crate::output::Output;
use crate::protocol::{Logits, Numbers, Reply, Settings};
use crate::stats::count;
use crate::{Config, Model, ModelInfo, NodeError, Stats};
use alloc::boxed::Box;
use alloc::vec::Vec;
use csi_temporal::feature::{Extractor, FeatureRow, MAX_RATE_HZ, MAX_USEFUL, PipelineConfig};
use csi_temporal::frame::{CsiFrame, CsiValues};
use csi_temporal::packet::{Classification, Packet};

/// A model, and what brings rows into its window.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub model: Model,
    feeds: Feeds,
    pub period_rows: usize,
    /// Rows since the last classification; starts at the period, as the first is due at once.
    since: usize,
    /// Time of the newest row or frame, in its sender's clock.
    time_micros: i64,
}

/// What makes rows. Both depend on the blob alone.
#[derive(Clone, Debug)]
pub(crate) struct Feeds {
    /// Makes rows of CSI frames, if the blob says how.
    pipeline: Option<Box<Extractor>>,
    /// Resamples rows to the blob's rate, if it states one.
    grid: Option<Box<Extractor>>,
}

impl Feeds {
    pub fn new(weights: &Weights, settings: Settings) -> Result<Self, NodeError> {
        let pipeline = weights.pipeline.as_ref().map(extractor).transpose()?;
        Ok(Self { pipeline, grid: grid(settings, &weights.info)? })
    }
}

#[inline(never)] // as in `model`, large values go to the heap in functions of their own
fn extractor(config: &PipelineConfig) -> Result<Box<Extractor>, NodeError> {
    Ok(Box::new(Extractor::new(config.clone())?))
}

#[inline(never)]
fn grid(settings: Settings, info: &ModelInfo) -> Result<Option<Box<Extractor>>, NodeError> {
    if settings.rows_as_they_come { Ok(None) } else { Ok(resampler(info)?.map(Box::new)) }
}

/// Returns a pipeline that does nothing but bring rows to the rate that a model was trained at;
/// `None` for a model that states no rate. It takes rows as
/// [`CsiValues::Amplitude`](csi_temporal::frame::CsiValues::Amplitude).
///
/// # Errors
///
/// [`NodeError::Feature`].
pub fn resampler(info: &ModelInfo) -> Result<Option<Extractor>, NodeError> {
    let rate_hz = info.rate_hz;
    let is_possible = rate_hz > 0.0 && rate_hz <= MAX_RATE_HZ && info.feature_dim <= MAX_USEFUL;
    if !is_possible {
        return Ok(None);
    }
    let useful = (0..info.feature_dim as u16).collect();
    Ok(Some(Extractor::new(PipelineConfig { useful, rate_hz, ..PipelineConfig::default() })?))
}

fn period_rows(settings: Settings, info: &ModelInfo) -> usize {
    match settings.period_rows {
        0 if info.rate_hz > 0.0 => ((info.rate_hz + 0.5) as usize).max(1),
        0 => info.window_rows.div_ceil(2).max(1),
        rows => usize::from(rows),
    }
}

impl Loaded {
    #[inline(never)]
    pub fn new(
        weights: Box<Weights>,
        feeds: Feeds,
        settings: Settings,
    ) -> Result<Box<Self>, NodeError> {
        let period_rows = period_rows(settings, &weights.info);
        let model = Model::new(weights)?;
        Ok(Box::new(Self { model, feeds, period_rows, since: period_rows, time_micros: 0 }))
    }

    /// Takes other weights, see [`Model::replace`].
    #[inline(never)]
    pub fn exchange(
        &mut self,
        weights: Box<Weights>,
        feeds: Feeds,
        settings: Settings,
    ) -> Result<(), NodeError> {
        let period_rows = period_rows(settings, &weights.info);
        let result = self.model.exchange(weights);
        if result.is_ok() {
            (self.feeds, self.period_rows) = (feeds, period_rows);
        }
        self.forget();
        result
    }

    /// Follows changed settings. The rows stay.
    pub fn configure(&mut self, settings: Settings) -> Result<(), NodeError> {
        let info = self.model.info();
        if settings.rows_as_they_come != self.feeds.grid.is_none() {
            self.feeds.grid = grid(settings, &info)?;
        }
        self.period_rows = period_rows(settings, &info);
        Ok(())
    }

    /// Forgets all rows and frames.
    pub fn forget(&mut self) {
        self.model.clear();
        let feeds = self.feeds.pipeline.iter_mut().chain(&mut self.feeds.grid);
        feeds.for_each(|feed| feed.reset());
        self.since = self.period_rows;
    }

    /// Tells whether CSI can be taken.
    pub fn takes_csi(&self) -> bool {
        self.feeds.pipeline.is_some()
    }

    /// Takes a feature row.
    pub fn take_row(
        &mut self,
        now_micros: u64,
        time_micros: i64,
        values: &[f32],
        answers: &mut Answers,
    ) -> Result<(), NodeError> {
        self.model.check(values)?;
        let Self { model, feeds, since, .. } = self;
        let mut window = Window { model, since, answers, is_held: false, result: Ok(()) };
        match &mut feeds.grid {
            None => window.take(FeatureRow { time_micros, values, held: false, starts: false }),
            Some(grid) => {
                let values = CsiValues::Amplitude(values);
                let frame = CsiFrame { time_micros, values, rssi_dbm: None };
                window.take_from(grid, &frame)?;
            }
        }
        let (result, is_held) = (window.result, window.is_held);
        result?;
        self.time_micros = time_micros;
        self.answer_if_due(now_micros, is_held, answers)
    }

    /// Takes a frame of CSI or a feature state.
    pub fn take_frame(
        &mut self,
        now_micros: u64,
        frame: &CsiFrame<'_>,
        answers: &mut Answers,
    ) -> Result<(), NodeError> {
        let Self { model, feeds, since, .. } = self;
        let pipeline = feeds.pipeline.as_mut().ok_or(NodeError::NoPipeline)?;
        let mut window = Window { model, since, answers, is_held: false, result: Ok(()) };
        window.take_from(pipeline, frame)?;
        let (result, is_held) = (window.result, window.is_held);
        result?;
        self.time_micros = frame.time_micros;
        self.answer_if_due(now_micros, is_held, answers)
    }

    /// At most one classification for each frame that comes in, however many rows it brought.
    fn answer_if_due(
        &mut self,
        now_micros: u64,
        is_held: bool,
        answers: &mut Answers,
    ) -> Result<(), NodeError> {
        if !self.model.is_ready() || self.since < self.period_rows {
            return Ok(());
        }
        if is_held && answers.settings.hold_when_slow {
            self.since = 0;
            count(&mut answers.stats.held_back, 1);
            return Ok(());
        }
        self.answer(now_micros, answers)
    }

    /// Classifies and sends what came out.
    pub fn answer(&mut self, now_micros: u64, answers: &mut Answers) -> Result<(), NodeError> {
        self.since = 0;
        let time_micros = self.time_micros;
        let (info, held) = (self.model.info(), self.model.held() as u16);
        let rows = if info.is_streaming { 0 } else { self.model.len() as u16 };
        let read_clock = || answers.clock.map_or(0, |clock| clock());
        let start = read_clock();
        let logits = self.model.classify()?;
        let took_micros = read_clock().saturating_sub(start);
        answers.send_classification(now_micros, took_micros, logits);
        if answers.settings.send_logits {
            let (sequence, logits) = (answers.sequence, Numbers::Floats(logits));
            let logits = Logits { sequence, time_micros, rows, held, logits };
            answers.send(&Reply::Logits(logits));
        }
        Ok(())
    }
}

/// Where the rows of one frame go.
struct Window<'a> {
    model: &'a mut Model,
    since: &'a mut usize,
    answers: &'a mut Answers,
    /// Whether the last row was held.
    is_held: bool,
    result: Result<(), NodeError>,
}

impl Window<'_> {
    fn take_from(&mut self, source: &mut Extractor, frame: &CsiFrame<'_>) -> Result<(), NodeError> {
        let skipped = |source: &Extractor| {
            let counts = source.counts();
            counts.duplicate_times + counts.backward_times
        };
        let before = skipped(source);
        source.push(frame, &mut |row| self.take(row))?;
        let more = (skipped(source) - before) as usize;
        count(&mut self.answers.stats.out_of_order, more);
        Ok(())
    }

    fn take(&mut self, row: FeatureRow<'_>) {
        let stats = &mut self.answers.stats;
        if row.starts && !self.model.is_empty() {
            self.model.clear();
            count(&mut stats.breaks, 1);
        }
        let pushed = self.model.push(row.values, row.held);
        if pushed.is_ok() {
            *self.since = self.since.saturating_add(1);
            count(&mut stats.rows, 1);
            count(&mut stats.held, usize::from(row.held));
            self.is_held = row.held;
        }
        self.result = self.result.and(pushed);
    }
}

/// What goes out, and what is counted on the way.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    pub output: Output,
    pub stats: Stats,
    pub settings: Settings,
    clock: Option<fn() -> u64>,
    /// The last classification's number.
    sequence: u32,
    packet: Vec<u8>,
}

impl Answers {
    pub fn new(config: &Config) -> Self {
        Self {
            output: Output::new(),
            stats: Stats::default(),
            settings: config.settings,
            clock: config.clock,
            sequence: 0,
            packet: Vec::with_capacity(64),
        }
    }

    pub fn send(&mut self, reply: &Reply<'_>) {
        if !self.output.send(reply) {
            count(&mut self.stats.output_dropped, 1);
        }
    }

    fn send_classification(&mut self, now_micros: u64, took_micros: u64, logits: &[f32]) {
        let took_micros = u32::try_from(took_micros).unwrap_or(u32::MAX);
        count(&mut self.stats.classifications, 1);
        self.stats.last_classify_micros = took_micros;
        self.stats.longest_classify_micros = self.stats.longest_classify_micros.max(took_micros);
        self.sequence = self.sequence.wrapping_add(1);
        let packet = classification(logits, self.settings.node, now_micros, self.sequence);
        let packet = Packet::Classification(packet);
        let mut bytes = core::mem::take(&mut self.packet);
        // A classification has no list that could be too long.
        if packet.encode_into(&mut bytes).is_ok() {
            self.send(&Reply::Packet(&bytes));
        }
        self.packet = bytes;
    }
}

/// Says in a packet what logits mean: the first class with the highest logit, that logit, and by
/// how much it beats the next one.
pub fn classification(logits: &[f32], node: u8, time_micros: u64, sequence: u32) -> Classification {
    let (mut class, mut top_logit, mut second) = (0, f32::NEG_INFINITY, f32::NEG_INFINITY);
    for (index, &logit) in logits.iter().enumerate() {
        if logit > top_logit {
            (class, second, top_logit) = (index as u8, top_logit, logit);
        } else if logit > second {
            second = logit;
        }
    }
    let classes = logits.len() as u16;
    let margin = top_logit - second;
    Classification { classes, node, time_micros, sequence, class, top_logit, margin }
}
