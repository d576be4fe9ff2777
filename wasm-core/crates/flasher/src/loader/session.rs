//! A job from its start to its end: into the loader, which chip it is, and out again.

use crate::chip::{Chip, ESP32_S3, Mac, Security, flash_bytes};
use crate::command::{Command, READ_CHUNK};
use crate::error::FlashError;
use crate::line::{BAUD, Cable};
use crate::loader::io::{Answer, Io};
use crate::loader::write::write;
use crate::loader::{Event, Job, LoaderConfig};
use crate::reset::{RESTART, Strategy};
use alloc::vec::Vec;

/// How long one command may take that changes no flash, in microseconds.
const COMMAND_MICROS: u64 = 1_000_000;
/// How long a sync may take, in microseconds.
const SYNC_MICROS: u64 = 100_000;
/// How often a ROM answers a sync.
const REPLIES_TO_SYNC: u32 = 8;
/// How long the next of them may take, in microseconds.
const QUIET_MICROS: u64 = 20_000;
/// How long a port may take to change its speed, in microseconds.
const BAUD_MICROS: u64 = 5_000_000;
/// What both sides get to settle at another speed, in microseconds.
const SETTLE_MICROS: u64 = 20_000;
/// How often a command is asked before it is given up.
const ASKS: u32 = 3;
/// How long a board may take to say its first word after a restart, in microseconds.
const BOOT_MICROS: u64 = 1_500_000;
/// How long it may take once its port is back, in microseconds.
const BACK_MICROS: u64 = 300_000;
/// How long its first words take, in microseconds.
const BANNER_MICROS: u64 = 100_000;

/// Registers of the ESP32-S3. Source: esptool 5.6.0 and the chip's technical reference manual.
mod register {
    /// Tells chips without security info apart: holds 9 in an ESP32-S3's ROM.
    pub const MAGIC: u32 = 0x4000_1000;
    pub const MAC_LOW: u32 = 0x6000_7044;
    pub const MAC_HIGH: u32 = 0x6000_7048;
    pub const BLOCK1_WORD3: u32 = 0x6000_7050;
    pub const BLOCK1_WORD5: u32 = 0x6000_7058;
    pub const BLOCK2_WORD4: u32 = 0x6000_706C;
    pub const SPI_COMMAND: u32 = 0x6000_2000;
    pub const SPI_USER: u32 = 0x6000_2018;
    pub const SPI_USER2: u32 = 0x6000_2020;
    pub const SPI_MISO_BITS: u32 = 0x6000_2028;
    pub const SPI_WORD0: u32 = 0x6000_2058;
    pub const RTC_WDT_CONFIG0: u32 = 0x6000_8098;
    pub const RTC_WDT_CONFIG1: u32 = 0x6000_809C;
    pub const RTC_WDT_PROTECT: u32 = 0x6000_80B0;
    pub const SWD_CONFIG: u32 = 0x6000_80B4;
    pub const SWD_PROTECT: u32 = 0x6000_80B8;
    pub const FORCED_DOWNLOAD: u32 = 0x6000_812C;
}

const RTC_WDT_KEY: u32 = 0x50D8_3AA1;
const SWD_KEY: u32 = 0x8F1D_312A;

/// What a job works with.
pub(super) struct Session {
    pub io: Io,
    pub config: LoaderConfig,
    /// The board that this job began with.
    mac: Option<Mac>,
    /// The wanted speed did not hold, or pieces failed at it.
    pub slow: bool,
}

pub(super) async fn run(io: Io, config: LoaderConfig, job: Job) {
    let mut session = Session { io: io.clone(), config, mac: None, slow: false };
    let result = session.work(job).await;
    io.end(result);
}

impl Session {
    async fn work(&mut self, job: Job) -> Result<(), FlashError> {
        if self.io.is_lost() {
            self.io.reopen(self.config.reopen_micros).await?;
        }
        match job {
            Job::Identify => self.ready().await.map(|_| ()),
            Job::Read { offset, len } => self.read(offset, len).await,
            Job::Write(plan) => write(self, &plan).await,
            Job::Restart => self.restart().await,
        }
    }

    /// Makes sure that the loader of the same board answers, and says which chip it is.
    pub async fn ready(&mut self) -> Result<Chip, FlashError> {
        let known = match self.io.chip() {
            Some(chip) if self.sync(3).await? => Some(chip),
            _ => None,
        };
        let chip = match known {
            Some(chip) => chip,
            None => {
                self.io.set_chip(None);
                let strategy = self.connect().await?;
                self.identify(strategy).await?
            }
        };
        if self.mac.is_some_and(|mac| mac != chip.mac) {
            return Err(FlashError::AnotherBoard);
        }
        self.mac = Some(chip.mac);
        if known.is_none() {
            self.io.tell(Event::Identified(chip));
        }
        self.io.set_chip(known.or(Some(chip)));
        Ok(chip)
    }

    /// Finds a way into the loader.
    async fn connect(&mut self) -> Result<Strategy, FlashError> {
        let mut attempts = 0;
        for &strategy in Strategy::order(self.config.cable) {
            attempts += 1;
            self.io.tell(Event::Trying { strategy, attempt: attempts });
            if self.enter(strategy).await? {
                self.io.tell(Event::Connected { strategy });
                return Ok(strategy);
            }
        }
        self.io.tell(Event::NeedsBoot);
        let until = self.io.now().saturating_add(self.config.person_micros);
        while self.io.now() < until {
            attempts += 1;
            if self.enter(Strategy::None).await? {
                self.io.tell(Event::Connected { strategy: Strategy::None });
                return Ok(Strategy::None);
            }
            // Losing the port here is a person at work.
            let _ = self.io.sleep(2 * SYNC_MICROS).await;
        }
        Err(FlashError::NotConnected { attempts })
    }

    /// Tries one way. A reset may take the port away for a while.
    async fn enter(&mut self, strategy: Strategy) -> Result<bool, FlashError> {
        let entered = match self.enter_over_open_port(strategy).await {
            Err(FlashError::Lost) => {
                self.io.reopen(self.config.reopen_micros).await?;
                self.sync(5).await
            }
            entered => entered,
        };
        match entered {
            Err(FlashError::Lost) => Ok(false),
            entered => entered,
        }
    }

    async fn enter_over_open_port(&mut self, strategy: Strategy) -> Result<bool, FlashError> {
        self.io.set_baud(BAUD, BAUD_MICROS).await?;
        self.io.lines(strategy.steps()).await?;
        self.sync(5).await
    }

    /// Asks for a sign of life. Afterwards no reply to an earlier command is on its way: they come
    /// before those to a sync.
    pub async fn sync(&self, tries: u32) -> Result<bool, FlashError> {
        self.io.stop_listening();
        let op = Command::Sync.op();
        for _ in 0..tries {
            self.io.send(&Command::Sync);
            let answer = self.io.answer(op, SYNC_MICROS).await?;
            // A stub answers with zeros; its replies have another shape, so it is no help.
            if answer.is_some_and(|answer| answer.reply().is_some_and(|r| r.value != 0)) {
                let mut more = REPLIES_TO_SYNC - 1;
                while more > 0 && self.io.answer(op, QUIET_MICROS).await?.is_some() {
                    more -= 1;
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Asks a command that may be asked twice, and again when it was not answered or refused.
    pub async fn ask(&self, command: &Command<'_>, micros: u64) -> Result<Answer, FlashError> {
        let op = command.op();
        let mut error = FlashError::NoReply { op };
        for ask in 0..ASKS {
            if ask > 0 && !self.sync(3).await? {
                break;
            }
            self.io.send(command);
            let answer = self.io.answer(op, micros).await?;
            error = match answer.as_ref().and_then(Answer::reply).map(|reply| reply.refused) {
                Some(None) => return answer.ok_or(error),
                Some(Some(reason)) => FlashError::Refused { op, reason },
                None => FlashError::NoReply { op },
            };
        }
        Err(error)
    }

    /// Reads a register until it reads the same twice, since replies carry no checksum.
    async fn read_register(&self, address: u32) -> Result<u32, FlashError> {
        for _ in 0..4 {
            let [first, second] = [self.read_once(address).await?, self.read_once(address).await?];
            if first == second {
                return Ok(first);
            }
            self.sync(1).await?;
        }
        Err(FlashError::Unsteady { address })
    }

    async fn read_once(&self, address: u32) -> Result<u32, FlashError> {
        let answer = self.ask(&Command::ReadReg(address), COMMAND_MICROS).await?;
        Ok(answer.reply().map_or(0, |reply| reply.value))
    }

    async fn write_register(&self, address: u32, value: u32) -> Result<(), FlashError> {
        let command = Command::WriteReg { address, value, mask: u32::MAX };
        self.ask(&command, COMMAND_MICROS).await.map(|_| ())
    }

    /// Checks that it is a chip that can be written, settles the speed, and reads what it says of
    /// itself.
    async fn identify(&mut self, strategy: Strategy) -> Result<Chip, FlashError> {
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
        self.write_register(register::RTC_WDT_PROTECT, RTC_WDT_KEY).await?;
        self.write_register(register::RTC_WDT_CONFIG0, 0).await?;
        self.write_register(register::RTC_WDT_PROTECT, 0).await?;
        let config = self.read_register(register::SWD_CONFIG).await?;
        self.write_register(register::SWD_PROTECT, SWD_KEY).await?;
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

    /// Asks for the MD5 of a range.
    pub async fn md5(&self, offset: u32, len: u32) -> Result<[u8; 16], FlashError> {
        // Eight seconds a megabyte is what esptool allows.
        let micros = 3_000_000 + u64::from(len) * 8;
        let answer = self.ask(&Command::Md5 { offset, len }, micros).await?;
        let digest = answer.reply().and_then(|reply| reply.md5());
        digest.ok_or(FlashError::Verify { offset, len })
    }

    /// Reads flash, and asks for the MD5 of the range, since replies carry no checksum.
    async fn read(&mut self, offset: u32, len: u32) -> Result<(), FlashError> {
        let chip = self.ready().await?;
        let end = offset.checked_add(len).filter(|&end| end <= chip.flash_bytes);
        let end = end.ok_or(FlashError::FlashTooSmall {
            needed: offset.saturating_add(len),
            have: chip.flash_bytes,
        })?;
        for _ in 0..ASKS {
            let mut bytes = Vec::new();
            while bytes.len() < len as usize {
                let at = offset + bytes.len() as u32;
                let chunk = READ_CHUNK.min(end - at);
                let command = Command::ReadFlash { offset: at, len: chunk };
                let answer = self.ask(&command, COMMAND_MICROS).await?;
                let got = answer.reply().and_then(|reply| reply.payload.get(..chunk as usize));
                match got {
                    Some(got) => bytes.extend(got),
                    None => break,
                }
            }
            if crate::plan::md5(&bytes) == self.md5(offset, len).await? {
                self.io.tell(Event::Read { offset, bytes });
                return Ok(());
            }
            self.io.tell(Event::Retrying(FlashError::Verify { offset, len }));
        }
        Err(FlashError::Verify { offset, len })
    }

    /// Leaves the loader: by EN, then by a watchdog, then by a person.
    async fn restart(&mut self) -> Result<(), FlashError> {
        if self.io.chip().is_some() && self.sync(3).await? {
            let clear = Command::WriteReg { address: register::FORCED_DOWNLOAD, value: 0, mask: 1 };
            self.ask_while_there(&clear).await?;
            if self.io.baud() != BAUD {
                // Where the restart fails, the loader is to be found at its first speed.
                self.ask_while_there(&Command::ChangeBaud(BAUD)).await?;
                self.io.sleep(SETTLE_MICROS).await?;
            }
        }
        self.io.set_chip(None);
        self.io.set_baud(BAUD, BAUD_MICROS).await?;
        self.io.listen();
        let pulse = self.io.lines(&RESTART).await;
        if let Some(heard) = self.left(pulse).await? {
            return self.restarted(heard);
        }
        let bitten = self.let_watchdog_bite().await;
        self.io.listen();
        if let Some(heard) = self.left(bitten).await? {
            return self.restarted(heard);
        }
        self.io.tell(Event::NeedsReset);
        let until = self.io.now().saturating_add(self.config.person_micros);
        while self.io.now() < until {
            self.io.listen();
            if let Some(heard) = self.left(Ok(())).await? {
                return self.restarted(heard);
            }
        }
        Err(FlashError::NotRestarted)
    }

    /// Asks a command that may fail, but not for want of a port.
    async fn ask_while_there(&self, command: &Command<'_>) -> Result<bool, FlashError> {
        match self.ask(command, COMMAND_MICROS).await {
            Err(FlashError::Lost) => Err(FlashError::Lost),
            answer => Ok(answer.is_ok()),
        }
    }

    fn restarted(&self, heard: bool) -> Result<(), FlashError> {
        self.io.tell(Event::Restarted { heard });
        Ok(())
    }

    /// Whether the board left its loader after `done`, and if so, whether it said something.
    async fn left(&mut self, done: Result<(), FlashError>) -> Result<Option<bool>, FlashError> {
        let said = match done {
            Ok(()) => self.io.text(BOOT_MICROS, BANNER_MICROS).await,
            Err(error) => Err(error),
        };
        let said = match said {
            Err(FlashError::Lost) => {
                self.io.reopen(self.config.reopen_micros).await?;
                self.io.listen();
                self.io.text(BACK_MICROS, BANNER_MICROS).await
            }
            said => said,
        };
        let said = match said {
            Err(FlashError::Lost) => return Ok(None),
            said => said?,
        };
        // The ROM says so when it enters its loader.
        let waiting = said.windows(8).any(|window| window == b"DOWNLOAD")
            || said.windows(8).any(|window| window == b"download");
        if !said.is_empty() && !waiting {
            return Ok(Some(true));
        }
        match self.sync(3).await {
            Ok(true) | Err(FlashError::Lost) => Ok(None),
            Ok(false) => Ok((!waiting).then_some(false)),
            Err(error) => Err(error),
        }
    }

    /// Has the RTC watchdog reset the whole chip, where EN cannot be reached.
    async fn let_watchdog_bite(&self) -> Result<(), FlashError> {
        let writes = [
            (register::RTC_WDT_PROTECT, RTC_WDT_KEY),
            (register::RTC_WDT_CONFIG1, 2_000),
            // On, reset of the system in the first stage, and lengths of the reset's pulses.
            (register::RTC_WDT_CONFIG0, 1 << 31 | 5 << 28 | 1 << 8 | 2),
        ];
        for (address, value) in writes {
            let command = Command::WriteReg { address, value, mask: u32::MAX };
            self.io.send(&command);
            self.io.answer(command.op(), COMMAND_MICROS).await?;
        }
        Ok(())
    }
}
