//! A session with the built-in recording, or with one made here.

#![allow(dead_code, reason = "each test file uses its part")]

use std::path::PathBuf;

use csi_lab::session::{AttentionAsk, ModelAsk, Session};
use csi_temporal::attention::SparsePattern;
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

/// The model that the page starts with.
pub fn default_model() -> ModelAsk {
    ModelAsk { shape: HeadShape::default(), seed: DEFAULT_SEED, dtype: Dtype::F32 }
}

/// What the attention room asks at first.
pub fn first_ask(frame: usize) -> AttentionAsk {
    AttentionAsk {
        frame,
        n: 256,
        layer: 0,
        head: None,
        pattern: SparsePattern::default(),
        ln_count: false,
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
