//! Power, reset, and what follows up to the loader or the application.

use esp_flasher::line::{BAUD, Cable};

use super::super::boot::{self, Cause};
use super::super::cable::Wiring;
use super::super::loader::Loader;
use super::{BOOT_NANOS, Board, Note, RETRY_NANOS, ROM_NANOS, State, Wish, nanos};

impl Board {
    pub(super) fn power_on(&mut self, now: u64) {
        self.replug_at = None;
        self.note(Note::Plugged(true));
        self.wiring = Wiring::new(self.cable);
        self.chose_loader = false;
        self.host_baud = BAUD;
        self.start(now, Cause::PowerOn, Wish::Pins);
        self.usb_back_at = None;
    }

    pub(super) fn power_off(&mut self, now: u64) {
        self.note(Note::Plugged(false));
        self.stop(now, State::Off);
        self.inbound.cut(now);
        self.usb_back_at = None;
    }

    /// What runs, ends; what is on its way out, is lost.
    pub(super) fn stop(&mut self, now: u64, state: State) {
        self.state = state;
        self.outbound.cut(now);
        self.fifo.clear();
        self.busy_until = 0;
        self.watchdog_at = None;
    }

    pub(super) fn start(&mut self, now: u64, cause: Cause, wish: Wish) {
        self.stop(now, State::Starting { at: now, cause, wish });
        let away = self.schedule.faults().reenumerate_micros;
        if away > 0 && self.cable == Cable::SerialJtag {
            self.inbound.cut(now);
            self.usb_back_at = Some(now + nanos(away));
        }
    }

    pub(super) fn run_rom(&mut self, now: u64, cause: Cause, wish: Wish) {
        let is_boot_low = self.is_boot_held || self.wiring.is_boot_low();
        self.registers.reset(cause != Cause::PowerOn, is_boot_low);
        let is_asked = self.boots_into_loader && cause == Cause::PowerOn;
        let into_loader = match wish {
            Wish::Pins => {
                let is_asked = is_boot_low || is_asked || self.registers.forces_loader();
                is_asked || self.chose_loader && self.schedule.is_stuck()
            }
            Wish::AsBefore => self.chose_loader,
            Wish::Loader => true,
        };
        self.chose_loader = into_loader;
        self.baud = BAUD;
        self.note(Note::Started { cause, into_loader });
        let now = now + self.duration(ROM_NANOS);
        self.say(now, boot::rom_text(cause, into_loader).as_bytes());
        if !into_loader {
            return self.run_bootloader(now, cause);
        }
        let bites = self.schedule.faults().watchdog_micros;
        if bites > 0 && self.cable == Cable::SerialJtag {
            self.watchdog_at = Some(now + nanos(bites));
        }
        self.busy_until = now;
        self.state = State::Loader(Box::new(Loader::new()));
    }

    pub(super) fn run_bootloader(&mut self, now: u64, cause: Cause) {
        // It feeds or stops every watchdog.
        self.watchdog_at = None;
        let (text, image) = boot::boot(&self.flash);
        self.say(now, text.as_bytes());
        self.state = match image {
            Some(image) => {
                let at = now + self.duration(BOOT_NANOS);
                State::Booting { at, cause, image: Box::new(image) }
            }
            None => State::Lost { again_at: now + RETRY_NANOS },
        };
    }
}
