//! What of a recording is sent to a board.

use csi_temporal::feature::{Extractor, FeatureError, PipelineConfig};
use csi_temporal::frame::CsiValues;
use csi_temporal::packet::{Packet, RawCsi};

use crate::recording::Stream;

/// Makes the first rows of a stream, `[n][feature_dim]`, at most `most` of them, as a node with
/// this pipeline makes them: the mean of a window is left in, because it goes when the window is
/// classified. Frames that the pipeline refuses are left out.
///
/// # Errors
///
/// [`FeatureError`] for a pipeline that cannot be made.
pub fn rows_of(
    stream: &Stream,
    pipeline: &PipelineConfig,
    most: usize,
) -> Result<Vec<f32>, FeatureError> {
    let numbers = most.saturating_mul(pipeline.feature_dim());
    let mut extractor = Extractor::new(pipeline.clone())?;
    let mut rows = Vec::new();
    for frame in stream.frames() {
        if rows.len() >= numbers {
            break;
        }
        let _ = extractor.push(&frame, &mut |row| rows.extend_from_slice(row.values));
    }
    rows.truncate(numbers);
    Ok(rows)
}

/// Makes the packet `0xC511_0001` of a frame, with its time in microseconds; `None` for frames that
/// are no pairs of 8 bits, which no packet carries.
pub fn packet_of(stream: &Stream, index: usize) -> Option<(i64, Vec<u8>)> {
    let frame = stream.frame(index);
    let CsiValues::Iq8(values) = frame.values else { return None };
    let csi = RawCsi {
        antennas: 1,
        sequence: u32::try_from(index).ok()?,
        rssi_dbm: frame.rssi_dbm.unwrap_or(0),
        values: values.to_vec(),
        ..RawCsi::default()
    };
    Some((frame.time_micros, Packet::RawCsi(csi).encode().ok()?))
}
