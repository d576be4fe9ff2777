//! Damaged files: nothing panics, good frames stay, the place is named, and how the bytes are
//! cut into pieces never matters.

use quickcheck::QuickCheck;

use super::build::*;
use super::{read, read_in, told};

/// A small file of each format, with its name.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let value = |g: usize, r: u8, t: u8| ((g as i8) * 4, 10 * r as i8 + t as i8);
    let wide = |g: usize, r: u8, t: u8| (g as i16 * 4, 10 * i16::from(r) - i16::from(t));
    let packets: Vec<Vec<u8>> = (0..8u32)
        .flat_map(|n| {
            let raw = raw_csi(1 + n as u8 % 2, n / 2, &[(n as i8, 3); 64]);
            [raw, feature_state(1, u64::from(n) * 200_000, [0.5; 9]), vitals(2, n * 1000)]
        })
        .collect();
    let udp: Vec<Vec<u8>> = packets.iter().map(|p| link(1, &ipv4(5005, p))).collect();
    let nexmons =
        (0..6u32).map(|n| link(1, &ipv4(5500, &nexmon([0x11; 4], 0, 0x65, &[n << 16 | 5; 64]))));
    let nexmons: Vec<Vec<u8>> = nexmons.collect();
    let intels: Vec<Vec<u8>> = (0..6).map(|n| intel(n * 1000, (3, 2), 0b01_00_10, value)).collect();
    let atheroses: Vec<Vec<u8>> =
        (0..6).map(|n| atheros(false, n * 1000, (56, 2, 1), wide)).collect();
    vec![
        ("adr018", packets.concat()),
        ("adr018 pcap", pcap(false, false, 1, &udp)),
        ("adr018 pcapng", pcapng(true, 6, 1, &udp)),
        ("nexmon", pcap(true, true, 1, &nexmons)),
        ("intel", intels.concat()),
        ("atheros", atheroses.concat()),
    ]
}

#[test]
fn chunking_never_changes_a_recording() {
    for (name, mut bytes) in files() {
        let middle = bytes.len() / 2;
        for damaged in [false, true] {
            if damaged {
                bytes.splice(middle..middle + 3, [0x5a; 40]);
                bytes.truncate(bytes.len() - 7);
            }
            let whole = told(&read(&bytes));
            for piece in [1, 2, 3, 7, 16, 61, 1000] {
                let pieces = read_in(piece, &bytes).map(|recording| told(&recording));
                assert_eq!(pieces.as_ref(), Ok(&whole), "{name}, pieces of {piece}, {damaged}");
            }
        }
    }
}

#[test]
fn a_cut_keeps_the_frames_before_it_and_names_the_byte() {
    for (name, bytes) in files() {
        let whole = read(&bytes).report.frames;
        // The last records are shorter than 200 bytes apart from Intel's and Atheros's.
        let cut = bytes.len() - 9;
        let report = read(&bytes[..cut]).report;
        assert!(
            report.frames + 1 >= whole && report.frames > 0,
            "{name}: {} frames",
            report.frames
        );
        assert_eq!(report.skipped.get("cut-short"), Some(&1), "{name}: {:?}", report.skipped);
        let place = &report.skipped_at["cut-short"][0];
        let byte: usize = place.strip_prefix("byte ").and_then(|b| b.parse().ok()).unwrap_or(0);
        assert!(byte < cut && cut - byte < 600, "{name}: {place} of {cut}");
    }
}

#[test]
fn frames_after_a_damaged_stretch_are_found_again() {
    for (name, mut bytes) in files() {
        let whole = read(&bytes).report.frames;
        // Bytes are lost in the second third and noise stands in their place.
        let at = bytes.len() / 3;
        bytes.splice(at..at + 300, (0..90u8).map(|n| n.wrapping_mul(31) | 0x80));
        let report = read(&bytes).report;
        assert!(report.frames + 2 >= whole, "{name}: {} of {whole} frames", report.frames);
        assert!(report.frames < whole, "{name}");
        assert!(!report.skipped.is_empty(), "{name}");
    }
}

#[test]
fn a_record_of_a_gigabyte_is_damage_not_an_allocation() {
    let frame = link(1, &ipv4(5005, &raw_csi(1, 0, &[(1, 1); 64])));
    let good = pcap(false, false, 1, &[frame.clone(), frame.clone(), frame]);
    let record = (good.len() - 24) / 3;
    let mut bytes = good[..24 + record].to_vec();
    bytes.extend([0, 0xf1, 0x53, 0x65, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0x40]);
    bytes.extend(&good[24 + record..]);
    let report = read(&bytes).report;
    assert_eq!(report.frames, 3);
    assert_eq!(report.skipped_at["garbage"], [format!("byte {}", 24 + record)]);
}

/// Random and mutated bytes: reading ends, and says something.
#[test]
fn no_input_panics() {
    fn property(which: usize, changes: Vec<(usize, u8)>, cut: usize, piece: usize) -> bool {
        let files = files();
        let (_, mut bytes) = files[which % files.len()].clone();
        for (at, value) in changes {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        bytes.truncate(1 + cut % bytes.len());
        match read_in(1 + piece % 700, &bytes) {
            Ok(recording) => !recording.streams.is_empty(),
            Err(refusal) => !refusal.to_string().is_empty(),
        }
    }
    fn noise(mut bytes: Vec<u8>, head: usize, piece: usize) -> bool {
        let files = files();
        let start = &files[head % files.len()].1;
        let mut all = start[..(head % 60).min(start.len())].to_vec();
        all.append(&mut bytes);
        match read_in(1 + piece % 50, &all) {
            Ok(recording) => !recording.streams.is_empty(),
            Err(refusal) => !refusal.to_string().is_empty(),
        }
    }
    QuickCheck::new()
        .tests(600)
        .quickcheck(property as fn(usize, Vec<(usize, u8)>, usize, usize) -> bool);
    QuickCheck::new().tests(600).quickcheck(noise as fn(Vec<u8>, usize, usize) -> bool);
}
