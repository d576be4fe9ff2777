//! Why a safetensors file was refused.

use core::fmt;

use csi_temporal::rvne::BlobError;

use super::TensorId;

/// A short piece of text from a file, cut where it is longer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ShortText {
    bytes: [u8; Self::MAX],
    len: u8,
}

impl ShortText {
    const MAX: usize = 63;

    /// Keeps the start of `text`.
    pub fn new(text: &str) -> Self {
        let end = text.floor_char_boundary(Self::MAX);
        let mut bytes = [0; Self::MAX];
        bytes[..end].copy_from_slice(&text.as_bytes()[..end]);
        Self { bytes, len: end as u8 }
    }

    /// Returns what was kept.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl fmt::Display for ShortText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ShortText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// The dimensions of a tensor, of which the first four are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    sizes: [usize; 4],
    rank: usize,
}

impl Dims {
    /// Stands for a size that nothing fixes.
    pub const ANY: usize = usize::MAX;

    /// Keeps the start of `sizes`.
    pub fn new(sizes: &[usize]) -> Self {
        let mut kept = [0; 4];
        kept.iter_mut().zip(sizes).for_each(|(kept, size)| *kept = *size);
        Self { sizes: kept, rank: sizes.len() }
    }
}

impl fmt::Display for Dims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (index, size) in self.sizes.iter().take(self.rank).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            match *size {
                Self::ANY => write!(f, "{comma}any")?,
                size => write!(f, "{comma}{size}")?,
            }
        }
        f.write_str(if self.rank > self.sizes.len() { ", ...]" } else { "]" })
    }
}

/// Why a safetensors file was refused. Tensors go by the names that are exported.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum BridgeError {
    /// The file is not what the format demands.
    Container {
        /// What is wrong.
        what: &'static str,
    },
    /// The metadata has no text under `rvne`.
    NoMetadata,
    /// The text under `rvne` is not the JSON that it should be.
    Metadata {
        /// What is wrong, in the JSON reader's words.
        what: ShortText,
    },
    /// A tensor that no head has.
    UnknownTensor {
        /// Its name.
        name: ShortText,
    },
    /// A matrix is there as `.weight` and as `.kernel`.
    Twice {
        /// Which one.
        tensor: TensorId,
    },
    /// A tensor that the head needs is not there.
    Missing {
        /// Which one.
        tensor: TensorId,
    },
    /// A tensor has other dimensions than the rest of the head asks for.
    Shape {
        /// Which one.
        tensor: TensorId,
        /// What it should have, in the order in which it lies; see [`Dims::ANY`].
        expected: Dims,
        /// What it has.
        got: Dims,
    },
    /// A tensor's numbers are of a type that is not read.
    Dtype {
        /// Which one.
        tensor: TensorId,
        /// Their type.
        got: safetensors::Dtype,
    },
    /// A number is NaN or infinite.
    NotFinite {
        /// In which tensor.
        tensor: TensorId,
        /// Its place there.
        index: usize,
    },
    /// A dimension is zero or beyond what a blob can hold.
    Dimension {
        /// Of which tensor.
        tensor: TensorId,
        /// The dimension.
        got: usize,
    },
    /// A projection is not as wide as a whole number of heads.
    HeadDim {
        /// Which projection.
        tensor: TensorId,
        /// Its width.
        width: usize,
        /// Numbers a head, by the metadata.
        head_dim: u16,
    },
    /// The parts make no blob.
    Blob(BlobError),
}

impl BridgeError {
    /// Returns the stable code that the page and the docs match on.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Container { .. } => "safetensors/container",
            Self::NoMetadata => "safetensors/no-metadata",
            Self::Metadata { .. } => "safetensors/metadata",
            Self::UnknownTensor { .. } => "safetensors/unknown-tensor",
            Self::Twice { .. } => "safetensors/twice",
            Self::Missing { .. } => "safetensors/missing",
            Self::Shape { .. } => "safetensors/shape",
            Self::Dtype { .. } => "safetensors/dtype",
            Self::NotFinite { .. } => "safetensors/not-finite",
            Self::Dimension { .. } => "safetensors/dimension",
            Self::HeadDim { .. } => "safetensors/head-dim",
            Self::Blob(error) => error.code(),
        }
    }
}

impl fmt::Display for BridgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container { what } => write!(f, "the file is no safetensors file: {what}"),
            Self::NoMetadata => {
                f.write_str("the file's metadata has no \"rvne\", which tells the size of a head")
            }
            Self::Metadata { what } => write!(f, "the metadata under \"rvne\" is wrong: {what}"),
            Self::UnknownTensor { name } => write!(f, "no head has a tensor {name:?}"),
            Self::Twice { tensor } => {
                write!(f, "the file has both {tensor} and the same matrix as .kernel")
            }
            Self::Missing { tensor } => write!(f, "the file has no tensor {tensor}"),
            Self::Shape { tensor, expected, got } => {
                write!(f, "{tensor} has the shape {got}, the head needs {expected}")
            }
            Self::Dtype { tensor, got } => {
                write!(f, "the numbers of {tensor} are {got:?}, the lab reads F32, F16 and BF16")
            }
            Self::NotFinite { tensor, index } => {
                write!(f, "number {index} of {tensor} is not finite")
            }
            Self::Dimension { tensor, got } => {
                write!(f, "{tensor} has a dimension of {got}, a blob holds 1 to 65535")
            }
            Self::HeadDim { tensor, width, head_dim } => write!(
                f,
                "{tensor} makes {width} numbers, which are no whole number of heads of {head_dim}"
            ),
            Self::Blob(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for BridgeError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Blob(error) => Some(error),
            _ => None,
        }
    }
}

impl From<BlobError> for BridgeError {
    fn from(error: BlobError) -> Self {
        Self::Blob(error)
    }
}
