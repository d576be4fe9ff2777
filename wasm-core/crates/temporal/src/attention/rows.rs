//! Keys and values of the rows of a window that moves on, in the kernel's own layout.
//!
//! A window that moves on by one row keeps all but its oldest: that one's place is written over, and
//! plans are turned from rows of the window to places. Block means belong to the window, not to the
//! rows (blocks are counted from its oldest row), so they are made anew for each pass, behind the
//! rows.
//!
//! To whoever reads the result there is no ring: a pass gives the bits that a pass over a copy of
//! the rows in order gives.

use super::plan::{Over, Plan};
use super::store::Store;
use super::stream::StreamShape;
use super::tile::Scratch;
use super::{AttentionError, Operand, check_finite, check_heads};

/// Which place each row of a window has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    capacity: usize,
    /// The place of the oldest row.
    start: usize,
    len: usize,
}

impl Places {
    /// Makes an empty window of at most `capacity` rows, at least 1.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, start: 0, len: 0 }
    }

    /// Returns how many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns how many rows there can be.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Returns the place of row `row`, 0 being the oldest.
    pub fn of(&self, row: usize) -> usize {
        let at = self.start + row;
        if at < self.capacity { at } else { at - self.capacity }
    }

    /// Returns the place that the next row takes: that of the oldest when there is no other.
    pub fn next(&self) -> usize {
        if self.len == self.capacity { self.start } else { self.of(self.len) }
    }

    /// Counts the row that was put there.
    pub fn take_next(&mut self) {
        if self.len < self.capacity {
            self.len += 1;
        } else {
            self.start = self.of(1);
        }
    }

    /// Forgets all rows.
    pub fn clear(&mut self) {
        (self.start, self.len) = (0, 0);
    }
}

/// Keys and values by place.
#[derive(Clone, Debug)]
pub(crate) struct KvRows {
    store: Store,
    plan: Plan,
    scratch: Scratch,
}

impl KvRows {
    /// Makes `capacity` places; all memory that passes over `over` need is taken here. Without it
    /// rows are only kept. The shape's slopes are not looked at.
    ///
    /// # Errors
    ///
    /// [`AttentionError::ZeroDim`], [`AttentionError::HeadRatio`];
    /// [`AttentionError::CacheTooLarge`] when the memory cannot be had.
    pub fn new(
        shape: &StreamShape<'_>,
        capacity: usize,
        over: Option<Over<'_>>,
    ) -> Result<Self, AttentionError> {
        check_heads(shape.q_heads, shape.kv_heads, shape.dim)?;
        let blocks = over.map_or(0, |over| over.blocks(capacity));
        let store = Store::new(shape, capacity, blocks)?;
        let mut rows = Self { store, plan: Plan::default(), scratch: Scratch::default() };
        if let Some(over) = over {
            rows.reserve(over, capacity)?;
        }
        Ok(rows)
    }

    /// Puts the key and the value of row number `row`, `[kv_heads * dim]` each, into `place`.
    ///
    /// # Errors
    ///
    /// [`AttentionError::NotFinite`]; the place is unchanged.
    pub fn put(
        &mut self,
        place: usize,
        row: usize,
        k: &[f32],
        v: &[f32],
    ) -> Result<(), AttentionError> {
        check_finite(Operand::K, k, self.store.kv_heads, self.store.dim, row)?;
        check_finite(Operand::V, v, self.store.kv_heads, self.store.dim, row)?;
        self.store.put(place, k, v);
        Ok(())
    }

    /// Reads the key and the value in `place` back, `[kv_heads * dim]` each.
    pub fn read(&self, place: usize, k: &mut [f32], v: &mut [f32]) {
        self.store.read(place, k, v);
    }

    /// Tells how many rows are best attended to at once, 1 or 2.
    pub fn at_once(&self) -> usize {
        self.store.rows_at_once()
    }

    /// Gets ready for a pass. Takes memory only when `over` needs more than what the rows were made
    /// for.
    ///
    /// # Errors
    ///
    /// [`AttentionError::CacheTooLarge`].
    pub fn begin(&mut self, over: Over<'_>, places: &Places) -> Result<(), AttentionError> {
        self.reserve(over, places.capacity)?;
        self.store.push_means(over, places.start, places.len);
        // The plan of another pass does not lead to this one's.
        self.plan.rows = 0;
        Ok(())
    }

    /// Takes memory for the longest plan, so that none is taken later.
    fn reserve(&mut self, over: Over<'_>, capacity: usize) -> Result<(), AttentionError> {
        let visits = most_visits(over, capacity);
        self.plan.reserve(visits)?;
        if let Over::Sparse { pattern, .. } = over {
            self.plan.reserve_far(pattern.most_far_edges(capacity))?;
        }
        self.scratch.reserve(2 * self.store.dim, 2 * visits)
    }

    /// Computes what one or two rows from `row` on attend to: `q` and `out` are
    /// `[rows][q_heads * dim]`, `slopes` is one per query head or empty. `over` and `places` are
    /// those of [`KvRows::begin`].
    ///
    /// # Errors
    ///
    /// [`AttentionError::Overflow`], also where `q` is not finite.
    pub fn attend(
        &mut self,
        over: Over<'_>,
        places: &Places,
        row: usize,
        q: &[f32],
        slopes: &[f32],
        out: &mut [f32],
    ) -> Result<(), AttentionError> {
        let Self { store, plan, scratch } = self;
        let rows = q.len() / (store.q_heads * store.dim);
        let follows = rows == plan.rows && row == plan.row + rows;
        let advances = match over {
            Over::Sparse { pattern, .. } => follows && plan.advance(pattern, places.capacity),
            _ => false,
        };
        if !advances {
            plan.fill(over, row, rows, places.len, places.capacity);
            if places.start > 0 {
                // Rows behind the places are block means and stay where they are.
                let reads = plan.reads.as_flattened_mut().iter_mut();
                reads.filter(|row| **row < places.capacity).for_each(|row| *row = places.of(*row));
            }
        }
        store.attend(plan, q, slopes, scratch, out)
    }

    /// Returns the bytes of memory that it holds.
    pub fn memory_bytes(&self) -> usize {
        self.store.memory_bytes() + self.plan.memory_bytes() + self.scratch.memory_bytes()
    }
}

/// Returns the most things that two rows of a window of `rows` rows look at in turn.
fn most_visits(over: Over<'_>, rows: usize) -> usize {
    match over {
        Over::Dense { .. } => rows,
        Over::Sparse { pattern, .. } => pattern.window.min(rows) + 2 + pattern.most_far_edges(rows),
        // Of each level, the second row's blocks may all follow those of the first. Neither sees a
        // token twice.
        Over::Pyramid(pyramid) => {
            let levels = (usize::BITS - rows.leading_zeros()) as usize + 1;
            let blocks = pyramid.per_level.min(rows) * levels;
            (pyramid.window.min(rows) + 2 + 2 * blocks).min(2 * rows)
        }
    }
}
