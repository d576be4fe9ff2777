//! The lab for JavaScript: values are converted, canvases drawn on, and nothing is decided.
//!
//! Two instances of this module run in a page. The main thread uses [`Replay`] and the drawing
//! functions; a worker owns a `Lab` with everything heavy. Small results are objects, arrays are
//! typed arrays. Every error is an `Error` with a stable `code`.
#![deny(clippy::unwrap_used, clippy::expect_used)]

#[cfg(target_arch = "wasm32")]
mod canvas;
mod error;
mod replay;

pub use replay::Replay;

use wasm_bindgen::prelude::wasm_bindgen;

/// Every code that an error of this module can have.
#[wasm_bindgen(js_name = errorCodes)]
pub fn error_codes() -> Vec<String> {
    csi_lab::codes::ALL.iter().map(ToString::to_string).collect()
}

/// The version of the lab.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_string()
}
