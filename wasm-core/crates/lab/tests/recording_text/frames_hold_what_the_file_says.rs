//! Values, times and RSSI of frames, against numbers read in the files by eye.

use csi_temporal::frame::CsiValues;

use super::*;

fn first_bytes(recording: &Recording, stream: usize, frame: usize, count: usize) -> Vec<i8> {
    match recording.streams[stream].frame(frame).values {
        CsiValues::Iq8(values) => values[..count].to_vec(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_walking_recording_begins_as_its_first_lines() {
    let recording = open(fixture("recordings/walking_esp32_107hz.csv"));
    let stream = &recording.streams[0];
    assert_eq!(
        first_bytes(&recording, 0, 0, 16),
        [84, -64, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 16, 5, 15]
    );
    // local_timestamp 3294116098, 3294144835, 3294145151; rssi -68, -66, -66.
    let times: Vec<i64> = (0..3).map(|i| stream.frame(i).time_micros).collect();
    assert_eq!(times, [0, 28_737, 29_053]);
    let rssi: Vec<_> = (0..3).map(|i| stream.frame(i).rssi_dbm).collect();
    assert_eq!(rssi, [Some(-68), Some(-66), Some(-66)]);
    let amplitude = stream.frame(0).values.amplitude(6);
    assert_eq!(amplitude, libm::sqrtf(6.0 * 6.0 + 16.0 * 16.0));
    assert_eq!(stream.frames().count(), 2400);
}

#[test]
fn a_combined_stream_holds_the_first_64_pairs_of_every_frame_in_time_order() {
    let recording = open(fixture("recordings/esp32_mixed_lengths.csv"));
    let (all, wide, narrow) = (&recording.streams[0], &recording.streams[1], &recording.streams[2]);
    assert!(all.combined && !wide.combined && !narrow.combined);
    let mut places = [0, 0];
    for frame in all.frames() {
        let CsiValues::Iq8(values) = frame.values else { panic!("bytes expected") };
        assert_eq!(values.len(), 128);
        let hit = [wide, narrow].iter().position(|stream| {
            let at = places[usize::from(stream.len() == narrow.len())];
            at < stream.len()
                && matches!(stream.frame(at).values, CsiValues::Iq8(v) if v[..128] == *values)
                && stream.frame(at).time_micros + stream.start_micros
                    == frame.time_micros + all.start_micros
        });
        places[hit.expect("every frame is in one of the two layouts")] += 1;
    }
    assert_eq!(places, [36, 4]);
}

#[test]
fn raw_lines_of_the_pretraining_recorder_have_no_rssi() {
    // Their "rssi" is the number of antennas.
    let recording = open(fixture("recordings/ruview_two_nodes.csi.jsonl"));
    assert!(recording.streams.iter().flat_map(|s| s.frames()).all(|f| f.rssi_dbm.is_none()));
}

#[test]
fn the_udp_recorders_leftover_header_is_taken_out() {
    let broken = open(fixture("recordings/ruview_udp_recorder_derived.csi.jsonl"));
    let node_1 =
        broken.streams.iter().position(|s| s.combined && s.name.starts_with("node 1")).unwrap();
    let stream = &broken.streams[node_1];
    // Written by fixtures/make_recordings.py: numbers from 1, RSSI -50 - node.
    assert_eq!((stream.sequence(0), stream.sequence(26)), (Some(1), Some(27)));
    assert_eq!(stream.rssi_dbm(0), Some(-51));
    assert_eq!(broken.report.lost_frames, Some(0));
    assert_eq!(stream.frame(0).values.pairs(), 64);
    // iq_hex of node 1's first line begins 0000 f002 f102: pair 0 is zero, then -16, 2, -15, 2.
    assert_eq!(first_bytes(&broken, node_1, 0, 6), [0, 0, -16, 2, -15, 2]);
}

#[test]
fn values_beyond_a_byte_are_kept_in_espressifs_lines() {
    let recording = open(fixture("recordings/espressif_15_columns_SYNTHETIC.csv"));
    let stream = &recording.streams[0];
    assert_eq!(stream.len(), 20);
    assert!(matches!(stream.frame(18).values, CsiValues::Iq8(_)));
    let CsiValues::Iq16(wide) = stream.frame(19).values else { panic!("16 bits expected") };
    // k = 1 stands at pair 33: (1 % 7 + 19 % 5 + 3, 20) * 40.
    assert_eq!(wide[66..68], [320, 800]);
    assert!(recording.report.notes.iter().any(|n| n.contains("beyond -128..127")));
}

#[test]
fn beyond_its_end_a_stream_gives_an_empty_frame() {
    let recording = open(fixture("recordings/esp_csi_rs.csv"));
    assert_eq!(recording.streams[0].frame(1_000_000).values.pairs(), 0);
    assert_eq!(recording.streams[0].rssi_dbm(1_000_000), None);
}

#[test]
fn a_raw_line_whose_hex_text_was_cut_is_left_out() {
    let line = |pairs: usize, hex: &str| {
        format!(
            "{{\"timestamp\":1.5,\"node_id\":1,\"subcarriers\":{pairs},\"iq_hex\":\"{hex}\"}}\n"
        )
    };
    let recording = open(line(4, "0102030405060708") + &line(4, "010203040506"));
    assert_eq!((recording.report.frames, skipped(&recording)), (1, vec![("length-mismatch", 1)]));
}
