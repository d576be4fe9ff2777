//! Record `0x88`: the feature pipeline. The layout is in [`super::trailer`].

use alloc::vec::Vec;

use super::BlobError;
use super::bytes::{u16_at, u32_at};
use super::trailer::tag;
use crate::feature::{FeatureSource, MeanRemoval, PipelineConfig};

const VERSION: u8 = 1;
const FIXED_LEN: usize = 20;
const DIVIDE_BY_MEAN: u8 = 1;
const LAG_ABSOLUTE: u8 = 2;

/// Reads a payload; the rows it describes must have `features` numbers.
pub fn read(bytes: &[u8], features: usize) -> Result<PipelineConfig, BlobError> {
    let length = |expected: usize| BlobError::TrailerPayloadLength {
        tag: tag::PIPELINE,
        expected: expected as u64,
        got: bytes.len() as u64,
    };
    if bytes.len() < FIXED_LEN {
        return Err(length(FIXED_LEN));
    }
    let undefined =
        |at: usize, value: u16| BlobError::TrailerValue { tag: tag::PIPELINE, at, value };
    let undefined_byte = |at: usize| undefined(at, u16::from(bytes[at]));
    if bytes[0] != VERSION {
        return Err(undefined_byte(0));
    }
    let source = match bytes[1] {
        0 => FeatureSource::Csi,
        1 => FeatureSource::FeatureState,
        _ => return Err(undefined_byte(1)),
    };
    if bytes[2] & !(DIVIDE_BY_MEAN | LAG_ABSOLUTE) != 0 {
        return Err(undefined_byte(2));
    }
    let [time_constant_s, rate_hz] = [4, 8].map(|at| f32::from_bits(u32_at(bytes, at)));
    let mean_removal = match bytes[3] {
        0 => MeanRemoval::None,
        1 => MeanRemoval::Window,
        2 => MeanRemoval::Exponential { time_constant_s },
        _ => return Err(undefined_byte(3)),
    };
    // Bits, not numbers: -0 would not be written back as it was.
    if bytes[3] != 2 && time_constant_s.to_bits() != 0 {
        return Err(undefined(4, u16_at(bytes, 4)));
    }
    let (useful_len, lag_len) = (usize::from(u16_at(bytes, 14)), usize::from(u16_at(bytes, 16)));
    match u16_at(bytes, 18) {
        0 => {}
        reserved => return Err(undefined(18, reserved)),
    }
    let expected = FIXED_LEN + 2 * (useful_len + lag_len);
    if bytes.len() != expected {
        return Err(length(expected));
    }
    let (useful, lags) = bytes[FIXED_LEN..].split_at(2 * useful_len);
    let words = |bytes: &[u8]| bytes.chunks_exact(2).map(|word| u16_at(word, 0)).collect();
    let config = PipelineConfig {
        source,
        useful: words(useful),
        bands: u16_at(bytes, 12),
        divide_by_mean: bytes[2] & DIVIDE_BY_MEAN != 0,
        mean_removal,
        rate_hz,
        lags: words(lags),
        lag_absolute: bytes[2] & LAG_ABSOLUTE != 0,
    };
    config.validate().map_err(BlobError::Pipeline)?;
    match config.feature_dim() {
        got if got == features => Ok(config),
        got => Err(BlobError::PipelineWidth { expected: features, got }),
    }
}

/// Appends the payload.
pub fn write(out: &mut Vec<u8>, config: &PipelineConfig) -> Result<(), BlobError> {
    // A valid pipeline has fewer than 2^16 of either.
    config.validate().map_err(BlobError::Pipeline)?;
    let source = match config.source {
        FeatureSource::Csi => 0,
        FeatureSource::FeatureState => 1,
    };
    let switches = if config.divide_by_mean { DIVIDE_BY_MEAN } else { 0 }
        | if config.lag_absolute { LAG_ABSOLUTE } else { 0 };
    let (mean_removal, time_constant_s) = match config.mean_removal {
        MeanRemoval::None => (0, 0.0),
        MeanRemoval::Window => (1, 0.0),
        MeanRemoval::Exponential { time_constant_s } => (2, time_constant_s),
    };
    out.extend_from_slice(&[VERSION, source, switches, mean_removal]);
    out.extend_from_slice(&time_constant_s.to_le_bytes());
    out.extend_from_slice(&config.rate_hz.to_le_bytes());
    let sizes = [config.bands, config.useful.len() as u16, config.lags.len() as u16, 0];
    for word in sizes.iter().chain(&config.useful).chain(&config.lags) {
        out.extend_from_slice(&word.to_le_bytes());
    }
    Ok(())
}
