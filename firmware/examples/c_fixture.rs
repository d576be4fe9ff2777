//! Writes what the tests of the C side compare with: `c_fixture FOLDER`.
//!
//! `blob.rvne`, `other.rvne` of the same shape, `wide.rvne` of another, `streaming.rvne`,
//! `rated.rvne` at 100 Hz; `rows.f32`, `[30, 6]`; `logits.f32`, the head's forward pass over each
//! window of 12 rows of `blob`; `steps.f32`, that of `streaming` over the rows so far, by its last.

use csi_temporal::head::TemporalHead;
use csi_temporal::rvne::{AttentionRecord, Dtype, HeadShape, Pooling, WeightBlob};
use std::path::Path;

const WINDOW: usize = 12;
const DIM: usize = 6;

fn blob(seed: u64, input_dim: u16, change: impl FnOnce(&mut AttentionRecord)) -> WeightBlob {
    let shape =
        HeadShape { input_dim, q_heads: 4, kv_heads: 2, head_dim: 4, layers: 2, classes: 3 };
    let mut blob = WeightBlob::seeded(shape, seed, Dtype::F32).expect("a sound shape");
    blob.weights.iter_mut().for_each(|weight| *weight *= 5.0);
    let mut record = AttentionRecord { window_len: WINDOW as u16, ..AttentionRecord::default() };
    change(&mut record);
    blob.trailer.attention = Some(record);
    blob
}

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).expect("usage: c_fixture FOLDER");
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes);
    let floats =
        |numbers: &[f32]| -> Vec<u8> { numbers.iter().flat_map(|n| n.to_le_bytes()).collect() };
    let encode = |blob: &WeightBlob| blob.encode().expect("a sound blob");

    let first = blob(1, DIM as u16, |_| {});
    let streaming = blob(3, DIM as u16, |record| {
        record.streaming = true;
        record.pooling = Pooling::Last;
    });
    write("blob.rvne", &encode(&first))?;
    write("other.rvne", &encode(&blob(2, DIM as u16, |_| {})))?;
    write("wide.rvne", &encode(&blob(1, 7, |_| {})))?;
    write("streaming.rvne", &encode(&streaming))?;
    write("rated.rvne", &encode(&blob(4, DIM as u16, |record| record.frame_rate_hz = 100.0)))?;

    let rows: Vec<f32> = (0..30 * DIM).map(|i| ((i * 7919 % 251) as f32 - 125.0) / 125.0).collect();
    write("rows.f32", &floats(&rows))?;
    let head = TemporalHead::from_blob(&first).expect("a head");
    let forward = |head: &TemporalHead, rows: &[f32]| {
        head.forward(rows, head.backend()).expect("finite logits").logits
    };
    let logits: Vec<f32> =
        rows.windows(WINDOW * DIM).step_by(DIM).flat_map(|window| forward(&head, window)).collect();
    write("logits.f32", &floats(&logits))?;
    let head = TemporalHead::from_blob(&streaming).expect("a head");
    let steps: Vec<f32> =
        (1..=WINDOW).flat_map(|count| forward(&head, &rows[..count * DIM])).collect();
    write("steps.f32", &floats(&steps))
}
