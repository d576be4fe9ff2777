//! What one row, or two neighbouring rows together, look at, as rows of a bank.
//!
//! Two neighbours share most of what they see, so their plan is one list, each with the edges of
//! its own row in the order of the pattern.

use super::lanes::F32x4;
use super::pattern::{Edge, EdgeKind, SparsePattern};
use super::pyramid::{self, Pyramid};
use super::{AttentionError, Weighting};
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

/// One thing that a row looks at.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    /// Its row in the bank.
    pub row: usize,
    /// What that row stands for.
    pub stand: Stand,
}

/// What a row of a bank stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stand {
    /// The tokens, of which there is at least one.
    pub tokens: Range<usize>,
    /// What its score gets on top: the logarithm of its tokens, or 0.
    pub bonus: f32,
}

impl Stand {
    /// Returns its distance from token `row`, a block's mean position counting. Positions are
    /// subtracted before they are rounded: a stream comes to numbers that `f32` has no room for.
    #[inline(always)]
    pub fn distance(&self, row: usize) -> f32 {
        let to_mean = (self.tokens.len() - 1) as f32 / 2.0;
        if self.tokens.start <= row {
            ((row - self.tokens.start) as f32 - to_mean).abs()
        } else {
            (self.tokens.start - row) as f32 + to_mean
        }
    }
}

/// The most rows that a plan has.
pub(super) const ROWS: usize = 2;

/// What rows look at, in order. Reused from row to row.
///
/// Entry `t` of the lists is the `t`-th thing that each row looks at: one for both or, for tokens at
/// a distance, one each. A row that looks at nothing there is named in `absent`, and its entry
/// repeats the other row's. A single row's entries stand there twice.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// The first of the rows.
    pub row: usize,
    /// How many there are: 1 or 2.
    pub rows: usize,
    /// Rows of the bank, `[visits][ROWS]`.
    pub reads: Vec<[usize; ROWS]>,
    /// What they stand for, `[visits][ROWS]`.
    pub stands: Vec<[Stand; ROWS]>,
    /// The visits outside of which both rows read the same.
    pub apart: Range<usize>,
    /// Visits, and the row that does not make them.
    pub absent: Vec<(u32, u32)>,
    /// Tells whether some visit may have a bonus.
    pub has_bonus: bool,
    /// What scores get on top, `[lanes][visits]`, in place of slopes and bonus; or nothing.
    pub bias: Vec<F32x4>,
    /// The visits to tokens at power-of-two distances.
    strides: Range<usize>,
    /// How many visits to the window come before.
    near: usize,
    far: [Vec<Edge>; ROWS],
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
            self.union(first, second, |block| {
                let tokens = block << level..(block + 1) << level;
                Visit { row: row_of(level, block), stand: Stand { tokens, bonus } }
            });
        }
    }

    fn start(&mut self, row: usize, rows: usize, has_bonus: bool) {
        (self.row, self.rows, self.has_bonus) = (row, rows, has_bonus);
        self.reads.clear();
        self.stands.clear();
        self.absent.clear();
        self.bias.clear();
        (self.apart, self.strides) = (0..0, 0..0);
    }

    /// Returns `ln(2^level)`.
    fn ln_power(&mut self, level: u32) -> f32 {
        for power in self.ln_powers.len() as u32..=level {
            self.ln_powers.push(libm::logf((1_u64 << power) as f32));
        }
        self.ln_powers[level as usize]
    }

    /// Starts the plan of one row without visits; they, and their bias, are up to the caller.
    /// `has_bonus` says whether one of them may have a bonus.
    pub fn start_one(&mut self, row: usize, has_bonus: bool) {
        self.start(row, 1, has_bonus);
    }

    /// Adds a visit to row `row` of the bank.
    pub fn visit(&mut self, row: usize) {
        let stand = Stand { tokens: self.row..self.row + 1, bonus: 0.0 };
        self.push(Visit { row, stand });
    }

    /// Adds a visit.
    #[inline(always)]
    pub fn push(&mut self, Visit { row, stand }: Visit) {
        self.reads.push([row; ROWS]);
        self.stands.push([stand.clone(), stand]);
    }

    /// Takes memory for `visits` visits, so that filling takes none.
    ///
    /// # Errors
    ///
    /// [`AttentionError::CacheTooLarge`], here and below.
    pub fn reserve(&mut self, visits: usize) -> Result<(), AttentionError> {
        make_room(&mut self.reads, visits)?;
        make_room(&mut self.stands, visits)?;
        make_room(&mut self.absent, visits)?;
        make_room(&mut self.ln_powers, usize::BITS as usize)
    }

    /// Takes memory for `edges` edges outside of the window.
    pub fn reserve_far(&mut self, edges: usize) -> Result<(), AttentionError> {
        self.far.iter_mut().try_for_each(|far| make_room(far, edges))
    }

    /// Returns the bytes of memory that it holds.
    pub fn memory_bytes(&self) -> usize {
        let far: usize = self.far.iter().map(Vec::capacity).sum();
        let ln_powers = self.ln_powers.capacity() * size_of::<f32>();
        let bias = self.bias.capacity() * size_of::<F32x4>();
        let absent = self.absent.capacity() * size_of::<(u32, u32)>();
        let visits = self.reads.capacity() * size_of::<[usize; ROWS]>()
            + self.stands.capacity() * size_of::<[Stand; ROWS]>();
        visits + absent + bias + far * size_of::<Edge>() + ln_powers
    }

    /// Returns what row number `at` looks at.
    pub fn visits_of(&self, at: usize) -> impl Iterator<Item = Visit> {
        let visits = self.reads.iter().zip(&self.stands).enumerate();
        let visits = visits.filter(move |(visit, _)| !self.is_absent(*visit, at));
        visits.map(move |(_, (reads, stands))| Visit { row: reads[at], stand: stands[at].clone() })
    }

    fn is_absent(&self, visit: usize, at: usize) -> bool {
        self.absent.contains(&(visit as u32, at as u32))
    }

    /// Adds the tokens of two windows; `row_of` tells where the bank keeps one.
    fn tokens(
        &mut self,
        first: Range<usize>,
        second: Range<usize>,
        row_of: impl Fn(usize) -> usize,
    ) {
        self.union(first, second, |token| Visit {
            row: row_of(token),
            stand: Stand { tokens: token..token + 1, bonus: 0.0 },
        });
        self.near = self.reads.len();
    }

    /// Adds the union of what the first and the last row see, of which the second neither starts nor
    /// ends earlier.
    fn union(&mut self, first: Range<usize>, second: Range<usize>, visit: impl Fn(usize) -> Visit) {
        let before = first.start..first.end.min(second.start);
        let after = first.end.max(second.start)..second.end;
        let shared = second.start..first.end;
        for (range, absent) in [(before, Some(1)), (shared, None), (after, Some(0))] {
            for index in range {
                if let Some(at) = absent {
                    self.absent.push((self.reads.len() as u32, at));
                }
                self.push(visit(index));
            }
        }
    }

    /// Adds what lies outside of the windows, kind by kind. Where the rows do not have the same,
    /// each has its own.
    fn far(
        &mut self,
        pattern: &SparsePattern,
        weighting: Weighting,
        seq: usize,
        first_block: usize,
    ) {
        for (far, row) in self.far[..self.rows].iter_mut().zip(self.row..) {
            far.clear();
            pattern.for_each_far_edge(row, seq, |edge| far.push(edge));
        }
        let bonus = |count: usize| match weighting {
            Weighting::LnCount if count > 1 => libm::logf(count as f32),
            _ => 0.0,
        };
        let full = bonus(pattern.block_size);
        let visit = |edge: &Edge| {
            let (row, bonus) = match *edge {
                Edge::Token { index, .. } => (index, 0.0),
                Edge::Block { index, token_count, .. } if token_count == pattern.block_size => {
                    (first_block + index, full)
                }
                Edge::Block { index, token_count, .. } => (first_block + index, bonus(token_count)),
            };
            Visit { row, stand: Stand { tokens: edge.tokens(), bonus } }
        };
        let far = &self.far;
        let [mut first, mut second] = [&far[0][..], &far[self.rows - 1][..]];
        for kind in [EdgeKind::Global, EdgeKind::LogStride, EdgeKind::Landmark] {
            let start = self.reads.len();
            let (mine, other) = (take(&mut first, kind), take(&mut second, kind));
            for at in 0..mine.len().max(other.len()) {
                let edges = match (mine.get(at), other.get(at)) {
                    (Some(mine), Some(other)) => [mine, other],
                    (Some(mine), None) => {
                        self.absent.push(((start + at) as u32, 1));
                        [mine, mine]
                    }
                    (None, other) => {
                        self.absent.push(((start + at) as u32, 0));
                        [other.expect("one of the two is that long"); ROWS]
                    }
                };
                let [first, second] = edges.map(visit);
                if first.row != second.row {
                    if self.apart.is_empty() {
                        self.apart.start = start + at;
                    }
                    self.apart.end = start + at + 1;
                }
                self.reads.push([first.row, second.row]);
                self.stands.push([first.stand, second.stand]);
            }
            if kind == EdgeKind::LogStride {
                self.strides = start..self.reads.len();
            }
        }
    }

    /// Turns a plan over a sparse pattern into that of the next rows, if these look at the same
    /// blocks, and at tokens at the same distances. `false`, and nothing has changed, if not.
    ///
    /// The pattern and the bank are to be those that the plan was filled with. Behind the last one of
    /// `places`, at least as many as there are tokens, a token is read from row 0 on.
    pub fn advance(&mut self, pattern: &SparsePattern, places: usize) -> bool {
        let by = self.rows;
        if !(self.row..self.row + by).all(|row| pattern.is_translated(row, by)) {
            return false;
        }
        self.row += by;
        for range in [0..self.near, self.strides.clone()] {
            for reads in &mut self.reads[range.clone()] {
                *reads = reads.map(|row| {
                    let next = row + by;
                    if next < places { next } else { next - places }
                });
            }
            for stand in self.stands[range].as_flattened_mut() {
                stand.tokens = stand.tokens.start + by..stand.tokens.end + by;
            }
        }
        true
    }
}

/// Empties `list` and takes memory for `len` entries.
///
/// # Errors
///
/// [`AttentionError::CacheTooLarge`].
pub(super) fn make_room<T>(list: &mut Vec<T>, len: usize) -> Result<(), AttentionError> {
    list.clear();
    list.try_reserve(len).map_err(|_| AttentionError::CacheTooLarge)
}

/// Splits off the leading edges of one kind.
fn take<'a>(edges: &mut &'a [Edge], kind: EdgeKind) -> &'a [Edge] {
    let count = edges.iter().take_while(|edge| edge.kind() == kind).count();
    let (taken, rest) = edges.split_at(count);
    *edges = rest;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_do_not_depend_on_how_long_a_stream_is() {
        let of = |tokens, row| Stand { tokens, bonus: 0.0 }.distance(row);
        for past in [0, 1, 1 << 24, (1 << 24) + 1, 3_000_000_001_usize] {
            for start in 0..40 {
                for count in 1..9 {
                    let tokens = past + start..past + start + count;
                    let mean = start as f32 + (count - 1) as f32 / 2.0;
                    for row in 0..50 {
                        let expected = (mean - row as f32).abs();
                        assert_eq!(of(tokens.clone(), past + row), expected, "{past} + {row}");
                    }
                }
            }
        }
    }

    /// Plans that advanced equal plans that were filled, over every row where they may.
    #[test]
    fn advancing_equals_filling() {
        let mut advanced = 0;
        for case in 0..64 {
            let pattern = SparsePattern {
                window: [0, 1, 5, 16][case % 4],
                block_size: [1, 3, 8, 32][case / 4 % 4],
                log_stride: case / 16 % 2 == 0,
                global_token: case / 32 % 2 == 0,
                ..SparsePattern::default()
            };
            let over = Over::Sparse { pattern: &pattern, weighting: Weighting::LnCount };
            for rows in [1, 2] {
                let (mut next, mut filled) = (Plan::default(), Plan::default());
                for row in (0..300).step_by(rows) {
                    filled.fill(over, row, rows, 300, 300);
                    if row > 0 && next.advance(&pattern, 300) {
                        advanced += 1;
                    } else {
                        next.fill(over, row, rows, 300, 300);
                    }
                    assert_eq!((next.row, &next.reads), (row, &filled.reads), "{pattern:?}");
                    assert_eq!((&next.stands, &next.absent), (&filled.stands, &filled.absent));
                    assert_eq!(next.apart, filled.apart);
                }
            }
        }
        assert!(advanced > 10_000, "it is worth it: {advanced}");
    }
}
