//! Which chip it is, whether it may be written, and at what speed.

use alloc::vec::Vec;

use crate::chip::{Chip, ESP32_S3, Mac, Security, flash_bytes};
use crate::command::Command;
use crate::error::FlashError;
use crate::line::{BAUD, Cable};
use crate::loader::Event;
use crate::loader::register;
use crate::loader::session::{BAUD_MICROS, COMMAND_MICROS, SETTLE_MICROS, Session};
use crate::reset::Strategy;

impl Session {
    /// Checks that it is a chip that can be written, settles the speed, and reads what it says of
    /// itself.
    pub(super) async fn identify(&mut self, strategy: Strategy) -> Result<Chip, FlashError> {
        let (chip_id, security) = self.kind().await?;
        if chip_id != ESP32_S3 {
            return Err(FlashError::WrongChip { chip_id });
        }
        if let Some(security) = security {
            if security.secure_download() {
                return Err(FlashError::SecureDownload);
            }
            if security.secure_boot() {
                return Err(FlashError::SecureBoot);
            }
            if security.flash_encrypted() {
                return Err(FlashError::Encrypted);
            }
        }
        if self.config.cable == Cable::SerialJtag || strategy == Strategy::UsbJtag {
            self.stop_watchdogs().await?;
        }
        self.settle_baud().await?;
        let mac_low = self.read_register(register::MAC_LOW).await?;
        let mac_high = self.read_register(register::MAC_HIGH).await?;
        let ([.., a, b], [c, d, e, f]) = (mac_high.to_be_bytes(), mac_low.to_be_bytes());
        let revision = self.revision().await?;
        self.ask(&Command::SpiAttach, COMMAND_MICROS).await?;
        let (flash_id, flash_bytes) = self.flash().await?;
        self.ask(&Command::SpiSetParams(flash_bytes), COMMAND_MICROS).await?;
        Ok(Chip {
            chip_id,
            revision,
            mac: Mac([a, b, c, d, e, f]),
            flash_id,
            flash_bytes,
            security,
        })
    }

    /// Says which chip it is, by security info, or by a word of its ROM where there is none.
    async fn kind(&self) -> Result<(u32, Option<Security>), FlashError> {
        let info = self.security_info().await?;
        let word = |at: usize| info.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
        let security =
            word(0).zip(info.get(4)).map(|(flags, &crypt_count)| Security { flags, crypt_count });
        let chip_id = match word(12) {
            Some(chip_id) => chip_id,
            None => self.kind_by_rom().await?,
        };
        Ok((chip_id, security))
    }

    /// Asks for security info until the same comes twice. Empty where it is always refused.
    async fn security_info(&self) -> Result<Vec<u8>, FlashError> {
        let mut last = None;
        for _ in 0..5 {
            let info = match self.ask(&Command::SecurityInfo, COMMAND_MICROS).await {
                Err(FlashError::Lost) => return Err(FlashError::Lost),
                Err(FlashError::Refused { .. }) => Vec::new(),
                answer => answer?.reply().map_or_else(Vec::new, |r| r.payload.to_vec()),
            };
            if last.as_ref() == Some(&info) {
                return Ok(info);
            }
            last = Some(info);
        }
        Err(FlashError::Unsteady { address: register::MAGIC })
    }

    async fn kind_by_rom(&self) -> Result<u32, FlashError> {
        Ok(match self.read_register(register::MAGIC).await? {
            9 => ESP32_S3,
            0x0000_07C6 => 2,
            0x00F0_1D83 => 0,
            unknown => unknown,
        })
    }

    /// Keeps the watchdogs from restarting a chip that was reset over its own USB. The ROM's
    /// loader does not feed them.
    async fn stop_watchdogs(&self) -> Result<(), FlashError> {
        self.write_register(register::RTC_WDT_PROTECT, register::RTC_WDT_KEY).await?;
        self.write_register(register::RTC_WDT_CONFIG0, 0).await?;
        self.write_register(register::RTC_WDT_PROTECT, 0).await?;
        let config = self.read_register(register::SWD_CONFIG).await?;
        self.write_register(register::SWD_PROTECT, register::SWD_KEY).await?;
        self.write_register(register::SWD_CONFIG, config | 1 << 31).await?;
        self.write_register(register::SWD_PROTECT, 0).await
    }

    /// Tries the wanted speed once, and goes back to the first one when nobody answers there.
    async fn settle_baud(&mut self) -> Result<(), FlashError> {
        let wanted = self.config.baud_wanted;
        if self.config.cable == Cable::SerialJtag || wanted == BAUD || self.slow {
            return Ok(());
        }
        if self.ask_while_there(&Command::ChangeBaud(wanted)).await? {
            self.io.sleep(SETTLE_MICROS).await?;
            self.io.set_baud(wanted, BAUD_MICROS).await?;
            self.io.sleep(SETTLE_MICROS).await?;
            if self.sync(5).await? {
                self.io.tell(Event::Baud { wanted, used: wanted });
                return Ok(());
            }
            self.io.set_baud(BAUD, BAUD_MICROS).await?;
        }
        self.slow = true;
        self.io.tell(Event::Baud { wanted, used: BAUD });
        if self.sync(5).await? {
            return Ok(());
        }
        // The chip is at a speed that nobody reaches.
        self.connect().await.map(|_| ())
    }

    /// Major and minor revision. The very first chips have a fuse set that means something else.
    async fn revision(&self) -> Result<(u8, u8), FlashError> {
        let word3 = self.read_register(register::BLOCK1_WORD3).await?;
        let word5 = self.read_register(register::BLOCK1_WORD5).await?;
        let block = self.read_register(register::BLOCK2_WORD4).await? & 3;
        let minor = (word5 >> 23 & 1) << 3 | word3 >> 18 & 7;
        let first = minor & 7 == 0 && block == 1 && word3 >> 24 & 7 == 1;
        Ok(if first { (0, 0) } else { ((word5 >> 24 & 3) as u8, minor as u8) })
    }

    /// Asks the flash chip for its id, through the controller's own registers.
    async fn flash(&self) -> Result<(u32, u32), FlashError> {
        let mut flash_id = 0;
        for _ in 0..3 {
            let user = self.read_register(register::SPI_USER).await?;
            let user2 = self.read_register(register::SPI_USER2).await?;
            self.write_register(register::SPI_MISO_BITS, 24 - 1).await?;
            // A command, no address, an answer; the command has 8 bits.
            self.write_register(register::SPI_USER, 1 << 31 | 1 << 28).await?;
            self.write_register(register::SPI_USER2, 7 << 28 | 0x9F).await?;
            self.write_register(register::SPI_WORD0, 0).await?;
            self.write_register(register::SPI_COMMAND, 1 << 18).await?;
            for _ in 0..10 {
                if self.read_once(register::SPI_COMMAND).await? & 1 << 18 == 0 {
                    break;
                }
            }
            flash_id = self.read_register(register::SPI_WORD0).await? & 0x00FF_FFFF;
            self.write_register(register::SPI_USER, user).await?;
            self.write_register(register::SPI_USER2, user2).await?;
            if let Some(bytes) = flash_bytes(flash_id) {
                return Ok((flash_id, bytes));
            }
        }
        Err(FlashError::NoFlash { flash_id })
    }
}
