//! The head's parts, one row at a time, with the order of every sum.

use super::matrix::Matrix;
use super::readout::Pool;
use super::{HeadError, Part};
use crate::attention::{self, AttentionError, Operand};
use crate::half::Storage;
use crate::rvne::{self, Trailer};
use alloc::vec;
use alloc::vec::Vec;

/// Keeps a row of zeros from dividing by zero in the RMS-norm.
const RMS_EPSILON: f32 = 1e-6;

/// Checks a part's length and that its numbers are finite.
pub(super) fn check(part: Part, numbers: &[f32], expected: usize) -> Result<(), HeadError> {
    if numbers.len() != expected {
        return Err(HeadError::PartLength { part, expected, got: numbers.len() });
    }
    match numbers.iter().position(|number| !number.is_finite()) {
        Some(index) => Err(HeadError::PartNotFinite { part, index }),
        None => Ok(()),
    }
}

/// Splits `[layers][width]` numbers by layer; `None` for each layer when there are none.
pub(super) fn split_layers(
    part: Part,
    numbers: Option<&[f32]>,
    layers: usize,
    width: usize,
) -> Result<Vec<Option<Vec<f32>>>, HeadError> {
    let Some(numbers) = numbers else {
        return Ok(vec![None; layers]);
    };
    check(part, numbers, layers * width)?;
    Ok(numbers.chunks_exact(width).map(|layer| Some(layer.to_vec())).collect())
}

/// Adds `b` to `a`, number by number.
pub(super) fn add(a: &mut [f32], b: &[f32]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a += b;
    }
}

/// Writes `x[d] * (1 / sqrt(mean(x * x) + eps)) * gains[d]` into `out`; the squares are summed
/// left to right. Where their sum leaves the range of `f32`, all is NaN, to be found later, and not
/// 0, which would pass for a result.
fn rms_norm(x: &[f32], gains: &[f32], out: &mut Vec<f32>) {
    let mut sum = 0.0;
    for x in x {
        sum += x * x;
    }
    let inverse = match sum.is_finite() {
        true => 1.0 / libm::sqrtf(sum / x.len() as f32 + RMS_EPSILON),
        false => f32::NAN,
    };
    out.clear();
    out.extend(x.iter().zip(gains).map(|(x, gain)| x * inverse * gain));
}

/// Rows between two parts, kept so that nothing is allocated per row.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    normed: Vec<f32>,
    hidden: Vec<f32>,
    change: Vec<f32>,
    classified: Vec<f32>,
}

impl Scratch {
    /// Returns the bytes of memory that it holds.
    pub fn memory_bytes(&self) -> usize {
        let Self { normed, hidden, change, classified } = self;
        [normed, hidden, change, classified].map(Vec::capacity).iter().sum::<usize>() * 4
    }
}

/// From a feature row to the first layer's input.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub feature_dim: usize,
    normalisation: Option<rvne::Normalisation>,
    embedding: Option<Matrix>,
}

impl Input {
    pub fn load(trailer: &Trailer, d: usize) -> Result<Self, HeadError> {
        let mut feature_dim = d;
        let mut embedding = None;
        if let Some(record) = &trailer.embedding {
            feature_dim = usize::from(record.feature_dim);
            if feature_dim == 0 {
                return Err(HeadError::PartLength { part: Part::Embedding, expected: d, got: 0 });
            }
            check(Part::Embedding, &record.matrix, feature_dim * d)?;
            embedding = Some(Matrix::new(&record.matrix, feature_dim, d));
        }
        if let Some(normalisation) = &trailer.normalisation {
            check(Part::Normalisation, &normalisation.mean, feature_dim)?;
            check(Part::Normalisation, &normalisation.inv_std, feature_dim)?;
        }
        Ok(Self { feature_dim, normalisation: trailer.normalisation.clone(), embedding })
    }

    /// Writes row number `index` as the layers see it into `x`, `[D]`.
    pub fn read(
        &self,
        index: usize,
        row: &[f32],
        scratch: &mut Scratch,
        x: &mut [f32],
    ) -> Result<(), HeadError> {
        if let Some(column) = row.iter().position(|number| !number.is_finite()) {
            return Err(HeadError::RowNotFinite { row: index, column });
        }
        let normed = &mut scratch.normed;
        normed.clear();
        normed.extend_from_slice(row);
        if let Some(rvne::Normalisation { mean, inv_std }) = &self.normalisation {
            for ((number, mean), inv_std) in normed.iter_mut().zip(mean).zip(inv_std) {
                *number = (*number - mean) * inv_std;
            }
        }
        match &self.embedding {
            Some(embedding) => embedding.apply(normed, x),
            None => x.copy_from_slice(normed),
        }
        Ok(())
    }
}

/// One layer.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub gains: Option<Vec<f32>>,
    pub wq: Matrix,
    pub wk: Matrix,
    pub wv: Matrix,
    pub wo: Matrix,
    pub slopes: Vec<f32>,
    pub head_dim: usize,
    /// What queries, keys and values are rounded to.
    pub storage: Storage,
    pub feed_forward: Option<FeedForward>,
}

impl Layer {
    /// Returns the numbers of the branch whose matrix is the layer's last.
    pub fn branch_width(&self) -> usize {
        self.feed_forward.as_ref().map_or(self.wq.cols(), |part| part.w1.cols())
    }

    /// Returns the layer's last matrix.
    pub fn branch_matrix(&self) -> &Matrix {
        self.feed_forward.as_ref().map_or(&self.wo, |part| &part.w2)
    }

    /// Writes the query of row number `row`.
    ///
    /// # Errors
    ///
    /// [`AttentionError::BeyondF16`], here and below.
    pub fn query(
        &self,
        row: usize,
        x: &[f32],
        scratch: &mut Scratch,
        q: &mut [f32],
    ) -> Result<(), AttentionError> {
        self.wq.apply(self.normed(x, scratch), q);
        self.keep(Operand::Q, row, q)
    }

    /// Writes the key and the value of row number `row`.
    pub fn key_value(
        &self,
        row: usize,
        x: &[f32],
        scratch: &mut Scratch,
        k: &mut [f32],
        v: &mut [f32],
    ) -> Result<(), AttentionError> {
        let x = self.normed(x, scratch);
        self.wk.apply(x, k);
        self.wv.apply(x, v);
        self.keep(Operand::K, row, k)?;
        self.keep(Operand::V, row, v)
    }

    /// Writes query, key and value of row number `row`.
    pub fn project(
        &self,
        row: usize,
        x: &[f32],
        scratch: &mut Scratch,
        [q, k, v]: [&mut [f32]; 3],
    ) -> Result<(), AttentionError> {
        let x = self.normed(x, scratch);
        self.wq.apply(x, q);
        self.wk.apply(x, k);
        self.wv.apply(x, v);
        self.keep(Operand::Q, row, q)?;
        self.keep(Operand::K, row, k)?;
        self.keep(Operand::V, row, v)
    }

    fn keep(&self, which: Operand, row: usize, numbers: &mut [f32]) -> Result<(), AttentionError> {
        attention::round_to(self.storage, which, row, numbers, self.head_dim)
    }

    fn normed<'a>(&self, x: &'a [f32], scratch: &'a mut Scratch) -> &'a [f32] {
        match &self.gains {
            None => x,
            Some(gains) => {
                rms_norm(x, gains, &mut scratch.normed);
                &scratch.normed
            }
        }
    }

    /// Adds to one row what attention `mixed`, `[q_heads * head_dim]`, and what the feed-forward
    /// makes of it.
    ///
    /// # Errors
    ///
    /// [`HeadError::Overflow`].
    pub fn finish(
        &self,
        x: &mut [f32],
        mixed: &[f32],
        scratch: &mut Scratch,
    ) -> Result<(), HeadError> {
        self.wo.apply_into(mixed, &mut scratch.change);
        add(x, &scratch.change);
        if let Some(part) = &self.feed_forward {
            part.hide(x, scratch);
            part.w2.apply_into(&scratch.hidden, &mut scratch.change);
            add(x, &scratch.change);
        }
        if x.iter().all(|number| number.is_finite()) { Ok(()) } else { Err(HeadError::Overflow) }
    }

    /// Reads one row of the last layer into `pool`. `x` is lost.
    pub fn read_out(
        &self,
        x: &mut [f32],
        mixed: &[f32],
        classifier: &Matrix,
        scratch: &mut Scratch,
        pool: &mut Pool,
    ) {
        if let Some(part) = &self.feed_forward {
            self.wo.apply_into(mixed, &mut scratch.change);
            add(x, &scratch.change);
            part.hide(x, scratch);
        }
        let Scratch { hidden, classified, .. } = scratch;
        classifier.apply_into(x, classified);
        pool.add(if self.feed_forward.is_some() { hidden } else { mixed }, classified);
    }
}

/// `relu(norm(x, gains) W1) W2`.
#[derive(Clone, Debug)]
pub(super) struct FeedForward {
    gains: Vec<f32>,
    w1: Matrix,
    w2: Matrix,
}

impl FeedForward {
    /// Fills the hidden numbers, `relu(norm(x, gains) W1)`.
    fn hide(&self, x: &[f32], scratch: &mut Scratch) {
        let Scratch { normed, hidden, .. } = scratch;
        rms_norm(x, &self.gains, normed);
        self.w1.apply_into(normed, hidden);
        // A NaN stays one, to be found later.
        hidden.iter_mut().filter(|number| **number < 0.0).for_each(|number| *number = 0.0);
    }

    /// Returns one per layer, or `None` for each.
    pub fn load(
        record: Option<&rvne::FeedForward>,
        layers: usize,
        d: usize,
    ) -> Result<Vec<Option<Self>>, HeadError> {
        let Some(record) = record else {
            return Ok(vec![None; layers]);
        };
        let (part, hidden) = (Part::FeedForward, usize::from(record.hidden));
        if record.layers.len() != layers || hidden == 0 {
            let got = record.layers.len().min(hidden);
            return Err(HeadError::PartLength { part, expected: layers, got });
        }
        let load = |layer: &rvne::FeedForwardLayer| {
            check(part, &layer.gains, d)?;
            check(part, &layer.w1, d * hidden)?;
            check(part, &layer.w2, hidden * d)?;
            Ok(Some(Self {
                gains: layer.gains.clone(),
                w1: Matrix::new(&layer.w1, d, hidden),
                w2: Matrix::new(&layer.w2, hidden, d),
            }))
        };
        record.layers.iter().map(load).collect()
    }
}
