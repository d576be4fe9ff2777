//! What `csi train` found, as JSON and as a few lines.

use std::fmt::Write as _;
use std::path::Path;

use csi_lab::dataset::Finding;
use serde::Serialize;

use crate::labelled::RecordingReport;
use crate::scores::ScoreReport;

/// Everything that a run found.
#[derive(Serialize)]
pub struct Report {
    pub classes: Vec<String>,
    pub window_rows: usize,
    pub hop_rows: usize,
    pub rate_hz: f32,
    pub pattern: String,
    /// How the teacher was heard; null without one.
    pub teacher: Option<TeacherReport>,
    pub parameters: usize,
    pub blob_bytes: usize,
    pub dtype: &'static str,
    pub feature_dim: usize,
    pub train_windows: usize,
    pub test_windows: usize,
    pub train: Vec<RecordingReport>,
    pub test: Vec<RecordingReport>,
    pub findings: Vec<Finding>,
    pub epochs: usize,
    /// The seed of the blob that was written, whose scores follow.
    pub seed: u64,
    pub train_seconds: f64,
    pub train_loss: f32,
    /// Null without a test recording, like all below.
    pub accuracy: Option<f64>,
    pub macro_f1: Option<f64>,
    /// Always saying the class with most training windows.
    pub majority_baseline: Option<f64>,
    /// Random convolutions and ridge regression on the same windows.
    pub classical_baseline: Option<f64>,
    pub scores: Option<ScoreReport>,
    /// What the same training comes to when single windows are held out at random, neighbours of
    /// training windows: shown to be distrusted. Null unless asked for.
    pub random_split_accuracy: Option<f64>,
    /// Accuracy of every seed, the first being `seed`.
    pub accuracies: Vec<f64>,
    pub mean_accuracy: Option<f64>,
    /// Standard deviation over the seeds; null for one.
    pub accuracy_spread: Option<f64>,
    /// Mean of the same before the weights were rounded to `dtype`, over all seeds.
    pub f32_mean_accuracy: Option<f64>,
    /// What rounding changed: `mean_accuracy` less `f32_mean_accuracy`.
    pub rounding_change: Option<f64>,
}

/// A teacher, and how it was heard.
#[derive(Serialize)]
pub struct TeacherReport {
    pub file: String,
    pub temperature: f32,
    pub share: f32,
}

/// Mean and, of several, standard deviation.
pub fn mean_and_spread(numbers: &[f64]) -> (Option<f64>, Option<f64>) {
    let count = numbers.len() as f64;
    if numbers.is_empty() {
        return (None, None);
    }
    let mean = numbers.iter().sum::<f64>() / count;
    let squares = numbers.iter().map(|number| (number - mean) * (number - mean)).sum::<f64>();
    (Some(mean), (count > 1.0).then(|| (squares / (count - 1.0)).sqrt()))
}

/// A few lines of it.
pub fn for_people(report: &Report, out: Option<&Path>) -> String {
    let mut text = String::new();
    let from = |recordings: &[RecordingReport]| recordings.len();
    let _ = writeln!(
        text,
        "{} windows of {} rows from {} recordings to train on, {} from {} to test on; {} classes",
        report.train_windows,
        report.window_rows,
        from(&report.train),
        report.test_windows,
        from(&report.test),
        report.classes.len()
    );
    for finding in &report.findings {
        let _ = writeln!(text, "note: {}", finding.text);
    }
    let _ = writeln!(
        text,
        "{} parameters, {}, {} epochs in {:.1} s, loss {:.3}",
        report.parameters, report.pattern, report.epochs, report.train_seconds, report.train_loss
    );
    if let Some(TeacherReport { file, temperature, share }) = &report.teacher {
        let _ = writeln!(text, "taught by {file}, temperature {temperature}, share {share}");
    }
    match &report.scores {
        None => text.push_str("no test recording, so no accuracy is known\n"),
        Some(scores) => {
            text.push_str(&scores.for_people());
            let figure = |of: Option<f64>| of.map_or("none".to_owned(), |of| format!("{of:.3}"));
            let _ = writeln!(
                text,
                "baselines: largest class {}, random convolutions and ridge {}",
                figure(report.majority_baseline),
                figure(report.classical_baseline)
            );
            if let Some(random) = report.random_split_accuracy {
                let _ = writeln!(
                    text,
                    "warning: with single windows held out at random it would seem to be {random:.3}: \
                     neighbours of test windows, which share rows with them, were trained on"
                );
            }
            if let (Some(mean), Some(spread)) = (report.mean_accuracy, report.accuracy_spread) {
                let seeds = report.accuracies.len();
                let _ = writeln!(text, "{seeds} seeds: {mean:.3}, standard deviation {spread:.3}");
            }
            if let (Some(change), "f16") = (report.rounding_change, report.dtype) {
                let _ =
                    writeln!(text, "rounding the weights to f16 changed accuracy by {change:+.4}");
            }
        }
    }
    if let Some(out) = out {
        let _ = writeln!(text, "{} bytes written to {}", report.blob_bytes, out.display());
    }
    text
}
