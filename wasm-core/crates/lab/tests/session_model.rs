//! The model room: what is shown of a blob is what its bytes say.

mod session_support;

use csi_lab::blob_view::{heat_map, histogram, parse_seed};
use csi_lab::pattern::Pattern;
use csi_lab::session::{ModelAsk, NodeChoices, Session};
use csi_temporal::attention::{Pyramid, SparsePattern};
use csi_temporal::half::Storage;
use csi_temporal::head::TemporalHead;
use csi_temporal::rvne::Pooling;
use csi_temporal::rvne::{Dtype, WeightBlob};
use quickcheck::{TestResult, quickcheck};
use session_support::{default_model, fixture};

#[test]
fn the_default_blob_is_the_reference_recipes_byte_for_byte() {
    let mut session = Session::new();
    let view = session.blob_new(&default_model()).expect("a blob").clone();
    assert_eq!(session.blob_bytes().expect("bytes"), fixture("models/aether_seeded.rvne"));
    assert_eq!((view.bytes, view.parameters, view.dtype), (41_244, 10_304, "f32"));
    assert_eq!(view.crc32_hex, "dc807956");
    assert_eq!(view.trained_with, "not trained: random weights from seed c5110007deadbeef");
    assert_eq!(view.seed_hex.as_deref(), Some("c5110007deadbeef"));
    assert!(view.records.is_empty() && !view.attention.stored);
    assert_eq!(view.class_names, ["class 0", "class 1", "class 2", "class 3"]);
}

/// What a new blob is asked to look at is in its bytes, and in what is shown of them when they are
/// opened again; the weights are those of the seed all the same.
#[test]
fn a_new_blob_carries_its_pattern() {
    let edges =
        SparsePattern { window: 9, block_size: 300, landmarks: false, ..Default::default() };
    for (pattern, says) in [
        (Pattern::Upstream(edges), "upstream edges, window 9, block 300"),
        (Pattern::LnCount(edges), "upstream edges + ln(count), window 9, block 300"),
        (Pattern::Pyramid(Pyramid { window: 8, per_level: 3 }), "pyramid, window 8, 3 per level"),
    ] {
        let mut session = Session::new();
        let ask = ModelAsk { pattern, ..default_model() };
        let made = session.blob_new(&ask).expect("a blob").clone();
        let bytes = session.blob_bytes().expect("bytes").to_vec();
        let blob = WeightBlob::parse(&bytes).expect("a blob");
        let record = blob.trailer.attention.expect("a record");
        assert_eq!(Pattern::of_record(&record), Some(pattern));
        let reference = WeightBlob::parse(&fixture("models/aether_seeded.rvne")).expect("a blob");
        assert_eq!(blob.weights, reference.weights);
        let opened = session.blob_open("again", &bytes).expect("a blob").clone();
        assert_eq!((opened.attention.stored, opened.attention.kind), (true, pattern.name()));
        assert_eq!(opened.attention, made.attention);
        assert_eq!(
            opened.records[0].summary,
            format!("{says}, mean pooling, 50 frames a classification")
        );
        assert!(opened.trained_with.starts_with("not trained"), "{}", opened.trained_with);
        let head = TemporalHead::from_blob(&blob).expect("a head");
        assert_eq!(head.backend(), pattern.backend().0);
        assert_eq!(head.pattern().window, pattern.window());
    }
}

/// Choices for a node are in the record of the bytes, as the core reads it, and in words.
#[test]
fn a_new_blob_carries_what_a_node_is_to_do() {
    let node = NodeChoices {
        window_len: 300,
        storage: Storage::F16,
        streaming: true,
        pooling: Pooling::Last,
    };
    let mut session = Session::new();
    let ask = ModelAsk { node, ..default_model() };
    let view = session.blob_new(&ask).expect("a blob").clone();
    let blob = WeightBlob::parse(session.blob_bytes().expect("bytes")).expect("a blob");
    let record = blob.trailer.attention.expect("a record");
    assert_eq!((record.window_len, record.storage), (300, Storage::F16));
    assert_eq!((record.streaming, record.pooling), (true, Pooling::Last));
    assert_eq!(Pattern::of_record(&record), Some(Pattern::default()));
    assert_eq!(
        view.attention.node,
        "last-frame pooling, 300 frames a classification, rows kept as f16, \
         classified by the step of each frame"
    );
    session.blob_new(&default_model()).expect("a blob");
    let plain = WeightBlob::parse(session.blob_bytes().expect("bytes")).expect("a blob");
    assert_eq!(plain.trailer.attention, None, "what goes without saying is not written");
    assert_eq!(plain.weights, blob.weights);
}

#[test]
fn a_pattern_that_no_blob_can_hold_is_refused() {
    let mut session = Session::new();
    let mut code = |pattern| {
        let ask = ModelAsk { pattern, ..default_model() };
        session.blob_new(&ask).expect_err("a refusal").code()
    };
    let edges = |window, block_size| {
        Pattern::Upstream(SparsePattern { window, block_size, ..Default::default() })
    };
    let pyramid = |window, per_level| Pattern::Pyramid(Pyramid { window, per_level });
    assert_eq!(code(edges(65_536, 16)), "lab/pattern-range");
    assert_eq!(code(edges(8, 65_536)), "lab/pattern-range");
    assert_eq!(code(edges(8, 0)), "attention/zero-block-size");
    assert_eq!(code(pyramid(65_536, 1)), "lab/pattern-range");
    assert_eq!(code(pyramid(8, 256)), "lab/pattern-range");
    assert_eq!(code(pyramid(8, 0)), "attention/zero-per-level");
}

/// The header table has the file's bytes, and no byte of header or CRC is left out.
#[test]
fn the_header_table_covers_the_header() {
    let bytes = fixture("models/tiny_f16_every_record.rvne");
    let mut session = Session::new();
    let view = session.blob_open("tiny", &bytes).expect("a blob");
    let mut covered = vec![false; bytes.len()];
    for field in &view.header {
        let hex: Vec<u8> =
            field.hex.split(' ').map(|byte| u8::from_str_radix(byte, 16).expect("hex")).collect();
        assert_eq!(hex, bytes[field.offset..field.offset + hex.len()], "{}", field.field);
        covered[field.offset..field.offset + hex.len()].fill(true);
    }
    assert!(
        covered[..24].iter().all(|byte| *byte)
            && covered[bytes.len() - 4..].iter().all(|byte| *byte)
    );
    assert_eq!(view.header[0].hex, "45 4e 56 52");
}

#[test]
fn every_record_is_listed_with_a_name() {
    let mut session = Session::new();
    let view = session
        .blob_open("tiny", &fixture("models/tiny_f16_every_record.rvne"))
        .expect("a blob")
        .clone();
    let tags: Vec<u8> = view.records.iter().map(|record| record.tag).collect();
    for tag in [0x01, 0x02, 0x03, 0x04, 0x05, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88] {
        assert!(tags.contains(&tag), "{tag:#x} in {tags:x?}");
    }
    for record in &view.records {
        assert_eq!(record.name == "unknown", record.tag > 5 && record.tag < 0x80, "{record:?}");
        assert!(!record.summary.is_empty(), "{record:?}");
    }
    assert!(view.attention.stored);
    assert!(
        view.trained_with != "not stated" && !view.trained_with.starts_with("not trained"),
        "{}",
        view.trained_with
    );
}

#[test]
fn what_is_not_stated_is_not_claimed() {
    let mut session = Session::new();
    let seeded =
        session.blob_open("aether", &fixture("models/aether_seeded.rvne")).expect("a blob").clone();
    assert!(seeded.trained_with.starts_with("not trained"), "recognised by its weights");
    let other =
        session.blob_open("tiny", &fixture("models/tiny_f32.rvne")).expect("a blob").clone();
    assert_eq!(
        (other.trained_with.as_str(), other.seed_hex),
        ("not stated", None),
        "seed 1 is not the default seed"
    );
}

#[test]
fn conversion_there_and_back_says_what_it_cost() {
    let mut session = Session::new();
    session.blob_new(&default_model()).expect("a blob");
    let narrow = session.blob_convert(Dtype::F16).expect("f16");
    assert_eq!(
        (narrow.view.dtype, narrow.view.bytes, narrow.error.overflowed),
        ("f16", 28 + 2 * 10_304, 0)
    );
    // Weights lie in [-0.1, 0.1]: half of the spacing of binary16 just below 0.125.
    assert!(
        narrow.error.max_abs > 0.0 && narrow.error.max_abs <= 2f32.powi(-15),
        "{:?}",
        narrow.error
    );
    assert!(narrow.error.mean_abs < narrow.error.max_abs);
    assert!(narrow.view.trained_with.starts_with("not trained"));
    let wide = session.blob_convert(Dtype::F32).expect("f32");
    assert_eq!((wide.view.dtype, wide.view.bytes, wide.error.max_abs), ("f32", 41_244, 0.0));
    assert_ne!(
        session.blob_bytes().expect("bytes"),
        fixture("models/aether_seeded.rvne"),
        "rounding stays"
    );
}

#[test]
fn matrices_have_the_statistics_of_their_weights() {
    let mut session = Session::new();
    let view = session.blob_new(&default_model()).expect("a blob").clone();
    let names: Vec<&str> = view.matrices.iter().map(|matrix| matrix.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "layer0.Wq",
            "layer0.Wk",
            "layer0.Wv",
            "layer0.Wo",
            "layer1.Wq",
            "layer1.Wk",
            "layer1.Wv",
            "layer1.Wo",
            "Wc"
        ]
    );
    assert_eq!(view.matrices.iter().map(|matrix| matrix.rows * matrix.cols).sum::<usize>(), 10_304);
    for (index, matrix) in view.matrices.iter().enumerate() {
        let (edges, counts) = session.histogram(index, 32).expect("a histogram");
        assert_eq!((edges[0] as f32, edges[32] as f32), (matrix.min, matrix.max));
        assert_eq!(counts.iter().sum::<f32>() as usize, matrix.rows * matrix.cols);
        let raster = session.heat_map(index, true).expect("a heat map");
        assert_eq!((raster.width, raster.height), (matrix.cols, matrix.rows));
        let largest = matrix.max.abs().max(matrix.min.abs());
        assert!((raster.max - largest.log10()).abs() < 1e-6);
    }
    assert_eq!(session.histogram(9, 32).expect_err("nine matrices").code(), "lab/matrix");
}

#[test]
fn heat_maps_of_odd_matrices_stand() {
    assert_eq!(heat_map(&[0.0; 6], 3, false).height, 2);
    let raster = heat_map(&[1.0, 1e-9, 0.0, -1.0], 2, false);
    assert_eq!((raster.min, raster.max), (-4.0, 0.0), "four decades below the largest");
    assert_eq!(raster.rgba[4..8], raster.rgba[8..12], "too small to tell from zero");
    assert_eq!(raster.rgba[0..4], raster.rgba[12..16], "the sign does not show");
}

#[test]
fn seeds_are_hexadecimal() {
    assert_eq!(parse_seed("C5110007DEADBEEF"), Some(0xC511_0007_DEAD_BEEF));
    assert_eq!(parse_seed(" 0xff "), Some(255));
    for bad in ["", "0x", "xyz", "12345678901234567", "-1", "+1", "1 2"] {
        assert_eq!(parse_seed(bad), None, "{bad:?}");
    }
}

quickcheck! {
    fn a_histogram_counts_every_weight_where_it_lies(weights: Vec<f32>, bins: u8) -> TestResult {
        let finite: Vec<f32> = weights.iter().copied().filter(|w| w.is_finite()).collect();
        if finite.is_empty() { return TestResult::discard(); }
        let bins = usize::from(bins) + 1;
        let (edges, counts) = histogram(&weights, bins);
        assert_eq!((edges.len(), counts.len()), (bins + 1, bins));
        let naive: Vec<f32> = (0..bins).map(|bin| {
            let last = bin + 1 == bins;
            finite.iter().filter(|w| {
                let w = f64::from(**w);
                w >= edges[bin] && (w < edges[bin + 1] || last) || (bin == 0 && w < edges[0])
            }).count() as f32
        }).collect();
        TestResult::from_bool(counts == naive)
    }
}

/// A safetensors file is opened as the blob it stands for, and saved as the same file again.
#[test]
fn a_safetensors_file_opens_as_its_blob() {
    let mut session = Session::new();
    session.blob_new(&default_model()).expect("a blob");
    let file = session.blob_safetensors().expect("a file");
    session.blob_open("tiny", &fixture("models/tiny_f32.rvne")).expect("a blob");
    session.blob_open("back.safetensors", &file).expect("a blob");
    assert_eq!(session.blob_bytes().expect("bytes"), fixture("models/aether_seeded.rvne"));
    assert_eq!(session.blob_safetensors().expect("a file"), file);
    let refused = session.blob_open("cut", &file[..file.len() - 1]).expect_err("it was cut");
    assert_eq!(refused.code(), "safetensors/container");
    assert_eq!(session.blob_bytes().expect("bytes"), fixture("models/aether_seeded.rvne"));
}
