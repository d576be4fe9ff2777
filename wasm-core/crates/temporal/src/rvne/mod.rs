//! The `.rvne` weight blob, version 1: one temporal head, as the trainer writes it and the node
//! reads it.
//!
//! Integers and floats are little-endian; byte ranges are half open.
//!
//! | bytes    | field         | type | meaning                                                |
//! |----------|---------------|------|--------------------------------------------------------|
//! | `00..04` | `magic`       | u32  | `0x5256_4E45`; on disk the bytes `ENVR`                |
//! | `04..06` | `version`     | u16  | 1                                                      |
//! | `06`     | `flags`       | u8   | bit 0: 0 = f32, 1 = f16 weights; bit 1: a trailer follows |
//! | `07`     | `reserved`    | u8   | 0                                                      |
//! | `08..0A` | `input_dim`   | u16  | numbers a frame has inside the head, >= 1              |
//! | `0A..0C` | `n_q_heads`   | u16  | query heads, >= 1                                      |
//! | `0C..0E` | `n_kv_heads`  | u16  | key and value heads, >= 1, divides `n_q_heads`         |
//! | `0E..10` | `head_dim`    | u16  | numbers a head, >= 1                                   |
//! | `10..12` | `n_layers`    | u16  | >= 1                                                   |
//! | `12..14` | `n_classes`   | u16  | >= 2                                                   |
//! | `14..18` | `weights_len` | u32  | bytes of weights that follow, as the shape demands     |
//! | `18..`   | `weights`     |      | see [`HeadShape::matrices`]                            |
//! |          | [`trailer`]   |      | with flag bit 1 only                                   |
//! | last 4   | `crc32`       | u32  | [`crate::crc32`] over every byte before it             |
//!
//! [`WeightBlob::parse`] takes untrusted bytes: no input makes it panic, and what it allocates
//! is bounded by a small multiple of the input. It checks, in this order and each with its own
//! error: the magic; that the file is long enough for header and CRC; version; reserved flags;
//! reserved byte; dimensions of zero; the ratio of heads; the number of classes; `weights_len`
//! against the shape; the file's length; the CRC; each trailer record's frame; each record's
//! payload; that no number is NaN or infinite. A damaged file whose header still makes sense is
//! therefore reported by its CRC.
//!
//! [`WeightBlob::encode`] gives back the very bytes that were parsed. This module runs no model,
//! and it does not check signatures.

mod bytes;
mod error;
mod parse;
mod pipeline;
mod records;
mod seeded;
mod shape;
mod stats;
mod stored;
pub mod trailer;
mod write;

pub use error::{BlobError, Dimension};
pub use parse::trailer_records;
pub use seeded::{DEFAULT_SEED, MAX_SEEDED_WEIGHTS};
pub use shape::{HeadShape, MatrixInfo};
pub use stats::Stats;
pub use stored::stored_len;
pub use trailer::{
    AttentionPattern, AttentionRecord, Embedding, FeedForward, FeedForwardLayer, Normalisation,
    Pooling, Record, Signature, Trailer,
};

use alloc::vec::Vec;

/// The first four bytes of a blob, read as a little-endian integer.
pub const MAGIC: u32 = 0x5256_4E45;
/// The only version there is.
pub const VERSION: u16 = 1;
/// Bytes before the weights.
pub const HEADER_LEN: usize = 24;
/// Bytes of the CRC.
pub const FOOTER_LEN: usize = 4;

const FLAG_F16: u8 = 1;
const FLAG_TRAILER: u8 = 2;

/// How weights are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dtype {
    /// Four bytes a weight.
    #[default]
    F32,
    /// Two bytes a weight, see [`crate::half`].
    F16,
}

impl Dtype {
    /// Returns the bytes a weight takes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }

    /// Returns `f32` or `f16`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }
}

/// One temporal head: shape, weights, and what the trailer adds.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightBlob {
    /// The six dimensions.
    pub shape: HeadShape,
    /// How the weights are stored in a file.
    pub dtype: Dtype,
    /// The weights in file order, widened; length [`HeadShape::weight_count`].
    pub weights: Vec<f32>,
    /// Everything that version 1's header has no place for.
    pub trailer: Trailer,
}

/// What a change of [`Dtype`] did to the weights, those of the trailer included.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ConversionError {
    /// The largest absolute difference.
    pub max_abs: f32,
    /// The mean absolute difference.
    pub mean_abs: f32,
    /// Weights too large for binary16, replaced by the largest number that fits.
    pub overflowed: usize,
}

impl WeightBlob {
    /// Returns the numbers a frame has before the embedding: what a feature row must have.
    pub fn feature_dim(&self) -> usize {
        match &self.trailer.embedding {
            Some(embedding) => usize::from(embedding.feature_dim),
            None => usize::from(self.shape.input_dim),
        }
    }

    /// Returns the weight matrices by name, with their ranges in [`WeightBlob::weights`].
    pub fn matrices(&self) -> Vec<MatrixInfo> {
        self.shape.matrices()
    }

    /// Returns the CRC-32 that closes the file.
    ///
    /// # Errors
    ///
    /// As [`WeightBlob::encode`].
    pub fn file_crc32(&self) -> Result<u32, BlobError> {
        let bytes = self.encode()?;
        Ok(crate::crc32::crc32(&bytes[..bytes.len() - FOOTER_LEN]))
    }

    /// Returns the same head stored as `dtype`, and what that did to its weights.
    ///
    /// To f16 every weight is rounded to the nearest; finite weights that would become infinite
    /// are replaced by +-65504 and counted. To f32 nothing changes. A signature is dropped when
    /// the dtype changes: it signed other bytes.
    pub fn to_dtype(&self, dtype: Dtype) -> (Self, ConversionError) {
        let mut blob = self.clone();
        blob.dtype = dtype;
        if dtype != self.dtype {
            blob.trailer.signature = None;
        }
        let mut error = ConversionError::default();
        if dtype == Dtype::F32 {
            return (blob, error);
        }
        let (mut sum, mut count) = (0.0_f64, 0_u32);
        let mut narrow = |weights: &mut [f32]| {
            for weight in weights {
                let mut narrowed = crate::half::f16_to_f32(crate::half::f32_to_f16(*weight));
                if narrowed.is_infinite() && weight.is_finite() {
                    narrowed = libm::copysignf(crate::half::MAX, *weight);
                    error.overflowed += 1;
                }
                let difference = libm::fabsf(narrowed - *weight);
                error.max_abs = error.max_abs.max(difference);
                sum += f64::from(difference);
                count += 1;
                *weight = narrowed;
            }
        };
        narrow(&mut blob.weights);
        if let Some(embedding) = &mut blob.trailer.embedding {
            narrow(&mut embedding.matrix);
        }
        for layer in blob.trailer.feed_forward.iter_mut().flat_map(|ff| &mut ff.layers) {
            narrow(&mut layer.w1);
            narrow(&mut layer.w2);
        }
        error.mean_abs = (sum / f64::from(count.max(1))) as f32;
        (blob, error)
    }
}
