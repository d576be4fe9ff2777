//! Files as labelled recordings: which label a file has, and which names labels get.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use csi_lab::dataset::{Finding, Severity, Tape, Windows, label_of_name};
use csi_lab::labels::{self, FILE_ENDING, LabelFile, LabelledFrames};
use csi_lab::recording::{Recording, Stream};
use csi_temporal::feature::PipelineConfig;
use serde::Serialize;

use crate::doctor;
use crate::error::CliError;
use crate::files;

/// A recording from a file.
pub struct Labelled {
    path: PathBuf,
    recording: Recording,
    labels: Vec<LabelledFrames>,
    labels_from: &'static str,
}

/// What a report says of a recording.
#[derive(Serialize)]
pub struct RecordingReport {
    name: String,
    stream: String,
    frames: usize,
    rate_hz: Option<f64>,
    /// `label file`, `file`, `side file`, or `file name`.
    labels_from: &'static str,
    /// Windows of each class.
    windows: BTreeMap<String, usize>,
}

/// Other names for labels; `null` takes a label away.
#[derive(Default)]
pub struct LabelMap(BTreeMap<String, Option<String>>);

impl LabelMap {
    /// Reads `{"old": "new", "unwanted": null}`.
    pub fn read(path: &Path) -> Result<Self, CliError> {
        let bytes = files::read(path)?;
        serde_json::from_slice(&bytes).map(Self).map_err(|e| {
            let form = r#"a label map looks like {"old name": "new name", "unwanted": null}"#;
            CliError::input(path, format!("{form}; {e}"))
        })
    }

    fn rename(&self, label: &str) -> Option<String> {
        self.0.get(label).map_or_else(|| Some(label.to_owned()), Clone::clone)
    }
}

impl Labelled {
    /// Opens a file. Labels are those of the label file that the page writes beside it; else those
    /// of its frames; without any, that of RuView's side file; else what its name says.
    pub fn open(path: &Path) -> Result<Self, CliError> {
        let recording = doctor::open(path)?;
        let stream = &recording.streams[recording.default_stream];
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let beside = path.with_file_name(format!("{name}{FILE_ENDING}"));
        let marks = match beside.exists() {
            true => {
                let file = LabelFile::parse(&files::read(&beside)?);
                let file = file.map_err(|e| CliError::input(&beside, e))?;
                if !file.fits(&recording) {
                    return Err(CliError::input(&beside, "labels of another recording"));
                }
                Some(file.labels)
            }
            false => None,
        };
        let marked = marks.as_ref().is_some_and(|marks| !marks.is_empty());
        let mut labels_from = if marked { "label file" } else { "file" };
        let mut labels = labels::of_stream(stream, marks.as_ref());
        if labels.is_empty() {
            let by_name = label_of_name(&name).map(str::to_owned);
            let label = side_label(path);
            labels_from = if label.is_some() { "side file" } else { "file name" };
            let end_frame = stream.len();
            let whole = |label| LabelledFrames { first_frame: 0, end_frame, label };
            labels.extend(label.or(by_name).map(whole));
        }
        Ok(Self { path: path.to_owned(), recording, labels, labels_from })
    }

    /// Opens several files.
    pub fn open_all(paths: &[PathBuf]) -> Result<Vec<Self>, CliError> {
        paths.iter().map(|path| Self::open(path)).collect()
    }

    /// Returns the stream that is read: the one with most frames.
    pub fn stream(&self) -> &Stream {
        &self.recording.streams[self.recording.default_stream]
    }

    /// Reads the rows.
    pub fn tape(&self, config: &PipelineConfig, map: &LabelMap) -> Result<Tape, CliError> {
        let tape = Tape::read(&self.recording.name, self.stream(), config, &self.labels);
        let mut tape = tape.map_err(|e| CliError::input(&self.path, e))?;
        tape.rename(|label| map.rename(label));
        Ok(tape)
    }

    /// Says what was read, `tape` being its number in `windows`.
    pub fn report(&self, windows: &Windows, tape: usize) -> RecordingReport {
        let stream = self.stream();
        let counts = windows.classes.iter().cloned().zip(windows.counts_of(tape));
        RecordingReport {
            name: self.recording.name.clone(),
            stream: stream.name.clone(),
            frames: stream.len(),
            rate_hz: stream.rate_hz(),
            labels_from: self.labels_from,
            windows: counts.collect(),
        }
    }
}

/// Reads the rows of several.
pub fn tapes(
    of: &[Labelled],
    config: &PipelineConfig,
    map: &LabelMap,
) -> Result<Vec<Tape>, CliError> {
    of.iter().map(|labelled| labelled.tape(config, map)).collect()
}

/// Stops at the first finding that forbids training; returns the others.
pub fn only_warnings(findings: Vec<Finding>) -> Result<Vec<Finding>, CliError> {
    match findings.iter().find(|finding| finding.severity == Severity::Refused) {
        Some(refused) => Err(CliError::usage(format!(
            "{} ({}); {}",
            refused.text,
            refused.code,
            advice(refused.code)
        ))),
        None => Ok(findings),
    }
}

/// What to do about a refusal.
fn advice(code: &str) -> &'static str {
    match code {
        "dataset/no-recording" => "name recordings after --train",
        "dataset/unlabelled" => {
            "use a file with a label column, or whose name starts with its label"
        }
        "dataset/mixed-layouts" => "train on recordings of one receiver and setting",
        "dataset/mixed-rates" => "give a rate that all recordings reach with --rate",
        "dataset/slow-recording" => "give a lower --rate",
        "dataset/one-class" => "add recordings of another class, or give a shorter --window",
        "dataset/unknown-class" => "rename or drop these labels with --merge-labels",
        "dataset/constant" => "look at the recordings with csi doctor",
        "dataset/copies" => "take the recording out of one side",
        _ => "look at the recording with csi doctor",
    }
}

/// The label in the file that RuView writes beside a recording.
fn side_label(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.strip_suffix(".jsonl")?;
    let bytes = files::read(&path.with_file_name(format!("{name}.meta.json"))).ok()?;
    let side: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    Some(side.get("label")?.as_str()?.to_owned())
}
