//! Window and block as wide as the sequence: dense for every row but the last, which sees the mean
//! of all tokens beside the tokens themselves.

mod support;

use csi_temporal::attention::{SparsePattern, Weighting, dense, sparse};
use support::max_abs_diff;
use support::random::Random;

/// The largest difference to dense over the rows before the last, and in the last.
fn difference(seq: usize, scale: f32, pattern: &SparsePattern) -> (f32, f32) {
    let inputs = Random::new(seq as u64).inputs(seq, 4, 4, 32, scale);
    let dense = dense::forward(&inputs.view(), true).unwrap();
    let sparse = sparse::forward(&inputs.view(), pattern, Weighting::Plain).unwrap();
    let last = (seq - 1) * 4 * 32;
    (
        max_abs_diff(&dense.data()[..last], &sparse.data()[..last]),
        max_abs_diff(&dense.data()[last..], &sparse.data()[last..]),
    )
}

#[test]
fn saturated_pattern_equals_dense() {
    for seq in [2, 16, 64, 100] {
        for scale in [0.1, 1.0, 4.0] {
            let pattern =
                SparsePattern { window: seq, block_size: seq, ..SparsePattern::default() };
            assert!(pattern.is_saturated(seq));
            let (before, _) = difference(seq, scale, &pattern);
            assert_eq!(before, 0.0, "the same edges in the same order, seq {seq}, scale {scale}");
            let without = SparsePattern { landmarks: false, ..pattern };
            assert_eq!(difference(seq, scale, &without), (0.0, 0.0), "no block to count twice");
        }
    }
}

/// "Within 1e-4 of dense" is a statement about small activations, not about the kernel.
#[test]
fn the_last_token_counts_twice_and_small_activations_hide_it() {
    let pattern = SparsePattern { window: 16, block_size: 16, ..SparsePattern::default() };
    let (_, at_1) = difference(16, 1.0, &pattern);
    assert!(at_1 > 1e-3, "{at_1:e}");
    let (_, at_tenth) = difference(16, 0.1, &pattern);
    assert!(at_tenth < 1e-4 && at_tenth > 0.0, "{at_tenth:e}");
}

/// A block shorter than the sequence makes every row after the first block differ.
#[test]
fn a_wide_window_alone_is_not_saturated() {
    let pattern = SparsePattern { window: 64, block_size: 16, ..SparsePattern::default() };
    assert!(!pattern.is_saturated(64));
    let (before, _) = difference(64, 1.0, &pattern);
    assert!(before > 1e-4, "{before:e}");
}
