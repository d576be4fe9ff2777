//! What a chip says of itself: which it is, how large its flash is, what is fused.

use core::fmt;

/// The number of the ESP32-S3 in images and in security info.
pub const ESP32_S3: u32 = 9;

/// Returns the name of a chip by its number in images and in security info, of those known.
pub const fn name(chip_id: u32) -> Option<&'static str> {
    Some(match chip_id {
        0 => "ESP32",
        2 => "ESP32-S2",
        5 => "ESP32-C3",
        9 => "ESP32-S3",
        12 => "ESP32-C2",
        13 => "ESP32-C6",
        16 => "ESP32-H2",
        18 => "ESP32-P4",
        20 => "ESP32-C61",
        23 => "ESP32-C5",
        25 => "ESP32-H21",
        28 => "ESP32-H4",
        _ => return None,
    })
}

/// The factory's MAC address. It identifies a person's board: pages hide it by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// What is fused, as far as a loader must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Security {
    /// The flags as they came: bit 0 secure boot, bit 2 secure download.
    pub flags: u32,
    /// The count of fuses that switch flash encryption: it is on while an odd number is blown.
    pub crypt_count: u8,
}

impl Security {
    /// Whether the chip runs only signed images.
    pub const fn secure_boot(self) -> bool {
        self.flags & 1 != 0
    }

    /// Whether the loader takes only a few commands.
    pub const fn secure_download(self) -> bool {
        self.flags & 4 != 0
    }

    /// Whether the flash holds encrypted bytes.
    pub const fn flash_encrypted(self) -> bool {
        self.crypt_count.count_ones() % 2 == 1
    }
}

/// A chip that was identified. It is an ESP32-S3: others are refused by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chip {
    /// Its number, [`ESP32_S3`].
    pub chip_id: u32,
    /// Major and minor revision of the silicon.
    pub revision: (u8, u8),
    /// The factory's address.
    pub mac: Mac,
    /// Maker, type and capacity code of the flash chip, as JEDEC numbers them, high byte 0.
    pub flash_id: u32,
    /// Size of the flash, in bytes.
    pub flash_bytes: u32,
    /// What is fused; `None` when the chip did not say.
    pub security: Option<Security>,
}

/// Returns the size that the capacity code of a flash id names, in bytes: 256 KB to 256 MB.
/// `None` for codes that name no such size, as zeros and ones that no chip answered.
pub const fn flash_bytes(flash_id: u32) -> Option<u32> {
    match (flash_id >> 16) & 0xFF {
        code @ 0x12..=0x1C => Some(1 << code),
        code @ 0x20..=0x22 => Some(1 << (code + 6)),
        code @ 0x32..=0x3A => Some(1 << (code - 0x20)),
        _ => None,
    }
}
