//! Why bytes were not taken as a packet.

use core::fmt;

/// A field that has to be within limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Antennas of raw CSI, 1 to 4.
    Antennas,
    /// Pairs an antenna of raw CSI, 1 to 512; when writing, the values' length disagrees.
    Pairs,
    /// Values of a WASM module, at most 16.
    WasmValues,
    /// Bytes of a compressed buffer before compression, at most 4096.
    OriginalLength,
    /// Bytes of a compressed buffer: even, and fewer than before.
    CompressedLength,
    /// Version of a classification, 1.
    ClassificationVersion,
    /// Version of a mesh envelope, 1.
    MeshVersion,
    /// Bytes in a mesh envelope, at most 256.
    MeshPayload,
}

impl Field {
    /// Returns the field's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Antennas => "antennas",
            Self::Pairs => "pairs",
            Self::WasmValues => "WASM values",
            Self::OriginalLength => "original length",
            Self::CompressedLength => "compressed length",
            Self::ClassificationVersion => "classification version",
            Self::MeshVersion => "mesh version",
            Self::MeshPayload => "mesh payload length",
        }
    }
}

/// Why bytes were not taken as a packet, or a packet could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PacketError {
    /// The first four bytes are no packet's magic.
    Magic {
        /// They, read as little-endian.
        got: u32,
    },
    /// The bytes end within the packet.
    Incomplete {
        /// Bytes that the next decision needs, at least.
        needed: usize,
        /// Bytes there are.
        got: usize,
    },
    /// A datagram is longer than its packet.
    Length {
        /// Bytes of the packet.
        expected: usize,
        /// Bytes of the datagram.
        got: usize,
    },
    /// A field is out of its range.
    Field {
        /// Which one.
        field: Field,
        /// Its value.
        value: u32,
    },
    /// The stored CRC differs from the computed one.
    Crc {
        /// The packet's last four bytes.
        stored: u32,
        /// The CRC of every byte before them.
        computed: u32,
    },
    /// The runs of a compressed buffer do not add up to its length, or one is empty.
    Runs {
        /// Bytes before compression.
        expected: usize,
        /// Bytes that the runs hold.
        got: usize,
    },
    /// The buffer before a compressed one has another length.
    PreviousLength {
        /// Bytes it must have.
        expected: usize,
        /// Bytes it has.
        got: usize,
    },
}

impl PacketError {
    /// Returns the stable code that the page and the docs match on.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Magic { .. } => "packet/magic",
            Self::Incomplete { .. } => "packet/incomplete",
            Self::Length { .. } => "packet/length",
            Self::Field { .. } => "packet/field",
            Self::Crc { .. } => "packet/crc",
            Self::Runs { .. } => "packet/runs",
            Self::PreviousLength { .. } => "packet/previous-length",
        }
    }
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Magic { got } => write!(f, "{got:#010x} is no packet's magic"),
            Self::Incomplete { needed, got } => {
                write!(f, "the packet needs at least {needed} bytes, there are {got}")
            }
            Self::Length { expected, got } => {
                write!(f, "the datagram has {got} bytes, its packet {expected}")
            }
            Self::Field { field, value } => {
                write!(f, "the field \"{}\" is out of range with {value}", field.name())
            }
            Self::Crc { stored, computed } => {
                write!(f, "the packet stores CRC {stored:08x}, its bytes have {computed:08x}")
            }
            Self::Runs { expected, got } => {
                write!(f, "the runs hold {got} bytes, the buffer has {expected}")
            }
            Self::PreviousLength { expected, got } => {
                write!(
                    f,
                    "the buffer before has {got} bytes, the packet continues one of {expected}"
                )
            }
        }
    }
}

impl core::error::Error for PacketError {}
