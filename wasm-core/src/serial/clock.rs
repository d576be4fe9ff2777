//! The browser's clock and its timers.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use js_sys::{Function, Promise};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn now_ms() -> f64;
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(run: &Function, ms: f64) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(id: &JsValue);
}

/// Microseconds since the page began; never goes back.
pub fn now_micros() -> u64 {
    (now_ms() * 1e3) as u64
}

/// A function that runs later, unless this is dropped before.
pub struct Timer(JsValue);

impl Timer {
    /// Browsers round short times up, to 4 ms in a row of timers, and hidden pages wait a second.
    pub fn after(micros: u64, run: &Function) -> Self {
        Self(set_timeout(run, micros.div_ceil(1000) as f64))
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        clear_timeout(&self.0);
    }
}

/// Waits.
pub async fn sleep(micros: u64) {
    Bell::default().wait(Some(micros)).await;
}

/// Does something for at most so long; `None` when time was up first.
pub async fn within<T>(micros: u64, work: impl Future<Output = T>) -> Option<T> {
    let (mut work, mut limit) = (pin!(work), pin!(sleep(micros)));
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => limit.as_mut().poll(context).map(|()| None),
    })
    .await
}

/// Lets one task wait until another rings or time is up.
#[derive(Default)]
pub struct Bell(RefCell<Option<Function>>);

impl Bell {
    /// Wakes who waits; does nothing when nobody does.
    pub fn ring(&self) {
        if let Some(wake) = self.0.take() {
            // A promise's resolve function throws nothing.
            let _ = wake.call0(&JsValue::UNDEFINED);
        }
    }

    /// Waits for the bell, or at most so long.
    pub async fn wait(&self, micros: Option<u64>) {
        let mut timer = None;
        let rung = Promise::new(&mut |resolve, _| {
            timer = micros.map(|micros| Timer::after(micros, &resolve));
            self.0.replace(Some(resolve));
        });
        let _ = rung.await;
        drop(timer);
    }
}
