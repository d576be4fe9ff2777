//! One pattern against dense attention over one window: the pattern at once, dense piece by piece.
//!
//! Dense attention over some thousand rows takes longer than a page may stand still, the pattern
//! takes a twentieth of that. So [`Comparison::new`] answers for the pattern, and
//! [`Comparison::step`] works off the rest in slices. Maps are thinned ([`ThinMap`]): nothing here
//! holds `n * n` numbers.
//!
//! Both kernels get the same queries, keys and values. What a colour stands for is the same in
//! every map of weights, so that maps can be compared.

use csi_temporal::attention::map::{self, Heads};
use csi_temporal::attention::pattern::dense_edge_count;
use csi_temporal::attention::{AttentionError, SparsePattern, Workspace, dense};
use csi_temporal::head::LayerQkv;
use csi_temporal::tensor::Tensor3;

use crate::colour::ColourMap;
use crate::divergence::{self, Divergence, Saturated, Sweep};
use crate::pattern::Pattern;
use crate::raster::{Raster, ThinMap, quantiles};

/// The most cells a map has a side.
pub const MAP_SIDE: usize = 512;

/// After this time no second round is timed, in milliseconds.
const TIMING_MS: f64 = 12.0;

/// Rows of the dense pass between two looks at the clock.
const DENSE_ROWS: usize = 256;
/// Rows of a map between two looks at the clock.
const MAP_ROWS: usize = 64;

/// How many decades below 1 the colours of a map of weights reach: four, and far enough that the
/// mean weight of a long window is seen.
fn decades(n: usize) -> f32 {
    ((n.max(1) as f32).log10() + 1.0).max(4.0)
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Subject {
    /// The pattern.
    pub pattern: Pattern,
    /// Upstream's edges to compare it with, where it is another pattern.
    pub upstream: SparsePattern,
    /// Heads whose weights the maps show.
    pub heads: Heads,
    /// Theme of the maps.
    pub dark: bool,
}

/// What the pattern gives.
#[derive(Clone, Debug, PartialEq)]
pub struct SparseSide {
    /// Effective weights, decimal logarithm; no weight is transparent. Queries from top to
    /// bottom, tokens from left to right.
    pub map: Raster,
    /// Rows and columns that a cell of the maps stands for, see [`ThinMap`].
    pub per_cell: usize,
    /// Edges of a pass, per head.
    pub edges: usize,
    /// Edges of a dense pass, per head.
    pub edges_dense: usize,
    /// Time of the kernel in milliseconds, the better of two rounds.
    pub ms: f64,
}

/// How the pattern differs from dense.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseSide {
    /// Dense weights on the scale of [`SparseSide::map`].
    pub map: Raster,
    /// Dense minus sparse: what the pattern leaves out is positive.
    pub difference: Raster,
    /// Of the outputs over all heads.
    pub divergence: Divergence,
    /// Upstream's edges on the same window; `None` when the pattern is these.
    pub upstream: Option<Upstream>,
    /// Time of the kernel in milliseconds, the better of two rounds where one is short.
    pub ms: f64,
    /// For upstream's edges that cover the window.
    pub saturated: Option<Saturated>,
    /// See [`divergence::score_spread`].
    pub score_spread: f32,
}

/// How far upstream's edges are from dense.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Upstream {
    /// Edges of a pass, per head.
    pub edges: usize,
    /// Mean absolute difference of the outputs.
    pub mean_abs: f32,
    /// Largest absolute difference.
    pub max_abs: f32,
}

/// A comparison under way.
pub struct Comparison {
    qkv: LayerQkv,
    subject: Subject,
    output: Tensor3,
    dense: Tensor3,
    workspace: Workspace,
    dense_map: ThinMap,
    difference: ThinMap,
    stage: Stage,
    /// How many rows the stage has done.
    row: usize,
    /// Time of this round of the dense pass, and of the better of the rounds before.
    round_ms: f64,
    best_ms: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Dense,
    Maps,
    Done,
}

impl Comparison {
    /// Runs the pattern and draws its map.
    ///
    /// # Errors
    ///
    /// What the kernels refuse.
    pub fn new(
        qkv: LayerQkv,
        subject: Subject,
        now_ms: &dyn Fn() -> f64,
    ) -> Result<(Self, SparseSide), AttentionError> {
        let (input, [n, q_heads, dim]) = (qkv.view(), qkv.q.shape());
        let Subject { pattern, heads, dark, .. } = subject;
        // A wasm engine runs a function slowly at first: the better of two rounds says what the
        // kernel costs.
        let started = now_ms();
        let mut output = pattern.forward(&input)?;
        let mut ms = now_ms() - started;
        if ms <= TIMING_MS {
            let started = now_ms();
            output = pattern.forward(&input)?;
            ms = ms.min(now_ms() - started);
        }
        let empty = ThinMap::new(n, MAP_SIDE);
        let mut thin = empty.clone();
        let shown = (0..empty.side).map(|row| empty.shown(row));
        pattern.map_rows(&input, heads, shown, |row, weights| thin.fill(row, weights))?;
        let sparse = SparseSide {
            map: weights_raster(&thin, n, dark),
            per_cell: thin.per_cell,
            edges: pattern.edge_count(n),
            edges_dense: dense_edge_count(n, true),
            ms,
        };
        let comparison = Self {
            qkv,
            subject,
            output,
            dense: Tensor3::zeros(n, q_heads, dim),
            workspace: Workspace::new(),
            dense_map: empty.clone(),
            difference: empty,
            stage: Stage::Dense,
            row: 0,
            round_ms: 0.0,
            best_ms: f64::INFINITY,
        };
        Ok((comparison, sparse))
    }

    /// Works for about `budget_ms` by the caller's clock. `None` while there is more to do; once
    /// there is not, every call gives the answer.
    ///
    /// # Errors
    ///
    /// What the kernels refuse.
    pub fn step(
        &mut self,
        budget_ms: f64,
        now_ms: &dyn Fn() -> f64,
    ) -> Result<Option<DenseSide>, AttentionError> {
        let started = now_ms();
        while self.stage != Stage::Done {
            self.piece(now_ms)?;
            if self.stage != Stage::Done && now_ms() - started >= budget_ms.max(0.0) {
                return Ok(None);
            }
        }
        self.answer().map(Some)
    }

    /// Finishes the dense pass and starts a sweep around the pattern.
    ///
    /// # Errors
    ///
    /// What the kernels refuse.
    pub fn sweep(&mut self, now_ms: &dyn Fn() -> f64) -> Result<Sweep, AttentionError> {
        while self.stage == Stage::Dense {
            self.piece(now_ms)?;
        }
        Ok(Sweep::new(&self.qkv.view(), self.dense.clone(), self.subject.pattern))
    }

    fn piece(&mut self, now_ms: &dyn Fn() -> f64) -> Result<(), AttentionError> {
        match self.stage {
            Stage::Dense => self.dense_piece(now_ms),
            Stage::Maps => self.map_piece(),
            Stage::Done => Ok(()),
        }
    }

    fn dense_piece(&mut self, now_ms: &dyn Fn() -> f64) -> Result<(), AttentionError> {
        let [n, q_heads, dim] = self.qkv.q.shape();
        let (rows, width) = (self.row..n.min(self.row + DENSE_ROWS), q_heads * dim);
        let out = &mut self.dense.data_mut()[rows.start * width..rows.end * width];
        let started = now_ms();
        dense::rows_into(&self.qkv.view(), true, rows.clone(), &mut self.workspace, out)?;
        self.round_ms += now_ms() - started;
        self.row = rows.end;
        if self.row == n {
            let again = self.best_ms.is_infinite() && self.round_ms <= TIMING_MS;
            self.best_ms = self.best_ms.min(self.round_ms);
            self.stage = if again { Stage::Dense } else { Stage::Maps };
            (self.row, self.round_ms) = (0, 0.0);
        }
        Ok(())
    }

    fn map_piece(&mut self) -> Result<(), AttentionError> {
        let Self { qkv, subject, dense_map, difference, .. } = self;
        let (input, n) = (qkv.view(), qkv.q.seq());
        let cells = self.row..dense_map.side.min(self.row + MAP_ROWS);
        let shown: Vec<usize> = cells.clone().map(|cell| dense_map.shown(cell)).collect();
        let mut sparse = Vec::with_capacity(shown.len() * n);
        let rows = || shown.iter().copied();
        subject.pattern.map_rows(&input, subject.heads, rows(), |_, weights| {
            sparse.extend_from_slice(weights);
        })?;
        let mut sparse = sparse.chunks_exact_mut(n.max(1));
        map::dense_rows(&input, true, subject.heads, rows(), |row, weights| {
            dense_map.fill(row, weights);
            if let Some(sparse) = sparse.next() {
                for (sparse, dense) in sparse.iter_mut().zip(weights) {
                    *sparse = dense - *sparse;
                }
                difference.fill(row, sparse);
            }
        })?;
        self.row = cells.end;
        if self.row == self.dense_map.side {
            self.stage = Stage::Done;
        }
        Ok(())
    }

    fn answer(&self) -> Result<DenseSide, AttentionError> {
        let Self { subject, dense, .. } = self;
        let (input, n) = (self.qkv.view(), self.qkv.q.seq());
        let divergence = divergence::compare(&self.output, dense);
        let upstream = match Pattern::Upstream(subject.upstream) {
            upstream if upstream == subject.pattern => None,
            upstream => {
                let Divergence { mean_abs, max_abs, .. } =
                    divergence::compare(&upstream.forward(&input)?, dense);
                Some(Upstream { edges: upstream.edge_count(n), mean_abs, max_abs })
            }
        };
        Ok(DenseSide {
            map: weights_raster(&self.dense_map, n, subject.dark),
            difference: difference_raster(&self.difference, subject.dark),
            upstream,
            ms: self.best_ms,
            saturated: divergence::saturated(&input, &subject.pattern, &divergence),
            score_spread: divergence::score_spread(&input, subject.heads),
            divergence,
        })
    }
}

fn weights_raster(weights: &ThinMap, n: usize, dark: bool) -> Raster {
    let logs: Vec<f32> = weights.cells.iter().map(|weight| weight.log10()).collect();
    Raster::paint(&logs, weights.side, (-decades(n), 0.0), ColourMap::Magma, dark)
}

fn difference_raster(difference: &ThinMap, dark: bool) -> Raster {
    // The diagonal of the first rows would outshine everything: the 99.5th percentile of what is
    // not zero is the end of the scale.
    let sizes = difference.cells.iter().map(|value| value.abs());
    let mut sizes: Vec<f32> = sizes.filter(|size| *size > 0.0).collect();
    let most = if sizes.is_empty() { 1.0 } else { quantiles(&mut sizes, 0.0, 0.995).1 };
    Raster::paint(&difference.cells, difference.side, (-most, most), ColourMap::Vik, dark)
}
