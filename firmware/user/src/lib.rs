//! The core as a program for `qemu-xtensa`: the same machine code as on the node, with system calls of
//! Linux in place of a board.
//!
//! `bits` prints the table of `csi_temporal::selftest`, `count` runs what `cargo xtask count` counts.
//! Built with the feature `soak` it sends frames through a node instead; a program of its own, so
//! that what is counted stays as it is. On any other target this crate is empty.
#![cfg_attr(target_arch = "xtensa", no_std)]

#[cfg(target_arch = "xtensa")]
extern crate alloc;

#[cfg(all(target_arch = "xtensa", feature = "soak"))]
mod endurance;
#[cfg(all(target_arch = "xtensa", not(feature = "soak")))]
mod program;
#[cfg(all(target_arch = "xtensa", feature = "soak"))]
mod soak;
#[cfg(target_arch = "xtensa")]
mod system;

#[cfg(all(target_arch = "xtensa", feature = "soak"))]
use endurance::run;
#[cfg(all(target_arch = "xtensa", not(feature = "soak")))]
use program::run;
