//! Figures over windows, as JSON and as tables.

use std::fmt::Write as _;

use csi_lab::train::evaluate::Scores;
use serde::Serialize;

/// What a head came to on a set of windows.
#[derive(Serialize)]
pub struct ScoreReport {
    pub windows: usize,
    pub right: usize,
    pub accuracy: f64,
    pub macro_f1: f64,
    pub classes: Vec<ClassReport>,
    /// Windows of class `[true][said]`, in the order of `classes`.
    pub confusion: Vec<Vec<usize>>,
}

#[derive(Serialize)]
pub struct ClassReport {
    name: String,
    windows: usize,
    precision: f64,
    recall: f64,
    f1: f64,
}

impl From<Scores> for ScoreReport {
    fn from(scores: Scores) -> Self {
        let class = |class: csi_lab::train::evaluate::ClassScores| ClassReport {
            name: class.name,
            windows: class.windows,
            precision: class.precision,
            recall: class.recall,
            f1: class.f1,
        };
        Self {
            windows: scores.windows,
            right: scores.right,
            accuracy: scores.accuracy,
            macro_f1: scores.macro_f1,
            classes: scores.classes.into_iter().map(class).collect(),
            confusion: scores.confusion,
        }
    }
}

impl ScoreReport {
    /// Accuracy, then a line per class with its row of the confusion matrix.
    pub fn for_people(&self) -> String {
        let mut text = format!(
            "accuracy {:.3} ({} of {} windows), macro F1 {:.3}\n",
            self.accuracy, self.right, self.windows, self.macro_f1
        );
        let width = self.classes.iter().map(|class| class.name.len()).max().unwrap_or(0);
        let _ = writeln!(text, "{:width$}  windows     F1  said to be, in the same order", "");
        for (class, row) in self.classes.iter().zip(&self.confusion) {
            let row: Vec<String> = row.iter().map(|count| format!("{count:4}")).collect();
            let (name, count, f1) = (&class.name, class.windows, class.f1);
            let _ = writeln!(text, "{name:width$}  {count:7}  {f1:5.3} {}", row.concat());
        }
        text
    }
}
