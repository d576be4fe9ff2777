//! What a pipeline does, as data: it is stored in a blob's trailer and shown by the page.

use alloc::vec::Vec;

use super::FeatureError;

/// The most useful pairs a pipeline may name.
pub const MAX_USEFUL: usize = 4096;
/// The highest rate in Hz that rows are resampled to.
pub const MAX_RATE_HZ: f32 = 1000.0;
/// The longest lag in rows.
pub const MAX_LAG: u16 = 256;
/// The numbers in a feature state, packet `0xC511_0006`.
pub const FEATURE_STATE_LEN: usize = 9;

/// What a row is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FeatureSource {
    /// CSI frames.
    #[default]
    Csi,
    /// The nine floats of packet `0xC511_0006`.
    FeatureState,
}

/// How the slow part of each feature is taken away.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum MeanRemoval {
    /// It stays.
    #[default]
    None,
    /// The mean over the window is subtracted once the window is full, see
    /// [`PipelineConfig::finish_window`]; the extractor itself does nothing.
    Window,
    /// A running mean is subtracted: `m += (1 - exp(-dt / time_constant)) * (x - m)`, starting
    /// at the first row.
    Exponential {
        /// Seconds after which a step has shrunk to 37 %.
        time_constant_s: f32,
    },
}

/// What turns CSI frames into a head's input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PipelineConfig {
    /// Where rows come from.
    pub source: FeatureSource,
    /// Positions of the pairs used, by ascending frequency. Empty for feature states.
    pub useful: Vec<u16>,
    /// Number of bands that the useful pairs are pooled into; 0 leaves them alone. Band `b` is
    /// the mean of the useful pairs `b * n / bands .. (b + 1) * n / bands`, rounded down.
    pub bands: u16,
    /// Whether each frame is divided by the mean of its useful amplitudes.
    pub divide_by_mean: bool,
    /// How the slow part is taken away.
    pub mean_removal: MeanRemoval,
    /// Rows a second that frames are resampled to; 0 makes one row of each frame.
    pub rate_hz: f32,
    /// For each lag, in rows: the differences `x[t] - x[t - lag]` are appended. They are zero
    /// as long as there is no row `t - lag`.
    pub lags: Vec<u16>,
    /// Whether the absolute values of each lag's differences are appended after them.
    pub lag_absolute: bool,
}

impl PipelineConfig {
    /// Returns the numbers in a row before the lag differences.
    pub fn base_dim(&self) -> usize {
        match (self.source, self.bands) {
            (FeatureSource::FeatureState, _) => FEATURE_STATE_LEN,
            (FeatureSource::Csi, 0) => self.useful.len(),
            (FeatureSource::Csi, bands) => usize::from(bands),
        }
    }

    /// Returns the numbers in a row: the base, then for each lag its differences and, if asked
    /// for, their absolute values.
    pub fn feature_dim(&self) -> usize {
        let parts_a_lag = 1 + usize::from(self.lag_absolute);
        let parts = self.lags.len().saturating_mul(parts_a_lag).saturating_add(1);
        self.base_dim().saturating_mul(parts)
    }

    /// Checks every number against its range.
    ///
    /// # Errors
    ///
    /// The first of [`FeatureError::UsefulCount`], [`FeatureError::Bands`],
    /// [`FeatureError::NotForFeatureState`], [`FeatureError::Rate`],
    /// [`FeatureError::TimeConstant`], [`FeatureError::Lag`] and [`FeatureError::Width`] that
    /// applies. Positions named twice are not looked for.
    pub fn validate(&self) -> Result<(), FeatureError> {
        let useful = self.useful.len();
        match self.source {
            FeatureSource::Csi => {
                if useful == 0 || useful > MAX_USEFUL {
                    return Err(FeatureError::UsefulCount { got: useful, limit: MAX_USEFUL });
                }
                if usize::from(self.bands) > useful {
                    return Err(FeatureError::Bands { bands: self.bands, useful });
                }
            }
            FeatureSource::FeatureState => {
                if useful > 0 || self.bands > 0 || self.divide_by_mean {
                    return Err(FeatureError::NotForFeatureState);
                }
            }
        }
        if !(0.0..=MAX_RATE_HZ).contains(&self.rate_hz) {
            return Err(FeatureError::Rate { rate_hz: self.rate_hz });
        }
        if let MeanRemoval::Exponential { time_constant_s } = self.mean_removal
            && !(time_constant_s > 0.0 && time_constant_s.is_finite())
        {
            return Err(FeatureError::TimeConstant { time_constant_s });
        }
        if let Some(&lag) = self.lags.iter().find(|&&lag| lag == 0 || lag > MAX_LAG) {
            return Err(FeatureError::Lag { lag, limit: MAX_LAG });
        }
        let limit = usize::from(u16::MAX);
        match self.feature_dim() {
            features if features > limit => Err(FeatureError::Width { features, limit }),
            _ => Ok(()),
        }
    }

    /// Does to a full window what has to wait for it: with [`MeanRemoval::Window`], subtracts
    /// from the base features their mean over the window. `rows` has shape
    /// `[n, feature_dim]`, oldest first.
    ///
    /// Lag differences stay as they are: a constant drops out of them by itself, and the mean
    /// of their absolute values is what tells movement from rest.
    pub fn finish_window(&self, rows: &mut [f32]) {
        if self.mean_removal == MeanRemoval::Window {
            remove_column_means(rows, self.feature_dim(), self.base_dim());
        }
    }
}

/// Subtracts from every column of `rows`, shape `[n, dim]`, its mean. The sum runs from the
/// oldest row to the newest. See [`PipelineConfig::finish_window`] for the base columns only.
pub fn remove_window_mean(rows: &mut [f32], dim: usize) {
    remove_column_means(rows, dim, dim);
}

fn remove_column_means(rows: &mut [f32], dim: usize, columns: usize) {
    let count = rows.len().checked_div(dim).unwrap_or(0);
    if count == 0 {
        return;
    }
    for column in 0..columns {
        let sum = rows.chunks_exact(dim).fold(0.0_f32, |sum, row| sum + row[column]);
        let mean = sum / count as f32;
        rows.chunks_exact_mut(dim).for_each(|row| row[column] -= mean);
    }
}
