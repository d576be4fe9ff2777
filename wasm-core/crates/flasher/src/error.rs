//! What a loader gives up on, with numbers and a stable code.

use core::fmt;

use crate::chip;

/// Why a job ended early. Whatever lies in flash is as the last events told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlashError {
    /// No loader answered, whatever the lines did and however long it was waited.
    NotConnected {
        /// Times that a way into the loader was tried.
        attempts: u32,
    },
    /// The chip is no ESP32-S3.
    WrongChip {
        /// Its number.
        chip_id: u32,
    },
    /// The chip runs only signed images.
    SecureBoot,
    /// The flash is encrypted: plain bytes would not run.
    Encrypted,
    /// The loader is fused to take only a few commands.
    SecureDownload,
    /// No flash chip of known size answered.
    NoFlash {
        /// What was read instead of maker, type and capacity.
        flash_id: u32,
    },
    /// The flash is smaller than the plan thinks.
    FlashTooSmall {
        /// Bytes that the plan needs.
        needed: u32,
        /// Bytes there are.
        have: u32,
    },
    /// The same register read differently again and again.
    Unsteady {
        /// Its address.
        address: u32,
    },
    /// The loader stopped answering, and starting over did not help.
    NoReply {
        /// The op that was not answered.
        op: u8,
    },
    /// The loader refused a command again and again.
    Refused {
        /// The op.
        op: u8,
        /// The loader's reason.
        reason: u8,
    },
    /// What lies in flash is not what was sent, however often it was sent.
    Verify {
        /// Start of the piece.
        offset: u32,
        /// Bytes of the piece.
        len: u32,
    },
    /// The port went away and did not come back in time.
    Lost,
    /// Another board came back than the one that went away.
    AnotherBoard,
    /// The job was cancelled.
    Cancelled,
    /// The board was not restarted in time.
    NotRestarted,
}

impl FlashError {
    /// Returns the stable code that the page and the docs match on.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotConnected { .. } => "flash/not-connected",
            Self::WrongChip { .. } => "flash/wrong-chip",
            Self::SecureBoot => "flash/secure-boot",
            Self::Encrypted => "flash/encrypted",
            Self::SecureDownload => "flash/secure-download",
            Self::NoFlash { .. } => "flash/no-flash",
            Self::FlashTooSmall { .. } => "flash/flash-too-small",
            Self::Unsteady { .. } => "flash/unsteady",
            Self::NoReply { .. } => "flash/no-reply",
            Self::Refused { .. } => "flash/refused",
            Self::Verify { .. } => "flash/verify",
            Self::Lost => "flash/lost",
            Self::AnotherBoard => "flash/another-board",
            Self::Cancelled => "flash/cancelled",
            Self::NotRestarted => "flash/not-restarted",
        }
    }
}

impl fmt::Display for FlashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotConnected { attempts } => {
                write!(f, "no loader answered in {attempts} attempts")
            }
            Self::WrongChip { chip_id } => match chip::name(chip_id) {
                Some(name) => write!(f, "the chip is an {name}, not an ESP32-S3"),
                None => write!(f, "the chip has the number {chip_id}, not an ESP32-S3's 9"),
            },
            Self::SecureBoot => f.write_str("the chip runs only signed images (secure boot)"),
            Self::Encrypted => f.write_str("the chip encrypts its flash"),
            Self::SecureDownload => f.write_str("the chip's loader is restricted by its fuses"),
            Self::NoFlash { flash_id } => {
                write!(f, "no flash chip of known size answered (id {flash_id:06x})")
            }
            Self::FlashTooSmall { needed, have } => {
                write!(f, "the plan needs {needed} bytes of flash, the board has {have}")
            }
            Self::Unsteady { address } => {
                write!(f, "register {address:08x} read differently every time")
            }
            Self::NoReply { op } => write!(f, "the loader did not answer command {op:02x}"),
            Self::Refused { op, reason } => {
                write!(f, "the loader refused command {op:02x} with reason {reason:02x}")
            }
            Self::Verify { offset, len } => {
                write!(f, "{len} bytes at {offset:#x} are not in flash as they were sent")
            }
            Self::Lost => f.write_str("the port went away and did not come back"),
            Self::AnotherBoard => f.write_str("another board came back than went away"),
            Self::Cancelled => f.write_str("the job was cancelled"),
            Self::NotRestarted => f.write_str("the board still runs its loader"),
        }
    }
}

impl core::error::Error for FlashError {}
