//! What a correct reader counts in the whole public recordings that the fixtures are cut from.
//!
//! They are looked for in the folder that the environment variable `CSI_LAB_DATA` names, else in
//! `../shared/data` beside the repository. Where they are absent the test says so and passes.

use super::*;

/// File, frames, numbers a frame (subcarriers for RuView), mean rate and pairs that stay zero.
type Row =
    (&'static str, u64, &'static [(usize, u64)], f64, &'static [core::ops::RangeInclusive<usize>]);

const TABLE: &[Row] = &[
    ("StevenMHernandez+ESP32-CSI-Tool/example_csi.csv", 13, &[(128, 13)], 130.0, &[]),
    (
        "marcrubii+pulse-wifi-sensing/raw/mov_01.csv",
        6477,
        &[(128, 6477)],
        108.0,
        &[2..=5, 32..=32, 59..=63],
    ),
    (
        "RikeshMMM+ESP32-CSI-Python-Parser/example_csi.csv",
        3164,
        &[(128, 199), (384, 2965)],
        39.0,
        &[],
    ),
    ("Gi-z+CSIKit/esp32/example_100hz_pitraffic.csv", 833, &[(128, 833)], 63.4, &[27..=37]),
    ("Gi-z+CSIKit/esp32/example_data.csv", 60, &[(128, 60)], 4.7, &[]),
    (
        "aiot-lab+HKU-COMP3516-ESP32-CSI-Tool/my-experiment-file.csv",
        917,
        &[(128, 917)],
        9.6,
        &[0..=0, 27..=37],
    ),
    (
        "DebatableMiracle+ESP-CSI-for-Machine-Learning/csi_data.csv",
        167,
        &[(384, 167)],
        70.6,
        &[60..=64, 124..=132],
    ),
    ("tristsou+esp32-csi-human-localization/empty_01.csv", 143, &[(128, 143)], 10.7, &[]),
    (
        "ruvnet+RuView/data/recordings/pretrain-1775182186.csi.jsonl",
        5309,
        &[(64, 4127), (128, 1134), (192, 48)],
        22.2,
        &[],
    ),
    (
        "ruvnet+RuView/v2/data/recordings/rec_1772470567081-20260302_165607.csi.jsonl",
        253,
        &[(56, 253)],
        13.9,
        &[0..=0, 27..=37],
    ),
];

fn public(file: &str) -> Option<Vec<u8>> {
    let folder = std::env::var_os("CSI_LAB_DATA").map(PathBuf::from);
    let path = folder.unwrap_or_else(|| root().join("../shared/data")).join(file);
    let bytes = std::fs::read(&path).ok();
    if bytes.is_none() {
        eprintln!("left out: {file} is not there (set CSI_LAB_DATA to the folder with recordings)");
    }
    bytes
}

#[test]
fn the_table_of_public_recordings_comes_out() {
    for (file, frames, lengths, rate_hz, zeros) in TABLE {
        let Some(bytes) = public(file) else { continue };
        let recording = open(&bytes);
        let report = &recording.report;
        assert_eq!(report.frames, *frames, "{file}");
        let got: Vec<_> = report.frame_lengths.iter().map(|(l, n)| (*l, *n)).collect();
        assert_eq!(&got, lengths, "{file}");
        let rate = report.rate_hz.unwrap();
        assert!((rate / rate_hz - 1.0).abs() < 0.01, "{file}: {rate}");
        // The pairs that the table calls zero are zero in every frame, and not called useful.
        let main = &recording.streams[0];
        let useful = main.map.useful();
        for pair in zeros.iter().cloned().flatten() {
            assert!(main.frames().all(|f| f.values.amplitude(pair) == 0.0), "{file}: pair {pair}");
            assert!(!useful.contains(&(pair as u16)), "{file}: pair {pair}");
        }
    }
}

#[test]
fn the_only_bad_line_of_the_passive_recording_is_line_19() {
    let Some(bytes) = public("Gi-z+CSIKit/esp32/example_100hz_pitraffic.csv") else {
        return;
    };
    let recording = open(&bytes);
    assert_eq!(skipped(&recording), [("odd-count", 1)]);
    assert_eq!(recording.report.skipped_at["odd-count"], ["line 19"]);
}

#[test]
fn the_two_nodes_of_the_pretraining_recording_come_apart() {
    let file = "ruvnet+RuView/data/recordings/pretrain-1775182186.csi.jsonl";
    let Some(bytes) = public(file) else { return };
    let recording = open(&bytes);
    let combined: Vec<_> = recording.streams.iter().filter(|s| s.combined).collect();
    assert_eq!(combined.len(), 2);
    assert_eq!(combined[0].len() + combined[1].len(), 5309);
    let rates: Vec<f64> =
        combined.iter().map(|s| (s.rate_hz().unwrap() * 10.0).round() / 10.0).collect();
    assert_eq!(rates, [22.2, 22.1]);
    let packets = &recording.report.packets;
    assert_eq!((packets["vitals"], packets["feature"]), (236, 236));
    assert_eq!(skipped(&recording), [("no-payload", 2)]);
    assert!((recording.report.span_s.unwrap() - 120.0).abs() < 0.5);
}

#[test]
fn a_console_log_with_boot_messages_and_two_senders_opens() {
    let Some(bytes) = public("tristsou+esp32-csi-human-localization/hand_01_full_log.txt") else {
        return;
    };
    let recording = open(&bytes);
    assert_eq!(recording.report.frames, 142);
    let lens: Vec<usize> = recording.streams.iter().map(csi_lab::recording::Stream::len).collect();
    assert_eq!(lens, [136, 6]);
}
