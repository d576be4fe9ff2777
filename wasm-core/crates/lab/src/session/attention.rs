//! The attention room's questions: a pattern against dense, edges of a row, sweep, logits, classes.
//!
//! Layers below the one that is looked at run with the pattern, as on the node; the layer itself
//! gets the same queries, keys and values for both kernels. Logits are those of the whole head run
//! with the pattern and run dense.

use csi_temporal::attention::map::{self, Heads};
use csi_temporal::attention::{BackendKind, SparsePattern};
use csi_temporal::half::Storage;
use csi_temporal::head::{LayerQkv, TemporalHead};
use csi_temporal::rvne::AttentionRecord;

use super::features::Window;
use super::{LabError, Result, Session};
use crate::comparison::{Comparison, DenseSide, SparseSide, Subject};
use crate::divergence::{self, Sweep, SweepPoint};
use crate::pattern::{Pattern, Reason};

/// The magnitudes that queries and keys can be brought to: far below it every row is a plain mean,
/// far above it scores leave `f32`.
pub const MAGNITUDES: core::ops::RangeInclusive<f32> = 0.001..=100.0;

/// What attention is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionAsk {
    /// The cursor: the window's last row is the last one not later than this frame.
    pub frame: usize,
    /// Rows in the window; fewer near the start.
    pub n: usize,
    /// Layer of the head.
    pub layer: usize,
    /// Query head; `None` for the mean over all in the maps.
    pub head: Option<usize>,
    /// What rows look at; always causal.
    pub pattern: Pattern,
    /// Upstream's edges that the pattern is compared with.
    pub upstream: SparsePattern,
    /// Queries and keys of the layer are brought to this magnitude, see
    /// [`divergence::bring_to_magnitude`]; `None` leaves them as the weights make them. Logits
    /// are always those of the weights as they are.
    pub magnitude: Option<f32>,
    /// Theme.
    pub dark: bool,
}

/// What the pattern gives at one place.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionView {
    /// Rows in the window.
    pub n: usize,
    /// Times of the rows in seconds.
    pub times_s: Vec<f64>,
    /// Map, edges, time.
    pub sparse: SparseSide,
}

/// One edge of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowEdge {
    /// Why it is there.
    pub reason: Reason,
    /// Its first token.
    pub first: usize,
    /// Its last token.
    pub last: usize,
    /// How many tokens it stands for; all from the first to the last, or some of them.
    pub count: usize,
    /// Time of its first token in seconds.
    pub seconds: f64,
    /// Effective sparse weight of its tokens, over all edges that reach them.
    pub weight_sparse: f32,
    /// Dense weight of its tokens.
    pub weight_dense: f32,
}

/// One row of the maps in numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct RowView {
    /// Its edges, in the order in which the kernel visits them.
    pub edges: Vec<RowEdge>,
    /// Effective sparse weight of each token, over all edges that reach it.
    pub sparse: Vec<f32>,
    /// Dense weight of each token.
    pub dense: Vec<f32>,
}

/// What the whole head says of a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Logits {
    /// Run with the pattern.
    pub sparse: Vec<f32>,
    /// Run dense.
    pub dense: Vec<f32>,
    /// Largest difference of a logit of [`Logits::sparse`] to the same head with rows kept as f32;
    /// `None` for a head that keeps them so.
    pub f16_rows_max_abs: Option<f32>,
}

/// Probabilities of the classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Classification {
    /// By the head as its blob says; by its sparse pattern if that is dense.
    pub sparse: Vec<f32>,
    /// By the same weights run dense.
    pub dense: Vec<f32>,
}

/// What goes on from call to call; it ends with what it was made of.
#[derive(Default)]
pub(super) struct Ongoing {
    comparison: Option<Comparison>,
    sweep: Option<Sweep>,
}

/// Everything that a question needs.
struct Scene {
    window: Window,
    qkv: LayerQkv,
    heads: Heads,
}

impl Session {
    /// Runs a pattern at the cursor; [`Session::attention_step`] then compares it with dense
    /// attention. `now_ms` is the caller's clock.
    ///
    /// # Errors
    ///
    /// [`LabError::NoRecording`], [`LabError::NoModel`], [`LabError::Frame`],
    /// [`LabError::NoRows`], [`LabError::Features`], and what head and kernels refuse.
    pub fn attention(
        &mut self,
        ask: &AttentionAsk,
        now_ms: &dyn Fn() -> f64,
    ) -> Result<AttentionView> {
        let Scene { window, qkv, heads } = self.scene(ask)?;
        let (pattern, upstream, dark) = (ask.pattern, ask.upstream, ask.dark);
        let subject = Subject { pattern, upstream, heads, dark };
        let (comparison, sparse) = Comparison::new(qkv, subject, now_ms)?;
        self.ongoing.comparison = Some(comparison);
        Ok(AttentionView { n: window.times_s.len(), times_s: window.times_s, sparse })
    }

    /// Goes on with the comparison for about `budget_ms`; `None` while there is more to do.
    ///
    /// # Errors
    ///
    /// [`LabError::NoComparison`] before [`Session::attention`], and after recording, model or
    /// pipeline changed; what the kernels refuse.
    pub fn attention_step(
        &mut self,
        budget_ms: f64,
        now_ms: &dyn Fn() -> f64,
    ) -> Result<Option<DenseSide>> {
        let comparison = self.ongoing.comparison.as_mut().ok_or(LabError::NoComparison)?;
        Ok(comparison.step(budget_ms, now_ms)?)
    }

    /// Returns the edges and the weights of one row of the maps.
    ///
    /// # Errors
    ///
    /// As [`Session::attention`]; [`LabError::Attention`] for a row out of range.
    pub fn attention_row(&mut self, ask: &AttentionAsk, row: usize) -> Result<RowView> {
        let Scene { window, qkv, heads } = self.scene(ask)?;
        let input = qkv.view();
        let seen = ask.pattern.row_edges(&input, row)?;
        let mut sparse = Vec::new();
        ask.pattern.map_rows(&input, heads, [row], |_, weights| sparse = weights.to_vec())?;
        let dense = map::dense_row(&input, true, row, heads)?;
        let view = |seen: crate::pattern::Seen| {
            let (first, last) = (seen.tokens[0], seen.tokens[seen.tokens.len() - 1]);
            let sum = |weights: &[f32]| seen.tokens.iter().map(|token| weights[*token]).sum();
            RowEdge {
                reason: seen.reason,
                first,
                last,
                count: seen.tokens.len(),
                seconds: window.times_s[first],
                weight_sparse: sum(&sparse),
                weight_dense: sum(&dense),
            }
        };
        let edges = seen.into_iter().map(view).collect();
        Ok(RowView { edges, sparse, dense })
    }

    /// Starts a sweep around the pattern of the last [`Session::attention`], on its window, and
    /// returns how many points it has.
    ///
    /// # Errors
    ///
    /// As [`Session::attention_step`].
    pub fn sweep_begin(&mut self, now_ms: &dyn Fn() -> f64) -> Result<usize> {
        let comparison = self.ongoing.comparison.as_mut().ok_or(LabError::NoComparison)?;
        Ok(self.ongoing.sweep.insert(comparison.sweep(now_ms)?).remaining())
    }

    /// Computes the next points of the sweep within about `budget_ms`; empty when finished.
    ///
    /// # Errors
    ///
    /// [`LabError::NoSweep`] before a sweep, and after recording, model or pipeline changed.
    pub fn sweep_step(
        &mut self,
        budget_ms: f64,
        now_ms: &dyn Fn() -> f64,
    ) -> Result<Vec<SweepPoint>> {
        let sweep = self.ongoing.sweep.as_mut().ok_or(LabError::NoSweep)?;
        Ok(sweep.step(budget_ms, now_ms)?)
    }

    /// Runs the whole head with the pattern and dense. Takes one dense pass a layer.
    ///
    /// # Errors
    ///
    /// As [`Session::attention`].
    pub fn logits(&mut self, ask: &AttentionAsk) -> Result<Logits> {
        let (head, window, backend) = self.head_and_window(ask)?;
        let sparse = head.forward(&window.values, backend)?.logits;
        let dense = head.forward(&window.values, BackendKind::Dense)?.logits;
        let f16_rows_max_abs = match head.storage() {
            Storage::F32 => None,
            Storage::F16 => {
                let exact = self.with_f32_rows(&head)?.forward(&window.values, backend)?.logits;
                let differences = sparse.iter().zip(&exact).map(|(a, b)| (a - b).abs());
                Some(differences.fold(0.0, f32::max))
            }
        };
        Ok(Logits { sparse, dense, f16_rows_max_abs })
    }

    /// Makes the same head with rows kept as f32.
    fn with_f32_rows(&self, head: &TemporalHead) -> Result<TemporalHead> {
        let mut blob = self.need_model()?.blob.clone();
        blob.trailer.attention = Some(AttentionRecord { storage: Storage::F32, ..head.record() });
        let mut exact = TemporalHead::from_blob(&blob)?;
        exact.set_pattern(head.pattern())?;
        Ok(exact)
    }

    /// Class probabilities for the window at the cursor; `None` without a model that can run on
    /// these features, or without rows.
    ///
    /// # Errors
    ///
    /// What the recording, the pipeline or the kernels refuse.
    pub fn classify(&mut self, frame: usize, n: usize) -> Result<Option<Classification>> {
        let Some(head) = self.model.as_ref().and_then(|model| model.head.as_ref().ok()).cloned()
        else {
            return Ok(None);
        };
        let window = match self.window(frame, n) {
            Err(LabError::NoRows) => return Ok(None),
            window => window?,
        };
        if window.dim != head.feature_dim() {
            return Ok(None);
        }
        let own = if head.backend().is_dense() { BackendKind::Sparse } else { head.backend() };
        Ok(Some(Classification {
            sparse: softmax(&head.forward(&window.values, own)?.logits),
            dense: softmax(&head.forward(&window.values, BackendKind::Dense)?.logits),
        }))
    }

    fn scene(&mut self, ask: &AttentionAsk) -> Result<Scene> {
        let (head, window, backend) = self.head_and_window(ask)?;
        let mut qkv = head.layer_qkv(&window.values, ask.layer, backend)?;
        if let Some(magnitude) = ask.magnitude {
            if !(MAGNITUDES.contains(&magnitude)) {
                return Err(LabError::Magnitude);
            }
            divergence::bring_to_magnitude(&mut qkv.q, magnitude);
            divergence::bring_to_magnitude(&mut qkv.k, magnitude);
        }
        Ok(Scene { window, qkv, heads: ask.head.map_or(Heads::Mean, Heads::One) })
    }

    fn head_and_window(
        &mut self,
        ask: &AttentionAsk,
    ) -> Result<(TemporalHead, Window, BackendKind)> {
        let mut head = self.need_model()?.head.clone()?;
        let window = self.window(ask.frame, ask.n)?;
        if window.dim != head.feature_dim() {
            return Err(LabError::Features { got: window.dim, expected: head.feature_dim() });
        }
        ask.pattern.validate()?;
        let (backend, pattern) = ask.pattern.backend();
        head.set_pattern(pattern)?;
        Ok((head, window, backend))
    }
}

/// Probabilities of logits, by the core's own `exp`.
fn softmax(logits: &[f32]) -> Vec<f32> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut values: Vec<f32> =
        logits.iter().map(|logit| csi_temporal::math::exp(logit - max)).collect();
    let sum: f32 = values.iter().sum();
    values.iter_mut().for_each(|value| *value /= sum);
    values
}
