//! The pipeline that training starts from: what all its recordings can be read by.

use crate::recording::Stream;
use crate::session::{PipelineAsk, Removal};

/// The most bands: neighbours of a subcarrier say nearly the same.
const BANDS: u16 = 28;
/// The rates that recordings with a clock are resampled to.
const RATES_HZ: [f32; 6] = [50.0, 25.0, 20.0, 10.0, 5.0, 2.0];

/// Returns the useful pairs that all streams have, ascending in frequency; where one has another
/// layout than the first, that is for [`super::check`] to say.
pub fn common_pairs(streams: &[&Stream]) -> Vec<u16> {
    let Some((first, others)) = streams.split_first() else { return Vec::new() };
    let mut pairs = first.map.useful();
    for other in others.iter().filter(|other| layout(other) == layout(first)) {
        let theirs = other.map.useful();
        pairs.retain(|pair| theirs.contains(pair));
    }
    pairs
}

/// Returns what training reads unless it is told otherwise: two subcarriers a band, divided by the
/// frame's mean, the window's mean removed, with the differences over two rows and their absolute
/// values; resampled to the highest usual rate that all streams reach, or one row a frame where none
/// has a clock.
pub fn training_pipeline(streams: &[&Stream]) -> PipelineAsk {
    let pairs = u16::try_from(common_pairs(streams).len()).unwrap_or(u16::MAX);
    let slowest = streams.iter().filter_map(|stream| stream.rate_hz()).reduce(f64::min);
    let usual = |rate: f64| RATES_HZ.into_iter().find(|usual| f64::from(*usual) <= rate);
    PipelineAsk {
        bands: pairs.div_ceil(2).min(BANDS),
        divide_by_mean: true,
        mean_removal: Removal::Window,
        time_constant_s: 2.0,
        rate_hz: slowest.and_then(usual).unwrap_or(0.0),
        lags: vec![2],
        lag_absolute: true,
    }
}

/// What has to be equal for two streams to be read alike.
pub(super) fn layout(stream: &Stream) -> (crate::recording::StreamKind, usize, &'static str) {
    (stream.kind, stream.map.subcarriers.len(), stream.map.order.name())
}
