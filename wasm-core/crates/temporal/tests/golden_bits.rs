//! The self-test's hashes are those of the golden file, which wasm is held to as well.
//!
//! `UPDATE_GOLDEN=1 cargo test -p csi-temporal --test golden_bits` writes the file. It does not in
//! CI: there, a change of bits is a failure.

use csi_temporal::selftest;
use std::path::PathBuf;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../fixtures/golden/bits.txt")
}

#[test]
fn golden_bits() {
    let lines: Vec<String> =
        selftest::bits().iter().map(|(name, hash)| format!("{name} {hash:016x}")).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        assert!(std::env::var_os("CI").is_none(), "golden files are not written in CI");
        let head = "# FNV-1a, 64 bits, of the outputs of csi_temporal::selftest, one line each.\n\
                    # Host, WebAssembly and Xtensa must agree. Written by the test golden_bits.\n";
        std::fs::create_dir_all(path().parent().unwrap()).unwrap();
        std::fs::write(path(), format!("{head}{}\n", lines.join("\n"))).unwrap();
    }
    let golden = std::fs::read_to_string(path()).expect("fixtures/golden/bits.txt");
    let golden: Vec<&str> = golden.lines().filter(|line| !line.starts_with('#')).collect();
    for (got, expected) in lines.iter().zip(&golden) {
        assert_eq!(got, expected);
    }
    assert_eq!(lines.len(), golden.len(), "names were added or dropped");
}
