//! The pyramid's edges, from the rows that can still be looked at.

use super::super::plan::Plan;
use super::super::store::Store;
use super::super::tile::Scratch;
use super::super::{AttentionError, Pyramid};
use super::{MAX_TOKENS, Step, StreamShape};
use alloc::vec::Vec;

/// Levels above the tokens: enough for [`MAX_TOKENS`].
const LEVELS: usize = 31;

/// Attention over the pyramid, token by token and without end.
///
/// Every push gives the bits of the row that
/// [`pyramid::forward`](super::super::pyramid::forward) has for that token. It keeps what later
/// rows can look at: the window and the blocks of level 0 as one ring of `W + r + 2` tokens, and
/// `r + 1` blocks of each level above. A token that leaves the window may fill a level, whose two
/// oldest blocks then merge, and so on upwards: at most 31 merges a push, one on average.
#[derive(Clone, Debug)]
pub struct PyramidStream {
    /// The ring of tokens, then a ring of blocks for each level from 1 on.
    store: Store,
    pyramid: Pyramid,
    slopes: Vec<f32>,
    len: usize,
    /// The row of the next token.
    next: usize,
    plan: Plan,
    scratch: Scratch,
}

impl PyramidStream {
    /// Makes a stream. All of its memory is taken here.
    ///
    /// # Errors
    ///
    /// [`AttentionError::ZeroDim`], [`HeadRatio`](AttentionError::HeadRatio),
    /// [`SlopeCount`](AttentionError::SlopeCount), [`BadSlope`](AttentionError::BadSlope);
    /// [`ZeroPerLevel`](AttentionError::ZeroPerLevel);
    /// [`CacheTooLarge`](AttentionError::CacheTooLarge) when the memory cannot be had.
    pub fn new(shape: &StreamShape<'_>, pyramid: Pyramid) -> Result<Self, AttentionError> {
        shape.validate()?;
        pyramid.validate()?;
        let rows = (pyramid.per_level.checked_add(1))
            .and_then(|ring| ring.checked_mul(LEVELS + 1))
            .and_then(|rows| rows.checked_add(pyramid.window)?.checked_add(1))
            .filter(|rows| *rows <= MAX_TOKENS)
            .ok_or(AttentionError::CacheTooLarge)?;
        let store = Store::new(shape, rows, 0)?;
        let (mut plan, mut scratch) = (Plan::default(), Scratch::default());
        plan.reserve(rows)?;
        scratch.reserve(shape.dim, rows)?;
        let slopes = shape.slopes.to_vec();
        Ok(Self { store, pyramid, slopes, len: 0, next: 0, plan, scratch })
    }

    /// Returns how many tokens it has taken.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Tells whether it has taken no token.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the bytes that keys and values take.
    pub fn memory_bytes(&self) -> usize {
        self.store.memory_bytes()
    }

    /// Forgets all tokens and keeps the memory.
    pub fn reset(&mut self) {
        (self.len, self.next) = (0, 0);
    }

    /// Takes the next token and writes its attention: `q` and `out` are `[q_heads * dim]`, `k` and
    /// `v` `[kv_heads * dim]`. Takes no memory.
    ///
    /// # Errors
    ///
    /// As [`Stream::push`](super::Stream::push).
    pub fn push(
        &mut self,
        q: &[f32],
        k: &[f32],
        v: &[f32],
        out: &mut [f32],
    ) -> Result<(), AttentionError> {
        let step = Step { q, k, v, out };
        step.validate(&self.store, self.len)?;
        let place = Place { pyramid: self.pyramid, newest: self.next, row: self.len };
        self.store.put(self.next, step.k, step.v);
        self.merge(place);
        self.len += 1;
        self.next = if self.next + 1 == place.tokens() { 0 } else { self.next + 1 };
        self.plan.pyramid(self.pyramid, place.row, 1, |level, index| place.of(level, index));
        self.store.attend(&self.plan, step.q, &self.slopes, &mut self.scratch, step.out)
    }

    /// Merges what the token that left the window has made too many.
    fn merge(&mut self, place: Place) {
        let per_level = self.pyramid.per_level;
        let mut count = place.row.saturating_sub(self.pyramid.window);
        for level in 0.. {
            // One block came in; the level is one over when their number and r differ in parity.
            if count <= per_level || (count - per_level).is_multiple_of(2) {
                break;
            }
            let merges = (count - per_level).div_ceil(2);
            let [left, right] = [2, 1].map(|back| place.of(level, 2 * merges - back));
            self.store.store_mean_of_two(left, right, place.of(level + 1, merges - 1));
            count = merges;
        }
    }
}

/// Where the blocks that row `row` looks at are kept.
#[derive(Clone, Copy)]
struct Place {
    pyramid: Pyramid,
    /// The row of the store with token `row`.
    newest: usize,
    row: usize,
}

impl Place {
    /// Returns the length of the ring of tokens.
    fn tokens(&self) -> usize {
        self.pyramid.window + self.pyramid.per_level + 2
    }

    /// Returns the row of a block.
    fn of(&self, level: u32, index: usize) -> usize {
        if level == 0 {
            let back = self.row - index;
            return if back <= self.newest {
                self.newest - back
            } else {
                self.newest + self.tokens() - back
            };
        }
        // Both count no further than MAX_TOKENS, and 32 bits divide faster than 64.
        let ring = self.pyramid.per_level + 1;
        let at = index as u32 % ring as u32;
        self.tokens() + (level as usize - 1) * ring + at as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::half::Storage;

    /// Nobody waits for 2^32 tokens: the count starts close to the end, over rows that are alike.
    #[test]
    fn the_last_tokens_that_can_be_counted_see_every_token_once() {
        for (window, per_level) in [(0, 1), (0, 2), (1, 1), (7, 3), (16, 8)] {
            let [q_heads, kv_heads, dim] = [1; 3];
            let shape = StreamShape { q_heads, kv_heads, dim, slopes: &[], storage: Storage::F32 };
            let mut stream = PyramidStream::new(&shape, Pyramid { window, per_level }).unwrap();
            let rows = (per_level + 1) * (LEVELS + 1) + window + 1;
            (0..rows).for_each(|row| stream.store.put(row, &[0.25], &[0.5]));
            stream.len = MAX_TOKENS - 70;
            let mut out = [0.0];
            for row in stream.len..MAX_TOKENS {
                stream.push(&[1.0], &[0.25], &[0.5], &mut out).unwrap();
                assert!((out[0] - 0.5).abs() < 1e-6, "{} at {row}", out[0]);
                let seen: usize =
                    stream.plan.visits_of(0).map(|visit| visit.stand.tokens.len()).sum();
                assert_eq!(seen, row + 1);
                assert!(stream.plan.reads.as_flattened().iter().all(|read| *read < rows));
            }
            let error = stream.push(&[1.0], &[0.25], &[0.5], &mut out).unwrap_err();
            assert_eq!(error, AttentionError::StreamTooLong { tokens: MAX_TOKENS });
            assert_eq!(stream.len(), MAX_TOKENS);
        }
    }
}
