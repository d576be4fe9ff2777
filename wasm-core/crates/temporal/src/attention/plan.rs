//! What one row, or two neighbouring rows together, look at, as rows of a bank.
//!
//! Two neighbours share most of what they see. Their plan is the union, each with the edges of its
//! own row in the order of the pattern; an edge that only one of them has is marked.

use super::Weighting;
use super::pattern::{Edge, EdgeKind, SparsePattern};
use super::pyramid::{self, Pyramid};
use alloc::vec::Vec;
use core::ops::Range;

/// What attention is over.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Over<'a> {
    /// All tokens, or all up to the row.
    Dense { causal: bool },
    /// The edges of a pattern.
    Sparse { pattern: &'a SparsePattern, weighting: Weighting },
    /// The edges of a pyramid.
    Pyramid(Pyramid),
}

impl Over<'_> {
    /// Counts the block means that a bank needs for `seq` tokens.
    pub fn blocks(&self, seq: usize) -> usize {
        match self {
            Self::Sparse { pattern, .. } if pattern.landmarks => seq.div_ceil(pattern.block_size),
            Self::Pyramid(_) => pyramid::mean_count(seq),
            _ => 0,
        }
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
    /// The logarithms of 1, 2, 4, ..., as far as they were needed.
    ln_powers: Vec<f32>,
}

impl Plan {
    /// Plans `rows` rows of `seq` from `row` on, over a bank with the tokens in order and the means
    /// of all blocks from row `first_block` on, `first_block >= seq`.
    pub fn fill(
        &mut self,
        over: Over<'_>,
        row: usize,
        rows: usize,
        seq: usize,
        first_block: usize,
    ) {
        match over {
            Over::Dense { causal } => {
                self.start(row, rows, false);
                let end = |row| if causal { row + 1 } else { seq };
                self.tokens(0..end(row), 0..end(row + rows - 1), |token| token);
            }
            Over::Sparse { pattern, weighting } => {
                self.start(row, rows, weighting == Weighting::LnCount);
                let [first, second] =
                    [row, row + rows - 1].map(|row| pattern.window_range(row, seq));
                self.tokens(first, second, |token| token);
                self.far(pattern, weighting, seq, first_block);
            }
            Over::Pyramid(pyramid) => {
                let means = first_block - seq;
                self.pyramid(pyramid, row, rows, |level, index| {
                    pyramid::row_of(seq, level, index) + if level > 0 { means } else { 0 }
                });
            }
        }
    }

    /// Plans `rows` rows from `row` on over a pyramid; `row_of` tells where the bank keeps a block
    /// of a level, level 0 being the tokens.
    pub fn pyramid(
        &mut self,
        pyramid: Pyramid,
        row: usize,
        rows: usize,
        row_of: impl Fn(u32, usize) -> usize,
    ) {
        let last = row + rows - 1;
        self.start(row, rows, true);
        let [first, second] = [row, last].map(|row| pyramid.window_range(row));
        self.tokens(first, second, |token| row_of(0, token));
        let mut levels_of_first = pyramid.levels(row);
        for (level, second) in (0..).zip(pyramid.levels(last)) {
            let first = levels_of_first.next().unwrap_or(0..0);
            let bonus = self.ln_power(level);
            self.union(first, second, |block, members| Visit {
                row: row_of(level, block),
                tokens: block << level..(block + 1) << level,
                bonus,
                members,
            });
        }
    }

    fn start(&mut self, row: usize, rows: usize, has_bonus: bool) {
        (self.row, self.rows, self.has_bonus) = (row, rows, has_bonus);
        self.visits.clear();
    }

    /// Returns `ln(2^level)`.
    fn ln_power(&mut self, level: u32) -> f32 {
        for power in self.ln_powers.len() as u32..=level {
            self.ln_powers.push(libm::logf((1_u64 << power) as f32));
        }
        self.ln_powers[level as usize]
    }

    /// Takes memory for `visits` visits, so that filling takes none.
    pub fn reserve(&mut self, visits: usize) {
        self.visits.clear();
        self.visits.reserve(visits);
        self.ln_powers.reserve(usize::BITS as usize - self.ln_powers.len());
        for far in &mut self.far {
            far.clear();
            far.reserve(visits);
        }
    }

    /// Returns the bytes of memory that it holds.
    pub fn memory_bytes(&self) -> usize {
        let far: usize = self.far.iter().map(Vec::capacity).sum();
        let ln_powers = self.ln_powers.capacity() * size_of::<f32>();
        self.visits.capacity() * size_of::<Visit>() + far * size_of::<Edge>() + ln_powers
    }

    /// Returns what row number `at` looks at.
    pub fn visits_of(&self, at: usize) -> impl Iterator<Item = &Visit> {
        self.visits.iter().filter(move |visit| visit.is_for(at))
    }

    fn everyone(&self) -> u8 {
        if self.rows == 1 { FIRST } else { FIRST | SECOND }
    }

    /// Adds the tokens of two windows; `row_of` tells where the bank keeps one.
    fn tokens(
        &mut self,
        first: Range<usize>,
        second: Range<usize>,
        row_of: impl Fn(usize) -> usize,
    ) {
        self.union(first, second, |token, members| Visit {
            row: row_of(token),
            tokens: token..token + 1,
            bonus: 0.0,
            members,
        });
    }

    /// Adds the union of what the first and the last row see, of which the second neither starts nor
    /// ends earlier.
    fn union(
        &mut self,
        first: Range<usize>,
        second: Range<usize>,
        visit: impl Fn(usize, u8) -> Visit,
    ) {
        let everyone = self.everyone();
        let before = first.start..first.end.min(second.start);
        let after = first.end.max(second.start)..second.end;
        self.visits.extend(before.map(|index| visit(index, FIRST)));
        self.visits.extend((second.start..first.end).map(|index| visit(index, everyone)));
        self.visits.extend(after.map(|index| visit(index, SECOND)));
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
