//! A study: labelled recordings, which of them are trained on, a training run, and its figures.
//!
//! ```text
//!  open, labels ─> Entry (recording, labels, use) ─> sets ─┬─> view   windows, classes, findings
//!                                                          └─> run    Trainer ─> blob ─> outcome
//! ```
//!
//! It stands beside [`crate::session::Session`] and knows nothing of it, so that the page runs it in
//! a worker of its own while the rooms stay alive. The trainer is given the training recordings
//! alone; the others are scored when it has ended. It owns no clock and does no I/O.

mod error;
mod run;

use serde::Serialize;

use crate::dataset::{
    Finding, Severity, Tape, WindowSpec, Windows, check, common_pairs, label_of_name, split,
    training_pipeline,
};
use crate::labels::{self, LabelFile, LabelledFrames};
use crate::pattern::Pattern;
use crate::recording::{Decoder, Limits, Progress, Recording, Stream};
use crate::train::{Size, TrainConfig};

pub use error::StudyError;
pub use run::{Outcome, RandomSplit, RunView};

/// What every method returns.
pub type Result<T> = core::result::Result<T, StudyError>;

/// The most recordings of a study.
pub const MAX_RECORDINGS: usize = 256;
/// Share of the windows that is proposed for the test.
const TEST_SHARE: f32 = 0.25;

/// What a recording is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    /// The head learns from it.
    Train,
    /// The head is scored on it.
    Test,
    /// Nothing.
    None,
}

/// What is chosen before training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Rows in a window, and from one to the next.
    pub spec: WindowSpec,
    /// Rows a second; `None` is what the recordings suggest.
    pub rate_hz: Option<f32>,
    /// What attention looks at; `None` is everything up to the row.
    pub pattern: Option<Pattern>,
    /// The head's dimensions.
    pub size: Size,
    /// What all chance comes from.
    pub seed: u64,
    /// How often every window is seen; `None` by the number of windows.
    pub epochs: Option<usize>,
    /// Whether to show too what a random split of single windows would claim.
    pub random_split: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let TrainConfig { size, seed, .. } = TrainConfig::default();
        let spec = WindowSpec::default();
        Self { spec, rate_hz: None, pattern: None, size, seed, epochs: None, random_split: false }
    }
}

/// A study.
#[derive(Default)]
pub struct Study {
    opening: Option<Decoder>,
    entries: Vec<Entry>,
    run: Option<run::Run>,
}

struct Entry {
    recording: Recording,
    labels: Vec<LabelledFrames>,
    labels_from: &'static str,
    part: Use,
    /// Its rows by the pipeline that was used last.
    tape: Option<Tape>,
}

/// What there is to train on, before it starts.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StudyView {
    /// The recordings in the order in which they came.
    pub recordings: Vec<EntryView>,
    /// The classes, sorted by name: those of the training recordings, then those of others alone.
    pub classes: Vec<ClassView>,
    /// What is wrong, refusals first.
    pub findings: Vec<Finding>,
    /// Whether training may start.
    pub ready: bool,
    /// Windows to train on.
    pub train_windows: usize,
    /// Windows to score.
    pub test_windows: usize,
    /// Rows a second; 0 is one a frame.
    pub rate_hz: f32,
    /// Numbers in a row.
    pub feature_dim: usize,
    /// How often every window will be seen.
    pub epochs: usize,
}

/// One recording of a study.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryView {
    /// The file's name.
    pub name: String,
    /// Frames of its longest stream.
    pub frames: usize,
    /// From its first frame to its last, in seconds.
    pub span_s: f64,
    /// Its mean rate in hertz; `None` without a clock.
    pub rate_hz: Option<f64>,
    /// Its labels, sorted.
    pub labels: Vec<String>,
    /// Where they come from: `label file`, `file`, `file name` or `none`.
    pub labels_from: &'static str,
    /// What it is for.
    pub part: Use,
    /// Windows of each class, in the order of the classes.
    pub windows: Vec<usize>,
}

/// One class of a study.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassView {
    /// Its name.
    pub name: String,
    /// Windows to train on.
    pub train: usize,
    /// Windows to score.
    pub test: usize,
}

impl Study {
    /// Starts without a recording.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a file.
    pub fn open_begin(&mut self, name: &str) {
        self.opening = Some(Decoder::new(name, Limits::default()));
    }

    /// Takes the next bytes of the file.
    ///
    /// # Errors
    ///
    /// [`StudyError::NotOpening`]; [`StudyError::Refusal`], which ends the opening.
    pub fn open_push(&mut self, bytes: &[u8]) -> Result<Progress> {
        let decoder = self.opening.as_mut().ok_or(StudyError::NotOpening)?;
        let pushed = decoder.push(bytes).map(|()| decoder.progress());
        if pushed.is_err() {
            self.opening = None;
        }
        Ok(pushed?)
    }

    /// Ends the file and adds its recording to train on; one of the same name takes the place of the
    /// old one and keeps its use. Labels are those in the file, else what its name says. Returns its
    /// place.
    ///
    /// # Errors
    ///
    /// [`StudyError::NotOpening`], [`StudyError::Refusal`], [`StudyError::TooMany`].
    pub fn open_finish(&mut self) -> Result<usize> {
        let recording = self.opening.take().ok_or(StudyError::NotOpening)?.finish()?;
        let stream = &recording.streams[recording.default_stream];
        let mut labels = labels::of_stream(stream, None);
        let mut labels_from = if labels.is_empty() { "none" } else { "file" };
        if let (true, Some(label)) = (labels.is_empty(), label_of_name(&recording.name)) {
            let end_frame = stream.len();
            labels.push(LabelledFrames { first_frame: 0, end_frame, label: label.to_owned() });
            labels_from = "file name";
        }
        let old = self.entries.iter().position(|old| old.recording.name == recording.name);
        let part = old.map_or(Use::Train, |old| self.entries[old].part);
        let entry = Entry { recording, labels, labels_from, part, tape: None };
        match old {
            Some(old) => self.entries[old] = entry,
            None if self.entries.len() >= MAX_RECORDINGS => return Err(StudyError::TooMany),
            None => self.entries.push(entry),
        }
        Ok(old.unwrap_or(self.entries.len() - 1))
    }

    /// Drops the file that is being opened.
    pub fn open_cancel(&mut self) {
        self.opening = None;
    }

    /// Takes the marks of a label file for the recording that it names. Returns its place.
    ///
    /// # Errors
    ///
    /// [`StudyError::Labels`]; [`StudyError::NoSuchName`] and [`StudyError::OtherRecording`] where
    /// no recording is of that name and length.
    pub fn labels_open(&mut self, bytes: &[u8]) -> Result<usize> {
        let file = LabelFile::parse(bytes)?;
        let place = self.entries.iter().position(|entry| entry.recording.name == file.recording);
        let place = place.ok_or(StudyError::NoSuchName)?;
        let entry = &mut self.entries[place];
        if !file.fits(&entry.recording) {
            return Err(StudyError::OtherRecording { frames: file.frames });
        }
        if !file.labels.is_empty() {
            entry.labels = file.labels.frames(entry.stream());
            (entry.labels_from, entry.tape) = ("label file", None);
        }
        Ok(place)
    }

    /// Says what a recording is for.
    ///
    /// # Errors
    ///
    /// [`StudyError::Index`].
    pub fn assign(&mut self, index: usize, part: Use) -> Result<()> {
        self.entry(index)?.part = part;
        Ok(())
    }

    /// Takes a recording away.
    ///
    /// # Errors
    ///
    /// [`StudyError::Index`].
    pub fn remove(&mut self, index: usize) -> Result<()> {
        self.entry(index)?;
        self.entries.remove(index);
        Ok(())
    }

    /// Parts the recordings in use by recording: the last ones are to be tested on, about a quarter of
    /// the windows and every class that can be spared, see [`split::last_recordings`].
    ///
    /// # Errors
    ///
    /// As [`Study::view`].
    pub fn propose(&mut self, settings: &Settings) -> Result<()> {
        let used: Vec<usize> =
            (0..self.entries.len()).filter(|at| self.entries[*at].part != Use::None).collect();
        used.iter().for_each(|at| self.entries[*at].part = Use::Train);
        let tapes = self.tapes(Use::Train, &self.pipeline(settings)?)?;
        let all = Windows::cut(tapes, settings.spec);
        for tape in split::last_recordings(&all, TEST_SHARE) {
            self.entries[used[tape]].part = Use::Test;
        }
        Ok(())
    }

    /// Describes what there is.
    ///
    /// # Errors
    ///
    /// [`StudyError::Feature`] for a rate out of range.
    pub fn view(&mut self, settings: &Settings) -> Result<StudyView> {
        let (train, test) = self.sets(settings)?;
        let findings = check(&train, &test);
        let mut classes: Vec<ClassView> = train
            .classes
            .iter()
            .zip(train.counts().into_iter().zip(test.counts()))
            .map(|(name, (train, test))| ClassView { name: name.clone(), train, test })
            .collect();
        let (mut next_train, mut next_test) = (0..train.tapes.len(), 0..test.tapes.len());
        let none = vec![0; train.classes.len()];
        let recordings = self.entries.iter().map(|entry| {
            let windows = match entry.part {
                Use::Train => next_train.next().map(|tape| train.counts_of(tape)),
                Use::Test => next_test.next().map(|tape| test.counts_of(tape)),
                Use::None => None,
            };
            entry.view(windows.unwrap_or_else(|| none.clone()))
        });
        let recordings: Vec<EntryView> = recordings.collect();
        // Labels that only a test recording has: they cannot be learned, and are shown as such.
        for of_test in recordings.iter().filter(|entry| entry.part == Use::Test) {
            for label in &of_test.labels {
                if !classes.iter().any(|class| class.name == *label) {
                    classes.push(ClassView { name: label.clone(), train: 0, test: 0 });
                }
            }
        }
        Ok(StudyView {
            ready: findings.iter().all(|finding| finding.severity != Severity::Refused),
            recordings,
            classes,
            findings,
            train_windows: train.cuts.len(),
            test_windows: test.cuts.len(),
            rate_hz: train.tapes.first().map_or(0.0, |tape| tape.config.rate_hz),
            feature_dim: train.dim(),
            epochs: settings.epochs.unwrap_or_else(|| TrainConfig::epochs_for(train.cuts.len())),
        })
    }

    /// The windows to train on and those to score.
    fn sets(&mut self, settings: &Settings) -> Result<(Windows, Windows)> {
        if !self.entries.iter().any(|entry| entry.part == Use::Train) {
            let none = || Windows::cut(Vec::new(), settings.spec);
            return Ok((none(), none()));
        }
        let config = self.pipeline(settings)?;
        let train = Windows::cut(self.tapes(Use::Train, &config)?, settings.spec);
        let test = self.tapes(Use::Test, &config)?;
        let test = Windows::cut_for(test, settings.spec, &train.classes);
        Ok((train, test))
    }

    /// What rows are made by: the training recordings decide, no test recording has a part in it.
    fn pipeline(&self, settings: &Settings) -> Result<csi_temporal::feature::PipelineConfig> {
        let train = self.entries.iter().filter(|entry| entry.part == Use::Train);
        let streams: Vec<&Stream> = train.map(Entry::stream).collect();
        let first = streams.first().ok_or(StudyError::NoRecording)?;
        let mut ask = training_pipeline(&streams);
        ask.rate_hz = settings.rate_hz.unwrap_or(ask.rate_hz);
        Ok(ask.config(first.kind, &common_pairs(&streams)))
    }

    fn tapes(
        &mut self,
        part: Use,
        config: &csi_temporal::feature::PipelineConfig,
    ) -> Result<Vec<Tape>> {
        let of_part = self.entries.iter_mut().filter(|entry| entry.part == part);
        of_part.map(|entry| entry.tape(config)).collect()
    }

    fn entry(&mut self, index: usize) -> Result<&mut Entry> {
        let count = self.entries.len();
        self.entries.get_mut(index).ok_or(StudyError::Index { index, count })
    }
}

impl Entry {
    /// The stream with most frames.
    fn stream(&self) -> &Stream {
        &self.recording.streams[self.recording.default_stream]
    }

    fn tape(&mut self, config: &csi_temporal::feature::PipelineConfig) -> Result<Tape> {
        match &self.tape {
            Some(tape) if tape.config == *config => Ok(tape.clone()),
            _ => {
                let name = &self.recording.name;
                let tape = Tape::read(name, self.stream(), config, &self.labels)?;
                Ok(self.tape.insert(tape).clone())
            }
        }
    }

    fn view(&self, windows: Vec<usize>) -> EntryView {
        let stream = self.stream();
        let mut labels: Vec<String> =
            self.labels.iter().map(|frames| frames.label.clone()).collect();
        labels.sort();
        labels.dedup();
        let last = stream.len().checked_sub(1);
        EntryView {
            name: self.recording.name.clone(),
            frames: stream.len(),
            span_s: last.map_or(0.0, |last| stream.time_micros(last) as f64 / 1e6),
            rate_hz: stream.rate_hz(),
            labels,
            labels_from: self.labels_from,
            part: self.part,
            windows,
        }
    }
}
