//! A study: what a page trains on, and that it is `csi train`'s head.

use std::cell::Cell;

use csi_lab::session::Session;
use csi_lab::study::{Settings, Study, StudyError, Use};
use csi_lab::train::Size;
use csi_temporal::rvne::{Dtype, WeightBlob};

fn example(name: &str) -> Vec<u8> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../fixtures/training/");
    std::fs::read(format!("{root}{name}")).expect("a fixture")
}

fn add(study: &mut Study, name: &str, bytes: &[u8]) -> usize {
    study.open_begin(name);
    study.open_push(bytes).expect("a recording");
    study.open_finish().expect("a recording")
}

const NAMES: [&str; 6] = [
    "empty_02.csv",
    "empty_03.csv",
    "empty_04.csv",
    "walking_02.csv",
    "walking_03.csv",
    "walking_04.csv",
];

fn filled() -> Study {
    let mut study = Study::new();
    for name in NAMES {
        add(&mut study, name, &example(name));
    }
    study
}

fn settings() -> Settings {
    let size = Size::named("small").expect("a size");
    Settings { size, epochs: Some(4), ..Settings::default() }
}

fn parts(study: &mut Study) -> Vec<Use> {
    let view = study.view(&settings()).expect("a view");
    view.recordings.iter().map(|entry| entry.part).collect()
}

/// To the end, by a clock that ticks with each look.
fn train(study: &mut Study, settings: &Settings) {
    let clock = Cell::new(0.0);
    let now = || clock.replace(clock.get() + 1.0);
    study.begin(settings).expect("a run");
    while !study.step(5.0, &now).expect("a step").done {}
}

#[test]
fn a_split_is_proposed_by_recording_with_every_class_on_both_sides() {
    let mut study = filled();
    study.propose(&settings()).expect("a split");
    let (train, test) = (Use::Train, Use::Test);
    assert_eq!(parts(&mut study), [train, train, test, train, train, test]);
    let view = study.view(&settings()).expect("a view");
    assert!(view.ready && view.findings.is_empty(), "{:?}", view.findings);
    // Counted by hand: about 13 s at 25 rows a second, windows of 50 rows every 25.
    for class in &view.classes {
        assert!((20..=26).contains(&class.train) && (10..=13).contains(&class.test), "{class:?}");
    }
    for (entry, name) in view.recordings.iter().zip(NAMES) {
        assert_eq!((entry.name.as_str(), entry.frames), (name, 340));
        assert_eq!(entry.windows.iter().filter(|windows| **windows > 0).count(), 1);
    }
}

#[test]
fn test_recordings_change_no_weight() {
    let mut with = filled();
    with.propose(&settings()).expect("a split");
    train(&mut with, &settings());
    let mut without = filled();
    without.propose(&settings()).expect("a split");
    for index in [2, 5] {
        without.assign(index, Use::None).expect("a recording");
    }
    train(&mut without, &settings());
    assert_eq!(with.blob(Dtype::F16), without.blob(Dtype::F16));
    assert!(without.outcome().expect("an outcome").scores.is_none());
}

#[test]
fn the_outcome_counts_what_is_behind_it() {
    let mut study = filled();
    study.propose(&settings()).expect("a split");
    train(&mut study, &Settings { epochs: Some(30), ..settings() });
    let outcome = study.outcome().expect("an outcome");
    let scores = outcome.scores.expect("scores");
    let cells: usize = scores.confusion.iter().flatten().sum();
    let diagonal = scores.confusion[0][0] + scores.confusion[1][1];
    assert_eq!((cells, diagonal), (scores.windows, scores.right));
    assert!(scores.accuracy >= 0.9, "{scores:?}");
    // As many windows of both to train on: the first of the two counts as the largest.
    let view = study.view(&settings()).expect("a view");
    assert_eq!(view.classes[0].train, view.classes[1].train);
    let share = view.classes[0].test as f64 / view.test_windows as f64;
    assert_eq!(outcome.majority, Some(share));
    let f16 = study.blob(Dtype::F16).expect("a file");
    assert_eq!(f16.len(), outcome.bytes_f16);
    let blob = WeightBlob::parse(&f16).expect("a blob");
    let names = blob.trailer.class_names.expect("names");
    assert_eq!(names, ["empty", "walking"]);
    assert!(blob.trailer.provenance.expect("provenance").contains("empty_02.csv"));
    assert_eq!(blob.trailer.attention.expect("attention").frame_rate_hz, 25.0);
}

#[test]
fn marks_take_the_place_of_labels_and_fit_one_recording() {
    let mut study = filled();
    let marks = |name: &str, frames: u64| {
        format!(
            r#"{{"format": "csi-lab.labels", "version": 1, "recording": "{name}", "frames": {frames},
            "intervals": [{{"start_micros": 0, "end_micros": 6000000, "label": "sitting"}}]}}"#
        )
    };
    assert_eq!(study.labels_open(marks("empty_03.csv", 340).as_bytes()), Ok(1));
    let entry = &study.view(&settings()).expect("a view").recordings[1];
    assert_eq!(
        (entry.labels_from, entry.labels.as_slice()),
        ("label file", &["sitting".into()][..])
    );
    let other = study.labels_open(marks("empty_03.csv", 341).as_bytes());
    assert_eq!(other, Err(StudyError::OtherRecording { frames: 341 }));
    let none = study.labels_open(marks("other.csv", 340).as_bytes());
    assert_eq!(none, Err(StudyError::NoSuchName));
    assert!(matches!(study.labels_open(b"{"), Err(StudyError::Labels(_))));
}

#[test]
fn what_forbids_training_is_found_before_it_starts() {
    let mut study = Study::new();
    assert_eq!(study.begin(&settings()).err(), Some(StudyError::NotReady));
    add(&mut study, "walking_02.csv", &example("walking_02.csv"));
    assert_eq!(study.begin(&settings()).err(), Some(StudyError::NotReady));
    assert_eq!(study.step(1.0, &|| 0.0).err(), Some(StudyError::NotTraining));
    add(&mut study, "empty_02.csv", &example("empty_02.csv"));
    assert!(study.view(&settings()).expect("a view").ready);
    // The same frames under another name.
    let copy = add(&mut study, "empty_99.csv", &example("empty_02.csv"));
    study.assign(copy, Use::Test).expect("a recording");
    let view = study.view(&settings()).expect("a view");
    assert_eq!((view.ready, view.findings[0].code), (false, "dataset/copies"));
    assert_eq!(study.assign(9, Use::Test), Err(StudyError::Index { index: 9, count: 3 }));
    study.open_begin("noise.bin");
    assert!(study.open_push(&[7; 4096]).and_then(|_| study.open_finish()).is_err());
    assert_eq!(parts(&mut study).len(), 3);
}

#[test]
fn a_random_split_is_trained_second_and_changes_no_weight() {
    let mut study = filled();
    study.propose(&settings()).expect("a split");
    train(&mut study, &settings());
    let honest = study.blob(Dtype::F32);
    train(&mut study, &Settings { random_split: true, ..settings() });
    assert_eq!(study.blob(Dtype::F32), honest);
    let random = study.outcome().expect("an outcome").random_split.expect("a figure");
    assert!(random.windows > 0);
}

#[test]
fn a_trained_head_brings_its_pipeline_to_the_time_line() {
    let mut study = filled();
    study.propose(&settings()).expect("a split");
    train(&mut study, &settings());
    let mut session = Session::new();
    session.open_begin("walking_04.csv");
    session.open_push(&example("walking_04.csv")).expect("a recording");
    let frames = session.open_finish().expect("a recording").frames;
    session.blob_open("trained.rvne", &study.blob(Dtype::F16).expect("a file")).expect("a blob");
    let pipeline = session.pipeline().expect("a pipeline");
    assert!(pipeline.matches && pipeline.ask.rate_hz == 25.0 && pipeline.ask.lags == [2]);
    // The last window is what the study scores: the head's logits on the same rows.
    let window = session.window(frames - 1, 50).expect("rows");
    let blob = WeightBlob::parse(&study.blob(Dtype::F16).expect("a file")).expect("a blob");
    let head = csi_temporal::head::TemporalHead::from_blob(&blob).expect("a head");
    let logits = head.forward(&window.values, head.backend()).expect("logits").logits;
    let said = session.classify(frames - 1, 50).expect("classes").expect("classes");
    assert_eq!(said.sparse.len(), 2);
    assert_eq!(said.sparse[1] > said.sparse[0], logits[1] > logits[0]);
}
