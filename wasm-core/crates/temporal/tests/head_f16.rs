//! Rows kept as f16: what is rounded, what it costs in accuracy, and what is refused.

mod support;

use csi_temporal::attention::{AttentionError, BackendKind, Operand};
use csi_temporal::half::Storage;
use csi_temporal::head::{HeadError, HeadWindow, TemporalHead};
use csi_temporal::rvne::{AttentionRecord, DEFAULT_SEED, Dtype, HeadShape, WeightBlob};
use support::random::Random;
use support::{bits, blob, max_abs_diff, tolerance};

fn with_storage(blob: &WeightBlob, storage: Storage) -> TemporalHead {
    let mut blob = blob.clone();
    blob.trailer.attention.get_or_insert_default().storage = storage;
    TemporalHead::from_blob(&blob).unwrap()
}

/// Against the crate `half`: exactly queries, keys and values are rounded, and to the nearest.
#[test]
fn queries_keys_and_values_are_rounded() {
    let mut random = Random::new(1);
    let blob = blob::bare(blob::SMALL, &mut random);
    let rows = random.numbers(30 * 6, 3.0);
    let layer = |storage| {
        let head = with_storage(&blob, storage);
        assert_eq!(head.storage(), storage);
        head.layer_qkv(&rows, 0, BackendKind::Sparse).unwrap()
    };
    let (exact, rounded) = (layer(Storage::F32), layer(Storage::F16));
    for (exact, rounded) in [(&exact.q, &rounded.q), (&exact.k, &rounded.k), (&exact.v, &rounded.v)]
    {
        let expected: Vec<f32> =
            exact.data().iter().map(|number| half::f16::from_f32(*number).to_f32()).collect();
        assert_eq!(bits(rounded.data()), bits(&expected));
        assert_ne!(bits(rounded.data()), bits(exact.data()));
    }
}

/// The error that half the memory costs, on trained-like sizes and on the default weights.
#[test]
fn logits_stay_close() {
    let mut worst = 0.0_f32;
    for seed in 0..100 {
        let mut random = Random::new(seed);
        let switches = random.between(0, blob::ALL as usize) as u32;
        let blob = blob::with_records(blob::SMALL, switches, &mut random);
        let rows = random.numbers(40 * blob.feature_dim(), 2.0);
        let logits = |storage| {
            let head = with_storage(&blob, storage);
            head.forward(&rows, head.backend()).unwrap().logits
        };
        let (exact, rounded) = (logits(Storage::F32), logits(Storage::F16));
        assert_ne!(bits(&exact), bits(&rounded), "seed {seed}");
        let error = max_abs_diff(&exact, &rounded) / support::magnitude(&exact);
        assert!(error <= tolerance::HEAD_F16, "seed {seed}: {error:e}");
        worst = worst.max(error);
    }
    println!("largest relative error: {worst:e}");
}

#[test]
fn numbers_beyond_f16_are_refused_and_not_infinite() {
    let shape = HeadShape { layers: 1, ..HeadShape::default() };
    let blob = WeightBlob::seeded(shape, DEFAULT_SEED, Dtype::F32).unwrap();
    for (name, which) in
        [("layer0.Wq", Operand::Q), ("layer0.Wk", Operand::K), ("layer0.Wv", Operand::V)]
    {
        let mut blob = blob.clone();
        let matrices = blob.matrices();
        let matrix = matrices.iter().find(|matrix| matrix.name == name).unwrap();
        // The largest f16 is 65504; from 65520 on numbers round to infinity.
        for (weight, fits) in [(65504.0, true), (65519.0, true), (65520.0, false), (9e9, false)] {
            blob.weights[matrix.range.clone()].fill(0.0);
            blob.weights[matrix.range.start + 3] = weight;
            let mut row = [0.0; 16];
            row[0] = 1.0;
            let head = with_storage(&blob, Storage::F16);
            let expected = if fits {
                Ok(())
            } else {
                let error = AttentionError::BeyondF16 { which, token: 0, head: 0 };
                assert_eq!(error.code(), "attention/beyond-f16");
                Err(HeadError::Attention(error))
            };
            assert_eq!(head.forward(&row, BackendKind::Sparse).map(|_| ()), expected, "{name}");
            let mut window = HeadWindow::new(&head, 3).unwrap();
            assert_eq!(window.push(&head, &row), expected);
            assert_eq!(window.len(), usize::from(fits), "a refused row leaves it as it was");
            let mut stream = head.start_stream(BackendKind::Sparse, 3).unwrap();
            assert_eq!(stream.step(&head, &row).map(|_| ()), expected);
            let head = with_storage(&blob, Storage::F32);
            assert!(head.forward(&row, BackendKind::Sparse).is_ok(), "f32 has room");
        }
    }
}

#[test]
fn a_blob_says_whether_it_streams() {
    let mut blob = blob::bare(blob::SMALL, &mut Random::new(2));
    for streaming in [false, true] {
        blob.trailer.attention = Some(AttentionRecord { streaming, ..AttentionRecord::default() });
        assert_eq!(TemporalHead::from_blob(&blob).unwrap().is_streaming(), streaming);
    }
}
