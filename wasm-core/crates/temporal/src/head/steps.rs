//! All layers, one row after the other: what a stream does.

use super::parts::Scratch;
use super::readout::Pool;
use super::{HeadError, TemporalHead};
use crate::attention::salient::SalientStream;
use crate::attention::{
    AttentionError, BackendKind, Pyramid, PyramidStream, Salient, Stream, StreamShape, Weighting,
};
use alloc::vec;
use alloc::vec::Vec;

/// The layers of a head as far as the rows have got.
#[derive(Clone, Debug)]
pub(super) struct Steps {
    layers: Vec<LayerStream>,
    len: usize,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    mixed: Vec<f32>,
}

/// The attention of one layer.
#[derive(Clone, Debug)]
enum LayerStream {
    Upstream(Stream),
    Pyramid(PyramidStream),
    Salient(SalientStream),
}

impl LayerStream {
    fn new(
        shape: &StreamShape<'_>,
        backend: BackendKind,
        head: &TemporalHead,
        capacity: usize,
    ) -> Result<Self, HeadError> {
        let pattern = &head.pattern;
        let upstream = |weighting| Stream::new(shape, pattern, weighting, capacity);
        Ok(match backend {
            BackendKind::Sparse => Self::Upstream(upstream(Weighting::Plain)?),
            BackendKind::SparseLnCount => Self::Upstream(upstream(Weighting::LnCount)?),
            BackendKind::Pyramid { per_level } => {
                let pyramid = Pyramid { window: pattern.window, per_level };
                Self::Pyramid(PyramidStream::new(shape, pyramid)?)
            }
            BackendKind::Salient { groups } => {
                let salient = Salient { window: pattern.window, groups };
                let StreamShape { q_heads, kv_heads, dim, slopes, .. } = *shape;
                Self::Salient(SalientStream::new(&salient, q_heads, kv_heads, dim, slopes)?)
            }
            BackendKind::Dense | BackendKind::UpstreamDense => {
                return Err(HeadError::DenseHasNoDecodeStep);
            }
            BackendKind::Upstream | BackendKind::UpstreamGated { .. } => {
                return Err(HeadError::UpstreamHasNoStream);
            }
        })
    }

    fn reset(&mut self) {
        match self {
            Self::Upstream(stream) => stream.reset(),
            Self::Pyramid(stream) => stream.reset(),
            Self::Salient(stream) => stream.reset(),
        }
    }

    fn memory_bytes(&self) -> usize {
        match self {
            Self::Upstream(stream) => stream.memory_bytes(),
            Self::Pyramid(stream) => stream.memory_bytes(),
            Self::Salient(stream) => stream.memory_bytes(),
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

impl Steps {
    /// Starts before the first row. All memory is taken here.
    pub fn new(
        head: &TemporalHead,
        backend: BackendKind,
        capacity: usize,
    ) -> Result<Self, HeadError> {
        let start =
            |slopes| LayerStream::new(&head.attention_shape(slopes), backend, head, capacity);
        let layers = head.layers.iter().map(|layer| start(&layer.slopes));
        let StreamShape { q_heads, kv_heads, dim, .. } = head.attention_shape(&[]);
        Ok(Self {
            layers: layers.collect::<Result<_, _>>()?,
            len: 0,
            q: vec![0.0; q_heads * dim],
            k: vec![0.0; kv_heads * dim],
            v: vec![0.0; kv_heads * dim],
            mixed: vec![0.0; q_heads * dim],
        })
    }

    /// Returns how many rows it has taken.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns the bytes of memory that the layers' streams say they hold, and of a row.
    pub fn memory_bytes(&self) -> usize {
        let Self { q, k, v, mixed, .. } = self;
        let row: usize = [q, k, v, mixed].map(Vec::capacity).iter().sum();
        row * size_of::<f32>() + self.layers.iter().map(LayerStream::memory_bytes).sum::<usize>()
    }

    /// Forgets all rows and keeps the memory.
    pub fn reset(&mut self) {
        self.layers.iter_mut().for_each(LayerStream::reset);
        self.len = 0;
    }

    /// Takes a row, `x` as the first layer sees it, through all layers into `pool`. `x` is lost.
    ///
    /// # Errors
    ///
    /// [`HeadError::Attention`] or [`HeadError::Overflow`]: layers may then be at different rows.
    pub fn take(
        &mut self,
        head: &TemporalHead,
        x: &mut [f32],
        scratch: &mut Scratch,
        pool: &mut Pool,
    ) -> Result<(), HeadError> {
        let Self { layers, len, q, k, v, mixed } = self;
        for (index, (layer, stream)) in head.layers.iter().zip(layers).enumerate() {
            layer.project(*len, x, scratch, [q, k, v])?;
            stream.push(q, k, v, mixed)?;
            if index + 1 < head.layers.len() {
                layer.finish(x, mixed, scratch)?;
            } else {
                layer.read_out(x, mixed, &head.readout.classifier, scratch, pool);
            }
        }
        *len += 1;
        Ok(())
    }
}
