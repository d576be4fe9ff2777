//! Errors of Rust become JavaScript errors here, and nowhere else.

use core::fmt::Display;

use js_sys::Reflect;
use wasm_bindgen::JsValue;

/// What an exported function returns.
pub type Result<T> = core::result::Result<T, JsValue>;

/// Makes an `Error` with the sentence as `message` and the stable code as `code`.
pub fn thrown(code: &str, sentence: impl Display) -> JsValue {
    let error = js_sys::Error::new(&sentence.to_string());
    // Setting a property of a fresh object cannot fail.
    let _ = Reflect::set(&error, &"code".into(), &code.into());
    error.into()
}

/// For values that JavaScript handed over in another shape than the declared one.
pub fn bad_argument(sentence: impl Display) -> JsValue {
    thrown(csi_lab::codes::BAD_ARGUMENT, sentence)
}
