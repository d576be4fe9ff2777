//! The node's model for C: the static library behind `ruv_temporal.h`.
//!
//! [`context`] holds what a handle stands for, in safe code; [`ffi`] turns C's pointers into
//! references and back, finds memory, and is the only place with unsafe code; [`error`] says
//! which of ESP-IDF's error numbers a refusal becomes.
//!
//! No function panics across the boundary or allocates without bound: what is wrong with an
//! argument comes back as a number. Calls on one handle must not overlap; different handles may
//! be used by different tasks.
//!
//! On ESP-IDF the library needs `ruv_port_panic`, and with the feature `regions` also
//! `ruv_port_lock` and `ruv_port_unlock`, which the component's `ruv_port.c` has.
#![cfg_attr(target_os = "none", no_std)]
#![deny(unsafe_code)]

#[cfg_attr(not(target_os = "none"), allow(unused_extern_crates, reason = "std has it there"))]
extern crate alloc;

mod context;
mod error;
mod ffi;

#[cfg(test)]
mod header;
