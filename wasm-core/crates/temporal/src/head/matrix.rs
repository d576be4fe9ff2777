//! A weight matrix, kept so that several sums run side by side in registers.

use alloc::vec::Vec;

/// Outputs whose sums run side by side: eight sums, a weight and an input fit 16 registers.
const BLOCK: usize = 8;

/// The same for what is left of the outputs after blocks of eight.
const HALF: usize = BLOCK / 2;

/// A weight matrix `[in][out]`: for each eight outputs the weights of every input, `[in][8]`, one
/// after the other; of what is left, four outputs the same way, then one by one.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    numbers: Vec<f32>,
    cols: usize,
}

impl Matrix {
    /// Takes `rows * cols` numbers, row-major `[in][out]`.
    pub fn new(numbers: &[f32], rows: usize, cols: usize) -> Self {
        debug_assert_eq!(numbers.len(), rows * cols);
        let mut blocks = Vec::with_capacity(numbers.len());
        let mut col = 0;
        while col < cols {
            let width = block_width(cols - col);
            blocks.extend(numbers.chunks_exact(cols).flat_map(|row| &row[col..col + width]));
            col += width;
        }
        Self { numbers: blocks, cols }
    }

    /// Returns the numbers in a row.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Writes `x W` into `out`: `0 + x[0] * W[0][o] + x[1] * W[1][o] + ...`, left to right.
    pub fn apply(&self, x: &[f32], out: &mut [f32]) {
        let (blocks, out) = out.as_chunks_mut::<BLOCK>();
        let (halves, ones) = out.as_chunks_mut::<HALF>();
        let (weights, rest) = self.numbers.split_at(blocks.as_flattened().len() * x.len());
        let (weights_of_halves, rest) = rest.split_at(halves.as_flattened().len() * x.len());
        for (out, weights) in blocks.iter_mut().zip(weights.chunks_exact(BLOCK * x.len())) {
            *out = columns(x, weights);
        }
        for (out, weights) in halves.iter_mut().zip(weights_of_halves.chunks_exact(HALF * x.len()))
        {
            *out = columns(x, weights);
        }
        for (out, weights) in ones.iter_mut().zip(rest.chunks_exact(x.len())) {
            [*out] = columns(x, weights);
        }
    }

    /// Writes `x W` into `out`, which becomes as long as it has to be.
    pub fn apply_into(&self, x: &[f32], out: &mut Vec<f32>) {
        out.resize(self.cols, 0.0);
        self.apply(x, out);
    }
}

fn block_width(cols: usize) -> usize {
    match cols {
        BLOCK.. => BLOCK,
        HALF.. => HALF,
        _ => 1,
    }
}

/// Sums `C` outputs side by side. `weights` is `[in][C]`. Four inputs at a time cost a fifth less
/// than one at a time where the loop's own instructions count.
#[inline(always)]
fn columns<const C: usize>(x: &[f32], weights: &[f32]) -> [f32; C] {
    let mut sums = [0.0; C];
    let mut add = |x: f32, weights: &[f32; C]| {
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum += x * weight;
        }
    };
    let (weights, _) = weights.as_chunks::<C>();
    let (fours, last) = x.as_chunks::<4>();
    let (weights_of_fours, weights_of_last) = weights.as_chunks::<4>();
    for (four, weights) in fours.iter().zip(weights_of_fours) {
        for (x, weights) in four.iter().zip(weights) {
            add(*x, weights);
        }
    }
    for (x, weights) in last.iter().zip(weights_of_last) {
        add(*x, weights);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// Every width around a block: the blocks change where a weight lies, not a bit of a sum.
    #[test]
    fn blocks_change_no_bit() {
        let mut state = 7_u32;
        let mut number = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        for rows in [1, 2, 7, 60] {
            for cols in 1..=35 {
                let numbers: Vec<f32> = (0..rows * cols).map(|_| number()).collect();
                let x: Vec<f32> = (0..rows).map(|_| number()).collect();
                let mut out = vec![f32::NAN; cols];
                Matrix::new(&numbers, rows, cols).apply(&x, &mut out);
                for (col, out) in out.into_iter().enumerate() {
                    let mut sum = 0.0_f32;
                    for row in 0..rows {
                        sum += x[row] * numbers[row * cols + col];
                    }
                    assert_eq!(out.to_bits(), sum.to_bits(), "{rows} x {cols}, column {col}");
                }
            }
        }
    }
}
