//! `csi import` and `csi export`, as scripts see them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn csi(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_csi")).args(args).output().expect("csi starts")
}

fn fixture(name: &str) -> String {
    format!("{}/../../../fixtures/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn scratch() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bridge");
    std::fs::create_dir_all(&folder).expect("scratch folder");
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().expect("path is UTF-8")
}

#[test]
fn export_and_import_give_the_same_file() {
    let (tensors, blob) = (scratch().join("tiny.safetensors"), scratch().join("tiny.rvne"));
    let original = fixture("models/tiny_f16_every_record.rvne");
    assert!(csi(&["export", &original, "--out", text(&tensors)]).status.success());
    let imported = csi(&["import", text(&tensors), "--out", text(&blob)]);
    assert_eq!(
        String::from_utf8_lossy(&imported.stdout),
        format!("{}: 580 bytes, 28 f16 weights\n", blob.display())
    );
    let read = |path: &str| std::fs::read(path).expect("a file");
    assert_eq!(read(text(&blob)), read(&original));
}

#[test]
fn import_rounds_when_it_is_asked_to() {
    let blob = scratch().join("numpy.rvne");
    let numpy = fixture("bridge/weights_f32.safetensors");
    assert!(csi(&["import", &numpy, "--f16", "--out", text(&blob)]).status.success());
    let shown = csi(&["blob", "show", text(&blob), "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(shown["dtype"], "f16");
    assert_eq!(shown["classNames"], serde_json::json!(["empty", "wave", "walk"]));
    assert_eq!(shown["attention"]["kind"], "dense");
}

#[test]
fn what_is_no_head_is_refused_in_one_sentence_and_nothing_is_written() {
    let out = scratch().join("never.rvne");
    let refused = |args: &[&str], words: &str| {
        let output = csi(args);
        let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{sentence}");
        assert!(sentence.contains(words) && sentence.lines().count() == 1, "{sentence}");
        assert!(!out.exists());
    };
    refused(&["import", &fixture("bad/noise.bin"), "--out", text(&out)], "no safetensors file");
    refused(&["export", &fixture("bad/noise.bin"), "--out", text(&out)], "weight blob");
    refused(&["import", &fixture("bridge/weights_f32.safetensors")], "--out");
    let export_f16 = ["export", "--f16", "a", "--out", text(&out)];
    refused(&export_f16, "no option --f16");
}
