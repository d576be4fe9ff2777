//! The contrastive objective: two views of a window are to be alike, and unlike all others.
//!
//! ```text
//! z = x / |x|                      s[i][j] = z[i] . z[j] / temperature
//! info_nce   = mean over i of ln(sum over j != i of exp s[i][j]) - s[i][partner of i]
//! variance   = mean over d of max(0, 1 - std of x[.][d])
//! covariance = sum over a != b of cov(x[.][a], x[.][b])^2 / dim
//! ```
//!
//! The last two keep embeddings from falling together; they read embeddings as they are, and their
//! sums are divided by one less than the rows. Sources: van den Oord, Li and Vinyals 2018,
//! arXiv:1807.03748 (InfoNCE); Bardes, Ponce and LeCun 2022, arXiv:2105.04906 (VICReg).
//! `train_contrast.rs` holds value and gradient against the definition in f64.

use csi_temporal::math::exp;

/// Keeps a dimension without spread from an endless gradient.
const EPSILON: f32 = 1e-4;

/// How much each term weighs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contrast {
    /// What similarities are divided by.
    pub temperature: f32,
    /// Weight of InfoNCE.
    pub info_nce: f32,
    /// Weight of the variance term.
    pub variance: f32,
    /// Weight of the covariance term.
    pub covariance: f32,
}

impl Default for Contrast {
    fn default() -> Self {
        Self { temperature: 0.1, info_nce: 1.0, variance: 1.0, covariance: 0.04 }
    }
}

/// The terms, not weighted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Terms {
    /// InfoNCE.
    pub info_nce: f32,
    /// The variance term.
    pub variance: f32,
    /// The covariance term.
    pub covariance: f32,
}

impl Contrast {
    /// Returns the weighted sum of the terms.
    pub fn total(&self, terms: &Terms) -> f32 {
        self.info_nce * terms.info_nce
            + self.variance * terms.variance
            + self.covariance * terms.covariance
    }

    /// Computes the terms of embeddings, `[2 * pairs][dim]`, where row `i` and row `pairs + i` are
    /// views of the same window, and adds the gradient of their weighted sum to `grad`, of the same
    /// shape. Fewer than two pairs say nothing.
    pub fn terms(&self, x: &[f32], dim: usize, grad: &mut [f32]) -> Terms {
        let rows = x.len() / dim.max(1);
        if rows < 4 {
            return Terms::default();
        }
        let info_nce = self.info_nce(x, dim, grad);
        let (variance, covariance) = self.spread(x, dim, grad);
        Terms { info_nce, variance, covariance }
    }

    fn info_nce(&self, x: &[f32], dim: usize, grad: &mut [f32]) -> f32 {
        let rows = x.len() / dim;
        let lengths: Vec<f32> =
            x.chunks_exact(dim).map(|x| libm::sqrtf(dot(x, x)).max(1e-12)).collect();
        let scaled = x.chunks_exact(dim).zip(&lengths);
        let z: Vec<f32> =
            scaled.flat_map(|(x, length)| x.iter().map(move |x| x / length)).collect();
        let row = |at: usize| &z[at * dim..][..dim];
        let mut dz = vec![0.0; z.len()];
        let (mut loss, share) = (0.0, 1.0 / rows as f32);
        let mut scores = vec![0.0; rows];
        for i in 0..rows {
            let partner = (i + rows / 2) % rows;
            for (j, score) in scores.iter_mut().enumerate() {
                *score = dot(row(i), row(j)) / self.temperature;
            }
            let others = || (0..rows).filter(|j| *j != i);
            let max = others().fold(f32::NEG_INFINITY, |max, j| max.max(scores[j]));
            let sum: f32 = others().map(|j| exp(scores[j] - max)).sum();
            loss += share * (max + libm::logf(sum) - scores[partner]);
            for j in others() {
                let target = if j == partner { 1.0 } else { 0.0 };
                let pull = share * (exp(scores[j] - max) / sum - target) / self.temperature;
                for d in 0..dim {
                    dz[i * dim + d] += pull * z[j * dim + d];
                    dz[j * dim + d] += pull * z[i * dim + d];
                }
            }
        }
        for (i, length) in lengths.iter().enumerate() {
            let dz = &dz[i * dim..][..dim];
            let along = dot(row(i), dz);
            for (d, grad) in grad[i * dim..][..dim].iter_mut().enumerate() {
                *grad += self.info_nce * (dz[d] - row(i)[d] * along) / length;
            }
        }
        loss
    }

    fn spread(&self, x: &[f32], dim: usize, grad: &mut [f32]) -> (f32, f32) {
        let rows = x.len() / dim;
        let (mut off, free) = (x.to_vec(), (rows - 1) as f32);
        for d in 0..dim {
            let column = || x.iter().skip(d).step_by(dim);
            let mean = column().sum::<f32>() / rows as f32;
            off.iter_mut().skip(d).step_by(dim).for_each(|number| *number -= mean);
        }
        let mut covariances = vec![0.0; dim * dim];
        for row in off.chunks_exact(dim) {
            for (of_row, a) in covariances.chunks_exact_mut(dim).zip(row) {
                of_row.iter_mut().zip(row).for_each(|(sum, b)| *sum += a * b / free);
            }
        }
        let (mut variance, mut covariance) = (0.0, 0.0);
        // The gradient of both is a matrix that the centred rows are multiplied with.
        let mut matrix = covariances;
        for a in 0..dim {
            for b in 0..dim {
                let number = &mut matrix[a * dim + b];
                if a != b {
                    covariance += *number * *number / dim as f32;
                    *number *= self.covariance * 4.0 / (dim as f32 * free);
                    continue;
                }
                let deviation = libm::sqrtf(*number + EPSILON);
                variance += (1.0 - deviation).max(0.0) / dim as f32;
                let pulls = deviation < 1.0;
                *number =
                    if pulls { -self.variance / (dim as f32 * free * deviation) } else { 0.0 };
            }
        }
        for (row, grad) in off.chunks_exact(dim).zip(grad.chunks_exact_mut(dim)) {
            for (of_row, x) in matrix.chunks_exact(dim).zip(row) {
                grad.iter_mut().zip(of_row).for_each(|(grad, m)| *grad += x * m);
            }
        }
        (variance, covariance)
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b)
}
