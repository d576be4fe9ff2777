//! One token at a time: a cache of keys and values, and the attention of its newest token.
//!
//! A step looks at exactly the edges of the last row of a forward pass over the tokens so far, by
//! the same arithmetic, so it equals that row bit for bit. Exact edges need the whole past: the
//! cache holds `capacity` tokens and then refuses, it does not forget.
//!
//! A block's mean is summed as its tokens arrive and divided when the last one does. Rows only
//! ever look at complete blocks, so the open block's sum is never read.
//!
//! Several key heads lie side by side in lanes, padded to a multiple of four; one alone is kept as
//! it is. Query heads that share key heads otherwise (GQA with several key heads) have the few rows
//! that a step looks at copied into their lanes first.

use super::bank::{Bank, Element, add, divide, heads_of, interleave};
use super::lanes::{F32x4, LANES};
use super::plan::{Over, Plan};
use super::tile::Scratch;
use super::{
    AttentionError, Operand, SparsePattern, Weighting, check_finite, check_heads, check_row, kernel,
};
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
    rows: Rows,
    plan: Plan,
    scratch: Scratch,
    gathered: Bank<F32x4>,
}

/// Tokens, then means of blocks.
#[derive(Clone, Debug)]
enum Rows {
    /// One key head.
    One(Bank<f32>),
    /// Several, in lanes.
    Lanes(Bank<F32x4>),
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
        let rows = capacity.checked_add(blocks).ok_or(AttentionError::CacheTooLarge)?;
        let rows = if kv_heads == 1 {
            // Every query head reads the one part there is.
            Rows::One(bank(rows, dim, dim, usize::MAX, capacity)?)
        } else {
            let width =
                kv_heads.div_ceil(LANES).checked_mul(dim).ok_or(AttentionError::CacheTooLarge)?;
            Rows::Lanes(bank(rows, width, dim, LANES, capacity)?)
        };
        Ok(Self {
            capacity,
            kv_heads,
            dim,
            block_size,
            len: 0,
            rows,
            plan: Plan::default(),
            scratch: Scratch::default(),
            gathered: Bank::new(),
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
        match &mut self.rows {
            Rows::One(bank) => forget_means(bank),
            Rows::Lanes(bank) => forget_means(bank),
        }
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
        let (len, block_size) = (self.len, self.block_size);
        match &mut self.rows {
            Rows::One(bank) => {
                bank.keys[len * width..][..width].copy_from_slice(k);
                bank.values[len * width..][..width].copy_from_slice(v);
                add_to_mean(bank, len, block_size);
            }
            Rows::Lanes(bank) => {
                write_lanes(&mut bank.keys[len * bank.width..], k, self.dim);
                write_lanes(&mut bank.values[len * bank.width..], v, self.dim);
                add_to_mean(bank, len, block_size);
            }
        }
        self.len += 1;
        Ok(())
    }
}

/// Makes a bank of zeros.
fn bank<E: Element>(
    rows: usize,
    width: usize,
    dim: usize,
    heads_per_part: usize,
    first_block: usize,
) -> Result<Bank<E>, AttentionError> {
    let mut bank = Bank::new();
    bank.shape(first_block, dim, width, heads_per_part);
    bank.keys = zeros(rows, width)?;
    bank.values = zeros(rows, width)?;
    Ok(bank)
}

fn forget_means<E: Element>(bank: &mut Bank<E>) {
    let start = bank.first_block * bank.width;
    bank.keys[start..].fill(E::splat(0.0));
    bank.values[start..].fill(E::splat(0.0));
}

/// Adds token `token` to its block's sum, which becomes a mean with the block's last token.
fn add_to_mean<E: Element>(bank: &mut Bank<E>, token: usize, block_size: usize) {
    let (width, first_block) = (bank.width, bank.first_block);
    for numbers in [&mut bank.keys, &mut bank.values] {
        let (tokens, means) = numbers.split_at_mut(first_block * width);
        let mean = &mut means[token / block_size * width..][..width];
        add(mean, &tokens[token * width..][..width]);
        if (token + 1).is_multiple_of(block_size) {
            divide(mean, block_size);
        }
    }
}

/// Puts the heads of `token`, `[heads * dim]`, into lanes.
fn write_lanes(to: &mut [F32x4], token: &[f32], dim: usize) {
    let heads = token.len() / dim;
    for (group, to) in to.chunks_exact_mut(dim).take(heads.div_ceil(LANES)).enumerate() {
        interleave(token, dim, heads_of(group, heads), to);
    }
}

/// Copies the rows of `plan` into the lanes of their query heads, and makes the plan name the
/// copies. Takes memory for `longest` rows.
fn gather(
    from: &Bank<F32x4>,
    plan: &mut Plan,
    q_heads: usize,
    kv_heads: usize,
    longest: usize,
    to: &mut Bank<F32x4>,
) {
    let (dim, groups) = (from.dim, q_heads.div_ceil(LANES));
    to.shape(longest, dim, groups * dim, LANES);
    for (from_numbers, to_numbers) in [(&from.keys, &mut to.keys), (&from.values, &mut to.values)] {
        to_numbers.clear();
        to_numbers.reserve(longest * groups * dim);
        for reads in &plan.reads {
            let row = &from_numbers[reads[0] * from.width..][..from.width];
            for group in 0..groups {
                let heads = heads_of(group, q_heads).map(|head| head / (q_heads / kv_heads));
                let number = |d: usize, head: usize| row[head / LANES * dim + d].lane(head % LANES);
                to_numbers
                    .extend((0..dim).map(|d| F32x4::from_array(heads.map(|head| number(d, head)))));
            }
        }
    }
    plan.reads.iter_mut().enumerate().for_each(|(at, reads)| *reads = [at; 2]);
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

    let KvCache { capacity, kv_heads, dim, len, rows, plan, scratch, gathered, .. } = cache;
    // Room for the longest row the cache can have: the window, and a far edge per power of two for
    // tokens and for blocks, beside token 0 and the two nearest blocks.
    let strides = (usize::BITS - capacity.leading_zeros()) as usize;
    let longest = pattern.window.min(*capacity) + 1 + 2 * strides + 3;
    plan.reserve(longest);
    scratch.reserve(*dim, longest);
    plan.fill(Over::Sparse { pattern, weighting }, row, 1, *len, *capacity);
    match rows {
        Rows::One(bank) => kernel::attend(bank, plan, q, slopes, scratch, out),
        Rows::Lanes(bank) if *kv_heads == q_heads => {
            kernel::attend(bank, plan, q, slopes, scratch, out)
        }
        Rows::Lanes(bank) => {
            gather(bank, plan, q_heads, *kv_heads, longest, gathered);
            kernel::attend(gathered, plan, q, slopes, scratch, out)
        }
    }
}

fn zeros<E: Element>(rows: usize, width: usize) -> Result<Vec<E>, AttentionError> {
    let mut numbers = Vec::new();
    let len = rows.checked_mul(width).ok_or(AttentionError::CacheTooLarge)?;
    numbers.try_reserve_exact(len).map_err(|_| AttentionError::CacheTooLarge)?;
    numbers.resize(len, E::splat(0.0));
    Ok(numbers)
}
