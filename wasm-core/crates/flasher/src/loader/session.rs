//! A job from its start to its end: into the loader, and asking it things.

use alloc::vec::Vec;

use crate::chip::{Chip, Mac};
use crate::command::{Command, READ_CHUNK};
use crate::error::FlashError;
use crate::line::BAUD;
use crate::loader::io::{Answer, Io};
use crate::loader::write::write;
use crate::loader::{Event, Job, LoaderConfig};
use crate::reset::Strategy;

/// How long one command may take that changes no flash, in microseconds.
pub(super) const COMMAND_MICROS: u64 = 1_000_000;
/// How long a sync may take, in microseconds.
const SYNC_MICROS: u64 = 100_000;
/// How often a ROM answers a sync.
const REPLIES_TO_SYNC: u32 = 8;
/// How long the next of them may take, in microseconds.
const QUIET_MICROS: u64 = 20_000;
/// How long a port may take to change its speed, in microseconds.
pub(super) const BAUD_MICROS: u64 = 5_000_000;
/// What both sides get to settle at another speed, in microseconds.
pub(super) const SETTLE_MICROS: u64 = 20_000;
/// How often a command is asked before it is given up.
const ASKS: u32 = 3;

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
    pub(super) async fn connect(&mut self) -> Result<Strategy, FlashError> {
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
    pub(super) async fn read_register(&self, address: u32) -> Result<u32, FlashError> {
        for _ in 0..4 {
            let [first, second] = [self.read_once(address).await?, self.read_once(address).await?];
            if first == second {
                return Ok(first);
            }
            self.sync(1).await?;
        }
        Err(FlashError::Unsteady { address })
    }

    pub(super) async fn read_once(&self, address: u32) -> Result<u32, FlashError> {
        let answer = self.ask(&Command::ReadReg(address), COMMAND_MICROS).await?;
        Ok(answer.reply().map_or(0, |reply| reply.value))
    }

    pub(super) async fn write_register(&self, address: u32, value: u32) -> Result<(), FlashError> {
        let command = Command::WriteReg { address, value, mask: u32::MAX };
        self.ask(&command, COMMAND_MICROS).await.map(|_| ())
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

    /// Asks a command that may fail, but not for want of a port.
    pub(super) async fn ask_while_there(&self, command: &Command<'_>) -> Result<bool, FlashError> {
        match self.ask(command, COMMAND_MICROS).await {
            Err(FlashError::Lost) => Err(FlashError::Lost),
            answer => Ok(answer.is_ok()),
        }
    }
}
