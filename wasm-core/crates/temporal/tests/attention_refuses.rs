//! Every bad input has its own error; none gives NaN.

mod support;

use csi_temporal::attention::map::{self, Heads};
use csi_temporal::attention::{
    AttentionError, BackendKind, Operand, SparsePattern, Weighting, Workspace, dense, forward,
    sparse,
};
use csi_temporal::tensor::Tensor3;
use support::Inputs;
use support::random::Random;

const BACKENDS: [BackendKind; 8] = [
    BackendKind::Salient { groups: 2 },
    BackendKind::Dense,
    BackendKind::Sparse,
    BackendKind::SparseLnCount,
    BackendKind::Pyramid { per_level: 2 },
    BackendKind::Upstream,
    BackendKind::UpstreamDense,
    BackendKind::UpstreamGated { top_k: 4 },
];

fn refused(inputs: &Inputs) -> AttentionError {
    let pattern = SparsePattern { window: 2, block_size: 2, ..SparsePattern::default() };
    let errors = BACKENDS.map(|kind| forward(kind, &inputs.view(), &pattern).unwrap_err());
    assert!(errors.iter().all(|error| *error == errors[0]), "{errors:?}");
    errors[0]
}

fn inputs() -> Inputs {
    Random::new(1).inputs(6, 4, 2, 3, 1.0)
}

#[test]
fn an_empty_sequence_gives_an_empty_output() {
    let inputs = Random::new(1).inputs(0, 4, 2, 3, 1.0);
    for backend in BACKENDS {
        let out = forward(backend, &inputs.view(), &SparsePattern::default()).unwrap();
        assert_eq!(out.shape(), [0, 4, 3], "{backend:?}");
    }
    assert!(map::dense_map(&inputs.view(), true, Heads::Mean).unwrap().is_empty());
}

#[test]
fn shapes_that_do_not_agree_are_refused() {
    let shapes = [
        (Tensor3::zeros(5, 4, 3), Tensor3::zeros(6, 2, 3), Tensor3::zeros(6, 2, 3)),
        (Tensor3::zeros(6, 4, 3), Tensor3::zeros(6, 2, 3), Tensor3::zeros(6, 4, 3)),
        (Tensor3::zeros(6, 4, 2), Tensor3::zeros(6, 2, 3), Tensor3::zeros(6, 2, 3)),
    ];
    for (q, k, v) in shapes {
        let expected = AttentionError::Shape { q: q.shape(), k: k.shape(), v: v.shape() };
        assert_eq!(refused(&Inputs { q, k, v, slopes: vec![] }), expected);
    }
    let uneven = Random::new(1).inputs(6, 4, 3, 2, 1.0);
    assert_eq!(refused(&uneven), AttentionError::HeadRatio { q_heads: 4, kv_heads: 3 });
    for (heads, dim) in [(0, 3), (2, 0)] {
        let empty = Random::new(1).inputs(6, heads, heads, dim, 1.0);
        assert_eq!(refused(&empty), AttentionError::ZeroDim);
    }
}

#[test]
fn numbers_that_are_not_finite_are_named() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut case = inputs();
        case.q.row_mut(5, 3)[2] = bad;
        let expected = AttentionError::NotFinite { which: Operand::Q, token: 5, head: 3 };
        assert_eq!(refused(&case), expected);
        let mut case = inputs();
        case.k.row_mut(0, 1)[0] = bad;
        let expected = AttentionError::NotFinite { which: Operand::K, token: 0, head: 1 };
        assert_eq!(refused(&case), expected);
        let mut case = inputs();
        case.v.row_mut(2, 0)[1] = bad;
        let expected = AttentionError::NotFinite { which: Operand::V, token: 2, head: 0 };
        assert_eq!(refused(&case), expected);
    }
}

/// Finite input whose scores, means or outputs leave f32 is an error in our kernels.
#[test]
fn overflow_is_an_error_and_not_nan() {
    let pattern = SparsePattern { window: 2, block_size: 2, ..SparsePattern::default() };
    let ours = [BackendKind::Dense, BackendKind::Sparse, BackendKind::SparseLnCount];
    for sign in [1.0, -1.0] {
        let mut case = inputs();
        case.q.row_mut(3, 2).fill(1e30);
        case.k.data_mut().fill(sign * 1e30);
        for backend in ours {
            let error = forward(backend, &case.view(), &pattern).unwrap_err();
            assert_eq!(error, AttentionError::Overflow { token: 3, head: 2 }, "{backend:?}");
        }
    }
    let mut case = inputs();
    case.q.data_mut().fill(0.0);
    case.v.data_mut().fill(f32::MAX);
    for backend in ours {
        let error = forward(backend, &case.view(), &pattern).unwrap_err();
        assert_eq!(error, AttentionError::Overflow { token: 1, head: 0 }, "{backend:?}");
    }
    // Block keys overflow although no token's key does.
    let mut case = inputs();
    case.q.data_mut().fill(1e-30);
    case.k.data_mut().fill(f32::MAX);
    assert!(forward(BackendKind::Dense, &case.view(), &pattern).is_ok());
    let error = forward(BackendKind::Sparse, &case.view(), &pattern).unwrap_err();
    assert_eq!(error, AttentionError::Overflow { token: 1, head: 0 });
}

/// Rows are computed two at a time: what only the other one looks at does no harm.
#[test]
fn a_row_does_not_overflow_on_what_it_does_not_see() {
    let mut case = Random::new(1).inputs(2, 1, 1, 1, 0.0);
    case.q.data_mut().copy_from_slice(&[1e30, 0.0]);
    case.k.data_mut().copy_from_slice(&[0.0, 1e30]);
    case.v.data_mut().copy_from_slice(&[1.0, 3.0]);
    assert_eq!(dense::forward(&case.view(), true).unwrap().data(), [1.0, 2.0]);
    let error = dense::forward(&case.view(), false).unwrap_err();
    assert_eq!(error, AttentionError::Overflow { token: 0, head: 0 });
}

/// The spread of scores may be as wide as f32 allows.
#[test]
fn a_peaked_softmax_is_exact() {
    let mut case = Random::new(1).inputs(4, 1, 1, 1, 0.0);
    case.q.data_mut().fill(1.0);
    case.k.data_mut().copy_from_slice(&[-3e38, 3e38, -3e38, 0.0]);
    case.v.data_mut().copy_from_slice(&[1.0, 2.0, 3.0, 4.0]);
    let out = dense::forward(&case.view(), true).unwrap();
    assert_eq!(out.data(), [1.0, 2.0, 2.0, 2.0]);
}

/// No number is there, so that a tensor may claim any heads and any dimension.
#[test]
fn rows_that_no_memory_holds_are_refused() {
    let half = 1_usize << (usize::BITS / 2);
    for (heads, dim) in [(usize::MAX, usize::MAX), (half, half), (1, usize::MAX), (half / 8, half)]
    {
        let empty = || Tensor3::from_vec(Vec::new(), 0, heads, dim).unwrap();
        let inputs = Inputs { q: empty(), k: empty(), v: empty(), slopes: Vec::new() };
        assert_eq!(refused(&inputs), AttentionError::CacheTooLarge, "{heads} heads of {dim}");
    }
}

#[test]
fn bad_slopes_are_refused() {
    let pattern = SparsePattern::default();
    let refused = |slopes: Vec<f32>| {
        let case = Inputs { slopes, ..inputs() };
        forward(BackendKind::Sparse, &case.view(), &pattern).unwrap_err()
    };
    assert_eq!(refused(vec![0.1]), AttentionError::SlopeCount { expected: 4, got: 1 });
    assert_eq!(refused(vec![0.1, 0.1, -0.1, 0.1]), AttentionError::BadSlope { head: 2 });
    assert_eq!(refused(vec![0.1, f32::NAN, 0.1, 0.1]), AttentionError::BadSlope { head: 1 });
}

#[test]
fn maps_refuse_what_they_cannot_show() {
    let case = inputs();
    let row = |row, heads| map::dense_row(&case.view(), true, row, heads).unwrap_err();
    assert_eq!(row(6, Heads::Mean), AttentionError::RowOutOfRange { row: 6, seq: 6 });
    assert_eq!(row(0, Heads::One(4)), AttentionError::HeadOutOfRange { head: 4, heads: 4 });
    let long = Random::new(1).inputs(map::MAX_MAP_SEQ + 1, 1, 1, 1, 1.0);
    let error = map::dense_map(&long.view(), true, Heads::Mean).unwrap_err();
    let max = map::MAX_MAP_SEQ;
    assert_eq!(error, AttentionError::MapTooLarge { seq: max + 1, max });
    let pattern = SparsePattern { block_size: 0, ..SparsePattern::default() };
    let error = map::sparse_row(&case.view(), &pattern, Weighting::Plain, 0, Heads::Mean);
    assert_eq!(error.unwrap_err(), AttentionError::ZeroBlockSize);
}

#[test]
fn output_of_another_length_is_refused() {
    let case = inputs();
    let (mut workspace, mut out) = (Workspace::new(), vec![0.0; 71]);
    let expected = AttentionError::RowLength { which: Operand::Q, expected: 72, got: 71 };
    let (view, pattern) = (case.view(), SparsePattern::default());
    let dense = dense::forward_into(&view, true, &mut workspace, &mut out);
    assert_eq!(dense.unwrap_err(), expected);
    let sparse = sparse::forward_into(&view, &pattern, Weighting::Plain, &mut workspace, &mut out);
    assert_eq!(sparse.unwrap_err(), expected);
}
