//! `csi parity`: whether a board computes what this machine computes, bit for bit.

use std::path::Path;

use csi_lab::device::{DeviceEvent, ParityAsk, ParityReport};
use csi_lab::session::Session;

use super::{open, tell};
use crate::args::{Args, Item, required, unknown_option};
use crate::doctor::to_json;
use crate::error::CliError;
use crate::files;

/// Classifications that are compared unless told.
const COUNT: u16 = 64;

/// Compares, and fails unless everything is equal.
pub fn run(mut args: Args) -> Result<String, CliError> {
    let (mut port, mut blob, mut recording, mut json) = (None, None, None, false);
    let (mut count, mut as_packets, mut send_weights) = (COUNT, false, false);
    while let Some(item) = args.next()? {
        let Item::Option(name) = item else {
            return Err(CliError::usage("csi parity takes options only; see `csi help`"));
        };
        match name.as_str() {
            "port" => port = Some(args.text(&name)?),
            "blob" => blob = Some(args.path()?),
            "recording" => recording = Some(args.path()?),
            "count" => count = args.value(&name)?,
            "packets" => as_packets = true,
            "send-weights" => send_weights = true,
            "json" => json = true,
            _ => return Err(unknown_option(&name)),
        }
    }
    let (blob, recording) = (required(blob, "--blob")?, required(recording, "--recording")?);
    let ask = ParityAsk { send_weights, ..ask(&blob, &recording, count, as_packets)? };
    let mut drive = open(&required(port, "--port")?, 921_600)?;
    drive.device.attach();
    let failed = |e| CliError::usage(format!("parity: {e}"));
    let now = drive.now();
    drive.device.parity(now, ask).map_err(failed)?;
    let mut report = ParityReport::default();
    drive
        .finish(|event| match event {
            DeviceEvent::Parity { report: came } => report = came,
            event if !json => tell(&event),
            _ => {}
        })
        .map_err(failed)?;
    let text = if json {
        to_json(&report)?
    } else {
        let ParityReport { board, image_hash, blob_crc, source, .. } = &report;
        format!(
            "{}\n{board} image {image_hash}, weights {blob_crc:08x}, {source}\n",
            report.sentence()
        )
    };
    match report.is_identical() {
        true => Ok(text),
        false => {
            // What was found is the command's output, though it says no.
            crate::print(&text)?;
            Err(CliError::usage("parity: board and computer differ"))
        }
    }
}

fn ask(blob: &Path, recording: &Path, count: u16, as_packets: bool) -> Result<ParityAsk, CliError> {
    let mut session = Session::new();
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    session.open_begin(&name(recording));
    files::stream(recording, |piece| {
        session.open_push(piece).map(|_| ()).map_err(|e| CliError::input(recording, e))
    })?;
    session.open_finish().map_err(|e| CliError::input(recording, e))?;
    session.blob_open(&name(blob), &files::read(blob)?).map_err(|e| CliError::input(blob, e))?;
    session.parity_ask(count, as_packets).map_err(|e| CliError::input(recording, e))
}
