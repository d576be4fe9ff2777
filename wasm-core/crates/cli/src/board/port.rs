//! The board's end of a pseudo terminal or of a TCP connection.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use esp_flasher::line::Lines;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use super::telnet::Telnet;

/// Bytes that wait for a host that does not read; more are lost, as on a line.
const WAITING: usize = 1 << 20;

/// What a host did.
#[derive(Debug, PartialEq, Eq)]
pub enum Happened {
    /// It opened the port.
    Opened,
    /// It closed the port.
    Closed,
    /// It changed its speed.
    Baud(u32),
    /// It set its lines.
    Lines(Lines),
    /// It sent bytes.
    Bytes(Vec<u8>),
}

/// Where a host connects to.
pub struct Port {
    end: End,
    is_open: bool,
    waiting: VecDeque<u8>,
}

enum End {
    /// The speed is the one that the host set; lines there are none.
    Pty { master: OwnedFd, name: String, baud: u32 },
    /// One connection at a time; with telnet it carries speed and lines.
    Tcp {
        listener: TcpListener,
        stream: Option<TcpStream>,
        telnet: Option<Telnet>,
        with_telnet: bool,
    },
}

impl Port {
    /// Makes a pseudo terminal without echo and without line editing.
    pub fn pty() -> Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?.to_string_lossy().into_owned();
        let mut settings = tcgetattr(&master)?;
        settings.make_raw();
        settings.set_speed(115_200)?;
        tcsetattr(&master, OptionalActions::Now, &settings)?;
        fcntl_setfl(&master, fcntl_getfl(&master)? | OFlags::NONBLOCK)?;
        Ok(Self::new(End::Pty { master, name, baud: 115_200 }))
    }

    /// Listens on a port of this machine only; 0 takes any.
    pub fn tcp(number: u16, with_telnet: bool) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", number))?;
        listener.set_nonblocking(true)?;
        Ok(Self::new(End::Tcp { listener, stream: None, telnet: None, with_telnet }))
    }

    fn new(end: End) -> Self {
        Self { end, is_open: false, waiting: VecDeque::new() }
    }

    /// Returns what a host opens.
    pub fn name(&self) -> String {
        match &self.end {
            End::Pty { name, .. } => name.clone(),
            End::Tcp { listener, with_telnet, .. } => {
                let port = listener.local_addr().map_or(0, |address| address.port());
                let scheme = if *with_telnet { "rfc2217://" } else { "tcp:" };
                format!("{scheme}127.0.0.1:{port}")
            }
        }
    }

    /// Returns what to wait for. A pseudo terminal that nobody has open would never let one wait.
    pub fn watched(&self) -> Vec<BorrowedFd<'_>> {
        match &self.end {
            End::Pty { master, .. } if self.is_open => vec![master.as_fd()],
            End::Pty { .. } => Vec::new(),
            End::Tcp { listener, stream, .. } => {
                let stream = stream.iter().map(AsFd::as_fd);
                stream.chain([listener.as_fd()]).collect()
            }
        }
    }

    /// Returns what happened since the last call.
    pub fn receive(&mut self) -> Result<Vec<Happened>> {
        let mut happened = Vec::new();
        match &mut self.end {
            End::Pty { master, baud, .. } => {
                let mut fds = [PollFd::new(&*master, PollFlags::IN)];
                poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
                let is_open = !fds[0].revents().contains(PollFlags::HUP);
                if is_open && !self.is_open {
                    happened.push(Happened::Opened);
                }
                // What came before the host hung up is still there.
                let bytes = read_pty(master)?;
                let speed = tcgetattr(&*master)?.output_speed();
                if speed != *baud && speed > 0 {
                    *baud = speed;
                    happened.push(Happened::Baud(speed));
                }
                if !bytes.is_empty() {
                    happened.push(Happened::Bytes(bytes));
                }
                if !is_open && self.is_open {
                    happened.push(Happened::Closed);
                }
                self.is_open = is_open;
            }
            End::Tcp { listener, stream, telnet, with_telnet } => {
                if let Some(new) = accept(listener)? {
                    // The latest host wins; the one before has gone, or is hanging.
                    *stream = Some(new);
                    *telnet = with_telnet.then(Telnet::new);
                    self.waiting.clear();
                    happened.push(Happened::Opened);
                }
                let Some(open) = stream else { return Ok(happened) };
                match read_stream(open) {
                    Some(bytes) if bytes.is_empty() => {}
                    Some(bytes) => match telnet {
                        None => happened.push(Happened::Bytes(bytes)),
                        Some(telnet) => {
                            telnet.take(&bytes, &mut happened);
                            self.waiting.extend(telnet.answers());
                        }
                    },
                    None => {
                        *stream = None;
                        happened.push(Happened::Closed);
                    }
                }
                self.is_open = stream.is_some();
            }
        }
        self.flush();
        Ok(happened)
    }

    /// Sends bytes; what nobody reads is lost in the end.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        if !self.is_open {
            self.waiting.clear();
            return Ok(());
        }
        for &byte in bytes {
            if self.waiting.len() < WAITING {
                self.waiting.push_back(byte);
                if byte == 0xFF && matches!(self.end, End::Tcp { telnet: Some(_), .. }) {
                    self.waiting.push_back(byte);
                }
            }
        }
        self.flush();
        Ok(())
    }

    /// Hands over as much as the system takes.
    fn flush(&mut self) {
        while !self.waiting.is_empty() {
            let (bytes, _) = self.waiting.as_slices();
            let written = match &mut self.end {
                End::Pty { master, .. } => rustix::io::write(&*master, bytes).unwrap_or(0),
                End::Tcp { stream: Some(stream), .. } => stream.write(bytes).unwrap_or(0),
                End::Tcp { .. } => 0,
            };
            if written == 0 {
                return;
            }
            self.waiting.drain(..written);
        }
    }
}

fn read_pty(master: &OwnedFd) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match rustix::io::read(master, &mut piece) {
            Ok(0) | Err(Errno::AGAIN | Errno::IO) => return Ok(bytes),
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn accept(listener: &TcpListener) -> Result<Option<TcpStream>> {
    match listener.accept() {
        Ok((stream, _)) => {
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            Ok(Some(stream))
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns what there is; `None` once the host has gone.
fn read_stream(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) if bytes.is_empty() => return None,
            Ok(0) => return Some(bytes),
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(bytes),
            Err(_) => return None,
        }
    }
}
