//! The simulated board as a port: the same bytes, lines and speeds, on the page's clock.

use std::cell::{Cell, RefCell};
use std::pin::Pin;

use csi_lab::sim::{Board, BoardConfig};
use esp_flasher::line::{Cable, Lines};

use super::clock::{Bell, now_micros};
use super::{Doing, Port, PortError};

/// A board that exists in this page alone, with its cable.
pub struct SimulatedPort {
    board: RefCell<Board>,
    is_open: Cell<bool>,
    /// Grows with every opening: who waits since an older one has nothing to read any more.
    openings: Cell<u32>,
    /// Rings when the board may have something to say earlier than it announced.
    bell: Bell,
}

impl SimulatedPort {
    /// Puts its cable on.
    pub fn new(config: BoardConfig) -> Self {
        let board = RefCell::new(Board::new(now_micros(), config));
        Self { board, is_open: Cell::new(false), openings: Cell::new(0), bell: Bell::default() }
    }

    /// Does with the board what a hand would: buttons and cable.
    pub fn touch(&self, hand: impl FnOnce(&mut Board, u64)) {
        hand(&mut self.board.borrow_mut(), now_micros());
        self.bell.ring();
    }

    fn with_cable<T>(&self, act: impl FnOnce(&mut Board, u64) -> T) -> Result<T, PortError> {
        let now = now_micros();
        let mut board = self.board.borrow_mut();
        board.handle_timeout(now);
        match (self.is_open.get(), board.is_plugged()) {
            (false, _) => Err(PortError::Closed),
            (true, false) => Err(PortError::Lost),
            (true, true) => Ok(act(&mut board, now)),
        }
    }

    async fn read_some(&self) -> Result<Vec<u8>, PortError> {
        let opening = self.openings.get();
        loop {
            if self.openings.get() != opening {
                return Err(PortError::Closed);
            }
            let (bytes, next) =
                self.with_cable(|board, now| (board.poll_bytes(now), board.poll_timeout()))?;
            if !bytes.is_empty() {
                return Ok(bytes);
            }
            self.bell.wait(next.map(|at| at.saturating_sub(now_micros()))).await;
        }
    }
}

impl Port for SimulatedPort {
    fn open(&self, baud: u32) -> Doing<'_, ()> {
        Box::pin(async move {
            self.openings.set(self.openings.get().wrapping_add(1));
            self.bell.ring();
            self.is_open.set(true);
            let opened = self.with_cable(|board, now| board.handle_baud(now, baud));
            self.is_open.set(opened.is_ok());
            opened
        })
    }

    fn open_again(&self, baud: u32) -> Doing<'_, ()> {
        self.open(baud)
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async {
            self.is_open.set(false);
            self.bell.ring();
        })
    }

    fn read(&self) -> Doing<'_, Vec<u8>> {
        Box::pin(self.read_some())
    }

    fn write(&self, bytes: Vec<u8>) -> Doing<'_, ()> {
        Box::pin(async move {
            self.with_cable(|board, now| board.handle_bytes(now, &bytes))?;
            self.bell.ring();
            Ok(())
        })
    }

    fn set_lines(&self, lines: Lines) -> Doing<'_, ()> {
        Box::pin(async move {
            self.with_cable(|board, now| board.handle_lines(now, lines))?;
            self.bell.ring();
            Ok(())
        })
    }

    fn usb(&self) -> Option<(u16, u16)> {
        match self.board.borrow().cable() {
            Cable::SerialJtag => Some((0x303A, 0x1001)),
            // The numbers of Silicon Labs' CP210x, the most common bridge on boards.
            Cable::Bridge => Some((0x10C4, 0xEA60)),
            Cable::Unknown => None,
        }
    }

    fn line_errors(&self) -> u32 {
        0
    }
}
