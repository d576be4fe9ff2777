//! Out of the loader, and how to know that it worked.

use crate::command::Command;
use crate::error::FlashError;
use crate::line::BAUD;
use crate::loader::Event;
use crate::loader::register;
use crate::loader::session::{BAUD_MICROS, COMMAND_MICROS, SETTLE_MICROS, Session};
use crate::reset::RESTART;

/// How long a board may take to say its first word after a restart, in microseconds.
const BOOT_MICROS: u64 = 1_500_000;
/// How long it may take once its port is back, in microseconds.
const BACK_MICROS: u64 = 300_000;
/// How long its first words take, in microseconds.
const BANNER_MICROS: u64 = 100_000;

impl Session {
    /// Leaves the loader: by EN, then by a watchdog, then by a person.
    pub(super) async fn restart(&mut self) -> Result<(), FlashError> {
        let pulse = self.pulse().await;
        self.io.set_chip(None);
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

    /// Pulls EN, both sides at the first speed and the chip without a reason to stay.
    async fn pulse(&self) -> Result<(), FlashError> {
        if self.sync(3).await? {
            let clear = Command::WriteReg { address: register::FORCED_DOWNLOAD, value: 0, mask: 1 };
            self.ask_while_there(&clear).await?;
            if self.io.baud() != BAUD {
                // Where the restart fails, the loader is to be found at its first speed.
                self.ask_while_there(&Command::ChangeBaud(BAUD)).await?;
                self.io.sleep(SETTLE_MICROS).await?;
            }
        }
        self.io.set_baud(BAUD, BAUD_MICROS).await?;
        self.io.listen();
        self.io.lines(&RESTART).await
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
            (register::RTC_WDT_PROTECT, register::RTC_WDT_KEY),
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
