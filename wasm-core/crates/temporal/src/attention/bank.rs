//! Keys and values as the kernel reads them: rows of tokens, then rows of block means.
//!
//! Lane `l` of group `g` is query head `4 g + l`; lanes beyond the last head repeat it, and what
//! they compute is dropped. A row holds, for each group, the `dim` numbers of its four heads:
//!
//! - `Bank<F32x4>`: heads side by side in lanes, each key head once for every query head that
//!   reads it;
//! - `Bank<f32>`: as the tensors have it. Where the heads of each group all read one key head, a
//!   number is put into all lanes when it is read; else it serves one head after the other;
//! - `Bank<[u16; 4]>`, `Bank<u16>`: the same two with every number rounded to binary16.
//!
//! A landmark's mean is the sum of its tokens, oldest first, divided by their number. A block of a
//! pyramid has the mean of its two halves, `(left + right) * 0.5`.

pub(super) use super::lanes::LANES;
use super::lanes::{F32x4, IS_VECTOR};
use super::{AttentionError, Qkv};
use crate::half;
use crate::math::Numbers;
use alloc::vec::Vec;
use core::fmt::Debug;
use core::ops::Div;

/// A number of a bank, or four: `f32` as they are, or rounded to binary16, in 16 bits each.
///
/// What is computed from stored numbers, a mean say, is computed in `f32` from what they were
/// rounded to, and rounded again when it is stored.
pub(super) trait Element: Copy + Debug {
    /// What it is computed with.
    type Wide: Numbers + Div<Output = Self::Wide> + Debug;

    /// Returns it as it is computed with.
    fn widen(self) -> Self::Wide;

    /// Returns what is stored of a number. In binary16, what lies beyond its range becomes its
    /// largest number; the rounding of a mean of numbers close to that can come there.
    fn narrow(wide: Self::Wide) -> Self;

    /// Returns it for all four heads.
    fn lanes(self) -> F32x4;

    /// Returns it for one of the four heads.
    fn lane(&self, lane: usize) -> f32;

    /// Stores a token, `[kv_heads * dim]`, as the row of its bank, for `q_heads` query heads.
    fn put(token: &[f32], dim: usize, q_heads: usize, row: &mut [Self]);
}

impl Element for f32 {
    type Wide = Self;

    #[inline(always)]
    fn widen(self) -> Self {
        self
    }

    #[inline(always)]
    fn narrow(wide: Self) -> Self {
        wide
    }

    #[inline(always)]
    fn lanes(self) -> F32x4 {
        F32x4::splat(self)
    }

    #[inline(always)]
    fn lane(&self, _: usize) -> f32 {
        *self
    }

    fn put(token: &[f32], _: usize, _: usize, row: &mut [Self]) {
        row.copy_from_slice(token);
    }
}

impl Element for F32x4 {
    type Wide = Self;

    #[inline(always)]
    fn widen(self) -> Self {
        self
    }

    #[inline(always)]
    fn narrow(wide: Self) -> Self {
        wide
    }

    #[inline(always)]
    fn lanes(self) -> F32x4 {
        self
    }

    #[inline(always)]
    fn lane(&self, lane: usize) -> f32 {
        self.get(lane)
    }

    fn put(token: &[f32], dim: usize, q_heads: usize, row: &mut [Self]) {
        let group_size = q_heads / (token.len() / dim);
        for (group, row) in row.chunks_exact_mut(dim).enumerate() {
            let heads = heads_of(group, q_heads).map(|head| head / group_size);
            interleave::<1>(token, dim, heads, 0, row.as_chunks_mut().0);
        }
    }
}

/// One binary16 number.
impl Element for u16 {
    type Wide = f32;

    #[inline(always)]
    fn widen(self) -> f32 {
        half::widen(self)
    }

    #[inline(always)]
    fn narrow(wide: f32) -> Self {
        half::narrow(wide)
    }

    #[inline(always)]
    fn lanes(self) -> F32x4 {
        if IS_VECTOR {
            F32x4::from_halves(u64::from(self) * 0x0001_0001_0001_0001)
        } else {
            F32x4::splat(half::widen(self))
        }
    }

    fn lane(&self, _: usize) -> f32 {
        half::widen(*self)
    }

    fn put(token: &[f32], _: usize, _: usize, row: &mut [Self]) {
        for (to, number) in row.iter_mut().zip(token) {
            *to = Self::narrow(*number);
        }
    }
}

/// Four binary16 numbers, of which a target without lanes reads one at a time.
impl Element for [u16; LANES] {
    type Wide = F32x4;

    #[inline(always)]
    fn widen(self) -> F32x4 {
        F32x4::from_halves(pack(self))
    }

    #[inline(always)]
    fn narrow(wide: F32x4) -> Self {
        wide.to_array().map(u16::narrow)
    }

    #[inline(always)]
    fn lanes(self) -> F32x4 {
        F32x4::from_halves(pack(self))
    }

    fn lane(&self, lane: usize) -> f32 {
        half::widen(self[lane])
    }

    fn put(token: &[f32], dim: usize, q_heads: usize, row: &mut [Self]) {
        let group_size = q_heads / (token.len() / dim);
        for (group, row) in row.chunks_exact_mut(dim).enumerate() {
            let heads = heads_of(group, q_heads).map(|head| head / group_size);
            for (d, to) in row.iter_mut().enumerate() {
                *to = heads.map(|head| u16::narrow(token[head * dim + d]));
            }
        }
    }
}

/// Puts four numbers side by side, the first in the low bits.
#[inline(always)]
fn pack([a, b, c, d]: [u16; LANES]) -> u64 {
    u64::from(a) | u64::from(b) << 16 | u64::from(c) << 32 | u64::from(d) << 48
}

/// Keys and values of tokens and of blocks.
#[derive(Clone, Debug)]
pub(super) struct Bank<E: Element> {
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
    /// The row of the first block's mean; the rows before it are places of tokens.
    pub first_block: usize,
    /// The place of the oldest token; the others follow, and go on at place 0 after the last one.
    pub oldest: usize,
    /// How many tokens there are.
    pub tokens: usize,
    /// Keys and values of the tokens of a block, as far as they were added up.
    sums: [Vec<E::Wide>; 2],
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
            oldest: 0,
            tokens: 0,
            sums: [Vec::new(), Vec::new()],
        }
    }

    /// Takes on a shape, with a token in each of `first_block` places; the rows are up to the
    /// caller.
    pub fn shape(&mut self, first_block: usize, dim: usize, width: usize, heads_per_part: usize) {
        self.scale = 1.0 / libm::sqrtf(dim as f32);
        (self.first_block, self.dim) = (first_block, dim);
        (self.oldest, self.tokens) = (0, first_block);
        (self.width, self.heads_per_part) = (width, heads_per_part);
    }

    /// Returns where the part of `row` starts that query head `head` reads.
    #[inline(always)]
    pub fn start(&self, row: usize, head: usize) -> usize {
        row * self.width + self.part(head)
    }

    /// Returns where the part of query head `head` starts within a row.
    #[inline(always)]
    pub fn part(&self, head: usize) -> usize {
        head / self.heads_per_part * self.dim
    }

    /// Tells whether the heads of every group of lanes read the same part of a row.
    #[inline(always)]
    pub fn is_shared(&self) -> bool {
        self.width == self.dim || self.heads_per_part.is_multiple_of(LANES)
    }

    /// Makes the means of all blocks of the tokens that it holds, the last one over what it has.
    pub fn push_means(&mut self, block_size: usize) {
        let (tokens, place) = (self.tokens, self.places());
        for numbers in [&mut self.keys, &mut self.values] {
            numbers.truncate(self.first_block * self.width);
        }
        for first in (0..tokens).step_by(block_size) {
            let end = first.saturating_add(block_size).min(tokens);
            self.clear_sums();
            (first..end).for_each(|token| self.add_to_sums(place(token)));
            let mean = self.keys.len();
            for numbers in [&mut self.keys, &mut self.values] {
                numbers.resize(mean + self.width, E::narrow(E::Wide::splat(0.0)));
            }
            self.store_mean(mean / self.width, end - first);
        }
    }

    /// Makes the sums those of no token.
    pub fn clear_sums(&mut self) {
        for sums in &mut self.sums {
            sums.clear();
            sums.resize(self.width, E::Wide::splat(0.0));
        }
    }

    /// Adds the token in row `row` to the sums.
    pub fn add_to_sums(&mut self, row: usize) {
        for (sums, numbers) in self.sums.iter_mut().zip([&self.keys, &self.values]) {
            for (sum, number) in sums.iter_mut().zip(&numbers[row * self.width..][..self.width]) {
                *sum = *sum + number.widen();
            }
        }
    }

    /// Makes row `row` the mean of the `count` tokens that were added to the sums.
    pub fn store_mean(&mut self, row: usize, count: usize) {
        let count = E::Wide::splat(count as f32);
        for (sums, numbers) in self.sums.iter().zip([&mut self.keys, &mut self.values]) {
            for (mean, sum) in numbers[row * self.width..][..self.width].iter_mut().zip(sums) {
                *mean = E::narrow(*sum / count);
            }
        }
    }

    /// Makes row `to` the mean of two other rows.
    pub fn store_mean_of_two(&mut self, left: usize, right: usize, to: usize) {
        let rows = [left, right, to].map(|row| row * self.width..(row + 1) * self.width);
        for numbers in [&mut self.keys, &mut self.values] {
            let rows = numbers.get_disjoint_mut(rows.clone());
            let [left, right, to] = rows.expect("three rows of the bank");
            for ((to, left), right) in to.iter_mut().zip(left).zip(right) {
                *to = mean(*left, *right);
            }
        }
    }

    /// Writes a token, `[kv_heads * dim]` each, as row `row`, for `q_heads` query heads.
    pub fn write(&mut self, row: usize, k: &[f32], v: &[f32], q_heads: usize) {
        for (numbers, token) in [(&mut self.keys, k), (&mut self.values, v)] {
            E::put(token, self.dim, q_heads, &mut numbers[row * self.width..][..self.width]);
        }
    }

    /// Reads the token of row `row` back, `[kv_heads * dim]` each.
    pub fn read(&self, row: usize, q_heads: usize, k: &mut [f32], v: &mut [f32]) {
        let kv_heads = k.len() / self.dim;
        for (numbers, token) in [(&self.keys, k), (&self.values, v)] {
            for (kv_head, token) in token.chunks_exact_mut(self.dim).enumerate() {
                let head = kv_head * (q_heads / kv_heads);
                let numbers = &numbers[self.start(row, head)..];
                for (token, number) in token.iter_mut().zip(numbers) {
                    *token = number.lane(head % LANES);
                }
            }
        }
    }

    /// Makes the means of a pyramid over the tokens that it holds: all whole blocks of two, then of
    /// four, and so on (`pyramid::row_of`).
    pub fn push_pyramid(&mut self) {
        let (width, place) = (self.width, self.places());
        for numbers in [&mut self.keys, &mut self.values] {
            numbers.truncate(self.first_block * width);
            let (mut level, mut blocks) = (0, self.tokens);
            while blocks > 1 {
                let next = numbers.len() / width;
                for pair in (0..2 * (blocks / 2)).step_by(2) {
                    let row = |at| if next == self.first_block { place(at) } else { level + at };
                    let (left, right) = (row(pair) * width, row(pair + 1) * width);
                    for d in 0..width {
                        numbers.push(mean(numbers[left + d], numbers[right + d]));
                    }
                }
                (level, blocks) = (next, blocks / 2);
            }
        }
    }

    /// Tells the place of a token.
    fn places(&self) -> impl Fn(usize) -> usize + use<E> {
        let (oldest, places) = (self.oldest, self.first_block);
        move |token| {
            let at = oldest + token;
            if at < places { at } else { at - places }
        }
    }
}

/// Returns the mean of two.
#[inline(always)]
fn mean<E: Element>(left: E, right: E) -> E {
    E::narrow((left.widen() + right.widen()) * E::Wide::splat(0.5))
}

impl<E: Element> Bank<E> {
    /// Makes a bank of `rows` rows of zeros, with room for `blocks` means.
    ///
    /// # Errors
    ///
    /// [`AttentionError::CacheTooLarge`].
    pub fn zeros(
        rows: usize,
        blocks: usize,
        dim: usize,
        width: usize,
        heads_per_part: usize,
    ) -> Result<Self, AttentionError> {
        let mut bank = Self::new();
        bank.shape(rows, dim, width, heads_per_part);
        let all = rows.checked_add(blocks).and_then(|rows| rows.checked_mul(width));
        let all = all.ok_or(AttentionError::CacheTooLarge)?;
        for numbers in [&mut bank.keys, &mut bank.values] {
            numbers.try_reserve_exact(all).map_err(|_| AttentionError::CacheTooLarge)?;
            numbers.resize(rows * width, E::narrow(E::Wide::splat(0.0)));
        }
        bank.clear_sums();
        Ok(bank)
    }

    /// Returns the bytes of memory that it holds.
    pub fn memory_bytes(&self) -> usize {
        let sums: usize = self.sums.iter().map(Vec::capacity).sum();
        let rows = self.keys.capacity() + self.values.capacity();
        rows * size_of::<E>() + sums * size_of::<E::Wide>()
    }
}

/// Tells whether a bank as the tensors have it serves best: where the heads of every group of lanes
/// read one key head, so that a number read once serves all four, and where lanes are no register.
#[inline(always)]
pub(super) fn is_plain(q_heads: usize, kv_heads: usize) -> bool {
    !IS_VECTOR || is_shared(q_heads, kv_heads)
}

/// Tells whether the heads of every group of lanes read one key head.
pub(super) fn is_shared(q_heads: usize, kv_heads: usize) -> bool {
    kv_heads == 1 || (q_heads / kv_heads).is_multiple_of(LANES)
}

/// Returns the elements of a row of `Bank<F32x4>`, if they can be counted.
pub(super) fn lanes_width(q_heads: usize, dim: usize) -> Option<usize> {
    q_heads.div_ceil(LANES).checked_mul(dim)
}

impl Bank<f32> {
    /// Holds a copy of checked input from now on, with room for `blocks` means.
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
                    interleave::<1>(token, dim, heads, 0, row.as_chunks_mut().0);
                }
            }
        }
    }
}

/// Returns the heads in the lanes of `group`; lanes beyond the last head repeat it.
#[inline(always)]
pub(super) fn heads_of(group: usize, heads: usize) -> [usize; LANES] {
    [0, 1, 2, 3].map(|lane| (group * LANES + lane).min(heads - 1))
}

/// Puts the `dim` numbers of four heads of `token`, `[heads * dim]`, into lanes: row `at` of `Q`.
#[inline(never)]
pub(super) fn interleave<const Q: usize>(
    token: &[f32],
    dim: usize,
    heads: [usize; LANES],
    at: usize,
    to: &mut [[F32x4; Q]],
) {
    let [a, b, c, d] = heads.map(|head| &token[head * dim..][..dim]);
    let (to, to_rest) = to[..dim].as_chunks_mut::<LANES>();
    let [(a, a_rest), (b, b_rest), (c, c_rest), (d, d_rest)] =
        [a, b, c, d].map(<[f32]>::as_chunks::<LANES>);
    for ((to, (a, b)), (c, d)) in to.iter_mut().zip(a.iter().zip(b)).zip(c.iter().zip(d)) {
        let lanes = F32x4::transpose([*a, *b, *c, *d].map(F32x4::from_array));
        for (to, lanes) in to.iter_mut().zip(lanes) {
            to[at] = lanes;
        }
    }
    let rest = a_rest.iter().zip(b_rest).zip(c_rest.iter().zip(d_rest));
    for (to, ((a, b), (c, d))) in to_rest.iter_mut().zip(rest) {
        to[at] = F32x4::from_array([*a, *b, *c, *d]);
    }
}

/// Undoes [`interleave`] for row `at` of `Q`, times `scale`: puts lanes where their heads belong in
/// `token`, the first lane being head `first`, and adds what it puts to `faults`. Lanes beyond the
/// last head are dropped.
#[inline(never)]
pub(super) fn deinterleave<const Q: usize>(
    from: &[[F32x4; Q]],
    dim: usize,
    at: usize,
    scale: F32x4,
    first: usize,
    token: &mut [f32],
    faults: &mut F32x4,
) {
    let from = &from[..dim];
    let token = &mut token[first * dim..];
    if !IS_VECTOR {
        // One lane after the other: four at a time would go through the stack.
        for (lane, head) in token.chunks_exact_mut(dim).take(LANES).enumerate() {
            let (scale, mut sum) = (scale.get(lane), faults.get(lane));
            for (to, from) in head.iter_mut().zip(from) {
                *to = from[at].get(lane) * scale;
                sum += *to;
            }
            faults.set_lane(lane, sum);
        }
        return;
    }
    let mut sum = *faults;
    let mut done = 0;
    if let Some(token) = token.get_mut(..LANES * dim) {
        let (a, rest) = token.split_at_mut(dim);
        let (b, rest) = rest.split_at_mut(dim);
        let (c, d) = rest.split_at_mut(dim);
        let (from, _) = from.as_chunks::<LANES>();
        done = from.len() * LANES;
        let [a, b, c, d] = [a, b, c, d].map(|head| head.as_chunks_mut::<LANES>().0);
        let heads = a.iter_mut().zip(b).zip(c.iter_mut().zip(d));
        for (from, ((a, b), (c, d))) in from.iter().zip(heads) {
            let lanes = from.map(|from| from[at] * scale);
            sum = sum + ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3]));
            for (to, lanes) in [a, b, c, d].into_iter().zip(F32x4::transpose(lanes)) {
                lanes.store(to);
            }
        }
    }
    for d in done..dim {
        let lanes = from[d][at] * scale;
        sum = sum + lanes;
        for (head, number) in token.chunks_exact_mut(dim).zip(lanes.to_array()) {
            head[d] = number;
        }
    }
    *faults = sum;
}
