//! Why the lab could not do what it was asked.

use core::fmt;

use csi_temporal::attention::AttentionError;
use csi_temporal::feature::FeatureError;
use csi_temporal::head::HeadError;
use csi_temporal::rvne::BlobError;

use crate::bridge::BridgeError;
use crate::labels::LabelsError;
use crate::recording::Refusal;

/// Why the lab could not do what it was asked. What was open before stays open.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum LabError {
    /// No recording is open.
    NoRecording,
    /// Bytes came, or an end, and no file was begun.
    NotOpening,
    /// Bytes of a board came, or an end, and no live recording was begun.
    NotLive,
    /// There is no such stream.
    Stream {
        /// Which one.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// There is no such frame.
    Frame {
        /// Which one.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// There is no such pair in a frame.
    Pair {
        /// Which one.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// The stream has no phase: amplitudes alone were recorded.
    NoPhase,
    /// A mask leaves no subcarrier.
    EmptyMask,
    /// No model is open.
    NoModel,
    /// The feature rows have another width than the model reads.
    Features {
        /// Numbers in a row.
        got: usize,
        /// Numbers that the model reads.
        expected: usize,
    },
    /// No feature row exists up to the cursor.
    NoRows,
    /// The feature rows of the recording would take too much memory.
    TooManyRows {
        /// The most numbers that are kept.
        limit: usize,
    },
    /// There is no such matrix in the model.
    Matrix {
        /// Which one.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// A seed that is no hexadecimal number of one to sixteen digits.
    Seed,
    /// A magnitude of queries and keys out of range, or not a number.
    Magnitude,
    /// A step of a sweep that was not begun.
    NoSweep,
    /// A step of a comparison that was not begun.
    NoComparison,
    /// A pattern with a number beyond what a blob can hold.
    PatternRange,
    /// A file that is no recording.
    Refusal(Refusal),
    /// Labels that were refused.
    Labels(LabelsError),
    /// A pipeline or frame that was refused.
    Feature(FeatureError),
    /// A blob that was refused.
    Blob(BlobError),
    /// A safetensors file that was refused.
    Bridge(BridgeError),
    /// A model that cannot run.
    Head(HeadError),
    /// Attention that cannot be computed.
    Attention(AttentionError),
}

impl LabError {
    /// Returns the stable code that the page and the docs match on.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoRecording => "lab/no-recording",
            Self::NotOpening => "lab/not-opening",
            Self::NotLive => "lab/not-live",
            Self::Stream { .. } => "lab/stream",
            Self::Frame { .. } => "lab/frame",
            Self::Pair { .. } => "lab/pair",
            Self::NoPhase => "lab/no-phase",
            Self::EmptyMask => "lab/empty-mask",
            Self::NoModel => "lab/no-model",
            Self::Features { .. } => "lab/features",
            Self::NoRows => "lab/no-rows",
            Self::TooManyRows { .. } => "lab/too-many-rows",
            Self::Matrix { .. } => "lab/matrix",
            Self::Seed => "lab/seed",
            Self::Magnitude => "lab/magnitude",
            Self::NoSweep => "lab/no-sweep",
            Self::NoComparison => "lab/no-comparison",
            Self::PatternRange => "lab/pattern-range",
            Self::Refusal(error) => error.code(),
            Self::Labels(error) => error.code(),
            Self::Feature(error) => error.code(),
            Self::Blob(error) => error.code(),
            Self::Bridge(error) => error.code(),
            Self::Head(error) => error.code(),
            Self::Attention(error) => error.code(),
        }
    }
}

impl fmt::Display for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRecording => f.write_str("no recording is open"),
            Self::NotOpening => f.write_str("no file is being opened"),
            Self::NotLive => f.write_str("no live recording is under way"),
            Self::Stream { index, count } => {
                write!(f, "the recording has {count} streams, not a stream {index}")
            }
            Self::Frame { index, count } => {
                write!(f, "the stream has {count} frames, not a frame {index}")
            }
            Self::Pair { index, count } => {
                write!(f, "a frame has {count} subcarriers, not a position {index}")
            }
            Self::NoPhase => f.write_str("the recording holds amplitudes and no phase"),
            Self::EmptyMask => f.write_str("the mask leaves no subcarrier"),
            Self::NoModel => f.write_str("no model is open"),
            Self::Features { got, expected } => {
                write!(f, "a feature row has {got} numbers, the model reads {expected}")
            }
            Self::NoRows => f.write_str("there is no feature row up to the cursor"),
            Self::TooManyRows { limit } => {
                write!(f, "the feature rows up to the cursor hold more than {limit} numbers")
            }
            Self::Matrix { index, count } => {
                write!(f, "the model has {count} matrices, not a matrix {index}")
            }
            Self::Seed => f.write_str("a seed has one to sixteen hexadecimal digits"),
            Self::Magnitude => {
                f.write_str("queries and keys can be brought to a magnitude from 0.001 to 100")
            }
            Self::NoSweep => f.write_str("no sweep was begun"),
            Self::NoComparison => f.write_str("no comparison was begun"),
            Self::PatternRange => f.write_str(
                "a blob holds windows and blocks up to 65535, other numbers of a pattern up to 255",
            ),
            Self::Refusal(error) => error.fmt(f),
            Self::Labels(error) => error.fmt(f),
            Self::Feature(error) => error.fmt(f),
            Self::Blob(error) => error.fmt(f),
            Self::Bridge(error) => error.fmt(f),
            Self::Head(error) => error.fmt(f),
            Self::Attention(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for LabError {}

macro_rules! from_part {
    ($($part:ident => $variant:ident),*) => {
        $(impl From<$part> for LabError {
            fn from(error: $part) -> Self {
                Self::$variant(error)
            }
        })*
    };
}
from_part!(Refusal => Refusal, LabelsError => Labels, FeatureError => Feature, BlobError => Blob, BridgeError => Bridge, HeadError => Head,
    AttentionError => Attention);
