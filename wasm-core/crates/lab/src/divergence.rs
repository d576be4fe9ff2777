//! Divergence: how far sparse attention is from dense attention with the same weights on the same
//! rows, at one layer.
//!
//! Both kernels get the same queries, keys and values, so the difference is the pattern's alone.
//! Nothing here knows recordings, features or colours, and it judges no model: a pattern put on
//! weights that were trained densely is not a model trained with the pattern.

use csi_temporal::attention::map::Heads;
use csi_temporal::attention::{AttentionError, Pyramid, Qkv, Salient, SparsePattern};
use csi_temporal::tensor::Tensor3;

use crate::pattern::Pattern;

/// The difference of two outputs of shape `[seq, heads, dim]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Divergence {
    /// For each row, the largest absolute difference over heads and dimensions.
    pub per_frame_max: Vec<f32>,
    /// For each row, the mean absolute difference.
    pub per_frame_mean: Vec<f32>,
    /// The largest absolute difference of all.
    pub max_abs: f32,
    /// The mean absolute difference of all.
    pub mean_abs: f32,
    /// Root mean square of the dense output: what the difference is to be seen against.
    pub dense_rms: f32,
}

/// Compares outputs of the same shape; rows that only one has are left out.
pub fn compare(sparse: &Tensor3, dense: &Tensor3) -> Divergence {
    let width = (dense.heads() * dense.dim()).max(1);
    let (mut result, mut sum, mut squares, mut count) = (Divergence::default(), 0.0, 0.0, 0usize);
    for (a, b) in sparse.data().chunks_exact(width).zip(dense.data().chunks_exact(width)) {
        let (mut row_max, mut row_sum) = (0.0f32, 0.0f64);
        for (a, b) in a.iter().zip(b) {
            let difference = (a - b).abs();
            row_max = row_max.max(difference);
            row_sum += f64::from(difference);
            squares += f64::from(*b) * f64::from(*b);
        }
        result.per_frame_max.push(row_max);
        result.per_frame_mean.push((row_sum / width as f64) as f32);
        result.max_abs = result.max_abs.max(row_max);
        sum += row_sum;
        count += width;
    }
    if count > 0 {
        result.mean_abs = (sum / count as f64) as f32;
        result.dense_rms = (squares / count as f64).sqrt() as f32;
    }
    result
}

/// Scales queries or keys to a magnitude: numbers spread evenly over `-m ..= m` have a root mean
/// square of `m / sqrt(3)`, and that is what `tensor` gets. All zeros stay zeros.
///
/// Untrained weights give scores so small that every row is a plain mean of what it sees. At a
/// magnitude of 1 to 4, as trained heads have it, rows choose, and patterns differ in what they
/// miss. Only ratios between tokens of one recording are kept; this is no model anyone trained.
pub fn bring_to_magnitude(tensor: &mut Tensor3, magnitude: f32) {
    let squares: f64 = tensor.data().iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    if squares > 0.0 {
        let rms = libm::sqrt(squares / tensor.data().len() as f64);
        let factor = (f64::from(magnitude) / libm::sqrt(3.0) / rms) as f32;
        tensor.data_mut().iter_mut().for_each(|x| *x *= factor);
    }
}

/// What is left when upstream's edges cover the whole window.
///
/// Such a pattern is dense attention but for one thing: when a block of landmarks ends at a row,
/// that row sees the block's tokens and their mean, and counts them twice. With `window` and
/// `block_size` both at least the sequence this can only be the last row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Saturated {
    /// Largest absolute difference over all rows but the last.
    pub max_abs_but_last: f32,
    /// Largest absolute difference of the last row.
    pub max_abs_last: f32,
    /// Largest absolute query or key: how small the activations are for which this holds.
    pub magnitude: f32,
    /// Whether every difference is below [`SATURATED_LIMIT`].
    pub passes: bool,
}

/// The bound of the check. It is a statement about small activations: at a magnitude around 1 the
/// last row's double counting alone exceeds it.
pub const SATURATED_LIMIT: f32 = 1e-4;

/// Examines upstream's edges, with `+ ln(count)` or without, that cover the window; `None` for
/// others, and for patterns that count no token twice: they are dense attention then.
pub fn saturated(input: &Qkv<'_>, pattern: &Pattern, difference: &Divergence) -> Option<Saturated> {
    let (Pattern::Upstream(pattern) | Pattern::LnCount(pattern)) = pattern else {
        return None;
    };
    let (last, others) = difference.per_frame_max.split_last()?;
    let magnitudes = input.q.data().iter().chain(input.k.data());
    pattern.is_saturated(input.q.seq()).then(|| Saturated {
        max_abs_but_last: others.iter().copied().fold(0.0, f32::max),
        max_abs_last: *last,
        magnitude: magnitudes.fold(0.0, |most, value| most.max(value.abs())),
        passes: difference.max_abs < SATURATED_LIMIT,
    })
}

/// The most rows that [`score_spread`] looks at.
pub const SPREAD_ROWS: usize = 256;

/// The spread of the scores: the standard deviation of `q . k / sqrt(dim)` over the tokens that a
/// causal row can see, averaged over rows and heads.
///
/// At 0 every token counts alike and any mean over a block is exact; from about 2 on a few tokens
/// carry a row, and no pattern with block means comes close. Recency slopes are left out. The
/// first row, which sees one token, is left out too; 0 for fewer than two rows. Of a longer window,
/// [`SPREAD_ROWS`] rows are looked at, evenly spread, the last one with them.
pub fn score_spread(input: &Qkv<'_>, heads: Heads) -> f32 {
    let [seq, q_heads, dim] = input.q.shape();
    let heads = match heads {
        Heads::One(head) => head.min(q_heads)..(head + 1).min(q_heads),
        Heads::Mean => 0..q_heads,
    };
    let group = (q_heads / input.k.heads().max(1)).max(1);
    let scale = 1.0 / (dim as f32).sqrt();
    let (mut total, mut rows) = (0.0f64, 0usize);
    let others = seq.saturating_sub(1);
    let looked_at = others.min(SPREAD_ROWS);
    for head in heads {
        for row in (1..=looked_at).map(|at| at * others / looked_at) {
            let q = input.q.row(row, head);
            let (mut sum, mut squares) = (0.0f64, 0.0f64);
            for token in 0..=row {
                let k = input.k.row(token, head / group);
                let score = dot(q, k) * scale;
                sum += f64::from(score);
                squares += f64::from(score) * f64::from(score);
            }
            let count = (row + 1) as f64;
            total += (squares / count - (sum / count) * (sum / count)).max(0.0).sqrt();
            rows += 1;
        }
    }
    if rows == 0 { 0.0 } else { (total / rows as f64) as f32 }
}

/// Eight sums side by side, so that it runs in lanes: this number is looked at, not compared in
/// its last bits.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    let mut lanes = [0.0f32; 8];
    for (a, b) in a.zip(b) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// The windows of a sweep.
pub const SWEEP_WINDOWS: [usize; 6] = [4, 8, 16, 32, 64, 128];
/// The block sizes of a sweep over upstream's edges.
pub const SWEEP_BLOCKS: [usize; 4] = [8, 16, 32, 64];
/// The blocks per level of a sweep over the pyramid.
pub const SWEEP_PER_LEVEL: [usize; 4] = [1, 2, 4, 8];

/// The numbers of groups of a sweep over the salient pattern.
pub const SWEEP_GROUPS: [usize; 4] = [4, 8, 18, 40];

/// One setting of a sweep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SweepPoint {
    /// The setting.
    pub pattern: Pattern,
    /// Edges of a pass, per head.
    pub edges: usize,
    /// Largest absolute difference from dense.
    pub max_abs: f32,
    /// Mean absolute difference from dense.
    pub mean_abs: f32,
    /// Time of the kernel by the caller's clock, in milliseconds.
    pub ms: f64,
}

/// Error against edges over a grid of windows and of the pattern's other parameter, a few settings
/// at a time.
#[derive(Clone, Debug)]
pub struct Sweep {
    q: Tensor3,
    k: Tensor3,
    v: Tensor3,
    slopes: Vec<f32>,
    dense: Tensor3,
    /// Those to come, the next one last.
    settings: Vec<Pattern>,
}

impl Sweep {
    /// Starts a sweep. `dense` is the dense output for `input`; kind and switches of `pattern` hold
    /// for every point, its numbers do not.
    pub fn new(input: &Qkv<'_>, dense: Tensor3, pattern: Pattern) -> Self {
        let mut settings = settings(pattern);
        settings.reverse();
        Self {
            q: input.q.clone(),
            k: input.k.clone(),
            v: input.v.clone(),
            slopes: input.slopes.to_vec(),
            dense,
            settings,
        }
    }

    /// How many points are still to come.
    pub fn remaining(&self) -> usize {
        self.settings.len()
    }

    /// Computes points until `budget_ms` have passed by the caller's clock, at least one as long
    /// as there is one. An empty list says that the sweep is finished.
    ///
    /// # Errors
    ///
    /// As [`Pattern::forward`].
    pub fn step(
        &mut self,
        budget_ms: f64,
        now_ms: &dyn Fn() -> f64,
    ) -> Result<Vec<SweepPoint>, AttentionError> {
        let started = now_ms();
        let mut points = Vec::new();
        while let Some(pattern) = self.settings.pop() {
            points.push(self.point(pattern, now_ms)?);
            if now_ms() - started >= budget_ms.max(0.0) {
                break;
            }
        }
        Ok(points)
    }

    fn point(
        &self,
        pattern: Pattern,
        now_ms: &dyn Fn() -> f64,
    ) -> Result<SweepPoint, AttentionError> {
        let input = Qkv { q: &self.q, k: &self.k, v: &self.v, slopes: &self.slopes };
        let started = now_ms();
        let output = pattern.forward(&input)?;
        let ms = now_ms() - started;
        let Divergence { max_abs, mean_abs, .. } = compare(&output, &self.dense);
        let edges = pattern.edge_count(self.q.seq());
        Ok(SweepPoint { pattern, edges, max_abs, mean_abs, ms })
    }
}

/// The grid around a pattern.
fn settings(pattern: Pattern) -> Vec<Pattern> {
    let edges = |edges: SparsePattern| {
        grid(SWEEP_BLOCKS, move |window, block_size| SparsePattern { window, block_size, ..edges })
    };
    match pattern {
        Pattern::Upstream(pattern) => edges(pattern).map(Pattern::Upstream).collect(),
        Pattern::LnCount(pattern) => edges(pattern).map(Pattern::LnCount).collect(),
        Pattern::Pyramid(_) => grid(SWEEP_PER_LEVEL, |window, per_level| {
            Pattern::Pyramid(Pyramid { window, per_level })
        })
        .collect(),
        Pattern::Salient(_) => {
            grid(SWEEP_GROUPS, |window, groups| Pattern::Salient(Salient { window, groups }))
                .collect()
        }
    }
}

fn grid<P>(sizes: [usize; 4], make: impl Fn(usize, usize) -> P) -> impl Iterator<Item = P> {
    let pairs = SWEEP_WINDOWS.into_iter().flat_map(move |window| sizes.map(|size| (window, size)));
    pairs.map(move |(window, size)| make(window, size))
}
