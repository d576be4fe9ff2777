//! The head against the definition in f64, with every record of the trailer and without.

mod support;

use csi_temporal::attention::BackendKind;
use csi_temporal::head::TemporalHead;
use csi_temporal::rvne::{DEFAULT_SEED, Dtype, HeadShape, WeightBlob};
use support::random::Random;
use support::{bits, blob, max_abs_diff, max_abs_error, naive, tolerance};

fn relative_error(blob: &WeightBlob, rows: &[f32]) -> f64 {
    let head = TemporalHead::from_blob(blob).unwrap();
    let got = head.forward(rows, head.backend()).unwrap();
    let exact = naive::head(blob, rows);
    let scale = exact.iter().fold(1.0, |max: f64, logit| max.max(logit.abs()));
    max_abs_error(&got.logits, &exact) / scale
}

#[test]
fn logits_equal_the_twin_for_every_set_of_records() {
    let mut worst = 0.0_f64;
    for switches in 0..=blob::ALL {
        let mut random = Random::new(switches.into());
        let blob = blob::with_records(blob::SMALL, switches, &mut random);
        let frames = random.between(1, 40);
        // Rows of a thousandth make the norm's epsilon count.
        for scale in [2.0, 0.001] {
            let rows = random.numbers(frames * blob.feature_dim(), scale);
            let error = relative_error(&blob, &rows);
            assert!(error <= tolerance::HEAD, "records {switches:07b}, scale {scale}: {error:e}");
            worst = worst.max(error);
        }
    }
    println!("largest relative error: {worst:e}");
}

#[test]
fn the_default_shape_equals_the_twin() {
    let blob = WeightBlob::seeded(HeadShape::default(), DEFAULT_SEED, Dtype::F32).unwrap();
    for frames in [1, 16, 33, 100] {
        let rows = Random::new(frames as u64).numbers(frames * 16, 2.0);
        assert!(relative_error(&blob, &rows) <= tolerance::HEAD, "{frames} frames");
    }
}

/// Each record does something: leaving it out changes the logits.
#[test]
fn every_record_changes_the_result() {
    let mut random = Random::new(9);
    let full = blob::with_records(blob::SMALL, blob::ALL, &mut random);
    let rows = random.numbers(30 * full.feature_dim(), 2.0);
    let logits = |blob: &WeightBlob| {
        let head = TemporalHead::from_blob(blob).unwrap();
        bits(&head.forward(&rows, head.backend()).unwrap().logits)
    };
    let expected = logits(&full);
    type Change = fn(&mut WeightBlob);
    let changes: [(&str, Change); 7] = [
        ("attention", |blob| blob.trailer.attention = None),
        ("normalisation", |blob| blob.trailer.normalisation = None),
        ("gains", |blob| blob.trailer.rms_gains = None),
        ("bias", |blob| blob.trailer.bias = None),
        ("embedding", |blob| blob.trailer.embedding.as_mut().unwrap().matrix.reverse()),
        ("feed-forward", |blob| blob.trailer.feed_forward = None),
        ("slopes", |blob| blob.trailer.slopes = None),
    ];
    for (name, change) in changes {
        let mut changed = full.clone();
        change(&mut changed);
        assert_ne!(logits(&changed), expected, "{name}");
    }
}

/// The attention room's question: the same weights, another backend.
#[test]
fn a_saturated_head_without_landmarks_is_a_dense_head() {
    let mut random = Random::new(4);
    let blob = blob::with_records(blob::SMALL, blob::ALL & !1, &mut random);
    let rows = random.numbers(40 * blob.feature_dim(), 1.0);
    let mut head = TemporalHead::from_blob(&blob).unwrap();
    let logits = |head: &TemporalHead, backend| head.forward(&rows, backend).unwrap().logits;
    let dense = logits(&head, BackendKind::Dense);
    assert!(max_abs_diff(&logits(&head, BackendKind::Sparse), &dense) > 1e-6);
    let mut pattern = head.pattern();
    pattern.window = 40;
    pattern.landmarks = false;
    head.set_pattern(pattern).unwrap();
    assert_eq!(bits(&logits(&head, BackendKind::Sparse)), bits(&dense));
}

/// Layer by layer, what attention reads leads to what the head says.
#[test]
fn layer_inputs_are_those_of_the_forward_pass() {
    let mut random = Random::new(5);
    let blob = blob::bare(blob::SMALL, &mut random);
    let rows = random.numbers(20 * blob.feature_dim(), 1.0);
    let head = TemporalHead::from_blob(&blob).unwrap();
    let first = |backend| head.layer_qkv(&rows, 0, backend).unwrap();
    assert_eq!(first(BackendKind::Dense), first(BackendKind::Sparse), "nothing ran below");
    let second = |backend| head.layer_qkv(&rows, 1, backend).unwrap();
    assert_ne!(second(BackendKind::Dense), second(BackendKind::Sparse));
    let qkv = second(BackendKind::Dense);
    assert_eq!((qkv.q.shape(), qkv.k.shape()), ([20, 4, 5], [20, 2, 5]));
    let wq = &blob.weights[blob.matrices()[0].range.clone()];
    let expected: f32 = (0..6).map(|d| rows[6 + d] * wq[d * 20 + 7]).sum();
    let got = first(BackendKind::Dense).q.row(1, 1)[2];
    assert!((got - expected).abs() < 1e-6, "{got} {expected}");
}

#[test]
fn upstream_runs_the_head_too() {
    let mut random = Random::new(6);
    let blob = blob::with_records(blob::SMALL, blob::ALL & !0b100_0001, &mut random);
    let rows = random.numbers(64 * blob.feature_dim(), 1.0);
    let head = TemporalHead::from_blob(&blob).unwrap();
    let logits = |backend| head.forward(&rows, backend).unwrap().logits;
    for (ours, theirs) in [
        (BackendKind::Sparse, BackendKind::Upstream),
        (BackendKind::Sparse, BackendKind::UpstreamGated { top_k: 64 }),
        (BackendKind::Dense, BackendKind::UpstreamDense),
    ] {
        let (ours, theirs) = (logits(ours), logits(theirs));
        let scale = support::magnitude(&ours);
        assert!(
            max_abs_diff(&ours, &theirs) <= tolerance::HEAD as f32 * scale,
            "{ours:?} {theirs:?}"
        );
    }
}
