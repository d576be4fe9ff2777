//! What a wasm build of this crate shows to kernel.mjs: one group open at a time.
//!
//! Texts are returned as pointer and length in one number, `pointer * 2^32 + length`.

use std::cell::RefCell;

use crate::group::{self, Group, Open};

thread_local! {
    static PLAN: RefCell<(Vec<Group>, String)> = const { RefCell::new((Vec::new(), String::new())) };
    static OPEN: RefCell<Option<Open>> = const { RefCell::new(None) };
}

fn place<T>(slice: &[T]) -> u64 {
    (slice.as_ptr() as u64) << 32 | slice.len() as u64
}

fn with_open<T>(work: impl FnOnce(&mut Open) -> T) -> T {
    OPEN.with_borrow_mut(|open| work(open.as_mut().expect("a group is open")))
}

/// Returns the plan as text, one group a line.
#[unsafe(no_mangle)]
pub extern "C" fn plan(quick: u32) -> u64 {
    PLAN.with_borrow_mut(|(groups, text)| {
        *groups = group::plan(quick != 0);
        *text = group::listed(groups);
        place(text.as_bytes())
    })
}

/// Makes the subjects of a group of the plan; those of the last one are gone.
#[unsafe(no_mangle)]
pub extern "C" fn open(group: usize) {
    OPEN.set(None);
    OPEN.set(Some(PLAN.with_borrow(|(groups, _)| groups[group].open())));
}

/// Prepares a sample of a subject of the open group.
#[unsafe(no_mangle)]
pub extern "C" fn rewind(subject: usize) {
    with_open(|open| open.subjects[subject].1.rewind());
}

/// Runs a subject of the open group.
#[unsafe(no_mangle)]
pub extern "C" fn run(subject: usize, times: u32) {
    with_open(|open| (0..times).for_each(|_| open.subjects[subject].1.run()));
}

/// Returns where the last output is, as pointer and length in numbers.
#[unsafe(no_mangle)]
pub extern "C" fn output(subject: usize) -> u64 {
    with_open(|open| place(open.subjects[subject].1.output()))
}

/// Returns where queries (0), keys (1) or values (2) are, as pointer and length in numbers.
#[unsafe(no_mangle)]
pub extern "C" fn input(which: usize) -> u64 {
    with_open(|open| place(open.inputs.ours[which].data()))
}

/// Returns the additions and multiplications of one run.
#[unsafe(no_mangle)]
pub extern "C" fn flops(subject: usize) -> f64 {
    with_open(|open| open.subjects[subject].1.flops() as f64)
}

/// Returns the memory that a stream keeps, in bytes.
#[unsafe(no_mangle)]
pub extern "C" fn memory_bytes(subject: usize) -> usize {
    with_open(|open| open.subjects[subject].1.memory_bytes())
}

/// Returns the hash of the last output's bits.
#[unsafe(no_mangle)]
pub extern "C" fn bits(subject: usize) -> u32 {
    with_open(|open| open.bits(subject))
}

/// Returns the largest difference of the last output to upstream's, NaN where there is none.
#[unsafe(no_mangle)]
pub extern "C" fn difference(subject: usize) -> f32 {
    with_open(|open| open.difference(subject))
}
