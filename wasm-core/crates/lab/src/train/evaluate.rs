//! How well a head classifies windows: by the core's own forward pass, of the blob as it is stored.

use csi_temporal::attention::BackendKind;
use csi_temporal::head::{HeadError, TemporalHead};
use serde::Serialize;

use crate::dataset::Windows;

/// Figures over a set of windows.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scores {
    /// Windows behind every figure.
    pub windows: usize,
    /// Windows that were classified right.
    pub right: usize,
    /// Share of them; 0 without windows.
    pub accuracy: f64,
    /// Mean of the F1 of all classes that have a window.
    pub macro_f1: f64,
    /// The classes in the order of the tables.
    pub classes: Vec<ClassScores>,
    /// Windows of class `[true][said]`.
    pub confusion: Vec<Vec<usize>>,
}

/// One class.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassScores {
    /// Its name.
    pub name: String,
    /// Its windows.
    pub windows: usize,
    /// Of what was called so, the share that is; 0 when nothing was.
    pub precision: f64,
    /// Of its windows, the share that was called so.
    pub recall: f64,
    /// The harmonic mean of the two.
    pub f1: f64,
}

impl Scores {
    /// Sums up which class every window was said to be.
    pub fn new(windows: &Windows, said: &[usize]) -> Self {
        let count = windows.classes.len();
        let mut confusion = vec![vec![0; count]; count];
        for (cut, said) in windows.cuts.iter().zip(said) {
            confusion[cut.class][*said] += 1;
        }
        let share = |part: usize, of: usize| if of == 0 { 0.0 } else { part as f64 / of as f64 };
        let classes: Vec<ClassScores> = (0..count)
            .map(|class| {
                let hits = confusion[class][class];
                let windows_of: usize = confusion[class].iter().sum();
                let called: usize = confusion.iter().map(|row| row[class]).sum();
                ClassScores {
                    name: windows.classes[class].clone(),
                    windows: windows_of,
                    precision: share(hits, called),
                    recall: share(hits, windows_of),
                    f1: share(2 * hits, windows_of + called),
                }
            })
            .collect();
        let right = (0..count).map(|class| confusion[class][class]).sum();
        let all = windows.cuts.len();
        let present: Vec<&ClassScores> = classes.iter().filter(|class| class.windows > 0).collect();
        Self {
            windows: all,
            right,
            accuracy: share(right, all),
            macro_f1: present.iter().map(|class| class.f1).sum::<f64>()
                / present.len().max(1) as f64,
            confusion,
            classes,
        }
    }
}

/// Returns the logits of every window, `[windows][classes]`.
///
/// # Errors
///
/// [`HeadError`] for rows that are not the head's, or numbers out of range.
pub fn logits(
    head: &TemporalHead,
    backend: BackendKind,
    windows: &Windows,
) -> Result<Vec<Vec<f32>>, HeadError> {
    let mut rows = Vec::new();
    let mut of = |cut| {
        windows.read(cut, &mut rows);
        Ok(head.forward(&rows, backend)?.logits)
    };
    windows.cuts.iter().map(&mut of).collect()
}

/// Scores a head on windows, whose classes are to be in the order of the head's.
///
/// # Errors
///
/// As [`logits`].
pub fn score(
    head: &TemporalHead,
    backend: BackendKind,
    windows: &Windows,
) -> Result<Scores, HeadError> {
    let said: Vec<usize> = logits(head, backend, windows)?.iter().map(|of| largest(of)).collect();
    Ok(Scores::new(windows, &said))
}

/// Returns the place of the largest number, the first of equal ones.
pub(super) fn largest(numbers: &[f32]) -> usize {
    (1..numbers.len()).fold(0, |best, at| if numbers[at] > numbers[best] { at } else { best })
}
