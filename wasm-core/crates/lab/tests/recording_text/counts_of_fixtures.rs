//! What a correct reader counts in each committed fixture, and in each damaged one.

use super::*;

struct Expected {
    file: &'static str,
    format: &'static str,
    frames: u64,
    skipped: &'static [(&'static str, u64)],
    lengths: &'static [(usize, u64)],
    /// Name, frames and numbers a frame, in order.
    streams: &'static [(&'static str, u64, usize)],
    rate_hz: Option<f64>,
    order: &'static str,
    useful: usize,
}

const PACKET_STREAMS: &[(&str, u64, usize)] = &[
    ("node 1, 64 subcarriers (LLTF of every frame)", 52, 128),
    ("node 2, 64 subcarriers (LLTF of every frame)", 52, 128),
    ("node 1, 64 subcarriers", 41, 128),
    ("node 2, 64 subcarriers", 40, 128),
    ("node 2, 128 subcarriers", 12, 256),
    ("node 1, 128 subcarriers", 11, 256),
    ("node 1, feature state", 2, 9),
    ("node 2, feature state", 2, 9),
];

const EXPECTED: &[Expected] = &[
    Expected {
        file: "recordings/walking_esp32_107hz.csv",
        format: "esp32-csi-tool-csv",
        frames: 2400,
        skipped: &[],
        lengths: &[(128, 2400)],
        streams: &[("20:50:0D:2A:A2:E4, 64 subcarriers", 2400, 128)],
        rate_hz: Some(106.4),
        order: "centred",
        useful: 52,
    },
    Expected {
        file: "recordings/ruview_two_nodes.csi.jsonl",
        format: "ruview-csi-jsonl",
        frames: 111,
        skipped: &[("no-payload", 1)],
        lengths: &[(64, 87), (128, 24)],
        streams: &[
            ("node 2, 64 subcarriers (LLTF of every frame)", 56, 128),
            ("node 1, 64 subcarriers (LLTF of every frame)", 55, 128),
            ("node 2, 64 subcarriers", 44, 128),
            ("node 1, 64 subcarriers", 43, 128),
            ("node 1, 128 subcarriers", 12, 256),
            ("node 2, 128 subcarriers", 12, 256),
        ],
        rate_hz: Some(21.9),
        order: "fft",
        useful: 52,
    },
    Expected {
        file: "recordings/ruview_server_amplitudes.csi.jsonl",
        format: "ruview-csi-jsonl",
        frames: 40,
        skipped: &[],
        lengths: &[(56, 40)],
        streams: &[("56 amplitudes", 40, 56)],
        rate_hz: Some(10.3),
        order: "fft",
        useful: 44,
    },
    Expected {
        file: "recordings/ruview_udp_recorder_derived.csi.jsonl",
        format: "ruview-csi-jsonl",
        frames: 56,
        skipped: &[("not-csi-packet", 2)],
        lengths: &[(64, 44), (128, 12)],
        streams: &[
            ("node 2, 64 subcarriers (LLTF of every frame)", 29, 128),
            ("node 1, 64 subcarriers (LLTF of every frame)", 27, 128),
            ("node 1, 64 subcarriers", 22, 128),
            ("node 2, 64 subcarriers", 22, 128),
            ("node 2, 128 subcarriers", 7, 256),
            ("node 1, 128 subcarriers", 5, 256),
        ],
        rate_hz: Some(23.4),
        order: "fft",
        useful: 52,
    },
    Expected {
        file: "recordings/esp32_sta_fft_order.csv",
        format: "esp32-csi-tool-csv",
        frames: 60,
        skipped: &[],
        lengths: &[(128, 60)],
        streams: &[("82:FB:A9:3F:02:09, 64 subcarriers", 60, 128)],
        rate_hz: Some(11.6),
        order: "fft",
        useful: 51,
    },
    Expected {
        file: "recordings/esp32_passive_bad_line.csv",
        format: "esp32-csi-tool-csv",
        frames: 39,
        skipped: &[("odd-count", 1)],
        lengths: &[(128, 39)],
        streams: &[("11:22:33:44:55:66, 64 subcarriers", 39, 128)],
        rate_hz: Some(61.7),
        order: "fft",
        useful: 51,
    },
    Expected {
        file: "recordings/esp32_mixed_lengths.csv",
        format: "esp32-csi-tool-csv",
        frames: 40,
        skipped: &[],
        lengths: &[(128, 4), (384, 36)],
        streams: &[
            ("30:AE:A4:96:B7:00, 64 subcarriers (LLTF of every frame)", 40, 128),
            ("30:AE:A4:96:B7:00, 192 subcarriers", 36, 384),
            ("30:AE:A4:96:B7:00, 64 subcarriers", 4, 128),
        ],
        rate_hz: Some(14.0),
        order: "centred",
        useful: 52,
    },
    Expected {
        file: "recordings/espressif_ht40.csv",
        format: "espressif-csv",
        frames: 30,
        skipped: &[],
        lengths: &[(384, 30)],
        streams: &[("1A:00:00:00:00:00, 192 subcarriers", 30, 384)],
        rate_hz: Some(70.7),
        order: "centred",
        useful: 114,
    },
    Expected {
        file: "recordings/espressif_15_columns_SYNTHETIC.csv",
        format: "espressif-csv",
        frames: 20,
        skipped: &[],
        lengths: &[(128, 20)],
        streams: &[("1A:00:00:00:00:00, 64 subcarriers", 20, 128)],
        rate_hz: Some(100.0),
        order: "centred",
        useful: 52,
    },
    Expected {
        file: "recordings/geotec_labelled_amplitudes.csv",
        format: "generic-csv",
        frames: 80,
        skipped: &[],
        lengths: &[(56, 80)],
        streams: &[("56 amplitudes", 80, 56)],
        rate_hz: None,
        order: "amplitude-only",
        useful: 56,
    },
    Expected {
        file: "recordings/esp_csi_rs.csv",
        format: "generic-csv",
        frames: 29,
        skipped: &[],
        lengths: &[(128, 29)],
        streams: &[("64 subcarriers", 29, 128)],
        rate_hz: Some(15.2),
        order: "fft",
        useful: 52,
    },
    Expected {
        file: "recordings/ruview_packets.bin",
        format: "adr018-bin",
        frames: 104,
        skipped: &[],
        lengths: &[(128, 81), (256, 23)],
        streams: PACKET_STREAMS,
        rate_hz: Some(24.2),
        order: "fft",
        useful: 52,
    },
    Expected {
        file: "recordings/ruview_packets.pcap",
        format: "adr018-pcap",
        frames: 104,
        skipped: &[],
        lengths: &[(128, 81), (256, 23)],
        streams: PACKET_STREAMS,
        rate_hz: Some(22.8),
        order: "fft",
        useful: 52,
    },
];

#[test]
fn every_fixture_has_the_documented_counts() {
    for expected in EXPECTED {
        let recording = open(fixture(expected.file));
        let (report, file) = (&recording.report, expected.file);
        assert_eq!(report.format, expected.format, "{file}");
        assert_eq!(report.frames, expected.frames, "{file}");
        assert_eq!(skipped(&recording), expected.skipped, "{file}");
        let lengths: Vec<_> = report.frame_lengths.iter().map(|(l, n)| (*l, *n)).collect();
        assert_eq!(lengths, expected.lengths, "{file}");
        let streams: Vec<_> =
            report.streams.iter().map(|s| (s.name.as_str(), s.frames, s.values)).collect();
        assert_eq!(streams, expected.streams, "{file}");
        assert_eq!(report.rate_hz.map(|r| (r * 10.0).round() / 10.0), expected.rate_hz, "{file}");
        assert_eq!(report.subcarrier_order, expected.order, "{file}");
        let main = &recording.streams[recording.default_stream];
        assert_eq!(main.map.useful().len(), expected.useful, "{file}");
        for stream in &recording.streams {
            let times: Vec<i64> = (0..stream.len()).map(|i| stream.time_micros(i)).collect();
            assert_eq!(times[0], 0, "{file}");
            assert!(times.is_sorted(), "{file}: {}", stream.name);
        }
    }
}

#[test]
fn damaged_files_show_their_good_frames_and_name_the_rest() {
    /// File, frames, skipped by reason.
    type Case = (&'static str, u64, &'static [(&'static str, u64)]);
    let cases: &[Case] = &[
        ("bad/cut_in_the_middle.csv", 7, &[("cut-short", 1)]),
        ("bad/nan.csv", 8, &[("not-finite", 2)]),
        ("bad/nan.csi.jsonl", 5, &[("not-finite", 1)]),
        ("bad/mark_and_mixed_line_ends.csv", 5, &[]),
        ("bad/beyond_i8.csv", 2, &[("value-beyond-i8", 3)]),
        ("bad/wrong_columns.csv", 2, &[("wrong-cell-count", 2)]),
        (
            "bad/serial_log_with_merged_lines.txt",
            3,
            &[("merged-lines", 1), ("odd-count", 1), ("other-line", 2)],
        ),
    ];
    for (file, frames, expected) in cases {
        let recording = open(fixture(file));
        assert_eq!(recording.report.frames, *frames, "{file}");
        assert_eq!(skipped(&recording), *expected, "{file}");
    }
    let nan = open(fixture("bad/nan.csv"));
    assert_eq!(nan.report.skipped_at["not-finite"], ["line 5", "line 7"]);
}

#[test]
fn packets_of_other_kinds_are_counted_by_type() {
    let recording = open(fixture("recordings/ruview_two_nodes.csi.jsonl"));
    let packets: Vec<_> = recording.report.packets.iter().map(|(k, n)| (*k, *n)).collect();
    let expected = [
        ("compressed CSI without payload", 1),
        ("feature", 4),
        ("kind B (raw CSI)", 111),
        ("vitals", 4),
    ];
    assert_eq!(packets, expected);
}

#[test]
fn labels_become_spans() {
    let recording = open(fixture("recordings/geotec_labelled_amplitudes.csv"));
    let labels: Vec<_> = recording.report.labels.iter().map(|(l, n)| (l.as_str(), *n)).collect();
    assert_eq!(labels, [("SEATED_RX", 40), ("STANDING_UP_RX", 40)]);
    let spans = recording.streams[0].label_spans();
    let spans: Vec<_> =
        spans.iter().map(|s| (s.label.as_str(), s.first_frame, s.end_frame)).collect();
    assert_eq!(spans, [("SEATED_RX", 0, 40), ("STANDING_UP_RX", 40, 80)]);
    assert_eq!(recording.streams[0].label(39), Some("SEATED_RX"));
    assert_eq!(recording.streams[0].label(80), None);
}

#[test]
fn a_file_without_a_clock_has_assumed_times_and_no_rate() {
    let recording = open(fixture("recordings/geotec_labelled_amplitudes.csv"));
    let report = &recording.report;
    assert_eq!((report.rate_hz, report.span_s, report.assumed_rate_hz), (None, None, Some(100.0)));
    assert_eq!(recording.streams[0].time_micros(79), 790_000);
    assert!(report.notes.iter().any(|note| note.contains("no usable clock")));
}

#[test]
fn the_report_as_json_has_the_documented_keys() {
    let report = open(fixture("recordings/esp32_passive_bad_line.csv")).report;
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["format"], "esp32-csi-tool-csv");
    assert_eq!(json["frames"], 39);
    assert_eq!(json["skipped"], serde_json::json!({"odd-count": 1}));
    assert!(json["span_s"].is_f64() && json["rate_hz"].is_f64());
    assert_eq!(json["subcarrier_order"], "fft");
    assert_eq!(json["labels"], serde_json::json!({}));
    let stream = &json["streams"][0];
    assert_eq!((&stream["frames"], &stream["values"]), (&39.into(), &128.into()));
    assert!(stream["name"].is_string() && stream["rate_hz"].is_f64());
    let clockless = open(fixture("recordings/geotec_labelled_amplitudes.csv")).report;
    let json = serde_json::to_value(&clockless).unwrap();
    assert!(json["rate_hz"].is_null() && json["span_s"].is_null());
    assert_eq!(json["labels"]["SEATED_RX"], 40);
}

#[test]
fn every_fixture_is_documented_and_expected() {
    let readme = std::fs::read_to_string(root().join("fixtures/README.md")).unwrap();
    for (name, _) in all_fixtures() {
        assert!(readme.contains(&name), "{name} is not in fixtures/README.md");
    }
    let good = std::fs::read_dir(root().join("fixtures/recordings")).unwrap();
    assert_eq!(good.count(), EXPECTED.len());
}

/// What a file says of itself is believed: a made-up frame is never shown as a recorded one.
#[test]
fn test_fixtures_of_ruview_are_called_synthetic() {
    let amplitudes: Vec<String> = (0..56).map(|k| format!("{}.5", k % 7)).collect();
    let line = format!("{{\"node_id\":1,\"amplitude\":[{}]}}\n", amplitudes.join(","));
    let recording = open(line.repeat(3));
    assert_eq!((recording.report.frames, recording.report.source), (3, "SYNTHETIC"));
    let recorded = open(fixture("recordings/ruview_server_amplitudes.csi.jsonl"));
    assert_eq!(recorded.report.source, "RECORDED");
}
