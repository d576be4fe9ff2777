//! Images that a chip boots: the second-stage bootloader and applications.
//!
//! Integers are little-endian.
//!
//! | bytes | field | meaning |
//! |---|---|---|
//! | `00` | magic | `E9` |
//! | `01` | segments | at most 16 |
//! | `02` | flash mode | 0 QIO, 1 QOUT, 2 DIO, 3 DOUT |
//! | `03` | flash | high nibble size (1 MB shifted by it), low nibble frequency |
//! | `04..08` | entry | address at which it starts |
//! | `08..0C` | pins | not looked at |
//! | `0C..0E` | chip | 9 for the ESP32-S3 |
//! | `0E..17` | revisions | not looked at |
//! | `17` | hashed | 1 when a SHA-256 follows |
//! | then | segments | address u32, length u32, bytes |
//! | then | checksum | the last byte of the 16 that follow or contain the end: all segment bytes exclusive-ored from `EF` |
//! | then | digest | SHA-256 of everything before |
//!
//! An application's first segment starts with a descriptor, `ABCD5432`, of 256 bytes: version at
//! `10`, name at `30`, time at `50`, date at `60`, ESP-IDF's version at `70`, 32 or 16 bytes each.
//! Parsing is total and borrows; signatures are not checked.

use alloc::vec::Vec;
use core::fmt;

use sha2::{Digest, Sha256};

use crate::chip;
use crate::command;

const HEADER: usize = 24;
const MAX_SEGMENTS: u8 = 16;
const DESCRIPTOR_MAGIC: u32 = 0xABCD_5432;

/// What stands in an image, checked against its checksum and its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image<'a> {
    /// Number of the chip that it is for.
    pub chip_id: u16,
    /// Where it starts.
    pub entry: u32,
    /// Size of flash that its header names, in bytes.
    pub flash_bytes: u32,
    /// Its pieces, in order.
    pub segments: Vec<Segment>,
    /// Its checksum.
    pub checksum: u8,
    /// Its own SHA-256, of those that have one.
    pub sha256: Option<[u8; 32]>,
    /// Bytes of the image; what follows them is not looked at.
    pub len: usize,
    /// What an application says of itself. Bootloaders have none.
    pub app: Option<App<'a>>,
}

/// Where a piece of an image is loaded or mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Address in the chip.
    pub address: u32,
    /// Where its bytes start in the image.
    pub start: usize,
    /// How many there are.
    pub len: usize,
}

/// What an application says of itself. Texts that are no UTF-8 are empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct App<'a> {
    /// Its version.
    pub version: &'a str,
    /// Its name.
    pub name: &'a str,
    /// When it was built.
    pub time: &'a str,
    /// On what day.
    pub date: &'a str,
    /// With which ESP-IDF.
    pub idf: &'a str,
}

impl<'a> App<'a> {
    /// The bytes that a descriptor takes, of which an image has the first at `20`.
    pub const LEN: usize = 256;

    /// Reads a descriptor. `None` when the bytes are too few or do not start with its magic.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let bytes = bytes.get(..Self::LEN)?;
        let text = |start: usize, len: usize| {
            let cell = bytes[start..start + len].split(|&byte| byte == 0).next();
            core::str::from_utf8(cell.unwrap_or_default()).unwrap_or_default()
        };
        (word(bytes, 0)? == DESCRIPTOR_MAGIC).then(|| Self {
            version: text(16, 32),
            name: text(48, 32),
            time: text(80, 16),
            date: text(96, 16),
            idf: text(112, 32),
        })
    }
}

impl<'a> Image<'a> {
    /// Reads and checks an image for the ESP32-S3.
    ///
    /// # Errors
    ///
    /// [`ImageError`]; nothing of a damaged image is returned.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let header = bytes.get(..HEADER).ok_or(ImageError::Short { len: bytes.len() })?;
        if header[0] != 0xE9 {
            return Err(ImageError::Magic { got: header[0] });
        }
        let chip_id = u16::from_le_bytes([header[12], header[13]]);
        if u32::from(chip_id) != chip::ESP32_S3 {
            return Err(ImageError::Chip { chip_id });
        }
        if header[1] == 0 || header[1] > MAX_SEGMENTS {
            return Err(ImageError::Segments { count: header[1] });
        }
        let short = ImageError::Short { len: bytes.len() };
        let mut segments = Vec::with_capacity(header[1].into());
        let mut at = HEADER;
        let mut computed = command::checksum(&[]);
        for _ in 0..header[1] {
            let (address, len) = (word(bytes, at).ok_or(short)?, word(bytes, at + 4).ok_or(short)?);
            let (start, len) = (at + 8, usize::try_from(len).map_err(|_| short)?);
            at = start.checked_add(len).filter(|&end| end <= bytes.len()).ok_or(short)?;
            computed ^= command::checksum(&bytes[start..at]) ^ command::checksum(&[]);
            segments.push(Segment { address, start, len });
        }
        let hashed = at / 16 * 16 + 16;
        let stored = *bytes.get(hashed - 1).ok_or(short)?;
        if stored != computed {
            return Err(ImageError::Checksum { stored, computed });
        }
        let sha256 = match header[23] {
            0 => None,
            _ => {
                let stored = bytes.get(hashed..hashed + 32).ok_or(short)?;
                let digest: [u8; 32] = Sha256::digest(&bytes[..hashed]).into();
                if stored != digest {
                    return Err(ImageError::Digest);
                }
                Some(digest)
            }
        };
        let first = segments.first().map_or(bytes, |s| &bytes[s.start..s.start + s.len]);
        Ok(Self {
            chip_id,
            entry: word(bytes, 4).ok_or(short)?,
            flash_bytes: (1 << 20) << (header[3] >> 4),
            app: App::parse(first),
            segments,
            checksum: stored,
            sha256,
            len: hashed + if sha256.is_some() { 32 } else { 0 },
        })
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

/// Why bytes are no image that an ESP32-S3 boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageError {
    /// The bytes end before the image does.
    Short {
        /// Bytes there are.
        len: usize,
    },
    /// It does not start as an image does.
    Magic {
        /// The first byte.
        got: u8,
    },
    /// It is for another chip.
    Chip {
        /// That chip's number.
        chip_id: u16,
    },
    /// It has no segments, or more than an image can have.
    Segments {
        /// How many.
        count: u8,
    },
    /// The checksum differs from the one computed over all segments.
    Checksum {
        /// In the image.
        stored: u8,
        /// Of its bytes.
        computed: u8,
    },
    /// The SHA-256 differs from the one computed over everything before it.
    Digest,
}

impl ImageError {
    /// Returns the stable code that the page and the docs match on.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Short { .. } => "image/short",
            Self::Magic { .. } => "image/magic",
            Self::Chip { .. } => "image/chip",
            Self::Segments { .. } => "image/segments",
            Self::Checksum { .. } => "image/checksum",
            Self::Digest => "image/digest",
        }
    }
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Short { len } => write!(f, "the image does not end within its {len} bytes"),
            Self::Magic { got } => write!(f, "the image starts with {got:02x} instead of e9"),
            Self::Chip { chip_id } => match chip::name(chip_id.into()) {
                Some(name) => write!(f, "the image is for an {name}, not for an ESP32-S3"),
                None => write!(f, "the image is for chip {chip_id}, not for an ESP32-S3"),
            },
            Self::Segments { count } => write!(f, "the image has {count} segments"),
            Self::Checksum { stored, computed } => {
                write!(f, "the image's checksum is {stored:02x}, its bytes give {computed:02x}")
            }
            Self::Digest => f.write_str("the image's SHA-256 differs from its bytes"),
        }
    }
}

impl core::error::Error for ImageError {}
