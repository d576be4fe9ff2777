//! Why a study could not do what it was asked.

use core::fmt;

use csi_temporal::feature::FeatureError;
use csi_temporal::head::HeadError;
use csi_temporal::rvne::BlobError;

use crate::labels::LabelsError;
use crate::recording::Refusal;
use crate::train::TrainError;

/// Why a study could not do what it was asked. What it holds stays.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum StudyError {
    /// Bytes came, or an end, and no file was begun.
    NotOpening,
    /// It has as many recordings as it takes.
    TooMany,
    /// No recording is there to train on.
    NoRecording,
    /// There is no such recording.
    Index {
        /// Which one.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// A label file names a recording that is not there.
    NoSuchName,
    /// A label file was made for another recording of that name.
    OtherRecording {
        /// The frames that it was made for.
        frames: u64,
    },
    /// Something forbids training; the view says what.
    NotReady,
    /// Nothing is being trained.
    NotTraining,
    /// The file was refused.
    Refusal(Refusal),
    /// The label file was refused.
    Labels(LabelsError),
    /// The pipeline cannot run.
    Feature(FeatureError),
    /// Training cannot start.
    Train(TrainError),
    /// The weights cannot be written.
    Blob(BlobError),
    /// The weights cannot run.
    Head(HeadError),
}

impl StudyError {
    /// Returns the stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotOpening => "study/not-opening",
            Self::TooMany => "study/too-many",
            Self::NoRecording => "study/no-recording",
            Self::Index { .. } => "study/index",
            Self::NoSuchName => "study/no-such-name",
            Self::OtherRecording { .. } => "study/other-recording",
            Self::NotReady => "study/not-ready",
            Self::NotTraining => "study/not-training",
            Self::Refusal(error) => error.code(),
            Self::Labels(error) => error.code(),
            Self::Feature(error) => error.code(),
            Self::Train(error) => error.code(),
            Self::Blob(error) => error.code(),
            Self::Head(error) => error.code(),
        }
    }
}

impl fmt::Display for StudyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOpening => f.write_str("no file is being opened"),
            Self::TooMany => {
                write!(f, "at most {} recordings are trained on at once", super::MAX_RECORDINGS)
            }
            Self::NoRecording => f.write_str("there is no recording to train on"),
            Self::Index { index, count } => {
                write!(f, "there are {count} recordings, not a recording {}", index + 1)
            }
            Self::NoSuchName => f.write_str("the recording that the label file names is not here"),
            Self::OtherRecording { frames } => {
                write!(f, "the labels were made for a recording of {frames} frames")
            }
            Self::NotReady => f.write_str("these recordings cannot be trained on as they are"),
            Self::NotTraining => f.write_str("nothing is being trained"),
            Self::Refusal(error) => error.fmt(f),
            Self::Labels(error) => error.fmt(f),
            Self::Feature(error) => error.fmt(f),
            Self::Train(error) => error.fmt(f),
            Self::Blob(error) => error.fmt(f),
            Self::Head(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for StudyError {}

macro_rules! from {
    ($($variant:ident($error:ty)),*) => {$(
        impl From<$error> for StudyError {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        }
    )*};
}
from!(Refusal(Refusal), Labels(LabelsError), Feature(FeatureError), Train(TrainError));
from!(Blob(BlobError), Head(HeadError));
