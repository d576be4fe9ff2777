//! Recordings of real receivers, where they are present, against counts and values found by
//! other means.

use std::path::PathBuf;

use csi_lab::recording::{Recording, Stream, StreamKind};
use csi_temporal::frame::CsiValues;

use super::{read, refusal};

/// The file's bytes; `None`, with a message, where the recordings are not on this machine.
pub fn file(path: &str) -> Option<Vec<u8>> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../shared/data");
    let folder = std::env::var_os("CSI_LAB_DATA").map_or(PathBuf::from(beside), PathBuf::from);
    let bytes = std::fs::read(folder.join(path)).ok();
    if bytes.is_none() {
        println!("skipped: no {path} in the folder of recordings (CSI_LAB_DATA)");
    }
    bytes
}

fn stream<'a>(recording: &'a Recording, part: &str) -> &'a Stream {
    let found = recording.streams.iter().find(|stream| stream.name.contains(part));
    found.unwrap_or_else(|| panic!("no stream {part}"))
}

/// The sum of all squared numbers of a frame.
fn energy(stream: &Stream, frame: usize) -> i64 {
    let square = |x: i64| x * x;
    match stream.frame(frame).values {
        CsiValues::Iq8(values) => values.iter().map(|&x| square(i64::from(x))).sum(),
        CsiValues::Iq16(values) => values.iter().map(|&x| square(i64::from(x))).sum(),
        other => panic!("{other:?}"),
    }
}

/// How much the amplitude changes from one subcarrier to the next, relative to its mean.
fn roughness(stream: &Stream, frame: usize) -> f32 {
    let values = stream.frame(frame).values;
    let useful: Vec<f32> =
        stream.map.useful().iter().map(|&p| values.amplitude(usize::from(p))).collect();
    let steps: f32 = useful.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum();
    steps / useful.iter().sum::<f32>()
}

fn assert_near(got: Option<f64>, expected: f64, tolerance: f64) {
    let got = got.unwrap_or(f64::NAN);
    assert!((got - expected).abs() <= tolerance, "{got} is not {expected} within {tolerance}");
}

// Counts and energies by this snippet, which shares no code with the readers:
//   while p + 3 <= len(b):
//     n = struct.unpack_from('>H', b, p)[0]; code = b[p+2]; body = b[p+3:p+2+n]; p += 2 + n
//     nr, nt = body[8], body[9]; bits = int.from_bytes(body[20:], 'little'); pos = 0
//     for g in range(30):
//       pos += 3
//       for c in range(nr*nt): re = i8(bits >> pos & 255); im = i8(bits >> pos + 8 & 255); pos += 16
//   # chain c = rx*nt + tx belongs to antenna perm >> 2*rx & 3; energy = sum of re*re + im*im
#[test]
fn intel_logs_have_their_counts_and_values() {
    let cases = [
        ("Gi-z+CSIKit/intel/example.dat", 26, 0, "rx 0 tx 0", [12773, 14469, 19826]),
        ("Gi-z+CSIKit/intel/example.dat", 26, 0, "rx 2 tx 0", [76306, 76112, 102_991]),
        ("Gi-z+CSIKit/intel/example.dat", 26, 0, "rx 1 tx 1", [72336, 69316, 106_824]),
        ("Gi-z+CSIKit/intel/log.all_csi.6.7.6.dat", 29, 0, "rx 2 tx 0", [30027, 49013, 224_613]),
        ("Gi-z+CSIKit/intel/log.all_csi.6.7.6.dat", 29, 0, "rx 1 tx 1", [38546, 173_595, 167_926]),
        (
            "citysu+csiread/5300/dataset/sample_0x1_ap.dat",
            540,
            0,
            "rx 1 tx 1",
            [35545, 35146, 28930],
        ),
        (
            "citysu+csiread/5300/dataset/sample_0x5_64_3000.dat",
            2998,
            2998,
            "rx 0 tx 0",
            [37831, 32491, 33575],
        ),
        (
            "citysu+csiread/5300/dataset/sample_0x5_64_3000.dat",
            2998,
            2998,
            "rx 2 tx 0",
            [984, 211, 269],
        ),
    ];
    for (path, frames, others, name, energies) in cases {
        let Some(bytes) = file(path) else { return };
        let recording = read(&bytes);
        assert_eq!((recording.report.format, recording.report.frames), ("intel5300-dat", frames));
        let skipped: u64 = recording.report.skipped.values().sum();
        assert_eq!(skipped, others, "{:?}", recording.report.skipped);
        let stream = stream(&recording, name);
        let last = stream.len() - 1;
        let got = [0, stream.len() / 2, last].map(|frame| energy(stream, frame));
        assert_eq!(got, energies, "{path} {name}");
    }
}

#[test]
fn intel_rates_and_signal_strengths_are_plausible() {
    let cases = [
        ("citysu+csiread/5300/dataset/sample_0x1_ap.dat", 9.04, -37),
        ("citysu+csiread/5300/dataset/sample_0x5_64_3000.dat", 999.3, -71),
    ];
    for (path, rate_hz, rssi_dbm) in cases {
        let Some(bytes) = file(path) else { return };
        let recording = read(&bytes);
        assert_near(recording.report.rate_hz, rate_hz, 0.05);
        assert_eq!(recording.streams[0].frame(0).rssi_dbm, Some(rssi_dbm));
    }
    let Some(bytes) = file("citysu+csiread/5300/dataset/sample_0x1_ap.dat") else {
        return;
    };
    let recording = read(&bytes);
    let chain = stream(&recording, "rx 1 tx 0");
    for frame in 0..chain.len() {
        let rough = roughness(chain, frame);
        assert!(rough < 0.2, "amplitude jumps by {rough} a subcarrier in frame {frame}");
    }
}

// By the same means; 10-bit numbers: x = bits >> 10*k & 1023; x -= 1024 if x > 511.
#[test]
fn the_atheros_log_has_its_counts_and_values() {
    let Some(bytes) = file("citysu+csiread/atheros/dataset/ath_csi_1.dat") else {
        return;
    };
    let recording = read(&bytes);
    assert_eq!((recording.report.format, recording.report.frames), ("atheros-dat", 401));
    assert!(recording.report.skipped.is_empty(), "{:?}", recording.report.skipped);
    assert_eq!(recording.streams.len(), 6);
    assert_near(recording.report.rate_hz, 400.0 / 0.871_530, 0.01);
    let first = stream(&recording, "rx 0 tx 0");
    assert_eq!((first.len(), first.values_per_frame), (401, 112));
    assert_eq!([0, 200, 400].map(|f| energy(first, f)), [1_537_968, 1_461_477, 1_134_431]);
    let last = stream(&recording, "rx 2 tx 1");
    assert_eq!([0, 200, 400].map(|f| energy(last, f)), [1_521_626, 1_371_999, 1_592_278]);
    assert!(matches!(first.frame(0).values, CsiValues::Iq16([84, -177, ..])));
    for frame in 0..first.len() {
        let rough = roughness(first, frame);
        assert!(rough < 0.1, "amplitude jumps by {rough} a subcarrier in frame {frame}");
    }
}

// Energies: sum(x*x for x in struct.unpack('<512h', payload[18:1042])).
#[test]
fn nexmon_integer_captures_have_their_counts_and_values() {
    let Some(bytes) = file("Gi-z+CSIKit/nexmon/example_43455c0.pcap") else {
        return;
    };
    let recording = read(&bytes);
    let report = &recording.report;
    assert_eq!((report.format, report.frames), ("nexmon-pcap", 566));
    assert!(report.skipped.is_empty(), "{:?}", report.skipped);
    assert_eq!(report.frame_lengths, [(512, 566)].into(), "18 of them had a word too many");
    assert_near(report.span_s, 5.211_326, 1e-6);
    assert_near(report.rate_hz, 565.0 / 5.211_326, 1e-3);
    let first = &recording.streams[0];
    assert_eq!(first.name, "98:DE:D0:48:92:66, rx 0 tx 0, 256 subcarriers");
    assert_eq!(
        [0, 283, 565].map(|f| energy(first, f)),
        [1_853_387_372, 1_843_080_351, 1_843_076_182]
    );
    assert!((0..566).all(|f| matches!(first.rssi_dbm(f), Some(-59 | -58))));
    let useful = first.map.useful();
    assert!(!useful.contains(&0) && !useful.contains(&128), "centre and guard bins are garbage");

    let Some(bytes) = file("Gi-z+CSIKit/nexmon/example_4339.pcap") else {
        return;
    };
    let recording = read(&bytes);
    assert_eq!(recording.report.frames, 2850);
    let lengths: Vec<usize> = recording.streams.iter().map(Stream::len).collect();
    assert_eq!(lengths, [950, 950, 950], "three spatial streams");
    assert_eq!(recording.streams[0].frame(0).rssi_dbm, None, "old firmware");
    assert_eq!(energy(stream(&recording, "tx 0"), 0), 249_668_590);
    assert_eq!(energy(stream(&recording, "tx 0"), 1), 250_463_619);
    assert_eq!(energy(stream(&recording, "tx 2"), 949), 250_086_470);
}

// Per word: e = w & (1<<ne)-1, minus 1<<ne if its top bit is set; imaginary magnitude
// w >> ne & (1<<nm-1)-1 with the sign bit above it; real nm bits further up; times 2.0**e.
// nm, ne = 9, 5 (bcm4358) and 12, 6 (bcm4366c0). Sums: math.fsum of math.hypot.
#[test]
fn nexmon_float_captures_have_their_counts_and_values() {
    let cases = [
        ("4358", 4, 4, "rx 0 tx 0", 0, [0.003_936_767_6, -0.001_922_607_4], 259.498_344_6),
        ("4358", 4, 4, "rx 1 tx 1", 0, [0.007_812_5, -0.056_396_484], 359.967_843_7),
        ("4366c0", 293, 1, "rx 0 tx 0", 0, [-0.064_270_02, 0.114_135_74], 177.774_828_6),
        ("4366c0", 293, 1, "rx 0 tx 0", 292, [-0.080_810_55, -0.047_607_422], 179.211_225_8),
    ];
    for (chip, frames, streams, name, frame, first, sum) in cases {
        let Some(bytes) = file(&format!("Gi-z+CSIKit/nexmon/example_{chip}.pcap")) else {
            return;
        };
        let recording = read(&bytes);
        assert_eq!((recording.report.frames, recording.streams.len()), (frames, streams));
        let values = stream(&recording, name).frame(frame).values;
        let CsiValues::IqF32(numbers) = values else { panic!("{values:?}") };
        assert_eq!(numbers[..2], first, "{chip} {name} {frame}");
        let got: f64 = (0..values.pairs()).map(|p| f64::from(values.amplitude(p))).sum();
        assert!((got - sum).abs() < 1e-4, "{got} is not {sum}");
    }
}

#[test]
fn ruview_packets_are_the_same_in_a_dump_and_in_a_capture() {
    let Some(dump) = file("derived+adr018/adr018_stream.bin") else {
        return;
    };
    let Some(capture) = file("derived+adr018/adr018_udp5005.pcap") else {
        return;
    };
    let (dump, capture) = (read(&dump), read(&capture));
    assert_eq!((dump.report.format, capture.report.format), ("adr018-bin", "adr018-pcap"));
    for recording in [&dump, &capture] {
        let report = &recording.report;
        assert_eq!(report.frames, 1105);
        let packets: Vec<(&str, u64)> = report.packets.iter().map(|(k, n)| (*k, *n)).collect();
        let expected = [
            ("classification", 48),
            ("compressed-csi", 1),
            ("feature-state", 48),
            ("feature-vector", 48),
            ("raw-csi", 1105),
            ("vitals", 48),
        ];
        assert_eq!(packets, expected);
        assert_eq!(report.skipped, [("not-decodable", 1)].into());
        assert_eq!(report.lost_frames, Some(0));
        let features = recording.streams.iter().filter(|s| s.kind == StreamKind::FeatureState);
        assert_eq!(features.map(Stream::len).sum::<usize>(), 48);
    }
    // The dump's times come from the nodes' stamps, the capture's from the receiver's clock.
    for node in ["node 1", "node 2"] {
        let (dumped, captured) = (stream(&dump, node), stream(&capture, node));
        assert_eq!((dumped.len(), &dumped.name), (captured.len(), &captured.name));
        for frame in 0..dumped.len() {
            let (a, b) = (dumped.frame(frame), captured.frame(frame));
            assert_eq!(format!("{:?}", a.values), format!("{:?}", b.values));
            let apart = (a.time_micros - b.time_micros).abs();
            assert!(apart < 600_000, "frame {frame} of {node} is {apart} us off");
        }
        let rate_hz = captured.rate_hz().unwrap_or(0.0);
        assert_near(dumped.rate_hz(), rate_hz, 0.5);
    }
}

#[test]
fn other_tools_recordings_are_recognised_and_refused() {
    let cases = [
        ("Gi-z+CSIKit/pico/picoscenes_ax200_example.csi", "recording/picoscenes"),
        ("citysu+csiread/picoscenes/dataset/rx_by_usrpN210.csi", "recording/picoscenes"),
        ("Gi-z+CSIKit/feitcsi/HESU20_5500.csi", "recording/feitcsi"),
        ("Gi-z+CSIKit/feitcsi/HT20_2452.csi", "recording/feitcsi"),
        ("Gi-z+CSIKit/feitcsi/VHT80_5500.csi", "recording/feitcsi"),
    ];
    for (path, code) in cases {
        let Some(bytes) = file(path) else { return };
        assert_eq!(refusal(&bytes).code(), code, "{path}");
    }
}
