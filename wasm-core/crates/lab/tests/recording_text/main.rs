//! Claims about the text recordings, one module a claim.
//!
//! The fixtures' origin and expected counts are in `fixtures/README.md`.

mod counts_of_fixtures;
mod counts_of_public_recordings;
mod frames_hold_what_the_file_says;
mod generic_tables;
mod pieces_and_damage;
mod refusals;
mod serial_lines;
mod subcarriers;

use std::path::{Path, PathBuf};

use csi_lab::recording::{Decoder, Limits, Recording, Refusal};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

fn fixture(name: &str) -> Vec<u8> {
    let path = root().join("fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every fixture, good and bad: name and bytes, in order of name.
fn all_fixtures() -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for folder in ["recordings", "bad"] {
        for entry in std::fs::read_dir(root().join("fixtures").join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            all.push((name, std::fs::read(path).unwrap()));
        }
    }
    all.sort();
    assert!(all.len() > 20, "fixtures are missing");
    all
}

fn decode_in_pieces(bytes: &[u8], size: usize) -> Result<Recording, Refusal> {
    let mut decoder = Decoder::new("test", Limits::default());
    for piece in bytes.chunks(size.max(1)) {
        decoder.push(piece)?;
    }
    decoder.finish()
}

fn decode(bytes: impl AsRef<[u8]>) -> Result<Recording, Refusal> {
    decode_in_pieces(bytes.as_ref(), usize::MAX)
}

fn open(bytes: impl AsRef<[u8]>) -> Recording {
    decode(bytes).unwrap_or_else(|refusal| panic!("{}: {refusal}", refusal.code()))
}

fn refused(bytes: impl AsRef<[u8]>) -> Refusal {
    match decode(bytes) {
        Ok(recording) => panic!("opened with {} frames", recording.report.frames),
        Err(refusal) => refusal,
    }
}

/// Skip counts as pairs, for comparison with a literal.
fn skipped(recording: &Recording) -> Vec<(&str, u64)> {
    recording.report.skipped.iter().map(|(code, count)| (*code, *count)).collect()
}
