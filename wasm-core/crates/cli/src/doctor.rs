//! `csi doctor`: what is in a recording, for people or as JSON.

use std::path::Path;

use csi_lab::recording::{Decoder, Limits, Recording};

use crate::args::{Args, file_and_json};
use crate::error::CliError;
use crate::files;

/// Prints the file doctor's report.
pub fn run(args: Args) -> Result<String, CliError> {
    let (path, json) = file_and_json(args, "the recording")?;
    let recording = open(&path)?;
    if json {
        return to_json(&recording.report);
    }
    let mut text = String::new();
    for sentence in recording.report.sentences() {
        text.push_str(&sentence);
        text.push('\n');
    }
    Ok(text)
}

/// Decodes a recording from disk, piece by piece.
pub fn open(path: &Path) -> Result<Recording, CliError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut decoder = Decoder::new(&name, Limits::default());
    files::stream(path, |piece| {
        decoder.push(piece).map_err(|refusal| CliError::input(path, refusal))
    })?;
    decoder.finish().map_err(|refusal| CliError::input(path, refusal))
}

/// Serialises any report, indented, with a final line end.
pub fn to_json(report: &impl serde::Serialize) -> Result<String, CliError> {
    serde_json::to_string_pretty(report)
        .map(|text| text + "\n")
        .map_err(|e| CliError::usage(format!("the report cannot be written as JSON: {e}")))
}
