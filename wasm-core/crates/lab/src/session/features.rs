//! Feature rows of the selected stream, made once and kept.
//!
//! Rows are made in order from the first frame on, as the node makes them, and only as far as the
//! cursor has been. What the pipeline's steps do is `csi_temporal::feature`'s business.

use serde::{Deserialize, Serialize};

use csi_temporal::feature::{Extractor, FeatureSource, MeanRemoval, PipelineConfig};

use super::{LabError, Open, Result, Session};
use crate::colour::ColourMap;
use crate::device::{Rows, RowsWanted};
use crate::raster::{Raster, finite_range};
use crate::recording::{Stream, StreamKind};

/// The most numbers kept: 128 MiB.
const MAX_NUMBERS: usize = 32 << 20;
/// The most rows that are handed out at once.
const MAX_PART_ROWS: usize = 1 << 16;
/// Bands in the default pipeline: what the default model reads.
const DEFAULT_BANDS: u16 = 16;
/// Of a running mean that was not asked for, in seconds.
const DEFAULT_TIME_CONSTANT_S: f32 = 2.0;
/// The rates that the default pipeline chooses from.
const DEFAULT_RATES_HZ: [f32; 6] = [50.0, 25.0, 20.0, 10.0, 5.0, 2.0];

/// How the slow part of each feature is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Removal {
    /// It stays.
    None,
    /// The mean over the window is subtracted.
    Window,
    /// A running mean is subtracted.
    Exponential,
}

/// The pipeline as it is asked for; the useful pairs come from the recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PipelineAsk {
    /// Number of bands; 0 keeps every useful pair.
    pub bands: u16,
    /// Whether each frame is divided by its mean.
    pub divide_by_mean: bool,
    /// How the slow part is taken away.
    pub mean_removal: Removal,
    /// Of the running mean, in seconds.
    pub time_constant_s: f32,
    /// Rows a second; 0 makes one of each frame.
    pub rate_hz: f32,
    /// Lags of difference features, in rows.
    pub lags: Vec<u16>,
    /// Whether absolute differences are added.
    pub lag_absolute: bool,
}

impl PipelineAsk {
    /// Returns what a pipeline asks for, without its useful pairs.
    pub fn of_config(config: &PipelineConfig) -> Self {
        let (mean_removal, time_constant_s) = match config.mean_removal {
            MeanRemoval::None => (Removal::None, DEFAULT_TIME_CONSTANT_S),
            MeanRemoval::Window => (Removal::Window, DEFAULT_TIME_CONSTANT_S),
            MeanRemoval::Exponential { time_constant_s } => (Removal::Exponential, time_constant_s),
        };
        Self {
            bands: config.bands,
            divide_by_mean: config.divide_by_mean,
            mean_removal,
            time_constant_s,
            rate_hz: config.rate_hz,
            lags: config.lags.clone(),
            lag_absolute: config.lag_absolute,
        }
    }

    /// Returns the pipeline for a stream's kind and useful pairs. A feature state has no
    /// subcarriers: the steps that need them are left out.
    pub fn config(&self, kind: StreamKind, useful: &[u16]) -> PipelineConfig {
        let is_state = kind == StreamKind::FeatureState;
        PipelineConfig {
            source: if is_state { FeatureSource::FeatureState } else { FeatureSource::Csi },
            useful: if is_state { Vec::new() } else { useful.to_vec() },
            bands: if is_state { 0 } else { self.bands },
            divide_by_mean: self.divide_by_mean && !is_state,
            mean_removal: match self.mean_removal {
                Removal::None => MeanRemoval::None,
                Removal::Window => MeanRemoval::Window,
                Removal::Exponential => {
                    MeanRemoval::Exponential { time_constant_s: self.time_constant_s }
                }
            },
            rate_hz: self.rate_hz,
            lags: self.lags.clone(),
            lag_absolute: self.lag_absolute,
        }
    }
}

/// The pipeline with what it comes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PipelineView {
    /// What was asked for.
    #[serde(flatten)]
    pub ask: PipelineAsk,
    /// Numbers in a row.
    pub feature_dim: usize,
    /// Numbers that the open model reads; 0 without a model.
    pub model_input_dim: usize,
    /// Whether the two are equal.
    pub matches: bool,
    /// Each step as a sentence.
    pub steps: Vec<String>,
    /// Useful pairs.
    pub useful_count: usize,
    /// Rows so far that were interpolated across a gap.
    pub held_rows: u64,
    /// Frames so far that the pipeline could not read.
    pub refused_frames: u64,
}

/// A window of feature rows as a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureWindow {
    /// Time from left to right, the last feature at the top.
    pub raster: Raster,
    /// Time of the first row.
    pub first_s: f64,
    /// Time of the last row.
    pub last_s: f64,
    /// Rows in the window.
    pub rows: usize,
    /// Numbers in a row.
    pub dim: usize,
}

/// The rows made so far.
pub(super) struct FeatureRows {
    extractor: Extractor,
    dim: usize,
    values: Vec<f32>,
    times_s: Vec<f64>,
    /// Rows at which the stream starts anew.
    starts: Vec<usize>,
    next_frame: usize,
    refused: u64,
}

/// The rows that a model reads for one position of the cursor.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Shape `[n, dim]`, oldest first, ready for the head.
    pub values: Vec<f32>,
    /// Times of the rows in seconds.
    pub times_s: Vec<f64>,
    /// Numbers in a row.
    pub dim: usize,
}

impl FeatureRows {
    pub(super) fn new(config: PipelineConfig) -> Result<Self> {
        let dim = config.feature_dim();
        Ok(Self {
            extractor: Extractor::new(config)?,
            dim,
            values: Vec::new(),
            times_s: Vec::new(),
            starts: Vec::new(),
            next_frame: 0,
            refused: 0,
        })
    }

    /// Makes the rows up to a frame. A frame that the pipeline refuses is left out and counted.
    fn advance_to(&mut self, frame: usize, stream: &Stream) -> Result<()> {
        let Self { extractor, values, times_s, starts, .. } = self;
        while self.next_frame <= frame.min(stream.len().saturating_sub(1)) {
            let pushed = extractor.push(&stream.frame(self.next_frame), &mut |row| {
                if row.starts {
                    starts.push(times_s.len());
                }
                times_s.push(row.time_micros as f64 / 1e6);
                values.extend_from_slice(row.values);
            });
            self.refused += u64::from(pushed.is_err());
            self.next_frame += 1;
            if values.len() > MAX_NUMBERS {
                return Err(LabError::TooManyRows { limit: MAX_NUMBERS });
            }
        }
        Ok(())
    }

    /// Whether these are the rows of this pipeline.
    pub(super) fn is_of(&self, config: &PipelineConfig) -> bool {
        self.extractor.config() == config
    }

    /// Rows without a break of the clock inside, as [`Session::board_rows`] hands them out. The
    /// window's mean is left in.
    pub(super) fn part(&mut self, asked: &RowsWanted, stream: &Stream) -> Result<Rows> {
        let time_s = asked.time_micros as f64 / 1e6;
        let most = asked.most.min(MAX_PART_ROWS);
        let mut first = asked.from.map(|from| from as usize);
        loop {
            let is_past = self.times_s.last().is_some_and(|newest| *newest > time_s);
            let is_all = self.next_frame >= stream.len();
            if first.is_none() && (is_past || is_all) {
                let end = self.times_s.partition_point(|time| *time <= time_s);
                first = Some(end.saturating_sub(asked.before.max(1)).max(self.started(end)));
            }
            let enough = first
                .is_some_and(|first| self.times_s.len() - first.min(self.times_s.len()) > most);
            if enough || is_all {
                break;
            }
            self.advance_to(self.next_frame, stream)?;
        }
        let first = first.unwrap_or(0).min(self.times_s.len());
        let next_start = self.starts.partition_point(|start| *start <= first);
        let ends = self.starts.get(next_start).copied().unwrap_or(self.times_s.len());
        let end = ends.min(first + most);
        let micros = |time: &f64| (time * 1e6).round() as i64;
        Ok(Rows {
            first: u32::try_from(first).unwrap_or(u32::MAX),
            starts: first > 0 && self.started(first + 1) == first,
            times_micros: self.times_s[first..end].iter().map(micros).collect(),
            values: self.values[first * self.dim..end * self.dim].to_vec(),
        })
    }

    /// The row with which the clock began anew last before row `end`.
    fn started(&self, end: usize) -> usize {
        let started = self.starts.partition_point(|start| *start < end);
        started.checked_sub(1).map_or(0, |last| self.starts[last])
    }

    /// The last `n` rows not later than `time_s`, never across a break of the clock.
    fn window(&self, time_s: f64, n: usize) -> Result<Window> {
        let end = self.times_s.partition_point(|time| *time <= time_s);
        let first = end.saturating_sub(n).max(self.started(end));
        if first >= end {
            return Err(LabError::NoRows);
        }
        let mut values = self.values[first * self.dim..end * self.dim].to_vec();
        self.extractor.config().finish_window(&mut values);
        Ok(Window { values, times_s: self.times_s[first..end].to_vec(), dim: self.dim })
    }
}

impl Session {
    /// The pipeline in use.
    ///
    /// # Errors
    ///
    /// [`LabError::NoRecording`]; [`LabError::Feature`] when the recording's pairs do not suit it.
    pub fn pipeline(&mut self) -> Result<PipelineView> {
        let ask = self.pipeline_ask()?;
        let model_input_dim = self.model.as_ref().map_or(0, |model| model.blob.feature_dim());
        let open = self.opened_mut()?;
        let config = open.config(&ask);
        config.validate()?;
        let feature_dim = config.feature_dim();
        let rows = open.features.as_ref();
        Ok(PipelineView {
            feature_dim,
            model_input_dim,
            matches: feature_dim == model_input_dim,
            steps: steps(&config, open),
            useful_count: config.useful.len(),
            held_rows: rows.map_or(0, |rows| rows.extractor.counts().held),
            refused_frames: rows.map_or(0, |rows| rows.refused),
            ask,
        })
    }

    /// Chooses a pipeline, for this and later recordings. One whose pairs do not suit it gets the
    /// default pipeline; [`PipelineView::steps`] tells which it is.
    ///
    /// # Errors
    ///
    /// As [`Session::pipeline`]; the old pipeline stays.
    pub fn set_pipeline(&mut self, ask: PipelineAsk) -> Result<PipelineView> {
        self.opened()?.config(&ask).validate()?;
        self.pipeline = Some(ask);
        self.opened_mut()?.features = None;
        self.ongoing = Default::default();
        self.pipeline()
    }

    /// The last `n` feature rows up to a frame, as a picture.
    ///
    /// # Errors
    ///
    /// As [`Session::pipeline`]; [`LabError::Frame`]; [`LabError::NoRows`];
    /// [`LabError::TooManyRows`].
    pub fn feature_window(&mut self, frame: usize, n: usize, dark: bool) -> Result<FeatureWindow> {
        let around_zero = self.pipeline_ask()?.mean_removal != Removal::None;
        let Window { values, times_s, dim } = self.window(frame, n)?;
        let rows = times_s.len();
        let mut picture = Vec::with_capacity(values.len());
        for feature in (0..dim).rev() {
            picture.extend((0..rows).map(|row| values[row * dim + feature]));
        }
        let (min, max) = finite_range(values.iter().copied());
        let raster = if around_zero {
            let most = min.abs().max(max.abs()).max(f32::MIN_POSITIVE);
            Raster::paint(&picture, rows, (-most, most), ColourMap::Vik, dark)
        } else {
            let max = if max > min { max } else { min + 1.0 };
            Raster::paint(&picture, rows, (min, max), ColourMap::Cividis, dark)
        };
        let (first_s, last_s) = (times_s[0], times_s[rows - 1]);
        Ok(FeatureWindow { raster, first_s, last_s, rows, dim })
    }

    /// The last `n` rows up to a frame, ready for the head; fewer near the start.
    ///
    /// # Errors
    ///
    /// As [`Session::feature_window`].
    pub fn window(&mut self, frame: usize, n: usize) -> Result<Window> {
        let ask = self.pipeline_ask()?;
        let open = self.opened_mut()?;
        let count = open.times_s.len();
        if frame >= count {
            return Err(LabError::Frame { index: frame, count });
        }
        let mut rows = match open.features.take() {
            Some(rows) => rows,
            None => FeatureRows::new(open.config(&ask))?,
        };
        let made = rows.advance_to(frame, open.stream());
        let window = made.and_then(|()| rows.window(open.times_s[frame], n));
        open.features = Some(rows);
        window
    }

    /// Takes over the pipeline that the open model states, and its useful pairs.
    pub(super) fn adopt_models_pipeline(&mut self) {
        let Some(config) =
            self.model.as_ref().and_then(|model| model.blob.trailer.pipeline.as_ref())
        else {
            return;
        };
        self.pipeline = Some(PipelineAsk::of_config(config));
        if let Some(open) = &mut self.open {
            open.features = None;
        }
        self.adopt_models_pairs();
    }

    /// Chooses the pairs that the open model's pipeline names, where the open stream has them. An
    /// automatic mask that names the same stays automatic.
    pub(super) fn adopt_models_pairs(&mut self) {
        let config = self.model.as_ref().and_then(|model| model.blob.trailer.pipeline.as_ref());
        let (Some(config), Some(open)) = (config, &mut self.open) else { return };
        let count = open.map.subcarriers.len();
        let has = config.useful.iter().all(|pair| usize::from(*pair) < count);
        let is_state = open.stream().kind == StreamKind::FeatureState;
        if config.useful.is_empty() || is_state || !has || config.useful == open.useful {
            return;
        }
        open.mask = Some(config.useful.clone());
        open.refresh();
    }

    /// The pipeline that was chosen, as long as the recording's pairs suit it; else the default.
    pub(super) fn pipeline_ask(&self) -> Result<PipelineAsk> {
        let open = self.opened()?;
        let fits = |ask: &PipelineAsk| open.config(ask).validate().is_ok();
        let chosen = self.pipeline.clone().filter(fits);
        Ok(chosen.unwrap_or_else(|| open.default_pipeline()))
    }
}

impl Open {
    /// Sixteen bands of frames divided by their mean, the window's mean removed, at the highest
    /// usual rate that the stream reaches.
    fn default_pipeline(&self) -> PipelineAsk {
        let rate = self.rate_hz as f32;
        PipelineAsk {
            bands: DEFAULT_BANDS.min(u16::try_from(self.useful.len()).unwrap_or(DEFAULT_BANDS)),
            divide_by_mean: true,
            mean_removal: Removal::Window,
            time_constant_s: DEFAULT_TIME_CONSTANT_S,
            rate_hz: DEFAULT_RATES_HZ.into_iter().find(|usual| *usual <= rate).unwrap_or(0.0),
            lags: Vec::new(),
            lag_absolute: false,
        }
    }

    pub(super) fn config(&self, ask: &PipelineAsk) -> PipelineConfig {
        ask.config(self.stream().kind, &self.useful)
    }
}

fn steps(config: &PipelineConfig, open: &Open) -> Vec<String> {
    let mut steps = Vec::new();
    match config.source {
        FeatureSource::FeatureState => {
            steps.push("The nine numbers of each feature state.".to_string())
        }
        FeatureSource::Csi => {
            let chosen = if open.mask.is_some() { "chosen by hand" } else { "data and pilots" };
            steps.push(format!("Amplitude of {} subcarriers, {chosen}.", config.useful.len()));
        }
    }
    if config.divide_by_mean {
        steps.push(
            "Divided by the frame's mean, so that the receiver's gain drops out.".to_string(),
        );
    }
    if config.bands > 0 {
        steps.push(format!("Averaged to {} bands of neighbours.", config.bands));
    }
    steps.push(if config.rate_hz > 0.0 {
        format!("Resampled by time to {} rows a second.", config.rate_hz)
    } else {
        "One row for each frame, not resampled.".to_string()
    });
    match config.mean_removal {
        MeanRemoval::None => {}
        MeanRemoval::Window => steps.push("The mean over the window is subtracted.".to_string()),
        MeanRemoval::Exponential { time_constant_s } => {
            steps.push(format!(
                "A running mean with a time constant of {time_constant_s} s is subtracted."
            ));
        }
    }
    for lag in &config.lags {
        let absolute = if config.lag_absolute { " and its absolute value" } else { "" };
        steps.push(format!("The difference from {lag} rows before{absolute} is added."));
    }
    steps
}
