//! `csi doctor`: what is in a recording, for people or as JSON.

use std::collections::BTreeMap;
use std::path::Path;

use csi_lab::labels::{FILE_ENDING, LabelFile};
use csi_lab::recording::{Decoder, DoctorReport, Limits, Recording};
use serde::Serialize;

use crate::args::{Args, file_and_json};
use crate::error::CliError;
use crate::files;

/// Prints the file doctor's report.
pub fn run(args: Args) -> Result<String, CliError> {
    let (path, json) = file_and_json(args, "the recording")?;
    let recording = open(&path)?;
    let marks = labels(&path)?.map(|file| marks(&recording, &file));
    if json {
        return to_json(&Report { report: &recording.report, marks });
    }
    let mut text = String::new();
    for sentence in recording.report.sentences() {
        text.push_str(&sentence);
        text.push('\n');
    }
    if let Some(Marks { file, intervals, frames, fits }) = marks {
        let names: Vec<String> = frames.iter().map(|(name, n)| format!("{name} {n}")).collect();
        let other =
            if fits { "" } else { " It was made for a recording with another number of frames." };
        text += &format!("Labels of {file}: {intervals} ({} frames).{other}\n", names.join(", "));
    }
    Ok(text)
}

/// What the label file beside a recording says of the stream that is shown first.
#[derive(Serialize)]
struct Marks {
    file: String,
    intervals: usize,
    /// Frames by label.
    frames: BTreeMap<String, u64>,
    /// Whether it was made for a recording with as many frames.
    fits: bool,
}

/// The doctor's report, with the labels where there are any.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    report: &'a DoctorReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    marks: Option<Marks>,
}

fn marks(recording: &Recording, file: &LabelFile) -> Marks {
    let mut frames = BTreeMap::new();
    for span in file.labels.frames(&recording.streams[recording.default_stream]) {
        *frames.entry(span.label).or_default() += (span.end_frame - span.first_frame) as u64;
    }
    Marks {
        file: format!("{}{FILE_ENDING}", recording.name),
        intervals: file.labels.intervals().len(),
        frames,
        fits: file.fits(recording),
    }
}

/// Reads the label file beside a recording, `RECORDING.labels.json`; `None` where there is none.
///
/// # Errors
///
/// When it is there and cannot be read.
pub fn labels(recording: &Path) -> Result<Option<LabelFile>, CliError> {
    let mut path = recording.as_os_str().to_owned();
    path.push(FILE_ENDING);
    let path = Path::new(&path);
    if !path.exists() {
        return Ok(None);
    }
    let bytes = files::read(path)?;
    LabelFile::parse(&bytes).map(Some).map_err(|error| CliError::input(path, error))
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
