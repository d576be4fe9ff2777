//! What embeddings are measured by. All sums run in f64, in the order of the rows; functions are
//! `libm`'s, so that every target gets the same figures.

use serde::Serialize;

/// Vectors of length 1, which are compared by their dot product.
#[derive(Clone, Debug, PartialEq)]
pub struct Units {
    dim: usize,
    values: Vec<f64>,
}

impl Units {
    /// Divides each row of `[rows][dim]` by its length; a row of zeros stays one.
    pub fn new(rows: &[f32], dim: usize) -> Self {
        let mut values: Vec<f64> = rows.iter().map(|number| f64::from(*number)).collect();
        for row in values.chunks_exact_mut(dim.max(1)) {
            let length = libm::sqrt(row.iter().map(|number| number * number).sum());
            if length > 0.0 {
                row.iter_mut().for_each(|number| *number /= length);
            }
        }
        Self { dim: dim.max(1), values }
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.values.len() / self.dim
    }

    /// Tells whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Returns one of them.
    pub fn row(&self, index: usize) -> &[f64] {
        &self.values[index * self.dim..][..self.dim]
    }

    /// Returns the similarity of `to` with each of them, -1 to 1.
    pub fn similarities(&self, to: &[f64]) -> Vec<f64> {
        self.values.chunks_exact(self.dim).map(|row| dot(row, to)).collect()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The contrastive loss of AETHER and its three terms. Source: ADR-024, section 2.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Contrastive {
    /// InfoNCE over both directions of each pair (NT-Xent).
    pub info_nce: f64,
    /// VICReg: how far below 1 the standard deviation of a number is, on the mean.
    pub variance: f64,
    /// VICReg: squared covariances off the diagonal, over the dimension.
    pub covariance: f64,
    /// `info_nce + 25 * variance + covariance`.
    pub total: f64,
}

/// The temperature of InfoNCE.
pub const TEMPERATURE: f64 = 0.07;
const VARIANCE_WEIGHT: f64 = 25.0;
const EPSILON: f64 = 1e-4;

impl Contrastive {
    /// Measures one batch: row `i` of `a` and of `b` are two views of the same window. All zero for
    /// less than two pairs.
    ///
    /// Variance and covariance are those of all views together, divided by their number less one.
    pub fn of_pairs(a: &Units, b: &Units) -> Self {
        let pairs = a.len().min(b.len());
        if pairs < 2 {
            return Self::default();
        }
        let dim = a.dim;
        let views: Vec<&[f64]> =
            (0..pairs).map(|i| a.row(i)).chain((0..pairs).map(|i| b.row(i))).collect();
        let mut info_nce = 0.0;
        for (i, view) in views.iter().enumerate() {
            let other = (i + pairs) % views.len();
            let scores: Vec<f64> = views.iter().map(|to| dot(view, to) / TEMPERATURE).collect();
            let others = || scores.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, s)| *s);
            let most = others().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = others().map(|score| libm::exp(score - most)).sum();
            info_nce += most + libm::log(sum) - scores[other];
        }
        info_nce /= views.len() as f64;

        let count = views.len() as f64;
        let means: Vec<f64> =
            (0..dim).map(|d| views.iter().map(|view| view[d]).sum::<f64>() / count).collect();
        let (mut variance, mut covariance) = (0.0, 0.0);
        for i in 0..dim {
            for j in 0..dim {
                let products = views.iter().map(|v| (v[i] - means[i]) * (v[j] - means[j]));
                let of_both = products.sum::<f64>() / (count - 1.0);
                if i == j {
                    variance += (1.0 - libm::sqrt(of_both + EPSILON)).max(0.0);
                } else {
                    covariance += of_both * of_both;
                }
            }
        }
        let (variance, covariance) = (variance / dim as f64, covariance / dim as f64);
        let total = info_nce + VARIANCE_WEIGHT * variance + covariance;
        Self { info_nce, variance, covariance, total }
    }

    /// The mean over batches, each weighing as many pairs as it has.
    pub fn mean(batches: &[(Self, usize)]) -> Self {
        let all = batches.iter().map(|(_, pairs)| *pairs).sum::<usize>().max(1) as f64;
        let mean = |of: fn(&Self) -> f64| {
            batches.iter().map(|(batch, pairs)| of(batch) * *pairs as f64).sum::<f64>() / all
        };
        Self {
            info_nce: mean(|of| of.info_nce),
            variance: mean(|of| of.variance),
            covariance: mean(|of| of.covariance),
            total: mean(|of| of.total),
        }
    }
}

/// Returns the places of the `count` most similar, the most similar first, the earlier of equal ones
/// first.
pub fn nearest(similarities: &[f64], count: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..similarities.len()).collect();
    places.sort_by(|a, b| similarities[*b].total_cmp(&similarities[*a]));
    places.truncate(count);
    places
}

/// Counts the queries whose nearest row of the gallery has their label.
pub fn rank_one(
    queries: &Units,
    query_labels: &[usize],
    gallery: &Units,
    gallery_labels: &[usize],
) -> usize {
    let right = |(index, label): (usize, &usize)| {
        let nearest = nearest(&gallery.similarities(queries.row(index)), 1);
        nearest.first().is_some_and(|place| gallery_labels[*place] == *label)
    };
    query_labels.iter().enumerate().filter(|of| right(*of)).count()
}

/// Returns Spearman's rank correlation of two lists of one length, equal numbers sharing their mean rank.
/// `None` where one of them is constant or shorter than two.
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    let (a, b) = (ranks(a), ranks(b));
    let count = a.len().min(b.len()) as f64;
    if count < 2.0 {
        return None;
    }
    let middle = (count - 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| {
        a.iter().zip(b).map(|(a, b)| (a - middle) * (b - middle)).sum::<f64>()
    };
    let spread = libm::sqrt(product(&a, &a)) * libm::sqrt(product(&b, &b));
    (spread > 0.0).then(|| product(&a, &b) / spread)
}

/// Ranks from 0, ascending.
fn ranks(numbers: &[f64]) -> Vec<f64> {
    let mut places: Vec<usize> = (0..numbers.len()).collect();
    places.sort_by(|a, b| numbers[*a].total_cmp(&numbers[*b]));
    let (mut ranks, mut below) = (vec![0.0; numbers.len()], 0);
    for equal in places.chunk_by(|a, b| numbers[*a] == numbers[*b]) {
        let shared = below as f64 + (equal.len() - 1) as f64 / 2.0;
        equal.iter().for_each(|place| ranks[*place] = shared);
        below += equal.len();
    }
    ranks
}
