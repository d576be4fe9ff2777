//! Why bytes were not taken as a frame, or a frame not as a message.

use core::fmt;

/// Why bytes were not taken as a frame, or a frame not as a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The stored CRC differs from the computed one.
    Crc {
        /// The frame's last four bytes.
        stored: u32,
        /// The CRC of kind, length and payload.
        computed: u32,
    },
    /// The length says more than a payload may have.
    TooLong {
        /// Bytes of payload that the frame claims, or that a message would need.
        len: usize,
    },
    /// No message of this direction has this kind.
    Kind {
        /// The kind.
        kind: u8,
    },
    /// The payload does not suit its kind.
    Payload {
        /// The kind.
        kind: u8,
        /// Bytes of the payload.
        len: usize,
    },
}

impl ProtocolError {
    /// Returns the stable code that the page and the docs match on.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Crc { .. } => "protocol/crc",
            Self::TooLong { .. } => "protocol/too-long",
            Self::Kind { .. } => "protocol/kind",
            Self::Payload { .. } => "protocol/payload",
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Crc { stored, computed } => {
                write!(f, "the frame stores CRC {stored:08x}, its bytes have {computed:08x}")
            }
            Self::TooLong { len } => {
                write!(f, "a payload of {len} bytes, the most is {}", super::MAX_PAYLOAD)
            }
            Self::Kind { kind } => write!(f, "no message has the kind {kind:#04x}"),
            Self::Payload { kind, len } => {
                write!(f, "{len} bytes are no payload of kind {kind:#04x}")
            }
        }
    }
}

impl core::error::Error for ProtocolError {}
