//! From CSI frames to the rows that the temporal head reads, the same on the node and the page.
//!
//! ```text
//! amplitude of the useful pairs          [n_useful]
//!   / mean of the frame      (optional)  automatic gain control drops out
//!   -> bands                 (optional)  [bands], mean of runs of neighbours
//!   -> resampled by time     (optional)  a fixed rate, linear between neighbouring frames
//!   - running mean           (optional)  exponential; or later, over the window
//!   ++ lag differences       (optional)  x[t] - x[t - lag], and their absolute values
//! ```
//!
//! Every sum runs in the order of `useful`, in `f32`. The nine floats of a feature state enter
//! after the bands. What this module does not do: it does not know which pair is which
//! subcarrier, it does not repair wrapped clocks, and it does not fill windows.

mod config;
mod error;
mod extractor;
mod lag;
mod resample;

pub use config::{
    FEATURE_STATE_LEN, FeatureSource, MAX_LAG, MAX_RATE_HZ, MAX_USEFUL, MeanRemoval,
    PipelineConfig, remove_window_mean,
};
pub use error::FeatureError;
pub use extractor::{Counts, Extractor, FeatureRow};
pub use resample::BREAK_MICROS;
