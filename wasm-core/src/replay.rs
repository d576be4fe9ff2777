//! The replay clock of [`csi_lab::replay`] for JavaScript.

use wasm_bindgen::prelude::wasm_bindgen;

use csi_lab::replay;

/// Which frame is shown at which moment; see [`csi_lab::replay::Replay`].
///
/// Times called `nowMs` are those of `performance.now()` or of an animation frame.
#[wasm_bindgen]
pub struct Replay(replay::Replay);

#[wasm_bindgen]
impl Replay {
    /// Starts stopped at the first frame. Microseconds, one for each frame.
    #[wasm_bindgen(constructor)]
    pub fn new(#[wasm_bindgen(js_name = timesMicros)] times_micros: Vec<f64>) -> Self {
        Self(replay::Replay::new(times_micros))
    }

    /// Appends the times of frames that came since; position and speed stay.
    pub fn append(&mut self, #[wasm_bindgen(js_name = timesMicros)] times_micros: &[f64]) {
        self.0.append(times_micros);
    }

    /// Plays when stopped, pauses when playing.
    pub fn toggle(&mut self, #[wasm_bindgen(js_name = nowMs)] now_ms: f64) {
        self.0.toggle(now_ms);
    }

    /// Plays from the position, or from the start when the position is the end.
    pub fn play(&mut self, #[wasm_bindgen(js_name = nowMs)] now_ms: f64) {
        self.0.play(now_ms);
    }

    /// Stops at the position.
    pub fn pause(&mut self) {
        self.0.pause();
    }

    /// 0.25 to 8 times real time; others are clamped.
    #[wasm_bindgen(js_name = setSpeed)]
    pub fn set_speed(&mut self, speed: f64) {
        self.0.set_speed(speed);
    }

    /// Whether the end leads back to the start.
    #[wasm_bindgen(js_name = setLooping)]
    pub fn set_looping(&mut self, on: bool) {
        self.0.set_looping(on);
    }

    /// Goes to a frame, clamped.
    #[wasm_bindgen(js_name = seekFrame)]
    pub fn seek_frame(&mut self, frame: f64) {
        self.0.seek_frame(frame as usize);
    }

    /// Goes to a time in seconds after the first frame, clamped.
    #[wasm_bindgen(js_name = seekSeconds)]
    pub fn seek_seconds(&mut self, t: f64) {
        self.0.seek_seconds(t);
    }

    /// Moves by frames, backwards when negative.
    #[wasm_bindgen(js_name = stepFrames)]
    pub fn step_frames(&mut self, n: f64) {
        self.0.step_frames(n as i64);
    }

    /// Moves by seconds, backwards when negative.
    #[wasm_bindgen(js_name = stepSeconds)]
    pub fn step_seconds(&mut self, s: f64) {
        self.0.step_seconds(s);
    }

    /// Goes to the first frame.
    pub fn home(&mut self) {
        self.0.home();
    }

    /// Goes to the last frame.
    pub fn end(&mut self) {
        self.0.end();
    }

    /// Moves to what the clock shows; true if the frame changed.
    pub fn advance(&mut self, #[wasm_bindgen(js_name = nowMs)] now_ms: f64) -> bool {
        self.0.advance(now_ms)
    }

    /// The frame that is shown.
    #[wasm_bindgen(getter)]
    pub fn frame(&self) -> f64 {
        self.0.frame() as f64
    }

    /// Seconds after the first frame.
    #[wasm_bindgen(getter)]
    pub fn seconds(&self) -> f64 {
        self.0.seconds()
    }

    /// Whether the clock runs.
    #[wasm_bindgen(getter)]
    pub fn playing(&self) -> bool {
        self.0.is_playing()
    }

    /// As a factor of real time.
    #[wasm_bindgen(getter)]
    pub fn speed(&self) -> f64 {
        self.0.speed()
    }

    /// Whether the end leads back to the start.
    #[wasm_bindgen(getter)]
    pub fn looping(&self) -> bool {
        self.0.is_looping()
    }

    /// The number of frames.
    #[wasm_bindgen(getter, js_name = frameCount)]
    pub fn frame_count(&self) -> f64 {
        self.0.frame_count() as f64
    }

    /// From the first frame to the last.
    #[wasm_bindgen(getter, js_name = spanSeconds)]
    pub fn span_seconds(&self) -> f64 {
        self.0.span_seconds()
    }
}
