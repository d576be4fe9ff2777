//! What the program does, by its first argument.

use core::fmt::{Error, Write};

use csi_temporal::head::{HeadWindow, TemporalHead};
use csi_temporal::rvne::{AttentionRecord, DEFAULT_SEED, Dtype, HeadShape, WeightBlob};

use crate::system::{Arguments, Out, mark};

/// Rows of a window.
const ROWS: usize = 256;

pub fn run(arguments: Arguments) -> Result<(), Error> {
    match arguments.get(1) {
        Some("bits") => bits(),
        Some("count") => count(),
        _ => writeln!(Out, "arguments: bits or count").and(Err(Error)),
    }
}

/// Prints the golden table, as `fixtures/golden/bits.txt` has it.
fn bits() -> Result<(), Error> {
    let mut table = csi_temporal::selftest::bits().into_iter();
    table.try_for_each(|(name, hash)| writeln!(Out, "{name} {hash:016x}"))
}

/// Runs what is counted. Prints a name for every second mark; before it is the first mark's.
fn count() -> Result<(), Error> {
    let edges = AttentionRecord {
        window: 16,
        block_size: 32,
        log_stride: true,
        landmarks: true,
        ..AttentionRecord::default()
    };
    let one_layer =
        HeadShape { input_dim: 60, q_heads: 4, kv_heads: 4, head_dim: 8, layers: 1, classes: 4 };
    for (name, shape) in [("60-inputs", one_layer), ("default", HeadShape::default())] {
        let mut blob = WeightBlob::seeded(shape, DEFAULT_SEED, Dtype::F32).map_err(|_| Error)?;
        blob.trailer.attention = Some(edges);
        let head = TemporalHead::from_blob(&blob).map_err(|_| Error)?;
        count_head(name, &head)?;
    }
    Ok(())
}

fn count_head(name: &str, head: &TemporalHead) -> Result<(), Error> {
    let mut state = 1_u64;
    let mut row = alloc::vec![0.0; head.feature_dim()];
    let mut next = |row: &mut [f32]| {
        for number in row {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *number = (state >> 40) as f32 / 8_388_608.0 - 1.0;
        }
    };
    let mut window = HeadWindow::new(head, ROWS).map_err(|_| Error)?;
    // The second classification allocates nothing any more.
    for _ in 0..2 {
        for _ in 0..ROWS {
            next(&mut row);
            window.push(head, &row).map_err(|_| Error)?;
        }
        window.classify(head).map_err(|_| Error)?;
    }
    next(&mut row);
    counted(name, "push", || window.push(head, &row).is_ok())?;
    counted(name, "classify", || window.classify(head).is_ok())?;
    drop(window);
    let mut stream = head.start_stream(head.backend(), ROWS).map_err(|_| Error)?;
    for _ in 0..ROWS {
        next(&mut row);
        stream.step(head, &row).map_err(|_| Error)?;
    }
    next(&mut row);
    counted(name, "step", || stream.step(head, &row).is_ok())
}

fn counted(name: &str, what: &str, run: impl FnOnce() -> bool) -> Result<(), Error> {
    mark();
    let went_well = core::hint::black_box(run());
    mark();
    if went_well { writeln!(Out, "{name}-{what}") } else { Err(Error) }
}
