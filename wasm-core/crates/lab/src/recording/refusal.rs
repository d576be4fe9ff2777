//! Why a line or packet was left out, and why a whole file cannot be opened.

use core::fmt;

use super::{Position, counted};

/// Why one line, packet or record was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SkipReason {
    /// A line without CSI: boot messages, prompts, log output.
    OtherLine,
    /// A line longer than the limit.
    LineTooLong,
    /// The line or record ends before its values do.
    CutShort,
    /// Two lines were merged into one; the first of them is lost.
    MergedLines,
    /// The stated length differs from the number of values.
    LengthMismatch,
    /// An odd number of values: one of a pair is missing.
    OddCount,
    /// Phases without amplitudes.
    PhaseOnly,
    /// A value outside -128..=127 where the format has bytes.
    ValueBeyondI8,
    /// A value outside -32768..=32767.
    ValueBeyondI16,
    /// A cell that should be a number is not one.
    NotANumber,
    /// A value is NaN or infinite.
    NotFinite,
    /// The row has another number of cells than the first one.
    WrongCellCount,
    /// The frame has no values.
    NoValues,
    /// The frame has more than 4096 values.
    TooManyValues,
    /// The file has more than 256 combinations of sender and layout.
    TooManyStreams,
    /// The line is not valid JSON.
    BadJson,
    /// A JSON line of no known kind.
    UnknownJson,
    /// The line announces a packet and holds none of its bytes.
    NoPayload,
    /// The hex text is damaged.
    BadHex,
    /// A datagram that a recorder took for CSI and that is something else.
    NotCsiPacket,
    /// The eight features of a feature packet written as if they were amplitudes.
    FeaturesNotCsi,
    /// A raw frame that its recorder decoded with a wrong layout.
    WrongLayout,
    /// A packet of a kind nothing is known about.
    UnknownPacket,
    /// A network packet of another application.
    ForeignPacket,
    /// A record of another kind than CSI.
    OtherRecord,
    /// A record whose lengths contradict each other.
    BadLength,
    /// A packet whose checksum is wrong.
    BadChecksum,
    /// Bytes between two packets that belong to none.
    Garbage,
    /// A compressed frame: the frame it differs from is known to its node alone.
    NotDecodable,
}

impl SkipReason {
    /// Returns the stable key that reports and the page match on.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::OtherLine => "other-line",
            Self::LineTooLong => "line-too-long",
            Self::CutShort => "cut-short",
            Self::MergedLines => "merged-lines",
            Self::LengthMismatch => "length-mismatch",
            Self::OddCount => "odd-count",
            Self::PhaseOnly => "phase-only",
            Self::ValueBeyondI8 => "value-beyond-i8",
            Self::ValueBeyondI16 => "value-beyond-i16",
            Self::NotANumber => "not-a-number",
            Self::NotFinite => "not-finite",
            Self::WrongCellCount => "wrong-cell-count",
            Self::NoValues => "no-values",
            Self::TooManyValues => "too-many-values",
            Self::TooManyStreams => "too-many-streams",
            Self::BadJson => "bad-json",
            Self::UnknownJson => "unknown-json",
            Self::NoPayload => "no-payload",
            Self::BadHex => "bad-hex",
            Self::NotCsiPacket => "not-csi-packet",
            Self::FeaturesNotCsi => "features-not-csi",
            Self::WrongLayout => "wrong-layout",
            Self::UnknownPacket => "unknown-packet",
            Self::ForeignPacket => "foreign-packet",
            Self::OtherRecord => "other-record",
            Self::BadLength => "bad-length",
            Self::BadChecksum => "bad-checksum",
            Self::Garbage => "garbage",
            Self::NotDecodable => "not-decodable",
        }
    }

    /// Returns what happened, as the end of a sentence that begins with a number of lines.
    pub const fn sentence(&self) -> &'static str {
        match self {
            Self::OtherLine => "held no CSI (log output, prompts)",
            Self::LineTooLong => "were longer than a line may be",
            Self::CutShort => "were cut off before their end",
            Self::MergedLines => "were overwritten by the next one on the same line",
            Self::LengthMismatch => "held another number of values than they announce",
            Self::OddCount => "held an odd number of values, so a half pair",
            Self::PhaseOnly => "held phases without amplitudes",
            Self::ValueBeyondI8 => "held a value beyond -128..127",
            Self::ValueBeyondI16 => "held a value beyond -32768..32767",
            Self::NotANumber => "held text where a number belongs",
            Self::NotFinite => "held NaN or infinity",
            Self::WrongCellCount => "had another number of cells than the rest",
            Self::NoValues => "held no values",
            Self::TooManyValues => "held more than 4096 values",
            Self::TooManyStreams => "came from senders or layouts beyond the first 256",
            Self::BadJson => "were not valid JSON",
            Self::UnknownJson => "were JSON of an unknown kind",
            Self::NoPayload => "announced a packet and held none of its bytes",
            Self::BadHex => "held damaged hex text",
            Self::NotCsiPacket => "were other packets recorded as if they were CSI",
            Self::FeaturesNotCsi => "held eight features written as if they were amplitudes",
            Self::WrongLayout => "were decoded by their recorder with a wrong layout",
            Self::UnknownPacket => "were packets of an unknown kind",
            Self::ForeignPacket => "belonged to other applications",
            Self::OtherRecord => "were records of another kind",
            Self::BadLength => "had lengths that contradict each other",
            Self::BadChecksum => "had a wrong checksum",
            Self::Garbage => "were stretches of bytes that belong to no packet",
            Self::NotDecodable => {
                "were differences from a frame that only the node knows for certain"
            }
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

/// Why a file cannot be opened at all: what, where, what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The file has no bytes.
    Empty,
    /// The file is UTF-16 text.
    Utf16,
    /// The file is neither text nor a known binary format.
    Unrecognised {
        /// Its first four bytes, zero where it has fewer.
        first: [u8; 4],
    },
    /// The file is text and holds no CSI.
    NoCsi {
        /// Lines seen.
        lines: u64,
    },
    /// The file is one JSON document, not one object a line.
    JsonDocument,
    /// The file has the column names of a CSI table, and no row.
    HeaderOnly,
    /// The format is known, packets were counted, but none of them is CSI.
    NoCsiPackets {
        /// Packets seen.
        packets: u64,
    },
    /// The format is known and every line or packet had to be left out.
    NothingUsable {
        /// How many were left out.
        skipped: u64,
        /// Why the first of them was.
        reason: SkipReason,
        /// Where it is.
        position: Position,
    },
    /// A format that is recognised and not read here.
    Foreign {
        /// Its stable code, like `recording/npz`.
        code: &'static str,
        /// Its name.
        name: &'static str,
        /// What to do instead.
        advice: &'static str,
    },
}

impl Refusal {
    /// Returns the stable code that the page and the docs match on.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "recording/empty",
            Self::Utf16 => "recording/utf-16",
            Self::Unrecognised { .. } => "recording/unrecognised",
            Self::NoCsi { .. } => "recording/no-csi",
            Self::JsonDocument => "recording/json-document",
            Self::HeaderOnly => "recording/header-only",
            Self::NoCsiPackets { .. } => "recording/no-csi-packets",
            Self::NothingUsable { .. } => "recording/nothing-usable",
            Self::Foreign { code, .. } => code,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str(
                "The file is empty: it has 0 bytes. Check that the recorder was stopped properly \
                 and choose the file again.",
            ),
            Self::Utf16 => f.write_str(
                "The file is UTF-16 text, seen in its first bytes. Save it as UTF-8 and open it \
                 again.",
            ),
            Self::Unrecognised { first: [a, b, c, d] } => write!(
                f,
                "The file is neither text nor a known recording: it begins with the bytes \
                 {a:02x} {b:02x} {c:02x} {d:02x}. Choose a CSI recording: .csi.jsonl, CSV, \
                 .pcap, .bin or .dat.",
            ),
            Self::NoCsi { lines } => write!(
                f,
                "The file is text without CSI: there is no CSI_DATA, CSI in JSON or table of \
                 subcarriers in its {}. Choose the recorder's own output.",
                counted(*lines, "line"),
            ),
            Self::JsonDocument => f.write_str(
                "The file is one JSON document, seen in its first line; a recording has one object \
                 a line. A .csi.meta.json only describes the recording beside it: open the \
                 .csi.jsonl.",
            ),
            Self::HeaderOnly => f.write_str(
                "The file has column names and no frame after them. Record again and check that \
                 the receiver hears a transmitter.",
            ),
            Self::NoCsiPackets { packets: 0 } => f.write_str(
                "The file has the head of a recording and no packet after it. Record again and \
                 check that packets arrive.",
            ),
            Self::NoCsiPackets { packets } => write!(
                f,
                "The file holds {} and no CSI among them. Record the raw CSI packets as well.",
                counted(*packets, "packet"),
            ),
            Self::NothingUsable { skipped, reason, position } => write!(
                f,
                "No frame could be read: {} left out, the first at {position}, because such lines \
                 or packets {reason}. Look at that place in the file and record or export it again.",
                counted(*skipped, "candidate"),
            ),
            Self::Foreign { name, advice, .. } => {
                write!(f, "The file is {name}, recognised by its first bytes. {advice}")
            }
        }
    }
}

impl core::error::Error for Refusal {}
