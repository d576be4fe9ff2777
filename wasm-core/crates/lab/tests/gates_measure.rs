//! The gates' measures are those of NumPy and SciPy and of small cases by hand, and each gate can fail.

use std::path::PathBuf;

use csi_lab::gates::{
    Contrastive, Embedded, Latency, Material, TEMPERATURE, Units, embeddings, judge, nearest,
    rank_one, spearman,
};
use csi_lab::train::Random;
use csi_temporal::attention::{BackendKind, SparsePattern};
use csi_temporal::head::TemporalHead;
use csi_temporal::rvne::{AttentionRecord, Dtype, HeadShape, Pooling, WeightBlob};
use serde_json::Value;

fn reference() -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let file =
        std::fs::read(path.join("../../../fixtures/gates/measures.json")).expect("a fixture");
    serde_json::from_slice(&file).expect("JSON")
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|n| n.as_f64().expect("a number")).collect()
}

fn units(value: &Value) -> Units {
    Units::new(&floats(value).iter().map(|n| *n as f32).collect::<Vec<_>>(), 5)
}

fn near(got: f64, expected: f64) {
    assert!((got - expected).abs() < 1e-12 * expected.abs().max(1.0), "{got} and {expected}");
}

#[test]
fn the_loss_is_numpys() {
    let says = reference();
    let loss = Contrastive::of_pairs(&units(&says["a"]), &units(&says["b"]));
    near(loss.info_nce, says["info_nce"].as_f64().expect("a number"));
    near(loss.variance, says["variance"].as_f64().expect("a number"));
    near(loss.covariance, says["covariance"].as_f64().expect("a number"));
    near(loss.total, loss.info_nce + 25.0 * loss.variance + loss.covariance);
}

/// Two pairs at right angles: each view sees its twin at 1, the two others at 0.
#[test]
fn the_loss_of_two_pairs_is_known() {
    let corners = Units::new(&[3.0, 0.0, 0.0, 0.5], 2);
    let loss = Contrastive::of_pairs(&corners, &corners);
    near(loss.info_nce, (1.0 + 2.0 * (-1.0 / TEMPERATURE).exp()).ln());
    // Each number is 1, 0, 1, 0: variance 1/3, covariance -1/3.
    near(loss.variance, 1.0 - (1.0_f64 / 3.0 + 1e-4).sqrt());
    near(loss.covariance, 1.0 / 9.0);
    assert_eq!(Contrastive::of_pairs(&Units::new(&[1.0], 1), &corners), Contrastive::default());
    let mean = Contrastive::mean(&[(loss, 3), (Contrastive::default(), 1)]);
    near(mean.total, 0.75 * loss.total);
}

#[test]
fn rank_correlations_are_scipys_ties_included() {
    for pair in reference()["spearman"].as_array().expect("pairs") {
        let rho = spearman(&floats(&pair["x"]), &floats(&pair["y"])).expect("both vary");
        near(rho, pair["rho"].as_f64().expect("a number"));
    }
    near(spearman(&[1.0, 2.0, 9.0], &[-3.0, 0.0, 0.5]).expect("both vary"), 1.0);
    near(spearman(&[1.0, 2.0, 9.0], &[3.0, 2.0, 1.0]).expect("both vary"), -1.0);
    assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), None);
    assert_eq!(spearman(&[], &[]), None);
}

#[test]
fn the_nearest_are_numpys() {
    let says = reference();
    let classes = |key: &str| floats(&says[key]).iter().map(|n| *n as usize).collect::<Vec<_>>();
    let right = rank_one(
        &units(&says["queries"]),
        &classes("query_classes"),
        &units(&says["gallery"]),
        &classes("gallery_classes"),
    );
    assert_eq!(right as u64, says["right"].as_u64().expect("a count"));
    assert!(right > 0 && right < 11, "the case can tell");
    assert_eq!(nearest(&[0.5, 0.9, 0.5, -1.0], 3), [1, 0, 2]);
    assert_eq!(rank_one(&units(&says["queries"]), &[0], &Units::new(&[], 5), &[]), 0);
}

fn head(pooling: Pooling) -> TemporalHead {
    let shape =
        HeadShape { input_dim: 6, q_heads: 4, kv_heads: 2, head_dim: 4, layers: 2, classes: 3 };
    let mut blob = WeightBlob::seeded(shape, 5, Dtype::F32).expect("a blob");
    // As large as trained ones, so that patterns differ.
    blob.weights.iter_mut().for_each(|weight| *weight *= 12.0);
    let record = AttentionRecord { pooling, window: 2, block_size: 4, ..Default::default() };
    blob.trailer.attention = Some(record);
    TemporalHead::from_blob(&blob).expect("a head")
}

/// Three classes by the direction of their rows, with noise; views are other noise on the same.
fn material() -> Material {
    let mut random = Random::new(3);
    let mut window = |class: usize| -> Vec<f32> {
        let number = |at: usize| {
            let of_class = if at % 6 / 2 == class { 1.0 } else { 0.0 };
            of_class + 0.4 * (at / 6 * (class + 1) % 5) as f32
        };
        (0..40 * 6).map(|at| number(at) + 0.3 * random.normal()).collect()
    };
    let classes = |count: usize| (0..count).map(|at| at % 3).collect::<Vec<_>>();
    Material {
        gallery: classes(60).into_iter().map(&mut window).collect(),
        gallery_classes: classes(60),
        queries: classes(12).into_iter().map(&mut window).collect(),
        query_classes: classes(12),
        views: classes(70).into_iter().map(|class| [window(class), window(class)]).collect(),
    }
}

/// The classifier's matrix of the embedding is the logits, for either pooling.
#[test]
fn an_embedding_is_what_the_classifier_reads() {
    let window = vec![material().queries[0].clone()];
    for pooling in [Pooling::Mean, Pooling::Last] {
        let head = head(pooling);
        let unit = embeddings(&head, BackendKind::Sparse, &window).expect("embeddings");
        let logits = head.forward(&window[0], BackendKind::Sparse).expect("logits").logits;
        let shape = head.shape();
        let blob = WeightBlob::seeded(shape, 5, Dtype::F32).expect("a blob");
        let range = blob.matrices().pop().expect("a classifier").range;
        let by_hand: Vec<f64> = (0..3)
            .map(|class| {
                let matrix = &blob.weights[range.clone()];
                let products = unit.row(0).iter().enumerate();
                products.map(|(d, number)| number * f64::from(matrix[d * 3 + class])).sum()
            })
            .collect();
        // The direction only: an embedding has length 1.
        let length = |of: &[f64]| of.iter().map(|number| number * number).sum::<f64>().sqrt();
        let logits: Vec<f64> = logits.iter().map(|logit| f64::from(*logit)).collect();
        for (logit, ours) in logits.iter().zip(&by_hand) {
            assert!(
                (logit / length(&logits) - ours / length(&by_hand)).abs() < 1e-5,
                "{pooling:?}"
            );
        }
    }
}

#[test]
fn a_head_passes_beside_itself_and_every_gate_can_fail() {
    let (head, material) = (head(Pooling::Mean), material());
    let run = |backend| Embedded::new(&head, backend, &material).expect("embeddings");
    let dense = run(BackendKind::Dense);
    let fast = Some(Latency { dense: 5.0, sparse: 1.0 });
    let same = judge(&dense, &dense, fast);
    assert!(same.passes, "{same:?}");
    assert_eq!((same.queries, same.gallery, same.neighbours), (12, 60, 50));
    assert_eq!((same.loss.figure, same.rank_one.figure), (0.0, 0.0));
    assert!((same.order.figure - 1.0).abs() < 1e-12 && same.shared_neighbours == 1.0);

    let slow = judge(&dense, &dense, Some(Latency { dense: 4.9, sparse: 1.0 }));
    assert!(!slow.passes && !slow.latency.expect("measured").passes && slow.order.passes);
    let unmeasured = judge(&dense, &dense, None);
    assert!(!unmeasured.passes && unmeasured.latency.is_none());

    // Two rows of local window and nothing else is another head altogether.
    let mut blind = head.clone();
    let pattern = SparsePattern {
        window: 1,
        log_stride: false,
        landmarks: false,
        global_token: false,
        ..SparsePattern::default()
    };
    blind.set_pattern(pattern).expect("a causal pattern");
    let blind = Embedded::new(&blind, BackendKind::Sparse, &material).expect("embeddings");
    let judged = judge(&dense, &blind, fast);
    assert!(!judged.order.passes && judged.shared_neighbours < 1.0, "{judged:?}");

    // The same directions, under classes and pairs that are mixed up.
    let mut mixed = material.clone();
    mixed.query_classes.rotate_left(1);
    let seconds: Vec<Vec<f32>> = material.views.iter().map(|view| view[1].clone()).collect();
    for (view, second) in mixed.views.iter_mut().zip(seconds.iter().skip(1).cycle()) {
        view[1].clone_from(second);
    }
    let mixed = Embedded::new(&head, BackendKind::Dense, &mixed).expect("embeddings");
    let judged = judge(&dense, &mixed, fast);
    assert!(judged.order.passes && !judged.loss.passes, "{judged:?}");
    assert!(!judged.rank_one.passes && judged.rank_one.figure > 0.01, "{judged:?}");
    assert!(dense.rank_one > mixed.rank_one);
}
