//! Every packet against bytes written by hand.

use csi_temporal::crc32::crc32;
use csi_temporal::frame::CsiValues;
use csi_temporal::packet::*;

/// Checks both ways, as a datagram and with other bytes behind it.
fn same(bytes: &[u8], packet: Packet) {
    assert_eq!(decode_datagram(bytes), Ok(packet.clone()));
    assert_eq!(packet.encode().as_deref(), Ok(bytes));
    let followed = [bytes, &[0x06, 0x00, 0x11, 0xC5, 1, 2, 3]].concat();
    assert_eq!(decode(&followed), Ok((packet.clone(), bytes.len())));
    for len in 0..bytes.len() {
        let error = decode(&bytes[..len]).expect_err(packet.kind());
        let codes = ["packet/incomplete", "packet/crc"];
        assert!(codes.contains(&error.code()), "{len} bytes: {error}");
    }
    assert_eq!(packet.magic().to_le_bytes(), bytes[..4]);
}

fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend_from_slice(&crc32(&bytes).to_le_bytes());
    bytes
}

const ONE: [u8; 4] = [0, 0, 0x80, 0x3F];
const HALF: [u8; 4] = [0, 0, 0x00, 0x3F];

#[test]
fn raw_csi() {
    #[rustfmt::skip]
    let bytes = [
        0x01, 0x00, 0x11, 0xC5,  7, 2,  3, 0,  // magic, node, antennas, pairs
        0x6C, 0x09, 0, 0,  0x04, 0x03, 0x02, 0x01, // 2412 MHz, sequence
        0xC8, 0xA1, 0, 0,                      // RSSI -56, noise -95
        3, 4, 0xFF, 0x80, 0x7F, 0,  1, 2, 3, 4, 5, 6,
    ];
    let packet = RawCsi {
        node: 7,
        antennas: 2,
        frequency_mhz: 2412,
        sequence: 0x0102_0304,
        rssi_dbm: -56,
        noise_floor_dbm: -95,
        values: vec![3, 4, -1, -128, 127, 0, 1, 2, 3, 4, 5, 6],
    };
    assert_eq!(packet.pairs_per_antenna(), 3);
    let frame = packet.frame(99);
    assert_eq!((frame.time_micros, frame.rssi_dbm, frame.values.pairs()), (99, Some(-56), 6));
    assert_eq!(frame.values.amplitude(0), 5.0);
    same(&bytes, Packet::RawCsi(packet));
}

#[test]
fn vitals() {
    #[rustfmt::skip]
    let bytes = [
        0x02, 0x00, 0x11, 0xC5,  1, 0b101,  0xE2, 0x04,   // 12.5 breaths
        0x35, 0xFC, 0x0A, 0,  0xCE, 2,  0, 0,             // 71.9925 beats, RSSI -50, 2 persons
        0, 0, 0x80, 0x3F,  0, 0, 0, 0x3F,  0xE8, 0x03, 0, 0,  0, 0, 0, 0,
    ];
    let packet = Vitals {
        node: 1,
        flags: 5,
        breathing_bpm_e2: 1250,
        heart_bpm_e4: 719_925,
        rssi_dbm: -50,
        persons: 2,
        motion_energy: 1.0,
        presence_score: 0.5,
        uptime_millis: 1000,
    };
    assert_eq!((packet.breathing_bpm(), packet.heart_bpm()), (12.5, 71.9925));
    same(&bytes, Packet::Vitals(packet));
}

#[test]
fn feature_vector() {
    let mut bytes = vec![0x03, 0x00, 0x11, 0xC5, 9, 0, 0x34, 0x12];
    bytes.extend([0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
    (0..8).for_each(|i| bytes.extend(if i % 2 == 0 { ONE } else { HALF }));
    let values = [1.0, 0.5, 1.0, 0.5, 1.0, 0.5, 1.0, 0.5];
    same(
        &bytes,
        Packet::FeatureVector(FeatureVector { node: 9, sequence: 0x1234, time_micros: -2, values }),
    );
}

fn fused() -> (Vec<u8>, FusedVitals) {
    #[rustfmt::skip]
    let mut bytes = vec![
        0x04, 0x00, 0x11, 0xC5,  1, 0b1001,  0xE2, 0x04,
        0, 0, 0, 0,  0xCE, 1,  3, 77,
    ];
    for float in [ONE, HALF] {
        bytes.extend(float);
    }
    bytes.extend([1, 0, 0, 0]);
    for float in [HALF, ONE, HALF] {
        bytes.extend(float);
    }
    bytes.extend([4, 88, 0, 0, 0, 0, 0, 0]);
    let vitals = Vitals {
        node: 1,
        flags: 9,
        breathing_bpm_e2: 1250,
        heart_bpm_e4: 0,
        rssi_dbm: -50,
        persons: 1,
        motion_energy: 1.0,
        presence_score: 0.5,
        uptime_millis: 1,
    };
    let packet = FusedVitals {
        vitals,
        radar_type: 3,
        fusion_confidence: 77,
        radar_heart_bpm: 0.5,
        radar_breathing_bpm: 1.0,
        distance_cm: 0.5,
        targets: 4,
        radar_confidence: 88,
    };
    (bytes, packet)
}

#[test]
fn fused_vitals() {
    let (bytes, packet) = fused();
    assert_eq!(bytes.len(), 48);
    same(&bytes, Packet::FusedVitals(packet));
}

#[test]
fn wasm_output_of_every_length() {
    for count in 0..=16_u8 {
        let mut bytes = vec![0x04, 0x00, 0x11, 0xC5, 2, 5, count, 0];
        for kind in 0..count {
            bytes.push(kind);
            bytes.extend(HALF);
        }
        let values = (0..count).map(|kind| (kind, 0.5)).collect();
        let packet = Packet::WasmOutput(WasmOutput { node: 2, module: 5, values });
        assert_eq!(decode_datagram(&bytes), Ok(packet.clone()));
        let followed = [&bytes[..], &[0x02, 0x00, 0x11, 0xC5]].concat();
        assert_eq!(decode(&followed), Ok((packet.clone(), bytes.len())));
        assert_eq!(packet.encode(), Ok(bytes));
    }
    let values = vec![(0, 0.0); 17];
    let packet = Packet::WasmOutput(WasmOutput { node: 2, module: 5, values });
    assert_eq!(packet.encode(), Err(PacketError::Field { field: Field::WasmValues, value: 17 }));
}

/// The rule: 8 + 5n bytes is a WASM module's, else 48 bytes are fused vitals.
#[test]
fn fused_vitals_without_breathing_are_no_wasm_output() {
    let (mut bytes, mut packet) = fused();
    for breathing in 0..=16 {
        bytes[6] = breathing;
        bytes[7] = 0;
        packet.vitals.breathing_bpm_e2 = u16::from(breathing);
        let got = decode_datagram(&bytes).unwrap();
        match breathing {
            8 => assert_eq!(got.kind(), "wasm-output"),
            _ => assert_eq!(got, Packet::FusedVitals(packet), "{breathing}"),
        }
    }
}

#[test]
fn compressed_csi_expands_against_the_buffer_before() {
    #[rustfmt::skip]
    let bytes = [
        0x05, 0x00, 0x11, 0xC5,  1, 6,  8, 0,  6, 0, // node, channel 6, 8 bytes, 6 compressed
        0, 5,  0xFF, 1,  0x0F, 2,
    ];
    let packet =
        CompressedCsi { node: 1, channel: 6, original_len: 8, runs: vec![0, 5, 0xFF, 1, 0x0F, 2] };
    let previous = [1, 2, 3, 4, 5, 6, 7, 8];
    let current = [1, 2, 3, 4, 5, 0xF9, 8, 7];
    assert_eq!(packet.expand(&previous), Ok(current.to_vec()));
    assert_eq!(
        packet.expand(&previous[1..]),
        Err(PacketError::PreviousLength { expected: 8, got: 7 })
    );
    assert_eq!(CompressedCsi::compress(1, 6, &previous, &current), Some(packet.clone()));
    assert_eq!(
        CompressedCsi::compress(1, 6, &previous, &[9, 7, 5, 3, 1, 2, 4, 6]),
        None,
        "not shorter"
    );
    assert_eq!(CompressedCsi::compress(1, 6, &previous, &current[1..]), None);
    let long = CompressedCsi::compress(0, 0, &[0; 600], &[1; 600]).unwrap();
    assert_eq!(long.runs, [1, 255, 1, 255, 1, 90]);
    assert_eq!(long.expand(&[0; 600]), Ok(vec![1; 600]));
    same(&bytes, Packet::CompressedCsi(packet));

    let refused = |at: usize, value: u8| {
        let mut bytes = bytes;
        bytes[at] = value;
        decode(&bytes).unwrap_err()
    };
    assert_eq!(refused(11, 4), PacketError::Runs { expected: 8, got: 7 });
    assert_eq!(refused(15, 0), PacketError::Runs { expected: 8, got: 6 });
    assert_eq!(refused(8, 5), PacketError::Field { field: Field::CompressedLength, value: 5 });
    assert_eq!(refused(6, 6), PacketError::Field { field: Field::CompressedLength, value: 6 });
    assert_eq!(
        refused(7, 0xFF),
        PacketError::Field { field: Field::OriginalLength, value: 0xFF08 }
    );
}

fn state() -> (Vec<u8>, StateValues) {
    let mut bytes = vec![0x06, 0x00, 0x11, 0xC5, 3, 2, 0x10, 0x00];
    bytes.extend([1, 0, 0, 0, 0, 1, 0, 0]);
    (0..9).for_each(|i| bytes.extend(if i % 2 == 0 { ONE } else { HALF }));
    let values = [1.0, 0.5, 1.0, 0.5, 1.0, 0.5, 1.0, 0.5, 1.0];
    let time_micros = 1 | 1 << 40;
    (bytes, StateValues { node: 3, mode: 2, sequence: 16, time_micros, values })
}

#[test]
fn feature_state() {
    let (mut bytes, state) = state();
    bytes.extend([0x81, 0x00, 0, 0]);
    let bytes = sealed(bytes);
    assert_eq!(bytes.len(), 60);
    assert!(matches!(state.frame().values, CsiValues::FeatureState(values) if values.len() == 9));
    same(&bytes, Packet::FeatureState(FeatureState { state, quality_flags: 0x81 }));
    let mut damaged = bytes.clone();
    damaged[20] ^= 1;
    let (stored, computed) = (crc32(&bytes[..56]), crc32(&damaged[..56]));
    assert_eq!(decode(&damaged), Err(PacketError::Crc { stored, computed }));
}

#[test]
fn classification_and_gated_feature_state_share_a_magic() {
    #[rustfmt::skip]
    let bytes = sealed([
        &[0x07, 0x00, 0x11, 0xC5,  1, 0,  4, 0,  8, 0, 0, 0][..],
        &[2, 0, 0, 0, 0, 0, 0, 0x10,  1, 0, 0, 0,  3, 0, 0, 0],
        &ONE, &HALF,
    ].concat());
    assert_eq!(bytes.len(), 40);
    let packet = Classification {
        classes: 4,
        node: 8,
        time_micros: 2 | 0x10 << 56,
        sequence: 1,
        class: 3,
        top_logit: 1.0,
        margin: 0.5,
    };
    same(&bytes, Packet::Classification(packet));

    let (mut gated, state) = state();
    gated[0] = 0x07;
    gated.extend([0x21, 1, 0x2C, 0x01]);
    let gated = sealed(gated);
    assert_eq!(gated.len(), 60);
    let packet = GatedFeatureState { state, quality_flags: 0x21, gate_version: 1, suppressed: 300 };
    same(&gated, Packet::GatedFeatureState(packet));

    let mut version = bytes[..36].to_vec();
    version[4] = 2;
    let error = PacketError::Field { field: Field::ClassificationVersion, value: 2 };
    assert_eq!(decode(&sealed(version)), Err(error));
}

#[test]
fn mesh_envelope_carries_a_packet() {
    let (mut inner, state) = state();
    inner.extend([0; 4]);
    let inner = sealed(inner);
    let mut bytes = vec![0x00, 0x81, 0x11, 0xC5, 1, 5, 2, 3, 0x78, 0x56, 0x34, 0x12, 60, 0, 0, 0];
    bytes.extend_from_slice(&inner);
    let bytes = sealed(bytes);
    assert_eq!(bytes.len(), 80);
    let envelope = MeshEnvelope { kind: 5, role: 2, auth: 3, epoch: 0x1234_5678, payload: inner };
    let packet = Packet::FeatureState(FeatureState { state, quality_flags: 0 });
    assert_eq!(envelope.inner(), Some(Ok(packet)));
    assert_eq!(MeshEnvelope { kind: 4, ..envelope.clone() }.inner(), None);
    same(&bytes, Packet::Mesh(envelope));

    let refused = |at: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = value;
        decode(&bytes).unwrap_err()
    };
    assert_eq!(refused(4, 2), PacketError::Field { field: Field::MeshVersion, value: 2 });
    assert_eq!(refused(13, 1), PacketError::Field { field: Field::MeshPayload, value: 316 });
    assert_eq!(refused(30, 0xAB).code(), "packet/crc");
}

#[test]
fn what_is_no_packet_is_refused_with_numbers() {
    assert_eq!(decode(&[]), Err(PacketError::Incomplete { needed: 4, got: 0 }));
    assert_eq!(decode(b"\x08\x00\x11\xC5"), Err(PacketError::Magic { got: 0xC511_0008 }));
    assert_eq!(decode(b"\x00\x00\x11\xC5").unwrap_err().code(), "packet/magic");
    let (bytes, _) = fused();
    let long = [&bytes[..], &[0; 3]].concat();
    assert_eq!(decode_datagram(&long), Err(PacketError::Length { expected: 48, got: 51 }));

    let raw = |antennas: u8, pairs: u16| {
        let mut bytes = vec![0x01, 0x00, 0x11, 0xC5, 1, antennas];
        bytes.extend(pairs.to_le_bytes());
        bytes.resize(20 + 2 * usize::from(antennas) * usize::from(pairs), 0);
        decode(&bytes).map(|(_, len)| len)
    };
    assert_eq!(raw(4, 512), Ok(4116));
    assert_eq!(raw(1, 306), Ok(632));
    assert_eq!(raw(0, 64), Err(PacketError::Field { field: Field::Antennas, value: 0 }));
    assert_eq!(raw(5, 64), Err(PacketError::Field { field: Field::Antennas, value: 5 }));
    assert_eq!(raw(1, 0), Err(PacketError::Field { field: Field::Pairs, value: 0 }));
    assert_eq!(raw(1, 513), Err(PacketError::Field { field: Field::Pairs, value: 513 }));
    let uneven = RawCsi { antennas: 2, values: vec![0; 6], ..RawCsi::default() };
    assert_eq!(Packet::RawCsi(uneven).encode().unwrap_err().code(), "packet/field");
    for error in [PacketError::Magic { got: 1 }, PacketError::Runs { expected: 1, got: 2 }] {
        assert!(!error.to_string().ends_with('.'));
    }
}
