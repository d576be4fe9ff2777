//! Text to every port: the banner, reports, last words. Frames go through [`Board`] directly.

use core::fmt::{self, Write};

use crate::board::{Board, PORTS};

/// All ports of a board.
pub struct Console(pub Board);

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        PORTS.iter().for_each(|&port| self.0.write(port, text.as_bytes()));
        Ok(())
    }
}
