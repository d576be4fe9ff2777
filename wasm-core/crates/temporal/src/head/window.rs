//! The head over the newest rows of a stream: what a node does once per window.
//!
//! [`HeadWindow::classify`] says what [`TemporalHead::forward`] says about the rows held, to the
//! bit. What the first layer makes of a row alone is computed when it is pushed (`projected`).

use super::parts::Scratch;
use super::projected::Projected;
use super::readout::Pool;
use super::{HeadError, TemporalHead};
use crate::attention::{AttentionError, BackendKind, Places, Salient};
use crate::half::Storage;
use crate::rvne::HeadShape;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// The newest rows of a stream, as far as one head has got with them.
#[derive(Clone, Debug)]
pub struct HeadWindow {
    made_for: MadeFor,
    places: Places,
    rows: Box<Projected>,
    scratch: Scratch,
    x: Vec<f32>,
    pool: Pool,
}

/// What two heads that can share a window, or a stream, have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct MadeFor {
    shape: HeadShape,
    feature_dim: usize,
    branch_width: usize,
    has_feed_forward: bool,
    storage: Storage,
    salient: Option<Salient>,
}

impl MadeFor {
    pub fn new(head: &TemporalHead, salient: Option<Salient>) -> Self {
        let last = head.last_layer();
        Self {
            shape: head.shape,
            feature_dim: head.feature_dim(),
            branch_width: last.branch_width(),
            has_feed_forward: last.feed_forward.is_some(),
            storage: head.storage(),
            salient,
        }
    }
}

/// Returns the groups that a backend makes, if it does.
fn salient(head: &TemporalHead, backend: BackendKind) -> Option<Salient> {
    match backend {
        BackendKind::Salient { groups } => Some(Salient { window: head.pattern.window, groups }),
        _ => None,
    }
}

impl HeadWindow {
    /// Makes an empty window for `capacity` rows of `head`; its memory is taken here, but for a few
    /// rows of scratch.
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
        backend.validate(&head.pattern)?;
        Ok(Self {
            made_for: MadeFor::new(head, salient(head, backend)),
            places: Places::new(capacity),
            rows: Projected::new(head, capacity, backend)?,
            scratch: Scratch::default(),
            x: vec![0.0; usize::from(head.shape.input_dim)],
            pool: Pool::new(head),
        })
    }

    /// Returns how many rows it holds.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Tells whether it holds no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the most rows it holds.
    pub fn capacity(&self) -> usize {
        self.places.capacity()
    }

    /// Tells whether the next row takes the place of the oldest.
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity()
    }

    /// Forgets all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.places.clear();
    }

    /// Returns the bytes of memory that it holds now, itself included.
    pub fn memory_bytes(&self) -> usize {
        let x = self.x.capacity() * size_of::<f32>();
        let scratch = self.scratch.memory_bytes() + self.pool.memory_bytes();
        size_of::<Self>() + x + scratch + self.rows.memory_bytes()
    }

    /// Adds the newest row, `[feature_dim]`, in place of the oldest when the window is full.
    ///
    /// `head` is the one that the window was made for: rows stay what it made of them, so new weights
    /// need a new window. Allocates nothing after the first row.
    ///
    /// # Errors
    ///
    /// [`HeadError::StreamOfAnotherHead`]; [`HeadError::RowsLength`];
    /// [`HeadError::RowNotFinite`], the row being the number of rows held; [`HeadError::Attention`]
    /// with `NotFinite` or `BeyondF16`, or [`HeadError::Overflow`], when a projection leaves the
    /// range of numbers. The window is unchanged.
    pub fn push(&mut self, head: &TemporalHead, row: &[f32]) -> Result<(), HeadError> {
        self.check_head(head, self.made_for.salient)?;
        let (feature_dim, got) = (self.made_for.feature_dim, row.len());
        if got != feature_dim {
            return Err(HeadError::RowsLength { feature_dim, got });
        }
        let Self { places, scratch, x, .. } = self;
        head.input.read(places.len(), row, scratch, x)?;
        if !x.iter().all(|number| number.is_finite()) {
            return Err(HeadError::Overflow);
        }
        self.rows.push(head, places, x, scratch)?;
        places.take_next();
        Ok(())
    }

    /// Returns the logits of the rows held, `[classes]`; there may be fewer than the capacity.
    /// Allocates nothing after the first time.
    ///
    /// # Errors
    ///
    /// [`HeadError::StreamOfAnotherHead`]; [`HeadError::NoRows`]; [`HeadError::Attention`] with
    /// `NotFinite`, `BeyondF16` or `Overflow`, or [`HeadError::Overflow`], when numbers leave their
    /// range. The window is unchanged.
    pub fn classify(&mut self, head: &TemporalHead) -> Result<&[f32], HeadError> {
        self.classify_by(head, head.backend())
    }

    /// As [`HeadWindow::classify`], by another backend of ours.
    pub(super) fn classify_by(
        &mut self,
        head: &TemporalHead,
        backend: BackendKind,
    ) -> Result<&[f32], HeadError> {
        self.check_head(head, salient(head, backend))?;
        if self.is_empty() {
            return Err(HeadError::NoRows);
        }
        let Self { places, rows, scratch, pool, .. } = self;
        pool.clear();
        rows.run(head, backend, places, scratch, pool)?;
        pool.logits(head.last_layer(), &head.readout)
    }

    fn check_head(&self, head: &TemporalHead, salient: Option<Salient>) -> Result<(), HeadError> {
        if self.made_for == MadeFor::new(head, salient) {
            Ok(())
        } else {
            Err(HeadError::StreamOfAnotherHead)
        }
    }
}

/// Makes `rows * width` zeros, if there is memory for them.
pub(super) fn zeros<N: Clone + Default>(rows: usize, width: usize) -> Result<Vec<N>, HeadError> {
    let mut numbers = Vec::new();
    let len = rows.checked_mul(width).ok_or(AttentionError::CacheTooLarge)?;
    numbers.try_reserve_exact(len).map_err(|_| AttentionError::CacheTooLarge)?;
    numbers.resize(len, N::default());
    Ok(numbers)
}
