//! The pyramid: its edges are those of the online rule, every past token once, and its outputs and
//! maps those of the definition in f64.

mod support;

use csi_temporal::attention::map::{self, Heads};
use csi_temporal::attention::{
    AttentionError, BackendKind, Edge, Pyramid, SparsePattern, Workspace, dense, forward, pyramid,
};
use support::naive::{self, Over};
use support::random::{Random, cases};
use support::{Inputs, bits, magnitude, max_abs_error, tolerance};

fn any_pyramid(random: &mut Random) -> Pyramid {
    Pyramid {
        window: random.pick(&[0, 1, 2, 3, 7, 16, 33, 500, usize::MAX]),
        per_level: random.pick(&[1, 2, 3, 4, 5, 6, 7, 8, usize::MAX]),
    }
}

/// Up to 17 heads, dims up to 130, one row among the lengths, with slopes and without.
fn any_inputs(random: &mut Random) -> Inputs {
    let kv_heads = random.between(1, 4);
    let q_heads = kv_heads * random.between(1, 17 / kv_heads);
    let dim_max = random.pick(&[8, 40, 130]);
    let (seq, dim) = (random.pick(&[1, 2, 5, 17, 64]), random.between(1, dim_max));
    let scale = random.pick(&[0.1, 1.0, 4.0]);
    let mut inputs = random.inputs(seq, q_heads, kv_heads, dim, scale);
    if random.flip() {
        inputs.slopes = random.numbers(q_heads, 0.3).into_iter().map(f32::abs).collect();
    }
    inputs
}

#[test]
fn edges_are_those_of_the_online_rule_in_order() {
    for window in [0, 1, 5, 16] {
        for per_level in [1, 2, 3, 4, 8] {
            let pyramid = Pyramid { window, per_level };
            let mut count = 0;
            for row in 0..260 {
                let edges: Vec<Vec<usize>> =
                    pyramid.edges(row).iter().map(|edge| edge.tokens().collect()).collect();
                assert_eq!(edges, naive::pyramid_edges(&pyramid, row), "{pyramid:?}, row {row}");
                assert_eq!(pyramid.edge_count(row), count);
                count += edges.len();
            }
        }
    }
}

#[test]
fn every_past_token_is_covered_exactly_once() {
    let mut random = Random::new(7);
    for _ in 0..cases() {
        let pyramid = any_pyramid(&mut random);
        let row = random.between(0, 5000);
        let mut covered = vec![0_u8; row + 1];
        for edge in pyramid.edges(row) {
            edge.tokens().for_each(|token| covered[token] += 1);
            if let Edge::Block { index, first_token, token_count } = edge {
                assert!(token_count.is_power_of_two());
                assert_eq!(first_token, index * token_count);
            }
        }
        assert!(covered.iter().all(|count| *count == 1), "{pyramid:?}, row {row}");
    }
}

/// W + O(r log i), not more.
#[test]
fn edges_grow_with_the_logarithm() {
    let pyramid = Pyramid { window: 8, per_level: 3 };
    for row in [100, 10_000, 1_000_000, 4_000_000_000] {
        let levels = usize::BITS - usize::leading_zeros(row);
        let edges = pyramid.edges(row);
        assert!(edges.len() <= 9 + 3 * levels as usize, "row {row}: {}", edges.len());
        let covered: usize = edges.iter().map(|edge| edge.tokens().len()).sum();
        assert_eq!(covered, row + 1);
    }
}

#[test]
fn outputs_equal_the_twin() {
    let mut worst = 0.0_f64;
    for seed in 0..120 {
        let mut random = Random::new(seed);
        let (inputs, pyramid) = (any_inputs(&mut random), any_pyramid(&mut random));
        let got = pyramid::forward(&inputs.view(), &pyramid).unwrap();
        let (exact, largest_score) = naive::attention(&inputs, Over::Pyramid(&pyramid));
        let error = max_abs_error(got.data(), &exact);
        let bound = tolerance::TWIN * f64::from(magnitude(inputs.v.data())) * (1.0 + largest_score);
        assert!(error <= bound, "seed {seed}, {pyramid:?}: {error:e} > {bound:e}");
        worst = worst.max(error / bound);
        let backend = BackendKind::Pyramid { per_level: pyramid.per_level };
        let pattern = SparsePattern { window: pyramid.window, ..SparsePattern::default() };
        let selected = forward(backend, &inputs.view(), &pattern).unwrap();
        assert_eq!(bits(selected.data()), bits(got.data()), "seed {seed}");
    }
    println!("largest share of the tolerance: {worst:.2}");
}

/// The same tokens in the same order, with nothing on top: not even a rounding differs.
#[test]
fn a_window_over_everything_is_dense_to_the_bit() {
    for seed in 0..40 {
        let mut random = Random::new(900 + seed);
        let inputs = any_inputs(&mut random);
        let window = inputs.q.seq() - random.between(0, 1);
        let pyramid = Pyramid { window, per_level: 1 };
        let got = pyramid::forward(&inputs.view(), &pyramid).unwrap();
        let dense = dense::forward(&inputs.view(), true).unwrap();
        assert_eq!(bits(got.data()), bits(dense.data()), "seed {seed}");
    }
}

#[test]
fn maps_equal_the_twin_and_rows_sum_to_one() {
    for seed in 0..30 {
        let mut random = Random::new(500 + seed);
        let (inputs, pyramid) = (any_inputs(&mut random), any_pyramid(&mut random));
        let [seq, q_heads, _] = inputs.q.shape();
        let head = seed as usize % q_heads;
        let map = map::pyramid_map(&inputs.view(), &pyramid, Heads::One(head)).unwrap();
        for row in 0..seq {
            let (exact, largest) = naive::weights(&inputs, Over::Pyramid(&pyramid), row, head);
            let got = &map[row * seq..][..seq];
            assert!(max_abs_error(got, &exact) <= tolerance::TWIN * (1.0 + largest), "seed {seed}");
            assert!((got.iter().sum::<f32>() - 1.0).abs() <= tolerance::ROW_SUM, "seed {seed}");
            let one = map::pyramid_row(&inputs.view(), &pyramid, row, Heads::One(head)).unwrap();
            assert_eq!(bits(&one), bits(got), "seed {seed}, row {row}");
        }
    }
}

/// The past of a row is all that it depends on, so longer windows have the rows of shorter ones.
#[test]
fn rows_do_not_depend_on_what_follows() {
    let mut random = Random::new(12);
    let inputs = random.inputs(90, 4, 2, 9, 1.0);
    let pyramid = Pyramid { window: 3, per_level: 2 };
    let whole = pyramid::forward(&inputs.view(), &pyramid).unwrap();
    for seq in [1, 2, 31, 64, 89] {
        let part = inputs.prefix(seq);
        let got = pyramid::forward(&part.view(), &pyramid).unwrap();
        assert_eq!(bits(got.data()), bits(&whole.data()[..seq * 36]), "seq {seq}");
    }
}

#[test]
fn a_kept_workspace_changes_nothing() {
    let mut workspace = Workspace::new();
    for seed in 0..20 {
        let mut random = Random::new(700 + seed);
        let (inputs, pyramid) = (any_inputs(&mut random), any_pyramid(&mut random));
        let mut out = vec![f32::NAN; inputs.q.data().len()];
        pyramid::forward_into(&inputs.view(), &pyramid, &mut workspace, &mut out).unwrap();
        let expected = pyramid::forward(&inputs.view(), &pyramid).unwrap();
        assert_eq!(bits(&out), bits(expected.data()), "seed {seed}");
    }
}

#[test]
fn bad_input_is_refused() {
    let inputs = Random::new(1).inputs(6, 2, 1, 3, 1.0);
    let none = Pyramid { window: 2, per_level: 0 };
    let error = pyramid::forward(&inputs.view(), &none).map(drop).unwrap_err();
    assert_eq!(error, AttentionError::ZeroPerLevel);
    assert_eq!(error.code(), "attention/zero-per-level");
    assert_eq!(map::pyramid_row(&inputs.view(), &none, 0, Heads::Mean).unwrap_err(), error);
    let one = Pyramid { window: 2, per_level: 1 };
    let empty = Random::new(1).inputs(0, 2, 1, 3, 1.0);
    assert_eq!(pyramid::forward(&empty.view(), &one).unwrap().shape(), [0, 2, 3]);
    assert_eq!(
        map::pyramid_row(&inputs.view(), &one, 6, Heads::Mean),
        Err(AttentionError::RowOutOfRange { row: 6, seq: 6 })
    );
    // The mean key of tokens 0 and 1 is infinite. Row 3 is the first to look at it.
    let mut large = inputs.clone();
    large.q.data_mut().fill(0.0);
    for token in 0..2 {
        large.k.row_mut(token, 0)[0] = 3e38;
    }
    let tight = Pyramid { window: 1, per_level: 1 };
    assert_eq!(
        pyramid::forward(&large.view(), &tight).map(drop),
        Err(AttentionError::Overflow { token: 3, head: 0 })
    );
}
