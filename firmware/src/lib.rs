//! The node's application without a board: CSI frames, feature rows and serial bytes go in,
//! classification packets and serial bytes come out.
//!
//! ```text
//! serial bytes ─> protocol::Decoder ─> Request ─┐
//! rows, CSI frames of an integrator ────────────┴─> Node ─> Model ─> logits
//!                  serial bytes <── Reply <──────────┘
//! ```
//!
//! [`Model`] is the blob at work: weights and the rows that they look at. [`Node`] is the whole
//! application around it: the framed protocol, the feature pipeline, resampling, the period,
//! weights that are swapped while rows come in, counters. [`protocol`] is also what the page and
//! the tests use to talk to a node.
//!
//! It does no I/O and owns no clock: bytes and microseconds are handed in, and what only a board
//! knows comes in a [`Platform`]. It runs nothing of its own accord, keeps nothing in flash, and
//! does not train.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod error;
mod loaded;
mod model;
mod node;
mod output;
pub mod protocol;
mod selftest;
mod stats;
mod upload;

pub use error::NodeError;
pub use loaded::{classification, resampler};
pub use model::{Model, ModelInfo};
pub use node::{Config, FRAME_GAP_MICROS, Node, Platform};
pub use selftest::kernel_works;
pub use stats::Stats;

/// The length of weights that lie at the start of something longer, as in a partition of flash.
pub use csi_temporal::rvne::stored_len;
