//! The pattern is upstream's: the same edges, counted by upstream and listed by the definition.

mod support;

use csi_temporal::attention::pattern::dense_edge_count;
use csi_temporal::attention::{AttentionError, Edge, EdgeKind, SparsePattern, upstream};
use support::naive;
use support::random::Random;

fn patterns() -> Vec<SparsePattern> {
    let mut patterns = vec![SparsePattern::default()];
    for (window, block_size) in
        [(0, 1), (0, 7), (1, 2), (4, 3), (16, 32), (32, 16), (8, 300), (300, 8), (299, 299)]
    {
        for switches in 0..16 {
            let on = |bit: usize| switches >> bit & 1 == 1;
            patterns.push(SparsePattern {
                window,
                block_size,
                log_stride: on(0),
                landmarks: on(1),
                global_token: on(2),
                causal: on(3),
            });
        }
    }
    patterns
}

#[test]
fn edge_count_equals_upstreams_estimate() {
    for pattern in patterns() {
        for seq in 0..=300 {
            let expected = upstream::edge_count(&pattern, seq).unwrap();
            assert_eq!(pattern.edge_count(seq), expected, "{pattern:?}, seq = {seq}");
        }
    }
}

/// Order matters: it is the order of the sums.
#[test]
fn edges_are_the_definitions_in_order() {
    let mut random = Random::new(1);
    let mut edges = Vec::new();
    for _ in 0..300 {
        let (pattern, seq) = (random.any_pattern(), random.between(1, 120));
        for row in 0..seq {
            pattern.row_edges(row, seq, &mut edges);
            let mut got = (Vec::new(), Vec::new());
            for edge in &edges {
                match *edge {
                    Edge::Token { index, kind } => {
                        assert!(got.1.is_empty(), "tokens come before blocks");
                        assert_ne!(kind, EdgeKind::Landmark);
                        assert_eq!(edge.tokens(), index..index + 1);
                        got.0.push(index);
                    }
                    Edge::Block { index, first_token, token_count } => {
                        assert_eq!(first_token, index * pattern.block_size);
                        let end = ((index + 1) * pattern.block_size).min(seq);
                        assert_eq!(first_token + token_count, end);
                        got.1.push(index);
                    }
                }
            }
            assert_eq!(got, naive::edges(&pattern, row, seq), "{pattern:?}, {row} of {seq}");
        }
    }
}

#[test]
fn kinds_come_in_order_and_the_window_holds_the_row() {
    let pattern = SparsePattern { window: 4, block_size: 8, ..SparsePattern::default() };
    let mut edges = Vec::new();
    pattern.row_edges(40, 100, &mut edges);
    let kinds: Vec<EdgeKind> = edges.iter().map(Edge::kind).collect();
    assert!(kinds.is_sorted(), "{kinds:?}");
    let of = |kind| edges.iter().filter(|edge| edge.kind() == kind).collect::<Vec<_>>();
    assert_eq!(of(EdgeKind::Window).last().unwrap().tokens(), 40..41);
    assert_eq!(of(EdgeKind::Global).len(), 1);
    // 32, 24 and 8; 39, 38 and 36 lie in the window.
    assert_eq!(of(EdgeKind::LogStride).len(), 3);
    // The last complete block is 4 (tokens 32..40): blocks 3, 4, then 2 and 0.
    assert_eq!(
        of(EdgeKind::Landmark).iter().map(|e| e.tokens().start).collect::<Vec<_>>(),
        [24, 32, 16, 0]
    );
}

/// Why a decode step can equal the last row of a forward pass.
#[test]
fn causal_edges_do_not_depend_on_the_length() {
    let mut random = Random::new(2);
    let (mut short, mut long) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        let pattern = SparsePattern { causal: true, ..random.any_pattern() };
        let row = random.between(0, 90);
        pattern.row_edges(row, row + 1, &mut short);
        pattern.row_edges(row, row + 1 + random.between(0, 50), &mut long);
        assert_eq!(short, long, "{pattern:?}, row {row}");
    }
}

#[test]
fn a_row_out_of_range_has_no_edges() {
    let mut edges = vec![Edge::Token { index: 9, kind: EdgeKind::Window }];
    SparsePattern::default().row_edges(5, 5, &mut edges);
    assert!(edges.is_empty());
    assert_eq!(SparsePattern::default().edge_count(0), 0);
}

#[test]
fn huge_parameters_do_not_overflow() {
    let huge = SparsePattern {
        window: usize::MAX,
        block_size: usize::MAX,
        causal: false,
        ..SparsePattern::default()
    };
    assert_eq!(huge.edge_count(10), 100);
    assert_eq!(upstream::edge_count(&huge, 10), Ok(100));
    assert!(huge.is_saturated(10));
    assert_eq!(dense_edge_count(10, false), 100);
    assert_eq!(dense_edge_count(10, true), 55);
    assert_eq!(dense_edge_count(11, true), 66);
    // As many as can be counted, although their square cannot.
    let seq = 1 << (usize::BITS / 2);
    assert_eq!(dense_edge_count(seq, true), seq / 2 + (1 << (usize::BITS - 1)));
    assert_eq!([true, false].map(|causal| dense_edge_count(usize::MAX, causal)), [usize::MAX; 2]);
}

#[test]
fn a_block_size_of_zero_is_refused() {
    let pattern = SparsePattern { block_size: 0, landmarks: false, ..SparsePattern::default() };
    assert_eq!(pattern.validate(), Err(AttentionError::ZeroBlockSize));
    assert_eq!(upstream::edge_count(&pattern, 4), Err(AttentionError::ZeroBlockSize));
}
