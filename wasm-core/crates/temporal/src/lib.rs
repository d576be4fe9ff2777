//! What runs on the page and on the node: CSI features, attention, the temporal head, its
//! `.rvne` weights and the wire packets.
//!
//! One source for the host, for WebAssembly and for Xtensa, which gives the same output bits on
//! each and is held to it. So it is `no_std`, has no cargo features, takes every function beyond `+ - * /` from [`libm`] by name or writes it
//! itself, and fixes the order of every sum.
//!
//! It does no I/O, owns no clock, draws no random number it was not given a seed for, and does
//! not train.
//!
//! Unsafe code is denied but for one module, `attention::lanes::sse2`: vector instructions.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

pub mod attention;
pub mod crc32;
pub mod division;
pub mod feature;
pub mod frame;
pub mod half;
pub mod head;
pub mod math;
pub mod packet;
pub mod rvne;
pub mod selftest;
pub mod tensor;
pub mod window;
