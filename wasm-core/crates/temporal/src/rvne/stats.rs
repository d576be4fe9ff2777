//! Five numbers about a matrix.

/// Five numbers about a list of weights. Sums run left to right in `f64`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stats {
    /// The smallest.
    pub min: f32,
    /// The largest.
    pub max: f32,
    /// The mean.
    pub mean: f32,
    /// The standard deviation of these very numbers (division by their count).
    pub std: f32,
    /// How many are zero, of either sign.
    pub zeros: usize,
}

impl Stats {
    /// Computes them; `None` for an empty list. A NaN makes mean and standard deviation NaN.
    pub fn of(values: &[f32]) -> Option<Self> {
        let (&first, count) = (values.first()?, values.len() as f64);
        let mean = values.iter().fold(0.0_f64, |sum, &v| sum + f64::from(v)) / count;
        let spread = |sum: f64, &v: &f32| {
            let distance = f64::from(v) - mean;
            sum + distance * distance
        };
        let variance = values.iter().fold(0.0_f64, spread) / count;
        Some(Self {
            min: values.iter().copied().fold(first, f32::min),
            max: values.iter().copied().fold(first, f32::max),
            mean: mean as f32,
            std: libm::sqrt(variance) as f32,
            zeros: values.iter().filter(|&&v| v == 0.0).count(),
        })
    }
}
