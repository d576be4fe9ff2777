//! The ESP32-S3 image around [`csi_node::Node`](../csi_node/index.html): startup, memory, registers,
//! consoles.
//!
//! One binary serves two boards and asks the processor which it runs on: an ESP32-S3, or QEMU's
//! `kc705` with the same instruction set. It knows nothing of models and packets; it moves bytes
//! between consoles and the node, and maps the weights that lie in flash.
//!
//! On any other target only [`partition`] is there, for its tests.
#![cfg_attr(target_arch = "xtensa", no_std)]

pub mod partition;

#[cfg(target_arch = "xtensa")]
mod app;
#[cfg(target_arch = "xtensa")]
mod board;
#[cfg(target_arch = "xtensa")]
mod clock;
#[cfg(target_arch = "xtensa")]
mod console;
#[cfg(target_arch = "xtensa")]
mod descriptor;
#[cfg(target_arch = "xtensa")]
mod division;
#[cfg(target_arch = "xtensa")]
mod fatal;
#[cfg(target_arch = "xtensa")]
mod memory;
