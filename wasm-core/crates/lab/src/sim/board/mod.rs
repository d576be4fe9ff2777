//! The board: power, cable, ROM, flash and application behind one interface.

mod config;
mod serial;
mod start;

use std::collections::VecDeque;

use esp_flasher::line::{BAUD, Cable, Lines};

use super::app::{App, TICK_MICROS};
use super::boot::{Application, Cause};
use super::cable::{Order, Wiring};
use super::faults::{Schedule, Way};
use super::flash::Flash;
use super::loader::Loader;
use super::registers::Registers;
use super::wire::Wire;
pub use config::{BoardConfig, Note, Pace};

/// Nanoseconds of a byte on USB-Serial-JTAG: 500 KB a second, an assumption about full speed.
const USB_BYTE_NANOS: u64 = 2_000;
/// From the end of a reset to the ROM's first words; an assumption.
const ROM_NANOS: u64 = 10 * MILLI;
/// From there to the application; as boot logs show.
const BOOT_NANOS: u64 = 250 * MILLI;
/// How long a board that found nothing to start waits until it tries again.
const RETRY_NANOS: u64 = 1_000 * MILLI;
/// Bytes that wait in a UART while the ROM is at work.
const FIFO: usize = 128;
/// Notes that are kept until someone takes them.
const NOTES: usize = 1024;
const MILLI: u64 = 1_000_000;

/// What a start looks at to decide between loader and flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// IO0, and the register that asks for the loader.
    Pins,
    /// Nothing: what the start before has decided holds, as pins are not looked at again.
    AsBefore,
    /// Nothing: the loader was asked for.
    Loader,
}

/// What the chip does.
#[derive(Debug)]
enum State {
    /// No power.
    Off,
    /// EN is low.
    Held,
    /// It starts at that moment, in nanoseconds.
    Starting {
        at: u64,
        cause: Cause,
        wish: Wish,
    },
    Loader(Box<Loader>),
    /// Nothing to start: tries again.
    Lost {
        again_at: u64,
    },
    /// The bootloader is done at that moment.
    Booting {
        at: u64,
        cause: Cause,
        image: Box<Application>,
    },
    App {
        app: Box<App>,
        tick_at: u64,
        restart_at: Option<u64>,
    },
}

/// A simulated board. Times are microseconds of any clock that does not go back.
///
/// After every call ask [`Board::poll_bytes`] and [`Board::poll_timeout`].
#[derive(Debug)]
pub struct Board {
    cable: Cable,
    wiring: Wiring,
    registers: Registers,
    flash: Flash,
    schedule: Schedule,
    pace: Pace,
    boots_into_loader: bool,
    is_boot_held: bool,
    rise_nanos: u64,
    state: State,
    inbound: Wire,
    outbound: Wire,
    host_baud: u32,
    baud: u32,
    /// Whether the last start went into the loader.
    chose_loader: bool,
    /// Bytes that wait while the loader is at work, and until when it is.
    fifo: VecDeque<u8>,
    busy_until: u64,
    watchdog_at: Option<u64>,
    /// When the cable is put on again.
    replug_at: Option<u64>,
    /// When USB is back after a restart.
    usb_back_at: Option<u64>,
    commands: u64,
    notes: VecDeque<Note>,
}

impl Board {
    /// Puts the cable on: the board starts.
    pub fn new(now_micros: u64, config: BoardConfig) -> Self {
        let mut board = Self {
            cable: config.cable,
            wiring: Wiring::new(config.cable),
            registers: Registers::new(config.mac, config.flash.size()),
            flash: config.flash,
            schedule: Schedule::new(config.faults),
            pace: config.pace,
            boots_into_loader: config.boots_into_loader,
            is_boot_held: false,
            rise_nanos: config.enable_rise_micros.saturating_mul(1000),
            state: State::Off,
            inbound: Wire::default(),
            outbound: Wire::default(),
            host_baud: BAUD,
            baud: BAUD,
            chose_loader: false,
            fifo: VecDeque::new(),
            busy_until: 0,
            watchdog_at: None,
            replug_at: None,
            usb_back_at: None,
            commands: 0,
            notes: VecDeque::new(),
        };
        board.power_on(nanos(now_micros));
        board.advance(nanos(now_micros));
        board
    }

    /// Takes bytes of the host. While the cable is off they are lost.
    pub fn handle_bytes(&mut self, now_micros: u64, bytes: &[u8]) {
        let now = nanos(now_micros);
        self.advance(now);
        if self.is_plugged() {
            self.inbound.send(now, bytes, self.host_baud, self.byte_nanos(self.host_baud));
        }
        self.advance(now);
    }

    /// Takes the host's lines.
    pub fn handle_lines(&mut self, now_micros: u64, lines: Lines) {
        let now = nanos(now_micros);
        self.advance(now);
        if !self.is_plugged() {
            return;
        }
        match self.wiring.set(lines) {
            Some(Order::Hold) => self.stop(now, State::Held),
            Some(Order::Release) => self.start(now + self.rise_nanos, Cause::PowerOn, Wish::Pins),
            Some(Order::Restart { into_loader }) => {
                if into_loader {
                    // Tools clear it before they restart the chip, so it must be needed.
                    self.registers.force_loader();
                }
                self.start(now, Cause::Usb, if into_loader { Wish::Loader } else { Wish::Pins });
            }
            None => {}
        }
        self.advance(now);
    }

    /// Takes the host's speed. USB-Serial-JTAG has none.
    pub fn handle_baud(&mut self, now_micros: u64, baud: u32) {
        self.advance(nanos(now_micros));
        self.host_baud = baud.max(1);
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now_micros: u64) {
        self.advance(nanos(now_micros));
    }

    /// Returns what has arrived at the host.
    pub fn poll_bytes(&mut self, now_micros: u64) -> Vec<u8> {
        let now = nanos(now_micros);
        self.advance(now);
        let mut bytes = Vec::new();
        while let Some(next) = self.outbound.take(now) {
            let byte = match self.is_same_speed(next.baud, self.host_baud) {
                true => next.byte,
                false => self.schedule.chance() as u8,
            };
            let (copies, count) = self.schedule.byte(Way::Out, byte);
            bytes.extend_from_slice(&copies[..count]);
        }
        bytes
    }

    /// Returns when the board has something to do, or bytes for the host. `None` = never.
    pub fn poll_timeout(&self) -> Option<u64> {
        let next = [self.next_at(), self.outbound.next_at()].into_iter().flatten().min();
        next.map(|at| at.div_ceil(1000))
    }

    /// Tells whether the host sees the device.
    pub fn is_plugged(&self) -> bool {
        !matches!(self.state, State::Off) && self.usb_back_at.is_none()
    }

    /// Returns the flash.
    pub const fn flash(&self) -> &Flash {
        &self.flash
    }

    /// Returns the cable.
    pub const fn cable(&self) -> Cable {
        self.cable
    }

    /// Tells whether the loader, or a stub, is at work.
    pub const fn is_in_loader(&self) -> bool {
        matches!(self.state, State::Loader(_))
    }

    /// Tells whether the node's application runs.
    pub fn runs_node(&self) -> bool {
        matches!(&self.state, State::App { app, .. } if app.is_ours())
    }

    /// Returns what happened, the oldest first.
    pub fn poll_note(&mut self) -> Option<Note> {
        self.notes.pop_front()
    }

    /// Presses RESET for a moment.
    pub fn press_reset(&mut self, now_micros: u64) {
        let now = nanos(now_micros);
        self.advance(now);
        if !matches!(self.state, State::Off) {
            // A person gets out of a loader that is stuck.
            self.chose_loader = false;
            self.start(now, Cause::PowerOn, Wish::Pins);
        }
        self.advance(now);
    }

    /// Holds BOOT down, or lets it go.
    pub fn hold_boot(&mut self, is_held: bool) {
        self.is_boot_held = is_held;
    }

    /// Takes the cable off. The board has no other power.
    pub fn unplug(&mut self, now_micros: u64) {
        let now = nanos(now_micros);
        self.advance(now);
        self.power_off(now);
    }

    /// Puts the cable on.
    pub fn plug(&mut self, now_micros: u64) {
        let now = nanos(now_micros);
        self.advance(now);
        if matches!(self.state, State::Off) {
            self.power_on(now);
        }
        self.advance(now);
    }

    /// Does everything that is due, each at its own time.
    fn advance(&mut self, now: u64) {
        while let Some(at) = self.next_at().filter(|at| *at <= now) {
            self.step(at);
        }
    }

    /// Returns when something is due on the board.
    fn next_at(&self) -> Option<u64> {
        let state = match &self.state {
            State::Starting { at, .. } | State::Booting { at, .. } => Some(*at),
            State::Lost { again_at } => Some(*again_at),
            State::App { tick_at, restart_at, .. } => Some(restart_at.unwrap_or(*tick_at)),
            State::Loader(_) => (!self.fifo.is_empty()).then_some(self.busy_until),
            State::Off | State::Held => None,
        };
        let timers =
            [state, self.replug_at, self.usb_back_at, self.watchdog_at, self.inbound.next_at()];
        timers.into_iter().flatten().min()
    }

    /// Does one thing that is due.
    fn step(&mut self, now: u64) {
        let is_due = |at: Option<u64>| at.is_some_and(|at| at <= now);
        if is_due(self.replug_at) {
            self.power_on(now);
        } else if is_due(self.usb_back_at) {
            self.usb_back_at = None;
            self.note(Note::Plugged(true));
        } else if is_due(self.watchdog_at) {
            self.watchdog_at = None;
            // Both that the fault left on and the one that a host switched on to restart the chip.
            if self.registers.watchdog_micros().is_some() || !self.registers.are_watchdogs_off() {
                self.start(now, Cause::Watchdog, Wish::Pins);
            }
        } else if let Some(next) = self.inbound.take(now) {
            self.arrive(now, next.byte, next.baud);
        } else {
            self.step_state(now);
        }
    }

    fn step_state(&mut self, now: u64) {
        match &mut self.state {
            State::Starting { cause, wish, .. } => {
                let (cause, wish) = (*cause, *wish);
                self.run_rom(now, cause, wish);
            }
            State::Lost { .. } => self.start(now, Cause::Watchdog, Wish::Pins),
            State::Booting { cause, image, .. } => {
                let (app, text) = App::start(now / 1000, &self.flash, image, *cause);
                self.note(Note::Runs { is_ours: app.is_ours() });
                let tick_at = now + nanos(TICK_MICROS);
                self.state = State::App { app: Box::new(app), tick_at, restart_at: None };
                self.say(now, &text);
            }
            State::App { restart_at: Some(_), .. } => {
                self.start(now, Cause::Software, Wish::AsBefore)
            }
            State::App { tick_at, .. } => {
                *tick_at = now + nanos(TICK_MICROS);
                self.run_app(now, &[]);
            }
            State::Loader(_) => {
                while self.busy_until <= now
                    && let Some(byte) = self.fifo.pop_front()
                {
                    self.take_loader_byte(now, byte);
                }
            }
            State::Off | State::Held => {}
        }
    }

    fn note(&mut self, note: Note) {
        if self.notes.len() == NOTES {
            self.notes.pop_front();
        }
        self.notes.push_back(note);
    }
}

fn nanos(micros: u64) -> u64 {
    micros.saturating_mul(1000)
}
