//! The pipeline at work, one frame at a time.

use alloc::vec;
use alloc::vec::Vec;

use super::lag::LagRing;
use super::resample::{Resampler, Step};
use super::{FEATURE_STATE_LEN, FeatureError, FeatureSource, MeanRemoval, PipelineConfig};
use crate::frame::{CsiFrame, CsiValues};

/// One row of features.
#[derive(Clone, Copy, Debug)]
pub struct FeatureRow<'a> {
    /// Its time: of the frame, or of the grid point when resampled.
    pub time_micros: i64,
    /// The features, shape `[feature_dim]`.
    pub values: &'a [f32],
    /// Whether it was interpolated across a gap longer than two periods of the rate.
    pub held: bool,
    /// Whether the stream starts here: the first row, and the first after a break of the clock.
    /// A window should forget what it holds.
    pub starts: bool,
}

/// What happened to the frames so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames pushed, refused ones included.
    pub frames: u64,
    /// Rows emitted.
    pub rows: u64,
    /// Rows emitted with `held` set.
    pub held: u64,
    /// Frames skipped because their time was that of the frame before.
    pub duplicate_times: u64,
    /// Frames skipped because their time lay before that of the frame before.
    pub backward_times: u64,
    /// Times that the clock jumped by more than [`super::BREAK_MICROS`].
    pub breaks: u64,
    /// Frames whose mean was zero, so that their divided amplitudes were set to zero.
    pub zero_means: u64,
}

/// A pipeline at work. After [`Extractor::new`] it does not allocate.
///
/// Without resampling the clock only feeds the running mean, so recordings without a clock
/// work: nothing is skipped, and a step backward counts as no time.
#[derive(Clone, Debug)]
pub struct Extractor {
    config: PipelineConfig,
    needed_pairs: usize,
    counts: Counts,
    amplitudes: Vec<f32>,
    base: Vec<f32>,
    resampler: Option<Resampler>,
    tail: Tail,
}

impl Extractor {
    /// Prepares a pipeline.
    ///
    /// # Errors
    ///
    /// As [`PipelineConfig::validate`].
    pub fn new(config: PipelineConfig) -> Result<Self, FeatureError> {
        config.validate()?;
        let dim = config.base_dim();
        Ok(Self {
            needed_pairs: config.useful.iter().max().map_or(0, |&last| usize::from(last) + 1),
            counts: Counts::default(),
            amplitudes: vec![0.0; config.useful.len()],
            base: vec![0.0; dim],
            resampler: (config.rate_hz > 0.0).then(|| Resampler::new(config.rate_hz, dim)),
            tail: Tail::new(&config),
            config,
        })
    }

    /// Returns the pipeline's description.
    pub const fn config(&self) -> &PipelineConfig {
        &self.config
    }

    /// Returns what happened to the frames so far.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Forgets every frame, as if the extractor had just been made.
    pub fn reset(&mut self) {
        self.counts = Counts::default();
        self.resampler.iter_mut().for_each(Resampler::reset);
        self.tail.reset();
    }

    /// Takes a frame and hands zero or more rows to `emit`, oldest first.
    ///
    /// Resampled rows come as soon as the frame after them is there. A frame can bring at most
    /// 10,000 of them (10 s at 1000 Hz).
    ///
    /// # Errors
    ///
    /// [`FeatureError::WrongSource`], [`FeatureError::FeatureStateLength`],
    /// [`FeatureError::ShortFrame`] or [`FeatureError::NotFinite`], each with the frame's number.
    /// The frame is then left out and the extractor can go on.
    pub fn push(
        &mut self,
        frame: &CsiFrame<'_>,
        emit: &mut dyn FnMut(FeatureRow<'_>),
    ) -> Result<(), FeatureError> {
        let number = self.counts.frames;
        self.counts.frames += 1;
        match self.config.source {
            FeatureSource::Csi => self.read_csi(number, &frame.values)?,
            FeatureSource::FeatureState => self.read_feature_state(number, &frame.values)?,
        }
        let Some(resampler) = &mut self.resampler else {
            let counts = &mut self.counts;
            let starts = counts.rows == 0;
            self.tail.finish(frame.time_micros, &self.base, false, starts, counts, emit);
            return Ok(());
        };
        let mut starts = false;
        match resampler.push(frame.time_micros, &self.base) {
            Step::Duplicate => self.counts.duplicate_times += 1,
            Step::Backward => self.counts.backward_times += 1,
            Step::Forward => {}
            Step::Start => {
                self.counts.breaks += u64::from(self.counts.rows > 0);
                self.tail.reset();
                starts = true;
            }
        }
        while let Some(point) = resampler.next_point(&mut self.base) {
            let counts = &mut self.counts;
            self.tail.finish(point.time_micros, &self.base, point.held, starts, counts, emit);
            starts = false;
        }
        Ok(())
    }

    fn read_feature_state(
        &mut self,
        frame: u64,
        values: &CsiValues<'_>,
    ) -> Result<(), FeatureError> {
        let CsiValues::FeatureState(values) = values else {
            return Err(FeatureError::WrongSource { frame });
        };
        if values.len() != FEATURE_STATE_LEN {
            return Err(FeatureError::FeatureStateLength { frame, got: values.len() });
        }
        if let Some(pair) = values.iter().position(|value| !value.is_finite()) {
            return Err(FeatureError::NotFinite { frame, pair });
        }
        self.base.copy_from_slice(values);
        Ok(())
    }

    fn read_csi(&mut self, frame: u64, values: &CsiValues<'_>) -> Result<(), FeatureError> {
        if matches!(values, CsiValues::FeatureState(_)) {
            return Err(FeatureError::WrongSource { frame });
        }
        if values.pairs() < self.needed_pairs {
            let (pairs, needed) = (values.pairs(), self.needed_pairs);
            return Err(FeatureError::ShortFrame { frame, pairs, needed });
        }
        let useful = &self.config.useful;
        let not_finite =
            |index: usize| FeatureError::NotFinite { frame, pair: usize::from(useful[index]) };
        for (index, amplitude) in self.amplitudes.iter_mut().enumerate() {
            *amplitude = values.amplitude(usize::from(useful[index]));
            if !amplitude.is_finite() {
                return Err(not_finite(index));
            }
        }
        if self.config.divide_by_mean {
            let mean = mean(&self.amplitudes);
            if !mean.is_finite() {
                return Err(not_finite(0));
            }
            if mean == 0.0 {
                self.counts.zero_means += 1;
                self.amplitudes.fill(0.0);
            } else {
                self.amplitudes.iter_mut().for_each(|amplitude| *amplitude /= mean);
            }
        }
        let (n, bands) = (self.amplitudes.len(), self.base.len());
        for (band, value) in self.base.iter_mut().enumerate() {
            let run = band * n / bands..(band + 1) * n / bands;
            let first = run.start;
            *value = mean(&self.amplitudes[run]);
            if !value.is_finite() {
                return Err(not_finite(first));
            }
        }
        Ok(())
    }
}

/// Left to right in `f32`; one number is its own mean, exactly.
fn mean(values: &[f32]) -> f32 {
    values.iter().fold(0.0_f32, |sum, value| sum + value) / values.len() as f32
}

/// The steps after resampling.
#[derive(Clone, Debug)]
struct Tail {
    time_constant_s: Option<f32>,
    lags: Vec<u16>,
    lag_absolute: bool,
    running_mean: Vec<f32>,
    /// Time of the row before; `None` before the first.
    last_micros: Option<i64>,
    ring: LagRing,
    row: Vec<f32>,
}

impl Tail {
    fn new(config: &PipelineConfig) -> Self {
        let dim = config.base_dim();
        Self {
            time_constant_s: match config.mean_removal {
                MeanRemoval::Exponential { time_constant_s } => Some(time_constant_s),
                MeanRemoval::None | MeanRemoval::Window => None,
            },
            lags: config.lags.clone(),
            lag_absolute: config.lag_absolute,
            running_mean: vec![0.0; dim],
            last_micros: None,
            ring: LagRing::new(config.lags.iter().copied().max().unwrap_or(0), dim),
            row: vec![0.0; config.feature_dim()],
        }
    }

    fn reset(&mut self) {
        self.last_micros = None;
        self.ring.reset();
    }

    fn finish(
        &mut self,
        time_micros: i64,
        base: &[f32],
        held: bool,
        starts: bool,
        counts: &mut Counts,
        emit: &mut dyn FnMut(FeatureRow<'_>),
    ) {
        let dim = base.len();
        self.row[..dim].copy_from_slice(base);
        self.remove_running_mean(time_micros, dim);
        self.append_lags(dim);
        self.ring.push(&self.row[..dim]);
        counts.rows += 1;
        counts.held += u64::from(held);
        emit(FeatureRow { time_micros, values: &self.row, held, starts });
    }

    fn remove_running_mean(&mut self, time_micros: i64, dim: usize) {
        let Some(time_constant_s) = self.time_constant_s else {
            return;
        };
        let row = &mut self.row[..dim];
        match self.last_micros {
            None => self.running_mean.copy_from_slice(row),
            Some(last) => {
                let step_micros = time_micros.saturating_sub(last).max(0);
                let step_s = (step_micros as f64 / 1e6) as f32;
                let alpha = -libm::expm1f(-step_s / time_constant_s);
                for (mean, value) in self.running_mean.iter_mut().zip(&*row) {
                    *mean += alpha * (value - *mean);
                }
            }
        }
        self.last_micros = Some(time_micros);
        row.iter_mut().zip(&self.running_mean).for_each(|(value, mean)| *value -= mean);
    }

    fn append_lags(&mut self, dim: usize) {
        let (now, mut rest) = self.row.split_at_mut(dim);
        for &lag in &self.lags {
            let (differences, after) = rest.split_at_mut(dim);
            match self.ring.back(lag) {
                Some(then) => {
                    for ((out, &now), &then) in differences.iter_mut().zip(&*now).zip(then) {
                        *out = now - then;
                    }
                }
                None => differences.fill(0.0),
            }
            rest = after;
            if self.lag_absolute {
                let (absolute, after) = rest.split_at_mut(dim);
                for (out, &difference) in absolute.iter_mut().zip(&*differences) {
                    *out = libm::fabsf(difference);
                }
                rest = after;
            }
        }
    }
}
