//! Many frames through a node, and the memory that a model takes.

use core::fmt::{Error, Write};

use csi_node::Model;
use csi_temporal::half::Storage;
use csi_temporal::rvne::{AttentionRecord, Dtype, HeadShape, WeightBlob};

use crate::soak::soak;
use crate::system::{Arguments, Out, heap_used};

/// `FRAMES` sends so many; `memory` says what a model of 256 rows takes.
pub fn run(arguments: Arguments) -> Result<(), Error> {
    match arguments.get(1) {
        Some("memory") => memory(),
        Some(frames) => endure(frames.parse().map_err(|_| Error)?),
        None => writeln!(Out, "arguments: memory or FRAMES").and(Err(Error)),
    }
}

fn endure(frames: u32) -> Result<(), Error> {
    match soak(frames, heap_used) {
        Ok(soaked) => writeln!(Out, "{soaked}"),
        Err((what, [found, expected])) => {
            writeln!(Out, "{what}: {found} instead of {expected}").and(Err(Error))
        }
    }
}

/// 60 features, one layer of four heads of 8: everything but the weights that stays after a
/// classification of 256 rows.
fn memory() -> Result<(), Error> {
    let shape =
        HeadShape { input_dim: 60, q_heads: 4, kv_heads: 4, head_dim: 8, layers: 1, classes: 4 };
    for (name, storage) in [("f32", Storage::F32), ("f16", Storage::F16)] {
        let mut blob = WeightBlob::seeded(shape, 1, Dtype::F16).map_err(|_| Error)?;
        let record = AttentionRecord { storage, window_len: 256, ..AttentionRecord::default() };
        blob.trailer.attention = Some(record);
        let bytes = blob.encode().map_err(|_| Error)?;
        let before = heap_used();
        let mut model = Model::load(&bytes, 0).map_err(|_| Error)?;
        for _ in 0..256 {
            model.push(&[0.5; 60], false).map_err(|_| Error)?;
        }
        model.classify().map_err(|_| Error)?;
        let taken = heap_used() - before - 4 * blob.weights.len();
        writeln!(Out, "working-set-{name} {taken}")?;
    }
    Ok(())
}
