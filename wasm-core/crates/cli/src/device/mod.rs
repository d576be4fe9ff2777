//! `csi flash`, `monitor` and `parity`: a board at a port of this machine.
//!
//! ```text
//! Port (serial, pty, tcp) <─ drive ─> csi_lab::device::Device
//! ```

mod drive;
pub mod flash;
pub mod monitor;
pub mod parity;
mod plan_file;
mod port;

use csi_lab::device::{DeviceConfig, DeviceEvent, Firmware, Manifest};

use crate::error::CliError;
use crate::files;
use drive::Drive;
use port::Port;
use std::path::Path;

/// Opens a port and a device at it.
fn open(port: &str, flash_baud: u32) -> Result<Drive, CliError> {
    let port = Port::open(port)?;
    let config = DeviceConfig { cable: port.cable(), flash_baud, ..DeviceConfig::default() };
    Ok(Drive::new(port, config))
}

/// Reads the firmware that `cargo xtask firmware` wrote into a folder.
fn firmware(folder: &Path) -> Result<Firmware, CliError> {
    let path = folder.join("manifest.json");
    let manifest = Manifest::parse(&files::read(&path)?).map_err(|e| CliError::input(&path, e))?;
    let read = |name: &String| Ok((name.clone(), files::read(&folder.join(name))?));
    let names: Vec<String> = manifest.parts.iter().map(|part| part.file.clone()).collect();
    // A name with a folder in it would read somewhere else than it says.
    if names.iter().any(|name| name.contains(['/', '\\'])) {
        return Err(CliError::input(&path, "a file's name holds a folder"));
    }
    let files = names.iter().map(read).collect::<Result<Vec<_>, CliError>>()?;
    Firmware::new(manifest, &files).map_err(|e| CliError::input(folder, e))
}

/// Says on standard error what people want to know while they wait.
fn tell(event: &DeviceEvent) {
    match event {
        DeviceEvent::Journal { text } => eprintln!("{text}"),
        DeviceEvent::Line { text, .. } => eprintln!("| {text}"),
        _ => {}
    }
}
