//! The rows of a stream, in the bank that its heads and its storage call for.

use super::super::bank::{self, Bank, Element};
use super::super::lanes::F32x4;
use super::super::plan::Plan;
use super::super::tile::Scratch;
use super::super::{AttentionError, kernel};
use super::StreamShape;
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
    LanesHalf(Bank<u64>),
}

/// Does the same to whichever bank there is.
macro_rules! with_bank {
    ($rows:expr, $bank:ident => $does:expr) => {
        match $rows {
            Rows::One($bank) => $does,
            Rows::Lanes($bank) => $does,
            Rows::OneHalf($bank) => $does,
            Rows::LanesHalf($bank) => $does,
        }
    };
}

impl Store {
    /// Takes memory for `rows` rows.
    pub fn new(shape: &StreamShape<'_>, rows: usize) -> Result<Self, AttentionError> {
        let StreamShape { q_heads, kv_heads, dim, storage, .. } = *shape;
        let rows = match (bank::is_shared(q_heads, kv_heads), storage) {
            (true, Storage::F32) => Rows::One(one(shape, rows)?),
            (true, Storage::F16) => Rows::OneHalf(one(shape, rows)?),
            (false, Storage::F32) => Rows::Lanes(in_lanes(shape, rows)?),
            (false, Storage::F16) => Rows::LanesHalf(in_lanes(shape, rows)?),
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

    /// Computes the row of a plan.
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
fn one<E: Element>(shape: &StreamShape<'_>, rows: usize) -> Result<Bank<E>, AttentionError> {
    let width = shape.kv_heads.checked_mul(shape.dim);
    zeros(rows, shape.dim, width, shape.q_heads / shape.kv_heads)
}

/// Makes a bank with the query heads in lanes.
fn in_lanes<E: Element>(shape: &StreamShape<'_>, rows: usize) -> Result<Bank<E>, AttentionError> {
    zeros(rows, shape.dim, bank::lanes_width(shape.q_heads, shape.dim), bank::LANES)
}

fn zeros<E: Element>(
    rows: usize,
    dim: usize,
    width: Option<usize>,
    heads_per_part: usize,
) -> Result<Bank<E>, AttentionError> {
    let width = width.ok_or(AttentionError::CacheTooLarge)?;
    Bank::zeros(rows, 0, dim, width, heads_per_part)
}
