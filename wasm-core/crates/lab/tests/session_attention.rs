//! The attention room's answers on the built-in recording.

mod session_support;

use csi_lab::divergence::SweepPoint;
use csi_lab::pattern::{Pattern, Reason};
use csi_lab::raster::Raster;
use csi_lab::session::{AttentionAsk, LabError, RowView, Session};
use csi_temporal::attention::{BackendKind, Pyramid, SparsePattern};
use csi_temporal::head::TemporalHead;
use csi_temporal::rvne::WeightBlob;
use session_support::{compared, default_model, first_ask, ticking, walking, walking_rows};

const FRAME: usize = 1800;

fn ready() -> Session {
    let mut session = walking();
    session.blob_new(&default_model()).expect("a blob");
    session
}

#[test]
fn the_answer_is_complete_and_agrees_with_itself() {
    let mut session = ready();
    let (view, dense) = compared(&mut session, &first_ask(FRAME)).expect("an answer");
    assert_eq!(view.n, 256);
    assert_eq!(view.times_s.len(), 256);
    let sparse = &view.sparse;
    for raster in [&sparse.map, &dense.map, &dense.difference] {
        assert_eq!((raster.width, raster.height), (256, 256));
    }
    assert_eq!((sparse.map.min, sparse.map.max), (dense.map.min, dense.map.max), "one scale");
    assert_eq!(dense.difference.min, -dense.difference.max, "zero in the middle");
    assert_eq!(
        (sparse.edges, sparse.edges_dense),
        (SparsePattern::default().edge_count(256), 256 * 257 / 2)
    );
    let divergence = &dense.divergence;
    let most = divergence.per_frame_max.iter().copied().fold(0.0, f32::max);
    assert_eq!(most, divergence.max_abs);
    assert!(divergence.max_abs > 0.0 && divergence.mean_abs <= divergence.max_abs);
    // Rows before the first full block see every token: nothing is left out.
    assert!(divergence.per_frame_max[..15].iter().all(|difference| *difference < 1e-6));
    assert_eq!((sparse.ms, dense.ms), (1.0, 1.0), "one tick of the clock each");
    assert_eq!((dense.saturated, dense.upstream), (None, None), "it is upstream's pattern");
    assert!(dense.score_spread > 0.0);
}

/// The future and tokens without an edge are transparent; what both see is opaque in both.
#[test]
fn pixels_are_transparent_exactly_where_no_weight_is() {
    let mut session = ready();
    let pattern =
        SparsePattern { window: 4, block_size: 8, landmarks: false, ..SparsePattern::default() };
    let ask = AttentionAsk { n: 64, pattern: Pattern::Upstream(pattern), ..first_ask(FRAME) };
    let (view, dense) = compared(&mut session, &ask).expect("an answer");
    let mut edges = Vec::new();
    for row in 0..64 {
        pattern.row_edges(row, 64, &mut edges);
        for token in 0..64 {
            let opaque =
                |raster: &csi_lab::raster::Raster| raster.rgba[(row * 64 + token) * 4 + 3] > 0;
            assert_eq!(opaque(&dense.map), token <= row, "dense {row} {token}");
            let edge = edges.iter().any(|edge| edge.tokens().contains(&token));
            assert_eq!(opaque(&view.sparse.map), edge, "sparse {row} {token}");
        }
    }
}

#[test]
fn logits_are_those_of_the_head_run_alone() {
    let mut session = ready();
    let blob = WeightBlob::parse(session.blob_bytes().expect("bytes")).expect("a blob");
    let edges = SparsePattern { window: 8, ..SparsePattern::default() };
    let pyramid = Pyramid { window: 8, per_level: 3 };
    for (pattern, backend) in [
        (Pattern::Upstream(edges), BackendKind::Sparse),
        (Pattern::LnCount(edges), BackendKind::SparseLnCount),
        (Pattern::Pyramid(pyramid), BackendKind::Pyramid { per_level: 3 }),
    ] {
        let ask = AttentionAsk { pattern, ..first_ask(FRAME) };
        let logits = session.logits(&ask).expect("logits");
        // The same window, made again by the session's own pipeline in another session.
        let mut head = TemporalHead::from_blob(&blob).expect("a head");
        head.set_pattern(edges).expect("a pattern");
        let (rows, _) = walking_rows(FRAME, 256);
        assert_eq!(head.forward(&rows, backend).expect("logits").logits, logits.sparse);
        let dense = head.forward(&rows, BackendKind::Dense).expect("logits").logits;
        assert_eq!(dense, logits.dense);
    }
}

#[test]
fn a_rows_edges_are_the_patterns_and_carry_all_weight() {
    let mut session = ready();
    let pattern = SparsePattern { landmarks: false, ..SparsePattern::default() };
    let ask =
        AttentionAsk { pattern: Pattern::Upstream(pattern), head: Some(2), ..first_ask(FRAME) };
    let RowView { edges, .. } = session.attention_row(&ask, 200).expect("edges");
    let mut expected = Vec::new();
    pattern.row_edges(200, 256, &mut expected);
    assert_eq!(edges.len(), expected.len());
    let total: f32 = edges.iter().map(|edge| edge.weight_sparse).sum();
    assert!((total - 1.0).abs() < 1e-5, "{total}");
    let left_out: f32 = edges.iter().map(|edge| edge.weight_dense).sum();
    assert!(left_out < 0.9, "dense attention also looks elsewhere: {left_out}");
    for reason in [Reason::Window, Reason::Global, Reason::LogStride] {
        assert!(edges.iter().any(|edge| edge.reason == reason), "{reason:?}");
    }
    let times = session.attention(&ask, &ticking()).expect("an answer").times_s;
    for edge in &edges {
        assert_eq!((edge.last, edge.count), (edge.first, 1));
        assert_eq!(edge.seconds, times[edge.first]);
    }
    let landmarks = session.attention_row(&first_ask(FRAME), 200).expect("edges").edges;
    assert!(
        landmarks
            .iter()
            .any(|edge| edge.reason == Reason::Landmark && edge.last == edge.first + 15)
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
    let (view, dense) = compared(&mut session, &ask).expect("an answer");
    let row = session.attention_row(&ask, 200).expect("a row");
    assert_eq!((row.sparse.len(), row.dense.len()), (view.n, view.n));
    for weights in [&row.sparse, &row.dense] {
        let total: f32 = weights.iter().sum();
        assert!((total - 1.0).abs() < 1e-5, "{total}");
    }
    // A cell without a weight is transparent, every other one is not.
    for (weights, raster) in [(&row.sparse, &view.sparse.map), (&row.dense, &dense.map)] {
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
        pattern: Pattern::Upstream(SparsePattern {
            window: 256,
            block_size: 256,
            ..SparsePattern::default()
        }),
        ..first_ask(FRAME)
    };
    let (_, dense) = compared(&mut session, &ask).expect("an answer");
    let check = dense.saturated.expect("a check");
    assert!(check.passes && check.max_abs_but_last < 1e-6 && check.magnitude > 0.0, "{check:?}");
}

/// The points of a sweep around the pattern of `ask`.
fn swept(session: &mut Session, ask: &AttentionAsk) -> Vec<SweepPoint> {
    let clock = ticking();
    session.attention(ask, &clock).expect("an answer");
    let count = session.sweep_begin(&clock).expect("a sweep");
    let mut points = Vec::new();
    loop {
        let next = session.sweep_step(0.0, &clock).expect("a step");
        if next.is_empty() {
            assert_eq!(points.len(), count);
            return points;
        }
        points.extend(next);
    }
}

#[test]
fn a_sweep_ends_and_dies_with_what_it_was_made_of() {
    let mut session = ready();
    for pattern in [Pattern::default(), Pattern::Pyramid(Pyramid { window: 16, per_level: 4 })] {
        let ask = AttentionAsk { pattern, ..first_ask(FRAME) };
        let points = swept(&mut session, &ask);
        assert_eq!(points.len(), 24);
        let own = points.iter().find(|point| point.pattern == pattern).expect("the own setting");
        let (view, dense) = compared(&mut session, &ask).expect("an answer");
        assert_eq!(
            (own.max_abs, own.mean_abs, own.edges),
            (dense.divergence.max_abs, dense.divergence.mean_abs, view.sparse.edges)
        );
    }
    session.sweep_begin(&ticking()).expect("a sweep");
    session
        .set_mask(Some(&[8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]))
        .expect("a mask");
    let clock = ticking();
    let code = |error: LabError| error.code();
    assert_eq!(session.sweep_step(0.0, &clock).map_err(code), Err("lab/no-sweep"));
    assert_eq!(session.attention_step(0.0, &clock).map_err(code), Err("lab/no-comparison"));
    assert_eq!(session.sweep_begin(&clock).map_err(code), Err("lab/no-comparison"));
}

/// The point of the pyramid: nearer to dense than upstream's edges, at no more of them.
#[test]
fn the_pyramid_stands_beside_upstreams_edges_on_the_same_window() {
    let mut session = ready();
    let pattern = Pattern::Pyramid(Pyramid { window: 16, per_level: 4 });
    let ask = AttentionAsk { pattern, magnitude: Some(1.0), ..first_ask(FRAME) };
    let (view, dense) = compared(&mut session, &ask).expect("an answer");
    let upstream = dense.upstream.expect("another pattern");
    let alone = AttentionAsk { pattern: Pattern::default(), ..ask };
    let (own_view, own) = compared(&mut session, &alone).expect("an answer");
    assert_eq!(
        (upstream.edges, upstream.mean_abs, upstream.max_abs),
        (own_view.sparse.edges, own.divergence.mean_abs, own.divergence.max_abs)
    );
    assert!(view.sparse.edges < upstream.edges, "{} {}", view.sparse.edges, upstream.edges);
    let closer = upstream.mean_abs / dense.divergence.mean_abs;
    assert!(closer > 2.0, "{closer} times closer");
}

/// Every past token is in one edge, and what an edge weighs is what the map shows of its tokens.
#[test]
fn a_pyramids_row_covers_its_past_once() {
    let mut session = ready();
    let pattern = Pattern::Pyramid(Pyramid { window: 8, per_level: 3 });
    let ask = AttentionAsk { pattern, ..first_ask(FRAME) };
    let row = session.attention_row(&ask, 200).expect("a row");
    let mut seen = vec![0; 256];
    for edge in &row.edges {
        assert_eq!(edge.count, edge.last - edge.first + 1);
        (edge.first..=edge.last).for_each(|token| seen[token] += 1);
        let sum: f32 = row.sparse[edge.first..=edge.last].iter().sum();
        assert_eq!(sum, edge.weight_sparse);
    }
    assert_eq!(seen, [vec![1; 201], vec![0; 55]].concat());
    let blocks = row.edges.iter().filter(|edge| edge.reason == Reason::Block);
    assert_eq!(blocks.clone().count() + 9, row.edges.len(), "nine tokens by themselves");
    assert!(blocks.map(|edge| edge.count).max() > Some(32));
}

/// However it is cut, the answer is the same, and the first part is there before the second.
#[test]
fn a_comparison_in_slices_gives_the_same_answer() {
    let mut session = ready();
    let ask = AttentionAsk { n: 700, ..first_ask(2300) };
    let (_, mut whole) = compared(&mut session, &ask).expect("an answer");
    let clock = ticking();
    session.attention(&ask, &clock).expect("an answer");
    let mut slices = 1;
    let mut sliced = loop {
        match session.attention_step(0.0, &clock).expect("a slice") {
            Some(dense) => break dense,
            None => slices += 1,
        }
    };
    assert!(slices > 5, "{slices} slices");
    (whole.ms, sliced.ms) = (0.0, 0.0);
    assert_eq!(sliced, whole);
}

/// A map of a long window shows of each cell's rows the last one, and of its columns the largest
/// number: against the whole maps.
#[test]
fn a_thinned_map_shows_what_the_whole_one_has() {
    let mut session = ready();
    let ask = AttentionAsk { n: 1100, head: Some(1), ..first_ask(2399) };
    let (view, dense) = compared(&mut session, &ask).expect("an answer");
    assert_eq!(view.n, 1100);
    assert_eq!(
        (view.sparse.per_cell, view.sparse.map.width, view.sparse.map.height),
        (3, 367, 367)
    );
    for (cell, row) in [(0, 2), (1, 5), (120, 362), (365, 1097), (366, 1099)] {
        let numbers = session.attention_row(&ask, row).expect("a row");
        let naive = |weights: &[f32], column: usize| {
            let columns = column * 3..(column * 3 + 3).min(1100);
            columns
                .map(|token| weights[token])
                .fold(0.0, |a: f32, b| if b.abs() > a.abs() { b } else { a })
        };
        let differences: Vec<f32> = numbers
            .dense
            .iter()
            .zip(&numbers.sparse)
            .map(|(dense, sparse)| dense - sparse)
            .collect();
        let line = |values: Vec<f32>, raster: &Raster, map| {
            Raster::paint(&values, 367, (raster.min, raster.max), map, false).rgba
        };
        for (weights, raster, is_log) in [
            (&numbers.sparse, &view.sparse.map, true),
            (&numbers.dense, &dense.map, true),
            (&differences, &dense.difference, false),
        ] {
            let shown = |column| match naive(weights, column) {
                weight if is_log => weight.log10(),
                difference => difference,
            };
            let expected = line((0..367).map(shown).collect(), raster, raster.map);
            assert_eq!(raster.rgba[cell * 367 * 4..][..367 * 4], expected[..], "cell {cell}");
        }
    }
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
    for (pattern, refusal) in [
        (
            Pattern::Upstream(SparsePattern { block_size: 0, ..SparsePattern::default() }),
            "attention/zero-block-size",
        ),
        (Pattern::Pyramid(Pyramid { window: 4, per_level: 0 }), "attention/zero-per-level"),
    ] {
        assert_eq!(code(AttentionAsk { pattern, ..first_ask(FRAME) }), refusal);
    }
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
    let ask = AttentionAsk { n: 64, pattern: Pattern::Upstream(pattern), ..first_ask(FRAME) };
    let raster = compared(&mut session, &ask).expect("an answer").1.difference;
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
    let logits = session.logits(&ask).expect("logits");
    let (_, plain) = compared(&mut session, &ask).expect("a view");
    let mut spreads = vec![plain.score_spread];
    for magnitude in [1.0, 2.0, 4.0] {
        let ask = AttentionAsk { magnitude: Some(magnitude), ..ask };
        let (_, view) = compared(&mut session, &ask).expect("a view");
        assert_eq!(session.logits(&ask).expect("logits"), logits);
        assert_ne!(view.divergence, plain.divergence);
        spreads.push(view.score_spread);
    }
    assert!(spreads.is_sorted_by(|a, b| a < b), "{spreads:?}");
    // Scores grow with the square of the magnitude.
    assert!((spreads[3] / spreads[2] / 4.0 - 1.0).abs() < 1e-3, "{spreads:?}");
    for refused in [f32::NAN, -1.0, 1e9] {
        let ask = AttentionAsk { magnitude: Some(refused), ..ask };
        assert_eq!(compared(&mut session, &ask), Err(LabError::Magnitude));
    }
}
