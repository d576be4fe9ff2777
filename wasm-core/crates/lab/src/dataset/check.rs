//! What is wrong with a labelled set, said before training starts.

use super::{Tape, Windows, prints};
use crate::recording::counted;

/// Rates of recordings that are not resampled may differ by this factor.
const RATE_FACTOR: f64 = 1.25;
/// Of a test recording's frames, this share may lie in a training recording.
const MOST_COPIES: f64 = 0.05;

/// Whether training may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It may, and the figures suffer.
    Warning,
    /// It may not: the result would be useless or its figures untrue.
    Refused,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Stable code, for advice.
    pub code: &'static str,
    /// Whether training may start.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub text: String,
}

/// Lists what is wrong with a training set and a test set, refusals first. The test set may have no
/// recordings.
pub fn check(train: &Windows, test: &Windows) -> Vec<Finding> {
    let mut found = Found(Vec::new());
    found.recordings(train, test);
    found.classes(train, test);
    found.features(train);
    found.copies(train, test);
    found.0.sort_by_key(|finding| finding.severity != Severity::Refused);
    found.0
}

struct Found(Vec<Finding>);

impl Found {
    fn refuse(&mut self, code: &'static str, text: String) {
        self.0.push(Finding { code, severity: Severity::Refused, text });
    }

    fn warn(&mut self, code: &'static str, text: String) {
        self.0.push(Finding { code, severity: Severity::Warning, text });
    }

    /// Labels, layouts, rates and unreadable frames.
    fn recordings(&mut self, train: &Windows, test: &Windows) {
        let Some(first) = train.tapes.first() else {
            self.refuse(code::NO_RECORDING, "there is no recording to train on".into());
            return;
        };
        for tape in train.tapes.iter().chain(&test.tapes) {
            let name = &tape.name;
            if tape.spans.is_empty() {
                self.refuse(code::UNLABELLED, format!("{name} has no labelled frame"));
            }
            if tape.layout != first.layout || tape.config != first.config {
                let pairs =
                    |of: &Tape| of.layout.map_or(of.config.useful.len(), |(_, pairs, _)| pairs);
                let order = |of: &Tape| of.layout.map_or("unknown", |(_, _, order)| order);
                let text = format!(
                    "{name} has {} subcarriers in order {}, {} has {} in order {}",
                    pairs(tape),
                    order(tape),
                    first.name,
                    pairs(first),
                    order(first)
                );
                self.refuse(code::MIXED_LAYOUTS, text);
            }
            if let (true, Some(a), Some(b)) =
                (first.config.rate_hz == 0.0, tape.rate_hz, first.rate_hz)
                && !(1.0 / RATE_FACTOR..=RATE_FACTOR).contains(&(a / b))
            {
                let text = format!("{name} has {a:.1} frames a second, {} has {b:.1}", first.name);
                self.refuse(code::MIXED_RATES, text);
            }
            let rate = f64::from(first.config.rate_hz);
            if tape.rate_hz.is_some_and(|own| own * RATE_FACTOR < rate) {
                let own = tape.rate_hz.unwrap_or(0.0);
                let text = format!(
                    "{name} has {own:.1} frames a second, too few for {rate} rows a second"
                );
                self.refuse(code::SLOW_RECORDING, text);
            }
            if tape.refused * 2 > tape.frames {
                let text =
                    format!("{} of {} frames of {name} cannot be read", tape.refused, tape.frames);
                self.refuse(code::UNREADABLE_FRAMES, text);
            } else if tape.refused > 0 {
                let frames = counted(tape.refused as u64, "frame");
                let text = format!(
                    "{frames} of {name} cannot be read (too short, or not finite) and are left out"
                );
                self.warn(code::UNREADABLE_FRAMES, text);
            }
        }
    }

    fn classes(&mut self, train: &Windows, test: &Windows) {
        let counts = train.counts();
        let with_windows = counts.iter().filter(|count| **count > 0).count();
        if train.tapes.is_empty() {
            return;
        }
        if with_windows < 2 {
            let text = match counts.iter().position(|count| *count > 0) {
                Some(only) => format!("all windows to train on are {}", train.classes[only]),
                None => {
                    format!("no labelled stretch is as long as a window of {} rows", train.spec.len)
                }
            };
            self.refuse(code::ONE_CLASS, text);
        }
        if test.unknown > 0 {
            let windows = counted(test.unknown as u64, "test window");
            self.refuse(
                code::UNKNOWN_CLASS,
                format!("{windows} of classes that no training recording has"),
            );
        }
        let of_test = test.counts();
        for (class, name) in train.classes.iter().enumerate() {
            let recordings =
                (0..train.tapes.len()).filter(|tape| train.counts_of(*tape)[class] > 0).count();
            match recordings {
                0 => self.warn(
                    code::NO_WINDOW,
                    format!("{name} has no window to train on: its stretches are shorter"),
                ),
                1 => {
                    self.warn(code::ONE_RECORDING, format!("{name} comes from a single recording"))
                }
                _ => {}
            }
            if !test.tapes.is_empty() && of_test.get(class) == Some(&0) {
                self.warn(code::UNTESTED_CLASS, format!("{name} has no test window"));
            }
        }
        let least = counts.iter().copied().filter(|count| *count > 0).min().unwrap_or(0);
        let most = counts.iter().copied().max().unwrap_or(0);
        if most > 10 * least && least > 0 {
            self.warn(
                code::IMBALANCE,
                format!("the largest class has {most} windows, the smallest {least}"),
            );
        }
    }

    fn features(&mut self, train: &Windows) {
        let dim = train.dim();
        let Some(first) = train.cuts.first() else { return };
        let reference = train.raw(first.tape, first.start)[..dim].to_vec();
        let mut varies = vec![false; dim];
        for cut in &train.cuts {
            for row in train.raw(cut.tape, cut.start).chunks_exact(dim) {
                for ((varies, a), b) in varies.iter_mut().zip(row).zip(&reference) {
                    *varies |= a != b;
                }
            }
        }
        match varies.iter().filter(|varies| !**varies).count() {
            0 => {}
            count if count == dim => {
                self.refuse(
                    code::CONSTANT,
                    "every feature is constant over all training windows".into(),
                );
            }
            count => self.warn(
                code::CONSTANT,
                format!("{count} of {dim} features are constant over all training windows"),
            ),
        }
    }

    fn copies(&mut self, train: &Windows, test: &Windows) {
        for tape in &test.tapes {
            let (all, copied, first) = prints::copies(tape, &train.tapes);
            if copied as f64 > MOST_COPIES * all as f64 {
                let other = first.map_or("", |first| &train.tapes[first].name);
                let percent = 100.0 * copied as f64 / all as f64;
                let text = format!(
                    "{percent:.0} % of the frames of test recording {} are also in training recording {other}",
                    tape.name
                );
                self.refuse(code::COPIES, text);
            }
        }
    }
}

/// The codes of findings.
mod code {
    pub const NO_RECORDING: &str = "dataset/no-recording";
    pub const UNLABELLED: &str = "dataset/unlabelled";
    pub const MIXED_LAYOUTS: &str = "dataset/mixed-layouts";
    pub const MIXED_RATES: &str = "dataset/mixed-rates";
    pub const SLOW_RECORDING: &str = "dataset/slow-recording";
    pub const UNREADABLE_FRAMES: &str = "dataset/unreadable-frames";
    pub const ONE_CLASS: &str = "dataset/one-class";
    pub const ONE_RECORDING: &str = "dataset/one-recording";
    pub const NO_WINDOW: &str = "dataset/no-window";
    pub const UNTESTED_CLASS: &str = "dataset/untested-class";
    pub const UNKNOWN_CLASS: &str = "dataset/unknown-class";
    pub const IMBALANCE: &str = "dataset/imbalance";
    pub const CONSTANT: &str = "dataset/constant";
    pub const COPIES: &str = "dataset/copies";
}
