//! The last rows, for differences with an earlier one.

use alloc::vec;
use alloc::vec::Vec;

/// A ring that remembers as many rows as the longest lag.
#[derive(Clone, Debug)]
pub(super) struct LagRing {
    rows: Vec<f32>,
    dim: usize,
    capacity: usize,
    next: usize,
    len: usize,
}

impl LagRing {
    pub fn new(longest_lag: u16, dim: usize) -> Self {
        let capacity = usize::from(longest_lag);
        Self { rows: vec![0.0; capacity * dim], dim, capacity, next: 0, len: 0 }
    }

    pub fn reset(&mut self) {
        self.next = 0;
        self.len = 0;
    }

    /// The row `lag` pushes ago, `1 <= lag <= longest_lag`, once there is one.
    pub fn back(&self, lag: u16) -> Option<&[f32]> {
        let lag = usize::from(lag);
        if lag > self.len {
            return None;
        }
        let at = (self.next + self.capacity - lag) % self.capacity * self.dim;
        Some(&self.rows[at..at + self.dim])
    }

    pub fn push(&mut self, row: &[f32]) {
        if self.capacity == 0 {
            return;
        }
        let at = self.next * self.dim;
        self.rows[at..at + self.dim].copy_from_slice(row);
        self.next = (self.next + 1) % self.capacity;
        self.len = self.capacity.min(self.len + 1);
    }
}
