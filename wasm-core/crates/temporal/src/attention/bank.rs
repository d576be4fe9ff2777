//! Keys and values as the kernel reads them: rows of tokens, then rows of block means.
//!
//! Lane `l` of group `g` is query head `4 g + l`; lanes beyond the last head repeat it, and what
//! they compute is dropped. A row holds, for each group, the `dim` numbers of its four heads:
//!
//! - `Bank<F32x4>`: heads side by side in lanes, each key head once for every query head that
//!   reads it;
//! - `Bank<f32>`: as the tensors have it, for groups whose heads all read one key head: a number is
//!   put into all lanes when it is read.
//!
//! A landmark's mean is the sum of its tokens, oldest first, divided by their number. A block of a
//! pyramid has the mean of its two halves, `(left + right) * 0.5`.

use super::Qkv;
use super::lanes::{F32x4, LANES};
use crate::math::Numbers;
use alloc::vec::Vec;
use core::ops::Div;

/// A number of a bank.
pub(super) trait Element: Numbers + Div<Output = Self> {
    /// Returns it for all four heads.
    fn lanes(self) -> F32x4;

    /// Returns it for one of the four heads.
    fn lane(self, lane: usize) -> f32;
}

impl Element for f32 {
    #[inline(always)]
    fn lanes(self) -> F32x4 {
        F32x4::splat(self)
    }

    fn lane(self, _: usize) -> f32 {
        self
    }
}

impl Element for F32x4 {
    #[inline(always)]
    fn lanes(self) -> F32x4 {
        self
    }

    fn lane(self, lane: usize) -> f32 {
        self.to_array()[lane]
    }
}

/// Keys and values of tokens and of blocks.
#[derive(Clone, Debug)]
pub(super) struct Bank<E> {
    pub keys: Vec<E>,
    pub values: Vec<E>,
    /// Numbers per head.
    pub dim: usize,
    /// `1 / sqrt(dim)`, what products become scores with.
    pub scale: f32,
    /// Elements per row.
    pub width: usize,
    /// Query heads that read the same part of a row: 4, or the size of a GQA group.
    pub heads_per_part: usize,
    /// The row of the first block's mean.
    pub first_block: usize,
}

impl<E: Element> Bank<E> {
    /// Makes a bank of nothing.
    pub fn new() -> Self {
        Self {
            keys: Vec::new(),
            values: Vec::new(),
            dim: 0,
            scale: 0.0,
            width: 0,
            heads_per_part: LANES,
            first_block: 0,
        }
    }

    /// Takes on a shape; the rows are up to the caller.
    pub fn shape(&mut self, first_block: usize, dim: usize, width: usize, heads_per_part: usize) {
        self.scale = 1.0 / libm::sqrtf(dim as f32);
        (self.first_block, self.dim) = (first_block, dim);
        (self.width, self.heads_per_part) = (width, heads_per_part);
    }

    /// Returns where the part of `row` starts that `group` reads.
    #[inline(always)]
    pub fn start(&self, row: usize, group: usize) -> usize {
        row * self.width + self.part(group)
    }

    /// Returns where the part of `group` starts within a row.
    #[inline(always)]
    pub fn part(&self, group: usize) -> usize {
        group * LANES / self.heads_per_part * self.dim
    }

    /// Appends the means of all blocks of the tokens that it holds, the last one over what it has.
    pub fn push_means(&mut self, block_size: usize) {
        for numbers in [&mut self.keys, &mut self.values] {
            let tokens = self.first_block;
            for first in (0..tokens).step_by(block_size) {
                let end = first.saturating_add(block_size).min(tokens);
                let mean = numbers.len();
                numbers.resize(mean + self.width, E::splat(0.0));
                let (tokens, mean) = numbers.split_at_mut(mean);
                for token in tokens[first * self.width..end * self.width].chunks_exact(self.width) {
                    add(mean, token);
                }
                divide(mean, end - first);
            }
        }
    }

    /// Appends the means of a pyramid over the tokens that it holds: all whole blocks of two, then
    /// of four, and so on (`pyramid::row_of`).
    pub fn push_pyramid(&mut self) {
        for numbers in [&mut self.keys, &mut self.values] {
            let (mut start, mut blocks) = (0, self.first_block);
            while blocks > 1 {
                let next = numbers.len();
                for left in (0..blocks / 2).map(|pair| start + 2 * pair * self.width) {
                    for left in left..left + self.width {
                        numbers.push(mean(numbers[left], numbers[left + self.width]));
                    }
                }
                (start, blocks) = (next, blocks / 2);
            }
        }
    }
}

/// Returns the mean of two.
#[inline(always)]
fn mean<E: Element>(left: E, right: E) -> E {
    (left + right) * E::splat(0.5)
}

/// Adds `token` to `sum`, number by number.
pub(super) fn add<E: Element>(sum: &mut [E], token: &[E]) {
    for (sum, number) in sum.iter_mut().zip(token) {
        *sum = *sum + *number;
    }
}

/// Divides a sum over `count` tokens by `count`.
pub(super) fn divide<E: Element>(sum: &mut [E], count: usize) {
    let count = E::splat(count as f32);
    for sum in sum {
        *sum = *sum / count;
    }
}

/// Tells whether the heads of every group of lanes read one key head, so that a number read once
/// serves all four.
pub(super) fn is_shared(q_heads: usize, kv_heads: usize) -> bool {
    kv_heads == 1 || (q_heads / kv_heads).is_multiple_of(LANES)
}

impl Bank<f32> {
    /// Holds a copy of checked input whose [`is_shared`] holds from now on, with room for `blocks`
    /// means.
    pub fn fill(&mut self, input: &Qkv<'_>, blocks: usize) {
        let [seq, kv_heads, dim] = input.k.shape();
        self.shape(seq, dim, kv_heads * dim, input.group());
        for (copy, tensor) in [(&mut self.keys, input.k), (&mut self.values, input.v)] {
            copy.clear();
            copy.reserve((seq + blocks) * self.width);
            copy.extend_from_slice(tensor.data());
        }
    }
}

impl Bank<F32x4> {
    /// Holds a copy of checked input from now on, with room for `blocks` means.
    pub fn fill(&mut self, input: &Qkv<'_>, blocks: usize) {
        let [seq, kv_heads, dim] = input.k.shape();
        let (q_heads, group_size) = (input.q.heads(), input.group());
        let groups = q_heads.div_ceil(LANES);
        self.shape(seq, dim, groups * dim, LANES);
        for (copy, tensor) in [(&mut self.keys, input.k), (&mut self.values, input.v)] {
            copy.reserve(((seq + blocks) * self.width).saturating_sub(copy.len()));
            copy.resize(seq * self.width, F32x4::splat(0.0));
            let tokens = tensor.data().chunks_exact(kv_heads * dim);
            for (token, row) in tokens.zip(copy.chunks_exact_mut(self.width)) {
                for (group, row) in row.chunks_exact_mut(dim).enumerate() {
                    let heads = heads_of(group, q_heads).map(|head| head / group_size);
                    interleave(token, dim, heads, row);
                }
            }
        }
    }
}

/// Returns the whole fours of a row.
#[inline(always)]
fn quads(row: &[f32]) -> core::slice::ChunksExact<'_, f32> {
    row.chunks_exact(LANES)
}

/// Returns the heads in the lanes of `group`; lanes beyond the last head repeat it.
#[inline(always)]
pub(super) fn heads_of(group: usize, heads: usize) -> [usize; LANES] {
    [0, 1, 2, 3].map(|lane| (group * LANES + lane).min(heads - 1))
}

/// Puts the `dim` numbers of four heads of `token`, `[heads * dim]`, into lanes.
#[inline(always)]
pub(super) fn interleave(token: &[f32], dim: usize, heads: [usize; LANES], to: &mut [F32x4]) {
    let row = |lane: usize| &token[heads[lane] * dim..][..dim];
    let [a, b, c, d] = [row(0), row(1), row(2), row(3)];
    let (ab, cd) = (quads(a).zip(quads(b)), quads(c).zip(quads(d)));
    for (((a, b), (c, d)), to) in ab.zip(cd).zip(to.chunks_exact_mut(LANES)) {
        let rows = [F32x4::load(a), F32x4::load(b), F32x4::load(c), F32x4::load(d)];
        to.copy_from_slice(&F32x4::transpose(rows));
    }
    for at in dim - dim % LANES..dim {
        to[at] = F32x4::from_array([a[at], b[at], c[at], d[at]]);
    }
}
