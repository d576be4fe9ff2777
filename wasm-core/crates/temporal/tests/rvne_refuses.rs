//! Each way in which a blob can be wrong has its own error, and the order of the checks holds.

use csi_temporal::crc32::crc32;
use csi_temporal::feature::PipelineConfig;
use csi_temporal::rvne::*;

const TINY: HeadShape =
    HeadShape { input_dim: 2, q_heads: 2, kv_heads: 1, head_dim: 2, layers: 1, classes: 2 };

fn tiny() -> WeightBlob {
    WeightBlob::seeded(TINY, 1, Dtype::F32).unwrap()
}

/// Changes bytes of a sound blob and makes the CRC right again.
fn damaged(change: impl FnOnce(&mut Vec<u8>)) -> BlobError {
    let mut bytes = tiny().encode().unwrap();
    bytes.truncate(bytes.len() - 4);
    change(&mut bytes);
    bytes.extend_from_slice(&crc32(&bytes).to_le_bytes());
    WeightBlob::parse(&bytes).unwrap_err()
}

/// A tiny blob with these bytes as its trailer, right CRC.
fn with_trailer(trailer: &[u8]) -> Result<WeightBlob, BlobError> {
    let mut bytes = tiny().encode().unwrap();
    bytes.truncate(bytes.len() - 4);
    bytes[6] = 2;
    bytes.extend_from_slice(trailer);
    bytes.extend_from_slice(&crc32(&bytes).to_le_bytes());
    WeightBlob::parse(&bytes)
}

/// The same with one record and the end.
fn with_record(tag: u8, payload: &[u8]) -> Result<WeightBlob, BlobError> {
    let mut trailer = record(tag, payload);
    trailer.extend(record(0, &[]));
    with_trailer(&trailer)
}

fn record(tag: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag, 0, 0, 0];
    bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Where the trailer of a tiny blob starts: 24 + 28 weights.
const TRAILER: usize = 24 + 28 * 4;

#[test]
fn each_header_field_has_its_own_error() {
    assert_eq!(WeightBlob::parse(&[]), Err(BlobError::TooShort { needed: 28, got: 0 }));
    let cut = tiny().encode().unwrap();
    assert_eq!(WeightBlob::parse(&cut[..27]), Err(BlobError::TooShort { needed: 28, got: 27 }));
    assert_eq!(WeightBlob::parse(b"RVNE, big-endian"), Err(BlobError::MagicBigEndian));
    assert_eq!(WeightBlob::parse(b"PK\x03\x04"), Err(BlobError::Magic { got: 0x0403_4B50 }));
    assert_eq!(damaged(|b| b[4] = 2), BlobError::Version { got: 2 });
    assert_eq!(damaged(|b| b[6] = 0x44), BlobError::ReservedFlag { flags: 0x44 });
    assert_eq!(damaged(|b| b[7] = 9), BlobError::ReservedByte { got: 9 });
    let dimensions = [
        Dimension::InputDim,
        Dimension::QHeads,
        Dimension::KvHeads,
        Dimension::HeadDim,
        Dimension::Layers,
        Dimension::Classes,
    ];
    for (index, dimension) in dimensions.into_iter().enumerate() {
        let at = 8 + 2 * index;
        assert_eq!(damaged(|b| b[at..at + 2].fill(0)), BlobError::ZeroDimension { dimension });
    }
    assert_eq!(damaged(|b| b[0x0C] = 4), BlobError::GqaRatio { q_heads: 2, kv_heads: 4 });
    assert_eq!(damaged(|b| b[0x12] = 1), BlobError::TooFewClasses { classes: 1 });
    assert_eq!(damaged(|b| b[0x08..0x14].fill(0xFF)).code(), "rvne/shape-too-large");
    assert_eq!(damaged(|b| b[0x14] = 108), BlobError::WeightsLength { expected: 112, got: 108 });
    assert_eq!(damaged(|b| b[0x10] = 2), BlobError::WeightsLength { expected: 208, got: 112 });
    assert_eq!(damaged(|b| b.push(0)), BlobError::Length { expected: 140, got: 141 });
    assert_eq!(damaged(|b| b.truncate(100)), BlobError::Length { expected: 140, got: 104 });
    assert_eq!(damaged(|b| b[6] = 2), BlobError::Length { expected: 148, got: 140 });
    let nan = f32::NAN.to_le_bytes();
    assert_eq!(damaged(|b| b[28..32].copy_from_slice(&nan)), BlobError::NotFinite { index: 1 });
}

#[test]
fn a_wrong_crc_gives_both_values() {
    let mut bytes = tiny().encode().unwrap();
    let stored = u32::from_le_bytes(*bytes.last_chunk().unwrap());
    bytes[50] ^= 1;
    let computed = crc32(&bytes[..bytes.len() - 4]);
    let error = WeightBlob::parse(&bytes).unwrap_err();
    assert_eq!(error, BlobError::Crc { stored, computed });
    assert!(error.to_string().contains(&format!("{stored:08x}")));
    assert!(error.to_string().contains(&format!("{computed:08x}")));
}

/// Every single flipped bit is noticed: by its field where that stands before the CRC in the
/// order of checks, else by the CRC.
#[test]
fn every_flipped_bit_is_noticed() {
    let sound = tiny().encode().unwrap();
    for bit in 0..8 * sound.len() {
        let mut bytes = sound.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let code = WeightBlob::parse(&bytes).unwrap_err().code();
        let expected = match bit / 8 {
            0..4 => code == "rvne/magic",
            4..6 => code == "rvne/version",
            // f16 needs half the bytes, a trailer needs more.
            6 => ["rvne/reserved-flag", "rvne/weights-length", "rvne/length"].contains(&code),
            7 => code == "rvne/reserved-byte",
            8..20 => code != "rvne/crc",
            20..24 => code == "rvne/weights-length",
            _ => code == "rvne/crc",
        };
        assert!(expected, "bit {bit}: {code}");
    }
}

#[test]
fn each_trailer_fault_has_its_own_error() {
    let end = record(0, &[]);
    let error = |bytes: &[u8]| with_trailer(bytes).unwrap_err();
    let joined = |parts: &[&[u8]]| error(&parts.concat());

    assert!(with_trailer(&end).is_ok());
    let mut beyond = record(1, b"name");
    beyond[4] = 13;
    assert_eq!(
        joined(&[&beyond, &end]),
        BlobError::TrailerBounds { tag: 1, offset: TRAILER, len: 13 }
    );
    beyond[4..8].fill(0xFF);
    assert_eq!(
        joined(&[&beyond, &end]),
        BlobError::TrailerBounds { tag: 1, offset: TRAILER, len: u32::MAX }
    );
    let mut reserved = record(1, b"name");
    reserved[3] = 1;
    assert_eq!(joined(&[&reserved, &end]), BlobError::TrailerReserved { tag: 1, offset: TRAILER });
    let mut padding = record(1, b"names");
    padding[15] = 1;
    assert_eq!(joined(&[&padding, &end]), BlobError::TrailerPadding { offset: TRAILER + 15 });
    let name = record(1, b"name");
    assert_eq!(
        joined(&[&name, &name, &end]),
        BlobError::TrailerDuplicate { tag: 1, offset: TRAILER + 12 }
    );
    let unknown = record(0x89, b"");
    assert_eq!(joined(&[&unknown, &end]), BlobError::TrailerUnknown { tag: 0x89, offset: TRAILER });
    assert_eq!(joined(&[&record(0x80, b""), &end]).code(), "rvne/trailer-unknown");
    assert_eq!(joined(&[&name]), BlobError::TrailerEndMissing { offset: TRAILER + 12 });
    assert_eq!(
        joined(&[&name, &end, &[0, 0]]),
        BlobError::TrailerBytesAfterEnd { offset: TRAILER + 20, bytes: 2 }
    );
    assert_eq!(joined(&[&end, &end]).code(), "rvne/trailer-bytes-after-end");
    let long_end = record(0, b"data");
    assert_eq!(
        joined(&[&long_end]),
        BlobError::TrailerPayloadLength { tag: 0, expected: 0, got: 4 }
    );
}

#[test]
fn weights_that_end_off_a_multiple_of_4_are_padded_with_zeros() {
    let odd =
        HeadShape { input_dim: 1, q_heads: 1, kv_heads: 1, head_dim: 1, layers: 1, classes: 3 };
    let mut blob = WeightBlob::seeded(odd, 2, Dtype::F16).unwrap();
    blob.trailer.even_if_empty = true;
    let mut bytes = blob.encode().unwrap();
    bytes.truncate(bytes.len() - 4);
    bytes[39] = 1;
    bytes.extend_from_slice(&crc32(&bytes).to_le_bytes());
    assert_eq!(WeightBlob::parse(&bytes), Err(BlobError::TrailerPadding { offset: 39 }));
}

#[test]
fn each_payload_must_have_the_length_its_shape_demands() {
    let expected = [
        (5, 96_u64), // signature
        (0x81, 16),  // attention
        (0x82, 16),  // 2 * 2 features
        (0x83, 8),   // 1 layer * 2
        (0x84, 8),   // 2 classes
        (0x87, 8),   // 1 layer * 2 heads
    ];
    for (tag, expected) in expected {
        for got in [0, expected - 1, expected + 1] {
            let error = with_record(tag, &vec![0; got as usize]).unwrap_err();
            assert_eq!(error, BlobError::TrailerPayloadLength { tag, expected, got });
        }
        assert!(with_record(tag, &vec![0; expected as usize]).is_ok(), "{tag:#x}");
    }
    // Embedding of 3 features, feed-forward of 3 hidden.
    let sized = |len: usize| [&[3, 0, 0, 0], &vec![0; len][..]].concat();
    for (tag, len) in [(0x85, 3 * 2 * 4), (0x86, 2 * 4 + 2 * 2 * 3 * 4)] {
        assert!(with_record(tag, &sized(len)).is_ok());
        let (expected, got) = (len as u64 + 4, len as u64 + 3);
        assert_eq!(
            with_record(tag, &sized(len - 1)),
            Err(BlobError::TrailerPayloadLength { tag, expected, got })
        );
        assert_eq!(
            with_record(tag, &[1, 0]),
            Err(BlobError::TrailerPayloadLength { tag, expected: 4, got: 2 })
        );
        assert_eq!(
            with_record(tag, &[0, 0, 0, 0]),
            Err(BlobError::TrailerValue { tag, at: 0, value: 0 })
        );
        assert_eq!(
            with_record(tag, &[1, 0, 7, 0]),
            Err(BlobError::TrailerValue { tag, at: 2, value: 7 })
        );
    }
    assert!(with_record(0x86, &[0xFF; 65]).is_err());
}

#[test]
fn undefined_codes_are_refused_where_they_stand() {
    let sound = {
        let mut payload = vec![8, 0, 4, 0, 0, 7, 0, 0, 50, 0, 0, 0];
        payload.extend(floats(&[50.0]));
        payload
    };
    assert!(with_record(0x81, &sound).is_ok());
    for (at, value) in [(4, 5), (5, 32), (5, 128), (7, 2), (11, 1)] {
        let mut payload = sound.clone();
        payload[at] = value;
        let value = u16::from(value);
        assert_eq!(
            with_record(0x81, &payload),
            Err(BlobError::TrailerValue { tag: 0x81, at, value })
        );
    }
    let rate = |rate: f32| [&sound[..12], &floats(&[rate])].concat();
    assert_eq!(
        with_record(0x81, &rate(f32::NAN)),
        Err(BlobError::TrailerNotFinite { tag: 0x81, index: 0 })
    );
    assert_eq!(
        with_record(0x81, &rate(-1.0)),
        Err(BlobError::TrailerNegative { tag: 0x81, index: 0 })
    );
}

#[test]
fn numbers_that_make_no_sense_are_refused_by_index() {
    for (tag, count) in [(0x82, 4), (0x83, 2), (0x84, 2), (0x87, 2)] {
        let mut values = vec![0.0; count];
        values[count - 1] = f32::INFINITY;
        let error = with_record(tag, &floats(&values)).unwrap_err();
        assert_eq!(error, BlobError::TrailerNotFinite { tag, index: count - 1 });
    }
    let error = with_record(0x87, &floats(&[0.0, -0.5])).unwrap_err();
    assert_eq!(error, BlobError::TrailerNegative { tag: 0x87, index: 1 });
    // Feed-forward, hidden 1: gains 2, w1 2, w2 2.
    let payload = [&[1, 0, 0, 0], &floats(&[1.0, 1.0, 1.0, 1.0, 1.0, f32::NAN])[..]].concat();
    let error = with_record(0x86, &payload).unwrap_err();
    assert_eq!(error, BlobError::TrailerNotFinite { tag: 0x86, index: 5 });
}

#[test]
fn names_must_be_text_and_as_many_as_needed() {
    assert_eq!(with_record(1, b"ab\xFF"), Err(BlobError::TrailerUtf8 { tag: 1, at: 2 }));
    assert_eq!(with_record(4, b"\xC3"), Err(BlobError::TrailerUtf8 { tag: 4, at: 0 }));
    assert_eq!(with_record(2, b"\x01a\x02b\xFF"), Err(BlobError::TrailerUtf8 { tag: 2, at: 4 }));
    assert_eq!(
        with_record(2, b"\x01a"),
        Err(BlobError::TrailerCount { tag: 2, expected: 2, got: 1 })
    );
    assert_eq!(
        with_record(3, b"\x00\x00\x00"),
        Err(BlobError::TrailerCount { tag: 3, expected: 2, got: 3 })
    );
    assert_eq!(
        with_record(2, b"\x01a\x05b"),
        Err(BlobError::TrailerPayloadLength { tag: 2, expected: 8, got: 4 })
    );
}

#[test]
fn a_pipeline_must_be_valid_and_fit_the_head() {
    let mut blob = tiny();
    let config = PipelineConfig { useful: vec![1, 2], ..PipelineConfig::default() };
    blob.trailer.pipeline = Some(config.clone());
    assert!(blob.encode().is_ok());
    blob.trailer.pipeline = Some(PipelineConfig { useful: vec![1, 2, 3], ..config.clone() });
    assert_eq!(blob.encode(), Err(BlobError::PipelineWidth { expected: 2, got: 3 }));
    blob.trailer.pipeline = Some(PipelineConfig { bands: 3, ..config });
    assert_eq!(blob.encode().unwrap_err().code(), "rvne/pipeline");

    #[rustfmt::skip]
    let sound = [
        1, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0, // version, source, switches, mean removal; time constant; rate
        0, 0,  2, 0,  0, 0,  0, 0,            // bands, useful, lags, reserved
        1, 0, 2, 0,
    ];
    assert!(with_record(0x88, &sound).is_ok());
    for (at, value) in [(0, 2), (1, 2), (2, 4), (3, 3), (4, 1), (18, 1)] {
        let mut payload = sound;
        payload[at] = value;
        let value = u16::from(value);
        assert_eq!(
            with_record(0x88, &payload),
            Err(BlobError::TrailerValue { tag: 0x88, at, value })
        );
    }
    let length = |expected, got| Err(BlobError::TrailerPayloadLength { tag: 0x88, expected, got });
    assert_eq!(with_record(0x88, &sound[..23]), length(24, 23));
    assert_eq!(with_record(0x88, &sound[..19]), length(20, 19));
}

#[test]
fn encode_refuses_what_parse_would() {
    let error = |change: fn(&mut WeightBlob)| {
        let mut blob = tiny();
        change(&mut blob);
        blob.encode().unwrap_err()
    };
    assert_eq!(
        error(|b| b.weights.truncate(27)),
        BlobError::WeightsLength { expected: 112, got: 108 }
    );
    assert_eq!(error(|b| b.weights[3] = f32::NAN), BlobError::NotFinite { index: 3 });
    let overflow = error(|b| {
        b.dtype = Dtype::F16;
        b.weights[3] = 1e6;
    });
    assert_eq!(overflow, BlobError::NotFinite { index: 3 });
    assert_eq!(error(|b| b.shape.kv_heads = 0).code(), "rvne/zero-dimension");
    assert_eq!(error(|b| b.trailer.bias = Some(vec![1.0])).code(), "rvne/trailer-payload-length");
    let uneven = error(|b| {
        b.trailer.normalisation = Some(Normalisation { mean: vec![0.0; 1], inv_std: vec![1.0; 3] });
    });
    assert_eq!(uneven.code(), "rvne/trailer-payload-length");
    let long_name = error(|b| b.trailer.class_names = Some(vec!["a".into(), "b".repeat(256)]));
    assert_eq!(long_name, BlobError::TrailerNameTooLong { tag: 2, index: 1, bytes: 256 });
    for tag in [0, 1, 0x81, 0xFF] {
        let mut blob = tiny();
        blob.trailer.unknown.push((tag, vec![]));
        assert_eq!(blob.encode(), Err(BlobError::TrailerUnknown { tag, offset: 0 }));
    }
    let twice = error(|b| b.trailer.unknown = vec![(7, vec![]), (7, vec![])]);
    assert_eq!(twice.code(), "rvne/trailer-duplicate");
}

#[test]
fn every_message_is_one_sentence_without_a_full_stop() {
    let errors = [
        BlobError::MagicBigEndian,
        BlobError::Magic { got: 1 },
        BlobError::ZeroDimension { dimension: Dimension::KvHeads },
        BlobError::TrailerBounds { tag: 1, offset: 2, len: 3 },
        BlobError::ZeroSeed,
    ];
    for error in errors {
        let message = error.to_string();
        assert!(!message.contains(['\n']) && !message.ends_with('.'), "{message}");
        assert!(error.code().starts_with("rvne/"));
    }
    assert!(BlobError::MagicBigEndian.to_string().contains("big-endian"));
    assert!(BlobError::Magic { got: 0x0403_4B50 }.to_string().contains("50, 4B, 03, 04"));
}
