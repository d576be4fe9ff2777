//! The partition table of ESP-IDF, as it lies in flash at `8000`.
//!
//! Integers are little-endian; a row has 32 bytes.
//!
//! | bytes | field | meaning |
//! |---|---|---|
//! | `00..02` | magic | `AA 50` a partition, `EB EB` the digest row, `FF FF` the end |
//! | `02` | type | 0 application, 1 data, 40..FE the user's |
//! | `03` | subtype | of applications 0 factory, 10.. OTA; of data 0 OTA state, 2 NVS |
//! | `04..08` | offset | in flash, bytes |
//! | `08..0C` | size | bytes |
//! | `0C..1C` | label | text, padded with zeros |
//! | `1C..20` | flags | bit 0 encrypted, bit 1 read only |
//!
//! The digest row carries in `10..20` the MD5 of all rows before it. Parsing is total. Source:
//! ESP-IDF's `gen_esp32part.py` as described in its programming guide.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use md5::{Digest, Md5};

/// Where ESP-IDF puts the table by default.
pub const OFFSET: u32 = 0x8000;
/// The most bytes that a table takes.
pub const MAX_LEN: usize = 0xC00;

const ROW: usize = 32;
/// What applications must start at a multiple of.
const APP_ALIGNMENT: u32 = 0x1_0000;
const SECTOR: u32 = 0x1000;

/// One row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its name.
    pub label: String,
    /// What it is for: 0 application, 1 data.
    pub kind: u8,
    /// What it is for within its kind.
    pub subtype: u8,
    /// Where it starts, in bytes.
    pub offset: u32,
    /// How long it is, in bytes.
    pub size: u32,
    /// Bit 0 encrypted, bit 1 read only.
    pub flags: u32,
}

impl Partition {
    /// Returns where it ends, exclusive, in bytes.
    pub const fn end(&self) -> u32 {
        self.offset + self.size
    }

    /// Whether it holds settings that a board keeps for itself.
    pub const fn is_nvs(&self) -> bool {
        self.kind == 1 && self.subtype == 2
    }

    /// Whether it holds an application.
    pub const fn is_app(&self) -> bool {
        self.kind == 0
    }
}

/// A table that was checked: no two partitions overlap, none ends beyond 4 GB, applications start
/// at multiples of 64 KB and others at multiples of 4 KB, and the digest holds where there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    partitions: Vec<Partition>,
}

impl Table {
    /// Reads a table; bytes behind its end are not looked at.
    ///
    /// # Errors
    ///
    /// [`PartitionError`], with the row that is wrong, from 0.
    pub fn parse(bytes: &[u8]) -> Result<Self, PartitionError> {
        let bytes = &bytes[..bytes.len().min(MAX_LEN)];
        let mut partitions: Vec<Partition> = Vec::new();
        for (row, cells) in bytes.chunks_exact(ROW).enumerate() {
            match cells[..2] {
                [0xAA, 0x50] => {
                    let partition = read(cells, row)?;
                    if let Some(other) = partitions
                        .iter()
                        .position(|p| p.offset < partition.end() && partition.offset < p.end())
                    {
                        return Err(PartitionError::Overlap { row, other });
                    }
                    partitions.push(partition);
                }
                [0xEB, 0xEB] => {
                    let digest: [u8; 16] = Md5::digest(&bytes[..row * ROW]).into();
                    if cells[16..] != digest {
                        return Err(PartitionError::Digest { row });
                    }
                }
                [0xFF, 0xFF] if !partitions.is_empty() => return Ok(Self { partitions }),
                _ => return Err(PartitionError::Magic { row }),
            }
        }
        Err(PartitionError::NoEnd { len: bytes.len() })
    }

    /// Returns the rows in the order of the table.
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// Returns the first partition of this name.
    pub fn find(&self, label: &str) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.label == label)
    }

    /// Returns the partition in which this offset lies.
    pub fn at(&self, offset: u32) -> Option<&Partition> {
        self.partitions.iter().find(|p| (p.offset..p.end()).contains(&offset))
    }
}

fn read(cells: &[u8], row: usize) -> Result<Partition, PartitionError> {
    let word =
        |at: usize| u32::from_le_bytes([cells[at], cells[at + 1], cells[at + 2], cells[at + 3]]);
    let (kind, offset, size) = (cells[2], word(4), word(8));
    let alignment = if kind == 0 { APP_ALIGNMENT } else { SECTOR };
    if !offset.is_multiple_of(alignment) {
        return Err(PartitionError::Alignment { row, offset });
    }
    if size == 0 || offset.checked_add(size).is_none() {
        return Err(PartitionError::Size { row, offset, size });
    }
    let name = cells[12..28].split(|&byte| byte == 0).next().unwrap_or_default();
    let label = core::str::from_utf8(name).map_err(|_| PartitionError::Label { row })?.to_string();
    Ok(Partition { label, kind, subtype: cells[3], offset, size, flags: word(28) })
}

/// Why bytes are no partition table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartitionError {
    /// A row begins with none of the three magics, or the table ends before its first partition.
    Magic {
        /// The row.
        row: usize,
    },
    /// The bytes end before the table does.
    NoEnd {
        /// Bytes there are.
        len: usize,
    },
    /// The digest differs from the rows before it.
    Digest {
        /// The digest's row.
        row: usize,
    },
    /// Two partitions share bytes.
    Overlap {
        /// The later row.
        row: usize,
        /// The earlier.
        other: usize,
    },
    /// A partition starts where none may.
    Alignment {
        /// The row.
        row: usize,
        /// Where it starts.
        offset: u32,
    },
    /// A partition is empty, or ends beyond 4 GB.
    Size {
        /// The row.
        row: usize,
        /// Where it starts.
        offset: u32,
        /// Its length.
        size: u32,
    },
    /// A name is no UTF-8.
    Label {
        /// The row.
        row: usize,
    },
}

impl PartitionError {
    /// Returns the stable code that the page and the docs match on.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Magic { .. } => "partition/magic",
            Self::NoEnd { .. } => "partition/no-end",
            Self::Digest { .. } => "partition/digest",
            Self::Overlap { .. } => "partition/overlap",
            Self::Alignment { .. } => "partition/alignment",
            Self::Size { .. } => "partition/size",
            Self::Label { .. } => "partition/label",
        }
    }
}

impl fmt::Display for PartitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Magic { row } => write!(f, "row {row} is no row of a partition table"),
            Self::NoEnd { len } => write!(f, "the partition table does not end within {len} bytes"),
            Self::Digest { row } => {
                write!(f, "the digest in row {row} differs from the rows before it")
            }
            Self::Overlap { row, other } => write!(f, "rows {other} and {row} share bytes"),
            Self::Alignment { row, offset } => {
                write!(f, "row {row} starts at {offset:#x}, where no such partition may start")
            }
            Self::Size { row, offset, size } => {
                write!(f, "row {row} at {offset:#x} has {size} bytes")
            }
            Self::Label { row } => write!(f, "the name in row {row} is no UTF-8"),
        }
    }
}

impl core::error::Error for PartitionError {}
