//! The core as a program for `qemu-xtensa`: the same machine code as on the node, with system calls of
//! Linux in place of a board.
//!
//! `bits` prints the table of `csi_temporal::selftest`, `count` runs what `cargo xtask count` counts. On any other target this crate is empty.
#![cfg_attr(target_arch = "xtensa", no_std)]

#[cfg(target_arch = "xtensa")]
extern crate alloc;

#[cfg(target_arch = "xtensa")]
mod program;
#[cfg(target_arch = "xtensa")]
mod system;
