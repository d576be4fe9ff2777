//! Packets out of streams: cut anywhere, damaged anywhere, and out of a real dump.

use csi_temporal::packet::*;
use std::collections::BTreeMap;

fn events(stream: &[u8], chunk_bytes: usize) -> Vec<StreamEvent> {
    let mut decoder = StreamDecoder::new();
    let mut events = Vec::new();
    for chunk in stream.chunks(chunk_bytes.max(1)) {
        decoder.push(chunk);
        events.extend(std::iter::from_fn(|| decoder.next_event()));
    }
    decoder.finish();
    events.extend(std::iter::from_fn(|| decoder.next_event()));
    events
}

/// One of each kind, fused vitals without breathing (which look like a WASM output at first), and
/// a WASM output of 48 bytes among them.
fn one_of_each() -> Vec<Packet> {
    let state = StateValues { node: 3, mode: 1, sequence: 2, time_micros: 3, values: [0.25; 9] };
    let feature_state = Packet::FeatureState(FeatureState { state, quality_flags: 7 });
    let payload = feature_state.encode().unwrap();
    let wasm = |count: u8| WasmOutput {
        node: 1,
        module: 2,
        values: (0..count).map(|i| (i, 0.5)).collect(),
    };
    let raw = |pairs: i8| RawCsi {
        node: 1,
        antennas: 1,
        values: (0..2 * pairs).collect(),
        ..RawCsi::default()
    };
    vec![
        Packet::RawCsi(raw(3)),
        Packet::Vitals(Vitals { node: 1, ..Vitals::default() }),
        Packet::FeatureVector(FeatureVector { node: 1, ..FeatureVector::default() }),
        Packet::FusedVitals(FusedVitals::default()),
        Packet::WasmOutput(wasm(0)),
        Packet::WasmOutput(wasm(8)),
        Packet::WasmOutput(wasm(16)),
        Packet::CompressedCsi(CompressedCsi {
            node: 1,
            channel: 2,
            original_len: 9,
            runs: vec![1, 9],
        }),
        Packet::Classification(Classification { node: 4, ..Classification::default() }),
        Packet::GatedFeatureState(GatedFeatureState { state, ..GatedFeatureState::default() }),
        Packet::Mesh(MeshEnvelope { kind: 5, payload, ..MeshEnvelope::default() }),
        feature_state,
        Packet::RawCsi(raw(60)),
    ]
}

fn packets(events: &[StreamEvent]) -> Vec<Packet> {
    let packet = |event: &StreamEvent| match event {
        StreamEvent::Packet { packet, .. } => Some(packet.clone()),
        StreamEvent::Skipped { .. } => None,
    };
    events.iter().filter_map(packet).collect()
}

#[test]
fn packets_back_to_back_come_out_as_they_went_in() {
    let expected = one_of_each();
    let stream: Vec<u8> = expected.iter().flat_map(|packet| packet.encode().unwrap()).collect();
    let events = events(&stream, stream.len());
    assert_eq!(packets(&events), expected);
    assert_eq!(events.len(), expected.len(), "nothing is skipped");
    for last in &expected {
        let end = last.encode().unwrap();
        let events = self::events(&[&stream[..], &end].concat(), 7);
        assert_eq!(packets(&events).last(), Some(last), "at the end of the stream");
    }
}

/// A serial port splits bytes anywhere, so every chunking must give the same events.
#[test]
fn chunking_never_changes_packets() {
    let mut stream = b"boot: \x01\x00\x11 ok\n".to_vec();
    for (index, packet) in one_of_each().iter().enumerate() {
        let mut bytes = packet.encode().unwrap();
        if index % 4 == 3 {
            bytes.truncate(bytes.len() - 3);
        }
        stream.extend(bytes);
        stream.extend_from_slice(&b"\xC5log line\x02\x00"[..index % 5 * 2]);
    }
    stream.extend_from_slice(b"\x05\x00\x11\xC5\x01\x01\xFF\x0F\xFE\x0Etail");
    let whole = events(&stream, stream.len());
    assert!(packets(&whole).len() >= 8);
    for chunk_bytes in 1..=64 {
        assert_eq!(events(&stream, chunk_bytes), whole, "chunk_bytes = {chunk_bytes}");
    }
}

#[test]
fn events_cover_the_stream_without_gap_or_overlap() {
    let mut stream = b"noise".to_vec();
    one_of_each().iter().for_each(|packet| stream.extend(packet.encode().unwrap()));
    for at in (0..stream.len()).step_by(3) {
        let mut damaged = stream.clone();
        damaged[at] ^= 0x55;
        let mut next = 0;
        for event in events(&damaged, 50) {
            let (position, len) = match event {
                StreamEvent::Packet { position, len, .. } => (position, len as u64),
                StreamEvent::Skipped { position, len, .. } => (position, len),
            };
            assert_eq!(position, next);
            assert!(len > 0);
            next = position + len;
        }
        assert_eq!(next, damaged.len() as u64);
    }
}

#[test]
fn damage_costs_one_packet_and_is_reported_with_its_place() {
    let packets_in = one_of_each();
    let state = packets_in[11].encode().unwrap();
    let mut broken = state.clone();
    broken[30] ^= 4;
    let stream = [&b"xyz"[..], &state, &broken, &state].concat();
    let events = events(&stream, 10);
    assert_eq!(packets(&events), [packets_in[11].clone(), packets_in[11].clone()]);
    let skipped: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            StreamEvent::Skipped { position, len, reason } => {
                Some((*position, *len, reason.code()))
            }
            StreamEvent::Packet { .. } => None,
        })
        .collect();
    assert_eq!(skipped, [(0, 3, "packet/magic"), (63, 60, "packet/crc")]);
}

#[test]
fn the_recorded_stream_holds_the_packets_it_was_made_of() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../shared/data");
    let root = std::env::var("CSI_LAB_DATA").unwrap_or_else(|_| root.to_string());
    let path = format!("{root}/derived+adr018/adr018_stream.bin");
    let Ok(stream) = std::fs::read(&path) else {
        eprintln!("skipped: no recordings here");
        return;
    };
    let mut counts = BTreeMap::new();
    for event in events(&stream, 1500) {
        match event {
            StreamEvent::Packet { packet, .. } => *counts.entry(packet.kind()).or_insert(0) += 1,
            StreamEvent::Skipped { position, len, reason } => {
                panic!("{len} bytes skipped at {position}: {reason}")
            }
        }
    }
    let expected = [
        ("classification", 48),
        ("compressed-csi", 1),
        ("feature-state", 48),
        ("feature-vector", 48),
        ("raw-csi", 1105),
        ("vitals", 48),
    ];
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected);
}
