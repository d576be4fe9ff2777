//! Every bad blob and every bad window has its own error.

mod support;

use csi_temporal::attention::{AttentionError, BackendKind, SparsePattern};
use csi_temporal::head::{HeadError, Part, TemporalHead};
use csi_temporal::rvne::{AttentionPattern, AttentionRecord, BlobError, HeadShape, WeightBlob};
use support::blob;
use support::random::Random;

fn full() -> WeightBlob {
    blob::with_records(blob::SMALL, blob::ALL, &mut Random::new(1))
}

fn refused(change: impl FnOnce(&mut WeightBlob)) -> HeadError {
    let mut blob = full();
    change(&mut blob);
    TemporalHead::from_blob(&blob).map(|_| ()).unwrap_err()
}

#[test]
fn records_that_leave_their_pattern_open_are_refused() {
    // A record that says nothing of the groups names no salient pattern.
    let pattern = AttentionPattern::Salient;
    let record = AttentionRecord { pattern, salient: 0, ..AttentionRecord::default() };
    let error = refused(|blob| blob.trailer.attention = Some(record));
    assert_eq!(error, AttentionError::ZeroGroups.into());
    assert_eq!(error.code(), "attention/zero-groups");
    // A record that says nothing of the blocks per level names no pyramid.
    let pattern = AttentionPattern::Pyramid;
    let record = AttentionRecord { pattern, per_level: 0, ..AttentionRecord::default() };
    let error = refused(|blob| blob.trailer.attention = Some(record));
    assert_eq!(error, AttentionError::ZeroPerLevel.into());
    let record = AttentionRecord { block_size: 0, ..AttentionRecord::default() };
    let error = refused(|blob| blob.trailer.attention = Some(record));
    assert_eq!(error, AttentionError::ZeroBlockSize.into());
    assert_eq!(error.code(), "attention/zero-block-size");
}

#[test]
fn blobs_put_together_wrongly_are_refused() {
    use HeadError::{PartLength, PartNotFinite};
    let shape = HeadShape { kv_heads: 3, ..blob::SMALL };
    let error = refused(|blob| blob.shape = shape);
    assert_eq!(error, HeadError::Blob(BlobError::GqaRatio { q_heads: 4, kv_heads: 3 }));
    assert_eq!(error.code(), "rvne/gqa-ratio");
    let count = blob::SMALL.weight_count().unwrap();
    let error = refused(|blob| blob.weights.truncate(count - 1));
    assert_eq!(error, PartLength { part: Part::Weights, expected: count, got: count - 1 });
    let error = refused(|blob| blob.weights[7] = f32::NAN);
    assert_eq!(error, PartNotFinite { part: Part::Weights, index: 7 });
    let error = refused(|blob| blob.trailer.bias = Some(vec![0.0; 4]));
    assert_eq!(error, PartLength { part: Part::Bias, expected: 3, got: 4 });
    let error = refused(|blob| blob.trailer.rms_gains = Some(vec![f32::INFINITY; 12]));
    assert_eq!(error, PartNotFinite { part: Part::RmsGains, index: 0 });
    let error = refused(|blob| blob.trailer.slopes = Some(vec![0.0; 7]));
    assert_eq!(error, PartLength { part: Part::Slopes, expected: 8, got: 7 });
    let error = refused(|blob| blob.trailer.slopes.as_mut().unwrap()[6] = -0.25);
    assert_eq!(error, AttentionError::BadSlope { head: 2 }.into());
    let error = refused(|blob| blob.trailer.normalisation.as_mut().unwrap().inv_std.clear());
    assert!(matches!(error, PartLength { part: Part::Normalisation, got: 0, .. }));
    let error = refused(|blob| blob.trailer.embedding.as_mut().unwrap().feature_dim = 0);
    assert!(matches!(error, PartLength { part: Part::Embedding, .. }));
    let error = refused(|blob| {
        blob.trailer.feed_forward.as_mut().unwrap().layers.pop();
    });
    assert_eq!(error, PartLength { part: Part::FeedForward, expected: 2, got: 1 });
    let error = refused(|blob| blob.trailer.feed_forward.as_mut().unwrap().layers[1].w2.clear());
    assert!(matches!(error, PartLength { part: Part::FeedForward, got: 0, .. }));
}

#[test]
fn bad_windows_are_refused() {
    let blob = blob::bare(blob::SMALL, &mut Random::new(2));
    let head = TemporalHead::from_blob(&blob).unwrap();
    for backend in [BackendKind::Sparse, BackendKind::Dense, BackendKind::Upstream] {
        let refused = |rows: &[f32]| head.forward(rows, backend).unwrap_err();
        assert_eq!(refused(&[]), HeadError::NoRows);
        assert_eq!(refused(&[0.0; 13]), HeadError::RowsLength { feature_dim: 6, got: 13 });
        let mut rows = [0.5; 18];
        rows[14] = f32::NEG_INFINITY;
        assert_eq!(refused(&rows), HeadError::RowNotFinite { row: 2, column: 2 });
        let error = refused(&[3e38; 12]);
        assert!(
            matches!(
                error,
                HeadError::Overflow
                    | HeadError::Attention(
                        AttentionError::NotFinite { .. } | AttentionError::Overflow { .. }
                    )
            ),
            "{error:?}"
        );
    }
    let error = head.layer_qkv(&[0.0; 12], 2, BackendKind::Sparse).unwrap_err();
    assert_eq!(error, HeadError::LayerOutOfRange { layer: 2, layers: 2 });
}

/// The attention room runs a head by any backend, and what a blob does not say of its own pattern's
/// neighbours is 0.
#[test]
fn backends_that_the_blob_says_nothing_of_are_refused() {
    let mut blob = blob::bare(blob::SMALL, &mut Random::new(6));
    let record = AttentionRecord {
        pattern: AttentionPattern::Dense,
        block_size: 0,
        ..AttentionRecord::default()
    };
    blob.trailer.attention = Some(record);
    let head = TemporalHead::from_blob(&blob).unwrap();
    assert!(head.forward(&[0.5; 12], head.backend()).is_ok());
    for (backend, expected) in [
        (BackendKind::Sparse, AttentionError::ZeroBlockSize),
        (BackendKind::SparseLnCount, AttentionError::ZeroBlockSize),
        (BackendKind::Upstream, AttentionError::ZeroBlockSize),
        (BackendKind::UpstreamGated { top_k: 2 }, AttentionError::ZeroBlockSize),
        (BackendKind::Pyramid { per_level: 0 }, AttentionError::ZeroPerLevel),
        (BackendKind::Salient { groups: 0 }, AttentionError::ZeroGroups),
    ] {
        let error = HeadError::Attention(expected);
        assert_eq!(head.forward(&[0.5; 12], backend), Err(error), "{backend:?}");
        assert_eq!(head.hidden(&[0.5; 12], backend), Err(error), "{backend:?}");
        if !backend.is_upstream() {
            assert_eq!(head.start_stream(backend, 4).map(|_| ()), Err(error), "{backend:?}");
        }
    }
}

#[test]
fn what_upstream_cannot_compute_is_refused() {
    let rows = [0.5; 12];
    let mut blob = blob::bare(blob::SMALL, &mut Random::new(3));
    let record =
        AttentionRecord { pattern: AttentionPattern::LnCount, ..AttentionRecord::default() };
    blob.trailer.attention = Some(record);
    let head = TemporalHead::from_blob(&blob).unwrap();
    assert_eq!(head.backend(), BackendKind::SparseLnCount);
    for backend in [BackendKind::Upstream, BackendKind::UpstreamGated { top_k: 2 }] {
        let error = head.forward(&rows, backend).unwrap_err();
        assert_eq!(error, AttentionError::UpstreamLnCount.into());
    }
    assert!(head.forward(&rows, BackendKind::UpstreamDense).is_ok());
    blob.trailer.slopes = Some(vec![0.1; 8]);
    let head = TemporalHead::from_blob(&blob).unwrap();
    let error = head.forward(&rows, BackendKind::UpstreamDense).unwrap_err();
    assert_eq!(error, AttentionError::UpstreamSlopes.into());
}

#[test]
fn a_head_stays_causal() {
    let blob = blob::bare(blob::SMALL, &mut Random::new(4));
    let mut head = TemporalHead::from_blob(&blob).unwrap();
    let pattern = head.pattern();
    assert_eq!(pattern, SparsePattern::default());
    let error = head.set_pattern(SparsePattern { causal: false, ..pattern }).unwrap_err();
    assert_eq!(error, HeadError::NotCausal);
    let error = head.set_pattern(SparsePattern { block_size: 0, ..pattern }).unwrap_err();
    assert_eq!(error, AttentionError::ZeroBlockSize.into());
    assert_eq!(head.pattern(), pattern, "a refused pattern changes nothing");
}

/// Finite rows and finite weights may still leave f32: between layers, and in the logits.
#[test]
fn an_overflow_is_an_error_and_not_nan() {
    for name in ["layer0.Wo", "layer1.Wo", "Wc"] {
        let mut blob = blob::bare(blob::SMALL, &mut Random::new(5));
        let matrices = blob.matrices();
        let matrix = matrices.iter().find(|matrix| matrix.name == name).unwrap();
        blob.weights[matrix.range.clone()].fill(f32::MAX);
        let head = TemporalHead::from_blob(&blob).unwrap();
        let error = head.forward(&[50.0; 30], BackendKind::Sparse).unwrap_err();
        assert_eq!(error, HeadError::Overflow, "{name}");
        assert_eq!(error.code(), "head/overflow");
    }
}

/// The norm divides by a root of squares: infinite ones would make a loud row a silent one.
#[test]
fn squares_beyond_f32_are_an_error_and_not_zeros() {
    for backend in [BackendKind::Sparse, BackendKind::Dense, BackendKind::Salient { groups: 3 }] {
        let mut blob = blob::bare(blob::SMALL, &mut Random::new(7));
        blob.trailer.rms_gains = Some(vec![1.0; 12]);
        let head = TemporalHead::from_blob(&blob).unwrap();
        assert!(head.forward(&[1e18; 6], backend).is_ok());
        assert!(head.forward(&[2e19; 6], backend).is_err(), "{backend:?}");
        let mut stream = head.start_stream(BackendKind::Sparse, 4).unwrap();
        assert!(stream.step(&head, &[2e19; 6]).is_err());
    }
}
