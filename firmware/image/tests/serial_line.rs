//! The node behind a serial line answers as the same node on this host, bit for bit.

mod board;

use board::{Pair, rows, stored};
use csi_node::protocol::{Numbers, Request, Settings, kind};
use csi_temporal::rvne::{AttentionRecord, Dtype, HeadShape, WeightBlob};

/// What the stack may hold at most, loading weights included; a task of ESP-IDF has 16 KB.
const STACK_BYTES: u32 = 6 * 1024;

#[test]
fn the_board_answers_as_the_host() {
    // It starts with the weights of its flash.
    let stored = stored();
    let Some(mut pair) = Pair::start(&stored) else { return };

    // Rows, acknowledged one by one; every logit is compared.
    let settings =
        Settings { send_logits: true, acknowledge: true, period_rows: 16, ..Settings::default() };
    pair.ask(&Request::Configure(settings));
    let dim = usize::from(WeightBlob::parse(&stored).unwrap().shape.input_dim);
    let mut classified = 0;
    for (index, row) in rows(dim, 1, 120).iter().enumerate() {
        let frames = pair.ask(&Request::Row {
            sequence: index as u32,
            time_micros: index as i64 * 25_000,
            values: Numbers::Floats(row),
        });
        classified += frames.iter().filter(|frame| frame.kind == kind::LOGITS).count();
    }
    assert!(classified >= 2, "{classified} classifications");
    pair.ask(&Request::Classify);

    // Damage on the line is refused and forgotten.
    let mut damaged = Vec::new();
    Request::Classify.write(&mut damaged).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    let frames = pair.exchange(&damaged);
    assert_eq!(frames[0].kind, kind::ERROR);
    pair.exchange(b"noise \x55\xAA and more of it that means nothing, long enough to be given up");
    pair.ask(&Request::Classify);

    // Other weights, while it runs, and back to rows.
    let shape =
        HeadShape { input_dim: 60, q_heads: 4, kv_heads: 4, head_dim: 8, layers: 1, classes: 4 };
    let mut other = WeightBlob::seeded(shape, 7, Dtype::F16).unwrap();
    other.trailer.attention =
        Some(AttentionRecord { window_len: 32, ..AttentionRecord::default() });
    let other = other.encode().unwrap();
    pair.send_weights(&other);
    for (index, row) in rows(60, 2, 40).iter().enumerate() {
        pair.ask(&Request::Row {
            sequence: 300 + index as u32,
            time_micros: index as i64 * 25_000,
            values: Numbers::Floats(row),
        });
    }
    let frames = pair.ask(&Request::Classify);
    assert!(frames.iter().any(|frame| frame.kind == kind::LOGITS));

    // The self-test's rows are the golden table's.
    let frames = pair.ask(&Request::SelfTest);
    assert!(frames.iter().all(|frame| frame.kind == kind::BITS) && !frames.is_empty());

    // All of that fits the stack of a task.
    let stats = pair.counters();
    println!("{} bytes of stack at most", stats.stack_peak);
    assert!((1..=STACK_BYTES).contains(&stats.stack_peak), "{} bytes", stats.stack_peak);

    // A restart brings the weights of the flash back.
    pair.ask(&Request::Reset { restart: true });
    pair.greeted(&stored);
    pair.ask(&Request::Configure(settings));
    for (index, row) in rows(dim, 3, 40).iter().enumerate() {
        pair.ask(&Request::Row {
            sequence: index as u32,
            time_micros: index as i64 * 25_000,
            values: Numbers::Floats(row),
        });
    }
    let frames = pair.ask(&Request::Classify);
    assert!(!frames.is_empty());
}
