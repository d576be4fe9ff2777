//! The rows that a board wants of the open recording, piece by piece, against all of them at once.

mod session_support;

use csi_lab::device::RowsWanted;
use session_support::{default_model, walking};

#[test]
fn pieces_of_rows_are_the_pipelines_rows_with_the_mean_left_in() {
    let mut session = walking();
    session.blob_new(&default_model()).unwrap();
    let dim = session.pipeline().unwrap().feature_dim;
    let all = session.parity_ask(5000, false).unwrap();
    let csi_lab::device::ParityInput::Rows { values: all } = all.input else { panic!() };
    let wanted = RowsWanted { ask: 1, from: None, time_micros: 10_000_000, before: 100, most: 156 };
    let around = session.board_rows(&wanted).unwrap();
    // Fifty rows a second, from the first frame on.
    let end = 10 * 50 + 1;
    assert_eq!((around.first as usize, around.times_micros.len()), (end - 100, 156));
    let (mut from, mut got) = (0, Vec::new());
    loop {
        let part =
            session.board_rows(&RowsWanted { from: Some(from), most: 256, ..wanted }).unwrap();
        assert_eq!((part.first, part.starts), (from, false));
        for (row, time) in (i64::from(from)..).zip(&part.times_micros) {
            assert_eq!(*time, row * 20_000);
        }
        if part.times_micros.is_empty() {
            break;
        }
        from += part.times_micros.len() as u32;
        got.extend(part.values);
    }
    assert_eq!(got, all[..got.len().min(all.len())]);
    assert_eq!(around.values, all[around.first as usize * dim..][..156 * dim]);
    // Before the first row there is one or none, beyond the last one the last window.
    let first = session.board_rows(&RowsWanted { time_micros: 0, ..wanted }).unwrap();
    assert_eq!(first.first, 0);
    let last = session.board_rows(&RowsWanted { time_micros: i64::MAX, ..wanted }).unwrap();
    assert_eq!((last.first as usize, last.times_micros.len()), (from as usize - 100, 100));
    let none = RowsWanted { from: Some(u32::MAX), most: usize::MAX, ..wanted };
    assert!(session.board_rows(&none).unwrap().values.is_empty());
}
