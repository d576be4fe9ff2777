//! A session with the built-in recording, or with one made here.

#![allow(dead_code, reason = "each test file uses its part")]

use std::path::PathBuf;

use csi_lab::comparison::DenseSide;
use csi_lab::pattern::Pattern;
use csi_lab::recording::{Decoder, Limits};
use csi_lab::session::{AttentionAsk, AttentionView, LabError, ModelAsk, Session};
use csi_temporal::attention::SparsePattern;
use csi_temporal::feature::{Extractor, MeanRemoval, PipelineConfig};
use csi_temporal::rvne::{DEFAULT_SEED, Dtype, HeadShape};

/// The bytes of a file of `fixtures/`.
pub fn fixture(path: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../fixtures").join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A session with this file open.
pub fn opened(name: &str, bytes: &[u8]) -> Session {
    let mut session = Session::new();
    session.open_begin(name);
    for piece in bytes.chunks(65536) {
        session.open_push(piece).expect("a recording");
    }
    session.open_finish().expect("a recording");
    session
}

/// The built-in recording.
pub fn walking() -> Session {
    opened("walking.csv", &fixture("recordings/walking_esp32_107hz.csv"))
}

/// The last `n` rows up to a frame of the built-in recording and their times in seconds, as the
/// extractor gives them by itself: 16 bands at 50 Hz, the window's mean removed.
pub fn walking_rows(frame: usize, n: usize) -> (Vec<f32>, Vec<f64>) {
    let mut decoder = Decoder::new("walking.csv", Limits::default());
    decoder.push(&fixture("recordings/walking_esp32_107hz.csv")).expect("a recording");
    let recording = decoder.finish().expect("a recording");
    let stream = &recording.streams[recording.default_stream];
    let config = PipelineConfig {
        useful: stream.map.useful(),
        bands: 16,
        divide_by_mean: true,
        mean_removal: MeanRemoval::Window,
        rate_hz: 50.0,
        ..PipelineConfig::default()
    };
    let mut extractor = Extractor::new(config.clone()).expect("a pipeline");
    let (mut rows, mut times) = (Vec::new(), Vec::new());
    for frame in 0..=frame {
        extractor
            .push(&stream.frame(frame), &mut |row| {
                times.push(row.time_micros as f64 / 1e6);
                rows.extend_from_slice(row.values);
            })
            .expect("a frame");
    }
    let first = times.len() - n;
    let mut rows = rows.split_off(first * 16);
    config.finish_window(&mut rows);
    (rows, times.split_off(first))
}

/// The model that the page starts with.
pub fn default_model() -> ModelAsk {
    ModelAsk {
        shape: HeadShape::default(),
        seed: DEFAULT_SEED,
        dtype: Dtype::F32,
        pattern: Pattern::default(),
        node: Default::default(),
    }
}

/// What the attention room asks at first.
pub fn first_ask(frame: usize) -> AttentionAsk {
    AttentionAsk {
        frame,
        n: 256,
        layer: 0,
        head: None,
        pattern: Pattern::default(),
        upstream: SparsePattern::default(),
        magnitude: None,
        dark: false,
    }
}

/// A clock that goes one millisecond forward each time it is asked.
pub fn ticking() -> impl Fn() -> f64 {
    let clock = core::cell::Cell::new(0.0);
    move || {
        clock.set(clock.get() + 1.0);
        clock.get()
    }
}

/// The pattern's side and the dense side of an answer.
pub fn compared(
    session: &mut Session,
    ask: &AttentionAsk,
) -> Result<(AttentionView, DenseSide), LabError> {
    let clock = ticking();
    let view = session.attention(ask, &clock)?;
    let dense = session.attention_step(f64::INFINITY, &clock)?;
    Ok((view, dense.expect("no budget ends it")))
}
