//! How close each pattern comes to dense attention on the same queries, keys and values.
//!
//! What is compared is [`divergence`]'s mean absolute difference. Nothing here judges a model: the
//! projections are random or untrained, so that figures speak of patterns and recordings alone.

use csi_temporal::attention::pattern::dense_edge_count;
use csi_temporal::attention::{self, AttentionError, BackendKind, Pyramid, Salient, SparsePattern};
use csi_temporal::head::LayerQkv;
use csi_temporal::tensor::Tensor3;

use crate::divergence::{self, Divergence};
use crate::session::{PipelineAsk, Removal};

/// The public recordings that patterns are compared on: a name, and the file below the folder of
/// recordings. The first stream of each is taken.
pub const RECORDINGS: [(&str, &str); 5] = [
    ("walking, ESP32 107 Hz", "marcrubii+pulse-wifi-sensing/raw/mov_01.csv"),
    ("empty room, ESP32 107 Hz", "marcrubii+pulse-wifi-sensing/raw/vacio_01.csv"),
    ("paced breathing, ESP32 107 Hz", "marcrubii+pulse-wifi-sensing/breathing/resp_12rpm.csv"),
    ("GeoTec D1, 100 Hz", "GeoTecINIT+stability-csi-har/derived_csv/D1_e01_rx_tx.csv"),
    ("RuView node 1, 22 Hz", "ruvnet+RuView/data/recordings/pretrain-1775182186.csi.jsonl"),
];

/// Returns the features they are compared with: every useful subcarrier, divided by the frame's
/// mean, without the window's mean.
pub fn raw_features() -> PipelineAsk {
    PipelineAsk {
        bands: 0,
        divide_by_mean: true,
        mean_removal: Removal::Window,
        time_constant_s: 1.0,
        rate_hz: 0.0,
        lags: Vec::new(),
        lag_absolute: false,
    }
}

/// A pattern with its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// What to call it.
    pub name: &'static str,
    /// How it is computed.
    pub backend: BackendKind,
    /// Its window, and blocks where it has them.
    pub pattern: SparsePattern,
}

/// Upstream's pattern as the kernel's measurements have it.
pub const UPSTREAM: Candidate = candidate("upstream edges, W 16", BackendKind::Sparse, 16);

/// The patterns that are held against [`UPSTREAM`], none with more edges over 900 tokens.
pub const CANDIDATES: [Candidate; 5] = [
    candidate("+ ln(count), W 16", BackendKind::SparseLnCount, 16),
    candidate("pyramid, W 16, 1 a level", BackendKind::Pyramid { per_level: 1 }, 16),
    candidate("pyramid, W 8, 3 a level", BackendKind::Pyramid { per_level: 3 }, 8),
    candidate("salient, W 8, 11 groups", BackendKind::Salient { groups: 11 }, 8),
    candidate("salient, W 8, 17 groups", BackendKind::Salient { groups: 17 }, 8),
];

const fn candidate(name: &'static str, backend: BackendKind, window: usize) -> Candidate {
    let pattern = SparsePattern {
        window,
        block_size: 32,
        log_stride: true,
        landmarks: true,
        global_token: true,
        causal: true,
    };
    Candidate { name, backend, pattern }
}

impl Candidate {
    /// Counts the edges of a pass over `seq` tokens, per head.
    ///
    /// The salient pattern also measures up to `groups` key distances a row, each about half the
    /// work of an edge; they are not in this count.
    pub fn edge_count(&self, seq: usize) -> usize {
        let window = self.pattern.window;
        match self.backend {
            BackendKind::Dense | BackendKind::UpstreamDense => {
                dense_edge_count(seq, self.pattern.causal)
            }
            BackendKind::Pyramid { per_level } => Pyramid { window, per_level }.edge_count(seq),
            BackendKind::Salient { groups } => Salient { window, groups }.edge_count(seq),
            _ => self.pattern.edge_count(seq),
        }
    }
}

/// Compares every candidate with dense attention, the queries and keys brought to a magnitude
/// first, see [`divergence::bring_to_magnitude`].
///
/// # Errors
///
/// Those of the kernels.
pub fn compare(
    qkv: &LayerQkv,
    magnitude: f32,
    candidates: &[Candidate],
) -> Result<Vec<Divergence>, AttentionError> {
    let mut qkv = qkv.clone();
    divergence::bring_to_magnitude(&mut qkv.q, magnitude);
    divergence::bring_to_magnitude(&mut qkv.k, magnitude);
    let input = qkv.view();
    let dense = attention::dense::forward(&input, true)?;
    let compare = |candidate: &Candidate| {
        let out = attention::forward(candidate.backend, &input, &candidate.pattern)?;
        Ok(divergence::compare(&out, &dense))
    };
    candidates.iter().map(compare).collect()
}

/// Makes queries, keys and values of `heads` heads of `head_dim` numbers out of feature rows,
/// `[n][dim]`, by random projections of the standardised features. A feature that never changes
/// counts for nothing. Values get the root mean square of numbers spread evenly over -1 to 1.
pub fn random_projections(
    rows: &[f32],
    dim: usize,
    heads: usize,
    head_dim: usize,
    seed: u64,
) -> LayerQkv {
    let rows = standardised(rows, dim);
    let mut random = Random(seed | 1);
    let mut project = || {
        let width = heads * head_dim;
        let matrix: Vec<f64> = (0..dim * width).map(|_| random.number()).collect();
        let mut out = Vec::with_capacity(rows.len() / dim.max(1) * width);
        for row in rows.chunks_exact(dim.max(1)) {
            out.extend((0..width).map(|column| {
                let products = row.iter().zip(matrix[column..].iter().step_by(width));
                products.map(|(x, w)| x * w).sum::<f64>() as f32
            }));
        }
        let seq = out.len() / width;
        Tensor3::from_vec(out, seq, heads, head_dim).expect("rows of one width")
    };
    let (q, k, mut v) = (project(), project(), project());
    divergence::bring_to_magnitude(&mut v, 1.0);
    LayerQkv { q, k, v, slopes: Vec::new() }
}

/// Makes queries, keys and values that have nothing to do with each other: the hardest case for
/// means of any kind. Numbers lie evenly in -1 to 1.
pub fn random_inputs(seq: usize, heads: usize, head_dim: usize, seed: u64) -> LayerQkv {
    let mut random = Random(seed | 1);
    let mut tensor = || {
        let numbers = (0..seq * heads * head_dim).map(|_| random.number() as f32).collect();
        Tensor3::from_vec(numbers, seq, heads, head_dim).expect("the length fits")
    };
    LayerQkv { q: tensor(), k: tensor(), v: tensor(), slopes: Vec::new() }
}

/// Returns the middle number, of an even count the mean of the two; 0 for none.
pub fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n => (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0,
    }
}

/// Subtracts each column's mean and divides it by its standard deviation.
fn standardised(rows: &[f32], dim: usize) -> Vec<f64> {
    let mut rows: Vec<f64> = rows.iter().copied().map(f64::from).collect();
    let count = (rows.len() / dim.max(1)).max(1) as f64;
    for column in 0..dim {
        let numbers = || rows[column..].iter().step_by(dim);
        let mean = numbers().sum::<f64>() / count;
        let variance = numbers().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
        let factor = if variance > 0.0 { 1.0 / libm::sqrt(variance) } else { 0.0 };
        rows[column..].iter_mut().step_by(dim).for_each(|x| *x = (*x - mean) * factor);
    }
    rows
}

/// xorshift64*.
struct Random(u64);

impl Random {
    /// Evenly in -1 to 1.
    fn number(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11;
        bits as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standardised_columns_have_mean_0_and_deviation_1() {
        let rows = standardised(&[1.0, 5.0, 3.0, 5.0, 8.0, 5.0], 2);
        let column: Vec<f64> = rows.iter().copied().step_by(2).collect();
        assert!(column.iter().sum::<f64>().abs() < 1e-12);
        assert!((column.iter().map(|x| x * x).sum::<f64>() / 3.0 - 1.0).abs() < 1e-12);
        assert!(rows.iter().skip(1).step_by(2).all(|x| *x == 0.0), "a constant counts for nothing");
    }

    #[test]
    fn medians_are_of_the_middle() {
        assert_eq!(
            [&[][..], &[3.0], &[9.0, 1.0, 2.0], &[4.0, 1.0]].map(median),
            [0.0, 3.0, 2.0, 2.5]
        );
    }

    #[test]
    fn no_candidate_has_more_edges_than_upstream() {
        let upstream = UPSTREAM.edge_count(900);
        for candidate in CANDIDATES {
            let edges = candidate.edge_count(900);
            assert!(edges <= upstream, "{}: {edges} {upstream}", candidate.name);
        }
    }
}
