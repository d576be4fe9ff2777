//! Attention: dense, sparse, over a pyramid, over like keys, by the upstream crate, step by step.
//!
//! ```text
//! pattern, pyramid ─> plan ─┐
//!              lanes ─> bank ┴┬─> tile ─> kernel ─┬─> dense, sparse, pyramid   whole windows
//!                             │                   ├─> stream   one token at a time, endless
//!                             │                   └─> rows     the newest rows of a moving window
//!                             └─> row ──────────────> map      weights instead of outputs
//! salient            groups of like keys, over the same kernel: one code for windows and streams
//! upstream           the registry crate, as another way to the same numbers
//! select             which of these a caller takes
//! ```
//!
//! The order of every sum is written down in `row`; `tile` and its `blend` keep it for four heads and two rows at
//! once. So a push into a stream equals the last row of a forward pass bit for bit, and a map shows the
//! weights that the output was made with.
//!
//! Shapes: q `[seq, q_heads, dim]`; k and v `[seq, kv_heads, dim]`; `kv_heads` divides `q_heads`
//! and query head `h` reads key head `h / (q_heads / kv_heads)` (MHA, GQA and MQA in one). Any
//! `dim >= 1`. An empty sequence gives an empty output.
//!
//! It does not project, mask padding, drop out or train.

mod bank;
mod blend;
pub mod dense;
mod error;
mod kernel;
mod lanes;
pub mod map;
pub mod pattern;
mod plan;
pub mod pyramid;
mod row;
mod rows;
pub mod salient;
mod select;
pub mod sparse;
mod store;
pub mod stream;
mod tile;
pub mod upstream;

pub use error::{AttentionError, Operand};
pub use kernel::Workspace;
pub use pattern::{Edge, EdgeKind, SparsePattern};
pub(crate) use plan::Over;
pub use pyramid::Pyramid;
pub(crate) use rows::{KvRows, Places};
pub use salient::Salient;
pub use select::{AttentionPath, BackendKind, forward, select_path};
pub use stream::{PyramidStream, Stream, StreamShape};

use crate::half::{self, Storage};
use crate::tensor::Tensor3;

/// The inputs of attention, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Qkv<'a> {
    /// Queries, `[seq, q_heads, dim]`.
    pub q: &'a Tensor3,
    /// Keys, `[seq, kv_heads, dim]`.
    pub k: &'a Tensor3,
    /// Values, `[seq, kv_heads, dim]`.
    pub v: &'a Tensor3,
    /// Recency slopes, one per query head and `>= 0`, or none: a score gets
    /// `- slope * |row - j|`, where `j` is the token, or the mean position of a block's tokens.
    pub slopes: &'a [f32],
}

/// How much a block mean weighs against a single token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weighting {
    /// As one token, as upstream does.
    #[default]
    Plain,
    /// As the tokens it stands for: its score gets `+ ln(tokens)`.
    LnCount,
}

impl Qkv<'_> {
    /// Checks shapes, slopes and that every number is finite.
    ///
    /// # Errors
    ///
    /// In this order: [`AttentionError::Shape`], [`ZeroDim`](AttentionError::ZeroDim),
    /// [`HeadRatio`](AttentionError::HeadRatio), [`CacheTooLarge`](AttentionError::CacheTooLarge)
    /// for a row that no memory holds, [`SlopeCount`](AttentionError::SlopeCount),
    /// [`BadSlope`](AttentionError::BadSlope), [`NotFinite`](AttentionError::NotFinite) for the
    /// first bad row of q, else of k, else of v.
    pub fn validate(&self) -> Result<(), AttentionError> {
        self.validate_shape()?;
        self.validate_numbers()
    }

    /// As [`Qkv::validate`], but for the numbers of q, k and v.
    pub(crate) fn validate_shape(&self) -> Result<(), AttentionError> {
        let [q, k, v] = [self.q, self.k, self.v].map(Tensor3::shape);
        if k != v || q[0] != k[0] || q[2] != k[2] {
            return Err(AttentionError::Shape { q, k, v });
        }
        check_heads(q[1], k[1], q[2])?;
        check_slopes(self.slopes, q[1])
    }

    /// Checks that every number of q, k and v is finite.
    pub(crate) fn validate_numbers(&self) -> Result<(), AttentionError> {
        for (which, tensor) in [(Operand::Q, self.q), (Operand::K, self.k), (Operand::V, self.v)] {
            check_finite(which, tensor.data(), tensor.heads(), tensor.dim(), 0)?;
        }
        Ok(())
    }

    /// Returns how many query heads share one key head.
    pub(crate) fn group(&self) -> usize {
        self.q.heads() / self.k.heads()
    }
}

/// The most numbers in a token's row: two of them can be counted, in bytes of four lanes.
const MAX_ROW: usize = isize::MAX as usize / 32;

fn check_heads(q_heads: usize, kv_heads: usize, dim: usize) -> Result<(), AttentionError> {
    if q_heads == 0 || kv_heads == 0 || dim == 0 {
        return Err(AttentionError::ZeroDim);
    }
    if !q_heads.is_multiple_of(kv_heads) {
        return Err(AttentionError::HeadRatio { q_heads, kv_heads });
    }
    // A sequence of no tokens may claim any row.
    match q_heads.checked_mul(dim) {
        Some(width) if width <= MAX_ROW => Ok(()),
        _ => Err(AttentionError::CacheTooLarge),
    }
}

fn check_row(which: Operand, row: &[f32], expected: usize) -> Result<(), AttentionError> {
    if row.len() == expected {
        Ok(())
    } else {
        Err(AttentionError::RowLength { which, expected, got: row.len() })
    }
}

pub(crate) fn check_slopes(slopes: &[f32], q_heads: usize) -> Result<(), AttentionError> {
    if !slopes.is_empty() && slopes.len() != q_heads {
        return Err(AttentionError::SlopeCount { expected: q_heads, got: slopes.len() });
    }
    match slopes.iter().position(|slope| !(slope.is_finite() && *slope >= 0.0)) {
        Some(head) => Err(AttentionError::BadSlope { head }),
        None => Ok(()),
    }
}

/// Checks rows of `dim` numbers, `heads` per token, the first token being number `first_token`.
fn check_finite(
    which: Operand,
    numbers: &[f32],
    heads: usize,
    dim: usize,
    first_token: usize,
) -> Result<(), AttentionError> {
    if all_finite(numbers) {
        return Ok(());
    }
    match numbers.iter().position(|number| !number.is_finite()) {
        None => Ok(()),
        Some(at) => {
            let row = at / dim;
            let (token, head) = (first_token + row / heads, row % heads);
            Err(AttentionError::NotFinite { which, token, head })
        }
    }
}

/// Rounds the numbers of token `token`, `[heads * dim]`, to what `storage` can keep.
///
/// A NaN or an infinity stays one.
///
/// # Errors
///
/// [`AttentionError::BeyondF16`] for a finite number that would become infinite.
pub(crate) fn round_to(
    storage: Storage,
    which: Operand,
    token: usize,
    numbers: &mut [f32],
    dim: usize,
) -> Result<(), AttentionError> {
    if storage == Storage::F32 {
        return Ok(());
    }
    for (at, number) in numbers.iter_mut().enumerate() {
        if number.is_finite() && number.abs() >= half::LIMIT {
            return Err(AttentionError::BeyondF16 { which, token, head: at / dim });
        }
        *number = half::f16_to_f32(half::f32_to_f16(*number));
    }
    Ok(())
}

/// Looks at all of them, without a way out of the loop, so that it runs four at a time.
#[allow(clippy::eq_op, reason = "x - x is +0 for finite numbers and NaN for others")]
fn all_finite(numbers: &[f32]) -> bool {
    let fault = |number: &f32| (number - number).to_bits();
    let (fours, rest) = numbers.as_chunks::<4>();
    let faults = fours
        .iter()
        .fold(0, |faults, [a, b, c, d]| faults | (fault(a) | fault(b)) | (fault(c) | fault(d)));
    rest.iter().fold(faults, |faults, number| faults | fault(number)) == 0
}
