//! What is to be trained, and how.

use core::fmt;

use csi_temporal::rvne::Pooling;

use super::augment::Augment;
use super::contrast::Contrast;
use crate::pattern::Pattern;

/// What is to be trained, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainConfig {
    /// The head's dimensions.
    pub size: Size,
    /// What attention looks at; `None` is everything up to the row.
    pub pattern: Option<Pattern>,
    /// What the classifier reads.
    pub pooling: Pooling,
    /// How often every window is seen, see [`TrainConfig::epochs_for`].
    pub epochs: usize,
    /// Windows between two steps of the optimiser, rounded up to a multiple of eight.
    pub batch: usize,
    /// The highest learning rate.
    pub rate: f32,
    /// AdamW's weight decay, of matrices only.
    pub decay: f32,
    /// The longest gradient; longer ones are shortened to it.
    pub clip: f32,
    /// Share of the target that all classes get alike.
    pub smoothing: f32,
    /// Whether every class weighs the same, however many windows it has.
    pub balance: bool,
    /// What is to become small.
    pub objective: Objective,
    /// How windows are changed each time they are seen.
    pub augment: Augment,
    /// What all chance comes from.
    pub seed: u64,
}

/// What training makes small.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Objective {
    /// Cross-entropy of the classes.
    #[default]
    Classes,
    /// The contrastive objective over two views of each window: an embedding that needs no labels.
    /// The classifier stays as it started.
    Views(Contrast),
    /// The sum of both.
    Both(Contrast),
}

/// The dimensions of a head that do not follow from data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Numbers in a row inside the head; 0 takes features as they are, without an embedding.
    pub width: usize,
    /// Query heads.
    pub q_heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Numbers a head.
    pub head_dim: usize,
    /// Layers.
    pub layers: usize,
    /// Numbers between the matrices of the feed-forward; 0 for none.
    pub hidden: usize,
}

impl Size {
    /// Every name, smallest first.
    pub const NAMES: [&'static str; 3] = ["small", "node", "large"];

    /// Returns a size by its name: what it is for is in `docs/training.md`.
    pub fn named(name: &str) -> Option<Self> {
        let size = |width, kv_heads, hidden| Self {
            width,
            q_heads: 4,
            kv_heads,
            head_dim: width / 4,
            layers: 2,
            hidden,
        };
        match name {
            "small" => Some(size(24, 1, 48)),
            "node" => Some(size(40, 2, 80)),
            "large" => Some(size(48, 2, 96)),
            _ => None,
        }
    }
}

impl TrainConfig {
    /// Returns how often to see each of so many windows: as often as helps a small set, and less the
    /// more there are, but never less than 15 times.
    pub fn epochs_for(windows: usize) -> usize {
        (40_000 / windows.max(1)).clamp(15, 80)
    }
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            size: Size::named("node").expect("a named size"),
            pattern: None,
            pooling: Pooling::Mean,
            epochs: 80,
            batch: 32,
            rate: 3e-3,
            decay: 0.05,
            clip: 1.0,
            smoothing: 0.1,
            balance: false,
            objective: Objective::Classes,
            augment: Augment::default(),
            seed: 1,
        }
    }
}

/// Why training cannot start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrainError {
    /// There is no labelled window.
    NoWindows,
    /// All windows are of one class.
    OneClass,
    /// Rows of different recordings have different widths or pipelines.
    Mixed,
    /// A dimension is 0, too large, or heads do not share evenly.
    Shape,
    /// The pattern looks at the keys: it has no gradient.
    NoGradient,
    /// The teacher does not name the classes of the windows, all of them and no other.
    TeacherClasses {
        /// Classes that it names.
        teacher: usize,
        /// Classes of the windows.
        windows: usize,
    },
    /// The teacher reads rows of another pipeline.
    TeacherFeatures {
        /// Numbers in a row that it reads.
        teacher: usize,
        /// Numbers in a row of the windows.
        windows: usize,
    },
    /// The teacher's weights make no head.
    TeacherHead,
    /// The temperature is not above 0, the share not between 0 and 1, or no class is trained.
    TeacherShare,
}

impl TrainError {
    /// Returns the stable code that the page and the docs match on.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoWindows => "train/no-windows",
            Self::OneClass => "train/one-class",
            Self::Mixed => "train/mixed",
            Self::Shape => "train/shape",
            Self::NoGradient => "train/no-gradient",
            Self::TeacherClasses { .. } => "train/teacher-classes",
            Self::TeacherFeatures { .. } => "train/teacher-features",
            Self::TeacherHead => "train/teacher-head",
            Self::TeacherShare => "train/teacher-share",
        }
    }
}

impl fmt::Display for TrainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = match self {
            Self::NoWindows => "there is no labelled window to train on",
            Self::OneClass => "all windows to train on are of one class",
            Self::Mixed => "the recordings were not read by the same pipeline",
            Self::Shape => "a head of these dimensions cannot be made",
            Self::NoGradient => "the salient pattern cannot be trained, only run",
            Self::TeacherClasses { teacher, windows } => {
                return write!(
                    f,
                    "the teacher's {teacher} classes are not the {windows} of the windows by name"
                );
            }
            Self::TeacherFeatures { teacher, windows } => {
                return write!(
                    f,
                    "the teacher reads {teacher} features a row by a pipeline of its own, the windows \
                     have {windows}: train it on the same recordings and rate"
                );
            }
            Self::TeacherHead => "the teacher's weights make no head",
            Self::TeacherShare => {
                "a teacher's temperature is above 0, its share 0 to 1, and classes are trained"
            }
        };
        f.write_str(sentence)
    }
}

impl core::error::Error for TrainError {}
