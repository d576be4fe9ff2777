//! What a handle stands for.

use crate::error::{EspErr, INVALID_SIZE, NOT_SUPPORTED, esp_err};
use csi_node::{Model, ModelInfo, NodeError, resampler};
use csi_temporal::feature::{Extractor, FeatureRow};
use csi_temporal::frame::{CsiFrame, CsiValues};

/// A model, and what the caller was promised about its shape.
pub struct Context {
    model: Model,
    window_rows: u16,
    /// Brings rows with a time to the trained rate, once there was one.
    grid: Option<Extractor>,
    counts: Counts,
}

/// What a context counts; `ruv_temporal_stats_t` begins with it.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Counts {
    /// Frames that were pushed, refused ones included.
    pub frames: u32,
    /// Of these, refused.
    pub refused: u32,
    /// Rows that entered the window.
    pub rows: u32,
    /// Of these, held: interpolated across a gap of more than two periods of the trained rate.
    pub held: u32,
    /// Classifications and steps.
    pub classifications: u32,
    /// Times that weights were taken.
    pub weights_loaded: u32,
}

fn more(counter: &mut u32) {
    *counter = counter.saturating_add(1);
}

/// The shape that a caller asks for.
#[derive(Clone, Copy)]
pub struct Promise {
    pub input_dim: u32,
    pub window_len: u32,
    /// `None` where the caller leaves it to the blob.
    pub classes: Option<u32>,
}

impl Promise {
    fn is_kept_by(self, info: ModelInfo) -> bool {
        info.feature_dim == self.input_dim as usize
            && self.classes.is_none_or(|classes| info.classes == classes as usize)
    }
}

/// Says what a blob asks for and gives.
pub fn describe(weights: &[u8]) -> Result<ModelInfo, EspErr> {
    Model::describe(weights).map_err(|error| esp_err(&error))
}

impl Context {
    pub fn new(weights: &[u8], promise: Promise) -> Result<Self, EspErr> {
        let window_rows = u16::try_from(promise.window_len).map_err(|_| INVALID_SIZE)?;
        if !promise.is_kept_by(describe(weights)?) {
            return Err(INVALID_SIZE);
        }
        let model = Model::load(weights, window_rows).map_err(|error| esp_err(&error))?;
        let counts = Counts { weights_loaded: 1, ..Counts::default() };
        Ok(Self { model, window_rows, grid: None, counts })
    }

    pub fn info(&self) -> ModelInfo {
        self.model.info()
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    pub fn rows(&self) -> usize {
        self.model.len()
    }

    /// How many of the rows in the window are held.
    pub fn held_now(&self) -> usize {
        self.model.held()
    }

    /// Takes a row as it comes.
    pub fn push(&mut self, row: &[f32]) -> Result<(), EspErr> {
        more(&mut self.counts.frames);
        let result = self.model.push(row, false);
        self.note(&result);
        if result.is_ok() {
            more(&mut self.counts.rows);
        }
        result.map_err(|error| esp_err(&error))
    }

    /// Takes a row of time `time_micros`, resampled to the trained rate if the blob states one.
    /// The first such row finds memory for the next.
    pub fn push_at(&mut self, row: &[f32], time_micros: i64) -> Result<(), EspErr> {
        if self.grid.is_none() {
            self.grid = resampler(&self.model.info()).map_err(|error| esp_err(&error))?;
        }
        if self.grid.is_none() {
            return self.push(row);
        }
        more(&mut self.counts.frames);
        let result = self.resample(row, time_micros);
        self.note(&result);
        result.map_err(|error| esp_err(&error))
    }

    fn resample(&mut self, row: &[f32], time_micros: i64) -> Result<(), NodeError> {
        let Self { model, grid: Some(grid), counts, .. } = self else {
            return Ok(());
        };
        let expected = model.info().feature_dim;
        if row.len() != expected {
            return Err(NodeError::RowLength { expected, got: row.len() });
        }
        let frame = CsiFrame { time_micros, values: CsiValues::Amplitude(row), rssi_dbm: None };
        let mut result = Ok(());
        let mut take = |row: FeatureRow<'_>| {
            if row.starts {
                model.clear();
            }
            let pushed = model.push(row.values, row.held);
            if pushed.is_ok() {
                more(&mut counts.rows);
                counts.held = counts.held.saturating_add(u32::from(row.held));
            }
            result = result.and(pushed);
        };
        grid.push(&frame, &mut take)?;
        result
    }

    fn note(&mut self, result: &Result<(), NodeError>) {
        if result.is_err() {
            more(&mut self.counts.refused);
        }
    }

    /// Writes the logits; `logits` must have room for all, and nothing more.
    pub fn classify(&mut self, logits: &mut [f32]) -> Result<(), EspErr> {
        if logits.len() != self.model.info().classes {
            return Err(INVALID_SIZE);
        }
        let now = self.model.classify().map_err(|error| esp_err(&error))?;
        logits.copy_from_slice(now);
        more(&mut self.counts.classifications);
        Ok(())
    }

    /// Takes a row and writes the logits after it, of a blob that classifies row by row.
    pub fn step(&mut self, row: &[f32], logits: &mut [f32]) -> Result<(), EspErr> {
        let info = self.model.info();
        if !info.is_streaming {
            return Err(NOT_SUPPORTED);
        }
        if logits.len() != info.classes {
            return Err(INVALID_SIZE);
        }
        self.push(row)?;
        self.classify(logits)
    }

    /// Takes other weights of the same shape. Refused ones change nothing, but for a lack of
    /// memory, see [`Model::replace`].
    pub fn set_weights(&mut self, weights: &[u8]) -> Result<(), EspErr> {
        let info = self.model.info();
        let other = describe(weights)?;
        if (other.feature_dim, other.classes) != (info.feature_dim, info.classes) {
            return Err(INVALID_SIZE);
        }
        self.model.replace(weights, self.window_rows).map_err(|error| esp_err(&error))?;
        self.grid = None;
        more(&mut self.counts.weights_loaded);
        Ok(())
    }

    /// Forgets all rows.
    pub fn clear(&mut self) {
        self.model.clear();
        self.grid.iter_mut().for_each(Extractor::reset);
    }
}
