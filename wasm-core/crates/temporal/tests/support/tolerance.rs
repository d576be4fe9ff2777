//! How far numbers may be apart, and why. Relative to the largest value where that is said.

use super::Inputs;

/// Our sparse kernel and our decode step against the upstream crate, per unit of the largest |v|, at
/// least 1, where q and k lie within -1 .. 1.
///
/// The same edges, products and sums in the same order; but upstream rescales its sums whenever a
/// larger score turns up, which rounds more often, its `exp` is another, and its cache keeps a
/// block's mean as a running one where we divide a sum once. An output is a mean of values, so two
/// roundings of the largest (1.2e-7 each) are what that amounts to. Measured over 4000 random
/// shapes: 2.4e-7.
pub const UPSTREAM: f32 = 2.5e-7;

/// The same for larger q and k. Scores reach 100 at magnitude 4 and dim 40, where one rounding of a
/// score is 8e-6, so two ways to write `exp` of a difference part further. Measured over 4000
/// random shapes at magnitude 4: 4.8e-7, a window and a decode step alike.
pub const UPSTREAM_LARGE: f32 = 1e-6;

/// The one of the two that inputs call for.
pub fn upstream(inputs: &Inputs) -> f32 {
    let scores_are_small =
        super::magnitude(inputs.q.data()) <= 1.0 && super::magnitude(inputs.k.data()) <= 1.0;
    if scores_are_small { UPSTREAM } else { UPSTREAM_LARGE }
}

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
/// grow to about 10. Measured over all 128 sets of records: 1.1e-6.
pub const HEAD: f64 = 5e-6;

/// The head's logits with queries, keys and values rounded to f16, against those without, relative
/// to the largest logit, at least 1. Each is rounded by up to 2^-11 (4.9e-4), a value directly and a
/// score by a few of them. Measured over 100 blobs: 8.6e-4.
pub const HEAD_F16: f32 = 2e-3;
