//! One token at a time, without end and in constant memory.
//!
//! | stream            | pattern                | remembers                                           |
//! |-------------------|------------------------|-----------------------------------------------------|
//! | [`Stream`]        | upstream's edges       | the last `capacity` tokens, their blocks, token 0   |
//! | [`PyramidStream`] | the pyramid's edges    | `W + r log2(tokens)` rows: all that is looked at    |
//!
//! A push takes a token's query, key and value and gives its attention: the row that a pass over all
//! tokens so far ends with, to the bit, for [`Stream`] as long as the past fits its ring. All memory
//! is taken when a stream is made; a push takes none.
//!
//! Keys and values are stored as they come, or rounded to binary16 in half the memory
//! ([`Storage`]): within a relative 2^-11, or 2^-25 for numbers below 2^-14. Means of blocks are then
//! computed in `f32` from rounded tokens, and rounded in turn. That is all that differs; numbers that
//! would become infinite are refused. One key head, or groups of four query heads that read one, are stored once;
//! otherwise each key head stands in the lanes of every query head that reads it, as in a pass.
//!
//! What a push refuses leaves a stream as it was. Only [`AttentionError::Overflow`] comes after the
//! token was taken: later tokens will look at it.

mod pyramid;
mod ring;

pub use pyramid::PyramidStream;
pub use ring::Stream;

use super::store::Store;
use super::{AttentionError, Operand, check_finite, check_heads, check_slopes};
use crate::half::{self, Storage};

/// What a stream is made for.
#[derive(Clone, Copy, Debug)]
pub struct StreamShape<'a> {
    /// Query heads.
    pub q_heads: usize,
    /// Key and value heads; divides `q_heads`.
    pub kv_heads: usize,
    /// Numbers per head.
    pub dim: usize,
    /// Recency slopes, one per query head and `>= 0`, or none.
    pub slopes: &'a [f32],
    /// How keys and values are stored.
    pub storage: Storage,
}

/// The most tokens that a stream counts, the same on every target: 497 days at 100 a second.
pub const MAX_TOKENS: usize = u32::MAX as usize;

impl StreamShape<'_> {
    fn validate(&self) -> Result<(), AttentionError> {
        check_heads(self.q_heads, self.kv_heads, self.dim)?;
        check_slopes(self.slopes, self.q_heads)
    }
}

/// The next token, and where its attention goes.
struct Step<'a> {
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    out: &'a mut [f32],
}

impl Step<'_> {
    /// Checks token number `token` of a stream into `store`.
    fn validate(&self, store: &Store, token: usize) -> Result<(), AttentionError> {
        let (q_width, kv_width) = (store.q_heads * store.dim, store.kv_heads * store.dim);
        for (which, got, expected) in [
            (Operand::Q, self.q.len(), q_width),
            (Operand::K, self.k.len(), kv_width),
            (Operand::V, self.v.len(), kv_width),
            (Operand::Q, self.out.len(), q_width),
        ] {
            if got != expected {
                return Err(AttentionError::RowLength { which, expected, got });
            }
        }
        check_finite(Operand::Q, self.q, store.q_heads, store.dim, token)?;
        for (which, row) in [(Operand::K, self.k), (Operand::V, self.v)] {
            check_finite(which, row, store.kv_heads, store.dim, token)?;
            let is_beyond = |number: &f32| number.abs() >= half::LIMIT;
            // Without a way out of the loop, so that it runs four at a time.
            if store.is_half() && row.iter().fold(false, |any, number| any | is_beyond(number)) {
                let head = row.iter().position(is_beyond).map_or(0, |at| at / store.dim);
                return Err(AttentionError::BeyondF16 { which, token, head });
            }
        }
        if token >= MAX_TOKENS {
            return Err(AttentionError::StreamTooLong { tokens: token });
        }
        Ok(())
    }
}
