//! The last `capacity` feature rows, oldest first: what the temporal head classifies.
//!
//! It allocates once, in [`FrameWindow::new`]. It knows nothing about time: whoever pushes rows
//! clears it when the stream breaks.

use alloc::vec::Vec;
use core::fmt;

/// Why a window could not be made or a row not be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WindowError {
    /// A window needs at least one row of at least one number, and must fit into memory.
    Size {
        /// Rows asked for.
        capacity: usize,
        /// Numbers a row asked for.
        dim: usize,
    },
    /// A row has another length than the window's rows.
    RowLength {
        /// Numbers in the window's rows.
        expected: usize,
        /// Numbers in the row that was pushed.
        got: usize,
    },
}

impl WindowError {
    /// Returns the stable code that the page and the docs match on.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Size { .. } => "window/size",
            Self::RowLength { .. } => "window/row-length",
        }
    }
}

impl fmt::Display for WindowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { capacity, dim } => {
                write!(f, "no window can be made of {capacity} rows of {dim} numbers")
            }
            Self::RowLength { expected, got } => {
                write!(f, "the row has {got} numbers, the window's rows have {expected}")
            }
        }
    }
}

impl core::error::Error for WindowError {}

/// A ring of feature rows, shape `[len, dim]`.
#[derive(Clone, Debug)]
pub struct FrameWindow {
    data: Vec<f32>,
    dim: usize,
    capacity: usize,
    /// Where the next row goes.
    next: usize,
    len: usize,
}

impl FrameWindow {
    /// Makes an empty window for `capacity` rows of `dim` numbers.
    ///
    /// # Errors
    ///
    /// [`WindowError::Size`] if either is zero or the product does not fit into memory.
    pub fn new(capacity: usize, dim: usize) -> Result<Self, WindowError> {
        let size = WindowError::Size { capacity, dim };
        let numbers = capacity.checked_mul(dim).filter(|&n| n > 0).ok_or(size)?;
        let mut data = Vec::new();
        data.try_reserve_exact(numbers).map_err(|_| size)?;
        data.resize(numbers, 0.0);
        Ok(Self { data, dim, capacity, next: 0, len: 0 })
    }

    /// Adds a row, in place of the oldest one when the window is full.
    ///
    /// # Errors
    ///
    /// [`WindowError::RowLength`]; the window is unchanged.
    pub fn push(&mut self, row: &[f32]) -> Result<(), WindowError> {
        if row.len() != self.dim {
            return Err(WindowError::RowLength { expected: self.dim, got: row.len() });
        }
        let at = self.next * self.dim;
        self.data[at..at + self.dim].copy_from_slice(row);
        self.next = (self.next + 1) % self.capacity;
        self.len = self.capacity.min(self.len + 1);
        Ok(())
    }

    /// Forgets all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.next = 0;
        self.len = 0;
    }

    /// Returns how many rows it holds.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns whether it holds no row.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns whether the next row replaces the oldest.
    pub const fn is_full(&self) -> bool {
        self.len == self.capacity
    }

    /// Returns how many rows it can hold.
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Returns the numbers in a row.
    pub const fn dim(&self) -> usize {
        self.dim
    }

    /// Walks over the rows, oldest first.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        let (older, newer) = self.halves();
        older.chunks_exact(self.dim).chain(newer.chunks_exact(self.dim))
    }

    /// Replaces the contents of `out` by all rows, shape `[len, dim]`, oldest first.
    ///
    /// Allocates only while `out` has less capacity than the window.
    pub fn copy_into(&self, out: &mut Vec<f32>) {
        let (older, newer) = self.halves();
        out.clear();
        out.extend_from_slice(older);
        out.extend_from_slice(newer);
    }

    /// The older and the newer part, each in order. `len` rows end before `next`.
    fn halves(&self) -> (&[f32], &[f32]) {
        let wrapped = self.len.saturating_sub(self.next);
        let first_new = self.next - (self.len - wrapped);
        let older = &self.data[(self.capacity - wrapped) * self.dim..];
        (older, &self.data[first_new * self.dim..self.next * self.dim])
    }
}
