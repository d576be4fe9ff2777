//! The attention room's answers on the built-in recording.

mod session_support;

use csi_lab::session::{AttentionAsk, LabError, RowView, Session};
use csi_temporal::attention::{BackendKind, EdgeKind, SparsePattern};
use csi_temporal::head::TemporalHead;
use csi_temporal::rvne::WeightBlob;
use session_support::{default_model, first_ask, ticking, walking, walking_rows};

const FRAME: usize = 1800;

fn ready() -> Session {
    let mut session = walking();
    session.blob_new(&default_model()).expect("a blob");
    session
}

#[test]
fn the_answer_is_complete_and_agrees_with_itself() {
    let mut session = ready();
    let view = session.attention(&first_ask(FRAME), &ticking()).expect("an answer");
    assert_eq!(view.n, 256);
    assert_eq!(view.times_s.len(), 256);
    for raster in [&view.sparse, &view.dense, &view.difference] {
        assert_eq!((raster.width, raster.height), (256, 256));
    }
    assert_eq!(
        (view.sparse.min, view.sparse.max),
        (view.dense.min, view.dense.max),
        "one scale for both"
    );
    assert_eq!(view.difference.min, -view.difference.max, "zero in the middle");
    assert_eq!(
        (view.edges_sparse, view.edges_dense),
        (SparsePattern::default().edge_count(256), 256 * 257 / 2)
    );
    let most = view.divergence.per_frame_max.iter().copied().fold(0.0, f32::max);
    assert_eq!(most, view.divergence.max_abs);
    assert!(view.divergence.max_abs > 0.0 && view.divergence.mean_abs <= view.divergence.max_abs);
    // Rows before the first full block see every token: nothing is left out.
    assert!(view.divergence.per_frame_max[..15].iter().all(|difference| *difference < 1e-6));
    assert_eq!((view.sparse_ms, view.dense_ms), (1.0, 1.0), "one tick of the clock each");
    assert_eq!(view.saturated, None);
    assert!(view.score_spread > 0.0);
}

/// The future and tokens without an edge are transparent; what both see is opaque in both.
#[test]
fn pixels_are_transparent_exactly_where_no_weight_is() {
    let mut session = ready();
    let ask = AttentionAsk {
        n: 64,
        pattern: SparsePattern {
            window: 4,
            block_size: 8,
            landmarks: false,
            ..SparsePattern::default()
        },
        ..first_ask(FRAME)
    };
    let view = session.attention(&ask, &ticking()).expect("an answer");
    let mut edges = Vec::new();
    for row in 0..64 {
        ask.pattern.row_edges(row, 64, &mut edges);
        for token in 0..64 {
            let opaque =
                |raster: &csi_lab::raster::Raster| raster.rgba[(row * 64 + token) * 4 + 3] > 0;
            assert_eq!(opaque(&view.dense), token <= row, "dense {row} {token}");
            let edge = edges.iter().any(|edge| edge.tokens().contains(&token));
            assert_eq!(opaque(&view.sparse), edge, "sparse {row} {token}");
        }
    }
}

#[test]
fn logits_are_those_of_the_head_run_alone() {
    let mut session = ready();
    let blob = WeightBlob::parse(session.blob_bytes().expect("bytes")).expect("a blob");
    let pattern = SparsePattern { window: 8, ..SparsePattern::default() };
    for (ln_count, backend) in [(false, BackendKind::Sparse), (true, BackendKind::SparseLnCount)] {
        let view = session
            .attention(&AttentionAsk { ln_count, pattern, ..first_ask(FRAME) }, &ticking())
            .expect("an answer");
        // The same window, made again by the session's own pipeline in another session.
        let mut head = TemporalHead::from_blob(&blob).expect("a head");
        head.set_pattern(pattern).expect("a pattern");
        let (rows, _) = walking_rows(FRAME, 256);
        assert_eq!(head.forward(&rows, backend).expect("logits").logits, view.logits_sparse);
        assert_eq!(
            head.forward(&rows, BackendKind::Dense).expect("logits").logits,
            view.logits_dense
        );
    }
}

#[test]
fn a_rows_edges_are_the_patterns_and_carry_all_weight() {
    let mut session = ready();
    let pattern = SparsePattern { landmarks: false, ..SparsePattern::default() };
    let ask = AttentionAsk { pattern, head: Some(2), ..first_ask(FRAME) };
    let RowView { edges, .. } = session.attention_row(&ask, 200).expect("edges");
    let mut expected = Vec::new();
    pattern.row_edges(200, 256, &mut expected);
    assert_eq!(edges.len(), expected.len());
    let total: f32 = edges.iter().map(|edge| edge.weight_sparse).sum();
    assert!((total - 1.0).abs() < 1e-5, "{total}");
    let left_out: f32 = edges.iter().map(|edge| edge.weight_dense).sum();
    assert!(left_out < 0.9, "dense attention also looks elsewhere: {left_out}");
    for kind in [EdgeKind::Window, EdgeKind::Global, EdgeKind::LogStride] {
        assert!(edges.iter().any(|edge| edge.kind == kind), "{kind:?}");
    }
    let times = session.attention(&ask, &ticking()).expect("an answer").times_s;
    for edge in &edges {
        assert_eq!((edge.last, edge.seconds), (edge.first, times[edge.first]));
    }
    let landmarks = session.attention_row(&first_ask(FRAME), 200).expect("edges").edges;
    assert!(
        landmarks
            .iter()
            .any(|edge| edge.kind == EdgeKind::Landmark && edge.last == edge.first + 15)
    );
    assert_eq!(
        session.attention_row(&ask, 256).expect_err("256 rows").code(),
        "attention/row-out-of-range"
    );
}

#[test]
fn a_rows_weights_are_those_that_its_map_shows() {
    let mut session = ready();
    let ask = first_ask(FRAME);
    let view = session.attention(&ask, &ticking()).expect("an answer");
    let row = session.attention_row(&ask, 200).expect("a row");
    assert_eq!((row.sparse.len(), row.dense.len()), (view.n, view.n));
    for weights in [&row.sparse, &row.dense] {
        let total: f32 = weights.iter().sum();
        assert!((total - 1.0).abs() < 1e-5, "{total}");
    }
    // A cell without a weight is transparent, every other one is not.
    for (weights, raster) in [(&row.sparse, &view.sparse), (&row.dense, &view.dense)] {
        for (column, weight) in weights.iter().enumerate() {
            let alpha = raster.rgba[(200 * view.n + column) * 4 + 3];
            assert_eq!(alpha > 0, *weight > 0.0, "column {column}");
        }
    }
    for edge in &row.edges {
        let sum: f32 = row.dense[edge.first..=edge.last].iter().sum();
        assert_eq!(sum, edge.weight_dense);
    }
}

#[test]
fn a_saturated_pattern_is_examined() {
    let mut session = ready();
    let ask = AttentionAsk {
        pattern: SparsePattern { window: 256, block_size: 256, ..SparsePattern::default() },
        ..first_ask(FRAME)
    };
    let check = session.attention(&ask, &ticking()).expect("an answer").saturated.expect("a check");
    assert!(check.passes && check.max_abs_but_last < 1e-6 && check.magnitude > 0.0, "{check:?}");
}

#[test]
fn a_sweep_ends_and_dies_with_what_it_was_made_of() {
    let mut session = ready();
    assert_eq!(session.sweep_begin(&first_ask(FRAME)).expect("a sweep"), 24);
    let clock = ticking();
    let mut points = Vec::new();
    loop {
        let next = session.sweep_step(0.0, &clock).expect("a step");
        if next.is_empty() {
            break;
        }
        points.extend(next);
    }
    assert_eq!(points.len(), 24);
    let own = points
        .iter()
        .find(|point| (point.window, point.block) == (32, 16))
        .expect("the default setting");
    let view = session.attention(&first_ask(FRAME), &clock).expect("an answer");
    assert_eq!(
        (own.max_abs, own.mean_abs, own.edges),
        (view.divergence.max_abs, view.divergence.mean_abs, view.edges_sparse)
    );
    session.sweep_begin(&first_ask(FRAME)).expect("a sweep");
    session
        .set_mask(Some(&[8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]))
        .expect("a mask");
    assert_eq!(
        session.sweep_step(0.0, &clock).expect_err("another recording").code(),
        "lab/no-sweep"
    );
}

#[test]
fn probabilities_add_up_to_one() {
    let mut session = ready();
    for frame in [0, 40, FRAME] {
        let classes = session.classify(frame, 50).expect("an answer").expect("a model that fits");
        for probabilities in [&classes.sparse, &classes.dense] {
            assert_eq!(probabilities.len(), 4);
            assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
    }
}

#[test]
fn questions_out_of_range_are_refused_with_their_code() {
    let mut session = ready();
    let mut code =
        |ask: AttentionAsk| session.attention(&ask, &ticking()).expect_err("a refusal").code();
    assert_eq!(code(AttentionAsk { layer: 2, ..first_ask(FRAME) }), "head/layer-out-of-range");
    assert_eq!(
        code(AttentionAsk { head: Some(4), ..first_ask(FRAME) }),
        "attention/head-out-of-range"
    );
    assert_eq!(code(AttentionAsk { n: 0, ..first_ask(FRAME) }), "lab/no-rows");
    assert_eq!(code(AttentionAsk { frame: 1 << 40, ..first_ask(FRAME) }), "lab/frame");
    let pattern = SparsePattern { block_size: 0, ..SparsePattern::default() };
    assert_eq!(code(AttentionAsk { pattern, ..first_ask(FRAME) }), "attention/zero-block-size");
}

/// Dense minus sparse: orange where sparse attention does not look, blue where it looks too much.
#[test]
fn what_sparse_attention_leaves_out_is_orange() {
    let mut session = ready();
    let pattern = SparsePattern {
        window: 4,
        log_stride: false,
        landmarks: false,
        global_token: false,
        ..SparsePattern::default()
    };
    let ask = AttentionAsk { n: 64, pattern, ..first_ask(FRAME) };
    let raster = session.attention(&ask, &ticking()).expect("an answer").difference;
    let pixel = |row: usize, token: usize| {
        let at = (row * 64 + token) * 4;
        (raster.rgba[at], raster.rgba[at + 2])
    };
    let (red, blue) = pixel(60, 10);
    assert!(red > blue, "left out: {red} {blue}");
    let (red, blue) = pixel(60, 58);
    assert!(blue > red, "looked at too much: {red} {blue}");
}

/// Untrained weights see a plain mean; brought to a magnitude, rows choose, and only maps, error
/// and spread change: the logits are those of the weights as they are.
#[test]
fn magnitude_sharpens_the_maps_and_leaves_the_logits() {
    let mut session = ready();
    let ask = first_ask(FRAME);
    let plain = session.attention(&ask, &ticking()).expect("a view");
    let mut spreads = vec![plain.score_spread];
    for magnitude in [1.0, 2.0, 4.0] {
        let ask = AttentionAsk { magnitude: Some(magnitude), ..ask };
        let view = session.attention(&ask, &ticking()).expect("a view");
        assert_eq!(view.logits_sparse, plain.logits_sparse);
        assert_eq!(view.logits_dense, plain.logits_dense);
        assert_ne!(view.divergence, plain.divergence);
        spreads.push(view.score_spread);
    }
    assert!(spreads.is_sorted_by(|a, b| a < b), "{spreads:?}");
    // Scores grow with the square of the magnitude.
    assert!((spreads[3] / spreads[2] / 4.0 - 1.0).abs() < 1e-3, "{spreads:?}");
    for refused in [f32::NAN, -1.0, 1e9] {
        let ask = AttentionAsk { magnitude: Some(refused), ..ask };
        assert_eq!(session.attention(&ask, &ticking()), Err(LabError::Magnitude));
    }
}
