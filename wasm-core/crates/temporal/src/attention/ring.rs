//! Keys and values of the newest rows of a window, as a ring in the kernel's own layout.
//!
//! A window that moves on by one row keeps all but its oldest: that one's place in the bank is
//! written over, and plans are turned from rows of the window to places in the bank. Block means
//! belong to the window, not to the rows (blocks are counted from its oldest row), so they are
//! made anew for each pass, behind the rows.
//!
//! To whoever reads the result there is no ring: a pass gives the bits that a pass over a copy of
//! the rows in order gives.

use super::bank::{self, Bank, Element};
use super::lanes::F32x4;
use super::plan::{Over, Plan};
use super::tile::Scratch;
use super::{AttentionError, Operand, check_finite, check_heads, kernel};

/// The newest keys and values of one layer.
#[derive(Clone, Debug)]
pub(crate) struct KvRing {
    capacity: usize,
    q_heads: usize,
    kv_heads: usize,
    dim: usize,
    /// The place of the oldest row.
    start: usize,
    len: usize,
    rows: Rows,
    plan: Plan,
    scratch: Scratch,
}

#[derive(Clone, Debug)]
enum Rows {
    One(Bank<f32>),
    Lanes(Bank<F32x4>),
}

impl KvRing {
    /// Makes an empty ring for `capacity` rows; the memory that passes over `over` take is taken
    /// here. Without it the ring only keeps rows.
    ///
    /// # Errors
    ///
    /// [`AttentionError::ZeroDim`], [`AttentionError::HeadRatio`];
    /// [`AttentionError::CacheTooLarge`] when the memory cannot be had.
    pub fn new(
        capacity: usize,
        q_heads: usize,
        kv_heads: usize,
        dim: usize,
        over: Option<Over<'_>>,
    ) -> Result<Self, AttentionError> {
        check_heads(q_heads, kv_heads, dim)?;
        let blocks = over.map_or(0, |over| over.blocks(capacity));
        let rows = if bank::is_shared(q_heads, kv_heads) {
            let width = kv_heads.checked_mul(dim).ok_or(AttentionError::CacheTooLarge)?;
            Rows::One(Bank::zeros(capacity, blocks, dim, width, q_heads / kv_heads)?)
        } else {
            let width = bank::lanes_width(q_heads, dim).ok_or(AttentionError::CacheTooLarge)?;
            Rows::Lanes(Bank::zeros(capacity, blocks, dim, width, bank::LANES)?)
        };
        let (plan, scratch) = (Plan::default(), Scratch::default());
        let (start, len) = (0, 0);
        let mut ring = Self { capacity, q_heads, kv_heads, dim, start, len, rows, plan, scratch };
        if let Some(over) = over {
            ring.reserve(over);
        }
        Ok(ring)
    }

    /// Returns how many rows it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns how many rows it can hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Returns the place of row `row`, 0 being the oldest: what is kept beside the ring, one entry
    /// per place, is found there.
    pub fn place(&self, row: usize) -> usize {
        let at = self.start + row;
        if at < self.capacity { at } else { at - self.capacity }
    }

    /// Returns the place that the next row will take.
    pub fn next_place(&self) -> usize {
        if self.len == self.capacity { self.start } else { self.place(self.len) }
    }

    /// Forgets all rows and keeps the memory.
    pub fn clear(&mut self) {
        (self.start, self.len) = (0, 0);
    }

    /// Adds the newest row, `[kv_heads * dim]` each, in place of the oldest when the ring is full.
    /// The capacity is not 0.
    ///
    /// # Errors
    ///
    /// [`AttentionError::NotFinite`], the token being the number of rows before it; the ring is
    /// unchanged.
    pub fn push(&mut self, k: &[f32], v: &[f32]) -> Result<(), AttentionError> {
        for (which, row) in [(Operand::K, k), (Operand::V, v)] {
            check_finite(which, row, self.kv_heads, self.dim, self.len)?;
        }
        let place = self.next_place();
        match &mut self.rows {
            Rows::One(bank) => bank.write(place, k, v, self.q_heads),
            Rows::Lanes(bank) => bank.write(place, k, v, self.q_heads),
        }
        if self.len < self.capacity {
            self.len += 1;
        } else {
            self.start = self.place(1);
        }
        Ok(())
    }

    /// Reads row `row` back, 0 being the oldest, `[kv_heads * dim]` each.
    pub fn read(&self, row: usize, k: &mut [f32], v: &mut [f32]) {
        let place = self.place(row);
        match &self.rows {
            Rows::One(bank) => bank.read(place, self.q_heads, k, v),
            Rows::Lanes(bank) => bank.read(place, self.q_heads, k, v),
        }
    }

    /// Gets ready for a pass over the rows held. Takes memory only when `over` needs more than the
    /// passes before.
    pub fn begin(&mut self, over: Over<'_>) {
        let (start, len) = (self.start, self.len);
        match &mut self.rows {
            Rows::One(bank) => push_means(bank, over, start, len),
            Rows::Lanes(bank) => push_means(bank, over, start, len),
        }
        self.reserve(over);
    }

    /// Takes memory for the longest plan, so that none is taken later.
    fn reserve(&mut self, over: Over<'_>) {
        let visits = most_visits(over, self.capacity);
        self.plan.reserve(visits);
        self.scratch.reserve(2 * self.dim, 2 * visits);
    }

    /// Computes what `rows` (1 or 2) rows from `row` on attend to: `q` and `out` are
    /// `[rows][q_heads * dim]`, `slopes` is one per query head or empty. `over` is that of
    /// [`KvRing::begin`].
    ///
    /// # Errors
    ///
    /// [`AttentionError::NotFinite`] for `q`; [`AttentionError::Overflow`].
    pub fn attend(
        &mut self,
        over: Over<'_>,
        row: usize,
        q: &[f32],
        slopes: &[f32],
        out: &mut [f32],
    ) -> Result<(), AttentionError> {
        check_finite(Operand::Q, q, self.q_heads, self.dim, row)?;
        let rows = q.len() / (self.q_heads * self.dim);
        let (start, capacity, plan) = (self.start, self.capacity, &mut self.plan);
        plan.fill(over, row, rows, self.len, capacity);
        if start > 0 {
            // Rows behind the ring are block means and stay where they are.
            for row in plan.reads.as_flattened_mut().iter_mut().filter(|row| **row < capacity) {
                *row += start;
                if *row >= capacity {
                    *row -= capacity;
                }
            }
        }
        match &self.rows {
            Rows::One(bank) => kernel::attend(bank, plan, q, slopes, &mut self.scratch, out),
            Rows::Lanes(bank) => kernel::attend(bank, plan, q, slopes, &mut self.scratch, out),
        }
    }

    /// Returns the bytes of memory that it holds.
    pub fn memory_bytes(&self) -> usize {
        let rows = match &self.rows {
            Rows::One(bank) => bank.memory_bytes(),
            Rows::Lanes(bank) => bank.memory_bytes(),
        };
        rows + self.plan.memory_bytes() + self.scratch.memory_bytes()
    }
}

/// Makes the block means of the tokens held behind their places.
fn push_means<E: Element>(bank: &mut Bank<E>, over: Over<'_>, oldest: usize, tokens: usize) {
    (bank.oldest, bank.tokens) = (oldest, tokens);
    kernel::push_means(bank, over);
}

/// Returns the most visits that two rows of a window of `rows` rows can have together.
fn most_visits(over: Over<'_>, rows: usize) -> usize {
    // The powers of two up to `rows`, and both ends.
    let powers = (usize::BITS - rows.leading_zeros()) as usize + 1;
    match over {
        Over::Dense { .. } => rows,
        // A far edge per power of two for tokens and for blocks, beside token 0 and the two nearest
        // blocks; two rows may have none in common.
        Over::Sparse { pattern, .. } => pattern.window.min(rows) + 2 + 2 * (2 * powers + 3),
        // Of each level, the second row's blocks may all follow those of the first. Neither sees a
        // token twice.
        Over::Pyramid(pyramid) => {
            let blocks = pyramid.per_level.min(rows) * powers;
            (pyramid.window.min(rows) + 2 + 2 * blocks).min(2 * rows)
        }
    }
}
