//! Many frames over the serial line: nothing is lost, nothing differs, nothing grows.

mod board;

use board::{Pair, rows, stored};
use csi_node::protocol::{Numbers, Request, Settings, kind};
use csi_temporal::rvne::WeightBlob;

/// As many as `CSI_LAB_SOAK` says; without it a few.
#[test]
fn nothing_is_lost_and_nothing_grows() {
    let stored = stored();
    let Some(mut pair) = Pair::start(&stored) else { return };
    let frames = std::env::var("CSI_LAB_SOAK").map_or(200, |frames| frames.parse().unwrap());
    let settings =
        Settings { send_logits: true, acknowledge: true, period_rows: 32, ..Settings::default() };
    pair.ask(&Request::Configure(settings));
    let dim = usize::from(WeightBlob::parse(&stored).unwrap().shape.input_dim);
    let rows = rows(dim, 5, 251);
    let (mut heap, mut acknowledged, mut classified, mut damaged) = (None, 0, 0, 0);
    for index in 0..frames {
        let mut bytes = Vec::new();
        let row = Request::Row {
            sequence: index - damaged,
            time_micros: i64::from(index - damaged) * 25_000,
            values: Numbers::Floats(&rows[index as usize % rows.len()]),
        };
        row.write(&mut bytes).unwrap();
        if index % 100 == 99 {
            *bytes.last_mut().unwrap() ^= 1;
            damaged += 1;
        }
        for reply in pair.exchange(&bytes) {
            acknowledged += u32::from(reply.kind == kind::DONE);
            classified += u32::from(reply.kind == kind::LOGITS);
        }
        // By then all memory was needed that ever will be.
        if index == frames / 2 {
            heap = Some(pair.counters().heap_used);
        }
    }
    let stats = pair.counters();
    println!("{frames} frames, {classified} classifications, {damaged} damaged on purpose");
    println!("{} bytes of heap, {} at most", stats.heap_used, stats.heap_peak);
    assert_eq!(acknowledged, frames - damaged);
    assert_eq!((stats.arrived, stats.refused, stats.lost), (frames - damaged, 0, 0));
    assert_eq!((stats.output_dropped, stats.breaks, stats.out_of_order), (0, 0, 0));
    assert_eq!((stats.crc_errors, stats.classifications), (damaged, classified));
    assert_eq!(Some(stats.heap_used), heap);
}
