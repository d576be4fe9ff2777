//! Which of ESP-IDF's error numbers a refusal becomes.

use csi_node::NodeError;
use csi_temporal::attention::AttentionError;
use csi_temporal::head::HeadError;
use csi_temporal::rvne::BlobError;

/// `esp_err_t`, with the values of ESP-IDF's `esp_err.h`.
pub type EspErr = i32;

pub const OK: EspErr = 0;
pub const FAIL: EspErr = -1;
pub const NO_MEM: EspErr = 0x101;
pub const INVALID_ARG: EspErr = 0x102;
pub const INVALID_STATE: EspErr = 0x103;
pub const INVALID_SIZE: EspErr = 0x104;
pub const NOT_SUPPORTED: EspErr = 0x106;
pub const INVALID_CRC: EspErr = 0x109;
pub const INVALID_VERSION: EspErr = 0x10A;

/// Returns the number of a refusal. `FAIL` stands for numbers that leave the range of `f32`.
pub fn esp_err(error: &NodeError) -> EspErr {
    match error {
        NodeError::Blob(error) => blob(error),
        NodeError::Head(HeadError::Blob(error)) => blob(error),
        NodeError::Head(HeadError::Attention(AttentionError::CacheTooLarge)) => NO_MEM,
        NodeError::Head(HeadError::RowsLength { .. }) => INVALID_SIZE,
        NodeError::Head(HeadError::RowNotFinite { .. }) => INVALID_ARG,
        NodeError::Head(_) => FAIL,
        NodeError::Memory { .. } => NO_MEM,
        NodeError::RowLength { .. } | NodeError::Window(_) => INVALID_SIZE,
        NodeError::RowNotFinite { .. } | NodeError::Feature(_) => INVALID_ARG,
        NodeError::NoWeights | NodeError::WindowNotFull { .. } => INVALID_STATE,
        NodeError::TooManyClasses { .. } | NodeError::WindowMeanInStream => NOT_SUPPORTED,
        _ => INVALID_ARG,
    }
}

fn blob(error: &BlobError) -> EspErr {
    match error {
        BlobError::Crc { .. } => INVALID_CRC,
        BlobError::Version { .. }
        | BlobError::ReservedFlag { .. }
        | BlobError::TrailerUnknown { .. } => INVALID_VERSION,
        BlobError::TooShort { .. }
        | BlobError::Length { .. }
        | BlobError::WeightsLength { .. }
        | BlobError::ShapeTooLarge { .. } => INVALID_SIZE,
        _ => INVALID_ARG,
    }
}
