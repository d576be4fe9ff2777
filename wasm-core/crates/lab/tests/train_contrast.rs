//! The contrastive objective is its definition, and its gradient that of the definition.

use csi_lab::train::{Contrast, Random, Terms};

const PAIRS: usize = 5;
const DIM: usize = 4;

/// The definition in f64, term by term.
fn defined(x: &[f64], of: &Contrast) -> [f64; 3] {
    let rows = 2 * PAIRS;
    let row = |at: usize| &x[at * DIM..][..DIM];
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let cosine = |i, j| dot(row(i), row(j)) / (dot(row(i), row(i)) * dot(row(j), row(j))).sqrt();
    let score = |i, j| cosine(i, j) / f64::from(of.temperature);
    let info_nce = (0..rows).map(|i| {
        let sum: f64 = (0..rows).filter(|j| *j != i).map(|j| score(i, j).exp()).sum();
        sum.ln() - score(i, (i + PAIRS) % rows)
    });
    let mean = |d: usize| (0..rows).map(|i| row(i)[d]).sum::<f64>() / rows as f64;
    let covariance = |a: usize, b: usize| {
        let products = (0..rows).map(|i| (row(i)[a] - mean(a)) * (row(i)[b] - mean(b)));
        products.sum::<f64>() / (rows - 1) as f64
    };
    let variance = (0..DIM).map(|d| (1.0 - (covariance(d, d) + 1e-4).sqrt()).max(0.0));
    let mut squares = 0.0;
    for a in 0..DIM {
        squares += (0..DIM).filter(|b| *b != a).map(|b| covariance(a, b).powi(2)).sum::<f64>();
    }
    [info_nce.sum::<f64>() / rows as f64, variance.sum::<f64>() / DIM as f64, squares / DIM as f64]
}

#[test]
fn terms_and_gradients_are_those_of_the_definition() {
    for (seed, size) in [(1, 0.3), (2, 1.0), (3, 2.5)] {
        let mut random = Random::new(seed);
        let x: Vec<f32> = (0..2 * PAIRS * DIM).map(|_| size * random.normal()).collect();
        let of = Contrast { temperature: 0.3, info_nce: 1.5, variance: 0.7, covariance: 0.2 };
        let total = |x: &[f64]| {
            let [info_nce, variance, covariance] = defined(x, &of);
            1.5 * info_nce + 0.7 * variance + 0.2 * covariance
        };
        let mut wide: Vec<f64> = x.iter().map(|number| f64::from(*number)).collect();
        let mut grad = vec![0.0; x.len()];
        let terms = of.terms(&x, DIM, &mut grad);
        let expected = defined(&wide, &of);
        for (got, expected) in
            [terms.info_nce, terms.variance, terms.covariance].iter().zip(expected)
        {
            assert!(
                (f64::from(*got) - expected).abs() < 1e-5 * expected.abs().max(1.0),
                "{terms:?}"
            );
        }
        assert!((f64::from(of.total(&terms)) - total(&wide)).abs() < 1e-4);
        for at in 0..x.len() {
            let mut moved = |by: f64| {
                wide[at] = f64::from(x[at]) + by;
                let value = total(&wide);
                wide[at] = f64::from(x[at]);
                value
            };
            let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            let off = (f64::from(grad[at]) - expected).abs();
            assert!(off < 2e-4 * expected.abs().max(0.1), "{at}: {} for {expected}", grad[at]);
        }
    }
}

#[test]
fn a_single_pair_says_nothing() {
    let mut grad = [0.0; 2 * DIM];
    assert_eq!(Contrast::default().terms(&[1.0; 2 * DIM], DIM, &mut grad), Terms::default());
    assert_eq!(grad, [0.0; 2 * DIM]);
}
