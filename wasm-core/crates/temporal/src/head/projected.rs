//! The rows of a moving window, with what the first layer makes of each alone.
//!
//! Kept per row, in place of the row itself:
//!
//! | numbers                    | when                                                         |
//! |----------------------------|--------------------------------------------------------------|
//! | `q_heads * head_dim`       | always: the query                                            |
//! | `2 * kv_heads * head_dim`  | always: key and value, in the kernel's layout                |
//! | `classes`                  | one layer without feed-forward: the row times the classifier |
//! | `D`                        | otherwise: the row as the first layer sees it                |
//!
//! Queries, keys and values take two bytes each where the blob keeps rows as f16. Of the layers above
//! only keys and values of the layer at work are held; a query lives as long as its row's turn.
//!
//! Large parts are boxed where they are made, in functions of their own: a node's stack is small, and
//! there each move of a large value may be a copy.

use super::parts::Scratch;
use super::readout::Pool;
use super::window::zeros;
use super::{HeadError, TemporalHead};
use crate::attention::salient::{Salient, SalientStream};
use crate::attention::{BackendKind, KvRows, Over, Places, StreamShape};
use crate::half::{Storage, f16_to_f32, f32_to_f16};
use crate::rvne::Pooling;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// Rows by place, see [`Places`].
#[derive(Clone, Debug)]
pub(super) struct Projected {
    first: Box<KvRows>,
    queries: Queries,
    /// `[capacity][classes]` or `[capacity][D]`.
    kept: Vec<f32>,
    keeps_classified: bool,
    above: Option<Box<Above>>,
    /// With the salient pattern, what each layer in turn attends by.
    groups: Option<Box<SalientStream>>,
    /// A row between two layers.
    x: Vec<f32>,
    /// Two rows each.
    q: Vec<f32>,
    mixed: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

/// What layers above the first work in.
#[derive(Clone, Debug)]
struct Above {
    rows: Box<KvRows>,
    /// The rows between layers, oldest first, `[capacity][D]`.
    x: Vec<f32>,
}

impl Projected {
    /// Makes room for `capacity` rows.
    #[inline(never)]
    pub fn new(
        head: &TemporalHead,
        capacity: usize,
        backend: BackendKind,
    ) -> Result<Box<Self>, HeadError> {
        let groups = match backend {
            BackendKind::Salient { groups } => Some(make_groups(head, capacity, groups)?),
            _ if backend.over(&head.pattern).is_none() => {
                return Err(HeadError::UpstreamHasNoStream);
            }
            _ => None,
        };
        let StreamShape { q_heads, kv_heads, dim, storage, .. } = head.attention_shape(&[]);
        let [d, classes] = [head.shape.input_dim, head.shape.classes].map(usize::from);
        let has_above = head.layers.len() > 1;
        let keeps_classified = !has_above && head.layers[0].feed_forward.is_none();
        let above = match has_above {
            true => Some(Box::new(Above {
                rows: make_rows(head, capacity, backend)?,
                x: zeros(capacity, d)?,
            })),
            false => None,
        };
        Ok(Box::new(Self {
            first: make_rows(head, capacity, backend)?,
            queries: Queries::new(storage, capacity, q_heads * dim)?,
            kept: zeros(capacity, if keeps_classified { classes } else { d })?,
            keeps_classified,
            above,
            groups,
            x: vec![0.0; d],
            q: vec![0.0; 2 * q_heads * dim],
            mixed: vec![0.0; 2 * q_heads * dim],
            k: vec![0.0; kv_heads * dim],
            v: vec![0.0; kv_heads * dim],
        }))
    }

    /// Puts a row, `x` as the first layer sees it, into the next place. On an error no row has
    /// changed.
    pub fn push(
        &mut self,
        head: &TemporalHead,
        places: &Places,
        x: &[f32],
        scratch: &mut Scratch,
    ) -> Result<(), HeadError> {
        let (place, row) = (places.next(), places.len());
        let (q, k, v) = (&mut self.q[..self.mixed.len() / 2], &mut self.k, &mut self.v);
        head.layers[0].project(row, x, scratch, [q, k, v])?;
        if !q.iter().all(|number| number.is_finite()) {
            return Err(HeadError::Overflow);
        }
        self.first.put(place, row, k, v)?;
        self.queries.put(place, q);
        let width = self.kept.len() / places.capacity();
        let kept = &mut self.kept[place * width..][..width];
        if self.keeps_classified {
            head.readout.classifier.apply(x, kept);
        } else {
            kept.copy_from_slice(x);
        }
        Ok(())
    }

    /// Takes all rows through all layers into `pool`. There is a row at least.
    pub fn run(
        &mut self,
        head: &TemporalHead,
        backend: BackendKind,
        places: &Places,
        scratch: &mut Scratch,
        pool: &mut Pool,
    ) -> Result<(), HeadError> {
        if let Some(above) = &mut self.above {
            let d = self.x.len();
            for (row, x) in above.x.chunks_exact_mut(d).take(places.len()).enumerate() {
                x.copy_from_slice(&self.kept[places.of(row) * d..][..d]);
            }
        }
        for layer in 0..head.layers.len() {
            self.run_layer(head, layer, backend, places, scratch, pool)?;
        }
        Ok(())
    }

    /// Takes all rows through one layer: to the next one, or into the pool.
    fn run_layer(
        &mut self,
        head: &TemporalHead,
        index: usize,
        backend: BackendKind,
        places: &Places,
        scratch: &mut Scratch,
        pool: &mut Pool,
    ) -> Result<(), HeadError> {
        let Self { first, above, groups, k, v, q, mixed, queries, kept, .. } = self;
        let (layer, count) = (&head.layers[index], places.len());
        let (d, width, kept_width) = (self.x.len(), q.len() / 2, kept.len() / places.capacity());
        let (upper, mut between) = match above {
            Some(above) => (Some(&mut above.rows), Some(&mut above.x)),
            None => (None, None),
        };
        let mut in_order = Places::new(places.capacity());
        let (rows, places) = match (upper, &between) {
            (Some(rows), Some(x)) if index > 0 => {
                for (row, x) in x.chunks_exact(d).take(count).enumerate() {
                    layer.key_value(row, x, scratch, k, v)?;
                    rows.put(row, row, k, v)?;
                    in_order.take_next();
                }
                (rows, &in_order)
            }
            _ => (first, places),
        };
        // Of the last layer only rows that are pooled.
        let is_last = index + 1 == head.layers.len();
        let start = if is_last && head.pooling == Pooling::Last { count - 1 } else { 0 };
        let mut attention = match (groups, backend.over(&head.pattern)) {
            (Some(stream), _) => {
                stream.restart(&layer.slopes);
                for row in 0..start {
                    rows.read(places.of(row), k, v);
                    stream.append(k, v);
                }
                Attention::Groups(stream)
            }
            (None, Some(over)) => {
                rows.begin(over, places)?;
                Attention::Rows(over)
            }
            (None, None) => return Err(HeadError::UpstreamHasNoStream),
        };
        let at_once = rows.at_once();
        for row in (start..count).step_by(at_once) {
            let turn = row..count.min(row + at_once);
            let (q, mixed) = (&mut q[..turn.len() * width], &mut mixed[..turn.len() * width]);
            for (row, q) in turn.clone().zip(q.chunks_exact_mut(width)) {
                match &between {
                    Some(x) if index > 0 => layer.query(row, &x[row * d..][..d], scratch, q)?,
                    _ => queries.get(places.of(row), q),
                }
            }
            match &mut attention {
                Attention::Rows(over) => {
                    rows.attend(*over, places, row, q, &layer.slopes, mixed)?;
                }
                Attention::Groups(stream) => {
                    let queries = q.chunks_exact(width).zip(mixed.chunks_exact_mut(width));
                    for (row, (q, mixed)) in turn.clone().zip(queries) {
                        rows.read(places.of(row), k, v);
                        stream.push(q, k, v, mixed)?;
                    }
                }
            }
            for (row, mixed) in turn.zip(mixed.chunks_exact(width)) {
                let kept = &kept[places.of(row) * kept_width..][..kept_width];
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

    /// Returns the bytes of memory that it holds, itself included.
    pub fn memory_bytes(&self) -> usize {
        let Self { kept, x, q, mixed, k, v, .. } = self;
        let numbers: usize = [kept, x, q, mixed, k, v].map(Vec::capacity).iter().sum();
        let rows = |rows: &KvRows| size_of::<KvRows>() + rows.memory_bytes();
        let above = self.above.as_ref().map_or(0, |above| {
            size_of::<Above>() + rows(&above.rows) + above.x.capacity() * size_of::<f32>()
        });
        let groups = self.groups.as_ref();
        let groups = groups.map_or(0, |groups| size_of::<SalientStream>() + groups.memory_bytes());
        let beside = numbers * size_of::<f32>() + self.queries.memory_bytes() + groups;
        size_of::<Self>() + beside + rows(&self.first) + above
    }
}

#[inline(never)]
fn make_rows(
    head: &TemporalHead,
    capacity: usize,
    backend: BackendKind,
) -> Result<Box<KvRows>, HeadError> {
    let over = backend.over(&head.pattern);
    Ok(Box::new(KvRows::new(&head.attention_shape(&[]), capacity, over)?))
}

#[inline(never)]
fn make_groups(
    head: &TemporalHead,
    capacity: usize,
    groups: usize,
) -> Result<Box<SalientStream>, HeadError> {
    let StreamShape { q_heads, kv_heads, dim, .. } = head.attention_shape(&[]);
    let window = head.pattern.window.min(capacity);
    let pattern = Salient { window, groups: groups.min(capacity) };
    Ok(Box::new(SalientStream::new(&pattern, q_heads, kv_heads, dim, &[])?))
}

/// How the rows of a layer attend.
enum Attention<'a> {
    /// By the rows themselves.
    Rows(Over<'a>),
    /// One after the other, by groups of like keys.
    Groups(&'a mut SalientStream),
}

/// Queries by place, `[capacity][q_heads * head_dim]`.
#[derive(Clone, Debug)]
enum Queries {
    F32(Vec<f32>),
    F16(Vec<u16>),
}

impl Queries {
    fn new(storage: Storage, capacity: usize, width: usize) -> Result<Self, HeadError> {
        Ok(match storage {
            Storage::F32 => Self::F32(zeros(capacity, width)?),
            Storage::F16 => Self::F16(zeros(capacity, width)?),
        })
    }

    /// Keeps a query that was rounded to what is kept.
    fn put(&mut self, place: usize, q: &[f32]) {
        let at = place * q.len();
        match self {
            Self::F32(queries) => queries[at..][..q.len()].copy_from_slice(q),
            Self::F16(queries) => {
                for (kept, number) in queries[at..].iter_mut().zip(q) {
                    *kept = f32_to_f16(*number);
                }
            }
        }
    }

    fn get(&self, place: usize, q: &mut [f32]) {
        let at = place * q.len();
        match self {
            Self::F32(queries) => q.copy_from_slice(&queries[at..][..q.len()]),
            Self::F16(queries) => {
                for (number, kept) in q.iter_mut().zip(&queries[at..]) {
                    *number = f16_to_f32(*kept);
                }
            }
        }
    }

    fn memory_bytes(&self) -> usize {
        match self {
            Self::F32(queries) => queries.capacity() * size_of::<f32>(),
            Self::F16(queries) => queries.capacity() * size_of::<u16>(),
        }
    }
}
