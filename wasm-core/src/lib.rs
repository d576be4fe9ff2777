//! The lab for JavaScript: values are converted, canvases drawn on, and nothing is decided.
//!
//! Two instances of this module run in a page. The main thread uses [`Replay`] and the drawing
//! functions; a worker owns a [`Lab`] with everything heavy. Small results are objects, arrays are
//! typed arrays. Every error is an `Error` with a stable `code`.
#![deny(clippy::unwrap_used, clippy::expect_used)]

#[cfg(target_arch = "wasm32")]
mod canvas;
#[cfg(target_arch = "wasm32")]
mod device;
mod dto;
mod error;
mod lab;
mod replay;
#[cfg(target_arch = "wasm32")]
pub mod serial;
mod study;

pub use lab::Lab;
pub use replay::Replay;
pub use study::Study;

use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn console_error(message: &str);
}

/// A panic is a defect: its place goes to the console before the instance stops.
#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|panic| console_error(&panic.to_string())));
}

/// Every code that an error of this module can have.
#[wasm_bindgen(js_name = errorCodes)]
pub fn error_codes() -> Vec<String> {
    csi_lab::codes::ALL.iter().map(ToString::to_string).collect()
}

/// The self-test's hashes, one line `name hex` each, as `fixtures/golden/bits.txt` lists them.
#[wasm_bindgen(js_name = selfTestBits)]
pub fn self_test_bits() -> String {
    let lines = csi_temporal::selftest::bits().into_iter();
    lines.map(|(name, hash)| format!("{name} {hash:016x}\n")).collect()
}

/// The same of short training runs, as `fixtures/golden/training.txt` lists them.
#[wasm_bindgen(js_name = selfTestTraining)]
pub fn self_test_training() -> String {
    let lines = csi_lab::train::selftest::bits().into_iter();
    lines.map(|(name, hash)| format!("{name} {hash:016x}\n")).collect()
}

/// The version of the lab.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_string()
}
