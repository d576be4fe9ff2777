//! Which tokens and blocks a query row looks at: upstream's candidate set, in upstream's order.
//!
//! For row `i` of `n`, in this order, each token and each block at most once:
//!
//! | kind      | causal                         | non-causal adds                            |
//! |-----------|--------------------------------|--------------------------------------------|
//! | window    | `i-W ..= i`                    | up to `i+W`                                |
//! | global    | token 0                        |                                            |
//! | logstride | `i-1, i-2, i-4, ...`           | `i+1, i+2, i+4, ...`, after each `i-s`     |
//! | landmark  | `p-1, p`, then `p-2, p-4, ...` | `p+1`; `p+2, p+4, ...`, after each `p-s`   |
//!
//! Landmarks are blocks of `B` tokens, seen through their mean. The pivot `p` is, causal, the last
//! block that is complete at row `i`, and otherwise the block of `i`. Non-causal rows skip the
//! block that contains `i`; causal rows do not, so the last row of a block counts its tokens twice.
//!
//! Membership is decided by arithmetic: tokens of the window form one range, the strides differ
//! from each other, so nothing has to remember what was seen. A causal row's edges do not depend
//! on `n`, which is why a stream can equal the rows of a forward pass.
//!
//! Source: the crate `ruvllm_sparse_attention` 0.1.1 (its builders are private; the rules are
//! restated here and compared with its count for every `n` up to 300 by `attention_pattern.rs`).
//! The global set is token 0 or nothing: `.rvne` names no other.

use super::AttentionError;
use alloc::vec::Vec;
use core::ops::Range;

/// The sparse pattern's parameters. A row visits the union of everything that is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SparsePattern {
    /// Tokens before the row (and after it, when not causal) that it sees one by one; 0 = itself.
    pub window: usize,
    /// Tokens per landmark block, at least 1.
    pub block_size: usize,
    /// Adds tokens, and landmark blocks, at distances 1, 2, 4, ...
    pub log_stride: bool,
    /// Adds means of blocks.
    pub landmarks: bool,
    /// Adds token 0.
    pub global_token: bool,
    /// Hides the future.
    pub causal: bool,
}

impl Default for SparsePattern {
    /// Returns what a `.rvne` file without an attention record means.
    fn default() -> Self {
        Self {
            window: 32,
            block_size: 16,
            log_stride: true,
            landmarks: true,
            global_token: true,
            causal: true,
        }
    }
}

/// Why an edge is in the pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EdgeKind {
    /// A near token.
    Window,
    /// Token 0.
    Global,
    /// A token at a power-of-two distance.
    LogStride,
    /// The mean of a block.
    Landmark,
}

/// One thing a row looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// A single token.
    Token {
        /// Which one.
        index: usize,
        /// Why; never [`EdgeKind::Landmark`].
        kind: EdgeKind,
    },
    /// The mean key and mean value of a block.
    Block {
        /// Which block.
        index: usize,
        /// Its first token.
        first_token: usize,
        /// How many tokens it has: `block_size`, fewer in the last block of a sequence.
        token_count: usize,
    },
}

impl Edge {
    /// Returns why the edge is in the pattern.
    pub fn kind(&self) -> EdgeKind {
        match self {
            Self::Token { kind, .. } => *kind,
            Self::Block { .. } => EdgeKind::Landmark,
        }
    }

    /// Returns the tokens that the edge stands for.
    pub fn tokens(&self) -> Range<usize> {
        match *self {
            Self::Token { index, .. } => index..index + 1,
            Self::Block { first_token, token_count, .. } => first_token..first_token + token_count,
        }
    }
}

impl SparsePattern {
    /// Checks the parameters.
    ///
    /// # Errors
    ///
    /// [`AttentionError::ZeroBlockSize`], also with landmarks off, as upstream does.
    pub fn validate(&self) -> Result<(), AttentionError> {
        if self.block_size == 0 { Err(AttentionError::ZeroBlockSize) } else { Ok(()) }
    }

    /// Replaces `edges` by what row `row` of `seq` looks at, in order.
    ///
    /// Nothing for a row out of range. With a block size of 0 there are no landmarks.
    pub fn row_edges(&self, row: usize, seq: usize, edges: &mut Vec<Edge>) {
        edges.clear();
        let window = self.window_range(row, seq);
        edges.extend(window.map(|index| Edge::Token { index, kind: EdgeKind::Window }));
        self.for_each_far_edge(row, seq, |edge| edges.push(edge));
    }

    /// Counts the edges of a whole pass over `seq` tokens, per head.
    ///
    /// Equal to upstream's `estimate_sparse_edges`. Takes `O(seq log seq)` time, no memory.
    pub fn edge_count(&self, seq: usize) -> usize {
        let mut count = 0;
        for row in 0..seq {
            count += self.window_range(row, seq).len();
            self.for_each_far_edge(row, seq, |_| count += 1);
        }
        count
    }

    /// Tells whether the pattern is as wide as the sequence: window and block both `>= seq`.
    ///
    /// Such a pattern is dense for every row but one: with causal landmarks and
    /// `block_size == seq` the last row also sees the mean of all tokens.
    pub fn is_saturated(&self, seq: usize) -> bool {
        self.window >= seq && self.block_size >= seq
    }

    /// Returns the tokens of the window of `row`, which always holds `row` itself.
    pub(super) fn window_range(&self, row: usize, seq: usize) -> Range<usize> {
        if row >= seq {
            return 0..0;
        }
        let end = if self.causal { row } else { row.saturating_add(self.window).min(seq - 1) };
        row.saturating_sub(self.window)..end + 1
    }

    /// Returns the most edges outside of its window that a row of a sequence of `seq` can have.
    pub(super) fn most_far_edges(&self, seq: usize) -> usize {
        let powers = |to: usize| (usize::BITS - to.leading_zeros()) as usize;
        let blocks = if self.landmarks { seq / self.block_size.max(1) } else { 0 };
        let strides = powers(seq) - powers(self.window.min(seq)) + 1;
        let both_ways = if self.causal { 1 } else { 2 };
        1 + both_ways * (strides + powers(blocks) + 3)
    }

    /// Tells whether the edges of row `row + by` are those of `row` with its window and its strides
    /// moved on by `by` tokens, in a sequence that has both rows. It may say no where they are.
    pub(super) fn is_translated(&self, row: usize, by: usize) -> bool {
        // The window has left token 0, the same number of strides fits, none ends at token 0.
        let far = row > self.window && !row.is_power_of_two();
        let pivot = |row: usize| (row + 1).checked_div(self.block_size);
        self.causal && far && row.ilog2() == (row + by).ilog2() && pivot(row) == pivot(row + by)
    }

    /// Calls `visit` with the edges of `row` outside its window, in order.
    pub(super) fn for_each_far_edge(&self, row: usize, seq: usize, visit: impl FnMut(Edge)) {
        self.for_each_far_edge_within(usize::MAX, row, seq, visit);
    }

    /// As [`SparsePattern::for_each_far_edge`], without tokens further away than `reach`, but for
    /// the global one, and without most blocks that are: it takes no time for these.
    pub(super) fn for_each_far_edge_within(
        &self,
        reach: usize,
        row: usize,
        seq: usize,
        mut visit: impl FnMut(Edge),
    ) {
        if row >= seq {
            return;
        }
        let window = self.window_range(row, seq);
        if self.global_token && !window.contains(&0) {
            visit(Edge::Token { index: 0, kind: EdgeKind::Global });
        }
        if self.log_stride {
            let ahead = if self.causal { 0 } else { seq - 1 - row };
            for_each_stride(row, ahead, reach, |index| {
                let is_global = self.global_token && index == 0;
                if !window.contains(&index) && !is_global {
                    visit(Edge::Token { index, kind: EdgeKind::LogStride });
                }
            });
        }
        if self.landmarks && self.block_size > 0 {
            self.for_each_landmark(reach, row, seq, visit);
        }
    }

    fn for_each_landmark(&self, reach: usize, row: usize, seq: usize, mut visit: impl FnMut(Edge)) {
        let size = self.block_size;
        let own_block = row / size;
        let (pivot, last) = if self.causal {
            // Blocks that end at or before the row.
            match ((row + 1) / size).checked_sub(1) {
                None => return,
                Some(last) => (last, last),
            }
        } else {
            (own_block, (seq - 1) / size)
        };
        let mut visit_block = |index: usize| {
            if self.causal || index != own_block {
                let first_token = index * size;
                let token_count = size.min(seq - first_token);
                visit(Edge::Block { index, first_token, token_count });
            }
        };
        let near = pivot.saturating_sub(1)..(pivot + 1).min(last) + 1;
        near.clone().for_each(&mut visit_block);
        if self.log_stride {
            for_each_stride(pivot, last - pivot, reach.div_ceil(size), |index| {
                if !near.contains(&index) {
                    visit_block(index);
                }
            });
        }
    }
}

/// Calls `visit` with `from - s` and then `from + s` for s = 1, 2, 4, ..., as long as one of the
/// two lies within `0 ..= from + ahead` and `s <= reach`.
fn for_each_stride(from: usize, ahead: usize, reach: usize, mut visit: impl FnMut(usize)) {
    let mut stride = 1;
    while stride <= from.max(ahead).min(reach) {
        if stride <= from {
            visit(from - stride);
        }
        if stride <= ahead {
            visit(from + stride);
        }
        match stride.checked_mul(2) {
            Some(next) => stride = next,
            None => break,
        }
    }
}

/// Counts the edges of a dense pass over `seq` tokens, per head; [`usize::MAX`] if there are more.
pub fn dense_edge_count(seq: usize, causal: bool) -> usize {
    match causal {
        // One of two neighbours is even.
        true => seq.div_ceil(2).saturating_mul(seq | 1),
        false => seq.saturating_mul(seq),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_has_more_far_edges_than_the_most() {
        for case in 0..256 {
            let on = |bit: usize| case >> bit & 1 == 1;
            let pattern = SparsePattern {
                window: [0, 1, 7, 50][case & 3],
                block_size: [1, 2, 5, 32][case >> 2 & 3],
                log_stride: on(4),
                landmarks: on(5),
                global_token: on(6),
                causal: on(7),
            };
            for seq in [1, 2, 3, 9, 33, 64, 100] {
                let most = pattern.most_far_edges(seq);
                for row in 0..seq {
                    let mut count = 0;
                    pattern.for_each_far_edge(row, seq, |_| count += 1);
                    assert!(count <= most, "{count} of {most}: row {row} of {seq}, {pattern:?}");
                }
            }
        }
    }
}
