//! The framed protocol between a node and whoever talks to it over a serial line.
//!
//! | bytes     | field   | type | meaning                                            |
//! |-----------|---------|------|----------------------------------------------------|
//! | `0..2`    | sync    |      | `55 AA`                                            |
//! | `2`       | kind    | u8   | which message, see [`kind`]                        |
//! | `3..5`    | len     | u16  | bytes of payload, at most [`MAX_PAYLOAD`]          |
//! | `5..5+n`  | payload |      | see [`Request`] and [`Reply`]                      |
//! | last 4    | crc32   | u32  | [`csi_temporal::crc32`] over kind, len and payload |
//!
//! Integers and floats are little-endian. Whatever lies between frames is not part of the
//! protocol: a node prints its boot log on the same line. After damage the decoder goes on at the
//! next `55 AA`, within the damaged frame too.
//!
//! Kinds below `0x80` are requests, from `0x80` replies. A request is answered by its own reply,
//! by `DONE` or by `ERROR`; `ROW` and `CSI` are answered only when they are refused, when
//! acknowledgements are on, or when a classification falls due. `docs/protocol.md` has the tables
//! of every payload.
//!
//! It retries nothing, and it knows neither ports nor time.

mod error;
mod fields;
mod frame;
mod reply;
mod request;

pub use error::ProtocolError;
pub use fields::Numbers;
pub use frame::{Decoder, Event, MAX_FRAME, MAX_PAYLOAD, OVERHEAD, SYNC};
pub use reply::{Bits, Greeting, Logits, Reply, write_bits};
pub use request::{Request, Settings};

/// The version that [`Greeting::protocol`] carries.
pub const VERSION: u16 = 1;

/// What the third byte of a frame says.
pub mod kind {
    /// Asks for a greeting.
    pub const HELLO: u8 = 0x01;
    /// Changes settings.
    pub const CONFIGURE: u8 = 0x02;
    /// Brings a feature row.
    pub const ROW: u8 = 0x03;
    /// Brings a wire packet with CSI or a feature state.
    pub const CSI: u8 = 0x04;
    /// Asks for a classification now.
    pub const CLASSIFY: u8 = 0x05;
    /// Announces weights.
    pub const WEIGHTS_BEGIN: u8 = 0x06;
    /// Brings a piece of the weights.
    pub const WEIGHTS_CHUNK: u8 = 0x07;
    /// Says that the weights are complete and are to be used.
    pub const WEIGHTS_END: u8 = 0x08;
    /// Asks for the counters.
    pub const STATS: u8 = 0x09;
    /// Asks for the self-test's table of bits.
    pub const SELF_TEST: u8 = 0x0A;
    /// Forgets the rows, or restarts the node.
    pub const RESET: u8 = 0x0B;

    /// Answers `HELLO`; nodes also send it unasked when they start.
    pub const GREETING: u8 = 0x81;
    /// A wire packet: a classification.
    pub const PACKET: u8 = 0x82;
    /// The logits of a classification, bit by bit.
    pub const LOGITS: u8 = 0x83;
    /// A request was done.
    pub const DONE: u8 = 0x84;
    /// A request was refused.
    pub const ERROR: u8 = 0x85;
    /// Answers `STATS`.
    pub const COUNTERS: u8 = 0x86;
    /// Answers `SELF_TEST`.
    pub const BITS: u8 = 0x87;
}
