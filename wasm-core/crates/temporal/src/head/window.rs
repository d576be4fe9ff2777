//! The head over the newest rows of a stream: what a node does once per window.
//!
//! Of each row, what the first layer makes of it alone is computed when it is pushed: its query,
//! key and value, which later windows share. [`HeadWindow::classify`] does the rest and says what
//! [`TemporalHead::forward`] says about the rows held, to the bit.
//!
//! Kept per row, in place of the row itself:
//!
//! | numbers                    | when                                                        |
//! |----------------------------|-------------------------------------------------------------|
//! | `q_heads * head_dim`       | always: the query                                           |
//! | `2 * kv_heads * head_dim`  | always: key and value, in the kernel's layout               |
//! | `classes`                  | one layer without feed-forward: the row times the classifier |
//! | `D`                        | otherwise: the row as the first layer sees it               |

use super::parts::Scratch;
use super::readout::Pool;
use super::{HeadError, TemporalHead};
use crate::attention::salient::{Salient, SalientStream};
use crate::attention::{AttentionError, BackendKind, KvRing, Over};
use crate::rvne::{HeadShape, Pooling};
use alloc::vec;
use alloc::vec::Vec;

/// The newest rows of a stream, as far as one head has got with them.
#[derive(Clone, Debug)]
pub struct HeadWindow {
    shape: HeadShape,
    feature_dim: usize,
    branch_width: usize,
    keeps_classified: bool,
    first: KvRing,
    /// By place in the ring, `[capacity][q_heads * head_dim]`.
    queries: Vec<f32>,
    /// By place in the ring, `[capacity][classes]` or `[capacity][D]`.
    kept: Vec<f32>,
    above: Option<Above>,
    /// With the salient pattern, what each layer in turn attends by.
    groups: Option<SalientStream>,
    scratch: Scratch,
    x: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    mixed: Vec<f32>,
    pool: Pool,
}

/// What layers above the first work in.
#[derive(Clone, Debug)]
struct Above {
    rows: KvRing,
    /// The rows between layers, oldest first, `[capacity][D]`.
    x: Vec<f32>,
}

impl HeadWindow {
    /// Makes an empty window for `capacity` rows of `head`; its memory is taken here, but for
    /// a few rows of scratch.
    ///
    /// # Errors
    ///
    /// [`HeadError::NoRows`] for a capacity of 0; [`HeadError::Attention`] with `CacheTooLarge`
    /// when the memory cannot be had.
    pub fn new(head: &TemporalHead, capacity: usize) -> Result<Self, HeadError> {
        Self::for_backend(head, capacity, head.backend())
    }

    /// As [`HeadWindow::new`], for another backend of ours.
    pub(super) fn for_backend(
        head: &TemporalHead,
        capacity: usize,
        backend: BackendKind,
    ) -> Result<Self, HeadError> {
        if capacity == 0 {
            return Err(HeadError::NoRows);
        }
        let shape = head.shape;
        let [d, q_heads, kv_heads, dim, classes] =
            [shape.input_dim, shape.q_heads, shape.kv_heads, shape.head_dim, shape.classes]
                .map(usize::from);
        let over = backend.over(&head.pattern);
        let groups = match backend {
            BackendKind::Salient { groups } => {
                let window = head.pattern.window.min(capacity);
                let pattern = Salient { window, groups: groups.min(capacity) };
                Some(SalientStream::new(&pattern, q_heads, kv_heads, dim, &[])?)
            }
            _ if over.is_none() => return Err(HeadError::UpstreamHasNoStream),
            _ => None,
        };
        let rows = || KvRing::new(capacity, q_heads, kv_heads, dim, over);
        let above = if head.layers.len() > 1 {
            Some(Above { rows: rows()?, x: zeros(capacity, d)? })
        } else {
            None
        };
        Ok(Self {
            shape,
            feature_dim: head.feature_dim(),
            branch_width: head.last_layer().branch_width(),
            keeps_classified: keeps_classified(head),
            first: rows()?,
            queries: zeros(capacity, q_heads * dim)?,
            kept: zeros(capacity, if keeps_classified(head) { classes } else { d })?,
            above,
            groups,
            scratch: Scratch::default(),
            x: vec![0.0; d],
            q: vec![0.0; 2 * q_heads * dim],
            k: vec![0.0; kv_heads * dim],
            v: vec![0.0; kv_heads * dim],
            mixed: vec![0.0; 2 * q_heads * dim],
            pool: Pool::new(head),
        })
    }

    /// Returns how many rows it holds.
    pub fn len(&self) -> usize {
        self.first.len()
    }

    /// Tells whether it holds no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the most rows it holds.
    pub fn capacity(&self) -> usize {
        self.first.capacity()
    }

    /// Tells whether the next row takes the place of the oldest.
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity()
    }

    /// Forgets all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.first.clear();
    }

    /// Returns the bytes of memory that it holds now, itself included.
    pub fn memory_bytes(&self) -> usize {
        let Self { queries, kept, x, q, k, v, mixed, .. } = self;
        let numbers: usize = [queries, kept, x, q, k, v, mixed].map(Vec::capacity).iter().sum();
        let above = self.above.as_ref();
        let above = above.map_or(0, |above| above.rows.memory_bytes() + above.x.capacity() * 4);
        let groups = self.groups.as_ref().map_or(0, SalientStream::memory_bytes);
        let scratch = self.scratch.memory_bytes() + self.pool.memory_bytes();
        size_of::<Self>() + numbers * 4 + self.first.memory_bytes() + above + groups + scratch
    }

    /// Adds the newest row, `[feature_dim]`, in place of the oldest when the window is full.
    ///
    /// `head` is the one that the window was made for, or one of the same shape; then the rows
    /// pushed before remain what the earlier head made of them, so after new weights a caller
    /// clears. Allocates nothing after the first row.
    ///
    /// # Errors
    ///
    /// [`HeadError::StreamOfAnotherHead`]; [`HeadError::RowsLength`];
    /// [`HeadError::RowNotFinite`], the row being the number of rows held; [`HeadError::Attention`]
    /// with `NotFinite`, or [`HeadError::Overflow`], when a projection leaves the range of `f32`.
    /// The window is unchanged.
    pub fn push(&mut self, head: &TemporalHead, row: &[f32]) -> Result<(), HeadError> {
        self.check_head(head)?;
        if row.len() != self.feature_dim {
            return Err(HeadError::RowsLength { feature_dim: self.feature_dim, got: row.len() });
        }
        let Self { scratch, x, q, k, v, .. } = self;
        let (layer, width) = (&head.layers[0], self.mixed.len() / 2);
        head.input.read(self.first.len(), row, scratch, x)?;
        layer.project(self.first.len(), x, scratch, [&mut q[..width], k, v])?;
        if !q[..width].iter().chain(x.iter()).all(|number| number.is_finite()) {
            return Err(HeadError::Overflow);
        }
        let place = self.first.next_place();
        self.first.push(k, v)?;
        self.queries[place * width..][..width].copy_from_slice(&q[..width]);
        let width = self.kept.len() / self.first.capacity();
        let kept = &mut self.kept[place * width..][..width];
        if self.keeps_classified {
            head.readout.classifier.apply(x, kept);
        } else {
            kept.copy_from_slice(x);
        }
        Ok(())
    }

    /// Returns the logits of the rows held, `[classes]`; there may be fewer than the capacity.
    /// Allocates nothing after the first time.
    ///
    /// # Errors
    ///
    /// [`HeadError::StreamOfAnotherHead`]; [`HeadError::NoRows`]; [`HeadError::Attention`] with
    /// `NotFinite` or `Overflow`, or [`HeadError::Overflow`], when numbers leave the range of
    /// `f32`. The window is unchanged.
    pub fn classify(&mut self, head: &TemporalHead) -> Result<&[f32], HeadError> {
        self.classify_by(head, head.backend())
    }

    /// As [`HeadWindow::classify`], by another backend of ours.
    pub(super) fn classify_by(
        &mut self,
        head: &TemporalHead,
        backend: BackendKind,
    ) -> Result<&[f32], HeadError> {
        self.check_head(head)?;
        if self.is_empty() {
            return Err(HeadError::NoRows);
        }
        if let Some(above) = &mut self.above {
            let d = self.x.len();
            for (row, x) in above.x.chunks_exact_mut(d).take(self.first.len()).enumerate() {
                x.copy_from_slice(&self.kept[self.first.place(row) * d..][..d]);
            }
        }
        self.pool.clear();
        for layer in 0..head.layers.len() {
            self.run_layer(head, layer, backend)?;
        }
        self.pool.logits(head.last_layer(), &head.readout)
    }

    /// Takes all rows through one layer: to the next one, or into the pool.
    fn run_layer(
        &mut self,
        head: &TemporalHead,
        index: usize,
        backend: BackendKind,
    ) -> Result<(), HeadError> {
        let Self { first, above, groups, scratch, k, v, q, mixed, pool, queries, kept, .. } = self;
        let (layer, count) = (&head.layers[index], first.len());
        let (d, width, kept_width) = (self.x.len(), q.len() / 2, kept.len() / first.capacity());
        let is_last = index + 1 == head.layers.len();
        let (upper, mut between) = match above {
            Some(Above { rows, x }) => (Some(rows), Some(x)),
            None => (None, None),
        };
        let ring = match (upper, &between) {
            (Some(ring), Some(x)) if index > 0 => {
                ring.clear();
                for (row, x) in x.chunks_exact(d).take(count).enumerate() {
                    layer.key_value(row, x, scratch, k, v)?;
                    ring.push(k, v)?;
                }
                ring
            }
            _ => first,
        };
        // Of the last layer only rows that are pooled.
        let start = if is_last && head.pooling == Pooling::Last { count - 1 } else { 0 };
        let mut attention = match (groups, backend.over(&head.pattern)) {
            (Some(stream), _) => {
                stream.restart(&layer.slopes);
                for row in 0..start {
                    ring.read(row, k, v);
                    stream.append(k, v);
                }
                Attention::Groups(stream)
            }
            (None, Some(over)) => {
                ring.begin(over);
                Attention::Ring(over)
            }
            (None, None) => return Err(HeadError::UpstreamHasNoStream),
        };
        for row in (start..count).step_by(2) {
            let rows = row..count.min(row + 2);
            let (q, mixed) = (&mut q[..rows.len() * width], &mut mixed[..rows.len() * width]);
            for (row, q) in rows.clone().zip(q.chunks_exact_mut(width)) {
                match &between {
                    Some(x) if index > 0 => layer.query(row, &x[row * d..][..d], scratch, q)?,
                    _ => q.copy_from_slice(&queries[ring.place(row) * width..][..width]),
                }
            }
            match &mut attention {
                Attention::Ring(over) => ring.attend(*over, row, q, &layer.slopes, mixed)?,
                Attention::Groups(stream) => {
                    let queries = q.chunks_exact(width).zip(mixed.chunks_exact_mut(width));
                    for (row, (q, mixed)) in rows.clone().zip(queries) {
                        ring.read(row, k, v);
                        stream.push(q, k, v, mixed)?;
                    }
                }
            }
            for (row, mixed) in rows.zip(mixed.chunks_exact(width)) {
                let kept = &kept[ring.place(row) * kept_width..][..kept_width];
                let x = match &mut between {
                    Some(x) => &mut x[row * d..][..d],
                    None if self.keeps_classified => {
                        pool.add(mixed, kept);
                        continue;
                    }
                    None => {
                        self.x.copy_from_slice(kept);
                        &mut self.x
                    }
                };
                if is_last {
                    layer.read_out(x, mixed, &head.readout.classifier, scratch, pool);
                } else {
                    layer.finish(x, mixed, scratch)?;
                }
            }
        }
        Ok(())
    }

    fn check_head(&self, head: &TemporalHead) -> Result<(), HeadError> {
        let is_own = head.shape == self.shape
            && head.feature_dim() == self.feature_dim
            && head.last_layer().branch_width() == self.branch_width
            && keeps_classified(head) == self.keeps_classified;
        if is_own { Ok(()) } else { Err(HeadError::StreamOfAnotherHead) }
    }
}

/// How the rows of a layer attend.
enum Attention<'a> {
    /// By the ring that holds them.
    Ring(Over<'a>),
    /// One after the other, by groups of like keys.
    Groups(&'a mut SalientStream),
}

/// Tells whether all that the end of the head needs of a row is the row times the classifier.
fn keeps_classified(head: &TemporalHead) -> bool {
    head.layers.len() == 1 && head.layers[0].feed_forward.is_none()
}

fn zeros(rows: usize, width: usize) -> Result<Vec<f32>, HeadError> {
    let mut numbers = Vec::new();
    let len = rows.checked_mul(width).ok_or(AttentionError::CacheTooLarge)?;
    numbers.try_reserve_exact(len).map_err(|_| AttentionError::CacheTooLarge)?;
    numbers.resize(len, 0.0);
    Ok(numbers)
}
