//! Upstream's edges over a ring of the last tokens.

use super::super::plan::{Plan, Stand, Visit};
use super::super::store::Store;
use super::super::tile::Scratch;
use super::super::{AttentionError, Edge, EdgeKind, SparsePattern, Weighting};
use super::{Step, StreamShape};
use alloc::vec::Vec;

/// Attention over upstream's edges, token by token.
///
/// While the past fits the ring, `len <= capacity`, every push gives the bits of the row that
/// [`sparse::forward`](super::super::sparse::forward) has for that token. Strides reach back to the
/// first token, so from then on a stream in constant memory must differ: an edge is left out when
/// its token is not among the last `capacity`, or its block not among the last
/// `ceil(capacity / block_size)`, the open one included. The window is cut to the ring. Token 0 is
/// kept for ever if it is global.
///
/// Landmarks are means of the same blocks as in a pass: the sum of the tokens as they arrive,
/// divided when the last one does.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The ring of tokens, then the ring of blocks, then token 0 if it is global.
    store: Store,
    pattern: SparsePattern,
    weighting: Weighting,
    /// What the score of a block gets on top.
    full_bonus: f32,
    slopes: Vec<f32>,
    capacity: usize,
    /// Blocks in their ring.
    blocks: usize,
    len: usize,
    /// The row of the next token.
    next: usize,
    /// The open block, its place in the ring of blocks, and how many tokens it has.
    open: usize,
    open_at: usize,
    in_open: usize,
    plan: Plan,
    scratch: Scratch,
}

impl Stream {
    /// Makes a stream that remembers `capacity` tokens. All of its memory is taken here.
    ///
    /// # Errors
    ///
    /// [`AttentionError::ZeroDim`], [`HeadRatio`](AttentionError::HeadRatio),
    /// [`SlopeCount`](AttentionError::SlopeCount), [`BadSlope`](AttentionError::BadSlope);
    /// [`ZeroBlockSize`](AttentionError::ZeroBlockSize),
    /// [`NotCausal`](AttentionError::NotCausal), [`ZeroCapacity`](AttentionError::ZeroCapacity);
    /// [`CacheTooLarge`](AttentionError::CacheTooLarge) when the memory cannot be had.
    pub fn new(
        shape: &StreamShape<'_>,
        pattern: &SparsePattern,
        weighting: Weighting,
        capacity: usize,
    ) -> Result<Self, AttentionError> {
        shape.validate()?;
        pattern.validate()?;
        if !pattern.causal {
            return Err(AttentionError::NotCausal);
        }
        let window = capacity.checked_sub(1).ok_or(AttentionError::ZeroCapacity)?;
        let pattern = SparsePattern { window: pattern.window.min(window), ..*pattern };
        let blocks = if pattern.landmarks { capacity.div_ceil(pattern.block_size) } else { 0 };
        let rows = capacity.checked_add(blocks).and_then(|rows| rows.checked_add(1));
        let store = Store::new(shape, rows.ok_or(AttentionError::CacheTooLarge)?, 0)?;
        // The longest row: the window; a far edge per power of two, of tokens and of blocks, held
        // or not; token 0 and the two nearest blocks.
        let longest = pattern.window + 1 + 2 * usize::BITS as usize + 3;
        let (mut plan, mut scratch) = (Plan::default(), Scratch::default());
        plan.reserve(longest)?;
        scratch.reserve(shape.dim, longest)?;
        let full_bonus = match weighting {
            Weighting::Plain => 0.0,
            Weighting::LnCount => libm::logf(pattern.block_size as f32),
        };
        let slopes = shape.slopes.to_vec();
        let [len, next, open, open_at, in_open] = [0; 5];
        Ok(Self {
            store,
            pattern,
            weighting,
            full_bonus,
            slopes,
            capacity,
            blocks,
            len,
            next,
            open,
            open_at,
            in_open,
            plan,
            scratch,
        })
    }

    /// Returns how many tokens it has taken.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Tells whether it has taken no token.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns how many tokens it remembers.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Tells whether it remembers every token, so that its bits are those of a pass.
    pub fn is_exact(&self) -> bool {
        self.len <= self.capacity
    }

    /// Returns the bytes that keys and values take.
    pub fn memory_bytes(&self) -> usize {
        self.store.memory_bytes()
    }

    /// Forgets all tokens and keeps the memory.
    pub fn reset(&mut self) {
        [self.len, self.next, self.open, self.open_at, self.in_open] = [0; 5];
        self.store.clear_sums();
    }

    /// Takes the next token and writes its attention: `q` and `out` are `[q_heads * dim]`, `k` and
    /// `v` `[kv_heads * dim]`. Takes no memory.
    ///
    /// # Errors
    ///
    /// [`AttentionError::RowLength`], [`NotFinite`](AttentionError::NotFinite),
    /// [`BeyondF16`](AttentionError::BeyondF16),
    /// [`StreamTooLong`](AttentionError::StreamTooLong): the stream is as it was.
    /// [`Overflow`](AttentionError::Overflow): the token was taken.
    pub fn push(
        &mut self,
        q: &[f32],
        k: &[f32],
        v: &[f32],
        out: &mut [f32],
    ) -> Result<(), AttentionError> {
        let step = Step { q, k, v, out };
        step.validate(&self.store, self.len)?;
        let row = self.len;
        self.take(step.k, step.v);
        self.plan(row);
        self.close();
        self.store.attend(&self.plan, step.q, &self.slopes, &mut self.scratch, step.out)
    }

    /// Stores the next token, and the mean of its block if it is the last of it.
    fn take(&mut self, k: &[f32], v: &[f32]) {
        self.store.put(self.next, k, v);
        if self.len == 0 && self.pattern.global_token {
            self.store.put(self.capacity + self.blocks, k, v);
        }
        if self.pattern.landmarks {
            self.store.add_to_sums(self.next);
            self.in_open += 1;
            if self.in_open == self.pattern.block_size {
                self.store.store_mean(self.capacity + self.open_at, self.in_open);
            }
        }
        self.next = if self.next + 1 == self.capacity { 0 } else { self.next + 1 };
        self.len += 1;
    }

    /// Plans row `row`, whose token is the newest.
    fn plan(&mut self, row: usize) {
        let Self { pattern, plan, capacity, blocks, open, open_at, full_bonus, .. } = self;
        let [capacity, blocks, open, open_at] = [*capacity, *blocks, *open, *open_at];
        let newest = behind(self.next, 1, capacity);
        plan.start_one(row, self.weighting == Weighting::LnCount);
        for token in pattern.window_range(row, row + 1) {
            let stand = Stand { tokens: token..token + 1, bonus: 0.0 };
            plan.push(Visit { row: behind(newest, row - token, capacity), stand });
        }
        pattern.for_each_far_edge_within(capacity - 1, row, row + 1, |edge| {
            let (row, bonus) = match edge {
                Edge::Token { kind: EdgeKind::Global, .. } => (capacity + blocks, 0.0),
                Edge::Token { index, .. } => (behind(newest, row - index, capacity), 0.0),
                Edge::Block { index, .. } if open - index < blocks => {
                    (capacity + behind(open_at, open - index, blocks), *full_bonus)
                }
                Edge::Block { .. } => return,
            };
            plan.push(Visit { row, stand: Stand { tokens: edge.tokens(), bonus } });
        });
    }

    /// Opens another block after one that is complete.
    fn close(&mut self) {
        if self.pattern.landmarks && self.in_open == self.pattern.block_size {
            self.store.clear_sums();
            self.in_open = 0;
            self.open += 1;
            self.open_at = if self.open_at + 1 == self.blocks { 0 } else { self.open_at + 1 };
        }
    }
}

/// Returns the place that lies `back` behind place `at` of a ring, `back < size`.
fn behind(at: usize, back: usize, size: usize) -> usize {
    if back <= at { at - back } else { at + size - back }
}

#[cfg(test)]
mod tests {
    use super::super::MAX_TOKENS;
    use super::*;
    use crate::half::Storage;

    /// Nobody waits for 2^32 tokens: the count starts close to the end, over rows that are alike.
    #[test]
    fn the_last_tokens_that_can_be_counted_are_taken() {
        for (capacity, block_size) in [(1, 1), (9, 4), (40, 7)] {
            let [q_heads, kv_heads, dim] = [1; 3];
            let shape =
                StreamShape { q_heads, kv_heads, dim, slopes: &[0.5], storage: Storage::F32 };
            let pattern = SparsePattern { window: 5, block_size, ..SparsePattern::default() };
            let mut stream = Stream::new(&shape, &pattern, Weighting::LnCount, capacity).unwrap();
            (0..=capacity + stream.blocks).for_each(|row| stream.store.put(row, &[0.25], &[0.5]));
            // Of whole blocks, as the open one has no token yet.
            stream.len = (MAX_TOKENS - 70) / block_size * block_size;
            stream.open = stream.len / block_size;
            let mut out = [0.0];
            for row in stream.len..MAX_TOKENS {
                stream.push(&[1.0], &[0.25], &[0.5], &mut out).unwrap();
                assert!((out[0] - 0.5).abs() < 1e-6, "{} at {row}", out[0]);
            }
            let error = stream.push(&[1.0], &[0.25], &[0.5], &mut out).unwrap_err();
            assert_eq!(error, AttentionError::StreamTooLong { tokens: MAX_TOKENS });
            assert_eq!(stream.len(), MAX_TOKENS);
        }
    }
}
