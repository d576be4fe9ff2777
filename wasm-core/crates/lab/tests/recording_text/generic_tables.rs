//! Plain tables in the forms seen in the wild.

use csi_temporal::frame::CsiValues;

use super::*;

fn join(cells: impl IntoIterator<Item = impl ToString>) -> String {
    cells.into_iter().map(|c| c.to_string()).collect::<Vec<_>>().join(",")
}

fn names(prefix: &str, ids: core::ops::Range<usize>) -> String {
    join(ids.map(|id| format!("{prefix}{id}")))
}

#[test]
fn numbered_raw_columns_with_rssi_and_label() {
    let header = format!("rssi,{},label", names("csi_", 1..129));
    let rows: String = (0..4).map(|n| format!("-4{n},{},walk\n", join(0..128))).collect();
    let recording = open(format!("{header}\n{rows}"));
    let frame = recording.streams[0].frame(2);
    assert!(matches!(frame.values, CsiValues::Iq8(v) if v[..4] == [0, 1, 2, 3] && v.len() == 128));
    assert_eq!(frame.rssi_dbm, Some(-42));
    assert_eq!(recording.report.labels["walk"], 4);
    assert_eq!(recording.report.rate_hz, None);
}

#[test]
fn rows_of_128_integers_without_names() {
    let recording = open(format!("{}\n{}\n", join(0..128), join((0..128).rev())));
    assert_eq!((recording.report.format, recording.report.frames), ("generic-csv", 2));
    assert_eq!(recording.streams[0].values_per_frame, 128);
}

#[test]
fn pairs_by_name_keep_imaginary_first_whatever_the_order_of_columns() {
    // i is the driver's first byte, the imaginary part.
    let header = format!("timestamp,{}", join((0..52).map(|k| format!("I{k},Q{k}"))));
    let row = |t: &str| format!("{t},{}", join((0..52).map(|k| format!("{k},{}", -k))));
    let text = format!(
        "{header}\n{}\n{}\n",
        row("2024-05-01 10:00:00.000"),
        row("2024-05-01 10:00:00.250")
    );
    let recording = open(text);
    assert!(
        matches!(recording.streams[0].frame(0).values, CsiValues::Iq8(v) if v[2..6] == [1, -1, 2, -2])
    );
    assert_eq!(recording.streams[0].time_micros(1), 250_000);
    let header = format!("time_ms,{},{}", names("real_", 0..64), names("imag_", 0..64));
    let row = format!("5,{},{}", join(0..64), join((0..64).map(|k| -k)));
    let recording = open(format!("{header}\n{row}\n"));
    assert!(
        matches!(recording.streams[0].frame(0).values, CsiValues::Iq8(v) if v[2..6] == [-1, 1, -2, 2])
    );
}

#[test]
fn a_612_column_table_of_floats_is_a_40_mhz_frame() {
    let header = format!("time,{}", names("sc_", 0..612));
    let row = |t: f64| format!("{t},{}", join((0..612).map(|v| format!("{}.0", v % 100))));
    let recording = open(format!("{header}\n{}\n{}\n", row(0.5), row(0.52)));
    assert_eq!(recording.streams[0].map.subcarriers.len(), 306);
    assert!((recording.report.rate_hz.unwrap() - 50.0).abs() < 1e-6);
    let fractions = format!("{header}\n{}\n", row(0.5).replace(".0", ".5"));
    assert!(matches!(open(fractions).streams[0].frame(0).values, CsiValues::IqF32(_)));
}

#[test]
fn the_clocks_unit_is_taken_from_its_name_or_size_and_stated() {
    let header = |name: &str| format!("{name},{}", names("a", 0..56));
    let span = |name: &str, first: &str, second: &str| {
        let cells = join(0..56);
        let recording = open(format!("{}\n{first},{cells}\n{second},{cells}\n", header(name)));
        let noted = recording.report.notes.iter().any(|n| n.contains("unit is not named"));
        (recording.streams[0].time_micros(1), noted)
    };
    assert_eq!(span("time_us", "100", "600"), (500, false));
    assert_eq!(span("esp_timestamp_us", "4294967295", "499"), (500, false));
    assert_eq!(span("ts_ms", "100", "600"), (500_000, false));
    assert_eq!(span("time_s", "1", "1.5"), (500_000, false));
    assert_eq!(span("time_ns", "1000000", "1500000"), (500, false));
    assert_eq!(span("timestamp", "1772470567.0", "1772470567.5"), (500_000, true));
    assert_eq!(span("timestamp", "1772470567000", "1772470567500"), (500_000, true));
    assert_eq!(span("ts", "1772470567000000", "1772470567000500"), (500, true));
    assert_eq!(span("t", "1772470567000000000", "1772470567000500000"), (500, true));
    assert_eq!(span("time", "0.25", "0.75"), (500_000, true));
}

#[test]
fn quoted_cells_may_hold_commas() {
    let header = format!("label,{}", names("a", 0..56));
    let recording = open(format!("{header}\n\"sitting, still\",{}\n", join(0..56)));
    assert_eq!(recording.report.labels["sitting, still"], 1);
}

#[test]
fn a_table_of_something_else_is_refused() {
    assert_eq!(refused("name,age\nA,3\nB,4\n").code(), "recording/no-csi");
    assert_eq!(refused("1,2,3\n4,5,6\n").code(), "recording/no-csi");
}

#[test]
fn text_where_a_number_belongs_costs_the_row_alone() {
    let header = names("a", 0..56);
    let bad = join(0..56).replacen("7", "x", 1);
    let recording = open(format!("{header}\n{}\n{bad}\n{}\n", join(0..56), join(1..57)));
    assert_eq!((recording.report.frames, skipped(&recording)), (2, vec![("not-a-number", 1)]));
}

#[test]
fn complex_cells_are_pairs_in_ascending_order() {
    let header = format!("mac,time,{}", names("_", 0..64));
    let cells = (0..64).map(|p| match p {
        32 => "0j".to_owned(),
        33 => "(1.5e+2-2e-1j)".to_owned(),
        34 => "-7j".to_owned(),
        _ => format!("(-88-{p}j)"),
    });
    let row = join(cells);
    let bad = row.replacen("(-88-5j)", "(-88-5)", 1);
    let mac = "00:11:22:33:44:55";
    let text = format!("{header}\n{mac},1.5,{row}\n{mac},1.75,{bad}\n{mac},2.0,{row}\n");
    let recording = open(text);
    assert_eq!((recording.report.frames, skipped(&recording)), (2, vec![("not-a-number", 1)]));
    assert_eq!(recording.report.span_s, Some(0.5));
    let stream = &recording.streams[0];
    let CsiValues::IqF32(values) = stream.frame(0).values else {
        panic!("{:?}", stream.frame(0).values);
    };
    assert_eq!(values[..4], [0.0, -88.0, -1.0, -88.0], "imaginary part first");
    assert_eq!(values[64..70], [0.0, 0.0, -0.2, 150.0, -7.0, 0.0]);
    assert_eq!(stream.map.subcarriers[0].index, Some(-32));
    assert_eq!(stream.map.useful().len(), 56);
}
