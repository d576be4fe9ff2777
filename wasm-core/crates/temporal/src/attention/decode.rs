//! One token at a time: a cache of keys and values, and the attention of its newest token.
//!
//! A step looks at exactly the edges of the last row of a forward pass over the tokens so far, by
//! the same arithmetic, so it equals that row bit for bit. Exact edges need the whole past: the
//! cache holds `capacity` tokens and then refuses, it does not forget.
//!
//! A block's mean is summed as its tokens arrive and divided when the last one does. Rows only
//! ever look at complete blocks, so the open block's sum is never read.

use super::row::{Landmarks, Memory, RowPlan, add, divide};
use super::{AttentionError, Operand, SparsePattern, Weighting, check_finite, check_heads};
use crate::tensor::Tensor3;
use alloc::vec::Vec;

/// Keys and values of the tokens so far, with the means of their complete blocks.
#[derive(Clone, Debug)]
pub struct KvCache {
    capacity: usize,
    kv_heads: usize,
    dim: usize,
    block_size: usize,
    len: usize,
    keys: Vec<f32>,
    values: Vec<f32>,
    landmarks: Landmarks,
    plan: RowPlan,
    weights: Vec<f32>,
}

impl KvCache {
    /// Makes an empty cache for `capacity` tokens; all of its memory is taken here.
    ///
    /// # Errors
    ///
    /// [`AttentionError::ZeroDim`], [`AttentionError::ZeroBlockSize`],
    /// [`AttentionError::CacheTooLarge`] when the memory cannot be had.
    pub fn new(
        capacity: usize,
        kv_heads: usize,
        dim: usize,
        block_size: usize,
    ) -> Result<Self, AttentionError> {
        check_heads(kv_heads, kv_heads, dim)?;
        if block_size == 0 {
            return Err(AttentionError::ZeroBlockSize);
        }
        // Blocks that can ever be complete or open.
        let blocks = capacity.div_ceil(block_size);
        let landmarks = Landmarks {
            keys: zeros(blocks, kv_heads, dim)?,
            values: zeros(blocks, kv_heads, dim)?,
        };
        Ok(Self {
            capacity,
            kv_heads,
            dim,
            block_size,
            len: 0,
            keys: zeros(capacity, kv_heads, dim)?,
            values: zeros(capacity, kv_heads, dim)?,
            landmarks,
            plan: RowPlan::default(),
            weights: Vec::new(),
        })
    }

    /// Returns how many tokens it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Tells whether it holds no token.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns how many tokens it was made for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets all tokens and keeps the memory.
    pub fn reset(&mut self) {
        self.len = 0;
        self.landmarks.keys.fill(0.0);
        self.landmarks.values.fill(0.0);
    }

    /// Adds the newest token: `k` and `v`, `[kv_heads * dim]` each.
    ///
    /// # Errors
    ///
    /// [`AttentionError::RowLength`], [`AttentionError::NotFinite`],
    /// [`AttentionError::CacheFull`]. The cache is unchanged then.
    pub fn append(&mut self, k: &[f32], v: &[f32]) -> Result<(), AttentionError> {
        let width = self.kv_heads * self.dim;
        for (which, row) in [(Operand::K, k), (Operand::V, v)] {
            check_row(which, row, width)?;
            check_finite(which, row, self.kv_heads, self.dim, self.len)?;
        }
        if self.len == self.capacity {
            return Err(AttentionError::CacheFull { capacity: self.capacity });
        }
        let (token, block) = (self.len * width, self.len / self.block_size * width);
        self.len += 1;
        let is_complete = self.len.is_multiple_of(self.block_size);
        for (tokens, means, row) in [
            (&mut self.keys, &mut self.landmarks.keys, k),
            (&mut self.values, &mut self.landmarks.values, v),
        ] {
            tokens[token..][..width].copy_from_slice(row);
            let mean = &mut means[block..][..width];
            add(mean, row);
            if is_complete {
                divide(mean, self.block_size);
            }
        }
        Ok(())
    }
}

/// Computes attention of the newest token of `cache`, `[1, q_heads, dim]`, as upstream weighs it.
///
/// # Errors
///
/// As [`decode_step_into`]; [`AttentionError::Shape`] when `q` is not one token.
pub fn decode_step(
    q: &Tensor3,
    cache: &mut KvCache,
    pattern: &SparsePattern,
) -> Result<Tensor3, AttentionError> {
    if q.seq() != 1 || q.dim() != cache.dim {
        let kv = [1, cache.kv_heads, cache.dim];
        return Err(AttentionError::Shape { q: q.shape(), k: kv, v: kv });
    }
    let mut out = Tensor3::zeros(1, q.heads(), q.dim());
    decode_step_into(q.data(), cache, pattern, Weighting::Plain, &[], out.data_mut())?;
    Ok(out)
}

/// Computes attention of the newest token of `cache`, whose key and value were appended before.
///
/// `q` and `out` are `[q_heads * dim]`; `slopes` has one entry per query head or none. The first
/// step of a pattern may take scratch memory, later ones take none.
///
/// # Errors
///
/// [`AttentionError::CacheEmpty`]; [`AttentionError::BlockSize`] when the pattern has landmarks of
/// another size; [`AttentionError::ZeroBlockSize`]; [`AttentionError::RowLength`],
/// [`HeadRatio`](AttentionError::HeadRatio), [`SlopeCount`](AttentionError::SlopeCount),
/// [`BadSlope`](AttentionError::BadSlope), [`NotFinite`](AttentionError::NotFinite) and
/// [`Overflow`](AttentionError::Overflow) as for a whole window.
pub fn decode_step_into(
    q: &[f32],
    cache: &mut KvCache,
    pattern: &SparsePattern,
    weighting: Weighting,
    slopes: &[f32],
    out: &mut [f32],
) -> Result<(), AttentionError> {
    pattern.validate()?;
    let row = cache.len.checked_sub(1).ok_or(AttentionError::CacheEmpty)?;
    if pattern.landmarks && pattern.block_size != cache.block_size {
        let (cache, pattern) = (cache.block_size, pattern.block_size);
        return Err(AttentionError::BlockSize { cache, pattern });
    }
    let q_heads = q.len() / cache.dim;
    check_heads(q_heads, cache.kv_heads, cache.dim)?;
    check_row(Operand::Q, q, q_heads * cache.dim)?;
    check_row(Operand::Q, out, q.len())?;
    super::check_slopes(slopes, q_heads)?;
    check_finite(Operand::Q, q, q_heads, cache.dim, row)?;

    let KvCache { plan, weights, .. } = cache;
    // Room for the longest row the cache can have: the window, and a far edge per power of two for
    // tokens and for blocks, beside token 0 and the two nearest blocks.
    let strides = (usize::BITS - cache.capacity.leading_zeros()) as usize;
    let far = 2 * strides + 3;
    plan.far.clear();
    plan.far.reserve(far);
    weights.clear();
    weights.reserve(pattern.window.min(cache.capacity) + 1 + far);

    plan.sparse(pattern, row, cache.len);
    let memory = Memory {
        keys: &cache.keys,
        values: &cache.values,
        landmarks: &cache.landmarks,
        kv_heads: cache.kv_heads,
        dim: cache.dim,
    };
    memory.attend(q, plan, weighting, slopes, weights, out)
}

fn check_row(which: Operand, row: &[f32], expected: usize) -> Result<(), AttentionError> {
    if row.len() == expected {
        Ok(())
    } else {
        Err(AttentionError::RowLength { which, expected, got: row.len() })
    }
}

fn zeros(tokens: usize, heads: usize, dim: usize) -> Result<Vec<f32>, AttentionError> {
    let len = tokens.checked_mul(heads).and_then(|rows| rows.checked_mul(dim));
    let mut numbers = Vec::new();
    len.and_then(|len| numbers.try_reserve_exact(len).ok().map(|()| numbers.resize(len, 0.0)))
        .ok_or(AttentionError::CacheTooLarge)?;
    Ok(numbers)
}
