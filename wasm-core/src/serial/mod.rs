//! Ports of the page: a board on WebSerial, or the simulated board, behind one trait.
//!
//! A port carries bytes and two lines. It knows no protocol, decides nothing and retries nothing
//! but what the trait says; [`Drive`] carries its bytes to and from a `csi_lab::device::Device`.

mod clock;
mod drive;
mod simulated;
mod web;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use esp_flasher::line::Lines;

pub use drive::Drive;
pub use simulated::SimulatedPort;
pub use web::WebPort;

/// Work of a port that is under way.
pub type Doing<'a, T> = Pin<Box<dyn Future<Output = Result<T, PortError>> + 'a>>;

/// A serial line that the page can open.
///
/// Any of its operations may be under way while another begins; `close` ends a waiting `read`.
pub trait Port {
    /// Opens it at a baud rate.
    ///
    /// # Errors
    ///
    /// When another program has it, the system forbids it or it is gone.
    fn open(&self, baud: u32) -> Doing<'_, ()>;

    /// Opens the device that came back after it had left the bus: by a new handle where the browser
    /// gives it one, by the old one where it does not. Tries once and asks nobody.
    ///
    /// # Errors
    ///
    /// As `open`; [`PortError::Lost`] while it is not back.
    fn open_again(&self, baud: u32) -> Doing<'_, ()>;

    /// Ends what waits and lets go of the device; does nothing when it is closed.
    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + '_>>;

    /// Waits for bytes, one at least.
    ///
    /// # Errors
    ///
    /// [`PortError::Closed`] after `close`, [`PortError::Lost`] when the device is gone.
    fn read(&self) -> Doing<'_, Vec<u8>>;

    /// Hands bytes over; ends when the system has taken them.
    ///
    /// # Errors
    ///
    /// [`PortError::Stalled`] when nothing takes them for seconds, [`PortError::Lost`].
    fn write(&self, bytes: Vec<u8>) -> Doing<'_, ()>;

    /// Sets DTR and RTS together.
    ///
    /// # Errors
    ///
    /// When the device is gone.
    fn set_lines(&self, lines: Lines) -> Doing<'_, ()>;

    /// Vendor and product of the USB device, where it is one.
    fn usb(&self) -> Option<(u16, u16)>;

    /// How often the line reported bytes that it could not make out, since it was opened.
    fn line_errors(&self) -> u32;
}

/// Why a port does not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortError {
    /// The system would not open it: another program has it, or access is missing.
    Busy,
    /// This page has it open already.
    OpenHere,
    /// The browser's settings or the page's origin forbid serial ports.
    Forbidden,
    /// The device was unplugged or reset.
    Lost,
    /// The page closed it.
    Closed,
    /// Nothing took the bytes for as many seconds.
    Stalled(u8),
    /// The browser gave another reason.
    Refused,
}

impl PortError {
    /// Stable name for tests, advice and logs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Busy => "serial/busy",
            Self::OpenHere => "serial/open-here",
            Self::Forbidden => "serial/forbidden",
            Self::Lost => "serial/lost",
            Self::Closed => "serial/closed",
            Self::Stalled(_) => "serial/stalled",
            Self::Refused => "serial/refused",
        }
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("the system would not open the port"),
            Self::OpenHere => f.write_str("this page has the port open already"),
            Self::Forbidden => f.write_str("serial ports are forbidden for this page"),
            Self::Lost => f.write_str("the device is gone from the port"),
            Self::Closed => f.write_str("the port is closed"),
            Self::Stalled(seconds) => {
                write!(f, "the port took no bytes for {seconds} seconds; they are given up")
            }
            Self::Refused => f.write_str("the browser refused to use the port"),
        }
    }
}
