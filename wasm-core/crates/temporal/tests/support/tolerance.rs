//! How far numbers may be apart, and why. Relative to the largest value where that is said.

/// Our sparse kernel against the upstream crate, per unit of the largest |v|, at least 1.
///
/// The same edges, sums in the same order; upstream rescales its sums whenever a larger score turns
/// up, which rounds a few more times. An output is a mean of values, so it errs by a few units in
/// the last place (1.2e-7) of the largest. Measured over 600 random shapes: 1.2e-7 per unit.
pub const UPSTREAM: f32 = 2.5e-7;

/// Our f32 kernels against the f64 twin, per unit of the largest |v|, at least 1.
///
/// A score of size s carries an error of about s * 1e-7 into its weight, so the bound grows with
/// the largest score: at magnitude 4 and dim 40 scores reach 40 and `dim` products are summed.
/// Per unit of (1 + largest possible score).
pub const TWIN: f64 = 4e-7;

/// A row of weights against 1: one rounding per weight and one per share of a block.
pub const ROW_SUM: f32 = 1e-5;

/// The head's logits against the f64 twin or another backend, relative to the largest logit, at
/// least 1: two layers of matrices with up to 128 terms, each rounding at 6e-8, on activations that
/// grow to about 10. Measured over all 128 sets of records: 5e-7.
pub const HEAD: f64 = 5e-6;

/// Our decode step against upstream's, per unit of the largest |v|, at least 1.
///
/// Upstream keeps a block's mean as a running (Welford) mean, we divide the sum once. The two
/// means differ by up to a few units in the last place, which the score multiplies by |q|.
pub const UPSTREAM_DECODE: f32 = 2.5e-7;
