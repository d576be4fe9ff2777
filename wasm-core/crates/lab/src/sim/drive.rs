//! Host and board together, on time that nobody has to wait for.

use esp_flasher::Loader;
use esp_flasher::line::{Action, BAUD};

use super::board::Board;
use crate::device::Device;

/// Whoever is at the host's end of the cable: a loader, or all of a device. Times are
/// microseconds.
pub trait Host {
    /// Returns what to do next.
    fn poll_action(&mut self) -> Option<Action>;
    /// Takes bytes of the board.
    fn handle_bytes(&mut self, now_micros: u64, bytes: &[u8]);
    /// The port is open, for the first time, at another speed, or again.
    fn handle_opened(&mut self, now_micros: u64);
    /// The port is gone.
    fn handle_lost(&mut self, now_micros: u64);
    /// The time of `poll_timeout` has come.
    fn handle_timeout(&mut self, now_micros: u64);
    /// Returns when it wants to be called.
    fn poll_timeout(&self) -> Option<u64>;
}

macro_rules! hosts {
    ($($host:ty),+) => {
        $(impl Host for $host {
            fn poll_action(&mut self) -> Option<Action> {
                Self::poll_action(self)
            }

            fn handle_bytes(&mut self, now_micros: u64, bytes: &[u8]) {
                Self::handle_bytes(self, now_micros, bytes);
            }

            fn handle_opened(&mut self, now_micros: u64) {
                Self::handle_opened(self, now_micros);
            }

            fn handle_lost(&mut self, now_micros: u64) {
                Self::handle_lost(self, now_micros);
            }

            fn handle_timeout(&mut self, now_micros: u64) {
                Self::handle_timeout(self, now_micros);
            }

            fn poll_timeout(&self) -> Option<u64> {
                Self::poll_timeout(self)
            }
        })+
    };
}

hosts!(Loader, Device);

/// A cable with a clock of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The time.
    pub now_micros: u64,
    is_open: bool,
    /// Whether the host waits for the device to come back.
    is_awaited: bool,
}

impl Link {
    /// Returns a link whose port is open.
    pub const fn open(now_micros: u64) -> Self {
        Self { now_micros, is_open: true, is_awaited: false }
    }

    /// Lets host and board talk until `is_done` of the host, which is asked whenever nothing more
    /// happens at one moment. Returns `false` when the time is over before that, or nothing would
    /// happen ever again; the clock then stands where it was left.
    pub fn run<H: Host>(
        &mut self,
        host: &mut H,
        board: &mut Board,
        until_micros: u64,
        mut is_done: impl FnMut(&mut H) -> bool,
    ) -> bool {
        loop {
            let now = self.now_micros;
            if self.settle(host, board) {
                continue;
            }
            if is_done(host) {
                return true;
            }
            let times = [host.poll_timeout(), board.poll_timeout()];
            let Some(next) = times.into_iter().flatten().min().filter(|at| *at <= until_micros)
            else {
                return false;
            };
            self.now_micros = next.max(now);
            if host.poll_timeout().is_some_and(|at| at <= self.now_micros) {
                host.handle_timeout(self.now_micros);
            }
            board.handle_timeout(self.now_micros);
        }
    }

    /// Does one thing that is due now; `false` when there is none.
    fn settle<H: Host>(&mut self, host: &mut H, board: &mut Board) -> bool {
        let now = self.now_micros;
        if let Some(action) = host.poll_action() {
            match action {
                Action::Write(bytes) if self.is_open => board.handle_bytes(now, &bytes),
                Action::SetLines(lines) if self.is_open => board.handle_lines(now, lines),
                Action::SetBaud(baud) if self.is_open => {
                    board.handle_baud(now, baud);
                    host.handle_opened(now);
                }
                Action::Reopen => (self.is_open, self.is_awaited) = (false, true),
                // A closed port takes nothing.
                _ => {}
            }
            return true;
        }
        if self.is_open && !board.is_plugged() {
            self.is_open = false;
            host.handle_lost(now);
            return true;
        }
        if self.is_awaited && board.is_plugged() {
            (self.is_open, self.is_awaited) = (true, false);
            board.handle_baud(now, BAUD);
            host.handle_opened(now);
            return true;
        }
        let bytes = board.poll_bytes(now);
        if !bytes.is_empty() && self.is_open {
            host.handle_bytes(now, &bytes);
        }
        !bytes.is_empty()
    }
}
