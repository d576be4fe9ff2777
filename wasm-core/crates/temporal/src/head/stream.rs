//! The head row by row: what a node does per frame.
//!
//! After `n` steps the logits are those of a forward pass over the same `n` rows with last-row
//! pooling, to the bit: over upstream's edges while `n <= capacity`, over a pyramid or groups of like
//! keys always. A stream has no end and its memory does not grow; beyond `capacity` rows, upstream's
//! edges to rows that were forgotten are left out (`attention::stream`).

use super::parts::Scratch;
use super::readout::Pool;
use super::{HeadError, TemporalHead};
use crate::attention::salient::SalientStream;
use crate::attention::{
    AttentionError, BackendKind, Pyramid, PyramidStream, Salient, Stream, StreamShape, Weighting,
};
use crate::half::Storage;
use crate::rvne::HeadShape;
use alloc::vec;
use alloc::vec::Vec;

/// The state of one stream of rows.
#[derive(Clone, Debug)]
pub struct HeadStream {
    shape: HeadShape,
    feature_dim: usize,
    layers: Vec<LayerStream>,
    len: usize,
    is_broken: bool,
    scratch: Scratch,
    x: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    mixed: Vec<f32>,
    pool: Pool,
}

/// The attention of one layer.
#[derive(Clone, Debug)]
enum LayerStream {
    Upstream(Stream),
    Pyramid(PyramidStream),
    Salient(SalientStream),
}

impl LayerStream {
    fn reset(&mut self) {
        match self {
            Self::Upstream(stream) => stream.reset(),
            Self::Pyramid(stream) => stream.reset(),
            Self::Salient(stream) => stream.reset(),
        }
    }

    fn push(
        &mut self,
        q: &[f32],
        k: &[f32],
        v: &[f32],
        out: &mut [f32],
    ) -> Result<(), AttentionError> {
        match self {
            Self::Upstream(stream) => stream.push(q, k, v, out),
            Self::Pyramid(stream) => stream.push(q, k, v, out),
            Self::Salient(stream) => stream.push(q, k, v, out),
        }
    }
}

impl HeadStream {
    pub(super) fn new(
        head: &TemporalHead,
        backend: BackendKind,
        capacity: usize,
    ) -> Result<Self, HeadError> {
        let shape = head.shape();
        let [d, q_heads, kv_heads, dim] =
            [shape.input_dim, shape.q_heads, shape.kv_heads, shape.head_dim].map(usize::from);
        let pattern = head.pattern();
        let start = |slopes| {
            // Rows that are to be kept in binary16 come rounded to it; means of them stay `f32`, as
            // in a pass.
            let shape = StreamShape { q_heads, kv_heads, dim, slopes, storage: Storage::F32 };
            let upstream = |weighting| {
                Stream::new(&shape, &pattern, weighting, capacity).map(LayerStream::Upstream)
            };
            Ok(match backend {
                BackendKind::Sparse => upstream(Weighting::Plain)?,
                BackendKind::SparseLnCount => upstream(Weighting::LnCount)?,
                BackendKind::Pyramid { per_level } => {
                    let pyramid = Pyramid { window: pattern.window, per_level };
                    LayerStream::Pyramid(PyramidStream::new(&shape, pyramid)?)
                }
                BackendKind::Salient { groups } => {
                    let salient = Salient { window: pattern.window, groups };
                    let stream = SalientStream::new(&salient, q_heads, kv_heads, dim, slopes)?;
                    LayerStream::Salient(stream)
                }
                BackendKind::Dense | BackendKind::UpstreamDense => {
                    return Err(HeadError::DenseHasNoDecodeStep);
                }
                BackendKind::Upstream | BackendKind::UpstreamGated { .. } => {
                    return Err(HeadError::UpstreamHasNoStream);
                }
            })
        };
        let layers = head.layers.iter().map(|layer| start(&layer.slopes));
        Ok(Self {
            shape,
            feature_dim: head.feature_dim(),
            layers: layers.collect::<Result<_, _>>()?,
            len: 0,
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
        self.len
    }

    /// Tells whether it has taken no row.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets all rows and keeps the memory.
    pub fn reset(&mut self) {
        self.layers.iter_mut().for_each(LayerStream::reset);
        self.len = 0;
        self.is_broken = false;
    }

    /// Takes the next row, `[feature_dim]`, and returns the logits, `[classes]`, with last-row
    /// pooling. `head` is the one that started the stream. Allocates nothing after the first step.
    ///
    /// # Errors
    ///
    /// [`HeadError::StreamOfAnotherHead`]; [`HeadError::RowsLength`];
    /// [`HeadError::RowNotFinite`]: the stream is unchanged. [`HeadError::Attention`] or
    /// [`HeadError::Overflow`] when numbers leave the range of `f32`, or the stream has taken as
    /// many rows as it can count: every later step is then [`HeadError::StreamBroken`], until
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
        self.is_broken = true;
        self.pool.clear();
        let last = head.layers.len() - 1;
        for (index, (layer, stream)) in head.layers.iter().zip(&mut self.layers).enumerate() {
            let qkv = [&mut self.q[..], &mut self.k, &mut self.v];
            layer.project(self.len, &self.x, &mut self.scratch, qkv)?;
            stream.push(&self.q, &self.k, &self.v, &mut self.mixed)?;
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
        self.len += 1;
        Ok(logits)
    }
}
