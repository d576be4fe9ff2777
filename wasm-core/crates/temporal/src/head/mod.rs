//! The temporal head: a window of feature rows in, class logits out.
//!
//! ```text
//! x = rows                                            [n][F]
//! x = (x - mean) * inv_std                            if the blob normalises
//! x = x We                                            [n][D], if it embeds; else F = D
//! each layer:
//!   h = norm(x, gains) or x
//!   q, k, v = h Wq, h Wk, h Wv                        rounded to f16, if the blob asks for it
//!   x = x + attention(q, k, v) Wo                     causal, with the layer's recency slopes
//!   x = x + relu(norm(x, gains') W1) W2               if it feeds forward
//! pooled = mean over the rows, or the last row        [D]
//! logits = pooled Wc + bias                           [classes]
//! ```
//!
//! That is the meaning; as pooling and matrices commute, the last steps are taken in the order that
//! `readout` says.
//!
//! `norm(x, g)[d] = x[d] * (1 / sqrt(mean(x * x) + 1e-6)) * g[d]`. Every sum runs left to right, a
//! matrix product over its input in ascending order (`parts`), so that every target gives the
//! same bits. All but attention works row by row, which is why a stream of rows gives the bits of
//! the whole window.
//!
//! The blob's attention record names the pattern; without one it is upstream's edges, window 32,
//! block 16, mean pooling. A caller may run the same weights by another [`BackendKind`], which is
//! what the attention room compares. It does not make features, remove window means, apply a
//! softmax to the logits, or train.

mod error;
mod matrix;
mod parts;
mod projected;
mod readout;
mod steps;
mod stream;
mod window;

pub use error::{HeadError, Part};
pub use stream::HeadStream;
pub use window::HeadWindow;

use crate::attention::{self, AttentionError, BackendKind, Qkv, SparsePattern, StreamShape};
use crate::half::Storage;
use crate::rvne::{AttentionPattern, AttentionRecord, HeadShape, Pooling, WeightBlob};
use crate::tensor::Tensor3;
use alloc::vec;
use alloc::vec::Vec;
use matrix::Matrix;
use parts::{FeedForward, Input, Layer, Scratch, split_layers};
use readout::{Pool, Readout};

/// A temporal head, ready to run.
#[derive(Clone, Debug)]
pub struct TemporalHead {
    shape: HeadShape,
    input: Input,
    layers: Vec<Layer>,
    readout: Readout,
    record: AttentionRecord,
    pattern: SparsePattern,
    pooling: Pooling,
    backend: BackendKind,
}

/// What a head says about a window.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadOutput {
    /// One number per class, not normalised.
    pub logits: Vec<f32>,
}

/// What one layer's attention reads.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerQkv {
    /// Queries, `[n, q_heads, head_dim]`.
    pub q: Tensor3,
    /// Keys, `[n, kv_heads, head_dim]`.
    pub k: Tensor3,
    /// Values, `[n, kv_heads, head_dim]`.
    pub v: Tensor3,
    /// Recency slopes, one per query head, or none.
    pub slopes: Vec<f32>,
}

impl LayerQkv {
    /// Borrows it as the input of a kernel.
    pub fn view(&self) -> Qkv<'_> {
        Qkv { q: &self.q, k: &self.k, v: &self.v, slopes: &self.slopes }
    }
}

impl TemporalHead {
    /// Builds a head from a blob and every trailer record that changes its result.
    ///
    /// The feature pipeline (record 0x88) is not part of the head: it comes before it.
    ///
    /// # Errors
    ///
    /// [`HeadError::Blob`] for a shape that breaks the rules;
    /// [`HeadError::Attention`] for a sparse pattern with a block size of 0, a pyramid with 0 blocks
    /// per level or a salient pattern with 0 groups (what record 0x81 holds when it says nothing of
    /// them);
    /// [`HeadError::PartLength`], [`HeadError::PartNotFinite`] and, for a negative slope,
    /// [`HeadError::Attention`] for a blob put together by hand, which parsing would have refused.
    pub fn from_blob(blob: &WeightBlob) -> Result<Self, HeadError> {
        let shape = blob.shape;
        shape.validate().map_err(HeadError::Blob)?;
        let trailer = &blob.trailer;
        let record = trailer.attention.unwrap_or_default();
        let backend = match record.pattern {
            AttentionPattern::UpstreamEdges => BackendKind::Sparse,
            AttentionPattern::LnCount => BackendKind::SparseLnCount,
            AttentionPattern::Dense => BackendKind::Dense,
            AttentionPattern::Pyramid => {
                BackendKind::Pyramid { per_level: usize::from(record.per_level) }
            }
            AttentionPattern::Salient => {
                BackendKind::Salient { groups: usize::from(record.salient) }
            }
        };
        let pattern = SparsePattern {
            window: usize::from(record.window),
            block_size: usize::from(record.block_size),
            log_stride: record.log_stride,
            landmarks: record.landmarks,
            global_token: record.global_token,
            causal: true,
        };
        backend.validate(&pattern)?;
        let [d, layers, classes] = [shape.input_dim, shape.layers, shape.classes].map(usize::from);
        parts::check(Part::Weights, &blob.weights, shape.weight_count().map_err(HeadError::Blob)?)?;

        let mut matrices = blob
            .matrices()
            .into_iter()
            .map(|info| Matrix::new(&blob.weights[info.range], info.rows, info.cols));
        let mut next_matrix = || matrices.next().expect("a shape names four matrices a layer");
        let gains = split_layers(Part::RmsGains, trailer.rms_gains.as_deref(), layers, d)?;
        let q_heads = usize::from(shape.q_heads);
        let slopes = split_layers(Part::Slopes, trailer.slopes.as_deref(), layers, q_heads)?;
        for slopes in slopes.iter().flatten() {
            attention::check_slopes(slopes, q_heads)?;
        }
        let feed_forward = FeedForward::load(trailer.feed_forward.as_ref(), layers, d)?;
        let layers = gains.into_iter().zip(slopes).zip(feed_forward);
        let layers = layers
            .map(|((gains, slopes), feed_forward)| Layer {
                gains,
                wq: next_matrix(),
                wk: next_matrix(),
                wv: next_matrix(),
                wo: next_matrix(),
                slopes: slopes.unwrap_or_default(),
                head_dim: usize::from(shape.head_dim),
                storage: record.storage,
                feed_forward,
            })
            .collect();
        let classifier = next_matrix();
        if let Some(bias) = &trailer.bias {
            parts::check(Part::Bias, bias, classes)?;
        }
        Ok(Self {
            shape,
            input: Input::load(trailer, d)?,
            layers,
            readout: Readout { classifier, bias: trailer.bias.clone() },
            record,
            pattern,
            pooling: record.pooling,
            backend,
        })
    }

    /// Returns the shape.
    pub fn shape(&self) -> HeadShape {
        self.shape
    }

    /// Returns the numbers in a feature row.
    pub fn feature_dim(&self) -> usize {
        self.input.feature_dim
    }

    /// Returns the blob's attention record, or what a blob without one means.
    pub fn record(&self) -> AttentionRecord {
        self.record
    }

    /// Returns the backend that computes what the blob's attention record asks for.
    pub fn backend(&self) -> BackendKind {
        self.backend
    }

    /// Returns the sparse pattern.
    pub fn pattern(&self) -> SparsePattern {
        self.pattern
    }

    /// Runs with another sparse pattern from now on.
    ///
    /// # Errors
    ///
    /// [`HeadError::NotCausal`]; [`HeadError::Attention`] for a block size of 0.
    pub fn set_pattern(&mut self, pattern: SparsePattern) -> Result<(), HeadError> {
        if !pattern.causal {
            return Err(HeadError::NotCausal);
        }
        pattern.validate()?;
        self.pattern = pattern;
        Ok(())
    }

    /// Returns what queries, keys and values are rounded to, in every layer and by every backend.
    pub fn storage(&self) -> Storage {
        self.record.storage
    }

    /// Tells whether a node is to classify by the step of each frame ([`HeadStream`]) instead of
    /// the window ([`HeadWindow`]).
    pub fn is_streaming(&self) -> bool {
        self.record.streaming
    }

    /// Returns how rows are pooled.
    pub fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// Pools in another way from now on.
    pub fn set_pooling(&mut self, pooling: Pooling) {
        self.pooling = pooling;
    }

    /// Classifies a window: `rows` is `[n][feature_dim]`, oldest first, `n >= 1`.
    ///
    /// # Errors
    ///
    /// [`HeadError::NoRows`]; [`HeadError::RowsLength`]; [`HeadError::RowNotFinite`];
    /// [`HeadError::Attention`] from the kernels; [`HeadError::Overflow`].
    pub fn forward(&self, rows: &[f32], backend: BackendKind) -> Result<HeadOutput, HeadError> {
        let count = self.count_rows(rows, backend)?;
        if backend.is_upstream() {
            return self.forward_by_upstream(rows, backend);
        }
        let mut window = HeadWindow::for_backend(self, count, backend)?;
        for row in rows.chunks_exact(self.feature_dim()) {
            window.push(self, row)?;
        }
        let logits = window.classify_by(self, backend)?.to_vec();
        Ok(HeadOutput { logits })
    }

    /// The same with the attention of another crate, which wants whole tensors.
    fn forward_by_upstream(
        &self,
        rows: &[f32],
        backend: BackendKind,
    ) -> Result<HeadOutput, HeadError> {
        let mut scratch = Scratch::default();
        let last = self.layers.len() - 1;
        let mut x = self.run(rows, last, backend, &mut scratch)?;
        let qkv = self.project(last, &x, &mut scratch)?;
        let mixed = attention::forward(backend, &qkv.view(), &self.pattern)?;
        let (d, width) = (usize::from(self.shape.input_dim), mixed.heads() * mixed.dim());
        let count = x.len() / d;
        let start = if self.pooling == Pooling::Last { count - 1 } else { 0 };
        let mut pool = Pool::new(self);
        let rows = x.chunks_exact_mut(d).zip(mixed.data().chunks_exact(width));
        for (x, mixed) in rows.skip(start) {
            let classifier = &self.readout.classifier;
            self.layers[last].read_out(x, mixed, classifier, &mut scratch, &mut pool);
        }
        let logits = pool.logits(&self.layers[last], &self.readout)?.to_vec();
        Ok(HeadOutput { logits })
    }

    /// Computes the rows after the last layer, `[n][D]`, which [`TemporalHead::forward`] has no
    /// need of.
    ///
    /// # Errors
    ///
    /// As [`TemporalHead::forward`].
    pub fn hidden(&self, rows: &[f32], backend: BackendKind) -> Result<Vec<f32>, HeadError> {
        self.run(rows, self.layers.len(), backend, &mut Scratch::default())
    }

    /// Computes what layer `layer` attends with, when the layers below ran with `backend`.
    ///
    /// # Errors
    ///
    /// [`HeadError::LayerOutOfRange`]; as [`TemporalHead::forward`].
    pub fn layer_qkv(
        &self,
        rows: &[f32],
        layer: usize,
        backend: BackendKind,
    ) -> Result<LayerQkv, HeadError> {
        if layer >= self.layers.len() {
            return Err(HeadError::LayerOutOfRange { layer, layers: self.layers.len() });
        }
        let mut scratch = Scratch::default();
        let x = self.run(rows, layer, backend, &mut scratch)?;
        self.project(layer, &x, &mut scratch)
    }

    /// Starts to classify row by row, see [`HeadStream`]. `capacity` is how many rows upstream's
    /// edges can reach back; other patterns reach back to the first row in any case.
    ///
    /// # Errors
    ///
    /// [`HeadError::DenseHasNoDecodeStep`]; [`HeadError::UpstreamHasNoStream`];
    /// [`HeadError::Attention`] for a capacity of 0, or when the memory cannot be had.
    pub fn start_stream(
        &self,
        backend: BackendKind,
        capacity: usize,
    ) -> Result<HeadStream, HeadError> {
        HeadStream::new(self, backend, capacity)
    }

    /// Runs the first `layers` layers and returns `[n][D]`.
    fn run(
        &self,
        rows: &[f32],
        layers: usize,
        backend: BackendKind,
        scratch: &mut Scratch,
    ) -> Result<Vec<f32>, HeadError> {
        let (count, features) = (self.count_rows(rows, backend)?, self.feature_dim());
        let d = usize::from(self.shape.input_dim);
        let mut x = vec![0.0; count * d];
        for (index, row) in rows.chunks_exact(features).enumerate() {
            self.input.read(index, row, scratch, &mut x[index * d..][..d])?;
        }
        for layer in 0..layers {
            let qkv = self.project(layer, &x, scratch)?;
            let mixed = attention::forward(backend, &qkv.view(), &self.pattern)?;
            let width = mixed.heads() * mixed.dim();
            for (x, mixed) in x.chunks_exact_mut(d).zip(mixed.data().chunks_exact(width)) {
                self.layers[layer].finish(x, mixed, scratch)?;
            }
        }
        Ok(x)
    }

    fn project(
        &self,
        layer: usize,
        x: &[f32],
        scratch: &mut Scratch,
    ) -> Result<LayerQkv, HeadError> {
        let [d, q_heads, kv_heads, dim] =
            [self.shape.input_dim, self.shape.q_heads, self.shape.kv_heads, self.shape.head_dim]
                .map(usize::from);
        let n = x.len() / d;
        let layer = &self.layers[layer];
        let mut q = Tensor3::zeros(n, q_heads, dim);
        let mut k = Tensor3::zeros(n, kv_heads, dim);
        let mut v = Tensor3::zeros(n, kv_heads, dim);
        let (q_width, kv_width) = (q_heads * dim, kv_heads * dim);
        for (index, x) in x.chunks_exact(d).enumerate() {
            let qkv = [
                &mut q.data_mut()[index * q_width..][..q_width],
                &mut k.data_mut()[index * kv_width..][..kv_width],
                &mut v.data_mut()[index * kv_width..][..kv_width],
            ];
            layer.project(index, x, scratch, qkv)?;
        }
        Ok(LayerQkv { q, k, v, slopes: layer.slopes.clone() })
    }

    /// Returns what a layer's attention is made for.
    fn attention_shape<'a>(&self, slopes: &'a [f32]) -> StreamShape<'a> {
        let [q_heads, kv_heads, dim] =
            [self.shape.q_heads, self.shape.kv_heads, self.shape.head_dim].map(usize::from);
        StreamShape { q_heads, kv_heads, dim, slopes, storage: self.storage() }
    }

    fn last_layer(&self) -> &Layer {
        &self.layers[self.layers.len() - 1]
    }

    /// Checks what a window's own numbers do not tell, and counts its rows.
    fn count_rows(&self, rows: &[f32], backend: BackendKind) -> Result<usize, HeadError> {
        self.check_backend(backend)?;
        let feature_dim = self.feature_dim();
        if rows.is_empty() {
            return Err(HeadError::NoRows);
        }
        if !rows.len().is_multiple_of(feature_dim) {
            return Err(HeadError::RowsLength { feature_dim, got: rows.len() });
        }
        Ok(rows.len() / feature_dim)
    }

    /// The upstream crate cannot compute what a blob with `+ ln(count)` was trained with, the
    /// pyramid's blocks included.
    fn check_backend(&self, backend: BackendKind) -> Result<(), HeadError> {
        let is_upstream_sparse = backend.is_upstream() && !backend.is_dense();
        let is_plain = matches!(
            self.record.pattern,
            AttentionPattern::UpstreamEdges | AttentionPattern::Dense
        );
        if is_upstream_sparse && !is_plain {
            return Err(AttentionError::UpstreamLnCount.into());
        }
        Ok(())
    }
}
