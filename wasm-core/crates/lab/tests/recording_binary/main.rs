//! The binary formats of recordings: RuView packets, packet captures, Nexmon, espectre,
//! Intel 5300, Atheros, and the polite refusals.

mod build;
mod damage;
mod handmade;
mod measured;

use csi_lab::recording::{Decoder, Limits, Recording, Refusal};

/// Reads `bytes` pushed in pieces of `piece` bytes.
fn read_in(piece: usize, bytes: &[u8]) -> Result<Recording, Refusal> {
    let mut decoder = Decoder::new("file", Limits::default());
    for piece in bytes.chunks(piece) {
        decoder.push(piece)?;
    }
    decoder.finish()
}

fn read(bytes: &[u8]) -> Recording {
    read_in(usize::MAX, bytes).unwrap_or_else(|refusal| panic!("refused: {refusal}"))
}

fn refusal(bytes: &[u8]) -> Refusal {
    match read_in(usize::MAX, bytes) {
        Ok(recording) => panic!("read as {}", recording.report.format),
        Err(refusal) => refusal,
    }
}

/// Everything that a recording says, for comparing two of them.
fn told(recording: &Recording) -> String {
    let mut out = format!("{:?}\n", recording.report);
    for stream in &recording.streams {
        for i in 0..stream.len() {
            out +=
                &format!("{} {i} {:?} {:?}\n", stream.name, stream.time_micros(i), stream.frame(i));
        }
    }
    out
}
