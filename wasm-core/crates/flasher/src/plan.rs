//! What is written where, and what becomes of every other byte of the flash.
//!
//! A plan is made once, before a port is opened: regions are checked, cut into pieces of one erase
//! block, hashed and packed. A loader then only sends. The ROM erases whole sectors, so the rest
//! of a region's last sector is erased too, and a plan says so. Within a partition that the plan
//! knows, the rest of a last block is filled with `FF` when most of it is written anyway: a whole
//! block is erased faster than half of one sector by sector.

mod error;
mod region;

use alloc::vec::Vec;

use crate::partition::{Partition, Table};
pub use error::PlanError;
use region::Content;
pub use region::Region;
pub(crate) use region::{Piece, md5};

/// The smallest range that a flash erases, in bytes.
pub const SECTOR: u32 = 0x1000;
/// Where pieces are cut, in bytes: what a flash erases fastest, and what is sent again when a
/// piece fails.
pub const PIECE: u32 = 0x1_0000;
/// Where ESP-IDF's tables put the settings, unless a plan knows a table: bytes from, to.
pub const DEFAULT_NVS: (u32, u32) = (0x9000, 0xF000);

/// What a flash takes to erase a sector and a whole block, and to program 256 bytes, in
/// microseconds, as data sheets of common flash chips name them. For estimates only.
const ERASE_SECTOR_MICROS: u64 = 45_000;
const ERASE_BLOCK_MICROS: u64 = 150_000;
const PROGRAM_PAGE_MICROS: u64 = 400;
/// What the ROM takes for the MD5 of a kilobyte, in microseconds. For estimates only.
const MD5_KB_MICROS: u64 = 250;
/// What each request and its reply cost beside their bytes, in microseconds. For estimates only.
const TURN_MICROS: u64 = 1_000;
/// What it takes to connect and to identify, in microseconds. For estimates only.
const CONNECT_MICROS: u64 = 400_000;

/// What becomes of a range of flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It keeps its bytes.
    Kept,
    /// It gets a region's bytes.
    Written,
    /// It becomes `FF`: asked for, or the rest of a written region's last sector.
    Erased,
}

/// A range of flash and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range<'a> {
    /// Where it starts, in bytes.
    pub offset: u32,
    /// How many bytes.
    pub len: u32,
    /// What becomes of it.
    pub fate: Fate,
    /// The region that it belongs to; `None` where bytes are kept.
    pub region: Option<&'a Region>,
}

/// What is written where. Regions are kept in the order of their offsets, which is the order in
/// which they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    flash_bytes: u32,
    table: Option<Table>,
    regions: Vec<Region>,
    skip_equal: bool,
    replace_nvs: bool,
}

impl Plan {
    /// Makes an empty plan for a flash of so many bytes.
    pub const fn new(flash_bytes: u32) -> Self {
        Self {
            flash_bytes,
            table: None,
            regions: Vec::new(),
            skip_equal: false,
            replace_nvs: false,
        }
    }

    /// Gives the plan the partition table that the board has, or will have after it: names can
    /// then be used, and no region may cross an end of a partition. Regions that were
    /// planned before stay as they are.
    #[must_use]
    pub fn with_table(mut self, table: Table) -> Self {
        self.table = Some(table);
        self
    }

    /// Says that pieces which the flash holds already are not written again.
    #[must_use]
    pub const fn skipping_equal(mut self, skip: bool) -> Self {
        self.skip_equal = skip;
        self
    }

    /// Says that regions may cover settings and several partitions, as merged images do. A person has to have confirmed.
    #[must_use]
    pub const fn replacing_nvs(mut self, replace: bool) -> Self {
        self.replace_nvs = replace;
        self
    }

    /// Plans to write these bytes at this offset.
    ///
    /// # Errors
    ///
    /// [`PlanError`]; the plan is as it was.
    pub fn write(&mut self, name: &str, offset: u32, bytes: Vec<u8>) -> Result<(), PlanError> {
        let len = u32::try_from(bytes.len()).map_err(|_| PlanError::OutOfRange {
            offset,
            len: u32::MAX,
            flash_bytes: self.flash_bytes,
        })?;
        self.check(offset, len, false)?;
        self.add(name, offset, Content::Bytes(bytes));
        Ok(())
    }

    /// Plans to write these bytes at the start of this partition.
    ///
    /// # Errors
    ///
    /// [`PlanError`]; the plan is as it was.
    pub fn write_partition(&mut self, label: &str, bytes: Vec<u8>) -> Result<(), PlanError> {
        let offset = self.partition(label)?.offset;
        self.write(label, offset, bytes)
    }

    /// Plans to erase a range of whole sectors. It says which settings it means to lose by
    /// covering nothing else: a range within the settings' own is not refused.
    ///
    /// # Errors
    ///
    /// [`PlanError`]; the plan is as it was.
    pub fn erase(&mut self, name: &str, offset: u32, len: u32) -> Result<(), PlanError> {
        if !len.is_multiple_of(SECTOR) {
            return Err(PlanError::Unaligned { offset: offset.wrapping_add(len) });
        }
        self.check(offset, len, true)?;
        self.add(name, offset, Content::Blank(len));
        Ok(())
    }

    /// Plans to erase a whole partition.
    ///
    /// # Errors
    ///
    /// [`PlanError`]; the plan is as it was.
    pub fn erase_partition(&mut self, label: &str) -> Result<(), PlanError> {
        let Partition { offset, size, .. } = *self.partition(label)?;
        self.erase(label, offset, size)
    }

    /// Plans to erase everything. A person has to have typed so.
    ///
    /// # Errors
    ///
    /// [`PlanError::Overlap`] when something is planned already.
    pub fn erase_all(&mut self) -> Result<(), PlanError> {
        if let Some(other) = self.regions.first() {
            return Err(PlanError::Overlap { offset: 0, other: other.offset });
        }
        self.add("flash", 0, Content::Blank(self.flash_bytes));
        Ok(())
    }

    /// Returns the regions by offset.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// Returns the size of the flash that this was planned for, in bytes.
    pub const fn flash_bytes(&self) -> u32 {
        self.flash_bytes
    }

    pub(crate) const fn skips_equal(&self) -> bool {
        self.skip_equal
    }

    /// Returns where the last byte lies that this plan changes, exclusive.
    pub fn end(&self) -> u32 {
        self.regions.last().map_or(0, |region| region.erased_end)
    }

    /// Returns the whole flash from its first byte to its last: kept, written, erased.
    pub fn ranges(&self) -> Vec<Range<'_>> {
        let mut ranges = Vec::new();
        let mut at = 0;
        let mut add = |offset: u32, end: u32, fate, region| {
            if end > offset {
                ranges.push(Range { offset, len: end - offset, fate, region });
            }
        };
        for region in &self.regions {
            add(at, region.offset, Fate::Kept, None);
            let fate = if region.is_erased() { Fate::Erased } else { Fate::Written };
            add(region.offset, region.end(), fate, Some(region));
            add(region.end(), region.erased_end, Fate::Erased, Some(region));
            at = region.erased_end;
        }
        add(at, self.flash_bytes, Fate::Kept, None);
        ranges
    }

    /// Returns the bytes of payload that go over the line, packed where that is shorter.
    pub fn payload_bytes(&self) -> u64 {
        self.pieces().map(|piece| u64::from(piece.payload())).sum()
    }

    /// Estimates how long the plan takes, in microseconds, at so many bits a second: bytes and
    /// turns on the line, and what flash chips take by their data sheets. It knows nothing of the
    /// board at hand, nor of pieces that will turn out to be there already.
    pub fn estimate_micros(&self, baud: u32) -> u64 {
        let flash: u64 = self
            .pieces()
            .map(|piece| {
                let sectors = u64::from(piece.len.div_ceil(SECTOR));
                let erase = match sectors {
                    16 => ERASE_BLOCK_MICROS,
                    _ => sectors * ERASE_SECTOR_MICROS,
                };
                let pages = u64::from(piece.len.div_ceil(256));
                let md5 = u64::from(piece.len.div_ceil(1024)) * MD5_KB_MICROS;
                // Of each block: 26 bytes around it, 14 of the reply.
                let blocks = u64::from(piece.blocks());
                let bytes = u64::from(piece.payload()) + 40 * blocks;
                let line = bytes * 10_000_000 / u64::from(baud.max(1));
                erase + pages * PROGRAM_PAGE_MICROS + md5 + line + (blocks + 2) * TURN_MICROS
            })
            .sum();
        CONNECT_MICROS + flash
    }

    fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.regions.iter().flat_map(Region::pieces)
    }

    fn partition(&self, label: &str) -> Result<&Partition, PlanError> {
        let table = self.table.as_ref().ok_or(PlanError::NoTable)?;
        table.find(label).ok_or(PlanError::NoPartition)
    }

    fn add(&mut self, name: &str, offset: u32, content: Content) {
        let at = self.regions.partition_point(|other| other.offset < offset);
        if let Some(before) = at.checked_sub(1).and_then(|before| self.regions.get_mut(before))
            && before.erased_end > offset
        {
            // It filled a block that is needed now.
            *before = Region::new(&before.name, before.offset, before.content.clone(), 0);
        }
        let partition = self.table.as_ref().and_then(|table| table.at(offset));
        let next = self.regions.get(at).map_or(u32::MAX, |next| next.offset);
        let room_end = partition.map_or(0, Partition::end).min(next);
        self.regions.insert(at, Region::new(name, offset, content, room_end));
    }

    fn check(&self, offset: u32, len: u32, erases: bool) -> Result<(), PlanError> {
        if len == 0 {
            return Err(PlanError::Empty { offset });
        }
        if !offset.is_multiple_of(SECTOR) {
            return Err(PlanError::Unaligned { offset });
        }
        let out = PlanError::OutOfRange { offset, len, flash_bytes: self.flash_bytes };
        let end = offset.checked_add(len).and_then(|end| end.checked_next_multiple_of(SECTOR));
        let end = end.filter(|&end| end <= self.flash_bytes).ok_or(out)?;
        let meets = |from: u32, to: u32| offset < to && from < end;
        if let Some(other) =
            self.regions.iter().find(|r| meets(r.offset, r.end().next_multiple_of(SECTOR)))
        {
            return Err(PlanError::Overlap { offset, other: other.offset });
        }
        self.check_nvs(offset, end, erases)?;
        let partitions = self.table.as_ref().map_or(&[][..], Table::partitions);
        let crossed = partitions
            .iter()
            .find(|p| meets(p.offset, p.end()) && !(p.offset <= offset && end <= p.end()));
        match crossed {
            Some(p) if !self.replace_nvs => {
                let edge = if p.offset > offset { p.offset } else { p.end() };
                Err(PlanError::CrossesPartition { offset, end, edge })
            }
            _ => Ok(()),
        }
    }

    /// Settings may be erased or written on purpose, from within, never in passing.
    fn check_nvs(&self, offset: u32, end: u32, erases: bool) -> Result<(), PlanError> {
        let default = [DEFAULT_NVS];
        let named: Vec<(u32, u32)> = self.table.as_ref().map_or_else(Vec::new, |table| {
            table.partitions().iter().filter(|p| p.is_nvs()).map(|p| (p.offset, p.end())).collect()
        });
        let all = if self.table.is_some() { &named[..] } else { &default[..] };
        for &(from, to) in all {
            let within = from <= offset && end <= to && (erases || self.table.is_some());
            if offset < to && from < end && !within && !self.replace_nvs {
                return Err(PlanError::CrossesNvs { offset, end, nvs: from });
            }
        }
        Ok(())
    }
}
