//! `csi train` and `csi eval` as scripts see them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn csi(args: &[String]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_csi")).args(args).output().expect("csi starts")
}

fn ok(args: &[String]) -> String {
    let output = csi(args);
    assert!(output.status.success(), "csi {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("output is UTF-8")
}

fn refused(args: &[String]) -> String {
    let output = csi(args);
    let sentence = String::from_utf8(output.stderr).expect("sentence is UTF-8");
    assert_eq!(output.status.code(), Some(2), "csi {args:?}: {sentence}");
    assert_eq!(sentence.lines().count(), 1, "csi {args:?}: {sentence}");
    sentence
}

fn json(args: &[String]) -> serde_json::Value {
    serde_json::from_str(&ok(args)).expect("output is JSON")
}

/// A folder of its own for one test, emptied at the start.
fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("scratch folder");
    folder
}

/// A table of 32 amplitudes: noise while sitting, a slow wave on top while walking.
fn recording(folder: &Path, name: &str, seed: u32, noise: f32, labelled: bool) -> String {
    let mut state = seed;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    let columns: Vec<String> = (0..32).map(|pair| format!("a{pair}")).collect();
    let head = if labelled { "label," } else { "" };
    let mut text = format!("{head}{}\n", columns.join(","));
    for frame in 0..240 {
        let walks = frame / 60 % 2 == 1;
        if labelled {
            text += if walks { "walk," } else { "sit," };
        }
        let wave = if walks { (frame % 20) as f32 / 5.0 - 2.0 } else { 0.0 };
        let cells: Vec<String> = (0..32)
            .map(|pair| format!("{:.3}", 30.0 + wave * pair as f32 / 16.0 + noise * random()))
            .collect();
        text += &format!("{}\n", cells.join(","));
    }
    let path = folder.join(name);
    std::fs::write(&path, text).expect("recording written");
    path.to_str().expect("path is UTF-8").to_owned()
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

const BRIEFLY: &str = "--window 20 --epochs 8 --size small --json";

#[test]
fn a_head_is_trained_tested_written_and_evaluated_to_the_same_figure() {
    let folder = scratch("train");
    let [a, b, c] =
        [1, 2, 3].map(|seed| recording(&folder, &format!("r{seed}.csv"), seed, 1.0, true));
    let out = folder.join("head.rvne").to_str().expect("path is UTF-8").to_owned();
    let report =
        json(&words(&format!("train --train {a} {b} --test {c} --seeds 2 --out {out} {BRIEFLY}")));
    assert_eq!(report["classes"], serde_json::json!(["sit", "walk"]));
    // Of 60 frames a stretch, five windows of 20 at hop 10.
    assert_eq!((&report["train_windows"], &report["test_windows"]), (&40.into(), &20.into()));
    assert_eq!(report["majority_baseline"], 0.5);
    let accuracy = report["accuracy"].as_f64().expect("a figure");
    assert!(accuracy >= 0.9, "{report}");
    assert!(report["classical_baseline"].as_f64().expect("a figure") >= 0.9, "{report}");
    assert_eq!(report["accuracies"].as_array().map(Vec::len), Some(2));
    let of = |name: &str| report[name].as_f64().expect("a figure");
    let change = of("mean_accuracy") - of("f32_mean_accuracy");
    assert_eq!((of("rounding_change"), report["dtype"].as_str()), (change, Some("f16")));
    assert!(change.abs() < 0.1, "{report}");
    let bytes = std::fs::read(&out).expect("a blob");
    assert_eq!(report["blob_bytes"], bytes.len());

    let eval = json(&words(&format!("eval {out} {c} --json")));
    assert_eq!((&eval["accuracy"], &eval["scores"]), (&report["accuracy"], &report["scores"]));
    let shown = ok(&words(&format!("blob show {out}")));
    for word in ["sit", "walk", "dense"] {
        assert!(shown.contains(word), "{word} in {shown}");
    }
}

/// A random split is shown beside the honest one, never in its place.
#[test]
fn recordings_are_held_out_whole_and_a_random_split_is_only_shown() {
    let folder = scratch("hold-out");
    let all = [1, 2, 3, 4].map(|seed| recording(&folder, &format!("r{seed}.csv"), seed, 1.0, true));
    let all = all.join(" ");
    let ask = format!("train --train {all} --hold-out 0.25 --random-split {BRIEFLY}");
    let report = json(&words(&ask));
    let of = |list: &str| report[list].as_array().map(Vec::len);
    assert_eq!((of("train"), of("test")), (Some(3), Some(1)));
    assert_eq!((&report["train_windows"], &report["test_windows"]), (&60.into(), &20.into()));
    assert!(report["random_split_accuracy"].is_number() && report["accuracy"].is_number());
    let text = ok(&words(&ask.replace("--json", "")));
    assert!(text.contains("warning: with single windows held out at random"), "{text}");
    let both = refused(&words(&format!("train --train {all} --hold-out 0.25 --test {all}")));
    assert!(both.contains("leave --test away"), "{both}");
}

/// Nothing of a test recording reaches weights, normalisation or the end of training: garbage in
/// its place gives the same bytes.
#[test]
fn poisoned_test_recordings_change_no_byte() {
    let folder = scratch("poison");
    let [a, b, c] =
        [1, 2, 3].map(|seed| recording(&folder, &format!("r{seed}.csv"), seed, 1.0, true));
    let poison = recording(&folder, "poison.csv", 4, 29.0, true);
    let blob = |test: &str| {
        let out = folder.join("head.rvne").to_str().expect("path is UTF-8").to_owned();
        ok(&words(&format!("train --train {a} {b} {test} --out {out} {BRIEFLY}")));
        std::fs::read(out).expect("a blob")
    };
    let clean = blob(&format!("--test {c}"));
    assert_eq!(clean, blob(&format!("--test {poison}")));
    assert_eq!(clean, blob(""));
    assert_ne!(clean, blob("--seed 2"), "the bytes do depend on something");
}

/// A teacher changes the bytes, the same ones each time and whatever the test recordings hold. One
/// that saw a test recording is warned of, one that does not fit is refused.
#[test]
fn a_teacher_is_heard_and_has_to_fit() {
    let folder = scratch("teacher");
    let [a, b, c] =
        [1, 2, 3].map(|seed| recording(&folder, &format!("r{seed}.csv"), seed, 1.0, true));
    let poison = recording(&folder, "poison.csv", 4, 29.0, true);
    let path = |name: &str| folder.join(name).to_str().expect("path is UTF-8").to_owned();
    let (teacher, out) = (path("teacher.rvne"), path("head.rvne"));
    ok(&words(&format!(
        "train --train {a} {b} --out {teacher} --size node --window 20 --epochs 8"
    )));
    let ask = format!("train --train {a} {b} {BRIEFLY} --out {out}");
    let blob = |more: &str| {
        let report = json(&words(&format!("{ask} {more}")));
        (std::fs::read(&out).expect("a blob"), report)
    };
    let (alone, report) = blob("");
    assert!(report["teacher"].is_null());
    let heard = format!("--teacher {teacher} --temperature 3 --soft 0.75");
    let (taught, report) = blob(&format!("{heard} --test {c}"));
    assert_ne!(alone, taught);
    assert_eq!(taught, blob(&format!("{heard} --test {poison}")).0);
    let told = serde_json::json!({"file": "teacher.rvne", "temperature": 3.0, "share": 0.75});
    assert_eq!((&report["teacher"], &report["findings"]), (&told, &serde_json::json!([])));
    let shown = ok(&words(&format!("blob show {out} --json")));
    assert!(shown.contains("temperature"), "provenance tells of the teacher: {shown}");

    let student = format!("--window 20 --epochs 1 --size small --json --teacher {teacher}");
    let saw = json(&words(&format!("train --train {c} --test {a} {student}")));
    assert_eq!(saw["findings"][2]["code"], "train/teacher-saw-test", "{saw}");
    std::fs::write(folder.join("map.json"), r#"{"walk": "run"}"#).expect("map written");
    for (args, code) in [
        (format!("{student} --merge-labels {}", path("map.json")), "train/teacher-classes"),
        (format!("{student} --rate 50"), "train/teacher-features"),
        (format!("{student} --temperature 0"), "train/teacher-share"),
        (format!("{student} --soft 1.5"), "train/teacher-share"),
        ("--soft 0.5".to_owned(), "--teacher"),
        (format!("--teacher {a}"), "r1.csv"),
    ] {
        let sentence = refused(&words(&format!("train --train {a} {b} {args}")));
        assert!(sentence.contains(code), "{args}: {sentence}");
    }
    let gates = refused(&words(&format!("gates --train {a} --test {b} --teacher {teacher}")));
    assert!(gates.contains("teacher"), "{gates}");
}

#[test]
fn labels_come_from_names_and_are_renamed_by_a_map() {
    let folder = scratch("labels");
    let of = |name: &str, seed| recording(&folder, name, seed, 1.0, false);
    let (sit, sit2, walk, lie) =
        (of("sit_1.csv", 1), of("sit_2.csv", 2), of("walk_1.csv", 3), of("lie.csv", 4));
    let map = folder.join("map.json");
    std::fs::write(&map, r#"{"walk": "moving", "lie": "sit"}"#).expect("map written");
    let map = map.to_str().expect("path is UTF-8");
    let report = json(&words(&format!(
        "train --train {sit} {walk} {lie} --test {sit2} --merge-labels {map} {BRIEFLY}"
    )));
    assert_eq!(report["classes"], serde_json::json!(["moving", "sit"]));
    assert_eq!(report["train"][2]["windows"]["sit"], 23);
    assert_eq!(report["train"][0]["labels_from"], "file name");
    // What the page marked comes before the name.
    let marks = r#"{"format": "csi-lab.labels", "version": 1, "recording": "lie.csv", "frames": 240,
        "intervals": [{"start_micros": 0, "end_micros": 900000000, "label": "walk"}]}"#;
    std::fs::write(format!("{lie}.labels.json"), marks).expect("labels written");
    let report = json(&words(&format!("train --train {sit} {lie} {BRIEFLY}")));
    assert_eq!(report["classes"], serde_json::json!(["sit", "walk"]));
    assert_eq!(report["train"][1]["labels_from"], "label file");
    let of_another = marks.replace("240", "241");
    std::fs::write(format!("{lie}.labels.json"), of_another).expect("labels written");
    assert!(refused(&words(&format!("train --train {sit} {lie}"))).contains("another recording"));

    std::fs::write(folder.join("map.json"), "[1]").expect("map written");
    assert!(
        refused(&words(&format!("train --train {sit} --merge-labels {map}"))).contains("label map")
    );
}

#[test]
fn what_cannot_be_trained_is_said_with_its_code_and_what_to_do() {
    let folder = scratch("refused");
    let good = recording(&folder, "good.csv", 1, 1.0, true);
    let one = recording(&folder, "one_1.csv", 2, 1.0, false);
    for (args, code) in [
        (format!("train --train {one}"), "dataset/one-class"),
        (format!("train --train {good} --test {good}"), "dataset/copies"),
        (format!("train --train {good} --test {one}"), "dataset/unknown-class"),
        (format!("train --train {good} --pattern salient"), "train/no-gradient"),
        ("train".to_owned(), "--train FILE"),
        (format!("train {good}"), "--train or --test"),
        (format!("train --train {good} --size huge"), "small, node, large"),
        (format!("train --train {good} --epochs 0"), "at least 1"),
        (format!("eval {good} {good}"), "good.csv"),
    ] {
        let sentence = refused(&words(&args));
        assert!(sentence.contains(code), "{args}: {sentence}");
    }
}
