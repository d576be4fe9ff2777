//! No bytes make a node panic, and it answers afterwards.

mod support;

use csi_node::protocol::{Numbers, Request, Settings};
use csi_node::{Config, FRAME_GAP_MICROS, Node};
use csi_temporal::crc32::crc32;
use support::{Random, blob, csi_blob, framed, rich_blob};

/// Frames with right CRCs and random payloads, requests with random fields, and noise.
#[test]
fn random_requests_never_panic() {
    let blobs = [blob(1), rich_blob(2), csi_blob(3, 40.0)].map(|blob| blob.encode().unwrap());
    for seed in 1..400 {
        let mut random = Random(seed);
        let mut node = Node::new(Config { max_blob_bytes: 20_000, ..Config::default() });
        let mut now_micros = 0;
        for _ in 0..200 {
            let mut bytes = match random.between(0, 11) {
                0 => (0..random.between(0, 40)).map(|_| random.next() as u8).collect(),
                1 | 2 => {
                    let kind = random.between(0, 13) as u8;
                    let len = random.between(0, 60);
                    let mut frame = vec![0x55, 0xAA, kind, len as u8, 0];
                    frame.extend((0..len).map(|_| random.next() as u8));
                    frame.extend(crc32(&frame[2..]).to_le_bytes());
                    frame
                }
                3 => {
                    let flags = random.next();
                    framed(&Request::Configure(Settings {
                        node: flags as u8,
                        send_logits: flags & 1 == 0,
                        acknowledge: flags & 2 == 0,
                        rows_as_they_come: flags & 4 == 0,
                        hold_when_slow: flags & 8 == 0,
                        period_rows: random.between(0, 9) as u16,
                    }))
                }
                4 => {
                    node.load_weights(&blobs[random.between(0, 2)]).unwrap();
                    Vec::new()
                }
                5 => framed(&Request::Classify),
                6 => framed(&Request::Reset { restart: false }),
                _ => {
                    let dim = if random.between(0, 9) < 8 { 6 } else { 9 };
                    let mut values = random.numbers(dim, 3.0);
                    match random.between(0, 20) {
                        0 => values[0] = f32::INFINITY,
                        1 => values.fill(f32::MAX),
                        _ => {}
                    }
                    let time_micros = match random.between(0, 30) {
                        0 => random.next() as i64,
                        _ => now_micros as i64,
                    };
                    let values = Numbers::Floats(&values);
                    framed(&Request::Row { sequence: random.next() as u32, time_micros, values })
                }
            };
            if random.between(0, 15) == 0 && !bytes.is_empty() {
                let at = random.between(0, bytes.len() - 1);
                bytes[at] ^= 1 << random.between(0, 7);
            }
            node.handle_bytes(now_micros, &bytes);
            now_micros += random.between(0, 60_000) as u64;
            node.take_output(random.between(0, 4000));
        }
        while node.poll_output().is_some() {}
        node.handle_bytes(now_micros + FRAME_GAP_MICROS + 1, &[]);
        while node.poll_output().is_some() {}
        node.handle_bytes(now_micros + FRAME_GAP_MICROS + 2, &framed(&Request::Stats));
        assert!(node.poll_output().is_some(), "seed {seed}");
    }
}
