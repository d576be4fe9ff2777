//! What one row, or two neighbouring rows together, look at, as rows of a bank.
//!
//! Two neighbours share most of what they see. Their plan is the union, each with the edges of its
//! own row in the order of the pattern; an edge that only one of them has is marked.

use super::pattern::{Edge, EdgeKind, SparsePattern};
use super::{Qkv, Weighting};
use alloc::vec::Vec;
use core::ops::Range;

/// What attention is over.
#[derive(Clone, Copy, Debug)]
pub(super) enum Over<'a> {
    /// All tokens, or all up to the row.
    Dense { causal: bool },
    /// The edges of a pattern.
    Sparse { pattern: &'a SparsePattern, weighting: Weighting },
}

impl Over<'_> {
    /// Returns the size of the blocks whose means are looked at, if there are any.
    pub fn block_size(&self) -> Option<usize> {
        match self {
            Self::Sparse { pattern, .. } if pattern.landmarks => Some(pattern.block_size),
            _ => None,
        }
    }

    /// Counts the blocks of `input`.
    pub fn blocks(&self, input: &Qkv<'_>) -> usize {
        self.block_size().map_or(0, |size| input.q.seq().div_ceil(size))
    }
}

/// One thing to look at.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    /// Its row in the bank.
    pub row: usize,
    /// The tokens that it stands for.
    pub tokens: Range<usize>,
    /// What its score gets on top: the logarithm of its tokens, or 0.
    pub bonus: f32,
    /// A bit for each row of the plan that looks at it.
    pub members: u8,
}

impl Visit {
    /// Tells whether the plan's row number `at` looks at it.
    #[inline(always)]
    pub fn is_for(&self, at: usize) -> bool {
        self.members >> at & 1 == 1
    }

    /// Returns its distance from token `row`, a block's mean position counting.
    #[inline(always)]
    pub fn distance(&self, row: usize) -> f32 {
        let mean_position = self.tokens.start as f32 + (self.tokens.len() - 1) as f32 / 2.0;
        (mean_position - row as f32).abs()
    }
}

const FIRST: u8 = 1;
const SECOND: u8 = 2;

/// What rows look at, in order. Reused from row to row.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// The first of the rows.
    pub row: usize,
    /// How many there are: 1 or 2.
    pub rows: usize,
    pub visits: Vec<Visit>,
    /// Tells whether some visit may have a bonus.
    pub has_bonus: bool,
    far: [Vec<Edge>; 2],
}

impl Plan {
    /// Plans `rows` rows of `seq` from `row` on. Block means start at row `first_block` of the bank.
    pub fn fill(
        &mut self,
        over: Over<'_>,
        row: usize,
        rows: usize,
        seq: usize,
        first_block: usize,
    ) {
        self.row = row;
        self.rows = rows;
        self.has_bonus = matches!(over, Over::Sparse { weighting: Weighting::LnCount, .. });
        match over {
            Over::Dense { causal } => {
                let end = |row| if causal { row + 1 } else { seq };
                self.window(0..end(row), 0..end(row + rows - 1));
            }
            Over::Sparse { pattern, weighting } => {
                let last = row + rows - 1;
                self.window(pattern.window_range(row, seq), pattern.window_range(last, seq));
                self.far(pattern, weighting, seq, first_block);
            }
        }
    }

    /// Takes memory for `visits` visits, so that filling takes none.
    pub fn reserve(&mut self, visits: usize) {
        self.visits.clear();
        self.visits.reserve(visits);
        for far in &mut self.far {
            far.clear();
            far.reserve(visits);
        }
    }

    /// Returns what row number `at` looks at.
    pub fn visits_of(&self, at: usize) -> impl Iterator<Item = &Visit> {
        self.visits.iter().filter(move |visit| visit.is_for(at))
    }

    fn everyone(&self) -> u8 {
        if self.rows == 1 { FIRST } else { FIRST | SECOND }
    }

    /// Starts with the union of two windows, of which the second neither starts nor ends earlier.
    fn window(&mut self, first: Range<usize>, second: Range<usize>) {
        let members = self.everyone();
        self.visits.clear();
        self.visits.extend((first.start..second.end).map(|token| {
            let tokens = token..token + 1;
            Visit { row: token, tokens, bonus: 0.0, members }
        }));
        let shared = second.start - first.start..first.end - first.start;
        self.visits[..shared.start].iter_mut().for_each(|visit| visit.members = FIRST);
        self.visits[shared.end..].iter_mut().for_each(|visit| visit.members = SECOND);
    }

    /// Adds what lies outside of the windows: kind by kind, shared where both rows have the same.
    fn far(
        &mut self,
        pattern: &SparsePattern,
        weighting: Weighting,
        seq: usize,
        first_block: usize,
    ) {
        let everyone = self.everyone();
        for (far, row) in self.far[..self.rows].iter_mut().zip(self.row..) {
            far.clear();
            pattern.for_each_far_edge(row, seq, |edge| far.push(edge));
        }
        let bonus = |count: usize| match weighting {
            Weighting::LnCount if count > 1 => libm::logf(count as f32),
            _ => 0.0,
        };
        let full = bonus(pattern.block_size);
        let visit = |edge: &Edge, members| {
            let (row, bonus) = match *edge {
                Edge::Token { index, .. } => (index, 0.0),
                Edge::Block { index, token_count, .. } if token_count == pattern.block_size => {
                    (first_block + index, full)
                }
                Edge::Block { index, token_count, .. } => (first_block + index, bonus(token_count)),
            };
            Visit { row, tokens: edge.tokens(), bonus, members }
        };
        let [mut first, mut second] = self.far.each_ref().map(Vec::as_slice);
        for kind in [EdgeKind::Global, EdgeKind::LogStride, EdgeKind::Landmark] {
            let mine = take(&mut first, kind);
            if self.rows == 1 {
                self.visits.extend(mine.iter().map(|edge| visit(edge, everyone)));
                continue;
            }
            let other = take(&mut second, kind);
            if mine == other {
                self.visits.extend(mine.iter().map(|edge| visit(edge, everyone)));
            } else {
                self.visits.extend(mine.iter().map(|edge| visit(edge, FIRST)));
                self.visits.extend(other.iter().map(|edge| visit(edge, SECOND)));
            }
        }
    }
}

/// Splits off the leading edges of one kind.
fn take<'a>(edges: &mut &'a [Edge], kind: EdgeKind) -> &'a [Edge] {
    let count = edges.iter().take_while(|edge| edge.kind() == kind).count();
    let (taken, rest) = edges.split_at(count);
    *edges = rest;
    taken
}
