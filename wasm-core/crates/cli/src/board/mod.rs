//! `csi board`: the simulated board on a pseudo terminal or a TCP port, until it is ended.
//!
//! The first line on standard output is where the board is; what happens on it goes to standard
//! error. Lines on standard input press its buttons.

mod port;
mod telnet;

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use csi_lab::sim::{Board, BoardConfig, Faults, Flash, FlashSize, NAME, NOT_SIMULATED, Note, Pace};
use esp_flasher::line::Cable;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::args::{Args, Item, unknown_option};
use crate::error::CliError;
use crate::files;
use port::{Happened, Port};

/// A host over RFC 2217 sets DTR and RTS one after the other, 50 ms apart; EN of this board rises
/// slower than that, so that it sees both.
const SLOW_RISE_MICROS: u64 = 90_000;
/// The longest that nothing is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// What the command line asked for.
struct Options {
    port: Where,
    flash_file: Option<PathBuf>,
    is_quiet: bool,
    config: BoardConfig,
}

/// Where the board is to be found.
#[derive(Clone, Copy)]
enum Where {
    Pty,
    Tcp(u16),
    Rfc2217(u16),
}

/// Serves the board. Ends when told so on standard input, or by an error.
pub fn run(args: Args) -> Result<String, CliError> {
    let Options { port, flash_file, is_quiet, config } = options(args)?;
    let size = config.flash.size().name();
    let failed = |error: std::io::Error| CliError::usage(format!("the board's port: {error}"));
    let mut port = match port {
        Where::Pty => Port::pty(),
        Where::Tcp(number) => Port::tcp(number, false),
        Where::Rfc2217(number) => Port::tcp(number, true),
    }
    .map_err(failed)?;
    println!("{}", port.name());
    let _ = std::io::stdout().flush();
    eprintln!("{NAME} with {size} of flash at {}", port.name());
    if !is_quiet {
        NOT_SIMULATED.iter().for_each(|sentence| eprintln!("  not simulated: {sentence}"));
        eprintln!("type reset, loader, unplug, plug, save or quit");
    }
    let start = Instant::now();
    let board = Board::new(0, config);
    Served { board, port: &mut port, start, flash_file, is_quiet, typed: Vec::new() }
        .serve()
        .map_err(failed)?;
    Ok(String::new())
}

fn options(mut args: Args) -> Result<Options, CliError> {
    let (mut port, mut size, mut flash_file) = (None, FlashSize::Mb8, None);
    let (mut firmware, mut weights, mut faults) = (None, None, Faults::default());
    let (mut is_loader, mut is_paced, mut is_quiet, mut cable) = (false, false, false, None);
    while let Some(item) = args.next()? {
        let Item::Option(name) = item else {
            return Err(CliError::usage("csi board takes options only; see `csi help`"));
        };
        match name.as_str() {
            "pty" => port = Some(Where::Pty),
            "tcp" => port = Some(Where::Tcp(args.value(&name)?)),
            "rfc2217" => port = Some(Where::Rfc2217(args.value(&name)?)),
            "flash-size" => {
                let text = args.text(&name)?;
                size = FlashSize::from_name(&text).ok_or_else(|| {
                    CliError::usage(format!("--flash-size is 4MB, 8MB or 16MB, not `{text}`"))
                })?;
            }
            "flash-file" => flash_file = Some(args.path()?),
            "firmware" => firmware = Some(args.path()?),
            "weights" => weights = Some(args.path()?),
            "faults" => {
                let text = args.text(&name)?;
                faults = text
                    .parse()
                    .map_err(|error| CliError::usage(format!("--faults {text}: {error}")))?;
            }
            "cable" => {
                cable = Some(match args.text(&name)?.as_str() {
                    "bridge" => Cable::Bridge,
                    "usb" => Cable::SerialJtag,
                    other => {
                        return Err(CliError::usage(format!(
                            "--cable is bridge or usb, not `{other}`"
                        )));
                    }
                });
            }
            "loader" => is_loader = true,
            "pace" => is_paced = true,
            "quiet" => is_quiet = true,
            _ => return Err(unknown_option(&name)),
        }
    }
    let port = port.unwrap_or(Where::Pty);
    let has_lines = matches!(port, Where::Rfc2217(_));
    let flash = contents(size, flash_file.as_deref(), firmware.as_deref(), weights.as_deref())?;
    let config = BoardConfig {
        cable: cable.unwrap_or(if has_lines { Cable::Bridge } else { Cable::Unknown }),
        faults,
        pace: if is_paced { Pace::Real } else { Pace::Instant },
        boots_into_loader: is_loader,
        enable_rise_micros: if has_lines { SLOW_RISE_MICROS } else { 2_000 },
        ..BoardConfig::new(flash)
    };
    Ok(Options { port, flash_file, is_quiet, config })
}

/// Where the parts of a firmware folder and the weights go, by the node's partition table.
const PARTS: [(&str, u32); 3] =
    [("bootloader.bin", 0x0), ("partitions.bin", 0x8000), ("app.bin", 0x1_0000)];
const WEIGHTS: u32 = 0x11_0000;

fn contents(
    size: FlashSize,
    file: Option<&Path>,
    firmware: Option<&Path>,
    weights: Option<&Path>,
) -> Result<Flash, CliError> {
    let mut flash = Flash::new(size);
    let mut store = |path: &Path, offset: u32| {
        let bytes = files::read(path)?;
        if bytes.len() as u64 + u64::from(offset) > u64::from(size.bytes()) {
            return Err(CliError::input(
                path,
                format!("does not fit into {} of flash", size.name()),
            ));
        }
        flash.store(offset, &bytes);
        Ok(())
    };
    if let Some(path) = file.filter(|path| path.exists()) {
        store(path, 0)?;
    }
    if let Some(folder) = firmware {
        PARTS.iter().try_for_each(|(name, offset)| store(&folder.join(name), *offset))?;
    }
    weights.map_or(Ok(()), |path| store(path, WEIGHTS))?;
    Ok(flash)
}

/// A board that is being served.
struct Served<'a> {
    board: Board,
    port: &'a mut Port,
    start: Instant,
    flash_file: Option<PathBuf>,
    is_quiet: bool,
    typed: Vec<u8>,
}

impl Served<'_> {
    fn serve(&mut self) -> std::io::Result<()> {
        let mut listens = true;
        loop {
            let is_typed = self.wait(listens)?;
            let now = self.now();
            for happened in self.port.receive()? {
                self.take(now, happened)?;
            }
            if is_typed && !self.read_typed(&mut listens)? {
                return self.save();
            }
            let now = self.now();
            self.board.handle_timeout(now);
            let bytes = self.board.poll_bytes(now);
            self.port.send(&bytes)?;
            while let Some(note) = self.board.poll_note() {
                if !self.is_quiet {
                    eprintln!("{:10.3} {}", now as f64 / 1e6, sentence(note));
                }
            }
        }
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    /// Waits for bytes, a line of text or the board; tells whether there is a line.
    fn wait(&mut self, listens: bool) -> std::io::Result<bool> {
        let due = self.board.poll_timeout().unwrap_or(u64::MAX);
        let pause = Duration::from_micros(due.saturating_sub(self.now())).min(LOOK);
        let pause = Timespec { tv_sec: 0, tv_nsec: i64::from(pause.subsec_nanos()) };
        let stdin = std::io::stdin();
        let mut fds = vec![];
        if listens {
            fds.push(PollFd::new(&stdin, PollFlags::IN));
        }
        let from = fds.len();
        let watched = self.port.watched();
        fds.extend(watched.iter().map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)));
        match poll(&mut fds, Some(&pause)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(fds[..from].iter().any(|fd| !fd.revents().is_empty()))
    }

    fn take(&mut self, now: u64, happened: Happened) -> std::io::Result<()> {
        match happened {
            Happened::Bytes(bytes) => self.board.handle_bytes(now, &bytes),
            Happened::Lines(lines) => self.board.handle_lines(now, lines),
            Happened::Baud(baud) => self.board.handle_baud(now, baud),
            // A pseudo terminal has no lines, so that a host could never get back to a loader at
            // its first speed. Someone presses RESET.
            Happened::Opened if self.board.is_in_loader() => self.board.press_reset(now),
            Happened::Opened => {}
            Happened::Closed => self.save()?,
        }
        Ok(())
    }

    /// Returns `false` for the end.
    fn read_typed(&mut self, listens: &mut bool) -> std::io::Result<bool> {
        let mut bytes = [0; 256];
        let count = std::io::stdin().read(&mut bytes)?;
        *listens = count > 0;
        self.typed.extend_from_slice(&bytes[..count]);
        while let Some(end) = self.typed.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.typed.drain(..=end).collect();
            let now = self.now();
            match String::from_utf8_lossy(&line).trim() {
                "reset" => self.board.press_reset(now),
                "loader" => {
                    self.board.hold_boot(true);
                    self.board.press_reset(now);
                    self.board.handle_timeout(now);
                    self.board.hold_boot(false);
                }
                "unplug" => self.board.unplug(now),
                "plug" => self.board.plug(now),
                "save" => self.save()?,
                "quit" => return Ok(false),
                "" => {}
                _ => eprintln!("type reset, loader, unplug, plug, save or quit"),
            }
        }
        Ok(true)
    }

    fn save(&self) -> std::io::Result<()> {
        let Some(path) = &self.flash_file else { return Ok(()) };
        let flash = self.board.flash();
        std::fs::write(path, flash.read(0, flash.size().bytes()))
    }
}

fn sentence(note: Note) -> String {
    match note {
        Note::Started { cause, into_loader: true } => format!("starts into the loader: {cause:?}"),
        Note::Started { cause, .. } => format!("starts from flash: {cause:?}"),
        Note::Command { number, op } => format!("command {number}: {op:02X}"),
        Note::Struck(what) => format!("goes wrong as asked for: {what:?}"),
        Note::Overrun => "bytes were lost: the loader was at work".to_string(),
        Note::Plugged(true) => "the cable is on".to_string(),
        Note::Plugged(false) => "the cable is off".to_string(),
        Note::Runs { is_ours: true } => "the node's application runs".to_string(),
        Note::Runs { .. } => "a foreign application, which cannot run here".to_string(),
    }
}
