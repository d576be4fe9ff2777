//! The one tensor of the kernels: `[seq, heads, dim]`, row-major `f32`.
//!
//! A row is the `dim` numbers of one token and one head; the rows of a token lie side by side, so
//! a token's `heads * dim` numbers are contiguous. It does no arithmetic and no broadcasting.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

/// Numbers of shape `[seq, heads, dim]`, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor3 {
    data: Vec<f32>,
    seq: usize,
    heads: usize,
    dim: usize,
}

impl Tensor3 {
    /// Makes a tensor of zeros.
    ///
    /// # Panics
    ///
    /// When `seq * heads * dim` overflows `usize` or memory does. Shapes from outside go through
    /// [`Tensor3::from_vec`], which only wraps what the caller already holds.
    pub fn zeros(seq: usize, heads: usize, dim: usize) -> Self {
        let len = checked_len(seq, heads, dim).expect("seq * heads * dim fits usize");
        Self { data: vec![0.0; len], seq, heads, dim }
    }

    /// Wraps `data`, which holds `seq * heads * dim` numbers in row-major order.
    ///
    /// # Errors
    ///
    /// [`ShapeError`] when the length is another one, or the product overflows `usize`.
    pub fn from_vec(
        data: Vec<f32>,
        seq: usize,
        heads: usize,
        dim: usize,
    ) -> Result<Self, ShapeError> {
        if checked_len(seq, heads, dim) != Some(data.len()) {
            return Err(ShapeError { shape: [seq, heads, dim], got: data.len() });
        }
        Ok(Self { data, seq, heads, dim })
    }

    /// Returns the number of tokens.
    pub fn seq(&self) -> usize {
        self.seq
    }

    /// Returns the number of heads.
    pub fn heads(&self) -> usize {
        self.heads
    }

    /// Returns the numbers per token and head.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Returns `[seq, heads, dim]`.
    pub fn shape(&self) -> [usize; 3] {
        [self.seq, self.heads, self.dim]
    }

    /// Returns all numbers, row-major.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// Returns all numbers, row-major, to be written.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// Gives the numbers back, row-major.
    pub fn into_vec(self) -> Vec<f32> {
        self.data
    }

    /// Returns the `dim` numbers of one token and head.
    ///
    /// # Panics
    ///
    /// When `token` or `head` is out of range.
    pub fn row(&self, token: usize, head: usize) -> &[f32] {
        assert!(head < self.heads, "head {head} of {}", self.heads);
        &self.data[(token * self.heads + head) * self.dim..][..self.dim]
    }

    /// Returns the `dim` numbers of one token and head, to be written.
    ///
    /// # Panics
    ///
    /// When `token` or `head` is out of range.
    pub fn row_mut(&mut self, token: usize, head: usize) -> &mut [f32] {
        assert!(head < self.heads, "head {head} of {}", self.heads);
        &mut self.data[(token * self.heads + head) * self.dim..][..self.dim]
    }
}

fn checked_len(seq: usize, heads: usize, dim: usize) -> Option<usize> {
    seq.checked_mul(heads)?.checked_mul(dim)
}

/// The numbers given do not fill the shape asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShapeError {
    /// The shape asked for, `[seq, heads, dim]`.
    pub shape: [usize; 3],
    /// How many numbers there were.
    pub got: usize,
}

impl ShapeError {
    /// Returns the stable code that the page and the docs match on.
    pub const fn code(&self) -> &'static str {
        "tensor/shape"
    }
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [seq, heads, dim] = self.shape;
        write!(f, "{} numbers do not fill a tensor of shape [{seq}, {heads}, {dim}]", self.got)
    }
}

impl core::error::Error for ShapeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_where_the_layout_says() {
        let numbers: Vec<f32> = (0..24).map(|n| n as f32).collect();
        let mut tensor = Tensor3::from_vec(numbers, 2, 3, 4).unwrap();
        assert_eq!(tensor.row(1, 2), [20.0, 21.0, 22.0, 23.0]);
        tensor.row_mut(0, 1)[3] = -1.0;
        assert_eq!(tensor.data()[7], -1.0);
    }

    #[test]
    fn a_wrong_length_is_refused() {
        let error = Tensor3::from_vec(vec![0.0; 23], 2, 3, 4).unwrap_err();
        assert_eq!(error, ShapeError { shape: [2, 3, 4], got: 23 });
        assert!(Tensor3::from_vec(vec![], usize::MAX, 2, 2).is_err());
        assert!(Tensor3::from_vec(vec![], 0, 4, 8).is_ok());
    }
}
