//! What a plan refuses.

use core::fmt;

/// Why a region was not taken into a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// There is nothing to write.
    Empty {
        /// Where.
        offset: u32,
    },
    /// A region starts, or an erased one ends, within a sector.
    Unaligned {
        /// Where.
        offset: u32,
    },
    /// The region does not fit into the flash.
    OutOfRange {
        /// Where it starts.
        offset: u32,
        /// Bytes of the region.
        len: u32,
        /// Bytes of the flash.
        flash_bytes: u32,
    },
    /// Two regions share a sector.
    Overlap {
        /// Start of the new one.
        offset: u32,
        /// Start of the one planned before.
        other: u32,
    },
    /// The region would replace a board's settings in passing.
    CrossesNvs {
        /// Where it starts.
        offset: u32,
        /// Where it ends.
        end: u32,
        /// Where the settings start.
        nvs: u32,
    },
    /// The region lies in a partition only in part.
    CrossesPartition {
        /// Where it starts.
        offset: u32,
        /// Where it ends.
        end: u32,
        /// The start or the end of the partition that it crosses.
        edge: u32,
    },
    /// A partition was named, but the plan knows no table.
    NoTable,
    /// The table has no partition of this name.
    NoPartition,
}

impl PlanError {
    /// Returns the stable code that the page and the docs match on.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty { .. } => "plan/empty",
            Self::Unaligned { .. } => "plan/unaligned",
            Self::OutOfRange { .. } => "plan/out-of-range",
            Self::Overlap { .. } => "plan/overlap",
            Self::CrossesNvs { .. } => "plan/crosses-nvs",
            Self::CrossesPartition { .. } => "plan/crosses-partition",
            Self::NoTable => "plan/no-table",
            Self::NoPartition => "plan/no-partition",
        }
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Empty { offset } => write!(f, "there is nothing to write at {offset:#x}"),
            Self::Unaligned { offset } => {
                write!(f, "{offset:#x} is no multiple of a sector's 0x1000 bytes")
            }
            Self::OutOfRange { offset, len, flash_bytes } => {
                write!(f, "{len} bytes at {offset:#x} do not fit into {flash_bytes} bytes of flash")
            }
            Self::Overlap { offset, other } => {
                write!(f, "the region at {offset:#x} shares a sector with the one at {other:#x}")
            }
            Self::CrossesNvs { offset, end, nvs } => {
                write!(f, "{offset:#x} to {end:#x} would replace the settings at {nvs:#x}")
            }
            Self::CrossesPartition { offset, end, edge } => {
                write!(f, "{offset:#x} to {end:#x} crosses the end of a partition at {edge:#x}")
            }
            Self::NoTable => f.write_str("no partition table is known"),
            Self::NoPartition => f.write_str("the partition table has no partition of this name"),
        }
    }
}

impl core::error::Error for PlanError {}
