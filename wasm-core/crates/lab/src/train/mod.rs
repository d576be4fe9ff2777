//! Training a temporal head: labelled windows in, a weight blob out.
//!
//! ```text
//! Windows ─ normalise, augment ─> Model forward ─ cross-entropy ─ backward ─> AdamW
//!                                                      mean of the numbers ─> WeightBlob
//! ```
//!
//! A [`Trainer::with_teacher`] also learns what a trained head says of each window, and [`saw`] tells
//! whether that head saw a test recording.
//!
//! The model is the core's head, so that the blob is what page and node run; `dataset` makes the
//! rows by the core's extractor. A [`Trainer`] is given training windows and nothing else: no test
//! recording can reach weights, normalisation or the moment at which it stops, which is set
//! beforehand. It owns no clock and does no I/O; [`Trainer::step`] does as much as it is told and
//! returns, so that a worker can report and stop. The same windows, settings and seed give the same
//! bytes on every target: sums have a fixed order, and functions are the core's or `libm`'s.
//!
//! Passes are written by hand and not by an autodiff crate: `docs/adr` says why.

mod adam;
mod attend;
mod augment;
pub mod baseline;
mod config;
mod contrast;
pub mod evaluate;
mod lanes;
mod loss;
mod model;
mod params;
mod plan;
pub mod selftest;
mod teach;
mod trainer;
mod views;

pub use crate::random::Random;
pub use augment::Augment;
pub use config::{Objective, Size, TrainConfig, TrainError};
pub use contrast::{Contrast, Terms};
pub use lanes::{LANES, Lanes};
pub use model::Model;
pub use params::{Dims, Layout};
pub use plan::{NoGradient, Plan};
pub use teach::{Soft, saw};
pub use trainer::{Progress, Trainer};
