//! What a head has to beat: the largest class, and random convolutions with ridge regression.
//!
//! The convolutions are those of MiniRocket in small: nine taps of -1 and 2 that sum to 0, a random
//! dilation, a few random bands, and as features the share of positions above a threshold and the
//! largest value. Classes are told apart by ridge regression on targets of -1 and 1, its strength
//! chosen by leaving training windows out one by one. It reads the bands of a window without their
//! differences. Source: Dempster, Schmidt and Webb 2021, arXiv:2012.08791.

use csi_temporal::rvne::Normalisation;

use super::evaluate::Scores;
use super::trainer::normalisation;
use crate::dataset::Windows;
use crate::random::Random;

const KERNELS: usize = 400;
const TAPS: usize = 9;
/// The most bands that a kernel reads.
const MOST_BANDS: usize = 6;
/// Windows that the strength of the ridge is chosen by.
const LEFT_OUT: usize = 400;
/// Strengths that are tried.
const STRENGTHS: [f64; 5] = [1.0, 10.0, 100.0, 1e3, 1e4];

/// Scores always saying the class that has the most training windows.
pub fn majority(train: &Windows, test: &Windows) -> Scores {
    let counts: Vec<f32> = train.counts().into_iter().map(|count| count as f32).collect();
    Scores::new(test, &vec![super::evaluate::largest(&counts); test.cuts.len()])
}

/// Random convolutions and a ridge, fitted to training windows.
#[derive(Clone, Debug)]
pub struct Convolutions {
    kernels: Vec<Kernel>,
    normalisation: Normalisation,
    /// Mean and inverse standard deviation of every feature.
    scale: Vec<(f64, f64)>,
    /// `[classes][features]`, and what is added.
    weights: Vec<(Vec<f64>, f64)>,
}

#[derive(Clone, Debug)]
struct Kernel {
    taps: [f32; TAPS],
    dilation: usize,
    bands: Vec<usize>,
    threshold: f32,
}

impl Convolutions {
    /// Fits to training windows, of which there is at least one. `None` if the equations cannot be
    /// solved.
    pub fn fit(train: &Windows, seed: u64) -> Option<Self> {
        let first = train.cuts.first()?;
        let bands = train.tapes[first.tape].config.base_dim();
        let mut random = Random::new(seed);
        let mut fitted = Self {
            kernels: Vec::new(),
            normalisation: normalisation(train),
            scale: Vec::new(),
            weights: Vec::new(),
        };
        let (mut window, mut sums) = (Vec::new(), Vec::new());
        for _ in 0..KERNELS {
            let mut kernel = Kernel::draw(train.spec.len, bands, &mut random);
            // A threshold that some window reaches.
            fitted.read(train, random.below(train.cuts.len()), &mut window);
            kernel.convolve(&window, train.dim(), &mut sums);
            kernel.threshold = sums[random.below(sums.len())];
            fitted.kernels.push(kernel);
        }
        let mut rows: Vec<Vec<f64>> =
            (0..train.cuts.len()).map(|cut| fitted.features(train, cut)).collect();
        fitted.scale = standardise(&mut rows);
        let classes: Vec<usize> = train.cuts.iter().map(|cut| cut.class).collect();
        fitted.weights = ridge(&rows, &classes, train.classes.len())?;
        Some(fitted)
    }

    /// Scores it on windows of the same pipeline and classes.
    pub fn score(&self, windows: &Windows) -> Scores {
        let of = |cut| {
            let mut row = self.features(windows, cut);
            for (number, (mean, inverse)) in row.iter_mut().zip(&self.scale) {
                *number = (*number - mean) * inverse;
            }
            let scores: Vec<f32> = self
                .weights
                .iter()
                .map(|(weights, bias)| (dot(weights, &row) + bias) as f32)
                .collect();
            super::evaluate::largest(&scores)
        };
        Scores::new(windows, &(0..windows.cuts.len()).map(of).collect::<Vec<usize>>())
    }

    fn read(&self, windows: &Windows, cut: usize, window: &mut Vec<f32>) {
        windows.read(&windows.cuts[cut], window);
        for row in window.chunks_exact_mut(windows.dim()) {
            let scale = self.normalisation.mean.iter().zip(&self.normalisation.inv_std);
            for (number, (mean, inv_std)) in row.iter_mut().zip(scale) {
                *number = (*number - mean) * inv_std;
            }
        }
    }

    fn features(&self, windows: &Windows, cut: usize) -> Vec<f64> {
        let (mut window, mut sums) = (Vec::new(), Vec::new());
        self.read(windows, cut, &mut window);
        let mut features = Vec::with_capacity(2 * KERNELS);
        for kernel in &self.kernels {
            kernel.convolve(&window, windows.dim(), &mut sums);
            let above = sums.iter().filter(|sum| **sum > kernel.threshold).count();
            features.push(above as f64 / sums.len() as f64);
            features.push(f64::from(sums.iter().copied().fold(f32::NEG_INFINITY, f32::max)));
        }
        features
    }
}

impl Kernel {
    fn draw(len: usize, bands: usize, random: &mut Random) -> Self {
        let mut taps = [-1.0; TAPS];
        let mut places: Vec<usize> = (0..TAPS).collect();
        random.shuffle(&mut places);
        places[..3].iter().for_each(|place| taps[*place] = 2.0);
        let mut powers = 1;
        while (TAPS - 1) << powers < len {
            powers += 1;
        }
        let mut all: Vec<usize> = (0..bands).collect();
        random.shuffle(&mut all);
        all.truncate(1 + random.below(MOST_BANDS));
        Self { taps, dilation: 1 << random.below(powers), bands: all, threshold: 0.0 }
    }

    /// Fills `sums` with the kernel at every row of a window; beyond its ends are zeros.
    fn convolve(&self, window: &[f32], dim: usize, sums: &mut Vec<f32>) {
        let len = window.len() / dim;
        let mut series = vec![0.0; len];
        for (row, number) in window.chunks_exact(dim).zip(&mut series) {
            *number = self.bands.iter().map(|band| row[*band]).sum::<f32>();
        }
        sums.clear();
        sums.extend((0..len).map(|row| {
            let mut sum = 0.0;
            for (tap, weight) in self.taps.iter().enumerate() {
                let at = (row + tap * self.dilation).checked_sub(TAPS / 2 * self.dilation);
                sum += weight * at.and_then(|at| series.get(at)).copied().unwrap_or(0.0);
            }
            sum
        }));
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Gives every column mean 0 and variance 1, and returns how.
fn standardise(rows: &mut [Vec<f64>]) -> Vec<(f64, f64)> {
    let count = rows.len() as f64;
    let width = rows.first().map_or(0, Vec::len);
    let of_column = |column: usize| {
        let mean = rows.iter().map(|row| row[column]).sum::<f64>() / count;
        let square =
            rows.iter().map(|row| (row[column] - mean) * (row[column] - mean)).sum::<f64>();
        let inverse = 1.0 / libm::sqrt(square / count);
        (mean, if inverse.is_finite() { inverse } else { 0.0 })
    };
    let scale: Vec<(f64, f64)> = (0..width).map(of_column).collect();
    for row in rows {
        for (number, (mean, inverse)) in row.iter_mut().zip(&scale) {
            *number = (*number - mean) * inverse;
        }
    }
    scale
}

/// Solves `(X^T X + s I) w = X^T y` for every class, with the strength `s` that tells left-out
/// windows apart best.
fn ridge(rows: &[Vec<f64>], classes: &[usize], count: usize) -> Option<Vec<(Vec<f64>, f64)>> {
    let width = rows.first()?.len();
    let mut gram = vec![0.0; width * width];
    for row in rows {
        for (at, number) in row.iter().enumerate() {
            // Of a symmetric matrix the lower half.
            for (sum, other) in gram[at * width..][..=at].iter_mut().zip(row) {
                *sum += number * other;
            }
        }
    }
    let target = |class: usize, of: usize| if class == of { 1.0 } else { -1.0 };
    let bias = |class: usize| {
        classes.iter().map(|of| target(class, *of)).sum::<f64>() / classes.len() as f64
    };
    let biases: Vec<f64> = (0..count).map(bias).collect();
    let right_side = |class: usize| {
        let mut sums = vec![0.0; width];
        for (row, of) in rows.iter().zip(classes) {
            let target = target(class, *of) - biases[class];
            sums.iter_mut().zip(row).for_each(|(sum, number)| *sum += target * number);
        }
        sums
    };
    let sides: Vec<Vec<f64>> = (0..count).map(right_side).collect();
    let mut best: Option<(usize, Vec<Vec<f64>>)> = None;
    for strength in STRENGTHS {
        let Some(factor) = cholesky(&gram, width, strength) else { continue };
        let weights: Vec<Vec<f64>> = sides.iter().map(|side| solve(&factor, width, side)).collect();
        let every = rows.len().div_ceil(LEFT_OUT);
        let right = (rows.iter().zip(classes).step_by(every))
            .filter(|(row, class)| {
                let halfway = forward(&factor, width, row);
                // What the row weighs in its own prediction, and its share of the mean.
                let own = dot(&halfway, &halfway) + 1.0 / rows.len() as f64;
                let left_out = |of: usize| {
                    let fitted = dot(&weights[of], row) + biases[of];
                    let target = target(of, **class);
                    target - (target - fitted) / (1.0 - own).max(1e-9)
                };
                let said = (0..count).map(left_out).map(|score| score as f32).collect::<Vec<f32>>();
                super::evaluate::largest(&said) == **class
            })
            .count();
        if best.as_ref().is_none_or(|(most, _)| right > *most) {
            best = Some((right, weights));
        }
    }
    Some(best?.1.into_iter().zip(biases).collect())
}

/// The lower factor of `matrix + strength I`; `None` if it is not positive.
fn cholesky(matrix: &[f64], width: usize, strength: f64) -> Option<Vec<f64>> {
    let mut factor = vec![0.0; width * width];
    for row in 0..width {
        for column in 0..=row {
            let (of_row, of_column) = (&factor[row * width..], &factor[column * width..]);
            let sum = dot(&of_row[..column], &of_column[..column]);
            let number = matrix[row * width + column] - sum;
            factor[row * width + column] = if row == column {
                let square = number + strength;
                if square <= 0.0 {
                    return None;
                }
                libm::sqrt(square)
            } else {
                number / factor[column * width + column]
            };
        }
    }
    Some(factor)
}

/// Solves `L x = side`.
fn forward(factor: &[f64], width: usize, side: &[f64]) -> Vec<f64> {
    let mut x: Vec<f64> = Vec::with_capacity(width);
    for (row, side) in side.iter().enumerate() {
        let of_row = &factor[row * width..];
        x.push((side - dot(&of_row[..row], &x)) / of_row[row]);
    }
    x
}

/// Solves `L L^T x = side`.
fn solve(factor: &[f64], width: usize, side: &[f64]) -> Vec<f64> {
    let mut x = forward(factor, width, side);
    for row in (0..width).rev() {
        x[row] /= factor[row * width + row];
        let solved = x[row];
        for (x, number) in x[..row].iter_mut().zip(&factor[row * width..]) {
            *x -= solved * number;
        }
    }
    x
}
