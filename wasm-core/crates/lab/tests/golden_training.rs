//! Short training runs give the blobs that the golden file says, which wasm is held to as well.
//!
//! `UPDATE_GOLDEN=1 cargo test -p csi-lab --test golden_training` writes the file. It does not in CI:
//! there, a change of bits is a failure.

use csi_lab::train::selftest;
use std::path::PathBuf;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../fixtures/golden/training.txt")
}

#[test]
fn golden_training() {
    let lines: Vec<String> =
        selftest::bits().iter().map(|(name, hash)| format!("{name} {hash:016x}")).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        assert!(std::env::var_os("CI").is_none(), "golden files are not written in CI");
        let head = "# FNV-1a, 64 bits, of the blobs of csi_lab::train::selftest, one line each.\n\
                    # Host and WebAssembly must agree. Written by the test golden_training.\n";
        std::fs::write(path(), format!("{head}{}\n", lines.join("\n"))).unwrap();
    }
    let golden = std::fs::read_to_string(path()).expect("fixtures/golden/training.txt");
    let golden: Vec<&str> = golden.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines, golden);
}
