//! A port of this machine: a serial device or pseudo terminal by its path, or `tcp:HOST:PORT`.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use esp_flasher::line::{BAUD, Cable, Lines};
use serialport::{SerialPort, SerialPortType};

use crate::error::CliError;

/// How long a TCP port may take to answer.
const CONNECT: Duration = Duration::from_secs(10);
/// How long bytes may take to be taken: far longer than any queue of a live port takes.
const WRITE: Duration = Duration::from_secs(10);

/// A port that can be opened again under its name.
pub struct Port {
    name: String,
    open: Option<Open>,
}

enum Open {
    Serial(Box<dyn SerialPort>),
    Tcp(TcpStream),
}

impl Port {
    /// Opens it at 115,200 bits a second.
    pub fn open(name: &str) -> std::result::Result<Self, CliError> {
        let mut port = Self { name: name.to_owned(), open: None };
        port.reopen().map_err(|error| {
            let advice = match error.kind() {
                ErrorKind::PermissionDenied => "; on Linux, join the group `dialout`",
                ErrorKind::NotFound => "; is the board plugged in, with a cable that carries data?",
                _ => "; does another program have it?",
            };
            CliError::usage(format!("cannot open the port {name}: {error}{advice}"))
        })?;
        Ok(port)
    }

    /// What the system knows of the cable.
    pub fn cable(&self) -> Cable {
        if self.name.starts_with("tcp:") {
            return Cable::Unknown;
        }
        let ports = serialport::available_ports().unwrap_or_default();
        let found = ports.into_iter().find(|port| port.port_name == self.name);
        Cable::of_usb(found.and_then(|port| match port.port_type {
            SerialPortType::UsbPort(usb) => Some((usb.vid, usb.pid)),
            _ => None,
        }))
    }

    /// Closes it, and opens it at 115,200 bits a second.
    pub fn reopen(&mut self) -> Result<()> {
        self.open = None;
        self.open = Some(match self.name.strip_prefix("tcp:") {
            Some(address) => {
                let mut last = std::io::Error::from(ErrorKind::NotFound);
                let mut stream = None;
                for address in address.to_socket_addrs()? {
                    match TcpStream::connect_timeout(&address, CONNECT) {
                        Ok(connected) => stream = Some(connected),
                        Err(error) => last = error,
                    }
                }
                let stream = stream.ok_or(last)?;
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(WRITE))?;
                Open::Tcp(stream)
            }
            None => Open::Serial(serialport::new(&self.name, BAUD).timeout(WRITE).open()?),
        });
        Ok(())
    }

    /// Takes what has come, after at most `wait`. `None` when nothing has; an error when the port
    /// is gone.
    pub fn read(&mut self, buffer: &mut [u8], wait: Duration) -> Result<Option<usize>> {
        // A wait of zero means for ever to sockets.
        let wait = wait.max(Duration::from_millis(1));
        let read = match self.open.as_mut() {
            Some(Open::Serial(port)) => {
                port.set_timeout(wait)?;
                port.read(buffer)
            }
            Some(Open::Tcp(stream)) => {
                stream.set_read_timeout(Some(wait))?;
                stream.read(buffer)
            }
            None => return Err(ErrorKind::NotConnected.into()),
        };
        match read {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => Ok(Some(count)),
            Err(error) => match error.kind() {
                ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// Sends all bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match self.open.as_mut() {
            Some(Open::Serial(port)) => {
                port.set_timeout(WRITE)?;
                port.write_all(bytes)
            }
            Some(Open::Tcp(stream)) => stream.write_all(bytes),
            None => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// Sets both lines, where there are lines: pseudo terminals and sockets have none.
    pub fn set_lines(&mut self, lines: Lines) {
        if let Some(Open::Serial(port)) = &mut self.open {
            // What was sent before goes at the old lines. A pair is to be set at once, but two calls
            // are what there is. DTR first, as esptool.
            let _ = port.flush();
            let _ = port.write_data_terminal_ready(lines.dtr);
            let _ = port.write_request_to_send(lines.rts);
        }
    }

    /// Changes the speed, where there is one.
    pub fn set_baud(&mut self, baud: u32) -> Result<()> {
        match &mut self.open {
            Some(Open::Serial(port)) => {
                port.flush()?;
                Ok(port.set_baud_rate(baud)?)
            }
            _ => Ok(()),
        }
    }
}
