//! Bytes that arrive, and what is made of them.

use esp_flasher::line::{BAUD, Cable};

use super::super::app::RESTART_MICROS;
use super::super::boot::Cause;
use super::super::faults::{Way, What};
use super::super::loader::{After, Chip};
use super::{Board, FIFO, Note, Pace, State, USB_BYTE_NANOS, Wish, nanos};

impl Board {
    /// A byte has arrived at the board.
    pub(super) fn arrive(&mut self, now: u64, byte: u8, baud: u32) {
        let byte = match self.is_same_speed(baud, self.baud) {
            true => byte,
            false => self.schedule.chance() as u8,
        };
        let (copies, count) = self.schedule.byte(Way::In, byte);
        match self.state {
            State::App { .. } => self.run_app(now, &copies[..count]),
            State::Loader(_) => {
                for &byte in &copies[..count] {
                    self.queue_loader_byte(now, byte);
                }
            }
            _ => {}
        }
    }

    pub(super) fn run_app(&mut self, now: u64, bytes: &[u8]) {
        let State::App { app, restart_at, .. } = &mut self.state else { return };
        let (text, wants_restart) = app.handle_bytes(now / 1000, bytes);
        if wants_restart {
            restart_at.get_or_insert(now + nanos(RESTART_MICROS));
        }
        self.say(now, &text);
    }

    /// While the loader is at work a UART keeps few bytes; USB holds the host back.
    pub(super) fn queue_loader_byte(&mut self, now: u64, byte: u8) {
        if self.busy_until <= now && self.fifo.is_empty() {
            self.take_loader_byte(now, byte);
        } else if self.fifo.len() < FIFO || self.cable == Cable::SerialJtag {
            self.fifo.push_back(byte);
        } else if self.notes.back() != Some(&Note::Overrun) {
            self.note(Note::Overrun);
        }
    }

    pub(super) fn take_loader_byte(&mut self, now: u64, byte: u8) {
        let State::Loader(loader) = &mut self.state else { return };
        let Some(packet) = loader.push(byte) else { return };
        let mut fault = None;
        if let Some(op) = loader.op_of(&packet) {
            self.commands += 1;
            fault = self.schedule.command();
            self.note(Note::Command { number: self.commands, op });
        }
        if let Some(what) = fault {
            self.note(Note::Struck(what));
        }
        // The power may fail before a command is carried out, or after.
        let unplugs = matches!(fault, Some(What::Unplug(_)));
        if !unplugs || self.schedule.chance().is_multiple_of(2) {
            self.carry_out(now, &packet, fault);
        }
        if let Some(What::Unplug(micros)) = fault {
            self.power_off(now);
            self.replug_at = (micros > 0).then(|| now + nanos(micros));
        }
    }

    pub(super) fn carry_out(&mut self, now: u64, packet: &[u8], fault: Option<What>) {
        let State::Loader(loader) = &mut self.state else { return };
        let erase_factor = self.schedule.faults().erase_factor;
        let mut spoils_md5 = || self.schedule.md5();
        let mut chip = Chip {
            flash: &mut self.flash,
            registers: &mut self.registers,
            erase_factor,
            spoils_md5: &mut spoils_md5,
        };
        let answer = loader.answer(packet, fault, &mut chip);
        self.busy_until = now + self.duration(answer.nanos);
        self.say(self.busy_until, &answer.bytes);
        if let Some(micros) = self.registers.watchdog_micros() {
            self.watchdog_at = Some(now + nanos(micros));
        }
        match answer.after {
            After::Nothing => {}
            After::Speed(baud) => self.baud = baud,
            After::Restart => {
                let at = self.outbound.free_at().max(self.busy_until);
                self.state = State::Starting { at, cause: Cause::Software, wish: Wish::AsBefore };
            }
            After::Run => {
                let at = self.outbound.free_at().max(self.busy_until);
                self.baud = BAUD;
                self.note(Note::Started { cause: Cause::Software, into_loader: false });
                self.run_bootloader(at, Cause::Software);
            }
        }
    }

    pub(super) fn say(&mut self, now: u64, bytes: &[u8]) {
        if self.is_plugged() {
            self.outbound.send(now, bytes, self.baud, self.byte_nanos(self.baud));
        }
    }

    pub(super) fn duration(&self, nanos: u64) -> u64 {
        if self.pace == Pace::Real { nanos } else { 0 }
    }

    pub(super) fn byte_nanos(&self, baud: u32) -> u64 {
        self.duration(match self.cable {
            Cable::SerialJtag => USB_BYTE_NANOS,
            _ => 10_000_000_000 / u64::from(baud.max(1)),
        })
    }

    /// A UART reads bytes whose speed is off by less than three parts in a hundred.
    pub(super) fn is_same_speed(&self, a: u32, b: u32) -> bool {
        self.cable == Cable::SerialJtag || u64::from(a.abs_diff(b)) * 100 < u64::from(b) * 3
    }
}
