//! What the head refuses, with numbers and a stable code.

use crate::attention::AttentionError;
use crate::rvne::BlobError;
use core::fmt;

/// A part of a blob that the head is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The weight matrices of the header's shape.
    Weights,
    /// Record 0x82.
    Normalisation,
    /// Record 0x83.
    RmsGains,
    /// Record 0x84.
    Bias,
    /// Record 0x85.
    Embedding,
    /// Record 0x86.
    FeedForward,
    /// Record 0x87.
    Slopes,
}

impl Part {
    /// Returns its name in sentences.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Weights => "weights",
            Self::Normalisation => "input normalisation",
            Self::RmsGains => "RMS-norm gains",
            Self::Bias => "classifier bias",
            Self::Embedding => "embedding",
            Self::FeedForward => "feed-forward",
            Self::Slopes => "recency slopes",
        }
    }
}

/// Why a head was not built, or did not classify.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum HeadError {
    /// The blob's shape breaks the rules.
    Blob(BlobError),
    /// Attention refused.
    Attention(AttentionError),
    /// A part of the blob has another length than the shape says.
    PartLength {
        /// Which part.
        part: Part,
        /// Numbers (layers, for the feed-forward) that the shape asks for.
        expected: usize,
        /// Numbers there are.
        got: usize,
    },
    /// A part of the blob holds a NaN or infinity.
    PartNotFinite {
        /// Which part.
        part: Part,
        /// Its first bad number.
        index: usize,
    },
    /// The head is causal, the pattern given is not.
    NotCausal,
    /// A window without rows.
    NoRows,
    /// The numbers given are not whole rows.
    RowsLength {
        /// Numbers per row.
        feature_dim: usize,
        /// Numbers given.
        got: usize,
    },
    /// A NaN or infinity in a row.
    RowNotFinite {
        /// The row, 0 = oldest.
        row: usize,
        /// The feature.
        column: usize,
    },
    /// A layer that the head does not have.
    LayerOutOfRange {
        /// The layer asked for.
        layer: usize,
        /// Layers there are.
        layers: usize,
    },
    /// Finite rows and weights, but the output left the range of `f32`.
    Overflow,
    /// Dense attention looks at the whole window, so there is no step to decode.
    DenseHasNoDecodeStep,
    /// The head streams by its own kernels only.
    UpstreamHasNoStream,
    /// A stream was continued with a head of another shape.
    StreamOfAnotherHead,
    /// A stream was continued after an error left its layers at different rows.
    StreamBroken,
}

impl HeadError {
    /// Returns the stable code that the page and the docs match on.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Blob(error) => error.code(),
            Self::Attention(error) => error.code(),
            Self::PartLength { .. } => "head/part-length",
            Self::PartNotFinite { .. } => "head/part-not-finite",
            Self::NotCausal => "head/not-causal",
            Self::NoRows => "head/no-rows",
            Self::RowsLength { .. } => "head/rows-length",
            Self::RowNotFinite { .. } => "head/row-not-finite",
            Self::LayerOutOfRange { .. } => "head/layer-out-of-range",
            Self::Overflow => "head/overflow",
            Self::DenseHasNoDecodeStep => "head/dense-has-no-decode-step",
            Self::UpstreamHasNoStream => "head/upstream-has-no-stream",
            Self::StreamOfAnotherHead => "head/stream-of-another-head",
            Self::StreamBroken => "head/stream-broken",
        }
    }
}

impl From<AttentionError> for HeadError {
    fn from(error: AttentionError) -> Self {
        Self::Attention(error)
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Blob(error) => error.fmt(f),
            Self::Attention(error) => error.fmt(f),
            Self::PartLength { part, expected, got } => {
                write!(f, "the {} have {got} entries instead of {expected}", part.name())
            }
            Self::PartNotFinite { part, index } => {
                write!(f, "number {index} of the {} is NaN or infinite", part.name())
            }
            Self::NotCausal => write!(f, "the head is causal, the pattern is not"),
            Self::NoRows => write!(f, "the window has no rows"),
            Self::RowsLength { feature_dim, got } => {
                write!(f, "{got} numbers are not whole rows of {feature_dim}")
            }
            Self::RowNotFinite { row, column } => {
                write!(f, "feature {column} of row {row} is NaN or infinite")
            }
            Self::LayerOutOfRange { layer, layers } => write!(f, "layer {layer} of {layers}"),
            Self::Overflow => write!(f, "the head's output leaves the range of f32"),
            Self::DenseHasNoDecodeStep => {
                write!(f, "dense attention has no decode step, it runs over whole windows")
            }
            Self::UpstreamHasNoStream => {
                write!(f, "the upstream crate runs over whole windows here, it does not stream")
            }
            Self::StreamOfAnotherHead => write!(f, "the stream belongs to a head of another shape"),
            Self::StreamBroken => write!(f, "the stream broke off at an earlier row"),
        }
    }
}

impl core::error::Error for HeadError {}
