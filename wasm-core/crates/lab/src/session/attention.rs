//! The attention room's questions: maps, divergence, edges of a row, sweep, classes.
//!
//! Layers below the one that is looked at run with the sparse pattern, as on the node; the layer
//! itself gets the same queries, keys and values for both kernels. Logits are those of the whole
//! head run sparse and run dense.

use csi_temporal::attention::map::{self, Heads};
use csi_temporal::attention::pattern::dense_edge_count;
use csi_temporal::attention::{BackendKind, EdgeKind, SparsePattern, Weighting, dense, sparse};
use csi_temporal::head::{LayerQkv, TemporalHead};

use super::features::Window;
use super::{LabError, Result, Session};
use crate::colour::ColourMap;
use crate::divergence::{self, Divergence, Saturated, Sweep, SweepPoint};
use crate::raster::Raster;

/// After this time no second round is timed, in milliseconds.
const TIMING_MS: f64 = 12.0;

/// How many decades below the largest weight the colours of a map reach.
const MAP_DECADES: f32 = 4.0;

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
    /// The sparse pattern; always causal.
    pub pattern: SparsePattern,
    /// Whether landmarks get `+ ln(count)`.
    pub ln_count: bool,
    /// Queries and keys of the layer are brought to this magnitude, see
    /// [`divergence::bring_to_magnitude`]; `None` leaves them as the weights make them. Logits
    /// are always those of the weights as they are.
    pub magnitude: Option<f32>,
    /// Theme.
    pub dark: bool,
}

/// Sparse against dense at one place.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionView {
    /// Rows in the window.
    pub n: usize,
    /// Times of the rows in seconds.
    pub times_s: Vec<f64>,
    /// Effective weights, decimal logarithm; no weight is transparent. Queries from top to
    /// bottom, tokens from left to right.
    pub sparse: Raster,
    /// The same on the same scale.
    pub dense: Raster,
    /// Dense minus sparse: what sparse attention leaves out is positive.
    pub difference: Raster,
    /// Of the outputs over all heads.
    pub divergence: Divergence,
    /// Edges of a pass, per head.
    pub edges_sparse: usize,
    /// Edges of a dense pass, per head.
    pub edges_dense: usize,
    /// Time of the sparse kernel in milliseconds, the better of two rounds.
    pub sparse_ms: f64,
    /// Time of the dense kernel in milliseconds, the better of two rounds.
    pub dense_ms: f64,
    /// Logits of the head run with the pattern.
    pub logits_sparse: Vec<f32>,
    /// Logits of the head run dense.
    pub logits_dense: Vec<f32>,
    /// For a pattern that covers the window.
    pub saturated: Option<Saturated>,
    /// See [`divergence::score_spread`].
    pub score_spread: f32,
}

/// One edge of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowEdge {
    /// Why it is there.
    pub kind: EdgeKind,
    /// Its first token.
    pub first: usize,
    /// Its last token.
    pub last: usize,
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

/// Probabilities of the classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Classification {
    /// By the head as its blob says; by its sparse pattern if that is dense.
    pub sparse: Vec<f32>,
    /// By the same weights run dense.
    pub dense: Vec<f32>,
}

/// A sweep under way.
pub(super) struct SweepState(Sweep);

/// Everything that a question needs.
struct Scene {
    window: Window,
    head: TemporalHead,
    qkv: LayerQkv,
    heads: Heads,
    weighting: Weighting,
    backend: BackendKind,
}

impl Session {
    /// Compares sparse with dense attention at the cursor. `now_ms` is the caller's clock.
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
        let scene = self.scene(ask)?;
        let input = scene.qkv.view();
        let n = scene.window.times_s.len();
        // A wasm engine runs a function slowly at first: the better of two rounds says
        // what the kernels cost.
        let (mut sparse_ms, mut dense_ms) = (f64::INFINITY, f64::INFINITY);
        let first = now_ms();
        let (sparse_out, dense_out) = loop {
            let started = now_ms();
            let sparse_out = sparse::forward(&input, &ask.pattern, scene.weighting)?;
            let between = now_ms();
            let dense_out = dense::forward(&input, true)?;
            let ended = now_ms();
            let known = sparse_ms.is_finite();
            sparse_ms = sparse_ms.min(between - started);
            dense_ms = dense_ms.min(ended - between);
            if known || ended - first > TIMING_MS {
                break (sparse_out, dense_out);
            }
        };
        let divergence = divergence::compare(&sparse_out, &dense_out);
        let sparse_map = map::sparse_map(&input, &ask.pattern, scene.weighting, scene.heads)?;
        let dense_map = map::dense_map(&input, true, scene.heads)?;
        let (sparse, dense) = weight_rasters(&sparse_map, &dense_map, n, ask.dark);
        Ok(AttentionView {
            n,
            sparse,
            dense,
            difference: difference_raster(&sparse_map, &dense_map, n, ask.dark),
            edges_sparse: ask.pattern.edge_count(n),
            edges_dense: dense_edge_count(n, true),
            sparse_ms,
            dense_ms,
            logits_sparse: scene.head.forward(&scene.window.values, scene.backend)?.logits,
            logits_dense: scene.head.forward(&scene.window.values, BackendKind::Dense)?.logits,
            saturated: divergence::saturated(&input, &ask.pattern, &divergence),
            score_spread: divergence::score_spread(&input, scene.heads),
            divergence,
            times_s: scene.window.times_s,
        })
    }

    /// Returns the edges and the weights of one row of the maps.
    ///
    /// # Errors
    ///
    /// As [`Session::attention`]; [`LabError::Attention`] for a row out of range.
    pub fn attention_row(&mut self, ask: &AttentionAsk, row: usize) -> Result<RowView> {
        let scene = self.scene(ask)?;
        let input = scene.qkv.view();
        let sparse = map::sparse_row(&input, &ask.pattern, scene.weighting, row, scene.heads)?;
        let dense = map::dense_row(&input, true, row, scene.heads)?;
        let mut edges = Vec::new();
        ask.pattern.row_edges(row, sparse.len(), &mut edges);
        let view = |edge: csi_temporal::attention::Edge| {
            let tokens = edge.tokens();
            RowEdge {
                kind: edge.kind(),
                first: tokens.start,
                last: tokens.end - 1,
                seconds: scene.window.times_s[tokens.start],
                weight_sparse: sparse[tokens.clone()].iter().sum(),
                weight_dense: dense[tokens].iter().sum(),
            }
        };
        let edges = edges.into_iter().map(view).collect();
        Ok(RowView { edges, sparse, dense })
    }

    /// Starts a sweep over window and block size and returns how many points it has.
    ///
    /// # Errors
    ///
    /// As [`Session::attention`].
    pub fn sweep_begin(&mut self, ask: &AttentionAsk) -> Result<usize> {
        let scene = self.scene(ask)?;
        let input = scene.qkv.view();
        let sweep = Sweep::new(&input, dense::forward(&input, true)?, ask.pattern, scene.weighting);
        Ok(self.sweep.insert(SweepState(sweep)).0.remaining())
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
        let sweep = self.sweep.as_mut().ok_or(LabError::NoSweep)?;
        Ok(sweep.0.step(budget_ms, now_ms)?)
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
        let mut head = self.need_model()?.head.clone()?;
        let window = self.window(ask.frame, ask.n)?;
        if window.dim != head.feature_dim() {
            return Err(LabError::Features { got: window.dim, expected: head.feature_dim() });
        }
        head.set_pattern(ask.pattern)?;
        let (weighting, backend) = if ask.ln_count {
            (Weighting::LnCount, BackendKind::SparseLnCount)
        } else {
            (Weighting::Plain, BackendKind::Sparse)
        };
        let mut qkv = head.layer_qkv(&window.values, ask.layer, backend)?;
        if let Some(magnitude) = ask.magnitude {
            if !(MAGNITUDES.contains(&magnitude)) {
                return Err(LabError::Magnitude);
            }
            divergence::bring_to_magnitude(&mut qkv.q, magnitude);
            divergence::bring_to_magnitude(&mut qkv.k, magnitude);
        }
        let heads = ask.head.map_or(Heads::Mean, Heads::One);
        Ok(Scene { window, head, qkv, heads, weighting, backend })
    }
}

/// Both maps on one logarithmic scale.
fn weight_rasters(sparse: &[f32], dense: &[f32], n: usize, dark: bool) -> (Raster, Raster) {
    let largest = sparse.iter().chain(dense).copied().fold(f32::MIN_POSITIVE, f32::max);
    let max = largest.log10();
    let range = (max - MAP_DECADES, max);
    let paint = |weights: &[f32]| {
        let logs: Vec<f32> = weights.iter().map(|weight| weight.log10()).collect();
        Raster::paint(&logs, n, range, ColourMap::Magma, dark)
    };
    (paint(sparse), paint(dense))
}

fn difference_raster(sparse: &[f32], dense: &[f32], n: usize, dark: bool) -> Raster {
    let difference: Vec<f32> =
        dense.iter().zip(sparse).map(|(dense, sparse)| dense - sparse).collect();
    // The diagonal of the first rows would outshine everything: the 99.5th percentile of what is
    // not zero is the end of the scale.
    let mut sizes: Vec<f32> =
        difference.iter().map(|value| value.abs()).filter(|size| *size > 0.0).collect();
    let most =
        if sizes.is_empty() { 1.0 } else { crate::raster::quantiles(&mut sizes, 0.0, 0.995).1 };
    Raster::paint(&difference, n, (-most, most), ColourMap::Vik, dark)
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
