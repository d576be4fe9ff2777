//! Serial logs: headers anywhere, added columns, wrapped and merged lines, restarts, wraps.

use csi_lab::recording::{Order, StreamKind};

use super::*;

fn tool(time: i64, mac: &str, values: usize) -> String {
    let values = vec!["7"; values].join(" ");
    format!(
        "CSI_DATA,AP,{mac},-60,11,1,0,1,1,1,0,0,0,0,-96,0,1,1,{time},0,84,0,0,1.5,384,[{values} ]"
    )
}

fn espressif(id: u32, time: i64, len: usize, values: usize) -> String {
    let values = vec!["7"; values].join(",");
    format!(
        "CSI_DATA,{id},1a:00:00:00:00:00,-57,11,1,0,1,1,1,0,0,0,1,-96,0,11,2,{time},0,44,0,{len},1,\"[{values}]\""
    )
}

const MAC: &str = "20:50:0D:2A:A2:E4";

#[test]
fn a_line_wrapped_into_another_table_is_found() {
    let header = "packet_idx,epoch_s,sub30_amplitude,rssi_dbm,raw_line\n";
    let text = format!(
        "{header}0,1.5,3.2,-60,{}\n1,1.6,3.2,-60,{}\n",
        tool(0, MAC, 128),
        tool(9000, MAC, 128)
    );
    let recording = open(text);
    assert_eq!(recording.report.frames, 2);
    assert_eq!(recording.streams[0].time_micros(1), 9000);
}

#[test]
fn a_header_behind_a_prompt_is_no_bad_line() {
    let text = format!(
        "csi> ping 1.1.1.1csi> type,id,mac,rssi,data\nI (12) wifi: x\n{}\n",
        espressif(5, 100, 128, 128)
    );
    let recording = open(text);
    assert_eq!(skipped(&recording), [("other-line", 1)]);
}

#[test]
fn columns_before_and_after_are_no_harm_and_a_named_label_is_read() {
    let header = "type,id,mac,data,host_time,label\n";
    let text = format!("{header}1700000000,{},2026-01-01,wave\n", espressif(5, 100, 128, 128));
    let recording = open(text);
    assert_eq!((recording.report.frames, recording.report.labels["wave"]), (1, 1));
}

#[test]
fn the_stated_length_must_hold_in_espressifs_lines_only() {
    let text = format!("{}\n{}\n", espressif(1, 0, 384, 128), espressif(2, 9, 128, 128));
    assert_eq!(skipped(&open(text)), [("length-mismatch", 1)]);
    // The ESP32-CSI-Tool says 384 and prints 128.
    assert_eq!(skipped(&open(tool(0, MAC, 128) + "\n")), []);
}

#[test]
fn a_wrong_number_of_columns_is_named() {
    let line = espressif(1, 0, 128, 128).replacen("-57,", "", 1);
    let text = format!("{line}\n{}\n", espressif(2, 9, 128, 128));
    assert_eq!(skipped(&open(text)), [("wrong-cell-count", 1)]);
}

#[test]
fn merged_lines_give_the_last_one() {
    let first = espressif(1, 0, 128, 128);
    let text = format!("{}{}\n", &first[..90], espressif(2, 9, 128, 128));
    let recording = open(text);
    assert_eq!((recording.report.frames, skipped(&recording)), (1, vec![("merged-lines", 1)]));
    assert_eq!(recording.streams[0].sequence(0), Some(2));
}

#[test]
fn senders_come_apart_and_the_most_frequent_is_the_default() {
    let other = "AA:BB:CC:DD:EE:FF";
    let text = [tool(0, other, 128), tool(10, MAC, 128), tool(20, MAC, 128)].join("\n");
    let recording = open(text);
    let names: Vec<_> = recording.streams.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["20:50:0D:2A:A2:E4, 64 subcarriers", "AA:BB:CC:DD:EE:FF, 64 subcarriers"]);
    assert_eq!(recording.default_stream, 0);
    // Both run on the receiver's clock: the second stream tells how much later it begins.
    assert_eq!((recording.streams[0].start_micros, recording.streams[1].start_micros), (10, 0));
}

#[test]
fn a_wrap_and_a_restart_of_the_clock_are_repaired_and_counted() {
    let times = [4_294_957_296, 4_294_967_295, 9_999, 19_999, 29_999, 500, 10_500];
    let text: String = times.iter().map(|&t| tool(t, MAC, 128) + "\n").collect();
    // A restart is a jump back of more than 0.1 s; 29.5 ms is two frames in the wrong order.
    let recording = open(text);
    assert_eq!((recording.report.clock_wraps, recording.report.clock_reordered), (1, 2));
    let times = [9_000_000, 9_010_000, 9_020_000, 400, 10_400];
    let text: String = times.iter().map(|&t| tool(t, MAC, 128) + "\n").collect();
    let recording = open(text);
    assert_eq!(recording.report.clock_restarts, 1);
    let got: Vec<i64> = (0..5).map(|i| recording.streams[0].time_micros(i)).collect();
    assert_eq!(got, [0, 10_000, 20_000, 30_000, 40_000]);
}

#[test]
fn time_stamps_printed_signed_wrap_in_the_middle() {
    let times = [2_147_483_647, -2_147_483_648, -2_147_473_648];
    let text: String = times.iter().map(|&t: &i64| tool(t, MAC, 128) + "\n").collect();
    let recording = open(text);
    let got: Vec<i64> = (0..3).map(|i| recording.streams[0].time_micros(i)).collect();
    assert_eq!((got, recording.report.clock_wraps), (vec![0, 1, 10_001], 0));
}

#[test]
fn gaps_bursts_and_jitter_are_told_apart() {
    // Ten periods of 10 ms, one pause of 1 s, ten periods of 10 ms.
    let mut time = 0;
    let mut text = String::new();
    for n in 0..22 {
        text += &(tool(time, MAC, 128) + "\n");
        time += if n == 10 { 1_000_000 } else { 10_000 };
    }
    let report = open(text).report;
    assert_eq!(report.gap_count, 1);
    assert_eq!((report.gaps[0].start_s, report.gaps[0].length_s), (0.1, 1.0));
    assert_eq!(report.median_rate_hz, Some(100.0));
    assert!((report.rate_hz.unwrap() - 21.0 / 1.2).abs() < 1e-9);
    assert_eq!(report.jitter_s, Some(0.0));
}

#[test]
fn running_numbers_tell_lost_frames() {
    let text: String = [1, 2, 5, 6, 1, 2]
        .iter()
        .map(|&id| espressif(id, i64::from(id) * 10, 128, 128) + "\n")
        .collect();
    assert_eq!(open(text).report.lost_frames, Some(2));
}

#[test]
fn frames_of_other_layouts_and_senders_are_not_lost() {
    // One sender alternates between channels without and with a secondary one; another counts
    // for itself.
    let line = |id: u32| espressif(id, i64::from(id) * 10, 128, 128);
    let layouts =
        (0..10).map(|id| line(id).replace(",11,2,", [",11,0,", ",11,2,"][id as usize % 2]));
    let other = (0..3).map(|id| line(500 + id).replace("1a:", "2b:"));
    let recording = open(layouts.chain(other).map(|line| line + "\n").collect::<String>());
    assert_eq!((recording.streams.len(), recording.report.lost_frames), (3, Some(0)));
}

#[test]
fn amplitudes_printed_by_the_firmware_are_not_taken_for_pairs() {
    let text = [tool(0, MAC, 64), tool(10_000, MAC, 64), tool(20_000, MAC, 192)].join("\n");
    let recording = open(text);
    let stream = &recording.streams[0];
    assert_eq!(stream.kind, StreamKind::Amplitude);
    assert_eq!((stream.len(), stream.values_per_frame), (2, 64));
    assert_eq!(stream.frame(0).values.amplitude(63), 7.0);
    assert_eq!(stream.map.order, Order::Centred, "the line's secondary channel tells");
    assert_eq!(recording.streams[1].values_per_frame, 192);
    assert!(recording.report.notes.iter().any(|note| note.contains("no phase")));
    let phases = tool(0, MAC, 64).replace("[7 7", "[-3 2");
    let recording = open([phases, tool(10, MAC, 128)].join("\n"));
    assert_eq!(skipped(&recording), [("phase-only", 1)]);
}

#[test]
fn repeated_frames_are_counted() {
    let text = [tool(0, MAC, 128), tool(10, MAC, 128), tool(10, MAC, 128)].join("\n");
    assert_eq!(open(text).report.duplicates, 1);
}

#[test]
fn frames_that_come_after_64_kib_of_log_are_found() {
    let log = "I (24) boot: chip revision: v0.2\n".repeat(3000);
    let recording = open(log + &tool(0, MAC, 128) + "\n");
    assert_eq!((recording.report.frames, recording.report.format), (1, "esp32-csi-tool-csv"));
}
