//! Any bytes, in pieces of any size: no panic, the same result, bounded memory of notes.

use quickcheck::{QuickCheck, TestResult};

use super::*;

/// Everything a recording says, for comparison.
fn told(outcome: Result<Recording, Refusal>) -> String {
    match outcome {
        Err(refusal) => refusal.to_string(),
        Ok(recording) => {
            let mut text = serde_json::to_string(&recording.report).unwrap();
            for stream in &recording.streams {
                text += &format!("\n{} {:?}", stream.name, stream.map.useful());
                for (i, frame) in stream.frames().enumerate().step_by(7) {
                    text += &format!("\n{frame:?} {:?} {:?}", stream.sequence(i), stream.label(i));
                }
            }
            text
        }
    }
}

#[test]
fn pieces_never_change_what_is_read() {
    for (name, bytes) in all_fixtures() {
        let sizes: &[usize] = match bytes.len() {
            0..=5_000 => &[1, 2, 3, 5, 7, 64, 1000],
            5_001..=60_000 => &[1, 61, 4096],
            _ => &[997, 65_536, 65_537],
        };
        let whole = told(decode(&bytes));
        for &size in sizes {
            assert!(told(decode_in_pieces(&bytes, size)) == whole, "{name} in pieces of {size}");
        }
    }
}

#[test]
fn random_bytes_never_panic() {
    fn property(bytes: Vec<u8>, start: u8) -> bool {
        let starts: [&[u8]; 8] = [
            b"",
            b"{\"",
            b"CSI_DATA,AP,",
            b"CSI_DATA,1,",
            b"\xff\xfe",
            b"a0,a1\n",
            b"\x01\x00\x11\xc5",
            b"type,id,mac\n",
        ];
        let all = [starts[usize::from(start) % starts.len()], &bytes].concat();
        told(decode(&all)) == told(decode_in_pieces(&all, 3))
    }
    QuickCheck::new().tests(2000).quickcheck(property as fn(Vec<u8>, u8) -> bool);
}

#[test]
fn damaged_fixtures_never_panic_and_never_depend_on_pieces() {
    let mut fixtures = all_fixtures();
    // Enough of each for every path, little enough for many cases.
    fixtures.iter_mut().for_each(|(_, bytes)| bytes.truncate(12_000));
    let property = move |which: usize, damage: Vec<(u16, u8)>, cut: u16, size: u8| {
        let (_, bytes) = &fixtures[which % fixtures.len()];
        if bytes.is_empty() {
            return TestResult::discard();
        }
        let mut bytes = bytes.clone();
        for (at, value) in damage {
            let at = usize::from(at) % bytes.len();
            match value % 8 {
                0 => drop(bytes.drain(at..(at + 40).min(bytes.len() - 1))),
                1 => bytes.insert(at, b'\n'),
                2 => bytes[at] = b"0,[]\"\r-{"[usize::from(value / 8) % 8],
                _ => bytes[at] = value,
            }
        }
        bytes.truncate(bytes.len().max(1) - usize::from(cut) % bytes.len() / 4);
        let whole = told(decode(&bytes));
        let pieces = told(decode_in_pieces(&bytes, usize::from(size) + 1));
        TestResult::from_bool(whole == pieces)
    };
    fn check(property: impl Fn(usize, Vec<(u16, u8)>, u16, u8) -> TestResult + 'static) {
        struct Property<F>(F);
        impl<F: Fn(usize, Vec<(u16, u8)>, u16, u8) -> TestResult + 'static> quickcheck::Testable
            for Property<F>
        {
            fn result(&self, g: &mut quickcheck::Gen) -> TestResult {
                use quickcheck::Arbitrary;
                (self.0)(
                    usize::arbitrary(g),
                    Vec::arbitrary(g),
                    u16::arbitrary(g),
                    u8::arbitrary(g),
                )
            }
        }
        QuickCheck::new().tests(600).quickcheck(Property(property));
    }
    check(property);
}

#[test]
fn a_full_store_stops_cleanly_with_a_note() {
    let bytes = fixture("recordings/walking_esp32_107hz.csv");
    let limits = Limits { store_bytes: 64 << 10, ..Limits::default() };
    let mut by_size = Vec::new();
    for size in [1000, 100_000, bytes.len()] {
        let mut decoder = Decoder::new("test", limits);
        bytes.chunks(size).for_each(|piece| decoder.push(piece).unwrap());
        assert!(decoder.progress().full);
        assert_eq!(decoder.progress().bytes, bytes.len() as u64);
        let recording = decoder.finish().unwrap();
        // 128 bytes of I/Q and 17 beside them.
        assert_eq!(recording.report.frames, (64 << 10) / 145 + 1);
        assert!(
            recording.report.notes.iter().any(|n| n.starts_with("Reading stopped at line 452"))
        );
        by_size.push(told(Ok(recording)));
    }
    assert!(by_size.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn too_many_senders_are_left_out_with_their_reason() {
    let line = String::from_utf8(fixture("recordings/walking_esp32_107hz.csv")).unwrap();
    let line = line.lines().next().unwrap();
    let text: String = (0..300)
        .map(|n| line.replace("A2:E4", &format!("{:02X}:{:02X}", n / 256, n % 256)) + "\n")
        .collect();
    let recording = open(text);
    assert_eq!(
        (recording.streams.len(), skipped(&recording)),
        (256, vec![("too-many-streams", 44)])
    );
}
