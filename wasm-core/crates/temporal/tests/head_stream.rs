//! Row by row, a head says what it says about the window.

mod support;

use csi_temporal::attention::{AttentionError, BackendKind};
use csi_temporal::half::Storage;
use csi_temporal::head::{HeadError, TemporalHead};
use csi_temporal::rvne::{AttentionPattern, Pooling};
use support::random::Random;
use support::{bits, blob};

#[test]
fn stream_equals_forward_with_last_pooling() {
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let switches = random.between(0, blob::ALL as usize) as u32;
        let mut blob = blob::with_records(blob::SMALL, switches, &mut random);
        if let Some(record) = &mut blob.trailer.attention {
            record.storage = random.pick(&[Storage::F32, Storage::F16]);
        }
        let mut head = TemporalHead::from_blob(&blob).unwrap();
        head.set_pooling(Pooling::Last);
        let backend = random.pick(&[
            BackendKind::Sparse,
            BackendKind::SparseLnCount,
            BackendKind::Pyramid { per_level: 2 },
            BackendKind::Salient { groups: 5 },
        ]);
        let rows = random.numbers(45 * head.feature_dim(), 2.0);
        let mut stream = head.start_stream(backend, 45).unwrap();
        for (index, row) in rows.chunks(head.feature_dim()).enumerate() {
            let logits = bits(stream.step(&head, row).unwrap());
            let so_far = &rows[..(index + 1) * head.feature_dim()];
            let expected = head.forward(so_far, backend).unwrap().logits;
            assert_eq!(logits, bits(&expected), "seed {seed}, row {index}");
        }
    }
}

/// With mean pooling a stream says the mean of what it would say with last-row pooling, over the
/// last rows that the blob reads per classification.
#[test]
fn a_stream_with_mean_pooling_takes_the_mean_of_the_last_rows() {
    for (seed, window_len) in [(1, 7), (2, 1), (3, 0), (4, 1000)] {
        let mut random = Random::new(seed);
        let mut blob = blob::with_records(blob::SMALL, blob::ALL, &mut random);
        let record = blob.trailer.attention.as_mut().unwrap();
        (record.pattern, record.window_len) = (AttentionPattern::LnCount, window_len);
        let mut head = TemporalHead::from_blob(&blob).unwrap();
        let rows = random.numbers(30 * head.feature_dim(), 2.0);
        head.set_pooling(Pooling::Last);
        let mut last = head.start_stream(head.backend(), 30).unwrap();
        let last_head = head.clone();
        head.set_pooling(Pooling::Mean);
        let mut mean = head.start_stream(head.backend(), 30).unwrap();
        let error = mean.step(&last_head, &rows[..head.feature_dim()]).unwrap_err();
        assert_eq!(error, HeadError::StreamOfAnotherHead);
        for round in 0..2 {
            let mut said: Vec<Vec<f32>> = Vec::new();
            for row in rows.chunks(head.feature_dim()) {
                said.push(last.step(&last_head, row).unwrap().to_vec());
                let recent = &said[said.len().saturating_sub(usize::from(window_len.max(1)))..];
                let expected: Vec<f32> = (0..3)
                    .map(|class| recent.iter().fold(0.0, |sum, logits| sum + logits[class]))
                    .map(|sum| sum / recent.len() as f32)
                    .collect();
                let got = mean.step(&head, row).unwrap();
                assert_eq!(bits(got), bits(&expected), "seed {seed}, round {round}");
            }
            last.reset();
            mean.reset();
        }
    }
}

#[test]
fn a_stream_that_remembers_nothing_is_refused() {
    let head = TemporalHead::from_blob(&blob::bare(blob::SMALL, &mut Random::new(1))).unwrap();
    let error = head.start_stream(BackendKind::Sparse, 0).map(drop).unwrap_err();
    assert_eq!(error, AttentionError::ZeroCapacity.into());
    let error = head.start_stream(BackendKind::Pyramid { per_level: 0 }, 9).map(drop).unwrap_err();
    assert_eq!(error, AttentionError::ZeroPerLevel.into());
    assert!(head.start_stream(BackendKind::Pyramid { per_level: 1 }, 0).is_ok(), "no ring");
}

#[test]
fn dense_has_no_decode_step() {
    let mut blob = blob::with_records(blob::SMALL, blob::ALL, &mut Random::new(1));
    blob.trailer.attention.as_mut().unwrap().pattern = AttentionPattern::Dense;
    let head = TemporalHead::from_blob(&blob).unwrap();
    assert_eq!(head.backend(), BackendKind::Dense);
    for backend in [head.backend(), BackendKind::UpstreamDense] {
        let error = head.start_stream(backend, 10).map(|_| ()).unwrap_err();
        assert_eq!(error, HeadError::DenseHasNoDecodeStep);
        assert_eq!(error.code(), "head/dense-has-no-decode-step");
    }
    for backend in [BackendKind::Upstream, BackendKind::UpstreamGated { top_k: 1 }] {
        let error = head.start_stream(backend, 10).map(|_| ()).unwrap_err();
        assert_eq!(error, HeadError::UpstreamHasNoStream);
    }
}

#[test]
fn refused_rows_leave_the_stream_as_it_was() {
    let mut random = Random::new(2);
    let blob = blob::bare(blob::SMALL, &mut random);
    let head = TemporalHead::from_blob(&blob).unwrap();
    let rows = random.numbers(3 * 6, 1.0);
    let mut stream = head.start_stream(BackendKind::Sparse, 3).unwrap();
    let mut clean = head.start_stream(BackendKind::Sparse, 3).unwrap();
    for row in rows.chunks(6) {
        let error = stream.step(&head, &row[1..]).unwrap_err();
        assert_eq!(error, HeadError::RowsLength { feature_dim: 6, got: 5 });
        let nan: Vec<f32> = row.iter().map(|_| f32::NAN).collect();
        let index = stream.len();
        let error = stream.step(&head, &nan).unwrap_err();
        assert_eq!(error, HeadError::RowNotFinite { row: index, column: 0 });
        let logits = bits(stream.step(&head, row).unwrap());
        assert_eq!(logits, bits(clean.step(&head, row).unwrap()));
    }
    // Beyond its capacity it goes on.
    for _ in 0..9 {
        let logits = bits(stream.step(&head, &rows[..6]).unwrap());
        assert_eq!(logits, bits(clean.step(&head, &rows[..6]).unwrap()));
    }
    assert_eq!(stream.len(), 12);
    stream.reset();
    assert!(stream.is_empty());
    clean.reset();
    let again = bits(stream.step(&head, &rows[..6]).unwrap());
    assert_eq!(again, bits(clean.step(&head, &rows[..6]).unwrap()));
}

#[test]
fn an_overflow_breaks_the_stream_until_it_is_reset() {
    let blob = blob::bare(blob::SMALL, &mut Random::new(3));
    let head = TemporalHead::from_blob(&blob).unwrap();
    let mut stream = head.start_stream(BackendKind::Sparse, 3).unwrap();
    assert!(stream.step(&head, &[3e38; 6]).is_err());
    assert_eq!(stream.step(&head, &[1.0; 6]).unwrap_err(), HeadError::StreamBroken);
    stream.reset();
    assert!(stream.step(&head, &[1.0; 6]).is_ok());
}

#[test]
fn a_stream_belongs_to_its_head() {
    let mut random = Random::new(4);
    let head = TemporalHead::from_blob(&blob::bare(blob::SMALL, &mut random)).unwrap();
    let shape = csi_temporal::rvne::HeadShape { classes: 4, ..blob::SMALL };
    let other = TemporalHead::from_blob(&blob::bare(shape, &mut random)).unwrap();
    let mut stream = head.start_stream(BackendKind::Sparse, 3).unwrap();
    assert_eq!(stream.step(&other, &[1.0; 6]).unwrap_err(), HeadError::StreamOfAnotherHead);
    // The same shape, but another last layer.
    let mut other = blob::bare(blob::SMALL, &mut random);
    other.trailer.feed_forward = Some(blob::wide_feed_forward(blob::SMALL));
    let other = TemporalHead::from_blob(&other).unwrap();
    assert_eq!(stream.step(&other, &[1.0; 6]).unwrap_err(), HeadError::StreamOfAnotherHead);
    assert!(stream.step(&head, &[1.0; 6]).is_ok());
}
