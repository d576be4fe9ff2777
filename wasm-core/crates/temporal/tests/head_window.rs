//! A moving window says what a forward pass over its rows says, to the bit.

mod support;

use csi_temporal::attention::{self, BackendKind, SparsePattern};
use csi_temporal::half::Storage;
use csi_temporal::head::{HeadError, HeadWindow, TemporalHead};
use csi_temporal::rvne::{
    AttentionPattern, AttentionRecord, DEFAULT_SEED, Dtype, HeadShape, Pooling, WeightBlob,
};
use support::random::Random;
use support::{bits, blob};

/// Any layers, heads and records; one layer is what a node runs.
fn any_head(random: &mut Random) -> (WeightBlob, TemporalHead) {
    let kv_heads = random.between(1, 3);
    let shape = HeadShape {
        input_dim: random.between(1, 9) as u16,
        q_heads: (kv_heads * random.between(1, 5)) as u16,
        kv_heads: kv_heads as u16,
        head_dim: random.between(1, 9) as u16,
        layers: random.between(1, 3) as u16,
        classes: random.between(2, 9) as u16,
    };
    let switches = random.between(0, blob::ALL as usize) as u32;
    let mut blob = blob::with_records(shape, switches, random);
    if let Some(record) = &mut blob.trailer.attention {
        if random.between(0, 3) == 0 {
            record.pattern = AttentionPattern::Salient;
            record.salient = random.between(1, 9) as u8;
        }
        record.storage = random.pick(&[Storage::F32, Storage::F16]);
    }
    let head = TemporalHead::from_blob(&blob).unwrap();
    (blob, head)
}

#[test]
fn window_equals_forward_over_the_rows_held() {
    for seed in 0..80 {
        let mut random = Random::new(seed);
        let (_, head) = any_head(&mut random);
        let capacity = random.between(1, 40);
        let features = head.feature_dim();
        let rows = random.numbers(90 * features, 2.0);
        let mut window = HeadWindow::new(&head, capacity).unwrap();
        assert!(window.is_empty());
        for end in 1..=90 {
            window.push(&head, &rows[(end - 1) * features..end * features]).unwrap();
            let held = end.min(capacity);
            assert_eq!((window.len(), window.is_full()), (held, held == capacity));
            // Classifying or not must not matter to later windows.
            if random.between(0, 3) == 0 || end == 90 {
                let logits = bits(window.classify(&head).unwrap());
                let rows = &rows[(end - held) * features..end * features];
                let expected = head.forward(rows, head.backend()).unwrap().logits;
                assert_eq!(logits, bits(&expected), "seed {seed}, {end} rows");
            }
        }
        window.clear();
        assert_eq!(window.classify(&head).unwrap_err(), HeadError::NoRows);
        window.push(&head, &rows[..features]).unwrap();
        let logits = bits(window.classify(&head).unwrap());
        let expected = head.forward(&rows[..features], head.backend()).unwrap().logits;
        assert_eq!(logits, bits(&expected), "seed {seed}, after clearing");
    }
}

/// Rows that follow each other take over what was planned, but not from another pattern's pass.
#[test]
fn a_pattern_may_change_between_two_rows() {
    let mut blob = blob::bare(HeadShape { layers: 1, ..blob::SMALL }, &mut Random::new(3));
    let record = AttentionRecord { pooling: Pooling::Last, ..AttentionRecord::default() };
    blob.trailer.attention = Some(record);
    let mut head = TemporalHead::from_blob(&blob).unwrap();
    let rows = Random::new(4).numbers(90 * 6, 2.0);
    let mut window = HeadWindow::new(&head, 90).unwrap();
    for end in 1..=90 {
        let pattern = SparsePattern { window: [2, 5, 9][end / 5 % 3], ..head.pattern() };
        head.set_pattern(SparsePattern { landmarks: false, ..pattern }).unwrap();
        window.push(&head, &rows[(end - 1) * 6..end * 6]).unwrap();
        let logits = bits(window.classify(&head).unwrap());
        let expected = head.forward(&rows[..end * 6], head.backend()).unwrap().logits;
        assert_eq!(logits, bits(&expected), "{end} rows");
    }
}

/// Sums `x W` column by column for a row-major `[in][out]` matrix.
fn times(x: &[f32], w: &[f32]) -> Vec<f32> {
    let cols = w.len() / x.len();
    let column = |c: usize| x.iter().zip(w.chunks(cols)).fold(0.0, |sum, (x, w)| sum + x * w[c]);
    (0..cols).map(column).collect()
}

fn mean(rows: impl Iterator<Item = Vec<f32>>) -> Vec<f32> {
    let (mut sums, mut count) = (Vec::new(), 0.0);
    for row in rows {
        sums.resize(row.len(), 0.0);
        sums.iter_mut().zip(row).for_each(|(sum, number)| *sum += number);
        count += 1.0;
    }
    sums.into_iter().map(|sum: f32| sum / count).collect()
}

/// The order of the last sums, put together here from the public parts: whole tensors through the
/// kernels instead of a ring, and the formula of the documentation.
#[test]
fn forward_follows_the_documented_order() {
    for seed in 0..60 {
        let mut random = Random::new(1000 + seed);
        let (mut blob, _) = any_head(&mut random);
        blob.trailer.feed_forward = None;
        if let Some(record) = &mut blob.trailer.attention {
            // Block means of rows that are kept as f16 are f16 too; those of tensors are not.
            record.storage = Storage::F32;
        }
        let head = TemporalHead::from_blob(&blob).unwrap();
        let (count, backend) = (random.between(1, 40), head.backend());
        let rows = random.numbers(count * head.feature_dim(), 2.0);
        let last = usize::from(blob.shape.layers) - 1;
        let matrix = |name: &str| {
            let matrices = blob.matrices();
            let matrix = matrices.iter().find(|matrix| matrix.name == name).unwrap();
            &blob.weights[matrix.range.clone()]
        };
        let (wo, wc) = (matrix(&format!("layer{last}.Wo")), matrix("Wc"));
        let below = if last > 0 {
            // The rows below the last layer are those after the last of a head without it.
            let mut short = blob.clone();
            short.shape.layers -= 1;
            let kept = short.shape.weight_count().unwrap() - wc.len();
            short.weights.truncate(kept);
            short.weights.extend_from_slice(wc);
            for (part, width) in [
                (&mut short.trailer.rms_gains, blob.shape.input_dim),
                (&mut short.trailer.slopes, blob.shape.q_heads),
            ] {
                part.iter_mut().for_each(|part| part.truncate(last * usize::from(width)));
            }
            TemporalHead::from_blob(&short).unwrap().hidden(&rows, backend).unwrap()
        } else if blob.trailer.embedding.is_none() && blob.trailer.normalisation.is_none() {
            rows.clone()
        } else {
            continue;
        };
        let qkv = head.layer_qkv(&rows, last, backend).unwrap();
        let mixed = attention::forward(backend, &qkv.view(), &head.pattern()).unwrap();
        let start = if head.pooling() == Pooling::Last { count - 1 } else { 0 };
        let width = mixed.heads() * mixed.dim();
        let mixed = mixed.data().chunks(width).skip(start).map(<[f32]>::to_vec);
        let d = usize::from(blob.shape.input_dim);
        let classified = below.chunks(d).skip(start).map(|x| times(x, wc));
        let mut expected = times(&times(&mean(mixed), wo), wc);
        expected.iter_mut().zip(mean(classified)).for_each(|(logit, x)| *logit += x);
        if let Some(bias) = &blob.trailer.bias {
            expected.iter_mut().zip(bias).for_each(|(logit, bias)| *logit += bias);
        }
        let got = head.forward(&rows, backend).unwrap().logits;
        assert_eq!(bits(&got), bits(&expected), "seed {seed}");
    }
}

#[test]
fn refused_rows_leave_the_window_as_it_was() {
    let mut random = Random::new(2);
    let head = TemporalHead::from_blob(&blob::bare(blob::SMALL, &mut random)).unwrap();
    assert_eq!(HeadWindow::new(&head, 0).map(|_| ()).unwrap_err(), HeadError::NoRows);
    assert!(HeadWindow::new(&head, usize::MAX / 2).is_err(), "no memory, and no panic");
    let rows = random.numbers(7 * 6, 1.0);
    let mut window = HeadWindow::new(&head, 5).unwrap();
    for (index, row) in rows.chunks(6).enumerate() {
        let held = index.min(5);
        let error = window.push(&head, &row[1..]).unwrap_err();
        assert_eq!(error, HeadError::RowsLength { feature_dim: 6, got: 5 });
        let error = window.push(&head, &[f32::NAN; 6]).unwrap_err();
        assert_eq!(error, HeadError::RowNotFinite { row: held, column: 0 });
        assert!(window.push(&head, &[3e38; 6]).is_err(), "a projection overflows");
        window.push(&head, row).unwrap();
        let first = (index + 1).saturating_sub(5) * 6;
        let expected = head.forward(&rows[first..(index + 1) * 6], BackendKind::Sparse).unwrap();
        assert_eq!(bits(window.classify(&head).unwrap()), bits(&expected.logits));
    }
}

#[test]
fn a_window_belongs_to_its_head() {
    let mut random = Random::new(3);
    let shape = HeadShape { layers: 1, classes: 6, ..blob::SMALL };
    let bare = blob::bare(shape, &mut random);
    let head = TemporalHead::from_blob(&bare).unwrap();
    let mut window = HeadWindow::new(&head, 4).unwrap();
    window.push(&head, &[0.5; 6]).unwrap();
    let mut others = Vec::new();
    for other in [
        HeadShape { classes: 4, ..shape },
        HeadShape { layers: 2, ..shape },
        HeadShape { head_dim: 4, ..shape },
    ] {
        others.push(blob::bare(other, &mut random));
    }
    // The same shape, but rows are kept in another form.
    let mut other = blob::with_records(shape, 0b10_0000, &mut random);
    others.push(other.clone());
    other.trailer.feed_forward = Some(blob::wide_feed_forward(shape));
    others.push(other.clone());
    other.trailer.feed_forward = None;
    for record in [
        AttentionRecord { storage: Storage::F16, ..AttentionRecord::default() },
        AttentionRecord {
            pattern: AttentionPattern::Salient,
            salient: 3,
            ..AttentionRecord::default()
        },
    ] {
        other.trailer.attention = Some(record);
        others.push(other.clone());
    }
    other.trailer.attention = None;
    other.trailer.embedding = blob::with_records(shape, 0b1_0000, &mut random).trailer.embedding;
    if other.feature_dim() != 6 {
        others.push(other);
    }
    for other in others {
        let other = TemporalHead::from_blob(&other).unwrap();
        if other.record().pattern != AttentionPattern::Salient {
            let error = window.push(&other, &[0.5; 6]).unwrap_err();
            assert_eq!(error, HeadError::StreamOfAnotherHead);
        }
        let error = window.classify(&other).unwrap_err();
        assert_eq!(error, HeadError::StreamOfAnotherHead);
    }
    assert!(window.classify(&head).is_ok());
}

/// The default shape and more rows than a window: blocks, strides and both layers.
#[test]
fn the_default_shape_moves_on() {
    let blob = WeightBlob::seeded(HeadShape::default(), DEFAULT_SEED, Dtype::F32).unwrap();
    let head = TemporalHead::from_blob(&blob).unwrap();
    let rows = Random::new(4).numbers(300 * 16, 2.0);
    let mut window = HeadWindow::new(&head, 100).unwrap();
    for row in rows.chunks(16) {
        window.push(&head, row).unwrap();
    }
    let expected = head.forward(&rows[200 * 16..], BackendKind::Sparse).unwrap().logits;
    assert_eq!(bits(window.classify(&head).unwrap()), bits(&expected));
}
