//! A plugin for QEMU that counts instructions between marks.
//!
//! Each time the program reaches the address given as `mark=HEX`, the instructions since the last
//! time are printed to stderr, one number a line. Compiled by `cargo xtask count`, without cargo:
//! the functions below are QEMU's own, found when it loads this. Source: QEMU, `qemu-plugin.h`,
//! version 1 of the interface.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[unsafe(no_mangle)]
pub static qemu_plugin_version: c_int = 1;

unsafe extern "C" {
    fn qemu_plugin_register_vcpu_tb_trans_cb(id: u64, each: extern "C" fn(u64, *mut c_void));
    fn qemu_plugin_tb_n_insns(block: *const c_void) -> usize;
    fn qemu_plugin_tb_get_insn(block: *const c_void, index: usize) -> *mut c_void;
    fn qemu_plugin_insn_vaddr(instruction: *const c_void) -> u64;
    fn qemu_plugin_register_vcpu_insn_exec_inline(
        instruction: *mut c_void,
        operation: c_int,
        counter: *mut c_void,
        step: u64,
    );
    fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut c_void,
        call: extern "C" fn(c_uint, *mut c_void),
        flags: c_int,
        data: *mut c_void,
    );
}

static COUNT: AtomicU64 = AtomicU64::new(0);
static LAST: AtomicU64 = AtomicU64::new(0);
static MARK: AtomicU64 = AtomicU64::new(0);

#[unsafe(no_mangle)]
extern "C" fn qemu_plugin_install(
    id: u64,
    _: *const c_void,
    count: c_int,
    words: *const *const c_char,
) -> c_int {
    for index in 0..count as usize {
        // SAFETY: QEMU gives `count` texts.
        let word = unsafe { CStr::from_ptr(*words.add(index)) }.to_string_lossy();
        if let Some(hex) = word.strip_prefix("mark=") {
            MARK.store(u64::from_str_radix(hex, 16).unwrap_or(0), Relaxed);
        }
    }
    // SAFETY: the function lives as long as the plugin.
    unsafe { qemu_plugin_register_vcpu_tb_trans_cb(id, translated) };
    0
}

extern "C" fn translated(_: u64, block: *mut c_void) {
    // SAFETY: the handles are QEMU's; the counter is static, and its only writer is the one thread
    // of the program.
    unsafe {
        for index in 0..qemu_plugin_tb_n_insns(block) {
            let instruction = qemu_plugin_tb_get_insn(block, index);
            if qemu_plugin_insn_vaddr(instruction) == MARK.load(Relaxed) {
                let none = std::ptr::null_mut();
                qemu_plugin_register_vcpu_insn_exec_cb(instruction, marked, 0, none);
            }
            let counter = COUNT.as_ptr().cast();
            qemu_plugin_register_vcpu_insn_exec_inline(instruction, 0, counter, 1);
        }
    }
}

extern "C" fn marked(_: c_uint, _: *mut c_void) {
    let count = COUNT.load(Relaxed);
    eprintln!("{}", count - LAST.swap(count, Relaxed));
}
