//! Why a device could not do what it was asked.

use core::fmt;

use csi_temporal::feature::FeatureError;
use csi_temporal::head::HeadError;
use csi_temporal::rvne::BlobError;
use esp_flasher::FlashError;
use esp_flasher::image::ImageError;
use esp_flasher::partition::PartitionError;
use esp_flasher::plan::PlanError;

use super::Task;
use crate::codes;

/// Why a device could not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum DeviceError {
    /// No port is open.
    NotConnected,
    /// Something else goes on.
    Busy {
        /// What.
        task: Task,
    },
    /// The chip runs its loader, which takes no requests for an application: restart it first.
    InLoader,
    /// The port was lost in the middle.
    Lost,
    /// The user ended it.
    Cancelled,
    /// Nobody answered.
    NoAnswer {
        /// The request's kind.
        request: u8,
        /// For how long, in milliseconds.
        waited_millis: u32,
    },
    /// The node refused a request.
    Refused {
        /// The request's kind.
        request: u8,
        /// The node's code; `device/refused` for one that is not known here.
        code: &'static str,
    },
    /// The node speaks another version of the protocol.
    Version {
        /// The node's.
        board: u16,
    },
    /// Frames were damaged on the line again and again.
    Damaged {
        /// How often it was tried.
        tries: u8,
    },
    /// A reply that fits no request.
    Unexpected {
        /// The reply's kind.
        kind: u8,
    },
    /// The node runs other weights than those that its logits are to be compared with.
    OtherWeights {
        /// The CRC that closes the board's blob; 0 = it has none.
        board: u32,
        /// The CRC that closes ours.
        ours: u32,
    },
    /// Rows of another width than the weights read.
    Width {
        /// Numbers in a row.
        got: usize,
        /// Numbers that the weights read.
        expected: usize,
    },
    /// Too few rows for one classification.
    TooFewRows {
        /// Rows there are.
        rows: usize,
        /// Rows needed.
        needed: usize,
    },
    /// No firmware of the catalogue is loaded.
    NoFirmware,
    /// The catalogue's manifest cannot be read.
    Manifest {
        /// The line; 0 = it is for another chip, or names no file.
        line: u32,
    },
    /// A file that the manifest names is not there.
    FileMissing {
        /// Which, from 0.
        index: u8,
    },
    /// A file has another hash than the manifest says.
    FileHash {
        /// Which, from 0.
        index: u8,
    },
    /// There is no partition of this name.
    NoPartition,
    /// The weights do not fit their partition.
    WeightsRoom {
        /// Bytes of the blob.
        bytes: usize,
        /// Bytes of the partition.
        room: u32,
    },
    /// Nothing is planned.
    NoPlan,
    /// The loader gave up.
    Flash(FlashError),
    /// A plan was refused.
    Plan(PlanError),
    /// A partition table cannot be read.
    Partition(PartitionError),
    /// An image cannot be read.
    Image(ImageError),
    /// Weights that cannot be read.
    Blob(BlobError),
    /// Weights that cannot run here.
    Head(HeadError),
    /// A pipeline that cannot be made.
    Feature(FeatureError),
}

impl DeviceError {
    /// Returns the stable code that the page and the docs match on.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotConnected => "device/not-connected",
            Self::Busy { .. } => "device/busy",
            Self::InLoader => "device/in-loader",
            Self::Lost => "device/lost",
            Self::Cancelled => "device/cancelled",
            Self::NoAnswer { .. } => "device/no-answer",
            Self::Refused { code, .. } => code,
            Self::Version { .. } => "device/version",
            Self::Damaged { .. } => "device/damaged",
            Self::Unexpected { .. } => "device/unexpected",
            Self::OtherWeights { .. } => "device/other-weights",
            Self::Width { .. } => "device/width",
            Self::TooFewRows { .. } => "device/too-few-rows",
            Self::NoFirmware => "device/no-firmware",
            Self::Manifest { .. } => "device/manifest",
            Self::FileMissing { .. } => "device/file-missing",
            Self::FileHash { .. } => "device/file-hash",
            Self::NoPartition => "device/no-partition",
            Self::WeightsRoom { .. } => "device/weights-room",
            Self::NoPlan => "device/no-plan",
            Self::Flash(error) => error.code(),
            Self::Plan(error) => error.code(),
            Self::Partition(error) => error.code(),
            Self::Image(error) => error.code(),
            Self::Blob(error) => error.code(),
            Self::Head(error) => error.code(),
            Self::Feature(error) => error.code(),
        }
    }

    /// Takes a refusal from the wire; a code that is not in the table is not repeated.
    pub(super) fn refused(request: u8, code: &str) -> Self {
        let known = codes::ALL.binary_search(&code).map(|index| codes::ALL[index]);
        Self::Refused { request, code: known.unwrap_or("device/refused") }
    }
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotConnected => write!(f, "no port is open"),
            Self::Busy { task } => write!(f, "the device is busy: {task:?}"),
            Self::InLoader => write!(f, "the chip waits in its loader: restart it first"),
            Self::Lost => write!(f, "the port was lost: unplugged, or taken away by the system"),
            Self::Cancelled => write!(f, "cancelled"),
            Self::NoAnswer { request, waited_millis } => {
                write!(f, "no answer to {} within {waited_millis} ms", request_name(request))
            }
            Self::Refused { request, code } => {
                write!(f, "the board refused {}: {code}", request_name(request))
            }
            Self::Version { board } => {
                write!(f, "the board speaks version {board} of the protocol, we speak 1")
            }
            Self::Damaged { tries } => {
                write!(f, "the line damaged frames in each of {tries} tries")
            }
            Self::Unexpected { kind } => write!(f, "reply {kind:#04x} fits no request"),
            Self::OtherWeights { board: 0, ours } => {
                write!(f, "the board has no weights, ours end in {ours:08x}")
            }
            Self::OtherWeights { board, ours } => {
                write!(f, "the board's weights end in {board:08x}, ours in {ours:08x}")
            }
            Self::Width { got, expected } => {
                write!(f, "rows of {got} numbers, the weights read {expected}")
            }
            Self::TooFewRows { rows, needed } => {
                write!(f, "{rows} rows, {needed} are needed for one classification")
            }
            Self::NoFirmware => {
                write!(f, "no firmware is loaded: `cargo xtask firmware` builds it")
            }
            Self::Manifest { line: 0 } => {
                write!(f, "the firmware's manifest is for another chip, or names no file")
            }
            Self::Manifest { line } => write!(f, "line {line} of the firmware's manifest is wrong"),
            Self::FileMissing { index } => {
                write!(f, "file {index} of the firmware's manifest is not there")
            }
            Self::FileHash { index } => {
                write!(f, "file {index} of the firmware's manifest has another hash than it says")
            }
            Self::NoPartition => write!(f, "there is no partition of this name"),
            Self::WeightsRoom { bytes, room } => {
                write!(f, "{bytes} bytes of weights do not fit their partition of {room}")
            }
            Self::NoPlan => write!(f, "nothing is planned"),
            Self::Flash(error) => error.fmt(f),
            Self::Plan(error) => error.fmt(f),
            Self::Partition(error) => error.fmt(f),
            Self::Image(error) => error.fmt(f),
            Self::Blob(error) => error.fmt(f),
            Self::Head(error) => error.fmt(f),
            Self::Feature(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for DeviceError {}

/// The name of a request in `docs/protocol.md`.
pub(super) const fn request_name(kind: u8) -> &'static str {
    use csi_node::protocol::kind;
    match kind {
        0 => "a damaged frame",
        kind::HELLO => "HELLO",
        kind::CONFIGURE => "CONFIGURE",
        kind::ROW => "ROW",
        kind::CSI => "CSI",
        kind::CLASSIFY => "CLASSIFY",
        kind::WEIGHTS_BEGIN => "WEIGHTS_BEGIN",
        kind::WEIGHTS_CHUNK => "WEIGHTS_CHUNK",
        kind::WEIGHTS_END => "WEIGHTS_END",
        kind::STATS => "STATS",
        kind::SELF_TEST => "SELF_TEST",
        kind::RESET => "RESET",
        _ => "a request",
    }
}

macro_rules! wraps {
    ($($variant:ident($error:ty)),+) => {
        $(impl From<$error> for DeviceError {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        })+
    };
}

wraps!(
    Flash(FlashError),
    Plan(PlanError),
    Partition(PartitionError),
    Image(ImageError),
    Blob(BlobError),
    Head(HeadError),
    Feature(FeatureError)
);
