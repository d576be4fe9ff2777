//! Why a `.rvne` weight blob was refused.

use core::fmt;

use crate::feature::FeatureError;

/// One of the header's dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// `input_dim`.
    InputDim,
    /// `n_q_heads`.
    QHeads,
    /// `n_kv_heads`.
    KvHeads,
    /// `head_dim`.
    HeadDim,
    /// `n_layers`.
    Layers,
    /// `n_classes`.
    Classes,
}

impl Dimension {
    /// Returns the header field's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InputDim => "input_dim",
            Self::QHeads => "n_q_heads",
            Self::KvHeads => "n_kv_heads",
            Self::HeadDim => "head_dim",
            Self::Layers => "n_layers",
            Self::Classes => "n_classes",
        }
    }
}

/// Why a `.rvne` weight blob was refused. Offsets are bytes from the start of the file, unless
/// they are called `at`: those count from the start of the record's payload.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum BlobError {
    /// The file ends before a header and a CRC have room.
    TooShort {
        /// Bytes needed.
        needed: usize,
        /// Bytes there are.
        got: usize,
    },
    /// The file starts with `RVNE`: the magic was written big-endian.
    MagicBigEndian,
    /// The file does not start with the magic.
    Magic {
        /// The first four bytes, read as little-endian.
        got: u32,
    },
    /// Another version.
    Version {
        /// The version stored.
        got: u16,
    },
    /// A reserved flag bit is set.
    ReservedFlag {
        /// The flags stored.
        flags: u8,
    },
    /// The header's reserved byte is not zero.
    ReservedByte {
        /// The byte stored.
        got: u8,
    },
    /// A dimension is zero.
    ZeroDimension {
        /// Which one.
        dimension: Dimension,
    },
    /// The key-value heads do not divide the query heads.
    GqaRatio {
        /// Query heads.
        q_heads: u16,
        /// Key-value heads.
        kv_heads: u16,
    },
    /// Fewer than two classes.
    TooFewClasses {
        /// Classes.
        classes: u16,
    },
    /// The shape needs more weights than there may be.
    ShapeTooLarge {
        /// Weights needed; `u64::MAX` stands for more than that.
        weights: u64,
        /// The most there may be.
        limit: u64,
    },
    /// `weights_len` is not what the shape needs.
    WeightsLength {
        /// Bytes that the shape needs.
        expected: u64,
        /// Bytes stored in the header, or held in memory.
        got: u64,
    },
    /// The file's length is not what the header implies; with a trailer, the least it can be.
    Length {
        /// Bytes implied.
        expected: u64,
        /// Bytes there are.
        got: u64,
    },
    /// The stored CRC differs from the computed one.
    Crc {
        /// The file's last four bytes.
        stored: u32,
        /// The CRC of every byte before them.
        computed: u32,
    },
    /// A weight is NaN or infinite, or would be once stored.
    NotFinite {
        /// Its index among the weights.
        index: usize,
    },
    /// A seed of zero makes every number the same.
    ZeroSeed,
    /// Bytes that only fill up to a multiple of 4 are not zero.
    TrailerPadding {
        /// Where.
        offset: usize,
    },
    /// A record reaches beyond the end of the trailer.
    TrailerBounds {
        /// Its tag.
        tag: u8,
        /// Where it starts.
        offset: usize,
        /// Its payload's length as stored.
        len: u32,
    },
    /// The reserved bytes of a record's header are not zero.
    TrailerReserved {
        /// Its tag.
        tag: u8,
        /// Where it starts.
        offset: usize,
    },
    /// A tag comes twice.
    TrailerDuplicate {
        /// The tag.
        tag: u8,
        /// Where the second one starts.
        offset: usize,
    },
    /// An unknown tag that changes the result, or one that cannot be written as unknown.
    TrailerUnknown {
        /// The tag.
        tag: u8,
        /// Where it starts; 0 when writing.
        offset: usize,
    },
    /// The trailer has no end record.
    TrailerEndMissing {
        /// Where it would have to start.
        offset: usize,
    },
    /// Bytes lie between the end record and the CRC.
    TrailerBytesAfterEnd {
        /// Where they start.
        offset: usize,
        /// How many.
        bytes: usize,
    },
    /// A record's payload has another length than the shape demands.
    TrailerPayloadLength {
        /// Its tag.
        tag: u8,
        /// Bytes demanded; where names end too early, the least.
        expected: u64,
        /// Bytes there are.
        got: u64,
    },
    /// A record holds another number of names than there are classes or features.
    TrailerCount {
        /// Its tag.
        tag: u8,
        /// Names there should be.
        expected: usize,
        /// Names there are.
        got: usize,
    },
    /// A name is too long for its length byte.
    TrailerNameTooLong {
        /// The record's tag.
        tag: u8,
        /// Which name.
        index: usize,
        /// Its bytes.
        bytes: usize,
    },
    /// Text is not UTF-8.
    TrailerUtf8 {
        /// The record's tag.
        tag: u8,
        /// Where the text goes wrong.
        at: usize,
    },
    /// A field has a value that means nothing, or a reserved one is not zero.
    TrailerValue {
        /// The record's tag.
        tag: u8,
        /// Where the field starts.
        at: usize,
        /// Its value.
        value: u16,
    },
    /// A number is NaN or infinite.
    TrailerNotFinite {
        /// The record's tag.
        tag: u8,
        /// Which of the record's floats.
        index: usize,
    },
    /// A number that must not be negative is.
    TrailerNegative {
        /// The record's tag.
        tag: u8,
        /// Which of the record's floats.
        index: usize,
    },
    /// The feature pipeline is not valid.
    Pipeline(FeatureError),
    /// The feature pipeline makes rows that the head cannot read.
    PipelineWidth {
        /// Features the head reads.
        expected: usize,
        /// Features the pipeline makes.
        got: usize,
    },
}

impl BlobError {
    /// Returns the stable code that the page and the docs match on.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooShort { .. } => "rvne/too-short",
            Self::MagicBigEndian => "rvne/magic-big-endian",
            Self::Magic { .. } => "rvne/magic",
            Self::Version { .. } => "rvne/version",
            Self::ReservedFlag { .. } => "rvne/reserved-flag",
            Self::ReservedByte { .. } => "rvne/reserved-byte",
            Self::ZeroDimension { .. } => "rvne/zero-dimension",
            Self::GqaRatio { .. } => "rvne/gqa-ratio",
            Self::TooFewClasses { .. } => "rvne/too-few-classes",
            Self::ShapeTooLarge { .. } => "rvne/shape-too-large",
            Self::WeightsLength { .. } => "rvne/weights-length",
            Self::Length { .. } => "rvne/length",
            Self::Crc { .. } => "rvne/crc",
            Self::NotFinite { .. } => "rvne/not-finite",
            Self::ZeroSeed => "rvne/zero-seed",
            Self::TrailerPadding { .. } => "rvne/trailer-padding",
            Self::TrailerBounds { .. } => "rvne/trailer-bounds",
            Self::TrailerReserved { .. } => "rvne/trailer-reserved",
            Self::TrailerDuplicate { .. } => "rvne/trailer-duplicate",
            Self::TrailerUnknown { .. } => "rvne/trailer-unknown",
            Self::TrailerEndMissing { .. } => "rvne/trailer-end-missing",
            Self::TrailerBytesAfterEnd { .. } => "rvne/trailer-bytes-after-end",
            Self::TrailerPayloadLength { .. } => "rvne/trailer-payload-length",
            Self::TrailerCount { .. } => "rvne/trailer-count",
            Self::TrailerNameTooLong { .. } => "rvne/trailer-name-too-long",
            Self::TrailerUtf8 { .. } => "rvne/trailer-utf8",
            Self::TrailerValue { .. } => "rvne/trailer-value",
            Self::TrailerNotFinite { .. } => "rvne/trailer-not-finite",
            Self::TrailerNegative { .. } => "rvne/trailer-negative",
            Self::Pipeline(_) => "rvne/pipeline",
            Self::PipelineWidth { .. } => "rvne/pipeline-width",
        }
    }
}

impl fmt::Display for BlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooShort { needed, got } => {
                write!(f, "the file has {got} bytes, a weight blob has at least {needed}")
            }
            Self::MagicBigEndian => f.write_str(
                "the file starts with \"RVNE\": its magic was written big-endian, a weight blob is \
                 little-endian and starts with \"ENVR\"",
            ),
            Self::Magic { got } => write!(
                f,
                "the file starts with {:02X?}, a weight blob with [45, 4E, 56, 52]",
                got.to_le_bytes()
            ),
            Self::Version { got } => {
                write!(f, "the blob has version {got}, only version 1 is known")
            }
            Self::ReservedFlag { flags } => {
                write!(f, "the flags are {flags:#04x}, and bits 2 to 7 are reserved")
            }
            Self::ReservedByte { got } => {
                write!(f, "the reserved byte at offset 7 is {got:#04x}, not 0")
            }
            Self::ZeroDimension { dimension } => write!(f, "{} is zero", dimension.name()),
            Self::GqaRatio { q_heads, kv_heads } => {
                write!(f, "{kv_heads} key-value heads do not divide {q_heads} query heads")
            }
            Self::TooFewClasses { classes } => {
                write!(f, "{classes} class is too few, two are the least")
            }
            Self::ShapeTooLarge { weights, limit } => {
                write!(f, "the shape needs {weights} weights, more than {limit}")
            }
            Self::WeightsLength { expected, got } => {
                write!(f, "there are {got} bytes of weights, the shape needs {expected}")
            }
            Self::Length { expected, got } => {
                write!(f, "the file has {got} bytes, its header implies {expected}")
            }
            Self::Crc { stored, computed } => {
                write!(f, "the file stores CRC {stored:08x}, its bytes have {computed:08x}")
            }
            Self::NotFinite { index } => write!(f, "weight {index} is not a finite number"),
            Self::ZeroSeed => f.write_str("the seed is zero, which makes all weights the same"),
            Self::TrailerPadding { offset } => {
                write!(f, "the padding at offset {offset:#x} is not zero")
            }
            Self::TrailerBounds { tag, offset, len } => write!(
                f,
                "trailer record {tag:#04x} at offset {offset:#x} claims {len} bytes, beyond the file's end"
            ),
            Self::TrailerReserved { tag, offset } => write!(
                f,
                "trailer record {tag:#04x} at offset {offset:#x} has reserved bytes that are not zero"
            ),
            Self::TrailerDuplicate { tag, offset } => {
                write!(f, "trailer record {tag:#04x} comes a second time at offset {offset:#x}")
            }
            Self::TrailerUnknown { tag, offset } => write!(
                f,
                "trailer record {tag:#04x} at offset {offset:#x} is unknown and would change the result"
            ),
            Self::TrailerEndMissing { offset } => {
                write!(f, "the trailer has no end record at offset {offset:#x}")
            }
            Self::TrailerBytesAfterEnd { offset, bytes } => {
                write!(f, "{bytes} bytes follow the trailer's end record at offset {offset:#x}")
            }
            Self::TrailerPayloadLength { tag, expected, got } => {
                write!(f, "trailer record {tag:#04x} has {got} bytes, the blob needs {expected}")
            }
            Self::TrailerCount { tag, expected, got } => {
                write!(f, "trailer record {tag:#04x} has {got} names, the blob needs {expected}")
            }
            Self::TrailerNameTooLong { tag, index, bytes } => write!(
                f,
                "name {index} of trailer record {tag:#04x} has {bytes} bytes, more than 255"
            ),
            Self::TrailerUtf8 { tag, at } => {
                write!(f, "trailer record {tag:#04x} is not UTF-8 at byte {at} of its payload")
            }
            Self::TrailerValue { tag, at, value } => write!(
                f,
                "trailer record {tag:#04x} has the undefined value {value} at byte {at} of its payload"
            ),
            Self::TrailerNotFinite { tag, index } => {
                write!(f, "number {index} of trailer record {tag:#04x} is not finite")
            }
            Self::TrailerNegative { tag, index } => {
                write!(f, "number {index} of trailer record {tag:#04x} is negative")
            }
            Self::Pipeline(error) => write!(f, "the feature pipeline is not valid: {error}"),
            Self::PipelineWidth { expected, got } => write!(
                f,
                "the feature pipeline makes rows of {got} numbers, the head reads {expected}"
            ),
        }
    }
}

impl core::error::Error for BlobError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Pipeline(error) => Some(error),
            _ => None,
        }
    }
}
