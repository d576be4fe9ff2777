//! The pyramid: near tokens one by one, everything older through blocks that double in size.
//!
//! Row `i` sees the tokens `i-W ..= i` by themselves and all older ones through means, every token
//! of its past exactly once. It is causal only. The online rule: a token that leaves the window
//! becomes a block of level 0; when a level holds more than `r` blocks, its two oldest merge into
//! one of the next level. So a block of level `l` is the tokens `b 2^l .. (b+1) 2^l`.
//!
//! In closed form, with `c[0] = max(0, i - W)` tokens that have left the window:
//!
//! - `m[l] = ceil((c[l] - r) / 2)` merges out of level `l` where `c[l] > r`, else 0;
//! - level `l` holds its blocks `2 m[l] .. c[l]`, which are `r - 1` or `r` once it is full;
//! - `c[l+1] = m[l]`.
//!
//! The order of the edges, which is that of the sums: the window ascending, then level 0, 1, ...,
//! each ascending by block.
//!
//! The mean of a block of level 0 is its token; that of a larger one `(left + right) * 0.5`, number
//! by number, keys and values alike. Its score gets `+ ln(2^l)`, for the tokens it stands for, and a
//! recency slope counts from their mean position. `O(W + r log i)` edges; what a stream has to
//! remember is of the same size (`stream`).
//!
//! A mean hides a single token that carries the weight: the pyramid is close to dense attention on
//! smooth signals, and no better than a pattern of tokens on bursty ones.

use super::pattern::{Edge, EdgeKind};
use super::plan::Over;
use super::{AttentionError, Qkv, Workspace, kernel};
use crate::tensor::Tensor3;
use alloc::vec::Vec;
use core::ops::Range;

/// The pyramid's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pyramid {
    /// Tokens before the row that it sees one by one; 0 = itself.
    pub window: usize,
    /// The most blocks of one size, at least 1.
    pub per_level: usize,
}

impl Pyramid {
    /// Checks the parameters.
    ///
    /// # Errors
    ///
    /// [`AttentionError::ZeroPerLevel`].
    pub fn validate(&self) -> Result<(), AttentionError> {
        if self.per_level == 0 { Err(AttentionError::ZeroPerLevel) } else { Ok(()) }
    }

    /// Lists what `row` looks at, in order: tokens of the window, then blocks. Those of level 0 are
    /// blocks of one token. An edge's `index` counts the blocks of its size.
    pub fn edges(&self, row: usize) -> Vec<Edge> {
        let token = |index| Edge::Token { index, kind: EdgeKind::Window };
        let mut edges: Vec<Edge> = self.window_range(row).map(token).collect();
        for (level, blocks) in self.levels(row).enumerate() {
            edges.extend(blocks.map(|index| Edge::Block {
                index,
                first_token: index << level,
                token_count: 1 << level,
            }));
        }
        edges
    }

    /// Counts the edges of a whole pass over `seq` tokens, per head. Takes `O(seq log seq)` time
    /// and no memory.
    pub fn edge_count(&self, seq: usize) -> usize {
        let of_row = |row| {
            self.window_range(row).len()
                + self.levels(row).map(|blocks| blocks.len()).sum::<usize>()
        };
        (0..seq).map(of_row).sum()
    }

    /// Returns the tokens of the window of `row`.
    pub(super) fn window_range(&self, row: usize) -> Range<usize> {
        row.saturating_sub(self.window)..row + 1
    }

    /// Returns the blocks that `row` looks at, level by level, until no further level has any. With
    /// one block a level, some are empty.
    pub(super) fn levels(&self, row: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let (mut count, per_level) = (row.saturating_sub(self.window), self.per_level);
        core::iter::from_fn(move || {
            let merges = count.saturating_sub(per_level).div_ceil(2);
            let blocks = 2 * merges..count;
            count = merges;
            (blocks.end > 0).then_some(blocks)
        })
    }
}

/// Returns the row that holds block `index` of `level` in a bank with the means of all whole blocks
/// of `seq` tokens, level after level; level 0 is the tokens.
///
/// Level `l` has `seq >> l` rows. The sum of all of these is `2 seq - (bits set in seq)`
/// (Legendre), which gives the sum of the first few by a difference.
pub(super) fn row_of(seq: usize, level: u32, index: usize) -> usize {
    let from = |seq: usize| 2 * seq - seq.count_ones() as usize;
    from(seq) - from(seq >> level) + index
}

/// Counts the rows of means in such a bank.
pub(super) fn mean_count(seq: usize) -> usize {
    row_of(seq, usize::BITS - 1, 0).saturating_sub(seq)
}

/// Computes attention over the pyramid, `[seq, q_heads, dim]`.
///
/// # Errors
///
/// What [`Pyramid::validate`] and [`Qkv::validate`] refuse; [`AttentionError::Overflow`].
pub fn forward(input: &Qkv<'_>, pyramid: &Pyramid) -> Result<Tensor3, AttentionError> {
    pyramid.validate()?;
    input.validate_shape()?;
    kernel::forward(input, Over::Pyramid(*pyramid))
}

/// As [`forward`], into the caller's `out`, `[seq * q_heads * dim]`, by the memory of `workspace`.
///
/// # Errors
///
/// As [`forward`]; [`AttentionError::RowLength`] for another length of `out`. What `out` holds then
/// is undefined.
pub fn forward_into(
    input: &Qkv<'_>,
    pyramid: &Pyramid,
    workspace: &mut Workspace,
    out: &mut [f32],
) -> Result<(), AttentionError> {
    pyramid.validate()?;
    input.validate_shape()?;
    kernel::forward_into(input, Over::Pyramid(*pyramid), workspace, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_means_follow_each_other() {
        for seq in 0..300_usize {
            let mut next = 0;
            for level in 0..usize::BITS {
                assert_eq!(row_of(seq, level, 0), next, "seq {seq}, level {level}");
                next += seq >> level;
            }
            assert_eq!(mean_count(seq), next - seq);
        }
    }
}
