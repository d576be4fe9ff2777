//! A training run and what came of it.

use csi_temporal::head::TemporalHead;
use csi_temporal::rvne::{Dtype, WeightBlob};
use serde::Serialize;

use super::{Result, Settings, Study, StudyError};
use crate::dataset::{Severity, Windows, check, split};
use crate::train::baseline::{Convolutions, majority};
use crate::train::evaluate::{self, Scores};
use crate::train::{Progress, TrainConfig, Trainer};

/// Training under way, or ended.
pub(super) struct Run {
    trainer: Trainer,
    test: Windows,
    /// The same on single windows parted at random, and those it is scored on.
    random: Option<(Trainer, Windows)>,
    seed: u64,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunView {
    /// Of the head that is kept.
    pub progress: Progress,
    /// Of the one on a random split, where it was asked for; it comes second.
    pub random: Option<Progress>,
    /// Whether both have ended.
    pub done: bool,
}

/// What came of a run, by the blob as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Numbers that were trained.
    pub parameters: usize,
    /// Windows that it was trained on.
    pub train_windows: usize,
    /// Epochs that were complete.
    pub epochs: usize,
    /// Whether it came to its end.
    pub complete: bool,
    /// Bytes of the file with 4 bytes a weight.
    pub bytes_f32: usize,
    /// Bytes of the file with 2 bytes a weight.
    pub bytes_f16: usize,
    /// Of the f16 file on the test recordings; `None` without one.
    pub scores: Option<Scores>,
    /// Accuracy of the f32 file.
    pub accuracy_f32: Option<f64>,
    /// Accuracy of always saying the class with most training windows.
    pub majority: Option<f64>,
    /// What a random split would claim, where it was asked for and has ended.
    pub random_split: Option<RandomSplit>,
}

/// What a split of single windows at random claims. It is not to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RandomSplit {
    /// The accuracy.
    pub accuracy: f64,
    /// The windows behind it.
    pub windows: usize,
}

impl Study {
    /// Starts a run; one before it is dropped.
    ///
    /// # Errors
    ///
    /// [`StudyError::NotReady`] where [`check`] refuses; [`StudyError::Train`],
    /// [`StudyError::Feature`]. The run before stays.
    pub fn begin(&mut self, settings: &Settings) -> Result<RunView> {
        let (train, test) = self.sets(settings)?;
        if check(&train, &test).iter().any(|finding| finding.severity == Severity::Refused) {
            return Err(StudyError::NotReady);
        }
        let config = |windows: &Windows| TrainConfig {
            size: settings.size,
            pattern: settings.pattern,
            seed: settings.seed,
            epochs: settings.epochs.unwrap_or_else(|| TrainConfig::epochs_for(windows.cuts.len())),
            ..TrainConfig::default()
        };
        let random = match settings.random_split && !test.cuts.is_empty() {
            true => {
                let tapes = train.tapes.iter().chain(&test.tapes).cloned().collect();
                let all = Windows::cut_for(tapes, settings.spec, &train.classes);
                let share = test.cuts.len() as f32 / all.cuts.len() as f32;
                let (train, test) = split::at_random(&all, share, settings.seed);
                let config = config(&train);
                Some((Trainer::new(train, config)?, test))
            }
            false => None,
        };
        let config = config(&train);
        let trainer = Trainer::new(train, config)?;
        let run = self.run.insert(Run { trainer, test, random, seed: settings.seed });
        Ok(run.view())
    }

    /// Trains for about that long, and at least on one group of windows: by `now_ms`, a clock in
    /// milliseconds. With a clock that stands still it trains to the end.
    ///
    /// # Errors
    ///
    /// [`StudyError::NotTraining`].
    pub fn step(&mut self, budget_ms: f64, now_ms: &dyn Fn() -> f64) -> Result<RunView> {
        let run = self.run.as_mut().ok_or(StudyError::NotTraining)?;
        let end = now_ms() + budget_ms;
        loop {
            match &mut run.random {
                Some((random, _)) if run.trainer.progress().done => _ = random.step(1),
                _ => _ = run.trainer.step(1),
            }
            let view = run.view();
            if view.done || now_ms() >= end {
                return Ok(view);
            }
        }
    }

    /// The file of the weights as they are now; those of an ended run are `csi train`'s, byte by byte.
    ///
    /// # Errors
    ///
    /// [`StudyError::NotTraining`], [`StudyError::Blob`].
    pub fn blob(&self, dtype: Dtype) -> Result<Vec<u8>> {
        self.run.as_ref().ok_or(StudyError::NotTraining)?.blob(dtype)
    }

    /// Scores the weights as they are now on the test recordings.
    ///
    /// # Errors
    ///
    /// [`StudyError::NotTraining`], [`StudyError::Blob`], [`StudyError::Head`].
    pub fn outcome(&self) -> Result<Outcome> {
        let run = self.run.as_ref().ok_or(StudyError::NotTraining)?;
        let (f16, f32) = (run.blob(Dtype::F16)?, run.blob(Dtype::F32)?);
        let has_test = !run.test.cuts.is_empty();
        let score = |bytes: &[u8]| has_test.then(|| scored(bytes, &run.test)).transpose();
        let progress = run.trainer.progress();
        let random_split = match &run.random {
            Some((trainer, test)) if trainer.progress().done && !test.cuts.is_empty() => {
                let scores = scored(&trainer.blob().to_dtype(Dtype::F16).0.encode()?, test)?;
                Some(RandomSplit { accuracy: scores.accuracy, windows: scores.windows })
            }
            _ => None,
        };
        Ok(Outcome {
            parameters: run.trainer.parameters(),
            train_windows: run.trainer.windows().cuts.len(),
            epochs: progress.epoch,
            complete: progress.done,
            bytes_f32: f32.len(),
            bytes_f16: f16.len(),
            scores: score(&f16)?,
            accuracy_f32: score(&f32)?.map(|scores| scores.accuracy),
            majority: has_test.then(|| majority(run.trainer.windows(), &run.test).accuracy),
            random_split,
        })
    }

    /// Accuracy of random convolutions and ridge regression on the same windows; `None` without a
    /// test recording. It takes seconds.
    ///
    /// # Errors
    ///
    /// [`StudyError::NotTraining`].
    pub fn classical(&self) -> Result<Option<f64>> {
        let run = self.run.as_ref().ok_or(StudyError::NotTraining)?;
        if run.test.cuts.is_empty() {
            return Ok(None);
        }
        let fitted = Convolutions::fit(run.trainer.windows(), run.seed);
        Ok(fitted.map(|fitted| fitted.score(&run.test).accuracy))
    }
}

impl Run {
    fn view(&self) -> RunView {
        let progress = self.trainer.progress();
        let random = self.random.as_ref().map(|(trainer, _)| trainer.progress());
        let done = progress.done && random.is_none_or(|random| random.done);
        RunView { progress, random, done }
    }

    fn blob(&self, dtype: Dtype) -> Result<Vec<u8>> {
        let mut blob = self.trainer.blob().to_dtype(dtype).0;
        let made = concat!("csi-lab ", env!("CARGO_PKG_VERSION"));
        blob.trailer.provenance = Some(self.trainer.provenance(made));
        Ok(blob.encode()?)
    }
}

/// Scores what a reader of the file gets.
fn scored(bytes: &[u8], windows: &Windows) -> Result<Scores> {
    let blob = WeightBlob::parse(bytes)?;
    let head = TemporalHead::from_blob(&blob)?;
    Ok(evaluate::score(&head, head.backend(), windows)?)
}
