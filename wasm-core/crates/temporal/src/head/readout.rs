//! From the last layer's rows to logits, with the last matrices applied once and not per row.
//!
//! A layer ends with `x + branch W`: the branch is what attention mixed, with W = Wo, or with a
//! feed-forward its hidden numbers, with W = W2. Nothing but sums follows, so of the last layer the
//! branch is pooled before its matrix, and what it is added to is classified row by row:
//!
//! ```text
//! logits = (pool(branch) W) Wc + pool(x Wc) + bias
//! ```
//!
//! `pool` is the last row, or the sum over the rows, oldest first, divided by their number. In this
//! order, for a window, a moving window and a stream alike.

use super::matrix::Matrix;
use super::parts::{Layer, add};
use super::window::zeros;
use super::{HeadError, TemporalHead};
use crate::attention::Places;
use alloc::vec;
use alloc::vec::Vec;

/// The last steps of a head.
#[derive(Clone, Debug)]
pub(super) struct Readout {
    pub classifier: Matrix,
    pub bias: Option<Vec<f32>>,
}

/// Sums over the rows read so far.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    branch: Vec<f32>,
    classified: Vec<f32>,
    count: usize,
    change: Vec<f32>,
    logits: Vec<f32>,
}

impl Pool {
    /// Makes an empty pool for the rows of `head`; all of its memory is taken here.
    pub fn new(head: &TemporalHead) -> Self {
        let classes = usize::from(head.shape.classes);
        Self {
            branch: vec![0.0; head.last_layer().branch_width()],
            classified: vec![0.0; classes],
            count: 0,
            change: vec![0.0; usize::from(head.shape.input_dim)],
            logits: vec![0.0; classes],
        }
    }

    /// Forgets the rows.
    pub fn clear(&mut self) {
        self.branch.fill(0.0);
        self.classified.fill(0.0);
        self.count = 0;
    }

    /// Reads a row: its `branch`, and what that is added to, times the classifier.
    pub fn add(&mut self, branch: &[f32], classified: &[f32]) {
        add(&mut self.branch, branch);
        add(&mut self.classified, classified);
        self.count += 1;
    }

    /// Returns the logits of the rows read, `[classes]`.
    ///
    /// # Errors
    ///
    /// [`HeadError::Overflow`].
    pub fn logits(&mut self, layer: &Layer, readout: &Readout) -> Result<&[f32], HeadError> {
        // Dividing by 1 changes nothing, and a division is dear on the node.
        if self.count > 1 {
            let count = self.count as f32;
            let means = self.branch.iter_mut().chain(&mut self.classified);
            means.for_each(|number| *number /= count);
        }
        layer.branch_matrix().apply(&self.branch, &mut self.change);
        readout.classifier.apply(&self.change, &mut self.logits);
        add(&mut self.logits, &self.classified);
        if let Some(bias) = &readout.bias {
            add(&mut self.logits, bias);
        }
        if self.logits.iter().all(|number| number.is_finite()) {
            Ok(&self.logits)
        } else {
            Err(HeadError::Overflow)
        }
    }

    /// Returns the bytes of memory that it holds.
    pub fn memory_bytes(&self) -> usize {
        let Self { branch, classified, change, logits, .. } = self;
        [branch, classified, change, logits].map(Vec::capacity).iter().sum::<usize>() * 4
    }
}

/// The mean of the last rows' logits.
#[derive(Clone, Debug)]
pub(super) struct RecentMean {
    places: Places,
    /// By place, `[rows][classes]`.
    logits: Vec<f32>,
    mean: Vec<f32>,
}

impl RecentMean {
    /// Makes room for the rows that `head`'s blob reads per classification, at least one.
    ///
    /// # Errors
    ///
    /// [`HeadError::Attention`] with `CacheTooLarge`.
    pub fn new(head: &TemporalHead) -> Result<Self, HeadError> {
        let rows = usize::from(head.record.window_len).max(1);
        let classes = usize::from(head.shape.classes);
        Ok(Self {
            places: Places::new(rows),
            logits: zeros(rows, classes)?,
            mean: vec![0.0; classes],
        })
    }

    /// Forgets all rows.
    pub fn clear(&mut self) {
        self.places.clear();
    }

    /// Returns the bytes of memory that it holds beside itself.
    pub fn memory_bytes(&self) -> usize {
        (self.logits.capacity() + self.mean.capacity()) * size_of::<f32>()
    }

    /// Takes a row's logits and returns the mean: the sum, oldest row first, divided by their
    /// number.
    pub fn push(&mut self, logits: &[f32]) -> &[f32] {
        let Self { places, logits: rows, mean } = self;
        rows[places.next() * logits.len()..][..logits.len()].copy_from_slice(logits);
        places.take_next();
        mean.fill(0.0);
        for row in 0..places.len() {
            add(mean, &rows[places.of(row) * logits.len()..]);
        }
        let count = places.len() as f32;
        mean.iter_mut().for_each(|mean| *mean /= count);
        mean
    }
}
