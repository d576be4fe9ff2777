//! `csi gates` as scripts see it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn csi(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_csi")).args(args).output().expect("csi starts")
}

/// A table of 32 amplitudes, `sit` and `walk` in turns of 30 frames.
fn recording(folder: &Path, name: &str, seed: u32) -> String {
    let mut state = seed;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    let columns: Vec<String> = (0..32).map(|pair| format!("a{pair}")).collect();
    let mut text = format!("label,{}\n", columns.join(","));
    for frame in 0..120 {
        let walks = frame / 30 % 2 == 1;
        text += if walks { "walk" } else { "sit" };
        for pair in 0..32 {
            let wave = if walks { (frame % 10 * pair) as f32 / 40.0 } else { 0.0 };
            text += &format!(",{:.3}", 30.0 + wave + random());
        }
        text.push('\n');
    }
    let path = folder.join(name);
    std::fs::write(&path, text).expect("recording written");
    path.to_str().expect("path is UTF-8").to_owned()
}

fn scratch() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("gates");
    std::fs::create_dir_all(&folder).expect("scratch folder");
    folder
}

#[test]
fn every_gate_has_a_figure_and_a_verdict() {
    let (a, b) = (recording(&scratch(), "a.csv", 1), recording(&scratch(), "b.csv", 2));
    let asked = ["--window", "20", "--hop", "10", "--epochs", "2", "--size", "small"];
    let pattern = ["--pattern", "pyramid", "--attn-window", "4", "--per-level", "1", "--json"];
    let args = [&["gates", "--train", &a, "--test", &b], &asked[..], &pattern].concat();
    let output = csi(&args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["test_windows"], 8);
    assert!(report["dense"]["gates"].is_null());
    assert!(report["dense_other_seed"]["gates"]["latency"].is_null());
    let patterns = report["patterns"].as_array().expect("patterns");
    assert_eq!(patterns.len(), 1);
    assert_eq!(patterns[0]["pattern"], "pyramid, window 4, 1 per level");
    for way in ["trained_dense_run_sparse", "trained_sparse_run_sparse"] {
        let gates = &patterns[0][way]["gates"];
        let passes: Vec<bool> = ["loss", "rank_one", "order", "latency"]
            .iter()
            .map(|gate| {
                let number = |field: &str| gates[gate][field].as_f64().expect("a number");
                let (figure, limit) = (number("figure"), number("limit"));
                let is_least = *gate == "order" || *gate == "latency";
                let passes = if is_least { figure >= limit } else { figure <= limit };
                assert_eq!(gates[gate]["passes"], passes, "{way} {gate}: {figure}");
                passes
            })
            .collect();
        assert_eq!(gates["passes"], passes.iter().all(|passes| *passes), "{way}");
    }
    let times = patterns[0]["times"].as_array().expect("times");
    assert_eq!(times[0]["rows"], 20);
    assert!(times.iter().all(|at| at["sparse_ms"].as_f64().is_some_and(|ms| ms > 0.0)));
}

#[test]
fn what_gates_cannot_use_is_refused() {
    let a = recording(&scratch(), "c.csv", 3);
    for (args, words) in [
        (&["gates", "--train", &a, "--window", "20"][..], "held out"),
        (&["gates", "--train", &a, "--test", &a, "--out", "x"], "--out"),
        (&["gates", "--train", &a, "--test", &a, "--seeds", "3"], "--seeds"),
        (&["gates"], "--train"),
        (&["train", "--train", &a, "--times"], "--times"),
    ] {
        let output = csi(args);
        let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{sentence}");
        assert!(sentence.contains(words) && sentence.lines().count() == 1, "{sentence}");
    }
}
