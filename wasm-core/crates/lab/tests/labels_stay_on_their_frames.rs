//! Labels: a lane without overlaps, the same after writing and reading, on the frames they were put.

mod session_support;

use csi_lab::labels::{Interval, LabelFile, LabelSet, LabelsError, MAX_INTERVALS, of_stream};
use csi_lab::recording::{Decoder, Limits, Recording};
use csi_lab::session::LabError;
use quickcheck::{QuickCheck, quickcheck};
use session_support::{fixture, walking};

fn interval(start_micros: i64, end_micros: i64, label: &str) -> Interval {
    Interval { start_micros, end_micros, label: label.to_owned() }
}

/// The definition: which label each microsecond has, by painting one after the other.
fn painted(strokes: &[(u8, u8, u8)]) -> Vec<Option<u8>> {
    let mut paint = vec![None; 256];
    for (start, end, label) in strokes {
        if start < end {
            paint[usize::from(*start)..usize::from(*end)].fill(Some(label % 3));
        }
    }
    paint
}

quickcheck! {
    fn a_new_label_takes_the_place_of_what_it_covers(strokes: Vec<(u8, u8, u8)>) -> bool {
        let mut set = LabelSet::default();
        for (start, end, label) in &strokes {
            let new = interval(i64::from(*start), i64::from(*end), &(label % 3).to_string());
            assert_eq!(set.add(new).is_ok(), start < end);
        }
        let ordered = set.intervals().windows(2).all(|two| two[0].end_micros <= two[1].start_micros);
        let label_at = |micros: i64| {
            let at = set.intervals().iter().find(|i| (i.start_micros..i.end_micros).contains(&micros));
            at.map(|i| i.label.parse::<u8>().unwrap())
        };
        ordered && (0..256).map(label_at).collect::<Vec<_>>() == painted(&strokes)
    }

    fn what_was_written_reads_the_same(strokes: Vec<(u32, u32, String)>, name: String) -> bool {
        let mut set = LabelSet::default();
        for (start, length, label) in strokes {
            let _ = set.add(interval(start.into(), i64::from(start) + i64::from(length), &label));
        }
        let file = LabelFile::parse(set.to_json(&name, 7).as_bytes()).unwrap();
        file == LabelFile { recording: name, frames: 7, labels: set }
    }
}

#[test]
fn any_bytes_and_any_damage_are_refused_without_a_panic() {
    fn bytes(bytes: Vec<u8>) -> bool {
        LabelFile::parse(&bytes).is_err()
    }
    QuickCheck::new().tests(500).quickcheck(bytes as fn(Vec<u8>) -> bool);
    fn damaged(at: usize, byte: u8) -> bool {
        let mut set = LabelSet::default();
        set.add(interval(5, 10, "a")).unwrap();
        set.add(interval(10, 30, "b")).unwrap();
        let mut text = set.to_json("x.csv", 3).into_bytes();
        let at = at % text.len();
        text[at] = byte;
        LabelFile::parse(&text).is_ok_and(|file| file.labels.intervals().len() == 2)
            || LabelFile::parse(&text).is_err()
    }
    QuickCheck::new().tests(2000).quickcheck(damaged as fn(usize, u8) -> bool);
}

#[test]
fn refusals_name_the_place() {
    let file = |intervals: &str| {
        format!(
            r#"{{"format":"csi-lab.labels","version":1,"recording":"a","frames":1,"intervals":[{intervals}]}}"#
        )
    };
    let one = |start: i64, end: i64, label: &str| {
        format!(r#"{{"start_micros":{start},"end_micros":{end},"label":"{label}"}}"#)
    };
    let parse = |text: &str| LabelFile::parse(text.as_bytes()).map(|_| ()).unwrap_err();
    let two = |a: String, b: String| file(&format!("{a},{b}"));
    assert_eq!(parse("{"), LabelsError::Json { line: 1, column: 1 });
    assert_eq!(parse("{}"), LabelsError::Format);
    assert_eq!(parse("[1]").code(), "labels/json");
    assert_eq!(parse(&file("").replace(":1,", ":2,")), LabelsError::Version { got: 2 });
    assert_eq!(parse(&two(one(0, 5, "a"), one(4, 9, "b"))), LabelsError::Overlap { index: 1 });
    assert_eq!(parse(&file(&one(-1, 5, "a"))), LabelsError::Range { index: 0 });
    assert_eq!(parse(&two(one(0, 5, "a"), one(7, 7, "b"))), LabelsError::Range { index: 1 });
    assert_eq!(parse(&file(&one(0, 5, "  "))), LabelsError::Name { index: 0 });
    assert_eq!(parse(&file(&one(0, 5, &"x".repeat(65)))), LabelsError::Name { index: 0 });
    let many: Vec<String> = (0..=MAX_INTERVALS as i64).map(|i| one(i, i + 1, "a")).collect();
    assert_eq!(parse(&file(&many.join(","))), LabelsError::TooMany { count: MAX_INTERVALS + 1 });
    assert_eq!(parse(&" ".repeat(5 << 20)), LabelsError::TooLarge { bytes: 5 << 20 });
    assert!(LabelFile::parse(format!("\u{feff}{}", file("")).as_bytes()).is_ok());
}

#[test]
fn the_session_keeps_edits_and_drops_marks_and_failures_change_nothing() {
    let mut session = walking();
    session.mark(None, (1.0, 2.0), "walking").unwrap();
    session.mark(None, (3.0, 4.0), " still ").unwrap();
    let marks = session.mark(Some(0), (1.0, 2.5), "running").unwrap();
    let names: Vec<&str> = marks.iter().map(|mark| &*mark.name).collect();
    assert_eq!((names, marks[0].end_s), (vec!["running", "still"], 2.5));
    for bad in [(2.0, 2.0), (3.0, 1.0), (-1.0, 1.0), (f64::NAN, f64::NAN)] {
        assert!(matches!(session.mark(None, bad, "x"), Err(LabError::Labels(_))), "{bad:?}");
    }
    assert_eq!(session.mark(Some(7), (0.0, 1.0), "x").unwrap_err().code(), "labels/index");
    assert_eq!(session.labels_open(b"{}").unwrap_err().code(), "labels/format");
    assert_eq!(session.marks().unwrap(), marks);

    let text = session.labels_json().unwrap();
    assert_eq!(session.unmark(0).unwrap().len(), 1);
    let mut again = walking();
    assert_eq!(again.labels_open(text.as_bytes()).unwrap(), (marks, true));
    let other = text.replace("\"frames\": 2400", "\"frames\": 2399");
    assert!(!again.labels_open(other.as_bytes()).unwrap().1, "made for another recording");
}

fn recording(name: &str) -> Recording {
    let mut decoder = Decoder::new("test", Limits::default());
    decoder.push(&fixture(name)).unwrap();
    decoder.finish().unwrap()
}

/// Against a look at every frame: half open, but for the recording's last frame.
#[test]
fn labels_hold_the_frames_between_their_times_for_every_stream() {
    let recording = recording("recordings/esp32_mixed_lengths.csv");
    assert!(recording.streams.len() > 2);
    let ends = |s: &csi_lab::recording::Stream| s.start_micros + s.time_micros(s.len() - 1);
    let end = recording.streams.iter().map(ends).max().unwrap();
    let mut set = LabelSet::default();
    set.add(interval(0, end / 3, "a")).unwrap();
    set.add(interval(end / 2, end, "b")).unwrap();
    for stream in &recording.streams {
        let naive = |label: &str, from: i64, to: i64| {
            let inside = |frame: &usize| {
                let time = stream.start_micros + stream.time_micros(*frame);
                (from <= time && time < to) || (time == to && *frame == stream.len() - 1)
            };
            let frames: Vec<usize> = (0..stream.len()).filter(inside).collect();
            frames.first().map(|first| (*first, frames.len(), label.to_owned()))
        };
        let expected: Vec<_> =
            [naive("a", 0, end / 3), naive("b", end / 2, end)].into_iter().flatten().collect();
        let got = set.frames(stream).into_iter();
        let got: Vec<_> = got
            .map(|span| (span.first_frame, span.end_frame - span.first_frame, span.label))
            .collect();
        assert_eq!(got, expected, "{}", stream.name);
        assert_eq!(of_stream(stream, Some(&set)), set.frames(stream));
    }
}

#[test]
fn without_marks_the_labels_of_the_recording_itself_count() {
    let recording = recording("recordings/geotec_labelled_amplitudes.csv");
    let stream = &recording.streams[0];
    let own = of_stream(stream, Some(&LabelSet::default()));
    assert_eq!(own, of_stream(stream, None));
    let frames: usize = own.iter().map(|span| span.end_frame - span.first_frame).sum();
    assert_eq!(frames as u64, stream.label_counts().values().sum::<u64>());
    assert!(own.len() > 1);
}
