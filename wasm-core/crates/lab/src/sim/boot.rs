//! What ROM and bootloader do with the flash: they look at it, say what they see, and start it.
//!
//! The texts are those that a board prints; the bootloader's code is not run, its work is done
//! here: partition table at 0x8000, the first `factory` application, checksum and hash. Slots for
//! updates over the air are not looked at. Source: ESP-IDF, "Application Image Format", "Partition
//! Tables"; boot logs that people publish.

use std::fmt::Write;

use md5::{Digest, Md5};
use sha2::Sha256;

use super::flash::{Flash, SECTOR};

const TABLE: u32 = 0x8000;
const TABLE_LEN: u32 = 0xC00;
const IMAGE_MAGIC: u8 = 0xE9;
const CHIP_ESP32_S3: [u8; 2] = [9, 0];
/// The longest image that is looked at.
const MOST_IMAGE: u32 = 16 << 20;

/// Why the chip started, as its ROM numbers and names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Power came, or EN was low.
    PowerOn,
    /// Software asked.
    Software,
    /// The RTC watchdog.
    Watchdog,
    /// USB-Serial-JTAG asked.
    Usb,
}

impl Cause {
    /// Returns the ROM's number.
    pub const fn number(self) -> u8 {
        match self {
            Self::PowerOn => 0x01,
            Self::Software => 0x03,
            Self::Watchdog => 0x10,
            Self::Usb => 0x15,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::PowerOn => "POWERON",
            Self::Software => "RTC_SW_SYS_RST",
            Self::Watchdog => "RTCWDT_RTC_RST",
            Self::Usb => "USB_UART_CHIP_RESET",
        }
    }
}

/// Returns what the ROM prints at a start.
pub(crate) fn rom_text(cause: Cause, into_loader: bool) -> String {
    let (mode, name, end) = match into_loader {
        true => (0x0, "DOWNLOAD(USB/UART0)", "waiting for download\r\n"),
        false => (0x8, "SPI_FAST_FLASH_BOOT", ""),
    };
    let (number, cause) = (cause.number(), cause.name());
    format!(
        "ESP-ROM:esp32s3-20210327\r\nBuild:Mar 27 2021\r\n\
         rst:{number:#x} ({cause}),boot:{mode:#x} ({name})\r\n{end}"
    )
}

/// An application that is fit to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Application {
    /// Of its description; empty without one.
    pub project: String,
    /// Of its description.
    pub version: String,
    /// The first eight bytes of its ELF's SHA-256.
    pub hash: [u8; 8],
    /// Where the weights lie: offset and bytes.
    pub weights: Option<(u32, u32)>,
}

/// Looks at the flash as ROM and bootloader do. Returns what they print, and what they start.
pub(crate) fn boot(flash: &Flash) -> (String, Option<Application>) {
    let mut text = String::new();
    if let Err(problem) = image(flash, 0, MOST_IMAGE) {
        match problem {
            Problem::Magic => {
                let word = flash.read(0, 4);
                let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
                text += &format!("invalid header: {word:#010x}\r\n").repeat(3);
            }
            other => other.tell(&mut text, 0),
        }
        return (text, None);
    }
    text += "I (24) boot: 2nd stage bootloader (SIMULATED BOARD: its work is done, its code is not run)\r\n";
    let table = match partitions(flash) {
        Ok(table) => table,
        Err(sentence) => {
            let _ = write!(
                text,
                "E (40) flash_parts: {sentence}\r\nE (41) boot: Failed to verify partition table\r\n\
                 E (42) boot: load partition table error!\r\n"
            );
            return (text, None);
        }
    };
    text += "I (40) boot: Partition Table:\r\nI (41) boot: ## Label            Type ST Offset   Length\r\n";
    for (index, row) in table.iter().enumerate() {
        let Row { kind, subtype, offset, size, label } = row;
        let _ = write!(
            text,
            "I (42) boot: {index:2} {label:16} {kind:02x}   {subtype:02x} {offset:08x} {size:08x}\r\n"
        );
    }
    text += "I (60) boot: End of partition table\r\n";
    let Some(row) = table.iter().find(|row| (row.kind, row.subtype) == (0, 0)) else {
        text += "E (61) boot: No bootable app partitions in the partition table\r\n";
        return (text, None);
    };
    match image(flash, row.offset, row.size) {
        Ok(bytes) => {
            let _ = write!(
                text,
                "I (250) boot: Loaded app from partition at offset {:#x}\r\n",
                row.offset
            );
            let weights = table.iter().find(|row| row.label == "rvne");
            let weights = weights.map(|row| (row.offset, row.size));
            (text, Some(describe(&bytes, weights)))
        }
        Err(problem) => {
            problem.tell(&mut text, row.offset);
            text += "E (251) boot: Factory app partition is not bootable\r\n\
                     E (252) boot: No bootable app partitions in the partition table\r\n";
            (text, None)
        }
    }
}

#[derive(Clone, Debug)]
struct Row {
    kind: u8,
    subtype: u8,
    offset: u32,
    size: u32,
    label: String,
}

/// Reads the table; its MD5 row is checked where there is one.
fn partitions(flash: &Flash) -> Result<Vec<Row>, String> {
    let table = flash.read(TABLE, TABLE_LEN);
    let mut rows = Vec::new();
    for (index, entry) in table.chunks_exact(32).enumerate() {
        let word = |at: usize| {
            u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]])
        };
        match [entry[0], entry[1]] {
            [0xAA, 0x50] => {
                let (offset, size) = (word(4), word(8));
                if !flash.holds(offset, size) {
                    let flash = flash.size().bytes();
                    return Err(format!(
                        "partition {index} invalid - offset {offset:#x} size {size:#x} exceeds flash chip size {flash:#x}"
                    ));
                }
                let label = String::from_utf8_lossy(&entry[12..28]);
                let label = label.trim_end_matches('\0').to_string();
                rows.push(Row { kind: entry[2], subtype: entry[3], offset, size, label });
            }
            [0xEB, 0xEB] => {
                let md5: [u8; 16] = Md5::digest(&table[..32 * index]).into();
                return if entry[16..] == md5 {
                    Ok(rows)
                } else {
                    Err("MD5 checksum mismatch".into())
                };
            }
            [0xFF, 0xFF] if index > 0 => return Ok(rows),
            [low, high] => {
                return Err(format!(
                    "partition {index} invalid magic number 0x{high:02x}{low:02x}"
                ));
            }
        }
    }
    Ok(rows)
}

/// What is wrong with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    Magic,
    Chip(u16),
    Length,
    Checksum { calculated: u8, read: u8 },
    Hash,
}

impl Problem {
    fn tell(self, text: &mut String, at: u32) {
        let sentence = match self {
            Self::Magic => {
                format!("image at {at:#x} has invalid magic byte (nothing flashed here?)")
            }
            Self::Chip(id) => format!("mismatch chip ID, expected 9, found {id}"),
            Self::Length => format!("image at {at:#x} has invalid segments"),
            Self::Checksum { calculated, read } => {
                format!("Checksum failed. Calculated {calculated:#x} read {read:#x}")
            }
            Self::Hash => "Image hash failed - image is corrupt".into(),
        };
        let _ = write!(text, "E (100) esp_image: {sentence}\r\n");
    }
}

/// Returns the bytes of an image up to its checksum, once it is sound.
///
/// Header of 24 bytes: `E9`, segments u8, .., chip u16 at 12, whether a hash follows at 23. Then
/// segments: address u32, length u32, bytes. Then zeros up to the last byte of a line of 16, which
/// is the XOR of all bytes of segments, from EF. Then the SHA-256 of all before.
fn image(flash: &Flash, at: u32, most: u32) -> Result<Vec<u8>, Problem> {
    let header = flash.read(at, 24);
    if header.len() < 24 || header[0] != IMAGE_MAGIC {
        return Err(Problem::Magic);
    }
    if header[12..14] != CHIP_ESP32_S3 {
        return Err(Problem::Chip(u16::from_le_bytes([header[12], header[13]])));
    }
    let room = most.min(flash.size().bytes() - at);
    let (mut len, mut calculated) = (24_u32, 0xEF);
    for _ in 0..header[1] {
        let head = flash.read(at + len, 8);
        let segment = head.last_chunk().map_or(u32::MAX, |bytes| u32::from_le_bytes(*bytes));
        let data = len + 8;
        len = data.checked_add(segment).filter(|end| *end < room).ok_or(Problem::Length)?;
        calculated = flash.read(at + data, segment).iter().fold(calculated, |sum, byte| sum ^ byte);
    }
    let len = len / 16 * 16 + 16;
    let has_hash = header[23] == 1;
    if len + if has_hash { 32 } else { 0 } > room {
        return Err(Problem::Length);
    }
    let bytes = flash.read(at, len);
    let read = bytes.last().copied().unwrap_or(0);
    if read != calculated {
        return Err(Problem::Checksum { calculated, read });
    }
    let hash = Sha256::digest(&bytes);
    if has_hash && flash.read(at + len, 32) != hash[..] {
        return Err(Problem::Hash);
    }
    Ok(bytes)
}

/// Reads the description behind the head of the first segment: magic u32, version at 16, project
/// at 48, each 32 bytes, SHA-256 of the ELF at 144.
fn describe(image: &[u8], weights: Option<(u32, u32)>) -> Application {
    let described =
        image.get(32..32 + 256).filter(|it| it.starts_with(&0xABCD_5432_u32.to_le_bytes()));
    let text = |at: usize| {
        let bytes = described.map_or(&[][..], |it| &it[at..at + 32]);
        String::from_utf8_lossy(bytes).trim_end_matches('\0').to_string()
    };
    let hash = described.map_or([0; 8], |it| std::array::from_fn(|index| it[144 + index]));
    Application { version: text(16), project: text(48), hash, weights }
}

const _: () = assert!(TABLE.is_multiple_of(SECTOR));
