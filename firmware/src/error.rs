//! What a node refuses, with numbers and a stable code.

use crate::protocol::ProtocolError;
use core::fmt;
use csi_temporal::feature::FeatureError;
use csi_temporal::head::HeadError;
use csi_temporal::packet::PacketError;
use csi_temporal::rvne::BlobError;
use csi_temporal::window::WindowError;

/// Why a node refused what it was given. Nothing it had before is lost, unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum NodeError {
    /// The weights are no `.rvne` blob, or a damaged one.
    Blob(BlobError),
    /// The weights are sound but cannot run here, or a row cannot be taken.
    Head(HeadError),
    /// A frame cannot be turned into features.
    Feature(FeatureError),
    /// A wire packet cannot be read.
    Packet(PacketError),
    /// The window cannot be made.
    Window(WindowError),
    /// A frame of the protocol cannot be read.
    Protocol(ProtocolError),
    /// There are no weights yet.
    NoWeights,
    /// The weights do not tell how CSI becomes features.
    NoPipeline,
    /// A row has another length than the weights ask for.
    RowLength {
        /// Numbers that a row has to have.
        expected: usize,
        /// Numbers it has.
        got: usize,
    },
    /// A NaN or infinity in a row.
    RowNotFinite {
        /// The feature.
        column: usize,
    },
    /// A wire packet that carries neither CSI nor a feature state.
    PacketKind,
    /// There are too few rows to classify.
    WindowNotFull {
        /// Rows there are.
        rows: usize,
        /// Rows that are needed.
        needed: usize,
    },
    /// More classes than the packet's class number, a u8, can name.
    TooManyClasses {
        /// Classes of the weights.
        classes: u16,
    },
    /// Rows are classified one by one, but their pipeline removes the mean of a whole window.
    WindowMeanInStream,
    /// The memory does not hold the weights and their window.
    Memory {
        /// Bytes that found no room.
        needed: usize,
    },
    /// More bytes of weights are announced than this node takes.
    BlobTooLarge {
        /// Bytes announced.
        len: usize,
        /// The most that are taken.
        limit: usize,
    },
    /// A piece of the weights without an announcement.
    UploadNotBegun,
    /// A piece of the weights that does not continue what is there.
    UploadOffset {
        /// The offset wanted next.
        expected: u32,
        /// The offset given.
        got: u32,
    },
    /// The weights were said to be complete and are not.
    UploadIncomplete {
        /// Bytes announced.
        expected: usize,
        /// Bytes there are.
        got: usize,
    },
    /// The weights that arrived are not those that were announced.
    UploadCrc {
        /// The CRC announced.
        announced: u32,
        /// The CRC of what arrived.
        computed: u32,
    },
}

impl NodeError {
    /// Returns the stable code that the page and the docs match on.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Blob(error) => error.code(),
            Self::Head(error) => error.code(),
            Self::Feature(error) => error.code(),
            Self::Packet(error) => error.code(),
            Self::Window(error) => error.code(),
            Self::Protocol(error) => error.code(),
            Self::NoWeights => "node/no-weights",
            Self::NoPipeline => "node/no-pipeline",
            Self::RowLength { .. } => "node/row-length",
            Self::RowNotFinite { .. } => "node/row-not-finite",
            Self::PacketKind => "node/packet-kind",
            Self::WindowNotFull { .. } => "node/window-not-full",
            Self::TooManyClasses { .. } => "node/too-many-classes",
            Self::WindowMeanInStream => "node/window-mean-in-stream",
            Self::Memory { .. } => "node/memory",
            Self::BlobTooLarge { .. } => "node/blob-too-large",
            Self::UploadNotBegun => "node/upload-not-begun",
            Self::UploadOffset { .. } => "node/upload-offset",
            Self::UploadIncomplete { .. } => "node/upload-incomplete",
            Self::UploadCrc { .. } => "node/upload-crc",
        }
    }
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Blob(error) => error.fmt(f),
            Self::Head(error) => error.fmt(f),
            Self::Feature(error) => error.fmt(f),
            Self::Packet(error) => error.fmt(f),
            Self::Window(error) => error.fmt(f),
            Self::Protocol(error) => error.fmt(f),
            Self::NoWeights => write!(f, "the node has no weights yet"),
            Self::NoPipeline => write!(f, "the weights do not tell how CSI becomes features"),
            Self::RowLength { expected, got } => {
                write!(f, "the row has {got} numbers, the weights ask for {expected}")
            }
            Self::RowNotFinite { column } => write!(f, "feature {column} is NaN or infinite"),
            Self::PacketKind => write!(f, "the packet carries neither CSI nor a feature state"),
            Self::WindowNotFull { rows, needed } => {
                write!(f, "there are {rows} rows of the {needed} that are needed")
            }
            Self::TooManyClasses { classes } => {
                write!(f, "the weights have {classes} classes, a packet can name 256")
            }
            Self::WindowMeanInStream => {
                write!(f, "row by row there is no window whose mean could be removed")
            }
            Self::Memory { needed } => write!(f, "{needed} bytes find no room in the memory"),
            Self::BlobTooLarge { len, limit } => {
                write!(f, "{len} bytes of weights are announced, the most is {limit}")
            }
            Self::UploadNotBegun => write!(f, "no weights were announced"),
            Self::UploadOffset { expected, got } => {
                write!(f, "the piece starts at byte {got}, byte {expected} comes next")
            }
            Self::UploadIncomplete { expected, got } => {
                write!(f, "{got} of {expected} bytes of weights are there")
            }
            Self::UploadCrc { announced, computed } => {
                write!(f, "weights with CRC {announced:08x} were announced, {computed:08x} came")
            }
        }
    }
}

impl core::error::Error for NodeError {}

macro_rules! wraps {
    ($($variant:ident($error:ty)),+) => {
        $(impl From<$error> for NodeError {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        })+
    };
}

wraps!(
    Blob(BlobError),
    Head(HeadError),
    Feature(FeatureError),
    Packet(PacketError),
    Window(WindowError),
    Protocol(ProtocolError)
);
