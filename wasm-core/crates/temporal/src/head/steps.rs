//! All layers, one row after the other: what a stream does.

use super::parts::Scratch;
use super::readout::Pool;
use super::{HeadError, TemporalHead};
use crate::attention::salient::SalientStream;
use crate::attention::{
    AttentionError, BackendKind, Pyramid, PyramidStream, Salient, SparsePattern, Stream,
    StreamShape, Weighting,
};
use alloc::boxed::Box;
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

/// The attention of one layer, in a box of its own: see `projected`.
#[derive(Clone, Debug)]
enum LayerStream {
    Upstream(Box<Stream>),
    Pyramid(Box<PyramidStream>),
    Salient(Box<SalientStream>),
}

impl LayerStream {
    fn new(
        shape: &StreamShape<'_>,
        backend: BackendKind,
        head: &TemporalHead,
        capacity: usize,
    ) -> Result<Self, HeadError> {
        let pattern = &head.pattern;
        Ok(match backend {
            BackendKind::Sparse => {
                Self::Upstream(upstream(shape, pattern, Weighting::Plain, capacity)?)
            }
            BackendKind::SparseLnCount => {
                Self::Upstream(upstream(shape, pattern, Weighting::LnCount, capacity)?)
            }
            BackendKind::Pyramid { per_level } => {
                Self::Pyramid(pyramid(shape, Pyramid { window: pattern.window, per_level })?)
            }
            BackendKind::Salient { groups } => {
                Self::Salient(salient(shape, Salient { window: pattern.window, groups })?)
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
            Self::Upstream(stream) => size_of::<Stream>() + stream.memory_bytes(),
            Self::Pyramid(stream) => size_of::<PyramidStream>() + stream.memory_bytes(),
            Self::Salient(stream) => size_of::<SalientStream>() + stream.memory_bytes(),
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

#[inline(never)]
fn upstream(
    shape: &StreamShape<'_>,
    pattern: &SparsePattern,
    weighting: Weighting,
    capacity: usize,
) -> Result<Box<Stream>, HeadError> {
    Ok(Box::new(Stream::new(shape, pattern, weighting, capacity)?))
}

#[inline(never)]
fn pyramid(shape: &StreamShape<'_>, pyramid: Pyramid) -> Result<Box<PyramidStream>, HeadError> {
    Ok(Box::new(PyramidStream::new(shape, pyramid)?))
}

#[inline(never)]
fn salient(shape: &StreamShape<'_>, salient: Salient) -> Result<Box<SalientStream>, HeadError> {
    let StreamShape { q_heads, kv_heads, dim, slopes, .. } = *shape;
    Ok(Box::new(SalientStream::new(&salient, q_heads, kv_heads, dim, slopes)?))
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
