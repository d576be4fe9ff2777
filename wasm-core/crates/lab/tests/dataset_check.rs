//! What spoils a figure is said before training: copies across the split, one class, mixed layouts.

use csi_lab::dataset::{
    Finding, Severity, Tape, WindowSpec, Windows, check, common_pairs, training_pipeline,
};
use csi_lab::labels::{self, LabelledFrames};
use csi_lab::recording::{Decoder, Limits, Recording};
use csi_lab::train::{Random, selftest};

const SPEC: WindowSpec = WindowSpec { len: 20, hop: 10 };

/// A recording as a file: `pairs` amplitudes that drift, with noise, and labels.
fn csv(seed: u64, frames: usize, pairs: usize, digits: usize, labels: &[&str]) -> Vec<String> {
    let mut random = Random::new(seed);
    let names: Vec<String> = (0..pairs).map(|pair| format!("a{pair}")).collect();
    let mut lines = vec![format!("label,{}", names.join(","))];
    for frame in 0..frames {
        let label = labels[frame * labels.len() / frames];
        let cells: Vec<String> = (0..pairs)
            .map(|pair| format!("{:.digits$}", 20.0 + pair as f32 + random.normal()))
            .collect();
        lines.push(format!("{label},{}", cells.join(",")));
    }
    lines
}

fn open(name: &str, lines: &[String]) -> Recording {
    let mut decoder = Decoder::new(name, Limits::default());
    decoder.push(lines.join("\n").as_bytes()).expect("a table");
    decoder.finish().expect("a recording")
}

fn sets(train: &[&Recording], test: &[&Recording]) -> (Windows, Windows) {
    let streams: Vec<_> = train.iter().map(|of| &of.streams[of.default_stream]).collect();
    let config = training_pipeline(&streams).config(streams[0].kind, &common_pairs(&streams));
    let tapes = |of: &[&Recording]| -> Vec<Tape> {
        let tape = |of: &&Recording| {
            let stream = &of.streams[of.default_stream];
            Tape::read(&of.name, stream, &config, &labels::of_stream(stream, None))
                .expect("a pipeline")
        };
        of.iter().map(tape).collect()
    };
    let train = Windows::cut(tapes(train), SPEC);
    let test = Windows::cut_for(tapes(test), SPEC, &train.classes);
    (train, test)
}

fn codes(found: &[Finding], severity: Severity) -> Vec<&'static str> {
    let of = found.iter().filter(|finding| finding.severity == severity);
    let mut codes: Vec<_> = of.map(|finding| finding.code).collect();
    codes.dedup();
    codes
}

fn found(train: &[&Recording], test: &[&Recording]) -> Vec<Finding> {
    let (train, test) = sets(train, test);
    check(&train, &test)
}

const LABELS: &[&str] = &["sit", "walk", "sit", "walk"];

#[test]
fn good_sets_are_not_complained_about() {
    let all = [1, 2, 3].map(|seed| open(&format!("{seed}"), &csv(seed, 200, 32, 3, LABELS)));
    assert_eq!(found(&[&all[0], &all[1]], &[&all[2]]), []);
}

/// Even where the receiver stands in a still room, noise tells two recordings apart.
#[test]
fn copies_are_found_when_renamed_cut_or_rounded_and_nothing_else_is() {
    let lines = csv(1, 200, 32, 3, LABELS);
    let (original, other) = (open("a", &lines), open("b", &csv(2, 200, 32, 3, LABELS)));
    let mut cut = lines.clone();
    cut.drain(1..38);
    cut.drain(60..75);
    let rounded = csv(1, 200, 32, 2, LABELS);
    for (what, copy) in [("renamed", &lines), ("cut", &cut), ("rounded", &rounded)] {
        let copy = open("c", copy);
        let found = found(&[&other, &original], &[&copy]);
        assert_eq!(codes(&found, Severity::Refused), ["dataset/copies"], "{what}");
        assert!(found[0].text.contains("recording a"), "{what}: {}", found[0].text);
    }
    let apart = open("c", &csv(3, 200, 32, 3, LABELS));
    assert_eq!(codes(&found(&[&other, &original], &[&apart]), Severity::Refused), [""; 0]);
}

#[test]
fn sets_that_cannot_be_trained_are_refused_by_code() {
    let good = open("good", &csv(1, 200, 32, 3, LABELS));
    let refused =
        |train: &[&Recording], test: &[&Recording]| codes(&found(train, test), Severity::Refused);
    let one = open("one", &csv(2, 200, 32, 3, &["sit"]));
    assert_eq!(refused(&[&one], &[]), ["dataset/one-class"]);
    let short = open("short", &csv(2, 30, 32, 3, LABELS));
    assert_eq!(refused(&[&short], &[]), ["dataset/one-class"]);
    let wide = open("wide", &csv(2, 200, 36, 3, LABELS));
    assert_eq!(refused(&[&good, &wide], &[]), ["dataset/mixed-layouts"]);
    assert_eq!(refused(&[&good], &[&wide]), ["dataset/mixed-layouts"]);
    let none = open("none", &csv(2, 200, 32, 3, &[""]));
    assert_eq!(refused(&[&good, &none], &[]), ["dataset/unlabelled"]);
    let other = open("other", &csv(2, 200, 32, 3, &["sit", "jump"]));
    assert_eq!(refused(&[&good], &[&other]), ["dataset/unknown-class"]);
    let mut still = csv(2, 200, 32, 3, LABELS);
    for line in &mut still[1..] {
        let label = line.split(',').next().expect("a label");
        *line = format!("{label}{}", ",7.5".repeat(32));
    }
    let still = open("still", &still);
    assert_eq!(refused(&[&still], &[]), ["dataset/constant"]);
    let none = Windows::cut(Vec::new(), SPEC);
    assert_eq!(codes(&check(&none, &none), Severity::Refused), ["dataset/no-recording"]);
}

#[test]
fn rates_that_do_not_fit_are_refused_unless_resampled() {
    let timed = |name: &str, rate: f64| {
        let mut lines = csv(rate as u64, 200, 32, 3, LABELS);
        for (number, line) in lines.iter_mut().enumerate() {
            let time = match number {
                0 => "timestamp".to_owned(),
                number => format!("{:.6}", 100.0 + number as f64 / rate),
            };
            *line = format!("{time},{line}");
        }
        open(name, &lines)
    };
    let (fast, slow) = (timed("fast", 100.0), timed("slow", 30.0));
    let of = |rate_hz: f32| {
        let streams = [&fast.streams[0], &slow.streams[0]];
        let ask = csi_lab::session::PipelineAsk { rate_hz, ..training_pipeline(&streams) };
        let config = ask.config(streams[0].kind, &common_pairs(&streams));
        let tape =
            |(name, stream)| Tape::read(name, stream, &config, &labels::of_stream(stream, None));
        let tapes = ["fast", "slow"].into_iter().zip(streams).map(tape);
        let train = Windows::cut(tapes.map(|tape| tape.expect("a pipeline")).collect(), SPEC);
        codes(
            &check(&train, &Windows::cut_for(Vec::new(), SPEC, &train.classes)),
            Severity::Refused,
        )
    };
    assert_eq!(fast.streams[0].rate_hz().map(f64::round), Some(100.0), "the table has a clock");
    assert_eq!(of(0.0), ["dataset/mixed-rates"]);
    assert_eq!(of(80.0), ["dataset/slow-recording"]);
    assert_eq!(of(25.0), [""; 0]);
    assert_eq!(training_pipeline(&[&fast.streams[0], &slow.streams[0]]).rate_hz, 25.0);
}

#[test]
fn what_weakens_a_figure_is_warned_of() {
    let warned =
        |train: &[&Recording], test: &[&Recording]| codes(&found(train, test), Severity::Warning);
    let all = [1, 2, 3].map(|seed| open(&format!("{seed}"), &csv(seed, 200, 32, 3, LABELS)));
    assert_eq!(warned(&[&all[0]], &[&all[1]]), ["dataset/one-recording"]);
    let sits = open("sits", &csv(4, 200, 32, 3, &["sit"]));
    assert_eq!(warned(&[&all[0], &all[1]], &[&sits]), ["dataset/untested-class"]);
    let rare = open("rare", &csv(5, 2000, 32, 3, &[&["sit"; 49][..], &["walk"]].concat()));
    let rare_too = open("rare too", &csv(6, 2000, 32, 3, &[&["sit"; 49][..], &["walk"]].concat()));
    assert_eq!(warned(&[&rare, &rare_too], &[&all[0]]), ["dataset/imbalance"]);
}

/// Frames that are not numbers are counted, and half of them are too many.
#[test]
fn unreadable_frames_are_counted() {
    let tape = selftest::tape("made", 1, 50);
    let values = [f32::NAN; 16];
    let frames = (0..100).map(|frame| csi_temporal::frame::CsiFrame {
        time_micros: frame,
        values: csi_temporal::frame::CsiValues::Amplitude(&values),
        rssi_dbm: None,
    });
    let label = LabelledFrames { first_frame: 0, end_frame: 100, label: "still".to_owned() };
    let bad = Tape::of_frames("bad", frames, 100, &tape.config, &[label]).expect("a pipeline");
    assert_eq!((bad.refused, bad.len()), (100, 0));
    let train = Windows::cut(vec![tape, bad], SPEC);
    let nothing = Windows::cut_for(Vec::new(), SPEC, &train.classes);
    let refused = codes(&check(&train, &nothing), Severity::Refused);
    assert!(refused.contains(&"dataset/unreadable-frames"), "{refused:?}");
}
