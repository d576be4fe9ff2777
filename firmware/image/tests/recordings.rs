//! Real recordings over the serial line: board and host make the same of them, bit for bit.

mod board;

use board::{Frame, Pair, fixture, stored};
use csi_node::protocol::{Numbers, Reply, Request, Settings, kind};
use csi_temporal::feature::{Extractor, PipelineConfig};
use csi_temporal::head::TemporalHead;
use csi_temporal::packet::{Packet, RawCsi, StreamDecoder, StreamEvent};
use csi_temporal::rvne::{AttentionRecord, Dtype, HeadShape, WeightBlob};

/// Frames of the walking person, 3.8 s; 22.6 s would take a minute.
const FRAMES: usize = 400;
const WINDOW: usize = 48;
/// Rows from one classification to the next.
const PERIOD: usize = 4;

/// A blob for 52 subcarriers at these positions, pooled into 16 bands.
fn blob(useful: Vec<u16>, rate_hz: f32) -> WeightBlob {
    let shape =
        HeadShape { input_dim: 16, q_heads: 4, kv_heads: 2, head_dim: 8, layers: 2, classes: 4 };
    let mut blob = WeightBlob::seeded(shape, 11, Dtype::F32).unwrap();
    let record = AttentionRecord { window_len: WINDOW as u16, ..AttentionRecord::default() };
    blob.trailer.attention = Some(AttentionRecord { frame_rate_hz: rate_hz, ..record });
    blob.trailer.pipeline = Some(PipelineConfig {
        useful,
        bands: 16,
        divide_by_mean: true,
        rate_hz,
        ..PipelineConfig::default()
    });
    blob
}

/// Reads a line of the ESP32-CSI-Tool: the receiver's clock is its 19th cell, the pairs its last.
fn walking(line: &str, sequence: u32) -> (i64, RawCsi) {
    let cells: Vec<&str> = line.split(',').collect();
    let pairs = cells[25].trim_matches(['[', ']', ' ']).split_whitespace();
    let csi = RawCsi {
        node: 1,
        antennas: 1,
        sequence,
        rssi_dbm: cells[3].parse().unwrap(),
        noise_floor_dbm: cells[14].parse().unwrap(),
        values: pairs.map(|number| number.parse().unwrap()).collect(),
        ..RawCsi::default()
    };
    (cells[18].parse().unwrap(), csi)
}

fn logits(frames: &[Frame]) -> Vec<Vec<u32>> {
    let read = |frame: &Frame| match Reply::read(frame.kind, &frame.payload) {
        Ok(Reply::Logits(logits)) => Some(logits.logits.iter().map(f32::to_bits).collect()),
        _ => None,
    };
    frames.iter().filter_map(read).collect()
}

#[test]
fn recordings_give_the_same_logits_on_board_and_host() {
    let Some(mut pair) = Pair::start(&stored()) else { return };
    let settings = Settings {
        send_logits: true,
        acknowledge: true,
        period_rows: PERIOD as u16,
        ..Settings::default()
    };
    pair.ask(&Request::Configure(settings));

    // A person walks: packets through the pipeline on the board.
    let text = String::from_utf8(fixture("recordings/walking_esp32_107hz.csv")).unwrap();
    let frames: Vec<_> = (0..).zip(text.lines()).take(FRAMES).map(|(i, l)| walking(l, i)).collect();
    let model = blob((6..32).chain(33..59).collect(), 50.0);
    pair.send_weights(&model.encode().unwrap());
    let mut from_packets = Vec::new();
    for (time_micros, csi) in &frames {
        let packet = Packet::RawCsi(csi.clone()).encode().unwrap();
        let replies = pair.ask(&Request::Csi { time_micros: *time_micros, packet: &packet });
        from_packets.extend(logits(&replies));
    }

    // The same as rows that this host makes, which the node's code has no part in; nor has it in
    // what is expected.
    let mut extractor = Extractor::new(model.trailer.pipeline.clone().unwrap()).unwrap();
    let mut rows = Vec::new();
    for (time_micros, csi) in &frames {
        let mut take =
            |row: csi_temporal::feature::FeatureRow<'_>| rows.extend_from_slice(row.values);
        extractor.push(&csi.frame(*time_micros), &mut take).unwrap();
    }
    let head = TemporalHead::from_blob(&model).unwrap();
    pair.ask(&Request::Reset { restart: false });
    pair.ask(&Request::Configure(Settings { rows_as_they_come: true, ..settings }));
    let mut from_rows = Vec::new();
    for (index, values) in rows.chunks_exact(16).enumerate() {
        let replies = pair.ask(&Request::Row {
            sequence: index as u32,
            time_micros: index as i64 * 20_000,
            values: Numbers::Floats(values),
        });
        let due = (index + 1).checked_sub(WINDOW).is_some_and(|more| more % PERIOD == 0);
        let expected = due.then(|| {
            let window = &rows[(index + 1 - WINDOW) * 16..(index + 1) * 16];
            let logits = head.forward(window, head.backend()).unwrap().logits;
            logits.iter().map(|logit| logit.to_bits()).collect::<Vec<_>>()
        });
        assert_eq!(logits(&replies), Vec::from_iter(expected), "row {index}");
        from_rows.extend(logits(&replies));
    }
    assert!(from_rows.len() > 25, "{} classifications", from_rows.len());
    assert!(from_packets.len() > 25, "{} classifications", from_packets.len());
    assert_eq!(from_packets[0], from_rows[0], "the board's pipeline makes this host's rows");

    // Datagrams of two nodes, of every kind: what is no CSI is refused by both in the same words.
    let mut packets = StreamDecoder::new();
    let bytes = fixture("recordings/ruview_packets.bin");
    packets.push(&bytes);
    packets.finish();
    pair.ask(&Request::Configure(settings));
    pair.send_weights(&blob((1..27).chain(38..64).collect(), 0.0).encode().unwrap());
    let (mut taken, mut refused, mut classified) = (0, 0, 0);
    while let Some(event) = packets.next_event() {
        let StreamEvent::Packet { position, len, .. } = event else { panic!("{event:?}") };
        let packet = &bytes[position as usize..][..len];
        let time_micros = i64::from(taken + refused) * 41_000;
        let replies = pair.ask(&Request::Csi { time_micros, packet });
        match replies.last().unwrap().kind {
            kind::ERROR => refused += 1,
            _ => taken += 1,
        }
        classified += logits(&replies).len();
    }
    assert!(taken >= 104 && refused > 0, "{taken} packets taken, {refused} refused");
    assert!(classified > 10, "{classified} classifications");
    let stats = pair.counters();
    assert_eq!((stats.crc_errors, stats.skipped_bytes, stats.output_dropped), (0, 0, 0));
}
