//! What a node says is what the head says about the same rows, bit by bit.

mod support;

use csi_node::protocol::{Numbers, Request, Settings};
use csi_node::{Config, Model, Node, NodeError};
use csi_temporal::feature::{Extractor, MeanRemoval, PipelineConfig};
use csi_temporal::frame::{CsiFrame, CsiValues};
use csi_temporal::head::TemporalHead;
use csi_temporal::packet::{Classification, Packet, RawCsi, decode_datagram};
use csi_temporal::rvne::{AttentionRecord, Pooling, Trailer, WeightBlob};
use support::{Heard, Line, Random, bits, blob, blob_of, csi_blob, framed, record, rich_blob};

const WINDOW: usize = 12;

fn logits_on(period_rows: u16) -> Config {
    let settings = Settings { node: 5, send_logits: true, period_rows, ..Settings::default() };
    Config { settings, ..Config::default() }
}

/// The head's logits for rows `[n][features]`.
fn expected(blob: &WeightBlob, rows: &[f32]) -> Vec<u32> {
    let head = TemporalHead::from_blob(blob).unwrap();
    bits(&head.forward(rows, head.backend()).unwrap().logits)
}

fn packets(heard: &[Heard]) -> Vec<Classification> {
    let packet = |heard: &Heard| match heard {
        Heard::Packet(bytes) => match decode_datagram(bytes).unwrap() {
            Packet::Classification(packet) => Some(packet),
            other => panic!("{other:?}"),
        },
        _ => None,
    };
    heard.iter().filter_map(packet).collect()
}

fn logits(heard: &[Heard]) -> Vec<(u16, u16, Vec<u32>)> {
    let logits = |heard: &Heard| match heard {
        Heard::Logits { rows, held, bits, .. } => Some((*rows, *held, bits.clone())),
        _ => None,
    };
    heard.iter().filter_map(logits).collect()
}

#[test]
fn rows_over_the_line_give_the_logits_of_forward() {
    for blob in [blob(3), rich_blob(4)] {
        let dim = blob.feature_dim();
        let (rows, period) = (Random(8).numbers(40 * dim, 1.0), 3);
        let mut stream = Vec::new();
        for (index, row) in rows.chunks_exact(dim).enumerate() {
            let values = Numbers::Floats(row);
            let time_micros = 1000 * index as i64;
            let row = Request::Row { sequence: index as u32, time_micros, values };
            stream.extend(framed(&row));
        }
        for chunk_bytes in [1, 7, 64] {
            let mut line = Line::with(logits_on(period), &blob);
            let mut heard = Vec::new();
            for chunk in stream.chunks(chunk_bytes) {
                line.now_micros += 10;
                heard.extend(line.send(chunk));
            }
            // The first when the window is full, then every third row.
            let ends: Vec<usize> = (WINDOW..=40).step_by(period.into()).collect();
            let told = logits(&heard);
            assert_eq!(told.len(), ends.len());
            for (end, told) in ends.iter().zip(&told) {
                let window = &rows[(end - WINDOW) * dim..end * dim];
                assert_eq!(*told, (WINDOW as u16, 0, expected(&blob, window)), "row {end}");
            }
            let packets = packets(&heard);
            assert_eq!(packets.len(), ends.len());
            for (index, (packet, (_, _, bits))) in packets.iter().zip(&told).enumerate() {
                let logits: Vec<f32> = bits.iter().map(|&bits| f32::from_bits(bits)).collect();
                let mut sorted = logits.clone();
                sorted.sort_by(|a, b| b.total_cmp(a));
                assert_eq!(packet.sequence, index as u32 + 1);
                assert_eq!((packet.classes, packet.node), (3, 5));
                assert_eq!(logits[usize::from(packet.class)].to_bits(), sorted[0].to_bits());
                assert_eq!(packet.top_logit.to_bits(), sorted[0].to_bits());
                assert_eq!(packet.margin.to_bits(), (sorted[0] - sorted[1]).to_bits());
            }
            let stats = line.node.stats(3_000_000);
            assert_eq!((stats.frames, stats.arrived, stats.rows), (40, 40, 40));
            assert_eq!((stats.classifications, stats.uptime_seconds), (ends.len() as u32, 3));
            assert_eq!((stats.crc_errors, stats.skipped_bytes, stats.output_dropped), (0, 0, 0));
        }
    }
}

/// What does not come over the line gives the same.
#[test]
fn rows_and_models_called_directly_give_the_same() {
    let blob = blob(9);
    let rows = Random(2).numbers(WINDOW * 6, 1.0);
    let mut model = Model::load(&blob.encode().unwrap(), 0).unwrap();
    let mut line = Line::with(logits_on(1), &blob);
    for row in rows.chunks_exact(6) {
        assert!(matches!(model.classify(), Err(NodeError::WindowNotFull { needed: 12, .. })));
        model.push(row, false).unwrap();
        line.node.handle_row(0, 0, row).unwrap();
    }
    assert_eq!(bits(model.classify().unwrap()), expected(&blob, &rows));
    assert_eq!(logits(&line.listen())[0].2, expected(&blob, &rows));
}

fn csi_packet(random: &mut Random, sequence: u32) -> RawCsi {
    let values = (0..64).map(|_| (random.next() >> 56) as i8).collect();
    RawCsi { node: 1, antennas: 1, sequence, values, ..RawCsi::default() }
}

/// Frames at irregular times go through the core's own pipeline, resampled by it.
#[test]
fn csi_packets_give_the_logits_of_the_pipeline_s_rows() {
    for rate_hz in [0.0, 50.0] {
        let blob = csi_blob(6, rate_hz);
        let mut extractor = Extractor::new(blob.trailer.pipeline.clone().unwrap()).unwrap();
        let mut line = Line::with(logits_on(1), &blob);
        let (mut random, mut time_micros, mut rows) = (Random(4), 0_i64, Vec::new());
        let (mut told, mut ends) = (Vec::new(), Vec::new());
        for sequence in 0..60 {
            time_micros += 9_000 + (random.next() >> 40) as i64 % 16_000;
            let csi = csi_packet(&mut random, sequence);
            let before = rows.len();
            extractor
                .push(&csi.frame(time_micros), &mut |row| rows.extend_from_slice(row.values))
                .unwrap();
            let packet = Packet::RawCsi(csi).encode().unwrap();
            let heard = line.ask(&Request::Csi { time_micros, packet: &packet });
            told.extend(logits(&heard));
            // One answer a frame that brought rows, whatever their number.
            if rows.len() > before && rows.len() >= WINDOW * 6 {
                ends.push(rows.len());
            }
        }
        assert!(told.len() > 20, "{}", told.len());
        assert_eq!(told.len(), ends.len());
        for (end, (_, _, bits)) in ends.iter().zip(&told) {
            assert_eq!(*bits, expected(&blob, &rows[end - WINDOW * 6..*end]));
        }
    }
}

#[test]
fn the_mean_of_the_window_is_removed_from_the_whole_window() {
    let pipeline = PipelineConfig {
        useful: (0..6).collect(),
        mean_removal: MeanRemoval::Window,
        ..PipelineConfig::default()
    };
    let trailer = Trailer {
        attention: Some(record()),
        pipeline: Some(pipeline.clone()),
        ..Trailer::default()
    };
    let blob = blob_of(8, trailer);
    let rows = Random(5).numbers(30 * 6, 1.0);
    let mut line = Line::with(logits_on(1), &blob);
    rows.chunks_exact(6).for_each(|row| line.node.handle_row(0, 0, row).unwrap());
    for (index, (_, _, bits)) in logits(&line.listen()).iter().enumerate() {
        let mut window = rows[index * 6..(index + WINDOW) * 6].to_vec();
        pipeline.finish_window(&mut window);
        assert_eq!(*bits, expected(&blob, &window), "{index}");
    }
}

/// Rows are brought to the trained rate; where they come at less than half of it, they are marked,
/// and with the switch set nothing is said meanwhile.
#[test]
fn slow_rows_are_resampled_and_marked_or_held_back() {
    let attention = Some(AttentionRecord { frame_rate_hz: 100.0, ..record() });
    let blob = blob_of(2, Trailer { attention, ..Trailer::default() });
    let rows = Random(1).numbers(12 * 6, 1.0);
    for hold_when_slow in [false, true] {
        let mut config = logits_on(1);
        config.settings.hold_when_slow = hold_when_slow;
        let mut line = Line::with(config, &blob);
        let mut grid = Vec::new();
        let mut resample = Extractor::new(PipelineConfig {
            useful: (0..6).collect(),
            rate_hz: 100.0,
            ..PipelineConfig::default()
        })
        .unwrap();
        // At 100 Hz first, then at 40 Hz, which is less than half.
        let (mut time_micros, mut heard) = (0, Vec::new());
        for (index, row) in rows.chunks_exact(6).enumerate() {
            time_micros += if index < 6 { 10_000 } else { 25_000 };
            let values = CsiValues::Amplitude(row);
            let frame = CsiFrame { time_micros, values, rssi_dbm: None };
            resample.push(&frame, &mut |row| grid.push((row.values.to_vec(), row.held))).unwrap();
            line.node.handle_row(0, time_micros, row).unwrap();
            heard.extend(line.listen());
        }
        assert_eq!(grid.len(), 6 + 15);
        let told = logits(&heard);
        let stats = line.node.stats(0);
        assert_eq!((stats.rows, stats.arrived), (21, 12));
        let held = grid.iter().filter(|(_, held)| *held).count();
        assert_eq!((stats.held as usize, held), (held, 12), "15 points, of which 3 lie on a row");
        match hold_when_slow {
            true => assert!(stats.held_back > 0 && (told.len() as u32) < stats.held_back + 5),
            false => {
                let (_, held, bits) = told.last().unwrap();
                let window = &grid[grid.len() - WINDOW..];
                let values: Vec<f32> = window.iter().flat_map(|(row, _)| row.clone()).collect();
                assert_eq!(*bits, expected(&blob, &values));
                let marked = window.iter().filter(|(_, held)| *held).count();
                assert_eq!(usize::from(*held), marked);
                assert!(marked > 5);
            }
        }
    }
}

#[test]
fn a_jump_of_the_clock_empties_the_window() {
    let blob = csi_blob(6, 50.0);
    let mut line = Line::with(logits_on(1), &blob);
    let mut random = Random(3);
    for sequence in 0..20 {
        let packet = Packet::RawCsi(csi_packet(&mut random, sequence)).encode().unwrap();
        line.node.handle_csi(0, 20_000 * i64::from(sequence), &packet).unwrap();
    }
    assert!(line.node.model().unwrap().is_ready());
    let packet = Packet::RawCsi(csi_packet(&mut random, 20)).encode().unwrap();
    line.node.handle_csi(0, 60_000_000, &packet).unwrap();
    assert_eq!(line.node.model().unwrap().len(), 1);
    assert_eq!(line.node.stats(0).breaks, 1);
    line.node.handle_csi(0, 60_000_000, &packet).unwrap();
    assert_eq!(line.node.stats(0).out_of_order, 1);
}

/// The clock is read around classifications only, and changes no bit.
#[test]
fn classifications_are_timed_by_the_clock_that_is_handed_in() {
    use std::sync::atomic::{AtomicU64, Ordering};
    static CLOCK: AtomicU64 = AtomicU64::new(0);
    let clock = || CLOCK.fetch_add(70, Ordering::Relaxed);
    let mut node = Node::new(Config { clock: Some(clock), ..logits_on(1) });
    node.load_weights(&blob(3).encode().unwrap()).unwrap();
    (0..WINDOW).for_each(|_| node.handle_row(0, 0, &[0.5; 6]).unwrap());
    let stats = node.stats(0);
    assert_eq!((stats.last_classify_micros, stats.longest_classify_micros), (70, 70));
    assert_eq!(CLOCK.load(Ordering::Relaxed), 140);
}

/// A blob that asks for it is classified row by row, by what the last row sees of all before it.
/// A stream has no end.
#[test]
fn a_streaming_blob_answers_each_row_as_forward_s_last_row() {
    let pooling = Pooling::Last;
    let attention = Some(AttentionRecord { streaming: true, pooling, ..record() });
    let blob = blob_of(2, Trailer { attention, ..Trailer::default() });
    let rows = Random(6).numbers(WINDOW * 6, 1.0);
    let head = TemporalHead::from_blob(&blob).unwrap();
    let mut line = Line::with(logits_on(1), &blob);
    for (index, row) in rows.chunks_exact(6).enumerate() {
        line.node.handle_row(0, 0, row).unwrap();
        let told = logits(&line.listen());
        let seen = &rows[..(index + 1) * 6];
        let expected = bits(&head.forward(seen, head.backend()).unwrap().logits);
        assert_eq!(told, [(0, 0, expected)], "{index}");
    }
    for row in rows.chunks_exact(6).cycle().take(1000) {
        line.node.handle_row(0, 0, row).unwrap();
        assert_eq!(logits(&line.listen()).len(), 1);
    }
    assert_eq!(line.node.model().unwrap().len(), 1000 + WINDOW);

    let mut blob = csi_blob(1, 0.0);
    blob.trailer.pipeline.as_mut().unwrap().mean_removal = MeanRemoval::Window;
    blob.trailer.attention.as_mut().unwrap().streaming = true;
    let refused = Node::new(Config::default()).load_weights(&blob.encode().unwrap());
    assert_eq!(refused, Err(NodeError::WindowMeanInStream));
}
