//! Rows that outlive a pass, in the bank that their heads and their storage call for.

use super::bank::{self, Bank, Element};
use super::lanes::{F32x4, IS_VECTOR, LANES};
use super::plan::{Over, Plan};
use super::stream::StreamShape;
use super::tile::Scratch;
use super::{AttentionError, kernel};
use crate::half::Storage;

/// Rows of keys and values, all zero at first.
#[derive(Clone, Debug)]
pub(super) struct Store {
    rows: Rows,
    pub q_heads: usize,
    pub kv_heads: usize,
    pub dim: usize,
}

#[derive(Clone, Debug)]
enum Rows {
    One(Bank<f32>),
    Lanes(Bank<F32x4>),
    OneHalf(Bank<u16>),
    LanesHalf(Bank<[u16; LANES]>),
}

/// Does the same to whichever bank there is: without vector registers one that is plain.
macro_rules! with_bank {
    ($rows:expr, $bank:ident => $does:expr) => {
        match $rows {
            Rows::One($bank) => $does,
            Rows::OneHalf($bank) => $does,
            Rows::Lanes($bank) if IS_VECTOR => $does,
            Rows::LanesHalf($bank) if IS_VECTOR => $does,
            Rows::Lanes(_) | Rows::LanesHalf(_) => unreachable!("see bank::is_plain"),
        }
    };
}

impl Store {
    /// Takes memory for `rows` rows, and room for `blocks` block means of passes over them.
    pub fn new(
        shape: &StreamShape<'_>,
        rows: usize,
        blocks: usize,
    ) -> Result<Self, AttentionError> {
        let StreamShape { q_heads, kv_heads, dim, storage, .. } = *shape;
        let rows = match (bank::is_plain(q_heads, kv_heads), storage) {
            (true, Storage::F32) => Rows::One(one(shape, rows, blocks)?),
            (true, Storage::F16) => Rows::OneHalf(one(shape, rows, blocks)?),
            (false, Storage::F32) => Rows::Lanes(in_lanes(shape, rows, blocks)?),
            (false, Storage::F16) => Rows::LanesHalf(in_lanes(shape, rows, blocks)?),
        };
        Ok(Self { rows, q_heads, kv_heads, dim })
    }

    pub fn is_half(&self) -> bool {
        matches!(self.rows, Rows::OneHalf(_) | Rows::LanesHalf(_))
    }

    /// Returns the bytes that its rows take.
    pub fn memory_bytes(&self) -> usize {
        with_bank!(&self.rows, bank => bank.memory_bytes())
    }

    /// Puts a token into a row.
    pub fn put(&mut self, row: usize, k: &[f32], v: &[f32]) {
        with_bank!(&mut self.rows, bank => bank.write(row, k, v, self.q_heads));
    }

    /// Reads the token of a row back.
    pub fn read(&self, row: usize, k: &mut [f32], v: &mut [f32]) {
        with_bank!(&self.rows, bank => bank.read(row, self.q_heads, k, v));
    }

    /// Starts a block.
    pub fn clear_sums(&mut self) {
        with_bank!(&mut self.rows, bank => bank.clear_sums());
    }

    /// Adds the token in a row to its block.
    pub fn add_to_sums(&mut self, row: usize) {
        with_bank!(&mut self.rows, bank => bank.add_to_sums(row));
    }

    /// Makes a row the mean of the block of `count` tokens.
    pub fn store_mean(&mut self, row: usize, count: usize) {
        with_bank!(&mut self.rows, bank => bank.store_mean(row, count));
    }

    /// Makes a row the mean of two.
    pub fn store_mean_of_two(&mut self, left: usize, right: usize, to: usize) {
        with_bank!(&mut self.rows, bank => bank.store_mean_of_two(left, right, to));
    }

    /// Makes the block means of `tokens` rows, which start at row `oldest` and go on at row 0.
    pub fn push_means(&mut self, over: Over<'_>, oldest: usize, tokens: usize) {
        with_bank!(&mut self.rows, bank => {
            (bank.oldest, bank.tokens) = (oldest, tokens);
            kernel::push_means(bank, over);
        });
    }

    /// Tells how many rows are best planned together.
    pub fn rows_at_once(&self) -> usize {
        with_bank!(&self.rows, bank => kernel::rows_at_once(bank))
    }

    /// Computes the rows of a plan.
    pub fn attend(
        &self,
        plan: &Plan,
        q: &[f32],
        slopes: &[f32],
        scratch: &mut Scratch,
        out: &mut [f32],
    ) -> Result<(), AttentionError> {
        with_bank!(&self.rows, bank => kernel::attend(bank, plan, q, slopes, scratch, out))
    }
}

/// Makes a bank with the key heads side by side.
fn one<E: Element>(
    shape: &StreamShape<'_>,
    rows: usize,
    blocks: usize,
) -> Result<Bank<E>, AttentionError> {
    let width = shape.kv_heads.checked_mul(shape.dim);
    zeros(rows, blocks, shape.dim, width, shape.q_heads / shape.kv_heads)
}

/// Makes a bank with the query heads in lanes.
fn in_lanes<E: Element>(
    shape: &StreamShape<'_>,
    rows: usize,
    blocks: usize,
) -> Result<Bank<E>, AttentionError> {
    zeros(rows, blocks, shape.dim, bank::lanes_width(shape.q_heads, shape.dim), bank::LANES)
}

fn zeros<E: Element>(
    rows: usize,
    blocks: usize,
    dim: usize,
    width: Option<usize>,
    heads_per_part: usize,
) -> Result<Bank<E>, AttentionError> {
    let width = width.ok_or(AttentionError::CacheTooLarge)?;
    Bank::zeros(rows, blocks, dim, width, heads_per_part)
}
