//! The firmware catalogue: `manifest.json` as `cargo xtask firmware` writes it, and the files that
//! it names, each checked against its hash before anything is done with it.

use esp_flasher::image::Image;
use esp_flasher::partition::{self, Table};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::DeviceError;
use super::event::hex;

/// Where the hash of the ELF stands in an application: behind the header of the image, that of its
/// first segment, and in its descriptor. The node's greeting carries its first eight bytes.
const IMAGE_HASH: core::ops::Range<usize> = 176..184;

/// A file of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name, beside the manifest.
    pub file: String,
    /// Where it goes.
    pub offset: u32,
    /// How long it is.
    pub bytes: u32,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

/// What a catalogue says of itself. Fields that are not known here are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Manifest {
    /// The chip, `esp32s3`.
    pub chip: String,
    /// The board that it is for.
    pub board: String,
    /// The firmware's version.
    pub version: String,
    /// The commit that it was built from.
    pub build: String,
    /// When it was built, as text.
    pub date: String,
    /// The flash that it is made for.
    pub flash: Flash,
    /// Its files, each for one place.
    pub parts: Vec<Part>,
}

/// The flash that firmware is made for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Flash {
    /// Its size.
    pub bytes: u32,
}

impl Manifest {
    /// Reads `manifest.json`.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Manifest`].
    pub fn parse(bytes: &[u8]) -> Result<Self, DeviceError> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|e| DeviceError::Manifest {
            line: u32::try_from(e.line()).unwrap_or(u32::MAX),
        })?;
        match manifest.chip.as_str() {
            "esp32s3" if !manifest.parts.is_empty() => Ok(manifest),
            _ => Err(DeviceError::Manifest { line: 0 }),
        }
    }
}

/// Firmware that was checked: every file has its hash, the application is a sound image, and the
/// partition table can be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Firmware {
    manifest: Manifest,
    parts: Vec<(Part, Vec<u8>)>,
    table: Table,
    image_hash: String,
}

impl Firmware {
    /// Checks the files that a manifest names; `files` holds them by name, others are ignored.
    ///
    /// # Errors
    ///
    /// [`DeviceError::FileMissing`]; [`DeviceError::FileHash`]; [`DeviceError::Image`];
    /// [`DeviceError::Partition`].
    pub fn new(manifest: Manifest, files: &[(String, Vec<u8>)]) -> Result<Self, DeviceError> {
        let (mut parts, mut table, mut image_hash) = (Vec::new(), None, String::new());
        for (index, part) in manifest.parts.iter().enumerate() {
            let index = u8::try_from(index).unwrap_or(u8::MAX);
            let bytes = files.iter().find(|(name, _)| *name == part.file).map(|(_, bytes)| bytes);
            let bytes = bytes.ok_or(DeviceError::FileMissing { index })?;
            if hex(&Sha256::digest(bytes)) != part.sha256 {
                return Err(DeviceError::FileHash { index });
            }
            if part.offset == partition::OFFSET {
                table = Some(Table::parse(bytes)?);
            } else if Image::parse(bytes)?.app.is_some() {
                image_hash = bytes.get(IMAGE_HASH).map(hex).unwrap_or_default();
            }
            parts.push((part.clone(), bytes.clone()));
        }
        let index = u8::try_from(parts.len()).unwrap_or(u8::MAX);
        let table = table.ok_or(DeviceError::FileMissing { index })?;
        Ok(Self { manifest, parts, table, image_hash })
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its files.
    pub fn parts(&self) -> impl Iterator<Item = (&Part, &[u8])> {
        self.parts.iter().map(|(part, bytes)| (part, bytes.as_slice()))
    }

    /// Its partition table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// What a node that runs it says in its greeting: eight bytes in hexadecimal.
    pub fn image_hash(&self) -> &str {
        &self.image_hash
    }
}
