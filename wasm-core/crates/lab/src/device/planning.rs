//! Plans as people ask for them, made into plans as the loader takes them, and shown.

use core::fmt::Write;

use csi_temporal::rvne::WeightBlob;
use esp_flasher::partition::{Partition, Table};
use esp_flasher::plan::{Fate, Plan, Region, SECTOR};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::DeviceError;
use super::catalogue::Firmware;
use super::event::hex;

/// The partition of the weights, and where `firmware/image/partitions.csv` has it.
pub const WEIGHTS: &str = "rvne";
/// Where the weights lie if no table is known.
pub const WEIGHTS_OFFSET: u32 = 0x11_0000;
/// Bytes that they may have there.
pub const WEIGHTS_ROOM: u32 = 0x4_0000;
/// The smallest flash of a module with an ESP32-S3 that the firmware is made for.
const FLASH_BYTES: u32 = 0x40_0000;
/// How the note begins that says what is assumed.
const NOT_ASKED: &str = "The chip was not asked yet";

/// What is to be written or erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanAsk {
    /// Weights alone: what a board that runs our firmware needs.
    Weights {
        /// The blob, as a file.
        blob: Vec<u8>,
    },
    /// The catalogue's firmware, and weights if there are some.
    Firmware {
        /// The blob, as a file.
        blob: Option<Vec<u8>>,
    },
    /// Own files at own places.
    Files {
        /// The files.
        files: Vec<OwnFile>,
        /// Whether they may cover settings, as merged images do. A person has to have confirmed.
        replace_settings: bool,
    },
    /// Erases these places.
    Erase {
        /// The places.
        places: Vec<Place>,
    },
    /// Erases the whole flash. A person has to have typed so.
    EraseAll,
}

/// A file of one's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnFile {
    /// What it is called.
    pub name: String,
    /// Where it goes: a partition, or an offset; a length is not looked at.
    pub place: Place,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// A place in flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A partition, by its name.
    Partition(String),
    /// A range, in bytes.
    Range {
        /// Where it starts.
        offset: u32,
        /// How long it is.
        len: u32,
    },
}

/// What becomes of a range of flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum FateView {
    /// It keeps its bytes.
    Keep,
    /// It gets a file's bytes.
    Write,
    /// It becomes `FF`.
    Erase,
}

/// A range of flash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RangeView {
    /// Partition or file; empty where no partition is.
    pub name: String,
    /// Where it starts.
    pub offset: u32,
    /// How long it is.
    pub bytes: u32,
    /// What becomes of it.
    pub fate: FateView,
    /// SHA-256 of what is written, in hexadecimal; else empty.
    pub sha256: String,
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionView {
    /// Its name.
    pub name: String,
    /// Where it starts.
    pub offset: u32,
    /// How long it is.
    pub bytes: u32,
}

/// A plan, to be looked at before it is carried out.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanView {
    /// The flash that it was made for.
    pub flash_bytes: u32,
    /// The whole flash from its first byte to its last.
    pub ranges: Vec<RangeView>,
    /// Bytes that go over the line, packed.
    pub payload_bytes: u64,
    /// How long it takes at `baud`, by data sheets.
    pub estimate_seconds: f64,
    /// Bits a second that the estimate is for.
    pub baud: u32,
    /// SHA-256 over offset, length and SHA-256 of everything written or erased, in hexadecimal.
    pub hash: String,
    /// The same by hand.
    pub esptool: String,
    /// What is assumed, in sentences.
    pub notes: Vec<String>,
}

impl PlanView {
    /// The chip told how large its flash is: what was assumed is assumed no more. What lies beyond
    /// the flash that the plan was made for is kept.
    pub(super) fn meets(&mut self, flash_bytes: u32) {
        self.notes.retain(|note| !note.starts_with(NOT_ASKED));
        let (offset, Some(bytes)) = (self.flash_bytes, flash_bytes.checked_sub(self.flash_bytes))
        else {
            return;
        };
        self.flash_bytes = flash_bytes;
        match self.ranges.last_mut() {
            _ if bytes == 0 => {}
            Some(last) if last.name.is_empty() && last.fate == FateView::Keep => {
                last.bytes += bytes
            }
            _ => self.ranges.push(RangeView {
                name: String::new(),
                offset,
                bytes,
                fate: FateView::Keep,
                sha256: String::new(),
            }),
        }
    }
}

/// What a plan is made from besides the asking.
pub(super) struct Ground<'a> {
    pub firmware: Option<&'a Firmware>,
    /// The board's own partition table, if it was read.
    pub table: Option<&'a Table>,
    /// Bytes of the flash, if the chip told.
    pub flash_bytes: Option<u32>,
    /// Whether our node answered on this board.
    pub node_answered: bool,
}

/// A plan, and the names of its files for the command by hand.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub plan: Plan,
    pub view: PlanView,
}

/// Makes a plan.
pub(super) fn make(ask: &PlanAsk, ground: &Ground<'_>, baud: u32) -> Result<Planned, DeviceError> {
    let firmware = ground.firmware;
    let made_for = firmware.map_or(0, |firmware| firmware.manifest().flash.bytes);
    let flash_bytes = ground.flash_bytes.unwrap_or(made_for.max(FLASH_BYTES));
    let mut notes = Vec::new();
    if ground.flash_bytes.is_none() {
        notes.push(format!("{NOT_ASKED}: a flash of {} MiB is assumed.", flash_bytes >> 20));
    }
    // Pieces that are there already need no second write, wherever bytes are written.
    let mut plan = Plan::new(flash_bytes).skipping_equal(true);
    let theirs = firmware.map(Firmware::table);
    // With the firmware comes its table; all else has to suit the table that is there.
    let table = match ask {
        PlanAsk::Firmware { .. } => theirs,
        PlanAsk::Weights { .. } => ground.table.filter(|table| table.find(WEIGHTS).is_some()),
        _ => ground.table,
    };
    let table = table.or(theirs);
    if let Some(table) = table {
        plan = plan.with_table(table.clone());
    }
    match ask {
        PlanAsk::Weights { blob } => {
            if !ground.node_answered {
                notes.push("Our firmware did not answer: weights alone do not run.".to_owned());
            }
            weights(&mut plan, table, blob)?;
        }
        PlanAsk::Firmware { blob } => {
            let firmware = firmware.ok_or(DeviceError::NoFirmware)?;
            for (part, bytes) in firmware.parts() {
                plan.write(&part.file, part.offset, bytes.to_vec())?;
            }
            if let Some(blob) = blob {
                weights(&mut plan, table, blob)?;
            }
        }
        PlanAsk::Files { files, replace_settings } => {
            plan = plan.replacing_nvs(*replace_settings);
            for file in files {
                let offset = match &file.place {
                    Place::Partition(name) => partition(table, name)?.0,
                    Place::Range { offset, .. } => *offset,
                };
                plan.write(&file.name, offset, file.bytes.clone())?;
            }
        }
        PlanAsk::Erase { places } => {
            for place in places {
                match place {
                    Place::Partition(name) => {
                        let (offset, len) = partition(table, name)?;
                        plan.erase(name, offset, len)?;
                    }
                    Place::Range { offset, len } => plan.erase("range", *offset, *len)?,
                }
            }
        }
        PlanAsk::EraseAll => plan.erase_all()?,
    }
    let is_all = matches!(ask, PlanAsk::EraseAll);
    let view = show(&plan, table, baud, notes, is_all);
    Ok(Planned { plan, view })
}

/// Weights that cannot be read are not worth writing.
fn weights(plan: &mut Plan, table: Option<&Table>, blob: &[u8]) -> Result<(), DeviceError> {
    WeightBlob::parse(blob)?;
    let (offset, room) = partition(table, WEIGHTS)?;
    match u32::try_from(blob.len()) {
        Ok(len) if len <= room => Ok(plan.write(WEIGHTS, offset, blob.to_vec())?),
        _ => Err(DeviceError::WeightsRoom { bytes: blob.len(), room }),
    }
}

/// Where a partition is, and how long.
fn partition(table: Option<&Table>, name: &str) -> Result<(u32, u32), DeviceError> {
    match table.map(|table| table.find(name)) {
        Some(Some(found)) => Ok((found.offset, found.size)),
        None if name == WEIGHTS => Ok((WEIGHTS_OFFSET, WEIGHTS_ROOM)),
        _ => Err(DeviceError::NoPartition),
    }
}

/// Lists a table's partitions; of no table, that of the weights alone.
pub(super) fn partitions(table: Option<&Table>) -> Vec<PartitionView> {
    let Some(table) = table else {
        let (offset, bytes) = (WEIGHTS_OFFSET, WEIGHTS_ROOM);
        return vec![PartitionView { name: WEIGHTS.to_owned(), offset, bytes }];
    };
    let view =
        |p: &Partition| PartitionView { name: p.label.clone(), offset: p.offset, bytes: p.size };
    table.partitions().iter().map(view).collect()
}

fn show(
    plan: &Plan,
    table: Option<&Table>,
    baud: u32,
    notes: Vec<String>,
    is_all: bool,
) -> PlanView {
    let mut ranges = Vec::new();
    for range in plan.ranges() {
        let fate = match range.fate {
            Fate::Kept => FateView::Keep,
            Fate::Written => FateView::Write,
            Fate::Erased => FateView::Erase,
        };
        match range.region {
            Some(region) => ranges.push(RangeView {
                name: region.name().to_owned(),
                offset: range.offset,
                bytes: range.len,
                fate,
                sha256: if fate == FateView::Write { hex(&region.sha256()) } else { String::new() },
            }),
            None => kept(table, range.offset, range.offset + range.len, &mut ranges),
        }
    }
    PlanView {
        flash_bytes: plan.flash_bytes(),
        ranges,
        payload_bytes: plan.payload_bytes(),
        estimate_seconds: plan.estimate_micros(baud) as f64 / 1e6,
        baud,
        hash: hash(plan),
        esptool: by_hand(plan, baud, is_all),
        notes,
    }
}

/// Cuts what is kept at the borders of partitions.
fn kept(table: Option<&Table>, from: u32, to: u32, ranges: &mut Vec<RangeView>) {
    let mut cuts = vec![from, to];
    let partitions = table.map_or(&[][..], Table::partitions);
    cuts.extend(
        partitions.iter().flat_map(|p| [p.offset, p.end()]).filter(|c| from < *c && *c < to),
    );
    cuts.sort_unstable();
    cuts.dedup();
    for pair in cuts.windows(2) {
        let name = table.and_then(|table| table.at(pair[0])).map(|p| p.label.clone());
        ranges.push(RangeView {
            name: name.unwrap_or_default(),
            offset: pair[0],
            bytes: pair[1] - pair[0],
            fate: FateView::Keep,
            sha256: String::new(),
        });
    }
}

fn hash(plan: &Plan) -> String {
    let mut hash = Sha256::new();
    for region in plan.regions() {
        hash.update(region.offset().to_le_bytes());
        hash.update(region.len().to_le_bytes());
        hash.update(region.sha256());
    }
    hex(&hash.finalize())
}

/// The commands of esptool that do the same.
fn by_hand(plan: &Plan, baud: u32, is_all: bool) -> String {
    let tool = format!("esptool --chip esp32s3 --port PORT --baud {baud}");
    if is_all {
        return format!("{tool} erase-flash");
    }
    let (erased, written): (Vec<&Region>, Vec<&Region>) =
        plan.regions().iter().partition(|region| region.is_erased());
    let mut text = String::new();
    for region in erased {
        let len = region.len().next_multiple_of(SECTOR);
        let _ = writeln!(text, "{tool} erase-region {:#x} {len:#x}", region.offset());
    }
    if !written.is_empty() {
        let _ = write!(text, "{tool} write-flash");
        for region in written {
            let name = if region.name() == WEIGHTS { "WEIGHTS.rvne" } else { region.name() };
            let _ = write!(text, " {:#x} {name}", region.offset());
        }
        text.push('\n');
    }
    text.trim_end().to_owned()
}
