//! Every request, its answer, and what is refused.

mod support;

use csi_node::protocol::{MAX_PAYLOAD, Numbers, Request, Settings, kind};
use csi_node::{Config, FRAME_GAP_MICROS, Node, NodeError, Platform};
use csi_temporal::crc32::crc32;
use csi_temporal::packet::{FeatureState, Packet, Vitals};
use csi_temporal::rvne::{HeadShape, Trailer, WeightBlob};
use support::{Heard, Line, Random, blob, blob_of, csi_blob, framed, rich_blob};

fn error(request: u8, code: &str) -> Vec<Heard> {
    vec![Heard::Error(request, code.to_string())]
}

fn row(line: &mut Line, values: &[f32]) -> Vec<Heard> {
    line.ask(&Request::Row { sequence: 0, time_micros: 0, values: Numbers::Floats(values) })
}

fn upload(line: &mut Line, bytes: &[u8], crc: u32) -> Vec<Heard> {
    let mut heard = line.ask(&Request::WeightsBegin { len: bytes.len() as u32, crc });
    for (index, piece) in bytes.chunks(500).enumerate() {
        let offset = 500 * index as u32;
        heard.extend(line.ask(&Request::WeightsChunk { offset, bytes: piece }));
    }
    heard.extend(line.ask(&Request::WeightsEnd));
    heard
}

#[test]
fn a_node_without_weights_says_so() {
    let mut line = Line::new(Config::default());
    assert_eq!(row(&mut line, &[0.0; 6]), error(kind::ROW, "node/no-weights"));
    assert_eq!(line.ask(&Request::Classify), error(kind::CLASSIFY, "node/no-weights"));
    let Heard::Other(greeting) = &line.ask(&Request::Hello)[0] else { panic!("a greeting") };
    assert!(greeting.contains("has_weights: false"), "{greeting}");
    let stats = line.node.stats(0);
    assert_eq!((stats.arrived, stats.refused), (1, 1));
}

#[test]
fn weights_arrive_in_pieces_and_are_swapped_while_running() {
    let (first, second) = (blob(3).encode().unwrap(), rich_blob(4).encode().unwrap());
    let mut line = Line::new(Config::default());
    let heard = upload(&mut line, &first, crc32(&first));
    let stored = u32::from_le_bytes(*first.last_chunk().unwrap());
    assert_eq!(heard.last(), Some(&Heard::Done(kind::WEIGHTS_END, stored)));
    assert_eq!(heard[1], Heard::Done(kind::WEIGHTS_CHUNK, 500));
    assert_eq!(line.node.model().unwrap().info().feature_dim, 6);
    (0..12).for_each(|_| assert!(!matches!(row(&mut line, &[0.5; 6])[..], [Heard::Error(..)])));
    assert!(line.node.model().unwrap().is_ready());

    upload(&mut line, &second, crc32(&second));
    let model = line.node.model().unwrap();
    assert_eq!((model.info().feature_dim, model.len(), model.name()), (9, 0, "rich"));
    assert_eq!(row(&mut line, &[0.5; 6]), error(kind::ROW, "node/row-length"));
    assert_eq!(row(&mut line, &[0.5; 9]), []);
    assert_eq!(line.node.stats(0).weights_loaded, 2);
}

#[test]
fn refused_weights_leave_the_old_ones_and_their_rows() {
    let mut line = Line::with(Config::default(), &blob(3));
    row(&mut line, &[0.5; 6]);
    let mut damaged = blob(5).encode().unwrap();
    damaged[40] ^= 1;
    let heard = upload(&mut line, &damaged, crc32(&damaged));
    assert_eq!(heard.last(), Some(&Heard::Error(kind::WEIGHTS_END, "rvne/crc".to_string())));
    let heard = upload(&mut line, &blob(5).encode().unwrap(), 1);
    let code = "node/upload-crc".to_string();
    assert_eq!(heard.last(), Some(&Heard::Error(kind::WEIGHTS_END, code)));
    assert_eq!(line.ask(&Request::WeightsEnd), error(kind::WEIGHTS_END, "node/upload-not-begun"));

    let crc = u32::from_le_bytes(*blob(3).encode().unwrap().last_chunk().unwrap());
    let model = line.node.model().unwrap();
    assert_eq!((model.info().blob_crc, model.len()), (crc, 1));
    let many = HeadShape { classes: 257, ..support::SHAPE };
    let many = WeightBlob::seeded(many, 1, csi_temporal::rvne::Dtype::F32).unwrap();
    let refused = line.node.load_weights(&many.encode().unwrap());
    assert_eq!(refused, Err(NodeError::TooManyClasses { classes: 257 }));
    assert_eq!(line.node.model().unwrap().len(), 1);
}

#[test]
fn pieces_come_in_order_and_may_be_repeated() {
    let mut line = Line::new(Config { max_blob_bytes: 4000, ..Config::default() });
    let chunk = |offset, bytes| Request::WeightsChunk { offset, bytes };
    let refused = error(kind::WEIGHTS_CHUNK, "node/upload-not-begun");
    assert_eq!(line.ask(&chunk(0, &[1, 2])), refused);
    let too_large = error(kind::WEIGHTS_BEGIN, "node/blob-too-large");
    assert_eq!(line.ask(&Request::WeightsBegin { len: 4001, crc: 0 }), too_large);
    line.ask(&Request::WeightsBegin { len: 5, crc: crc32(&[1, 2, 3, 4, 5]) });
    assert_eq!(line.ask(&chunk(0, &[1, 2])), [Heard::Done(kind::WEIGHTS_CHUNK, 2)]);
    assert_eq!(line.ask(&chunk(0, &[1, 2])), [Heard::Done(kind::WEIGHTS_CHUNK, 2)]);
    for (offset, bytes) in [(0, &[9, 2][..]), (3, &[4]), (2, &[3, 4, 5, 6]), (u32::MAX, &[1])] {
        let refused = error(kind::WEIGHTS_CHUNK, "node/upload-offset");
        assert_eq!(line.ask(&chunk(offset, bytes)), refused, "{offset} {bytes:?}");
    }
    let incomplete = error(kind::WEIGHTS_END, "node/upload-incomplete");
    assert_eq!(line.ask(&Request::WeightsEnd), incomplete);
    assert_eq!(line.ask(&chunk(2, &[3, 4, 5])), [Heard::Done(kind::WEIGHTS_CHUNK, 5)]);
    assert_eq!(line.ask(&Request::WeightsEnd), error(kind::WEIGHTS_END, "rvne/magic"));
}

#[test]
fn rows_are_refused_with_a_code_and_counted() {
    let mut line = Line::with(Config::default(), &blob(3));
    assert_eq!(row(&mut line, &[0.0; 5]), error(kind::ROW, "node/row-length"));
    let nan = [0.0, f32::NAN, 0.0, 0.0, 0.0, 0.0];
    assert_eq!(row(&mut line, &nan), error(kind::ROW, "node/row-not-finite"));
    let not_full = error(kind::CLASSIFY, "node/window-not-full");
    assert_eq!(line.ask(&Request::Classify), not_full);
    let packet = Packet::Vitals(Vitals::default()).encode().unwrap();
    let csi = Request::Csi { time_micros: 0, packet: &packet };
    assert_eq!(line.ask(&csi), error(kind::CSI, "node/packet-kind"));
    let packet = Packet::FeatureState(FeatureState::default()).encode().unwrap();
    let csi = Request::Csi { time_micros: 0, packet: &packet };
    assert_eq!(line.ask(&csi), error(kind::CSI, "node/no-pipeline"));
    let stats = line.node.stats(0);
    assert_eq!((stats.arrived, stats.refused, stats.rows), (4, 4, 0));

    let mut line = Line::with(Config::default(), &csi_blob(3, 0.0));
    assert_eq!(line.ask(&csi), error(kind::CSI, "feature/wrong-source"));
    let csi = Request::Csi { time_micros: 0, packet: &packet[..20] };
    assert_eq!(line.ask(&csi), error(kind::CSI, "packet/incomplete"));
}

#[test]
fn gaps_in_the_sequence_count_as_lost() {
    let mut line = Line::with(Config::default(), &blob(3));
    for sequence in [5, 6, 9, 0, 1, 4, 3] {
        let values = Numbers::Floats(&[0.0; 6]);
        line.ask(&Request::Row { sequence, time_micros: 0, values });
    }
    assert_eq!(line.node.stats(0).lost, 2 + 2, "7, 8 and 2, 3; 3 came late");
}

#[test]
fn settings_change_while_running() {
    let mut line = Line::with(Config::default(), &blob(3));
    let settings = Settings {
        node: 77,
        send_logits: true,
        acknowledge: true,
        period_rows: 1,
        ..Settings::default()
    };
    assert_eq!(line.ask(&Request::Configure(settings)), [Heard::Done(kind::CONFIGURE, 0)]);
    for _ in 0..11 {
        assert_eq!(row(&mut line, &[0.5; 6]), [Heard::Done(kind::ROW, 0)]);
    }
    let heard = row(&mut line, &[0.5; 6]);
    let [Heard::Packet(packet), Heard::Logits { sequence: 1, .. }, Heard::Done(kind::ROW, 0)] =
        &heard[..]
    else {
        panic!("{heard:?}");
    };
    assert_eq!(packet[8], 77);
}

#[test]
fn a_reset_forgets_rows_and_a_restart_is_asked_for() {
    let mut line = Line::with(Config::default(), &blob(3));
    (0..12).for_each(|_| drop(row(&mut line, &[0.5; 6])));
    assert!(line.node.model().unwrap().is_ready());
    let done = [Heard::Done(kind::RESET, 0)];
    assert_eq!(line.ask(&Request::Reset { restart: false }), done);
    assert!(line.node.model().unwrap().is_empty() && !line.node.wants_restart());
    assert_eq!(line.ask(&Request::Reset { restart: true }), done);
    assert!(line.node.wants_restart());
}

#[test]
fn the_platform_s_numbers_are_told() {
    let mut line = Line::with(Config::default(), &rich_blob(3));
    line.node.set_platform(Platform {
        image_hash: [0xAB; 8],
        reset_cause: 3,
        board: 2,
        heap_used: 11,
        heap_peak: 12,
        stack_peak: 13,
    });
    let Heard::Other(stats) = &line.ask(&Request::Stats)[0] else { panic!("counters") };
    for told in ["heap_used: 11", "heap_peak: 12", "stack_peak: 13", "frames: 1"] {
        assert!(stats.contains(told), "{stats}");
    }
    line.node.greet();
    let Heard::Other(greeting) = &line.listen()[0] else { panic!("a greeting") };
    for told in ["reset_cause: 3", "board: 2", "[171, 171,", "feature_dim: 9", "model: \"rich\""] {
        assert!(greeting.contains(told), "{greeting}");
    }
}

/// Each hash stands under its name in the table that every target is held to.
#[test]
fn the_self_test_s_rows_are_the_golden_ones() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/golden/bits.txt");
    let golden = std::fs::read_to_string(golden).unwrap();
    let mut line = Line::new(Config::default());
    line.node.handle_bytes(0, &framed(&Request::SelfTest));
    let bytes = line.node.poll_output().unwrap().to_vec();
    let mut decoder = csi_node::protocol::Decoder::new();
    let (mut rest, mut rows) = (&bytes[..], 0);
    while !rest.is_empty() {
        rest = decoder.push(rest);
        while let Some(event) = decoder.next_event() {
            let csi_node::protocol::Event::Frame { kind, payload } = event else { panic!() };
            let Ok(csi_node::protocol::Reply::Bits(bits)) =
                csi_node::protocol::Reply::read(kind, payload)
            else {
                panic!("bits")
            };
            for (name, hash) in bits.rows() {
                let line = format!("{name} {hash:016x}");
                assert!(golden.lines().any(|golden| golden == line), "{line}");
                rows += 1;
            }
            assert!(rows <= usize::from(bits.total));
        }
    }
    assert!(rows > 10, "{rows}");
    assert_eq!(line.node.stats(0).output_dropped, 0);
}

#[test]
fn damaged_and_unknown_frames_are_refused_by_name() {
    let mut line = Line::with(Config::default(), &blob(3));
    let mut damaged = framed(&Request::Stats);
    *damaged.last_mut().unwrap() ^= 0x10;
    assert_eq!(line.send(&damaged), error(0, "protocol/crc"));
    let mut unknown = vec![0x55, 0xAA, 0x3F, 0, 0];
    unknown.extend(crc32(&unknown[2..]).to_le_bytes());
    assert_eq!(line.send(&unknown), error(0x3F, "protocol/kind"));
    let mut long = vec![0x55, 0xAA, kind::HELLO, 1, 0, 9];
    long.extend(crc32(&long[2..]).to_le_bytes());
    assert_eq!(line.send(&long), error(kind::HELLO, "protocol/payload"));
    assert_eq!(line.send(b"hello?"), []);
    let stats = line.node.stats(0);
    assert_eq!((stats.crc_errors, stats.frames), (1, 2));
    assert_eq!(stats.skipped_bytes as usize, damaged.len() + 6);
}

/// A damaged length would make the node deaf until so many bytes came.
#[test]
fn a_frame_whose_end_never_comes_is_given_up() {
    let mut line = Line::new(Config::default());
    let mut start = vec![0x55, 0xAA, kind::WEIGHTS_CHUNK];
    start.extend((MAX_PAYLOAD as u16).to_le_bytes());
    start.extend(framed(&Request::Stats));
    assert_eq!(line.send(&start), []);
    line.now_micros += FRAME_GAP_MICROS;
    assert_eq!(line.send(&[]), [], "not yet");
    line.now_micros += 1;
    assert!(matches!(line.send(&[])[..], [Heard::Other(_)]), "the request within is answered");
    assert!(matches!(line.ask(&Request::Stats)[..], [Heard::Other(_)]));
}

/// A line that takes nothing costs replies, not memory.
#[test]
fn replies_without_room_are_dropped_whole_and_counted() {
    let mut line = Line::new(Config::default());
    (0..1000).for_each(|_| line.node.handle_bytes(0, &framed(&Request::Stats)));
    let dropped = line.node.stats(0).output_dropped as usize;
    let heard = line.listen();
    assert_eq!(heard.len() + dropped, 1000);
    assert!(heard.len() > 20 && dropped > 900);
}

#[test]
fn output_is_handed_out_in_pieces() {
    let mut node = Node::new(Config::default());
    node.greet();
    let whole = node.clone().poll_output().unwrap().to_vec();
    let mut pieces = Vec::new();
    while let Some(piece) = node.take_output(7) {
        assert!(piece.len() <= 7);
        pieces.extend_from_slice(piece);
    }
    assert_eq!(pieces, whole);
    assert_eq!(node.poll_output(), None);
}

#[test]
fn a_blob_that_cannot_resample_rows_takes_them_as_they_come() {
    let mut random = Random(1);
    let attention = csi_temporal::rvne::AttentionRecord { frame_rate_hz: 1e9, ..support::record() };
    let blob = blob_of(1, Trailer { attention: Some(attention), ..Trailer::default() });
    let mut line = Line::with(Config::default(), &blob);
    line.node.handle_row(0, 0, &random.numbers(6, 1.0)).unwrap();
    line.node.handle_row(0, 0, &random.numbers(6, 1.0)).unwrap();
    assert_eq!(line.node.stats(0).rows, 2);
}

/// The bits that the library compares itself with are those of the golden table.
#[test]
fn the_kernel_test_passes_here() {
    assert_eq!(csi_node::kernel_works(), Ok(true));
}
