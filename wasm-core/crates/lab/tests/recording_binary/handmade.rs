//! Each format from bytes made here, with values known beforehand.

use csi_lab::recording::{Order, Recording, Refusal, StreamKind};
use csi_temporal::frame::CsiValues;

use super::build::*;
use super::{read, refusal};

/// 64 pairs in FFT order, its nulls zero, `level` else.
fn pairs(level: i8) -> Vec<(i8, i8)> {
    let null = |p: usize| p == 0 || (27..=37).contains(&p);
    (0..64).map(|p| if null(p) { (0, 0) } else { (level, p as i8) }).collect()
}

fn names(recording: &Recording) -> Vec<&str> {
    recording.streams.iter().map(|stream| stream.name.as_str()).collect()
}

#[test]
fn intel_bits_become_pairs_of_the_antenna_that_the_permutation_names() {
    let value = |g: usize, r: u8, t: u8| (g as i8 - 40, (g as i8) + 10 * r as i8 + 50 * t as i8);
    // Chain 0 is antenna 2, chain 1 antenna 0, chain 2 antenna 1.
    let log = [intel(10, (3, 2), 0b01_00_10, value), intel(1_000_010, (3, 2), 0b01_00_10, value)];
    let recording = read(&log.concat());
    assert_eq!(recording.report.format, "intel5300-dat");
    assert_eq!((recording.report.frames, recording.streams.len()), (2, 6));
    assert_eq!(recording.report.span_s, Some(1.0));
    assert_eq!(recording.streams[0].name, "rx 0 tx 0, 30 subcarriers");
    let of = |name: &str| {
        let stream = recording.streams.iter().find(|s| s.name.starts_with(name));
        let stream = stream.unwrap_or_else(|| panic!("{name} in {:?}", names(&recording)));
        match stream.frame(1).values {
            CsiValues::Iq8(values) => values.to_vec(),
            other => panic!("{other:?}"),
        }
    };
    for (name, chain, tx) in [("rx 2 tx 0", 0, 0), ("rx 0 tx 0", 1, 0), ("rx 1 tx 1", 2, 1)] {
        let expected: Vec<i8> = (0..30)
            .flat_map(|g| {
                let (real, imaginary) = value(g, chain, tx);
                [imaginary, real]
            })
            .collect();
        assert_eq!(of(name), expected, "{name}");
    }
    // 33 dB on one chain, 44 dB off, AGC 20 dB.
    assert_eq!(recording.streams[0].frame(0).rssi_dbm, Some(33 - 44 - 20));
    let map = &recording.streams[0].map;
    assert_eq!(map.order, Order::Listed);
    assert_eq!(map.useful().len(), 30);
}

#[test]
fn intel_payload_records_are_counted_not_read() {
    let log = [
        intel_record(0xC1, &[1, 2, 3]),
        intel(0, (1, 1), 0, |_, _, _| (3, 4)),
        intel_record(0xC1, &[0xBB; 100]),
        intel(9, (1, 1), 0, |_, _, _| (3, 4)),
    ];
    let recording = read(&log.concat());
    assert_eq!(recording.report.frames, 2);
    assert_eq!(recording.report.skipped["other-record"], 2);
    assert_eq!(recording.streams[0].frame(0).values.amplitude(29), 5.0);
}

#[test]
fn atheros_numbers_have_ten_bits_in_either_byte_order() {
    let value =
        |tone: usize, r: u8, t: u8| (tone as i16 - 512, 511 - 100 * i16::from(r) - i16::from(t));
    for big_endian in [false, true] {
        for (tones, rx, tx) in [(56, 3, 2), (114, 1, 1), (114, 2, 3)] {
            let records =
                [0u64, 2000, 4000].map(|t| atheros(big_endian, t, (tones, rx, tx), value));
            let recording = read(&records.concat());
            assert_eq!(recording.report.format, "atheros-dat");
            assert_eq!(recording.report.frames, 3);
            assert_eq!(recording.streams.len(), usize::from(rx * tx));
            assert_eq!(recording.report.rate_hz, Some(500.0));
            for (at, stream) in recording.streams.iter().enumerate() {
                let (r, t) = (at as u8 / tx, at as u8 % tx);
                let expected: Vec<i16> = (0..usize::from(tones))
                    .flat_map(|tone| {
                        let (real, imaginary) = value(tone, r, t);
                        [imaginary, real]
                    })
                    .collect();
                assert!(stream.name.starts_with(&format!("rx {r} tx {t}")), "{}", stream.name);
                match stream.frame(2).values {
                    CsiValues::Iq16(values) => assert_eq!(values, expected),
                    other => panic!("{other:?}"),
                }
                assert_eq!(stream.map.useful().len(), usize::from(tones));
            }
        }
    }
}

#[test]
fn nexmon_integers_and_floats_become_pairs() {
    let integers: Vec<u32> =
        (0..64).map(|k| (-(k * 3) as u16 as u32) << 16 | (k as u16 as u32)).collect();
    // 4358: real -3 (sign, 8 bits), imaginary 5, exponent -2; 4366c0: real 100, imaginary -7, exponent 3.
    let narrow = (0x100 | 3) << 14 | 5 << 5 | 0b11110;
    let wide = 100 << 18 | (0x800 | 7) << 6 | 3;
    let words = |word: u32| vec![word; 256];
    let datagrams = [
        nexmon([0x11, 0x11, 200, 0x94], 0b001_010, 0x65, &integers),
        nexmon([0x11; 4], 0, 3, &words(narrow)),
        nexmon([0x11; 4], 0, 0x6a, &words(wide)),
        // An unknown chip number: the words tell.
        nexmon([0x11; 4], 1, 0xdead, &words(narrow)),
        // One word more than a power of two.
        nexmon([0x11; 4], 2, 0x01, &vec![0xffff_0003; 65]),
    ];
    let frames = datagrams.map(|payload| link(1, &ipv4(5500, &payload)));
    let recording = read(&pcap(false, false, 1, &frames));
    assert_eq!((recording.report.format, recording.report.frames), ("nexmon-pcap", 5));
    let stream = |name: &str| {
        let found = recording.streams.iter().find(|stream| stream.name.contains(name));
        found.unwrap_or_else(|| panic!("{name} in {:?}", names(&recording)))
    };
    let first = stream("01:02:03:04:05:06, rx 2 tx 1, 64 subcarriers");
    assert_eq!(first.map.order, Order::Fft);
    assert_eq!(first.frame(0).rssi_dbm, Some(-56));
    assert!(matches!(first.frame(0).values, CsiValues::Iq16([0, 0, -3, 1, -6, 2, ..])));
    let floats = stream("rx 0 tx 0, 256 subcarriers");
    assert_eq!(floats.frame(0).rssi_dbm, None, "old firmware overwrites it");
    assert!(matches!(floats.frame(0).values, CsiValues::IqF32([1.25, -0.75, 1.25, ..])));
    assert!(matches!(floats.frame(1).values, CsiValues::IqF32([-56.0, 800.0, ..])));
    assert!(matches!(stream("rx 1 tx 0").frame(0).values, CsiValues::IqF32([1.25, -0.75, ..])));
    assert_eq!(stream("rx 2 tx 0").values_per_frame, 128);
    assert!(matches!(stream("rx 2 tx 0").frame(0).values, CsiValues::Iq16([-1, 3, ..])));
}

/// Every container, link type, byte order and clock tells the same frames at the same times.
#[test]
fn captures_of_every_kind_hold_the_same_frames() {
    let packets: Vec<Vec<u8>> = (0..5u32).map(|n| raw_csi(1, n, &pairs(n as i8 + 1))).collect();
    for link_type in [1u32, 101, 113, 276] {
        let datagrams = packets.iter().map(|packet| link(link_type, &ipv4(5005, packet)));
        let frames: Vec<Vec<u8>> = datagrams.collect();
        let captures = [
            pcap(false, false, link_type, &frames),
            pcap(true, false, link_type, &frames),
            pcap(false, true, link_type, &frames),
            pcap(true, true, link_type, &frames),
            pcapng(false, 6, link_type as u16, &frames),
            pcapng(true, 9, link_type as u16, &frames),
        ];
        for (kind, capture) in captures.iter().enumerate() {
            let recording = read(capture);
            let stream = &recording.streams[0];
            assert_eq!(recording.report.format, "adr018-pcap", "{kind} {link_type}");
            assert_eq!((stream.name.as_str(), stream.len()), ("node 1, 64 subcarriers", 5));
            let times: Vec<i64> = (0..5).map(|i| stream.time_micros(i)).collect();
            assert_eq!(times, [0, 100_000, 200_000, 300_000, 400_000], "{kind} {link_type}");
            assert!(matches!(stream.frame(4).values, CsiValues::Iq8([0, 0, 5, 1, 5, 2, ..])));
        }
    }
}

#[test]
fn other_traffic_in_a_capture_is_counted_by_reason() {
    let tcp = {
        let mut packet = ipv4(5005, &[0; 40]);
        packet[9] = 6;
        packet
    };
    let frames = [
        link(1, &ipv4(53, b"a name server's answer")),
        link(1, &tcp),
        link(1, &ipv4(5005, b"no packet at all")),
        link(1, &ipv4(5005, &raw_csi(1, 0, &pairs(1))[..60])),
        link(1, &ipv4(9999, &raw_csi(1, 1, &pairs(1)))),
        vec![1, 2, 3],
    ];
    let recording = read(&pcap(false, false, 1, &frames));
    assert_eq!(recording.report.frames, 1, "the magic counts, whatever the port");
    assert_eq!(recording.report.skipped["foreign-packet"], 3);
    assert_eq!(recording.report.skipped["garbage"], 1);
    assert_eq!(recording.report.skipped["cut-short"], 1);
}

#[test]
fn espectre_datagrams_of_both_versions_are_read() {
    let csi = [3i8 as u8, 4].repeat(64);
    let new = [b"SC\x03\x01\x07\x40\x00", &csi[..]].concat();
    let old = [b"SC\x06\x08\x40\x00", &csi[..]].concat();
    assert_eq!((new.len(), old.len()), (135, 134));
    let frames = [link(1, &ipv4(5001, &new)), link(1, &ipv4(5001, &old))];
    let recording = read(&pcap(false, false, 1, &frames));
    assert_eq!((recording.report.format, recording.report.frames), ("espectre-pcap", 2));
    let orders: Vec<Order> = recording.streams.iter().map(|stream| stream.map.order).collect();
    assert!(orders.contains(&Order::Listed), "the C6 sends ascending indices: {orders:?}");
    let listed = recording.streams.iter().find(|stream| stream.map.order == Order::Listed);
    let useful = listed.map(|stream| stream.map.useful());
    let expected: Vec<u16> = (4..=60).filter(|p| *p != 32).collect();
    assert_eq!(useful, Some(expected), "nothing is sent at 0..3, 32 and 61..63");
    assert_eq!(recording.streams[0].frame(0).values.amplitude(5), 5.0);
}

#[test]
fn a_dump_of_packets_is_split_by_node_and_timed_by_the_nodes_stamps() {
    let state =
        |node, micros| feature_state(node, micros, [0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    let dump = [
        raw_csi(1, 0, &pairs(1)),
        vitals(1, 10_000),
        raw_csi(1, 1, &pairs(2)),
        raw_csi(2, 0, &pairs(9)),
        raw_csi(1, 3, &pairs(3)),
        state(1, 10_200_000),
        raw_csi(1, 4, &pairs(4)),
        state(1, 10_300_000),
    ];
    let recording = read(&dump.concat());
    let report = &recording.report;
    assert_eq!((report.format, report.frames), ("adr018-bin", 5));
    assert_eq!(report.packets["raw-csi"], 5);
    assert_eq!(report.packets["vitals"], 1);
    assert_eq!(report.packets["feature-state"], 2);
    assert_eq!(report.lost_frames, Some(1), "sequence number 2 is missing");
    let streams = ["node 1, 64 subcarriers", "node 2, 64 subcarriers", "node 1, feature state"];
    assert_eq!(names(&recording), streams);
    let frames = &recording.streams[0];
    let times: Vec<i64> = (0..4).map(|i| frames.time_micros(i)).collect();
    // Two frames in the 200 ms after the first stamp: 50 and 150 ms in; the frame before it 50 ms
    // earlier; one in the middle of the last 100 ms.
    assert_eq!(times, [0, 100_000, 200_000, 300_000]);
    assert!(matches!(frames.frame(3).values, CsiValues::Iq8([0, 0, 4, 1, ..])));
    let features = &recording.streams[2];
    assert_eq!(features.kind, StreamKind::FeatureState);
    assert_eq!(features.time_micros(1) - features.time_micros(0), 100_000);
    assert!(matches!(features.frame(0).values, CsiValues::FeatureState([0.5, 1.0, .., 8.0])));
    assert!(!recording.streams[1].has_clock, "node 2 sent no stamp");
    assert_eq!(report.subcarrier_order, "fft");
}

#[test]
fn a_dump_without_stamps_has_an_assumed_rate_and_says_so() {
    let dump: Vec<Vec<u8>> = (0..3).map(|n| raw_csi(7, n, &pairs(1))).collect();
    let recording = read(&dump.concat());
    assert_eq!(recording.report.rate_hz, None);
    assert_eq!(recording.report.assumed_rate_hz, Some(20.0));
    assert_eq!(recording.streams[0].time_micros(2), 100_000);
    assert!(recording.report.notes.iter().any(|note| note.contains("no usable clock")));
}

#[test]
fn antennas_of_a_raw_frame_are_streams_and_one_frame() {
    let mut packet = raw_csi(3, 0, &pairs(1));
    packet[5] = 2;
    packet.extend(vec![9; 128]);
    let recording = read(&packet);
    assert_eq!(recording.report.frames, 1);
    let streams = ["node 3, rx 0 tx 0, 64 subcarriers", "node 3, rx 1 tx 0, 64 subcarriers"];
    assert_eq!(names(&recording), streams);
    assert!(matches!(recording.streams[1].frame(0).values, CsiValues::Iq8([9, 9, ..])));
}

#[test]
fn compressed_frames_are_counted_and_never_guessed() {
    let mut compressed = 0xC511_0005u32.to_le_bytes().to_vec();
    // 128 bytes as one run of 128 zeros: the frame before, unchanged.
    compressed.extend([1, 6, 128, 0, 2, 0, 0, 128]);
    let recording = read(&[raw_csi(1, 0, &pairs(1)), compressed].concat());
    assert_eq!(recording.report.frames, 1);
    assert_eq!(recording.report.packets["compressed-csi"], 1);
    assert_eq!(recording.report.skipped["not-decodable"], 1);
    assert!(recording.report.notes.iter().any(|note| note.contains("not decoded")));
}

#[test]
fn packets_without_csi_are_refused_as_such() {
    let refused = refusal(&[vitals(1, 5), vitals(1, 1005)].concat());
    assert_eq!(refused, Refusal::NoCsiPackets { packets: 2 });
    // A capture that was stopped before its first packet is no text.
    let refused = refusal(&pcap(false, false, 1, &[]));
    assert_eq!(refused, Refusal::NoCsiPackets { packets: 0 });
    assert!(refused.to_string().contains("no packet after it"), "{refused}");
}

#[test]
fn foreign_formats_are_refused_by_name_with_advice() {
    let pico = [&[0xd4, 3, 0, 0, 0x15, 0x03, 0x15, 0x20, 1, 0][..], &[0; 300]].concat();
    let gzip = [0x1f, 0x8b, 8, 0, 0];
    let cases = [
        (&pico[..], "recording/picoscenes", "PicoScenes"),
        (&gzip[..], "recording/gzip", "gunzip"),
        (b"\x93NUMPY\x01\0v\0{'descr': '|i1'}", "recording/npy", "savetxt"),
    ];
    for (bytes, code, word) in cases {
        let refused = refusal(bytes);
        assert_eq!(refused.code(), code);
        assert!(refused.to_string().contains(word), "{refused}");
    }
}

#[test]
fn a_frozen_clock_is_said_once_however_many_antennas() {
    let log: Vec<Vec<u8>> = (0..3).map(|_| intel(4, (3, 2), 0, |_, _, _| (3, 4))).collect();
    let recording = read(&log.concat());
    let notes = recording.report.notes.iter().filter(|note| note.contains("same time"));
    assert_eq!((notes.count(), recording.report.rate_hz), (1, None));
}
