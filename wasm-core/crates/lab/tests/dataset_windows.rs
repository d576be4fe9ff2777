//! Windows lie inside one label, whatever the rate, and are what the extractor makes.

use csi_lab::dataset::{Tape, WindowSpec, Windows, label_of_name, split};
use csi_lab::labels::LabelledFrames;
use csi_lab::train::selftest;
use csi_temporal::feature::{MeanRemoval, PipelineConfig};
use csi_temporal::frame::{CsiFrame, CsiValues};

fn config(rate_hz: f32) -> PipelineConfig {
    let useful = (0..3).collect();
    PipelineConfig {
        useful,
        rate_hz,
        mean_removal: MeanRemoval::Window,
        ..PipelineConfig::default()
    }
}

/// Frames every 10 ms whose first amplitude is their number.
fn tape(rate_hz: f32, count: usize, intervals: &[(std::ops::Range<usize>, &str)]) -> Tape {
    let values: Vec<[f32; 3]> = (0..count).map(|frame| [frame as f32, 1.0, 2.0]).collect();
    let frames = values.iter().enumerate().map(|(frame, values)| CsiFrame {
        time_micros: frame as i64 * 10_000,
        values: CsiValues::Amplitude(values),
        rssi_dbm: None,
    });
    let interval = |(frames, label): &(std::ops::Range<usize>, &str)| LabelledFrames {
        first_frame: frames.start,
        end_frame: frames.end,
        label: (*label).to_owned(),
    };
    let intervals: Vec<LabelledFrames> = intervals.iter().map(interval).collect();
    Tape::of_frames("made", frames, count, &config(rate_hz), &intervals).expect("a pipeline")
}

#[test]
fn every_window_holds_frames_of_its_label_alone() {
    let parts = [(0..40, "a"), (40..71, "b"), (80..200, "a")];
    for rate_hz in [0.0, 100.0, 50.0, 64.0, 250.0] {
        let windows =
            Windows::cut(vec![tape(rate_hz, 200, &parts)], WindowSpec { len: 10, hop: 3 });
        assert_eq!(windows.classes, ["a", "b"]);
        assert!(windows.counts().iter().all(|count| *count > 2), "{rate_hz} Hz");
        for cut in &windows.cuts {
            for row in windows.raw(cut.tape, cut.start).chunks_exact(3) {
                // Between two frames a row is labelled only if both are.
                for frame in [row[0].floor() as usize, row[0].ceil() as usize] {
                    let of = parts.iter().find(|(frames, _)| frames.contains(&frame));
                    let label = of.map(|(_, label)| *label);
                    let expected = Some(windows.classes[cut.class].as_str());
                    assert_eq!(label, expected, "{rate_hz} Hz, frame {frame}");
                }
            }
        }
    }
}

#[test]
fn windows_are_as_many_as_hops_fit_and_no_more() {
    for (len, hop) in [(10, 5), (10, 10), (7, 3), (40, 1), (41, 1), (31, 31)] {
        let parts = [(0..40, "a"), (40..71, "b")];
        let windows = Windows::cut(vec![tape(0.0, 80, &parts)], WindowSpec { len, hop });
        let fit = |frames: usize| (0..frames).step_by(hop).filter(|s| s + len <= frames).count();
        assert_eq!(windows.counts(), [fit(40), fit(31)], "length {len}, hop {hop}");
        for cut in &windows.cuts {
            assert!(cut.room.contains(&cut.start), "{cut:?}");
            let latest = windows.raw(cut.tape, cut.room.end - 1);
            let end = [40.0, 71.0][cut.class] - 1.0;
            assert_eq!(latest[latest.len() - 3], end, "room ends with the label: {cut:?}");
        }
    }
}

#[test]
fn labels_that_get_one_name_become_one_stretch() {
    let mut tape = tape(0.0, 60, &[(0..20, "sit_left"), (20..40, "sit_right"), (40..60, "noise")]);
    tape.rename(|label| label.split('_').next().filter(|name| *name != "noise").map(str::to_owned));
    let windows = Windows::cut(vec![tape], WindowSpec { len: 40, hop: 1 });
    assert_eq!((windows.classes.as_slice(), windows.cuts.len()), (&["sit".to_owned()][..], 1));
}

#[test]
fn a_window_is_read_without_its_mean() {
    let windows = Windows::cut(vec![selftest::tape("made", 3, 40)], WindowSpec { len: 20, hop: 7 });
    let (mut rows, dim) = (Vec::new(), windows.dim());
    for cut in &windows.cuts {
        windows.read(cut, &mut rows);
        for column in 0..8 {
            let mean = rows.chunks_exact(dim).map(|row| row[column]).sum::<f32>() / 20.0;
            assert!(mean.abs() < 1e-5, "{mean}");
        }
    }
}

#[test]
fn names_of_files_give_labels() {
    for (name, label) in [
        ("mov_01.csv", Some("mov")),
        ("raw/vacio_04.csv", Some("vacio")),
        ("walking.csi.jsonl", Some("walking")),
        ("resp_vacio.csv", Some("resp_vacio")),
        ("2024-01-01.csv", None),
        ("", None),
    ] {
        assert_eq!(label_of_name(name), label, "{name}");
    }
}

#[test]
fn a_split_by_recording_parts_no_recording_and_keeps_every_class() {
    let tapes = |count: u64| (1..=count).map(|seed| selftest::tape(&format!("{seed}"), seed, 60));
    let spec = WindowSpec { len: 20, hop: 10 };
    let all = Windows::cut(tapes(6).collect(), spec);
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let chosen = split::by_recording(&all, 0.34, seed);
        assert_eq!(chosen.len(), 2, "a third of six");
        let (train, test) = split::part(&all, &chosen);
        assert_eq!((train.tapes.len(), test.tapes.len()), (4, 2));
        assert_eq!(train.cuts.len() + test.cuts.len(), all.cuts.len());
        assert!(train.tapes.iter().all(|tape| test.tapes.iter().all(|of| of.name != tape.name)));
        seen.insert(chosen);
    }
    assert!(seen.len() > 5, "seeds choose differently");
    // The only recording of a class cannot be spared.
    let mut rare: Vec<Tape> = tapes(2).collect();
    rare[1].rename(|label| Some(format!("other {label}")));
    assert_eq!(split::by_recording(&Windows::cut(rare, spec), 0.5, 1), [0; 0]);
}

#[test]
fn a_random_split_parts_windows_and_lets_none_move() {
    let all = Windows::cut(vec![selftest::tape("1", 1, 200)], WindowSpec { len: 20, hop: 10 });
    let (train, test) = split::at_random(&all, 0.3, 1);
    assert_eq!(train.cuts.len() + test.cuts.len(), all.cuts.len());
    assert!((10..=25).contains(&test.cuts.len()), "{} of {}", test.cuts.len(), all.cuts.len());
    assert!(train.cuts.iter().all(|cut| cut.room == (cut.start..cut.start + 1)));
    assert!(test.cuts.iter().all(|cut| train.cuts.iter().all(|of| of.start != cut.start)));
}
