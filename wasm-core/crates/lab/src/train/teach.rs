//! A teacher: a trained head whose opinion of a window is learned beside the window's label.
//!
//! With `t` and `z` the logits of teacher and student, `T` the temperature and `a` the share:
//!
//! ```text
//! loss = (1 - a) (cross-entropy of the labels) + a T^2 (cross-entropy of softmax(z / T), targets softmax(t / T))
//! ```
//!
//! Source: Hinton, Vinyals and Dean 2015, arXiv:1503.02531. The teacher hears the very window that
//! the student is shown, changes and all, by the core's forward pass, so that it may be any head: of
//! another size, pattern or trainer.

use csi_temporal::head::TemporalHead;
use csi_temporal::rvne::{Normalisation, WeightBlob};

use super::TrainError;
use super::lanes::Lanes;
use super::loss::{self, Outcome};
use crate::dataset::{Finding, Severity, Windows};

/// How a teacher is heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Soft {
    /// What logits are divided by, above 0: the higher, the more the classes that it thinks less of
    /// count.
    pub temperature: f32,
    /// Share of the loss that is the teacher's, 0 to 1.
    pub share: f32,
}

impl Default for Soft {
    /// The best of six in `docs/training.md`, which are hardly apart.
    fn default() -> Self {
        Self { temperature: 1.0, share: 0.9 }
    }
}

/// Warns of test recordings that a teacher's provenance names: what it teaches of them would not be
/// learned elsewhere. It goes by names, and a blob without provenance is not doubted.
pub fn saw(teacher: &WeightBlob, test: &Windows) -> Option<Finding> {
    let provenance = teacher.trailer.provenance.as_deref().unwrap_or_default();
    let provenance: serde_json::Value = serde_json::from_str(provenance).ok()?;
    let names: Vec<&str> =
        provenance["recordings"].as_array()?.iter().filter_map(|of| of["name"].as_str()).collect();
    let seen = test.tapes.iter().filter(|tape| names.contains(&tape.name.as_str())).count();
    (seen > 0).then(|| Finding {
        code: "train/teacher-saw-test",
        severity: Severity::Warning,
        text: format!(
            "the teacher was trained on recordings of the names of {seen} of {} test recordings; \
             the figures may be too good to be true",
            test.tapes.len()
        ),
    })
}

/// A head that teaches, fitted to a set of windows.
#[derive(Clone, Debug)]
pub(super) struct Teacher {
    head: TemporalHead,
    pub soft: Soft,
    /// FNV-1a, 64 bits, of its blob.
    pub hash: u64,
    /// Its class for each of the windows' classes.
    classes: Vec<usize>,
    /// One window as the extractor made it, `[len][features]`.
    rows: Vec<f32>,
}

impl Teacher {
    /// Makes a teacher of a blob for windows of its pipeline and classes, in any order.
    pub fn new(blob: &WeightBlob, soft: Soft, windows: &Windows) -> Result<Self, TrainError> {
        let heard = soft.temperature > 0.0 && soft.temperature.is_finite();
        if !heard || !(0.0..=1.0).contains(&soft.share) {
            return Err(TrainError::TeacherShare);
        }
        let names = blob.trailer.class_names.as_deref().unwrap_or_default();
        let place = |class: &String| names.iter().position(|name| name == class);
        let classes: Option<Vec<usize>> = windows.classes.iter().map(place).collect();
        let other =
            TrainError::TeacherClasses { teacher: names.len(), windows: windows.classes.len() };
        let classes = classes.filter(|of| of.len() == names.len()).ok_or(other)?;
        let config = windows.tapes.first().map(|tape| &tape.config);
        if blob.trailer.pipeline.as_ref() != config || blob.feature_dim() != windows.dim() {
            let (teacher, windows) = (blob.feature_dim(), windows.dim());
            return Err(TrainError::TeacherFeatures { teacher, windows });
        }
        let head = TemporalHead::from_blob(blob).map_err(|_| TrainError::TeacherHead)?;
        let bytes = blob.encode().map_err(|_| TrainError::TeacherHead)?;
        Ok(Self { head, soft, hash: super::selftest::fnv(&bytes), classes, rows: Vec::new() })
    }

    /// Mixes its opinion of eight windows into what their labels came to. `rows` is
    /// `[len][features]`, normalised by `normalisation`, which is undone: the teacher has its own.
    /// A window without weight, or whose logits it cannot compute for their size, is left to its
    /// label.
    pub fn teach(
        &mut self,
        rows: &[Lanes],
        normalisation: &Normalisation,
        logits: &[Lanes],
        weights: &Lanes,
        outcome: &mut Outcome,
    ) {
        let features = normalisation.mean.len();
        for (lane, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
            self.rows.clear();
            for row in rows.chunks_exact(features) {
                let scale = normalisation.mean.iter().zip(&normalisation.inv_std);
                self.rows.extend(row.iter().zip(scale).map(|(number, (mean, inv_std))| {
                    // A constant feature is 0 here, whatever it was.
                    if *inv_std == 0.0 { *mean } else { number[lane] / inv_std + mean }
                }));
            }
            let Ok(said) = self.head.forward(&self.rows, self.head.backend()) else { continue };
            let said: Vec<f32> = self.classes.iter().map(|class| said.logits[*class]).collect();
            soften(self.soft, logits, &said, (lane, *weight), outcome);
        }
    }
}

/// Mixes a teacher's logits, by class, into one lane's loss and gradient.
fn soften(
    soft: Soft,
    logits: &[Lanes],
    said: &[f32],
    (lane, weight): (usize, f32),
    outcome: &mut Outcome,
) {
    let Soft { temperature, share } = soft;
    let own: Vec<f32> = logits.iter().map(|logit| logit[lane]).collect();
    let (own, ln_own) = loss::softmax(&own, temperature);
    let (targets, _) = loss::softmax(said, temperature);
    let cross: f32 = targets.iter().zip(&ln_own).map(|(target, ln)| -target * ln).sum();
    let hard = &mut outcome.losses[lane];
    *hard = (1.0 - share) * *hard + share * weight * temperature * temperature * cross;
    for ((dlogit, own), target) in outcome.dlogits.iter_mut().zip(&own).zip(&targets) {
        let pull = weight * temperature * (own - target);
        dlogit[lane] = (1.0 - share) * dlogit[lane] + share * pull;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Random;
    use crate::train::lanes::ZERO;
    use crate::train::loss::cross_entropy;

    /// What the head of this file says, in f64.
    fn loss(z: &[f64], t: &[f64], class: usize, soft: Soft, smoothing: f64) -> f64 {
        let ln_softmax = |z: &[f64], heat: f64| -> Vec<f64> {
            let ln_sum = z.iter().map(|z| (z / heat).exp()).sum::<f64>().ln();
            z.iter().map(|z| z / heat - ln_sum).collect()
        };
        let (heat, share) = (f64::from(soft.temperature), f64::from(soft.share));
        let hard = ln_softmax(z, 1.0).iter().enumerate().fold(0.0, |sum, (at, ln)| {
            let own = if at == class { 1.0 - smoothing } else { 0.0 };
            sum - (own + smoothing / z.len() as f64) * ln
        });
        let said = ln_softmax(t, heat);
        let taught =
            ln_softmax(z, heat).iter().zip(said).fold(0.0, |sum, (z, t)| sum - t.exp() * z);
        (1.0 - share) * hard + share * heat * heat * taught
    }

    #[test]
    fn loss_and_gradient_are_those_of_the_formula() {
        let mut random = Random::new(4);
        for (temperature, share) in [(1.0, 0.5), (2.0, 0.3), (4.0, 1.0), (3.0, 0.0)] {
            let soft = Soft { temperature, share };
            let z: Vec<f32> = (0..5).map(|_| 3.0 * random.normal()).collect();
            let t: Vec<f32> = (0..5).map(|_| 3.0 * random.normal()).collect();
            let (lane, class, weight) = (3, 2, 1.7_f32);
            let mut weights = ZERO;
            weights[lane] = weight;
            let logits: Vec<Lanes> = z.iter().map(|z| [*z; 8]).collect();
            let mut outcome = cross_entropy(&logits, &[class; 8], &weights, 0.1);
            soften(soft, &logits, &t, (lane, weight), &mut outcome);
            let [z, t] = [z, t].map(|of| of.iter().map(|n| f64::from(*n)).collect::<Vec<f64>>());
            let at = |z: &[f64]| f64::from(weight) * loss(z, &t, class, soft, f64::from(0.1_f32));
            let close = |a: f32, b: f64| (f64::from(a) - b).abs() <= 2e-5 * (1.0 + b.abs());
            assert!(close(outcome.losses[lane], at(&z)), "{soft:?}");
            for number in 0..z.len() {
                let moved = |by: f64| {
                    let mut z = z.clone();
                    z[number] += by;
                    at(&z)
                };
                let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                let grad = outcome.dlogits[number][lane];
                assert!(close(grad, slope), "{soft:?}: {grad} instead of {slope}");
            }
            let others = (0..8).filter(|other| *other != lane);
            assert!(others.into_iter().all(|other| outcome.losses[other] == 0.0));
        }
    }
}
