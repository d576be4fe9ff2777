//! The head row by row: what a node does per frame.
//!
//! After `n` steps the logits are those of a forward pass over the same `n` rows with last-row
//! pooling, to the bit. Exact sparse edges reach back to row 0, so a stream takes at most
//! `capacity` rows and is then reset; it does not slide.

use super::parts::Scratch;
use super::readout::Pool;
use super::{HeadError, TemporalHead};
use crate::attention::decode::{KvCache, decode_step_into};
use crate::attention::{BackendKind, SparsePattern, Weighting};
use crate::rvne::HeadShape;
use alloc::vec;
use alloc::vec::Vec;

/// The state of one stream of rows.
#[derive(Clone, Debug)]
pub struct HeadStream {
    shape: HeadShape,
    feature_dim: usize,
    pattern: SparsePattern,
    weighting: Weighting,
    caches: Vec<KvCache>,
    is_broken: bool,
    scratch: Scratch,
    x: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    mixed: Vec<f32>,
    pool: Pool,
}

impl HeadStream {
    pub(super) fn new(
        head: &TemporalHead,
        backend: BackendKind,
        capacity: usize,
    ) -> Result<Self, HeadError> {
        let weighting = match backend {
            BackendKind::Sparse => Weighting::Plain,
            BackendKind::SparseLnCount => Weighting::LnCount,
            BackendKind::Pyramid { .. } => {
                return Err(HeadError::PatternNotAvailable { code: 2 });
            }
            BackendKind::Salient { .. } => {
                return Err(HeadError::PatternNotAvailable { code: 4 });
            }
            BackendKind::Dense | BackendKind::UpstreamDense => {
                return Err(HeadError::DenseHasNoDecodeStep);
            }
            BackendKind::Upstream | BackendKind::UpstreamGated { .. } => {
                return Err(HeadError::UpstreamHasNoStream);
            }
        };
        let shape = head.shape();
        let [d, q_heads, kv_heads, dim] =
            [shape.input_dim, shape.q_heads, shape.kv_heads, shape.head_dim].map(usize::from);
        let pattern = head.pattern();
        let cache = || KvCache::new(capacity, kv_heads, dim, pattern.block_size);
        Ok(Self {
            shape,
            feature_dim: head.feature_dim(),
            pattern,
            weighting,
            caches: (0..shape.layers).map(|_| cache()).collect::<Result<_, _>>()?,
            is_broken: false,
            scratch: Scratch::default(),
            x: vec![0.0; d],
            q: vec![0.0; q_heads * dim],
            k: vec![0.0; kv_heads * dim],
            v: vec![0.0; kv_heads * dim],
            mixed: vec![0.0; q_heads * dim],
            pool: Pool::new(head),
        })
    }

    /// Returns how many rows it has taken.
    pub fn len(&self) -> usize {
        self.caches[0].len()
    }

    /// Tells whether it has taken no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the most rows it takes.
    pub fn capacity(&self) -> usize {
        self.caches[0].capacity()
    }

    /// Forgets all rows and keeps the memory.
    pub fn reset(&mut self) {
        self.caches.iter_mut().for_each(KvCache::reset);
        self.is_broken = false;
    }

    /// Takes the next row, `[feature_dim]`, and returns the logits, `[classes]`, with last-row
    /// pooling. `head` is the one that started the stream. Allocates nothing after the first step.
    ///
    /// # Errors
    ///
    /// [`HeadError::StreamOfAnotherHead`]; [`HeadError::RowsLength`];
    /// [`HeadError::RowNotFinite`]; [`HeadError::Attention`] with `CacheFull`: the stream is
    /// unchanged. [`HeadError::Attention`] or [`HeadError::Overflow`] when numbers leave the range
    /// of `f32`: every later step is then [`HeadError::StreamBroken`], until
    /// [`HeadStream::reset`].
    pub fn step(&mut self, head: &TemporalHead, row: &[f32]) -> Result<&[f32], HeadError> {
        if head.shape() != self.shape || head.feature_dim() != self.feature_dim {
            return Err(HeadError::StreamOfAnotherHead);
        }
        if self.is_broken {
            return Err(HeadError::StreamBroken);
        }
        if row.len() != self.feature_dim {
            let feature_dim = self.feature_dim;
            return Err(HeadError::RowsLength { feature_dim, got: row.len() });
        }
        head.input.read(self.len(), row, &mut self.scratch, &mut self.x)?;
        self.is_broken = self.len() < self.capacity();
        self.pool.clear();
        let last = head.layers.len() - 1;
        for (index, (layer, cache)) in head.layers.iter().zip(&mut self.caches).enumerate() {
            let qkv = [&mut self.q[..], &mut self.k, &mut self.v];
            layer.project(cache.len(), &self.x, &mut self.scratch, qkv)?;
            cache.append(&self.k, &self.v)?;
            decode_step_into(
                &self.q,
                cache,
                &self.pattern,
                self.weighting,
                &layer.slopes,
                &mut self.mixed,
            )?;
            let (x, scratch) = (&mut self.x, &mut self.scratch);
            if index < last {
                layer.finish(x, &self.mixed, scratch)?;
            } else {
                let classifier = &head.readout.classifier;
                layer.read_out(x, &self.mixed, classifier, scratch, &mut self.pool);
            }
        }
        let logits = self.pool.logits(head.last_layer(), &head.readout)?;
        self.is_broken = false;
        Ok(logits)
    }
}
