//! The loop: windows into batches, batches into steps of the optimiser.

use csi_temporal::rvne::{AttentionRecord, Normalisation, Trailer, WeightBlob};

use super::adam::AdamW;
use super::lanes::{LANES, Lanes, ZERO};
use super::loss::{Outcome, class_weights, cross_entropy};
use super::model::Model;
use super::params::{Dims, Layout};
use super::plan::Plan;
use super::teach::{Soft, Teacher};
use super::{Objective, TrainConfig, TrainError};
use crate::dataset::Windows;
use crate::random::Random;

/// Share of the steps in which the learning rate rises.
const WARM_UP: f32 = 0.05;
/// Decay of the mean of numbers that is exported.
const MEAN_DECAY: f32 = 0.995;

/// How far training has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Groups of eight windows that were seen.
    pub groups: usize,
    /// Groups until the end.
    pub groups_total: usize,
    /// Epochs that are complete.
    pub epoch: usize,
    /// Epochs until the end.
    pub epochs: usize,
    /// Mean loss over the last epoch, or over the first one so far.
    pub loss: f32,
    /// Share of its augmented training windows that were classified right on the way.
    pub accuracy: f32,
    /// Whether the end is reached.
    pub done: bool,
}

/// A head in training.
#[derive(Clone, Debug)]
pub struct Trainer {
    pub(super) config: TrainConfig,
    pub(super) windows: Windows,
    normalisation: Normalisation,
    pub(super) model: Model,
    pub(super) numbers: Vec<f32>,
    /// A running mean of `numbers`, which generalises better than its last value.
    mean: Vec<f32>,
    steps: usize,
    adam: AdamW,
    random: Random,
    pub(super) class_weights: Vec<f32>,
    /// The order of this epoch, and the next place in it.
    pub(super) order: Vec<usize>,
    pub(super) next: usize,
    pub(super) grad: Vec<f32>,
    /// Groups and windows in `grad`.
    in_grad: (usize, f32),
    progress: Progress,
    epoch_sums: [f32; 3],
    row: Vec<f32>,
    teacher: Option<Teacher>,
    pub(super) rows: Vec<Lanes>,
}

impl Trainer {
    /// Starts with fresh numbers.
    ///
    /// # Errors
    ///
    /// Each of [`TrainError`].
    pub fn new(windows: Windows, config: TrainConfig) -> Result<Self, TrainError> {
        let counts = windows.counts();
        if windows.cuts.is_empty() {
            return Err(TrainError::NoWindows);
        }
        if counts.iter().filter(|count| **count > 0).count() < 2 {
            return Err(TrainError::OneClass);
        }
        if windows.tapes.iter().any(|tape| tape.config != windows.tapes[0].config) {
            return Err(TrainError::Mixed);
        }
        let features = windows.dim();
        let size = config.size;
        let dims = Dims {
            features,
            width: if size.width == 0 { features } else { size.width },
            q_heads: size.q_heads,
            kv_heads: size.kv_heads,
            head_dim: size.head_dim,
            layers: size.layers,
            hidden: size.hidden,
            classes: windows.classes.len(),
        };
        dims.validate().ok_or(TrainError::Shape)?;
        let len = windows.spec.len;
        let plan = Plan::new(config.pattern, len).map_err(|_| TrainError::NoGradient)?;
        let layout = Layout::new(dims);
        let mut random = Random::new(config.seed);
        let numbers = layout.init(&mut random);
        let mut decays = vec![0.0; layout.len];
        for (range, _) in layout.matrices() {
            decays[range].fill(1.0);
        }
        let groups_a_epoch = windows.cuts.len().div_ceil(LANES);
        let mut trainer = Self {
            normalisation: normalisation(&windows),
            class_weights: class_weights(&counts, config.balance),
            order: (0..windows.cuts.len()).collect(),
            next: 0,
            grad: vec![0.0; layout.len],
            in_grad: (0, 0.0),
            progress: Progress {
                groups_total: groups_a_epoch * config.epochs,
                epochs: config.epochs,
                done: config.epochs == 0,
                ..Progress::default()
            },
            epoch_sums: [0.0; 3],
            row: Vec::new(),
            teacher: None,
            rows: vec![ZERO; len * features],
            mean: numbers.clone(),
            steps: 0,
            adam: AdamW::new(decays),
            model: Model::new(layout, plan, config.pooling),
            numbers,
            random,
            config,
            windows,
        };
        trainer.random.shuffle(&mut trainer.order);
        Ok(trainer)
    }

    /// Lets a trained head say what it thinks of every window, beside the window's label.
    ///
    /// The teacher needs class names and pipeline inside. Whether it was trained on recordings that
    /// the student will be tested on is for the caller to know.
    ///
    /// # Errors
    ///
    /// Those of [`TrainError`] that begin with `Teacher`.
    pub fn with_teacher(mut self, teacher: &WeightBlob, soft: Soft) -> Result<Self, TrainError> {
        if let Objective::Views(_) = self.config.objective {
            return Err(TrainError::TeacherShare);
        }
        self.teacher = Some(Teacher::new(teacher, soft, &self.windows)?);
        Ok(self)
    }

    /// Returns how far it has come.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Returns the windows that it trains on.
    pub fn windows(&self) -> &Windows {
        &self.windows
    }

    /// Trains on as many groups of eight windows, or to the end, and returns how far it has come. A
    /// contrastive objective goes on to the end of a batch.
    pub fn step(&mut self, groups: usize) -> Progress {
        let end = self.progress.groups.saturating_add(groups);
        while self.progress.groups < end && !self.progress.done {
            match self.config.objective {
                Objective::Classes => self.group(),
                Objective::Views(contrast) => self.views(&contrast, false),
                Objective::Both(contrast) => self.views(&contrast, true),
            }
        }
        self.progress
    }

    /// Makes the blob of the present numbers, in f32: classes, normalisation, pipeline and pattern
    /// inside. Name and provenance are up to the caller.
    pub fn blob(&self) -> WeightBlob {
        let config = &self.windows.tapes[0].config;
        let record = AttentionRecord {
            pooling: self.config.pooling,
            window_len: u16::try_from(self.windows.spec.len).unwrap_or(u16::MAX),
            frame_rate_hz: config.rate_hz,
            ..AttentionRecord::default()
        };
        let record = match self.config.pattern {
            None => {
                AttentionRecord { pattern: csi_temporal::rvne::AttentionPattern::Dense, ..record }
            }
            Some(pattern) => pattern.to_record(record).unwrap_or(record),
        };
        let trailer = Trailer {
            class_names: Some(self.windows.classes.clone()),
            normalisation: Some(self.normalisation.clone()),
            pipeline: Some(config.clone()),
            ..Trailer::default()
        };
        self.model.layout.blob(&self.mean, record, trailer)
    }

    /// Counts the numbers that are trained.
    pub fn parameters(&self) -> usize {
        self.numbers.len()
    }

    /// Says what the numbers come from, as JSON for a blob: by what and by which settings, on which
    /// recordings, a hash of their windows, and how training went. It tells nothing of a test, so
    /// that a blob depends on nothing but what it was trained on.
    pub fn provenance(&self, made_by: &str) -> String {
        let recordings = self.windows.tapes.iter().enumerate().map(|(tape, of)| {
            let windows: usize = self.windows.counts_of(tape).iter().sum();
            serde_json::json!({ "name": of.name, "windows": windows })
        });
        let mut provenance = serde_json::json!({
            "trainer": made_by,
            "seed": self.config.seed,
            "epochs": self.progress.epoch,
            "hop": self.windows.spec.hop,
            "windows": self.windows.cuts.len(),
            "recordings": recordings.collect::<Vec<_>>(),
            "dataHash": format!("{:016x}", self.windows.hash()),
            "trainLoss": self.progress.loss,
            "trainAccuracy": self.progress.accuracy,
        });
        if let Some(teacher) = &self.teacher {
            provenance["teacher"] = serde_json::json!({
                "hash": format!("{:016x}", teacher.hash),
                "temperature": teacher.soft.temperature,
                "share": teacher.soft.share,
            });
        }
        provenance.to_string()
    }

    /// Eight windows forward and backward; where a batch is full, a step.
    fn group(&mut self) {
        let end = (self.next + LANES).min(self.order.len());
        let lanes = self.order[self.next..end].to_vec();
        self.next = end;
        let mut weights = ZERO;
        let mut classes = [0; LANES];
        for (lane, cut) in lanes.iter().enumerate() {
            let class = self.windows.cuts[*cut].class;
            (weights[lane], classes[lane]) = (self.class_weights[class], class);
            self.fill(lane, *cut);
        }
        let rows = core::mem::take(&mut self.rows);
        let outcome = self.judge(&rows, &classes, &weights);
        self.model.backward(&self.numbers, &rows, &outcome.dlogits, None, &mut self.grad);
        self.rows = rows;
        self.account(1, [outcome.losses.iter().sum(), outcome.right, outcome.weight]);
    }

    /// Runs eight windows forward and says what they came to, by their classes and by the teacher.
    pub(super) fn judge(
        &mut self,
        rows: &[Lanes],
        classes: &[usize; LANES],
        weights: &Lanes,
    ) -> Outcome {
        let logits = self.model.forward(&self.numbers, rows);
        let mut outcome = cross_entropy(logits, classes, weights, self.config.smoothing);
        if let Some(teacher) = &mut self.teacher {
            teacher.teach(rows, &self.normalisation, logits, weights, &mut outcome);
        }
        outcome
    }

    /// Counts groups whose gradient was added, with the sums of loss, right windows and weights.
    pub(super) fn account(&mut self, groups: usize, sums: [f32; 3]) {
        self.in_grad.0 += groups;
        self.in_grad.1 += sums[2];
        for (sum, part) in self.epoch_sums.iter_mut().zip(sums) {
            *sum += part;
        }
        self.progress.groups += groups;
        let epoch_ends = self.next == self.order.len();
        if self.in_grad.0 * LANES >= self.config.batch || epoch_ends {
            self.optimise();
        }
        if self.progress.epoch == 0 || epoch_ends {
            let [loss, right, weight] = self.epoch_sums;
            (self.progress.loss, self.progress.accuracy) = (loss / weight, right / weight);
        }
        if epoch_ends {
            self.epoch_sums = [0.0; 3];
            self.next = 0;
            self.random.shuffle(&mut self.order);
            self.progress.epoch += 1;
            self.progress.done = self.progress.epoch >= self.config.epochs;
        }
    }

    /// Puts a window into a lane: shifted, rescaled, its mean removed, normalised, disturbed.
    pub(super) fn fill(&mut self, lane: usize, cut: usize) {
        let Self { windows, config, random, row, rows, normalisation, .. } = self;
        let cut = &windows.cuts[cut];
        let (dim, pipeline) = (windows.dim(), &windows.tapes[cut.tape].config);
        row.clear();
        row.extend_from_slice(
            windows.raw(cut.tape, config.augment.start(cut.start, &cut.room, random)),
        );
        pipeline.finish_window(row);
        config.augment.rescale(row, random);
        for row in row.chunks_exact_mut(dim) {
            let scale = normalisation.mean.iter().zip(&normalisation.inv_std);
            for (number, (mean, inv_std)) in row.iter_mut().zip(scale) {
                *number = (*number - mean) * inv_std;
            }
        }
        config.augment.disturb(row, dim, pipeline.base_dim(), random);
        for (rows, number) in rows.iter_mut().zip(row) {
            rows[lane] = *number;
        }
    }

    /// A step of the optimiser by the mean gradient of the batch.
    fn optimise(&mut self) {
        let weight = self.in_grad.1.max(f32::MIN_POSITIVE);
        self.grad.iter_mut().for_each(|grad| *grad /= weight);
        let share = self.progress.groups as f32 / self.progress.groups_total as f32;
        let rate = self.config.rate * schedule(share);
        let TrainConfig { decay, clip, .. } = self.config;
        self.adam.step(&mut self.numbers, &self.grad, rate, decay, clip);
        for layer in &self.model.layout.layers {
            for slope in &mut self.numbers[layer.slopes.clone()] {
                *slope = slope.max(0.0);
            }
        }
        self.steps += 1;
        // Early on a mean over few steps, so that the first numbers are soon forgotten.
        let keep = MEAN_DECAY.min(self.steps as f32 / (self.steps as f32 + 9.0));
        for (mean, number) in self.mean.iter_mut().zip(&self.numbers) {
            *mean += (1.0 - keep) * (number - *mean);
        }
        self.grad.fill(0.0);
        self.in_grad = (0, 0.0);
    }
}

impl Dims {
    /// Checks what a blob can hold. `None` when it cannot.
    fn validate(&self) -> Option<()> {
        let Self { features, width, q_heads, kv_heads, head_dim, layers, hidden, classes } = *self;
        let some = [features, width, q_heads, kv_heads, head_dim, layers, classes];
        let fits = some.iter().all(|number| (1..=4096).contains(number)) && hidden <= 4096;
        let wide = q_heads.checked_mul(head_dim)? <= 4096 && layers <= 64;
        (fits && wide && q_heads.is_multiple_of(kv_heads) && classes >= 2).then_some(())
    }
}

/// The learning rate as a share of its highest, `at` the share of training done: a line up, half a
/// cosine down to a hundredth.
fn schedule(at: f32) -> f32 {
    if at < WARM_UP {
        return at / WARM_UP;
    }
    let down = (at - WARM_UP) / (1.0 - WARM_UP);
    0.01 + 0.99 * 0.5 * (1.0 + libm::cosf(core::f32::consts::PI * down))
}

/// Mean and inverse standard deviation of every feature over the training windows; a feature that
/// is constant gets 0, so that it says nothing later either.
pub(super) fn normalisation(windows: &Windows) -> Normalisation {
    let dim = windows.dim();
    let (mut sums, mut squares, mut count) = (vec![0.0_f64; dim], vec![0.0_f64; dim], 0.0_f64);
    let mut window = Vec::new();
    for pass in 0..2 {
        for cut in &windows.cuts {
            windows.read(cut, &mut window);
            for row in window.chunks_exact(dim) {
                if pass == 0 {
                    count += 1.0;
                    sums.iter_mut().zip(row).for_each(|(sum, number)| *sum += f64::from(*number));
                    continue;
                }
                for ((square, mean), number) in squares.iter_mut().zip(&sums).zip(row) {
                    let off = f64::from(*number) - mean;
                    *square += off * off;
                }
            }
        }
        if pass == 0 {
            sums.iter_mut().for_each(|sum| *sum /= count);
        }
    }
    let inverse = |square: &f64| {
        let inverse = (1.0 / libm::sqrt(square / count)) as f32;
        if inverse.is_finite() { inverse } else { 0.0 }
    };
    Normalisation {
        mean: sums.iter().map(|mean| *mean as f32).collect(),
        inv_std: squares.iter().map(inverse).collect(),
    }
}
