//! Blobs against bytes written by hand and by an independent program (`fixtures/models/README.md`).

use csi_temporal::crc32::crc32;
use csi_temporal::feature::{FeatureSource, MeanRemoval, PipelineConfig};
use csi_temporal::half::{Storage, f16_to_f32, f32_to_f16};
use csi_temporal::rvne::*;

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/../../../fixtures/models/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

const FILES: [&str; 5] = [
    "aether_seeded.rvne",
    "tiny_f32.rvne",
    "odd_f16.rvne",
    "odd_f16_empty_trailer.rvne",
    "tiny_f16_every_record.rvne",
];

#[test]
fn a_tiny_blob_reads_and_writes_byte_for_byte() {
    #[rustfmt::skip]
    let mut bytes = vec![
        0x45, 0x4E, 0x56, 0x52,  1, 0,  0,  0,   // magic, version, flags, reserved
        1, 0,  1, 0,  1, 0,  1, 0,  1, 0,  2, 0, // input_dim, q, kv, head_dim, layers, classes
        24, 0, 0, 0,                             // weights_len
        0, 0, 0x80, 0x3F,   0, 0, 0, 0xC0,       // Wq = 1, Wk = -2
        0, 0, 0, 0x3F,      0, 0, 0, 0x80,       // Wv = 0.5, Wo = -0
        0, 0, 0x40, 0x40,   1, 0, 0, 0,          // Wc = 3 and the smallest number above 0
    ];
    bytes.extend_from_slice(&crc32(&bytes).to_le_bytes());
    let blob = WeightBlob::parse(&bytes).unwrap();
    let one =
        HeadShape { input_dim: 1, q_heads: 1, kv_heads: 1, head_dim: 1, layers: 1, classes: 2 };
    assert_eq!((blob.shape, blob.dtype), (one, Dtype::F32));
    assert_eq!(blob.weights, [1.0, -2.0, 0.5, -0.0, 3.0, f32::from_bits(1)]);
    assert!(blob.weights[3].is_sign_negative());
    assert_eq!(blob.trailer, Trailer::default());
    assert_eq!(blob.encode().unwrap(), bytes);
    let names: Vec<_> =
        blob.matrices().into_iter().map(|m| (m.name, m.rows, m.cols, m.range)).collect();
    let expected = ["layer0.Wq", "layer0.Wk", "layer0.Wv", "layer0.Wo"].into_iter().enumerate();
    let mut expected: Vec<_> =
        expected.map(|(i, name)| (name.to_string(), 1, 1, i..i + 1)).collect();
    expected.push(("Wc".to_string(), 1, 2, 4..6));
    assert_eq!(names, expected);
}

#[test]
fn seeded_blobs_equal_an_independent_program_byte_for_byte() {
    let aether = WeightBlob::seeded(HeadShape::default(), DEFAULT_SEED, Dtype::F32).unwrap();
    let bytes = aether.encode().unwrap();
    assert_eq!(bytes.len(), 41_244);
    assert_eq!(aether.weights.len(), 10_304);
    assert_eq!(aether.file_crc32(), Ok(0xDC80_7956));
    assert_eq!(bytes[24..32], [0xC3, 0x33, 0x5F, 0xBD, 0x92, 0x88, 0xCB, 0x3D]);
    assert_eq!(bytes, fixture("aether_seeded.rvne"));

    let tiny =
        HeadShape { input_dim: 2, q_heads: 2, kv_heads: 1, head_dim: 2, layers: 1, classes: 2 };
    let blob = WeightBlob::seeded(tiny, 1, Dtype::F32).unwrap();
    assert_eq!(blob.encode().unwrap(), fixture("tiny_f32.rvne"));

    let odd =
        HeadShape { input_dim: 1, q_heads: 1, kv_heads: 1, head_dim: 1, layers: 1, classes: 3 };
    let mut blob = WeightBlob::seeded(odd, 2, Dtype::F16).unwrap();
    assert_eq!(blob.encode().unwrap(), fixture("odd_f16.rvne"));
    blob.trailer.even_if_empty = true;
    assert_eq!(blob.encode().unwrap(), fixture("odd_f16_empty_trailer.rvne"));
}

#[test]
fn every_fixture_is_written_back_byte_for_byte() {
    for name in FILES {
        let bytes = fixture(name);
        let blob = WeightBlob::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(blob.encode().unwrap(), bytes, "{name}");
        let stored = u32::from_le_bytes(*bytes.last_chunk().unwrap());
        assert_eq!(blob.file_crc32(), Ok(stored), "{name}");
    }
}

#[test]
fn every_record_is_read_as_it_was_written() {
    let bytes = fixture("tiny_f16_every_record.rvne");
    let blob = WeightBlob::parse(&bytes).unwrap();
    let trailer = &blob.trailer;
    let texts =
        |names: &[&str]| Some(names.iter().map(|name| name.to_string()).collect::<Vec<_>>());
    assert_eq!(trailer.name.as_deref(), Some("tiny, Modell Nº 1"));
    assert_eq!(trailer.class_names, texts(&["empty", "walking"]));
    assert_eq!(trailer.feature_names, texts(&["a", "b", "da", "db", "|da|", "|db|"]));
    assert_eq!(trailer.provenance.as_deref(), Some("{\"trained_on\":\"nothing\"}"));
    let attention = AttentionRecord {
        window: 8,
        block_size: 4,
        pattern: AttentionPattern::LnCount,
        log_stride: true,
        landmarks: false,
        global_token: true,
        storage: Storage::F32,
        streaming: false,
        per_level: 3,
        pooling: Pooling::Last,
        window_len: 50,
        salient: 2,
        frame_rate_hz: 50.0,
    };
    assert_eq!(trailer.attention, Some(attention));
    let normalisation = Normalisation {
        mean: vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
        inv_std: vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0],
    };
    assert_eq!(trailer.normalisation, Some(normalisation));
    assert_eq!(trailer.rms_gains, Some(vec![1.0, 0.5]));
    assert_eq!(trailer.bias, Some(vec![-1.0, 1.0]));
    let matrix = (0..12).map(|i| i as f32 / 8.0).collect();
    assert_eq!(trailer.embedding, Some(Embedding { feature_dim: 6, matrix }));
    let numbers: Vec<f32> = (0..12).map(|i| -i as f32 / 4.0).collect();
    let layer = FeedForwardLayer {
        gains: vec![1.0, 2.0],
        w1: numbers[..6].to_vec(),
        w2: numbers[6..].to_vec(),
    };
    assert_eq!(trailer.feed_forward, Some(FeedForward { hidden: 3, layers: vec![layer] }));
    assert_eq!(trailer.slopes, Some(vec![0.0, 0.25]));
    let pipeline = PipelineConfig {
        source: FeatureSource::Csi,
        useful: vec![5, 0, 7],
        bands: 2,
        divide_by_mean: true,
        mean_removal: MeanRemoval::Exponential { time_constant_s: 1.5 },
        rate_hz: 50.0,
        lags: vec![2],
        lag_absolute: true,
    };
    assert_eq!(trailer.pipeline, Some(pipeline));
    let signature = trailer.signature.unwrap();
    assert_eq!((signature.public_key[31], signature.signature[0]), (31, 32));
    assert_eq!(trailer.unknown, [(0x7F, b"kept unread".to_vec()), (0x06, vec![])]);
    assert_eq!(trailer.order[..3], [0x7F, 0x88, 0x82]);
    assert_eq!(blob.feature_dim(), 6);

    let records = trailer_records(&bytes).unwrap();
    assert_eq!(records.len(), 15);
    assert!(records.iter().all(|record| record.start % 4 == 0));
    assert_eq!(&bytes[records[0].payload.clone()], b"kept unread");
}

#[test]
fn without_an_order_records_go_by_tag_and_a_signature_goes_last() {
    let mut blob = WeightBlob::parse(&fixture("tiny_f16_every_record.rvne")).unwrap();
    blob.trailer.order.clear();
    let tags = blob.trailer.tags();
    let expected = [1, 2, 3, 4, 6, 0x7F, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 5];
    assert_eq!(tags, expected);
    let again = WeightBlob::parse(&blob.encode().unwrap()).unwrap();
    assert_eq!(again.trailer.order, expected);
}

#[test]
fn to_f16_and_back_reports_what_it_did() {
    let mut blob = WeightBlob::parse(&fixture("tiny_f32.rvne")).unwrap();
    blob.weights[0] = 1e6;
    blob.weights[1] = -65_519.0;
    blob.trailer.embedding = Some(Embedding { feature_dim: 1, matrix: vec![0.1, -1e9] });
    blob.trailer.signature = Some(Signature { public_key: [0; 32], signature: [0; 64] });
    let (short, error) = blob.to_dtype(Dtype::F16);
    assert_eq!(error.overflowed, 2);
    assert_eq!((short.weights[0], short.weights[1]), (65_504.0, -65_504.0));
    assert_eq!(error.max_abs, 1e9 - 65_504.0);
    assert_eq!(short.trailer.signature, None, "it signed other bytes");
    for (narrow, wide) in short.weights.iter().zip(&blob.weights).skip(2) {
        assert_eq!(*narrow, f16_to_f32(f32_to_f16(*wide)));
    }
    let parsed = WeightBlob::parse(&short.encode().unwrap()).unwrap();
    assert_eq!(parsed.weights, short.weights);
    let (long, error) = short.to_dtype(Dtype::F32);
    assert_eq!(error, ConversionError::default());
    assert_eq!((long.dtype, &long.weights), (Dtype::F32, &short.weights));

    let aether = WeightBlob::parse(&fixture("aether_seeded.rvne")).unwrap();
    let (short, error) = aether.to_dtype(Dtype::F16);
    assert_eq!(short.encode().unwrap().len(), 28 + 2 * 10_304);
    let differences = short.weights.iter().zip(&aether.weights).map(|(a, b)| (a - b).abs());
    let (max, sum) =
        differences.fold((0.0_f32, 0.0_f64), |(max, sum), d| (max.max(d), sum + f64::from(d)));
    assert_eq!((error.max_abs, error.overflowed), (max, 0));
    assert_eq!(error.mean_abs, (sum / 10_304.0) as f32);
    assert!(max > 0.0 && max <= 1.0 / 32_768.0, "half a step below 0.125: {max}");
}

#[test]
fn statistics_are_those_of_the_definition() {
    let stats = Stats::of(&[1.0, -3.0, 0.0, 6.0, -0.0]).unwrap();
    assert_eq!((stats.min, stats.max, stats.mean, stats.zeros), (-3.0, 6.0, 0.8, 2));
    // Variance (0.04 + 14.44 + 0.64 + 27.04 + 0.64) / 5 = 8.56.
    assert!((stats.std - libm::sqrtf(8.56)).abs() < 1e-6);
    assert_eq!(Stats::of(&[]), None);
    assert_eq!(Stats::of(&[2.5]).map(|s| (s.mean, s.std)), Some((2.5, 0.0)));
}

#[test]
fn impossible_shapes_and_seeds_are_refused() {
    let shape = HeadShape::default();
    let seeded = |shape, seed| WeightBlob::seeded(shape, seed, Dtype::F32).err().unwrap();
    assert_eq!(seeded(shape, 0).code(), "rvne/zero-seed");
    assert_eq!(seeded(HeadShape { layers: 0, ..shape }, 1).code(), "rvne/zero-dimension");
    assert_eq!(
        seeded(HeadShape { kv_heads: 3, ..shape }, 1),
        BlobError::GqaRatio { q_heads: 4, kv_heads: 3 }
    );
    assert_eq!(
        seeded(HeadShape { classes: 1, ..shape }, 1),
        BlobError::TooFewClasses { classes: 1 }
    );
    let most = u16::MAX;
    let huge = HeadShape {
        input_dim: most,
        q_heads: most,
        kv_heads: most,
        head_dim: most,
        layers: most,
        classes: most,
    };
    assert_eq!(seeded(huge, 1).code(), "rvne/shape-too-large");
    let typo = HeadShape { head_dim: 64_000, ..shape };
    assert_eq!(
        seeded(typo, 1).code(),
        "rvne/shape-too-large",
        "fits the format, not this function"
    );
}

/// The sixth byte of record 0x81, bit by bit, in a file and back.
#[test]
fn every_switch_is_read_and_written() {
    let mut blob = WeightBlob::parse(&fixture("tiny_f32.rvne")).unwrap();
    blob.trailer.attention = Some(AttentionRecord::default());
    let mut file = blob.encode().unwrap();
    let record = trailer_records(&file).unwrap().remove(0);
    assert_eq!((record.tag, record.payload.len()), (0x81, 16));
    assert_eq!(file[record.payload.start + 5], 0b111, "the default");
    for switches in 0..32_u8 {
        file[record.payload.start + 5] = switches;
        let end = file.len() - 4;
        let crc = crc32(&file[..end]).to_le_bytes();
        file[end..].copy_from_slice(&crc);
        let blob = WeightBlob::parse(&file).unwrap();
        let read = blob.trailer.attention.unwrap();
        let on = |bit: u8| switches >> bit & 1 == 1;
        assert_eq!(
            (read.log_stride, read.landmarks, read.global_token, read.streaming),
            (on(0), on(1), on(2), on(4))
        );
        assert_eq!(read.storage, if on(3) { Storage::F16 } else { Storage::F32 });
        assert_eq!(blob.encode().unwrap(), file, "switches {switches:05b}");
    }
}
